//! The root of Layer 1's state: two hash trees over the places of accounts and of open channels, as
//! docs/protocol.md has them. After a block, only what has changed is hashed, and the nodes above.

use std::collections::BTreeSet;

use super::hash::{Digest, KEYS};
use super::transaction::PublicKey;

/// Where accounts and channels lie, and the trees above them.
#[derive(Default)]
pub(super) struct State {
    accounts: Tree,
    channels: Tree,
    /// The channel at each place, by index.
    channel_at: Vec<Option<u32>>,
    /// Of every channel that was opened, by index: its place.
    place_of: Vec<u32>,
    /// Places that were empty before this block.
    empty: BTreeSet<u32>,
    /// Places that were left empty in this block.
    left: Vec<u32>,
    changed_accounts: Vec<u32>,
    changed_places: Vec<u32>,
}

impl State {
    /// An account has come or changed. Its place is its index.
    pub(super) fn account_changed(&mut self, account: u32) {
        self.changed_accounts.push(account);
    }

    /// The next channel is opened: at the place that was last left in this block, or else the
    /// lowest that was empty before, or else a new one.
    pub(super) fn open(&mut self) {
        let channel = self.place_of.len() as u32;
        let before = || self.empty.pop_first();
        let place = self.left.pop().or_else(before).unwrap_or_else(|| {
            self.channel_at.push(None);
            self.channel_at.len() as u32 - 1
        });
        self.channel_at[place as usize] = Some(channel);
        self.place_of.push(place);
        self.changed_places.push(place);
    }

    /// A channel has ended.
    pub(super) fn close(&mut self, channel: u32) {
        let place = self.place_of[channel as usize];
        self.channel_at[place as usize] = None;
        self.left.push(place);
        self.changed_places.push(place);
    }

    /// The root after a block. `account` and `channel` give leaves.
    pub(super) fn root(
        &mut self,
        account: impl Fn(u32) -> Digest,
        channel: impl Fn(u32) -> Digest,
    ) -> Digest {
        for changed in [&mut self.changed_accounts, &mut self.changed_places] {
            changed.sort_unstable();
            changed.dedup();
        }
        for place in self.changed_accounts.drain(..) {
            self.accounts.set(place, account(place));
        }
        for place in self.changed_places.drain(..) {
            let leaf = self.channel_at[place as usize].map_or(EMPTY, &channel);
            self.channels.set(place, leaf);
        }
        self.empty.extend(self.left.drain(..));
        let [accounts, channels] = [&mut self.accounts, &mut self.channels].map(Tree::root);
        let places = |tree: &Tree| (tree.leaves.len() as u32).to_le_bytes();
        KEYS.root.hash(&[
            &accounts,
            &places(&self.accounts),
            &channels,
            &places(&self.channels),
        ])
    }
}

/// An empty place.
const EMPTY: Digest = [0; 32];

/// The leaf of an account, or of a key that is only party to a channel, which has no nonce.
pub(super) fn account_leaf(key: &PublicKey, balance: u64, nonce: Option<u64>) -> Digest {
    let nonce = nonce.unwrap_or(u64::MAX);
    let (balance, nonce) = (balance.to_le_bytes(), nonce.to_le_bytes());
    KEYS.account.hash(&[key, &balance, &nonce, &[0; 16]])
}

/// The leaf of an open channel that nobody disputes.
pub(super) fn channel_leaf(
    id: &Digest,
    keys: [PublicKey; 2],
    [capacity, reserve, deposit_a]: [u64; 3],
    window: u32,
) -> Digest {
    let mut terms = [0; 32];
    terms[..8].copy_from_slice(&capacity.to_le_bytes());
    terms[8..16].copy_from_slice(&reserve.to_le_bytes());
    terms[16..24].copy_from_slice(&deposit_a.to_le_bytes());
    terms[24..28].copy_from_slice(&window.to_le_bytes());
    let [a, b] = keys;
    let link = |head: Digest, entry: [u8; 32]| KEYS.channel.hash(&[&head, &entry]);
    [a, b, terms].into_iter().fold(*id, link)
}

/// A tree over places from 0 on, as high as it takes. Where there is no leaf yet, it is as if there
/// were an empty place.
#[derive(Default)]
struct Tree {
    leaves: Vec<Digest>,
    /// From the level above the leaves up to the root.
    levels: Vec<Vec<Digest>>,
    /// Leaves that have changed since the last root.
    changed: BTreeSet<usize>,
}

impl Tree {
    fn set(&mut self, place: u32, leaf: Digest) {
        let place = place as usize;
        if place >= self.leaves.len() {
            self.leaves.resize(place + 1, EMPTY);
        }
        self.leaves[place] = leaf;
        self.changed.insert(place);
    }

    /// Hashes what is above the leaves that have changed.
    fn root(&mut self) -> Digest {
        let mut changed = std::mem::take(&mut self.changed);
        let mut empty = EMPTY;
        let mut below = &self.leaves;
        let mut height = 0;
        while below.len() > 1 {
            if height == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let (lower, upper) = self.levels.split_at_mut(height);
            let (lower, upper) = (lower.last().unwrap_or(&self.leaves), &mut upper[0]);
            let node = |at: usize| lower.get(at).unwrap_or(&empty);
            changed = changed.into_iter().map(|at| at / 2).collect();
            upper.resize(lower.len().div_ceil(2), EMPTY);
            for &at in &changed {
                upper[at] = KEYS.node.hash(&[node(2 * at), node(2 * at + 1)]);
            }
            empty = KEYS.node.hash(&[&empty, &empty]);
            below = &self.levels[height];
            height += 1;
        }
        below.first().copied().unwrap_or(EMPTY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root by the definition, from all leaves.
    fn naive(leaves: &[Digest]) -> Digest {
        let mut nodes = leaves.to_vec();
        nodes.resize(leaves.len().next_power_of_two(), EMPTY);
        while nodes.len() > 1 {
            let two = nodes.chunks(2);
            nodes = two.map(|two| KEYS.node.hash(&[&two[0], &two[1]])).collect();
        }
        nodes[0]
    }

    #[test]
    fn a_tree_that_grows_and_changes_has_the_root_of_its_leaves() {
        for step in [1, 2, 3, 7, 40] {
            let mut tree = Tree::default();
            assert_eq!(tree.root(), EMPTY);
            for round in 1..=30_u32 {
                for new in (round - 1) * step..round * step {
                    tree.set(new, [(new % 251) as u8 + 1; 32]);
                }
                tree.set(round * 5 % (round * step), [round as u8 ^ 0xff; 32]);
                assert_eq!(tree.root(), naive(&tree.leaves), "{step}, round {round}");
            }
        }
    }

    #[test]
    fn channels_come_to_the_places_that_were_left() {
        let mut state = State::default();
        let root = |state: &mut State| state.root(|_| [1; 32], |_| [2; 32]);
        (0..5).for_each(|_| state.open());
        root(&mut state);
        [3, 1].into_iter().for_each(|channel| state.close(channel));
        state.open();
        assert_eq!(state.place_of[5], 1, "the last that was left");
        state.close(0);
        root(&mut state);
        (0..3).for_each(|_| state.open());
        assert_eq!(state.place_of[6..], [0, 3, 5], "the lowest, then a new one");
    }
}
