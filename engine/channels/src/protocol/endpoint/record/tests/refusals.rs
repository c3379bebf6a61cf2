//! What is no record, by name; and that nothing else is read, whatever the bytes.

use std::cell::RefCell;

use proptest::prelude::*;

use super::super::*;
use super::{Event, NOTE, Party, World, paid, record, rules};
use crate::crypto::Signed;
use crate::protocol::rejection::Rejection;
use Party::{A, B};

/// Reads bytes as a record of A's side, and gives what is written again.
fn reread(world: &mut World, bytes: &[u8]) -> Result<Vec<u8>, RecordError> {
    let (terms, rules) = (world.channel.terms, world.rules);
    let peer = world.channel.ends[0].peer;
    let read = Endpoint::from_record(bytes, &terms, peer, rules, &mut world.windows);
    let (recovered, note) = read?;
    let mut again = Vec::new();
    recovered.unverified().record(note, &mut again);
    Ok(again)
}

/// A record with one payment of 5 held and one of 7, tagged, in flight.
fn one_of_each() -> (World, Vec<u8>) {
    let mut world = paid(3, 1, 5, 0);
    world.pays(A, 3, 7, 9, true);
    let record = record(&world.channel.ends[0]);
    (world, record)
}

#[test]
fn what_no_endpoint_writes_is_refused() {
    type Change = fn(&mut Vec<u8>);
    let (mut world, sound) = one_of_each();
    assert_eq!(reread(&mut world, &sound), Ok(sound.clone()));
    // Where its fields are.
    const COUNTED: usize = 34;
    const PREVIOUS: usize = 35;
    const VERSION: usize = 67;
    const AMOUNT: usize = 68;
    const BALANCE: usize = 69;
    const TAG: usize = 71;
    const PROPOSALS: usize = 72 + 64;
    const HEADER: usize = PROPOSALS + 1;
    let out_of_range = |field, expected, got| RecordError::OutOfRange {
        field,
        expected,
        got,
    };
    let id = world.channel.terms.channel_id();
    let insufficient = |have, got| Rejection::InsufficientBalance {
        have: Amount::new(have),
        reserve: Amount::ZERO,
        got: Amount::new(got),
    };
    let changed = |digest: &Digest| {
        let [first, ..] = digest.0;
        Digest(std::array::from_fn(|at| {
            if at == 0 { first ^ 1 } else { digest.0[at] }
        }))
    };
    let malformed = |what| RecordError::Proposal {
        rejection: Rejection::Malformed { what },
    };
    let table: Vec<(&str, Change, RecordError)> = vec![
        (
            "nothing",
            |r| r.clear(),
            RecordError::Short {
                field: "format",
                expected: 1,
                got: 0,
            },
        ),
        (
            "another format",
            |r| r[0] = 1,
            RecordError::Format {
                expected: 2,
                got: 1,
            },
        ),
        (
            "stopped without a reason",
            |r| r[1] |= STOPPED << 1,
            RecordError::What {
                got: 0b0010_0000 | STOPPED << 1,
            },
        ),
        (
            "another channel",
            |r| r[2] ^= 1,
            RecordError::WrongChannel {
                expected: id,
                got: ChannelId(changed(&id.0)),
            },
        ),
        (
            "more counted than paid",
            |r| r[COUNTED] = 2,
            out_of_range("counted", (0, 1), 2),
        ),
        (
            "another beginning",
            |r| r[PREVIOUS] ^= 1,
            RecordError::WrongHead {
                field: "held previous",
                expected: id.0,
                got: changed(&id.0),
            },
        ),
        (
            "version 0 held",
            |r| r[VERSION] = 0,
            out_of_range("held version", (1, u64::MAX), 0),
        ),
        (
            "a payment of nothing held",
            |r| r[AMOUNT] = 0,
            out_of_range("held amount", (1, u64::MAX), 0),
        ),
        (
            "a payment that the payee has not got",
            |r| r[AMOUNT] = 6,
            out_of_range("held amount", (1, 5), 6),
        ),
        (
            "another deposit",
            |r| r[AMOUNT] = 4,
            RecordError::WrongBalance {
                field: "held balance",
                expected: 500,
                got: 499,
            },
        ),
        (
            "a balance above the capacity",
            |r| r[BALANCE + 1] = 4,
            out_of_range("held balance", (0, 500), 495 - 3 * 128 + 4 * 128),
        ),
        (
            "a number longer than it need be",
            |r| {
                r[TAG] = 0x80;
                r.insert(TAG + 1, 0);
            },
            RecordError::Number { field: "held tag" },
        ),
        (
            "a number above 64 bits",
            |r| {
                r.splice(TAG..=TAG, [[0xff; 9].as_slice(), &[2]].concat());
            },
            RecordError::Number { field: "held tag" },
        ),
        (
            "more proposals than may be in flight",
            |r| r[PROPOSALS] = 21,
            out_of_range("proposals", (0, 20), 21),
        ),
        (
            "a message that is no message",
            |r| r[HEADER] = 0xff,
            malformed("kind"),
        ),
        (
            "a message that is no proposal",
            |r| {
                r.splice(HEADER..HEADER + 4, [0x09, 0, 1, 0]);
                r.splice(HEADER + 4..HEADER + 12, 1_u64.to_le_bytes());
            },
            malformed("not a proposal"),
        ),
        (
            "a proposal of nothing",
            |r| r[HEADER + 2] = 0,
            out_of_range("payments", (1, 3), 0),
        ),
        (
            "a proposal of more than the interval",
            |r| r[HEADER + 2] = 4,
            out_of_range("payments", (1, 3), 4),
        ),
        (
            "a proposed payment of nothing",
            |r| r[HEADER + 4] = 0,
            RecordError::Payment {
                version: 2,
                rejection: Rejection::ZeroAmount,
            },
        ),
        (
            "more proposed than there is",
            |r| {
                r.splice(HEADER + 4..HEADER + 5, [0xff, 0x7f]);
            },
            RecordError::Payment {
                version: 2,
                rejection: insufficient(495, 16_383),
            },
        ),
        (
            "tags that are none",
            |r| [5, 7, 9].into_iter().for_each(|at| r[HEADER + at] = 0),
            malformed("payments"),
        ),
        (
            "tags that are in a row",
            |r| (0..3).for_each(|at| r[HEADER + 5 + 2 * at] = 4 + at as u8),
            malformed("payments"),
        ),
        (
            "a byte too many",
            |r| r.push(0),
            RecordError::Trailing { got: 1 },
        ),
        (
            "a byte too few",
            |r| {
                r.pop();
            },
            RecordError::Short {
                field: "note",
                expected: NOTE.len(),
                got: NOTE.len() - 1,
            },
        ),
        (
            "a long note",
            |r| {
                let at = r.len() - NOTE.len() - 1;
                r[at] = 65;
            },
            out_of_range("note length", (0, 64), 65),
        ),
    ];
    for (name, change, expected) in table {
        let mut bytes = sound.clone();
        change(&mut bytes);
        let refused = reread(&mut world, &bytes);
        assert_eq!(refused, Err(expected), "{name}: {expected}");
    }
}

