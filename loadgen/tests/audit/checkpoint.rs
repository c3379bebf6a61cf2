//! Checkpoints: believed when an auditor names one, outside of the log, and said to be what an
//! audit rests on; never because one lies there.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::common::{Ended, Folder, arguments};
use super::forge::{Run, edit_manifest, seal_manifest};
use super::hostile::{bounded, interrupt};
use super::{json, logged, unbroken};

/// A log of 200 entries in two shards and many segments, audited to its end: `kept` has what took
/// the segments' place.
fn deleted() -> Folder {
    let folder = Folder::new();
    logged(
        &folder,
        "--sessions 20 --payments 10 --shards 2 --audit-segment 4k",
    );
    let words = "audit log --delete-audited --checkpoint kept --sample 2 --json";
    let ended = folder.loadgen(&arguments(words));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = json(&ended.stdout);
    assert_eq!(report["log"]["entries"], 200);
    assert!(report["log"]["segments_deleted"].as_u64().unwrap() > 4);
    // It has looked at all of it itself.
    assert_eq!(report["checkpoint"]["entries"], 0);
    let verdict = report["verdict"].as_str().unwrap();
    assert!(!verdict.contains("checkpoint"), "{verdict}");
    assert!(shards(&folder).is_empty());
    folder
}

/// The names of the shards' segments that are there.
fn shards(folder: &Folder) -> Vec<String> {
    let names = fs::read_dir(folder.path("log")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("shard")).collect();
    names.sort();
    names
}

/// The finding of a refusal: what, expected, found.
fn refused(ended: &Ended) -> (String, String, String) {
    assert_eq!(ended.code, Some(4), "{ended:?}");
    let finding = &json(&ended.stdout)["finding"];
    let text = |name: &str| finding[name].as_str().unwrap().to_owned();
    (text("what"), text("expected"), text("found"))
}

