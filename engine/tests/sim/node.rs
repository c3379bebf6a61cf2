//! A party: real endpoints, real keys, a disk, and the habits of a node that wants its money back.
//!
//! It decides by itself and gives effects, in the order in which they must happen; the world
//! carries them out, and may let the party crash between any two of them.

mod exits;

use std::collections::VecDeque;

use duet_engine::l1::Transaction;
use duet_engine::protocol::{
    Amount, Answer, Burst, ChannelId, CoSigned, Endpoint, Incoming, Message, Party, Payment, Post,
    Rejection, Status, Storage, Terms, WindowPool, record_identity,
};

use super::disk::Disk;
use super::keys::{Keys, Who};
use super::plan::{Plan, Sabotage};
use super::rogue::Rogue;

/// What everybody knows.
pub(crate) struct Ground {
    pub(crate) plan: Plan,
    pub(crate) terms: Vec<Terms>,
    pub(crate) ids: Vec<ChannelId>,
}

impl Ground {
    pub(crate) fn who(&self, channel: usize, party: Party) -> Who {
        self.plan.channels[channel].parties[party as usize]
    }

    pub(crate) fn find(&self, id: &ChannelId) -> Option<usize> {
        self.ids.iter().position(|known| known == id)
    }
}

/// Something that a node wants to happen. In order: what comes later must not happen alone.
pub(crate) enum Effect {
    /// To the watchtower.
    HandOver(CoSigned),
    Store(Vec<u8>),
    /// To whoever waits for the money: so many payments more, up to this version.
    Count {
        payments: u64,
        version: u64,
    },
    Send(Vec<u8>),
    Submit(Box<Transaction>),
}

/// What a step of a node may use.
pub(crate) struct Step<'w> {
    pub(crate) ground: &'w Ground,
    pub(crate) keys: &'w mut Keys,
    pub(crate) now: u64,
    /// Each with its channel.
    pub(crate) out: Vec<(usize, Effect)>,
}

/// One party.
pub(crate) struct Node {
    pub(crate) who: Who,
    pub(crate) up: bool,
    pub(crate) sides: Vec<Side>,
    pub(crate) disk: Disk,
    pub(crate) rogue: Option<Rogue>,
    sabotage: Sabotage,
    windows: WindowPool,
    mine: Burst,
    theirs: Burst,
}

/// Its part of one channel.
pub(crate) struct Side {
    pub(crate) channel: usize,
    pub(crate) me: Party,
    /// Lost in a crash.
    pub(crate) end: Option<Endpoint>,
    wants: VecDeque<u64>,
    finish_at: u64,
    asked: bool,
    resuming: bool,
    /// Since when the peer owes an answer.
    waiting_since: Option<u64>,
    wants_close: bool,
    answer: Option<Post>,
    /// A transaction is on its way.
    pub(crate) pending: bool,
    pub(crate) ended: bool,
    /// Payments that were reported to whoever waits for the money; it keeps count itself.
    pub(crate) reported: u64,
    first_held: Option<CoSigned>,
}

impl Node {
    pub(crate) fn new(who: Who, ground: &Ground, keys: &Keys) -> Node {
        let plan = &ground.plan;
        let mut sides = Vec::new();
        for (channel, planned) in plan.channels.iter().enumerate() {
            for me in Party::BOTH {
                if planned.parties[me as usize] != who {
                    continue;
                }
                sides.push(Side {
                    channel,
                    me,
                    end: Some(fresh(channel, me, ground, keys)),
                    wants: planned.wants[me as usize].iter().copied().collect(),
                    finish_at: planned.finish_at[me as usize],
                    asked: false,
                    resuming: false,
                    waiting_since: None,
                    wants_close: false,
                    answer: None,
                    pending: false,
                    ended: false,
                    reported: 0,
                    first_held: None,
                });
            }
        }
        Node {
            who,
            up: true,
            sides,
            disk: Disk::default(),
            rogue: plan.rogue[who].then(|| Rogue::new(ground)),
            sabotage: if plan.rogue[who] {
                Sabotage::None
            } else {
                plan.sabotage
            },
            windows: WindowPool::new(),
            mine: Burst::default(),
            theirs: Burst::default(),
        }
    }

    pub(crate) fn side(&mut self, channel: usize) -> &mut Side {
        let side = self.sides.iter_mut().find(|side| side.channel == channel);
        side.expect("a party of this channel")
    }

    // Crashes and broken links.

