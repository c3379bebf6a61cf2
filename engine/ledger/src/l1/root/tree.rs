//! A binary hash tree over places 0, 1, 2, …: each has a leaf, a digest, or is empty. Changed
//! leaves are set one by one; the nodes above them are hashed level by level, many side by side.
//!
//! An inner node is `H_node(left ‖ right)`. An empty place is 32 zero bytes; so an empty subtree
//! has one digest for each height. The tree is as high as it takes to have a leaf for every place.

use std::sync::LazyLock;

use duet_base::chunks::Chunks;
use duet_channels::crypto::{Digest, Domain, block, hash, hash_blocks};

/// Digests of empty subtrees, by height.
static EMPTY: LazyLock<[Digest; 33]> = LazyLock::new(|| {
    let mut empty = [Digest::default(); 33];
    for height in 1..empty.len() {
        let below = empty[height - 1];
        empty[height] = parent(&below, &below);
    }
    empty
});

/// Nodes that are hashed in one go: their blocks stay in the first-level cache.
pub(super) const PIECE: usize = 256;

/// Two nodes side by side: the block that their parent hashes, in one line of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
struct Siblings([u8; 64]);

/// The tree. 64 bytes a place: its leaf, and as much in nodes above all of them.
#[derive(Clone, Default)]
pub(super) struct Tree {
    places: u32,
    /// By height. The last one has the root, alone on its left.
    levels: Vec<Chunks<Siblings>>,
    /// The nodes, of one height, that have changed and their parents have not, in ascending order.
    changed: Vec<u32>,
    blocks: Vec<[u8; 64]>,
    digests: Vec<Digest>,
}

/// How many levels are above the leaves of so many places.
pub(super) fn height(places: u32) -> usize {
    let leaves = u64::from(places).max(1).next_power_of_two();
    leaves.trailing_zeros() as usize
}

/// An inner node.
pub(super) fn parent(left: &Digest, right: &Digest) -> Digest {
    hash(Domain::TreeNode, &block(left, &right.0))
}

impl Tree {
    /// How many places there are.
    pub(super) fn places(&self) -> u32 {
        self.places
    }

    /// Adds places, empty ones, up to so many.
    pub(super) fn grow(&mut self, places: u32) {
        assert!(places >= self.places, "a place is for ever");
        self.places = places;
        let mut nodes = places as usize;
        let top = self.levels.len().max(1);
        self.levels.resize_with(height(places) + 1, Chunks::default);
        for (level, empty) in self.levels.iter_mut().zip(EMPTY.iter()) {
            while level.len() < nodes.div_ceil(2) {
                level.push(Siblings(block(empty, &empty.0)));
            }
            nodes = nodes.div_ceil(2);
        }
        // The old root, one level up after the other: no leaf may change if all that is new is
        // empty.
        for height in top..self.levels.len() {
            let node = hash(Domain::TreeNode, &self.levels[height - 1][0].0);
            *self.levels[height].node_mut(0) = node.0;
        }
    }

    /// Sets a place's leaf. Between two calls of [`Tree::rehash`], places ascend.
    pub(super) fn set(&mut self, place: u32, leaf: &Digest) {
        let node = self.levels[0].node_mut(place);
        // No branch: it would be guessed wrong as often as not where parties' accounts lie
        // anywhere, and wait for the memory of each leaf in turn.
        let same = *node == leaf.0;
        *node = leaf.0;
        self.changed.push(place);
        self.changed
            .truncate(self.changed.len() - usize::from(same));
    }

    /// Hashes all nodes above the leaves that have changed.
    pub(super) fn rehash(&mut self) {
        assert!(self.changed.is_sorted(), "places ascend");
        for height in 1..self.levels.len() {
            self.changed.iter_mut().for_each(|node| *node /= 2);
            self.changed.dedup();
            let (below, above) = self.levels.split_at_mut(height);
            let (below, above) = (&below[height - 1], &mut above[0]);
            for piece in self.changed.chunks(PIECE) {
                self.blocks.clear();
                let children = piece.iter().map(|&node| below[node as usize].0);
                self.blocks.extend(children);
                self.digests.clear();
                hash_blocks(Domain::TreeNode, &self.blocks, &mut self.digests);
                for (&node, digest) in piece.iter().zip(&self.digests) {
                    *above.node_mut(node) = digest.0;
                }
            }
        }
        self.changed.clear();
    }

    /// The root of what was last hashed; of no places, that of an empty one.
    pub(super) fn root(&self) -> Digest {
        let top = self.levels.last().filter(|top| !top.is_empty());
        top.map_or(EMPTY[0], |top| top.node(0))
    }

