//! A sample run file: 100 sessions of 10,000 payments with an open loop and a sampled baseline.
//! Shared by the unit tests and the tests of the binary.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use duet_run_file::{
    RunFile, SCHEMA,
    run_file::{
        Achieved, Assurance, AttackCost, Checks, DirectClient, DirectLoad, Disputes, Durability,
        Engine, L1, L1Chain, L1Consensus, L1Limits, L1Load, L1Moment, L1Quantiles, L1Traffic,
        L1Wait, L1WholeSystem, LatencyHistogram, LatencyNs, Machine, Memory, Offchain, Offload,
        OpenLoop, Percentiles, Phase, Ratio, Resumed, Sample, Stage, Workload,
    },
};
use hdrhistogram::{
    Histogram,
    serialization::{Serializer as _, V2Serializer},
};

pub(crate) fn open_loop() -> RunFile {
    RunFile {
        schema: SCHEMA,
        command: vec!["loadgen".into(), "--sessions".into(), "100".into()],
        started_unix_s: 1_767_225_600,
        workload: workload(),
        engine: Engine {
            backend: "avx512".into(),
            backend_reason: "asked for".into(),
            version: "0.1.0".into(),
            commit: "0123abc".into(),
        },
        assurance: Assurance {
            cosign_every: 100,
            in_flight: 4,
            payments_per_cosigning: Some(99.8),
            signatures_per_key_per_batch: 1.3,
            batch_size: 512.0,
            durability: "off".into(),
            both_endpoints_checked: true,
            value_at_risk_max: 1_234_567,
        },
        achieved: achieved(),
        latency_ns: LatencyNs {
            response: Some(percentiles(1_230_000)),
            service: Some(percentiles(456_000)),
        },
        latency_histogram: LatencyHistogram {
            response: Some(histogram(1_230_000)),
            service: Some(histogram(456_000)),
        },
        series: vec![Sample {
            t_s: 1.0,
            payments: 900_000,
            payments_per_s: 900_000.0,
            l1_transactions: 150,
            cpu_s: 1.9,
        }],
        offchain: Offchain {
            signatures_made: 20_200,
            signature_verifications: 20_200,
            bytes: 40_000_000,
            cpu_s: 1.6,
            direct_client: Some(DirectClient {
                signatures_made: 100_000,
                cpu_s: 1.2,
            }),
        },
        l1: l1(),
        checks: Checks {
            payments_accounted: true,
            signatures_verified: true,
            supply_conserved: true,
            balances_match: true,
            stage_cpu_share: 0.972,
        },
        disputes: None,
        durability: None,
        rejections: BTreeMap::from([("BadSignature".into(), 3), ("StaleVersion".into(), 12)]),
        stages: vec![
            stage("hash", "payer", 1_000_000, 15.0, "entry"),
            stage("sign", "payer", 10_100, 14_000.0, "signature"),
            stage("verify", "payee", 10_100, 20_000.0, "signature"),
            stage("verify", "l1", 400, 25_000.0, "signature"),
        ],
        memory: Memory {
            peak_rss_bytes: 256 << 20,
            bytes_per_channel: Some(512),
        },
        machine: Machine {
            cpu: "AMD EPYC 9R14".into(),
            cores: 16,
            memory_bytes: 64 << 30,
            os: "Linux 6.1".into(),
            features: vec!["avx2".into(), "avx512ifma".into()],
            stolen_share: Some(0.001),
            others_share: Some(0.02),
        },
        part: None,
        merged: None,
    }
}

fn workload() -> Workload {
    Workload {
        mode: "synthetic".into(),
        sessions: 100,
        payments_per_session: 10_000,
        concurrent: 50,
        cosign_every: 100,
        in_flight: 4,
        pattern: "two-way".into(),
        amount: "1..100".into(),
        arrivals: "poisson".into(),
        offered_per_s: Some(900_000.0),
        duration_s: None,
        shards: 2,
        seed: 42,
        trace_sha256: None,
        l1: L1Limits {
            block_transactions: 1_000,
            block_bytes: 1_000_000,
            challenge_window_blocks: 10,
            fee: 10,
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
            state_root: false,
        },
        reproducible: true,
        capacity: "1M".into(),
        cosign_after_ms: Some(5.0),
        backend_asked: "auto".into(),
        speedup: None,
        reserve: None,
        adversary: None,
        l1_delay_blocks: None,
        l1_cut_off: None,
        planted_slowdown: None,
        audit_log: false,
        part: None,
        turn_length: Some(32),
    }
}

