//! Real files: what is refused, and that nothing is written then.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

use duet_engine::log::{
    Batch, Disk, DiskFile, Files, Foreign, Log, LogError, Options, Recovered, RunId,
};

use crate::owner::{SEGMENT_BYTES, options, record};

const SEGMENT: &str = "shard-0-00000001.seg";

fn open(directory: &Path, options: Options) -> Result<Log<Files>, LogError> {
    Log::open(Files::new(directory).expect("a directory"), options)
}

fn recover(directory: &Path, options: Options) -> Result<Recovered<Files>, LogError> {
    open(directory, options)?.recover(0)
}

/// Three batches.
fn write(directory: &Path) {
    let mut stream = recover(directory, options())
        .and_then(Recovered::start)
        .expect("a new log");
    for key in 1..=3 {
        stream.put(key, &record(key, 1));
        stream.commit().expect("a disk in order");
    }
    assert_eq!(stream.close().durable, Ok(3));
}

fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), fs::read(&path).expect("a file"))
        })
        .collect()
}

#[test]
fn what_was_written_is_read_back() {
    let directory = tempfile::tempdir().expect("room");
    let path = directory.path().join("log");
    write(&path);
    let mut recovered = recover(&path, options()).expect("as it was left");
    let mut keys = Vec::new();
    let visited = recovered.for_each(|key, sequence, bytes| {
        assert_eq!(bytes, record(key, 1));
        keys.push((key, sequence));
    });
    assert_eq!(visited, Ok(()));
    assert_eq!(keys, [(1, 1), (2, 2), (3, 3)]);
    assert_eq!(recovered.cut(), None);
}

#[test]
fn a_batch_longer_than_a_segment_gets_one_of_its_own() {
    let directory = tempfile::tempdir().expect("room");
    let long = vec![7; 5 * SEGMENT_BYTES as usize];
    let mut stream = recover(directory.path(), options())
        .and_then(Recovered::start)
        .expect("a new log");
    for (key, content) in [(1, &b"short"[..]), (2, &long), (3, b"short again")] {
        stream.put(key, content);
        stream.commit().expect("a disk in order");
    }
    assert_eq!(stream.close().durable, Ok(3));
    let second = directory.path().join("shard-0-00000002.seg");
    let length = fs::metadata(second).expect("there").len();
    assert_eq!(length, 5 * SEGMENT_BYTES + 2 * 4096);
    let mut recovered = recover(directory.path(), options()).expect("as it was left");
    let mut lengths = Vec::new();
    let visited = recovered.for_each(|key, _, bytes| lengths.push((key, bytes.len())));
    assert_eq!(visited, Ok(()));
    assert_eq!(lengths, [(1, 5), (2, long.len()), (3, 11)]);
}

