//! What Layer 1 had to do. Baseline and channels are counted by the same code.

use super::market::Rate;

/// The work that a Layer 1 did since its genesis.
///
/// A *record* is one account or one channel, whatever its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Transactions in blocks, those that failed among them.
    pub transactions: u64,
    /// Transactions in blocks that failed.
    pub failed: u64,
    /// Transactions refused when their turn came, and those that left before it. They are in no
    /// block; of the other counts only `signature_verifications` and `cpu_ns` know them.
    pub refused: u64,
    /// Bytes of blocks: headers ([`Header::bytes`](super::Header::bytes) each) and transactions.
    pub bytes: u64,
    /// Signatures judged, those of refused transactions included: the work is done by then. Those
    /// at admission that say who speaks are not among them.
    pub signature_verifications: u64,
    /// Distinct records that a transaction in a block looked up, summed over transactions.
    /// Looking for one that does not exist counts.
    pub state_reads: u64,
    /// Distinct records that a transaction in a block stored, changed or removed, summed over
    /// transactions.
    pub state_writes: u64,
    /// The most records alive at once, looked at after every transaction and at genesis.
    pub peak_state_entries: u64,
    /// Blocks sealed that have transactions in them. Empty ones, by which only time passes, are
    /// no load: neither they nor their headers are counted.
    pub blocks: u64,
    /// CPU time of sealing, over all threads that took part: decoding, verifying, deciding,
    /// applying, hashing; and of verifying answers when they come. Admission to the mempool is not
    /// in it: one more decoding, a copy, and of an answer or a batch the signature that says who
    /// speaks.
    pub cpu_ns: u64,
    /// Of that, the CPU time of state roots. Those of the genesis and of a chain that is restored
    /// are in neither.
    pub root_cpu_ns: u64,
}

/// How blocks' room was used, since the genesis. Only a Layer 1 with a clock has empty blocks
/// here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Units of transactions in blocks.
    pub units: u64,
    /// Blocks that passed with nothing in them. They have a height and no header.
    pub empty_blocks: u64,
    /// Transactions that made way for a higher bid.
    pub evicted: u64,
    /// The highest base fee of any block.
    pub highest_base: Rate,
}

/// Records that one transaction looked up and changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accesses {
    pub(super) reads: u32,
    pub(super) writes: u32,
}

impl Load {
    pub(super) fn access(&mut self, accesses: Accesses) {
        self.state_reads += u64::from(accesses.reads);
        self.state_writes += u64::from(accesses.writes);
    }
}
