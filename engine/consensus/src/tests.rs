//! Small networks: what each fault costs, and that less than a third of faulty validators, loss and
//! partitions change nothing of what was decided.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use arc_malachitebft_core_types::Round;
use zeroize::Zeroizing;

use super::*;
use duet_channels::crypto::{Backend, Digest, Signature};

/// Blocks of which each follows from the last one that was decided.
struct Toy {
    parent: Digest,
    height: u64,
    checks: u64,
}

impl Toy {
    fn block(&self, offer: Offer) -> Block {
        let mut hash = self.parent;
        hash.0[0] = hash.0[0].wrapping_add(1 + offer as u8);
        hash.0[1] = offer as u8;
        hash.0[2] = self.height as u8;
        Block { hash, bytes: 1_000 }
    }
}

impl Blocks for Toy {
    fn offer(&mut self, offer: Offer) -> Block {
        self.block(offer)
    }

    fn check(&mut self, _: u16, block: &Digest) -> bool {
        self.checks += 1;
        [Offer::Fair, Offer::Censored, Offer::Empty]
            .iter()
            .any(|offer| self.block(*offer).hash == *block)
    }
}

/// A run of some heights, a second apart.
struct Run {
    offers: Vec<Offer>,
    certificates: Vec<Certificate>,
    simulation: Simulation,
    checks: u64,
}

fn setup(validators: u16, faults: &[(Fault, u16)], network: Network, seed: u64) -> Setup {
    let seeds = (0..validators).map(|place| Zeroizing::new([place as u8 + 1; 32]));
    Setup {
        genesis: Digest([7; 32]),
        seeds: seeds.collect(),
        faults: Faults::new(faults.to_vec(), validators).unwrap(),
        network,
        seed,
    }
}

fn run(setup: Setup, heights: u64) -> Result<Run, Stopped> {
    let backend = *Backend::all().last().unwrap();
    let mut simulation = Simulation::new(setup, backend);
    let validators = simulation.validators();
    let mut toy = Toy {
        parent: Digest([0; 32]),
        height: 0,
        checks: 0,
    };
    let (mut offers, mut certificates) = (Vec::new(), Vec::new());
    for height in 1..=heights {
        toy.height = height;
        let decision = simulation.decide(height, height * 1_000_000, &mut toy)?;
        let kinds = [Offer::Fair, Offer::Censored, Offer::Empty];
        let is_decided = |offer: &Offer| toy.block(*offer).hash == decision.block;
        offers.push(kinds.into_iter().find(is_decided).unwrap());
        assert_eq!(decision.certificate.height, height);
        assert_eq!(decision.certificate.block, decision.block);
        assert_eq!(validators.check(&decision.certificate), Ok(()));
        certificates.push(decision.certificate);
        toy.parent = decision.block;
    }
    simulation.finish()?;
    Ok(Run {
        offers,
        certificates,
        simulation,
        checks: toy.checks,
    })
}

/// So many of some validators have a fault: what of 12 heights' blocks, and what it costs.
#[test]
fn the_table_of_faults() {
    let of = |faults: &[(Fault, u16)]| run(setup(4, faults, Network::default(), 1), 12).unwrap();
    let fair = of(&[]);
    assert!(fair.offers.iter().all(|offer| *offer == Offer::Fair));
    let counts = fair.simulation.counts();
    assert_eq!(
        (counts.heights, counts.more_rounds, counts.timeouts),
        (12, 0, 0)
    );
    // A proposal, and two votes of each.
    // One hears of a decision before it has heard enough votes to cast its second.
    assert_eq!((counts.signatures, counts.judged), (12 * 9 - 1, 12 * 9));
    // Each by the three others.
    assert_eq!(counts.verifications, 3 * counts.signatures);
    assert_eq!((counts.after_messages, counts.not_reached), (0, 0));
    assert_eq!((counts.forged, counts.evidence), (0, 0));
    assert_eq!(fair.checks, 12 * 3, "a proposer knows its own block");
    // The first place is the faulty one's: it has its turn at heights 1, 5 and 9.
    let rows: [(Fault, Offer, u64); 7] = [
        (Fault::Silent, Offer::Fair, 3),
        (Fault::Slow, Offer::Fair, 3),
        (Fault::Censor, Offer::Censored, 0),
        (Fault::Equivocate, Offer::Empty, 6),
        (Fault::InvalidBlock, Offer::Fair, 3),
        (Fault::ForgedVotes, Offer::Fair, 0),
        (Fault::Withhold, Offer::Fair, 3),
    ];
    for (fault, its, more_rounds) in rows {
        let run = of(&[(fault, 1)]);
        let of_offer = |kind| run.offers.iter().filter(|offer| **offer == kind).count();
        let counts = run.simulation.counts();
        let others = if its == Offer::Fair { 0 } else { 9 };
        assert_eq!(of_offer(its), 12 - others, "{fault:?}");
        assert_eq!(of_offer(Offer::Fair), if others == 0 { 12 } else { 9 });
        assert_eq!(counts.more_rounds, more_rounds, "{fault:?}");
        assert_eq!(counts.forged > 0, fault == Fault::ForgedVotes, "{fault:?}");
        assert_eq!(counts.evidence > 0, fault == Fault::Equivocate, "{fault:?}");
    }
}

