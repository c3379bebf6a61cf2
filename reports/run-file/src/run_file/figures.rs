//! What a run achieved off Layer 1: payments, latency, endpoints, CPU by stage, its own checks.

use serde::{Deserialize, Serialize};

use super::number;
use crate::human;

schema! {
    /// What a throughput figure was bought with; no figure stands without it.
    pub struct Assurance {
        /// Payments that one pair of signatures covers at most.
        pub cosign_every: u64,
        /// Mean payments that a pair of signatures did cover; `null` in files of earlier versions,
        /// and where there was none.
        pub payments_per_cosigning: Option<f64>,
        /// Proposals in flight per channel, at most.
        pub in_flight: u64,
        /// Mean signatures of one key in one verified batch.
        pub signatures_per_key_per_batch: f64,
        /// Mean signatures in one verified batch.
        pub batch_size: f64,
        /// What is durable before a signature leaves a party; `off` when nothing is.
        pub durability: String,
        /// Whether both endpoints of each channel did all of their own checking.
        pub both_endpoints_checked: bool,
        /// The most value not covered by a co-signed state in any channel at any time, in the
        /// smallest unit of value.
        pub value_at_risk_max: u64,
    }

    /// Payments, time, CPU and the run's verdict on itself.
    pub struct Achieved {
        /// Payments that the payer holds a co-signed state for.
        pub payments: u64,
        /// Of these, the ones that the run's times, CPU time, latencies and signatures are of: all,
        /// but of a run that went on after a restart those that were completed once its links were
        /// up. None in files of earlier versions.
        pub payments_measured: Option<u64>,
        /// First open submitted, or, after a restart, links up, to last payout, in seconds; the
        /// baseline is not in it.
        pub wall_s: f64,
        /// `payments_measured` over `wall_s`; not finite, and so `null`, where there were none.
        pub payments_per_s: f64,
        /// The rate while channels were neither ramping up nor draining.
        pub steady_payments_per_s: Option<f64>,
        /// CPU time of the process over `wall_s`, in seconds; the baseline is not in it.
        pub cpu_s: f64,
        /// Whether the run passed all of its own checks and held the offered rate.
        pub valid: bool,
        /// Why it is not valid, one sentence each.
        pub invalid_reasons: Vec<String>,
        /// The run's phases in order.
        pub phases: Vec<Phase>,
        /// Whether it was stopped by hand.
        pub interrupted?: bool,
        /// Sessions whose channel was opened on Layer 1.
        pub sessions_opened?: u64,
        /// Sessions whose channel was closed on Layer 1.
        pub sessions_closed?: u64,
        /// Sessions that ended before their payments were made, by an interrupt or by the planned
        /// end, in this run or, of a durable one, before it went on.
        pub sessions_cut?: u64,
        /// Channels stopped because a party broke a rule or stayed silent.
        pub channels_stopped?: u64,
        /// Payments that the payer's own endpoint refused, such as for want of balance.
        pub payments_refused?: u64,
        /// How an open loop's arrivals were kept up with; none in a closed loop, and in files of
        /// earlier versions.
        pub open_loop: Option<OpenLoop>,
    }
}

/// What the reason begins with for which a run is INVALID that could not keep up, and for that
/// alone.
pub const NOT_HELD: &str = "the offered rate was not held";

/// What the reason begins with for which a run of several machines is INVALID that one of them
/// left: nothing of it was checked.
pub const ENDED_EARLY: &str = "ended early";

impl Achieved {
    /// Whether a machine fell, and nothing was checked.
    #[must_use]
    pub fn ended_early(&self) -> bool {
        let first = self.invalid_reasons.first();
        first.is_some_and(|reason| reason.starts_with(ENDED_EARLY))
    }

