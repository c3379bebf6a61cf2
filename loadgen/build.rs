//! Tells the binary which commit it was built from, so that run files can say it.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // All that the binary is made of.
    for sources in [
        "src",
        "audit",
        "experiment",
        "../engine",
        "../reports",
        "../Cargo.lock",
        "../Cargo.toml",
    ] {
        println!("cargo:rerun-if-changed={sources}");
    }
    // In a linked worktree it lies elsewhere.
    let log = git(&[
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "logs/HEAD",
    ]);
    if let Some(log) = log.filter(|log| std::path::Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_default();
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let mark = if changed.is_some_and(|files| !files.is_empty()) {
        "+changes"
    } else {
        ""
    };
    println!("cargo:rustc-env=DUET_COMMIT={commit}{mark}");
}

/// What git prints. Where it refuses (a checkout of another user, say) the binary knows no commit,
/// and whoever builds it is told why; sources without a repository are a case of their own.
fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // Git tells its hooks of the checkout that they run in, which need not be this one.
    for variable in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_COMMON_DIR",
        "GIT_INDEX_FILE",
    ] {
        command.env_remove(variable);
    }
    let output = command.env("LC_ALL", "C").args(arguments).output().ok()?;
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).ok()?.trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if !said.contains("not a git repository") {
        for line in said.lines().filter(|line| !line.trim().is_empty()) {
            println!("cargo:warning=the run files will name no commit; git said: {line}");
        }
    }
    None
}
