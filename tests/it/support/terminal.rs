//! The program at a terminal, as a person has it: what it shows is read, and what is typed goes in.

use std::ffi::OsStr;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::Read;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::pty::OpenptFlags;
use rustix::pty::grantpt;
use rustix::pty::openpt;
use rustix::pty::ptsname;
use rustix::pty::unlockpt;
use rustix::termios::LocalModes;
use rustix::termios::tcgetattr;

use super::eventually;
use super::proxy::PROGRAM;

const MARK: &str = "<the end>";

/// A running program at a terminal of its own.
pub struct Terminal {
    child: Child,
    /// The person's end.
    here: File,
    /// The program's end.
    there: File,
    shown: Arc<Mutex<String>>,
    /// How much of what is shown has been waited for.
    read: usize,
}

impl Terminal {
    /// Starts the program in `directory` with nothing else in its environment.
    pub fn start(directory: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Terminal {
        let here = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&here).unwrap();
        unlockpt(&here).unwrap();
        let name = ptsname(&here, Vec::new()).unwrap();
        let path = Path::new(OsStr::from_bytes(name.as_bytes()));
        let there = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        let end = || Stdio::from(OwnedFd::from(there.try_clone().unwrap()));
        let child = Command::new(PROGRAM)
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm")
            .envs(env.iter().copied())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let here = File::from(here);
        let shown = Arc::new(Mutex::new(String::new()));
        collect(here.try_clone().unwrap(), Arc::clone(&shown));
        Terminal {
            child,
            here,
            there,
            shown,
            read: 0,
        }
    }

    /// Waits until that is shown, behind what was waited for before.
    pub async fn shows(&mut self, text: &str) {
        let (shown, from) = (Arc::clone(&self.shown), self.read);
        let found = eventually(text, || async {
            let shown = shown.lock();
            let rest = shown.get(from..)?;
            rest.find(text).map(|at| from + at + text.len())
        });
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), found).await;
        self.read = waited.unwrap_or_else(|_| panic!("no {text:?} in:\n{}", self.shown.lock()));
    }

    /// Waits for a question and types the answer.
    pub async fn answers(&mut self, question: &str, answer: &str) {
        self.shows(question).await;
        self.types(&format!("{answer}\n"));
    }

    /// Types it as it is.
    pub fn types(&mut self, text: &str) {
        self.here.write_all(text.as_bytes()).unwrap();
    }

    /// Whether what is typed is shown.
    pub fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.there).unwrap();
        modes.local_modes.contains(LocalModes::ECHO)
    }

    /// Waits until it ends: its code, and all it has shown.
    pub async fn ends(mut self) -> (Option<i32>, String) {
        let status = eventually("the program to end", || {
            std::future::ready(self.child.try_wait().unwrap())
        })
        .await;
        // What it has written is there by now, but read by another thread: a mark that we write ourselves comes behind it.
        self.there.write_all(MARK.as_bytes()).unwrap();
        self.shows(MARK).await;
        let shown = self.shown.lock().replace("\r\n", "\n");
        (status.code(), shown.replace(MARK, ""))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what is shown until the terminal is gone.
fn collect(mut from: File, shown: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            let text = String::from_utf8_lossy(&piece[..length]);
            shown.lock().push_str(&text);
        }
    });
}
