//! A wave's last leg: each payer finds what the answers complete, has them verified, and holds the
//! proof. The clock is read once, and latencies are recorded.

use super::super::shard::Shard;
use super::super::stage::Stage;
use super::Flight;
use crate::clock::process_cpu_ns;
use crate::crypto::Forged;
use crate::protocol::{Answer, Message, Rejection};

impl Shard<'_> {
    /// The payer verifies the answers against what it proposed, and completes its proposals.
    pub(super) fn complete(&mut self, flight: &mut Flight) -> u64 {
        let Shard {
            wave, slots, payer, ..
        } = self;
        wave.answerers.clear();
        for (slot, me, mut bytes) in flight.to_payer.frames() {
            let end = slots[slot as usize].channel().end(me);
            while !bytes.is_empty() {
                let read = Message::decode_first(bytes).and_then(|(message, rest)| {
                    let Message::Acknowledgement { version, signature } = message else {
                        return Err(Rejection::Malformed {
                            what: "not an acknowledgement",
                        });
                    };
                    Ok((end.receive_acknowledgement(version, signature)?, rest))
                });
                match read {
                    Ok((Answer::New(claim), rest)) => {
                        wave.answers.push(claim);
                        wave.answerers.push((slot, me));
                        bytes = rest;
                    }
                    Ok((Answer::Duplicate, rest)) => bytes = rest,
                    Err(rejection) => {
                        flight.refusals.push((slot, rejection));
                        break;
                    }
                }
            }
        }
        self.clock.lap(Stage::Match, wave.answers.len());
        wave.answers_judged.clear();
        payer.verifier.verify(
            self.parties.pairs.ring(),
            &mut wave.answers,
            &mut wave.answers_judged,
        );
        self.clock
            .lap(Stage::PayerVerify, wave.answers_judged.len());

        let now_ns = self.now_ns();
        let Shard { wave, slots, .. } = self;
        let mut completed = 0;
        let mut judged = wave
            .answers_judged
            .drain(..)
            .zip(&wave.answerers)
            .peekable();
        for part in &mut flight.parts {
            let channel = slots[part.slot as usize].channel();
            while let Some((judged, _)) = judged.next_if(|(_, (slot, _))| *slot == part.slot) {
                if channel.rejected == Some(part.payer) {
                    continue;
                }
                let acknowledged = match judged {
                    Ok(claim) => channel
                        .end_mut(part.payer)
                        .acknowledged(claim, &mut self.windows),
                    Err(Forged(claim)) => Err(Rejection::BadSignature {
                        version: claim.version(),
                    }),
                };
                match acknowledged {
                    Ok(done) => part.completed += done.version - done.after,
                    Err(rejection) => {
                        channel.rejected = Some(part.payer);
                        flight.refusals.push((part.slot, rejection));
                    }
                }
            }
            channel.covered += part.completed;
            completed += part.completed;
            self.latency
                .service
                .record(now_ns - flight.sent_ns, part.completed);
            // Answers complete a prefix of what was proposed. What is left has no answer, and gets none
            // any more: its channel stops. It counts at its age.
            for due_ns in &flight.due_ns[part.due.clone()] {
                self.latency
                    .response
                    .record(now_ns.saturating_sub(*due_ns), 1);
            }
            let left = (part.due.len() as u64).saturating_sub(part.completed);
            self.arrivals.lost(left);
        }
        assert!(judged.next().is_none(), "every answer is of a part");
        drop(judged);
        if completed > 0 {
            self.first_completion_ns.get_or_insert(now_ns);
            self.last_completion_ns = now_ns;
            self.closed_since.clear();
            self.cpu_after_paying_ns = process_cpu_ns();
        }
        self.clock.lap(Stage::Complete, completed as usize);
        completed
    }
}
