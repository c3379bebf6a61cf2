//! Bytes of a log changed at random or one by one, by somebody who makes all checksums anew and
//! knows nothing else: refused with a reason, whatever they are. (Overflow is checked in tests.)

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use duet_audit::{AuditArgs, AuditError, SampleSize, check};

use super::common::Folder;
use super::forge::{Run, records, replace, seal_manifest};
use super::{asked, audited};

const STREAMS: [&str; 3] = ["shard-0", "shard-1", "l1"];

/// Whether the audit of all signatures is clean.
fn is_clean(folder: &Path, what: &str) -> bool {
    ends(&asked(folder, SampleSize::All), what)
}

/// Whether an audit is clean: it is so or refuses, and for no checksum.
fn ends(args: &AuditArgs, what: &str) -> bool {
    match check(args, &AtomicBool::new(false)) {
        Ok(_) => true,
        Err(AuditError::Refused(finding)) => {
            assert!(!finding.what.contains("checksum"), "{what}: {finding}");
            false
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn every_changed_bit_of_a_record_is_refused_but_for_labels() {
    for run in [Run::honest(), Run::scarce()] {
        flip_all(&run);
    }
}

fn flip_all(run: &Run) {
    let folder = Folder::new();
    run.write(&folder.path(""));
    let (folder, genesis) = (folder.path(""), run.genesis());
    let mut unseen = Vec::new();
    for stream in STREAMS {
        let honest = records(&folder, stream);
        for at in 0..honest.len() {
            let mut flipped = honest.clone();
            flipped[at] ^= 1 << (at % 8);
            replace(&folder, stream, &genesis, &flipped);
            if is_clean(&folder, &format!("{stream}, byte {at}")) {
                unseen.push((stream, at));
            }
        }
        replace(&folder, stream, &genesis, &honest);
    }
    assert!(is_clean(&folder, "as it was"));
    // The one burst of channel 4 has any session's number; a proposal's first bit passes the turn.
    let labels = |(stream, at): &(&str, usize)| match *stream {
        "shard-1" => (5..13).contains(at) || *at == 5 + 57,
        stream => stream == "shard-0",
    };
    assert!(unseen.iter().all(labels), "{unseen:?}");
    assert!(unseen.len() < 10, "{unseen:?}");
}

/// Numbers without a meaning, the same in every test.
struct Noise(u64);

impl Noise {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most.max(1) as u64) as usize
    }

    /// Puts pieces anywhere, leaves them out, doubles them, or replaces them by what is large or
    /// nothing.
    fn scramble(&mut self, honest: &[u8]) -> Vec<u8> {
        let mut forged = honest.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(forged.len());
            let length = (1 + self.below(12)).min(forged.len() - at);
            let piece = forged[at..at + length].to_vec();
            let to = self.below(forged.len());
            match self.below(5) {
                0 => forged[at..at + length].fill(0xff),
                1 => forged[at..at + length].fill(0),
                2 => drop(forged.drain(at..at + length)),
                3 => drop(forged.splice(to..to, piece)),
                _ => forged.truncate(at),
            }
        }
        forged
    }
}

#[test]
fn no_nonsense_ends_in_a_panic() {
    for run in [Run::honest(), Run::scarce()] {
        scramble_all(&run);
    }
}

fn scramble_all(run: &Run) {
    let folder = Folder::new();
    run.write(&folder.path(""));
    let (folder, genesis) = (folder.path(""), run.genesis());
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for stream in STREAMS {
        let honest = records(&folder, stream);
        for round in 0..500 {
            replace(&folder, stream, &genesis, &noise.scramble(&honest));
            let mut args = asked(&folder, SampleSize::All);
            args.follow = round % 2 == 1;
            ends(&args, &format!("{stream}, round {round}"));
        }
        replace(&folder, stream, &genesis, &honest);
    }
}

/// Nor in a checkpoint, whose streams may stand anywhere in the log.
#[test]
fn no_nonsense_in_a_checkpoint_ends_in_a_panic() {
    let folder = Folder::new();
    fs::create_dir(folder.path("log")).unwrap();
    Run::honest().write(&folder.path("log"));
    let mut args = asked(&folder.path("log"), SampleSize::All);
    args.checkpoint = Some(folder.path("kept"));
    args.follow = true;
    assert!(ends(&args, "as it is"));
    let kept = fs::read(folder.path("kept")).unwrap();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for round in 0..1000 {
        let mut forged = noise.scramble(&kept[..kept.len() - 32]);
        let key = blake3::derive_key("duet 2026-11 audit checkpoint", &[]);
        forged.extend(blake3::keyed_hash(&key, &forged).as_bytes());
        folder.write("kept", &forged);
        args.follow = round % 2 == 1;
        let what = format!("round {round}");
        match check(&args, &AtomicBool::new(false)) {
            Ok(_) | Err(AuditError::Refused(_)) => {}
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

#[test]
fn every_changed_digit_of_the_manifest_is_refused_but_for_upper_bounds() {
    let folder = Folder::new();
    Run::honest().write(&folder.path(""));
    let manifest = folder.read("audit.toml");
    let (lines, _) = manifest.rsplit_once("checksum").unwrap();
    for at in 0..lines.len() {
        for with in ["9", "x", "", "99", "\n"] {
            let forged = [&lines[..at], with, &lines[at + 1..]].concat();
            if forged == lines {
                continue;
            }
            folder.write("audit.toml", seal_manifest(&forged));
            let Ok(report) = audited(&folder.path(""), SampleSize::Sessions(0)) else {
                continue;
            };
            let line = lines[..at].lines().count();
            let name = lines.lines().nth(line.saturating_sub(1)).unwrap();
            let bound = ["sessions = ", "cosign_every", "in_flight"];
            let is_bound = bound.iter().any(|bound| name.starts_with(bound));
            assert!(is_bound, "{name}, {with}: {}", report.verdict());
        }
    }
}
