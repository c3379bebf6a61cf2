//! What gives secrets away if it is used wrongly.

use crate::Expanded;

impl<'a> Expanded<'a> {
    /// A secret key's parts in the form that signing uses (RFC 8032, 5.1.5): the secret scalar,
    /// little-endian, clamped or any other representative mod l below 2^255; what nonces are
    /// derived from; and the public key.
    ///
    /// The three must be one key's. Two signatures of one message with the same scalar and prefix
    /// and different public keys give the scalar away, and so does a nonce derived from anything
    /// that others know.
    #[must_use]
    pub fn from_parts(
        scalar: &'a [u8; 32],
        prefix: &'a [u8; 32],
        public: &'a [u8; 32],
    ) -> Expanded<'a> {
        Expanded {
            scalar,
            prefix,
            public,
        }
    }

    /// The secret scalar.
    #[must_use]
    pub fn scalar(&self) -> &'a [u8; 32] {
        self.scalar
    }

    /// What nonces are derived from: as secret as the scalar.
    #[must_use]
    pub fn prefix(&self) -> &'a [u8; 32] {
        self.prefix
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &'a [u8; 32] {
        self.public
    }
}
