//! The end of sessions: both ends sign the newest state as final, many channels in one batch.

use super::fault::Hop;
use super::run::RunError;
use super::shard::Shard;
use super::slot::{Phase, Slot};
use super::stage::Stage;
use super::wave::{Side, strike};
use super::wire::Wire;
use crate::crypto::{Forged, KeyPairs, KeyRing, SignJob, Verified};
use crate::protocol::{FinalClaim, Message, Party, Rejection, SignOrder};

type Judged = Result<Verified<FinalClaim>, Forged<FinalClaim>>;

/// Scratch memory, reused.
#[derive(Default)]
pub(super) struct Finals {
    /// Channels that are ready for their final, and later in the order of the messages.
    starters: Vec<(u32, Party)>,
    orders: Vec<SignOrder>,
    claims: Vec<FinalClaim>,
    claimed: Vec<(u32, Party)>,
    judged: Vec<Judged>,
    answered: Vec<(u32, Party, Verified<FinalClaim>)>,
    wire: Wire,
    refusals: Vec<(u32, Rejection)>,
}

/// What other channels pay while sessions wait to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paid {
    Nothing,
    Now,
    /// What had come due when no more did.
    Last,
}

impl Paid {
    /// Whether so many sessions, of as many slots, begin to end beside it.
    pub(super) fn lets_end(self, finishing: usize, slots: usize) -> bool {
        match self {
            Paid::Nothing => true,
            // A session that waits is a slot that does not pay. Few are worth a batch in a small shard.
            Paid::Now => finishing >= (slots / 16).clamp(1, Finals::MOST),
            // No slot is wanted for another session, but what had come due waits for its answer.
            Paid::Last => false,
        }
    }
}

impl Finals {
    /// Sessions that are finished together at most: a batch for the verifiers, and no more memory.
    const MOST: usize = 4096;

    /// A message is on its way once more, of a session that this party began to end.
    pub(super) fn again(&mut self, slot: u32, starter: Party, to: Party, bytes: &[u8]) {
        self.starters.push((slot, starter));
        self.wire
            .frame(slot, to, |wire| wire.extend_from_slice(bytes));
    }

    /// Whether a slot's session is among them.
    pub(super) fn has(&self, slot: u32) -> bool {
        self.starters.iter().any(|(other, _)| *other == slot)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.starters.is_empty()
    }

    /// Bytes carried since the beginning.
    pub(super) fn carried(&self) -> u64 {
        self.wire.carried()
    }
}

