//! What a full Layer 1 block costs: admission and sealing, keys already known.
//!
//! `transfers/64` and `transfers/1`: 2,857 transfers, each account signing 64 of them, or one.
//! `channels`: 1,428 one-sided opens and the cooperative closes of those channels; an opener signs
//! three times (open, final state, close), the other party once.
//! `opens`: 2,857 one-sided opens. `posts`: the first posts of 2,857 channels, each signed by both.
//!
//! `/root` after a name: with a state root, over a few thousand accounts and channels
//! (`state-root`, an example of `duet-ledger`, has it over a million).
//!
//! Blocks and their signatures are made outside of the time taken. Elements are transactions.
//!
//! `l1_decide`: what all of 1, 4, 16 or 100 validators do until one of them has decided a block,
//! signatures included, on this machine's fastest back end; `opens, as fast as validators` executes
//! a block of opens on the same.

use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use duet_engine::consensus::{Block, Blocks, Faults, Network, Offer, Setup, Simulation};
use duet_engine::crypto::{
    Backend, BackendChoice, Digest, PublicKey, SecretKey, SignJob, Signature, Signer,
};
use duet_engine::l1::{Chain, Config, Genesis, Receipt, SignedTransaction, Transaction};
use duet_engine::protocol::{
    Amount, ChannelId, CoSigned, Entry, FinalProof, Pair, Party, Post, State, Terms, final_digest,
    state_digest,
};
use zeroize::Zeroizing;

const BLOCK: usize = 60_000_000 / 21_000;
const CHANNELS: usize = BLOCK / 2;

/// A chain, and accounts that can sign for it.
struct Load {
    chain: Chain,
    signer: Signer,
    secrets: Vec<SecretKey>,
    nonces: Vec<u64>,
    receipts: Vec<Receipt>,
}

/// A transaction and the account that signs it.
type Unsigned = (Transaction, u32);

impl Load {
    fn new(accounts: usize, state_root: bool, backend: Backend) -> Load {
        let secrets: Vec<SecretKey> = (0..accounts as u64)
            .map(|account| {
                let mut seed = [7; 32];
                seed[..8].copy_from_slice(&account.to_le_bytes());
                SecretKey::from_seed(&seed)
            })
            .collect();
        let genesis: Genesis = Genesis {
            label: "bench".to_owned(),
            allocations: secrets
                .iter()
                .map(|secret| (secret.public(), Amount::new(1 << 40)))
                .collect(),
        };
        let config = Config {
            state_root,
            ..Config::default()
        };
        Load {
            chain: Chain::new(config, &genesis, backend).expect("a sound configuration"),
            signer: Signer::new(backend),
            nonces: vec![0; accounts],
            secrets,
            receipts: Vec::new(),
        }
    }

    fn key(&self, account: usize) -> PublicKey {
        self.secrets[account].public()
    }

    fn nonce(&mut self, account: usize) -> u64 {
        self.nonces[account] += 1;
        self.nonces[account] - 1
    }

    fn sign(&mut self, jobs: &[SignJob]) -> Vec<Signature> {
        let mut signatures = Vec::new();
        self.signer.sign(&self.secrets, jobs, &mut signatures);
        signatures
    }

    fn encode(&mut self, unsigned: &[Unsigned]) -> Vec<Vec<u8>> {
        let genesis = *self.chain.genesis();
        let jobs: Vec<SignJob> = unsigned
            .iter()
            .map(|(transaction, secret)| SignJob {
                secret: *secret,
                digest: transaction.digest(&genesis),
            })
            .collect();
        let signatures = self.sign(&jobs);
        let encode = |((transaction, _), signature): (&Unsigned, Signature)| {
            let mut bytes = Vec::new();
            SignedTransaction::new(transaction.clone(), signature, None).encode(&mut bytes);
            bytes
        };
        unsigned.iter().zip(signatures).map(encode).collect()
    }

