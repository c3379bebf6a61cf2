use proptest::prelude::*;

use super::{
    cost::{
        Life, break_even, channel, channel_transactions, direct, direct_transactions, open,
        payments_made, planned_for,
    },
    *,
};
use crate::sample;

fn profile(name: &str) -> Profile {
    Profile::find(name).unwrap()
}

const POLITE: Life = Life {
    deposits: Deposits::Two,
    open_batch: 1,
    disputes: Share::of_percent(0),
    dispute_kind: DisputeKind::Silent,
};

fn all_disputed(dispute_kind: DisputeKind) -> Life {
    Life {
        disputes: Share::ALL,
        dispute_kind,
        ..POLITE
    }
}

fn grid() -> Grid {
    Grid {
        payments: vec![1, 9, 10_000],
        disputes: vec![Share::of_percent(0), Share::of_percent(1)],
        dispute_kinds: vec![DisputeKind::Silent, DisputeKind::Answered],
        deposits: vec![Deposits::Two],
        open_batches: vec![1],
        transfer_batches: vec![1],
        sessions: 1_000_000,
        exit_share: Share::of_percent(50),
        window_blocks: None,
    }
}

/// From go-nitro's measurements, and from Bitcoin's serialisation.
#[test]
fn lives_and_break_evens_are_the_published_ones() {
    let one_sided = Life {
        deposits: Deposits::One,
        ..POLITE
    };
    let table = [
        ("ethereum-60m", one_sided, 158_010, 8),
        ("ethereum-60m", POLITE, 187_418, 9),
        (
            "ethereum-60m",
            all_disputed(DisputeKind::Silent),
            271_076,
            13,
        ),
        (
            "ethereum-60m",
            all_disputed(DisputeKind::Answered),
            367_558,
            18,
        ),
        ("bitcoin", one_sided, 1_286, 3),
        ("bitcoin", POLITE, 1_286, 3),
    ];
    for (name, life, units, payments) in table {
        let profile = profile(name);
        let found = channel(&profile, life).unwrap();
        assert_eq!(found, Exact::from(units), "{name}, {life:?}");
        let found = break_even(&profile, &found, 1).unwrap();
        assert_eq!(found, Some(payments), "{name}, {life:?}");
    }
}

#[test]
fn ten_thousand_payments_in_one_channel() {
    let ratio = |name: &str| {
        let profile = profile(name);
        let channel = channel(&profile, POLITE).unwrap();
        direct(&profile, 10_000, 1).unwrap() / channel
    };
    assert_eq!(ratio("ethereum-60m"), Exact::fraction(210_000_000, 187_418));
    assert_eq!(ratio("ethereum-60m").floor(), Exact::from(1_120));
    assert_eq!(ratio("bitcoin"), Exact::fraction(5_620_000, 1_286));
    assert_eq!(ratio("bitcoin").floor(), Exact::from(4_370));
    // An open and a close; go-nitro's two deposits are a transaction each.
    for (name, transactions) in [
        ("bitcoin", 2),
        ("solana-like", 2),
        ("cometbft-default", 2),
        ("ethereum-60m", 3),
    ] {
        let profile = profile(name);
        let channels = channel_transactions(&profile, POLITE).unwrap();
        assert_eq!(channels, Exact::from(transactions), "{name}");
        let direct = direct_transactions(&profile, 10_000, 1);
        assert_eq!(
            direct / channels,
            Exact::fraction(10_000, transactions),
            "{name}"
        );
    }
}

#[test]
fn a_million_ethereum_sessions_take_ten_hours_of_whole_blocks() {
    let answer = table(&[profile("ethereum-60m")], &grid()).unwrap();
    let row = answer
        .rows
        .iter()
        .find(|row| row.payments == 10_000)
        .unwrap();
    assert_eq!(row.dispute_kind, "none");
    assert_eq!(row.direct_units, Some(Exact::from(210_000_000)));
    assert_eq!(row.channel_units, Some(Exact::from(187_418)));
    assert_eq!(row.break_even_payments, Some(9));
    // 1,000,000 x 187,418 / 60,000,000 = 3,123.6 blocks of 12 s: 10.4 hours.
    assert_eq!(row.blocks, Some(Exact::from(3_124)));
    assert_eq!(row.block_time_s, Some(Exact::from(37_488)));
    assert_eq!((37_488.0_f64 / 3_600.0 * 10.0).round(), 104.0);
}

