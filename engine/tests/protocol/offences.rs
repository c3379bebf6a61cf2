//! Every offence that a peer can commit, as a table: what happened before, what it sends, and the
//! name, the expected and the found value with which it must be refused.

use duet_engine::crypto::{Digest, link};
use duet_engine::protocol::{Amount, ChannelId, Party, Rejection, Rules, state_digest};

use Party::{A, B};
use Rejection as R;

use super::duo::Duo;
use super::forge::{
    NO_SIGNATURE, answer, answers_final, asks, entry, final_answer, final_message, final_of,
    newest_proposal, on_its_way, passes, proposal, proposes, resumes, sends_final, signature_of,
    signed_proposal,
};

const MAX: u64 = u64::MAX;

/// Sixty against forty, three entries a state, two proposals in flight, five in reserve.
pub(crate) const RULES: Rules = Rules {
    cosign_every: 3,
    in_flight: 2,
};

/// One offence.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) victim: Party,
    /// What honest sides do first.
    pub(crate) before: fn(&mut Duo),
    /// Messages in order that are delivered together with the offence, ahead of it.
    pub(crate) prefix: fn(&mut Duo) -> Vec<u8>,
    pub(crate) offence: fn(&mut Duo) -> Vec<u8>,
    pub(crate) expected: Rejection,
    /// Its prefix was a lie already, and the peer cannot go on as if it had not told it.
    pub(crate) lied: bool,
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
            prefix: |_| resumes(2),
            lied: true,
            ..self
        }
    }

    fn with(self, prefix: fn(&mut Duo) -> Vec<u8>) -> Row {
        Row { prefix, ..self }
    }
}

