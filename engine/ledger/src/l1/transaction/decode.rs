//! Reads transactions that come from outside: exactly what `bytes` writes, and nothing else.

use super::super::market::{Bid, Rate};
use super::bytes::BIDS;
use super::kind::Kind;
use super::{Malformed, Opening, Output, SignedTransaction, Transaction};
use duet_base::bytes;
use duet_channels::crypto::{Digest, PublicKey, Signature};
use duet_channels::protocol::{
    Amount, ChannelId, CoSigned, FinalProof, HalfSigned, Pair, Post, State,
};

/// Reads exactly one transaction.
pub(super) fn decode(bytes: &[u8]) -> Result<SignedTransaction, Malformed> {
    let mut fields = bytes::Reader::new(bytes);
    let first = fields.byte().ok_or(Malformed::Empty)?;
    let bids = first & BIDS != 0;
    let kind = Kind::of(first & !BIDS).map_err(|_| Malformed::UnknownKind { got: first })?;
    let bid_bytes = if bids { Bid::BYTES } else { 0 };
    if let Some(expected) = kind.bytes().map(|bytes| bytes + bid_bytes)
        && bytes.len() != expected
    {
        return Err(Malformed::WrongLength {
            kind: first,
            expected,
            got: bytes.len(),
        });
    }
    let mut reader = Reader {
        kind: first,
        all: bytes.len(),
        fields,
    };
    let signed = reader.signed(kind, bids)?;
    reader.end()?;
    Ok(signed)
}

/// Reads the first of several transactions; with how many bytes it takes.
pub(super) fn decode_first(bytes: &[u8]) -> Result<(SignedTransaction, usize), Malformed> {
    let mut fields = bytes::Reader::new(bytes);
    let first = fields.byte().ok_or(Malformed::Empty)?;
    let kind = Kind::of(first & !BIDS).map_err(|_| Malformed::UnknownKind { got: first })?;
    let mut reader = Reader {
        kind: first,
        all: bytes.len(),
        fields,
    };
    let signed = reader.signed(kind, first & BIDS != 0)?;
    Ok((signed, reader.read()))
}

/// Bytes from outside, read from the front.
struct Reader<'a> {
    kind: u8,
    all: usize,
    fields: bytes::Reader<'a>,
}

