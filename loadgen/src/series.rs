//! A run's course: samples over time for the run file, and the rate between opening and closing.

use std::time::Duration;

use duet_engine::pipeline::Snapshot;
use duet_run_file::run_file::Sample;

/// Samples that a run file keeps at most; beyond, every second one is dropped.
const MOST_SAMPLES: usize = 600;

/// A run's course over time, thinned out as it grows.
pub struct Series {
    samples: Vec<Sample>,
    every: Duration,
    next: Duration,
    /// Finer than the samples, for the steady rate of short runs too.
    points: Vec<(f64, u64)>,
}

impl Series {
    /// An empty series, a sample a second at first.
    #[must_use]
    pub fn new() -> Series {
        Series {
            samples: Vec::new(),
            every: Duration::from_secs(1),
            next: Duration::from_secs(1),
            points: vec![(0.0, 0)],
        }
    }

    /// Takes a snapshot in, if it is time for a sample.
    pub fn observe(&mut self, snapshot: &Snapshot) {
        let t_s = snapshot.elapsed.as_secs_f64();
        if self.points.len() < 1_000_000 {
            self.points.push((t_s, snapshot.payments));
        }
        if snapshot.elapsed < self.next {
            return;
        }
        self.next = snapshot.elapsed + self.every;
        let (last_s, last_payments) = self
            .samples
            .last()
            .map_or((0.0, 0), |last| (last.t_s, last.payments));
        self.samples.push(Sample {
            t_s,
            payments: snapshot.payments,
            payments_per_s: (snapshot.payments - last_payments) as f64 / (t_s - last_s),
            l1_transactions: snapshot.l1_transactions,
            cpu_s: snapshot.cpu_ns as f64 / 1e9,
        });
        if self.samples.len() > MOST_SAMPLES {
            self.thin();
        }
    }

    fn thin(&mut self) {
        let mut kept: Vec<Sample> = Vec::with_capacity(MOST_SAMPLES);
        for sample in self.samples.drain(..).skip(1).step_by(2) {
            let (last_s, last_payments) = kept
                .last()
                .map_or((0.0, 0), |last| (last.t_s, last.payments));
            let payments_per_s = (sample.payments - last_payments) as f64 / (sample.t_s - last_s);
            kept.push(Sample {
                payments_per_s,
                ..sample
            });
        }
        self.samples = kept;
        self.every *= 2;
    }

    /// The samples.
    #[must_use]
    pub fn into_samples(self) -> Vec<Sample> {
        self.samples
    }

    /// The rate over the middle of the run, from a tenth to nine tenths of its payments: opening
    /// and closing left out. `None` if the run was too short to tell.
    #[must_use]
    pub fn steady_payments_per_s(&self, payments: u64) -> Option<f64> {
        let reaches = |part: u64| self.points.iter().find(|(_, done)| *done >= part);
        let tenth = Some(payments / 10).filter(|tenth| *tenth > 0)?;
        let (from_s, from) = reaches(tenth)?;
        let (to_s, to) = reaches(payments - tenth)?;
        (to_s - from_s >= 1.0).then(|| (to - from) as f64 / (to_s - from_s))
    }
}

impl Default for Series {
    fn default() -> Series {
        Series::new()
    }
}
