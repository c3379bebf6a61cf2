//! What a run tells while it goes on: on standard error how far it is, and over HTTP its metrics,
//! if they are asked for. Measures nothing of its own: figures are those of the run's snapshots.

mod metrics;
mod server;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duet_engine::pipeline::{Latencies, Snapshot};
use duet_run_file::run_file::Workload;
use duet_terminal::human;
use duet_terminal::progress::Bar;
use duet_terminal::signals;
use hdrhistogram::Histogram;

use crate::machine;
use metrics::Figures;

/// CPU time of threads that wait beside a run, in nanoseconds: one for signals, one for metrics.
#[must_use]
pub fn bystanders_cpu_ns() -> u64 {
    signals::cpu_ns() + server::cpu_ns()
}

/// What is shown of one run, in both of its phases.
pub struct Live {
    quiet: bool,
    /// What the metrics' server reads, if there is one.
    figures: Option<Arc<Mutex<Figures>>>,
}

impl Live {
    /// Shows progress unless `quiet`, and serves metrics of this run at an address. With the
    /// address that it has then, port and all.
    ///
    /// # Errors
    /// If nothing can listen there.
    pub fn begin(
        quiet: bool,
        metrics: Option<SocketAddr>,
        workload: &Workload,
        backend: &str,
    ) -> io::Result<(Live, Option<SocketAddr>)> {
        let (figures, address) = match metrics {
            None => (None, None),
            Some(address) => {
                let figures = Arc::new(Mutex::new(Figures::of(workload, backend)));
                let address = server::serve(address, figures.clone())?;
                (Some(figures), Some(address))
            }
        };
        Ok((Live { quiet, figures }, address))
    }

    /// The channels' phase, of so many payments, and no longer than it may last; `is_planned` where
    /// their number ends it, and not the time alone.
    #[must_use]
    pub fn channels(
        &self,
        payments: u64,
        lasts: Option<Duration>,
        is_planned: bool,
    ) -> Channels<'_> {
        self.change(|figures| figures.planned = is_planned.then_some(payments));
        Channels {
            bar: Bar::with_figures("channels", payments, lasts, self.quiet),
            live: self,
            last: None,
        }
    }

    /// The baseline's phase, of so many payments.
    #[must_use]
    pub fn baseline(&self, payments: u64) -> Baseline<'_> {
        Baseline {
            bar: Bar::new("baseline", payments, self.quiet),
            live: self,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Figures)) {
        if let Some(figures) = &self.figures {
            change(&mut figures.lock().expect("telling figures does not panic"));
        }
    }
}

/// The channels' phase, shown.
pub struct Channels<'l> {
    bar: Bar,
    live: &'l Live,
    /// The last snapshot that had latencies.
    last: Option<Snapshot>,
}

impl Channels<'_> {
    /// Shows how far it is, and what it does beside paying, if anything.
    pub fn at(&mut self, snapshot: &Snapshot, beside: &'static str) {
        self.bar.at(snapshot.payments, beside);
        if snapshot.latencies.is_some() {
            if self.bar.has_figures() {
                let figures = figures(self.last.as_ref(), snapshot, machine::rss_bytes());
                self.bar.figures(figures);
            }
            self.last = Some(snapshot.clone());
        }
        self.live.change(|figures| figures.take(snapshot));
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.bar.clear();
    }
}

/// The baseline's phase, shown.
pub struct Baseline<'l> {
    bar: Bar,
    live: &'l Live,
}

impl Baseline<'_> {
    /// Shows how far it is.
    pub fn at(&self, payments: u64) {
        self.bar.at(payments, "");
        self.live
            .change(|figures| figures.baseline_payments = payments);
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.bar.clear();
    }
}

/// Response times where payments have a schedule, else service times.
fn told(latencies: &Latencies) -> (&'static str, &Histogram<u64>) {
    let response = latencies.response.histogram();
    match response.is_empty() {
        true => ("service", latencies.service.histogram()),
        false => ("response", response),
    }
}

