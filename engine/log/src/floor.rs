//! The floor: up to which batch everything is acknowledged, kept apart from the batches themselves.
//!
//! Two slots in a small file, written in turn, each synced before anything is acknowledged on its
//! strength. A slot that a crash tore was never relied on, and the other one holds.

use super::error::{Damage, During, LogError};
use super::format::RunId;
use super::format::{BLOCK_BYTES, FloorSlot, Identity};
use super::{Durability, Sequence};
use crate::disk::DiskFile;

/// What is acknowledged, and which segments that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Floor {
    pub(super) sequence: Sequence,
    pub(super) first_segment: u32,
    pub(super) last_segment: u32,
}

/// The floor's file.
pub(super) struct FloorFile<F> {
    file: F,
    name: String,
    identity: Identity,
    /// Counts the slots written.
    writes: u64,
    /// The slot that holds the newest floor.
    slot: u64,
}

impl Floor {
    /// Of a stream that never had a batch.
    pub(super) const START: Floor = Floor {
        sequence: 0,
        first_segment: 1,
        last_segment: 0,
    };
}

/// The file as it is made: both slots say the same.
pub(super) fn initial(identity: &Identity) -> Vec<u8> {
    let mut bytes = slot(Floor::START, 1).encode(identity);
    bytes.extend(slot(Floor::START, 2).encode(identity));
    bytes
}

fn slot(floor: Floor, writes: u64) -> FloorSlot {
    FloorSlot {
        first_segment: floor.first_segment,
        last_segment: floor.last_segment,
        writes,
        floor: floor.sequence,
    }
}

/// Whether a floor's file, of whichever log, says that something was acknowledged.
pub(super) fn is_raised<F: DiskFile>(file: &F) -> std::io::Result<bool> {
    let mut bytes = vec![0; file.length()?.min(2 * BLOCK_BYTES as u64) as usize];
    file.read_at(0, &mut bytes)?;
    let mut slots = bytes.chunks(BLOCK_BYTES).map(FloorSlot::decode_of_any);
    Ok(slots.any(|slot| slot.is_ok_and(|slot| slot.floor > 0)))
}

/// Whether a floor's file is whole and of another log than this.
pub(super) fn is_of_another<F: DiskFile>(file: &F, identity: &Identity) -> std::io::Result<bool> {
    let mut bytes = vec![0; file.length()?.min(2 * BLOCK_BYTES as u64) as usize];
    file.read_at(0, &mut bytes)?;
    let is_other = |slot: &[u8]| {
        FloorSlot::decode_of_any(slot).is_ok() && FloorSlot::decode(slot, identity).is_err()
    };
    Ok(bytes.chunks(BLOCK_BYTES).any(is_other))
}

impl<F: DiskFile> FloorFile<F> {
    /// Reads the newer of the two slots that is intact.
    pub(super) fn read(
        file: F,
        name: String,
        identity: Identity,
        run: RunId,
    ) -> Result<(FloorFile<F>, Floor), LogError> {
        let length = file.length().during("read the length of", &name)?;
        let needed = 2 * BLOCK_BYTES as u64;
        if length < needed {
            let damage = Damage::Truncated { length, needed };
            return Err(LogError::header(&name, damage, run));
        }
        let mut newest: Option<(u64, FloorSlot)> = None;
        let mut damages = Vec::new();
        for at in 0..2 {
            let mut bytes = vec![0; BLOCK_BYTES];
            file.read_at(at * BLOCK_BYTES as u64, &mut bytes)
                .during("read", &name)?;
            match FloorSlot::decode(&bytes, &identity) {
                Ok(slot) if newest.is_none_or(|(_, other)| slot.writes > other.writes) => {
                    newest = Some((at, slot));
                }
                Ok(_) => {}
                Err(damage) => damages.push(damage),
            }
        }
        let Some((slot, found)) = newest else {
            // If both are wrong in the same way, that way is the reason.
            let damage = match damages[..] {
                [one, other] if one == other && one != Damage::Header => one,
                _ => Damage::BothSlots,
            };
            return Err(LogError::header(&name, damage, run));
        };
        let floor = Floor {
            sequence: found.floor,
            first_segment: found.first_segment,
            last_segment: found.last_segment,
        };
        let file = FloorFile {
            file,
            name,
            identity,
            writes: found.writes,
            slot,
        };
        Ok((file, floor))
    }

    /// Writes the floor over the older slot. On return it is durable, if that is asked for.
    pub(super) fn write(
        &mut self,
        floor: Floor,
        durability: Durability,
        timed: impl FnOnce(&mut F) -> std::io::Result<()>,
    ) -> Result<(), LogError> {
        self.slot = 1 - self.slot;
        self.writes += 1;
        let bytes = slot(floor, self.writes).encode(&self.identity);
        self.file
            .write_at(self.slot * BLOCK_BYTES as u64, &bytes)
            .during("write", &self.name)?;
        if durability == Durability::Fsync {
            timed(&mut self.file).during("sync", &self.name)?;
        }
        Ok(())
    }
}
