//! A peer that breaks each rule in turn: the endpoint that receives the offence names it, with
//! what it expected and what it found, and is afterwards as if it had never come.

use std::collections::BTreeSet;

use duet_engine::crypto::{Digest, Signature, link};
use duet_engine::protocol::{
    Amount, Entry, EntryBytes, Message, Party, Rejection, Rules, Status, final_digest, state_digest,
};

use super::duo::{Duo, Side};

/// Sixty against forty, three entries a state, two proposals in flight, five in reserve.
const RULES: Rules = Rules {
    cosign_every: 3,
    in_flight: 2,
};

/// One offence.
struct Row {
    name: &'static str,
    victim: Party,
    /// What honest sides do first.
    before: fn(&mut Duo),
    /// Messages in order that are delivered together with the offence, ahead of it.
    prefix: fn(&mut Duo) -> Vec<u8>,
    offence: fn(&mut Duo) -> Vec<u8>,
    expected: Rejection,
    /// Its prefix was a lie already, and the peer cannot go on as if it had not told it.
    lied: bool,
}

fn row(
    name: &'static str,
    victim: Party,
    offence: fn(&mut Duo) -> Vec<u8>,
    expected: Rejection,
) -> Row {
    Row {
        name,
        victim,
        before: |_| {},
        prefix: |_| Vec::new(),
        offence,
        expected,
        lied: false,
    }
}

impl Row {
    fn after(self, before: fn(&mut Duo)) -> Row {
        Row { before, ..self }
    }

    /// To B, whose proposal of version 1 A has not answered: A claims to be ahead.
    fn after_claiming_to_be_ahead(self) -> Row {
        Row {
            before: b_has_proposed_and_the_link_broke,
            prefix: |_| bytes(&Message::Resume { signed: 2 }),
            lied: true,
            ..self
        }
    }

    fn with(self, prefix: fn(&mut Duo) -> Vec<u8>) -> Row {
        Row { prefix, ..self }
    }
}

// What happens before.

fn a_has_paid_three(duo: &mut Duo) {
    duo.a.wants_to_pay([1; 3]);
    duo.settle();
}

fn a_has_paid_six(duo: &mut Duo) {
    duo.a.wants_to_pay([1; 6]);
    duo.settle();
}

fn a_has_passed(duo: &mut Duo) {
    duo.a.pass();
    duo.settle();
}

/// A's proposal of version 3 is on its way.
fn a_has_proposed(duo: &mut Duo) {
    duo.a.wants_to_pay([1; 3]);
    duo.a.act();
    duo.carry();
}

/// B holds the turn, and has signed version 1 when the link breaks.
fn b_has_proposed_and_the_link_broke(duo: &mut Duo) {
    a_has_passed(duo);
    duo.b.wants_to_pay([1]);
    duo.b.act();
    duo.break_link();
}

fn a_has_signed_its_final(duo: &mut Duo) {
    a_has_paid_three(duo);
    duo.a.finish();
    duo.carry();
}

fn both_have_finished(duo: &mut Duo) {
    a_has_paid_three(duo);
    duo.finish();
}

fn the_link_broke(duo: &mut Duo) {
    a_has_paid_three(duo);
    duo.break_link();
}

/// What is on its way to B.
fn on_its_way(duo: &mut Duo) -> Vec<u8> {
    duo.carry();
    duo.to_b.drain(..).flatten().collect()
}

fn honest_proposal(duo: &mut Duo) -> Vec<u8> {
    duo.a.wants_to_pay([1; 3]);
    duo.a.act();
    on_its_way(duo)
}

fn honest_passing_proposal(duo: &mut Duo) -> Vec<u8> {
    duo.a.wants_to_pay([1; 3]);
    duo.a.propose_at_most(3, |_, _| true);
    on_its_way(duo)
}

// What adversaries write.

