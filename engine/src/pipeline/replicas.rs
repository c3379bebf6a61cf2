//! A chain of each validator's own: it executes every block itself, before it votes for it or when
//! it hears that it was decided. Costs a copy of the state for each block that a validator checks.

use duet_channels::crypto::Digest;
use duet_ledger::l1::Chain;

/// The chains of all validators, up to the last block that was decided.
pub(super) struct Replicas {
    chains: Vec<Chain>,
    /// What each validator has executed of the height that is being decided.
    ahead: Vec<Vec<(Digest, Chain)>>,
}

impl Replicas {
    /// So many, in the state that this chain is in.
    pub(super) fn of(chain: &Chain, validators: u16) -> Replicas {
        Replicas {
            chains: (0..validators).map(|_| chain.replica()).collect(),
            ahead: (0..validators).map(|_| Vec::new()).collect(),
        }
    }

    /// Whether a validator that executes this body gets the block of this hash.
    pub(super) fn check(
        &mut self,
        validator: u16,
        (height, hash): (u64, &Digest),
        body: &[u8],
    ) -> bool {
        let validator = usize::from(validator);
        let mut chain = self.chains[validator].replica();
        let header = chain.execute_block(height, body);
        let holds = header.is_some_and(|header| header.hash == *hash);
        if holds {
            self.ahead[validator].push((*hash, chain));
        }
        holds
    }

    /// The block of this hash is decided: it is every validator's.
    ///
    /// # Panics
    /// If somebody gets another one: our own bug.
    pub(super) fn decided(&mut self, (height, hash): (u64, &Digest), body: &[u8]) {
        for (chain, ahead) in self.chains.iter_mut().zip(&mut self.ahead) {
            match ahead.drain(..).find(|(of, _)| of == hash) {
                Some((_, executed)) => *chain = executed,
                None => {
                    let header = chain.execute_block(height, body);
                    let header = header.expect("what was decided can be executed");
                    assert_eq!(header.hash, *hash, "every validator gets the same block");
                }
            }
        }
    }
}
