//! `bench compare` on git revisions: a small repository with a package of the load generator's name
//! is built commit by commit.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::fake::{Ended, assert_nothing_left, compare_command, compare_in, heeded, run_file};

/// A repository whose commits differ in the CPU time that their load generator claims.
struct Repository {
    folder: TempDir,
}

impl Repository {
    fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    fn within(folder: &Path) -> Self {
        let folder = TempDir::new_in(folder).expect("a temporary folder");
        let repository = Self { folder };
        repository.write(
            "Cargo.toml",
            "[package]\nname = \"duet-loadgen\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [[bin]]\nname = \"loadgen\"\npath = \"main.rs\"\n[workspace]\n",
        );
        repository.write(".gitignore", "/target\n/tmp\n");
        repository.git(&["init", "--quiet"]);
        repository
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("a file");
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.path())
            .args([
                "-c",
                "user.name=nobody",
                "-c",
                "user.email=nobody@example.org",
            ])
            .args([
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "commit.gpgSign=false",
            ])
            .args(arguments)
            .output()
            .expect("git");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout)
            .expect("UTF-8")
            .trim()
            .to_owned()
    }

    /// Writes a load generator that claims `cpu_s` for 1,000 payments.
    fn claim(&self, cpu_s: f64) {
        let mut run_file = run_file();
        run_file["achieved"]["payments"] = json!(1000);
        run_file["achieved"]["cpu_s"] = json!(cpu_s);
        self.write("run.json", &run_file.to_string());
        self.write(
            "main.rs",
            r#"fn main() { print!("{}", include_str!("run.json")); }"#,
        );
    }

    fn commit(&self) -> String {
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "-m", "a commit"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn compare(&self, arguments: &[&str]) -> Ended {
        let ended = compare_in(self.path(), arguments);
        assert_eq!(self.worktrees(), 1, "only the checkout itself");
        ended
    }

    fn worktrees(&self) -> usize {
        self.git(&["worktree", "list"]).lines().count()
    }

    fn kept(&self, commit: &str) -> PathBuf {
        self.path().join("target/bench-compare").join(commit)
    }
}

#[test]
fn revisions_are_built_once_and_the_working_tree_as_it_is() {
    let repository = Repository::new();
    repository.claim(0.1);
    let first = repository.commit();
    repository.claim(0.2);
    let second = repository.commit();

    let arguments = ["HEAD~1", "HEAD", "--pairs", "6", "--json"];
    let built = repository.compare(&arguments);
    let result = built.json();
    assert_eq!(result["verdict"], "slower");
    assert_eq!(result["a"]["commit"], first.as_str());
    assert_eq!(result["b"]["kind"], "revision");
    for commit in [&first, &second] {
        assert!(
            built.stderr.contains(&format!("({commit})")),
            "{}",
            built.stderr
        );
        assert!(repository.kept(commit).join("loadgen").is_file());
        assert!(!repository.kept(commit).join("build").exists());
    }

    let again = repository.compare(&arguments);
    assert_eq!(again.json()["verdict"], "slower");
    assert!(!again.stderr.contains("building"), "{}", again.stderr);

    let text = repository.compare(&arguments[..4]);
    let shown = format!("HEAD~1 (revision {}), fake back end", &first[..12]);
    assert!(text.stdout.contains(&shown), "{}", text.stdout);

    // Built by other tools than today's, a kept binary is not trusted.
    fs::write(
        repository.kept(&first).join("built-with.txt"),
        "rustc 1.0.0",
    )
    .unwrap();
    let rebuilt = repository.compare(&arguments);
    assert_eq!(rebuilt.json()["verdict"], "slower");
    assert!(
        rebuilt.stderr.contains("building HEAD~1"),
        "{}",
        rebuilt.stderr
    );
    assert!(
        !rebuilt.stderr.contains("building HEAD ("),
        "{}",
        rebuilt.stderr
    );

    repository.claim(0.1);
    let tree = repository
        .compare(&["HEAD", "WORKTREE", "--pairs", "6", "--json"])
        .json();
    assert_eq!(tree["verdict"], "faster");
    assert_eq!(tree["b"]["kind"], "working tree");
}

#[test]
fn an_existing_file_wins_over_a_revision_of_its_name() {
    let repository = Repository::new();
    repository.write("HEAD", "not executable");
    repository.claim(0.1);
    repository.commit();
    repository
        .compare(&["HEAD", "HEAD~0"])
        .assert_refused(2, &["A: \"HEAD\" is not executable"]);
}

