//! What no message can lead to: the end of the version numbers, and our own mistakes.

use super::super::amount::Amount;
use super::super::burst::Burst;
use super::super::entry::{Balance, Entry};
use super::super::fixture::{Channel, burst as burst_of, channel, pays};
use super::super::message::Message;
use super::super::new_state::Tip;
use super::super::payments::PackedPayments;
use super::super::rejection::Rejection;
use super::super::terms::{Pair, Party, Terms, TermsError};
use super::receive::{CoSignOrder, Incoming, ProposalClaim};
use super::window::WindowPool;
use super::{Endpoint, Rules, SignOrder};
use crate::crypto::{Digest, Signature, Verified};

const RULES: Rules = Rules {
    cosign_every: 2,
    in_flight: 4,
};

impl Endpoint {
    /// Moves the newest signed state, as if all before it had been signed.
    pub(in crate::protocol) fn stand_at(&mut self, tip: Tip) {
        self.moves_to(tip);
    }
}

/// No signature has to be made again.
fn not_asked(_: &SignOrder) -> Signature {
    unreachable!("nothing was signed before")
}

/// A channel whose log has this length.
fn long_log(version: u64) -> Channel {
    let mut channel = channel(0, RULES);
    for end in &mut channel.ends {
        end.stand_at(Tip {
            balance: Balance {
                version,
                a: Amount::new(400),
            },
            head: Digest([1; 32]),
        });
    }
    channel
}

#[test]
fn a_full_log_takes_no_payment() {
    let channel = long_log(u64::MAX);
    let [a, b] = &channel.ends;
    let mut burst = Burst::default();
    burst.begin(a);
    assert_eq!(burst.pay(&pays(1)), Err(Rejection::LogFull));
    let entry = Entry {
        version: 0,
        amount: Amount::new(1),
        balance_a: Amount::new(399),
        payer: Party::A,
        tag: 0,
    };
    burst.begin(b);
    let packed = PackedPayments::of(&[entry.encode()]);
    let received = b.receive_proposal(&packed.payments(), &Signature([0; 64]), &mut burst);
    assert_eq!(received, Err(Rejection::LogFull));
}

#[test]
fn the_last_version_is_counted_and_resumed_from() {
    for version in [u64::MAX - 1, u64::MAX] {
        for signed in [0, u64::MAX - 1, u64::MAX] {
            let mut channel = long_log(version);
            let [a, _] = &mut channel.ends;
            assert_eq!(a.resume(), Message::Resume { signed: version });
            let resumed = a.receive_resume(signed, &mut Vec::new(), not_asked);
            let stands_there = signed >= version || signed == 0;
            assert_eq!(resumed.is_ok(), stands_there, "{signed} against {version}");
        }
    }
}

#[test]
fn terms_and_rules_are_checked() {
    let Channel {
        ends: [a, b],
        secrets,
        ..
    } = channel(0, RULES);
    let keys = Pair {
        a: secrets[0].public(),
        b: secrets[1].public(),
    };
    let terms = Terms {
        genesis: Digest([0; 32]),
        nonce: 0,
        index: 0,
        keys,
        deposits: Pair::default(),
        challenge_window_blocks: 1,
        reserve: Amount::ZERO,
    };
    let refused = Endpoint::new(Party::A, &terms, a.peer, RULES).err();
    assert_eq!(refused, Some(TermsError::NothingLocked));
    assert_eq!((a.me(), b.me()), (Party::A, Party::B));
    assert_eq!(a.channel(), b.channel());
}

#[test]
#[should_panic(expected = "cosign_every")]
fn an_interval_of_nothing_is_our_own_bug() {
    let rules = Rules {
        cosign_every: 0,
        ..RULES
    };
    channel(0, rules);
}

/// A's proposals of two payments each, ordered.
fn ordered(channel: &mut Channel, count: usize) -> (Burst, Vec<SignOrder>) {
    let [a, _] = &mut channel.ends;
    let burst = burst_of(a, 2, count);
    let orders = burst
        .states()
        .iter()
        .map(|state| a.propose(state, false).expect("its turn"))
        .collect();
    (burst, orders)
}

fn record(channel: &mut Channel, burst: &Burst, orders: &[SignOrder], at: usize) -> Vec<u8> {
    let signature = channel.sign(Party::A, orders[at].digest());
    let mut wire = Vec::new();
    let state = &burst.states()[at];
    let mut windows = WindowPool::new();
    channel.ends[0].proposed(
        &orders[at],
        state,
        burst,
        signature,
        &mut windows,
        &mut wire,
    );
    wire
}

