//! One validator: its driver, and what the driver leaves to its caller about one validator. Without
//! clock or network: messages and timeouts in, what is to be said and waited for out.

use std::collections::HashSet;
use std::rc::Rc;

use arc_malachitebft_core_driver::{Driver, Input, Output, ThresholdParams};
use arc_malachitebft_core_types as mc;
use mc::{Context, Round, RoundCertificateType, SignedProposal, SignedVote, Timeout, VoteType};

use super::context::{Address, BlockId, Height, Layer1, Members, Proposal, Vote};
use super::faults::Fault;
use super::message::Message;

/// A validator.
pub(super) struct Validator {
    pub(super) place: u16,
    pub(super) fault: Option<Fault>,
    members: Members,
    driver: Driver<Layer1>,
    /// Which of the heights that are decided it works on: its number among them, from 0.
    pub(super) turn: u64,
    pub(super) height: u64,
    /// Whether it has decided that height, or has none yet.
    pub(super) decided: bool,
    /// Messages of heights that it has not come to. Bounded by what others can be ahead.
    pub(super) later: Vec<(u16, Rc<Message>)>,
    /// What it said in this round, to be said again.
    pub(super) said: Vec<Rc<Message>>,
    /// Which rebroadcast is the newest: older ones are void.
    pub(super) rebroadcast: u64,
    /// How often it could have said all of this again.
    repeats: u32,
    /// Whose votes it had, by round and kind.
    voted: HashSet<(Round, bool, Address)>,
}

/// Rounds beyond a validator's own whose votes it keeps: each keeps memory for all validators.
const ROUNDS_AHEAD: i64 = 10;

/// What is to be done with a message.
pub(super) enum Heard {
    /// Nothing: it is known already, or means nothing here.
    Nothing,
    /// To be fed once their signatures hold.
    Proposal(SignedProposal<Layer1>),
    Votes(Vec<SignedVote<Layer1>>),
    Polka(mc::PolkaCertificate<Layer1>),
    Decided(
        SignedProposal<Layer1>,
        mc::ExtendedCommitCertificate<Layer1>,
    ),
}

impl Validator {
    pub(super) fn new(place: u16, fault: Option<Fault>, members: &Members) -> Validator {
        let thresholds = ThresholdParams::default();
        Validator {
            place,
            fault,
            members: members.clone(),
            driver: Driver::new(
                Layer1,
                Height(1),
                members.clone(),
                Address(place),
                thresholds,
            ),
            turn: 0,
            height: 0,
            decided: true,
            later: Vec::new(),
            said: Vec::new(),
            rebroadcast: 0,
            repeats: 0,
            voted: HashSet::new(),
        }
    }

    pub(super) fn is_honest(&self) -> bool {
        self.fault.is_none()
    }

    pub(super) fn is_silent(&self) -> bool {
        self.fault == Some(Fault::Silent)
    }

    /// Goes on to a height.
    pub(super) fn start(&mut self, turn: u64, height: u64) -> Input<Layer1> {
        self.driver
            .move_to_height(Height(height), self.members.clone());
        (self.turn, self.height, self.decided) = (turn, height, false);
        self.voted.clear();
        self.forget_said();
        self.new_round(Round::ZERO)
    }

    pub(super) fn forget_said(&mut self) {
        self.said.clear();
        self.repeats = 0;
    }

    /// What it says again when nothing has happened: less and less often, since nothing is lost for
    /// ever.
    pub(super) fn says_again(&mut self) -> Vec<Rc<Message>> {
        self.repeats = self.repeats.saturating_add(1);
        match self.repeats.is_power_of_two() {
            true => self.said.clone(),
            false => Vec::new(),
        }
    }

    pub(super) fn round(&self) -> Round {
        self.driver.round()
    }

    /// The driver has its caller name the proposer.
    pub(super) fn new_round(&self, round: Round) -> Input<Layer1> {
        let height = Height(self.height);
        Input::NewRound(height, round, self.proposer(round))
    }

    /// Turns go by heights that are decided: where heights pass with nothing in them, some would
    /// never have theirs.
    fn proposer(&self, round: Round) -> Address {
        let turn = Height(self.turn);
        Layer1.select_proposer(&self.members, turn, round).address
    }

    /// Gives the driver what was checked.
    pub(super) fn process(&mut self, input: Input<Layer1>) -> Vec<Output<Layer1>> {
        let outputs = self.driver.process(input);
        outputs.expect("of this height, by its validators, signed by them")
    }

