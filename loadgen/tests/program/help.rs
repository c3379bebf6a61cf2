//! What a new user sees first: help with examples, the version, completions.

use crate::common::{Folder, arguments};

#[test]
fn every_command_has_help_with_what_its_user_needs() {
    let folder = Folder::new();
    for (words, parts) in [
        (
            "--help",
            "Commands: … run … audit … trace … completions … Examples: … Exit codes: … 130",
        ),
        (
            "run --help",
            "--sessions <N> … --l1 <PROFILE|FILE> … --session-time <TIME> … --state-root … --out <FILE> … Examples: … \
             loadgen run … Exit codes:",
        ),
        (
            "run -h",
            "--cosign-every <K> … Examples: … All options, and exit codes: loadgen run --help",
        ),
        ("-h", "--cosign-every <K> … Examples: … loadgen --help"),
        ("help run", "--sessions <N> … Examples:"),
        (
            "trace --help",
            "--from-hourly <FILE> … Examples: … loadgen trace",
        ),
        (
            "audit --help",
            "[OPTIONS] <DIR> … --sample <N> … Examples: … loadgen audit … Exit codes:",
        ),
        (
            "completions --help",
            "bash … Examples, each with the place where its shell looks: … loadgen completions bash >",
        ),
    ] {
        let ended = folder.loadgen(&arguments(words));
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{words}: {ended:?}"
        );
        let mut rest = ended.stdout.as_str();
        for part in parts.split(" … ") {
            let at = rest.find(part);
            let at = at.unwrap_or_else(|| panic!("{words}: no {part:?} in {rest}"));
            rest = &rest[at + part.len()..];
        }
        for line in ended.stdout.lines() {
            assert!(line.chars().count() <= 100, "{words}: {line}");
        }
    }
}

/// An example that does not parse teaches nothing.
#[test]
fn the_examples_are_understood() {
    use clap::{CommandFactory, Parser};
    use duet_loadgen::cli::Cli;
    let mut examples = 0;
    let mut command = Cli::command();
    for name in [
        "run",
        "audit",
        "search",
        "sweep",
        "offload",
        "trace",
        "completions",
    ] {
        let command = command.find_subcommand_mut(name).unwrap();
        let help = command.render_long_help().to_string();
        let parts: Vec<&str> = help.split("\\\n").map(str::trim_start).collect();
        let help = parts.concat();
        let (_, help) = help.split_once("Examples").unwrap();
        for line in help
            .lines()
            .filter(|line| line.trim_start().starts_with("loadgen "))
        {
            // What stands to its right, or where its output goes, is not part of it.
            let words = line.trim_start().split("   ").next().unwrap();
            let words = words.split(" >").next().unwrap();
            Cli::try_parse_from(arguments(words)).unwrap_or_else(|error| panic!("{line}: {error}"));
            examples += 1;
        }
    }
    assert!(examples >= 8, "{examples}");
}

#[test]
fn the_short_help_has_ten_options_of_each_command_at_most() {
    let command = duet_loadgen::cli::Cli::command_line();
    command.clone().debug_assert();
    assert_eq!(duet_terminal::help::check_short_help(&command), Ok(()));
    let short = Folder::new().loadgen(&["run", "-h"]).stdout;
    let options = short
        .lines()
        .filter(|line| line.trim_start().starts_with("--"));
    assert_eq!(options.count(), 10, "{short}");
    assert!(!short.contains("--planted-slowdown"), "{short}");
}

#[test]
fn completions_know_the_options() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = folder.loadgen(&["completions", shell]);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{shell}"
        );
        for option in ["cosign-every", "from-hourly", "baseline-sessions"] {
            assert!(ended.stdout.contains(option), "{shell}: {option}");
        }
    }
}

#[test]
fn the_default_number_of_sessions_is_the_one_that_help_tells() {
    let folder = Folder::new();
    let help = folder.loadgen(&["run", "--help"]).stdout;
    let (_, told) = help.split_once("used and closed [default: ").unwrap();
    let (told, _) = told.split_once(';').unwrap();
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in told.split(", ") {
        let (sessions, backend) = told.split_once(" with ").unwrap();
        let arguments = ["run", "--backend", backend, "--baseline-sessions", "1M"];
        let refusal = folder.loadgen(&arguments).stderr;
        let default = format!("the run's {sessions} sessions");
        let lacking = refusal.contains("which this machine lacks");
        assert!(refusal.contains(&default) || lacking, "{told}: {refusal}");
    }
}

#[test]
fn it_tells_its_version() {
    let ended = Folder::new().loadgen(&["--version"]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.stdout,
        format!("loadgen {}\n", env!("CARGO_PKG_VERSION"))
    );
}
