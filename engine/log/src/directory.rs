//! One directory, one run's log: whose it is, which streams it has, and that only one process has
//! it.

use std::sync::Arc;

use super::Options;
use super::committer::Place;
use super::disk::{Disk, DiskFile};
use super::error::{Damage, During, LogError};
use super::floor;
use super::format::{META, Meta};
use super::recover::Recovered;

const META_NEW: &str = "log.meta.new";

/// More than any list of streams takes.
const META_BYTES_MAX: u64 = 1 << 20;

/// A log that is open. It is locked as long as this, or anything that came from it, lives.
pub struct Log<D: Disk> {
    disk: Arc<D>,
    options: Options,
    meta: Meta,
}

impl<D: Disk> Log<D> {
    /// Opens the log of `options.run` in this directory, or makes one if the directory is empty.
    ///
    /// Nothing is written to a log that exists, nor to a directory of something else.
    ///
    /// # Errors
    /// If the machine fails, the log is in use, or it is not what was asked for.
    ///
    /// # Panics
    /// If `options` contradict what is said at their fields.
    pub fn open(disk: D, options: Options) -> Result<Log<D>, LogError> {
        check(&options);
        lock(&disk)?;
        let meta = match find_meta(&disk, &options)? {
            Some(meta) => meta,
            None => create(&disk, &options)?,
        };
        Ok(Log::of(disk, options, meta))
    }

    /// Opens the log of `options.run` in this directory. Makes none: `None` if there is none yet,
    /// because its start was interrupted before anything could be acknowledged, or never came.
    ///
    /// # Errors
    /// As [`Log::open`].
    ///
    /// # Panics
    /// As [`Log::open`].
    pub fn open_existing(disk: D, options: Options) -> Result<Option<Log<D>>, LogError> {
        check(&options);
        lock(&disk)?;
        let meta = find_meta(&disk, &options)?;
        Ok(meta.map(|meta| Log::of(disk, options, meta)))
    }

    fn of(disk: D, options: Options, meta: Meta) -> Log<D> {
        Log {
            disk: Arc::new(disk),
            options,
            meta,
        }
    }

    /// The names of its streams.
    #[must_use]
    pub fn streams(&self) -> &[String] {
        &self.meta.streams
    }

    /// Reads a stream. Different streams may be read at the same time. To start none before all
    /// were read is to write nothing to a log of which any part is refused.
    ///
    /// # Errors
    /// If the machine fails, or stored data is refused.
    ///
    /// # Panics
    /// If there is no stream with this index.
    pub fn recover(&self, stream: usize) -> Result<Recovered<D>, LogError> {
        let place = Place {
            identity: self.meta.identity(stream as u32),
            stream: self.meta.streams[stream].clone(),
            segment_bytes: self.options.segment_bytes,
            durability: self.options.durability,
        };
        Recovered::read(Arc::clone(&self.disk), place, self.options.clone())
    }
}

fn check(options: &Options) {
    let fine = options.streams.iter().all(|name| is_stream(name));
    assert!(fine, "{:?}", options.streams);
    for (at, name) in options.streams.iter().enumerate() {
        let distinct = !options.streams[..at].contains(name);
        assert!(distinct, "two streams named {name}");
    }
    let block = super::BLOCK_BYTES as u64;
    assert!(
        options.segment_bytes >= 2 * block && options.segment_bytes.is_multiple_of(block),
        "a segment of {} bytes",
        options.segment_bytes
    );
}

/// Whether a stream may have this name.
fn is_stream(name: &str) -> bool {
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    letters && (1..=64).contains(&name.len())
}

/// Takes the directory, so that nobody else writes in it from here on.
fn lock<D: Disk>(disk: &D) -> Result<(), LogError> {
    match disk.lock().during("lock", "the log's directory")? {
        true => Ok(()),
        false => Err(LogError::InUse),
    }
}

