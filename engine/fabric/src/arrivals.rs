//! What has come to Layer 1's machine: batches by step, and how far each machine is. Measures for
//! whom Layer 1 waits.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::batch::Batch;

/// How often and for how long Layer 1 waited for one machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// Steps with batches that it was the last machine to pass. If several pass a step in the same
    /// turn, there is no last one.
    pub steps: u64,
    /// For how long Layer 1 had nothing to do because that machine, and no other, had not passed
    /// the next step. Nanoseconds in all.
    pub alone_ns: u64,
}

/// The steps that are not settled yet.
#[derive(Debug)]
pub(crate) struct Arrivals {
    steps: BTreeMap<u64, Vec<Batch>>,
    machines: Vec<Machine>,
    /// Since when Layer 1 has had nothing to do. None: it is at work.
    idle_since: Option<Instant>,
    /// The tags of all batches that have come, whatever their steps.
    tags: u32,
    /// The first batch that no machine of this build sends, and its sender.
    broken: Option<(usize, &'static str)>,
}

#[derive(Debug, Default)]
struct Machine {
    /// All steps below are passed. None: all steps are.
    passed: Option<u64>,
    /// When it passed which steps, those aside that are settled: all steps below, since then.
    passings: VecDeque<(u64, Instant)>,
    waited: Waited,
}

impl Machine {
    fn passed_at(&self, step: u64) -> Option<Instant> {
        let mut passings = self.passings.iter();
        passings.find(|(below, _)| *below > step).map(|(_, at)| *at)
    }
}

impl Arrivals {
    pub(crate) fn new(machines: usize) -> Arrivals {
        let machine = |_| Machine {
            passed: Some(0),
            ..Machine::default()
        };
        Arrivals {
            steps: BTreeMap::new(),
            machines: (0..machines).map(machine).collect(),
            idle_since: None,
            tags: 0,
            broken: None,
        }
    }

    /// A batch of a machine, sent when it had passed all steps below `sent_at`.
    pub(crate) fn put(&mut self, machine: usize, sent_at: Option<u64>, batch: Batch) {
        self.tags |= batch.tag;
        let passed = self.machines[machine].passed;
        let is_late = [sent_at, passed]
            .iter()
            .any(|at| at.is_none_or(|at| batch.step < at));
        if is_late || batch.to != 0 || batch.step == u64::MAX {
            self.broken
                .get_or_insert((machine, "a batch of a step that it has passed"));
        } else {
            self.steps.entry(batch.step).or_default().push(batch);
        }
    }

    /// A machine has passed all steps below; none: all there are.
    pub(crate) fn pass(&mut self, machine: usize, below: Option<u64>, now: Instant) {
        let machine = &mut self.machines[machine];
        if machine.passed != below {
            machine.passed = below;
            machine.passings.push_back((below.unwrap_or(u64::MAX), now));
            if self.steps.is_empty() {
                self.forget_passings();
            }
        }
    }

    /// Layer 1 has nothing else to do.
    pub(crate) fn wait(&mut self, now: Instant) {
        self.idle_since.get_or_insert(now);
    }

    pub(crate) fn tags(&self) -> u32 {
        self.tags
    }

    pub(crate) fn all_passed(&self) -> bool {
        let mut passed = self.machines.iter().map(|machine| machine.passed);
        self.steps.is_empty() && passed.all(|below| below.is_none_or(|below| below == u64::MAX))
    }

    pub(crate) fn is_ready(&self) -> bool {
        let step = self.steps.first_key_value();
        step.is_some_and(|(step, _)| self.is_passed(*step))
    }

    fn is_passed(&self, step: u64) -> bool {
        let mut passed = self.machines.iter().map(|machine| machine.passed);
        passed.all(|below| below.is_none_or(|below| step < below))
    }

    /// The first step that all machines have passed and that has batches, in the order of their
    /// shards.
    pub(crate) fn next_step(&mut self) -> Option<(u64, Vec<Batch>)> {
        let first = self.steps.first_entry()?;
        let step = *first.key();
        if !self.is_passed(step) {
            return None;
        }
        let mut batches = self.steps.remove(&step)?;
        batches.sort_by_key(|batch| batch.from);
        self.count_wait(step);
        Some((step, batches))
    }

    fn count_wait(&mut self, step: u64) {
        let idle_since = self.idle_since.take();
        let machines = self.machines.iter().enumerate();
        let passings = machines.filter_map(|(at, machine)| Some((machine.passed_at(step)?, at)));
        let mut passings: Vec<_> = passings.collect();
        passings.sort_unstable();
        if let [.., (before, _), (last, machine)] = passings[..]
            && before < last
        {
            let waited = &mut self.machines[machine].waited;
            waited.steps += 1;
            if let Some(idle_since) = idle_since {
                let alone = last.saturating_duration_since(idle_since.max(before));
                waited.alone_ns += alone.as_nanos() as u64;
            }
        }
        self.forget_passings();
    }

