//! One endpoint as bytes: what a durable log keeps of it, complete in itself (rule S3). Writing
//! allocates nothing; reading checks all that the bytes say of themselves, and never panics.
//!
//! | field | bytes |
//! | --- | --- |
//! | format | 1: [`FORMAT`] |
//! | what | 1: bit 0 side B · bits 1 to 3 the phase · bit 4 a final signed · bit 5 something held · bit 6 an answered-from head · bit 7 a broken rule |
//! | channel | 32 |
//! | counted | number |
//! | held, if any | previous head 32 · version number · amount number · balance of A number · `tag << 1 \| B pays` number · the peer's signature 64 |
//! | answered from, if kept | 32: see below |
//! | the peer's final, if both have signed one | 64 |
//! | the broken rule, if any | `rejection.rs` |
//! | proposals in flight | number of them, then each as the message that it was |
//! | note | length 1, at most [`MOST_NOTE`] · the owner's own bytes |
//!
//! A *number* is an LEB128 varint of up to 64 bits, in its shortest form. Phases: 0 running,
//! 1 finishing, 2 finished, 3 stopped, 4 closing. Each endpoint has one record, and each record one
//! endpoint: whatever else is refused.
//!
//! What follows from the rest is not in it. A proposal's versions, balances and heads follow from
//! its payments, and a proposer pays. This party's signature over what is held is made again when
//! it is needed. Who holds the turn follows from the log when the two ends resume. The head that
//! the newest answered proposal extends is kept only if the held state is the peer's proposal, of
//! more than one payment, and may still come twice.
//!
//! The peer's signatures prove themselves ([`Recovered`]). What this party says of itself, its own
//! signatures and its count, is believed: that these bytes are those that were written is for the
//! log's checksum to tell.

mod bytes;
mod recovered;
mod rejection;
#[cfg(test)]
mod tests;

pub use bytes::RecordError;
pub use recovered::{Recovered, RecoveredClaim};

use super::super::amount::Amount;
use super::super::burst::Burst;
use super::super::entry::{Balance, Entry, Payment};
use super::super::message::Message;
use super::super::payments::put_number as number;
use super::super::rejection::Rejection;
use super::super::terms::{ChannelId, Party, Terms};
use super::held::Held;
use super::opening::Opening;
use super::window::{Window, WindowPool};
use super::{Endpoint, Flag, Phase, Rules, Tail};
use crate::crypto::{Digest, KeyId, Signature};
use bytes::{Reader, begins_with};

/// The format's version, a record's first byte.
pub const FORMAT: u8 = 2;

/// The longest note, in bytes.
pub const MOST_NOTE: usize = 64;

/// What a record's second byte says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct What {
    me: Party,
    phase: u8,
    final_signed: bool,
    holds: bool,
    answered_from: bool,
    broken_rule: bool,
}

impl What {
    fn encode(self) -> u8 {
        let bit = |on: bool, place: u8| u8::from(on) << place;
        bit(self.me == Party::B, 0)
            | self.phase << 1
            | bit(self.final_signed, 4)
            | bit(self.holds, 5)
            | bit(self.answered_from, 6)
            | bit(self.broken_rule, 7)
    }

    fn decode(byte: u8) -> What {
        let bit = |place: u8| byte >> place & 1 == 1;
        What {
            me: if bit(0) { Party::B } else { Party::A },
            phase: byte >> 1 & 7,
            final_signed: bit(4),
            holds: bit(5),
            answered_from: bit(6),
            broken_rule: bit(7),
        }
    }

    /// Whether an endpoint can be like this.
    fn is_sound(self) -> bool {
        let phase = match (self.phase, self.final_signed, self.broken_rule) {
            (RUNNING, false, false) | (FINISHING | FINISHED, true, false) => true,
            (STOPPED, _, broken_rule) => broken_rule,
            (CLOSING, _, _) => true,
            _ => false,
        };
        phase && (self.holds && self.phase != FINISHED || !self.answered_from)
    }
}

const RUNNING: u8 = 0;
const FINISHING: u8 = 1;
const FINISHED: u8 = 2;
const STOPPED: u8 = 3;
const CLOSING: u8 = 4;

