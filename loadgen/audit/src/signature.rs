//! The signatures of the sampled sessions: both parties' over every state, their finals, and those
//! of their Layer 1 transactions.

use std::collections::HashMap;

use super::bytes::Reader;
use super::claim::{Claim, check_key, first_forged};
use super::finding::{AuditError, Place};
use super::hash::{Digest, KEYS};
use super::ledger::Ledger;
use super::sample::Chooser;
use super::source::Source;
use super::transaction::{Act, PublicKey, Signature, Transaction};

/// The sampled channels, by index, and the keys of A and B: of those that are opened so far.
pub(super) struct Sampled {
    chooser: Chooser,
    /// The channel that is to be looked at next.
    next: usize,
    keys: HashMap<u32, [PublicKey; 2]>,
}

impl Sampled {
    /// Those that this one chooses.
    pub(super) fn new(chooser: Chooser) -> Sampled {
        Sampled {
            chooser,
            next: 0,
            keys: HashMap::new(),
        }
    }

    /// Looks at the channels that have been opened since the last time.
    pub(super) fn follow(&mut self, ledger: &Ledger) -> Result<(), AuditError> {
        let l1 = Source::L1.whole(0);
        let place = Place {
            file: &l1,
            offset: None,
        };
        // Not by skipping: this is called for every segment, and channels are many.
        let opened_since = &ledger.channels[self.next..];
        for (index, channel) in (self.next as u32..).zip(opened_since) {
            let left_out = self.chooser.take(index, &channel.id);
            if left_out == Some(index) {
                continue;
            }
            if let Some(left_out) = left_out {
                self.keys.remove(&left_out);
            }
            let keys = ledger.keys(index);
            keys.iter().try_for_each(|key| check_key(key, place))?;
            self.keys.insert(index, keys);
        }
        self.next = ledger.channels.len();
        Ok(())
    }

    pub(super) fn len(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The keys of A and B, if the channel is sampled.
    pub(super) fn keys(&self, channel: u32) -> Option<&[PublicKey; 2]> {
        if self.keys.is_empty() {
            return None;
        }
        self.keys.get(&channel)
    }
}

/// What both sign to agree on a state.
pub(super) fn state_digest(channel: &Digest, head: &Digest) -> Digest {
    KEYS.state.hash(&[channel, head])
}

/// A signature of a Layer 1 transaction, and where that stands.
struct OfLayer1 {
    what: &'static str,
    offset: Option<u64>,
}

/// Signatures of Layer 1's transactions, gathered to be verified together.
#[derive(Default)]
struct Gathered {
    claims: Vec<Claim>,
    of: Vec<OfLayer1>,
}

impl Gathered {
    fn add(
        &mut self,
        what: &'static str,
        place: Place<'_>,
        key: &PublicKey,
        digest: &Digest,
        signature: &Signature,
    ) -> Result<(), AuditError> {
        check_key(key, place)?;
        self.claims.push(Claim::new(key, digest, signature));
        let offset = place.offset;
        self.of.push(OfLayer1 { what, offset });
        Ok(())
    }

    /// Gives how many there were.
    fn verify(self, file: &str) -> Result<u64, AuditError> {
        let Some(forged) = first_forged(&self.claims)? else {
            return Ok(self.claims.len() as u64);
        };
        let OfLayer1 { what, offset } = self.of[forged];
        let place = Place { file, offset };
        let expected = "the signer's over the transaction's bytes";
        Err(place.finding(what, expected, "one that does not verify"))
    }
}

/// Verifies, in one chunk of Layer 1's stream that has been replayed, the opening and closing
/// transactions of the sampled channels, and all that failed: those are of no channel that could be
/// sampled. Gives the number of signatures.
pub(super) fn verify_blocks(
    mut records: Reader<'_>,
    ledger: &Ledger,
    sampled: &Sampled,
) -> Result<u64, AuditError> {
    let file = records.place().file;
    let mut gathered = Gathered::default();
    while !records.is_empty() {
        let length = records.u32()?;
        let kind = records.u8()?;
        let place = records.place();
        let content = records.bytes(length as usize)?;
        if kind != 4 {
            continue;
        }
        let mut body = Reader::new(place.file, place.offset.unwrap_or(0), content);
        body.bytes(ledger.header_bytes())?;
        while !body.is_empty() {
            let place = body.place();
            let transaction = Transaction::read(&mut body)?;
            gather(&transaction, ledger, sampled, place, &mut gathered)?;
        }
    }
    gathered.verify(file)
}

fn gather(
    transaction: &Transaction<'_>,
    ledger: &Ledger,
    sampled: &Sampled,
    place: Place<'_>,
    gathered: &mut Gathered,
) -> Result<(), AuditError> {
    let id = match &transaction.act {
        Act::Open(open) => open.channel(&ledger.genesis),
        Act::Close(close) => close.channel,
    };
    let channel = ledger.channel(&id);
    if channel.is_some_and(|channel| sampled.keys(channel).is_none()) {
        return Ok(());
    }
    let digest = KEYS
        .transaction
        .hash(&[&ledger.genesis, transaction.unsigned]);
    if let Act::Open(open) = &transaction.act {
        // It signs states later on, if it has not signed this.
        check_key(&open.key_b, place)?;
    }
    let mut add = |what, key: &PublicKey, digest: &Digest, signature: &Signature| {
        gathered.add(what, place, key, digest, signature)
    };
    match &transaction.act {
        Act::Open(open) => {
            add(
                "the opener's signature",
                &open.key_a,
                &digest,
                &transaction.signature,
            )?;
            if let Some(consent) = &transaction.consent {
                add("the other party's signature", &open.key_b, &digest, consent)?;
            }
        }
        Act::Close(close) => {
            add(
                "the submitter's signature",
                &close.submitter,
                &digest,
                &transaction.signature,
            )?;
            let digest = KEYS.final_state.hash(&[&id, &close.head()]);
            let keys = channel.and_then(|channel| sampled.keys(channel));
            let finals = keys.into_iter().flatten().zip(&close.finals);
            for (key, signature) in finals {
                add("a final signature", key, &digest, signature)?;
            }
        }
    }
    Ok(())
}
