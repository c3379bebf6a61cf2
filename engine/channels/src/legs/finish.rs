//! The polite end: whoever has the turn signs the last state, the peer answers, and both hold what
//! closes the channel at once.

use super::{Decisions, Ends, Legs, genuine};
use crate::crypto::{KeyRing, SignJob};
use crate::protocol::{Endpoint, FinalClaim, Message, Rejection};

impl<At: Copy + PartialEq> Legs<At> {
    /// Orders a channel's final.
    ///
    /// # Panics
    /// If the end has not the turn, or something in flight.
    pub fn finish(&mut self, at: At, end: &mut Endpoint, secret: u32) {
        let order = end.finish().expect("the turn, and nothing in flight");
        self.jobs.push(SignJob {
            secret,
            digest: *order.digest(),
        });
        self.finals.begun.push((at, order));
    }

    /// Hands out the finals, now signed.
    pub fn send_finals<E: Ends<At = At>>(
        &mut self,
        ends: &mut E,
        mut send: impl FnMut(At, &Message<'static>),
    ) {
        let signatures = &self.signatures[self.proposed.len()..];
        for ((at, order), signature) in self.finals.begun.iter().zip(signatures) {
            send(*at, &ends.end(*at).finish_signed(order, *signature));
        }
    }

    /// Reads a peer's final, or its answer to this party's.
    ///
    /// # Errors
    /// Why the channel stops with it.
    pub fn hear_final(
        &mut self,
        at: At,
        end: &Endpoint,
        message: &Message<'_>,
    ) -> Result<(), Rejection> {
        let (claim, is_answer) = match *message {
            Message::Final { version, signature } => {
                (end.receive_final(version, signature)?, false)
            }
            Message::FinalAcknowledgement { version, signature } => {
                (end.receive_final_acknowledgement(version, signature)?, true)
            }
            _ => {
                return Err(Rejection::Malformed {
                    what: "not a final",
                });
            }
        };
        self.finals.heard.push((at, is_answer));
        self.finals.claims.push(claim);
        Ok(())
    }

    /// Verifies the finals that were heard, in one batch.
    pub fn verify_finals(&mut self, ring: &KeyRing) {
        let finals = &mut self.finals;
        finals.judged.clear();
        self.verifier
            .verify(ring, &mut finals.claims, &mut finals.judged);
    }

    /// Ends the channels, and orders the answers to the peers' finals; `ended` hears of each, or
    /// why the channel stops with it.
    pub fn end<E: Ends<At = At>>(
        &mut self,
        ends: &mut E,
        mut ended: impl FnMut(At, Result<(), Rejection>),
    ) {
        let mut decisions = Decisions::new();
        let finals = &mut self.finals;
        for (&(at, is_answer), judged) in finals.heard.iter().zip(finals.judged.drain(..)) {
            let decided = decisions.on(at, || {
                let claim = genuine(judged, FinalClaim::version)?;
                let end = ends.end(at);
                if is_answer {
                    return end.finish_acknowledged(&claim);
                }
                let order = end.accept_final(&claim)?;
                self.jobs.push(SignJob {
                    secret: ends.secret(at),
                    digest: *order.digest(),
                });
                finals.accepted.push((at, order, claim));
                Ok(())
            });
            if let Some(decided) = decided {
                ended(at, decided);
            }
        }
    }

    /// Hands out the answers to finals, now signed.
    pub fn answer_finals<E: Ends<At = At>>(
        &mut self,
        ends: &mut E,
        mut answer: impl FnMut(At, &Message<'static>),
    ) {
        let signatures = &self.signatures[self.accepted.len()..];
        for ((at, order, claim), signature) in self.finals.accepted.iter().zip(signatures) {
            let message = ends.end(*at).final_signed(order, claim, *signature);
            answer(*at, &message);
        }
    }
}
