//! Carries out what the machine wants: one loop over signals, workers and callers.

mod fleet;
mod words;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use fleet::Worker;
use words::one_line;

use super::control::{self, Answer, Question};
use super::machine::{Action, Asker, Event, Generation, Machine, Sign};
use super::message::FromWorker;
use super::notify::{Notify, NotifyEnv};
use super::runtime_dir::RuntimeDir;
use super::sockets::Sockets;
use super::workers::{self, Program};
use crate::config::{AccessLog, LogSettings};
use crate::telemetry::{self, Logs};

/// News that wait for the loop.
const QUEUE: usize = 64;

/// What the supervisor is started with.
pub struct Plan<'p> {
    /// The name under which this program was started.
    pub started_as: Option<PathBuf>,
    /// `PATH`.
    pub search: Option<&'p str>,
    /// Arguments of every worker.
    pub arguments: Vec<std::ffi::OsString>,
    /// Where control socket and pid file may be.
    pub directories: Vec<PathBuf>,
    /// Longest time until a new worker serves.
    pub upgrade_timeout: Duration,
    /// The service manager: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    pub notify: [Option<&'p str>; 3],
    /// Its own logs.
    pub log: LogSettings,
    /// How requests are logged, which it has none of.
    pub access_log: AccessLog,
}

/// Supervises until a signal ends it; the exit code, or why nothing was ever served.
pub fn run(plan: Plan<'_>) -> Result<u8, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the supervisor cannot start: {error}"))?;
    let logs = telemetry::init(&plan.log, plan.access_log)
        .map_err(|error| format!("cannot set up logging: {error}"))?;
    let own = logs.clone();
    let ended = runtime.block_on(async {
        let (supervisor, inbox) = Supervisor::prepare(plan, own)?;
        supervisor.run(inbox).await
    });
    logs.flush();
    ended
}

/// It is over: the exit code, or why nothing was ever served.
type End = Option<Result<u8, String>>;

/// What the loop hears from its own tasks.
enum News {
    Happened(Event),
    Said(Generation, FromWorker),
    Silent(Generation),
    /// It was told to end long ago.
    Overdue(Generation),
    /// Whatever it had to say has been said.
    Gone(Generation),
    Asked(Question, oneshot::Sender<Answer>),
    Alive,
}

/// The signals of the main process.
struct Signals {
    terminate: Signal,
    quit: Signal,
    interrupt: Signal,
    hangup: Signal,
    upgrade: Signal,
    child: Signal,
}

struct Inbox {
    news: mpsc::Receiver<News>,
    signals: Signals,
    control: tokio::net::UnixListener,
}

struct Supervisor {
    machine: Machine,
    program: Program,
    directory: RuntimeDir,
    upgrade_timeout: Duration,
    notify: Notify,
    logs: Logs,
    sockets: Sockets,
    workers: HashMap<Generation, Worker>,
    /// The worker whose sockets are kept.
    adopted: Option<Generation>,
    callers: HashMap<u64, oneshot::Sender<Answer>>,
    next_caller: u64,
    news: mpsc::Sender<News>,
    tasks: JoinSet<()>,
}

impl Supervisor {
    fn prepare(plan: Plan<'_>, logs: Logs) -> Result<(Supervisor, Inbox), String> {
        let fault = |error: io::Error| format!("the supervisor cannot start: {error}");
        let binary = workers::binary_of(plan.started_as.as_deref(), plan.search);
        let binary = match binary {
            Some(binary) => binary,
            None => std::env::current_exe().map_err(fault)?,
        };
        let directory = RuntimeDir::take(&plan.directories)?;
        let control = control::listen(&directory.control()).map_err(|error| {
            format!("{}: cannot listen: {error}", directory.control().display())
        })?;
        let signals = Signals::watch().map_err(fault)?;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let [socket, watchdog_usec, watchdog_pid] = plan.notify;
        let supervisor = Supervisor {
            machine: Machine::default(),
            program: Program {
                binary,
                arguments: plan.arguments,
            },
            directory,
            upgrade_timeout: plan.upgrade_timeout,
            notify: Notify::of(NotifyEnv {
                socket,
                watchdog_usec,
                watchdog_pid,
            }),
            logs,
            sockets: Sockets::default(),
            workers: HashMap::new(),
            adopted: None,
            callers: HashMap::new(),
            next_caller: 0,
            news: sender,
            tasks: JoinSet::new(),
        };
        let inbox = Inbox {
            news: receiver,
            signals,
            control,
        };
        Ok((supervisor, inbox))
    }

