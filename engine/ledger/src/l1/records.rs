//! What a durable log keeps of a Layer 1: one record a key, the newest of each.
//!
//! | key | record |
//! | --- | --- |
//! | 0 | the head: format 4 · genesis id 32 · tip 32 · height 8 · block transactions 4 · block bytes 8 · fee 8 · supply 8 · totals in accounts, locked and as fees 8 each · account places 4 · channel places 4 · open channels 4 · the load's eleven counters 8 each · whether blocks commit to the state 1 |
//! | 1 + 2i | the account at place i: key 32 · balance 8 · nonce 8, all ones if the key is only party to a channel |
//! | 2 + 2j | the open channel at place j: id 32 · places of A's and B's accounts 4 each · capacity 8 · reserve 8 · A's deposit 8 · window 4 · disputed 1 · if so, the dispute 74 |
//!
//! Integers are little-endian. Every account has a record, and every open channel; a channel that
//! ends takes its record along, and another one may get its place.

use std::num::NonZeroU32;

use super::channel::Channel;
use super::config::Config;
use super::dispute::{DISPUTE_BYTES, Dispute};
use super::ledger::{Account, AccountPlace, AccountRow, ChannelRow, Totals};
use super::load::Load;
use duet_base::bytes::Reader;
use duet_channels::crypto::{Digest, PublicKey};
use duet_channels::protocol::{Amount, ChannelId, Limits, Pair};

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordKey {
    Head,
    Account(u32),
    Channel(u32),
}

impl RecordKey {
    /// # Panics
    /// From place 2^31 - 1 on.
    pub(super) fn number(self) -> u32 {
        let number = match self {
            RecordKey::Head => Some(0),
            RecordKey::Account(place) => {
                place.checked_mul(2).and_then(|twice| twice.checked_add(1))
            }
            RecordKey::Channel(place) => {
                place.checked_mul(2).and_then(|twice| twice.checked_add(2))
            }
        };
        number.expect("a log has keys for 2^31 places")
    }

    pub(super) fn of(number: u32) -> RecordKey {
        match number {
            0 => RecordKey::Head,
            _ if number % 2 == 1 => RecordKey::Account(number / 2),
            _ => RecordKey::Channel(number / 2 - 1),
        }
    }
}

/// All that is neither an account nor a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) genesis: Digest,
    pub(super) tip: Digest,
    pub(super) height: u64,
    pub(super) block_transactions: u32,
    pub(super) block_bytes: u64,
    pub(super) fee: Amount,
    pub(super) supply: Amount,
    pub(super) totals: Totals,
    pub(super) counts: Counts,
    pub(super) load: Load,
    pub(super) state_root: bool,
}

/// How many records there are beside the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) accounts: u32,
    pub(super) channel_places: u32,
    pub(super) channels: u32,
}

/// Raised by every change of what is written here.
pub(super) const FORMAT: u32 = 2;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    WrongLength { expected: usize },
    OtherFormat { got: u32 },
    Unsound(&'static str),
}

impl Head {
    pub(super) const BYTES: usize = 4 + 2 * 32 + 8 + 4 + 6 * 8 + 3 * 4 + 11 * 8 + 1;

    pub(super) fn check(&self, config: &Config) -> Result<(), (&'static str, u64, u64)> {
        let parameters = [
            (
                "transactions a block",
                u64::from(config.block_transactions),
                u64::from(self.block_transactions),
            ),
            ("bytes a block", config.block_bytes, self.block_bytes),
            ("fee", config.fee.units(), self.fee.units()),
            (
                "state root",
                u64::from(config.state_root),
                u64::from(self.state_root),
            ),
        ];
        let other = parameters
            .into_iter()
            .find(|(_, expected, got)| expected != got);
        other.map_or(Ok(()), Err)
    }

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.genesis.0);
        bytes.extend_from_slice(&self.tip.0);
        put(bytes, [self.height]);
        bytes.extend_from_slice(&self.block_transactions.to_le_bytes());
        let Totals {
            accounts,
            locked,
            fees,
        } = self.totals;
        put(bytes, [self.block_bytes]);
        put(
            bytes,
            [self.fee, self.supply, accounts, locked, fees].map(Amount::units),
        );
        let Counts {
            accounts,
            channel_places,
            channels,
        } = self.counts;
        for count in [accounts, channel_places, channels] {
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        let Load {
            transactions,
            failed,
            refused,
            bytes: block_bytes,
            signature_verifications,
            state_reads,
            state_writes,
            peak_state_entries,
            blocks,
            cpu_ns,
            root_cpu_ns,
        } = self.load;
        put(
            bytes,
            [
                transactions,
                failed,
                refused,
                block_bytes,
                signature_verifications,
                state_reads,
                state_writes,
                peak_state_entries,
                blocks,
                cpu_ns,
                root_cpu_ns,
            ],
        );
        bytes.push(u8::from(self.state_root));
        assert_eq!(bytes.len(), Head::BYTES);
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Head, Unreadable> {
        let (format, mut head, state_root) = read(bytes, Head::BYTES, |reader| {
            let format = reader.u32()?;
            let head = Head {
                genesis: Digest(reader.array()?),
                tip: Digest(reader.array()?),
                height: reader.u64()?,
                block_transactions: reader.u32()?,
                block_bytes: reader.u64()?,
                fee: amount(reader)?,
                supply: amount(reader)?,
                totals: Totals {
                    accounts: amount(reader)?,
                    locked: amount(reader)?,
                    fees: amount(reader)?,
                },
                counts: Counts {
                    accounts: reader.u32()?,
                    channel_places: reader.u32()?,
                    channels: reader.u32()?,
                },
                load: Load {
                    transactions: reader.u64()?,
                    failed: reader.u64()?,
                    refused: reader.u64()?,
                    bytes: reader.u64()?,
                    signature_verifications: reader.u64()?,
                    state_reads: reader.u64()?,
                    state_writes: reader.u64()?,
                    peak_state_entries: reader.u64()?,
                    blocks: reader.u64()?,
                    cpu_ns: reader.u64()?,
                    root_cpu_ns: reader.u64()?,
                },
                state_root: false,
            };
            Some((format, head, reader.byte()?))
        })?;
        if format != FORMAT {
            return Err(Unreadable::OtherFormat { got: format });
        }
        head.state_root = match state_root {
            0 => false,
            1 => true,
            _ => return Err(Unreadable::Unsound("neither with a state root nor without")),
        };
        // A transaction ends channels before it opens others.
        if u64::from(head.counts.channel_places) > head.load.peak_state_entries {
            return Err(Unreadable::Unsound(
                "more places than channels were ever open",
            ));
        }
        Ok(head)
    }
}

