//! Gates in one process: one machine without sockets, and what a gate does when the other end of
//! its socket is no gate.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;

use super::*;
use crate::frame::Control;
use crate::{Hosts, Terms, connect};

const TURN: Duration = Duration::from_millis(5);

#[test]
fn one_machine_needs_no_sockets() {
    let hosts = Hosts::parse("127.0.0.1:1", 0).unwrap();
    let stop = AtomicBool::new(true); // Nobody is waited for.
    let sockets = connect(&hosts, &Terms::default(), Duration::ZERO, &stop).unwrap();
    let mut gate = Gate::open(sockets, Duration::from_secs(1)).unwrap();
    for step in [0_u64, 1, 5] {
        for from in [2, 0, 1] {
            gate.send(Batch::new(step, from, 7, vec![from as u8; 3]));
        }
        gate.turn(Duration::ZERO).unwrap();
        assert!(gate.next_step().is_none(), "it has not passed step {step}");
        gate.pass(step + 1);
        gate.turn(TURN).unwrap();
        let (settled, batches) = gate.next_step().unwrap();
        let from: Vec<_> = batches
            .iter()
            .map(|batch| (batch.from, batch.tag))
            .collect();
        assert_eq!((settled, from), (step, vec![(0, 7), (1, 7), (2, 7)]));
        for batch in batches {
            gate.answer(0, Batch::new(step, batch.from, 8, batch.into_body()));
        }
        gate.turn(TURN).unwrap();
        for from in 0..3 {
            let answer = gate.answered().unwrap();
            assert_eq!((answer.step, answer.from), (step, from));
            assert_eq!(answer.body(), [from as u8; 3]);
        }
        assert!(gate.answered().is_none());
    }
    gate.pass(2); // Less than before: nothing happens.
    gate.pass(u64::MAX);
    gate.turn(TURN).unwrap();
    assert_eq!(gate.waited(), [Waited::default()]);
    gate.close().unwrap();
}

#[test]
fn a_turn_is_woken_by_another_thread() {
    let hosts = Hosts::parse("127.0.0.1:1", 0).unwrap();
    let sockets = Sockets {
        hosts,
        streams: vec![None],
    };
    let mut gate = Gate::open(sockets, Duration::from_secs(1)).unwrap();
    let this = thread::current();
    let begun = Instant::now();
    let waker = thread::spawn(move || {
        thread::sleep(TURN);
        this.unpark();
    });
    gate.turn(Duration::from_secs(60)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(60));
    waker.join().unwrap();
    drop(gate);
}

/// A gate that did not park would turn a million times.
#[test]
fn a_gate_with_nothing_to_do_parks() {
    let hosts = Hosts::parse("127.0.0.1:1", 0).unwrap();
    let one = Sockets {
        hosts,
        streams: vec![None],
    };
    let one = Gate::open(one, Duration::from_secs(60)).unwrap();
    let (two, _end) = gate_and_end(0, Duration::from_secs(60));
    for mut gate in [one, two] {
        let until = Instant::now() + TURN * 20;
        let turns = std::iter::repeat_with(|| gate.turn(TURN).unwrap());
        let turns = turns.take_while(|()| Instant::now() < until).count();
        assert!(turns < 200, "{turns} turns");
    }
}

/// A machine's gate, and the other end of its only socket.
fn gate_and_end(me: usize, patience: Duration) -> (Gate, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let end = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut streams = vec![None, None];
    streams[1 - me] = Some(stream);
    let hosts = Hosts::parse("127.0.0.1:1,127.0.0.1:2", me).unwrap();
    (
        Gate::open(Sockets { hosts, streams }, patience).unwrap(),
        end,
    )
}

/// Turns until the gate fails or the time is over.
fn turn_for(gate: &mut Gate, time: Duration) -> Result<(), FabricError> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        gate.turn(TURN)?;
        while gate.next_step().is_some() {}
        while gate.answered().is_some() {}
    }
    Ok(())
}

/// What machine 1 sends of two steps.
fn said_by_machine_1() -> Vec<u8> {
    let (mut gate, mut end) = gate_and_end(1, Duration::from_secs(60));
    for step in 0..2 {
        gate.send(Batch::new(step, 4, 0, vec![0xab; 100]));
        gate.pass(step + 1);
        turn_for(&mut gate, TURN * 2).unwrap();
    }
    let mut said = Vec::new();
    while said.len() < 600 {
        let mut bytes = [0; 1_024];
        let read = end.read(&mut bytes).unwrap();
        said.extend_from_slice(&bytes[..read]);
    }
    said
}

/// The engine's threads, by their names.
fn engine_threads() -> usize {
    let Ok(threads) = fs::read_dir("/proc/self/task") else {
        return 0;
    };
    let names =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("timely:")).count()
}

fn control(to: usize, kind: u8, machine: u8) -> Vec<u8> {
    let mut message = Control::Pulse.message(1, to);
    let at = message.len() - 8;
    message[at] = kind;
    message[at + 4] = machine;
    message
}

