//! How far a run is: a bar with rate and time left, on standard error when that is a terminal.

use std::fmt;
use std::time::Duration;

use duet_engine::pipeline::Snapshot;
use duet_reports::human;
use duet_reports::run_file::Sample;
use duet_reports::threads;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Samples that a run file keeps at most; beyond, every second one is dropped.
const MOST_SAMPLES: usize = 600;

/// The bar of one phase.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar that ends at `total` payments. Hidden when `quiet`, or when standard error is no
    /// terminal.
    #[must_use]
    pub fn new(phase: &'static str, total: u64, quiet: bool) -> Bar {
        let bar = ProgressBar::new(total);
        bar.set_draw_target(if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(5)
        });
        let template = "{prefix:>9} {wide_bar} {human_pos}/{human_len} payments, \
                        {rate:>8}/s, {eta} left {msg}";
        let style = ProgressStyle::with_template(template)
            .expect("a constant template")
            .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = out.write_str(&human::figure(state.per_sec()));
            });
        bar.set_style(style);
        bar.set_prefix(phase);
        Bar(bar)
    }

    /// Moves it.
    pub fn at(&self, payments: u64) {
        self.0.set_position(payments);
    }

    /// Says something beside it.
    pub fn say(&self, message: impl Into<std::borrow::Cow<'static, str>>) {
        self.0.set_message(message);
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Runs of many, of much the same length.
pub struct Steps(ProgressBar);

impl Steps {
    /// A bar that ends at `total` runs. Hidden when `quiet`, or when standard error is no terminal.
    #[must_use]
    pub fn new(total: u64, quiet: bool) -> Steps {
        let bar = ProgressBar::new(total);
        bar.set_draw_target(if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(5)
        });
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} runs, {eta} left  {msg}");
        bar.set_style(style.expect("a constant template"));
        keep_ticking(&bar, Duration::from_millis(500));
        Steps(bar)
    }

    /// A run begins.
    pub fn begin(&self, what: impl Into<std::borrow::Cow<'static, str>>) {
        self.0.set_message(what);
    }

    /// Prints above it.
    pub fn above(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    /// A run has ended.
    pub fn end(&self) {
        self.0.inc(1);
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Draws a bar again and again, as long as there is one. Where the system starts no thread for that, it
/// stands still: indicatif's own way would panic.
fn keep_ticking(bar: &ProgressBar, every: Duration) {
    if bar.is_hidden() {
        return;
    }
    let shown = bar.downgrade();
    let tick = move || {
        while let Some(bar) = shown.upgrade().filter(|bar| !bar.is_finished()) {
            bar.tick();
            drop(bar);
            std::thread::sleep(every);
        }
    };
    drop(threads::start("progress", tick));
}

/// What goes on, where it is not known how long it will take.
pub struct Spinner(ProgressBar);

impl Spinner {
    /// Hidden when `quiet`, or when standard error is no terminal.
    #[must_use]
    pub fn new(quiet: bool) -> Spinner {
        let spinner = ProgressBar::new_spinner();
        spinner.set_draw_target(if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(5)
        });
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed} in all)");
        spinner.set_style(style.expect("a constant template"));
        keep_ticking(&spinner, Duration::from_millis(200));
        Spinner(spinner)
    }

    /// What goes on now.
    pub fn say(&self, message: impl Into<std::borrow::Cow<'static, str>>) {
        self.0.set_message(message);
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

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
        let (from_s, from) = reaches(payments / 10)?;
        let (to_s, to) = reaches(payments - payments / 10)?;
        (to_s - from_s >= 1.0).then(|| (to - from) as f64 / (to_s - from_s))
    }
}

impl Default for Series {
    fn default() -> Series {
        Series::new()
    }
}
