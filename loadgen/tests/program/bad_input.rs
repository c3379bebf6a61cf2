//! Whatever cannot be run is refused before anything is done: exit 2, the value and what was
//! expected on standard error, nothing on standard output, and no file, half-written or temporary.

use std::fs;

use clap::CommandFactory;
use duet_engine::crypto::{Backend, BackendChoice};
use duet_loadgen::cli::Cli;

use crate::common::{Folder, arguments};

const TRACE: &str = "time_s,payer,payee,amount\n0,a,b,50\n1,b,a,20\n";
const PROFILE: &str = "\
action,month,day,hour,count,sum,avg,std,step
PAYMENT,10,0,1,30,30000,1000,500,1
TRANSFER,10,0,1,30,30000,1000,500,1
";

/// Words that `loadgen run --out run.json` is given => what it says … part by part.
const RUN: &str = r#"
# Counts: zero, absurd, not numbers.
--sessions 0 => '0' for '--sessions … expected 1 or more
--planted-slowdown 101% => not a share … expected 0% to 100%
--planted-slowdown=-1% => not a share
--planted-slowdown fast => 'fast' is not a share
--sessions -1 => '-1'
--sessions many => 'many' for '--sessions … expected digits
--sessions 1.5 => '1.5' for '--sessions … not a whole number
--sessions 18446744073709551616 => too large a count … 18446744073709551615
--sessions 18446744073709551615 => --sessions 18446744073709551615 … at most 1125899906842624 payments
--sessions 10G --payments 1M => --sessions 10000000000 with --payments 1000000 … at most
--payments 0 => '0' for '--payments … expected 1 or more
--payments 2e15 => --payments 2000000000000000 … expected 1 to 1125899906842624
--concurrent 0 => '0' for '--concurrent … expected 1 or more
--concurrent 1G => --concurrent 1000000000 … expected 1 to 268435456
--turn-length 0 --pattern two-way => '0' for '--turn-length
--turn-length 1e30 --pattern two-way => '1e30' … too large a count
--cosign-every 0 => '0' for '--cosign-every
--cosign-every 10001 => --cosign-every 10001 … expected 1 to 10000
--cosign-every 4294967297 => --cosign-every 4294967297 … expected 1 to 10000
--in-flight 0 => '0' for '--in-flight
--in-flight 65537 => --in-flight 65537 … expected 1 to 65536
--shards 0 => '0' for '--shards
# Several machines.
--part 0/2 => '0' is too small: expected 1 or more; expected I/N such as 2/4
--part 3/2 --sessions 9 => part 3 of 2: expected 1 to 2
--part 1/2 => --part 1/2 needs --sessions
--metrics 0.0.0.0:9464 => '0.0.0.0:9464' can be reached from other machines: expected an address
--start-at soon => 'soon' for '--start-at
--hosts nonsense --machine 0 --sessions 9 => --hosts nonsense: machine 0's address "nonsense" … expected host:port
--hosts 127.0.0.1:1,127.0.0.1:1 --machine 0 --sessions 9 => have the same address 127.0.0.1:1
--hosts 127.0.0.1:1 --machine 7 --sessions 9 => machine 7 is not in the list of hosts
--hosts 127.0.0.1:1 --machine x --sessions 9 => 'x' for '--machine
--hosts 127.0.0.1:1 --hosts-wait long --sessions 9 => 'long' for '--hosts-wait
--shards 4294967297 => --shards 4294967297 … expected 1 to 1024
# Other means on Layer 1.
--arms fast => 'fast' is no arm … expected multi-send=N
--arms multi-send=1 => 'multi-send=1': expected 2 or more
--arms tab=0 => '0' is too small
--arms multi-send=257 => --arms multi-send=257: expected at most 256 payments in a transaction
--arms multi-send=22 --l1 solana-like => --arms multi-send=22: expected at most 21 payments
--arms tab=10,tab=10 => --arms tab=10: tab=10 is there already
--arms multi-send=256,multi-send=most => --arms multi-send=most: multi-send=256 is there already
--arms tab=10 --baseline-sessions 0 => --arms contradicts --baseline-sessions 0
--arms tab=10 --durability log --log-dir l => --arms contradicts --durability
--seed x => 'x' for '--seed … expected digits
--seed 18446744073709551616 => too large a count
--block-txs 0 => '0' for '--block-txs
--block-txs 5G => --block-txs 5000000000 … expected 1 to 4294967295
--challenge-blocks 0 => '0' for '--challenge-blocks
--challenge-blocks 5G => --challenge-blocks 5000000000 … expected 1 to 4294967295
--baseline-sessions 1M => --baseline-sessions 1000000 … expected at most the run's
--sessions 5 --baseline-sessions 6 => --baseline-sessions 6 … at most the run's 5 sessions
--baseline-sessions all => 'all' for '--baseline-sessions
--reserve 0 => '0' for '--reserve … expected 1 or more
--reserve 5E18 => the sum may be more than
--reserve 100 --capacity 150 --payments 100 => --capacity 150: too small … a reserve of 100 take at least 200
--reserve 5 --trace t.csv => --reserve contradicts --trace
# Adversaries.
--adversary stale=1% => 'stale=1%' for '--adversary … unknown attack `stale`, expected one of stale-close
--adversary silent => 'silent' for '--adversary … as in silent=1%
--adversary silent=2 => '2' is not a share: expected 0% to 100%
--adversary silent=70%,replay=40% => the shares sum to 110.0 %, expected at most 100 %
--adversary silent=1%,silent=1% => silent has its share already
--l1-delay-blocks 3 => --l1-delay-blocks needs --adversary
--adversary silent=1% --challenge-blocks 2M => --challenge-blocks 2000000: expected 1 to 1048576
--adversary silent=1% --l1-delay-blocks 2M => --l1-delay-blocks 2000000: expected 1 to 1048576
--adversary silent=1% --l1-delay-blocks x => 'x' for '--l1-delay-blocks
--adversary silent=1% --trace t.csv => --adversary contradicts --trace
--cut-off 5 --validators 4 => '5' … expected from which block until which other one, as in 20..60
--cut-off 0..5 --validators 4 => '0..5' … as in 20..60
--cut-off 60..20 --validators 4 => '60..20' … expected 1 to 1048576 blocks, from 60 on
--cut-off 1..2M --validators 4 => '1..2M' … expected 1 to 1048576 blocks
--cut-off 20..60 => --cut-off needs --l1 or --validators
--each-validator-executes => --each-validator-executes needs --validators
--each-validator-executes --validators 4 --l1-alone => --l1-alone contradicts --each-validator-executes
# Rates and times.
--rate 0 => '0' for '--rate … above 0 per second
--rate -5 => '-5'
--rate NaN => 'NaN' for '--rate
--rate 1e-300 => --rate 1e-300 … expected 0.001 to 1000000000
--rate 1e300 => --rate 1e300 … expected 0.001 to 1000000000
--duration 0s => --duration 0s … more than zero
--duration 10 => '10' for '--duration … a number and its unit
--duration 1e12s => '1e12s' … the longest is 584 years
--rate 1k --cosign-after 5 => '5' for '--cosign-after … a number and its unit
--rate 1k --cosign-after 18446744073709551615ns => --cosign-after 18446744073s … at most 1h
--trace t.csv --speedup 0 => '0' for '--speedup
--trace t.csv --speedup 1e-9 => --speedup 1e-9 … expected 0.000001 to
--trace t.csv --speedup 1e300 => --speedup 1e300 … to 1000000000000
--trace century.csv --speedup 0.1 => --speedup 0.1 … the replay takes … 100 years
# Words that name nothing.
--pattern circular => 'circular' for '--pattern … one-way, two-way
--backend gpu => 'gpu' … expected auto, dalek, lanes, lanes/avx512-ifma, lanes/avx2-fma or lanes/plain
--amount 100 => '100' … expected fixed:N, uniform:A-B or lognormal:MU,SIGMA
--amount pareto:1 => 'pareto:1' … expected fixed:N
--amount fixed:0 => 'fixed:0' … amount 0 is not a payment
--amount fixed:2e12 => 2000000000000 … the largest is 1099511627776
--amount uniform:9-3 => the lowest amount 9 is above the highest 3
--amount uniform:5 => 'uniform:5' … expected two amounts
--amount lognormal:40,1 => mu 40 is out of range
--amount lognormal:1,-1 => sigma -1 is out of range
--amount => a value is required for '--amount
--unknown 1 => unexpected argument '--unknown'
nothing => unexpected argument 'nothing'
# Deposits.
--capacity 0 => '0' for '--capacity … expected 1 or more
--capacity half => 'half' is not a capacity … expected from-trace
--capacity 5e18 => '5e18' is too large … the largest is 4611686018427387904
--capacity quantile:0 --trace t.csv => 'quantile:0' … above 0 and at most 1
--capacity quantile:1.5 --trace t.csv => 'quantile:1.5' … above 0 and at most 1
--capacity quantile:NaN --trace t.csv => 'quantile:NaN'
--payments 100 --amount fixed:5 --capacity 499 => --capacity 499 … too small … at least 500
--amount fixed:5 --pattern two-way --capacity 4 => --capacity 4 … too small … at least 5
--trace t.csv --capacity 19 => --capacity 19 … too small … the smallest is 20
--amount fixed:1e12 --payments 10M => --amount fixed:1000000000000 with --payments 10000000 … more than
--sessions 1M --payments 100k --amount fixed:1e9 => 1000000 sessions that lock 100000000000000 each
--trace rich.csv --capacity 4e18 => --capacity 4000000000000000000 … deposits sum to more than
# Contradictions.
--trace t.csv --sessions 2 => --sessions contradicts --trace
--trace t.csv --payments 2 => --payments contradicts --trace
--trace t.csv --concurrent 2 => --concurrent contradicts --trace
--trace t.csv --pattern one-way => --pattern contradicts --trace
--trace t.csv --turn-length 2 => --turn-length contradicts --trace
--trace t.csv --amount fixed:1 => --amount contradicts --trace
--trace t.csv --rate 10 => --rate contradicts --trace
--trace t.csv --baseline-sessions 2 => --baseline-sessions 2 … the run's 1 sessions
--trace t.csv --cosign-after 1ms => --cosign-after needs --rate
--speedup 10 => --speedup needs --trace
--capacity from-trace => --capacity from-trace needs --trace … expected a number
--capacity quantile:0.9 => --capacity quantile:0.9 needs --trace
--turn-length 5 => --turn-length needs --pattern two-way
--turn-length 5 --pattern one-way => --turn-length needs --pattern two-way
--cosign-after 1ms => --cosign-after needs --rate … closed loop
# Logs.
--durability never => 'never' for '--durability … none, log, fsync
--durability log => --durability log needs --log-dir
--log-dir log => --log-dir log needs --durability
--ack-file acks => --ack-file needs --durability
--durability log --log-dir . => --out run.json: expected a file outside of --log-dir .
--durability log --log-dir log --ack-file t.csv --trace t.csv => --ack-file t.csv: --trace names the same file
--durability log --log-dir log --ack-file run.json => --ack-file run.json: --out names the same file
--durability log --log-dir log --adversary all=1% => --adversary contradicts --durability
--durability log --log-dir log --trace t.csv --speedup 1 => --speedup contradicts --durability
--audit-log log --durability log --log-dir other => --audit-log contradicts --durability
--audit-log log --adversary silent=1% => --audit-log contradicts --adversary
--audit-log missing/log => its parent does not exist
--audit-segment 0 => '0' for '--audit-segment … expected 1 or more
--audit-segment 1M => --audit-segment needs --audit-log
--preset huge => 'huge' for '--preset
# Layer 1's profile.
--l1 etherium => --l1: 'etherium' is no Layer 1 profile: expected duet, ethereum-60m, … or a file
--l1 folder => --l1: folder: cannot be read
--l1 t.csv => --l1: t.csv: line 1:
--l1 slow.toml => --l1: slow.toml: line 1: … `block.interval_ms` is -1: expected a whole number from 1
--l1 no-post.toml => --l1: no-post.toml: not for a run: missing field `close.post`
--l1 huge.toml --audit-log log => --audit-log log contradicts --l1 huge.toml: its blocks may have … bytes; expected `block.bytes` of at most 16777103
--l1 as-known.toml => --l1 as-known.toml: its `name` is 'duet' … expected a name of its own
--l1 no-post.toml --out no-post.toml => --out no-post.toml: --l1 names the same file
--l1 duet --block-txs 2857 => --block-txs contradicts --l1 duet: the profile says
--l1 duet --durability log --log-dir log => --durability contradicts --l1 duet … the log does not keep
--session-time 1s => --session-time needs --l1
--validators 101 => --validators 101: expected at most 100
--validators 4 --l1 bitcoin => --l1 bitcoin: its finality is modelled
--validators 4 --block-txs 7 => --block-txs contradicts --l1 duet
--validators 4 --durability fsync --log-dir log => --durability contradicts --l1 duet
--validators 4 --validator-faults silent=5 => --validator-faults: 5 of 4 validators cannot be faulty
--validators 4 --validator-faults asleep=1 => unknown fault 'asleep', expected one of silent, slow
--validators 4 --validator-faults censor=1 --l1-alone => --l1-alone contradicts
--validator-faults silent=1 => --validator-faults needs --validators, 1 or more
--validators 0 --validator-faults silent=0 => --validator-faults needs --validators, 1 or more
--validators 4 --validator-faults , => ',' for '--validator-faults … expected something between its commas
--validators 4 --validator-latency ,, => ',,' for '--validator-latency … expected something between its commas
--validators 4 --validator-latency 0:1ns,100%:5ms => '0:1ns': expected whole microseconds
--validators 4 --validator-latency 0:5ms,100%:60s => nor be above ten seconds
--validators 4 --validator-latency 0:5ms => rise from 0 to 1
--validators 4 --validator-loss 200% => '200%'
--validators 4 --validator-loss 99.9% => '99.9%' for '--validator-loss … expected at most 50%
--validators 4 --validator-loss 100% => '100%' for '--validator-loss … expected at most 50%
--validators 4 --validator-loss 0.00001% => '0.00001%' for '--validator-loss … 0%, or 0.0001% and more
--validators 4 --validator-partition 9s..3s=1 => '9s..3s=1'
--validators 4 --validator-partition 5s..5s=1 => '5s..5s=1': it ends before it begins
--validators 4 --validator-partition 3s..9s=0 => '3s..9s=0': it cuts nobody off
--validators 4 --validator-partition 3s..9s=4 => fewer than all 4 validators
--validators 4 --validator-partition 0s..10s=4 => --validator-partition 0s..10s=4: expected fewer
--l1 duet --session-time 5 => '5' for '--session-time … a number and its unit
--l1 duet --session-time 1us => --session-time 1µs: expected whole milliseconds
--l1 duet --session-time 1M => '1M' for '--session-time
--l1 duet --session-time 10000h => --session-time 10000 h: expected at most 8784 h, 366 days
--l1 duet --rate 0.001 => --session-time … the time in which a session's payments arrive
# Outputs; the last one counts.
--out missing/run.json => cannot write 'missing/run.json' … 'missing' does not exist
--out folder => cannot write 'folder': it is a folder
--out . => cannot write '.': it does not name a file
--out .. => cannot write '..'
--out new/ => cannot write 'new/' … it names a folder
--out t.csv/run.json => cannot write 't.csv/run.json'
--out read-only.json => cannot write 'read-only.json' … read-only
--trace t.csv --out t.csv => --out t.csv: --trace names the same file
--trace second.csv --out t.csv => --out t.csv: --trace names the same file
--trace t.csv --out ./t.csv => --out ./t.csv: --trace names the same file
# Traces that are not there.
--trace missing.csv => cannot open the trace 'missing.csv'
--trace . => cannot open the trace '.' … directory
"#;

