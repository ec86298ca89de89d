//! What the supervisor does next. Pure: events in, actions out, the clock is an argument.
//!
//! There is at most one worker that serves, at most one candidate to take its place, and any number that leave. A first
//! worker that fails ends the supervisor, because nobody would notice otherwise; one that fails later is replaced, with
//! growing patience, while connections wait in the sockets' queues. A candidate that fails changes nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

/// A worker that has served this long starts with a clean slate when it is lost.
const STEADY: Duration = Duration::from_secs(60);
/// Wait before the third worker in a row; it doubles from there.
const FIRST_REST: Duration = Duration::from_secs(1);
/// Longest wait before another worker.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// One worker; later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

/// Who asked for an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A signal: nobody waits for an answer.
    Signal,
    /// A caller at the control socket.
    Caller(u64),
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// As a shell would tell it: 128 and the signal's number for one that was killed.
    pub code: u8,
    /// In words.
    pub text: String,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The supervisor is ready.
    Start,
    /// A worker has built everything.
    Built(Generation),
    /// It has answered on its private socket.
    Verified(Generation),
    /// It has answered through its open doors.
    Opened(Generation),
    /// It cannot serve.
    Failed(Generation, String),
    /// It has taken too long.
    Late(Generation),
    /// It drains, asked or not.
    Leaving(Generation),
    /// It has ended.
    Exited(Generation, Exit),
    /// An upgrade is wanted.
    Upgrade(Asker),
    /// The wait before another worker is over.
    Rested,
    /// End, in order; a second time: now.
    Stop,
    /// End now.
    Quick,
}

/// How a worker is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// After its last stream.
    Drain,
    /// Now, with an error for every stream.
    Quick,
    /// Without a word: it never served.
    Kill,
}

/// What the supervisor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The first worker is on its way.
    Starting,
    /// A worker serves.
    Serving,
    /// A worker serves, and another one is to take its place.
    Upgrading,
    /// The worker was lost, and another one is to take its place.
    Recovering,
    /// Workers finish what they have begun.
    Draining,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a worker.
    Spawn(Generation),
    /// Ask it on its private socket.
    Verify(Generation),
    /// Let it open its doors, and ask it through them.
    Open(Generation),
    /// It serves from now on: its sockets are the ones to keep.
    Adopt(Generation),
    /// End it.
    Signal(Generation, Sign),
    /// Report [`Event::Rested`] after this time; and why.
    Rest(Duration, String),
    /// Tell who asked for the upgrade.
    Answer(Asker, Result<Generation, String>),
    /// The state has changed.
    Tell(State),
    /// End the supervisor, with this code and, if it never served, a reason.
    End(u8, Option<String>),
}

#[derive(Clone, Copy, Debug)]
struct Serving {
    generation: Generation,
    since: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    generation: Generation,
    asked: Option<Asker>,
    /// Whether it may have taken connections.
    open: bool,
}

/// The supervisor's mind.
#[derive(Debug, Default)]
pub struct Machine {
    started: bool,
    stopping: bool,
    last: u32,
    serving: Option<Serving>,
    candidate: Option<Candidate>,
    leaving: BTreeSet<Generation>,
    /// Workers in a row that were lost or never served.
    losses: u32,
    code: u8,
}

impl Machine {
    /// What it does.
    pub fn state(&self) -> State {
        match (self.stopping, self.started, self.serving, self.candidate) {
            (true, ..) => State::Draining,
            (_, false, ..) => State::Starting,
            (_, _, None, _) => State::Recovering,
            (_, _, Some(_), Some(_)) => State::Upgrading,
            (_, _, Some(_), None) => State::Serving,
        }
    }

    /// The worker that serves.
    pub fn serving(&self) -> Option<Generation> {
        self.serving.map(|it| it.generation)
    }

    /// How many finish what they have begun.
    pub fn leaving(&self) -> usize {
        self.leaving.len()
    }

    /// Takes in what happened; what is to be done, in this order.
    pub fn step(&mut self, event: Event, now: Instant) -> Vec<Action> {
        let before = self.state();
        let mut todo = match event {
            Event::Start => self.spawn(None),
            Event::Built(generation) if self.is_candidate(generation) => {
                vec![Action::Verify(generation)]
            }
            Event::Verified(generation) if self.is_candidate(generation) => self.open(generation),
            Event::Opened(generation) if self.is_candidate(generation) => {
                self.promote(generation, now)
            }
            Event::Failed(generation, why) if self.is_candidate(generation) => self.give_up(why),
            Event::Late(generation) if self.is_candidate(generation) => {
                self.give_up("it did not serve in time (settings.upgrade_timeout)".to_owned())
            }
            Event::Leaving(generation) if self.serving() == Some(generation) => {
                self.left_unasked(generation, now)
            }
            Event::Exited(generation, exit) => self.exited(generation, &exit, now),
            Event::Upgrade(asker) => self.upgrade(asker),
            Event::Rested if self.may_replace() => self.spawn(None),
            Event::Stop if self.stopping => self.hurry(),
            Event::Stop => self.stop(Sign::Drain),
            Event::Quick => self.stop(Sign::Quick),
            // News of one whose fate is sealed.
            Event::Built(_)
            | Event::Verified(_)
            | Event::Opened(_)
            | Event::Failed(..)
            | Event::Late(_)
            | Event::Leaving(_)
            | Event::Rested => Vec::new(),
        };
        if self.state() != before {
            todo.push(Action::Tell(self.state()));
        }
        let alone = self.serving.is_none() && self.candidate.is_none() && self.leaving.is_empty();
        if self.stopping && alone {
            todo.push(Action::End(self.code, None));
        }
        todo
    }

