//! Load generators that measure nothing: shell scripts that print a run file with the figures that
//! a test plants in them. Their noise follows from a count of runs, so that a test never flickers.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used)] // A test fails by panicking.

#[path = "../../../loadgen/tests/common/ended.rs"]
mod ended;
#[path = "../../../reports/run-file/tests/sample/mod.rs"]
mod sample;

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use duet_run_file::RunFile;
use serde_json::{Value, json};
use tempfile::TempDir;

#[allow(unused_imports)] // Each test file uses its part.
pub(crate) use ended::{Ended, heeded};

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
        let mut file = run_file();
        // What the shell puts in stands between these marks.
        file["assurance"]["cosign_every"] = json!("«$cosign_every»");
        file["assurance"]["batch_size"] = json!("«$n»");
        file["assurance"]["durability"] = json!(durability);
        file["workload"]["cosign_every"] = json!("«$cosign_every»");
        file["workload"]["pattern"] = json!(pattern);
        file["workload"]["planted_slowdown"] = json!("«$planted»");
        file["workload"]["seed"] = json!("«$n»");
        file["workload"]["shards"] = json!("«$shards»");
        file["achieved"]["payments_per_s"] = json!("«$(( 1000000000 / cpu_ns ))»");
        file["achieved"]["cpu_s"] =
            json!("«$(printf '%d.%09d' $((total_ns / 1000000000)) $((total_ns % 1000000000)))»");
        file["achieved"]["valid"] = json!("«$valid»");
        file["achieved"]["invalid_reasons"] = json!("«[$reasons]»");
        file["latency_ns"]["service"] = json!({
            "p50": 1, "p90": 1, "p99": "«$(( cpu_ns * 10 ))»", "p999": "«$(( cpu_ns * 10 ))»",
            "max": "«$(( cpu_ns * 10 ))»"
        });
        let file = file.to_string().replace("\"«", "").replace("»\"", "");
        format!(
            r#"#!/bin/sh
n=$(( $(cat '{folder}/count' 2>/dev/null || echo 0) + 1 ))
echo $n > '{folder}/count'
echo "$(basename "$(dirname "$0")") $*" >> '{folder}/log'
shards=1
cosign_every=1
planted=null
share=0
previous=
for option; do
  case $previous in
    --shards) shards=$option ;;
    --cosign-every) cosign_every=$option ;;
    --planted-slowdown)
      planted=$option
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
{file}
END
"#
        )
    }
}

/// A whole run file of a closed loop of 16,000 payments, with nothing to set it apart.
pub(crate) fn run_file() -> Value {
    let mut run: RunFile = sample::open_loop();
    run.engine.backend = "fake".to_owned();
    run.assurance.durability = "none".to_owned();
    run.workload.arrivals = "closed-loop".to_owned();
    run.workload.offered_per_s = None;
    run.achieved.payments = 16_000;
    run.achieved.open_loop = None;
    run.checks.stage_cpu_share = 1.0;
    run.latency_ns.response = None;
    run.memory.peak_rss_bytes = 20_000_000;
    (run.machine.cpu, run.machine.os) = ("a fake".to_owned(), String::new());
    (run.machine.cores, run.machine.features) = (2, vec!["avx2".to_owned()]);
    serde_json::to_value(run).unwrap()
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
    let mut command = program_in(folder, env!("CARGO_BIN_EXE_bench"));
    command.arg(name).args(arguments);
    command
}

/// A program of this package in `folder`.
pub(crate) fn program_in(folder: &Path, program: &str) -> Command {
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).expect("a temporary folder");
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("TMPDIR", temporary)
        .env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder))
        .env_remove("CARGO_TARGET_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
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
