//! Whole runs on a Layer 1 that is scarce: with a clock, limits that bind, and bids. Everybody is
//! accounted for, whatever waits, is evicted or gives up; and blocks depend on no shard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use duet_engine::l1::{Answers, Bid, Order, Pace, Prices, Rate, Units};
use duet_engine::pipeline::{
    AccountIndex, Attack, Config, Means, Next, OfKind, Outcome, Sampling, Session, TrafficKind,
    Workload, run, run_direct,
};
use duet_engine::protocol::{Amount, Party, Payment};

use crate::config::config;
use crate::workload::Uniform;

const PRICES: Prices = Prices {
    transfer: 10,
    multi_send: None,
    open_one_sided: 10,
    open_two_sided: 10,
    close: 10,
    post: 10,
    answer: 10,
    payout: 10,
};

/// Blocks of so many transactions, a second apart.
fn paced(shards: u32, concurrent: u64, a_block: u64) -> Config {
    let mut config = config(shards, concurrent, 1, 4);
    config.l1.pace = Some(Pace {
        interval_ms: 1_000,
        finality_blocks: 2,
    });
    config.l1.units = Some(Units {
        block: 10 * a_block,
        of_channels: None,
        prices: PRICES,
    });
    config
}

/// The same, by bids of so many units of money a transaction.
fn by_bids(shards: u32, concurrent: u64, a_block: u64, waiting: u32) -> Config {
    let mut config = paced(shards, concurrent, a_block);
    config.l1.order = Order::Bid;
    config.l1.answers = Answers::Compete;
    config.l1.mempool_transactions = waiting;
    config.sending.bid = Bid::flat(Rate(3 * Rate::PER / 10));
    config
}

fn outcome(config: &Config, workload: &Uniform) -> Outcome {
    let outcome = run(config, workload, &AtomicBool::new(false), |_| {}).unwrap();
    assert!(
        outcome.checks.all(),
        "{:?} {:?}",
        outcome.checks,
        outcome.stops
    );
    outcome
}

/// When the last block was sealed, in seconds, and how many blocks had anything in them.
fn chain_time(outcome: &Outcome) -> (u64, u64) {
    let chain = outcome.chain();
    assert_eq!(
        chain.load().blocks + chain.space().empty_blocks,
        chain.height()
    );
    (chain.height(), chain.load().blocks)
}

fn longest(of: &OfKind) -> u64 {
    of.wait_ms.quantile(1.0).unwrap()
}

/// Eight sessions at once, each a track of its own.
#[test]
fn a_step_arrives_when_the_one_before_it_is_final_and_waits_for_room() {
    let workload = Uniform::new(16, 8, 5);
    // Eight opens in block 1, final with block 3. Then eight closes and eight opens: after 3 s, in
    // block 4, final with 6; the last closes in block 7.
    assert_eq!(chain_time(&outcome(&paced(1, 8, 100), &workload)), (7, 3));
    // Four to a block: opens in 1 and 2, all final with 4. A close and an open of each of eight
    // tracks, two tracks to a block: in 5 to 8, final with 7 to 10. The last closes of the first
    // two tracks come with 7, find block 8 taken, and are in 9; those of the last two in 11.
    let outcome = outcome(&paced(1, 8, 4), &workload);
    assert_eq!(chain_time(&outcome), (11, 9));
    let opens = outcome.traffic.of(TrafficKind::Open);
    assert_eq!(
        (opens.included, opens.refused, longest(opens)),
        (16, 0, 4_000)
    );
}

#[test]
fn sessions_last_in_virtual_time_and_empty_blocks_are_passed_over() {
    let mut config = paced(1, 8, 100);
    config.sending.session_time = Duration::from_secs(86_400);
    let outcome = outcome(&config, &Uniform::new(16, 8, 5));
    // 3 s, a day, and 3 s; a day, and the block after.
    assert_eq!(chain_time(&outcome), (2 * 86_400 + 7, 3));
    assert_eq!(longest(outcome.traffic.of(TrafficKind::Close)), 1_000);
}

#[test]
fn blocks_do_not_depend_on_shards() {
    let mut bids = by_bids(1, 14, 5, 9);
    bids.attacks = vec![(Attack::StaleClose, 0.2)];
    bids.challenge_window_blocks = 40;
    let mut limited = paced(1, 14, 5);
    limited.l1.mempool_transactions = 3;
    limited.sending.session_time = Duration::from_millis(2_500);
    for config in [limited, bids] {
        let runs = [1, 2, 7].map(|shards| {
            let config = Config {
                shards,
                ..config.clone()
            };
            outcome(&config, &Uniform::new(60, 14, 30))
        });
        for other in &runs {
            assert_eq!(other.chain().bodies(), runs[0].chain().bodies());
            assert_eq!(other.chain().tip(), runs[0].chain().tip());
            assert_eq!(chain_time(other), chain_time(&runs[0]));
            assert_eq!(other.counts.opens_given_up, runs[0].counts.opens_given_up);
        }
    }
}

