//! What parties bid for a place in a block, and how they bid again: an eighth more each time, and
//! so often at most. Signs on Layer 1's thread for parties of any shard.

use super::accounts::{FEES_OF_A_DISPUTE, secret_keys};
use super::config::{Config, Sending};
use super::workload::AccountIndex;
use duet_channels::crypto::{Backend, Digest, SignJob, Signature, Signer};
use duet_channels::protocol::Pair;
use duet_ledger::l1::{self, Bid, Rate, SignedTransaction};

/// How often a bid is raised at most: to 2.57 times the first.
pub(super) const MOST_RAISES: u32 = 8;

/// Signs transactions again.
pub(super) struct Wallet {
    backend: Backend,
    seed: u64,
    signer: Signer,
    first: Option<Bid>,
}

impl Sending {
    /// What a transaction that is none of a batch can come to pay at most on this Layer 1.
    #[must_use]
    pub fn most_fee(&self, l1: &l1::Config) -> u64 {
        match (l1.order.takes_bids(), &l1.units) {
            (true, Some(units)) => {
                let Bid { most, .. } = raised(self.bid, MOST_RAISES);
                most.of(units.dearest_units()).units()
            }
            _ => l1.fee.units(),
        }
    }

    /// What both parties of a session can come to pay at most, all of its transactions together: an
    /// open and a close, and, where a close can be outbid, a dispute.
    #[must_use]
    pub fn most_fees_of_a_session(&self, l1: &l1::Config) -> u64 {
        let transactions = match l1.order.takes_bids() {
            true => 2 + 2 * FEES_OF_A_DISPUTE,
            false => 2,
        };
        self.most_fee(l1).saturating_mul(transactions)
    }
}

impl Config {
    /// What a transaction bids when it is sent for the first time; nothing where no bids are taken.
    pub(super) fn first_bid(&self) -> Option<Bid> {
        self.l1.order.takes_bids().then_some(self.sending.bid)
    }

    /// What a transaction that is none of a batch can come to pay at most.
    pub(super) fn most_fee(&self) -> u64 {
        self.sending.most_fee(&self.l1)
    }
}

/// A bid that was raised so many times.
pub(super) fn raised(bid: Bid, times: u32) -> Bid {
    let raise = |Rate(rate): Rate| Rate(rate.saturating_add((rate / 8).max(1)));
    (0..times).fold(bid, |bid, _| Bid {
        most: raise(bid.most),
        tip: raise(bid.tip),
    })
}

impl Wallet {
    pub(super) fn new(config: &Config) -> Wallet {
        Wallet {
            backend: config.backend,
            seed: config.seed,
            signer: Signer::new(config.backend),
            first: config.first_bid(),
        }
    }

    /// A session's transaction with a bid raised so many times. These are its parties' accounts: A
    /// signs it, and B what B consents to.
    pub(super) fn bid_again(
        &mut self,
        encoded: &[u8],
        accounts: Pair<AccountIndex>,
        times: u32,
        genesis: &Digest,
    ) -> Vec<u8> {
        let signed = SignedTransaction::decode(encoded).expect("the shard's own transaction");
        let bid = self.first.map(|first| raised(first, times));
        let transaction = signed.transaction().clone();
        let digest = transaction.digest_with(bid.as_ref(), genesis);
        let secrets = secret_keys(self.backend, self.seed, &[accounts.a, accounts.b]);
        let job = |secret| SignJob { secret, digest };
        let consents = transaction.consenters().map(|_| job(1));
        let jobs: Vec<SignJob> = std::iter::once(job(0)).chain(consents).collect();
        let mut signatures: Vec<Signature> = Vec::with_capacity(jobs.len());
        self.signer.sign(&secrets, &jobs, &mut signatures);
        let (own, consents) = (signatures[0], signatures.split_off(1));
        let mut bytes = Vec::with_capacity(encoded.len());
        SignedTransaction::new(transaction, own, consents)
            .with_bid(bid)
            .encode(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bid_rises_by_an_eighth_and_by_one_at_least() {
        let bid = |most, tip| Bid {
            most: Rate(most),
            tip: Rate(tip),
        };
        assert_eq!(raised(bid(800, 3), 0), bid(800, 3));
        assert_eq!(raised(bid(800, 3), 2), bid(1_012, 5));
        assert_eq!(raised(bid(u64::MAX, 0), 1), bid(u64::MAX, 1));
    }
}
