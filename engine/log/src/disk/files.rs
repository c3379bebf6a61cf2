//! Storage in a directory of the operating system. Retries nothing.
//!
//! Only plain files that have no other name are opened, no link is followed, and no opening waits:
//! who can put names into the directory cannot have anything outside it written. The directory
//! itself may be a link.
//!
//! Where that is asked for and the file system can, whole blocks are written past the page cache:
//! what is written is copied once less, and displaces nothing else from memory. A sync is due as
//! before.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{FileType, OFlags};

use super::{Disk, DiskFile, Foreign};
use crate::format::BLOCK_BYTES;
use duet_base::folder::{Folder, kind_of};

/// A directory, held open: it stays this one wherever it is moved, and whatever takes its path.
#[derive(Debug)]
pub struct Files {
    folder: Arc<Folder>,
    access: Access,
}

/// What a directory's files are opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    /// And whole blocks past the page cache.
    WriteDirectly,
}

/// An open file of a directory.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    direct: Direct,
    /// What is written directly, if it does not lie in memory as the system wants it.
    aligned: Vec<u8>,
}

/// The same file, written past the page cache.
#[derive(Debug)]
enum Direct {
    /// Not asked for, or not to be had.
    Never,
    /// Not opened before it is needed: whoever only reads has one descriptor.
    NotYet(Arc<Folder>, String),
    Open(File),
}

impl Files {
    /// The files of this directory, which is made if it is not there. Its parent must be.
    ///
    /// # Errors
    /// If it can neither be read nor made.
    pub fn new(directory: impl Into<PathBuf>) -> io::Result<Files> {
        let directory = directory.into();
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Files::existing(directory),
        }
    }

    /// The files of this directory, which must be there. Its name is durable from here on: whoever
    /// made it may have ended before it was.
    ///
    /// # Errors
    /// If it cannot be read, nor the one that it is in.
    pub fn existing(directory: impl Into<PathBuf>) -> io::Result<Files> {
        let files = Files::of(directory.into(), Access::Write)?;
        files.folder.sync_own_name()?;
        Ok(files)
    }

    /// The files of this directory, which must be there, for reading alone: that it may be written
    /// is not needed, and others may read it meanwhile.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn to_read(directory: impl Into<PathBuf>) -> io::Result<Files> {
        Files::of(directory.into(), Access::Read)
    }

    fn of(directory: PathBuf, access: Access) -> io::Result<Files> {
        let folder = Folder::open(&directory).map_err(|error| {
            let found = match error.kind() {
                io::ErrorKind::NotADirectory => "no folder",
                io::ErrorKind::NotFound if directory.is_symlink() => "a link to nothing",
                _ => return error,
            };
            io::Error::from(Foreign {
                name: directory.display().to_string(),
                found,
                expected: "a folder",
            })
        })?;
        Ok(Files {
            folder: Arc::new(folder),
            access,
        })
    }

    /// Writes whole blocks past the page cache, wherever the file system can. For whoever syncs
    /// what it writes: without a sync it only takes longer.
    #[must_use]
    pub fn direct(self) -> Files {
        Files {
            access: match self.access {
                Access::Read => Access::Read,
                Access::Write | Access::WriteDirectly => Access::WriteDirectly,
            },
            ..self
        }
    }

    /// Opens a file that is there.
    fn open_own(&self, name: &str) -> io::Result<File> {
        let flags = match self.access {
            Access::Read => OFlags::RDONLY,
            Access::Write | Access::WriteDirectly => OFlags::RDWR,
        };
        // Before it is opened: to open a device may already do something.
        self.check(name)?;
        let file = self.folder.open_file(name, flags)?;
        // And after: the name may be that of another file by now.
        Foreign::check(name, &file.metadata()?)?;
        Ok(file)
    }

    /// Refuses a name that is not that of a plain file of the directory's own.
    fn check(&self, name: &str) -> io::Result<()> {
        let stat = self.folder.stat(name)?;
        let has_others = stat.st_nlink > 1;
        Ok(Foreign::check_kind(name, kind_of(&stat), has_others)?)
    }

    fn opened(&self, file: File, name: &str) -> OpenFile {
        OpenFile {
            file,
            direct: match self.access {
                Access::WriteDirectly => Direct::NotYet(Arc::clone(&self.folder), name.to_owned()),
                Access::Read | Access::Write => Direct::Never,
            },
            aligned: Vec::new(),
        }
    }
}

/// How a file is opened for direct writes, where the system knows them.
fn direct_flags() -> Option<OFlags> {
    #[cfg(target_os = "linux")]
    return Some(OFlags::WRONLY | OFlags::DIRECT);
    #[cfg(not(target_os = "linux"))]
    None
}

impl Foreign {
    /// Refuses what is no plain file, or has another name somewhere. Of a link it takes the link's
    /// own metadata.
    ///
    /// # Errors
    /// What has the name.
    pub fn check(name: &str, metadata: &Metadata) -> Result<(), Foreign> {
        let kind = FileType::from_raw_mode(metadata.mode());
        Foreign::check_kind(name, kind, metadata.nlink() > 1)
    }

    fn check_kind(name: &str, kind: FileType, has_others: bool) -> Result<(), Foreign> {
        let found = match kind {
            FileType::Symlink => "a link",
            FileType::Directory => "a folder",
            FileType::Fifo => "a pipe",
            FileType::RegularFile if has_others => "a file with a second name (a hard link)",
            FileType::RegularFile => return Ok(()),
            _ => "a device or a socket",
        };
        Err(Foreign {
            name: name.to_owned(),
            found,
            expected: "a plain file of the log's own",
        })
    }
}