    /// Passings of steps that are settled, or that nobody can send batches of.
    fn forget_passings(&mut self) {
        let passed = self.machines.iter().filter_map(|machine| machine.passed);
        let first = self.steps.keys().next().copied();
        let Some(unsettled) = passed.chain(first).min() else {
            return;
        };
        for machine in &mut self.machines {
            while machine
                .passings
                .pop_front_if(|(below, _)| *below <= unsettled)
                .is_some()
            {}
        }
    }

    pub(crate) fn waited(&self) -> Vec<Waited> {
        self.machines.iter().map(|machine| machine.waited).collect()
    }

    pub(crate) fn broken(&self) -> Option<(usize, &'static str)> {
        self.broken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn batch(step: u64, from: u32) -> Batch {
        Batch::new(step, from, 0, Vec::new())
    }

    #[test]
    fn a_step_is_ready_when_all_have_passed_it() {
        let now = Instant::now();
        let mut arrivals = Arrivals::new(2);
        arrivals.put(1, Some(0), batch(3, 1));
        arrivals.put(0, Some(0), batch(3, 0));
        arrivals.put(0, Some(0), batch(5, 0));
        arrivals.pass(0, Some(6), now);
        assert!(!arrivals.is_ready());
        arrivals.pass(1, Some(3), now);
        assert!(arrivals.next_step().is_none());
        arrivals.pass(1, Some(4), now);
        assert!(arrivals.is_ready());
        let (step, batches) = arrivals.next_step().unwrap();
        let from: Vec<u32> = batches.iter().map(|batch| batch.from).collect();
        assert_eq!((step, from), (3, vec![0, 1]));
        assert!(arrivals.next_step().is_none());
        arrivals.pass(1, None, now);
        assert_eq!(arrivals.next_step().map(|(step, _)| step), Some(5));
        assert!(arrivals.broken().is_none());
    }

    #[test]
    fn a_batch_of_a_passed_step_is_refused() {
        let check = |passed: Option<u64>, sent_at: Option<u64>, step: u64, is_broken: bool| {
            let mut arrivals = Arrivals::new(2);
            arrivals.pass(1, passed, Instant::now());
            arrivals.put(1, sent_at, batch(step, 0));
            assert_eq!(
                arrivals.broken().is_some(),
                is_broken,
                "{passed:?} {sent_at:?} {step}"
            );
        };
        check(Some(4), Some(4), 4, false);
        check(Some(4), Some(0), 4, false);
        check(Some(4), Some(4), 3, true);
        check(Some(0), Some(4), 3, true);
        check(None, Some(4), 4, true);
        check(Some(4), None, 4, true);
        check(Some(4), Some(4), u64::MAX, true);
    }

    #[test]
    fn layer_1_waits_for_the_last_machine_alone() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let mut arrivals = Arrivals::new(3);
        let mut settle = |passings: [(usize, u64); 3], step: u64, idle_at: Option<u64>| {
            arrivals.put(0, Some(step), batch(step, 0));
            if let Some(ms) = idle_at {
                arrivals.wait(at(ms));
            }
            for (machine, ms) in passings {
                arrivals.pass(machine, Some(step + 1), at(ms));
            }
            arrivals.next_step().unwrap();
            let waited = arrivals.waited();
            [0, 1, 2].map(|at| (waited[at].steps, waited[at].alone_ns / 1_000_000))
        };
        // Machine 2 is 3 ms behind the others.
        let waited = settle([(0, 1), (1, 2), (2, 5)], 0, Some(0));
        assert_eq!(waited, [(0, 0), (0, 0), (1, 3)]);
        // Layer 1 was at work until 8 ms: it waited 1 ms.
        let waited = settle([(0, 6), (2, 7), (1, 9)], 1, Some(8));
        assert_eq!(waited, [(0, 0), (1, 1), (1, 3)]);
        // It was at work all the time.
        let waited = settle([(0, 10), (2, 11), (1, 12)], 2, None);
        assert_eq!(waited, [(0, 0), (2, 1), (1, 3)]);
        // No machine was last alone.
        let waited = settle([(0, 13), (2, 14), (1, 14)], 3, Some(13));
        assert_eq!(waited, [(0, 0), (2, 1), (1, 3)]);
    }

    #[test]
    fn passings_do_not_pile_up() {
        let now = Instant::now();
        let mut arrivals = Arrivals::new(1);
        for step in 0..1_000 {
            arrivals.put(0, Some(step), batch(step, 0));
            arrivals.pass(0, Some(step + 1), now);
            assert!(arrivals.next_step().is_some());
        }
        (1_000..2_000).for_each(|below| arrivals.pass(0, Some(below), now));
        assert!(arrivals.machines[0].passings.len() < 3);
        // One passing that covers many steps is kept for all of them.
        arrivals.put(0, Some(2_000), batch(2_001, 0));
        arrivals.put(0, Some(2_000), batch(2_002, 0));
        arrivals.pass(0, Some(u64::MAX), now);
        assert!(arrivals.next_step().is_some());
        assert!(arrivals.machines[0].passed_at(2_002).is_some());
        assert!(arrivals.next_step().is_some());
    }
}
