//! Mass exits of the real binary: the window that is derived before any run is the one that runs
//! come to, under every order of answers.

use serde_json::Value;

use crate::common::{Folder, arguments};

/// A known profile with a name of its own, and these numbers in place of its own.
fn profile(folder: &Folder, from: &str, name: &str, changes: &[(&str, &str)]) -> String {
    let mut text = duet_profile::ProfileText::find(from).unwrap().text;
    let own = format!("name = \"{from}\"");
    let named = format!("name = \"{name}\"");
    for (from, to) in changes.iter().chain(&[(&own[..], &named[..])]) {
        assert_eq!(text.matches(from).count(), 1, "{from} in {name}");
        text = text.replacen(from, to, 1);
    }
    let file = format!("./{name}.toml");
    folder.write(&file, text);
    file
}

#[test]
fn the_least_window_is_the_derived_one_in_every_order() {
    let folder = Folder::new();
    let small = ("value = 2_857,", "value = 10,");
    let compete = ("value = \"reserved\"", "value = \"compete\"");
    let queue = ("value = 65_536,", "value = 15,");
    let profiles = [
        profile(&folder, "duet", "reserved", &[small]),
        profile(&folder, "duet", "by-arrival", &[small, compete]),
        profile(&folder, "duet", "small-queue", &[small, compete, queue]),
        profile(
            &folder,
            "ethereum-60m",
            "base-fee",
            &[
                (
                    "units = { value = 60_000_000,",
                    "units = { value = 3_000_000,",
                ),
                ("{ value = 16_777_216,", "{ value = 3_000_000,"),
            ],
        ),
    ];
    let words = format!(
        "exit --quiet --json --channels 200 --l1 {}",
        profiles.join(",")
    );
    let ended = folder.loadgen(&arguments(&words));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut windows = Vec::new();
    for exit in found["exits"].as_array().unwrap() {
        let measured = exit["measured_window_blocks"].as_u64().unwrap();
        let derived = exit["derived_window_blocks"].as_u64().unwrap();
        assert!(measured.abs_diff(derived) <= 1, "{exit}");
        let trials = exit["trials"].as_array().unwrap();
        let losers = |of: u64| {
            let trial = trials.iter().find(|trial| trial["window_blocks"] == of);
            trial.map(|trial| trial["honest_losers"].as_u64().unwrap())
        };
        assert_eq!(losers(measured), Some(0), "{exit}");
        assert!(measured == 1 || losers(measured - 1) > Some(0), "{exit}");
        windows.push(measured);
    }
    // Answers that go first wait for nobody; by arrival they wait for all posts.
    assert_eq!(windows[..3], [1, 20, 20]);
}

#[test]
fn an_exit_that_makes_no_sense_is_refused_by_name() {
    let folder = Folder::new();
    for (words, said) in [
        ("--channels 0", "'0' for '--channels"),
        ("--stale 101%", "'101%' for '--stale"),
        ("--window-blocks 0", "'0' for '--window-blocks"),
        ("--l1 etherium", "'etherium' is no Layer 1 profile"),
        ("-- --sessions 5", "--sessions after `--`"),
        ("-- --l1 duet", "--l1 after `--`: expected before it"),
        ("--out missing/file", "missing/file"),
        ("--out same --book same", "same"),
    ] {
        let ended = folder.loadgen(&arguments(&format!("exit {words}")));
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
        assert!(ended.stderr.contains(said), "{words}: {}", ended.stderr);
    }
    assert!(folder.names().is_empty());
}
