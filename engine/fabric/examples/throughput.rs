//! How many transactions a second pass a gate: machines as processes of this program, on loopback.
//!
//! `cargo run --release -p duet-fabric --example throughput -- [MACHINES [STEPS [TRANSACTIONS
//! [AHEAD]]]]`. Each machine has one shard, on its gate's thread. A step has `TRANSACTIONS` of 200
//! bytes; Layer 1 reads every word of them and answers 24 bytes each; a shard is `AHEAD` steps
//! ahead of its answers at most.

use std::collections::VecDeque;
use std::error::Error;
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use duet_fabric::{Batch, FabricError, Gate, Hosts, Terms, connect};

const TRANSACTION: usize = 200;
const RECEIPT: usize = 24;

#[derive(Clone, Copy)]
struct Load {
    steps: u64,
    transactions: usize,
    ahead: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let hosts = match arguments.first() {
        Some(first) if first.contains(':') => Some(arguments.remove(0)),
        _ => None,
    };
    let number = |at: usize, default: usize| match arguments.get(at) {
        Some(number) => number.parse(),
        None => Ok(default),
    };
    let load = Load {
        steps: number(1, 10_000)? as u64,
        transactions: number(2, 1_000)?,
        ahead: number(3, 4)? as u64,
    };
    match hosts {
        Some(hosts) => Ok(run(&Hosts::parse(&hosts, number(0, 0)?)?, load)?),
        None => start(number(0, 2)?, load),
    }
}

/// Starts the machines, and waits for them.
fn start(machines: usize, load: Load) -> Result<(), Box<dyn Error>> {
    let listeners: Result<Vec<_>, _> = (0..machines)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect();
    let addresses: Result<Vec<_>, _> = listeners?.iter().map(TcpListener::local_addr).collect();
    let addresses: Vec<String> = addresses?.iter().map(ToString::to_string).collect();
    let start = |me: usize| {
        Command::new(std::env::current_exe()?)
            .arg(addresses.join(","))
            .args(
                [me as u64, load.steps, load.transactions as u64, load.ahead]
                    .map(|n| n.to_string()),
            )
            .spawn()
    };
    let children: Result<Vec<_>, _> = (0..machines).map(start).collect();
    for mut child in children? {
        let status = child.wait()?;
        if !status.success() {
            return Err(status.to_string().into());
        }
    }
    Ok(())
}

fn run(hosts: &Hosts, load: Load) -> Result<(), FabricError> {
    let wait = Duration::from_secs(10);
    let sockets = connect(hosts, &Terms::default(), wait, &AtomicBool::new(false))?;
    let mut gate = Gate::open(sockets, wait)?;
    let shard = hosts.me() as u32;
    let (mut sent, mut answered, mut settled, mut sum) = (0, 0, 0, 0);
    let (mut sent_at, mut round_trips) = (VecDeque::new(), Vec::new());
    let mut used: Vec<Vec<u8>> = Vec::new();
    let begun = Instant::now();
    while answered < load.steps {
        while sent < load.steps && sent - answered < load.ahead {
            let mut body = used.pop().unwrap_or_default();
            body.clear();
            body.resize(TRANSACTION * load.transactions, sent as u8);
            sent_at.push_back(Instant::now());
            gate.send(Batch::new(sent, shard, load.transactions as u32, body));
            sent += 1;
            gate.pass(sent);
        }
        gate.turn(Duration::from_millis(20))?;
        while let Some((step, batches)) = gate.next_step() {
            for batch in batches {
                sum = read(sum, batch.body());
                settled += u64::from(batch.tag);
                let (from, tag) = (batch.from, batch.tag);
                let mut body = batch.into_memory();
                body.resize(RECEIPT * tag as usize, 7);
                gate.answer(from as usize, Batch::new(step, from, tag, body));
            }
        }
        while let Some(answer) = gate.answered() {
            round_trips.extend(sent_at.pop_front().map(|at: Instant| at.elapsed()));
            answered += 1;
            used.push(answer.into_memory());
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let waited = gate.waited();
    gate.close()?;
    round_trips.sort_unstable();
    let quantile = |q: usize| {
        round_trips
            .get(round_trips.len() * q / 100)
            .copied()
            .unwrap_or_default()
    };
    let (p50, p99) = (quantile(50), quantile(99));
    println!("machine {shard}: {seconds:.2} s; round trip p50 {p50:.0?}, p99 {p99:.0?}");
    if shard == 0 {
        let millions = settled as f64 / seconds / 1e6;
        let megabytes = millions * TRANSACTION as f64;
        println!(
            "  {settled} transactions: {millions:.2} M/s, {megabytes:.0} MB/s, sum {sum:016x}"
        );
        for (machine, waited) in waited.iter().enumerate() {
            let ms = waited.alone_ns as f64 / 1e6;
            println!(
                "  waited for machine {machine}: last in {} steps, {ms:.0} ms",
                waited.steps
            );
        }
    }
    Ok(())
}

fn read(sum: u64, bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    let add = |sum: u64, word: &[u8; 8]| {
        (sum ^ u64::from_le_bytes(*word))
            .rotate_left(5)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    words.iter().fold(sum, add)
}
