//! Reads a burst: what both parties of one channel said in one go. Rebuilds the log entries from
//! their amounts and tags, and refuses payments that their balance does not cover, and intervals
//! and proposals in flight beyond what the log claims.

use std::ops::Range;

use super::bytes::Reader;
use super::finding::AuditError;
use super::hash::Digest;
use super::manifest::Claims;

/// The most that a stream has told of at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Largest {
    /// Entries that one pair of signatures covers.
    pub(super) interval: u64,
    /// What the payments of such an interval move: until it is signed, it is at risk.
    pub(super) at_risk: u64,
    /// Proposals of one burst.
    pub(super) in_flight: u64,
}

impl Largest {
    /// The larger of each.
    pub(super) fn or(self, other: Largest) -> Largest {
        Largest {
            interval: self.interval.max(other.interval),
            at_risk: self.at_risk.max(other.at_risk),
            in_flight: self.in_flight.max(other.in_flight),
        }
    }
}

/// A burst's record.
const BURST: u8 = 1;
/// A burst has no more bytes: its entries take sixteen times as much memory.
const MOST_BYTES: u32 = 1 << 20;
/// The top bit of an entry's last field: set when B pays.
const B_PAYS: u64 = 1 << 63;
/// How many tags there are.
const TAGS: u64 = 1 << 63;

/// What a burst says before its proposals.
pub(super) struct Head {
    pub(super) session: u64,
    pub(super) channel: Digest,
    /// The version before its first entry.
    pub(super) before: u64,
    /// 0 if A pays, 1 if B does.
    pub(super) payer: usize,
    proposals: u32,
    answers: u32,
}

impl Head {
    /// How many signatures follow: one for each proposal and each answer.
    pub(super) fn signatures(&self) -> u64 {
        u64::from(self.proposals) + u64::from(self.answers)
    }
}

/// A signature in a burst: over the state after so many of its entries, by A (0) or B (1).
pub(super) struct Signed {
    pub(super) entries: usize,
    pub(super) party: usize,
    pub(super) signature: [u8; 64],
    /// Where it stands in its file.
    pub(super) offset: u64,
}

/// What a payment may not exceed, and where the log stands.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    pub(super) capacity: u64,
    pub(super) reserve: u64,
    pub(super) version: u64,
    pub(super) balance_a: u64,
}

/// Takes a burst's record off; gives its head and what follows that.
pub(super) fn begin<'a>(
    records: &mut Reader<'a>,
    claims: Claims,
) -> Result<(Head, Reader<'a>), AuditError> {
    let place = records.place();
    let length = records.u32()?;
    let kind = records.u8()?;
    if kind != BURST {
        return Err(place.finding("the record's kind", BURST, kind));
    }
    if length > MOST_BYTES {
        let most = format!("at most {MOST_BYTES}");
        return Err(place.finding("the burst's bytes", most, length));
    }
    let start = records.place().offset.unwrap_or(0);
    let mut content = Reader::new(place.file, start, records.bytes(length as usize)?);
    let (session, channel, before) = (content.u64()?, content.take()?, content.u64()?);
    let place = content.place();
    let payer = usize::from(content.u8()?);
    if payer > 1 {
        return Err(place.finding("the payer", "0 or 1", payer));
    }
    let (place, proposals) = (content.place(), content.u32()?);
    let answers = content.u32()?;
    if proposals == 0 || answers == 0 || answers > proposals {
        let found = format!("{proposals} and {answers}");
        return Err(place.finding("proposals and answers", "one or more of each", found));
    }
    if u64::from(proposals) > claims.in_flight {
        let most = format!("at most {}, as the manifest claims", claims.in_flight);
        let finding = place.finding("proposals in flight", most, proposals);
        return Err(finding.about(session, Some(before)));
    }
    let head = Head {
        session,
        channel,
        before,
        payer,
        proposals,
        answers,
    };
    Ok((head, content))
}

/// Scratch memory: the versions at which the proposals of a burst end.
pub(super) type Ends = Vec<usize>;

