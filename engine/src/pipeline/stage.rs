//! CPU time by stage and role. A thread's time is cut into laps with no gap between them, from its
//! first instruction to its last lap, so that stage times sum to the thread's own.

use duet_base::clock::thread_cpu_ns;
use strum::VariantArray;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
#[repr(usize)]
pub enum Stage {
    /// Drawing payments from the workload, and their arrivals.
    Draw,
    /// The payer checks its payments and makes log entries.
    Propose,
    /// The payer extends its hash chains and hashes its states.
    PayerHash,
    /// The payer signs its proposals.
    PayerSign,
    /// The payer encodes proposals and keeps them for resending.
    Send,
    /// The payee decodes proposals and checks their entries.
    Receive,
    /// The payee extends its own hash chains and hashes its states.
    PayeeHash,
    /// The payee verifies the proposals' signatures.
    PayeeVerify,
    /// The payee counts the payments.
    Accept,
    /// The payee co-signs.
    PayeeSign,
    /// The payee keeps the co-signed state and encodes its answer.
    Answer,
    /// The payer decodes answers and finds what they answer.
    Match,
    /// The payer verifies the answers' signatures.
    PayerVerify,
    /// The payer completes its proposals; latency is recorded.
    Complete,
    /// Both parties agree on the final state.
    Finish,
    /// Channels that do not end politely: both parties' part in it.
    Dispute,
    /// Building, signing and checking Layer 1 transactions, and setting channels up.
    Transact,
    /// Layer 1: verifying, executing and hashing blocks.
    Settle,
    /// Layer 1's validators, all of them: the network between them, and their votes.
    Decide,
    /// Writing the audit log.
    Audit,
    /// Durable runs: making records, writing and syncing them.
    Log,
    /// Waiting, and looking for work.
    Wait,
    /// Progress and sampling.
    Observe,
    /// Nothing, on purpose.
    PlantedSlowdown,
    /// Starting and ending threads.
    Thread,
    /// Layer 1's workers beside what they verify: looking for work.
    Workers,
    /// Carrying steps to Layer 1 and their outcomes back, between machines.
    Fabric,
}

/// How a stage appears in a run file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageLabel {
    /// What is done.
    pub name: &'static str,
    /// On whose behalf.
    pub role: &'static str,
    /// What its items are.
    pub unit: &'static str,
}

impl Stage {
    /// How many stages there are.
    pub const COUNT: usize = Stage::ALL.len();

    /// All stages, in the order of their discriminants.
    pub const ALL: [Stage; Stage::VARIANTS.len()] =
        *Stage::VARIANTS.as_array().expect("its length");

    /// How it appears in a run file.
    #[must_use]
    pub const fn label(self) -> StageLabel {
        let (name, role, unit) = match self {
            Stage::Draw => ("draw", "loadgen", "payment"),
            Stage::Propose => ("propose", "payer", "payment"),
            Stage::PayerHash => ("hash", "payer", "payment"),
            Stage::PayerSign => ("sign", "payer", "signature"),
            Stage::Send => ("send", "payer", "proposal"),
            Stage::Receive => ("receive", "payee", "payment"),
            Stage::PayeeHash => ("hash", "payee", "payment"),
            Stage::PayeeVerify => ("verify", "payee", "signature"),
            Stage::Accept => ("accept", "payee", "proposal"),
            Stage::PayeeSign => ("sign", "payee", "signature"),
            Stage::Answer => ("answer", "payee", "proposal"),
            Stage::Match => ("match", "payer", "proposal"),
            Stage::PayerVerify => ("verify", "payer", "signature"),
            Stage::Complete => ("complete", "payer", "payment"),
            Stage::Finish => ("finish", "both", "session"),
            Stage::Dispute => ("dispute", "both", "channel"),
            Stage::Transact => ("transact", "both", "transaction"),
            Stage::Settle => ("settle", "l1", "transaction"),
            Stage::Decide => ("decide", "validators", "block"),
            Stage::Audit => ("audit", "loadgen", "payment"),
            Stage::Log => ("log", "both", "record"),
            Stage::Wait => ("wait", "loadgen", "wait"),
            Stage::Observe => ("observe", "loadgen", "sample"),
            Stage::PlantedSlowdown => ("planted-slowdown", "loadgen", "wave"),
            Stage::Thread => ("thread", "loadgen", "thread"),
            Stage::Workers => ("workers", "l1", "worker"),
            Stage::Fabric => ("fabric", "loadgen", "step"),
        };
        StageLabel { name, role, unit }
    }

    /// Whether the work is an endpoint's own, as opposed to Layer 1's or the load generator's.
    #[must_use]
    pub fn is_offchain(self) -> bool {
        matches!(self.label().role, "payer" | "payee" | "both")
    }
}

/// What one stage has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageCost {
    /// Items handled, in the stage's unit.
    pub items: u64,
    /// CPU time, in nanoseconds.
    pub cpu_ns: u64,
}

