//! Latencies of all parts: their histograms are added, and percentiles are those of the sum.

use hdrhistogram::Histogram;

use super::{MergeError, Read};
use crate::histogram;
use crate::run_file::{LatencyHistogram, LatencyNs, Percentiles};

/// The sums of both distributions.
pub(super) struct Added {
    response: Option<Histogram<u64>>,
    service: Option<Histogram<u64>>,
}

impl Added {
    pub(super) fn of(parts: &[Read]) -> Result<Added, MergeError> {
        let added = |kind, text: fn(&LatencyHistogram) -> Option<&str>| {
            let texts = parts.iter().filter_map(|read| {
                let text = text(&read.run.latency_histogram)?;
                Some((read, text))
            });
            added(kind, texts)
        };
        Ok(Added {
            response: added("latency_histogram.response", |of| of.response.as_deref())?,
            service: added("latency_histogram.service", |of| of.service.as_deref())?,
        })
    }

    pub(super) fn percentiles(&self) -> LatencyNs {
        LatencyNs {
            response: self.response.as_ref().map(Percentiles::of),
            service: self.service.as_ref().map(Percentiles::of),
        }
    }

    pub(super) fn encoded(&self) -> LatencyHistogram {
        LatencyHistogram {
            response: self.response.as_ref().map(histogram::encode),
            service: self.service.as_ref().map(histogram::encode),
        }
    }
}

/// The sum of these histograms, if there are any. It is exact: bounds and digits are the same.
pub(super) fn added<'a>(
    kind: &str,
    texts: impl Iterator<Item = (&'a Read, &'a str)>,
) -> Result<Option<Histogram<u64>>, MergeError> {
    let mut sum: Option<Histogram<u64>> = None;
    for (read, text) in texts {
        let refused = |detail: String| MergeError::NotMergeable {
            path: read.path.clone(),
            detail: format!("`{kind}`: {detail}"),
        };
        let one = histogram::decode(text).map_err(refused)?;
        match &mut sum {
            None => sum = Some(one),
            Some(sum) => {
                let [of_sum, of_one] = [&*sum, &one].map(bounds);
                if of_sum != of_one {
                    return Err(refused(format!(
                        "it has {of_one}, and that of another part {of_sum}: these cannot be added \
                         without error"
                    )));
                }
                sum.add(&one).map_err(|error| refused(error.to_string()))?;
            }
        }
    }
    Ok(sum)
}

fn bounds(of: &Histogram<u64>) -> String {
    format!(
        "{} digits from {} to {} ns",
        of.sigfig(),
        of.low(),
        of.high()
    )
}
