//! Folders made to hurt an auditor: what they claim costs nothing, and what is no plain file is not
//! touched. Every audit here has two gigabytes of address space and a minute.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::common::{Ended, Folder, arguments};
use super::forge::{
    Run, Transaction, WEAK, edit_manifest, replace, seal_manifest, segment, segment_after,
};

const SHARD: &str = "shard-0-000000.audit";
const L1: &str = "l1-000000.audit";
const NO_CHUNKS: &[&[u8]] = &[];

/// A folder with the log of an honest run.
fn honest() -> Folder {
    let folder = Folder::new();
    fs::create_dir(folder.path("log")).unwrap();
    Run::honest().write(&folder.path("log"));
    folder
}

/// `loadgen` with these words, within its bounds. `after` is told its process id once it runs.
pub(crate) fn bounded(folder: &Folder, words: &str, after: impl FnOnce(u32)) -> Ended {
    let script = format!(
        "ulimit -v 2000000; exec {} {words}",
        env!("CARGO_BIN_EXE_loadgen")
    );
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    after(child.id());
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{words}: more than a minute");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap().into()
}

/// The audit refuses, in these words.
fn refused(folder: &Folder, what: &str, said: &str) {
    let ended = bounded(folder, "audit log --sample all", |_| {});
    assert_eq!(ended.code, Some(4), "{what}: {ended:?}");
    assert!(ended.stderr.contains(said), "{what}: {ended:?}");
}

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Ctrl-C, after a second.
pub(crate) fn interrupt(id: u32) {
    std::thread::sleep(Duration::from_secs(1));
    let id = id.to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn an_honest_log_is_audited_within_the_bounds() {
    let ended = bounded(&honest(), "audit log --sample all", |_| {});
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn claims_cost_nothing() {
    type Forge = fn(&mut Run);
    let table: [(&str, Forge, &str); 8] = [
        (
            "10^12 segments of a shard",
            |run| run.claim("shard-0.segments", 1_000_000_000_000_u64),
            "shard-0-000001.audit: the segment",
        ),
        (
            "10^12 segments of Layer 1",
            |run| run.claim("l1.segments", 1_000_000_000_000_u64),
            "the segments",
        ),
        (
            "as many shards as there may be",
            |run| run.claim("shards", 65_536),
            "audit.toml from byte",
        ),
        (
            "10^12 shards",
            |run| run.claim("shards", 1_000_000_000_000_u64),
            "expected shards = 1 to 65536",
        ),
        (
            "10^12 accounts",
            |run| run.accounts_told = Some(1_000_000_000_000),
            "accounts before the first block",
        ),
        (
            "all proposals that there could be",
            |run| {
                run.in_flight = u64::from(u32::MAX);
                run.burst(0).proposals_told = Some(u32::MAX);
            },
            "session 0, version",
        ),
        (
            "all answers that there could be",
            |run| {
                run.in_flight = u64::from(u32::MAX);
                let burst = run.burst(0);
                (burst.proposals_told, burst.answers_told) = (Some(u32::MAX), Some(u32::MAX));
            },
            "session 0, version",
        ),
        (
            "all sessions that there could be",
            |run| run.claim("sessions_opened", u64::MAX),
            "expected sessions_opened = 0 to 5",
        ),
    ];
    for (what, forge, said) in table {
        let folder = Folder::new();
        fs::create_dir(folder.path("log")).unwrap();
        let mut run = Run::honest();
        forge(&mut run);
        run.write(&folder.path("log"));
        refused(&folder, what, said);
    }
}

#[test]
fn lengths_are_held_against_what_a_chunk_and_a_record_may_have() {
    let genesis = Run::honest().genesis();
    let record = |length: u32, kind: u8, content: usize| {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.resize(5 + content, 0);
        bytes
    };
    let mut of_entries = record(131, 1, 131);
    // The channel is one that Layer 1 has opened: taken from the honest log.
    let folder = honest();
    let honest = fs::read(folder.path("log").join(SHARD)).unwrap();
    let first = 120 + 40;
    of_entries[5..5 + 57].copy_from_slice(&honest[first + 5..first + 5 + 57]);
    of_entries[5 + 57..5 + 67]
        .copy_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]);
    for (what, records, said) in [
        (
            "a burst of 4 GiB",
            record(u32::MAX, 1, 100),
            "the burst's bytes: expected at most 1048576, found 4294967295",
        ),
        (
            "a burst of a byte more than a burst may have",
            record((1 << 20) + 1, 1, (1 << 20) + 1),
            "the burst's bytes",
        ),
        ("a burst cut off", record(200, 1, 100), "bytes left"),
        ("2^60 entries", of_entries, "the proposal's entries"),
    ] {
        replace(&folder.path("log"), "shard-0", &genesis, &records);
        refused(&folder, what, said);
    }
}

