//! Two drivers and a link between them that may lose what it carries.

use super::*;
use crate::crypto::Digest;
use crate::protocol::{Message, Pair};

/// Alice's and Bob's sides of some channels, which have the same slots.
struct World {
    drivers: Pair<Driver>,
    terms: Vec<Terms>,
    rules: Rules,
    /// By channel and side: what each has told its owner.
    told: Vec<Pair<Told>>,
    /// The newest record of each of Bob's sides.
    records: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    received: u64,
    paid: u64,
    refused: u64,
    not_made: u64,
    finished: bool,
    stopped: Option<Rejection>,
}

const DEPOSIT: u64 = 1_000;

impl World {
    fn new(channels: u64, rules: Rules) -> World {
        let mut drivers = Pair {
            a: Driver::new(Backend::Dalek),
            b: Driver::new(Backend::Dalek).keeping_records(),
        };
        let keys = Pair {
            a: drivers.a.add_key(&[1; 32]),
            b: drivers.b.add_key(&[2; 32]),
        };
        let terms: Vec<Terms> = (0..channels)
            .map(|nonce| Terms {
                deposits: Pair {
                    a: Amount::new(DEPOSIT),
                    b: Amount::new(DEPOSIT),
                },
                ..Terms::one_sided(Digest([7; 32]), nonce, keys, Amount::ZERO)
            })
            .collect();
        for terms in &terms {
            let a = drivers.a.join(terms, rules).expect("its key");
            assert_eq!(drivers.b.join(terms, rules), Ok(a));
        }
        World {
            drivers,
            rules,
            told: vec![Pair::default(); terms.len()],
            records: vec![Vec::new(); terms.len()],
            terms,
        }
    }

    fn driver(&mut self, party: Party) -> &mut Driver {
        &mut self.drivers[party]
    }

    fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.terms.len() as u32).map(Slot)
    }

    /// One side advances; what it says reaches the other as `link` leaves it. Gives whether there
    /// was anything.
    fn advance(&mut self, party: Party, mut link: impl FnMut(Slot, &mut Vec<u8>)) -> bool {
        let mut output = Output::default();
        self.driver(party).advance(&mut output);
        for (slot, record) in output.records() {
            assert_eq!(party, Party::B, "Alice has no log");
            self.records[slot.0 as usize] = record.to_vec();
        }
        for (slot, event) in output.events() {
            let told = &mut self.told[slot.0 as usize][party];
            match event {
                Event::Received { payments, .. } => told.received += payments,
                Event::Paid { payments, .. } => told.paid += payments,
                Event::Refused { .. } => told.refused += 1,
                Event::NotMade { payments } => told.not_made += payments,
                Event::Finished => told.finished = true,
                Event::Stopped(rejection) => told.stopped = Some(*rejection),
            }
        }
        for (slot, bytes) in output.messages() {
            let mut bytes = bytes.to_vec();
            link(slot, &mut bytes);
            self.driver(party.other()).receive(slot, &bytes);
        }
        !output.is_empty()
    }

    fn talk(&mut self) {
        let mut rounds = 0;
        while self.advance(Party::A, |_, _| {}) | self.advance(Party::B, |_, _| {}) {
            rounds += 1;
            assert!(rounds < 10_000, "they come to an end");
        }
    }

    fn pay(&mut self, party: Party, slot: Slot, amounts: impl IntoIterator<Item = u64>) {
        for units in amounts {
            let paid = self.driver(party).pay(slot, Amount::new(units), 3);
            paid.expect("the channel runs");
        }
    }
}

#[test]
fn both_pay_in_many_channels_at_once() {
    for (cosign_every, in_flight) in [(1, 1), (1, 64), (3, 2), (100, 4)] {
        let rules = Rules {
            cosign_every,
            in_flight,
        };
        let mut world = World::new(40, rules);
        for slot in world.slots() {
            world.pay(Party::A, slot, 1..=10);
            world.pay(Party::B, slot, [4, 5]);
        }
        world.talk();
        for slot in world.slots() {
            let expected = Pair {
                a: Told {
                    received: 2,
                    paid: 10,
                    ..Told::default()
                },
                b: Told {
                    received: 10,
                    paid: 2,
                    ..Told::default()
                },
            };
            assert_eq!(world.told[slot.0 as usize], expected, "{rules:?}");
            world.drivers.b.finish(slot).expect("it runs");
        }
        world.talk();
        for slot in world.slots() {
            let told = world.told[slot.0 as usize];
            assert!(told.a.finished && told.b.finished, "{told:?}");
            let proof = world.drivers.a.final_proof(slot);
            assert_eq!(proof, world.drivers.b.final_proof(slot));
            assert!(proof.is_some());
            assert_eq!(world.drivers.a.endpoint(slot).held_version(), 12);
            assert_eq!(world.drivers.a.balance(slot).units(), DEPOSIT - 55 + 9);
            assert_eq!(world.drivers.b.balance(slot).units(), DEPOSIT + 55 - 9);
        }
    }
}

