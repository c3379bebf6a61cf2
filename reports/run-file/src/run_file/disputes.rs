//! What became of channels that did not end politely, and what that cost Layer 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::number;
use crate::human;

schema! {
    /// The disputes of a run.
    pub struct Disputes {
        /// Channels that a post closed.
        pub closes: u64,
        /// Posts in such channels after the first.
        pub answers: u64,
        /// Channels in which a party forfeited its balance.
        pub punishments: u64,
        /// What honest parties got less than they were due, in the smallest unit of value, summed
        /// over channels. 0 whenever the challenge window exceeds the delay and blocks have room.
        pub lost_by_honest: u64,
        /// Honest parties that got less than they were due. 0 under the same condition.
        pub honest_losers: u64,
        /// Honest parties that forfeited their balance. Always 0.
        pub honest_punished: u64,
        /// Posts that were not in the block in which they were due, since others had filled it, or
        /// in none before the payout. The guarantee is for blocks with room; 0 in files of earlier
        /// versions.
        pub late_posts?: u64,
        /// By the attack's name; `none` for channels that stopped without one.
        pub attacks: BTreeMap<String, AttackCost>,
        /// Transactions of disputes that Layer 1 refused, by the refusal's name. They are in no
        /// block.
        pub refused: BTreeMap<String, u64>,
    }
}

impl Disputes {
    /// A count over all kinds of attacks.
    #[must_use]
    pub fn total(&self, of: fn(&AttackCost) -> u64) -> u64 {
        self.attacks.values().map(of).fold(0, u64::saturating_add)
    }

    /// In how many of the closes a post was answered, at most: no more of a kind than it has cases,
    /// and than it has transactions beside a post and a payout each.
    #[must_use]
    pub fn answered_at_most(&self) -> u64 {
        let of_kind = |cost: &AttackCost| {
            let beside = cost
                .transactions
                .saturating_sub(cost.cases.saturating_mul(2));
            beside.min(cost.cases)
        };
        let answered = self.attacks.values().map(of_kind);
        let answered = answered.fold(0, u64::saturating_add);
        answered.min(self.answers).min(self.closes)
    }

    /// Why the protocol's guarantee did not hold, if it did not: an honest party was punished, or
    /// lost although the challenge window (in blocks) exceeds the delay with which transactions
    /// enter a block.
    #[must_use]
    pub fn unjust(&self, window: u64, delay: u64) -> Option<String> {
        if self.honest_punished > 0 {
            return Some(format!(
                "{} honest parties were punished",
                self.honest_punished
            ));
        }
        let late = match self.late_posts {
            0 => String::new(),
            late => format!(
                ": {} came later than their block",
                human::counted(late, "post")
            ),
        };
        (self.lost_by_honest > 0 && window > delay).then(|| {
            format!(
                "honest parties lost {} units to cheaters although the window exceeds the \
                 delay that was asked for{late}",
                self.lost_by_honest
            )
        })
    }
}

schema! {
    /// What the disputes of one kind cost Layer 1, from the first post to the payout.
    pub struct AttackCost {
        /// Channels.
        pub cases: u64,
        /// Channels in which a party forfeited its balance.
        pub punishments: u64,
        /// Transactions in blocks.
        pub transactions: u64,
        /// Of these, transactions whose fee an honest party paid: the guarantee is before fees.
        pub paid_by_honest?: u64,
        /// Fees that honest parties paid, in the smallest unit of value; 0 in files of earlier
        /// versions, as the two that follow.
        pub fees_by_honest?: u64,
        /// Fees that cheaters paid.
        pub fees_by_cheaters?: u64,
        /// What their channels held, times the blocks from the first post to the payout.
        pub locked_unit_blocks?: u64,
        /// Their bytes.
        pub bytes: u64,
        /// Transactions a case beyond the cooperative close that it takes the place of.
        pub extra_transactions_per_case: Difference,
        /// Bytes a case beyond the cooperative close that it takes the place of.
        pub extra_bytes_per_case: Difference,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_that_nobody_answered_is_not_paid_out_as_answered() {
        // Cases and transactions of two kinds, all closes, all answers => answered at most.
        for (one, other, closes, answers, expected) in [
            ((516, 1_032), (484, 1_880), 1_000, 912, 484),
            ((500, 2_000), (0, 0), 500, 1_000, 500),
            ((10, 25), (10, 30), 20, 15, 15),
            ((10, 12), (0, 0), 10, 0, 0),
        ] {
            let of = |(cases, transactions): (u64, u64)| AttackCost {
                cases,
                punishments: 0,
                transactions,
                paid_by_honest: 0,
                fees_by_honest: 0,
                fees_by_cheaters: 0,
                locked_unit_blocks: 0,
                bytes: 0,
                extra_transactions_per_case: 0.0,
                extra_bytes_per_case: 0.0,
            };
            let disputes = Disputes {
                closes,
                answers,
                punishments: 0,
                lost_by_honest: 0,
                honest_losers: 0,
                honest_punished: 0,
                late_posts: 0,
                attacks: [("one", one), ("other", other)]
                    .map(|(name, found)| (name.to_owned(), of(found)))
                    .into(),
                refused: BTreeMap::new(),
            };
            assert_eq!(disputes.answered_at_most(), expected);
        }
    }
}
