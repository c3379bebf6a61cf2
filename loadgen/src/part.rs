//! A part of a run that several machines make: which of the whole's sessions it has, and what is
//! its own. Parts share nothing, and together they make the payments of the whole. Pure.

use std::fmt;
use std::str::FromStr;

use duet_engine::pipeline::Place;
use duet_run_file::run_file::{Part as Recorded, Workload};
use duet_terminal::units::parse_positive_count;
use sha2::{Digest, Sha256};

/// The most parts of a run.
const MOST_PARTS: u64 = 1 << 16;

/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 16;

/// Where jobs find their number, and how many there are: Kubernetes' indexed jobs, and Slurm.
const INDEX_VARIABLES: [&str; 2] = ["JOB_COMPLETION_INDEX", "SLURM_PROCID"];
const COUNT_VARIABLE: &str = "SLURM_NTASKS";

/// Which part of a run, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Counted from 0.
    index: u64,
    of: u64,
}

impl Part {
    fn new(index: u64, of: u64) -> Result<Part, String> {
        match index < of && of <= MOST_PARTS {
            true => Ok(Part { index, of }),
            false => Err(format!(
                "part {} of {of}: expected 1 to {of}, of at most {MOST_PARTS}",
                index.saturating_add(1)
            )),
        }
    }

    /// Of how many parts it is one.
    #[must_use]
    pub fn of(&self) -> u64 {
        self.of
    }

    /// How many it has of `count` things that are dealt to the parts in turn.
    #[must_use]
    pub fn share(&self, count: u64) -> u64 {
        count.saturating_sub(self.index).div_ceil(self.of)
    }

    /// The whole's number of its `at`th thing, both counted from 0.
    #[must_use]
    pub fn number(&self, at: u64) -> u64 {
        at * self.of + self.index
    }

    /// Its sessions, of the whole's: those whose slots it has.
    #[must_use]
    pub fn sessions(&self, sessions: u64, concurrent: u64) -> u64 {
        sessions / concurrent * self.share(concurrent) + self.share(sessions % concurrent)
    }

    /// The seed of its keys, arrivals and attacks: its own, so that no two parts draw the same.
    #[must_use]
    pub fn seed(&self, seed: u64) -> u64 {
        if self.of == 1 {
            return seed;
        }
        let mut hash = Sha256::new_with_prefix(b"duet part");
        for word in [seed, self.index, self.of] {
            hash.update(word.to_le_bytes());
        }
        let hash: [u8; 32] = hash.finalize().into();
        u64::from_le_bytes(*hash.first_chunk().expect("32 bytes are 8 and more"))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

/// Which part is asked for: `2/4`, or `auto` or `auto/4`, which leave it to the job's environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartAsked {
    /// This one.
    Given(Part),
    /// The one that the environment names, of so many, or of as many as it says.
    OfTheJob(Option<u64>),
}

impl FromStr for PartAsked {
    type Err = String;

    fn from_str(text: &str) -> Result<PartAsked, String> {
        let expected = "expected I/N such as 2/4, auto/N, or auto";
        if text == "auto" {
            return Ok(PartAsked::OfTheJob(None));
        }
        let (which, of) = text.split_once('/').ok_or(expected)?;
        let count =
            |text| parse_positive_count(text).map_err(|error| format!("{error}; {expected}"));
        let of = count(of)?;
        match which {
            "auto" => Ok(PartAsked::OfTheJob(Some(of))),
            which => Part::new(count(which)? - 1, of).map(PartAsked::Given),
        }
    }
}

impl fmt::Display for PartAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartAsked::Given(part) => part.fmt(f),
            PartAsked::OfTheJob(None) => f.write_str("auto"),
            PartAsked::OfTheJob(Some(of)) => write!(f, "auto/{of}"),
        }
    }
}

