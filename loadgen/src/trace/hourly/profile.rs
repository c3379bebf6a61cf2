//! Reads an hourly profile: how many operations of each kind an operator saw in each hour, and the
//! average and standard deviation of their amounts. Checks every line; chooses nothing.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use duet_run_file::input::{self, Limit, Reading};

use crate::trace::error::shown;

/// The header line of an hourly profile.
pub const PROFILE_HEADER: &str = "action,month,day,hour,count,sum,avg,std,step";
/// A million hours, 114 years, of lines of 64 bytes.
const LIMIT: Limit = Limit {
    bytes: 1 << 26,
    kind: "an hourly profile",
};
/// 114 years.
const LARGEST_STEP: u32 = 1_000_000;
/// An average or deviation that is larger than this cannot be paid by a trace.
const LARGEST_AVERAGE: f64 = (1_u64 << 40) as f64;

/// The operations of one kind in one hour.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hour {
    pub(super) action: String,
    /// The hour, counted from the start of the profile's first month.
    pub(super) step: u32,
    /// The number of operations.
    pub(super) operations: u64,
    /// Their average amount; above zero where there are operations.
    pub(super) average: f64,
    /// The standard deviation of their amounts.
    pub(super) deviation: f64,
}

/// Why an hourly profile was not read.
#[derive(Debug)]
pub enum ProfileError {
    /// The file cannot be opened, or is too large to be one. Bad input.
    Open {
        /// The file's path as given.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Reading stopped half-way. The machine's fault.
    Read {
        /// The file's path as given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A line is wrong. Bad input.
    Line {
        /// The file's path as given.
        path: PathBuf,
        /// The line's number, counted from 1 (the header).
        line: usize,
        /// What is wrong with it, with the value found.
        reason: String,
    },
}

/// Reads every hour of every kind, in the file's order.
pub(super) fn read(path: &Path) -> Result<Vec<Hour>, ProfileError> {
    let open_error = |source| ProfileError::Open {
        path: path.to_owned(),
        source,
    };
    let _reading = Reading::begin().map_err(open_error)?;
    let file = input::open(path).map_err(open_error)?;
    let bytes = LIMIT.read(file).map_err(|source| match source.kind() {
        io::ErrorKind::FileTooLarge => open_error(source),
        _ => ProfileError::Read {
            path: path.to_owned(),
            source,
        },
    })?;
    hours(&bytes).map_err(|(line, reason)| ProfileError::Line {
        path: path.to_owned(),
        line,
        reason,
    })
}

fn hours(bytes: &[u8]) -> Result<Vec<Hour>, (usize, String)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut hours: Vec<Hour> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    // The last line's end starts no line.
    let lines = bytes
        .strip_suffix(b"\n")
        .unwrap_or(bytes)
        .split(|&byte| byte == b'\n');
    for (number, line) in (1..).zip(lines) {
        let line = str::from_utf8(line.trim_ascii())
            .map_err(|_| (number, "it is not valid UTF-8".to_owned()))?;
        if number == 1 {
            if line != PROFILE_HEADER {
                let found = shown(line.as_bytes());
                let reason = format!("expected the header '{PROFILE_HEADER}', found '{found}'");
                return Err((number, reason));
            }
        } else if !line.is_empty() {
            let hour = hour(line).map_err(|reason| (number, reason))?;
            if !seen.insert((hour.action.clone(), hour.step)) {
                let Hour { action, step, .. } = hour;
                return Err((
                    number,
                    format!("{action} already has an hour with step {step}"),
                ));
            }
            hours.push(hour);
        }
    }
    Ok(hours)
}

fn hour(line: &str) -> Result<Hour, String> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let &[
        action,
        month,
        day,
        hour,
        count,
        sum,
        average,
        deviation,
        step,
    ] = fields.as_slice()
    else {
        return Err(format!(
            "expected 9 fields ({PROFILE_HEADER}), found {}",
            fields.len()
        ));
    };
    if action.is_empty() {
        return Err("the action has no name".to_owned());
    }
    for (column, field) in [("month", month), ("day", day), ("hour", hour)] {
        integer(column, field, u32::MAX.into())?;
    }
    amount("sum", sum, f64::MAX)?;
    let operations = integer("count", count, u32::MAX.into())?;
    let average_amount = amount("avg", average, LARGEST_AVERAGE)?;
    if operations > 0 && average_amount == 0.0 {
        return Err(format!(
            "{operations} operations have an avg of '{average}': expected more"
        ));
    }
    Ok(Hour {
        action: action.to_owned(),
        step: integer("step", step, LARGEST_STEP.into())? as u32,
        operations,
        average: average_amount,
        deviation: amount("std", deviation, LARGEST_AVERAGE)?,
    })
}

