//! Made-up sweeps with known costs, to hold the fits against.

use super::observation::{LogCost, Observation, StageCost};
use crate::run_file::Percentiles;

/// What things cost in the made-up world, in seconds and bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth {
    pub(super) payment_s: f64,
    pub(super) signature_s: f64,
    pub(super) wave_s: f64,
    pub(super) key_s: f64,
    pub(super) session_s: f64,
    pub(super) clumping: f64,
    /// Wall seconds a CPU second.
    pub(super) slowdown: f64,
    /// Seconds a wave waits for its log; nothing is durable if 0.
    pub(super) sync_s: f64,
    pub(super) wave_max: f64,
    pub(super) process_bytes: f64,
    pub(super) shard_bytes: f64,
    pub(super) channel_bytes: f64,
    /// The Universal Scalability Law's σ.
    pub(super) contention: f64,
    /// p99 over a wave's time.
    pub(super) response_multiple: f64,
    pub(super) response_floor_s: f64,
    /// The size of the errors in every measured figure.
    pub(super) noise: f64,
}

impl Default for Truth {
    fn default() -> Truth {
        Truth {
            payment_s: 1e-6,
            signature_s: 5e-6,
            wave_s: 150e-6,
            key_s: 2e-6,
            session_s: 40e-6,
            clumping: 2.0,
            slowdown: 1.0,
            sync_s: 0.0,
            wave_max: 4_000.0,
            process_bytes: 30e6,
            shard_bytes: 10e6,
            channel_bytes: 1_200.0,
            contention: 0.05,
            response_multiple: 4.0,
            response_floor_s: 1e-3,
            noise: 0.0,
        }
    }
}

/// A setting of the grid.
#[derive(Clone, Copy)]
pub(super) struct Setting {
    pub(super) shards: f64,
    pub(super) channels: f64,
    pub(super) payments: f64,
    pub(super) rate: Option<f64>,
}

/// The default grid: rates, channels, sessions, shards, and closed loops, each twice.
pub(super) fn sweep(truth: &Truth) -> Vec<Observation> {
    let base = Setting {
        shards: 2.0,
        channels: 3e3,
        payments: 1e3,
        rate: None,
    };
    let mut settings = Vec::new();
    for shards in [1.0, 2.0] {
        for rate in [5e3, 10e3, 20e3, 40e3, 60e3, 80e3, 100e3, 140e3] {
            settings.push(Setting {
                shards,
                rate: Some(rate * shards),
                ..base
            });
        }
        settings.push(Setting { shards, ..base });
    }
    for channels in [1e3, 10e3, 30e3, 100e3] {
        settings.push(Setting {
            channels,
            rate: Some(80e3),
            ..base
        });
        settings.push(Setting { channels, ..base });
    }
    for payments in [30.0, 100.0] {
        settings.push(Setting {
            payments,
            rate: Some(80e3),
            ..base
        });
    }
    let mut draws = Noise(1, truth.noise);
    let runs = settings.iter().flat_map(|setting| [setting, setting]);
    runs.map(|setting| run(truth, setting, &mut draws))
        .collect()
}

/// Errors of a known size, the same in every test run.
pub(super) struct Noise(u64, f64);

impl Noise {
    pub(super) fn none() -> Noise {
        Noise(1, 0.0)
    }

    fn factor(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let unit = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        1.0 + self.1 * (2.0 * unit - 1.0)
    }
}

/// Plays the truth: the wave's size by stepping from wave to wave until it stays.
pub(super) fn run(truth: &Truth, set: &Setting, noise: &mut Noise) -> Observation {
    let channels_per_shard = set.channels / set.shards;
    let efficiency = 1.0 / (1.0 + truth.contention * (set.shards - 1.0));
    let per_key = |wave: f64| {
        let x = truth.clumping * wave / channels_per_shard;
        (x / (1.0 - (-x).exp())).min(16.0)
    };
    let session = truth.session_s / set.payments;
    let cpu = |wave: f64, keys: f64| {
        truth.payment_s + truth.signature_s + truth.wave_s / wave + truth.key_s / keys + session
    };
    let took =
        |wave: f64, keys: f64| truth.slowdown / efficiency * wave * cpu(wave, keys) + truth.sync_s;
    let cap = truth.wave_max.min(channels_per_shard * 16.0);
    let (mut wave, mut held) = (cap, true);
    let mut keys = 16.0;
    if let Some(rate) = set.rate {
        wave = 1.0;
        for _ in 0..100_000 {
            let arriving = rate / set.shards * took(wave, per_key(wave));
            wave = (arriving + (-arriving).exp()).min(cap);
        }
        keys = per_key(wave);
        held = rate / set.shards * took(wave, keys) <= wave;
    }
    let most = set.shards * wave / took(wave, keys);
    let achieved = set.rate.map_or(most, |rate| rate.min(most));
    let response = truth.response_floor_s + truth.response_multiple * took(wave, keys);
    let ns = (response * 1e9 * noise.factor()) as u64;
    let mut stage = |name: &str, role: &str, unit: &str, cpu_s: f64| StageCost {
        name: name.into(),
        role: role.into(),
        unit: unit.into(),
        cpu_s: cpu_s * noise.factor(),
    };
    let verify = (truth.wave_s / wave + truth.key_s / keys) / 2.0;
    let stages = vec![
        stage("draw", "loadgen", "payment", truth.payment_s),
        stage("sign", "payer", "signature", truth.signature_s / 2.0),
        stage("sign", "payee", "signature", truth.signature_s / 2.0),
        stage("verify", "payer", "signature", verify),
        stage("verify", "payee", "signature", verify),
        stage("finish", "both", "session", session),
    ];
    let bytes =
        truth.process_bytes + truth.shard_bytes * set.shards + truth.channel_bytes * set.channels;
    Observation {
        shards: set.shards,
        channels: set.channels,
        payments_asked: set.payments as u64,
        offered_per_s: set.rate,
        held,
        achieved_per_s: achieved * noise.factor(),
        response: set.rate.map(|_| Percentiles {
            p50: ns / 4,
            p90: ns / 2,
            p99: ns,
            p999: ns * 2,
            max: ns * 4,
        }),
        sessions_per_payment: 1.0 / set.payments,
        edge_sessions_per_payment: 0.0,
        proposals_per_payment: 1.0,
        wave,
        per_key: keys,
        stages,
        peak_rss_bytes: bytes * noise.factor(),
        log: (truth.sync_s > 0.0).then(|| LogCost {
            bytes_per_payment: 300.0 + 4096.0 / wave,
            bytes_per_record: 200.0 + 4096.0 / wave,
            bytes_per_s: achieved * (300.0 + 4096.0 / wave),
        }),
        in_flight: 16.0,
        amortised: [None; 3],
    }
}
