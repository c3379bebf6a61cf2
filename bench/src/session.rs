//! The processes of a session, in the order of its schedule. Stops at the first run that fails,
//! calls itself INVALID, or measured something else than the runs before it.

use std::path::Path;

use duet_experiment::Failure;
use duet_experiment::loadgen::Loadgen;
use duet_run_file::RunFile;
use duet_run_file::terms::{Across, Difference, Terms};
use duet_terminal::Exit;

use crate::metric::Metric;
use crate::operator::Operator;
use crate::schedule::{Contender, Triple};
use crate::session_options::SessionOptions;
use crate::snapshot::Snapshot;
use crate::summary::PairValues;

/// A session that goes on for as long as its caller wants.
pub struct Session<'a> {
    options: &'a SessionOptions,
    operator: &'a Operator<'a>,
    across: Across,
    /// Holds the executables that it runs.
    snapshot: Snapshot,
    /// How many runs there will be, if that is known.
    runs: Option<usize>,
    started: usize,
    /// The warm-up runs: their terms hold for all runs; their values are not used.
    warm_ups: Vec<(RunFile, Terms)>,
    /// Every difference in terms between A and B, all of them wanted or free.
    pub differences: Vec<Difference>,
    /// Whether A and B are the same bytes.
    pub same_bytes: bool,
}

impl<'a> Session<'a> {
    /// Copies the executables, warms each contender up once, and checks that A and B may be
    /// compared. `runs` is how many runs there will be, warm-up included, if that is known.
    ///
    /// # Errors
    /// A failed run with its standard error, an INVALID run, runs of different assurance or
    /// workload, an interrupt.
    pub fn begin(
        options: &'a SessionOptions,
        [a, b]: [&Path; 2],
        runs: Option<usize>,
        operator: &'a Operator<'a>,
    ) -> Result<Self, Failure> {
        let snapshot = Snapshot::take(a, b)?;
        let same_bytes = snapshot.a_is_b()?;
        let mut session = Self {
            options,
            operator,
            across: Across::new(&options.across),
            snapshot,
            runs,
            started: 0,
            warm_ups: Vec::new(),
            differences: Vec::new(),
            same_bytes,
        };
        let (a, b) = (session.run(Contender::A)?, session.run(Contender::B)?);
        session.differences = a.1.differences(&b.1);
        session.refuse(&session.differences, "A", "B")?;
        let copy = session.run(Contender::ACopy)?;
        session.refuse(&a.1.differences(&copy.1), "A", "its copy")?;
        session.warm_ups = vec![a, b, copy];
        Ok(session)
    }

    /// The warm-up run of a contender, and its terms.
    #[must_use]
    pub fn warm_up(&self, contender: Contender) -> &(RunFile, Terms) {
        &self.warm_ups[contender.index()]
    }

    /// Says what are most likely typing errors; A and B go by these names.
    pub fn note(&self, [a, b]: [&str; 2]) {
        let bar = &self.operator.bar;
        if self.same_bytes && self.options.a_args == self.options.b_args {
            bar.say(format_args!(
                "note: {a} and {b} are the same bytes with the same options"
            ));
        }
        for key in self.across.idle(&self.differences) {
            bar.say(format_args!(
                "note: --across {key} names nothing in which A and B differ"
            ));
        }
    }

    /// Runs each contender once, in this order.
    ///
    /// # Errors
    /// As [`Session::begin`], and a run that measured something else than its contender's first.
    pub fn pair(&mut self, triple: Triple) -> Result<PairValues, Failure> {
        let mut values = PairValues::default();
        for contender in triple {
            let (run, terms) = self.run(contender)?;
            let (_, first) = self.warm_up(contender);
            let name = contender.name();
            let names = [format!("{name}'s first run"), format!("{name}'s later run")];
            self.refuse(&first.differences(&terms), &names[0], &names[1])?;
            values[contender.index()] = Metric::ALL.map(|metric| metric.of(&run));
        }
        Ok(values)
    }

    /// Refuses differences that nobody asked for, naming each with both values.
    fn refuse(&self, found: &[Difference], one: &str, other: &str) -> Result<(), Failure> {
        let unwanted = || found.iter().filter(|of| !self.across.allows(&of.key));
        if unwanted().next().is_none() {
            return Ok(());
        }
        let lines =
            unwanted().map(|Difference { key, a, b }| format!("  {key}: {one} {a}, {other} {b}\n"));
        let options = unwanted().map(|of| format!(" --across {}", of.key));
        Err(Failure::bad_input(format!(
            "{one} and {other} did not do the same, and do not compare:\n{}if such a difference is \
             what you want to measure, name it:{}",
            lines.collect::<String>(),
            options.collect::<String>()
        )))
    }

    fn run(&mut self, contender: Contender) -> Result<(RunFile, Terms), Failure> {
        let name = contender.name();
        let is_warm_up = self.started < Contender::ALL.len();
        if self.runs.is_some() {
            let warm_up = if is_warm_up { "warm-up " } else { "" };
            let bar = &self.operator.bar;
            bar.at(self.started as u64, &format!("{warm_up}{name}"));
        }
        self.started += 1;
        let of = self
            .runs
            .map_or(String::new(), |runs| format!(" of {runs}"));
        let who = format!("run {}{of} ({name})", self.started);
        let loadgen = Loadgen::named(self.snapshot.executable(contender));
        let options = self.options.run_options(contender);
        let run = loadgen.run(&who, &options, self.operator.stop)?;
        let (file, told) = (run.file, run.told);
        if !file.achieved.valid {
            let reasons = file.achieved.invalid_reasons.join("; ");
            let text = format!("{who} is INVALID: {reasons}\n{told}");
            return Err(Failure::new(Exit::Invalid, text));
        }
        let metric = self.options.metric;
        let refused = if file.resumed().is_some() {
            "went on after a restart, so that its figures are of a part of it; expected a whole \
             run: give each a --log-dir of its own"
                .to_owned()
        } else if file.achieved.interrupted {
            "says that it was interrupted, so that it did less than was asked for; expected a \
             whole run"
                .to_owned()
        } else if metric.of(&file).is_none() {
            let name = metric.name();
            format!("measured no {name}; choose another --metric or a longer workload")
        } else {
            let terms = serde_json::from_str(&run.text).map_err(|error| error.to_string());
            match terms.and_then(|value| Terms::read(&value)) {
                Ok(terms) => return Ok((file, terms)),
                Err(lacking) => format!("printed no run file: {lacking}"),
            }
        };
        Err(Failure::bad_input(format!("{who} {refused}\n{told}")))
    }
}
