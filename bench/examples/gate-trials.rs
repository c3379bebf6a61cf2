//! A developer's tool: gates an executable against itself with slowdowns planted in it, keeps every
//! verdict in a file, and counts them. The evidence for what the gate claims of itself
//! (docs/regression-gate.md).
#![forbid(unsafe_code)]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use duet_bench::gate::options::GateOptions;
use duet_bench::gate::{gate, report};
use duet_bench::operator::Operator;
use duet_bench::options::{self, BenchCommand, check_output};
use duet_bench::ratio::median;
use duet_bench::revision::LOADGEN;
use duet_bench::snapshot::{copy, temporary_folder};
use duet_bench::subject::Subject;
use duet_bench::table::Cells;
use duet_experiment::Failure;
use duet_experiment::book::Book;
use duet_terminal::input::Limit;
use duet_terminal::layout::{self, Column};
use duet_terminal::lines::Lines;
use duet_terminal::say::print;
use duet_terminal::units::parse_share;
use duet_terminal::{Exit, signals, threads};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How a line begins.
const BEGINNING: &str = "{\"schema\":1,\"executable_sha256\":\"";
/// A trial has some 500 bytes: 100,000 of them, months of a machine.
const LIMIT: Limit = Limit {
    bytes: 64 << 20,
    kind: "a file of trials",
};
/// What all trials of a file have in common, so that no rate mixes two experiments.
const SETTINGS: [&str; 6] = [
    "executable_sha256",
    "workload",
    "metric",
    "threshold",
    "budget_s",
    "gate",
];

const EXAMPLES: &str = "\
Examples:
  gate-trials WORKTREE --out trials.jsonl
      20 trials each of a planted 0, 2, 5 and 10 %; the same command goes on after Ctrl-C.
  gate-trials WORKTREE --out trials.jsonl --load-other-core
      The same beside a thread that keeps one core busy, into the same file.
  gate-trials WORKTREE --planted 0,10% --trials 5 --out quick.jsonl -- --budget 3m -- --shards 1
      Other options of `bench gate`, another workload.";

/// Tries the gate on one executable with slowdowns planted in it, and counts its verdicts
#[derive(Parser)]
#[command(name = "gate-trials", version, after_help = EXAMPLES)]
struct Options {
    /// The executable, git revision, or WORKTREE, that is gated against itself
    subject: String,

    /// The slowdowns to plant, as shares of the CPU time of each wave
    #[arg(long, value_name = "SHARE,…", value_delimiter = ',', value_parser = parse_share,
          default_value = "0,2%,5%,10%")]
    planted: Vec<f64>,

    /// Trials of each slowdown
    #[arg(long, value_name = "N", default_value = "20",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    trials: u32,

    /// Keep one core busy meanwhile
    #[arg(long)]
    load_other_core: bool,

    /// Append each trial here (JSON lines), and count those that are there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// No progress and no notes on standard error
    #[arg(long)]
    quiet: bool,

    /// Options of `bench gate` for every trial
    #[arg(last = true, value_name = "GATE OPTIONS")]
    gate: Vec<String>,
}

fn main() -> Exit {
    signals::survive_file_limits();
    match trials(&Options::parse()) {
        Ok(lines) => print(&table(&lines)).err().unwrap_or(Exit::Ok),
        Err(failure) => failure.tell(),
    }
}

