//! One run file of the parts of a run: counts are summed, histograms added, ratios and percentiles
//! computed anew. Nothing is averaged that cannot be, and what stands for one part alone is kept by
//! part. Refuses parts that are not of one run; names those that are missing.

mod error;
mod figures;
mod l1;
mod latency;
mod series;
mod setting;

use std::path::{Path, PathBuf};

pub use error::MergeError;

use crate::human;
use crate::run_file::{Merged, MergedPart, NOT_HELD, OpenLoop, Part, RunFile, SCHEMA, number::sum};
use crate::terms::{Across, Terms};

/// Keys in which parts differ because they are parts.
const OF_A_PART: [&str; 7] = [
    "part",
    "sessions",
    "payments_per_session",
    "concurrent",
    "offered_per_s",
    "interrupted",
    // Machines differ.
    "backend_asked",
];

/// The share of the time in which the parts of an open loop must all have run.
const LEAST_OVERLAP: f64 = 0.9;

/// There is a first part of each sum.
const SOME: &str = "at least one part";

/// The most parts that are missing and named one by one.
const MOST_NAMED: usize = 8;

/// One part as it was read.
struct Read {
    path: PathBuf,
    run: RunFile,
    part: Part,
}

/// Merges run files of parts, by their texts; the paths serve to name them. `command` is what the
/// merged run file says it was made by. Parts that are missing make the run INVALID.
///
/// # Errors
/// A file is no run file of a part; two are of different runs, builds or terms; one part is there
/// twice; one went on after a restart; or their histograms cannot be added.
///
/// # Panics
/// Without any file.
pub fn merge(files: &[(PathBuf, String)], command: Vec<String>) -> Result<RunFile, MergeError> {
    assert!(!files.is_empty(), "at least one part");
    let mut parts: Vec<Read> = Vec::new();
    let mut first_terms = Terms::default();
    for (path, text) in files {
        let (read, terms) = read(path, text)?;
        match parts.first() {
            None => first_terms = terms,
            Some(first) => check_same(first, &read, &first_terms, &terms)?,
        }
        parts.push(read);
    }
    parts.sort_by_key(|read| read.part.index);
    let mut pairs = parts.iter().zip(parts.iter().skip(1));
    if let Some((one, other)) = pairs.find(|(a, b)| a.part.index == b.part.index) {
        return Err(MergeError::Twice {
            first: one.path.clone(),
            other: other.path.clone(),
            part: one.part.name(),
        });
    }
    let (first, here) = (&parts[0], parts.len() as u64);
    if first.part.one_layer_1 && here < first.part.of {
        return Err(MergeError::NotMergeable {
            path: first.path.clone(),
            detail: format!(
                "it is of a run over one Layer 1, which has ended early, and {here} of {} machines \
                 are here; expected all of them",
                first.part.of
            ),
        });
    }
    let latency = latency::Added::of(&parts)?;
    let runs: Vec<&RunFile> = parts.iter().map(|read| &read.run).collect();
    let span = Span::of(&parts);
    let merged = merged(&parts, &span);
    let mut file = RunFile {
        schema: SCHEMA,
        command,
        started_unix_s: runs.iter().map(|run| run.started_unix_s).min().unwrap_or(0),
        workload: setting::workload(&runs),
        engine: setting::engine(&runs),
        assurance: figures::assurance(&runs),
        achieved: figures::achieved(&runs, span.wall_s),
        latency_ns: latency.percentiles(),
        latency_histogram: latency.encoded(),
        series: series::series(&runs, &span.offsets_s, span.wall_s),
        offchain: sum(runs.iter().map(|run| &run.offchain)).expect(SOME),
        l1: l1::l1(&runs),
        checks: figures::checks(&runs),
        disputes: figures::disputes(&runs),
        durability: figures::durability(&parts)?,
        rejections: sum(runs.iter().map(|run| &run.rejections)).expect(SOME),
        stages: figures::stages(&runs),
        memory: figures::memory(&runs),
        machine: setting::machine(&parts),
        part: None,
        merged: None,
    };
    file.achieved.invalid_reasons = invalid_reasons(&parts, &merged, &file);
    file.achieved.valid = file.achieved.invalid_reasons.is_empty();
    file.merged = Some(merged);
    Ok(file)
}