/// The log's header, if the log was made. What is there without it must be from an interrupted
/// start; and what is no more than that is no log of another run either.
fn find_meta<D: Disk>(disk: &D, options: &Options) -> Result<Option<Meta>, LogError> {
    let names = disk.list().during("list", ".")?;
    if names.iter().any(|name| name == META) {
        let meta = read_meta(disk, options);
        let is_other = match &meta {
            Ok(meta) => has_other_floors(disk, &names, meta)?,
            Err(LogError::OtherRun { .. } | LogError::OtherStreams { .. }) => true,
            Err(_) => false,
        };
        return match is_other && remains(disk, &names)?.is_none() {
            true => Ok(None),
            false => meta.map(Some),
        };
    }
    match remains(disk, &names)? {
        None => Ok(None),
        Some(file) => Err(LogError::NotALog { file }),
    }
}

/// Whether a floor is of another log than its header says: whoever made that one ended before its
/// own header had its name.
fn has_other_floors<D: Disk>(disk: &D, names: &[String], meta: &Meta) -> Result<bool, LogError> {
    for (at, stream) in meta.streams.iter().enumerate() {
        let name = format!("{stream}.floor");
        if names.contains(&name) {
            let file = disk.open(&name).during("open", &name)?;
            let identity = meta.identity(at as u32);
            if floor::is_of_another(&file, &identity).during("read", &name)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a directory holds no more than the start of a log leaves, of whichever run.
///
/// # Errors
/// If the machine cannot read it.
pub fn is_as_new<D: Disk>(disk: &D) -> Result<bool, LogError> {
    let names = disk.list().during("list", ".")?;
    remains(disk, &names).map(|remains| remains.is_none())
}

/// A file of something else, or one in which something of a log may stand; none if all that is
/// there is what the start of one leaves, of whichever run.
fn remains<D: Disk>(disk: &D, names: &[String]) -> Result<Option<String>, LogError> {
    let is_floor = |name: &String| name.strip_suffix(".floor").is_some_and(is_stream);
    let is_raised = |name: &String| {
        let file = disk.open(name).during("open", name)?;
        floor::is_raised(&file).during("read", name)
    };
    let is_of_a_start = |name: &String| name == META || name == META_NEW || is_floor(name);
    if let Some(name) = names.iter().find(|name| !is_of_a_start(name)) {
        return Ok(Some(name.clone()));
    }
    for name in names.iter().filter(|name| is_floor(name)) {
        if is_raised(name)? {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}

fn read_meta<D: Disk>(disk: &D, options: &Options) -> Result<Meta, LogError> {
    let file = disk.open(META).during("open", META)?;
    let length = file.length().during("read the length of", META)?;
    if length > META_BYTES_MAX {
        return Err(LogError::header(META, Damage::Streams, options.run));
    }
    let mut bytes = vec![0; length as usize];
    file.read_at(0, &mut bytes).during("read", META)?;
    let meta =
        Meta::decode(&bytes).map_err(|damage| LogError::header(META, damage, options.run))?;
    if meta.run != options.run {
        return Err(LogError::OtherRun {
            file: META.to_owned(),
            expected: options.run,
            found: meta.run,
        });
    }
    if meta.streams != options.streams {
        return Err(LogError::OtherStreams {
            file: META.to_owned(),
            expected: options.streams.clone(),
            found: meta.streams,
        });
    }
    Ok(meta)
}

/// Makes a log. It exists from the moment that its header has its name: what a crash leaves before
/// that is started over.
fn create<D: Disk>(disk: &D, options: &Options) -> Result<Meta, LogError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| LogError::Io {
        operation: "draw a salt from",
        file: "the operating system".to_owned(),
        kind: std::io::ErrorKind::Other,
        message: error.to_string(),
    })?;
    let meta = Meta {
        salt,
        run: options.run,
        streams: options.streams.clone(),
    };
    for (at, stream) in meta.streams.iter().enumerate() {
        let name = format!("{stream}.floor");
        write_synced(disk, &name, &floor::initial(&meta.identity(at as u32)))?;
    }
    write_synced(disk, META_NEW, &meta.encode())?;
    disk.sync_directory()
        .during("sync the directory of", META)?;
    disk.rename(META_NEW, META).during("rename", META_NEW)?;
    disk.sync_directory()
        .during("sync the directory of", META)?;
    Ok(meta)
}

fn write_synced<D: Disk>(disk: &D, name: &str, bytes: &[u8]) -> Result<(), LogError> {
    let mut file = disk.create(name).during("create", name)?;
    file.write_at(0, bytes).during("write", name)?;
    file.sync().during("sync", name)
}