/// Runs the trials that the file lacks, and gives all that it then has. Slowdowns take turns, so
/// that whatever the machine does over hours falls on all of them.
fn trials(options: &Options) -> Result<Vec<Value>, Failure> {
    let subject = [&*options.subject; 2];
    let checked = gate_of(options, &options.subject, 0.0)?;
    check_output("--out", Some(&options.out), subject, Some(&checked.session))?;
    let on = Operator::of_this_process(options.quiet)?;
    let subject = Subject::resolve("SUBJECT", &options.subject, &on)?;
    // One copy for all of them: a build that goes on meanwhile changes nothing.
    let folder = temporary_folder()?;
    let executable = folder.path().join("loadgen");
    copy(&subject.executable(LOADGEN, &on)?, &executable)?;
    let settings = settings(&executable, &checked, &options.gate)?;
    let read = |bytes: &[u8]| read(&options.out, bytes, &settings);
    let (mut book, mut lines) = Book::open(&options.out, LIMIT, BEGINNING, read)?;
    let loaded = options.load_other_core;
    let wanted = (1..=options.trials).flat_map(|trial| {
        let planted = options.planted.iter();
        planted.map(move |planted| (*planted, loaded, trial))
    });
    let left: Vec<(f64, bool, u32)> = wanted
        .filter(|trial| !lines.iter().any(|line| key(line) == *trial))
        .collect();
    if loaded && !left.is_empty() {
        keep_a_core_busy()?;
    }
    on.bar.count(left.len() as u64, "trials");
    let executable = executable.to_string_lossy();
    for (&(planted, loaded, trial), done) in left.iter().zip(0..) {
        on.bar.at(done, &format!("{:.1} %", planted * 100.0));
        let began = SystemTime::now().duration_since(UNIX_EPOCH);
        let load_average = load_average();
        let gated = gate(
            &gate_of(options, &executable, planted)?,
            &Operator::new(on.stop, true),
        )?;
        let mut told = report::json(&gated);
        let mut stages = told["stages"].take();
        for stage in stages.as_array_mut().into_iter().flatten() {
            stage.as_object_mut().map(|stage| stage.remove("values"));
        }
        let mut line = settings.clone();
        let members = line.as_object_mut().expect("they are an object");
        members.remove("executable_sha256");
        members.extend([
            ("planted".to_owned(), planted.into()),
            ("other_core_loaded".to_owned(), loaded.into()),
            ("trial".to_owned(), trial.into()),
            ("verdict".to_owned(), told["verdict"].take()),
            ("exit_code".to_owned(), told["exit_code"].take()),
            ("stages".to_owned(), stages),
            ("spent_s".to_owned(), told["spent_s"].take()),
            (
                "started_unix_s".to_owned(),
                began.map_or(0, |since| since.as_secs()).into(),
            ),
            ("load_average".to_owned(), load_average.into()),
            ("machine".to_owned(), told["machine"].take()),
        ]);
        let digest = settings["executable_sha256"].as_str().unwrap_or_default();
        let line = format!("{BEGINNING}{digest}\",{}\n", &line.to_string()[1..]);
        book.append(&line)?;
        lines.push(serde_json::from_str(&line).expect("it was written just now"));
    }
    Ok(lines)
}

/// The gate of one trial.
fn gate_of(options: &Options, executable: &str, planted: f64) -> Result<GateOptions, Failure> {
    let planting = format!("--b-args=--planted-slowdown {planted}");
    let planting = [planting, "--across=planted_slowdown".to_owned()];
    let planting = planting.into_iter().filter(|_| planted > 0.0);
    let words = ["bench", "gate", executable, executable, "--quiet"].map(str::to_owned);
    let words = words.into_iter().chain(planting);
    let words = words.chain(options.gate.iter().cloned());
    if options
        .gate
        .iter()
        .any(|word| word.contains("--planted-slowdown"))
    {
        let text = "--planted says what is planted, on one side: expected options without \
                    --planted-slowdown";
        return Err(Failure::bad_input(text));
    }
    match options::Options::try_parse_from(words).map(|options| options.command) {
        Ok(BenchCommand::Gate(gate)) => gate.checked(),
        Ok(_) => unreachable!("`gate` was said"),
        Err(error) => Err(Failure::bad_input(format!("after `--`: {error}"))),
    }
}

fn settings(executable: &Path, gate: &GateOptions, asked: &[String]) -> Result<Value, Failure> {
    let bytes = fs::read(executable)
        .map_err(|error| Failure::machine_fault(format!("cannot read the copy: {error}")))?;
    let digest = Sha256::digest(bytes);
    let digest = digest.iter().map(|byte| format!("{byte:02x}"));
    Ok(json!({
        "executable_sha256": digest.collect::<String>(),
        "gate": asked.join(" "),
        "workload": gate.session.workload.join(" "),
        "metric": gate.session.metric.name(),
        "threshold": gate.gate.threshold(),
        "budget_s": gate.gate.budget().as_secs_f64(),
    }))
}

/// The planted share, whether a core was kept busy, and the number of a trial.
fn key(line: &Value) -> (f64, bool, u32) {
    (
        line["planted"].as_f64().unwrap_or(f64::NAN),
        line["other_core_loaded"] == true,
        line["trial"].as_u64().unwrap_or(0) as u32,
    )
}

