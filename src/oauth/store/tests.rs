//! The file: what is found in it again, who may read it, and what becomes of one that cannot be read.

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::oauth::turn::sample::account;

fn settings(dir: &TempDir, key: Option<&str>) -> OAuthStore {
    OAuthStore {
        path: Some(dir.path().join("data/store")),
        key: key.map(|it| Secret::new(it.to_owned())),
    }
}

fn emails(store: &Store) -> Vec<String> {
    store.with(|book| book.accounts.iter().map(|it| it.email.clone()).collect())
}

fn add(store: &Store, email: &str) -> Result<(), StoreError> {
    store.update(|book| book.keep(account(email)))
}

#[test]
fn what_is_kept_is_found_again_by_its_owner_only() {
    let dir = TempDir::new().unwrap();
    let settings = settings(&dir, None);
    let store = Store::open(&settings);
    assert!(!dir.path().join("data").exists(), "looking makes nothing");
    add(&store, "a@b.c").unwrap();
    assert_eq!(emails(&Store::open(&settings)), ["a@b.c"]);
    for name in ["store", "store.key", "store.lock"] {
        let meta = fs::metadata(dir.path().join("data").join(name)).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o600, "{name}");
    }
    let sealed = fs::read(dir.path().join("data/store")).unwrap();
    assert!(!sealed.windows(5).any(|it| it == b"a@b.c"));
}

#[test]
fn a_file_that_others_may_read_is_closed_to_them() {
    let dir = TempDir::new().unwrap();
    let settings = settings(&dir, None);
    add(&Store::open(&settings), "a@b.c").unwrap();
    let path = dir.path().join("data/store");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(emails(&Store::open(&settings)), ["a@b.c"]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn what_cannot_be_read_is_told_and_left_alone() {
    let key = "0123456789abcdef0123456789abcdef";
    let dir = TempDir::new().unwrap();
    add(&Store::open(&settings(&dir, Some(key))), "a@b.c").unwrap();
    let path = dir.path().join("data/store");
    let whole = fs::read(&path).unwrap();
    let torn = whole[..whole.len() / 2].to_vec();
    let mut changed = whole.clone();
    changed[60] ^= 1;
    let name = path.display().to_string();
    for (file, key, expected) in [
        (
            whole.clone(),
            Some("another key of thirty-two letters"),
            StoreError::Refused(name.clone()),
        ),
        (whole.clone(), None, StoreError::KeyGone(name.clone())),
        (torn, Some(key), StoreError::Refused(name.clone())),
        (changed, Some(key), StoreError::Refused(name.clone())),
        (b"{}".to_vec(), Some(key), StoreError::Foreign(name.clone())),
        (Vec::new(), Some(key), StoreError::Foreign(name.clone())),
    ] {
        fs::write(&path, &file).unwrap();
        let store = Store::open(&settings(&dir, key));
        assert_eq!(store.trouble(), Some(expected.clone()));
        assert_eq!(add(&store, "b@b.c"), Err(expected.clone()));
        assert_eq!(fs::read(&path).unwrap(), file, "{expected}");
    }
    // It is whole again: nothing has to be started anew.
    let store = Store::open(&settings(&dir, Some(key)));
    fs::write(&path, &whole).unwrap();
    store.look();
    assert_eq!(
        (store.trouble(), emails(&store)),
        (None, vec!["a@b.c".to_owned()])
    );
}

#[test]
fn what_a_crash_left_behind_is_in_nobodys_way() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&settings(&dir, None));
    add(&store, "a@b.c").unwrap();
    fs::write(dir.path().join("data/store.new"), b"half of it").unwrap();
    assert_eq!(emails(&Store::open(&settings(&dir, None))), ["a@b.c"]);
    add(&store, "b@b.c").unwrap();
    assert!(!dir.path().join("data/store.new").exists());
    assert_eq!(
        emails(&Store::open(&settings(&dir, None))),
        ["a@b.c", "b@b.c"]
    );
}

#[test]
fn a_change_that_cannot_be_written_is_kept_and_written_later() {
    let dir = TempDir::new().unwrap();
    let settings = settings(&dir, None);
    let store = Store::open(&settings);
    add(&store, "a@b.c").unwrap();
    // No file can be put in the place of a directory that is not empty.
    let path = dir.path().join("data/store");
    let aside = dir.path().join("aside");
    let in_the_way = path.join("x");
    let block = || {
        fs::rename(&path, &aside).unwrap();
        fs::create_dir_all(&in_the_way).unwrap();
    };
    let changed = store.update(|book| {
        block();
        book.keep(account("b@b.c"));
    });
    assert_eq!(changed, Ok(()));
    assert!(matches!(store.trouble(), Some(StoreError::File { .. })));
    assert_eq!(emails(&store), ["a@b.c", "b@b.c"]);
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    store.look();
    assert_eq!(store.trouble(), None);
    assert_eq!(emails(&Store::open(&settings)), ["a@b.c", "b@b.c"]);
}

#[test]
fn many_writers_lose_nothing() {
    let dir = TempDir::new().unwrap();
    let settings = Arc::new(settings(&dir, None));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let settings = Arc::clone(&settings);
            // A store each, as processes have.
            scope.spawn(move || {
                let store = Store::open(&settings);
                for number in 0..5 {
                    add(&store, &format!("{writer}-{number}")).unwrap();
                }
            });
        }
    });
    assert_eq!(emails(&Store::open(&settings)).len(), 20);
}

#[test]
fn what_another_process_has_written_is_seen() {
    let dir = TempDir::new().unwrap();
    let settings = settings(&dir, None);
    let (one, two) = (Store::open(&settings), Store::open(&settings));
    let before = two.version();
    add(&one, "a@b.c").unwrap();
    two.look();
    assert_eq!(emails(&two), ["a@b.c"]);
    assert!(before < two.version());
    let seen = two.version();
    two.look();
    assert_eq!(two.version(), seen);
}

#[test]
fn in_memory_nothing_is_written() {
    let store = Store::open(&OAuthStore::default());
    add(&store, "a@b.c").unwrap();
    assert!(emails(&store) == ["a@b.c"] && !store.is_lasting());
}
