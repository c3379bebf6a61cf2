//! `loadgen audit`: checks a run's audit log with library code alone, so that a run's figures can be
//! believed by somebody who does not trust the engine. Shares no code with it: the formats are in
//! docs/audit.md, the hashes are the `blake3` crate's, the signatures `ed25519-dalek`'s.
//!
//! 1. Layer 1 is replayed from its genesis (`l1`, `ledger`, `transaction`); its last block's hash is
//!    the tip.
//! 2. The tip and the streams' last checksums choose sessions (`sample`).
//! 3. Every shard's stream is replayed: chains, balances, settlements (`stream`, `burst`), and the
//!    chosen sessions' signatures (`signature`).
//! 4. What the manifest says is held against what was found.

mod burst;
mod bytes;
mod checkpoint;
mod finding;
mod follow;
mod hash;
mod l1;
mod ledger;
mod manifest;
mod report;
mod sample;
mod segment;
mod signature;
mod stream;
mod transaction;
mod whole;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use clap::Args;
use duet_reports::exit::Exit;

pub use finding::{AuditError, Finding};
pub use report::Report;
pub use sample::SampleSize;

use crate::drive::{complain, print};
use crate::machine;
use crate::progress::Bar;
use finding::Place;
use hash::{Digest, hex, unhex};
use l1::L1;
use manifest::{End, Manifest};
use segment::Source;
use stream::{Against, Counts, Log, Stream};

/// The options of `audit`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help_end())]
pub struct AuditArgs {
    /// The folder that `loadgen run --audit-log` has written, or is writing
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Sessions whose signatures are verified, chosen by the last block and checksums: N, N% or all
    #[arg(long, value_name = "N", default_value = "100")]
    pub sample: SampleSize,
    /// A word of your own that chooses too: nobody could know it when the log was written
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub salt: String,
    /// The last block's hash as it is known from elsewhere, such as the run file's
    /// l1.channels.tip
    #[arg(long, value_name = "HASH", value_parser = parse_tip)]
    pub tip: Option<[u8; 32]>,
    /// Threads that replay shards' streams [default: one per core]
    #[arg(long, value_name = "N", value_parser = duet_reports::units::parse_positive_count)]
    pub threads: Option<u64>,
    /// Begin while the run still runs, and audit each segment as it becomes whole
    #[arg(long)]
    pub follow: bool,
    /// Delete each shard's segment once it is audited; a checkpoint takes its place
    #[arg(long)]
    pub delete_audited: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// No progress and no table
    #[arg(long)]
    pub quiet: bool,
}

fn help_end() -> String {
    format!("{EXAMPLES}\n\n{}", duet_reports::exit::EXIT_CODES_HELP)
}

const EXAMPLES: &str = "\
Examples:
  loadgen audit log                                   chains, balances, settlements, and the
                                                      signatures of 100 sessions
  loadgen audit log --sample all                      every signature
  loadgen audit log --sample 5% --salt our-word       a sample that nobody could foresee
  loadgen audit log --follow --delete-audited         beside the run, on a disk smaller than its log";

fn parse_tip(text: &str) -> Result<[u8; 32], String> {
    unhex(text).ok_or_else(|| format!("'{text}' is not a hash: expected 64 hex digits, lower case"))
}

