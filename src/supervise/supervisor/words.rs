//! What the supervisor tells: callers, the service manager, the log.

use super::{End, News, Supervisor};
use crate::supervise::check;
use crate::supervise::control::Answer;
use crate::supervise::machine::{Asker, Generation, State};
use crate::supervise::message::DOOR;

impl Supervisor {
    pub(super) fn answer(&mut self, asker: Asker, outcome: Result<Generation, String>) {
        let answer = match outcome {
            Ok(generation) => {
                let before = match self.machine.leaving() {
                    0 => "",
                    1 => "; the one before it ends with its last stream",
                    _ => "; those before it end with their last streams",
                };
                let text = format!("{} serves{before}", self.describe(generation));
                Answer { ok: true, text }
            }
            Err(why) => {
                log::error!("no upgrade: {}", one_line(&why));
                Answer {
                    ok: false,
                    text: why,
                }
            }
        };
        if let Asker::Caller(number) = asker
            && let Some(caller) = self.callers.remove(&number)
        {
            let _ = caller.send(answer);
        }
    }

    pub(super) fn describe(&self, generation: Generation) -> String {
        match self.workers.get(&generation) {
            Some(it) => format!("{generation} (process {}, version {})", it.pid, it.version),
            None => generation.to_string(),
        }
    }

    /// Tells people and the service manager.
    pub(super) fn tell(&self, state: State) {
        let status = self.status(state);
        match state {
            State::Serving => self.notify.ready(&status),
            State::Upgrading => self.notify.reloading(&status),
            State::Draining => self.notify.stopping(&status),
            State::Starting | State::Recovering => self.notify.status(&status),
        }
        if state == State::Draining {
            log::info!("{status}");
        }
    }

    pub(super) fn status(&self, state: State) -> String {
        let worker = self.machine.serving().map(|it| self.describe(it));
        let worker = worker.unwrap_or_default();
        let leaving = match self.machine.leaving() {
            0 => String::new(),
            count => format!("; {count} earlier finish their streams"),
        };
        match state {
            State::Starting => "starting".to_owned(),
            State::Serving => format!("{worker} serves{leaving}"),
            State::Upgrading => format!("{worker} serves, an upgrade is under way{leaving}"),
            State::Recovering => format!("no worker serves, another one is on its way{leaving}"),
            State::Draining => format!("stopping, after the last stream{leaving}"),
        }
    }

    /// A sign of life for the service manager: that of the worker, where one should serve.
    pub(super) fn beat(&mut self) -> End {
        let serving = self.machine.serving();
        match (self.machine.state(), serving) {
            (State::Serving | State::Upgrading, Some(generation)) => {
                let path = self.directory.private(generation.0, DOOR);
                let sender = self.news.clone();
                self.tasks.spawn(async move {
                    match check::ask(&path, "/livez").await {
                        Ok(()) => {
                            let _ = sender.send(News::Alive).await;
                        }
                        Err(why) => log::warn!("{generation} gives no sign of life: {why}"),
                    }
                });
            }
            _ => self.notify.alive(),
        }
        None
    }
}

/// For the log, whose lines are single.
pub(super) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .collect();
    lines.join("; ")
}
