//! The Layer 1 that a run is asked for: a plain one without a clock, or one with the limits, prices
//! and order of a profile. From a profile's plain numbers to the engine's.

use std::path::Path;
use std::time::Duration;

use duet_engine::l1;
use duet_engine::pipeline::{Means, Sending};
use duet_engine::protocol::Amount;
use duet_profile::{Answers, KNOWN, Limits, Order, Profile, ProfileText};
use duet_run_file::run_file::L1Limits;
use sha2::{Digest, Sha256};

use super::error::{PlanError, bad, bounded};
use super::load::{Load, Source};
use crate::arm::Arm;
use crate::cli::{Durability, RunArgs};

/// In virtual time, so that the time of a run is a number.
const LONGEST_SESSION: Duration = Duration::from_secs(366 * 86_400);

/// The Layer 1 of a run, and what follows from it.
pub(super) struct Layer1 {
    pub(super) config: l1::Config,
    pub(super) challenge_window_blocks: u32,
    /// What each transaction offers at first, where it takes bids.
    pub(super) bid: l1::Bid,
    profile: Option<Enforced>,
}

/// A profile that a run enforces.
struct Enforced {
    limits: Limits,
    /// Of its text, in hexadecimal.
    sha256: String,
}

impl Layer1 {
    /// The one that is asked for.
    ///
    /// # Errors
    /// A value that makes no sense, or a profile that no run can be made by.
    pub(super) fn asked(args: &RunArgs) -> Result<Layer1, PlanError> {
        let plain = l1::Config {
            verification: l1::Verification::Ahead,
            keep_tape: args.l1_alone,
            state_root: args.state_root,
            ..l1::Config::default()
        };
        if let Some(name_or_file) = &args.l1 {
            return Layer1::enforced(args, name_or_file, plain);
        }
        let block = args.block_txs.unwrap_or(plain.block_transactions.into());
        let window = args.challenge_blocks.unwrap_or(DEFAULT_WINDOW_BLOCKS);
        let most = u64::from(u32::MAX);
        Ok(Layer1 {
            config: l1::Config {
                block_transactions: bounded("--block-txs", block, most)? as u32,
                ..plain
            },
            challenge_window_blocks: bounded("--challenge-blocks", window, most)? as u32,
            bid: l1::Bid::default(),
            profile: None,
        })
    }

    fn enforced(
        args: &RunArgs,
        name_or_file: &str,
        plain: l1::Config,
    ) -> Result<Layer1, PlanError> {
        let text = ProfileText::find(name_or_file).map_err(PlanError::Profile)?;
        let profile = Profile::parse(&text.origin, &text.text).map_err(PlanError::Profile)?;
        let limits = profile.limits().map_err(PlanError::Profile)?;
        own_name(&text, &limits.name)?;
        let (order, fee, bid) = order(limits.order);
        let config = l1::Config {
            // What is not bounded is bounded by its units.
            block_transactions: limits.block_transactions.unwrap_or(u32::MAX),
            block_bytes: limits.block_bytes.unwrap_or(u64::MAX),
            fee,
            pace: Some(l1::Pace {
                interval_ms: limits.interval_ms,
                finality_blocks: limits.finality_blocks,
            }),
            units: Some(units(&limits)),
            order,
            answers: match limits.answers {
                Answers::Reserved => l1::Answers::Reserved,
                Answers::Compete => l1::Answers::Compete,
            },
            mempool_transactions: limits.mempool_transactions,
            ..plain
        };
        let checked = config.check();
        checked.map_err(|error| bad(format!("--l1 {name_or_file}: {error}")))?;
        if let (true, Some(hosts)) = (order.takes_bids(), &args.hosts) {
            return Err(bad(format!(
                "--hosts {hosts} contradicts --l1 {name_or_file}: a close that others outbid ends \
                 in a dispute, which is of one machine"
            )));
        }
        Ok(Layer1 {
            config,
            challenge_window_blocks: match args.challenge_blocks {
                Some(window) => bounded("--challenge-blocks", window, u32::MAX.into())? as u32,
                None => limits.challenge_window_blocks,
            },
            bid,
            profile: Some(Enforced {
                limits,
                sha256: sha256(&text),
            }),
        })
    }