fn read(path: &Path, text: &str) -> Result<(Read, Terms), MergeError> {
    let run = RunFile::parse(path, text)?;
    let named = |detail: &str| MergeError::NotMergeable {
        path: path.to_owned(),
        detail: detail.to_owned(),
    };
    if run.merged.is_some() {
        return Err(named(
            "it is merged already; expected the parts' own run files",
        ));
    }
    let Some(part) = run.part.clone() else {
        return Err(named(
            "it was run without --part, and is no part of a run; `reports diff` sets whole runs \
             side by side",
        ));
    };
    if part.index == 0 || part.index > part.of {
        return Err(named(&format!(
            "`part` is {}, expected 1 to {}",
            part.name(),
            part.of
        )));
    }
    let times = [
        ("wall_s", run.achieved.wall_s),
        ("cpu_s", run.achieved.cpu_s),
    ];
    if let Some((name, _)) = times.iter().find(|(_, time)| !time.is_finite()) {
        return Err(named(&format!(
            "`achieved.{name}` is not known, expected seconds"
        )));
    }
    if run.resumed().is_some() {
        return Err(named(
            "it went on after a restart: its times are of a part of it, and cannot be added up",
        ));
    }
    let terms = Terms::parse(text).map_err(|detail| named(&detail))?;
    let path = path.to_owned();
    Ok((Read { path, run, part }, terms))
}

/// Whether two parts are of one run: what they were asked for first, since that says most.
fn check_same(
    first: &Read,
    other: &Read,
    first_terms: &Terms,
    terms: &Terms,
) -> Result<(), MergeError> {
    let paths = || (first.path.clone(), other.path.clone());
    let across = Across::new(&OF_A_PART.map(str::to_owned));
    let mut differences = first_terms.differences(terms);
    // A seed may differ between repeats, and never between parts.
    differences.retain(|found| found.key == "workload.seed" || !across.allows(&found.key));
    let of = [&first.part, &other.part];
    let [a, b] = [&first.run.engine, &other.run.engine];
    if !differences.is_empty() {
        let (first, other) = paths();
        return Err(MergeError::Different {
            first,
            other,
            differences,
        });
    }
    let builds = [a, b].map(|engine| format!("{} of commit {}", engine.version, engine.commit));
    let told = [
        ("build", builds),
        ("number of parts", of.map(|part| part.of.to_string())),
        ("run id", of.map(|part| part.run_id.clone())),
        ("one Layer 1", of.map(|part| part.one_layer_1.to_string())),
    ];
    match told.into_iter().find(|(_, [a, b])| a != b) {
        None => Ok(()),
        Some((what, values)) => {
            let (first, other) = paths();
            Err(MergeError::OtherRun {
                first,
                other,
                what,
                values,
            })
        }
    }
}

/// When the parts ran, by their machines' clocks.
struct Span {
    /// From the first part's begin to the last one's end, in seconds.
    wall_s: f64,
    /// When each part began after the first one, in seconds.
    offsets_s: Vec<f64>,
    /// The share of it in which all of them ran.
    overlap: f64,
}

impl Span {
    fn of(parts: &[Read]) -> Span {
        let first = parts.iter().map(|read| read.part.began_unix_ms).min();
        let first = first.unwrap_or(0);
        // Those of one Layer 1 begin together, and their clocks need not agree.
        let offset = |read: &Read| match read.part.one_layer_1 {
            true => 0.0,
            false => (read.part.began_unix_ms - first) as f64 / 1e3,
        };
        let offsets_s: Vec<f64> = parts.iter().map(offset).collect();
        let ends = parts.iter().zip(&offsets_s);
        let ends: Vec<f64> = ends
            .map(|(read, at)| at + read.run.achieved.wall_s)
            .collect();
        let wall_s = ends.iter().copied().fold(0.0, f64::max);
        let all_began = offsets_s.iter().copied().fold(0.0, f64::max);
        let one_ended = ends.iter().copied().fold(wall_s, f64::min);
        Span {
            wall_s,
            offsets_s,
            overlap: match wall_s > 0.0 {
                true => (one_ended - all_began).max(0.0) / wall_s,
                false => f64::NAN,
            },
        }
    }
}

