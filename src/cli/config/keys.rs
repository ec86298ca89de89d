//! `pointsman config key …`: keys of an upstream, several at once.

use std::io::BufRead;

use serde_json::json;

use super::arguments::{self, KeyAction};
use super::{Desk, Done, Failure, label, show};
use crate::cli::change::May;
use crate::cli::words::Said;
use crate::config::Upstream;
use crate::types::Secret;

impl Desk<'_> {
    pub(super) fn key(&self, words: &[String]) -> Result<Done, Failure> {
        let (upstream, action, keys) = arguments::key(words).map_err(|it| self.wrong(&it))?;
        let keys = match keys {
            [dash] if dash == "-" => lines_of_input(),
            keys => keys.to_vec(),
        };
        if keys.is_empty() && action != KeyAction::List {
            return Err(self.usage(&Said::Usage("key <upstream> add|remove <key>…")));
        }
        match action {
            KeyAction::Add => self.add_keys(upstream, &keys),
            KeyAction::Remove => self.remove_keys(upstream, &keys),
            KeyAction::List => self.list_keys(upstream),
        }
    }

    fn add_keys(&self, upstream: &str, keys: &[String]) -> Result<Done, Failure> {
        self.changes(May::default(), |document| {
            let index = document.find(upstream)?;
            let all = document.upstreams();
            let there: Vec<&str> = all.get(index).map(texts).unwrap_or_default();
            let mut new: Vec<String> = Vec::new();
            let mut lines = Vec::new();
            for key in keys {
                if there.contains(&key.as_str()) || new.contains(key) {
                    lines.push(self.say(&Said::KeyThere(&show::masked(key))));
                } else {
                    new.push(key.clone());
                }
            }
            let name = label(document, index);
            if new.is_empty() {
                return Ok((document.edited_nowhere(), lines));
            }
            let edited = document.add_keys(index, &new)?;
            lines.push(self.say(&Said::KeysAdded(new.len(), &name)));
            if edited.switched_on {
                lines.push(self.say(&Said::SwitchedOn(&name)));
            }
            Ok((edited, lines))
        })
    }

    fn remove_keys(&self, upstream: &str, keys: &[String]) -> Result<Done, Failure> {
        let mut unknown = None;
        let done = self.changes(May::default(), |document| {
            let index = document.find(upstream)?;
            let all = document.upstreams();
            let there: Vec<&str> = all.get(index).map(texts).unwrap_or_default();
            let place = |key: &String| {
                let by_text = there.iter().position(|it| it == key);
                let by_place = || key.parse().ok().filter(|it| *it < there.len());
                by_text.or_else(by_place)
            };
            let name = label(document, index);
            let places: Option<Vec<usize>> = keys.iter().map(place).collect();
            let Some(places) = places else {
                unknown = Some(self.say(&Said::NoSuchKey(&name)));
                return Ok((document.edited_nowhere(), Vec::new()));
            };
            let lines = vec![self.say(&Said::KeysRemoved(places.len(), &name))];
            Ok((document.remove_keys(index, &places)?, lines))
        })?;
        match unknown {
            Some(why) => Err(Failure::Which(why)),
            None => Ok(done),
        }
    }

    fn list_keys(&self, upstream: &str) -> Result<Done, Failure> {
        let document = self.document()?;
        let index = document.find(upstream)?;
        let all = document.upstreams();
        let keys: Vec<String> = all.get(index).map(show::masked_keys).unwrap_or_default();
        let name = label(&document, index);
        let text = if keys.is_empty() {
            format!("{}\n", self.say(&Said::NoKeys(&name)))
        } else {
            let line = |(i, it): (usize, &String)| format!("  [{i}] {it}\n");
            keys.iter().enumerate().map(line).collect()
        };
        Ok(Done {
            text: Some(text),
            json: Some(json!({"upstream": name, "keys": keys})),
            ..Done::default()
        })
    }
}

fn texts(upstream: &Upstream) -> Vec<&str> {
    upstream.keys.iter().map(Secret::expose).collect()
}

/// Keys from standard input, one on a line.
fn lines_of_input() -> Vec<String> {
    let lines = std::io::stdin().lock().lines();
    lines
        .map_while(Result::ok)
        .map(|it| it.trim().to_owned())
        .filter(|it| !it.is_empty())
        .collect()
}
