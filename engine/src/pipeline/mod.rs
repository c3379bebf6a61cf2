//! Runs very many channels at once, in shards and batches, and measures them.
//!
//! A shard owns its channels, both ends of each, and moves them in waves: many payments of many
//! channels through one stage after the other. No lock is taken and nothing is allocated between a
//! payment's arrival and its settlement, and shards share nothing but Layer 1.

mod accounts;
mod acknowledgements;
mod alone;
mod arrivals;
mod attack;
mod audit;
mod beginning;
mod case;
mod chain_log;
mod config;
mod counts;
mod court;
mod direct;
mod door;
mod ending;
mod error;
mod fault;
mod finish;
mod gauges;
mod inlet;
mod inspect;
mod journal;
mod keep;
mod latency;
mod lifecycle;
mod line;
mod machines;
mod mischief;
mod outcome;
mod pace;
mod planted;
mod reconnect;
mod relay;
mod restore;
mod restoring;
mod run;
mod schedule;
mod settle;
mod shard;
mod shared;
mod slot;
mod stage;
mod step_bytes;
mod steps;
mod tally;
mod threads;
mod wave;
mod waves;
mod wire;
mod workers;
mod workload;

pub use alone::{Alone, Fed, layer_1_alone};
pub use arrivals::Arrivals;
pub use attack::{Attack, UnknownAttack};
pub use config::{Beside, Config, LogConfig};
pub use counts::Counts;
pub use court::{AttackCost, Disputes};
pub use direct::{DirectOutcome, DirectSample, Sampling, run_direct};
pub use duet_base::clock::{process_cpu_ns, thread_cpu_ns};
pub use error::{RestoreError, RunError, SessionCounts};
pub use fault::{Fault, Hop};
pub use inspect::{ChannelFound, Inspection, OpenChannel, inspect};
pub use latency::{Latencies, Latency};
pub use machines::{FabricError, Hosts, Machines, Place, Terms, Verdict};
pub use outcome::{Checks, Ended, Offchain, Outcome, Phase, Resumed, SpentBefore, Stops};
pub use pace::Offered;
pub use run::{Snapshot, run, run_together};
pub use schedule::Schedule;
pub use stage::{Stage, StageCost, StageCosts, StageLabel};
pub use tally::StoppedChannel;
pub use workload::{AccountIndex, Next, Session, Workload};
