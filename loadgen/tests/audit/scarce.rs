//! Logs of a Layer 1 with a clock, units, bids or state roots: clean as runs write them, and
//! refused with anything changed that the auditor makes again.

use std::path::Path;

use duet_audit::{AuditError, Finding, SampleSize};

use super::bench::{Row, Says, hold};
use super::common::{Folder, arguments};
use super::forge::{
    CLOSE, OPEN_TWO_SIDED, Run, TRANSFER, block_hash, edit_manifest, gathered, replace,
};
use super::{audited, finding, json, logged};

use Says::{Refused, Unseen, UnseenWithoutTip};

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("units", "above the block's", |run| run.scarcity().block_units = 59, Refused("the block's units")),
    ("units", "above those of channels", |run| run.scarcity().channel_units = 59, Refused("the block's units")),
    ("units", "exactly those of channels", |run| run.scarcity().channel_units = 60, UnseenWithoutTip),
    ("units", "another price", |run| run.scarcity().prices[CLOSE] = 9, UnseenWithoutTip),
    ("units", "a dearer price than the block holds", |run| run.scarcity().prices[OPEN_TWO_SIDED] = 21, Refused("the block's units")),
    ("height", "one that stays", |run| run.blocks[1].height_told = Some(1), Refused("the block's height")),
    ("height", "one that falls", |run| run.blocks[2].height_told = Some(1), Refused("the block's height")),
    ("height", "more time before the last block", |run| run.blocks[2].height_told = Some(1 << 60), UnseenWithoutTip),
    ("height", "skipped without a clock", |run| { run.scarcity().interval_ms = 0; run.scarcity().finality_blocks = 0; (run.scarcity().order, run.scarcity().least) = (1, 0); }, Refused("the block's height")),
    ("height", "the run's end before its last block", |run| run.claim("height", 4), Refused("the height")),
    ("height", "time that passed after the last block", |run| run.claim("height", 9), Unseen("how much time passed after the last block")),
    ("bid", "none", |run| run.open(0).bid = None, Refused("the bid")),
    ("bid", "one where all pay a fee", |run| { (run.scarcity().order, run.scarcity().least) = (0, 0); }, Refused("the bid")),
    ("bid", "below the first base fee", |run| run.open(0).bid = Some((79_999, 0)), Refused("the bid")),
    ("bid", "below the base fee after a full block", |run| run.close(0).bid = Some((89_999, 0)), Refused("the bid")),
    ("bid", "the base fee after a full block", |run| run.close(0).bid = Some((90_000, 0)), UnseenWithoutTip),
    ("bid", "of a base fee lowered too far", |run| run.close(1).bid = Some((79_999, 0)), Refused("the bid")),
    ("bid", "of a base fee that time has not lowered yet", |run| { run.blocks[2].height_told = Some(3); run.close(1).bid = Some((86_249, 0)); }, Refused("the bid")),
    ("bid", "of a base fee that time has lowered", |run| run.close(1).bid = Some((86_249, 0)), UnseenWithoutTip),
    ("bid", "of a least base fee lowered too far", |run| { run.genesis_told = Some(run.genesis()); run.scarcity().least = 1; }, Refused("the genesis id")),
    ("bid", "a fee that its account does not have", |run| run.close(1).bid = Some((2_000_000, 2_000_000)), Refused("the submitter's balance")),
    ("bid", "another one than was signed", |run| { run.close(1).bid = Some((1_000_000, 20_000)); run.close(1).signer = Some(1); }, Refused("the submitter's signature")),
    ("scarcity", "left out", |run| { run.genesis_told = Some(run.genesis()); run.scarcity = None; }, Refused("the genesis id")),
    ("scarcity", "other prices under the genesis id as it was", |run| { run.genesis_told = Some(run.genesis()); run.scarcity().prices[CLOSE] = 9; }, Refused("the genesis id")),
    ("scarcity", "another time from block to block under the genesis id as it was", |run| { run.genesis_told = Some(run.genesis()); run.scarcity().interval_ms = 1; }, Refused("the genesis id")),
    ("scarcity", "twice", |run| run.scarcity_after = vec![0, 0], Refused("a record of scarcity")),
    ("scarcity", "after an account", |run| run.scarcity_after = vec![1], Refused("a record of scarcity")),
    ("scarcity", "that is none", |run| { run.scarcity().interval_ms = 0; run.scarcity().finality_blocks = 0; run.scarcity().block_units = 0; run.scarcity().prices = [0; 7]; (run.scarcity().order, run.scarcity().least, run.scarcity().compete) = (0, 0, 0); }, Refused("what Layer 1 is scarce by")),
    ("scarcity", "finality without a clock", |run| run.scarcity().interval_ms = 0, Refused("what Layer 1 is scarce by")),
    ("scarcity", "a base fee without a clock", |run| { run.scarcity().interval_ms = 0; run.scarcity().finality_blocks = 0; }, Refused("the order")),
    ("scarcity", "a base fee where the highest bid comes first", |run| run.scarcity().order = 1, Refused("what Layer 1 is scarce by")),
    ("scarcity", "prices without units", |run| run.scarcity().block_units = 0, Refused("what Layer 1 is scarce by")),
    ("scarcity", "bids without units", |run| { run.scarcity().block_units = 0; run.scarcity().prices = [0; 7]; }, Refused("the order")),
    ("scarcity", "bids beside room for answers", |run| run.scarcity().compete = 0, Refused("the order")),
    ("scarcity", "more units of channels than the block has", |run| run.scarcity().channel_units = 61, Refused("the units of channels")),
    ("scarcity", "a close that no block holds", |run| run.scarcity().prices[CLOSE] = 61, Refused("units of a cooperative close")),
    ("scarcity", "a close that no block holds beside dearer transfers", |run| { run.scarcity().channel_units = 30; run.scarcity().prices[TRANSFER] = 60; run.scarcity().prices[CLOSE] = 31; }, Refused("units of a cooperative close")),
    ("scarcity", "an order that there is not", |run| run.scarcity().order = 3, Refused("the order")),
    ("scarcity", "answers neither way", |run| run.scarcity().compete = 2, Refused("who answers compete with")),
    ("scarcity", "a state root neither way", |run| run.scarcity().tail = vec![0], Refused("the state root")),
    ("scarcity", "bytes left", |run| run.scarcity().tail = vec![1, 1], Refused("bytes left in the record")),
    ("scarcity", "blocks shorter than a transaction with its bid", |run| run.block_bytes = 468, Refused("bytes a block")),
];

