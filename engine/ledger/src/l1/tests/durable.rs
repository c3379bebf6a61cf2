//! Every block of every test is followed by a chain made of the log's records, which must be the
//! same; in the random scripts that one goes on. What fits nowhere is refused.

use std::collections::BTreeMap;

use super::*;
use crate::l1::ledger::{AccountRow, ChannelRow};
use crate::l1::records::{Counts, Head, RecordKey};

/// The newest record of each key, as a durable log keeps them.
#[derive(Default)]
pub(super) struct Log {
    records: Option<BTreeMap<u32, Bytes>>,
}

impl Log {
    fn take(records: &mut BTreeMap<u32, Bytes>, chain: &mut Chain) {
        chain.drain_changes(|key, record| {
            match record {
                Some(record) => records.insert(key, record.to_vec()),
                None => records.remove(&key),
            };
        });
    }
}

impl World {
    /// Restores what was just sealed, and compares; goes on with that, if so asked.
    pub(super) fn restore(&mut self) {
        let records = self.log.records.get_or_insert_with(|| {
            self.chain.track_changes(true);
            BTreeMap::new()
        });
        Log::take(records, &mut self.chain);
        // Backwards: any order will do.
        let config = *self.chain.config();
        let newest = records.iter().rev().map(|(key, record)| (*key, record));
        let mut restored = Chain::restore(config, Backend::Dalek, newest).unwrap();
        assert_eq!(restored.tip(), self.chain.tip());
        assert_eq!(restored.height(), self.chain.height());
        assert_eq!(restored.genesis(), self.chain.genesis());
        assert_eq!(restored.load(), self.chain.load());
        assert_eq!(restored.state_root(), self.chain.state_root());
        assert!(restored.ledger() == self.chain.ledger());
        assert_eq!(restored.recount(), self.chain.recount());
        assert_eq!((restored.pending(), restored.notices().len()), (0, 0));
        let mut all = BTreeMap::new();
        restored.track_changes(true);
        Log::take(&mut all, &mut restored);
        assert!(all == *records, "the log has what a whole one would have");
        if self.restarts && self.chain.pending() == 0 {
            self.chain = restored;
        }
    }
}

/// A log with a dispute in it, an ended channel's place, and a party without an account.
fn log() -> (Config, BTreeMap<u32, Bytes>) {
    let mut world = World::new(config());
    let first = world.terms(ALICE, 0, BOB, 100, 0);
    let second = world.terms(ALICE, 1, ERIN, 100, 0);
    for bytes in [world.open(&first), world.open(&second)] {
        world.submit(&bytes).unwrap();
    }
    world
        .submit(&world.open(&world.terms(CAROL, 0, BOB, 5, 7)))
        .unwrap();
    world.seal();
    world
        .submit(&world.close(BOB, &first, after(3, 60)))
        .unwrap();
    let post = world.post(ALICE, &second, after(2, 70), Some(after(4, 50)));
    world.submit(&post).unwrap();
    world.seal();
    (*world.chain.config(), world.log.records.unwrap())
}

fn restore(config: Config, log: &BTreeMap<u32, Bytes>) -> Result<Chain, RestoreError> {
    let records = log.iter().map(|(key, record)| (*key, record));
    Chain::restore(config, Backend::Dalek, records)
}

fn head(log: &BTreeMap<u32, Bytes>) -> Head {
    Head::decode(&log[&0]).unwrap()
}

/// The key of the record of the disputed channel, or of one that is not.
fn channel(log: &BTreeMap<u32, Bytes>, disputed: bool) -> u32 {
    let is = |key: &u32| {
        matches!(RecordKey::of(*key), RecordKey::Channel(_))
            && ChannelRow::decode(&log[key])
                .unwrap()
                .channel
                .dispute
                .is_some()
                == disputed
    };
    log.keys().copied().find(is).unwrap()
}

