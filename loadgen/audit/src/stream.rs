//! Replays one shard's stream: each channel's log from its opening to the state that Layer 1 closed
//! it in. Many channels' chains are hashed side by side; memory grows with channels, not entries.

use std::collections::HashMap;
use std::ops::Range;

use super::burst::{self, Ends, Largest, Signed, Standing};
use super::bytes::Reader;
use super::claim::{Claim, first_forged};
use super::finding::{AuditError, Place};
use super::hash::{Chain, Digest, extend, hex, link};
use super::ledger::Ledger;
use super::manifest::Claims;
use super::signature::{Sampled, state_digest};

/// Entries hashed in one go at most: their bytes and the chunk's stay in a second-level cache.
const MOST_ENTRIES: usize = 32_768;

/// How far a stream has been replayed.
pub(super) struct Stream {
    /// The segment that comes next, and the last checksum before it.
    pub(super) segment: u64,
    pub(super) checksum: Digest,
    /// Of every channel that the stream has told of.
    pub(super) logs: HashMap<u32, Log>,
    pub(super) counts: Counts,
    /// How much of the counts a checkpoint says: of this nothing was looked at.
    pub(super) rests: Counts,
    pub(super) largest: Largest,
    /// What the logs were that have changed since `begin_to_undo`; `None` if nobody wants it.
    undo: Option<HashMap<u32, Option<Log>>>,
}

/// What a stream was before a segment, beside its logs.
pub(super) struct Before {
    segment: u64,
    checksum: Digest,
    counts: Counts,
    largest: Largest,
}

/// What a stream has told so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) entries: u64,
    pub(super) bursts: u64,
    pub(super) bytes: u64,
    /// Signatures that the bursts have, and those of them that were verified.
    pub(super) signatures: u64,
    pub(super) verified: u64,
}

/// One channel's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// It goes on.
    Running(Running),
    /// It has ended in the state that Layer 1 closed it in.
    Settled,
}

/// A log that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) session: u64,
    pub(super) version: u64,
    pub(super) balance_a: u64,
    pub(super) head: Digest,
    /// The batch that it was last in.
    pub(super) batch: u64,
}

/// What a stream is replayed against.
#[derive(Clone, Copy)]
pub(super) struct Against<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) sampled: &'a Sampled,
    pub(super) claims: Claims,
}

/// Scratch memory: bursts of different channels that are hashed together.
pub(super) struct Batch {
    entries: Vec<[u8; 32]>,
    chains: Vec<Chain>,
    parts: Vec<Part>,
    signed: Vec<Signed>,
    ends: Ends,
    /// A segment's buffer, between two of them.
    pub(super) chunk: Vec<u8>,
    /// Its number, from 1.
    number: u64,
    /// CPU time of verifying signatures, in nanoseconds.
    pub(super) verifying_ns: u64,
}

/// One burst of a batch.
struct Part {
    channel: u32,
    offset: u64,
    after: Running,
    /// The head before it, and which signatures are its.
    before: Digest,
    signed: Range<usize>,
}

impl Batch {
    pub(super) fn new() -> Batch {
        Batch {
            entries: Vec::new(),
            chains: Vec::new(),
            parts: Vec::new(),
            signed: Vec::new(),
            ends: Vec::new(),
            chunk: Vec::new(),
            number: 1,
            verifying_ns: 0,
        }
    }
}

impl Stream {
    pub(super) fn new() -> Stream {
        Stream {
            segment: 0,
            checksum: [0; 32],
            logs: HashMap::default(),
            counts: Counts::default(),
            rests: Counts::default(),
            largest: Largest::default(),
            undo: None,
        }
    }

    /// Keeps what changes from now on, until `undo` or `keep`.
    pub(super) fn begin_to_undo(&mut self) -> Before {
        self.undo = Some(HashMap::new());
        Before {
            segment: self.segment,
            checksum: self.checksum,
            counts: self.counts,
            largest: self.largest,
        }
    }

    /// Takes what has changed as it is.
    pub(super) fn keep(&mut self) {
        self.undo = None;
    }

