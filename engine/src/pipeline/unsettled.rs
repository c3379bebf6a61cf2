//! Steps that have arrived at Layer 1 and whose transactions wait for blocks, and those blocks. A
//! plain Layer 1 settles a step as it arrives; one with a clock, when its blocks have come.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::block_time::BlockTime;
use super::case::Case;
use super::config::{Config, CutOff};
use super::court::Court;
use super::deciding::Deciding;
use super::inlet::Origin;
use super::schedule::Schedule;
use super::stage::{Stage, StageClock};
use super::steps::{StepBatch, StepKind, StepOutcome, StepTransaction};
use super::traffic::{Moment, Traffic, TrafficKind};
use super::wallet::{MOST_RAISES, Wallet};
use super::workload::Workload;
use crate::transcript::Recorder;
use duet_channels::crypto::{Digest, PublicKey};
use duet_channels::protocol::Amount;
use duet_consensus::{Certificate, Stopped};
use duet_ledger::l1::{
    Chain, Executed, Header, Receipt, Refusal, SignedTransaction, SubmitError, Transaction,
};

/// Steps whose transactions wait, in their order.
pub(super) struct Unsettled {
    steps: VecDeque<Step>,
    receipts: Vec<Receipt>,
    recorder: Option<Recorder>,
    /// Layer 1's validators, if it has some.
    deciding: Option<Deciding>,
    wallet: Wallet,
    /// Accounts of which an open gave up: none that they have numbered after it can come.
    given_up: HashSet<PublicKey>,
    /// What comes again after the next block: what goes before it is not sure of its place.
    held: BTreeSet<At>,
    /// Nothing has come or gone since gaps were looked for.
    is_still: bool,
    time: Option<BlockTime>,
    /// When parties do not reach Layer 1.
    cut_off: Option<CutOff>,
    traffic: Traffic,
}

/// A step on Layer 1.
struct Step {
    number: u64,
    origins: Vec<Origin>,
    batches: Vec<StepBatch>,
    /// Its transactions in their logical order, as (batch, place in it).
    order: Vec<(usize, usize)>,
    /// Of these, how many have no outcome.
    left: usize,
    arrived_ms: u64,
    /// The last block when it arrived.
    arrived_after: u64,
    /// When what became of them is final.
    final_ms: u64,
}

/// A transaction of a step, by which step it is and its place in that one's order.
type At = (u64, usize);

/// The name of the refusal of an open one before which never comes.
const OUT_OF_TURN: &str = "l1_wrong_nonce";

/// Bits of a ticket that are the place in the step's order; the others are the step.
const PLACE_BITS: u32 = 24;

impl Step {
    fn transaction(&mut self, place: usize) -> &mut StepTransaction {
        let (batch, place) = self.order[place];
        &mut self.batches[batch].transactions[place]
    }

    fn bytes(&self, place: usize) -> &[u8] {
        let (batch, place) = self.order[place];
        &self.batches[batch].bytes[self.batches[batch].range(place)]
    }

    /// What became of one of its transactions, final at a time.
    fn ended(&mut self, place: usize, outcome: StepOutcome, fee: Amount, final_ms: u64) {
        let transaction = self.transaction(place);
        assert!(transaction.outcome.is_none(), "a transaction ends once");
        transaction.outcome = Some(outcome);
        transaction.fee = fee.units();
        self.left -= 1;
        self.final_ms = self.final_ms.max(final_ms);
    }
}

fn ticket((number, place): At) -> u64 {
    number << PLACE_BITS | place as u64
}

fn at(ticket: u64) -> At {
    let place = ticket & ((1 << PLACE_BITS) - 1);
    (ticket >> PLACE_BITS, place as usize)
}

