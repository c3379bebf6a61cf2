//! Layer 1 with validators: each block is decided by votes before parties hear of it. A block is
//! executed once for all validators, since their verdicts are equal, or by each of them; where
//! faulty ones may offer others, each of those is executed on a copy of the state before it.

use zeroize::Zeroizing;

use super::accounts::validator_seeds;
use super::config::Config;
use super::replicas::Replicas;
use super::stage::{Stage, StageClock};
use duet_channels::crypto::Digest;
use duet_consensus::{
    Block, Blocks, Certificate, Counts, Decision, Finality, Offer, Setup, Simulation, Stopped,
};
use duet_ledger::l1::{Chain, Header, Receipt};

/// The validators of a run.
pub(super) struct Deciding {
    simulation: Simulation,
    /// Whether the state before a block is kept until it is decided: another one may be offered
    /// that is valid, or none be decided at all.
    keeps_state: bool,
    /// What was decided for beside blocks of what waits.
    others: Others,
    /// CPU time of workers for blocks that were not decided for.
    discarded_ns: u64,
    own: Own,
}

/// Whether validators execute blocks themselves.
enum Own {
    /// One does for all.
    No,
    /// So many will, from their first block on; whether bodies are kept for nobody else.
    Asked(u16, bool),
    /// They do.
    Yes(Replicas, bool),
}

impl Own {
    /// The validators' chains, before the next block of this one.
    fn replicas(&mut self, chain: &Chain) -> Option<&mut Replicas> {
        if let Own::Asked(validators, alone) = *self {
            *self = Own::Yes(Replicas::of(chain, validators), alone);
        }
        match self {
            Own::Yes(replicas, _) => Some(replicas),
            Own::No | Own::Asked(..) => None,
        }
    }

    /// The block is decided, and the chain has it.
    fn decided(&mut self, chain: &mut Chain, block: (u64, &Digest), has_body: bool) {
        let Own::Yes(replicas, alone) = self else {
            return;
        };
        replicas.decided(block, body(chain, has_body));
        if *alone {
            chain.take_bodies();
        }
    }
}

/// The body of the last block, if it has one.
fn body(chain: &Chain, has_body: bool) -> &[u8] {
    let body = chain.bodies().last().filter(|_| has_body);
    body.map_or(&[][..], |body| &body[..])
}

/// Heights at which a faulty validator's block was decided for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Without the answers that waited.
    pub censored: u64,
    /// Of nothing, although something waited.
    pub empty: u64,
}

/// What the validators of a run did.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// All of them together.
    pub counts: Counts,
    /// How long decisions took.
    pub finality: Finality,
    /// Heights at which a faulty one's block was decided for.
    pub others: Others,
    /// By how much the last block came later than its height says, in virtual milliseconds.
    pub late_ms: u64,
}

/// A block that is final.
pub(super) struct Sealed {
    /// None where nothing was in it.
    pub(super) header: Option<Header>,
    pub(super) certificate: Certificate,
    /// When it was decided, in virtual milliseconds, rounded up.
    pub(super) decided_ms: u64,
}

impl Deciding {
    /// The validators that a run is asked for, if it is.
    pub(super) fn of(config: &Config, genesis: &Digest) -> Option<Deciding> {
        let asked = config.validators.as_ref()?;
        let seeds: Vec<Zeroizing<[u8; 32]>> = validator_seeds(config.seed, asked.count);
        let setup = Setup {
            genesis: *genesis,
            seeds,
            faults: asked.faults.clone(),
            network: asked.network.clone(),
            seed: config.seed,
        };
        Some(Deciding {
            simulation: Simulation::new(setup, config.backend),
            keeps_state: asked.faults.offer_others() || asked.may_stop(),
            others: Others::default(),
            discarded_ns: 0,
            own: match asked.each_executes {
                true => Own::Asked(
                    asked.count,
                    !config.l1.keep_bodies && config.audit.is_none(),
                ),
                false => Own::No,
            },
        })
    }

    /// Has the next block decided, which begins then, and makes it the chain's. `None` if nothing
    /// was there to decide about: the block's time has passed.
    ///
    /// # Errors
    /// [`Stopped`]: the chain goes on no more.
    pub(super) fn seal(
        &mut self,
        chain: &mut Chain,
        receipts: &mut Vec<Receipt>,
        begins_ms: u64,
        clock: &mut StageClock,
    ) -> Result<Option<Sealed>, Stopped> {
        if self.keeps_state {
            return self.seal_one_of_several(chain, receipts, begins_ms, clock);
        }
        let empty = chain.empty_block();
        let height = chain.height() + 1;
        let bytes = chain.load().bytes;
        self.own.replicas(chain);
        let header = chain.seal(receipts);
        // What one validator does is Layer 1's own.
        clock.lap(Stage::Settle, 0);
        let Some(header) = header else {
            return Ok(None);
        };
        let block = Block {
            hash: header.hash,
            bytes: (chain.load().bytes - bytes) as u32,
        };
        let mut one = OneBlock {
            block,
            height,
            invalid: broken(&empty),
            body: body(chain, true),
            replicas: self.own.replicas(chain),
        };
        let decision = (self.simulation).decide(height, begins_ms * 1_000, &mut one)?;
        assert_eq!(decision.block, header.hash, "the only block that was valid");
        self.own.decided(chain, (height, &header.hash), true);
        Ok(Some(Sealed::of(Some(header), decision)))
    }

