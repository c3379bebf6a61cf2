//! Alice shows Layer 1 an old state, in which she has more. Bob answers, and gets all of it:
//! `cargo run --example dispute`

use std::error::Error;

use duet_engine::driver::{Driver, Output, Slot};
use duet_engine::l1::{Chain, Notice, Transaction};
use duet_engine::protocol::{Amount, Pair, Post, Rules, Terms};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut alice, mut bob) = (Driver::default(), Driver::default());
    let (a, b) = (alice.add_key(&[1; 32]), bob.add_key(&[2; 32]));
    // Bob keeps something for fees: an answer, and the payout.
    let accounts = vec![(a, Amount::new(1_000)), (b, Amount::new(10))];
    let mut l1 = Chain::with_accounts(accounts)?;
    let genesis = *l1.genesis();

    let terms = Terms::one_sided(genesis, 0, Pair { a, b }, Amount::new(500));
    l1.include(&Transaction::open(&terms).signed_by(alice.key(&a), &genesis))?;
    let alices = alice.join(&terms, Rules::default())?;
    let bobs = bob.join(&terms, Rules::default())?;

    alice.pay(alices, Amount::new(10), 0)?;
    while talk(&mut alice, &mut bob, bobs) | talk(&mut bob, &mut alice, alices) {}
    let old = alice.held(alices);
    alice.pay(alices, Amount::new(300), 0)?;
    while talk(&mut alice, &mut bob, bobs) | talk(&mut bob, &mut alice, alices) {}

    // Her driver would not make such a post: it shows the newest state only.
    let post = Post {
        channel: terms.channel_id(),
        shown: old,
        offer: None,
    };
    l1.include(&Transaction::post(a, post).signed_by(alice.key(&a), &genesis))?;
    println!("Alice has posted that Bob owns 10 of 500 units.");

    // Bob reads every block.
    for notice in l1.notices().to_vec() {
        if let Notice::Posted {
            channel, version, ..
        } = notice
            && let Some(slot) = bob.find(&channel)
        {
            bob.posted(slot, version);
        }
    }
    let mut output = Output::default();
    bob.advance(&mut output);
    for (_, answer) in output.posts() {
        l1.include(&Transaction::post(b, *answer).signed_by(bob.key(&b), &genesis))?;
        println!("Bob has answered with the state in which he owns 310.");
    }
    for _ in 0..terms.challenge_window_blocks {
        l1.seal_even_empty(&mut Vec::new());
    }
    let payout = Transaction::payout(b, terms.channel_id());
    l1.include(&payout.signed_by(bob.key(&b), &genesis))?;
    println!("Alice has {}, Bob {}.", l1.balance(&a), l1.balance(&b));
    assert_eq!(l1.balance(&b), Amount::new(10 + 500 - 2));
    Ok(())
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
fn runs() {
    main().expect("Bob is paid");
}
