//! Who decided about blocks: what of it a forger can change, and that an audit never says the same
//! of certificates, of somebody else's, and of none.

use std::sync::atomic::AtomicBool;

use duet_audit::{AuditError, Report, SampleSize, check};

use super::bench::{Row, Says, hold};
use super::common::{Folder, arguments};
use super::forge::{Digest, Run, keys_digest};
use super::{asked, json, logged, unbroken};

use Says::{Refused, Unseen};

const WHO: &str = "Who decided about blocks, and whether anybody did";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("votes", "one key at three places", |run| { run.votes().keys = vec![20, 20, 22, 20]; run.votes().told = Some(vec![20, 20, 22, 20]); }, Refused("a validator's key")),
    ("votes", "one key that anybody can sign for", |run| run.votes().keys[1] = super::forge::WEAK, Refused("a signer's key")),
    ("votes", "a foreign key, and the manifest as it was", |run| run.votes().keys[1] = 30, Refused("the validators")),
    ("votes", "one validator more, and the manifest as it was", |run| run.votes().keys.push(30), Refused("a certificate's signatures")),
    ("votes", "none, and the manifest as it was", |run| run.votes().recorded = false, Refused("the validators")),
    ("votes", "all, and a manifest that names nobody", |run| run.votes().told = None, Refused("the validators")),
    ("votes", "no certificate of the first block", |run| run.votes().left_out = Some(0), Refused("a certificate")),
    ("votes", "no certificate of the last block", |run| run.votes().left_out = Some(2), Refused("a certificate")),
    ("votes", "no round", |run| run.votes().round = u32::MAX, Refused("a certificate's round")),
    ("votes", "no more than half of them", |run| run.votes().by = vec![0, 1], Refused("a certificate's signatures")),
    ("votes", "one of them twice", |run| run.votes().by = vec![0, 1, 1], Refused("a validator's place")),
    ("votes", "no validators in the manifest", |run| run.claim("validators", 0), Refused("a number")),
    ("votes", "another round", |run| run.votes().round = 7, Unseen("in which round")),
    ("votes", "others of them", |run| run.votes().by = vec![1, 2, 3], Unseen("which two thirds")),
    ("votes", "a foreign key, and the manifest's", |run| { run.votes().keys[1] = 30; run.votes().told = Some(vec![20, 30, 22, 23]); }, Unseen(WHO)),
    ("votes", "a single validator, and the manifest's", |run| { run.votes().keys = vec![30]; run.votes().told = Some(vec![30]); run.votes().by = vec![0]; }, Unseen(WHO)),
    ("votes", "none, and none in the manifest", |run| run.votes = None, Unseen(WHO)),
];

#[test]
fn what_a_forger_changes_of_votes_is_refused_or_said_to_be_unseen() {
    hold(&Run::voted(), ROWS);
}

/// Audits a run's log with keys that are known from elsewhere, or none.
fn says(run: &Run, keys: Option<Digest>) -> Result<Report, AuditError> {
    let folder = Folder::new();
    run.write(&folder.path(""));
    let mut args = asked(&folder.path(""), SampleSize::All);
    args.tip = Some(Run::voted().tip());
    args.validators = keys;
    check(&args, &AtomicBool::new(false))
}

#[test]
fn whoever_knows_the_keys_is_told_of_others_and_of_none() {
    let keys = keys_digest(&[20, 21, 22, 23]);
    let honest = says(&Run::voted(), Some(keys)).unwrap();
    let verdict = honest.verdict();
    let as_given = "; 3 certificates of 4 validators, whose keys are as given";
    assert!(verdict.ends_with(as_given), "{verdict}");
    for (what, _, forge, expected) in ROWS {
        let mut run = Run::voted();
        forge(&mut run);
        if matches!(expected, Unseen(WHO)) {
            let refused = says(&run, Some(keys)).unwrap_err().to_string();
            assert!(refused.contains("as given"), "{what}: {refused}");
        }
    }
}

/// The first line, the table and the JSON tell certificates from somebody else's and from none.
#[test]
fn no_two_of_them_sound_the_same() {
    let mut foreign = Run::voted();
    (foreign.votes().keys[1], foreign.votes().told) = (30, Some(vec![20, 30, 22, 23]));
    let mut none = Run::voted();
    none.votes = None;
    let said = |run: &Run| {
        let report = says(run, None).unwrap();
        (report.verdict(), unbroken(&report.table()), report.json())
    };
    let (verdict, table, json) = said(&Run::voted());
    let own_word = "; 3 certificates of 4 validators, whose keys are the log's own word";
    assert!(verdict.ends_with(own_word), "{verdict}");
    assert!(
        table.contains("votes 3 certificates of 4 validators, keys "),
        "{table}"
    );
    assert_eq!(json["l1"]["votes"]["certificates"], 3);
    let (_, other, other_json) = said(&foreign);
    assert_ne!(other, table);
    assert_ne!(
        other_json["l1"]["votes"]["keys"],
        json["l1"]["votes"]["keys"]
    );
    let (verdict, table, json) = said(&none);
    assert!(!verdict.contains("certificates"), "{verdict}");
    assert!(
        table.contains("votes none: the log names nobody"),
        "{table}"
    );
    assert!(json["l1"]["votes"].is_null());
}

/// A run tells in its file what its log is audited with.
#[test]
fn a_runs_file_has_the_keys_that_its_log_is_audited_with() {
    let folder = Folder::new();
    logged(
        &folder,
        "--sessions 9 --payments 2 --concurrent 3 --validators 4 --out run.json",
    );
    let run = json(&folder.read("run.json"));
    let votes = &run["l1"]["chain"]["consensus"];
    let keys = votes["keys"].as_str().unwrap();
    let audit = format!("audit log --json --validators {keys}");
    let ended = folder.loadgen(&arguments(&audit));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = json(&ended.stdout);
    let told = &report["l1"]["votes"];
    assert_eq!(told["validators"], 4);
    assert_eq!(told["certificates"], votes["heights"]);
    assert_eq!(
        (told["keys"].as_str(), &told["keys_given"]),
        (Some(keys), &true.into())
    );
    let other = keys.replace(&keys[..1], if &keys[..1] == "0" { "1" } else { "0" });
    let ended = folder.loadgen(&arguments(&format!("audit log --validators {other}")));
    assert_eq!(ended.code, Some(4), "{ended:?}");
    assert!(ended.stderr.contains("as given"), "{ended:?}");
}
