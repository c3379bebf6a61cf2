//! Blocks: limits, order, the hash chain, the mempool, what is counted.

use super::*;
use duet_channels::crypto::{Domain, hash};

/// A world with many different transactions, good and bad, and how many there are.
fn crowd(config: Config) -> (World, usize) {
    let mut world = World::new(config);
    let mut transactions = Vec::new();
    for nonce in 0..90 {
        for from in [ALICE, BOB, CAROL] {
            transactions.push(world.transfer(from, nonce, ERIN, 1));
        }
        if nonce % 7 == 0 {
            transactions.push(world.transfer(ALICE, nonce, BOB, 1));
            let mut forged = world.transfer(BOB, nonce + 1, BOB, 1);
            forged[100] ^= 4;
            transactions.push(forged);
        }
    }
    for nonce in 0..60 {
        let terms = world.terms(ERIN, nonce, BOB, 1, 0);
        transactions.push(world.open(&terms));
        transactions.push(world.close(CAROL, &terms, after(1, 0)));
    }
    for transaction in &transactions {
        world.submit(transaction).unwrap();
    }
    (world, transactions.len())
}

/// Everything that was sealed and said; CPU time is another one every time.
fn history(mut world: World) -> (Vec<Header>, Vec<Outcome>, Vec<Vec<u8>>, Load) {
    let (headers, outcomes) = world.seal_all();
    let load = Load {
        cpu_ns: 0,
        root_cpu_ns: 0,
        ..*world.chain.load()
    };
    (headers, outcomes, world.chain.bodies().to_vec(), load)
}

#[test]
fn the_same_transactions_make_the_same_blocks() {
    let small = Config {
        block_transactions: 100,
        ..config()
    };
    let parallel = Config {
        verification: Verification::Ahead,
        ..small
    };
    let first = history(crowd(small).0);
    assert_eq!(first, history(crowd(small).0));
    assert_eq!(first, history(crowd(parallel).0));

    let whole = Config {
        verification: Verification::Ahead,
        ..config()
    };
    let (world, submitted) = crowd(config());
    let (headers, outcomes, ..) = history(world);
    assert_eq!((headers.len(), outcomes.len()), (1, submitted));
    // However many threads there are, this one among them or not.
    let expected = history(crowd(config()).0);
    assert_eq!(expected, history(crowd(whole).0));
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        assert_eq!(expected, pool.install(|| history(crowd(whole).0)));
    }
    // Another block limit makes another Layer 1, whose channels have other ids.
    let kind = |outcome: &Outcome| match outcome {
        Ok(Executed::Opened { .. }) => "opened".to_owned(),
        Err(Refusal::UnknownChannel { .. }) => "unknown channel".to_owned(),
        other => format!("{other:?}"),
    };
    assert!(outcomes.iter().map(kind).eq(first.1.iter().map(kind)));
}

/// A Layer 1 without anything that can be left out is what it always was.
#[test]
fn plain_blocks_are_the_same_for_ever() {
    let (world, _) = crowd(config());
    let (headers, ..) = history(world);
    let tip = headers.last().unwrap().hash.to_string();
    let expected = "83956fd677501671e56c00ce72927403f5069ebcd47a377ee62ee4c86a48cacf";
    assert_eq!(tip, expected);
}

#[test]
fn headers_chain_from_the_genesis_over_the_bodies() {
    let small = Config {
        block_transactions: 50,
        ..config()
    };
    let (world, _) = crowd(small);
    let mut parent = *world.chain.genesis();
    let (headers, _, bodies, load) = history(world);
    assert_eq!(headers.len(), bodies.len());
    let mut bytes = 0;
    for (header, body) in headers.iter().zip(&bodies) {
        assert_eq!(header.parent, parent);
        assert_eq!(header.body, hash(Domain::Block, body));
        assert_eq!(header.hash, header.digest());
        let mut encoded = header.parent.0.to_vec();
        encoded.extend(header.height.to_le_bytes());
        encoded.extend(header.transactions.to_le_bytes());
        encoded.extend(header.body.0);
        assert_eq!(encoded.len(), Header::BYTES);
        assert_eq!(header.hash, hash(Domain::Block, &encoded));
        parent = header.hash;
        bytes += Header::BYTES + body.len();
    }
    assert_eq!(load.bytes, bytes as u64);
    assert_eq!(load.blocks, headers.len() as u64);
}