impl Endpoint {
    /// Appends what must be kept before anything that this party has signed leaves it, and with
    /// it a note of the owner's.
    ///
    /// # Panics
    /// If an order of this party is not recorded yet, or if the note has more than [`MOST_NOTE`]
    /// bytes.
    pub fn record(&self, note: &[u8], out: &mut Vec<u8>) {
        self.nothing_outstanding("record");
        assert!(note.len() <= MOST_NOTE, "a note of {} bytes", note.len());
        let held = Some(&self.held).filter(|held| held.version() > 0);
        let answered_from = self.answered_from_elsewhere();
        let because = self.because();
        let what = What {
            me: self.me(),
            phase: match self.phase {
                Phase::Running(_) => RUNNING,
                Phase::Finishing(_) => FINISHING,
                Phase::Finished { .. } => FINISHED,
                Phase::Stopped(_) => STOPPED,
                Phase::Closing(_) => CLOSING,
            },
            final_signed: self.flags.has(Flag::FinalOrdered),
            holds: held.is_some(),
            answered_from: answered_from.is_some(),
            broken_rule: because.is_some(),
        };
        assert!(what.is_sound(), "an endpoint that cannot be: {what:?}");
        out.extend_from_slice(&[FORMAT, what.encode()]);
        out.extend_from_slice(&self.channel.0.0);
        number(self.counted, out);
        if let Some(held) = held {
            let entry = Entry::decode(&held.entry);
            out.extend_from_slice(&held.previous.0);
            number(entry.version, out);
            number(entry.amount.units(), out);
            number(entry.balance_a.units(), out);
            number(entry.tag << 1 | u64::from(entry.payer == Party::B), out);
            out.extend_from_slice(&held.theirs.0);
        }
        if let Some(head) = answered_from {
            out.extend_from_slice(&head.0);
        }
        if let Some(theirs) = self.peers_final() {
            out.extend_from_slice(&theirs.0);
        }
        if let Some(because) = &because {
            rejection::encode(because, out);
        }
        match self.window() {
            None => number(0, out),
            Some(window) => {
                number(u64::from(window.len()), out);
                out.extend_from_slice(window.messages());
            }
        }
        out.push(note.len() as u8);
        out.extend_from_slice(note);
    }

    /// The head that the newest answered proposal extends, where it is of use and not the one
    /// before the held entry.
    fn answered_from_elsewhere(&self) -> Option<Digest> {
        let entry = Entry::decode(&self.held.entry);
        let by_peer = entry.version > 0 && entry.payer != self.me();
        let from = self.phase.tail()?.answered_from;
        (by_peer && from != self.held.previous).then_some(from)
    }

