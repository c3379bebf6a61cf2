//! What adversaries write: true signatures over whatever they like.

use duet_engine::crypto::{Digest, Signature, link};
use duet_engine::protocol::{
    Amount, Entry, EntryBytes, Message, PackedPayments, Party, final_digest, state_digest,
};

use super::duo::Duo;
use super::side::Side;

/// Verifies under no key.
pub(crate) const NO_SIGNATURE: Signature = Signature([0; 64]);

// True signatures.

pub(crate) fn entry(version: u64, amount: u64, balance_a: u64, payer: Party) -> EntryBytes {
    Entry {
        version,
        amount: Amount::new(amount),
        balance_a: Amount::new(balance_a),
        payer,
        tag: 0,
    }
    .encode()
}

/// A proposal whose signature is right for the log that its entries continue.
pub(crate) fn signed_proposal(
    by: &mut Side,
    from: Digest,
    entries: &[EntryBytes],
    pass: bool,
) -> Vec<u8> {
    let head = entries.iter().fold(from, |head, entry| link(&head, entry));
    let digest = state_digest(&by.channel(), &head);
    let signature = by.sign(digest);
    bytes(&Message::Proposal {
        payments: PackedPayments::of(entries).payments(),
        signature,
        pass,
    })
}

/// As A, from where A stands.
pub(crate) fn proposes(duo: &mut Duo, entries: &[EntryBytes]) -> Vec<u8> {
    let from = duo.a.end.signed().head;
    signed_proposal(&mut duo.a, from, entries, false)
}

pub(crate) fn final_of(by: &mut Side, head: Digest) -> Signature {
    let digest = final_digest(&by.channel(), &head);
    by.sign(digest)
}

pub(crate) fn sends_final(duo: &mut Duo, by: Party, version: u64) -> Vec<u8> {
    let head = duo.side(by).end.signed().head;
    let signature = final_of(duo.side(by), head);
    final_message(version, signature)
}

pub(crate) fn answers_final(duo: &mut Duo, by: Party, version: u64) -> Vec<u8> {
    let head = duo.side(by).end.signed().head;
    let signature = final_of(duo.side(by), head);
    final_answer(version, signature)
}

/// A side's newest proposal as it was sent: the same entries, signed again, are the same bytes.
pub(crate) fn newest_proposal(by: &mut Side) -> Vec<u8> {
    let (from, entries) = (by.channel().0, by.log.clone());
    signed_proposal(by, from, &entries, false)
}

/// The signature of a proposal.
pub(crate) fn signature_of(proposal: &[u8]) -> Signature {
    match Message::decode_first(proposal) {
        Ok((Message::Proposal { signature, .. }, _)) => signature,
        other => panic!("a proposal, not {other:?}"),
    }
}

/// What is on its way to B.
pub(crate) fn on_its_way(duo: &mut Duo) -> Vec<u8> {
    duo.carry();
    duo.to_b.drain(..).flatten().collect()
}

// Messages, whatever they say.

pub(crate) fn proposal(entries: &[EntryBytes], signature: Signature) -> Vec<u8> {
    bytes(&Message::Proposal {
        payments: PackedPayments::of(entries).payments(),
        signature,
        pass: false,
    })
}

pub(crate) fn answer(version: u64, signature: Signature) -> Vec<u8> {
    bytes(&Message::Acknowledgement { version, signature })
}

pub(crate) fn final_message(version: u64, signature: Signature) -> Vec<u8> {
    bytes(&Message::Final { version, signature })
}

pub(crate) fn final_answer(version: u64, signature: Signature) -> Vec<u8> {
    bytes(&Message::FinalAcknowledgement { version, signature })
}

pub(crate) fn asks(turn: u64) -> Vec<u8> {
    bytes(&Message::TurnAsked { turn })
}

pub(crate) fn passes(turn: u64) -> Vec<u8> {
    bytes(&Message::TurnPassed { turn })
}

pub(crate) fn resumes(signed: u64) -> Vec<u8> {
    bytes(&Message::Resume { signed })
}

fn bytes(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}