#[test]
fn a_leg_is_one_batch_however_many_channels_there_are() {
    let mut world = World::new(300, Rules::default());
    for slot in world.slots() {
        world.pay(Party::A, slot, [1, 2]);
    }
    world.talk();
    for (driver, signed) in [(&world.drivers.a, 600), (&world.drivers.b, 600)] {
        let counts = driver.legs.verifier.counts();
        assert_eq!((counts.batches, counts.signatures), (1, 600));
        assert_eq!(driver.legs.signer.made(), signed);
    }
}

#[test]
fn whoever_breaks_a_rule_stops_its_channel_and_no_other() {
    // What is done to the second of three channels' messages => what comes of it.
    type Damage = fn(&mut Vec<u8>);
    let table: [(Damage, &str, u64); 4] = [
        // In the third proposal's signature; those before it count.
        (|bytes| *bytes.last_mut().unwrap() ^= 1, "BadSignature", 2),
        (|bytes| bytes[0] = 0xff, "Malformed", 0),
        (|bytes| bytes.truncate(bytes.len() - 1), "Malformed", 2),
        // The first proposal once more: it is of no log that follows the third.
        (
            |bytes| bytes.extend_from_within(..bytes.len() / 3),
            "BadSignature",
            3,
        ),
    ];
    for (damage, expected, received) in table {
        let mut world = World::new(3, Rules::default());
        for slot in world.slots() {
            world.pay(Party::A, slot, [1, 2, 3]);
        }
        world.advance(Party::A, |slot, bytes| {
            if slot.0 == 1 {
                damage(bytes);
            }
        });
        world.talk();
        let stopped = world.told[1].b.stopped;
        let name = stopped.map_or(String::new(), |why| format!("{why:?}"));
        assert!(name.starts_with(expected), "{name}");
        assert_eq!(world.told[1].b.received, received, "{expected}");
        for slot in [0, 2] {
            let told = world.told[slot];
            assert_eq!((told.a.paid, told.b.received), (3, 3));
            assert_eq!((told.a.stopped, told.b.stopped), (None, None));
        }
        if let Some(rejection) = stopped {
            let slot = Slot(1);
            let refused = world.drivers.b.pay(slot, Amount::new(1), 0);
            assert_eq!(refused, Err(rejection));
            // It shows what it holds.
            let mut output = Output::default();
            world.drivers.b.close(slot);
            world.drivers.b.advance(&mut output);
            let shown = output.posts()[0].1.shown;
            assert_eq!(shown.map_or(0, |state| state.version()), received);
            // Behind a record that says so, and whatever it hears then is nothing to it.
            assert_eq!(output.records().count(), 1);
            world.drivers.b.receive(slot, &[0xff; 100]);
            world.drivers.b.advance(&mut output);
            assert!(output.is_empty());
        }
    }
}

#[test]
fn answers_before_a_wrong_one_count() {
    let mut world = World::new(2, Rules::default());
    for slot in world.slots() {
        world.pay(Party::A, slot, [1, 2, 3]);
    }
    world.advance(Party::A, |_, _| {});
    world.advance(Party::B, |slot, bytes| {
        let never_proposed = Message::Acknowledgement {
            version: 99,
            signature: Signature([0; 64]),
        };
        if slot.0 == 1 {
            never_proposed.encode(bytes);
        }
    });
    world.talk();
    assert_eq!([0, 1].map(|at: usize| world.told[at].a.paid), [3, 3]);
    let unknown = Rejection::UnknownVersion { newest: 3, got: 99 };
    assert_eq!(world.told[0].a.stopped, None);
    assert_eq!(world.told[1].a.stopped, Some(unknown));
}

