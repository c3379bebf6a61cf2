//! A burst of payments in each of 16 channels, leg by leg, without what signs and verifies.
//!
//! One proposal of 100 payments and one of 1 in each channel, so that the cost of an entry and that
//! of a proposal are both in a count.

use duet_engine::crypto::{
    Backend, Digest, KeyRing, SecretKey, SignJob, Signature, Signed, Signer, Verified, Verifier,
};
use duet_engine::protocol::{
    AcknowledgementClaim, Amount, Answer, Burst, Endpoint, Message, Pair, Party, Payment,
    ProposalClaim, Rules, Terms, WindowPool,
};

const CHANNELS: usize = 16;
const PROPOSALS: [usize; 2] = [100, 1];
const RULES: Rules = Rules {
    cosign_every: 100,
    in_flight: 64,
};

/// Both parties' keys, which all channels share.
struct Keys {
    secrets: [SecretKey; 2],
    ring: KeyRing,
    signer: Signer,
    verifier: Verifier,
}

impl Keys {
    fn sign(&mut self, by: Party, digests: impl Iterator<Item = Digest>) -> Vec<Signature> {
        let secret = by as u32;
        let jobs: Vec<SignJob> = digests.map(|digest| SignJob { secret, digest }).collect();
        let mut signatures = Vec::new();
        self.signer.sign(&self.secrets, &jobs, &mut signatures);
        signatures
    }

    fn verify<T: Signed>(&mut self, mut claims: Vec<T>) -> Vec<Verified<T>> {
        let mut verdicts = Vec::new();
        self.verifier.verify(&self.ring, &mut claims, &mut verdicts);
        let genuine = verdicts
            .into_iter()
            .filter_map(Result::ok)
            .collect::<Vec<_>>();
        assert_eq!(genuine.len(), CHANNELS * PROPOSALS.len(), "all are genuine");
        genuine
    }
}

fn start() -> (Keys, Vec<Endpoint>, Vec<Endpoint>) {
    let secrets = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]));
    let [a, b] = [&secrets[0], &secrets[1]].map(SecretKey::public);
    let mut ring = KeyRing::new(Backend::Dalek);
    let [id_a, id_b] = [a, b].map(|key| ring.insert(key).expect("a sound key"));
    let ends = (0..CHANNELS as u64).map(|nonce| {
        let terms = Terms {
            genesis: Digest([7; 32]),
            nonce,
            index: 0,
            keys: Pair { a, b },
            deposits: Pair {
                a: Amount::new(1 << 40),
                b: Amount::ZERO,
            },
            challenge_window_blocks: 144,
            reserve: Amount::ZERO,
        };
        let end = |me, peer| Endpoint::new(me, &terms, peer, RULES).expect("sound terms");
        (end(Party::A, id_b), end(Party::B, id_a))
    });
    let (payers, payees) = ends.unzip();
    let keys = Keys {
        secrets,
        ring,
        signer: Signer::new(Backend::Dalek),
        verifier: Verifier::new(Backend::Dalek),
    };
    (keys, payers, payees)
}

/// One for each channel, with room for its messages: growing is no part of a kernel.
fn wires(bytes: usize) -> Vec<Vec<u8>> {
    (0..CHANNELS).map(|_| Vec::with_capacity(bytes)).collect()
}

/// The payers are about to propose.
pub struct Proposing {
    keys: Keys,
    payers: Vec<Endpoint>,
    payees: Vec<Endpoint>,
    burst: Burst,
    windows: WindowPool,
    /// One for each proposal; of nothing until somebody wants genuine ones.
    signatures: Vec<Signature>,
    wires: Vec<Vec<u8>>,
}

impl Default for Proposing {
    fn default() -> Self {
        let (keys, payers, payees) = start();
        Self {
            keys,
            payers,
            payees,
            burst: Burst::with_room(CHANNELS * PROPOSALS.iter().sum::<usize>()),
            windows: WindowPool::new(),
            signatures: vec![Signature([0; 64]); CHANNELS * PROPOSALS.len()],
            wires: wires(1 << 13),
        }
    }
}

