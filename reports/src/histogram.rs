//! A run's latency distributions: walked percentile by percentile, and written in the two text
//! formats that the HdrHistogram tools read. Values are nanoseconds.

use std::time::{Duration, SystemTime};

use hdrhistogram::{
    Histogram,
    serialization::{V2DeflateSerializer, interval_log::IntervalLogWriterBuilder},
};

/// Steps in each halving of the distance to 100 %, as the HdrHistogram tools take them.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

/// One step of a percentile spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The share of payments at or below `value_ns`, in per cent. 100 in the last step.
    pub percentile: f64,
    /// The latency, in nanoseconds.
    pub value_ns: u64,
    /// Payments at or below it.
    pub total_count: u64,
}

/// The percentile spectrum. Empty if nothing was recorded.
#[must_use]
pub fn spectrum(histogram: &Histogram<u64>) -> Vec<Step> {
    let mut total_count = 0;
    histogram
        .iter_quantiles(TICKS_PER_HALF_DISTANCE)
        .map(|step| {
            total_count += step.count_since_last_iteration();
            Step {
                percentile: step.quantile_iterated_to() * 100.0,
                value_ns: step.value_iterated_to(),
                total_count,
            }
        })
        .collect()
}

/// The unit of the values in an `.hgrm` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Unit {
    /// Milliseconds: what the public plotters label their axis with.
    #[value(name = "ms")]
    Milliseconds,
    /// Microseconds.
    #[value(name = "us")]
    Microseconds,
    /// Nanoseconds, as they were recorded.
    #[value(name = "ns")]
    Nanoseconds,
}

impl Unit {
    fn nanoseconds(self) -> f64 {
        match self {
            Self::Milliseconds => 1e6,
            Self::Microseconds => 1e3,
            Self::Nanoseconds => 1.0,
        }
    }
}

/// The percentile text (`.hgrm`), byte for byte of the form that HdrHistogram's
/// `outputPercentileDistribution` gives: four columns, the last step without its fourth, and three
/// lines that begin with `#`.
#[must_use]
pub fn hgrm(histogram: &Histogram<u64>, unit: Unit) -> String {
    let scale = unit.nanoseconds();
    let digits = usize::from(histogram.sigfig());
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    for step in spectrum(histogram) {
        let (value, share) = (step.value_ns as f64 / scale, step.percentile / 100.0);
        text.push_str(&format!(
            "{value:12.digits$} {share:.12} {:10}",
            step.total_count
        ));
        if share < 1.0 {
            text.push_str(&format!(" {:14.2}", 1.0 / (1.0 - share)));
        }
        text.push('\n');
    }
    let (mean, deviation) = (histogram.mean() / scale, histogram.stdev() / scale);
    let max = histogram.max() as f64 / scale;
    text + &format!(
        "#[Mean    = {mean:12.digits$}, StdDeviation   = {deviation:12.digits$}]\n\
         #[Max     = {max:12.digits$}, Total count    = {:12}]\n\
         #[Buckets = {:12}, SubBuckets     = {:12}]\n",
        histogram.len(),
        histogram.buckets(),
        sub_buckets(histogram),
    )
}

/// Buckets of one power of two: enough for the histogram's significant digits.
fn sub_buckets(histogram: &Histogram<u64>) -> u64 {
    (2 * 10_u64.pow(histogram.sigfig().into())).next_power_of_two()
}

