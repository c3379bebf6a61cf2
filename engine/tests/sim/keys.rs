//! Everybody's keys. Signs and verifies for a whole world, with real signatures only, and
//! remembers who signed what: the model asks that instead of an endpoint.

use std::collections::HashMap;

use duet_engine::crypto::{
    Backend, Digest, KeyId, KeyRing, PublicKey, SecretKey, SignJob, Signature, Signed, Signer,
    Verified, Verifier,
};
use duet_engine::protocol::SignOrder;

/// Somebody with a key and an account.
pub(crate) type Who = usize;

/// Parties of channels are 0 up to this.
pub(crate) const MOST_PARTIES: usize = 4;
/// The watchtower's own account.
pub(crate) const TOWER: Who = 4;
/// The rogues' other account: a third one in every channel.
pub(crate) const THIRD: Who = 5;
/// Another one of theirs, which has little.
pub(crate) const POOR: Who = 6;
pub(crate) const EVERYONE: usize = 7;

/// Made once for each thread: expanding and checking keys costs more than a short session.
pub(crate) struct Keys {
    backend: Backend,
    secrets: Vec<SecretKey>,
    ring: KeyRing,
    ids: Vec<KeyId>,
    signer: Signer,
    verifier: Verifier,
    made: HashMap<(Who, Digest), (Signature, u64)>,
}

impl Keys {
    /// With library code: a world judges signatures alone or a few at a time, and the lanes win in
    /// batches only. Dev profile, where lanes are hardly optimised: 1,040 sessions per CPU second
    /// against 515; in release about 1,100 with either.
    pub(crate) fn new() -> Keys {
        Keys::with(Backend::Dalek)
    }

    pub(crate) fn with(backend: Backend) -> Keys {
        let secrets: Vec<SecretKey> = (0..EVERYONE)
            .map(|who| SecretKey::from_seed(&[1 + who as u8; 32]))
            .collect();
        let mut ring = KeyRing::new(backend);
        let ids = secrets
            .iter()
            .map(|secret| ring.insert(secret.public()).expect("a sound key"))
            .collect();
        Keys {
            backend,
            secrets,
            ring,
            ids,
            signer: Signer::new(backend),
            verifier: Verifier::new(backend),
            made: HashMap::new(),
        }
    }

    /// A new world: nobody has signed anything.
    pub(crate) fn forget(&mut self) {
        self.made.clear();
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    pub(crate) fn public(&self, who: Who) -> PublicKey {
        self.secrets[who].public()
    }

    pub(crate) fn id(&self, who: Who) -> KeyId {
        self.ids[who]
    }

    pub(crate) fn sign(&mut self, who: Who, digest: Digest) -> Signature {
        if let Some(&(made, _)) = self.made.get(&(who, digest)) {
            return made;
        }
        let mut signatures = Vec::with_capacity(1);
        let job = SignJob {
            secret: who as u32,
            digest,
        };
        self.signer.sign(&self.secrets, &[job], &mut signatures);
        let number = self.made.len() as u64;
        self.made.insert((who, digest), (signatures[0], number));
        signatures[0]
    }

    /// The signature that this key has made over this digest in this world, if it has.
    pub(crate) fn made(&self, who: Who, digest: &Digest) -> Option<&Signature> {
        self.made.get(&(who, *digest)).map(|(made, _)| made)
    }

    /// A signature that was made before: an endpoint has no other made again.
    pub(crate) fn again(&self, who: Who, order: &SignOrder) -> Signature {
        *self.made(who, order.digest()).expect("signed before")
    }

    /// How many signatures were made in this world before that one; before the next, if it is not
    /// made yet.
    pub(crate) fn made_after(&self, who: Who, digest: &Digest) -> u64 {
        let made = self.made.get(&(who, *digest));
        made.map_or(self.made.len() as u64, |(_, number)| *number)
    }

    pub(crate) fn made_so_far(&self) -> u64 {
        self.made.len() as u64
    }

    pub(crate) fn judge<T: Signed>(&mut self, claim: T) -> Option<Verified<T>> {
        let mut verdicts = Vec::with_capacity(1);
        self.verifier
            .verify(&self.ring, &mut vec![claim], &mut verdicts);
        verdicts.pop().and_then(Result::ok)
    }
}