/// The trials of a file, all of this experiment.
fn read(path: &Path, bytes: &[u8], settings: &Value) -> Result<Vec<Value>, String> {
    let mut lines: Vec<Value> = Vec::new();
    for (number, line) in Lines::of(bytes).numbered() {
        let refused = |reason: String| {
            let path = path.display();
            format!("{path}, line {number}: {reason}; expected a file of trials, or a new one")
        };
        let line: Value = serde_json::from_slice(line)
            .map_err(|error| refused(format!("it is no trial: {error}")))?;
        if line["schema"] != 1 || line["stages"][0].is_null() || key(&line).0.is_nan() {
            return Err(refused("it is no trial".to_owned()));
        }
        if let Some(name) = SETTINGS
            .iter()
            .find(|name| line[**name] != settings[**name])
        {
            let (there, here) = (&line[*name], &settings[*name]);
            return Err(refused(format!(
                "it is of another experiment: {name} is {there} there and {here} here"
            )));
        }
        if lines.iter().any(|other| key(other) == key(&line)) {
            return Err(refused("it is a trial that is there already".to_owned()));
        }
        lines.push(line);
    }
    Ok(lines)
}

/// Keeps the last core that this process may use busy for as long as it lives; the runs may use it
/// too.
fn keep_a_core_busy() -> Result<(), Failure> {
    let fault = |error| Failure::machine_fault(format!("cannot keep to one core: {error}"));
    let allowed = sched_getaffinity(None).map_err(fault)?;
    if allowed.count() < 2 {
        return Err(Failure::bad_input(
            "--load-other-core needs a second core: this process may use one only",
        ));
    }
    let mut cores = (0..CpuSet::MAX_CPU).rev();
    let core = cores.find(|core| allowed.is_set(*core)).unwrap_or_default();
    let busy = threads::start("load", move || {
        let mut only = CpuSet::new();
        only.set(core);
        // Unpinned it loads a core as well, if not always the same.
        let _ = sched_setaffinity(None, &only);
        loop {
            black_box(());
        }
    });
    busy.map(drop)
        .map_err(|error| Failure::machine_fault(error.to_string()))
}

/// The system's load average of a minute, where it tells.
fn load_average() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// The verdicts of each slowdown, the unloaded machine first, as a Markdown table, which reads as
/// text too.
fn table(lines: &[Value]) -> String {
    let mut kinds: Vec<(bool, f64)> = Vec::new();
    for (planted, loaded, _) in lines.iter().map(key) {
        if !kinds.contains(&(loaded, planted)) {
            kinds.push((loaded, planted));
        }
    }
    kinds.sort_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    let mut table = Cells::new([
        Column::Right("planted"),
        Column::Left("other core"),
        Column::Right("trials"),
        Column::Right("pass (0)"),
        Column::Right("inconclusive (5)"),
        Column::Right("regression (6)"),
        Column::Right("slowdown seen"),
        Column::Right("pairs"),
        Column::Right("took, median and longest"),
        Column::Right("load average"),
    ]);
    for (loaded, planted) in kinds {
        let is_of = |line: &&Value| (key(line).1, key(line).0) == (loaded, planted);
        let of: Vec<&Value> = lines.iter().filter(is_of).collect();
        let exits = |exit: Exit| {
            let ended = of.iter().filter(|line| line["exit_code"] == exit.code());
            ended.count().to_string()
        };
        let numbers = |value: &dyn Fn(&Value) -> Option<f64>| -> Vec<f64> {
            of.iter().filter_map(|line| value(line)).collect()
        };
        let middle = |values: &[f64]| match values {
            [] => f64::NAN,
            values => median(values),
        };
        let pairs = numbers(&|line| {
            let stages = line["stages"].as_array()?.iter();
            stages.map(|stage| stage["pairs"].as_f64()).sum()
        });
        let slowdowns = numbers(&|line| line["stages"][0]["slowdown"]["ratio"].as_f64());
        let spent_s = numbers(&|line| line["spent_s"].as_f64());
        let loads = numbers(&|line| line["load_average"].as_f64());
        let longest_s = spent_s.iter().copied().fold(0.0, f64::max);
        table.rows.push([
            format!("{} %", (planted * 1e8).round() / 1e6),
            if loaded { "loaded" } else { "left alone" }.to_owned(),
            of.len().to_string(),
            exits(Exit::Ok),
            exits(Exit::Inconclusive),
            exits(Exit::Regression),
            format!("{:+.1} %", (middle(&slowdowns) - 1.0) * 100.0),
            format!("{:.0}", middle(&pairs)),
            format!("{:.0} s, {longest_s:.0} s", middle(&spent_s)),
            format!("{:.1}", middle(&loads)),
        ]);
    }
    layout::text(&table.markdown())
}
