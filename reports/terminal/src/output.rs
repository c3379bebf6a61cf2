//! Files that appear whole or not at all: written beside the target, then renamed over it. Refuses
//! an output that cannot be written before any work is done for it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufWriter, Write},
    os::fd::{AsFd as _, BorrowedFd},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Why an output file was not written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The path can never be written: a folder, a missing or read-only parent. Bad input.
    #[error("cannot write '{path}': {reason}")]
    Refused {
        /// The path as it was given.
        path: PathBuf,
        /// What is wrong with it, in words.
        reason: String,
    },
    /// The machine failed while writing, as when a disk is full. What was at the path before is
    /// there still, unless all but the name's being durable went well.
    #[error("writing '{path}' failed: {source}")]
    Failed {
        /// The path as it was given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl OutputError {
    /// Whether the machine is at fault (exit 1) and not the input (exit 2).
    pub fn is_machine_fault(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// Checks before a run that [`write_atomically`] will be able to write `path`, and leaves nothing
/// behind: the path is no folder and not read-only, and its parent exists and takes new files.
///
/// # Errors
/// [`OutputError::Refused`] with the reason.
pub fn check_writable(path: &Path) -> Result<(), OutputError> {
    let refused = |reason: String| OutputError::Refused {
        path: path.to_owned(),
        reason,
    };
    match target_of(path)? {
        Target::Device(device) if is_named_pipe(&device) => {}
        Target::Device(device) => {
            OpenOptions::new()
                .write(true)
                .open(device)
                .map_err(|e| refused(e.to_string()))?;
        }
        Target::File { folder, .. } => {
            temporary_file(&folder, Readers::Any).map_err(|e| {
                refused(format!(
                    "no file can be made in '{}': {}",
                    folder.display(),
                    reason_of(&e)
                ))
            })?;
        }
    }
    Ok(())
}

/// Writes a file whole or not at all: `write` fills a temporary file in the same folder, which is
/// made durable and renamed over `path`. When `write` fails, `path` stays as it was. Links are
/// followed; a device such as `/dev/null` is written in place.
///
/// # Errors
/// Those of `write`, and [`OutputError`] when the file cannot be made, made durable or renamed.
pub fn write_atomically<T, E: From<OutputError>>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<T, E> {
    let failed = |source: io::Error| OutputError::Failed {
        path: path.to_owned(),
        source,
    };
    match target_of(path)? {
        Target::Device(device) => {
            let file = OpenOptions::new()
                .write(true)
                .open(device)
                .map_err(failed)?;
            let mut buffered = BufWriter::new(file);
            let value = write(&mut buffered)?;
            buffered.flush().map_err(failed)?;
            Ok(value)
        }
        Target::File { file, folder } => {
            let name = Name {
                path,
                file: &file,
                folder: &folder,
                must_last: false,
                over: Over::Anything,
            };
            put(name, Readers::Any, &mut System, write)
        }
    }
}

/// Writes a text as [`write_atomically`] does.
///
/// # Errors
/// It cannot be written; what was there is there still.
pub fn write_text(path: &Path, text: &str) -> Result<(), OutputError> {
    write_atomically(path, |file| {
        let failed = |source| OutputError::Failed {
            path: path.to_owned(),
            source,
        };
        file.write_all(text.as_bytes()).map_err(failed)
    })
}

/// As [`write_atomically`], of a name that the program relies on: it is durable when this returns,
/// and a link is not followed.
///
/// # Errors
/// As [`write_atomically`]; if the folder that holds the name cannot be made durable; and
/// [`OutputError::Refused`] if something has the name that is not to be replaced.
pub fn write_atomically_in<T, E: From<OutputError>>(
    folder: &Path,
    name: impl AsRef<Path>,
    readers: Readers,
    over: Over,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<T, E> {
    let file = &folder.join(name);
    let name = Name {
        path: file,
        file,
        folder,
        must_last: true,
        over,
    };
    put(name, readers, &mut System, write)
}

/// Who may read a new file.
#[derive(Clone, Copy, Debug)]
pub enum Readers {
    /// Whoever the user's umask lets.
    Any,
    /// Its owner alone.
    Owner,
}

/// What a new file may take the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Whatever has its name.
    Anything,
    /// Nothing: the name must be free.
    Nothing,
}

/// The name that a file is to have.
struct Name<'a> {
    /// As it was given.
    path: &'a Path,
    file: &'a Path,
    folder: &'a Path,
    /// A folder that cannot be opened to make the name durable is an error.
    must_last: bool,
    over: Over,
}

/// What makes a new file durable under its name. Tests watch the order.
trait Disk {
    /// Makes a file's bytes durable, or a folder's names.
    fn sync(&mut self, file: &File) -> io::Result<()>;
    fn rename(&mut self, file: NamedTempFile, name: &Path, over: Over) -> io::Result<()>;
}

struct System;

impl Disk for System {
    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&mut self, file: NamedTempFile, name: &Path, over: Over) -> io::Result<()> {
        let named = match over {
            Over::Anything => file.persist(name),
            Over::Nothing => file.persist_noclobber(name),
        };
        named.map(drop).map_err(|error| error.error)
    }
}

