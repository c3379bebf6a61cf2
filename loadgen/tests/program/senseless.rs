//! A log whose every checksum is right and which makes no sense: records carry no key, so that
//! whoever can write the files can make such a log. Refused by name, and no thread panics.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use duet_engine::log::{Durability, Files, Log, LogError, Options, RunId};

use crate::common::{Folder, arguments};

const RUN: &str = "run --quiet --baseline-sessions 0 --shards 1 --sessions 8 --payments 10M \
                   --durability log --log-dir log --ack-file acks";

/// A folder with the log of a run that was killed, its channels open.
fn killed() -> Folder {
    let folder = Folder::new();
    let mut child = folder
        .command(&arguments(RUN))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while fs::read(folder.path("acks")).unwrap_or_default().len() < 10_000 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    folder
}

fn open(folder: &Folder, run: RunId) -> Result<Log<Files>, LogError> {
    let options = Options {
        run,
        streams: vec!["l1".to_owned(), "shard-0".to_owned()],
        durability: Durability::Log,
        ..Options::default()
    };
    Log::open(Files::existing(folder.path("log/log")).unwrap(), options)
}

/// Puts other records in the place of the shard's, in a commit of their own.
fn put(folder: &Folder, change: impl Fn(&BTreeMap<u32, Vec<u8>>) -> Vec<(u32, Vec<u8>)>) {
    let Some(LogError::OtherRun { found, .. }) = open(folder, RunId::default()).err() else {
        panic!("the log of a run");
    };
    let log = open(folder, found).unwrap();
    let mut recovered = log.recover(1).unwrap();
    let mut records = BTreeMap::new();
    let each = |key: u32, _, record: &[u8]| drop(records.insert(key, record.to_vec()));
    recovered.for_each(each).unwrap();
    let mut stream = recovered.start().unwrap();
    for (key, record) in change(&records) {
        stream.put(key, &record);
    }
    let sequence = stream.commit().unwrap();
    stream.wait(sequence).unwrap();
}

/// What a record's second byte says of how far its end has come (docs/log.md).
const RUNNING: u8 = 0;
const FINISHING: u8 = 1 << 1 | 1 << 4;
const CLOSING: u8 = 4 << 1;

/// The record of an end that has come this far and has signed no payment: of the same channel as
/// this one, and with its note.
fn fresh(record: &[u8], far: u8) -> Vec<u8> {
    let side = record[1] & 1;
    let (head, note) = (&record[2..34], &record[record.len() - 41..]);
    let counted_and_proposals = [0, 0];
    [
        &record[..1],
        &[far | side],
        head,
        &counted_and_proposals,
        note,
    ]
    .concat()
}

#[test]
fn a_log_that_makes_no_sense_is_refused() {
    // How far each end is, if it is another record than it was.
    let table = [
        ("as a channel opens", [Some(RUNNING), Some(RUNNING)], None),
        (
            "one has stopped",
            [Some(CLOSING), Some(RUNNING)],
            Some("its end has stopped"),
        ),
        (
            "one ends it, the other is far ahead",
            [None, Some(FINISHING)],
            Some("cannot both stand where they say"),
        ),
        (
            "each waits for the other's final",
            [Some(FINISHING), Some(FINISHING)],
            Some("cannot both stand where they say"),
        ),
    ];
    for (name, far, refusal) in table {
        let folder = killed();
        put(&folder, |records| {
            (0..)
                .zip(far)
                .filter_map(|(key, far)| Some((key, fresh(&records[&key], far?))))
                .collect()
        });
        // What can be, and is not what the shard has counted, makes a run INVALID.
        for (how, code) in [("--json", 0), ("--close", 3)] {
            let done = folder.loadgen(&["recover", "log", how, "--quiet"]);
            match refusal {
                None => assert_eq!(done.code, Some(code), "{name}: {}", done.stderr),
                Some(refusal) => {
                    assert_eq!(done.code, Some(4), "{name}: {}", done.stderr);
                    assert!(done.stderr.contains(refusal), "{name}: {}", done.stderr);
                }
            }
        }
    }
}

#[test]
fn a_log_that_is_gone_is_missed() {
    let folder = killed();
    fs::remove_file(folder.path("log/log/log.meta")).unwrap();
    for _ in 0..2 {
        let missed = folder.loadgen(&["recover", "log"]);
        assert_eq!(missed.code, Some(4), "{}", missed.stdout);
        assert!(
            missed.stderr.contains("no log's header"),
            "{}",
            missed.stderr
        );
    }
    // Without any of its files it is as if it had not begun: what was acknowledged tells.
    fs::remove_dir_all(folder.path("log/log")).unwrap();
    let lost = folder.loadgen(&["recover", "log", "--check-acks", "acks"]);
    assert_eq!(lost.code, Some(4), "{}", lost.stdout);
    assert!(lost.stdout.contains("found no channel"), "{}", lost.stdout);
    for how in ["--json", "--close"] {
        let missed = folder.loadgen(&["recover", "log", how, "--quiet"]);
        assert_eq!(missed.code, Some(0), "{}", missed.stderr);
        assert!(!folder.path("log/log").exists(), "nothing was made");
    }
}