    /// The arms that are asked for, each once, by the names that they have in the run file.
    ///
    /// # Errors
    /// One is there twice, or its transactions fit into no block.
    pub(super) fn arms(&self, args: &RunArgs) -> Result<Vec<(String, Means)>, PlanError> {
        let most = self.profile.as_ref();
        let most = most.and_then(|enforced| enforced.limits.prices.multi_send_most);
        let mut arms: Vec<(String, Means)> = Vec::new();
        for arm in &args.arms {
            let means = arm.means(&self.config, most).map_err(bad)?;
            let name = match means {
                Means::MultiSend(many) => Arm::MultiSend(Some(many)),
                _ => *arm,
            };
            if arms.iter().any(|(_, other)| *other == means) {
                return Err(bad(format!("--arms {arm}: {name} is there already")));
            }
            arms.push((name.to_string(), means));
        }
        Ok(arms)
    }

    /// What a session's transactions may pay, all of them together.
    pub(super) fn most_fees(&self) -> u64 {
        let sending = Sending {
            bid: self.bid,
            ..Sending::default()
        };
        sending.most_fees_of_a_session(&self.config)
    }

    /// How long channels stay open in Layer 1's time: as long as was said, or as long as payments
    /// arrive at each.
    ///
    /// # Errors
    /// The time is none that a run simulates.
    pub(super) fn session_time(&self, args: &RunArgs, load: &Load) -> Result<Duration, PlanError> {
        if self.profile.is_none() {
            return Ok(Duration::ZERO);
        }
        let time = match args.session_time {
            Some(time) if time.subsec_nanos() % 1_000_000 != 0 => {
                return Err(bad(format!(
                    "--session-time {time:?}: expected whole milliseconds, as Layer 1's clock has"
                )));
            }
            Some(time) => time,
            None => arriving(args, load),
        };
        match time <= LONGEST_SESSION {
            true => Ok(time),
            false => Err(bad(format!(
                "--session-time {} h{}: expected at most {} h, 366 days",
                time.as_secs() / 3_600,
                match args.session_time {
                    Some(_) => "",
                    None => ", the time in which a session's payments arrive",
                },
                LONGEST_SESSION.as_secs() / 3_600
            ))),
        }
    }

    /// What the run file says of it.
    pub(super) fn described(&self, session_time: Duration) -> L1Limits {
        let plain = L1Limits {
            block_transactions: u64::from(self.config.block_transactions),
            block_bytes: self.config.block_bytes,
            challenge_window_blocks: u64::from(self.challenge_window_blocks),
            fee: self.config.fee.units(),
            profile: None,
            profile_sha256: None,
            unit: None,
            block_units: None,
            channel_units: None,
            mempool_transactions: None,
            interval_ms: None,
            finality_blocks: None,
            order: None,
            answers: None,
            validators: None,
            session_time_ms: None,
            state_root: self.config.state_root,
        };
        let Some(Enforced { limits, sha256 }) = &self.profile else {
            return plain;
        };
        L1Limits {
            profile: Some(limits.name.clone()),
            profile_sha256: Some(sha256.clone()),
            unit: Some(limits.unit.clone()),
            block_units: Some(limits.block_units),
            channel_units: limits.channel_units,
            mempool_transactions: Some(u64::from(limits.mempool_transactions)),
            interval_ms: Some(limits.interval_ms),
            finality_blocks: Some(u64::from(limits.finality_blocks)),
            order: Some(limits.order.name().to_owned()),
            answers: Some(limits.answers.name().to_owned()),
            session_time_ms: Some(session_time.as_millis() as u64),
            ..plain
        }
    }

    /// What a reader should know of another chain's figures.
    pub(super) fn note(&self) -> Option<String> {
        let limits = &self.profile.as_ref()?.limits;
        let emulated = || {
            format!(
                "Emulated: Duet's own transactions, at the limits and prices of {}; its blocks \
                 come in virtual time. One unit of money is {}.",
                limits.name, limits.money
            )
        };
        (limits.name != DUET).then(emulated)
    }
}