/// More want to open than may wait: who is evicted bids again, and who gives up is counted.
#[test]
fn who_is_outbid_bids_again_and_gives_up_in_the_end() {
    let workload = Uniform::new(60, 30, 10);
    let roomy = outcome(&by_bids(2, 30, 4, 1_000), &workload);
    let none = |outcome: &Outcome| {
        TrafficKind::ALL
            .iter()
            .map(|kind| outcome.traffic.of(*kind).evicted)
            .sum::<u64>()
    };
    assert_eq!((none(&roomy), roomy.counts.sessions_closed), (0, 60));
    let tight = outcome(&by_bids(2, 30, 4, 6), &workload);
    let opens = tight.traffic.of(TrafficKind::Open);
    assert!(opens.evicted > 0 && opens.raised > 0, "{opens:?}");
    assert!(tight.counts.opens_given_up > 0, "{:?}", tight.counts);
    assert_eq!(opens.given_up, tight.counts.opens_given_up);
    let began = 60 - tight.counts.opens_given_up;
    assert_eq!(tight.counts.sessions_opened, began);
    // Each of them ends, by both parties' will or in a dispute that nobody had to answer.
    assert_eq!(tight.counts.sessions_closed, began);
    assert_eq!(tight.disputes.cases(), tight.counts.closes_given_up);
    assert_eq!(tight.disputes.lost_by_honest, 0);
    let fees: u64 = (TrafficKind::ALL.iter())
        .map(|kind| tight.traffic.of(*kind).fees)
        .sum();
    assert_eq!(tight.chain().totals().fees.units(), fees);
}

/// Every so-many-th slot opens from one account, one nonce after the other; the others each from
/// its own.
struct Hub {
    of: Uniform,
    every: u64,
}

impl Hub {
    /// Slots that open from the account that all share.
    fn sharing(&self) -> u64 {
        self.of.concurrent.div_ceil(self.every)
    }
}

impl Workload for Hub {
    fn sessions(&self) -> u64 {
        self.of.sessions
    }

    fn accounts(&self) -> AccountIndex {
        self.of.accounts()
    }

    fn allocation(&self, account: AccountIndex) -> Amount {
        let of_one = self.of.allocation(account).units();
        Amount::new(of_one * self.sharing())
    }

    fn opens(&self, account: AccountIndex) -> u64 {
        match account {
            0 => self.of.sessions,
            _ => self.of.opens(account),
        }
    }

    fn session(&self, session: u64) -> Session {
        let mut of = self.of.session(session);
        let slot = session % self.of.concurrent;
        if slot.is_multiple_of(self.every) {
            of.accounts.a = 0;
            of.nonce = session / self.of.concurrent * self.sharing() + slot / self.every;
        }
        of
    }

    fn payer(&self, session: u64, payment: u64) -> Party {
        self.of.payer(session, payment)
    }

    fn draw(&self, session: u64, first: u64, most: usize, payments: &mut Vec<Payment>) -> Next {
        self.of.draw(session, first, most, payments)
    }
}

/// One of an account's opens gives up, and those after it wait for its nonce, are evicted, come
/// again: every run ends all the same, and every session is accounted for.
#[test]
fn nothing_waits_for_ever_for_an_open_that_gave_up() {
    let mut given_up = 0;
    for (concurrent, pace) in [(5, true), (8, true), (14, true), (8, false), (14, false)] {
        for waiting in [1, 2, 3, 5, 9] {
            let mut config = by_bids(2, concurrent, 2, waiting);
            config.l1.pace = config.l1.pace.filter(|_| pace);
            let of = Uniform::new(3 * concurrent, concurrent, 5);
            let workload = Hub { of, every: 2 };
            let outcome = run(&config, &workload, &AtomicBool::new(false), |_| {}).unwrap();
            assert!(outcome.checks.all(), "{concurrent} {waiting}");
            let counts = outcome.counts;
            assert_eq!(
                counts.sessions_opened + counts.opens_given_up,
                3 * concurrent
            );
            assert!(
                outcome.stops.rejections.is_empty(),
                "{concurrent} {waiting}"
            );
            assert_eq!(outcome.chain().pending(), 0);
            given_up += counts.opens_given_up;
        }
    }
    assert!(given_up > 0);
}

