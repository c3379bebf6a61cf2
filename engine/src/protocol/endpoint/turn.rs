//! Rule S5, who may propose: one party at a time, passed explicitly, and re-derived from the log
//! after a link broke. Carries liveness only; safety rests on S1 and S2.

use std::cmp::Ordering;

use super::super::entry::Entry;
use super::super::message::Message;
use super::super::proof::State;
use super::super::rejection::Rejection;
use super::super::terms::Party;
use super::Endpoint;

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
    resuming: bool,
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
    /// Whether this party may propose now, its limit of proposals in flight aside.
    ///
    /// # Errors
    /// [`Rejection::NotYourTurn`], [`Rejection::Ended`], or why the channel stopped.
    pub fn my_turn(&self) -> Result<(), Rejection> {
        self.running()?;
        if self.turn.holder() != self.me || self.turn.passing || self.turn.resuming {
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

    /// The message that asks for the turn, unless this party holds it or is done.
    #[must_use]
    pub fn ask_for_turn(&self) -> Option<Message<'static>> {
        let waits = self.running().is_ok() && !self.turn.resuming && self.turn.holder() != self.me;
        waits.then_some(Message::TurnAsked {
            turn: self.turn.passed,
        })
    }

    /// The peer asks for the turn. If this party has passed it already, the pass was lost and is
    /// said again; otherwise the wish is noted.
    ///
    /// # Errors
    /// [`Rejection::Ended`], or why the channel stopped.
    pub fn receive_ask(&mut self, turn: u64) -> Result<Option<Message<'static>>, Rejection> {
        self.running()?;
        if turn == self.turn.passed && self.turn.holder() == self.me {
            self.turn.asked = true;
        } else if turn.checked_add(1) == Some(self.turn.passed) && self.turn.holder() != self.me {
            return Ok(Some(Message::TurnPassed { turn }));
        }
        Ok(None)
    }

    /// Passes the turn without a payment; takes effect at once.
    ///
    /// # Errors
    /// If this party does not hold it, or has proposals in flight.
    pub fn pass_turn(&mut self) -> Result<Message<'static>, Rejection> {
        self.my_turn()?;
        if self.in_flight() > 0 {
            return Err(Rejection::PassedInFlight {
                in_flight: self.in_flight(),
            });
        }
        let message = Message::TurnPassed {
            turn: self.turn.passed,
        };
        self.turn.pass();
        Ok(message)
    }

    /// The peer passes the turn without a payment. The same pass again changes nothing.
    ///
    /// # Errors
    /// If the peer did not hold it.
    pub fn receive_pass(&mut self, turn: u64) -> Result<(), Rejection> {
        self.running()?;
        if turn < self.turn.passed {
            return Ok(());
        }
        if turn > self.turn.passed || self.turn.holder() == self.me {
            return Err(Rejection::NotYourTurn {
                holder: self.turn.holder(),
            });
        }
        self.turn.pass();
        Ok(())
    }

    /// The link broke: this party proposes nothing until it has heard how far the peer had come.
    pub fn resume(&mut self) -> Message<'static> {
        self.turn = Turn {
            resuming: true,
            ..Turn::held_by(self.turn.holder())
        };
        Message::Resume {
            signed: self.signed.balance.version,
        }
    }

    /// The peer says how far it had come. The turn is its whose proposal is newest; where both
    /// stand at the same version, the payer's of the last entry, or the opener's.
    ///
    /// Appends to `wire` what the peer has missed: this party's newest answer, and byte for byte
    /// its unanswered proposals above the version that the peer has signed.
    pub fn receive_resume(&mut self, signed: u64, wire: &mut Vec<u8>) {
        let holder = match self.signed.balance.version.cmp(&signed) {
            Ordering::Less => self.me.other(),
            Ordering::Greater => self.me,
            Ordering::Equal => self.newest_payer(),
        };
        self.turn = Turn::held_by(holder);
        if let Some(answer) = self.answer_again() {
            answer.encode(wire);
        }
        if let Some(window) = &self.in_flight {
            let (messages, pass) = window.after(signed);
            wire.extend_from_slice(messages);
            self.turn.passing = pass;
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