/// A forger that were believed would have everybody vote for nothing.
#[test]
fn a_forged_vote_never_counts() {
    let faults = [(Fault::ForgedVotes, 1)];
    let run = run(setup(4, &faults, Network::default(), 5), 6).unwrap();
    let counts = run.simulation.counts();
    assert_eq!(counts.more_rounds, 0);
    // Prevotes and precommits in three others' names.
    assert_eq!(counts.forged, 6 * 2 * 3);
}

#[test]
fn one_validator_decides_alone_and_at_once() {
    let run = run(setup(1, &[], Network::default(), 5), 6).unwrap();
    assert_eq!(run.simulation.finality().first_us, [0; 6]);
    let counts = run.simulation.counts();
    assert_eq!((counts.messages, counts.signatures), (0, 6 * 3));
}

#[test]
fn the_same_seed_gives_the_same_instants() {
    let faults = [(Fault::Equivocate, 1), (Fault::Silent, 1)];
    let of = |seed| {
        let run = run(setup(7, &faults, Network::default(), seed), 10).unwrap();
        let counts = Counts {
            cpu_ns: 0,
            ..run.simulation.counts()
        };
        (run.simulation.finality().clone(), counts, run.certificates)
    };
    assert_eq!(of(3), of(3));
    assert_ne!(of(3).0, of(4).0);
}

/// From one third on, theory promises nothing any more.
#[test]
fn what_breaks_with_one_more() {
    let of = |validators, faults: &[(Fault, u16)]| {
        let of_seed = |seed| run(setup(validators, faults, Network::default(), seed), 8).err();
        (0..20).filter_map(of_seed).next()
    };
    for validators in [4, 7] {
        let beyond = (validators - 1) / 3 + 1;
        let halted = Stopped::Halted { height: 1 };
        assert_eq!(of(validators, &[(Fault::Silent, beyond - 1)]), None);
        assert_eq!(of(validators, &[(Fault::Silent, beyond)]), Some(halted));
        assert_eq!(of(validators, &[(Fault::Equivocate, beyond - 1)]), None);
        let forked = of(validators, &[(Fault::Equivocate, beyond)]);
        assert!(matches!(forked, Some(Stopped::Forked { .. })), "{forked:?}");
    }
}

/// At the last height, too: the other half is heard when all have come to it.
#[test]
fn a_fork_at_the_last_height_is_told() {
    let faults = [(Fault::Equivocate, 2)];
    // The first turn is an equivocator's.
    let at_end = (0..20).filter_map(|seed| {
        let ended = run(setup(4, &faults, Network::default(), seed), 1);
        ended.err()
    });
    let forked = |stopped| matches!(stopped, Stopped::Forked { height: 1, .. });
    assert!(at_end.map(forked).eq(vec![true; 20]));
}

