//! The supervisor's workers: started, given what they ask for, asked whether they serve, and buried.

use std::fs::Permissions;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Pid;
use tokio::sync::mpsc;

use super::{End, News, Supervisor};
use crate::supervise::channel::{Channel, Ear};
use crate::supervise::check;
use crate::supervise::machine::{Event, Exit, Generation, Sign, State};
use crate::supervise::message::{CHECK, DOOR, FromWorker, PROTOCOL, ToWorker};
use crate::supervise::sockets::Wish;
use crate::supervise::workers;

/// Beyond its drain timeout a worker is not draining but stuck.
const PAST_DRAIN: Duration = Duration::from_secs(60);
/// The same for one that was told to end now.
const PAST_QUICK: Duration = Duration::from_secs(30);
/// Longest wait for the last words of a process that has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// One worker.
pub(super) struct Worker {
    pub(super) pid: Pid,
    channel: Channel,
    pub(super) version: String,
    drain: Duration,
    private: Vec<PathBuf>,
    pub(super) exit: Option<Exit>,
    /// Its end of the channel is closed: nothing more will be heard.
    pub(super) is_silent: bool,
}

/// A socket, and where it is if it is a private one.
type Lent = (OwnedFd, Option<String>);

impl Supervisor {
    /// Starts a worker. What comes of it at once.
    pub(super) fn spawn(&mut self, generation: Generation) -> Vec<Event> {
        let started = self.program.start().and_then(|(pid, channel)| {
            let ear = channel.ear()?;
            Ok((pid, channel, ear))
        });
        let (pid, channel, ear) = match started {
            Ok(started) => started,
            Err(error) => {
                let text = format!(
                    "{} cannot be started: {error}",
                    self.program.binary.display()
                );
                let exit = Exit {
                    code: 1,
                    text: text.clone(),
                };
                let failed = Event::Failed(generation, text);
                return vec![failed, Event::Exited(generation, exit)];
            }
        };
        log::info!("{generation} starts as process {pid}");
        let worker = Worker {
            pid,
            channel,
            version: String::new(),
            drain: Duration::ZERO,
            private: Vec::new(),
            exit: None,
            is_silent: false,
        };
        self.workers.insert(generation, worker);
        let sender = self.news.clone();
        self.tasks.spawn(async move {
            listen_to(generation, &ear, &sender).await;
            let _ = sender.send(News::Silent(generation)).await;
        });
        self.after(
            self.upgrade_timeout,
            News::Happened(Event::Late(generation)),
        );
        Vec::new()
    }

    pub(super) fn said(&mut self, generation: Generation, message: FromWorker) -> End {
        match message {
            FromWorker::Hello { protocol, .. } if protocol != PROTOCOL => {
                let why = format!(
                    "it speaks protocol {protocol} and the supervisor {PROTOCOL}; end the supervisor and start it anew"
                );
                self.happened(Event::Failed(generation, why))
            }
            FromWorker::Hello { version, .. } => {
                self.workers.get_mut(&generation)?.version = version;
                None
            }
            FromWorker::Listen { name, host, port } => {
                let lent = self
                    .sockets
                    .lend(generation, Wish::Tcp { name, host, port });
                self.hand_over(generation, lent.map(|socket| (socket, None)))
            }
            FromWorker::ListenUnix { path, mode } => {
                let lent = self.sockets.lend(generation, Wish::Unix { path, mode });
                self.hand_over(generation, lent.map(|socket| (socket, None)))
            }
            FromWorker::Private { name } => {
                let private = self.private(generation, &name);
                self.hand_over(generation, private)
            }
            FromWorker::Built { drain_seconds } => {
                self.workers.get_mut(&generation)?.drain = Duration::from_secs(drain_seconds);
                self.happened(Event::Built(generation))
            }
            FromWorker::Leaving => self.happened(Event::Leaving(generation)),
            FromWorker::Failed { why } => self.happened(Event::Failed(generation, why)),
            FromWorker::Unknown => None,
        }
    }

    fn private(&mut self, generation: Generation, name: &str) -> Result<Lent, String> {
        if ![CHECK, DOOR].contains(&name) {
            return Err(format!("there is no private socket {name:?}"));
        }
        let path = self.directory.private(generation.0, name);
        let _ = std::fs::remove_file(&path);
        let bound = UnixListener::bind(&path).and_then(|it| {
            it.set_nonblocking(true)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(it)
        });
        let listener = bound.map_err(|error| format!("{}: {error}", path.display()))?;
        let shown = path.display().to_string();
        if let Some(worker) = self.workers.get_mut(&generation) {
            worker.private.push(path);
        }
        Ok((listener.into(), Some(shown)))
    }

