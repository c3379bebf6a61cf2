//! CPU time per payment, stage by stage, as a sum of what it is spent on. Pure.
//!
//! A wave costs something however few payments are in it, a verified batch costs something for each
//! distinct key in it, a session for each channel that is opened and closed, and memory that no
//! cache holds costs a little more with each doubling of the channels. Per payment, with m
//! payments a signature, n signatures a wave, s signatures a key, P payments a session and C
//! channels a shard:
//!
//! `cpu = (a + b / n + g / √n + e / s) / m + a' + c / P + d log2(C)`, all coefficients ≥ 0.
//!
//! The root stands for what a batch saves beyond its fixed cost: a sum of many points takes wider
//! windows, so that a signature's own part falls slowly with their number.
//!
//! A stage takes the terms that its unit of work can have: sessions do not get cheaper in large
//! waves. Terms that the runs do not vary are left to the constant.

use std::collections::HashMap;

use strum::VariantArray;

use super::{
    least_squares::{dot, non_negative},
    observation::Observation,
};

/// The conditions that a payment's cost depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Conditions {
    /// Signatures in a wave, n.
    pub(super) wave: f64,
    /// Signatures of one key in a wave, s.
    pub(super) per_key: f64,
    /// Pairs of signatures per payment, 1/m.
    pub(super) proposals_per_payment: f64,
    /// Sessions per payment, 1/P.
    pub(super) sessions_per_payment: f64,
    /// Of these, the ones opened before the first payment or closed after the last, at no payment's
    /// cost in time.
    pub(super) edge_sessions_per_payment: f64,
    /// Channels a shard, C.
    pub(super) channels_per_shard: f64,
}

impl Conditions {
    pub(super) fn of(run: &Observation) -> Conditions {
        Conditions {
            wave: run.wave,
            per_key: run.per_key,
            proposals_per_payment: run.proposals_per_payment,
            sessions_per_payment: run.sessions_per_payment,
            edge_sessions_per_payment: run.edge_sessions_per_payment,
            channels_per_shard: run.channels / run.shards,
        }
    }

    fn value(&self, term: Term) -> f64 {
        match term {
            Term::Payment => 1.0,
            Term::Proposal => self.proposals_per_payment,
            Term::Wave => self.proposals_per_payment / self.wave,
            Term::Root => self.proposals_per_payment / self.wave.sqrt(),
            Term::Key => self.proposals_per_payment / self.per_key,
            Term::Session => self.sessions_per_payment,
            Term::Channels => self.channels_per_shard.max(1.0).log2(),
        }
    }
}

/// What CPU time is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, VariantArray)]
pub(super) enum Term {
    Payment,
    Proposal,
    Wave,
    Root,
    Key,
    Session,
    Channels,
}

impl Term {
    const ALL: [Term; Term::VARIANTS.len()] = *Term::VARIANTS.as_array().expect("its length");

    /// In words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Term::Payment => "payment",
            Term::Proposal => "signature",
            Term::Wave => "wave",
            Term::Root => "root of a wave",
            Term::Key => "key in a wave",
            Term::Session => "session",
            Term::Channels => "doubling of the channels",
        }
    }

    /// What one item of a stage can cost, by the unit that the run file names.
    fn of_unit(unit: &str) -> &'static [Term] {
        match unit {
            "payment" | "entry" => &[Term::Payment, Term::Wave, Term::Channels],
            "proposal" => &[Term::Proposal, Term::Wave, Term::Channels],
            "signature" => &[
                Term::Proposal,
                Term::Wave,
                Term::Root,
                Term::Key,
                Term::Channels,
            ],
            "session" | "transaction" | "channel" => &[Term::Session],
            // Records, waits, samples, and what later versions add.
            _ => &[Term::Payment, Term::Wave, Term::Session],
        }
    }
}

/// The least factor between a term's smallest and largest value for it to be seen.
const LEAST_RANGE: f64 = 1.5;

/// Terms that the runs vary, among those that a plan would change.
pub(super) fn varied(runs: &[&Observation], term: Term) -> bool {
    let values = runs.iter().map(|run| Conditions::of(run).value(term));
    let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    match term {
        Term::Payment => true,
        // A logarithm's range is a difference.
        Term::Channels => most - least >= 1.0,
        _ => most >= LEAST_RANGE * least,
    }
}

/// The CPU model of all stages.
#[derive(Clone, Debug)]
pub(super) struct CpuModel {
    stages: Vec<StageModel>,
    /// The stages' costs summed by role, and whether a shard's thread bears them.
    sums: Vec<(String, bool, [f64; Term::ALL.len()])>,
}

/// One stage's.
#[derive(Clone, Debug)]
struct StageModel {
    name: String,
    role: String,
    on_shard: bool,
    terms: Vec<Term>,
    costs: Vec<f64>,
}

/// CPU seconds per payment, by whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cpu {
    pub(super) payer: f64,
    pub(super) payee: f64,
    /// What both ends do in one.
    pub(super) both: f64,
    pub(super) l1: f64,
    /// The load generator's and what else there is.
    pub(super) other: f64,
}

impl Cpu {
    /// All of it.
    pub(super) fn sum(&self) -> f64 {
        self.payer + self.payee + self.both + self.l1 + self.other
    }

    /// Of one end of each channel: the costlier end's, half of what both do in one, and the load
    /// generator's in place of whatever takes payments in. Layer 1 is not the hub's to run.
    pub(super) fn hub(&self) -> f64 {
        self.payer.max(self.payee) + self.both / 2.0 + self.other
    }