#[test]
fn what_a_forger_changes_of_a_scarce_layer_1_is_refused_or_said_to_be_unseen() {
    hold(&Run::scarce(), ROWS);
}

/// Where no bid is taken, none is.
#[test]
fn a_bid_on_a_layer_1_of_one_fee_is_refused() {
    let mut run = Run::honest();
    run.bid_all(Some((1, 1)));
    let folder = Folder::new();
    run.write(&folder.path(""));
    assert_eq!(finding(&folder.path(""), SampleSize::All).what, "the bid");
}

#[test]
fn runs_under_every_profile_with_state_roots_and_votes_audit_clean() {
    for (words, state_root) in [
        ("--l1 duet", false),
        ("--l1 ethereum-60m --session-time 1h", false),
        ("--l1 bitcoin --pattern two-way", false),
        ("--l1 solana-like", false),
        ("--l1 cometbft-default --concurrent 7", false),
        ("--validators 4 --concurrent 7", false),
        (
            "--validators 4 --validator-faults equivocate=1 --state-root --concurrent 7",
            true,
        ),
        ("--state-root --concurrent 3", true),
        ("--l1 ethereum-60m --state-root --concurrent 11", true),
    ] {
        let folder = Folder::new();
        logged(
            &folder,
            &format!("--sessions 40 --payments 3 --out run.json {words}"),
        );
        let run = run_file(&folder);
        let tip = run["l1"]["channels"]["tip"].as_str().unwrap();
        let audit = format!("audit log --sample all --json --tip {tip}");
        let ended = folder.loadgen(&arguments(&audit));
        assert_eq!(ended.code, Some(0), "{words}: {ended:?}");
        let report = json(&ended.stdout);
        assert_eq!(report["l1"]["transactions"], 80, "{words}: {report}");
        assert_eq!(
            report["l1"]["blocks"], run["l1"]["channels"]["blocks"],
            "{words}"
        );
        assert_eq!(report["l1"]["state_root"], state_root, "{words}");
        let root_cpu_s = &run["l1"]["channels"]["root_cpu_s"];
        assert_eq!(root_cpu_s.is_f64(), state_root, "{words}: {root_cpu_s}");
    }
}

fn run_file(folder: &Folder) -> serde_json::Value {
    json(&folder.read("run.json"))
}

/// A block's record in Layer 1's stream: where its header stands, and one past its end.
fn blocks(records: &[u8]) -> Vec<(usize, usize)> {
    let all = of_kinds(records).into_iter();
    let blocks = all.filter(|(kind, ..)| *kind == 4);
    blocks.map(|(_, start, end)| (start, end)).collect()
}

/// Each record's kind, where its content stands, and one past its end.
fn of_kinds(records: &[u8]) -> Vec<(u8, usize, usize)> {
    let (mut at, mut found) = (0, Vec::new());
    while at < records.len() {
        let length = u32::from_le_bytes(records[at..at + 4].try_into().unwrap()) as usize;
        found.push((records[at + 4], at + 5, at + 5 + length));
        at += 5 + length;
    }
    found
}

fn genesis(folder: &Folder) -> [u8; 32] {
    let manifest = folder.read("log/audit.toml");
    let mut lines = manifest.lines();
    let line = lines.find(|line| line.starts_with("genesis")).unwrap();
    unhex(line.split('"').nth(1).unwrap()).try_into().unwrap()
}