    /// The endpoint of a record, and the owner's note. Its link is broken: once the peer's
    /// signatures are verified, it goes on from [`Endpoint::resume`].
    ///
    /// # Errors
    /// A [`RecordError`] that names what is wrong: bytes that no endpoint of such a channel
    /// writes are refused.
    ///
    /// # Panics
    /// If the rules are out of range, as [`Endpoint::new`].
    pub fn from_record<'r>(
        record: &'r [u8],
        terms: &Terms,
        peer: KeyId,
        rules: Rules,
        windows: &mut WindowPool,
    ) -> Result<(Recovered, &'r [u8]), RecordError> {
        let (_, me) = record_identity(record)?;
        let opened = Endpoint::new(me, terms, peer, rules).map_err(RecordError::Terms)?;
        opened.recorded(record, windows)
    }

    /// As [`Endpoint::from_record`], with this endpoint, whose channel has just opened, in place of
    /// the terms.
    ///
    /// # Errors
    /// As [`Endpoint::from_record`], and if the record is of the other side.
    ///
    /// # Panics
    /// If this endpoint has signed anything.
    pub fn recorded<'r>(
        &self,
        record: &'r [u8],
        windows: &mut WindowPool,
    ) -> Result<(Recovered, &'r [u8]), RecordError> {
        let mut bytes = Reader::new(record);
        let (what, channel) = identity(&mut bytes)?;
        let side = |me: Party| u64::from(me == Party::B);
        bytes.within("side", side(what.me), side(self.me())..=side(self.me()))?;
        let mut end = Opening::of(self).end(self.me(), self.peer);
        if channel != end.channel {
            let expected = end.channel;
            return Err(RecordError::WrongChannel {
                expected,
                got: channel,
            });
        }
        end.counted = bytes.number("counted")?;
        if what.holds {
            end.held = end.read_held(&mut bytes)?;
            end.balance = end.held.state().balance(self.balance.a);
        }
        bytes.within("counted", end.counted, 0..=end.balance.version)?;
        let head = end.held.state().head(&end.channel);
        let answered_from = end.read_answered_from(what, &mut bytes)?;
        let tail = Tail {
            head,
            answered_from,
        };
        end.phase = match what.phase {
            RUNNING => Phase::Running(tail),
            FINISHING => Phase::Finishing(tail),
            FINISHED => Phase::Finished {
                theirs: Signature(bytes.array("peer's final")?),
            },
            STOPPED => Phase::Stopped(tail),
            _ => Phase::Closing(tail),
        };
        end.flags.set(Flag::FinalOrdered, what.final_signed);
        let because = match what.broken_rule {
            true => Some(rejection::decode(&mut bytes)?),
            false => None,
        };
        let most = match what.final_signed {
            true => 0,
            false => u64::from(self.in_flight_most),
        };
        let proposals = bytes.number_within("proposals", 0..=most)?;
        let window = end.read_proposals(proposals, &mut bytes)?;
        let len = bytes.byte("note length")?;
        bytes.within("note length", u64::from(len), 0..=MOST_NOTE as u64)?;
        let note = bytes.take("note", usize::from(len))?;
        bytes.end()?;
        if because.is_some() || proposals > 0 {
            let aside = windows.lend(&mut end.aside);
            (aside.window, aside.because) = (window, because);
        }
        end.flags.set(Flag::Resuming, true);
        Ok((Recovered::of(end), note))
    }

    /// The held entry: one that a payment in this channel can have made.
    fn read_held(&self, bytes: &mut Reader<'_>) -> Result<Held, RecordError> {
        let previous = Digest(bytes.array("held previous")?);
        let version = bytes.number_within("held version", 1..=u64::MAX)?;
        let amount = bytes.number_within("held amount", 1..=u64::MAX)?;
        let capacity = self.limits.capacity.units();
        let balance_a = bytes.number_within("held balance", 0..=capacity)?;
        let meta = bytes.number("held tag")?;
        let entry = Entry {
            version,
            amount: Amount::new(amount),
            balance_a: Amount::new(balance_a),
            payer: if meta & 1 == 1 { Party::B } else { Party::A },
            tag: meta >> 1,
        };
        // The payment is made once more, from what its payee cannot have had less than.
        let payee = match entry.payer {
            Party::A => capacity - balance_a,
            Party::B => balance_a,
        };
        bytes.within("held amount", amount, 1..=payee)?;
        let before = match entry.payer {
            Party::A => balance_a + amount,
            Party::B => balance_a - amount,
        };
        let before = Balance {
            version: version - 1,
            a: Amount::new(before),
        };
        let payment = Payment {
            payer: entry.payer,
            amount: entry.amount,
            tag: entry.tag,
        };
        let made = before.step(&payment, &self.limits);
        let made = made.map_err(|rejection| RecordError::Payment { version, rejection })?;
        assert_eq!(made.0, entry, "from what its payer had before");
        if version == 1 {
            begins_with((&self.channel, &self.balance), &previous, &before)?;
        }
        Ok(Held {
            previous,
            entry: entry.encode(),
            theirs: Signature(bytes.array("peer's signature")?),
        })
    }

    fn read_answered_from(
        &self,
        what: What,
        bytes: &mut Reader<'_>,
    ) -> Result<Digest, RecordError> {
        if !what.answered_from {
            return Ok(match what.holds {
                true => self.held.previous,
                false => self.channel.0,
            });
        }
        let head = Digest(bytes.array("answered from")?);
        let by_me = Entry::decode(&self.held.entry).payer == self.me();
        if by_me || head == self.held.previous {
            return Err(RecordError::Needless {
                field: "answered from",
            });
        }
        Ok(head)
    }

    /// The proposals in flight, their entries made and hashed again from the payments: this party
    /// stands at the last one then.
    fn read_proposals(
        &mut self,
        count: u64,
        bytes: &mut Reader<'_>,
    ) -> Result<Window, RecordError> {
        let mut window = Window::default();
        if count == 0 {
            return Ok(window);
        }
        let mut burst = Burst::default();
        let mut sent: Vec<(Signature, bool, &[u8])> = Vec::new();
        self.phase.tail_mut().head = self.held.state().head(&self.channel);
        burst.begin(self);
        for _ in 0..count {
            let (message, proposal) = bytes.message()?;
            let Message::Proposal {
                payments,
                signature,
                pass,
            } = message
            else {
                return Err(RecordError::Proposal {
                    rejection: Rejection::Malformed {
                        what: "not a proposal",
                    },
                });
            };
            let most = u64::from(self.cosign_every);
            bytes.within("payments", payments.len() as u64, 1..=most)?;
            let mut refused = None;
            let payer = self.me();
            let read = payments.each(|amount, tag| {
                let payment = Payment { payer, amount, tag };
                burst.pay(&payment).inspect_err(|rejection| {
                    refused = Some(RecordError::Payment {
                        version: self.balance.version + burst.entries() as u64 + 1,
                        rejection: *rejection,
                    });
                })
            });
            if let Err(rejection) = read {
                return Err(refused.unwrap_or(RecordError::Proposal { rejection }));
            }
            burst.cut();
            sent.push((signature, pass, proposal));
        }
        burst.hash();
        for (state, (signature, pass, proposal)) in burst.states().iter().zip(sent) {
            window.push(*state, proposal, signature, pass);
            self.moves_to(state.tip);
        }
        Ok(window)
    }
}

/// The channel and the side that a record is of, so that its terms can be looked up.
///
/// # Errors
/// A [`RecordError`] if its first 34 bytes are not those of a record.
pub fn record_identity(record: &[u8]) -> Result<(ChannelId, Party), RecordError> {
    let (what, channel) = identity(&mut Reader::new(record))?;
    Ok((channel, what.me))
}

fn identity(bytes: &mut Reader<'_>) -> Result<(What, ChannelId), RecordError> {
    let got = bytes.byte("format")?;
    if got != FORMAT {
        let expected = FORMAT;
        return Err(RecordError::Format { expected, got });
    }
    let got = bytes.byte("what")?;
    let what = What::decode(got);
    if !what.is_sound() {
        return Err(RecordError::What { got });
    }
    Ok((what, ChannelId(Digest(bytes.array("channel")?))))
}
