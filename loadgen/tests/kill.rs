//! Durable runs that are killed and interrupted at random, and so are those that go on with them:
//! everything that was acknowledged is there afterwards, each of them can go on and be closed, and
//! where all was paid, nothing is missing.
//!
//! The long form, 200 rounds from a seed: `DUET_ROUNDS=200 DUET_SEED=1 cargo test --release -p
//! duet-loadgen --test kill rounds -- --nocapture`

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use std::fmt;
use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{Ended, Folder, arguments, heeded, number, parse};
use duet_run_file::run_file::RunFile;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};

/// Sessions, and payments in each, so that a run takes about a second.
const LOADS: [(&str, u64); 5] = [
    (
        "--sessions 300 --concurrent 40 --payments 12 --in-flight 4",
        3_600,
    ),
    (
        "--sessions 1500 --concurrent 100 --payments 3 --in-flight 1",
        4_500,
    ),
    (
        "--sessions 60 --concurrent 25 --payments 200 --cosign-every 7",
        12_000,
    ),
    ("--sessions 12 --payments 5k --cosign-every 100", 60_000),
    // Some shards have no session.
    ("--sessions 30 --concurrent 1 --payments 40", 1_200),
];
const PATTERNS: [&str; 2] = ["one-way", "two-way"];
const DURABILITIES: [&str; 2] = ["log", "fsync"];

/// When payments come due.
#[derive(Clone, Copy, Debug)]
enum Loop {
    Closed,
    /// Until all are made.
    Open,
    /// For a second and a half, which is not enough for all.
    Timed,
    /// Closed, and for half a second.
    ClosedTimed,
}

/// One run, killed and gone on with until it ends.
struct Round {
    seed: u64,
    rng: ChaCha8Rng,
    folder: Folder,
    load: &'static str,
    payments: u64,
    when: Loop,
    rest: String,
    /// It was told to stop: some sessions end short.
    interrupted: bool,
}

/// How a process of a round ends, if it does not end before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Kill,
    Interrupt,
    ByItself,
}

impl Round {
    fn new(seed: u64) -> Round {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (load, payments) = LOADS[below(&mut rng, LOADS.len())];
        let loops = [Loop::Closed, Loop::Open, Loop::Timed, Loop::ClosedTimed];
        let when = loops[below(&mut rng, loops.len())];
        let rest = format!(
            "--pattern {} --durability {} --shards {} --seed {seed}",
            PATTERNS[below(&mut rng, 2)],
            DURABILITIES[below(&mut rng, 2)],
            1 + below(&mut rng, 3),
        );
        Round {
            seed,
            rng,
            folder: Folder::new(),
            load,
            payments,
            when,
            rest,
            interrupted: false,
        }
    }

    /// The arguments of the run, but for its log.
    fn options(&self) -> String {
        let rate = match self.when {
            Loop::Closed => String::new(),
            // All of them in about a second and a half.
            Loop::Open => format!("--rate {}", self.payments * 2 / 3),
            // A part of them.
            Loop::Timed => format!("--rate {} --duration 1500ms", self.payments / 3),
            Loop::ClosedTimed => "--duration 500ms".to_owned(),
        };
        format!("{} {} {rate} --baseline-sessions 0", self.load, self.rest)
    }

    fn run(mut self) -> Outcome {
        println!("{self}");
        let mut disturbed = Vec::new();
        for attempt in 0..1 + below(&mut self.rng, 3) {
            let end = [End::Kill, End::Kill, End::Interrupt][below(&mut self.rng, 3)];
            // Some in the midst of starting, most while payments are made.
            let after = Duration::from_micros(match below(&mut self.rng, 4) {
                0 => self.rng.next_u64() % 80_000,
                _ => self.rng.next_u64() % 1_300_000,
            });
            let recovers = attempt > 0 && below(&mut self.rng, 2) == 0;
            let how = if recovers && self.says_how() {
                "recover log --go-on"
            } else {
                "run"
            };
            let ended = self.disturb(how, end, after);
            disturbed.push((how, end, after, ended.code));
            if end == End::Interrupt {
                self.interrupted = true;
            }
            let found = self.check();
            println!(
                "  {how}, {end:?} after {after:?}: {:?}; {found}",
                ended.code
            );
        }
        let how = ["run", "recover log --go-on", "recover log --close"][below(&mut self.rng, 3)];
        let how = if self.says_how() { how } else { "run" };
        let ended = self.disturb(how, End::ByItself, Duration::ZERO);
        let outcome = self.ended(how, &ended);
        self.check();
        println!("  {how}: {outcome:?}");
        outcome
    }

