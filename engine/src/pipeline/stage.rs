//! CPU time by stage and role. A thread's time is cut into laps with no gap between them, so that
//! stage times sum to the thread's own.

use crate::clock::thread_cpu_ns;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub const ALL: [Stage; 23] = [
        Stage::Draw,
        Stage::Propose,
        Stage::PayerHash,
        Stage::PayerSign,
        Stage::Send,
        Stage::Receive,
        Stage::PayeeHash,
        Stage::PayeeVerify,
        Stage::Accept,
        Stage::PayeeSign,
        Stage::Answer,
        Stage::Match,
        Stage::PayerVerify,
        Stage::Complete,
        Stage::Finish,
        Stage::Dispute,
        Stage::Transact,
        Stage::Settle,
        Stage::Audit,
        Stage::Log,
        Stage::Wait,
        Stage::Observe,
        Stage::PlantedSlowdown,
    ];

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
            Stage::Audit => ("audit", "loadgen", "payment"),
            Stage::Log => ("log", "both", "record"),
            Stage::Wait => ("wait", "loadgen", "wait"),
            Stage::Observe => ("observe", "loadgen", "sample"),
            Stage::PlantedSlowdown => ("planted-slowdown", "loadgen", "wave"),
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
}

impl StageClock {
    /// Starts the first lap of the calling thread.
    #[must_use]
    pub(super) fn start() -> StageClock {
        StageClock {
            last_ns: thread_cpu_ns(),
            costs: [StageCost::default(); Stage::COUNT],
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

    /// All laps so far.
    #[must_use]
    pub(super) fn costs(&self) -> &StageCosts {
        &self.costs
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

    #[test]
    fn laps_sum_to_the_threads_time() {
        let before = thread_cpu_ns();
        let mut clock = StageClock::start();
        let mut x = 1u64;
        for stage in [Stage::Draw, Stage::Wait, Stage::Draw] {
            for i in 0..100_000 {
                x = std::hint::black_box(x.wrapping_mul(3) ^ i);
            }
            clock.lap(stage, 1);
        }
        let all = thread_cpu_ns() - before;
        let laps: u64 = clock.costs().iter().map(|cost| cost.cpu_ns).sum();
        assert!(laps > 0 && laps <= all);
        assert_eq!(clock.costs()[Stage::Draw as usize].items, 2);
    }
}
