//! Builds the load generator of a commit, or another [`Product`], in a clean worktree outside the
//! repository, and keeps the binary for the next comparison. Never touches the user's own checkout
//! or build folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use duet_experiment::Failure;
use duet_terminal::process::run_to_end;
use serde_json::Value;
use tempfile::TempDir;

use crate::operator::Operator;
use crate::snapshot::temporary_folder;

/// What is built of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Cargo's words before the package, as `build --release`.
    command: &'static [&'static str],
    package: &'static str,
    /// Cargo's option for this kind of target.
    kind: &'static str,
    /// The target's name, and the kept file's.
    name: &'static str,
    /// The file beside it that says what built it.
    record: &'static str,
}

/// The load generator.
pub const LOADGEN: Product = Product {
    command: &["build", "--release"],
    package: "duet-loadgen",
    kind: "--bin",
    name: "loadgen",
    record: "built-with.txt",
};

/// The kernels whose instructions are counted.
pub const INSTRUCTIONS: Product = Product {
    command: &["bench", "--no-run"],
    package: "duet-instructions",
    kind: "--bench",
    name: "instructions",
    record: "instructions-built-with.txt",
};

/// Environment variables that change what cargo builds: beginnings of names with values. No more of
/// the environment than this is kept beside a binary.
const BUILD_VARIABLES: [&str; 10] = [
    "AR=",
    "CC=",
    "CFLAGS=",
    "RUSTFLAGS=",
    "CARGO_ENCODED_RUSTFLAGS=",
    "CARGO_BUILD_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "RUSTC",
    "RUSTUP_TOOLCHAIN=",
];

/// What git tells its hooks, and `rebase --exec`, of the user's own checkout: a checkout made with
/// it would be written to the user's index, and a build would ask it for its commit. (What else git
/// calls local to a repository is configuration, which the user may have given on purpose.)
const OWN_CHECKOUT: [&str; 13] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// The git repository around the current directory.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Top of its working tree.
    root: PathBuf,
    /// `target/bench-compare`, one folder in it per commit.
    cache: PathBuf,
}

impl Repository {
    /// The repository of the current directory, or git's own words on why it gives none.
    ///
    /// # Errors
    /// An interrupt, or git cannot be run.
    pub fn of_current_directory(on: &Operator<'_>) -> Result<Result<Self, String>, Failure> {
        let root = match git(Path::new("."), &["rev-parse", "--show-toplevel"], on)? {
            Ok(root) => PathBuf::from(root),
            Err(said) => return Ok(Err(said)),
        };
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .filter(|folder| !folder.is_empty())
            .map_or_else(|| root.join("target"), PathBuf::from);
        let target = std::path::absolute(&target)
            .map_err(|error| machine_fault("cannot locate", &target, &error))?;
        let cache = target.join("bench-compare");
        Ok(Ok(Self { root, cache }))
    }

    /// The full name of the commit that `revision` names, or git's own words on why it names none.
    ///
    /// # Errors
    /// An interrupt, or git cannot be run.
    pub fn commit_of(
        &self,
        revision: &str,
        on: &Operator<'_>,
    ) -> Result<Result<String, String>, Failure> {
        let commit = format!("{revision}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--end-of-options", &commit];
        git(&self.root, &arguments, on)
    }

    /// Whether only the newest commits are here, as in most checkouts of a CI.
    ///
    /// # Errors
    /// An interrupt, or git cannot be run.
    pub fn is_shallow(&self, on: &Operator<'_>) -> Result<bool, Failure> {
        let answer = git(&self.root, &["rev-parse", "--is-shallow-repository"], on)?;
        Ok(answer.is_ok_and(|answer| answer == "true"))
    }

    /// A product of `commit`: the kept binary if the tools that built it are still the same, else a
    /// new one.
    ///
    /// # Errors
    /// Bad input with cargo's output if the commit does not build; a machine fault; an interrupt.
    /// The worktree is gone in every case.
    pub fn build_commit(
        &self,
        name: &str,
        commit: &str,
        product: Product,
        on: &Operator<'_>,
    ) -> Result<PathBuf, Failure> {
        let folder = self.cache.join(commit);
        let _lock = lock(&folder, on)?;
        let kept = KeptBinary {
            binary: folder.join(product.name),
            record: folder.join(product.record),
            environment: build_environment(on)?,
        };
        if kept.is_current() {
            return Ok(kept.binary);
        }
        on.bar.say(format_args!(
            "building {name} ({commit}); its binary is kept for next time"
        ));
        let worktree = Worktree::check_out(&self.root, commit, on)?;
        let build_folder = folder.join("build");
        let built = cargo_build(name, product, &worktree.path(), &build_folder, on)?;
        kept.keep(&built)?;
        // Only the binary is asked for again; a release build's by-products fill disks.
        let _ = fs::remove_dir_all(&build_folder);
        Ok(kept.binary)
    }

