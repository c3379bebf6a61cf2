//! Records of random sessions at every point, and their sizes.

mod refusals;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::super::amount::Amount;
use super::super::super::burst::Burst;
use super::super::super::fixture::{Channel, channel};
use super::super::super::message::Message;
use super::super::super::rejection::Rejection;
use super::super::acknowledge::Answer;
use super::super::receive::Incoming;
use super::super::{SignOrder, Status};
use super::*;
use Party::{A, B};

const NOTE: &[u8] = b"session 17";

fn rules(cosign_every: u32) -> Rules {
    Rules {
        cosign_every,
        in_flight: 20,
    }
}

/// A channel of two ends, and what each has sent that the other has not read.
struct World {
    channel: Channel,
    rules: Rules,
    windows: WindowPool,
    /// To A and to B.
    wires: [Vec<u8>; 2],
    /// The newest proposal that each has read, whole.
    newest: [Vec<u8>; 2],
}

/// One thing that happens. Where it cannot, nothing does.
#[derive(Clone, Debug)]
enum Event {
    /// So many payments of this amount and tag in each of so many proposals.
    Pays {
        by: Party,
        proposals: usize,
        payments: usize,
        amount: u64,
        tag: u64,
        pass: bool,
    },
    /// Reads all that is there.
    Reads(Party),
    Passes(Party),
    Finishes(Party),
    /// The link breaks, and both ends go on.
    Resumes,
    Stops(Party),
    Closes(Party),
}

impl World {
    fn new(rules: Rules) -> World {
        World {
            channel: channel(0, rules),
            rules,
            windows: WindowPool::new(),
            wires: [Vec::new(), Vec::new()],
            newest: [Vec::new(), Vec::new()],
        }
    }

    fn happens(&mut self, event: &Event) {
        match *event {
            Event::Pays {
                by,
                proposals,
                payments,
                amount,
                tag,
                pass,
            } => {
                for last in (0..proposals).map(|at| at + 1 == proposals) {
                    self.pays(by, payments, amount, tag, pass && last);
                }
            }
            Event::Reads(by) => {
                let wire = std::mem::take(&mut self.wires[by as usize]);
                let mut rest = &wire[..];
                while let Ok((message, after)) = Message::decode_first(rest) {
                    let whole = rest[..rest.len() - after.len()].to_vec();
                    rest = after;
                    if !self.reads(by, &message, whole) {
                        break;
                    }
                }
            }
            Event::Passes(by) => {
                if let Ok(message) = self.channel.ends[by as usize].pass_turn() {
                    message.encode(&mut self.wires[by.other() as usize]);
                }
            }
            Event::Finishes(by) => {
                if let Ok(order) = self.channel.ends[by as usize].finish() {
                    let signature = self.channel.sign(by, order.digest());
                    let message = self.channel.ends[by as usize].finish_signed(&order, signature);
                    message.encode(&mut self.wires[by.other() as usize]);
                }
            }
            Event::Resumes => {
                let from = self.channel.ends.each_mut().map(Endpoint::resume);
                for (by, message) in [(A, &from[1]), (B, &from[0])] {
                    let Message::Resume { signed } = *message else {
                        unreachable!("a resume")
                    };
                    let mut wire = Vec::new();
                    let mut end = self.channel.ends[by as usize].clone();
                    let resumed = end.receive_resume(signed, &mut wire, self.signs(by));
                    self.channel.ends[by as usize] = end;
                    self.wires[by.other() as usize] = if resumed.is_ok() { wire } else { vec![] };
                }
            }
            Event::Stops(by) => {
                let because = Rejection::BadSignature { version: 300 };
                self.channel.ends[by as usize].stop(because);
            }
            Event::Closes(by) => {
                let mut end = self.channel.ends[by as usize].clone();
                let _ = end.close(self.signs(by));
                self.channel.ends[by as usize] = end;
            }
        }
    }

    fn signs(&self, by: Party) -> impl Fn(&SignOrder) -> Signature {
        move |order| self.channel.sign(by, order.digest())
    }

