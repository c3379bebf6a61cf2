//! Which signatures a claim needs, and the proof that it has them: [`Checked`], which nothing but
//! this file can make, and only from what `crypto` verified.

use super::claim::{Claim, Item};
use super::refusal::{Refusal, SignatureRole};
use super::transaction::{SignedTransaction, Transaction, encoded_digest};
use crate::crypto::{Digest, Forged, KeyId, KeyRing, PublicKey, Signature, Signed, Verified};
use crate::protocol::{ChannelId, FinalProof, Pair, Party, final_digest, state_digest};

/// A claim whose every signature was verified. The ledger decides on nothing else.
#[derive(Debug)]
pub(super) struct Checked<T>(T);

impl<T> Checked<T> {
    pub(super) fn get(&self) -> &T {
        &self.0
    }

    /// For tests that make claims of what their parties have signed, and have no bytes.
    #[cfg(test)]
    pub(super) fn assume(claim: T) -> Checked<T> {
        Checked(claim)
    }
}

/// One signature to verify, and whose it is of which transaction of the round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Witness {
    place: u32,
    /// Which item of a batched close it belongs to.
    item: u16,
    role: SignatureRole,
    signer: KeyId,
    digest: Digest,
    signature: Signature,
}

/// What the batch verifier says of a witness.
pub(super) type Verdict = Result<Verified<Witness>, Forged<Witness>>;

impl Signed for Witness {
    fn signer(&self) -> KeyId {
        self.signer
    }

    fn digest(&self) -> &Digest {
        &self.digest
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// A claim that waits for the verdicts on its witnesses.
#[derive(Debug)]
pub(super) struct Unchecked {
    claim: Claim,
    place: u32,
    witnesses: u32,
}

/// Collects one claim's witnesses.
struct Needs<'w> {
    place: u32,
    ring: &'w mut KeyRing,
    witnesses: &'w mut Vec<Witness>,
}

impl Needs<'_> {
    fn need(
        &mut self,
        role: SignatureRole,
        key: PublicKey,
        digest: Digest,
        signature: &Signature,
    ) -> Result<(), Refusal> {
        self.need_of_item(0, role, key, digest, signature)
    }

    fn need_of_item(
        &mut self,
        item: u16,
        role: SignatureRole,
        key: PublicKey,
        digest: Digest,
        signature: &Signature,
    ) -> Result<(), Refusal> {
        let signer = self.ring.insert(key).map_err(Refusal::Key)?;
        self.witnesses.push(Witness {
            place: self.place,
            item,
            role,
            signer,
            digest,
            signature: *signature,
        });
        Ok(())
    }

    /// Both parties' signatures over a final state.
    fn finals(
        &mut self,
        item: u16,
        proof: &FinalProof,
        keys: &Pair<PublicKey>,
    ) -> Result<(), Refusal> {
        let digest = final_digest(&proof.channel, &proof.state.head(&proof.channel));
        for party in [Party::A, Party::B] {
            let signature = proof.signatures.of(party);
            let role = SignatureRole::Final(party);
            self.need_of_item(item, role, *keys.of(party), digest, signature)?;
        }
        Ok(())
    }
}

impl Unchecked {
    /// Reads what an encoded transaction claims, and appends a witness for every signature that
    /// this needs: the signer's; the consent of every B that deposits; both parties' for a state
    /// or a final state; the poster's for an offer.
    ///
    /// `keys_of` gives the keys of a channel that is open or may be by this transaction's turn.
    /// New keys enter the ring, which is a cache: they stay if the transaction is refused.
    pub(super) fn read(
        place: u32,
        bytes: &[u8],
        genesis: &Digest,
        ring: &mut KeyRing,
        keys_of: impl Fn(&ChannelId) -> Option<Pair<PublicKey>>,
        witnesses: &mut Vec<Witness>,
    ) -> Result<Unchecked, Refusal> {
        let first = witnesses.len();
        let mut needs = Needs {
            place,
            ring,
            witnesses,
        };
        let claim = read(bytes, genesis, &mut needs, keys_of);
        if claim.is_err() {
            witnesses.truncate(first);
        }
        Ok(Unchecked {
            claim: claim?,
            place,
            witnesses: (witnesses.len() - first) as u32,
        })
    }

    pub(super) fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Refuses those items of a batched close whose channel is gone.
    pub(super) fn refuse_items(&mut self, gone: impl Fn(&ChannelId) -> Option<Refusal>) {
        let Claim::CloseBatch { items, .. } = &mut self.claim else {
            return;
        };
        for Item { channel, closed } in items {
            if closed.is_ok()
                && let Some(refusal) = gone(channel)
            {
                *closed = Err(refusal);
            }
        }
    }

