//! A peer that breaks each rule in turn: the endpoint that receives the offence names it, with
//! what it expected and what it found, and is afterwards as if it had never come.

use std::collections::BTreeSet;

use duet_engine::protocol::{Party, Rejection, Status};

use super::duo::Duo;
use super::forge::{NO_SIGNATURE, answer, answers_final, asks, passes, resumes, sends_final};
use super::offences::{RULES, Row, honest_proposal, rows};

/// Sets the scene of a row and delivers its prefix, and the offence if asked to.
fn play(row: &Row, strict: bool, offend: bool) -> Duo {
    let mut duo = Duo::open([60, 40], 5, RULES);
    (row.before)(&mut duo);
    duo.side(row.victim).strict = strict;
    duo.side(row.victim).habits.sign_late = true;
    let mut delivered = (row.prefix)(&mut duo);
    if offend {
        delivered.extend((row.offence)(&mut duo));
    }
    duo.side(row.victim).receive(&delivered);
    duo
}

#[test]
fn every_offence_is_named_and_stops_the_channel() {
    for row in rows() {
        let mut before = play(&row, true, false);
        let mut after = play(&row, true, true);
        let (before, after) = (before.side(row.victim), after.side(row.victim));
        assert_eq!(before.rejections, [], "{}: the prefix is sound", row.name);
        assert_eq!(after.rejections, [row.expected], "{}", row.name);
        // An unchanged endpoint but for its status; what both have finished stays so.
        assert_eq!(after.seen(), before.seen(), "{}", row.name);
        match before.end.status() {
            status @ Status::Finished => assert_eq!(after.end.status(), status),
            _ => {
                assert_eq!(
                    after.end.status(),
                    Status::Stopped(row.expected),
                    "{}",
                    row.name
                );
                assert_eq!(after.end.my_turn(), Err(row.expected), "{}", row.name);
            }
        }
        assert_eq!(before.out, after.out, "{}: it sends nothing else", row.name);
        after.check();
    }
}

#[test]
fn after_a_refused_offence_an_honest_session_goes_on() {
    for row in rows() {
        let mut before = play(&row, false, false);
        let mut after = play(&row, false, true);
        assert_eq!(
            after.side(row.victim).rejections,
            [row.expected],
            "{}",
            row.name
        );
        after.side(row.victim).rejections.clear();
        let (seen, status) = {
            let before = before.side(row.victim);
            (before.seen(), before.end.status())
        };
        assert_eq!(after.side(row.victim).seen(), seen, "{}", row.name);
        assert_eq!(after.side(row.victim).end.status(), status, "{}", row.name);
        if !row.lied {
            after.finish();
        }
    }
}

/// The first reason stays, and a stopped endpoint gives it for everything.
#[test]
fn a_stopped_channel_signs_nothing_more() {
    let mut duo = Duo::open([60, 40], 5, RULES);
    duo.b.receive(&[0]);
    let first = Rejection::Malformed { what: "header" };
    let seen = duo.b.seen();
    let offers = [
        honest_proposal(&mut duo),
        sends_final(&mut duo, Party::A, 0),
        answers_final(&mut duo, Party::A, 0),
        answer(0, NO_SIGNATURE),
        asks(0),
        passes(0),
        resumes(0),
    ];
    for offer in offers {
        duo.b.receive(&offer);
        assert_eq!(duo.b.rejections.pop(), Some(first));
    }
    assert_eq!(duo.b.end.status(), Status::Stopped(first));
    assert_eq!(duo.b.seen(), seen);
    assert_eq!(duo.b.end.ask_for_turn(), None);
}

/// No variant without its row. The rest cannot be sent: a full log takes 2^64 payments, and of what
/// log a payment is and who pays is not said, so that another one than the receiver's is a signature
/// that does not verify.
#[test]
fn every_rejection_is_provoked() {
    let elsewhere = ["log_full", "broken_chain", "wrong_version", "not_the_payer"];
    let mut provoked: BTreeSet<&str> = rows().iter().map(|row| row.expected.name()).collect();
    provoked.extend(elsewhere);
    let all = [
        "zero_amount",
        "insufficient_balance",
        "tag_too_large",
        "log_full",
        "wrong_version",
        "broken_chain",
        "not_the_payer",
        "wrong_entry_count",
        "bad_signature",
        "not_your_turn",
        "wrong_turn",
        "too_many_in_flight",
        "passed_in_flight",
        "unknown_version",
        "unexpected_resume",
        "missing_resume",
        "final_not_newest",
        "final_in_flight",
        "ended",
        "malformed",
    ];
    assert_eq!(provoked, BTreeSet::from(all));
    // A new variant does not compile without an entry above.
    for row in rows() {
        use Rejection as R;
        match row.expected {
            R::ZeroAmount
            | R::InsufficientBalance { .. }
            | R::TagTooLarge { .. }
            | R::LogFull
            | R::WrongVersion { .. }
            | R::BrokenChain { .. }
            | R::NotThePayer { .. }
            | R::WrongEntryCount { .. }
            | R::BadSignature { .. }
            | R::NotYourTurn { .. }
            | R::WrongTurn { .. }
            | R::TooManyInFlight { .. }
            | R::PassedInFlight { .. }
            | R::UnknownVersion { .. }
            | R::UnexpectedResume
            | R::MissingResume
            | R::FinalNotNewest { .. }
            | R::FinalInFlight { .. }
            | R::Ended
            | R::Malformed { .. } => assert!(!row.expected.to_string().is_empty()),
        }
    }
}