    /// Everything in memory is gone.
    pub(crate) fn crash(&mut self) {
        self.up = false;
        for side in &mut self.sides {
            side.end = None;
        }
    }

    /// Comes back from the disk, and counts what it had stored and not yet reported, in channels
    /// in which nothing was posted meanwhile.
    pub(crate) fn restart(&mut self, quiet: &[bool], step: &mut Step<'_>) {
        self.up = true;
        for side in &mut self.sides {
            let channel = side.channel;
            let id = step.ground.ids[channel];
            let Ok(record) = self.disk.load(&id, side.me);
            let end = match &record {
                Some(record) => restored(channel, side.me, record, &mut self.windows, step),
                // Nothing was stored, but a turn may have been passed: it must not act on its own.
                None => {
                    let mut end = fresh(channel, side.me, step.ground, step.keys);
                    let _ = end.resume();
                    end
                }
            };
            side.asked = false;
            side.pending = false;
            side.wants_close = false;
            side.waiting_since = Some(step.now);
            let missing = match self.sabotage {
                Sabotage::CountsAgain => end.counted(),
                _ => end.counted() - side.reported.min(end.counted()),
            };
            if let Some(held) = end.held(|order| step.keys.again(self.who, order))
                && self.sabotage != Sabotage::StarvesItsTower
            {
                step.out.push((channel, Effect::HandOver(held)));
            }
            if missing > 0 && quiet[channel] {
                let version = end.held_version();
                let payments = missing;
                step.out
                    .push((channel, Effect::Count { payments, version }));
            }
            side.end = Some(end);
        }
    }

    /// The link of this channel was broken, and works again.
    pub(crate) fn resume(&mut self, channel: usize, step: &mut Step<'_>) {
        let side = self.side(channel);
        let Some(end) = &mut side.end else { return };
        side.asked = false;
        side.resuming = true;
        side.waiting_since.get_or_insert(step.now);
        step.send(channel, &end.resume());
    }

    // What it does by itself.

    pub(crate) fn act(&mut self, step: &mut Step<'_>) {
        for at in 0..self.sides.len() {
            self.act_in(at, step);
            let patience = step.ground.plan.patience;
            let side = &mut self.sides[at];
            side.expects(step.now);
            if side
                .waiting_since
                .is_some_and(|since| step.now > since + patience)
            {
                side.wants_close = true;
            }
        }
    }

    fn act_in(&mut self, at: usize, step: &mut Step<'_>) {
        let (now, who) = (step.now, self.who);
        let side = &mut self.sides[at];
        let Some(end) = &mut side.end else { return };
        if side.ended || end.status() != Status::Running {
            return;
        }
        if end.my_turn().is_err() {
            let wishes = !side.wants.is_empty() || now >= side.finish_at;
            if wishes
                && !side.asked
                && let Some(message) = end.ask_for_turn()
            {
                side.asked = true;
                step.send(side.channel, &message);
            }
            return;
        }
        side.asked = false;
        while matches!(end.proposals_left(), Ok(1..)) && !side.wants.is_empty() {
            self.mine.clear();
            self.mine.begin(end);
            let most = step.ground.plan.channels[side.channel].rules.cosign_every as usize;
            while self.mine.uncut() < most
                && let Some(amount) = side.wants.pop_front()
            {
                let payment = Payment {
                    payer: side.me,
                    amount: Amount::new(amount),
                    tag: 0,
                };
                // What it cannot afford it does not pay.
                let _ = self.mine.pay(&payment);
            }
            self.mine.cut();
            self.mine.hash();
            let Some(&state) = self.mine.states().first() else {
                continue;
            };
            let pass = end.turn_asked() && side.wants.is_empty();
            let order = end.propose(&state, pass).expect("its turn, a valid state");
            let signature = step.keys.sign(who, *order.digest());
            let mut wire = Vec::new();
            if let Some(rogue) = &mut self.rogue {
                rogue.proposed(side.channel, self.mine.entries_of(&state), signature);
            }
            end.proposed(
                &order,
                &state,
                &self.mine,
                signature,
                &mut self.windows,
                &mut wire,
            );
            step.release(self.sabotage, side.channel, end, None, Effect::Send(wire));
        }
        if end.my_turn().is_err() || end.in_flight() > 0 || !side.wants.is_empty() {
            return;
        }
        if end.turn_asked() && now < side.finish_at + 40 {
            let message = end.pass_turn().expect("its turn, nothing in flight");
            step.send(side.channel, &message);
        } else if now >= side.finish_at {
            let order = end.finish().expect("its turn, nothing in flight");
            let signature = step.keys.sign(who, *order.digest());
            let message = end.finish_signed(&order, signature);
            let send = encoded(&message);
            step.release(self.sabotage, side.channel, end, None, Effect::Send(send));
        }
    }

