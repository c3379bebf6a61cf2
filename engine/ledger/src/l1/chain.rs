//! The Layer 1 itself: takes transactions in, seals blocks, gives receipts out.

mod committed;
mod durable;
mod fork;

pub use durable::Restoring;
pub use fork::Aside;

use std::collections::HashSet;
use std::fmt;

use super::asks::Market;
use super::block::{Draft, Header, Size};
use super::channel::ChannelRecord;
use super::claim::Claim;
use super::config::{Allocations, Config, Genesis, SetupError};
use super::ledger::{Account, Imbalance, Ledger, Totals};
use super::load::{Load, Space};
use super::market::{Answers, Bid, Rate};
use super::mempool::{Answer, Mempool};
use super::pool::{Pool, Sent, Way};
use super::receipt::{Executed, Notice, Receipt};
use super::refusal::{NotExecuted, Refusal, SignatureRole, SubmitError};
use super::root::StateTrees;
use super::round::{Claimed, Taken};
use super::rounds::Rounds;
use super::tape::Tape;
use super::transaction::{SignedTransaction, Transaction, encoded_digest};
use super::vain::Vain;
use super::witness::{Checked, Verdict};
use duet_base::clock::thread_cpu_ns;
use duet_channels::crypto::{Backend, Digest, KeyRing, PublicKey, Signature, accept};
use duet_channels::protocol::{Amount, ChannelId, Post};

/// A Layer 1 with one writer.
///
/// Blocks and receipts follow from the genesis, the configuration and the sequence of
/// [`Chain::submit`] and [`Chain::seal`], and from nothing else.
pub struct Chain {
    config: Config,
    genesis: Digest,
    height: u64,
    tip: Digest,
    ledger: Ledger,
    /// Only if blocks commit to them.
    trees: Option<Box<StateTrees>>,
    /// What the next block takes from: all that wait, where they go by arrival.
    mempool: Mempool,
    /// What waits, where they go by bids.
    pool: Pool,
    /// The next block's base fee.
    base: Rate,
    space: Space,
    vain: Vain,
    /// What was heard together, by what was signed and how.
    heard: HashSet<(Digest, Signature)>,
    rounds: Rounds,
    bodies: Vec<Vec<u8>>,
    tape: Option<Tape>,
    notices: Vec<Notice>,
    /// Receipts of those that left the mempool without a block: one at most for each transaction
    /// that was taken since the last one, so that what its submitters remember is as much. To push
    /// back when there are many would let somebody close the queue by outbidding itself.
    owed: Vec<Receipt>,
    load: Load,
}

impl Chain {
    /// A chain at genesis, which verifies with this back end.
    ///
    /// # Errors
    /// If the configuration lets no transaction pass, or the supply is more than an amount holds.
    ///
    /// # Panics
    /// If the operating system gives no randomness to verify with, at the first block.
    pub fn new<A: Allocations + Sync>(
        config: Config,
        genesis: &Genesis<A>,
        backend: Backend,
    ) -> Result<Chain, SetupError> {
        config.check()?;
        let supply = genesis.supply().ok_or(SetupError::SupplyOverflow)?;
        let (mut ledger, id) = rayon::join(
            || Ledger::new(supply, &genesis.allocations),
            || genesis.id(&config),
        );
        Ok(Chain {
            config,
            genesis: id,
            height: 0,
            tip: id,
            load: Load {
                peak_state_entries: ledger.records(),
                ..Load::default()
            },
            trees: config.trees(&mut ledger),
            ledger,
            mempool: Mempool::new(config.mempool_transactions),
            pool: Pool::default(),
            base: config.order.first_base(),
            space: Space::default(),
            vain: Vain::default(),
            heard: HashSet::new(),
            rounds: Rounds::new(backend, config.verification),
            bodies: Vec::new(),
            tape: config.keep_tape.then(Tape::default),
            notices: Vec::new(),
            owed: Vec::new(),
        })
    }

    /// A chain with the default parameters, and with these accounts.
    ///
    /// # Errors
    /// As [`Chain::new`].
    pub fn with_accounts(allocations: Vec<(PublicKey, Amount)>) -> Result<Chain, SetupError> {
        let label = String::new();
        let genesis = Genesis { label, allocations };
        Chain::new(Config::default(), &genesis, Backend::Dalek)
    }

