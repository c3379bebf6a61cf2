//! Machines as processes: this test's own program, told by its environment which machine it is.

#![allow(clippy::unwrap_used)] // A test fails by panicking.
#![allow(dead_code)] // Each test uses some of it.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use duet_fabric::{Batch, FabricError, Gate, Hosts, Terms, connect};

const TOLD: &str = "DUET_FABRIC_MACHINE";
/// A test in which nothing happens for so long has failed.
const STUCK: Duration = Duration::from_secs(60);

/// What a machine is told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) hosts: String,
    pub(crate) me: usize,
    pub(crate) shards: u64,
    pub(crate) steps: u64,
    /// Machine m has so many steps fewer, times m.
    pub(crate) fewer: u64,
    /// Pause between turns.
    pub(crate) pace_ms: u64,
    /// How long Layer 1 takes for step 3.
    pub(crate) busy_ms: u64,
    /// After so many answers, machine 1 leaves.
    pub(crate) leave_at: u64,
    pub(crate) leave: Leave,
    pub(crate) wait_ms: u64,
    pub(crate) patience_ms: u64,
    pub(crate) build: String,
    pub(crate) run: u8,
    pub(crate) token: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    Drop,
    Exit,
    Panic,
}

impl Told {
    pub(crate) fn new(hosts: &[String], me: usize) -> Told {
        Told {
            hosts: hosts.join(","),
            me,
            shards: 2,
            steps: u64::MAX / 2,
            fewer: 0,
            pace_ms: 0,
            busy_ms: 0,
            leave_at: u64::MAX,
            leave: Leave::Drop,
            wait_ms: 20_000,
            patience_ms: 10_000,
            build: "0.1.0".to_owned(),
            run: 7,
            token: String::new(),
        }
    }

    fn encode(&self) -> String {
        let Told {
            hosts,
            me,
            shards,
            steps,
            fewer,
            pace_ms,
            busy_ms,
            leave_at,
            leave,
            wait_ms,
            patience_ms,
            build,
            run,
            token,
        } = self;
        format!(
            "{hosts}|{me}|{shards}|{steps}|{fewer}|{pace_ms}|{busy_ms}|{leave_at}|{leave:?}|\
             {wait_ms}|{patience_ms}|{build}|{run}|{token}"
        )
    }

    fn decode(text: &str) -> Told {
        let mut parts = text.split('|');
        let mut next = || parts.next().unwrap();
        Told {
            hosts: next().to_owned(),
            me: next().parse().unwrap(),
            shards: next().parse().unwrap(),
            steps: next().parse().unwrap(),
            fewer: next().parse().unwrap(),
            pace_ms: next().parse().unwrap(),
            busy_ms: next().parse().unwrap(),
            leave_at: next().parse().unwrap(),
            leave: match next() {
                "Drop" => Leave::Drop,
                "Exit" => Leave::Exit,
                _ => Leave::Panic,
            },
            wait_ms: next().parse().unwrap(),
            patience_ms: next().parse().unwrap(),
            build: next().to_owned(),
            run: next().parse().unwrap(),
            token: next().to_owned(),
        }
    }

    fn steps_of(&self, machine: u64) -> u64 {
        self.steps - self.fewer * machine
    }
}

/// Addresses that nobody uses. On Linux each machine has another loopback address, so that no
/// outgoing connection takes its port meanwhile.
pub(crate) fn addresses(machines: usize) -> Vec<String> {
    let listeners = (0..machines).map(|machine| {
        let last = if cfg!(target_os = "linux") {
            2 + machine
        } else {
            1
        };
        TcpListener::bind(format!("127.0.0.{last}:0")).unwrap()
    });
    let listeners: Vec<TcpListener> = listeners.collect();
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    listeners.iter().map(address).collect()
}

/// A machine, as the test sees it.
pub(crate) struct Machine {
    pub(crate) child: Child,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

impl Machine {
    pub(crate) fn start(told: &Told) -> Machine {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "machine", "--ignored", "--nocapture"])
            .env(TOLD, told.encode())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                assert!(!line.contains("panicked"), "{line}");
                // The harness says which test it is on the same line.
                if let Some((_, said)) = line.split_once("says ") {
                    let _ = sender.send(said.to_owned());
                }
            }
        });
        let (sender, errors) = mpsc::channel();
        let mut error = child.stderr.take().unwrap();
        thread::spawn(move || {
            let mut text = String::new();
            error.read_to_string(&mut text).unwrap();
            let _ = sender.send(text);
        });
        Machine {
            child,
            lines,
            errors,
        }
    }

    /// What it says next.
    pub(crate) fn line(&self) -> String {
        self.lines
            .recv_timeout(STUCK)
            .expect("the machine is stuck, or has ended")
    }

    pub(crate) fn wait_for(&self, beginning: &str) {
        let line = self.line();
        assert!(
            line.starts_with(beginning),
            "{line:?} instead of {beginning:?}"
        );
    }

    /// What it says last; and it has printed no error.
    pub(crate) fn last_line(mut self) -> String {
        let mut last = String::new();
        while let Ok(line) = self.lines.recv_timeout(STUCK) {
            last = line;
        }
        let status = self.child.wait().unwrap();
        assert_eq!(self.errors.recv_timeout(STUCK).unwrap(), "", "{last}");
        assert!(status.success(), "{status}: {last}");
        last
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the machine that the environment tells of, if it does.
pub(crate) fn be_a_machine() {
    let Ok(told) = std::env::var(TOLD) else {
        return;
    };
    let told = Told::decode(&told);
    match run(&told) {
        Ok(said) => println!("\nsays ended: {said}"),
        Err(error) => println!("\nsays failed {}: {error}", error.is_bad_input()),
    }
}

fn run(told: &Told) -> Result<String, FabricError> {
    let hosts = Hosts::parse(&told.hosts, told.me)?;
    let terms = Terms {
        build: told.build.clone(),
        run: [told.run; 32],
        token: told.token.clone(),
    };
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let sockets = connect(&hosts, &terms, Duration::from_millis(told.wait_ms), &stop)?;
    println!("\nsays here: {}", begun.elapsed().as_millis());
    let mut gate = Gate::open(sockets, Duration::from_millis(told.patience_ms))?;
    let said = Work::new(told, hosts.len()).run(&mut gate)?;
    if said != "left" {
        gate.close()?;
    }
    Ok(said)
}

/// The shards of a machine, and Layer 1.
struct Work<'a> {
    told: &'a Told,
    machines: u64,
    sent: Vec<u64>,
    answered: Vec<u64>,
    settled: u64,
}