/// The queue has one place, for which each open bids an eighth more than the one before: the ninth
/// has raised its bid eight times, and the tenth gives up.
#[test]
fn a_bid_is_raised_eight_times() {
    let outcome = outcome(&by_bids(2, 10, 4, 1), &Uniform::new(10, 10, 5));
    let opens = outcome.traffic.of(TrafficKind::Open);
    assert_eq!((opens.included, opens.given_up), (9, 1));
}

/// The queue has one place, and one account's open has it: the next ones could not come before it,
/// however high they bid, and wait for it.
#[test]
fn nobody_bids_against_itself() {
    let of = Uniform::new(5, 5, 5);
    let workload = Hub { of, every: 1 };
    let run = run(
        &by_bids(2, 5, 4, 1),
        &workload,
        &AtomicBool::new(false),
        |_| {},
    );
    let outcome = run.unwrap();
    let opens = outcome.traffic.of(TrafficKind::Open);
    assert_eq!((opens.included, opens.given_up), (5, 0));
    assert_eq!((opens.evicted, opens.raised), (0, 0));
}

#[test]
fn a_base_fee_rises_while_blocks_are_full() {
    let mut config = by_bids(2, 30, 4, 1_000);
    let least = Rate(Rate::PER / 10);
    config.l1.order = Order::BaseFee { least };
    config.sending.bid = Bid {
        most: Rate(Rate::PER),
        tip: least,
    };
    let outcome = outcome(&config, &Uniform::new(60, 30, 10));
    assert_eq!(outcome.counts.sessions_closed, 60);
    let space = outcome.chain().space();
    assert!(space.highest_base > least, "{space:?}");
}

/// Under every order the honest lose nothing while the window is longer than the wait.
#[test]
fn honest_parties_lose_nothing_while_windows_outlast_the_wait() {
    for mut config in [paced(2, 20, 6), by_bids(2, 20, 6, 500)] {
        config.attacks = vec![(Attack::StaleClose, 0.3), (Attack::LastBlock, 0.2)];
        config.challenge_window_blocks = 60;
        config.sending.delay_blocks = 5;
        let outcome = outcome(&config, &Uniform::new(60, 20, 20));
        assert!(outcome.disputes.answers > 0);
        assert_eq!(outcome.disputes.lost_by_honest, 0);
    }
}

/// Where answers compete by arrival in blocks that others fill, and the window is short, they come
/// too late: that is counted.
#[test]
fn honest_parties_lose_what_answers_come_too_late_for() {
    let mut config = paced(2, 40, 2);
    config.l1.answers = Answers::Compete;
    config.attacks = vec![(Attack::StaleClose, 0.5)];
    config.challenge_window_blocks = 2;
    let outcome = run(
        &config,
        &Uniform::new(80, 40, 20),
        &AtomicBool::new(false),
        |_| {},
    )
    .unwrap();
    assert!(outcome.checks.all(), "{:?}", outcome.checks);
    assert!(outcome.disputes.late_posts > 0, "{:?}", outcome.disputes);
    assert!(
        outcome.disputes.lost_by_honest > 0,
        "{:?}",
        outcome.disputes
    );
}

/// No block is as cheap as what is bid: that is refused, and does not wait for ever.
#[test]
fn bids_below_every_base_fee_are_refused() {
    let mut config = by_bids(2, 4, 4, 50);
    config.l1.order = Order::BaseFee {
        least: Rate(Rate::PER),
    };
    let workload = Uniform::new(8, 4, 5);
    let stop = AtomicBool::new(false);
    let outcome = run(&config, &workload, &stop, |_| {}).unwrap();
    let opens = outcome.traffic.of(TrafficKind::Open);
    assert_eq!((opens.included, outcome.counts.sessions_opened), (0, 0));
    let refused = outcome.stops.rejections.get("l1_bid_below_base");
    assert_eq!(refused, Some(&opens.refused));
    let sampled = Sampling::whole(vec![0, 1]);
    let direct = run_direct(&config, &workload, &sampled, &stop, |_| {}).unwrap();
    assert_eq!(direct.l1.transactions, 0);
}

#[test]
fn the_baseline_pays_and_waits_under_the_same_limits() {
    let workload = Uniform::new(4, 4, 25);
    for config in [paced(1, 4, 10), by_bids(1, 4, 10, 50)] {
        let direct = run_direct(
            &config,
            &workload,
            &Sampling::whole(vec![0, 1, 2, 3]),
            &AtomicBool::new(false),
            |_| {},
        )
        .unwrap();
        assert!(direct.balances_match && direct.supply_conserved);
        // A sample is a session here, which ends with a block of its own: 10, 10 and 5.
        assert_eq!((direct.payments, direct.l1.blocks), (100, 12));
        assert_eq!(direct.samples.len(), 4);
    }
}

