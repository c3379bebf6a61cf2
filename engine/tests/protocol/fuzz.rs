//! Anything at all from a peer that holds a real key: no endpoint panics, signs what it must not,
//! or loses what it holds.

use std::collections::VecDeque;

use duet_engine::crypto::{Digest, link};
use duet_engine::protocol::{
    Amount, Entry, EntryBytes, Message, Party, Rules, Status, final_digest,
};
use proptest::prelude::*;

use super::cases;
use super::duo::Duo;
use super::forge::{
    NO_SIGNATURE, answer, asks, final_answer, final_message, passes, resumes, signed_proposal,
};

const RULES: Rules = Rules {
    cosign_every: 3,
    in_flight: 3,
};

/// A message of the adversary, which sees all that its victim does and knows.
#[derive(Clone, Debug)]
enum Move {
    /// Entries that extend the victim's newest state and a true signature, but for the flaw.
    Proposal {
        entries: u8,
        amount: u64,
        pass: bool,
        flaw: Flaw,
    },
    /// A true signature over one of the victim's states, from the newest backwards.
    Answer {
        back: usize,
        version: Number,
    },
    /// The same for a final over the newest state.
    Final {
        version: Number,
        answer: bool,
        genuine: bool,
    },
    Ask(Number),
    Pass(Number),
    Resume(Number),
    /// Something that it, or its victim, has sent before.
    Replay(usize),
    Bytes(Vec<u8>),
}

#[derive(Clone, Copy, Debug)]
enum Flaw {
    None,
    Version,
    Balance,
    Payer,
    Signature,
}

/// A number near what would be right, or far from it.
#[derive(Clone, Copy, Debug)]
enum Number {
    Near(i8),
    Exactly(u64),
}

impl Number {
    fn around(self, right: u64) -> u64 {
        match self {
            Number::Near(offset) => right.wrapping_add_signed(i64::from(offset)),
            Number::Exactly(number) => number,
        }
    }
}

/// What happens at the victim.
#[derive(Clone, Debug)]
enum Event {
    /// Messages that arrive together.
    Arrive(Vec<Move>),
    Pays(u8),
    PaysAndPasses,
    Passes,
    Asks,
    Finishes,
    /// The link breaks, and the adversary resumes from there, or not.
    LinkBreaks(Option<Number>),
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        6 => Just(Number::Near(0)),
        3 => (-4_i8..5).prop_map(Number::Near),
        1 => prop_oneof![Just(0), Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()]
            .prop_map(Number::Exactly),
    ]
}

fn flaw() -> impl Strategy<Value = Flaw> {
    prop_oneof![
        20 => Just(Flaw::None),
        1 => Just(Flaw::Version),
        1 => Just(Flaw::Balance),
        1 => Just(Flaw::Payer),
        1 => Just(Flaw::Signature),
    ]
}

fn a_move() -> impl Strategy<Value = Move> {
    let entries = prop_oneof![12 => 1_u8..4, 1 => Just(0), 1 => Just(4)];
    let amount = prop_oneof![18 => 1_u64..9, 1 => Just(0), 1 => any::<u64>()];
    prop_oneof![
        9 => (entries, amount, any::<bool>(), flaw()).prop_map(|(entries, amount, pass, flaw)| {
            Move::Proposal { entries, amount, pass, flaw }
        }),
        5 => (0_usize..4, number()).prop_map(|(back, version)| Move::Answer { back, version }),
        1 => (number(), any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(version, answer, genuine)| Move::Final { version, answer, genuine }),
        2 => number().prop_map(Move::Ask),
        3 => number().prop_map(Move::Pass),
        1 => number().prop_map(Move::Resume),
        1 => (0_usize..50).prop_map(Move::Replay),
        1 => prop::collection::vec(any::<u8>(), 0..90).prop_map(Move::Bytes),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => prop::collection::vec(a_move(), 1..4).prop_map(Event::Arrive),
        3 => (1_u8..4).prop_map(Event::Pays),
        2 => Just(Event::PaysAndPasses),
        2 => Just(Event::Passes),
        1 => Just(Event::Asks),
        1 => Just(Event::Finishes),
        1 => prop::option::weighted(0.9, number()).prop_map(Event::LinkBreaks),
    ]
}