/// Steps that a shard may be ahead of its answers.
const AHEAD: u64 = 4;

impl Work<'_> {
    fn new(told: &Told, machines: usize) -> Work<'_> {
        Work {
            told,
            machines: machines as u64,
            sent: vec![0; told.shards as usize],
            answered: vec![0; told.shards as usize],
            settled: 0,
        }
    }

    fn run(mut self, gate: &mut Gate) -> Result<String, FabricError> {
        let (told, me) = (self.told, self.told.me as u64);
        let steps = told.steps_of(me);
        let is_layer_1 = me == 0;
        let mut is_going = false;
        while self.answered.iter().any(|answered| *answered < steps)
            || is_layer_1 && self.settled < steps
        {
            self.send(gate, steps);
            gate.turn(Duration::from_millis(20))?;
            while let Some((step, batches)) = gate.next_step() {
                self.settle(gate, step, batches);
            }
            while let Some(answer) = gate.answered() {
                self.take(&answer);
            }
            if !is_going && self.answered[0] > 0 {
                println!("\nsays going");
                is_going = true;
            }
            if me == 1 && self.answered[0] >= told.leave_at {
                return Ok(self.leave());
            }
            thread::sleep(Duration::from_millis(told.pace_ms));
        }
        assert!(gate.next_step().is_none() && gate.answered().is_none());
        let waited = gate.waited().into_iter().enumerate();
        let most = waited.max_by_key(|(_, waited)| waited.alone_ns);
        let most = most.map_or(0, |(machine, _)| machine);
        Ok(format!(
            "{} settled, {:?} answered; waited most for {most}",
            self.settled, self.answered
        ))
    }

    fn send(&mut self, gate: &mut Gate, steps: u64) {
        for at in 0..self.sent.len() {
            let shard = self.told.me as u64 * self.told.shards + at as u64;
            while self.sent[at] < steps && self.sent[at] - self.answered[at] < AHEAD {
                let step = self.sent[at];
                gate.send(Batch::new(step, shard as u32, 1, body(step, shard, 1)));
                self.sent[at] += 1;
            }
        }
        let least = self.sent.iter().min().copied().unwrap_or(0);
        gate.pass(if least == steps { u64::MAX } else { least });
    }

    /// Every step once, in order, with all batches of all machines that have it.
    fn settle(&mut self, gate: &mut Gate, step: u64, batches: Vec<Batch>) {
        assert_eq!(step, self.settled);
        self.settled += 1;
        let told = self.told;
        if step == 3 {
            thread::sleep(Duration::from_millis(told.busy_ms));
        }
        let machines = (0..self.machines).filter(|machine| step < told.steps_of(*machine));
        let expected =
            machines.flat_map(|machine| machine * told.shards..(machine + 1) * told.shards);
        let from: Vec<u64> = batches.iter().map(|batch| batch.from.into()).collect();
        assert_eq!(from, expected.collect::<Vec<_>>(), "step {step}");
        for batch in batches {
            let shard = u64::from(batch.from);
            assert_eq!((batch.step, batch.to, batch.tag), (step, 0, 1));
            assert!(
                batch.body() == body(step, shard, 1),
                "step {step} of shard {shard}"
            );
            let answer = Batch::new(step, batch.from, 2, body(step, shard, 2));
            gate.answer((shard / told.shards) as usize, answer);
        }
    }

    fn take(&mut self, answer: &Batch) {
        let shard = u64::from(answer.from);
        let at = shard
            .checked_sub(self.told.me as u64 * self.told.shards)
            .unwrap() as usize;
        assert_eq!((answer.step, answer.tag), (self.answered[at], 2));
        assert_eq!(answer.to as usize, self.told.me);
        assert!(answer.body() == body(answer.step, shard, 2));
        self.answered[at] += 1;
    }

    fn leave(&self) -> String {
        match self.told.leave {
            Leave::Drop => {}
            Leave::Exit => std::process::exit(0),
            Leave::Panic => std::panic::resume_unwind(Box::new(())),
        }
        "left".to_owned()
    }
}

/// Bytes that depend on all three: mostly short, sometimes none, now and then many.
fn body(step: u64, shard: u64, kind: u64) -> Vec<u8> {
    let mut word = (step << 20 | shard << 4 | kind).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bytes = match word >> 59 {
        0 => 0,
        1 => 2_000_000,
        _ => word >> 54,
    };
    let next = || {
        word = word.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word.to_le_bytes()
    };
    let mut body: Vec<u8> = std::iter::repeat_with(next)
        .take(bytes.div_ceil(8) as usize)
        .flatten()
        .collect();
    body.truncate(bytes as usize);
    body
}
