//! How a run's log is written, byte by byte, as docs/audit.md says: every hash and signature anew.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use ed25519_zebra::{SigningKey, VerificationKeyBytes};

use super::{
    Bid, Burst, Close, Cut, Digest, Key, Open, Run, Scarcity, Shown, Transaction, Votes, WEAK,
};

/// What a channel's log has come to.
#[derive(Clone, Copy)]
struct State {
    previous: Digest,
    entry: [u8; 32],
    head: Digest,
    balance_a: u64,
}

/// How a stream ended.
struct End {
    name: String,
    segments: usize,
    checksum: Digest,
}

impl Cut {
    /// A shard's records as segments of chunks; the first burst has so many bytes.
    fn segments(self, mut records: Vec<u8>, of_first: usize) -> Vec<Vec<Vec<u8>>> {
        if records.is_empty() {
            return vec![Vec::new()];
        }
        match self {
            Cut::AsARunDoes => vec![vec![records]],
            Cut::EmptyChunk => vec![vec![Vec::new(), records]],
            Cut::EmptySegment => vec![Vec::new(), vec![records]],
            Cut::Chunks | Cut::Segments => {
                let rest = records.split_off(of_first);
                let parts = [records, rest].into_iter().filter(|part| !part.is_empty());
                match self {
                    Cut::Chunks => vec![parts.collect()],
                    _ => parts.map(|part| vec![part]).collect(),
                }
            }
        }
    }
}

/// A channel while a run is written.
pub(super) struct Channel {
    id: Digest,
    keys: [Key; 2],
    capacity: u64,
    /// By version, from 0.
    states: Vec<State>,
}

fn hash(context: &str, pieces: &[&[u8]]) -> Digest {
    let key = blake3::derive_key(context, &[]);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    for piece in pieces {
        hasher.update(piece);
    }
    *hasher.finalize().as_bytes()
}

fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn secret(key: Key) -> SigningKey {
    SigningKey::from([key; 32])
}

fn public(key: Key) -> Digest {
    if key == WEAK {
        let mut identity = [0; 32];
        identity[0] = 1;
        return identity;
    }
    // A log may name one key a hundred thousand times.
    static KEYS: LazyLock<Vec<Digest>> = LazyLock::new(|| {
        let of = |key| VerificationKeyBytes::from(&secret(key)).into();
        (0..WEAK).map(of).collect()
    });
    KEYS[usize::from(key)]
}

fn sign(key: Key, digest: &Digest) -> [u8; 64] {
    if key == WEAK {
        // R is the identity, s is 0: holds for every message.
        let mut signature = [0; 64];
        signature[0] = 1;
        return signature;
    }
    secret(key).sign(digest).into()
}

fn number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn record(bytes: &mut Vec<u8>, kind: u8, content: &[u8]) {
    bytes.extend((content.len() as u32).to_le_bytes());
    bytes.push(kind);
    bytes.extend(content);
}

impl Run {
    fn accounts(&self) -> u64 {
        self.accounts_told.unwrap_or(self.accounts.len() as u64)
    }

    /// The genesis id, of as many accounts as are told.
    pub(crate) fn genesis(&self) -> Digest {
        let told = self.accounts();
        let mut bytes = Vec::new();
        bytes.extend(5_u64.to_le_bytes());
        bytes.extend(b"bench");
        bytes.extend(self.block_transactions.to_le_bytes());
        bytes.extend(self.block_bytes.to_le_bytes());
        bytes.extend(self.fee.to_le_bytes());
        bytes.extend(told.to_le_bytes());
        for (key, amount) in self.accounts.iter().take(told as usize) {
            bytes.extend(public(*key));
            bytes.extend(amount.to_le_bytes());
        }
        bytes.extend(self.scarcity.iter().flat_map(Scarcity::bytes));
        let id = hash("duet 2026-11 layer 1 genesis", &[&bytes]);
        self.genesis_told.unwrap_or(id)
    }

    pub(super) fn channels(&self, genesis: &Digest) -> Vec<Channel> {
        let transactions = self.blocks.iter().flat_map(|block| &block.transactions);
        let opens = transactions.filter_map(|transaction| match transaction {
            Transaction::Open(open) => Some(open),
            Transaction::Close(_) => None,
        });
        opens.map(|open| open.channel(genesis)).collect()
    }