impl Proposing {
    /// Entries are made and hashed, orders given, and proposals encoded.
    #[must_use]
    pub fn run(mut self) -> Proposed {
        self.make_entries();
        self.send();
        Proposed(self)
    }

    fn make_entries(&mut self) {
        let payment = Payment {
            payer: Party::A,
            amount: Amount::new(3),
            tag: 1,
        };
        for payer in &self.payers {
            self.burst.begin(payer);
            for payments in PROPOSALS {
                for _ in 0..payments {
                    self.burst.pay(&payment).expect("within the balance");
                }
                self.burst.cut();
            }
        }
        self.burst.hash();
    }

    fn send(&mut self) {
        let states = self.burst.states().chunks(PROPOSALS.len());
        let signatures = self.signatures.chunks(PROPOSALS.len());
        let ends = self.payers.iter_mut().zip(&mut self.wires);
        for ((states, signatures), (payer, wire)) in states.zip(signatures).zip(ends) {
            for (state, signature) in states.iter().zip(signatures) {
                let order = payer.propose(state, false).expect("its turn");
                payer.proposed(
                    &order,
                    state,
                    &self.burst,
                    *signature,
                    &mut self.windows,
                    wire,
                );
            }
        }
    }
}

/// The payers have proposed.
pub struct Proposed(Proposing);

impl Proposed {
    /// Bytes on all wires.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.wires.iter().map(Vec::len).sum()
    }
}

/// Genuine proposals are about to be read.
pub struct Receiving {
    before: Proposing,
    burst: Burst,
    claims: Vec<ProposalClaim>,
}

impl Default for Receiving {
    fn default() -> Self {
        let mut before = Proposing::default();
        before.make_entries();
        let digests: Vec<Digest> = before
            .burst
            .states()
            .iter()
            .map(|state| *state.digest())
            .collect();
        before.signatures = before.keys.sign(Party::A, digests.into_iter());
        before.send();
        Self {
            before,
            burst: Burst::with_room(CHANNELS * PROPOSALS.iter().sum::<usize>()),
            claims: Vec::with_capacity(CHANNELS * PROPOSALS.len()),
        }
    }
}

impl Receiving {
    /// Proposals are decoded, their entries made payment by payment, and hashed by the payees
    /// themselves.
    #[must_use]
    pub fn run(mut self) -> Received {
        let mut signatures = Vec::with_capacity(CHANNELS * PROPOSALS.len());
        for (payee, wire) in self.before.payees.iter().zip(&self.before.wires) {
            self.burst.begin(payee);
            let mut bytes = &wire[..];
            while !bytes.is_empty() {
                let (message, rest) = Message::decode_first(bytes).expect("whole messages");
                let Message::Proposal {
                    payments,
                    signature,
                    ..
                } = message
                else {
                    unreachable!("payers propose")
                };
                payee
                    .receive_proposal(&payments, &signature, &mut self.burst)
                    .expect("honest payments");
                signatures.push(signature);
                bytes = rest;
            }
        }
        self.burst.hash();
        let states = self.burst.states().chunks(PROPOSALS.len());
        let signatures = signatures.chunks(PROPOSALS.len());
        for ((payee, states), signatures) in self.before.payees.iter().zip(states).zip(signatures) {
            for (state, signature) in states.iter().zip(signatures) {
                self.claims.push(payee.claim(state, *signature, false));
            }
        }
        Received(self)
    }
}

/// The payees claim what was proposed.
pub struct Received(Receiving);

impl Received {
    /// How many proposals.
    #[must_use]
    pub fn claims(&self) -> usize {
        self.0.claims.len()
    }
}

/// Verified proposals are about to be accepted.
pub struct CoSigning {
    before: Proposing,
    claims: Vec<Verified<ProposalClaim>>,
    /// One for each proposal, or placeholders.
    signatures: Vec<Signature>,
    wires: Vec<Vec<u8>>,
}

