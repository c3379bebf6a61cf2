//! Proofs that an account, or an open channel, is part of the state that a root commits to. Whoever
//! has the root, by a header that they trust, needs nothing else. There is no proof that something
//! is *not* part of it: places follow from what came before, and not from keys.

use super::super::channel::ChannelRecord;
use super::super::ledger::Account;
use super::leaf::{ChannelChain, NO_ACCOUNT, account_leaf};
use super::tree::{Tree, height, parent};
use duet_channels::crypto::{Digest, Domain, Hasher, PublicKey};
use duet_channels::protocol::ChannelId;

/// A whole tree, in two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Top {
    pub(super) root: Digest,
    pub(super) places: u32,
}

/// `H_root(root over accounts ‖ their places ‖ root over channels ‖ their places)`, the numbers as
/// u32, little-endian.
pub(super) fn state_root(accounts: &Top, channels: &Top) -> Digest {
    let mut hasher = Hasher::new(Domain::StateRoot);
    for top in [accounts, channels] {
        hasher.update(&top.root.0);
        hasher.update(&top.places.to_le_bytes());
    }
    hasher.finish()
}

/// A leaf's way up in its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    place: u32,
    places: u32,
    siblings: Vec<Digest>,
}

impl Path {
    pub(super) fn of(tree: &Tree, place: u32) -> Path {
        Path {
            place,
            places: tree.places(),
            siblings: tree.siblings(place),
        }
    }

    /// The tree that has this leaf there, if there can be one.
    fn top(&self, leaf: Digest) -> Option<Top> {
        if self.place >= self.places || self.siblings.len() != height(self.places) {
            return None;
        }
        let up = |node, (height, other): (usize, &Digest)| match (self.place >> height) % 2 {
            0 => parent(&node, other),
            _ => parent(other, &node),
        };
        Some(Top {
            root: self.siblings.iter().enumerate().fold(leaf, up),
            places: self.places,
        })
    }
}

/// Shows that an account is part of a state: [`Chain::prove_account`](super::super::Chain).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    pub(super) key: PublicKey,
    pub(super) account: Account,
    pub(super) path: Path,
    pub(super) channels: Top,
}

/// Shows that an open channel is part of a state: [`Chain::prove_channel`](super::super::Chain).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelProof {
    pub(super) id: ChannelId,
    pub(super) channel: ChannelRecord,
    pub(super) path: Path,
    pub(super) accounts: Top,
}

impl AccountProof {
    /// The account, and what it has, if the state with this root has it.
    #[must_use]
    pub fn verify(&self, root: &Digest) -> Option<(PublicKey, Account)> {
        // That is how a leaf says that its key has no account.
        if self.account.nonce == NO_ACCOUNT {
            return None;
        }
        let accounts = self.path.top(account_leaf(&self.key, &self.account))?;
        let holds = state_root(&accounts, &self.channels) == *root;
        holds.then_some((self.key, self.account))
    }
}