/// B's claims for all of them, verified.
fn claims(channel: &mut Channel, count: usize, pass: bool) -> Vec<Verified<ProposalClaim>> {
    let (burst, orders) = ordered(channel, count);
    let mut theirs = Burst::default();
    theirs.begin(&channel.ends[1]);
    let mut signatures = Vec::new();
    for at in 0..count {
        let wire = record(channel, &burst, &orders, at);
        let Ok((
            Message::Proposal {
                payments,
                signature,
                ..
            },
            [],
        )) = Message::decode_first(&wire)
        else {
            panic!("one proposal");
        };
        let incoming = channel.ends[1].receive_proposal(&payments, &signature, &mut theirs);
        assert_eq!(incoming, Ok(Incoming::New));
        signatures.push(signature);
    }
    theirs.hash();
    let states = theirs.states().iter().zip(signatures);
    states
        .map(|(state, signature)| {
            let claim = channel.ends[1].claim(state, signature, pass);
            channel.verify(claim)
        })
        .collect()
}

/// B's acceptance of all of them.
fn accepted(channel: &mut Channel, count: usize) -> Vec<CoSignOrder> {
    let claims = claims(channel, count, false);
    let accept = |claim| channel.ends[1].accept(claim).expect("a sound proposal");
    claims.into_iter().map(accept).collect()
}

/// What this party may not do, however it came to want it.
#[test]
fn a_party_is_held_to_its_own_rules() {
    let mut channel = channel(0, RULES);
    let all = RULES.in_flight as usize;
    let (burst, orders) = ordered(&mut channel, all);
    let [a, b] = &mut channel.ends;
    let one_more = burst_of(a, 1, 1).states()[0];
    let most = RULES.in_flight;
    assert_eq!(a.proposals_left(), Ok(0));
    assert_eq!(
        a.propose(&one_more, false).err(),
        Some(Rejection::TooManyInFlight { most })
    );
    let in_flight = most;
    assert_eq!(a.pass_turn(), Err(Rejection::PassedInFlight { in_flight }));
    assert_eq!(
        a.finish().err(),
        Some(Rejection::FinalInFlight { in_flight })
    );
    let not_yours = Rejection::NotYourTurn { holder: Party::A };
    assert_eq!(b.my_turn(), Err(not_yours));
    assert_eq!(b.pass_turn(), Err(not_yours));
    assert_eq!(b.finish().err(), Some(not_yours));
    for at in 0..all {
        record(&mut channel, &burst, &orders, at);
    }
    assert_eq!(channel.ends[0].proposals_left(), Ok(0));
}

#[test]
fn a_state_is_proposed_within_the_interval_and_on_top_of_the_newest() {
    let mut channel = channel(0, RULES);
    let [a, _] = &mut channel.ends;
    let large = burst_of(a, 3, 1).states()[0];
    let too_large = Rejection::WrongEntryCount { most: 2, got: 3 };
    assert_eq!(a.propose(&large, false).err(), Some(too_large));
    let states = burst_of(a, 2, 2).states().to_vec();
    let ahead = Rejection::WrongVersion {
        expected: 1,
        got: 3,
    };
    assert_eq!(a.propose(&states[1], false).err(), Some(ahead));
    assert!(a.propose(&states[0], false).is_ok());
    let again = Rejection::WrongVersion {
        expected: 3,
        got: 1,
    };
    assert_eq!(a.propose(&states[0], false).err(), Some(again));
}

/// The turn has come with the proposal, and is of use once that is answered.
#[test]
fn nothing_is_proposed_before_what_is_owed_is_answered() {
    let mut channel = channel(0, RULES);
    let claim = claims(&mut channel, 1, true)[0];
    let [_, b] = &mut channel.ends;
    let order = b.accept(claim).expect("a sound proposal");
    let not_yet = Err(Rejection::NotYourTurn { holder: Party::B });
    assert_eq!((b.turn_holder(), b.my_turn()), (Party::B, not_yet));
    let signature = channel.sign(Party::B, order.digest());
    let [_, b] = &mut channel.ends;
    let _ = b.co_signed(&order, signature);
    assert_eq!(b.my_turn(), Ok(()));
}

