use super::*;
use crate::run_file::{LatencyHistogram, Percentiles};
use crate::{histogram, sample};

use hdrhistogram::Histogram;

/// A part of a run: as the sample, but with this many payments and latencies around this.
fn part(index: u64, of: u64, change: impl FnOnce(&mut RunFile)) -> (PathBuf, String) {
    let mut run = sample::open_loop();
    run.workload.part = Some(format!("{index}/{of}"));
    run.part = Some(Part {
        index,
        of,
        run_id: "0123456789abcdef".to_owned(),
        began_unix_ms: 1_767_225_600_500,
        one_layer_1: false,
        machine_id: format!("machine {index}"),
    });
    change(&mut run);
    (PathBuf::from(format!("{index}.json")), run.to_json())
}

fn merged(files: &[(PathBuf, String)]) -> RunFile {
    merge(files, vec!["reports".to_owned()]).unwrap()
}

fn refusal(files: &[(PathBuf, String)]) -> String {
    merge(files, Vec::new()).unwrap_err().to_string()
}

#[test]
fn counts_are_summed_and_ratios_computed_anew() {
    let one = sample::open_loop();
    let file = merged(&[
        part(2, 2, |run| {
            run.l1.channels.transactions *= 3;
            run.assurance.value_at_risk_max = 7;
        }),
        part(1, 2, |_| {}),
    ]);
    assert!(file.achieved.valid, "{:?}", file.achieved.invalid_reasons);
    let twice = |count: u64| 2 * count;
    assert_eq!(file.achieved.payments, twice(one.achieved.payments));
    assert_eq!(file.achieved.wall_s, one.achieved.wall_s);
    let rate = file.achieved.payments as f64 / file.achieved.wall_s;
    assert_eq!(file.achieved.payments_per_s, rate);
    assert_eq!(file.workload.sessions, twice(one.workload.sessions));
    assert_eq!(
        file.workload.payments_per_session,
        one.workload.payments_per_session
    );
    assert_eq!(
        file.workload.offered_per_s,
        one.workload.offered_per_s.map(|rate| 2.0 * rate)
    );
    assert_eq!(file.workload.part, None);
    assert_eq!(file.assurance.batch_size, one.assurance.batch_size);
    assert_eq!(
        file.assurance.value_at_risk_max,
        one.assurance.value_at_risk_max
    );
    assert_eq!(file.offchain.bytes, twice(one.offchain.bytes));
    assert_eq!(
        file.rejections["StaleVersion"],
        twice(one.rejections["StaleVersion"])
    );
    assert_eq!(file.stages.len(), one.stages.len());
    assert_eq!(file.stages[0].items, twice(one.stages[0].items));
    assert_eq!(file.machine.cores, twice(one.machine.cores));
    // One part's Layer 1 had three times the transactions: twice as many in all.
    assert_eq!(
        file.l1.channels.transactions,
        4 * one.l1.channels.transactions
    );
    assert_eq!(file.l1.channels.tip, "");
    let offload = file.l1.offload.as_ref().unwrap();
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
    let per = |count: u64, payments: u64| count as f64 / payments as f64;
    let direct = one.l1.direct.as_ref().unwrap();
    let bytes = per(direct.load.bytes, direct.payments);
    let bytes = bytes / per(one.l1.channels.bytes, one.achieved.payments);
    assert!(near(offload.bytes.ratio, bytes));
    let transactions = per(direct.load.transactions, direct.payments);
    let transactions = transactions / per(one.l1.channels.transactions, one.achieved.payments);
    assert!(near(offload.transactions.ratio, transactions / 2.0));
    // Two samples of the same spread: the error of their mean is smaller by the root of two.
    let of_one = one.l1.offload.as_ref().unwrap().cpu;
    let half = |of: &crate::run_file::Ratio| of.high - of.ratio;
    assert!(near(half(&offload.cpu), half(&of_one) / 2_f64.sqrt()));
    let parts = file.merged.as_ref().unwrap();
    assert_eq!(
        (parts.of, parts.machines, parts.layer_1s, parts.overlap),
        (2, 2, 2, 1.0)
    );
    assert_eq!(parts.parts[0].part.index, 1);
    assert_eq!(parts.parts[1].l1_tip, one.l1.channels.tip);
    // A merged file can be read.
    let again = RunFile::parse(Path::new("merged.json"), &file.to_json()).unwrap();
    assert_eq!(again, file);
}

#[test]
fn histograms_are_added_exactly_and_percentiles_are_those_of_the_sum() {
    let of = |values: &[u64]| {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        values
            .iter()
            .for_each(|value| histogram.record(*value).unwrap());
        histogram
    };
    let with = |index, values: &[u64]| {
        let histogram = of(values);
        part(index, 3, |run| {
            run.latency_histogram = LatencyHistogram {
                response: Some(histogram::encode(&histogram)),
                service: None,
            };
            run.latency_ns.response = Some(Percentiles::of(&histogram));
            run.latency_ns.service = None;
        })
    };
    let values: [&[u64]; 3] = [&[1, 5, 9_000_000], &[2, 1_000_000_000_000], &[70]];
    let file = merged(&[with(1, values[0]), with(2, values[1]), with(3, values[2])]);
    let all = of(&values.concat());
    let added = file.latency_histogram.response.unwrap();
    assert_eq!(histogram::decode(&added).unwrap(), all);
    assert_eq!(added, histogram::encode(&all));
    assert_eq!(file.latency_ns.response, Some(Percentiles::of(&all)));
    assert_eq!(file.latency_ns.service, None);
}

