//! What unit tests start from: channels between two fixed keys, with the means to sign and verify.

use super::amount::Amount;
use super::burst::Burst;
use super::endpoint::{Endpoint, Rules};
use super::entry::Payment;
use super::new_state::NewState;
use super::terms::{Pair, Party, Terms};
use crate::crypto::{
    Backend, Digest, KeyRing, PublicKey, SecretKey, SignJob, Signature, Signed, Signer, Verified,
    Verifier,
};

/// Both ends of a channel and their keys.
pub(super) struct Channel {
    pub(super) ends: [Endpoint; 2],
    pub(super) secrets: [SecretKey; 2],
    pub(super) terms: Terms,
    ring: KeyRing,
}

/// The channel of this index: A has 500, B nothing.
pub(super) fn channel(index: u32, rules: Rules) -> Channel {
    channel_with(index, rules, 500)
}

/// The same, A having more.
pub(super) fn channel_with(index: u32, rules: Rules, deposit: u64) -> Channel {
    let secrets = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let [a, b] = [&secrets[0], &secrets[1]].map(SecretKey::public);
    let mut ring = KeyRing::new(Backend::Dalek);
    let terms = terms(index, (a, b), deposit);
    let ends = [(Party::A, b), (Party::B, a)].map(|(me, peer)| {
        let peer = ring.insert(peer).expect("a sound key");
        Endpoint::new(me, &terms, peer, rules).expect("sound terms")
    });
    Channel {
        ends,
        secrets,
        terms,
        ring,
    }
}

fn terms(index: u32, (a, b): (PublicKey, PublicKey), deposit: u64) -> Terms {
    Terms {
        genesis: Digest([9; 32]),
        nonce: 0,
        index,
        keys: Pair { a, b },
        deposits: Pair {
            a: Amount::new(deposit),
            b: Amount::ZERO,
        },
        challenge_window_blocks: 1,
        reserve: Amount::ZERO,
    }
}

/// A pays so much.
pub(super) fn pays(amount: u64) -> Payment {
    Payment {
        payer: Party::A,
        amount: Amount::new(amount),
        tag: 0,
    }
}

/// States of so many payments each, one after the other in one channel.
pub(super) fn states(payments: u32, count: usize) -> Vec<NewState> {
    let rules = Rules {
        cosign_every: 10_000,
        in_flight: 1000,
    };
    burst(&channel(0, rules).ends[0], payments, count)
        .states()
        .to_vec()
}

/// A hashed burst of such states.
pub(super) fn burst(payer: &Endpoint, payments: u32, count: usize) -> Burst {
    let mut burst = Burst::default();
    burst.begin(payer);
    for _ in 0..count {
        for _ in 0..payments {
            burst.pay(&pays(1)).expect("a valid payment");
        }
        burst.cut();
    }
    burst.hash();
    burst
}

impl Channel {
    pub(super) fn sign(&self, by: Party, digest: &Digest) -> Signature {
        let mut signatures = Vec::new();
        let job = SignJob {
            secret: by as u32,
            digest: *digest,
        };
        Signer::new(Backend::Dalek).sign(&self.secrets, &[job], &mut signatures);
        signatures[0]
    }

    /// What a claim becomes whose signature is genuine.
    pub(super) fn verify<T: Signed>(&self, claim: T) -> Verified<T> {
        let mut verdicts = Vec::new();
        Verifier::new(Backend::Dalek).verify(&self.ring, &mut vec![claim], &mut verdicts);
        verdicts
            .pop()
            .and_then(Result::ok)
            .expect("a genuine signature")
    }

    pub(super) fn verifies<T: Signed>(&self, claim: T) -> bool {
        let mut verdicts = Vec::new();
        Verifier::new(Backend::Dalek).verify(&self.ring, &mut vec![claim], &mut verdicts);
        verdicts[0].is_ok()
    }
}
