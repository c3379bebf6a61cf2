//! Files that a person names may be pipes and devices: they are read up to a bound, and one signal
//! ends the wait for one that nobody writes to. A run's directory has plain files of its own only.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Folder, arguments, heeded};

const RUN: &str = "run --sessions 4 --payments 20 --shards 1 --baseline-sessions 0 \
                   --durability log --log-dir log --quiet";

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Whether the process waits in an `open` or a `read`, as far as the system tells.
fn is_asleep(child: &Child) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim_start().starts_with('S'))
}

#[test]
fn one_signal_ends_the_wait_for_a_pipe() {
    let folder = Folder::new();
    pipe(&folder.path("pipe"));
    let run = folder.loadgen(&arguments(RUN));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let before = folder.names();
    for words in [
        "run --trace pipe --out out.json",
        "run --l1 pipe --out out.json",
        "recover log --check-acks pipe",
        "trace --from-hourly pipe --pairs 1 --payments 10 --out trace.csv",
    ] {
        for signal in [Signal::INT, Signal::TERM] {
            let mut child = folder
                .command(&arguments(words))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // It has its handler, and nothing else to do, once it has slept for a while.
            let mut asleep = 0;
            while asleep < 30 {
                std::thread::sleep(Duration::from_millis(10));
                asleep = if is_asleep(&child) { asleep + 1 } else { 0 };
                assert!(child.try_wait().unwrap().is_none(), "{words}: it ended");
            }
            kill_process(Pid::from_child(&child), heeded(signal)).unwrap();
            let since = Instant::now();
            let ended = loop {
                if let Some(ended) = child.try_wait().unwrap() {
                    break ended;
                }
                if since.elapsed() > Duration::from_secs(20) {
                    child.kill().unwrap();
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            assert_eq!(ended.code(), Some(130), "{words}, {signal:?}");
            assert_eq!(folder.names(), before, "{words}, {signal:?}: left behind");
        }
    }
}

#[test]
fn a_pipe_is_read_to_its_end() {
    let folder = Folder::new();
    pipe(&folder.path("pipe"));
    let writer = std::thread::spawn({
        let path = folder.path("pipe");
        move || {
            fs::write(
                path,
                "time_s,payer,payee,amount\n1,ann,bob,5\n2,bob,ann,3\n",
            )
            .unwrap();
        }
    });
    let (run, _) = folder.run("--trace pipe --baseline-sessions 0");
    writer.join().unwrap();
    assert_eq!(run.achieved.payments, 2);
}

#[test]
fn what_has_no_end_is_refused_with_its_bound_or_its_line() {
    let folder = Folder::new();
    let run = folder.loadgen(&arguments(RUN));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for (words, expected) in [
        ("run --trace /dev/zero", "line 1"),
        ("recover log --check-acks /dev/zero", "line 1"),
        (
            "trace --from-hourly /dev/zero --pairs 1 --payments 10 --out trace.csv",
            "longer than 67108864 bytes",
        ),
    ] {
        let ended = folder.loadgen(&arguments(words));
        assert_eq!(ended.code, Some(2), "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{words}: {}", ended.stderr);
    }
}

#[test]
fn a_sweep_is_added_to_a_plain_file_only() {
    let folder = Folder::new();
    pipe(&folder.path("pipe"));
    for name in ["pipe", "/dev/zero"] {
        let words = format!("sweep {name} --rate 100 --trial 200ms");
        let ended = folder.loadgen(&arguments(&words));
        assert_eq!(ended.code, Some(2), "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains("plain file"), "{}", ended.stderr);
    }
}

#[test]
fn a_run_s_directory_has_plain_files_only() {
    type Put = fn(&Path, &Path);
    let foreign: [(&str, Put); 4] = [
        ("a link", |path, victim| symlink(victim, path).unwrap()),
        ("a hard link", |path, victim| {
            fs::hard_link(victim, path).unwrap();
        }),
        ("a pipe", |path, _| pipe(path)),
        ("a folder", |path, _| fs::create_dir(path).unwrap()),
    ];
    let names = [
        ("run.json", true),
        (".duet-Ab3.tmp", false),
        ("log/log.meta", true),
        ("log/l1.floor", true),
        ("log/l1-00000001.seg", true),
        ("log/shard-0.spare", true),
        ("log/shard-0.odd", false),
    ];
    for (name, is_there) in names {
        for (what, put) in &foreign {
            let folder = Folder::new();
            let run = folder.loadgen(&arguments(RUN));
            assert_eq!(run.code, Some(0), "{}", run.stderr);
            folder.write("victim", "precious");
            let path = folder.path("log").join(name);
            if is_there {
                fs::remove_file(&path).unwrap();
            }
            put(&path, &folder.path("victim"));
            for words in [
                RUN,
                "recover log",
                "recover log --close",
                "recover log --go-on",
            ] {
                let ended = folder.loadgen(&arguments(words));
                assert_eq!(
                    ended.code,
                    Some(4),
                    "{name}, {what}: {words}: {}",
                    ended.stderr
                );
                let named = name.rsplit('/').next().unwrap();
                assert!(
                    ended.stderr.contains(named),
                    "{name}, {what}: {}",
                    ended.stderr
                );
                assert_eq!(folder.read("victim"), "precious", "{name}, {what}: {words}");
            }
        }
    }
}

#[test]
fn a_run_s_directory_and_its_log_s_may_be_links() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("elsewhere/log")).unwrap();
    fs::create_dir(folder.path("real")).unwrap();
    symlink("real", folder.path("log")).unwrap();
    symlink("../elsewhere/log", folder.path("real/log")).unwrap();
    for words in [RUN, "recover log", RUN] {
        let ended = folder.loadgen(&arguments(words));
        assert_eq!(ended.code, Some(0), "{words}: {}", ended.stderr);
    }
    assert!(folder.path("real/run.json").exists());
    assert!(folder.path("elsewhere/log/log.meta").exists());
}
