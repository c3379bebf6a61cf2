//! Which signatures a claim needs, and the proof that it has them: [`Checked`], which nothing but
//! this file can make, and only from what `crypto` verified.

use super::claim::Claim;
use super::refusal::{Refusal, SignatureRole};
use super::transaction::{SignedTransaction, Transaction, encoded_digest};
use crate::crypto::{Digest, Forged, KeyId, KeyRing, PublicKey, Signature, Signed, Verified};
use crate::protocol::{ChannelId, Pair, Party, final_digest};

/// A claim whose every signature was verified. The ledger decides on nothing else.
#[derive(Debug)]
pub(super) struct Checked<T>(T);

impl<T> Checked<T> {
    pub(super) fn get(&self) -> &T {
        &self.0
    }
}

/// One signature to verify, and whose it is of which transaction of the round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Witness {
    place: u32,
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

impl Unchecked {
    /// Reads what an encoded transaction claims, and appends a witness for every signature that
    /// this needs: the signer's; B's consent if B deposits; both parties' for a final state.
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
        let signed = SignedTransaction::decode(bytes).expect("only what decodes is queued");
        let claim = Claim::of(signed.transaction(), genesis)?;
        let first = witnesses.len();
        let digest = encoded_digest(genesis, &signed, bytes);
        let mut id = |key: PublicKey| ring.insert(key).map_err(Refusal::Key);

        let signer = id(*signed.transaction().signer())?;
        let mut need = |role, signer, digest, signature: &Signature| {
            witnesses.push(Witness {
                place,
                role,
                signer,
                digest,
                signature: *signature,
            });
        };
        match signed.transaction() {
            Transaction::Transfer { .. } => {}
            Transaction::Open { keys, .. } => {
                let b = id(keys.b)?;
                if let Some(consent) = signed.consent() {
                    need(SignatureRole::Consent, b, digest, consent);
                }
            }
            Transaction::CooperativeClose { proof, .. } => {
                let channel = proof.channel;
                let keys = keys_of(&channel).ok_or(Refusal::UnknownChannel { channel })?;
                let digest = final_digest(&channel, &proof.state.head(&channel));
                for party in [Party::A, Party::B] {
                    let signer = id(*keys.of(party))?;
                    let signature = proof.signatures.of(party);
                    need(SignatureRole::Final(party), signer, digest, signature);
                }
            }
        }
        need(SignatureRole::Signer, signer, digest, signed.signature());
        Ok(Unchecked {
            claim,
            place,
            witnesses: (witnesses.len() - first) as u32,
        })
    }

    pub(super) fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Takes this claim's verdicts, all of them, from the front.
    pub(super) fn check(
        self,
        ring: &KeyRing,
        verdicts: &mut impl Iterator<Item = Verdict>,
    ) -> Result<Checked<Claim>, Refusal> {
        let mut refusal = None;
        for _ in 0..self.witnesses {
            let verdict = verdicts.next().expect("one verdict per witness");
            let witness = match &verdict {
                Ok(verified) => verified.get(),
                Err(Forged(witness)) => witness,
            };
            assert_eq!(witness.place, self.place, "verdicts in the order of claims");
            if verdict.is_err() && refusal.is_none() {
                refusal = Some(Refusal::BadSignature {
                    role: witness.role,
                    key: *ring.key(witness.signer),
                });
            }
        }
        match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(Checked(self.claim)),
        }
    }
}
