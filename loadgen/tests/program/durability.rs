//! Durable runs from the command line: what is refused, with which words and code, and that nothing
//! is written then; a disk that is full; a directory that may not be written.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::common::{Ended, Folder, arguments, parse};

const RUN: &str = "run --sessions 8 --payments 200 --baseline-sessions 0 --durability log \
                   --log-dir log --json";

/// A folder with the log of a run that ended.
fn ended() -> Folder {
    let folder = Folder::new();
    let run = folder.loadgen(&arguments(RUN));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let durability = parse(&run.stdout).durability.unwrap();
    assert!(durability.commits > 0 && durability.records > 16 && durability.bytes_written > 4096);
    assert_eq!(
        durability.syncs, 0,
        "with --durability log nothing is synced"
    );
    folder
}

/// All files of the log.
fn files(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder.path("log/log")).unwrap().flatten();
    let named = entries.map(|entry| entry.file_name().into_string().unwrap());
    named
        .map(|name| {
            let bytes = fs::read(folder.path("log/log").join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}

/// A file of the log whose name begins and ends like this.
fn file(folder: &Folder, begin: &str, end: &str) -> std::path::PathBuf {
    let name = files(folder)
        .into_keys()
        .find(|name| name.starts_with(begin) && name.ends_with(end));
    folder.path("log/log").join(name.unwrap())
}

#[test]
fn a_log_that_is_not_this_runs_or_not_whole_is_refused() {
    type Spoil = fn(&Folder);
    let table: [(&str, Spoil, &str, &[&str]); 6] = [
        (
            "another run's",
            |_| {},
            "--seed 2",
            &["--seed 2: the log in 'log'", "with --seed 1"],
        ),
        (
            "of another format",
            |folder| {
                let meta = folder.path("log/log/log.meta");
                let mut bytes = fs::read(&meta).unwrap();
                bytes[8] ^= 0x40;
                fs::write(&meta, bytes).unwrap();
            },
            "",
            &["log.meta"],
        ),
        (
            "with a cut header",
            |folder| {
                let meta = folder.path("log/log/log.meta");
                let bytes = fs::read(&meta).unwrap();
                fs::write(&meta, &bytes[..20]).unwrap();
            },
            "",
            &["log.meta"],
        ),
        (
            "without a segment",
            |folder| fs::remove_file(file(folder, "l1-", ".seg")).unwrap(),
            "",
            &["l1-", ".seg"],
        ),
        (
            "without a floor",
            |folder| fs::remove_file(folder.path("log/log/shard-0.floor")).unwrap(),
            "",
            &["shard-0.floor"],
        ),
        (
            "with a flipped bit in what was acknowledged",
            |folder| {
                let path = file(folder, "l1-", ".seg");
                let mut bytes = fs::read(&path).unwrap();
                bytes[5000] ^= 1;
                fs::write(&path, bytes).unwrap();
            },
            "",
            &["l1-", ".seg", "offset"],
        ),
    ];
    for (what, spoil, options, words) in table {
        let folder = ended();
        spoil(&folder);
        let (before, words_before) = (files(&folder), folder.read("log/run.json"));
        let ended = folder.loadgen(&arguments(&format!("{RUN} --duration 7s {options}")));
        assert_eq!(ended.code, Some(4), "a log {what}: {}", ended.stderr);
        for word in words {
            assert!(
                ended.stderr.contains(word),
                "a log {what}: {}",
                ended.stderr
            );
        }
        assert!(files(&folder) == before, "a log {what} was written to");
        assert_eq!(folder.read("log/run.json"), words_before, "a log {what}");
        if options.is_empty() {
            let recover = folder.loadgen(&["recover", "log"]);
            assert_eq!(recover.code, Some(4), "a log {what}: {}", recover.stderr);
        }
    }
}

#[test]
fn a_run_that_makes_no_sense_is_refused() {
    let folder = Folder::new();
    let run = "run --sessions 4 --payments 40 --pattern two-way --turn-length 5 --durability log \
               --log-dir log --baseline-sessions 0 --quiet";
    assert_eq!(folder.loadgen(&arguments(run)).code, Some(0));
    let sound = folder.read("log/run.json");
    let bare = "run --durability log --log-dir log --quiet";
    for (key, said) in [
        ("sessions", "its sessions is 0"),
        ("turn_length", "its turn_length is 0"),
        ("concurrent", "its concurrent is 0"),
        ("shards", "--shards 0"),
        ("cosign_every", "--cosign-every 0"),
    ] {
        let (before, after) = sound.split_once(&format!("\"{key}\":")).unwrap();
        let (_, after) = after.split_at(after.find(',').unwrap());
        folder.write("log/run.json", format!("{before}\"{key}\":0{after}"));
        for words in ["recover log", "recover log --go-on --quiet", bare] {
            let ended = folder.loadgen(&arguments(words));
            let code = if words == bare && said.starts_with("--") {
                2
            } else {
                4
            };
            assert_eq!(ended.code, Some(code), "{key} {words}: {ended:?}");
            assert!(ended.stderr.contains(said), "{key} {words}: {ended:?}");
        }
    }
    folder.write("log/run.json", sound);
    assert_eq!(folder.loadgen(&arguments(bare)).code, Some(0));
}

#[test]
fn a_log_in_use_is_refused() {
    let folder = Folder::new();
    let mut first = folder
        .command(&arguments(&format!("{RUN} --payments 1M")))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !folder.path("log/run.json").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let second = folder.loadgen(&["recover", "log"]);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(second.code, Some(4), "{}", second.stderr);
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
}

/// What of a run may change is as the last command says that went on with it.
#[test]
fn recover_goes_on_as_the_last_command_did() {
    let folder = ended();
    let fsync = RUN.replace("--durability log", "--durability fsync");
    for (words, durability, duration_s) in [
        (RUN.to_owned(), "log", None),
        (format!("{RUN} --duration 7s"), "log", Some(7.0)),
        (format!("{fsync} --duration 8s"), "fsync", Some(8.0)),
        (RUN.to_owned(), "log", None),
    ] {
        let run = folder.loadgen(&arguments(&words));
        assert_eq!(run.code, Some(0), "{words}: {run:?}");
        // Neither of these is a command that says how to go on.
        for how in ["", "--close", "--go-on"] {
            let recovered = folder.loadgen(&arguments(&format!("recover log {how}")));
            assert_eq!(recovered.code, Some(0), "{words}, {how}: {recovered:?}");
        }
        let went_on = folder.loadgen(&arguments("recover log --go-on --json"));
        let run = parse(&went_on.stdout);
        assert_eq!(run.workload.duration_s, duration_s, "{words}");
        assert_eq!(run.assurance.durability, durability, "{words}");
    }
}

/// How a run was asked for is written down by whoever has its log, and nobody else.
#[test]
fn a_refused_start_does_not_say_how_the_run_was_asked_for() {
    let folder = ended();
    let words = folder.read("log/run.json");
    fs::remove_file(folder.path("log/run.json")).unwrap();
    let lost = folder.loadgen(&["recover", "log"]);
    assert_eq!(lost.code, Some(4), "{lost:?}");
    assert!(lost.stderr.contains("run.json"), "{lost:?}");
    let other = folder.loadgen(&arguments(&format!("{RUN} --seed 2")));
    assert_eq!(other.code, Some(4), "{other:?}");
    assert!(!folder.path("log/run.json").exists());
    let this = folder.loadgen(&arguments(RUN));
    assert_eq!(this.code, Some(0), "{this:?}");
    assert_eq!(folder.read("log/run.json"), words);

    // Of starts at once, one has the log.
    for round in 0..4 {
        let folder = Folder::new();
        let starts = [1, 2, 3].map(|seed| {
            folder
                .command(&arguments(&format!("{RUN} --seed {seed}")))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        });
        let codes = starts.map(|mut start| start.wait().unwrap().code());
        let runs = codes.iter().filter(|code| **code == Some(0)).count();
        assert_eq!(runs, 1, "round {round}: {codes:?}");
        let found = folder.loadgen(&["recover", "log", "--go-on"]);
        assert_eq!(found.code, Some(0), "round {round}, {codes:?}: {found:?}");
    }
}

#[test]
fn a_folder_of_something_else_is_refused() {
    let folder = Folder::new();
    fs::create_dir(folder.path("log")).unwrap();
    folder.write("log/thesis.txt", "three years");
    let ended = folder.loadgen(&arguments(RUN));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("thesis.txt"), "{}", ended.stderr);
    assert_eq!(folder.read("log/thesis.txt"), "three years");
    let none = folder.loadgen(&["recover", "nowhere"]);
    assert_eq!(none.code, Some(4), "{}", none.stderr);
    assert!(none.stderr.contains("nowhere"), "{}", none.stderr);
}

#[test]
fn a_file_that_does_not_end_with_acknowledgements_stays_as_it_is() {
    let folder = Folder::new();
    folder.write("notes", "my notes\nbeef");
    let run = format!("{RUN} --ack-file");
    let refused = folder.loadgen(&arguments(&format!("{run} notes")));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("'notes'"), "{}", refused.stderr);
    assert_eq!(folder.read("notes"), "my notes\nbeef");
    // The run can begin all the same, with a file of its own.
    let ended = folder.loadgen(&arguments(&format!("{run} acks")));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(parse(&ended.stdout).achieved.payments, 8 * 200);
}

