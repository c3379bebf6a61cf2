//! Rule S5, who may propose: one party at a time, passed explicitly, and re-derived from the log
//! after a link broke. Carries liveness only; safety rests on S1 and S2.

use std::cmp::Ordering;

use super::super::entry::Entry;
use super::super::message::Message;
use super::super::proof::State;
use super::super::rejection::Rejection;
use super::super::terms::Party;
use super::{Endpoint, Status};

/// Who holds the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Who held it when counting began.
    first: Party,
    /// How often it has been passed since.
    passed: u64,
    /// This party has passed it on a proposal, and waits for the answer for that to take effect.
    pub(super) passing: bool,
    /// The peer has asked for it.
    asked: bool,
    /// The link broke, and the peer has not yet said how far it had come.
    pub(super) resuming: bool,
}

impl Turn {
    /// The opener has the first turn.
    pub(super) fn first() -> Turn {
        Turn::held_by(Party::A)
    }

    fn held_by(first: Party) -> Turn {
        Turn {
            first,
            passed: 0,
            passing: false,
            asked: false,
            resuming: false,
        }
    }

    pub(super) fn holder(&self) -> Party {
        if self.passed.is_multiple_of(2) {
            self.first
        } else {
            self.first.other()
        }
    }

    /// The pass takes effect.
    pub(super) fn pass(&mut self) {
        self.passed += 1;
        self.passing = false;
        self.asked = false;
    }
}

impl Endpoint {
    /// Whether this party may propose now, its limit of proposals in flight aside: the turn is
    /// its own, and it owes no answer.
    ///
    /// # Errors
    /// [`Rejection::NotYourTurn`], [`Rejection::Ended`], or why the channel stopped.
    pub fn my_turn(&self) -> Result<(), Rejection> {
        self.running()?;
        let waits = self.turn.passing || self.turn.resuming || self.answering > 0;
        if waits || self.turn.holder() != self.me {
            return Err(Rejection::NotYourTurn {
                holder: self.turn.holder(),
            });
        }
        Ok(())
    }

    /// Who holds the turn, as far as this party knows.
    #[must_use]
    pub fn turn_holder(&self) -> Party {
        self.turn.holder()
    }

    /// Whether the peer has asked for the turn that this party holds.
    #[must_use]
    pub fn turn_asked(&self) -> bool {
        self.turn.asked
    }