    fn pays(&mut self, by: Party, payments: usize, amount: u64, tag: u64, pass: bool) {
        let end = &mut self.channel.ends[by as usize];
        if !matches!(end.proposals_left(), Ok(1..)) {
            return;
        }
        let mut burst = Burst::default();
        burst.begin(end);
        for at in 0..payments.min(self.rules.cosign_every as usize) {
            // Not every payment has a tag, nor the same amount.
            let payment = Payment {
                payer: by,
                amount: Amount::new(amount + at as u64 % 2),
                tag: tag * (at as u64 % 3),
            };
            let _ = burst.pay(&payment);
        }
        burst.cut();
        burst.hash();
        let Some(state) = burst.states().first() else {
            return;
        };
        let order = end.propose(state, pass).expect("its turn");
        let signature = self.channel.sign(by, order.digest());
        let wire = &mut self.wires[by.other() as usize];
        let end = &mut self.channel.ends[by as usize];
        end.proposed(&order, state, &burst, signature, &mut self.windows, wire);
    }

    /// Whether it took the message.
    fn reads(&mut self, by: Party, message: &Message<'_>, whole: Vec<u8>) -> bool {
        let at = by as usize;
        let mut end = self.channel.ends[at].clone();
        let answer = match *message {
            Message::Proposal {
                ref payments,
                signature,
                pass,
            } => {
                let mut burst = Burst::default();
                burst.begin(&end);
                match end.receive_proposal(payments, &signature, &mut burst) {
                    Ok(Incoming::New) => {
                        burst.hash();
                        let claim = end.claim(&burst.states()[0], signature, pass);
                        let claim = self.channel.verify(claim);
                        let order = end.accept(claim).expect("checked");
                        self.newest[at] = whole;
                        let signature = self.channel.sign(by, order.digest());
                        Ok(Some(end.co_signed(&order, signature)))
                    }
                    Ok(Incoming::Answered) => Ok(end.answer_again(self.signs(by))),
                    Err(rejection) => Err(rejection),
                }
            }
            Message::Acknowledgement { version, signature } => {
                match end.receive_acknowledgement(version, signature) {
                    Ok(Answer::New(claim)) => end
                        .acknowledged(self.channel.verify(claim), &mut self.windows)
                        .map(|_| None),
                    Ok(Answer::Duplicate) => Ok(None),
                    Err(rejection) => Err(rejection),
                }
            }
            Message::TurnPassed { turn } => end.receive_pass(turn).map(|()| None),
            Message::Final { version, signature } => {
                end.receive_final(version, signature).map(|claim| {
                    let claim = self.channel.verify(claim);
                    let order = end.accept_final(&claim).expect("checked");
                    let signature = self.channel.sign(by, order.digest());
                    Some(end.final_signed(&order, &claim, signature))
                })
            }
            Message::FinalAcknowledgement { version, signature } => end
                .receive_final_acknowledgement(version, signature)
                .and_then(|claim| end.finish_acknowledged(&self.channel.verify(claim)))
                .map(|()| None),
            Message::TurnAsked { .. } | Message::Resume { .. } => unreachable!("never sent"),
        };
        self.channel.ends[at] = end;
        if let Ok(Some(answer)) = &answer {
            answer.encode(&mut self.wires[by.other() as usize]);
        }
        answer.is_ok()
    }

    fn restored(&mut self, by: Party, record: &[u8]) -> Endpoint {
        let (terms, rules) = (self.channel.terms, self.rules);
        let peer = self.channel.ends[by as usize].peer;
        let read = Endpoint::from_record(record, &terms, peer, rules, &mut self.windows);
        let (recovered, note) = read.expect("its own record");
        assert_eq!(note, NOTE);
        assert_eq!(
            (recovered.me(), *recovered.channel()),
            (by, terms.channel_id())
        );
        let claims: Vec<_> = recovered.claims().collect();
        let genuine = claims.into_iter().map(|claim| self.channel.verify(claim));
        recovered.verified(genuine)
    }