pub(crate) fn bytes(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

fn entry(version: u64, amount: u64, balance_a: u64, payer: Party) -> EntryBytes {
    Entry {
        version,
        amount: Amount::new(amount),
        balance_a: Amount::new(balance_a),
        payer,
        tag: 0,
    }
    .encode()
}

/// A proposal whose signature is right for the log that its entries continue.
pub(crate) fn signed_proposal(
    by: &mut Side,
    from: Digest,
    entries: &[EntryBytes],
    pass: bool,
) -> Vec<u8> {
    let head = entries.iter().fold(from, |head, entry| link(&head, entry));
    let digest = state_digest(&by.channel(), &head);
    let signature = by.sign(digest);
    bytes(&Message::Proposal {
        entries,
        signature,
        pass,
    })
}

/// As A, from where A stands.
fn proposes(duo: &mut Duo, entries: &[EntryBytes]) -> Vec<u8> {
    let from = duo.a.end.signed().head;
    signed_proposal(&mut duo.a, from, entries, false)
}

fn final_of(by: &mut Side, head: Digest) -> Signature {
    let digest = final_digest(&by.channel(), &head);
    by.sign(digest)
}

fn sends_final(duo: &mut Duo, by: Party, version: u64) -> Vec<u8> {
    let head = duo.side(by).end.signed().head;
    let signature = final_of(duo.side(by), head);
    bytes(&Message::Final { version, signature })
}

fn answers_final(duo: &mut Duo, by: Party, version: u64) -> Vec<u8> {
    let head = duo.side(by).end.signed().head;
    let signature = final_of(duo.side(by), head);
    bytes(&Message::FinalAcknowledgement { version, signature })
}

const NO_SIGNATURE: Signature = Signature([0; 64]);

fn acknowledges(version: u64) -> Vec<u8> {
    bytes(&Message::Acknowledgement {
        version,
        signature: NO_SIGNATURE,
    })
}

fn rows() -> Vec<Row> {
    use Party::{A, B};
    use Rejection as R;
    let amount = Amount::new;
    vec![
        // The payment.
        row(
            "pays nothing",
            B,
            |d| proposes(d, &[entry(1, 0, 60, A)]),
            R::ZeroAmount,
        ),
        row(
            "pays into its reserve",
            B,
            |d| proposes(d, &[entry(1, 56, 4, A)]),
            R::InsufficientBalance {
                have: amount(60),
                reserve: amount(5),
                got: amount(56),
            },
        ),
        row(
            "pays more than it has, wrapping around",
            B,
            |d| proposes(d, &[entry(1, u64::MAX, 61, A)]),
            R::InsufficientBalance {
                have: amount(60),
                reserve: amount(5),
                got: amount(u64::MAX),
            },
        ),
        row(
            "pays too much in the last entry only",
            B,
            |d| {
                proposes(
                    d,
                    &[entry(1, 50, 10, A), entry(2, 5, 5, A), entry(3, 1, 4, A)],
                )
            },
            R::InsufficientBalance {
                have: amount(5),
                reserve: amount(5),
                got: amount(1),
            },
        ),
        // The log.
        row(
            "skips a version",
            B,
            |d| proposes(d, &[entry(2, 1, 59, A)]),
            R::WrongVersion {
                expected: 1,
                got: 2,
            },
        ),
        row(
            "starts at version 0",
            B,
            |d| proposes(d, &[entry(0, 1, 59, A)]),
            R::WrongVersion {
                expected: 1,
                got: 0,
            },
        ),
        row(
            "jumps to the last version",
            B,
            |d| proposes(d, &[entry(u64::MAX, 1, 59, A)]),
            R::WrongVersion {
                expected: 1,
                got: u64::MAX,
            },
        ),
        row(
            "repeats a version within a proposal",
            B,
            |d| proposes(d, &[entry(1, 1, 59, A), entry(1, 1, 58, A)]),
            R::WrongVersion {
                expected: 2,
                got: 1,
            },
        ),
        row(
            "proposes a stale version again",
            B,
            |d| {
                let (from, entries) = (d.a.channel().0, d.a.log[..3].to_vec());
                signed_proposal(&mut d.a, from, &entries, false)
            },
            R::WrongVersion {
                expected: 7,
                got: 1,
            },
        )
        .after(a_has_paid_six),
        row(
            "proposes another state at the newest version",
            B,
            |d| {
                let from = d.a.channel().0;
                signed_proposal(&mut d.a, from, &[entry(3, 2, 58, A)], false)
            },
            R::WrongVersion {
                expected: 4,
                got: 3,
            },
        )
        .after(a_has_paid_three),
        row(
            "repeats a proposal before its answer",
            B,
            |d| {
                let (from, entries) = (d.a.channel().0, d.a.log.clone());
                signed_proposal(&mut d.a, from, &entries, false)
            },
            R::WrongVersion {
                expected: 4,
                got: 1,
            },
        )
        .with(honest_proposal),
        row(
            "repeats the newest proposal with another first entry",
            B,
            |d| {
                let mut entries = d.a.log.clone();
                entries[0][31] ^= 1;
                let message = on_its_way_of(&mut d.a);
                let Ok((Message::Proposal { signature, .. }, _)) = Message::decode_first(&message)
                else {
                    panic!("a proposal was kept");
                };
                bytes(&Message::Proposal {
                    entries: &entries,
                    signature,
                    pass: false,
                })
            },
            R::WrongVersion {
                expected: 4,
                got: 1,
            },
        )
        .after(a_has_paid_three),
        row(
            "lets the other one pay",
            B,
            |d| proposes(d, &[entry(1, 5, 65, B)]),
            R::NotThePayer { proposer: A },
        ),
        row(
            "lets the other one pay in between",
            B,
            |d| {
                proposes(
                    d,
                    &[entry(1, 5, 55, A), entry(2, 5, 60, B), entry(3, 1, 59, A)],
                )
            },
            R::NotThePayer { proposer: A },
        ),
        row(
            "keeps what it pays",
            B,
            |d| proposes(d, &[entry(1, 5, 60, A)]),
            R::WrongBalance {
                expected: amount(55),
                got: amount(60),
            },
        ),
        row(
            "claims more than the capacity",
            B,
            |d| proposes(d, &[entry(1, 5, u64::MAX, A)]),
            R::WrongBalance {
                expected: amount(55),
                got: amount(u64::MAX),
            },
        ),
        row(
            "proposes nothing",
            B,
            |d| proposes(d, &[]),
            R::WrongEntryCount { most: 3, got: 0 },
        ),
        row(
            "proposes more than the interval",
            B,
            |d| proposes(d, &[1, 2, 3, 4].map(|v| entry(v, 1, 60 - v, A))),
            R::WrongEntryCount { most: 3, got: 4 },
        ),
        // Signatures.
        row(
            "signs nothing",
            B,
            |_| {
                let entries = &[entry(1, 5, 55, A)];
                bytes(&Message::Proposal {
                    entries,
                    signature: NO_SIGNATURE,
                    pass: false,
                })
            },
            R::BadSignature { version: 1 },
        ),
        row(
            "signs as the other one",
            B,
            |d| {
                let from = d.a.end.signed().head;
                signed_proposal(&mut d.b, from, &[entry(1, 5, 55, A)], false)
            },
            R::BadSignature { version: 1 },
        ),
        row(
            "signs a final where a state is due",
            B,
            |d| {
                let entries = &[entry(1, 5, 55, A)];
                let head = link(&d.a.end.signed().head, &entries[0]);
                let signature = final_of(&mut d.a, head);
                bytes(&Message::Proposal {
                    entries,
                    signature,
                    pass: false,
                })
            },
            R::BadSignature { version: 1 },
        ),
        row(
            "breaks the chain: signs the same entry on top of another log",
            B,
            |d| signed_proposal(&mut d.a, Digest([1; 32]), &[entry(4, 1, 56, A)], false),
            R::BadSignature { version: 4 },
        )
        .after(a_has_paid_three),
        row(
            "signs the same log of another channel",
            B,
            |d| {
                let entries = &[entry(1, 5, 55, A)];
                let other = Digest([1; 32]);
                let head = link(&other, &entries[0]);
                let digest = state_digest(&duet_engine::protocol::ChannelId(other), &head);
                let signature = d.a.sign(digest);
                bytes(&Message::Proposal {
                    entries,
                    signature,
                    pass: false,
                })
            },
            R::BadSignature { version: 1 },
        ),
        row(
            "answers without a signature",
            A,
            |_| acknowledges(3),
            R::BadSignature { version: 3 },
        )
        .after(a_has_proposed),
        row(
            "answers with the proposer's own signature",
            A,
            |d| {
                let Ok((Message::Proposal { signature, .. }, _)) =
                    Message::decode_first(&d.to_b[0])
                else {
                    panic!("a proposal is on its way");
                };
                bytes(&Message::Acknowledgement {
                    version: 3,
                    signature,
                })
            },
            R::BadSignature { version: 3 },
        )
        .after(a_has_proposed),
        row(
            "ends without a signature",
            B,
            |_| {
                bytes(&Message::Final {
                    version: 0,
                    signature: NO_SIGNATURE,
                })
            },
            R::BadSignature { version: 0 },
        ),
        row(
            "ends with the signature of a state",
            B,
            |d| {
                let signature = *d.b.end.held().expect("three payments").signatures.of(A);
                bytes(&Message::Final {
                    version: 3,
                    signature,
                })
            },
            R::BadSignature { version: 3 },
        )
        .after(a_has_paid_three),
        row(
            "answers a final without a signature",
            A,
            |_| {
                bytes(&Message::FinalAcknowledgement {
                    version: 3,
                    signature: NO_SIGNATURE,
                })
            },
            R::BadSignature { version: 3 },
        )
        .after(a_has_signed_its_final),
        // The turn.
        row(
            "proposes after it has passed the turn",
            B,
            |d| proposes(d, &[entry(1, 5, 55, A)]),
            R::NotYourTurn { holder: B },
        )
        .after(a_has_passed),
        row(
            "proposes on after a proposal that passes the turn",
            B,
            |d| proposes(d, &[entry(4, 1, 56, A)]),
            R::NotYourTurn { holder: B },
        )
        .with(honest_passing_proposal),
        row(
            "proposes without the turn",
            A,
            |d| {
                let from = d.b.end.signed().head;
                signed_proposal(&mut d.b, from, &[entry(1, 5, 65, B)], false)
            },
            R::NotYourTurn { holder: A },
        ),
        row(
            "claims to be ahead, and proposes on top of what it has not answered",
            B,
            |d| {
                let from = d.b.end.signed().head;
                signed_proposal(&mut d.a, from, &[entry(2, 1, 60, A)], false)
            },
            R::NotYourTurn { holder: B },
        )
        .after_claiming_to_be_ahead(),
        row(
            "passes what it does not hold",
            A,
            |_| bytes(&Message::TurnPassed { turn: 0 }),
            R::NotYourTurn { holder: A },
        ),
        row(
            "ends without the turn",
            A,
            |d| sends_final(d, B, 0),
            R::NotYourTurn { holder: A },
        ),
        row(
            "asks for what it holds",
            B,
            |_| bytes(&Message::TurnAsked { turn: 0 }),
            R::WrongTurn { passed: 0, got: 0 },
        ),
        row(
            "asks too early",
            A,
            |_| bytes(&Message::TurnAsked { turn: u64::MAX }),
            R::WrongTurn {
                passed: 0,
                got: u64::MAX,
            },
        ),
        row(
            "passes too early",
            B,
            |_| bytes(&Message::TurnPassed { turn: 1 }),
            R::WrongTurn { passed: 0, got: 1 },
        ),
        row(
            "has more in flight than agreed",
            B,
            |d| proposes(d, &[entry(7, 1, 53, A)]),
            R::TooManyInFlight { most: 2 },
        )
        .with(|d| {
            d.a.wants_to_pay([1; 6]);
            d.a.act();
            on_its_way(d)
        }),
        row(
            "passes before it can know the answer",
            B,
            |_| bytes(&Message::TurnPassed { turn: 0 }),
            R::PassedInFlight { in_flight: 1 },
        )
        .with(honest_proposal),
        // Answers and broken links.
        row(
            "answers what was never proposed",
            A,
            |_| acknowledges(1),
            R::UnknownVersion { newest: 0, got: 1 },
        ),
        row(
            "answers within an interval",
            A,
            |_| acknowledges(2),
            R::UnknownVersion { newest: 3, got: 2 },
        )
        .after(a_has_proposed),
        row(
            "answers the last version",
            A,
            |_| acknowledges(u64::MAX),
            R::UnknownVersion {
                newest: 3,
                got: u64::MAX,
            },
        )
        .after(a_has_proposed),
        row(
            "resumes below what it has signed",
            A,
            |_| bytes(&Message::Resume { signed: 2 }),
            R::UnknownVersion { newest: 3, got: 2 },
        )
        .after(the_link_broke),
        row(
            "resumes within an interval",
            A,
            |_| bytes(&Message::Resume { signed: 2 }),
            R::UnknownVersion { newest: 3, got: 2 },
        )
        .after(|d| {
            a_has_proposed(d);
            d.break_link();
        }),
        row(
            "resumes further ahead than it can be",
            B,
            |_| bytes(&Message::Resume { signed: 10 }),
            R::UnknownVersion { newest: 3, got: 10 },
        )
        .after(the_link_broke),
        row(
            "resumes at the end of time",
            B,
            |_| bytes(&Message::Resume { signed: u64::MAX }),
            R::UnknownVersion {
                newest: 3,
                got: u64::MAX,
            },
        )
        .after(the_link_broke),
        row(
            "resumes before the final that it answered",
            A,
            |_| bytes(&Message::Resume { signed: 3 }),
            R::UnknownVersion { newest: 4, got: 3 },
        )
        .after(|d| {
            both_have_finished(d);
            d.break_link();
        }),
        row(
            "resumes on a sound link",
            B,
            |_| bytes(&Message::Resume { signed: 0 }),
            R::UnexpectedResume,
        ),
        row(
            "resumes twice",
            B,
            |_| bytes(&Message::Resume { signed: 3 }),
            R::UnexpectedResume,
        )
        .after(the_link_broke)
        .with(on_its_way),
        row(
            "proposes without a resume",
            B,
            |d| proposes(d, &[entry(4, 1, 56, A)]),
            R::MissingResume,
        )
        .after(the_link_broke),
        row(
            "answers without a resume",
            A,
            |_| acknowledges(3),
            R::MissingResume,
        )
        .after(the_link_broke),
        row(
            "asks without a resume",
            A,
            |_| bytes(&Message::TurnAsked { turn: 0 }),
            R::MissingResume,
        )
        .after(the_link_broke),
        row(
            "passes without a resume",
            B,
            |_| bytes(&Message::TurnPassed { turn: 0 }),
            R::MissingResume,
        )
        .after(the_link_broke),
        row(
            "ends without a resume",
            B,
            |d| sends_final(d, A, 3),
            R::MissingResume,
        )
        .after(the_link_broke),
        row(
            "answers a final without a resume",
            A,
            |d| answers_final(d, B, 3),
            R::MissingResume,
        )
        .after(|d| {
            a_has_signed_its_final(d);
            d.break_link();
        }),
        // The end.
        row(
            "ends in a stale version",
            B,
            |d| {
                let head = d.a.channel().0;
                let signature = final_of(&mut d.a, head);
                bytes(&Message::Final {
                    version: 0,
                    signature,
                })
            },
            R::FinalNotNewest {
                expected: 3,
                got: 0,
            },
        )
        .after(a_has_paid_three),
        row(
            "ends in a version to come",
            B,
            |d| sends_final(d, A, u64::MAX),
            R::FinalNotNewest {
                expected: 3,
                got: u64::MAX,
            },
        )
        .after(a_has_paid_three),
        row(
            "answers a final in another version",
            A,
            |d| answers_final(d, B, 2),
            R::FinalNotNewest {
                expected: 3,
                got: 2,
            },
        )
        .after(a_has_signed_its_final),
        row(
            "ends before it can know the answer",
            B,
            |d| sends_final(d, A, 3),
            R::FinalInFlight { in_flight: 1 },
        )
        .with(honest_proposal),
        row(
            "claims to be ahead, and ends what it has not answered",
            B,
            |d| {
                let head = d.b.end.signed().head;
                let signature = final_of(&mut d.a, head);
                bytes(&Message::Final {
                    version: 1,
                    signature,
                })
            },
            R::FinalInFlight { in_flight: 1 },
        )
        .after_claiming_to_be_ahead(),
        row(
            "proposes after its final",
            B,
            |d| proposes(d, &[entry(4, 1, 56, A)]),
            R::Ended,
        )
        .after(a_has_paid_three)
        .with(|d| {
            d.a.finish();
            on_its_way(d)
        }),
        row(
            "proposes after the other one's final",
            A,
            |d| {
                let from = d.b.end.signed().head;
                signed_proposal(&mut d.b, from, &[entry(4, 1, 58, B)], false)
            },
            R::Ended,
        )
        .after(a_has_signed_its_final),
        row("ends what is ending", A, |d| sends_final(d, B, 3), R::Ended)
            .after(a_has_signed_its_final),
        row("ends what has ended", B, |d| sends_final(d, A, 3), R::Ended).after(both_have_finished),
        row("answers after the end", A, |_| acknowledges(4), R::Ended).after(both_have_finished),
        row(
            "passes after the end",
            B,
            |_| bytes(&Message::TurnPassed { turn: 0 }),
            R::Ended,
        )
        .after(both_have_finished),
        row(
            "answers a final that nobody sent",
            A,
            |d| answers_final(d, B, 0),
            R::Ended,
        ),
        row(
            "answers a final again in other words",
            A,
            |_| {
                bytes(&Message::FinalAcknowledgement {
                    version: 3,
                    signature: NO_SIGNATURE,
                })
            },
            R::Ended,
        )
        .after(both_have_finished),
        // Bytes.
        row(
            "sends an unknown kind",
            B,
            |_| vec![0xff; 12],
            R::Malformed { what: "padding" },
        ),
        row(
            "sends another unknown kind",
            B,
            |_| vec![0; 12],
            R::Malformed { what: "kind" },
        ),
        row(
            "stops within a header",
            B,
            |_| vec![3, 0, 1],
            R::Malformed { what: "header" },
        ),
        row(
            "stops within a message",
            B,
            |_| vec![3, 0, 1, 0],
            R::Malformed { what: "length" },
        ),
        row(
            "announces more entries than it sends",
            B,
            |d| {
                let mut bytes = proposes(d, &[entry(1, 5, 55, A)]);
                bytes[2] = 2;
                bytes
            },
            R::Malformed { what: "length" },
        ),
        row(
            "sends a number that does not fit its check",
            B,
            |_| vec![9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            R::Malformed { what: "check" },
        ),
        row(
            "sends rubbish after a proposal",
            B,
            |_| vec![0],
            R::Malformed { what: "header" },
        )
        .with(honest_proposal),
    ]
}

/// A side's newest proposal as it was sent: the same entries, signed again, are the same bytes.
fn on_its_way_of(by: &mut Side) -> Vec<u8> {
    let (from, entries) = (by.channel().0, by.log.clone());
    signed_proposal(by, from, &entries, false)
}

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
            status @ Status::Finished { .. } => assert_eq!(after.end.status(), status),
            _ => {
                assert_eq!(
                    *after.end.status(),
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
            (before.seen(), *before.end.status())
        };
        assert_eq!(after.side(row.victim).seen(), seen, "{}", row.name);
        assert_eq!(*after.side(row.victim).end.status(), status, "{}", row.name);
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
        acknowledges(0),
        bytes(&Message::TurnAsked { turn: 0 }),
        bytes(&Message::TurnPassed { turn: 0 }),
        bytes(&Message::Resume { signed: 0 }),
    ];
    for offer in offers {
        duo.b.receive(&offer);
        assert_eq!(duo.b.rejections.pop(), Some(first));
    }
    assert_eq!(*duo.b.end.status(), Status::Stopped(first));
    assert_eq!(duo.b.seen(), seen);
    assert_eq!(duo.b.end.ask_for_turn(), None);
}

/// No variant without its row. The rest cannot be sent: a tag of 64 bits has no place in an
/// entry, a full log takes 2^64 payments, and a proof for another channel is our own mistake.
#[test]
fn every_rejection_is_provoked() {
    let elsewhere = ["tag_too_large", "log_full", "broken_chain"];
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
        "wrong_balance",
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
            | R::WrongBalance { .. }
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
