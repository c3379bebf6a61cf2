//! Bytes read from the front, a field at a time. A field that is cut short is none, and is left
//! where it is; whose bytes they are says what that means.

/// What is left to read. Integers are little-endian.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    /// A reader of all of these.
    #[must_use]
    pub const fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader(bytes)
    }

    /// The bytes that nobody has taken.
    #[must_use]
    pub const fn rest(&self) -> &'b [u8] {
        self.0
    }

    /// As many bytes.
    #[inline]
    pub fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// As many bytes, copied.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// A byte.
    #[inline]
    pub fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// A 16-bit integer.
    #[inline]
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// A 32-bit integer.
    #[inline]
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A 64-bit integer.
    #[inline]
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each field's length, and what it reads of bytes that count from 1.
    #[test]
    fn a_field_is_there_as_a_whole_or_not_at_all() {
        type Read = fn(&mut Reader<'_>) -> Option<u64>;
        let table: [(usize, u64, Read); 7] = [
            (0, 0, |reader| {
                reader.take(0).map(|taken| taken.len() as u64)
            }),
            (5, 5, |reader| reader.take(5).map(|taken| taken[4].into())),
            (3, 3, |reader| {
                reader.array().map(|[_, _, last]| u64::from(last))
            }),
            (1, 1, |reader| reader.byte().map(u64::from)),
            (2, 0x0201, |reader| reader.u16().map(u64::from)),
            (4, 0x0403_0201, |reader| reader.u32().map(u64::from)),
            (8, 0x0807_0605_0403_0201, |reader| reader.u64()),
        ];
        let bytes: [u8; 10] = std::array::from_fn(|at| at as u8 + 1);
        for (length, value, read) in table {
            for have in 0..bytes.len() {
                let mut reader = Reader::new(&bytes[..have]);
                let (expected, taken) = match have >= length {
                    true => (Some(value), length),
                    false => (None, 0),
                };
                assert_eq!(read(&mut reader), expected, "{length} of {have}");
                assert_eq!(reader.rest(), &bytes[taken..have], "{length} of {have}");
            }
        }
    }
}
