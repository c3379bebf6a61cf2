//! The end without the peer: what an endpoint would post in every situation, what it answers, and
//! that it signs and counts nothing afterwards.

use duet_engine::protocol::{Amount, Entry, Party, Post, Rejection, Rules, Status};

use super::duo::Duo;

const RULES: Rules = Rules {
    cosign_every: 2,
    in_flight: 4,
};

/// The versions that a post shows and offers.
fn versions(post: &Post) -> (u64, Option<u64>) {
    let offer = post.offer.as_ref();
    let offered = offer.map(|offer| Entry::decode(&offer.entry).version);
    (post.version(), offered)
}

/// Sets a scene between A with 60 and B with 40.
fn scene(set: impl Fn(&mut Duo)) -> Duo {
    let mut duo = Duo::open([60, 40], 0, RULES);
    set(&mut duo);
    duo
}

fn a_pays(duo: &mut Duo, payments: usize) {
    duo.a.wants_to_pay(vec![1; payments]);
    duo.a.act();
    duo.carry();
}

/// What A posts, what B posts, and up to which version B answers.
type Row = (
    &'static str,
    fn(&mut Duo),
    (u64, Option<u64>),
    (u64, Option<u64>),
);

const ROWS: &[Row] = &[
    ("nothing was paid", |_| {}, (0, None), (0, None)),
    (
        "B has not got the proposals",
        |duo| a_pays(duo, 3),
        (0, Some(3)),
        (0, None),
    ),
    (
        "B has got the first, and withholds its answer",
        |duo| {
            a_pays(duo, 3);
            duo.deliver(Party::B, 1);
            duo.to_a.clear();
        },
        (0, Some(3)),
        (2, None),
    ),
    (
        "B has got both, and only its first answer has come",
        |duo| {
            a_pays(duo, 3);
            duo.deliver(Party::B, 2);
            duo.deliver(Party::A, 1);
        },
        (2, Some(3)),
        (3, None),
    ),
    (
        "both have all",
        |duo| {
            a_pays(duo, 3);
            duo.settle();
        },
        (3, None),
        (3, None),
    ),
    (
        "A has signed a final, and B is silent",
        |duo| {
            a_pays(duo, 3);
            duo.settle();
            duo.a.finish();
        },
        (3, None),
        (3, None),
    ),
    (
        "both have finished",
        |duo| {
            a_pays(duo, 3);
            duo.settle();
            duo.finish();
        },
        (3, None),
        (3, None),
    ),
];

#[test]
fn what_is_posted_is_the_newest_state_and_the_newest_unanswered_proposal() {
    for (name, set, of_a, of_b) in ROWS {
        let mut duo = scene(set);
        for (party, expected) in [(Party::A, of_a), (Party::B, of_b)] {
            let side = duo.side(party);
            let signed = side.end.signed();
            let post = side.close();
            assert_eq!(versions(&post), *expected, "{name}: {party:?}");
            assert_eq!(post.channel, side.channel());
            assert_eq!(side.close(), post, "{name}: the same again");
            // The offer gives the poster no more than what it shows.
            if let (Some(offer), Party::A) = (&post.offer, party) {
                let deposit = Amount::new(60);
                let offered = offer.state().balance(deposit).a;
                assert!(offered <= post.state().balance(deposit).a, "{name}");
                assert_eq!(
                    offered, signed.balance.a,
                    "{name}: it stands by all it signed"
                );
            }
        }
        duo.check();
    }
}

/// Rule S7: a post is answered if and only if the endpoint holds a higher state.
#[test]
fn every_post_that_can_be_beaten_is_answered() {
    for (name, set, of_a, of_b) in ROWS {
        for posted in 0..5 {
            let mut duo = scene(set);
            for (party, newest) in [(Party::A, of_a), (Party::B, of_b)] {
                let answer = duo.side(party).posted(posted);
                let expected = (newest.0 > posted).then_some(*newest);
                let answered = answer.as_ref().map(versions);
                assert_eq!(answered, expected, "{name}: v{posted}, {party:?}");
            }
        }
    }
}

