//! A broken rule as bytes: `code u8`, then what it names, each a number.
//!
//! Codes and their order of fields are for ever: a record outlives the build that wrote it. Code 7
//! was a balance that was sent, and is not given again.

use super::super::super::amount::Amount;
use super::super::super::payments::put_number as number;
use super::super::super::rejection::Rejection;
use super::super::super::terms::Party;
use super::bytes::{Reader, RecordError};

/// The parts of a message that [`Rejection::Malformed`] names, by number. Any other is recorded as
/// the message as a whole.
const PARTS: [&str; 11] = [
    "message",
    "header",
    "padding",
    "kind",
    "length",
    "check",
    "not a proposal",
    "not an acknowledgement",
    "not a final",
    "not a final acknowledgement",
    "payments",
];

pub(super) fn encode(rejection: &Rejection, out: &mut Vec<u8>) {
    let side = |party: Party| u64::from(party == Party::B);
    let (code, fields): (u8, [Option<u64>; 3]) = match *rejection {
        Rejection::ZeroAmount => (0, [None; 3]),
        Rejection::InsufficientBalance { have, reserve, got } => {
            (1, [have, reserve, got].map(|amount| Some(amount.units())))
        }
        Rejection::TagTooLarge { got } => (2, [Some(got), None, None]),
        Rejection::LogFull => (3, [None; 3]),
        Rejection::WrongVersion { expected, got } => (4, [Some(expected), Some(got), None]),
        Rejection::BrokenChain { version } => (5, [Some(version), None, None]),
        Rejection::NotThePayer { proposer } => (6, [Some(side(proposer)), None, None]),
        Rejection::WrongEntryCount { most, got } => {
            (8, [Some(most.into()), Some(got.into()), None])
        }
        Rejection::BadSignature { version } => (9, [Some(version), None, None]),
        Rejection::NotYourTurn { holder } => (10, [Some(side(holder)), None, None]),
        Rejection::WrongTurn { passed, got } => (11, [Some(passed), Some(got), None]),
        Rejection::TooManyInFlight { most } => (12, [Some(most.into()), None, None]),
        Rejection::PassedInFlight { in_flight } => (13, [Some(in_flight.into()), None, None]),
        Rejection::UnknownVersion { newest, got } => (14, [Some(newest), Some(got), None]),
        Rejection::UnexpectedResume => (15, [None; 3]),
        Rejection::MissingResume => (16, [None; 3]),
        Rejection::FinalNotNewest { expected, got } => (17, [Some(expected), Some(got), None]),
        Rejection::FinalInFlight { in_flight } => (18, [Some(in_flight.into()), None, None]),
        Rejection::Ended => (19, [None; 3]),
        Rejection::Malformed { what } => {
            let part = PARTS.iter().position(|part| *part == what);
            (20, [Some(part.unwrap_or(0) as u64), None, None])
        }
    };
    out.push(code);
    for field in fields.into_iter().flatten() {
        number(field, out);
    }
}

pub(super) fn decode(bytes: &mut Reader<'_>) -> Result<Rejection, RecordError> {
    const FIELD: &str = "broken rule";
    let code = bytes.byte(FIELD)?;
    let mut any = || bytes.number(FIELD);
    Ok(match code {
        0 => Rejection::ZeroAmount,
        1 => Rejection::InsufficientBalance {
            have: Amount::new(any()?),
            reserve: Amount::new(any()?),
            got: Amount::new(any()?),
        },
        2 => Rejection::TagTooLarge { got: any()? },
        3 => Rejection::LogFull,
        4 => Rejection::WrongVersion {
            expected: any()?,
            got: any()?,
        },
        5 => Rejection::BrokenChain { version: any()? },
        6 => Rejection::NotThePayer {
            proposer: side(bytes)?,
        },
        8 => Rejection::WrongEntryCount {
            most: small(bytes)?,
            got: small(bytes)?,
        },
        9 => Rejection::BadSignature { version: any()? },
        10 => Rejection::NotYourTurn {
            holder: side(bytes)?,
        },
        11 => Rejection::WrongTurn {
            passed: any()?,
            got: any()?,
        },
        12 => Rejection::TooManyInFlight {
            most: small(bytes)?,
        },
        13 => Rejection::PassedInFlight {
            in_flight: small(bytes)?,
        },
        14 => Rejection::UnknownVersion {
            newest: any()?,
            got: any()?,
        },
        15 => Rejection::UnexpectedResume,
        16 => Rejection::MissingResume,
        17 => Rejection::FinalNotNewest {
            expected: any()?,
            got: any()?,
        },
        18 => Rejection::FinalInFlight {
            in_flight: small(bytes)?,
        },
        19 => Rejection::Ended,
        20 => {
            let part = bytes.number_within("part of a message", 0..=PARTS.len() as u64 - 1)?;
            Rejection::Malformed {
                what: PARTS[part as usize],
            }
        }
        got => {
            return Err(RecordError::OutOfRange {
                field: FIELD,
                expected: (0, 20),
                got: got.into(),
            });
        }
    })
}

fn side(bytes: &mut Reader<'_>) -> Result<Party, RecordError> {
    Ok(match bytes.number_within("side", 0..=1)? {
        0 => Party::A,
        _ => Party::B,
    })
}

fn small(bytes: &mut Reader<'_>) -> Result<u32, RecordError> {
    let number = bytes.number_within("count", 0..=u32::MAX.into())?;
    Ok(number as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_reads_back() {
        let amount = Amount::new;
        let all = [
            Rejection::ZeroAmount,
            Rejection::InsufficientBalance {
                have: amount(1),
                reserve: amount(u64::MAX),
                got: amount(300),
            },
            Rejection::TagTooLarge { got: u64::MAX },
            Rejection::LogFull,
            Rejection::WrongVersion {
                expected: 1,
                got: 200,
            },
            Rejection::BrokenChain { version: 3 },
            Rejection::NotThePayer { proposer: Party::B },
            Rejection::WrongEntryCount {
                most: 1,
                got: u32::MAX,
            },
            Rejection::BadSignature { version: 4 },
            Rejection::NotYourTurn { holder: Party::A },
            Rejection::WrongTurn { passed: 1, got: 2 },
            Rejection::TooManyInFlight { most: 5 },
            Rejection::PassedInFlight { in_flight: 6 },
            Rejection::UnknownVersion { newest: 7, got: 8 },
            Rejection::UnexpectedResume,
            Rejection::MissingResume,
            Rejection::FinalNotNewest {
                expected: 9,
                got: 10,
            },
            Rejection::FinalInFlight { in_flight: 11 },
            Rejection::Ended,
        ];
        let malformed = PARTS.map(|what| Rejection::Malformed { what });
        let mut names = std::collections::HashSet::new();
        for rejection in all.into_iter().chain(malformed) {
            let mut bytes = Vec::new();
            encode(&rejection, &mut bytes);
            let mut reader = Reader::new(&bytes);
            assert_eq!(decode(&mut reader), Ok(rejection));
            assert_eq!(reader.end(), Ok(()), "{rejection}");
            names.insert(rejection.name());
        }
        assert_eq!(names.len(), 20, "each kind");
    }
}