fn integer(column: &str, field: &str, largest: u64) -> Result<u64, String> {
    match field.parse::<u64>() {
        Ok(value) if value <= largest => Ok(value),
        _ => {
            let field = shown(field.as_bytes());
            Err(format!(
                "{column} '{field}' is not an integer from 0 to {largest}"
            ))
        }
    }
}

fn amount(column: &str, field: &str, largest: f64) -> Result<f64, String> {
    match field.parse::<f64>() {
        Ok(value) if value >= 0.0 && value <= largest => Ok(value),
        _ => {
            let field = shown(field.as_bytes());
            Err(format!(
                "{column} '{field}' is not a number from 0 to {largest:.4e}"
            ))
        }
    }
}

impl ProfileError {
    /// Whether the machine is at fault (exit 1) and not the input (exit 2).
    pub fn is_machine_fault(&self) -> bool {
        matches!(self, Self::Read { .. })
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, source } => {
                write!(
                    f,
                    "cannot open the hourly profile '{}': {source}",
                    path.display()
                )
            }
            Self::Read { path, source } => {
                write!(
                    f,
                    "reading the hourly profile '{}' failed: {source}",
                    path.display()
                )
            }
            Self::Line { path, line, reason } => {
                write!(
                    f,
                    "hourly profile '{}', line {line}: {reason}",
                    path.display()
                )
            }
        }
    }
}

impl Error for ProfileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => Some(source),
            Self::Line { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_any_ending() {
        let text = format!("\u{feff}{PROFILE_HEADER}\r\nPAY,10,0,1,2,30.5,15.25,0.0,1\r\n\r\n");
        let expected = Hour {
            action: "PAY".to_owned(),
            step: 1,
            operations: 2,
            average: 15.25,
            deviation: 0.0,
        };
        assert_eq!(hours(text.as_bytes()), Ok(vec![expected]));
    }

    #[test]
    fn refuses_bad_lines() {
        let good = "PAY,10,0,1,2,30,15,1,1";
        for (lines, line, words) in [
            (
                "",
                1,
                "expected the header 'action,month,day,hour,count,sum,avg,std,step', found ''",
            ),
            (
                "time_s,payer,payee,amount",
                1,
                "found 'time_s,payer,payee,amount'",
            ),
            (
                "HEADER\nPAY,1",
                2,
                "expected 9 fields (action,month,day,hour,count,sum,avg,std,step), found 2",
            ),
            ("HEADER\nGOOD,7", 2, "found 10"),
            (
                "HEADER\nGOOD\n,10,0,1,2,30,15,1,2",
                3,
                "the action has no name",
            ),
            (
                "HEADER\nPAY,ten,0,1,2,30,15,1,1",
                2,
                "month 'ten' is not an integer",
            ),
            (
                "HEADER\nPAY,10,0,1,-2,30,15,1,1",
                2,
                "count '-2' is not an integer from 0 to 4294967295",
            ),
            (
                "HEADER\nPAY,10,0,1,2.5,30,15,1,1",
                2,
                "count '2.5' is not an integer",
            ),
            (
                "HEADER\nPAY,10,0,1,2,x,15,1,1",
                2,
                "sum 'x' is not a number",
            ),
            (
                "HEADER\nPAY,10,0,1,2,30,NaN,1,1",
                2,
                "avg 'NaN' is not a number",
            ),
            (
                "HEADER\nPAY,10,0,1,2,30,1e13,1,1",
                2,
                "avg '1e13' is not a number from 0 to",
            ),
            (
                "HEADER\nPAY,10,0,1,2,30,0,1,1",
                2,
                "2 operations have an avg of '0'",
            ),
            (
                "HEADER\nPAY,10,0,1,2,30,15,-1,1",
                2,
                "std '-1' is not a number from 0 to",
            ),
            (
                "HEADER\nPAY,10,0,1,2,30,15,1,1000001",
                2,
                "step '1000001' is not an integer from 0 to 1000000",
            ),
            (
                "HEADER\nGOOD\nGOOD",
                3,
                "PAY already has an hour with step 1",
            ),
        ] {
            let text = lines
                .replace("HEADER", PROFILE_HEADER)
                .replace("GOOD", good);
            let (found_line, reason) = hours(text.as_bytes()).unwrap_err();
            assert!(reason.contains(words), "{lines}: {reason}");
            assert_eq!(found_line, line, "{lines}");
        }
        let (line, reason) = hours(b"\xff\xfe").unwrap_err();
        assert_eq!((line, reason.as_str()), (1, "it is not valid UTF-8"));
    }
}
