//! What may lie in an audited folder, whose writer may be hostile: opens plain files only, without
//! following a link and without waiting for a pipe's other end.

use std::fs::{File, FileType, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::finding::{AuditError, Finding};

/// Opens a file of the folder, and says how long it is; `None` if there is none.
///
/// # Errors
/// A finding if it is no plain file.
pub(super) fn open(folder: &Path, name: &str) -> Result<Option<(File, u64)>, AuditError> {
    let path = folder.join(name);
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    options.read(true).custom_flags(flags.bits() as i32);
    let file = match options.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(match Errno::from_io_error(&error) {
                Some(Errno::LOOP) => no_plain_file(name, "a link"),
                Some(Errno::NXIO) => no_plain_file(name, "a socket or a device"),
                _ => AuditError::machine(&path)(error),
            });
        }
    };
    let metadata = file.metadata().map_err(AuditError::machine(&path))?;
    if !metadata.is_file() {
        return Err(no_plain_file(name, kind(metadata.file_type())));
    }
    Ok(Some((file, metadata.len())))
}

pub(super) fn no_plain_file(name: &str, found: &str) -> AuditError {
    Finding::of_file(name, "the file", "a plain file", found)
}

pub(super) fn kind(of: FileType) -> &'static str {
    if of.is_symlink() {
        "a link"
    } else if of.is_dir() {
        "a folder"
    } else if of.is_fifo() {
        "a pipe"
    } else if of.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// The manifest while it is being written, by a run that begins or ends.
const MANIFEST_PART: &str = "audit.toml.part";

/// Whether a file of this name is a stream's segment, whole or not.
pub(super) fn is_segment(name: &str) -> bool {
    name.ends_with(".audit") || name.ends_with(".part") && name != MANIFEST_PART
}
