//! The run file: everything that one run asked for, did and measured, as JSON of schema 1.
//!
//! The JSON names are the field names of these types and are frozen: later versions add fields,
//! which [`Default`] fills when an older file lacks them, or raise [`SCHEMA`]. Fields that this
//! build does not know are ignored. Whole numbers above 2^53 are written as strings, because many
//! JSON readers would round them, and are read in either form.

#[macro_use]
pub(crate) mod number;
mod disputes;
mod durability;
mod error;
mod figures;
mod l1;
mod part;
mod setting;

use std::{collections::BTreeMap, io, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

pub use disputes::{AttackCost, Disputes};
pub use durability::{Durability, Resumed};
pub use error::RunFileError;
pub use figures::{
    Achieved, Assurance, Checks, DirectClient, ENDED_EARLY, LatencyHistogram, LatencyNs, Memory,
    NOT_HELD, Offchain, OpenLoop, Percentiles, Phase, Sample, Stage,
};
pub use l1::{
    DirectLoad, L1, L1Alone, L1Arm, L1Chain, L1Consensus, L1Fed, L1Load, L1Moment, L1Quantiles,
    L1Traffic, L1Wait, L1WholeSystem, Offload, Ratio,
};
pub use part::{Merged, MergedPart, Part};
pub use setting::{Engine, L1CutOff, L1Limits, Machine, Validators, Workload};

use crate::input::{self, Limit};
use crate::layout;
use crate::terms::AUDIT_STAGE;

/// The schema that this build writes and reads.
pub const SCHEMA: u32 = 1;

/// A hundred times the longest that is written: of 600 samples, 70 kB.
pub const LIMIT: Limit = Limit {
    bytes: 8 << 20,
    kind: "a run file",
};

/// The most entries of each list of named figures: every build has fewer by far, and reports look
/// each name up among the others.
const MOST_NAMES: usize = 1000;

/// The most samples: ten times as many as are written, and a report draws each of them.
const MOST_SAMPLES: usize = 6000;

/// One run. Field names are the JSON names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// The command line, program name first.
    pub command: Vec<String>,
    /// When the run started, in seconds since 1970-01-01 UTC.
    #[serde(with = "number::count")]
    pub started_unix_s: u64,
    /// What was asked for.
    pub workload: Workload,
    /// What ran it.
    pub engine: Engine,
    /// What each throughput figure of this run was bought with.
    pub assurance: Assurance,
    /// Payments, time, CPU and the verdict.
    pub achieved: Achieved,
    /// Latency percentiles in nanoseconds.
    pub latency_ns: LatencyNs,
    /// The whole latency distributions.
    pub latency_histogram: LatencyHistogram,
    /// Progress over time.
    pub series: Vec<Sample>,
    /// What both endpoints of all channels did.
    pub offchain: Offchain,
    /// What Layer 1 did, and would have done without channels.
    pub l1: L1,
    /// The run's checks of itself.
    pub checks: Checks,
    /// What became of the channels that did not end politely; none when all of them did, and in
    /// files of earlier versions.
    #[serde(default)]
    pub disputes: Option<Disputes>,
    /// What made the run durable; none if nothing did, and in files of earlier versions.
    #[serde(default)]
    pub durability: Option<Durability>,
    /// How often each named rejection occurred.
    #[serde(with = "number::counts_by_name")]
    pub rejections: BTreeMap<String, u64>,
    /// CPU time by stage and role.
    pub stages: Vec<Stage>,
    /// Memory of the process.
    pub memory: Memory,
    /// The machine it ran on; of a merged run, all of them.
    pub machine: Machine,
    /// Which part of a larger run it is; none, and not written, if it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// What it was merged of; none, and not written, if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
}

impl RunFile {
    /// Reads and checks the run file at `path`.
    ///
    /// # Errors
    ///
    /// Every error names the file and says what was expected of it.
    pub fn read(path: &Path) -> Result<Self, RunFileError> {
        Self::parse(path, &read_text(path)?)
    }

    /// Reads a run file from its text; `path` serves to name it in errors.
    ///
    /// # Errors
    ///
    /// As [`RunFile::read`], less those of the file system.
    pub fn parse(path: &Path, text: &str) -> Result<Self, RunFileError> {
        check_schema(path, text)?;
        let run: RunFile = serde_json::from_str(text).map_err(|error| RunFileError::BadField {
            path: path.to_owned(),
            detail: layout::detail(&error.to_string()),
        })?;
        match run.contradiction() {
            None => Ok(run),
            Some(detail) => Err(RunFileError::BadField {
                path: path.to_owned(),
                detail,
            }),
        }
    }

