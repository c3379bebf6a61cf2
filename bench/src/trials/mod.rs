//! Tries the gate on one executable against itself, with slowdowns planted in it: the evidence for
//! what the gate claims of itself.

mod load;
pub mod options;
pub mod record;
pub mod report;

use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use duet_terminal::human;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::failure::Failure;
use crate::gate::gate;
use crate::gate::options::GateOptions;
use crate::gate::report::stage_json;
use crate::interrupt::Interrupt;
use crate::options::output_apart;
use crate::progress::Progress;
use crate::revision::LOADGEN;
use crate::subject::Subject;

use load::BusyCore;
use options::TrialsOptions;
use record::{Book, Settings, Trial};

/// Runs the trials that the file lacks, and gives all that it then has.
///
/// Slowdowns take turns, so that whatever the machine does over hours falls on all of them.
///
/// # Errors
/// See [`Failure`]. Trials that have ended are in the file whatever happens.
pub fn trials(options: &TrialsOptions, interrupt: &Interrupt) -> Result<Book, Failure> {
    output_apart(
        "--out",
        &options.out,
        &[&options.subject],
        &[&options.workload],
    )?;
    let progress = Progress::new(options.quiet);
    let subject = Subject::resolve("SUBJECT", &options.subject, interrupt)?;
    let executable = subject.executable(LOADGEN, interrupt, &progress)?;
    // One copy for all of them: a build that goes on meanwhile changes nothing.
    let folder = TempDir::with_prefix("duet-bench-")
        .map_err(|error| Failure::MachineFault(format!("no temporary folder: {error}")))?;
    let copy = folder.path().join("loadgen");
    fs::copy(&executable, &copy).map_err(|error| cannot("copy", &executable, &error))?;
    let settings = settings(&copy, &options.gate(&copy, 0.0))?;
    let mut book = Book::open(&options.out, &settings)?;

    let loaded = options.load_other_core;
    let missing = |planted: &f64| options.trials.saturating_sub(book.count(*planted, loaded));
    let left: u32 = options.planted.iter().map(missing).sum();
    if left == 0 {
        return Ok(book);
    }
    progress.say(&format!(
        "{left} trials to go, each within {}; on a machine that is not busy most take seconds",
        human::seconds(settings.budget_s)
    ));
    let _busy = loaded.then(BusyCore::begin).transpose()?;
    progress.start_trials(left as usize);
    for number in 1..=options.trials {
        for planted in &options.planted {
            if book.count(*planted, loaded) >= number {
                continue;
            }
            progress.begin(&format!("{} %", human::figure(planted * 100.0)));
            let (started_unix_s, load_average) = (now_unix_s(), load_average());
            let gated = gate(
                &options.gate(&copy, *planted),
                interrupt,
                &progress.of_a_step(),
            )?;
            let stages = gated.judgement.stages.iter();
            book.append(Trial {
                settings: settings.clone(),
                planted: *planted,
                other_core_loaded: loaded,
                trial: number,
                verdict: gated.judgement.verdict.word().to_owned(),
                exit_code: gated.exit.code(),
                stages: stages.map(stage_json).collect(),
                spent_s: gated.spent.as_secs_f64(),
                started_unix_s,
                load_average,
                machine: gated.machine,
            })?;
            progress.end_run();
        }
    }
    Ok(book)
}

fn settings(executable: &Path, gate: &GateOptions) -> Result<Settings, Failure> {
    let bytes = fs::read(executable).map_err(|error| cannot("read", executable, &error))?;
    let digest = Sha256::digest(bytes);
    Ok(Settings::new(
        digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        gate.session.workload.join(" "),
        gate.session.metric.name().to_owned(),
        gate.gate.threshold(),
        gate.gate.budget().as_secs_f64(),
    ))
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::MachineFault(format!("cannot {what} {}: {error}", path.display()))
}

fn now_unix_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The system's load average of a minute, where it tells.
fn load_average() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}