/// What every stage has cost so far, in the order of [`Stage::ALL`].
pub type StageCosts = [StageCost; Stage::COUNT];

/// One thread's stage costs, lap by lap.
pub(super) struct StageClock {
    last_ns: u64,
    costs: StageCosts,
    /// The laps before the figures began, all stages together.
    before_ns: u64,
}

impl StageClock {
    /// The clock of the calling thread, which was started for it: all that it took so far was its
    /// start.
    #[must_use]
    pub(super) fn of_thread() -> StageClock {
        let mut clock = StageClock::at(0);
        clock.lap(Stage::Thread, 1);
        clock
    }

    /// Starts the first lap of the calling thread, which does other things too.
    #[must_use]
    pub(super) fn from_now() -> StageClock {
        StageClock::at(thread_cpu_ns())
    }

    fn at(last_ns: u64) -> StageClock {
        StageClock {
            last_ns,
            costs: [StageCost::default(); Stage::COUNT],
            before_ns: 0,
        }
    }

    /// Ends a lap: the thread's CPU time since the last one was this stage's.
    pub(super) fn lap(&mut self, stage: Stage, items: usize) {
        let now = thread_cpu_ns();
        let cost = &mut self.costs[stage as usize];
        cost.items += items as u64;
        cost.cpu_ns += now - self.last_ns;
        self.last_ns = now;
    }

    /// Ends a lap, after which the figures begin: what the laps so far took is in none of them, and
    /// still accounted for.
    pub(super) fn begin_figures(&mut self, stage: Stage) {
        self.lap(stage, 0);
        self.before_ns += self.costs.iter().map(|cost| cost.cpu_ns).sum::<u64>();
        self.costs = [StageCost::default(); Stage::COUNT];
    }

    /// Adds CPU time that other threads have spent on this stage.
    pub(super) fn add(&mut self, stage: Stage, cpu_ns: u64) {
        self.costs[stage as usize].cpu_ns += cpu_ns;
    }

    /// What the waves themselves took so far: all but waiting, Layer 1 and what is around a run.
    #[must_use]
    pub(super) fn waves_ns(&self) -> u64 {
        let waves = &self.costs[..=Stage::Finish as usize];
        waves.iter().map(|cost| cost.cpu_ns).sum()
    }

    /// All laps since the figures began.
    #[must_use]
    pub(super) fn costs(&self) -> &StageCosts {
        &self.costs
    }

    /// What all laps before took, in nanoseconds.
    #[must_use]
    pub(super) fn before_ns(&self) -> u64 {
        self.before_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_listed_in_order_and_told_apart() {
        for (i, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, i);
            let same = |other: &&Stage| {
                let (a, b) = (other.label(), stage.label());
                (a.name, a.role) == (b.name, b.role)
            };
            assert_eq!(Stage::ALL.iter().filter(same).count(), 1, "{stage:?}");
        }
    }

    fn work() {
        let mut x = 1_u64;
        for i in 0..100_000 {
            x = std::hint::black_box(x.wrapping_mul(3) ^ i);
        }
    }

    fn sum(clock: &StageClock) -> u64 {
        clock.costs().iter().map(|cost| cost.cpu_ns).sum()
    }

    #[test]
    fn laps_sum_to_the_time_of_a_thread_that_does_other_things_too() {
        work();
        let before = thread_cpu_ns();
        let mut clock = StageClock::from_now();
        for stage in [Stage::Draw, Stage::Wait, Stage::Draw] {
            work();
            clock.lap(stage, 1);
        }
        let all = thread_cpu_ns() - before;
        assert!(sum(&clock) > 0 && sum(&clock) <= all);
        assert_eq!(clock.costs()[Stage::Draw as usize].items, 2);
    }

    #[test]
    fn laps_sum_to_all_that_a_thread_took_since_it_was_started() {
        let (clock, least, most) = std::thread::spawn(|| {
            work();
            let mut clock = StageClock::of_thread();
            work();
            clock.lap(Stage::Draw, 1);
            let least = thread_cpu_ns();
            clock.lap(Stage::Thread, 0);
            (clock, least, thread_cpu_ns())
        })
        .join()
        .expect("no panic");
        assert!((least..=most).contains(&sum(&clock)));
        let [draw, thread] = [Stage::Draw, Stage::Thread].map(|s| clock.costs()[s as usize]);
        assert_eq!((draw.items, thread.items), (1, 1));
        assert!(thread.cpu_ns > 0 && draw.cpu_ns > 0);
    }

    #[test]
    fn what_was_before_the_figures_is_accounted_for_and_in_no_stage() {
        let mut clock = StageClock::from_now();
        work();
        clock.lap(Stage::Draw, 1);
        let lapped = sum(&clock);
        work();
        clock.begin_figures(Stage::Wait);
        assert!(clock.before_ns() > lapped);
        assert_eq!(clock.costs(), &[StageCost::default(); Stage::COUNT]);
    }
}
