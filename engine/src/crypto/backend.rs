//! Which code does the elliptic-curve work: chosen once, dispatched once per batch.

use std::fmt;
use std::str::FromStr;

use duet_lanes::Lanes;

/// What the user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// The fastest one that this build and this machine have.
    #[default]
    Auto,
    /// Library code: curve25519-dalek, which picks its own vector kernels at run time.
    Dalek,
    /// Eight signatures side by side in AVX-512 IFMA lanes.
    Lanes,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendUnavailable {
    /// What was asked for.
    pub asked: BackendChoice,
}

impl Backend {
    /// Resolves a choice on this machine.
    ///
    /// # Errors
    /// If the choice names a back end that this machine cannot run.
    pub fn select(choice: BackendChoice) -> Result<Backend, BackendUnavailable> {
        let lanes = Lanes::detect().map(Backend::Lanes);
        match choice {
            BackendChoice::Auto => Ok(lanes.unwrap_or(Backend::Dalek)),
            BackendChoice::Dalek => Ok(Backend::Dalek),
            BackendChoice::Lanes => lanes.ok_or(BackendUnavailable { asked: choice }),
        }
    }

    /// All that this machine can run.
    #[must_use]
    pub fn all() -> Vec<Backend> {
        let lanes = Lanes::detect().map(Backend::Lanes);
        [Backend::Dalek].into_iter().chain(lanes).collect()
    }

    /// Why this one came of a choice, in words.
    #[must_use]
    pub const fn reason(self, choice: BackendChoice) -> &'static str {
        match (choice, self) {
            (BackendChoice::Auto, Backend::Dalek) => "library code: no AVX-512 IFMA here",
            (BackendChoice::Auto, Backend::Lanes(_)) => "AVX-512 IFMA",
            (BackendChoice::Dalek, _) => "library code, as asked for",
            (BackendChoice::Lanes, _) => "as asked for",
        }
    }

    /// The name under which the run file records it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Backend::Dalek => "dalek",
            Backend::Lanes(_) => "lanes",
        }
    }
}

impl fmt::Display for BackendUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "back end '{}' needs AVX-512 IFMA, which this machine lacks: expected auto or dalek",
            self.asked
        )
    }
}

impl std::error::Error for BackendUnavailable {}

impl FromStr for BackendChoice {
    type Err = String;

    fn from_str(name: &str) -> Result<BackendChoice, String> {
        match name {
            "auto" => Ok(BackendChoice::Auto),
            "dalek" => Ok(BackendChoice::Dalek),
            "lanes" => Ok(BackendChoice::Lanes),
            _ => Err(format!(
                "'{name}' is not a back end: expected auto, dalek or lanes"
            )),
        }
    }
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BackendChoice::Auto => "auto",
            BackendChoice::Dalek => "dalek",
            BackendChoice::Lanes => "lanes",
        })
    }
}
