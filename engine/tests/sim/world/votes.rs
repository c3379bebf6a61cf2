//! Layer 1's validators in a world: four of them, of whom one is faulty, decide its blocks. What
//! each of them offers is a block of this world's own chain.

use duet_engine::consensus::{
    Block, Blocks, Fault, Faults, Network, Offer, Setup, Simulation, Stopped,
};
use duet_engine::crypto::{Backend, Digest};
use duet_engine::l1::{Chain, Receipt};
use zeroize::Zeroizing;

/// The validators.
pub(super) struct Votes(Simulation);

const COUNT: u16 = 4;

impl Votes {
    pub(super) fn new(seed: u64, fault: Fault, genesis: &Digest, backend: Backend) -> Votes {
        let key = |place: u16| Zeroizing::new([200 + place as u8; 32]);
        let setup = Setup {
            genesis: *genesis,
            seeds: (0..COUNT).map(key).collect(),
            faults: Faults::new(vec![(fault, 1)], COUNT).expect("fewer than all"),
            network: Network::default(),
            seed,
        };
        Votes(Simulation::new(setup, backend))
    }

    /// Has the next block decided, and makes it the chain's. Gives its hash.
    pub(super) fn block(
        &mut self,
        chain: &mut Chain,
        receipts: &mut Vec<Receipt>,
    ) -> Result<Digest, Stopped> {
        let height = chain.height() + 1;
        let mut offers = Offers {
            before: chain,
            made: Vec::new(),
        };
        offers.offer(Offer::Fair);
        let decision = self.0.decide(height, height * 1_000_000, &mut offers)?;
        let decided = |made: &Made| made.hash == decision.block;
        let mut made = offers.made;
        let place = made.iter().position(decided);
        let made = made.swap_remove(place.expect("one that was offered"));
        receipts.extend(made.receipts);
        *chain = made.chain;
        Ok(made.hash)
    }
}

/// The blocks of a height.
struct Offers<'c> {
    before: &'c Chain,
    made: Vec<Made>,
}

/// One of them, and the chain after it.
struct Made {
    offer: Offer,
    hash: Digest,
    chain: Chain,
    receipts: Vec<Receipt>,
}

impl Offers<'_> {
    fn make(&self, offer: Offer) -> Made {
        let (mut chain, mut receipts) = (self.before.fork(), Vec::new());
        let hash = match offer {
            Offer::Fair => chain.seal_even_empty(&mut receipts).hash,
            Offer::Censored => {
                let aside = chain.set_answers_aside();
                let header = chain.seal_even_empty(&mut receipts);
                chain.put_back(aside);
                header.hash
            }
            Offer::Empty => {
                let empty = chain.empty_block();
                chain.let_pass(&mut receipts);
                empty.hash
            }
            Offer::Invalid => unreachable!("nobody executes it"),
        };
        Made {
            offer,
            hash,
            chain,
            receipts,
        }
    }
}

impl Blocks for Offers<'_> {
    fn offer(&mut self, offer: Offer) -> Block {
        let known = self.made.iter().find(|made| made.offer == offer);
        let hash = match (offer, known) {
            // After another block than there is.
            (Offer::Invalid, _) => {
                let mut header = self.before.empty_block();
                header.parent.0[0] ^= 1;
                header.digest()
            }
            (_, Some(made)) => made.hash,
            (_, None) => {
                let made = self.make(offer);
                self.made.push(made);
                self.made[self.made.len() - 1].hash
            }
        };
        Block { hash, bytes: 100 }
    }

    fn check(&mut self, _: u16, block: &Digest) -> bool {
        self.made.iter().any(|made| made.hash == *block)
    }
}
