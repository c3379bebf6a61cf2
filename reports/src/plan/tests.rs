//! Fits made-up sweeps whose costs are known, and looks at what the model says of them.

use super::{
    cpu::{CpuModel, Term},
    holdout::HoldoutError,
    model::Model,
    observation::Observation,
    response::Basis,
    size::{Machine, Size, size},
    storage::{Log, Memory},
    synthetic::{Noise, Setting, Truth, run, sweep},
    waves::Waves,
    *,
};

const MACHINE: Machine = Machine {
    cores: 2.0,
    memory_bytes: 8e9,
    log_bytes_per_s: None,
};

pub(super) fn ask(rate: Option<f64>, slo: &str) -> Ask {
    Ask {
        rate_per_s: rate,
        inverse: rate.is_none(),
        channels: Some(100_000),
        payments: 1_000,
        disputes: 0.0,
        slo: Slo::parse(slo).unwrap(),
        assurance: Wanted::default(),
        role: Role::Both,
        headroom: 0.3,
        spare: 1,
        machines: 1,
        l1: None,
        cores_per_machine: None,
        memory_per_machine: None,
        log_per_machine: None,
        capacity: None,
        busy_max: 0.05,
        seed: 1,
    }
}

fn fitted(truth: &Truth, ask: &Ask) -> Model {
    let runs = sweep(truth);
    let runs: Vec<&Observation> = runs.iter().collect();
    Model::fit(&runs, &ask.slo).unwrap()
}

fn sized(truth: &Truth, ask: &Ask, machine: Machine) -> Result<Size, PlanError> {
    size(ask, &fitted(truth, ask), machine)
}

