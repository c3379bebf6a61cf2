//! Audits a log while it is written, segment by segment, keeps a checkpoint and deletes what it has
//! audited if asked to. One thread: a run beside it needs the others.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoint;
use super::finding::{AuditError, Finding};
use super::l1::{L1, another_at_second_reading};
use super::manifest::{self, Claims, Manifest};
use super::report::Told;
use super::segment::Source;
use super::signature::Sampled;
use super::stream::{Against, Batch, Stream, cpu_ns};
use super::whole::{Watch, segment};
use super::{AuditArgs, Report, conclude, folder, fresh};
use crate::progress::Bar;

/// Audits until the run has ended and all of it is audited.
pub(super) fn check(
    args: &AuditArgs,
    checkpoint: Option<Checkpoint>,
    stop: &AtomicBool,
    begin: Instant,
) -> Result<Report, AuditError> {
    let manifest = Manifest::read(&args.folder)?;
    if manifest.end.is_none() && !args.follow {
        return Err(AuditError::Input(
            "the run has not ended: expected --follow beside --delete-audited".to_owned(),
        ));
    }
    let mut l1 = L1::new(&args.folder, &manifest.genesis, stop);
    l1.follow()?;
    let streams = match &checkpoint {
        Some(checkpoint) => checkpoint.read(manifest.shards, &l1.ledger)?,
        None => None,
    };
    let mut followed = Followed {
        args,
        checkpoint,
        l1,
        streams: streams.unwrap_or_else(|| fresh(&manifest)),
        claims: manifest.claims,
        batch: Batch::new(),
        watch: Watch::new(stop),
        sampled_sessions: BTreeSet::new(),
        deleted: 0,
    };
    let began_ns = cpu_ns();
    let bar = Bar::new("audit", 0, args.quiet || args.json);
    let end = loop {
        // Before the segments are looked for: those of a run that has ended are all there.
        let now = Manifest::read(&args.folder)?;
        if !now.is_of_same_run(&manifest) {
            let (expected, found) = ("of the run that was followed", "of another");
            return Err(Finding::of_file(
                manifest::NAME,
                "the manifest",
                expected,
                found,
            ));
        }
        let moved = followed.advance()?;
        bar.at(followed.watch.entries.load(Ordering::Relaxed));
        if let Some(end) = now.end
            && !moved
        {
            break end;
        }
        if stop.load(Ordering::Relaxed) {
            return Err(AuditError::Interrupted);
        }
        if !moved {
            bar.say("waiting for a segment to be whole");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    bar.clear();
    let Followed {
        checkpoint,
        l1,
        streams,
        batch,
        sampled_sessions,
        deleted,
        ..
    } = followed;
    let replay_ns = cpu_ns() - began_ns - batch.verifying_ns;
    conclude::check_l1(&l1, &end, args.tip.as_ref())?;
    folder::check(&args.folder, &end, &streams)?;
    let signatures_l1 = if args.sample.is_none() {
        0
    } else {
        l1.verify(&l1.sample(args, &end)?)?
    };
    conclude::check_streams(&l1.ledger, &end, &streams)?;
    Ok(Report::of(
        args,
        &l1.ledger,
        &streams,
        &Told {
            claims: manifest.claims,
            checkpoint: checkpoint.as_ref(),
            signatures_l1,
            sampled_sessions: sampled_sessions.len() as u64,
            deleted,
            wall: begin.elapsed(),
            replay_ns,
            threads: 1,
        },
    ))
}

/// An audit on its way.
struct Followed<'a> {
    args: &'a AuditArgs,
    checkpoint: Option<Checkpoint>,
    l1: L1<'a>,
    streams: Vec<Stream>,
    claims: Claims,
    batch: Batch,
    watch: Watch<'a>,
    sampled_sessions: BTreeSet<u32>,
    deleted: u64,
}

impl Followed<'_> {
    /// Audits the next segment of every stream that has one; whether there was any.
    fn advance(&mut self) -> Result<bool, AuditError> {
        let folder = &self.args.folder;
        let whole: Vec<u32> = (0..)
            .zip(&self.streams)
            .filter(|(shard, stream)| {
                let name = Source::Shard(*shard).whole(stream.segment);
                folder.join(name).exists()
            })
            .map(|(shard, _)| shard)
            .collect();
        // After the segments were found: the blocks that opened their channels are there by now.
        self.l1.follow()?;
        for shard in &whole {
            self.audit(*shard)?;
        }
        Ok(!whole.is_empty())
    }

    /// Audits one segment: replays it, then lets the newest block choose among its sessions, and
    /// reads it once more for their signatures.
    fn audit(&mut self, shard: u32) -> Result<(), AuditError> {
        let (folder, source) = (&self.args.folder, Source::Shard(shard));
        let nobody = Sampled::default();
        let mut replayed = self.streams[shard as usize].clone();
        self.batch.seen = Some(Vec::new());
        let claims = self.claims;
        let first = Against {
            ledger: &self.l1.ledger,
            sampled: &nobody,
            claims,
        };
        segment(
            folder,
            source,
            &mut replayed,
            first,
            &mut self.batch,
            &self.watch,
        )?;
        let mut seen = self.batch.seen.take().unwrap_or_default();
        seen.sort_unstable();
        seen.dedup();

        self.l1.follow()?;
        let ledger = &self.l1.ledger;
        let ids: Vec<_> = seen
            .iter()
            .map(|index| (*index, &ledger.channels[*index as usize].id))
            .collect();
        let seed = self.args.seed(&ledger.tip(), [&replayed.checksum]);
        let chosen = self.args.sample.choose(&seed, ids.into_iter());
        let sampled = Sampled::of(&chosen, ledger, &source.whole(replayed.segment - 1))?;
        self.sampled_sessions.extend(&chosen);
        let stream = &mut self.streams[shard as usize];
        let second = Against {
            ledger,
            sampled: &sampled,
            claims,
        };
        // The first reading has counted.
        let entries = self.watch.entries.load(Ordering::Relaxed);
        segment(folder, source, stream, second, &mut self.batch, &self.watch)?;
        self.watch.entries.store(entries, Ordering::Relaxed);
        if stream.checksum != replayed.checksum {
            return Err(another_at_second_reading(
                source.whole(replayed.segment - 1),
            ));
        }
        if let Some(checkpoint) = &self.checkpoint {
            checkpoint.write(ledger, &self.streams)?;
        }
        if self.args.delete_audited {
            self.delete(source, replayed.segment - 1)?;
        }
        Ok(())
    }

    /// Deletes a segment: the checkpoint that takes its place is durable.
    fn delete(&mut self, source: Source, number: u64) -> Result<(), AuditError> {
        let path = self.args.folder.join(source.whole(number));
        fs::remove_file(&path).map_err(AuditError::machine(&path))?;
        self.deleted += 1;
        Ok(())
    }
}
