//! How far something is, on standard error: a bar with rate and time left where that is a terminal,
//! and a line every few seconds where it is not.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::human;
use crate::process::Underway;
use crate::say::say;
use crate::threads;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Nothing is said of what takes less.
const FIRST_LINE: Duration = Duration::from_secs(2);
/// Between two lines.
const EVERY: Duration = Duration::from_secs(5);

/// Where progress is shown.
enum Shown {
    Nowhere,
    Bar,
    Lines(Pace),
}

impl Shown {
    fn new(quiet: bool) -> Shown {
        match (quiet, io::stderr().is_terminal()) {
            (true, _) => Shown::Nowhere,
            (false, true) => Shown::Bar,
            (false, false) => Shown::Lines(Pace::new()),
        }
    }

    fn target(&self) -> ProgressDrawTarget {
        match self {
            Shown::Bar => ProgressDrawTarget::stderr_with_hz(5),
            Shown::Nowhere | Shown::Lines(_) => ProgressDrawTarget::hidden(),
        }
    }

    /// Says the line, if lines are shown and it is time for one.
    fn line(&self, line: impl FnOnce(Duration) -> String) {
        if let Shown::Lines(pace) = self
            && pace.is_due()
        {
            say(line(pace.begin.elapsed()));
        }
    }
}

/// When the next line is due.
struct Pace {
    begin: Instant,
    next: Cell<Duration>,
}

impl Pace {
    fn new() -> Pace {
        Pace {
            begin: Instant::now(),
            next: Cell::new(FIRST_LINE),
        }
    }

    fn is_due(&self) -> bool {
        let elapsed = self.begin.elapsed();
        let is_due = elapsed >= self.next.get();
        if is_due {
            self.next.set(elapsed + EVERY);
        }
        is_due
    }
}

/// `30 % of 4 M payments, 482 k/s, 6 s left`; of an unknown total, what was done.
fn course(done: u64, total: u64, elapsed: Duration, lasts: Option<Duration>) -> String {
    let rate = done as f64 / elapsed.as_secs_f64();
    if total == 0 {
        let done = human::counted(done, "payment");
        return format!("{done}, {}/s", human::figure(rate));
    }
    let left_s = total.saturating_sub(done) as f64 / rate;
    let left_s = match lasts.map(|lasts| lasts.saturating_sub(elapsed).as_secs_f64()) {
        Some(planned_s) => left_s.min(planned_s),
        None => left_s,
    };
    let left = match left_s.is_finite() {
        true => format!(", {} left", human::seconds(left_s.round())),
        false => String::new(),
    };
    format!(
        "{:.0} % of {}, {}/s{left}",
        100.0 * done as f64 / total as f64,
        human::counted(total, "payment"),
        human::figure(rate),
    )
}

/// Whether a [`Bar::with_figures`] shows them: on a terminal, and not when `quiet`.
#[must_use]
pub fn has_figures(quiet: bool) -> bool {
    matches!(Shown::new(quiet), Shown::Bar)
}

/// The bar of one phase, with a line of figures below it if there are any.
pub struct Bar {
    bar: ProgressBar,
    phase: &'static str,
    total: u64,
    lasts: Option<Duration>,
    shown: Shown,
    figures: RefCell<String>,
}

impl Bar {
    /// A bar that ends at `total` payments. Nothing is shown when `quiet`.
    #[must_use]
    pub fn new(phase: &'static str, total: u64, quiet: bool) -> Bar {
        Bar::of(phase, total, None, quiet, "")
    }

    /// A bar that ends at `total` payments, or when it has lasted as long as it may, with a line of
    /// figures below it. Nothing is shown when `quiet`.
    #[must_use]
    pub fn with_figures(
        phase: &'static str,
        total: u64,
        lasts: Option<Duration>,
        quiet: bool,
    ) -> Bar {
        Bar::of(phase, total, lasts, quiet, "\n  {msg}")
    }

