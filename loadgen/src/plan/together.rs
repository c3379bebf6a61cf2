//! What `--hosts` asks for: which machines run a workload together, what all of them must have been
//! told alike, and which share of the workload this one has.

use std::env::{self, VarError};
use std::time::Duration;

use duet_engine::pipeline::{Hosts, Machines, Place, Schedule, Terms};
use duet_run_file::run_file::Workload;

use super::error::{PlanError, bad};
use crate::cli::{Durability, RunArgs};
use crate::part::{PartOfRun, machine};

/// Where machines find the word that keeps others out.
const TOKEN: &str = "DUET_TOKEN";
/// For how long they wait for one of which nothing is heard.
const PATIENCE: Duration = Duration::from_secs(8);
const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), " ", env!("DUET_COMMIT"));

/// The machines that were asked for.
pub(super) struct Asked(Hosts);

/// The machines that `--hosts` names, if it is given.
pub(super) fn asked(args: &RunArgs) -> Result<Option<Asked>, PlanError> {
    let Some(list) = &args.hosts else {
        return Ok(None);
    };
    let me = machine(args.machine, |name| env::var(name).ok()).map_err(bad)?;
    let me = usize::try_from(me).unwrap_or(usize::MAX);
    let hosts = Hosts::parse(list, me).map_err(|error| {
        let list = duet_terminal::layout::clip(list, 60);
        bad(format!("--hosts {list}: {error}"))
    })?;
    if args.trace.is_none() && args.sessions.is_none() {
        return Err(bad(
            "--hosts needs --sessions, those of all machines together: the default depends on the \
             machine",
        ));
    }
    Ok(Some(Asked(hosts)))
}

impl Asked {
    pub(super) fn place(&self) -> Place {
        Place {
            machine: self.0.me() as u32,
            machines: self.0.len() as u32,
        }
    }

    /// The machines, and the part that this one has of the run with this workload.
    pub(super) fn of(
        self,
        whole: &Workload,
        args: &RunArgs,
    ) -> Result<(Machines, PartOfRun), PlanError> {
        let (part, run) = PartOfRun::of_machines(self.place(), whole, BUILD).map_err(bad)?;
        let token = match env::var(TOKEN) {
            Ok(token) => token,
            Err(VarError::NotPresent) => String::new(),
            Err(VarError::NotUnicode(_)) => {
                return Err(bad(format!("{TOKEN} is no UTF-8: expected a word")));
            }
        };
        let build = BUILD.to_owned();
        let terms = Terms { build, run, token };
        Ok((
            Machines::new(self.0, terms, args.hosts_wait, PATIENCE),
            part,
        ))
    }
}

/// What a reader should know of the way between the machines.
pub(super) fn note(machines: &Machines) -> Option<String> {
    (!machines.hosts().are_loopback()).then(|| {
        format!(
            "What machines say to each other is neither encrypted nor authenticated, but for \
             {TOKEN} at the start: expected a private network."
        )
    })
}

/// Makes the description of a whole workload that of one machine's share.
pub(super) fn share(description: &mut Workload, machines: &Machines, shards: u32) {
    let place = machines.place();
    let whole = description.sessions;
    let schedule = Schedule::new(whole, description.concurrent);
    let (sessions, concurrent) = place.share(&schedule, shards);
    let rate = description.offered_per_s;
    description.offered_per_s = rate.map(|rate| rate * sessions as f64 / whole as f64);
    (description.sessions, description.concurrent) = (sessions, concurrent);
    description.part = Some(format!("{}/{}", place.machine + 1, place.machines));
}

/// What does not go over several machines, and why.
pub(super) fn check_contradictions(args: &RunArgs) -> Result<(), PlanError> {
    let Some(hosts) = &args.hosts else {
        return Ok(());
    };
    let refused = [
        (
            "--adversary",
            !args.adversary.0.is_empty(),
            "disputed channels stay on their machine",
        ),
        (
            "--durability",
            args.durability != Durability::None,
            "a machine that falls ends the run, and none goes on alone",
        ),
        (
            "--audit-log",
            args.audit_log.is_some(),
            "the log of all parties would be spread over the machines",
        ),
        (
            "--start-at",
            args.start_at.is_some(),
            "they start together in any case",
        ),
    ];
    match refused.iter().find(|(_, given, _)| *given) {
        Some((option, _, why)) => Err(bad(format!("{option} contradicts --hosts {hosts}: {why}"))),
        None => Ok(()),
    }
}
