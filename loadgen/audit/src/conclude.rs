//! Holds what was replayed against what the manifest claims, and Layer 1 and the streams against
//! each other. Said only at the end: every stream is whole, and told of every channel to the state
//! that Layer 1 closed it in.

use super::finding::{AuditError, Finding, Place};
use super::hash::{Digest, hex};
use super::l1::{L1, check_end};
use super::ledger::Ledger;
use super::manifest::{self, End};
use super::source::Source;
use super::stream::{Log, Stream};
use super::validators::Voters;

/// Holds the replayed Layer 1 against the manifest, and against the tip that is known from
/// elsewhere.
pub(super) fn check_l1(l1: &L1<'_>, end: &End, tip: Option<&Digest>) -> Result<(), AuditError> {
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
    if end.tip != ledger.tip() {
        return Err(place.finding("the tip", hex(&ledger.tip()), hex(&end.tip)));
    }
    if let Some(tip) = tip
        && *tip != ledger.tip()
    {
        return Err(place.finding(
            "the tip",
            format!("{}, as given", hex(tip)),
            hex(&ledger.tip()),
        ));
    }
    let table = [
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
    check_height(ledger, end.height, place)?;
    ledger.check_certified(place)?;
    for (what, expected, found) in table {
        if expected != found {
            return Err(place.finding(what, expected, found));
        }
    }
    ledger.check_supply(&Source::L1.whole(end.l1.segments - 1))
}

/// Holds who decided about blocks against the manifest, and against the keys that are known from
/// elsewhere. Every block has its certificate where somebody did.
pub(super) fn check_votes(
    ledger: &Ledger,
    claimed: Option<&Voters>,
    given: Option<&Digest>,
) -> Result<(), AuditError> {
    let place = Place {
        file: manifest::NAME,
        offset: None,
    };
    let shown = |voters: Option<&Voters>| voters.map_or("none".to_owned(), ToString::to_string);
    let found = ledger.votes().map(|(voters, _)| voters);
    if found.as_ref() != claimed {
        return Err(place.finding("the validators", shown(found.as_ref()), shown(claimed)));
    }
    match given {
        Some(given) if found.is_none_or(|found| found.keys != *given) => {
            let expected = format!("of keys {}, as given", hex(given));
            Err(place.finding("the validators", expected, shown(found.as_ref())))
        }
        _ => Ok(()),
    }
}

/// Where there is a clock, blocks may have passed with nothing in them after the last one.
fn check_height(ledger: &Ledger, height: u64, place: Place<'_>) -> Result<(), AuditError> {
    let last = ledger.decided_height();
    let (holds, expected) = match ledger.has_clock() {
        true => (height >= last, format!("at least {last}")),
        false => (height == last, last.to_string()),
    };
    match holds {
        true => Ok(()),
        false => Err(place.finding("the height", expected, height)),
    }
}

/// Holds the replayed streams against Layer 1 and the manifest.
#[expect(clippy::too_many_lines, reason = "a list of sums that must agree")]
pub(super) fn check_streams(
    ledger: &Ledger,
    end: &End,
    streams: &[Stream],
) -> Result<(), AuditError> {
    let channels = &ledger.channels;
    let mut told = vec![None; channels.len()];
    // Of channels that are still open: no settlement says how long their logs are.
    let mut of_open = 0;
    for (shard, stream) in (0..).zip(streams) {
        let source = Source::Shard(shard);
        let ended = end.stream(source);
        check_end(source, ended, stream.segment, &stream.checksum)?;
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
            let Log::Running(log) = log else {
                continue;
            };
            let Some(closed) = &channel.closed else {
                of_open += u128::from(log.version);
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
    let mut of_closed = 0;
    for (channel, told) in channels.iter().zip(&told) {
        let Some(closed) = channel.closed else {
            continue;
        };
        of_closed += u128::from(closed.version);
        if closed.version > 0 && told.is_none() {
            let expected = format!("{} of channel {}", closed.version, hex(&channel.id));
            return Err(Finding::of_file(manifest::NAME, "entries", expected, 0));
        }
    }
    let entries = streams
        .iter()
        .map(|stream| u128::from(stream.counts.entries));
    let entries: u128 = entries.sum();
    if entries != of_closed + of_open {
        let expected = format!("{of_closed} of closed channels and {of_open} of open ones");
        return Err(Finding::of_file(
            manifest::NAME,
            "entries",
            expected,
            entries,
        ));
    }
    if entries != u128::from(end.payments) {
        return Err(Finding::of_file(
            manifest::NAME,
            "payments",
            entries,
            end.payments,
        ));
    }
    Ok(())
}
