//! Many channels in one batch: what one peer does costs its own channel and no other, and nothing
//! that is verified for one channel counts in another.

use duet_engine::crypto::{
    Backend, Forged, KeyRing, SecretKey, SignJob, Signature, Signer, Verified, Verifier,
};
use duet_engine::protocol::{AcknowledgementClaim, Amount, FinalClaim, PackedPayments};
use duet_engine::protocol::{
    Answer, Burst, Endpoint, Entry, Incoming, Message, Party, Payment, ProposalClaim, Rejection,
    Rules, SignOrder, WindowPool,
};

use super::duo::terms;

/// Channels of the same two parties, each with both ends.
struct Hub {
    a: Vec<Endpoint>,
    b: Vec<Endpoint>,
    secrets: [SecretKey; 2],
    ring: KeyRing,
    signer: Signer,
    verifier: Verifier,
    payers: Burst,
    payees: Burst,
    windows: WindowPool,
}

type Verdicts<T> = Vec<Result<Verified<T>, Forged<T>>>;

impl Hub {
    fn open(channels: u32, rules: Rules) -> Hub {
        let (terms, secrets) = terms([1, 2], [1000, 1000], 0);
        let mut ring = KeyRing::new(Backend::Dalek);
        let [a, b] = [terms.keys.a, terms.keys.b].map(|key| ring.insert(key).expect("sound"));
        let open = |me, peer| {
            let terms = |index| duet_engine::protocol::Terms { index, ..terms };
            (0..channels)
                .map(|index| Endpoint::new(me, &terms(index), peer, rules).expect("sound"))
                .collect()
        };
        Hub {
            a: open(Party::A, b),
            b: open(Party::B, a),
            secrets,
            ring,
            signer: Signer::new(Backend::Dalek),
            verifier: Verifier::new(Backend::Dalek),
            payers: Burst::default(),
            payees: Burst::default(),
            windows: WindowPool::new(),
        }
    }

    fn sign(&mut self, by: Party, orders: &[SignOrder]) -> Vec<Signature> {
        let secret = by as u32;
        let jobs: Vec<SignJob> = orders
            .iter()
            .map(|order| SignJob {
                secret,
                digest: *order.digest(),
            })
            .collect();
        let mut signatures = Vec::new();
        self.signer.sign(&self.secrets, &jobs, &mut signatures);
        signatures
    }

    /// A proposes so many payments in every channel, one entry a state; gives each channel's bytes.
    fn propose(&mut self, payments: usize) -> Vec<Vec<u8>> {
        self.payers.clear();
        for end in &self.a {
            self.payers.begin(end);
            for _ in 0..payments {
                let payment = Payment {
                    payer: Party::A,
                    amount: Amount::new(1),
                    tag: 0,
                };
                self.payers.pay(&payment).expect("a valid payment");
                self.payers.cut();
            }
        }
        self.payers.hash();
        let states = self.payers.states().to_vec();
        let orders: Vec<SignOrder> = states
            .iter()
            .enumerate()
            .map(|(i, state)| {
                self.a[i / payments]
                    .propose(state, false)
                    .expect("its turn")
            })
            .collect();
        let signatures = self.sign(Party::A, &orders);
        let mut wires = vec![Vec::new(); self.a.len()];
        for (i, ((state, order), signature)) in
            states.iter().zip(&orders).zip(signatures).enumerate()
        {
            self.a[i / payments].proposed(
                order,
                state,
                &self.payers,
                signature,
                &mut self.windows,
                &mut wires[i / payments],
            );
        }
        wires
    }

    /// B's ends check what arrived in all channels and have it verified in one batch; gives each
    /// claim's channel and verdict.
    fn receive(&mut self, wires: &[Vec<u8>]) -> (Vec<usize>, Verdicts<ProposalClaim>) {
        self.payees.clear();
        let (mut owners, mut signed) = (Vec::new(), Vec::new());
        for (channel, wire) in wires.iter().enumerate() {
            let end = &self.b[channel];
            self.payees.begin(end);
            let mut rest = &wire[..];
            while let Ok((
                Message::Proposal {
                    payments,
                    signature,
                    pass,
                },
                left,
            )) = Message::decode_first(rest)
            {
                let incoming = end.receive_proposal(&payments, &signature, &mut self.payees);
                assert_eq!(incoming, Ok(Incoming::New));
                owners.push(channel);
                signed.push((signature, pass));
                rest = left;
            }
        }
        self.payees.hash();
        let mut claims: Vec<ProposalClaim> = self
            .payees
            .states()
            .iter()
            .zip(signed)
            .zip(&owners)
            .map(|((state, (signature, pass)), &owner)| self.b[owner].claim(state, signature, pass))
            .collect();
        let mut verdicts = Vec::new();
        self.verifier.verify(&self.ring, &mut claims, &mut verdicts);
        (owners, verdicts)
    }
}

