//! The payer's first leg: states that it has made of payments are ordered, signed, and sent.

use std::ops::Range;

use super::Legs;
use crate::crypto::SignJob;
use crate::protocol::Endpoint;

impl<At: Copy + PartialEq> Legs<At> {
    /// Orders signatures over a channel's states of the hashed burst, the next ones of it. With
    /// `pass`, the turn passes with the last of them.
    ///
    /// # Panics
    /// If the end has not the turn, or no room in flight: who makes states asks it first
    /// ([`Endpoint::proposals_left`]).
    pub fn order(&mut self, end: &mut Endpoint, secret: u32, states: Range<usize>, pass: bool) {
        assert_eq!(states.start, self.proposed.len(), "the next states");
        for at in states.clone() {
            let passes = pass && at + 1 == states.end;
            let order = end.propose(&self.burst.states()[at], passes);
            let order = order.expect("it has the turn, and room in flight");
            self.jobs.push(SignJob {
                secret,
                digest: *order.digest(),
            });
            self.proposed.push(order);
        }
    }

    /// Appends the channel's proposals, now signed.
    pub fn send(&mut self, end: &mut Endpoint, states: Range<usize>, wire: &mut Vec<u8>) {
        for at in states {
            end.proposed(
                &self.proposed[at],
                &self.burst.states()[at],
                &self.burst,
                self.signatures[at],
                &mut self.windows,
                wire,
            );
        }
    }
}
