//! A disk in memory that breaks in every way that is known of. For tests: here, and in other
//! crates.
//!
//! Every operation has a number, and the disk can stop at any of them, with everything after it
//! failing too. Then a power cut leaves of each write that was not synced any subset of its
//! sectors, of names that were not synced any subset of the changes; the mere end of the process
//! leaves all that was written. What chance there is follows from a seed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// A disk in memory. Its clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

/// An open file of a simulated disk.
#[derive(Debug)]
pub struct SimulatedFile {
    state: Arc<Mutex<State>>,
    file: usize,
}

/// How everything stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process ends; the operating system goes on, with all that was written.
    Process,
    /// Power fails: what was not synced survives in part.
    Power,
}

/// What goes wrong with one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails. A write that fails may have been done in part; after a sync that fails, what was
    /// to be synced still reads back, counts as written, and is never written.
    Fails,
    /// A write lands elsewhere.
    Misdirected {
        /// In which file, counted in the order of names; in its own if there are not so many.
        file: usize,
        /// Where in it.
        offset: u64,
    },
    /// A write says that it is done, and is not.
    Lost,
    /// A sync says that it is done, and is not.
    Unsynced,
}

/// What a drive writes whole or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
struct State {
    /// By their number; a file without a name stays.
    files: Vec<FileState>,
    /// What is read.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Since the directory was synced.
    renames: Vec<Rename>,
    locked: bool,
    chance: u64,
    /// How many there were: the number of the next one.
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    faults: BTreeMap<u64, Fault>,
    /// No sync does anything.
    syncs_do_nothing: bool,
    /// Room for all files together, in bytes.
    room: Option<u64>,
    syncs_after_failure: u64,
}

/// A change of names, which takes place whole or not at all.
#[derive(Clone, Debug)]
struct Rename {
    from: Option<String>,
    to: Option<(String, usize)>,
}

#[derive(Clone, Debug, Default)]
struct FileState {
    /// What is read.
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync.
    writes: Vec<(u64, Vec<u8>)>,
    sync_failed: bool,
}

