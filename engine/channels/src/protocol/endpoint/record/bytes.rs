//! A record's fields, one after the other, and every way in which they can be wrong.

use std::ops::RangeInclusive;

use super::super::super::entry::Balance;
use super::super::super::message::Message;
use super::super::super::rejection::Rejection;
use super::super::super::terms::{ChannelId, TermsError};
use crate::crypto::Digest;
use duet_base::bytes;

/// Why bytes are no record of an endpoint in this channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It ends within a field.
    #[error("{field}: {got} bytes left, expected {expected}")]
    Short {
        /// The field.
        field: &'static str,
        /// Bytes that the field still needs, at least.
        expected: usize,
        /// Bytes left.
        got: usize,
    },
    /// It goes on after its last field.
    #[error("{got} bytes after the note, expected 0")]
    Trailing {
        /// Bytes too many.
        got: usize,
    },
    /// Another format.
    #[error("format {got}, expected {expected}")]
    Format {
        /// The format that is read.
        expected: u8,
        /// The record's.
        got: u8,
    },
    /// A second byte that no endpoint writes.
    #[error("second byte {got:#04x}, which no endpoint writes")]
    What {
        /// The byte.
        got: u8,
    },
    /// A number that is not in its shortest form, or above 64 bits.
    #[error("{field}: expected a number of up to 64 bits, shortest form")]
    Number {
        /// The field.
        field: &'static str,
    },
    /// A number out of its range.
    #[error("{field}: {got}, expected {} to {}", .expected.0, .expected.1)]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// The least and the largest value.
        expected: (u64, u64),
        /// The value found.
        got: u64,
    },
    /// A record of another channel.
    #[error("channel {:?}, expected {:?}", .got.0, .expected.0)]
    WrongChannel {
        /// The channel of these terms.
        expected: ChannelId,
        /// The record's.
        got: ChannelId,
    },
    /// A log that does not begin with this channel's opening.
    #[error("{field}: {got:?}, expected {expected:?}")]
    WrongHead {
        /// The field.
        field: &'static str,
        /// The head that must stand there.
        expected: Digest,
        /// The head found.
        got: Digest,
    },
    /// A first payment from a balance that is not the deposit.
    #[error("{field}: A paid from {got}, expected {expected}")]
    WrongBalance {
        /// The field.
        field: &'static str,
        /// A's balance before the first payment.
        expected: u64,
        /// A's balance that the payment starts from.
        got: u64,
    },
    /// A field that says what goes without saying, or that cannot be said there.
    #[error("{field}: expected nothing, there or at all")]
    Needless {
        /// The field.
        field: &'static str,
    },
    /// A proposal in flight that is none.
    #[error("proposal: {rejection}")]
    Proposal {
        /// Why.
        rejection: Rejection,
    },
    /// A payment that the channel's rules refuse.
    #[error("payment {version}: {rejection}")]
    Payment {
        /// The version that it would lead to.
        version: u64,
        /// Why.
        rejection: Rejection,
    },
    /// The terms make no channel.
    #[error("terms that make no channel: {0:?}")]
    Terms(TermsError),
}

/// Takes fields off a record's front, by name.
pub(super) struct Reader<'r>(bytes::Reader<'r>);

impl<'r> Reader<'r> {
    pub(super) fn new(record: &'r [u8]) -> Reader<'r> {
        Reader(bytes::Reader::new(record))
    }

    pub(super) fn take(
        &mut self,
        field: &'static str,
        len: usize,
    ) -> Result<&'r [u8], RecordError> {
        self.0.take(len).ok_or_else(|| self.short(field, len))
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], RecordError> {
        self.0.array().ok_or_else(|| self.short(field, N))
    }

    fn short(&self, field: &'static str, expected: usize) -> RecordError {
        let got = self.0.rest().len();
        RecordError::Short {
            field,
            expected,
            got,
        }
    }

    pub(super) fn byte(&mut self, field: &'static str) -> Result<u8, RecordError> {
        self.array(field).map(|[byte]| byte)
    }

    /// A message, and its bytes.
    pub(super) fn message(&mut self) -> Result<(Message<'r>, &'r [u8]), RecordError> {
        let decoded = Message::decode_first(self.0.rest());
        let (message, rest) = decoded.map_err(|rejection| RecordError::Proposal { rejection })?;
        let bytes = self.take("proposal", self.0.rest().len() - rest.len())?;
        Ok((message, bytes))
    }

    /// A number in its shortest form.
    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, RecordError> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.byte(field)?;
            let bits = u64::from(byte & 0x7f);
            let last = byte & 0x80 == 0;
            // A last byte of nothing is longer than it need be; the tenth has room for one bit.
            if last && bits == 0 && place > 0 || place == 9 && byte > 1 {
                break;
            }
            number |= bits << (7 * place);
            if last {
                return Ok(number);
            }
        }
        Err(RecordError::Number { field })
    }

    pub(super) fn number_within(
        &mut self,
        field: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<u64, RecordError> {
        let number = self.number(field)?;
        self.within(field, number, range)?;
        Ok(number)
    }

    pub(super) fn within(
        &self,
        field: &'static str,
        got: u64,
        range: RangeInclusive<u64>,
    ) -> Result<(), RecordError> {
        match range.contains(&got) {
            true => Ok(()),
            false => Err(RecordError::OutOfRange {
                field,
                expected: range.into_inner(),
                got,
            }),
        }
    }

    pub(super) fn end(&self) -> Result<(), RecordError> {
        match self.0.rest().len() {
            0 => Ok(()),
            got => Err(RecordError::Trailing { got }),
        }
    }
}

/// That the first payment starts from the opening: its log from the channel's id, and its balance
/// from the deposits.
pub(super) fn begins_with(
    (channel, deposits): (&ChannelId, &Balance),
    previous: &Digest,
    before: &Balance,
) -> Result<(), RecordError> {
    if *previous != channel.0 {
        return Err(RecordError::WrongHead {
            field: "held previous",
            expected: channel.0,
            got: *previous,
        });
    }
    if before.a != deposits.a {
        return Err(RecordError::WrongBalance {
            field: "held balance",
            expected: deposits.a.units(),
            got: before.a.units(),
        });
    }
    Ok(())
}