impl ChannelProof {
    /// The channel, and how it stands, if the state with this root has it.
    #[must_use]
    pub fn verify(&self, root: &Digest) -> Option<(ChannelId, ChannelRecord)> {
        let chain = ChannelChain::of(&self.id, &self.channel);
        let channels = self.path.top(chain.leaf())?;
        let holds = state_root(&self.accounts, &channels) == *root;
        holds.then_some((self.id, self.channel))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::channel::ChannelStatus;
    use super::super::super::dispute::Dispute;
    use super::*;
    use duet_channels::protocol::{Amount, Limits, Pair};

    fn digest(of: u8) -> Digest {
        Digest([of; 32])
    }

    /// A tree of so many places, with this leaf.
    fn tree(places: u32, place: u32, leaf: &Digest) -> Tree {
        let mut tree = Tree::default();
        tree.grow(places);
        for other in 0..places {
            let neighbour = digest(other as u8 + 1);
            tree.set(other, if other == place { leaf } else { &neighbour });
        }
        tree.rehash();
        tree
    }

    fn top(tree: &Tree) -> Top {
        Top {
            root: tree.root(),
            places: tree.places(),
        }
    }

    fn account(places: u32, place: u32) -> (AccountProof, Digest) {
        let key = PublicKey([3; 32]);
        let account = Account {
            balance: Amount::new(70),
            nonce: 5,
        };
        let tree = tree(places, place, &account_leaf(&key, &account));
        let channels = Top {
            root: digest(99),
            places: 12,
        };
        let path = Path::of(&tree, place);
        let proof = AccountProof {
            key,
            account,
            path,
            channels,
        };
        (proof, state_root(&top(&tree), &channels))
    }

    fn channel(disputed: bool) -> (ChannelProof, Digest) {
        let mut bytes = [0; 74];
        // Opened at 1, until 9; version 2 is shown and settles; A's post covers it.
        for (at, byte) in [(0, 1), (8, 9), (16, 2), (24, 2), (32, 40), (40, 1), (41, 2)] {
            bytes[at] = byte;
        }
        let dispute = || Dispute::decode(&bytes, Amount::new(100)).expect("a dispute");
        let channel = ChannelRecord {
            keys: Pair {
                a: PublicKey([1; 32]),
                b: PublicKey([2; 32]),
            },
            limits: Limits {
                capacity: Amount::new(100),
                reserve: Amount::new(3),
            },
            deposit_a: Amount::new(60),
            challenge_window_blocks: 8,
            status: match disputed {
                true => ChannelStatus::Disputed(dispute()),
                false => ChannelStatus::Open,
            },
        };
        let id = ChannelId(digest(7));
        let tree = tree(6, 4, &ChannelChain::of(&id, &channel).leaf());
        let accounts = Top {
            root: digest(98),
            places: 2,
        };
        let path = Path::of(&tree, 4);
        let proof = ChannelProof {
            id,
            channel,
            path,
            accounts,
        };
        (proof, state_root(&accounts, &top(&tree)))
    }

    /// Flips each bit of these bytes, one at a time.
    fn flips<const N: usize>(bytes: [u8; N]) -> impl Iterator<Item = [u8; N]> {
        (0..8 * N).map(move |bit| {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        })
    }

    fn flipped(amount: Amount) -> impl Iterator<Item = Amount> {
        flips(amount.units().to_le_bytes()).map(|bytes| Amount::new(u64::from_le_bytes(bytes)))
    }

    fn numbers(number: u32) -> impl Iterator<Item = u32> {
        flips(number.to_le_bytes()).map(u32::from_le_bytes)
    }

    fn other_tops(top: Top) -> impl Iterator<Item = Top> {
        let roots = flips(top.root.0).map(move |root| Top {
            root: Digest(root),
            ..top
        });
        roots.chain(numbers(top.places).map(move |places| Top { places, ..top }))
    }

    /// Every path that differs in a bit, in its length, or in where its leaf is.
    fn other_paths(path: &Path) -> Vec<Path> {
        let mut others = Vec::new();
        for (at, sibling) in path.siblings.iter().enumerate() {
            for bytes in flips(sibling.0) {
                let mut other = path.clone();
                other.siblings[at] = Digest(bytes);
                others.push(other);
            }
        }
        let shorter = path.siblings.iter().skip(1).copied().collect();
        let longer = |by| [&path.siblings[..], &vec![Digest::default(); by]].concat();
        others.extend([shorter, longer(1), longer(64)].map(|siblings| Path {
            siblings,
            ..path.clone()
        }));
        others.extend(numbers(path.place).map(|place| Path {
            place,
            ..path.clone()
        }));
        others.extend(numbers(path.places).map(|places| Path {
            places,
            ..path.clone()
        }));
        others.retain(|other| other != path);
        others
    }

    #[test]
    fn an_account_is_proven_and_nothing_else() {
        for (places, place) in [(1, 0), (2, 1), (5, 4), (8, 3)] {
            let (proof, root) = account(places, place);
            assert_eq!(proof.verify(&root), Some((proof.key, proof.account)));
            let with = |change: &dyn Fn(&mut AccountProof)| {
                let mut other = proof.clone();
                change(&mut other);
                assert_eq!(other.verify(&root), None, "{other:?}");
            };
            flips(proof.key.0).for_each(|key| with(&|other| other.key = PublicKey(key)));
            for balance in flipped(proof.account.balance) {
                with(&|other| other.account.balance = balance);
            }
            for nonce in flipped(Amount::new(proof.account.nonce)) {
                with(&|other| other.account.nonce = nonce.units());
            }
            other_tops(proof.channels).for_each(|top| with(&|other| other.channels = top));
            for path in other_paths(&proof.path) {
                with(&|other| other.path = path.clone());
            }
            flips(root.0).for_each(|root| assert_eq!(proof.verify(&Digest(root)), None));
        }
    }

    #[test]
    fn a_key_without_account_is_no_account() {
        let key = PublicKey([3; 32]);
        let account = Account {
            balance: Amount::ZERO,
            nonce: NO_ACCOUNT,
        };
        let tree = tree(3, 1, &account_leaf(&key, &account));
        let channels = top(&tree);
        let path = Path::of(&tree, 1);
        let proof = AccountProof {
            key,
            account,
            path,
            channels,
        };
        assert_eq!(proof.verify(&state_root(&top(&tree), &channels)), None);
    }

    #[test]
    fn a_channel_is_proven_and_nothing_else() {
        for disputed in [false, true] {
            let (proof, root) = channel(disputed);
            assert_eq!(proof.verify(&root), Some((proof.id, proof.channel)));
            let with = |change: &dyn Fn(&mut ChannelProof)| {
                let mut other = proof.clone();
                change(&mut other);
                assert_eq!(other.verify(&root), None, "{other:?}");
            };
            flips(proof.id.0.0).for_each(|id| with(&|other| other.id = ChannelId(Digest(id))));
            flips(proof.channel.keys.a.0).for_each(|key| {
                with(&|other| other.channel.keys.a = PublicKey(key));
                with(&|other| other.channel.keys.b = PublicKey(key));
            });
            for amount in flipped(Amount::new(proof.channel.limits.capacity.units())) {
                with(&|other| other.channel.limits.capacity = amount);
                with(&|other| other.channel.limits.reserve = amount);
                with(&|other| other.channel.deposit_a = amount);
            }
            for window in numbers(proof.channel.challenge_window_blocks) {
                with(&|other| other.channel.challenge_window_blocks = window);
            }
            let (another, _) = channel(!disputed);
            with(&|other| other.channel.status = another.channel.status);
            if let ChannelStatus::Disputed(dispute) = proof.channel.status {
                let mut bytes = Vec::new();
                dispute.encode(&mut bytes);
                let bytes = *bytes.as_array().expect("its length");
                let any = Amount::new(u64::MAX);
                for dispute in flips(bytes).filter_map(|bytes| Dispute::decode(&bytes, any)) {
                    with(&|other| other.channel.status = ChannelStatus::Disputed(dispute));
                }
            }
            other_tops(proof.accounts).for_each(|top| with(&|other| other.accounts = top));
            for path in other_paths(&proof.path) {
                with(&|other| other.path = path.clone());
            }
            flips(root.0).for_each(|root| assert_eq!(proof.verify(&Digest(root)), None));
        }
    }
}
