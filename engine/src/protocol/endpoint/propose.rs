//! The proposer's half: sign a state that extends the newest one, send it, and keep it for resending.

use super::super::burst::{Burst, NewState};
use super::super::entry::Entry;
use super::super::message::Message;
use super::super::rejection::Rejection;
use super::window::{Sent, WindowPool};
use super::{Endpoint, SignOrder};
use crate::crypto::Signature;

impl Endpoint {
    /// How many more proposals this party may send now.
    ///
    /// # Errors
    /// As [`Endpoint::my_turn`].
    pub fn proposals_left(&self) -> Result<u32, Rejection> {
        self.my_turn()?;
        Ok(self.rules.in_flight.saturating_sub(self.in_flight()))
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
                most: self.rules.in_flight,
            });
        }
        self.extends(state)?;
        if Entry::decode(&state.entry).payer != self.me {
            return Err(Rejection::NotThePayer { proposer: self.me });
        }
        self.signed = state.tip;
        self.ordered += 1;
        self.turn.passing = pass;
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
        self.ordered = self.ordered.checked_sub(1).expect("an order outstanding");
        let pass = self.turn.passing && state.tip == self.signed;
        let start = wire.len();
        let message = Message::Proposal {
            entries: burst.entries_of(state),
            signature,
            pass,
        };
        message.encode(wire);
        let sent = Sent {
            state: *state,
            signature,
            pass,
            message_len: wire.len() - start,
        };
        windows.lend(&mut self.in_flight).push(sent, &wire[start..]);
    }

    /// Rule S2: a state may be signed only if it extends the newest one by 1 to k entries. The log
    /// head begins with the channel's id, so a state of another channel does not pass either.
    pub(super) fn extends(&self, state: &NewState) -> Result<(), Rejection> {
        let most = self.rules.cosign_every;
        if !(1..=most).contains(&state.payments()) {
            return Err(Rejection::WrongEntryCount {
                most,
                got: state.payments(),
            });
        }
        let (version, head) = state.from;
        if version != self.signed.balance.version {
            return Err(Rejection::WrongVersion {
                expected: self.signed.balance.version.saturating_add(1),
                got: version.saturating_add(1),
            });
        }
        if head != self.signed.head {
            return Err(Rejection::BrokenChain { version });
        }
        Ok(())
    }
}
