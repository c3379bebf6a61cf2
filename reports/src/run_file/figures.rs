//! What a run achieved off Layer 1: payments, latency, endpoints, CPU by stage, its own checks.

use serde::{Deserialize, Serialize};

use super::number;

/// What a throughput figure was bought with; no figure stands without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assurance {
    /// Payments that one pair of signatures covers at most.
    #[serde(with = "number::count")]
    pub cosign_every: u64,
    /// Mean payments that a pair of signatures did cover; `null` in files of earlier versions, and
    /// where there was none.
    #[serde(default)]
    pub payments_per_cosigning: Option<f64>,
    /// Proposals in flight per channel, at most.
    #[serde(with = "number::count")]
    pub in_flight: u64,
    /// Mean signatures of one key in one verified batch.
    #[serde(deserialize_with = "number::figure")]
    pub signatures_per_key_per_batch: f64,
    /// Mean signatures in one verified batch.
    #[serde(deserialize_with = "number::figure")]
    pub batch_size: f64,
    /// What is durable before a signature leaves a party; `off` when nothing is.
    pub durability: String,
    /// Whether both endpoints of each channel did all of their own checking.
    pub both_endpoints_checked: bool,
    /// The most value not covered by a co-signed state in any channel at any time, in the
    /// smallest unit of value.
    #[serde(with = "number::count")]
    pub value_at_risk_max: u64,
}

/// Payments, time, CPU and the run's verdict on itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Achieved {
    /// Payments that the payer holds a co-signed state for.
    #[serde(with = "number::count")]
    pub payments: u64,
    /// Of these, the ones that the run's times, CPU time, latencies and signatures are of: all, but
    /// of a run that went on after a restart those that were completed once its links were up. None
    /// in files of earlier versions.
    #[serde(default, with = "number::count_if_any")]
    pub payments_measured: Option<u64>,
    /// First open submitted, or, after a restart, links up, to last payout, in seconds; the baseline
    /// is not in it.
    #[serde(deserialize_with = "number::figure")]
    pub wall_s: f64,
    /// `payments_measured` over `wall_s`; not finite, and so `null`, where there were none.
    #[serde(deserialize_with = "number::figure")]
    pub payments_per_s: f64,
    /// The rate while channels were neither ramping up nor draining.
    pub steady_payments_per_s: Option<f64>,
    /// CPU time of the process over `wall_s`, in seconds; the baseline is not in it.
    #[serde(deserialize_with = "number::figure")]
    pub cpu_s: f64,
    /// Whether the run passed all of its own checks and held the offered rate.
    pub valid: bool,
    /// Why it is not valid, one sentence each.
    pub invalid_reasons: Vec<String>,
    /// The run's phases in order.
    pub phases: Vec<Phase>,
    /// Whether it was stopped by hand.
    #[serde(default)]
    pub interrupted: bool,
    /// Sessions whose channel was opened on Layer 1.
    #[serde(default, with = "number::count")]
    pub sessions_opened: u64,
    /// Sessions whose channel was closed on Layer 1.
    #[serde(default, with = "number::count")]
    pub sessions_closed: u64,
    /// Channels stopped because a party broke a rule or stayed silent.
    #[serde(default, with = "number::count")]
    pub channels_stopped: u64,
    /// Payments that the payer's own endpoint refused, such as for want of balance.
    #[serde(default, with = "number::count")]
    pub payments_refused: u64,
    /// How an open loop's arrivals were kept up with; none in a closed loop, and in files of earlier
    /// versions.
    #[serde(default)]
    pub open_loop: Option<OpenLoop>,
}

/// What the reason begins with for which a run is INVALID that could not keep up, and for that alone.
pub const NOT_HELD: &str = "the offered rate was not held";

impl Achieved {
    /// Why the run is INVALID, but for not having kept up: that is a finding about the rate, and
    /// nothing against the run.
    pub fn broken(&self) -> impl Iterator<Item = &String> {
        let reasons = self.invalid_reasons.iter();
        reasons.filter(|reason| !reason.starts_with(NOT_HELD))
    }
}

/// Arrivals against completions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenLoop {
    /// Payments that came due.
    #[serde(with = "number::count")]
    pub arrived: u64,
    /// The rate at which they came due, as drawn, from the first to the last.
    #[serde(deserialize_with = "number::figure")]
    pub offered_per_s: f64,
    /// The rate at which they were completed, from the first completion to the last.
    #[serde(deserialize_with = "number::figure")]
    pub achieved_per_s: f64,
    /// By how much longer completing them took than their arriving, in seconds: the backlog at the
    /// end, as time.
    #[serde(deserialize_with = "number::figure")]
    pub behind_s: f64,
}

