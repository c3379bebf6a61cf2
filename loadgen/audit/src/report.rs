//! What an audit checked, for people and for machines: and what it did not look at.

use std::fmt::Write;
use std::time::Duration;

use duet_terminal::human;
use duet_terminal::layout;
use serde_json::{Value, json};

use super::burst::Largest;
use super::checkpoint::{Checkpoint, Looked};
use super::finding::{AuditError, Finding};
use super::hash::{Digest, hex};
use super::ledger::Ledger;
use super::manifest::Claims;
use super::sample::{Rule, Salt, SampleSize};
use super::stream::{Counts, Stream};
use super::validators::Voters;
use super::{AuditArgs, early};

/// What an audit that found nothing wrong has checked.
#[derive(Clone, Debug)]
pub struct Report {
    genesis: Digest,
    tip: Digest,
    /// Whether the reader brought the tip from elsewhere.
    tip_given: bool,
    blocks: u64,
    /// Who has decided about blocks, and how many certificates say so.
    votes: Option<(Voters, u64)>,
    /// Whether the reader brought their keys from elsewhere.
    keys_given: bool,
    /// Whether each block's header has the root of the state after it, which was made again.
    state_root: bool,
    transactions: u64,
    failed: u64,
    opened: u64,
    closed: u64,
    supply: u128,
    entries: u128,
    bursts: u128,
    bytes: u128,
    claims: Claims,
    largest: Largest,
    rule: Rule,
    /// Whether a pass verified a sample that the log's writer could choose.
    writer_chose: bool,
    /// Sessions of which every signature was verified, in this pass or in one before.
    sessions: u64,
    /// Signatures that there are, those verified in this pass, and in all of them.
    signatures: u128,
    verified_now: u128,
    verified: u128,
    /// The sample was fixed before the log had ended.
    early: bool,
    checkpoint: Option<Rests>,
    deleted: u64,
    wall_s: f64,
    /// CPU time of replaying shards' streams, signatures aside.
    replay_s: f64,
    threads: u64,
}

/// What only a checkpoint says.
#[derive(Clone, Debug)]
struct Rests {
    file: String,
    entries: u128,
    bursts: u128,
    bytes: u128,
    verified: u128,
    /// The sample that all passes before had in common.
    rule: Option<Rule>,
}

/// What a report says beside what the streams and Layer 1 do.
pub(super) struct Told<'a> {
    pub(super) claims: Claims,
    pub(super) early: bool,
    pub(super) checkpoint: Option<&'a Checkpoint>,
    /// What the checkpoint says of the passes before; `None` without any.
    pub(super) looked: Option<Looked>,
    pub(super) signatures_l1: u64,
    pub(super) sampled_sessions: u64,
    pub(super) deleted: u64,
    pub(super) wall: Duration,
    pub(super) replay_ns: u64,
    pub(super) threads: u64,
}

