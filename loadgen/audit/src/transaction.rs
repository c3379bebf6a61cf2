//! Reads the Layer 1 transactions that sessions make: opens and cooperative closes. The bytes are
//! in docs/audit.md; what they do is the ledger's to say.

use super::bytes::Reader;
use super::finding::AuditError;
use super::hash::{Digest, KEYS, link};

/// A public key or a signature's bytes.
pub(super) type PublicKey = [u8; 32];
pub(super) type Signature = [u8; 64];

/// One transaction, and what its signatures are over.
pub(super) struct Transaction<'a> {
    /// The bytes before its signatures.
    pub(super) unsigned: &'a [u8],
    /// What it offers for a block's units, if it does.
    pub(super) bid: Option<Bid>,
    pub(super) act: Act,
    /// Of the account that pays the fee.
    pub(super) signature: Signature,
    /// Of party B, if it deposits.
    pub(super) consent: Option<Signature>,
}

/// What a transaction offers for a million units of a block.
#[derive(Clone, Copy)]
pub(super) struct Bid {
    /// At most, the base fee included.
    pub(super) most: u64,
    /// Above the base fee, if that leaves as much.
    pub(super) tip: u64,
}

/// The bit of the kind's byte that says that a bid follows.
const BIDS: u8 = 0x80;

/// What it does.
pub(super) enum Act {
    Open(Open),
    Close(Close),
}

/// A channel's terms, but for the genesis.
pub(super) struct Open {
    pub(super) key_a: PublicKey,
    pub(super) nonce: u64,
    pub(super) index: u32,
    pub(super) key_b: PublicKey,
    pub(super) deposit_a: u64,
    /// B deposits too, and has signed for that.
    pub(super) two_sided: bool,
    pub(super) deposit_b: u64,
    pub(super) window: u32,
    pub(super) reserve: u64,
}

/// A channel's end.
pub(super) struct Close {
    pub(super) submitter: PublicKey,
    pub(super) channel: Digest,
    /// The head before the last entry, and that entry; none if nothing was paid.
    pub(super) state: Option<(Digest, [u8; 32])>,
    /// Over the state as final, of A and of B.
    pub(super) finals: [Signature; 2],
}

impl Open {
    /// The channel's identity.
    pub(super) fn channel(&self, genesis: &Digest) -> Digest {
        KEYS.channel_id.hash(&[
            genesis,
            &self.key_a,
            &self.nonce.to_le_bytes(),
            &self.index.to_le_bytes(),
            &self.key_a,
            &self.key_b,
            &self.deposit_a.to_le_bytes(),
            &self.deposit_b.to_le_bytes(),
            &self.window.to_le_bytes(),
            &self.reserve.to_le_bytes(),
        ])
    }
}

impl Close {
    /// The log head that it ends at.
    pub(super) fn head(&self) -> Digest {
        match &self.state {
            Some((previous, entry)) => link(previous, entry),
            None => self.channel,
        }
    }
}

impl<'a> Transaction<'a> {
    /// How many signatures it has.
    pub(super) fn signatures(&self) -> u64 {
        let of_submitter = 1;
        match &self.act {
            Act::Open(_) => of_submitter + u64::from(self.consent.is_some()),
            Act::Close(close) => of_submitter + close.finals.len() as u64,
        }
    }

    /// Takes the first transaction off a block's body.
    pub(super) fn read(body: &mut Reader<'a>) -> Result<Transaction<'a>, AuditError> {
        let (start, place) = (body.rest(), body.place());
        let byte = body.u8()?;
        let bid = match byte & BIDS {
            0 => None,
            _ => Some(Bid {
                most: body.u64()?,
                tip: body.u64()?,
            }),
        };
        let kind = byte & !BIDS;
        let act = match kind {
            2 | 3 => Act::Open(Open {
                key_a: body.take()?,
                nonce: body.u64()?,
                index: body.u32()?,
                key_b: body.take()?,
                deposit_a: body.u64()?,
                two_sided: kind == 3,
                deposit_b: if kind == 3 { body.u64()? } else { 0 },
                window: body.u32()?,
                reserve: body.u64()?,
            }),
            4 | 5 => Act::Close(Close {
                submitter: body.take()?,
                channel: body.take()?,
                state: if kind == 4 {
                    Some((body.take()?, body.take()?))
                } else {
                    None
                },
                finals: [body.take()?, body.take()?],
            }),
            1 | 6..=14 => {
                let expected = "an open (2, 3) or a cooperative close (4, 5): others are not \
                                audited yet";
                return Err(place.finding("the transaction's kind", expected, kind));
            }
            _ => return Err(place.finding("the transaction's kind", "1 to 14", kind)),
        };
        let unsigned = &start[..start.len() - body.rest().len()];
        Ok(Transaction {
            unsigned,
            bid,
            act,
            signature: body.take()?,
            consent: if kind == 3 { Some(body.take()?) } else { None },
        })
    }
}
