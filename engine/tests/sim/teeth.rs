//! What the model is worth: each node here is broken in one way, and some world must show it.

use super::keys::Keys;
use super::live;
use super::plan::Sabotage;

/// Seeds after which a model that has seen nothing is blind.
const PATIENCE: u64 = 6000;

/// The first seed in which the model objects, and how.
fn first_objection(sabotage: Sabotage) -> Option<(u64, String)> {
    let mut keys = Keys::new();
    (0..PATIENCE).find_map(|seed| {
        let objection = live(seed, sabotage, &mut keys, None).err()?;
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
    for (sabotage, expected) in table {
        let found = first_objection(sabotage);
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