impl Report {
    pub(super) fn of(
        args: &AuditArgs,
        ledger: &Ledger,
        streams: &[Stream],
        told: &Told<'_>,
    ) -> Report {
        let all = |count: fn(&Counts) -> u64| -> u128 {
            streams
                .iter()
                .map(|stream| u128::from(count(&stream.counts)))
                .sum()
        };
        let rests = |count: fn(&Counts) -> u64| -> u128 {
            streams
                .iter()
                .map(|stream| u128::from(count(&stream.rests)))
                .sum()
        };
        let largest = streams.iter().map(|stream| stream.largest);
        let rule = args.rule();
        // Of a log of which nothing rests on it, a checkpoint says nothing.
        let earlier = told.looked.filter(|_| rests(|counts| counts.entries) > 0);
        let looked = earlier.map_or(Looked::by(rule), |earlier| earlier.and(rule));
        let sessions = match looked.rule.size {
            size if size == rule.size => told.sampled_sessions,
            SampleSize::All => ledger.channels.len() as u64,
            _ => chosen(looked.rule, ledger),
        };
        let verified = all(|counts| counts.verified) + u128::from(told.signatures_l1);
        Report {
            genesis: ledger.genesis,
            tip: ledger.tip(),
            tip_given: args.tip.is_some(),
            blocks: ledger.blocks(),
            votes: ledger.votes(),
            keys_given: args.validators.is_some(),
            state_root: ledger.has_state_root(),
            transactions: ledger.transactions,
            failed: ledger.failed,
            opened: ledger.channels.len() as u64,
            closed: ledger.closed,
            supply: ledger.supply(),
            entries: all(|counts| counts.entries),
            bursts: all(|counts| counts.bursts),
            bytes: all(|counts| counts.bytes),
            claims: told.claims,
            largest: largest.fold(Largest::default(), Largest::or),
            rule,
            writer_chose: looked.writer_chose,
            sessions,
            signatures: all(|counts| counts.signatures) + u128::from(ledger.signatures),
            verified_now: verified - rests(|counts| counts.verified),
            verified,
            early: told.early,
            checkpoint: told.checkpoint.map(|checkpoint| Rests {
                file: checkpoint.name().to_owned(),
                entries: rests(|counts| counts.entries),
                bursts: rests(|counts| counts.bursts),
                bytes: rests(|counts| counts.bytes),
                verified: rests(|counts| counts.verified),
                rule: earlier.map(|looked| looked.rule),
            }),
            deleted: told.deleted,
            wall_s: told.wall.as_secs_f64(),
            replay_s: told.replay_ns as f64 / 1e9,
            threads: told.threads,
        }
    }

    /// Entries that were looked at in this pass.
    fn looked_at(&self) -> u128 {
        let rests = self.checkpoint.as_ref().map_or(0, |rests| rests.entries);
        self.entries - rests
    }

    /// Not a number where the clock did not tell what it took.
    fn per_core(&self) -> f64 {
        match self.replay_s > 0.0 {
            true => self.looked_at() as f64 / self.replay_s,
            false => f64::NAN,
        }
    }

    /// What holds, in one line: no more than was looked at.
    #[must_use]
    pub fn verdict(&self) -> String {
        let rests = self.checkpoint.as_ref().filter(|rests| rests.entries > 0);
        let clean = match rests {
            None => "CLEAN",
            Some(_) => "CLEAN, as far as was looked at",
        };
        let mut text = format!("{clean}: chains, balances and settlements hold");
        let there = exact(self.signatures);
        if self.verified == self.signatures {
            let _ = write!(text, ", and all {there} signatures");
        } else if self.verified == 0 {
            let _ = write!(text, "; none of {there} signatures was verified");
        } else {
            let _ = write!(text, ", and {} of {there} signatures", exact(self.verified));
            if self.sessions > 0 {
                let (sessions, opened) = (self.sessions.into(), self.opened.into());
                let (sessions, opened) = (exact(sessions), exact(opened));
                let _ = write!(text, ", all those of {sessions} of {opened} sessions");
            }
            if self.writer_chose {
                text += " that the log's writer could choose";
            }
        }
        if let Some(rests) = rests {
            let _ = write!(
                text,
                "; {} of {} entries and {} of these signatures rest on the checkpoint",
                exact(rests.entries),
                exact(self.entries),
                exact(rests.verified),
            );
        }
        if let Some(votes) = self.votes {
            let whose = match self.keys_given {
                true => "whose keys are as given",
                false => "whose keys are the log's own word",
            };
            let _ = write!(text, "; {}, {whose}", certificates_of(votes));
        }
        text
    }

    /// What was asked for.
    fn asked(&self) -> String {
        self.rule.asked()
    }

