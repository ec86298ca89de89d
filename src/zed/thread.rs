//! One thread of the service: which conversation of a client it carries, and when another one takes its place.
//!
//! Clients send their whole conversation each time, so nothing is lost with a thread: the next one is given the same
//! history under another name. Pure: the time and new names are arguments.

use std::time::{Duration, Instant};

/// Why another thread took a thread's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// It was full, or nearly.
    Context,
    /// It had rested for too long.
    Rest,
    /// It had used its calls of tools.
    ToolCalls,
    /// The service refused it.
    Refused,
}

impl Rotation {
    /// All of them.
    pub const ALL: [Rotation; 4] = [
        Rotation::Context,
        Rotation::Rest,
        Rotation::ToolCalls,
        Rotation::Refused,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Rotation::Context => "context",
            Rotation::Rest => "ttl",
            Rotation::ToolCalls => "tool_calls",
            Rotation::Refused => "error",
        }
    }
}

/// A request that belongs to a thread.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// For this model.
    pub model: &'a str,
    /// In the larger mode.
    pub is_max: bool,
    /// It goes on with what a person asked before: it brings the result of a tool.
    pub continues: bool,
    /// Results of tools in the whole conversation.
    pub tool_results: u64,
    /// What a thread holds, tokens.
    pub max_context: u64,
    /// Part of it from which on another thread begins.
    pub threshold: f64,
    /// Calls of tools that a thread may have.
    pub max_tool_calls: Option<u64>,
    /// Rest after which another one begins.
    pub ttl: Duration,
    /// Whether another one begins before the service refuses this one.
    pub auto_rotate: bool,
}

/// What a request is sent under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The thread.
    pub thread_id: String,
    /// The prompt.
    pub prompt_id: String,
    /// Whether the prompt begins with it.
    pub new_prompt: bool,
    /// In the larger mode.
    pub is_max: bool,
    /// Why the thread is another than before.
    pub rotated: Option<Rotation>,
}

/// One thread.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub id: String,
    pub prompt: String,
    pub model: String,
    pub is_max: bool,
    pub begun: Instant,
    pub used: Instant,
    pub ttl: Duration,
    /// Tokens of the conversation as last told.
    pub context: u64,
    pub max_context: u64,
    threshold: f64,
    /// The conversation was as large when this thread began: that alone is no reason for another one.
    began_full: bool,
    /// Results of tools in the conversation when it began, and now.
    results_before: u64,
    results: u64,
    /// Those of the last request that was answered.
    results_answered: u64,
    /// The service has said that there may be no more calls of tools.
    limited: bool,
    pub requests: u64,
    pub prompts: u64,
    pub rotations: u64,
    pub last_rotation: Option<Rotation>,
}

impl Thread {
    pub fn new(asking: &Asking<'_>, ids: [String; 2], now: Instant) -> Self {
        let [id, prompt] = ids;
        Thread {
            id,
            prompt,
            model: asking.model.to_owned(),
            is_max: asking.is_max,
            begun: now,
            used: now,
            ttl: asking.ttl,
            context: 0,
            max_context: asking.max_context,
            threshold: asking.threshold,
            began_full: false,
            results_before: asking.tool_results,
            results: asking.tool_results,
            results_answered: 0,
            limited: false,
            requests: 0,
            prompts: 0,
            rotations: 0,
            last_rotation: None,
        }
    }

    /// Calls of tools since it began.
    pub fn tool_calls(&self) -> u64 {
        self.results.saturating_sub(self.results_before)
    }

    /// Takes the next request. `ids` gives new names.
    pub fn take(&mut self, asking: &Asking<'_>, ids: impl Fn() -> String, now: Instant) -> Turn {
        asking.model.clone_into(&mut self.model);
        self.is_max = asking.is_max;
        self.ttl = asking.ttl;
        self.max_context = asking.max_context;
        self.threshold = asking.threshold;
        // A conversation that was compacted has fewer of them than before.
        self.results_before = self.results_before.min(asking.tool_results);
        self.results = asking.tool_results;
        let rotated = self.reason(asking, now);
        if let Some(reason) = rotated {
            self.rotate(reason, ids(), now);
        }
        // Who goes on brings a result that was not there before; the same one again is a prompt of its own.
        let goes_on = asking.continues && self.results_answered < asking.tool_results;
        let new_prompt = rotated.is_some() || !goes_on || self.requests == 0;
        if new_prompt {
            self.prompt = ids();
        }
        self.used = now;
        self.turn(new_prompt, rotated)
    }

