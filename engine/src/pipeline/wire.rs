//! The link between endpoints of one shard: bytes, framed by channel. Nothing else crosses it.

use std::ops::Range;

use duet_channels::protocol::{EntryBytes, Party};

/// Messages of many channels on their way, one frame per channel. Reused from wave to wave.
#[derive(Default)]
pub(super) struct Wire {
    bytes: Vec<u8>,
    frames: Vec<Frame>,
    carried: u64,
}

/// One channel's messages.
struct Frame {
    slot: u32,
    to: Party,
    bytes: Range<usize>,
}

impl Wire {
    /// Makes room for proposals of so many entries.
    pub(super) fn make_room(&mut self, entries: usize) {
        self.bytes.reserve(entries * (size_of::<EntryBytes>() + 2));
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.frames.clear();
    }

    /// Appends messages of a channel; `write` appends to the bytes it is given. Those that follow
    /// each other are one frame.
    pub(super) fn frame(&mut self, slot: u32, to: Party, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let end = self.bytes.len();
        self.carried += (end - start) as u64;
        match self.frames.last_mut() {
            _ if end == start => {}
            Some(last) if (last.slot, last.to) == (slot, to) => last.bytes.end = end,
            _ => self.frames.push(Frame {
                slot,
                to,
                bytes: start..end,
            }),
        }
    }

    /// Each channel's messages and whom they reach, in the order in which they were framed.
    pub(super) fn frames(&self) -> impl Iterator<Item = (u32, Party, &[u8])> {
        self.frames
            .iter()
            .map(|frame| (frame.slot, frame.to, &self.bytes[frame.bytes.clone()]))
    }

    /// For faults: each channel's messages, to be damaged.
    pub(super) fn frames_mut(&mut self, mut damage: impl FnMut(u32, &mut [u8])) {
        for frame in &self.frames {
            damage(frame.slot, &mut self.bytes[frame.bytes.clone()]);
        }
    }

    /// Bytes carried since the beginning.
    pub(super) fn carried(&self) -> u64 {
        self.carried
    }
}
