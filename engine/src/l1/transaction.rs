//! The transactions of this Layer 1, what is signed of them, and their bytes. Knows no ledger.
//!
//! A transaction starts with its kind. The kind fixes the length, so that there is no padding, no
//! flag and only one encoding of anything; integers are little-endian:
//!
//! | kind | | after the kind byte |
//! | --- | --- | --- |
//! | 1 | transfer | from 32 · nonce 8 · to 32 · amount 8 |
//! | 2 | open, only A deposits | key A 32 · nonce 8 · index 4 · key B 32 · deposit A 8 · window 4 · reserve 8 |
//! | 3 | open, B deposits too | the same with deposit B 8 after deposit A |
//! | 4 | cooperative close | submitter 32 · channel 32 · previous head 32 · entry 32 · final signatures of A 64 and B 64 |
//! | 5 | cooperative close at version 0 | submitter 32 · channel 32 · final signatures of A 64 and B 64 |
//! | 6–15 | not given yet | room for post, answer, payout, roll-over, batched open and close |
//!
//! Then the signer's signature (64), and in kind 3 B's consent (64). Both are over
//! `H_transaction(genesis id ‖ all bytes before them)`: bound to this Layer 1 and to every byte.

use super::refusal::Malformed;
use crate::crypto::{Digest, Domain, PublicKey, Signature, hash};
use crate::protocol::{Amount, ChannelId, EntryBytes, FinalProof, Pair, State, Terms};

/// What an account asks of Layer 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// Moves value from one account to another.
    Transfer {
        /// Who pays the amount and the fee, and signs.
        from: PublicKey,
        /// How many nonces this account has used.
        nonce: u64,
        /// Who receives; the account comes into being if need be.
        to: PublicKey,
        /// How much; more than zero.
        amount: Amount,
    },
    /// Opens a channel: its [`Terms`] without the genesis id, which the ledger adds.
    Open {
        /// The opener's account nonce.
        nonce: u64,
        /// The channel's place among those that the transaction opens: 0.
        index: u32,
        /// Who signs for each side. A opens, pays the fee, and signs.
        keys: Pair<PublicKey>,
        /// What each side locks. If B locks anything, B signs too.
        deposits: Pair<Amount>,
        /// The challenge window, in blocks.
        challenge_window_blocks: u32,
        /// The least balance that a payment may leave its payer.
        reserve: Amount,
    },
    /// Ends a channel in a state that both parties signed as final, and pays out.
    CooperativeClose {
        /// Who pays the fee, and signs: a party or anyone else.
        submitter: PublicKey,
        /// The final state with both parties' signatures.
        proof: FinalProof,
    },
}

impl Transaction {
    /// The transaction that opens a channel on these terms, on the Layer 1 that they name.
    #[must_use]
    pub fn open(terms: &Terms) -> Transaction {
        Transaction::Open {
            nonce: terms.nonce,
            index: terms.index,
            keys: terms.keys,
            deposits: terms.deposits,
            challenge_window_blocks: terms.challenge_window_blocks,
            reserve: terms.reserve,
        }
    }

    /// The account that signs the digest and pays the fee.
    #[must_use]
    pub fn signer(&self) -> &PublicKey {
        match self {
            Transaction::Transfer { from, .. } => from,
            Transaction::Open { keys, .. } => &keys.a,
            Transaction::CooperativeClose { submitter, .. } => submitter,
        }
    }

    /// Who else signs the same digest: B, of an open to which B deposits.
    #[must_use]
    pub fn consenter(&self) -> Option<&PublicKey> {
        match self {
            Transaction::Open { keys, deposits, .. } if !deposits.b.is_zero() => Some(&keys.b),
            _ => None,
        }
    }

    /// `H_transaction(genesis id ‖ unsigned bytes)`: what [`Transaction::signer`] and
    /// [`Transaction::consenter`] sign.
    #[must_use]
    pub fn digest(&self, genesis: &Digest) -> Digest {
        digest(genesis, self.unsigned().bytes())
    }

    /// How many bytes it takes with its signatures.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        self.kind().bytes()
    }

    fn kind(&self) -> Kind {
        match self {
            Transaction::Transfer { .. } => Kind::Transfer,
            Transaction::Open { deposits, .. } if deposits.b.is_zero() => Kind::OpenOneSided,
            Transaction::Open { .. } => Kind::OpenTwoSided,
            Transaction::CooperativeClose { proof, .. } => match proof.state {
                State::After { .. } => Kind::CooperativeClose,
                State::Opening => Kind::CooperativeCloseAtOpening,
            },
        }
    }
}

/// A transaction with its signatures, which nobody has checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    transaction: Transaction,
    signature: Signature,
    consent: Option<Signature>,
}

