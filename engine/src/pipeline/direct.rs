//! The baseline: the same payments as plain transfers on the same Layer 1 code. Run, not assumed.
//!
//! Sessions go one after the other. A block then holds few payers, so that its batch verification
//! joins many signatures per key: the cheapest case for Layer 1, and so the least flattering
//! offload for channels.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::accounts::{Accounts, secret_keys};
use super::config::Config;
use super::error::RunError;
use super::threads;
use super::workload::{AccountIndex, Session, Workload};
use duet_base::clock::thread_cpu_ns;
use duet_channels::crypto::{Backend, Digest, SecretKey, SignJob, Signature, Signer};
use duet_channels::protocol::{Amount, Pair, Party, Payment};
use duet_ledger::l1::{
    self, Bid, Chain, Executed, Load, Output, Receipt, SignedTransaction, SubmitError, Transaction,
    Verification,
};

/// Transfers that are signed, submitted and sealed in one go.
const CHUNK: usize = 8192;

/// How payments are made on Layer 1 itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Means {
    /// Each by a transfer of its own, at once.
    #[default]
    Transfers,
    /// So many of one payer's in a session by one transaction, and what is left by its last one.
    MultiSend(u64),
    /// What so many payments of a session come to by one transfer, to whom it is owed.
    Tab(u64),
}

/// Which payments the baseline makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Sessions, in ascending order.
    pub sessions: Vec<u64>,
    /// Of each of them so many payments at most, its first ones.
    pub first_payments: u64,
    /// How it makes them.
    pub means: Means,
}

impl Sampling {
    /// All payments of these sessions.
    #[must_use]
    pub fn whole(sessions: Vec<u64>) -> Sampling {
        Sampling {
            sessions,
            first_payments: u64::MAX,
            means: Means::Transfers,
        }
    }

    /// The session, without the payments that are left out.
    fn session(&self, workload: &dyn Workload, session: u64) -> Session {
        let plan = workload.session(session);
        Session {
            payments: plan.payments.min(self.first_payments),
            ..plan
        }
    }
}

/// What the baseline did.
#[derive(Debug)]
pub struct DirectOutcome {
    /// Sessions whose payments, or the first of them, were transferred.
    pub sessions: u64,
    /// Payments transferred.
    pub payments: u64,
    /// What Layer 1 did.
    pub l1: Load,
    /// Units of the transfers, where a block's are bounded.
    pub units: u64,
    /// Fees that they paid.
    pub fees: u64,
    /// Payments that a payee waited for, at most, until one of them was on Layer 1.
    pub most_waiting: u64,
    /// What a payee was owed at most.
    pub most_owed: u64,
    /// The last block's hash.
    pub tip: Digest,
    /// Signatures that the payers made, one per transfer.
    pub client_signatures: u64,
    /// The payers' CPU time for them, in nanoseconds. Not Layer 1's.
    pub client_cpu_ns: u64,
    /// Layer 1's CPU time by sample: a session, or as many as fill a block. They sum to all
    /// payments and to all of the CPU time.
    pub samples: Vec<DirectSample>,
    /// Every account has at the end what the workload's own sums say.
    pub balances_match: bool,
    /// Layer 1's accounts and fees sum to its supply.
    pub supply_conserved: bool,
    /// It was cut short from outside.
    pub cut_short: bool,
    /// How long it took, the payers' signing included.
    pub wall: Duration,
}

/// What one sample of sessions cost Layer 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectSample {
    /// Payments transferred.
    pub payments: u64,
    /// Layer 1's CPU time, in nanoseconds.
    pub cpu_ns: u64,
}

/// The samples so far, each from where the one before it ended.
#[derive(Default)]
struct Samples {
    all: Vec<DirectSample>,
    sum: DirectSample,
}

impl Samples {
    /// Ends a sample where so much was done in all; none without a payment of its own.
    fn end_at(&mut self, payments: u64, cpu_ns: u64) {
        if payments > self.sum.payments {
            self.all.push(DirectSample {
                payments: payments - self.sum.payments,
                cpu_ns: cpu_ns - self.sum.cpu_ns,
            });
            self.sum = DirectSample { payments, cpu_ns };
        }
    }
}

