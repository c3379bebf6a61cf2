//! The oracle has teeth: it finds out the builds that acknowledge what is not durable.

use duet_engine::log::disk::{Crash, SimulatedDisk};

use crate::crashes::operations;
use crate::owner::{Owner, Violation};

/// How many crashes, each at another operation, the oracle objects to, by kind.
fn objections(prepare: impl Fn(&SimulatedDisk, &mut Owner)) -> (u64, u64, u64) {
    let (mut crashes, mut silent, mut refused) = (0, 0, 0);
    for seed in 0..4 {
        for at in 0..operations(seed, 16) {
            let disk = SimulatedDisk::new(seed ^ at << 8);
            let mut owner = Owner::new(seed);
            prepare(&disk, &mut owner);
            disk.crash_at(at);
            let life = owner.live(&disk, 16);
            assert!(life.is_ok(), "{:?}", life.err());
            crashes += 1;
            match owner.live(&disk.after(Crash::Power), 1) {
                Ok(_) => {}
                Err(Violation::Refused(_)) => refused += 1,
                Err(Violation::SilentLoss { .. } | Violation::WrongState { .. }) => silent += 1,
            }
        }
    }
    println!("{crashes} crashes: {silent} silent losses, {refused} refusals");
    (crashes, silent, refused)
}

#[test]
fn the_build_as_it_is_passes() {
    let (crashes, silent, refused) = objections(|_, _| {});
    assert!(crashes > 100);
    assert_eq!((silent, refused), (0, 0));
}

#[test]
fn a_build_in_which_fsync_does_nothing_is_found_out() {
    let (crashes, silent, refused) = objections(|disk, _| disk.syncs_do_nothing());
    assert!(silent > 0, "no silent loss in {crashes} crashes");
    assert!(silent + refused > crashes / 2, "{silent} and {refused}");
}

#[test]
fn a_build_in_which_acknowledgements_leave_before_fsync_is_found_out() {
    let (crashes, silent, refused) = objections(|_, owner| owner.acknowledges_early = true);
    assert!(silent > 10, "{silent} silent losses in {crashes} crashes");
    assert_eq!(refused, 0, "the log itself is in order");
}
