//! What an audit checked, for people and for machines.

use std::fmt::Write;

use duet_reports::human;
use serde_json::{Value, json};

use super::finding::{AuditError, Finding};
use super::hash::{Digest, hex};

/// What an audit that found nothing wrong has checked.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) genesis: Digest,
    pub(super) tip: Digest,
    /// Whether the reader brought the tip from elsewhere.
    pub(super) tip_given: bool,
    pub(super) height: u64,
    pub(super) transactions: u64,
    pub(super) failed: u64,
    pub(super) opened: u64,
    pub(super) closed: u64,
    pub(super) supply: u128,
    pub(super) entries: u64,
    pub(super) bursts: u64,
    pub(super) bytes: u64,
    pub(super) sample: String,
    /// Sessions whose signatures were verified, and those signatures.
    pub(super) sampled_sessions: u64,
    pub(super) signatures: u64,
    /// The samples were chosen segment by segment, while the run ran.
    pub(super) followed: bool,
    pub(super) deleted: u64,
    pub(super) wall_s: f64,
    /// CPU time of replaying shards' streams, signatures aside.
    pub(super) replay_s: f64,
    pub(super) threads: u64,
}

impl Report {
    fn per_core(&self) -> f64 {
        self.entries as f64 / self.replay_s.max(1e-9)
    }

    /// A table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text =
            String::from("CLEAN: chains, balances, settlements and the sampled signatures hold\n");
        let mut row = |name: &str, value: String| {
            let _ = writeln!(text, "{name:<11} {value}");
        };
        let compared = if self.tip_given { ", as given" } else { "" };
        row(
            "L1",
            format!(
                "{} blocks, {} transactions ({} failed), supply {} conserved",
                human::count(self.height),
                human::count(self.transactions),
                self.failed,
                self.supply,
            ),
        );
        row("tip", format!("{}{compared}", hex(&self.tip)));
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
                "{} in {}, {}, {:.1} bytes an entry",
                human::count(self.entries),
                human::counted(self.bursts, "burst"),
                human::bytes(self.bytes as f64),
                self.bytes as f64 / self.entries.max(1) as f64,
            ),
        );
        let chosen = if self.followed {
            "segment by segment"
        } else {
            "by the last block and checksums"
        };
        row(
            "signatures",
            format!(
                "{} of {} ({}), chosen {chosen}",
                human::count(self.signatures),
                human::counted(self.sampled_sessions, "session"),
                self.sample,
            ),
        );
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
            "l1": {
                "genesis": hex(&self.genesis),
                "tip": hex(&self.tip),
                "tip_given": self.tip_given,
                "blocks": self.height,
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
                "entries": number(self.entries.into()),
                "bursts": self.bursts,
                "bytes": number(self.bytes.into()),
                "segments_deleted": self.deleted,
            },
            "sample": {
                "asked": self.sample,
                "chosen": if self.followed { "by segment" } else { "by end" },
                "sessions": self.sampled_sessions,
                "signatures": self.signatures,
            },
            "time": {
                "wall_s": self.wall_s,
                "replay_cpu_s": self.replay_s,
                "threads": self.threads,
                "entries_per_s_per_core": self.per_core(),
            },
        })
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
pub(super) fn refusal(error: &AuditError) -> Value {
    let mut value = json!({ "schema": 1, "clean": false, "error": error.to_string() });
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