/// A post that leaves before its record would be proven stale after a crash.
#[test]
fn a_post_comes_behind_a_record_that_says_so() {
    let mut world = World::new(2, Rules::default());
    for slot in world.slots() {
        world.pay(Party::A, slot, [1]);
    }
    world.talk();
    for (slot, close) in [(Slot(0), true), (Slot(1), false)] {
        match close {
            true => world.drivers.b.close(slot),
            false => world.drivers.b.posted(slot, 0),
        }
        assert_eq!(
            world.drivers.b.pay(slot, Amount::new(1), 0),
            Err(Rejection::Ended)
        );
        let mut output = Output::default();
        world.drivers.b.advance(&mut output);
        let [(of, post)] = output.posts() else {
            panic!("one post: {:?}", output.posts());
        };
        assert_eq!(
            (*of, post.shown.map(|state| state.version())),
            (slot, Some(1))
        );
        let (_, record) = output.records().next().expect("a record");
        let mut bob = Driver::new(Backend::Dalek);
        bob.add_key(&[2; 32]);
        let terms = &world.terms[slot.0 as usize];
        let restored = bob.restore(terms, world.rules, record).expect("his own");
        let status = bob.endpoint(restored).status();
        assert_eq!(status, Status::Closing { because: None });
        // Nothing newer is shown: no answer.
        world.drivers.b.posted(slot, 1);
        world.drivers.b.advance(&mut output);
        assert_eq!(output.posts(), []);
        // What the peer had sent by then is no broken rule.
        world.pay(Party::A, slot, [1]);
        world.talk();
        assert_eq!(world.told[slot.0 as usize].b.stopped, None);
    }
}

#[test]
fn an_end_is_told_once_and_kept() {
    let mut world = World::new(1, Rules::default());
    let slot = Slot(0);
    world.pay(Party::A, slot, [1, 2]);
    world.drivers.b.finish(slot).expect("it runs");
    let (mut ends, mut last) = (0, Vec::new());
    for _ in 0..20 {
        world.advance(Party::A, |_, bytes| {
            let first = Message::decode_first(bytes).map(|(message, _)| message);
            if matches!(first, Ok(Message::FinalAcknowledgement { .. })) {
                last = bytes.clone();
                // Junk behind it: what both have finished stays finished.
                bytes.push(0xff);
            }
        });
        let mut output = Output::default();
        world.drivers.b.advance(&mut output);
        for (_, event) in output.events() {
            assert!(!matches!(event, Event::Stopped(_)), "{event:?}");
            if *event == Event::Finished {
                ends += 1;
                let (_, record) = output.records().next().expect("a record of it");
                let mut bob = Driver::new(Backend::Dalek);
                bob.add_key(&[2; 32]);
                let restored = bob.restore(&world.terms[0], world.rules, record);
                assert!(bob.final_proof(restored.expect("his own")).is_some());
            }
        }
        for (_, bytes) in output.messages() {
            world.drivers.a.receive(slot, bytes);
        }
        // And once more, as after a break.
        world.drivers.b.receive(slot, &last);
    }
    assert_eq!(ends, 1);
    assert_eq!(world.drivers.b.endpoint(slot).status(), Status::Finished);
}

#[test]
fn a_channel_is_joined_once_until_it_is_forgotten() {
    let mut world = World::new(2, Rules::default());
    let (terms, rules) = (world.terms[1], world.rules);
    let again = world.drivers.a.join(&terms, rules);
    assert_eq!(again, Err(JoinError::Already(Slot(1))));
    world.drivers.a.forget(Slot(1));
    let anew = world.drivers.a.join(&terms, rules);
    assert_eq!(anew, Ok(Slot(2)), "no place is given twice");
    world.pay(Party::A, Slot(0), [1]);
    world.talk();
    assert_eq!(world.told[0].b.received, 1);
}

#[test]
fn a_payee_is_told_what_each_payment_is_for() {
    let rules = Rules {
        cosign_every: 2,
        in_flight: 4,
    };
    let mut world = World::new(1, rules);
    for (units, tag) in [(5, 70), (6, 71), (7, 72)] {
        let paid = world.drivers.a.pay(Slot(0), Amount::new(units), tag);
        paid.expect("the channel runs");
    }
    world.advance(Party::A, |_, _| {});
    let mut output = Output::default();
    world.drivers.b.advance(&mut output);
    let received = output.received().iter();
    let received = received.map(|(_, entry)| (entry.version, entry.amount.units(), entry.tag));
    assert!(received.eq([(1, 5, 70), (2, 6, 71), (3, 7, 72)]));
}

/// A peer that asks for the turn again and again costs a round for each no channel but its own:
/// signatures and hashes are counted, not time.
#[test]
fn messages_without_a_signature_take_no_round_each() {
    let mut world = World::new(3, Rules::default());
    let asks = (0..500).flat_map(|_| {
        let mut ask = Vec::new();
        Message::TurnAsked { turn: 0 }.encode(&mut ask);
        ask
    });
    world.drivers.a.receive(Slot(1), &asks.collect::<Vec<u8>>());
    world.pay(Party::A, Slot(0), [1]);
    let busy = [Slot(0), Slot(1), Slot(2)];
    let mut output = Output::default();
    assert!(world.drivers.a.check(busy[1], &mut output));
    assert!(
        !world.drivers.a.check(busy[1], &mut output),
        "all of it was read"
    );
}