    /// Why the run is INVALID, but for not having kept up: that is a finding about the rate, and
    /// nothing against the run.
    pub fn broken(&self) -> impl Iterator<Item = &String> {
        let reasons = self.invalid_reasons.iter();
        reasons.filter(|reason| !reason.starts_with(NOT_HELD))
    }

    /// Whether the run passed its own checks and kept up with its schedule, if it had one.
    #[must_use]
    pub fn held(&self) -> bool {
        let open_loop = self.open_loop.as_ref();
        self.broken().next().is_none() && open_loop.is_none_or(|run| run.not_held().is_none())
    }
}

schema! {
    /// Arrivals against completions.
    pub struct OpenLoop {
        /// Payments that came due, to the schedule's end. Each is in the response times once,
        /// served, or at its age when it was given up; but for those that were refused.
        pub arrived: u64,
        /// Those that had come due before a restart, were not answered, and came due once more.
        pub backlog?: u64,
        /// What had come due before a restart, whether it had been looked at or not.
        pub arrived_before?: u64,
        /// Those that their payer's own endpoint refused.
        pub refused?: u64,
        /// Those that were lost with a channel that stopped.
        pub lost?: u64,
        /// Of what had come due before a restart, what was refused.
        pub refused_before?: u64,
        /// A part of the run that ended before a restart did not hold its rate.
        pub late_before?: bool,
        /// Those that were not served.
        pub unserved?: u64,
        /// Of what had come due before a restart, what was not served.
        pub unserved_before?: u64,
        /// Those that still waited for their co-sign interval to fill when the schedule ended, and
        /// were then proposed at once.
        pub cut_short?: u64,
        /// The schedule was ended before its plan, by an interrupt.
        pub stopped?: bool,
        /// The rate at which they came due, as drawn, from the first to the last, the backlog
        /// aside; not finite if all of them came due at one time.
        pub offered_per_s: f64,
        /// The rate at which they were completed, from when the first came due to when the last was
        /// completed; not finite if all of them were completed at one time.
        pub achieved_per_s: f64,
        /// The backlog at the end, as time, in seconds: from when the last payment came due to when
        /// the last one was completed, and the time in which those that were not served came due.
        /// If the schedule was stopped, or payments may wait for their co-sign interval: how long
        /// any had waited when it ended that could be proposed.
        pub behind_s: f64,
    }
}

impl OpenLoop {
    /// A backlog at the end of no more than what an overload by so much leaves: a run that ends
    /// with its last payments under way is behind by their response time, however long it has kept
    /// up. (Completions over arrivals say less: both are as many in the end, and what was completed
    /// late and all at once has the higher rate.)
    const MOST_OVERLOAD: f64 = 0.01;
    /// In a short run, little of the whole: but no less than one response takes, and no more than
    /// what a shared machine holds a thread up for.
    const MOST_BEHIND_SHARE: f64 = 0.05;
    const LEAST_BEHIND_S: f64 = 0.02;
    const MOST_BEHIND_S: f64 = 0.1;
    /// Payments not served, at most.
    const MOST_UNSERVED: f64 = 0.001;
    /// Payments refused for lack of balance, or lost with their channel, at most: a system that
    /// says no is faster than one that pays.
    const MOST_REFUSED: f64 = 0.05;
    /// Payments that only the schedule's end had proposed, at most: their response times are the
    /// run's length rather than the system's.
    const MOST_CUT_SHORT: f64 = 0.05;

