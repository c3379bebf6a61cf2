//! The configuration that whole runs start from.

use duet_engine::l1;
use duet_engine::pipeline::Config;
use duet_engine::protocol::Rules;

/// A closed loop that keeps its blocks.
pub(crate) fn config(shards: u32, concurrent: u64, cosign_every: u32, in_flight: u32) -> Config {
    Config {
        shards,
        concurrent,
        rules: Rules {
            cosign_every,
            in_flight,
        },
        seed: 42,
        l1: l1::Config {
            keep_bodies: true,
            ..l1::Config::default()
        },
        ..Config::default()
    }
}