impl SignedTransaction {
    /// Joins a transaction and the signatures over its digest.
    ///
    /// # Panics
    /// If there is a consent and nobody to consent, or the other way round
    /// (see [`Transaction::consenter`]).
    #[must_use]
    pub fn new(
        transaction: Transaction,
        signature: Signature,
        consent: Option<Signature>,
    ) -> SignedTransaction {
        assert_eq!(
            transaction.consenter().is_some(),
            consent.is_some(),
            "consent if and only if B deposits"
        );
        SignedTransaction {
            transaction,
            signature,
            consent,
        }
    }

    /// What is asked.
    #[must_use]
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// The signature of [`Transaction::signer`].
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The signature of [`Transaction::consenter`].
    #[must_use]
    pub fn consent(&self) -> Option<&Signature> {
        self.consent.as_ref()
    }

    /// Appends the bytes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.transaction.unsigned().bytes());
        bytes.extend_from_slice(&self.signature.0);
        if let Some(consent) = &self.consent {
            bytes.extend_from_slice(&consent.0);
        }
    }

    /// Reads exactly one transaction: every byte string that this accepts is the encoding of what
    /// it returns.
    ///
    /// # Errors
    /// [`Malformed`] with what was expected and what was found.
    pub fn decode(bytes: &[u8]) -> Result<SignedTransaction, Malformed> {
        let kind = Kind::of(bytes)?;
        let mut reader = Reader {
            kind,
            all: bytes.len(),
            rest: &bytes[1..],
        };
        let transaction = reader.transaction()?;
        let signature = Signature(reader.take()?);
        let consent = match transaction.consenter() {
            Some(_) => Some(Signature(reader.take()?)),
            None => None,
        };
        reader.end()?;
        Ok(SignedTransaction {
            transaction,
            signature,
            consent,
        })
    }
}

/// The digest of a transaction's unsigned bytes.
fn digest(genesis: &Digest, unsigned: &[u8]) -> Digest {
    let mut message = Buffer::new();
    message.put(&genesis.0);
    message.put(unsigned);
    hash(Domain::Transaction, message.bytes())
}

/// The digest that the signatures of an encoded transaction are over, straight from its bytes.
///
/// # Panics
/// If `bytes` are not those of `signed`.
pub(super) fn encoded_digest(genesis: &Digest, signed: &SignedTransaction, bytes: &[u8]) -> Digest {
    let kind = signed.transaction.kind();
    assert_eq!(bytes.len(), kind.bytes(), "the transaction's own bytes");
    digest(genesis, &bytes[..kind.unsigned_bytes()])
}

/// The first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Transfer = 1,
    OpenOneSided = 2,
    OpenTwoSided = 3,
    CooperativeClose = 4,
    CooperativeCloseAtOpening = 5,
}

const KEY: usize = size_of::<PublicKey>();
const SIGNATURE: usize = size_of::<Signature>();
const DIGEST: usize = size_of::<Digest>();

impl Kind {
    const ALL: [Kind; 5] = [
        Kind::Transfer,
        Kind::OpenOneSided,
        Kind::OpenTwoSided,
        Kind::CooperativeClose,
        Kind::CooperativeCloseAtOpening,
    ];

    fn of(bytes: &[u8]) -> Result<Kind, Malformed> {
        let got = *bytes.first().ok_or(Malformed::Empty)?;
        Kind::ALL
            .into_iter()
            .find(|kind| *kind as u8 == got)
            .ok_or(Malformed::UnknownKind { got })
    }

    const fn unsigned_bytes(self) -> usize {
        1 + match self {
            Kind::Transfer => KEY + 8 + KEY + 8,
            Kind::OpenOneSided => KEY + 8 + 4 + KEY + 8 + 4 + 8,
            Kind::OpenTwoSided => KEY + 8 + 4 + KEY + 16 + 4 + 8,
            Kind::CooperativeClose => {
                KEY + DIGEST + DIGEST + size_of::<EntryBytes>() + 2 * SIGNATURE
            }
            Kind::CooperativeCloseAtOpening => KEY + DIGEST + 2 * SIGNATURE,
        }
    }

    /// The length of a transaction of this kind.
    pub(super) const fn bytes(self) -> usize {
        self.unsigned_bytes()
            + match self {
                Kind::OpenTwoSided => 2 * SIGNATURE,
                _ => SIGNATURE,
            }
    }
}

const _: () = {
    assert!(Kind::Transfer.bytes() == 145);
    assert!(Kind::OpenOneSided.bytes() == 161);
    assert!(Kind::OpenTwoSided.bytes() == 233);
    assert!(Kind::CooperativeClose.bytes() == 321);
    assert!(Kind::CooperativeCloseAtOpening.bytes() == 257);
};

