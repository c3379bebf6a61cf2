//! What made a run durable, and what that took.

use serde::{Deserialize, Serialize};

use super::number;

schema! {
    /// A durable run's log.
    pub struct Durability {
        /// Where it is.
        pub directory: String,
        /// What kind of file system that is on, such as `ext4`.
        pub file_system: String,
        /// Whether that holds all in the machine's memory, as far as the system tells; see
        /// [`Durability::is_in_memory`] for files of earlier versions.
        pub in_memory?: bool,
        /// Commits: one for many channels' newest states.
        pub commits: u64,
        /// Records in them, an end of a channel or a record of Layer 1 each.
        pub records: u64,
        /// Bytes written, zeros that lengthen segments ahead included.
        pub bytes_written: u64,
        /// How often something was synced (`fdatasync`): data, and the mark of how far it is
        /// durable.
        pub syncs: u64,
        /// Half of the syncs took at most this long, in nanoseconds.
        pub sync_p50_ns: u64,
        /// 99 of 100 syncs took at most this long, in nanoseconds.
        pub sync_p99_ns: u64,
        /// The longest sync, in nanoseconds.
        pub sync_max_ns: u64,
        /// The times of all syncs in nanoseconds, as [`super::LatencyHistogram`] has latencies;
        /// none in files of earlier versions.
        pub sync_histogram: Option<String>,
        /// What of the run was done before it was interrupted; none if it never was.
        pub resumed: Option<Resumed>,
    }
}

impl Durability {
    /// Whether nothing of the log survives the machine, whatever was synced.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.in_memory || ["tmpfs", "ramfs"].contains(&&*self.file_system)
    }

    /// What to say of a log in memory; none if it is on a disk.
    #[must_use]
    pub fn caution(&self) -> Option<String> {
        self.is_in_memory().then(|| {
            format!(
                "the log is in memory ({}): nothing there survives the machine",
                self.file_system
            )
        })
    }
}

schema! {
    /// What a run had done before it went on. Rates, times, CPU time, latencies, signatures and
    /// bytes of the endpoints are of what followed; payments, sessions, and what Layer 1 counted
    /// are of the whole.
    pub struct Resumed {
        /// Payments that a co-signed state covered when the links were up again.
        pub payments: u64,
        /// Sessions that were closed.
        pub sessions_closed: u64,
        /// Channels that were open.
        pub channels_open: u64,
        /// In open loop: payments that had come due and were not answered. They came due once more
        /// when the links were up, unless what was open was only closed.
        pub backlog?: u64,
        /// Whether what was open was only closed: no payment came due, so that no rate was to be
        /// held. Files of earlier versions do not say.
        pub only_closed: Option<bool>,
        /// From the start of reading the log until the links were up again, in seconds.
        pub recovery_s: f64,
    }
}
