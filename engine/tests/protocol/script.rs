//! Sessions as one line of text: `open 60/40 · A pays 15 · B pays 5 → A 50, B 50`.
//!
//! | clause | meaning |
//! | --- | --- |
//! | `open 60/40` | deposits of A and B; always first |
//! | `k 3`, `in flight 2`, `reserve 10` | the rules; right after `open` |
//! | `A pays 15`, `A pays 2 ×7`, joined by `and` | wishes; those joined are pursued at once |
//! | `B pays 50: insufficient_balance` | its own endpoint refuses, and nothing changes |
//! | `B asks`, `A passes` | by themselves, without a payment |
//! | `link breaks` | whatever is under way is lost |
//! | `turn of A` | both know that A holds it |
//! | `A finishes` | signs the final |
//! | `→ A 50, B 50` | what each has in the end, co-signed and final; and the version |

use duet_engine::protocol::{Party, Rejection, Rules};

use super::duo::Duo;
use super::side::Habits;

/// Plays a session to its cooperative end and checks what each side has then.
pub(crate) fn check(script: &str) {
    check_with(script, |habits| habits);
}

/// As [`check`], with sides of other habits.
pub(crate) fn check_with(script: &str, habits: impl Fn(Habits) -> Habits) {
    let (steps, end) = script
        .split_once(" → ")
        .expect("an arrow before the result");
    let mut steps = steps.split(" · ").peekable();
    let open = steps
        .next()
        .and_then(|step| step.strip_prefix("open "))
        .expect("open first");
    let (a, b) = open.split_once('/').expect("two deposits");
    let mut rules = Rules {
        cosign_every: 1,
        in_flight: 4,
    };
    let mut reserve = 0;
    while let Some(step) = steps.peek() {
        match step.rsplit_once(' ').expect("words") {
            ("k", k) => rules.cosign_every = number(k) as u32,
            ("in flight", most) => rules.in_flight = number(most) as u32,
            ("reserve", least) => reserve = number(least),
            _ => break,
        }
        steps.next();
    }
    let mut duo = Duo::open([number(a), number(b)], reserve, rules);
    for side in [&mut duo.a, &mut duo.b] {
        side.habits = habits(side.habits);
    }
    for step in steps {
        play(&mut duo, step);
        duo.check();
    }
    duo.finish();
    let version = duo.a.end.signed().version();
    let found = format!("A {}, B {}, v{version}", duo.a.balance(), duo.b.balance());
    assert_eq!(found, end, "{script}");
}

fn play(duo: &mut Duo, step: &str) {
    let words: Vec<&str> = step.split(' ').collect();
    match words[..] {
        ["link", "breaks"] => duo.break_link(),
        ["turn", "of", who] => {
            duo.settle();
            let known = [duo.a.end.turn_holder(), duo.b.end.turn_holder()];
            assert_eq!(known, [party(who); 2], "{step}");
        }
        [who, "asks"] => {
            duo.side(party(who)).ask();
            duo.carry();
        }
        [who, "passes"] => {
            duo.side(party(who)).pass();
            duo.settle();
        }
        [who, "finishes"] => {
            duo.side(party(who)).finish();
            duo.carry();
        }
        [who, "pays", amount, name] if amount.ends_with(':') => {
            let amount = number(amount.trim_end_matches(':'));
            if duo.side(party(who)).end.my_turn().is_err() {
                duo.side(party(who)).ask();
                duo.settle();
            }
            let seen = [duo.a.seen(), duo.b.seen()];
            duo.side(party(who)).wants_to_pay([amount]);
            duo.settle();
            let refused = duo.side(party(who)).refused.pop();
            assert_eq!(refused.as_ref().map(Rejection::name), Some(name), "{step}");
            assert_eq!(seen, [duo.a.seen(), duo.b.seen()], "{step}");
        }
        [_, "pays", ..] => {
            for wish in step.split(" and ") {
                match wish.split(' ').collect::<Vec<_>>()[..] {
                    [who, "pays", amount] => duo.side(party(who)).wants_to_pay([number(amount)]),
                    [who, "pays", amount, times] => {
                        let times = number(times.trim_start_matches('×')) as usize;
                        let amounts = std::iter::repeat_n(number(amount), times);
                        duo.side(party(who)).wants_to_pay(amounts);
                    }
                    _ => panic!("'{wish}' is no wish"),
                }
            }
            duo.settle();
            assert!(
                duo.a.refused.is_empty() && duo.b.refused.is_empty(),
                "{step}: refused"
            );
        }
        _ => panic!("'{step}' is no step"),
    }
}

fn party(name: &str) -> Party {
    match name {
        "A" => Party::A,
        "B" => Party::B,
        _ => panic!("'{name}' is no party"),
    }
}

fn number(text: &str) -> u64 {
    text.replace('_', "")
        .parse()
        .unwrap_or_else(|_| panic!("'{text}' is no number"))
}
