//! One world in virtual time: who acts when, what arrives, what a block brings. Everything follows
//! from the plan's seed.

mod blocks;
mod network;
mod rogues;
mod votes;
mod words;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use duet_engine::crypto::{Digest, Domain, Hasher};
use duet_engine::l1::{Chain, Config, Genesis, Pace, Transaction};
use duet_engine::protocol::{Amount, Pair, Party, Post, Storage, Terms};
pub(crate) use words::title;

use super::keys::{EVERYONE, Keys, POOR, Who};
use super::model::{Model, Objection};
use super::node::{Effect, Ground, Node, Step};
use super::plan::{BLOCK_TICKS, Plan};
use super::rng::Rng;
use super::tower::{self, Watch};
use votes::Votes;

const FUNDS: u64 = 1000;

/// What came of a world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) sessions: u64,
    pub(crate) payments: u64,
    pub(crate) disputes: u64,
    pub(crate) forfeits: u64,
    pub(crate) cooperative: u64,
    pub(crate) crashes: u64,
    pub(crate) breaks: u64,
    pub(crate) pushed_back: u64,
    /// Transactions that made way for higher bids, or found none lower.
    pub(crate) outbid: u64,
    /// Honest parties whose answer no block took in time, and what that cost them.
    pub(crate) losers: u64,
    pub(crate) lost: u64,
    pub(crate) ticks: u64,
    /// Signatures made.
    pub(crate) signatures: u64,
    /// Measured, and no part of what a world is: 0 in a single one's summary.
    pub(crate) cpu_ns: u64,
    /// Of everything that happened, in order.
    pub(crate) trace: Digest,
}

enum Event {
    Deliver {
        channel: usize,
        to: Party,
        epoch: u32,
        bytes: Vec<u8>,
    },
    Act(Who),
    Block,
    Reconnect(usize),
    Restart(Who),
}

/// A link carries one channel's messages in order, until it breaks.
#[derive(Clone, Copy, Default)]
struct Link {
    up: bool,
    epoch: u32,
    /// When the last message to each side arrives.
    last: [u64; 2],
}

/// A transaction between its submitter and the mempool.
struct Travelling {
    /// Enters before the block of this height.
    due: u64,
    ticket: u64,
    bytes: Vec<u8>,
}

/// Who submitted what.
struct Ticket {
    by: Source,
    transaction: Transaction,
    fate: Fate,
}

/// Where a transaction is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// On its way to the mempool.
    Travelling,
    /// In the mempool, since before the block of this height.
    Waiting { since: u64 },
    /// It came before the block of this height, and found no room or was evicted later.
    KeptOut { since: u64 },
    /// Refused in the block of this height, where it had waited from that of the other one on.
    Refused { since: u64, at: u64 },
    /// In a block.
    Included,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Node(Who, usize),
    Tower,
    Rogue,
}

pub(crate) struct World<'k> {
    ground: Ground,
    keys: &'k mut Keys,
    rng: Rng,
    now: u64,
    chain: Chain,
    /// Who decides its blocks, where somebody does.
    votes: Option<Votes>,
    nodes: Vec<Node>,
    links: Vec<Link>,
    tower: Box<dyn Watch>,
    tower_owes: Vec<Post>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: Vec<Option<Event>>,
    travelling: Vec<Travelling>,
    tickets: Vec<Ticket>,
    history: Vec<Vec<u8>>,
    spam_nonce: u64,
    /// How often each party's bid in a channel was raised since it was last in a block.
    raises: BTreeMap<(Who, usize), u32>,
    may_crash_from: Vec<u64>,
    model: Model,
    summary: Summary,
    hash: u64,
    /// What happened, in words, if somebody wants to read it.
    pub(crate) story: Option<Vec<String>>,
}

/// Lives through a world from its seed. Gives what came of it, or what the model objects to.
pub(crate) fn run(
    plan: Plan,
    keys: &mut Keys,
    story: Option<&mut Vec<String>>,
) -> Result<Summary, Objection> {
    keys.forget();
    let mut world = World::new(plan, keys);
    world.story = story.is_some().then(Vec::new);
    let ended = world.live();
    if let (Some(to), Some(told)) = (story, world.story.take()) {
        *to = told;
    }
    ended.map(|()| world.summary)
}

