//! What happens to channels that do not end politely: cheaters post what they planned, honest
//! parties answer as their endpoints say, and every channel is paid out. Runs on Layer 1's thread,
//! in block time; each transaction of an honest party can be held back for some blocks.

mod docket;
mod outcome;

use std::collections::{BTreeMap, HashMap};

use super::accounts::secret_keys;
use super::attack::{Attack, draw};
use super::case::{Case, When};
use super::config::{Config, CutOff};
use super::stage::{Stage, StageClock};
use super::traffic::{Traffic, TrafficKind};
use super::wallet::{MOST_RAISES, raised};
use super::workload::AccountIndex;
use docket::{Docket, Due, DueAt};
use duet_channels::crypto::{Backend, SecretKey, SignJob, Signature, Signer};
use duet_channels::protocol::{Amount, ChannelId, Pair, Party, SignOrder};
use duet_ledger::l1::{
    Bid, Chain, Executed, Notice, Receipt, Refusal, SignedTransaction, SubmitError, Transaction,
};

pub use outcome::{AttackCost, Disputes};

/// Tickets of the court's transactions have this bit; the rest is the court's own number.
const OURS: u64 = 1 << 63;

/// The cases under way, and what has become of them.
pub(super) struct Court {
    backend: Backend,
    seed: u64,
    /// Blocks for which an honest party's transaction can be held back, at most.
    delay_blocks: u64,
    /// Whether the challenge window is longer than that: posts come in time, if blocks have room.
    in_time: bool,
    /// When honest parties are cut off.
    cut_off: Option<CutOff>,
    signer: Signer,
    cases: HashMap<ChannelId, Open>,
    docket: Docket,
    /// The court's transactions on their way, by number.
    sent: BTreeMap<u64, Sent>,
    numbers: u64,
    outcome: Disputes,
    /// What each transaction bids at first, where Layer 1 takes bids.
    first_bid: Option<Bid>,
    traffic: Traffic,
    /// How the parties' balances on Layer 1 should have changed.
    changes: Vec<(AccountIndex, i128)>,
}

/// A case under way.
struct Open {
    case: Case,
    /// Where in a run of random numbers it is: one for each transaction held back.
    draws: u64,
    /// The last block when its parties ceased to cooperate.
    since: u64,
    /// Whether something is posted in it.
    posted: bool,
    /// Posts that have been submitted and are in no block yet.
    waiting: u64,
    /// Posts that were not in the block in which they were due: others had filled it.
    late: u64,
    /// Its payout is down on the docket.
    collects: bool,
    /// Everything of it that is in a block, where a party submits it all again.
    transactions: Vec<(Party, Vec<u8>, TrafficKind)>,
}

/// A transaction on its way to Layer 1.
struct Sent {
    channel: ChannelId,
    by: Party,
    bytes: Vec<u8>,
    /// Whether it is a post that was not there yet.
    is_new_post: bool,
    /// Submitted once more although it was in a block, or was refused.
    again: bool,
    /// When it was due.
    due_at: DueAt,
    /// Of an honest party's answer: the block of the post that it answers.
    answers: Option<u64>,
    /// What it is made of again, with a higher bid.
    due: Option<Due>,
    /// What it is counted as unless it is in a block.
    kind: TrafficKind,
}

impl Court {
    pub(super) fn new(config: &Config, delay_blocks: u32, window: u32) -> Court {
        let (backend, seed) = (config.backend, config.seed);
        Court {
            backend,
            seed,
            first_bid: config.first_bid(),
            traffic: Traffic::default(),
            delay_blocks: u64::from(delay_blocks),
            in_time: delay_blocks < window,
            cut_off: config.sending.cut_off,
            signer: Signer::new(backend),
            cases: HashMap::new(),
            docket: Docket::default(),
            sent: BTreeMap::new(),
            numbers: 0,
            outcome: Disputes::default(),
            changes: Vec::new(),
        }
    }

    /// Whether a receipt is of the court's.
    pub(super) fn owns(receipt: &Receipt) -> bool {
        receipt.ticket & OURS != 0
    }

