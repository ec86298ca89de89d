//! A configuration file changed at one stroke: a reader sees the old one or the new one, and the old one is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::not_changed;
use crate::config::{EditError, LoadOptions, from_text};

/// Changes `file`, unless the new text has faults in `keys`.
pub(super) fn change(
    file: &Path,
    options: &LoadOptions,
    edit: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<(), String> {
    // What a link leads to is changed, not the link.
    let real = fs::canonicalize(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let told = |error: io::Error| format!("{}: {error}", real.display());
    let old = fs::read_to_string(&real).map_err(told)?;
    let new = edit(&old).map_err(|error| not_changed(&error, file))?;
    let label = file.display().to_string();
    let dir = real.parent().unwrap_or(Path::new("."));
    // Faults elsewhere are none of this: the environment of whoever makes keys may lack the providers'.
    if let Err(faults) = from_text(&label, &new, dir, options) {
        let own = faults.iter().find(|it| it.path.starts_with("keys"));
        if let Some(fault) = own {
            return Err(fault.to_string());
        }
    }
    keep(&real, &old).map_err(told)?;
    replace(&real, &new).map_err(told)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    file.with_file_name(name)
}

fn keep(file: &Path, old: &str) -> io::Result<()> {
    put(&beside(file, ".bak"), file, old)
}

fn replace(file: &Path, new: &str) -> io::Result<()> {
    let draft = beside(file, ".new");
    let written = put(&draft, file, new).and_then(|()| fs::rename(&draft, file));
    if written.is_err() {
        // Best effort: the error is what matters.
        let _ = fs::remove_file(&draft);
    }
    written?;
    // The name must outlive a crash, too.
    match file.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// Writes a file with the permissions of `like`: there may be secrets in it.
fn put(path: &Path, like: &Path, text: &str) -> io::Result<()> {
    let permissions = fs::metadata(like)?.permissions();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.set_permissions(permissions)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
