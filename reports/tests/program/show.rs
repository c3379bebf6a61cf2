//! Runs the real `reports` on real files: what it prints, where, and how it exits.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::sample;

fn reports(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reports"))
        .args(arguments)
        .output()
        .unwrap()
}

fn show(file: &Path) -> Output {
    reports(&["show", file.to_str().unwrap()])
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn write(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_whole_file_is_shown() {
    let folder = TempDir::new().unwrap();
    let output = show(&write(&folder, "run.json", sample::open_loop().to_json()));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(shown.starts_with("VALID: "), "{shown}");
    for part in ["CPU in all", "STAGES", "PHASES", "SERIES", "REJECTIONS"] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
}

#[test]
fn an_invalid_run_is_shown_with_that_word_first_and_exits_0() {
    let folder = TempDir::new().unwrap();
    let mut run = sample::open_loop();
    run.achieved.valid = false;
    run.achieved.invalid_reasons = vec!["the offered rate was not held".into()];
    let output = show(&write(&folder, "run.json", run.to_json()));
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).starts_with("INVALID: the offered rate was not held\n"));
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_exits_2() {
    let folder = TempDir::new().unwrap();
    let whole = sample::open_loop().to_json();
    let half = &whole[..whole.len() / 2];
    let other_schema = whole.replacen("\"schema\": 1", "\"schema\": 2", 1);
    let table = [
        (write(&folder, "half.json", half), "truncated"),
        (write(&folder, "empty.json", ""), "truncated"),
        (
            write(&folder, "schema2.json", other_schema),
            "schema 2; this build reads 1",
        ),
        (
            write(&folder, "other.json", "{\"name\": 1}"),
            "not a Duet run file",
        ),
        (
            write(&folder, "text.json", "not json"),
            "not JSON: expected ident at line 1 column 2",
        ),
        (write(&folder, "bytes.json", [0xff, 0xfe]), "not JSON"),
        (
            write(
                &folder,
                "field.json",
                whole.replace("\"seed\": 42", "\"seed\": -1"),
            ),
            "2^64 - 1",
        ),
        (folder.path().join("missing.json"), "not found"),
        (folder.path().to_owned(), "cannot be read"),
    ];
    for (path, expected) in table {
        let output = show(&path);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(stdout(&output).is_empty(), "{}", stdout(&output));
        assert!(message.contains(path.to_str().unwrap()), "{message}");
        assert!(message.contains(expected), "{expected}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn json_is_the_file_itself_with_fields_of_later_versions() {
    let folder = TempDir::new().unwrap();
    let text = sample::open_loop()
        .to_json()
        .replacen('{', "{ \"from_the_future\": 1,", 1);
    let path = write(&folder, "run.json", &text);
    let output = reports(&["show", path.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), text);

    let broken = write(&folder, "broken.json", &text[..100]);
    let output = reports(&["show", broken.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stdout(&output).is_empty());
}

#[test]
fn a_dash_reads_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_reports"))
        .args(["show", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = sample::open_loop().to_json();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).starts_with("VALID: "));
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let folder = TempDir::new().unwrap();
    let mut run = sample::open_loop();
    // More than a pipe holds, so that the write does meet the closed end.
    run.achieved.valid = false;
    run.achieved.invalid_reasons = vec!["reason ".repeat(100_000)];
    let path = write(&folder, "run.json", run.to_json());
    let mut child = Command::new(env!("CARGO_BIN_EXE_reports"))
        .args(["show", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).is_empty(), "{}", stderr(&output));
}

#[test]
fn usage_errors_exit_2_and_help_has_examples() {
    for arguments in [&[][..], &["show"], &["show", "--nonsense"], &["nonsense"]] {
        assert_eq!(reports(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let help = reports(&["show", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(stdout(&help).contains("reports show run.json"));
    assert!(stdout(&reports(&["--help"])).contains("Exit codes:"));
}