    fn transfers(&mut self) -> Vec<Vec<u8>> {
        let accounts = self.secrets.len();
        let unsigned: Vec<Unsigned> = (0..BLOCK)
            .map(|i| {
                let from = i % accounts;
                let transaction = Transaction::Transfer {
                    from: self.key(from),
                    nonce: self.nonce(from),
                    to: self.key((from + 1) % accounts),
                    amount: Amount::new(1),
                };
                (transaction, from as u32)
            })
            .collect();
        self.encode(&unsigned)
    }

    /// Channels between accounts 2i and 2i + 1.
    fn terms(&mut self, channels: usize) -> Vec<Terms> {
        let terms = (0..channels).map(|i| Terms {
            genesis: *self.chain.genesis(),
            nonce: self.nonce(2 * i),
            index: 0,
            keys: Pair {
                a: self.key(2 * i),
                b: self.key(2 * i + 1),
            },
            deposits: Pair {
                a: Amount::new(20_000),
                b: Amount::ZERO,
            },
            challenge_window_blocks: 144,
            reserve: Amount::ZERO,
        });
        terms.collect()
    }

    /// Both parties' signatures of each channel, A's first.
    fn sign_both(
        &mut self,
        terms: &[Terms],
        digest: impl Fn(&ChannelId) -> Digest,
    ) -> Vec<Signature> {
        let jobs = terms.iter().enumerate().flat_map(|(i, terms)| {
            let digest = digest(&terms.channel_id());
            [2 * i, 2 * i + 1].map(|secret| SignJob {
                secret: secret as u32,
                digest,
            })
        });
        let jobs: Vec<SignJob> = jobs.collect();
        self.sign(&jobs)
    }

    fn opens(&mut self) -> Vec<Vec<u8>> {
        let terms = self.terms(BLOCK);
        self.encode_opens(&terms)
    }

    fn encode_opens(&mut self, terms: &[Terms]) -> Vec<Vec<u8>> {
        let openers = (0..).map(|i| 2 * i);
        let opens = terms.iter().map(Transaction::open).zip(openers);
        self.encode(&opens.collect::<Vec<Unsigned>>())
    }

    /// Opens channels in a block of their own; gives the posts.
    fn posts(&mut self) -> Vec<Vec<u8>> {
        let terms = self.terms(BLOCK);
        let opens = self.encode_opens(&terms);
        self.block(&opens);
        let state = after_payments();
        let State::After { previous, entry } = state else {
            unreachable!("there were payments")
        };
        let signed = self.sign_both(&terms, |channel| {
            state_digest(channel, &state.head(channel))
        });
        let posts = terms.iter().zip(signed.as_chunks().0).zip(0..);
        let posts = posts.map(|((terms, &[a, b]), i)| {
            let post = Post {
                channel: terms.channel_id(),
                shown: Some(CoSigned {
                    previous,
                    entry,
                    signatures: Pair { a, b },
                }),
                offer: None,
            };
            let submitter = terms.keys.a;
            (Transaction::Post { submitter, post }, 2 * i)
        });
        let posts: Vec<Unsigned> = posts.collect();
        self.encode(&posts)
    }

    /// Opens between accounts 2i and 2i + 1, then their closes.
    fn channels(&mut self) -> Vec<Vec<u8>> {
        let terms = self.terms(CHANNELS);
        let state = after_payments();
        let finals = self.sign_both(&terms, |channel| {
            final_digest(channel, &state.head(channel))
        });
        let opens = terms.iter().map(Transaction::open);
        let closes = terms.iter().zip(finals.chunks(2)).map(|(terms, finals)| {
            Transaction::CooperativeClose {
                submitter: terms.keys.a,
                proof: FinalProof {
                    channel: terms.channel_id(),
                    state,
                    signatures: Pair {
                        a: finals[0],
                        b: finals[1],
                    },
                },
            }
        });
        let openers = (0..CHANNELS as u32).map(|i| 2 * i).cycle();
        let unsigned: Vec<Unsigned> = opens.chain(closes).zip(openers).collect();
        self.encode(&unsigned)
    }

