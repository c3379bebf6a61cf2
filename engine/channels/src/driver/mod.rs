//! One party's side of many channels, without I/O: what a hub or a wallet is built on.
//!
//! Payments and bytes go in ([`Driver::pay`], [`Driver::receive`]). [`Driver::advance`] decides on
//! all of them at once, with one signing and one verifying batch a leg however many channels there
//! are, and puts out bytes for the peers, events for the owner, and records for a durable log
//! ([`Output`]). The owner carries them: over a socket, into a log, in whatever order of threads it
//! likes.
//!
//! ```
//! use duet_channels::driver::{Driver, Event, Output};
//! use duet_ledger::l1::Chain;
//! use duet_channels::protocol::{Amount, Pair, Rules, Terms};
//!
//! let (mut alice, mut bob) = (Driver::default(), Driver::default());
//! let keys = Pair { a: alice.add_key(&[1; 32]), b: bob.add_key(&[2; 32]) };
//! let l1 = Chain::with_accounts(vec![(keys.a, Amount::new(1_000))])?;
//! // Layer 1 would open it: see the example `payment`.
//! let terms = Terms::one_sided(*l1.genesis(), 0, keys, Amount::new(500));
//! let at_alice = alice.join(&terms, Rules::default())?;
//! let at_bob = bob.join(&terms, Rules::default())?;
//!
//! let mut output = Output::default();
//! alice.pay(at_alice, Amount::new(5), 0)?;
//! alice.advance(&mut output);
//! for (_, bytes) in output.messages() {
//!     bob.receive(at_bob, bytes);
//! }
//! bob.advance(&mut output);
//! assert_eq!(output.events(), [(at_bob, Event::Received { payments: 1, version: 1 })]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Order
//!
//! What an output holds leaves in this order (rule S3): records are made durable, then messages are
//! sent, posts shown to Layer 1, and events believed. A party without a log has no records, and is
//! as safe as its memory.
//!
//! # What the owner does
//!
//! - It frames messages: a link carries whole ones, and a piece of one ends the channel. It bounds
//!   what it passes to [`Driver::receive`] between two advances.
//! - It calls [`Driver::reconnect`] on both sides once for each break, before the first byte of the
//!   new link is received.
//! - It keeps records by channel id ([`record_identity`](crate::protocol::record_identity)), or by
//!   numbers of its own: slots are others after a restart.
//! - After a restart it restores each channel from its newest record, and looks at
//!   [`Driver::endpoint`] for what it has missed: events do not come again, but for how a channel
//!   has ended, and the post of one that was to be closed without the peer.
//! - Both sides have the same [`Rules`], which no message names.

mod output;
mod read;
mod send;
mod slot;
#[cfg(test)]
mod tests;

pub use output::{Event, Output};
pub use slot::Slot;

use std::collections::VecDeque;
use std::ops::{Index, IndexMut, Range};

use hashbrown::HashMap;

use crate::crypto::{Backend, BackendChoice, KeyError, KeyRing, PublicKey, SecretKey, Signature};
use crate::legs::{Ends, Legs};
use crate::protocol::{
    Amount, ChannelId, CoSigned, Endpoint, FinalProof, Party, RecordError, Rejection, Rules,
    SignOrder, Status, Terms, TermsError,
};
use read::Reading;

/// One party's side of many channels.
pub struct Driver {
    legs: Legs<Slot>,
    /// This party's keys.
    secrets: Vec<SecretKey>,
    /// The peers' keys.
    ring: KeyRing,
    sides: Sides,
    places: HashMap<ChannelId, Slot>,
    /// Those with something to read, to pay, or to end.
    busy: Vec<Slot>,
    keeps_records: bool,
    reading: Reading,
    /// Whose payments are proposed, as which states, and whether the turn passes with the last;
    /// reused.
    proposing: Vec<(Slot, Range<usize>, bool)>,
    /// Who ends; reused.
    ending: Vec<Slot>,
}

/// One channel's side.
struct Side {
    end: Endpoint,
    /// The key that it signs with, by its place among the party's.
    secret: u32,
    /// Payments that were not proposed yet.
    to_pay: VecDeque<(Amount, u64)>,
    /// It is to end when all is paid.
    ends: bool,
    /// It has asked for the turn.
    asked: bool,
    /// Its link was broken, and the peer is to be told where it stands.
    resumes: bool,
    is_busy: bool,
    /// It is to be closed without the peer.
    exit: Option<Exit>,
    /// It has ended before it was restored, and the owner was not told.
    ended_before: bool,
    /// It is not what its newest record says.
    changed: bool,
    /// What arrived, and how much of it was read.
    inbox: Vec<u8>,
    read: usize,
}