fn achieved() -> Achieved {
    Achieved {
        payments: 1_000_000,
        payments_measured: None,
        wall_s: 1.11,
        payments_per_s: 900_900.9,
        steady_payments_per_s: Some(912_345.6),
        cpu_s: 2.1,
        valid: true,
        invalid_reasons: Vec::new(),
        phases: vec![
            Phase {
                name: "channels".into(),
                wall_s: 1.11,
                cpu_s: 2.1,
                sessions: None,
            },
            Phase {
                name: "baseline".into(),
                wall_s: 0.8,
                cpu_s: 0.79,
                sessions: None,
            },
        ],
        interrupted: false,
        sessions_opened: 100,
        sessions_closed: 100,
        sessions_cut: 0,
        channels_stopped: 0,
        payments_refused: 0,
        open_loop: Some(OpenLoop {
            arrived: 80_000,
            backlog: 0,
            arrived_before: 0,
            refused: 0,
            lost: 0,
            refused_before: 0,
            late_before: false,
            unserved: 0,
            unserved_before: 0,
            cut_short: 0,
            stopped: false,
            offered_per_s: 20_000.0,
            achieved_per_s: 19_999.0,
            behind_s: 0.000_2,
        }),
    }
}

fn l1() -> L1 {
    let tip = "ab".repeat(32);
    let point = |ratio| Ratio {
        ratio,
        low: ratio,
        high: ratio,
    };
    L1 {
        channels: L1Load {
            transactions: 200,
            bytes: 70_000,
            signature_verifications: 500,
            state_reads: 900,
            state_writes: 800,
            peak_state_entries: 350,
            cpu_s: 0.02,
            root_cpu_s: None,
            blocks: 4,
            tip: tip.clone(),
        },
        direct: Some(DirectLoad {
            load: L1Load {
                transactions: 100_000,
                bytes: 15_000_000,
                signature_verifications: 100_000,
                state_reads: 200_000,
                state_writes: 200_000,
                peak_state_entries: 200,
                cpu_s: 2.0,
                root_cpu_s: None,
                blocks: 100,
                tip,
            },
            sampled_sessions: 10,
            payments: 100_000,
        }),
        alone: None,
        arms: BTreeMap::new(),
        chain: None,
        offload: Some(Offload {
            transactions: point(5_000.0),
            bytes: Ratio {
                ratio: 2_143.0,
                low: 2_139.5,
                high: 2_146.5,
            },
            signature_verifications: point(2_000.0),
            state_reads: point(2_222.2),
            state_writes: point(2_500.0),
            peak_state_entries: point(0.571_4),
            cpu: Ratio {
                ratio: 1_000.0,
                low: 951.0,
                high: 1_049.0,
            },
        }),
    }
}

fn percentiles(p50: u64) -> Percentiles {
    Percentiles {
        p50,
        p90: p50 * 2,
        p99: p50 * 4,
        p999: p50 * 8,
        max: p50 * 10,
    }
}

/// The latencies of a million payments: half of them `p50`, fewer and fewer up to 10 times that.
fn histogram(p50: u64) -> String {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
    let mut left: u64 = 1_000_000;
    for tenths in 10..=100 {
        let count = if tenths == 100 {
            left
        } else {
            left.div_ceil(2)
        };
        histogram.record_n(p50 * tenths / 10, count).unwrap();
        left -= count;
    }
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(&histogram, &mut bytes)
        .unwrap();
    STANDARD.encode(bytes)
}

fn stage(name: &str, role: &str, items: u64, cpu_ns_per_item: f64, unit: &str) -> Stage {
    let cpu_s = items as f64 * cpu_ns_per_item / 1e9;
    let (name, role, unit) = (name.into(), role.into(), unit.into());
    Stage {
        name,
        role,
        items,
        cpu_ns_per_item,
        cpu_s,
        unit,
    }
}

/// A Layer 1 with a clock: a block each 12 s.
#[allow(dead_code)] // Not every user of the sample has one.
pub(crate) fn chain() -> L1Chain {
    let traffic = |included, evicted, fees, max| L1Traffic {
        included,
        refused: 0,
        evicted,
        outbid: 0,
        raised: evicted,
        given_up: 0,
        fees,
        wait_ms: Some(L1Wait {
            p50: 12_000,
            p99: max,
            max,
        }),
    };
    L1Chain {
        time_s: 4_176.0,
        height: 348,
        empty_blocks: 288,
        idle_bytes: 288 * 76,
        units: 3_160_200_000,
        occupancy: 0.151,
        occupancy_when_used: 0.878,
        channels_occupancy_when_used: None,
        highest_base_fee: Some(1_250),
        fees: 27_200_000,
        state_entries: 10_000,
        sessions_not_opened: 3,
        closes_given_up: 0,
        direct_units: Some(21_000_000_000),
        traffic: [
            ("open", traffic(20_000, 20_100, 9_200_000, 168_000)),
            ("close", traffic(20_000, 0, 18_000_000, 96_000)),
        ]
        .map(|(kind, of)| (kind.to_owned(), of))
        .into(),
        course: vec![
            L1Moment {
                time_s: 12.0,
                occupancy: 0.999,
                waiting: 3_710,
                evicted: 0,
                base_fee: Some(1_125),
            },
            L1Moment {
                time_s: 4_176.0,
                occupancy: 0.148,
                waiting: 0,
                evicted: 20_100,
                base_fee: Some(1_000),
            },
        ],
        consensus: None,
    }
}