    async fn run(mut self, mut inbox: Inbox) -> Result<u8, String> {
        let mut beat = self.notify.beat().map(tokio::time::interval);
        let mut end = self.happened(Event::Start);
        loop {
            if let Some(end) = end {
                // Answers to callers may still be on their way.
                self.callers.clear();
                tokio::task::yield_now().await;
                return end;
            }
            let signals = &mut inbox.signals;
            end = tokio::select! {
                Some(news) = inbox.news.recv() => self.heard(news),
                _ = signals.terminate.recv() => self.happened(Event::Stop),
                _ = signals.quit.recv() => self.happened(Event::Stop),
                _ = signals.interrupt.recv() => self.happened(Event::Quick),
                _ = signals.upgrade.recv() => self.happened(Event::Upgrade(Asker::Signal)),
                _ = signals.hangup.recv() => self.hangup(),
                _ = signals.child.recv() => self.reap(),
                Ok((caller, _)) = inbox.control.accept() => self.receive(caller),
                () = next_beat(&mut beat) => self.beat(),
                Some(_) = self.tasks.join_next() => None,
            };
        }
    }

    /// Runs a task of ours, which tells the loop what came of it.
    fn then(&mut self, news: impl Future<Output = News> + Send + 'static) {
        let sender = self.news.clone();
        self.tasks.spawn(async move {
            let _ = sender.send(news.await).await;
        });
    }

    fn after(&mut self, time: Duration, news: News) {
        self.then(async move {
            tokio::time::sleep(time).await;
            news
        });
    }

    /// Lets the machine decide, and does what it wants. `Some`: it is over.
    fn happened(&mut self, event: Event) -> End {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let actions = self.machine.step(event, Instant::now());
            for action in actions {
                match action {
                    Action::Spawn(generation) => events.extend(self.spawn(generation)),
                    Action::End(code, None) => return Some(Ok(code)),
                    Action::End(_, Some(why)) => return Some(Err(why)),
                    other => self.act(other),
                }
            }
        }
        None
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn(_) | Action::End(..) => {}
            Action::Verify(generation) => self.verify(generation),
            Action::Open(generation) => self.open(generation),
            Action::Adopt(generation) => self.adopt(generation),
            Action::Signal(generation, sign) => self.signal(generation, sign),
            Action::Rest(time, why) => {
                log::error!(
                    "no worker serves: {}; another one follows in {} s, connections wait",
                    one_line(&why),
                    time.as_secs()
                );
                self.after(time, News::Happened(Event::Rested));
            }
            Action::Answer(asker, outcome) => self.answer(asker, outcome),
            Action::Tell(state) => self.tell(state),
        }
    }

    fn heard(&mut self, news: News) -> End {
        match news {
            News::Happened(event) => self.happened(event),
            News::Said(generation, message) => self.said(generation, message),
            News::Silent(generation) => {
                let worker = self.workers.get_mut(&generation)?;
                worker.is_silent = true;
                worker.exit.is_some().then(|| self.gone(generation))?
            }
            News::Gone(generation) => self.gone(generation),
            News::Overdue(generation) => {
                if let Some(worker) = self.workers.get(&generation) {
                    log::error!(
                        "{generation} (process {}) does not end: it is killed",
                        worker.pid
                    );
                    workers::tell(worker.pid, Sign::Kill);
                }
                None
            }
            News::Asked(question, caller) => self.asked(question, caller),
            News::Alive => {
                self.notify.alive();
                None
            }
        }
    }

    fn receive(&mut self, mut caller: UnixStream) -> End {
        let sender = self.news.clone();
        self.tasks.spawn(async move {
            let Some(question) = control::question(&mut caller).await else {
                return;
            };
            let (tell, told) = oneshot::channel();
            if sender.send(News::Asked(question, tell)).await.is_err() {
                return;
            }
            if let Ok(answer) = told.await {
                control::answer(&mut caller, &answer).await;
            }
        });
        None
    }

    fn asked(&mut self, question: Question, caller: oneshot::Sender<Answer>) -> End {
        match question {
            Question::Upgrade => {
                self.next_caller += 1;
                let number = self.next_caller;
                self.callers.insert(number, caller);
                self.happened(Event::Upgrade(Asker::Caller(number)))
            }
            Question::Unknown => {
                let text = "the supervisor is older than this and does not know how".to_owned();
                let _ = caller.send(Answer { ok: false, text });
                None
            }
        }
    }
}

impl Signals {
    fn watch() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
            child: signal(SignalKind::child())?,
        })
    }
}

async fn next_beat(beat: &mut Option<tokio::time::Interval>) {
    match beat {
        Some(beat) => {
            beat.tick().await;
        }
        None => std::future::pending().await,
    }
}
