//! Several `loadgen`s run one workload over one Layer 1, each a process of its own on this machine:
//! the same blocks as one alone, and a clean end for all when one of them falls.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod common;

use std::env;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Ended, Folder, arguments};
use duet_run_file::run_file::RunFile;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rustix::process::{Pid, Signal, kill_process};

/// So many addresses of this host that nobody listens on.
fn free_hosts(count: usize) -> String {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let addresses = listeners
        .iter()
        .map(|one| one.local_addr().unwrap().to_string());
    addresses.collect::<Vec<_>>().join(",")
}

/// Starts a machine of a run; its run file goes to `I.json`.
fn start(folder: &Folder, words: &str, hosts: &str, machine: usize) -> Child {
    let words = format!("run {words} --hosts {hosts} --machine {machine} --out {machine}.json");
    let mut command = folder.command(&arguments(&words));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Runs a workload on so many machines, each with its own words besides.
fn together(folder: &Folder, words: &[String]) -> Vec<Ended> {
    let hosts = free_hosts(words.len());
    let machines = words.iter().enumerate();
    let started = machines.map(|(machine, words)| start(folder, words, &hosts, machine));
    let started: Vec<Child> = started.collect();
    let ended = started
        .into_iter()
        .map(|child| child.wait_with_output().unwrap());
    ended.map(Ended::from).collect()
}

fn read(folder: &Folder, name: &str) -> RunFile {
    RunFile::parse(name.as_ref(), &folder.read(name)).unwrap()
}

/// What the whole has by the workload and its one Layer 1 alone, whoever ran it.
fn counts(run: &RunFile) -> Vec<(&'static str, u64)> {
    let l1 = &run.l1.channels;
    let of_one_layer_1 = [
        ("bytes", l1.bytes),
        ("reads", l1.state_reads),
        ("peak", l1.peak_state_entries),
        ("blocks", l1.blocks),
        ("payments each", run.workload.payments_per_session),
        ("shards", run.workload.shards),
    ];
    common::counts(run)
        .into_iter()
        .chain(of_one_layer_1)
        .collect()
}

#[test]
fn machines_make_the_blocks_of_one_and_one_report() {
    let trace = "time_s,payer,payee,amount\n0,ann,bob,5\n0.1,bob,cid,7\n0.2,ann,cid,2\n\
                 0.3,bob,ann,3\n0.4,dan,eve,11\n0.5,ann,bob,1\n";
    let folder = Folder::new();
    folder.write("trace.csv", trace);
    for (words, machines) in [
        (
            "--sessions 37 --concurrent 12 --payments 30 --block-txs 3 --shards 4",
            1,
        ),
        (
            "--sessions 37 --concurrent 12 --payments 30 --block-txs 3 --shards 2",
            2,
        ),
        (
            "--sessions 90 --concurrent 9 --payments 40 --cosign-every 4 --pattern two-way --shards 1",
            4,
        ),
        ("--trace trace.csv --shards 1 --block-txs 2", 2),
    ] {
        let words = format!("{words} --baseline-sessions 2");
        let shards = words.split("--shards ").nth(1).unwrap()[..1]
            .parse::<usize>()
            .unwrap();
        let all = shards * machines;
        let (alone, _) =
            folder.run(&words.replace(&format!("--shards {shards}"), &format!("--shards {all}")));
        let ends = together(&folder, &vec![words.clone(); machines]);
        for (machine, ended) in ends.iter().enumerate() {
            assert_eq!(ended.code, Some(0), "{words}: {ended:?}");
            let said = format!("machine {machine} of {machines}: machine 0 has the report");
            assert_eq!(ended.stderr.contains(&said), machine > 0, "{ended:?}");
            assert_eq!(ended.stdout.is_empty(), machine > 0, "{ended:?}");
        }
        let merged = read(&folder, "0.json");
        assert!(
            merged.achieved.valid,
            "{:?}",
            merged.achieved.invalid_reasons
        );
        assert_eq!(counts(&merged), counts(&alone), "{words}");
        assert_eq!(merged.l1.channels.tip, alone.l1.channels.tip, "{words}");
        let [ratio, of_alone] = [&merged, &alone].map(|run| {
            let offload = run.l1.offload.as_ref().unwrap();
            (offload.transactions.ratio, offload.bytes.ratio)
        });
        assert_eq!(ratio, of_alone, "{words}");
        let parts = merged.merged.unwrap();
        assert_eq!((parts.layer_1s, parts.machines), (1, 1));
        assert_eq!(parts.parts.len(), machines);
        assert!(parts.parts.iter().all(|part| part.l1_waited_s.is_some()));
        assert!(
            !folder.path("1.json").exists(),
            "machine 0 writes the report"
        );
        std::fs::remove_file(folder.path("0.json")).unwrap();
    }
}

#[test]
fn machines_that_do_not_agree_do_not_begin() {
    let folder = Folder::new();
    let words = "--sessions 8 --payments 5 --shards 1 --baseline-sessions 0";
    for (other, said) in [
        ("--seed 9", "was told another run"),
        ("--shards 2", "was told another run"),
        ("--hosts-wait 1s --payments 6", "was told another run"),
    ] {
        let ends = together(&folder, &[words.to_owned(), format!("{words} {other}")]);
        for ended in ends {
            assert_eq!(ended.code, Some(2), "{other}: {ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
            assert!(ended.stderr.contains(said), "{other}: {ended:?}");
        }
    }
    let alone = start(
        &folder,
        &format!("{words} --hosts-wait 1s"),
        &free_hosts(3),
        1,
    );
    let ended = Ended::from(alone.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.stderr.contains("1 of 3 machines are here after 1 s"),
        "{ended:?}"
    );
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_machine_that_is_killed_ends_the_run_on_all_others() {
    let rounds = env::var("DUET_ROUNDS").map_or(8, |rounds| rounds.parse().unwrap());
    let seed = env::var("DUET_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let words = "--sessions 3k --concurrent 30 --payments 2k --shards 1 --baseline-sessions 0";
    let mut took = Vec::new();
    for round in 0..rounds {
        let folder = Folder::new();
        let hosts = free_hosts(3);
        let machines = (0..3).map(|machine| start(&folder, words, &hosts, machine));
        let mut machines: Vec<Child> = machines.collect();
        let victim = random.next_u32() as usize % 3;
        let after = Duration::from_millis(300 + u64::from(random.next_u32() % 2000));
        sleep(after);
        let case = format!("seed {seed}, round {round}: machine {victim} after {after:?}");
        machines[victim].kill().unwrap();
        let killed = Instant::now();
        for (machine, child) in machines.into_iter().enumerate() {
            let ended = Ended::from(child.wait_with_output().unwrap());
            if machine == victim {
                continue;
            }
            took.push(killed.elapsed());
            assert!(killed.elapsed() < Duration::from_secs(10), "{case}");
            // One that had not begun to wait for the others yet waits for them in vain.
            assert!(
                [Some(1), Some(2)].contains(&ended.code),
                "{case}: {ended:?}"
            );
            assert!(!ended.stderr.contains("panicked"), "{case}: {ended:?}");
            let name = format!("machine {victim} (");
            assert!(ended.stderr.contains(&name), "{case}: {ended:?}");
            if ended.code == Some(1) {
                let part = read(&folder, &format!("{machine}.json"));
                let reason = &part.achieved.invalid_reasons[0];
                assert!(
                    reason.starts_with("ended early: machine "),
                    "{case}: {reason}"
                );
                assert!(part.achieved.interrupted && !part.achieved.valid, "{case}");
            }
        }
    }
    took.sort_unstable();
    eprintln!(
        "others ended after {:?} in the median, {:?} at most",
        took[took.len() / 2],
        took.last()
    );
}

#[test]
fn a_stop_on_one_machine_closes_what_is_open_on_all() {
    for (stopped, words) in [
        (1, "--sessions 30 --payments 1M"),
        (0, "--sessions 30 --payments 1M --rate 2000 --duration 60s"),
    ] {
        let folder = Folder::new();
        let hosts = free_hosts(3);
        let words = format!("{words} --shards 1 --baseline-sessions 0");
        let machines = (0..3).map(|machine| start(&folder, &words, &hosts, machine));
        let machines: Vec<Child> = machines.collect();
        sleep(Duration::from_millis(1500));
        let pid = Pid::from_child(&machines[stopped]);
        kill_process(pid, common::heeded(Signal::INT)).unwrap();
        let asked = Instant::now();
        for child in machines {
            let ended = Ended::from(child.wait_with_output().unwrap());
            assert!(asked.elapsed() < Duration::from_secs(10), "{words}");
            assert_eq!(ended.code, Some(130), "{words}: {ended:?}");
        }
        let run = read(&folder, "0.json");
        assert!(run.achieved.valid && run.achieved.interrupted, "{words}");
        assert_eq!(run.achieved.sessions_closed, 30, "{words}");
    }
}

/// What each machine was told may differ in the back end: it takes the best that it has.
#[test]
fn machines_may_have_back_ends_of_their_own() {
    let folder = Folder::new();
    let words = "--sessions 6 --payments 20 --shards 1 --baseline-sessions 1";
    let words = ["--backend dalek", "--backend auto"].map(|own| format!("{words} {own}"));
    for ended in together(&folder, &words) {
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    assert!(read(&folder, "0.json").achieved.valid);
}

/// Where there is a token, who does not have it is nobody, before the run and meanwhile.
#[test]
fn strangers_end_no_run() {
    let folder = Folder::new();
    let hosts = free_hosts(2);
    let words = "--sessions 6 --payments 200k --shards 1 --baseline-sessions 0";
    let port = hosts.split(',').next().unwrap().to_owned();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if let Ok(mut stream) = TcpStream::connect(&port) {
                    let _ = stream.write_all(b"duetfab\n\x09\0\0\0");
                    sleep(Duration::from_millis(5));
                }
            }
        });
        let machines = [0, 1].map(|machine| {
            let words =
                format!("run {words} --hosts {hosts} --machine {machine} --out {machine}.json");
            let mut command = folder.command(&arguments(&words));
            command
                .env("DUET_TOKEN", "word")
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command.spawn().unwrap()
        });
        let ends = machines.map(|child| Ended::from(child.wait_with_output().unwrap()));
        over.store(true, Ordering::Relaxed);
        for ended in ends {
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
    });
}

#[test]
fn what_does_not_go_over_several_machines_is_refused() {
    let folder = Folder::new();
    let hosts = "127.0.0.1:2101,127.0.0.1:2102";
    for (words, said) in [
        (
            "--sessions 9 --adversary all=1%",
            "--adversary contradicts --hosts",
        ),
        (
            "--sessions 9 --durability log --log-dir log",
            "--durability contradicts --hosts",
        ),
        (
            "--sessions 9 --audit-log audit",
            "--audit-log contradicts --hosts",
        ),
        (
            "--sessions 9 --start-at 7",
            "--start-at contradicts --hosts",
        ),
        ("--sessions 9 --part 1/2", "cannot be used with"),
        ("", "--hosts needs --sessions"),
        (
            "--sessions 3 --shards 2",
            "4 shards in all, expected at most one for each of 3 channels",
        ),
    ] {
        let words = format!("run {words} --hosts {hosts} --machine 0");
        let ended = folder.loadgen(&arguments(&words));
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
        assert!(ended.stderr.contains(said), "{words}: {ended:?}");
    }
    for (words, said) in [
        ("--hosts 127.0.0.1:2101 --machine 1", "127.0.0.1:2101"),
        ("--hosts nonsense --machine 0", "nonsense"),
        ("--hosts a:1,b:2", "expected --machine"),
        ("--machine 1", "--hosts"),
    ] {
        let mut command = folder.command(&arguments(&format!("run --sessions 9 {words}")));
        command
            .env_remove("JOB_COMPLETION_INDEX")
            .env_remove("SLURM_PROCID");
        let ended = Ended::from(command.output().unwrap());
        assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
        assert!(ended.stderr.contains(said), "{words}: {ended:?}");
    }
}
