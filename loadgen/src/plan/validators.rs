//! The validators that a run is asked for, and which chains they can decide about.

use duet_engine::consensus::{Faults, Latency, Network};
use duet_engine::pipeline::Validators;
use duet_profile::KNOWN;
use duet_run_file::run_file;

use super::error::{PlanError, bad};
use crate::cli::RunArgs;
use crate::validators::millionths;

/// Validators at most.
const MOST: u64 = 100;
/// The known profiles whose finality is decided by votes of this kind; that of others is modelled.
const VOTED: [&str; 2] = ["duet", "cometbft-default"];

/// The arguments, with the chain that validators decide about where none is named.
pub(super) fn with_chain(args: &RunArgs) -> RunArgs {
    let mut args = args.clone();
    if args.validators > 0 && args.l1.is_none() {
        args.l1 = Some(VOTED[0].to_owned());
    }
    args
}

/// The validators that are asked for.
///
/// # Errors
/// What makes no sense together.
pub(super) fn asked(args: &RunArgs) -> Result<Option<Validators>, PlanError> {
    if args.validators == 0 {
        return none(args).map(|()| None);
    }
    if args.validators > MOST {
        return Err(bad(format!(
            "--validators {}: expected at most {MOST}",
            args.validators
        )));
    }
    let count = args.validators as u16;
    let profile = args.l1.as_deref().unwrap_or(VOTED[0]);
    let is_known = KNOWN.iter().any(|(name, _)| *name == profile);
    if is_known && !VOTED.contains(&profile) {
        return Err(bad(format!(
            "--validators {count} contradicts --l1 {profile}: its finality is modelled, and its \
             votes are of another kind; expected {}, or a file",
            VOTED.join(" or ")
        )));
    }
    let faults = Faults::new(args.validator_faults.0.clone(), count);
    let faults = faults.map_err(|error| bad(format!("--validator-faults: {error}")))?;
    for partition in &args.validator_partition {
        if partition.0.validators >= count {
            return Err(bad(format!(
                "--validator-partition {partition}: expected fewer than all {count} validators"
            )));
        }
    }
    if args.l1_alone && args.each_validator_executes {
        return Err(bad(
            "--l1-alone contradicts --each-validator-executes: a tape is of one chain",
        ));
    }
    if args.l1_alone && faults.offer_others() {
        return Err(bad(format!(
            "--l1-alone contradicts --validator-faults {faults}: which of several blocks was \
             decided for is on no tape"
        )));
    }
    let latency = args.validator_latency.as_ref();
    Ok(Some(Validators {
        count,
        each_executes: args.each_validator_executes,
        faults,
        network: Network {
            latency: latency.map_or_else(Latency::wide_area, |given| given.latency.clone()),
            loss_ppm: millionths(args.validator_loss),
            partitions: args
                .validator_partition
                .iter()
                .map(|given| given.0)
                .collect(),
        },
    }))
}

/// That nothing is said of validators where there are none.
fn none(args: &RunArgs) -> Result<(), PlanError> {
    let given = [
        ("--validator-faults", !args.validator_faults.0.is_empty()),
        ("--validator-latency", args.validator_latency.is_some()),
        ("--validator-loss", args.validator_loss > 0.0),
        ("--each-validator-executes", args.each_validator_executes),
        (
            "--validator-partition",
            !args.validator_partition.is_empty(),
        ),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(bad(format!(
            "{option} needs --validators, 1 or more: without them nobody votes"
        ))),
        None => Ok(()),
    }
}

/// What the run file says of them.
pub(super) fn described(
    args: &RunArgs,
    asked: Option<&Validators>,
) -> Option<run_file::Validators> {
    let asked = asked?;
    let partitions = args.validator_partition.iter().map(ToString::to_string);
    let latency = args.validator_latency.clone().unwrap_or_default();
    Some(run_file::Validators {
        count: u64::from(asked.count),
        faults: asked.faults.to_string(),
        latency: latency.text,
        loss: args.validator_loss,
        partitions: partitions.collect(),
        each_executes: asked.each_executes,
    })
}

/// What a reader should know of them.
pub(super) fn note(args: &RunArgs, asked: Option<&Validators>) -> Option<String> {
    let asked = asked?;
    let faulty = asked.faults.count();
    let most = (asked.count - 1) / 3;
    let note = match faulty > most {
        true => format!(
            "{faulty} of {} validators are faulty ({}), and theory promises something with {most} \
             at most: Layer 1 may halt, or tell two blocks.",
            asked.count, asked.faults
        ),
        false => format!(
            "Layer 1: {} validators decide the blocks of {}, in virtual time.",
            asked.count,
            args.l1.as_deref().unwrap_or(VOTED[0])
        ),
    };
    Some(note)
}