/// Two-way sessions too: what waits in both directions is told apart, or netted.
#[test]
fn other_means_than_transfers_pay_the_same() {
    let one_way = Uniform::new(4, 4, 25);
    let two_way = Uniform {
        two_way: Some(5),
        ..one_way
    };
    for config in [paced(1, 4, 10), by_bids(1, 4, 10, 50)] {
        for (workload, means, transactions, signed, waiting) in [
            (one_way, Means::Transfers, 100, 100, 0),
            (one_way, Means::MultiSend(10), 12, 100, 10),
            (one_way, Means::MultiSend(7), 16, 100, 7),
            (one_way, Means::Tab(10), 12, 12, 10),
            (one_way, Means::Tab(100), 4, 4, 25),
            // Of A 15 payments, of B 10.
            (two_way, Means::MultiSend(10), 12, 100, 10),
            (two_way, Means::Tab(5), 20, 20, 5),
        ] {
            let sampling = Sampling {
                means,
                ..Sampling::whole(vec![0, 1, 2, 3])
            };
            let stop = AtomicBool::new(false);
            let direct = run_direct(&config, &workload, &sampling, &stop, |_| {}).unwrap();
            assert!(
                direct.balances_match && direct.supply_conserved,
                "{means:?}"
            );
            assert_eq!(direct.payments, 100, "{means:?}");
            assert_eq!(direct.l1.transactions, transactions, "{means:?}");
            // A unit price for each output, and for each transfer.
            assert_eq!(direct.units, 10 * signed, "{means:?}");
            assert_eq!(direct.most_waiting, waiting, "{means:?}");
            assert_eq!(direct.most_owed > 0, waiting > 0, "{means:?}");
            assert!(direct.fees > 0, "{means:?}");
        }
    }
}

/// How many answers come too late where `channels` are all closed at once in an old state, blocks
/// take so many transactions, and the window is so long: a queue, block by block, and nothing else.
fn too_late(channels: usize, a_block: usize, window: u64) -> u64 {
    #[derive(Clone, Copy)]
    enum What {
        Post,
        Answer,
        Payout,
    }
    let mut due: BTreeMap<u64, Vec<(usize, What)>> = BTreeMap::new();
    due.insert(
        1,
        (0..channels).map(|channel| (channel, What::Post)).collect(),
    );
    let (mut queue, mut until, mut late) = (VecDeque::new(), vec![0; channels], 0);
    let mut height = 0;
    while !queue.is_empty() || !due.is_empty() {
        height += 1;
        queue.extend(due.remove(&height).into_iter().flatten());
        let mut room = a_block;
        while room > 0 {
            let Some((channel, what)) = queue.pop_front() else {
                break;
            };
            match what {
                What::Post => {
                    until[channel] = height + window;
                    let payout = (channel, What::Payout);
                    due.entry(height + 1)
                        .or_default()
                        .push((channel, What::Answer));
                    due.entry(height + window + 1).or_default().push(payout);
                }
                // Refused, and takes no room.
                What::Answer if height > until[channel] => {
                    late += 1;
                    continue;
                }
                What::Answer | What::Payout => {}
            }
            room -= 1;
        }
    }
    late
}

/// The guarantee holds until blocks have no room for answers within the window, and then breaks by
/// as much as that says: under both orders.
#[test]
fn honest_parties_lose_where_a_queue_says_so_and_nowhere_else() {
    let mut lost = BTreeSet::new();
    for (channels, a_block, window) in [
        (8, 8, 1),
        (12, 4, 1),
        (12, 4, 2),
        (12, 4, 3),
        (12, 4, 4),
        (30, 5, 3),
        (30, 5, 6),
        (30, 5, 7),
        (25, 2, 9),
    ] {
        let case = format!("{channels} channels, {a_block} a block, window {window}");
        let mut by_arrival = paced(2, channels, a_block);
        by_arrival.l1.answers = Answers::Compete;
        for mut config in [by_arrival, by_bids(2, channels, a_block, 10_000)] {
            config.attacks = vec![(Attack::StaleClose, 1.0)];
            config.challenge_window_blocks = window;
            let workload = Uniform::new(channels, channels, 20);
            let outcome = run(&config, &workload, &AtomicBool::new(false), |_| {}).unwrap();
            assert!(outcome.checks.all(), "{case}: {:?}", outcome.checks);
            let expected = too_late(channels as usize, a_block as usize, window.into());
            assert_eq!(outcome.disputes.honest_losers, expected, "{case}");
            assert_eq!(outcome.disputes.punishments, channels - expected, "{case}");
            assert_eq!(outcome.disputes.lost_by_honest > 0, expected > 0, "{case}");
            lost.insert(expected > 0);
        }
    }
    assert_eq!(lost.len(), 2, "some lose, and some do not");
}
