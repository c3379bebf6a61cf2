//! The multiples of the base point, as machines keep them and select from them.

use super::Vector;

/// Bits that scalars' digits cover: the scalars are below 5l.
const SCALAR: u32 = 255;

/// Groups of eight that are selected for together, at most.
pub(crate) const MOST_TOGETHER: usize = 4;

/// An affine point's words: y + x, y − x, 2dxy, in five limbs each.
pub(crate) type Limbs<W> = [W; 15];

/// (2i + 1) · 2^(BITS · digit) · B for one digit and all i below 2^BITS / 2.
pub(crate) trait Multiples<V>: Sized {
    /// Bits of a digit, six to eight.
    const BITS: u32;
    /// Groups of eight that are selected for together.
    const TOGETHER: usize;
    /// Digits of a scalar.
    const DIGITS: usize = SCALAR.div_ceil(Self::BITS) as usize;
    /// All digits are odd, and have signs.
    const ENTRIES: usize = 1 << (Self::BITS - 1);
    /// What was selected.
    type Selected;

    /// From all i in order.
    fn new(multiples: &[Limbs<u64>]) -> Self;
    /// Nothing yet.
    fn none(any: V) -> Self::Selected;
    /// Selects by the low BITS − 1 bits of each lane of the first [`Multiples::TOGETHER`] groups.
    /// Reads everything, in the same order wherever that is.
    fn select(&self, places: &[V; MOST_TOGETHER], selected: &mut Self::Selected);
    /// One group's lanes.
    fn group(selected: &Self::Selected, group: usize) -> Limbs<V>;
}

/// Vectors that select from 32 words, eight places at a time.
pub(crate) trait Select: Vector {
    /// Lanes' places, made ready.
    type Index: Copy;
    /// Makes the lanes' low five bits ready to select by.
    fn index(self) -> Self::Index;
    /// The lanes' words of a table. Reads all of it, in the same order whatever the index.
    fn select(index: Self::Index, table: &[u64; 32]) -> Self;
}

/// Tables of 32 words, one for each limb. All digits' are 165 KB, so that they stay in the
/// second-level cache; one's 3,840 bytes serve all groups of a chunk from the first.
#[repr(C, align(64))]
pub(crate) struct Words(Limbs<[u64; 32]>);

impl<V: Select> Multiples<V> for Words {
    const BITS: u32 = 6;
    const TOGETHER: usize = 1;
    type Selected = Limbs<V>;

    fn new(multiples: &[Limbs<u64>]) -> Words {
        let mut words = Words([[0; 32]; 15]);
        for (at, limbs) in multiples.iter().enumerate() {
            for (to, limb) in words.0.iter_mut().zip(limbs) {
                to[at] = *limb;
            }
        }
        words
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn none(any: V) -> Limbs<V> {
        [any; 15]
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn select(&self, places: &[V; MOST_TOGETHER], selected: &mut Limbs<V>) {
        let index = places[0].index();
        for (to, table) in selected.iter_mut().zip(&self.0) {
            *to = V::select(index, table);
        }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn group(selected: &Limbs<V>, _: usize) -> Limbs<V> {
        *selected
    }
}