    /// Writes the log; gives the tip.
    pub(crate) fn write(&self, folder: &Path) -> Digest {
        let genesis = self.genesis();
        let mut channels = self.channels(&genesis);
        let mut streams = Vec::new();
        for (shard, bursts) in (0..).zip(&self.shards) {
            let (mut records, mut of_first) = (Vec::new(), None);
            for burst in bursts {
                burst.write(&mut channels[burst.channel], &mut records);
                of_first.get_or_insert(records.len());
            }
            let segments = self.cut.segments(records, of_first.unwrap_or(0));
            streams.push((format!("shard-{shard}"), shard, segments));
        }
        let (l1, tip) = self.layer_1(&genesis, &channels);
        streams.push(("l1".to_owned(), u32::MAX, vec![vec![l1]]));
        let ends: Vec<End> = streams
            .into_iter()
            .map(|(name, stream, segments)| {
                let mut checksum = [0; 32];
                for (number, chunks) in (0..).zip(&segments) {
                    let (bytes, last) = segment_after(stream, number, &checksum, &genesis, chunks);
                    fs::write(folder.join(format!("{name}-{number:06}.audit")), bytes).unwrap();
                    checksum = last;
                }
                End {
                    name,
                    segments: segments.len(),
                    checksum,
                }
            })
            .collect();
        fs::write(
            folder.join("audit.toml"),
            self.manifest(&genesis, &tip, &ends),
        )
        .unwrap();
        tip
    }

    fn layer_1(&self, genesis: &Digest, channels: &[Channel]) -> (Vec<u8>, Digest) {
        let mut records = Vec::new();
        let mut content = Vec::new();
        content.extend(self.block_transactions.to_le_bytes());
        content.extend(self.block_bytes.to_le_bytes());
        content.extend(self.fee.to_le_bytes());
        content.extend(self.accounts().to_le_bytes());
        content.extend(b"bench");
        record(&mut records, 2, &content);
        for (at, (key, amount)) in self.accounts.iter().enumerate() {
            for _ in self.scarcity_after.iter().filter(|after| **after == at) {
                if let Some(scarcity) = &self.scarcity {
                    record(&mut records, 5, &scarcity.bytes());
                }
            }
            let content = [&public(*key)[..], &amount.to_le_bytes()].concat();
            record(&mut records, 3, &content);
        }
        let votes = self.votes.as_ref().filter(|votes| votes.recorded);
        if let Some(votes) = votes {
            let keys: Vec<Digest> = votes.keys.iter().map(|key| public(*key)).collect();
            record(&mut records, 6, keys.as_flattened());
        }
        let mut tip = *genesis;
        for (height, block) in (1..).zip(&self.blocks) {
            let mut body = Vec::new();
            for transaction in &block.transactions {
                match transaction {
                    Transaction::Open(open) => open.write(genesis, &mut body),
                    Transaction::Close(close) => {
                        close.write(genesis, &channels[close.channel], &mut body);
                    }
                }
            }
            let count = block.transactions.len() as u32;
            let mut content = Vec::new();
            content.extend(block.parent_told.unwrap_or(tip));
            content.extend(block.height_told.unwrap_or(height).to_le_bytes());
            content.extend(block.count_told.unwrap_or(count).to_le_bytes());
            content.extend(hash("duet 2026-11 layer 1 block", &[&body]));
            tip = hash("duet 2026-11 layer 1 block", &[&content]);
            content.extend(body);
            record(&mut records, 4, &content);
            if let Some(votes) = votes.filter(|of| of.left_out != Some(height as usize - 1)) {
                let height = block.height_told.unwrap_or(height);
                record(&mut records, 7, &votes.certificate(genesis, height, &tip));
            }
        }
        (records, tip)
    }

