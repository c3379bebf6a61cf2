//! A hub: one driver serves many clients over plain TCP, each in a channel of its own, and answers
//! what came in meanwhile in one batch: `cargo run --release --example hub [CLIENTS [PAYMENTS]]`
//!
//! It bounds what a client may send and how long it may take to listen. A hub in earnest would also
//! have clients prove who they are, take them back when they reconnect, and keep a log (example
//! `recover`).

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use duet_engine::driver::{Driver, Event, Output, Slot};
use duet_engine::l1::{Chain, Transaction};
use duet_engine::protocol::{Amount, FinalProof, Pair, Rules, Terms};

/// Messages longer than this are no client's.
const MOST_BYTES: usize = 1 << 16;
/// Messages of all clients that wait to be read at most: whoever sends more waits.
const MOST_WAITING: usize = 256;
/// Whoever does not listen for so long is cut off.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse());
    let clients = numbers.next().transpose()?.unwrap_or(20);
    let payments = numbers.next().transpose()?.unwrap_or(500);
    run(clients, payments)
}

/// So many clients pay the hub so often, each in a thread of its own.
fn run(clients: u64, payments: u64) -> Result<(), Box<dyn Error>> {
    let mut hub = Driver::default();
    let hubs_key = hub.add_key(&[255; 32]);
    let mut wallets: Vec<(Driver, _)> = Vec::new();
    for client in 0..clients {
        let mut driver = Driver::default();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&client.to_le_bytes());
        let key = driver.add_key(&seed);
        wallets.push((driver, key));
    }
    let accounts = wallets
        .iter()
        .map(|(_, key)| (*key, Amount::new(payments + 2)));
    let fees = (hubs_key, Amount::new(clients));
    let mut l1 = Chain::with_accounts(accounts.chain([fees]).collect())?;
    let genesis = *l1.genesis();

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut slots = HashMap::new();
    let mut threads = Vec::new();
    for (mut wallet, key) in wallets {
        let keys = Pair {
            a: key,
            b: hubs_key,
        };
        let terms = Terms::one_sided(genesis, 0, keys, Amount::new(payments));
        l1.include(&Transaction::open(&terms).signed_by(wallet.key(&key), &genesis))?;
        slots.insert(terms.channel_id().0.0, hub.join(&terms, Rules::default())?);
        let slot = wallet.join(&terms, Rules::default())?;
        threads.push(thread::spawn(move || {
            let stream = TcpStream::connect(address)?;
            pay(wallet, slot, &terms.channel_id().0.0, payments, stream)
        }));
    }

    let begun = Instant::now();
    let (sender, inbox) = sync_channel(MOST_WAITING);
    for _ in 0..clients {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // It says first which channel it is about.
        let mut id = [0; 32];
        stream.read_exact(&mut id)?;
        let slot = *slots
            .get(&id)
            .ok_or("a channel that the hub has not joined")?;
        sender.send((slot, Heard::Connected(stream.try_clone()?)))?;
        listen(slot, stream, sender.clone());
    }
    drop(sender);
    let (counted, batches) = serve(&mut hub, &inbox)?;
    println!(
        "{counted} payments of {clients} clients in {:.2?}, answered in {batches} batches",
        begun.elapsed()
    );
    for thread in threads {
        let sent = thread.join().expect("a client does not panic")?;
        assert_eq!(sent, payments);
    }
    for slot in slots.into_values() {
        let proof: FinalProof = hub.final_proof(slot).ok_or("a channel has not ended")?;
        let close = Transaction::close(hubs_key, proof);
        l1.include(&close.signed_by(hub.key(&hubs_key), &genesis))?;
    }
    println!("The hub has {} units.", l1.balance(&hubs_key));
    assert_eq!(l1.balance(&hubs_key), Amount::new(clients * payments));
    Ok(())
}

/// What a client's thread tells the hub.
enum Heard {
    Connected(TcpStream),
    Said(Vec<u8>),
}

/// Reads a client's messages in a thread of its own, until it hangs up.
fn listen(slot: Slot, mut stream: TcpStream, hub: SyncSender<(Slot, Heard)>) {
    thread::spawn(move || {
        while let Ok(message) = read_frame(&mut stream) {
            if hub.send((slot, Heard::Said(message))).is_err() {
                break;
            }
        }
    });
}

/// Answers until all clients have hung up; gives how many payments it counts, and in how many
/// batches.
fn serve(hub: &mut Driver, inbox: &Receiver<(Slot, Heard)>) -> Result<(u64, u64), Box<dyn Error>> {
    let mut streams = HashMap::new();
    let (mut counted, mut batches) = (0, 0);
    let mut output = Output::default();
    while let Ok(first) = inbox.recv() {
        // Whatever came in while the last batch was answered is the next one.
        let rest = inbox.try_iter().take(MOST_WAITING);
        for (slot, heard) in std::iter::once(first).chain(rest) {
            match heard {
                Heard::Connected(stream) => drop(streams.insert(slot, stream)),
                Heard::Said(message) => hub.receive(slot, &message),
            }
        }
        hub.advance(&mut output);
        batches += 1;
        for (slot, event) in output.events() {
            match event {
                Event::Received { payments, .. } => counted += payments,
                Event::Stopped(rejection) => println!("client {}: {rejection}", slot.place()),
                _ => {}
            }
        }
        for (slot, bytes) in output.messages() {
            let listens = |stream: &TcpStream| write_frame(stream, bytes).is_ok();
            if !streams.get(&slot).is_some_and(listens) {
                streams.remove(&slot);
            }
        }
    }
    Ok((counted, batches))
}

/// A client: pays, ends its channel, and hangs up; gives how many of its payments the hub has
/// co-signed.
fn pay(
    mut wallet: Driver,
    slot: Slot,
    channel: &[u8; 32],
    payments: u64,
    mut stream: TcpStream,
) -> io::Result<u64> {
    stream.set_nodelay(true)?;
    stream.write_all(channel)?;
    for tag in 0..payments {
        wallet
            .pay(slot, Amount::new(1), tag)
            .expect("the channel runs");
    }
    wallet.finish(slot).expect("the channel runs");
    let (mut output, mut paid) = (Output::default(), 0);
    loop {
        wallet.advance(&mut output);
        for (_, event) in output.events() {
            match event {
                Event::Paid { payments, .. } => paid += payments,
                Event::Finished => return Ok(paid),
                event => panic!("an honest hub: {event:?}"),
            }
        }
        for (_, bytes) in output.messages() {
            write_frame(&stream, bytes)?;
        }
        let answer = read_frame(&mut stream)?;
        wallet.receive(slot, &answer);
    }
}

/// A length, little-endian, and as many bytes.
fn write_frame(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut frame = Vec::with_capacity(4 + bytes.len());
    frame.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    frame.extend_from_slice(bytes);
    stream.write_all(&frame)
}

fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST_BYTES {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn runs() {
    run(5, 100).expect("all is paid");
}
