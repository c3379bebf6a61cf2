//! Machines that begin: those that were told the same do, others learn why not. Strangers on the
//! port change nothing.

mod machines;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use duet_fabric::{FabricError, Hosts, Terms, connect};
use machines::{Machine, Told, addresses};

#[test]
#[ignore = "a machine of the other tests"]
fn machine() {
    machines::be_a_machine();
}

/// Two machines of which the second is told something else; what both say.
fn say(other: impl Fn(&mut Told)) -> [String; 2] {
    let hosts = addresses(2);
    let mut told = [0, 1].map(|me| Told::new(&hosts, me));
    told.iter_mut().for_each(|told| told.steps = 3);
    other(&mut told[1]);
    told.map(|told| Machine::start(&told)).map(|machine| {
        let said = machine.last_line();
        (0..2).fold(said, |said, at| {
            said.replace(&hosts[at], &format!("host {at}"))
        })
    })
}

#[test]
fn machines_that_were_told_otherwise_say_what_differs() {
    let failed = "failed true: machine";
    let run = "was told another run: its configuration, workload or seed differs";
    let both = |what: &str| [1, 0].map(|other| format!("{failed} {other} (host {other}) {what}"));
    assert_eq!(say(|told| told.run = 8), both(run));
    assert_eq!(
        say(|told| told.token = "secret".to_owned()),
        both("has another token")
    );
    let build = |theirs: &str, ours: &str| format!("is another build: {theirs:?}, here {ours:?}");
    assert_eq!(
        say(|told| told.build = "0.2.0".to_owned()),
        [
            format!("{failed} 1 (host 1) {}", build("0.2.0", "0.1.0")),
            format!("{failed} 0 (host 0) {}", build("0.1.0", "0.2.0")),
        ]
    );
    assert_eq!(
        say(|told| told.hosts += ",127.0.0.1:9"),
        [
            format!("{failed} 1 (host 1) was told of 3 machines, this one of 2"),
            format!("{failed} 0 (host 0) was told of 2 machines, this one of 3"),
        ]
    );
    // All that is told alike, a token among it, lets them begin.
    assert!(say(|_| ()).iter().all(|said| said.starts_with("ended")));
}

#[test]
fn a_list_in_another_order_is_noticed() {
    let hosts = addresses(3);
    let swapped = [hosts[1].clone(), hosts[0].clone(), hosts[2].clone()];
    let told = [(&hosts[..], 0), (&hosts[..], 1), (&swapped[..], 2)];
    let machines = told.map(|(hosts, me)| {
        let told = Told {
            wait_ms: 1_500,
            ..Told::new(hosts, me)
        };
        Machine::start(&told)
    });
    let said = machines.map(Machine::last_line);
    assert!(said[2].contains("the lists of hosts differ"), "{}", said[2]);
    assert!(
        said.iter().all(|said| said.starts_with("failed true")),
        "{said:?}"
    );
}

#[test]
fn two_processes_with_one_number_are_told() {
    let hosts = addresses(3);
    let told = |me| Told {
        wait_ms: 5_000,
        ..Told::new(&hosts, me)
    };
    let zero = Machine::start(&told(0));
    // The last machine does not listen, so both find the way.
    let two = Machine::start(&told(2));
    thread::sleep(Duration::from_millis(500));
    let again = Machine::start(&told(2));
    let twice = format!(
        "failed true: machine 2 ({}) is there twice: two processes have its number",
        hosts[2]
    );
    assert_eq!(again.last_line(), twice);
    assert_eq!(zero.last_line(), twice);
    drop(two);
}

#[test]
fn a_port_in_use_is_named() {
    let hosts = addresses(2);
    let _port = std::net::TcpListener::bind(&hosts[0]).unwrap();
    let said = Machine::start(&Told::new(&hosts, 0)).last_line();
    let expected = format!("failed true: machine 0 cannot listen on {}: ", hosts[0]);
    assert!(said.starts_with(&expected), "{said}");
}