impl AccountRow {
    const BYTES: usize = 32 + 8 + 8;

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend_from_slice(&self.key.0);
        let account = self.account();
        let (balance, nonce) = account.map_or((0, NO_ACCOUNT), |account| {
            (account.balance.units(), account.nonce)
        });
        put(bytes, [balance, nonce]);
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<AccountRow, Unreadable> {
        let (key, balance, nonce) = read(bytes, AccountRow::BYTES, |reader| {
            let key = PublicKey(reader.array()?);
            Some((key, amount(reader)?, reader.u64()?))
        })?;
        if nonce == NO_ACCOUNT {
            if !balance.is_zero() {
                return Err(Unreadable::Unsound("a balance without an account"));
            }
            return Ok(AccountRow::of(key, None));
        }
        Ok(AccountRow::of(key, Some(Account { balance, nonce })))
    }
}

/// The nonce in the record of a key without an account.
const NO_ACCOUNT: u64 = u64::MAX;

impl ChannelRow {
    const BYTES: usize = 32 + 2 * 4 + 3 * 8 + 4 + 1;

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let Channel {
            limits,
            deposit_a,
            challenge_window_blocks,
            dispute,
        } = &self.channel;
        bytes.clear();
        bytes.extend_from_slice(&self.id.0.0);
        bytes.extend_from_slice(&self.parties.a.0.to_le_bytes());
        bytes.extend_from_slice(&self.parties.b.0.to_le_bytes());
        put(
            bytes,
            [limits.capacity, limits.reserve, *deposit_a].map(Amount::units),
        );
        bytes.extend_from_slice(&challenge_window_blocks.get().to_le_bytes());
        bytes.push(u8::from(dispute.is_some()));
        if let Some(dispute) = dispute {
            dispute.encode(bytes);
        }
    }

    /// Whether its parties have accounts' places is not known here.
    pub(super) fn decode(bytes: &[u8]) -> Result<ChannelRow, Unreadable> {
        let disputed = bytes.get(ChannelRow::BYTES - 1) == Some(&1);
        let length = ChannelRow::BYTES + if disputed { DISPUTE_BYTES } else { 0 };
        let (id, [a, b], amounts, window, marker, dispute) = read(bytes, length, |reader| {
            Some((
                ChannelId(Digest(reader.array()?)),
                [AccountPlace(reader.u32()?), AccountPlace(reader.u32()?)],
                [amount(reader)?, amount(reader)?, amount(reader)?],
                NonZeroU32::new(reader.u32()?),
                reader.byte()?,
                reader.array(),
            ))
        })?;
        let [capacity, reserve, deposit_a] = amounts;
        let dispute = match (marker, dispute) {
            (0, None) => None,
            (1, Some(dispute)) => {
                let dispute = Dispute::decode(&dispute, capacity);
                Some(dispute.ok_or(Unreadable::Unsound("no dispute of its channel"))?)
            }
            _ => return Err(Unreadable::Unsound("neither disputed nor not")),
        };
        if a == b {
            return Err(Unreadable::Unsound("one party on both sides"));
        }
        if capacity.is_zero() || deposit_a > capacity || reserve > capacity {
            return Err(Unreadable::Unsound(
                "a deposit or reserve above the capacity",
            ));
        }
        Ok(ChannelRow {
            id,
            parties: Pair { a, b },
            channel: Channel {
                limits: Limits { capacity, reserve },
                deposit_a,
                challenge_window_blocks: window.ok_or(Unreadable::Unsound("no window"))?,
                dispute: dispute.map(Box::new),
            },
        })
    }
}

fn put<const N: usize>(bytes: &mut Vec<u8>, words: [u64; N]) {
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
}

/// The fields of a record of this length.
fn read<T>(
    bytes: &[u8],
    expected: usize,
    fields: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<T, Unreadable> {
    let whole = Some(Reader::new(bytes)).filter(|_| bytes.len() == expected);
    let fields = whole.and_then(|mut reader| fields(&mut reader));
    fields.ok_or(Unreadable::WrongLength { expected })
}

fn amount(reader: &mut Reader<'_>) -> Option<Amount> {
    reader.u64().map(Amount::new)
}
