//! What rogues do to Layer 1 before a block: posts, replays, and a mempool filled to the brim.

use duet_engine::l1::{SignedTransaction, Transaction};
use duet_engine::protocol::Amount;

use super::super::keys::{POOR, THIRD};
use super::super::model::Objection;
use super::words::brief;
use super::{Fate, Source, Ticket, Travelling, World};

impl World<'_> {
    pub(super) fn rogues_move(&mut self) -> Result<(), Objection> {
        let mut moves = Vec::new();
        for node in &mut self.nodes {
            let Some(rogue) = &mut node.rogue else {
                continue;
            };
            for side in &node.sides {
                let (ground, chain) = (&self.ground, &self.chain);
                moves.extend(rogue.moves(side, node.who, chain, ground, self.keys, &mut self.rng));
            }
        }
        for (signer, transaction) in moves {
            self.submit(Source::Rogue, signer, transaction, 0);
        }
        if !self.ground.plan.rogue.contains(&true) || self.chain.height() == 0 {
            return Ok(());
        }
        if self.rng.once_in(6)
            && let Some(bytes) = self.rng.pick(&self.history).cloned()
        {
            self.replay(bytes);
        }
        if self.ground.plan.spam && self.faulty() {
            self.spam()?;
        }
        Ok(())
    }

    /// Somebody else's transaction once more, byte for byte, now and then with a bit flipped.
    pub(super) fn replay(&mut self, mut bytes: Vec<u8>) {
        if self.rng.once_in(4) {
            let bit = self.rng.below(8 * bytes.len() as u64);
            bytes[bit as usize / 8] ^= 1 << (bit % 8);
        }
        let Ok(signed) = SignedTransaction::decode(&bytes) else {
            return;
        };
        let ticket = self.tickets.len() as u64;
        self.tell(11, ticket, &bytes, || {
            format!("a replay: {}", brief(signed.transaction()))
        });
        self.tickets.push(Ticket {
            by: Source::Rogue,
            transaction: signed.transaction().clone(),
            fate: Fate::Travelling,
        });
        self.travelling.push(Travelling {
            due: self.chain.height() + 1,
            ticket,
            bytes,
        });
    }

    /// Fills the mempool, to the last place or just short of it, before anybody else gets there.
    pub(super) fn spam(&mut self) -> Result<(), Objection> {
        let account = self.chain.account(&self.keys.public(THIRD));
        let Some(account) = account.copied() else {
            return Ok(());
        };
        let room = u64::from(self.ground.plan.mempool).saturating_sub(self.chain.pending() as u64);
        let count = match self.rng.below(3) {
            0 => self.rng.within(0, room),
            _ => room.saturating_sub(self.rng.below(3)),
        };
        let bids = (self.ground.plan.scarce).is_some_and(|scarce| scarce.order.takes_bids());
        // Where a higher bid evicts, it need not wait for room, and begins again each time.
        let count = if bids {
            self.spam_nonce = account.nonce;
            self.rng.within(0, u64::from(self.ground.plan.mempool))
        } else {
            count
        };
        // What it pays more than it has fails or is refused, and takes a place all the same.
        self.spam_nonce = self.spam_nonce.max(account.nonce);
        for number in 0..count {
            let to = if number.is_multiple_of(4) {
                POOR
            } else {
                THIRD
            };
            let transaction = Transaction::Transfer {
                from: self.keys.public(THIRD),
                nonce: self.spam_nonce,
                to: self.keys.public(to),
                amount: Amount::new(1),
            };
            self.spam_nonce += 1;
            self.submit(Source::Rogue, THIRD, transaction, 0);
            if let Some(travelling) = self.travelling.pop() {
                self.enters(travelling)?;
            }
        }
        Ok(())
    }
}