/// The payee's: the head that it answered from, where it need not be said.
#[test]
fn each_endpoint_has_one_record() {
    let world = &mut paid(3, 3, 1, 0);
    let sound = record(&world.channel.ends[1]);
    let at = sound.len() - NOTE.len() - 2 - 32;
    let mut previous = [0; 32];
    previous.copy_from_slice(&sound[35..67]);
    let mut bytes = sound.clone();
    bytes[at..at + 32].copy_from_slice(&previous);
    let needless = RecordError::Needless {
        field: "answered from",
    };
    assert_eq!(reread(world, &bytes), Err(needless));
    assert_eq!(reread(world, &sound), Ok(sound));
}

#[test]
fn a_forged_state_is_a_claim_that_does_not_verify() {
    let (mut world, sound) = one_of_each();
    let mut bytes = sound;
    bytes[72] ^= 1;
    let (terms, rules) = (world.channel.terms, world.rules);
    let peer = world.channel.ends[0].peer;
    let read = Endpoint::from_record(&bytes, &terms, peer, rules, &mut world.windows);
    let (recovered, _) = read.expect("well-formed");
    let claims: Vec<_> = recovered.claims().collect();
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].signed().0, peer);
    assert!(!world.channel.verifies(claims[0]));
}

#[test]
#[should_panic(expected = "a claim of this endpoint")]
fn another_endpoints_claims_do_not_do() {
    let mut world = paid(3, 1, 5, 0);
    let theirs = paid(3, 2, 5, 0);
    let record = record(&world.channel.ends[0]);
    let (terms, rules) = (world.channel.terms, world.rules);
    let peer = world.channel.ends[0].peer;
    let read = Endpoint::from_record(&record, &terms, peer, rules, &mut world.windows);
    let (recovered, _) = read.expect("its own record");
    let other = self::record(&theirs.channel.ends[0]);
    let read = Endpoint::from_record(&other, &terms, peer, rules, &mut world.windows);
    let (other, _) = read.expect("its own record");
    let claims: Vec<_> = other.claims().collect();
    let verified = claims.into_iter().map(|claim| world.channel.verify(claim));
    let _ = recovered.verified(verified);
}

