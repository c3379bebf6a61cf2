//! Alice opens a channel to Bob, pays him three times, and both close it:
//! `cargo run --example payment`
use std::error::Error;

use duet_engine::driver::{Driver, Output, Slot};
use duet_engine::l1::{Chain, Transaction};
use duet_engine::protocol::{Amount, Pair, Rules, Terms};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut alice, mut bob) = (Driver::default(), Driver::default());
    let (a, b) = (alice.add_key(&[1; 32]), bob.add_key(&[2; 32]));
    let mut l1 = Chain::with_accounts(vec![(a, Amount::new(1_000))])?;

    let terms = Terms::one_sided(*l1.genesis(), 0, Pair { a, b }, Amount::new(500));
    l1.include(&Transaction::open(&terms).signed_by(alice.key(&a), l1.genesis()))?;
    let alices = alice.join(&terms, Rules::default())?;
    let bobs = bob.join(&terms, Rules::default())?;
    for units in [5, 7, 9] {
        alice.pay(alices, Amount::new(units), 0)?;
    }
    alice.finish(alices)?;
    // What one says, the other hears, until both are silent.
    while talk(&mut alice, &mut bob, bobs) | talk(&mut bob, &mut alice, alices) {}

    let proof = alice.final_proof(alices).ok_or("Bob has not signed")?;
    let close = Transaction::close(a, proof);
    l1.include(&close.signed_by(alice.key(&a), l1.genesis()))?;
    println!("Bob has {} units.", l1.balance(&b));
    Ok(())
}

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