/// How a channel is closed without the peer.
#[derive(Clone, Copy)]
enum Exit {
    Close,
    /// Somebody has posted this version.
    Answer(u64),
}

/// The channels, by slot; none where one was forgotten.
#[derive(Default)]
struct Sides(Vec<Option<Box<Side>>>);

impl Sides {
    /// A channel, unless it was forgotten.
    fn known(&mut self, slot: Slot) -> Option<&mut Side> {
        self.0.get_mut(slot.0 as usize)?.as_deref_mut()
    }
}

impl Index<Slot> for Sides {
    type Output = Side;

    fn index(&self, slot: Slot) -> &Side {
        let side = self.0.get(slot.0 as usize).and_then(Option::as_ref);
        side.expect("a channel of this driver")
    }
}

impl Ends for Sides {
    type At = Slot;

    /// Whatever a leg does there is to be kept.
    fn end(&mut self, at: Slot) -> &mut Endpoint {
        let side = &mut self[at];
        side.changed = true;
        &mut side.end
    }

    fn secret(&self, at: Slot) -> u32 {
        self[at].secret
    }
}

impl IndexMut<Slot> for Sides {
    fn index_mut(&mut self, slot: Slot) -> &mut Side {
        let side = self.0.get_mut(slot.0 as usize).and_then(Option::as_mut);
        side.expect("a channel of this driver")
    }
}

/// Why a driver takes no part in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Neither of the channel's keys is this party's.
    #[error("neither of the channel's keys is this party's")]
    NoKey,
    /// It does already. Two sides with one key would sign two states of one version.
    #[error("the channel has the slot {} here", .0.0)]
    Already(Slot),
    /// The peer's key is not sound.
    #[error("the peer's {0}")]
    PeersKey(KeyError),
    /// The terms make no channel.
    #[error("{0}")]
    Terms(TermsError),
}

/// Why a driver does not go on from a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// It takes no part in such a channel.
    #[error("{0}")]
    Join(JoinError),
    /// No endpoint writes such a record.
    #[error("{0}")]
    Record(RecordError),
    /// A signature in it is not the peer's.
    #[error("a signature in the record is not the peer's")]
    Forged,
}

impl Default for Driver {
    /// With the back end that suits the machine.
    fn default() -> Driver {
        let backend = Backend::select(BackendChoice::Auto);
        Driver::new(backend.expect("there is one for every machine"))
    }
}

impl Driver {
    /// Without keys and channels yet.
    ///
    /// # Panics
    /// If the operating system gives no randomness to verify with.
    #[must_use]
    pub fn new(backend: Backend) -> Driver {
        Driver {
            legs: Legs::with_room(backend, 0),
            secrets: Vec::new(),
            ring: KeyRing::new(backend),
            sides: Sides::default(),
            places: HashMap::new(),
            busy: Vec::new(),
            keeps_records: false,
            reading: Reading::default(),
            proposing: Vec::new(),
            ending: Vec::new(),
        }
    }

    /// Puts out a record of each channel whenever it has signed or counted, to be made durable
    /// before anything else of the same output leaves (rule S3).
    #[must_use]
    pub fn keeping_records(mut self) -> Driver {
        self.keeps_records = true;
        self
    }

    /// Takes a key of this party's, of 32 secret random bytes; gives its public half.
    pub fn add_key(&mut self, seed: &[u8; 32]) -> PublicKey {
        let secret = SecretKey::from_seed(seed);
        let public = secret.public();
        self.secrets.push(secret);
        public
    }

    /// Takes part in a channel that Layer 1 has opened under these terms, on the side whose key is
    /// this party's. `rules` must be the peer's too.
    ///
    /// # Errors
    /// A [`JoinError`].
    ///
    /// # Panics
    /// If the rules are out of range: they are configuration.
    pub fn join(&mut self, terms: &Terms, rules: Rules) -> Result<Slot, JoinError> {
        let (me, secret) = self.side_in(terms)?;
        let peer = self.ring.insert(terms.keys[me.other()]);
        let peer = peer.map_err(JoinError::PeersKey)?;
        let end = Endpoint::new(me, terms, peer, rules).map_err(JoinError::Terms)?;
        let slot = self.add(end, secret);
        // From here on there is a record to come back from.
        self.sides[slot].changed = true;
        self.attend(slot);
        Ok(slot)
    }

