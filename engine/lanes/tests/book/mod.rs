//! ZIP 215 as it is written, one signature at a time, over curve25519-dalek.

use curve25519_dalek::Scalar;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};

/// s is below l, and 8(sB − hA − R) = 0 for whatever A and R decode to.
pub(crate) fn is_valid(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let (halves, _) = signature.as_chunks::<32>();
    let a = CompressedEdwardsY(*key).decompress();
    let (Some(a), Some(r)) = (a, CompressedEdwardsY(halves[0]).decompress()) else {
        return false;
    };
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(halves[1])) else {
        return false;
    };
    let h = challenge(&halves[0], key, message);
    let error = EdwardsPoint::mul_base(&s) - h * a - r;
    error.mul_by_cofactor().is_identity()
}

/// `SHA-512(R ‖ A ‖ M) mod l`.
pub(crate) fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(key)
        .chain_update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}
