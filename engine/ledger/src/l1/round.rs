//! A run of queued transactions whose keys are looked up, and signatures verified, together.
//!
//! Keys must be known before any transaction of the round has executed. An account's key stands
//! in the transaction. A channel's keys stand in its record, or, if it opens earlier in the same
//! block, in the open: the channel's id commits to them, so that they are the right ones whether
//! or not that open comes to pass. Where rounds are cut is therefore seen by nobody.

use std::collections::HashMap;
use std::vec;

use super::block::Size;
use super::claim::Claim;
use super::ledger::Ledger;
use super::refusal::Refusal;
use super::transaction::SignedTransaction;
use super::witness::{Checked, Need, Unchecked, Verdict, Witness};
use duet_channels::crypto::{
    Backend, Digest, KeyId, KeyRing, PublicKey, Signature, Signed, Verifier,
};
use duet_channels::protocol::{Amount, ChannelId, Pair};

/// The keys of channels that open earlier in a block that is being gathered.
pub(super) type Opened = HashMap<ChannelId, Pair<PublicKey>>;

/// What one transaction asks for.
pub(super) struct Taken {
    /// What it claims, or why it is refused already.
    pub(super) claim: Result<Claimed, Refusal>,
    /// What it takes of the block.
    pub(super) size: Size,
    /// What it pays if it is in the block.
    pub(super) fee: Amount,
}

/// A claim, and whether its signatures are verified with the round's.
pub(super) enum Claimed {
    With(Unchecked),
    /// They were, when it came.
    Before(Checked<Claim>),
}

impl Claimed {
    fn claim(&self) -> &Claim {
        match self {
            Claimed::With(unchecked) => unchecked.claim(),
            Claimed::Before(checked) => checked.get(),
        }
    }
}

/// What a signer says, and nothing of what it claims.
struct Said {
    signer: KeyId,
    digest: Digest,
    signature: Signature,
}

impl Signed for Said {
    fn signed(&self) -> (KeyId, &Digest, &Signature) {
        (self.signer, &self.digest, &self.signature)
    }
}

/// One round, and its memory, kept for others: whatever is on the ledger some 5 MB at most.
pub(super) struct Round {
    /// What each transaction asks for.
    taken: Vec<Taken>,
    /// What the verifier says of the claims' signatures, in the same order, once it is judged.
    verdicts: Vec<Verdict>,
    /// Decoded keys. Only a cache: nothing but this round must find its keys in it.
    ring: KeyRing,
    /// Channels and transfers that it is about.
    operations: u32,
    /// The keys that the claims name, and the signatures, before the ring knows the keys.
    keys: Vec<PublicKey>,
    needs: Vec<Need>,
    witnesses: Vec<Witness>,
    verifier: Verifier,
}

impl Round {
    /// Signatures from which on no transaction is added: of one with a single channel the next
    /// one's would not fit in the verifier's largest batch. Past that nothing gets cheaper, and the
    /// round's memory would leave the second-level cache.
    const SIGNATURES: usize = Verifier::LARGEST_BATCH - 4;

    /// Keys that a ring holds at most when a round begins. It is emptied then: 1 µs for each key
    /// that comes again is cheap against the memory of all that ever came.
    const KEYS: usize = 1 << 12;

    pub(super) fn new(backend: Backend) -> Round {
        Round {
            taken: Vec::new(),
            verdicts: Vec::new(),
            ring: KeyRing::new(backend),
            operations: 0,
            keys: Vec::new(),
            needs: Vec::new(),
            witnesses: Vec::new(),
            verifier: Verifier::new(backend),
        }
    }

    pub(super) fn clear(&mut self) {
        if self.ring.len() > Round::KEYS {
            self.ring.clear();
        }
        self.taken.clear();
        self.verdicts.clear();
        self.operations = 0;
        self.keys.clear();
        self.needs.clear();
        self.witnesses.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// The keys that its claims name, those of parties among them.
    pub(super) fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Whether it takes no more than so many operations.
    pub(super) fn is_full(&self, operations: u32) -> bool {
        self.operations >= operations || self.needs.len() >= Round::SIGNATURES
    }

    /// Adds the next transaction, decoded and as it came, with what it takes and pays.
    pub(super) fn add(
        &mut self,
        (signed, bytes): (&SignedTransaction, &[u8]),
        checked: Option<&Checked<Claim>>,
        (size, fee): (Size, Result<Amount, Refusal>),
        genesis: &Digest,
        ledger: &Ledger,
        opened: &mut Opened,
    ) {
        self.operations += signed.transaction().operations();
        let Round {
            taken, keys, needs, ..
        } = self;
        let keys_of = |channel: &ChannelId| {
            let of_record = ledger.keys_of(channel);
            of_record.or_else(|| opened.get(channel).copied())
        };
        let place = taken.len() as u32;
        let claim = fee.and_then(|_| match checked {
            Some(checked) => Ok(Claimed::Before(checked.clone())),
            None => {
                let read = (signed, bytes);
                let read = Unchecked::read(place, read, genesis, keys_of, keys, needs);
                read.map(Claimed::With)
            }
        });
        for one in claim.iter().flat_map(|claimed| claimed.claim().opens()) {
            opened.insert(one.channel, one.terms.keys);
        }
        taken.push(Taken {
            claim,
            size,
            fee: fee.unwrap_or_default(),
        });
    }

    /// Checks the keys of all transactions, and the signatures of those whose keys are sound. Gives
    /// how many signatures were judged, by the verifier's own count.
    pub(super) fn judge(&mut self) -> u64 {
        self.look_up();
        let before = self.verifier.counts().signatures;
        self.verifier
            .verify(&self.ring, &mut self.witnesses, &mut self.verdicts);
        self.verifier.counts().signatures - before
    }

    /// Takes the transactions out in their order, each with the verdicts from its own on: it takes
    /// those.
    pub(super) fn each(
        &mut self,
        mut each: impl FnMut(Taken, &KeyRing, &mut vec::Drain<'_, Verdict>),
    ) {
        let mut verdicts = self.verdicts.drain(..);
        for taken in self.taken.drain(..) {
            each(taken, &self.ring, &mut verdicts);
        }
        assert!(verdicts.next().is_none(), "one verdict per witness");
    }

    /// Which of these signatures hold, each over a digest: all in one batch.
    pub(super) fn hear(
        &mut self,
        said: &[(PublicKey, Digest, Signature)],
    ) -> Vec<(Digest, Signature)> {
        let keys: Vec<PublicKey> = said.iter().map(|(signer, ..)| *signer).collect();
        let ids = self.ring.insert_many(&keys).into_iter();
        let known = ids.zip(said).filter_map(|(id, (_, digest, signature))| {
            let signer = id.ok()?;
            let (digest, signature) = (*digest, *signature);
            Some(Said {
                signer,
                digest,
                signature,
            })
        });
        let (mut known, mut verdicts) = (known.collect(), Vec::new());
        self.verifier.verify(&self.ring, &mut known, &mut verdicts);
        let heard = verdicts.iter().flatten();
        heard
            .map(|said| (said.get().digest, said.get().signature))
            .collect()
    }

    fn look_up(&mut self) {
        let ids = self.ring.insert_many(&self.keys);
        let mut needs = self.needs.iter();
        self.witnesses.reserve(self.needs.len());
        for Taken { claim, .. } in &mut self.taken {
            if let Ok(Claimed::With(unchecked)) = claim
                && let Err(refusal) = unchecked.look_up(&ids, &mut needs, &mut self.witnesses)
            {
                *claim = Err(refusal);
            }
        }
        assert!(needs.next().is_none(), "every signature belongs to a claim");
    }
}
