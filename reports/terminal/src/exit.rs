//! The one table of exit codes that all of Duet's binaries share.

use std::process::{ExitCode, Termination};

/// How a binary ended. `main` can return it directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// The machine failed: disk, memory. Nothing acknowledged was lost.
    MachineFault = 1,
    /// Options or input files that cannot be used; clap's own usage errors exit so too.
    BadInput = 2,
    /// The run failed one of its own checks, or could not hold the offered rate.
    Invalid = 3,
    /// Stored data did not match its checksums or chains and was refused.
    StoredDataRefused = 4,
    /// A comparison whose noise hides the answer.
    Inconclusive = 5,
    /// A regression, or an objective that was missed.
    Regression = 6,
    /// Stopped by hand.
    Interrupted = 130,
}

/// The table for a binary's `--help`.
pub const EXIT_CODES_HELP: &str = "\
Exit codes:
    0  ok                       4  stored data refused
    1  machine fault            5  inconclusive
    2  bad input                6  regression, or objective missed
    3  run INVALID            130  interrupted";

impl Exit {
    /// The code the operating system sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What a program of Duet meant by a code; a code outside the table is a crash's.
    #[must_use]
    pub fn of_code(code: i32) -> Option<Self> {
        let all = [
            Self::Ok,
            Self::MachineFault,
            Self::BadInput,
            Self::Invalid,
            Self::StoredDataRefused,
            Self::Inconclusive,
            Self::Regression,
            Self::Interrupted,
        ];
        all.into_iter().find(|exit| i32::from(exit.code()) == code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_documented_ones() {
        let table = [
            (Exit::Ok, 0),
            (Exit::MachineFault, 1),
            (Exit::BadInput, 2),
            (Exit::Invalid, 3),
            (Exit::StoredDataRefused, 4),
            (Exit::Inconclusive, 5),
            (Exit::Regression, 6),
            (Exit::Interrupted, 130),
        ];
        for (exit, code) in table {
            assert_eq!(exit.code(), code, "{exit:?}");
            assert_eq!(Exit::of_code(code.into()), Some(exit));
            assert!(EXIT_CODES_HELP.contains(&format!("{code}  ")), "{exit:?}");
        }
        assert_eq!(Exit::of_code(101), None);
    }
}
