//! The payee's leg: what arrived is checked against its own state, hashed by itself, verified,
//! counted, and co-signed.

use super::{Decisions, Ends, Legs, Read, Received, genuine};
use crate::crypto::{KeyRing, SignJob};
use crate::protocol::{
    CoSignOrder, Endpoint, EntryBytes, Incoming, Message, ProposalClaim, Rejection,
};

impl<At: Copy + PartialEq> Legs<At> {
    /// Reads a channel's proposals into the burst, up to the first message that is none or is
    /// refused; `bytes` is what is left.
    pub fn receive(&mut self, at: At, end: &Endpoint, bytes: &mut &[u8]) -> Read {
        let (burst, received) = (&mut self.burst, &mut self.received);
        let (before, mut again) = (received.len(), false);
        burst.begin(end);
        let mut next = || {
            while !bytes.is_empty() {
                let (message, rest) = Message::decode_first(bytes)?;
                let Message::Proposal {
                    payments,
                    signature,
                    pass,
                } = message
                else {
                    break;
                };
                match end.receive_proposal(&payments, &signature, burst)? {
                    Incoming::New => received.push(Received {
                        at,
                        signature,
                        pass,
                    }),
                    Incoming::Answered => again = true,
                }
                *bytes = rest;
            }
            Ok(())
        };
        let refused: Result<(), Rejection> = next();
        Read {
            refused: refused.err(),
            new: (received.len() - before) as u32,
            again,
        }
    }

    /// Verifies the peers' signatures over the states that this party has computed, in one batch;
    /// gives how many.
    pub fn verify_proposals<E: Ends<At = At>>(&mut self, ends: &mut E, ring: &KeyRing) -> usize {
        assert_eq!(self.burst.len(), self.received.len(), "a state for each");
        let proposed = self.burst.states().iter().zip(&self.received);
        self.proposals.extend(proposed.map(|(state, received)| {
            let end = ends.end(received.at);
            end.claim(state, received.signature, received.pass)
        }));
        self.proposals_judged.clear();
        let judged = &mut self.proposals_judged;
        self.verifier.verify(ring, &mut self.proposals, judged);
        self.proposals_judged.len()
    }

    /// Counts what was proposed and orders its answers; `accepted` hears each proposal's entries,
    /// or why the channel stops with it. Gives how many answers were ordered.
    pub fn accept<E: Ends<At = At>>(
        &mut self,
        ends: &mut E,
        mut accepted: impl FnMut(At, Result<&[EntryBytes], Rejection>),
    ) -> usize {
        let mut decisions = Decisions::new();
        let received = self.received.iter().zip(self.burst.states());
        for ((received, state), judged) in received.zip(self.proposals_judged.drain(..)) {
            let at = received.at;
            let decided = decisions.on(at, || {
                genuine(judged, ProposalClaim::version).and_then(|claim| ends.end(at).accept(claim))
            });
            match decided {
                Some(Ok(order)) => {
                    accepted(at, Ok(self.burst.entries_of(state)));
                    self.jobs.push(SignJob {
                        secret: ends.secret(at),
                        digest: *order.digest(),
                    });
                    self.accepted.push((at, order));
                }
                Some(Err(rejection)) => accepted(at, Err(rejection)),
                None => {}
            }
        }
        self.accepted.len()
    }

    /// Hands out the answers, now signed: `answer` is given what was counted, and the message.
    pub fn answer<E: Ends<At = At>>(
        &mut self,
        ends: &mut E,
        mut answer: impl FnMut(At, &CoSignOrder, &Message<'static>),
    ) {
        for ((at, order), signature) in self.accepted.iter().zip(&self.signatures) {
            let message = ends.end(*at).co_signed(order, *signature);
            answer(*at, order, &message);
        }
    }
}