/// Makes these payments by these means, until `stop` is set. All of the workload's accounts
/// exist; each has what its payments and their fees take. `observe` is told the payments so far.
///
/// # Errors
/// If the run cannot be set up.
pub fn run_direct(
    config: &Config,
    workload: &dyn Workload,
    sampling: &Sampling,
    stop: &AtomicBool,
    mut observe: impl FnMut(u64),
) -> Result<DirectOutcome, RunError> {
    let started = Instant::now();
    threads::pool()?;
    let sessions = &sampling.sessions;
    let spending = Spending::of(workload, sampling);
    let units: Box<Units> = Box::new(|account| {
        let (amount, payments) = spending.0.get(&account).copied().unwrap_or_default();
        payments.checked_mul(config.most_fee())?.checked_add(amount)
    });
    let accounts = Accounts::new(config, workload.accounts(), units)?;
    let l1_config = l1::Config {
        // Its CPU time is what counts.
        verification: Verification::Sequential,
        ..config.l1
    };
    let chain = Chain::new(l1_config, &accounts.genesis("direct"), config.backend);
    let chain = chain.map_err(RunError::L1)?;
    let mut direct = Direct {
        config,
        workload,
        sampling,
        waiting: Waiting::default(),
        fees: 0,
        accounts,
        chain,
        nonces: HashMap::new(),
        changes: vec![0; workload.accounts() as usize],
        receipts: Vec::new(),
        failed: 0,
        client_signatures: 0,
        client_cpu_ns: 0,
    };
    let mut done = 0;
    let mut payments = 0;
    let mut samples = Samples::default();
    for &session in sessions {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        payments += direct.session(session, |so_far| observe(payments + so_far));
        done += 1;
        if payments - samples.sum.payments >= config.l1.transfers_in_a_block() {
            direct.seal(0);
            samples.end_at(payments, direct.chain.load().cpu_ns);
        }
    }
    direct.seal(0);
    // The last one may be short of a block, wherever it ended.
    samples.end_at(payments, direct.chain.load().cpu_ns);
    Ok(DirectOutcome {
        sessions: done as u64,
        payments,
        l1: *direct.chain.load(),
        units: direct.chain.space().units,
        fees: direct.fees,
        most_waiting: direct.waiting.most,
        most_owed: direct.waiting.most_owed,
        tip: *direct.chain.tip(),
        client_signatures: direct.client_signatures,
        client_cpu_ns: direct.client_cpu_ns,
        samples: samples.all,
        balances_match: direct.failed == 0
            && direct
                .accounts
                .hold(&direct.chain, |account| direct.changes[account as usize]),
        supply_conserved: direct.chain.recount().is_ok(),
        cut_short: done < sessions.len(),
        wall: started.elapsed(),
    })
}

/// The sum and the number of the payments that each account makes.
struct Spending(HashMap<AccountIndex, (u64, u64)>);

impl Spending {
    fn of(workload: &dyn Workload, sampling: &Sampling) -> Spending {
        let mut spending: HashMap<AccountIndex, (u64, u64)> = HashMap::new();
        let mut payments = Vec::new();
        for &session in &sampling.sessions {
            let plan = sampling.session(workload, session);
            each_chunk(workload, session, &plan, &mut payments, |payments| {
                for payment in payments {
                    let spent = spending.entry(plan.accounts[payment.payer]).or_default();
                    spent.0 = spent.0.saturating_add(payment.amount.units());
                    spent.1 += 1;
                }
            });
        }
        Spending(spending)
    }
}

/// Draws all payments of a session, a chunk at a time.
fn each_chunk(
    workload: &dyn Workload,
    session: u64,
    plan: &Session,
    payments: &mut Vec<Payment>,
    mut act: impl FnMut(&[Payment]),
) {
    let mut drawn = 0;
    while drawn < plan.payments {
        payments.clear();
        while payments.len() < CHUNK && drawn + (payments.len() as u64) < plan.payments {
            let first = drawn + payments.len() as u64;
            let before = payments.len();
            let most = (plan.payments - first).min((CHUNK - before) as u64);
            workload.draw(session, first, most as usize, payments);
            assert!(
                payments.len() > before,
                "the workload draws at least one payment"
            );
        }
        drawn += payments.len() as u64;
        act(payments);
    }
}

/// What an account has before the first transfer.
type Units<'w> = dyn Fn(AccountIndex) -> Option<u64> + Sync + 'w;

/// Payments of a session that are on no transaction yet.
#[derive(Default)]
struct Waiting {
    outputs: Pair<Vec<Output>>,
    /// What they come to.
    owed: Pair<u64>,
    /// How many, and what they come to: above 0 if A owes it.
    count: u64,
    balance: i128,
    most: u64,
    most_owed: u64,
}

