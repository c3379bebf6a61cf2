//! What whole systems of validators, of one to a hundred, do for a block: a sample of heights each,
//! without faults, over the run's own network. Votes do not depend on what is in a block: here it
//! is nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use super::accounts::validator_seeds;
use super::config::Config;
use duet_base::clock::thread_cpu_ns;
use duet_channels::crypto::Digest;
use duet_consensus::{
    Block, Blocks, Counts, Faults, Finality, Network, Offer, Setup, Simulation, Stopped,
};

/// So many validators, and what they did for some heights.
#[derive(Clone, Debug)]
pub struct WholeSystem {
    /// How many there are.
    pub validators: u16,
    /// All of them together; blocks have no bytes.
    pub counts: Counts,
    /// How long decisions took.
    pub finality: Finality,
    /// CPU time of one signature that is verified by itself, as one is that comes by itself, in
    /// nanoseconds.
    pub verification_ns: f64,
}

impl WholeSystem {
    /// The sizes that are shown beside each other.
    pub const SIZES: [u16; 4] = [1, 4, 16, 100];
    /// Heights of each: at a hundred, 50 ms apiece.
    pub const HEIGHTS: u64 = 16;

    /// Has so many validators decide.
    fn of(
        validators: u16,
        config: &Config,
        network: &Network,
        interval_ms: u64,
    ) -> Result<WholeSystem, Stopped> {
        let setup = Setup {
            genesis: Digest::default(),
            seeds: validator_seeds(config.seed, validators),
            faults: Faults::default(),
            network: network.clone(),
            seed: config.seed,
        };
        let mut simulation = Simulation::new(setup, config.backend);
        let keys = simulation.validators();
        let (mut signatures, mut cpu_ns) = (0, 0);
        for height in 1..=WholeSystem::HEIGHTS {
            let begins_us = height.saturating_mul(interval_ms).saturating_mul(1_000);
            let decision = simulation.decide(height, begins_us, &mut OfNothing(height))?;
            let before_ns = thread_cpu_ns();
            let checked = keys.check(&decision.certificate);
            cpu_ns += thread_cpu_ns() - before_ns;
            assert_eq!(checked, Ok(()), "a decision's certificate holds");
            signatures += decision.certificate.signatures.len();
        }
        simulation.finish()?;
        Ok(WholeSystem {
            validators,
            counts: simulation.counts(),
            finality: simulation.finality().clone(),
            verification_ns: cpu_ns as f64 / signatures as f64,
        })
    }

    /// What they spend CPU time on for a height, in nanoseconds: the rules and each one's own
    /// signatures as simulated, and each verification by itself.
    #[must_use]
    pub fn cpu_ns_per_height(&self) -> f64 {
        let verifying_ns = self.counts.verifications as f64 * self.verification_ns;
        (self.counts.cpu_ns as f64 + verifying_ns) / self.counts.heights as f64
    }
}

/// Samples of all sizes for a run with validators, but of those that decide nothing over its
/// network; fewer after a stop, and none for a run without.
#[must_use]
pub fn whole_systems(config: &Config, stop: &AtomicBool) -> Vec<WholeSystem> {
    let (Some(pace), Some(asked)) = (config.l1.pace, &config.validators) else {
        return Vec::new();
    };
    let network = Network {
        partitions: Vec::new(),
        ..asked.network.clone()
    };
    let sizes = WholeSystem::SIZES.into_iter();
    let sizes = sizes.take_while(|_| !stop.load(Ordering::Relaxed));
    let of = |validators| WholeSystem::of(validators, config, &network, pace.interval_ms);
    sizes.filter_map(|validators| of(validators).ok()).collect()
}

/// The block of a height with nothing in it.
struct OfNothing(u64);

impl OfNothing {
    fn block(&self) -> Block {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&self.0.to_le_bytes());
        Block {
            hash: Digest(hash),
            bytes: 0,
        }
    }
}

impl Blocks for OfNothing {
    fn offer(&mut self, _: Offer) -> Block {
        self.block()
    }

    fn check(&mut self, _: u16, block: &Digest) -> bool {
        *block == self.block().hash
    }
}