#[test]
fn a_log_that_cannot_be_used_is_refused_and_not_written_to() {
    type Row = (&'static str, fn(&Path, &mut Options), &'static str);
    let rows: &[Row] = &[
        (
            "another format version",
            |path, _| edit(&path.join("log.meta"), |bytes| bytes[8] = 9),
            "log.meta is of format version 9, this build reads version 1",
        ),
        (
            "another run",
            |_, options| options.run = RunId([1; 32]),
            "log.meta is of run 0909090909090909090909090909090909090909090909090909090909090909, \
             expected run 0101010101010101010101010101010101010101010101010101010101010101",
        ),
        (
            "other streams",
            |_, options| options.streams = vec!["shard-1".to_owned()],
            "log.meta names the streams shard-0, expected shard-1",
        ),
        (
            "a missing segment",
            |path, _| fs::remove_file(path.join(SEGMENT)).expect("there"),
            "shard-0-00000001.seg is missing, which shard-0.floor needs",
        ),
        (
            "a truncated header",
            |path, _| edit(&path.join("log.meta"), |bytes| bytes.truncate(20)),
            "the header of log.meta: the file has 20 bytes, 96 are needed",
        ),
        (
            "an empty segment",
            |path, _| edit(&path.join(SEGMENT), Vec::clear),
            "the header of shard-0-00000001.seg: the file has 0 bytes, 152 are needed",
        ),
        (
            "a rotten batch",
            |path, _| edit(&path.join(SEGMENT), |bytes| bytes[8192 + 215] ^= 4),
            "shard-0-00000001.seg at offset 8192: batch 2 is corrupt, and everything up to batch 3 \
             was acknowledged: the body's hash is wrong, first seen in the record at offset 8392",
        ),
        (
            "a directory of something else",
            |path, _| {
                fs::remove_file(path.join("log.meta")).expect("there");
                fs::remove_file(path.join(SEGMENT)).expect("there");
                fs::remove_file(path.join("shard-0.spare")).expect("there");
                fs::write(path.join("thesis.txt"), "to be kept").expect("room");
            },
            "thesis.txt is in the directory, but no log's header is",
        ),
    ];
    for (what, change, expected) in rows {
        let directory = tempfile::tempdir().expect("room");
        write(directory.path());
        let mut options = options();
        change(directory.path(), &mut options);
        let before = contents(directory.path());
        let refused = recover(directory.path(), options).err();
        let refused = refused.map(|error| error.to_string());
        assert_eq!(refused.as_deref(), Some(*expected), "{what}");
        assert_eq!(contents(directory.path()), before, "{what}: written to");
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("there");
    change(&mut bytes);
    fs::write(path, bytes).expect("room");
}

#[test]
fn a_log_in_use_is_refused() {
    let directory = tempfile::tempdir().expect("room");
    let log = open(directory.path(), options()).expect("a new log");
    let in_use = Err(LogError::InUse);
    let again = || open(directory.path(), options()).map(|_| ());
    let read = || {
        let files = Files::to_read(directory.path()).expect("there");
        Log::open_existing(files, options()).map(|log| assert!(log.is_some()))
    };
    assert_eq!(again(), in_use);
    assert_eq!(read(), in_use);
    let stream = log.recover(0).and_then(Recovered::start).expect("new");
    drop(log);
    assert_eq!(again(), in_use, "as long as a stream lives");
    // No file is the lock: whatever goes, nobody is let in.
    keep(directory.path(), &[]);
    assert_eq!(again(), in_use);
    drop(stream);
    assert_eq!(again(), Ok(()));
}

/// Whoever only looks keeps out whoever writes, and nobody else; and cannot write.
#[test]
fn a_log_is_read_by_any_number_that_may_not_write_it() {
    let directory = tempfile::tempdir().expect("room");
    write(directory.path());
    let before = contents(directory.path());
    let files = || Files::to_read(directory.path()).expect("there");
    let read = || Log::open_existing(files(), options()).map(|log| log.expect("it is there"));
    let (one, other) = (read().expect("free"), read().expect("free to read"));
    for log in [&one, &other] {
        assert_eq!(log.recover(0).expect("as it was left").sequence(), 3);
        let started = log.recover(0).expect("as it was left").resume();
        assert!(matches!(started, Err(error) if error.is_machine_fault()));
    }
    let writer = || open(directory.path(), options()).map(|_| ());
    assert_eq!(writer(), Err(LogError::InUse));
    drop((one, other));
    assert_eq!(contents(directory.path()), before);
    for name in before.keys() {
        let mut file = files().open(name).expect("there");
        assert!(file.write_at(0, b"mine").is_err(), "{name}");
    }
    assert_eq!(writer(), Ok(()));
}

/// Another log may take the path of a directory that was moved while it was written.
#[test]
fn a_log_goes_on_in_its_directory_wherever_that_is_moved() {
    for is_direct in [false, true] {
        let outside = tempfile::tempdir().expect("room");
        let (path, moved) = (outside.path().join("log"), outside.path().join("moved"));
        let start = || {
            let files = Files::new(&path).expect("a directory");
            let files = if is_direct { files.direct() } else { files };
            let log = Log::open(files, options()).expect("a new log");
            let (index, committer) = log.recover(0).and_then(Recovered::resume).expect("new");
            (index, committer, Batch::new())
        };
        let mut logs = vec![start()];
        for version in 1..100 {
            if version == 10 {
                fs::rename(&path, &moved).expect("room");
                logs.push(start());
            }
            for (key, (index, committer, batch)) in (1..).zip(&mut logs) {
                batch.clear();
                index.put(batch, key, &record(key, version));
                index.seal(batch);
                committer.commit(batch).expect("a disk in order");
                committer.tidy(batch).expect("a disk in order");
            }
        }
        drop(logs);
        for (key, path) in [(1, &moved), (2, &path)] {
            let mut recovered = recover(path, options()).expect("as it was left");
            let mut found = Vec::new();
            let visited = recovered.for_each(|key, _, bytes| found.push((key, bytes.to_vec())));
            assert_eq!(visited, Ok(()));
            assert_eq!(found, [(key, record(key, 99))]);
        }
    }
}

/// Puts something into the place of a file; the second path is that of a file outside the log.
type Swap = fn(&Path, &Path);

/// What is no plain file of the log's own, and how it is called.
const FOREIGN: [(Swap, &str); 6] = [
    (
        |name, victim| symlink(victim, name).expect("room"),
        "a link",
    ),
    (|name, _| symlink("nowhere", name).expect("room"), "a link"),
    (
        |name, _| symlink("/dev/zero", name).expect("room"),
        "a link",
    ),
    (
        |name, victim| fs::hard_link(victim, name).expect("room"),
        "a file with a second name (a hard link)",
    ),
    (|name, _| fifo(name), "a pipe"),
    (|name, _| fs::create_dir(name).expect("room"), "a folder"),
];

fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("room");
}