    /// A table for people.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "one table, line by line")]
    pub fn table(&self) -> String {
        let mut text = layout::text(&layout::flow("", &[self.verdict()], ""));
        let mut row = |name: &str, value: String| {
            text += &layout::text(&layout::flow(&format!("{name:<11} "), &[value], ""));
        };
        let compared = if self.tip_given { ", as given" } else { "" };
        let roots = if self.state_root {
            " with state roots"
        } else {
            ""
        };
        row(
            "L1",
            format!(
                "{} blocks{roots}, {} transactions ({} failed), supply {} conserved",
                human::count(self.blocks),
                human::count(self.transactions),
                self.failed,
                self.supply,
            ),
        );
        row("tip", format!("{}{compared}", hex(&self.tip)));
        let votes = self.votes.map(|votes| {
            let given = if self.keys_given { ", as given" } else { "" };
            format!(
                "{}, keys {}{given}",
                certificates_of(votes),
                hex(&votes.0.keys)
            )
        });
        let none = || "none: the log names nobody who decided about blocks".to_owned();
        row("votes", votes.unwrap_or_else(none));
        let open = self.opened - self.closed;
        let open = match open {
            0 => String::new(),
            open => format!("; {open} still open: no settlement vouches for their last balances"),
        };
        row(
            "channels",
            format!(
                "{} opened, {} closed as their logs end{open}",
                human::count(self.opened),
                human::count(self.closed),
            ),
        );
        row(
            "entries",
            format!(
                "{} in {} bursts, {}, {:.1} bytes an entry",
                count(self.entries),
                count(self.bursts),
                human::bytes(self.bytes as f64),
                self.bytes as f64 / self.entries.max(1) as f64,
            ),
        );
        let Largest {
            interval,
            at_risk,
            in_flight,
        } = self.largest;
        row(
            "intervals",
            format!(
                "k of {interval} found, {} claimed, {at_risk} at risk; {in_flight} in flight found, {} \
                 claimed",
                self.claims.cosign_every, self.claims.in_flight,
            ),
        );
        row(
            "",
            "found is the least: the log's writer could have cut bursts, or signed states in between"
                .to_owned(),
        );
        let chosen = match (self.rule.salt, self.early) {
            (None, _) => "",
            (Some(_), true) => ", chosen from the start",
            (Some(_), false) => ", chosen by the last block and checksums",
        };
        row(
            "signatures",
            format!(
                "{} verified in this pass, of {} (sessions: {}){chosen}",
                exact(self.verified_now),
                exact(self.signatures),
                self.asked(),
            ),
        );
        match self.rule.salt {
            None => {}
            Some(Salt::None) => row(
                "salt",
                "none: whoever wrote the log could choose the sample".to_owned(),
            ),
            Some(salt) => row(
                "salt",
                // A word of 64 digits fills its line.
                format!("{} {}; --salt repeats it", salt.shown(), salt.origin()),
            ),
        }
        if let Some(rests) = &self.checkpoint {
            let common = rests
                .rule
                .map(|rule| format!(" ({} in common)", rule.asked()));
            let common = common.unwrap_or_default();
            row(
                "checkpoint",
                format!(
                    "{}: {} of {} entries were not looked at in this pass; passes before verified {} of \
                     their signatures{common}; all {} blocks were looked at",
                    rests.file,
                    exact(rests.entries),
                    exact(self.entries),
                    exact(rests.verified),
                    human::count(self.blocks),
                ),
            );
        }
        row(
            "time",
            format!(
                "{} on {}; replay {} entries/s/core, signatures aside",
                human::seconds(self.wall_s),
                human::counted(self.threads, "thread"),
                human::figure(self.per_core()),
            ),
        );
        if self.deleted > 0 {
            row("deleted", human::counted(self.deleted, "segment"));
        }
        text
    }