/// One phase of a run: `set-up`, `channels`, `baseline`; and of the channels' phase `opening`, the
/// time before the first payment, and `closing`, the time after the last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Wall time, in seconds.
    #[serde(deserialize_with = "number::figure")]
    pub wall_s: f64,
    /// CPU time of the process, in seconds.
    #[serde(deserialize_with = "number::figure")]
    pub cpu_s: f64,
    /// Sessions that were opened or closed in it, where that is what it did.
    #[serde(default)]
    pub sessions: Option<u64>,
}

/// Latency of payments; the percentiles are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyNs {
    /// Intended send until the payer holds a co-signed state that covers the payment; none in a
    /// closed loop.
    pub response: Option<Percentiles>,
    /// Actual send until the same.
    pub service: Option<Percentiles>,
}

/// Percentiles of one latency distribution, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// The median.
    #[serde(with = "number::count")]
    pub p50: u64,
    /// The 90th percentile.
    #[serde(with = "number::count")]
    pub p90: u64,
    /// The 99th percentile.
    #[serde(with = "number::count")]
    pub p99: u64,
    /// The 99.9th percentile.
    #[serde(with = "number::count")]
    pub p999: u64,
    /// The largest.
    #[serde(with = "number::count")]
    pub max: u64,
}

/// The whole latency distributions in nanoseconds: HDR histograms, V2 encoding, in base64.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyHistogram {
    /// As [`LatencyNs::response`].
    pub response: Option<String>,
    /// As [`LatencyNs::service`].
    pub service: Option<String>,
}

/// Progress at one moment. Counts and times run from the start of the run, or, after a restart,
/// from when its links were up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The moment, in seconds since then.
    #[serde(deserialize_with = "number::figure")]
    pub t_s: f64,
    /// Payments so far.
    #[serde(with = "number::count")]
    pub payments: u64,
    /// The rate since the sample before.
    #[serde(deserialize_with = "number::figure")]
    pub payments_per_s: f64,
    /// Layer 1 transactions so far.
    #[serde(with = "number::count")]
    pub l1_transactions: u64,
    /// CPU time of the process so far, in seconds.
    #[serde(deserialize_with = "number::figure")]
    pub cpu_s: f64,
}

/// What both endpoints of all channels did together: the work that was moved off Layer 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offchain {
    /// Signatures made.
    #[serde(with = "number::count")]
    pub signatures_made: u64,
    /// Signatures verified.
    #[serde(with = "number::count")]
    pub signature_verifications: u64,
    /// Bytes exchanged between the endpoints.
    #[serde(with = "number::count")]
    pub bytes: u64,
    /// CPU time, in seconds.
    #[serde(deserialize_with = "number::figure")]
    pub cpu_s: f64,
    /// The same for the baseline, whose payers sign each transfer; none when no baseline ran.
    #[serde(default)]
    pub direct_client: Option<DirectClient>,
}

/// What the payers of the baseline did to sign its transfers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DirectClient {
    /// Signatures made, over the payments of `l1.direct`.
    #[serde(with = "number::count")]
    pub signatures_made: u64,
    /// CPU time, in seconds, over the same.
    #[serde(deserialize_with = "number::figure")]
    pub cpu_s: f64,
}

/// The run's checks of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    #[serde(default, deserialize_with = "number::figure")]
    pub stage_cpu_share: f64,
}

/// CPU time of one stage in one role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// What it does, such as `hash`, `sign` or `verify`.
    pub name: String,
    /// For whom: `payer`, `payee` or `l1`, or another where none of them fits.
    pub role: String,
    /// Units that it processed.
    #[serde(with = "number::count")]
    pub items: u64,
    /// CPU time per unit, in nanoseconds.
    #[serde(deserialize_with = "number::figure")]
    pub cpu_ns_per_item: f64,
    /// CPU time, in seconds.
    #[serde(default, deserialize_with = "number::figure")]
    pub cpu_s: f64,
    /// What one item is: `payment`, `signature`, `entry`, `transaction` and so on.
    #[serde(default)]
    pub unit: String,
}

/// Memory of the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The most resident at any time, in bytes.
    #[serde(with = "number::count")]
    pub peak_rss_bytes: u64,
    /// Resident bytes per open channel, both endpoints together.
    #[serde(with = "number::count")]
    pub bytes_per_channel: u64,
}
