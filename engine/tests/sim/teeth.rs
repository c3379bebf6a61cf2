//! What the model is worth: each node here is broken in one way, and some world must show it.

use super::keys::Keys;
use super::live_in;
use super::plan::{Plan, Sabotage};

/// Seeds after which a model that has seen nothing is blind.
const PATIENCE: u64 = 6000;

/// The first seed in which the model objects, and how.
fn first_objection(plan: impl Fn(u64) -> Plan) -> Option<(u64, String)> {
    let mut keys = Keys::new();
    (0..PATIENCE).find_map(|seed| {
        let objection = live_in(plan(seed), &mut keys, None).err()?;
        Some((seed, objection))
    })
}

#[test]
fn every_broken_node_is_seen() {
    let table = [
        (Sabotage::SendsBeforeItStores, "S1"),
        (Sabotage::HandsOverBeforeItStores, "proven stale"),
        (Sabotage::StoresNothing, "refuses an honest peer"),
        (Sabotage::HidesItsOffer, "proven stale"),
        (Sabotage::AnswersNothing, "guarantee"),
        (Sabotage::LooksNotBack, "S4"),
        (Sabotage::CountsUnverified, "S4"),
        (Sabotage::CountsAgain, "S4"),
        (Sabotage::SignsAfterItPosted, "after a post"),
        (Sabotage::AnswersWithOldState, "proven stale"),
        (Sabotage::ShortWindow, "guarantee"),
        (Sabotage::StarvesItsTower, "guarantee"),
    ];
    let mut blind = Vec::new();
    type Make = fn(u64, Sabotage) -> Plan;
    let plain = table.map(|(sabotage, expected)| (Plan::new as Make, sabotage, expected));
    // Scarce blocks excuse only what they caused.
    let scarce: [(Make, _, _); 4] = [
        (Plan::scarce, Sabotage::AnswersNothing, "guarantee"),
        (Plan::scarce, Sabotage::HidesItsOffer, "proven stale"),
        (Plan::scarce, Sabotage::AnswersWithOldState, "proven stale"),
        // Long enough if nobody censored.
        (Plan::censored, Sabotage::ShortWindow, "guarantee"),
    ];
    for (make, sabotage, expected) in plain.into_iter().chain(scarce) {
        let found = first_objection(|seed| make(seed, sabotage));
        let words = found.as_ref().map_or_else(
            || "nothing".to_owned(),
            |(seed, objection)| format!("seed {seed}: {objection}"),
        );
        println!("{:<24} {words}", format!("{sabotage:?}"));
        if !found.is_some_and(|(_, objection)| objection.contains(expected)) {
            blind.push((sabotage, expected, words));
        }
    }
    assert!(blind.is_empty(), "{blind:#?}");
}