    /// Is as it was again.
    pub(super) fn undo(&mut self, before: Before) {
        for (channel, log) in self.undo.take().into_iter().flatten() {
            match log {
                Some(log) => self.logs.insert(channel, log),
                None => self.logs.remove(&channel),
            };
        }
        Before {
            segment: self.segment,
            checksum: self.checksum,
            counts: self.counts,
            largest: self.largest,
        } = before;
    }

    /// Replays the records of one chunk.
    pub(super) fn replay(
        &mut self,
        mut records: Reader<'_>,
        against: Against<'_>,
        batch: &mut Batch,
    ) -> Result<(), AuditError> {
        self.counts.bytes += records.rest().len() as u64;
        let file = records.place().file;
        while !records.is_empty() {
            if let Err(later) = self.burst(&mut records, against, batch) {
                // What comes first in the file is told first.
                self.settle(file, against, batch)?;
                return Err(later);
            }
            if batch.entries.len() >= MOST_ENTRIES {
                self.settle(file, against, batch)?;
            }
        }
        self.settle(file, against, batch)
    }

    /// Takes one burst into the batch.
    #[expect(
        clippy::too_many_lines,
        reason = "the checks of a burst, in their order"
    )]
    fn burst(
        &mut self,
        records: &mut Reader<'_>,
        against: Against<'_>,
        batch: &mut Batch,
    ) -> Result<(), AuditError> {
        let place = records.place();
        let (head, mut content) = burst::begin(records, against.claims)?;
        let Some(index) = against.ledger.channel(&head.channel) else {
            let finding =
                place.finding("the channel", "one that Layer 1 opened", hex(&head.channel));
            return Err(finding.about(head.session, None));
        };
        let channel = &against.ledger.channels[index as usize];
        if let Some(Log::Running(running)) = self.logs.get(&index)
            && running.batch == batch.number
        {
            self.settle(place.file, against, batch)?;
        }
        if let Some(undo) = &mut self.undo {
            undo.entry(index)
                .or_insert_with(|| self.logs.get(&index).copied());
        }
        let log = self.logs.entry(index).or_insert(Log::Running(Running {
            session: head.session,
            version: 0,
            balance_a: channel.deposit_a,
            head: channel.id,
            batch: 0,
        }));
        let about = |error: AuditError| error.about(head.session, Some(head.before));
        let Log::Running(before) = log else {
            let expected = "none after the version that Layer 1 closed the channel at";
            return Err(about(place.finding("a burst", expected, "one")));
        };
        if head.session != before.session || head.session >= against.claims.sessions {
            let expected = format!("{}, of {}", before.session, against.claims.sessions);
            return Err(about(place.finding("the session", expected, head.session)));
        }
        if head.before != before.version {
            let finding = place.finding("the version before", before.version, head.before);
            return Err(about(finding));
        }
        let mut standing = Standing {
            capacity: channel.capacity,
            reserve: channel.reserve,
            version: before.version,
            balance_a: before.balance_a,
        };
        let sampled = against.sampled.keys(index).is_some();
        let signed = batch.signed.len();
        let read = burst::read(
            &head,
            against.claims,
            &mut content,
            &mut standing,
            &mut batch.entries,
            &mut batch.ends,
            sampled.then_some(&mut batch.signed),
        );
        let (entries, largest) = read.map_err(about)?;
        before.batch = batch.number;
        let before = *before;
        self.counts.entries += entries.len() as u64;
        self.counts.bursts += 1;
        self.counts.signatures += head.signatures();
        self.largest = self.largest.or(largest);
        batch.chains.push(Chain {
            head: before.head,
            entries,
        });
        batch.parts.push(Part {
            channel: index,
            offset: place.offset.unwrap_or(0),
            after: Running {
                session: before.session,
                version: standing.version,
                balance_a: standing.balance_a,
                head: before.head,
                batch: 0,
            },
            before: before.head,
            signed: signed..batch.signed.len(),
        });
        Ok(())
    }

    /// Hashes the batch, holds what it leads to against Layer 1 and the sampled signatures, and
    /// empties it, whatever was found.
    fn settle(
        &mut self,
        file: &str,
        against: Against<'_>,
        batch: &mut Batch,
    ) -> Result<(), AuditError> {
        let held = self.hold(file, against, batch);
        batch.entries.clear();
        batch.chains.clear();
        batch.parts.clear();
        batch.signed.clear();
        batch.number += 1;
        held
    }

    fn hold(
        &mut self,
        file: &str,
        against: Against<'_>,
        batch: &mut Batch,
    ) -> Result<(), AuditError> {
        extend(&mut batch.chains, &batch.entries);
        let begin_ns = if batch.signed.is_empty() { 0 } else { cpu_ns() };
        for (part, chain) in batch.parts.iter().zip(&batch.chains) {
            let place = Place {
                file,
                offset: Some(part.offset),
            };
            let mut log = part.after;
            log.head = chain.head;
            let about = |error: AuditError| error.about(log.session, Some(log.version));
            if !part.signed.is_empty() {
                let entries = &batch.entries[chain.entries.clone()];
                let signed = &batch.signed[part.signed.clone()];
                let head = verify(part, entries, signed, against, file)
                    .map_err(|error| error.about(log.session, None))?;
                if head != log.head {
                    let finding =
                        place.finding("the head by the plain hasher", hex(&head), hex(&log.head));
                    return Err(about(finding));
                }
                self.counts.verified += signed.len() as u64;
            }
            let closed = against.ledger.channels[part.channel as usize].closed;
            let next = match closed {
                Some(closed) if log.version > closed.version => {
                    let most = format!("at most {}, at which Layer 1 closed it", closed.version);
                    return Err(about(place.finding("the version", most, log.version)));
                }
                Some(closed) if log.version == closed.version => {
                    if (log.head, log.balance_a) != (closed.head, closed.balance_a) {
                        let shown = |head: &Digest, balance: u64| {
                            format!("head {} and A's balance {balance}", hex(head))
                        };
                        let expected = shown(&closed.head, closed.balance_a);
                        let found = shown(&log.head, log.balance_a);
                        let what = "the state that Layer 1 closed";
                        return Err(about(place.finding(what, expected, found)));
                    }
                    Log::Settled
                }
                _ => Log::Running(log),
            };
            self.logs.insert(part.channel, next);
        }
        if begin_ns > 0 {
            batch.verifying_ns += cpu_ns() - begin_ns;
        }
        Ok(())
    }
}