/// The whole table.
pub(crate) fn rows() -> Vec<Row> {
    [
        of_payments(),
        of_the_log(),
        of_signatures(),
        of_the_turn(),
        of_answers_and_links(),
        of_the_end(),
        of_bytes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Payments that cannot be made.
fn of_payments() -> Vec<Row> {
    vec![
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
            insufficient(60, 5, 56),
        ),
        row(
            "pays more than it has, wrapping around",
            B,
            |d| proposes(d, &[entry(1, MAX, 61, A)]),
            insufficient(60, 5, MAX),
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
            insufficient(5, 5, 1),
        ),
    ]
}

/// Entries that do not continue the log. Of what version they are, who pays and what results is
/// not sent: the receiver makes the entries, and the signature is over others.
fn of_the_log() -> Vec<Row> {
    vec![
        row(
            "signs an entry of a later version",
            B,
            |d| proposes(d, &[entry(2, 1, 59, A)]),
            bad_signature(1),
        ),
        row(
            "signs an entry of version 0",
            B,
            |d| proposes(d, &[entry(0, 1, 59, A)]),
            bad_signature(1),
        ),
        row(
            "signs an entry of the last version",
            B,
            |d| proposes(d, &[entry(MAX, 1, 59, A)]),
            bad_signature(1),
        ),
        row(
            "signs two entries of one version",
            B,
            |d| proposes(d, &[entry(1, 1, 59, A), entry(1, 1, 58, A)]),
            bad_signature(2),
        ),
        row(
            "proposes stale payments again",
            B,
            |d| {
                let (from, entries) = (d.a.channel().0, d.a.log[..3].to_vec());
                signed_proposal(&mut d.a, from, &entries, false)
            },
            bad_signature(9),
        )
        .after(a_has_paid_six),
        row(
            "signs another state at the newest version",
            B,
            |d| {
                let from = d.a.channel().0;
                signed_proposal(&mut d.a, from, &[entry(3, 2, 58, A)], false)
            },
            bad_signature(4),
        )
        .after(a_has_paid_three),
        row(
            "repeats a proposal before its answer",
            B,
            |d| {
                let (from, entries) = (d.a.channel().0, d.a.log.clone());
                signed_proposal(&mut d.a, from, &entries, false)
            },
            bad_signature(6),
        )
        .with(honest_proposal),
        row(
            "repeats the newest proposal with another first payment",
            B,
            |d| {
                let mut entries = d.a.log.clone();
                entries[0][31] ^= 1;
                let signature = signature_of(&newest_proposal(&mut d.a));
                proposal(&entries, signature)
            },
            bad_signature(6),
        )
        .after(a_has_paid_three),
        row(
            "signs that the other one pays",
            B,
            |d| proposes(d, &[entry(1, 5, 65, B)]),
            bad_signature(1),
        ),
        row(
            "signs that the other one pays in between",
            B,
            |d| {
                proposes(
                    d,
                    &[entry(1, 5, 55, A), entry(2, 5, 60, B), entry(3, 1, 59, A)],
                )
            },
            bad_signature(3),
        ),
        row(
            "signs a balance that keeps what it pays",
            B,
            |d| proposes(d, &[entry(1, 5, 60, A)]),
            bad_signature(1),
        ),
        row(
            "signs a balance above the capacity",
            B,
            |d| proposes(d, &[entry(1, 5, MAX, A)]),
            bad_signature(1),
        ),
        row(
            "proposes nothing",
            B,
            |d| proposes(d, &[]),
            wrong_count(3, 0),
        ),
        row(
            "proposes more than the interval",
            B,
            |d| proposes(d, &[1, 2, 3, 4].map(|v| entry(v, 1, 60 - v, A))),
            wrong_count(3, 4),
        ),
    ]
}

/// Signatures over something else, or by somebody else.
fn of_signatures() -> Vec<Row> {
    vec![
        row(
            "signs nothing",
            B,
            |_| {
                let entries = &[entry(1, 5, 55, A)];
                proposal(entries, NO_SIGNATURE)
            },
            bad_signature(1),
        ),
        row(
            "signs as the other one",
            B,
            |d| {
                let from = d.a.end.signed().head;
                signed_proposal(&mut d.b, from, &[entry(1, 5, 55, A)], false)
            },
            bad_signature(1),
        ),
        row(
            "signs a final where a state is due",
            B,
            |d| {
                let entries = &[entry(1, 5, 55, A)];
                let head = link(&d.a.end.signed().head, &entries[0]);
                let signature = final_of(&mut d.a, head);
                proposal(entries, signature)
            },
            bad_signature(1),
        ),
        row(
            "breaks the chain: signs the same entry on top of another log",
            B,
            |d| signed_proposal(&mut d.a, Digest([1; 32]), &[entry(4, 1, 56, A)], false),
            bad_signature(4),
        )
        .after(a_has_paid_three),
        row(
            "signs the same log of another channel",
            B,
            |d| {
                let entries = &[entry(1, 5, 55, A)];
                let other = Digest([1; 32]);
                let head = link(&other, &entries[0]);
                let digest = state_digest(&ChannelId(other), &head);
                let signature = d.a.sign(digest);
                proposal(entries, signature)
            },
            bad_signature(1),
        ),
        row(
            "answers without a signature",
            A,
            |_| answer(3, NO_SIGNATURE),
            bad_signature(3),
        )
        .after(a_has_proposed),
        row(
            "answers with the proposer's own signature",
            A,
            |d| {
                let signature = signature_of(&d.to_b[0]);
                answer(3, signature)
            },
            bad_signature(3),
        )
        .after(a_has_proposed),
        row(
            "proposes what the other party has proposed, with its own answer's signature",
            A,
            |d| {
                let signature = *d.a.end.peers_signature().expect("one payment");
                proposal(&d.a.log, signature)
            },
            not_your_turn(A),
        )
        .after(a_has_paid_once),
        row(
            "ends without a signature",
            B,
            |_| final_message(0, NO_SIGNATURE),
            bad_signature(0),
        ),
        row(
            "ends with the signature of a state",
            B,
            |d| {
                let signature = *d.b.end.peers_signature().expect("three payments");
                final_message(3, signature)
            },
            bad_signature(3),
        )
        .after(a_has_paid_three),
        row(
            "answers a final without a signature",
            A,
            |_| final_answer(3, NO_SIGNATURE),
            bad_signature(3),
        )
        .after(a_has_signed_its_final),
    ]
}

/// Proposals and passes by a party whose turn it is not.
fn of_the_turn() -> Vec<Row> {
    vec![
        row(
            "proposes after it has passed the turn",
            B,
            |d| proposes(d, &[entry(1, 5, 55, A)]),
            not_your_turn(B),
        )
        .after(a_has_passed),
        row(
            "proposes on after a proposal that passes the turn",
            B,
            |d| proposes(d, &[entry(4, 1, 56, A)]),
            not_your_turn(B),
        )
        .with(honest_passing_proposal),
        row(
            "proposes without the turn",
            A,
            |d| {
                let from = d.b.end.signed().head;
                signed_proposal(&mut d.b, from, &[entry(1, 5, 65, B)], false)
            },
            not_your_turn(A),
        ),
        row(
            "claims to be ahead, and proposes on top of what it has not answered",
            B,
            |d| {
                let from = d.b.end.signed().head;
                signed_proposal(&mut d.a, from, &[entry(2, 1, 60, A)], false)
            },
            not_your_turn(B),
        )
        .after_claiming_to_be_ahead(),
        row(
            "passes what it does not hold",
            A,
            |_| passes(0),
            not_your_turn(A),
        ),
        row(
            "ends without the turn",
            A,
            |d| sends_final(d, B, 0),
            not_your_turn(A),
        ),
        row("asks for what it holds", B, |_| asks(0), wrong_turn(0, 0)),
        row("asks too early", A, |_| asks(MAX), wrong_turn(0, MAX)),
        row("passes too early", B, |_| passes(1), wrong_turn(0, 1)),
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
            "has more in flight than agreed, in two runs",
            B,
            |d| proposes(d, &[entry(7, 1, 53, A)]),
            R::TooManyInFlight { most: 2 },
        )
        .with(|d| {
            d.a.wants_to_pay([1; 6]);
            d.a.act();
            let mut runs = on_its_way(d);
            // An answer that says nothing new, so that the third one does not follow at once.
            runs.extend(answer(0, NO_SIGNATURE));
            runs
        }),
        row(
            "passes before it can know the answer",
            B,
            |_| passes(0),
            R::PassedInFlight { in_flight: 1 },
        )
        .with(honest_proposal),
    ]
}