/// A snapshot's figures in a line: latencies and cores of the time since the last one.
fn figures(last: Option<&Snapshot>, now: &Snapshot, rss_bytes: u64) -> String {
    let mut parts = Vec::new();
    if let Some((name, all)) = now.latencies.as_deref().map(told) {
        let mut since = all.clone();
        let before = last.and_then(|last| last.latencies.as_deref()).map(told);
        if let Some((_, before)) = before.filter(|(before, _)| *before == name) {
            // Where the figures began anew meanwhile, all are since.
            let _ = since.subtract(before);
        }
        if !since.is_empty() {
            let at = |quantile| human::nanoseconds(since.value_at_quantile(quantile) as f64);
            parts.push(format!("{name} p50 {}, p99 {}", at(0.5), at(0.99)));
        }
    }
    let transactions = human::figure(now.l1_transactions as f64);
    parts.push(format!("{transactions} on Layer 1"));
    parts.push(human::bytes(rss_bytes as f64));
    let (elapsed, cpu_ns) = match last {
        Some(last) => (
            now.elapsed.saturating_sub(last.elapsed),
            now.cpu_ns.saturating_sub(last.cpu_ns),
        ),
        None => (now.elapsed, now.cpu_ns),
    };
    let cores = cpu_ns as f64 / elapsed.as_nanos() as f64;
    if cores.is_finite() {
        parts.push(format!("{cores:.1} cores"));
    }
    parts.join(", ")
}

/// Reads where metrics are served: an address of this machine alone, or a port of it.
///
/// # Errors
/// Says what was given and what was expected.
pub fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let port = text.parse().ok();
    let address = match port {
        Some(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        None => text.parse().ok(),
    };
    match address {
        Some(address) if address.ip().is_loopback() => Ok(address),
        Some(_) => Err(format!(
            "'{text}' can be reached from other machines: expected an address of this one alone, \
             as in 127.0.0.1:9464"
        )),
        None => Err(format!(
            "'{text}' is no address: expected a port, or an address and a port, as in \
             127.0.0.1:9464"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_of_this_machine_alone() {
        for (text, expected) in [
            ("9464", Ok("127.0.0.1:9464")),
            ("127.0.0.1:0", Ok("127.0.0.1:0")),
            ("127.9.9.9:1", Ok("127.9.9.9:1")),
            ("[::1]:9464", Ok("[::1]:9464")),
            ("0.0.0.0:9464", Err("'0.0.0.0:9464' can be reached")),
            ("[::]:9464", Err("'[::]:9464' can be reached")),
            ("99999", Err("'99999' is no address")),
            ("localhost:9464", Err("'localhost:9464' is no address")),
            ("127.0.0.1", Err("'127.0.0.1' is no address")),
        ] {
            match (parse_loopback(text), expected) {
                (Ok(address), Ok(expected)) => assert_eq!(address.to_string(), expected),
                (Err(error), Err(expected)) => {
                    assert!(error.starts_with(expected), "{text}: {error}");
                }
                (parsed, _) => panic!("{text}: {parsed:?}"),
            }
        }
    }

    #[test]
    fn the_figures_are_of_the_time_since_the_last() {
        let snapshot = |seconds, cpu_ns, l1_transactions| Snapshot {
            elapsed: Duration::from_secs(seconds),
            payments: 0,
            sessions_closed: 0,
            l1_transactions,
            cpu_ns,
            latencies: None,
        };
        let first = snapshot(2, 1_000_000_000, 812);
        assert_eq!(
            figures(None, &first, 1 << 20),
            "812 on Layer 1, 1 MiB, 0.5 cores"
        );
        let second = snapshot(3, 2_900_000_000, 12_345);
        assert_eq!(
            figures(Some(&first), &second, 55 << 20),
            "12.3 k on Layer 1, 55 MiB, 1.9 cores"
        );
    }
}
