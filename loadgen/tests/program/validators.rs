//! `loadgen run --validators`: what it says of votes, and how a Layer 1 ends that theory promises
//! nothing of.

use crate::common::{Folder, arguments};

const SMALL: &str = "run --sessions 60 --payments 10 --concurrent 20 --baseline-sessions 0";

fn run(words: &str) -> (Option<i32>, serde_json::Value, String) {
    let folder = Folder::new();
    let ended = folder.loadgen(&arguments(&format!("{SMALL} --out run.json {words}")));
    let file = serde_json::from_str(&folder.read("run.json")).unwrap();
    (ended.code, file, ended.stdout + &ended.stderr)
}

#[test]
fn four_validators_decide_and_nothing_of_it_is_in_another_figure() {
    let (code, four, said) = run("--validators 4");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("L1 votes  4 validators"), "{said}");
    let (_, one, _) = run("--validators 1");
    let (_, none, _) = run("--l1 duet");
    // One validator's work, whoever decides; nobody acts on a block that is not final yet.
    let of = |file: &serde_json::Value, figure: &str| file["l1"]["channels"][figure].clone();
    for figure in [
        "transactions",
        "bytes",
        "signature_verifications",
        "blocks",
        "tip",
    ] {
        assert_eq!(of(&four, figure), of(&one, figure), "{figure}");
    }
    for figure in ["transactions", "signature_verifications"] {
        assert_eq!(of(&four, figure), of(&none, figure), "{figure}");
    }
    let votes = &four["l1"]["chain"]["consensus"];
    assert_eq!(votes["validators"], 4);
    assert_eq!(votes["heights"], four["l1"]["channels"]["blocks"]);
    assert_eq!(votes["more_rounds"], 0);
    assert!(votes["signatures"].as_u64() >= votes["heights"].as_u64().map(|of| 9 * of));
    assert!(none["l1"]["chain"]["consensus"].is_null());
    assert_eq!(four["workload"]["l1"]["profile"], "duet");
    assert_eq!(four["workload"]["l1"]["validators"]["latency"], "wide-area");
}

/// Whatever decided its own blocks, a run has 1, 4, 16 and 100 beside each other, and in no figure.
#[test]
fn whole_systems_stand_beside_a_run_with_validators() {
    let (code, file, said) = run("--validators 4 --validator-faults silent=1");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("L1 n-fold n validators' CPU a block: "),
        "{said}"
    );
    let systems = &file["l1"]["chain"]["consensus"]["whole_system"];
    let of = |figure: &str| -> Vec<f64> {
        let all = systems.as_array().unwrap().iter();
        all.map(|of| of[figure].as_f64().unwrap()).collect()
    };
    assert_eq!(of("validators"), [1.0, 4.0, 16.0, 100.0]);
    assert_eq!(of("sampled_heights"), [16.0; 4]);
    for figure in [
        "verifications_per_block",
        "bytes_per_block",
        "cpu_ms_per_block",
    ] {
        assert!(of(figure).is_sorted(), "{figure}: {systems}");
    }
    assert_eq!(of("verifications_per_block")[0], 0.0);
    let phases = file["achieved"]["phases"].as_array().unwrap();
    assert!(phases.iter().any(|phase| phase["name"] == "whole systems"));
}

#[test]
fn each_validator_may_execute_each_block() {
    let tip = |words: &str| {
        let (code, file, said) = run(&format!("--validators 4 --state-root {words}"));
        assert_eq!(code, Some(0), "{said}");
        let asked = file["workload"]["l1"]["validators"]["each_executes"].clone();
        (file["l1"]["channels"]["tip"].clone(), asked)
    };
    let ((once, unsaid), (each, said)) = (tip(""), tip("--each-validator-executes"));
    assert_eq!(once, each);
    assert!(unsaid.is_null() && said == true, "{unsaid} {said}");
}

/// The window of Duet's own chain has 144 blocks: a client that is cut off for fewer loses nothing,
/// and one that is for more what it could not answer.
#[test]
fn a_client_that_is_cut_off_answers_late() {
    let cut_off = |until: u64| {
        let words = format!("--validators 1 --adversary stale-close=50% --cut-off 3..{until}");
        let (code, file, said) = run(&words);
        assert_eq!(code, Some(0), "{words}: {said}");
        assert_eq!(file["workload"]["l1_cut_off"]["until_block"], until);
        let window = file["workload"]["l1"]["challenge_window_blocks"]
            .as_u64()
            .unwrap();
        let late = file["l1"]["chain"]["consensus"]["answer_delay_blocks"]["max"].clone();
        let late = late.as_f64().unwrap() as u64;
        let lost = file["disputes"]["lost_by_honest"].as_u64().unwrap();
        assert_eq!(
            lost > 0,
            late >= window,
            "{late} of {window}: {lost}, {said}"
        );
        (late, lost > 0, said)
    };
    let (late, lost, _) = cut_off(103);
    assert!((1..=100).contains(&late) && !lost, "{late}");
    let (_, lost, said) = cut_off(1_003);
    assert!(lost && said.contains("answers can come too late"), "{said}");
}

#[test]
fn a_layer_1_that_halts_says_so_and_exits_3() {
    let (code, file, said) = run("--validators 4 --validator-faults silent=2");
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("theory promises something with 1 at most"),
        "{said}"
    );
    let reasons = file["achieved"]["invalid_reasons"].to_string();
    assert!(reasons.contains("decided nothing at height 1"), "{reasons}");
}
