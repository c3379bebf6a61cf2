//! A chain's state before a block, kept: for blocks that may not come to be, where those who decide
//! about them may be offered several.

use super::super::block::{Draft, Header};
use super::super::mempool::Mempool;
use super::super::pool::Waiting;
use super::super::receipt::Receipt;
use super::super::transaction::{SignedTransaction, Transaction};
use super::Chain;

/// Answers to posts that were taken out of what waits.
pub struct Aside {
    queued: Mempool,
    bidding: Vec<Waiting>,
}

impl Chain {
    /// The same chain once more: accounts and channels are copied. Nothing of the first one follows
    /// from what is asked of the second.
    ///
    /// # Panics
    /// If it keeps a tape.
    #[must_use]
    pub fn fork(&self) -> Chain {
        assert!(self.tape.is_none(), "a tape is of one chain");
        Chain {
            config: self.config,
            genesis: self.genesis,
            height: self.height,
            tip: self.tip,
            ledger: self.ledger.clone(),
            trees: self.trees.clone(),
            mempool: self.mempool.clone(),
            pool: self.pool.clone(),
            base: self.base,
            space: self.space,
            vain: self.vain.clone(),
            heard: self.heard.clone(),
            rounds: self.rounds.fork(),
            bodies: self.bodies.clone(),
            tape: None,
            notices: self.notices.clone(),
            owed: self.owed.clone(),
            load: self.load,
        }
    }

    /// Takes the answers to posts out of what waits.
    pub fn set_answers_aside(&mut self) -> Aside {
        let ledger = &self.ledger;
        let is_answer = |bytes: &[u8]| {
            let signed = SignedTransaction::decode(bytes).expect("only what decodes is queued");
            match signed.transaction() {
                Transaction::Post { post, .. } => ledger.is_disputed(&post.channel),
                _ => false,
            }
        };
        let [kept, queued] = self.mempool.split(is_answer);
        self.mempool = kept;
        let bidding = self.pool.set_aside(is_answer);
        Aside { queued, bidding }
    }

    /// Has them wait again, before what waits by now.
    pub fn put_back(&mut self, aside: Aside) {
        let later = std::mem::replace(&mut self.mempool, aside.queued);
        self.mempool.append(&later);
        self.pool.put_back(aside.bidding);
    }

    /// What a block with nothing in it would be: where Layer 1 has a clock, none is kept.
    #[must_use]
    pub fn empty_block(&self) -> Header {
        let draft = Draft::new(self.height + 1, self.tip, &self.config);
        let block = draft.finish(true, self.state_root());
        block.expect("an empty block was asked for").header
    }

    /// Lets the next block pass with nothing in it, although something may wait. Appends receipts
    /// of what left meanwhile.
    ///
    /// # Panics
    /// If Layer 1 has no clock.
    pub fn let_pass(&mut self, receipts: &mut Vec<Receipt>) {
        assert!(self.config.pace.is_some(), "Layer 1 has a clock");
        self.load.refused += self.owed.len() as u64;
        receipts.append(&mut self.owed);
        self.pass(1);
    }
}
