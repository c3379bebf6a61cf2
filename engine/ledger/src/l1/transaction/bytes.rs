//! A transaction's bytes, one encoding of each and no other.
//!
//! A transaction starts with its kind. The kind fixes the length, but for batches, whose items
//! start with their kind and whose number stands before them; so there is no padding and no flag.
//! Integers are little-endian:
//!
//! | kind | | after the kind byte |
//! | --- | --- | --- |
//! | 1 | transfer | from 32 · nonce 8 · to 32 · amount 8 |
//! | 2 | open, only A deposits | key A 32 · nonce 8 · index 4 · *opening* |
//! | 3 | open, B deposits too | the same |
//! | 4 | cooperative close | submitter 32 · *final* |
//! | 5 | cooperative close at version 0 | submitter 32 · *final* |
//! | 6 | post | submitter 32 · channel 32 · *state* · signatures of A 64 and B 64 |
//! | 7 | post at version 0 | submitter 32 · channel 32 |
//! | 8 | post with an offer | as 6 · *state* offered · poster's signature 64 |
//! | 9 | post at version 0 with an offer | as 7 · *state* offered · poster's signature 64 |
//! | 10 | payout | submitter 32 · channel 32 |
//! | 11 | roll-over | key A 32 · nonce 8 · *opening* for two depositors · *final* |
//! | 12 | roll-over at version 0 | the same |
//! | 13 | batched open | key A 32 · nonce 8 · count 2 · count × (2 or 3 · *opening*) |
//! | 14 | batched close | submitter 32 · count 2 · count × (4 or 5 · *final*) |
//! | 15 | multi-send | from 32 · nonce 8 · count 2 · count × (1 · to 32 · amount 8) |
//!
//! *opening*: key B 32 · deposit A 8 · (kinds 3 and 11: deposit B 8) · window 4 · reserve 8.
//! *state*: previous head 32 · entry 32. *final*: channel 32 · (not at version 0: *state*) · final
//! signatures of A 64 and B 64.
//!
//! Where Layer 1 takes bids, the kind byte's highest bit is set, and the bid follows that byte:
//! most 8 · tip 8, each in units of money for a million units of a block.
//!
//! Then the signer's signature (64), and those who consent (64 each): every B that deposits, and
//! the B of a roll-over. All are over `H_transaction(genesis id ‖ all bytes before them)`: bound
//! to this Layer 1 and to every byte.

use super::super::market::Bid;
use super::kind::{Kind, SIGNATURE};
use super::{Opening, Output, SignedTransaction, Transaction};
use duet_channels::crypto::Digest;
use duet_channels::protocol::{Amount, FinalProof, Pair, State};

/// The bit of the kind byte that says that a bid follows.
pub(super) const BIDS: u8 = 0x80;

/// The digest that the signatures of an encoded transaction are over, straight from its bytes.
///
/// # Panics
/// If `bytes` are shorter than the signatures of `signed`.
pub(in super::super) fn encoded_digest(
    genesis: &Digest,
    signed: &SignedTransaction,
    bytes: &[u8],
) -> Digest {
    let signatures = SIGNATURE * (1 + signed.consents.len());
    super::digest(genesis, &bytes[..bytes.len() - signatures])
}

