//! Bob trusts no single node of Layer 1: what a node that lies tells him is refused, or found out.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

use duet_engine::consensus::{
    Block, Blocks, Certificate, CertificateError, Faults, Network, Offer, Setup, Simulation,
};
use duet_engine::crypto::{Backend, Digest, SecretKey};
use duet_engine::driver::{Driver, Output, Slot};
use duet_engine::l1::{
    Chain, ChannelStatus, Config, Executed, Genesis, Header, Notice, Transaction,
};
use duet_engine::light_client::{Lie, LightClient};
use duet_engine::protocol::{Amount, ChannelId, Pair, Post, Rules, Terms};
use duet_engine::watchtower::Watchtower;
use zeroize::Zeroizing;

/// The block that everybody has.
struct Only(Digest);

impl Blocks for Only {
    fn offer(&mut self, _: Offer) -> Block {
        Block {
            hash: self.0,
            bytes: 100,
        }
    }

    fn check(&mut self, _: u16, block: &Digest) -> bool {
        *block == self.0
    }
}

/// A Layer 1 with a channel of Alice's and Bob's, and one of others.
struct Node {
    chain: Chain,
    validators: Simulation,
    channels: [ChannelId; 2],
    alice: Driver,
    blocks: Vec<(Header, Certificate)>,
}

fn validators(chain: &Chain, first: u8) -> Simulation {
    let seeds = (0..4).map(|place| Zeroizing::new([first + place; 32]));
    let setup = Setup {
        genesis: *chain.genesis(),
        seeds: seeds.collect(),
        faults: Faults::default(),
        network: Network::default(),
        seed: 1,
    };
    Simulation::new(setup, Backend::Dalek)
}

impl Node {
    fn new() -> Node {
        let mut alice = Driver::default();
        let a = alice.add_key(&[1; 32]);
        let bs = [2, 3].map(|seed| SecretKey::from_seed(&[seed; 32]).public());
        let config = Config {
            state_root: true,
            ..Config::default()
        };
        let genesis = Genesis {
            label: String::new(),
            allocations: vec![
                (a, Amount::new(10_000)),
                (tower().public(), Amount::new(10)),
            ],
        };
        let chain = Chain::new(config, &genesis, Backend::Dalek).unwrap();
        let mut node = Node {
            validators: validators(&chain, 50),
            chain,
            channels: [ChannelId(Digest::default()); 2],
            alice,
            blocks: Vec::new(),
        };
        let genesis = *node.chain.genesis();
        for (at, b) in bs.into_iter().enumerate() {
            let terms = Terms::one_sided(genesis, at as u64, Pair { a, b }, Amount::new(500));
            node.channels[at] = terms.channel_id();
            let open = Transaction::open(&terms).signed_by(node.alice.key(&a), &genesis);
            node.block(&open);
            node.alice.join(&terms, Rules::default()).unwrap();
        }
        node
    }

    /// Makes a block of one transaction, and has it decided.
    fn block(&mut self, transaction: &duet_engine::l1::SignedTransaction) {
        let mut bytes = Vec::new();
        transaction.encode(&mut bytes);
        self.chain.submit(0, &bytes).unwrap();
        let header = self.chain.seal(&mut Vec::new()).unwrap();
        let (height, begins_us) = (header.height, header.height * 1_000_000);
        let decided = (self.validators).decide(height, begins_us, &mut Only(header.hash));
        self.blocks.push((header, decided.unwrap().certificate));
    }

    /// Alice posts that nothing was paid.
    fn post(&mut self) {
        let post = Post {
            channel: self.channels[0],
            shown: None,
            offer: None,
        };
        let a = SecretKey::from_seed(&[1; 32]);
        let post = Transaction::post(a.public(), post).signed_by(&a, self.chain.genesis());
        self.block(&post);
    }
}

fn tower() -> SecretKey {
    SecretKey::from_seed(&[4; 32])
}

/// What one says reaches the other.
fn talk(from: &mut Driver, to: &mut Driver, slot: Slot) -> bool {
    let mut said = Output::default();
    from.advance(&mut said);
    for (_, bytes) in said.messages() {
        to.receive(slot, bytes);
    }
    !said.is_empty()
}

#[test]
fn what_a_lying_node_says_is_refused() {
    let node = Node::new();
    let mut bob = LightClient::new(node.validators.validators(), 3);
    let [(first, of_first), (second, of_second)] = &node.blocks[..] else {
        panic!("two blocks")
    };
    assert_eq!(bob.follow(&[], second, of_second, 2), Ok(()));
    let old = Lie::Old { newest: 2, got: 1 };
    assert_eq!(bob.follow(&[], first, of_first, 2), Err(old));
    assert_eq!(bob.newest(), Some(second));

    let refused = |header: &Header, certificate: &Certificate| {
        let mut bob = LightClient::new(node.validators.validators(), 3);
        let lie = bob.follow(&[], header, certificate, 2).unwrap_err();
        assert_eq!(bob.newest(), None);
        lie
    };
    // Another root, with the hash as it was, or with its own.
    let mut other = *second;
    other.state_root = first.state_root;
    assert_eq!(refused(&other, of_second), Lie::OtherHash);
    other.hash = other.digest();
    assert_eq!(refused(&other, of_second), Lie::OtherBlock);
    let mut relabelled = of_second.clone();
    relabelled.block = other.hash;
    let place = relabelled.signatures[0].0;
    let forged = Lie::Certificate(CertificateError::BadSignature { place });
    assert_eq!(refused(&other, &relabelled), forged);
    // Validators of somebody's own.
    let mut strangers = validators(&node.chain, 90);
    let decided = strangers.decide(2, 0, &mut Only(second.hash)).unwrap();
    let lie = refused(second, &decided.certificate);
    assert!(matches!(
        lie,
        Lie::Certificate(CertificateError::BadSignature { .. })
    ));
}

