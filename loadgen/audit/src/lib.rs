//! `loadgen audit`: checks a run's audit log with library code alone, so that a run's figures can
//! be believed by somebody who does not trust the engine. Shares no code with it: the formats are
//! in docs/audit.md, the hashes are the `blake3` crate's, the signatures `ed25519-zebra`'s.
//!
//! 1. Only plain files are opened (`folder`), and no more of them is read at once than a chunk may
//!    have (`segment`): the folder's writer may be hostile.
//! 2. Layer 1 is replayed from its genesis (`l1`, `genesis`, `ledger`), at its own limits and
//!    prices (`scarcity`), and with the roots of its state (`state`); its last block's hash is the
//!    tip.
//! 3. A salt, and the tip and the streams' last checksums where those are known, choose sessions
//!    (`sample`).
//! 4. Every shard's stream is replayed: chains, balances, settlements (`stream`, `burst`), and the
//!    chosen sessions' signatures (`signature`).
//! 5. What the manifest says is held against what was found (`conclude`).

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

mod burst;
mod bytes;
mod checkpoint;
mod claim;
mod conclude;
mod finding;
mod folder;
mod follow;
mod genesis;
mod hash;
mod l1;
mod ledger;
mod manifest;
mod report;
mod sample;
mod scarcity;
mod segment;
mod segments;
mod signature;
mod source;
mod state;
mod stream;
mod transaction;
mod validators;
mod whole;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use duet_terminal::exit::Exit;
use duet_terminal::paths::Paths;

pub use finding::{AuditError, Finding};
pub use report::Report;
pub use sample::{Salt, SampleSize};

use checkpoint::{Checkpoint, Kept};
use duet_terminal::progress::Bar;
use duet_terminal::say::{complain, print, say};
use duet_terminal::threads;
use hash::{Digest, unhex};
use l1::L1;
use manifest::{End, Manifest};
use report::Told;
use sample::{Chooser, Rule};
use signature::Sampled;
use stream::{Against, Stream};

/// The options of `audit`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help_end())]
pub struct AuditArgs {
    /// The folder that `loadgen run --audit-log` has written, or is writing
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Sessions whose signatures are verified: N, each one with a chance of N%, or all
    #[arg(long, value_name = "N", default_value = "100")]
    pub sample: SampleSize,
    /// What chooses them, as 64 hex digits, to repeat an audit that printed it; none lets the log
    /// alone choose [default: drawn, and printed at the end]
    #[arg(long, value_name = "HEX|none")]
    pub salt: Option<Salt>,
    /// The last block's hash as it is known from elsewhere, such as the run file's
    /// l1.channels.tip
    #[arg(long, value_name = "HASH", value_parser = parse_tip)]
    pub tip: Option<[u8; 32]>,
    /// What tells the validators' keys from others as it is known from elsewhere, such as the run
    /// file's l1.chain.consensus.keys: these, and no others, have decided about all blocks
    #[arg(long, value_name = "HASH", value_parser = parse_tip)]
    pub validators: Option<[u8; 32]>,
    /// Threads that replay shards' streams [default: one per core]
    #[arg(long, value_name = "N", value_parser = duet_terminal::units::parse_positive_count)]
    pub threads: Option<u64>,
    /// Begin while the run still runs, and audit each segment as it becomes whole
    #[arg(long)]
    pub follow: bool,
    /// Delete each shard's segment once it is audited; the checkpoint takes its place
    #[arg(long, requires = "checkpoint")]
    pub delete_audited: bool,
    /// Go on where an earlier audit left off, as this file of its own says, with its salt; --follow
    /// and --delete-audited keep it up to date. It lies outside of DIR
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// No progress and no table
    #[arg(long)]
    pub quiet: bool,
}

fn help_end() -> String {
    format!("{EXAMPLES}\n\n{}", duet_terminal::exit::EXIT_CODES_HELP)
}

const EXAMPLES: &str = "\
Examples:
  loadgen audit log                                   chains, balances, settlements, and the
                                                      signatures of 100 sessions
  loadgen audit log --sample all                      every signature
  loadgen audit log --sample 5%                       those of a twentieth, drawn at random
  loadgen audit log --follow --delete-audited --checkpoint audit.checkpoint
                                                      beside the run, on a disk smaller than its log";

fn parse_tip(text: &str) -> Result<[u8; 32], String> {
    unhex(text).ok_or_else(|| format!("'{text}' is not a hash: expected 64 hex digits, lower case"))
}

