//! The payer's last leg: what the answers complete is found, verified, and held.

use super::{Decisions, Ends, Legs, Read, genuine};
use crate::crypto::KeyRing;
use crate::protocol::{Acknowledged, AcknowledgementClaim, Answer, Endpoint, Message, Rejection};

impl<At: Copy + PartialEq> Legs<At> {
    /// Finds what a channel's answers are to, up to the first message that is none or is refused;
    /// `bytes` is what is left.
    pub fn find(&mut self, at: At, end: &Endpoint, bytes: &mut &[u8]) -> Read {
        let (answers, answerers) = (&mut self.answers, &mut self.answerers);
        let before = answers.len();
        let mut next = || {
            while !bytes.is_empty() {
                let (message, rest) = Message::decode_first(bytes)?;
                let Message::Acknowledgement { version, signature } = message else {
                    break;
                };
                if let Answer::New(claim) = end.receive_acknowledgement(version, signature)? {
                    answers.push(claim);
                    answerers.push(at);
                }
                *bytes = rest;
            }
            Ok(())
        };
        let refused: Result<(), Rejection> = next();
        Read {
            refused: refused.err(),
            new: (answers.len() - before) as u32,
            again: false,
        }
    }

    /// Verifies the answers in one batch; gives how many.
    pub fn verify_answers(&mut self, ring: &KeyRing) -> usize {
        self.answers_judged.clear();
        let judged = &mut self.answers_judged;
        self.verifier.verify(ring, &mut self.answers, judged);
        self.answers_judged.len()
    }

    /// Completes what was answered; `completed` hears of each answer what it completes, or why the
    /// channel stops with it.
    pub fn complete<E: Ends<At = At>>(
        &mut self,
        ends: &mut E,
        mut completed: impl FnMut(At, Result<Acknowledged, Rejection>),
    ) {
        let mut decisions = Decisions::new();
        let windows = &mut self.windows;
        for (&at, judged) in self.answerers.iter().zip(self.answers_judged.drain(..)) {
            let decided = decisions.on(at, || {
                let claim = genuine(judged, AcknowledgementClaim::version)?;
                ends.end(at).acknowledged(claim, windows)
            });
            if let Some(decided) = decided {
                completed(at, decided);
            }
        }
    }
}