    fn slot(&mut self, role: &str) -> &mut f64 {
        match role {
            "payer" => &mut self.payer,
            "payee" => &mut self.payee,
            "both" => &mut self.both,
            "l1" => &mut self.l1,
            _ => &mut self.other,
        }
    }
}

/// A stage of any run: what tells stages apart is whose it is and what it does.
struct Kind<'r> {
    name: &'r str,
    role: &'r str,
    unit: &'r str,
    on_shard: bool,
    /// Of each run, CPU seconds per payment.
    costs: Vec<f64>,
}

/// The stages of all runs, each once, in the order in which they first stand.
fn kinds<'r>(runs: &[&'r Observation]) -> Vec<Kind<'r>> {
    let mut kinds: Vec<Kind> = Vec::new();
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    for (index, run) in runs.iter().enumerate() {
        for stage in &run.stages {
            let (name, role) = (stage.name.as_str(), stage.role.as_str());
            let place = *places.entry((name, role)).or_insert_with(|| {
                kinds.push(Kind {
                    name,
                    role,
                    unit: &stage.unit,
                    on_shard: stage.is_on_shard(),
                    costs: vec![0.0; runs.len()],
                });
                kinds.len() - 1
            });
            kinds[place].costs[index] += stage.cpu_s;
        }
    }
    kinds
}

impl CpuModel {
    /// None without runs.
    pub(super) fn fit(runs: &[&Observation]) -> Option<CpuModel> {
        let kinds = kinds(runs);
        let model = |kind: Kind| {
            let may_have = Term::of_unit(kind.unit).iter().copied();
            let mut terms: Vec<Term> = may_have.filter(|term| varied(runs, *term)).collect();
            if terms.is_empty() {
                terms.push(Term::of_unit(kind.unit)[0]);
            }
            // Without its constant a stage would have to explain everything by what does vary.
            let constant = Term::of_unit(kind.unit)[0];
            if !terms.contains(&constant) {
                terms.insert(0, constant);
            }
            let rows: Vec<Vec<f64>> = runs
                .iter()
                .map(|run| {
                    let conditions = Conditions::of(run);
                    terms.iter().map(|term| conditions.value(*term)).collect()
                })
                .collect();
            let costs = non_negative(&rows, &kind.costs)?;
            Some(StageModel {
                name: kind.name.to_owned(),
                role: kind.role.to_owned(),
                on_shard: kind.on_shard,
                terms,
                costs,
            })
        };
        // A stage without CPU time in any run costs nothing.
        let stages: Vec<StageModel> = kinds.into_iter().filter_map(model).collect();
        let mut sums: Vec<(String, bool, [f64; Term::ALL.len()])> = Vec::new();
        for stage in &stages {
            let known = sums
                .iter()
                .position(|(role, on_shard, _)| *role == stage.role && *on_shard == stage.on_shard);
            let at = known.unwrap_or_else(|| {
                sums.push((stage.role.clone(), stage.on_shard, [0.0; Term::ALL.len()]));
                sums.len() - 1
            });
            for (term, cost) in stage.terms.iter().zip(&stage.costs) {
                sums[at].2[*term as usize] += cost;
            }
        }
        (!stages.is_empty()).then_some(CpuModel { stages, sums })
    }

    /// Per payment, all threads.
    pub(super) fn cpu(&self, at: &Conditions) -> Cpu {
        self.sum(at, |_| true)
    }

    /// Per payment, of the shards' own threads, while payments are made.
    pub(super) fn on_shard(&self, at: &Conditions) -> Cpu {
        let paying = Conditions {
            sessions_per_payment: at.sessions_per_payment - at.edge_sessions_per_payment,
            ..*at
        };
        self.sum(&paying, |on_shard| on_shard)
    }

    fn sum(&self, at: &Conditions, counts: impl Fn(bool) -> bool) -> Cpu {
        let values = Term::ALL.map(|term| at.value(term));
        let mut cpu = Cpu::default();
        for (role, _, costs) in self
            .sums
            .iter()
            .filter(|(_, on_shard, _)| counts(*on_shard))
        {
            *cpu.slot(role) += dot(&values, costs);
        }
        cpu
    }

    /// Each stage's name, role and CPU seconds per payment, the costliest first.
    pub(super) fn stages(&self, at: &Conditions) -> Vec<(&str, &str, f64)> {
        let mut costs: Vec<(&str, &str, f64)> = self
            .stages
            .iter()
            .map(|stage| (stage.name.as_str(), stage.role.as_str(), stage.cpu(at)))
            .collect();
        costs.sort_by(|a, b| b.2.total_cmp(&a.2));
        costs
    }

    /// What one of each term costs, over all stages, in CPU seconds.
    pub(super) fn terms(&self) -> Vec<(Term, f64)> {
        let cost = |term: &Term| -> f64 {
            let index = *term as usize;
            self.sums.iter().map(|(_, _, costs)| costs[index]).sum()
        };
        let costs = Term::ALL.map(|term| (term, cost(&term)));
        costs.into_iter().filter(|(_, cost)| *cost > 0.0).collect()
    }
}

impl StageModel {
    fn cpu(&self, at: &Conditions) -> f64 {
        let row: Vec<f64> = self.terms.iter().map(|term| at.value(*term)).collect();
        dot(&row, &self.costs)
    }
}