    /// The same for machines.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "schema": 1,
            "clean": true,
            "verdict": self.verdict(),
            "l1": {
                "genesis": hex(&self.genesis),
                "tip": hex(&self.tip),
                "tip_given": self.tip_given,
                "blocks": self.blocks,
                "state_root": self.state_root,
                "votes": self.votes.map(|votes| votes_json(votes, self.keys_given)),
                "transactions": self.transactions,
                "failed": self.failed,
                "supply": number(self.supply),
            },
            "channels": {
                "opened": self.opened,
                "closed": self.closed,
                "still_open": self.opened - self.closed,
            },
            "log": {
                "entries": number(self.entries),
                "bursts": number(self.bursts),
                "bytes": number(self.bytes),
                "segments_deleted": self.deleted,
            },
            "assurance": {
                "cosign_every": self.claims.cosign_every,
                "largest_interval": number(self.largest.interval.into()),
                "value_at_risk_max": number(self.largest.at_risk.into()),
                "in_flight": self.claims.in_flight,
                "most_in_flight": number(self.largest.in_flight.into()),
            },
            "sample": {
                "asked": self.asked(),
                "chosen": match self.rule.salt {
                    None => self.asked(),
                    Some(_) if self.early => "from the start".to_owned(),
                    Some(_) => "by end".to_owned(),
                },
                "salt": self.rule.salt.map(|salt| salt.shown()),
                "salt_from": self.rule.salt.map(|salt| salt.origin()),
                "writer_could_choose": self.writer_chose,
                // Of which every signature was verified, in this pass or in one before.
                "sessions": self.sessions,
                // In this pass.
                "signatures": number(self.verified_now),
            },
            // In all passes.
            "signatures": {
                "there": number(self.signatures),
                "verified": number(self.verified),
            },
            // What was not looked at in this pass.
            "checkpoint": self.checkpoint.as_ref().map(|rests| json!({
                "file": rests.file,
                "entries": number(rests.entries),
                "bursts": number(rests.bursts),
                "bytes": number(rests.bytes),
                "signatures": number(rests.verified),
                "sample": rests.rule.map(Rule::asked),
                "blocks": 0,
            })),
            "time": {
                "wall_s": self.wall_s,
                "replay_cpu_s": self.replay_s,
                "threads": self.threads,
                "entries_per_s_per_core": self.per_core(),
            },
        })
    }
}

/// Who decided, for machines.
fn votes_json((voters, certificates): (Voters, u64), keys_given: bool) -> Value {
    json!({
        "validators": voters.validators,
        "certificates": certificates,
        "keys": hex(&voters.keys),
        "keys_given": keys_given,
    })
}

/// By whom, in words.
fn certificates_of((voters, certificates): (Voters, u64)) -> String {
    let certificates = human::counted(certificates, "certificate");
    let by = human::counted(voters.validators, "validator");
    format!("{certificates} of {by}")
}

/// As people read it.
fn count(count: u128) -> String {
    human::count(u64::try_from(count).unwrap_or(u64::MAX))
}

/// To the last digit.
fn exact(count: u128) -> String {
    u64::try_from(count).map_or_else(|_| count.to_string(), human::grouped)
}

/// The sessions that a rule chooses of a log that was still growing.
fn chosen(rule: Rule, ledger: &Ledger) -> u64 {
    let mut chooser = early(rule, &ledger.genesis);
    let channels = (0..).zip(&ledger.channels);
    let left_out = channels.filter(|(index, channel)| chooser.take(*index, &channel.id).is_some());
    ledger.channels.len() as u64 - left_out.count() as u64
}

impl Rule {
    /// As it is asked for.
    fn asked(self) -> String {
        match self.size {
            SampleSize::All => "all".to_owned(),
            SampleSize::Sessions(count) => format!("at most {count}"),
            // A share has fewer digits than the error of its division by a hundred begins at.
            SampleSize::Share(share) => format!("{}%", (share * 1e14).round() / 1e12),
        }
    }
}

/// Numbers above 2^53 are strings, as in run files.
fn number(value: u128) -> Value {
    match u64::try_from(value) {
        Ok(small) if small <= 1 << 53 => json!(small),
        _ => json!(value.to_string()),
    }
}

/// What went wrong, for machines.
#[must_use]
pub(super) fn refusal(error: &AuditError, salt: Option<Salt>) -> Value {
    let mut value = json!({
        "schema": 1,
        "clean": false,
        "error": error.to_string(),
        "salt": salt.map(|salt| salt.shown()),
    });
    if let AuditError::Refused(finding) = error {
        let Finding {
            file,
            offset,
            session,
            version,
            what,
            expected,
            found,
        } = &**finding;
        let digits = |number: &Option<u64>| number.map(|number| self::number(number.into()));
        value["finding"] = json!({
            "file": file,
            "offset": digits(offset),
            "session": digits(session),
            "version": digits(version),
            "what": what,
            "expected": expected,
            "found": found,
        });
    }
    value
}
