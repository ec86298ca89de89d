//! Processes: starting a worker, telling it to end, and hearing of the end of any child there is.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};

use super::channel::Channel;
use super::machine::{Exit, Sign};
use super::notify;

/// What every worker is started from.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file that is executed, looked up anew each time.
    pub binary: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// Starts a worker; its standard input is the other end of the channel.
    pub fn start(&self) -> io::Result<(Pid, Channel)> {
        let (ours, theirs) = Channel::pair()?;
        let mut command = Command::new(&self.binary);
        command.args(&self.arguments).stdin(Stdio::from(theirs));
        for name in notify::VARIABLES {
            command.env_remove(name);
        }
        // Signals of a terminal are for the supervisor, which passes on what concerns workers.
        let child = command.process_group(0).spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("a process without a number"))?;
        Ok((pid, ours))
    }
}

/// The file that was started as `name`, in a way that finds its successor: a link is not followed, and a replaced file
/// is another one. `None`: it cannot be told.
pub fn binary_of(name: Option<&Path>, search: Option<&str>) -> Option<PathBuf> {
    let name = name?;
    if 1 < name.components().count() {
        return std::path::absolute(name).ok().filter(|it| it.is_file());
    }
    let mut places = std::env::split_paths(search?).map(|dir| dir.join(name));
    let found = places.find(|it| it.is_file())?;
    std::path::absolute(found).ok()
}

/// Tells a worker to end. One that has ended already does not matter.
pub fn tell(worker: Pid, sign: Sign) {
    let signal = match sign {
        Sign::Drain => Signal::TERM,
        Sign::Quick => Signal::INT,
        Sign::Kill => Signal::KILL,
    };
    let _ = kill_process(worker, signal);
}

/// Tells a worker to read its configuration again.
pub fn tell_hangup(worker: Pid) {
    let _ = kill_process(worker, Signal::HUP);
}

/// Every child that has ended since the last call. As the first process of a container these are not only workers:
/// whoever loses its parent becomes a child of ours, and would stay in the table of processes.
pub fn ended() -> Vec<(Pid, Exit)> {
    let mut all = Vec::new();
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if let Some(exit) = exit_of(status) {
            all.push((pid, exit));
        }
    }
    all
}

/// `None`: it was stopped or goes on.
fn exit_of(status: WaitStatus) -> Option<Exit> {
    if let Some(code) = status.exit_status() {
        return Some(Exit {
            code: u8::try_from(code).unwrap_or(u8::MAX),
            text: format!("exit code {code}"),
        });
    }
    let signal = status.terminating_signal()?;
    Some(Exit {
        code: u8::try_from(128 + signal).unwrap_or(u8::MAX),
        text: format!("ended by signal {signal}"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_link_is_kept_as_the_name_of_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("v1"), dir.path().join("pointsman"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(binary_of(Some(&link), None), Some(link.clone()));
        let path = format!("/nowhere:{}", dir.path().display());
        let by_name = binary_of(Some(Path::new("pointsman")), Some(&path));
        assert_eq!(by_name, Some(link));
        assert_eq!(binary_of(Some(Path::new("pointsman")), Some("/no")), None);
        assert_eq!(binary_of(Some(&dir.path().join("gone")), None), None);
        assert_eq!(binary_of(None, None), None);
    }
}