impl Default for CoSigning {
    fn default() -> Self {
        let Received(Receiving {
            mut before, claims, ..
        }) = Receiving::default().run();
        let digests: Vec<Digest> = claims.iter().map(|claim| *claim.signed().1).collect();
        let signatures = before.keys.sign(Party::B, digests.into_iter());
        Self {
            claims: before.keys.verify(claims),
            before,
            signatures,
            wires: wires(1 << 10),
        }
    }
}

impl CoSigning {
    /// Payments are counted, orders given, and answers encoded.
    #[must_use]
    pub fn run(mut self) -> CoSigned {
        let ends = self.before.payees.iter_mut().zip(&mut self.wires);
        let mut claims = self.claims.drain(..);
        let mut signatures = self.signatures.iter();
        for (payee, wire) in ends {
            for _ in PROPOSALS {
                let claim = claims.next().expect("one for each proposal");
                let order = payee.accept(claim).expect("an honest proposal");
                let signature = signatures.next().expect("one for each proposal");
                payee.co_signed(&order, *signature).encode(wire);
            }
        }
        drop(claims);
        CoSigned(self)
    }
}

/// The payees have answered.
pub struct CoSigned(CoSigning);

impl CoSigned {
    /// Payments that all payees count as received.
    #[must_use]
    pub fn counted(&self) -> u64 {
        self.0.before.payees.iter().map(Endpoint::counted).sum()
    }
}

/// Verified answers are about to complete what was proposed.
pub struct Completing {
    before: Proposing,
    wires: Vec<Vec<u8>>,
    claims: Vec<Verified<AcknowledgementClaim>>,
}

impl Default for Completing {
    fn default() -> Self {
        let CoSigned(CoSigning {
            mut before, wires, ..
        }) = CoSigning::default().run();
        let claims = answers(&before.payers, &wires);
        Self {
            claims: before.keys.verify(claims),
            before,
            wires,
        }
    }
}

fn answers(payers: &[Endpoint], wires: &[Vec<u8>]) -> Vec<AcknowledgementClaim> {
    let mut claims = Vec::with_capacity(CHANNELS * PROPOSALS.len());
    for (payer, wire) in payers.iter().zip(wires) {
        let mut bytes = &wire[..];
        while !bytes.is_empty() {
            let (message, rest) = Message::decode_first(bytes).expect("whole messages");
            let Message::Acknowledgement { version, signature } = message else {
                unreachable!("payees answer")
            };
            let Ok(Answer::New(claim)) = payer.receive_acknowledgement(version, signature) else {
                unreachable!("each answer is of a proposal in flight")
            };
            claims.push(claim);
            bytes = rest;
        }
    }
    claims
}

impl Completing {
    /// Answers are decoded and found, and proposals completed; gives the payments that the payers
    /// then hold co-signed.
    #[must_use]
    pub fn run(mut self) -> u64 {
        let found = answers(&self.before.payers, &self.wires);
        assert_eq!(found.len(), self.claims.len());
        let mut claims = self.claims.drain(..);
        let mut completed = 0;
        for payer in &mut self.before.payers {
            for _ in PROPOSALS {
                let claim = claims.next().expect("one for each proposal");
                let done = payer
                    .acknowledged(claim, &mut self.before.windows)
                    .expect("an honest answer");
                completed += done.version - done.after;
            }
        }
        completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYMENTS: u64 = CHANNELS as u64 * 101;

    #[test]
    fn each_leg_does_its_part_for_every_payment() {
        assert!(Proposing::default().run().bytes() > PAYMENTS as usize);
        let received = Receiving::default().run();
        assert_eq!(received.claims(), CHANNELS * PROPOSALS.len());
        assert_eq!(CoSigning::default().run().counted(), PAYMENTS);
        assert_eq!(Completing::default().run(), PAYMENTS);
    }
}
