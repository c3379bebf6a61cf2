//! How a run's transactions fared on a Layer 1 that is scarce: what became of them, what they paid
//! and how long they waited, by kind. Waits are in Layer 1's virtual milliseconds.

use hdrhistogram::Histogram;
use strum::VariantArray;

/// What a transaction was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum TrafficKind {
    /// To open a channel.
    Open,
    /// To close one by both parties' will.
    Close,
    /// The first post in a channel.
    Post,
    /// A later one.
    Answer,
    /// To pay a channel out after its window.
    Payout,
}

/// What became of transactions of one kind.
#[derive(Clone, Debug)]
pub struct OfKind {
    /// In a block.
    pub included: u64,
    /// Refused by the rules.
    pub refused: u64,
    /// How often one made way for a higher bid, or found none lower in a full queue.
    pub evicted: u64,
    /// How often one was sent again with a higher bid.
    pub raised: u64,
    /// Those that gave up bidding.
    pub given_up: u64,
    /// Fees paid, in units of money.
    pub fees: u64,
    /// From arrival to inclusion; of those pushed back by a full queue, from when they were due.
    pub wait_ms: Histogram<u64>,
}

/// What became of all transactions of a run, by kind.
#[derive(Clone, Debug, Default)]
pub struct Traffic([OfKind; TrafficKind::VARIANTS.len()]);

impl Default for OfKind {
    fn default() -> OfKind {
        OfKind {
            included: 0,
            refused: 0,
            evicted: 0,
            raised: 0,
            given_up: 0,
            fees: 0,
            wait_ms: Histogram::new(3).expect("three digits"),
        }
    }
}

impl TrafficKind {
    /// All of them, in order.
    pub const ALL: &[TrafficKind] = TrafficKind::VARIANTS;

    /// Its name in run files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Traffic {
    /// Those of one kind.
    #[must_use]
    pub fn of(&self, kind: TrafficKind) -> &OfKind {
        &self.0[kind as usize]
    }

    pub(super) fn of_mut(&mut self, kind: TrafficKind) -> &mut OfKind {
        &mut self.0[kind as usize]
    }

    /// One is in a block.
    pub(super) fn included(&mut self, kind: TrafficKind, fee: u64, wait_ms: u64) {
        let of = self.of_mut(kind);
        of.included += 1;
        of.fees += fee;
        let recorded = of.wait_ms.record(wait_ms);
        recorded.expect("a histogram that grows");
    }

    /// The sum of both.
    pub(super) fn add(&mut self, other: &Traffic) {
        for (sum, of) in self.0.iter_mut().zip(&other.0) {
            sum.included += of.included;
            sum.refused += of.refused;
            sum.evicted += of.evicted;
            sum.raised += of.raised;
            sum.given_up += of.given_up;
            sum.fees += of.fees;
            sum.wait_ms += &of.wait_ms;
        }
    }
}