/// The profile of Duet's own chain, which emulates no other one.
const DUET: &str = "duet";
/// The challenge window of a run without a profile: a day of Bitcoin's blocks.
pub(super) const DEFAULT_WINDOW_BLOCKS: u64 = 144;

/// The time in which the payments of one session arrive; none where nothing waits for them.
fn arriving(args: &RunArgs, load: &Load) -> Duration {
    let seconds = match (&load.source, args.rate, args.speedup) {
        (_, Some(per_s), _) => load.payments_per_session as f64 * load.concurrent as f64 / per_s,
        // All channels of a trace are open all the time.
        (Source::Trace(trace, _), _, Some(speedup)) => trace.duration_ns() as f64 / 1e9 / speedup,
        _ => 0.0,
    };
    let ms = (seconds * 1e3).ceil();
    Duration::from_millis(ms as u64)
}

/// A file that has a known profile's name has its text: figures are told by that name.
fn own_name(text: &ProfileText, name: &str) -> Result<(), PlanError> {
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    match known.is_none_or(|(_, known)| *known == text.text) {
        true => Ok(()),
        false => Err(bad(format!(
            "--l1 {}: its `name` is '{name}', a known profile's of another text: expected a name \
             of its own",
            text.origin
        ))),
    }
}

/// Who comes first, what all pay, and what each bids.
fn order(order: Order) -> (l1::Order, Amount, l1::Bid) {
    match order {
        Order::Arrival { fee } => (l1::Order::Arrival, Amount::new(fee), l1::Bid::default()),
        Order::Fee { per_million_units } => {
            let bid = l1::Bid::flat(l1::Rate(per_million_units));
            (l1::Order::Bid, Amount::ZERO, bid)
        }
        Order::BaseFee {
            per_million_units,
            tip_per_million_units,
            least_per_million_units,
        } => {
            let least = l1::Rate(least_per_million_units);
            let bid = l1::Bid {
                most: l1::Rate(per_million_units),
                tip: l1::Rate(tip_per_million_units),
            };
            (l1::Order::BaseFee { least }, Amount::ZERO, bid)
        }
    }
}

fn units(limits: &Limits) -> l1::Units {
    let of = limits.prices;
    l1::Units {
        block: limits.block_units,
        of_channels: limits.channel_units,
        prices: l1::Prices {
            transfer: of.transfer,
            multi_send: of.multi_send,
            open_one_sided: of.open_one_sided,
            open_two_sided: of.open_two_sided,
            close: of.close,
            post: of.post,
            answer: of.answer,
            payout: of.payout,
        },
    }
}

/// Of a profile's text, in hexadecimal.
pub(crate) fn sha256(text: &ProfileText) -> String {
    let digest = Sha256::digest(&text.text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file that `--l1` names, if it is none of the known profiles.
pub(super) fn file(args: &RunArgs) -> Option<&Path> {
    let is_known = |asked: &&String| KNOWN.iter().any(|(name, _)| name == asked);
    let asked = args.l1.as_ref().filter(|asked| !is_known(asked));
    asked.map(Path::new)
}

/// What makes no sense beside a profile, or without one.
pub(super) fn check_contradictions(args: &RunArgs) -> Result<(), PlanError> {
    let Some(profile) = &args.l1 else {
        return match args.session_time {
            None => Ok(()),
            Some(_) => Err(bad(
                "--session-time needs --l1: without a profile Layer 1 has no clock",
            )),
        };
    };
    let refused = [
        (
            "--block-txs",
            args.block_txs.is_some(),
            "the profile says what a block holds",
        ),
        (
            "--durability",
            args.durability != Durability::None,
            "transactions wait from step to step, which the log does not keep",
        ),
    ];
    match refused.iter().find(|(_, given, _)| *given) {
        Some((option, _, why)) => Err(bad(format!("{option} contradicts --l1 {profile}: {why}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
