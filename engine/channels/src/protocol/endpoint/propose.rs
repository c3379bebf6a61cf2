//! The proposer's half: sign a state that extends the newest one, send it, and keep it for
//! resending.

use super::super::burst::Burst;
use super::super::entry::Entry;
use super::super::message::Message;
use super::super::new_state::NewState;
use super::super::rejection::Rejection;
use super::window::WindowPool;
use super::{Endpoint, Flag, SignOrder};
use crate::crypto::Signature;

impl Endpoint {
    /// How many more proposals this party may send now.
    ///
    /// # Errors
    /// As [`Endpoint::my_turn`].
    pub fn proposals_left(&self) -> Result<u32, Rejection> {
        self.my_turn()?;
        Ok(self.in_flight_most.saturating_sub(self.in_flight()))
    }

    /// Authorises this party's signature over a state of its burst, and makes it the newest one.
    /// With `pass`, the turn goes to the peer once it has answered; nothing more is proposed then.
    ///
    /// # Errors
    /// As [`Endpoint::my_turn`], [`Rejection::TooManyInFlight`], [`Rejection::WrongEntryCount`],
    /// [`Rejection::NotThePayer`], or [`Rejection::WrongVersion`] or [`Rejection::BrokenChain`] if
    /// the state does not extend the newest one.
    pub fn propose(&mut self, state: &NewState, pass: bool) -> Result<SignOrder, Rejection> {
        if self.proposals_left()? == 0 {
            return Err(Rejection::TooManyInFlight {
                most: self.in_flight_most,
            });
        }
        self.extends(state)?;
        if Entry::decode(&state.entry).payer != self.me() {
            return Err(Rejection::NotThePayer {
                proposer: self.me(),
            });
        }
        self.moves_to(state.tip);
        self.flags.set(Flag::Answering, false);
        self.outstanding += 1;
        self.flags.set(Flag::Passing, pass);
        Ok(SignOrder {
            digest: state.digest,
        })
    }

    /// Records the signature that an order gave leave for, and appends the message to `wire`.
    /// Orders are recorded in the order in which they were given.
    ///
    /// # Panics
    /// If the order is of another state or has been recorded: our own bug.
    pub fn proposed(
        &mut self,
        order: &SignOrder,
        state: &NewState,
        burst: &Burst,
        signature: Signature,
        windows: &mut WindowPool,
        wire: &mut Vec<u8>,
    ) {
        assert_eq!(order.digest, state.digest, "an order is for one state");
        assert!(self.ordered() > 0, "an order outstanding");
        self.outstanding -= 1;
        let pass = self.flags.has(Flag::Passing) && state.tip == self.signed();
        let payments = burst.payments_of(state);
        let message = Message::Proposal {
            payments,
            signature,
            pass,
        };
        let start = wire.len();
        message.encode(wire);
        let aside = windows.lend(&mut self.aside);
        aside.window.push(*state, &wire[start..], signature, pass);
    }

    /// Rule S2: a state may be signed only if it extends the newest one by 1 to k entries. The log
    /// head begins with the channel's id, so a state of another channel does not pass either.
    pub(super) fn extends(&self, state: &NewState) -> Result<(), Rejection> {
        let most = u32::from(self.cosign_every);
        if !(1..=most).contains(&state.payments()) {
            return Err(Rejection::WrongEntryCount {
                most,
                got: state.payments(),
            });
        }
        let (version, head) = state.from;
        if version != self.balance.version {
            return Err(Rejection::WrongVersion {
                expected: self.balance.version.saturating_add(1),
                got: version.saturating_add(1),
            });
        }
        if head != self.head() {
            return Err(Rejection::BrokenChain { version });
        }
        Ok(())
    }
}
