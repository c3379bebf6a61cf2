//! Every reason for which a trace is refused, each with the line and the value that is wrong.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use super::{HEADER, LARGEST_AMOUNT, LARGEST_PAIR_TOTAL};

/// Why a trace was not read.
#[derive(Debug)]
pub enum TraceError {
    /// The file cannot be opened. Bad input.
    Open {
        /// The file's path as given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Reading stopped half-way. The machine's fault.
    Read {
        /// The file's path as given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is nothing behind the header. Bad input.
    Empty {
        /// The file's path as given.
        path: PathBuf,
    },
    /// A line is wrong. Bad input.
    Line {
        /// The file's path as given.
        path: PathBuf,
        /// The line's number, counted from 1 (the header).
        line: u64,
        /// What is wrong with it.
        error: LineError,
    },
}

/// What is wrong with a line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineError {
    /// The first line is not [`HEADER`].
    Header {
        /// The line found.
        found: String,
    },
    /// The line has more or fewer than four fields.
    Fields {
        /// The number of fields found.
        found: usize,
    },
    /// A quotation mark without its partner, or with text beside it.
    Quotes,
    /// The line is not UTF-8.
    Utf8,
    /// The line has more bytes than any payment needs.
    TooLong {
        /// The most bytes that a line may have.
        limit_bytes: usize,
    },
    /// A name is empty.
    EmptyName {
        /// `payer` or `payee`.
        column: &'static str,
    },
    /// Payer and payee are one.
    PaymentToSelf {
        /// The name of both.
        name: String,
    },
    /// The time is not a number.
    TimeNotANumber {
        /// The field found.
        found: String,
    },
    /// The time is negative.
    TimeNegative {
        /// The field found.
        found: String,
    },
    /// The time is 2^63 nanoseconds (292 years) or more.
    TimeTooLarge {
        /// The field found.
        found: String,
    },
    /// The time is before that of the payment above it.
    TimeGoesBack {
        /// The field found.
        found: String,
        /// The time of the payment above, in nanoseconds.
        previous_ns: u64,
    },
    /// The amount is not a number.
    AmountNotANumber {
        /// The field found.
        found: String,
    },
    /// The amount is a number with a fraction or an exponent.
    AmountNotWhole {
        /// The field found.
        found: String,
    },
    /// The amount is negative.
    AmountNegative {
        /// The field found.
        found: String,
    },
    /// The amount is zero.
    AmountZero,
    /// The amount is above [`LARGEST_AMOUNT`].
    AmountTooLarge {
        /// The field found.
        found: String,
    },
    /// With this payment the pair's amounts sum to more than [`LARGEST_PAIR_TOTAL`].
    PairTotalTooLarge {
        /// Who pays.
        payer: String,
        /// Who is paid.
        payee: String,
    },
    /// More names or pairs than fit in 32 bits.
    TooManyNames,
    /// More payments than a trace may have.
    TooManyPayments {
        /// The most.
        most: u64,
    },
}

impl TraceError {
    /// Whether the machine is at fault (exit 1) and not the input (exit 2).
    pub fn is_machine_fault(&self) -> bool {
        matches!(self, Self::Read { .. })
    }

    /// The line that is wrong, counted from 1.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Line { line, .. } => Some(*line),
            Self::Open { .. } | Self::Read { .. } | Self::Empty { .. } => None,
        }
    }

    pub(super) fn at_line(path: &Path, line: u64, error: LineError) -> Self {
        Self::Line {
            path: path.to_owned(),
            line,
            error,
        }
    }
}

/// A field as it may be shown: without control characters, and not longer than a line of text.
pub(super) fn shown(field: &[u8]) -> String {
    const MOST_CHARS: usize = 60;
    let text = String::from_utf8_lossy(field);
    let mut shown: String = text
        .chars()
        .take(MOST_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, source } => {
                write!(f, "cannot open the trace '{}': {source}", path.display())
            }
            Self::Read { path, source } => {
                write!(f, "reading the trace '{}' failed: {source}", path.display())
            }
            Self::Empty { path } => {
                write!(
                    f,
                    "the trace '{}' has a header and no payments",
                    path.display()
                )
            }
            Self::Line { path, line, error } => {
                write!(f, "trace '{}', line {line}: {error}", path.display())
            }
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { found } => write!(f, "expected the header '{HEADER}', found '{found}'"),
            Self::Fields { found } => write!(f, "expected 4 fields ({HEADER}), found {found}"),
            Self::Quotes => f.write_str(
                "a quotation mark has no partner, or text beside it: expected \"name\" with any \
                 mark inside doubled, on one line",
            ),
            Self::Utf8 => f.write_str("it is not valid UTF-8"),
            Self::TooLong { limit_bytes } => write!(f, "it is longer than {limit_bytes} bytes"),
            Self::EmptyName { column } => write!(f, "the {column} has no name"),
            Self::PaymentToSelf { name } => write!(f, "'{name}' pays itself"),
            Self::TimeNotANumber { found } => {
                write!(
                    f,
                    "time '{found}' is not a number: expected seconds, as in 12.5"
                )
            }
            Self::TimeNegative { found } => write!(f, "time '{found}' is negative"),
            Self::TimeTooLarge { found } => {
                write!(
                    f,
                    "time '{found}' is too large: the limit is 2^63 ns, 292 years"
                )
            }
            Self::TimeGoesBack { found, previous_ns } => write!(
                f,
                "time '{found}' goes back: the payment above is at {}.{:09} s",
                previous_ns / 1_000_000_000,
                previous_ns % 1_000_000_000,
            ),
            Self::AmountNotANumber { found } => {
                write!(
                    f,
                    "amount '{found}' is not a number: expected a positive integer"
                )
            }
            Self::AmountNotWhole { found } => {
                write!(
                    f,
                    "amount '{found}' is not an integer: expected digits only"
                )
            }
            Self::AmountNegative { found } => write!(f, "amount '{found}' is negative"),
            Self::AmountZero => f.write_str("an amount of zero is not a payment"),
            Self::AmountTooLarge { found } => {
                write!(
                    f,
                    "amount '{found}' is too large: the largest is {LARGEST_AMOUNT} (2^53)"
                )
            }
            Self::PairTotalTooLarge { payer, payee } => write!(
                f,
                "the amounts between '{payer}' and '{payee}' sum to more than \
                 {LARGEST_PAIR_TOTAL} (2^62)"
            ),
            Self::TooManyNames => f.write_str("more names or pairs than fit in 32 bits"),
            Self::TooManyPayments { most } => {
                write!(
                    f,
                    "more payments than {most}, which is the most for a trace"
                )
            }
        }
    }
}

impl Error for TraceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Open { source, .. } | Self::Read { source, .. } => Some(source),
            Self::Line { error, .. } => Some(error),
            Self::Empty { .. } => None,
        }
    }
}

impl Error for LineError {}