/// A V2 interval log with one interval, the whole run, whose values are nanoseconds and whose
/// maxima are milliseconds. `comment` goes before it, line by line.
#[must_use]
pub fn interval_log(
    histogram: &Histogram<u64>,
    started: SystemTime,
    duration: Duration,
    comment: &str,
) -> String {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    for line in comment.lines() {
        builder.add_comment(line);
    }
    builder
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(Unit::Milliseconds.nanoseconds())
        .begin_log_with(&mut log, &mut serializer)
        .expect("writing to memory cannot fail")
        .write_histogram(histogram, Duration::ZERO, duration, None)
        .expect("a histogram that was read can be written to memory");
    String::from_utf8(log).expect("an interval log is text")
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use duet_run_file::histogram::decode;
    use hdrhistogram::serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    };

    use proptest::prelude::*;

    use super::*;

    fn thousand() -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        for nth in 1..=1_000 {
            histogram.record(nth * 1_000_000).unwrap();
        }
        histogram
    }

    proptest! {
        /// Whatever a file's histogram is, it is refused or can be shown, in memory of a constant
        /// bound.
        #[test]
        fn any_histogram_is_refused_or_shown(
            digits in 0_u32..=4,
            low in 0_u32..64,
            high in 0_u32..64,
            counts in prop::collection::vec(
                prop_oneof![0_u64..300, any::<u64>(), Just(u64::MAX), Just(u64::MAX - 1)],
                0..40,
            ),
        ) {
            let mut payload = Vec::new();
            for count in counts {
                let mut rest = count;
                for at in 0..9 {
                    let is_last = rest < 0x80 || at == 8;
                    payload.push(if at == 8 { rest as u8 } else { rest as u8 & 0x7f | u8::from(!is_last) << 7 });
                    rest >>= 7;
                    if is_last {
                        break;
                    }
                }
            }
            let header = [0x1c84_9313, payload.len() as u32, 0, digits].map(u32::to_be_bytes);
            let values = [1 << low, (1_u64 << high).wrapping_sub(1), 1.0_f64.to_bits()];
            let bytes = [header.concat(), values.map(u64::to_be_bytes).concat(), payload].concat();
            if let Ok(histogram) = decode(&STANDARD.encode(bytes)) {
                prop_assert!(digits <= 3 && histogram.distinct_values() <= 1 << 16);
                prop_assert!(spectrum(&histogram).len() < 10_000);
                let shown = hgrm(&histogram, Unit::Milliseconds)
                    + &interval_log(&histogram, SystemTime::UNIX_EPOCH, Duration::ZERO, "");
                prop_assert!(shown.len() < 1 << 20);
            }
        }
    }

    #[test]
    fn the_spectrum_rises_to_all_payments() {
        let histogram = thousand();
        let steps = spectrum(&histogram);
        for pair in steps.windows(2) {
            assert!(pair[0].percentile < pair[1].percentile, "{pair:?}");
            assert!(pair[0].value_ns <= pair[1].value_ns, "{pair:?}");
            assert!(pair[0].total_count <= pair[1].total_count, "{pair:?}");
        }
        let last = steps.last().unwrap();
        assert_eq!((last.percentile, last.total_count), (100.0, 1_000));
        assert!(histogram.equivalent(last.value_ns, histogram.max()));
        let median = steps.iter().find(|step| step.percentile == 50.0).unwrap();
        assert!(histogram.equivalent(median.value_ns, histogram.value_at_quantile(0.5)));
        assert!(spectrum(&Histogram::new(3).unwrap()).is_empty());
    }

    #[test]
    fn hgrm_has_the_columns_and_the_footer_of_the_tools() {
        let text = hgrm(&thousand(), Unit::Milliseconds);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "       Value     Percentile TotalCount 1/(1-Percentile)"
        );
        assert_eq!(lines[1], "");
        assert_eq!(
            lines[2],
            "       1.000 0.000000000000          1           1.00"
        );
        let median = lines.iter().find(|line| line.contains(" 0.5000")).unwrap();
        assert_eq!(
            *median,
            "     500.171 0.500000000000        500           2.00"
        );
        let footer = &lines[lines.len() - 4..];
        assert_eq!(footer[0], "    1000.342 1.000000000000       1000");
        assert!(
            footer[1].starts_with("#[Mean    =      500.5"),
            "{footer:?}"
        );
        assert!(
            footer[1].contains(", StdDeviation   =      288.6"),
            "{footer:?}"
        );
        assert_eq!(
            footer[2],
            "#[Max     =     1000.342, Total count    =         1000]"
        );
        assert_eq!(
            footer[3],
            "#[Buckets =           26, SubBuckets     =         2048]"
        );

        let nanoseconds = hgrm(&thousand(), Unit::Nanoseconds);
        assert!(
            nanoseconds.contains("500170751.000 0.500000000000 "),
            "{nanoseconds}"
        );
    }

    #[test]
    fn the_interval_log_is_read_back_whole() {
        let started = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let duration = Duration::from_millis(1_110);
        let log = interval_log(&thousand(), started, duration, "run.json\nresponse");
        assert!(log.starts_with("#run.json\n#response\n"), "{log}");
        let mut found = Vec::new();
        for entry in IntervalLogIterator::new(log.as_bytes()) {
            match entry.unwrap() {
                LogEntry::Interval(interval) => {
                    assert_eq!(interval.start_timestamp(), Duration::ZERO);
                    assert_eq!(interval.duration(), duration);
                    assert!(
                        (interval.max() - 1000.342).abs() < 1e-3,
                        "{}",
                        interval.max()
                    );
                    // It is compressed, as no run file's is.
                    let bytes = STANDARD.decode(interval.encoded_histogram()).unwrap();
                    let histogram: Result<Histogram<u64>, _> =
                        Deserializer::new().deserialize(&mut bytes.as_slice());
                    found.push(histogram.unwrap());
                }
                LogEntry::StartTime(time) | LogEntry::BaseTime(time) => {
                    assert_eq!(time.as_secs(), 1_767_225_600);
                }
            }
        }
        assert_eq!(found, [thousand()]);
    }
}