impl<'k> World<'k> {
    fn new(plan: Plan, keys: &'k mut Keys) -> World<'k> {
        let funds = |who: Who| if who == POOR { 2 } else { FUNDS };
        let genesis: Genesis = Genesis {
            label: format!("world {}", plan.seed),
            allocations: (0..EVERYONE)
                .map(|who| (keys.public(who), Amount::new(funds(who))))
                .collect(),
        };
        let config = Config {
            mempool_transactions: plan.mempool,
            block_transactions: plan.block_transactions,
            ..Config::default()
        };
        let config = plan.scarce.map_or(config, |scarce| Config {
            order: scarce.order,
            answers: scarce.answers,
            units: Some(scarce.units),
            pace: Some(scarce.pace),
            ..config
        });
        let pace = Pace {
            interval_ms: 1_000,
            finality_blocks: 0,
        };
        let config = Config {
            pace: config.pace.or(plan.votes.map(|_| pace)),
            ..config
        };
        let chain = Chain::new(config, &genesis, keys.backend()).expect("a sound configuration");
        let terms = terms(&plan, &chain, keys);
        let ground = Ground {
            ids: terms.iter().map(Terms::channel_id).collect(),
            terms,
            plan,
        };
        let parties = ground.plan.rogue.len();
        let tower = tower::of_world(ground.plan.seed, keys.backend(), chain.genesis());
        World {
            rng: Rng::new(ground.plan.seed.rotate_left(17) ^ 0x05EE_D0FA),
            now: 0,
            votes: ground
                .plan
                .votes
                .map(|fault| Votes::new(ground.plan.seed, fault, chain.genesis(), keys.backend())),
            chain,
            nodes: (0..parties)
                .map(|who| Node::new(who, &ground, keys))
                .collect(),
            links: vec![Link::default(); ground.ids.len()],
            tower,
            tower_owes: Vec::new(),
            queue: BinaryHeap::new(),
            events: Vec::new(),
            travelling: Vec::new(),
            tickets: Vec::new(),
            history: Vec::new(),
            spam_nonce: 0,
            raises: BTreeMap::new(),
            may_crash_from: vec![0; parties],
            model: Model::new(&ground),
            summary: Summary::default(),
            hash: 0xCBF2_9CE4_8422_2325,
            story: None,
            ground,
            keys,
        }
    }

    fn live(&mut self) -> Result<(), Objection> {
        self.open();
        for who in 0..self.nodes.len() {
            let at = BLOCK_TICKS + self.rng.within(1, 6);
            self.at(at, Event::Act(who));
        }
        self.at(BLOCK_TICKS, Event::Block);
        // Silence is noticed, a window passes, and what is late comes in: twice, since a party may
        // have to begin again after its peer's post.
        let plan = &self.ground.plan;
        let calm = plan.patience + BLOCK_TICKS * (plan.window_blocks + plan.delay_blocks + 4);
        let backlog = u64::from(plan.mempool.div_ceil(plan.block_transactions));
        // Where fees rose, they fall again, an eighth each block.
        let queue = plan.scarce.map_or(0, |scarce| {
            let of_block = scarce.units.block / 10;
            40 + 2 * u64::from(plan.mempool).div_ceil(of_block)
        });
        // One block of four may leave out what waits.
        let calm = if plan.votes.is_some() {
            calm * 4 / 3
        } else {
            calm
        };
        let bound = plan.faults_until + 2 * calm + (backlog + queue) * BLOCK_TICKS;
        while let Some(Reverse((at, number))) = self.queue.pop() {
            self.now = at;
            let event = self.events[number as usize].take();
            if let Some(event) = event {
                self.happens(event)?;
            }
            if self.settled() {
                break;
            }
            if self.now > bound {
                return Err(format!(
                    "liveness: not settled at {bound}: {}",
                    self.unsettled()
                ));
            }
        }
        self.recount()?;
        self.summary.sessions = self.ground.ids.len() as u64;
        self.summary.payments = self.model.counted;
        self.summary.ticks = self.now;
        self.summary.signatures = self.keys.made_so_far();
        let mut hasher = Hasher::new(Domain::Block);
        hasher
            .update(&self.hash.to_le_bytes())
            .update(&self.chain.tip().0);
        self.summary.trace = hasher.finish();
        Ok(())
    }

    /// Every channel that somebody honest is in has ended.
    fn settled(&self) -> bool {
        self.chain.height() > 0 && self.open_ones().next().is_none()
    }

    fn open_ones(&self) -> impl Iterator<Item = usize> {
        let ids = self.ground.ids.iter().enumerate();
        ids.filter(|(channel, id)| {
            self.ground.plan.guarded(*channel) && self.chain.channel(id).is_some()
        })
        .map(|(channel, _)| channel)
    }

    fn unsettled(&self) -> String {
        let state = |channel: usize| {
            let id = &self.ground.ids[channel];
            let record = self.chain.channel(id);
            format!("{channel}: {:?}", record.map(|record| record.status))
        };
        self.open_ones().map(state).collect::<Vec<_>>().join(", ")
    }

    fn at(&mut self, time: u64, event: Event) {
        self.queue.push(Reverse((time, self.events.len() as u64)));
        self.events.push(Some(event));
    }

    /// Adds to the trace; the words are made only if somebody reads them.
    fn tell(&mut self, what: u8, number: u64, bytes: &[u8], words: impl FnOnce() -> String) {
        let header = [self.now.to_le_bytes(), number.to_le_bytes()];
        for &byte in header.as_flattened().iter().chain([&what]).chain(bytes) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if let Some(story) = &mut self.story {
            story.push(format!("{:>5} {}", self.now, words()));
        }
    }

    fn faulty(&self) -> bool {
        self.now < self.ground.plan.faults_until
    }

    fn happens(&mut self, event: Event) -> Result<(), Objection> {
        match event {
            Event::Deliver {
                channel,
                to,
                epoch,
                bytes,
            } => self.deliver(channel, to, epoch, &bytes),
            Event::Act(who) => {
                let again = self.now + self.rng.within(4, 8);
                self.at(again, Event::Act(who));
                self.step(who, Node::act)
            }
            Event::Block => self.block(),
            Event::Reconnect(channel) => self.reconnect(channel),
            Event::Restart(who) => self.restart(who),
        }
    }

    /// Lets a node do something, and carries out what it wants.
    fn step(
        &mut self,
        who: Who,
        act: impl FnOnce(&mut Node, &mut Step<'_>),
    ) -> Result<(), Objection> {
        if !self.nodes[who].up {
            return Ok(());
        }
        let mut step = Step {
            ground: &self.ground,
            keys: self.keys,
            now: self.now,
            out: Vec::new(),
        };
        act(&mut self.nodes[who], &mut step);
        let effects = step.out;
        self.carry_out(who, effects)
    }

    fn carry_out(&mut self, who: Who, effects: Vec<(usize, Effect)>) -> Result<(), Objection> {
        for (channel, effect) in effects {
            if self.crashes(who) {
                return Ok(());
            }
            let me = self.nodes[who].side(channel).me;
            match effect {
                Effect::HandOver(state) => {
                    let plan = &self.ground.plan;
                    let relied_on = plan.relies_on_tower[who];
                    let forgets = plan.forgetful_tower && !relied_on;
                    if plan.honest(who) && !(forgets && self.rng.once_in(2)) {
                        let id = self.ground.ids[channel];
                        self.tower.hand_over(id, state, self.chain.channel(&id));
                    }
                }
                Effect::Store(stored) => {
                    let id = self.ground.ids[channel];
                    let Ok(()) = self.nodes[who].disk.store(&id, me, &stored);
                }
                Effect::Count { payments, version } => {
                    self.tell(1, version, &[], || {
                        format!("{who} counts {payments} in {channel}, up to {version}")
                    });
                    self.nodes[who].side(channel).reported += payments;
                    let (ground, keys) = (&self.ground, &*self.keys);
                    self.model
                        .counts(channel, me, payments, version, ground, keys)?;
                }
                Effect::Send(bytes) => self.send(who, channel, me, bytes)?,
                Effect::Submit(transaction) => {
                    if let Transaction::Post { post, .. } = &*transaction {
                        let (ground, keys) = (&self.ground, &*self.keys);
                        self.model.posts(channel, me, post, ground, keys)?;
                    }
                    let late = self.ground.plan.delay_blocks;
                    let late = if self.faulty() {
                        self.rng.within(0, late)
                    } else {
                        0
                    };
                    self.submit(Source::Node(who, channel), who, *transaction, late);
                }
            }
        }
        Ok(())
    }
}

fn terms(plan: &Plan, chain: &Chain, keys: &Keys) -> Vec<Terms> {
    let mut indices = vec![0; plan.rogue.len()];
    let term = |planned: &super::plan::Planned| {
        let [a, b] = planned.parties;
        let index = indices[a];
        indices[a] += 1;
        Terms {
            genesis: *chain.genesis(),
            nonce: 0,
            index,
            keys: Pair {
                a: keys.public(a),
                b: keys.public(b),
            },
            deposits: Pair {
                a: Amount::new(planned.deposits[0]),
                b: Amount::new(planned.deposits[1]),
            },
            challenge_window_blocks: plan.window_blocks as u32,
            reserve: Amount::new(planned.reserve),
        }
    };
    plan.channels.iter().map(term).collect()
}