impl Shard<'_> {
    /// The turn's holder of every channel that has nothing left to pay signs the final.
    pub(super) fn start_finals(&mut self, finals: &mut Finals) {
        if self.finishing.is_empty() {
            return;
        }
        let Shard { slots, payer, .. } = self;
        let sessions = self.finishing.len().min(Finals::MOST);
        finals.starters.clear();
        finals.orders.clear();
        payer.jobs.clear();
        for slot in self.finishing.drain(..sessions) {
            let channel = slots[slot as usize].channel();
            let holder = channel.a.turn_holder();
            let order = channel
                .end_mut(holder)
                .finish()
                .expect("the holder may finish");
            let secret = *self.parties.places(slot).of(holder);
            payer.jobs.push(SignJob {
                secret,
                digest: *order.digest(),
            });
            finals.starters.push((slot, holder));
            finals.orders.push(order);
        }
        sign(payer, &self.parties.pairs);
        finals.wire.clear();
        for (at, &(slot, holder)) in finals.starters.iter().enumerate() {
            let end = slots[slot as usize].channel().end_mut(holder);
            let message = end.finish_signed(&finals.orders[at], payer.signatures[at]);
            finals
                .wire
                .frame(slot, holder.other(), |bytes| message.encode(bytes));
        }
        strike(&mut self.faults, Hop::Final, &mut finals.wire, slots);
        self.clock.lap(Stage::Finish, 0);
        for &(slot, holder) in &finals.starters {
            self.keep(slot, holder);
        }
        self.kept();
    }

    /// The other ends verify the finals, and answer them.
    pub(super) fn answer_finals(&mut self, finals: &mut Finals) {
        if finals.is_empty() {
            return;
        }
        let Shard { slots, payee, .. } = self;
        finals.read(slots, |end, message| match message {
            Message::Final { version, signature } => end.receive_final(version, signature),
            _ => Err(Rejection::Malformed {
                what: "not a final",
            }),
        });
        finals.judge(payee, self.parties.pairs.ring());
        finals.orders.clear();
        finals.answered.clear();
        payee.jobs.clear();
        for (judged, &(slot, me)) in finals.judged.drain(..).zip(&finals.claimed) {
            let end = slots[slot as usize].channel().end_mut(me);
            let accepted = unforged(judged)
                .and_then(|claim| end.accept_final(&claim).map(|order| (claim, order)));
            match accepted {
                Ok((claim, order)) => {
                    let secret = *self.parties.places(slot).of(me);
                    payee.jobs.push(SignJob {
                        secret,
                        digest: *order.digest(),
                    });
                    finals.orders.push(order);
                    finals.answered.push((slot, me, claim));
                }
                Err(rejection) => finals.refusals.push((slot, rejection)),
            }
        }
        sign(payee, &self.parties.pairs);
        finals.wire.clear();
        for (at, (slot, me, claim)) in finals.answered.iter().enumerate() {
            let end = slots[*slot as usize].channel().end_mut(*me);
            let message = end.final_signed(&finals.orders[at], claim, payee.signatures[at]);
            finals
                .wire
                .frame(*slot, me.other(), |bytes| message.encode(bytes));
        }
        self.clock.lap(Stage::Finish, 0);
        for (slot, me, _) in &finals.answered {
            self.keep(*slot, *me);
        }
        self.kept();
    }

    /// The holders verify the answers: their sessions are ready to close.
    pub(super) fn complete_finals(&mut self, finals: &mut Finals) -> Result<(), RunError> {
        if finals.is_empty() {
            return Ok(());
        }
        let Shard { slots, payer, .. } = self;
        finals.read(slots, |end, message| match message {
            Message::FinalAcknowledgement { version, signature } => {
                end.receive_final_acknowledgement(version, signature)
            }
            _ => Err(Rejection::Malformed {
                what: "not a final acknowledgement",
            }),
        });
        finals.judge(payer, self.parties.pairs.ring());
        for (judged, &(slot, me)) in finals.judged.drain(..).zip(&finals.claimed) {
            let end = slots[slot as usize].channel().end_mut(me);
            match unforged(judged).and_then(|claim| end.finish_acknowledged(&claim)) {
                Ok(()) => {
                    let phase = &mut slots[slot as usize].phase;
                    let Phase::Running(channel) = std::mem::replace(phase, Phase::Vacant) else {
                        unreachable!("slot {slot} ran a moment ago");
                    };
                    if !channel.early {
                        self.steps.session_ended(slot);
                    }
                    *phase = Phase::Closing(channel);
                }
                Err(rejection) => finals.refusals.push((slot, rejection)),
            }
        }
        for (slot, rejection) in finals.refusals.drain(..) {
            self.stop_channel(slot, rejection.name())?;
        }
        self.clock.lap(Stage::Finish, finals.starters.len());
        finals.starters.clear();
        Ok(())
    }
}

impl Finals {
    /// Decodes one message per frame and collects what the ends claim of them.
    fn read(
        &mut self,
        slots: &mut [Slot],
        receive: impl Fn(&crate::protocol::Endpoint, Message<'_>) -> Result<FinalClaim, Rejection>,
    ) {
        self.claims.clear();
        self.claimed.clear();
        for (slot, me, bytes) in self.wire.frames() {
            let end = slots[slot as usize].channel().end(me);
            match Message::decode_first(bytes).and_then(|(message, _)| receive(end, message)) {
                Ok(claim) => {
                    self.claims.push(claim);
                    self.claimed.push((slot, me));
                }
                Err(rejection) => self.refusals.push((slot, rejection)),
            }
        }
    }

    fn judge(&mut self, side: &mut Side, ring: &KeyRing) {
        self.judged.clear();
        side.verifier
            .verify(ring, &mut self.claims, &mut self.judged);
    }
}

fn sign(side: &mut Side, pairs: &KeyPairs) {
    side.signatures.clear();
    side.signer
        .sign_with(pairs, &side.jobs, &mut side.signatures);
}

fn unforged(judged: Judged) -> Result<Verified<FinalClaim>, Rejection> {
    judged.map_err(|Forged(claim)| Rejection::BadSignature {
        version: claim.version(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_in_batches_beside_payments_and_after_the_last_ones() {
        // What is paid, sessions that wait to end, slots => whether they begin to.
        for (paid, finishing, slots, ends) in [
            (Paid::Nothing, 1, 100_000, true),
            (Paid::Now, 1, 10, true),
            (Paid::Now, 624, 10_000, false),
            (Paid::Now, 625, 10_000, true),
            (Paid::Now, 4095, 1_000_000, false),
            (Paid::Now, 4096, 1_000_000, true),
            (Paid::Last, 20_000, 20_000, false),
        ] {
            assert_eq!(
                paid.lets_end(finishing, slots),
                ends,
                "{paid:?} {finishing}"
            );
        }
    }
}
