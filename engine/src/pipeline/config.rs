//! What a run is asked for.

use std::path::PathBuf;
use std::time::Duration;

use super::arrivals::Arrivals;
use super::attack::Attack;
use super::fault::Fault;
use super::machines::Place;
use super::pace::Offered;
use crate::transcript;
use duet_base::clock::process_cpu_ns;
use duet_channels::crypto::{Backend, BackendChoice};
use duet_channels::protocol::{Amount, Rules};
use duet_consensus::{Faults, Network};
use duet_ledger::l1;
use duet_log::{Durability, RunId};

/// How a workload is run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that run channels, at least one; on each machine, if there are several.
    pub shards: u32,
    /// Which machine this is, of how many that run the workload together.
    pub place: Place,
    /// Sessions that run at once, at least one.
    pub concurrent: u64,
    /// What both endpoints of every channel are configured with.
    pub rules: Rules,
    /// How long a payment may wait for others to fill its co-sign interval; `None`: not at all.
    /// Only in open loop: in closed loop nothing is waited for.
    pub cosign_after: Option<Duration>,
    /// When payments are due.
    pub arrivals: Arrivals,
    /// When to stop making payments, and finish and close what is open.
    pub duration: Option<Duration>,
    /// What signs and verifies.
    pub backend: Backend,
    /// Keys and arrivals are derived from it. (Not what verification draws.)
    pub seed: u64,
    /// Layer 1's limits and fee.
    pub l1: l1::Config,
    /// How parties send transactions to Layer 1.
    pub sending: Sending,
    /// Who decides Layer 1's blocks; `None`: whoever makes them. Only where Layer 1 has a clock.
    pub validators: Option<Validators>,
    /// The challenge window in the channels' terms.
    pub challenge_window_blocks: u32,
    /// The least balance that a payment may leave its payer.
    pub reserve: Amount,
    /// Bits to flip on the way, for tests; normally none.
    pub faults: Vec<Fault>,
    /// Attacks, and the share of sessions that each strikes; in sum at most 1.
    pub attacks: Vec<(Attack, f64)>,
    /// The share, 0 to 1, of each wave's CPU time that is spent once more for nothing: to try a
    /// regression gate. Normally 0.
    pub planted_slowdown: f64,
    /// How the caller watches the run.
    pub watching: Watching,
    /// What makes the run durable, if anything. Then there are neither faults nor attacks.
    pub log: Option<LogConfig>,
    /// Where every payment, co-signature and block is written down for an auditor, if anywhere; not
    /// of a durable run, whose second part would leave the first one's log incomplete. Blocks'
    /// bodies are then there, and not kept in memory.
    pub audit: Option<transcript::Settings>,
}

/// Layer 1's validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// How many there are, at least one.
    pub count: u16,
    /// Which of them are faulty.
    pub faults: Faults,
    /// What is between them.
    pub network: Network,
    /// Whether each of them executes each block itself; otherwise one does for all, since their
    /// verdicts are equal. Not where Layer 1 keeps a tape.
    pub each_executes: bool,
}

impl Validators {
    /// Whether the chain can stop: a third of them is faulty, or the network falls apart.
    pub(super) fn may_stop(&self) -> bool {
        let faulty = u32::from(self.faults.count());
        3 * faulty >= u32::from(self.count) && faulty > 0 || !self.network.partitions.is_empty()
    }
}

/// How parties send transactions to Layer 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// Where Layer 1 has a clock: virtual time from when a step's channels are open, and final, to
    /// when their closes are sent.
    pub session_time: Duration,
    /// Where it takes bids: what each transaction offers at first.
    pub bid: l1::Bid,
    /// Blocks for which an honest party's transaction in a dispute can be held back, at most. By
    /// the design's rule of synchrony, less than the challenge window.
    pub delay_blocks: u32,
    /// When honest parties neither reach Layer 1 nor see it, while it goes on. Only where it has a
    /// clock.
    pub cut_off: Option<CutOff>,
}

/// Blocks while which honest parties are cut off: what they would send in one of them they send
/// after the last one, when they see what was in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// The first block.
    pub from: u64,
    /// The first one that is none of them.
    pub until: u64,
}

impl CutOff {
    /// The block that is reached in place of this one, if that is cut off.
    pub(super) fn in_place_of(self, height: u64) -> Option<u64> {
        (self.from..self.until)
            .contains(&height)
            .then_some(self.until)
    }
}

/// How a caller watches its run.
#[derive(Clone, Copy, Debug)]
pub struct Watching {
    /// Whether snapshots tell latencies, about once a second: each shard then copies its
    /// histograms.
    pub latencies: bool,
    /// CPU time so far, in nanoseconds, of the caller's own threads that wait beside the run, such
    /// as one for signals: no stage has it, and no figure.
    pub bystanders_ns: fn() -> u64,
}

impl Default for Watching {
    /// Not at all.
    fn default() -> Watching {
        Watching {
            latencies: false,
            bystanders_ns: || 0,
        }
    }
}

impl Default for Config {
    /// One channel at a time, each payment signed, one in flight, on the fastest back end that this
    /// processor has: a closed loop in memory, between honest parties.
    fn default() -> Config {
        Config {
            shards: 1,
            place: Place::ALONE,
            concurrent: 1,
            rules: Rules {
                cosign_every: 1,
                in_flight: 1,
            },
            cosign_after: None,
            arrivals: Arrivals::Closed,
            duration: None,
            backend: Backend::select(BackendChoice::Auto).expect("there is always one"),
            seed: 1,
            l1: l1::Config::default(),
            sending: Sending::default(),
            validators: None,
            challenge_window_blocks: 144,
            reserve: Amount::ZERO,
            faults: Vec::new(),
            attacks: Vec::new(),
            planted_slowdown: 0.0,
            watching: Watching::default(),
            log: None,
            audit: None,
        }
    }
}

impl Config {
    /// The process's CPU time, less that of bystanders. These are two clocks, read one after the
    /// other: it may stand a little lower than it did a moment before.
    pub(super) fn cpu_ns(&self) -> u64 {
        let all_ns = process_cpu_ns();
        all_ns.saturating_sub((self.watching.bystanders_ns)())
    }
}

/// Where and how a run is made durable.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The directory, for this run alone.
    pub directory: PathBuf,
    /// Whether the run must have begun: otherwise [`NotBegun`](super::RunError::NotBegun), and
    /// nothing is made.
    pub must_exist: bool,
    /// Makes no more payments: what is open is finished and closed, and what had come due is given
    /// up. The run has to be stopped from its start, too.
    pub only_closes: bool,
    /// What an acknowledgement means.
    pub durability: Durability,
    /// What the run is: a directory of another one is refused.
    pub run: RunId,
    /// Where to write down each channel and version that is acknowledged.
    pub acknowledgements: Option<PathBuf>,
    /// What is written down beside the log, if anything, whenever the run begins or goes on.
    pub beside: Option<Beside>,
    /// Whether an open loop's rate was held. Where it was not, the log keeps that, and every later
    /// part of the run has [`Offered::late_before`].
    pub held: fn(&Offered) -> bool,
}

/// A file beside a log, that says what only whoever has the log may say: it is written, whole or
/// not at all, when the log is locked and was read and found in order, and before anything in it
/// changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Its directory.
    pub directory: PathBuf,
    /// Its name. Until it is whole and durable, the file is named [`Beside::NEW`].
    pub name: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Beside {
    /// The name of a file that is not whole yet.
    pub const NEW: &'static str = ".duet-new";
}
