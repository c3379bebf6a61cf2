//! A party's disk: what was stored survives a crash, everything else is gone with it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use duet_engine::protocol::{ChannelId, Party, Storage};

/// Keeps the newest of each side, as the engine's own storage would.
#[derive(Default)]
pub(crate) struct Disk(BTreeMap<(ChannelId, Party), Vec<u8>>);

impl Storage for Disk {
    type Error = Infallible;

    fn store(&mut self, channel: &ChannelId, side: Party, record: &[u8]) -> Result<(), Infallible> {
        self.0.insert((*channel, side), record.to_vec());
        Ok(())
    }

    fn load(&self, channel: &ChannelId, side: Party) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(&(*channel, side)).cloned())
    }
}
