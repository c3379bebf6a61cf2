//! A durable run that is interrupted before anything of it stands has not begun: `recover` says so,
//! and exits 0. Every state that a start can leave is made by hand, and some by killing it. What no
//! start leaves, files of a stream without the log's header, is refused.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use duet_engine::log::{Durability, Files, Log, Options, RunId};

use crate::common::{Folder, arguments, parse};

const RUN: &str = "run --sessions 4 --payments 20 --shards 1 --baseline-sessions 0 \
                   --durability log --log-dir log --json";

/// A folder with the log of a run that ended, without the files that this says of.
fn without(gone: impl Fn(&str) -> bool) -> Folder {
    let folder = Folder::new();
    let run = folder.loadgen(&arguments(RUN));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for entry in fs::read_dir(folder.path("log/log")).unwrap() {
        let path = entry.unwrap().path();
        if gone(path.file_name().unwrap().to_str().unwrap()) {
            fs::remove_file(path).unwrap();
        }
    }
    folder
}

/// With the folders and `run.json`, and no log.
fn bare() -> Folder {
    without(|_| true)
}

fn is_of_a_stream(name: &str) -> bool {
    [".seg", ".spare", ".floor"]
        .iter()
        .any(|end| name.ends_with(end))
}

#[test]
fn what_a_start_leaves_has_not_begun() {
    type Make = fn() -> Folder;
    let states: [(&str, bool, Make); 8] = [
        ("an empty folder", false, || {
            let folder = Folder::new();
            fs::create_dir(folder.path("log")).unwrap();
            folder
        }),
        ("half a command", false, || {
            let folder = Folder::new();
            fs::create_dir(folder.path("log")).unwrap();
            folder.write("log/.duet-Ab3.tmp", "{\"comm");
            folder
        }),
        ("an empty log, and no command", false, || {
            let folder = Folder::new();
            fs::create_dir_all(folder.path("log/log")).unwrap();
            folder
        }),
        ("a log without a stream, and no command", false, || {
            let folder = Folder::new();
            fs::create_dir(folder.path("log")).unwrap();
            drop(make_log(&folder));
            folder
        }),
        ("the command alone", true, || {
            let folder = bare();
            fs::remove_dir(folder.path("log/log")).unwrap();
            folder
        }),
        ("an empty log", true, bare),
        (
            "floors, one of them half, and a header without its name",
            true,
            || {
                let folder = bare();
                folder.write("log/log/l1.floor", [0; 8192]);
                folder.write("log/log/shard-0.floor", "duet-flr");
                folder.write("log/log/log.meta.new", "duet-log");
                folder
            },
        ),
        ("a log with empty streams", true, || {
            let folder = bare();
            // As the engine makes it, and nothing more.
            let words = folder.read("log/run.json");
            let log = folder.path("log/log");
            fs::remove_dir(&log).unwrap();
            begin(&folder);
            assert!(folder.path("log/log/log.meta").exists());
            assert_eq!(folder.read("log/run.json"), words);
            folder
        }),
    ];
    for (state, is_known, make) in states {
        for how in ["", "--json", "--close"] {
            let folder = make();
            folder.write("acks", "");
            let before = listing(&folder);
            let ended = folder.loadgen(&arguments(&format!("recover log {how}")));
            assert_eq!(ended.code, Some(0), "{state} {how}: {}", ended.stderr);
            let said = ended.stdout.clone() + &ended.stderr;
            let words = if how == "--json" {
                "\"begun\": false"
            } else {
                "not begun"
            };
            assert!(said.contains(words), "{state} {how}: {said}");
            let acknowledged = folder.loadgen(&arguments("recover log --check-acks acks"));
            assert_eq!(
                acknowledged.code,
                Some(0),
                "{state}: {}",
                acknowledged.stderr
            );
            assert_eq!(
                listing(&folder),
                before,
                "{state} {how}: something was made"
            );
        }
        let folder = make();
        // Nothing can have been acknowledged: whatever was is lost.
        folder.write("acks", format!("{} 3\n", "ab".repeat(32)));
        let lost = folder.loadgen(&arguments("recover log --check-acks acks"));
        assert_eq!(lost.code, Some(4), "{state}: {}", lost.stdout);
        assert!(lost.stdout.contains("found no channel"), "{}", lost.stdout);
        let went_on = folder.loadgen(&arguments("recover log --go-on --json"));
        if is_known {
            assert_eq!(went_on.code, Some(0), "{state}: {}", went_on.stderr);
            assert!(went_on.stderr.contains("not begun"), "{}", went_on.stderr);
            assert_eq!(parse(&went_on.stdout).achieved.payments, 4 * 20, "{state}");
        } else {
            assert_eq!(went_on.code, Some(2), "{state}: {}", went_on.stderr);
            assert!(went_on.stderr.contains("command"), "{}", went_on.stderr);
        }
        let run = folder.loadgen(&arguments(RUN));
        assert_eq!(run.code, Some(0), "{state}: {}", run.stderr);
    }
}