/// Words that `loadgen trace`, with all it needs, is given.
const GENERATE: &str = r#"
--pairs 0 => --pairs 0 … expected 1 or more
--pairs x => 'x' for '--pairs
--pairs 10 => --pairs 10 is more than --payments 9
--pairs 1G --payments 1G => --pairs 1000000000 is too many … 10000000
--payments 0 => --payments 0 … expected 1 or more
--payments 2G => --payments 2000000000 is too many … 1000000000
--seed x => 'x' for '--seed … expected digits
--skew steep => 'steep' is not a skew … zipf:S
--skew zipf:0 => 'zipf:0' … above 0
--action LOAN => no action 'LOAN' … it has PAYMENT, TRANSFER
--action PAYMENT,PAYMENT => names PAYMENT twice
--from-hourly missing.csv => cannot open the hourly profile 'missing.csv'
--from-hourly t.csv => hourly profile 't.csv', line 1 … expected the header
--from-hourly bad-hour.csv => hourly profile 'bad-hour.csv', line 4
--out missing/n.csv => cannot write 'missing/n.csv'
--out folder => cannot write 'folder': it is a folder
--out h.csv => --out h.csv: --from-hourly names the same file
--out read-only.json => cannot write 'read-only.json' … read-only
--unknown => unexpected argument '--unknown'
"#;

