//! The directory of control socket and pid file: ours alone, because who reaches the socket may replace the program
//! that serves.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Longest path of a socket, bytes: what `sockaddr_un` holds, less its final zero.
const MAX_SOCKET_PATH: usize = 107;
/// Longest name below the directory: `worker-4294967295-check.sock`.
const LONGEST_NAME: usize = 28;

/// A directory that is ours, and locked: one supervisor at a time.
#[derive(Debug)]
pub struct RuntimeDir {
    path: PathBuf,
    /// Holds the lock. It stays when the supervisor ends: a lock on a file that is removed locks nothing.
    pid_file: File,
}

/// Where it may be, best first: what the configuration says, or else the places where the system keeps such things.
pub fn candidates(configured: Option<&Path>, xdg_runtime_dir: Option<&str>) -> Vec<PathBuf> {
    if let Some(path) = configured {
        return vec![path.to_owned()];
    }
    let user = rustix::process::geteuid().as_raw();
    let session = xdg_runtime_dir.map(|dir| Path::new(dir).join("pointsman"));
    let system = PathBuf::from("/run/pointsman");
    let temporary = std::env::temp_dir().join(format!("pointsman-{user}"));
    session.into_iter().chain([system, temporary]).collect()
}

impl RuntimeDir {
    /// Takes the first of these that can be ours. The error says why none can, and what to do.
    pub fn take(candidates: &[PathBuf]) -> Result<RuntimeDir, String> {
        let mut reasons = Vec::new();
        for path in candidates {
            match prepare(path) {
                Ok(()) => return lock(path.clone()),
                Err(why) => reasons.push(format!("{}: {why}", path.display())),
            }
        }
        Err(format!(
            "no runtime directory for the control socket ({}); set settings.runtime_dir to a directory that this user \
             can make",
            reasons.join("; ")
        ))
    }

    /// Where anybody of this user asks for upgrades.
    pub fn control(&self) -> PathBuf {
        self.path.join(CONTROL)
    }

    /// A private socket of one worker.
    pub fn private(&self, worker: u32, name: &str) -> PathBuf {
        self.path.join(format!("worker-{worker}-{name}.sock"))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.control());
        let _ = self.pid_file.set_len(0);
    }
}

/// The name of the control socket.
pub const CONTROL: &str = "control.sock";
const PID_FILE: &str = "pointsman.pid";

/// Makes sure that the directory is there and that nobody else can reach into it.
fn prepare(path: &Path) -> Result<(), String> {
    if MAX_SOCKET_PATH < path.as_os_str().len() + 1 + LONGEST_NAME {
        return Err("its name is too long for a socket in it".to_owned());
    }
    let made = DirBuilder::new().recursive(false).mode(0o700).create(path);
    match made {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.to_string()),
    }
    // Not what a link points to: a link is somebody else's word.
    let found = fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    if !found.is_dir() {
        return Err("it is not a directory".to_owned());
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to another user".to_owned());
    }
    if found.mode() & 0o077 != 0 {
        return Err("others may enter it; chmod 700 it".to_owned());
    }
    Ok(())
}

/// Writes the pid file and keeps it locked. What a supervisor left that was killed is cleared away.
fn lock(path: PathBuf) -> Result<RuntimeDir, String> {
    let fault = |what: &str, error: &dyn std::fmt::Display| {
        format!("{}: {what}: {error}", path.join(PID_FILE).display())
    };
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path.join(PID_FILE))
        .map_err(|error| fault("cannot be written", &error))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let pid = fs::read_to_string(path.join(PID_FILE)).unwrap_or_default();
        return Err(format!(
            "another supervisor (process {}) uses {}; end it, or set settings.runtime_dir to another directory",
            pid.trim(),
            path.display()
        ));
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(|error| fault("cannot be written", &error))?;
    for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|it| it == "sock") {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(RuntimeDir {
        path,
        pid_file: file,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn it_is_made_for_its_user_alone_and_used_by_one_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run");
        let taken = RuntimeDir::take(std::slice::from_ref(&path)).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(PID_FILE)), 0o600);
        let pid = fs::read_to_string(path.join(PID_FILE)).unwrap();
        assert_eq!(pid.trim(), std::process::id().to_string());

        let why = RuntimeDir::take(std::slice::from_ref(&path)).unwrap_err();
        assert!(why.contains("another supervisor"), "{why}");
        assert!(why.contains(pid.trim()), "{why}");
        drop(taken);
        assert!(RuntimeDir::take(&[path]).is_ok());
    }

    #[test]
    fn one_that_others_reach_into_is_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let open = home.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        let link = home.path().join("link");
        let own = home.path().join("own");
        fs::create_dir(&own).unwrap();
        std::os::unix::fs::symlink(&own, &link).unwrap();
        for bad in [&open, &link, &home.path().join("no/where")] {
            let why = RuntimeDir::take(std::slice::from_ref(bad)).unwrap_err();
            assert!(why.contains("settings.runtime_dir"), "{why}");
        }
        let good = home.path().join("good");
        let taken = RuntimeDir::take(&[open, link, good.clone()]).unwrap();
        assert_eq!(taken.path(), good);
    }

    #[test]
    fn a_name_that_is_too_long_for_a_socket_is_refused_before_one_is_made() {
        let home = tempfile::tempdir().unwrap();
        let long = home.path().join("x".repeat(100));
        let why = RuntimeDir::take(std::slice::from_ref(&long)).unwrap_err();
        assert!(why.contains("too long"), "{why}");
        assert!(!long.exists());
    }

    #[test]
    fn what_a_killed_supervisor_left_is_cleared_away() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run");
        drop(RuntimeDir::take(std::slice::from_ref(&path)).unwrap());
        fs::write(path.join("worker-3-check.sock"), "").unwrap();
        let _taken = RuntimeDir::take(std::slice::from_ref(&path)).unwrap();
        assert!(!path.join("worker-3-check.sock").exists());
    }

    #[test]
    fn the_configuration_decides_alone() {
        let path = Path::new("/somewhere");
        assert_eq!(candidates(Some(path), Some("/run/user/1")), [path]);
        let places = candidates(None, Some("/run/user/1"));
        assert_eq!(places[0], Path::new("/run/user/1/pointsman"));
        assert_eq!(places[1], Path::new("/run/pointsman"));
        assert_eq!(candidates(None, None).len(), 2);
    }
}