/// A client that has just begun takes no old block for the newest, and later no block that does not
/// follow from the one that it has.
#[test]
fn an_old_block_and_one_of_another_past_are_refused() {
    let mut node = Node::new();
    node.post();
    let [(first, of_first), (second, of_second), (third, of_third)] = &node.blocks[..] else {
        panic!("three blocks")
    };
    let new = || LightClient::new(node.validators.validators(), 3);
    let stale = Lie::Stale { now: 5, got: 1 };
    assert_eq!(new().follow(&[], first, of_first, 5), Err(stale));
    assert_eq!(new().follow(&[], first, of_first, 4), Ok(()));
    assert_eq!(new().follow(&[], second, of_second, 5), Ok(()));

    let mut bob = new();
    bob.follow(&[], first, of_first, 1).unwrap();
    // A block was left out, or another one stands in its place.
    let left_out = Lie::OtherParent { height: 3 };
    assert_eq!(bob.follow(&[], third, of_third, 3), Err(left_out));
    let not_after = Lie::OtherParent { height: 1 };
    assert_eq!(bob.follow(&[*first], third, of_third, 3), Err(not_after));
    let mut changed = *second;
    changed.transactions += 1;
    let lie = bob.follow(&[changed], third, of_third, 3);
    assert_eq!(lie, Err(Lie::OtherHash));
    // The validators have told another block, which has its certificate.
    let mut other = *second;
    other.parent = Digest([9; 32]);
    other.hash = other.digest();
    let mut liars = validators(&node.chain, 50);
    let decided = liars.decide(2, 0, &mut Only(other.hash)).unwrap();
    let told = bob.follow(&[], &other, &decided.certificate, 3);
    assert_eq!(told, Err(Lie::OtherParent { height: 2 }));
    assert_eq!(bob.newest(), Some(first));
    assert_eq!(bob.follow(&[*second], third, of_third, 3), Ok(()));
    assert_eq!(bob.newest(), Some(third));
}

/// A node that hides a post can prove nothing of the channel any more.
#[test]
fn a_post_that_a_node_hides_is_found_out() {
    let mut node = Node::new();
    let [ours, others] = node.channels;
    let mut bob = LightClient::new(node.validators.validators(), 3);
    let (header, certificate) = node.blocks[1].clone();
    let before = node.chain.prove_channel(&ours).unwrap();
    assert_eq!(
        bob.channel(&ours, &before),
        Err(Lie::OtherState),
        "no header yet"
    );
    bob.follow(&[], &header, &certificate, 3).unwrap();
    let record = bob.channel(&ours, &before).unwrap();
    assert_eq!(record.status, ChannelStatus::Open);
    let of_others = node.chain.prove_channel(&others).unwrap();
    assert_eq!(bob.channel(&ours, &of_others), Err(Lie::OtherChannel));

    node.post();
    let (header, certificate) = node.blocks[2].clone();
    bob.follow(&[], &header, &certificate, 3).unwrap();
    assert_eq!(
        bob.channel(&ours, &before),
        Err(Lie::OtherState),
        "as if nothing were posted"
    );
    let now = node.chain.prove_channel(&ours).unwrap();
    let record = bob.channel(&ours, &now).unwrap();
    assert!(
        matches!(record.status, ChannelStatus::Disputed { .. }),
        "{record:?}"
    );
}

/// A tower believes no node: what is posted in its clients' channels it takes from proofs, whether
/// a node tells of it or not.
#[test]
fn a_tower_answers_a_post_that_its_node_is_silent_about() {
    let mut node = Node::new();
    let (ours, genesis) = (node.channels[0], *node.chain.genesis());
    let keys = [1, 2].map(|seed| SecretKey::from_seed(&[seed; 32]).public());
    let keys = Pair {
        a: keys[0],
        b: keys[1],
    };
    let terms = Terms::one_sided(genesis, 0, keys, Amount::new(500));
    let mut bob = Driver::default();
    bob.add_key(&[2; 32]);
    let (alices, bobs) = (
        node.alice.find(&ours).unwrap(),
        bob.join(&terms, Rules::default()),
    );
    let bobs = bobs.unwrap();
    node.alice.pay(alices, Amount::new(7), 0).unwrap();
    while talk(&mut node.alice, &mut bob, bobs) | talk(&mut bob, &mut node.alice, alices) {}

    let mut client = LightClient::new(node.validators.validators(), 3);
    let (header, certificate) = node.blocks[1].clone();
    client.follow(&[], &header, &certificate, 2).unwrap();
    let open = node.chain.prove_channel(&ours).unwrap();
    let mut tower = Watchtower::new(Backend::Dalek, genesis, tower());
    let proofs = [(ours, bob.held(bobs).unwrap())];
    let verdicts = tower.hand_over(&proofs, |id| client.channel(id, &open).ok());
    assert_eq!(verdicts, [Ok(())]);

    node.post();
    let (header, certificate) = node.blocks[2].clone();
    client.follow(&[], &header, &certificate, 3).unwrap();
    let proof = node.chain.prove_channel(&ours).unwrap();
    let record = client.channel(&ours, &proof).unwrap();
    let dispute = record.dispute().unwrap();
    tower.read(&[Notice::Posted {
        channel: ours,
        by: None,
        version: dispute.highest(),
        until: dispute.until(),
    }]);
    assert_eq!(tower.submit(|bytes| node.chain.submit(1, bytes)), 1);
    let mut receipts = Vec::new();
    node.chain.seal(&mut receipts);
    let outcome = &receipts[0].outcome;
    assert!(
        matches!(outcome, Ok(Executed::Posted { version: 1, .. })),
        "{outcome:?}"
    );
}
