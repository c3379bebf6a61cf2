//! A run's latency distributions: read from the run file, walked percentile by percentile, and
//! written in the two text formats that the HdrHistogram tools read. Values are nanoseconds.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, V2DeflateSerializer, interval_log::IntervalLogWriterBuilder},
};

/// What begins the V2 encoding: cookie, payload's length, offset, digits, least value, greatest,
/// ratio.
const HEADER_BYTES: usize = 4 * 4 + 3 * 8;
const V2_COOKIE: u32 = 0x1c84_9313;

/// What runs record with: with as many digits every value up to 2^64 takes 442 kB, with two more 49
/// MB.
const MOST_DIGITS: u32 = 3;

/// More payments than any run makes; sums of counts stay far from 2^64.
const MOST_COUNTED: u64 = 1 << 53;

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

/// Reads base64 of the V2 encoding, as a run file has it.
///
/// # Errors
/// What is wrong with the text, and what was expected.
pub fn decode(text: &str) -> Result<Histogram<u64>, String> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| format!("not base64: {error}"))?;
    check_header(&bytes)?;
    let mut rest = bytes.as_slice();
    let histogram: Histogram<u64> = Deserializer::new()
        .deserialize(&mut rest)
        .map_err(|error| format!("not an HDR histogram of the V2 encoding: {error}"))?;
    if !rest.is_empty() {
        return Err(format!(
            "{} bytes after the end of the HDR histogram",
            rest.len()
        ));
    }
    if histogram.len() > MOST_COUNTED {
        return Err(format!(
            "the HDR histogram counts {}: expected at most {MOST_COUNTED}",
            histogram.len()
        ));
    }
    Ok(histogram)
}

/// Refuses a header that claims more than follows, or more than a run records: the decoder takes
/// memory on its word.
fn check_header(bytes: &[u8]) -> Result<(), String> {
    let Some((header, payload)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(format!(
            "not an HDR histogram: it has {} bytes, and a header alone has {HEADER_BYTES}",
            bytes.len()
        ));
    };
    let field = |at: usize| {
        let bytes = header[at..].first_chunk();
        u32::from_be_bytes(*bytes.expect("within the header"))
    };
    let (cookie, claimed, digits) = (field(0), field(4), field(12));
    if cookie != V2_COOKIE {
        return Err(format!(
            "it begins with {cookie:#010x}: expected an HDR histogram of the V2 encoding, \
             {V2_COOKIE:#010x}"
        ));
    }
    if claimed as usize > payload.len() {
        return Err(format!(
            "the HDR histogram claims {claimed} bytes of counts and has {}",
            payload.len()
        ));
    }
    // -2^63, which the decoder negates.
    if payload.windows(9).any(|nine| nine == [0xff; 9]) {
        return Err("the HDR histogram has a count of -2^63: expected none below 0".to_owned());
    }
    if digits > MOST_DIGITS {
        return Err(format!(
            "the HDR histogram claims {digits} significant digits: expected at most {MOST_DIGITS}"
        ));
    }
    Ok(())
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds: what the public plotters label their axis with.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds, as they were recorded.
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
    use hdrhistogram::serialization::{
        Serializer as _, V2Serializer,
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

    fn encoded(histogram: &Histogram<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(histogram, &mut bytes)
            .unwrap();
        bytes
    }

    #[test]
    fn what_was_encoded_is_read_back() {
        let text = STANDARD.encode(encoded(&thousand()));
        assert_eq!(decode(&text).unwrap(), thousand());
    }

    #[test]
    fn damage_is_named() {
        let whole = encoded(&thousand());
        let mut longer = whole.clone();
        longer.push(0);
        let with = |at: usize, field: &[u8]| {
            let mut bytes = whole.clone();
            bytes[at..at + field.len()].copy_from_slice(field);
            bytes
        };
        let other = with(0, &[0xe3]);
        let table = [
            ("HIST*".to_owned(), "not base64: "),
            ("HISTF".to_owned(), "not base64: "),
            (String::new(), "not an HDR histogram: it has 0 bytes"),
            (
                STANDARD.encode(&whole[..whole.len() / 2]),
                "the HDR histogram claims ",
            ),
            (STANDARD.encode(other), "it begins with 0xe3849313: "),
            (
                STANDARD.encode(with(4, &u32::MAX.to_be_bytes())),
                "the HDR histogram claims 4294967295 bytes of counts and has ",
            ),
            (
                STANDARD.encode(with(12, &5_u32.to_be_bytes())),
                "the HDR histogram claims 5 significant digits: expected at most 3",
            ),
            (
                STANDARD.encode(with(16, &0_u64.to_be_bytes())),
                "not an HDR histogram of the V2 encoding: ",
            ),
            (
                STANDARD.encode(longer),
                "1 bytes after the end of the HDR histogram",
            ),
        ];
        for (text, expected) in table {
            let error = decode(&text).expect_err(expected);
            assert!(error.starts_with(expected), "{expected}: {error}");
        }
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
            let header = [V2_COOKIE, payload.len() as u32, 0, digits].map(u32::to_be_bytes);
            let values = [1 << low, (1_u64 << high).wrapping_sub(1), 1.0_f64.to_bits()];
            let bytes = [header.concat(), values.map(u64::to_be_bytes).concat(), payload].concat();
            if let Ok(histogram) = decode(&STANDARD.encode(bytes)) {
                prop_assert!(digits <= MOST_DIGITS && histogram.distinct_values() <= 1 << 16);
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
