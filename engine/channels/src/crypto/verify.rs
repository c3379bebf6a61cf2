//! Verifying in batches, down to the exact culprits, and the proof of it as a type.

use std::fmt;

use duet_lanes::{Item, Unit, VerifyingKey};

use super::accept::accept;
use super::backend::Backend;
use super::dalek;
use super::ring::{KeyRing, Points};
use super::signature::Signed;
use duet_base::chunks::Chunks;

/// A value whose signature was verified. Only this module can make one:
///
/// ```compile_fail
/// let forged = duet_channels::crypto::Verified(7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The value, giving up the proof.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// A value whose signature is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forged<T>(pub T);

/// What a verifier has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifierCounts {
    /// Signatures judged.
    pub signatures: u64,
    /// Batches judged.
    pub batches: u64,
    /// Distinct keys, summed over batches.
    pub keys: u64,
    /// Signatures refused.
    pub forged: u64,
}

impl VerifierCounts {
    /// What was done since an earlier reading of the same counts.
    #[must_use]
    pub fn since(&self, before: &VerifierCounts) -> VerifierCounts {
        VerifierCounts {
            signatures: self.signatures - before.signatures,
            batches: self.batches - before.batches,
            keys: self.keys - before.keys,
            forged: self.forged - before.forged,
        }
    }

    /// Adds another verifier's counts.
    pub fn add(&mut self, other: &VerifierCounts) {
        self.signatures += other.signatures;
        self.batches += other.batches;
        self.keys += other.keys;
        self.forged += other.forged;
    }
}

/// Verifies signatures in batches and keeps the scratch memory for the next one.
pub struct Verifier {
    backend: Backend,
    engine: Engine,
    valid: Vec<bool>,
    counts: VerifierCounts,
}

enum Engine {
    Dalek(Box<dalek::VerifyScratch>),
    Lanes(Box<duet_lanes::Verifier>),
}

impl Verifier {
    /// Signatures in one multiscalar multiplication at most. Past a few thousand the cost per
    /// signature is flat, and the working set leaves the second-level cache.
    pub const LARGEST_BATCH: usize = 4096;

    /// A verifier that works with this back end.
    ///
    /// # Panics
    /// If the operating system gives no randomness: without it batch verification is not sound.
    #[must_use]
    pub fn new(backend: Backend) -> Verifier {
        Verifier {
            backend,
            engine: match backend {
                Backend::Dalek => Engine::Dalek(Box::new(dalek::VerifyScratch::new())),
                Backend::Lanes(lanes) => Engine::Lanes(Box::new(duet_lanes::Verifier::new(lanes))),
            },
            valid: Vec::new(),
            counts: VerifierCounts::default(),
        }
    }

    /// Judges all `items`, which it drains, and appends one verdict each to `verdicts`, in order.
    ///
    /// Verdicts are exact: one bad signature costs no other item its verdict.
    ///
    /// # Panics
    /// If an item's signer is not a key of `ring`, or `ring` was made for another back end.
    pub fn verify<T: Signed>(
        &mut self,
        ring: &KeyRing,
        items: &mut Vec<T>,
        verdicts: &mut Vec<Result<Verified<T>, Forged<T>>>,
    ) {
        self.valid.clear();
        // Equal parts: a short rest would cost far more per signature.
        let batches = items.len().div_ceil(Self::LARGEST_BATCH);
        for batch in items.chunks(items.len().div_ceil(batches.max(1)).max(1)) {
            let keys = match (&mut self.engine, ring.points()) {
                (Engine::Dalek(dalek), Points::Dalek(points)) => {
                    dalek.verify(ring, points, batch, &mut self.valid)
                }
                (Engine::Lanes(lanes), Points::Lanes(_, keys)) => {
                    verify_in_lanes(lanes, keys, batch, &mut self.valid)
                }
                _ => panic!("the key ring was made for another back end than the verifier"),
            };
            self.counts.batches += 1;
            self.counts.keys += keys as u64;
        }
        assert_eq!(self.valid.len(), items.len(), "one verdict per item");
        self.counts.signatures += items.len() as u64;
        verdicts.reserve(items.len());
        for (item, &valid) in items.drain(..).zip(&self.valid) {
            verdicts.push(if valid {
                Ok(Verified(item))
            } else {
                self.counts.forged += 1;
                Err(Forged(item))
            });
        }
    }

    /// Equations tried so far, of batches, their parts and single signatures.
    #[cfg(test)]
    pub(super) fn equations(&self) -> usize {
        match &self.engine {
            Engine::Dalek(dalek) => dalek.equations,
            Engine::Lanes(lanes) => lanes.equations() as usize,
        }
    }

    /// What this verifier has done so far.
    #[must_use]
    pub fn counts(&self) -> &VerifierCounts {
        &self.counts
    }
}

fn verify_in_lanes<T: Signed>(
    lanes: &mut duet_lanes::Verifier,
    keys: &Chunks<VerifyingKey>,
    items: &[T],
    valid: &mut Vec<bool>,
) -> usize {
    // A few cost in lanes, which are mostly empty, as much as eight: more than one by one.
    if items.len() < fewest(lanes.lanes().unit()) {
        valid.extend(items.iter().map(|item| {
            let (signer, digest, signature) = item.signed();
            accept(keys[signer.0 as usize].bytes(), &digest.0, &signature.0)
        }));
        let is_first = |(at, item): &(usize, &T)| {
            items[..*at]
                .iter()
                .all(|earlier| earlier.signed().0 != item.signed().0)
        };
        return items.iter().enumerate().filter(is_first).count();
    }
    let items = items.iter().map(|item| {
        let (signer, digest, signature) = item.signed();
        Item {
            key: signer.0 as usize,
            message: &digest.0,
            signature: &signature.0,
        }
    });
    lanes.verify(keys, items, valid)
}

/// How many signatures are verified in lanes sooner than one by one: all of eight cost what 1.6 do
/// by the library on AVX-512, and what 4.6 do on AVX2 (`engine/lanes/README.md`).
const fn fewest(unit: Unit) -> usize {
    match unit {
        Unit::Avx512Ifma => 2,
        Unit::Avx2Fma | Unit::Plain => 5,
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier on {}, {:?}", self.backend.name(), self.counts)
    }
}