    /// Starts a process, ends it so, and gives how it ended.
    fn disturb(&self, how: &str, end: End, after: Duration) -> Ended {
        let options = match how {
            "run" => format!("run {} --log-dir log --ack-file acks", self.options()),
            how => how.to_owned(),
        };
        let _ = fs::remove_file(self.folder.path("run.json"));
        let child = self
            .folder
            .command(&arguments(&options))
            .args(["--out", "run.json", "--quiet"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        match end {
            End::Kill => signal_after(&child, Signal::KILL, after),
            End::Interrupt => signal_after(&child, Signal::INT, after),
            End::ByItself => {}
        }
        let ended = wait(child);
        let expected: &[Option<i32>] = match end {
            End::Kill => &[None, Some(0)],
            // Nobody hears a signal before its handler is set.
            End::Interrupt if after < Duration::from_millis(200) => &[Some(130), Some(0), None],
            End::Interrupt => &[Some(130), Some(0)],
            End::ByItself => &[Some(0)],
        };
        let held = ended.code == Some(3) && self.was_late();
        assert!(
            expected.contains(&ended.code) || held,
            "{self}: {how}, {end:?} after {after:?}: {ended:?}; {:?}",
            self.run_file().map(|run| run.achieved.invalid_reasons),
        );
        ended
    }

    /// Everything that was acknowledged is there.
    fn check(&self) -> String {
        if !self.has_directory() {
            return "no directory yet".to_owned();
        }
        let mut options = arguments("recover log --json");
        if self.folder.path("acks").exists() {
            options.extend(["--check-acks", "acks"]);
        }
        let checked = self.folder.loadgen(&options);
        assert_eq!(checked.code, Some(0), "{self}: {checked:?}");
        let json = checked.stdout.lines().map(str::trim);
        let brief = ["channels_open", "sessions_closed", "lines"];
        json.filter(|line| brief.iter().any(|name| line.contains(name)))
            .collect()
    }

    /// The last process ended by itself: what it says holds.
    fn ended(&self, how: &str, ended: &Ended) -> Outcome {
        let Some(run) = self.run_file() else {
            assert!(how.ends_with("--close"), "{self}: {ended:?}");
            return Outcome::NothingToClose;
        };
        let checks = &run.checks;
        assert!(
            checks.payments_accounted && checks.signatures_verified,
            "{self}: {checks:?}"
        );
        assert!(
            checks.supply_conserved && checks.balances_match,
            "{self}: {checks:?}"
        );
        assert_eq!(
            run.achieved.sessions_opened, run.achieved.sessions_closed,
            "{self}"
        );
        if how.ends_with("--close") {
            return Outcome::Closed;
        }
        // A planned end ends sessions short, too.
        let until_all_paid = matches!(self.when, Loop::Closed | Loop::Open);
        if until_all_paid && !self.interrupted {
            assert_eq!(run.achieved.sessions_cut, 0, "{self}");
        }
        if self.interrupted && run.achieved.sessions_cut > 0 {
            return Outcome::EndedShort(run.achieved.sessions_cut);
        }
        match self.when {
            Loop::Closed | Loop::Open => assert_eq!(run.achieved.payments, self.payments, "{self}"),
            Loop::Timed => self.paid_as_undisturbed(&run),
            Loop::ClosedTimed => assert!(run.achieved.payments <= self.payments, "{self}"),
        }
        if run.achieved.valid {
            Outcome::AllPaid
        } else {
            Outcome::AllPaidLate
        }
    }

    /// The schedule depends on the seed alone: as many payments come due as if nothing had
    /// happened.
    fn paid_as_undisturbed(&self, run: &RunFile) {
        let options = self.options();
        let volatile = options
            .replace("--durability fsync", "")
            .replace("--durability log", "");
        let undisturbed = Folder::new().run_on_time(&volatile);
        let unserved = |run: &RunFile| run.achieved.open_loop.as_ref().unwrap().unserved;
        if unserved(run) == 0 && unserved(&undisturbed) == 0 && !self.interrupted {
            assert_eq!(
                run.achieved.payments, undisturbed.achieved.payments,
                "{self}"
            );
        }
    }

    /// Whether a run has come as far as making the directory: there is nothing to recover before.
    fn has_directory(&self) -> bool {
        self.folder.path("log").exists()
    }

    /// Whether it came to write down how it was asked for: what is not begun is gone on with from
    /// that.
    fn says_how(&self) -> bool {
        self.folder.path("log/run.json").exists()
    }

    fn run_file(&self) -> Option<RunFile> {
        let json = fs::read_to_string(self.folder.path("run.json")).ok()?;
        Some(parse(&json))
    }

    /// A busy machine may fail to hold a schedule: that, and nothing else, is let pass.
    fn was_late(&self) -> bool {
        self.run_file().is_some_and(|run| {
            let mut reasons = run.achieved.invalid_reasons.iter();
            !run.achieved.valid && reasons.all(|reason| reason.contains("rate was not held"))
        })
    }
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    AllPaid,
    /// Not as fast as they came due.
    AllPaidLate,
    Closed,
    /// The kill came before anything was opened.
    NothingToClose,
    /// So many sessions, by an interrupt.
    EndedShort(u64),
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "round {}: run {}", self.seed, self.options())
    }
}

fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    (rng.next_u64() % bound as u64) as usize
}

fn signal_after(child: &Child, signal: Signal, after: Duration) {
    std::thread::sleep(after);
    let _ = kill_process(Pid::from_child(child), heeded(signal));
}

/// Waits, but not for ever: what hangs is a finding.
fn wait(mut child: Child) -> Ended {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            panic!("it did not end by itself: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap().into()
}

#[test]
fn rounds() {
    let (seed, rounds) = (number("DUET_SEED", 1), number("DUET_ROUNDS", 10));
    println!("DUET_SEED={seed} DUET_ROUNDS={rounds}");
    let outcomes: Vec<Outcome> = (seed..seed + rounds)
        .map(|seed| Round::new(seed).run())
        .collect();
    let count = |of: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| of(outcome)).count();
    println!(
        "of {rounds}: {} all paid, {} of these late, {} closed, {} ended short by an interrupt, {} not \
         begun",
        count(|of| matches!(of, Outcome::AllPaid | Outcome::AllPaidLate)),
        count(|of| *of == Outcome::AllPaidLate),
        count(|of| *of == Outcome::Closed),
        count(|of| matches!(of, Outcome::EndedShort(_))),
        count(|of| *of == Outcome::NothingToClose),
    );
}

/// Shards stop at different steps, so that the slots of a lane stand at different generations.
#[test]
fn a_run_that_is_interrupted_again_and_again_says_what_ended_short() {
    const RUN: &str = "run --sessions 2000 --payments 2 --concurrent 40 --shards 2 --durability log \
                       --log-dir log --baseline-sessions 0 --out run.json --quiet";
    let folder = Folder::new();
    for _ in 0..4 {
        let child = folder
            .command(&arguments(RUN))
            .stderr(Stdio::piped())
            .spawn();
        let child = child.unwrap();
        signal_after(&child, Signal::INT, Duration::from_millis(250));
        let ended = wait(child);
        assert!(matches!(ended.code, Some(0 | 130)), "{ended:?}");
    }
    let mut cut_before = None;
    for _ in 0..2 {
        let ended = folder.loadgen(&arguments(RUN));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let achieved = parse(&folder.read("run.json")).achieved;
        assert_eq!(achieved.sessions_closed, 2000);
        // A session that ended short misses one payment or two.
        let (missing, cut) = (4000 - achieved.payments, achieved.sessions_cut);
        assert!(
            (cut..=2 * cut).contains(&missing),
            "{missing} missing of {cut} sessions"
        );
        assert_eq!(*cut_before.get_or_insert(cut), cut);
    }
}

/// Many acknowledgements, and then a kill in the midst of the waves.
#[test]
fn what_was_acknowledged_is_compared_with_what_is_there() {
    let folder = Folder::new();
    let options = "run --quiet --baseline-sessions 0 --shards 2 --durability log --log-dir log \
                   --ack-file acks --sessions 40 --concurrent 20 --payments 1k --in-flight 1";
    let mut child = folder.command(&arguments(options)).spawn().unwrap();
    let acknowledged = || fs::read(folder.path("acks")).is_ok_and(|acks| acks.len() > 500_000);
    let started = Instant::now();
    while !acknowledged() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
        assert!(started.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let closed = folder.loadgen(&["recover", "log", "--go-on", "--quiet", "--out", "run.json"]);
    assert_eq!(closed.code, Some(0), "{}", closed.stderr);
    let run = parse(&folder.read("run.json"));
    assert_eq!(run.achieved.payments, 40 * 1_000);
    assert_eq!(run.achieved.sessions_closed, 40);
    assert!(!run.workload.reproducible);
    // A version that never was is not there.
    let acks = folder.read("acks");
    let (channel, _) = acks.split_once(' ').unwrap();
    folder.write("lies", format!("{channel} 1001\n"));
    let lies = folder.loadgen(&["recover", "log", "--check-acks", "lies"]);
    assert_eq!(lies.code, Some(4), "{}", lies.stdout);
    let said = "version 1001 was acknowledged";
    assert!(lies.stdout.contains(said), "{}", lies.stdout);
}
