//! A disk in memory that does what the standard allows a disk to do: until it was synced, any part of a write may be lost,
//! whatever became of the writes before and behind it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use super::super::files::Files;

/// A disk does not tear a sector.
const SECTOR: usize = 512;

/// Random numbers, the same in each run.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The power fails: this call and all later ones do nothing.
    PowerFailure,
    /// The call fails. A sync that fails has written some of it, and the rest never will be.
    Error(io::ErrorKind),
    /// A write takes a part, and the next one fails: the disk is full.
    ShortWrite,
}

#[derive(Clone)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What programs see.
    names: BTreeMap<String, usize>,
    files: Vec<Content>,
    /// What is on stable storage.
    stable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    calls: u64,
    faults: Vec<(u64, Fault)>,
    /// Why nothing can be written.
    no_writes: Option<io::ErrorKind>,
    off: bool,
    random: Option<Random>,
    pub(super) bytes_read: u64,
    syncs: u64,
}

#[derive(Default, Clone)]
struct Content {
    seen: Vec<u8>,
    stable: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

enum NameChange {
    Made(String, usize),
    Removed(String),
    Renamed(String, String),
}

impl Disk {
    pub(super) fn new(seed: u64) -> Self {
        let state = State { random: Some(Random(seed)), ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The call with that number goes wrong, counted from now on.
    pub(super) fn fail(&self, call: u64, fault: Fault) {
        let mut state = self.state();
        let call = state.calls + call;
        state.faults.push((call, fault));
    }

    /// All calls from now on fail.
    pub(super) fn fail_always(&self, kind: io::ErrorKind) {
        self.state().faults = vec![(u64::MAX, Fault::Error(kind))];
    }

    /// Files can be read and not written: the disk is full, or read-only.
    pub(super) fn refuse_writes(&self, kind: io::ErrorKind) {
        self.state().no_writes = Some(kind);
    }

    pub(super) fn repair(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.no_writes = None;
    }

    pub(super) fn calls(&self) -> u64 {
        self.state().calls
    }

    pub(super) fn syncs(&self) -> u64 {
        self.state().syncs
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.state().bytes_read
    }

    pub(super) fn power_failure(&self) {
        self.state().off = true;
    }

    pub(super) fn is_off(&self) -> bool {
        self.state().off
    }

    /// The disk after a power failure; `all_lost`: nothing that was not synced is there, otherwise any part of it.
    pub(super) fn after_power_failure(&self, all_lost: bool) -> Self {
        let mut state = self.state();
        let mut random = state.random.clone().unwrap_or(Random(1));
        let keeps = |random: &mut Random| !all_lost && random.one_in(2);
        let mut names = state.stable_names.clone();
        for change in &state.name_changes {
            if !keeps(&mut random) {
                continue;
            }
            match change {
                NameChange::Made(name, file) => drop(names.insert(name.clone(), *file)),
                NameChange::Removed(name) => drop(names.remove(name)),
                NameChange::Renamed(from, to) => {
                    if let Some(file) = names.remove(from) {
                        names.insert(to.clone(), file);
                    }
                }
            }
        }
        let mut files = std::mem::take(&mut state.files);
        for file in &mut files {
            for (offset, bytes) in std::mem::take(&mut file.unsynced) {
                if !all_lost {
                    put_some(&mut file.stable, offset, &bytes, &mut random);
                }
            }
            file.seen = file.stable.clone();
        }
        let stable_names = names.clone();
        let after = State { names, stable_names, files, random: Some(random), ..State::default() };
        Self(Arc::new(Mutex::new(after)))
    }

    /// The same content, as another disk.
    pub(super) fn copy(&self) -> Self {
        let state = self.state();
        let files = state.files.iter().map(|file| Content {
            seen: file.seen.clone(),
            stable: file.seen.clone(),
            unsynced: Vec::new(),
        });
        let (files, names) = (files.collect(), state.names.clone());
        let copy = State {
            stable_names: names.clone(),
            names,
            files,
            random: state.random.clone(),
            ..State::default()
        };
        Self(Arc::new(Mutex::new(copy)))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// Changes a file behind the program's back.
    pub(super) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.names[name];
        change(&mut state.files[file].seen);
        state.files[file].stable = state.files[file].seen.clone();
    }

    pub(super) fn length_of(&self, name: &str) -> usize {
        let state = self.state();
        state.files[state.names[name]].seen.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The state, unless this call goes wrong.
    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        match self.fault()? {
            (state, None) => Ok(state),
            (_, Some(_)) => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    /// The same, for a call that changes something.
    fn change_call(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.call()?;
        state.no_writes.map_or(Ok(state), |kind| Err(kind.into()))
    }

    fn fault(&self) -> io::Result<(MutexGuard<'_, State>, Option<Fault>)> {
        let mut state = self.state();
        let call = state.calls;
        state.calls += 1;
        if state.off {
            return Err(io::Error::other("the power is off"));
        }
        let fault =
            state.faults.iter().find(|(at, _)| *at == call || *at == u64::MAX).map(|(_, fault)| *fault);
        match fault {
            Some(Fault::PowerFailure) => {
                state.off = true;
                Err(io::Error::other("the power fails"))
            }
            Some(Fault::Error(kind)) => Err(kind.into()),
            other => Ok((state, other)),
        }
    }
}

/// Writes some of the sectors, or all, or none.
fn put_some(content: &mut Vec<u8>, offset: usize, bytes: &[u8], random: &mut Random) {
    let how = random.below(4);
    let mut at = 0;
    while at < bytes.len() {
        let end = ((offset + at) / SECTOR + 1) * SECTOR - offset;
        let end = end.min(bytes.len());
        if how == 0 || (how > 1 && random.one_in(2)) {
            put(content, offset + at, &bytes[at..end]);
        }
        at = end;
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if content.len() < offset + bytes.len() {
        content.resize(offset + bytes.len(), 0);
    }
    content[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl Files for Disk {
    type File = usize;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.call()?.names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<usize> {
        self.call()?.names.get(name).copied().ok_or(io::ErrorKind::NotFound.into())
    }

    fn open_to_write(&self, name: &str) -> io::Result<usize> {
        let mut state = self.call()?;
        match (state.names.get(name), state.no_writes) {
            (_, Some(kind @ io::ErrorKind::ReadOnlyFilesystem)) => return Err(kind.into()),
            // A full disk lets files be opened that are there.
            (Some(file), _) => return Ok(*file),
            (None, Some(kind)) => return Err(kind.into()),
            (None, None) => {}
        }
        let file = state.files.len();
        state.files.push(Content::default());
        state.names.insert(name.to_owned(), file);
        state.name_changes.push(NameChange::Made(name.to_owned(), file));
        Ok(file)
    }

    fn length(&self, file: &usize) -> io::Result<u64> {
        Ok(self.call()?.files[*file].seen.len() as u64)
    }

    fn read_at(&self, file: &usize, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.call()?;
        let content = &state.files[*file].seen;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        state.bytes_read += count as u64;
        Ok(count)
    }

    fn write_at(&self, file: &usize, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let (mut state, fault) = self.fault()?;
        if let Some(kind) = state.no_writes {
            return Err(kind.into());
        }
        let count = if fault.is_some() { bytes.len() / 2 } else { bytes.len() };
        if fault.is_some() {
            let next = state.calls;
            state.faults.push((next, Fault::Error(io::ErrorKind::StorageFull)));
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let content = &mut state.files[*file];
        put(&mut content.seen, offset as usize, &bytes[..count]);
        content.unsynced.push((offset as usize, bytes[..count].to_vec()));
        Ok(count)
    }

    fn truncate(&self, file: &usize, length: u64) -> io::Result<()> {
        let mut state = self.change_call()?;
        let content = &mut state.files[*file];
        content.seen.truncate(length as usize);
        // The bytes behind it may be there again after a power failure.
        Ok(())
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        let result = self.fault();
        let failed = !matches!(result, Ok((_, None)));
        drop(result);
        let mut state = self.state();
        if state.off {
            return Err(io::Error::other("the power is off"));
        }
        let mut random = state.random.clone().unwrap();
        let content = &mut state.files[*file];
        for (offset, bytes) in std::mem::take(&mut content.unsynced) {
            if failed {
                // Linux takes the rest for written: the next sync does not bring it back.
                put_some(&mut content.stable, offset, &bytes, &mut random);
            } else {
                put(&mut content.stable, offset, &bytes);
            }
        }
        state.random = Some(random);
        state.syncs += 1;
        if failed { Err(io::Error::other("input/output error")) } else { Ok(()) }
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.call()?;
        state.stable_names = state.names.clone();
        state.name_changes.clear();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.change_call()?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        state.name_changes.push(NameChange::Renamed(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.change_call()?;
        state.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        state.name_changes.push(NameChange::Removed(name.to_owned()));
        Ok(())
    }
}
