//! Every signature that validators made or that somebody made in their names: signed, and judged,
//! once each, many at a time. A validator hears of one only after its verdict.

use std::collections::{HashMap, VecDeque};

use duet_channels::crypto::{
    Backend, Digest, KeyPairs, PublicKey, SignJob, Signature, Signer, Verified, Verifier,
};
use zeroize::Zeroizing;

/// A signature's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SignatureId(pub(super) u32);

/// The signatures of the heights that somebody still works on.
pub(super) struct Registry {
    pairs: KeyPairs,
    signer: Signer,
    verifier: Verifier,
    rows: VecDeque<Row>,
    /// The number of the first row.
    first: u32,
    made: HashMap<(u16, Digest), SignatureId>,
    /// From here on, rows have no verdict.
    judged: usize,
    /// Scratch.
    jobs: Vec<SignJob>,
    signatures: Vec<Signature>,
}

struct Row {
    /// Who is said to have signed.
    signer: u16,
    digest: Digest,
    /// None until it is judged, if it is a validator's own.
    signature: Option<Signature>,
    holds: bool,
    /// Somebody was told of it.
    said: bool,
}

impl Registry {
    /// The keys of these seeds, and no signature.
    pub(super) fn new(backend: Backend, seeds: &[Zeroizing<[u8; 32]>]) -> Registry {
        let mut pairs = KeyPairs::new(backend);
        pairs.insert_seeds(seeds);
        Registry {
            pairs,
            signer: Signer::new(backend),
            verifier: Verifier::new(backend),
            rows: VecDeque::new(),
            first: 0,
            made: HashMap::new(),
            judged: 0,
            jobs: Vec::new(),
            signatures: Vec::new(),
        }
    }

    /// The validators' keys, in the order of their places.
    pub(super) fn keys(&self) -> Vec<PublicKey> {
        let ring = self.pairs.ring();
        let ids = (0..ring.len() as u32).map(|place| ring.id(place).expect("a key of a seed"));
        ids.map(|id| ring.key(id)).collect()
    }

    /// A validator's signature: the same for the same digest, and no secret until it is said.
    pub(super) fn sign(&mut self, signer: u16, digest: Digest) -> SignatureId {
        if let Some(id) = self.made.get(&(signer, digest)) {
            return *id;
        }
        let id = self.push(signer, digest, None);
        self.made.insert((signer, digest), id);
        id
    }

    /// A validator's signature that somebody is told of; whether for the first time.
    pub(super) fn say(&mut self, signer: u16, digest: Digest) -> (SignatureId, bool) {
        let id = self.sign(signer, digest);
        let row = &mut self.rows[(id.0 - self.first) as usize];
        (id, !std::mem::replace(&mut row.said, true))
    }

    /// Somebody's attempt at a signature in a validator's name.
    pub(super) fn forge(&mut self, signer: u16, digest: Digest, forged: Signature) -> SignatureId {
        self.push(signer, digest, Some(forged))
    }

    fn push(&mut self, signer: u16, digest: Digest, signature: Option<Signature>) -> SignatureId {
        let id = SignatureId(self.next());
        self.rows.push_back(Row {
            signer,
            digest,
            signature,
            holds: false,
            said: false,
        });
        id
    }

    /// The number that the next signature gets.
    pub(super) fn next(&self) -> u32 {
        self.first + self.rows.len() as u32
    }

    /// Whether it is this validator's over this digest. All that have no verdict get theirs before.
    pub(super) fn holds(&mut self, id: SignatureId, signer: u16, digest: &Digest) -> bool {
        if self.row(id).is_none() {
            return false;
        }
        if (id.0 - self.first) as usize >= self.judged {
            self.judge();
        }
        let row = self.row(id).expect("it was there");
        row.holds && row.signer == signer && row.digest == *digest
    }

    fn row(&self, id: SignatureId) -> Option<&Row> {
        self.rows.get(id.0.checked_sub(self.first)? as usize)
    }

    /// A signature that has its verdict.
    pub(super) fn signature(&self, id: SignatureId) -> Signature {
        let signature = self.row(id).and_then(|row| row.signature);
        signature.expect("a signature with a verdict")
    }

    /// Signs what is to be signed, and judges all that has no verdict.
    pub(super) fn judge(&mut self) {
        self.jobs.clear();
        for row in self.rows.range(self.judged..) {
            if row.signature.is_none() {
                self.jobs.push(SignJob {
                    secret: u32::from(row.signer),
                    digest: row.digest,
                });
            }
        }
        self.signatures.clear();
        (self.signer).sign(&self.pairs, &self.jobs, &mut self.signatures);
        let mut made = self.signatures.drain(..);
        let ring = self.pairs.ring();
        let mut items = Vec::new();
        for row in self.rows.range_mut(self.judged..) {
            let signature = row
                .signature
                .get_or_insert_with(|| made.next().expect("one a job"));
            let signer = ring.id(u32::from(row.signer)).expect("a validator's key");
            items.push((signer, row.digest, *signature));
        }
        let mut verdicts = Vec::new();
        self.verifier.verify(ring, &mut items, &mut verdicts);
        for (row, verdict) in self.rows.range_mut(self.judged..).zip(verdicts) {
            row.holds = verdict.as_ref().map(Verified::get).is_ok();
        }
        self.judged = self.rows.len();
    }

    /// Forgets signatures before this number.
    pub(super) fn forget_before(&mut self, number: u32) {
        while self.first < number && self.judged > 0 {
            let Some(row) = self.rows.pop_front() else {
                break;
            };
            let id = SignatureId(self.first);
            if self.made.get(&(row.signer, row.digest)) == Some(&id) {
                self.made.remove(&(row.signer, row.digest));
            }
            self.first += 1;
            self.judged -= 1;
        }
    }

    /// Signatures judged, and refused.
    pub(super) fn counts(&self) -> [u64; 2] {
        let counts = self.verifier.counts();
        [counts.signatures, counts.forged]
    }
}