    fn manifest(&self, genesis: &Digest, tip: &Digest, streams: &[End]) -> String {
        let transactions = || self.blocks.iter().flat_map(|block| &block.transactions);
        let opened = |transaction: &&Transaction| matches!(transaction, Transaction::Open(open) if !open.fails);
        let closed = |transaction: &&Transaction| matches!(transaction, Transaction::Close(_));
        let entries: usize = self
            .shards
            .iter()
            .flatten()
            .flat_map(|burst| &burst.proposals)
            .map(|proposal| proposal.amounts.len())
            .sum();
        let last = self.blocks.last().and_then(|block| block.height_told);
        let height = last.unwrap_or(self.blocks.len() as u64);
        let quoted = |text: &str| format!("\"{text}\"");
        let mut lines = vec![
            ("format".to_owned(), "1".to_owned()),
            ("state".to_owned(), quoted("complete")),
            ("genesis".to_owned(), quoted(&hex(genesis))),
            ("shards".to_owned(), self.shards.len().to_string()),
            ("sessions".to_owned(), self.sessions.to_string()),
            ("cosign_every".to_owned(), self.cosign_every.to_string()),
            ("in_flight".to_owned(), self.in_flight.to_string()),
        ];
        let told = self.votes.as_ref().and_then(|votes| votes.told.as_ref());
        if let Some(keys) = told {
            lines.push(("validators".to_owned(), keys.len().to_string()));
            let keys = quoted(&hex(&keys_digest(keys)));
            lines.push(("validator_keys".to_owned(), keys));
        }
        let of_start = lines.len();
        lines.extend([
            ("tip".to_owned(), quoted(&hex(tip))),
            ("height".to_owned(), height.to_string()),
            (
                "l1_transactions".to_owned(),
                transactions().count().to_string(),
            ),
            (
                "sessions_opened".to_owned(),
                transactions().filter(opened).count().to_string(),
            ),
            (
                "sessions_closed".to_owned(),
                transactions().filter(closed).count().to_string(),
            ),
            ("payments".to_owned(), entries.to_string()),
        ]);
        for end in streams {
            lines.push((format!("{}.segments", end.name), end.segments.to_string()));
            lines.push((
                format!("{}.checksum", end.name),
                quoted(&hex(&end.checksum)),
            ));
        }
        for (key, value) in &self.manifest {
            let line = lines.iter_mut().find(|(name, _)| name == key);
            line.unwrap().1.clone_from(value);
        }
        // What a run that runs does not know yet.
        if lines[1].1 == quoted("running") {
            lines.truncate(of_start);
        }
        seal_manifest(
            &lines
                .iter()
                .map(|(key, value)| format!("{key} = {value}\n"))
                .collect::<String>(),
        )
    }
}

/// What tells validators of these keys from others.
pub(crate) fn keys_digest(keys: &[Key]) -> Digest {
    let keys: Vec<Digest> = keys.iter().map(|key| public(*key)).collect();
    hash("duet 2026-12 layer 1 validators", &[keys.as_flattened()])
}

impl Votes {
    /// That a block is final.
    fn certificate(&self, genesis: &Digest, height: u64, block: &Digest) -> Vec<u8> {
        let (height, round) = (height.to_le_bytes(), self.round.to_le_bytes());
        let vote: [&[u8]; 5] = [genesis, &height, &round, &[1, 1], block];
        let digest = hash("duet 2026-12 layer 1 vote", &vote);
        let mut bytes = [&height[..], &round, block].concat();
        bytes.extend((self.by.len() as u16).to_le_bytes());
        for place in &self.by {
            bytes.extend(place.to_le_bytes());
            bytes.extend(sign(self.keys[usize::from(*place)], &digest));
        }
        bytes
    }
}

/// The lines, with the checksum that fits.
pub(crate) fn seal_manifest(lines: &str) -> String {
    let checksum = hash("duet 2026-11 audit manifest", &[lines.as_bytes()]);
    format!("{lines}checksum = \"{}\"\n", hex(&checksum))
}

/// The records of a stream that was written in one segment of one chunk or several.
pub(crate) fn gathered(folder: &Path, stream: &str) -> Vec<u8> {
    let bytes = fs::read(folder.join(format!("{stream}-000000.audit"))).unwrap();
    let (mut rest, mut records) = (&bytes[120..], Vec::new());
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        records.extend(&rest[40..40 + length]);
        rest = &rest[40 + length..];
    }
    records
}

/// The hash of a block with this header.
pub(crate) fn block_hash(header: &[u8]) -> String {
    hex(&hash("duet 2026-11 layer 1 block", &[header]))
}

/// The records of a stream that was written.
pub(crate) fn records(folder: &Path, stream: &str) -> Vec<u8> {
    let bytes = fs::read(folder.join(format!("{stream}-000000.audit"))).unwrap();
    bytes[120 + 40..bytes.len() - 40].to_vec()
}

/// Puts other records in a stream's place: its checksums and the manifest fit.
pub(crate) fn replace(folder: &Path, stream: &str, genesis: &Digest, records: &[u8]) {
    let number = stream.strip_prefix("shard-");
    let number = number.map_or(u32::MAX, |shard| shard.parse().unwrap());
    let (bytes, checksum) = segment(number, genesis, records);
    fs::write(folder.join(format!("{stream}-000000.audit")), bytes).unwrap();
    let manifest = fs::read_to_string(folder.join("audit.toml")).unwrap();
    let (lines, _) = manifest.rsplit_once("checksum").unwrap();
    let key = format!("{stream}.checksum = ");
    let lines: String = lines
        .lines()
        .map(|line| match line.starts_with(&key) {
            true => format!("{key}\"{}\"\n", hex(&checksum)),
            false => format!("{line}\n"),
        })
        .collect();
    fs::write(folder.join("audit.toml"), seal_manifest(&lines)).unwrap();
}