    /// What comes back is what was written, and goes on as the original would.
    fn check(&mut self) {
        for by in [A, B] {
            let original = self.channel.ends[by as usize].clone();
            let record = record(&original);
            assert_eq!(record_identity(&record), Ok((*original.channel(), by)));
            let restored = self.restored(by, &record);
            assert_eq!(self::record(&restored), record);
            let (mut original, mut restored) = (original, restored);
            let resume = original.resume();
            assert_eq!(restored.resume(), resume);
            let Message::Resume { signed: newest } = resume else {
                unreachable!("a resume")
            };
            let held = original.held_version();
            for signed in [
                held,
                held + 1,
                newest.saturating_sub(1),
                newest,
                newest + 1,
                newest + 2,
            ] {
                self.same_after(by, &original, &restored, signed);
            }
        }
    }

    fn same_after(&self, by: Party, original: &Endpoint, restored: &Endpoint, signed: u64) {
        let [original, restored] = [original, restored].map(|end| {
            let mut end = end.clone();
            let mut wire = Vec::new();
            let resumed = end.receive_resume(signed, &mut wire, self.signs(by));
            // Whose turn it was is not recorded: it follows from the log.
            let goes_on = resumed.is_ok();
            let seen = (
                (resumed, wire, end.status(), end.signed()),
                (end.counted(), end.in_flight(), end.held(self.signs(by))),
                goes_on.then(|| (end.turn_holder(), end.my_turn(), end.proposals_left())),
                end.final_proof(self.signs(by)),
            );
            let answers: Vec<_> = (0..=end.signed().version())
                .rev()
                .take(30)
                .map(|version| end.receive_acknowledgement(version, Signature([1; 64])))
                .collect();
            let finals = (
                end.receive_final(end.signed().version(), Signature([2; 64])),
                end.receive_final_acknowledgement(end.signed().version(), Signature([2; 64])),
            );
            // What it has answered already, as it was and with one payment changed.
            let newest = &self.newest[by as usize];
            let again = [0, 4].map(|bit_at| {
                let mut bytes = newest.clone();
                let byte = bytes.get_mut(bit_at)?;
                *byte ^= u8::from(bit_at > 0);
                let Ok((
                    Message::Proposal {
                        payments,
                        signature,
                        ..
                    },
                    _,
                )) = Message::decode_first(&bytes)
                else {
                    unreachable!("a proposal")
                };
                let mut burst = Burst::default();
                burst.begin(&end);
                Some(end.receive_proposal(&payments, &signature, &mut burst))
            });
            let post = end.close(self.signs(by));
            (seen, answers, finals, again, post)
        });
        assert_eq!(original, restored);
    }
}

fn record(end: &Endpoint) -> Vec<u8> {
    let mut record = Vec::new();
    end.record(NOTE, &mut record);
    record
}

fn party() -> impl Strategy<Value = Party> {
    prop_oneof![Just(A), Just(B)]
}

fn event() -> impl Strategy<Value = Event> {
    let amount = prop_oneof![1_u64..3, Just(200)];
    let tag = prop_oneof![Just(0_u64), 1_u64..1 << 60];
    let pays = (party(), 1_usize..4, 1_usize..5, amount, tag, any::<bool>());
    let pays = pays.prop_map(|(by, proposals, payments, amount, tag, pass)| Event::Pays {
        by,
        proposals,
        payments,
        amount,
        tag,
        pass,
    });
    prop_oneof![
        8 => pays,
        8 => party().prop_map(Event::Reads),
        2 => party().prop_map(Event::Passes),
        2 => Just(Event::Resumes),
        1 => party().prop_map(Event::Finishes),
    ]
}

/// A session, and perhaps how it ends otherwise.
fn session() -> impl Strategy<Value = (u32, Vec<Event>)> {
    let ends = prop_oneof![
        4 => Just(Event::Resumes),
        1 => party().prop_map(Event::Stops),
        1 => party().prop_map(Event::Closes),
    ];
    let cosign_every = prop_oneof![Just(1), Just(3), Just(100)];
    let events = prop::collection::vec(event(), 1..16);
    let after = prop::collection::vec(prop_oneof![event(), party().prop_map(Event::Closes)], 0..4);
    (cosign_every, events, ends, after).prop_map(|(cosign_every, mut events, end, after)| {
        events.push(end);
        events.extend(after);
        (cosign_every, events)
    })
}

