//! A run's audit log from the hands of somebody who holds all of its keys and knows the formats:
//! what the run was is a model, and writing it (`write`) makes every channel id, head, digest,
//! signature, checksum, tip, count and the manifest anew. A forger changes the model. Shares no
//! code with the auditor.

mod write;

pub(crate) use write::{
    block_hash, edit_manifest, gathered, keys_digest, records, replace, seal_manifest, segment,
    segment_after,
};

pub(crate) type Digest = [u8; 32];

/// A key of the run, by number.
pub(crate) type Key = u8;
/// A key of small order: the identity, for which anybody can sign.
pub(crate) const WEAK: Key = u8::MAX;

/// A whole run.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) block_transactions: u32,
    pub(crate) block_bytes: u64,
    pub(crate) fee: u64,
    pub(crate) scarcity: Option<Scarcity>,
    /// The accounts whose records stand before that of the scarcity, one for each record of it.
    pub(crate) scarcity_after: Vec<usize>,
    pub(crate) accounts: Vec<(Key, u64)>,
    pub(crate) accounts_told: Option<u64>,
    pub(crate) genesis_told: Option<Digest>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) shards: Vec<Vec<Burst>>,
    pub(crate) sessions: u64,
    pub(crate) cosign_every: u64,
    pub(crate) in_flight: u64,
    pub(crate) cut: Cut,
    pub(crate) votes: Option<Votes>,
    /// Lines of the manifest that say something else, before its checksum is made.
    pub(crate) manifest: Vec<(&'static str, String)>,
}

/// Who decides about blocks.
#[derive(Clone)]
pub(crate) struct Votes {
    pub(crate) keys: Vec<Key>,
    /// Whether the log has them, and certificates.
    pub(crate) recorded: bool,
    /// Whom the manifest names, if it names somebody.
    pub(crate) told: Option<Vec<Key>>,
    /// The places that sign.
    pub(crate) by: Vec<u16>,
    pub(crate) round: u32,
    /// A block without a certificate.
    pub(crate) left_out: Option<usize>,
}

/// What Layer 1 is scarce by, field by field; the order is 0, 1 (bids) or 2 (a base fee).
#[derive(Clone)]
pub(crate) struct Scarcity {
    pub(crate) interval_ms: u64,
    pub(crate) finality_blocks: u32,
    pub(crate) block_units: u64,
    pub(crate) channel_units: u64,
    pub(crate) prices: [u64; 7],
    pub(crate) order: u8,
    pub(crate) least: u64,
    pub(crate) compete: u8,
    /// What follows: 1 with a state root.
    pub(crate) tail: Vec<u8>,
}

/// Prices by their place: of an open into which both deposit, and of a close.
pub(crate) const TRANSFER: usize = 0;
pub(crate) const OPEN_TWO_SIDED: usize = 2;
pub(crate) const CLOSE: usize = 3;

/// What a transaction offers: at most, and above the base fee.
pub(crate) type Bid = Option<(u64, u64)>;

/// How the shards' records are spread over segments and chunks.
#[derive(Clone, Copy)]
pub(crate) enum Cut {
    /// In one chunk of one segment.
    AsARunDoes,
    /// The first burst has a chunk of its own, or a segment.
    Chunks,
    Segments,
    /// One with nothing in it comes first.
    EmptyChunk,
    EmptySegment,
}

#[derive(Clone, Default)]
pub(crate) struct Block {
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) count_told: Option<u32>,
    pub(crate) height_told: Option<u64>,
    pub(crate) parent_told: Option<Digest>,
}

#[derive(Clone)]
pub(crate) enum Transaction {
    Open(Open),
    Close(Close),
}

/// The run's n-th opening is of channel n, whether it fails or not.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) a: Key,
    pub(crate) b: Key,
    pub(crate) nonce: u64,
    pub(crate) deposit_a: u64,
    /// `None`: B deposits nothing, and signs nothing.
    pub(crate) deposit_b: Option<u64>,
    pub(crate) window: u32,
    pub(crate) reserve: u64,
    /// The deposits are not covered.
    pub(crate) fails: bool,
    pub(crate) bid: Bid,
    /// Whose keys sign for A and B.
    pub(crate) signers: [Key; 2],
}

#[derive(Clone)]
pub(crate) struct Close {
    pub(crate) channel: usize,
    /// The state of this version, as the shards tell it, unless another one is shown.
    pub(crate) version: usize,
    pub(crate) shown: Option<Shown>,
    pub(crate) change: fn(&mut Shown),
    pub(crate) submitter: Key,
    pub(crate) bid: Bid,
    /// Whose keys sign the finals, and the transaction; `None`: the right ones.
    pub(crate) final_signers: [Option<Key>; 2],
    pub(crate) signer: Option<Key>,
}

/// What a close shows.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) previous: Digest,
    pub(crate) entry: [u8; 32],
}

/// Fields of an entry.
pub(crate) const VERSION: usize = 0;
pub(crate) const AMOUNT: usize = 1;
pub(crate) const BALANCE: usize = 2;

