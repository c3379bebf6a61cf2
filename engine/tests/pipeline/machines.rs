//! Layer 1 is the same, byte for byte, however many machines drive it. Each machine is a thread
//! here, with its own shards and its own way to Layer 1 over loopback.

use std::net::TcpListener;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use duet_engine::l1::Pace;
use duet_engine::pipeline::{
    Config, Hosts, Machines, Outcome, RunError, Terms, Workload, run, run_together,
};

use crate::config::config;
use crate::workload::Uniform;

/// So many addresses of this host that nobody listens on.
fn free_hosts(count: usize) -> String {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses = listeners
        .iter()
        .map(|one| one.local_addr().unwrap().to_string());
    addresses.collect::<Vec<_>>().join(",")
}

fn machines(hosts: &str, me: usize, terms: Terms) -> Machines {
    let hosts = Hosts::parse(hosts, me).unwrap();
    let [wait, patience] = [20, 10].map(Duration::from_secs);
    Machines::new(hosts, terms, wait, patience)
}

/// Runs a workload on so many machines of so many shards.
fn together(
    count: usize,
    config: &Config,
    workload: &(dyn Workload + Sync),
) -> Vec<Result<Outcome, RunError>> {
    let hosts = free_hosts(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|me| {
                let machines = machines(&hosts, me, Terms::default());
                scope.spawn(move || {
                    let config = Config {
                        place: machines.place(),
                        ..config.clone()
                    };
                    let stop = AtomicBool::new(false);
                    run_together(&machines, &config, workload, &stop, |_| {})
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

#[test]
fn blocks_and_balances_do_not_depend_on_machines() {
    let uniform = Uniform::new(60, 14, 30);
    let two_way = Uniform {
        two_way: Some(7),
        ..Uniform::new(45, 9, 40)
    };
    let refusing = Uniform {
        funded: 0.2,
        ..Uniform::new(30, 8, 40)
    };
    let clock = Pace {
        interval_ms: 1_000,
        finality_blocks: 1,
    };
    let rows = [
        (uniform, 1, None),
        (two_way, 5, None),
        (refusing, 3, None),
        (uniform, 1, Some(clock)),
    ];
    for (workload, k, pace) in rows {
        let mut config = config(1, workload.concurrent, k, 4);
        config.l1.block_transactions = 3;
        config.l1.mempool_transactions = 5;
        config.l1.pace = pace;
        let alone = run(&config, &workload, &AtomicBool::new(false), |_| {}).unwrap();
        for (count, shards) in [(1, 2), (2, 1), (2, 3), (3, 1), (4, 2)] {
            let config = Config {
                shards,
                ..config.clone()
            };
            let case = format!("{count} machines of {shards} shards");
            let all: Vec<Outcome> = together(count, &config, &workload)
                .into_iter()
                .map(|outcome| outcome.unwrap())
                .collect();
            let layer_1 = &all[0];
            assert_eq!(layer_1.chain().tip(), alone.chain().tip(), "{case}");
            assert_eq!(layer_1.chain().bodies(), alone.chain().bodies(), "{case}");
            assert_eq!(layer_1.chain().totals(), alone.chain().totals(), "{case}");
            let sum = |of: fn(&Outcome) -> u64| all.iter().map(of).sum::<u64>();
            assert_eq!(
                sum(|one| one.counts.covered),
                alone.counts.covered,
                "{case}"
            );
            assert_eq!(
                sum(|one| one.counts.refused),
                alone.counts.refused,
                "{case}"
            );
            assert_eq!(
                sum(|one| one.counts.settled),
                alone.counts.settled,
                "{case}"
            );
            for (machine, one) in all.iter().enumerate() {
                assert!(one.checks.all(), "{case}: {:?}", one.checks);
                assert_eq!(one.ended.fallen, None, "{case}");
                assert_eq!(one.ended.chain.is_some(), machine == 0, "{case}");
                assert_eq!(one.ended.waited.len(), if machine == 0 { count } else { 0 });
            }
        }
    }
}

#[test]
fn machines_that_were_told_otherwise_do_not_begin() {
    let hosts = free_hosts(2);
    let workload = Uniform::new(4, 4, 5);
    let ends = std::thread::scope(|scope| {
        let threads = [0, 1].map(|me| {
            let mut terms = Terms::default();
            terms.run[7] = me as u8;
            let machines = machines(&hosts, me, terms);
            scope.spawn(move || {
                let config = Config {
                    place: machines.place(),
                    ..config(1, 4, 1, 4)
                };
                run_together(
                    &machines,
                    &config,
                    &workload,
                    &AtomicBool::new(false),
                    |_| {},
                )
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    for end in ends {
        match end {
            Err(RunError::Machines {
                is_bad_input,
                problem,
            }) => {
                assert!(is_bad_input, "{problem}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stop_on_one_machine_stops_all() {
    let hosts = free_hosts(2);
    let workload = Uniform::new(400, 20, 5_000);
    let ends = std::thread::scope(|scope| {
        let threads = [0, 1].map(|me| {
            let machines = machines(&hosts, me, Terms::default());
            scope.spawn(move || {
                let config = Config {
                    place: machines.place(),
                    ..config(1, 20, 1, 4)
                };
                let stop = AtomicBool::new(false);
                let outcome = run_together(&machines, &config, &workload, &stop, |snapshot| {
                    if me == 1 && snapshot.payments > 0 {
                        stop.store(true, std::sync::atomic::Ordering::Relaxed);
                    }
                });
                (outcome.unwrap(), stop.into_inner())
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    for (outcome, stopped) in ends {
        assert!(stopped && outcome.cut_short);
        assert!(outcome.checks.all(), "{:?}", outcome.checks);
        assert_eq!(outcome.ended.fallen, None);
    }
}
