//! What two endpoints send each other, byte for byte. Decoding rejects anything else.
//!
//! | message | bytes |
//! | --- | --- |
//! | proposal | `kind u8 · 0 u8 · count u16 · payments · signature` |
//! | acknowledgement, final, final acknowledgement | `kind u8 · 0 u8 · check u16 · version u64 · signature` |
//! | turn asked, turn passed, resume | `kind u8 · 0 u8 · check u16 · number u64` |
//!
//! Payments are packed (`payments.rs`); the kind says what is said of their tags. Integers are
//! little-endian. Kinds differ from each other in at least two bits, and `check` is
//! the exclusive or of the number's four 16-bit words: a single flipped bit in a field that no
//! signature covers is malformed rather than another message. A link carries one channel's
//! messages in order, so messages do not name their channel; every signed digest does.

use super::payments::{Payments, Tags};
use super::rejection::Rejection;
use crate::crypto::Signature;
use duet_base::bytes::Reader;

/// A decoded message, its payments still where they arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Payments that extend the log, and the proposer's signature over the state after the last.
    Proposal {
        /// The payments, which the proposer makes.
        payments: Payments<'a>,
        /// The proposer's signature.
        signature: Signature,
        /// Whether the proposer passes the turn with it.
        pass: bool,
    },
    /// The signature that completes a proposal; it answers all earlier ones too.
    Acknowledgement {
        /// The version co-signed.
        version: u64,
        /// The answering party's signature over the state.
        signature: Signature,
    },
    /// The sender would like to propose.
    TurnAsked {
        /// The number of turns passed so far.
        turn: u64,
    },
    /// The sender passes the turn without a payment.
    TurnPassed {
        /// The number of turns passed before this one.
        turn: u64,
    },
    /// The sender's last signature in this channel, over the state as final.
    Final {
        /// The version that is to be the last.
        version: u64,
        /// The sender's signature over the final state.
        signature: Signature,
    },
    /// The answer to a final, likewise.
    FinalAcknowledgement {
        /// The version that is the last.
        version: u64,
        /// The sender's signature over the final state.
        signature: Signature,
    },
    /// First message after a link broke: the newest version that the sender has signed.
    Resume {
        /// That version; a final counts as one more, because its signer goes on from there.
        signed: u64,
    },
}

// Kinds: pairwise at least two bits apart (all of even weight).
const ACKNOWLEDGEMENT: u8 = 0x06;
const TURN_ASKED: u8 = 0x09;
const TURN_PASSED: u8 = 0x0a;
const FINAL: u8 = 0x0c;
const FINAL_ACKNOWLEDGEMENT: u8 = 0x0f;
const RESUME: u8 = 0x11;

/// Proposals, by what they say of tags, without and with a pass.
const PROPOSALS: [(Tags, [u8; 2]); 3] = [
    (Tags::None, [0x03, 0x05]),
    (Tags::InARow, [0x12, 0x14]),
    (Tags::Each, [0x17, 0x18]),
];

/// Bytes of a number, and of one with a signature, after the header.
const NUMBER_LEN: usize = 8;
const SIGNED_LEN: usize = NUMBER_LEN + 64;

impl<'a> Message<'a> {
    /// Takes the first message off `bytes`; gives it and the rest.
    ///
    /// # Errors
    /// [`Rejection::Malformed`] with the part that is wrong.
    pub fn decode_first(bytes: &'a [u8]) -> Result<(Message<'a>, &'a [u8]), Rejection> {
        let malformed = |what| Rejection::Malformed { what };
        let mut reader = Reader::new(bytes);
        let [kind, zero, low, high] = reader.array().ok_or(malformed("header"))?;
        if zero != 0 {
            return Err(malformed("padding"));
        }
        let number = u16::from_le_bytes([low, high]);
        for (tags, [proposal, and_pass]) in PROPOSALS {
            if kind == proposal || kind == and_pass {
                let read = Payments::decode_first(number, tags, reader.rest());
                let (payments, rest) = read.ok_or(malformed("length"))?;
                reader = Reader::new(rest);
                let signature = reader.array().ok_or(malformed("length"))?;
                let proposal = Message::Proposal {
                    payments,
                    signature: Signature(signature),
                    pass: kind == and_pass,
                };
                return Ok((proposal, reader.rest()));
            }
        }
        let len = match kind {
            ACKNOWLEDGEMENT | FINAL | FINAL_ACKNOWLEDGEMENT => SIGNED_LEN,
            TURN_ASKED | TURN_PASSED | RESUME => NUMBER_LEN,
            _ => return Err(malformed("kind")),
        };
        let mut body = Reader::new(reader.take(len).ok_or(malformed("length"))?);
        let version = body.u64().ok_or(malformed("length"))?;
        let mut signature = || body.array().map(Signature).ok_or(malformed("length"));
        let message = match kind {
            ACKNOWLEDGEMENT => Message::Acknowledgement {
                version,
                signature: signature()?,
            },
            FINAL => Message::Final {
                version,
                signature: signature()?,
            },
            FINAL_ACKNOWLEDGEMENT => Message::FinalAcknowledgement {
                version,
                signature: signature()?,
            },
            TURN_ASKED => Message::TurnAsked { turn: version },
            TURN_PASSED => Message::TurnPassed { turn: version },
            _ => Message::Resume { signed: version },
        };
        if number != check(version) {
            return Err(malformed("check"));
        }
        Ok((message, reader.rest()))
    }