/// Whoever says what it decided has decided, and can tell those who were left out.
#[test]
fn the_faulty_decide_too() {
    let rows = [
        (4, (Fault::Slow, 4), Offer::Fair),
        (4, (Fault::Censor, 4), Offer::Censored),
        (1, (Fault::Censor, 1), Offer::Censored),
        (4, (Fault::ForgedVotes, 4), Offer::Fair),
        (4, (Fault::Withhold, 4), Offer::Fair),
        (4, (Fault::Withhold, 3), Offer::Fair),
    ];
    for (validators, faults, offer) in rows {
        let run = run(setup(validators, &[faults], Network::default(), 3), 6);
        let run = run.unwrap_or_else(|stopped| panic!("{faults:?}: {stopped}"));
        assert!(run.offers.iter().all(|of| *of == offer), "{faults:?}");
        let counts = run.simulation.counts();
        assert_eq!((counts.heights, counts.not_reached), (6, 0), "{faults:?}");
    }
}

#[test]
fn those_who_will_say_nothing_any_more_are_told_from_those_who_come_to_nothing() {
    for (validators, fault) in [
        (4, Fault::Silent),
        (1, Fault::Silent),
        (1, Fault::InvalidBlock),
    ] {
        let faults = [(fault, validators)];
        let stopped = run(setup(validators, &faults, Network::default(), 3), 2).err();
        assert_eq!(stopped, Some(Stopped::Mute { height: 1 }), "{fault:?}");
    }
    let faults = [(Fault::InvalidBlock, 4)];
    let stopped = run(setup(4, &faults, Network::default(), 3), 2).err();
    assert_eq!(stopped, Some(Stopped::Halted { height: 1 }));
}

/// The slowest network that there may be, the one that loses most, and one that was cut for longer
/// than an hour decide.
#[test]
fn without_faults_nobody_halts() {
    let slowest = Latency::new(vec![(0, 10_000_000), (1_000_000, 10_000_000)]).unwrap();
    let cut = Partition {
        from_us: 0,
        until_us: 3 * 3_600_000_000,
        validators: 2,
    };
    let networks = [
        Network {
            latency: slowest.clone(),
            ..Network::default()
        },
        Network {
            latency: slowest,
            loss_ppm: MOST_LOSS_PPM,
            partitions: vec![cut],
        },
    ];
    for network in networks {
        for validators in [1, 4, 7] {
            let run = run(setup(validators, &[], network.clone(), 8), 3);
            let run = run.unwrap_or_else(|stopped| panic!("{validators}: {stopped}"));
            assert_eq!(run.offers, [Offer::Fair; 3]);
        }
    }
}

/// What a height cost that nobody decided is counted as well.
#[test]
fn the_height_that_stops_is_counted() {
    let setup = setup(4, &[(Fault::Silent, 2)], Network::default(), 1);
    let mut simulation = Simulation::new(setup, *Backend::all().last().unwrap());
    let mut toy = Toy {
        parent: Digest([0; 32]),
        height: 1,
        checks: 0,
    };
    let halted = Stopped::Halted { height: 1 };
    assert_eq!(simulation.decide(1, 0, &mut toy).unwrap_err(), halted);
    let counts = simulation.counts();
    assert!(counts.cpu_ns > 0 && counts.messages > 0, "{counts:?}");
    assert_eq!(counts.heights, 0);
    // Less and less often, and not 1,800 times.
    assert!(counts.messages < 10_000, "{counts:?}");
}

/// The run has ended long before they meet again: nobody says the same for an hour, and their
/// heights count as the longest.
#[test]
fn who_is_cut_off_for_ever_is_counted_and_costs_nothing() {
    let cut_off = Partition {
        from_us: 0,
        until_us: 360_000_000_000,
        validators: 3,
    };
    let network = Network {
        partitions: vec![cut_off],
        ..Network::default()
    };
    let run = run(setup(10, &[], network, 11), 5).unwrap();
    let counts = run.simulation.counts();
    assert_eq!((counts.heights, counts.not_reached), (5, 5));
    let finality = run.simulation.finality();
    assert_eq!(finality.last_us.len(), 5);
    assert!(
        finality.last_us.iter().all(|last| *last > 30_000_000),
        "{finality:?}"
    );
    // In each round each says at most three things to nine others, and some of it again.
    let rounds = counts.heights + counts.more_rounds;
    assert!(counts.messages < rounds * 10 * 9 * 4, "{counts:?}");
    assert!(counts.after_messages < 1_000, "{counts:?}");
    assert_eq!(counts.after_bytes == 0, counts.after_messages == 0);
}

