//! One tower, very many clients: every stale close is answered within the window, under Layer 1's
//! own limits, from the tower's account, and whatever the age of its data the client loses nothing.

use duet_engine::crypto::{
    Backend, BackendChoice, Digest, PublicKey, SecretKey, SignJob, Signature, Signer, link,
};
use duet_engine::l1::{
    Chain, Config, Executed, Genesis, Opening, Receipt, SignedTransaction, SubmitError, Transaction,
};
use duet_engine::protocol::{
    Amount, ChannelId, CoSigned, Entry, Pair, Party, Post, Terms, state_digest,
};
use duet_engine::watchtower::{HandOverError, Report, Watchtower};

const ALICE: u32 = 0;
const BOB: u32 = 1;
const TOWER: u32 = 2;

/// Channels between Alice, who cheats, and Bob, who is offline: 100 from Alice, and each payment
/// moves 10 to Bob.
struct World {
    chain: Chain,
    secrets: Vec<SecretKey>,
    signer: Signer,
    channels: Vec<ChannelId>,
    window: u32,
    receipts: Vec<Receipt>,
}

impl World {
    fn new(config: Config, channels: usize, window: u32) -> World {
        let backend = Backend::select(BackendChoice::Auto).expect("there is always one");
        let secrets: Vec<SecretKey> = (1..4).map(|n| SecretKey::from_seed(&[n; 32])).collect();
        let genesis: Genesis = Genesis {
            label: "tower".to_owned(),
            allocations: secrets
                .iter()
                .map(|secret| (secret.public(), Amount::new(1 << 40)))
                .collect(),
        };
        let mut world = World {
            chain: Chain::new(config, &genesis, backend).expect("a sound set-up"),
            secrets,
            signer: Signer::new(backend),
            channels: Vec::new(),
            window,
            receipts: Vec::new(),
        };
        world.open(channels);
        world
    }

    fn key(&self, who: u32) -> PublicKey {
        self.secrets[who as usize].public()
    }

    fn tower(&self) -> Watchtower {
        let backend = Backend::select(BackendChoice::Auto).expect("there is always one");
        Watchtower::new(
            backend,
            *self.chain.genesis(),
            SecretKey::from_seed(&[3; 32]),
        )
    }

    fn open(&mut self, channels: usize) {
        let mut nonce = 0;
        while self.channels.len() < channels {
            let count = (channels - self.channels.len()).min(Transaction::MOST_ITEMS);
            let opening = Opening {
                peer: self.key(BOB),
                deposits: Pair {
                    a: Amount::new(100),
                    b: Amount::ZERO,
                },
                challenge_window_blocks: self.window,
                reserve: Amount::ZERO,
            };
            for index in 0..count as u32 {
                let terms = Terms {
                    genesis: *self.chain.genesis(),
                    nonce,
                    index,
                    keys: Pair {
                        a: self.key(ALICE),
                        b: self.key(BOB),
                    },
                    deposits: opening.deposits,
                    challenge_window_blocks: self.window,
                    reserve: Amount::ZERO,
                };
                self.channels.push(terms.channel_id());
            }
            let batch = Transaction::OpenBatch {
                opener: self.key(ALICE),
                nonce,
                channels: vec![opening; count],
            };
            let bytes = self.signed(ALICE, vec![batch]);
            self.chain.submit(0, &bytes[0]).expect("room for one");
            self.chain.seal(&mut self.receipts);
            nonce += 1;
        }
        for channel in &self.channels {
            assert!(self.chain.channel(channel).is_some());
        }
        self.receipts.clear();
    }

    fn signatures(&mut self, jobs: &[SignJob]) -> Vec<Signature> {
        let mut signatures = Vec::new();
        self.signer.sign(&self.secrets, jobs, &mut signatures);
        signatures
    }

    fn signed(&mut self, who: u32, transactions: Vec<Transaction>) -> Vec<Vec<u8>> {
        let genesis = *self.chain.genesis();
        let jobs: Vec<SignJob> = transactions
            .iter()
            .map(|transaction| SignJob {
                secret: who,
                digest: transaction.digest(&genesis),
            })
            .collect();
        let signatures = self.signatures(&jobs);
        transactions
            .into_iter()
            .zip(signatures)
            .map(|(transaction, signature)| {
                let mut bytes = Vec::new();
                SignedTransaction::new(transaction, signature, None).encode(&mut bytes);
                bytes
            })
            .collect()
    }

