//! Layer 1's own limit: what a run asked of it is asked again of a new one, at full speed and with
//! nothing beside it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::accounts::{Accounts, CHANNELS, disputes, units};
use super::config::Config;
use super::error::RunError;
use super::workload::Workload;
use duet_ledger::l1::{self, Asked, Chain, Executed, Receipt};

/// What Layer 1 took for transactions of one kind: of each block, their share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// Transactions in blocks.
    pub transactions: u64,
    /// From the end of the block before.
    pub wall: Duration,
    /// CPU time of Layer 1, its workers included, in nanoseconds.
    pub cpu_ns: u64,
}

/// Layer 1 with nothing beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alone {
    /// Openings of channels.
    pub opens: Fed,
    /// Cooperative closes.
    pub closes: Fed,
    /// Posts and payouts.
    pub disputes: Fed,
    /// Whether its last block is the run's.
    pub is_same: bool,
}

/// Asks a new Layer 1 for what a run's was asked for, which has kept it
/// ([`keep_tape`](l1::Config::keep_tape)). None if it has not, or a stop was asked for.
///
/// # Errors
/// If Layer 1 cannot be set up.
pub fn layer_1_alone(
    config: &Config,
    workload: &dyn Workload,
    asked: &Chain,
    stop: &AtomicBool,
) -> Result<Option<Alone>, RunError> {
    let Some(tape) = asked.tape() else {
        return Ok(None);
    };
    let disputes = disputes(config, workload);
    let units = |account| {
        let disputes = disputes.get(&account).copied().unwrap_or(0);
        units(config, workload, disputes, account)
    };
    let accounts = Accounts::new(config, workload.accounts(), units)?;
    let limits = l1::Config {
        keep_tape: false,
        keep_bodies: false,
        ..config.l1
    };
    let genesis = accounts.genesis(CHANNELS);
    let chain = Chain::new(limits, &genesis, config.backend);
    let mut chain = chain.map_err(RunError::L1)?;
    let mut alone = Alone::default();
    let (mut begun, mut cpu_ns) = (Instant::now(), 0);
    let mut receipts = Vec::new();
    for (asked, ticket) in tape.asked().zip(0..) {
        match asked {
            Asked::Submit(bytes) => {
                // What was refused is refused again.
                let _ = chain.submit(ticket, bytes);
                continue;
            }
            Asked::PassOver(blocks) => {
                chain.pass_over(blocks);
                continue;
            }
            Asked::Withdraw(account, from) => {
                chain.withdraw(&account, from);
                continue;
            }
            Asked::Seal(true) => drop(chain.seal_even_empty(&mut receipts)),
            Asked::Seal(false) => drop(chain.seal(&mut receipts)),
        }
        let now_ns = chain.load().cpu_ns;
        alone.add(&receipts, begun.elapsed(), now_ns - cpu_ns);
        (begun, cpu_ns) = (Instant::now(), now_ns);
        receipts.clear();
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    alone.is_same = chain.tip() == asked.tip();
    Ok(Some(alone))
}

impl Alone {
    /// Adds what a block took, by the shares of its transactions' kinds. What an empty one took was
    /// for a dispute, whose window passes.
    fn add(&mut self, receipts: &[Receipt], wall: Duration, cpu_ns: u64) {
        let count = |is_kind: fn(&Executed) -> bool| {
            let included = receipts.iter().filter_map(|one| one.outcome.as_ref().ok());
            included.filter(|executed| is_kind(executed)).count() as u64
        };
        let opens = count(|executed| matches!(executed, Executed::Opened { .. }));
        let closes = count(|executed| matches!(executed, Executed::Closed { .. }));
        let all = count(|_| true);
        let of_kinds = [
            (&mut self.opens, opens),
            (&mut self.closes, closes),
            (&mut self.disputes, all - opens - closes),
        ];
        for (at, (fed, transactions)) in of_kinds.into_iter().enumerate() {
            let share = match all {
                0 => f64::from(u8::from(at == 2)),
                all => transactions as f64 / all as f64,
            };
            fed.transactions += transactions;
            fed.wall += wall.mul_f64(share);
            fed.cpu_ns += (cpu_ns as f64 * share) as u64;
        }
    }
}
