//! What is generated from a small profile, and what is refused.

use std::{fs, path::Path};

use super::*;
use crate::trace::Trace;

const PROFILE: &str = "\
action,month,day,hour,count,sum,avg,std,step
CASH_IN,10,0,1,50,50000,1000,100,1
PAYMENT,10,0,1,300,300000,1000,500,1
PAYMENT,10,0,2,100,50000,500,0,2
PAYMENT,10,0,4,0,0,0,0,4
TRANSFER,10,0,1,100,900000,9000,9000,1
TRANSFER,10,0,3,100,900000,9000,9000,3
UNUSED,10,0,3,0,0,0,0,3
";

/// A profile in a folder of its own, and options that read it.
fn args_for(profile: &str) -> (tempfile::TempDir, TraceArgs) {
    let folder = tempfile::tempdir().unwrap();
    let from_hourly = folder.path().join("hourly.csv");
    fs::write(&from_hourly, profile).unwrap();
    let args = TraceArgs {
        from_hourly,
        action: vec!["PAYMENT".to_owned(), "TRANSFER".to_owned()],
        pairs: 10,
        skew: Skew::Zipf(1.1),
        payments: 6_000,
        seed: 1,
        out: folder.path().join("payments.csv"),
    };
    (folder, args)
}

fn generated(args: &TraceArgs) -> (GenerateReport, Vec<u8>) {
    let mut out = Vec::new();
    let report = generate(args, &AtomicBool::new(false), &mut out).unwrap();
    (report, out)
}

#[test]
fn payments_follow_the_profile() {
    let (_folder, args) = args_for(PROFILE);
    let (report, out) = generated(&args);
    let trace = Trace::read_from(out.as_slice(), Path::new("payments.csv")).unwrap();
    assert_eq!((trace.payments(), trace.sessions()), (6_000, 10));
    assert_eq!(
        (report.payments, report.pairs, report.pairs_used),
        (6_000, 10, 10)
    );
    assert_eq!((report.hours, report.profile_operations), (3, 600));

    // Hours 1, 2 and 3 have 400, 100 and 100 of the 600 operations.
    let text = String::from_utf8(out).unwrap();
    let mut per_hour = [0; 4];
    for line in text.lines().skip(1) {
        let seconds: f64 = line.split(',').next().unwrap().parse().unwrap();
        per_hour[(seconds / 3600.0) as usize] += 1;
    }
    assert_eq!(per_hour, [0, 4_000, 1_000, 1_000]);
    // Hour 2 has no deviation, and PAYMENT pays the merchant.
    let hour_2: Vec<&str> = text.lines().filter(|line| line.starts_with("75")).collect();
    assert!(
        hour_2
            .iter()
            .all(|line| line.contains(",C") && line.ends_with(",500"))
    );
    // (300·1000 + 100·500 + 200·9000) / 600
    assert!((report.profile_average - 3_583.333).abs() < 0.01);
    assert!(
        (report.average / report.profile_average - 1.0).abs() < 0.1,
        "{report}"
    );

    let busiest = trace
        .iter()
        .map(|session| session.payments.len())
        .max()
        .unwrap();
    assert_eq!(report.busiest_pair_payments, busiest as u64);
    assert!(report.to_string().ends_with(ASSUMPTION));
}

#[test]
fn the_seed_decides_everything() {
    let (_folder, args) = args_for(PROFILE);
    let (_, first) = generated(&args);
    assert_eq!(first, generated(&args).1);
    assert_ne!(
        first,
        generated(&TraceArgs {
            seed: 2,
            ..args.clone()
        })
        .1
    );
    // Written down once: a change here changes every trace that was made from a seed.
    let start = String::from_utf8(first[..HEADER.len() + 80].to_vec()).unwrap();
    assert_eq!(start.lines().nth(1), Some("3606.138,M1,C1,3516"));
}

