//! Audits a log while it is written, segment by segment, keeps a checkpoint and deletes what it has
//! audited if asked to. One thread: a run beside it needs the others. Reads each segment once, and
//! writes no more than it reads: the sample is fixed from the start, and a checkpoint is as long as
//! channels are many, so it is not written for every segment.

use std::fs::{self, File, Metadata, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::checkpoint::{Checkpoint, Kept, Looked};
use super::finding::{AuditError, Finding};
use super::l1::L1;
use super::manifest::{self, Claims, End, Manifest};
use super::report::Report;
use super::report::Told;
use super::sample::Rule;
use super::signature::Sampled;
use super::source::Source;
use super::stream::{Against, Batch, Stream, cpu_ns};
use super::whole::{Watch, segment};
use super::{AuditArgs, conclude, early, fresh, segments};
use duet_terminal::progress::Bar;

/// Bytes of the log after which the checkpoint is written, if it is not longer itself.
const SAVED_EVERY_BYTES: u64 = 16 << 20;
/// Time after which it is written if anything was audited since.
const SAVED_EVERY: Duration = Duration::from_secs(10);
/// Segments of one stream before the next stream's turn comes; as many as there are streams, if
/// those are more: a round costs a look at all of them.
const IN_A_ROW: usize = 64;

/// Audits until the run has ended and all of it is audited.
#[expect(
    clippy::too_many_lines,
    reason = "the steps of an audit, in their order"
)]
pub(super) fn check(
    args: &AuditArgs,
    checkpoint: Option<Checkpoint>,
    stop: &AtomicBool,
    begin: Instant,
) -> Result<Report, AuditError> {
    let _locked = lock(args)?;
    let mut watched = Watched::read(&args.folder)?;
    let manifest = watched.manifest.clone();
    if manifest.end.is_none() && !args.follow {
        return Err(AuditError::Input(
            "the run has not ended: expected --follow beside --delete-audited".to_owned(),
        ));
    }
    let mut l1 = L1::new(&args.folder, &manifest.genesis, stop);
    l1.follow()?;
    let kept = match &checkpoint {
        Some(checkpoint) => checkpoint.read(manifest.shards, manifest.claims, &l1.ledger)?,
        None => None,
    };
    let (streams, looked) = match kept {
        Some(Kept { streams, looked }) => (streams, Some(looked)),
        None => (fresh(&manifest), None),
    };
    let rule = args.rule();
    let mut followed = Followed {
        args,
        keeper: Keeper::new(
            checkpoint,
            looked.map_or(Looked::by(rule), |of| of.and(rule)),
        ),
        l1,
        sampled: Sampled::new(early(rule, &manifest.genesis)),
        streams,
        claims: manifest.claims,
        batch: Batch::new(),
        watch: Watch::new(stop),
        deleted: 0,
    };
    if args.delete_audited {
        followed.keeper.segments = segments::covered(&args.folder, &followed.streams)?;
        followed.save()?;
    }
    let began_ns = cpu_ns();
    let bar = Bar::new("audit", 0, args.quiet || args.json);
    let ended = followed.follow(&mut watched, &bar);
    bar.clear();
    let replay_ns = cpu_ns() - began_ns - followed.batch.verifying_ns;
    // What was audited is kept, whatever the audit ended with.
    let saved = followed.save();
    // That it could not be kept is said first: whoever goes on has to know.
    saved?;
    let end = ended?;
    let signatures_l1 = followed.conclude(&end, rule)?;
    let (ledger, given) = (&followed.l1.ledger, args.validators.as_ref());
    conclude::check_votes(ledger, manifest.voters.as_ref(), given)?;
    let Followed {
        keeper,
        l1,
        streams,
        sampled,
        deleted,
        ..
    } = followed;
    Ok(Report::of(
        args,
        &l1.ledger,
        &streams,
        &Told {
            claims: manifest.claims,
            early: true,
            checkpoint: keeper.checkpoint.as_ref(),
            looked,
            signatures_l1,
            sampled_sessions: sampled.len(),
            deleted,
            wall: begin.elapsed(),
            replay_ns,
            threads: 1,
        },
    ))
}

/// Takes the folder for as long as it is open here: alone if segments are deleted, since an older
/// checkpoint that took the place of theirs would leave nothing to go on from.
fn lock(args: &AuditArgs) -> Result<File, AuditError> {
    let folder = File::open(&args.folder).map_err(AuditError::machine(&args.folder))?;
    let locked = match args.delete_audited {
        true => folder.try_lock(),
        false => folder.try_lock_shared(),
    };
    match locked {
        Err(TryLockError::WouldBlock) => Err(AuditError::Input(format!(
            "'{}' is in use: another audit follows it, or deletes what it has audited",
            args.folder.display()
        ))),
        // Not every file system can lock.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(folder),
    }
}

