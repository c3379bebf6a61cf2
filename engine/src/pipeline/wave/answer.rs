//! A wave's second leg: each payee checks what arrived against its own state, has the signatures
//! verified, counts, and co-signs.

use super::super::fault::Hop;
use super::super::shard::Shard;
use super::super::stage::Stage;
use super::{Flight, Received, strike};
use crate::crypto::{Forged, SignJob};
use crate::protocol::{Incoming, Message, Rejection};

impl Shard<'_> {
    /// Proposals on the wire become answers on the wire.
    pub(super) fn answer_proposals(&mut self, flight: &mut Flight) {
        self.receive(flight);
        self.accept(flight);
        self.co_sign(flight);
        for at in 0..self.wave.cosign_orders.len() {
            let (slot, me, _) = self.wave.cosign_orders[at];
            let next = self.wave.cosign_orders.get(at + 1);
            if next.is_none_or(|(other, ..)| *other != slot) {
                self.keep(slot, me);
            }
        }
        self.kept();
    }

    /// The payee reads what arrived, checks it against its own state, and hashes it itself.
    fn receive(&mut self, flight: &mut Flight) {
        let Shard {
            wave, slots, payee, ..
        } = self;
        wave.received.clear();
        payee.burst.clear();
        for (slot, me, mut bytes) in flight.to_payee.frames() {
            let end = slots[slot as usize].channel().end(me);
            payee.burst.begin(end);
            while !bytes.is_empty() {
                let read = Message::decode_first(bytes).and_then(|(message, rest)| {
                    let Message::Proposal {
                        entries,
                        signature,
                        pass,
                    } = message
                    else {
                        return Err(Rejection::Malformed {
                            what: "not a proposal",
                        });
                    };
                    let incoming = end.receive_proposal(entries, &signature, &mut payee.burst)?;
                    Ok((
                        incoming,
                        Received {
                            slot,
                            me,
                            signature,
                            pass,
                        },
                        rest,
                    ))
                });
                match read {
                    Ok((Incoming::New, received, rest)) => {
                        wave.received.push(received);
                        bytes = rest;
                    }
                    Ok((Incoming::Answered, _, rest)) => bytes = rest,
                    Err(rejection) => {
                        flight.refusals.push((slot, rejection));
                        break;
                    }
                }
            }
        }
        self.clock.lap(Stage::Receive, payee.burst.entries());
        payee.burst.hash();
        self.clock.lap(Stage::PayeeHash, payee.burst.entries());
    }

    /// The payee verifies the payer's signatures over the states that it computed, and counts.
    fn accept(&mut self, flight: &mut Flight) {
        let Shard {
            wave, slots, payee, ..
        } = self;
        for (state, received) in payee.burst.states().iter().zip(&wave.received) {
            let end = slots[received.slot as usize].channel().end(received.me);
            wave.proposals
                .push(end.claim(state, received.signature, received.pass));
        }
        wave.proposals_judged.clear();
        payee.verifier.verify(
            self.parties.pairs.ring(),
            &mut wave.proposals,
            &mut wave.proposals_judged,
        );
        self.clock
            .lap(Stage::PayeeVerify, wave.proposals_judged.len());

        wave.cosign_orders.clear();
        payee.jobs.clear();
        assert_eq!(wave.proposals_judged.len(), wave.received.len());
        for (judged, &Received { slot, me, .. }) in
            wave.proposals_judged.drain(..).zip(&wave.received)
        {
            let channel = slots[slot as usize].channel();
            if channel.rejected == Some(me) {
                continue;
            }
            let end = channel.end_mut(me);
            let accepted = match judged {
                Ok(claim) => end.accept(claim),
                Err(Forged(claim)) => Err(Rejection::BadSignature {
                    version: claim.version(),
                }),
            };
            match accepted {
                Ok(order) => {
                    let secret = *self.parties.places(slot).of(me);
                    payee.jobs.push(SignJob {
                        secret,
                        digest: *order.digest(),
                    });
                    wave.cosign_orders.push((slot, me, order));
                }
                Err(rejection) => {
                    channel.rejected = Some(me);
                    flight.refusals.push((slot, rejection));
                }
            }
        }
        self.clock.lap(Stage::Accept, wave.cosign_orders.len());
    }

    /// The payee co-signs what it accepted and answers, proposal by proposal.
    fn co_sign(&mut self, flight: &mut Flight) {
        let Shard {
            wave, slots, payee, ..
        } = self;
        payee.signatures.clear();
        payee
            .signer
            .sign_with(&self.parties.pairs, &payee.jobs, &mut payee.signatures);
        self.clock.lap(Stage::PayeeSign, payee.jobs.len());

        flight.to_payer.clear();
        let signed = wave.cosign_orders.iter().zip(&payee.signatures);
        let mut signed = signed.peekable();
        while let Some(&(&(slot, me, _), _)) = signed.peek() {
            let end = slots[slot as usize].channel().end_mut(me);
            flight.to_payer.frame(slot, me.other(), |bytes| {
                while let Some(((_, _, order), signature)) =
                    signed.next_if(|((of, _, _), _)| *of == slot)
                {
                    end.co_signed(order, *signature).encode(bytes);
                }
            });
        }
        strike(
            &mut self.faults,
            Hop::Acknowledgement,
            &mut flight.to_payer,
            slots,
        );
        self.clock.lap(Stage::Answer, wave.cosign_orders.len());
    }
}
