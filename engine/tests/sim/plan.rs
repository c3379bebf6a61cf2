//! What a seed decides beforehand: who there is, what they are worth, how bad the world is.

use duet_engine::consensus::Fault;
use duet_engine::l1::{Answers, Bid, Order, Pace, Prices, Rate, Units};
use duet_engine::protocol::Rules;
use strum::VariantArray;

use super::keys::{MOST_PARTIES, Who};
use super::rng::Rng;

/// Virtual time between two blocks. Messages take a few of these ticks.
pub(crate) const BLOCK_TICKS: u64 = 10;

/// A deliberately broken node: what the model must object to. The engine stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    None,
    /// What it signs leaves before it is stored.
    SendsBeforeItStores,
    /// Its tower has a state before its disk has.
    HandsOverBeforeItStores,
    /// Never stores anything.
    StoresNothing,
    /// Posts without the proposal that was never answered.
    HidesItsOffer,
    /// Does not answer posts.
    AnswersNothing,
    /// Reads no block that it missed while it was away.
    LooksNotBack,
    /// Counts a payment when its message arrives.
    CountsUnverified,
    /// Counts everything again after a restart.
    CountsAgain,
    /// Goes on as if it had posted nothing.
    SignsAfterItPosted,
    /// Answers with the first state that it held.
    AnswersWithOldState,
    /// Its channels' windows are one block too short for the world's delays.
    ShortWindow,
    /// Relies on a tower that is given nothing.
    StarvesItsTower,
}

/// One channel, before it opens.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) parties: [Who; 2],
    pub(crate) deposits: [u64; 2],
    pub(crate) reserve: u64,
    pub(crate) rules: Rules,
    pub(crate) wants: [Vec<u64>; 2],
    /// When each side starts to end it.
    pub(crate) finish_at: [u64; 2],
}

/// What makes a world's Layer 1 scarce beside its mempool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scarcity {
    pub(crate) order: Order,
    pub(crate) answers: Answers,
    pub(crate) units: Units,
    pub(crate) pace: Pace,
    /// What an honest transaction bids at first.
    pub(crate) bid: Bid,
}

/// A world before its first tick.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) sabotage: Sabotage,
    pub(crate) rogue: Vec<bool>,
    pub(crate) channels: Vec<Planned>,
    /// Blocks by which an honest transaction may be late (D).
    pub(crate) delay_blocks: u64,
    /// Blocks that a crashed party may miss.
    pub(crate) down_blocks: u64,
    /// The challenge window (W): at least 1 + D + what a crashed party may miss.
    pub(crate) window_blocks: u64,
    /// Honest parties that rely on the tower, and may be away for longer than a window.
    pub(crate) relies_on_tower: Vec<bool>,
    /// A tower that forgets to note some of what it is given.
    pub(crate) forgetful_tower: bool,
    pub(crate) mempool: u32,
    pub(crate) block_transactions: u32,
    /// Rogues fill the mempool.
    pub(crate) spam: bool,
    /// Messages take up to this long.
    pub(crate) latency: u64,
    /// A link breaks once in so many messages; 0 is never.
    pub(crate) breaks: u64,
    /// A party crashes once in so many effects; 0 is never.
    pub(crate) crashes: u64,
    /// Ticks without an answer after which a party closes.
    pub(crate) patience: u64,
    pub(crate) faults_until: u64,
    /// Not in plain worlds.
    pub(crate) scarce: Option<Scarcity>,
    /// Four validators decide blocks, of whom one is faulty like this. Not in plain worlds.
    pub(crate) votes: Option<Fault>,
}

impl Plan {
    /// The same world with a clock, few units a block and a small mempool, by arrival, by bids or
    /// by a base fee.
    pub(crate) fn scarce(seed: u64, sabotage: Sabotage) -> Plan {
        let mut rng = Rng::new(seed ^ 0x5CA2_CE00);
        let scarcity = Scarcity::drawn(&mut rng);
        let plan = Plan::new(seed, sabotage);
        let rogues = plan.rogue.contains(&true);
        let mempool = rng.within(6, 24) as u32;
        Plan {
            // Where room is kept for answers, it is small enough if each channel's fits.
            mempool,
            block_transactions: 100,
            spam: rogues && rng.once_in(2),
            scarce: Some(scarcity),
            ..plan
        }
    }

    /// The same world on a Layer 1 that validators decide, one of whom is faulty. A censor or an
    /// equivocator has one turn in four, and makes an answer wait for a block more.
    pub(crate) fn voted(seed: u64, sabotage: Sabotage) -> Plan {
        let mut rng = Rng::new(seed ^ 0x0B7E_D000);
        let plan = Plan::new(seed, sabotage);
        Plan {
            window_blocks: plan.window_blocks + 1,
            votes: rng.pick(Fault::VARIANTS).copied(),
            ..plan
        }
    }

    /// The same world, where nothing but a censor makes an answer late.
    pub(crate) fn censored(seed: u64, sabotage: Sabotage) -> Plan {
        let is_short = sabotage == Sabotage::ShortWindow;
        Plan {
            votes: Some(Fault::Censor),
            delay_blocks: 0,
            down_blocks: 0,
            window_blocks: if is_short { 1 } else { 2 },
            ..Plan::voted(seed, sabotage)
        }
    }