/// Audits what was asked; `stop` ends it early. Gives the exit code.
pub fn audit(args: &AuditArgs, stop: &AtomicBool) -> Exit {
    let (exit, text) = match check(args, stop) {
        Ok(report) if args.json => (Exit::Ok, pretty(&report.json())),
        Ok(_) if args.quiet => (Exit::Ok, String::new()),
        Ok(report) => (Exit::Ok, report.table()),
        Err(error) => {
            complain(&error);
            let exit = match error {
                AuditError::Input(_) => Exit::BadInput,
                AuditError::Machine { .. } => Exit::MachineFault,
                AuditError::Refused(_) => Exit::StoredDataRefused,
                AuditError::Interrupted => Exit::Interrupted,
            };
            let text = if args.json {
                pretty(&report::refusal(&error))
            } else {
                String::new()
            };
            (exit, text)
        }
    };
    print(&text).err().unwrap_or(exit)
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// Audits a log.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(args: &AuditArgs, stop: &AtomicBool) -> Result<Report, AuditError> {
    let begin = Instant::now();
    if !args.folder.is_dir() {
        return Err(AuditError::Input(format!(
            "'{}' is no folder",
            args.folder.display()
        )));
    }
    if args.follow || args.delete_audited {
        return follow::check(args, stop, begin);
    }
    let manifest = Manifest::read(&args.folder)?;
    let Some(end) = &manifest.end else {
        let found = "running: the run runs (--follow audits as it goes) or was cut off";
        return Err(Finding::of_file(
            manifest::NAME,
            "the state",
            "complete",
            found,
        ));
    };
    let streams = checkpoint::read(&args.folder, &manifest)?;
    let streams = streams.unwrap_or_else(|| fresh(&manifest));
    check_names(&args.folder, end, &streams)?;
    let mut l1 = L1::new(&args.folder, &manifest.genesis);
    l1.follow()?;
    checkpoint::check(&streams, &l1.ledger)?;
    check_l1(&l1, end, args.tip.as_ref())?;
    let sampled = l1.sample(args, end)?;
    let signatures_l1 = l1.verify(&sampled)?;
    let threads = args.threads.unwrap_or_else(machine::cores);
    let against = Against {
        ledger: &l1.ledger,
        sampled: &sampled,
        sessions: manifest.sessions,
    };
    let folder = &args.folder;
    let bar = Bar::new("audit", end.payments, args.quiet || args.json);
    let done = whole::replay(folder, end, against, streams, threads, &bar, stop)?;
    conclude(&l1, end, &done.streams)?;
    Ok(report(
        args,
        &l1,
        &done.streams,
        Told {
            signatures_l1,
            sampled_sessions: sampled.len() as u64,
            followed: false,
            deleted: 0,
            wall: begin.elapsed(),
            replay_ns: done.replay_ns,
            threads: done.threads,
        },
    ))
}

/// Streams of which nothing was read.
fn fresh(manifest: &Manifest) -> Vec<Stream> {
    (0..manifest.shards).map(|_| Stream::new()).collect()
}

/// What a report says beside what the streams and Layer 1 do.
struct Told {
    signatures_l1: u64,
    sampled_sessions: u64,
    followed: bool,
    deleted: u64,
    wall: Duration,
    replay_ns: u64,
    threads: u64,
}

fn report(args: &AuditArgs, l1: &L1, streams: &[Stream], told: Told) -> Report {
    let sum = |count: fn(&Counts) -> u64| streams.iter().map(|stream| count(&stream.counts)).sum();
    let ledger = &l1.ledger;
    let signatures: u64 = sum(|counts| counts.signatures);
    Report {
        genesis: ledger.genesis,
        tip: ledger.tip,
        tip_given: args.tip.is_some(),
        height: ledger.height,
        transactions: ledger.transactions,
        failed: ledger.failed,
        opened: ledger.channels.len() as u64,
        closed: ledger.closed,
        supply: ledger.supply(),
        entries: sum(|counts| counts.entries),
        bursts: sum(|counts| counts.bursts),
        bytes: sum(|counts| counts.bytes),
        sample: match args.sample {
            SampleSize::All => "all".to_owned(),
            SampleSize::Sessions(count) => format!("at most {count}"),
            SampleSize::Share(share) => format!("{}%", share * 100.0),
        },
        sampled_sessions: told.sampled_sessions,
        signatures: signatures + told.signatures_l1,
        followed: told.followed,
        deleted: told.deleted,
        wall_s: told.wall.as_secs_f64(),
        replay_s: told.replay_ns as f64 / 1e9,
        threads: told.threads,
    }
}

/// Holds the replayed Layer 1 against the manifest, and against the tip that is known from
/// elsewhere.
fn check_l1(l1: &L1, end: &End, tip: Option<&Digest>) -> Result<(), AuditError> {
    let place = Place {
        file: manifest::NAME,
        offset: None,
    };
    let ledger = &l1.ledger;
    l1.check_end(&end.l1)?;
    if !ledger.has_begun() {
        return Err(Finding::of_file(
            Source::L1.whole(0),
            "first balances",
            "all",
            "some",
        ));
    }
    if end.tip != ledger.tip {
        return Err(place.finding("the tip", hex(&ledger.tip), hex(&end.tip)));
    }
    if let Some(tip) = tip
        && *tip != ledger.tip
    {
        return Err(place.finding(
            "the tip",
            format!("{}, as given", hex(tip)),
            hex(&ledger.tip),
        ));
    }
    let table = [
        ("the height", ledger.height, end.height),
        (
            "Layer 1's transactions",
            ledger.transactions,
            end.l1_transactions,
        ),
        (
            "sessions opened",
            ledger.channels.len() as u64,
            end.sessions_opened,
        ),
        ("sessions closed", ledger.closed, end.sessions_closed),
    ];
    for (what, expected, found) in table {
        if expected != found {
            return Err(place.finding(what, expected, found));
        }
    }
    ledger.check_supply(&Source::L1.whole(end.l1.segments - 1))
}