impl SimulatedDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> SimulatedDisk {
        let disk = SimulatedDisk::default();
        disk.state().chance = seed;
        disk
    }

    /// Stops everything at the operation with this number, which may be done in part.
    pub fn crash_at(&self, operation: u64) {
        self.state().crash_at = Some(operation);
    }

    /// Makes the operation with this number go wrong.
    pub fn fault_at(&self, operation: u64, fault: Fault) {
        self.state().faults.insert(operation, fault);
    }

    /// From now on no sync does anything: the broken build that a test must find out.
    pub fn syncs_do_nothing(&self) {
        self.state().syncs_do_nothing = true;
    }

    /// All files together can take up so many bytes.
    pub fn set_room(&self, bytes: u64) {
        self.state().room = Some(bytes);
    }

    /// How many operations there were, reading excepted.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Whether it has stopped.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    /// How often a file was synced again after a sync of it had failed.
    #[must_use]
    pub fn syncs_after_failure(&self) -> u64 {
        self.state().syncs_after_failure
    }

    /// What all files together take up.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.state().bytes()
    }

    /// What the next start finds: a new disk, without faults to come.
    #[must_use]
    pub fn after(&self, crash: Crash) -> SimulatedDisk {
        let mut state = self.state();
        let mut next = State {
            chance: splitmix(&mut state.chance),
            syncs_do_nothing: state.syncs_do_nothing,
            room: state.room,
            ..State::default()
        };
        match crash {
            Crash::Process => {
                next.files.clone_from(&state.files);
                next.names.clone_from(&state.names);
                next.durable_names.clone_from(&state.durable_names);
                next.renames.clone_from(&state.renames);
                for file in &mut next.files {
                    file.sync_failed = false;
                }
            }
            Crash::Power => {
                let chance = &mut next.chance;
                next.files = state.files.iter().map(|f| f.survives(chance)).collect();
                next.names.clone_from(&state.durable_names);
                let all = chance_of(chance, 4);
                for rename in &state.renames {
                    if all || chance_of(chance, 2) {
                        rename.apply(&mut next.names);
                    }
                }
                next.durable_names.clone_from(&next.names);
            }
        }
        SimulatedDisk(Arc::new(Mutex::new(next)))
    }

    /// A copy of all files on a new disk, as a user makes one: nothing of it was ever synced.
    #[must_use]
    pub fn copied(&self) -> SimulatedDisk {
        let mut state = self.state();
        let mut next = State {
            chance: splitmix(&mut state.chance),
            ..State::default()
        };
        for (at, (name, &file)) in state.names.iter().enumerate() {
            next.files.push(FileState::default());
            next.files[at].write(0, &state.files[file].bytes);
            next.rename(None, Some((name.clone(), at)));
        }
        drop(state);
        SimulatedDisk(Arc::new(Mutex::new(next)))
    }

    /// Changes a file at rest: flips the bits of `mask` in one byte.
    ///
    /// # Panics
    /// If there is no such byte.
    pub fn flip(&self, name: &str, offset: u64, mask: u8) {
        self.edit(name, |bytes| bytes[offset as usize] ^= mask);
    }

    /// Changes a file at rest.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let at = state.names[name];
        let file = &mut state.files[at];
        change(&mut file.bytes);
        file.durable.clone_from(&file.bytes);
        file.writes.clear();
    }

    /// What a file holds.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let at = state.names.get(name)?;
        Some(state.files[*at].bytes.clone())
    }

    /// Every file's name and contents.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let read = |(name, &at): (&String, &usize)| (name.clone(), state.files[at].bytes.clone());
        state.names.iter().map(read).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, file: usize) -> SimulatedFile {
        SimulatedFile {
            state: Arc::clone(&self.0),
            file,
        }
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn lock(&self) -> io::Result<bool> {
        let mut state = self.state();
        state.reading()?;
        Ok(!std::mem::replace(&mut state.locked, true))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        state.reading()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut state = self.state();
        let crashes = state.crashes();
        state.changes()?;
        // A new file in place of the old one, whose bytes may be there after a power cut.
        state.files.push(FileState::default());
        let at = state.files.len() - 1;
        state.rename(None, Some((name.to_owned(), at)));
        state.stop(crashes)?;
        Ok(self.file(at))
    }

    fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        let state = self.state();
        state.reading()?;
        let file = state.names.get(name).copied();
        Ok(self.file(file.ok_or(io::ErrorKind::NotFound)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let crashes = state.crashes();
        state.changes()?;
        let file = state.names.get(from).copied();
        let file = file.ok_or(io::ErrorKind::NotFound)?;
        state.rename(Some(from.to_owned()), Some((to.to_owned(), file)));
        state.stop(crashes)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let crashes = state.crashes();
        state.changes()?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.rename(Some(name.to_owned()), None);
        state.stop(crashes)
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        let crashes = state.crashes();
        let fault = state.changes()?;
        state.stop(crashes)?;
        if fault != Some(Fault::Unsynced) && !state.syncs_do_nothing {
            let State {
                renames,
                durable_names,
                ..
            } = &mut *state;
            for rename in renames.drain(..) {
                rename.apply(durable_names);
            }
        }
        Ok(())
    }
}

impl SimulatedFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        let state = self.state();
        state.reading()?;
        Ok(state.files[self.file].bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        state.reading()?;
        let file = &state.files[self.file].bytes;
        let found = usize::try_from(offset).ok().and_then(|offset| {
            let end = offset.checked_add(bytes.len())?;
            file.get(offset..end)
        });
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let crashes = state.crashes();
        let fails = state.faults.get(&state.operations) == Some(&Fault::Fails);
        let fault = match state.changes() {
            // A write that fails leaves what it came to.
            Err(error) if fails => {
                let part = bytes.len() / 2;
                state.files[self.file].write(offset, &bytes[..part]);
                return Err(error);
            }
            other => other?,
        };
        let end = offset + bytes.len() as u64;
        let longer = end.saturating_sub(state.files[self.file].bytes.len() as u64);
        if let Some(room) = state.room
            && state.bytes() + longer > room
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        match fault {
            Some(Fault::Lost) => {}
            Some(Fault::Misdirected { file, offset }) => {
                let file = state.names.values().nth(file).copied();
                state.files[file.unwrap_or(self.file)].write(offset, bytes);
            }
            _ => state.files[self.file].write(offset, bytes),
        }
        state.stop(crashes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state();
        let crashes = state.crashes();
        if state.files[self.file].sync_failed {
            state.syncs_after_failure += 1;
        }
        let fails = state.faults.get(&state.operations) == Some(&Fault::Fails);
        let result = state.changes();
        let nothing = state.syncs_do_nothing;
        let file = &mut state.files[self.file];
        if fails {
            file.sync_failed = true;
            file.writes.clear();
        }
        let fault = result?;
        if crashes {
            return state.stop(true);
        }
        if fault != Some(Fault::Unsynced) && !nothing {
            let file = &mut state.files[self.file];
            for (offset, bytes) in std::mem::take(&mut file.writes) {
                put(&mut file.durable, offset, &bytes);
            }
        }
        Ok(())
    }
}

impl State {
    fn bytes(&self) -> u64 {
        let files = self.names.values();
        files.map(|&at| self.files[at].bytes.len() as u64).sum()
    }

    fn reading(&self) -> io::Result<()> {
        if self.crashed {
            Err(io::Error::other("the machine has stopped"))
        } else {
            Ok(())
        }
    }

    /// Whether everything stops at the operation that starts now.
    fn crashes(&self) -> bool {
        self.crash_at == Some(self.operations)
    }

    /// Counts an operation that changes something; says how it goes wrong.
    fn changes(&mut self) -> io::Result<Option<Fault>> {
        self.reading()?;
        let fault = self.faults.get(&self.operations).copied();
        self.operations += 1;
        if fault == Some(Fault::Fails) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(fault)
    }

    fn stop(&mut self, crashes: bool) -> io::Result<()> {
        self.crashed |= crashes;
        self.reading()
    }

    fn rename(&mut self, from: Option<String>, to: Option<(String, usize)>) {
        let rename = Rename { from, to };
        rename.apply(&mut self.names);
        self.renames.push(rename);
    }
}

/// Input or output error.
const EIO: i32 = 5;

impl Rename {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(from) = &self.from {
            names.remove(from);
        }
        if let Some((to, file)) = &self.to {
            names.insert(to.clone(), *file);
        }
    }
}

impl FileState {
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        put(&mut self.bytes, offset, bytes);
        self.writes.push((offset, bytes.to_vec()));
    }

    /// What a power cut leaves: of each write all, nothing, or any of its sectors.
    fn survives(&self, chance: &mut u64) -> FileState {
        let mut durable = self.durable.clone();
        for (offset, bytes) in &self.writes {
            let how = splitmix(chance) % 3;
            let mut at = 0;
            while at < bytes.len() {
                let sector_end = (*offset as usize + at + 1).next_multiple_of(SECTOR_BYTES);
                let end = (sector_end - *offset as usize).min(bytes.len());
                if how == 0 || how == 1 && chance_of(chance, 2) {
                    put(&mut durable, offset + at as u64, &bytes[at..end]);
                }
                at = end;
            }
        }
        FileState {
            bytes: durable.clone(),
            durable,
            writes: Vec::new(),
            sync_failed: false,
        }
    }
}

fn put(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = offset as usize;
    let end = start + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[start..end].copy_from_slice(bytes);
}

fn chance_of(chance: &mut u64, times: u64) -> bool {
    splitmix(chance).is_multiple_of(times)
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
