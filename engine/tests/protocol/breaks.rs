//! Links that break at any moment between two messages: safety always, and once they stop
//! breaking, everything completes.

use duet_engine::protocol::{Message, Party, Rules};
use proptest::prelude::*;

use super::cases;
use super::duo::Duo;
use super::side::Habits;

/// Something that happens to a pair.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A side does what it wants to do.
    Acts(Party),
    /// Messages to a side arrive together, at most so many.
    Arrives(Party, usize),
    /// The newest answer on its way to a side arrives twice, or one that it had before arrives
    /// again.
    AnswerAgain(Party),
    /// The link breaks.
    Breaks,
    /// A side crashes and comes back from its storage; that breaks the link too.
    Crashes(Party),
    /// A side passes the turn, if it can.
    Passes(Party),
    /// A side asks for the turn, if it can.
    Asks(Party),
    /// A side ends the channel, if it can, whatever the other one still wants.
    Finishes(Party),
}

fn apply(duo: &mut Duo, event: Event) {
    match event {
        Event::Acts(party) => {
            duo.side(party).act();
        }
        Event::Arrives(party, most) => {
            duo.deliver(party, most);
        }
        Event::AnswerAgain(party) => {
            duo.carry();
            let answer = duo.side(party.other()).answer_again();
            // While a side resumes it must say so first.
            let resumes = |bytes: &Vec<u8>| {
                matches!(
                    Message::decode_first(bytes),
                    Ok((Message::Resume { .. }, _))
                )
            };
            let queue = match party {
                Party::A => &mut duo.to_a,
                Party::B => &mut duo.to_b,
            };
            if let (Some(answer), false) = (answer, queue.iter().any(resumes)) {
                let mut bytes = Vec::new();
                answer.encode(&mut bytes);
                queue.push_back(bytes);
            }
        }
        Event::Breaks => duo.break_link(),
        Event::Crashes(party) => {
            duo.side(party).crash();
            duo.break_link();
        }
        Event::Passes(party) => {
            let side = duo.side(party);
            if side.end.my_turn().is_ok() && side.end.in_flight() == 0 {
                side.pass();
            }
        }
        Event::Asks(party) => duo.side(party).ask(),
        Event::Finishes(party) => {
            let side = duo.side(party);
            if side.end.my_turn().is_ok() && side.end.in_flight() == 0 {
                side.finish();
            }
        }
    }
    duo.carry();
}

fn party() -> impl Strategy<Value = Party> {
    prop_oneof![Just(Party::A), Just(Party::B)]
}

fn event(finishes: bool) -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => party().prop_map(Event::Acts),
        12 => (party(), prop_oneof![Just(1), Just(2), Just(usize::MAX)])
            .prop_map(|(party, most)| Event::Arrives(party, most)),
        1 => party().prop_map(Event::AnswerAgain),
        2 => Just(Event::Breaks),
        2 => party().prop_map(Event::Crashes),
        1 => party().prop_map(Event::Passes),
        1 => party().prop_map(Event::Asks),
        u32::from(finishes) => party().prop_map(Event::Finishes),
    ]
}

fn habits(rules: Rules) -> impl Strategy<Value = Habits> {
    let k = rules.cosign_every as usize;
    (
        1..=k,
        1..=4 * k,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(per_proposal, per_turn, pass_on_proposal, pass_unasked, sign_late)| Habits {
                per_proposal,
                per_turn,
                pass_on_proposal,
                pass_unasked,
                sign_late,
            },
        )
}

#[derive(Clone, Debug)]
struct Session {
    rules: Rules,
    deposits: [u64; 2],
    habits: [Habits; 2],
    wants: [Vec<u64>; 2],
    events: Vec<Event>,
}

fn session(finishes: bool) -> impl Strategy<Value = Session> {
    let rules = (prop_oneof![Just(1), Just(3), Just(100)], 1_u32..5).prop_map(
        |(cosign_every, in_flight)| Rules {
            cosign_every,
            in_flight,
        },
    );
    // Some are above any balance, some above what is left of it.
    let wants = || prop::collection::vec(prop_oneof![9 => 0_u64..30, 1 => 90_u64..300], 0..25);
    rules.prop_flat_map(move |rules| {
        (
            [habits(rules), habits(rules)],
            [wants(), wants()],
            [0_u64..120, 1_u64..120],
            prop::collection::vec(event(finishes), 0..120),
        )
            .prop_map(move |(habits, wants, deposits, events)| Session {
                rules,
                deposits,
                habits,
                wants,
                events,
            })
    })
}

/// Plays a session, checking safety after every event, to its end.
fn play(session: &Session) -> Duo {
    let mut duo = Duo::open(session.deposits, 0, session.rules);
    [duo.a.habits, duo.b.habits] = session.habits;
    duo.a.wants_to_pay(session.wants[0].iter().copied());
    duo.b.wants_to_pay(session.wants[1].iter().copied());
    for &event in &session.events {
        apply(&mut duo, event);
        duo.check();
    }
    duo.finish();
    duo
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn payments_survive_broken_links(session in session(false)) {
        let duo = play(&session);
        for (side, wants) in [(&duo.a, &session.wants[0]), (&duo.b, &session.wants[1])] {
            let settled = side.acknowledged + side.refused.len() as u64;
            prop_assert_eq!(settled, wants.len() as u64, "every payment was made or refused");
        }
    }

    #[test]
    fn the_end_survives_broken_links(session in session(true)) {
        play(&session);
    }
}

/// Breaks the link after every single message of a session in both directions, and after every
/// two: nothing that a particular moment could upset is left to chance.
#[test]
fn the_link_may_break_after_any_message_and_again_after_any_other() {
    let messages = run_with_breaks(&[]);
    assert!(
        messages > 20,
        "a session worth breaking: {messages} messages"
    );
    for first in 0..messages {
        let messages = run_with_breaks(&[first]);
        for second in first..messages {
            run_with_breaks(&[first, second]);
        }
    }
}

/// Plays a session in which both sides pay, pass and finish, one message at a time, and breaks
/// the link when so many messages have arrived; gives how many there were.
fn run_with_breaks(breaks: &[usize]) -> usize {
    let mut duo = Duo::open(
        [50, 50],
        0,
        Rules {
            cosign_every: 2,
            in_flight: 2,
        },
    );
    duo.a.wants_to_pay([1; 7]);
    duo.b.wants_to_pay([2; 6]);
    duo.a.habits.per_turn = 2;
    duo.b.habits.pass_on_proposal = false;
    let mut arrived = 0;
    let mut idle = 0;
    while idle < 3 {
        if breaks.contains(&arrived) && idle == 0 {
            duo.break_link();
        }
        idle += 1;
        for party in Party::BOTH {
            duo.side(party).act();
            let (a, b) = (duo.a.satisfied(), duo.b.satisfied());
            let side = duo.side(party);
            let may_finish = side.end.my_turn().is_ok() && side.end.in_flight() == 0;
            if a && b && may_finish && idle > 1 {
                side.finish();
            }
            if duo.deliver(party, 1) == 1 {
                arrived += 1;
                idle = 0;
                duo.check();
            }
        }
        assert!(arrived < 500, "no end: breaks at {breaks:?}");
    }
    duo.check_finished();
    assert_eq!(
        (duo.a.balance(), duo.a.end.signed().version()),
        (55, 13),
        "breaks at {breaks:?}"
    );
    arrived
}
