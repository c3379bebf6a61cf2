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

use serde::Serialize;
use strum::VariantArray;

use super::{
    ask::Role,
    least_squares::{dot, non_negative},
    observation::{Observation, StageCost},
    statistics::span,
};

/// Where payments are made: what their cost depends on, and their rate does not change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// Channels a shard, C.
    pub(super) channels_per_shard: f64,
    /// Sessions per payment, 1/P.
    pub(super) sessions_per_payment: f64,
    /// Of these, the ones opened before the first payment or closed after the last, at no payment's
    /// cost in time.
    pub(super) edge_sessions_per_payment: f64,
    /// Payments that a session has if nothing cuts it short.
    pub(super) payments: f64,
    /// Pairs of signatures per payment, 1/m.
    pub(super) proposals_per_payment: f64,
}

impl Place {
    pub(super) fn of(run: &Observation) -> Place {
        Place {
            channels_per_shard: run.channels / run.shards,
            sessions_per_payment: run.sessions_per_payment,
            edge_sessions_per_payment: run.edge_sessions_per_payment,
            payments: run.payments_asked as f64,
            proposals_per_payment: run.proposals_per_payment,
        }
    }
}

/// The conditions that a payment's cost depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Conditions {
    /// Signatures in a wave, n.
    pub(super) wave: f64,
    /// Signatures of one key in a wave, s.
    pub(super) per_key: f64,
    pub(super) place: Place,
}

impl Conditions {
    pub(super) fn of(run: &Observation) -> Conditions {
        Conditions {
            wave: run.wave,
            per_key: run.per_key,
            place: Place::of(run),
        }
    }

    fn values(&self) -> Costs {
        Term::ALL.map(|term| self.value(term))
    }

    fn value(&self, term: Term) -> f64 {
        let proposals = self.place.proposals_per_payment;
        match term {
            Term::Payment => 1.0,
            Term::Proposal => proposals,
            Term::Wave => proposals / self.wave,
            Term::Root => proposals / self.wave.sqrt(),
            Term::Key => proposals / self.per_key,
            Term::Session => self.place.sessions_per_payment,
            Term::Channels => self.place.channels_per_shard.max(1.0).log2(),
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

    /// What one item of a stage costs, by the unit that the run file names: its constant, and what
    /// else it can have.
    fn of_unit(unit: &str) -> (Term, &'static [Term]) {
        use Term::{Channels, Key, Payment, Proposal, Root, Session, Wave};
        match unit {
            "payment" | "entry" => (Payment, &[Wave, Channels]),
            "proposal" => (Proposal, &[Wave, Channels]),
            "signature" => (Proposal, &[Wave, Root, Key, Channels]),
            "session" | "transaction" | "channel" => (Session, &[]),
            // Records, waits, samples, and what later versions add.
            _ => (Payment, &[Wave, Session]),
        }
    }
}

/// The least factor between a term's smallest and largest value for it to be seen.
const LEAST_RANGE: f64 = 1.5;

/// Whether the runs vary a term.
pub(super) fn varied(runs: &[&Observation], term: Term) -> bool {
    let values = runs.iter().map(|run| Conditions::of(run).value(term));
    let (least, most) = span(values);
    match term {
        Term::Payment => true,
        // A logarithm's range is a difference.
        Term::Channels => most - least >= 1.0,
        _ => most >= LEAST_RANGE * least,
    }
}

/// What one of each term costs, in CPU seconds.
type Costs = [f64; Term::VARIANTS.len()];

/// The CPU model of all stages.
#[derive(Clone, Debug)]
pub(super) struct CpuModel {
    stages: Vec<StageModel>,
    /// The stages' costs summed by role: of those on a shard's own thread, and of the others.
    on_shard: [Costs; ROLES],
    elsewhere: [Costs; ROLES],
}

/// One stage's.
#[derive(Clone, Debug)]
struct StageModel {
    name: String,
    role: String,
    is_of_sessions: bool,
    costs: Costs,
}

/// A stage's CPU seconds per payment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageCpu {
    /// Its name.
    pub name: String,
    /// For whom.
    pub role: String,
    /// Seconds per payment.
    pub cpu_s: f64,
}

const ROLES: usize = 5;

/// CPU seconds per payment: the payer's, the payee's, what both ends do in one, Layer 1's, and the
/// load generator's with what else there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cpu([f64; ROLES]);

impl Cpu {
    fn role(name: &str) -> usize {
        let named = ["payer", "payee", "both", "l1"];
        let known = named.iter().position(|role| *role == name);
        known.unwrap_or(named.len())
    }