    // What it does with what arrives.

    /// Reads what was delivered. After a rejection the channel stops, and the rest is dropped.
    pub(crate) fn deliver(
        &mut self,
        channel: usize,
        mut bytes: &[u8],
        step: &mut Step<'_>,
    ) -> Result<(), Rejection> {
        let at = self.sides.iter().position(|side| side.channel == channel);
        let at = at.expect("a party of this channel");
        let mut read = Ok(());
        while !bytes.is_empty() && read.is_ok() {
            read = Message::decode_first(bytes).and_then(|(message, rest)| {
                bytes = rest;
                self.read(at, &message, step)
            });
        }
        let side = &mut self.sides[at];
        if let (Err(rejection), Some(end)) = (read, &mut side.end) {
            end.stop(rejection);
        }
        side.waiting_since = None;
        side.expects(step.now);
        if let (Some(rogue), Some(end)) = (&mut self.rogue, &side.end) {
            rogue.holds(channel, end.held(|order| step.keys.again(self.who, order)));
        }
        read
    }

    fn read(
        &mut self,
        at: usize,
        message: &Message<'_>,
        step: &mut Step<'_>,
    ) -> Result<(), Rejection> {
        let side = &mut self.sides[at];
        let (channel, who) = (side.channel, self.who);
        let Some(end) = &mut side.end else {
            return Ok(());
        };
        match *message {
            Message::Proposal {
                ref payments,
                signature,
                pass,
            } => {
                self.theirs.clear();
                self.theirs.begin(end);
                match end.receive_proposal(payments, &signature, &mut self.theirs)? {
                    Incoming::Answered => {
                        let again = end.answer_again(|order| step.keys.again(who, order));
                        let again = again.expect("it was answered");
                        step.send(channel, &again);
                    }
                    Incoming::New => {
                        self.theirs.hash();
                        let state = self.theirs.states()[0];
                        let count = Effect::Count {
                            payments: u64::from(state.payments()),
                            version: state.version(),
                        };
                        let claim = end.claim(&state, signature, pass);
                        let version = state.version();
                        let mut count = Some(count);
                        if self.sabotage == Sabotage::CountsUnverified {
                            step.out.extend(count.take().map(|count| (channel, count)));
                        }
                        let claim = step.keys.judge(claim);
                        let claim = claim.ok_or(Rejection::BadSignature { version })?;
                        let order = end.accept(claim)?;
                        let signature = step.keys.sign(who, *order.digest());
                        let answer = end.co_signed(&order, signature);
                        if let Some(rogue) = &mut self.rogue {
                            rogue.accepted(channel, self.theirs.entries_of(&state));
                        }
                        let held = || end.held(|order| step.keys.again(who, order));
                        side.first_held = side.first_held.or_else(held);
                        let send = Effect::Send(encoded(&answer));
                        step.release(self.sabotage, channel, end, count, send);
                    }
                }
            }
            Message::Acknowledgement { version, signature } => {
                match end.receive_acknowledgement(version, signature)? {
                    Answer::Duplicate => {}
                    Answer::New(claim) => {
                        let claim = step.keys.judge(claim);
                        let claim = claim.ok_or(Rejection::BadSignature { version })?;
                        end.acknowledged(claim, &mut self.windows)?;
                        let held = || end.held(|order| step.keys.again(who, order));
                        side.first_held = side.first_held.or_else(held);
                        // An answer that is lost with a crash comes again: some do not store it.
                        if (version ^ step.ground.plan.seed) & 1 == 0 {
                            step.store(self.sabotage, channel, end);
                        }
                    }
                }
            }
            Message::TurnAsked { turn } => {
                if let Some(again) = end.receive_ask(turn)? {
                    step.send(channel, &again);
                }
            }
            Message::TurnPassed { turn } => end.receive_pass(turn)?,
            Message::Final { version, signature } => {
                let claim = end.receive_final(version, signature)?;
                let claim = step.keys.judge(claim);
                let claim = claim.ok_or(Rejection::BadSignature { version })?;
                let order = end.accept_final(&claim)?;
                let signature = step.keys.sign(who, *order.digest());
                let answer = end.final_signed(&order, &claim, signature);
                let send = Effect::Send(encoded(&answer));
                step.release(self.sabotage, channel, end, None, send);
            }
            Message::FinalAcknowledgement { version, signature } => {
                let claim = end.receive_final_acknowledgement(version, signature)?;
                let claim = step.keys.judge(claim);
                let claim = claim.ok_or(Rejection::BadSignature { version })?;
                end.finish_acknowledged(&claim)?;
            }
            Message::Resume { signed } => {
                let mut wire = Vec::new();
                end.receive_resume(signed, &mut wire, |order| step.keys.again(who, order))?;
                side.resuming = false;
                let mut rest = &wire[..];
                while let Ok((_, left)) = Message::decode_first(rest) {
                    let one = rest[..rest.len() - left.len()].to_vec();
                    step.out.push((channel, Effect::Send(one)));
                    rest = left;
                }
            }
        }
        Ok(())
    }
}