#[test]
fn what_rests_on_a_checkpoint_is_said() {
    let folder = deleted();
    let ended = folder.loadgen(&arguments("audit log --checkpoint kept --sample 2 --json"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = json(&ended.stdout);
    assert_eq!(report["log"]["entries"], 200);
    let rests = &report["checkpoint"];
    assert_eq!(rests["file"], "kept");
    assert_eq!(rests["entries"], 200);
    assert_eq!(rests["blocks"], 0);
    assert!(rests["signatures"].as_u64().unwrap() > 0, "{report}");
    // Layer 1's are still there to be verified: two openings, and two closes of three each. They
    // are of the sessions whose others the first pass has verified.
    assert_eq!(report["sample"]["signatures"], 8);
    assert_eq!(report["sample"]["sessions"], 2);
    let before = rests["signatures"].as_u64().unwrap();
    let there = &report["signatures"]["there"];
    let verdict = report["verdict"].as_str().unwrap();
    let said = format!(
        ", and {} of {there} signatures, all those of 2 of 20 sessions; 200 of 200 entries and {before} of \
         these signatures rest on the checkpoint",
        before + 8
    );
    assert!(verdict.ends_with(&said), "{verdict}");
    let ended = folder.loadgen(&arguments("audit log --checkpoint kept"));
    assert!(
        ended.stdout.starts_with("CLEAN, as far as was looked at: "),
        "{ended:?}"
    );
    let said = format!(
        "kept: 200 of 200 entries were not looked at in this pass; passes before verified {before} of their \
         signatures (at most 2 in common)"
    );
    assert!(unbroken(&ended.stdout).contains(&said), "{ended:?}");
}

/// Two halves of a log that were looked at by different samples: no session was looked at in full.
#[test]
fn a_verdict_says_what_its_passes_have_verified_between_them() {
    let layer_1 = 20 * 4;
    for (first, sample, sessions, could) in [
        ("0", "all", 0, false),
        ("0", "100", 0, false),
        ("2", "all", 2, false),
        ("2 --salt none", "all", 2, true),
        ("all", "all", 20, false),
        ("all", "2", 2, false),
    ] {
        let what = format!("{first}, then {sample}");
        let folder = Folder::new();
        logged(
            &folder,
            "--sessions 20 --payments 10 --cosign-every 1 --in-flight 1 --audit-segment 4k",
        );
        let audit = |words: &str| {
            let ended = folder.loadgen(&arguments(&format!(
                "audit log --json --checkpoint kept {words}"
            )));
            assert_eq!(ended.code, Some(0), "{what}: {ended:?}");
            json(&ended.stdout)
        };
        let before = audit(&format!("--follow --sample {first}"));
        let after = audit(&format!("--sample {sample}"));
        let rests = &after["checkpoint"];
        assert_eq!(rests["entries"], 200, "{what}");
        let before = before["sample"]["sessions"].as_u64().unwrap() * 20;
        assert_eq!(rests["signatures"], before, "{what}");
        let now = if sample == "2" { 8 } else { layer_1 };
        assert_eq!(after["signatures"]["there"], 480, "{what}");
        assert_eq!(after["signatures"]["verified"], before + now, "{what}");
        assert_eq!(after["sample"]["sessions"], sessions, "{what}");
        assert_eq!(after["sample"]["writer_could_choose"], could, "{what}");
        let verdict = after["verdict"].as_str().unwrap();
        let said = match (before + now, sessions) {
            (480, _) => ", and all 480 signatures".to_owned(),
            (verified, 0) => format!(", and {verified} of 480 signatures"),
            (verified, of) => {
                format!(", and {verified} of 480 signatures, all those of {of} of 20 sessions")
            }
        };
        let could = if could {
            " that the log's writer could choose"
        } else {
            ""
        };
        let said = format!(
            "hold{said}{could}; 200 of 200 entries and {before} of these signatures rest on the checkpoint"
        );
        assert!(verdict.ends_with(&said), "{what}: {verdict}");
    }
}

/// What the manifest claims is what the segments were held against that are no longer read.
#[test]
fn a_checkpoint_is_of_a_run_that_claims_the_same() {
    let folder = deleted();
    let manifest = fs::read(folder.path("log/audit.toml")).unwrap();
    for (key, value) in [
        ("cosign_every", "77"),
        ("in_flight", "77"),
        ("sessions", "21"),
    ] {
        edit_manifest(&folder.path("log"), &[(key, value.to_owned())]);
        for follow in ["", "--follow"] {
            let words = format!("audit log --checkpoint kept --json {follow}");
            let (what, expected, found) = refused(&folder.loadgen(&arguments(&words)));
            assert_eq!(what, "the run's claims", "{key}");
            assert!(expected.contains(value), "{expected}");
            assert!(!found.contains(value), "{found}");
        }
        fs::write(folder.path("log/audit.toml"), &manifest).unwrap();
    }
    let ended = folder.loadgen(&arguments("audit log --checkpoint kept"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_checkpoint_in_the_folder_is_never_believed() {
    let folder = deleted();
    // It lies there, and nobody has asked for it.
    fs::copy(folder.path("kept"), folder.path("log/audit.checkpoint")).unwrap();
    let (what, ..) = refused(&folder.loadgen(&arguments("audit log --json")));
    assert_eq!(what, "the segment");
    // Asked for, under whichever name.
    symlink("log", folder.path("alias")).unwrap();
    fs::create_dir(folder.path("log/within")).unwrap();
    symlink("log/audit.checkpoint", folder.path("link")).unwrap();
    fs::create_dir(folder.path("other")).unwrap();
    for (file, said) in [
        ("log/audit.checkpoint", "outside of the audited folder"),
        ("other/../log/new", "outside of the audited folder"),
        ("alias/audit.checkpoint", "outside of the audited folder"),
        ("log/within/new", "outside of the audited folder"),
        ("link", "found a link"),
        ("other", "expected a plain file"),
        ("nowhere/new", "its folder does not exist"),
        ("new", "there is no such file"),
        ("..", "expected a plain file"),
        ("/", "expected the name of a file"),
    ] {
        for log in ["log", "alias"] {
            let ended = folder.loadgen(&["audit", log, "--checkpoint", file]);
            assert_eq!(ended.code, Some(2), "{file}: {ended:?}");
            assert!(ended.stderr.contains(said), "{file}: {ended:?}");
        }
    }
    assert!(!folder.path("log/new").exists());
}

#[test]
fn an_audit_that_was_stopped_goes_on() {
    for delete in ["", "--delete-audited"] {
        let folder = Folder::new();
        logged(
            &folder,
            "--sessions 20 --payments 10 --shards 2 --audit-segment 4k",
        );
        // One segment is spoiled for a while, at its end: what comes before it has been audited by
        // then, and what was read of it counts for nothing.
        let segments = shards(&folder);
        let spoiled = &segments[segments.len() - 2];
        let spoiled = folder.path("log").join(spoiled);
        let bytes = fs::read(&spoiled).unwrap();
        fs::write(&spoiled, &bytes[..bytes.len() - 1]).unwrap();
        let words = format!("audit log --follow --checkpoint kept {delete} --sample 2 --json");
        refused(&folder.loadgen(&arguments(&words)));
        fs::write(&spoiled, &bytes).unwrap();
        assert_eq!(shards(&folder).len() > 3, delete.is_empty());

        // With and without going on segment by segment, it looks at what is left.
        let plain = "audit log --checkpoint kept --sample all --json";
        for words in [plain, &words] {
            let ended = folder.loadgen(&arguments(words));
            assert_eq!(ended.code, Some(0), "{ended:?}");
            let report = json(&ended.stdout);
            assert_eq!(report["log"]["entries"], 200);
            let rests = report["checkpoint"]["entries"].as_u64().unwrap();
            assert!((100..200).contains(&rests), "{report}");
        }
        // All of it, now that the checkpoint has come to the end.
        let ended = folder.loadgen(&arguments(plain));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(json(&ended.stdout)["checkpoint"]["entries"], 200);
    }
}

/// A pass that deleted nothing, or was killed after it had written the checkpoint: the next one
/// deletes what that covers, but no segment of another log.
#[test]
fn what_a_checkpoint_covers_is_deleted_by_a_later_pass() {
    let folder = Folder::new();
    logged(
        &folder,
        "--sessions 20 --payments 10 --shards 2 --audit-segment 4k",
    );
    let segments = shards(&folder);
    let read = |name: &String| fs::read(folder.path("log").join(name)).unwrap();
    let contents: Vec<_> = segments.iter().map(read).collect();
    let restore = |at: usize| fs::write(folder.path("log").join(&segments[at]), &contents[at]);
    let ended = folder.loadgen(&arguments("audit log --follow --checkpoint kept"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(shards(&folder), segments);

    let words = "audit log --delete-audited --checkpoint kept --json";
    let last = segments.len() - 1;
    for left in [
        (0..segments.len()).collect(),
        vec![last - 1, last],
        vec![last],
        vec![],
    ] {
        for at in &left {
            restore(*at).unwrap();
        }
        let ended = folder.loadgen(&arguments(words));
        assert_eq!(ended.code, Some(0), "{left:?}: {ended:?}");
        let report = json(&ended.stdout);
        assert_eq!(report["log"]["segments_deleted"], left.len(), "{report}");
        assert_eq!(report["checkpoint"]["entries"], 200);
        assert!(shards(&folder).is_empty(), "{left:?}");
    }

    for bytes in [&contents[last - 1][..], &contents[last][..20]] {
        restore(last - 1).unwrap();
        fs::write(folder.path("log").join(&segments[last]), bytes).unwrap();
        let (what, expected, _) = refused(&folder.loadgen(&arguments(words)));
        assert_eq!(what, "the last checksum");
        assert!(expected.ends_with("as the checkpoint says"), "{expected}");
        assert_eq!(
            shards(&folder),
            [segments[last - 1].clone(), segments[last].clone()]
        );
    }

    // A run that was begun anew, and has not come as far as the checkpoint.
    fs::remove_file(folder.path("log").join(&segments[last - 1])).unwrap();
    fs::remove_file(folder.path("log").join(&segments[last])).unwrap();
    for at in [0, 1] {
        restore(at).unwrap();
    }
    let (what, expected, found) = refused(&folder.loadgen(&arguments(words)));
    assert_eq!((&*what, &*found), ("the segment", "none"));
    let earlier = format!("the checkpoint covers it, and {} is there", segments[0]);
    assert!(expected.contains(&earlier), "{expected}");
    assert_eq!(shards(&folder), segments[..2]);
}

/// One that deletes is alone: an older checkpoint in the place of its own would leave nothing to go
/// on from.
#[test]
fn nobody_else_follows_a_log_whose_segments_are_deleted() {
    let folder = Folder::new();
    logged(&folder, "--sessions 20 --payments 10 --audit-segment 4k");
    let log = File::open(folder.path("log")).unwrap();
    let ended = |how: &str, is_free: bool| {
        let words = format!("audit log {how} --checkpoint kept --quiet");
        let ended = folder.loadgen(&arguments(&words));
        let code = if is_free { 0 } else { 2 };
        assert_eq!(ended.code, Some(code), "{how}: {ended:?}");
        assert_eq!(ended.stderr.contains("'log' is in use"), !is_free, "{how}");
    };
    log.lock_shared().unwrap();
    ended("--delete-audited", false);
    ended("--follow", true);
    log.unlock().unwrap();
    log.lock().unwrap();
    ended("--follow", false);
    ended("--delete-audited", false);
    log.unlock().unwrap();
    ended("--delete-audited", true);
}

/// A log as it was before its run ended.
struct Unended {
    /// Its last segment, if that had not been written.
    held_back: Option<String>,
    manifest: String,
}

impl Unended {
    /// Of a run in small segments.
    fn new(folder: &Folder, holds_back: bool) -> Unended {
        logged(folder, "--sessions 20 --payments 10 --audit-segment 4k");
        let held_back = shards(folder).pop().filter(|_| holds_back);
        if let Some(last) = &held_back {
            fs::rename(folder.path("log").join(last), folder.path("last")).unwrap();
        }
        let manifest = folder.read("log/audit.toml");
        let claims: String = manifest.split_inclusive('\n').take(8).collect();
        let running = claims.replace("\"complete\"", "\"running\"");
        folder.write("log/audit.toml", seal_manifest(&running));
        Unended {
            held_back,
            manifest,
        }
    }

    /// It ends.
    fn end(self, folder: &Folder) {
        if let Some(last) = self.held_back {
            fs::rename(folder.path("last"), folder.path("log").join(last)).unwrap();
        }
        folder.write("log/audit.toml", self.manifest);
    }
}

/// Two audits with one file would each delete what only the other's word of it stood for.
#[test]
fn what_another_audit_left_is_never_replaced() {
    for begun in [false, true] {
        let folder = Folder::new();
        let unended = Unended::new(&folder, true);
        let words = "audit log --follow --checkpoint kept --quiet";
        if begun {
            let ended = bounded(&folder, words, interrupt);
            assert_eq!(ended.code, Some(130), "{ended:?}");
            assert!(folder.path("kept").is_file());
        }
        let words = arguments(words);
        let follower = folder.command(&words).stderr(Stdio::piped()).spawn();
        // It has read what was there, unless the machine is very busy: then it refuses what is now.
        thread::sleep(Duration::from_millis(500));
        folder.write("kept", [7; 100]);
        unended.end(&folder);
        let ended: Ended = follower.unwrap().wait_with_output().unwrap().into();
        assert!(matches!(ended.code, Some(2 | 4)), "{begun}: {ended:?}");
        assert_eq!(
            fs::read(folder.path("kept")).unwrap(),
            [7; 100],
            "{ended:?}"
        );
    }
}

/// Whoever takes a checkpoint away has put no other one there: it is written again.
#[test]
fn a_checkpoint_that_was_taken_away_is_written_again() {
    // Whether there is anything new to be kept then, or nothing.
    for held_back in [true, false] {
        let folder = Folder::new();
        let unended = Unended::new(&folder, held_back);
        let words = "audit log --follow --delete-audited --checkpoint kept --quiet";
        let stopped = bounded(&folder, words, interrupt);
        assert_eq!(stopped.code, Some(130), "{stopped:?}");
        let follower = folder.command(&arguments(words)).spawn();
        let kept = fs::read(folder.path("kept")).unwrap();
        thread::sleep(Duration::from_millis(500));
        fs::remove_file(folder.path("kept")).unwrap();
        unended.end(&folder);
        let code = follower.unwrap().wait().unwrap().code();
        if code != Some(0) {
            // A very busy machine: it began without one, and what that stood for is gone.
            assert_eq!(code, Some(4));
            folder.write("kept", kept);
        }
        let again = folder.loadgen(&arguments(words));
        assert_eq!(again.code, Some(0), "{held_back}: {again:?}");
    }
}

/// An auditor that follows a run is stopped while it waits, and goes on when the run has ended.
#[test]
fn a_follower_saves_and_resumes() {
    let folder = Folder::new();
    fs::create_dir(folder.path("log")).unwrap();
    let run = Run::honest();
    let mut running = run.clone();
    running.claim("state", "\"running\"");
    running.write(&folder.path("log"));
    for words in [
        "",
        "--json",
        "--checkpoint kept",
        "--checkpoint kept --json",
    ] {
        let words = format!("audit log --follow {words}");
        let ended = bounded(&folder, &words, interrupt);
        assert_eq!(ended.code, Some(130), "{ended:?}");
        assert_eq!(salts(&ended), NO_SALT, "{ended:?}");
    }

    run.write(&folder.path("log"));
    for words in ["audit log --json", "audit log --follow --json"] {
        let ended = folder.loadgen(&arguments(&format!("{words} --checkpoint kept")));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let report = json(&ended.stdout);
        assert_eq!(report["log"]["entries"], 12);
        assert_eq!(report["checkpoint"]["entries"], 12);
        // What it had found is not forgotten.
        assert_eq!(report["assurance"]["largest_interval"], 2);
        assert_eq!(salts(&ended).len(), 1, "{ended:?}");
    }
}

const NO_SALT: Vec<String> = Vec::new();

/// All texts of 64 hex digits that an audit has printed as its salt.
fn salts(ended: &Ended) -> Vec<String> {
    let printed = [&ended.stdout, &ended.stderr];
    let lines = printed.iter().flat_map(|text| text.lines());
    let lines = lines.filter(|line| line.contains("salt"));
    let words = lines.flat_map(|line| line.split(|char: char| !char.is_ascii_alphanumeric()));
    words
        .filter(|word| word.len() == 64)
        .map(str::to_owned)
        .collect()
}

/// The salt that the next pass will choose by is printed by the last one only: whoever writes the
/// log may not know it before.
#[test]
fn a_salt_that_is_kept_is_printed_at_the_end() {
    for json in ["", "--json"] {
        let folder = Folder::new();
        logged(
            &folder,
            "--sessions 20 --payments 10 --shards 2 --audit-segment 4k",
        );
        let spoiled = folder.path("log").join(shards(&folder).pop().unwrap());
        let bytes = fs::read(&spoiled).unwrap();
        fs::write(&spoiled, &bytes[..bytes.len() - 1]).unwrap();
        let audit = |words: &str| {
            let words = format!("audit log --follow --sample 2 {words} {json}");
            folder.loadgen(&arguments(&words))
        };
        for (words, told) in [("", 1), ("--checkpoint kept", 0), ("--checkpoint kept", 0)] {
            let ended = audit(words);
            assert_eq!(ended.code, Some(4), "{ended:?}");
            // In both of its outputs, if it is told.
            let expected = if json.is_empty() { told } else { 2 * told };
            assert_eq!(salts(&ended).len(), expected, "{ended:?}");
        }
        fs::write(&spoiled, &bytes).unwrap();
        let ended = audit("--checkpoint kept");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(salts(&ended).len(), 1, "{ended:?}");
    }
}

// Where things are in a checkpoint: the first stream, and its first log.
const HEIGHT: usize = 40;
const CLAIMS: usize = 80;
const SAMPLE: usize = CLAIMS + 3 * 8;
const STREAM: usize = SAMPLE + 64 + 4;
const LOG: usize = STREAM + 112;

/// Some finding: what is read after this is something else.
const ANY: &str = "";
/// None: a checkpoint is the auditor's own word.
const CLEAN: &str = "CLEAN";
/// The words of docs/audit.md for that.
const OWN_WORD: &str = "whoever can write it can skip what it skips";

/// A change of a checkpoint's bytes.
type Change = Box<dyn Fn(&mut Vec<u8>)>;

fn put(at: usize, number: u64) -> Change {
    Box::new(move |bytes| bytes[at..at + 8].copy_from_slice(&number.to_le_bytes()))
}

/// Whoever can write the checkpoint can skip what it skips, but must say what Layer 1 says.
#[test]
fn a_checkpoint_that_does_not_agree_with_the_log_is_refused() {
    let folder = deleted();
    let kept = folder.path("kept");
    let bytes = fs::read(&kept).unwrap();
    for byte in (0..bytes.len()).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[byte] ^= 1;
        fs::write(&kept, flipped).unwrap();
        refused(&folder.loadgen(&arguments("audit log --checkpoint kept --json")));
    }
    let both = |one: Change, other: Change| -> Change {
        Box::new(move |bytes| {
            one(bytes);
            other(bytes);
        })
    };
    let again: Change = Box::new(|bytes| bytes.copy_within(LOG..LOG + 60, LOG + 60));
    #[rustfmt::skip]
    let table = [
        ("10^12 entries", put(STREAM + 40, 1_000_000_000_000), "entries"),
        ("all entries there could be", put(STREAM + 40, u64::MAX), "entries and bytes"),
        ("more bursts than entries", put(STREAM + 48, 1 << 40), "bursts, signatures and those verified"),
        ("all bytes there could be", put(STREAM + 56, u64::MAX), "entries and bytes"),
        ("2 × 10^12 signatures", put(STREAM + 64, 2_000_000_000_000), "bursts, signatures and those verified"),
        ("10^12 logs", put(STREAM + 104, 1_000_000_000_000), ANY),
        ("fewer segments", put(STREAM, 1), "the segment"),
        ("more segments", put(STREAM, 1 << 50), "the segments"),
        ("another last checksum", put(STREAM + 8, 7), "the last checksum"),
        ("a height beyond the tip", put(HEIGHT, 1 << 50), "the block that it was made at"),
        ("another block", put(HEIGHT + 8, 7), "the block that it was made at"),
        ("a channel that Layer 1 has not opened", Box::new(|bytes| bytes[LOG + 3] = 1), "a channel"),
        ("a log that goes on", put(LOG + 12, 10), "the state that Layer 1 closed"),
        ("a longer log", put(LOG + 12, 11), "entries"),
        ("more than the channel has", both(put(LOG + 12, 10), put(LOG + 20, u64::MAX)), "A's balance"),
        ("a channel twice", again, "a channel"),
        ("more verified than there are", put(STREAM + 72, 1 << 40), "bursts, signatures and those verified"),
        ("other claims", put(CLAIMS + 8, 9_999), "the run's claims"),
        ("k beyond the claims", put(STREAM + 80, 1 << 40), "k and in flight"),
        ("in flight beyond the claims", put(STREAM + 96, 1 << 40), "k and in flight"),
        ("a session beyond the claims", both(put(LOG + 4, 20), put(LOG + 12, 10)), "a session"),
        ("a sample of no kind", put(SAMPLE, 9), "the sample"),
        ("a sample of all, with a salt", both(put(SAMPLE, 1), put(SAMPLE + 8, 0)), "the sample"),
        ("fewer verified", put(STREAM + 72, 0), CLEAN),
        ("more bytes", put(STREAM + 56, 1 << 40), CLEAN),
        ("more at risk", put(STREAM + 88, 1 << 40), CLEAN),
        ("longer than its channels need", Box::new(|bytes| bytes.resize(1 << 20, 0)), "bytes"),
    ];
    let docs = include_str!("../../../docs/audit.md");
    assert!(docs.contains(OWN_WORD));
    for (what, change, expected) in table {
        let mut forged = bytes[..bytes.len() - 32].to_vec();
        change(&mut forged);
        let key = blake3::derive_key("duet 2026-11 audit checkpoint", &[]);
        let checksum = blake3::keyed_hash(&key, &forged);
        forged.extend(checksum.as_bytes());
        fs::write(&kept, forged).unwrap();
        let ended = folder.loadgen(&arguments("audit log --checkpoint kept --json"));
        let found = match ended.code {
            Some(0) => CLEAN.to_owned(),
            _ => refused(&ended).0,
        };
        let right = found == expected || expected == ANY && found != CLEAN;
        assert!(right, "{what}: {ended:?}");
    }
}
