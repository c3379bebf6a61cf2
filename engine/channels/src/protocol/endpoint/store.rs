//! Where an endpoint's records survive a crash.
//!
//! Rule S3: what a party signed is stored before the signature leaves it. An endpoint is stored
//! when no order is outstanding; a signature that was ordered, and lost with a crash before that,
//! has left nobody.

use std::collections::HashMap;
use std::convert::Infallible;

use super::super::terms::{ChannelId, Party};

/// Where records are kept between crashes. What `store` has returned from survives.
pub trait Storage {
    /// Why it cannot keep something.
    type Error;

    /// Keeps the record of one side of a channel, in place of what was kept of it before.
    ///
    /// # Errors
    /// If it cannot. The endpoint must then send nothing that it signed since it was last stored.
    fn store(&mut self, channel: &ChannelId, side: Party, record: &[u8])
    -> Result<(), Self::Error>;

    /// What was kept last.
    ///
    /// # Errors
    /// If it cannot be read.
    fn load(&self, channel: &ChannelId, side: Party) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// Storage that survives as long as the process.
#[derive(Debug, Default)]
pub struct InMemory(HashMap<(ChannelId, Party), Vec<u8>>);

impl Storage for InMemory {
    type Error = Infallible;

    fn store(&mut self, channel: &ChannelId, side: Party, record: &[u8]) -> Result<(), Infallible> {
        let kept = self.0.entry((*channel, side)).or_default();
        kept.clear();
        kept.extend_from_slice(record);
        Ok(())
    }

    fn load(&self, channel: &ChannelId, side: Party) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.0.get(&(*channel, side)).cloned())
    }
}