    /// Appends the message's bytes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        match *self {
            Message::Proposal {
                ref payments,
                ref signature,
                pass,
            } => {
                let kind = proposal_kind(payments.tags(), pass);
                header(kind, payments.len() as u16, bytes);
                bytes.extend_from_slice(payments.bytes());
                bytes.extend_from_slice(&signature.0);
            }
            Message::Acknowledgement {
                version,
                ref signature,
            } => {
                numbered(ACKNOWLEDGEMENT, version, bytes);
                bytes.extend_from_slice(&signature.0);
            }
            Message::Final {
                version,
                ref signature,
            } => {
                numbered(FINAL, version, bytes);
                bytes.extend_from_slice(&signature.0);
            }
            Message::FinalAcknowledgement {
                version,
                ref signature,
            } => {
                numbered(FINAL_ACKNOWLEDGEMENT, version, bytes);
                bytes.extend_from_slice(&signature.0);
            }
            Message::TurnAsked { turn } => numbered(TURN_ASKED, turn, bytes),
            Message::TurnPassed { turn } => numbered(TURN_PASSED, turn, bytes),
            Message::Resume { signed } => numbered(RESUME, signed, bytes),
        }
    }
}

fn proposal_kind(tags: Tags, pass: bool) -> u8 {
    let said = PROPOSALS.iter().find(|(said, _)| *said == tags);
    said.expect("all forms").1[usize::from(pass)]
}

fn header(kind: u8, number: u16, bytes: &mut Vec<u8>) {
    let [low, high] = number.to_le_bytes();
    bytes.extend_from_slice(&[kind, 0, low, high]);
}

fn numbered(kind: u8, number: u64, bytes: &mut Vec<u8>) {
    header(kind, check(number), bytes);
    bytes.extend_from_slice(&number.to_le_bytes());
}

/// Changes with every single bit of `number`.
fn check(number: u64) -> u16 {
    (number ^ (number >> 16) ^ (number >> 32) ^ (number >> 48)) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::entry::EntryBytes;
    use super::super::payments::PackedPayments;
    use super::*;

    fn messages(payments: &PackedPayments, number: u64) -> Vec<Message<'_>> {
        let signature = Signature([7; 64]);
        let payments = payments.payments();
        vec![
            Message::Proposal {
                payments,
                signature,
                pass: false,
            },
            Message::Proposal {
                payments,
                signature,
                pass: true,
            },
            Message::Acknowledgement {
                version: number,
                signature,
            },
            Message::TurnAsked { turn: number },
            Message::TurnPassed { turn: number },
            Message::Final {
                version: number,
                signature,
            },
            Message::FinalAcknowledgement {
                version: number,
                signature,
            },
            Message::Resume { signed: number },
        ]
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(count in 0usize..5, entry: EntryBytes, number: u64) {
            let entries = vec![entry; count];
            let mut bytes = Vec::new();
            let payments = PackedPayments::of(&entries);
            let sent = messages(&payments, number);
            sent.iter().for_each(|message| message.encode(&mut bytes));
            let mut rest = &bytes[..];
            for message in sent {
                let (decoded, left) = Message::decode_first(rest).unwrap();
                prop_assert_eq!(decoded, message);
                rest = left;
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::decode_first(&bytes);
        }

        #[test]
        fn one_flipped_bit_outside_of_what_is_signed_is_no_other_message(number: u64) {
            let payments = PackedPayments::of(&[[3; 32]]);
            for message in messages(&payments, number) {
                let mut bytes = Vec::new();
                message.encode(&mut bytes);
                let signed_from = match message {
                    Message::Proposal { .. } => 4,
                    _ => 4 + NUMBER_LEN,
                };
                for bit in 0..8 * signed_from {
                    let mut flipped = bytes.clone();
                    flipped[bit / 8] ^= 1 << (bit % 8);
                    let decoded = Message::decode_first(&flipped);
                    // A proposal's count cannot be checked alone: another count is another length.
                    let whole = decoded.is_ok_and(|(_, rest)| rest.is_empty());
                    prop_assert!(!whole, "{message:?}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn kinds_are_two_bits_apart() {
        let others = [
            ACKNOWLEDGEMENT,
            TURN_ASKED,
            TURN_PASSED,
            FINAL,
            FINAL_ACKNOWLEDGEMENT,
            RESUME,
        ];
        let proposals = PROPOSALS.iter().flat_map(|(_, kinds)| *kinds);
        let kinds: Vec<u8> = proposals.chain(others).collect();
        for (i, a) in kinds.iter().enumerate() {
            assert!(kinds[..i].iter().all(|b| (a ^ b).count_ones() >= 2));
        }
    }
}