    pub(crate) fn new(seed: u64, sabotage: Sabotage) -> Plan {
        let mut rng = Rng::new(seed);
        let rng = &mut rng;
        let parties = rng.within(2, MOST_PARTIES as u64) as usize;
        let mut rogue = vec![false; parties];
        // 0, 1 or 2 rogues, who may also meet each other.
        for _ in 0..[0, 1, 1, 2][rng.below(4) as usize] {
            rogue[rng.below(parties as u64) as usize] = true;
        }
        let delay_blocks = rng.below(4);
        let down_blocks = rng.below(3);
        let margin = if rng.once_in(3) { rng.below(3) } else { 0 };
        let mut window_blocks = 1 + delay_blocks + down_blocks + margin;
        if sabotage == Sabotage::ShortWindow {
            window_blocks = (delay_blocks + down_blocks).max(1);
        }
        let tower = rng.once_in(3) || sabotage == Sabotage::StarvesItsTower;
        let relies_on_tower = rogue
            .iter()
            .map(|&rogue| tower && !rogue && rng.once_in(2))
            .collect();
        let spam = rogue.contains(&true) && rng.once_in(8);
        let count = rng.within(1, 5);
        Plan {
            seed,
            sabotage,
            channels: (0..count).map(|_| planned(rng, parties)).collect(),
            rogue,
            delay_blocks,
            down_blocks,
            window_blocks,
            relies_on_tower,
            forgetful_tower: rng.once_in(4),
            mempool: if spam {
                rng.within(12, 40) as u32
            } else {
                1000
            },
            block_transactions: if spam { rng.within(6, 8) as u32 } else { 100 },
            spam,
            latency: rng.within(1, 8),
            breaks: [0, 10, 40][rng.below(3) as usize],
            crashes: [0, 12, 60][rng.below(3) as usize],
            patience: rng.within(30, 90),
            faults_until: rng.within(120, 260),
            scarce: None,
            votes: None,
        }
    }

    pub(crate) fn honest(&self, who: Who) -> bool {
        !self.rogue[who]
    }

    /// Whether somebody in this channel keeps to the rules.
    pub(crate) fn guarded(&self, channel: usize) -> bool {
        let parties = self.channels[channel].parties;
        parties.into_iter().any(|who| self.honest(who))
    }
}

impl Scarcity {
    fn drawn(rng: &mut Rng) -> Scarcity {
        let least = Rate(Rate::PER / 10);
        let (order, answers) = match rng.below(6) {
            0 => (Order::Arrival, Answers::Reserved),
            1 => (Order::Arrival, Answers::Compete),
            2 | 3 => (Order::BaseFee { least }, Answers::Compete),
            _ => (Order::Bid, Answers::Compete),
        };
        let least_block = if answers == Answers::Reserved { 6 } else { 2 };
        let bid = Rate(Rate::PER / 5);
        Scarcity {
            order,
            answers,
            units: Units {
                block: 10 * rng.within(least_block, 8),
                of_channels: None,
                prices: Prices {
                    transfer: 10,
                    multi_send: None,
                    // All open in the first block, five at most.
                    open_one_sided: 2,
                    open_two_sided: 2,
                    close: 10,
                    post: 10,
                    answer: 10,
                    payout: 10,
                },
            },
            pace: Pace {
                interval_ms: 1_000,
                finality_blocks: 0,
            },
            bid: match order {
                Order::BaseFee { .. } => Bid {
                    most: Rate(2 * bid.0),
                    tip: least,
                },
                Order::Arrival | Order::Bid => Bid::flat(bid),
            },
        }
    }

    /// The bid after so many that were not enough: an eighth more each time, up to eight times.
    pub(crate) fn raised(&self, times: u32) -> Option<Bid> {
        let raise = |Rate(rate): Rate| Rate(rate + rate / 8);
        let bid = (0..times.min(8)).fold(self.bid, |bid, _| Bid {
            most: raise(bid.most),
            tip: raise(bid.tip),
        });
        self.order.takes_bids().then_some(bid)
    }
}

fn planned(rng: &mut Rng, parties: usize) -> Planned {
    let a = rng.below(parties as u64) as usize;
    let b = (a + 1 + rng.below(parties as u64 - 1) as usize) % parties;
    let deposit_a = rng.within(1, 20);
    let wants =
        |rng: &mut Rng| -> Vec<u64> { (0..rng.below(5)).map(|_| rng.within(1, 6)).collect() };
    Planned {
        parties: [a, b],
        deposits: [deposit_a, rng.below(15)],
        reserve: if rng.once_in(4) {
            rng.within(0, 3).min(deposit_a)
        } else {
            0
        },
        rules: Rules {
            cosign_every: rng.within(1, 3) as u32,
            in_flight: rng.within(1, 3) as u32,
        },
        wants: [wants(rng), wants(rng)],
        finish_at: [rng.within(30, 180), rng.within(30, 180)],
    }
}