    /// The other node below each ancestor of a place, the leaf's neighbour first.
    pub(super) fn siblings(&self, place: u32) -> Vec<Digest> {
        let below_the_root = &self.levels[..self.levels.len() - 1];
        let other = |(height, level): (usize, &Chunks<Siblings>)| level.node((place >> height) ^ 1);
        below_the_root.iter().enumerate().map(other).collect()
    }
}

/// A level's nodes, two in a row.
trait Nodes {
    fn node(&self, at: u32) -> Digest;
    fn node_mut(&mut self, at: u32) -> &mut [u8; 32];
}

impl Nodes for Chunks<Siblings> {
    fn node(&self, at: u32) -> Digest {
        let halves = self[at as usize / 2].0.as_chunks::<32>().0;
        Digest(halves[at as usize % 2])
    }

    fn node_mut(&mut self, at: u32) -> &mut [u8; 32] {
        let halves = self[at as usize / 2].0.as_chunks_mut::<32>().0;
        &mut halves[at as usize % 2]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The root by the definition, from all leaves.
    fn naive(leaves: &[Digest]) -> Digest {
        let mut nodes = leaves.to_vec();
        nodes.resize(leaves.len().next_power_of_two(), Digest::default());
        while nodes.len() > 1 {
            nodes = nodes
                .chunks(2)
                .map(|two| parent(&two[0], &two[1]))
                .collect();
        }
        nodes[0]
    }

    /// The root as a path has it.
    fn climb(leaf: Digest, place: u32, siblings: &[Digest]) -> Digest {
        let up = |node: Digest, (height, other): (usize, &Digest)| match (place >> height) % 2 {
            0 => parent(&node, other),
            _ => parent(other, &node),
        };
        siblings.iter().enumerate().fold(leaf, up)
    }

    #[test]
    fn heights() {
        for (places, expected) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (8, 3),
            (9, 4),
        ] {
            assert_eq!(height(places), expected, "{places} places");
        }
        assert_eq!(height(1 << 31), 31);
        assert_eq!(height(u32::MAX), 32);
    }

    #[test]
    fn grown_place_by_place_and_at_once() {
        let leaf = |place: u32| hash(Domain::AccountLeaf, &place.to_le_bytes());
        let mut tree = Tree::default();
        assert_eq!(tree.root(), naive(&[]));
        for places in 0..70 {
            tree.grow(places);
            if places > 0 {
                tree.set(places - 1, &leaf(places - 1));
            }
            tree.rehash();
            let leaves: Vec<Digest> = (0..places).map(leaf).collect();
            assert_eq!(tree.root(), naive(&leaves), "{places} places");
            let mut at_once = Tree::default();
            at_once.grow(places);
            (0..places).for_each(|place| at_once.set(place, &leaf(place)));
            at_once.rehash();
            assert_eq!(at_once.root(), tree.root());
            for place in 0..places {
                let siblings = tree.siblings(place);
                assert_eq!(siblings.len(), height(places));
                assert_eq!(climb(leaf(place), place, &siblings), tree.root());
            }
        }
    }

    #[test]
    fn grown_by_empty_places() {
        let leaf = Digest([1; 32]);
        for places in 1..20 {
            for more in 0..40 {
                let mut tree = Tree::default();
                tree.grow(places);
                tree.set(places - 1, &leaf);
                tree.rehash();
                tree.grow(places + more);
                let mut leaves = vec![Digest::default(); (places + more) as usize];
                leaves[places as usize - 1] = leaf;
                assert_eq!(tree.root(), naive(&leaves), "{places} places, {more} more");
            }
        }
    }

    proptest! {
        /// Whatever is set, emptied and added, the root is that of all leaves.
        #[test]
        fn the_root_is_that_of_all_leaves(
            blocks in prop::collection::vec(
                (0u32..900, prop::collection::btree_map(any::<u32>(), 0u8..4, 0..600)),
                1..8,
            ),
        ) {
            let mut tree = Tree::default();
            let mut leaves: Vec<Digest> = Vec::new();
            for (more, sets) in blocks {
                leaves.resize(leaves.len() + more as usize, Digest::default());
                tree.grow(leaves.len() as u32);
                // Most are below the number of places.
                let mut sets: Vec<(u32, u8)> = sets
                    .into_iter()
                    .map(|(place, leaf)| (place % 1024, leaf))
                    .filter(|(place, _)| (*place as usize) < leaves.len())
                    .collect();
                sets.sort_unstable();
                for (place, leaf) in sets {
                    let leaf = Digest([leaf; 32]);
                    leaves[place as usize] = leaf;
                    tree.set(place, &leaf);
                }
                tree.rehash();
                prop_assert_eq!(tree.root(), naive(&leaves));
            }
        }
    }
}
