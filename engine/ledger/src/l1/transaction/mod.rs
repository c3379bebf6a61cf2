//! The transactions of this Layer 1 and what is signed of them. Knows no ledger.
//!
//! Their bytes are in [`bytes`](self::bytes); what they do is the ledger's to say.

mod bytes;
mod decode;
mod kind;

pub(super) use bytes::encoded_digest;
pub use kind::COOPERATIVE_CLOSE_BYTES;
pub(super) use kind::Kind;

use std::slice;

use super::market::Bid;
use super::refusal::Malformed;
use duet_channels::crypto::{
    Backend, Digest, Domain, Hasher, PublicKey, SecretKey, SignJob, Signature, Signer,
};
use duet_channels::protocol::{Amount, ChannelId, FinalProof, Pair, Post, State, Terms};

/// What an account asks of Layer 1.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Moves value from one account to several, or several times to one: all or nothing.
    MultiSend {
        /// Who pays all amounts and the fee, and signs.
        from: PublicKey,
        /// How many nonces this account has used.
        nonce: u64,
        /// Who receives; at least one, at most [`Transaction::MOST_ITEMS`].
        outputs: Vec<Output>,
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
    /// Opens several channels of one opener, all or none. The channel at place i has index i.
    OpenBatch {
        /// Party A of all of them: pays the fee, and signs.
        opener: PublicKey,
        /// The opener's account nonce.
        nonce: u64,
        /// The channels; at least one, at most [`Transaction::MOST_ITEMS`].
        channels: Vec<Opening>,
    },
    /// Ends a channel in a state that both parties signed as final, and pays out (rule L3).
    CooperativeClose {
        /// Who pays the fee, and signs: a party or anyone else.
        submitter: PublicKey,
        /// The final state with both parties' signatures.
        proof: FinalProof,
    },
    /// Ends several channels so, each judged by itself.
    CloseBatch {
        /// Who pays the fee, and signs.
        submitter: PublicKey,
        /// The final states; at least one, at most [`Transaction::MOST_ITEMS`].
        proofs: Vec<FinalProof>,
    },
    /// Closes a channel unilaterally, or answers such a post (rule L4).
    Post {
        /// Who pays the fee, and signs. A party's post is its own; anyone else's is evidence only.
        submitter: PublicKey,
        /// What it shows.
        post: Post,
    },
    /// Pays out a channel whose challenge window is over (rule L5).
    Payout {
        /// Who pays the fee, and signs: a party or anyone else.
        submitter: PublicKey,
        /// Which channel.
        channel: ChannelId,
    },
    /// Ends a channel cooperatively and opens its successor between the same parties, with more or
    /// less in it: both or neither. A pays the fee, and both sign.
    RollOver {
        /// The final state of the channel that ends.
        proof: FinalProof,
        /// Party A of both: pays the fee, and signs.
        opener: PublicKey,
        /// The opener's account nonce: it makes the successor's id.
        nonce: u64,
        /// The successor; its party B is the old one's, and signs too.
        successor: Opening,
    },
}

/// What one account receives of a [`Transaction::MultiSend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Who receives; the account comes into being if need be.
    pub to: PublicKey,
    /// How much; more than zero.
    pub amount: Amount,
}

/// One channel to open, but for its opener: of a [`Transaction::OpenBatch`] or
/// [`Transaction::RollOver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Party B's key.
    pub peer: PublicKey,
    /// What each side locks. If B locks anything, B signs too.
    pub deposits: Pair<Amount>,
    /// The challenge window, in blocks.
    pub challenge_window_blocks: u32,
    /// The least balance that a payment may leave its payer.
    pub reserve: Amount,
}

impl Opening {
    /// The opening of a channel on these terms.
    #[must_use]
    pub fn of(terms: &Terms) -> Opening {
        Opening {
            peer: terms.keys.b,
            deposits: terms.deposits,
            challenge_window_blocks: terms.challenge_window_blocks,
            reserve: terms.reserve,
        }
    }
}

/// What a transaction is, whatever it asks for.
struct Described<'t> {
    kind: Kind,
    /// Signs, and pays the fee.
    signer: &'t PublicKey,
    /// Consents, before those of `openings` that deposit.
    peer: Option<&'t PublicKey>,
    openings: &'t [Opening],
    /// Channels or transfers.
    operations: u32,
}

impl Transaction {
    /// Channels that one transaction opens or closes at most: 57 kB of closes.
    pub const MOST_ITEMS: usize = 256;