/// Whole command lines.
const OTHER: &str = r#"
reports-nothing => unrecognized subcommand 'reports-nothing'
--sessions 5 run => cannot be used with '--sessions
recover folder --out new.json => --go-on|--close
recover folder --out new.json --check-acks t.csv => --go-on|--close
completions => <SHELL>
run --sessions -5 => '-5' is not a count
run --rate -5 => '-5' is not … expected
sweep s.sweep -- --backend auto => --backend after `--` … expected before it
offload --payments 0 => '0' for '--payments … expected 1 or more
offload --payments 9,9 => --payments: 9 is there twice … expected each once
offload --payments 1M => --payments 1000000: nothing of it is run … expected a length of 1 to 100
offload --payments 101 --disputes 1% => --payments 101: nothing of it is run
offload --open-batch 2 => nothing of it is run … --open-batch 1
offload --open-batch 257 => --open-batch 257 … expected 1 to 256
offload --disputes 101% => '101%' is not a share … expected 0% to 100%
offload --disputes 0.01% => --disputes 0.01 % … expected 0, or 0.05 % and more
offload --disputes 0,0% => --disputes: 0 % is there twice
offload --repeats 0 => --repeats 0 … expected 1 to 100
offload --l1 nowhere => --l1: … 'nowhere'
offload --l1 duet --l1 duet => --l1: duet is there twice … expected each profile once
offload --planted-price close=3 => 'close=3' is no price … expected 1 or more as in close.bytes=320
offload --cpu-within 200% => '200%' is not a share
offload --out missing/c.json => cannot write 'missing/c.json'
completions tcsh => 'tcsh' … bash … zsh … fish
trace => --from-hourly <FILE> … --pairs <N> … --payments <N> … --out <FILE>
"#;