/// The adversary's side of one delivery.
struct Adversary<'d> {
    duo: &'d mut Duo,
    victim: Party,
    /// Where the victim will stand if it takes what was written so far.
    version: u64,
    balance_a: u64,
    head: Digest,
    /// All that either has sent.
    sent: &'d mut Vec<Vec<u8>>,
}

impl Adversary<'_> {
    fn write(&mut self, a_move: &Move, turns: u64) -> Vec<u8> {
        let me = self.victim.other();
        match *a_move {
            Move::Proposal {
                entries,
                amount,
                pass,
                flaw,
            } => {
                let from = self.head;
                let entries: Vec<EntryBytes> =
                    (0..entries).map(|_| self.entry(amount, flaw)).collect();
                let mut message = signed_proposal(self.duo.side(me), from, &entries, pass);
                if let Flaw::Signature = flaw {
                    let last = message.len() - 40;
                    message[last] ^= 4;
                }
                message
            }
            Move::Answer { back, version } => {
                let victim = self.duo.side(self.victim);
                let state = victim.states.iter().rev().nth(back);
                let (of, digest) = state.copied().unwrap_or_default();
                let signature = self.duo.side(me).sign(digest);
                let version = version.around(of);
                answer(version, signature)
            }
            Move::Final {
                version,
                answer,
                genuine,
            } => {
                let digest = final_digest(&self.duo.a.channel(), &self.head);
                let mut signature = self.duo.side(me).sign(digest);
                if !genuine {
                    signature = NO_SIGNATURE;
                }
                let version = version.around(self.version);
                match answer {
                    false => final_message(version, signature),
                    true => final_answer(version, signature),
                }
            }
            Move::Ask(turn) => asks(turn.around(turns)),
            Move::Pass(turn) => passes(turn.around(turns)),
            Move::Resume(signed) => resumes(signed.around(self.version)),
            Move::Replay(which) => match self.sent.len() {
                0 => Vec::new(),
                sent => self.sent[which % sent].clone(),
            },
            Move::Bytes(ref bytes) => bytes.clone(),
        }
    }

    /// The next entry by which the adversary pays, and the log with it.
    fn entry(&mut self, amount: u64, flaw: Flaw) -> EntryBytes {
        let me = self.victim.other();
        self.version = self
            .version
            .wrapping_add(1 + u64::from(matches!(flaw, Flaw::Version)));
        self.balance_a = match me {
            Party::A => self.balance_a.wrapping_sub(amount),
            Party::B => self.balance_a.wrapping_add(amount),
        };
        let entry = Entry {
            version: self.version,
            amount: Amount::new(amount),
            balance_a: Amount::new(self.balance_a ^ u64::from(matches!(flaw, Flaw::Balance))),
            payer: if let Flaw::Payer = flaw {
                self.victim
            } else {
                me
            },
            tag: 0,
        }
        .encode();
        self.head = link(&self.head, &entry);
        entry
    }
}

