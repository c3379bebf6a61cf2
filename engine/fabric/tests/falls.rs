//! Machines that fall: all others end, and name the one that fell.
//!
//! `DUET_ROUNDS=50 cargo test -p duet-fabric --test falls killed -- --nocapture` kills more often,
//! and prints how long it took the others to notice.

mod machines;

use std::time::{Duration, Instant};

use machines::{Leave, Machine, Told, addresses};
use rustix::process::{Pid, Signal, kill_process};

#[test]
#[ignore = "a machine of the other tests"]
fn machine() {
    machines::be_a_machine();
}

struct Run {
    hosts: Vec<String>,
    machines: Vec<Machine>,
}

impl Run {
    /// Machines that go on for ever.
    fn start(machines: usize, told: impl Fn(&mut Told)) -> Run {
        let hosts = addresses(machines);
        let start = |me: usize| {
            let mut is_told = Told::new(&hosts, me);
            told(&mut is_told);
            Machine::start(&is_told)
        };
        let machines: Vec<Machine> = (0..machines).map(start).collect();
        for machine in &machines {
            machine.wait_for("here");
            machine.wait_for("going");
        }
        Run { hosts, machines }
    }

    /// Waits until all but one have failed; what they said, and how long after `since`.
    fn failures(self, but: usize, since: Instant) -> Vec<(String, Duration)> {
        let others = self.machines.into_iter().enumerate();
        let others = others.filter(|(at, _)| *at != but);
        let failure = |(_, machine): (usize, Machine)| (machine.last_line(), since.elapsed());
        others.map(failure).collect()
    }
}

#[test]
fn a_killed_machine_is_named_by_all() {
    let rounds = std::env::var("DUET_ROUNDS").ok();
    let rounds = rounds.map_or(10, |rounds| rounds.parse().unwrap());
    let mut random = u64::from(std::process::id());
    let mut draw = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    let mut took = Vec::new();
    for round in 0..rounds {
        let machines = 2 + draw(3) as usize;
        let pace_ms = [0, 0, 2, 200][draw(4) as usize];
        let mut run = Run::start(machines, |told| told.pace_ms = pace_ms);
        std::thread::sleep(Duration::from_micros(draw(50_000)));
        let killed = draw(machines as u64) as usize;
        let address = run.hosts[killed].clone();
        let since = Instant::now();
        run.machines[killed].child.kill().unwrap();
        for (said, after) in run.failures(killed, since) {
            let expected = format!("failed false: machine {killed} ({address}) is gone: ");
            assert!(
                said.starts_with(&expected),
                "round {round}, {machines} machines: {said}"
            );
            // The pause between turns is the test's own.
            took.push(after.saturating_sub(Duration::from_millis(pace_ms)));
        }
    }
    took.sort_unstable();
    let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "{} of the others ended after {median:?} (median), {most:?} at most",
        took.len()
    );
    assert!(
        most < Duration::from_secs(8),
        "not by its silence, which takes 10 s"
    );
}

#[test]
fn a_stopped_machine_is_silent() {
    for stopped in [0, 2] {
        let patience = Duration::from_millis(1_000);
        let run = Run::start(3, |told| told.patience_ms = 1_000);
        let pid = Pid::from_child(&run.machines[stopped].child);
        let address = run.hosts[stopped].clone();
        let since = Instant::now();
        kill_process(pid, Signal::STOP).unwrap();
        let mut machines = run.machines;
        let silent = machines.remove(stopped);
        for machine in machines {
            let said = machine.last_line();
            let named = format!("machine {stopped} ({address}) has been silent for 1 s");
            assert!(
                said.starts_with(&format!("failed false: {named}")),
                "{said}"
            );
        }
        println!(
            "the others ended after {:?} of {patience:?}",
            since.elapsed()
        );
        // It learns what the others think of it when it wakes up.
        kill_process(pid, Signal::CONT).unwrap();
        let said = silent.last_line();
        let named = format!("machine {stopped} ({address}) has been silent for 1 s, says machine");
        assert!(
            said.starts_with(&format!("failed false: {named}")),
            "{said}"
        );
    }
}

#[test]
fn a_machine_that_leaves_is_named() {
    for leave in [Leave::Drop, Leave::Exit, Leave::Panic] {
        let run = Run::start(3, |told| (told.leave_at, told.leave) = (20, leave));
        let address = run.hosts[1].clone();
        for (said, _) in run.failures(1, Instant::now()) {
            let named = format!("failed false: machine 1 ({address}) is gone: ");
            assert!(said.starts_with(&named), "{said}");
            let is_told = said.contains("it left before the end");
            assert!(is_told || leave == Leave::Exit, "{said}");
        }
    }
}
