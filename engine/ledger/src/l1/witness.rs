//! Which signatures a claim needs, and the proof that it has them: [`Checked`], which nothing but
//! this file can make, and only from what `crypto` verified.

use std::ops::Range;
use std::slice;

use super::claim::{Claim, Item};
use super::refusal::{Refusal, SignatureRole};
use super::transaction::{SignedTransaction, Transaction, encoded_digest};
use duet_channels::crypto::{
    Digest, Forged, KeyError, KeyId, KeyRing, PublicKey, Signature, Signed, Verified,
};
use duet_channels::protocol::{ChannelId, FinalProof, Pair, Party, final_digest, state_digest};

/// A claim whose every signature was verified. The ledger decides on nothing else.
#[derive(Clone, Debug)]
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

/// A signature that a claim needs, whose key nobody has checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    place: u32,
    /// Which item of a batched close it belongs to.
    item: u16,
    role: SignatureRole,
    /// The signer's place among the keys of the round.
    key: u32,
    digest: Digest,
    signature: Signature,
}

/// One signature to verify, and whose it is of which transaction of the round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Witness {
    need: Need,
    signer: KeyId,
}

/// What the batch verifier says of a witness.
pub(super) type Verdict = Result<Verified<Witness>, Forged<Witness>>;

impl Signed for Witness {
    fn signed(&self) -> (KeyId, &Digest, &Signature) {
        (self.signer, &self.need.digest, &self.need.signature)
    }
}

/// A claim that waits for its keys to be looked up, and then for the verdicts on its witnesses.
#[derive(Debug)]
pub(super) struct Unchecked {
    claim: Claim,
    place: u32,
    /// The keys without which it is nothing, as places among the keys of the round.
    keys: Range<u32>,
    /// Why it is refused if those are sound.
    refused: Option<Refusal>,
    needs: u32,
    witnesses: u32,
}

/// Collects one claim's keys and signatures.
struct Needs<'w> {
    place: u32,
    first_key: usize,
    keys: &'w mut Vec<PublicKey>,
    needs: &'w mut Vec<Need>,
}

impl Needs<'_> {
    /// A key's place among those of the round.
    fn key(&mut self, key: &PublicKey) -> u32 {
        // A submitter is mostly a party too.
        let known = self.keys[self.first_key..].iter().take(2);
        let place = known.into_iter().position(|known| known == key);
        let place = place.map_or(self.keys.len(), |place| self.first_key + place);
        if place == self.keys.len() {
            self.keys.push(*key);
        }
        place as u32
    }

    fn need(
        &mut self,
        role: SignatureRole,
        key: &PublicKey,
        digest: Digest,
        signature: &Signature,
    ) {
        self.need_of_item(0, role, key, digest, signature);
    }

    fn need_of_item(
        &mut self,
        item: u16,
        role: SignatureRole,
        key: &PublicKey,
        digest: Digest,
        signature: &Signature,
    ) {
        let key = self.key(key);
        self.needs.push(Need {
            place: self.place,
            item,
            role,
            key,
            digest,
            signature: *signature,
        });
    }

    /// Both parties' signatures over a final state.
    fn finals(&mut self, item: u16, proof: &FinalProof, keys: &Pair<PublicKey>) {
        let digest = final_digest(&proof.channel, &proof.state.head(&proof.channel));
        for party in Party::BOTH {
            let signature = &proof.signatures[party];
            let role = SignatureRole::Final(party);
            self.need_of_item(item, role, &keys[party], digest, signature);
        }
    }
}

impl Unchecked {
    /// Reads what an encoded transaction claims; appends the keys that it names, and a need for
    /// every signature that it takes: the signer's; the consent of every B that deposits; both
    /// parties' for a state or a final state; the poster's for an offer.
    ///
    /// `keys_of` gives the keys of a channel that is open or may be by this transaction's turn.
    pub(super) fn read(
        place: u32,
        (signed, bytes): (&SignedTransaction, &[u8]),
        genesis: &Digest,
        keys_of: impl Fn(&ChannelId) -> Option<Pair<PublicKey>>,
        keys: &mut Vec<PublicKey>,
        needs: &mut Vec<Need>,
    ) -> Result<Unchecked, Refusal> {
        let mut claim = Claim::of(signed.transaction(), genesis)?;
        let (first_key, first) = (keys.len(), needs.len());
        let mut collected = Needs {
            place,
            first_key,
            keys,
            needs,
        };
        let digest = encoded_digest(genesis, signed, bytes);
        let refused = read(&mut claim, signed, digest, &mut collected, keys_of).err();
        if refused.is_some() {
            needs.truncate(first);
        }
        // A key of a batched close is its item's alone, but for the first one.
        let last_key = match claim {
            Claim::CloseBatch { .. } => first_key + 1,
            _ => keys.len(),
        };
        Ok(Unchecked {
            claim,
            place,
            keys: first_key as u32..last_key as u32,
            refused,
            needs: (needs.len() - first) as u32,
            witnesses: 0,
        })
    }