    fn hand_over(&mut self, generation: Generation, lent: Result<Lent, String>) -> End {
        let channel = &self.workers.get(&generation)?.channel;
        let sent = match lent {
            Ok((socket, path)) => channel.send(&ToWorker::Socket { path }, Some(socket.as_fd())),
            Err(why) => channel.send(&ToWorker::Refused { why }, None),
        };
        let error = sent.err()?;
        self.happened(Event::Failed(
            generation,
            format!("it cannot be told: {error}"),
        ))
    }

    pub(super) fn verify(&mut self, generation: Generation) {
        let path = self.directory.private(generation.0, CHECK);
        self.then(async move {
            News::Happened(match check::ask(&path, "/readyz").await {
                Ok(()) => Event::Verified(generation),
                Err(why) => Event::Failed(generation, format!("it does not serve: {why}")),
            })
        });
    }

    pub(super) fn open(&mut self, generation: Generation) {
        if let Some(worker) = self.workers.get(&generation) {
            // One that has gone is heard of otherwise.
            let _ = worker.channel.send(&ToWorker::Open, None);
        }
        let path = self.directory.private(generation.0, DOOR);
        self.then(async move {
            News::Happened(match check::ask(&path, "/readyz").await {
                Ok(()) => Event::Opened(generation),
                Err(why) => Event::Failed(generation, format!("its doors stay shut: {why}")),
            })
        });
    }

    pub(super) fn adopt(&mut self, generation: Generation) {
        self.adopted = Some(generation);
        self.sockets.adopt(generation);
        let addresses = self.sockets.addresses().join(", ");
        log::info!("{} serves {addresses}", self.describe(generation));
    }

    pub(super) fn signal(&mut self, generation: Generation, sign: Sign) {
        let Some(worker) = self.workers.get(&generation) else {
            return;
        };
        workers::tell(worker.pid, sign);
        let patience = match sign {
            Sign::Drain => worker.drain + PAST_DRAIN,
            Sign::Quick | Sign::Kill => PAST_QUICK,
        };
        self.after(patience, News::Overdue(generation));
    }

    /// The worker reads its configuration again; both open their log files anew.
    pub(super) fn hangup(&mut self) -> End {
        self.logs.reopen();
        let serving = self.machine.serving();
        if let Some(worker) = serving.and_then(|it| self.workers.get(&it)) {
            workers::tell_hangup(worker.pid);
        }
        None
    }

    pub(super) fn reap(&mut self) -> End {
        for (pid, exit) in workers::ended() {
            let found = self.workers.iter_mut().find(|(_, it)| it.pid == pid);
            let Some((generation, worker)) = found else {
                continue; // an orphan of somebody else
            };
            let (generation, is_silent) = (*generation, worker.is_silent);
            worker.exit = Some(exit);
            if is_silent {
                let end = self.gone(generation);
                if end.is_some() {
                    return end;
                }
            } else {
                self.after(LAST_WORDS, News::Gone(generation));
            }
        }
        None
    }

    /// A worker has ended, and its last words have been heard.
    pub(super) fn gone(&mut self, generation: Generation) -> End {
        let described = self.describe(generation);
        let worker = self.workers.remove(&generation)?;
        for path in worker.private {
            let _ = std::fs::remove_file(path);
        }
        if self.adopted != Some(generation) {
            self.sockets.forget(generation);
        }
        let exit = worker.exit?;
        if self.machine.serving() == Some(generation) && self.machine.state() != State::Draining {
            log::error!("{described} was lost: {exit}");
        } else {
            log::info!("{described} has ended: {exit}");
        }
        let end = self.happened(Event::Exited(generation, exit));
        if end.is_none() {
            self.notify.status(&self.status(self.machine.state()));
        }
        end
    }
}

/// Passes on what a worker says until it says no more.
async fn listen_to(generation: Generation, ear: &Ear, sender: &mpsc::Sender<News>) {
    loop {
        match ear.hear::<FromWorker>().await {
            Ok(Some((message, _))) => {
                if sender.send(News::Said(generation, message)).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                let why = format!("it cannot be understood: {error}");
                let failed = News::Happened(Event::Failed(generation, why));
                let _ = sender.send(failed).await;
                return;
            }
        }
    }
}