    /// Why the offered rate was not held, if it was not. This is the one rule by which a run is
    /// VALID, a search's trial passes, and a plan takes a rate for one that was held.
    #[must_use]
    pub fn not_held(&self) -> Option<String> {
        let mut reasons = Vec::new();
        let has_rate = self.offered_per_s.is_finite();
        let span_s = match has_rate {
            true => self.arrived.saturating_sub(self.backlog) as f64 / self.offered_per_s,
            false => 0.0,
        };
        let short_s = Self::MOST_BEHIND_SHARE * span_s;
        // As short as an interrupt or a kill left it, and not as somebody wanted it; and what had
        // come due before a restart comes due at one moment.
        let is_fragment = self.stopped || self.arrived_before > 0 || self.backlog > 0;
        let least_s = match is_fragment {
            false => Self::LEAST_BEHIND_S,
            true => Self::MOST_BEHIND_S,
        };
        let short_s = short_s.clamp(least_s, Self::MOST_BEHIND_S);
        let keeps_up = self.behind_s <= short_s.max(Self::MOST_OVERLOAD * span_s);
        // Without two times there is no rate to hold, but there may be a backlog of one.
        if (has_rate || self.backlog > 0) && !keeps_up {
            let rate = (has_rate && self.achieved_per_s.is_finite()).then(|| {
                let achieved = human::figure(self.achieved_per_s);
                format!(
                    "{achieved} of {} payments/s",
                    human::figure(self.offered_per_s)
                )
            });
            let behind = self.behind_s.is_finite();
            let when = match self.stopped {
                true => "when it was stopped",
                false => "at the end",
            };
            let behind = behind.then(|| format!("{} behind {when}", human::seconds(self.behind_s)));
            let known: Vec<String> = rate.into_iter().chain(behind).collect();
            reasons.push(match known.is_empty() {
                true => "nothing of what came due was completed".to_owned(),
                false => known.join(", "),
            });
        }
        if self.late_before {
            reasons.push("it was not before a restart".to_owned());
        }
        let here = self.arrived.saturating_sub(self.backlog);
        let all = here.saturating_add(self.arrived_before);
        let share = |count: u64| count as f64 / all.max(1) as f64;
        let of_all = |count: u64| {
            let (count, all) = (human::count(count), human::count(all));
            format!("{count} of {all} arrivals")
        };
        let unserved = self.unserved.saturating_add(self.unserved_before);
        if share(unserved) > Self::MOST_UNSERVED {
            reasons.push(format!("{} not served", of_all(unserved)));
        }
        let refused = self.refused.saturating_add(self.refused_before);
        let refused = refused.saturating_add(self.lost);
        if share(refused) > Self::MOST_REFUSED {
            reasons.push(format!("{} refused or lost", of_all(refused)));
        }
        if share(self.cut_short) > Self::MOST_CUT_SHORT {
            reasons.push(format!(
                "{} waited for their co-sign interval until the end",
                of_all(self.cut_short)
            ));
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

schema! {
    /// One phase of a run: `set-up`, `channels`, `baseline`; and of the channels' phase `opening`,
    /// the time before the first payment, and `closing`, the time after the last.
    pub struct Phase {
        /// Its name.
        pub name: String,
        /// Wall time, in seconds.
        pub wall_s: f64,
        /// CPU time of the process, in seconds.
        pub cpu_s: f64,
        /// Sessions that were opened or closed in it, where that is what it did.
        pub sessions: Option<u64>,
    }

    /// Latency of payments; the percentiles are in nanoseconds.
    pub struct LatencyNs {
        /// Intended send until the payer holds a co-signed state that covers the payment; none in a
        /// closed loop.
        pub response: Option<Percentiles>,
        /// Actual send until the same.
        pub service: Option<Percentiles>,
    }

    /// Percentiles of one latency distribution, in nanoseconds.
    pub struct Percentiles {
        /// The median.
        pub p50: u64,
        /// The 90th percentile.
        pub p90: u64,
        /// The 99th percentile.
        pub p99: u64,
        /// The 99.9th percentile.
        pub p999: u64,
        /// The largest.
        pub max: u64,
    }

    /// The whole latency distributions in nanoseconds: HDR histograms, V2 encoding, in base64.
    pub struct LatencyHistogram {
        /// As [`LatencyNs::response`].
        pub response: Option<String>,
        /// As [`LatencyNs::service`].
        pub service: Option<String>,
    }

    /// Progress at one moment. Counts and times run from the start of the run, or, after a restart,
    /// from when its links were up.
    pub struct Sample {
        /// The moment, in seconds since then.
        pub t_s: f64,
        /// Payments so far.
        pub payments: u64,
        /// The rate since the sample before.
        pub payments_per_s: f64,
        /// Layer 1 transactions so far.
        pub l1_transactions: u64,
        /// CPU time of the process so far, in seconds.
        pub cpu_s: f64,
    }

    /// What both endpoints of all channels did together: the work that was moved off Layer 1.
    pub struct Offchain {
        /// Signatures made.
        pub signatures_made: u64,
        /// Signatures verified.
        pub signature_verifications: u64,
        /// Bytes exchanged between the endpoints.
        pub bytes: u64,
        /// CPU time, in seconds.
        pub cpu_s: f64,
        /// The same for the baseline, whose payers sign each transfer; none when no baseline ran.
        pub direct_client: Option<DirectClient>,
    }

    /// What the payers of the baseline did to sign its transfers.
    pub struct DirectClient {
        /// Signatures made, over the payments of `l1.direct`.
        pub signatures_made: u64,
        /// CPU time, in seconds, over the same.
        pub cpu_s: f64,
    }

    /// The run's checks of itself.
    pub struct Checks {
        /// Every payment of the workload was executed or counted as refused, one by one.
        pub payments_accounted: bool,
        /// Every signature was verified.
        pub signatures_verified: bool,
        /// Accounts, locked value and fees sum to what they did at the start.
        pub supply_conserved: bool,
        /// Final balances equal the workload's own sum.
        pub balances_match: bool,
        /// CPU time of all stages over that of the process, 0 to about 1.
        pub stage_cpu_share?: f64,
    }
}

impl Checks {
    /// What passed or did not, in words.
    #[must_use]
    pub fn named(&self) -> [(&'static str, bool); 4] {
        [
            ("payments accounted", self.payments_accounted),
            ("signatures verified", self.signatures_verified),
            ("supply conserved", self.supply_conserved),
            ("balances match", self.balances_match),
        ]
    }

    /// Stage times must sum to this share of the process's CPU time at least.
    const LEAST_STAGE_SHARE: f64 = 0.95;
    /// But for so much of the whole process, however many threads: what reading the threads' clocks
    /// and the process's one after the other leaves between them. It tells in runs of a few
    /// milliseconds alone.
    const BETWEEN_CLOCKS_S: f64 = 0.001;

    /// Why the stages do not account for the process's CPU time, `cpu_s` in all, if they do not.
    /// This is the one rule by which a run is VALID.
    #[must_use]
    pub fn unaccounted(&self, cpu_s: f64) -> Option<String> {
        let share = self.stage_cpu_share;
        let is_accounted =
            share >= Self::LEAST_STAGE_SHARE || (1.0 - share) * cpu_s <= Self::BETWEEN_CLOCKS_S;
        (!is_accounted).then(|| {
            format!(
                "stages account for {:.1} % of the CPU time, expected at least {:.0} %",
                share * 100.0,
                Self::LEAST_STAGE_SHARE * 100.0
            )
        })
    }
}

impl LatencyNs {
    /// The kinds that were measured, by name.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, &Percentiles)> {
        let kinds = [("response", &self.response), ("service", &self.service)];
        let there = kinds
            .into_iter()
            .filter_map(|(kind, found)| Some((kind, found.as_ref()?)));
        there.collect()
    }
}

impl Percentiles {
    /// Each by its name, from the least on.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 5] {
        let of = self;
        [
            ("p50", of.p50),
            ("p90", of.p90),
            ("p99", of.p99),
            ("p999", of.p999),
            ("max", of.max),
        ]
    }

    /// Those of a distribution, which is not empty.
    #[must_use]
    pub fn of(histogram: &hdrhistogram::Histogram<u64>) -> Percentiles {
        Percentiles {
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }

    /// Whether none is above the next one.
    pub(super) fn rise(&self) -> bool {
        self.named().map(|(_, value)| value).is_sorted()
    }
}

schema! {
    /// CPU time of one stage in one role.
    pub struct Stage {
        /// What it does, such as `hash`, `sign` or `verify`.
        pub name: String,
        /// For whom: `payer`, `payee` or `l1`, or another where none of them fits.
        pub role: String,
        /// Units that it processed.
        pub items: u64,
        /// CPU time per unit, in nanoseconds.
        pub cpu_ns_per_item: f64,
        /// CPU time, in seconds.
        pub cpu_s?: f64,
        /// What one item is: `payment`, `signature`, `entry`, `transaction` and so on.
        pub unit?: String,
    }

    /// Memory of the process.
    pub struct Memory {
        /// The most resident at any time, in bytes.
        pub peak_rss_bytes: u64,
        /// Resident bytes per open channel, both endpoints together; none where none was open.
        pub bytes_per_channel: Option<u64>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A schedule of so many payments a second for so many seconds, achieved in full.
    fn open_loop(lasts_s: f64) -> OpenLoop {
        OpenLoop {
            arrived: (1000.0 * lasts_s) as u64,
            backlog: 0,
            arrived_before: 0,
            refused: 0,
            lost: 0,
            refused_before: 0,
            late_before: false,
            unserved: 0,
            unserved_before: 0,
            cut_short: 0,
            stopped: false,
            offered_per_s: 1000.0,
            achieved_per_s: 1000.0,
            behind_s: 0.0,
        }
    }

    #[test]
    fn a_rate_is_held_by_what_was_completed_and_what_was_left() {
        const NAN: f64 = f64::NAN;
        // Length, achieved, behind, unserved, waited for their interval => what is said of it.
        for (lasts_s, achieved_per_s, behind_s, unserved, cut_short, expected) in [
            (10.0, 1000.0, 0.0, 0, 0, ""),
            // As far behind as an overload by 1 % leaves.
            (10.0, 998.0, 0.1, 0, 0, ""),
            // Whatever rate there is: what was completed late and all at once has none.
            (
                10.0,
                2000.0,
                0.101,
                0,
                0,
                "2 k of 1 k payments/s, 101 ms behind",
            ),
            (
                10.0,
                998.0,
                0.101,
                0,
                0,
                "998 of 1 k payments/s, 101 ms behind",
            ),
            // In a short run by 100 ms, at most by a twentieth.
            (5.0, 900.0, 0.1, 0, 0, ""),
            (5.0, 900.0, 0.101, 0, 0, "101 ms behind"),
            (1.0, 900.0, 0.05, 0, 0, ""),
            (1.0, 900.0, 0.051, 0, 0, "51 ms behind"),
            // But by 20 ms, however short.
            (0.1, 900.0, 0.02, 0, 0, ""),
            (0.1, 900.0, 0.021, 0, 0, "21 ms behind"),
            // One wave has no rate, but a payment that came due last.
            (1.0, NAN, 0.01, 0, 0, ""),
            (1.0, NAN, 0.5, 0, 0, "500 ms behind"),
            // Nothing was completed.
            (1.0, NAN, NAN, 1000, 0, "1 k of 1 k arrivals not served"),
            (10.0, 1000.0, 0.0, 10, 0, ""),
            (10.0, 1000.0, 0.0, 11, 0, "11 of 10 k arrivals not served"),
            (10.0, 1000.0, 0.0, 0, 500, ""),
            (
                10.0,
                1000.0,
                0.0,
                0,
                501,
                "501 of 10 k arrivals waited for their",
            ),
        ] {
            let run = OpenLoop {
                achieved_per_s,
                behind_s,
                unserved,
                cut_short,
                ..open_loop(lasts_s)
            };
            let found = run.not_held().unwrap_or_default();
            assert_eq!(found.is_empty(), expected.is_empty(), "{run:?}: {found}");
            assert!(found.contains(expected), "{run:?}: {found}");
        }
    }

    #[test]
    fn what_was_refused_or_lost_or_not_served_before_counts_and_fragments_are_short() {
        // Backlog, refused, lost, unserved before => what is said of it.
        let arrived_before = 20_000;
        for (backlog, refused, lost, unserved_before, expected) in [
            (0, 300, 1_200, 0, ""),
            (0, 300, 1_201, 0, "of 30 k arrivals refused or lost"),
            (0, 0, 0, 30, ""),
            (0, 0, 0, 10_000, "10 k of 30 k arrivals not served"),
            (9_000, 0, 0, 0, ""),
        ] {
            let run = OpenLoop {
                backlog,
                arrived_before,
                refused,
                lost,
                unserved_before,
                ..open_loop(10.0)
            };
            let found = run.not_held().unwrap_or_default();
            assert_eq!(found.is_empty(), expected.is_empty(), "{run:?}: {found}");
            assert!(found.contains(expected), "{run:?}: {found}");
        }
        // An interrupt ended it after 0.1 s, and the next part goes on.
        for (behind_s, held) in [(0.021, true), (0.1, true), (0.101, false)] {
            let run = OpenLoop {
                stopped: true,
                behind_s,
                ..open_loop(0.1)
            };
            assert_eq!(run.not_held().is_none(), held, "{run:?}");
        }
        // Nothing but a backlog came due, at one moment: it has no rate, and took as long.
        for (behind_s, held) in [(0.02, true), (0.09, true), (0.11, false), (1.6, false)] {
            let run = OpenLoop {
                backlog: 1000,
                arrived_before: 1000,
                offered_per_s: f64::NAN,
                achieved_per_s: 600.0,
                behind_s,
                ..open_loop(1.0)
            };
            assert_eq!(run.not_held().is_none(), held, "{run:?}");
        }
    }

    #[test]
    fn a_reason_says_what_is_known() {
        const NAN: f64 = f64::NAN;
        // Backlog, offered, achieved, behind, refused and late before => what is said of it.
        for (
            backlog,
            offered_per_s,
            achieved_per_s,
            behind_s,
            refused_before,
            late_before,
            expected,
        ) in [
            (
                0,
                1000.0,
                900.0,
                0.5,
                0,
                false,
                "900 of 1 k payments/s, 500 ms behind at the end",
            ),
            (0, 1000.0, NAN, 0.5, 0, false, "500 ms behind at the end"),
            (500, NAN, 900.0, 0.5, 0, false, "500 ms behind at the end"),
            (
                500,
                NAN,
                NAN,
                NAN,
                0,
                false,
                "nothing of what came due was completed",
            ),
            (
                0,
                1000.0,
                1000.0,
                0.0,
                1500,
                false,
                "1.5 k of 10 k arrivals refused or lost",
            ),
            (
                0,
                1000.0,
                1000.0,
                0.0,
                0,
                true,
                "it was not before a restart",
            ),
        ] {
            let run = OpenLoop {
                backlog,
                arrived_before: backlog,
                offered_per_s,
                achieved_per_s,
                behind_s,
                refused_before,
                late_before,
                ..open_loop(10.0)
            };
            assert_eq!(run.not_held().as_deref(), Some(expected), "{run:?}");
        }
    }

    #[test]
    fn without_two_times_there_is_no_rate_to_hold() {
        for (arrived, unserved, held) in [(0, 0, true), (1, 0, true), (400, 0, true), (1, 1, false)]
        {
            let run = OpenLoop {
                arrived,
                unserved,
                offered_per_s: f64::NAN,
                achieved_per_s: f64::NAN,
                ..open_loop(0.0)
            };
            assert_eq!(run.not_held().is_none(), held, "{run:?}");
        }
    }
}