#[test]
fn what_is_not_paid_is_told() {
    let mut world = World::new(1, Rules::default());
    let slot = Slot(0);
    world.pay(Party::A, slot, [DEPOSIT, 0, 1]);
    world.talk();
    assert_eq!((world.told[0].a.paid, world.told[0].a.refused), (1, 2));
    // Bob's payment comes too late: Alice has ended the channel.
    world.drivers.a.finish(slot).expect("it runs");
    world.advance(Party::A, |_, _| {});
    world.pay(Party::B, slot, [5, 6]);
    world.talk();
    assert_eq!(world.told[0].b.not_made, 2);
    assert!(world.told[0].a.finished && world.told[0].b.finished);
    let ended = world.drivers.b.pay(slot, Amount::new(1), 0);
    assert_eq!(ended, Err(Rejection::Ended));
}

#[test]
fn who_has_no_key_in_a_channel_takes_no_part() {
    let world = World::new(1, Rules::default());
    let mut stranger = Driver::new(Backend::Dalek);
    stranger.add_key(&[3; 32]);
    let joined = stranger.join(&world.terms[0], world.rules);
    assert_eq!(joined, Err(JoinError::NoKey));
    let record = &mut Vec::new();
    world.drivers.a.endpoint(Slot(0)).record(&[], record);
    let mut bob = Driver::new(Backend::Dalek);
    bob.add_key(&[2; 32]);
    // Alice's record is not Bob's to go on from.
    let restored = bob.restore(&world.terms[0], world.rules, record);
    assert_eq!(restored, Err(RestoreError::Join(JoinError::NoKey)));
}

/// Numbers from a seed.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % below
    }
}

/// Links break at any moment, and Bob crashes and comes back from what he had stored: in the end
/// all is paid, once, and nothing was counted that is not in the log.
#[test]
fn nothing_is_lost_over_broken_links_and_crashes() {
    for seed in 0..150 {
        let mut number = numbers(seed);
        let rules = Rules {
            cosign_every: 1 + number(4) as u32,
            in_flight: 1 + number(5) as u32,
        };
        let mut world = World::new(1 + number(3), rules);
        let mut asked = Pair { a: 0, b: 0 };
        for _ in 0..30 {
            let slot = Slot(number(world.terms.len() as u64) as u32);
            match number(8) {
                0 | 1 if slot.0 == 0 => {
                    world.pay(Party::A, slot, [1, 2]);
                    asked.a += 2;
                }
                2 if slot.0 == 0 => {
                    world.pay(Party::B, slot, [3]);
                    asked.b += 1;
                }
                0..=2 => world.pay(Party::A, slot, [1]),
                3 | 4 => drop(world.advance(Party::A, |_, _| {})),
                5 | 6 => drop(world.advance(Party::B, |_, _| {})),
                _ => {
                    // Everything on the way is lost; every second time Bob is lost too.
                    if number(2) == 0 {
                        let waits = world.drivers.b.sides[Slot(0)].to_pay.clone();
                        world.crash_b();
                        world.drivers.b.sides[Slot(0)].to_pay = waits;
                    }
                    for slot in world.slots() {
                        world.drivers.a.reconnect(slot);
                        world.drivers.b.reconnect(slot);
                    }
                }
            }
        }
        world.talk();
        for slot in world.slots() {
            for party in Party::BOTH {
                let finish = world.driver(party).finish(slot);
                assert!(matches!(finish, Ok(()) | Err(Rejection::Ended)), "{seed}");
                world.talk();
            }
        }
        let ends = [&world.drivers.a, &world.drivers.b].map(|driver| driver.endpoint(Slot(0)));
        let [a, b] = ends.map(Endpoint::counted);
        assert_eq!(Pair { a: b, b: a }, asked, "{seed}: {:?}", world.told);
        // Alice never crashes: she was told of each once.
        let told = world.told[0].a;
        assert_eq!((told.paid, told.received), (asked.a, asked.b), "{seed}");
        for slot in world.slots() {
            let proof = world.drivers.a.final_proof(slot);
            assert!(proof.is_some(), "{seed}: {:?}", world.told);
            assert_eq!(proof, world.drivers.b.final_proof(slot), "{seed}");
        }
    }
}

impl World {
    /// Bob's memory is gone; what he had stored is not. Channels of which nothing was stored are
    /// new.
    fn crash_b(&mut self) {
        let mut bob = Driver::new(Backend::Dalek).keeping_records();
        bob.add_key(&[2; 32]);
        for (terms, record) in self.terms.iter().zip(&self.records) {
            let joined = match record.is_empty() {
                true => bob.join(terms, self.rules).map_err(RestoreError::Join),
                false => bob.restore(terms, self.rules, record),
            };
            joined.expect("his own record");
        }
        self.drivers.b = bob;
    }
}