fn swap(path: &Path, by: Swap, victim: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
        _ => by(path, victim),
    }
}

#[test]
fn what_is_no_plain_file_is_refused_and_what_it_leads_to_is_not_written() {
    let begun: &[&str] = &[
        "log.meta",
        "shard-0.floor",
        SEGMENT,
        "shard-0.spare",
        "shard-0.odd",
        "log.meta.new",
        "thesis.txt",
    ];
    let new: &[&str] = &["log.meta", "shard-0.floor", "log.meta.new"];
    for (names, has_begun) in [(begun, true), (new, false)] {
        for name in names {
            for (by, found) in FOREIGN {
                let outside = tempfile::tempdir().expect("room");
                let victim = outside.path().join("victim");
                fs::write(&victim, "precious").expect("room");
                let directory = outside.path().join("log");
                if has_begun {
                    write(&directory);
                } else {
                    fs::create_dir(&directory).expect("room");
                }
                swap(&directory.join(name), by, &victim);
                let foreign = Some(LogError::Foreign(Foreign {
                    name: (*name).to_owned(),
                    found,
                    expected: "a plain file of the log's own",
                }));
                for _ in 0..2 {
                    assert_eq!(recover(&directory, options()).err(), foreign);
                    let files = Files::existing(&directory).expect("there");
                    assert_eq!(Log::open_existing(files, options()).err(), foreign);
                }
                assert_eq!(fs::read(&victim).expect("there"), b"precious", "{name}");
            }
        }
    }
}

/// The directory was in order when the log was opened: what comes between is opened neither.
#[test]
fn what_is_swapped_while_the_log_is_written_is_made_anew() {
    for (by, found) in FOREIGN {
        if found == "a folder" {
            continue;
        }
        let outside = tempfile::tempdir().expect("room");
        let victim = outside.path().join("victim");
        fs::write(&victim, "precious").expect("room");
        let directory = outside.path().join("log");
        let (mut index, mut committer) = recover(&directory, options())
            .and_then(Recovered::resume)
            .expect("a new log");
        let mut batch = Batch::new();
        let mut swapped = 0;
        for number in 1..200 {
            // Each of these is freed, becomes the spare, and then a segment again.
            for entry in fs::read_dir(&directory).expect("there") {
                let path = entry.expect("an entry").path();
                let is_segment = path.extension().is_some_and(|extension| extension == "seg");
                if is_segment && swapped < 5 && number > 20 {
                    swap(&path, by, &victim);
                    swapped += 1;
                }
            }
            batch.clear();
            index.put(&mut batch, 1, &record(1, number));
            index.seal(&mut batch);
            committer.commit(&mut batch).expect("a disk in order");
            committer.tidy(&batch).expect("a disk in order");
        }
        assert_eq!(swapped, 5);
        assert_eq!(fs::read(&victim).expect("there"), b"precious", "{found}");
    }
}

