//! Machines that come to their end: every step is settled once, in order, with all batches, and
//! every answer comes back. The machines check it themselves.

mod machines;

use machines::{Machine, Told, addresses};

#[test]
#[ignore = "a machine of the other tests"]
fn machine() {
    machines::be_a_machine();
}

/// Starts machines that are told the same, and returns what they say last.
fn ends(machines: usize, told: impl Fn(&mut Told)) -> Vec<String> {
    let hosts = addresses(machines);
    let start = |me: usize| {
        let mut is_told = Told::new(&hosts, me);
        told(&mut is_told);
        Machine::start(&is_told)
    };
    let machines: Vec<Machine> = (0..machines).map(start).collect();
    machines.into_iter().map(Machine::last_line).collect()
}

#[test]
fn all_steps_are_settled_and_answered() {
    for (machines, shards, steps, fewer) in [
        (1, 1, 500, 0),
        (1, 3, 500, 0),
        (2, 1, 500, 0),
        (2, 3, 500, 0),
        (3, 2, 300, 0),
        (3, 2, 300, 100),
        (4, 2, 300, 0),
        (2, 1, 10, 10),
        (2, 2, 0, 0),
    ] {
        let said = ends(machines, |told| {
            (told.shards, told.steps, told.fewer) = (shards, steps, fewer);
        });
        for (me, said) in said.into_iter().enumerate() {
            let settled = if me == 0 { steps } else { 0 };
            let answered = vec![steps - fewer * me as u64; shards as usize];
            let expected = format!("ended: {settled} settled, {answered:?} answered");
            assert!(said.starts_with(&expected), "{said}");
        }
    }
}

#[test]
fn a_busy_layer_1_is_not_silent() {
    let said = ends(2, |told| {
        (told.steps, told.busy_ms, told.patience_ms) = (20, 1_500, 400);
    });
    assert!(
        said.iter().all(|said| said.starts_with("ended")),
        "{said:?}"
    );
}

#[test]
fn a_quiet_run_is_not_silent() {
    let said = ends(3, |told| {
        (told.steps, told.pace_ms, told.patience_ms) = (2, 1_500, 400);
    });
    assert!(
        said.iter().all(|said| said.starts_with("ended")),
        "{said:?}"
    );
}

#[test]
fn layer_1_waits_for_the_slowest_machine() {
    for slow in [0, 1, 2] {
        let said = ends(3, |told| {
            told.steps = 20;
            told.pace_ms = if told.me == slow { 20 } else { 0 };
        });
        let expected = format!("waited most for {slow}");
        // What machine 0 does between its turns is no waiting.
        assert!(
            slow == 0 || said[0].ends_with(&expected),
            "{slow}: {said:?}"
        );
    }
}
