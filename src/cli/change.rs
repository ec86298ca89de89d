//! A configuration file changed at one stroke: who reads it sees the old one or the new one, a crash on the way leaves
//! the old one, and the last versions are kept beside it. Two editors take turns; what somebody else writes meanwhile is
//! not lost. An edit that would make a good file bad is refused.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::{Config, ConfigFault, EditError, LoadOptions, Provider, from_text};

/// Versions that are kept: `FILE.bak`, the last one, and `FILE.bak.1` to `FILE.bak.4` before it.
const KEPT: usize = 5;
/// How long another editor is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks whether it is done.
const LOOK: Duration = Duration::from_millis(20);

/// Why a file is as it was.
#[derive(Debug)]
pub enum NotChanged {
    /// The edit cannot be made.
    Edit(EditError),
    /// It would make the file bad.
    Faults(Vec<ConfigFault>),
    /// It cannot be read as text.
    NotText,
    /// Another editor is at it and does not finish.
    Busy,
    /// Somebody has changed it meanwhile.
    Moved,
    /// The system refuses.
    System(io::Error),
}

/// What a change came to.
#[derive(Debug)]
pub struct Changed {
    /// The file as it was; `None` where there was none, or nothing was to be changed.
    pub backup: Option<PathBuf>,
    /// What is still missing for the file to serve anybody.
    pub unfinished: Vec<ConfigFault>,
}

/// What an edit may do.
#[derive(Clone, Copy, Default)]
pub struct May<'m> {
    /// Make a file that is not there, out of this text.
    pub create: Option<&'m str>,
    /// Leave a file that serves nobody.
    pub empty: bool,
}

