//! What a shard remembers while it is brought back.

use std::collections::HashMap;

use super::arrivals::SchedulePosition;
use super::slot::Channel;

/// What a shard remembers while it is brought back.
#[derive(Default)]
pub(super) struct ShardRestoring {
    /// How many sessions had opened in each slot before the restart; empty in a run that begins.
    pub(super) opened: Vec<u64>,
    /// Channels that are closed on Layer 1 and not counted yet.
    pub(super) closed: HashMap<u32, Channel>,
    /// How many opens the shard had heard of in its last commit.
    pub(super) heard: u64,
    /// Slots whose closed sessions were counted here: their records are to be taken out.
    pub(super) counted: Vec<u32>,
    /// The run goes on: the ends' links are to be brought up first.
    pub(super) reconnect: bool,
    /// How far the schedule was read; none if the shard has kept nothing yet.
    pub(super) schedule: Option<SchedulePosition>,
}

impl ShardRestoring {
    /// How many sessions had opened in a slot before the restart.
    pub(super) fn opened(&self, slot: u32) -> u64 {
        self.opened.get(slot as usize).copied().unwrap_or(0)
    }
}