/// What follows a trace's header, line ends as `/` => what is said.
const TRACES: &str = r#"
 => has a header and no payments
// => has a header and no payments
0,a,b,1/1,a,a,5/ => line 3 … 'a' pays itself
0,a,b,-5/ => line 2 … amount '-5' is negative
0,a,b,0/ => line 2 … an amount of zero
0,a,b,9007199254740993/ => line 2 … amount '9007199254740993' is too large … 9007199254740992
0,a,b,99999999999999999999999/ => line 2 … too large
0,a,b,1//2,a,b,1.5/ => line 4 … amount '1.5' is not an integer
0,a,b,much/ => line 2 … amount 'much' is not a number
0,a,b,/ => line 2 … amount '' is not a number
0,a,b/ => line 2 … expected 4 fields … found 3
0,a,b,1,2/ => line 2 … expected 4 fields … found 5
0,,b,1/ => line 2 … the payer has no name
0,a,"",1/ => line 2 … the payee has no name
0,"a,b,1/ => line 2 … quotation mark
-1,a,b,1/ => line 2 … time '-1' is negative
noon,a,b,1/ => line 2 … time 'noon' is not a number
1e10,a,b,1/ => line 2 … time '1e10' is too large
5,a,b,1/4,a,b,1/ => line 3 … time '4' goes back … 5.000000000
"#;

