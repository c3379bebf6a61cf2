//! `reports html` of an offload curve with the real binary: what it draws, and what it refuses.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use duet_run_file::curve::{Curve, CurveCell, CurveFigure, CurveLine, CurveRun, SCHEMA};
use tempfile::TempDir;

use crate::sample;

/// The largest page, in bytes.
const PAGE_MOST: usize = 1_000_000;

fn reports(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reports"));
    command.args(arguments).output().unwrap()
}

fn cell(payments: u64, ratio: f64) -> CurveCell {
    let figure = |ratio: f64| CurveFigure {
        ratio,
        direct: 145.0,
        channels: 145.0 / ratio,
        modelled_ratio: ratio,
        ratios: if payments > 100 {
            Vec::new()
        } else {
            vec![ratio * 0.9, ratio, ratio * 1.1]
        },
        agrees: true,
    };
    CurveCell {
        payments,
        modelled: payments > 100,
        sessions: Some(2_500),
        cosign_every: Some(1),
        disputed: Vec::new(),
        figures: ["transactions", "bytes", "units", "cpu_s"]
            .map(|name| (name.to_owned(), figure(ratio)))
            .into(),
        problems: Vec::new(),
    }
}

fn line(profile: &str, unit: &str, disputes: f64) -> CurveLine {
    CurveLine {
        profile: profile.to_owned(),
        unit: unit.to_owned(),
        disputes,
        open_batch: 1,
        break_even_payments: [
            ("transactions".to_owned(), Some(2)),
            ("units".to_owned(), Some(8)),
        ]
        .into(),
        cells: [(1, 0.5), (9, 4.5), (100, 50.0), (1_000_000, 500_000.0)]
            .map(|(payments, ratio)| cell(payments, ratio * (1.0 - disputes)))
            .into(),
    }
}

/// All chains, and four shares of disputes of each.
fn curve() -> Curve {
    let run = sample::open_loop();
    let chains = [
        ("duet", "operations"),
        ("ethereum-60m", "gas"),
        ("bitcoin", "weight units"),
        ("solana-like", "compute units"),
        ("cometbft-default", "bytes"),
    ];
    let lines = chains.iter().flat_map(|(profile, unit)| {
        [0.0, 0.001, 0.01, 0.1].map(|disputes| line(profile, unit, disputes))
    });
    Curve {
        curve: "offload".to_owned(),
        schema: SCHEMA,
        command: ["loadgen", "offload", "--repeats", "3"]
            .map(str::to_owned)
            .into(),
        started_unix_s: 1_764_600_000,
        commit: "0123456789ab".to_owned(),
        machine: run.machine.clone(),
        repeats: 3,
        valid: true,
        cpu_within: 0.15,
        lines: lines.collect(),
        runs: vec![CurveRun {
            options: Vec::new(),
            line: Some(0),
            repeat: 0,
            run,
        }],
    }
}

fn page_of(folder: &Path, curve: &Curve) -> String {
    let (file, out) = (folder.join("c.json"), folder.join("c.html"));
    fs::write(&file, curve.to_json()).unwrap();
    let words = ["html", file.to_str().unwrap(), "-o", out.to_str().unwrap()];
    let made = reports(&words);
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    fs::read_to_string(out).unwrap()
}

#[test]
fn a_curve_is_shown_over_the_length_of_sessions() {
    let folder = TempDir::new().unwrap();
    let page = page_of(folder.path(), &curve());
    assert!(page.len() < PAGE_MOST, "{}", page.len());
    for said in [
        "Two parties only: a session pays one peer.",
        "AGREES",
        "on Layer 1 ethereum-60m: no disputes, opened alone at 100 payments a session 50 x in \
         transactions (even at 2) and 50 x in gas (even at 8)",
        "Commit 0123456789ab, ",
        "loadgen offload --repeats 3 (SHA-256 of the curve's file ",
        "transactions: even at 2, from 0.5 x at 1 payment to 500,000 x at 1 M.",
        "more load than without channels",
    ] {
        assert!(page.contains(said), "{said}");
    }
    for id in ["resources-0", "resources-4", "chains", "endings-4"] {
        assert!(page.contains(&format!("<figure id=\"{id}\"")), "{id}");
    }
    // Rings for what is modelled, losses in a colour of their own, and where a line breaks even.
    for drawn in [
        "<circle class=\"hollow\"",
        "<g class=\"lost\">",
        "class=\"crossing\"",
    ] {
        assert!(page.contains(drawn), "{drawn}");
    }
}

#[test]
fn what_does_not_agree_is_said_and_what_is_no_curve_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut off = curve();
    off.lines[0].cells[1].problems = vec!["run 1 is INVALID: a signature is wrong".to_owned()];
    off.lines[0].cells[1].figures.clear();
    let page = page_of(folder.path(), &off);
    for said in [
        "DOES NOT AGREE",
        "duet: no disputes, opened alone, 9 payments: run 1 is INVALID: a signature is wrong",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let file = folder.path().join("c.json");
    let file = file.to_str().unwrap();
    let out = folder.path().join("none.html");
    let out = out.to_str().unwrap();
    let text = curve().to_json();
    for (text, further, expected) in [
        (
            text.clone(),
            &["--l1", "bitcoin"][..],
            "--l1 beside a curve",
        ),
        (
            text.replacen("\"schema\":1", "\"schema\":2", 1),
            &[],
            "schema 2",
        ),
        (
            text[..text.len() / 2].to_owned(),
            &[],
            "expected an offload curve",
        ),
    ] {
        fs::write(file, text).unwrap();
        let refused = reports(&[&["html", file, "-o", out][..], further].concat());
        assert_eq!(refused.status.code(), Some(2));
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
        assert!(!Path::new(out).exists());
    }
}
