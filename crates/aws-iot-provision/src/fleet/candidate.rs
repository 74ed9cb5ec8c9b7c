use device_identity::Checked;

use super::conflict::Conflicts;
use super::error::EntryError;
use super::intake::Intake;
use super::manifest::{Entry, Manifest};
use crate::device::Device;

/// A device that may be registered, or why it must not be.
#[derive(Debug)]
pub struct Candidate {
    /// Where it stands in the list.
    pub source: String,
    /// The thing's name, as far as it is known.
    pub thing: Option<String>,
    /// The certificate's SHA-256, as far as it is known.
    pub certificate: Option<String>,
    /// The device with what was found to hold.
    pub result: Result<(Device, Checked), EntryError>,
}

/// The devices of a list, in its order.
pub struct Candidates<'a> {
    intake: &'a Intake,
    manifest: &'a Manifest,
    entries: Box<dyn Iterator<Item = Entry> + 'a>,
    /// Place of the next entry in the list.
    next: usize,
    conflicts: Conflicts,
    never_came: Vec<String>,
}

impl Candidate {
    pub(super) fn refused(entry: &Entry, error: EntryError) -> Self {
        Self {
            source: entry.source.clone(),
            thing: entry.thing_name.clone(),
            certificate: None,
            result: Err(error),
        }
    }
}

impl<'a> Candidates<'a> {
    /// Reads each device once, to find those that contradict each other.
    pub(super) fn of(intake: &'a Intake, manifest: &'a Manifest) -> Self {
        let (mut conflicts, expected) = (Conflicts::default(), intake.expectations.as_ref());
        for entry in manifest.entries() {
            let (read, candidate) = intake.read(&entry);
            conflicts.add(read.as_ref(), &candidate, expected.is_some());
        }
        conflicts.compare();
        let never_came = expected.map(|expected| expected.without(|name| conflicts.has_come(name)));
        let (entries, never_came) = (manifest.entries(), never_came.unwrap_or_default());
        Self { intake, manifest, entries, next: 0, conflicts, never_came }
    }

    /// The devices of the list of expectations that are not in this list, each by its names.
    pub fn never_came(&self) -> &[String] {
        &self.never_came
    }
}

impl Iterator for Candidates<'_> {
    type Item = Candidate;

    fn next(&mut self) -> Option<Candidate> {
        let entry = self.entries.next()?;
        let mut candidate = self.intake.take(&entry);
        if candidate.result.is_ok()
            && let Some(error) = self.conflicts.error(self.next, &candidate, self.manifest)
        {
            candidate.result = Err(error);
        }
        self.next += 1;
        Some(candidate)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.manifest.len().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Candidates<'_> {}