impl Shown {
    /// Adds to a field of the entry.
    pub(crate) fn add(&mut self, field: usize, more: u64) {
        let bytes = &mut self.entry[8 * field..8 * field + 8];
        let number = u64::from_le_bytes(bytes.try_into().unwrap());
        bytes.copy_from_slice(&number.wrapping_add(more).to_le_bytes());
    }
}

#[derive(Clone)]
pub(crate) struct Burst {
    pub(crate) session: u64,
    pub(crate) channel: usize,
    pub(crate) before: u64,
    /// 0: A, 1: B.
    pub(crate) payer: usize,
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) proposals_told: Option<u32>,
    pub(crate) answers_told: Option<u32>,
    /// Each tag is told in another form, which is the same modulo 2^63.
    pub(crate) twins: bool,
}

#[derive(Clone)]
pub(crate) struct Proposal {
    pub(crate) amounts: Vec<u64>,
    pub(crate) pass: bool,
    /// `None`: the payer's.
    pub(crate) signer: Option<Key>,
    /// The state so many versions before is signed.
    pub(crate) behind: usize,
}

#[derive(Clone)]
pub(crate) struct Answer {
    /// So many proposals.
    pub(crate) proposals: u64,
    /// `None`: the payee's.
    pub(crate) signer: Option<Key>,
}

impl Run {
    /// Two shards, five channels: 0 is paid in three bursts and closed, 1 has deposits of both and
    /// pays both ways, 2 fails to open, 3 is closed with nothing paid, 4 is left open. k is 2, and
    /// 2 are in flight.
    pub(crate) fn honest() -> Run {
        let open = |a, b, nonce, deposit_a, deposit_b, reserve| Open {
            a,
            b,
            nonce,
            deposit_a,
            deposit_b,
            window: 6,
            reserve,
            fails: false,
            bid: None,
            signers: [a, b],
        };
        let mut fails = open(3, 0, 0, 500, None, 0);
        fails.fails = true;
        let close = |channel, version, submitter| {
            Transaction::Close(Close {
                channel,
                version,
                shown: None,
                change: |_| {},
                submitter,
                bid: None,
                final_signers: [None; 2],
                signer: None,
            })
        };
        let block = |transactions| Block {
            transactions,
            ..Block::default()
        };
        Run {
            block_transactions: 100,
            block_bytes: 1 << 20,
            fee: 1,
            scarcity: None,
            scarcity_after: vec![0],
            accounts: vec![(0, 1000), (1, 1000), (2, 1000), (3, 50), (4, 10)],
            accounts_told: None,
            genesis_told: None,
            blocks: vec![
                block(vec![
                    Transaction::Open(open(0, 1, 0, 500, None, 10)),
                    Transaction::Open(open(2, 1, 0, 300, Some(200), 0)),
                    Transaction::Open(fails),
                    Transaction::Open(open(0, 2, 1, 100, None, 0)),
                    Transaction::Open(open(3, 1, 1, 30, None, 0)),
                ]),
                block(vec![close(0, 7, 0), close(3, 0, 2)]),
                block(vec![close(1, 3, 4)]),
            ],
            shards: vec![
                vec![
                    burst(0, 0, 0, 0, &[&[10, 20], &[5]], &[2]),
                    burst(1, 1, 0, 0, &[&[40]], &[1]),
                    burst(0, 0, 3, 0, &[&[7], &[8]], &[1, 1]),
                    burst(1, 1, 1, 1, &[&[30, 9]], &[1]),
                    burst(0, 0, 5, 0, &[&[6, 4]], &[1]),
                ],
                vec![burst(3, 4, 0, 0, &[&[3, 2]], &[1])],
            ],
            sessions: 5,
            cosign_every: 2,
            in_flight: 2,
            cut: Cut::AsARunDoes,
            votes: None,
            manifest: Vec::new(),
        }
    }

    /// The same where three of four validators have signed that each block is final.
    pub(crate) fn voted() -> Run {
        let mut run = Run::honest();
        run.votes = Some(Votes {
            keys: vec![20, 21, 22, 23],
            recorded: true,
            told: Some(vec![20, 21, 22, 23]),
            by: vec![0, 1, 3],
            round: 0,
            left_out: None,
        });
        run
    }

    /// Who decides about blocks.
    pub(crate) fn votes(&mut self) -> &mut Votes {
        self.votes.as_mut().unwrap()
    }

    /// The same where time passes, blocks have units, and transactions bid above a base fee. It is
    /// 80,000 in the first block, which is full; 90,000 in the second; and after two that pass with
    /// nothing in them 80,000 again, the least, in the third.
    pub(crate) fn scarce() -> Run {
        let mut run = Run::honest();
        run.scarcity = Some(Scarcity {
            interval_ms: 1000,
            finality_blocks: 2,
            block_units: 60,
            channel_units: 0,
            prices: [5, 10, 20, 10, 10, 10, 10],
            order: 2,
            least: 80_000,
            compete: 1,
            tail: Vec::new(),
        });
        run.bid_all(Some((1_000_000, 10_000)));
        run.blocks[2].height_told = Some(5);
        run
    }