/// Verifies one burst's signatures over states computed one by one; gives the last head.
fn verify(
    part: &Part,
    entries: &[[u8; 32]],
    signed: &[Signed],
    against: Against<'_>,
    file: &str,
) -> Result<Digest, AuditError> {
    let id = &against.ledger.channels[part.channel as usize].id;
    let keys = against.sampled.keys(part.channel);
    let keys = keys.expect("signatures are kept of sampled channels only");
    let first = part.after.version - entries.len() as u64;
    // Proposals come before answers: each kind is in the order of its versions.
    let (mut head, mut done) = (part.before, 0);
    let mut claims = Vec::with_capacity(signed.len());
    for signed in signed {
        if signed.entries < done {
            (head, done) = (part.before, 0);
        }
        for entry in &entries[done..signed.entries] {
            head = link(&head, entry);
        }
        done = signed.entries;
        let digest = state_digest(id, &head);
        claims.push(Claim::new(&keys[signed.party], &digest, &signed.signature));
    }
    if let Some(forged) = first_forged(&claims)? {
        let signed = &signed[forged];
        let place = Place {
            file,
            offset: Some(signed.offset),
        };
        let what = ["A's signature", "B's signature"][signed.party];
        let expected = "one over the state at this version";
        let finding = place.finding(what, expected, "one that does not verify");
        let version = first + signed.entries as u64;
        return Err(finding.about(part.after.session, Some(version)));
    }
    Ok(head)
}

/// CPU time of the calling thread, in nanoseconds.
pub(super) fn cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
