//! Bodies into files: credentials out, for nobody else to read, the oldest go.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memchr::memmem;

use super::Part;
use crate::config::Capture;
use crate::telemetry::redact::redact;
use crate::types::Secret;

/// What stands in the place of a secret.
const BLACK: &[u8] = b"***";
/// What stands behind a body of which there is more.
const CUT: &[u8] = b"\n[cut here: settings.capture.max_body_bytes]\n";
/// Nobody but the owner enters the directory.
const DIRECTORY_MODE: u32 = 0o700;
/// And nobody else reads a file.
const FILE_MODE: u32 = 0o600;
/// The rights of everyone but the owner.
const OTHERS: u32 = 0o077;
/// Time between two complaints about a directory that cannot be used.
const COMPLAIN_AFTER: Duration = Duration::from_secs(60);

/// Writes the files of one directory.
#[derive(Default)]
pub(super) struct Writer {
    directory: PathBuf,
    /// Our files in it with their sizes, the oldest first.
    files: VecDeque<(String, u64)>,
    complained: Option<Instant>,
}

impl Writer {
    /// Writes one file; whether it is there now.
    pub(super) fn write(
        &mut self,
        settings: &Capture,
        name: &str,
        bytes: &[u8],
        secrets: &[Secret],
    ) -> bool {
        let text = clean(bytes, secrets, settings.max_body_bytes);
        match self.try_write(settings, name, &text) {
            Ok(()) => true,
            Err(error) => {
                self.complain(&settings.directory, &error);
                false
            }
        }
    }

    fn try_write(&mut self, settings: &Capture, name: &str, text: &[u8]) -> io::Result<()> {
        self.enter(&settings.directory)?;
        let path = self.directory.join(name);
        let mut options = OpenOptions::new();
        // New: neither a file that is there nor one that a link leads to is written over.
        options.write(true).create_new(true).mode(FILE_MODE);
        let written = options
            .open(&path)
            .and_then(|mut file| file.write_all(text));
        if let Err(error) = written {
            // Half of it would pass for all of it. Where it was not made, there is nothing to remove.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.files.push_back((name.to_owned(), size));
        self.bound(settings);
        Ok(())
    }

    /// Makes the directory, or looks at the one that is there.
    fn enter(&mut self, directory: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(DIRECTORY_MODE);
        builder.create(directory)?;
        let mode = fs::metadata(directory)?.permissions().mode();
        if mode & OTHERS != 0 {
            let text = format!("others may enter it (mode {:03o}): chmod 700", mode & 0o777);
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        if self.directory != directory {
            self.files = ours(directory)?;
            directory.clone_into(&mut self.directory);
        }
        Ok(())
    }

    /// Removes the oldest files beyond the limits.
    fn bound(&mut self, settings: &Capture) {
        let most = u64::try_from(settings.max_bytes).unwrap_or(u64::MAX);
        let mut bytes: u64 = self.files.iter().map(|it| it.1).sum();
        while settings.max_files < self.files.len() || most < bytes {
            let Some((name, size)) = self.files.pop_front() else {
                return;
            };
            bytes -= size;
            // One that somebody has taken away is gone as well.
            let _ = fs::remove_file(self.directory.join(name));
        }
    }

    fn complain(&mut self, directory: &Path, error: &io::Error) {
        if self
            .complained
            .is_some_and(|at| at.elapsed() < COMPLAIN_AFTER)
        {
            return;
        }
        self.complained = Some(Instant::now());
        log::warn!(path:% = directory.display(), error:%; "bodies cannot be captured there");
    }
}

/// The files in it that are ours; no other is ever removed.
fn ours(directory: &Path) -> io::Result<VecDeque<(String, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let metadata = entry.metadata()?;
        if metadata.is_file() && is_ours(&name) {
            files.push((name, metadata.len()));
        }
    }
    // Names begin with the time.
    files.sort();
    Ok(files.into())
}

fn is_ours(name: &str) -> bool {
    let parts = [Part::Request, Part::Response];
    let rest = parts
        .iter()
        .find_map(|part| name.strip_suffix(part.ending()));
    rest.is_some_and(|it| it.contains("Z-req_"))
}

/// Without what is configured as a secret, and without what looks like one; then cut.
fn clean(bytes: &[u8], secrets: &[Secret], most: usize) -> Vec<u8> {
    let mut text = bytes.to_vec();
    for secret in secrets {
        let secret = secret.expose();
        text = without(text, secret.as_bytes());
        if secret.contains(['/', '"', '\\']) {
            // As JSON may have it.
            let escaped = serde_json::Value::from(secret).to_string();
            text = without(text, escaped.trim_matches('"').as_bytes());
            text = without(text, secret.replace('/', "\\/").as_bytes());
        }
    }
    // Where it is cut a letter may be, too: what is no text any more is shown as such.
    let whole = String::from_utf8_lossy(&text);
    text = redact(&whole).into_owned().into_bytes();
    if most < text.len() {
        text.truncate(most);
        text.extend_from_slice(CUT);
    }
    text
}

fn without(text: Vec<u8>, secret: &[u8]) -> Vec<u8> {
    if secret.is_empty() || memmem::find(&text, secret).is_none() {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_slice();
    while let Some(at) = memmem::find(rest, secret) {
        let (before, found) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(BLACK);
        rest = found.get(secret.len()..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}