fn merged(parts: &[Read], span: &Span) -> Merged {
    let first = &parts[0].part;
    Merged {
        run_id: first.run_id.clone(),
        of: first.of,
        machines: setting::machines(parts),
        layer_1s: match first.one_layer_1 {
            true => 1,
            false => parts.len() as u64,
        },
        overlap: span.overlap,
        parts: parts.iter().map(alone).collect(),
    }
}

/// What stands for a part alone.
fn alone(read: &Read) -> MergedPart {
    let Read { run, part, .. } = read;
    MergedPart {
        part: part.clone(),
        valid: run.achieved.valid,
        payments: run.achieved.payments,
        wall_s: run.achieved.wall_s,
        payments_per_s: run.achieved.payments_per_s,
        cpu_s: run.achieved.cpu_s,
        shards: run.workload.shards,
        peak_rss_bytes: run.memory.peak_rss_bytes,
        backend: run.engine.backend.clone(),
        machine: run.machine.clone(),
        l1_blocks: run.l1.channels.blocks,
        l1_peak_state_entries: run.l1.channels.peak_state_entries,
        l1_tip: run.l1.channels.tip.clone(),
        l1_waited_s: None,
    }
}

/// Why the whole is not valid: what its parts say, and which of them are missing.
fn invalid_reasons(parts: &[Read], merged: &Merged, file: &RunFile) -> Vec<String> {
    let mut reasons = Vec::new();
    for read in parts {
        let part = read.part.name();
        let own = &read.run.achieved.invalid_reasons;
        reasons.extend(
            own.iter()
                .map(|reason| match reason.strip_prefix(NOT_HELD) {
                    Some(rest) => format!("{NOT_HELD}: part {part}{rest}"),
                    None => format!("part {part}: {reason}"),
                }),
        );
        if !read.run.achieved.valid && own.is_empty() {
            reasons.push(format!("part {part} is INVALID"));
        }
    }
    if reasons.is_empty() {
        let not_held = file
            .achieved
            .open_loop
            .as_ref()
            .and_then(OpenLoop::not_held);
        reasons.extend(not_held.map(|reason| format!("{NOT_HELD}: {reason}")));
    }
    // A rate is that of all parts only while all of them run.
    if file.achieved.open_loop.is_some() && merged.overlap < LEAST_OVERLAP {
        reasons.push(format!(
            "{NOT_HELD}: all parts ran at once for {} of the time, expected {}",
            human::share(merged.overlap),
            human::share(LEAST_OVERLAP)
        ));
    }
    if !merged.is_whole() {
        reasons.push(missing(merged));
    }
    reasons
}

/// `3 of 4 parts are here; missing: 2/4`.
fn missing(merged: &Merged) -> String {
    let there = |index: &u64| merged.parts.iter().any(|found| found.part.index == *index);
    let named = (1..=merged.of)
        .filter(|index| !there(index))
        .take(MOST_NAMED);
    let named: Vec<String> = named
        .map(|index| format!("{index}/{}", merged.of))
        .collect();
    let here = merged.parts.len() as u64;
    let more = (merged.of - here).saturating_sub(named.len() as u64);
    let more = match more {
        0 => String::new(),
        more => format!(" and {} more", human::grouped(more)),
    };
    format!(
        "{here} of {} parts are here; missing: {}{more}",
        human::grouped(merged.of),
        named.join(", "),
    )
}

#[cfg(test)]
mod tests;
