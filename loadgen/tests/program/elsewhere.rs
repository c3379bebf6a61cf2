//! A log says all that is needed to read it: it is checked, gone on with and closed on another
//! number of cores, from another directory, and with its trace moved. What contradicts it is
//! refused, both values named.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::common::{Ended, Folder, arguments, parse};

/// What the machine decides is left to it: sessions, how many are open at once, shards, the back
/// end.
const RUN: &str = "run --payments 1M --durability log --log-dir log --ack-file acks \
                   --baseline-sessions 0 --quiet";

/// Runs a command on the first of the cores that this process may use.
fn on_one_core(mut command: Command) -> Ended {
    let run = move || {
        let allowed = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core));
        let mut one = CpuSet::new();
        one.set(first.unwrap());
        sched_setaffinity(None, &one).unwrap();
        command.output().unwrap().into()
    };
    std::thread::spawn(run).join().unwrap()
}

/// The log of a run that was killed in its midst.
fn killed(words: &str) -> Folder {
    let folder = Folder::new();
    let mut command = folder.command(&arguments(words));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let begun = || fs::metadata(folder.path("acks")).is_ok_and(|acks| acks.len() > 10_000);
    while !begun() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    folder
}

fn ok(ended: &Ended, what: &str) {
    assert_eq!(ended.code, Some(0), "{what}: {ended:?}");
}

#[test]
fn a_log_is_read_and_gone_on_with_whatever_the_machine_has() {
    let folder = killed(RUN);
    let ways = [
        "recover log",
        "recover log --check-acks acks",
        "recover log --close --quiet",
    ];
    for words in ways {
        ok(&on_one_core(folder.command(&arguments(words))), words);
        ok(&folder.loadgen(&arguments(words)), words);
    }
    // The same the other way round, and the run's own command goes on with it.
    let few = "run --payments 50 --durability log --log-dir few --baseline-sessions 0 --json";
    let begun = on_one_core(folder.command(&arguments(few)));
    ok(&begun, few);
    let before = parse(&begun.stdout).workload;
    for words in [
        "recover few --json --go-on",
        few,
        // Nothing of the workload is said: it is the one that the log has.
        "run --durability log --log-dir few --baseline-sessions 0 --json",
    ] {
        let on = folder.loadgen(&arguments(words));
        ok(&on, words);
        let on = parse(&on.stdout).workload;
        let decided = |run: &duet_run_file::run_file::Workload| {
            (
                run.sessions,
                run.concurrent,
                run.shards,
                run.payments_per_session,
            )
        };
        assert_eq!(decided(&on), decided(&before), "{words}");
    }
}

#[test]
fn what_contradicts_a_log_is_refused_with_both_values() {
    let folder = Folder::new();
    let run = "run --sessions 4 --payments 20 --shards 2 --cosign-every 5 --durability log \
               --log-dir log --baseline-sessions 0 --quiet";
    ok(&folder.loadgen(&arguments(run)), run);
    folder.write("t.csv", "time_s,payer,payee,amount\n0,a,b,5\n1,a,b,6\n");
    for (option, here, there) in [
        ("--shards", "1", "2"),
        ("--sessions", "5", "4"),
        ("--payments", "21", "20"),
        ("--concurrent", "2", "4"),
        ("--cosign-every", "1", "5"),
        ("--seed", "2", "1"),
        ("--in-flight", "3", "64"),
        ("--pattern", "two-way", "one-way"),
        ("--amount", "fixed:5", "uniform:1-100"),
        ("--block-txs", "7", "2857"),
        ("--trace", "t.csv", "synthetic"),
    ] {
        let words = format!(
            "run {option} {here} --durability log --log-dir log --baseline-sessions 0 --quiet"
        );
        let ended = folder.loadgen(&arguments(&words));
        assert_eq!(ended.code, Some(4), "{words}: {ended:?}");
        let said = &ended.stderr;
        assert!(said.contains(there), "{words}: {said}");
        assert_eq!(said.lines().count(), 1, "{words}: {said}");
        if option != "--trace" {
            assert!(
                said.contains(&format!("{option} {here}:")),
                "{words}: {said}"
            );
            assert!(
                said.contains(&format!("{option} {there};")),
                "{words}: {said}"
            );
        }
    }
    let words = "run --state-root --durability log --log-dir log --baseline-sessions 0 --quiet";
    let ended = folder.loadgen(&arguments(words));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let said = "--state-root true: the log in 'log' is of a run with --state-root false;";
    assert!(ended.stderr.contains(said), "{ended:?}");
    ok(&folder.loadgen(&arguments("recover log")), "untouched");
}

#[test]
fn a_trace_is_found_from_anywhere_or_said_to_have_moved() {
    let folder = Folder::new();
    fs::create_dir(folder.path("away")).unwrap();
    let trace = "time_s,payer,payee,amount\n0,a,b,5\n1,a,c,6\n2,b,c,7\n";
    folder.write("t.csv", trace);
    let run = "run --trace t.csv --durability log --log-dir log --baseline-sessions 0 --quiet";
    ok(&folder.loadgen(&arguments(run)), run);
    let away = |words: &str| -> Ended {
        let mut command = folder.command(&arguments(words));
        command.current_dir(folder.path("away"));
        command.output().unwrap().into()
    };
    let ways = ["", "--close --quiet", "--go-on --quiet"];
    for how in ways {
        let words = format!("recover ../log {how}");
        ok(&away(&words), &words);
    }
    let bare = "run --durability log --log-dir ../log --baseline-sessions 0 --quiet";
    ok(&away(bare), bare);
    // A file of the same name lies where the command is run.
    fs::write(
        folder.path("away/t.csv"),
        "time_s,payer,payee,amount\n0,x,y,9\n",
    )
    .unwrap();
    ok(&away("recover ../log"), "beside another trace");
    fs::rename(folder.path("t.csv"), folder.path("away/moved.csv")).unwrap();
    for how in ["", "--close --quiet"] {
        let gone = away(&format!("recover ../log {how}"));
        assert_eq!(gone.code, Some(2), "{gone:?}");
        assert!(gone.stderr.contains("--trace FILE"), "{}", gone.stderr);
        let words = format!("recover ../log {how} --trace moved.csv");
        ok(&away(&words), &words);
    }
    for how in ["--close", "--go-on"] {
        // It is no fault of the log that two paths given now are one.
        let words = format!("recover ../log {how} --out moved.csv --trace moved.csv");
        let same = away(&words);
        assert_eq!(same.code, Some(2), "{same:?}");
        assert!(
            same.stderr.contains("names the same file"),
            "{}",
            same.stderr
        );
        assert!(!same.stderr.contains("../log"), "{}", same.stderr);
    }
    // Whoever went on with it has written down where it is now.
    ok(&away("recover ../log --go-on --quiet"), "remembered");
    let other = away("recover ../log --trace t.csv");
    assert_eq!(other.code, Some(4), "{other:?}");
    assert!(other.stderr.contains("SHA-256"), "{}", other.stderr);
    // Nor that an output now is the trace that it was made from.
    let same = away("recover ../log --close --out moved.csv");
    assert_eq!(same.code, Some(2), "{same:?}");
    assert!(
        same.stderr.contains("--trace names the same file"),
        "{}",
        same.stderr
    );
    assert!(!same.stderr.contains("../log"), "{}", same.stderr);
}
