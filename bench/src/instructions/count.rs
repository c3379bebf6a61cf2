//! Runs a bench target's kernels under Valgrind, through gungraun's runner, and reads the counts.
//!
//! gungraun compares runs too, with baselines in one folder; but two revisions are two executables
//! in two worktrees, so that its report of each is taken, and held against the other here.

use std::path::Path;
use std::process::Command;

use duet_experiment::Failure;
use serde_json::Value;

use crate::operator::Operator;
use crate::snapshot::{copy, temporary_folder};

use super::Counts;

/// The first line of `valgrind --version`.
///
/// # Errors
/// A machine fault if Valgrind is not there.
pub fn valgrind_version(on: &Operator<'_>) -> Result<String, Failure> {
    let text = on.ask("valgrind", Command::new("valgrind").arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Counts every kernel of a bench target.
///
/// # Errors
/// A machine fault if it fails, as where gungraun's runner is not there or is of another version;
/// bad input if what it prints has no counts.
pub fn count(executable: &Path, on: &Operator<'_>) -> Result<Counts, Failure> {
    let home = temporary_folder()?;
    // Both sides run from paths of the same length, which lie on the stack and so move alignments:
    // that alone has been seen to move a small kernel's count by 1 %.
    // (gungraun makes a folder of the bench target's name beside it.)
    let kernels = home.path().join("kernels");
    copy(executable, &kernels)?;
    let mut command = Command::new(kernels);
    command
        .args(["--bench", "--output-format=json"])
        // Where the executable was built may be gone: nothing is looked up or kept there.
        .env("GUNGRAUN_HOME", home.path())
        .env("GUNGRAUN_WORKSPACE_ROOT", home.path())
        .env("GUNGRAUN_COLOR", "never")
        .current_dir(home.path());
    let shown = executable.display().to_string();
    let finished = on.watch(&shown, &mut command, "counting instructions")?;
    if !finished.status.success() {
        return Err(Failure::machine_fault(format!(
            "{shown} failed ({}); it needs valgrind, and gungraun-runner of its own version. It \
             said:\n{}",
            finished.status,
            finished.stderr.trim_end()
        )));
    }
    match parse(&finished.stdout) {
        Ok(counts) if counts.is_empty() => {
            Err(Failure::bad_input(format!("{shown} has no kernels")))
        }
        Ok(counts) => Ok(counts),
        Err(reason) => Err(Failure::bad_input(format!(
            "{shown} printed no counts: {reason}"
        ))),
    }
}

/// The instructions of every kernel in gungraun's report: a JSON object for each.
fn parse(report: &[u8]) -> Result<Counts, String> {
    let mut counts = Counts::new();
    for kernel in serde_json::Deserializer::from_slice(report).into_iter::<Value>() {
        let kernel = kernel.map_err(|error| format!("it is not JSON: {error}"))?;
        let name = kernel["function_name"]
            .as_str()
            .ok_or("a kernel has no function_name")?;
        let callgrind = kernel["profiles"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|profile| profile["tool"] == "Callgrind")
            .ok_or_else(|| format!("{name} has no profile of Callgrind"))?;
        let count = &callgrind["data"]["total"]["metrics"]["Ir"]["values"]["new"];
        let count = count
            .as_u64()
            .ok_or_else(|| format!("{name} has no count of instructions (Ir)"))?;
        if counts.insert(name.to_owned(), count).is_some() {
            return Err(format!("{name} is there twice"));
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As gungraun 0.20 prints it, less what is not read.
    fn kernel(name: &str, instructions: u64) -> Value {
        let metrics =
            json!({"Ir": {"values": {"new": instructions}}, "Dr": {"values": {"new": 1}}});
        json!({
            "function_name": name, "id": "kernel", "version": "7",
            "profiles": [
                {"tool": "DHAT", "data": {}},
                {"tool": "Callgrind", "data": {"parts": [], "total": {"metrics": metrics}}}
            ]
        })
    }

    #[test]
    fn a_line_for_each_kernel() {
        let report = format!("{}\n{}\n", kernel("sign", 11_760_039), kernel("verify", 7));
        let counts = parse(report.as_bytes()).unwrap();
        let expected = [("sign".to_owned(), 11_760_039), ("verify".to_owned(), 7)];
        assert_eq!(counts, Counts::from(expected));
        assert_eq!(parse(b""), Ok(Counts::new()));
    }

    #[test]
    fn what_has_no_counts_is_refused_with_the_kernels_name() {
        let mut other = kernel("sign", 1);
        other["profiles"] = json!([]);
        let mut uncounted = kernel("sign", 1);
        uncounted["profiles"][1]["data"]["total"] = json!({"metrics": {}});
        let twice = format!("{}{}", kernel("sign", 1), kernel("sign", 2));
        for (report, said) in [
            ("hello".to_owned(), "not JSON"),
            ("{}".to_owned(), "no function_name"),
            (other.to_string(), "sign has no profile of Callgrind"),
            (uncounted.to_string(), "sign has no count of instructions"),
            (twice, "sign is there twice"),
        ] {
            let refused = parse(report.as_bytes()).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