/// Writes a new file in the folder, and gives it the name.
fn put<T, E: From<OutputError>>(
    name: Name<'_>,
    readers: Readers,
    disk: &mut impl Disk,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<T, E> {
    let Name {
        path,
        file,
        folder,
        must_last,
        over,
    } = name;
    let failed = |source: io::Error| OutputError::Failed {
        path: path.to_owned(),
        source,
    };
    let temporary = temporary_file(folder, readers).map_err(failed)?;
    let mut buffered = BufWriter::with_capacity(1 << 16, temporary);
    let value = write(&mut buffered)?;
    let temporary = buffered.into_inner().map_err(|e| failed(e.into_error()))?;
    disk.sync(temporary.as_file()).map_err(failed)?;
    disk.rename(temporary, file, over)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Refused {
                path: path.to_owned(),
                reason: "another process has made it meanwhile".to_owned(),
            },
            _ => failed(error),
        })?;
    // The name itself is durable once the folder is. Not every file system can do that: what has
    // its name is not called failed for it, unless somebody relies on the name.
    let synced = File::open(folder).and_then(|folder| disk.sync(&folder));
    match synced {
        Err(error) if must_last => Err(failed(error).into()),
        _ => Ok(value),
    }
}

/// Makes sure before a run that a folder is there, empty, and takes new files; a new one is made
/// beside what is there, and no deeper.
///
/// # Errors
/// [`OutputError::Refused`] with the reason.
pub fn empty_folder(path: &Path) -> Result<(), OutputError> {
    let refused = |reason: String| OutputError::Refused {
        path: path.to_owned(),
        reason,
    };
    match fs::read_dir(path) {
        Ok(mut names) => {
            if names.next().is_some() {
                return Err(refused("the folder is not empty".to_owned()));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir(path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => refused("its parent does not exist".to_owned()),
                _ => refused(reason_of(&error)),
            })?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(refused("it is not a folder".to_owned()));
        }
        Err(error) => return Err(refused(reason_of(&error))),
    }
    temporary_file(path, Readers::Any)
        .map(drop)
        .map_err(|error| refused(format!("no file can be made in it: {}", reason_of(&error))))
}

/// Opens a plain file to be read and added to, or makes it. As long as the file lives, whoever else
/// opens it so is refused: lines of two writers would stand among each other.
///
/// # Errors
/// [`OutputError::Refused`] with the reason.
pub fn open_alone(path: &Path) -> Result<File, OutputError> {
    let refused = |reason: String| OutputError::Refused {
        path: path.to_owned(),
        reason,
    };
    let opened = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path);
    let file = opened.map_err(|error| refused(reason_of(&error)))?;
    // Lines are taken back and added: of a pipe or a device none can be.
    let metadata = file
        .metadata()
        .map_err(|error| refused(reason_of(&error)))?;
    if !metadata.is_file() {
        return Err(refused("expected a plain file".to_owned()));
    }
    if is_open_here(path, &metadata) {
        return Err(refused(OPEN_HERE.to_owned()));
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(refused(
            "the file is in use: another process adds to it".to_owned(),
        )),
        // Not every file system can lock.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Whether opening it for writing would wait for, and closing it send home, whoever reads it.
fn is_named_pipe(path: &Path) -> bool {
    #[cfg(unix)]
    return fs::metadata(path)
        .is_ok_and(|metadata| std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type()));
    #[cfg(not(unix))]
    return false;
}

