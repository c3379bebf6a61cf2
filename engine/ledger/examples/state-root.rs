//! What a state root costs: opens channels between accounts of their own, in full blocks, and says
//! the CPU time of sealing with the root's part, and the memory before and after. For the memory of
//! the trees, compare it with and without.
//!
//! `cargo run --release -p duet-ledger --example state-root -- 1000000 on spread`
//!
//! The second word is `on` or `off`; the third `in-order` (blocks open channels of accounts that
//! are neighbours at genesis), `spread` (of accounts that lie anywhere) or `batches` (neighbours,
//! 32 channels of one opener under one signature: least to execute beside the root).

use std::error::Error;
use std::fs;
use std::time::Instant;

use duet_channels::crypto::{Backend, BackendChoice, PublicKey, SecretKey, SignJob, Signer};
use duet_channels::protocol::{Amount, Pair, Terms};
use duet_ledger::l1::{Chain, Config, Genesis, Opening, SignedTransaction, Transaction};

const USAGE: &str = "usage: state-root CHANNELS on|off in-order|spread|batches";
/// Channels of a batch.
const BATCH: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [channels, root, order] = words.as_slice() else {
        return Err(USAGE.into());
    };
    let channels: usize = channels.parse()?;
    let state_root = match root.as_str() {
        "on" => true,
        "off" => false,
        _ => return Err(USAGE.into()),
    };
    let pairs = match order.as_str() {
        "in-order" | "batches" => (0..channels).map(|at| [2 * at, 2 * at + 1]).collect(),
        "spread" => spread(channels),
        _ => return Err(USAGE.into()),
    };
    let batch = if order == "batches" { BATCH } else { 1 };
    measure(&pairs, batch, state_root)
}

/// The same accounts, shuffled (Fisher and Yates, by a linear congruential generator).
fn spread(channels: usize) -> Vec<[usize; 2]> {
    let mut accounts: Vec<usize> = (0..2 * channels).collect();
    let mut state = 1_u64;
    for at in (1..accounts.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        accounts.swap(at, (state >> 33) as usize % (at + 1));
    }
    accounts.as_chunks().0.to_vec()
}

fn measure(pairs: &[[usize; 2]], batch: usize, state_root: bool) -> Result<(), Box<dyn Error>> {
    let backend = Backend::select(BackendChoice::Auto)?;
    let mut signer = Signer::new(backend);
    let seed = |account: usize| {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&(account as u64).to_le_bytes());
        seed
    };
    let secrets: Vec<SecretKey> = (0..2 * pairs.len())
        .map(|account| SecretKey::from_seed(&seed(account)))
        .collect();
    let keys: Vec<PublicKey> = secrets.iter().map(SecretKey::public).collect();
    let genesis = Genesis {
        label: "state-root".to_owned(),
        allocations: keys
            .iter()
            .map(|key| (*key, Amount::new(1 << 20)))
            .collect(),
    };
    let config = Config {
        state_root,
        ..Config::default()
    };
    let before = resident_bytes()?;
    let start = Instant::now();
    let mut chain = Chain::new::<Vec<_>>(config, &genesis, backend)?;
    println!(
        "genesis of {} accounts in {:?}",
        keys.len(),
        start.elapsed()
    );
    let mut receipts = Vec::new();
    let block_channels = config.block_transactions as usize / batch * batch;
    for block in pairs.chunks(block_channels) {
        for bytes in opens(&chain, &secrets, &mut signer, block, batch) {
            chain.submit(0, &bytes)?;
        }
        receipts.clear();
        chain.seal(&mut receipts);
    }
    let after = resident_bytes()?;
    let load = chain.load();
    assert_eq!(chain.totals().locked, Amount::new(500 * pairs.len() as u64));
    let rest = load.cpu_ns - load.root_cpu_ns;
    let per = |ns: u64| ns as f64 / pairs.len() as f64;
    println!(
        "{} opens in {} blocks: {:.0} ns each of executing, {:.0} ns of the root (+ {:.1} %)",
        pairs.len(),
        load.blocks,
        per(rest),
        per(load.root_cpu_ns),
        100.0 * load.root_cpu_ns as f64 / rest as f64
    );
    println!(
        "{} bytes resident for each channel",
        (after - before) / pairs.len() as u64
    );
    Ok(())
}

/// A block's transactions, of so many channels each.
fn opens(
    chain: &Chain,
    secrets: &[SecretKey],
    signer: &mut Signer,
    pairs: &[[usize; 2]],
    batch: usize,
) -> Vec<Vec<u8>> {
    let terms = |[a, b]: [usize; 2]| Terms {
        genesis: *chain.genesis(),
        nonce: 0,
        index: 0,
        keys: Pair {
            a: secrets[a].public(),
            b: secrets[b].public(),
        },
        deposits: Pair {
            a: Amount::new(500),
            b: Amount::ZERO,
        },
        challenge_window_blocks: 144,
        reserve: Amount::ZERO,
    };
    let open = |pairs: &[[usize; 2]]| match *pairs {
        [pair] => Transaction::open(&terms(pair)),
        _ => Transaction::OpenBatch {
            opener: secrets[pairs[0][0]].public(),
            nonce: 0,
            channels: pairs
                .iter()
                .map(|pair| Opening::of(&terms(*pair)))
                .collect(),
        },
    };
    let opens: Vec<Transaction> = pairs.chunks(batch).map(open).collect();
    let jobs: Vec<SignJob> = (pairs.chunks(batch).zip(&opens))
        .map(|(pairs, open)| SignJob {
            secret: pairs[0][0] as u32,
            digest: open.digest(chain.genesis()),
        })
        .collect();
    let mut signatures = Vec::new();
    signer.sign(secrets, &jobs, &mut signatures);
    let encode = |(open, signature)| {
        let mut bytes = Vec::new();
        SignedTransaction::new(open, signature, None).encode(&mut bytes);
        bytes
    };
    opens.into_iter().zip(signatures).map(encode).collect()
}

fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.ok_or("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(kibibytes.parse::<u64>()? << 10)
}
