//! How a run's transactions fared on a Layer 1 that is scarce: what became of them, what they paid
//! and how long they waited, by kind. Waits are in Layer 1's virtual milliseconds.

use std::collections::BTreeMap;

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
#[derive(Clone, Debug, Default)]
pub struct OfKind {
    /// In a block.
    pub included: u64,
    /// Refused by the rules.
    pub refused: u64,
    /// How often one that waited made way for a higher bid.
    pub evicted: u64,
    /// How often one came and found none lower in a full queue.
    pub outbid: u64,
    /// How often one was sent again with a higher bid.
    pub raised: u64,
    /// Those that gave up: outbid for good, or pushed back until there was nothing left to do.
    pub given_up: u64,
    /// Fees paid, in units of money.
    pub fees: u64,
    /// From arrival to inclusion; of those pushed back by a full queue, from when they were due.
    pub wait_ms: Waits,
}

/// How long transactions waited, exactly: blocks come at intervals, so that few waits differ.
/// Virtual milliseconds, or blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits(BTreeMap<u64, u64>);

/// What became of all transactions of a run, by kind.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    kinds: [OfKind; TrafficKind::VARIANTS.len()],
    /// Blocks by which honest parties' answers came after the first that could have them: the delay
    /// D of the guarantee. Of those that came too late, as far as that was seen.
    pub answers_late: Waits,
    /// How blocks' room was used over time.
    pub course: Course,
}

/// Layer 1 as it was at some of its blocks: at most [`Course::MOST`], evenly spread.
#[derive(Clone, Debug, Default)]
pub struct Course {
    samples: Vec<Moment>,
    /// The last block, where it is none of them.
    last: Option<Moment>,
    /// Blocks from one sample to the next.
    every: u64,
}

/// Layer 1 after a block. Counts are since the genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The block's.
    pub height: u64,
    /// When it was sealed, in virtual milliseconds.
    pub at_ms: u64,
    /// Units taken.
    pub units: u64,
    /// Transactions that made way for higher bids.
    pub evicted: u64,
    /// Transactions that wait.
    pub waiting: u64,
    /// The next block's base fee, in units of money for a million units.
    pub base_fee: u64,
}

impl Course {
    /// Samples at most.
    pub const MOST: usize = 256;

    /// The samples, in order of height, the last block among them.
    pub fn samples(&self) -> impl Iterator<Item = &Moment> {
        self.samples.iter().chain(&self.last)
    }

    /// Takes a sample where the last one is far enough away; where there are too many, every other
    /// one goes.
    pub(super) fn take(&mut self, moment: Moment) {
        let last = self.samples.last().map_or(0, |last| last.height);
        self.last = Some(moment).filter(|_| moment.height < last + self.every.max(1));
        if self.last.is_some() {
            return;
        }
        self.samples.push(moment);
        if self.samples.len() == Course::MOST {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                !keep
            });
            let [.., before, last] = &self.samples[..] else {
                unreachable!("many samples")
            };
            self.every = (2 * self.every.max(1)).max(last.height - before.height);
        }
    }
}

impl Waits {
    /// One more.
    pub(super) fn take(&mut self, wait: u64) {
        *self.0.entry(wait).or_default() += 1;
    }

    /// What this share of all waited at most, in the unit of each; none where nothing waited.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let all: u64 = self.0.values().sum();
        let wanted = (share * all as f64).ceil().max(1.0) as u64;
        let mut so_far = 0;
        let mut waits = self.0.iter();
        let reached = waits.find(|(_, count)| {
            so_far += **count;
            so_far >= wanted
        });
        reached.map(|(wait, _)| *wait)
    }

    fn add(&mut self, other: &Waits) {
        for (wait, count) in &other.0 {
            *self.0.entry(*wait).or_default() += count;
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
        &self.kinds[kind as usize]
    }

    pub(super) fn of_mut(&mut self, kind: TrafficKind) -> &mut OfKind {
        &mut self.kinds[kind as usize]
    }

    /// One is in a block.
    pub(super) fn included(&mut self, kind: TrafficKind, fee: u64, wait_ms: u64) {
        let of = self.of_mut(kind);
        of.included += 1;
        of.fees += fee;
        of.wait_ms.take(wait_ms);
    }

    /// Adds what another one counted; the course stays this one's.
    pub(super) fn add(&mut self, other: &Traffic) {
        for (sum, of) in self.kinds.iter_mut().zip(&other.kinds) {
            sum.included += of.included;
            sum.refused += of.refused;
            sum.evicted += of.evicted;
            sum.outbid += of.outbid;
            sum.raised += of.raised;
            sum.given_up += of.given_up;
            sum.fees += of.fees;
            sum.wait_ms.add(&of.wait_ms);
        }
        self.answers_late.add(&other.answers_late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_exactly() {
        let mut traffic = Traffic::default();
        assert_eq!(traffic.of(TrafficKind::Open).wait_ms.quantile(1.0), None);
        for wait_ms in [600_000, 600_000, 600_000, 1_199_999] {
            traffic.included(TrafficKind::Open, 1, wait_ms);
        }
        let mut twice = traffic.clone();
        twice.add(&traffic);
        let of = twice.of(TrafficKind::Open);
        let told = [0.0, 0.5, 0.75, 0.76, 1.0].map(|share| of.wait_ms.quantile(share));
        let (short, long) = (Some(600_000), Some(1_199_999));
        assert_eq!(told, [short, short, short, long, long]);
        assert_eq!((of.included, of.fees), (8, 8));
    }

    #[test]
    fn a_course_keeps_few_samples_of_any_number_of_blocks() {
        let moment = |height| Moment {
            height,
            at_ms: 1_000 * height,
            units: height,
            evicted: 0,
            waiting: 0,
            base_fee: 0,
        };
        for (blocks, step) in [(100, 1), (1_000, 1), (100_000, 1), (1_000, 7_200)] {
            let mut course = Course::default();
            (1..=blocks).for_each(|block| course.take(moment(block * step)));
            let heights: Vec<u64> = course.samples().map(|of| of.height).collect();
            assert!(
                heights.is_sorted() && heights.len() <= Course::MOST,
                "{blocks}"
            );
            assert!(
                heights.len() >= Course::MOST / 4 || blocks < 256,
                "{blocks}"
            );
            let last = heights.last().unwrap();
            assert_eq!(*last, blocks * step);
        }
    }
}