/// Answers to nothing, and resumes from nowhere.
fn of_answers_and_links() -> Vec<Row> {
    vec![
        row(
            "answers what was never proposed",
            A,
            |_| answer(1, NO_SIGNATURE),
            unknown_version(0, 1),
        ),
        row(
            "answers within an interval",
            A,
            |_| answer(2, NO_SIGNATURE),
            unknown_version(3, 2),
        )
        .after(a_has_proposed),
        row(
            "answers the last version",
            A,
            |_| answer(MAX, NO_SIGNATURE),
            unknown_version(3, MAX),
        )
        .after(a_has_proposed),
        row(
            "resumes below what it has signed",
            A,
            |_| resumes(2),
            unknown_version(3, 2),
        )
        .after(the_link_broke),
        row(
            "resumes within an interval",
            A,
            |_| resumes(2),
            unknown_version(3, 2),
        )
        .after(|d| {
            a_has_proposed(d);
            d.break_link();
        }),
        row(
            "resumes further ahead than it can be",
            B,
            |_| resumes(10),
            unknown_version(3, 10),
        )
        .after(the_link_broke),
        row(
            "resumes at the end of time",
            B,
            |_| resumes(MAX),
            unknown_version(3, MAX),
        )
        .after(the_link_broke),
        row(
            "resumes before the final that it answered",
            A,
            |_| resumes(3),
            unknown_version(4, 3),
        )
        .after(|d| {
            both_have_finished(d);
            d.break_link();
        }),
        row(
            "resumes on a sound link",
            B,
            |_| resumes(0),
            R::UnexpectedResume,
        ),
        row("resumes twice", B, |_| resumes(3), R::UnexpectedResume)
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
            |_| answer(3, NO_SIGNATURE),
            R::MissingResume,
        )
        .after(the_link_broke),
        row("asks without a resume", A, |_| asks(0), R::MissingResume).after(the_link_broke),
        row(
            "passes without a resume",
            B,
            |_| passes(0),
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
    ]
}

