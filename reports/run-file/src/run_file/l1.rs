//! What Layer 1 did with channels, what it did with the same payments as plain transfers, and the
//! ratios between the two.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::number;

schema! {
    /// Layer 1's work, both ways.
    pub struct L1 {
        /// With channels: opens, closes, challenges and failed transactions.
        pub channels: L1Load,
        /// Without: the baseline; none when it was not run.
        pub direct: Option<DirectLoad>,
        /// How much of the load channels took off Layer 1; none when the baseline was not run, or
        /// no payment was made.
        pub offload: Option<Offload>,
        /// What it did with nothing beside it; none, and not written, where that was not asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub alone: Option<L1Alone>,
        /// What it did with the baseline's payments by other means, by name, as in `multi-send=10`;
        /// not written where that was not asked for.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        pub arms?: BTreeMap<String, L1Arm>,
        /// Its own time, and how its room was used; none, and not written, where it had no clock.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub chain: Option<L1Chain>,
    }

    /// A Layer 1 with a clock. All times are its own, virtual ones; payments have wall time.
    pub struct L1Chain {
        /// From its genesis to its last block, in seconds.
        pub time_s: f64,
        /// Blocks that this takes, empty ones among them.
        pub height: u64,
        /// Those with nothing in them: they were passed over, and `blocks` counts none of them.
        pub empty_blocks: u64,
        /// Bytes of the headers that empty blocks would have. What came with any block beside them
        /// is the same for blocks with transactions, and in `bytes`.
        pub idle_bytes: u64,
        /// Units of all transactions in blocks.
        pub units: u64,
        /// Of the units that all blocks had, empty ones among them.
        pub occupancy: f64,
        /// Of the units that those with transactions had.
        pub occupancy_when_used: f64,
        /// Of the units of those that transactions of channels may take at most; none, and not
        /// written, where these may take all.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub channels_occupancy_when_used: Option<f64>,
        /// The highest base fee, in units of value for a million units; none without one.
        pub highest_base_fee: Option<u64>,
        /// Fees that all transactions paid, in the smallest unit of value.
        pub fees: u64,
        /// Accounts and channels at the end.
        pub state_entries: u64,
        /// Sessions whose open was outbid until it gave up: they never began.
        pub sessions_not_opened: u64,
        /// Sessions whose cooperative close was: they were closed unilaterally.
        pub closes_given_up: u64,
        /// Units of the baseline's transfers; none where that was not run.
        pub direct_units: Option<u64>,
        /// What became of transactions, by what they were for: `open`, `close`, `post`, `answer`,
        /// `payout`.
        pub traffic: BTreeMap<String, L1Traffic>,
        /// Layer 1 over its own time, a few hundred samples at most.
        pub course: Vec<L1Moment>,
        /// What its validators did, all of them together; none, and not written, where it has
        /// none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub consensus: Option<L1Consensus>,
    }

    /// Layer 1's validators, all of them together: no other figure has any of this. Votes belong to
    /// time, not to payments: an idle chain whose blocks are made has as many.
    pub struct L1Consensus {
        /// How many there are.
        pub validators: u64,
        /// What tells their keys from others', for `loadgen audit --validators`; empty in files of
        /// earlier versions.
        pub keys?: String,
        /// Of these, faulty.
        pub faulty: u64,
        /// Blocks that were decided about. Where nothing waits, none is.
        pub heights: u64,
        /// Rounds beyond the first of a block.
        pub more_rounds: u64,
        /// Of the heights, those that an honest validator had not come to when the run ended.
        pub not_reached?: u64,
        /// By how much the last block came later than its height says, in virtual seconds.
        pub late_s: f64,
        /// Blocks without the answers that waited, which censors proposed.
        pub censored_blocks: u64,
        /// Blocks of nothing, although something waited, which equivocators proposed.
        pub vain_blocks: u64,
        /// Messages that were sent.
        pub messages: u64,
        /// Their bytes, blocks included.
        pub bytes: u64,
        /// Of these, bytes of blocks.
        pub block_bytes: u64,
        /// Distinct signatures that were made.
        pub signatures: u64,
        /// Distinct signatures that were refused.
        pub forged: u64,
        /// Signatures that validators have to verify, each for itself and one by one; here each
        /// distinct one is verified once, in batches.
        pub charged_verifications: u64,
        /// Timeouts that moved a validator on.
        pub timeouts: u64,
        /// Pairs of votes or proposals that convict a validator, each one's own find.
        pub evidence: u64,
        /// CPU time of the simulation with its signatures, in seconds.
        pub cpu_s: f64,
        /// From a block's beginning to the first honest validator's decision.
        pub first_decision_ms: Option<L1Quantiles>,
        /// To the last one's.
        pub last_decision_ms: Option<L1Quantiles>,
        /// Blocks by which honest parties' answers came after the first block that could have
        /// them, too late or not: the delay D of the guarantee.
        pub answer_delay_blocks: Option<L1Quantiles>,
        /// What systems of other sizes would do for a block, sampled after the run; none, and not
        /// written, in files of earlier versions.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub whole_system?: Vec<L1WholeSystem>,
    }

    /// A whole system of so many validators without faults, over the run's network: what it does
    /// for a block beside executing it. Whatever the block holds, it is as much.
    pub struct L1WholeSystem {
        /// How many there are.
        pub validators: u64,
        /// Heights that all of this is the mean of, or the quantiles.
        pub sampled_heights: u64,
        /// Signatures that its validators verify, each for itself and one by one, as votes come.
        pub verifications_per_block: f64,
        /// Messages.
        pub messages_per_block: f64,
        /// Their bytes without the block's own.
        pub bytes_per_block: f64,
        /// CPU time of all of them: each one's rules and own signatures, and each verification
        /// charged by itself, which is the batch that a validator would have had.
        pub cpu_ms_per_block: f64,
        /// From a block's beginning to the first decision.
        pub first_decision_ms: Option<L1Quantiles>,
        /// To the last one.
        pub last_decision_ms: Option<L1Quantiles>,
    }

    /// Of times, or numbers of blocks.
    pub struct L1Quantiles {
        /// Half of them no longer than this.
        pub p50: f64,
        /// 99 % of them no longer than this.
        pub p99: f64,
        /// The longest.
        pub max: f64,
    }

    /// Layer 1 after one of its blocks.
    pub struct L1Moment {
        /// The block's virtual time, in seconds.
        pub time_s: f64,
        /// Of the units of all blocks since the sample before, empty ones among them.
        pub occupancy: f64,
        /// Transactions that waited.
        pub waiting: u64,
        /// Evictions so far.
        pub evicted: u64,
        /// The next block's base fee, in units of value for a million units; none without one.
        pub base_fee: Option<u64>,
    }

    /// What became of transactions of one kind.
    pub struct L1Traffic {
        /// In blocks.
        pub included: u64,
        /// Refused by the rules.
        pub refused: u64,
        /// How often one that waited made way for a higher bid; of earlier versions, also how often
        /// one found none lower in a full queue.
        pub evicted: u64,
        /// How often one came and found none lower in a full queue.
        pub outbid?: u64,
        /// How often one was sent again with a higher bid.
        pub raised: u64,
        /// Those that gave up: outbid for good, or pushed back until there was nothing left to do.
        pub given_up: u64,
        /// What they paid, in the smallest unit of value.
        pub fees: u64,
        /// How long they waited, from arrival to their block; none where none was in a block.
        pub wait_ms: Option<L1Wait>,
    }

    /// How long transactions waited, in virtual milliseconds.
    pub struct L1Wait {
        /// Half of them no longer than this.
        pub p50: u64,
        /// 99 % of them no longer than this.
        pub p99: u64,
        /// The longest.
        pub max: u64,
    }

    /// A new Layer 1 that was asked for what the run asked of its own, at full speed and with
    /// nothing beside it. Keys were new to it, and signatures verified, as in the run.
    pub struct L1Alone {
        /// Openings of channels.
        pub opens: L1Fed,
        /// Cooperative closes.
        pub closes: L1Fed,
        /// Posts and payouts.
        pub disputes: L1Fed,
    }

    /// Transactions of one kind, and of what each block took their share.
    pub struct L1Fed {
        /// Transactions in blocks.
        pub transactions: u64,
        /// Wall time, in seconds.
        pub wall_s: f64,
        /// CPU time, in seconds.
        pub cpu_s: f64,
    }
}

