//! The search itself: from a position, every move; from every move, the position after it, once.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use super::super::channel::{Channel, Settlement};
use super::super::dispute::Posting;
use super::Bounds;
use super::court::{Court, Law, Mixer};
use super::lie::Claimed;
use super::reach::{Reach, View};
use super::script::{Loss, What};
use duet_channels::protocol::{Amount, Balance, ChannelId, CoSigned, State};

/// Where a game stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The honest party's point.
    pub(super) view: u16,
    /// What was posted so far.
    pub(super) case: Option<u32>,
    /// Blocks since the first post.
    pub(super) blocks: u8,
    /// The honest party has closed or has seen a post: it signs no more.
    pub(super) acting: bool,
    /// Blocks for which its next transaction can still be kept out.
    pub(super) timer: Option<u8>,
    /// The peer's posts since the first that the honest party has not seen: see [`Play::unseen`].
    pub(super) unseen: u16,
    /// The peer has posted a lie.
    pub(super) lied: bool,
}

/// One move of a game.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Something happens off chain, which leads to this view.
    OffChain(u16),
    /// The honest party closes: its post waits to be included.
    Closes,
    /// The honest party sees what was posted, and answers if it can.
    Sees,
    /// The honest party's post is included, or refused.
    Honest,
    /// It makes way for a higher bid.
    Evicted,
    /// A post of the peer, or evidence of a stranger, is included: which of [`Play::posts`].
    Other(u16),
    /// The next block.
    NextBlock,
    /// Both finals are shown.
    Final,
    /// The payout is triggered.
    PayOut,
}

/// What a move leads to.
pub(super) enum Next {
    Play(Position),
    End(Settlement),
}

/// Who looks after the honest party's channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// The honest party.
    Itself,
    /// A watchtower, with an account of its own.
    Tower,
    /// Nobody. Strangers may show states all the same, or not.
    Nobody { strangers: bool },
}

/// A search over one party's reach.
pub(super) struct Play<'r> {
    pub(super) reach: &'r Reach,
    pub(super) views: &'r [View],
    pub(super) court: Court,
    pub(super) bounds: Bounds,
    /// What each view lets the peer and a stranger post, while the honest party may still sign, and
    /// from then on.
    posts: Vec<[Vec<Posting>; 2]>,
    finals: Vec<Option<Settlement>>,
    /// What the peer has claimed before the honest party looks: which claims are lies is open until
    /// then. At 0 is nothing.
    unseen: Vec<Vec<Claimed>>,
    places: HashMap<Vec<Claimed>, u16, BuildHasherDefault<Mixer>>,
    /// Games from every position seen; none yet of those that are being played.
    seen: HashMap<u64, f64, BuildHasherDefault<Mixer>>,
    pub(super) watch: Watch,
    /// Ends in which the honest party has less than its due: only where blocks are scarce.
    pub(super) losses: u64,
}

impl<'r> Play<'r> {
    pub(super) fn new(reach: &'r Reach, bounds: Bounds, law: Law) -> Play<'r> {
        Play::watched(reach, &reach.views, bounds, law, Watch::Itself)
    }

    fn asleep(&self) -> bool {
        self.watch != Watch::Itself
    }

    /// Where not the honest party itself looks, its post in these views is its watchtower's.
    pub(super) fn watched(
        reach: &'r Reach,
        views: &'r [View],
        bounds: Bounds,
        law: Law,
        watch: Watch,
    ) -> Play<'r> {
        let limits = bounds.limits();
        let terms = &reach.bench.terms;
        let record = Channel::new(terms, limits.capacity);
        let finals = reach.points.iter().zip(&reach.views).map(|(point, view)| {
            let newest = point.shown.last().map_or(State::Opening, CoSigned::state);
            let settlement = record.settle(&newest).expect("within the capacity");
            view.has_final.then_some(settlement)
        });
        Play {
            reach,
            views,
            court: Court::new(limits, bounds.window, law, reach.bench.me),
            bounds,
            posts: views
                .iter()
                .map(|view| {
                    let channel = terms.channel_id();
                    let newest = view.newest().version;
                    let last = if view.running {
                        bounds.payments
                    } else {
                        newest
                    };
                    let strangers = watch != Watch::Nobody { strangers: false };
                    [last, newest].map(|last| {
                        let mut posts = posts(view, &bounds, channel, last);
                        posts.retain(|post| strangers || post.poster.is_some());
                        posts
                    })
                })
                .collect(),
            finals: if watch != Watch::Itself {
                vec![None; views.len()]
            } else {
                finals.collect()
            },
            unseen: vec![Vec::new()],
            places: HashMap::from_iter([(Vec::new(), 0)]),
            seen: HashMap::default(),
            watch,
            losses: 0,
        }
    }

