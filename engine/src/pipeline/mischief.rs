//! What is wrong in a run on purpose.

use super::attack::Attacks;
use super::config::Config;
use super::fault::Faults;
use super::planted::Planted;
use duet_channels::legs::Legs;

/// Attacks, faults and slowdowns: none in most runs.
pub(super) struct Mischief {
    pub(super) attacks: Attacks,
    /// What the parties of a channel say to each other once one of them cheats.
    pub(super) contest: Legs<()>,
    pub(super) faults: Faults,
    pub(super) planted: Option<Planted>,
}

impl Mischief {
    /// As configured.
    pub(super) fn new(config: &Config) -> Mischief {
        Mischief {
            attacks: Attacks::new(config.seed, &config.attacks),
            contest: Legs::with_room(config.backend, 0),
            faults: Faults::new(&config.faults),
            planted: Planted::new(config.planted_slowdown),
        }
    }
}
