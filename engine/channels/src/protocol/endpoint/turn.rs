//! Rule S5, who may propose: one party at a time, passed explicitly, and re-derived from the log
//! after a link broke. Carries liveness only; safety rests on S1 and S2.

use std::cmp::Ordering;

use super::super::entry::Entry;
use super::super::message::Message;
use super::super::rejection::Rejection;
use super::super::terms::Party;
use super::{Endpoint, Flag, Phase, SignOrder};
use crate::crypto::Signature;

impl Endpoint {
    /// Whether this party may propose now, its limit of proposals in flight aside: the turn is
    /// its own, and it owes no answer.
    ///
    /// # Errors
    /// [`Rejection::NotYourTurn`], [`Rejection::Ended`], or why the channel stopped.
    pub fn my_turn(&self) -> Result<(), Rejection> {
        self.running()?;
        let waits =
            self.flags.has(Flag::Passing) || self.flags.has(Flag::Resuming) || self.answering() > 0;
        if waits || self.turn_holder() != self.me() {
            return Err(Rejection::NotYourTurn {
                holder: self.turn_holder(),
            });
        }
        Ok(())
    }

    /// Who holds the turn, as far as this party knows. The opener has the first one.
    #[must_use]
    pub fn turn_holder(&self) -> Party {
        if self.flags.has(Flag::HeldByB) {
            Party::B
        } else {
            Party::A
        }
    }

    /// A pass takes effect.
    pub(super) fn turn_passes(&mut self) {
        self.turns_passed += 1;
        let next = self.turn_holder().other();
        self.flags.set(Flag::HeldByB, next == Party::B);
        self.flags.set(Flag::Passing, false);
        self.flags.set(Flag::Asked, false);
    }

    /// Passes are counted anew, from this party's turn on.
    fn turn_held_by(&mut self, holder: Party) {
        self.turns_passed = 0;
        self.flags.set(Flag::HeldByB, holder == Party::B);
        self.flags.set(Flag::Passing, false);
        self.flags.set(Flag::Asked, false);
        self.flags.set(Flag::Resuming, false);
    }

    /// Whether the peer has asked for the turn that this party holds.
    #[must_use]
    pub fn turn_asked(&self) -> bool {
        self.flags.has(Flag::Asked)
    }

    /// The message that asks for the turn, unless this party holds it, is done, or waits for the
    /// peer's resume.
    #[must_use]
    pub fn ask_for_turn(&self) -> Option<Message<'static>> {
        let waits = self.running().is_ok()
            && !self.flags.has(Flag::Resuming)
            && self.turn_holder() != self.me();
        waits.then_some(Message::TurnAsked {
            turn: self.turns_passed,
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
        let passed = self.turns_passed;
        let mine = self.turn_holder() == self.me();
        if mine && turn == passed {
            self.flags.set(Flag::Asked, true);
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
            turn: self.turns_passed,
        };
        self.turn_passes();
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
        let passed = self.turns_passed;
        if turn < passed {
            return Ok(());
        }
        self.running()?;
        if turn > passed {
            return Err(Rejection::WrongTurn { passed, got: turn });
        }
        if self.turn_holder() == self.me() {
            return Err(Rejection::NotYourTurn { holder: self.me() });
        }
        self.all_answered()?;
        self.turn_passes();
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
        self.flags.set(Flag::Resuming, true);
        Message::Resume {
            signed: self.resumes_from(),
        }
    }

    /// The newest version that this party has signed; its final counts as one more.
    fn resumes_from(&self) -> u64 {
        let last = u64::from(self.flags.has(Flag::FinalOrdered));
        self.balance.version.saturating_add(last)
    }

    /// The peer says how far it had come. The turn is its whose proposal is newest; where both
    /// stand at the same version, the payer's of the last entry, or the opener's.
    ///
    /// Appends to `wire` what the peer may have missed: this party's newest answer, byte for byte
    /// its unanswered proposals above the version that the peer has signed, and its final. Nothing,
    /// once this party has posted or seen a post. The answer's and the final's signature are made
    /// again by `sign`.
    ///
    /// # Errors
    /// [`Rejection::UnexpectedResume`] if this party's [`Endpoint::resume`] does not wait for one,
    /// [`Rejection::UnknownVersion`] if the peer cannot stand there, or why the channel stopped.
    pub fn receive_resume(
        &mut self,
        signed: u64,
        wire: &mut Vec<u8>,
        mut sign: impl FnMut(&SignOrder) -> Signature,
    ) -> Result<(), Rejection> {
        if let Phase::Stopped(_) = self.phase {
            return Err(self.stopped_because());
        }
        if !self.flags.has(Flag::Resuming) {
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
            Ordering::Less => self.me().other(),
            Ordering::Greater => self.me(),
            Ordering::Equal => self.newest_payer(),
        };
        self.turn_held_by(holder);
        // What had not left before a post stays: whoever looks after this party, a watchtower among
        // them, may never have had it.
        if let Phase::Closing(_) = self.phase {
            return Ok(());
        }
        if let Some(answer) = self.answer_again(&mut sign) {
            answer.encode(wire);
        }
        if let Some(window) = self.window() {
            let mut passing = false;
            for (sent, message) in window.after(signed) {
                wire.extend_from_slice(message);
                passing = sent.pass;
            }
            self.flags.set(Flag::Passing, passing);
        }
        if let Some(last) = self.final_again(signed >= newest, sign) {
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
                let proposed = self.window();
                !matches!(self.phase, Phase::Finished { .. })
                    && (signed == self.held_version()
                        || proposed.is_some_and(|window| window.find(signed).is_some()))
            }
            Ordering::Greater => {
                let most = u64::from(self.in_flight_most) * u64::from(self.cosign_every);
                // A peer that goes on because it has not seen the post yet breaks no rule.
                let closing = matches!(self.phase, Phase::Closing(_));
                (self.running().is_ok() || closing) && signed - newest <= most
            }
        }
    }

    /// Who paid last in the log as this party signed it.
    fn newest_payer(&self) -> Party {
        if self.in_flight() > 0 {
            return self.me();
        }
        match Entry::decode(&self.held.entry) {
            Entry { version: 0, .. } => Party::A,
            Entry { payer, .. } => payer,
        }
    }
}