    /// Positions seen so far.
    pub(super) fn positions(&self) -> usize {
        self.seen.len()
    }

    /// How many games begin here; or what goes wrong in one of them.
    pub(super) fn games(&mut self, now: Position) -> Result<f64, What> {
        if let Some(&games) = self.seen.get(&now.packed()) {
            assert!(
                games > 0.0,
                "a game that comes back to where it was: {now:?}"
            );
            return Ok(games);
        }
        self.seen.insert(now.packed(), 0.0);
        let mut moves = Vec::new();
        self.moves(now, &mut moves);
        assert!(!moves.is_empty(), "a game that cannot end: {now:?}");
        let mut games = 0.0;
        for (one, next) in moves {
            games += match next {
                Next::Play(next) => self.games(next)?,
                Next::End(end) => {
                    if let Some(what) = self.wrong(&now, one, &end) {
                        return Err(what);
                    }
                    let view = &self.views[usize::from(now.view)];
                    self.losses += u64::from(end.payouts[view.me] < view.due);
                    1.0
                }
            };
        }
        self.seen.insert(now.packed(), games);
        Ok(games)
    }

    /// A game from one of these that goes wrong in the fewest moves, if any does.
    pub(super) fn shortest_loss(&mut self, starts: &[Position]) -> Option<Loss> {
        let mut came: HashMap<u64, Option<(Position, Move)>> = HashMap::new();
        came.extend(starts.iter().map(|start| (start.packed(), None)));
        let mut waiting: VecDeque<Position> = starts.iter().copied().collect();
        while let Some(now) = waiting.pop_front() {
            let mut moves = Vec::new();
            self.moves(now, &mut moves);
            for (one, next) in moves {
                match next {
                    Next::Play(next) => {
                        came.entry(next.packed()).or_insert_with(|| {
                            waiting.push_back(next);
                            Some((now, one))
                        });
                    }
                    Next::End(end) => {
                        if let Some(what) = self.wrong(&now, one, &end) {
                            let mut moves = vec![(now, one)];
                            while let Some(before) = came[&moves[0].0.packed()] {
                                moves.insert(0, before);
                            }
                            return Some(Loss { what, moves });
                        }
                    }
                }
            }
        }
        None
    }

    /// Every move that can be made here.
    pub(super) fn moves(&mut self, now: Position, moves: &mut Vec<(Move, Next)>) {
        if let Some(end) = self.finals[usize::from(now.view)] {
            moves.push((Move::Final, Next::End(end)));
        }
        if let Some(case) = now.case
            && u32::from(now.blocks) > self.bounds.window
        {
            self.after_the_window(now, case, moves);
            return;
        }
        self.honest_moves(now, moves);
        for at in 0..self.posts(&now).len() {
            let posting = self.posts(&now)[at];
            if let Ok(case) = self.court.post(now.case, &posting, now.blocks) {
                let case = Some(case);
                let next = self.noted(Position { case, ..now }, posting);
                moves.push((Move::Other(at as u16), Next::Play(next)));
            }
        }
        self.next_block(now, moves);
    }

    fn after_the_window(&mut self, now: Position, case: u32, moves: &mut Vec<(Move, Next)>) {
        for at in 0..self.posts(&now).len() {
            let posting = self.posts(&now)[at];
            let refused = self.court.post(now.case, &posting, now.blocks);
            assert!(refused.is_err(), "an answer after the window");
        }
        let settled = self.court.settle(case, now.blocks);
        let settled = settled.expect("a payout after the window");
        moves.push((Move::PayOut, Next::End(settled)));
        if u32::from(now.blocks) == self.bounds.window + 1 {
            let blocks = now.blocks + 1;
            moves.push((Move::NextBlock, Next::Play(Position { blocks, ..now })));
        }
    }

    /// What the peer and a stranger can post here.
    pub(super) fn posts(&self, now: &Position) -> &[Posting] {
        &self.posts[usize::from(now.view)][usize::from(now.acting)]
    }

    /// What the honest party would post here.
    pub(super) fn honest_post(&self, now: &Position) -> Posting {
        let post = self.views[usize::from(now.view)].post;
        let offer = post.offer;
        let offer = offer.filter(|_| self.court.law() != Law::HonestOffersNothing);
        Posting { offer, ..post }
    }