#[test]
fn parts_that_ran_one_after_the_other_were_not_fast_together() {
    let one = sample::open_loop();
    let wall_s = one.achieved.wall_s;
    let late_ms = 2000 + (wall_s * 1e3).ceil() as u64;
    let file = merged(&[
        part(1, 2, |_| {}),
        part(2, 2, |run| {
            let part = run.part.as_mut().unwrap();
            part.began_unix_ms += late_ms;
            part.machine_id = "machine 1".to_owned();
        }),
    ]);
    let expected_s = late_ms as f64 / 1e3 + wall_s;
    assert_eq!(file.achieved.wall_s, expected_s);
    assert!(file.achieved.payments_per_s < one.achieved.payments_per_s);
    let merged = file.merged.as_ref().unwrap();
    assert_eq!((merged.overlap, merged.machines), (0.0, 1));
    assert_eq!(file.machine.cores, one.machine.cores);
    // At every moment what the parts had done by then, and all of it at the end.
    assert!(file.series.is_sorted_by(|a, b| a.payments <= b.payments));
    assert!(
        file.series
            .iter()
            .all(|sample| sample.payments <= file.achieved.payments)
    );
    assert!(file.series.last().unwrap().payments > one.achieved.payments);
}

#[test]
fn an_open_loop_whose_parts_did_not_run_together_was_not_held() {
    let wall_s = sample::open_loop().achieved.wall_s;
    for (late_share, held) in [(0.0, true), (0.04, true), (0.5, false), (7.0, false)] {
        let late_ms = (late_share * wall_s * 1e3) as u64;
        let later = part(2, 2, |run| {
            run.part.as_mut().unwrap().began_unix_ms += late_ms;
        });
        let file = merged(&[part(1, 2, |_| {}), later]);
        assert_eq!(file.achieved.valid, held, "{late_share}");
        let reason = file.achieved.invalid_reasons.first();
        assert!(reason.is_none_or(|reason| reason.starts_with(NOT_HELD)));
    }
}

#[test]
fn missing_parts_and_invalid_ones_are_named() {
    let file = merged(&[
        part(4, 4, |run| {
            run.achieved.valid = false;
            run.achieved.invalid_reasons = vec![
                "Layer 1's supply is not conserved".to_owned(),
                format!("{NOT_HELD}: 10 of 20 payments/s"),
            ];
        }),
        part(1, 4, |_| {}),
    ]);
    assert!(!file.achieved.valid);
    let reasons = [
        "part 4/4: Layer 1's supply is not conserved".to_owned(),
        format!("{NOT_HELD}: part 4/4: 10 of 20 payments/s"),
        "2 of 4 parts are here; missing: 2/4, 3/4".to_owned(),
    ];
    assert_eq!(file.achieved.invalid_reasons, reasons);
    let many = merged(&[part(5, 1000, |_| {})]);
    let reason = &many.achieved.invalid_reasons[0];
    assert!(
        reason.starts_with("1 of 1,000 parts are here; missing: 1/1000, 2/1000"),
        "{reason}"
    );
    assert!(reason.ends_with("9/1000 and 991 more"), "{reason}");
}

#[test]
fn what_is_no_part_of_the_same_run_is_refused() {
    type Change = fn(&mut RunFile);
    let other: [(Change, &str); 9] = [
        (
            |run| run.workload.seed = 9,
            "1.json and 2.json are no parts of one run:\n  workload.seed: 42 and 9",
        ),
        (
            |run| {
                run.workload.cosign_every = 7;
                run.assurance.cosign_every = 7;
            },
            "1.json and 2.json are no parts of one run:\n  assurance.cosign_every: 100 and 7",
        ),
        (
            |run| run.engine.commit = "9876fed".to_owned(),
            "1.json and 2.json are parts of different runs: build 0.1.0 of commit 0123abc and",
        ),
        (
            |run| run.part.as_mut().unwrap().of = 3,
            "1.json and 2.json are parts of different runs: number of parts 2 and 3",
        ),
        (
            |run| run.part.as_mut().unwrap().run_id = "x".to_owned(),
            "1.json and 2.json are parts of different runs: run id 0123456789abcdef and x",
        ),
        (
            |run| run.part.as_mut().unwrap().index = 1,
            "1.json and 2.json are both part 1/2 of one run",
        ),
        (
            |run| run.part.as_mut().unwrap().index = 3,
            "2.json: `part` is 3/2, expected 1 to 2",
        ),
        (|run| run.part = None, "2.json: it was run without --part"),
        (
            |run| {
                let mut histogram = Histogram::<u64>::new_with_bounds(1, 1_000_000, 2).unwrap();
                histogram.record(7).unwrap();
                run.latency_histogram.service = Some(histogram::encode(&histogram));
            },
            "2.json: `latency_histogram.service`: it has 2 digits from 1 to 1000000 ns",
        ),
    ];
    for (change, expected) in other {
        let found = refusal(&[part(1, 2, |_| {}), part(2, 2, change)]);
        assert!(found.starts_with(expected), "{found}");
    }
    let whole = merged(&[part(1, 1, |_| {})]);
    let found = refusal(&[("m.json".into(), whole.to_json())]);
    assert!(found.starts_with("m.json: it is merged already"), "{found}");
}

/// Stopped before the first block, no machine's counts say that Layer 1 was there.
#[test]
fn machines_that_were_stopped_before_the_first_block_are_merged() {
    let stopped = |index| {
        part(index, 2, |run| {
            run.part.as_mut().unwrap().one_layer_1 = true;
            run.l1.channels.blocks = 0;
        })
    };
    let file = merged(&[stopped(1), stopped(2)]);
    assert_eq!(file.l1.channels.blocks, 0);
}