    /// The service refused the thread: the same request goes on in another one.
    pub fn refused(&mut self, ids: impl Fn() -> String, now: Instant) -> Turn {
        self.rotate(Rotation::Refused, ids(), now);
        self.prompt = ids();
        self.turn(true, Some(Rotation::Refused))
    }

    /// The service refused the prompt: the same request goes on in another one.
    pub fn prompt_refused(&mut self, ids: impl Fn() -> String) -> Turn {
        self.prompt = ids();
        self.turn(true, None)
    }

    /// A request was answered.
    pub fn answered(&mut self, context: Option<u64>, limited: bool, turn: &Turn, now: Instant) {
        self.used = now;
        self.requests += 1;
        self.prompts += u64::from(turn.new_prompt);
        if self.id != turn.thread_id {
            // Another request has begun another thread meanwhile.
            return;
        }
        self.results_answered = self.results;
        self.limited |= limited;
        if let Some(context) = context {
            self.context = context;
            self.began_full &= self.is_full();
        }
    }

    fn turn(&self, new_prompt: bool, rotated: Option<Rotation>) -> Turn {
        Turn {
            thread_id: self.id.clone(),
            prompt_id: self.prompt.clone(),
            new_prompt,
            is_max: self.is_max,
            rotated,
        }
    }

    fn reason(&self, asking: &Asking<'_>, now: Instant) -> Option<Rotation> {
        if self.limited {
            return Some(Rotation::ToolCalls);
        }
        if !asking.auto_rotate {
            return None;
        }
        if asking.ttl <= now.saturating_duration_since(self.used) {
            return Some(Rotation::Rest);
        }
        if asking
            .max_tool_calls
            .is_some_and(|most| most <= self.tool_calls())
        {
            return Some(Rotation::ToolCalls);
        }
        (self.is_full() && !self.began_full).then_some(Rotation::Context)
    }

    #[expect(clippy::cast_precision_loss, reason = "tokens are far fewer")]
    fn is_full(&self) -> bool {
        self.max_context as f64 * self.threshold <= self.context as f64
    }

    fn rotate(&mut self, reason: Rotation, id: String, now: Instant) {
        self.began_full = self.is_full();
        self.id = id;
        self.begun = now;
        self.results_before = self.results;
        self.limited = false;
        self.rotations += 1;
        self.last_rotation = Some(reason);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn asking() -> Asking<'static> {
        Asking {
            model: "m",
            is_max: false,
            continues: false,
            tool_results: 0,
            max_context: 1000,
            threshold: 0.8,
            max_tool_calls: Some(25),
            ttl: HOUR,
            auto_rotate: true,
        }
    }

    struct Told {
        thread: Thread,
        now: Instant,
        given: Cell<u64>,
    }

    impl Told {
        fn new() -> Self {
            let now = Instant::now();
            let thread = Thread::new(&asking(), ["t".to_owned(), "p".to_owned()], now);
            Told {
                thread,
                now,
                given: Cell::new(0),
            }
        }

        fn ask(&mut self, asking: Asking<'_>) -> Turn {
            let ids = || {
                self.given.set(self.given.get() + 1);
                format!("id-{}", self.given.get())
            };
            self.thread.take(&asking, ids, self.now)
        }

        fn answer(&mut self, turn: &Turn, context: u64) {
            self.thread.answered(Some(context), false, turn, self.now);
        }
    }

    #[test]
    fn a_prompt_lasts_as_long_as_its_tools_bring_results() {
        let mut told = Told::new();
        let first = told.ask(asking());
        told.answer(&first, 10);
        let second = told.ask(Asking {
            continues: true,
            tool_results: 1,
            ..asking()
        });
        assert_eq!(second.prompt_id, first.prompt_id);
        assert!(first.new_prompt && !second.new_prompt);
        // The same result again is no step of the same prompt: each of them would be free.
        told.answer(&second, 10);
        let again = told.ask(Asking {
            continues: true,
            tool_results: 1,
            ..asking()
        });
        assert!(again.new_prompt);
        let third = told.ask(asking());
        assert_ne!(third.prompt_id, first.prompt_id);
        assert_eq!(third.thread_id, first.thread_id);
    }

