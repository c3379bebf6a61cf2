//! Every reason for which a trace is refused, each with the line and the value that is wrong.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{HEADER, LARGEST_AMOUNT, LARGEST_PAIR_TOTAL};

/// Why a trace was not read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be opened. Bad input.
    #[error("cannot open the trace '{path}': {source}")]
    Open {
        /// The file's path as given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Reading stopped half-way. The machine's fault.
    #[error("reading the trace '{path}' failed: {source}")]
    Read {
        /// The file's path as given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is nothing behind the header. Bad input.
    #[error("the trace '{path}' has a header and no payments")]
    Empty {
        /// The file's path as given.
        path: PathBuf,
    },
    /// A line is wrong. Bad input.
    #[error("trace '{path}', line {line}: {error}")]
    Line {
        /// The file's path as given.
        path: PathBuf,
        /// The line's number, counted from 1 (the header).
        line: u64,
        /// What is wrong with it.
        #[source]
        error: LineError,
    },
}

/// What is wrong with a line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The first line is not [`HEADER`].
    #[error("expected the header '{HEADER}', found '{found}'")]
    Header {
        /// The line found.
        found: String,
    },
    /// The line has more or fewer than four fields.
    #[error("expected 4 fields ({HEADER}), found {found}")]
    Fields {
        /// The number of fields found.
        found: usize,
    },
    /// A quotation mark without its partner, or with text beside it.
    #[error(
        "a quotation mark has no partner, or text beside it: expected \"name\" with any mark \
         inside doubled, on one line"
    )]
    Quotes,
    /// The line is not UTF-8.
    #[error("it is not valid UTF-8")]
    Utf8,
    /// The line has more bytes than any payment needs.
    #[error("it is longer than {limit_bytes} bytes")]
    TooLong {
        /// The most bytes that a line may have.
        limit_bytes: usize,
    },
    /// A name is empty.
    #[error("the {column} has no name")]
    EmptyName {
        /// `payer` or `payee`.
        column: &'static str,
    },
    /// Payer and payee are one.
    #[error("'{name}' pays itself")]
    PaymentToSelf {
        /// The name of both.
        name: String,
    },
    /// The time is not a number.
    #[error("time '{found}' is not a number: expected seconds, as in 12.5")]
    TimeNotANumber {
        /// The field found.
        found: String,
    },
    /// The time is negative.
    #[error("time '{found}' is negative")]
    TimeNegative {
        /// The field found.
        found: String,
    },
    /// The time is 2^63 nanoseconds (292 years) or more.
    #[error("time '{found}' is too large: the limit is 2^63 ns, 292 years")]
    TimeTooLarge {
        /// The field found.
        found: String,
    },
    /// The time is before that of the payment above it.
    #[error(
        "time '{found}' goes back: the payment above is at {}.{:09} s",
        .previous_ns / 1_000_000_000, .previous_ns % 1_000_000_000
    )]
    TimeGoesBack {
        /// The field found.
        found: String,
        /// The time of the payment above, in nanoseconds.
        previous_ns: u64,
    },
    /// The amount is not a number.
    #[error("amount '{found}' is not a number: expected a positive integer")]
    AmountNotANumber {
        /// The field found.
        found: String,
    },
    /// The amount is a number with a fraction or an exponent.
    #[error("amount '{found}' is not an integer: expected digits only")]
    AmountNotWhole {
        /// The field found.
        found: String,
    },
    /// The amount is negative.
    #[error("amount '{found}' is negative")]
    AmountNegative {
        /// The field found.
        found: String,
    },
    /// The amount is zero.
    #[error("an amount of zero is not a payment")]
    AmountZero,
    /// The amount is above [`LARGEST_AMOUNT`].
    #[error("amount '{found}' is too large: the largest is {LARGEST_AMOUNT} (2^53)")]
    AmountTooLarge {
        /// The field found.
        found: String,
    },
    /// With this payment the pair's amounts sum to more than [`LARGEST_PAIR_TOTAL`].
    #[error(
        "the amounts between '{payer}' and '{payee}' sum to more than {LARGEST_PAIR_TOTAL} (2^62)"
    )]
    PairTotalTooLarge {
        /// Who pays.
        payer: String,
        /// Who is paid.
        payee: String,
    },
    /// More names or pairs than fit in 32 bits.
    #[error("more names or pairs than fit in 32 bits")]
    TooManyNames,
    /// More payments than a trace may have.
    #[error("more payments than {most}, which is the most for a trace")]
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

    /// Whether somebody asked for a stop before it was read.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Open { source, .. } if source.kind() == io::ErrorKind::Interrupted)
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