/// Replaces lines of a manifest that is there, and its checksum.
pub(crate) fn edit_manifest(folder: &Path, lines: &[(&str, String)]) {
    let path = folder.join("audit.toml");
    let text = fs::read_to_string(&path).unwrap();
    let (text, _) = text.trim_end().rsplit_once('\n').unwrap();
    let edited: String = text
        .lines()
        .map(|line| {
            let key = line.split(" = ").next().unwrap();
            match lines.iter().find(|(name, _)| *name == key) {
                Some((_, value)) => format!("{key} = {value}\n"),
                None => format!("{line}\n"),
            }
        })
        .collect();
    fs::write(path, seal_manifest(&edited)).unwrap();
}

/// A segment 0 with these records in one chunk, and its last checksum.
pub(crate) fn segment(stream: u32, genesis: &Digest, records: &[u8]) -> (Vec<u8>, Digest) {
    segment_after(stream, 0, &[0; 32], genesis, &[records])
}

/// A segment after the one with this last checksum, with these chunks of records, and its own last
/// checksum.
pub(crate) fn segment_after(
    stream: u32,
    segment: u64,
    previous: &Digest,
    genesis: &Digest,
    chunks: &[impl AsRef<[u8]>],
) -> (Vec<u8>, Digest) {
    let context = "duet 2026-11 audit log";
    let mut bytes = Vec::new();
    bytes.extend(b"DUETAUD1");
    bytes.extend(stream.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(segment.to_le_bytes());
    bytes.extend(genesis);
    bytes.extend(previous);
    let mut checksum = hash(context, &[&bytes]);
    bytes.extend(checksum);
    let of_records = chunks.iter().map(|records| (1_u32, records.as_ref()));
    for (kind, payload) in of_records.chain([(2, &[][..])]) {
        let head = [(payload.len() as u32).to_le_bytes(), kind.to_le_bytes()].concat();
        checksum = hash(context, &[&checksum, &head, payload]);
        bytes.extend(head);
        bytes.extend(checksum);
        bytes.extend(payload);
    }
    (bytes, checksum)
}

impl Scarcity {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.interval_ms.to_le_bytes().to_vec();
        bytes.extend(self.finality_blocks.to_le_bytes());
        for number in [self.block_units, self.channel_units]
            .iter()
            .chain(&self.prices)
        {
            bytes.extend(number.to_le_bytes());
        }
        bytes.push(self.order);
        bytes.extend(self.least.to_le_bytes());
        bytes.push(self.compete);
        bytes.extend(&self.tail);
        bytes
    }
}

/// A transaction's kind, and its bid if it has one.
fn begin(body: &mut Vec<u8>, kind: u8, bid: Bid) {
    match bid {
        None => body.push(kind),
        Some((most, tip)) => {
            body.push(kind | 0x80);
            body.extend([most, tip].iter().flat_map(|rate| rate.to_le_bytes()));
        }
    }
}

impl Open {
    fn channel(&self, genesis: &Digest) -> Channel {
        let deposit_b = self.deposit_b.unwrap_or(0);
        let id = hash(
            "duet 2026-11 channel id",
            &[
                genesis,
                &public(self.a),
                &self.nonce.to_le_bytes(),
                &0_u32.to_le_bytes(),
                &public(self.a),
                &public(self.b),
                &self.deposit_a.to_le_bytes(),
                &deposit_b.to_le_bytes(),
                &self.window.to_le_bytes(),
                &self.reserve.to_le_bytes(),
            ],
        );
        Channel {
            id,
            keys: [self.a, self.b],
            capacity: self.deposit_a + deposit_b,
            states: vec![State {
                previous: [0; 32],
                entry: [0; 32],
                head: id,
                balance_a: self.deposit_a,
            }],
        }
    }

    fn write(&self, genesis: &Digest, body: &mut Vec<u8>) {
        let start = body.len();
        let kind = if self.deposit_b.is_some() { 3 } else { 2 };
        begin(body, kind, self.bid);
        body.extend(public(self.a));
        body.extend(self.nonce.to_le_bytes());
        body.extend([0; 4]);
        body.extend(public(self.b));
        body.extend(self.deposit_a.to_le_bytes());
        if let Some(deposit_b) = self.deposit_b {
            body.extend(deposit_b.to_le_bytes());
        }
        body.extend(self.window.to_le_bytes());
        body.extend(self.reserve.to_le_bytes());
        let context = "duet 2026-11 layer 1 transaction";
        let digest = hash(context, &[genesis, &body[start..]]);
        body.extend(sign(self.signers[0], &digest));
        if self.deposit_b.is_some() {
            body.extend(sign(self.signers[1], &digest));
        }
    }
}