#[test]
fn the_directory_itself_may_be_a_link_and_nothing_else() {
    let outside = tempfile::tempdir().expect("room");
    let (real, link) = (outside.path().join("real"), outside.path().join("link"));
    write(&real);
    symlink(&real, &link).expect("room");
    let mut recovered = recover(&link, options()).expect("as it was left");
    let mut keys = 0;
    assert_eq!(recovered.for_each(|_, _, _| keys += 1), Ok(()));
    assert_eq!(keys, 3);
    let nowhere = outside.path().join("nowhere");
    symlink("gone", &nowhere).expect("room");
    for (path, found) in [
        (nowhere, "is a link to nothing: expected a folder"),
        (real.join("log.meta"), "is no folder: expected a folder"),
    ] {
        for opened in [Files::existing(&path), Files::new(&path)] {
            let refused = opened.map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(refused, Err(format!("{} {found}", path.display())));
        }
    }
}

/// A start leaves these files, one after the other; anything else without a header is a log that
/// was damaged.
#[test]
fn a_start_that_was_interrupted_is_told_from_a_log_without_its_header() {
    type Row = (&'static str, fn(&Path), Option<&'static str>);
    let rows: &[Row] = &[
        ("nothing", |path| keep(path, &[]), None),
        (
            "half a floor",
            |path| {
                keep(path, &[]);
                fs::write(path.join("shard-0.floor"), [7; 5000]).expect("room");
            },
            None,
        ),
        (
            "a header without its name",
            |path| {
                keep(path, &[]);
                fs::write(path.join("log.meta.new"), "duet-log").expect("room");
            },
            None,
        ),
        (
            "a floor that names a batch",
            |path| keep(path, &["shard-0.floor"]),
            Some("shard-0.floor"),
        ),
        ("a segment", |path| keep(path, &[SEGMENT]), Some(SEGMENT)),
        (
            "a spare",
            |path| keep(path, &["shard-0.spare"]),
            Some("shard-0.spare"),
        ),
    ];
    for (what, leave, refused) in rows {
        let directory = tempfile::tempdir().expect("room");
        write(directory.path());
        leave(directory.path());
        let before = contents(directory.path());
        let files = Files::existing(directory.path()).expect("there");
        let found = Log::open_existing(files, options()).map(|log| log.is_some());
        let expected = match refused {
            None => Ok(false),
            Some(file) => Err(LogError::NotALog {
                file: (*file).to_owned(),
            }),
        };
        assert_eq!(found, expected, "{what}");
        assert_eq!(contents(directory.path()), before, "{what}: written to");
        let begun = recover(directory.path(), options()).map(|found| found.sequence());
        assert_eq!(begun, expected.map(|_| 0), "{what}");
    }
}

/// Removes all files but these.
fn keep(directory: &Path, names: &[&str]) {
    for name in contents(directory).into_keys() {
        if !names.contains(&name.as_str()) {
            fs::remove_file(directory.join(name)).expect("there");
        }
    }
}

/// `/proc` takes no files, not even from root.
#[test]
#[cfg(target_os = "linux")]
fn a_directory_that_cannot_be_written_is_the_machine_s_fault() {
    let error = Files::new("/proc").map(|disk| {
        let created = disk.create("log.meta");
        created.err().map(|error| error.kind())
    });
    assert!(matches!(error, Ok(Some(_))));
    let new = Files::new("/proc/duet-log").map(|_| ());
    assert!(new.is_err());
    let file = tempfile::NamedTempFile::new().expect("room");
    assert!(Files::new(file.path()).is_err(), "a file is no directory");
}

/// The permissions say no; root is not held by them, so this says little there.
#[test]
#[cfg(unix)]
fn a_read_only_directory_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("room");
    let path = directory.path().join("log");
    fs::create_dir(&path).expect("room");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).expect("ours");
    if fs::write(path.join("probe"), "").is_ok() {
        return;
    }
    let error = open(&path, options()).map(|_| ());
    assert!(
        matches!(
            error,
            Err(LogError::Io {
                operation: "create",
                ..
            })
        ),
        "{error:?}"
    );
}
