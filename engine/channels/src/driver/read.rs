//! What arrived is read in rounds: of each channel the longest run of messages of one kind, all of
//! a round checked, verified and answered together. A channel's messages take effect in their
//! order.

use super::output::{Event, Output};
use super::slot::Slot;
use super::{Driver, Side};
use crate::crypto::Signature;
use crate::legs::Read;
use crate::protocol::{Entry, Message, Rejection};

/// A round, reused.
#[derive(Default)]
pub(super) struct Reading {
    /// Channels whose peer broke a rule.
    stops: Vec<(Slot, Rejection)>,
    /// Channels with something left to read.
    unread: Vec<Slot>,
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
    fn next(&self) -> Option<Result<(Message<'_>, usize), Rejection>> {
        let bytes = &self.inbox[self.read..];
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
            self.legs.begin();
            // Whoever has more to say than others holds up none of them.
            unread.retain(|slot| self.check(*slot, output));
            if unread.is_empty() {
                break;
            }
            self.take_effect(output);
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
            match side.next() {
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
            legs,
            secrets,
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
                        legs.signer.sign_one(secrets, *secret, *order.digest())
                    });
                });
                resumed?;
            }
            Heard::Final(version, signature) => {
                legs.hear_final(slot, end, &Message::Final { version, signature })?;
                return Ok(false);
            }
            Heard::FinalAnswered(version, signature) => {
                end.receive_final_acknowledgement(version, signature)?;
                // The same once more says nothing new.
                if end.peers_final().is_none() {
                    let message = Message::FinalAcknowledgement { version, signature };
                    legs.hear_final(slot, end, &message)?;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The next proposals of a channel. One that is refused is looked at again when those before it
    /// have been applied: they count.
    fn check_proposals(&mut self, slot: Slot, output: &mut Output) -> Result<(), Rejection> {
        let side = &mut self.sides[slot];
        let mut rest = &side.inbox[side.read..];
        let read = self.legs.receive(slot, &side.end, &mut rest);
        side.read = side.inbox.len() - rest.len();
        // However often it came.
        if read.again {
            let (side, sign) = self.signing(slot);
            let again = side.end.answer_again(sign).expect("it was answered");
            output.message(slot, |wire| again.encode(wire));
        }
        refused_first(read)
    }

    /// The next answers of a channel; likewise.
    fn find_answers(&mut self, slot: Slot) -> Result<(), Rejection> {
        let side = &mut self.sides[slot];
        let mut rest = &side.inbox[side.read..];
        let read = self.legs.find(slot, &side.end, &mut rest);
        side.read = side.inbox.len() - rest.len();
        refused_first(read)
    }

    /// Verifies all that the peers have signed, counts and completes it, and answers.
    fn take_effect(&mut self, output: &mut Output) {
        let Driver {
            sides,
            legs,
            ring,
            secrets,
            reading,
            ..
        } = self;
        let stops = &mut reading.stops;
        legs.burst.hash();
        legs.verify_proposals(sides, ring);
        legs.verify_answers(ring);
        legs.verify_finals(ring);
        legs.accept(sides, |slot, accepted| match accepted {
            Ok(entries) => {
                let entries = entries.iter().map(Entry::decode);
                entries.for_each(|entry| output.entry(slot, entry));
            }
            Err(rejection) => stops.push((slot, rejection)),
        });
        legs.end(sides, |slot, ended| match ended {
            Ok(()) => output.event(slot, Event::Finished),
            Err(rejection) => stops.push((slot, rejection)),
        });
        legs.complete(sides, |slot, completed| match completed {
            // A later one has overtaken it.
            Ok(done) if done.version == done.after => {}
            Ok(done) => {
                let paid = Event::Paid {
                    payments: done.version - done.after,
                    version: done.version,
                };
                output.event(slot, paid);
            }
            Err(rejection) => stops.push((slot, rejection)),
        });
        legs.sign(secrets);
        legs.answer(sides, |slot, order, message| {
            let received = Event::Received {
                payments: u64::from(order.payments()),
                version: order.version(),
            };
            output.event(slot, received);
            output.message(slot, |wire| message.encode(wire));
        });
        legs.answer_finals(sides, |slot, message| {
            output.message(slot, |wire| message.encode(wire));
        });
    }
}

/// Why the first of them is refused: those before another one take effect first.
fn refused_first(read: Read) -> Result<(), Rejection> {
    match read.refused {
        Some(rejection) if read.new == 0 => Err(rejection),
        _ => Ok(()),
    }
}