impl Close {
    fn write(&self, genesis: &Digest, channel: &Channel, body: &mut Vec<u8>) {
        let start = body.len();
        let kind = if self.version == 0 { 5 } else { 4 };
        begin(body, kind, self.bid);
        body.extend(public(self.submitter));
        body.extend(channel.id);
        let mut head = channel.id;
        if self.version > 0 {
            let mut shown = self.shown.unwrap_or_else(|| channel.shown(self.version));
            (self.change)(&mut shown);
            body.extend(shown.previous);
            body.extend(shown.entry);
            head = hash("duet 2026-11 log entry", &[&shown.previous, &shown.entry]);
        }
        let digest = hash("duet 2026-11 final state", &[&channel.id, &head]);
        for (party, signer) in self.final_signers.iter().enumerate() {
            body.extend(sign(signer.unwrap_or(channel.keys[party]), &digest));
        }
        let context = "duet 2026-11 layer 1 transaction";
        let digest = hash(context, &[genesis, &body[start..]]);
        body.extend(sign(self.signer.unwrap_or(self.submitter), &digest));
    }
}

impl Burst {
    pub(super) fn write(&self, channel: &mut Channel, records: &mut Vec<u8>) {
        channel.states.truncate(self.before as usize + 1);
        let mut content = Vec::new();
        content.extend(self.session.to_le_bytes());
        content.extend(channel.id);
        content.extend(self.before.to_le_bytes());
        content.push(self.payer as u8);
        let proposals = self.proposals.len() as u32;
        let answers = self.answers.len() as u32;
        content.extend(self.proposals_told.unwrap_or(proposals).to_le_bytes());
        content.extend(self.answers_told.unwrap_or(answers).to_le_bytes());
        let state = |channel: &Channel, version: usize| {
            let head = &channel.states[version].head;
            hash("duet 2026-11 state", &[&channel.id, head])
        };
        let (mut next_tag, mut ends) = (self.before, Vec::new());
        for proposal in &self.proposals {
            let head = 2 * proposal.amounts.len() as u64 + u64::from(proposal.pass);
            number(&mut content, head);
            for amount in &proposal.amounts {
                let tag = 3 * channel.states.len() as u64;
                number(&mut content, *amount);
                let zigzag = 2 * (tag - next_tag);
                number(&mut content, if self.twins { !zigzag } else { zigzag });
                next_tag = tag + 1;
                channel.pay(self.payer, *amount, tag);
            }
            let version = channel.states.len() - 1;
            ends.push(version);
            let digest = state(channel, version - proposal.behind);
            let signer = proposal.signer.unwrap_or(channel.keys[self.payer]);
            content.extend(sign(signer, &digest));
        }
        let mut answered = 0;
        for answer in &self.answers {
            number(&mut content, answer.proposals);
            answered += answer.proposals as usize;
            let last = ends[answered.clamp(1, ends.len()) - 1];
            let signer = answer.signer.unwrap_or(channel.keys[1 - self.payer]);
            content.extend(sign(signer, &state(channel, last)));
        }
        record(records, 1, &content);
    }
}

impl Channel {
    pub(super) fn shown(&self, version: usize) -> Shown {
        let State {
            previous, entry, ..
        } = self.states[version];
        Shown { previous, entry }
    }

    fn pay(&mut self, payer: usize, amount: u64, tag: u64) {
        let version = self.states.len() as u64;
        let last = self.states[self.states.len() - 1];
        let balance_a = match payer {
            0 => last.balance_a.wrapping_sub(amount),
            _ => last.balance_a.wrapping_add(amount),
        };
        let balance_a = balance_a.min(self.capacity);
        let mut entry = [0; 32];
        entry[..8].copy_from_slice(&version.to_le_bytes());
        entry[8..16].copy_from_slice(&amount.to_le_bytes());
        entry[16..24].copy_from_slice(&balance_a.to_le_bytes());
        entry[24..].copy_from_slice(&(tag | (payer as u64) << 63).to_le_bytes());
        self.states.push(State {
            previous: last.head,
            entry,
            head: hash("duet 2026-11 log entry", &[&last.head, &entry]),
            balance_a,
        });
    }
}