    #[test]
    fn a_full_thread_gives_way_once() {
        let mut told = Told::new();
        let first = told.ask(asking());
        told.answer(&first, 799);
        let second = told.ask(asking());
        assert_eq!(second.rotated, None);
        told.answer(&second, 800);
        let third = told.ask(asking());
        assert_eq!(third.rotated, Some(Rotation::Context));
        // The client sends the same history: another thread would be as full.
        told.answer(&third, 900);
        assert_eq!(told.ask(asking()).rotated, None);
        // It was compacted, and filled up again.
        told.answer(&third, 100);
        told.answer(&third, 850);
        assert_eq!(told.ask(asking()).rotated, Some(Rotation::Context));
    }

    #[test]
    fn rest_and_tools_end_a_thread_unless_nobody_wants_that() {
        for auto_rotate in [true, false] {
            let mut told = Told::new();
            let asking = Asking {
                auto_rotate,
                ..asking()
            };
            told.ask(asking);
            told.now += HOUR;
            let rested = told.ask(asking);
            assert_eq!(rested.rotated, auto_rotate.then_some(Rotation::Rest));
            let many = Asking {
                tool_results: 25,
                continues: true,
                ..asking
            };
            let turn = told.ask(many);
            assert_eq!(turn.rotated, auto_rotate.then_some(Rotation::ToolCalls));
            assert_eq!(told.ask(many).rotated, None);
            // The service's own word counts in any case.
            told.thread.answered(None, true, &turn, told.now);
            assert_eq!(told.ask(many).rotated, Some(Rotation::ToolCalls));
        }
    }

    #[test]
    fn a_compacted_conversation_counts_its_tools_anew() {
        let mut told = Told::new();
        told.ask(Asking {
            tool_results: 24,
            ..asking()
        });
        assert_eq!(told.thread.tool_calls(), 24);
        told.ask(asking());
        assert_eq!(told.thread.tool_calls(), 0);
    }

    #[test]
    fn a_refused_thread_is_another_one_for_the_same_request() {
        let mut told = Told::new();
        let first = told.ask(asking());
        let again = told.thread.refused(|| "new".to_owned(), told.now);
        assert_ne!(again.thread_id, first.thread_id);
        assert_eq!(again.rotated, Some(Rotation::Refused));
        let prompt = told.thread.prompt_refused(|| "newer".to_owned());
        assert_eq!(
            (prompt.thread_id.as_str(), prompt.prompt_id.as_str()),
            ("new", "newer")
        );
        // An answer to the old thread says nothing of the new one.
        told.answer(&first, 999);
        assert_eq!(told.thread.context, 0);
    }

    proptest! {
        /// Whatever comes in whatever order: a thread has another name exactly when there is a reason for it, a prompt
        /// when a person asks, no new result has come, or the thread is new, and nothing is counted of a thread before it began.
        #[test]
        fn names_change_for_a_reason_and_only_then(
            asked in prop::collection::vec((0_u64..60, any::<bool>(), 0_u64..1200, any::<bool>(), 0_u64..7200), 1..30),
            auto_rotate in any::<bool>(),
        ) {
            let mut told = Told::new();
            let mut before: Option<Turn> = None;
            let (mut rotations, mut answered) = (0, 0);
            for (tool_results, continues, context, limited, seconds) in asked {
                told.now += Duration::from_secs(seconds);
                let turn = told.ask(Asking { continues, tool_results, auto_rotate, ..asking() });
                if let Some(before) = before {
                    prop_assert_eq!(turn.thread_id != before.thread_id, turn.rotated.is_some());
                    prop_assert_eq!(turn.prompt_id != before.prompt_id, turn.new_prompt);
                    let goes_on = continues && answered < tool_results;
                    prop_assert_eq!(turn.new_prompt, turn.rotated.is_some() || !goes_on);
                }
                rotations += u64::from(turn.rotated.is_some());
                prop_assert_eq!(told.thread.rotations, rotations);
                prop_assert!(told.thread.tool_calls() <= tool_results);
                told.thread.answered(Some(context), limited, &turn, told.now);
                answered = tool_results;
                before = Some(turn);
            }
        }
    }
}