    fn honest_moves(&mut self, now: Position, moves: &mut Vec<(Move, Next)>) {
        let post = self.honest_post(&now);
        let off_chain = !now.acting && !self.asleep();
        if off_chain {
            for &to in self.reach.steps[usize::from(now.view)].keys() {
                let next = Position { view: to, ..now };
                moves.push((Move::OffChain(to), Next::Play(next)));
            }
        }
        match (now.case, now.acting) {
            (None, false) if self.asleep() => {}
            (None, false) if self.court.law() == Law::HonestSignsOn => {
                let case = self.court.post(None, &post, 0).expect("a first post");
                let next = Position {
                    case: Some(case),
                    ..now
                };
                moves.push((Move::Honest, Next::Play(next)));
            }
            (None, false) => {
                let next = Position {
                    acting: true,
                    timer: Some(self.waits(self.bounds.delay as u8)),
                    ..now
                };
                moves.push((Move::Closes, Next::Play(next)));
            }
            (Some(case), false) if now.blocks > 0 => {
                let answers = self.beats(case, &post);
                let next = Position {
                    acting: true,
                    timer: now.timer.filter(|_| answers).map(|left| self.waits(left)),
                    unseen: 0,
                    lied: self.has_lied(&now),
                    ..now
                };
                moves.push((Move::Sees, Next::Play(next)));
            }
            (_, true) if now.timer.is_some() => {
                let included = self.court.post(now.case, &post, now.blocks);
                if now.case.is_none() {
                    assert!(included.is_ok(), "an honest party can always close");
                }
                let next = Position {
                    case: included.ok().or(now.case),
                    timer: None,
                    ..now
                };
                moves.push((Move::Honest, Next::Play(next)));
                if self.bounds.scarce {
                    let next = Position { timer: None, ..now };
                    moves.push((Move::Evicted, Next::Play(next)));
                }
            }
            _ => {}
        }
    }

    /// Blocks for which a transaction can still be kept out, by what is left to the party itself:
    /// where they are scarce, that bounds nothing.
    fn waits(&self, left: u8) -> u8 {
        if self.bounds.scarce { 0 } else { left }
    }

    fn next_block(&self, now: Position, moves: &mut Vec<(Move, Next)>) {
        let view = &self.views[usize::from(now.view)];
        let delay = Some(self.bounds.delay as u8);
        let (timer, blocks) = match (now.timer, now.case) {
            // It waits. Without a post, a block more or less makes no difference.
            (Some(_), None) if self.bounds.scarce => return,
            (Some(_), Some(_)) if self.bounds.scarce && now.acting => (now.timer, now.blocks + 1),
            // What cannot be kept out any longer comes first.
            (Some(0), _) | (None, None) => return,
            (Some(left), case) => (Some(left - 1), now.blocks + u8::from(case.is_some())),
            (None, Some(_)) if !now.acting => (delay, now.blocks + 1),
            // It was refused in the block of the first post, or has only now got something to say,
            // or was evicted.
            (None, Some(case)) if self.beats(case, &view.post) => {
                (delay.map(|left| self.waits(left)), now.blocks + 1)
            }
            (None, Some(_)) => (None, now.blocks + 1),
        };
        let next = Position {
            blocks,
            timer,
            ..now
        };
        moves.push((Move::NextBlock, Next::Play(next)));
    }

    /// Whether the honest party answers: what [`Endpoint::posted`] compares.
    ///
    /// [`Endpoint::posted`]: duet_channels::protocol::Endpoint::posted
    fn beats(&self, case: u32, post: &Posting) -> bool {
        self.court.law() != Law::HonestSleeps
            && post.shown.version > self.court.case(case).dispute.highest()
    }

    /// With one more post, if it is the peer's.
    fn noted(&mut self, now: Position, posting: Posting) -> Position {
        let view = &self.views[usize::from(now.view)];
        if posting.poster.is_none() {
            return now;
        }
        let claimed = Claimed::by(&posting, &self.bounds);
        if now.acting || self.asleep() {
            let lied = now.lied || claimed.is_a_lie(view, &self.court.limits);
            return Position { lied, ..now };
        }
        let before = &self.unseen[usize::from(now.unseen)];
        if before.iter().any(|one| one.is_bolder(&claimed)) {
            return now;
        }
        let bolder = before.iter().filter(|one| !claimed.is_bolder(one));
        let mut all: Vec<Claimed> = bolder.copied().chain([claimed]).collect();
        all.sort_unstable();
        let unseen = *self.places.entry(all).or_insert_with_key(|all| {
            self.unseen.push(all.clone());
            u16::try_from(self.unseen.len() - 1).expect("fewer than 2^16 lists")
        });
        Position { unseen, ..now }
    }