#[test]
fn an_endpoint_comes_back_at_every_point_as_it_was() {
    let mut runner = TestRunner::new(Config::with_cases(48));
    let mut reached = std::collections::HashSet::new();
    let tested = runner.run(&session(), |(cosign_every, events)| {
        let mut world = World::new(rules(cosign_every));
        world.check();
        for event in &events {
            world.happens(event);
            world.check();
        }
        Ok(())
    });
    tested.expect("each comes back");
    // Each phase, for certain.
    for (events, status) in [
        (vec![], Status::Running),
        (vec![Event::Finishes(A)], Status::Finishing),
        (
            vec![Event::Finishes(A), Event::Reads(B), Event::Reads(A)],
            Status::Finished,
        ),
        (
            vec![Event::Stops(A)],
            Status::Stopped(Rejection::BadSignature { version: 300 }),
        ),
        (vec![Event::Closes(A)], Status::Closing { because: None }),
        (
            vec![Event::Stops(A), Event::Closes(A)],
            Status::Closing {
                because: Some(Rejection::BadSignature { version: 300 }),
            },
        ),
    ] {
        let mut world = paid(3, 3, 1, 7);
        for event in &events {
            world.happens(event);
            world.check();
        }
        assert_eq!(world.channel.ends[0].status(), status);
        reached.insert(record(&world.channel.ends[0])[1]);
    }
    assert_eq!(reached.len(), 6);
}

/// A has paid so much, in one proposal and co-signed.
fn paid(cosign_every: u32, payments: usize, amount: u64, tag: u64) -> World {
    let mut world = World::new(rules(cosign_every));
    world.happens(&Event::Pays {
        by: A,
        proposals: 1,
        payments,
        amount,
        tag,
        pass: false,
    });
    world.happens(&Event::Reads(B));
    world.happens(&Event::Reads(A));
    assert_eq!(world.channel.ends[0].held_version(), payments as u64);
    world
}

/// What the log's disk and the recovery's memory are planned with.
#[test]
fn a_record_is_small() {
    let mut world = paid(100, 100, 1, 0);
    let len = |world: &World, by: Party| {
        let mut record = Vec::new();
        world.channel.ends[by as usize].record(&[], &mut record);
        record.len()
    };
    // The payer's, and the payee's with the head that it answered from.
    assert_eq!((len(&world, A), len(&world, B)), (138, 170));
    world.happens(&Event::Finishes(A));
    world.happens(&Event::Reads(B));
    world.happens(&Event::Reads(A));
    assert_eq!((len(&world, A), len(&world, B)), (202, 202));

    // In flight: 20 proposals of 100 payments each.
    for (amount, most) in [(63, 1.7), (127, 1.7), (9_999, 2.7)] {
        let mut channel = rich_channel(rules(100));
        let mut window = WindowPool::new();
        let before = record(&channel.ends[0]).len();
        for _ in 0..20 {
            let mut burst = Burst::default();
            burst.begin(&channel.ends[0]);
            for _ in 0..100 {
                let payment = Payment {
                    payer: A,
                    amount: Amount::new(amount),
                    tag: 0,
                };
                burst.pay(&payment).expect("covered");
            }
            burst.cut();
            burst.hash();
            let state = burst.states()[0];
            let order = channel.ends[0].propose(&state, false).expect("its turn");
            let signature = channel.sign(A, order.digest());
            let end = &mut channel.ends[0];
            end.proposed(
                &order,
                &state,
                &burst,
                signature,
                &mut window,
                &mut Vec::new(),
            );
        }
        let bytes = record(&channel.ends[0]).len() - before;
        let each = bytes as f64 / 2_000.0;
        assert!(each <= most, "{each} bytes a payment of {amount}");
    }
}

fn rich_channel(rules: Rules) -> Channel {
    super::super::super::fixture::channel_with(0, rules, 1 << 40)
}