/// Lets the events happen to one honest side; checks it after each.
fn haunt(victim: Party, strict: bool, late: bool, events: &[Event]) {
    let mut duo = Duo::open([200, 200], 0, RULES);
    duo.side(victim).strict = strict;
    duo.side(victim).habits.sign_late = late;
    let mut sent = Vec::new();
    // How often the turn has been passed, as far as the victim lets it be seen.
    let (mut turns, mut theirs) = (0, victim == Party::B);
    for event in events {
        let side = duo.side(victim);
        let may_propose = matches!(side.end.proposals_left(), Ok(1..));
        let idle = side.end.my_turn().is_ok() && side.end.in_flight() == 0;
        match event {
            Event::Pays(payments) if may_propose => {
                side.wants_to_pay(vec![2; usize::from(*payments)]);
                side.propose_at_most(3, |_, _| false);
                side.wants = VecDeque::new();
            }
            Event::PaysAndPasses if may_propose => {
                side.wants_to_pay([1]);
                side.propose_at_most(3, |_, _| true);
            }
            Event::Passes if idle => side.pass(),
            Event::Asks => side.ask(),
            Event::Finishes if idle => side.finish(),
            Event::LinkBreaks(from) => {
                side.resume();
                (turns, theirs) = (0, false);
                if let Some(number) = from {
                    let signed = number.around(side.end.signed().version());
                    side.receive(&resumes(signed));
                    side.rejections.clear();
                }
            }
            Event::Arrive(moves) => {
                let tip = side.end.signed();
                let mut delivered = Vec::new();
                for a_move in moves {
                    let mut adversary = Adversary {
                        version: tip.version(),
                        balance_a: tip.balance.a.units(),
                        head: tip.head,
                        duo: &mut duo,
                        victim,
                        sent: &mut sent,
                    };
                    // Each move starts where the one before left.
                    if let Some((version, balance_a, head)) = delivered.last().map(|(_, at)| *at) {
                        adversary.version = version;
                        adversary.balance_a = balance_a;
                        adversary.head = head;
                    }
                    let message = adversary.write(a_move, turns);
                    let at = (adversary.version, adversary.balance_a, adversary.head);
                    delivered.push((message, at));
                }
                let together: Vec<u8> = delivered
                    .iter()
                    .flat_map(|(message, _)| message.clone())
                    .collect();
                let side = duo.side(victim);
                side.receive(&together);
                let refused = side.rejections.drain(..).count();
                assert!(refused <= 1, "the rest of a delivery is dropped");
                if strict && refused == 1 && !matches!(side.end.status(), Status::Finished) {
                    assert!(matches!(side.end.status(), Status::Stopped(_)));
                }
                sent.extend(delivered.into_iter().map(|(message, _)| message));
            }
            _ => {}
        }
        let side = duo.side(victim);
        sent.extend(side.out.drain(..));
        (turns, theirs) = match side.end.ask_for_turn() {
            Some(Message::TurnAsked { turn }) => (turn, true),
            _ => (turns + u64::from(theirs), false),
        };
        side.check();
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn an_adversary_with_a_key_breaks_nothing(
        victim in prop_oneof![Just(Party::A), Just(Party::B)],
        strict in prop::bool::weighted(0.2),
        late: bool,
        events in prop::collection::vec(event(), 1..60),
    ) {
        haunt(victim, strict, late, &events);
    }

    /// The bytes of an honest session, cut, joined, repeated, reordered and damaged.
    #[test]
    fn a_shuffled_session_breaks_nothing(
        picks in prop::collection::vec((0_usize..64, 1_usize..4, prop::option::of(0_usize..4000)), 1..40),
    ) {
        let (session, mut duo) = overheard();
        duo.b.strict = false;
        for (pick, count, flip) in picks {
            let from = pick % session.len();
            let to = session.len().min(from + count);
            let mut together = session[from..to].concat();
            if let Some(bit) = flip.filter(|bit| *bit < 8 * together.len()) {
                together[bit / 8] ^= 1 << (bit % 8);
            }
            duo.b.receive(&together);
            duo.b.check();
            duo.b.out.clear();
        }
    }
}

/// All that A sent in an honest session, and a pair on the same terms that has not played it.
fn overheard() -> (Vec<Vec<u8>>, Duo) {
    let mut duo = Duo::open([200, 200], 0, RULES);
    duo.a.wants_to_pay([3; 20]);
    duo.b.wants_to_pay([2; 5]);
    let mut session = Vec::new();
    while !(duo.a.satisfied() && duo.b.satisfied()) {
        duo.a.act();
        duo.b.act();
        session.extend(duo.a.out.iter().cloned());
        duo.deliver(Party::B, usize::MAX);
        duo.deliver(Party::A, usize::MAX);
        session.extend(duo.a.out.iter().cloned());
    }
    duo.side(duo.a.end.turn_holder()).finish();
    session.extend(duo.a.out.iter().cloned());
    (session, Duo::open([200, 200], 0, RULES))
}