/// What a path names, links followed.
enum Target {
    /// A file, there or not, and the folder that holds it.
    File { file: PathBuf, folder: PathBuf },
    /// Neither file nor folder: a rename over it would replace the device by a file.
    Device(PathBuf),
}

fn target_of(path: &Path) -> Result<Target, OutputError> {
    let refused = |reason: String| OutputError::Refused {
        path: path.to_owned(),
        reason,
    };
    let Some(name) = path.file_name() else {
        return Err(refused("it does not name a file".to_owned()));
    };
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(refused("it is a folder".to_owned())),
        Ok(metadata) if metadata.is_file() && metadata.permissions().readonly() => {
            Err(refused("the file is read-only".to_owned()))
        }
        Ok(metadata) if metadata.is_file() && is_open_here(path, &metadata) => {
            Err(refused(OPEN_HERE.to_owned()))
        }
        Ok(metadata) if metadata.is_file() => {
            let file = fs::canonicalize(path).map_err(|e| refused(e.to_string()))?;
            let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
            Ok(Target::File { file, folder })
        }
        Ok(_) => Ok(Target::Device(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                return Err(refused("it names a folder".to_owned()));
            }
            if path.is_symlink() {
                return Err(refused("it is a link to nothing".to_owned()));
            }
            let folder = match path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
                _ => PathBuf::from("."),
            };
            if !folder.is_dir() {
                return Err(refused(format!(
                    "the folder '{}' does not exist",
                    folder.display()
                )));
            }
            Ok(Target::File {
                file: folder.join(name),
                folder,
            })
        }
        Err(error) => Err(refused(error.to_string())),
    }
}

const OPEN_HERE: &str = "this process has that file open already, as its output or by number, and \
                         what is written there would be lost; expected another file";

/// Whether standard output or error is this plain file, or the path leads to it through one of this
/// process's descriptors, as `/dev/stdout` and `/dev/fd/3` do.
fn is_open_here(path: &Path, metadata: &fs::Metadata) -> bool {
    let is_it = |stream: BorrowedFd<'_>| {
        rustix::fs::fstat(stream)
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (metadata.dev(), metadata.ino()))
    };
    is_it(io::stdout().as_fd()) || is_it(io::stderr().as_fd()) || is_descriptor(path.to_owned())
}

/// Whether a path is that of a descriptor, by however many links.
fn is_descriptor(mut path: PathBuf) -> bool {
    // As many as Linux follows.
    for _ in 0..40 {
        let Some(folder) = path.parent() else {
            return false;
        };
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        let Ok(folder) = fs::canonicalize(folder) else {
            return false;
        };
        if folder.starts_with("/proc") && folder.ends_with("fd") || folder == Path::new("/dev/fd") {
            return true;
        }
        match fs::read_link(&path) {
            Ok(link) => path = folder.join(link),
            Err(_) => return false,
        }
    }
    false
}

