//! A mass exit, block by block: how long answers to posts wait in the queue before blocks, and the
//! least challenge window in which all of them come. Nothing measured; `loadgen exit` holds it
//! against runs.

use std::collections::{BTreeMap, VecDeque};

use duet_profile::{Answers, Limits, Order};

use crate::share::Share;

/// Bytes of Duet's own transactions, without a bid: an open, a post of an old state, one with an
/// offer, an answer, a payout (docs/protocol.md).
const OPEN_BYTES: u64 = 161;
const OLD_POST_BYTES: u64 = 321;
const OFFER_POST_BYTES: u64 = 449;
const ANSWER_BYTES: u64 = 321;
const PAYOUT_BYTES: u64 = 129;
const BID_BYTES: u64 = 16;
/// Bytes that a queue holds at most, whatever the profile says (docs/l1-profiles.md).
const QUEUE_BYTES: u64 = 32 << 20;
/// What is given up: no window in these many blocks.
const MOST_BLOCKS: u64 = 10_000_000;

/// All channels of a Layer 1 close at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// How many there are.
    pub channels: u64,
    /// The share of them that a cheater closes with an old state, which is answered. The others are
    /// closed by an honest party whose peer is silent.
    pub stale: Share,
}

/// What becomes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exited {
    /// Blocks from the first post to the last payout, both among them.
    pub blocks: u64,
    /// Posts of old states whose answer came too late.
    pub too_late: u64,
    /// The most blocks that an answer was behind its post; nothing without one.
    pub longest: u64,
}

/// Why there is no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotModelled {
    /// What waits bids against each other for the queue.
    #[error("{channels} posts bid for a queue of {room}: which of them wait is not modelled")]
    Bidding {
        /// Posts that come at once.
        channels: u64,
        /// How many the queue holds.
        room: u64,
    },
    /// Blocks take nothing, or not all.
    #[error("not all is paid out within {MOST_BLOCKS} blocks")]
    Endless,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Open,
    Post { stale: bool },
    Answer,
    Payout,
}

type Item = (u64, What);

/// What is left of a block.
struct Room {
    transactions: u64,
    bytes: u64,
    units: u64,
    of_channels: u64,
}

impl Room {
    fn of(limits: &Limits) -> Room {
        Room {
            transactions: limits.block_transactions.map_or(u64::MAX, u64::from),
            bytes: limits.block_bytes.unwrap_or(u64::MAX),
            units: limits.block_units,
            of_channels: limits.channel_units.unwrap_or(limits.block_units),
        }
    }

    fn take(&mut self, units: u64, bytes: u64) -> bool {
        let room = self.units.min(self.of_channels);
        let fits = self.transactions > 0 && bytes <= self.bytes && units <= room;
        if fits {
            self.transactions -= 1;
            self.bytes -= bytes;
            self.units -= units;
            self.of_channels -= units;
        }
        fits
    }
}

/// What waits, and what comes when.
struct Queue<'l> {
    limits: &'l Limits,
    exit: Exit,
    window: u64,
    height: u64,
    due: BTreeMap<u64, Vec<Item>>,
    /// What found the queue full: it comes again before what is due later.
    pushed_back: VecDeque<Item>,
    /// Answers that have room of their own, before all others.
    reserved: VecDeque<Item>,
    waiting: VecDeque<Item>,
    waiting_bytes: u64,
    /// Of a base fee: the next block's.
    base: u64,
    /// The block of each channel's first post.
    posted: Vec<u64>,
    left: u64,
    first_post: u64,
    exited: Exited,
}

/// What becomes of an exit under these limits, with this challenge window. Nobody else uses Layer
/// 1, no transaction is held back, and each bids as the profile says.
///
/// # Errors
/// [`NotModelled`].
pub fn exit(limits: &Limits, exit: Exit, window_blocks: u64) -> Result<Exited, NotModelled> {
    let mut queue = Queue {
        limits,
        exit,
        window: window_blocks,
        height: 0,
        due: BTreeMap::new(),
        pushed_back: VecDeque::new(),
        reserved: VecDeque::new(),
        waiting: VecDeque::new(),
        waiting_bytes: 0,
        base: least_base(limits),
        posted: vec![0; exit.channels as usize],
        left: 0,
        first_post: 0,
        exited: Exited::default(),
    };
    queue.check()?;
    // Opening channels raises a base fee: the exit begins where that has left it.
    if let Order::BaseFee { .. } = limits.order {
        let opens = (0..exit.channels).map(|channel| (channel, What::Open));
        queue.run(1, opens.collect())?;
    }
    let begins = queue.height + u64::from(limits.finality_blocks) + 1;
    let billion = u128::from(exit.stale.per_billion());
    let upto = |count: u64| u128::from(count) * billion / u128::from(Share::ALL.per_billion());
    let posts = (0..exit.channels).map(|channel| {
        let stale = upto(channel + 1) > upto(channel);
        (channel, What::Post { stale })
    });
    queue.run(begins, posts.collect())?;
    queue.exited.blocks = queue.height + 1 - queue.first_post;
    Ok(queue.exited)
}

