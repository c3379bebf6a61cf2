//! The parts of a log, one per shard and Layer 1's, put together from different moments of one run:
//! as a partial restore from a backup leaves them, or a copy of a log that is being written. Either
//! they are refused, or one crash could have left them, and whoever goes on says nothing false.
//!
//! The long form:
//! `DUET_MOMENTS=8 DUET_SEED=1 cargo test -p duet-loadgen --test ages -- --nocapture`

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Folder, arguments, number, parse};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const SESSIONS: u64 = 60;
const PAYMENTS: u64 = 30;
const RUN: &str = "run --sessions 60 --concurrent 20 --payments 30 --in-flight 1 --pattern two-way \
                   --shards 2 --durability log --log-dir log --ack-file acks --baseline-sessions 0 \
                   --quiet --out run.json";
const STREAMS: [&str; 3] = ["l1", "shard-0", "shard-1"];

/// Runs until so many payments were acknowledged, and kills it; or to its end, if that comes
/// before.
fn run_until(folder: &Folder, acknowledged: u64) {
    let mut child = folder.command(&arguments(RUN)).spawn().unwrap();
    let started = Instant::now();
    let lines =
        || fs::read(folder.path("acks")).map_or(0, |acks| newest(&acks).values().sum::<u64>());
    while lines() < acknowledged && child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    child.wait().unwrap();
}

/// The newest version of each channel in a file of acknowledgements.
fn newest(acks: &[u8]) -> BTreeMap<String, u64> {
    let text = String::from_utf8_lossy(acks);
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(channel, version)| (channel.to_owned(), version.parse().unwrap_or(0)))
        .collect()
}

/// Copies the files of a log that are no stream's, or those of one stream.
fn copy(from: &Path, to: &Path, stream: Option<&str>) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let of = STREAMS.iter().find(|stream| {
            name.starts_with(&format!("{stream}.")) || name.starts_with(&format!("{stream}-0"))
        });
        if of.copied() == stream && !name.ends_with(".spare") {
            copy_sparsely(&entry.path(), &to.join(name)).unwrap();
        }
    }
}

/// A segment is mostly zeros.
fn copy_sparsely(from: &Path, to: &Path) -> io::Result<()> {
    let mut bytes = Vec::new();
    fs::File::open(from)?.read_to_end(&mut bytes)?;
    let used = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let mut file = fs::File::create(to)?;
    file.write_all(&bytes[..used])?;
    file.set_len(bytes.len() as u64)
}

/// Moments of one run, each as a kill left it, the end among them: a log and the acknowledgements.
fn moments(folder: &Folder, seed: u64, count: u64) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let all = SESSIONS * PAYMENTS;
    let mut until: Vec<u64> = (1..count).map(|_| 1 + rng.next_u64() % (all - 1)).collect();
    until.sort_unstable();
    until.push(u64::MAX);
    let mut moments = Vec::new();
    for acknowledged in until {
        run_until(folder, acknowledged);
        let name = format!("moment-{}", moments.len());
        for stream in [None, Some("l1"), Some("shard-0"), Some("shard-1")] {
            copy(&folder.path("log/log"), &folder.path(&name), stream);
        }
        moments.push(name);
    }
    moments
}

/// The log of the run, with each part from one of the moments.
fn assemble(folder: &Folder, moments: &[String], parts: [usize; 3]) {
    let _ = fs::remove_dir_all(folder.path("mixed"));
    let log = folder.path("mixed/log");
    copy(&folder.path(&moments[0]), &log, None);
    for (stream, part) in STREAMS.iter().zip(parts) {
        copy(&folder.path(&moments[part]), &log, Some(stream));
    }
    fs::copy(folder.path("log/run.json"), folder.path("mixed/run.json")).unwrap();
}

