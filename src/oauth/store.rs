//! The encrypted file that accounts are kept in, and its copy in memory.
//!
//! Several processes may use one file: the old and the new one of an upgrade, and `pointsman login`. Each change reads
//! the file under a lock, and replaces it whole. A file that cannot be read is left as it is, for it may be all there is
//! of somebody's refresh tokens. All of this blocks on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use thiserror::Error;
use zeroize::Zeroizing;

use super::book::Book;
use super::pkce;
use super::seal::{self, Unsealed};
use crate::config::OAuthStore;
use crate::types::Secret;

/// Largest file that is read, bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Longest wait for another process that has the lock, and between two tries.
const LOCK: (Duration, Duration) = (Duration::from_secs(5), Duration::from_millis(10));
/// Who may read what is written here.
const OWNER_ONLY: u32 = 0o600;

/// Why the store cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreError {
    /// The system says no.
    #[error("the OAuth store {path} cannot be {done}: {why}")]
    File {
        /// Which file.
        path: String,
        /// What was tried.
        done: &'static str,
        /// In the system's words.
        why: String,
    },
    /// It is no file of ours.
    #[error("{0} is no OAuth store; give another `oauth.store.path`, or move that file away")]
    Foreign(String),
    /// The key does not fit, or the file was changed.
    #[error(
        "the OAuth store {0} does not open: the key is another one, or the file is damaged; give the key it was \
         written with, or move the file away and sign in again"
    )]
    Refused(String),
    /// The file is there and its key is not.
    #[error(
        "the OAuth store {0} is there, but its key {0}.key is not; put it back, or move the store away and sign in again"
    )]
    KeyGone(String),
    /// Another process holds the lock.
    #[error("the OAuth store {0} is in use by another process that does not let go of it")]
    Locked(String),
    /// No random numbers.
    #[error("the system has no randomness")]
    NoRandomness,
}

/// How a file looked when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    node: u64,
}

/// What a file held, and how it looked.
type Found = (Zeroizing<Vec<u8>>, Stamp);

/// Accounts and logins, in memory and on disk.
pub(super) struct Store {
    /// `None` keeps them in memory only.
    file: Option<PathBuf>,
    key: Option<Secret>,
    state: Mutex<State>,
    /// Held by who reads or writes the file.
    turn: Mutex<()>,
}

#[derive(Default)]
struct State {
    book: Book,
    stamp: Option<Stamp>,
    /// The last change could not be written: memory knows more than the file.
    unsaved: bool,
    trouble: Option<StoreError>,
    /// Counts changes.
    version: u64,
}

impl Store {
    /// The store of `settings`, read; what is wrong with it, [`Store::trouble`] tells.
    pub fn open(settings: &OAuthStore) -> Store {
        let store = Store {
            file: settings.path.clone(),
            key: settings.key.clone(),
            state: Mutex::default(),
            turn: Mutex::default(),
        };
        store.look();
        store
    }

    /// What it holds, as it is known here. Short: a lock is held.
    pub fn with<T>(&self, ask: impl FnOnce(&Book) -> T) -> T {
        ask(&self.state.lock().book)
    }

    /// What is wrong with it, if anything is.
    pub fn trouble(&self) -> Option<StoreError> {
        self.state.lock().trouble.clone()
    }

    /// How often it has changed.
    pub fn version(&self) -> u64 {
        self.state.lock().version
    }

    /// Whether it outlives the process.
    pub fn is_lasting(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the file again if it has changed, and writes what could not be written before.
    pub fn look(&self) {
        let Some(file) = &self.file else { return };
        let unsaved = self.state.lock().unsaved;
        if unsaved {
            let _ = self.update(|_| ());
            return;
        }
        let stamp = stamp(file);
        let seen = self.state.lock().stamp;
        if stamp == seen && (stamp.is_some() || self.trouble().is_none()) {
            return;
        }
        let _turn = self.turn.lock();
        // No lock on the file: it is replaced whole, and read at once.
        let read = self.read(file);
        let mut state = self.state.lock();
        match read {
            Ok((book, stamp)) => state.learn(book, stamp),
            Err(error) => {
                state.stamp = stamp;
                state.trouble = Some(error);
            }
        }
    }

    /// Changes what it holds, and writes it down before anybody knows. A change that cannot be written stays in memory
    /// and is written later: what a server has given once, it does not give again.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or locked; nothing has changed then.
    pub fn update<T>(&self, change: impl FnOnce(&mut Book) -> T) -> Result<T, StoreError> {
        let _turn = self.turn.lock();
        let Some(file) = &self.file else {
            let mut state = self.state.lock();
            let mut book = state.book.clone();
            let result = change(&mut book);
            state.learn(book, None);
            return Ok(result);
        };
        let updated = self.update_file(file, change);
        if let Err(error) = &updated {
            self.state.lock().trouble = Some(error.clone());
        }
        updated
    }

    fn update_file<T>(
        &self,
        file: &Path,
        change: impl FnOnce(&mut Book) -> T,
    ) -> Result<T, StoreError> {
        make_directory(file)?;
        let _lock = lock(file)?;
        let (was, was_unsaved) = {
            let state = self.state.lock();
            (state.book.clone(), state.unsaved)
        };
        let (before, seen) = if was_unsaved {
            (was, None)
        } else {
            self.read(file)?
        };
        let mut book = before.clone();
        let result = change(&mut book);
        if book == before && !was_unsaved {
            self.state.lock().learn(book, seen);
            return Ok(result);
        }
        let written = self.write(file, &book);
        let mut state = self.state.lock();
        match written {
            Ok(stamp) => state.learn(book, stamp),
            Err(error) => {
                if state.trouble.as_ref() != Some(&error) {
                    log::error!("{error}; accounts are kept in memory until it can be written");
                }
                state.learn(book, seen);
                (state.unsaved, state.trouble) = (true, Some(error));
            }
        }
        Ok(result)
    }

    fn read(&self, file: &Path) -> Result<(Book, Option<Stamp>), StoreError> {
        let Some((sealed, stamp)) = bytes_of(file, "read")? else {
            return Ok((Book::default(), None));
        };
        let name = || file.display().to_string();
        let key = match &self.key {
            Some(key) => key.clone(),
            None => key_beside(file)?.ok_or_else(|| StoreError::KeyGone(name()))?,
        };
        let plain = seal::open(&key, &sealed).map_err(|why| match why {
            Unsealed::Foreign => StoreError::Foreign(name()),
            Unsealed::Refused => StoreError::Refused(name()),
        })?;
        let book = serde_json::from_slice(&plain).map_err(|_| StoreError::Refused(name()))?;
        Ok((book, Some(stamp)))
    }

    /// Replaces the file.
    fn write(&self, file: &Path, book: &Book) -> Result<Option<Stamp>, StoreError> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => match key_beside(file)? {
                Some(key) => key,
                None => make_key(file)?,
            },
        };
        let plain = serde_json::to_vec(book).map(Zeroizing::new);
        let plain = plain.map_err(|why| failed(file, "written")(why.into()))?;
        let sealed = seal::seal(&key, &plain).ok_or(StoreError::NoRandomness)?;
        replace(file, &sealed)?;
        Ok(stamp(file))
    }
}