/// A folder with every file that the tables name.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("t.csv", TRACE);
    folder.write(
        "century.csv",
        "time_s,payer,payee,amount\n0,a,b,1\n3e8,a,b,1\n3.5e8,a,b,1\n",
    );
    folder.write(
        "rich.csv",
        "time_s,payer,payee,amount\n0,a,b,1\n0,c,d,1\n0,e,f,1\n",
    );
    let duet = duet_profile::ProfileText::find("duet").unwrap().text;
    let (before, post) = duet.split_once("[close.post]").unwrap();
    let (_, after) = post.split_once("[close.answer]").unwrap();
    folder.write("no-post.toml", format!("{before}[close.answer]{after}"));
    folder.write("as-known.toml", format!("{duet}# Changed.\n"));
    let huge = duet.replacen("name = \"duet\"", "name = \"huge\"", 1);
    let huge = huge.replacen("value = 8_388_608", "value = 8_388_608_000", 1);
    folder.write(
        "huge.toml",
        huge.replacen("value = 2_857", "value = 2_857_000", 1),
    );
    let slow = "block.interval_ms = { value = -1, source = \"s\" }\n";
    folder.write("slow.toml", slow);
    fs::hard_link(folder.path("t.csv"), folder.path("second.csv")).unwrap();
    folder.write("h.csv", PROFILE);
    folder.write(
        "bad-hour.csv",
        format!("{PROFILE}PAYMENT,10,0,2,-1,1,1,1,2\n"),
    );
    fs::create_dir(folder.path("folder")).unwrap();
    folder.write("read-only.json", "kept");
    let path = folder.path("read-only.json");
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    folder
}

