//! Offload curves of the real binary: runs and model agree, and a model that is wrong is found. CPU
//! time is not asserted.

use std::path::Path;

use duet_run_file::RunFile;
use duet_run_file::curve::Curve;

use crate::common::{Folder, arguments};

/// Text as one line.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Problems of a curve, CPU time aside.
fn problems(curve: &Curve) -> Vec<&String> {
    let cells = curve.lines.iter().flat_map(|line| &line.cells);
    let problems = cells.flat_map(|cell| &cell.problems);
    problems
        .filter(|text| !text.starts_with("CPU time is off: "))
        .collect()
}

#[test]
fn a_curves_runs_count_what_the_model_says() {
    let folder = Folder::new();
    let ended = folder.loadgen(&arguments(
        "offload --payments 1,9,1M --disputes 0,1% --open-batch 1,100 --cpu-within 100% \
         --repeats 1 --out c.json",
    ));
    let text = folder.read("c.json");
    let curve = Curve::parse(Path::new("c.json"), text.as_bytes()).unwrap();
    assert_eq!(problems(&curve), Vec::<&String>::new(), "{}", ended.stdout);
    assert_eq!(ended.code, Some(if curve.valid { 0 } else { 3 }));
    let said = unwrapped(&ended.stdout);
    for words in [
        "TWO PARTIES ONLY",
        "0.5 x",
        "500,000 x",
        "1 M*",
        "even at",
        "modelled",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Two lengths and two shares, and the two runs that CPU time is taken from.
    assert_eq!(curve.runs.len(), 2 * 2 + 2);
    assert_eq!(curve.lines.len(), 4);
    let polite = &curve.lines[0];
    let even = |resource: &str| polite.break_even_payments[resource];
    for (resource, payments) in [
        ("transactions", Some(2)),
        ("bytes", Some(4)),
        ("signature_verifications", Some(4)),
        ("state_reads", Some(2)),
        ("state_writes", Some(3)),
        ("peak_state_entries", None),
    ] {
        assert_eq!(even(resource), payments, "{resource}");
    }
    let [one, nine, million] = &polite.cells[..] else {
        panic!("{polite:?}")
    };
    assert_eq!(
        [one, nine, million].map(|cell| cell.modelled),
        [false, false, true]
    );
    assert_eq!(nine.figures["transactions"].ratios, [4.5]);
    // A batch is modelled, whatever its length.
    assert!(curve.lines[1].cells.iter().all(|cell| cell.modelled));
    let batched = &curve.lines[1].cells[1].figures["bytes"];
    let each = (160.0 + 99.0 * 53.0) / 100.0 + 321.0;
    assert!((batched.channels * 9.0 / each - 1.0).abs() < 1e-9);
    let disputed = &curve.lines[2].cells[1];
    assert!(disputed.disputed[0] > 5, "{disputed:?}");
}

#[test]
fn a_wrong_price_is_found() {
    let folder = Folder::new();
    let words = "offload --payments 1 --disputes 0 --repeats 1 --cpu-within 100% \
                 --planted-price close.bytes=320";
    let ended = folder.loadgen(&arguments(words));
    assert_eq!(ended.code, Some(3), "{}", ended.stdout);
    let said = unwrapped(&ended.stdout);
    for words in [
        "DOES NOT AGREE",
        "bytes of channels 1205000",
        "1202500",
        "0.301 x!",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// The same payments, one in a transaction, ten, as many as fit, and a balance of a hundred.
#[test]
fn arms_make_the_baselines_payments_by_other_means() {
    let folder = Folder::new();
    let words = "run --sessions 40 --payments 1k --cosign-every 100 --l1 ethereum-60m \
                 --baseline-sessions 4 --arms multi-send=10,multi-send=most,tab=100 --out r.json";
    let ended = folder.loadgen(&arguments(words));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let run = RunFile::parse(Path::new("r.json"), &folder.read("r.json")).unwrap();
    let direct = run.l1.direct.as_ref().unwrap();
    assert_eq!((direct.payments, direct.load.transactions), (4_000, 4_000));
    let names: Vec<&str> = run.l1.arms.keys().map(String::as_str).collect();
    assert_eq!(names, ["multi-send=10", "multi-send=256", "tab=100"]);
    // 30,892 gas and 9,892 for each further one; 1,000 payments are three of 256, and 232.
    for (name, transactions, units, waiting) in [
        ("multi-send=10", 400, 400 * (30_892 + 9 * 9_892), 10),
        (
            "multi-send=256",
            16,
            16 * 30_892 + (4_000 - 16) * 9_892,
            256,
        ),
        ("tab=100", 40, 40 * 21_000, 100),
    ] {
        let arm = &run.l1.arms[name];
        assert_eq!((arm.payments, arm.sampled_sessions), (4_000, 4), "{name}");
        let load = &arm.load;
        let found = (load.transactions, load.signature_verifications, arm.units);
        assert_eq!(found, (transactions, transactions, Some(units)), "{name}");
        // Each session has two accounts.
        assert_eq!(
            (load.state_reads, load.state_writes),
            (2 * transactions, 2 * transactions)
        );
        assert_eq!(
            (arm.most_waiting, arm.balances_match),
            (waiting, true),
            "{name}"
        );
        assert!(
            arm.most_owed > 50 * waiting / 2 && arm.fees > 0,
            "{name}: {arm:?}"
        );
    }
    let said = unwrapped(&ended.stdout);
    for words in [
        "arms multi-send=10 1 k transactions",
        "tab=100 100 transactions",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
