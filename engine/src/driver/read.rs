//! What arrived is read in rounds: of each channel the longest run of messages of one kind, all of
//! a round checked, verified and answered together. A channel's messages take effect in their
//! order.

use super::output::{Event, Output};
use super::{Driver, Side, Slot, sign_one};
use crate::crypto::{Forged, SignJob, Signature, Verified};
use crate::protocol::{
    AcknowledgementClaim, Answer, CoSignOrder, Entry, FinalClaim, Incoming, Message, ProposalClaim,
    Rejection, SignOrder,
};

type Judged<T> = Vec<Result<Verified<T>, Forged<T>>>;

/// A round, reused.
#[derive(Default)]
pub(super) struct Reading {
    /// Whose proposals were appended to the burst, one by one: with the peer's signature, and
    /// whether the turn passes with it.
    proposals: Vec<(Slot, Signature, bool)>,
    proposal_claims: Vec<ProposalClaim>,
    proposals_judged: Judged<ProposalClaim>,
    /// Whose proposals were answered, one by one.
    answers: Vec<Slot>,
    answer_claims: Vec<AcknowledgementClaim>,
    answers_judged: Judged<AcknowledgementClaim>,
    /// Whose last state the peer has signed, and whether this side has signed it before.
    finals: Vec<(Slot, bool)>,
    final_claims: Vec<FinalClaim>,
    finals_judged: Judged<FinalClaim>,
    /// What is to be signed.
    orders: Vec<(Slot, Order)>,
    /// Channels whose peer broke a rule.
    stops: Vec<(Slot, Rejection)>,
    /// Channels with something left to read.
    unread: Vec<Slot>,
}

enum Order {
    CoSign(CoSignOrder),
    Final(SignOrder, Verified<FinalClaim>),
}

/// A message that comes alone.
#[derive(Clone, Copy)]
enum Heard {
    Asked(u64),
    Passed(u64),
    Resumed(u64),
    Final(u64, Signature),
    FinalAnswered(u64, Signature),
}

/// Bytes that a channel keeps for what arrives.
const MOST_KEPT_BYTES: usize = 1 << 12;

impl Side {
    /// The next message that was not read, and its length; none at the end.
    fn next(inbox: &[u8], read: usize) -> Option<Result<(Message<'_>, usize), Rejection>> {
        let bytes = &inbox[read..];
        let decoded = || {
            let (message, rest) = Message::decode_first(bytes)?;
            Ok((message, bytes.len() - rest.len()))
        };
        (!bytes.is_empty()).then(decoded)
    }
}

impl Driver {
    /// Reads what arrived in these channels.
    pub(super) fn read(&mut self, busy: &[Slot], output: &mut Output) {
        let mut unread = std::mem::take(&mut self.reading.unread);
        unread.extend(busy);
        loop {
            self.burst.clear();
            // Whoever has more to say than others holds up none of them.
            unread.retain(|slot| self.check(*slot, output));
            if unread.is_empty() {
                break;
            }
            self.verify();
            self.accept(output);
            self.complete(output);
            self.answer(output);
            for (slot, rejection) in self.reading.stops.drain(..) {
                let side = &mut self.sides[slot];
                let was_heard = side.hears();
                side.end.stop(rejection);
                side.read = side.inbox.len();
                // What both have finished stays finished, whatever the peer says then.
                if was_heard && !side.hears() {
                    side.changed = true;
                    output.event(slot, Event::Stopped(rejection));
                }
            }
        }
        self.reading.unread = unread;
        for &slot in busy {
            let side = &mut self.sides[slot];
            side.read = 0;
            match side.inbox.capacity() > MOST_KEPT_BYTES || !side.hears() {
                true => side.inbox = Vec::new(),
                false => side.inbox.clear(),
            }
        }
    }

    /// Takes a channel's next run of messages; gives whether there was one.
    pub(super) fn check(&mut self, slot: Slot, output: &mut Output) -> bool {
        let before = self.sides[slot].read;
        // What needs no signature is done at once.
        let checked = loop {
            let side = &mut self.sides[slot];
            match Side::next(&side.inbox, side.read) {
                None => break Ok(()),
                Some(Err(rejection)) => break Err(rejection),
                Some(Ok((Message::Proposal { .. }, _))) => {
                    break self.check_proposals(slot, output);
                }
                Some(Ok((Message::Acknowledgement { .. }, _))) => break self.find_answers(slot),
                Some(Ok((message, length))) => {
                    let heard = match message {
                        Message::TurnAsked { turn } => Heard::Asked(turn),
                        Message::TurnPassed { turn } => Heard::Passed(turn),
                        Message::Resume { signed } => Heard::Resumed(signed),
                        Message::Final { version, signature } => Heard::Final(version, signature),
                        Message::FinalAcknowledgement { version, signature } => {
                            Heard::FinalAnswered(version, signature)
                        }
                        Message::Proposal { .. } | Message::Acknowledgement { .. } => {
                            unreachable!("read in runs")
                        }
                    };
                    side.read += length;
                    match self.hear(slot, heard, output) {
                        Ok(true) => {}
                        Ok(false) => break Ok(()),
                        Err(rejection) => break Err(rejection),
                    }
                }
            }
        };
        let any = self.sides[slot].read > before || checked.is_err();
        if let Err(rejection) = checked {
            self.reading.stops.push((slot, rejection));
        }
        any
    }

