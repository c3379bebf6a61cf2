//! Bob keeps a durable log. He crashes in the middle of a session, comes back from the log, and
//! nothing that he has counted or signed is lost: `cargo run --example recover`

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use duet_engine::crypto::Digest;
use duet_engine::driver::{Driver, Output, Slot};
use duet_engine::log::{Files, Log, Options, RunId, Stream};
use duet_engine::protocol::{Amount, Pair, Rules, Terms};

const SEED: [u8; 32] = [2; 32];

/// What Bob's log calls the channel: a number of his own, since slots are others after a restart.
const CHANNEL: u32 = 0;

/// Each channel's newest record.
type Records = BTreeMap<u32, Vec<u8>>;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("duet-recover-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let done = run(&folder);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (mut alice, mut bob) = (Driver::default(), Driver::default().keeping_records());
    let (a, b) = (alice.add_key(&[1; 32]), bob.add_key(&SEED));
    // As the example `payment` opens it.
    let terms = Terms::one_sided(Digest([7; 32]), 0, Pair { a, b }, Amount::new(500));
    let alices = alice.join(&terms, Rules::default())?;
    let bobs = bob.join(&terms, Rules::default())?;
    let (mut log, _) = open(folder)?;

    for units in [5, 7, 9] {
        alice.pay(alices, Amount::new(units), 0)?;
    }
    let mut said = Output::default();
    alice.advance(&mut said);
    let answer = hear(&mut bob, bobs, &said, &mut log)?;
    println!("Bob has counted, and crashes before his answer is sent.");
    assert_eq!(answer.events().len(), 3);
    drop((bob, log));

    let (mut log, mut records) = open(folder)?;
    let mut bob = Driver::default().keeping_records();
    bob.add_key(&SEED);
    let record = records.remove(&CHANNEL).ok_or("nothing was kept")?;
    let bobs = bob.restore(&terms, Rules::default(), &record)?;
    println!("He is back, and counts {}.", bob.endpoint(bobs).counted());
    assert_eq!(bob.endpoint(bobs).counted(), 3);

    // The link is a new one. Each says where it stands, and Bob answers again.
    alice.reconnect(alices);
    alice.pay(alices, Amount::new(11), 0)?;
    alice.finish(alices)?;
    while bob.final_proof(bobs).is_none() {
        alice.advance(&mut said);
        for (_, bytes) in hear(&mut bob, bobs, &said, &mut log)?.messages() {
            alice.receive(alices, bytes);
        }
    }
    println!("Both have signed that Bob owns {}.", bob.balance(bobs));
    assert_eq!(bob.balance(bobs), Amount::new(5 + 7 + 9 + 11));
    Ok(())
}

/// What Alice says reaches Bob. Rule S3: what he signs and counts is durable before anybody hears
/// of it.
fn hear(
    bob: &mut Driver,
    slot: Slot,
    said: &Output,
    log: &mut Stream,
) -> Result<Output, Box<dyn Error>> {
    for (_, bytes) in said.messages() {
        bob.receive(slot, bytes);
    }
    let mut answer = Output::default();
    bob.advance(&mut answer);
    for (_, record) in answer.records() {
        log.put(CHANNEL, record);
    }
    let sequence = log.commit()?;
    log.wait(sequence)?;
    Ok(answer)
}

/// Opens the log, or goes on with it; gives each channel's newest record.
fn open(folder: &Path) -> Result<(Stream, Records), Box<dyn Error>> {
    let options = Options {
        run: RunId([7; 32]),
        streams: vec!["bob".to_owned()],
        ..Options::default()
    };
    let log = Log::open(Files::new(folder)?, options)?;
    let mut recovered = log.recover(0)?;
    let mut records = Records::new();
    recovered.for_each(|key, _, record| {
        records.insert(key, record.to_vec());
    })?;
    Ok((recovered.start()?, records))
}

#[test]
fn runs() {
    main().expect("nothing is lost");
}