#[test]
fn parts_of_different_age_are_refused_or_say_nothing_false() {
    let (seed, count) = (number("DUET_SEED", 1), number("DUET_MOMENTS", 3) as usize);
    let folder = Folder::new();
    let moments = moments(&folder, seed, count as u64);
    let (mut refused, mut mixed) = (0, 0);
    for place in 0..count.pow(3) {
        let parts = [place % count, place / count % count, place / count / count];
        let is_whole = parts.iter().all(|part| *part == parts[0]);
        assemble(&folder, &moments, parts);
        let found = folder.loadgen(&arguments("recover mixed"));
        if found.code == Some(4) {
            assert!(!is_whole, "{parts:?}: {found:?}");
            assert!(
                found.stderr.contains("age") || found.stderr.contains("Layer 1"),
                "{found:?}"
            );
            // Who goes on refuses it too, and leaves it as it is.
            let went_on = folder.loadgen(&arguments("recover mixed --go-on --quiet"));
            assert_eq!(
                (went_on.code, &went_on.stderr),
                (Some(4), &found.stderr),
                "{parts:?}"
            );
            refused += 1;
            continue;
        }
        assert_eq!(found.code, Some(0), "{parts:?}: {found:?}");
        let _ = fs::remove_file(folder.path("mixed.json"));
        let went_on = folder.loadgen(&arguments("recover mixed --go-on --quiet --out mixed.json"));
        assert_eq!(went_on.code, Some(0), "{parts:?}: {went_on:?}");
        let run = parse(&folder.read("mixed.json"));
        let achieved = run.achieved;
        assert!(achieved.valid, "{parts:?}: {:?}", achieved.invalid_reasons);
        assert_eq!(achieved.payments, SESSIONS * PAYMENTS, "{parts:?}");
        assert_eq!(achieved.sessions_closed, SESSIONS, "{parts:?}");
        assert_eq!(achieved.sessions_cut, 0, "{parts:?}");
        mixed += usize::from(!is_whole);
    }
    println!(
        "of {} logs of parts of different age, {refused} were refused, {mixed} went on",
        count.pow(3) - count
    );
    // An end has no part of before the last closes, and no part of the end fits what came before.
    assert!(refused >= 6, "{refused}");
}

/// Layer 1 has closed all sessions, and the shards' parts are from before; and the other way.
#[test]
fn a_part_from_before_closes_is_refused_with_what_each_knows() {
    let folder = Folder::new();
    run_until(&folder, 300);
    let early = folder.path("early");
    for stream in [None, Some("l1"), Some("shard-0"), Some("shard-1")] {
        copy(&folder.path("log/log"), &early, stream);
    }
    run_until(&folder, u64::MAX);
    for stream in [None, Some("l1"), Some("shard-0"), Some("shard-1")] {
        copy(&folder.path("log/log"), &folder.path("late"), stream);
    }
    let moments = ["early".to_owned(), "late".to_owned()];
    for (parts, shard) in [
        ([1, 0, 0], 0),
        ([0, 1, 1], 0),
        ([1, 1, 0], 1),
        ([0, 0, 1], 1),
    ] {
        assemble(&folder, &moments, parts);
        for how in ["", "--check-acks acks", "--go-on", "--close"] {
            let refused = folder.loadgen(&arguments(&format!("recover mixed {how}")));
            assert_eq!(refused.code, Some(4), "{parts:?} {how}: {refused:?}");
            let words = format!("shard {shard}");
            assert!(
                refused.stderr.contains(&words),
                "{parts:?} {how}: {refused:?}"
            );
        }
        let refused = folder.loadgen(&arguments(&RUN.replace("--log-dir log", "--log-dir mixed")));
        assert_eq!(refused.code, Some(4), "{parts:?}: {refused:?}");
    }
}

/// All of it from an earlier moment: only what was acknowledged tells, before its channels close,
/// and in sum after that.
#[test]
fn a_log_that_was_taken_back_has_lost_what_was_acknowledged_since() {
    let folder = Folder::new();
    run_until(&folder, 300);
    let acknowledged = |folder: &Folder| -> u64 {
        let acks = fs::read(folder.path("acks")).unwrap();
        newest(&acks).values().sum()
    };
    let before = acknowledged(&folder);
    let [log, old] = ["log", "old"].map(|name| folder.path(name));
    fs::create_dir(&old).unwrap();
    fs::copy(log.join("run.json"), old.join("run.json")).unwrap();
    for stream in STREAMS.map(Some).into_iter().chain([None]) {
        copy(&log.join("log"), &old.join("log"), stream);
    }
    run_until(&folder, before + 300);
    assert!(acknowledged(&folder) > before);
    fs::remove_dir_all(folder.path("log")).unwrap();
    fs::rename(folder.path("old"), folder.path("log")).unwrap();
    let check = || {
        let ended = folder.loadgen(&arguments("recover log --check-acks acks"));
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(
            ended.stderr.contains("what was acknowledged is not there"),
            "{ended:?}"
        );
    };
    check();
    let ended = folder.loadgen(&arguments("recover log --close --quiet --out closed.json"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    check();
}