    /// What the file says of itself that cannot be.
    fn contradiction(&self) -> Option<String> {
        if let Some(reason) = self.refuted().filter(|_| self.achieved.valid) {
            return Some(format!("`achieved.valid` is true, but {reason}"));
        }
        let (measured, all) = (self.payments_measured(), self.achieved.payments);
        if measured > all {
            return Some(format!(
                "`achieved.payments_measured` is {measured}, expected at most {all}, all payments"
            ));
        }
        let latencies = self.latency_ns.named();
        if let Some((kind, _)) = latencies.iter().find(|(_, found)| !found.rise()) {
            let detail = format!("`latency_ns.{kind}`: a percentile is above a higher one");
            return Some(detail);
        }
        let of_disputes = |length: fn(&Disputes) -> usize| self.disputes.as_ref().map_or(0, length);
        let (achieved, names) = (&self.achieved, MOST_NAMES);
        let reasons = achieved.invalid_reasons.len();
        let consensus = (self.l1.chain.as_ref()).and_then(|chain| chain.consensus.as_ref());
        let systems = consensus.map_or(0, |of| of.whole_system.len());
        let lists = [
            ("series", self.series.len(), MOST_SAMPLES),
            ("stages", self.stages.len(), names),
            ("achieved.phases", achieved.phases.len(), names),
            ("achieved.invalid_reasons", reasons, names),
            ("rejections", self.rejections.len(), names),
            ("l1.chain.consensus.whole_system", systems, names),
            (
                "disputes.attacks",
                of_disputes(|of| of.attacks.len()),
                names,
            ),
            (
                "disputes.refused",
                of_disputes(|of| of.refused.len()),
                names,
            ),
        ];
        let long = lists.iter().find(|(_, length, most)| length > most);
        if let Some((name, length, most)) = long {
            return Some(format!(
                "`{name}` has {length} entries, expected at most {most}"
            ));
        }
        self.contradicting_figures()
    }

    /// Figures of the file that do not go together.
    fn contradicting_figures(&self) -> Option<String> {
        let (of, asked) = (&self.assurance, &self.workload);
        let asked_twice = [
            ("cosign_every", of.cosign_every, asked.cosign_every),
            ("in_flight", of.in_flight, asked.in_flight),
        ];
        if let Some((name, assured, asked)) = asked_twice.iter().find(|(_, of, asked)| of != asked)
        {
            return Some(format!(
                "`assurance.{name}` is {assured}, expected {asked}, as `workload.{name}` says"
            ));
        }
        let (wall_s, rate) = (self.achieved.wall_s, self.achieved.payments_per_s);
        if let Some(measured) = self.achieved.payments_measured {
            let expected = measured as f64 / wall_s;
            // By people's digits. What is not finite is not a figure.
            if (rate - expected).abs() > expected.min(f64::MAX) * 1e-3 {
                return Some(format!(
                    "`achieved.payments_per_s` is {rate}, expected {expected}, \
                     `payments_measured` over `wall_s`"
                ));
            }
        }
        let offload = self.l1.offload.as_ref();
        let ratios = offload.map_or_else(Vec::new, Offload::named);
        ratios.into_iter().find_map(|(name, of)| {
            let Ratio { ratio, low, high } = of;
            if [ratio, low, high].iter().any(|one| one.is_subnormal()) {
                return Some(format!(
                    "`l1.offload.{name}` is no ratio: expected 0 or more"
                ));
            }
            // All three are equal where nothing varies, but for their last bits.
            let is_outside = ratio < low * (1.0 - 1e-9) || ratio > high * (1.0 + 1e-9);
            is_outside.then(|| {
                format!(
                    "`l1.offload.{name}.ratio` is {ratio}, expected {low} to {high}, its interval"
                )
            })
        })
    }