#[test]
fn refused_ones_take_no_room_and_no_block() {
    let three = Config {
        block_transactions: 3,
        ..config()
    };
    let mut world = World::new(three);
    let good: Vec<Bytes> = (0..4)
        .map(|nonce| world.transfer(ALICE, nonce, BOB, 1))
        .collect();
    let bad = world.transfer(BOB, 9, ALICE, 1);
    for bytes in [
        &bad, &good[0], &bad, &bad, &bad, &good[1], &bad, &good[2], &bad, &good[3],
    ] {
        world.submit(bytes).unwrap();
    }
    let (header, receipts) = world.seal();
    assert_eq!(header.unwrap().transactions, 3);
    assert_eq!(receipts.len(), 8);
    assert_eq!(world.chain.bodies(), [good[..3].concat()]);
    let (header, receipts) = world.seal();
    assert_eq!(header.unwrap().transactions, 1);
    assert_eq!(receipts.len(), 2);

    world.submit(&bad).unwrap();
    let (header, receipts) = world.seal();
    assert_eq!((header, receipts.len()), (None, 1));
    assert_eq!(receipts[0].ticket, 10);
    let (header, receipts) = world.seal();
    assert_eq!((header, receipts.len()), (None, 0));
    assert_eq!(world.chain.height(), 2);
    assert_eq!(world.chain.load().blocks, 2);
}

#[test]
fn the_first_that_does_not_fit_ends_the_block() {
    let transfer = 145;
    let tight = Config {
        block_bytes: 3 * transfer + 160,
        ..config()
    };
    let mut world = World::new(tight);
    let terms = world.terms(BOB, 0, CAROL, 1, 0);
    let mut bytes: Vec<Bytes> = (0..3)
        .map(|nonce| world.transfer(ALICE, nonce, BOB, 1))
        .collect();
    // An open of 161 bytes is one too many, and the transfer after it does not overtake.
    bytes.push(world.open(&terms));
    bytes.push(world.transfer(ALICE, 3, BOB, 1));
    for bytes in &bytes {
        world.submit(bytes).unwrap();
    }
    assert_eq!(world.seal().0.unwrap().transactions, 3);
    assert_eq!(world.seal().0.unwrap().transactions, 2);

    let tiny = Config {
        block_bytes: 453,
        block_transactions: 9,
        ..config()
    };
    let mut world = World::new(tiny);
    let batch = |count| Transaction::OpenBatch {
        opener: world.key(ALICE),
        nonce: 0,
        channels: vec![opening(world.key(BOB), 1, 0); count],
    };
    let (eight, ten) = (batch(8), batch(10));
    let (limit, got) = (453, 43 + 8 * 53 + 64);
    let submitted = world.submit(&world.signed(eight, ALICE, None));
    assert_eq!(submitted, Err(SubmitError::TooLarge { limit, got }));
    let submitted = world.submit(&world.signed(ten, ALICE, None));
    assert!(matches!(submitted, Err(SubmitError::TooLarge { .. })));
    world.submit(&world.transfer(ALICE, 0, BOB, 1)).unwrap();
    assert_eq!(world.seal().0.unwrap().transactions, 1);
}

#[test]
fn a_full_mempool_pushes_back_until_the_next_block() {
    let narrow = Config {
        mempool_transactions: 2,
        block_transactions: 1,
        ..config()
    };
    let mut world = World::new(narrow);
    let bytes: Vec<Bytes> = (0..3)
        .map(|nonce| world.transfer(ALICE, nonce, BOB, 1))
        .collect();
    world.submit(&bytes[0]).unwrap();
    world.submit(&bytes[1]).unwrap();
    let full = Err(SubmitError::MempoolFull { capacity: 2 });
    assert_eq!(world.submit(&bytes[2]), full);
    assert_eq!(world.chain.pending(), 2);
    world.seal();
    world.submit(&bytes[2]).unwrap();
    assert_eq!(world.submit(&bytes[2]), full);
    let (headers, outcomes) = world.seal_all();
    assert_eq!(headers.len(), 2);
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome == Ok(Executed::Transferred))
    );
    assert_eq!(world.chain.pending(), 0);
}

