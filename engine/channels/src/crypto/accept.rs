//! The one acceptance rule for signatures: ZIP 215.
//!
//! - `s` is canonical: below the group order l.
//! - `R` and `A` decode as ZIP 215 says: any y of 255 bits, reduced mod p, and for x = 0 either
//!   sign bit.
//! - `[8][s]B = [8]R + [8][h]A` with `h = SHA-512(R ‖ A ‖ M) mod l` over the bytes as given.
//!
//! The cofactor makes one signature's verdict and a batch's verdict agree on every input
//! (<https://zips.z.cash/zip-0215>). Everything that judges signatures calls this rule or a batch
//! form of it; the tests hold the two together.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest as _, Sha512};

/// Judges one signature over a message of any length, key checks aside.
#[must_use]
pub fn accept(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Some(a) = CompressedEdwardsY(*key).decompress() else {
        return false;
    };
    Opened::open(key, message, signature).is_some_and(|opened| opened.holds(&a))
}

/// A signature whose encodings are in order, with its challenge.
#[derive(Clone, Copy)]
pub(super) struct Opened {
    pub(super) r: EdwardsPoint,
    /// Below l.
    pub(super) s: [u8; 32],
    pub(super) h: Scalar,
}

impl Opened {
    /// Decodes a signature and derives its challenge; `None` if an encoding is refused.
    pub(super) fn open(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Option<Opened> {
        let (r, s) = halves(signature);
        if !is_canonical(&s) {
            return None;
        }
        let point = CompressedEdwardsY(r).decompress()?;
        let h = challenge(&r, key, message);
        Some(Opened { r: point, s, h })
    }

    /// The equation for this signature alone.
    pub(super) fn holds(&self, a: &EdwardsPoint) -> bool {
        let s = Scalar::from_bytes_mod_order(self.s);
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&self.h, &-a, &s);
        (expected - self.r).mul_by_cofactor().is_identity()
    }
}

/// Whether `s < l`. As `l > 2^252`, a top nibble of zero settles it, which for honest signatures
/// it does but once in 2^127; the full comparison costs a reduction mod l.
fn is_canonical(s: &[u8; 32]) -> bool {
    s[31] < 1 << 4 || Scalar::from_canonical_bytes(*s).is_some().into()
}

/// `SHA-512(R ‖ A ‖ M) mod l`.
pub(super) fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(key)
        .chain_update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn halves(signature: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&signature[..32]);
    s.copy_from_slice(&signature[32..]);
    (r, s)
}
