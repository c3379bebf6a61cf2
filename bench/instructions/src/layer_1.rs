//! A block of plain transfers.

use duet_engine::crypto::{Backend, SecretKey, SignJob, Signature, Signer};
use duet_engine::l1::{Chain, Config, Genesis, Receipt, SignedTransaction, Transaction};
use duet_engine::protocol::Amount;

const ACCOUNTS: usize = 16;
const TRANSFERS: usize = 64;

/// 64 transfers between 16 accounts, submitted.
pub struct Transfers {
    chain: Chain,
    receipts: Vec<Receipt>,
}

impl Default for Transfers {
    fn default() -> Self {
        let seed = |i: usize| [i as u8 + 1; 32];
        let secrets: Vec<SecretKey> = (0..ACCOUNTS)
            .map(|i| SecretKey::from_seed(&seed(i)))
            .collect();
        let allocations = secrets
            .iter()
            .map(|secret| (secret.public(), Amount::new(1 << 40)));
        let genesis: Genesis = Genesis {
            label: "instructions".to_owned(),
            allocations: allocations.collect(),
        };
        let mut chain =
            Chain::new(Config::default(), &genesis, Backend::Dalek).expect("a sound set-up");
        let transfer = |i: usize| Transaction::Transfer {
            from: secrets[i % ACCOUNTS].public(),
            nonce: (i / ACCOUNTS) as u64,
            to: secrets[(i + 1) % ACCOUNTS].public(),
            amount: Amount::new(1),
        };
        let transfers: Vec<Transaction> = (0..TRANSFERS).map(transfer).collect();
        let jobs: Vec<SignJob> = transfers
            .iter()
            .enumerate()
            .map(|(i, transfer)| SignJob {
                secret: (i % ACCOUNTS) as u32,
                digest: transfer.digest(chain.genesis()),
            })
            .collect();
        let mut signatures: Vec<Signature> = Vec::new();
        Signer::new(Backend::Dalek).sign(&secrets, &jobs, &mut signatures);
        for (ticket, (transfer, signature)) in transfers.into_iter().zip(signatures).enumerate() {
            let mut bytes = Vec::new();
            SignedTransaction::new(transfer, signature, None).encode(&mut bytes);
            chain
                .submit(ticket as u64, &bytes)
                .expect("the mempool has room");
        }
        Self {
            chain,
            receipts: Vec::with_capacity(TRANSFERS),
        }
    }
}

impl Transfers {
    /// Verifies, executes and hashes the block; gives how many were executed.
    #[must_use]
    pub fn run(mut self) -> u64 {
        let header = self.chain.seal(&mut self.receipts);
        let included = header.map_or(0, |header| u64::from(header.transactions));
        included - self.chain.load().failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_executed() {
        assert_eq!(Transfers::default().run(), TRANSFERS as u64);
    }
}