/// What can be said only at the end: every stream is whole, every channel was told of by one stream,
/// and every closed one to its closed version.
fn conclude(l1: &L1, end: &End, streams: &[Stream]) -> Result<(), AuditError> {
    let channels = &l1.ledger.channels;
    let mut told = vec![None; channels.len()];
    for (shard, stream) in (0..).zip(streams) {
        let source = Source::Shard(shard);
        let ended = end.stream(source);
        l1::check_end(source, ended, stream.segment, &stream.checksum)?;
        let file = source.whole(ended.segments - 1);
        let place = Place {
            file: &file,
            offset: None,
        };
        for (index, log) in &stream.logs {
            let channel = &channels[*index as usize];
            if let Some(other) = told[*index as usize].replace(shard) {
                let expected = format!("in one stream, {}", Source::Shard(other).name());
                return Err(place.finding("the channel", expected, hex(&channel.id)));
            }
            let (Log::Running(log), Some(closed)) = (log, &channel.closed) else {
                continue;
            };
            let expected = (closed.version, closed.balance_a, closed.head);
            if (log.version, log.balance_a, log.head) != expected {
                let shown = |version: u64, balance: u64, head: &Digest| {
                    format!(
                        "version {version}, A's balance {balance}, head {}",
                        hex(head)
                    )
                };
                let expected = shown(closed.version, closed.balance_a, &closed.head);
                let found = shown(log.version, log.balance_a, &log.head);
                let finding = place.finding("the state that Layer 1 closed", expected, found);
                return Err(finding.about(log.session, Some(log.version)));
            }
        }
    }
    for (channel, told) in channels.iter().zip(&told) {
        if let Some(closed) = channel.closed
            && closed.version > 0
            && told.is_none()
        {
            let expected = format!("{} of channel {}", closed.version, hex(&channel.id));
            return Err(Finding::of_file(manifest::NAME, "entries", expected, 0));
        }
    }
    let entries: u64 = streams.iter().map(|stream| stream.counts.entries).sum();
    if entries != end.payments {
        return Err(Finding::of_file(
            manifest::NAME,
            "payments",
            entries,
            end.payments,
        ));
    }
    Ok(())
}

/// Refuses segments that the manifest does not know of.
fn check_names(folder: &Path, end: &End, streams: &[Stream]) -> Result<(), AuditError> {
    let names = std::fs::read_dir(folder).map_err(AuditError::machine(folder))?;
    let mut known = std::collections::HashSet::new();
    known.extend((0..end.l1.segments).map(|number| Source::L1.whole(number)));
    for (shard, stream) in (0..).zip(streams) {
        let source = Source::Shard(shard);
        // Those before a checkpoint may be there still: its auditor was stopped before it had
        // deleted them.
        let from = stream.segment.saturating_sub(1);
        known.extend((from..end.stream(source).segments).map(|number| source.whole(number)));
    }
    for name in names {
        let name = name.map_err(AuditError::machine(folder))?.file_name();
        let name = name.to_string_lossy();
        if (name.ends_with(".audit") || name.ends_with(".part")) && !known.contains(&*name) {
            return Err(Finding::of_file(
                name,
                "the file",
                "none of this name",
                "one",
            ));
        }
    }
    Ok(())
}

impl L1 {
    /// The sessions that the run's end chooses.
    fn sample(&self, args: &AuditArgs, end: &End) -> Result<signature::Sampled, AuditError> {
        let checksums = end.shards.iter().map(|stream| &stream.checksum);
        let seed = sample::seed(&self.ledger.tip, checksums, &args.salt);
        let channels = self.ledger.channels.iter();
        let ids: Vec<(u32, &Digest)> = (0..).zip(channels.map(|channel| &channel.id)).collect();
        let chosen = args.sample.choose(&seed, ids.into_iter());
        signature::Sampled::of(&chosen, &self.ledger, &Source::L1.whole(0))
    }
}