    /// Why the run cannot be VALID, by what the file says of it.
    fn refuted(&self) -> Option<String> {
        let Achieved {
            payments,
            invalid_reasons,
            open_loop,
            cpu_s,
            ..
        } = &self.achieved;
        let checks = &self.checks;
        if checks.named().iter().any(|(_, passed)| !passed) {
            return Some("a check is false".to_owned());
        }
        if let Some(reason) = invalid_reasons.first() {
            return Some(format!("a reason is given: {}", layout::detail(reason)));
        }
        if let Some(disputes) = &self.disputes {
            let window = self.workload.l1.challenge_window_blocks;
            let delay = self.workload.delay_blocks();
            if let Some(reason) = disputes.unjust(window, delay) {
                return Some(reason);
            }
        }
        let not_held = open_loop.as_ref().and_then(OpenLoop::not_held);
        let not_held = not_held.map(|reason| format!("{NOT_HELD}: {reason}"));
        // What goes on may have nothing left to pay, and spent CPU time before.
        if let Some(resumed) = self.resumed() {
            return not_held.filter(|_| resumed.only_closed == Some(false));
        }
        if *payments == 0 {
            return Some("no payment was made".to_owned());
        }
        // Files of earlier versions have no share.
        let unaccounted = || {
            checks
                .unaccounted(*cpu_s)
                .filter(|_| checks.stage_cpu_share != 0.0)
        };
        not_held.or_else(unaccounted)
    }

    /// The payments that the run's times and CPU time are of: all of them, less those that were
    /// made before a run went on after a restart.
    #[must_use]
    pub fn payments_measured(&self) -> u64 {
        let before = self.resumed().map_or(0, |resumed| resumed.payments);
        let measured = self.achieved.payments_measured;
        measured.unwrap_or(self.achieved.payments.saturating_sub(before))
    }

    /// Whether all that both parties said was kept for an auditor. (Files of earlier versions say
    /// so by the stage that kept it.)
    #[must_use]
    pub fn has_audit_log(&self) -> bool {
        self.workload.audit_log || self.stages.iter().any(|stage| stage.name == AUDIT_STAGE)
    }

    /// What was done before the run went on after a restart; none if it did not.
    #[must_use]
    pub fn resumed(&self) -> Option<&Resumed> {
        self.durability.as_ref()?.resumed.as_ref()
    }

    /// The file's text: indented JSON that ends with a newline. A figure that is not finite, such
    /// as a rate over no time at all, is written as `null`, which reads back as NaN.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("writing to memory cannot fail and every key is a string");
        text.push('\n');
        text
    }
}

/// The text of the file at `path`, or of standard input if that is `-`, not yet checked to be a run
/// file.
///
/// # Errors
///
/// The file is missing, unreadable, longer than [`LIMIT`], or not UTF-8.
pub fn read_text(path: &Path) -> Result<String, RunFileError> {
    let bytes = input::read(path, LIMIT).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => RunFileError::NotFound {
            path: path.to_owned(),
        },
        _ => RunFileError::Unreadable {
            path: path.to_owned(),
            source,
        },
    })?;
    utf8(path, bytes)
}

/// The text of `bytes`; `path` serves to name their origin in errors.
///
/// # Errors
///
/// The bytes are not UTF-8, or stop in the middle of a character.
pub fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, RunFileError> {
    String::from_utf8(bytes).map_err(|error| {
        let (path, error) = (path.to_owned(), error.utf8_error());
        match error.error_len() {
            None => RunFileError::Truncated {
                path,
                detail: error.to_string(),
            },
            Some(_) => RunFileError::NotJson {
                path,
                detail: error.to_string(),
            },
        }
    })
}

/// Looks at the schema alone, so that a file of another version is called that, and not a file
/// with missing fields.
fn check_schema(path: &Path, text: &str) -> Result<(), RunFileError> {
    let not_a_run_file = |detail: &str| {
        Err(RunFileError::NotARunFile {
            path: path.to_owned(),
            detail: detail.into(),
        })
    };
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| not_an_object(path, text, &error))?;
    match fields.get("schema") {
        Some(found) if *found == SCHEMA => Ok(()),
        Some(found) if found.is_number() => Err(RunFileError::OtherSchema {
            path: path.to_owned(),
            found: found.to_string(),
        }),
        Some(_) => not_a_run_file("its `schema` is no number"),
        None => not_a_run_file("it has no `schema`"),
    }
}

fn not_an_object(path: &Path, text: &str, error: &serde_json::Error) -> RunFileError {
    let (path, detail) = (path.to_owned(), layout::detail(&error.to_string()));
    // A file cut within a number, such as after `12.`, ends early as well.
    let cut_number = detail.starts_with("invalid number") && text.ends_with(['.', '-', '+', 'e']);
    match error.classify() {
        Category::Eof => RunFileError::Truncated { path, detail },
        _ if cut_number => RunFileError::Truncated { path, detail },
        Category::Syntax | Category::Io => RunFileError::NotJson { path, detail },
        Category::Data => RunFileError::NotARunFile { path, detail },
    }
}

#[cfg(test)]
mod tests;