impl PartAsked {
    /// The part, with the environment's variables by name where they are needed.
    ///
    /// # Errors
    /// The variable that is missing or makes no sense, and what was expected of it.
    pub fn resolve(self, variable: impl Fn(&str) -> Option<String>) -> Result<Part, String> {
        let PartAsked::OfTheJob(of) = self else {
            return match self {
                PartAsked::Given(part) => Ok(part),
                PartAsked::OfTheJob(_) => unreachable!("the other case"),
            };
        };
        let number = |name: &str, text: String| {
            let number = text.trim().parse::<u64>();
            number.map_err(|_| format!("{self}: {name} is '{text}', expected a number"))
        };
        let Some((name, text)) = job_index(&variable) else {
            return Err(format!(
                "{self}: neither {} nor {} is set; expected one of them, or a part such as 2/4",
                INDEX_VARIABLES[0], INDEX_VARIABLES[1]
            ));
        };
        let index = number(name, text)?;
        let of = match (of, variable(COUNT_VARIABLE)) {
            (Some(of), _) => of,
            (None, Some(text)) => number(COUNT_VARIABLE, text)?,
            (None, None) => {
                return Err(format!(
                    "{self}: {COUNT_VARIABLE} is not set; expected auto/N, with the number of parts"
                ));
            }
        };
        Part::new(index, of)
            .map_err(|error| format!("{self}: {name} is {index}, counted from 0: {error}"))
    }
}