    /// Does what a message asks for that comes alone; gives whether it is done, or waits for a
    /// signature to be verified.
    fn hear(&mut self, slot: Slot, heard: Heard, output: &mut Output) -> Result<bool, Rejection> {
        let Driver {
            sides,
            signer,
            secrets,
            reading,
            ..
        } = self;
        let Side { end, secret, .. } = &mut sides[slot];
        match heard {
            Heard::Asked(turn) => {
                if let Some(again) = end.receive_ask(turn)? {
                    output.message(slot, |wire| again.encode(wire));
                }
            }
            Heard::Passed(turn) => end.receive_pass(turn)?,
            Heard::Resumed(signed) => {
                let mut resumed = Ok(());
                output.message(slot, |wire| {
                    resumed = end.receive_resume(signed, wire, |order| {
                        sign_one(signer, secrets, *secret, *order.digest())
                    });
                });
                resumed?;
            }
            Heard::Final(version, signature) => {
                let claim = end.receive_final(version, signature)?;
                reading.finals.push((slot, false));
                reading.final_claims.push(claim);
                return Ok(false);
            }
            Heard::FinalAnswered(version, signature) => {
                let claim = end.receive_final_acknowledgement(version, signature)?;
                // The same once more says nothing new.
                if end.peers_final().is_none() {
                    reading.finals.push((slot, true));
                    reading.final_claims.push(claim);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The next proposals of a channel. One that is refused is looked at again when those before it
    /// have been applied: they count.
    fn check_proposals(&mut self, slot: Slot, output: &mut Output) -> Result<(), Rejection> {
        let Driver {
            sides,
            burst,
            signer,
            secrets,
            reading,
            ..
        } = self;
        let Side {
            end,
            inbox,
            read,
            secret,
            ..
        } = &mut sides[slot];
        let before = reading.proposals.len();
        let mut again = false;
        burst.begin(end);
        let checked = loop {
            let Some(Ok((
                Message::Proposal {
                    entries,
                    signature,
                    pass,
                },
                length,
            ))) = Side::next(inbox, *read)
            else {
                break Ok(());
            };
            match end.receive_proposal(entries, &signature, burst) {
                Ok(Incoming::New) => reading.proposals.push((slot, signature, pass)),
                Ok(Incoming::Answered) => again = true,
                Err(_) if reading.proposals.len() > before => break Ok(()),
                Err(rejection) => break Err(rejection),
            }
            *read += length;
        };
        // However often it came.
        if again {
            let sign = |order: &SignOrder| sign_one(signer, secrets, *secret, *order.digest());
            let again = end.answer_again(sign).expect("it was answered");
            output.message(slot, |wire| again.encode(wire));
        }
        checked
    }

    /// The next answers of a channel; likewise.
    fn find_answers(&mut self, slot: Slot) -> Result<(), Rejection> {
        let Side {
            end, inbox, read, ..
        } = &mut self.sides[slot];
        let reading = &mut self.reading;
        let before = reading.answers.len();
        while let Some(Ok((Message::Acknowledgement { version, signature }, length))) =
            Side::next(inbox, *read)
        {
            match end.receive_acknowledgement(version, signature) {
                Ok(Answer::New(claim)) => {
                    reading.answers.push(slot);
                    reading.answer_claims.push(claim);
                }
                Ok(Answer::Duplicate) => {}
                Err(_) if reading.answers.len() > before => break,
                Err(rejection) => return Err(rejection),
            }
            *read += length;
        }
        Ok(())
    }

    /// Hashes what was proposed, and verifies all that the peers have signed.
    fn verify(&mut self) {
        let Driver {
            sides,
            burst,
            verifier,
            ring,
            reading,
            ..
        } = self;
        burst.hash();
        let proposed = burst.states().iter().zip(&reading.proposals);
        let claims = proposed.map(|(state, (slot, signature, pass))| {
            sides[*slot].end.claim(state, *signature, *pass)
        });
        reading.proposal_claims.extend(claims);
        assert_eq!(reading.proposal_claims.len(), reading.proposals.len());
        verifier.verify(
            ring,
            &mut reading.proposal_claims,
            &mut reading.proposals_judged,
        );
        verifier.verify(
            ring,
            &mut reading.answer_claims,
            &mut reading.answers_judged,
        );
        verifier.verify(ring, &mut reading.final_claims, &mut reading.finals_judged);
    }

    /// Counts what was proposed, and orders its answers; after a channel's first rejection,
    /// nothing.
    fn accept(&mut self, output: &mut Output) {
        let Driver {
            sides,
            burst,
            reading,
            ..
        } = self;
        let proposals = reading.proposals.drain(..).zip(burst.states());
        for (((slot, ..), state), judged) in proposals.zip(reading.proposals_judged.drain(..)) {
            let is_stopped = |(last, _): &(Slot, Rejection)| *last == slot;
            if reading.stops.last().is_some_and(is_stopped) {
                continue;
            }
            let end = &mut sides[slot].end;
            match genuine(judged, ProposalClaim::version).and_then(|claim| end.accept(claim)) {
                Ok(order) => {
                    let entries = burst.entries_of(state).iter();
                    entries.for_each(|entry| output.entry(slot, Entry::decode(entry)));
                    reading.orders.push((slot, Order::CoSign(order)));
                }
                Err(rejection) => reading.stops.push((slot, rejection)),
            }
        }
        let finals = reading.finals.drain(..);
        for ((slot, is_answer), judged) in finals.zip(reading.finals_judged.drain(..)) {
            let side = &mut sides[slot];
            let accepted = genuine(judged, FinalClaim::version).and_then(|claim| match is_answer {
                true => {
                    side.end.finish_acknowledged(&claim)?;
                    side.changed = true;
                    output.event(slot, Event::Finished);
                    Ok(())
                }
                false => {
                    let order = side.end.accept_final(&claim)?;
                    reading.orders.push((slot, Order::Final(order, claim)));
                    Ok(())
                }
            });
            if let Err(rejection) = accepted {
                reading.stops.push((slot, rejection));
            }
        }
    }

    /// Completes proposals of this party's that were answered.
    fn complete(&mut self, output: &mut Output) {
        let (sides, reading) = (&mut self.sides, &mut self.reading);
        let answers = reading.answers.drain(..);
        for (slot, judged) in answers.zip(reading.answers_judged.drain(..)) {
            let is_stopped = |(last, _): &(Slot, Rejection)| *last == slot;
            if reading.stops.last().is_some_and(is_stopped) {
                continue;
            }
            let side = &mut sides[slot];
            let windows = &mut self.windows;
            let completed = genuine(judged, AcknowledgementClaim::version)
                .and_then(|claim| side.end.acknowledged(claim, windows));
            match completed {
                // A later one has overtaken it.
                Ok(done) if done.version == done.after => {}
                Ok(done) => {
                    side.changed = true;
                    let paid = Event::Paid {
                        payments: done.version - done.after,
                        version: done.version,
                    };
                    output.event(slot, paid);
                }
                Err(rejection) => reading.stops.push((slot, rejection)),
            }
        }
    }

    /// Signs and sends what was ordered.
    fn answer(&mut self, output: &mut Output) {
        let Driver {
            sides,
            signer,
            secrets,
            jobs,
            signatures,
            reading,
            ..
        } = self;
        jobs.clear();
        jobs.extend(reading.orders.iter().map(|(slot, order)| SignJob {
            secret: sides[*slot].secret,
            digest: match order {
                Order::CoSign(order) => *order.digest(),
                Order::Final(order, _) => *order.digest(),
            },
        }));
        signatures.clear();
        signer.sign(secrets, jobs, signatures);
        for ((slot, order), signature) in reading.orders.drain(..).zip(&*signatures) {
            let side = &mut sides[slot];
            side.changed = true;
            let message = match order {
                Order::CoSign(order) => {
                    let message = side.end.co_signed(&order, *signature);
                    let received = Event::Received {
                        payments: u64::from(order.payments()),
                        version: side.end.held_version(),
                    };
                    output.event(slot, received);
                    message
                }
                Order::Final(order, claim) => {
                    output.event(slot, Event::Finished);
                    side.end.final_signed(&order, &claim, *signature)
                }
            };
            output.message(slot, |wire| message.encode(wire));
        }
    }
}

/// What the peer has really signed.
fn genuine<T>(
    judged: Result<Verified<T>, Forged<T>>,
    version: impl Fn(&T) -> u64,
) -> Result<Verified<T>, Rejection> {
    judged.map_err(|Forged(claim)| Rejection::BadSignature {
        version: version(&claim),
    })
}