/// What A or B pays.
type Paid = (Party, Transaction);

struct Direct<'w> {
    config: &'w Config,
    workload: &'w dyn Workload,
    sampling: &'w Sampling,
    waiting: Waiting,
    fees: u64,
    accounts: Accounts<'w, Box<Units<'w>>>,
    chain: Chain,
    nonces: HashMap<AccountIndex, u64>,
    /// Of every account, modulo 2^64.
    changes: Vec<u64>,
    receipts: Vec<Receipt>,
    failed: u64,
    client_signatures: u64,
    client_cpu_ns: u64,
}

impl Direct<'_> {
    /// Transfers one session's payments; those short of a block stay in the mempool.
    fn session(&mut self, session: u64, mut observe: impl FnMut(u64)) -> u64 {
        let workload = self.workload;
        let plan = self.sampling.session(workload, session);
        let indices = plan.accounts;
        let secrets = secret_keys(
            self.config.backend,
            self.config.seed,
            &[indices.a, indices.b],
        );
        let mut payments = Vec::new();
        let mut transferred = 0;
        each_chunk(workload, session, &plan, &mut payments, |payments| {
            transferred += payments.len() as u64;
            let mut paid = self.transactions(payments, &indices);
            if transferred == plan.payments {
                self.settle(&indices, &mut paid);
            }
            let signed = self.sign(&secrets, &paid);
            self.chain.hear_together(signed.iter().map(Vec::as_slice));
            for (bytes, (payer, _)) in signed.into_iter().zip(&paid) {
                // The receipt's fee is its payer's.
                self.submit(u64::from(indices[*payer]), &bytes);
            }
            self.seal(self.config.l1.transfers_in_a_block() as usize);
            observe(transferred);
        });
        transferred
    }

    /// Submits a transfer; what is pushed back comes again after a block.
    fn submit(&mut self, payer: u64, bytes: &[u8]) {
        while let Err(error) = self.chain.submit(payer, bytes) {
            match error {
                SubmitError::MempoolFull { .. }
                | SubmitError::MempoolBytesFull { .. }
                | SubmitError::Outbid { .. }
                | SubmitError::AlreadyWaits
                | SubmitError::NotInTurn
                | SubmitError::AnswersInVain { .. } => self.seal_one(),
                // For ever.
                _ => {
                    self.failed += 1;
                    return;
                }
            }
        }
    }

    /// The transactions that these payments make. Some may wait for others.
    fn transactions(&mut self, payments: &[Payment], indices: &Pair<AccountIndex>) -> Vec<Paid> {
        let mut paid = Vec::with_capacity(payments.len());
        for payment in payments {
            let (payer, amount) = (payment.payer, payment.amount);
            let (from, to) = (indices[payer], indices[payer.other()]);
            for (account, units) in [
                (from, 0_u64.wrapping_sub(amount.units())),
                (to, amount.units()),
            ] {
                let sum = &mut self.changes[account as usize];
                *sum = sum.wrapping_add(units);
            }
            let waiting = &mut self.waiting;
            match self.sampling.means {
                Means::Transfers => {
                    paid.push(self.transfer(payer, indices, amount));
                    continue;
                }
                Means::MultiSend(most) => {
                    let to = self.accounts.key(to);
                    waiting.outputs[payer].push(Output { to, amount });
                    waiting.count = waiting.outputs[payer].len() as u64;
                    waiting.owed[payer] += amount.units();
                    waiting.most_owed = waiting.most_owed.max(waiting.owed[payer]);
                    waiting.most = waiting.most.max(waiting.count);
                    if waiting.count == most {
                        paid.extend(self.multi_send(payer, indices));
                    }
                }
                Means::Tab(every) => {
                    let units = i128::from(amount.units());
                    waiting.balance += if payer == Party::A { units } else { -units };
                    let owed = u64::try_from(waiting.balance.unsigned_abs()).unwrap_or(u64::MAX);
                    waiting.most_owed = waiting.most_owed.max(owed);
                    waiting.count += 1;
                    waiting.most = waiting.most.max(waiting.count);
                    if waiting.count == every {
                        self.settle(indices, &mut paid);
                    }
                }
            }
        }
        paid
    }

    /// What still waits of a session.
    fn settle(&mut self, indices: &Pair<AccountIndex>, paid: &mut Vec<Paid>) {
        for payer in Party::BOTH {
            paid.extend(self.multi_send(payer, indices));
        }
        let balance = std::mem::take(&mut self.waiting.balance);
        self.waiting.count = 0;
        let owed = u64::try_from(balance.unsigned_abs()).expect("at most what there is");
        if owed > 0 {
            let payer = if balance > 0 { Party::A } else { Party::B };
            paid.push(self.transfer(payer, indices, Amount::new(owed)));
        }
    }

    fn transfer(&mut self, payer: Party, indices: &Pair<AccountIndex>, amount: Amount) -> Paid {
        let transfer = Transaction::Transfer {
            from: self.accounts.key(indices[payer]),
            nonce: self.nonce(indices[payer]),
            to: self.accounts.key(indices[payer.other()]),
            amount,
        };
        (payer, transfer)
    }

    /// All outputs of a payer that wait, if there are any.
    fn multi_send(&mut self, payer: Party, indices: &Pair<AccountIndex>) -> Option<Paid> {
        let outputs = std::mem::take(&mut self.waiting.outputs[payer]);
        self.waiting.owed[payer] = 0;
        if outputs.is_empty() {
            return None;
        }
        let send = Transaction::MultiSend {
            from: self.accounts.key(indices[payer]),
            nonce: self.nonce(indices[payer]),
            outputs,
        };
        Some((payer, send))
    }

    /// An account's next nonce.
    fn nonce(&mut self, account: AccountIndex) -> u64 {
        let nonce = self.nonces.entry(account).or_default();
        *nonce += 1;
        *nonce - 1
    }

    /// The payers sign, on all cores; their time is not Layer 1's.
    fn sign(&mut self, secrets: &[SecretKey], paid: &[Paid]) -> Vec<Vec<u8>> {
        let genesis = *self.chain.genesis();
        let (backend, bid) = (self.config.backend, self.config.first_bid());
        let chunks: Vec<(Vec<Vec<u8>>, u64)> = paid
            .par_chunks(512)
            .map(|paid| {
                let before = thread_cpu_ns();
                let encoded = sign_chunk((&genesis, bid), backend, secrets, paid);
                (encoded, thread_cpu_ns() - before)
            })
            .collect();
        self.client_signatures += paid.len() as u64;
        self.client_cpu_ns += chunks.iter().map(|(_, cpu_ns)| cpu_ns).sum::<u64>();
        chunks
            .into_iter()
            .flat_map(|(encoded, _)| encoded)
            .collect()
    }

    /// Seals blocks until fewer than this many transactions wait, or none for 0.
    fn seal(&mut self, leave: usize) {
        while self.chain.pending() > 0 && self.chain.pending() >= leave {
            self.seal_one();
        }
    }

    fn seal_one(&mut self) {
        self.chain.seal(&mut self.receipts);
        if self.receipts.is_empty() {
            // After one that was refused, its payer's next ones wait for ever.
            for (account, first) in self.chain.gaps() {
                self.failed += self.chain.withdraw(&account, first).len() as u64;
            }
        }
        for receipt in self.receipts.drain(..) {
            let payer = &mut self.changes[receipt.ticket as usize];
            *payer = payer.wrapping_sub(receipt.fee.units());
            self.fees += receipt.fee.units();
            self.failed += u64::from(receipt.outcome != Ok(Executed::Transferred));
        }
    }
}

fn sign_chunk(
    (genesis, bid): (&Digest, Option<Bid>),
    backend: Backend,
    secrets: &[SecretKey],
    paid: &[Paid],
) -> Vec<Vec<u8>> {
    let jobs: Vec<SignJob> = paid
        .iter()
        .map(|(payer, transaction)| SignJob {
            secret: match payer {
                Party::A => 0,
                Party::B => 1,
            },
            digest: transaction.digest_with(bid.as_ref(), genesis),
        })
        .collect();
    let mut signatures: Vec<Signature> = Vec::with_capacity(jobs.len());
    Signer::new(backend).sign(secrets, &jobs, &mut signatures);
    paid.iter()
        .zip(signatures)
        .map(|((_, transaction), signature)| {
            let mut bytes = Vec::with_capacity(transaction.encoded_bytes());
            SignedTransaction::new(transaction.clone(), signature, None)
                .with_bid(bid)
                .encode(&mut bytes);
            bytes
        })
        .collect()
}