/// What was written down of a run that never began does not stand for the one that does.
#[test]
fn another_run_may_begin_where_one_has_not() {
    let folder = bare();
    let other = format!("{RUN} --seed 7");
    let run = folder.loadgen(&arguments(&other));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let found = folder.loadgen(&["recover", "log"]);
    assert_eq!(found.code, Some(0), "{}", found.stderr);
    // From now on it is that one's.
    let refused = folder.loadgen(&arguments(RUN));
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    let went_on = folder.loadgen(&["recover", "log", "--go-on", "--quiet"]);
    assert_eq!(went_on.code, Some(0), "{}", went_on.stderr);
    assert!(folder.read("log/run.json").contains("\"7\""));
}

/// Makes the log of the run in this folder, with streams and nothing in them.
fn begin(folder: &Folder) {
    let log = make_log(folder);
    for stream in 0..2 {
        drop(log.recover(stream).unwrap().start().unwrap());
    }
}

fn make_log(folder: &Folder) -> Log<Files> {
    let other = without(|_| false);
    let meta = fs::read(other.path("log/log/log.meta")).unwrap();
    let options = Options {
        run: RunId(*meta[32..].first_chunk().unwrap()),
        streams: vec!["l1".to_owned(), "shard-0".to_owned()],
        durability: Durability::Log,
        ..Options::default()
    };
    Log::open(Files::new(folder.path("log/log")).unwrap(), options).unwrap()
}

fn listing(folder: &Folder) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.path("log")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            let (path, metadata) = (entry.path(), entry.metadata().unwrap());
            found.push((path.display().to_string(), metadata.len()));
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn streams_without_a_header_or_without_layer_1_are_refused() {
    type Gone = fn(&str) -> bool;
    let table: [(&str, Gone, &str); 4] = [
        (
            "all but the header",
            |name| name == "log.meta",
            "no log's header",
        ),
        (
            "segments alone",
            |name| !name.ends_with(".seg"),
            "no log's header",
        ),
        (
            "raised floors alone",
            |name| !name.ends_with(".floor"),
            "no log's header",
        ),
        (
            "spares alone",
            |name| !name.ends_with(".spare"),
            "no log's header",
        ),
    ];
    for (what, gone, words) in table {
        let folder = without(gone);
        assert!(
            listing(&folder)
                .iter()
                .any(|(name, _)| is_of_a_stream(name))
        );
        let before = listing(&folder);
        for how in ["", "--close", "--go-on"] {
            let refused = folder.loadgen(&arguments(&format!("recover log {how}")));
            assert_eq!(refused.code, Some(4), "{what} {how}: {}", refused.stderr);
            assert!(refused.stderr.contains(words), "{what}: {}", refused.stderr);
        }
        let refused = folder.loadgen(&arguments(RUN));
        assert_eq!(refused.code, Some(4), "{what}: {}", refused.stderr);
        assert_eq!(listing(&folder), before, "{what}: written to");
    }
}