impl Reader<'_> {
    /// What follows the kind.
    fn signed(&mut self, kind: Kind, bids: bool) -> Result<SignedTransaction, Malformed> {
        let bid = if bids { Some(self.bid()?) } else { None };
        let transaction = self.transaction(kind)?;
        let signature = self.signature()?;
        let mut consents = Vec::new();
        for _ in transaction.consenters() {
            consents.push(self.signature()?);
        }
        Ok(SignedTransaction {
            transaction,
            bid,
            signature,
            consents,
        })
    }

    #[expect(clippy::too_many_lines, reason = "an arm for each kind")]
    fn transaction(&mut self, kind: Kind) -> Result<Transaction, Malformed> {
        Ok(match kind {
            Kind::Transfer => Transaction::Transfer {
                from: self.key()?,
                nonce: self.u64()?,
                to: self.key()?,
                amount: self.amount()?,
            },
            Kind::OpenOneSided | Kind::OpenTwoSided => {
                let a = self.key()?;
                let nonce = self.u64()?;
                let index = u32::from_le_bytes(self.take()?);
                let opening = self.opening(kind)?;
                Transaction::Open {
                    nonce,
                    index,
                    keys: Pair { a, b: opening.peer },
                    deposits: opening.deposits,
                    challenge_window_blocks: opening.challenge_window_blocks,
                    reserve: opening.reserve,
                }
            }
            Kind::CooperativeClose | Kind::CooperativeCloseAtOpening => {
                Transaction::CooperativeClose {
                    submitter: self.key()?,
                    proof: self.final_proof(kind)?,
                }
            }
            Kind::Post
            | Kind::PostAtOpening
            | Kind::PostWithOffer
            | Kind::PostAtOpeningWithOffer => self.post(kind)?,
            Kind::Payout => Transaction::Payout {
                submitter: self.key()?,
                channel: self.channel()?,
            },
            Kind::RollOver | Kind::RollOverAtOpening => {
                let (opener, nonce) = (self.key()?, self.u64()?);
                let successor = self.deposits(true)?;
                let close = match kind {
                    Kind::RollOver => Kind::CooperativeClose,
                    _ => Kind::CooperativeCloseAtOpening,
                };
                Transaction::RollOver {
                    proof: self.final_proof(close)?,
                    opener,
                    nonce,
                    successor,
                }
            }
            Kind::OpenBatch => {
                let (opener, nonce) = (self.key()?, self.u64()?);
                Transaction::OpenBatch {
                    opener,
                    nonce,
                    channels: self.items(|reader, got| match Kind::of(got) {
                        Ok(kind @ (Kind::OpenOneSided | Kind::OpenTwoSided)) => {
                            reader.opening(kind)
                        }
                        _ => Err(Malformed::WrongItem { got }),
                    })?,
                }
            }
            Kind::MultiSend => Transaction::MultiSend {
                from: self.key()?,
                nonce: self.u64()?,
                outputs: self.items(|reader, got| match Kind::of(got) {
                    Ok(Kind::Transfer) => Ok(Output {
                        to: reader.key()?,
                        amount: reader.amount()?,
                    }),
                    _ => Err(Malformed::WrongItem { got }),
                })?,
            },
            Kind::CloseBatch => Transaction::CloseBatch {
                submitter: self.key()?,
                proofs: self.items(|reader, got| match Kind::of(got) {
                    Ok(kind @ (Kind::CooperativeClose | Kind::CooperativeCloseAtOpening)) => {
                        reader.final_proof(kind)
                    }
                    _ => Err(Malformed::WrongItem { got }),
                })?,
            },
        })
    }

    /// An opening of kind 2 or 3.
    fn opening(&mut self, kind: Kind) -> Result<Opening, Malformed> {
        let both_deposit = kind == Kind::OpenTwoSided;
        let opening = self.deposits(both_deposit)?;
        match both_deposit && opening.deposits.b.is_zero() {
            true => Err(Malformed::ZeroDepositOfB),
            false => Ok(opening),
        }
    }

    /// An opening with A's deposit, or both.
    fn deposits(&mut self, both: bool) -> Result<Opening, Malformed> {
        Ok(Opening {
            peer: self.key()?,
            deposits: Pair {
                a: self.amount()?,
                b: match both {
                    true => self.amount()?,
                    false => Amount::ZERO,
                },
            },
            challenge_window_blocks: u32::from_le_bytes(self.take()?),
            reserve: self.amount()?,
        })
    }

    fn post(&mut self, kind: Kind) -> Result<Transaction, Malformed> {
        let submitter = self.key()?;
        let channel = self.channel()?;
        let shown = match kind {
            Kind::Post | Kind::PostWithOffer => Some(CoSigned {
                previous: self.digest()?,
                entry: self.take()?,
                signatures: self.signatures()?,
            }),
            _ => None,
        };
        let offer = match kind {
            Kind::PostWithOffer | Kind::PostAtOpeningWithOffer => Some(HalfSigned {
                previous: self.digest()?,
                entry: self.take()?,
                signature: self.signature()?,
            }),
            _ => None,
        };
        let post = Post {
            channel,
            shown,
            offer,
        };
        Ok(Transaction::Post { submitter, post })
    }

    /// A final of kind 4 or 5.
    fn final_proof(&mut self, kind: Kind) -> Result<FinalProof, Malformed> {
        Ok(FinalProof {
            channel: self.channel()?,
            state: match kind {
                Kind::CooperativeClose => State::After {
                    previous: self.digest()?,
                    entry: self.take()?,
                },
                _ => State::Opening,
            },
            signatures: self.signatures()?,
        })
    }

    /// A batch's items, each read by what its kind byte says.
    fn items<T>(
        &mut self,
        mut item: impl FnMut(&mut Self, u8) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = usize::from(u16::from_le_bytes(self.take()?));
        if !(1..=Transaction::MOST_ITEMS).contains(&count) {
            return Err(Malformed::WrongCount {
                most: Transaction::MOST_ITEMS,
                got: count,
            });
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            let [kind] = self.take()?;
            items.push(item(self, kind)?);
        }
        Ok(items)
    }

    fn bid(&mut self) -> Result<Bid, Malformed> {
        Ok(Bid {
            most: Rate(self.u64()?),
            tip: Rate(self.u64()?),
        })
    }

    fn key(&mut self) -> Result<PublicKey, Malformed> {
        Ok(PublicKey(self.take()?))
    }

    fn channel(&mut self) -> Result<ChannelId, Malformed> {
        Ok(ChannelId(self.digest()?))
    }

    fn digest(&mut self) -> Result<Digest, Malformed> {
        Ok(Digest(self.take()?))
    }

    fn signature(&mut self) -> Result<Signature, Malformed> {
        Ok(Signature(self.take()?))
    }

    fn signatures(&mut self) -> Result<Pair<Signature>, Malformed> {
        Ok(Pair {
            a: self.signature()?,
            b: self.signature()?,
        })
    }

    fn amount(&mut self) -> Result<Amount, Malformed> {
        Ok(Amount::new(self.u64()?))
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let taken = self.fields.array();
        taken.ok_or_else(|| self.wrong_length(self.read() + N))
    }

    /// How many bytes were taken.
    fn read(&self) -> usize {
        self.all - self.fields.rest().len()
    }

    fn end(&self) -> Result<(), Malformed> {
        match self.read() == self.all {
            true => Ok(()),
            false => Err(self.wrong_length(self.read())),
        }
    }

    fn wrong_length(&self, expected: usize) -> Malformed {
        Malformed::WrongLength {
            kind: self.kind,
            expected,
            got: self.all,
        }
    }
}