    /// Submits a transaction and seals a block of it: for programs to which blocks are nothing.
    ///
    /// # Errors
    /// Why it was not executed.
    ///
    /// # Panics
    /// If other transactions wait: their receipts would be lost.
    pub fn include(&mut self, transaction: &SignedTransaction) -> Result<Executed, NotExecuted> {
        assert_eq!(self.pending(), 0, "no other transaction waits");
        let (mut bytes, mut receipts) = (Vec::new(), Vec::new());
        transaction.encode(&mut bytes);
        self.submit(0, &bytes).map_err(NotExecuted::Submit)?;
        self.seal(&mut receipts);
        let receipt = receipts.pop().expect("one transaction waited");
        match receipt.outcome {
            Ok(Executed::Failed(failure)) => Err(NotExecuted::Failed(failure)),
            Ok(executed) => Ok(executed),
            Err(refusal) => Err(NotExecuted::Submit(SubmitError::Refused(refusal))),
        }
    }

    /// Queues one encoded transaction. `ticket` is the caller's, and comes back in the receipt.
    ///
    /// An answer that the next block could include waits in the room beside the queue, and goes
    /// first (rule L8); that costs its verification, its submitter's signature first. Where more
    /// wait than a block holds, there is room for one answer of each disputed channel. An account
    /// of which a few were verified in vain is not listened to before the next block; no other
    /// account is the worse for it. Of a batch, its signer's signature is verified.
    ///
    /// # Errors
    /// [`SubmitError::MempoolFull`], [`SubmitError::MempoolBytesFull`] and
    /// [`SubmitError::AnswersInVain`] push back: submit the bytes again after the next block. The
    /// others are for ever.
    pub fn submit(&mut self, ticket: u64, bytes: &[u8]) -> Result<(), SubmitError> {
        if let Some(tape) = &mut self.tape {
            tape.submit(bytes);
        }
        let signed = SignedTransaction::decode(bytes).map_err(SubmitError::Malformed)?;
        if bytes.len() as u64 > self.config.block_bytes {
            return Err(SubmitError::TooLarge {
                limit: self.config.block_bytes,
                got: bytes.len() as u64,
            });
        }
        if let (false, Some(_)) = (self.config.order.takes_bids(), signed.bid()) {
            return Err(SubmitError::Refused(Refusal::BidNotTaken));
        }
        let operations = signed.transaction().operations();
        if operations > self.config.block_transactions {
            return Err(SubmitError::TooManyItems {
                limit: self.config.block_transactions,
                got: operations,
            });
        }
        self.fits_a_block(&signed, bytes)?;
        if self.config.order.takes_bids() {
            return self.bid(ticket, &signed, bytes);
        }
        let admitted = self.mempool.admit(bytes.len());
        let held_up =
            admitted.is_err() || (self.mempool).is_crowded(&self.config, bytes.len(), operations);
        if let Transaction::Post { submitter, post } = signed.transaction()
            && self.config.answers == Answers::Reserved
            && self.could_reserve(submitter, post, held_up)
        {
            self.vain.admit(submitter, &post.channel)?;
            // From here on, what is in vain is its submitter's own doing.
            self.hear(&signed, bytes)?;
            match self.judge(&signed, bytes, self.config.fee) {
                Ok(claim) => self.reserve(ticket, (submitter, post), bytes, claim, held_up),
                Err(refusal) => {
                    self.vain.unsound(submitter);
                    return Err(SubmitError::Refused(refusal));
                }
            }
            return Ok(());
        }
        admitted?;
        if operations > 1 {
            // Nobody has a block verify hundreds of signatures in another's name.
            self.hear(&signed, bytes)?;
        }
        self.mempool.push(ticket, bytes, operations);
        Ok(())
    }

    /// Whether the block has units for a transaction, if it were alone in it.
    fn fits_a_block(&self, signed: &SignedTransaction, bytes: &[u8]) -> Result<(), SubmitError> {
        let size = self.config.size(signed, bytes.len(), &self.ledger);
        match self.config.room().take(&size) {
            true => Ok(()),
            false => Err(SubmitError::TooManyUnits { got: size.units }),
        }
    }