/// Seven validators, one of them silent.
#[allow(dead_code)] // Not every user of the sample has validators.
pub(crate) fn consensus() -> L1Consensus {
    let quantiles = |p50, p99, max| Some(L1Quantiles { p50, p99, max });
    L1Consensus {
        validators: 7,
        keys: "00ff".into(),
        faulty: 1,
        heights: 60,
        more_rounds: 8,
        not_reached: 0,
        late_s: 0.0,
        censored_blocks: 0,
        vain_blocks: 0,
        messages: 6_600,
        bytes: 66_000_000,
        block_bytes: 60_000_000,
        signatures: 930,
        forged: 0,
        charged_verifications: 5_000,
        timeouts: 44,
        evidence: 0,
        cpu_s: 0.031,
        first_decision_ms: quantiles(151.0, 1_750.0, 1_800.0),
        last_decision_ms: quantiles(210.0, 1_840.0, 1_900.0),
        answer_delay_blocks: quantiles(1.0, 2.0, 2.0),
        whole_system: vec![whole_system(1), whole_system(100)],
    }
}

/// So many validators, who said what they had to and nothing else.
#[allow(dead_code)] // Not every user of the sample has validators.
fn whole_system(validators: u64) -> L1WholeSystem {
    let messages = ((validators - 1) * (2 * validators + 1)) as f64;
    let quantiles = |p50, p99, max| Some(L1Quantiles { p50, p99, max });
    L1WholeSystem {
        validators,
        sampled_heights: 16,
        verifications_per_block: messages,
        messages_per_block: messages,
        bytes_per_block: 150.0 * messages,
        cpu_ms_per_block: 0.05 + messages / 50.0,
        first_decision_ms: quantiles(150.0, 170.0, 170.0),
        last_decision_ms: quantiles(190.0, 220.0, 220.0),
    }
}

/// 1,000 stale closes and 100 silent parties.
#[allow(dead_code)] // Not every user of the sample has disputes.
pub(crate) fn disputes() -> Disputes {
    let cost = |cases, punishments, transactions, bytes| AttackCost {
        cases,
        punishments,
        transactions,
        fees_by_honest: 0,
        fees_by_cheaters: 0,
        locked_unit_blocks: 0,
        paid_by_honest: cases,
        bytes,
        extra_transactions_per_case: transactions as f64 / cases as f64 - 1.0,
        extra_bytes_per_case: bytes as f64 / cases as f64 - 321.0,
    };
    Disputes {
        closes: 1_100,
        answers: 1_010,
        punishments: 900,
        lost_by_honest: 0,
        honest_losers: 0,
        honest_punished: 0,
        late_posts: 0,
        attacks: BTreeMap::from([
            ("stale-close".into(), cost(1_000, 900, 3_010, 771_000)),
            ("silent".into(), cost(100, 0, 200, 57_800)),
        ]),
        refused: BTreeMap::from([("l1_post_not_higher".into(), 7)]),
    }
}

/// The run after a restart: half of its sessions closed before it, and so many payments were left.
#[allow(dead_code)] // Not every user of the sample restarts.
pub(crate) fn resumed(measured: u64) -> RunFile {
    let mut run = open_loop();
    run.durability = Some(Durability {
        directory: "log".into(),
        file_system: "ext4".into(),
        in_memory: false,
        commits: 1,
        records: 1,
        bytes_written: 1,
        syncs: 1,
        sync_p50_ns: 1,
        sync_p99_ns: 1,
        sync_max_ns: 1,
        sync_histogram: None,
        resumed: Some(Resumed {
            payments: run.achieved.payments - measured,
            sessions_closed: 50,
            channels_open: 0,
            backlog: 0,
            only_closed: Some(false),
            recovery_s: 0.1,
        }),
    });
    run.achieved.payments_measured = Some(measured);
    run.achieved.payments_per_s = match measured {
        0 => f64::NAN,
        _ => measured as f64 / run.achieved.wall_s,
    };
    run.achieved.steady_payments_per_s = None;
    // Its blocks are cut where it stopped.
    run.workload.reproducible = false;
    let unknown = Ratio {
        ratio: f64::NAN,
        low: f64::NAN,
        high: f64::NAN,
    };
    match run.l1.offload.as_mut() {
        Some(offload) if measured > 0 => offload.cpu = unknown,
        _ => (run.l1.offload, run.l1.direct, run.offchain.direct_client) = (None, None, None),
    }
    run
}