    /// What became of its transactions, where Layer 1 has a clock.
    pub(super) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The first block in which it has something to submit.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.docket.next_due()
    }

    /// Whether nothing is left to do.
    pub(super) fn is_empty(&self) -> bool {
        self.cases.is_empty() && self.docket.is_empty() && self.sent.is_empty()
    }

    /// What they came to; all of them, where the run has come to its end.
    pub(super) fn into_outcome(self, at_end: bool) -> (Disputes, Vec<(AccountIndex, i128)>) {
        assert!(self.is_empty() || !at_end, "every case is decided");
        (self.outcome, self.changes)
    }

    /// A case comes in; `height` is that of the last block.
    pub(super) fn take(&mut self, mut case: Case, height: u64) {
        let channel = *case.ends.a.channel();
        let attack = case.attack;
        if let Some(name) = case.rejection {
            *self.outcome.rejections.entry(name).or_default() += 1;
        }
        self.outcome.of(attack).cases += 1;
        let moves = std::mem::take(&mut case.moves);
        let (first, later): (Vec<_>, Vec<_>) = moves
            .into_iter()
            .partition(|planned| planned.when == When::AtOnce);
        case.moves = later;
        let mut open = Open {
            case,
            draws: 0,
            since: height,
            posted: false,
            waiting: 0,
            late: 0,
            collects: false,
            transactions: Vec::new(),
        };
        for planned in first {
            self.docket
                .at(height + 1, Due::post(channel, planned.by, planned.post));
        }
        for party in Party::BOTH {
            if open.case.closes[party] {
                let again = again(
                    &mut self.signer,
                    self.backend,
                    self.seed,
                    open.case.accounts[party],
                );
                let post = open.case.ends[party].close(again);
                let at = height + 1 + self.held_back(&mut open);
                self.docket.at(at, Due::post(channel, party, post));
            }
        }
        let old = self.cases.insert(channel, open);
        assert!(old.is_none(), "a channel comes to court once");
    }

    /// Submits what is due in the next block; the last one was sealed at a virtual time.
    pub(super) fn before_block(&mut self, chain: &mut Chain, now_ms: u64, clock: &mut StageClock) {
        let next = chain.height() + 1;
        let due = self.docket.take(next);
        let due = self.put_off(due, next, now_ms);
        self.send(chain, due, (now_ms, next + 1), clock);
    }

    /// Submits what was pushed back before something arrived that the next block has room for: at
    /// most as much as the queue has room for. `since` was the last block then.
    pub(super) fn goes_first(&mut self, chain: &mut Chain, since: u64, clock: &mut StageClock) {
        let (next, room) = (chain.height() + 1, chain.room());
        let due = self.docket.take_pushed_back(next, since, room);
        let due = self.put_off(due, next, 0);
        self.send(chain, due, (0, next), clock);
    }

    /// Submits what is due, now for the first time or not. What is pushed back comes again for the
    /// block of height `again`.
    fn send(
        &mut self,
        chain: &mut Chain,
        due: Vec<Due>,
        (now_ms, again): (u64, u64),
        clock: &mut StageClock,
    ) {
        let height = chain.height() + 1;
        if due.is_empty() {
            return;
        }
        let numbered: Vec<(Due, Transaction)> = due
            .into_iter()
            .filter_map(|due| {
                let Some(record) = chain.channel(&due.channel) else {
                    // Its channel is gone: what was outbid or pushed back until then has lost.
                    self.ended(due.answers, height);
                    let given_up = u64::from(due.first_due.is_some());
                    self.traffic.of_mut(due.kind(true)).given_up += given_up;
                    return None;
                };
                let transaction = due.transaction(record.keys[due.by]);
                Some((due, transaction))
            })
            .collect();
        let signed = self.sign(chain, &numbered);
        let mut submitted = Vec::with_capacity(signed.len());
        for ((mut due, _), bytes) in numbered.into_iter().zip(signed) {
            let open = self.cases.get_mut(&due.channel);
            let open = open.expect("its channel is open");
            open.waiting += u64::from(due.is_post() && due.first_due.is_none());
            let from_ms = now_ms;
            let due_at = *due.first_due.get_or_insert(DueAt { height, from_ms });
            let sent = Sent {
                channel: due.channel,
                by: due.by,
                bytes,
                is_new_post: due.is_post(),
                again: false,
                due_at,
                answers: due.answers,
                due: None,
                kind: due.kind(open.posted),
            };
            submitted.push((sent, Some(due)));
        }
        self.submit_all(chain, submitted, again, clock);
    }

    /// What is due in this block and is not an honest party's that is cut off: that comes when it
    /// no longer is. Where a cheater is there to collect, it does.
    fn put_off(&mut self, all: Vec<Due>, height: u64, now_ms: u64) -> Vec<Due> {
        let Some(until) = self.cut_off.and_then(|of| of.in_place_of(height)) else {
            return all;
        };
        let mut now = Vec::new();
        for mut due in all {
            let Some(open) = self.cases.get_mut(&due.channel) else {
                now.push(due);
                continue;
            };
            let honest = &open.case.honest;
            let cheater = Party::BOTH.into_iter().find(|party| !honest[*party]);
            match (due.is_post(), cheater) {
                _ if !honest[due.by] => now.push(due),
                (false, Some(cheater)) => {
                    due.by = cheater;
                    now.push(due);
                }
                (is_post, _) => {
                    open.waiting += u64::from(is_post && due.first_due.is_none());
                    let from_ms = now_ms;
                    due.first_due.get_or_insert(DueAt { height, from_ms });
                    self.docket.at(until, due);
                }
            }
        }
        now
    }

    /// An answer is in this block, or cannot be in any more: how late that is, for D.
    fn ended(&mut self, answers: Option<u64>, height: u64) {
        if let Some(posted) = answers {
            self.traffic.answers_late.take(height - posted - 1);
        }
    }

    /// A transaction waits no more.
    fn has_left(&mut self, sent: &Sent, receipt: &Receipt) {
        self.has_come(sent, receipt.height);
        if receipt.outcome.as_ref().map_or_else(is_too_late, |_| true) {
            self.ended(sent.answers, receipt.height);
        }
    }

    /// Submits transactions: all that Layer 1 does with them is its own.
    fn submit_all(
        &mut self,
        chain: &mut Chain,
        all: impl IntoIterator<Item = (Sent, Option<Due>)>,
        again: u64,
        clock: &mut StageClock,
    ) {
        clock.lap(Stage::Dispute, 0);
        for (sent, due) in all {
            self.submit(chain, sent, due, again);
        }
        clock.lap(Stage::Settle, 0);
    }

    /// Submits one transaction; what is pushed back comes again for the block of height `again`.
    fn submit(&mut self, chain: &mut Chain, mut sent: Sent, due: Option<Due>, again: u64) {
        let number = self.numbers;
        match chain.submit(OURS | number, &sent.bytes) {
            Ok(()) => {
                self.numbers += 1;
                sent.due = due.filter(|_| self.first_bid.is_some());
                self.sent.insert(number, sent);
            }
            // It was due twice: a close that was pushed back, and an answer that says the same.
            Err(SubmitError::AlreadyWaits) => self.has_come(&sent, chain.height() + 1),
            Err(SubmitError::Outbid { .. }) => match due {
                Some(due) => {
                    self.traffic.of_mut(sent.kind).outbid += 1;
                    self.bid_again(due, sent.kind, again);
                }
                None => self.refused(&Refusal::Evicted { by: 0 }, sent.kind),
            },
            Err(
                SubmitError::MempoolFull { .. }
                | SubmitError::MempoolBytesFull { .. }
                | SubmitError::AnswersInVain { .. },
            ) => {
                if let Some(due) = due {
                    self.docket.at(again, due);
                }
            }
            Err(SubmitError::Refused(refusal)) => {
                self.has_come(&sent, chain.height() + 1);
                if is_too_late(&refusal) {
                    self.ended(sent.answers, chain.height() + 1);
                }
                self.refused(&refusal, sent.kind);
            }
            Err(error) => unreachable!("a sound transaction: {error}"),
        }
    }

    /// Others bid more: comes again in this block, and bids more too, up to a bound.
    fn bid_again(&mut self, mut due: Due, kind: TrafficKind, height: u64) {
        let of = self.traffic.of_mut(kind);
        if due.raises < MOST_RAISES {
            due.raises += 1;
            of.raised += 1;
        }
        self.docket.at(height, due);
    }

    fn sign(&mut self, chain: &Chain, due: &[(Due, Transaction)]) -> Vec<Vec<u8>> {
        let accounts: Vec<AccountIndex> = due
            .iter()
            .map(|(due, _)| self.cases[&due.channel].case.accounts[due.by])
            .collect();
        let secrets: Vec<SecretKey> = secret_keys(self.backend, self.seed, &accounts);
        let first = self.first_bid;
        let bid = |due: &Due| first.map(|first| raised(first, due.raises));
        let jobs: Vec<SignJob> = (0..)
            .zip(due)
            .map(|(secret, (due, transaction))| SignJob {
                secret,
                digest: transaction.digest_with(bid(due).as_ref(), chain.genesis()),
            })
            .collect();
        let mut signatures: Vec<Signature> = Vec::with_capacity(jobs.len());
        self.signer.sign(&secrets, &jobs, &mut signatures);
        due.iter()
            .zip(signatures)
            .map(|((due, transaction), signature)| {
                let mut bytes = Vec::new();
                SignedTransaction::new(transaction.clone(), signature, None)
                    .with_bid(bid(due))
                    .encode(&mut bytes);
                bytes
            })
            .collect()
    }

    /// Reads what the last block did, and the receipts of the court's transactions. Where Layer 1
    /// has a clock, it was sealed at this virtual time.
    pub(super) fn after_block(
        &mut self,
        chain: &mut Chain,
        now_ms: Option<u64>,
        receipts: impl Iterator<Item = Receipt>,
        clock: &mut StageClock,
    ) {
        let mut again = Vec::new();
        for receipt in receipts {
            let sent = self.sent.remove(&(receipt.ticket & !OURS));
            let sent = sent.expect("a transaction of ours");
            self.received(receipt, sent, now_ms, &mut again);
        }
        for notice in chain.notices() {
            if let Notice::Posted {
                channel,
                version,
                until,
                ..
            } = *notice
            {
                self.saw_post(channel, version, until, chain.height());
            }
        }
        let again = again.into_iter().map(|sent| (sent, None));
        self.submit_all(chain, again, chain.height() + 2, clock);
    }

    /// A post waits no more, as of this block.
    fn has_come(&mut self, sent: &Sent, height: u64) {
        let open = self.cases.get_mut(&sent.channel);
        if let Some(open) = open.filter(|_| sent.is_new_post) {
            open.waiting -= 1;
            open.late += u64::from(height > sent.due_at.height);
        }
    }

    fn refused(&mut self, refusal: &Refusal, kind: TrafficKind) {
        self.traffic.of_mut(kind).refused += 1;
        *self.outcome.refused.entry(refusal.name()).or_default() += 1;
    }

    /// What became of one transaction. `again` takes what a replaying party submits next.
    fn received(
        &mut self,
        receipt: Receipt,
        sent: Sent,
        now_ms: Option<u64>,
        again: &mut Vec<Sent>,
    ) {
        if let (Err(Refusal::Evicted { .. }), Some(due)) = (&receipt.outcome, &sent.due) {
            self.traffic.of_mut(sent.kind).evicted += 1;
            self.bid_again(due.clone(), sent.kind, receipt.height + 1);
            return;
        }
        self.has_left(&sent, &receipt);
        let Sent {
            channel,
            by,
            bytes,
            again: is_again,
            due_at,
            kind,
            ..
        } = sent;
        let executed = match receipt.outcome {
            Ok(executed) => executed,
            Err(refusal) => {
                self.refused(&refusal, kind);
                if let Refusal::Superseded { .. } = refusal {
                    self.made_way(channel, by);
                }
                return;
            }
        };
        assert!(!is_again, "nothing is included twice: {executed:?}");
        let open = self.cases.get_mut(&channel).expect("a case under way");
        let cost = self.outcome.of(open.case.attack);
        let fee = receipt.fee.units();
        cost.include(open.case.honest[by], fee, bytes.len());
        (self.changes).push((open.case.accounts[by], -i128::from(fee)));
        if let Some(now_ms) = now_ms {
            let kind = kind_of(&executed, open.posted);
            let wait_ms = now_ms.saturating_sub(due_at.from_ms);
            self.traffic.included(kind, fee, wait_ms);
        }
        if open.case.attack == Some(Attack::Replay) {
            open.transactions.push((by, bytes, kind));
            again.extend(open.transactions.iter().map(|(by, bytes, kind)| Sent {
                channel,
                by: *by,
                bytes: bytes.clone(),
                is_new_post: false,
                again: true,
                due_at: DueAt {
                    height: receipt.height + 1,
                    from_ms: now_ms.unwrap_or(0),
                },
                answers: None,
                due: None,
                kind: *kind,
            }));
        }
        self.has_done(&channel, &executed, receipt.height);
    }

    /// What a post or a payout in a block has changed.
    fn has_done(&mut self, channel: &ChannelId, executed: &Executed, height: u64) {
        let open = self.cases.get_mut(channel).expect("a case under way");
        match *executed {
            Executed::Posted { .. } => {
                let closes = !std::mem::replace(&mut open.posted, true);
                let counted = if closes {
                    &mut self.outcome.closes
                } else {
                    &mut self.outcome.answers
                };
                *counted += 1;
            }
            Executed::PaidOut {
                payouts, forfeited, ..
            } => {
                let held = payouts.a.units() + payouts.b.units();
                let cost = self.outcome.of(open.case.attack);
                cost.locked(held, height - open.since);
                self.decided(channel, payouts.map(Amount::units), forfeited);
            }
            _ => unreachable!("the court posts and pays out: {executed:?}"),
        }
    }

    /// A post made way for a higher one in a full block. A cheater's proves nothing then: not in
    /// the block in which it was due, as one that is late.
    fn made_way(&mut self, channel: ChannelId, by: Party) {
        if let Some(open) = self.cases.get_mut(&channel) {
            open.late += u64::from(!open.case.honest[by]);
        }
    }

    /// A post is in a block: honest parties answer it, cheaters go on with their plan, and
    /// somebody collects when the window is over.
    fn saw_post(&mut self, channel: ChannelId, version: u64, until: u64, height: u64) {
        let Some(mut open) = self.cases.remove(&channel) else {
            return;
        };
        for party in Party::BOTH {
            if !open.case.honest[party] {
                continue;
            }
            let again = again(
                &mut self.signer,
                self.backend,
                self.seed,
                open.case.accounts[party],
            );
            if let Some(post) = open.case.ends[party].posted(version, again) {
                let at = height + 1 + self.held_back(&mut open);
                self.docket
                    .at(at, Due::answer(channel, party, post, height));
            }
        }
        for planned in std::mem::take(&mut open.case.moves) {
            let at = match planned.when {
                When::AtOnce | When::AfterFirstPost => height + 1,
                When::LastBlock => until,
            };
            self.docket
                .at(at, Due::post(channel, planned.by, planned.post));
        }
        if !std::mem::replace(&mut open.collects, true) {
            let by = if open.case.honest.b {
                Party::B
            } else {
                Party::A
            };
            self.docket.at(until + 1, Due::payout(channel, by));
        }
        self.cases.insert(channel, open);
    }

    fn decided(&mut self, channel: &ChannelId, payouts: Pair<u64>, forfeited: Option<Party>) {
        let open = self.cases.remove(channel).expect("a case under way");
        let case = &open.case;
        let late = open.late + open.waiting;
        self.outcome.late_posts += late;
        if self.in_time && late == 0 && !case.accords(&payouts, forfeited) {
            self.outcome.mismatches += 1;
        }
        self.outcome.punishments += u64::from(forfeited.is_some());
        let cost = self.outcome.of(case.attack);
        cost.punishments += u64::from(forfeited.is_some());
        for party in Party::BOTH {
            let (payout, due) = (payouts[party], case.due[party]);
            self.changes
                .push((case.accounts[party], i128::from(payout)));
            if case.honest[party] {
                self.outcome.lost_by_honest += due.saturating_sub(payout);
                self.outcome.honest_losers += u64::from(payout < due);
                self.outcome.honest_punished += u64::from(forfeited == Some(party));
            }
        }
    }

    /// For how many blocks the next transaction of an honest party is held back.
    fn held_back(&self, open: &mut Open) -> u64 {
        if open.case.attack == Some(Attack::LastBlock) {
            return self.delay_blocks;
        }
        open.draws += 1;
        let [random, ..] = draw(self.seed, b"benchmark delay", open.case.session, open.draws);
        random % (self.delay_blocks + 1)
    }
}

/// Whether an answer is refused since its window is over.
fn is_too_late(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::WindowClosed { .. } | Refusal::UnknownChannel { .. }
    )
}

/// What a transaction in a block was for, of a channel in which something was posted before or not.
fn kind_of(executed: &Executed, posted: bool) -> TrafficKind {
    match (executed, posted) {
        (Executed::Posted { .. }, false) => TrafficKind::Post,
        (Executed::Posted { .. }, true) => TrafficKind::Answer,
        _ => TrafficKind::Payout,
    }
}

/// How a party makes a signature again that its endpoint does not keep.
fn again(
    signer: &mut Signer,
    backend: Backend,
    seed: u64,
    account: AccountIndex,
) -> impl FnOnce(&SignOrder) -> Signature {
    move |order| {
        let secrets = secret_keys(backend, seed, &[account]);
        let job = SignJob {
            secret: 0,
            digest: *order.digest(),
        };
        let mut signatures = Vec::with_capacity(1);
        signer.sign(&secrets, &[job], &mut signatures);
        signatures[0]
    }
}