/// Finals that do not end the newest state, and what comes after one.
fn of_the_end() -> Vec<Row> {
    vec![
        row(
            "ends in a stale version",
            B,
            |d| {
                let head = d.a.channel().0;
                let signature = final_of(&mut d.a, head);
                final_message(0, signature)
            },
            not_newest(3, 0),
        )
        .after(a_has_paid_three),
        row(
            "ends in a version to come",
            B,
            |d| sends_final(d, A, MAX),
            not_newest(3, MAX),
        )
        .after(a_has_paid_three),
        row(
            "answers a final in another version",
            A,
            |d| answers_final(d, B, 2),
            not_newest(3, 2),
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
                final_message(1, signature)
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
        row(
            "answers after the end",
            A,
            |_| answer(4, NO_SIGNATURE),
            R::Ended,
        )
        .after(both_have_finished),
        row("passes after the end", B, |_| passes(0), R::Ended).after(both_have_finished),
        row(
            "answers a final that nobody sent",
            A,
            |d| answers_final(d, B, 0),
            R::Ended,
        ),
        row(
            "answers a final again in other words",
            A,
            |_| final_answer(3, NO_SIGNATURE),
            R::Ended,
        )
        .after(both_have_finished),
    ]
}

/// Bytes that are no message.
fn of_bytes() -> Vec<Row> {
    vec![
        row(
            "sends an unknown kind",
            B,
            |_| vec![0xff; 12],
            malformed("padding"),
        ),
        row(
            "sends another unknown kind",
            B,
            |_| vec![0; 12],
            malformed("kind"),
        ),
        row(
            "stops within a header",
            B,
            |_| vec![3, 0, 1],
            malformed("header"),
        ),
        row(
            "stops within a message",
            B,
            |_| vec![3, 0, 1, 0],
            malformed("length"),
        ),
        row(
            "announces more payments than it sends",
            B,
            |d| {
                let mut bytes = proposes(d, &[entry(1, 5, 55, A)]);
                bytes[2] = 2;
                bytes
            },
            malformed("length"),
        ),
        row(
            "says an amount in more bytes than it takes",
            B,
            |_| said(0x03, 1, &[0x85, 0]),
            malformed("payments"),
        ),
        row(
            "says an amount of more than 64 bits",
            B,
            |_| said(0x03, 1, &[&[0xff; 9][..], &[2]].concat()),
            malformed("payments"),
        ),
        row(
            "says a first tag of none",
            B,
            |_| said(0x12, 1, &[5, 0]),
            malformed("payments"),
        ),
        row(
            "says that no payment has a tag, one by one",
            B,
            |_| said(0x17, 2, &[5, 0, 5, 0]),
            malformed("payments"),
        ),
        row(
            "says tags in a row one by one",
            B,
            |_| said(0x17, 2, &[5, 7, 5, 8]),
            malformed("payments"),
        ),
        row(
            "says a tag of 64 bits",
            B,
            |_| said(0x12, 1, &[&[5][..], &[0x80; 9], &[1]].concat()),
            R::TagTooLarge { got: 1 << 63 },
        ),
        row(
            "says tags beyond 63 bits",
            B,
            |_| said(0x12, 2, &[&[5, 5][..], &[0xff; 8], &[0x7f]].concat()),
            R::TagTooLarge { got: 1 << 63 },
        ),
        row(
            "sends a number that does not fit its check",
            B,
            |_| vec![9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            malformed("check"),
        ),
        row(
            "sends rubbish after a proposal",
            B,
            |_| vec![0],
            malformed("header"),
        )
        .with(honest_proposal),
    ]
}

/// A proposal of this kind and number of payments, these being said to be them.
fn said(kind: u8, count: u8, payments: &[u8]) -> Vec<u8> {
    [&[kind, 0, count, 0], payments, &NO_SIGNATURE.0].concat()
}

// What happens before.

fn a_has_paid_three(duo: &mut Duo) {
    duo.a.wants_to_pay([1; 3]);
    duo.settle();
}

fn a_has_paid_once(duo: &mut Duo) {
    duo.a.wants_to_pay([5]);
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

pub(crate) fn honest_proposal(duo: &mut Duo) -> Vec<u8> {
    duo.a.wants_to_pay([1; 3]);
    duo.a.act();
    on_its_way(duo)
}

fn honest_passing_proposal(duo: &mut Duo) -> Vec<u8> {
    duo.a.wants_to_pay([1; 3]);
    duo.a.propose_at_most(3, |_, _| true);
    on_its_way(duo)
}

// Rejections, by their values.

fn insufficient(have: u64, reserve: u64, got: u64) -> R {
    let [have, reserve, got] = [have, reserve, got].map(Amount::new);
    R::InsufficientBalance { have, reserve, got }
}

fn wrong_count(most: u32, got: u32) -> R {
    R::WrongEntryCount { most, got }
}

fn bad_signature(version: u64) -> R {
    R::BadSignature { version }
}

fn not_your_turn(holder: Party) -> R {
    R::NotYourTurn { holder }
}

fn wrong_turn(passed: u64, got: u64) -> R {
    R::WrongTurn { passed, got }
}

fn unknown_version(newest: u64, got: u64) -> R {
    R::UnknownVersion { newest, got }
}

fn not_newest(expected: u64, got: u64) -> R {
    R::FinalNotNewest { expected, got }
}

fn malformed(what: &'static str) -> R {
    R::Malformed { what }
}
