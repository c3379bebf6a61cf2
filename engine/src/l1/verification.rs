//! Verifies a round's signatures in one batch, or in one per thread, and says what that cost.

use rayon::prelude::*;

use super::load::thread_cpu_ns;
use super::witness::{Verdict, Witness};
use crate::crypto::{Backend, KeyRing, Verifier};

/// Signatures in a chunk at least: with fewer, the batch's advantage goes faster than the threads
/// can make up for.
const SMALLEST_CHUNK: usize = 256;

/// Verifiers and their memory, kept from block to block.
pub(super) struct Verification {
    backend: Backend,
    parallel: bool,
    /// Signatures judged by the verifiers of the same Layer 1 before these.
    before: u64,
    slots: Vec<Slot>,
}

/// One thread's chunk.
struct Slot {
    verifier: Verifier,
    witnesses: Vec<Witness>,
    verdicts: Vec<Verdict>,
    cpu_ns: u64,
}

impl Verification {
    pub(super) fn new(backend: Backend, parallel: bool, before: u64) -> Verification {
        Verification {
            backend,
            parallel,
            before,
            slots: Vec::new(),
        }
    }

    /// Judges `witnesses`, which it drains. Returns the CPU time of every thread that took part.
    pub(super) fn judge(&mut self, ring: &KeyRing, witnesses: &mut Vec<Witness>) -> u64 {
        let chunks = if self.parallel {
            (witnesses.len() / SMALLEST_CHUNK).clamp(1, rayon::current_num_threads())
        } else {
            1
        };
        while self.slots.len() < chunks {
            self.slots.push(Slot::new(self.backend));
        }
        let slots = &mut self.slots[..chunks];
        match slots {
            [slot] => {
                // All of them are its own, and its empty memory is for the next ones.
                std::mem::swap(&mut slot.witnesses, witnesses);
                slot.judge(ring);
            }
            _ => {
                let chunk = witnesses.len().div_ceil(chunks);
                for (slot, witnesses) in slots.iter_mut().zip(witnesses.chunks(chunk)) {
                    slot.witnesses.extend_from_slice(witnesses);
                }
                witnesses.clear();
                slots.par_iter_mut().for_each(|slot| slot.judge(ring));
            }
        }
        slots.iter().map(|slot| slot.cpu_ns).sum()
    }

    /// The verdicts of the last [`Verification::judge`], in the witnesses' order.
    pub(super) fn verdicts(&mut self) -> impl Iterator<Item = Verdict> {
        self.slots
            .iter_mut()
            .flat_map(|slot| slot.verdicts.drain(..))
    }

    /// Signatures judged so far, by the verifiers' own count.
    pub(super) fn signatures(&self) -> u64 {
        let slots = self.slots.iter();
        let judged: u64 = slots.map(|slot| slot.verifier.counts().signatures).sum();
        self.before + judged
    }
}

impl Slot {
    fn new(backend: Backend) -> Slot {
        Slot {
            verifier: Verifier::new(backend),
            witnesses: Vec::new(),
            verdicts: Vec::new(),
            cpu_ns: 0,
        }
    }

    fn judge(&mut self, ring: &KeyRing) {
        let start = thread_cpu_ns();
        self.verifier
            .verify(ring, &mut self.witnesses, &mut self.verdicts);
        self.cpu_ns = thread_cpu_ns() - start;
    }
}