    /// Takes this claim's needs, all of them, from the front, and appends a witness for each; none
    /// if the claim is refused for one of its keys or for what was found before.
    pub(super) fn look_up(
        &mut self,
        ids: &[Result<KeyId, KeyError>],
        needs: &mut slice::Iter<'_, Need>,
        witnesses: &mut Vec<Witness>,
    ) -> Result<(), Refusal> {
        let (own, rest) = needs.as_slice().split_at(self.needs as usize);
        *needs = rest.iter();
        for id in &ids[self.keys.start as usize..self.keys.end as usize] {
            id.map_err(Refusal::Key)?;
        }
        self.refused.map_or(Ok(()), Err)?;
        let first = witnesses.len();
        for need in own {
            match (ids[need.key as usize], &mut self.claim) {
                (Ok(signer), _) => witnesses.push(Witness {
                    need: *need,
                    signer,
                }),
                (Err(error), Claim::CloseBatch { items, .. }) => {
                    let closed = &mut items[usize::from(need.item)].closed;
                    if closed.is_ok() {
                        *closed = Err(Refusal::Key(error));
                    }
                }
                (Err(_), _) => unreachable!("the claim's own keys are sound"),
            }
        }
        self.witnesses = (witnesses.len() - first) as u32;
        Ok(())
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
            let Witness { need, signer } = match &verdict {
                Ok(verified) => verified.get(),
                Err(Forged(witness)) => witness,
            };
            assert_eq!(need.place, self.place, "verdicts in the order of claims");
            if verdict.is_ok() {
                continue;
            }
            let refusal = Refusal::BadSignature {
                role: need.role,
                key: ring.key(*signer),
            };
            match (&mut self.claim, need.role) {
                (Claim::CloseBatch { items, .. }, SignatureRole::Final(_)) => {
                    let closed = &mut items[usize::from(need.item)].closed;
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

/// Collects a claim's keys and signatures; the refusal of what names a channel that is not there.
fn read(
    claim: &mut Claim,
    signed: &SignedTransaction,
    digest: Digest,
    needs: &mut Needs<'_>,
    keys_of: impl Fn(&ChannelId) -> Option<Pair<PublicKey>>,
) -> Result<(), Refusal> {
    let keys_of = |channel: ChannelId| keys_of(&channel).ok_or(Refusal::UnknownChannel { channel });
    let submitter = *signed.transaction().signer();
    needs.key(&submitter);
    for opened in claim.opens() {
        needs.key(&opened.terms.keys.b);
    }
    for (consenter, consent) in signed.transaction().consenters().zip(signed.consents()) {
        needs.need(SignatureRole::Consent, consenter, digest, consent);
    }
    match signed.transaction() {
        Transaction::Transfer { .. }
        | Transaction::MultiSend { .. }
        | Transaction::Open { .. }
        | Transaction::OpenBatch { .. }
        | Transaction::Payout { .. } => {}
        Transaction::CooperativeClose { proof, .. } => {
            needs.finals(0, proof, &keys_of(proof.channel)?);
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
                needs.finals(0, proof, &keys);
            }
        }
        Transaction::CloseBatch { proofs, .. } => {
            let Claim::CloseBatch { items, .. } = claim else {
                unreachable!("a batched close claims one")
            };
            for (place, (item, proof)) in (0..).zip(items.iter_mut().zip(proofs)) {
                match item.closed.and_then(|closed| keys_of(closed.channel)) {
                    Ok(keys) => needs.finals(place, proof, &keys),
                    Err(refusal) => item.closed = Err(refusal),
                }
            }
        }
        Transaction::Post { post, .. } => {
            let channel = post.channel;
            let keys = keys_of(channel)?;
            if let Some(shown) = &post.shown {
                let digest = state_digest(&channel, &shown.state().head(&channel));
                for party in Party::BOTH {
                    let signature = &shown.signatures[party];
                    let role = SignatureRole::State(party);
                    needs.need(role, &keys[party], digest, signature);
                }
            }
            // Of anybody else's offer the ledger says what is wrong with it.
            if let Some(offer) = &post.offer
                && (submitter == keys.a || submitter == keys.b)
            {
                let digest = state_digest(&channel, &offer.state().head(&channel));
                needs.need(SignatureRole::Offer, &submitter, digest, &offer.signature);
            }
        }
    }
    needs.need(
        SignatureRole::Signer,
        &submitter,
        digest,
        signed.signature(),
    );
    Ok(())
}