    /// The message that asks for the turn, unless this party holds it, is done, or waits for the
    /// peer's resume.
    #[must_use]
    pub fn ask_for_turn(&self) -> Option<Message<'static>> {
        let waits = self.running().is_ok() && !self.turn.resuming && self.turn.holder() != self.me;
        waits.then_some(Message::TurnAsked {
            turn: self.turn.passed,
        })
    }

    /// The peer asks for the turn. The wish is noted; if it crossed with this party's pass, that
    /// is said again, and if it crossed with this party's final, it comes too late.
    ///
    /// # Errors
    /// [`Rejection::WrongTurn`], [`Rejection::MissingResume`], or why the channel stopped.
    pub fn receive_ask(&mut self, turn: u64) -> Result<Option<Message<'static>>, Rejection> {
        self.hears()?;
        if self.running().is_err() {
            return Ok(None);
        }
        let Turn { passed, .. } = self.turn;
        let mine = self.turn.holder() == self.me;
        if mine && turn == passed {
            self.turn.asked = true;
            Ok(None)
        } else if !mine && turn.checked_add(1) == Some(passed) {
            Ok(Some(Message::TurnPassed { turn }))
        } else {
            Err(Rejection::WrongTurn { passed, got: turn })
        }
    }

    /// Passes the turn without a payment; takes effect at once.
    ///
    /// # Errors
    /// As [`Endpoint::my_turn`], or [`Rejection::PassedInFlight`].
    pub fn pass_turn(&mut self) -> Result<Message<'static>, Rejection> {
        self.my_turn()?;
        self.all_answered()?;
        let message = Message::TurnPassed {
            turn: self.turn.passed,
        };
        self.turn.pass();
        Ok(message)
    }

    /// The peer passes the turn without a payment. An earlier pass again, as where an ask crossed
    /// it, changes nothing, also when the channel has ended.
    ///
    /// # Errors
    /// [`Rejection::NotYourTurn`], [`Rejection::WrongTurn`], [`Rejection::PassedInFlight`],
    /// [`Rejection::Ended`], [`Rejection::MissingResume`], or why the channel stopped.
    pub fn receive_pass(&mut self, turn: u64) -> Result<(), Rejection> {
        self.hears()?;
        let Turn { passed, .. } = self.turn;
        if turn < passed {
            return Ok(());
        }
        self.running()?;
        if turn > passed {
            return Err(Rejection::WrongTurn { passed, got: turn });
        }
        if self.turn.holder() == self.me {
            return Err(Rejection::NotYourTurn { holder: self.me });
        }
        self.all_answered()?;
        self.turn.pass();
        Ok(())
    }

    /// A pass takes effect only once everything that its holder signed is acknowledged.
    fn all_answered(&self) -> Result<(), Rejection> {
        match self.unanswered() {
            0 => Ok(()),
            in_flight => Err(Rejection::PassedInFlight { in_flight }),
        }
    }

    /// The link broke: this party proposes nothing until it has heard how far the peer had come.
    /// What had arrived before and was not applied is lost with the link.
    ///
    /// # Panics
    /// If an order of this party is not recorded yet: what it signed would be unknown here and
    /// known to the peer.
    pub fn resume(&mut self) -> Message<'static> {
        self.nothing_outstanding("resume");
        self.turn.resuming = true;
        Message::Resume {
            signed: self.resumes_from(),
        }
    }

    /// The newest version that this party has signed; its final counts as one more.
    fn resumes_from(&self) -> u64 {
        let last = u64::from(self.final_ordered);
        self.signed.version().saturating_add(last)
    }

    /// The peer says how far it had come. The turn is its whose proposal is newest; where both
    /// stand at the same version, the payer's of the last entry, or the opener's.
    ///
    /// Appends to `wire` what the peer may have missed: this party's newest answer, byte for byte
    /// its unanswered proposals above the version that the peer has signed, and its final. Nothing,
    /// once this party has posted or seen a post.
    ///
    /// # Errors
    /// [`Rejection::UnexpectedResume`] if this party's [`Endpoint::resume`] does not wait for one,
    /// [`Rejection::UnknownVersion`] if the peer cannot stand there, or why the channel stopped.
    pub fn receive_resume(&mut self, signed: u64, wire: &mut Vec<u8>) -> Result<(), Rejection> {
        if let Status::Stopped(rejection) = self.status {
            return Err(rejection);
        }
        if !self.turn.resuming {
            return Err(Rejection::UnexpectedResume);
        }
        let newest = self.resumes_from();
        if !self.may_stand_at(signed) {
            return Err(Rejection::UnknownVersion {
                newest,
                got: signed,
            });
        }
        let holder = match newest.cmp(&signed) {
            Ordering::Less => self.me.other(),
            Ordering::Greater => self.me,
            Ordering::Equal => self.newest_payer(),
        };
        self.turn = Turn::held_by(holder);
        // What had not left before a post stays: whoever looks after this party, a watchtower among
        // them, may never have had it.
        if let Status::Closing { .. } = self.status {
            return Ok(());
        }
        if let Some(answer) = self.answer_again() {
            answer.encode(wire);
        }
        if let Some(window) = &self.in_flight {
            let (messages, pass) = window.after(signed);
            wire.extend_from_slice(messages);
            self.turn.passing = pass;
        }
        if let Some(last) = self.final_again(signed >= newest) {
            last.encode(wire);
        }
        Ok(())
    }

    /// Whether an honest peer may resume from there: from the state that both signed last, from one
    /// that this party has proposed since, from its answer to a final, or from as far as its own
    /// proposals can be ahead. That it had the turn for these is not asked: what it claims to have
    /// signed counts only when it shows it.
    fn may_stand_at(&self, signed: u64) -> bool {
        let newest = self.resumes_from();
        match signed.cmp(&newest) {
            Ordering::Equal => true,
            Ordering::Less => {
                let proposed = self.in_flight.as_ref();
                !matches!(self.status, Status::Finished { .. })
                    && (signed == self.held_version()
                        || proposed.is_some_and(|window| window.find(signed).is_some()))
            }
            Ordering::Greater => {
                let most = u64::from(self.rules.in_flight) * u64::from(self.rules.cosign_every);
                // A peer that goes on because it has not seen the post yet breaks no rule.
                let closing = matches!(self.status, Status::Closing { .. });
                (self.running().is_ok() || closing) && signed - newest <= most
            }
        }
    }

    /// Who paid last in the log as this party signed it.
    fn newest_payer(&self) -> Party {
        match self.held_state() {
            _ if self.in_flight() > 0 => self.me,
            State::Opening => Party::A,
            State::After { entry, .. } => Entry::decode(&entry).payer,
        }
    }
}