    /// Makes a block of these, and says how long Layer 1 took.
    fn block(&mut self, transactions: &[Vec<u8>]) -> Duration {
        self.receipts.clear();
        let start = Instant::now();
        for (ticket, bytes) in transactions.iter().enumerate() {
            let submitted = self.chain.submit(ticket as u64, bytes);
            submitted.expect("the mempool holds a block");
        }
        let header = self.chain.seal(&mut self.receipts);
        let taken = start.elapsed();
        let included = header.map_or(0, |header| header.transactions as usize);
        assert_eq!(included, transactions.len());
        assert_eq!(self.chain.load().failed, 0);
        taken
    }
}

/// The state of a channel after 10,000 payments.
fn after_payments() -> State {
    let entry = Entry {
        version: 10_000,
        amount: Amount::new(1),
        balance_a: Amount::new(10_000),
        payer: Party::A,
        tag: 0,
    };
    State::After {
        previous: Digest([1; 32]),
        entry: entry.encode(),
    }
}

fn bench(
    criterion: &mut Criterion,
    (name, state_root): (&str, bool),
    backend: Backend,
    accounts: usize,
    transactions: usize,
    make: fn(&mut Load) -> Vec<Vec<u8>>,
) {
    let mut group = criterion.benchmark_group("l1_block");
    // Ten blocks each, and their signatures.
    group
        .throughput(Throughput::Elements(transactions as u64))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(2500));
    let mut load: Option<Load> = None;
    let name = format!("{name}{}", if state_root { "/root" } else { "" });
    group.bench_function(&name, |bencher| {
        let load = load.get_or_insert_with(|| {
            let mut load = Load::new(accounts, state_root, backend);
            // The first block's keys are new, every later one's are known.
            let first = make(&mut load);
            load.block(&first);
            load
        });
        bencher.iter_custom(|blocks| {
            (0..blocks)
                .map(|_| {
                    let transactions = make(load);
                    load.block(&transactions)
                })
                .sum()
        });
    });
    group.finish();
}

fn l1(criterion: &mut Criterion) {
    let both = 2 * CHANNELS;
    for root in [false, true] {
        let mut row = |name, accounts, transactions, make| {
            bench(
                criterion,
                (name, root),
                Backend::Dalek,
                accounts,
                transactions,
                make,
            );
        };
        row("transfers/64", BLOCK.div_ceil(64), BLOCK, Load::transfers);
        row("transfers/1", BLOCK, BLOCK, Load::transfers);
        row("channels", both, both, Load::channels);
        row("opens", 2 * BLOCK, BLOCK, Load::opens);
        row("posts", 2 * BLOCK, BLOCK, Load::posts);
    }
}

/// A block that is never executed.
struct Hash(u64);

impl Blocks for Hash {
    fn offer(&mut self, _: Offer) -> Block {
        let mut hash = Digest::default();
        hash.0[..8].copy_from_slice(&self.0.to_le_bytes());
        Block {
            hash,
            bytes: 500_000,
        }
    }

    fn check(&mut self, _: u16, block: &Digest) -> bool {
        *block == self.offer(Offer::Fair).hash
    }
}

fn decide(criterion: &mut Criterion) {
    let backend = Backend::select(BackendChoice::Auto).expect("there is always one");
    let opens = ("opens, as fast as validators", false);
    bench(criterion, opens, backend, 2 * BLOCK, BLOCK, Load::opens);
    let mut group = criterion.benchmark_group("l1_decide");
    group
        .sampling_mode(SamplingMode::Flat)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(2500));
    for validators in [1, 4, 16, 100] {
        let seeds = (0..validators).map(|place: u8| Zeroizing::new([place + 1; 32]));
        let setup = Setup {
            genesis: Digest::default(),
            seeds: seeds.collect(),
            faults: Faults::default(),
            network: Network::default(),
            seed: 1,
        };
        let mut simulation = Simulation::new(setup, backend);
        let mut height = 0;
        group.bench_function(format!("{validators} validators, a block"), |bencher| {
            bencher.iter(|| {
                height += 1;
                let decided = simulation.decide(height, height * 2_000_000, &mut Hash(height));
                decided.expect("nobody is faulty")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, l1, decide);
criterion_main!(benches);