    /// The co-signed state of this version of every channel.
    fn states(&mut self, version: u64) -> Vec<(ChannelId, CoSigned)> {
        let entry = |version: u64| {
            let entry = Entry {
                version,
                amount: Amount::new(10),
                balance_a: Amount::new(100 - 10 * version),
                payer: Party::A,
                tag: 0,
            };
            entry.encode()
        };
        let channels = self.channels.clone();
        let previous: Vec<Digest> = channels
            .iter()
            .map(|channel| (1..version).fold(channel.0, |head, v| link(&head, &entry(v))))
            .collect();
        let jobs: Vec<SignJob> = channels
            .iter()
            .zip(&previous)
            .flat_map(|(channel, previous)| {
                let digest = state_digest(channel, &link(previous, &entry(version)));
                [ALICE, BOB].map(|secret| SignJob { secret, digest })
            })
            .collect();
        let signatures = self.signatures(&jobs);
        let (pairs, []) = signatures.as_chunks::<2>() else {
            unreachable!("two a channel")
        };
        channels
            .into_iter()
            .zip(previous)
            .zip(pairs)
            .map(|((channel, previous), &[a, b])| {
                let proof = CoSigned {
                    previous,
                    entry: entry(version),
                    signatures: Pair { a, b },
                };
                (channel, proof)
            })
            .collect()
    }

    /// Alice posts this in every channel.
    fn posts(&mut self, who: u32, states: &[(ChannelId, CoSigned)]) -> Vec<Vec<u8>> {
        let submitter = self.key(who);
        let posts = states.iter().map(|(channel, proof)| Transaction::Post {
            submitter,
            post: Post {
                channel: *channel,
                shown: Some(*proof),
                offer: None,
            },
        });
        let posts = posts.collect();
        self.signed(who, posts)
    }

    fn balance(&self, who: u32) -> u64 {
        let account = self.chain.account(&self.key(who)).expect("an account");
        account.balance.units()
    }
}

/// The tower's tickets have this bit.
const TOWERS: u64 = 1 << 63;

/// Alice closes every channel with version 1, as fast as Layer 1 takes them; the tower has version
/// `held`. Runs until all that is submitted is in a block; then everyone is paid out.
fn stale_closes(config: Config, channels: usize, window: u32, held: u64) -> (Report, [u64; 3]) {
    let mut world = World::new(config, channels, window);
    let mut tower = world.tower();
    let proofs = world.states(held);
    let record = |channel: &ChannelId| world.chain.channel(channel);
    let verdicts = tower.hand_over(&proofs, record);
    assert!(verdicts.iter().all(Result::is_ok));
    assert!(tower.client_bytes() <= 256 * channels.max(10_000));

    let before = [ALICE, BOB, TOWER].map(|who| world.balance(who));
    let stale = world.states(1);
    let mut waiting = world.posts(ALICE, &stale).into_iter().peekable();
    let first = world.chain.height() + 1;
    let mut answered = 0;
    let mut last_answer = first;
    while waiting.peek().is_some() || answered < channels {
        while let Some(bytes) = waiting.peek() {
            match world.chain.submit(0, bytes) {
                Ok(()) => waiting.next(),
                Err(SubmitError::MempoolFull { .. }) => break,
                Err(error) => panic!("{error}"),
            };
        }
        tower.submit(|bytes| world.chain.submit(TOWERS, bytes));
        let header = world.chain.seal_even_empty(&mut world.receipts);
        assert!(header.transactions <= config.block_transactions);
        tower.read(world.chain.notices());
        for receipt in world.receipts.drain(..) {
            if receipt.ticket == TOWERS {
                tower.receipt(&receipt);
                if matches!(receipt.outcome, Ok(Executed::Posted { .. })) {
                    answered += 1;
                    last_answer = receipt.height;
                }
            } else {
                assert!(matches!(receipt.outcome, Ok(Executed::Posted { .. })));
            }
        }
        assert!(
            world.chain.height() < first + u64::from(window) + 1,
            "{answered} of {channels} answered within the window"
        );
    }
    println!(
        "{channels} stale closes answered in {} blocks",
        last_answer - first + 1
    );

    while world.chain.height() < last_answer + u64::from(window) {
        world.chain.seal_even_empty(&mut world.receipts);
    }
    let submitter = world.key(TOWER);
    let payouts = world
        .channels
        .iter()
        .map(|&channel| Transaction::Payout { submitter, channel });
    let payouts = payouts.collect();
    for bytes in world.signed(TOWER, payouts) {
        while world.chain.submit(0, &bytes).is_err() {
            world.chain.seal(&mut world.receipts);
        }
    }
    while world.chain.pending() > 0 {
        world.chain.seal(&mut world.receipts);
        tower.read(world.chain.notices());
    }
    for receipt in world.receipts.drain(..) {
        let Ok(Executed::PaidOut { forfeited, .. }) = receipt.outcome else {
            panic!("{receipt:?}");
        };
        assert_eq!(forfeited, Some(Party::A));
    }
    world.chain.recount().expect("supply is conserved");
    let after = [ALICE, BOB, TOWER].map(|who| world.balance(who));
    let gains = [0, 1, 2].map(|who| after[who].wrapping_sub(before[who]));
    (tower.report().clone(), gains)
}

