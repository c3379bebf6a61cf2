//! Memory and log disk, as sums of what they are needed for. Pure.

use super::{
    cpu::{Conditions, Term, varied},
    least_squares::{dot, non_negative},
    observation::{LogCost, Observation},
    statistics::{distinct, span},
};

/// Of a process's memory, what does not depend on the load, what a shard takes and what a channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Memory {
    pub(super) process_bytes: f64,
    shard_bytes: f64,
    /// What a shard takes more for each e-fold of its mean wave: see [`growth`].
    growth_bytes: f64,
    /// The largest mean wave of a run.
    wave_max: f64,
    /// Of a channel that pays, and of one that has not paid yet.
    pub(super) channel_bytes: f64,
    silent_channel_bytes: f64,
    /// What a channel takes more while there are few: batches grow with the channels up to a point.
    pub(super) batched_channel_bytes: f64,
    /// That point; 0 if none is seen.
    batched_up_to: f64,
    /// Whether the runs have channel counts that differ: without, a channel's share is not known.
    pub(super) sees_channels: bool,
}

impl Memory {
    /// From the peaks of runs that were not overloaded, whose backlog takes memory too; of all runs
    /// if every one was. None without runs.
    pub(super) fn fit(runs: &[&Observation]) -> Option<Memory> {
        let mut calm: Vec<&Observation> = runs.iter().copied().filter(|run| is_calm(run)).collect();
        if calm.is_empty() {
            calm = runs.to_vec();
        }
        let differ = |of: fn(&Observation) -> f64| {
            let (low, high) = span(calm.iter().map(|run| of(run)));
            high >= 1.5 * low
        };
        let (shards, channels) = (differ(|run| run.shards), differ(|run| run.channels));
        let waves = differ(|run| run.wave);
        let wave_max = calm.iter().map(|run| run.wave).fold(1.0, f64::max);
        let peaks: Vec<f64> = calm.iter().map(|run| run.peak_rss_bytes).collect();
        let fit = |batched_up_to: f64| {
            let column = |seen: bool, value: f64| if seen { value } else { 0.0 };
            let rows: Vec<Vec<f64>> = calm
                .iter()
                .map(|run| {
                    vec![
                        1.0,
                        column(shards, run.shards),
                        column(waves, run.shards * growth(run.wave)),
                        column(channels, run.channels),
                        column(channels, run.channels.min(batched_up_to)),
                        column(channels, run.paying_channels()),
                    ]
                })
                .collect();
            let costs = non_negative(&rows, &peaks)?;
            let errors = rows.iter().zip(&peaks);
            let errors = errors.map(|(row, peak)| (dot(row, &costs) / peak - 1.0).powi(2));
            Some((
                errors.sum::<f64>(),
                Memory {
                    process_bytes: costs[0],
                    shard_bytes: costs[1],
                    growth_bytes: costs[2],
                    wave_max,
                    channel_bytes: costs[3] + costs[5],
                    silent_channel_bytes: costs[3],
                    batched_channel_bytes: costs[4],
                    batched_up_to,
                    sees_channels: channels,
                },
            ))
        };
        let counts = distinct(calm.iter().map(|run| run.channels));
        // Two slopes and where they meet take four counts, and one on either side.
        let knees: Vec<f64> = match counts.len() {
            0..COUNTS_FOR_TWO_SLOPES => Vec::new(),
            all => between(counts[1], counts[all - 2]),
        };
        let mut best: Option<(f64, Memory)> = None;
        for next in [0.0].into_iter().chain(knees).filter_map(fit) {
            if best.is_none_or(|best| next.0 < best.0 * LEAST_GAIN) {
                best = Some(next);
            }
        }
        best.map(|best| best.1)
    }

    /// Of a shard with full waves.
    pub(super) fn full_shard_bytes(&self) -> f64 {
        self.shard_bytes + self.growth_bytes * growth(self.wave_max)
    }

    /// Of a process without channels, and room for full waves.
    pub(super) fn fixed_bytes(&self, shards: f64) -> f64 {
        self.process_bytes + self.full_shard_bytes() * shards
    }

    /// Of a process's channels.
    pub(super) fn of_channels(&self, channels: f64) -> f64 {
        let batched = channels.min(self.batched_up_to);
        self.channel_bytes * channels + self.batched_channel_bytes * batched
    }

    /// Of a process with all batches that it can have.
    pub(super) fn full_batches(&self) -> f64 {
        self.batched_channel_bytes * self.batched_up_to
    }

