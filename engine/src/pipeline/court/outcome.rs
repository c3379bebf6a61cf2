//! What the disputes of a run came to, and what they cost Layer 1.

use std::collections::BTreeMap;

use super::super::attack::Attack;

/// What the disputes of a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disputes {
    /// Channels that a post closed.
    pub closes: u64,
    /// Posts in such channels after the first.
    pub answers: u64,
    /// Channels in which a party forfeited its balance.
    pub punishments: u64,
    /// What honest parties got less than they were due, in the smallest unit, summed over
    /// channels; what they got more is not set off against it.
    pub lost_by_honest: u64,
    /// Honest parties that got less than they were due.
    pub honest_losers: u64,
    /// Honest parties that forfeited their balance.
    pub honest_punished: u64,
    /// Posts that were not in the block in which they were due, since others had filled it; or in
    /// none before the payout.
    pub late_posts: u64,
    /// Channels whose payout is not what the rules make of the attack, although the window is
    /// longer than the delay and no post was late: our own bug.
    pub mismatches: u64,
    /// Rule breaks that made an honest party close, by the rejection's name.
    pub rejections: BTreeMap<&'static str, u64>,
    /// Transactions of disputes that Layer 1 refused, by the refusal's name.
    pub refused: BTreeMap<&'static str, u64>,
    /// What each kind of attack cost Layer 1.
    pub attacks: BTreeMap<Attack, AttackCost>,
    /// The same for channels that stopped without an attack.
    pub stopped: AttackCost,
}

/// What the disputes of one kind cost Layer 1, from when the parties ceased to cooperate. The
/// cooperative close of each that would have been is not set off against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttackCost {
    /// Channels.
    pub cases: u64,
    /// Transactions in blocks.
    pub transactions: u64,
    /// Of these, transactions whose fee an honest party paid.
    pub paid_by_honest: u64,
    /// Fees that honest parties paid, in units of money.
    pub fees_of_honest: u64,
    /// Fees that cheaters paid.
    pub fees_of_cheaters: u64,
    /// What their channels held, times the blocks from when the parties ceased to cooperate to the
    /// payout.
    pub locked_unit_blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Channels in which a party forfeited its balance.
    pub punishments: u64,
}

impl AttackCost {
    /// A transaction of so many bytes is in a block, of an honest party or a cheater.
    pub(in super::super) fn include(&mut self, honest: bool, fee: u64, bytes: usize) {
        self.transactions += 1;
        self.bytes += bytes as u64;
        match honest {
            true => {
                self.paid_by_honest += 1;
                self.fees_of_honest += fee;
            }
            false => self.fees_of_cheaters += fee,
        }
    }

    /// A channel held so much for so many blocks.
    pub(in super::super) fn locked(&mut self, held: u64, blocks: u64) {
        let sum = &mut self.locked_unit_blocks;
        *sum = sum.saturating_add(held.saturating_mul(blocks));
    }
}

impl Disputes {
    pub(in super::super) fn of(&mut self, attack: Option<Attack>) -> &mut AttackCost {
        match attack {
            Some(attack) => self.attacks.entry(attack).or_default(),
            None => &mut self.stopped,
        }
    }

    /// Channels that did not end politely.
    #[must_use]
    pub fn cases(&self) -> u64 {
        self.stopped.cases + self.attacks.values().map(|cost| cost.cases).sum::<u64>()
    }
}
