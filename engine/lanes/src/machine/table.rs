//! The multiples of the base point, as machines keep them and select from them.

use super::{Arithmetic, Vector, five};

/// Bits that scalars' digits cover: the scalars are below 5l.
const SCALAR: u32 = 255;

/// Groups of eight that are selected for together, at most.
pub(crate) const MOST_TOGETHER: usize = 4;

/// An affine point's words: y + x, y − x, 2dxy, in five limbs each.
pub(crate) type Limbs<W> = [W; 15];

/// (2i + 1) · 2^(BITS · digit) · B for one digit and all i below 2^BITS / 2.
pub(crate) trait Multiples<V: Vector, A: Arithmetic<V>>: Sized {
    /// Bits of a digit, six to eight.
    const BITS: u32;
    /// Groups of eight that are selected for together.
    const TOGETHER: usize;
    /// Digits of a scalar.
    const DIGITS: usize = SCALAR.div_ceil(Self::BITS) as usize;
    /// All digits are odd, and have signs.
    const ENTRIES: usize = 1 << (Self::BITS - 1);

    /// From all i in order.
    fn new(multiples: &[Limbs<u64>]) -> Self;
    /// Selects by the low BITS − 1 bits of each lane of the first [`Multiples::TOGETHER`] groups,
    /// and negates where it is asked to: 2dxy is loose then. Reads everything, in the same order
    /// wherever the places are.
    fn select(
        &self,
        places: &[V; MOST_TOGETHER],
        negative: &[V::Mask; MOST_TOGETHER],
        selected: &mut [Limbs<V>; MOST_TOGETHER],
    );
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

impl<V: Select, A: Arithmetic<V>> Multiples<V, A> for Words {
    const BITS: u32 = 6;
    const TOGETHER: usize = 1;

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
    fn select(
        &self,
        places: &[V; MOST_TOGETHER],
        negative: &[V::Mask; MOST_TOGETHER],
        selected: &mut [Limbs<V>; MOST_TOGETHER],
    ) {
        let (index, negative) = (places[0].index(), negative[0]);
        // −(x, y) = (−x, y). Limb by limb, so that few registers are taken.
        let [p0, p1, p2, p3, p4] = five!(I => {
            let plus = V::select(index, &self.0[I]);
            let minus = V::select(index, &self.0[5 + I]);
            (plus.blend(negative, minus), minus.blend(negative, plus))
        });
        let t2d = five!(I => V::select(index, &self.0[10 + I]));
        let minus = A::negate(t2d);
        let [t0, t1, t2, t3, t4] = five!(I => t2d[I].blend(negative, minus[I]));
        selected[0] = [
            p0.0, p1.0, p2.0, p3.0, p4.0, p0.1, p1.1, p2.1, p3.1, p4.1, t0, t1, t2, t3, t4,
        ];
    }
}