    /// The length of a multi-send of so many outputs, without a bid.
    #[must_use]
    pub const fn multi_send_bytes(outputs: u64) -> u64 {
        Kind::multi_send_bytes(outputs)
    }

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

    /// The transaction that ends a channel in the state that both parties signed as final.
    #[must_use]
    pub fn close(submitter: PublicKey, proof: FinalProof) -> Transaction {
        Transaction::CooperativeClose { submitter, proof }
    }

    /// The transaction that closes a channel unilaterally, or answers whoever does.
    #[must_use]
    pub fn post(submitter: PublicKey, post: Post) -> Transaction {
        Transaction::Post { submitter, post }
    }

    /// The transaction that pays a channel out when its challenge window is over.
    #[must_use]
    pub fn payout(submitter: PublicKey, channel: ChannelId) -> Transaction {
        Transaction::Payout { submitter, channel }
    }

    /// The account that signs the digest and pays the fee.
    #[must_use]
    pub fn signer(&self) -> &PublicKey {
        self.described().signer
    }

    /// Who else signs the same digest: every B that deposits into a channel, and the B of a
    /// roll-over, in order.
    pub fn consenters(&self) -> impl Iterator<Item = &PublicKey> {
        let Described { peer, openings, .. } = self.described();
        let deposits = openings
            .iter()
            .filter(|opening| !opening.deposits.b.is_zero());
        peer.into_iter()
            .chain(deposits.map(|opening| &opening.peer))
    }

    /// How many channels or transfers it is about: what it takes of a block's limit.
    pub(super) fn operations(&self) -> u32 {
        self.described().operations
    }

    /// Which of its account's transactions it is, if those come in order.
    pub(super) fn nonce(&self) -> Option<u64> {
        match self {
            Transaction::Transfer { nonce, .. }
            | Transaction::MultiSend { nonce, .. }
            | Transaction::Open { nonce, .. }
            | Transaction::OpenBatch { nonce, .. }
            | Transaction::RollOver { nonce, .. } => Some(*nonce),
            Transaction::CooperativeClose { .. }
            | Transaction::CloseBatch { .. }
            | Transaction::Post { .. }
            | Transaction::Payout { .. } => None,
        }
    }

    /// What it moves out of its signer's account beside its fee, at most; of a roll-over, nothing
    /// more than it closes is counted.
    pub(super) fn spends(&self) -> Amount {
        match self {
            Transaction::Transfer { amount, .. } => *amount,
            Transaction::MultiSend { outputs, .. } => {
                let amounts = outputs.iter().map(|output| output.amount.units());
                Amount::new(amounts.fold(0, u64::saturating_add))
            }
            Transaction::Open { deposits, .. } => deposits.a,
            Transaction::OpenBatch { channels, .. } => {
                let deposits = channels.iter().map(|opening| opening.deposits.a.units());
                Amount::new(deposits.fold(0, u64::saturating_add))
            }
            _ => Amount::ZERO,
        }
    }

    fn kind(&self) -> Kind {
        self.described().kind
    }

