//! A run's figures as OpenMetrics: counters, gauges, and latencies as a histogram.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duet_engine::pipeline::{Latencies, Latency, Snapshot};
use duet_run_file::run_file::Workload;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::machine;

/// Upper bounds of the latencies' buckets, in microseconds: 1, 2 and 5 of each power of ten, up to
/// 100 s.
const BOUNDS_US: [u64; 22] = [
    10,
    20,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
];

/// What is told of a run.
#[derive(Debug)]
pub(super) struct Figures {
    /// What it was asked for, by name.
    run: Vec<(&'static str, String)>,
    /// Those that the run will make, if that is known.
    pub(super) planned: Option<u64>,
    pub(super) baseline_payments: u64,
    elapsed: Duration,
    payments: u64,
    sessions_closed: u64,
    l1_transactions: u64,
    cpu_ns: u64,
    latencies: Option<Arc<Latencies>>,
}

impl Figures {
    /// Those of a run that begins.
    pub(super) fn of(workload: &Workload, backend: &str) -> Figures {
        let run = vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("commit", env!("DUET_COMMIT").to_owned()),
            ("backend", backend.to_owned()),
            ("mode", workload.mode.clone()),
            ("arrivals", workload.arrivals.clone()),
            ("cosign_every", workload.cosign_every.to_string()),
            ("in_flight", workload.in_flight.to_string()),
            ("seed", workload.seed.to_string()),
        ];
        Figures {
            run,
            planned: None,
            baseline_payments: 0,
            elapsed: Duration::ZERO,
            payments: 0,
            sessions_closed: 0,
            l1_transactions: 0,
            cpu_ns: 0,
            latencies: None,
        }
    }

    /// Takes a snapshot's in. Latencies stay as they were where it has none.
    pub(super) fn take(&mut self, snapshot: &Snapshot) {
        self.elapsed = snapshot.elapsed;
        self.payments = snapshot.payments;
        self.sessions_closed = snapshot.sessions_closed;
        self.l1_transactions = snapshot.l1_transactions;
        self.cpu_ns = snapshot.cpu_ns;
        if let Some(latencies) = &snapshot.latencies {
            self.latencies = Some(latencies.clone());
        }
    }
}

/// A metric's name, what it is, its unit, and its value.
type Plain = (&'static str, &'static str, Option<&'static Unit>, f64);

/// What only rises, and what may fall.
impl Figures {
    fn counters(&self) -> [Plain; 5] {
        [
            (
                "payments",
                "Payments that a state signed by both parties covers, since a restart if there was one",
                None,
                self.payments as f64,
            ),
            (
                "sessions_closed",
                "Sessions closed on Layer 1",
                None,
                self.sessions_closed as f64,
            ),
            (
                "l1_transactions",
                "Transactions in Layer 1's blocks",
                None,
                self.l1_transactions as f64,
            ),
            (
                "baseline_payments",
                "Payments made directly on the baseline's Layer 1",
                None,
                self.baseline_payments as f64,
            ),
            (
                "cpu",
                "CPU time of the channels' phase so far",
                Some(&Unit::Seconds),
                self.cpu_ns as f64 / 1e9,
            ),
        ]
    }

    fn gauges(&self) -> Vec<Plain> {
        let planned = self.planned.map(|planned| {
            let help = "Payments that the run will make, those before a restart among them";
            ("payments_planned", help, None, planned as f64)
        });
        let gauges = [
            (
                "elapsed",
                "Time of the channels' phase so far",
                Some(&Unit::Seconds),
                self.elapsed.as_secs_f64(),
            ),
            (
                "resident_memory",
                "Memory that the process holds",
                Some(&Unit::Bytes),
                machine::rss_bytes() as f64,
            ),
        ];
        planned.into_iter().chain(gauges).collect()
    }
}

/// The figures as they are whenever somebody asks.
#[derive(Debug)]
struct Now(Arc<Mutex<Figures>>);

/// The metrics of these figures, as text.
pub(super) fn text(figures: &Arc<Mutex<Figures>>) -> String {
    let mut registry = Registry::with_prefix("duet");
    registry.register_collector(Box::new(Now(figures.clone())));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("writing to memory cannot fail");
    text
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let figures = self.0.lock().expect("telling figures does not panic");
        let info = Info::new(figures.run.clone());
        info.encode(encoder.encode_descriptor(
            "run",
            "What the run was asked for",
            None,
            MetricType::Info,
        )?)?;
        for (name, help, unit, value) in figures.counters() {
            let descriptor = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
            ConstCounter::new(value).encode(descriptor)?;
        }
        for (name, help, unit, value) in figures.gauges() {
            let descriptor = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            ConstGauge::new(value).encode(descriptor)?;
        }
        let mut descriptor = encoder.encode_descriptor(
            "payment_latency",
            "From a payment's send, actual (service) or due (response), to its co-signed state",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        if let Some(latencies) = &figures.latencies {
            for (kind, latency) in [
                ("service", &latencies.service),
                ("response", &latencies.response),
            ] {
                let (sum_s, count, buckets) = buckets(latency);
                descriptor
                    .encode_family(&[("kind", kind)])?
                    .encode_histogram::<[(&str, &str); 0]>(sum_s, count, &buckets, None)?;
            }
        }
        Ok(())
    }
}

/// The sum in seconds, how many there are, and how many in each bucket by its upper bound in
/// seconds. A latency next to a bound may be one bucket lower, by the histogram's three digits.
fn buckets(latency: &Latency) -> (f64, u64, Vec<(f64, u64)>) {
    let histogram = latency.histogram();
    let mut below = 0;
    let mut buckets: Vec<(f64, u64)> = BOUNDS_US
        .iter()
        .map(|bound_us| {
            let up_to = histogram.count_between(0, bound_us * 1_000);
            let inside = up_to - below;
            below = up_to;
            (*bound_us as f64 / 1e6, inside)
        })
        .collect();
    buckets.push((f64::INFINITY, histogram.len() - below));
    let sum_s = match histogram.is_empty() {
        true => 0.0,
        false => histogram.mean() * histogram.len() as f64 / 1e9,
    };
    (sum_s, histogram.len(), buckets)
}
