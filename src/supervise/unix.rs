//! Unix sockets that clients connect to: the file has its permissions from the first moment on, replaces one that a
//! killed process has left behind, and goes when it is listened on no more.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::sockets::BACKLOG;

/// The file of a socket; it is removed with this value, unless another one has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl fmt::Display for SocketFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix:{}", self.path.display())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |it: &fs::Metadata| (it.dev(), it.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(|it| ours(&it)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`, at once or not at all. The error names the remedy.
pub fn bind_unix(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), String> {
    let refused = |why: &str| format!("cannot listen on unix:{}: {why}", path.display());
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(refused("there is a file that is no socket; remove it"));
        }
        if is_listened_on(path) {
            let why = "another process listens there; end it, or choose another path";
            return Err(refused(why));
        }
    }
    bind_beside(path, mode).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refused("its directory does not exist; create it"),
        io::ErrorKind::PermissionDenied => refused("this user may not write into its directory"),
        _ => refused(&error.to_string()),
    })
}

/// Under another name first: nobody can connect before the permissions are right.
fn bind_beside(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let beside = path.with_file_name(format!(".{}", std::process::id()));
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    let moved = (|| {
        fs::set_permissions(&beside, Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        rustix::net::listen(&listener, BACKLOG)?;
        let facts = fs::symlink_metadata(&beside)?;
        fs::rename(&beside, path)?;
        Ok(SocketFile {
            path: path.to_owned(),
            device: facts.dev(),
            inode: facts.ino(),
        })
    })();
    if moved.is_err() {
        let _ = fs::remove_file(&beside);
    }
    moved.map(|file| (listener, file))
}

/// Whether somebody is there. A queue that is full belongs to somebody, too.
fn is_listened_on(path: &Path) -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let called = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .and_then(|socket| connect(&socket, &SocketAddrUnix::new(path)?));
    !matches!(
        called,
        Err(rustix::io::Errno::CONNREFUSED | rustix::io::Errno::NOENT)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_socket_is_there_with_its_permissions_and_goes_with_who_listens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (listener, file) = bind_unix(&path, 0o640).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert!(UnixStream::connect(&path).is_ok());
        let taken = bind_unix(&path, 0o640).unwrap_err();
        assert!(taken.contains("another process listens there"), "{taken}");

        // As after a kill: nobody listens, the file is there.
        drop(listener);
        let (_again, new_file) = bind_unix(&path, 0o600).unwrap();
        drop(file);
        assert!(UnixStream::connect(&path).is_ok());
        drop(new_file);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn other_files_stay_and_missing_directories_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        fs::write(&path, "precious").unwrap();
        let why = bind_unix(&path, 0o660).unwrap_err();
        assert!(why.contains("no socket"), "{why}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let why = bind_unix(&dir.path().join("a/s"), 0o660).unwrap_err();
        assert!(why.contains("does not exist"), "{why}");
    }
}