    /// A product of the tree as it is now, built incrementally in a folder of its own.
    ///
    /// # Errors
    /// As [`Repository::build_commit`].
    pub fn build_working_tree(
        &self,
        product: Product,
        on: &Operator<'_>,
    ) -> Result<PathBuf, Failure> {
        let name = crate::subject::WORKTREE;
        let folder = self.cache.join(name);
        let _lock = lock(&folder, on)?;
        on.bar.say("building the working tree");
        for config in configuration_above(&self.root) {
            on.bar.say(format_args!(
                "note: cargo heeds {} here and not where revisions are built: equal sources may \
                 differ in speed",
                config.display()
            ));
        }
        cargo_build(name, product, &self.root, &folder.join("build"), on)
    }
}

/// A clean checkout of one commit in a temporary folder, removed on drop.
struct Worktree {
    repository_root: PathBuf,
    parent: TempDir,
}

impl Worktree {
    fn check_out(root: &Path, commit: &str, on: &Operator<'_>) -> Result<Self, Failure> {
        // Made before git is asked: a checkout that fails or is stopped half-way is removed too.
        let worktree = Self {
            repository_root: root.to_owned(),
            parent: temporary_folder()?,
        };
        let mut command = git_command(root);
        command
            .args(["worktree", "add", "--detach", "--force"])
            .arg(worktree.path())
            .arg(commit);
        on.ask("git", &mut command)?;
        Ok(worktree)
    }

    /// Its last part is its own: by that, the repository keeps what it knows of it.
    fn path(&self) -> PathBuf {
        let parent = self.parent.path();
        parent.join(parent.file_name().unwrap_or("worktree".as_ref()))
    }

    /// The folder in which the repository keeps what it knows of this worktree, if it has one.
    fn entry(&self) -> Option<PathBuf> {
        let link = fs::read_to_string(self.path().join(".git")).ok()?;
        let entry = PathBuf::from(link.strip_prefix("gitdir: ")?.trim_end());
        let is_one = entry.parent()?.file_name()? == "worktrees";
        is_one.then_some(entry)
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        // With a flag of its own: an interrupt is the very moment when this has to run to its end.
        let unstoppable = AtomicBool::new(false);
        let entry = self.entry();
        let mut remove = git_command(&self.repository_root);
        remove
            .args(["worktree", "remove", "--force", "--force"])
            .arg(self.path());
        let _ = run_to_end(&mut remove, &unstoppable);
        let _ = fs::remove_dir_all(self.path());
        // No `git worktree prune`: that takes the user's own, which may only be away.
        let _ = entry.map(fs::remove_dir_all);
    }
}

/// A commit's binary with a record of the tools that built it.
struct KeptBinary {
    binary: PathBuf,
    record: PathBuf,
    environment: String,
}

impl KeptBinary {
    /// A commit never changes, so its binary is stale only if the tools have changed.
    fn is_current(&self) -> bool {
        let recorded = fs::read_to_string(&self.record);
        self.binary.is_file() && recorded.is_ok_and(|recorded| recorded == self.environment)
    }

    /// The record comes last: a binary without one is not trusted.
    fn keep(&self, built: &Path) -> Result<(), Failure> {
        // Both anew, and never into what has the name: that may be a link.
        let removed = |path: &Path| match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        let kept = removed(&self.record)
            .and_then(|()| removed(&self.binary))
            .and_then(|()| fs::copy(built, &self.binary))
            .and_then(|_| fs::write(&self.record, &self.environment));
        kept.map_err(|error| machine_fault("cannot keep", &self.binary, &error))
    }
}

/// Builds a product of the workspace at `workspace` and returns the executable's path.
fn cargo_build(
    name: &str,
    product: Product,
    workspace: &Path,
    target_folder: &Path,
    on: &Operator<'_>,
) -> Result<PathBuf, Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    forget_own_checkout(&mut command);
    command
        .current_dir(workspace)
        .args(product.command)
        .args(["-p", product.package, product.kind, product.name])
        .arg("--message-format=json-render-diagnostics")
        .arg("--target-dir")
        .arg(target_folder);
    let finished = on.watch("cargo", &mut command, &format!("building {name}"))?;
    if !finished.status.success() {
        return Err(Failure::bad_input(format!(
            "{name} does not build ({}); cargo said:\n{}",
            finished.status,
            finished.stderr.trim_end()
        )));
    }
    built_executable(&finished.stdout, product).ok_or_else(|| {
        Failure::machine_fault(format!(
            "cargo built {name} but named no {} executable",
            product.name
        ))
    })
}