/// A table's rows: what is given, and what is said of it.
fn rows(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let rows = table.lines().skip(1).filter(|line| !line.starts_with('#'));
    rows.map(|row| row.split_once(" => ").unwrap())
}

/// Runs it, and holds it to the promise at the top of this file.
fn refused(folder: &Folder, words: &str, expected: &str) {
    let before = folder.names();
    let ended = folder.loadgen(&arguments(words));
    assert_eq!(ended.code, Some(2), "{words}: {ended:?}");
    assert_eq!(ended.stdout, "", "{words}");
    for part in expected.split(" … ") {
        assert!(
            ended.stderr.contains(part),
            "{words}: no {part:?} in {}",
            ended.stderr
        );
    }
    assert!(
        !ended.stderr.contains("panicked"),
        "{words}: {}",
        ended.stderr
    );
    assert_eq!(folder.names(), before, "{words}");
    for (name, text) in [
        ("read-only.json", "kept"),
        ("t.csv", TRACE),
        ("h.csv", PROFILE),
    ] {
        assert_eq!(folder.read(name), text, "{words}");
    }
}

#[test]
fn options_of_run() {
    let folder = folder();
    for (words, expected) in rows(RUN) {
        refused(&folder, &format!("run --out run.json {words}"), expected);
    }
}