    fn of(
        phase: &'static str,
        total: u64,
        lasts: Option<Duration>,
        quiet: bool,
        below: &str,
    ) -> Bar {
        let shown = Shown::new(quiet);
        let bar = ProgressBar::with_draw_target(Some(total), shown.target());
        let template = format!(
            "{{prefix:>9}} {{wide_bar}} {{percent}} % of {{total}} payments, {{rate:>7}}/s, \
             {{left}} left{below}"
        );
        let style = ProgressStyle::with_template(&template)
            .expect("a constant template")
            .with_key(
                "total",
                |state: &ProgressState, out: &mut dyn fmt::Write| {
                    let _ = out.write_str(&human::figure(state.len().unwrap_or(0) as f64));
                },
            )
            .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = out.write_str(&human::figure(state.per_sec()));
            })
            .with_key(
                "left",
                move |state: &ProgressState, out: &mut dyn fmt::Write| {
                    let planned = lasts.map(|lasts| lasts.saturating_sub(state.elapsed()));
                    let left = planned.map_or(state.eta(), |planned| planned.min(state.eta()));
                    let _ = out.write_str(&human::seconds(left.as_secs_f64().round()));
                },
            );
        bar.set_style(style);
        bar.set_prefix(phase);
        Bar {
            bar,
            phase,
            total,
            lasts,
            shown,
            figures: RefCell::default(),
        }
    }

    /// Whether figures are shown.
    #[must_use]
    pub fn has_figures(&self) -> bool {
        matches!(self.shown, Shown::Bar)
    }

    /// The figures that stand below it from now on.
    pub fn figures(&self, figures: String) {
        self.figures.replace(figures);
    }

    /// Moves it, and says what is done beside paying, if anything.
    pub fn at(&self, payments: u64, beside: &'static str) {
        self.bar.set_position(payments);
        if self.has_figures() {
            let figures = self.figures.borrow();
            let parts = [beside, figures.as_str()];
            let parts = parts.into_iter().filter(|part| !part.is_empty());
            self.bar.set_message(parts.collect::<Vec<_>>().join(": "));
        }
        self.shown.line(|elapsed| {
            let course = course(payments, self.total, elapsed, self.lasts);
            let beside = if beside.is_empty() { "" } else { ": " }.to_owned() + beside;
            format!("{}{beside}: {course}", self.phase)
        });
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Runs of many, one after the other.
pub struct Steps {
    bar: ProgressBar,
    lines: Lines,
}

impl Steps {
    /// A bar that ends at `total` runs, or turns where nobody knows how many there will be. Nothing
    /// is shown when `quiet`.
    #[must_use]
    pub fn new(total: Option<u64>, quiet: bool) -> Steps {
        let shown = Shown::new(quiet);
        let bar = ProgressBar::with_draw_target(total, shown.target());
        let style = ProgressStyle::with_template(match total {
            Some(_) => "{wide_bar} {pos}/{len} runs{msg}",
            None => "{spinner} {msg} ({elapsed} in all)",
        });
        bar.set_style(style.expect("a constant template"));
        keep_ticking(&bar, Duration::from_millis(200));
        let lines = Lines::new(&shown);
        Steps { bar, lines }
    }

    /// Something goes on, nobody knows for how long.
    pub fn say(&self, message: String) {
        let line = message.clone();
        self.lines.go_on(move |elapsed| {
            let elapsed = human::seconds(elapsed.as_secs_f64().round());
            format!("{line} ({elapsed} in all)")
        });
        self.bar.set_message(message);
    }

    /// A run begins; it and those after it take about `left`.
    pub fn begin(&self, what: impl fmt::Display, left: Duration) {
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let line = format!("run {} of {total}", done + 1);
        let (what, before) = (format!(": {what}"), self.lines.elapsed());
        let said = what.clone();
        self.lines.go_on(move |elapsed| {
            let left = left.saturating_sub(elapsed.saturating_sub(before));
            format!("{line}{}{said}", time_left(left))
        });
        self.bar.set_message(time_left(left) + &what);
    }

    /// Prints above it.
    pub fn above(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// A run has ended.
    pub fn end(&self) {
        self.bar.inc(1);
    }

    /// Takes it away.
    pub fn clear(&self) {
        self.lines.end();
        self.bar.finish_and_clear();
    }
}

/// `, 57 s left`; nothing where it should have ended.
fn time_left(left: Duration) -> String {
    match left.as_secs_f64().round() {
        0.0 => String::new(),
        seconds => format!(", {} left", human::seconds(seconds)),
    }
}

/// What goes on, said every few seconds for as long as it does, where lines are shown.
struct Lines(Option<Arc<Mutex<GoesOn>>>);

struct GoesOn {
    pace: Pace,
    line: Option<Box<dyn Fn(Duration) -> String + Send>>,
}

impl Lines {
    fn new(shown: &Shown) -> Lines {
        if !matches!(shown, Shown::Lines(_)) {
            return Lines(None);
        }
        let goes_on = Arc::new(Mutex::new(GoesOn {
            pace: Pace::new(),
            line: None,
        }));
        let said = Arc::downgrade(&goes_on);
        // Without a thread it is said when something else begins.
        drop(threads::start("progress", move || {
            while let Some(goes_on) = said.upgrade() {
                GoesOn::say(&goes_on);
                drop(goes_on);
                std::thread::sleep(Duration::from_millis(200));
            }
        }));
        Lines(Some(goes_on))
    }

    fn elapsed(&self) -> Duration {
        let begin = |goes_on: &Arc<Mutex<GoesOn>>| GoesOn::of(goes_on).pace.begin.elapsed();
        self.0.as_ref().map_or(Duration::ZERO, begin)
    }

    /// Something else goes on now.
    fn go_on(&self, line: impl Fn(Duration) -> String + Send + 'static) {
        if let Some(goes_on) = &self.0 {
            GoesOn::of(goes_on).line = Some(Box::new(line));
            GoesOn::say(goes_on);
        }
    }

    /// Nothing goes on any more.
    fn end(&self) {
        if let Some(goes_on) = &self.0 {
            GoesOn::of(goes_on).line = None;
        }
    }
}

impl GoesOn {
    fn of(goes_on: &Mutex<GoesOn>) -> MutexGuard<'_, GoesOn> {
        goes_on.lock().expect("saying something does not panic")
    }

    fn say(goes_on: &Mutex<GoesOn>) {
        let goes_on = GoesOn::of(goes_on);
        if let Some(line) = &goes_on.line
            && goes_on.pace.is_due()
        {
            say(line(goes_on.pace.begin.elapsed()));
        }
    }
}

/// Draws a bar again and again, as long as there is one. Where the system starts no thread for
/// that, it stands still: indicatif's own way would panic.
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

/// Steps that are measured. It speaks between them, never during one: a ticking bar is work that
/// the machine would do meanwhile.
pub struct StillBar {
    bar: ProgressBar,
    shown: Shown,
}

impl StillBar {
    /// Nothing is shown when `quiet`.
    #[must_use]
    pub fn new(quiet: bool) -> StillBar {
        let shown = Shown::new(quiet);
        let bar = ProgressBar::with_draw_target(None, shown.target());
        bar.set_style(ProgressStyle::with_template("{msg}").expect("a constant template"));
        StillBar { bar, shown }
    }

    /// Begins to count up to `total` of what is called `unit`.
    pub fn count(&self, total: u64, unit: &'static str) {
        let template = "{pos} of {len} {prefix} {wide_bar} {eta_precise} left, {msg}";
        let style = ProgressStyle::with_template(template);
        self.bar.set_style(style.expect("a constant template"));
        self.bar.set_prefix(unit);
        self.bar.set_length(total);
        self.bar.reset_eta();
    }

    /// So many are done, and `what` goes on.
    pub fn at(&self, done: u64, what: &str) {
        self.bar.set_position(done);
        self.bar.set_message(what.to_owned());
        let (total, unit) = (self.bar.length().unwrap_or(0), self.bar.prefix());
        self.shown
            .line(|_| format!("{done} of {total} {unit}: {what}"));
    }

    /// A child process does `what`, which takes long and is not measured.
    pub fn wait(&self, what: &str, underway: &Underway<'_>) {
        let text = || {
            let line = underway.last_line();
            let comma = if line.is_empty() { "" } else { ", " };
            let seconds = human::seconds(underway.elapsed().as_secs() as f64);
            format!("{what}: {seconds}{comma}{line}")
        };
        self.shown.line(|_| text());
        if !self.bar.is_hidden() {
            self.bar.set_message(text());
        }
    }

    /// Says something beside it, unless it is quiet.
    pub fn say(&self, line: impl fmt::Display) {
        if !matches!(self.shown, Shown::Nowhere) {
            self.bar.suspend(|| say(line));
        }
    }
}

impl Drop for StillBar {
    /// Leaves no half-drawn bar beside a result or a message.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        for (done, total, lasts, line) in [
            (0, 4_000_000, None, "0 % of 4 M payments, 0/s"),
            (
                1_200_000,
                4_000_000,
                None,
                "30 % of 4 M payments, 600 k/s, 5 s left",
            ),
            (
                1_200_000,
                4_000_000,
                Some(3),
                "30 % of 4 M payments, 600 k/s, 1 s left",
            ),
            (
                4_000_000,
                4_000_000,
                Some(60),
                "100 % of 4 M payments, 2 M/s, 0 s left",
            ),
            (500, 0, None, "500 payments, 250/s"),
        ] {
            let lasts = lasts.map(Duration::from_secs);
            assert_eq!(course(done, total, Duration::from_secs(2), lasts), line);
        }
    }

    #[test]
    fn lines_keep_their_distance() {
        let pace = Pace::new();
        assert!(!pace.is_due(), "nothing is said of what is short");
        pace.next.set(Duration::ZERO);
        assert!(pace.is_due());
        assert!(!pace.is_due());
    }
}