    fn is_candidate(&self, generation: Generation) -> bool {
        self.candidate.is_some_and(|it| it.generation == generation)
    }

    fn may_replace(&self) -> bool {
        !self.stopping && self.serving.is_none() && self.candidate.is_none()
    }

    fn spawn(&mut self, asked: Option<Asker>) -> Vec<Action> {
        self.last += 1;
        let generation = Generation(self.last);
        self.candidate = Some(Candidate {
            generation,
            asked,
            open: false,
        });
        vec![Action::Spawn(generation)]
    }

    fn open(&mut self, generation: Generation) -> Vec<Action> {
        if let Some(candidate) = &mut self.candidate {
            candidate.open = true;
        }
        vec![Action::Open(generation)]
    }

    fn promote(&mut self, generation: Generation, now: Instant) -> Vec<Action> {
        let asked = self.candidate.take().and_then(|it| it.asked);
        self.started = true;
        let since = now;
        let old = self.serving.replace(Serving { generation, since });
        let mut todo = vec![Action::Adopt(generation)];
        if let Some(old) = old {
            self.leaving.insert(old.generation);
            todo.push(Action::Signal(old.generation, Sign::Drain));
        }
        if let Some(asker) = asked {
            todo.push(Action::Answer(asker, Ok(generation)));
        }
        todo
    }

    /// The candidate lives, but will not serve.
    fn give_up(&mut self, why: String) -> Vec<Action> {
        let Some(candidate) = self.candidate.take() else {
            return Vec::new();
        };
        self.leaving.insert(candidate.generation);
        // Behind open doors there may be streams already.
        let sign = if candidate.open {
            Sign::Drain
        } else {
            Sign::Kill
        };
        let mut todo = vec![Action::Signal(candidate.generation, sign)];
        todo.extend(self.without(candidate, why));
        todo
    }

    /// There is no candidate any more.
    fn without(&mut self, candidate: Candidate, why: String) -> Vec<Action> {
        if let Some(asker) = candidate.asked {
            let answer = Action::Answer(asker, Err(why.clone()));
            return match self.serving {
                Some(_) => vec![answer],
                None => vec![answer, self.rest(why)],
            };
        }
        match (self.started, self.serving) {
            (false, _) => vec![Action::End(1, Some(why))],
            (true, None) => vec![self.rest(why)],
            (true, Some(_)) => Vec::new(),
        }
    }

    fn rest(&mut self, why: String) -> Action {
        self.losses += 1;
        let doublings = self.losses.saturating_sub(2).min(8);
        let rest = FIRST_REST.saturating_mul(1 << doublings);
        Action::Rest(rest.min(LONGEST_REST), why)
    }

    /// The worker is gone: the first time another one follows at once.
    fn lost(&mut self, serving: Serving, why: String, now: Instant) -> Vec<Action> {
        if STEADY <= now.saturating_duration_since(serving.since) {
            self.losses = 0;
        }
        if !self.may_replace() {
            return Vec::new();
        }
        if self.losses == 0 {
            self.losses = 1;
            return self.spawn(None);
        }
        vec![self.rest(why)]
    }

    fn left_unasked(&mut self, generation: Generation, now: Instant) -> Vec<Action> {
        if self.stopping {
            return Vec::new();
        }
        self.leaving.insert(generation);
        match self.serving.take() {
            Some(serving) => self.lost(serving, "it was told to end".to_owned(), now),
            None => Vec::new(),
        }
    }

    fn exited(&mut self, generation: Generation, exit: &Exit, now: Instant) -> Vec<Action> {
        self.leaving.remove(&generation);
        if let Some(candidate) = self.candidate.take_if(|it| it.generation == generation) {
            return self.without(candidate, format!("it ended before it served: {exit}"));
        }
        match self.serving.take_if(|it| it.generation == generation) {
            Some(_) if self.stopping => {
                self.code = exit.code;
                Vec::new()
            }
            Some(serving) => self.lost(serving, exit.to_string(), now),
            None => Vec::new(),
        }
    }

    fn upgrade(&mut self, asker: Asker) -> Vec<Action> {
        let refusal = match (self.state(), self.candidate) {
            (State::Draining, _) => "it is being stopped",
            (State::Starting, _) => "it has not finished starting",
            (State::Upgrading, _) => "an upgrade is under way already",
            (State::Recovering, Some(_)) => "a new worker is being started already",
            (State::Serving | State::Recovering, _) => return self.spawn(Some(asker)),
        };
        vec![Action::Answer(asker, Err(refusal.to_owned()))]
    }

    fn stop(&mut self, sign: Sign) -> Vec<Action> {
        self.stopping = true;
        let mut todo = Vec::new();
        if sign == Sign::Quick {
            todo.extend(self.leaving.iter().map(|it| Action::Signal(*it, sign)));
        }
        if let Some(candidate) = self.candidate {
            todo.extend(self.give_up_stopping(candidate));
        }
        if let Some(serving) = self.serving {
            todo.push(Action::Signal(serving.generation, sign));
        }
        todo
    }

    fn give_up_stopping(&mut self, candidate: Candidate) -> Vec<Action> {
        self.candidate = None;
        self.leaving.insert(candidate.generation);
        let sign = if candidate.open {
            Sign::Drain
        } else {
            Sign::Kill
        };
        let answer = |asker| Action::Answer(asker, Err("it is being stopped".to_owned()));
        let mut todo = vec![Action::Signal(candidate.generation, sign)];
        todo.extend(candidate.asked.map(answer));
        todo
    }

    fn hurry(&self) -> Vec<Action> {
        let all = self.leaving.iter().copied().chain(self.serving());
        all.map(|it| Action::Signal(it, Sign::Quick)).collect()
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.0)
    }
}

#[cfg(test)]
mod tests;