/// The shard has written, and Layer 1's stream is as new: so it was copied before the run.
#[test]
fn a_shard_that_has_begun_before_layer_1_is_refused() {
    let folder = bare();
    begin(&folder);
    let new = fs::read(folder.path("log/log/l1.floor")).unwrap();
    let ended = folder.loadgen(&arguments(RUN));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for entry in fs::read_dir(folder.path("log/log")).unwrap().flatten() {
        if entry.file_name().to_str().unwrap().starts_with("l1-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    folder.write("log/log/l1.floor", new);
    for how in ["", "--close", "--go-on"] {
        let refused = folder.loadgen(&arguments(&format!("recover log {how}")));
        assert_eq!(refused.code, Some(4), "{how}: {}", refused.stderr);
        let words = "shard 0 has written to the log";
        assert!(refused.stderr.contains(words), "{how}: {}", refused.stderr);
    }
}

/// Kills a run at many moments of its start.
#[test]
fn a_start_that_is_killed_goes_on_or_closes() {
    let mut codes = Vec::new();
    for round in 0..24_u64 {
        let folder = Folder::new();
        let mut child = folder
            .command(&arguments(&format!("{RUN} --payments 500 --quiet")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(3 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        if !folder.path("log").exists() {
            continue;
        }
        let is_known = folder.path("log/run.json").exists();
        let how = ["", "--close", "--go-on"][round as usize % 3];
        let ended = folder.loadgen(&arguments(&format!("recover log {how}")));
        let expected = if is_known || how != "--go-on" { 0 } else { 2 };
        assert_eq!(
            ended.code,
            Some(expected),
            "round {round}: {}",
            ended.stderr
        );
        codes.push(ended.code);
    }
    assert!(codes.len() > 5, "{codes:?}");
}

/// What was acknowledged is not "not begun", whatever is gone beside it.
#[test]
fn raised_floors_alone_are_no_start() {
    for header in [true, false] {
        let folder = without(|name| {
            name.ends_with(".seg") || name.ends_with(".spare") || name == "log.meta" && !header
        });
        fs::remove_file(folder.path("log/run.json")).unwrap();
        for how in ["", "--close", "--go-on"] {
            let refused = folder.loadgen(&arguments(&format!("recover log {how}")));
            assert_eq!(refused.code, Some(4), "{how}: {refused:?}");
        }
    }
}

/// What no more than a start leaves is no run's log: the next start may be of another one, as the
/// same command is on a machine with more cores.
#[test]
fn what_the_start_of_another_run_leaves_is_begun_anew() {
    for other in ["--seed 7", "--shards 2"] {
        for has_header in [true, false] {
            let folder = Folder::new();
            fs::create_dir(folder.path("log")).unwrap();
            drop(make_log(&folder));
            if !has_header {
                fs::remove_file(folder.path("log/log/log.meta")).unwrap();
            }
            let run = RUN.replace("--shards 1", "") + " " + other;
            let ended = folder.loadgen(&arguments(&run));
            assert_eq!(ended.code, Some(0), "{other}: {}", ended.stderr);
            let found = folder.loadgen(&["recover", "log"]);
            assert_eq!(found.code, Some(0), "{other}: {}", found.stderr);
        }
    }
}

/// A start of another run was killed when it had made its floors, and not its header.
#[test]
fn floors_of_another_start_beside_a_header_are_begun_anew() {
    let (folder, other) = (Folder::new(), Folder::new());
    for folder in [&folder, &other] {
        fs::create_dir(folder.path("log")).unwrap();
        drop(make_log(folder));
    }
    for name in ["l1.floor", "shard-0.floor"] {
        let floor = fs::read(other.path("log/log").join(name)).unwrap();
        assert_ne!(fs::read(folder.path("log/log").join(name)).unwrap(), floor);
        folder.write(&format!("log/log/{name}"), floor);
    }
    let run = folder.loadgen(&arguments(RUN));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
}