/// Reads the rest of a burst: appends its entries, moves the standing on, and, if they are wanted,
/// appends its signatures. Gives the entries' range, and the largest intervals in it.
pub(super) fn read(
    head: &Head,
    claims: Claims,
    content: &mut Reader<'_>,
    standing: &mut Standing,
    entries: &mut Vec<[u8; 32]>,
    ends: &mut Ends,
    mut signatures: Option<&mut Vec<Signed>>,
) -> Result<(Range<usize>, Largest), AuditError> {
    let first = entries.len();
    let mut largest = Largest {
        in_flight: u64::from(head.proposals),
        ..Largest::default()
    };
    ends.clear();
    let mut tag = head.before;
    for _ in 0..head.proposals {
        let place = content.place();
        let count = content.number()? >> 1;
        if count == 0 || count > claims.cosign_every {
            let most = format!("1 to {}, as the manifest claims", claims.cosign_every);
            return Err(place.finding("the proposal's entries", most, count));
        }
        // An entry takes two bytes at least.
        let most = content.rest().len() as u64 / 2;
        if count > most {
            let most = format!("at most the {most} that the record has room for");
            return Err(place.finding("the proposal's entries", most, count));
        }
        let before = standing.balance_a;
        pay(
            head.payer,
            count as usize,
            content,
            standing,
            entries,
            &mut tag,
        )?;
        largest = largest.or(Largest {
            interval: count,
            at_risk: before.abs_diff(standing.balance_a),
            in_flight: 0,
        });
        ends.push(entries.len() - first);
        signature(content, entries.len() - first, head.payer, &mut signatures)?;
    }
    let mut answered = 0;
    for _ in 0..head.answers {
        let place = content.place();
        let more = content.number()?;
        let unanswered = (ends.len() - answered) as u64;
        if more == 0 || more > unanswered {
            let expected = format!("1 to {unanswered}");
            return Err(place.finding("proposals answered", expected, more));
        }
        answered += more as usize;
        signature(content, ends[answered - 1], 1 - head.payer, &mut signatures)?;
    }
    if answered < ends.len() {
        return Err(content
            .place()
            .finding("proposals answered", ends.len(), answered));
    }
    if !content.is_empty() {
        let left = content.rest().len();
        return Err(content.place().finding("bytes left in the record", 0, left));
    }
    Ok((first..entries.len(), largest))
}

/// Rebuilds the entries of one proposal.
fn pay(
    payer: usize,
    count: usize,
    content: &mut Reader<'_>,
    standing: &mut Standing,
    entries: &mut Vec<[u8; 32]>,
    tag: &mut u64,
) -> Result<(), AuditError> {
    entries.reserve(count);
    let who = if payer == 0 { 0 } else { B_PAYS };
    let Standing {
        capacity,
        reserve,
        mut version,
        mut balance_a,
    } = *standing;
    for _ in 0..count {
        let place = content.place();
        let (amount, zigzag) = content.two_numbers()?;
        if zigzag >= TAGS {
            // It would be another form of a smaller one.
            let expected = "below 2^63: a difference modulo that, zigzag";
            return Err(place.finding("the tag", expected, zigzag));
        }
        let have = if payer == 0 {
            balance_a
        } else {
            capacity - balance_a
        };
        let left = have.checked_sub(amount).filter(|left| *left >= reserve);
        let Some(left) = left.filter(|_| amount > 0) else {
            let expected = format!("1 to {}", have.saturating_sub(reserve));
            let finding = place.finding("the amount", expected, amount);
            return Err(match finding {
                AuditError::Refused(mut finding) => {
                    finding.version = Some(version.saturating_add(1));
                    AuditError::Refused(finding)
                }
                other => other,
            });
        };
        let Some(next) = version.checked_add(1) else {
            return Err(place.finding("the version", "one more", "none is left"));
        };
        version = next;
        balance_a = if payer == 0 { left } else { capacity - left };
        let difference = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
        let this = tag.wrapping_add(difference) % TAGS;
        *tag = this + 1;
        let mut entry = [0; 32];
        entry[..8].copy_from_slice(&version.to_le_bytes());
        entry[8..16].copy_from_slice(&amount.to_le_bytes());
        entry[16..24].copy_from_slice(&balance_a.to_le_bytes());
        entry[24..].copy_from_slice(&(this | who).to_le_bytes());
        entries.push(entry);
    }
    standing.version = version;
    standing.balance_a = balance_a;
    Ok(())
}

#[inline]
fn signature(
    content: &mut Reader<'_>,
    entries: usize,
    party: usize,
    signatures: &mut Option<&mut Vec<Signed>>,
) -> Result<(), AuditError> {
    let offset = content.place().offset.unwrap_or(0);
    let bytes = content.bytes(64)?;
    if let Some(signatures) = signatures {
        let mut signature = [0; 64];
        signature.copy_from_slice(bytes);
        signatures.push(Signed {
            entries,
            party,
            signature,
            offset,
        });
    }
    Ok(())
}