#[test]
fn a_forged_signature_anywhere_in_a_burst_stops_its_own_channel_from_there_on() {
    const CHANNELS: usize = 12;
    const BURST: usize = 5;
    let rules = Rules {
        cosign_every: 1,
        in_flight: BURST as u32,
    };
    for position in 0..BURST {
        let mut hub = Hub::open(CHANNELS as u32, rules);
        let culprit = 2 * position + 1;
        let mut wires = hub.propose(BURST);
        let each = wires[culprit].len() / BURST;
        wires[culprit][each * (position + 1) - 1 - position] ^= 1;
        let (owners, verdicts) = hub.receive(&wires);
        let mut accepted = [0; CHANNELS];
        for (channel, verdict) in owners.into_iter().zip(verdicts) {
            let end = &mut hub.b[channel];
            let version = accepted[channel] + 1;
            match verdict {
                Ok(claim) => match end.accept(claim) {
                    Ok(order) => {
                        assert_eq!(order.payments(), 1);
                        accepted[channel] = version;
                    }
                    Err(rejection) => {
                        // A later one of the culprit's: what it extends was never accepted.
                        assert_eq!(channel, culprit);
                        let got = claim.get().version();
                        let expected = position as u64 + 1;
                        assert_eq!(rejection, Rejection::WrongVersion { expected, got });
                    }
                },
                Err(Forged(claim)) => {
                    assert_eq!((channel, claim.version()), (culprit, position as u64 + 1));
                }
            }
        }
        for (channel, end) in hub.b.iter().enumerate() {
            let expected = if channel == culprit { position } else { BURST } as u64;
            assert_eq!(accepted[channel], expected, "channel {channel}");
            assert_eq!(end.counted(), expected, "channel {channel}");
            assert_eq!(end.signed().version(), expected, "channel {channel}");
        }
    }
}

/// The digest that was verified is of one channel: its id is in every log head. Between channels
/// of the same parties, with the same payments at the same versions, nothing carries over.
#[test]
fn nothing_verified_for_one_channel_counts_in_another() {
    let rules = Rules {
        cosign_every: 1,
        in_flight: 2,
    };
    let mut hub = Hub::open(2, rules);
    let wires = hub.propose(1);
    let (_, verdicts) = hub.receive(&wires);
    let [Ok(first), Ok(second)] = verdicts[..] else {
        panic!("both are genuine");
    };

    // A proposal.
    let seen = |end: &Endpoint| {
        (
            end.signed(),
            end.held_version(),
            end.peers_signature().copied(),
            end.counted(),
        )
    };
    let before = seen(&hub.b[1]);
    let elsewhere = Rejection::BrokenChain { version: 0 };
    assert_eq!(hub.b[1].accept(first).err(), Some(elsewhere));
    assert_eq!(seen(&hub.b[1]), before);
    // Its own counts, once.
    let orders = [
        hub.b[0].accept(first).expect("its own"),
        hub.b[1].accept(second).expect("its own"),
    ];
    let again = Rejection::WrongVersion {
        expected: 2,
        got: 1,
    };
    assert_eq!(hub.b[0].accept(first).err(), Some(again));
    assert_eq!(hub.b[0].counted(), 1);

    // An answer.
    let mut answers: Vec<AcknowledgementClaim> = Vec::new();
    for (channel, order) in orders.iter().enumerate() {
        let job = SignJob {
            secret: 1,
            digest: *order.digest(),
        };
        let mut signatures = Vec::new();
        hub.signer.sign(&hub.secrets, &[job], &mut signatures);
        let Message::Acknowledgement { version, signature } =
            hub.b[channel].co_signed(order, signatures[0])
        else {
            panic!("an answer");
        };
        let Ok(Answer::New(claim)) = hub.a[channel].receive_acknowledgement(version, signature)
        else {
            panic!("a new answer");
        };
        answers.push(claim);
    }
    let mut verdicts: Verdicts<AcknowledgementClaim> = Vec::new();
    hub.verifier.verify(&hub.ring, &mut answers, &mut verdicts);
    let [Ok(first), Ok(second)] = verdicts[..] else {
        panic!("both are genuine");
    };
    let before = seen(&hub.a[1]);
    let elsewhere = Rejection::BrokenChain { version: 1 };
    let Hub { a, windows, .. } = &mut hub;
    assert_eq!(a[1].acknowledged(first, windows), Err(elsewhere));
    assert_eq!((seen(&a[1]), a[1].in_flight()), (before, 1));
    assert!(a[0].acknowledged(first, windows).is_ok());
    assert!(a[1].acknowledged(second, windows).is_ok());

    // A final, and its answer.
    let mut finals: Vec<FinalClaim> = Vec::new();
    for channel in 0..2 {
        let order = hub.a[channel].finish().expect("its turn");
        let signature = hub.sign(Party::A, std::slice::from_ref(&order))[0];
        let Message::Final { version, signature } = hub.a[channel].finish_signed(&order, signature)
        else {
            panic!("a final");
        };
        finals.push(
            hub.b[channel]
                .receive_final(version, signature)
                .expect("sound"),
        );
    }
    let mut verdicts: Verdicts<FinalClaim> = Vec::new();
    hub.verifier.verify(&hub.ring, &mut finals, &mut verdicts);
    let [Ok(first), Ok(second)] = verdicts[..] else {
        panic!("both are genuine");
    };
    assert_eq!(hub.b[1].accept_final(&first).err(), Some(elsewhere));
    let mut answers: Vec<FinalClaim> = Vec::new();
    for (channel, claim) in [first, second].iter().enumerate() {
        let order = hub.b[channel].accept_final(claim).expect("its own");
        let signature = hub.sign(Party::B, std::slice::from_ref(&order))[0];
        let Message::FinalAcknowledgement { version, signature } =
            hub.b[channel].final_signed(&order, claim, signature)
        else {
            panic!("an answer");
        };
        let answer = hub.a[channel].receive_final_acknowledgement(version, signature);
        answers.push(answer.expect("sound"));
    }
    let mut verdicts: Verdicts<FinalClaim> = Vec::new();
    hub.verifier.verify(&hub.ring, &mut answers, &mut verdicts);
    let [Ok(first), Ok(second)] = verdicts[..] else {
        panic!("both are genuine");
    };
    assert_eq!(hub.a[1].finish_acknowledged(&first), Err(elsewhere));
    assert_eq!(hub.a[1].peers_final(), None);
    assert_eq!(hub.a[0].finish_acknowledged(&first), Ok(()));
    assert_eq!(hub.a[1].finish_acknowledged(&second), Ok(()));
}

