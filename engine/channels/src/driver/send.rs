//! What this party says by itself: that it is back, what it pays, that it would like the turn or
//! has no use for it, and that it is done.

use std::ops::Range;

use super::output::{Event, Output};
use super::slot::Slot;
use super::{Driver, Exit, Side};
use crate::protocol::{Burst, Payment, Rejection, Status};

/// What a channel's side signs in one go.
enum Said {
    /// Its proposals, as states of the burst; and whether the turn passes with the last of them.
    Proposals(Range<usize>, bool),
    /// Its final.
    Last,
}

impl Driver {
    /// Closes what is to be closed without the peer, before anything more of it is heard.
    pub(super) fn leave(&mut self, busy: &[Slot], output: &mut Output) {
        for &slot in busy {
            let side = &mut self.sides[slot];
            if std::mem::take(&mut side.ended_before) {
                match side.end.status() {
                    Status::Finished => output.event(slot, Event::Finished),
                    Status::Stopped(because) => output.event(slot, Event::Stopped(because)),
                    _ => {}
                }
            }
            if let Some(exit) = side.exit.take() {
                let (side, sign) = self.signing(slot);
                side.changed = true;
                side.read = side.inbox.len();
                let post = match exit {
                    Exit::Close => Some(side.end.close(sign)),
                    Exit::Answer(version) => side.end.posted(version, sign),
                };
                // What both have finished is still resumed.
                side.resumes &= side.hears();
                post.into_iter().for_each(|post| output.post(slot, post));
            }
        }
    }

    /// Tells peers whose link was broken where this party stands.
    pub(super) fn greet(&mut self, busy: &[Slot], output: &mut Output) {
        for &slot in busy {
            let side = &mut self.sides[slot];
            if std::mem::take(&mut side.resumes) {
                let message = side.end.resume();
                output.message(slot, |wire| message.encode(wire));
            }
        }
    }

    /// Says in each of these channels what there is to be said.
    pub(super) fn speak(&mut self, busy: &[Slot], output: &mut Output) {
        let (legs, sides) = (&mut self.legs, &mut self.sides);
        legs.begin();
        let mut proposing = std::mem::take(&mut self.proposing);
        let mut ending = std::mem::take(&mut self.ending);
        for &slot in busy {
            match sides[slot].says(slot, &mut legs.burst, output) {
                Some(Said::Proposals(states, pass)) => proposing.push((slot, states, pass)),
                Some(Said::Last) => ending.push(slot),
                None => {}
            }
        }
        legs.burst.hash();
        for (slot, states, pass) in &proposing {
            let Side { end, secret, .. } = &mut sides[*slot];
            legs.order(end, *secret, states.clone(), *pass);
        }
        for slot in ending.drain(..) {
            let Side { end, secret, .. } = &mut sides[slot];
            legs.finish(slot, end, *secret);
        }
        legs.sign(&self.secrets);
        for (slot, states, _) in proposing.drain(..) {
            let side = &mut sides[slot];
            side.changed = true;
            output.message(slot, |wire| legs.send(&mut side.end, states, wire));
        }
        legs.send_finals(sides, |slot, message| {
            output.message(slot, |wire| message.encode(wire));
        });
        (self.proposing, self.ending) = (proposing, ending);
    }
}

impl Side {
    /// Decides what to say, and says what needs no signature. Payments go to the burst.
    fn says(&mut self, slot: Slot, burst: &mut Burst, output: &mut Output) -> Option<Said> {
        if self.end.status() != Status::Running {
            let payments = self.to_pay.len() as u64;
            self.to_pay.clear();
            if payments > 0 {
                output.event(slot, Event::NotMade { payments });
            }
            return None;
        }
        let left = match self.end.proposals_left() {
            Ok(left) => left as usize,
            Err(Rejection::NotYourTurn { .. }) => {
                let wants = self.ends || !self.to_pay.is_empty();
                if wants
                    && !self.asked
                    && let Some(ask) = self.end.ask_for_turn()
                {
                    self.asked = true;
                    output.message(slot, |wire| ask.encode(wire));
                }
                return None;
            }
            // The peer has not said yet where it stands, or the turn is on its way.
            Err(_) => return None,
        };
        self.asked = false;
        let states = self.pays(slot, left, burst, output);
        let passes = self.end.turn_asked();
        if states.is_empty() && self.to_pay.is_empty() && self.end.in_flight() == 0 {
            if self.ends {
                return Some(Said::Last);
            }
            if passes && let Ok(pass) = self.end.pass_turn() {
                output.message(slot, |wire| pass.encode(wire));
            }
        }
        (!states.is_empty()).then_some(Said::Proposals(states, passes))
    }

    /// As many payments as may be in flight become states of the burst.
    fn pays(
        &mut self,
        slot: Slot,
        left: usize,
        burst: &mut Burst,
        output: &mut Output,
    ) -> Range<usize> {
        let first = burst.len();
        burst.begin(&self.end);
        let k = self.end.rules().cosign_every as usize;
        while burst.len() < first + left
            && let Some((amount, tag)) = self.to_pay.pop_front()
        {
            let payment = Payment {
                payer: self.end.me(),
                amount,
                tag,
            };
            if let Err(rejection) = burst.pay(&payment) {
                output.event(
                    slot,
                    Event::Refused {
                        amount,
                        tag,
                        rejection,
                    },
                );
            }
            if burst.uncut() == k || self.to_pay.is_empty() {
                burst.cut();
            }
        }
        first..burst.len()
    }
}
