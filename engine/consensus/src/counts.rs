//! What validators did, all of them together.

/// The whole system's work. A single validator's share of what is charged is an n-th.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Heights that were decided by votes.
    pub heights: u64,
    /// Rounds beyond the first of a height, of the decisions.
    pub more_rounds: u64,
    /// Messages that were sent.
    pub messages: u64,
    /// Their bytes, blocks included.
    pub bytes: u64,
    /// Of these, bytes of blocks.
    pub block_bytes: u64,
    /// Distinct signatures that were made and said to somebody.
    pub signatures: u64,
    /// Distinct signatures that were judged, each once.
    pub judged: u64,
    /// Of these, refused.
    pub forged: u64,
    /// Signatures that validators had to verify, each one for itself and one by one.
    pub verifications: u64,
    /// Timeouts that moved a validator on.
    pub timeouts: u64,
    /// Pairs of votes or proposals that convict a validator, each one's own find.
    pub evidence: u64,
    /// Decisions that a validator had to ask another one for.
    pub asked: u64,
    /// Heights that an honest validator had not come to when the run had ended.
    pub not_reached: u64,
    /// Messages by which those who were behind came to the last decision after the run: they are in
    /// no other count.
    pub after_messages: u64,
    /// Their bytes.
    pub after_bytes: u64,
    /// CPU time of all that, in nanoseconds.
    pub cpu_ns: u64,
}

/// From a height's beginning to decisions, in virtual µs, a figure a height.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finality {
    /// To the first honest validator's.
    pub first_us: Vec<u64>,
    /// To the last honest validator's. Of a height that one of them did not come to, what passed at
    /// least: those count as the longest.
    pub last_us: Vec<u64>,
}

impl Finality {
    /// A quantile of times, from 0 to 1: the nearest rank's.
    #[must_use]
    pub fn quantile(times: &[u64], share: f64) -> Option<u64> {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied()
    }
}
