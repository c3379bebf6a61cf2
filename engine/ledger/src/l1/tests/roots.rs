//! State roots: every block of every test that has one is held against a root made from scratch, by
//! the definition; every account and channel is proven; and no proof holds that is not exact.

use proptest::prelude::*;

use super::*;
use duet_channels::crypto::{Domain, hash};

/// Hashes pieces one after the other.
fn joined(domain: Domain, pieces: &[&[u8]]) -> [u8; 32] {
    hash(domain, &pieces.concat()).0
}

fn root_of(mut nodes: Vec<[u8; 32]>) -> [u8; 32] {
    nodes.resize(nodes.len().next_power_of_two(), [0; 32]);
    while nodes.len() > 1 {
        let parent = |two: &[[u8; 32]]| joined(Domain::TreeNode, &[&two[0], &two[1]]);
        nodes = nodes.chunks(2).map(parent).collect();
    }
    nodes[0]
}

fn channel_leaf(id: &ChannelId, channel: &ChannelRecord) -> [u8; 32] {
    let mut entries = vec![channel.keys.a.0, channel.keys.b.0];
    let mut terms = Vec::new();
    for amount in [
        channel.limits.capacity,
        channel.limits.reserve,
        channel.deposit_a,
    ] {
        terms.extend(amount.units().to_le_bytes());
    }
    terms.extend(channel.challenge_window_blocks.to_le_bytes());
    terms.extend([u8::from(channel.dispute().is_some()), 0, 0, 0]);
    if let Some(dispute) = channel.dispute() {
        let mut bytes = Vec::new();
        dispute.encode(&mut bytes);
        bytes.resize(96, 0);
        entries.extend(bytes.as_chunks().0);
    }
    entries.push(terms.try_into().unwrap());
    let link = |head: [u8; 32], entry: &[u8; 32]| joined(Domain::ChannelLeaf, &[&head, entry]);
    entries.iter().fold(id.0.0, link)
}

/// The root by its definition, from all that there is.
fn from_scratch(chain: &Chain) -> Digest {
    let ledger = chain.ledger();
    let [accounts, channels] = ledger.places();
    let account = |place: u32| {
        let row = ledger.account_at(place);
        let (balance, nonce) = row.account().map_or((0, u64::MAX), |account| {
            (account.balance.units(), account.nonce)
        });
        let numbers = [balance.to_le_bytes(), nonce.to_le_bytes()].concat();
        joined(Domain::AccountLeaf, &[&row.key.0, &numbers, &[0; 16]])
    };
    let channel = |place: u32| {
        let open = ledger.channel_at(place);
        open.map_or([0; 32], |(id, channel)| channel_leaf(&id, &channel))
    };
    let pieces: [&[u8]; 4] = [
        &root_of((0..accounts).map(account).collect()),
        &accounts.to_le_bytes(),
        &root_of((0..channels).map(channel).collect()),
        &channels.to_le_bytes(),
    ];
    Digest(joined(Domain::StateRoot, &pieces))
}

impl World {
    /// Checks what was just sealed, and proves all that there is.
    pub(super) fn check_root(&self, header: Option<&Header>) {
        let chain = &self.chain;
        let root = chain.state_root();
        assert_eq!(root.is_some(), chain.config().state_root);
        if let Some(header) = header {
            assert_eq!(header.state_root, root);
        }
        let load = chain.load();
        assert!(load.root_cpu_ns <= load.cpu_ns);
        let Some(root) = root else {
            assert_eq!(load.root_cpu_ns, 0);
            return;
        };
        assert_eq!(root, from_scratch(chain));
        let [accounts, channels] = chain.ledger().places();
        for place in 0..accounts {
            let row = chain.ledger().account_at(place);
            let proof = chain.prove_account(&row.key);
            let proven = proof.map(|proof| proof.verify(&root).expect("it holds"));
            assert_eq!(proven, row.account().map(|account| (row.key, *account)));
        }
        for place in 0..channels {
            if let Some((id, channel)) = chain.ledger().channel_at(place) {
                let proof = chain.prove_channel(&id).expect("it is open");
                assert_eq!(proof.verify(&root), Some((id, channel)));
            }
        }
    }
}

fn rooted() -> Config {
    Config {
        state_root: true,
        ..config()
    }
}

/// Three channels that are open, of which one is disputed, one place that is empty, and a party
/// without an account.
fn some(config: Config) -> (World, Vec<Terms>) {
    let mut world = World::new(config);
    let mut terms: Vec<Terms> = [(ALICE, 0, BOB, 0), (CAROL, 0, BOB, 7), (ALICE, 1, ERIN, 0)]
        .map(|(a, nonce, b, deposit)| world.terms(a, nonce, b, 100, deposit))
        .to_vec();
    terms.push(world.terms(ALICE, 2, CAROL, 50, 0));
    for one in &terms {
        world.submit(&world.open(one)).unwrap();
    }
    world.seal();
    let close = world.close(BOB, &terms[1], after(3, 60));
    let post = world.post(ALICE, &terms[2], after(2, 70), Some(after(4, 50)));
    for bytes in [close, post] {
        world.submit(&bytes).unwrap();
    }
    world.seal();
    terms.remove(1);
    (world, terms)
}

