//! A Layer 1 that survives: the records that a durable log keeps of it, and the way back from them.
//! What was in no block is on no record: who submitted it submits it again.

use std::collections::HashSet;

use super::super::config::Config;
use super::super::ledger::{AccountRow, ChannelRow, Ledger};
use super::super::load::Space;
use super::super::mempool::Mempool;
use super::super::pool::Pool;
use super::super::records::{FORMAT, Head, RecordKey, Unreadable};
use super::super::restore::RestoreError;
use super::super::rounds::Rounds;
use super::super::vain::Vain;
use super::Chain;
use duet_base::chunks::Gathered;
use duet_channels::crypto::Backend;

impl Chain {
    /// Begins to note which accounts and channels change, for [`Chain::drain_changes`]; all that
    /// there are count as changed. Or ceases to: it costs nothing then.
    pub fn track_changes(&mut self, on: bool) {
        self.ledger.track_changes(on);
    }

    /// Gives the newest record of all that has changed since this was last called: to be called
    /// after a block was sealed, and to be kept all or nothing. A record is bytes for a key to be
    /// stored under, in place of the one before, or nothing if that is to be removed.
    ///
    /// # Panics
    /// If changes are not tracked, or from 2^31 accounts or channels on.
    pub fn drain_changes(&mut self, mut each: impl FnMut(u32, Option<&[u8]>)) {
        assert!(self.ledger.tracks_changes(), "changes are tracked");
        self.ledger.drain_changes(&mut each);
        let mut record = Vec::new();
        self.head().encode(&mut record);
        each(RecordKey::Head.number(), Some(&record));
    }

    /// Fills `out` with the newest record of a key that was given before, to be kept again.
    ///
    /// # Panics
    /// If nothing is kept under this key: our own bug.
    pub fn record(&self, key: u32, out: &mut Vec<u8>) {
        match RecordKey::of(key) {
            RecordKey::Head => self.head().encode(out),
            RecordKey::Account(place) => self.ledger.account_record(place, out),
            RecordKey::Channel(place) => self.ledger.channel_record(place, out),
        }
    }

    fn head(&self) -> Head {
        Head {
            genesis: self.genesis,
            tip: self.tip,
            height: self.height,
            block_transactions: self.config.block_transactions,
            block_bytes: self.config.block_bytes,
            fee: self.config.fee,
            supply: self.ledger.supply(),
            totals: *self.ledger.totals(),
            counts: self.ledger.counts(),
            load: self.load,
            state_root: self.config.state_root,
        }
    }

    /// The chain of these records, as [`Restoring`] makes it of one after the other.
    ///
    /// # Errors
    /// As [`Restoring`].
    ///
    /// # Panics
    /// As [`Chain::new`].
    pub fn restore(
        config: Config,
        backend: Backend,
        records: impl IntoIterator<Item = (u32, impl AsRef<[u8]>)>,
    ) -> Result<Chain, RestoreError> {
        let mut restoring = Restoring::new(config, backend)?;
        for (key, record) in records {
            restoring.record(key, record.as_ref())?;
        }
        restoring.finish()
    }
}

/// A chain in the making, of its records: the newest of each key, in any order, as they were after
/// a block. It goes on as if it had never stopped. Its mempool is empty, and so are the bodies that
/// it keeps of blocks before. Changes are not tracked.
pub struct Restoring {
    config: Config,
    backend: Backend,
    head: Option<Head>,
    accounts: Gathered<AccountRow>,
    channels: Gathered<ChannelRow>,
}

impl Restoring {
    /// No record yet.
    ///
    /// # Errors
    /// If the parameters are refused.
    pub fn new(config: Config, backend: Backend) -> Result<Restoring, RestoreError> {
        config.check()?;
        Ok(Restoring {
            config,
            backend,
            head: None,
            accounts: Gathered::default(),
            channels: Gathered::default(),
        })
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// A [`RestoreError`] with what is wrong with it.
    pub fn record(&mut self, key: u32, bytes: &[u8]) -> Result<(), RestoreError> {
        let unfit = |unreadable| match unreadable {
            Unreadable::WrongLength { expected } => RestoreError::WrongLength {
                key,
                expected,
                got: bytes.len(),
            },
            Unreadable::OtherFormat { got } => RestoreError::OtherFormat {
                expected: FORMAT,
                got,
            },
            Unreadable::Unsound(reason) => RestoreError::Unsound { key, reason },
        };
        let new = match RecordKey::of(key) {
            RecordKey::Head => {
                let head = Head::decode(bytes).map_err(unfit)?;
                self.head.replace(head).is_none()
            }
            RecordKey::Account(place) => {
                let row = AccountRow::decode(bytes).map_err(unfit)?;
                self.accounts.put(place, row)
            }
            RecordKey::Channel(place) => {
                let row = ChannelRow::decode(bytes).map_err(unfit)?;
                self.channels.put(place, row)
            }
        };
        if new {
            Ok(())
        } else {
            Err(RestoreError::KeyTwice { key })
        }
    }

    /// The chain.
    ///
    /// # Errors
    /// A [`RestoreError`] with what does not fit: of the parameters, of all records together.
    ///
    /// # Panics
    /// As [`Chain::new`].
    pub fn finish(self) -> Result<Chain, RestoreError> {
        let Restoring {
            config,
            backend,
            head,
            accounts,
            channels,
        } = self;
        let head = head.ok_or(RestoreError::NoHead)?;
        let differs = |(parameter, expected, got)| RestoreError::OtherParameter {
            parameter,
            expected,
            got,
        };
        head.check(&config).map_err(differs)?;
        let mut ledger = Ledger::restore(&head, accounts, channels)?;
        Ok(Chain {
            config,
            genesis: head.genesis,
            height: head.height,
            tip: head.tip,
            trees: config.trees(&mut ledger),
            ledger,
            mempool: Mempool::new(config.mempool_transactions),
            pool: Pool::default(),
            base: config.order.first_base(),
            space: Space::default(),
            vain: Vain::default(),
            heard: HashSet::new(),
            rounds: Rounds::new(backend, config.verification),
            bodies: Vec::new(),
            tape: None,
            notices: Vec::new(),
            owed: Vec::new(),
            load: head.load,
        })
    }
}
