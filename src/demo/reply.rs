//! What a simulated provider says: who it is, what it was asked, what to try next. The same words for a whole answer
//! and for a stream, and for both dialects.

use crate::demo::asked::{Asked, tokens};
use crate::types::Dialect;

/// The command that the demo has a client run.
pub(super) const TOOL_COMMAND: &str = r#"echo "hello from pointsman""#;
/// What it is for, as the client shows it.
pub(super) const TOOL_PURPOSE: &str = "Say hello from the demo";
/// Characters of a person's words that are quoted back.
const QUOTED_CHARS: usize = 120;

/// An answer before it is written in a dialect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// Never empty.
    pub text: String,
    pub stop: Stop,
    /// The size of the answer, in tokens.
    pub output_tokens: usize,
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// All is said.
    End,
    /// The client's limit is reached.
    Length,
    /// A tool call follows the text.
    Tool,
}

impl Reply {
    /// The answer of the provider of `dialect`.
    pub fn to(asked: &Asked, dialect: Dialect) -> Reply {
        let (text, stop) = match &asked.tool_result {
            Some(result) => (after_tool(result), Stop::End),
            None if asked.wants_tool => (
                "I will run a command that does no more than say hello.".to_owned(),
                Stop::Tool,
            ),
            None => (introduction(&asked.text, dialect), Stop::End),
        };
        let extra = match stop {
            Stop::Tool => TOOL_COMMAND.len() + TOOL_PURPOSE.len(),
            Stop::End | Stop::Length => 0,
        };
        let output_tokens = tokens(text.len() + extra);
        match asked.max_tokens {
            Some(limit) if limit < output_tokens => cut(&text, limit),
            _ => Reply {
                text,
                stop,
                output_tokens,
            },
        }
    }

    /// The text in the pieces in which it is streamed: words with the space behind them.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split_inclusive(' ')
    }
}

/// As many whole words as the limit allows, but always one.
fn cut(text: &str, limit: usize) -> Reply {
    let mut kept = String::new();
    for word in text.split_inclusive(' ') {
        if !kept.is_empty() && limit < tokens(kept.len() + word.len()) {
            break;
        }
        kept.push_str(word);
    }
    let text = kept.trim_end().to_owned();
    Reply {
        output_tokens: limit.min(tokens(text.len())),
        text,
        stop: Stop::Length,
    }
}

fn introduction(asked: &str, dialect: Dialect) -> String {
    let asked = match quote(asked) {
        quoted if quoted.is_empty() => "You said nothing I can read.".to_owned(),
        quoted => format!("You asked: “{quoted}”"),
    };
    match dialect {
        Dialect::Anthropic => format!(
            "Hello from simulated-anthropic, a provider that lives inside Pointsman. {asked}\n\n\
             No key was used and nothing left this machine. Ask again: every third call to me fails on purpose, \
             and the other provider answers before you notice."
        ),
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => format!(
            "Hello from simulated-openai, the second provider inside Pointsman. {asked}\n\n\
             The first one has just failed or is resting, so Pointsman asked me, in the OpenAI format, and \
             translated where it had to. `/providers` shows how both are doing."
        ),
    }
}

fn after_tool(result: &str) -> String {
    match quote(result) {
        quoted if quoted.is_empty() => {
            "The tool ran and answered nothing. One agentic step, done.".to_owned()
        }
        quoted => {
            format!("The tool answered “{quoted}”. One agentic step, through Pointsman, done.")
        }
    }
}

/// The beginning of a text on one line.
fn quote(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(&line).trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    fn asked(text: &str, max_tokens: usize) -> Asked {
        let request =
            json!({"max_tokens": max_tokens, "messages": [{"role": "user", "content": text}]});
        Asked::read(request.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn it_says_who_answers_and_quotes_no_more_than_a_line() {
        for (dialect, name) in [
            (Dialect::Anthropic, "simulated-anthropic"),
            (Dialect::OpenAiChat, "simulated-openai"),
        ] {
            let reply = Reply::to(&asked(&"ö \n".repeat(500), 1000), dialect);
            assert!(reply.text.contains(name));
            assert!(reply.text.contains("ö ö"), "{}", reply.text);
            assert!(reply.text.chars().count() < 600);
            assert_eq!(reply.stop, Stop::End);
            assert_eq!(reply.words().collect::<String>(), reply.text);
        }
    }

    #[test]
    fn the_clients_limit_is_kept() {
        for limit in [0, 1, 5, 20] {
            let reply = Reply::to(&asked("hello", limit), Dialect::Anthropic);
            assert_eq!(reply.stop, Stop::Length);
            assert!(reply.output_tokens <= limit);
            assert!(reply.text.starts_with("Hello"));
        }
    }

    #[test]
    fn a_tool_is_called_once_and_its_answer_told() {
        let mut asked = asked("run it", 1000);
        asked.wants_tool = true;
        assert_eq!(Reply::to(&asked, Dialect::Anthropic).stop, Stop::Tool);
        asked.tool_result = Some("hello from pointsman\n".to_owned());
        let reply = Reply::to(&asked, Dialect::Anthropic);
        assert_eq!(reply.stop, Stop::End);
        assert!(reply.text.contains("“hello from pointsman”"));
    }
}