    /// Queues a transaction by its bid.
    fn bid(
        &mut self,
        ticket: u64,
        signed: &SignedTransaction,
        bytes: &[u8],
    ) -> Result<(), SubmitError> {
        // Nobody has what waits evicted, or a block verify hundreds of signatures, in another's
        // name.
        let says = self.hear(signed, bytes)?;
        let bid = *signed.bid().ok_or(SubmitError::Refused(Refusal::NoBid))?;
        let (size, fee) = (self.could_pay(signed, &bid, bytes)).map_err(SubmitError::Refused)?;
        let sent = Sent {
            ticket,
            signed,
            bytes,
            says,
            bid,
            size,
            cost: (signed.transaction().spends().plus(fee)).unwrap_or(Amount::new(u64::MAX)),
        };
        let way = self.pool.way(&sent, &self.config)?;
        if way.evicts() {
            self.may_evict(&sent, &way, fee)?;
        }
        let evicted = self.pool.submit(&sent, way, &self.config);
        self.space.evicted += evicted.len() as u64;
        let height = self.height + 1;
        let receipts = evicted.into_iter().map(|(ticket, refusal)| Receipt {
            ticket,
            height,
            fee: Amount::ZERO,
            outcome: Err(refusal),
        });
        self.owed.extend(receipts);
        Ok(())
    }

    /// What a transaction takes of a block and pays there at most; or why it could be in no block,
    /// as far as its payer and its channel say.
    fn could_pay(
        &self,
        signed: &SignedTransaction,
        bid: &Bid,
        bytes: &[u8],
    ) -> Result<(Size, Amount), Refusal> {
        let transaction = signed.transaction();
        let Rate(base) = self.config.order.first_base();
        if bid.most.0 < base {
            let got = bid.most.0;
            return Err(Refusal::BidBelowBase { base, got });
        }
        let account = *transaction.signer();
        let Some(Account { balance, nonce, .. }) = self.ledger.account(&account) else {
            return Err(Refusal::UnknownAccount { account });
        };
        let channel = match transaction {
            Transaction::Post { post, .. } => Some(&post.channel),
            Transaction::Payout { channel, .. } => Some(channel),
            Transaction::CooperativeClose { proof, .. } => Some(&proof.channel),
            _ => None,
        };
        if let Some(channel) = channel {
            self.ledger.open_channel(channel)?;
        }
        if let Some(got) = transaction.nonce().filter(|got| got < nonce) {
            let expected = *nonce;
            return Err(Refusal::WrongNonce { expected, got });
        }
        let size = self.config.size(signed, bytes.len(), &self.ledger);
        let fee = bid.most.of(size.units);
        if *balance < fee {
            let have = *balance;
            return Err(Refusal::FeeAboveBalance { have, fee });
        }
        Ok((size, fee))
    }

    /// Judges a transaction before others make way for it, as in the next block: what is refused at
    /// its turn pays nothing, and must not have cost others their places. Its account can pay for
    /// all that it has waiting, and what it has to come after waits.
    fn may_evict(&mut self, sent: &Sent<'_>, way: &Way, fee: Amount) -> Result<(), SubmitError> {
        let account = self.ledger.account(sent.signed.transaction().signer());
        let account = *account.expect("it could pay");
        if !self.pool.is_in_turn(sent, account.nonce) {
            return Err(SubmitError::NotInTurn);
        }
        let cost = self.pool.cost_with(sent, way);
        let refused = if cost > account.balance.units().into() {
            Err(Refusal::FeeAboveBalance {
                have: account.balance,
                fee: Amount::new(u64::try_from(cost).unwrap_or(u64::MAX)),
            })
        } else {
            self.judge(sent.signed, sent.bytes, fee).map(drop)
        };
        match refused {
            // Those before it wait.
            Ok(()) | Err(Refusal::WrongNonce { .. }) => Ok(()),
            Err(refusal) => Err(SubmitError::Refused(refusal)),
        }
    }

    /// Whether a post, if it is sound, is an answer that the next block could include, and beats
    /// the one that waits for its channel, or, if it has to be `alone`, takes its place.
    fn could_reserve(&self, submitter: &PublicKey, post: &Post, alone: bool) -> bool {
        let record = self.ledger.channel(&post.channel);
        let Some(dispute) = record.and_then(|record| record.dispute()) else {
            return false;
        };
        // One that comes too late is nobody's offence: it is refused at its turn.
        if self.height + 1 > dispute.until() {
            return false;
        }
        let waiting = self.mempool.reserved(&post.channel);
        let highest = waiting.map_or(0, |waiting| waiting.version);
        if post.version() <= dispute.highest().max(highest) {
            return false;
        }
        let replaced = alone && waiting.is_some_and(|waiting| waiting.payer == *submitter);
        let answers = 1 + self.mempool.reserved_by(submitter) - u64::from(replaced);
        self.ledger.can_pay(submitter, self.config.fee, answers)
    }

