//! The multiples of the base point, as a machine keeps them.

/// Digits of a scalar.
pub(crate) const DIGITS: usize = 43;

/// (2i + 1) · 64^digit · B for i < 32, limb by limb: y + x, y − x, 2dxy, each as the machine
/// selects from it. 165 KB, so it stays in the second-level cache; a digit's 3,840 bytes serve all
/// groups of a chunk from the first.
pub(crate) type Digit = [[u64; 32]; 15];

/// Multiples of the base point, for each digit.
pub(crate) type Table = [Digit; DIGITS];