#[test]
fn machines_that_do_not_come_are_named() {
    let hosts = addresses(3);
    let told = |me| Told {
        wait_ms: 1_000,
        ..Told::new(&hosts, me)
    };
    let machines = [0, 1].map(|me| Machine::start(&told(me)));
    let said = machines.map(Machine::last_line);
    // Whoever gives up first has left when the other one does.
    let first = format!(
        "failed true: 2 of 3 machines are here after 1 s; not here: machine 2 ({})",
        hosts[2]
    );
    assert!(said.contains(&first), "{said:?}");
    let names_2 = |said: &String| said.contains(&format!("not here: machine 2 ({})", hosts[2]));
    assert!(said.iter().all(names_2), "{said:?}");
    let alone = Machine::start(&told(2)).last_line();
    let expected = format!(
        "failed true: 1 of 3 machines are here after 1 s; \
         not here: machine 0 ({}), machine 1 ({})",
        hosts[0], hosts[1]
    );
    assert_eq!(alone, expected);
}

#[test]
fn waiting_can_be_stopped() {
    let hosts = Hosts::parse(&addresses(2).join(","), 0).unwrap();
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let wait = Duration::from_secs(60);
    let error = thread::scope(|scope| {
        let waiting = scope.spawn(|| connect(&hosts, &Terms::default(), wait, &stop).unwrap_err());
        thread::sleep(Duration::from_millis(50));
        stop.store(true, Ordering::Relaxed);
        waiting.join().unwrap()
    });
    assert!(matches!(error, FabricError::Stopped) && !error.is_bad_input());
    assert!(begun.elapsed() < wait / 2);
}

#[test]
fn a_machine_may_start_again_while_others_wait() {
    let hosts = addresses(3);
    let told = |me| Told {
        steps: 3,
        ..Told::new(&hosts, me)
    };
    for again in [0, 1] {
        let mut machines = [0, 1].map(|me| Some(Machine::start(&told(me))));
        thread::sleep(Duration::from_millis(300));
        drop(machines[again].take()); // It is killed.
        thread::sleep(Duration::from_millis(100));
        machines[again] = Some(Machine::start(&told(again)));
        let last = Machine::start(&told(2));
        for machine in machines.into_iter().flatten().chain([last]) {
            let said = machine.last_line();
            assert!(said.starts_with("ended"), "{said}");
        }
    }
}

/// All kinds of strangers, until the port is closed.
fn be_strangers(address: &str, begun: Instant) -> (usize, Vec<TcpStream>) {
    let mut open = Vec::new();
    let mut calls = 0;
    while begun.elapsed() < Duration::from_secs(20) {
        let Ok(mut stream) = TcpStream::connect(address) else {
            if calls == 0 {
                continue;
            }
            break;
        };
        calls += 1;
        let greeting = b"duetfab\n\x02\0\0\0";
        match calls % 6 {
            0 => drop(stream.write_all(b"GET / HTTP/1.1\r\nHost: machine-0\r\n\r\n")),
            1 => drop(stream.write_all(&[0x5a; 5_000])),
            2 => drop(stream.write_all(b"\0")),
            // As a machine greets, and then nothing; or other bytes.
            3 => drop(stream.write_all(greeting)),
            4 => drop(stream.write_all(&[&greeting[..], &[0xff; 20]].concat())),
            _ => continue, // Hangs up.
        }
        open.push(stream); // And says nothing more.
        thread::sleep(Duration::from_millis(10));
    }
    (calls, open)
}

#[test]
fn strangers_are_ignored_and_hold_nobody_up() {
    let hosts = addresses(2);
    let told = |me| Told::new(&hosts, me);
    let zero = Machine::start(&told(0));
    let begun = Instant::now();
    let strangers = thread::spawn({
        let address = hosts[0].clone();
        move || be_strangers(&address, begun)
    });
    thread::sleep(Duration::from_millis(700));
    let one = Machine::start(&told(1));
    let here = one.line();
    println!("machine 1 is {here} ms after its start");
    let after_ms: u64 = here.strip_prefix("here: ").unwrap().parse().unwrap();
    assert!(after_ms < 1_500, "less than one silent stranger is granted");
    zero.wait_for("here");
    zero.wait_for("going");
    one.wait_for("going");
    let (calls, open) = strangers.join().unwrap();
    assert!(calls > 30, "{calls} strangers");
    // When all are there, the port is closed, and what strangers hold open is nothing to them.
    assert!(TcpStream::connect(&hosts[0]).is_err());
    for mut stream in open {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
    }
    thread::sleep(Duration::from_millis(100));
    let mut machines = [zero, one];
    assert!(
        machines
            .iter_mut()
            .all(|machine| machine.child.try_wait().unwrap().is_none())
    );
}