impl Transaction {
    fn unsigned(&self) -> Buffer {
        let mut buffer = Buffer::new();
        buffer.put(&[self.kind() as u8]);
        match self {
            Transaction::Transfer {
                from,
                nonce,
                to,
                amount,
            } => {
                buffer.put(&from.0);
                buffer.put(&nonce.to_le_bytes());
                buffer.put(&to.0);
                buffer.put(&amount.units().to_le_bytes());
            }
            Transaction::Open {
                nonce,
                index,
                keys,
                deposits,
                challenge_window_blocks,
                reserve,
            } => {
                buffer.put(&keys.a.0);
                buffer.put(&nonce.to_le_bytes());
                buffer.put(&index.to_le_bytes());
                buffer.put(&keys.b.0);
                buffer.put(&deposits.a.units().to_le_bytes());
                if !deposits.b.is_zero() {
                    buffer.put(&deposits.b.units().to_le_bytes());
                }
                buffer.put(&challenge_window_blocks.to_le_bytes());
                buffer.put(&reserve.units().to_le_bytes());
            }
            Transaction::CooperativeClose { submitter, proof } => {
                buffer.put(&submitter.0);
                buffer.put(&proof.channel.0.0);
                if let State::After { previous, entry } = &proof.state {
                    buffer.put(&previous.0);
                    buffer.put(entry);
                }
                buffer.put(&proof.signatures.a.0);
                buffer.put(&proof.signatures.b.0);
            }
        }
        buffer
    }
}

/// The longest message that is hashed for a signature.
const LONGEST_MESSAGE: usize = DIGEST + Kind::CooperativeClose.unsigned_bytes();

/// Bytes in the making, without an allocation.
struct Buffer {
    bytes: [u8; LONGEST_MESSAGE],
    len: usize,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer {
            bytes: [0; LONGEST_MESSAGE],
            len: 0,
        }
    }

    fn put(&mut self, piece: &[u8]) {
        self.bytes[self.len..self.len + piece.len()].copy_from_slice(piece);
        self.len += piece.len();
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Bytes from outside, read from the front.
struct Reader<'a> {
    kind: Kind,
    all: usize,
    rest: &'a [u8],
}

impl Reader<'_> {
    fn transaction(&mut self) -> Result<Transaction, Malformed> {
        match self.kind {
            Kind::Transfer => Ok(Transaction::Transfer {
                from: PublicKey(self.take()?),
                nonce: self.u64()?,
                to: PublicKey(self.take()?),
                amount: self.amount()?,
            }),
            Kind::OpenOneSided | Kind::OpenTwoSided => self.open(),
            Kind::CooperativeClose | Kind::CooperativeCloseAtOpening => self.close(),
        }
    }

    fn open(&mut self) -> Result<Transaction, Malformed> {
        let a = PublicKey(self.take()?);
        let nonce = self.u64()?;
        let index = u32::from_le_bytes(self.take()?);
        let b = PublicKey(self.take()?);
        let mut deposits = Pair {
            a: self.amount()?,
            b: Amount::ZERO,
        };
        if self.kind == Kind::OpenTwoSided {
            deposits.b = self.amount()?;
            if deposits.b.is_zero() {
                return Err(Malformed::ZeroDepositOfB);
            }
        }
        Ok(Transaction::Open {
            nonce,
            index,
            keys: Pair { a, b },
            deposits,
            challenge_window_blocks: u32::from_le_bytes(self.take()?),
            reserve: self.amount()?,
        })
    }

    fn close(&mut self) -> Result<Transaction, Malformed> {
        let submitter = PublicKey(self.take()?);
        let channel = ChannelId(Digest(self.take()?));
        let state = if self.kind == Kind::CooperativeClose {
            State::After {
                previous: Digest(self.take()?),
                entry: self.take()?,
            }
        } else {
            State::Opening
        };
        let signatures = Pair {
            a: Signature(self.take()?),
            b: Signature(self.take()?),
        };
        Ok(Transaction::CooperativeClose {
            submitter,
            proof: FinalProof {
                channel,
                state,
                signatures,
            },
        })
    }

    fn amount(&mut self) -> Result<Amount, Malformed> {
        Ok(Amount::new(self.u64()?))
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (piece, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.wrong_length())?;
        self.rest = rest;
        Ok(*piece)
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.wrong_length())
        }
    }

    fn wrong_length(&self) -> Malformed {
        Malformed::WrongLength {
            kind: self.kind as u8,
            expected: self.kind.bytes(),
            got: self.all,
        }
    }
}