/// Two blocks can be shown to be final, although a single honest validator sees one of them only.
#[test]
fn a_fork_that_no_two_honest_validators_see_is_told() {
    for equivocators in [2, 3, 4] {
        let faults = [(Fault::Equivocate, equivocators)];
        let told = |seed| run(setup(4, &faults, Network::default(), seed), 12).err();
        for seed in 0..10 {
            let stopped = told(seed);
            let is_told = matches!(stopped, Some(Stopped::Forked { .. }));
            assert!(is_told, "{equivocators} of 4, seed {seed}: {stopped:?}");
        }
    }
}

/// At a height that is decided, another block is as valid as when nobody had decided.
#[test]
fn a_second_valid_block_stays_valid_once_one_is_decided() {
    let mut turn = turn::Turn::new(1, 0, 0);
    let block = |byte| Block {
        hash: Digest([byte; 32]),
        bytes: 9,
    };
    turn.offers = vec![
        (Offer::Fair, block(1)),
        (Offer::Empty, block(2)),
        (Offer::Invalid, block(3)),
    ];
    let verdicts = [1, 2, 3, 4].map(|byte| turn.is_valid(&Digest([byte; 32])));
    assert_eq!(verdicts, [true, true, false, false]);
}

/// No more than a validator says: a proposal, and two votes of each that hears it in time.
#[test]
fn signatures_that_nobody_says_are_not_counted() {
    // Everybody else votes for nothing, in all rounds that the faulty one proposes in.
    let faults = [(Fault::InvalidBlock, 1)];
    let run = run(setup(4, &faults, Network::default(), 1), 12).unwrap();
    let counts = run.simulation.counts();
    let rounds = counts.heights + counts.more_rounds;
    assert!(counts.signatures <= 9 * rounds, "{counts:?}");
    assert!(counts.judged <= 9 * rounds, "{counts:?}");
}

/// Those who were cut off come to the same blocks as the others, and the others went on.
#[test]
fn a_partition_holds_up_who_is_cut_off() {
    let cut_off = Partition {
        from_us: 2_500_000,
        until_us: 9_500_000,
        validators: 1,
    };
    let network = Network {
        partitions: vec![cut_off],
        ..Network::default()
    };
    let run = run(setup(4, &[], network, 11), 15).unwrap();
    let finality = run.simulation.finality();
    assert_eq!(finality.last_us.len(), 15);
    assert!(*finality.last_us.iter().max().unwrap() > 6_000_000);
    assert!(*finality.first_us.iter().max().unwrap() < 4_000_000);
    assert!(run.simulation.counts().asked > 0);
    // Neither side has two thirds: nothing is decided before they meet again.
    let cut_in_two = Partition {
        validators: 2,
        ..cut_off
    };
    let network = Network {
        partitions: vec![cut_in_two],
        ..Network::default()
    };
    let run = self::run(setup(4, &[], network, 11), 15).unwrap();
    let finality = run.simulation.finality();
    assert!(*finality.first_us.iter().max().unwrap() > 6_000_000);
}

#[test]
fn the_table_of_certificates() {
    let run = run(setup(4, &[], Network::default(), 2), 3).unwrap();
    let validators = run.simulation.validators();
    let good = run.certificates[1].clone();
    let mut bytes = Vec::new();
    good.encode(&mut bytes);
    assert_eq!(Certificate::decode(&bytes), Ok(good.clone()));
    for length in [0, 45, bytes.len() - 1] {
        let short = CertificateError::Length { got: length };
        assert_eq!(Certificate::decode(&bytes[..length]), Err(short));
    }
    let of = |change: &dyn Fn(&mut Certificate)| {
        let mut changed = good.clone();
        change(&mut changed);
        validators.check(&changed).unwrap_err()
    };
    let first = good.signatures[0].0;
    let bad = CertificateError::BadSignature { place: first };
    assert_eq!(of(&|one| one.block.0[3] ^= 1), bad);
    assert_eq!(of(&|one| one.height += 1), bad);
    assert_eq!(of(&|one| one.round += 1), bad);
    assert_eq!(of(&|one| one.signatures[0].1 = Signature([9; 64])), bad);
    let too_few = CertificateError::TooFew {
        got: 2,
        validators: 4,
    };
    assert_eq!(of(&|one| one.signatures.truncate(2)), too_few);
    let out_of_order = |place| CertificateError::OutOfOrder { place };
    assert_eq!(
        of(&|one| {
            let again = one.signatures[0];
            one.signatures.truncate(2);
            one.signatures.insert(1, again);
        }),
        out_of_order(first)
    );
    assert_eq!(of(&|one| one.signatures[2].0 = 9), out_of_order(9));
    assert_eq!(of(&|one| one.round = u32::MAX), CertificateError::NoRound);
    // One that stands at three places, and signs at each.
    let mut one_key = validators.clone();
    one_key.keys = vec![one_key.keys[usize::from(first)]; 4];
    let same_key = CertificateError::SameKey { one: 0, other: 1 };
    assert_eq!(one_key.check(&good), Err(same_key));
    let digest = keys_digest(&validators.keys);
    assert_ne!(digest, keys_digest(&one_key.keys));
    // Another Layer 1's.
    let elsewhere = Validators {
        genesis: Digest([8; 32]),
        ..validators
    };
    assert_eq!(elsewhere.check(&good), Err(bad));
}