#[test]
fn an_unknown_revision_is_refused_before_anything_is_built() {
    let repository = Repository::new();
    repository.claim(0.1);
    let commit = repository.commit();
    for name in ["nosuch", "HEAD~5", "HEAD:main.rs", "", "a b"] {
        let said = format!("B: {name:?} is no file, and no revision of this repository");
        repository
            .compare(&["HEAD", name])
            .assert_refused(2, &[&said]);
    }
    assert!(!repository.kept(&commit).exists());
}

#[test]
fn a_checkout_of_somebody_else_is_refused_in_gits_own_words_with_its_cure() {
    let repository = Repository::new();
    repository.claim(0.1);
    repository.commit();
    for name in ["HEAD", "WORKTREE"] {
        let mut command = compare_command(repository.path(), &[name, "HEAD"]);
        // What git's own tests do to be in such a checkout, whoever runs them.
        command
            .env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        let ended = Ended::from(command.output().unwrap());
        let said = [
            "dubious ownership",
            "git config --global --add safe.directory",
        ];
        ended.assert_refused(2, &said);
    }
}

#[test]
fn what_a_shallow_clone_lacks_is_refused_with_its_cure() {
    let repository = Repository::new();
    repository.claim(0.1);
    repository.commit();
    repository.claim(0.2);
    repository.commit();
    let folder = TempDir::new().unwrap();
    let clone = Repository { folder };
    let source = format!("file://{}", repository.path().display());
    clone.git(&["clone", "--quiet", "--depth", "1", &source, "."]);
    clone
        .compare(&["HEAD~1", "HEAD"])
        .assert_refused(2, &["HEAD~1", "git said:", "git fetch --unshallow"]);
}

#[test]
fn a_tool_that_fails_says_why() {
    let repository = Repository::new();
    repository.claim(0.1);
    repository.commit();
    let rustc = repository.path().join("rustc.sh");
    repository.write(
        "rustc.sh",
        "#!/bin/sh\necho 'toolchain is not installed' >&2\nexit 1\n",
    );
    fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = compare_command(repository.path(), &["HEAD", "HEAD"]);
    command.env("RUSTC", &rustc);
    let ended = Ended::from(command.output().unwrap());
    ended.assert_refused(
        1,
        &["rustc.sh -vV ended with", "toolchain is not installed"],
    );
}

