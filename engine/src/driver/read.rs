//! What arrived is read in rounds: of each channel the longest run of messages of one kind, all of a
//! round checked, verified and answered together. A channel's messages take effect in their order.

use super::output::{Event, Output};
use super::{Driver, Side, Slot, sign_one};
use crate::crypto::{Forged, SignJob, Signature, Verified};
use crate::protocol::{
    AcknowledgementClaim, Answer, CoSignOrder, FinalClaim, Incoming, Message, ProposalClaim,
    Rejection, SignOrder,
};

type Judged<T> = Vec<Result<Verified<T>, Forged<T>>>;

/// A round, reused.
#[derive(Default)]
pub(super) struct Reading {
    /// Whose proposals were appended to the burst, one by one: with the peer's signature, and whether the
    /// turn passes with it.
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
}

enum Order {
    CoSign(CoSignOrder),
    Final(SignOrder, Verified<FinalClaim>),
}

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
        loop {
            self.burst.clear();
            let mut any = false;
            for &slot in busy {
                any |= self.check(slot, output);
            }
            if !any {
                break;
            }
            self.verify();
            self.accept();
            self.complete(output);
            self.answer(output);
            for (slot, rejection) in self.reading.stops.drain(..) {
                let side = &mut self.sides[slot.0 as usize];
                side.end.stop(rejection);
                side.changed = true;
                side.read = side.inbox.len();
                output.event(slot, Event::Stopped(rejection));
            }
        }
        for &slot in busy {
            let side = self.side_mut(slot);
            side.inbox.clear();
            side.read = 0;
        }
    }

    /// Takes a channel's next run of messages; gives whether there was one.
    fn check(&mut self, slot: Slot, output: &mut Output) -> bool {
        let side = &mut self.sides[slot.0 as usize];
        let checked = match Side::next(&side.inbox, side.read) {
            None => return false,
            Some(Err(rejection)) => Err(rejection),
            Some(Ok((Message::Proposal { .. }, _))) => self.check_proposals(slot, output),
            Some(Ok((Message::Acknowledgement { .. }, _))) => self.find_answers(slot),
            Some(Ok((message, length))) => {
                let (secret, end) = (side.secret, &mut side.end);
                side.read += length;
                match message {
                    Message::TurnAsked { turn } => end.receive_ask(turn).map(|again| {
                        let again = again.iter();
                        again.for_each(|again| output.message(slot, |wire| again.encode(wire)));
                    }),
                    Message::TurnPassed { turn } => end.receive_pass(turn),
                    Message::Final { version, signature } => {
                        end.receive_final(version, signature).map(|claim| {
                            self.reading.finals.push((slot, false));
                            self.reading.final_claims.push(claim);
                        })
                    }
                    Message::FinalAcknowledgement { version, signature } => {
                        let claim = end.receive_final_acknowledgement(version, signature);
                        claim.map(|claim| {
                            self.reading.finals.push((slot, true));
                            self.reading.final_claims.push(claim);
                        })
                    }
                    Message::Resume { signed } => {
                        let mut heard = Ok(());
                        let (signer, secrets) = (&mut self.signer, &self.secrets);
                        output.message(slot, |wire| {
                            heard = end.receive_resume(signed, wire, |order| {
                                sign_one(signer, secrets, secret, *order.digest())
                            });
                        });
                        heard
                    }
                    Message::Proposal { .. } | Message::Acknowledgement { .. } => {
                        unreachable!("read in runs")
                    }
                }
            }
        };
        if let Err(rejection) = checked {
            self.reading.stops.push((slot, rejection));
        }
        true
    }

    /// The next proposals of a channel. One that is refused is looked at again when those before it have
    /// been applied: they count.
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
        } = &mut sides[slot.0 as usize];
        let before = reading.proposals.len();
        burst.begin(end);
        while let Some(Ok((
            Message::Proposal {
                entries,
                signature,
                pass,
            },
            length,
        ))) = Side::next(inbox, *read)
        {
            match end.receive_proposal(entries, &signature, burst) {
                Ok(Incoming::New) => reading.proposals.push((slot, signature, pass)),
                Ok(Incoming::Answered) => {
                    let sign =
                        |order: &SignOrder| sign_one(signer, secrets, *secret, *order.digest());
                    let again = end.answer_again(sign).expect("it was answered");
                    output.message(slot, |wire| again.encode(wire));
                }
                Err(_) if reading.proposals.len() > before => break,
                Err(rejection) => return Err(rejection),
            }
            *read += length;
        }
        Ok(())
    }

    /// The next answers of a channel; likewise.
    fn find_answers(&mut self, slot: Slot) -> Result<(), Rejection> {
        let Side {
            end, inbox, read, ..
        } = &mut self.sides[slot.0 as usize];
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
            sides[slot.0 as usize].end.claim(state, *signature, *pass)
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

    /// Counts what was proposed, and orders its answers; after a channel's first rejection, nothing.
    fn accept(&mut self) {
        let (sides, reading) = (&mut self.sides, &mut self.reading);
        let proposals = reading.proposals.drain(..);
        for ((slot, ..), judged) in proposals.zip(reading.proposals_judged.drain(..)) {
            let is_stopped = |(last, _): &(Slot, Rejection)| *last == slot;
            if reading.stops.last().is_some_and(is_stopped) {
                continue;
            }
            let side = &mut sides[slot.0 as usize];
            match genuine(judged, ProposalClaim::version).and_then(|claim| side.end.accept(claim)) {
                Ok(order) => reading.orders.push((slot, Order::CoSign(order))),
                Err(rejection) => reading.stops.push((slot, rejection)),
            }
        }
        let finals = reading.finals.drain(..);
        for ((slot, is_answer), judged) in finals.zip(reading.finals_judged.drain(..)) {
            let side = &mut sides[slot.0 as usize];
            let accepted = genuine(judged, FinalClaim::version).and_then(|claim| match is_answer {
                true => side.end.finish_acknowledged(&claim),
                false => {
                    let order = side.end.accept_final(&claim)?;
                    reading.orders.push((slot, Order::Final(order, claim)));
                    Ok(())
                }
            });
            match accepted {
                Ok(()) if is_answer => side.finished = true,
                Ok(()) => {}
                Err(rejection) => reading.stops.push((slot, rejection)),
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
            let side = &mut sides[slot.0 as usize];
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
            secret: sides[slot.0 as usize].secret,
            digest: match order {
                Order::CoSign(order) => *order.digest(),
                Order::Final(order, _) => *order.digest(),
            },
        }));
        signatures.clear();
        signer.sign(secrets, jobs, signatures);
        for ((slot, order), signature) in reading.orders.drain(..).zip(&*signatures) {
            let side = &mut sides[slot.0 as usize];
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
                    side.finished = true;
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