fn near(what: &str, found: f64, expected: f64, share: f64) {
    assert!(
        (found / expected - 1.0).abs() <= share,
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn the_fits_recover_known_costs() {
    for (noise, tolerance) in [(0.0, 0.01), (0.03, 0.1)] {
        let truth = Truth {
            noise,
            ..Truth::default()
        };
        let runs = sweep(&truth);
        let runs: Vec<&Observation> = runs.iter().collect();
        let cpu = CpuModel::fit(&runs).unwrap();
        let cost = |term: Term| {
            let terms = cpu.terms();
            let found = terms.iter().find(|(found, _)| *found == term);
            found.map_or(0.0, |(_, cost)| *cost)
        };
        near("payment", cost(Term::Payment), truth.payment_s, tolerance);
        near(
            "signature",
            cost(Term::Proposal),
            truth.signature_s,
            tolerance,
        );
        // With errors, a part of a wave's cost goes to its root.
        if noise == 0.0 {
            near("wave", cost(Term::Wave), truth.wave_s, tolerance);
        }
        near("key", cost(Term::Key), truth.key_s, 2.0 * tolerance);
        near("session", cost(Term::Session), truth.session_s, tolerance);

        let memory = Memory::fit(&runs).unwrap();
        near(
            "channel",
            memory.channel_bytes,
            truth.channel_bytes,
            tolerance,
        );
        let fixed = truth.process_bytes + 2.0 * truth.shard_bytes;
        near("process", memory.fixed_bytes(2.0), fixed, tolerance);

        // The slowdown is that of two shards, whose waits for each other are in it.
        let waves = Waves::fit(&runs, false).unwrap();
        near(
            "slowdown",
            waves.slowdown,
            1.0 + truth.contention,
            tolerance,
        );

        let scaling = Model::fit(&runs, &Slo::parse("p99=50ms").unwrap())
            .unwrap()
            .scaling;
        near(
            "efficiency",
            scaling.efficiency(2.0),
            1.0 / (1.0 + truth.contention),
            tolerance,
        );
    }
}

#[test]
fn a_log_costs_bytes_and_time() {
    let truth = Truth {
        sync_s: 2e-3,
        ..Truth::default()
    };
    let runs = sweep(&truth);
    let runs: Vec<&Observation> = runs.iter().collect();
    let waves = Waves::fit(&runs, true).unwrap();
    near("sync", waves.beside_cpu_s, truth.sync_s, 0.05);
    let log = Log::fit(&runs).unwrap();
    let at = cpu::Conditions::of(runs[4]);
    near(
        "bytes",
        log.bytes_per_payment(&at),
        300.0 + 4096.0 / runs[4].wave,
        0.01,
    );
    let closed = runs.iter().filter(|run| run.offered_per_s.is_none());
    let largest = closed.map(|run| run.wave).fold(0.0, f64::max);
    near("record", log.record_bytes, 200.0 + 4096.0 / largest, 0.01);
    // Two ends of each channel, six times; eight segments for each of two shards and the Layer 1.
    let space = log.space_bytes(1e6, 2.0, 1.0);
    near(
        "space",
        space,
        12e6 * log.record_bytes + 24.0 * 67_108_864.0,
        1e-9,
    );
}

#[test]
fn the_edge_of_a_sweep_that_obeys_the_model_is_predicted() {
    for (truth, most) in [
        // Where two shards hinder each other by 5 %, one alone does not tell.
        (Truth::default(), 0.055),
        (
            Truth {
                noise: 0.03,
                ..Truth::default()
            },
            0.1,
        ),
        (
            Truth {
                sync_s: 2e-3,
                noise: 0.02,
                ..Truth::default()
            },
            0.1,
        ),
        (
            Truth {
                slowdown: 2.5,
                noise: 0.02,
                ..Truth::default()
            },
            0.1,
        ),
    ] {
        let runs = sweep(&truth);
        let runs: Vec<&Observation> = runs.iter().collect();
        let held = HoldoutError::of(&runs, &Slo::parse("p99=50ms").unwrap());
        let all = held.all.clone().unwrap();
        for (name, spread) in [
            ("rate", all.throughput),
            ("cpu", all.cpu),
            ("memory", all.memory),
        ] {
            let spread = spread.unwrap();
            assert!(spread.median <= most, "{truth:?} {name}: {held:#?}");
        }
        assert_eq!(held.cores.as_ref().unwrap().held_out, 2.0);
        assert_eq!(held.channels.as_ref().unwrap().held_out, 1e5);
        assert_eq!(held.channels.as_ref().unwrap().fitted_up_to, 3e4);
        assert_eq!(held.rate.as_ref().unwrap().held_out, 140e3);
    }
}

#[test]
fn a_sweep_that_does_not_obey_the_model_shows_a_large_error() {
    let truth = Truth::default();
    let mut runs = sweep(&truth);
    for run in &mut runs {
        if run.channels == 1e5 {
            run.peak_rss_bytes *= 2.0;
            for stage in &mut run.stages {
                stage.cpu_s *= 1.6;
            }
        }
    }
    let runs: Vec<&Observation> = runs.iter().collect();
    let held = HoldoutError::of(&runs, &Slo::parse("p99=50ms").unwrap());
    let errors = held.channels.unwrap().errors;
    assert!(errors.cpu.unwrap().worst > 0.3, "{errors:?}");
    assert!(errors.memory.unwrap().worst > 0.4, "{errors:?}");
}

#[test]
fn what_is_too_small_is_not_held_out() {
    let truth = Truth::default();
    let mut noise = Noise::none();
    let runs: Vec<Observation> = [1e4, 2e4]
        .map(|rate| {
            let setting = Setting {
                shards: 2.0,
                channels: 1e3,
                payments: 1e3,
                rate: Some(rate),
            };
            run(&truth, &setting, &mut noise)
        })
        .to_vec();
    let runs: Vec<&Observation> = runs.iter().collect();
    let held = HoldoutError::of(&runs, &Slo::parse("p99=50ms").unwrap());
    assert_eq!(held, HoldoutError::default());
}

/// The p99 that the truth gives two shards at a rate, in seconds.
fn truth_at(truth: &Truth, per_shard: f64) -> Observation {
    let setting = Setting {
        shards: 2.0,
        channels: 3e3,
        payments: 1e3,
        rate: Some(2.0 * per_shard),
    };
    run(truth, &setting, &mut Noise::none())
}

#[test]
fn the_rate_at_the_objective_meets_it_and_little_more_does_not() {
    let truth = Truth::default();
    for slo in ["p99=3ms", "p99=8ms", "p99=20ms", "p99=50ms"] {
        let ask = ask(Some(1e6), slo);
        let model = fitted(&truth, &ask);
        let response = model.response.as_ref().unwrap();
        let found = response.rate_at(&ask.slo).unwrap();
        assert_eq!(found.basis, Basis::Between, "{slo}");
        let p99 = |rate: f64| truth_at(&truth, rate).response.unwrap().p99 as f64;
        let low = p99(0.85 * found.per_shard);
        assert!(low <= ask.slo.at_most_ns, "{slo}: {low} at {found:?}");
        let high = p99(1.3 * found.per_shard);
        assert!(high > ask.slo.at_most_ns, "{slo}: {high} at {found:?}");
    }
}

#[test]
fn beyond_and_below_the_measured_rates_nothing_is_said() {
    let fit = |slowdown: f64, slo: &str, keep: fn(f64) -> bool| {
        let runs = sweep(&Truth {
            slowdown,
            ..Truth::default()
        });
        let slo = Slo::parse(slo).unwrap();
        let kept =
            |run: &&Observation| run.offered_per_s.is_none_or(|rate| keep(rate / run.shards));
        let runs: Vec<&Observation> = runs.iter().filter(kept).collect();
        let response = Model::fit(&runs, &slo).unwrap().response.unwrap();
        (response.rate_at(&slo), response)
    };
    // All rates that were measured meet the objective: the largest is counted on, and no more.
    let (found, response) = fit(1.0, "p99=8ms", |rate| rate <= 40e3);
    let found = found.unwrap();
    assert_eq!(
        (found.per_shard, found.basis),
        (40e3, Basis::LastHeld(None))
    );
    let largest = response.at(40e3).unwrap();
    assert!(largest <= 8e6, "{largest}");
    assert_eq!(response.at(40.1e3), None);
    // The same where the next one was not held.
    let (found, response) = fit(2.0, "p99=10s", |_| true);
    let found = found.unwrap();
    let Basis::LastHeld(Some(next)) = found.basis else {
        panic!("{found:?}")
    };
    assert!(
        found.per_shard < next && response.at(next).is_none(),
        "{found:?}"
    );
    // None does.
    let (found, response) = fit(1.0, "p99=3ms", |rate| rate >= 100e3);
    assert_eq!(found, None);
    assert_eq!(response.least().per_shard, 100e3);
    assert_eq!(response.at(99e3), None);
}

#[test]
fn an_objective_that_nothing_meets_is_missed() {
    let error = sized(&Truth::default(), &ask(Some(1e6), "p99=500us"), MACHINE).unwrap_err();
    let PlanError::Missed(message) = error else {
        panic!("{error:?}")
    };
    assert!(
        message.contains("no measured rate meets p99 at most 500 µs: the least is"),
        "{message}"
    );
}

#[test]
fn a_load_is_sized_by_what_binds() {
    let truth = Truth::default();
    let sized = |ask: &Ask, machine| sized(&truth, ask, machine).unwrap();
    let base = ask(Some(1e6), "p99=50ms");
    let size = sized(&base, MACHINE);
    assert_eq!(size.binding_constraint, "cpu");
    assert_eq!(size.machines, (size.cores / 2.0).ceil() as u64);
    near(
        "cores",
        size.cores,
        1e6 / size.core.rate_per_core / 0.7,
        1e-9,
    );
    // As many as play the truth within the objective, and the headroom.
    let one = truth_at(&truth, size.at_slo.per_shard);
    assert!(one.held && one.response.unwrap().p99 <= 55_000_000);

    let twice = Ask {
        channels: Some(200_000),
        ..ask(Some(2e6), "p99=50ms")
    };
    let twice = sized(&twice, MACHINE);
    near("twice the load", twice.cores / size.cores, 2.0, 0.02);

    let small = Machine {
        memory_bytes: 100e6,
        ..MACHINE
    };
    let memory = Ask {
        channels: Some(10_000_000),
        ..base.clone()
    };
    let size = sized(&memory, small);
    assert_eq!(size.binding_constraint, "memory");
    // 12 GB of channels into 70 MB a machine less the 50 MB of a process.
    near("machines", size.machines as f64, 600.0, 0.02);

    let logged = Truth {
        sync_s: 1e-3,
        ..truth
    };
    let slow_disk = Machine {
        log_bytes_per_s: Some(1e6),
        ..MACHINE
    };
    let size = size::size(&base, &fitted(&logged, &base), slow_disk).unwrap();
    assert_eq!(size.binding_constraint, "log bandwidth");
    near(
        "disks",
        size.machines as f64,
        size.log_bytes_per_s.unwrap() / 0.7e6,
        0.01,
    );
}

#[test]
fn layer_1_binds_where_its_blocks_are_full() {
    let l1 = L1Prices {
        profile: "made up".into(),
        unit: "unit".into(),
        open: 100.0,
        close: 100.0,
        dispute: None,
        block_units: 1_000.0,
        block_transactions: None,
        block_s: 1.0,
    };
    let base = Ask {
        l1: Some(l1),
        ..ask(Some(1e6), "p99=50ms")
    };
    let size = sized(&Truth::default(), &base, MACHINE).unwrap();
    assert_eq!(size.binding_constraint, "l1");
    let l1 = size.l1.unwrap();
    near("share", l1.block_share, 200.0, 1e-9);
    near("payments", l1.payments_least, 200_000.0, 1e-9);
    let long = Ask {
        payments: 200_001,
        ..base.clone()
    };
    assert_eq!(
        sized(&Truth::default(), &long, MACHINE)
            .unwrap()
            .binding_constraint,
        "cpu"
    );
    let inverse = Ask {
        rate_per_s: None,
        ..base
    };
    let size = sized(&Truth::default(), &inverse, MACHINE).unwrap();
    assert_eq!(size.binding_constraint, "l1");
    near("rate", size.rate_per_s, 5_000.0, 1e-9);
}

#[test]
fn the_inverse_gives_back_the_load() {
    let forward = ask(Some(500e3), "p99=50ms");
    let size = sized(&Truth::default(), &forward, MACHINE).unwrap();
    let inverse = Ask {
        rate_per_s: None,
        machines: size.machines,
        ..ask(None, "p99=50ms")
    };
    let carried = sized(&Truth::default(), &inverse, MACHINE).unwrap();
    near(
        "rate",
        carried.rate_per_s,
        500e3 * size.machines as f64 * 2.0 / size.cores,
        0.01,
    );
    let crowded = Ask {
        channels: Some(1_000_000_000),
        ..inverse
    };
    let error = sized(&Truth::default(), &crowded, MACHINE).unwrap_err();
    assert!(
        error.to_string().contains("do not fit into the memory"),
        "{error}"
    );
}

#[test]
fn one_end_takes_about_half() {
    let both = sized(&Truth::default(), &ask(Some(1e6), "p99=50ms"), MACHINE).unwrap();
    let hub = Ask {
        role: Role::Hub,
        ..ask(Some(1e6), "p99=50ms")
    };
    let hub = sized(&Truth::default(), &hub, MACHINE).unwrap();
    // Half of signatures and verifications, all of the rest.
    assert!(
        (0.5..0.7).contains(&(hub.cores / both.cores)),
        "{}",
        hub.cores / both.cores
    );
    assert!((0.5..0.7).contains(&(hub.core.cpu_s_per_payment / both.core.cpu_s_per_payment)));
}

#[test]
fn the_interval_is_that_of_its_seed_and_holds_the_plan() {
    let truth = Truth {
        noise: 0.05,
        ..Truth::default()
    };
    let runs = sweep(&truth);
    let runs: Vec<&Observation> = runs.iter().collect();
    let ask = ask(Some(1e6), "p99=50ms");
    let once = interval::interval(&ask, &runs, MACHINE).unwrap();
    assert_eq!(interval::interval(&ask, &runs, MACHINE).unwrap(), once);
    let other = Ask {
        seed: 2,
        ..ask.clone()
    };
    assert_ne!(interval::interval(&other, &runs, MACHINE).unwrap(), once);
    let cores = sized(&truth, &ask, MACHINE).unwrap().cores;
    assert!(
        once.cores[0] <= 1.02 * cores && cores <= 1.02 * once.cores[1],
        "{cores} {once:?}"
    );
    assert!(once.cores[1] - once.cores[0] < 0.5 * cores, "{once:?}");
    assert!(once.cores[1] > once.cores[0]);
}

#[test]
fn memory_bends_where_batches_stop_to_grow() {
    let bent = |channels: f64| 20e6 + 1_200.0 * channels + 2_000.0 * channels.min(3e4);
    let mut runs = sweep(&Truth::default());
    for run in &mut runs {
        run.peak_rss_bytes = bent(run.channels) + 10e6 * run.shards;
    }
    let runs: Vec<&Observation> = runs.iter().collect();
    let memory = Memory::fit(&runs).unwrap();
    near("channel", memory.channel_bytes, 1_200.0, 0.01);
    near("batches", memory.full_batches(), 60e6, 0.01);
    near("a million", memory.bytes(2.0, 1e6), bent(1e6) + 20e6, 0.01);
    near("few", memory.bytes(1.0, 1e3), bent(1e3) + 10e6, 0.01);

    // Four counts and no bend: none is found.
    let straight = sweep(&Truth {
        noise: 0.02,
        ..Truth::default()
    });
    let straight: Vec<&Observation> = straight.iter().collect();
    let memory = Memory::fit(&straight).unwrap();
    near(
        "a million",
        memory.bytes(2.0, 1e6),
        30e6 + 20e6 + 1.2e9,
        0.05,
    );
}