#[test]
fn batches_cost_what_was_measured_and_a_straight_line_between() {
    let (ethereum, bitcoin, comet) = (
        profile("ethereum-60m"),
        profile("bitcoin"),
        profile("cometbft-default"),
    );
    let table = [
        // Measured, 100 at once, and on the line between 20 and 50.
        (&ethereum, Deposits::One, 100, 3_321_861),
        (&ethereum, Deposits::Two, 100, 3_321_861 + 1_613_061),
        (&ethereum, Deposits::One, 35, (686_269 + 1_674_655) / 2),
        (&bitcoin, Deposits::One, 100, 610 + 99 * 172),
        (&comet, Deposits::Two, 3, 107 + 3 * 125),
        (&comet, Deposits::One, 2, 107 + 2 * 53),
    ];
    for (profile, deposits, batch, units) in table {
        let found = open(profile, deposits, batch).unwrap() * Exact::from(batch);
        assert_eq!(found, Exact::from(units), "{}, {batch}", profile.name);
    }
    let refused = [
        (&ethereum, 101, "knows opens in batches of at most 100"),
        (&bitcoin, 100_000, "too few for 100000 opens"),
    ];
    for (profile, batch, words) in refused {
        let reason = open(profile, Deposits::One, batch).unwrap_err();
        assert!(reason.contains(words), "{reason}");
    }
    let solana = profile("solana-like");
    assert!(
        open(&solana, Deposits::One, 2)
            .unwrap_err()
            .contains("no price")
    );
    assert_eq!(direct(&solana, 21, 21), Ok(Exact::from(1_470 + 20 * 450)));
    assert!(direct(&solana, 22, 22).unwrap_err().contains("at most 21"));
    assert!(direct(&comet, 2, 2).unwrap_err().contains("no price"));
    // 7 in threes: two batches of three, and one alone.
    let threes = Exact::from(2 * (30_892 + 2 * 9_892) + 21_000);
    assert_eq!(direct(&ethereum, 7, 3), Ok(threes));
    assert!(
        direct(&ethereum, 1, 10_000)
            .unwrap_err()
            .contains("16777216 gas")
    );
}

#[test]
fn disputes_are_counted_by_their_share() {
    let ethereum = profile("ethereum-60m");
    let one_in_a_hundred = Life {
        disputes: Share::of_percent(1),
        dispute_kind: DisputeKind::Answered,
        ..POLITE
    };
    let expected = Exact::fraction(99 * 187_418 + 367_558, 100);
    assert_eq!(channel(&ethereum, one_in_a_hundred), Ok(expected));
}

#[test]
fn a_shared_account_bounds_what_a_block_holds() {
    let solana = profile("solana-like");
    let answer = table(std::slice::from_ref(&solana), &grid()).unwrap();
    // 29,420 units a session, 12 M a block instead of 100 M.
    assert_eq!(answer.rows[0].channel_units, Some(Exact::from(29_420)));
    assert_eq!(answer.rows[0].blocks, Some(Exact::from(2_452)));
    assert_eq!(
        answer.rows[0].block_time_s,
        Some(Exact::fraction(9_808, 10))
    );
    let apart = Profile {
        shared_escrow: false,
        ..solana
    };
    let answer = table(&[apart], &grid()).unwrap();
    assert_eq!(answer.rows[0].blocks, Some(Exact::from(295)));
    assert_eq!(answer.mass_exit[0].bound_by, "block");
}

#[test]
fn a_mass_exit_is_its_formula() {
    let ethereum = profile("ethereum-60m");
    let exit = mass_exit(&ethereum, 1_000_000, Share::of_percent(50), None).unwrap();
    assert_eq!(exit.units_in_window, 113_146 + 96_482);
    assert_eq!(exit.block_units_for_exits, Exact::from(30_000_000));
    // 7,200 x 30,000,000 / 209,628 = 1,030,396.7; 1,000,000 x 209,628 / 30,000,000 = 6,987.6.
    assert_eq!(exit.largest_safe_channels, Exact::from(1_030_396));
    assert_eq!(exit.blocks_needed, Exact::from(6_988));
    assert_eq!(exit.blocks_needed_s, Exact::from(83_856));
    assert_eq!(exit.blocks_to_the_end, Exact::from(9_722));
    assert!(exit.within_window);
    // The largest safe number is: one more is not.
    for (channels, within) in [(1_030_396, true), (1_030_397, false)] {
        let exit = mass_exit(&ethereum, channels, Share::of_percent(50), None).unwrap();
        assert_eq!(exit.within_window, within, "{channels}");
    }
    let short = mass_exit(&ethereum, 1, Share::ALL, Some(10)).unwrap();
    assert_eq!(short.largest_safe_channels, Exact::from(2_862));
    let no_window = Profile {
        answer: None,
        ..ethereum
    };
    let reason = mass_exit(&no_window, 1, Share::ALL, None).unwrap_err();
    assert!(reason.contains("close.answer"), "{reason}");
}

