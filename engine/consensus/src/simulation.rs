//! All validators and the network between them, in virtual microseconds. Every random choice comes
//! from the seed, and what happens at one instant happens in the order in which it was set off.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use arc_malachitebft_core_driver::{Input, Output};
use arc_malachitebft_core_types as mc;
use mc::{LinearTimeouts, NilOrVal, Round, SignedProposal, SignedVote, Timeout, TimeoutKind};
use mc::{Validity, VoteType};
use zeroize::Zeroizing;

use super::blocks::{Block, Blocks, Offer};
use super::certificate::{Certificate, Validators};
use super::context::{Address, BlockId, Candidate, Layer1, Members, Proposal, Vote};
use super::counts::{Counts, Finality};
use super::faults::{Fault, Faults};
use super::message::{Message, proposal_digest, vote_digest};
use super::network::{Chance, MOST_LOSS_PPM, Network};
use super::queue::Queue;
use super::registry::{Registry, SignatureId};
use super::turn::Turn;
use super::validator::{Heard, Validator};
use duet_base::clock::thread_cpu_ns;
use duet_channels::crypto::{Backend, Digest};

/// What validators there are, and what is between them.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The identity of the Layer 1 that they decide for.
    pub genesis: Digest,
    /// Their keys' seeds, one each.
    pub seeds: Vec<Zeroizing<[u8; 32]>>,
    /// Which are faulty.
    pub faults: Faults,
    /// What is between them.
    pub network: Network,
    /// Where its chance comes from.
    pub seed: u64,
}

/// What was decided at a height.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The block's hash.
    pub block: Digest,
    /// Why it is final.
    pub certificate: Certificate,
    /// When the first validator decided that says so, in virtual µs.
    pub decided_us: u64,
}

/// Why validators do not go on. Neither happens while less than a third of them are faulty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// Nothing was decided for an hour, or for an hour after a partition.
    #[error("validators decided nothing at height {height} for an hour of virtual time")]
    Halted {
        /// The height.
        height: u64,
    },
    /// Nothing is decided, and nobody waits for anything: all of them are silent, or the only one
    /// offers what breaks a rule.
    #[error("validators decided nothing at height {height}, and none of them will say any more")]
    Mute {
        /// The height.
        height: u64,
    },
    /// More than two thirds precommitted one block, and more than two thirds another one: each can
    /// be shown to be final.
    #[error("validators decided for two blocks at height {height}: {one} and {other}")]
    Forked {
        /// The height.
        height: u64,
        /// The block that was certain first.
        one: Digest,
        /// The other one.
        other: Digest,
    },
}

/// The validators, the network, and what they have done.
pub struct Simulation {
    genesis: Digest,
    registry: Registry,
    network: Network,
    chance: Chance,
    nodes: Vec<Validator>,
    honest: usize,
    queue: Queue<(u16, Event)>,
    now_us: u64,
    /// Heights that somebody may still work on or ask about.
    turns: VecDeque<Turn>,
    /// Heights before those.
    past: u64,
    forked: Option<Stopped>,
    counts: Counts,
    /// What those did who were behind when the run had ended.
    after: Counts,
    finality: Finality,
}

/// Has no block: at a height that is decided, nobody is asked.
struct Nobody;

impl Blocks for Nobody {
    fn offer(&mut self, _: Offer) -> Block {
        unreachable!("the height is decided")
    }

    fn check(&mut self, _: u16, _: &Digest) -> bool {
        unreachable!("the height is decided")
    }
}

enum Event {
    Deliver(u16, Rc<Message>),
    /// A timeout of a height; of a rebroadcast, which one it is.
    Timeout(u64, u64, Timeout),
    /// Begins a height, by its number.
    Start(u64),
}

impl Event {
    /// Whether only who is behind has it happen: it says something again, asks, or is answered.
    fn is_of_who_is_behind(&self) -> bool {
        match self {
            Event::Deliver(_, message) => {
                matches!(**message, Message::Ask(_) | Message::Decided(..))
            }
            Event::Timeout(.., timeout) => timeout.kind == TimeoutKind::Rebroadcast,
            Event::Start(_) => false,
        }
    }
}