impl Side {
    /// Notes since when the peer owes something, if it does.
    fn expects(&mut self, now: u64) {
        let Some(end) = &self.end else { return };
        let owed = self.asked
            || self.resuming
            || end.in_flight() > 0
            || matches!(end.status(), Status::Finishing);
        if owed {
            self.waiting_since.get_or_insert(now);
        } else {
            self.waiting_since = None;
        }
    }
}

impl Step<'_> {
    fn send(&mut self, channel: usize, message: &Message<'_>) {
        self.out.push((channel, Effect::Send(encoded(message))));
    }

    /// Rule S3: what was signed is stored, then handed to the tower, then counted, then leaves.
    fn release(
        &mut self,
        sabotage: Sabotage,
        channel: usize,
        end: &Endpoint,
        count: Option<Effect>,
        leaves: Effect,
    ) {
        if sabotage == Sabotage::SendsBeforeItStores {
            self.out.push((channel, leaves));
            self.store(sabotage, channel, end);
            self.out.extend(count.map(|count| (channel, count)));
            return;
        }
        self.store(sabotage, channel, end);
        self.out.extend(count.map(|count| (channel, count)));
        self.out.push((channel, leaves));
    }

    /// The tower is one of those whom nothing may reach before it is stored: what is handed over
    /// and then forgotten in a crash would prove the party's own post stale.
    fn store(&mut self, sabotage: Sabotage, channel: usize, end: &Endpoint) {
        let who = self.ground.who(channel, end.me());
        let held = end.held(|order| self.keys.again(who, order));
        let held = held.filter(|_| sabotage != Sabotage::StarvesItsTower);
        let hand_over = held.map(|held| (channel, Effect::HandOver(held)));
        let early = sabotage == Sabotage::HandsOverBeforeItStores;
        self.out.extend(hand_over.filter(|_| early));
        if sabotage != Sabotage::StoresNothing {
            let mut record = Vec::new();
            end.record(&[channel as u8], &mut record);
            self.out.push((channel, Effect::Store(record)));
        }
        let hand_over = held.map(|held| (channel, Effect::HandOver(held)));
        self.out.extend(hand_over.filter(|_| !early));
    }
}

/// An endpoint from its own record, verified.
fn restored(
    channel: usize,
    me: Party,
    record: &[u8],
    windows: &mut WindowPool,
    step: &mut Step<'_>,
) -> Endpoint {
    let peer = step.keys.id(step.ground.who(channel, me.other()));
    let terms = &step.ground.terms[channel];
    let rules = step.ground.plan.channels[channel].rules;
    assert_eq!(record_identity(record), Ok((step.ground.ids[channel], me)));
    let read = Endpoint::from_record(record, terms, peer, rules, windows);
    let (recovered, note) = read.expect("its own record");
    assert_eq!(note, [channel as u8]);
    let claims: Vec<_> = recovered.claims().collect();
    let verdicts = claims
        .into_iter()
        .map(|claim| step.keys.judge(claim).expect("the peer's own signature"));
    recovered.verified(verdicts)
}

fn fresh(channel: usize, me: Party, ground: &Ground, keys: &Keys) -> Endpoint {
    let peer = keys.id(ground.who(channel, me.other()));
    let rules = ground.plan.channels[channel].rules;
    Endpoint::new(me, &ground.terms[channel], peer, rules).expect("sound terms")
}

pub(crate) fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}
