//! How files look from outside: enough to tell that one was written, replaced, or that a link on its way was turned.
//! Looking costs a few system calls and, unlike notifications of the kernel, works on every kind of mount.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    /// Where all links lead: a ConfigMap turns one of them.
    target: PathBuf,
    /// An editor writes a new file in place of the old one.
    inode: u64,
    bytes: u64,
    /// When its content or its permissions changed last: seconds and nanoseconds.
    changed: (i64, i64),
}

/// Some files; those that are not there have no stamp.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

impl Stamps {
    /// How `files` look now.
    pub fn of(files: &BTreeSet<PathBuf>) -> Self {
        Stamps(
            files
                .iter()
                .map(|file| (file.clone(), look(file)))
                .collect(),
        )
    }

    /// How the same files look now.
    pub fn again(&self) -> Self {
        Stamps(
            self.0
                .keys()
                .map(|file| (file.clone(), look(file)))
                .collect(),
        )
    }

    /// These for `files`, those of `earlier` where it has them: a file that was written while it was read has to look
    /// changed afterwards.
    pub fn with(mut self, earlier: Stamps) -> Self {
        for (file, stamp) in earlier.0 {
            if let Some(place) = self.0.get_mut(&file) {
                *place = stamp;
            }
        }
        self
    }
}

fn look(file: &Path) -> Option<Stamp> {
    let target = file.canonicalize().ok()?;
    let facts: Metadata = target.metadata().ok()?;
    Some(Stamp {
        inode: facts.ino(),
        bytes: facts.len(),
        changed: (facts.ctime(), facts.ctime_nsec()),
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn whatever_happens_to_a_file_shows() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        let stamps = Stamps::of(&BTreeSet::from([file.clone()]));
        assert_eq!(stamps.again(), stamps);

        fs::write(&file, "a: 1").unwrap();
        let created = stamps.again();
        assert_ne!(created, stamps);
        fs::write(&file, "a: 12").unwrap();
        let written = created.again();
        assert_ne!(written, created);
        // As editors do, with the very same text.
        fs::write(dir.path().join("new"), "a: 12").unwrap();
        fs::rename(dir.path().join("new"), &file).unwrap();
        let replaced = written.again();
        assert_ne!(replaced, written);
        fs::remove_file(&file).unwrap();
        assert_eq!(replaced.again(), stamps);
    }

    #[test]
    fn a_link_that_is_turned_shows() {
        let dir = tempfile::tempdir().unwrap();
        for version in ["one", "two"] {
            fs::create_dir(dir.path().join(version)).unwrap();
            fs::write(dir.path().join(version).join("config.yaml"), "a: 1").unwrap();
        }
        symlink("one", dir.path().join("data")).unwrap();
        symlink("data/config.yaml", dir.path().join("config.yaml")).unwrap();
        let before = Stamps::of(&BTreeSet::from([dir.path().join("config.yaml")]));
        symlink("two", dir.path().join("next")).unwrap();
        fs::rename(dir.path().join("next"), dir.path().join("data")).unwrap();
        assert_ne!(before.again(), before);
    }
}