    fn seal_one_of_several(
        &mut self,
        chain: &mut Chain,
        receipts: &mut Vec<Receipt>,
        begins_ms: u64,
        clock: &mut StageClock,
    ) -> Result<Option<Sealed>, Stopped> {
        let height = chain.height() + 1;
        let mut several = Several {
            replicas: self.own.replicas(chain),
            before: chain,
            built: Vec::new(),
        };
        several.offer(Offer::Fair);
        clock.lap(Stage::Settle, 0);
        if several.built[0].header.is_none() {
            let Built {
                chain: next,
                receipts: told,
                ..
            } = several.built.swap_remove(0);
            receipts.extend(told);
            *chain = next;
            return Ok(None);
        }
        let decision = (self.simulation).decide(height, begins_ms * 1_000, &mut several);
        let before_ns = several.before.others_cpu_ns();
        let mut built = several.built;
        let decision = decision?;
        let is_decided = |one: &Built| one.block.hash == decision.block;
        let place = built.iter().position(is_decided);
        let decided = built.swap_remove(place.expect("a block that was offered"));
        let lost = built
            .iter()
            .map(|one| one.chain.others_cpu_ns() - before_ns);
        self.discarded_ns += lost.sum::<u64>();
        match decided.offer {
            Offer::Censored => self.others.censored += 1,
            Offer::Empty => self.others.empty += 1,
            Offer::Fair | Offer::Invalid => {}
        }
        receipts.extend(decided.receipts);
        *chain = decided.chain;
        let block = (height, &decision.block);
        self.own.decided(chain, block, decided.header.is_some());
        Ok(Some(Sealed::of(decided.header, decision)))
    }

    /// Lets the last validators come to the last decision. Gives what they did, CPU time of workers
    /// for blocks that were not decided for, in nanoseconds, and whether they came to two.
    pub(super) fn finish(mut self, late_ms: u64) -> (Decided, u64, Result<(), Stopped>) {
        let ended = self.simulation.finish();
        let decided = Decided {
            counts: self.simulation.counts(),
            finality: self.simulation.finality().clone(),
            others: self.others,
            late_ms,
        };
        (decided, self.discarded_ns, ended)
    }
}

impl Sealed {
    fn of(header: Option<Header>, decision: Decision) -> Sealed {
        Sealed {
            header,
            certificate: decision.certificate,
            decided_ms: decision.decided_us.div_ceil(1_000),
        }
    }
}

/// A block that names another one before it than there is.
fn broken(empty: &Header) -> Block {
    let mut header = *empty;
    header.parent.0[0] ^= 1;
    Block {
        hash: header.digest(),
        bytes: header.bytes() as u32,
    }
}

/// The only block of a height that is valid.
struct OneBlock<'c> {
    block: Block,
    height: u64,
    invalid: Block,
    body: &'c [u8],
    replicas: Option<&'c mut Replicas>,
}

impl Blocks for OneBlock<'_> {
    fn offer(&mut self, offer: Offer) -> Block {
        match offer {
            Offer::Invalid => self.invalid,
            Offer::Fair | Offer::Censored | Offer::Empty => self.block,
        }
    }

    fn check(&mut self, validator: u16, block: &Digest) -> bool {
        let is_ours = *block == self.block.hash;
        match &mut self.replicas {
            None => is_ours,
            Some(replicas) => {
                let body = if is_ours { self.body } else { &[] };
                replicas.check(validator, (self.height, block), body)
            }
        }
    }
}

/// Blocks of a height, each executed when it is offered.
struct Several<'c> {
    before: &'c Chain,
    built: Vec<Built>,
    replicas: Option<&'c mut Replicas>,
}

struct Built {
    offer: Offer,
    block: Block,
    header: Option<Header>,
    /// The chain after it.
    chain: Chain,
    receipts: Vec<Receipt>,
}

impl Several<'_> {
    fn build(&self, offer: Offer) -> Built {
        let mut chain = self.before.fork();
        let mut receipts = Vec::new();
        let empty = chain.empty_block();
        let bytes = chain.load().bytes;
        let header = match offer {
            Offer::Fair => chain.seal(&mut receipts),
            Offer::Censored => {
                let aside = chain.set_answers_aside();
                let header = chain.seal(&mut receipts);
                chain.put_back(aside);
                header
            }
            Offer::Empty | Offer::Invalid => {
                chain.let_pass(&mut receipts);
                None
            }
        };
        let block = match header {
            Some(header) => Block {
                hash: header.hash,
                bytes: (chain.load().bytes - bytes) as u32,
            },
            None => Block {
                hash: empty.hash,
                bytes: empty.bytes() as u32,
            },
        };
        Built {
            offer,
            block,
            header,
            chain,
            receipts,
        }
    }
}

impl Blocks for Several<'_> {
    fn offer(&mut self, offer: Offer) -> Block {
        if offer == Offer::Invalid {
            return broken(&self.before.empty_block());
        }
        if let Some(built) = self.built.iter().find(|built| built.offer == offer) {
            return built.block;
        }
        let built = self.build(offer);
        let block = built.block;
        self.built.push(built);
        block
    }

    fn check(&mut self, validator: u16, block: &Digest) -> bool {
        let mut built = self.built.iter();
        let built = built.find(|built| built.block.hash == *block);
        match &mut self.replicas {
            None => built.is_some(),
            Some(replicas) => {
                let body = built.map_or(&[][..], |of| body(&of.chain, of.header.is_some()));
                let height = self.before.height() + 1;
                replicas.check(validator, (height, block), body)
            }
        }
    }
}
