//! Figures of a run that was killed and went on: they are of what was measured after it did, and
//! what is not known is not shown.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use duet_run_file::run_file::RunFile;
use duet_terminal::human;
use hdrhistogram::serialization::Deserializer;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Ended, Folder, arguments, parse};

const SESSIONS: u64 = 10;
const PAYMENTS: u64 = 4_000;
const ALL: u64 = SESSIONS * PAYMENTS;

/// A durable run in a folder, always by the same command.
struct Run {
    folder: Folder,
    words: String,
}

impl Run {
    fn new(options: &str) -> Run {
        Run::of(&format!(
            "--sessions {SESSIONS} --payments {PAYMENTS} {options}"
        ))
    }

    fn of(options: &str) -> Run {
        Run {
            folder: Folder::new(),
            words: format!("run --durability log --log-dir log --ack-file acks {options}"),
        }
    }

    /// Kills it after so many acknowledgements.
    fn kill_after(&self, acknowledged: usize) {
        let mut child = self.start_until(acknowledged);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts it, and waits for so many acknowledgements.
    fn start_until(&self, acknowledged: usize) -> Child {
        let mut child = self
            .folder
            .command(&arguments(&self.words))
            .args(["--quiet", "--out", "run.json"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let lines = || {
            let acks = fs::read(self.folder.path("acks")).unwrap_or_default();
            acks.iter().filter(|byte| **byte == b'\n').count()
        };
        while lines() < acknowledged {
            assert!(child.try_wait().unwrap().is_none(), "it ended too soon");
            assert!(started.elapsed() < Duration::from_secs(120));
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    }

    /// Runs these words to their end: what was said against the run.
    fn invalid(&self, words: &str) -> (RunFile, String) {
        let ended = self.folder.loadgen(&arguments(words));
        let run = parse(&self.folder.read("run.json"));
        assert_eq!(ended.code, Some(3), "{words}: {ended:?}");
        let [reason] = &run.achieved.invalid_reasons[..] else {
            panic!("{words}: {:?}", run.achieved.invalid_reasons);
        };
        let reason = reason.clone();
        (run, reason)
    }

    /// Runs the command to its end: what it printed, its run file, and how long it took.
    fn go_on(&self) -> (Ended, RunFile, Duration) {
        let started = Instant::now();
        let words = format!("{} --out run.json", self.words);
        let ended = self.folder.loadgen(&arguments(&words));
        let took = started.elapsed();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let run = parse(&self.folder.read("run.json"));
        (ended, run, took)
    }
}

fn recorded(histogram: &str) -> u64 {
    let bytes = BASE64_STANDARD.decode(histogram).unwrap();
    let histogram = Deserializer::new().deserialize::<u64, _>(&mut &bytes[..]);
    histogram.unwrap().len()
}

fn row<'a>(shown: &'a str, start: &str) -> &'a str {
    let found = shown.lines().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("{start}:\n{shown}"))
}

/// Blocks go on with the roots of the state that its log has; whoever goes on need not ask for them.
#[test]
fn a_run_with_state_roots_goes_on_with_them() {
    let run = Run::new("--concurrent 4 --baseline-sessions 0 --state-root");
    run.kill_after(40);
    let words = "run --durability log --log-dir log --ack-file acks --baseline-sessions 0";
    let ended = run
        .folder
        .loadgen(&arguments(&format!("{words} --out run.json")));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let file = parse(&run.folder.read("run.json"));
    assert!(file.workload.l1.state_root);
    assert!(
        file.l1
            .channels
            .root_cpu_s
            .is_some_and(|root_s| root_s > 0.0)
    );
    assert_eq!(file.achieved.sessions_closed, SESSIONS);
}

#[test]
fn a_shard_without_sessions_keeps_no_log_from_being_read() {
    let run = Run::of(
        "--sessions 3 --concurrent 1 --payments 100 --shards 2 --rate 1k --baseline-sessions 0",
    );
    run.kill_after(20);
    for words in ["recover log", "recover log --check-acks acks"] {
        let ended = run.folder.loadgen(&arguments(words));
        assert_eq!(ended.code, Some(0), "{words}: {ended:?}");
    }
    // A busy machine may fail to hold the rate.
    let ended = run.folder.loadgen(&arguments(&run.words));
    assert!(matches!(ended.code, Some(0 | 3)), "{ended:?}");
    let ended = run.folder.loadgen(&arguments("recover log"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_shard_without_sessions_waits_for_no_planned_end() {
    let run = Run::of(
        "--sessions 2 --concurrent 1 --payments 200k --shards 2 --duration 1h --baseline-sessions 0",
    );
    run.kill_after(20);
    let started = Instant::now();
    let ended = run
        .folder
        .loadgen(&arguments("recover log --close --quiet"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // All is closed: nothing is left to do in the hour.
    let (ended, ..) = run.go_on();
    assert!(started.elapsed() < Duration::from_secs(60), "{ended:?}");
}

/// However rarely payments come, the schedule's time passes once.
#[test]
fn a_schedule_goes_on_where_it_stood_although_nothing_was_paid() {
    let run = Run::of(
        "--sessions 4 --payments 1k --shards 2 --rate 0.01 --duration 4s --baseline-sessions 0 \
         --quiet",
    );
    for _ in 0..4 {
        let child = run.folder.command(&arguments(&run.words)).spawn();
        let mut child = child.unwrap();
        std::thread::sleep(Duration::from_millis(1800));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let started = Instant::now();
    run.folder.loadgen(&arguments(&run.words));
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn figures_are_of_what_was_measured_after_the_restart() {
    for shards in [1, 2] {
        let run = Run::new(&format!("--baseline-sessions 2 --shards {shards}"));
        run.kill_after(100);
        let (ended, file, took) = run.go_on();
        let before = file.resumed().unwrap();
        let measured = file.payments_measured();
        assert_eq!(file.achieved.payments, ALL);
        assert_eq!(before.payments + measured, ALL);
        assert!(measured > 0 && before.payments > 0, "{before:?}");

        // In time that there was, on cores that there are.
        let achieved = &file.achieved;
        assert!(achieved.wall_s > 0.0 && achieved.wall_s < took.as_secs_f64());
        let rate = measured as f64 / achieved.wall_s;
        assert!((achieved.payments_per_s / rate - 1.0).abs() < 1e-9);
        let cores = std::thread::available_parallelism().unwrap().get() as f64;
        assert!(
            achieved.cpu_s < 1.1 * cores * achieved.wall_s,
            "{achieved:?}"
        );

        // Every payment measured was completed once, at its latency, and verified by both.
        let complete = file.stages.iter().find(|stage| stage.name == "complete");
        assert_eq!(complete.unwrap().items, measured);
        let service = file.latency_histogram.service.as_ref().unwrap();
        assert_eq!(recorded(service), measured);
        let off = &file.offchain;
        let verified = 2 * measured..=2 * (measured + SESSIONS);
        assert!(verified.contains(&off.signature_verifications), "{off:?}");
        let samples = file.series.iter();
        assert!(samples.clone().all(|sample| sample.payments <= measured));

        // Layer 1 counts on: two transactions a session, in its whole life.
        assert_eq!(file.l1.channels.transactions, 2 * SESSIONS);
        let offload = file.l1.offload.as_ref().unwrap();
        assert_eq!(offload.transactions.ratio, PAYMENTS as f64 / 2.0);
        assert!(offload.cpu.ratio.is_nan());

        let shown = &ended.stdout;
        // A busy machine says so in between.
        assert!(shown.starts_with("VALID, RESUMED: "), "{shown}");
        assert!(shown.contains("payments accounted"), "{shown}");
        assert!(row(shown, "payments ").contains(" of them after the restart"));
        assert!(row(shown, "CPU     ").contains("µs per payment"));
        let more = "x: more, not less";
        let unknown = "- (sessions span the restart)";
        let signatures = row(shown, "signatures in all");
        assert!(
            signatures.ends_with(more) || signatures.ends_with(unknown),
            "{shown}"
        );

        // Once more: nothing is left, and nothing is shown of nothing.
        let (ended, file, _) = run.go_on();
        assert_eq!((file.payments_measured(), file.achieved.payments), (0, ALL));
        assert!(file.achieved.payments_per_s.is_nan());
        assert!(file.achieved.steady_payments_per_s.is_none());
        assert!(file.latency_ns.service.is_none());
        assert!(file.l1.offload.is_none() && file.l1.direct.is_none());
        assert!(file.memory.bytes_per_channel.is_none());
        let shown = &ended.stdout;
        // A busy machine says so in between.
        assert!(shown.starts_with("VALID, RESUMED: "), "{shown}");
        assert!(shown.contains("payments accounted"), "{shown}");
        assert!(
            row(shown, "payments ").contains("none of them after the restart"),
            "{shown}"
        );
        assert!(!shown.contains("/s"), "{shown}");
        assert!(!shown.contains("per channel"), "{shown}");
        assert!(
            !shown.contains(" x: ") && !shown.contains("more, not less"),
            "{shown}"
        );
    }
}

#[test]
fn a_run_that_was_not_stopped_says_nothing_of_a_restart() {
    let run = Run::new("--baseline-sessions 0");
    let (ended, file, _) = run.go_on();
    assert!(file.resumed().is_none());
    assert_eq!(file.payments_measured(), ALL);
    assert!(ended.stdout.starts_with("VALID: "), "{}", ended.stdout);
    assert!(!ended.stdout.contains("restart"), "{}", ended.stdout);
}

#[test]
fn what_was_not_served_before_a_restart_is_not_forgotten() {
    const RUN: &str = "run --sessions 2k --payments 1k --shards 2 --rate 2M --duration 200ms \
                       --durability log --log-dir log --baseline-sessions 0 --json";
    let folder = Folder::new();
    let first = folder.loadgen(&arguments(RUN));
    let given_up = parse(&first.stdout).achieved.open_loop.unwrap().unserved;
    assert_eq!(first.code, Some(3), "{}", first.stderr);
    assert!(given_up > 0);
    // Nothing comes due any more, and nothing is forgotten.
    let again = folder.loadgen(&arguments(RUN));
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    let run = parse(&again.stdout).achieved;
    let open_loop = run.open_loop.unwrap();
    assert_eq!(
        (open_loop.arrived, open_loop.unserved_before),
        (0, given_up)
    );
    assert_eq!(run.payments, open_loop.arrived_before - given_up);
    let [reason] = &run.invalid_reasons[..] else {
        panic!("{:?}", run.invalid_reasons);
    };
    assert!(reason.contains("arrivals not served"), "{reason}");
    // Closing it is no claim about the rate, and says so.
    let closed = folder.loadgen(&arguments("recover log --close --out run.json"));
    assert_eq!(closed.code, Some(0), "{}", closed.stderr);
    let told = "VALID, RESUMED: only closed, no rate judged";
    assert!(closed.stdout.starts_with(told), "{}", closed.stdout);
    // What was to hold a rate, and did not, is VALID by nobody's word.
    let closed = folder.read("run.json");
    parse(&closed);
    let claimed = closed.replace(r#""only_closed": true"#, r#""only_closed": false"#);
    assert_ne!(claimed, closed);
    let refused =
        RunFile::parse(Path::new("run.json"), &claimed).expect_err("it contradicts itself");
    assert!(refused.to_string().contains("was not held"), "{refused}");
}

/// Of sessions that take a payment each, four at a time, few of those due find one that is open.
#[test]
fn what_came_due_before_a_kill_and_was_not_looked_at_is_a_backlog_or_unserved() {
    for closes in [false, true] {
        let run = Run::of(
            "--sessions 1M --concurrent 4 --payments 1 --rate 50k --duration 2s --shards 1 \
             --baseline-sessions 0",
        );
        run.kill_after(200);
        if closes {
            let closed = "recover log --close --quiet --out run.json";
            let closed = run.folder.loadgen(&arguments(closed));
            assert_eq!(closed.code, Some(0), "{}", closed.stderr);
            let file = parse(&run.folder.read("run.json"));
            let open_loop = file.achieved.open_loop.clone().unwrap();
            let backlog = file.resumed().unwrap().backlog;
            assert!(backlog > 0 && open_loop.arrived == 0, "{open_loop:?}");
            assert_eq!(open_loop.unserved_before, backlog);
            let given_up = format!("a backlog of {} given up", human::count(backlog));
            let summary = duet_run_file::summary::summary(&file);
            assert!(summary.contains(&given_up), "{summary}");
            let came_due = open_loop.arrived_before;
            assert_eq!(came_due, file.achieved.payments + backlog);
        }
        let words = format!("{} --quiet --out run.json", run.words);
        let (file, reason) = run.invalid(&words);
        assert!(reason.contains("arrivals not served"), "{reason}");
        let open_loop = file.achieved.open_loop.unwrap();
        assert_eq!(open_loop.unserved_before > 0, closes, "{open_loop:?}");
        assert_eq!(open_loop.backlog > 0, !closes, "{open_loop:?}");
        // Every one of them was served or not, in one of the parts.
        let all = open_loop.arrived_before + open_loop.arrived - open_loop.backlog;
        let unserved = open_loop.unserved_before + open_loop.unserved;
        assert_eq!(all, file.achieved.payments + unserved, "{open_loop:?}");
        let off = open_loop.offered_per_s / 50e3;
        assert!((0.9..1.1).contains(&off), "{open_loop:?}");
    }
}

#[test]
fn sessions_that_an_earlier_duration_ended_are_told() {
    let run =
        Run::of("--sessions 12 --concurrent 4 --payments 4k --shards 2 --baseline-sessions 0");
    let words = run.words.clone();
    let first = run
        .folder
        .loadgen(&arguments(&format!("{words} --duration 50ms")));
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(!first.stdout.contains("ended short"), "{}", first.stdout);
    let (ended, file, _) = run.go_on();
    let achieved = &file.achieved;
    assert_eq!(achieved.sessions_closed, 12);
    let (missing, cut) = (12 * 4_000 - achieved.payments, achieved.sessions_cut);
    assert!(missing > 0 && (1..=4).contains(&cut), "{missing}, {cut}");
    let told = format!("VALID, RESUMED: {cut} sessions ended short of their payments");
    assert!(ended.stdout.starts_with(&told), "{}", ended.stdout);
    // And in every later one.
    let (ended, ..) = run.go_on();
    assert!(ended.stdout.starts_with(&told), "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .contains("no payment was made after the restart")
    );
}

/// It stands still over the schedule's end. What came due meanwhile is served late.
#[test]
fn a_part_that_was_late_is_late_in_every_later_one() {
    let run = Run::of(
        "--sessions 8 --payments 10k --rate 300 --duration 1s --shards 2 --baseline-sessions 0",
    );
    let child = run.start_until(20);
    let process = Pid::from_child(&child);
    kill_process(process, Signal::STOP).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    kill_process(process, Signal::CONT).unwrap();
    let ended: Ended = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let first = parse(&run.folder.read("run.json"))
        .achieved
        .open_loop
        .unwrap();
    assert_eq!((first.unserved, first.late_before), (0, false), "{first:?}");
    let words = format!("{} --quiet --out run.json", run.words);
    for _ in 0..2 {
        let (_, reason) = run.invalid(&words);
        assert!(reason.ends_with("it was not before a restart"), "{reason}");
    }
    let closed = run
        .folder
        .loadgen(&["recover", "log", "--close", "--quiet"]);
    assert_eq!(closed.code, Some(0), "{}", closed.stderr);
}

/// What had come due comes due once more, although the schedule ends where it was killed, and
/// whether a channel was open then or not: of one with four payments, hardly ever.
#[test]
fn what_was_due_when_a_run_was_killed_at_its_end_is_served() {
    for channels in [
        "--sessions 4k --payments 100 --concurrent 4",
        "--sessions 40k --payments 4 --concurrent 1",
    ] {
        let run = Run::of(&format!(
            "{channels} --rate 10M --shards 1 --baseline-sessions 0"
        ));
        run.kill_after(20);
        // A busy machine has a second for it.
        let words = "--duration 1ms --cosign-after 1s --quiet --out run.json";
        let (file, reason) = run.invalid(&format!("{} {words}", run.words));
        let open_loop = file.achieved.open_loop.unwrap();
        assert!(open_loop.backlog > 1000, "{open_loop:?}");
        assert_eq!(open_loop.arrived, open_loop.backlog, "{open_loop:?}");
        assert_eq!(open_loop.unserved_before, 0, "{open_loop:?}");
        assert!(open_loop.unserved < open_loop.backlog, "{open_loop:?}");
        assert!(reason.contains("was not held"), "{reason}");
    }
}
