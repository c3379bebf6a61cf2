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
