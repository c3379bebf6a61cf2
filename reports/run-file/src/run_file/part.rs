//! A part of a run that several machines make, and a run merged of its parts.

use serde::{Deserialize, Serialize};

use super::number;
use super::setting::Machine;

schema! {
    /// Which part of a larger run a run is.
    pub struct Part {
        /// Which one, counted from 1.
        pub index: u64,
        /// Of how many.
        pub of: u64,
        /// The same in all parts of one run: a hash of what the whole was asked for, of the number
        /// of parts, of the build, and of the time to start at.
        pub run_id: String,
        /// When the first open was submitted by the machine's clock, in milliseconds since
        /// 1970-01-01 UTC.
        pub began_unix_ms: u64,
        /// Whether all parts shared one Layer 1, that of part 1. Not written where each had its
        /// own.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        pub one_layer_1?: bool,
        /// The same for all parts that ran on one machine: a hash of the system's own name for its
        /// start and of `run_id`. Empty where the system does not tell.
        pub machine_id: String,
    }

    /// What a run was merged of.
    pub struct Merged {
        /// The parts' [`Part::run_id`].
        pub run_id: String,
        /// How many parts the run has, those that are missing included.
        pub of: u64,
        /// How many machines the parts ran on, as far as the systems tell.
        pub machines: u64,
        /// How many Layer 1s there were: one for each part, or one for all of them.
        pub layer_1s: u64,
        /// Of `achieved.wall_s`, the share in which all parts ran at once, 0 to 1.
        pub overlap: f64,
        /// The parts that are there, by index.
        pub parts: Vec<MergedPart>,
    }

    /// What stands for one part alone, and is not added up.
    pub struct MergedPart {
        /// Which part, when, and where.
        #[serde(flatten)]
        pub part: Part,
        /// Whether the part passed its own checks.
        pub valid: bool,
        /// Its `achieved.payments`.
        pub payments: u64,
        /// Its `achieved.wall_s`.
        pub wall_s: f64,
        /// Its `achieved.payments_per_s`.
        pub payments_per_s: f64,
        /// Its `achieved.cpu_s`.
        pub cpu_s: f64,
        /// Its `workload.shards`.
        pub shards: u64,
        /// Its `memory.peak_rss_bytes`.
        pub peak_rss_bytes: u64,
        /// Its `engine.backend`.
        pub backend: String,
        /// Its `machine`.
        pub machine: Machine,
        /// Blocks of its Layer 1.
        pub l1_blocks: u64,
        /// The most state entries that its Layer 1 held at any time.
        pub l1_peak_state_entries: u64,
        /// Hash of the last block of its Layer 1, in hex.
        pub l1_tip: String,
        /// Where all parts share a Layer 1: for how long that waited for this part alone, in
        /// seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub l1_waited_s: Option<f64>,
    }
}

impl Part {
    /// `2/4`: the second of four.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.index, self.of)
    }
}

impl Merged {
    /// Whether all parts are there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.parts.len() as u64 == self.of
    }
}