    /// Every transaction has this bid, or none.
    pub(crate) fn bid_all(&mut self, all: Bid) {
        for transaction in self.blocks.iter_mut().flat_map(|of| &mut of.transactions) {
            match transaction {
                Transaction::Open(open) => open.bid = all,
                Transaction::Close(close) => close.bid = all,
            }
        }
    }

    /// What Layer 1 is scarce by.
    pub(crate) fn scarcity(&mut self) -> &mut Scarcity {
        self.scarcity.as_mut().unwrap()
    }

    /// The n-th opening.
    pub(crate) fn open(&mut self, channel: usize) -> &mut Open {
        let transactions = self.blocks.iter_mut().flat_map(|of| &mut of.transactions);
        let mut opens = transactions.filter_map(|transaction| match transaction {
            Transaction::Open(open) => Some(open),
            Transaction::Close(_) => None,
        });
        opens.nth(channel).unwrap()
    }

    /// The close of a channel.
    pub(crate) fn close(&mut self, channel: usize) -> &mut Close {
        let transactions = self.blocks.iter_mut().flat_map(|of| &mut of.transactions);
        let mut closes = transactions.filter_map(|transaction| match transaction {
            Transaction::Close(close) if close.channel == channel => Some(close),
            _ => None,
        });
        closes.next().unwrap()
    }

    /// The n-th burst of shard 0.
    pub(crate) fn burst(&mut self, at: usize) -> &mut Burst {
        &mut self.shards[0][at]
    }

    /// The manifest says something else.
    pub(crate) fn claim(&mut self, key: &'static str, value: impl ToString) {
        self.manifest.push((key, value.to_string()));
    }

    /// A channel is closed in the state that it has now, whatever the shards will tell.
    pub(crate) fn close_as_it_is(&mut self, channel: usize) {
        let genesis = self.genesis();
        let mut channels = self.channels(&genesis);
        let bursts = self.shards.iter().flatten();
        for burst in bursts.filter(|burst| burst.channel == channel) {
            burst.write(&mut channels[channel], &mut Vec::new());
        }
        let close = self.close(channel);
        close.shown = Some(channels[channel].shown(close.version));
    }

    /// Leaves out an opening; those after it are of other channels then.
    pub(crate) fn leave_out_open(&mut self, channel: usize) {
        self.blocks[0].transactions.remove(channel);
        let closes = self.blocks.iter_mut().flat_map(|of| &mut of.transactions);
        let of_closes = closes.filter_map(|transaction| match transaction {
            Transaction::Open(_) => None,
            Transaction::Close(close) => Some(&mut close.channel),
        });
        let of_bursts = self.shards.iter_mut().flatten();
        for of in of_closes.chain(of_bursts.map(|burst| &mut burst.channel)) {
            *of -= usize::from(*of > channel);
        }
    }

    /// The last block has an opening again, by this key.
    pub(crate) fn open_once_more(&mut self, channel: usize, by: Key) {
        let mut open = self.open(channel).clone();
        (open.a, open.signers[0]) = (by, by);
        self.blocks[2].transactions.push(Transaction::Open(open));
    }

    /// The last block has a close again.
    pub(crate) fn close_once_more(&mut self, channel: usize) {
        let close = self.close(channel).clone();
        self.blocks[2].transactions.push(Transaction::Close(close));
    }

    /// What the last block's hash is.
    pub(crate) fn tip(&self) -> Digest {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path())
    }
}

/// A burst of proposals with these amounts, of which each answer answers so many.
pub(crate) fn burst(
    session: u64,
    channel: usize,
    before: u64,
    payer: usize,
    proposals: &[&[u64]],
    answers: &[u64],
) -> Burst {
    let mut burst = Burst {
        session,
        channel,
        before,
        payer,
        proposals: Vec::new(),
        answers: Vec::new(),
        proposals_told: None,
        answers_told: None,
        twins: false,
    };
    burst.say(proposals, answers);
    burst
}

impl Burst {
    /// Proposals of at most so many entries, all in flight as one answer answers them.
    pub(crate) fn cut(&mut self, most: usize) {
        let proposals: Vec<Vec<u64>> = self
            .proposals
            .iter()
            .flat_map(|proposal| proposal.amounts.chunks(most).map(<[u64]>::to_vec))
            .collect();
        let proposals: Vec<&[u64]> = proposals.iter().map(Vec::as_slice).collect();
        self.say(&proposals, &[proposals.len() as u64]);
    }

    /// Other proposals and answers.
    pub(crate) fn say(&mut self, proposals: &[&[u64]], answers: &[u64]) {
        let proposals = proposals.iter().map(|amounts| Proposal {
            amounts: amounts.to_vec(),
            pass: false,
            signer: None,
            behind: 0,
        });
        let answers = answers.iter().map(|proposals| Answer {
            proposals: *proposals,
            signer: None,
        });
        (self.proposals, self.answers) = (proposals.collect(), answers.collect());
    }
}