#[test]
fn what_is_not_there_is_not_proven() {
    let (world, _) = some(config());
    assert_eq!(world.chain.state_root(), None);
    assert_eq!(world.chain.prove_account(&world.key(ALICE)), None);
    let (world, terms) = some(rooted());
    let closed = world.terms(CAROL, 0, BOB, 100, 7);
    assert!(world.chain.prove_channel(&terms[0].channel_id()).is_some());
    assert_eq!(world.chain.prove_channel(&closed.channel_id()), None);
    // Erin is party to a channel, and has no account; nobody knows Frank.
    assert!(world.chain.prove_account(&world.key(DAN)).is_some());
    assert_eq!(world.chain.prove_account(&world.key(ERIN)), None);
    assert_eq!(world.chain.prove_account(&world.key(FRANK)), None);
}

#[test]
fn with_a_state_root_it_is_another_layer_1_whose_headers_are_longer() {
    let [(plain, _), (with, _)] = [config(), rooted()].map(some);
    assert_ne!(plain.chain.genesis(), with.chain.genesis());
    assert_eq!(config().scarcity(), []);
    let mut scarcity = vec![0; 94];
    scarcity.push(1);
    assert_eq!(rooted().scarcity(), scarcity);
    let [plain, with] = [plain, with].map(|world| world.chain.load().bytes);
    assert_eq!(with, plain + 2 * 32);

    let mut world = World::new(rooted());
    let genesis = world.chain.state_root().unwrap();
    assert_eq!(genesis, from_scratch(&world.chain));
    world.seal_block(true);
    assert_eq!(world.chain.state_root(), Some(genesis));
    world.submit(&world.transfer(ALICE, 0, BOB, 1)).unwrap();
    let header = world.seal().0.unwrap();
    assert_ne!(header.state_root, Some(genesis));
    let mut encoded = header.parent.0.to_vec();
    encoded.extend(header.height.to_le_bytes());
    encoded.extend(header.transactions.to_le_bytes());
    encoded.extend(header.body.0);
    encoded.extend(header.state_root.unwrap().0);
    assert_eq!((encoded.len(), header.bytes()), (108, 108));
    assert_eq!(header.hash, hash(Domain::Block, &encoded));
}

/// Its place is there from then on, and empty: the tree grows, and no leaf changes.
#[test]
fn a_channel_that_opens_and_closes_in_one_block_leaves_a_place() {
    let mut world = World::new(rooted());
    for nonce in 0..9 {
        let terms = world.terms(ALICE, 2 * nonce, BOB, 1, 0);
        world.submit(&world.open(&terms)).unwrap();
        let passing = world.terms(ALICE, 2 * nonce + 1, BOB, 1, 0);
        world.submit(&world.open(&passing)).unwrap();
        let close = world.close(BOB, &passing, State::Opening);
        world.submit(&close).unwrap();
        world.seal();
    }
    assert_eq!(world.chain.ledger().places()[1], 10);
}

#[test]
fn another_root_is_refused() {
    let (mut world, terms) = some(rooted());
    let account = world.chain.prove_account(&world.key(ALICE)).unwrap();
    let channel = (world.chain.prove_channel(&terms[1].channel_id())).unwrap();
    let root = world.chain.state_root().unwrap();
    for bit in 0..256 {
        let mut other = root;
        other.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(account.verify(&other), None);
        assert_eq!(channel.verify(&other), None);
    }
    // Old proofs hold for the old root, and not for the next one.
    world.submit(&world.transfer(CAROL, 1, DAN, 1)).unwrap();
    world.seal();
    let next = world.chain.state_root().unwrap();
    assert!(account.verify(&root).is_some() && channel.verify(&root).is_some());
    assert!(account.verify(&next).is_none() && channel.verify(&next).is_none());
}

/// Blocks and roots do not depend on who verified, on how often the Layer 1 was made of its log
/// again, nor on whether a log is kept.
#[test]
fn the_same_transactions_make_the_same_roots() {
    let play = |verification, restarts, rounds: u64| {
        let mut world = World::new(Config {
            verification,
            ..rooted()
        });
        world.restarts = restarts;
        let mut headers = Vec::new();
        // Places become empty in an order of their own, and are filled again.
        let (mut open, mut nonce) = (Vec::new(), 0);
        for round in 0..rounds {
            for _ in 0..1 + round % 5 {
                let terms = world.terms(ALICE, nonce, BOB, 1, 0);
                nonce += 1;
                world.submit(&world.open(&terms)).unwrap();
                open.push(terms);
            }
            headers.extend(world.seal().0);
            for _ in 0..round % 4 {
                let terms = open.swap_remove((7 * round as usize + 3) % open.len());
                let close = world.close(BOB, &terms, after(1, 1));
                world.submit(&close).unwrap();
            }
            headers.extend(world.seal().0);
        }
        headers
    };
    let expected = play(Verification::Sequential, false, 20);
    assert_eq!(expected, play(Verification::Sequential, true, 20));
    assert_eq!(expected, play(Verification::Ahead, false, 20));
}

proptest! {
    /// Random transfers among accounts that come up, with and without a log.
    #[test]
    fn a_log_changes_no_root(
        blocks in prop::collection::vec(prop::collection::vec((0..6usize, 0..6usize), 1..9), 1..6),
    ) {
        let mut plain = World::new(rooted());
        let mut logged = World::new(rooted());
        for block in blocks {
            for (from, to) in block {
                let account = plain.chain.account(&plain.key(from));
                let nonce = account.map_or(0, |account| account.nonce);
                let bytes = plain.transfer(from, nonce, to, 1);
                for world in [&mut plain, &mut logged] {
                    world.submit(&bytes).unwrap();
                }
            }
            logged.seal();
            plain.chain.seal(&mut Vec::new());
            prop_assert_eq!(plain.chain.state_root(), logged.chain.state_root());
            prop_assert_eq!(plain.chain.tip(), logged.chain.tip());
            plain.check_root(None);
        }
    }
}
