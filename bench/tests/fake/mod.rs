//! Load generators that measure nothing: shell scripts that print a run file with the figures that
//! a test plants in them. Their noise follows from a count of runs, so that a test never flickers.
#![allow(dead_code, reason = "each test file uses a part")]

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// A folder with fakes; all fakes in it share one count of runs and one log.
pub(crate) struct Bench {
    folder: TempDir,
}

/// What a fake load generator prints.
#[derive(Clone)]
pub(crate) struct Fake {
    /// CPU time of a payment without noise.
    pub(crate) cpu_ns: u64,
    /// Largest deviation that noise makes, in thousandths.
    pub(crate) noise_per_mille: u64,
    /// Under `assurance`.
    pub(crate) durability: &'static str,
    /// Under `workload`.
    pub(crate) pattern: &'static str,
    /// Shell commands before anything is printed; `$n` is the number of the run, from 1.
    pub(crate) first: &'static str,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            cpu_ns: 40_000,
            noise_per_mille: 20,
            durability: "none",
            pattern: "one-way",
            first: ":",
        }
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a fake as an executable of that name.
    pub(crate) fn fake(&self, name: &str, fake: &Fake) {
        self.script(name, &fake.script(self.folder.path()));
    }

    /// Writes any script as an executable of that name.
    pub(crate) fn script(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a script");
        self.permit(name, 0o755);
    }

    pub(crate) fn permit(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).expect("permissions");
    }

    /// Every run of a fake, as `1|2|3 OPTIONS`: which copy ran, and with what.
    pub(crate) fn runs(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    pub(crate) fn compare<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ended {
        self.command("compare", arguments)
    }

    /// A command of `bench`, run to its end.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, name: &str, arguments: &[S]) -> Ended {
        command_in(self.folder.path(), name, arguments)
    }
}

impl Fake {
    fn script(&self, folder: &Path) -> String {
        let Self {
            cpu_ns,
            noise_per_mille,
            durability,
            pattern,
            first,
        } = self;
        let folder = folder.display();
        format!(
            r#"#!/bin/sh
n=$(( $(cat '{folder}/count' 2>/dev/null || echo 0) + 1 ))
echo $n > '{folder}/count'
echo "$(basename "$(dirname "$0")") $*" >> '{folder}/log'
shards=1
cosign_every=1
planted=
share=0
previous=
for option; do
  case $previous in
    --shards) shards=$option ;;
    --cosign-every) cosign_every=$option ;;
    --planted-slowdown)
      planted=", \"planted_slowdown\": $option"
      share=$(printf '%.0f' "$(echo "$option" | sed 's/^0\.//; s/^\(..\).*/\1/; s/^\(.\)$/\10/')") ;;
  esac
  previous=$option
done
valid=true
reasons=
{first}
noise=$(( (n * 7919 % 201 - 100) * {noise_per_mille} ))
cpu_ns=$(( {cpu_ns} + {cpu_ns} * noise / 100000 ))
cpu_ns=$(( cpu_ns + cpu_ns * share / 100 ))
total_ns=$(( cpu_ns * 16000 ))
cat <<END
{{
  "schema": 1,
  "workload": {{"sessions": 8, "pattern": "{pattern}", "cosign_every": $cosign_every,
               "shards": $shards, "seed": $n, "trace_sha256": null$planted}},
  "engine": {{"backend": "fake"}},
  "assurance": {{"cosign_every": $cosign_every, "in_flight": 16, "durability": "{durability}",
                "both_endpoints_checked": true, "batch_size": $n}},
  "achieved": {{"payments": 16000, "payments_per_s": $(( 1000000000 / cpu_ns )),
               "cpu_s": $(printf '%d.%09d' $((total_ns / 1000000000)) $((total_ns % 1000000000))),
               "valid": $valid, "invalid_reasons": [$reasons]}},
  "latency_ns": {{"response": null, "service": {{"p50": 1, "p99": $(( cpu_ns * 10 ))}}}},
  "memory": {{"peak_rss_bytes": 20000000}},
  "machine": {{"cpu": "a fake", "cores": 2, "memory_bytes": 1, "os": "", "features": ["avx2"]}}
}}
END
"#
        )
    }
}

/// What `bench compare` came to.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).expect("JSON on stdout")
    }

    /// The exit code, nothing on stdout, and what stderr has to say.
    pub(crate) fn assert_refused(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(self.stdout, "", "a refusal prints no result");
        for part in said {
            assert!(
                self.stderr.contains(part),
                "{part:?} is missing in:\n{}",
                self.stderr
            );
        }
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// The signal, or a polite kill if whoever runs the tests has it ignored: then the program ignores
/// it too.
pub(crate) fn heeded(signal: Signal) -> Signal {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    match mask.unwrap_or(0) >> (signal.as_raw() - 1) & 1 {
        1 => Signal::TERM,
        _ => signal,
    }
}

/// `bench compare` in `folder`, with its temporary files in `folder/tmp`.
pub(crate) fn compare_command<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Command {
    bench_command(folder, "compare", arguments)
}

/// The same of another command.
pub(crate) fn bench_command<S: AsRef<OsStr>>(
    folder: &Path,
    name: &str,
    arguments: &[S],
) -> Command {
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command
        .current_dir(folder)
        .env("TMPDIR", temporary)
        .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder))
        .env_remove("CARGO_TARGET_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .arg(name)
        .args(arguments);
    command
}

pub(crate) fn compare_in<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Ended {
    command_in(folder, "compare", arguments)
}

fn command_in<S: AsRef<OsStr>>(folder: &Path, name: &str, arguments: &[S]) -> Ended {
    let ended = bench_command(folder, name, arguments)
        .output()
        .expect("bench starts");
    assert_nothing_left(folder);
    ended.into()
}

/// Every temporary file and folder of a comparison is gone.
pub(crate) fn assert_nothing_left(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder.join("tmp"))
        .expect("the folder")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