impl Unsettled {
    pub(super) fn new(
        config: &Config,
        schedule: &Schedule,
        genesis: &Digest,
        recorder: Option<Recorder>,
    ) -> Unsettled {
        Unsettled {
            steps: VecDeque::new(),
            receipts: Vec::new(),
            recorder,
            deciding: Deciding::of(config, genesis),
            wallet: Wallet::new(config),
            given_up: HashSet::new(),
            held: BTreeSet::new(),
            is_still: false,
            time: BlockTime::of(config, schedule),
            cut_off: config.sending.cut_off,
            traffic: Traffic::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the next step cannot come before another one is settled.
    pub(super) fn is_full(&self) -> bool {
        let time = self.time.as_ref();
        time.is_some_and(|time| self.steps.len() as u64 >= time.most_waiting())
    }

    /// What became of transactions; the validators, if there are some; and by how much Layer 1 is
    /// late.
    pub(super) fn into_parts(self) -> (Traffic, Option<Deciding>, u64) {
        let late_ms = self.time.as_ref().map_or(0, BlockTime::late_ms);
        (self.traffic, self.deciding, late_ms)
    }

    /// A step arrives: after the blocks before it, where there is a clock. Without one, all of its
    /// blocks are made.
    pub(super) fn arrive(
        &mut self,
        number: u64,
        (origins, mut batches): (Vec<Origin>, Vec<StepBatch>),
        workload: &dyn Workload,
        (chain, court): (&mut Chain, &mut Court),
        clock: &mut StageClock,
    ) -> Result<(), Stopped> {
        let arrived_ms = self.time.as_mut().map_or(0, BlockTime::arrives);
        self.blocks_until(arrived_ms, workload, (chain, court), clock)?;
        // Cheaters begin at once, whoever is cut off.
        take_cases(&mut batches, chain, court, clock);
        self.blocks_of_cut_off(workload, (chain, court), clock)?;
        let mut order: Vec<(usize, usize)> = Vec::new();
        for (at, batch) in batches.iter().enumerate() {
            order.extend((0..batch.transactions.len()).map(|place| (at, place)));
        }
        order.sort_unstable_by_key(|&(at, place)| batches[at].transactions[place].order);
        let count = order.len();
        assert!(count <= 1 << PLACE_BITS, "a step's places fit its tickets");
        self.steps.push_back(Step {
            number,
            origins,
            batches,
            left: count,
            order,
            arrived_ms,
            arrived_after: chain.height(),
            final_ms: arrived_ms,
        });
        let step = self.steps.back().expect("it has arrived");
        chain.hear_together((0..count).map(|place| step.bytes(place)));
        self.older_go_first(number, (chain, court), clock);
        for place in 0..count {
            self.submit((number, place), workload, (chain, court), clock)?;
        }
        while self.time.is_none() && has_news(chain) {
            self.block(false, workload, (chain, court), clock)?;
        }
        Ok(())
    }

    /// What disputes had due when a step arrived, and was pushed back, goes before that: with a
    /// queue without bounds it would. Only where time passes while a step waits.
    fn older_go_first(
        &mut self,
        number: u64,
        (chain, court): (&mut Chain, &mut Court),
        clock: &mut StageClock,
    ) {
        if self.time.is_some() && !court.is_empty() {
            let since = self.step(number).arrived_after;
            clock.lap(Stage::Settle, 0);
            court.goes_first(chain, since, clock);
            clock.lap(Stage::Dispute, 0);
        }
    }

    /// The next step of which nothing waits any more.
    pub(super) fn settled(&mut self) -> Option<(Vec<Origin>, Vec<StepBatch>)> {
        let step = self.steps.pop_front_if(|step| step.left == 0)?;
        if let Some(time) = &mut self.time {
            time.done(step.final_ms);
        }
        Some((step.origins, step.batches))
    }

    /// Makes the blocks that come before or at a time.
    fn blocks_until(
        &mut self,
        until_ms: u64,
        workload: &dyn Workload,
        (chain, court): (&mut Chain, &mut Court),
        clock: &mut StageClock,
    ) -> Result<(), Stopped> {
        // What is decided late makes later ones come later.
        let last = |time: &Option<BlockTime>| time.as_ref().map(|time| time.height_at(until_ms));
        while let Some(last) = last(&self.time).filter(|last| chain.height() < *last) {
            self.pass_over(last, chain, court);
            if chain.height() < last {
                self.block(false, workload, (chain, court), clock)?;
            }
        }
        Ok(())
    }

    /// Makes the blocks in which parties are cut off, if the next one is of these.
    fn blocks_of_cut_off(
        &mut self,
        workload: &dyn Workload,
        (chain, court): (&mut Chain, &mut Court),
        clock: &mut StageClock,
    ) -> Result<(), Stopped> {
        let cut_off = self.cut_off;
        let until = |chain: &Chain| cut_off.and_then(|of| of.in_place_of(chain.height() + 1));
        while let Some(until) = until(chain) {
            self.pass_over(until - 1, chain, court);
            if chain.height() + 1 < until {
                self.block(false, workload, (chain, court), clock)?;
            }
        }
        Ok(())
    }

    /// Passes over the blocks up to this one in which nothing can happen.
    pub(super) fn pass_over(&self, last: u64, chain: &mut Chain, court: &Court) {
        if self.time.is_none() || has_news(chain) {
            return;
        }
        let quiet = court.next_due().map_or(last, |due| last.min(due - 1));
        if quiet > chain.height() && quiet < u64::MAX {
            chain.pass_over(quiet - chain.height());
        }
    }

    /// One block, the court's part in it, and what became of steps' transactions.
    pub(super) fn block(
        &mut self,
        even_empty: bool,
        workload: &dyn Workload,
        (chain, court): (&mut Chain, &mut Court),
        clock: &mut StageClock,
    ) -> Result<(), Stopped> {
        if !court.is_empty() {
            clock.lap(Stage::Settle, 0);
            court.before_block(chain, self.now_ms(chain).unwrap_or(0), clock);
            clock.lap(Stage::Dispute, 0);
        }
        let (header, certificate) = self.seal(even_empty, chain, clock)?;
        if let Some(recorder) = &mut self.recorder {
            clock.lap(Stage::Settle, 0);
            record_block(recorder, header, certificate.as_ref(), chain);
            clock.lap(Stage::Audit, 0);
        }
        if let Some(time) = &self.time {
            let space = chain.space();
            self.traffic.course.take(Moment {
                height: chain.height(),
                at_ms: time.at(chain.height()),
                units: space.units,
                evicted: space.evicted,
                waiting: (chain.pending() + self.held.len()) as u64,
                base_fee: chain.base_fee().0,
            });
        }
        let is_quiet = self.receipts.is_empty();
        if !court.is_empty() {
            clock.lap(Stage::Settle, 0);
            let now_ms = self.now_ms(chain);
            let ours = self.receipts.extract_if(.., |receipt| Court::owns(receipt));
            court.after_block(chain, now_ms, ours, clock);
            clock.lap(Stage::Dispute, 0);
        }
        let mut receipts = std::mem::take(&mut self.receipts);
        for receipt in receipts.drain(..) {
            self.received(receipt, workload, chain, clock);
        }
        self.receipts = receipts;
        if is_quiet && chain.pending() > 0 && !std::mem::replace(&mut self.is_still, is_quiet) {
            self.refuse_gaps(chain);
        }
        self.is_still &= is_quiet;
        self.submit_held(workload, (chain, court), clock)
    }

    /// Makes the next block, and has it decided where there are validators.
    fn seal(
        &mut self,
        even_empty: bool,
        chain: &mut Chain,
        clock: &mut StageClock,
    ) -> Result<(Option<Header>, Option<Certificate>), Stopped> {
        // Where there is a clock, an empty block is a time that passes.
        let Some(time) = &mut self.time else {
            let header = match even_empty {
                true => Some(chain.seal_even_empty(&mut self.receipts)),
                false => chain.seal(&mut self.receipts),
            };
            return Ok((header, None));
        };
        let Some(deciding) = &mut self.deciding else {
            return Ok((chain.seal(&mut self.receipts), None));
        };
        let begins_ms = time.at(chain.height() + 1);
        let sealed = deciding.seal(chain, &mut self.receipts, begins_ms, clock);
        clock.lap(Stage::Decide, 1);
        let sealed = sealed?;
        let Some(sealed) = sealed else {
            return Ok((None, None));
        };
        time.decided(chain.height(), sealed.decided_ms);
        Ok((sealed.header, Some(sealed.certificate)))
    }

    /// Submits once more what was held, of each account up to the first that is held again.
    fn submit_held(
        &mut self,
        workload: &dyn Workload,
        (chain, court): (&mut Chain, &mut Court),
        clock: &mut StageClock,
    ) -> Result<(), Stopped> {
        let mut behind = HashSet::new();
        for at in std::mem::take(&mut self.held) {
            let signer = self.signer(at);
            if behind.contains(&signer) {
                self.held.insert(at);
                continue;
            }
            self.submit(at, workload, (chain, court), clock)?;
            if self.held.contains(&at) {
                behind.insert(signer);
            }
        }
        Ok(())
    }

    /// Opens come in the order of their nonces, and none is under way in a block that left nothing
    /// and took nothing: what waits for a nonce then waits for ever.
    fn refuse_gaps(&mut self, chain: &mut Chain) {
        for (account, first) in chain.gaps() {
            for ticket in chain.withdraw(&account, first) {
                self.refused(at(ticket), OUT_OF_TURN, chain);
            }
        }
    }

    /// When the last block was sealed, where there is a clock.
    fn now_ms(&self, chain: &Chain) -> Option<u64> {
        self.time.as_ref().map(|time| time.at(chain.height()))
    }

    /// When a block is final, which is the last one.
    fn final_ms(&self, height: u64) -> u64 {
        self.time.as_ref().map_or(0, |time| time.final_at(height))
    }

    fn step(&mut self, number: u64) -> &mut Step {
        let first = self.steps.front().expect("a step waits").number;
        &mut self.steps[(number - first) as usize]
    }

    /// Submits one transaction: what is pushed back comes again after a block.
    fn submit(
        &mut self,
        (number, place): At,
        workload: &dyn Workload,
        (chain, court): (&mut Chain, &mut Court),
        clock: &mut StageClock,
    ) -> Result<(), Stopped> {
        if !self.given_up.is_empty() && self.follows_one_given_up((number, place)) {
            self.gives_up((number, place), chain);
            return Ok(());
        }
        self.is_still = false;
        loop {
            let bytes = self.step(number).bytes(place);
            match chain.submit(ticket((number, place)), bytes) {
                Ok(()) => return Ok(()),
                // Pushed back: a block makes room.
                Err(SubmitError::MempoolFull { .. } | SubmitError::MempoolBytesFull { .. }) => {
                    self.block(false, workload, (chain, court), clock)?;
                    self.older_go_first(number, (chain, court), clock);
                }
                Err(SubmitError::AnswersInVain { .. }) => {
                    self.block(true, workload, (chain, court), clock)?;
                    self.older_go_first(number, (chain, court), clock);
                }
                Err(SubmitError::Outbid { .. } | SubmitError::AlreadyWaits) => {
                    let kind = kind_of(self.step(number).transaction(place));
                    self.traffic.of_mut(kind).outbid += 1;
                    self.bid_again((number, place), workload, chain, clock);
                    return Ok(());
                }
                Err(SubmitError::NotInTurn) => {
                    self.held.insert((number, place));
                    return Ok(());
                }
                Err(SubmitError::Refused(refusal)) => {
                    self.refused((number, place), refusal.name(), chain);
                    return Ok(());
                }
                Err(SubmitError::Malformed(_)) => {
                    self.refused((number, place), "l1_malformed", chain);
                    return Ok(());
                }
                Err(
                    SubmitError::TooLarge { .. }
                    | SubmitError::TooManyItems { .. }
                    | SubmitError::TooManyUnits { .. },
                ) => {
                    self.refused((number, place), "l1_too_large", chain);
                    return Ok(());
                }
            }
        }
    }

    fn refused(&mut self, (number, place): At, name: &'static str, chain: &Chain) {
        let kind = kind_of(self.step(number).transaction(place));
        self.traffic.of_mut(kind).refused += 1;
        let outcome = StepOutcome::Refused { name };
        let final_ms = self.final_ms(chain.height());
        (self.step(number)).ended(place, outcome, Amount::ZERO, final_ms);
    }

    /// Reads what became of one transaction.
    fn received(
        &mut self,
        receipt: Receipt,
        workload: &dyn Workload,
        chain: &mut Chain,
        clock: &mut StageClock,
    ) {
        let (number, place) = at(receipt.ticket);
        if let Err(Refusal::Evicted { .. }) = receipt.outcome {
            let kind = kind_of(self.step(number).transaction(place));
            self.traffic.of_mut(kind).evicted += 1;
            self.bid_again((number, place), workload, chain, clock);
            return;
        }
        let final_ms = self.final_ms(receipt.height);
        let step = self.step(number);
        let (kind, arrived_ms) = (kind_of(step.transaction(place)), step.arrived_ms);
        step.ended(place, outcome(&receipt), receipt.fee, final_ms);
        match (&receipt.outcome, &self.time) {
            (Ok(_), Some(time)) => {
                let wait_ms = time.at(receipt.height).saturating_sub(arrived_ms);
                (self.traffic).included(kind, receipt.fee.units(), wait_ms);
            }
            (Ok(_), None) => {}
            (Err(_), _) => self.traffic.of_mut(kind).refused += 1,
        }
    }

    /// Others bid more: its party does too, so often at most.
    fn bid_again(
        &mut self,
        (number, place): At,
        workload: &dyn Workload,
        chain: &mut Chain,
        clock: &mut StageClock,
    ) {
        clock.lap(Stage::Settle, 0);
        loop {
            let follows = self.follows_one_given_up((number, place));
            let step = self.step(number);
            let kind = kind_of(step.transaction(place));
            let transaction = step.transaction(place);
            let (_, session) = transaction.order;
            let has_given_up = follows || transaction.raises == MOST_RAISES;
            transaction.raises += u32::from(!has_given_up);
            let raises = transaction.raises;
            if has_given_up {
                self.gives_up((number, place), chain);
                break;
            }
            self.traffic.of_mut(kind).raised += 1;
            let accounts = workload.session(session).accounts;
            let before = self.step(number).bytes(place).to_vec();
            let bytes = (self.wallet).bid_again(&before, accounts, raises, chain.genesis());
            match chain.submit(ticket((number, place)), &bytes) {
                Ok(()) => break,
                Err(SubmitError::Outbid { .. } | SubmitError::AlreadyWaits) => {
                    self.traffic.of_mut(kind).outbid += 1;
                }
                Err(SubmitError::NotInTurn) => {
                    self.held.insert((number, place));
                    break;
                }
                // Its account has less than it bids by now.
                Err(SubmitError::Refused(refusal)) => {
                    self.refused((number, place), refusal.name(), chain);
                    break;
                }
                Err(error) => unreachable!("it was taken before: {error}"),
            }
        }
        clock.lap(Stage::Transact, 0);
    }

    /// It bids no more; nor does what its account has numbered after it.
    fn gives_up(&mut self, (number, place): At, chain: &mut Chain) {
        let mut ended = vec![(number, place)];
        let bytes = self.step(number).bytes(place);
        let signed = SignedTransaction::decode(bytes).expect("the shard's own transaction");
        if let Transaction::Open { keys, nonce, .. } = signed.transaction() {
            self.given_up.insert(keys.a);
            ended.extend(chain.withdraw(&keys.a, *nonce).into_iter().map(at));
        }
        let final_ms = self.final_ms(chain.height());
        for (number, place) in ended {
            let step = self.step(number);
            let kind = kind_of(step.transaction(place));
            step.ended(place, StepOutcome::GaveUp, Amount::ZERO, final_ms);
            self.traffic.of_mut(kind).given_up += 1;
        }
    }

    /// Whether a transaction is an open, and an earlier one of its account gave up.
    fn follows_one_given_up(&mut self, (number, place): At) -> bool {
        let step = self.step(number);
        if step.transaction(place).order.0 == StepKind::Close {
            return false;
        }
        let signer = self.signer((number, place));
        self.given_up.contains(&signer)
    }

    fn signer(&mut self, (number, place): At) -> PublicKey {
        let signed = SignedTransaction::decode(self.step(number).bytes(place));
        let signed = signed.expect("the shard's own transaction");
        *signed.transaction().signer()
    }
}

/// Whether the next block takes something, or tells of something that was evicted.
fn has_news(chain: &Chain) -> bool {
    chain.pending() > 0 || chain.owes_receipts()
}

/// What a step's transaction is for.
fn kind_of(transaction: &StepTransaction) -> TrafficKind {
    match transaction.order.0 {
        StepKind::Close => TrafficKind::Close,
        StepKind::Open => TrafficKind::Open,
    }
}

/// Hands the step's disputes over, in the order of their sessions.
fn take_cases(batches: &mut [StepBatch], chain: &Chain, court: &mut Court, clock: &mut StageClock) {
    let mut cases: Vec<Case> = batches
        .iter_mut()
        .flat_map(|batch| batch.cases.drain(..))
        .collect();
    if cases.is_empty() {
        return;
    }
    clock.lap(Stage::Settle, 0);
    cases.sort_unstable_by_key(|case| case.session);
    for case in cases {
        court.take(case, chain.height());
    }
    clock.lap(Stage::Dispute, 0);
}

fn outcome(receipt: &Receipt) -> StepOutcome {
    match &receipt.outcome {
        Ok(Executed::Opened { .. }) => StepOutcome::Opened,
        Ok(Executed::Closed { payouts, version }) => StepOutcome::Closed {
            payouts: payouts.map(Amount::units),
            version: *version,
        },
        Ok(
            Executed::Transferred
            | Executed::OpenedBatch { .. }
            | Executed::ClosedBatch { .. }
            | Executed::Posted { .. }
            | Executed::PaidOut { .. }
            | Executed::RolledOver { .. },
        ) => unreachable!("sessions open and close channels"),
        Ok(Executed::Failed(failure)) => StepOutcome::Refused {
            name: failure.name(),
        },
        Err(refusal) => StepOutcome::Refused {
            name: refusal.name(),
        },
    }
}

/// Records the block that was sealed, if any, and lets go of its body. One of nothing, although
/// something waited, has its certificate alone.
fn record_block(
    recorder: &mut Recorder,
    header: Option<Header>,
    certificate: Option<&Certificate>,
    chain: &mut Chain,
) {
    for body in chain.take_bodies() {
        let header = header.expect("a body is a block's");
        recorder.block(&header, &body);
        if let Some(certificate) = certificate {
            recorder.certificate(certificate);
        }
    }
    if let (None, Some(certificate)) = (header, certificate) {
        recorder.certificate(certificate);
    }
}