    /// Goes on in a channel from the newest record of it. Its link is broken: the peer is told
    /// where this side stands, and it pays when the peer has said the same ([`Driver::reconnect`]).
    ///
    /// # Errors
    /// A [`RestoreError`].
    ///
    /// # Panics
    /// As [`Driver::join`].
    pub fn restore(
        &mut self,
        terms: &Terms,
        rules: Rules,
        record: &[u8],
    ) -> Result<Slot, RestoreError> {
        let (me, secret) = self.side_in(terms).map_err(RestoreError::Join)?;
        let peer = self.ring.insert(terms.keys[me.other()]);
        let peer = peer.map_err(|error| RestoreError::Join(JoinError::PeersKey(error)))?;
        let read = Endpoint::from_record(record, terms, peer, rules, &mut self.legs.windows);
        let (recovered, _) = read.map_err(RestoreError::Record)?;
        if recovered.me() != me {
            return Err(RestoreError::Join(JoinError::NoKey));
        }
        let mut verdicts = Vec::new();
        let mut claims = recovered.claims().collect();
        self.legs
            .verifier
            .verify(&self.ring, &mut claims, &mut verdicts);
        let genuine: Result<Vec<_>, _> = verdicts.into_iter().collect();
        let genuine = genuine.map_err(|_| RestoreError::Forged)?;
        let slot = self.add(recovered.verified(genuine), secret);
        let status = self.sides[slot].end.status();
        self.sides[slot].ended_before = matches!(status, Status::Finished | Status::Stopped(_));
        if let Status::Closing { .. } = status {
            // Whether its post had left is not known.
            self.close(slot);
        }
        self.reconnect(slot);
        Ok(slot)
    }

    /// Asks for a payment to the peer: this amount, and a tag of the owner's. It is proposed with
    /// the next [`Driver::advance`] in which this side has the turn.
    ///
    /// # Errors
    /// [`Rejection::Ended`], or why the channel stopped.
    pub fn pay(&mut self, slot: Slot, amount: Amount, tag: u64) -> Result<(), Rejection> {
        self.running(slot)?;
        self.sides[slot].to_pay.push_back((amount, tag));
        self.attend(slot);
        Ok(())
    }

    /// Ends the channel politely when all is paid that this side was asked for: both sign its last
    /// state as final ([`Driver::final_proof`]). One side is enough; what the peer has not proposed
    /// by then is not made.
    ///
    /// # Errors
    /// As [`Driver::pay`].
    pub fn finish(&mut self, slot: Slot) -> Result<(), Rejection> {
        self.running(slot)?;
        self.sides[slot].ends = true;
        self.attend(slot);
        Ok(())
    }

    /// Whole messages of the peer's have arrived, to be read with the next [`Driver::advance`].
    /// Nothing is heard in a channel that is stopped, closed without the peer, or forgotten.
    pub fn receive(&mut self, slot: Slot, bytes: &[u8]) {
        let side = self.sides.known(slot).filter(|side| side.hears());
        if let Some(side) = side {
            side.inbox.extend_from_slice(bytes);
            self.attend(slot);
        }
    }

    /// The link was broken, and stands again: once for each break, before anything of the new link
    /// is received. What had arrived and was not read is lost with it; the peer sends it again when
    /// it has heard where this side stands.
    pub fn reconnect(&mut self, slot: Slot) {
        let Some(side) = self.sides.known(slot) else {
            return;
        };
        side.inbox.clear();
        side.read = 0;
        side.asked = false;
        side.resumes = side.hears();
        self.attend(slot);
    }

    /// Reads all that arrived, and proposes all that may be: replaces what was in the output.
    pub fn advance(&mut self, output: &mut Output) {
        output.clear();
        let mut busy = std::mem::take(&mut self.busy);
        busy.retain(|slot| self.sides.0[slot.0 as usize].is_some());
        self.leave(&busy, output);
        self.greet(&busy, output);
        self.read(&busy, output);
        self.speak(&busy, output);
        for slot in busy.drain(..) {
            let side = &mut self.sides[slot];
            side.is_busy = false;
            if std::mem::take(&mut side.changed) && self.keeps_records {
                output.record(slot, |bytes| side.end.record(&[], bytes));
            }
        }
        self.busy = busy;
    }

    /// Closes the channel without the peer (rule S8): what to post comes with the next
    /// [`Driver::advance`], behind a record that says so. From there on nothing is signed or
    /// counted.
    pub fn close(&mut self, slot: Slot) {
        self.sides[slot].exit.get_or_insert(Exit::Close);
        self.attend(slot);
    }

    /// Somebody has posted this version: the answer, if this side holds a newer state (rule S7),
    /// comes with the next [`Driver::advance`], behind a record. From there on nothing is signed or
    /// counted.
    pub fn posted(&mut self, slot: Slot, version: u64) {
        if let Some(side) = self.sides.known(slot) {
            let before = match side.exit {
                Some(Exit::Answer(before)) => before,
                // Somebody has opened the window that this side wanted to open.
                Some(Exit::Close) | None => 0,
            };
            side.exit = Some(Exit::Answer(version.max(before)));
            self.attend(slot);
        }
    }