/// Which of so many machines this one is, counted from 0: as given, or as the job's environment
/// says.
///
/// # Errors
/// The value that makes no sense, and what was expected of it.
pub fn machine(
    given: Option<u64>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<u64, String> {
    if let Some(given) = given {
        return Ok(given);
    }
    let (name, text) = job_index(variable).ok_or_else(|| {
        format!(
            "expected --machine, the place of this machine among --hosts, counted from 0: neither \
             {} nor {} is set",
            INDEX_VARIABLES[0], INDEX_VARIABLES[1]
        )
    })?;
    let number = text.trim().parse();
    number.map_err(|_| format!("{name} is '{text}', expected a number"))
}

/// The first variable that a job's number is in, and its text.
fn job_index(variable: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    let mut named = INDEX_VARIABLES.into_iter();
    named.find_map(|name| Some((name, variable(name)?)))
}

/// A part within its run.
#[derive(Clone, Debug)]
pub struct PartOfRun {
    part: Part,
    run_id: String,
    one_layer_1: bool,
}

impl PartOfRun {
    /// Of the run that is this workload as a whole, by a build, from a time on.
    #[must_use]
    pub fn new(
        part: Part,
        whole: &Workload,
        build: &str,
        start_at_unix_s: Option<u64>,
    ) -> PartOfRun {
        // Machines differ in cores and in what is fast there.
        let whole = Workload {
            shards: 0,
            part: None,
            backend_asked: String::new(),
            ..whole.clone()
        };
        let text = serde_json::to_string(&(whole, build, part.of, start_at_unix_s));
        let text = text.expect("writing to memory cannot fail");
        PartOfRun {
            part,
            run_id: id(&[text.as_bytes()]),
            one_layer_1: false,
        }
    }

    /// What one machine does of a run that several do over one Layer 1, and a hash of what all of
    /// them must have been told alike.
    ///
    /// # Errors
    /// If there are too many machines.
    pub fn of_machines(
        place: Place,
        whole: &Workload,
        build: &str,
    ) -> Result<(PartOfRun, [u8; 32]), String> {
        let part = Part::new(place.machine.into(), place.machines.into())?;
        let told = Workload {
            backend_asked: String::new(),
            ..whole.clone()
        };
        let told = serde_json::to_string(&told).expect("writing to memory cannot fail");
        let part = PartOfRun {
            one_layer_1: true,
            ..PartOfRun::new(part, whole, build, None)
        };
        Ok((part, Sha256::digest(told).into()))
    }

    /// What the run file says of it.
    #[must_use]
    pub fn record(&self, began_unix_ms: u64) -> Recorded {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        Recorded {
            index: self.part.index + 1,
            of: self.part.of,
            run_id: self.run_id.clone(),
            began_unix_ms,
            one_layer_1: self.one_layer_1,
            // The name itself would tell machines apart beyond this run.
            machine_id: boot.map_or_else(
                |_| String::new(),
                |boot| id(&[b"machine", boot.trim().as_bytes(), self.run_id.as_bytes()]),
            ),
        }
    }
}

/// The first digits of a hash.
fn id(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digits = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    digits[..ID_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_from_words_and_from_a_jobs_environment() {
        let k8s = [("JOB_COMPLETION_INDEX", "0")].as_slice();
        let slurm = [("SLURM_PROCID", "3"), ("SLURM_NTASKS", "4")].as_slice();
        for (text, environment, expected) in [
            ("2/4", [].as_slice(), Ok("2/4")),
            ("1/1", &[], Ok("1/1")),
            ("4/4", slurm, Ok("4/4")),
            ("auto", slurm, Ok("4/4")),
            ("auto/8", slurm, Ok("4/8")),
            ("auto/2", k8s, Ok("1/2")),
            (
                "auto",
                k8s,
                Err("auto: SLURM_NTASKS is not set; expected auto/N"),
            ),
            (
                "auto/3",
                slurm,
                Err("auto/3: SLURM_PROCID is 3, counted from 0: part 4 of 3"),
            ),
            (
                "auto",
                &[],
                Err("auto: neither JOB_COMPLETION_INDEX nor SLURM_PROCID is set"),
            ),
            (
                "auto/2",
                &[("SLURM_PROCID", "x")],
                Err("auto/2: SLURM_PROCID is 'x', expected a"),
            ),
            (
                "0/4",
                &[],
                Err("'0' is too small: expected 1 or more; expected I/N"),
            ),
            ("5/4", &[], Err("part 5 of 4: expected 1 to 4")),
            (
                "1/65537",
                &[],
                Err("part 1 of 65537: expected 1 to 65537, of at most 65536"),
            ),
            ("2", &[], Err("expected I/N such as 2/4")),
            ("", &[], Err("expected I/N such as 2/4")),
            ("a/b", &[], Err("")),
        ] {
            let variable = |name: &str| {
                let found = environment.iter().find(|(other, _)| *other == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let found = text
                .parse::<PartAsked>()
                .and_then(|asked| asked.resolve(variable));
            match (found, expected) {
                (Ok(part), Ok(expected)) => assert_eq!(part.to_string(), expected, "{text}"),
                (Err(error), Err(expected)) => {
                    assert!(error.starts_with(expected), "{text}: {error}");
                }
                (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn every_session_is_one_parts() {
        for (sessions, concurrent, of) in [(9, 8, 8), (100, 7, 3), (64, 64, 5), (1, 1, 1)] {
            let mut found = Vec::new();
            for index in 0..of {
                let part = Part { index, of };
                let (all, at_once) = (part.sessions(sessions, concurrent), part.share(concurrent));
                found.extend((0..all).map(|session| {
                    let (generation, slot) = (session / at_once, session % at_once);
                    generation * concurrent + part.number(slot)
                }));
            }
            found.sort_unstable();
            let all: Vec<u64> = (0..sessions).collect();
            assert_eq!(
                found, all,
                "{sessions} sessions, {concurrent} at once, {of} parts"
            );
        }
    }

    #[test]
    fn parts_draw_from_seeds_of_their_own() {
        assert_eq!(Part { index: 0, of: 1 }.seed(7), 7);
        let mut seeds: Vec<u64> = (0..100)
            .flat_map(|index| [1, 2].map(|seed| Part { index, of: 100 }.seed(seed)))
            .collect();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 200);
        assert_eq!(Part { index: 0, of: 2 }.seed(1), PINNED_SEED);
    }
    const PINNED_SEED: u64 = 1_479_938_097_105_707_834;
}