    /// What a timeout changes; nothing, if it is void.
    pub(super) fn timeout(&mut self, timeout: Timeout) -> Option<Vec<Output<Layer1>>> {
        let before = (self.driver.step(), self.driver.round());
        let outputs = self.process(Input::TimeoutElapsed(timeout));
        let moved = before != (self.driver.step(), self.driver.round());
        (moved || !outputs.is_empty()).then_some(outputs)
    }

    /// What of a message of this height is new. The driver checks neither who proposes, of whom two
    /// in a round make it panic, nor how far ahead a round is; and it looks through all votes of a
    /// round for each that it is asked about.
    pub(super) fn hear(&mut self, message: &Message) -> Heard {
        match message {
            Message::Proposal(proposal, body) => {
                let is_turn = proposal.from == self.proposer(proposal.round);
                let known = (self.driver).proposals_and_validities_for_round(proposal.round);
                let is_known = known
                    .iter()
                    .any(|(other, _)| other.message == proposal.message);
                match is_turn && *body && !is_known && !self.is_far(proposal.round) {
                    true => Heard::Proposal(proposal.clone()),
                    false => Heard::Nothing,
                }
            }
            Message::Vote(vote) => match self.is_far(vote.round) || self.had(vote) {
                true => Heard::Nothing,
                false => Heard::Votes(vec![vote.clone()]),
            },
            Message::Round(certificate) => {
                let (round, of) = (self.driver.round(), certificate.round);
                let skips = certificate.cert_type == RoundCertificateType::Skip;
                if of < round || skips && of == round || self.is_far(of) {
                    return Heard::Nothing;
                }
                let votes = certificate.votes(&Layer1);
                let votes = votes.filter(|vote| !self.driver.votes().has_vote(vote));
                Heard::Votes(votes.collect())
            }
            Message::Polka(certificate) => {
                let (round, block) = (certificate.round, &certificate.value_id);
                match self.driver.polka_certificate(round, block).is_some() || self.is_far(round) {
                    true => Heard::Nothing,
                    false => Heard::Polka(certificate.clone()),
                }
            }
            Message::Decided(proposal, certificate) if !self.decided => {
                Heard::Decided(proposal.clone(), certificate.clone())
            }
            Message::Decided(..) | Message::Ask(_) => Heard::Nothing,
        }
    }

    fn is_far(&self, round: Round) -> bool {
        round.as_i64() > self.driver.round().as_i64() + ROUNDS_AHEAD
    }

    fn had(&self, vote: &SignedVote<Layer1>) -> bool {
        let place = (vote.round, vote.kind == VoteType::Prevote, vote.from);
        let votes = self.driver.votes();
        self.voted.contains(&place)
            && (votes.has_vote(vote)
                || votes.is_saturated_conflict(vote)
                || votes.has_equivocation_evidence(vote))
    }

    /// Notes that a vote was fed.
    pub(super) fn has_vote_of(&mut self, vote: &Vote) {
        let place = (vote.round, vote.kind == VoteType::Prevote, vote.from);
        self.voted.insert(place);
    }

    /// Why it may be in this round, for those who are not.
    pub(super) fn round_certificate(&self, round: Round) -> Option<Message> {
        let certificate = self.driver.round_certificate()?;
        let entered = certificate.enter_round == round;
        entered.then(|| Message::Round(certificate.certificate.clone()))
    }

    /// Why this block may be proposed or precommitted in a later round: where somebody equivocates,
    /// others may not have seen that it had a polka.
    pub(super) fn polka(&self, round: Round, block: &BlockId) -> Option<Message> {
        let certificate = self.driver.polka_certificate(round, block)?;
        Some(Message::Polka(certificate.clone()))
    }

    /// What it decided, for others to be convinced.
    pub(super) fn decision(
        &self,
        proposal: &Proposal,
    ) -> (
        SignedProposal<Layer1>,
        mc::ExtendedCommitCertificate<Layer1>,
    ) {
        let (round, block) = (proposal.round, BlockId(proposal.block.hash));
        let votes = self.driver.restore_precommits(round, &block);
        let certificate =
            mc::ExtendedCommitCertificate::from_votes(proposal.height, round, block, votes);
        let signed = self.driver.valid_proposal_for_round_and_value(round, block);
        (signed.expect("it was decided").clone(), certificate)
    }

    /// How much it has found that convicts others since it was asked.
    pub(super) fn take_evidence(&mut self) -> u64 {
        let votes = self.driver.take_vote_evidence();
        let votes = votes.iter().map(|(_, pairs)| pairs.len() as u64);
        let proposals = self.driver.take_proposal_evidence();
        let proposals = proposals.iter().map(|(_, pairs)| pairs.len() as u64);
        votes.sum::<u64>() + proposals.sum::<u64>()
    }
}