    fn has_lied(&self, now: &Position) -> bool {
        let view = &self.views[usize::from(now.view)];
        let lie = |claimed: &Claimed| claimed.is_a_lie(view, &self.court.limits);
        now.lied || self.unseen[usize::from(now.unseen)].iter().any(lie)
    }

    fn wrong(&self, now: &Position, last: Move, end: &Settlement) -> Option<What> {
        let view = &self.views[usize::from(now.view)];
        let got = end.payouts[view.me];
        let peers = end.payouts[view.me.other()];
        if got.plus(peers) != Some(self.court.limits.capacity) {
            return Some(What::NotConserved);
        }
        if end.forfeited == Some(view.me) {
            return Some(What::Forfeited);
        }
        if self.bounds.scarce
            && last == Move::PayOut
            && let Some(case) = now.case
            && self.court.case(case).dispute.highest() < self.honest_post(now).shown.version
        {
            return self.wrong_without_answer(view, case, end);
        }
        if got < view.due {
            let due = view.due;
            return match self.watch {
                Watch::Nobody { .. } if self.has_lied(now) => None,
                Watch::Nobody { .. } => Some(What::FreePass { due, got }),
                Watch::Itself | Watch::Tower => Some(What::PaidTooLittle { due, got }),
            };
        }
        if let Watch::Nobody { .. } = self.watch {
            return None;
        }
        if self.has_lied(now) && last == Move::PayOut && !peers.is_zero() {
            return Some(What::LiarPaid { got: peers });
        }
        None
    }

    /// The honest party had a higher state to show, and no block took it in time.
    fn wrong_without_answer(&self, view: &View, case: u32, end: &Settlement) -> Option<What> {
        let (me, limits) = (view.me, &self.court.limits);
        let got = end.payouts[me];
        let settled = match end.forfeited {
            None => self.court.case(case).dispute.settles().of(me, limits),
            Some(_) => limits.capacity,
        };
        if got != settled {
            return Some(What::NotAsSettled { settled, got });
        }
        let signed = view.states.iter().map(|state| state.of(me, limits));
        let least = signed.min().expect("the opening");
        (got < least).then_some(What::BelowSigned { least, got })
    }
}

/// What the peer and a stranger can post: every state that the honest party has signed; of the
/// peer's own account, with no offer or any other. No
/// state of a version above `last` will be signed: offers of higher versions are all alike.
fn posts(view: &View, bounds: &Bounds, channel: ChannelId, last: u64) -> Vec<Posting> {
    let limits = &bounds.limits();
    let peer = view.me.other();
    let mut posts = Vec::new();
    for &shown in &view.states {
        let evidence = Posting {
            channel,
            poster: None,
            shown,
            offer: None,
        };
        if shown.version > 0 {
            posts.push(evidence);
        }
        let mut offers = vec![None];
        for version in (shown.version + 1..=last).chain([u64::MAX]) {
            let amounts = (0..=limits.capacity.units()).map(Amount::new);
            let offer = amounts.map(|a| Balance { version, a });
            offers.extend(offer.map(Some));
        }
        for offer in offers {
            posts.push(Posting {
                poster: Some(peer),
                offer,
                ..evidence
            });
        }
    }
    posts
}

impl Position {
    /// The channel as it opened.
    pub(super) const START: Position = Position::at(0);

    /// A point of which nothing is posted.
    pub(super) const fn at(view: u16) -> Position {
        Position {
            view,
            case: None,
            blocks: 0,
            acting: false,
            timer: None,
            unseen: 0,
            lied: false,
        }
    }

    /// The position as one number.
    fn packed(&self) -> u64 {
        let fields = [
            (u64::from(self.acting), 1),
            (u64::from(self.lied), 1),
            (self.timer.map_or(0, |timer| u64::from(timer) + 1), 4),
            (u64::from(self.blocks), 4),
            (u64::from(self.unseen), 16),
            (u64::from(self.view), 16),
            (self.case.map_or(0, |case| u64::from(case) + 1), 22),
        ];
        fields.iter().fold(0, |packed, &(field, bits)| {
            assert!(field < 1 << bits, "a field of {bits} bits");
            packed << bits | field
        })
    }
}