/// Changes `file` as `edit` says.
pub fn change(
    file: &Path,
    options: &LoadOptions,
    may: May<'_>,
    edit: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<Changed, NotChanged> {
    // What a link leads to is changed, not the link.
    let real = match (fs::canonicalize(file), may.create) {
        (Ok(real), _) => real,
        (Err(error), Some(fresh)) if error.kind() == ErrorKind::NotFound => {
            return create(file, options, fresh, edit);
        }
        (Err(error), _) => return Err(NotChanged::System(error)),
    };
    let _turn = turn(&real)?;
    let old = fs::read(&real).map_err(NotChanged::System)?;
    let text = std::str::from_utf8(&old).map_err(|_| NotChanged::NotText)?;
    let new = edit(text).map_err(NotChanged::Edit)?;
    let unfinished = judge(file, (Some(text), &new), may, options)?;
    if new.as_bytes() == old {
        return Ok(Changed {
            backup: None,
            unfinished,
        });
    }
    let like = fs::metadata(&real).map_err(NotChanged::System)?;
    let draft = Draft::write(&real, ".new", new.as_bytes(), Some(&like))?;
    let kept = Draft::write(&real, ".bak.new", &old, Some(&like))?;
    if fs::read(&real).map_err(NotChanged::System)? != old {
        return Err(NotChanged::Moved);
    }
    // First the file: an edit that fails must not use up the versions that are kept.
    draft.become_file(&real).map_err(NotChanged::System)?;
    Ok(Changed {
        backup: shift(&real, kept).ok(),
        unfinished,
    })
}

/// A file that is not there yet; it holds keys, so nobody else may read it.
fn create(
    file: &Path,
    options: &LoadOptions,
    fresh: &str,
    edit: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<Changed, NotChanged> {
    let new = edit(fresh).map_err(NotChanged::Edit)?;
    let unfinished = judge(file, (None, &new), May::default(), options)?;
    // There is nothing to lock yet: each has a draft of its own.
    let ending = format!(".new.{}", std::process::id());
    let draft = Draft::write(file, &ending, new.as_bytes(), None)?;
    match fs::hard_link(&draft.path, file) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(NotChanged::Moved),
        Err(error) => return Err(NotChanged::System(error)),
    }
    drop(draft);
    sync_dir(file);
    Ok(Changed {
        backup: None,
        unfinished,
    })
}

/// The file, locked: the one that is there now, for another editor may just have put a new one in its place.
fn turn(file: &Path) -> Result<File, NotChanged> {
    let until = Instant::now() + PATIENCE;
    loop {
        // Over NFS only who may write may lock.
        let writing = OpenOptions::new().read(true).write(true).open(file);
        let open = writing
            .or_else(|_| File::open(file))
            .map_err(NotChanged::System)?;
        match open.try_lock() {
            Ok(()) => {
                let same =
                    |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
                let mine = open.metadata().map_err(NotChanged::System)?;
                let there = fs::metadata(file).map_err(NotChanged::System)?;
                if same(&mine, &there) {
                    return Ok(open);
                }
            }
            Err(TryLockError::WouldBlock) if until < Instant::now() => {
                return Err(NotChanged::Busy);
            }
            Err(TryLockError::WouldBlock) => thread::sleep(LOOK),
            // Some file systems know no locks; what somebody has saved meanwhile is still seen before the end.
            Err(TryLockError::Error(_)) => return Ok(open),
        }
    }
}

/// Refuses a text with faults that the old one had not. Where nobody could be served before, what is still missing for
/// that is no fault of the edit: it is given back.
fn judge(
    file: &Path,
    (old, new): (Option<&str>, &str),
    may: May<'_>,
    options: &LoadOptions,
) -> Result<Vec<ConfigFault>, NotChanged> {
    let label = file.display().to_string();
    // As the loader does it: `.env` and relative paths are those beside the name, be it a link.
    let loaded = |text: &str| from_text(&label, text, dir_of(file), options);
    let Err(faults) = loaded(new) else {
        return Ok(Vec::new());
    };
    let before = old.filter(|it| !it.trim().is_empty()).map(loaded);
    let served = |it: &Config| it.providers.iter().any(Provider::is_active);
    let (known, idle) = match before {
        None => (Vec::new(), true),
        Some(Ok(config)) => (Vec::new(), !served(&config)),
        Some(Err(faults)) => (faults, true),
    };
    let is_new = |it: &ConfigFault| !known.iter().any(|old| same_fault(old, it));
    let (unfinished, told): (Vec<_>, Vec<_>) = faults
        .into_iter()
        .filter(is_new)
        .partition(|it| (idle || may.empty) && is_unfinished(it));
    if told.is_empty() {
        Ok(unfinished)
    } else {
        Err(NotChanged::Faults(told))
    }
}

/// Places in lists shift when others come and go.
fn same_fault(a: &ConfigFault, b: &ConfigFault) -> bool {
    let without_places = |path: &str| -> String {
        let parts = path.split('[');
        let tails = parts.map(|it| it.split_once(']').map_or(it, |it| it.1));
        tails.collect()
    };
    (&a.value, &a.remedy) == (&b.value, &b.remedy)
        && without_places(&a.path) == without_places(&b.path)
}

/// Nobody to ask yet, or nobody with a key.
fn is_unfinished(fault: &ConfigFault) -> bool {
    let is_empty = fault.path.is_empty() && fault.remedy.starts_with("is empty");
    is_empty
        || matches!(fault.path.as_str(), "providers" | "upstream")
        || ["].auth_value", "].apiKeys"]
            .iter()
            .any(|it| fault.path.ends_with(it))
}

/// A file that is written beside another one, and gone if nothing comes of it.
struct Draft {
    path: PathBuf,
    done: bool,
}

impl Draft {
    /// Writes all of it to the disk, with the permissions and the owner of the file it is to replace.
    fn write(
        file: &Path,
        ending: &str,
        bytes: &[u8],
        like: Option<&fs::Metadata>,
    ) -> Result<Self, NotChanged> {
        let draft = Draft {
            path: beside(file, ending),
            done: false,
        };
        draft.fill(bytes, like).map_err(NotChanged::System)?;
        Ok(draft)
    }

    fn fill(&self, bytes: &[u8], like: Option<&fs::Metadata>) -> io::Result<()> {
        // What a crash has left behind. A link there leads nowhere: the file is made anew.
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)?;
        if let Some(like) = like {
            let own = file.metadata()?;
            if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
                std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()))?;
            }
            file.set_permissions(like.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn become_file(mut self, file: &Path) -> io::Result<()> {
        fs::rename(&self.path, file)?;
        self.done = true;
        sync_dir(file);
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.done {
            // Best effort: the next edit takes it away otherwise.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the last version `FILE.bak`, and the versions before it one older.
fn shift(file: &Path, kept: Draft) -> io::Result<PathBuf> {
    let version = |age: usize| match age {
        0 => beside(file, ".bak"),
        _ => beside(file, &format!(".bak.{age}")),
    };
    for age in (0..KEPT - 1).rev() {
        match fs::rename(version(age), version(age + 1)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let last = version(0);
    kept.become_file(&last)?;
    Ok(last)
}

/// Names are to outlive a crash, too. Some file systems cannot promise it; what was written stands all the same.
fn sync_dir(file: &Path) {
    let _ = File::open(dir_of(file)).and_then(|it| it.sync_all());
}

fn dir_of(file: &Path) -> &Path {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    file.with_file_name(name)
}