/// A verdict that comes when the channel has stopped, or its link has broken, comes too late.
#[test]
fn a_verified_proposal_is_not_accepted_for_ever() {
    let stopped = Rejection::ZeroAmount;
    let mut channel = channel(0, RULES);
    let claim = claims(&mut channel, 1, false)[0];
    let [_, b] = &mut channel.ends;
    let _ = b.resume();
    assert_eq!(b.accept(claim).err(), Some(Rejection::MissingResume));
    assert_eq!(b.receive_resume(0, &mut Vec::new(), not_asked), Ok(()));
    b.stop(stopped);
    assert_eq!(b.accept(claim).err(), Some(stopped));
    assert_eq!((b.signed().version(), b.counted()), (0, 0));
}

#[test]
fn an_order_for_the_newest_answer_makes_up_for_earlier_ones() {
    let mut channel = channel(0, RULES);
    let orders = accepted(&mut channel, 4);
    // Not while it owes answers.
    assert_eq!(channel.ends[1].held_version(), 0);
    for (at, owed) in [(1, true), (3, false)] {
        let signature = channel.sign(Party::B, orders[at].digest());
        let [_, b] = &mut channel.ends;
        let answer = b.co_signed(&orders[at], signature);
        let version = 2 * (at as u64 + 1);
        assert_eq!(answer, Message::Acknowledgement { version, signature });
        assert_eq!((b.held_version(), b.answering() > 0), (version, owed));
    }
    assert_eq!(channel.ends[1].resume(), Message::Resume { signed: 8 });
}

#[test]
#[should_panic(expected = "an order outstanding")]
fn an_answer_is_recorded_once() {
    let mut channel = channel(0, RULES);
    let orders = accepted(&mut channel, 1);
    let signature = channel.sign(Party::B, orders[0].digest());
    for _ in 0..2 {
        let _ = channel.ends[1].co_signed(&orders[0], signature);
    }
}

#[test]
#[should_panic(expected = "an order outstanding")]
fn answers_are_recorded_in_order() {
    let mut channel = channel(0, RULES);
    let orders = accepted(&mut channel, 2);
    for order in orders.iter().rev() {
        let signature = channel.sign(Party::B, order.digest());
        let _ = channel.ends[1].co_signed(order, signature);
    }
}

#[test]
#[should_panic(expected = "an order outstanding")]
fn a_proposal_is_recorded_once() {
    let mut channel = channel(0, RULES);
    let (burst, orders) = ordered(&mut channel, 1);
    for _ in 0..2 {
        record(&mut channel, &burst, &orders, 0);
    }
}

#[test]
#[should_panic(expected = "an order is for one state")]
fn an_order_is_for_one_state() {
    let mut channel = channel(0, RULES);
    let (burst, mut orders) = ordered(&mut channel, 2);
    orders.swap(0, 1);
    record(&mut channel, &burst, &orders, 0);
}

#[test]
#[should_panic(expected = "an order outstanding at a resume")]
fn a_proposal_is_recorded_before_a_resume() {
    let mut channel = channel(0, RULES);
    let _orders = ordered(&mut channel, 1);
    let _ = channel.ends[0].resume();
}

#[test]
#[should_panic(expected = "an order outstanding at a resume")]
fn an_answer_is_recorded_before_a_resume() {
    let mut channel = channel(0, RULES);
    let _orders = accepted(&mut channel, 1);
    let _ = channel.ends[1].resume();
}

#[test]
#[should_panic(expected = "an order outstanding at a resume")]
fn a_final_is_recorded_before_a_resume() {
    let mut channel = channel(0, RULES);
    let _order = channel.ends[0].finish().expect("its turn");
    let _ = channel.ends[0].resume();
}

/// S6 from the order on, not only from the signature.
#[test]
fn nothing_is_ordered_after_a_final() {
    let mut channel = channel(0, RULES);
    let [a, _] = &mut channel.ends;
    let burst = burst_of(a, 1, 1);
    let order = a.finish().expect("its turn");
    assert_eq!(
        a.propose(&burst.states()[0], false).err(),
        Some(Rejection::Ended)
    );
    assert_eq!(a.finish().err(), Some(Rejection::Ended));
    assert_eq!(a.pass_turn(), Err(Rejection::Ended));
    assert_eq!(
        a.receive_ask(0),
        Ok(None),
        "an ask that crosses it is no offence"
    );
    let signature = channel.sign(Party::A, order.digest());
    let message = channel.ends[0].finish_signed(&order, signature);
    assert_eq!(
        message,
        Message::Final {
            version: 0,
            signature
        }
    );
}