#[test]
fn the_genesis_id_commits_to_what_matters() {
    let genesis: Genesis = Genesis {
        label: "channels".to_owned(),
        allocations: vec![(PublicKey([1; 32]), Amount::new(7))],
    };
    let id = |edit: fn(&mut Config, &mut Genesis)| {
        let (mut config, mut genesis) = (config(), genesis.clone());
        edit(&mut config, &mut genesis);
        genesis.id(&config)
    };
    let same = id(|_, _| {});
    assert_eq!(same, id(|config, _| config.keep_bodies = false));
    assert_eq!(same, id(|config, _| config.mempool_transactions += 1));
    assert_eq!(
        same,
        id(|config, _| config.verification = Verification::Ahead)
    );
    let others = [
        id(|config, _| config.block_transactions += 1),
        id(|config, _| config.block_bytes += 1),
        id(|config, _| config.fee = Amount::ZERO),
        id(|_, genesis| genesis.label = "chanNels".to_owned()),
        id(|_, genesis| genesis.allocations[0].1 = Amount::new(8)),
        id(|_, genesis| genesis.allocations[0].0.0[0] = 2),
        id(|_, genesis| genesis.allocations.clear()),
    ];
    for (i, other) in others.iter().enumerate() {
        assert!(*other != same && !others[..i].contains(other));
    }
}

#[test]
fn set_up_is_checked() {
    let setup = |config: Config, allocations: &[(u8, u64)]| {
        let genesis: Genesis = Genesis {
            label: String::new(),
            allocations: allocations
                .iter()
                .map(|&(key, amount)| (PublicKey([key; 32]), Amount::new(amount)))
                .collect(),
        };
        Chain::new(config, &genesis, Backend::Dalek)
    };
    let refused = |edit: fn(&mut Config)| {
        let mut config = Config::default();
        edit(&mut config);
        setup(config, &[]).err()
    };
    assert_eq!(refused(|_| {}), None);
    assert_eq!(
        refused(|config| config.block_transactions = 0),
        Some(SetupError::Config(ConfigError::NoBlockTransactions))
    );
    let (least, got) = (453, 452);
    assert_eq!(
        refused(|config| config.block_bytes = 452),
        Some(SetupError::Config(ConfigError::BlockBytesTooFew {
            least,
            got
        }))
    );
    assert_eq!(refused(|config| config.block_bytes = 453), None);
    assert_eq!(
        refused(|config| config.mempool_transactions = 0),
        Some(SetupError::Config(ConfigError::NoMempoolTransactions))
    );

    let chain = setup(config(), &[(1, 5), (2, 0), (1, 6)]).unwrap();
    let balance = |key| {
        chain
            .account(&PublicKey([key; 32]))
            .map(|account| account.balance)
    };
    assert_eq!(balance(1), Some(Amount::new(11)));
    assert_eq!(balance(2), Some(Amount::ZERO));
    assert_eq!(balance(3), None);
    assert_eq!(chain.supply(), Amount::new(11));
    assert_eq!(chain.tip(), chain.genesis());
    assert!(setup(config(), &[(1, u64::MAX), (2, 0)]).is_ok());
    assert_eq!(
        setup(config(), &[(1, u64::MAX), (2, 1)]).err(),
        Some(SetupError::SupplyOverflow)
    );
}

/// Runs a script in one block; what it adds to the load, bytes of transactions only:
/// `[failed, refused, bytes, verifications, reads, writes, records more at the peak]`.
pub(super) fn added(script: impl Fn(&World) -> Vec<Bytes>) -> [u64; 7] {
    let mut world = World::new(config());
    assert_eq!(world.chain.load().peak_state_entries, 4);
    let transactions = script(&world);
    for transaction in &transactions {
        world.submit(transaction).unwrap();
    }
    let (header, _) = world.seal();
    let load = world.chain.load();
    assert!(load.cpu_ns > 0);
    let included = load.transactions + load.refused;
    assert_eq!(included, transactions.len() as u64);
    [
        load.failed,
        load.refused,
        load.bytes - header.map_or(0, |_| Header::BYTES as u64),
        load.signature_verifications,
        load.state_reads,
        load.state_writes,
        load.peak_state_entries - 4,
    ]
}