#[test]
fn a_file_appears_whole() {
    let (folder, args) = args_for(PROFILE);
    let report = generate_file(&args, &AtomicBool::new(false)).unwrap();
    let (same_report, out) = generated(&args);
    assert_eq!(report, same_report);
    assert_eq!(fs::read(&args.out).unwrap(), out);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn shares_sum_and_keep_proportion() {
    for (whole, weights, shares) in [
        (10, vec![1, 1], vec![5, 5]),
        (10, vec![1, 1, 1], vec![4, 3, 3]),
        (1, vec![1, 2, 3], vec![0, 0, 1]),
        (7, vec![0, 5, 0], vec![0, 7, 0]),
        (5, vec![3, 3, 4], vec![2, 1, 2]),
        (
            u64::MAX,
            vec![u64::MAX, u64::MAX],
            vec![1 << 63, (1 << 63) - 1],
        ),
    ] {
        assert_eq!(
            apportion(whole, &weights),
            shares,
            "{whole} over {weights:?}"
        );
    }
}

#[test]
fn refuses_with_a_reason() {
    type Change = fn(&mut TraceArgs);
    let cases: [(Change, &str); 14] = [
        (|args| args.payments = 0, "--payments 0 makes no trace"),
        (
            |args| args.payments = MOST_PAYMENTS + 1,
            "--payments 1000000001 is too many",
        ),
        (|args| args.pairs = 0, "--pairs 0 leaves no one to pay"),
        (
            |args| args.pairs = 6_001,
            "--pairs 6001 is more than --payments 6000",
        ),
        (|args| args.action = vec![], "--action names no action"),
        (
            |args| args.action = vec!["PAYMENT".into(); 2],
            "--action names PAYMENT twice",
        ),
        (
            |args| args.action.push("DONATION".into()),
            "no action 'DONATION': it has CASH_IN, PAYMENT, TRANSFER, UNUSED",
        ),
        (
            |args| args.action = vec!["PAYMENT".into(), "payment".into()],
            "--action names PAYMENT twice",
        ),
        (
            |args| args.action = vec!["UNUSED".into()],
            "--action UNUSED: all counts are zero",
        ),
        (
            |args| _ = args.from_hourly.set_extension("none"),
            "cannot open the hourly profile '",
        ),
        (
            |args| _ = args.from_hourly.pop(),
            "cannot open the hourly profile '",
        ),
        (
            |args| fs::write(&args.from_hourly, "time_s,payer,payee,amount\n").unwrap(),
            "line 1: expected the header 'action,month,day,hour,count,sum,avg,std,step', found",
        ),
        (
            |args| fs::write(&args.from_hourly, PROFILE.replace(",500,0,2", ",-500,0,2")).unwrap(),
            "line 4: avg '-500' is not a number from 0",
        ),
        (|args| _ = args.out.pop(), "it is a folder"),
    ];
    for (change, words) in cases {
        let (folder, mut args) = args_for(PROFILE);
        change(&mut args);
        let error = generate_file(&args, &AtomicBool::new(false)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(!error.is_machine_fault(), "{error}");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing half-written"
        );
    }
}

#[test]
fn an_actions_spelling_changes_nothing() {
    let make = |profile: &str, action: &str| {
        let (_folder, mut args) = args_for(profile);
        args.action = vec![action.to_owned()];
        generated(&args)
    };
    let (report, plain) = make(PROFILE, "CASH_IN");
    assert!(report.unknown_actions.is_empty());
    for (spelt, asked) in [
        ("cash-in", "CASH_IN"),
        ("CASH_IN", "cash-in"),
        ("\"Cash In\"", "CASHIN"),
    ] {
        let profile = PROFILE.replace("CASH_IN", spelt);
        assert_eq!(make(&profile, asked).1, plain, "{spelt}, {asked}");
    }
    // Of another word nobody knows who pays whom: that is said, with its line.
    let (report, _) = make(&PROFILE.replace("CASH_IN", "top-up"), "top-up");
    assert_eq!(report.unknown_actions, [("TOP_UP".to_owned(), 2)]);
    let said = "'TOP_UP' (line 2) is none of CASH_IN, CASH_OUT, DEBIT, PAYMENT, TRANSFER";
    assert!(report.to_string().contains(said), "{report}");
}

#[test]
fn skews() {
    for skew in ["uniform", "zipf:1.1", "zipf:10"] {
        assert_eq!(skew.parse::<Skew>().unwrap().to_string(), skew);
    }
    for (skew, words) in [
        (
            "pareto",
            "'pareto' is not a skew: expected uniform or zipf:S, as in zipf:1.1",
        ),
        ("zipf", "is not a skew"),
        ("zipf:", "expected an exponent above 0 and at most 10"),
        ("zipf:0", "expected an exponent above 0 and at most 10"),
        ("zipf:-1", "expected an exponent above 0 and at most 10"),
        ("zipf:NaN", "expected an exponent above 0 and at most 10"),
        ("zipf:11", "expected an exponent above 0 and at most 10"),
    ] {
        let error = skew.parse::<Skew>().unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_command_line_reads_as_documented() {
    use clap::{Args, FromArgMatches};
    let command = TraceArgs::augment_args(clap::Command::new("trace"));
    let line = "trace --from-hourly hourly.csv --pairs 1k --payments 1M --out payments.csv";
    let matches = command
        .clone()
        .try_get_matches_from(line.split(' '))
        .unwrap();
    let args = TraceArgs::from_arg_matches(&matches).unwrap();
    assert_eq!(
        (args.pairs, args.payments, args.seed),
        (1_000, 1_000_000, 1)
    );
    assert_eq!(
        (args.action.join(" ").as_str(), args.skew),
        ("PAYMENT TRANSFER", Skew::Zipf(1.1))
    );
    assert!(command.clone().render_help().to_string().contains(EXAMPLES));

    let error = command.try_get_matches_from((line.to_owned() + " --skew steep").split(' '));
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("'steep' is not a skew")
    );
}