#[test]
fn the_log_is_as_small_as_it_can_be() {
    let (config, log) = log();
    restore(config, &log).unwrap();
    let Counts {
        accounts,
        channel_places,
        channels,
    } = head(&log).counts;
    assert_eq!((accounts, channel_places, channels), (5, 3, 2));
    assert_eq!(log.len(), 1 + 5 + 2);
    let lengths: Vec<usize> = log.values().map(Vec::len).collect();
    assert_eq!(
        lengths.iter().sum::<usize>(),
        Head::BYTES + 5 * 48 + 69 + 143
    );
    let without_account =
        |record: &&Bytes| AccountRow::decode(record).is_ok_and(|row| row.account().is_none());
    assert_eq!(log.values().filter(without_account).count(), 1);
}

#[test]
fn only_what_changed_is_drained() {
    let mut world = World::new(config());
    let drain = |world: &mut World| {
        let mut keys = Vec::new();
        world
            .chain
            .drain_changes(|key, record| keys.push((key, record.is_some())));
        keys
    };
    world
        .submit(&world.open(&world.terms(ALICE, 0, BOB, 100, 0)))
        .unwrap();
    world.seal();
    assert_eq!(drain(&mut world), [(0, true)]);
    let terms = world.terms(ALICE, 0, BOB, 100, 0);
    world.submit(&world.transfer(CAROL, 0, DAN, 1)).unwrap();
    world
        .submit(&world.close(ALICE, &terms, after(1, 100)))
        .unwrap();
    world.chain.seal(&mut Vec::new());
    let [alice, carol, dan] = [1, 5, 7].map(|key| (key, true));
    assert_eq!(
        drain(&mut world),
        [alice, carol, dan, (2, false), (0, true)]
    );
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    type Damage = fn(&mut Config, &mut BTreeMap<u32, Bytes>);
    type Expected<'e> = &'e dyn Fn(&RestoreError) -> bool;
    let unsound = |error: &RestoreError| matches!(error, RestoreError::Unsound { .. });
    let incomplete = |error: &RestoreError| matches!(error, RestoreError::Incomplete { .. });
    let imbalance = |error: &RestoreError| matches!(error, RestoreError::Imbalance(_));
    let table: Vec<(&str, Damage, Expected<'_>)> = vec![
        ("no head", |_, log| drop(log.remove(&0)), &|error| {
            *error == RestoreError::NoHead
        }),
        (
            "another format",
            |_, log| log.get_mut(&0).unwrap()[0] = 9,
            &|error| {
                *error
                    == RestoreError::OtherFormat {
                        expected: 2,
                        got: 9,
                    }
            },
        ),
        (
            "another fee",
            |config, _| config.fee = Amount::new(3),
            &|error| {
                matches!(
                    error,
                    RestoreError::OtherParameter {
                        parameter: "fee",
                        expected: 3,
                        got: FEE
                    }
                )
            },
        ),
        (
            "a state root",
            |config, _| config.state_root = true,
            &|error| {
                matches!(
                    error,
                    RestoreError::OtherParameter {
                        parameter: "state root",
                        expected: 1,
                        got: 0,
                    }
                )
            },
        ),
        (
            "neither with a state root nor without",
            |_, log| *log.get_mut(&0).unwrap().last_mut().unwrap() = 2,
            &|error| matches!(error, RestoreError::Unsound { key: 0, .. }),
        ),
        (
            "refused parameters",
            |config, _| config.block_transactions = 0,
            &|error| *error == RestoreError::Config(ConfigError::NoBlockTransactions),
        ),
        (
            "a short head",
            |_, log| log.get_mut(&0).unwrap().truncate(219),
            &|error| {
                matches!(
                    error,
                    RestoreError::WrongLength {
                        key: 0,
                        got: 219,
                        ..
                    }
                )
            },
        ),
        (
            "places without end",
            |_, log| log.get_mut(&0).unwrap()[132..136].fill(0xff),
            &|error| matches!(error, RestoreError::Unsound { key: 0, .. }),
        ),
        (
            "a long account",
            |_, log| log.get_mut(&1).unwrap().push(0),
            &|error| {
                *error
                    == RestoreError::WrongLength {
                        key: 1,
                        expected: 48,
                        got: 49,
                    }
            },
        ),
        (
            "an account less",
            |_, log| drop(log.remove(&3)),
            &incomplete,
        ),
        (
            "an account beyond",
            |_, log| {
                let account = log.remove(&3).unwrap();
                log.insert(4_000_001, account);
            },
            &incomplete,
        ),
        (
            "a channel less",
            |_, log| drop(log.remove(&channel(log, false))),
            &incomplete,
        ),
        (
            "a channel beyond",
            |_, log| {
                let row = log.remove(&channel(log, false)).unwrap();
                log.insert(u32::MAX - 1, row);
            },
            &incomplete,
        ),
        (
            "an account twice",
            |_, log| {
                let again = log[&1].clone();
                log.insert(3, again);
            },
            &|error| matches!(error, RestoreError::AccountTwice { .. }),
        ),
        (
            "a channel twice",
            |_, log| {
                let again = log[&channel(log, false)].clone();
                log.insert(channel(log, true), again);
            },
            &|error| matches!(error, RestoreError::ChannelTwice { .. }),
        ),
        (
            "a balance",
            |_, log| log.get_mut(&1).unwrap()[32] ^= 1,
            &imbalance,
        ),
        (
            "locked value",
            |_, log| {
                let key = channel(log, false);
                log.get_mut(&key).unwrap()[40] ^= 1;
            },
            &imbalance,
        ),
        (
            "a balance without an account",
            |_, log| {
                log.get_mut(&1).unwrap()[40..].fill(0xff);
            },
            &unsound,
        ),
        (
            "a party that is none",
            |_, log| {
                let key = channel(log, false);
                log.get_mut(&key).unwrap()[32] = 99;
            },
            &|error| matches!(error, RestoreError::UnknownParty { .. }),
        ),
        (
            "a party on both sides",
            |_, log| {
                let key = channel(log, false);
                log.get_mut(&key).unwrap().copy_within(32..36, 36);
            },
            &unsound,
        ),
        (
            "no window",
            |_, log| {
                let key = channel(log, false);
                log.get_mut(&key).unwrap()[64..68].fill(0);
            },
            &unsound,
        ),
        (
            "a deposit above the capacity",
            |_, log| {
                let key = channel(log, false);
                log.get_mut(&key).unwrap()[56] = 200;
            },
            &unsound,
        ),
        (
            "neither disputed nor not",
            |_, log| {
                let key = channel(log, false);
                log.get_mut(&key).unwrap()[68] = 2;
            },
            &unsound,
        ),
        (
            "disputed without a dispute",
            |_, log| {
                let key = channel(log, false);
                log.get_mut(&key).unwrap()[68] = 1;
            },
            &|error| {
                matches!(
                    error,
                    RestoreError::WrongLength {
                        expected: 143,
                        got: 69,
                        ..
                    }
                )
            },
        ),
        (
            "a dispute that nobody began",
            |_, log| {
                let key = channel(log, true);
                log.get_mut(&key).unwrap()[69 + 40..].fill(0);
            },
            &unsound,
        ),
        (
            "a dispute without a window",
            |_, log| {
                let key = channel(log, true);
                log.get_mut(&key).unwrap().copy_within(69..77, 77);
            },
            &unsound,
        ),
        (
            "a standing of a kind that is none",
            |_, log| {
                let key = channel(log, true);
                log.get_mut(&key).unwrap()[69 + 40] = 3;
            },
            &unsound,
        ),
    ];
    for (name, damage, expected) in table {
        let (mut config, mut log) = log();
        damage(&mut config, &mut log);
        let error = restore(config, &log).expect_err(name);
        assert!(expected(&error), "{name}: {error:?}");
        assert!(!error.to_string().is_empty());
    }
    let (config, log) = log();
    let twice = log.iter().chain(log.first_key_value());
    let twice = twice.map(|(key, record)| (*key, record));
    let error = Chain::restore(config, Backend::Dalek, twice).expect_err("the head twice");
    assert_eq!(error, RestoreError::KeyTwice { key: 0 });
}