#[test]
fn what_has_no_price_is_none_and_says_why() {
    let mut ethereum = profile("ethereum-60m");
    ethereum.answer = None;
    let answer = table(&[ethereum], &grid()).unwrap();
    for row in &answer.rows {
        let priced = row.dispute_kind != "answered";
        assert_eq!(row.channel_units.is_some(), priced, "{row:?}");
        assert_eq!(
            row.ratio.is_some() && row.blocks.is_some(),
            priced,
            "{row:?}"
        );
        assert!(row.direct_units.is_some());
    }
    assert!(answer.mass_exit.is_empty());
    assert_eq!(answer.not_priced.len(), 2, "{:?}", answer.not_priced);
    let shown = table_text(&answer);
    assert!(
        shown.contains("not in profile: ethereum-60m has no price for `close.answer`"),
        "{shown}"
    );
}

#[test]
fn a_table_that_would_not_end_is_refused() {
    let grid = Grid {
        payments: vec![1; 1_000],
        open_batches: vec![1; 1_000],
        ..grid()
    };
    assert!(
        table(&Profile::known(), &grid)
            .unwrap_err()
            .contains("100000 rows")
    );
}

#[test]
fn text_is_narrow_and_says_modelled_and_what_is_more() {
    let grid = Grid {
        deposits: vec![Deposits::One, Deposits::Two],
        open_batches: vec![1, 100],
        transfer_batches: vec![1, 20],
        ..grid()
    };
    let answer = table(&Profile::known(), &grid).unwrap();
    for shown in [table_text(&answer), constants_text(&answer)] {
        for line in shown.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        for (name, _) in duet_profile::KNOWN {
            assert!(shown.contains(&format!("MODELLED on {name} (")), "{shown}");
        }
    }
    let shown = table_text(&answer);
    assert!(
        shown.contains("below 1 where the channel costs more"),
        "{shown}"
    );
    assert!(shown.contains("  0.112 x  "), "{shown}");
    assert!(
        shown.contains("largest safe = floor(7,200 blocks x 30,000,000 gas"),
        "{shown}"
    );
    assert!(!shown.contains('…'), "{shown}");
}

#[test]
fn a_run_is_priced_by_what_it_counted() {
    let mut run = sample::open_loop();
    let cost = of_run(&run, &profile("ethereum-60m"));
    // 100 sessions of 10,000 payments, opened and closed politely.
    assert_eq!(cost.direct_units, Some(Exact::from(1_000_000 * 21_000)));
    assert_eq!(cost.channel_units, Some(Exact::from(100 * 187_418)));
    assert_eq!(cost.break_even_payments, Some(9));
    assert_eq!(cost.payments_per_session, Some(10_000.0));
    assert_eq!(cost.channels.len(), 2);
    assert!((cost.ratio.unwrap() - 210_000_000.0 / 187_418.0).abs() < 1e-9);
    assert!(cost.modelled && cost.run_valid && cost.not_priced.is_empty());

    // Where B never comes to pay, it locks nothing, as in the run itself.
    for (payments, opened_as) in [(32, "open.one_sided"), (33, "open.two_sided")] {
        run.workload.payments_per_session = payments;
        let cost = of_run(&run, &profile("ethereum-60m"));
        assert_eq!(
            cost.channels[0].priced_as, opened_as,
            "{payments} in turns of 32"
        );
    }

    // 1,100 of 2,000 channels in disputes with 1,010 answers; nobody answered in 100 of them.
    run.disputes = Some(sample::disputes());
    run.achieved.sessions_opened = 2_000;
    run.achieved.sessions_closed = 2_000;
    run.workload.pattern = "one-way".into();
    run.achieved.valid = false;
    let units = |name: &str| of_run(&run, &profile(name)).channel_units.unwrap();
    let ethereum = 2_000 * 46_496 + 900 * 111_514 + 1_100 * (113_146 + 82_026) + 1_010 * 96_482;
    assert_eq!(units("ethereum-60m"), Exact::from(ethereum));
    let bitcoin = 2_000 * 610 + 900 * 676 + 1_100 * 1_124 + 1_010 * 490 + 100 * 490;
    assert_eq!(units("bitcoin"), Exact::from(bitcoin));
    let shown = run_text(&of_run(&run, &profile("bitcoin")));
    for words in [
        "MODELLED on bitcoin (weight units)",
        "INVALID",
        "3,210 transactions in the run's blocks, 3,210 priced",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(
        shown.lines().all(|line| line.chars().count() <= 100),
        "{shown}"
    );
    assert!(!shown.contains('…'), "{shown}");
}

#[test]
fn a_run_without_payments_or_prices_has_no_ratio() {
    let mut run = sample::open_loop();
    run.achieved.payments = 0;
    run.achieved.sessions_opened = 0;
    run.achieved.sessions_closed = 0;
    let mut bitcoin = profile("bitcoin");
    let cost = of_run(&run, &bitcoin);
    assert_eq!(
        (
            cost.ratio,
            cost.break_even_payments,
            cost.payments_per_session
        ),
        (None, None, None)
    );
    assert_eq!(cost.channel_units, Some(Exact::from(0)));
    bitcoin.open_two_sided = None;
    let cost = of_run(&sample::open_loop(), &bitcoin);
    assert_eq!((cost.channel_units, cost.ratio), (None, None));
    assert_eq!(
        cost.not_priced,
        ["bitcoin has no price for `open.two_sided`"]
    );
}

#[test]
fn csv_has_a_row_for_each_and_the_fields_of_json() {
    let answer = table(&Profile::known(), &grid()).unwrap();
    let csv = answer.to_csv();
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some(
            "profile,unit,modelled,payments,disputes,dispute_kind,deposits,open_batch,\
             transfer_batch,direct_units,channel_units,ratio,break_even_payments,blocks,block_time_s"
        )
    );
    assert_eq!(lines.count(), answer.rows.len());
    assert!(
        csv.contains("ethereum-60m,gas,true,10000,0,none,two,1,1,210000000,187418,1120."),
        "{csv}"
    );
}

