//! The setting of a run: what was asked for, what ran it, and where.

use serde::{Deserialize, Serialize};

use super::number;

schema! {
    /// What was asked for.
    pub struct Workload {
        /// `synthetic` or `trace`.
        pub mode: String,
        /// Channel lives, each opened and closed once.
        pub sessions: u64,
        /// Payments in each session; with a trace, their mean, rounded down.
        pub payments_per_session: u64,
        /// Sessions open at the same time.
        pub concurrent: u64,
        /// The co-sign interval k, in payments.
        pub cosign_every: u64,
        /// Proposals that a channel may have sent and not yet seen answered.
        pub in_flight: u64,
        /// Who pays whom, such as `one-way` or `two-way`.
        pub pattern: String,
        /// The law of the amounts.
        pub amount: String,
        /// `closed-loop`, `poisson` or `trace`.
        pub arrivals: String,
        /// Offered payments per second over all channels; none in a closed loop.
        pub offered_per_s: Option<f64>,
        /// The wall time that bounded the run, in seconds.
        pub duration_s: Option<f64>,
        /// Shards, each with a thread and channels of its own.
        pub shards: u64,
        /// The seed that everything random in the workload follows from.
        pub seed: u64,
        /// SHA-256 of the trace, in hex.
        pub trace_sha256: Option<String>,
        /// The limits of the Layer 1.
        pub l1: L1Limits,
        /// Whether the same command gives the same blocks; not so when wall time bounds the run.
        pub reproducible: bool,
        /// The channels' capacity as asked for, in the smallest unit of value.
        pub capacity?: String,
        /// The longest a payment waits for its co-signature, in milliseconds.
        pub cosign_after_ms: Option<f64>,
        /// The signature back end asked for; `engine.backend` is the one that ran.
        pub backend_asked?: String,
        /// How many times faster than recorded a trace is replayed.
        pub speedup: Option<f64>,
        /// Payments in a row by one party before the turn passes, when both pay.
        pub turn_length: Option<u64>,
        /// The least balance that a payment may leave its payer, in the smallest unit of value;
        /// none if there is none.
        pub reserve: Option<u64>,
        /// Attacks and the share of sessions that each strikes, as asked for; none if none was.
        pub adversary: Option<String>,
        /// Blocks for which an honest party's transaction in a dispute can be held back, at most;
        /// none without attacks.
        pub l1_delay_blocks: Option<u64>,
        /// When honest parties neither reached Layer 1 nor saw it; none, and not written, if they
        /// always did.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub l1_cut_off: Option<L1CutOff>,
        /// The share of CPU time that every wave spent once more for nothing, so that a regression
        /// gate can be tried on this run: no figure of the run is one of the engine. None, and not
        /// written, if there was none: a durable run's identity follows from the workload, and
        /// stays what it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub planted_slowdown: Option<f64>,
        /// Whether all that both parties said was kept for an auditor, which costs CPU time and
        /// memory. Not written where it was not, as above.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub audit_log?: bool,
        /// Which part of a larger run it is, as `2/4`. Then sessions, channels and rate are the
        /// part's own, and the seed is the whole's. None, and not written, if it is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub part: Option<String>,
    }

    /// The limits of the Layer 1 that the run used.
    pub struct L1Limits {
        /// Transactions that a block holds at most.
        pub block_transactions: u64,
        /// Bytes that a block holds at most.
        pub block_bytes: u64,
        /// Blocks in which a post can be answered.
        pub challenge_window_blocks: u64,
        /// Fee of one transaction, in the smallest unit of value; 0 where transactions bid.
        pub fee: u64,
        /// The profile whose limits, prices and order it had, by name: *emulated*, with Duet's own
        /// transactions. None without one, as all that follows, and not written.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub profile: Option<String>,
        /// SHA-256 of the profile's text, in hex.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub profile_sha256: Option<String>,
        /// What the profile's prices and limits count, as `gas`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub unit: Option<String>,
        /// Units that a block holds.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub block_units: Option<u64>,
        /// Those of them that transactions of channels may take; none if all.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub channel_units: Option<u64>,
        /// Transactions that may wait for a block.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub mempool_transactions: Option<u64>,
        /// Virtual milliseconds from block to block.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub interval_ms: Option<u64>,
        /// Blocks on top of a block until it is final.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub finality_blocks: Option<u64>,
        /// Which transaction comes first: `arrival`, `fee` or `base-fee`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub order: Option<String>,
        /// Whether answers to posts have room of their own: `reserved` or `compete`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub answers: Option<String>,
        /// Who decided its blocks; none, and not written, where whoever makes them does.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub validators: Option<Validators>,
        /// Virtual milliseconds for which channels stayed open.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub session_time_ms: Option<u64>,
        /// Whether the header of each block commits to all accounts and channels after it. Not
        /// written where it does not.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub state_root?: bool,
    }

    /// Blocks in which honest parties were cut off from Layer 1, while it went on.
    pub struct L1CutOff {
        /// The first one.
        pub from_block: u64,
        /// The first one after them.
        pub until_block: u64,
    }

    /// Layer 1's validators.
    pub struct Validators {
        /// How many there were.
        pub count: u64,
        /// How many were faulty, and how: `silent=1,censor=1`; empty if none were.
        pub faults: String,
        /// How long messages between them took: a name, or shares and times.
        pub latency: String,
        /// The share of their messages that links lost, and sent again.
        pub loss: f64,
        /// When some of them did not reach the others, and how many: `10s..40s=1`.
        pub partitions: Vec<String>,
        /// Whether each of them executed each block itself. Not written where one did for all.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub each_executes?: bool,
    }

    /// What ran the workload.
    pub struct Engine {
        /// The signature back end that ran. Files from before there were several kinds of lanes say
        /// `lanes`, which is read as `lanes/avx512-ifma`.
        #[serde(deserialize_with = "backend")]
        pub backend: String,
        /// Why it was this one, in words; empty in files of earlier versions.
        pub backend_reason?: String,
        /// The engine's version.
        pub version: String,
        /// The commit it was built from; empty when unknown.
        pub commit: String,
    }
}

impl Workload {
    /// Blocks by which honest parties' answers to posts may be late, by what the run was asked for.
    #[must_use]
    pub fn delay_blocks(&self) -> u64 {
        let cut_off = self.l1_cut_off.as_ref();
        let cut_off = cut_off.map_or(0, |of| of.until_block.saturating_sub(of.from_block));
        self.l1_delay_blocks.unwrap_or(0).saturating_add(cut_off)
    }
}

fn backend<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let name = String::deserialize(from)?;
    Ok(match name.as_str() {
        "lanes" => "lanes/avx512-ifma".to_owned(),
        _ => name,
    })
}

schema! {
    /// The machine of the run.
    pub struct Machine {
        /// The processor's name.
        pub cpu: String,
        /// Logical cores that the process may use.
        pub cores: u64,
        /// Memory of the machine, in bytes.
        pub memory_bytes: u64,
        /// Operating system and its release.
        pub os: String,
        /// Instruction sets found that matter to the engine.
        pub features: Vec<String>,
        /// Of all CPU time that the machine's cores had while channels ran, the share that its host
        /// gave to other guests, 0 to 1; none where the system does not tell, and in files of
        /// earlier versions.
        pub stolen_share: Option<f64>,
        /// Of the same, the share that other processes of this machine took.
        pub others_share: Option<f64>,
    }
}
