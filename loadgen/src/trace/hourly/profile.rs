//! Reads an hourly profile: how many operations of each kind an operator saw in each hour, and the
//! average and standard deviation of their amounts. Checks every line; chooses nothing.

use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
};

use duet_terminal::input::{self, Limit, Reading};

use crate::trace::{error::shown, parse::quoted_fields};

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

/// The kinds of operation that mobile-money profiles have. Who pays whom is known of these only.
pub(super) const ACTIONS: [&str; 5] = ["CASH_IN", "CASH_OUT", "DEBIT", "PAYMENT", "TRANSFER"];

/// The operations of one kind in one hour.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hour {
    /// As [`action_name`] spells it.
    pub(super) action: String,
    /// Its line in the profile, from 1.
    pub(super) line: usize,
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
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file cannot be opened, or is too large to be one. Bad input.
    #[error("cannot open the hourly profile '{path}': {source}")]
    Open {
        /// The file's path as given.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Reading stopped half-way. The machine's fault.
    #[error("reading the hourly profile '{path}' failed: {source}")]
    Read {
        /// The file's path as given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A line is wrong. Bad input.
    #[error("hourly profile '{path}', line {line}: {reason}")]
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
            header(line).map_err(|reason| (number, reason))?;
        } else if !line.is_empty() {
            let hour = hour(line, number).map_err(|reason| (number, reason))?;
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

/// An action in the profile's own spelling: `cash-in`, `Cash In` and `CASHIN` are `CASH_IN`. What
/// is none of [`ACTIONS`] is in capitals, its words parted by `_`.
pub(super) fn action_name(text: &str) -> String {
    let letters = |text: &str| -> String {
        let kept = text.chars().filter(|letter| letter.is_alphanumeric());
        kept.flat_map(char::to_uppercase).collect()
    };
    let of_text = letters(text);
    if let Some(action) = ACTIONS.iter().find(|action| letters(action) == of_text) {
        return (*action).to_owned();
    }
    let parted = |letter| match letter {
        '-' | ' ' => '_',
        letter => letter,
    };
    text.trim().to_uppercase().chars().map(parted).collect()
}

/// The fields of a line, without the spaces around them and, by RFC 4180, without quotation marks.
fn fields(line: &str) -> Result<Vec<String>, String> {
    let fields = quoted_fields(line.as_bytes()).map_err(|error| error.to_string())?;
    let text = |field: Cow<'_, [u8]>| String::from_utf8_lossy(&field).into_owned();
    Ok(fields.into_iter().map(text).collect())
}

fn header(line: &str) -> Result<(), String> {
    let found = fields(line).unwrap_or_default().join(",");
    if found.eq_ignore_ascii_case(PROFILE_HEADER) {
        return Ok(());
    }
    let found = shown(line.as_bytes());
    Err(format!(
        "expected the header '{PROFILE_HEADER}', found '{found}'"
    ))
}

fn hour(line: &str, number: usize) -> Result<Hour, String> {
    let fields = fields(line)?;
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
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
        action: action_name(action),
        line: number,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_any_ending() {
        let text = format!("\u{feff}{PROFILE_HEADER}\r\nPAY,10,0,1,2,30.5,15.25,0.0,1\r\n\r\n");
        let expected = Hour {
            action: "PAY".to_owned(),
            line: 2,
            step: 1,
            operations: 2,
            average: 15.25,
            deviation: 0.0,
        };
        assert_eq!(hours(text.as_bytes()), Ok(vec![expected]));
    }

    #[test]
    fn actions_are_known_however_they_are_spelt() {
        for (text, action) in [
            ("CASH_IN", "CASH_IN"),
            ("cash-in", "CASH_IN"),
            ("Cash In", "CASH_IN"),
            ("CashOut", "CASH_OUT"),
            ("transfer", "TRANSFER"),
            ("Payment ", "PAYMENT"),
            ("air-time", "AIR_TIME"),
            ("P2P", "P2P"),
        ] {
            assert_eq!(action_name(text), action, "{text}");
        }
    }

    #[test]
    fn reads_what_spreadsheets_and_r_write() {
        let quoted: Vec<String> = PROFILE_HEADER
            .split(',')
            .map(|column| format!("\"{column}\""))
            .collect();
        let header = quoted.join(",");
        for (text, action) in [
            (
                format!("{header}\r\n\"cash-in\",10,0,1,2,30,15,1,1\r\n"),
                "CASH_IN",
            ),
            (
                format!(
                    "{}\n\" PAYMENT\",\"10\",0,1,2,30,15,1,1\n",
                    header.to_uppercase()
                ),
                "PAYMENT",
            ),
        ] {
            let hours = hours(text.as_bytes()).unwrap();
            assert_eq!(hours.len(), 1, "{text}");
            assert_eq!(hours[0].action, action, "{text}");
        }
        // Two spellings of one action in one hour are one hour too many.
        let twice =
            format!("{PROFILE_HEADER}\ncash-in,10,0,1,2,30,15,1,1\nCASH_IN,10,0,1,2,30,15,1,1\n");
        let (line, reason) = hours(twice.as_bytes()).unwrap_err();
        assert_eq!(line, 3);
        assert!(reason.contains("CASH_IN already has an hour"), "{reason}");
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
