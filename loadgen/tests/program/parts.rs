//! Parts of a run, each made by a `loadgen` of its own: together they are the whole run.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use duet_run_file::merge::merge;
use duet_run_file::run_file::RunFile;

use crate::common;
use crate::common::{Folder, arguments};

const TRACE: &str = "time_s,payer,payee,amount\n\
    0,ann,bob,5\n0.1,bob,cid,7\n0.2,ann,cid,2\n0.3,bob,ann,3\n0.4,dan,eve,11\n0.5,ann,bob,1\n";

/// The parts of the run with these words, each as its run file's text.
fn parts(folder: &Folder, words: &str, of: u64) -> Vec<(PathBuf, String)> {
    let part = |index| {
        let words = format!("run --json {words} --part {index}/{of}");
        let ended = folder.loadgen(&arguments(&words));
        assert_eq!(ended.code, Some(0), "{index}: {ended:?}");
        (PathBuf::from(format!("{index}.json")), ended.stdout)
    };
    (1..=of).map(part).collect()
}

/// What the whole has by the workload alone, whoever ran it.
fn counts(run: &RunFile) -> Vec<(&'static str, u64)> {
    let hashed = run.stages.iter().filter(|stage| stage.name == "hash");
    let hashed = ("hashed", hashed.map(|stage| stage.items).sum());
    common::counts(run).into_iter().chain([hashed]).collect()
}

#[test]
fn parts_together_make_the_payments_of_the_whole() {
    let folder = Folder::new();
    folder.write("trace.csv", TRACE);
    for (words, of) in [
        (
            "--sessions 37 --concurrent 10 --payments 30 --baseline-sessions 2",
            3,
        ),
        (
            "--sessions 9 --payments 40 --cosign-every 4 --pattern two-way --shards 1",
            2,
        ),
        ("--trace trace.csv --shards 1", 2),
    ] {
        let (whole, _) = folder.run(words);
        let parts = parts(&folder, words, of);
        let merged = merge(&parts, Vec::new()).unwrap();
        assert!(
            merged.achieved.valid,
            "{:?}",
            merged.achieved.invalid_reasons
        );
        assert_eq!(counts(&merged), counts(&whole), "{words}");
        assert_eq!(merged.merged.as_ref().unwrap().machines, 1);
        let ids: Vec<String> = parts
            .iter()
            .map(|(path, text)| RunFile::parse(path, text).unwrap().l1.channels.tip)
            .collect();
        assert!(ids.iter().all(|tip| *tip != whole.l1.channels.tip));
        // Repeats give the same payments, and the same blocks.
        let again = self::parts(&folder, words, of);
        for ((path, one), (_, other)) in parts.iter().zip(&again) {
            let [one, other] = [one, other].map(|text| RunFile::parse(path, text).unwrap());
            assert_eq!(one.l1.channels.tip, other.l1.channels.tip);
            assert_eq!(one.part.unwrap().run_id, other.part.unwrap().run_id);
        }
    }
}

#[test]
fn a_part_of_one_is_the_whole() {
    let folder = Folder::new();
    let words = "--sessions 5 --payments 20 --baseline-sessions 0 --shards 1";
    let (whole, _) = folder.run(words);
    let (part, _) = folder.run(&format!("{words} --part 1/1"));
    assert_eq!(part.l1.channels.tip, whole.l1.channels.tip);
    assert_eq!(whole.part, None);
    assert_eq!(part.workload.part.as_deref(), Some("1/1"));
}

#[test]
fn parts_start_together_when_they_are_told_to() {
    let folder = Folder::new();
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let start_at = now() + Duration::from_secs(2);
    let at = start_at.as_secs();
    let words = format!("--sessions 2 --payments 5 --baseline-sessions 0 --start-at {at}");
    let (run, said) = folder.run(&format!("{words} --part 2/2"));
    let began_ms = run.part.unwrap().began_unix_ms;
    assert!(
        began_ms >= at * 1000 && now().as_secs() >= at,
        "{began_ms} {at}"
    );
    assert!(said.contains("it starts in "), "{said}");
    let (_, said) = folder.run(&words.replace(&at.to_string(), "1000"));
    assert!(said.contains("--start-at 1000: that was "), "{said}");
    assert!(said.contains(" ago; it starts now"), "{said}");
}

#[test]
fn parts_that_make_no_sense_are_refused() {
    let folder = Folder::new();
    folder.write("trace.csv", TRACE);
    for (words, said) in [
        ("--part 5/4", "part 5 of 4: expected 1 to 4"),
        ("--part x", "expected I/N such as 2/4, auto/N, or auto"),
        (
            "--part 2/4",
            "--part 2/4 needs --sessions, those of the whole run",
        ),
        (
            "--part 1/3 --sessions 2",
            "--part 1/3: 2 channels at once, expected at least one for each part",
        ),
        (
            "--part 6/6 --trace trace.csv",
            "--part 6/6: the trace has 4 channels, expected at least one for each part",
        ),
        (
            "--part auto --sessions 9",
            "--part auto: neither JOB_COMPLETION_INDEX nor SLURM_PROCID",
        ),
    ] {
        let mut command = folder.command(&arguments(&format!("run {words}")));
        for variable in ["JOB_COMPLETION_INDEX", "SLURM_PROCID", "SLURM_NTASKS"] {
            command.env_remove(variable);
        }
        let ended = common::Ended::from(command.output().unwrap());
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
        assert!(ended.stderr.contains(said), "{words}: {}", ended.stderr);
    }
}

#[test]
fn a_job_says_which_part_it_is() {
    let folder = Folder::new();
    let words = arguments("run --json --sessions 4 --payments 5 --baseline-sessions 0 --part auto");
    let mut command = folder.command(&words);
    command.env_remove("JOB_COMPLETION_INDEX");
    command.env("SLURM_PROCID", "1").env("SLURM_NTASKS", "3");
    let ended = common::Ended::from(command.output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let run = RunFile::parse("part".as_ref(), &ended.stdout).unwrap();
    assert_eq!(run.workload.part.as_deref(), Some("2/3"));
    assert_eq!(run.part.unwrap().name(), "2/3");
}