/// The least challenge window, in blocks, in which all answers come.
///
/// # Errors
/// [`NotModelled`].
pub fn least_window(limits: &Limits, exit: Exit) -> Result<u64, NotModelled> {
    // With a window without end no payout takes an answer's place.
    let mut window = self::exit(limits, exit, MOST_BLOCKS / 2)?.longest.max(1);
    while self::exit(limits, exit, window)?.too_late > 0 {
        window += 1;
    }
    Ok(window)
}

fn least_base(limits: &Limits) -> u64 {
    match limits.order {
        Order::BaseFee {
            least_per_million_units,
            ..
        } => least_per_million_units,
        Order::Arrival { .. } | Order::Fee { .. } => 0,
    }
}

impl Queue<'_> {
    fn takes_bids(&self) -> bool {
        !matches!(self.limits.order, Order::Arrival { .. })
    }

    /// Where the queue is full, those who bid raise, evict each other and give up.
    fn check(&self) -> Result<(), NotModelled> {
        let by_bytes = QUEUE_BYTES / (OFFER_POST_BYTES + BID_BYTES);
        let room = by_bytes.min(self.limits.mempool_transactions.into());
        let channels = self.exit.channels;
        match self.takes_bids() && channels > room {
            true => Err(NotModelled::Bidding { channels, room }),
            false => Ok(()),
        }
    }

    /// All blocks until nothing of this waits, which is due in a block.
    fn run(&mut self, begins: u64, items: Vec<Item>) -> Result<(), NotModelled> {
        self.left += items.len() as u64;
        self.due.insert(begins, items);
        while self.left > 0 {
            self.pass_over();
            if self.height >= 2 * MOST_BLOCKS {
                return Err(NotModelled::Endless);
            }
            self.block();
        }
        Ok(())
    }

    /// Nothing happens before the next thing is due; a base fee comes down.
    fn pass_over(&mut self) {
        let waiting = [&self.waiting, &self.reserved, &self.pushed_back];
        let idle = waiting.into_iter().all(VecDeque::is_empty);
        let next = self.due.first_key_value().map(|(height, _)| *height);
        if let (true, Some(next)) = (idle, next) {
            while self.height + 1 < next && self.base > least_base(self.limits) {
                self.height += 1;
                self.next_base(0);
            }
            self.height = self.height.max(next - 1);
        }
    }

    fn block(&mut self) {
        self.height += 1;
        self.submit();
        let mut room = Room::of(self.limits);
        let mut taken = 0;
        if !self.reaches_base() {
            self.next_base(0);
            return;
        }
        while let Some(&item) = self.reserved.front() {
            if !self.goes(item, &mut room, &mut taken) {
                break;
            }
            self.reserved.pop_front();
        }
        let mut passed_over = VecDeque::new();
        while let Some(item) = self.waiting.pop_front() {
            self.waiting_bytes -= self.bytes(item.1);
            if !self.goes(item, &mut room, &mut taken) {
                self.waiting_bytes += self.bytes(item.1);
                passed_over.push_back(item);
                // By arrival, what does not fit ends the block.
                if !self.takes_bids() || room.transactions == 0 || self.nothing_fits(&room) {
                    break;
                }
            }
        }
        passed_over.append(&mut self.waiting);
        self.waiting = passed_over;
        self.next_base(taken);
    }

    /// What is due in this block comes into the queue, or again for the next one.
    fn submit(&mut self) {
        let later = self.due.split_off(&(self.height + 1));
        let due = std::mem::replace(&mut self.due, later);
        let again = std::mem::take(&mut self.pushed_back);
        for item in again.into_iter().chain(due.into_values().flatten()) {
            let bytes = self.bytes(item.1);
            let is_full = self.waiting.len() as u64 >= self.limits.mempool_transactions.into()
                || self.waiting_bytes + bytes > QUEUE_BYTES;
            if item.1 == What::Answer && self.limits.answers == Answers::Reserved {
                self.reserved.push_back(item);
            } else if is_full {
                self.pushed_back.push_back(item);
            } else {
                self.waiting.push_back(item);
                self.waiting_bytes += bytes;
            }
        }
    }

    /// One has its turn: whether it is in the block, or refused, which takes no room.
    fn goes(&mut self, (channel, what): Item, room: &mut Room, taken: &mut u64) -> bool {
        let posted = self.posted[channel as usize];
        let behind = self.height - posted;
        if what == What::Answer && behind > self.window {
            self.exited.too_late += 1;
            self.left -= 1;
            return true;
        }
        let units = self.units(what);
        if !room.take(units, self.bytes(what)) {
            return false;
        }
        *taken += units;
        self.left -= 1;
        let mut follows = |height: u64, what: What| {
            self.due.entry(height).or_default().push((channel, what));
            self.left += 1;
        };
        match what {
            What::Post { stale } => {
                self.posted[channel as usize] = self.height;
                if stale {
                    follows(self.height + 1, What::Answer);
                }
                follows(self.height + self.window + 1, What::Payout);
                if self.first_post == 0 {
                    self.first_post = self.height;
                }
            }
            What::Answer => self.exited.longest = self.exited.longest.max(behind),
            What::Open | What::Payout => {}
        }
        true
    }

    fn units(&self, what: What) -> u64 {
        let prices = &self.limits.prices;
        match what {
            What::Open => prices.open_one_sided,
            What::Post { .. } => prices.post,
            What::Answer => prices.answer,
            What::Payout => prices.payout,
        }
    }

    fn bytes(&self, what: What) -> u64 {
        let bytes = match what {
            What::Open => OPEN_BYTES,
            What::Post { stale: true } => OLD_POST_BYTES,
            What::Post { stale: false } => OFFER_POST_BYTES,
            What::Answer => ANSWER_BYTES,
            What::Payout => PAYOUT_BYTES,
        };
        bytes + if self.takes_bids() { BID_BYTES } else { 0 }
    }

    fn nothing_fits(&self, room: &Room) -> bool {
        let all = [What::Post { stale: true }, What::Answer, What::Payout];
        let least = all.map(|what| self.units(what)).into_iter().min();
        room.units.min(room.of_channels) < least.unwrap_or(0) || room.bytes < PAYOUT_BYTES
    }

    /// Whether what everybody bids is as much as the base fee.
    fn reaches_base(&self) -> bool {
        match self.limits.order {
            Order::BaseFee {
                per_million_units, ..
            } => per_million_units >= self.base,
            Order::Arrival { .. } | Order::Fee { .. } => true,
        }
    }

    /// EIP-1559: up to an eighth a block, by how far it is from half full.
    fn next_base(&mut self, taken: u64) {
        let Order::BaseFee {
            least_per_million_units,
            ..
        } = self.limits.order
        else {
            return;
        };
        let target = (self.limits.block_units / 2).max(1);
        let by = u128::from(taken.abs_diff(target)) * u128::from(self.base);
        let change = (by / u128::from(target) / 8) as u64;
        self.base = match taken.cmp(&target) {
            std::cmp::Ordering::Equal => self.base,
            std::cmp::Ordering::Greater => self.base.saturating_add(change.max(1)),
            std::cmp::Ordering::Less => self.base.saturating_sub(change.max(1)),
        };
        self.base = self.base.max(least_per_million_units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_profile::Profile;

    fn limits(name: &str) -> Limits {
        Profile::find(name).unwrap().limits().unwrap()
    }

    fn all_stale(channels: u64) -> Exit {
        Exit {
            channels,
            stale: Share::ALL,
        }
    }

    /// By arrival, all posts go before the first answer; with room of their own, answers go first.
    #[test]
    fn the_least_window_is_that_of_the_queue() {
        for (answers, a_block, channels, least) in [
            (Answers::Compete, 10, 10, 1),
            (Answers::Compete, 10, 100, 10),
            (Answers::Compete, 10, 105, 11),
            (Answers::Reserved, 10, 10, 1),
            (Answers::Reserved, 10, 105, 1),
        ] {
            let mut limits = limits("duet");
            (limits.answers, limits.block_units) = (answers, a_block);
            let found = least_window(&limits, all_stale(channels));
            assert_eq!(found, Ok(least), "{answers:?} {a_block} {channels}");
            let before = exit(&limits, all_stale(channels), least - 1);
            assert!(least == 1 || before.unwrap().too_late > 0);
        }
    }

    /// A queue that pushes back keeps the order, whatever its size.
    #[test]
    fn a_small_queue_changes_nothing_by_arrival() {
        let mut limits = limits("duet");
        (limits.answers, limits.block_units) = (Answers::Compete, 10);
        let wide = least_window(&limits, all_stale(300));
        limits.mempool_transactions = 20;
        assert_eq!(least_window(&limits, all_stale(300)), wide);
    }

    /// Where bids are below the base fee, blocks stay empty until it has come down.
    #[test]
    fn a_base_fee_makes_answers_wait() {
        let mut limits = limits("ethereum-60m");
        limits.block_units = 20 * limits.prices.post;
        let plain = least_window(&limits, all_stale(2_000)).unwrap();
        let Order::BaseFee {
            per_million_units, ..
        } = &mut limits.order
        else {
            unreachable!("EIP-1559")
        };
        *per_million_units = u64::MAX;
        let paid = least_window(&limits, all_stale(2_000)).unwrap();
        assert!(plain > paid, "{plain} {paid}");
    }

    #[test]
    fn those_who_bid_for_a_full_queue_are_not_modelled() {
        let limits = limits("ethereum-60m");
        let refused = least_window(&limits, all_stale(100_000)).unwrap_err();
        let (channels, room) = (100_000, 6_144);
        assert_eq!(refused, NotModelled::Bidding { channels, room });
    }
}
