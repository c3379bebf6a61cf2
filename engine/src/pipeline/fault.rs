//! Damage on purpose: one flipped bit between two stages of the running pipeline.
//!
//! Costs one branch per wave when there is none. It exists so that the release build itself can be
//! shown to notice, not a test build of it.

use duet_channels::protocol::Message;

/// Between which two stages a bit is flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// In the payments of a proposal on its way to the payee.
    Payments,
    /// Anywhere in a proposal on its way to the payee.
    Proposal,
    /// In the signature of a proposal on its way to the payee.
    Signature,
    /// Anywhere in an answer on its way to the payer.
    Acknowledgement,
    /// Anywhere in a final on its way to the other party.
    Final,
    /// Anywhere in the settlement transaction on its way to Layer 1.
    Settlement,
}

/// One bit to flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which session.
    pub session: u64,
    /// Between which stages.
    pub hop: Hop,
    /// Not before this many payments of the session have been drawn.
    pub after_payments: u64,
    /// Which bit, modulo the size of what is damaged.
    pub bit: u64,
}

/// The faults of a run that have not happened yet.
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn new(faults: &[Fault]) -> Faults {
        Faults(faults.to_vec())
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Flips the bits that are due on this hop in this session.
    pub(super) fn strike(&mut self, hop: Hop, session: u64, drawn: u64, bytes: &mut [u8]) {
        self.0.retain(|fault| {
            let due = fault.session == session
                && fault.after_payments <= drawn
                && (fault.hop == hop
                    || hop == Hop::Proposal && matches!(fault.hop, Hop::Payments | Hop::Signature));
            if due {
                let target = region(fault.hop, bytes);
                let bit = (fault.bit % (8 * target.len() as u64)) as usize;
                target[bit / 8] ^= 1 << (bit % 8);
            }
            !due
        });
    }
}

/// The part of a frame that a hop's fault may damage: of a frame with several proposals, the first.
fn region(hop: Hop, bytes: &mut [u8]) -> &mut [u8] {
    let first = match Message::decode_first(bytes) {
        Ok((_, rest)) => bytes.len() - rest.len(),
        Err(_) => bytes.len(),
    };
    match hop {
        Hop::Payments => &mut bytes[4..first - 64],
        Hop::Signature => &mut bytes[first - 64..first],
        Hop::Proposal | Hop::Acknowledgement | Hop::Final => &mut bytes[..first],
        Hop::Settlement => bytes,
    }
}