/// Files that are long and have nothing in them: a few kilobytes on a disk.
#[test]
fn sparse_files_are_not_read_into_memory() {
    let long = |folder: &Folder, name: &str, bytes: u64| {
        let path = folder.path("log").join(name);
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(bytes).unwrap();
    };
    let folder = honest();
    long(&folder, "audit.toml", 1 << 40);
    refused(
        &folder,
        "the manifest",
        "audit.toml: bytes: expected at most 8913920",
    );

    for (name, length) in [(SHARD, u32::MAX), (L1, u32::MAX), (SHARD, (16 << 20) + 1)] {
        let folder = honest();
        let path = folder.path("log").join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[120..124].copy_from_slice(&length.to_le_bytes());
        fs::write(&path, bytes).unwrap();
        long(&folder, name, 5 << 30);
        let said = format!(
            "{name} from byte 120: the chunk's length: expected at most 16777216, found {length}"
        );
        refused(&folder, name, &said);
    }
    // What follows a stream's end is not read either.
    for name in [SHARD, L1] {
        let folder = honest();
        long(&folder, name, 1 << 40);
        refused(&folder, name, "bytes after the end");
    }
}

#[test]
fn what_is_no_plain_file_is_refused_and_not_waited_for() {
    type Make = fn(&Path);
    let kinds: [(&str, Make, &str); 4] = [
        ("a pipe", pipe, "expected a plain file, found a pipe"),
        (
            "a link",
            |path| symlink("/dev/zero", path).unwrap(),
            "expected a plain file, found a link",
        ),
        (
            "a folder",
            |path| fs::create_dir(path).unwrap(),
            "expected a plain file, found a folder",
        ),
        (
            "a socket",
            |path| {
                // Its name may be no longer than 108 bytes.
                let _ = UnixListener::bind(path).unwrap();
            },
            "expected a plain file, found a socket",
        ),
    ];
    for (kind, make, said) in kinds {
        for name in [
            "audit.toml",
            SHARD,
            L1,
            "shard-0-000001.part",
            "l1-000000.part",
            "other",
        ] {
            let folder = honest();
            let path = folder.path("log").join(name);
            let _ = fs::remove_file(&path);
            make(&path);
            refused(&folder, &format!("{kind} for {name}"), said);
        }
        // Nor while a log is followed.
        for name in ["audit.toml", SHARD, L1, "l1-000000.part"] {
            let folder = honest();
            let path = folder.path("log").join(name);
            let _ = fs::remove_file(&path);
            make(&path);
            let ended = bounded(&folder, "audit log --follow", |_| {});
            assert_eq!(ended.code, Some(4), "{kind} for {name}: {ended:?}");
            assert!(ended.stderr.contains(said), "{kind} for {name}: {ended:?}");
        }
    }
    // A link to what would do, and to the folder itself, which may be one.
    let folder = honest();
    let path = folder.path("log").join(SHARD);
    fs::rename(&path, folder.path("elsewhere")).unwrap();
    symlink(folder.path("elsewhere"), &path).unwrap();
    refused(&folder, "a link to the segment", "found a link");
    fs::remove_file(&path).unwrap();
    fs::rename(folder.path("elsewhere"), &path).unwrap();
    symlink("log", folder.path("alias")).unwrap();
    let ended = bounded(&folder, "audit alias --sample all", |_| {});
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// A manifest has the lines that a run writes, and no others: what is long is read again and again.
#[test]
fn a_manifest_has_no_lines_to_spare() {
    let folder = honest();
    let manifest = folder.read("log/audit.toml");
    let (lines, _) = manifest.trim_end().rsplit_once('\n').unwrap();
    for more in ["#\n", "# An audit log\n", "\n"] {
        let longer = seal_manifest(&format!("{}{lines}\n", more.repeat(100_000)));
        folder.write("log/audit.toml", longer);
        refused(&folder, more, "audit.toml from byte");
    }
}

/// User time of an audit of `log`, in seconds, which finds nothing wrong. What the system takes, as
/// to delete files, is not the auditor's.
fn user_s(folder: &Folder, words: &str) -> f64 {
    let script = format!(
        "ulimit -v 2000000; {} audit log --sample 0 --quiet {words} || exit; times",
        env!("CARGO_BIN_EXE_loadgen")
    );
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", &script]).current_dir(folder.path(""));
    let ended = Ended::from(output.output().unwrap());
    assert_eq!(ended.code, Some(0), "{words}: {ended:?}");
    // The second line is of the shell's children: user and system, each as 1m2.34s.
    let times = ended.stdout.lines().nth(1).unwrap();
    let (minutes, times) = times.split_once('m').unwrap();
    let (seconds, _) = times.split_once('s').unwrap();
    60.0 * minutes.parse::<f64>().unwrap() + seconds.parse::<f64>().unwrap()
}

/// A log with many channels and shards, and many segments of its first shard, with nothing in them.
fn wide(channels: u64, shards: u64, segments: u64) -> Folder {
    let folder = Folder::new();
    let log = folder.path("log");
    fs::create_dir(&log).unwrap();
    let mut run = Run::honest();
    run.blocks.truncate(1);
    run.shards = vec![Vec::new(); shards as usize];
    (run.sessions, run.block_transactions) = (channels, channels as u32);
    (run.block_bytes, run.fee) = (1 << 30, 0);
    let Transaction::Open(mut open) = run.blocks[0].transactions[0].clone() else {
        panic!("the first transaction is an opening");
    };
    run.accounts[0].1 = channels;
    (open.deposit_a, open.reserve, open.signers) = (1, 0, [WEAK; 2]);
    let opens = (0..channels).map(|nonce| {
        open.nonce = nonce;
        Transaction::Open(open.clone())
    });
    run.blocks[0].transactions = opens.collect();
    run.write(&log);
    let first = fs::read(log.join(SHARD)).unwrap();
    let genesis = run.genesis();
    // The end of a segment is its last chunk: length, kind, checksum.
    let mut previous = first[first.len() - 32..].try_into().unwrap();
    for number in 1..segments {
        let (bytes, last) = segment_after(0, number, &previous, &genesis, NO_CHUNKS);
        fs::write(log.join(format!("shard-0-{number:06}.audit")), bytes).unwrap();
        previous = last;
    }
    let checksum: String = previous.iter().map(|byte| format!("{byte:02x}")).collect();
    edit_manifest(
        &log,
        &[
            ("shard-0.segments", segments.to_string()),
            ("shard-0.checksum", format!("\"{checksum}\"")),
        ],
    );
    folder
}

/// Many segments with nothing in them: what a segment costs is its own bytes, not all channels' or
/// all shards', and no sync of the checkpoint. An audit that does not follow reads each once.
#[test]
fn many_small_segments_cost_what_they_have() {
    for (channels, shards, segments) in [(90_000, 1, 30_000), (1, 10_000, 20_000)] {
        let folder = wide(channels, shards, segments);
        let whole_s = user_s(&folder, "");
        let follow_s = user_s(&folder, "--follow --delete-audited --checkpoint kept");
        assert!(
            follow_s < 2.0 * whole_s + 0.5,
            "{channels} channels, {shards} shards: {follow_s} s, {whole_s} s without --follow"
        );
        assert!(!folder.path("log").join(SHARD).exists());
    }
}

/// Keys that one hash puts in one place, where nobody looks for them quickly: with a hash that a
/// log's writer can foresee, so many take minutes.
#[test]
fn keys_chosen_to_collide_cost_what_others_do() {
    const ACCOUNTS: u64 = 300_000;
    let folder = honest();
    let mut records = Vec::new();
    let content = [
        &100_u32.to_le_bytes()[..],
        &(1_u64 << 20).to_le_bytes(),
        &1_u64.to_le_bytes(),
        &ACCOUNTS.to_le_bytes(),
    ]
    .concat();
    records.extend((content.len() as u32).to_le_bytes());
    records.push(2);
    records.extend(content);
    for account in 0..ACCOUNTS {
        records.extend(40_u32.to_le_bytes());
        records.push(3);
        records.extend([7; 24]);
        records.extend(account.to_le_bytes());
        records.extend(1_u64.to_le_bytes());
    }
    let (bytes, _) = segment(u32::MAX, &Run::honest().genesis(), &records);
    fs::write(folder.path("log").join(L1), bytes).unwrap();
    // All of them have been taken in by the time that their sum is judged.
    refused(&folder, "keys", "the genesis id");
}

/// What a log says is shown, and does nothing to who looks at it.
#[test]
fn a_name_or_a_value_moves_no_cursor() {
    let folder = honest();
    folder.write("log/\u{1b}[2J.audit", "");
    refused(&folder, "a name", "\u{fffd}[2J.audit: the file");
    let folder = honest();
    let long = format!("format = \u{1b}[2J{}\n", "x".repeat(1 << 20));
    folder.write("log/audit.toml", seal_manifest(&long));
    let ended = bounded(&folder, "audit log", |_| {});
    assert_eq!(ended.code, Some(4));
    assert!(ended.stderr.len() < 1000, "{}", ended.stderr.len());
    assert!(!ended.stderr.contains('\u{1b}'));
}

/// A run that never ends is waited for, until somebody has had enough.
#[test]
fn waiting_ends_by_one_signal() {
    let folder = Folder::new();
    fs::create_dir(folder.path("log")).unwrap();
    let mut run = Run::honest();
    run.claim("state", "\"running\"");
    run.write(&folder.path("log"));
    let ended = bounded(&folder, "audit log --follow", interrupt);
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let ended = folder.loadgen(&arguments("audit log"));
    assert_eq!(ended.code, Some(4), "{ended:?}");
}
