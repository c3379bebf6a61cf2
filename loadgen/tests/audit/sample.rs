//! Who chooses the sessions whose signatures are verified, and what an audit says of that.

use super::common::{Folder, arguments};
use super::forge::Run;
use super::{json, logged, unbroken};

/// A log in which one channel of four has a forged signature.
fn forged() -> Folder {
    let folder = Folder::new();
    let mut run = Run::honest();
    run.burst(0).proposals[0].signer = Some(4);
    std::fs::create_dir(folder.path("log")).unwrap();
    run.write(&folder.path("log"));
    folder
}

/// The salt is drawn anew by every audit, printed whatever it finds, and chooses the same when
/// given.
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
    let two = ", and N of 30 signatures, all those of 2 of 4 sessions";
    let writer = format!("{two} that the log's writer could choose");
    let (two, writer) = (two, writer.as_str());
    for (words, verdict, origin, could) in [
        ("", ", and all 30 signatures", "drawn", false),
        (&given, two, "given", false),
        ("--sample 2 --salt none", writer, "none", true),
        ("--sample all", ", and all 30 signatures", "", false),
        (
            "--sample all --salt none",
            ", and all 30 signatures",
            "",
            false,
        ),
        (
            "--sample 0",
            "; none of 30 signatures was verified",
            "",
            false,
        ),
        (
            "--sample 0%",
            "; none of 30 signatures was verified",
            "",
            false,
        ),
    ] {
        let ended = folder.loadgen(&arguments(&format!("audit log --json {words}")));
        assert_eq!(ended.code, Some(0), "{words}: {ended:?}");
        let report = json(&ended.stdout);
        let verified = report["signatures"]["verified"].to_string();
        let verdict = verdict.replace('N', &verified);
        assert_eq!(report["verdict"], format!("{hold}{verdict}"), "{words}");
        assert_eq!(report["sample"]["signatures"].to_string(), verified);
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
        let table = unbroken(&table);
        assert!(
            table.starts_with(&format!("{hold}{verdict} L1 ")),
            "{table}"
        );
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
        table.contains("found is the least: the log's writer could have cut bursts"),
        "{table}"
    );
    assert!(
        table.contains("k of 2 found, 50 claimed, 40 at risk; 2 in flight found, 60 claimed"),
        "{table}"
    );
}

/// A session that is sampled while a log is followed is looked at in each of its segments, and on
/// Layer 1: as many signatures as a session has, and no more sessions than were asked for.
#[test]
fn a_followed_sample_is_looked_at_in_full() {
    let folder = Folder::new();
    // At k = 1 and with one in flight a session has two signatures a payment, and four on Layer 1.
    logged(
        &folder,
        "--sessions 20 --payments 40 --cosign-every 1 --in-flight 1 --shards 2 --audit-segment 4k",
    );
    let salt = "cd".repeat(32);
    let words = format!("audit log --follow --sample 3 --salt {salt}");
    let report = json(
        &folder
            .loadgen(&arguments(&format!("{words} --json")))
            .stdout,
    );
    assert_eq!(report["log"]["entries"], 800);
    assert_eq!(report["sample"]["sessions"], 3);
    assert_eq!(report["sample"]["signatures"], 3 * (2 * 40 + 4));
    assert_eq!(report["signatures"]["there"], 20 * (2 * 40 + 4));
    let said = "hold, and 252 of 1,680 signatures, all those of 3 of 20 sessions";
    assert!(
        report["verdict"].as_str().unwrap().ends_with(said),
        "{report}"
    );
    let table = folder.loadgen(&arguments(&words)).stdout;
    assert!(unbroken(&table).contains(&format!("{said} L1 ")), "{table}");
}