/// An equivocator's blocks of nothing are no blocks of the chain, and are certified as those are.
#[test]
fn blocks_of_nothing_have_their_certificates() {
    let folder = Folder::new();
    logged(
        &folder,
        "--sessions 40 --payments 3 --concurrent 5 --session-time 20s --shards 1 --state-root \
         --validators 4 --validator-faults equivocate=1 --out run.json",
    );
    let log = folder.path("log");
    audited(&log, SampleSize::All).unwrap();
    let run = run_file(&folder);
    let votes = &run["l1"]["chain"]["consensus"];
    let honest = gathered(&log, "l1");
    let records = of_kinds(&honest);
    let count = |wanted: u8| records.iter().filter(|(kind, ..)| *kind == wanted).count();
    let vain = count(7) - count(4);
    assert!(vain > 0, "{votes}");
    assert_eq!(
        (votes["vain_blocks"].as_u64(), votes["heights"].as_u64()),
        (Some(vain as u64), Some(count(7) as u64))
    );
    // One that follows no block of its own height.
    let pairs = records.windows(2);
    let mut of_nothing = pairs.filter(|pair| pair[1].0 == 7 && pair[0].0 != 4);
    let [_, (_, start, end)] = of_nothing.next().unwrap() else {
        unreachable!("pairs")
    };
    let genesis = genesis(&folder);
    for at in start - 5..*end {
        let mut flipped = honest.clone();
        flipped[at] ^= 1 << (at % 8);
        replace(&log, "l1", &genesis, &flipped);
        let result = audited(&log, SampleSize::All);
        let refused = matches!(result, Err(AuditError::Refused(_)));
        assert!(refused, "byte {at}: {result:?}");
    }
}

/// Has each block follow the one before it, and the manifest name the last one.
fn chain_again(log: &Path, genesis: &[u8; 32], records: &mut [u8]) {
    let mut parent: Option<Vec<u8>> = None;
    for (start, _) in blocks(records) {
        if let Some(parent) = &parent {
            records[start..start + 32].copy_from_slice(parent);
        }
        parent = Some(unhex(&block_hash(&records[start..start + 108])));
    }
    replace(log, "l1", genesis, records);
    let tip: String = parent
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    edit_manifest(log, &[("tip", format!("\"{tip}\""))]);
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

/// Blocks that the parties agreed on, and a root that is not of what they lead to.
#[test]
fn every_state_root_is_made_again() {
    let folder = Folder::new();
    logged(
        &folder,
        "--sessions 9 --payments 2 --concurrent 3 --shards 1 --state-root",
    );
    let log = folder.path("log");
    audited(&log, SampleSize::All).unwrap();
    let genesis = genesis(&folder);
    let honest = gathered(&log, "l1");
    chain_again(&log, &genesis, &mut honest.clone());
    audited(&log, SampleSize::All).unwrap();
    let blocks = blocks(&honest);
    assert!(blocks.len() > 3, "{blocks:?}");
    for (start, _) in &blocks {
        for byte in [76, 107] {
            let mut forged = honest.clone();
            forged[start + byte] ^= 1;
            chain_again(&log, &genesis, &mut forged);
            let Finding { what, .. } = finding(&log, SampleSize::Sessions(0));
            assert_eq!(what, "the state root");
        }
    }
    // Any other bit of the stream, as it is.
    chain_again(&log, &genesis, &mut honest.clone());
    let records = honest;
    for at in 0..records.len() {
        let mut flipped = records.clone();
        flipped[at] ^= 1 << (at % 8);
        replace(&log, "l1", &genesis, &flipped);
        let result = audited(&log, SampleSize::All);
        assert!(
            matches!(result, Err(AuditError::Refused(_))),
            "byte {at}: {result:?}"
        );
    }
}

/// Closes that give up bidding end in disputes, which are not replayed yet.
#[test]
fn a_run_with_disputes_is_refused_as_not_audited_yet() {
    let bitcoin = include_str!("../../../reports/profile/profiles/bitcoin.toml");
    // A block of four transactions, and six that wait: most are outbid.
    let mut profile = bitcoin.to_owned();
    for (known, tight) in [
        ("name = \"bitcoin\"", "name = \"tight\""),
        ("value = 4_000_000", "value = 2_600"),
        ("value = 400_000", "value = 2_600"),
        ("value = 200_000", "value = 6"),
    ] {
        assert_eq!(profile.matches(known).count(), 1, "{known}");
        profile = profile.replace(known, tight);
    }
    // Such a block holds no batch.
    let single = |table: &str| -> String {
        let lines = table.lines().take_while(|line| !line.contains("batched"));
        lines.map(|line| format!("{line}\n")).collect()
    };
    let single: Vec<String> = profile.split("\n\n").map(single).collect();
    let folder = Folder::new();
    folder.write("tight.toml", single.join("\n"));
    logged(
        &folder,
        "--sessions 60 --concurrent 30 --payments 10 --shards 2 --l1 tight.toml --out run.json",
    );
    let closes_given_up = &run_file(&folder)["l1"]["chain"]["closes_given_up"];
    assert!(closes_given_up.as_u64().unwrap() > 0, "{closes_given_up}");
    let finding = finding(&folder.path("log"), SampleSize::All);
    assert_eq!(finding.what, "the transaction's kind");
    assert!(finding.expected.contains("not audited yet"), "{finding}");
}