    /// Where a channel is, if this driver takes part in it.
    #[must_use]
    pub fn find(&self, channel: &ChannelId) -> Option<Slot> {
        self.places.get(channel).copied()
    }

    /// Forgets a channel that Layer 1 has closed. Whatever the peer says there then is nothing to
    /// it; asked for anything else of it, the driver panics.
    pub fn forget(&mut self, slot: Slot) {
        let side = self.sides.0[slot.0 as usize].take();
        let side = side.expect("a channel of this driver");
        self.places.remove(side.end.channel());
    }

    /// The newest state that both have signed, for a watchtower; none while that is the opening. Of
    /// a party with a log: once the record of the last output is durable.
    pub fn held(&mut self, slot: Slot) -> Option<CoSigned> {
        let (side, sign) = self.signing(slot);
        side.end.held(sign)
    }

    /// What closes the channel at once, when both have signed its last state as final.
    pub fn final_proof(&mut self, slot: Slot) -> Option<FinalProof> {
        let (side, sign) = self.signing(slot);
        side.end.final_proof(sign)
    }

    /// The channel's rules and state, to look at.
    #[must_use]
    pub fn endpoint(&self, slot: Slot) -> &Endpoint {
        &self.sides[slot].end
    }

    /// What this side owns in the newest state that it has signed.
    #[must_use]
    pub fn balance(&self, slot: Slot) -> Amount {
        let end = self.endpoint(slot);
        end.signed().balance.of(end.me(), end.limits())
    }

    /// The secret half of one of this party's keys, to sign transactions with.
    ///
    /// # Panics
    /// If the key is not this party's.
    #[must_use]
    pub fn key(&self, public: &PublicKey) -> &SecretKey {
        let secret = self.secret(public).expect("a key of this party's");
        &self.secrets[secret as usize]
    }

    /// Which side of the channel is this party's, and by which key.
    fn side_in(&self, terms: &Terms) -> Result<(Party, u32), JoinError> {
        let mut sides = Party::BOTH.into_iter();
        let mine = sides.find_map(|party| Some((party, self.secret(&terms.keys[party])?)));
        let mine = mine.ok_or(JoinError::NoKey)?;
        match self.places.get(&terms.channel_id()) {
            Some(slot) => Err(JoinError::Already(*slot)),
            None => Ok(mine),
        }
    }

    fn secret(&self, key: &PublicKey) -> Option<u32> {
        let place = self
            .secrets
            .iter()
            .position(|secret| secret.public() == *key)?;
        Some(place as u32)
    }

    fn add(&mut self, end: Endpoint, secret: u32) -> Slot {
        let slot = Slot(u32::try_from(self.sides.0.len()).expect("fewer than 2^32 channels"));
        self.places.insert(*end.channel(), slot);
        self.sides.0.push(Some(Box::new(Side {
            end,
            secret,
            to_pay: VecDeque::new(),
            ends: false,
            asked: false,
            resumes: false,
            is_busy: false,
            exit: None,
            ended_before: false,
            changed: false,
            inbox: Vec::new(),
            read: 0,
        })));
        slot
    }

    /// It is looked at when the driver advances.
    fn attend(&mut self, slot: Slot) {
        if !std::mem::replace(&mut self.sides[slot].is_busy, true) {
            self.busy.push(slot);
        }
    }

    fn running(&self, slot: Slot) -> Result<(), Rejection> {
        match self.sides[slot].end.status() {
            Status::Running if self.sides[slot].exit.is_some() => Err(Rejection::Ended),
            Status::Running => Ok(()),
            Status::Stopped(rejection) => Err(rejection),
            Status::Finishing | Status::Finished | Status::Closing { .. } => Err(Rejection::Ended),
        }
    }

    /// A side, and what makes its signatures one by one.
    fn signing(&mut self, slot: Slot) -> (&mut Side, impl FnMut(&SignOrder) -> Signature) {
        let side = &mut self.sides[slot];
        let (signer, secrets, secret) = (&mut self.legs.signer, &self.secrets, side.secret);
        (side, move |order| {
            signer.sign_one(secrets, secret, *order.digest())
        })
    }
}

impl Side {
    /// Whether anything that the peer says may still count.
    fn hears(&self) -> bool {
        !matches!(
            self.end.status(),
            Status::Stopped(_) | Status::Closing { .. }
        )
    }
}