/// Audits what was asked; `stop` ends it early. Gives the exit code.
pub fn audit(args: &AuditArgs, stop: &AtomicBool) -> Exit {
    let mut args = args.clone();
    let outcome = args.draw_salt().and_then(|()| check(&args, stop));
    let (exit, text) = match outcome {
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
            let salt = args.salt_to_tell(&error);
            if let Some(salt) = salt {
                say(format_args!(
                    "The sample was chosen with --salt {}.",
                    salt.shown()
                ));
            }
            let text = if args.json {
                pretty(&report::refusal(&error, salt))
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

impl AuditArgs {
    /// Draws the salt unless one is given or kept, or nothing is left to choose.
    fn draw_salt(&mut self) -> Result<(), AuditError> {
        if self.sample.is_part() {
            // An audit that goes on chooses as it has begun.
            let kept = || self.checkpoint.as_deref().and_then(checkpoint::kept_salt);
            let salt = self.salt.or_else(kept);
            self.salt = Some(salt.map_or_else(Salt::draw, Ok)?);
        } else {
            self.salt = None;
        }
        Ok(())
    }

    /// What repeats an audit that refuses the log: not a salt that the checkpoint keeps, which
    /// repeats it too, since that chooses in the next pass as well, and the log's writer may not
    /// know it before.
    fn salt_to_tell(&self, error: &AuditError) -> Option<Salt> {
        let salt = self
            .salt
            .filter(|_| matches!(error, AuditError::Refused(_)))?;
        let kept = self.checkpoint.as_deref().and_then(checkpoint::kept_salt);
        let is_kept = kept.is_some_and(|kept| kept.bytes() == salt.bytes());
        (salt == Salt::None || !is_kept).then_some(salt)
    }

    /// Which sessions' signatures are verified.
    fn rule(&self) -> Rule {
        Rule {
            size: self.sample,
            salt: self.salt,
        }
    }
}

/// Audits a log.
///
/// # Errors
/// The first thing that is wrong.
#[expect(
    clippy::too_many_lines,
    reason = "the steps of an audit, in their order"
)]
pub fn check(args: &AuditArgs, stop: &AtomicBool) -> Result<Report, AuditError> {
    let begin = Instant::now();
    let mut args = args.clone();
    args.draw_salt()?;
    let args = &args;
    if !args.folder.is_dir() {
        return Err(AuditError::Input(format!(
            "'{}' is no folder",
            args.folder.display()
        )));
    }
    let checkpoint = args.checkpoint.as_deref();
    let checkpoint = checkpoint.map(|file| Checkpoint::outside(file, &args.folder));
    let checkpoint = checkpoint.transpose()?;
    if args.follow || args.delete_audited {
        let writes = Paths::default().writes("--checkpoint", args.checkpoint.as_deref());
        writes.check().map_err(AuditError::Input)?;
        return follow::check(args, checkpoint, stop, begin);
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
    let mut l1 = L1::new(&args.folder, &manifest.genesis, stop);
    l1.follow()?;
    conclude::check_l1(&l1, end, args.tip.as_ref())?;
    conclude::check_votes(
        &l1.ledger,
        manifest.voters.as_ref(),
        args.validators.as_ref(),
    )?;
    let kept = match &checkpoint {
        None => None,
        Some(checkpoint) => {
            let read = checkpoint.read(manifest.shards, manifest.claims, &l1.ledger)?;
            Some(read.ok_or_else(|| {
                let name = checkpoint.name();
                AuditError::Input(format!("--checkpoint '{name}': there is no such file"))
            })?)
        }
    };
    let rule = args.rule();
    let (streams, looked, mut sampled) = match kept {
        None => {
            let chooser = l1.choose(rule, end);
            (fresh(&manifest), None, Sampled::new(chooser))
        }
        Some(Kept { streams, looked }) => {
            let chooser = early(rule, &manifest.genesis);
            (streams, Some(looked), Sampled::new(chooser))
        }
    };
    segments::check(&args.folder, end, &streams)?;
    sampled.follow(&l1.ledger)?;
    let signatures_l1 = l1.verify_sample(rule, &sampled)?;
    let threads = args.threads.unwrap_or_else(threads::cores);
    let against = Against {
        ledger: &l1.ledger,
        sampled: &sampled,
        claims: manifest.claims,
    };
    let folder = &args.folder;
    let bar = Bar::new("audit", end.payments, args.quiet || args.json);
    let done = whole::replay(folder, end, against, streams, threads, &bar, stop)?;
    conclude::check_streams(&l1.ledger, end, &done.streams)?;
    Ok(Report::of(
        args,
        &l1.ledger,
        &done.streams,
        &Told {
            claims: manifest.claims,
            early: looked.is_some(),
            checkpoint: checkpoint.as_ref(),
            looked,
            signatures_l1,
            sampled_sessions: sampled.len(),
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

/// Chooses among the sessions of a log that still grows, or that was read in several passes.
fn early(rule: Rule, genesis: &Digest) -> Chooser {
    let seed = sample::early_seed(genesis, rule.salt.unwrap_or(Salt::None));
    Chooser::new(rule.size, seed)
}

impl L1<'_> {
    /// Lets the run's end choose.
    fn choose(&self, rule: Rule, end: &End) -> Chooser {
        let checksums = end.shards.iter().map(|stream| &stream.checksum);
        let salt = rule.salt.unwrap_or(Salt::None);
        Chooser::new(rule.size, sample::seed(&self.ledger.tip(), checksums, salt))
    }

    /// Verifies the signatures of the sample's transactions, unless none is asked for; gives their
    /// number.
    fn verify_sample(&self, rule: Rule, sampled: &Sampled) -> Result<u64, AuditError> {
        if rule.size.is_none() {
            return Ok(0);
        }
        self.verify(sampled)
    }
}
