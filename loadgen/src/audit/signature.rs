//! The signatures of the sampled sessions, one by one, with the plain `ed25519-dalek` crate: both
//! parties' over every state, their finals, and those of their Layer 1 transactions.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use ed25519_dalek::{Verifier, VerifyingKey};

use super::bytes::Reader;
use super::finding::{AuditError, Place};
use super::hash::{Digest, KEYS, hex};
use super::ledger::{FirstBytes, Ledger};
use super::transaction::{Act, Signature, Transaction};

/// The sampled channels, by index, and the keys of A and B.
#[derive(Default)]
pub(super) struct Sampled {
    keys: HashMap<u32, [VerifyingKey; 2], BuildHasherDefault<FirstBytes>>,
}

impl Sampled {
    /// These channels.
    pub(super) fn of(channels: &[u32], ledger: &Ledger, l1: &str) -> Result<Sampled, AuditError> {
        let place = Place {
            file: l1,
            offset: None,
        };
        let mut sampled = Sampled::default();
        for channel in channels {
            let [a, b] = ledger.keys(*channel).map(|key| {
                let decoded = VerifyingKey::from_bytes(&key).ok();
                let decoded = decoded.filter(|decoded| !decoded.is_weak());
                decoded.ok_or_else(|| place.finding("a party's key", "an Ed25519 key", hex(&key)))
            });
            sampled.keys.insert(*channel, [a?, b?]);
        }
        Ok(sampled)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys of A and B, if the channel is sampled.
    pub(super) fn keys(&self, channel: u32) -> Option<&[VerifyingKey; 2]> {
        if self.keys.is_empty() {
            return None;
        }
        self.keys.get(&channel)
    }
}

/// What both sign to agree on a state.
pub(super) fn state_digest(channel: &Digest, head: &Digest) -> Digest {
    KEYS.state.hash(&[channel, head])
}

/// That a key has signed a digest.
pub(super) struct Claim {
    pub(super) key: VerifyingKey,
    pub(super) digest: Digest,
    pub(super) signature: Signature,
}

/// The first claim that does not hold. The crate's batch equation says at a quarter of the cost
/// that all hold; where it does not, each one is judged alone.
pub(super) fn first_forged(claims: &[Claim]) -> Option<usize> {
    let messages: Vec<&[u8]> = claims.iter().map(|claim| &claim.digest[..]).collect();
    let signatures = claims.iter().map(|claim| &claim.signature);
    let signatures: Vec<_> = signatures
        .map(ed25519_dalek::Signature::from_bytes)
        .collect();
    let keys: Vec<VerifyingKey> = claims.iter().map(|claim| claim.key).collect();
    if ed25519_dalek::verify_batch(&messages, &signatures, &keys).is_ok() {
        return None;
    }
    claims
        .iter()
        .position(|claim| !is_signed(&claim.key, &claim.digest, &claim.signature))
}

/// Whether a signature is this key's over this digest: RFC 8032, without the cofactor.
pub(super) fn is_signed(key: &VerifyingKey, digest: &Digest, signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    key.verify(digest, &signature).is_ok()
}

/// Verifies the opening and closing transactions of the sampled channels in one chunk of Layer 1's
/// stream, which has been replayed; gives the number of signatures.
pub(super) fn verify_blocks(
    mut records: Reader<'_>,
    ledger: &Ledger,
    sampled: &Sampled,
) -> Result<u64, AuditError> {
    let mut signatures = 0;
    while !records.is_empty() {
        let length = records.u32()?;
        let kind = records.u8()?;
        let place = records.place();
        let content = records.bytes(length as usize)?;
        if kind != 4 {
            continue;
        }
        let mut body = Reader::new(place.file, place.offset.unwrap_or(0), content);
        body.bytes(76)?;
        while !body.is_empty() {
            let place = body.place();
            let transaction = Transaction::read(&mut body)?;
            signatures += verify(&transaction, ledger, sampled, place)?;
        }
    }
    Ok(signatures)
}

fn verify(
    transaction: &Transaction<'_>,
    ledger: &Ledger,
    sampled: &Sampled,
    place: Place<'_>,
) -> Result<u64, AuditError> {
    let id = match &transaction.act {
        Act::Open(open) => open.channel(&ledger.genesis),
        Act::Close(close) => close.channel,
    };
    let keys = ledger
        .channel(&id)
        .and_then(|channel| sampled.keys(channel));
    let Some([key_a, key_b]) = keys else {
        return Ok(0);
    };
    let expect = |what, holds: bool| {
        let signer = "the signer's over the transaction's bytes";
        if holds {
            Ok(1)
        } else {
            Err(place.finding(what, signer, "one that does not verify"))
        }
    };
    let digest = KEYS
        .transaction
        .hash(&[&ledger.genesis, transaction.unsigned]);
    let signed = |key: &VerifyingKey, signature: &Signature| is_signed(key, &digest, signature);
    match &transaction.act {
        Act::Open(_) => {
            let mut count = expect(
                "the opener's signature",
                signed(key_a, &transaction.signature),
            )?;
            if let Some(consent) = &transaction.consent {
                count += expect("the other party's signature", signed(key_b, consent))?;
            }
            Ok(count)
        }
        Act::Close(close) => {
            let submitter = VerifyingKey::from_bytes(&close.submitter);
            let holds = submitter.is_ok_and(|key| signed(&key, &transaction.signature));
            let mut count = expect("the submitter's signature", holds)?;
            let digest = KEYS.final_state.hash(&[&id, &close.head()]);
            for (key, signature) in [key_a, key_b].into_iter().zip(&close.finals) {
                count += expect("a final signature", is_signed(key, &digest, signature))?;
            }
            Ok(count)
        }
    }
}