/// The manifest, read again when another one is there.
struct Watched {
    manifest: Manifest,
    /// What the file was just before it was read.
    stamp: Stamp,
}

/// What tells a file from the one that took its place.
type Stamp = Option<[i64; 6]>;

fn stamp(folder: &Path) -> Stamp {
    let of = |file: Metadata| {
        let (device, inode, length) = (file.dev() as i64, file.ino() as i64, file.len() as i64);
        let (seconds, ns) = (file.ctime(), file.ctime_nsec());
        [device, inode, length, file.mtime(), seconds, ns]
    };
    fs::symlink_metadata(folder.join(manifest::NAME))
        .ok()
        .map(of)
}

impl Watched {
    fn read(folder: &Path) -> Result<Watched, AuditError> {
        let stamp = stamp(folder);
        let manifest = Manifest::read(folder)?;
        Ok(Watched { manifest, stamp })
    }

    /// The end, if the run has come to it.
    fn look(&mut self, folder: &Path) -> Result<Option<&End>, AuditError> {
        if stamp(folder) != self.stamp {
            let now = Watched::read(folder)?;
            if !now.manifest.is_of_same_run(&self.manifest) {
                let (expected, found) = ("of the run that was followed", "of another");
                return Err(Finding::of_file(
                    manifest::NAME,
                    "the manifest",
                    expected,
                    found,
                ));
            }
            *self = now;
        }
        Ok(self.manifest.end.as_ref())
    }
}

/// Writes the checkpoint, now and then.
struct Keeper {
    checkpoint: Option<Checkpoint>,
    looked: Looked,
    /// Bytes of the log that were audited since it was written, how long it was then, and when.
    unsaved: Option<u64>,
    length: u64,
    written: Instant,
    /// Segments that it will take the place of.
    segments: Vec<(Source, u64)>,
}

impl Keeper {
    fn new(checkpoint: Option<Checkpoint>, looked: Looked) -> Keeper {
        Keeper {
            checkpoint,
            looked,
            unsaved: None,
            length: 0,
            written: Instant::now(),
            segments: Vec::new(),
        }
    }

    fn is_due(&self) -> bool {
        let due = |bytes: u64| {
            bytes >= self.length.max(SAVED_EVERY_BYTES) || self.written.elapsed() >= SAVED_EVERY
        };
        self.unsaved.is_some_and(due)
    }
}

/// An audit on its way.
struct Followed<'a> {
    args: &'a AuditArgs,
    keeper: Keeper,
    l1: L1<'a>,
    sampled: Sampled,
    streams: Vec<Stream>,
    claims: Claims,
    batch: Batch,
    watch: Watch<'a>,
    deleted: u64,
}