fn temporary_file(folder: &Path, readers: Readers) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".duet-").suffix(".tmp");
    // The owner alone may read a temporary file, unless told otherwise.
    #[cfg(unix)]
    if let Readers::Any = readers {
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// The system's words without the temporary file's name, which means nothing to the user.
fn reason_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::StorageFull => "no space left".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) -> Result<usize, OutputError> {
        write_atomically(path, |out| {
            out.write_all(text.as_bytes()).unwrap();
            Ok(text.len())
        })
    }

    fn names_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn writes_and_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        check_writable(&path).unwrap();
        assert!(names_in(folder.path()).is_empty());
        for text in ["first", "a second, longer text"] {
            assert_eq!(write(&path, text).unwrap(), text.len());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        check_writable(&path).unwrap();
        assert_eq!(names_in(folder.path()), ["run.json"]);
    }

    #[test]
    fn a_failure_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        write(&path, "old").unwrap();
        let error = write_atomically::<(), OutputError>(&path, |out| {
            out.write_all(b"half").unwrap();
            Err(OutputError::Refused {
                path: "x".into(),
                reason: "stopped".into(),
            })
        });
        assert!(error.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names_in(folder.path()), ["run.json"]);
    }

    #[test]
    fn refuses_what_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let read_only = folder.path().join("read-only");
        fs::write(&read_only, "x").unwrap();
        let mut permissions = fs::metadata(&read_only).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&read_only, permissions).unwrap();
        for (path, words) in [
            (folder.path().to_owned(), "it is a folder"),
            (folder.path().join("missing/run.json"), "does not exist"),
            (folder.path().join("new/"), "it names a folder"),
            (folder.path().join(".."), "it does not name a file"),
            (PathBuf::new(), "it does not name a file"),
            (file.join("run.json"), ""),
            (read_only, "the file is read-only"),
        ] {
            for error in [
                check_writable(&path).unwrap_err(),
                write(&path, "y").unwrap_err(),
            ] {
                assert!(!error.is_machine_fault(), "{error}");
                assert!(error.to_string().contains(words), "{error}");
                assert!(error.to_string().starts_with("cannot write '"), "{error}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn follows_links_and_spares_devices() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");

        let null = Path::new("/dev/null");
        check_writable(null).unwrap();
        write(null, "gone").unwrap();
        assert!(!fs::metadata(null).unwrap().is_file());

        let in_place = |over: Over| {
            write_atomically_in(folder.path(), "link", Readers::Any, over, |out| {
                out.write_all(b"its own").unwrap();
                Ok::<(), OutputError>(())
            })
        };
        let refused = in_place(Over::Nothing).unwrap_err();
        assert!(
            !refused.is_machine_fault() && link.is_symlink(),
            "{refused}"
        );
        in_place(Over::Anything).unwrap();
        assert!(!link.is_symlink());
        assert_eq!(fs::read_to_string(&link).unwrap(), "its own");
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    /// Notes what is done, and fails at one step.
    struct Watched {
        done: Vec<&'static str>,
        fails: &'static str,
    }

    impl Watched {
        fn step(&mut self, step: &'static str) -> io::Result<()> {
            self.done.push(step);
            if step == self.fails {
                return Err(io::Error::other("failed"));
            }
            Ok(())
        }
    }

    impl Disk for Watched {
        fn sync(&mut self, file: &File) -> io::Result<()> {
            let of_folder = file.metadata()?.is_dir();
            self.step(if of_folder {
                "sync the folder"
            } else {
                "sync the file"
            })
        }

        fn rename(&mut self, file: NamedTempFile, name: &Path, over: Over) -> io::Result<()> {
            self.step("rename")?;
            System.rename(file, name, over)
        }
    }

    /// What comes next may rely on the file, and delete what it takes the place of.
    #[test]
    fn a_file_is_durable_before_its_name_and_its_name_before_the_end() {
        let steps = ["sync the file", "rename", "sync the folder"];
        let done_until = |must_last: bool, fails: &'static str| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("file");
            let name = Name {
                path: &file,
                file: &file,
                folder: folder.path(),
                must_last,
                over: Over::Nothing,
            };
            let mut disk = Watched {
                done: Vec::new(),
                fails,
            };
            let written = put(name, Readers::Any, &mut disk, |out| {
                out.write_all(b"x").unwrap();
                Ok::<(), OutputError>(())
            });
            (disk.done, written.is_ok())
        };
        for must_last in [true, false] {
            assert_eq!(done_until(must_last, "nothing"), (steps.to_vec(), true));
            for (at, step) in steps.iter().enumerate() {
                // A file that has its name is there, on a system that cannot sync a folder too.
                let is_there = *step == "sync the folder" && !must_last;
                assert_eq!(
                    done_until(must_last, step),
                    (steps[..=at].to_vec(), is_there)
                );
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_for_its_owner_alone_nobody_else_reads() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        write_atomically_in(folder.path(), "own", Readers::Owner, Over::Nothing, |out| {
            out.write_all(b"x").unwrap();
            Ok::<(), OutputError>(())
        })
        .unwrap();
        let own = fs::metadata(folder.path().join("own")).unwrap();
        assert_eq!(own.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_added_to_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        let mut first = open_alone(&path).unwrap();
        first.write_all(b"a line\n").unwrap();
        let second = open_alone(&path).unwrap_err();
        assert!(!second.is_machine_fault());
        assert!(second.to_string().contains("in use"), "{second}");
        drop(first);
        assert!(open_alone(&path).is_ok(), "and then the next one");
        assert_eq!(fs::read(&path).unwrap(), b"a line\n");
        let device = open_alone(Path::new("/dev/null")).unwrap_err();
        assert!(device.to_string().contains("plain file"), "{device}");
    }
}