/// The executable in cargo's messages, which name it wherever the configuration puts it.
fn built_executable(messages: &[u8], product: Product) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == product.name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// What, besides the commit, decides the binary: the compiler and the variables that cargo heeds.
/// (Configuration files in the user's home are taken to stay as they are.)
fn build_environment(on: &Operator<'_>) -> Result<String, Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let name = rustc.display().to_string();
    let compiler = on.ask(&name, Command::new(&rustc).arg("-vV"))?;
    let mut variables: Vec<String> = std::env::vars_os()
        .map(|(key, value)| format!("{}={}\n", key.display(), value.display()))
        .filter(|variable| changes_builds(variable))
        .collect();
    variables.sort();
    Ok(compiler + &variables.concat())
}

fn changes_builds(variable: &str) -> bool {
    let heeded = BUILD_VARIABLES
        .iter()
        .any(|name| variable.starts_with(name));
    heeded && !variable.starts_with("CARGO_TARGET_DIR=")
}

/// Cargo's configuration in the folders above the repository, but for the user's own, which every
/// build heeds.
fn configuration_above(root: &Path) -> impl Iterator<Item = PathBuf> {
    let own = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let own = own.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let folders = root.ancestors().skip(1).map(|above| above.join(".cargo"));
    folders
        .filter(move |folder| own.as_ref() != Some(folder))
        .flat_map(|folder| ["config.toml", "config"].map(|name| folder.join(name)))
        .filter(|config| config.is_file())
}

/// Holds a cache folder against other comparisons until the file is dropped.
fn lock(folder: &Path, on: &Operator<'_>) -> Result<File, Failure> {
    let fault = |error: io::Error| machine_fault("cannot use", folder, &error);
    fs::create_dir_all(folder).map_err(fault)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join("lock"))
        .map_err(fault)?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(fault(error)),
            Err(TryLockError::WouldBlock) => on.check()?,
        }
        if !said {
            on.bar
                .say("waiting for another comparison that builds the same");
            said = true;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The line that git prints, or what it says when it refuses: its own words, which mostly name the
/// cure, below a message of ours.
fn git(
    folder: &Path,
    arguments: &[&str],
    on: &Operator<'_>,
) -> Result<Result<String, String>, Failure> {
    let finished = on.finish("git", git_command(folder).args(arguments))?;
    let text = String::from_utf8_lossy(&finished.stdout);
    let line = text.trim_end().to_owned();
    if finished.status.success() && !line.is_empty() {
        return Ok(Ok(line));
    }
    let said = finished.stderr.trim_end().lines();
    let said: String = said.map(|line| format!("\n  {line}")).collect();
    Ok(Err(match said.is_empty() {
        true => "; git said nothing".to_owned(),
        false => format!("; git said:{said}"),
    }))
}

/// Git without the repository's hooks: a checkout to build from is no event for them.
fn git_command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    forget_own_checkout(&mut command);
    command.arg("-C").arg(folder);
    command.args(["-c", "core.hooksPath=/dev/null"]);
    command
}

fn forget_own_checkout(command: &mut Command) {
    for variable in OWN_CHECKOUT {
        command.env_remove(variable);
    }
}

fn machine_fault(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::machine_fault(format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_in_cargos_messages() {
        let messages =
            br#"{"reason":"compiler-artifact","target":{"name":"duet_engine"},"executable":null}
not json
{"reason":"compiler-artifact","target":{"name":"loadgen"},"executable":"/x/release/loadgen"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(
            built_executable(messages, LOADGEN),
            Some(PathBuf::from("/x/release/loadgen"))
        );
        for nothing in [&b"{}"[..], b""] {
            assert_eq!(built_executable(nothing, LOADGEN), None);
        }
        assert_eq!(built_executable(messages, INSTRUCTIONS), None);
    }

    #[test]
    fn variables_that_change_builds() {
        assert!(changes_builds("RUSTFLAGS=-Copt-level=1"));
        assert!(changes_builds("CARGO_PROFILE_RELEASE_LTO=off"));
        assert!(changes_builds("RUSTC_WRAPPER=sccache"));
        assert!(!changes_builds("CARGO_TARGET_DIR=/x"));
        assert!(!changes_builds("CARGO_PKG_NAME=duet-bench"));
        for other in [
            "HOME=/home/nobody",
            "ARM_CLIENT_SECRET=x",
            "CCACHE_DIR=/x",
            "ARCH=x",
        ] {
            assert!(!changes_builds(other), "{other}");
        }
        assert!(changes_builds("CC=clang"));
    }
}