/// Runs until something cannot be written: exit 1 and the reason. Then, with room, to the end.
fn full(limit: &str, options: &str, words: &[&str]) {
    let folder = Folder::new();
    let command = format!(
        "trap '' XFSZ; {limit} exec {} {RUN} {options}",
        env!("CARGO_BIN_EXE_loadgen")
    );
    let full = Command::new("sh")
        .args(["-c", &command])
        .current_dir(folder.path("."))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&full.stderr);
    assert_eq!(full.status.code(), Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "{said}");
    }
    let run = folder.loadgen(&arguments(RUN));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let run = parse(&run.stdout);
    assert!(run.achieved.valid, "{:?}", run.achieved.invalid_reasons);
    assert_eq!(run.achieved.payments, 8 * 200);
}

#[test]
fn a_full_disk_stops_the_run_and_loses_nothing() {
    // Where the log's files may not grow, and where acknowledgements cannot be written.
    full("ulimit -f 4000;", "", &["l1", "large"]);
    full("", "--ack-file /dev/full", &["/dev/full", "space"]);
}

/// Whatever writes a file or a folder writes none into a durable run's.
#[test]
fn no_result_lands_in_the_directory_of_a_durable_run() {
    let folder = ended();
    let before = folder.read("log/run.json");
    for words in [
        "run --sessions 1 --payments 1 --out log/run.json",
        "run --sessions 1 --payments 1 --audit-log log/log/x",
        "run --sessions 1 --payments 1 --durability log --log-dir log/x",
        "search --trial 1s --p99 10ms --out log/run.json",
        "sweep log/x.sweep --rate 1000",
        "recover log --go-on --out log/log/log.meta",
    ] {
        let refused = folder.loadgen(&arguments(words));
        assert_eq!(refused.code, Some(2), "{words}: {refused:?}");
        assert_eq!(folder.read("log/run.json"), before);
    }
    let ended = folder.loadgen(&arguments("recover log"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// Only what a run wrote itself has its name beside no log.
#[test]
fn a_file_of_somebody_elses_that_is_called_as_ours_is_left_alone() {
    let folder = Folder::new();
    let words = "run --sessions 2 --payments 20 --baseline-sessions 0 --quiet";
    fs::create_dir(folder.path("log")).unwrap();
    let ended = folder.loadgen(&arguments(&format!("{words} --out log/run.json")));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let run = folder.read("log/run.json");
    let durable = format!("{words} --durability log --log-dir log");
    for content in [&*run, "my only notes\n", "", "{}", "[1]", "\"run\""] {
        fs::write(folder.path("log/run.json"), content).unwrap();
        let ended = folder.loadgen(&arguments(&durable));
        assert_eq!(ended.code, Some(2), "{content}: {ended:?}");
        assert!(ended.stderr.contains("it holds run.json"), "{ended:?}");
        assert_eq!(folder.read("log/run.json"), content);
    }
    // A run that was begun here, and whose log was removed.
    fs::remove_file(folder.path("log/run.json")).unwrap();
    for _ in 0..2 {
        let ended = folder.loadgen(&arguments(&durable));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        fs::remove_dir_all(folder.path("log/log")).unwrap();
    }
}

fn has_memory_file_system() -> bool {
    let is_memory = |mount: &str| mount.split(' ').nth(2) == Some("tmpfs");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut shm = mounts
        .lines()
        .filter(|line| line.split(' ').nth(1) == Some("/dev/shm"));
    shm.next_back().is_some_and(is_memory)
}

/// Where a log would be matters to runs that keep one.
#[test]
fn a_sweep_in_memory_takes_runs_without_a_log() {
    if !has_memory_file_system() {
        return;
    }
    let folder = Folder::new();
    let sweep = |more: &str| {
        let words = "sweep s --trial 200ms --repeats 1 --concurrent 2 --quiet";
        folder.loadgen(&arguments(&format!("{words} {more}")))
    };
    let in_memory = sweep("--durability log --log-dir /dev/shm");
    assert_eq!(in_memory.code, Some(0), "{in_memory:?}");
    let on_disk = sweep("--durability fsync");
    assert_eq!(on_disk.code, Some(2), "{on_disk:?}");
    assert!(
        on_disk.stderr.contains("one of them is in memory"),
        "{on_disk:?}"
    );
    let without = sweep("--durability none");
    assert_eq!(without.code, Some(0), "{without:?}");
}

#[test]
fn a_log_in_memory_is_said_to_be_one() {
    if !has_memory_file_system() {
        return;
    }
    let folder = Folder::new();
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let log = memory.path().join("log");
    let words = "run --sessions 2 --payments 20 --baseline-sessions 0 --durability fsync";
    let log = log.to_str().unwrap();
    let words: Vec<&str> = [&*arguments(words), &["--out", "r.json", "--log-dir", log]].concat();
    let run = folder.loadgen(&words);
    assert_eq!(run.code, Some(0), "{run:?}");
    for said in [&run.stdout, &run.stderr] {
        assert!(said.contains("tmpfs"), "{run:?}");
    }
    assert!(
        run.stderr.contains("nothing there survives the machine"),
        "{run:?}"
    );
    let durability = parse(&folder.read("r.json")).durability.unwrap();
    assert!(durability.in_memory, "{durability:?}");
}

/// What keeps a log from being read or written is the machine's fault, and said as it is. To check
/// a log, nothing need be writable. Root may do anything, and asks as nobody.
#[test]
fn a_log_that_may_not_be_written_is_checked_and_no_more() {
    let folder = ended();
    let is_root = rustix::process::geteuid().is_root();
    let may = |modes: [u32; 3]| {
        let [directories, files, top] = modes;
        for directory in ["log/log", "log"] {
            for entry in fs::read_dir(folder.path(directory)).unwrap().flatten() {
                if entry.metadata().unwrap().is_file() {
                    set_mode(&entry.path(), files);
                }
            }
        }
        set_mode(&folder.path("."), 0o755);
        set_mode(&folder.path("log/log"), directories);
        set_mode(&folder.path("log"), top);
    };
    let as_nobody = |words: &str| -> Option<Ended> {
        let mut command = folder.command(&arguments(words));
        if is_root {
            command.uid(65534).gid(65534);
        }
        // The build may be where only root comes.
        command.output().ok().map(Ended::from)
    };
    let denied = |words: &str| {
        if let Some(ended) = as_nobody(words) {
            assert_eq!(ended.code, Some(1), "{words}: {}", ended.stderr);
            let denied = ended.stderr.contains("Permission denied");
            assert!(denied, "{words}: {}", ended.stderr);
        }
    };
    let before = files(&folder);
    may([0o555, 0o444, 0o555]);
    if let Some(checked) = as_nobody("recover log") {
        assert_eq!(checked.code, Some(0), "{}", checked.stderr);
        assert!(checked.stdout.contains("in order"), "{}", checked.stdout);
    }
    denied("recover log --go-on");
    denied("recover log --close");
    denied(RUN);
    may([0o500, 0o400, if is_root { 0o700 } else { 0o100 }]);
    for words in ["recover log", "recover log --go-on", RUN] {
        denied(words);
    }
    set_mode(&folder.path("log"), 0o755);
    may([0o755, 0o644, 0o755]);
    assert!(files(&folder) == before, "written to");
}

fn set_mode(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Two may look at once; whoever looks keeps out whoever writes.
#[test]
fn a_log_is_checked_beside_another_check() {
    let folder = ended();
    let looking = fs::File::open(folder.path("log/log")).unwrap();
    looking.lock_shared().unwrap();
    let checked = folder.loadgen(&["recover", "log"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
    let refused = folder.loadgen(&["recover", "log", "--go-on"]);
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains("in use"), "{}", refused.stderr);
}