    /// Takes this claim's verdicts, all of them, from the front.
    pub(super) fn check(
        mut self,
        ring: &KeyRing,
        verdicts: &mut impl Iterator<Item = Verdict>,
    ) -> Result<Checked<Claim>, Refusal> {
        let mut refused = None;
        for _ in 0..self.witnesses {
            let verdict = verdicts.next().expect("one verdict per witness");
            let witness = match &verdict {
                Ok(verified) => verified.get(),
                Err(Forged(witness)) => witness,
            };
            assert_eq!(witness.place, self.place, "verdicts in the order of claims");
            if verdict.is_ok() {
                continue;
            }
            let refusal = Refusal::BadSignature {
                role: witness.role,
                key: ring.key(witness.signer),
            };
            match (&mut self.claim, witness.role) {
                (Claim::CloseBatch { items, .. }, SignatureRole::Final(_)) => {
                    let closed = &mut items[usize::from(witness.item)].closed;
                    if closed.is_ok() {
                        *closed = Err(refusal);
                    }
                }
                _ => {
                    refused.get_or_insert(refusal);
                }
            }
        }
        match refused {
            Some(refusal) => Err(refusal),
            None => Ok(Checked(self.claim)),
        }
    }
}

fn read(
    bytes: &[u8],
    genesis: &Digest,
    needs: &mut Needs<'_>,
    keys_of: impl Fn(&ChannelId) -> Option<Pair<PublicKey>>,
) -> Result<Claim, Refusal> {
    let signed = SignedTransaction::decode(bytes).expect("only what decodes is queued");
    let mut claim = Claim::of(signed.transaction(), genesis)?;
    let keys_of = |channel: ChannelId| keys_of(&channel).ok_or(Refusal::UnknownChannel { channel });
    let digest = encoded_digest(genesis, &signed, bytes);
    let submitter = *signed.transaction().signer();
    needs.ring.insert(submitter).map_err(Refusal::Key)?;
    for opened in claim.opens() {
        let peer = opened.terms.keys.b;
        needs.ring.insert(peer).map_err(Refusal::Key)?;
    }
    for (consenter, consent) in signed.transaction().consenters().zip(signed.consents()) {
        needs.need(SignatureRole::Consent, *consenter, digest, consent)?;
    }
    match signed.transaction() {
        Transaction::Transfer { .. }
        | Transaction::Open { .. }
        | Transaction::OpenBatch { .. }
        | Transaction::Payout { .. } => {}
        Transaction::CooperativeClose { proof, .. } => {
            needs.finals(0, proof, &keys_of(proof.channel)?)?;
        }
        Transaction::RollOver {
            proof,
            opener,
            successor,
            ..
        } => {
            // Of anybody else's roll-over the ledger says what is wrong with it.
            let keys = keys_of(proof.channel)?;
            if (keys.a, keys.b) == (*opener, successor.peer) {
                needs.finals(0, proof, &keys)?;
            }
        }
        Transaction::CloseBatch { proofs, .. } => {
            let Claim::CloseBatch { items, .. } = &mut claim else {
                unreachable!("a batched close claims one")
            };
            for (place, (item, proof)) in (0..).zip(items.iter_mut().zip(proofs)) {
                let keys = item.closed.and_then(|closed| keys_of(closed.channel));
                if let Err(refusal) = keys.and_then(|keys| needs.finals(place, proof, &keys)) {
                    item.closed = Err(refusal);
                }
            }
        }
        Transaction::Post { post, .. } => {
            let channel = post.channel;
            let keys = keys_of(channel)?;
            if let Some(shown) = &post.shown {
                let digest = state_digest(&channel, &shown.state().head(&channel));
                for party in [Party::A, Party::B] {
                    let signature = shown.signatures.of(party);
                    needs.need(
                        SignatureRole::State(party),
                        *keys.of(party),
                        digest,
                        signature,
                    )?;
                }
            }
            // Of anybody else's offer the ledger says what is wrong with it.
            if let Some(offer) = &post.offer
                && (submitter == keys.a || submitter == keys.b)
            {
                let digest = state_digest(&channel, &offer.state().head(&channel));
                needs.need(SignatureRole::Offer, submitter, digest, &offer.signature)?;
            }
        }
    }
    needs.need(SignatureRole::Signer, submitter, digest, signed.signature())?;
    Ok(claim)
}
