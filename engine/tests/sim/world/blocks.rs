//! Layer 1 in a world: what travels to it, what a block brings, and who looks at that.

use duet_engine::l1::{
    Answers, Bid, Executed, Notice, Opening, Receipt, Refusal, SignedTransaction, SubmitError,
    Transaction,
};
use duet_engine::protocol::{Amount, Pair, Party, Post, Terms};

use super::super::keys::{EVERYONE, TOWER, Who};
use super::super::model::Objection;
use super::super::node::Step;
use super::super::plan::BLOCK_TICKS;
use super::words::brief;
use super::{Event, Fate, Source, Ticket, Travelling, World};

impl World<'_> {
    /// Everybody opens their channels in the first block.
    pub(super) fn open(&mut self) {
        for opener in 0..self.nodes.len() {
            let of_opener = |terms: &&Terms| terms.keys.a == self.keys.public(opener);
            let all: Vec<Terms> = self
                .ground
                .terms
                .iter()
                .filter(of_opener)
                .copied()
                .collect();
            let transaction = match &all[..] {
                [] => continue,
                [one] => Transaction::open(one),
                many => Transaction::OpenBatch {
                    opener: many[0].keys.a,
                    nonce: 0,
                    channels: many.iter().map(opening).collect(),
                },
            };
            self.submit(Source::Rogue, opener, transaction, 0);
        }
    }

    pub(super) fn submit(&mut self, by: Source, signer: Who, transaction: Transaction, late: u64) {
        let bid = self.bid(by, &transaction);
        let digest = transaction.digest_with(bid.as_ref(), self.chain.genesis());
        let signature = self.keys.sign(signer, digest);
        let consenters: Vec<Who> = transaction
            .consenters()
            .filter_map(|key| (0..EVERYONE).find(|who| self.keys.public(*who) == *key))
            .collect();
        let consents: Vec<_> = consenters
            .into_iter()
            .map(|who| self.keys.sign(who, digest))
            .collect();
        let mut bytes = Vec::new();
        SignedTransaction::new(transaction.clone(), signature, consents)
            .with_bid(bid)
            .encode(&mut bytes);
        let ticket = self.tickets.len() as u64;
        self.tell(9, ticket, &bytes, || {
            format!(
                "{signer} submits, {late} blocks late: {}",
                brief(&transaction)
            )
        });
        self.tickets.push(Ticket {
            by,
            transaction,
            fate: Fate::Travelling,
        });
        self.travelling.push(Travelling {
            due: self.chain.height() + 1 + late,
            ticket,
            bytes,
        });
    }

    pub(super) fn block(&mut self) -> Result<(), Objection> {
        self.at(self.now + BLOCK_TICKS, Event::Block);
        let next = self.chain.height() + 1;
        self.rogues_move()?;
        let mut arriving: Vec<Travelling> = Vec::new();
        let mut later = Vec::new();
        for travelling in self.travelling.drain(..) {
            if travelling.due <= next {
                arriving.push(travelling);
            } else {
                later.push(travelling);
            }
        }
        self.travelling = later;
        self.rng.shuffle(&mut arriving);
        for travelling in arriving {
            self.enters(travelling)?;
        }
        let mut receipts = Vec::new();
        // The first one, in which all channels open, nobody votes about.
        let hash = match self.votes.as_mut().filter(|_| next > 1) {
            Some(votes) => {
                let decided = votes.block(&mut self.chain, &mut receipts);
                decided.map_err(|stopped| stopped.to_string())?
            }
            None => self.chain.seal_even_empty(&mut receipts).hash,
        };
        let notices = self.chain.notices().to_vec();
        self.tell(10, next, &hash.0, || format!("block {next}"));
        for receipt in &receipts {
            self.receive(receipt)?;
        }
        if next == 1 {
            for channel in 0..self.links.len() {
                if self.chain.channel(&self.ground.ids[channel]).is_none() {
                    return Err(format!("channel {channel} did not open"));
                }
                self.links[channel].up = true;
            }
        }
        let totals = self.chain.totals();
        let sum = [totals.accounts, totals.locked, totals.fees].map(Amount::units);
        if sum.iter().sum::<u64>() != self.chain.supply().units() {
            return Err("L7: supply is not conserved".into());
        }
        if next.is_multiple_of(8) {
            self.recount()?;
        }
        self.tower_reads(&notices);
        for who in 0..self.nodes.len() {
            self.look(who, false)?;
        }
        Ok(())
    }

    /// A transaction reaches the mempool, which may push it back.
    pub(super) fn enters(
        &mut self,
        Travelling { ticket, bytes, .. }: Travelling,
    ) -> Result<(), Objection> {
        let height = self.chain.height() + 1;
        match self.chain.submit(ticket, &bytes) {
            Ok(()) => self.tickets[ticket as usize].fate = Fate::Waiting { since: height },
            Err(SubmitError::Outbid { .. } | SubmitError::AlreadyWaits) => {
                self.outbid(ticket, height);
                self.free(ticket);
            }
            Err(
                SubmitError::MempoolFull { .. }
                | SubmitError::MempoolBytesFull { .. }
                | SubmitError::AnswersInVain { .. },
            ) => {
                self.summary.pushed_back += 1;
                self.tickets[ticket as usize].fate = Fate::KeptOut { since: height };
                self.free(ticket);
            }
            Err(_) if self.tickets[ticket as usize].by == Source::Rogue => {}
            // Where bids evict, what is late for its channel does not even wait, nor does, in a full
            // queue, what is late for a post or window.
            Err(SubmitError::Refused(
                Refusal::UnknownChannel { .. }
                | Refusal::PostNotHigher { .. }
                | Refusal::NothingToAnswer { .. }
                | Refusal::WindowClosed { .. }
                | Refusal::WindowStillOpen { .. }
                | Refusal::NothingPosted { .. },
            )) => {
                self.tickets[ticket as usize].fate = Fate::Refused {
                    since: height,
                    at: height,
                };
                self.free(ticket);
            }
            Err(error) => return Err(format!("Layer 1 refuses to queue: {error}")),
        }
        self.history.push(bytes);
        Ok(())
    }

    pub(super) fn recount(&self) -> Result<(), Objection> {
        self.chain
            .recount()
            .map(drop)
            .map_err(|imbalance| format!("L7: {imbalance}"))
    }

    /// An honest party looks at what the last block brought; after a restart at everything.
    pub(super) fn look(&mut self, who: Who, restarted: bool) -> Result<(), Objection> {
        let node = &mut self.nodes[who];
        if !node.up || node.rogue.is_some() {
            return Ok(());
        }
        let mut step = Step {
            ground: &self.ground,
            keys: self.keys,
            now: self.now,
            out: Vec::new(),
        };
        let notices = (!restarted).then(|| self.chain.notices());
        node.look(&self.chain, notices, &mut step);
        let effects = step.out;
        for side in &node.sides {
            let record = self.chain.channel(&self.ground.ids[side.channel]);
            if record.is_some_and(|record| record.dispute().is_some()) {
                self.model.sees_post(side.channel, side.me, self.keys);
            }
        }
        self.carry_out(who, effects)
    }

    pub(super) fn tower_reads(&mut self, notices: &[Notice]) {
        self.tower_owes.extend(self.tower.read(notices));
        let chain = &self.chain;
        // Until it is answered: by the tower or by anybody else.
        self.tower_owes.retain(|post| {
            let dispute = chain
                .channel(&post.channel)
                .and_then(|record| record.dispute());
            dispute.is_some_and(|dispute| {
                dispute.highest() < post.version() && chain.height() < dispute.until()
            })
        });
        let flying = |post: &Post| {
            self.travelling.iter().any(|travelling| {
                let ticket = &self.tickets[travelling.ticket as usize];
                ticket.by == Source::Tower
                    && matches!(&ticket.transaction, Transaction::Post { post: sent, .. } if sent == post)
            })
        };
        let waiting = |post: &Post| {
            self.ground.plan.scarce.is_some()
                && self.tickets.iter().any(|ticket| {
                    matches!(ticket.fate, Fate::Waiting { .. })
                        && ticket.by == Source::Tower
                        && matches!(&ticket.transaction, Transaction::Post { post: of, .. } if of == post)
                })
        };
        let owed = (self.tower_owes.iter()).filter(|post| !flying(post) && !waiting(post));
        for post in owed.copied().collect::<Vec<_>>() {
            let submitter = self.keys.public(TOWER);
            let late = self.ground.plan.delay_blocks;
            let late = if self.faulty() {
                self.rng.within(0, late)
            } else {
                0
            };
            let transaction = Transaction::Post { submitter, post };
            self.submit(Source::Tower, TOWER, transaction, late);
        }
    }

    /// What a transaction bids, if this Layer 1 takes bids. Rogues bid what they like.
    fn bid(&mut self, by: Source, transaction: &Transaction) -> Option<Bid> {
        let scarce = self.ground.plan.scarce?;
        let mut bid = scarce.raised(self.raises_of(by, transaction))?;
        if by == Source::Rogue {
            let times = self.rng.within(1, 6);
            bid.most.0 *= times;
            bid.tip.0 *= times;
        }
        Some(bid)
    }

    fn raises_of(&self, by: Source, transaction: &Transaction) -> u32 {
        let party = self.bidder(by, transaction);
        let raises = party.and_then(|party| self.raises.get(&party));
        raises.copied().unwrap_or(0)
    }

    /// Who honest raises a bid, and in which channel.
    fn bidder(&self, by: Source, transaction: &Transaction) -> Option<(Who, usize)> {
        match (by, transaction) {
            (Source::Node(who, channel), _) => Some((who, channel)),
            (Source::Tower, Transaction::Post { post, .. }) => {
                Some((TOWER, self.ground.find(&post.channel)?))
            }
            _ => None,
        }
    }

    /// Others bid more, after it had waited since before this block: the next bid is higher.
    fn outbid(&mut self, ticket: u64, height: u64) {
        self.summary.outbid += 1;
        self.tickets[ticket as usize].fate = Fate::KeptOut { since: height };
        let Ticket {
            by, transaction, ..
        } = &self.tickets[ticket as usize];
        if let Some(party) = self.bidder(*by, transaction) {
            *self.raises.entry(party).or_default() += 1;
        }
    }

    /// Notes where a transaction has come to.
    fn note(&mut self, receipt: &Receipt) {
        let ticket = &self.tickets[receipt.ticket as usize];
        let since = match ticket.fate {
            Fate::Waiting { since } => since,
            _ => receipt.height,
        };
        let fate = match &receipt.outcome {
            Err(Refusal::Evicted { .. }) => return self.outbid(receipt.ticket, since),
            Err(_) => Fate::Refused {
                since,
                at: receipt.height,
            },
            Ok(_) => Fate::Included,
        };
        if fate == Fate::Included
            && let Some(party) = self.bidder(ticket.by, &ticket.transaction)
        {
            self.raises.remove(&party);
        }
        self.tickets[receipt.ticket as usize].fate = fate;
    }

    /// Whether a party, or its tower, has shown Layer 1 in time what would have beaten all that was
    /// posted, and no block took it until its window was over. Never where room is kept for
    /// answers.
    fn was_kept_out(&self, channel: usize, me: Party) -> bool {
        let (Some(scarce), Some((highest, until))) =
            (self.ground.plan.scarce, self.model.posted(channel))
        else {
            return false;
        };
        let who = self.ground.who(channel, me);
        let is_its = |ticket: &&Ticket| match (ticket.by, &ticket.transaction) {
            (Source::Node(by, _), _) if by != who => false,
            (Source::Node(..) | Source::Tower, Transaction::Post { post, .. }) => {
                post.channel == self.ground.ids[channel] && post.version() > highest
            }
            _ => false,
        };
        let too_late = |ticket: &Ticket| match ticket.fate {
            Fate::Waiting { since } | Fate::KeptOut { since } => since <= until,
            Fate::Refused { since, at } => since <= until && at > until,
            Fate::Travelling | Fate::Included => false,
        };
        scarce.answers == Answers::Compete && self.tickets.iter().filter(is_its).any(too_late)
    }

    /// The submitter may try again.
    pub(super) fn free(&mut self, ticket: u64) {
        if let Source::Node(who, channel) = self.tickets[ticket as usize].by {
            self.nodes[who].side(channel).pending = false;
        }
    }

    pub(super) fn receive(&mut self, receipt: &Receipt) -> Result<(), Objection> {
        self.free(receipt.ticket);
        self.note(receipt);
        let transaction = self.tickets[receipt.ticket as usize].transaction.clone();
        self.tell(
            12,
            receipt.ticket,
            &[u8::from(receipt.outcome.is_ok())],
            || match &receipt.outcome {
                Ok(executed) => format!("  {} → {executed:?}", brief(&transaction)),
                Err(refusal) => format!("  {} refused: {refusal}", brief(&transaction)),
            },
        );
        let units = |payouts: &Pair<Amount>| Pair {
            a: payouts.a.units(),
            b: payouts.b.units(),
        };
        match (&transaction, &receipt.outcome) {
            (Transaction::Post { post, .. }, Ok(Executed::Posted { by, .. })) => {
                self.summary.disputes += 1;
                let Some(channel) = self.ground.find(&post.channel) else {
                    return Err("a post in no channel".into());
                };
                self.model.included(channel, *by, post, receipt.height)
            }
            (
                Transaction::Payout { channel, .. },
                Ok(Executed::PaidOut {
                    payouts, forfeited, ..
                }),
            ) => {
                self.summary.forfeits += u64::from(forfeited.is_some());
                let Some(channel) = self.ground.find(channel) else {
                    return Err("a payout of no channel".into());
                };
                let late = Party::BOTH.map(|me| self.was_kept_out(channel, me));
                let paid = (&units(payouts), *forfeited);
                let lost = self.model.pays_out(channel, paid, receipt.height, late)?;
                self.summary.losers += u64::from(lost > 0);
                self.summary.lost += lost;
                Ok(())
            }
            (Transaction::CooperativeClose { proof, .. }, Ok(Executed::Closed { payouts, .. })) => {
                self.summary.cooperative += 1;
                let Some(channel) = self.ground.find(&proof.channel) else {
                    return Err("a close of no channel".into());
                };
                self.model
                    .ends(channel, &units(payouts), [false; 2])
                    .map(drop)
            }
            _ => Ok(()),
        }
    }
}

fn opening(terms: &Terms) -> Opening {
    Opening {
        peer: terms.keys.b,
        deposits: terms.deposits,
        challenge_window_blocks: terms.challenge_window_blocks,
        reserve: terms.reserve,
    }
}
