//! Channels that wait for something to be done with them.

use std::collections::VecDeque;

/// A shard's channels, by what is done with them next.
pub(super) struct Line {
    /// They pay.
    pub(super) ready: Ready,
    /// They end.
    pub(super) finishing: Vec<u32>,
    /// A party of theirs begins to cheat.
    pub(super) attacked: Vec<u32>,
}

/// Channels with something to do, in the order in which they got it.
pub(super) struct Ready {
    queue: VecDeque<u32>,
    queued: Vec<bool>,
}

impl Line {
    /// Nobody stands in it yet.
    pub(super) fn new(slots: usize) -> Line {
        Line {
            ready: Ready {
                queue: VecDeque::new(),
                queued: vec![false; slots],
            },
            finishing: Vec::new(),
            attacked: Vec::new(),
        }
    }
}

impl Ready {
    pub(super) fn push(&mut self, slot: u32) {
        if !std::mem::replace(&mut self.queued[slot as usize], true) {
            self.queue.push_back(slot);
        }
    }

    pub(super) fn pop(&mut self) -> Option<u32> {
        let slot = self.queue.pop_front()?;
        self.queued[slot as usize] = false;
        Some(slot)
    }

    pub(super) fn clear(&mut self) {
        while self.pop().is_some() {}
    }
}