impl State {
    fn learn(&mut self, book: Book, stamp: Option<Stamp>) {
        if self.book != book {
            self.book = book;
            self.version += 1;
        }
        self.stamp = stamp;
        (self.unsaved, self.trouble) = (false, None);
    }
}

fn failed(path: &Path, done: &'static str) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.display().to_string();
    move |error| StoreError::File {
        path,
        done,
        why: error.kind().to_string(),
    }
}

/// The file with something behind its name.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn stamp_of(meta: &fs::Metadata) -> Stamp {
    Stamp {
        modified: meta.modified().ok(),
        length: meta.len(),
        node: meta.ino(),
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    fs::metadata(file).ok().as_ref().map(stamp_of)
}

fn make_directory(file: &Path) -> Result<(), StoreError> {
    let Some(dir) = file.parent().filter(|it| !it.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(dir).map_err(failed(dir, "created"))
}

/// Holds the lock of a store; the system lets go of it when the process ends, however it ends.
fn lock(file: &Path) -> Result<File, StoreError> {
    let path = beside(file, ".lock");
    let mut options = OpenOptions::new();
    let opened = options
        .create(true)
        .truncate(false)
        .write(true)
        .mode(OWNER_ONLY)
        .open(&path)
        .map_err(failed(&path, "opened"))?;
    let mut waited = Duration::ZERO;
    loop {
        match opened.try_lock() {
            Ok(()) => return Ok(opened),
            Err(fs::TryLockError::WouldBlock) if waited < LOCK.0 => {
                std::thread::sleep(LOCK.1);
                waited += LOCK.1;
            }
            Err(fs::TryLockError::WouldBlock) => {
                return Err(StoreError::Locked(file.display().to_string()));
            }
            Err(fs::TryLockError::Error(error)) => return Err(failed(&path, "locked")(error)),
        }
    }
}

/// What a file holds; nothing where there is none. One that others may read is closed to them.
fn bytes_of(path: &Path, done: &'static str) -> Result<Option<Found>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, done)(error)),
    };
    let meta = file.metadata().map_err(failed(path, done))?;
    if meta.permissions().mode() & 0o077 != 0 {
        log::warn!(
            "{} could be read by others; it is closed to them now",
            path.display()
        );
        let _ = file.set_permissions(fs::Permissions::from_mode(OWNER_ONLY));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(failed(path, done))?;
    Ok(Some((bytes, stamp_of(&meta))))
}

/// The key that was made for a store.
fn key_beside(file: &Path) -> Result<Option<Secret>, StoreError> {
    let Some((bytes, _)) = bytes_of(&beside(file, ".key"), "read")? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    Ok((!text.is_empty()).then(|| Secret::new(text.to_owned())))
}

/// Makes a key for a store that has none.
fn make_key(file: &Path) -> Result<Secret, StoreError> {
    if file.exists() {
        return Err(StoreError::KeyGone(file.display().to_string()));
    }
    let key = pkce::random_word().ok_or(StoreError::NoRandomness)?;
    replace(&beside(file, ".key"), key.expose().as_bytes())?;
    Ok(key)
}

/// Writes a file beside the old one, and puts it in its place once it is on the disk.
fn replace(file: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let new = beside(file, ".new");
    // What a crash has left there.
    let _ = fs::remove_file(&new);
    let write = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        let mut opened = options
            .write(true)
            .create_new(true)
            .mode(OWNER_ONLY)
            .open(&new)?;
        opened.write_all(bytes)?;
        opened.sync_all()?;
        fs::rename(&new, file)?;
        let dir = file.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&new);
        failed(file, "written")(error)
    })
}

#[cfg(test)]
mod tests;