    /// Verifies the signatures of the signers of transactions that are about to be submitted, in
    /// one batch, where who submits must be known first. Changes no verdict. Decodes each once more
    /// than that: 0.1 µs, beside the memory of a whole step's.
    pub fn hear_together<'t>(&mut self, transactions: impl Iterator<Item = &'t [u8]>) {
        self.heard.clear();
        if !self.config.order.takes_bids() {
            return;
        }
        let mut said = Vec::new();
        for bytes in transactions {
            if let Ok(signed) = SignedTransaction::decode(bytes) {
                let digest = encoded_digest(&self.genesis, &signed, bytes);
                let signer = *signed.transaction().signer();
                said.push((signer, digest, *signed.signature()));
            }
        }
        self.heard.extend(self.rounds.hear(&said));
    }

    /// Verifies the signer's signature, alone: who speaks is known then, and nothing else. Gives
    /// what was signed.
    fn hear(&mut self, signed: &SignedTransaction, bytes: &[u8]) -> Result<Digest, SubmitError> {
        let key = *signed.transaction().signer();
        let digest = encoded_digest(&self.genesis, signed, bytes);
        let signature = signed.signature();
        let holds =
            self.heard.remove(&(digest, *signature)) || accept(&key.0, &digest.0, &signature.0);
        if holds {
            Ok(digest)
        } else {
            let role = SignatureRole::Signer;
            Err(SubmitError::Refused(Refusal::BadSignature { role, key }))
        }
    }

    /// Verifies what the next block could include for a fee, or says why it could not. What waits
    /// with it changes nothing of that, its submitter's own aside.
    fn judge(
        &mut self,
        signed: &SignedTransaction,
        bytes: &[u8],
        fee: Amount,
    ) -> Result<Checked<Claim>, Refusal> {
        let start = thread_cpu_ns();
        let market = Market {
            config: &self.config,
            // A bid may wait for a lower one than the next block's.
            base: self.config.order.first_base(),
        };
        let judged = (self.rounds).judge_alone(signed, bytes, &market, &self.genesis, &self.ledger);
        let (checked, signatures) = judged;
        self.load.signature_verifications += signatures;
        self.load.cpu_ns += thread_cpu_ns() - start;
        let claim = checked?;
        (self.ledger).decide(&claim, fee, self.height + 1)?;
        Ok(claim)
    }

    /// Gives an answer its place. One that makes way for it was verified in vain, and pays nothing:
    /// that is the doing of who raised it.
    fn reserve(
        &mut self,
        ticket: u64,
        (submitter, post): (&PublicKey, &Post),
        bytes: &[u8],
        claim: Checked<Claim>,
        alone: bool,
    ) {
        let answer = Answer {
            ticket,
            channel: post.channel,
            payer: *submitter,
            version: post.version(),
            bytes: bytes.to_vec(),
            claim,
        };
        if let Some(lower) = self.mempool.reserve(answer, alone) {
            self.vain.raised(submitter, &post.channel);
            self.owed.push(Receipt {
                ticket: lower.ticket,
                height: self.height + 1,
                fee: Amount::ZERO,
                outcome: Err(Refusal::Superseded { by: post.version() }),
            });
        }
    }

    /// Makes one block of what waits, first come first served, up to the first transaction that
    /// does not fit any more. Those refused on the way take no room. Appends a receipt for every
    /// transaction that left the queue, in its order.
    ///
    /// `None` if there was nothing to include. The height stays then, but where Layer 1 has a
    /// clock: there the block's time has passed.
    ///
    /// # Panics
    /// If supply is not conserved.
    pub fn seal(&mut self, receipts: &mut Vec<Receipt>) -> Option<Header> {
        self.seal_block(receipts, false)
    }

    /// As [`Chain::seal`], but time passes: if there was nothing to include, the block is empty.
    ///
    /// # Panics
    /// If supply is not conserved.
    pub fn seal_even_empty(&mut self, receipts: &mut Vec<Receipt>) -> Header {
        self.seal_block(receipts, true)
            .expect("an empty block was asked for")
    }

    fn seal_block(&mut self, receipts: &mut Vec<Receipt>, even_empty: bool) -> Option<Header> {
        if let Some(tape) = &mut self.tape {
            tape.seal(even_empty);
        }
        let (start, others) = (thread_cpu_ns(), self.others_cpu_ns());
        self.notices.clear();
        self.load.refused += self.owed.len() as u64;
        receipts.append(&mut self.owed);
        let mut draft = Draft::new(self.height + 1, self.tip, &self.config);
        while self.gather(&draft) {
            self.execute(&mut draft, receipts);
        }
        self.ledger.assert_conserved();
        let header = self.append(draft, even_empty);
        self.load.cpu_ns += thread_cpu_ns() - start;
        self.load.cpu_ns += self.others_cpu_ns() - others;
        header
    }

    /// Puts what fits into the block in line; whether there is anything.
    fn gather(&mut self, draft: &Draft) -> bool {
        let market = Market {
            config: &self.config,
            base: self.base,
        };
        if self.pool.len() > 0 && self.mempool.len() == 0 {
            (self.pool).choose(draft.room(), &market, &self.ledger, &mut self.mempool);
        }
        let waiting = self.mempool.iter();
        (self.rounds).gather(waiting, draft.room(), &market, &self.genesis, &self.ledger)
    }

    /// Executes the transactions in line one after the other.
    fn execute(&mut self, draft: &mut Draft, receipts: &mut Vec<Receipt>) {
        let height = draft.height();
        while let Some(mut judged) = self.rounds.next() {
            self.load.signature_verifications += judged.signatures;
            judged.round.each(|taken, ring, verdicts| {
                let Taken { claim, size, fee } = taken;
                let outcome = claim.and_then(|claimed| {
                    execute(
                        &mut self.ledger,
                        ring,
                        &mut self.load,
                        &mut self.notices,
                        (claimed, fee),
                        verdicts,
                        height,
                    )
                });
                let next = self.mempool.first().expect("the round came from the queue");
                match outcome {
                    Ok(_) => draft.include(next.bytes, &size),
                    Err(_) => self.load.refused += 1,
                }
                receipts.push(Receipt {
                    ticket: next.ticket,
                    height,
                    fee: match outcome {
                        Ok(_) => fee,
                        Err(_) => Amount::ZERO,
                    },
                    outcome,
                });
                self.mempool.pop();
            });
            self.rounds.done(judged.round);
        }
    }

    fn append(&mut self, draft: Draft, even_empty: bool) -> Option<Header> {
        let state_root = self.commit();
        let Some(block) = draft.finish(even_empty, state_root) else {
            if self.config.pace.is_some() {
                self.pass(1);
            }
            return None;
        };
        self.vain.forget();
        self.space.units += block.units;
        self.set_base(block.units);
        self.height = block.header.height;
        self.tip = block.header.hash;
        self.bodies.extend(block.body);
        if block.header.transactions > 0 {
            self.load.blocks += 1;
            self.load.bytes += block.header.bytes() as u64 + block.body_bytes;
        }
        Some(block.header)
    }

    /// Forgets what an account has numbered so and above, and what waits by its bid: where the one
    /// before is missing for ever, it could never be included. Gives their tickets; there is no
    /// receipt for them.
    pub fn withdraw(&mut self, account: &PublicKey, from: u64) -> Vec<u64> {
        if let Some(tape) = &mut self.tape {
            tape.withdraw(*account, from);
        }
        self.pool.withdraw(account, from)
    }

    /// Accounts that wait by their bids for a nonce that nothing has, each with the first of theirs
    /// that waits: see [`Chain::withdraw`]. Nothing in them is included before somebody sends it.
    #[must_use]
    pub fn gaps(&self) -> Vec<(PublicKey, u64)> {
        self.pool.gaps(&self.ledger)
    }

    /// Lets so many blocks pass with nothing in them: they have a height and no header.
    ///
    /// # Panics
    /// If something waits, or Layer 1 has no clock.
    pub fn pass_over(&mut self, blocks: u64) {
        assert!(self.config.pace.is_some(), "Layer 1 has a clock");
        assert_eq!(self.pending(), 0, "nothing waits");
        if let Some(tape) = &mut self.tape {
            tape.pass_over(blocks);
        }
        self.pass(blocks);
    }

    fn pass(&mut self, blocks: u64) {
        self.vain.forget();
        self.notices.clear();
        self.height += blocks;
        self.space.empty_blocks += blocks;
        let mut left = blocks;
        while left > 0 {
            let before = self.base;
            self.set_base(0);
            // It has come down as far as it goes.
            left = if self.base == before { 0 } else { left - 1 };
        }
    }

    /// The next block's base fee, after one in which so many units were taken.
    fn set_base(&mut self, taken: u64) {
        self.space.highest_base = self.space.highest_base.max(self.base);
        let block = self.config.units.map_or(0, |units| units.block);
        self.base = self.config.order.next_base(self.base, taken, block);
    }

    /// How many transactions wait.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.mempool.len() + self.pool.len()
    }

    /// How many more transactions can wait, answers in their reserved room aside.
    #[must_use]
    pub fn room(&self) -> usize {
        (self.config.mempool_transactions as usize).saturating_sub(self.pending())
    }

    /// Whether what left without a block is still to be told, by the receipts of the next one.
    #[must_use]
    pub fn owes_receipts(&self) -> bool {
        !self.owed.is_empty()
    }

    /// The next block's base fee; nothing, where there is none.
    #[must_use]
    pub fn base_fee(&self) -> Rate {
        self.base
    }

    /// Accounts and channels that there are.
    #[must_use]
    pub fn state_entries(&self) -> u64 {
        self.ledger.records()
    }

    /// How blocks' room was used.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// This Layer 1's identity, which every signature and channel id is bound to.
    #[must_use]
    pub fn genesis(&self) -> &Digest {
        &self.genesis
    }

    /// What it was set up with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The hash of the last block; before the first, the genesis id.
    #[must_use]
    pub fn tip(&self) -> &Digest {
        &self.tip
    }

    /// The height of the last block; before the first, 0.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.height
    }

    /// An account, if it ever had anything.
    #[must_use]
    pub fn account(&self, key: &PublicKey) -> Option<&Account> {
        self.ledger.account(key)
    }

    /// What an account has; nothing, if there is none.
    #[must_use]
    pub fn balance(&self, key: &PublicKey) -> Amount {
        self.account(key)
            .map_or(Amount::ZERO, |account| account.balance)
    }

    /// What the last sealed block did that parties and watchtowers look for, in its order.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// A channel, while it is open.
    #[must_use]
    pub fn channel(&self, id: &ChannelId) -> Option<ChannelRecord> {
        self.ledger.channel(id)
    }

    /// The sum of all value there is, for ever.
    #[must_use]
    pub fn supply(&self) -> Amount {
        self.ledger.supply()
    }

    /// Where that value is.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        self.ledger.totals()
    }

    /// What this Layer 1 had to do so far.
    #[must_use]
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// CPU time that threads other than the callers' have spent on this Layer 1 since it was made,
    /// in nanoseconds; none if [`Config::verification`] is sequential. It is part of
    /// [`Load::cpu_ns`].
    #[must_use]
    pub fn others_cpu_ns(&self) -> u64 {
        self.rounds.others_cpu_ns()
    }

    /// The bodies of all blocks, the first at index 0; none unless [`Config::keep_bodies`],
    /// and none that were [taken](Chain::take_bodies).
    #[must_use]
    pub fn bodies(&self) -> &[Vec<u8>] {
        &self.bodies
    }

    /// All that the chain was asked for; none unless [`Config::keep_tape`].
    #[must_use]
    pub fn tape(&self) -> Option<&Tape> {
        self.tape.as_ref()
    }

    /// Takes the bodies out that were kept since the last call, so that memory need not hold all.
    pub fn take_bodies(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.bodies)
    }

    #[cfg(test)]
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Sums every account and channel from scratch, and compares (rule L7).
    ///
    /// # Errors
    /// An [`Imbalance`] with the sum that differs.
    pub fn recount(&self) -> Result<Totals, Imbalance> {
        self.ledger.recount()
    }
}

