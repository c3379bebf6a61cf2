//! A file, read ahead in large pieces. Checks nothing and writes nothing.

use std::io;

use super::disk::DiskFile;

/// The part of a file that was read last.
pub(super) struct Window<F> {
    file: F,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

/// As much as is read at once, at least.
const READ_BYTES: u64 = 4 << 20;

impl<F: DiskFile> Window<F> {
    pub(super) fn new(file: F) -> io::Result<Window<F>> {
        let length = file.length()?;
        Ok(Window {
            file,
            length,
            start: 0,
            bytes: Vec::new(),
        })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Takes what is beyond for no part of the file.
    pub(super) fn end_at(&mut self, length: u64) {
        self.length = self.length.min(length);
    }

    /// These bytes of the file; none if it ends before.
    pub(super) fn get(&mut self, offset: u64, length: u64) -> io::Result<Option<&[u8]>> {
        let end = offset.checked_add(length);
        let Some(end) = end.filter(|&end| end <= self.length) else {
            return Ok(None);
        };
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            let ahead = length.max(READ_BYTES).min(self.length - offset);
            self.start = offset;
            self.bytes.resize(ahead as usize, 0);
            self.file.read_at(offset, &mut self.bytes)?;
        }
        let at = (offset - self.start) as usize;
        Ok(Some(&self.bytes[at..at + length as usize]))
    }

    /// These bytes, or as many as the file has.
    pub(super) fn up_to(&mut self, offset: u64, length: u64) -> io::Result<&[u8]> {
        let length = length.min(self.length.saturating_sub(offset));
        Ok(self.get(offset, length)?.unwrap_or_default())
    }

    /// Frees what was read.
    pub(super) fn forget(&mut self) {
        self.bytes = Vec::new();
    }

    /// The file, to be written: forgets what was read.
    pub(super) fn file(&mut self) -> &mut F {
        self.forget();
        &mut self.file
    }
}
