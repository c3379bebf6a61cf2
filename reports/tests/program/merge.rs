//! Merges real files with the real `reports`: what it prints, writes and refuses.

use std::fs;
use std::process::{Command, Output};

use duet_run_file::RunFile;
use duet_run_file::run_file::Part;
use tempfile::TempDir;

use crate::sample;

/// A folder with the parts of a run of four.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    for index in 1..=4 {
        let mut run = sample::open_loop();
        run.workload.part = Some(format!("{index}/4"));
        run.part = Some(Part {
            index,
            of: 4,
            run_id: "0123456789abcdef".to_owned(),
            began_unix_ms: 1_767_225_600_000 + 10 * index,
            one_layer_1: false,
            machine_id: format!("m{index}"),
        });
        fs::write(folder.path().join(format!("{index}.json")), run.to_json()).unwrap();
    }
    folder
}

fn reports(folder: &TempDir, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reports"))
        .args(arguments.split_whitespace())
        .current_dir(folder.path())
        .output()
        .unwrap()
}

#[test]
fn four_parts_are_one_run() {
    let folder = folder();
    let merged = reports(&folder, "merge 2.json 4.json 1.json 3.json -o run.json");
    assert_eq!(merged.status.code(), Some(0), "{merged:?}");
    let said = String::from_utf8(merged.stdout).unwrap();
    assert!(said.starts_with("VALID: "), "{said}");
    assert!(
        said.contains("parts     4 of 4 on 4 machines, 4 Layer 1s in all"),
        "{said}"
    );
    assert!(
        said.lines().all(|line| line.chars().count() <= 80),
        "{said}"
    );
    let text = fs::read_to_string(folder.path().join("run.json")).unwrap();
    let run = RunFile::parse("run.json".as_ref(), &text).unwrap();
    assert_eq!(run.command[..3], ["reports", "merge", "2.json"]);
    // What reads a run file reads a merged one; a part does not stand beside the whole.
    for (words, code) in [
        ("show run.json", 0),
        ("csv run.json", 0),
        ("html run.json -o run.html", 0),
        ("diff run.json run.json", 0),
        ("diff run.json 1.json", 2),
        ("diff 1.json 2.json", 2),
    ] {
        let ended = reports(&folder, words);
        assert_eq!(ended.status.code(), Some(code), "{words}: {ended:?}");
    }
    let shown = String::from_utf8(reports(&folder, "show run.json").stdout).unwrap();
    assert!(shown.contains("PARTS") && shown.contains("4/4"), "{shown}");
}

#[test]
fn what_cannot_be_merged_is_refused_and_nothing_is_written() {
    let folder = folder();
    fs::write(
        folder.path().join("again.json"),
        fs::read(folder.path().join("2.json")).unwrap(),
    )
    .unwrap();
    for (words, code, said) in [
        (
            "merge 1.json 2.json 4.json",
            3,
            "3 of 4 parts are here; missing: 3/4",
        ),
        (
            "merge 1.json 2.json again.json -o out.json",
            2,
            "are both part 2/4 of one run",
        ),
        ("merge 1.json 2.json -o 2.json", 2, "2.json"),
        ("merge none.json -o out.json", 2, "none.json: not found"),
        ("merge -o out.json", 2, "PART"),
    ] {
        let ended = reports(&folder, words);
        assert_eq!(ended.status.code(), Some(code), "{words}: {ended:?}");
        let all = [ended.stdout, ended.stderr].concat();
        let all = String::from_utf8(all).unwrap();
        assert!(all.contains(said), "{words}: {all}");
        assert!(!folder.path().join("out.json").exists(), "{words}");
    }
}