fn check(config: Config, channels: usize, window: u32) {
    let (report, [alice, bob, tower]) = stale_closes(config, channels, window, 5);
    let all = channels as u64;
    assert_eq!(report.handed_over, all);
    assert_eq!((report.answers, report.included), (all, all));
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    // Alice forfeits all that she had locked; each post and payout costs a fee of 1.
    assert_eq!(bob, 100 * all);
    assert_eq!(alice, 0_u64.wrapping_sub(all));
    assert_eq!(tower, 0_u64.wrapping_sub(2 * all));
}

#[test]
fn every_stale_close_is_answered_within_the_window() {
    let config = Config {
        block_transactions: 286,
        mempool_transactions: 2_000,
        ..Config::default()
    };
    check(config, 5_000, 144);
}

/// 100,000 at once against the default limits: blocks of 2,857, a window of 144. Takes a while
/// without lanes: `cargo test --release -p duet-engine --test watchtower -- --ignored --nocapture`.
#[test]
#[ignore = "a minute or more without lanes"]
fn a_hundred_thousand_stale_closes_are_answered_within_one_window() {
    check(Config::default(), 100_000, 144);
}

/// What the tower has may be old: then it proves less, and costs nothing either.
#[test]
fn old_data_costs_the_client_nothing() {
    let mut world = World::new(Config::default(), 1, 5);
    let mut tower = world.tower();
    let [old, newest, stale] = [3, 7, 1].map(|version| world.states(version));
    let record = |channel: &ChannelId| world.chain.channel(channel);
    assert_eq!(tower.hand_over(&old, record), [Ok(())]);
    let mut submit = |world: &mut World, who, states: &[(ChannelId, CoSigned)]| {
        let bytes = world.posts(who, states);
        world.chain.submit(0, &bytes[0]).expect("room");
        world.chain.seal_even_empty(&mut world.receipts);
        tower.read(world.chain.notices());
        tower.submit(|bytes| world.chain.submit(TOWERS, bytes));
        world.chain.seal_even_empty(&mut world.receipts);
        tower.read(world.chain.notices());
    };
    submit(&mut world, ALICE, &stale);
    submit(&mut world, BOB, &newest);
    assert_eq!(tower.report().answers, 1, "the newest needs no answer");
    let dispute = world
        .chain
        .channel(&world.channels[0])
        .and_then(|c| c.dispute());
    let dispute = dispute.expect("disputed");
    assert_eq!((dispute.highest(), dispute.forfeits()), (7, Some(Party::A)));
}

#[test]
fn a_proof_is_taken_in_if_it_is_newer_and_genuine() {
    let mut world = World::new(Config::default(), 2, 5);
    let mut tower = world.tower();
    let (second, third) = (world.states(2), world.states(3));
    let mut forged = third.clone();
    forged[0].1.signatures.b.0[5] ^= 1;
    let mut elsewhere = third.clone();
    elsewhere[1].0.0.0[0] ^= 1;
    let mut zero = third.clone();
    zero[0].1.entry[..8].fill(0);
    let (stays, unknown) = (
        HandOverError::NotNewer { have: 2, got: 2 },
        HandOverError::UnknownChannel {
            channel: elsewhere[1].0,
        },
    );
    let bad = HandOverError::BadSignature { party: Party::B };
    let record = |channel: &ChannelId| world.chain.channel(channel);
    for (proofs, expected) in [
        (&second, [Ok(()), Ok(())]),
        (&second, [Err(stays), Err(stays)]),
        (&zero, [Err(HandOverError::VersionZero), Ok(())]),
        (&elsewhere, [Ok(()), Err(unknown)]),
        (
            &forged,
            [
                Err(HandOverError::NotNewer { have: 3, got: 3 }),
                Err(HandOverError::NotNewer { have: 3, got: 3 }),
            ],
        ),
    ] {
        assert_eq!(tower.hand_over(proofs, record), expected);
    }
    let mut tower = world.tower();
    assert_eq!(tower.hand_over(&forged, record), [Err(bad), Ok(())]);
    assert_eq!(tower.clients(), 1);
    // A hub's own account would post as the hub.
    let backend = Backend::select(BackendChoice::Auto).expect("there is always one");
    let secret = SecretKey::from_seed(&[2; 32]);
    let mut hub = Watchtower::new(backend, *world.chain.genesis(), secret);
    let own = Err(HandOverError::OwnChannel { party: Party::B });
    assert_eq!(hub.hand_over(&third, record), [own, own]);
}
