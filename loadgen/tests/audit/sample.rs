//! Who chooses the sessions whose signatures are verified, and what an audit says of that.

use super::common::{Folder, arguments};
use super::forge::Run;
use super::json;

/// A log in which one channel of four has a forged signature.
fn forged() -> Folder {
    let folder = Folder::new();
    let mut run = Run::honest();
    run.burst(0).proposals[0].signer = Some(4);
    std::fs::create_dir(folder.path("log")).unwrap();
    run.write(&folder.path("log"));
    folder
}

/// The salt is drawn anew by every audit, printed whatever it finds, and chooses the same when given.
#[test]
fn a_salt_is_drawn_and_repeats_the_audit() {
    let folder = forged();
    let (mut clean, mut refused) = (None, None);
    for _ in 0..500 {
        let ended = folder.loadgen(&arguments("audit log --sample 1 --json"));
        let said = json(&ended.stdout);
        if ended.code == Some(0) {
            assert_eq!(said["sample"]["salt_from"], "drawn");
            assert_eq!(said["sample"]["writer_could_choose"], false);
            clean = Some(said["sample"]["salt"].as_str().unwrap().to_owned());
        } else {
            assert_eq!(ended.code, Some(4), "{ended:?}");
            let salt = said["salt"].as_str().unwrap().to_owned();
            assert!(
                ended.stderr.contains(&format!("--salt {salt}")),
                "{ended:?}"
            );
            refused = Some(salt);
        }
        if clean.is_some() && refused.is_some() {
            break;
        }
    }
    let (clean, refused) = (clean.unwrap(), refused.unwrap());
    for (salt, code) in [(clean, 0), (refused, 4)] {
        for _ in 0..3 {
            let ended = folder.loadgen(&["audit", "log", "--sample", "1", "--salt", &salt]);
            assert_eq!(ended.code, Some(code), "{ended:?}");
            assert!(ended.stdout.contains(&salt) || ended.stderr.contains(&salt));
        }
    }
}

/// Each verdict says no more than was looked at.
#[test]
fn the_verdict_says_what_was_verified_and_who_chose_it() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("log")).unwrap();
    Run::honest().write(&folder.path("log"));
    let salt = "ab".repeat(32);
    let given = format!("--sample 2 --salt {salt}");
    let hold = "CLEAN: chains, balances and settlements hold";
    for (words, verdict, origin, could) in [
        (
            "",
            ", and the signatures of 4 of 4 sessions",
            "drawn",
            false,
        ),
        (
            &given,
            ", and the signatures of 2 of 4 sessions",
            "given",
            false,
        ),
        (
            "--sample 2 --salt none",
            ", and the signatures of 2 of 4 sessions that the log's writer could choose",
            "none",
            true,
        ),
        ("--sample all", ", and all signatures", "", false),
        (
            "--sample all --salt none",
            ", and all signatures",
            "",
            false,
        ),
        ("--sample 0", "; no signature was verified", "", false),
        ("--sample 0%", "; no signature was verified", "", false),
    ] {
        let ended = folder.loadgen(&arguments(&format!("audit log --json {words}")));
        assert_eq!(ended.code, Some(0), "{words}: {ended:?}");
        let report = json(&ended.stdout);
        assert_eq!(report["verdict"], format!("{hold}{verdict}"), "{words}");
        let sample = &report["sample"];
        assert_eq!(
            sample["salt_from"].as_str().unwrap_or(""),
            origin,
            "{words}"
        );
        assert_eq!(sample["writer_could_choose"], could, "{words}");
        let table = folder
            .loadgen(&arguments(&format!("audit log {words}")))
            .stdout;
        assert!(table.starts_with(&format!("{hold}{verdict}\n")), "{table}");
    }
}

/// The honest run of the bench in numbers: all signatures, those of Layer 1 and of what failed too.
#[test]
fn all_signatures_are_verified_and_the_largest_intervals_found() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("log")).unwrap();
    let mut run = Run::honest();
    (run.cosign_every, run.in_flight) = (50, 60);
    run.write(&folder.path("log"));
    let report = |words: &str| {
        let ended = folder.loadgen(&arguments(&format!("audit log --json {words}")));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        (json(&ended.stdout), ended)
    };
    let (all, _) = report("--sample all");
    assert_eq!(all["channels"]["opened"], 4);
    assert_eq!(all["channels"]["still_open"], 1);
    assert_eq!(all["l1"]["failed"], 1);
    assert_eq!(all["log"]["entries"], 12);
    // States: 5 proposals and 4 answers, 2 and 2, 1 and 1. Openings: 1, 2, 1, 1, 1. Closes: 3 each.
    assert_eq!(all["sample"]["signatures"], (9 + 4 + 2) + 6 + 9);
    let assurance = &all["assurance"];
    assert_eq!(assurance["cosign_every"], 50);
    assert_eq!(assurance["largest_interval"], 2);
    assert_eq!(assurance["value_at_risk_max"], 40);
    assert_eq!(assurance["in_flight"], 60);
    assert_eq!(assurance["most_in_flight"], 2);
    // Of one session only, the failed opening's is verified beside.
    let (one, _) = report("--sample 1");
    assert_eq!(one["sample"]["sessions"], 1);
    let table = folder.loadgen(&arguments("audit log")).stdout;
    assert!(
        table.contains("largest k 2 of 50 claimed, 40 at risk; 2 in flight of 60 claimed"),
        "{table}"
    );
}