const HOUR_US: u64 = 3_600_000_000;
/// How long validators may take for the last decision once one of them has it: the timeouts of
/// eight rounds.
const FINISH_US: u64 = 60_000_000;
/// How late a slow validator is.
const SLOW_US: u64 = 1_000_000;

/// CometBFT's timeouts (v0.38, `config/config.go`) have three seconds for a proposal and one for
/// votes; these are a third and a half of those, with the same steps of half a second.
fn timeouts() -> LinearTimeouts {
    LinearTimeouts {
        propose: Duration::from_secs(1),
        prevote: Duration::from_millis(500),
        precommit: Duration::from_millis(500),
        rebroadcast: Duration::from_secs(2),
        ..LinearTimeouts::default()
    }
}

impl Simulation {
    /// Validators that have decided nothing.
    ///
    /// # Panics
    /// If there are none, or 2^16 or more, or links lose more than [`MOST_LOSS_PPM`].
    #[must_use]
    pub fn new(setup: Setup, backend: Backend) -> Simulation {
        let count = u16::try_from(setup.seeds.len()).expect("places are 16 bits");
        assert!(count > 0, "somebody decides");
        assert!(setup.network.loss_ppm <= MOST_LOSS_PPM, "a link works");
        let registry = Registry::new(backend, &setup.seeds);
        let members = Members::of(&registry.keys());
        let faults = setup.faults.by_place(count);
        let nodes = (0..count)
            .zip(faults)
            .map(|(place, fault)| Validator::new(place, fault, &members));
        let nodes: Vec<Validator> = nodes.collect();
        Simulation {
            genesis: setup.genesis,
            registry,
            network: setup.network,
            chance: Chance(setup.seed),
            honest: nodes.iter().filter(|node| node.is_honest()).count(),
            nodes,
            queue: Queue::new(),
            now_us: 0,
            turns: VecDeque::new(),
            past: 0,
            forked: None,
            counts: Counts::default(),
            after: Counts::default(),
            finality: Finality::default(),
        }
    }

    /// Who decides, for those who check certificates.
    #[must_use]
    pub fn validators(&self) -> Validators {
        Validators {
            genesis: self.genesis,
            keys: self.registry.keys(),
        }
    }

