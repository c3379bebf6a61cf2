//! `reports hgrm`: a run's latencies for the HdrHistogram tools.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use clap::ValueEnum;
use duet_reports::{
    histogram::{Unit, hgrm, interval_log},
    runs::{NamedRun, Runs},
};
use duet_run_file::{run_file::read_text, terms::Across};
use hdrhistogram::Histogram;

use super::{Answer, Refusal};

const EXAMPLES: &str = "\
Examples:
    reports hgrm run.json > run.hgrm
    reports hgrm run.json --of service --unit us
    reports hgrm run.json --v2-log > run.hlog

The percentile text is what HdrHistogram's outputPercentileDistribution prints, and what its
plotters read: four columns, values in milliseconds unless --unit says otherwise. The log is one
interval over the whole run; its histogram is in nanoseconds, its maximum in milliseconds.";

/// Prints a run's latency distribution as HdrHistogram percentiles, or as a V2 log.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run file; `-` reads standard input.
    #[arg(value_name = "RUN")]
    file: PathBuf,
    /// Which latency [default: response, in a closed loop service]
    #[arg(long, value_enum, hide_default_value = true)]
    of: Option<Of>,
    /// The unit of the values.
    #[arg(long, value_enum, default_value_t = Unit::Milliseconds)]
    unit: Unit,
    /// Print a V2 interval log instead.
    #[arg(long, conflicts_with = "unit")]
    v2_log: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Of {
    /// From when a payment was due; only open loops have it.
    Response,
    /// From when a payment's batch began.
    Service,
}

impl Args {
    /// The percentiles or the log.
    pub(crate) fn run(&self) -> Answer {
        let text = read_text(&self.file)?;
        let runs = Runs::gather(&[(self.file.clone(), text)], &Across::default())?;
        let named = &runs.all()[0];
        let (kind, histogram) = self.histogram(named)?;
        if self.v2_log {
            return Ok(log(named, kind, histogram));
        }
        Ok(hgrm(histogram, self.unit))
    }

    fn histogram<'a>(
        &self,
        named: &'a NamedRun,
    ) -> Result<(&'static str, &'a Histogram<u64>), Refusal> {
        let wanted = self.of.map(|of| match of {
            Of::Response => "response",
            Of::Service => "service",
        });
        let found = named
            .latencies()
            .find(|(kind, _)| wanted.is_none_or(|wanted| wanted == *kind));
        found.ok_or_else(|| {
            let there: Vec<&str> = named.latencies().map(|(kind, _)| kind).collect();
            Refusal::bad_input(format!(
                "{}: it has no {} latency{}; it has: {}",
                named.path.display(),
                wanted.unwrap_or("measured"),
                match (wanted, named.run.workload.arrivals.as_str()) {
                    (Some("response"), "closed-loop") => ", being a closed loop",
                    _ => "",
                },
                if there.is_empty() {
                    "none".to_owned()
                } else {
                    there.join(", ")
                }
            ))
        })
    }
}

fn log(named: &NamedRun, kind: &str, histogram: &Histogram<u64>) -> String {
    let run = &named.run;
    // Whatever a file says, there is a time: the epoch stands for what no clock can show.
    let started = SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(run.started_unix_s))
        .unwrap_or(SystemTime::UNIX_EPOCH);
    let duration = Duration::try_from_secs_f64(run.achieved.wall_s).unwrap_or_default();
    let comment = format!("{kind} latency of {}, in nanoseconds", named.name);
    interval_log(histogram, started, duration, &comment)
}
