//! What a claim will do to the ledger, decided and not done yet.

use super::super::channel::{Channel, Settlement};
use super::super::claim::Opened;
use super::super::dispute::Dispute;
use super::super::load::Accesses;
use super::super::refusal::{Failure, Refusal};
use super::super::transaction::Output;
use super::accounts::AccountPlace;
use super::channels::ChannelPlace;
use duet_channels::crypto::PublicKey;
use duet_channels::protocol::{Amount, ChannelId, Pair, Party};

/// What an included transaction does: to be applied to the ledger that it was decided on, as that
/// ledger's next change.
#[derive(Debug)]
pub(in super::super) struct Decision {
    /// Who pays the fee.
    pub(super) payer: AccountPlace,
    /// What it pays for being in the block.
    pub(super) fee: Amount,
    /// What else leaves the payer's account.
    pub(super) spends: Amount,
    /// Whether it uses the payer's nonce.
    pub(super) uses_nonce: bool,
    pub(super) effect: Effect,
    pub(super) accesses: Accesses,
}

#[derive(Debug)]
pub(super) enum Effect {
    Credit {
        to: PublicKey,
        amount: Amount,
    },
    CreditAll(Vec<Output>),
    Lock(Locking),
    LockAll(Vec<Locking>),
    Dispute {
        place: ChannelPlace,
        channel: ChannelId,
        by: Option<Party>,
        dispute: Dispute,
    },
    Close(Releasing),
    CloseAll(Vec<Result<Releasing, Refusal>>),
    PayOut(Releasing),
    RollOver(Releasing, Locking),
    Fail(Failure),
}

/// A channel to open.
#[derive(Debug)]
pub(super) struct Locking {
    pub(super) channel: ChannelId,
    pub(super) opener: AccountPlace,
    /// Its account may have no place yet.
    pub(super) peer: PublicKey,
    pub(super) terms: Channel,
    pub(super) deposit_b: Amount,
}

/// A channel to end.
#[derive(Debug)]
pub(super) struct Releasing {
    pub(super) place: ChannelPlace,
    pub(super) parties: Pair<AccountPlace>,
    pub(super) settlement: Settlement,
}

impl Decision {
    pub(in super::super) fn accesses(&self) -> Accesses {
        self.accesses
    }

    /// One that uses the payer's nonce. Its fee is the ledger's to say.
    pub(super) fn numbered(
        payer: AccountPlace,
        spends: Amount,
        effect: Effect,
        accesses: Accesses,
    ) -> Decision {
        Decision {
            payer,
            fee: Amount::ZERO,
            spends,
            uses_nonce: true,
            effect,
            accesses,
        }
    }

    /// One that spends nothing but the fee, and can come in any order.
    pub(super) fn unnumbered(payer: AccountPlace, effect: Effect, records: u32) -> Decision {
        Decision {
            payer,
            fee: Amount::ZERO,
            spends: Amount::ZERO,
            uses_nonce: false,
            effect,
            accesses: Accesses {
                reads: records,
                writes: records,
            },
        }
    }

    pub(super) fn failed(payer: AccountPlace, failure: Failure, reads: u32) -> Decision {
        let accesses = Accesses { reads, writes: 1 };
        Decision::numbered(payer, Amount::ZERO, Effect::Fail(failure), accesses)
    }
}

impl Locking {
    pub(super) fn of(opener: AccountPlace, opened: &Opened) -> Locking {
        Locking {
            channel: opened.channel,
            opener,
            peer: opened.terms.keys.b,
            terms: Channel::new(&opened.terms, opened.capacity),
            deposit_b: opened.terms.deposits.b,
        }
    }
}

impl Releasing {
    /// The accounts that get something, the submitter's aside.
    pub(super) fn paid(
        &self,
        submitter: AccountPlace,
    ) -> impl Iterator<Item = AccountPlace> + use<> {
        let Pair { a, b } = self.settlement.payouts;
        [(self.parties.a, a), (self.parties.b, b)]
            .into_iter()
            .filter(move |(place, payout)| !payout.is_zero() && *place != submitter)
            .map(|(place, _)| place)
    }
}
