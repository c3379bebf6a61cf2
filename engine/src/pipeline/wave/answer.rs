//! A wave's second leg: each payee checks what arrived against its own state, has the signatures
//! verified, counts, and co-signs.

use super::super::fault::Hop;
use super::super::shard::Shard;
use super::super::slot::RunningEnds;
use super::super::stage::Stage;
use super::super::waves::{Wave, strike};
use duet_channels::legs::Ends;
use duet_channels::protocol::Rejection;

impl Shard<'_> {
    /// Proposals on the wire become answers on the wire.
    pub(super) fn answer_proposals(&mut self, wave: &mut Wave) {
        let Shard {
            slots,
            payee,
            parties,
            clock,
            ..
        } = self;
        let (mut ends, refusals) = (RunningEnds { slots, parties }, &mut wave.refusals);
        payee.begin();
        for (slot, me, mut bytes) in wave.to_payee.frames() {
            let read = payee.receive((slot, me), ends.end((slot, me)), &mut bytes);
            refusals.extend(refused(read.refused, bytes, "not a proposal").map(|why| (slot, why)));
        }
        clock.lap(Stage::Receive, payee.burst.entries());
        payee.burst.hash();
        clock.lap(Stage::PayeeHash, payee.burst.entries());
        let verified = payee.verify_proposals(&mut ends, parties.pairs.ring());
        clock.lap(Stage::PayeeVerify, verified);
        let accepted = payee.accept(&mut ends, |(slot, _), accepted| {
            refusals.extend(accepted.err().map(|why| (slot, why)));
        });
        clock.lap(Stage::Accept, accepted);
        payee.sign(&parties.pairs);
        clock.lap(Stage::PayeeSign, accepted);

        wave.to_payer.clear();
        payee.answer(&mut ends, |(slot, me), _, message| {
            let to_payer = &mut wave.to_payer;
            to_payer.frame(slot, me.other(), |bytes| message.encode(bytes));
        });
        let hop = Hop::Acknowledgement;
        strike(&mut self.mischief.faults, hop, &mut wave.to_payer, slots);
        self.clock.lap(Stage::Answer, accepted);
        for (slot, payer, _) in wave.to_payer.frames() {
            self.keep(slot, payer.other());
        }
        self.kept();
    }
}

/// Why a channel's messages are refused: the next one is, or is of no kind that may come here.
pub(super) fn refused(
    refused: Option<Rejection>,
    left: &[u8],
    what: &'static str,
) -> Option<Rejection> {
    refused.or((!left.is_empty()).then_some(Rejection::Malformed { what }))
}
