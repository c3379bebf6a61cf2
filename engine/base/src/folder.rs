//! A folder that is held open. What is in it is found through it, never by its path, which may lead
//! to another folder by now: who writes here writes to the folder that was opened, wherever it is
//! moved.

use std::ffi::CStr;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// A folder, open. Names have no separators in them.
#[derive(Debug)]
pub struct Folder {
    handle: File,
    /// Where it was when it was opened, for messages.
    path: PathBuf,
}

/// How any name is opened: no link is followed, nothing is waited for, and no child inherits it.
const ALWAYS: OFlags = OFlags::NOFOLLOW
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// As any other new file: what the user's umask leaves.
const NEW: Mode = Mode::from_raw_mode(0o666);

impl Folder {
    /// Opens the folder that is there. The path itself may be, or lead through, a link.
    pub fn open(path: &Path) -> io::Result<Folder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Folder {
            handle: rustix::fs::open(path, flags, Mode::empty())?.into(),
            path: path.to_owned(),
        })
    }

    /// What a file is called in messages.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file that is there; `flags` say for what.
    pub fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        Ok(rustix::fs::openat(&self.handle, name, flags | ALWAYS, Mode::empty())?.into())
    }

    /// Makes a file that is not there, to be read and written.
    pub fn create_new(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | ALWAYS;
        Ok(rustix::fs::openat(&self.handle, name, flags, NEW)?.into())
    }

    /// What has this name; of a link, the link itself.
    pub fn stat(&self, name: &str) -> io::Result<Stat> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::statat(&self.handle, name, flags)?)
    }

    /// All names, in no order.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.handle)? {
            let entry = entry?;
            let name: &CStr = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    /// Gives a file another name, in place of a file that may have it.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?)
    }

    /// Removes a file's name.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Makes the names in it durable.
    pub fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    /// Makes its own name durable, in the folder that it is in now.
    pub fn sync_own_name(&self) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = rustix::fs::openat(&self.handle, "..", flags, Mode::empty())?;
        File::from(above).sync_all()
    }

    /// Takes the folder itself for as long as it is open here, alone or with others that only read.
    /// False if somebody else has it otherwise. No file's removal lets anybody in.
    pub fn lock(&self, alone: bool) -> io::Result<bool> {
        let locked = match alone {
            true => self.handle.try_lock(),
            false => self.handle.try_lock_shared(),
        };
        match locked {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// What kind of thing a name is.
pub fn kind_of(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}