/// A state of one channel is refused by the payer's own endpoint of another one, too.
#[test]
fn a_state_of_another_channel_is_not_proposed() {
    let rules = Rules {
        cosign_every: 1,
        in_flight: 2,
    };
    let mut hub = Hub::open(2, rules);
    let payment = Payment {
        payer: Party::A,
        amount: Amount::new(1),
        tag: 5,
    };
    hub.payers.begin(&hub.a[0]);
    hub.payers.pay(&payment).expect("a valid payment");
    hub.payers.cut();
    hub.payers.hash();
    let state = hub.payers.states()[0];
    assert_eq!(Entry::decode(&hub.payers.entries_of(&state)[0]).tag, 5);
    let refused = hub.a[1].propose(&state, false).err();
    assert_eq!(refused, Some(Rejection::BrokenChain { version: 0 }));
    assert_eq!(hub.a[1].signed().version(), 0);
    assert!(hub.a[0].propose(&state, false).is_ok());
}

/// A payer's burst takes its own payments only: a state that raised the proposer's balance in
/// between would never come to be.
#[test]
fn a_burst_takes_no_payment_of_the_other_party() {
    let rules = Rules {
        cosign_every: 3,
        in_flight: 2,
    };
    let mut hub = Hub::open(1, rules);
    let payment = |payer, tag| Payment {
        payer,
        amount: Amount::new(1),
        tag,
    };
    hub.payers.begin(&hub.a[0]);
    for (payment, expected) in [
        (payment(Party::A, 0), Ok(())),
        (
            payment(Party::B, 0),
            Err(Rejection::NotThePayer { proposer: Party::A }),
        ),
        (
            payment(Party::A, 1 << 63),
            Err(Rejection::TagTooLarge { got: 1 << 63 }),
        ),
        (payment(Party::A, (1 << 63) - 1), Ok(())),
    ] {
        assert_eq!(hub.payers.pay(&payment), expected);
    }
    assert_eq!(hub.payers.uncut(), 2);
}

/// Until a signature is verified, nobody vouches for what was sent: what a party holds of it is
/// bounded by the proposals that may be in flight, whatever arrives together.
#[test]
fn unsigned_data_held_for_a_channel_is_bounded() {
    let rules = Rules {
        cosign_every: 3,
        in_flight: 2,
    };
    let mut hub = Hub::open(1, rules);
    hub.payees.begin(&hub.b[0]);
    let limits = *hub.a[0].limits();
    let mut balance = hub.a[0].signed().balance;
    let mut held = Vec::new();
    for _ in 0..1000 {
        let entries: Vec<_> = (0..3)
            .map(|_| {
                let payment = Payment {
                    payer: Party::A,
                    amount: Amount::new(1),
                    tag: 0,
                };
                let (entry, after) = balance.step(&payment, &limits).expect("covered");
                // Valid entries without end: only the signature under them is made up.
                balance = after;
                entry.encode()
            })
            .collect();
        let made_up = Signature([7; 64]);
        let packed = PackedPayments::of(&entries);
        held.push(hub.b[0].receive_proposal(&packed.payments(), &made_up, &mut hub.payees));
        if balance.a.units() < 10 {
            break;
        }
    }
    assert_eq!(held[..2], [Ok(Incoming::New), Ok(Incoming::New)]);
    let refused = Err(Rejection::TooManyInFlight { most: 2 });
    assert!(held.len() > 100 && held[2..].iter().all(|result| *result == refused));
    assert_eq!(hub.payees.entries(), 6, "2 proposals of 3 entries");
}
