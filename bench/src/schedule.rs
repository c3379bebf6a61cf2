//! The order of runs: A, B and the byte copy of A, balanced so that a machine that warms up or
//! slows down favours none of them. Pure.
//!
//! Runs come in triples, one of each contender; the three runs of a triple are what is paired. A
//! triple is followed by its mirror image, and the three possible pairs of mirror images take
//! turns: `A B A′ A′ B A · B A′ A A A′ B · A′ A B B A A′ · …`. With A′ crossed out that is ABBA and
//! its mirror; with B crossed out the same. So each contender has the same mean position, and over
//! three rounds each two of them are equally far apart, which a fixed `A B A′ A′ B A` would not do:
//! there, A′ is twice as far from A as B is, and the floor would hold more drift than the ratio.

/// Who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// The first program named by the user.
    A,
    /// The second.
    B,
    /// A byte copy of A, run with A's options: its distance from A is the noise floor.
    ACopy,
}

impl Contender {
    /// The three of them.
    pub const ALL: [Self; 3] = [Self::A, Self::B, Self::ACopy];

    /// The name in messages and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::ACopy => "A'",
        }
    }

    /// The contender's place in [`Contender::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

/// One triple of runs, in order.
pub type Triple = [Contender; 3];

use Contender::{A, ACopy, B};

/// Each contender is once first, once second and once third in these triples. Followed by their
/// mirror images they make up three rounds; as they stand they start a session of an odd number of
/// pairs, which leaves an even number.
const ROTATIONS: [Triple; 3] = [[A, B, ACopy], [B, ACopy, A], [ACopy, A, B]];

/// Triples without end, each followed by its mirror image: balanced after every second one, and all
/// contenders equally far apart after every sixth.
pub fn unending() -> impl Iterator<Item = [Triple; 2]> {
    ROTATIONS.into_iter().cycle().map(|rotation| {
        let [first, second, third] = rotation;
        [rotation, [third, second, first]]
    })
}

/// The triples of a session of `pairs` pairs. Balanced exactly for every number from 2 up.
#[must_use]
pub fn schedule(pairs: usize) -> Vec<Triple> {
    let mut triples = Vec::with_capacity(pairs);
    if pairs % 2 == 1 {
        triples.extend(ROTATIONS.iter().take(pairs));
    }
    let left = pairs - triples.len();
    triples.extend(unending().take(left / 2).flatten());
    triples
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions_of(contender: Contender, pairs: usize) -> Vec<usize> {
        schedule(pairs)
            .concat()
            .iter()
            .enumerate()
            .filter_map(|(position, runner)| (*runner == contender).then_some(position))
            .collect()
    }

    /// The sum over triples of the distance in runs between two contenders.
    fn total_distance(one: Contender, other: Contender, pairs: usize) -> usize {
        let (ones, others) = (positions_of(one, pairs), positions_of(other, pairs));
        ones.iter().zip(&others).map(|(x, y)| x.abs_diff(*y)).sum()
    }

    #[test]
    fn the_first_rounds_by_hand() {
        let names: Vec<&str> = schedule(6).concat().iter().map(|c| c.name()).collect();
        assert_eq!(names.join(" "), "A B A' A' B A B A' A A A' B A' A B B A A'");
    }

    #[test]
    fn every_contender_runs_once_per_triple() {
        for pairs in 1..=40 {
            assert_eq!(schedule(pairs).len(), pairs);
            for contender in Contender::ALL {
                let runs: Vec<usize> = positions_of(contender, pairs);
                let triples: Vec<usize> = runs.iter().map(|position| position / 3).collect();
                assert_eq!(triples, (0..pairs).collect::<Vec<_>>(), "{contender:?}");
            }
        }
    }

    #[test]
    fn every_contender_has_the_same_mean_position() {
        for pairs in 2..=40 {
            let sums = Contender::ALL.map(|c| positions_of(c, pairs).iter().sum::<usize>());
            assert_eq!(sums[0], sums[1], "{pairs} pairs");
            assert_eq!(sums[0], sums[2], "{pairs} pairs");
        }
    }

    #[test]
    fn over_three_rounds_all_are_equally_far_apart() {
        for pairs in [3, 6, 12, 18, 30] {
            let expected = pairs * 4 / 3;
            assert_eq!(total_distance(A, B, pairs), expected);
            assert_eq!(total_distance(A, ACopy, pairs), expected);
            assert_eq!(total_distance(B, ACopy, pairs), expected);
        }
    }

    #[test]
    fn without_the_copy_it_is_abba_or_its_mirror() {
        for round in schedule(20).chunks(2) {
            let order: Vec<Contender> = round
                .concat()
                .into_iter()
                .filter(|contender| *contender != ACopy)
                .collect();
            assert!(order == [A, B, B, A] || order == [B, A, A, B], "{order:?}");
        }
    }
}