#[test]
fn options_of_trace() {
    let folder = folder();
    let sound = "trace --from-hourly h.csv --pairs 1 --payments 9 --out n.csv";
    for (words, expected) in rows(GENERATE) {
        refused(&folder, &format!("{sound} {words}"), expected);
    }
    assert_eq!(folder.loadgen(&arguments(sound)).code, Some(0));
}

#[test]
fn other_command_lines() {
    let folder = folder();
    for (words, expected) in rows(OTHER) {
        refused(&folder, words, expected);
    }
}

#[test]
fn malformed_traces() {
    let folder = folder();
    let header = &b"time_s,payer,payee,amount\n"[..];
    let after_header = |text: &[u8]| [header, text].concat();
    let mut table: Vec<(Vec<u8>, &str)> = rows(TRACES)
        .map(|(text, expected)| (after_header(text.replace('/', "\n").as_bytes()), expected))
        .collect();
    table.extend([
        (
            Vec::new(),
            "line 1: expected the header 'time_s,payer,payee,amount', found ''",
        ),
        (
            b"time,from,to,amount\n".to_vec(),
            "line 1 … found 'time,from,to,amount'",
        ),
        (b"0,a,b,1\n".to_vec(), "line 1: expected the header"),
        (b"\xff\xfe\n".to_vec(), "line 1: it is not valid UTF-8"),
        (b"\x1f\x8b\x08\x00compressed".to_vec(), "line 1"),
        (
            after_header(b"0,a,b,1\n1,a,\xff\xfe,1\n"),
            "line 3: it is not valid UTF-8",
        ),
        (
            after_header(format!("0,{},b,1\n", "a".repeat(5000)).as_bytes()),
            "line 2: it is longer than 4096 bytes",
        ),
        // 2^62 / 2^53 = 512 of the largest payments are the most that one pair may have.
        (
            after_header("0,a,b,9007199254740992\n".repeat(513).as_bytes()),
            "line 514 … between 'a' and 'b' … (2^62)",
        ),
    ]);
    for (text, expected) in table {
        folder.write("bad.csv", text);
        let expected = format!("trace 'bad.csv' … {expected}");
        refused(&folder, "run --out run.json --trace bad.csv", &expected);
    }
}

/// With `--json` and `--quiet` too, a refusal is said, and said on standard error.
#[test]
fn refusals_are_never_quiet() {
    let folder = folder();
    for words in ["--quiet", "--json", "--quiet --json"] {
        refused(
            &folder,
            &format!("run {words} --in-flight 65537"),
            "--in-flight 65537",
        );
    }
}

#[test]
fn a_back_end_that_this_build_does_not_have() {
    for name in ["lanes/avx512-ifma", "lanes/avx2-fma"] {
        let choice: BackendChoice = name.parse().expect("a back end's name");
        if Backend::select(choice).is_err() {
            let words = format!("run --out run.json --backend {name}");
            let refusal = format!("back end '{name}' needs … expected auto, dalek or lanes");
            refused(&folder(), &words, &refusal);
        }
    }
}

#[cfg(unix)]
#[test]
fn words_that_are_not_utf_8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let words = [OsStr::new("--sessions"), OsStr::from_bytes(b"\xff")];
    let ended = folder().loadgen(&words);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(2), ""),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("UTF-8"), "{ended:?}");
}

#[test]
fn every_option_that_takes_a_value_is_in_the_tables() {
    let command = Cli::command();
    for (name, table) in [("run", RUN), ("trace", GENERATE)] {
        let options = command.find_subcommand(name).unwrap().get_arguments();
        for option in options.filter(|option| option.get_action().takes_values()) {
            let option = format!("--{} ", option.get_long().unwrap());
            assert!(
                rows(table).any(|(words, _)| words.contains(&option)),
                "no {option}"
            );
        }
    }
}
