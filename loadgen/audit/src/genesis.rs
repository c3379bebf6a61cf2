//! What Layer 1 starts from, read record by record: its parameters, what it is scarce by, and its
//! first balances, which together have the genesis id. Keeps no balance: those are the ledger's.

use super::bytes::Reader;
use super::finding::{AuditError, Place};
use super::hash::{Digest, KEYS, hex};
use super::scarcity::Scarcity;
use super::transaction::PublicKey;

/// Every kind of transaction fits into a block.
const LEAST_BLOCK_BYTES: u64 = 453;
/// And with a bid.
const BID_BYTES: u64 = 16;

/// What bounds blocks.
#[derive(Clone, Copy)]
pub(super) struct Parameters {
    pub(super) block_transactions: u32,
    pub(super) block_bytes: u64,
    pub(super) fee: u64,
    pub(super) scarcity: Scarcity,
}

/// How much of the genesis has been read.
pub(super) enum Start {
    Nothing,
    Accounts(Box<Reading>),
    Done(Parameters),
}

/// A genesis of which some has been read.
pub(super) struct Reading {
    parameters: Parameters,
    /// Accounts in all, and those that are still to come.
    accounts: u64,
    left: u64,
    hasher: blake3::Hasher,
    /// What comes after the accounts in the genesis id.
    scarcity: Vec<u8>,
}

impl Start {
    /// Of a genesis record: `H_genesis(label's length ‖ label ‖ block transactions ‖ block bytes ‖
    /// fee ‖ number of accounts ‖ every key and amount ‖ what it is scarce by)` will be the id.
    pub(super) fn parameters(
        &mut self,
        record: &mut Reader<'_>,
        genesis: &Digest,
    ) -> Result<(), AuditError> {
        if !matches!(self, Start::Nothing) {
            return Err(record.place().finding("genesis records", 1, 2));
        }
        let place = record.place();
        let parameters = Parameters {
            block_transactions: record.u32()?,
            block_bytes: record.u64()?,
            fee: record.u64()?,
            scarcity: Scarcity::default(),
        };
        if parameters.block_transactions == 0 {
            return Err(place.finding("transactions a block", "at least 1", 0));
        }
        check_block_bytes(parameters.block_bytes, LEAST_BLOCK_BYTES, place)?;
        let accounts = record.u64()?;
        let label = record.bytes(record.rest().len())?;
        let mut hasher = KEYS.genesis.hasher();
        hasher
            .update(&(label.len() as u64).to_le_bytes())
            .update(label)
            .update(&parameters.block_transactions.to_le_bytes())
            .update(&parameters.block_bytes.to_le_bytes())
            .update(&parameters.fee.to_le_bytes())
            .update(&accounts.to_le_bytes());
        *self = Start::Accounts(Box::new(Reading {
            parameters,
            accounts,
            left: accounts,
            hasher,
            scarcity: Vec::new(),
        }));
        // Without accounts this may be all of it, or what it is scarce by follows.
        let _ = self.begin(genesis, record.place());
        Ok(())
    }

    /// Of a record of what else Layer 1 is set up with: right after the genesis record.
    pub(super) fn scarcity(
        &mut self,
        record: &mut Reader<'_>,
        genesis: &Digest,
    ) -> Result<Scarcity, AuditError> {
        let place = record.place();
        let reading = match self {
            Start::Accounts(reading) if reading.is_fresh() => reading,
            _ => {
                let expected = "at most one, right after the genesis record";
                return Err(place.finding("a record of scarcity", expected, "another"));
            }
        };
        reading.scarcity.extend_from_slice(record.rest());
        let scarcity = Scarcity::read(record)?;
        reading.parameters.scarcity = scarcity;
        if scarcity.takes_bids() {
            let bytes = reading.parameters.block_bytes;
            check_block_bytes(bytes, LEAST_BLOCK_BYTES + BID_BYTES, place)?;
        }
        if reading.left == 0 {
            self.begin(genesis, place)?;
        }
        Ok(scarcity)
    }

    /// Of an account's record.
    pub(super) fn account(
        &mut self,
        (key, amount): (&PublicKey, u64),
        genesis: &Digest,
        place: Place<'_>,
    ) -> Result<(), AuditError> {
        let Start::Accounts(reading) = self else {
            return Err(place.finding("accounts left", 0, 1));
        };
        if reading.left == 0 {
            return Err(place.finding("accounts left", 0, 1));
        }
        reading.hasher.update(key).update(&amount.to_le_bytes());
        reading.left -= 1;
        match reading.left {
            0 => self.begin(genesis, place),
            _ => Ok(()),
        }
    }

    /// Ends the genesis if all of it is there.
    fn begin(&mut self, genesis: &Digest, place: Place<'_>) -> Result<(), AuditError> {
        let Start::Accounts(reading) = self else {
            return Ok(());
        };
        if reading.left > 0 {
            return Ok(());
        }
        let mut hasher = reading.hasher.clone();
        let found = *hasher.update(&reading.scarcity).finalize().as_bytes();
        if found != *genesis {
            let expected = hex(genesis);
            return Err(place.finding("the genesis id", expected, hex(&found)));
        }
        *self = Start::Done(reading.parameters);
        Ok(())
    }
}

impl Reading {
    /// Whether only the genesis record has been read.
    fn is_fresh(&self) -> bool {
        self.left == self.accounts && self.scarcity.is_empty()
    }
}

fn check_block_bytes(bytes: u64, least: u64, place: Place<'_>) -> Result<(), AuditError> {
    if bytes >= least {
        return Ok(());
    }
    let least = format!("at least {least}, of the longest transaction");
    Err(place.finding("bytes a block", least, bytes))
}
