//! Somebody who knows the formats: changes what a log says, and then every checksum. Works on small
//! logs of one shard, one segment and one burst a session.

use std::fs;
use std::path::{Path, PathBuf};

const SHARD: &str = "shard-0-000000.audit";
const L1: &str = "l1-000000.audit";
const HEADER: usize = 120;
const CHUNK_HEAD: usize = 40;
/// From a burst's record to its first proposal.
const BURST_HEAD: usize = 5 + 8 + 32 + 8 + 1 + 8;

/// A log in hand.
pub(crate) struct Forger {
    folder: PathBuf,
    shard: Vec<u8>,
    l1: Vec<u8>,
    channel: [u8; 32],
}

fn hash(context: &str, pieces: &[&[u8]]) -> [u8; 32] {
    let key = blake3::derive_key(context, &[]);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    for piece in pieces {
        hasher.update(piece);
    }
    *hasher.finalize().as_bytes()
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Where the chunks of records begin, and where they end.
fn chunks(segment: &[u8]) -> Vec<(usize, usize)> {
    let mut chunks = Vec::new();
    let mut at = HEADER;
    while at < segment.len() {
        let end = at + CHUNK_HEAD + u32_at(segment, at);
        if u32_at(segment, at + 4) == 1 {
            chunks.push((at + CHUNK_HEAD, end));
        }
        at = end;
    }
    chunks
}

impl Forger {
    pub(crate) fn of(folder: &Path) -> Forger {
        Forger {
            folder: folder.to_owned(),
            shard: fs::read(folder.join(SHARD)).unwrap(),
            l1: fs::read(folder.join(L1)).unwrap(),
            channel: [0; 32],
        }
    }

    /// Where the first burst's record is.
    fn burst(&mut self) -> usize {
        let (at, _) = chunks(&self.shard)[0];
        assert_eq!(self.shard[at + 4], 1, "a burst");
        self.channel = self.shard[at + 13..at + 45].try_into().unwrap();
        at
    }

    /// Where the amounts of the first burst are: one entry a proposal.
    fn amounts(&mut self) -> Vec<usize> {
        let burst = self.burst();
        let proposals = u32_at(&self.shard, burst + BURST_HEAD - 8);
        // entries and pass, amount, tag, signature
        (0..proposals)
            .map(|proposal| burst + BURST_HEAD + 67 * proposal + 1)
            .collect()
    }

    /// Changes the last payment of the first burst; gives its session.
    pub(crate) fn last_payment(&mut self, change: impl Fn(u8) -> u8) -> u64 {
        let last = *self.amounts().last().unwrap();
        self.shard[last] = change(self.shard[last]);
        let burst = self.burst();
        u64_at(&self.shard, burst + 5)
    }

    /// Moves so much from the first burst's second payment to its first.
    pub(crate) fn shift(&mut self, amount: u8) {
        let amounts = self.amounts();
        self.shard[amounts[0]] += amount;
        self.shard[amounts[1]] -= amount;
    }

    /// Spoils, or mends, the first signature of a party in the first burst; gives its session.
    pub(crate) fn signature(&mut self, party: usize) -> u64 {
        let burst = self.burst();
        let proposals = u32_at(&self.shard, burst + BURST_HEAD - 8);
        let at = burst + BURST_HEAD + if party == 0 { 3 } else { 67 * proposals + 1 };
        self.shard[at + 40] ^= 1;
        u64_at(&self.shard, burst + 5)
    }

    /// Layer 1 closed the forged channel with so much more in its last entry.
    pub(crate) fn close(&mut self, more: u64) {
        let mut parent: Option<[u8; 32]> = None;
        let mut closes = 0;
        for (mut at, end) in chunks(&self.l1) {
            while at < end {
                let (length, kind) = (u32_at(&self.l1, at), self.l1[at + 4]);
                let (start, next) = (at + 5, at + 5 + length);
                at = next;
                if kind != 4 {
                    continue;
                }
                if let Some(parent) = parent {
                    self.l1[start..start + 32].copy_from_slice(&parent);
                }
                let body = start + 76;
                let mut transaction = body;
                while transaction < next {
                    let close = self.l1[transaction] == 4;
                    if close && self.l1[transaction + 33..transaction + 65] == self.channel {
                        let entry = transaction + 1 + 32 + 32 + 32;
                        for (field, change) in [(8, more), (16, more.wrapping_neg())] {
                            let number = u64_at(&self.l1, entry + field).wrapping_add(change);
                            self.l1[entry + field..entry + field + 8]
                                .copy_from_slice(&number.to_le_bytes());
                        }
                        closes += 1;
                    }
                    transaction += if close { 321 } else { 161 };
                }
                let body = hash("duet 2026-11 layer 1 block", &[&self.l1[body..next]]);
                self.l1[start + 44..start + 76].copy_from_slice(&body);
                let header = &self.l1[start..start + 76];
                parent = Some(hash("duet 2026-11 layer 1 block", &[header]));
            }
        }
        assert_eq!(closes, 1);
        self.manifest("tip", &parent.unwrap());
    }

    fn manifest(&self, key: &str, digest: &[u8; 32]) {
        let path = self.folder.join("audit.toml");
        let text = fs::read_to_string(&path).unwrap();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.pop();
        let line = lines
            .iter_mut()
            .find(|line| line.starts_with(&format!("{key} = ")));
        *line.unwrap() = format!("{key} = \"{hex}\"");
        let mut text = lines.join("\n") + "\n";
        let checksum = hash("duet 2026-11 audit manifest", &[text.as_bytes()]);
        let hex: String = checksum.iter().map(|byte| format!("{byte:02x}")).collect();
        text += &format!("checksum = \"{hex}\"\n");
        fs::write(path, text).unwrap();
    }

    /// Writes it all, with checksums that fit.
    pub(crate) fn write(&mut self) {
        for (name, key) in [(SHARD, "shard-0.checksum"), (L1, "l1.checksum")] {
            let segment = match name {
                SHARD => &mut self.shard,
                _ => &mut self.l1,
            };
            let context = "duet 2026-11 audit log";
            let mut checksum = hash(context, &[&segment[..88]]);
            let mut at = HEADER;
            while at < segment.len() {
                let payload = at + CHUNK_HEAD;
                let end = payload + u32_at(segment, at);
                let pieces = [&checksum, &segment[at..at + 8], &segment[payload..end]];
                checksum = hash(context, &pieces);
                segment[at + 8..payload].copy_from_slice(&checksum);
                at = end;
            }
            fs::write(self.folder.join(name), &segment).unwrap();
            self.manifest(key, &checksum);
        }
    }
}
