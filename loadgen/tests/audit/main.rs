//! The audit log as it is written by real runs, and what `loadgen audit` says of it: clean as it
//! is, and refused with any bit of it changed. `bench` has logs that a forger wrote.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod bench;
mod bits;
mod checkpoint;
#[path = "../common/mod.rs"]
mod common;
mod forge;
mod hostile;
mod sample;
mod scarce;
mod votes;

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use common::{Folder, arguments};
use duet_audit::{AuditArgs, AuditError, Finding, Report, SampleSize, check};

/// Runs `loadgen run --audit-log log` with these words, which is VALID.
/// A text whose lines are not broken.
fn unbroken(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

fn logged(folder: &Folder, words: &str) {
    let run = format!("run --quiet --baseline-sessions 0 --audit-log log {words}");
    let ended = folder.loadgen(&arguments(&run));
    assert_eq!(ended.code, Some(0), "{words}: {ended:?}");
}

fn asked(folder: &Path, sample: SampleSize) -> AuditArgs {
    AuditArgs {
        folder: folder.to_owned(),
        sample,
        salt: None,
        tip: None,
        validators: None,
        threads: Some(1),
        follow: false,
        delete_audited: false,
        checkpoint: None,
        json: false,
        quiet: true,
    }
}

fn audited(folder: &Path, sample: SampleSize) -> Result<Report, AuditError> {
    check(&asked(folder, sample), &AtomicBool::new(false))
}

/// The finding of an audit that refuses.
fn finding(folder: &Path, sample: SampleSize) -> Finding {
    match audited(folder, sample) {
        Err(AuditError::Refused(finding)) => *finding,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_shape_of_run_audits_clean() {
    for (words, opened, entries) in [
        ("--sessions 1 --payments 1", 1, 1),
        ("--sessions 6 --payments 40 --cosign-every 1", 6, 240),
        (
            "--sessions 6 --payments 40 --cosign-every 3 --shards 3",
            6,
            240,
        ),
        (
            "--sessions 4 --payments 250 --cosign-every 100 --in-flight 2",
            4,
            1000,
        ),
        (
            "--sessions 7 --payments 30 --concurrent 2 --shards 1",
            7,
            210,
        ),
        (
            "--sessions 5 --payments 60 --pattern two-way --turn-length 7 --cosign-every 3",
            5,
            300,
        ),
        (
            "--sessions 5 --payments 20 --in-flight 1 --amount lognormal:6,2",
            5,
            100,
        ),
        ("--sessions 40 --payments 2 --audit-segment 1k", 40, 80),
    ] {
        let folder = Folder::new();
        logged(&folder, words);
        let ended = folder.loadgen(&arguments("audit log --sample all --json"));
        assert_eq!(ended.code, Some(0), "{words}: {ended:?}");
        let report = json(&ended.stdout);
        assert_eq!(report["channels"]["opened"], opened, "{words}: {report}");
        assert_eq!(report["channels"]["still_open"], 0);
        assert_eq!(report["log"]["entries"], entries, "{words}: {report}");
        assert_eq!(report["sample"]["sessions"], opened);
        // Every state by both; the final by both; an opening and a closing transaction.
        let k = words.split("--cosign-every ").nth(1);
        if k.is_none_or(|k| k.starts_with("1") && !k.starts_with("100")) {
            let signatures = 2 * entries + 4 * opened;
            assert_eq!(
                report["sample"]["signatures"], signatures,
                "{words}: {report}"
            );
        }
    }
}

#[test]
fn payments_that_were_refused_are_no_part_of_the_log() {
    for pattern in ["", "--pattern two-way --turn-length 20"] {
        let folder = Folder::new();
        let words =
            format!("--sessions 4 --payments 200 --capacity 1500 --cosign-every 3 {pattern}");
        let run = format!("run --json --baseline-sessions 0 --audit-log log {words}");
        let ended = folder.loadgen(&arguments(&run));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let run = common::parse(&ended.stdout);
        assert!(run.achieved.payments_refused > 0, "{words}");
        let tip = &run.l1.channels.tip;
        let words = format!("audit log --sample all --json --tip {tip}");
        let ended = folder.loadgen(&arguments(&words));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let report = json(&ended.stdout);
        assert_eq!(report["log"]["entries"], run.achieved.payments);
        let assurance = &report["assurance"];
        assert_eq!(assurance["cosign_every"], run.assurance.cosign_every);
        assert_eq!(assurance["in_flight"], run.assurance.in_flight);
        assert_eq!(
            assurance["value_at_risk_max"],
            run.assurance.value_at_risk_max
        );
        assert_eq!(assurance["largest_interval"], 3);
        assert_eq!(report["l1"]["tip_given"], true);
    }
}

/// A run that time ends has closed what was open, and its log says so.
#[test]
fn a_run_that_was_cut_short_audits_clean() {
    let folder = Folder::new();
    logged(
        &folder,
        "--sessions 1k --payments 10M --concurrent 4 --duration 200ms --cosign-every 10",
    );
    let ended = folder.loadgen(&arguments("audit log --sample 1 --json"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = json(&ended.stdout);
    assert_eq!(report["channels"]["opened"], 4);
    assert_eq!(report["channels"]["still_open"], 0);
    assert!(report["log"]["entries"].as_u64().unwrap() > 0, "{report}");
}

/// The run file's stages and the log's own CPU time: still accounted for, and a stage of its own.
#[test]
fn writing_the_log_is_a_stage() {
    let folder = Folder::new();
    let run = "run --json --baseline-sessions 0 --sessions 20 --payments 300 --audit-log log";
    let ended = folder.loadgen(&arguments(run));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let run = common::parse(&ended.stdout);
    let stage = run
        .stages
        .iter()
        .find(|stage| stage.name == "audit")
        .unwrap();
    assert_eq!((stage.role.as_str(), stage.items), ("loadgen", 6000));
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    flip(|byte| vec![byte % 8]);
}

#[test]
#[ignore = "some minutes: cargo test -p duet-loadgen --test audit -- --ignored"]
fn no_flipped_bit_goes_unnoticed_whichever() {
    flip(|_| (0..8).collect());
}

/// Flips bits of every byte of every file of a small log, one at a time.
fn flip(bits: impl Fn(usize) -> Vec<usize>) {
    let folder = Folder::new();
    logged(
        &folder,
        "--sessions 2 --payments 3 --cosign-every 2 --shards 1",
    );
    let log = folder.path("log");
    audited(&log, SampleSize::All).unwrap();
    let mut flips = 0;
    for entry in fs::read_dir(&log).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for byte in 0..bytes.len() {
            for bit in bits(byte) {
                let mut flipped = bytes.clone();
                flipped[byte] ^= 1 << bit;
                fs::write(&path, flipped).unwrap();
                let result = audited(&log, SampleSize::Sessions(0));
                assert!(
                    matches!(result, Err(AuditError::Refused(_))),
                    "{}, byte {byte}, bit {bit}: {result:?}",
                    path.display()
                );
                flips += 1;
            }
        }
        fs::write(&path, bytes).unwrap();
    }
    audited(&log, SampleSize::All).unwrap();
    assert!(flips > 2000, "{flips}");
}

#[test]
fn files_that_are_missing_cut_or_exchanged_are_refused() {
    let folder = Folder::new();
    logged(
        &folder,
        "--sessions 30 --payments 5 --shards 2 --audit-segment 4k",
    );
    let log = folder.path("log");
    audited(&log, SampleSize::Sessions(2)).unwrap();
    let mut names: Vec<String> = fs::read_dir(&log)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(
        names
            .iter()
            .filter(|name| name.starts_with("shard-1"))
            .count()
            > 2,
        "{names:?}"
    );
    let read = |name: &String| fs::read(log.join(name)).unwrap();
    let write = |name: &String, bytes: &[u8]| fs::write(log.join(name), bytes).unwrap();
    for name in &names {
        let bytes = read(name);
        for length in [
            0,
            1,
            119,
            120,
            121,
            bytes.len() / 2,
            bytes.len() - 40,
            bytes.len() - 1,
        ] {
            write(name, &bytes[..length.min(bytes.len() - 1)]);
            finding(&log, SampleSize::Sessions(0));
        }
        write(name, &[&bytes[..], &[0]].concat());
        finding(&log, SampleSize::Sessions(0));
        fs::remove_file(log.join(name)).unwrap();
        let finding = finding(&log, SampleSize::Sessions(0));
        assert!(finding.file.contains('.'), "{finding}");
        write(name, &bytes);
    }
    for (at, one) in names.iter().enumerate() {
        for other in &names[at + 1..] {
            let (of_one, of_other) = (read(one), read(other));
            write(one, &of_other);
            write(other, &of_one);
            finding(&log, SampleSize::Sessions(0));
            write(one, &of_one);
            write(other, &of_other);
        }
    }
    let extra = "shard-0-000999.audit".to_owned();
    write(&extra, &read(&names[1]));
    assert_eq!(finding(&log, SampleSize::Sessions(0)).file, extra);
    fs::remove_file(log.join(&extra)).unwrap();
    audited(&log, SampleSize::All).unwrap();
}

/// A log of another run does not pass for this one's, however sound it is.
#[test]
fn a_tip_from_elsewhere_names_the_run() {
    let folder = Folder::new();
    logged(&folder, "--sessions 2 --payments 3");
    let tip = "0".repeat(64);
    let ended = folder.loadgen(&["audit", "log", "--tip", &tip, "--json"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let refusal = json(&ended.stdout);
    assert_eq!(refusal["clean"], false);
    assert_eq!(refusal["finding"]["what"], "the tip");
    assert!(ended.stderr.contains("REFUSED: "), "{ended:?}");
}

/// The run writes, the auditor deletes behind it, and both come to the same end.
#[test]
fn an_audit_follows_a_run() {
    let folder = Folder::new();
    let words = "run --quiet --baseline-sessions 0 --audit-log log --audit-segment 64k \
                 --sessions 60 --payments 200 --concurrent 10 --shards 2";
    let mut run = folder.command(&arguments(words)).spawn().unwrap();
    while !folder.path("log").join("audit.toml").exists() {
        assert!(
            run.try_wait()
                .unwrap()
                .is_none_or(|status| status.success())
        );
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let audit = "audit log --follow --delete-audited --checkpoint kept --sample 1 --json";
    let ended = folder.loadgen(&arguments(audit));
    assert!(run.wait().unwrap().success());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = json(&ended.stdout);
    assert_eq!(report["log"]["entries"], 12_000);
    assert_eq!(report["sample"]["chosen"], "from the start");
    assert!(
        report["log"]["segments_deleted"].as_u64().unwrap() > 10,
        "{report}"
    );
    assert_eq!(report["sample"]["sessions"], 1);
    let signatures = &report["sample"]["signatures"];
    assert!(signatures.as_u64().unwrap() > 4, "{report}");
    assert_eq!(*signatures, report["signatures"]["verified"]);
}

#[test]
fn what_cannot_be_audited_or_logged_is_refused_before_anything_is_done() {
    let folder = Folder::new();
    fs::create_dir(folder.path("full")).unwrap();
    folder.write("full/something", "x");
    folder.write("file", "x");
    fs::create_dir(folder.path("empty")).unwrap();
    // A run is about to begin its log.
    fs::create_dir(folder.path("begins")).unwrap();
    folder.write("begins/audit.toml.part", "x");
    std::os::unix::fs::symlink("empty", folder.path("alias")).unwrap();
    fs::create_dir_all(folder.path("durable/log")).unwrap();
    folder.write("durable/log/log.meta", "x");
    for (words, code, said) in [
        ("audit nowhere", 2, "is no folder"),
        ("audit file", 2, "is no folder"),
        ("audit empty", 2, "is no audit log"),
        ("audit full", 2, "is no audit log"),
        ("audit begins --follow", 2, "is no audit log"),
        ("audit", 2, "<DIR>"),
        ("audit empty --sample 101%", 2, "expected 0% to 100%"),
        ("audit empty --tip 00", 2, "expected 64 hex digits"),
        ("audit empty --validators 00", 2, "expected 64 hex digits"),
        ("audit empty --salt 00", 2, "expected 64 hex digits"),
        ("audit empty --delete-audited", 2, "--checkpoint <FILE>"),
        (
            "audit empty --follow --checkpoint durable/kept",
            2,
            "the directory of a durable run",
        ),
        ("run --audit-log full", 2, "not empty"),
        ("run --audit-log file", 2, "not a folder"),
        ("run --audit-log no/where", 2, "parent does not exist"),
        ("run --audit-segment 1M", 2, "needs --audit-log"),
        (
            "run --audit-log new --durability log --log-dir log",
            2,
            "contradicts --durability",
        ),
        (
            "run --audit-log new --adversary all=1%",
            2,
            "contradicts --adversary",
        ),
        (
            "run --audit-log empty --out empty/l1-000000.audit",
            2,
            "--out empty/l1-000000.audit: expected a file outside of --audit-log empty",
        ),
        (
            "run --audit-log empty --out full/../empty/run.json",
            2,
            "outside of --audit-log empty",
        ),
        (
            "run --audit-log alias --out empty/run.json",
            2,
            "outside of --audit-log alias",
        ),
        (
            "run --audit-log new --out new",
            2,
            "--out new: --audit-log names the same",
        ),
    ] {
        let ended = folder.loadgen(&arguments(words));
        assert_eq!(ended.code, Some(code), "{words}: {ended:?}");
        assert!(ended.stderr.contains(said), "{words}: {ended:?}");
    }
    assert!(!folder.path("new").exists());
    assert_eq!(fs::read_dir(folder.path("empty")).unwrap().count(), 0);
}

/// A disk that is full ends the run, and nothing claims to be complete.
#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_ends_the_run() {
    let folder = Folder::new();
    // Files of at most a megabyte: beyond, writing fails as on a full disk.
    let words = "run --quiet --baseline-sessions 0 --sessions 40 --payments 400 --audit-log log";
    let mut command = std::process::Command::new("sh");
    let script = format!(
        "trap '' XFSZ; ulimit -f 1024; exec {} {words}",
        env!("CARGO_BIN_EXE_loadgen")
    );
    let ended = command
        .args(["-c", &script])
        .current_dir(folder.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("writing the audit log 'log/shard-"), "{said}");
    assert!(
        folder
            .read("log/audit.toml")
            .contains("state = \"running\"")
    );
    assert_eq!(folder.loadgen(&arguments("audit log")).code, Some(4));
}

/// The auditor's files, by name.
fn sources() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("audit/src");
    let paths = fs::read_dir(folder).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    let files: Vec<_> = paths
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.display().to_string(), text)
        })
        .collect();
    assert!(files.len() > 10, "{}", files.len());
    files
}

/// The auditor is worth something only while it is not the engine that it audits.
#[test]
fn the_auditor_names_no_part_of_the_engine() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("audit/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let own = manifest.lines().filter(|line| line.starts_with("duet-"));
    assert_eq!(own.collect::<Vec<_>>(), ["duet-terminal.workspace = true"]);
}

/// What is deleted has its place in a checkpoint that is durable under its name:
/// `duet_terminal::output` sees to that, and its tests hold the order.
#[test]
fn the_auditor_renames_no_file_itself() {
    for (file, text) in sources() {
        for way in ["persist(", "rename("] {
            assert!(!text.contains(way), "{file}: {way}");
        }
    }
}
