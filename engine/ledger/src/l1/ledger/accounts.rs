//! The accounts, by place and by key. A row of 48 bytes, and 6 to 12 to find it by.

use super::Account;
use duet_base::chunks::Chunks;
use duet_base::index::PlaceIndex;
use duet_channels::crypto::PublicKey;

/// An account's place among all accounts: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in super::super) struct AccountPlace(pub(in super::super) u32);

/// A key and what its account holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct AccountRow {
    pub(in super::super) key: PublicKey,
    /// No account yet if its nonce is [`NO_ACCOUNT`].
    account: Account,
}

/// The nonce in the row of a key that is party to a channel and never had an account: its channel
/// needs a place to name it by. A count of transactions does not come that far.
const NO_ACCOUNT: u64 = u64::MAX;

// Two million accounts: 96 MB, their index aside.
const _: () = assert!(size_of::<AccountRow>() == 48);

/// All accounts, and the keys of channels that have none.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug))]
pub(in super::super) struct Accounts {
    rows: Chunks<AccountRow>,
    index: PlaceIndex,
    /// Rows that are accounts.
    alive: u64,
}

impl AccountRow {
    /// The account, if there is one.
    pub(in super::super) fn account(&self) -> Option<&Account> {
        (self.account.nonce != NO_ACCOUNT).then_some(&self.account)
    }

    /// A row as it was: of an account, or of a key that has none.
    pub(in super::super) fn of(key: PublicKey, account: Option<Account>) -> AccountRow {
        let none = Account {
            nonce: NO_ACCOUNT,
            ..Account::default()
        };
        AccountRow {
            key,
            account: account.unwrap_or(none),
        }
    }
}

impl Accounts {
    pub(super) fn new() -> Accounts {
        Accounts {
            rows: Chunks::default(),
            index: PlaceIndex::default(),
            alive: 0,
        }
    }

    /// No accounts, and room to find so many.
    pub(super) fn for_about(count: u64) -> Accounts {
        let mut accounts = Accounts::new();
        accounts.index.reserve(count as usize);
        accounts
    }

    /// How many accounts there are.
    pub(super) fn alive(&self) -> u64 {
        self.alive
    }

    /// The place of a key that is known, as an account or as a party.
    pub(super) fn find(&self, key: &PublicKey) -> Option<AccountPlace> {
        let rows = &self.rows;
        let place = (self.index).find(&key.0, |place| &rows[place as usize].key.0);
        place.map(AccountPlace)
    }

    /// The account of a key.
    pub(super) fn of(&self, key: &PublicKey) -> Option<&Account> {
        self.account(self.find(key)?)
    }

    pub(super) fn account(&self, place: AccountPlace) -> Option<&Account> {
        self.row(place).account()
    }

    pub(super) fn key(&self, place: AccountPlace) -> PublicKey {
        self.row(place).key
    }

    pub(super) fn row(&self, place: AccountPlace) -> &AccountRow {
        &self.rows[place.0 as usize]
    }

    /// Every row, in the order of their places.
    pub(super) fn rows(&self) -> impl Iterator<Item = &AccountRow> {
        self.rows.iter()
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> u32 {
        self.rows.len() as u32
    }

    /// The places of all rows.
    pub(super) fn places(&self) -> impl Iterator<Item = AccountPlace> + use<> {
        (0..self.len()).map(AccountPlace)
    }

    /// The place of a key; a new one if need be, without an account.
    pub(super) fn place(&mut self, key: PublicKey) -> AccountPlace {
        self.find(&key)
            .unwrap_or_else(|| self.push(AccountRow::of(key, None)))
    }

    /// Appends a row, whose key must be new.
    pub(super) fn push(&mut self, row: AccountRow) -> AccountPlace {
        self.alive += u64::from(row.account().is_some());
        let place = self.rows.push(row);
        let rows = &self.rows;
        self.index
            .insert(place, |place| &rows[place as usize].key.0);
        AccountPlace(place)
    }

    /// The account at a place that has one.
    pub(super) fn account_mut(&mut self, place: AccountPlace) -> &mut Account {
        let account = &mut self.rows[place.0 as usize].account;
        assert!(account.nonce != NO_ACCOUNT, "the account was found");
        account
    }

    /// The account at a place; a new one, with nothing in it, if need be.
    pub(super) fn open(&mut self, place: AccountPlace) -> &mut Account {
        let account = &mut self.rows[place.0 as usize].account;
        if account.nonce == NO_ACCOUNT {
            account.nonce = 0;
            self.alive += 1;
        }
        account
    }
}