impl L1Fed {
    /// Transactions per second; none where there were none.
    #[must_use]
    pub fn per_s(&self) -> Option<f64> {
        let rate = self.transactions as f64 / self.wall_s;
        rate.is_normal().then_some(rate)
    }
}

impl L1Alone {
    /// Sessions per second that it opens and closes; none where it did not do both.
    #[must_use]
    pub fn sessions_per_s(&self) -> Option<f64> {
        Some(1.0 / (1.0 / self.opens.per_s()? + 1.0 / self.closes.per_s()?))
    }
}

schema! {
    /// What Layer 1 did.
    pub struct L1Load {
        /// Transactions included in blocks, failed ones among them.
        pub transactions: u64,
        /// Bytes of blocks: those transactions and the headers.
        pub bytes: u64,
        /// Signatures verified.
        pub signature_verifications: u64,
        /// State entries read.
        pub state_reads: u64,
        /// State entries written.
        pub state_writes: u64,
        /// The most state entries, accounts and channels, held at any time.
        pub peak_state_entries: u64,
        /// CPU time, in seconds; of a run that went on after a restart, since then.
        pub cpu_s: f64,
        /// Of that, the CPU time of the roots of the state in blocks' headers; none, and not
        /// written, where they have none.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub root_cpu_s: Option<f64>,
        /// Blocks.
        pub blocks: u64,
        /// Hash of the last block, in hex.
        pub tip: String,
    }

    /// What Layer 1 did with the baseline's payments by other means than a transfer each.
    pub struct L1Arm {
        /// The work; its JSON names stand directly under the arm's.
        #[serde(flatten)]
        pub load: L1Load,
        /// The baseline's sessions.
        pub sampled_sessions: u64,
        /// Their payments.
        pub payments: u64,
        /// Units of the transactions, where a block's are bounded.
        pub units: Option<u64>,
        /// Fees that they paid, in the smallest unit of value.
        pub fees: u64,
        /// Payments that a payee waited for, at most, until they were on Layer 1.
        pub most_waiting: u64,
        /// What a payee was owed meanwhile, at most, in the smallest unit of value.
        pub most_owed: u64,
        /// Whether all accounts have what the workload's own sums say, fees aside, and supply is
        /// conserved.
        pub balances_match: bool,
    }

    /// What Layer 1 did with the payments of some sessions as plain transfers.
    pub struct DirectLoad {
        /// The work; its JSON names stand directly under `direct`.
        #[serde(flatten)]
        pub load: L1Load,
        /// The sessions whose payments were transferred; fewer than all when they were too many.
        pub sampled_sessions: u64,
        /// The payments of those sessions.
        pub payments: u64,
    }

    /// Per payment, what Layer 1 did without channels over what it did with them. Below 1 it did
    /// more with them, not less. State entries are a stock, and compared as they stand.
    pub struct Offload {
        /// Of [`L1Load::transactions`].
        pub transactions: Ratio,
        /// Of [`L1Load::bytes`].
        pub bytes: Ratio,
        /// Of [`L1Load::signature_verifications`].
        pub signature_verifications: Ratio,
        /// Of [`L1Load::state_reads`].
        pub state_reads: Ratio,
        /// Of [`L1Load::state_writes`].
        pub state_writes: Ratio,
        /// Of [`L1Load::peak_state_entries`].
        pub peak_state_entries: Ratio,
        /// Of [`L1Load::cpu_s`]. Not known of a run that went on after a restart: the sessions that
        /// its Layer 1's CPU time was spent on paid before it too.
        pub cpu: Ratio,
    }
}

impl Offload {
    /// The ratios, by name.
    pub fn named(&self) -> Vec<(&'static str, Ratio)> {
        vec![
            ("transactions", self.transactions),
            ("bytes", self.bytes),
            ("signature_verifications", self.signature_verifications),
            ("state_reads", self.state_reads),
            ("state_writes", self.state_writes),
            ("peak_state_entries", self.peak_state_entries),
            ("cpu", self.cpu),
        ]
    }
}

schema! {
    /// A ratio with the 95 % interval that the baseline's sampling of sessions gives it. All three
    /// are equal where sessions do not vary; the interval's upper end is not finite, and so `null`,
    /// where a single sample tells nothing of it. All three are `null` where the ratio is not
    /// known.
    #[derive(Copy)]
    pub struct Ratio {
        /// Direct over channels.
        pub ratio: f64,
        /// The interval's lower end.
        pub low: f64,
        /// The interval's upper end.
        pub high: f64,
    }
}
