//! The same names where there are no lanes: nothing here can be made, so nothing can be called.

use std::convert::Infallible;

use crate::{ChainJob, Expanded, Item, Lanes};

/// Extends chains.
pub fn extend_chains<'a>(
    lanes: Lanes,
    _: &[u32; 8],
    _: impl IntoIterator<Item = ChainJob<'a>>,
    _: &[[u8; 32]],
    _: &[u32],
    _: impl FnMut(usize, &[u8; 32]),
) {
    match lanes.0 {}
}

/// A secret key.
pub struct SigningKey(Infallible);

/// Makes keys and signatures in batches.
pub struct Signer(Infallible);

/// A public key, decoded once for many verifications.
#[derive(Clone, Copy, Debug)]
pub struct VerifyingKey(Infallible);

/// Judges signatures in batches.
pub struct Verifier(Infallible);

impl SigningKey {
    /// The public key.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        match self.0 {}
    }

    /// The public key as verifying takes it.
    #[must_use]
    pub fn verifying(&self) -> &VerifyingKey {
        match self.0 {}
    }

    /// Its parts, for signing.
    #[must_use]
    pub fn expanded(&self) -> Expanded<'_> {
        match self.0 {}
    }
}

impl Signer {
    /// A signer.
    #[must_use]
    pub fn new(lanes: Lanes) -> Signer {
        match lanes.0 {}
    }

    /// The lanes this signer works in.
    #[must_use]
    pub fn lanes(&self) -> Lanes {
        match self.0 {}
    }

    /// Expands seeds into keys.
    #[must_use]
    pub fn keys<S: std::ops::Deref<Target = [u8; 32]>>(&mut self, _: &[S]) -> Vec<SigningKey> {
        match self.0 {}
    }

    /// Makes signatures.
    pub fn sign<'a>(
        &mut self,
        _: usize,
        _: impl FnMut(usize) -> (Expanded<'a>, &'a [u8]),
        _: impl FnMut(&[u8; 64]),
    ) {
        match self.0 {}
    }
}

impl VerifyingKey {
    /// Decodes keys.
    pub fn decode_many(lanes: Lanes, _: &[[u8; 32]], _: impl FnMut(Option<VerifyingKey>)) {
        match lanes.0 {}
    }

    /// Decodes one key.
    #[must_use]
    pub fn decode(lanes: Lanes, _: &[u8; 32]) -> Option<VerifyingKey> {
        match lanes.0 {}
    }

    /// Whether it is of small order.
    #[must_use]
    pub fn is_small_order(&self) -> bool {
        match self.0 {}
    }

    /// The encoding it was decoded from.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        match self.0 {}
    }
}

impl Verifier {
    /// Most signatures in one batch.
    pub const LARGEST_BATCH: usize = 1 << 16;

    /// A verifier.
    #[must_use]
    pub fn new(lanes: Lanes) -> Verifier {
        match lanes.0 {}
    }

    /// The lanes this verifier works in.
    #[must_use]
    pub fn lanes(&self) -> Lanes {
        match self.0 {}
    }

    /// Judges a batch.
    pub fn verify<'a>(
        &mut self,
        _: &(impl std::ops::Index<usize, Output = VerifyingKey> + ?Sized),
        _: impl IntoIterator<Item = Item<'a>>,
        _: &mut Vec<bool>,
    ) -> usize {
        match self.0 {}
    }

    /// How many equations were tried so far.
    #[must_use]
    pub fn equations(&self) -> u64 {
        match self.0 {}
    }
}