    /// Of a process with room for full waves.
    pub(super) fn bytes(&self, shards: f64, channels: f64) -> f64 {
        self.fixed_bytes(shards) + self.of_channels(channels)
    }

    /// Of a run, whose waves have this many signatures in the mean, and not all of whose channels
    /// may have paid.
    pub(super) fn of_run(&self, run: &Observation, wave: f64) -> f64 {
        let missing = run.shards * (growth(self.wave_max) - growth(wave)).max(0.0);
        let silent = run.channels - run.paying_channels();
        self.bytes(run.shards, run.channels)
            - self.growth_bytes * missing
            - (self.channel_bytes - self.silent_channel_bytes) * silent
    }
}

/// A run's peak is that of its largest wave, and where waves are small in the mean a shard that was
/// held up for a moment has a large one too. So memory grows with the logarithm of the mean wave,
/// and not with the wave: the shape is chosen for what it predicts. Held out, the worst of three
/// sweeps went from 21 to 15 %.
fn growth(wave: f64) -> f64 {
    wave.ln_1p()
}

/// Where a bend may lie: both ends, and what is evenly spread by factors between them.
fn between(low: f64, high: f64) -> Vec<f64> {
    let step = (high / low).powf(1.0 / KNEES as f64);
    (0..=KNEES).map(|at| low * step.powi(at as i32)).collect()
}

/// Steps in which a bend is looked for.
const KNEES: usize = 24;
/// Channel counts from which memory is fitted with two slopes.
const COUNTS_FOR_TWO_SLOPES: usize = 4;
/// A bend is taken if it leaves at most this part of the squared error.
const LEAST_GAIN: f64 = 0.9;

/// Whether a run's peak is that of its channels, without a backlog.
pub(super) fn is_calm(run: &Observation) -> bool {
    run.offered_per_s.is_none() || run.held
}

/// What a durable run writes, and what of that lives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Log {
    /// Bytes a signature pair, a wave and a session.
    costs: [f64; 3],
    /// Bytes of an end's newest record: the least that any run wrote a record, which still has its
    /// share of padding and of zeros written ahead.
    pub(super) record_bytes: f64,
    /// The most that any run wrote, in bytes per second.
    pub(super) seen_per_s: f64,
}

/// What a stream's disk use is bounded by (docs/log.md, Space): this many times what lives, and
/// this many segments.
const SPACE_FACTOR: f64 = 6.0;
const SPACE_SEGMENTS: f64 = 8.0;
/// A segment's length unless configured otherwise (docs/log.md, Files).
const SEGMENT_BYTES: f64 = (64_u64 << 20) as f64;

impl Log {
    /// None if no run was durable.
    pub(super) fn fit(runs: &[&Observation]) -> Option<Log> {
        let (durable, logs): (Vec<&Observation>, Vec<_>) =
            runs.iter().filter_map(|run| Some((*run, run.log?))).unzip();
        let terms = [Term::Proposal, Term::Wave, Term::Session];
        let seen = terms.map(|term| term == Term::Proposal || varied(&durable, term));
        let rows = durable.iter().map(|run| row(&Conditions::of(run), seen));
        let rows: Vec<Vec<f64>> = rows.collect();
        let bytes: Vec<f64> = logs.iter().map(|log| log.bytes_per_payment).collect();
        let costs = non_negative(&rows, &bytes)?;
        let ends = |of: fn(&LogCost) -> f64| span(logs.iter().map(of));
        Some(Log {
            costs: [costs[0], costs[1], costs[2]],
            record_bytes: ends(|log| log.bytes_per_record).0,
            seen_per_s: ends(|log| log.bytes_per_s).1,
        })
    }

    /// Bytes written per payment.
    pub(super) fn bytes_per_payment(&self, at: &Conditions) -> f64 {
        dot(&row(at, [true; 3]), &self.costs)
    }

    /// The most space that the log takes on all machines: two ends a channel; a stream for each
    /// shard and for each machine's Layer 1.
    pub(super) fn space_bytes(&self, channels: f64, shards: f64, machines: f64) -> f64 {
        let live = 2.0 * channels * self.record_bytes;
        SPACE_FACTOR * live + SPACE_SEGMENTS * SEGMENT_BYTES * (shards + machines)
    }
}

fn row(at: &Conditions, seen: [bool; 3]) -> Vec<f64> {
    let values = [
        at.place.proposals_per_payment,
        at.place.proposals_per_payment / at.wave,
        at.place.sessions_per_payment,
    ];
    let pairs = values.iter().zip(seen);
    pairs
        .map(|(value, seen)| if seen { *value } else { 0.0 })
        .collect()
}