#[test]
fn load_is_what_its_definition_says() {
    let transfer = |from, to, amount| added(|w| vec![w.transfer(from, 0, to, amount)]);
    assert_eq!(transfer(ALICE, BOB, 1), [0, 0, 145, 1, 2, 2, 0]);
    assert_eq!(transfer(ALICE, ERIN, 1), [0, 0, 145, 1, 2, 2, 1]);
    assert_eq!(transfer(ALICE, ALICE, 1), [0, 0, 145, 1, 1, 1, 0]);
    assert_eq!(transfer(ALICE, BOB, 5000), [1, 0, 145, 1, 1, 1, 0]);
    assert_eq!(transfer(DAN, BOB, 1), [0, 1, 0, 1, 0, 0, 0]);
    // Refused for what it says: before its signature is looked at.
    assert_eq!(transfer(ALICE, BOB, 0), [0, 1, 0, 0, 0, 0, 0]);

    let open = |a, b| added(|w| vec![w.open(&w.terms(ALICE, 0, BOB, a, b))]);
    assert_eq!(open(1, 0), [0, 0, 161, 1, 1, 2, 1]);
    assert_eq!(open(1, 1), [0, 0, 233, 2, 2, 3, 1]);
    assert_eq!(open(0, 1), [0, 0, 233, 2, 2, 3, 1]);
    assert_eq!(open(5000, 1), [1, 0, 233, 2, 1, 1, 0]);
    assert_eq!(open(1, 5000), [1, 0, 233, 2, 2, 1, 0]);

    let close = |submitter, b, state: State| {
        let opening = added(|w| vec![w.open(&w.terms(ALICE, 0, b, 100, 0))]);
        let both = added(|w| {
            let terms = w.terms(ALICE, 0, b, 100, 0);
            vec![w.open(&terms), w.close(submitter, &terms, state)]
        });
        let mut rest: [u64; 7] = std::array::from_fn(|i| both[i] - opening[i]);
        rest[6] = both[6];
        rest
    };
    assert_eq!(close(CAROL, BOB, after(1, 50)), [0, 0, 321, 3, 4, 4, 1]);
    assert_eq!(close(ALICE, BOB, after(1, 50)), [0, 0, 321, 3, 3, 3, 1]);
    assert_eq!(close(BOB, BOB, after(1, 50)), [0, 0, 321, 3, 3, 3, 1]);
    assert_eq!(close(ALICE, BOB, after(1, 100)), [0, 0, 321, 3, 2, 2, 1]);
    assert_eq!(close(BOB, BOB, State::Opening), [0, 0, 257, 3, 3, 3, 1]);
    assert_eq!(close(ALICE, ERIN, after(1, 50)), [0, 0, 321, 3, 3, 3, 1]);
}

#[test]
fn a_line_of_rounds_longer_than_a_block_or_a_batch_is_seen_by_nobody() {
    use crate::l1::rounds::Rounds;
    let count = u64::from(Rounds::LARGEST) + 10;
    let wide = Config {
        block_transactions: u32::MAX,
        fee: Amount::ZERO,
        ..config()
    };
    let mut world = World::new(wide);
    // All but the first are refused before any signature is verified: this is about rounds.
    world.submit(&world.transfer(ALICE, 0, BOB, 1)).unwrap();
    let nothing = world.transfer(ALICE, 1, BOB, 0);
    for _ in 1..count {
        world.submit(&nothing).unwrap();
    }
    world.submit(&world.transfer(ALICE, 1, BOB, 1)).unwrap();
    let (header, receipts) = world.seal();
    assert_eq!(header.unwrap().transactions, 2);
    assert_eq!(receipts.len() as u64, count + 1);
}

/// Whoever has a block's body, and the state before it, gets the block itself; of any other body
/// none, or another one.
#[test]
fn a_replica_executes_blocks_that_others_made() {
    let clocked = Config {
        block_transactions: 100,
        state_root: true,
        pace: Some(Pace {
            interval_ms: 1_000,
            finality_blocks: 0,
        }),
        ..config()
    };
    let mut world = crowd(clocked).0;
    let mut replica = world.chain.replica();
    let (headers, _) = world.seal_all();
    assert!(headers.len() > 2);
    for (header, body) in headers.iter().zip(world.chain.bodies()) {
        let other = |body: &[u8]| {
            let made = replica.replica().execute_block(header.height, body);
            made.is_none_or(|made| made.hash != header.hash)
        };
        assert!(other(&[]) && other(&body[1..]) && other(&body[..body.len() - 1]));
        assert!(
            other(&[body.as_slice(), body].concat()),
            "nothing comes twice"
        );
        for at in (0..body.len()).step_by(101) {
            let mut damaged = body.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(other(&damaged), "byte {at}");
        }
        // Neither a height that has passed nor another one to come.
        assert_eq!(
            replica.replica().execute_block(header.height - 1, body),
            None
        );
        let later = replica.replica().execute_block(header.height + 1, body);
        assert_ne!(later.map(|later| later.hash), Some(header.hash));
        assert_eq!(replica.execute_block(header.height, body), Some(*header));
    }
    assert_eq!(replica.tip(), world.chain.tip());
    // What passes with nothing in it has a height, and no place in the chain.
    let next = replica.height() + 1;
    let empty = replica.execute_block(next, &[]).unwrap();
    assert_eq!(
        (empty.height, empty.parent, empty.transactions),
        (next, *world.chain.tip(), 0)
    );
    assert_eq!((replica.height(), replica.tip()), (next, world.chain.tip()));
}
