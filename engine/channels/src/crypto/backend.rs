//! Which code does the elliptic-curve work: chosen once, dispatched once per batch.

use std::fmt;
use std::str::FromStr;

use duet_lanes::{Lanes, Unit};

/// What the user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// The fastest one that this build and this machine have.
    #[default]
    Auto,
    /// Library code: curve25519-dalek, which picks its own vector kernels at run time.
    Dalek,
    /// Eight signatures side by side, on the machine's widest vector unit.
    Lanes,
    /// The same on this unit.
    LanesOf(Unit),
}

/// What does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Library code: curve25519-dalek.
    Dalek,
    /// Our own lanes, with the proof that this machine has them.
    Lanes(Lanes),
}

/// The back end that was asked for cannot run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "back end '{}' needs {}, which this machine lacks: expected auto, dalek or lanes",
    of_unit(*.unit), .unit.needs()
)]
pub struct BackendUnavailable {
    /// The unit that this machine lacks.
    pub unit: Unit,
}

const EXPECTED: &str = "auto, dalek, lanes, lanes/avx512-ifma, lanes/avx2-fma or lanes/plain";

impl Backend {
    /// Resolves a choice on this machine. `auto` takes lanes on a vector unit, and the library
    /// where there is none: plain lanes are slower.
    ///
    /// # Errors
    /// If the choice names a back end that this machine cannot run.
    pub fn select(choice: BackendChoice) -> Result<Backend, BackendUnavailable> {
        match choice {
            BackendChoice::Auto if Lanes::detect().unit() == Unit::Plain => Ok(Backend::Dalek),
            BackendChoice::Auto | BackendChoice::Lanes => Ok(Backend::Lanes(Lanes::detect())),
            BackendChoice::Dalek => Ok(Backend::Dalek),
            BackendChoice::LanesOf(unit) => Lanes::of(unit)
                .map(Backend::Lanes)
                .ok_or(BackendUnavailable { unit }),
        }
    }

    /// All that this machine can run.
    #[must_use]
    pub fn all() -> Vec<Backend> {
        let lanes = Lanes::all().into_iter().map(Backend::Lanes);
        [Backend::Dalek].into_iter().chain(lanes).collect()
    }

    /// Why this one came of a choice, in words.
    #[must_use]
    pub const fn reason(self, choice: BackendChoice) -> &'static str {
        match (choice, self) {
            (BackendChoice::Auto, Backend::Dalek) => {
                "library code, several times slower: no AVX2 and FMA here"
            }
            (BackendChoice::Auto, Backend::Lanes(lanes)) => match lanes.unit() {
                Unit::Avx512Ifma => "AVX-512 IFMA",
                Unit::Avx2Fma => "no AVX-512 IFMA here",
                Unit::Plain => "no vector unit",
            },
            (BackendChoice::Dalek, _) => "library code, as asked for",
            (BackendChoice::Lanes | BackendChoice::LanesOf(_), _) => "as asked for",
        }
    }

    /// The name under which the run file records it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Backend::Dalek => "dalek",
            Backend::Lanes(lanes) => of_unit(lanes.unit()),
        }
    }
}

const fn of_unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Avx512Ifma => "lanes/avx512-ifma",
        Unit::Avx2Fma => "lanes/avx2-fma",
        Unit::Plain => "lanes/plain",
    }
}

impl FromStr for BackendChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<BackendChoice, String> {
        match name {
            "auto" => Ok(BackendChoice::Auto),
            "dalek" => Ok(BackendChoice::Dalek),
            "lanes" => Ok(BackendChoice::Lanes),
            _ => Unit::ALL
                .into_iter()
                .find(|unit| of_unit(*unit) == name)
                .map(BackendChoice::LanesOf)
                .ok_or_else(|| format!("'{name}' is not a back end: expected {EXPECTED}")),
        }
    }
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackendChoice::Auto => "auto",
            BackendChoice::Dalek => "dalek",
            BackendChoice::Lanes => "lanes",
            BackendChoice::LanesOf(unit) => of_unit(*unit),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_back_end_is_chosen_by_its_name() {
        for backend in Backend::all() {
            let choice: BackendChoice = backend.name().parse().expect("a back end's name");
            assert_eq!(choice.to_string(), backend.name());
            assert_eq!(Backend::select(choice), Ok(backend));
        }
    }

    #[test]
    fn who_asks_for_lanes_gets_the_best_and_who_asks_for_none_gets_no_plain_ones() {
        let best = Backend::Lanes(Lanes::detect());
        assert_eq!(Backend::select(BackendChoice::Lanes), Ok(best));
        let auto = Backend::select(BackendChoice::Auto).expect("there is always one");
        assert_ne!(auto.name(), "lanes/plain");
        assert_eq!(auto == best, Lanes::detect().unit() != Unit::Plain);
    }

    #[test]
    fn what_is_missing_is_named() {
        let unavailable = BackendUnavailable {
            unit: Unit::Avx512Ifma,
        };
        assert_eq!(
            unavailable.to_string(),
            "back end 'lanes/avx512-ifma' needs AVX-512 F, BW, DQ, VL and IFMA, which this machine \
             lacks: expected auto, dalek or lanes"
        );
    }
}