impl Transaction {
    /// How many bytes it takes with its signatures, without a bid.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        if let Some(bytes) = self.kind().bytes() {
            return bytes;
        }
        let mut unsigned = Vec::new();
        self.encode_unsigned(None, &mut unsigned);
        unsigned.len() + SIGNATURE * (1 + self.consenters().count())
    }

    #[expect(clippy::too_many_lines, reason = "an arm for each kind")]
    pub(super) fn encode_unsigned(&self, bid: Option<&Bid>, bytes: &mut Vec<u8>) {
        let kind = self.kind() as u8;
        match bid {
            None => bytes.push(kind),
            Some(Bid { most, tip }) => {
                bytes.push(kind | BIDS);
                put(bytes, &[&most.0.to_le_bytes(), &tip.0.to_le_bytes()]);
            }
        }
        match self {
            Transaction::Transfer {
                from,
                nonce,
                to,
                amount,
            } => {
                put(bytes, &[&from.0, &nonce.to_le_bytes(), &to.0]);
                put_amount(bytes, *amount);
            }
            Transaction::Open {
                nonce,
                index,
                keys,
                deposits,
                challenge_window_blocks,
                reserve,
            } => {
                put(bytes, &[&keys.a.0, &nonce.to_le_bytes()]);
                put(bytes, &[&index.to_le_bytes()]);
                let opening = Opening {
                    peer: keys.b,
                    deposits: *deposits,
                    challenge_window_blocks: *challenge_window_blocks,
                    reserve: *reserve,
                };
                put_opening(bytes, &opening, Kind::of_opening(deposits));
            }
            Transaction::OpenBatch {
                opener,
                nonce,
                channels,
            } => {
                put(bytes, &[&opener.0, &nonce.to_le_bytes()]);
                put_count(bytes, channels.len());
                for opening in channels {
                    let kind = Kind::of_opening(&opening.deposits);
                    bytes.push(kind as u8);
                    put_opening(bytes, opening, kind);
                }
            }
            Transaction::MultiSend {
                from,
                nonce,
                outputs,
            } => {
                put(bytes, &[&from.0, &nonce.to_le_bytes()]);
                put_count(bytes, outputs.len());
                for Output { to, amount } in outputs {
                    put(bytes, &[&[Kind::Transfer as u8], &to.0]);
                    put_amount(bytes, *amount);
                }
            }
            Transaction::CooperativeClose { submitter, proof } => {
                put(bytes, &[&submitter.0]);
                put_final(bytes, proof);
            }
            Transaction::CloseBatch { submitter, proofs } => {
                put(bytes, &[&submitter.0]);
                put_count(bytes, proofs.len());
                for proof in proofs {
                    bytes.push(Kind::of_final(proof) as u8);
                    put_final(bytes, proof);
                }
            }
            Transaction::Post { submitter, post } => {
                put(bytes, &[&submitter.0, &post.channel.0.0]);
                if let Some(shown) = &post.shown {
                    let Pair { a, b } = &shown.signatures;
                    put(bytes, &[&shown.previous.0, &shown.entry, &a.0, &b.0]);
                }
                if let Some(offer) = &post.offer {
                    put(
                        bytes,
                        &[&offer.previous.0, &offer.entry, &offer.signature.0],
                    );
                }
            }
            Transaction::Payout { submitter, channel } => {
                put(bytes, &[&submitter.0, &channel.0.0]);
            }
            Transaction::RollOver {
                proof,
                opener,
                nonce,
                successor,
            } => {
                put(bytes, &[&opener.0, &nonce.to_le_bytes()]);
                put_opening(bytes, successor, Kind::OpenTwoSided);
                put_final(bytes, proof);
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, pieces: &[&[u8]]) {
    for piece in pieces {
        bytes.extend_from_slice(piece);
    }
}

fn put_amount(bytes: &mut Vec<u8>, amount: Amount) {
    bytes.extend_from_slice(&amount.units().to_le_bytes());
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    let count = u16::try_from(count).expect("a batch of at most 65,535 items");
    bytes.extend_from_slice(&count.to_le_bytes());
}

fn put_opening(bytes: &mut Vec<u8>, opening: &Opening, kind: Kind) {
    put(bytes, &[&opening.peer.0]);
    put_amount(bytes, opening.deposits.a);
    if kind == Kind::OpenTwoSided {
        put_amount(bytes, opening.deposits.b);
    }
    put(bytes, &[&opening.challenge_window_blocks.to_le_bytes()]);
    put_amount(bytes, opening.reserve);
}

fn put_final(bytes: &mut Vec<u8>, proof: &FinalProof) {
    put(bytes, &[&proof.channel.0.0]);
    if let State::After { previous, entry } = &proof.state {
        put(bytes, &[&previous.0, entry]);
    }
    put(bytes, &[&proof.signatures.a.0, &proof.signatures.b.0]);
}