#[test]
fn what_is_no_message_is_refused_and_named() {
    // A pulse, otherwise: its header is as that of any message.
    let change = |at: usize, bytes: &[u8]| {
        let mut changed = control(0, 0, 0);
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "http",
            b"GET / HTTP/1.1\r\nHost: machine-0\r\nAccept: */*\r\n\r\n".to_vec(),
            "machines",
        ),
        ("ones", vec![0xff; 200], "other machines"),
        ("no length", change(39, &[0]), "empty message"),
        ("another source", change(15, &[0]), "other machines"),
        ("another target", change(23, &[1]), "other machines"),
        ("an unknown channel", change(0, &[0]), "channel"),
        ("an endless message", change(32, &[0x7f]), "bytes"),
        ("an unknown kind", control(0, 9, 0), "unknown"),
        (
            "a fall of a stranger",
            control(0, 1, 7),
            "tells of machine 7",
        ),
    ];
    for (name, bytes, expected) in cases {
        let (mut gate, mut end) = gate_and_end(0, Duration::from_secs(60));
        end.write_all(&bytes).unwrap();
        let error = turn_for(&mut gate, Duration::from_secs(10)).unwrap_err();
        assert!(
            matches!(error, FabricError::Garbled { machine: 1, .. }),
            "{name}: {error}"
        );
        assert!(error.to_string().contains(expected), "{name}: {error}");
        assert!(!error.is_bad_input());
        let again = gate.turn(TURN).unwrap_err();
        assert_eq!(again.to_string(), error.to_string());
        assert_eq!(gate.close().unwrap_err().to_string(), error.to_string());
    }
}

#[test]
fn a_fall_is_passed_on() {
    for (kind, machine, expected) in [
        (
            4,
            1,
            "machine 1 (127.0.0.1:2) is gone: it left before the end",
        ),
        (
            1,
            0,
            "machine 0 (127.0.0.1:1) is gone: its connection is lost, says machine 1",
        ),
        (
            2,
            0,
            "machine 0 (127.0.0.1:1) has been silent for 60 s, says machine 1",
        ),
        (
            3,
            0,
            "machine 0 (127.0.0.1:1) sends what is no batch: a broken message, says machine 1",
        ),
    ] {
        let (mut gate, mut end) = gate_and_end(0, Duration::from_secs(60));
        end.write_all(&control(0, kind, machine)).unwrap();
        let error = turn_for(&mut gate, Duration::from_secs(10)).unwrap_err();
        assert_eq!(error.to_string(), expected);
        // The other end is told, before the gate is dropped.
        let mut told = Vec::new();
        end.read_to_end(&mut told).unwrap();
        let mut message = Control::Gone(machine.into()).message(0, 1);
        let at = message.len() - 8;
        message[at] = kind;
        let is_told = told.windows(message.len()).any(|window| window == message);
        assert_eq!(is_told, kind == 2 || machine != 1, "{expected}");
    }
}

/// Its socket is full, and the engine's thread is stuck in it.
#[test]
fn a_machine_that_reads_nothing_is_silent() {
    for me in [0, 1] {
        let (mut gate, end) = gate_and_end(me, Duration::from_millis(400));
        for step in 0..64 {
            let batch = Batch::new(step, 0, 0, vec![0; 1 << 20]);
            match me {
                0 => gate.answer(1, batch),
                _ => gate.send(batch),
            }
        }
        let error = turn_for(&mut gate, Duration::from_secs(60)).unwrap_err();
        let is_silent = matches!(error, FabricError::Silent { machine, .. } if machine == 1 - me);
        assert!(is_silent, "{error}");
        drop(gate);
        drop(end);
    }
}

#[test]
fn a_gate_that_is_dropped_says_so() {
    let (gate, mut end) = gate_and_end(0, Duration::from_secs(60));
    drop(gate);
    let mut told = Vec::new();
    end.read_to_end(&mut told).unwrap();
    assert!(told.ends_with(&Control::Left(0).message(0, 1)));
}

/// Whatever becomes of the bytes, the gate neither panics nor hangs, and its threads end.
#[test]
fn changed_bytes_do_no_harm() {
    let said = said_by_machine_1();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let mut ends = BTreeMap::new();
    for round in 0..400 {
        let mut bytes = said.clone();
        for _ in 0..=draw(3) {
            let at = draw(bytes.len());
            bytes[at] = match draw(3) {
                0 => 0,
                1 => 0xff,
                _ => draw(256) as u8,
            };
        }
        if round % 4 == 0 {
            bytes.truncate(draw(bytes.len()));
        }
        let (mut gate, mut end) = gate_and_end(0, Duration::from_secs(60));
        let _ = end.write_all(&bytes); // The gate may have hung up.
        if round % 3 == 0 {
            drop(end);
        }
        let ended = match turn_for(&mut gate, Duration::from_millis(10)) {
            Ok(()) => "goes on",
            Err(FabricError::Garbled { .. }) => "garbled",
            Err(FabricError::Gone { .. }) => "gone",
            Err(FabricError::Engine { .. }) => "engine",
            Err(other) => panic!("{other}"),
        };
        *ends.entry(ended).or_insert(0) += 1;
    }
    println!("{ends:?}");
    assert!(ends["garbled"] > 10 && ends["gone"] > 10, "{ends:?}");
    // Those of a stopped engine stay: nothing is known of them.
    let engines = ends.get("engine").copied().unwrap_or(0);
    let until = Instant::now() + Duration::from_secs(20);
    while engine_threads() > 2 * engines + 8 && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    println!("{} threads of the engine are left", engine_threads());
    assert!(engine_threads() <= 2 * engines + 8);
}