/// Executes one transaction, with its verdicts taken from the front.
fn execute(
    ledger: &mut Ledger,
    ring: &KeyRing,
    load: &mut Load,
    notices: &mut Vec<Notice>,
    (claimed, fee): (Claimed, Amount),
    verdicts: &mut impl Iterator<Item = Verdict>,
    height: u64,
) -> Result<Executed, Refusal> {
    // A channel may have closed since its keys were looked up. That comes first, as it would
    // have if they had been looked up now.
    let gone = |channel: &ChannelId| ledger.open_channel(channel).err();
    let checked = match claimed {
        Claimed::With(mut unchecked) => {
            let refused = unchecked.claim().concerns().and_then(gone);
            unchecked.refuse_items(gone);
            let checked = unchecked.check(ring, verdicts);
            refused.map_or(checked, Err)?
        }
        // Whether its channel is there, the ledger says.
        Claimed::Before(checked) => checked,
    };
    let decision = ledger.decide(&checked, fee, height)?;
    load.access(decision.accesses());
    let executed = ledger.apply(decision, notices);
    load.transactions += 1;
    load.failed += u64::from(matches!(executed, Executed::Failed(_)));
    load.peak_state_entries = load.peak_state_entries.max(ledger.records());
    Ok(executed)
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain at {}, tip {}", self.height, self.tip)
    }
}
