//! What a shard reads off while it works: times, CPU time at some moments, and what was at risk.

use super::beginning::Before;
use super::latency::Latencies;
use duet_base::clock::process_cpu_ns;

/// A shard's gauges.
pub(super) struct Gauges {
    /// What was done before the figures began.
    pub(super) before: Before,
    pub(super) latency: Latencies,
    pub(super) value_at_risk: u64,
    /// When the first wave was drawn, and how many sessions were open by then.
    pub(super) first_wave_ns: Option<u64>,
    pub(super) opened_before_paying: u64,
    /// The process's CPU time then, and when the last wave was completed.
    pub(super) cpu_before_paying_ns: Option<u64>,
    pub(super) cpu_after_paying_ns: u64,
    /// When the first wave was completed.
    pub(super) first_completion_ns: Option<u64>,
    pub(super) last_completion_ns: u64,
    /// When sessions were closed since, and how many: a millisecond's together.
    pub(super) closed_since: Vec<(u64, u64)>,
}

impl Gauges {
    /// At zero.
    pub(super) fn new() -> Gauges {
        Gauges {
            before: Before::default(),
            latency: Latencies::new(),
            value_at_risk: 0,
            first_wave_ns: None,
            opened_before_paying: 0,
            cpu_before_paying_ns: None,
            cpu_after_paying_ns: 0,
            first_completion_ns: None,
            last_completion_ns: 0,
            closed_since: Vec::new(),
        }
    }

    /// The figures begin, after this: what was read of completions is in none.
    pub(super) fn begin_figures(&mut self, before: Before) {
        self.before = before;
        self.latency = Latencies::new();
        self.first_completion_ns = None;
        self.last_completion_ns = 0;
        self.closed_since.clear();
    }

    /// The first wave is drawn.
    pub(super) fn first_wave(&mut self, now_ns: u64, sessions_opened: u64) {
        if self.first_wave_ns.is_none() {
            self.first_wave_ns = Some(now_ns);
            self.opened_before_paying = sessions_opened;
            self.cpu_before_paying_ns = Some(process_cpu_ns());
        }
    }

    /// A wave has completed payments.
    pub(super) fn completed(&mut self, now_ns: u64) {
        self.first_completion_ns.get_or_insert(now_ns);
        self.last_completion_ns = now_ns;
        self.closed_since.clear();
        self.cpu_after_paying_ns = process_cpu_ns();
    }

    /// A session was closed.
    pub(super) fn closed(&mut self, now_ns: u64) {
        match self.closed_since.last_mut() {
            Some((from_ns, count)) if now_ns - *from_ns < 1_000_000 => *count += 1,
            _ => self.closed_since.push((now_ns, 1)),
        }
    }
}