/// A world drawn from a seed: faults below a third, loss, partitions.
fn world(seed: u64) -> Setup {
    let mut chance = network::Chance(seed);
    let validators = [4, 7][chance.below(2) as usize];
    let most = (validators - 1) / 3;
    let kinds = <Fault as strum::VariantArray>::VARIANTS;
    let faults = (0..most).map(|_| (kinds[chance.below(kinds.len() as u64) as usize], 1));
    let faults: Vec<(Fault, u16)> = faults.collect();
    let partitions = (0..chance.below(3)).map(|_| {
        let from_us = chance.below(4_000_000);
        Partition {
            from_us,
            until_us: from_us + chance.below(6_000_000),
            validators: 1 + chance.below(u64::from(validators) - 1) as u16,
        }
    });
    let network = Network {
        partitions: partitions.collect(),
        loss_ppm: [0, 10_000, 200_000][chance.below(3) as usize],
        ..Network::default()
    };
    setup(validators, &faults, network, seed)
}

/// `DUET_WORLDS=10000 cargo test --release -p duet-consensus worlds` looks at as many.
#[test]
fn in_all_worlds_one_block_a_height_is_decided() {
    let worlds = std::env::var("DUET_WORLDS").map_or(300, |worlds| worlds.parse().unwrap());
    for seed in 0..worlds {
        let run = run(world(seed), 4);
        let run = run.unwrap_or_else(|stopped| panic!("world {seed}: {stopped}"));
        let finality = run.simulation.finality();
        assert_eq!(
            finality.last_us.len(),
            4,
            "world {seed}: all come to all heights"
        );
    }
}

/// Heights that are decided take turns, and those that pass with nothing in them do not.
#[test]
fn turns_go_round() {
    let proposer_of = |turn: u64, round: u32| {
        use arc_malachitebft_core_types::Context;
        let keys = [duet_channels::crypto::PublicKey([1; 32]); 4];
        let members = context::Members::of(&keys);
        let turn = context::Height(turn);
        let proposer = context::Layer1.select_proposer(&members, turn, Round::new(round));
        proposer.address.0
    };
    assert_eq!(
        [(4, 0), (4, 1), (5, 0), (7, 1)].map(|(t, r)| proposer_of(t, r)),
        [0, 1, 1, 0]
    );
    // With heights in steps of four, the same validator would have all turns.
    let faults = [(Fault::Censor, 1)];
    let setup = setup(4, &faults, Network::default(), 1);
    let mut simulation = Simulation::new(setup, *Backend::all().last().unwrap());
    let mut toy = Toy {
        parent: Digest([0; 32]),
        height: 0,
        checks: 0,
    };
    let mut censored = Vec::new();
    for height in (3..).step_by(4).take(8) {
        toy.height = height;
        let decision = simulation.decide(height, height * 1_000_000, &mut toy);
        let block = decision.unwrap().block;
        censored.push(toy.block(Offer::Censored).hash == block);
        toy.parent = block;
    }
    let turns = [true, false, false, false];
    assert_eq!(censored, [turns, turns].concat());
}