    /// All that a transaction's kind says of it.
    fn described(&self) -> Described<'_> {
        let of = |kind, signer| Described {
            kind,
            signer,
            peer: None,
            openings: &[],
            operations: 1,
        };
        match self {
            Transaction::Transfer { from, .. } => of(Kind::Transfer, from),
            Transaction::MultiSend { from, outputs, .. } => Described {
                operations: outputs.len() as u32,
                ..of(Kind::MultiSend, from)
            },
            Transaction::Open { keys, deposits, .. } => Described {
                peer: Some(&keys.b).filter(|_| !deposits.b.is_zero()),
                ..of(Kind::of_opening(deposits), &keys.a)
            },
            Transaction::OpenBatch {
                opener, channels, ..
            } => Described {
                openings: channels,
                operations: channels.len() as u32,
                ..of(Kind::OpenBatch, opener)
            },
            Transaction::CooperativeClose { submitter, proof } => {
                of(Kind::of_final(proof), submitter)
            }
            Transaction::CloseBatch { submitter, proofs } => Described {
                operations: proofs.len() as u32,
                ..of(Kind::CloseBatch, submitter)
            },
            Transaction::Post { submitter, post } => {
                let kind = match (&post.shown, &post.offer) {
                    (Some(_), None) => Kind::Post,
                    (None, None) => Kind::PostAtOpening,
                    (Some(_), Some(_)) => Kind::PostWithOffer,
                    (None, Some(_)) => Kind::PostAtOpeningWithOffer,
                };
                of(kind, submitter)
            }
            Transaction::Payout { submitter, .. } => of(Kind::Payout, submitter),
            Transaction::RollOver {
                proof,
                opener,
                successor,
                ..
            } => {
                let kind = match proof.state {
                    State::After { .. } => Kind::RollOver,
                    State::Opening => Kind::RollOverAtOpening,
                };
                Described {
                    peer: Some(&successor.peer),
                    ..of(kind, opener)
                }
            }
        }
    }

    /// The transaction with its signer's signature, for this Layer 1.
    ///
    /// # Panics
    /// If the key is not its signer's, or if somebody else has to consent.
    #[must_use]
    pub fn signed_by(self, secret: &SecretKey, genesis: &Digest) -> SignedTransaction {
        assert_eq!(*self.signer(), secret.public(), "its signer's key");
        let digest = self.digest(genesis);
        let (secret, job) = (slice::from_ref(secret), SignJob { secret: 0, digest });
        let mut signatures = Vec::with_capacity(1);
        Signer::new(Backend::Dalek).sign(secret, &[job], &mut signatures);
        SignedTransaction::new(self, signatures[0], [])
    }

    /// `H_transaction(genesis id ‖ unsigned bytes)`: what [`Transaction::signer`] and
    /// [`Transaction::consenters`] sign, where there are no bids.
    #[must_use]
    pub fn digest(&self, genesis: &Digest) -> Digest {
        self.digest_with(None, genesis)
    }

    /// The same with this bid.
    #[must_use]
    pub fn digest_with(&self, bid: Option<&Bid>, genesis: &Digest) -> Digest {
        let mut unsigned = Vec::with_capacity(512);
        self.encode_unsigned(bid, &mut unsigned);
        digest(genesis, &unsigned)
    }
}

/// The digest of a transaction's unsigned bytes.
fn digest(genesis: &Digest, unsigned: &[u8]) -> Digest {
    let mut hasher = Hasher::new(Domain::Transaction);
    hasher.update(&genesis.0).update(unsigned);
    hasher.finish()
}

/// A transaction with its signatures, which nobody has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction {
    transaction: Transaction,
    bid: Option<Bid>,
    signature: Signature,
    consents: Vec<Signature>,
}

impl SignedTransaction {
    /// Joins a transaction and the signatures over its digest.
    ///
    /// # Panics
    /// If there are not as many consents as [`Transaction::consenters`].
    #[must_use]
    pub fn new(
        transaction: Transaction,
        signature: Signature,
        consents: impl IntoIterator<Item = Signature>,
    ) -> SignedTransaction {
        let consents: Vec<Signature> = consents.into_iter().collect();
        assert_eq!(
            transaction.consenters().count(),
            consents.len(),
            "one consent for each who must consent"
        );
        SignedTransaction {
            transaction,
            bid: None,
            signature,
            consents,
        }
    }

    /// The same with a bid, which its signatures are over too ([`Transaction::digest_with`]).
    #[must_use]
    pub fn with_bid(self, bid: Option<Bid>) -> SignedTransaction {
        SignedTransaction { bid, ..self }
    }

    /// What it offers for a unit of a block, where Layer 1 takes bids.
    #[must_use]
    pub fn bid(&self) -> Option<&Bid> {
        self.bid.as_ref()
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

    /// The signatures of [`Transaction::consenters`], in that order.
    #[must_use]
    pub fn consents(&self) -> &[Signature] {
        &self.consents
    }

    /// Appends the bytes.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        self.transaction.encode_unsigned(self.bid.as_ref(), bytes);
        bytes.extend_from_slice(&self.signature.0);
        for consent in &self.consents {
            bytes.extend_from_slice(&consent.0);
        }
    }

    /// Reads exactly one transaction: every byte string that this accepts is the encoding of what
    /// it returns.
    ///
    /// # Errors
    /// [`Malformed`] with what was expected and what was found.
    pub fn decode(bytes: &[u8]) -> Result<SignedTransaction, Malformed> {
        decode::decode(bytes)
    }

    /// Reads the first of a block's transactions; with how many of the bytes it takes.
    pub(super) fn decode_first(bytes: &[u8]) -> Result<(SignedTransaction, usize), Malformed> {
        decode::decode_first(bytes)
    }
}
