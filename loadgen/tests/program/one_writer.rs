//! A file of results has one writer at a time: the second is refused, and nothing of it is in the
//! file.

use std::fs::File;

use duet_run_file::sweep::Sweep;

use crate::common::{Folder, arguments};

const SWEEP: &str = "sweep a.sweep --trial 200ms --repeats 2 --rate 500 --payments 50 --quiet";
const RUN: &str = "run --sessions 4 --payments 20 --durability log --baseline-sessions 0 --quiet";

#[test]
fn a_sweep_that_another_one_writes_is_refused() {
    let folder = Folder::new();
    // As an earlier sweep holds it.
    let first = File::create(folder.path("a.sweep")).unwrap();
    first.try_lock().unwrap();
    let second = folder.loadgen(&arguments(SWEEP));
    assert_eq!(second.code, Some(2), "{second:?}");
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
    assert_eq!(folder.read("a.sweep"), "");
    drop(first);
    let mut both = [(); 2].map(|()| folder.command(&arguments(SWEEP)).spawn().unwrap());
    let mut codes = both.each_mut().map(|sweep| sweep.wait().unwrap().code());
    codes.sort();
    assert_eq!(codes, [Some(0), Some(2)]);
    let sweep = Sweep::read(&folder.path("a.sweep")).unwrap();
    assert_eq!(sweep.lines.len(), 2);
    // Its lines once more, as two writers leave them.
    folder.write("a.sweep", folder.read("a.sweep").repeat(2));
    let doubled = folder.loadgen(&arguments(SWEEP));
    assert_eq!(doubled.code, Some(2), "{doubled:?}");
    assert!(doubled.stderr.contains("line 3: run"), "{}", doubled.stderr);
}

#[test]
fn acknowledgements_of_two_runs_do_not_meet() {
    let folder = Folder::new();
    let first = File::create(folder.path("acks")).unwrap();
    first.try_lock().unwrap();
    let second = folder.loadgen(&arguments(&format!("{RUN} --log-dir log --ack-file acks")));
    assert_eq!(second.code, Some(2), "{second:?}");
    assert!(second.stderr.contains("'acks'"), "{}", second.stderr);
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
    drop(first);
    let alone = folder.loadgen(&arguments(&format!("{RUN} --log-dir log --ack-file acks")));
    assert_eq!(alone.code, Some(0), "{alone:?}");
    let acknowledged = folder.read("acks");
    assert!(!acknowledged.is_empty());
    // One after the other, too: nobody could tell whose is missing.
    let after = folder.loadgen(&arguments(&format!("{RUN} --log-dir new --ack-file acks")));
    assert_eq!(after.code, Some(2), "{after:?}");
    assert!(after.stderr.contains("of another run"), "{}", after.stderr);
    assert_eq!(folder.read("acks"), acknowledged);
    // Nor where it goes on.
    let other = format!("{RUN} --seed 2 --log-dir other");
    let own = format!("{other} --ack-file own");
    assert_eq!(folder.loadgen(&arguments(&own)).code, Some(0));
    assert_eq!(folder.loadgen(&arguments(&own)).code, Some(0), "its own");
    let goes_on = folder.loadgen(&arguments(&format!("{other} --ack-file acks")));
    assert_eq!(goes_on.code, Some(2), "{goes_on:?}");
    assert_eq!(folder.read("acks"), acknowledged);
}

#[test]
fn two_runs_do_not_begin_in_one_directory() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("log/log")).unwrap();
    let first = File::open(folder.path("log/log")).unwrap();
    first.try_lock().unwrap();
    let second = folder.loadgen(&arguments(&format!("{RUN} --log-dir log")));
    assert_eq!(second.code, Some(4), "{second:?}");
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
    assert!(!folder.path("log/run.json").exists());
    let written = std::fs::read_dir(folder.path("log/log")).unwrap().count();
    assert_eq!(written, 0);
}

/// A sweep takes back a line that a sweep has begun, and cuts nobody else's file.
#[test]
fn a_file_that_is_no_sweep_is_not_cut() {
    let folder = Folder::new();
    assert_eq!(folder.loadgen(&arguments(SWEEP)).code, Some(0));
    let ours = folder.read("a.sweep");
    let (first, second) = ours.trim_end().split_once('\n').unwrap();
    let (_, run) = first.split_once("\"run\":").unwrap();
    let run = run.strip_suffix('}').unwrap();
    for (text, taken) in [
        (run.to_owned(), false),
        (run[..100].to_owned(), false),
        (format!("{ours}my notes"), false),
        (format!("{first}\n{}", &second[..40]), true),
        (format!("{first}\n{second}"), true),
    ] {
        folder.write("a.sweep", &text);
        let ended = folder.loadgen(&arguments(SWEEP));
        let found = folder.read("a.sweep");
        if taken {
            assert_eq!(ended.code, Some(0), "{ended:?}");
            assert!(found.starts_with(&format!("{first}\n")));
            assert_eq!(found.lines().count(), 2);
            assert_eq!(
                found == ours,
                text.ends_with('}'),
                "a whole run is not made again"
            );
        } else {
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert_eq!(found, text);
        }
    }
}
