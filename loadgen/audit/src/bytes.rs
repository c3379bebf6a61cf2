//! Fields read off the front of bytes from outside, each one where it stands in its file.

use super::finding::{AuditError, Place};

/// Bytes of a file that are left to read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    file: &'a str,
    /// Where the rest starts in the file.
    offset: u64,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, offset: u64, rest: &'a [u8]) -> Reader<'a> {
        Reader { file, offset, rest }
    }

    #[inline]
    pub(super) fn place(&self) -> Place<'a> {
        Place {
            file: self.file,
            offset: Some(self.offset),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// So many bytes.
    #[inline]
    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], AuditError> {
        let Some((bytes, rest)) = self.rest.split_at_checked(count) else {
            let left = self.rest.len();
            return Err(self.place().finding("bytes left", count, left));
        };
        self.rest = rest;
        self.offset += count as u64;
        Ok(bytes)
    }

    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], AuditError> {
        let mut field = [0; N];
        field.copy_from_slice(self.bytes(N)?);
        Ok(field)
    }

    pub(super) fn u8(&mut self) -> Result<u8, AuditError> {
        Ok(self.take::<1>()?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, AuditError> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, AuditError> {
        self.take().map(u64::from_le_bytes)
    }

    /// Two numbers in LEB128, each in its shortest form.
    #[inline]
    pub(super) fn two_numbers(&mut self) -> Result<(u64, u64), AuditError> {
        if let [first @ 0..0x80, second @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            self.offset += 2;
            return Ok((u64::from(*first), u64::from(*second)));
        }
        Ok((self.number()?, self.number()?))
    }

    /// A number in LEB128, in its shortest form.
    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, AuditError> {
        if let [first @ 0..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            self.offset += 1;
            return Ok(u64::from(*first));
        }
        self.long_number()
    }

    fn long_number(&mut self) -> Result<u64, AuditError> {
        let place = self.place();
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(number);
            }
        }
        Err(place.finding("a number", "LEB128 of 64 bits in its shortest form", "none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        let table: [(&[u8], Option<u64>); 10] = [
            (&[0], Some(0)),
            (&[0x7f], Some(127)),
            (&[0x80, 1], Some(128)),
            (&[0xac, 2], Some(300)),
            (&[0x80, 0], None),
            (&[0x80], None),
            (&[], None),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                Some(u64::MAX),
            ),
            (
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
                None,
            ),
            (
                &[
                    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0,
                ],
                None,
            ),
        ];
        for (bytes, expected) in table {
            let mut reader = Reader::new("file", 0, bytes);
            assert_eq!(reader.number().ok(), expected, "{bytes:?}");
        }
    }
}