/// Rule S4: once a post is sent or seen, nothing is proposed, co-signed or counted.
#[test]
fn nothing_is_signed_or_counted_after_a_post() {
    let close: [fn(&mut Duo, Party); 2] = [
        |duo, party| {
            let _ = duo.side(party).close();
        },
        |duo, party| {
            let _ = duo.side(party).posted(0);
        },
    ];
    for close in close {
        let mut duo = scene(|duo| a_pays(duo, 3));
        duo.b.strict = false;
        close(&mut duo, Party::B);
        let before = duo.b.seen();
        duo.deliver(Party::B, usize::MAX);
        assert_eq!(duo.b.rejections, [Rejection::Ended]);
        assert_eq!(duo.b.seen(), before);
        assert_eq!(duo.b.end.counted(), 0);

        // The other end hears an answer too late, and makes no more proposals.
        let mut duo = scene(|duo| {
            a_pays(duo, 3);
            duo.deliver(Party::B, usize::MAX);
        });
        duo.a.strict = false;
        close(&mut duo, Party::A);
        duo.deliver(Party::A, usize::MAX);
        assert_eq!(duo.a.rejections, [Rejection::Ended]);
        assert_eq!(duo.a.end.my_turn(), Err(Rejection::Ended));
        assert_eq!(duo.a.end.ask_for_turn(), None);
        assert!(duo.a.end.finish().is_err());
    }
}

/// Rule S6 from the side of the one that starts: a final is over the newest state, and all of it is
/// answered.
#[test]
fn no_final_is_signed_while_something_is_in_flight() {
    let mut duo = scene(|duo| a_pays(duo, 3));
    assert_eq!(
        duo.a.end.finish().err(),
        Some(Rejection::FinalInFlight { in_flight: 2 })
    );
    duo.deliver(Party::B, 1);
    duo.deliver(Party::A, 1);
    assert_eq!(
        duo.a.end.finish().err(),
        Some(Rejection::FinalInFlight { in_flight: 1 })
    );
    duo.settle();
    duo.finish();
}

#[test]
fn the_reason_stays_with_the_channel() {
    let mut duo = scene(|duo| a_pays(duo, 1));
    duo.b.receive(&[0]);
    let reason = Rejection::Malformed { what: "header" };
    assert_eq!(duo.b.end.closes_because(), Some(reason));
    let _ = duo.b.close();
    assert_eq!(duo.b.end.closes_because(), Some(reason));
    let because = Some(reason);
    assert_eq!(duo.b.end.status(), Status::Closing { because });
    // A rejection that comes later changes nothing.
    duo.b.end.stop(Rejection::LogFull);
    assert_eq!(duo.b.end.status(), Status::Closing { because });
    let _ = duo.a.close();
    assert_eq!(duo.a.end.closes_because(), None);
}

/// What both have finished can be closed at once, whatever somebody posts.
#[test]
fn a_finished_channel_stays_finished() {
    let mut duo = scene(|duo| {
        a_pays(duo, 3);
        duo.settle();
        duo.finish();
    });
    let proof = duo.a.final_proof();
    assert!(duo.a.posted(1).is_some());
    let _ = duo.a.close();
    assert!(proof.is_some());
    assert_eq!(duo.a.final_proof(), proof);
}

/// An endpoint that has posted comes back from its storage as one that has posted.
#[test]
fn a_crash_after_a_post_does_not_reopen_the_channel() {
    let mut duo = scene(|duo| {
        a_pays(duo, 3);
        duo.deliver(Party::B, 1);
    });
    let post = duo.a.close();
    duo.a.crash();
    assert_eq!(duo.a.end.status(), Status::Closing { because: None });
    assert_eq!(duo.a.close(), post);
    assert_eq!(duo.a.end.my_turn(), Err(Rejection::Ended));
}
