//! What is counted of sessions and payments. A figure is named here once: it adds up over shards,
//! and what outlives a restart is kept by its place.

use std::iter::Sum;
use std::ops::AddAssign;

macro_rules! counts {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: u64,)*
        }

        impl $name {
            const FIGURES: usize = [$(stringify!($field)),*].len();

            fn numbers(&self) -> [u64; $name::FIGURES] {
                [$(self.$field),*]
            }

            fn of([$($field),*]: [u64; $name::FIGURES]) -> $name {
                $name { $($field),* }
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: $name) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counts! {
    /// Counts of a shard, or of all.
    Counts {
        /// Sessions whose channel was opened.
        sessions_opened,
        /// Sessions whose channel was closed, politely or, over all shards, after a dispute.
        sessions_closed,
        /// Payments in sessions that closed politely on Layer 1.
        settled,
        /// Sessions whose payout is not what the workload's own sums say.
        payout_mismatches,
        /// Sessions whose settled version is not the number of payments made.
        count_mismatches,
        /// Payments drawn from the workload.
        drawn,
        /// Of these: refused by the payer's own endpoint, for lack of balance.
        refused,
        /// Covered by a co-signed state, by the payer's count.
        covered,
        /// Covered by a verified signature of the payer, by the payee's count.
        received,
        /// Drawn, and lost with a channel that stopped.
        lost,
        /// Never drawn, because the run was cut short or the channel stopped.
        undrawn,
        /// Sessions that ended before their payments were made: by an interrupt, or by the planned
        /// end, before a restart included.
        sessions_cut,
        /// Payments that came due and were not served, before a restart.
        unserved,
        /// Payments of the sessions that were opened. From here on, nothing outlives a restart.
        planned,
        /// Drawn, and sent by a cheater with a signature that does not verify.
        poisoned,
        /// How many such signatures.
        poisoned_signatures,
        /// Never drawn, because a party began to cheat before.
        forgone,
        /// Covered, in sessions that went to court.
        disputed,
        /// Signatures of transactions on Layer 1.
        transaction_signatures,
        /// Signatures made before a restart, and verified after it.
        resent,
        /// Sessions whose open gave up bidding for a place in a block: they never began.
        opens_given_up,
        /// Sessions whose cooperative close did: they were closed unilaterally.
        closes_given_up,
    }
}

impl Counts {
    /// How many of them outlive a restart: the first ones.
    pub(super) const KEPT: usize = 13;

    /// What outlives a restart.
    pub(super) fn kept(&self) -> [u64; Counts::KEPT] {
        std::array::from_fn(|at| self.numbers()[at])
    }

    /// What was kept, and nothing else.
    pub(super) fn of_kept(kept: [u64; Counts::KEPT]) -> Counts {
        Counts::of(std::array::from_fn(|at| kept.get(at).copied().unwrap_or(0)))
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(all: I) -> Counts {
        all.fold(Counts::default(), |mut sum, counts| {
            sum += counts;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outlives_a_restart_comes_back_by_its_name() {
        let mut number = 0;
        let counts = Counts::of([(); Counts::FIGURES].map(|()| {
            number += 1;
            number
        }));
        assert_eq!((counts.unserved, counts.planned), (13, 14));
        let back = Counts::of_kept(counts.kept());
        assert_eq!(
            (back.sessions_opened, back.unserved, back.planned),
            (1, 13, 0)
        );
        let twice: Counts = [counts, back].into_iter().sum();
        assert_eq!((twice.lost, twice.resent), (20, 20));
    }
}