#[test]
fn a_build_says_what_it_is_at_without_a_terminal() {
    let repository = Repository::new();
    repository.claim(0.1);
    repository.write(
        "build.rs",
        "fn main() { std::thread::sleep(std::time::Duration::from_secs(8)); }",
    );
    repository.commit();
    let ended = repository.compare(&["HEAD", "HEAD", "--pairs", "2"]);
    let line = ended
        .stderr
        .lines()
        .find(|line| line.starts_with("building HEAD: "));
    let line = line.unwrap_or_else(|| panic!("no line of a build: {}", ended.stderr));
    assert!(line.contains(" s, Compiling duet-loadgen"), "{line}");
    // Whoever asks for quiet has it.
    repository.write("build.rs", "fn main() {}");
    repository.commit();
    let quiet = repository.compare(&["HEAD", "HEAD", "--pairs", "2", "--quiet"]);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a_revision_that_does_not_build_shows_why() {
    let repository = Repository::new();
    repository.write("main.rs", "fn main() { no_such_function(); }");
    repository.commit();
    repository
        .compare(&["HEAD", "WORKTREE"])
        .assert_refused(2, &["HEAD does not build", "no_such_function"]);
}

#[test]
fn an_interrupt_during_a_build_removes_the_worktree() {
    let repository = Repository::new();
    repository.claim(0.1);
    let begun = repository.path().join("target/begun");
    repository.write(
        "build.rs",
        &format!(
            "fn main() {{ std::fs::write({begun:?}, \"\").unwrap(); \
             std::thread::sleep(std::time::Duration::from_secs(60)); }}"
        ),
    );
    repository.commit();
    let started = Instant::now();
    let child = compare_command(repository.path(), &["HEAD", "WORKTREE"])
        .spawn()
        .unwrap();
    while !begun.exists() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the build has not begun"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(repository.worktrees(), 2);
    kill_process(Pid::from_child(&child), heeded(Signal::INT)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(repository.worktrees(), 1);
    assert_nothing_left(repository.path());
}

/// The user's other worktrees stay, although one of them may be away, on a disk that is not there.
#[test]
fn a_worktree_that_is_away_is_not_forgotten() {
    let repository = Repository::new();
    repository.claim(0.1);
    repository.commit();
    let (own, away) = (
        repository.path().join("own"),
        repository.path().join("away"),
    );
    repository.write(".gitignore", "/target\n/tmp\n/own\n/away\n");
    repository.claim(0.2);
    repository.commit();
    let own_path = own.to_str().expect("UTF-8");
    repository.git(&["worktree", "add", "--quiet", "--detach", own_path, "HEAD"]);
    fs::rename(&own, &away).expect("it moves");
    let ended = compare_in(
        repository.path(),
        &["HEAD~1", "HEAD", "--pairs", "2", "--json"],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    fs::rename(&away, &own).expect("it comes back");
    assert_eq!(
        repository.worktrees(),
        2,
        "the checkout, and the user's own"
    );
    let status = Command::new("git").arg("status").current_dir(&own).output();
    assert!(status.expect("git").status.success());
}

/// Git tells its hooks of the checkout that they run in, which is none of bench's: what is being
/// committed stays, in the main checkout and in another one, and builds are of their own commit.
#[test]
fn a_hook_may_compare_without_harm_to_what_is_committed() {
    let repository = Repository::new();
    repository.write(".gitignore", "/target\n/tmp\n/own\n/hook.sh\n/said\n");
    repository.write("a", "one\n");
    repository.claim(0.1);
    repository.commit();
    let own = repository.path().join("own");
    let own_path = own.to_str().expect("UTF-8");
    repository.git(&["worktree", "add", "--quiet", "--detach", own_path, "HEAD"]);

    let said = repository.path().join("said");
    let hook = repository.path().join(".git/hooks/pre-commit");
    let temporary = repository.path().join("tmp");
    fs::create_dir_all(hook.parent().expect("a folder")).expect("hooks");
    fs::create_dir_all(&temporary).expect("a temporary folder");
    let script = format!(
        "#!/bin/sh\nTMPDIR={} {} compare HEAD WORKTREE --pairs 2 --json > {} 2>&1 || exit 1\n",
        temporary.display(),
        env!("CARGO_BIN_EXE_bench"),
        said.display(),
    );
    fs::write(&hook, script).expect("a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("it is executable");

    let git = |folder: &Path, arguments: &[&str]| {
        let output = Command::new("git")
            .current_dir(folder)
            .args([
                "-c",
                "user.name=nobody",
                "-c",
                "user.email=nobody@example.org",
            ])
            .args(["-c", "commit.gpgSign=false"])
            .env_remove("CARGO_TARGET_DIR")
            .args(arguments)
            .output()
            .expect("git");
        let told = fs::read_to_string(&said).unwrap_or_default();
        assert!(output.status.success(), "{arguments:?}: {output:?}\n{told}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    for folder in [repository.path(), &own] {
        fs::write(folder.join("a"), "two\n").expect("a file");
        git(folder, &["commit", "--quiet", "-a", "-m", "two"]);
        assert_eq!(git(folder, &["show", "HEAD:a"]), "two\n");
        fs::write(folder.join("only-in-index"), "three\n").expect("a file");
        git(folder, &["add", "only-in-index"]);
        fs::remove_file(folder.join("only-in-index")).expect("it goes");
        git(folder, &["commit", "--quiet", "-m", "three"]);
        assert_eq!(git(folder, &["show", "HEAD:only-in-index"]), "three\n");
    }
    assert_nothing_left(repository.path());
}

/// What lies above the repository changes the working tree's build alone.
#[test]
fn configuration_above_the_repository_is_told() {
    let above = TempDir::new().expect("a temporary folder");
    fs::create_dir(above.path().join(".cargo")).expect("a folder");
    let config = above.path().join(".cargo/config.toml");
    fs::write(&config, "[build]\njobs = 1\n").expect("a file");
    let repository = Repository::within(above.path());
    repository.claim(0.1);
    repository.commit();
    let ended = repository.compare(&["HEAD", "WORKTREE", "--pairs", "2", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told = format!("note: cargo heeds {}", config.display());
    assert!(ended.stderr.contains(&told), "{}", ended.stderr);
}