impl Followed<'_> {
    /// Audits every segment of a run, until that has ended.
    fn follow(&mut self, watched: &mut Watched, bar: &Bar) -> Result<End, AuditError> {
        loop {
            // Before the segments are looked for: those of a run that has ended are all there.
            let end = watched.look(&self.args.folder)?;
            let moved = self.advance(bar)?;
            if let Some(end) = end
                && !moved
            {
                return Ok(end.clone());
            }
            if self.watch.stop.load(Ordering::Relaxed) {
                return Err(AuditError::Interrupted);
            }
            if !moved {
                bar.at(
                    self.watch.entries.load(Ordering::Relaxed),
                    "waiting for a segment to be whole",
                );
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Audits the next segments of every stream that has any; whether there were any.
    fn advance(&mut self, bar: &Bar) -> Result<bool, AuditError> {
        let mut moved = false;
        // Its blocks are of interest with or without segments.
        self.l1.follow()?;
        let in_a_row = IN_A_ROW.max(self.streams.len());
        for shard in 0..self.streams.len() {
            for _ in 0..in_a_row {
                let source = Source::Shard(shard as u32);
                let name = source.whole(self.streams[shard].segment);
                if !self.args.folder.join(name).exists() {
                    break;
                }
                self.audit(shard)?;
                bar.at(self.watch.entries.load(Ordering::Relaxed), "");
                moved = true;
            }
        }
        if self.keeper.is_due() {
            self.save()?;
        }
        Ok(moved)
    }

    /// Audits one segment that is there, and counts it only if it holds.
    fn audit(&mut self, shard: usize) -> Result<(), AuditError> {
        if self.watch.stop.load(Ordering::Relaxed) {
            return Err(AuditError::Interrupted);
        }
        // After the segment was found: the blocks that opened its channels are there by now.
        self.l1.follow()?;
        self.sampled.follow(&self.l1.ledger)?;
        let source = Source::Shard(shard as u32);
        let stream = &mut self.streams[shard];
        let against = Against {
            ledger: &self.l1.ledger,
            sampled: &self.sampled,
            claims: self.claims,
        };
        let (number, bytes) = (stream.segment, stream.counts.bytes);
        let before = stream.begin_to_undo();
        let folder = &self.args.folder;
        let audited = segment(
            folder,
            source,
            stream,
            against,
            &mut self.batch,
            &self.watch,
        );
        if let Err(error) = audited {
            stream.undo(before);
            return Err(error);
        }
        stream.keep();
        *self.keeper.unsaved.get_or_insert(0) += stream.counts.bytes - bytes;
        if self.args.delete_audited {
            self.keeper.segments.push((source, number));
        }
        if self.keeper.is_due() {
            self.save()?;
        }
        Ok(())
    }

    /// Writes the checkpoint, if there is to be one and it would say anything new; then deletes the
    /// segments whose place it takes.
    fn save(&mut self) -> Result<(), AuditError> {
        let keeper = &mut self.keeper;
        if let Some(checkpoint) = &keeper.checkpoint
            && (keeper.unsaved.is_some() || checkpoint.was_moved()?)
        {
            let (ledger, claims) = (&self.l1.ledger, self.claims);
            keeper.length = checkpoint.write(ledger, claims, keeper.looked, &self.streams)?;
        }
        keeper.unsaved = None;
        keeper.written = Instant::now();
        for (source, number) in keeper.segments.drain(..) {
            let path = self.args.folder.join(source.whole(number));
            fs::remove_file(&path).map_err(AuditError::machine(&path))?;
            self.deleted += 1;
        }
        Ok(())
    }

    /// Holds all of it against its end; gives how many signatures of Layer 1 were verified.
    fn conclude(&mut self, end: &End, rule: Rule) -> Result<u64, AuditError> {
        let (l1, args) = (&self.l1, self.args);
        conclude::check_l1(l1, end, args.tip.as_ref())?;
        segments::check(&args.folder, end, &self.streams)?;
        self.sampled.follow(&l1.ledger)?;
        let signatures = l1.verify_sample(rule, &self.sampled)?;
        conclude::check_streams(&l1.ledger, end, &self.streams)?;
        Ok(signatures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in the folder is no manifest: reading it would be refused.
    #[test]
    fn a_manifest_is_read_again_only_when_it_is_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(manifest::NAME);
        fs::write(&path, "x").unwrap();
        let claims = Claims {
            sessions: 1,
            cosign_every: 1,
            in_flight: 1,
        };
        let manifest = Manifest {
            genesis: [0; 32],
            shards: 1,
            claims,
            voters: None,
            end: None,
        };
        let stamp = stamp(folder.path());
        let mut watched = Watched { manifest, stamp };
        for _ in 0..3 {
            assert!(matches!(watched.look(folder.path()), Ok(None)));
        }
        fs::write(&path, "xy").unwrap();
        assert!(matches!(
            watched.look(folder.path()),
            Err(AuditError::Refused(_))
        ));
    }

    #[test]
    fn a_checkpoint_is_written_for_bytes_and_time_not_for_segments() {
        let mut keeper = Keeper::new(None, Looked::by(Rule::NOBODY));
        let due_after = |keeper: &mut Keeper, bytes| {
            keeper.unsaved = bytes;
            keeper.is_due()
        };
        for (length, bytes, due) in [
            (0, None, false),
            (0, Some(0), false),
            (0, Some(SAVED_EVERY_BYTES - 1), false),
            (0, Some(SAVED_EVERY_BYTES), true),
            (SAVED_EVERY_BYTES + 1, Some(SAVED_EVERY_BYTES), false),
            (SAVED_EVERY_BYTES + 1, Some(SAVED_EVERY_BYTES + 1), true),
        ] {
            (keeper.length, keeper.written) = (length, Instant::now());
            assert_eq!(due_after(&mut keeper, bytes), due, "{length}, {bytes:?}");
        }
        keeper.written = Instant::now().checked_sub(SAVED_EVERY).unwrap();
        assert!(due_after(&mut keeper, Some(0)));
        assert!(!due_after(&mut keeper, None));
    }
}
