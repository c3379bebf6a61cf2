//! The forger's bench: somebody who holds all of a run's keys changes one thing, and makes
//! everything anew that follows from it. No row is refused for a checksum: they all fit.

use std::sync::atomic::AtomicBool;

use duet_audit::{AuditError, SampleSize, check};

use super::asked;
use super::common::Folder;
use super::forge::{AMOUNT, BALANCE, Cut, Digest, Run, VERSION, WEAK};

/// What an audit of every signature says.
pub(crate) enum Says {
    /// It refuses this.
    Refused(&'static str),
    /// It sees nothing, nor with the honest run's tip: docs/audit.md has these words.
    Unseen(&'static str),
    /// It sees another run that is sound, and refuses that with the honest run's tip.
    UnseenWithoutTip,
}

use Says::{Refused, Unseen, UnseenWithoutTip};

/// The words of docs/audit.md for another run that is sound.
const ANOTHER_RUN: &str = "without `--tip`, another run that is sound";

/// A class of records, what of it is changed, how, and what the audit says.
pub(crate) type Row = (&'static str, &'static str, fn(&mut Run), Says);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("signature", "the payer's over a state", |run| run.burst(0).proposals[1].signer = Some(4), Refused("A's signature")),
    ("signature", "the payee's over a state", |run| run.burst(2).answers[0].signer = Some(4), Refused("B's signature")),
    ("signature", "the payer's over the state before", |run| run.burst(2).proposals[1].behind = 1, Refused("A's signature")),
    ("signature", "both parties' exchanged", |run| { run.burst(3).proposals[0].signer = Some(2); run.burst(3).answers[0].signer = Some(1); }, Refused("B's signature")),
    ("signature", "A's over the final state", |run| run.close(1).final_signers[0] = Some(4), Refused("a final signature")),
    ("signature", "B's over the final state of a channel that nothing was paid in", |run| run.close(3).final_signers[1] = Some(4), Refused("a final signature")),
    ("signature", "an opener's", |run| run.open(0).signers[0] = 4, Refused("the opener's signature")),
    ("signature", "that of a party that deposits", |run| run.open(1).signers[1] = 4, Refused("the other party's signature")),
    ("signature", "the submitter's of a close", |run| run.close(0).signer = Some(4), Refused("the submitter's signature")),
    ("signature", "a party with a key that anybody can sign for", |run| run.open(4).b = WEAK, Refused("a signer's key")),
    ("signature", "two proposals made one, within k", |run| run.burst(2).say(&[&[7, 8]], &[1]), Unseen("a co-signature on the way that was left out")),
    ("k", "an interval beyond it", |run| run.burst(0).say(&[&[10, 20, 5]], &[1]), Refused("the proposal's entries")),
    ("k", "a smaller one claimed", |run| run.cosign_every = 1, Refused("the proposal's entries")),
    ("k", "none", |run| run.cosign_every = 0, Refused("a number")),
    ("k", "more than the protocol knows", |run| run.cosign_every = 1_000_000_000_000, Refused("a number")),
    ("k", "a larger one claimed", |run| run.cosign_every = 100, Unseen("claims less assurance than it had")),
    ("k", "a smaller one claimed, and the states between signed", |run| { (run.cosign_every, run.in_flight) = (1, 3); for burst in run.shards.iter_mut().flatten() { burst.cut(1); } }, Unseen("lower bounds of what the run used")),
    ("in flight", "a burst beyond it", |run| run.burst(0).say(&[&[10], &[20], &[5]], &[3]), Refused("proposals in flight")),
    ("in flight", "a smaller number claimed", |run| run.in_flight = 1, Refused("proposals in flight")),
    ("in flight", "none", |run| run.in_flight = 0, Refused("a number")),
    ("in flight", "a larger number claimed", |run| run.in_flight = 64, Unseen("claims less assurance than it had")),
    ("in flight", "a smaller number claimed, and its bursts cut", |run| { run.in_flight = 1; let mut rest = run.burst(2).clone(); run.burst(2).say(&[&[7]], &[1]); rest.say(&[&[8]], &[1]); rest.before = 4; run.shards[0].insert(3, rest); let mut rest = run.burst(0).clone(); run.burst(0).say(&[&[10, 20]], &[1]); rest.say(&[&[5]], &[1]); rest.before = 2; run.shards[0].insert(1, rest); }, Unseen("lower bounds of what the run used")),
    ("fee", "more than a submitter has", |run| run.fee = 11, Refused("the submitter's balance")),
    ("fee", "none, and a submitter that has no account", |run| { run.fee = 0; run.close(0).submitter = 9; }, Refused("the submitter's account")),
    ("fee", "none, and a submitter that only a failed opening names", |run| { run.fee = 0; run.open(2).b = 9; run.close(0).submitter = 9; }, Refused("the submitter's account")),
    ("fee", "none, and a submitter that a channel names and nothing was paid to", |run| { run.fee = 0; run.open(4).b = 9; run.close(0).submitter = 9; }, Refused("the submitter's account")),
    ("fee", "none, and a submitter that a close paid nothing", |run| { run.fee = 0; run.open(3).b = 9; run.close(1).submitter = 9; }, Refused("the submitter's account")),
    ("fee", "none, and a submitter that a close paid", |run| { run.fee = 0; run.open(0).b = 9; run.close(1).submitter = 9; }, UnseenWithoutTip),
    ("fee", "another one", |run| run.fee = 2, UnseenWithoutTip),
    ("failed transaction", "the opener's signature", |run| run.open(2).signers[0] = 4, Refused("the opener's signature")),
    ("failed transaction", "that of a party whose deposit is not covered", |run| { run.open(2).deposit_b = Some(5000); run.open(2).signers[1] = 4; }, Refused("the other party's signature")),
    ("failed transaction", "a party with a key that anybody can sign for", |run| run.open(2).b = WEAK, Refused("a signer's key")),
    ("failed transaction", "of an account that cannot pay the fee", |run| run.accounts[3].1 = 0, Refused("the submitter's balance")),
    ("failed transaction", "left out, and its fee with it", |run| run.leave_out_open(2), Refused("the opener's nonce")),
    ("failed transaction", "counted as a session", |run| run.open(2).fails = false, Refused("sessions opened")),
    ("failed transaction", "one more, of an account that opens nothing else", |run| run.open_once_more(2, 4), UnseenWithoutTip),
    ("entry", "an amount of nothing", |run| run.burst(0).proposals[0].amounts[1] = 0, Refused("the amount")),
    ("entry", "more than the payer has", |run| run.burst(3).proposals[0].amounts[0] = 241, Refused("the amount")),
    ("entry", "what the reserve should keep", |run| run.burst(0).proposals[0].amounts[0] = 491, Refused("the amount")),
    ("entry", "tags in another form", |run| run.burst(0).twins = true, Refused("the tag")),
    ("entry", "another amount, settled as it was", |run| { run.close_as_it_is(0); run.burst(4).proposals[0].amounts[1] = 5; }, Refused("the state that Layer 1 closed")),
    ("entry", "one more at the end, settled as it was", |run| { run.close_as_it_is(0); run.burst(4).say(&[&[6, 4], &[1]], &[1, 1]); }, Refused("the version")),
    ("entry", "the last burst left out, settled as it was", |run| { run.close_as_it_is(0); run.shards[0].pop(); }, Refused("the state that Layer 1 closed")),
    ("entry", "all of a channel left out, settled as it was", |run| { run.close_as_it_is(1); run.shards[0].retain(|burst| burst.channel != 1); }, Refused("entries")),
    ("entry", "all of a channel left out that is still open", |run| run.shards[1].clear(), Unseen("no settlement says how long its log is")),
    ("entry", "another amount, settled with it", |run| run.burst(0).proposals[0].amounts[0] = 11, UnseenWithoutTip),
    ("balance", "A has one more at the close", |run| run.close(0).change = |shown| shown.add(BALANCE, 1), Refused("the state that Layer 1 closed")),
    ("balance", "A has more than the channel", |run| run.close(0).change = |shown| shown.add(BALANCE, 10_000), Refused("A's balance at the close")),
    ("balance", "a deposit that is not covered", |run| run.open(4).deposit_a = 60, Refused("sessions opened")),
    ("balance", "a deposit that is not covered, of a channel that was closed", |run| run.open(0).deposit_a = 1000, Refused("the closed channel")),
    ("balance", "a first balance, under the genesis id as it was", |run| { run.genesis_told = Some(run.genesis()); run.accounts[4].1 = 11; }, Refused("the genesis id")),
    ("balance", "a first balance", |run| run.accounts[4].1 = 11, UnseenWithoutTip),
    ("head", "another one before the closing entry", |run| run.close(0).change = |shown| shown.previous[0] ^= 1, Refused("the state that Layer 1 closed")),
    ("head", "another amount in the closing entry", |run| run.close(0).change = |shown| shown.add(AMOUNT, 1), Refused("the state that Layer 1 closed")),
    ("head", "one unit from a payment to another, settled as it was", |run| { run.close_as_it_is(0); run.burst(0).say(&[&[11, 19], &[5]], &[2]); }, Refused("the state that Layer 1 closed")),
    ("head", "a log of a channel that failed to open", |run| run.shards[1][0].channel = 2, Refused("the channel")),
    ("settlement", "at an older state", |run| run.close(0).version = 5, Refused("a burst")),
    ("settlement", "at a state within an interval", |run| run.close(0).version = 6, Refused("the version")),
    ("settlement", "at the opening, although something was paid", |run| run.close(0).version = 0, Refused("the version")),
    ("settlement", "after an entry numbered 0", |run| run.close(0).change = |shown| shown.add(VERSION, 7_u64.wrapping_neg()), Refused("the closed version")),
    ("settlement", "at 10^12 entries of which none is told", |run| { run.close_as_it_is(0); run.close(0).change = |shown| shown.add(VERSION, 1_000_000_000_000); run.shards[0].retain(|burst| burst.channel != 0); run.claim("payments", 1_000_000_000_012_u64); }, Refused("entries")),
    ("settlement", "twice", |run| run.close_once_more(3), Refused("the closed channel")),
    ("settlement", "of a channel that failed to open", |run| run.close(3).channel = 2, Refused("the closed channel")),
    ("settlement", "of a channel opened twice", |run| run.open_once_more(0, 0), Refused("the opener's nonce")),
    ("settlement", "with one key for both parties", |run| run.open(4).b = 3, Refused("the two keys")),
    ("settlement", "with no time to answer", |run| run.open(4).window = 0, Refused("the window")),
    ("settlement", "with a reserve that nobody can keep", |run| run.open(4).reserve = 31, Refused("the reserve")),
    ("settlement", "with nothing locked", |run| run.open(4).deposit_a = 0, Refused("both deposits")),
    ("settlement", "with B's signature and no deposit of B", |run| run.open(4).deposit_b = Some(0), Refused("B's deposit")),
    ("settlement", "left out", |run| { run.blocks.pop(); }, UnseenWithoutTip),
    ("manifest", "the tip", |run| run.claim("tip", format!("\"{}\"", "0".repeat(64))), Refused("the tip")),
    ("manifest", "the height", |run| run.claim("height", 4), Refused("the height")),
    ("manifest", "Layer 1's transactions", |run| run.claim("l1_transactions", 7), Refused("Layer 1's transactions")),
    ("manifest", "sessions opened", |run| run.claim("sessions_opened", 5), Refused("sessions opened")),
    ("manifest", "sessions closed", |run| run.claim("sessions_closed", 4), Refused("sessions closed")),
    ("manifest", "sessions, fewer than were opened", |run| run.sessions = 3, Refused("a number")),
    ("manifest", "10^12 sessions", |run| run.sessions = 1_000_000_000_000, Unseen("`sessions` is what the run was asked for")),
    ("manifest", "payments", |run| run.claim("payments", 13), Refused("payments")),
    ("manifest", "one segment more", |run| run.claim("shard-0.segments", 2), Refused("the segment")),
    ("manifest", "10^12 segments", |run| run.claim("shard-0.segments", 1_000_000_000_000_u64), Refused("the segment")),
    ("manifest", "10^12 segments of Layer 1", |run| run.claim("l1.segments", 1_000_000_000_000_u64), Refused("the segments")),
    ("manifest", "no segment", |run| run.claim("shard-1.segments", 0), Refused("a number")),
    ("manifest", "another genesis id", |run| run.claim("genesis", format!("\"{}\"", "0".repeat(64))), Refused("the genesis id")),
    ("manifest", "the state", |run| run.claim("state", "\"running\""), Refused("the state")),
    ("manifest", "one shard fewer than there are bursts of", |run| { run.close_as_it_is(0); run.close_as_it_is(1); run.shards.remove(0); }, Refused("entries")),
    ("order", "of a channel's bursts", |run| { run.close_as_it_is(0); run.shards[0].swap(2, 4); }, Refused("the version before")),
    ("order", "a burst twice", |run| { let again = run.burst(4).clone(); run.shards[0].push(again); }, Refused("a burst")),
    ("order", "a channel in two shards", |run| { let last = run.shards[0].pop().unwrap(); run.shards[1].push(last); }, Refused("the version before")),
    ("order", "one burst in two shards", |run| { let again = run.shards[1][0].clone(); run.shards[0].push(again); }, Refused("the channel")),
    ("order", "of an opener's transactions", |run| run.blocks[0].transactions.swap(0, 3), Refused("the opener's nonce")),
    ("order", "a close before its opening", |run| run.blocks.swap(0, 1), Refused("the closed channel")),
    ("order", "a block's height", |run| run.blocks[1].height_told = Some(3), Refused("the block's height")),
    ("order", "a block's parent", |run| run.blocks[1].parent_told = Some([7; 32]), Refused("the block's parent")),
    ("order", "of bursts of different channels", |run| run.shards[0].swap(0, 1), Unseen("in which order the bursts of different channels stand")),
    ("order", "a burst cut in two", |run| { let mut rest = run.burst(2).clone(); run.burst(2).say(&[&[7]], &[1]); rest.say(&[&[8]], &[1]); rest.before = 4; run.shards[0].insert(3, rest); }, Unseen("where one burst ends")),
    ("order", "a channel in another shard", |run| { let burst = run.shards[1].remove(0); run.shards[0].push(burst); }, Unseen("in which shard")),
    ("order", "records in other chunks", |run| run.cut = Cut::Chunks, Unseen("where a chunk or a segment ends")),
    ("order", "records in other segments", |run| run.cut = Cut::Segments, Unseen("where a chunk or a segment ends")),
    ("order", "a segment with nothing in it", |run| run.cut = Cut::EmptySegment, Unseen("segments that have nothing in them")),
    ("order", "a chunk with nothing in it", |run| run.cut = Cut::EmptyChunk, Refused("the chunk's length")),
    ("order", "the turn is passed", |run| run.burst(0).proposals[1].pass = true, Unseen("whether a turn was passed")),
    ("order", "of two blocks that close different channels", |run| run.blocks.swap(1, 2), UnseenWithoutTip),
    ("order", "of two transactions of a block", |run| run.blocks[1].transactions.swap(0, 1), UnseenWithoutTip),
    ("count", "a block's transactions", |run| run.blocks[1].count_told = Some(3), Refused("the block's transactions")),
    ("count", "a block's transactions beyond Layer 1's limit", |run| run.block_transactions = 4, Refused("the block's transactions")),
    ("count", "a block's bytes beyond Layer 1's limit", |run| run.block_bytes = 500, Refused("the body's bytes")),
    ("count", "a limit of no transactions a block", |run| run.block_transactions = 0, Refused("transactions a block")),
    ("count", "a limit of fewer bytes a block than a transaction may have", |run| run.block_bytes = 452, Refused("bytes a block")),
    ("count", "one account more", |run| run.accounts_told = Some(6), Refused("accounts before the first block")),
    ("count", "one account fewer", |run| run.accounts_told = Some(4), Refused("accounts left")),
    ("count", "one proposal fewer", |run| run.burst(0).proposals_told = Some(1), Refused("proposals answered")),
    ("count", "one answer more", |run| run.burst(0).answers_told = Some(2), Refused("bytes left")),
    ("count", "no answer", |run| run.burst(0).answers_told = Some(0), Refused("proposals and answers")),
    ("count", "a proposal that nobody answers", |run| run.burst(0).answers[0].proposals = 1, Refused("proposals answered")),
    ("count", "a burst's session", |run| run.burst(2).session = 4, Refused("the session")),
    ("count", "a session beyond the run's", |run| run.shards[1][0].session = 5, Refused("the session")),
    ("count", "a channel's session", |run| run.shards[1][0].session = 4, Unseen("which session number a channel has")),
    ("count", "two channels with one session number", |run| run.shards[1][0].session = 0, Unseen("whether two have the same")),
];

/// Audits all signatures of a run's log in a folder of its own.
fn says(run: &Run, tip: Option<Digest>) -> Result<(), AuditError> {
    let folder = Folder::new();
    run.write(&folder.path(""));
    let mut args = asked(&folder.path(""), SampleSize::All);
    args.tip = tip;
    check(&args, &AtomicBool::new(false)).map(|_| ())
}

/// Holds what an audit says of each row's change to an honest run.
pub(crate) fn hold(honest: &Run, rows: &[Row]) {
    let docs = include_str!("../../../docs/audit.md").to_lowercase();
    let docs = docs.split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = honest.tip();
    says(honest, Some(tip)).unwrap();
    let mut wrong = Vec::new();
    for (class, what, forge, expected) in rows {
        let mut run = honest.clone();
        forge(&mut run);
        let found = match says(&run, None) {
            Ok(()) => "CLEAN",
            Err(AuditError::Refused(finding)) => finding.what,
            Err(error) => panic!("{class} | {what}: {error}"),
        };
        let with_tip = matches!(says(&run, Some(tip)), Ok(()));
        let (right, told) = match expected {
            Refused(finding) => {
                assert!(!finding.contains("checksum"), "{class} | {what}");
                (found == *finding && !with_tip, None)
            }
            Unseen(told) => (found == "CLEAN" && with_tip, Some(*told)),
            UnseenWithoutTip => (found == "CLEAN" && !with_tip, Some(ANOTHER_RUN)),
        };
        if !right {
            wrong.push(format!(
                "{class} | {what} → {found}, with the tip: {with_tip}"
            ));
        }
        if let Some(told) = told
            && !docs.contains(&told.to_lowercase())
        {
            wrong.push(format!(
                "{class} | {what}: docs/audit.md does not say '{told}'"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_forger_with_all_keys_changes_is_refused_or_said_to_be_unseen() {
    hold(&Run::honest(), ROWS);
}

/// Every class of records has a row that is refused. (Those of checkpoints, which no run writes,
/// are in `checkpoint`.)
#[test]
fn no_class_of_records_is_without_a_refusal() {
    for class in [
        "signature",
        "k",
        "in flight",
        "fee",
        "failed transaction",
        "entry",
        "balance",
        "head",
        "settlement",
        "manifest",
        "order",
        "count",
    ] {
        let refused = ROWS
            .iter()
            .filter(|(of, _, _, says)| *of == class && matches!(says, Refused(_)));
        assert!(refused.count() > 1, "{class}");
    }
}