    /// What all of them did so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let [judged, forged] = self.registry.counts();
        Counts {
            after_messages: self.after.messages,
            after_bytes: self.after.bytes,
            judged,
            forged,
            ..self.counts
        }
    }

    /// How long decisions took.
    #[must_use]
    pub fn finality(&self) -> &Finality {
        &self.finality
    }

    /// Has a height decided, which begins at a time. Whoever has not decided the one before goes on
    /// with that first.
    ///
    /// # Errors
    /// [`Stopped`], for ever.
    ///
    /// # Panics
    /// If two blocks are decided although less than a third of them are faulty: our own bug.
    pub fn decide(
        &mut self,
        height: u64,
        begins_us: u64,
        blocks: &mut impl Blocks,
    ) -> Result<Decision, Stopped> {
        let start = thread_cpu_ns();
        let ended = self.decide_next(height, begins_us, blocks);
        // Its own votes nobody has to judge who decides alone.
        self.registry.judge();
        self.forget();
        self.counts.cpu_ns += thread_cpu_ns() - start;
        ended.map(|turn| self.decision(turn))
    }

    /// Gives which turn the height was.
    fn decide_next(
        &mut self,
        height: u64,
        begins_us: u64,
        blocks: &mut impl Blocks,
    ) -> Result<u64, Stopped> {
        let turn = self.past + self.turns.len() as u64;
        let from_us = begins_us.max(self.now_us);
        (self.turns).push_back(Turn::new(height, from_us, self.registry.next()));
        for place in 0..self.nodes.len() {
            let node = &self.nodes[place];
            if node.decided && (turn == 0 || node.turn + 1 == turn) {
                self.begin_next(place as u16);
            }
        }
        let over_us = self.network.undisturbed_for(HOUR_US, from_us);
        while self.forked.is_none() && self.turn(turn).decided.is_none() {
            match self.queue.next_us() {
                None => return Err(Stopped::Mute { height }),
                Some(next) if next > over_us => return Err(Stopped::Halted { height }),
                Some(_) => self.step(blocks),
            }
        }
        self.forked.map_or(Ok(turn), Err)
    }

    fn decision(&self, turn: u64) -> Decision {
        let of = self.turn(turn);
        let (proposal, commit) = of.decided.as_ref().expect("it is decided");
        let signatures = commit.commit_signatures.iter();
        let certificate = Certificate {
            height: proposal.height.0,
            round: commit.round.as_u32().expect("a round"),
            block: proposal.block.hash,
            signatures: signatures
                .map(|by| (by.address.0, self.registry.signature(by.signature)))
                .collect(),
        };
        Decision {
            block: proposal.block.hash,
            certificate,
            decided_us: of.first_us,
        }
    }

    /// Delivers what is on its way, and lets all honest validators come to the last decision; for a
    /// minute at most. What only those do who are behind is counted apart.
    ///
    /// # Errors
    /// [`Stopped::Forked`], if two blocks can be shown to be final.
    pub fn finish(&mut self) -> Result<(), Stopped> {
        let start = thread_cpu_ns();
        let over_us = self.now_us.saturating_add(FINISH_US);
        // Where nothing was decided, nothing will be.
        let is_decided = (self.turns.back()).is_some_and(|turn| turn.decided.is_some());
        let soon = |queue: &Queue<_>| queue.next_us().is_some_and(|next| next <= over_us);
        while is_decided && self.forked.is_none() && soon(&self.queue) {
            let (at_us, what) = self.queue.pop().expect("there is one");
            let is_behind = what.1.is_of_who_is_behind();
            if is_behind {
                std::mem::swap(&mut self.counts, &mut self.after);
            }
            self.happen(at_us, what, &mut Nobody);
            if is_behind {
                std::mem::swap(&mut self.counts, &mut self.after);
            }
        }
        for node in &mut self.nodes {
            self.counts.evidence += node.take_evidence();
        }
        self.count_not_reached();
        self.counts.cpu_ns += thread_cpu_ns() - start;
        self.forked.map_or(Ok(()), Err)
    }

    /// Heights that some honest validator has not come to: they took no less than all others.
    fn count_not_reached(&mut self) {
        let is_left = |turn: &&Turn| {
            let decided = turn.honest_decisions;
            turn.decided.is_some() && decided < self.honest
        };
        let left = self.turns.iter().filter(is_left);
        let waited: Vec<u64> = left.map(|turn| self.now_us - turn.begins_us).collect();
        self.counts.not_reached += waited.len() as u64;
        let longest = self.finality.last_us.iter().max().copied();
        let waited = waited.into_iter();
        let at_least = waited.map(|waited| waited.max(longest.unwrap_or(0)));
        self.finality.last_us.extend(at_least);
    }

    fn turn(&self, turn: u64) -> &Turn {
        &self.turns[(turn - self.past) as usize]
    }

    fn turn_mut(&mut self, turn: u64) -> &mut Turn {
        &mut self.turns[(turn - self.past) as usize]
    }

    /// Forgets heights that everybody has left, but for the last one, which may be asked for.
    fn forget(&mut self) {
        let speaking = self.nodes.iter().filter(|node| !node.is_silent());
        let least = speaking.map(|node| node.turn).min().unwrap_or(0);
        while self.past + 1 < least {
            self.turns.pop_front();
            self.past += 1;
        }
        let number = self.turns.front().map_or(0, |turn| turn.signatures);
        self.registry.forget_before(number);
    }

    /// Has a validator begin the next height, if there is one.
    fn begin_next(&mut self, place: u16) {
        let node = &self.nodes[usize::from(place)];
        if node.is_silent() {
            return;
        }
        let next = if node.height == 0 { 0 } else { node.turn + 1 };
        if next < self.past + self.turns.len() as u64 {
            let at_us = self.turn(next).begins_us.max(self.now_us);
            self.queue.push(at_us, (place, Event::Start(next)));
        }
    }

    /// What happens next.
    fn step(&mut self, blocks: &mut impl Blocks) {
        let (at_us, what) = self.queue.pop().expect("something is to happen");
        self.happen(at_us, what, blocks);
    }

    fn happen(&mut self, at_us: u64, (to, event): (u16, Event), blocks: &mut impl Blocks) {
        assert!(at_us >= self.now_us, "time goes on");
        self.now_us = at_us;
        match event {
            Event::Start(turn) => self.start(to, turn, blocks),
            Event::Deliver(from, message) => self.deliver(to, from, message, blocks),
            Event::Timeout(height, number, timeout) => {
                self.timeout(to, (height, number), timeout, blocks);
            }
        }
    }

    fn start(&mut self, to: u16, turn: u64, blocks: &mut impl Blocks) {
        let height = self.turn(turn).height;
        let node = &mut self.nodes[usize::from(to)];
        self.counts.evidence += node.take_evidence();
        let input = node.start(turn, height);
        self.feed(to, input, blocks);
        let node = &mut self.nodes[usize::from(to)];
        let later = std::mem::take(&mut node.later);
        let (now, later): (Vec<_>, Vec<_>) = later
            .into_iter()
            .partition(|(_, message)| message.height() <= height);
        // Others have gone on: to catch up, it asks one of them.
        let ahead = later.last().map(|(from, _)| *from);
        node.later = later;
        if let Some(ahead) = ahead {
            self.send(to, ahead, &Rc::new(Message::Ask(height)));
        }
        for (_, message) in now {
            self.hear(to, &message, blocks);
        }
    }

    fn timeout(
        &mut self,
        to: u16,
        (height, number): (u64, u64),
        timeout: Timeout,
        blocks: &mut impl Blocks,
    ) {
        let node = &mut self.nodes[usize::from(to)];
        if node.height != height || node.decided || node.round() != timeout.round {
            return;
        }
        if timeout.kind == TimeoutKind::Rebroadcast {
            // The driver knows nothing of it.
            if node.rebroadcast == number {
                for message in node.says_again() {
                    self.say_again(to, &message);
                }
                self.ask_somebody(to, height);
                self.schedule(to, timeout);
            }
            return;
        }
        if let Some(outputs) = node.timeout(timeout) {
            self.counts.timeouts += 1;
            self.carry_out(to, outputs, blocks);
        }
    }

    fn ask_somebody(&mut self, to: u16, height: u64) {
        let others = self.nodes.len() as u64 - 1;
        if others > 0 {
            let other = self.chance.below(others) as u16;
            let other = other + u16::from(other >= to);
            if !self.network.is_cut(self.now_us, [to, other]) {
                self.send(to, other, &Rc::new(Message::Ask(height)));
            }
        }
    }

    /// To all whom it reaches now: what was said to others waits for the partition's end already.
    fn say_again(&mut self, by: u16, message: &Rc<Message>) {
        for to in (0..self.nodes.len() as u16).filter(|to| *to != by) {
            if !self.network.is_cut(self.now_us, [by, to]) {
                self.send(by, to, message);
            }
        }
    }

    fn schedule(&mut self, to: u16, timeout: Timeout) {
        let after = timeouts().duration_for(timeout).as_micros() as u64;
        let node = &mut self.nodes[usize::from(to)];
        if timeout.kind == TimeoutKind::Rebroadcast {
            node.rebroadcast += 1;
        }
        let event = Event::Timeout(node.height, node.rebroadcast, timeout);
        let at_us = self.now_us.saturating_add(after);
        self.queue.push(at_us, (to, event));
    }

    fn deliver(&mut self, to: u16, from: u16, message: Rc<Message>, blocks: &mut impl Blocks) {
        let node = &mut self.nodes[usize::from(to)];
        let height = message.height();
        if let Message::Ask(_) = *message {
            self.answer(to, from, height);
        } else if height > node.height {
            node.later.push((from, message));
        } else if height == node.height {
            self.hear(to, &message, blocks);
        }
    }

    /// Tells who asks what was decided at a height, if this validator knows.
    fn answer(&mut self, by: u16, asker: u16, height: u64) {
        let node = &self.nodes[usize::from(by)];
        if node.height < height || node.height == height && !node.decided {
            return;
        }
        let turn = self.turns.iter().find(|turn| turn.height == height);
        if let Some((proposal, certificate)) = turn.and_then(|turn| turn.decided.as_ref()) {
            let answer = Message::Decided(proposal.clone(), certificate.clone());
            self.counts.asked += 1;
            self.send(by, asker, &Rc::new(answer));
        }
    }

    /// Takes a message of its height in, once its signatures hold.
    fn hear(&mut self, to: u16, message: &Message, blocks: &mut impl Blocks) {
        let node = &mut self.nodes[usize::from(to)];
        if message.height() != node.height {
            return;
        }
        match node.hear(message) {
            Heard::Nothing => {}
            Heard::Proposal(proposal) => {
                if self.proposal_holds(&proposal) {
                    let validity = self.judge(to, &proposal.block.hash, blocks);
                    self.feed(to, Input::Proposal(proposal, validity), blocks);
                }
            }
            Heard::Votes(votes) => {
                for vote in votes {
                    if self.vote_holds(&vote.message, vote.signature) {
                        self.nodes[usize::from(to)].has_vote_of(&vote);
                        self.feed(to, Input::Vote(vote), blocks);
                    }
                }
            }
            Heard::Polka(polka) => {
                let (height, round) = (polka.height, polka.round);
                let value = NilOrVal::Val(polka.value_id);
                let vote = |from| Vote {
                    kind: VoteType::Prevote,
                    height,
                    round,
                    value,
                    from,
                };
                let mut by = polka.polka_signatures.iter();
                if by.all(|by| self.vote_holds(&vote(by.address), by.signature)) {
                    self.feed(to, Input::PolkaCertificate(polka), blocks);
                }
            }
            Heard::Decided(proposal, commit) => {
                if self.commit_holds(&proposal, &commit) {
                    self.feed(to, Input::CommitCertificate(commit), blocks);
                    if !self.nodes[usize::from(to)].decided {
                        self.feed(to, Input::SyncDecision(proposal.message), blocks);
                    }
                }
            }
        }
    }

    fn proposal_holds(&mut self, proposal: &SignedProposal<Layer1>) -> bool {
        self.counts.verifications += 1;
        let digest = proposal_digest(&self.genesis, proposal);
        (self.registry).holds(proposal.signature, proposal.from.0, &digest)
    }

    fn vote_holds(&mut self, vote: &Vote, signature: SignatureId) -> bool {
        self.counts.verifications += 1;
        let digest = vote_digest(&self.genesis, vote);
        self.registry.holds(signature, vote.from.0, &digest)
    }

    fn commit_holds(
        &mut self,
        proposal: &SignedProposal<Layer1>,
        commit: &mc::ExtendedCommitCertificate<Layer1>,
    ) -> bool {
        let vote = |from| Vote {
            kind: VoteType::Precommit,
            height: commit.height,
            round: commit.round,
            value: NilOrVal::Val(commit.value_id),
            from,
        };
        let signatures = &commit.commit_signatures;
        let places: BTreeSet<Address> = signatures.iter().map(|by| by.address).collect();
        commit.value_id == BlockId(proposal.block.hash)
            && commit.height == proposal.height
            && places.len() == signatures.len()
            && signatures.len() * 3 > self.nodes.len() * 2
            && self.proposal_holds(proposal)
            && (signatures.iter()).all(|by| self.vote_holds(&vote(by.address), by.signature))
    }

    /// Whether a validator finds a block to keep the rules. Of a height that is decided nobody is
    /// asked any more: what was offered there and keeps the rules is known.
    fn judge(&mut self, by: u16, block: &Digest, blocks: &mut impl Blocks) -> Validity {
        let turn = self.turn(self.nodes[usize::from(by)].turn);
        let valid = match &turn.decided {
            None => blocks.check(by, block),
            Some(_) => turn.is_valid(block),
        };
        Validity::from_bool(valid)
    }

    /// Gives a validator's driver an input, and does what it says: depth first.
    fn feed(&mut self, to: u16, input: Input<Layer1>, blocks: &mut impl Blocks) {
        let outputs = self.nodes[usize::from(to)].process(input);
        self.carry_out(to, outputs, blocks);
    }

    fn carry_out(&mut self, to: u16, outputs: Vec<Output<Layer1>>, blocks: &mut impl Blocks) {
        for output in outputs {
            match output {
                Output::NewRound(_, round) => {
                    let node = &mut self.nodes[usize::from(to)];
                    node.forget_said();
                    let input = node.new_round(round);
                    if let Some(certificate) = node.round_certificate(round) {
                        self.say(to, Rc::new(certificate));
                    }
                    self.schedule(to, Timeout::rebroadcast(round));
                    self.feed(to, input, blocks);
                }
                Output::GetValue(_, round, _) => {
                    let block = self.offer(to, Simulation::first_offer(&self.nodes, to), blocks);
                    self.feed(to, Input::ProposeValue(round, Candidate(block)), blocks);
                }
                Output::Propose(proposal) => self.propose(to, proposal, blocks),
                Output::Vote(vote) => self.vote(to, vote, blocks),
                Output::ScheduleTimeout(timeout) => self.schedule(to, timeout),
                Output::Decide(_, proposal) => self.decided(to, &proposal),
            }
        }
    }

    fn first_offer(nodes: &[Validator], place: u16) -> Offer {
        match nodes[usize::from(place)].fault {
            Some(Fault::Censor) => Offer::Censored,
            Some(Fault::InvalidBlock) => Offer::Invalid,
            _ => Offer::Fair,
        }
    }

    /// The block that a validator offers: of a height that is decided, that one.
    fn offer(&mut self, by: u16, offer: Offer, blocks: &mut impl Blocks) -> Block {
        let number = self.nodes[usize::from(by)].turn;
        let turn = self.turn_mut(number);
        let known = turn.offers.iter().find(|(kind, _)| *kind == offer);
        match (known, &turn.decided) {
            (Some((_, block)), _) => *block,
            (None, Some((proposal, _))) => proposal.block.0,
            (None, None) => {
                let block = blocks.offer(offer);
                turn.offers.push((offer, block));
                block
            }
        }
    }

    fn propose(&mut self, by: u16, proposal: Proposal, blocks: &mut impl Blocks) {
        let signed = self.signed_proposal(by, proposal);
        if proposal.pol_round.is_defined() {
            self.show_polka(by, proposal.pol_round, &BlockId(proposal.block.hash));
        } else if self.nodes[usize::from(by)].is_honest() {
            self.expect_votes(&proposal);
        }
        let whole = Rc::new(Message::Proposal(signed.clone(), true));
        let other = match self.nodes[usize::from(by)].fault {
            Some(Fault::Equivocate) => {
                let block = Candidate(self.offer(by, Offer::Empty, blocks));
                let other = self.signed_proposal(by, Proposal { block, ..proposal });
                Some(Message::Proposal(other, true))
            }
            Some(Fault::Withhold) => Some(Message::Proposal(signed.clone(), false)),
            _ => None,
        };
        self.nodes[usize::from(by)].said.push(Rc::clone(&whole));
        // One's own counts only when it is fed. To its proposer a block is valid, whatever it is.
        self.feed(by, Input::Proposal(signed, Validity::Valid), blocks);
        match other {
            Some(other) => self.say_two_things(by, [&whole, &Rc::new(other)]),
            None => self.broadcast(by, &whole),
        }
    }

    fn signed_proposal(&mut self, by: u16, proposal: Proposal) -> SignedProposal<Layer1> {
        let digest = proposal_digest(&self.genesis, &proposal);
        SignedProposal::new(proposal, self.say_signature(by, digest).0)
    }

    /// Has the votes of an undisturbed round signed and judged beside the proposal, in one batch:
    /// a signature follows from what it signs, so that it may be made before it is said, and counts
    /// when it is.
    fn expect_votes(&mut self, proposal: &Proposal) {
        let (height, round) = (proposal.height, proposal.round);
        let speaking = self.nodes.iter().filter(|node| !node.is_silent());
        for node in speaking {
            for kind in [VoteType::Prevote, VoteType::Precommit] {
                let vote = Vote {
                    kind,
                    height,
                    round,
                    value: NilOrVal::Val(BlockId(proposal.block.hash)),
                    from: Address(node.place),
                };
                let digest = vote_digest(&self.genesis, &vote);
                self.registry.sign(node.place, digest);
            }
        }
    }

    fn vote(&mut self, by: u16, vote: Vote, blocks: &mut impl Blocks) {
        let signed = self.signed_vote(by, vote);
        if let (VoteType::Precommit, NilOrVal::Val(block)) = (vote.kind, vote.value)
            && vote.round > Round::ZERO
        {
            self.show_polka(by, vote.round, &block);
        }
        let message = Rc::new(Message::Vote(signed.clone()));
        self.nodes[usize::from(by)].said.push(Rc::clone(&message));
        self.nodes[usize::from(by)].has_vote_of(&vote);
        self.feed(by, Input::Vote(signed), blocks);
        match (
            self.nodes[usize::from(by)].fault,
            self.other_value(by, &vote),
        ) {
            (Some(Fault::Equivocate), Some(other)) => {
                let value = NilOrVal::Val(other);
                let other = self.signed_vote(by, Vote { value, ..vote });
                self.say_two_things(by, [&message, &Rc::new(Message::Vote(other))]);
            }
            (Some(Fault::ForgedVotes), _) => {
                self.broadcast(by, &message);
                self.forge_votes(by, &vote);
            }
            _ => self.broadcast(by, &message),
        }
        self.schedule(
            by,
            Timeout::rebroadcast(self.nodes[usize::from(by)].round()),
        );
    }

    /// The other block that was offered at the height of a vote for one of two.
    fn other_value(&self, by: u16, vote: &Vote) -> Option<BlockId> {
        let turn = self.turn(self.nodes[usize::from(by)].turn);
        let hashes = turn.offers.iter().map(|(_, block)| BlockId(block.hash));
        let mut others = hashes.filter(|hash| vote.value != NilOrVal::Val(*hash));
        others.next().filter(|_| vote.value.is_val())
    }

    fn signed_vote(&mut self, by: u16, vote: Vote) -> SignedVote<Layer1> {
        let digest = vote_digest(&self.genesis, &vote);
        let (signature, is_new) = self.say_signature(by, digest);
        if is_new {
            self.count_vote(by, &vote);
        }
        SignedVote::new(vote, signature)
    }

    /// A signature that others are told of, counted once.
    fn say_signature(&mut self, by: u16, digest: Digest) -> (SignatureId, bool) {
        let (signature, is_new) = self.registry.say(by, digest);
        self.counts.signatures += u64::from(is_new);
        (signature, is_new)
    }

    /// Counts what could be shown of a vote, whoever has heard of it.
    fn count_vote(&mut self, by: u16, vote: &Vote) {
        let (validators, number) = (self.nodes.len(), self.nodes[usize::from(by)].turn);
        let turn = self.turn_mut(number);
        let height = turn.height;
        if let Some([one, other]) = turn.count(vote, validators)
            && self.forked.is_none()
        {
            let faulty = validators - self.honest;
            assert!(faulty * 3 >= validators, "less than a third is faulty");
            self.forked = Some(Stopped::Forked { height, one, other });
        }
    }

    /// Votes for nothing in the names of all others, with a signature of its own.
    fn forge_votes(&mut self, by: u16, vote: &Vote) {
        let value = NilOrVal::Nil;
        let digest = vote_digest(&self.genesis, &Vote { value, ..*vote });
        let (own, _) = self.say_signature(by, digest);
        self.registry.judge();
        let own = self.registry.signature(own);
        for place in (0..self.nodes.len() as u16).filter(|place| *place != by) {
            let from = Address(place);
            let forged = Vote {
                value,
                from,
                ..*vote
            };
            let digest = vote_digest(&self.genesis, &forged);
            let signature = self.registry.forge(place, digest, own);
            let message = Message::Vote(SignedVote::new(forged, signature));
            self.broadcast(by, &Rc::new(message));
        }
    }

    fn show_polka(&mut self, by: u16, round: Round, block: &BlockId) {
        if let Some(polka) = self.nodes[usize::from(by)].polka(round, block) {
            self.say(by, Rc::new(polka));
        }
    }

    fn decided(&mut self, by: u16, proposal: &Proposal) {
        let (now_us, honest) = (self.now_us, self.honest);
        let node = &mut self.nodes[usize::from(by)];
        assert!(!node.decided, "a validator decides a height once");
        assert_eq!(node.height, proposal.height.0, "the one that it works on");
        node.decided = true;
        let (number, is_honest) = (node.turn, node.is_honest());
        let turn = self.turn(number);
        let waited_us = now_us - turn.begins_us;
        // Who decides alone may decide for what breaks a rule.
        if turn.decided.is_none() && turn.is_valid(&proposal.block.hash) {
            let decision = self.nodes[usize::from(by)].decision(proposal);
            let turn = self.turn_mut(number);
            (turn.decided, turn.first_us) = (Some(decision), now_us);
            self.counts.heights += 1;
            self.counts.more_rounds += proposal.round.as_u32().map_or(0, u64::from);
        }
        let turn = self.turn_mut(number);
        turn.honest_decisions += usize::from(is_honest);
        if is_honest && turn.honest_decisions == 1 {
            self.finality.first_us.push(waited_us);
        }
        if is_honest && self.turn(number).honest_decisions == honest {
            self.finality.last_us.push(waited_us);
        }
        self.begin_next(by);
    }

    /// Says something to all, and keeps it to say it again.
    fn say(&mut self, by: u16, message: Rc<Message>) {
        self.nodes[usize::from(by)].said.push(Rc::clone(&message));
        self.broadcast(by, &message);
    }

    fn broadcast(&mut self, by: u16, message: &Rc<Message>) {
        for to in (0..self.nodes.len() as u16).filter(|to| *to != by) {
            self.send(by, to, message);
        }
    }

    /// One thing to one half of the others, in pairs, and another one to the other half. Those of
    /// the same fault hear the first.
    fn say_two_things(&mut self, by: u16, things: [&Rc<Message>; 2]) {
        let fault = self.nodes[usize::from(by)].fault;
        for to in (0..self.nodes.len() as u16).filter(|to| *to != by) {
            let is_accomplice = self.nodes[usize::from(to)].fault == fault;
            let which = if is_accomplice { 0 } else { to / 2 % 2 };
            self.send(by, to, things[usize::from(which)]);
        }
    }

    fn send(&mut self, from: u16, to: u16, message: &Rc<Message>) {
        self.counts.messages += 1;
        self.counts.bytes += message.bytes();
        if let Message::Proposal(proposal, true) | Message::Decided(proposal, _) = &**message {
            self.counts.block_bytes += u64::from(proposal.block.bytes);
        }
        let slow = match self.nodes[usize::from(from)].fault {
            Some(Fault::Slow) => SLOW_US,
            _ => 0,
        };
        let leaves_us = self.now_us.saturating_add(slow);
        let at_us = (self.network).arrival(leaves_us, [from, to], &mut self.chance);
        if !self.nodes[usize::from(to)].is_silent() {
            let event = Event::Deliver(from, Rc::clone(message));
            self.queue.push(at_us, (to, event));
        }
    }
}
