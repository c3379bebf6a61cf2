//! A chain's state before a block, kept: for blocks that may not come to be, where those who decide
//! about them may be offered several.

use super::super::block::{Draft, Header};
use super::super::config::Verification;
use super::super::mempool::Mempool;
use super::super::pool::{Pool, Waiting};
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

    /// A copy of its state in which nothing waits: blocks that others make are executed on it, on
    /// the caller's thread alone.
    ///
    /// # Panics
    /// If it keeps a tape.
    #[must_use]
    pub fn replica(&self) -> Chain {
        let mut replica = self.fork();
        replica.config.verification = Verification::Sequential;
        replica.config.keep_bodies = false;
        replica.mempool = Mempool::new(u32::MAX);
        replica.pool = Pool::default();
        replica.rounds = self.rounds.sequential();
        replica.heard.clear();
        replica.bodies.clear();
        replica.owed.clear();
        replica
    }

    /// Executes a block that somebody else made, of a later height: the heights between had nothing
    /// in them. One of nothing passes, too. Gives its header, if its bytes are transactions, all of
    /// them can be included, and a block has room for them; otherwise the replica is spoilt.
    ///
    /// # Panics
    /// If Layer 1 has no clock, or something waits.
    pub fn execute_block(&mut self, height: u64, body: &[u8]) -> Option<Header> {
        self.pass_over(height.checked_sub(self.height + 1)?);
        if body.is_empty() {
            let header = self.empty_block();
            self.pass(1);
            return Some(header);
        }
        let mut rest = body;
        while !rest.is_empty() {
            let (signed, taken) = SignedTransaction::decode_first(rest).ok()?;
            self.mempool.admit(taken).ok()?;
            let operations = signed.transaction().operations();
            self.mempool.push(0, &rest[..taken], operations);
            rest = &rest[taken..];
        }
        let mut receipts = Vec::new();
        let header = self.seal(&mut receipts)?;
        let is_whole = self.pending() == 0 && receipts.iter().all(|one| one.outcome.is_ok());
        is_whole.then_some(header)
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