    /// Of a role: all of it; or of one end of each channel: the costlier end's, half of what both
    /// do in one, and the load generator's in place of whatever takes payments in. Layer 1 is not
    /// the hub's to run.
    pub(super) fn of(self, role: Role) -> f64 {
        let [payer, payee, both, _, other] = self.0;
        match role {
            Role::Both => self.0.iter().sum(),
            Role::Hub => payer.max(payee) + both / 2.0 + other,
        }
    }
}

impl CpuModel {
    /// None without runs.
    pub(super) fn fit(runs: &[&Observation]) -> Option<CpuModel> {
        let conditions: Vec<Conditions> = runs.iter().map(|run| Conditions::of(run)).collect();
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        // Each stage of any run once, in the order in which they first stand, with its costs.
        let mut kinds: Vec<(&StageCost, Vec<f64>)> = Vec::new();
        for (index, run) in runs.iter().enumerate() {
            for stage in &run.stages {
                let place = *places.entry((&stage.name, &stage.role)).or_insert_with(|| {
                    kinds.push((stage, vec![0.0; runs.len()]));
                    kinds.len() - 1
                });
                kinds[place].1[index] += stage.cpu_s;
            }
        }
        let is_varied = Term::ALL.map(|term| varied(runs, term));
        let mut model = CpuModel {
            stages: Vec::new(),
            on_shard: [[0.0; Term::VARIANTS.len()]; ROLES],
            elsewhere: [[0.0; Term::VARIANTS.len()]; ROLES],
        };
        for (stage, seconds) in kinds {
            // Without its constant a stage would have to explain everything by what does vary.
            let (constant, others) = Term::of_unit(&stage.unit);
            let others = others.iter().filter(|term| is_varied[**term as usize]);
            let terms: Vec<Term> = [constant].iter().chain(others).copied().collect();
            let row = |at: &Conditions| terms.iter().map(|term| at.value(*term)).collect();
            let rows: Vec<Vec<f64>> = conditions.iter().map(row).collect();
            // A stage without CPU time in any run costs nothing.
            let Some(found) = non_negative(&rows, &seconds) else {
                continue;
            };
            let sums = match stage.is_on_shard() {
                true => &mut model.on_shard,
                false => &mut model.elsewhere,
            };
            let mut costs = Costs::default();
            for (term, cost) in terms.iter().zip(found) {
                costs[*term as usize] = cost;
                sums[Cpu::role(&stage.role)][*term as usize] += cost;
            }
            model.stages.push(StageModel {
                name: stage.name.clone(),
                role: stage.role.clone(),
                is_of_sessions: stage.is_of_sessions(),
                costs,
            });
        }
        (!model.stages.is_empty()).then_some(model)
    }

    /// Per payment, all threads.
    pub(super) fn cpu(&self, at: &Conditions) -> Cpu {
        let values = at.values();
        let sum =
            |role: usize| dot(&values, &self.on_shard[role]) + dot(&values, &self.elsewhere[role]);
        Cpu(std::array::from_fn(sum))
    }

    /// Per payment, of the shards' own threads, while payments are made.
    pub(super) fn on_shard(&self, at: &Conditions) -> Cpu {
        let mut paying = *at;
        paying.place.sessions_per_payment -= at.place.edge_sessions_per_payment;
        let values = paying.values();
        Cpu(self.on_shard.map(|costs| dot(&values, &costs)))
    }

    /// Per payment, all threads and roles, of the stages that are done for a session.
    pub(super) fn of_sessions(&self, at: &Conditions) -> f64 {
        let stages = self.stages.iter().filter(|stage| stage.is_of_sessions);
        stages.map(|stage| dot(&at.values(), &stage.costs)).sum()
    }

    /// Each stage, the costliest first.
    pub(super) fn stages(&self, at: &Conditions) -> Vec<StageCpu> {
        let of = |stage: &StageModel| StageCpu {
            name: stage.name.clone(),
            role: stage.role.clone(),
            cpu_s: dot(&at.values(), &stage.costs),
        };
        let mut stages: Vec<StageCpu> = self.stages.iter().map(of).collect();
        stages.sort_by(|a, b| b.cpu_s.total_cmp(&a.cpu_s));
        stages
    }

    /// What one of each term costs, over all stages, in CPU seconds.
    pub(super) fn terms(&self) -> Vec<(Term, f64)> {
        let all = || self.on_shard.iter().chain(&self.elsewhere);
        let cost = |term: Term| (term, all().map(|costs| costs[term as usize]).sum());
        let costs = Term::ALL.map(cost);
        costs.into_iter().filter(|(_, cost)| *cost > 0.0).collect()
    }
}
