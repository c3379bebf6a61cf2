//! A channel's place in a driver.

/// A channel's place in a driver: of this one, and as long as it lives. What is kept of a channel
/// needs a name that outlives it, the channel's id or a number of the owner's.
///
/// Whatever takes a slot panics if that is another driver's or was forgotten, but for what a peer
/// or Layer 1 brings about: [`receive`](super::Driver::receive),
/// [`reconnect`](super::Driver::reconnect) and [`posted`](super::Driver::posted).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub(super) u32);

impl Slot {
    /// Its number: channels are numbered in the order in which this driver took part in them.
    #[must_use]
    pub const fn place(self) -> u32 {
        self.0
    }
}
