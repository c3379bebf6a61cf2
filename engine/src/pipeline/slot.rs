//! A place in which one session after another runs: both endpoints, and how far the session is.

use super::accounts::Parties;
use super::attack::{Attack, Cheat};
use super::case::Case;
use duet_channels::legs::Ends;
use duet_channels::protocol::{Endpoint, Pair, Party};

/// One slot of a shard.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) state: SlotState,
}

/// What a slot's session is doing.
#[allow(clippy::large_enum_variant)] // Nearly every slot runs nearly always; none is boxed.
#[derive(Default)]
pub(super) enum SlotState {
    /// No session: not yet, or no more.
    #[default]
    Vacant,
    /// Its opening transaction is on its way to Layer 1.
    Opening,
    /// Open: payments, and at the end the final.
    Running(Channel),
    /// Both have signed a final, or its closing transaction is on its way to Layer 1.
    Closing(Channel),
    /// In dispute.
    Disputed(Box<Case>),
    /// Layer 1 refused its opening or its close; its session gets no further.
    Stopped,
}

/// An open channel, both ends. They share nothing: each computes and checks for itself.
pub(super) struct Channel {
    pub(super) session: u64,
    pub(super) ends: Pair<Endpoint>,
    /// Payments after which the session pauses or ends: all, unless somebody cheats before.
    pub(super) ends_at: u64,
    /// What one of the parties is up to.
    pub(super) cheat: Option<Box<Cheat>>,
    /// Payments drawn from the workload.
    pub(super) drawn: u64,
    /// Of these, refused by the payer's own endpoint.
    pub(super) refused: u64,
    /// Payments that a co-signed state covers, by the payer's count.
    pub(super) covered: u64,
    /// What the workload says each side has paid, refused payments aside.
    pub(super) paid: Pair<u64>,
    /// In a wave on its way, or in line for its end: nobody puts it in line again.
    pub(super) busy: bool,
    /// Open since before a restart, in a step that this run has not come to yet. Its track does not
    /// wait for it, and no step before that one closes it.
    pub(super) early: bool,
}

impl Channel {
    /// Both ends, the given one first.
    pub(super) fn ends_mut(&mut self, first: Party) -> (&mut Endpoint, &mut Endpoint) {
        let Pair { a, b } = &mut self.ends;
        match first {
            Party::A => (a, b),
            Party::B => (b, a),
        }
    }

    /// Payments still to be drawn.
    pub(super) fn left(&self) -> u64 {
        self.ends_at - self.drawn
    }

    /// Goes on after a pause in which a cheater kept a state.
    pub(super) fn pause(&mut self) {
        if let Some(cheat) = &mut self.cheat {
            // Both ends stand at the same state, so that each has the other's signature over it.
            let Pair { a, b } = &self.ends;
            assert_eq!(a.held_version(), b.held_version());
            let of_a = b.peers_signature();
            let held = a.held(|_| *of_a.expect("both signed it"));
            self.ends_at = cheat.pause(self.drawn, held);
        }
    }

    /// The cheat whose payer spoils its next signature.
    pub(super) fn poisons(&mut self) -> Option<&mut Cheat> {
        let now = self.is_attacked();
        let cheat = self.cheat.as_deref_mut().filter(|_| now)?;
        (cheat.attack == Attack::BadSignature).then_some(cheat)
    }

    /// Whether it has come to where a party begins to cheat.
    pub(super) fn is_attacked(&self) -> bool {
        let cheat = self.cheat.as_ref();
        cheat.is_some_and(|cheat| cheat.after_payments() == self.drawn)
    }
}

impl SlotState {
    /// The channel, while it is open and both ends are here.
    pub(super) fn open(&self) -> Option<&Channel> {
        match self {
            SlotState::Running(channel) | SlotState::Closing(channel) => Some(channel),
            SlotState::Vacant
            | SlotState::Opening
            | SlotState::Disputed(_)
            | SlotState::Stopped => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn open_mut(&mut self) -> Option<&mut Channel> {
        match self {
            SlotState::Running(channel) | SlotState::Closing(channel) => Some(channel),
            SlotState::Vacant
            | SlotState::Opening
            | SlotState::Disputed(_)
            | SlotState::Stopped => None,
        }
    }

    /// The channel that its track's next step closes.
    pub(super) fn closes(&self) -> Option<&Channel> {
        match self {
            SlotState::Closing(channel) if !channel.early => Some(channel),
            _ => None,
        }
    }
}

impl Slot {
    /// The channel of a slot that is known to run.
    pub(super) fn channel(&mut self) -> &mut Channel {
        match &mut self.state {
            SlotState::Running(channel) => channel,
            _ => unreachable!("the slot runs"),
        }
    }
}

/// The ends of channels that run, with their keys.
pub(super) struct RunningEnds<'s> {
    pub(super) slots: &'s mut [Slot],
    pub(super) parties: &'s Parties,
}

/// An end of a slot's channel.
pub(super) type At = (u32, Party);

impl Ends for RunningEnds<'_> {
    type At = At;

    fn end(&mut self, (slot, party): At) -> &mut Endpoint {
        &mut self.slots[slot as usize].channel().ends[party]
    }

    fn secret(&self, (slot, party): At) -> u32 {
        self.parties.places(slot)[party]
    }
}