proptest! {
    #[test]
    fn break_even_is_the_least_number_of_payments(
        name in prop::sample::select(vec!["ethereum-60m", "bitcoin", "solana-like"]),
        batch in 1_u64..=21,
        units in 1_u64..20_000_000,
        part in 1_u64..1_000,
    ) {
        let profile = profile(name);
        let channel = Exact::fraction(units, part);
        let least = break_even(&profile, &channel, batch).unwrap().unwrap();
        prop_assert!(direct(&profile, least, batch).unwrap() >= channel);
        if least > 1 {
            prop_assert!(direct(&profile, least - 1, batch).unwrap() < channel);
        }
    }

    #[test]
    fn more_payments_and_more_disputes_never_cost_less(
        payments in 1_u64..1_000_000_000,
        batch in 1_u64..=21,
        percent in 0_u64..100,
    ) {
        let profile = profile("ethereum-60m");
        prop_assert!(direct(&profile, payments, batch) <= direct(&profile, payments + 1, batch));
        let life = |percent| Life {
            disputes: Share::of_percent(percent),
            dispute_kind: DisputeKind::Answered,
            ..POLITE
        };
        let (one, more) = (channel(&profile, life(percent)), channel(&profile, life(percent + 1)));
        prop_assert!(one.unwrap() < more.unwrap());
    }

    #[test]
    fn the_largest_safe_number_is_within_the_window_and_one_more_is_not(
        name in prop::sample::select(vec!["ethereum-60m", "bitcoin", "solana-like", "cometbft-default"]),
        percent in 1_u64..=100,
        window in 1_u64..1_000_000,
    ) {
        let profile = profile(name);
        let exit = |channels| {
            mass_exit(&profile, channels, Share::of_percent(percent), Some(window)).unwrap()
        };
        let most = exit(1).largest_safe_channels.whole().unwrap();
        prop_assert!(most == 0 || exit(most).within_window);
        prop_assert!(!exit(most + 1).within_window);
    }
}

#[test]
fn a_disputed_session_stops_halfway_on_average() {
    for (planned, percent, expected) in [
        (9, 0, Exact::from(9)),
        (1, 100, Exact::from(1)),
        (9, 100, Exact::from(5)),
        (9, 10, Exact::fraction(86, 10)),
    ] {
        let share = Share::of_percent(percent);
        assert_eq!(payments_made(planned, share), expected);
    }
    for percent in [0, 1, 10, 50, 100] {
        let share = Share::of_percent(percent);
        for made in [1, 2, 3, 10, 1_000] {
            let planned = planned_for(made, share).unwrap();
            let enough = |planned| payments_made(planned, share) >= Exact::from(made);
            assert!(enough(planned), "{made} at {percent} %: {planned}");
            assert!(
                planned == 1 || !enough(planned - 1),
                "{made} at {percent} %"
            );
        }
    }
    assert_eq!(planned_for(u64::MAX, Share::ALL), None);
}
