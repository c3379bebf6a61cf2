//! The configuration that whole runs start from.

use duet_engine::crypto::{Backend, BackendChoice};
use duet_engine::l1;
use duet_engine::pipeline::{Arrivals, Config, Place, Sending};
use duet_engine::protocol::{Amount, Rules};

/// A closed loop that keeps its blocks.
pub(crate) fn config(shards: u32, concurrent: u64, cosign_every: u32, in_flight: u32) -> Config {
    Config {
        shards,
        place: Place::ALONE,
        concurrent,
        rules: Rules {
            cosign_every,
            in_flight,
        },
        cosign_after: None,
        arrivals: Arrivals::Closed,
        duration: None,
        backend: Backend::select(BackendChoice::Auto).expect("there is always one"),
        seed: 42,
        l1: l1::Config {
            keep_bodies: true,
            ..l1::Config::default()
        },
        validators: None,
        sending: Sending::default(),
        challenge_window_blocks: 144,
        reserve: Amount::ZERO,
        faults: Vec::new(),
        attacks: Vec::new(),
        planted_slowdown: 0.0,
        live: false,
        bystanders: || 0,
        audit: None,
        log: None,
    }
}
