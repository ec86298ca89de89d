//! Files of people, changed at one stroke: a reader sees the old one or the new one, and a crash leaves either.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;

/// Who may read a file of ours that may hold a key: its owner.
const OWNER_ONLY: u32 = 0o600;

/// The file that a path leads to, links followed; the path itself where there is nothing yet.
pub fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// What is in a file; `None` where there is none.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts `text` in the place of a file, with its permissions; a new file is its owner's alone. Directories on the way are
/// made.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = real(path);
    let permissions = fs::metadata(&path).map(|it| it.permissions()).ok();
    write(&path, text, permissions)
}

/// The same for a file of keys: nobody else reads it, whoever could before.
pub fn replace_secret(path: &Path, text: &str) -> io::Result<()> {
    write(&real(path), text, None)
}

/// Whether others than its owner may read a file.
pub fn is_read_by_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o077 != 0)
}

/// Another name beside a file: `config.yaml.bak`.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

fn write(path: &Path, text: &str, permissions: Option<Permissions>) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    fs::create_dir_all(dir)?;
    let draft = beside(path, ".new");
    let written = draw_up(&draft, text, permissions).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // Best effort: the error is what matters.
        let _ = fs::remove_file(&draft);
    }
    written?;
    // The name must outlive a crash, too.
    File::open(dir)?.sync_all()
}

fn draw_up(path: &Path, text: &str, permissions: Option<Permissions>) -> io::Result<()> {
    // What a crash has left behind, or somebody has put there: a link in a repository would lead keys elsewhere.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, OWNER_ONLY);
    let mut file = options.open(path)?;
    file.set_permissions(permissions.unwrap_or_else(|| Permissions::from_mode(OWNER_ONLY)))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_permissions_and_a_new_one_is_its_owners() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let new = dir.path().join("a/b/new");
        replace(&new, "1").unwrap();
        assert_eq!(
            (read(&new).unwrap().as_deref(), mode(&new)),
            (Some("1"), 0o600)
        );
        fs::set_permissions(&new, Permissions::from_mode(0o644)).unwrap();
        replace(&new, "2").unwrap();
        assert_eq!(mode(&new), 0o644);
        replace_secret(&new, "3").unwrap();
        assert_eq!(mode(&new), 0o600);
        let left: Vec<_> = fs::read_dir(new.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no draft is left");
    }

    #[test]
    fn a_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn a_link_where_the_draft_goes_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("file"), dir.path().join("other"));
        fs::write(&other, "tracked").unwrap();
        std::os::unix::fs::symlink(&other, beside(&file, ".new")).unwrap();
        replace(&file, "secret").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "tracked");
        assert_eq!(fs::read_to_string(&file).unwrap(), "secret");
        assert!(!fs::symlink_metadata(&file).unwrap().is_symlink());
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "old").unwrap();
        fs::create_dir(beside(&file, ".new")).unwrap();
        assert!(replace(&file, "new").is_err());
        assert_eq!(read(&file).unwrap().as_deref(), Some("old"));
        assert_eq!(read(&dir.path().join("none")).unwrap(), None);
    }
}