/// Opens a file once more, for direct writes. What cannot be opened so, or has another file's name
/// by now, is written as any other file is.
fn open_directly(folder: &Folder, name: &str, file: &File) -> io::Result<Direct> {
    let direct = direct_flags().and_then(|flags| folder.open_file(name, flags).ok());
    let Some(direct) = direct else {
        return Ok(Direct::Never);
    };
    let identity = |file: &File| file.metadata().map(|of| (of.dev(), of.ino()));
    Ok(match identity(&direct)? == identity(file)? {
        true => Direct::Open(direct),
        false => Direct::Never,
    })
}

impl Disk for Files {
    type File = OpenFile;

    fn lock(&self) -> io::Result<bool> {
        self.folder.lock(self.access != Access::Read)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for name in self.folder.names()? {
            match self.check(&name) {
                // Whoever has the log has removed it since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                checked => checked?,
            }
            names.push(name);
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<OpenFile> {
        match self.folder.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(self.opened(self.folder.create_new(name)?, name)),
        }
    }

    fn open(&self, name: &str) -> io::Result<OpenFile> {
        Ok(self.opened(self.open_own(name)?, name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.folder.sync()
    }
}

impl OpenFile {
    /// Writes whole blocks past the page cache; false if this is none, or cannot be written so.
    fn write_directly(&mut self, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        let whole =
            offset.is_multiple_of(BLOCK_BYTES as u64) && bytes.len().is_multiple_of(BLOCK_BYTES);
        if !whole {
            return Ok(false);
        }
        if let Direct::NotYet(folder, name) = &self.direct {
            self.direct = open_directly(folder, name, &self.file)?;
        }
        let Direct::Open(direct) = &self.direct else {
            return Ok(false);
        };
        let bytes = if bytes.as_ptr().align_offset(BLOCK_BYTES) == 0 {
            bytes
        } else {
            self.aligned.resize(bytes.len() + BLOCK_BYTES, 0);
            let start = self.aligned.as_ptr().align_offset(BLOCK_BYTES);
            let aligned = &mut self.aligned[start..start + bytes.len()];
            aligned.copy_from_slice(bytes);
            aligned
        };
        match direct.write_all_at(bytes, offset) {
            // The file system opens files so, but wants larger blocks, or none at all.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.direct = Direct::Never;
                Ok(false)
            }
            written => written.map(|()| true),
        }
    }
}

impl DiskFile for OpenFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.write_directly(offset, bytes)? {
            return Ok(());
        }
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use proptest::prelude::*;

    /// Writes of whole blocks and of parts, of aligned memory and of any.
    fn writes() -> impl Strategy<Value = Vec<(usize, usize, usize, u8)>> {
        let block = BLOCK_BYTES;
        let place = prop_oneof![(0..8_usize).prop_map(move |b| b * block), 0..8 * block];
        let length = prop_oneof![(1..6_usize).prop_map(move |b| b * block), 1..3 * block,];
        let shift = prop_oneof![Just(0), 1..100_usize];
        prop::collection::vec((place, length, shift, any::<u8>()), 1..12)
    }

    /// Whether files of this directory can be written directly.
    fn can_be_direct(directory: &Path) -> bool {
        let folder = Folder::open(directory).unwrap();
        folder.create_new("probe").unwrap();
        direct_flags().is_some_and(|flags| folder.open_file("probe", flags).is_ok())
    }

    #[test]
    fn whole_blocks_are_written_directly_where_that_was_asked_for_and_can_be() {
        let directory = tempfile::tempdir().unwrap();
        let can = can_be_direct(directory.path());
        let files = Files::new(directory.path()).unwrap();
        let files = [
            (files, false),
            (Files::existing(directory.path()).unwrap().direct(), can),
        ];
        for (files, is_direct) in files {
            let mut file = files.create("file").unwrap();
            for (bytes, whole) in [(100, false), (BLOCK_BYTES, true), (3 * BLOCK_BYTES, true)] {
                let written = file.write_directly(0, &vec![1; bytes]).unwrap();
                assert_eq!(written, whole && is_direct, "{bytes} bytes");
            }
            assert!(!file.write_directly(100, &[1; BLOCK_BYTES]).unwrap());
        }
    }

    #[test]
    fn a_file_that_has_lost_its_name_is_not_taken_for_another() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::new(directory.path()).unwrap().direct();
        let mut old = files.create("file").unwrap();
        files.rename("file", "other").unwrap();
        files.create("file").unwrap();
        old.write_at(0, &[1; BLOCK_BYTES]).unwrap();
        assert_eq!(files.open("file").unwrap().length().unwrap(), 0);
        assert_eq!(old.length().unwrap(), BLOCK_BYTES as u64);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever way a write takes, the file holds it for whoever reads next, by the same handle
        /// or by another.
        #[test]
        fn direct_and_other_writes_make_one_file(writes in writes(), direct: bool) {
            let directory = tempfile::tempdir().unwrap();
            let files = Files::new(directory.path()).unwrap();
            let files = if direct { files.direct() } else { files };
            let mut file = files.create("file").unwrap();
            let mut expected = Vec::new();
            for (place, length, shift, byte) in writes {
                let memory = vec![byte; length + shift];
                file.write_at(place as u64, &memory[shift..]).unwrap();
                let end = place + length;
                if expected.len() < end {
                    expected.resize(end, 0);
                }
                expected[place..end].fill(byte);
                prop_assert_eq!(file.length().unwrap(), expected.len() as u64);
                let mut found = vec![0; expected.len()];
                file.read_at(0, &mut found).unwrap();
                prop_assert!(found == expected);
            }
            file.sync().unwrap();
            let mut found = vec![0; expected.len()];
            files.open("file").unwrap().read_at(0, &mut found).unwrap();
            prop_assert!(found == expected);
        }
    }
}