#[test]
fn an_endpoint_that_has_just_opened_takes_its_own_sides_record_alone() {
    let (mut world, [own, others]) = both_sides();
    let (terms, rules) = (world.channel.terms, world.rules);
    let peer = world.channel.ends[0].peer;
    let opened = Endpoint::new(A, &terms, peer, rules).unwrap();
    assert!(opened.recorded(&own, &mut world.windows).is_ok());
    let refused = opened.recorded(&others, &mut world.windows).err();
    let expected = RecordError::OutOfRange {
        field: "side",
        expected: (0, 0),
        got: 1,
    };
    assert_eq!(refused, Some(expected));
}

#[test]
#[should_panic(expected = "an order outstanding at a record")]
fn nothing_is_recorded_while_an_order_is_outstanding() {
    let mut world = World::new(rules(3));
    let _order = world.channel.ends[0].finish().expect("its turn");
    record(&world.channel.ends[0]);
}

/// Records of the payer, with a proposal in flight, and of the payee, which has answered it.
fn both_sides() -> (World, [Vec<u8>; 2]) {
    let (mut world, payers) = one_of_each();
    world.happens(&Event::Reads(B));
    let payees = record(&world.channel.ends[1]);
    (world, [payers, payees])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is changed, dropped or put in: it is refused, or it is a record, and then the only
    /// one of what it says.
    #[test]
    fn mutated_records_are_records_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..4),
        payee: bool,
    ) {
        thread_local! {
            static SOUND: RefCell<(World, [Vec<u8>; 2])> = RefCell::new(both_sides());
        }
        SOUND.with_borrow_mut(|(world, [payers, payees])| {
            let mut bytes = if payee { payees.clone() } else { payers.clone() };
            for (at, byte, how) in changes {
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    2 => bytes[at] ^= 1 << (byte % 8),
                    _ if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => {}
                }
            }
            if let Ok(again) = reread(world, &bytes) {
                assert_eq!(again, bytes);
            }
        });
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), what: u8) {
        thread_local! {
            static WORLD: RefCell<World> = RefCell::new(World::new(rules(3)));
        }
        WORLD.with_borrow_mut(|world| {
            let _ = reread(world, &bytes);
            // Past its identity.
            let channel = world.channel.terms.channel_id();
            let bytes = [&[FORMAT, what], &channel.0.0[..], &bytes].concat();
            if let Ok(again) = reread(world, &bytes) {
                assert_eq!(again, bytes);
            }
        });
    }
}
