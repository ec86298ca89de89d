//! Edits of texts that are written in any way: by lines and in brackets, quoted in all ways, with comments everywhere,
//! indented by whim, with either line end. Whatever is edited, every comment that is not a part of what goes stays, and
//! no more lines change than have to. That the result means what was asked for, every edit checks itself; here it has to
//! succeed as well.

use proptest::prelude::*;

use super::change::{Change, way};
use super::splice::{apply, read};
use super::value::Value;
use crate::config::tree::Node;

/// Decisions, one after another.
struct Whim(std::vec::IntoIter<u8>);

impl Whim {
    fn below(&mut self, bound: u8) -> u8 {
        // Out of whims, nothing happens any more.
        self.0.next().map_or(bound - 1, |it| it % bound)
    }

    fn once_in(&mut self, times: u8) -> bool {
        self.below(times) == 0
    }
}

/// A text that is being written, with its comments counted.
struct Writing {
    whim: Whim,
    text: String,
    comments: u32,
}

impl Writing {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn comment(&mut self, owner: &str) -> String {
        self.comments += 1;
        format!("#c{}{owner}", self.comments)
    }

    /// Lines of nothing and comments, on their own.
    fn between(&mut self, indent: usize) {
        while self.whim.once_in(4) {
            let comment = self.comment(" stays.");
            let line = match self.whim.below(3) {
                0 => String::new(),
                1 => format!("{}{comment}", " ".repeat(indent)),
                _ => comment,
            };
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }

    fn end(&mut self, owner: &str) {
        if self.whim.once_in(3) {
            let comment = self.comment(owner);
            let gap = " ".repeat(1 + usize::from(self.whim.below(3)));
            self.put(&format!("{gap}{comment}"));
        } else if self.whim.once_in(6) {
            self.text.push_str("  ");
        }
        self.text.push('\n');
    }

    fn scalar(&mut self, word: &str) -> String {
        match self.whim.below(5) {
            0 => format!("'{word} it''s # no comment'"),
            1 => format!("\"{word} \\\" 你好 # none\""),
            2 => format!("\"{word}\""),
            3 => format!("'{word}'"),
            _ => word.to_owned(),
        }
    }

    fn short_list(&mut self, words: &[&str]) -> String {
        let items: Vec<String> = words.iter().map(|it| self.scalar(it)).collect();
        let comma = if self.whim.once_in(2) { ", " } else { " , " };
        match self.whim.below(3) {
            0 => format!("[ {} ]", items.join(comma)),
            1 if !items.is_empty() => format!("[{},]", items.join(comma)),
            _ => format!("[{}]", items.join(comma)),
        }
    }

    /// A provider by lines: `name`, `base_url`, and perhaps more.
    fn by_lines(&mut self, i: usize, dash: usize) {
        let gap = 1 + usize::from(self.whim.below(3));
        let column = dash + 1 + gap;
        let owner = format!(" item{i}.");
        let mut lead = format!("{}-{}", " ".repeat(dash), " ".repeat(gap));
        for (key, word) in [("name", "item"), ("base_url", "url"), ("about", "text")] {
            if key == "about" && self.whim.once_in(2) {
                continue;
            }
            let value = self.scalar(&format!("{word}{i}"));
            let key = if self.whim.once_in(4) {
                format!("\"{key}\"")
            } else {
                key.to_owned()
            };
            self.put(&format!("{lead}{key}: {value}"));
            self.end(&format!("{owner} {word}{i}."));
            lead = " ".repeat(column);
            if self.whim.once_in(5) {
                let comment = self.comment(&owner);
                self.put(&format!("{lead}{comment}\n"));
            }
        }
        if self.whim.once_in(3) {
            self.put(&format!(
                "{lead}note: |\n{lead}  block # none {i}\n\n{lead}  more\n"
            ));
        }
        self.put(&format!("{lead}api_keys:"));
        if self.whim.once_in(2) {
            let list = self.short_list(&["ka", "kb"]);
            self.put(&format!(" {list}"));
            self.end(&owner);
        } else {
            self.end(&owner);
            for word in ["ka", "kb"] {
                let value = self.scalar(word);
                self.put(&format!("{lead}  - {value}"));
                self.end(&format!("{owner} {word}."));
            }
        }
    }

    fn in_braces(&mut self, i: usize) -> String {
        let name = self.scalar(&format!("item{i}"));
        let url = self.scalar(&format!("url{i}"));
        let keys = self.short_list(&["ka", "kb"]);
        let end = ["", " ", ",", ", "];
        let end = end[usize::from(self.whim.below(4))];
        if self.whim.once_in(2) {
            format!("{{api_keys: {keys}, base_url: {url}, name: {name}{end}}}")
        } else {
            format!("{{ name: {name}, base_url: {url}, api_keys: {keys}{end}}}")
        }
    }

    fn providers(&mut self, count: usize) {
        self.between(0);
        self.text.push_str("providers:");
        if self.whim.once_in(4) {
            let items: Vec<String> = (0..count).map(|i| self.in_braces(i)).collect();
            self.text.push_str(" [\n");
            for (i, item) in items.iter().enumerate() {
                let comma = if i + 1 < count || self.whim.once_in(2) {
                    ","
                } else {
                    ""
                };
                self.put(&format!("  {item}{comma}"));
                self.end(&format!(" item{i}."));
            }
            self.text.push_str("]\n");
            return;
        }
        self.end(" stays.");
        let dash = usize::from(self.whim.below(3)) * 2;
        for i in 0..count {
            self.between(dash);
            if self.whim.once_in(4) {
                let item = self.in_braces(i);
                self.put(&format!("{}- {item}", " ".repeat(dash)));
                self.end(&format!(" item{i}."));
            } else {
                self.by_lines(i, dash);
            }
        }
    }

    fn others(&mut self) {
        self.between(0);
        self.text.push_str("settings: {port: 1, host: \"a # b\"}");
        self.end(" stays.");
        self.between(0);
    }
}

fn written(whims: Vec<u8>) -> (String, usize) {
    let mut writing = Writing {
        whim: Whim(whims.into_iter()),
        text: String::new(),
        comments: 0,
    };
    let count = 1 + usize::from(writing.whim.below(3));
    if writing.whim.once_in(2) {
        writing.others();
        writing.providers(count);
    } else {
        writing.providers(count);
        writing.others();
    }
    let mut text = writing.text;
    let (cut, windows) = (writing.whim.once_in(4), writing.whim.once_in(4));
    if cut {
        text = text.trim_end().to_owned();
    }
    if windows {
        text = text.replace('\n', "\r\n");
    }
    (text, count)
}

/// A change, what the comments that may go with it hold, and the most lines of the old text that it may touch.
fn change(what: u8, i: usize) -> (Change, String, usize) {
    let way = |key: &str| way!["providers", i, key];
    let new = || Value::text("new, 'value'");
    let whole = || {
        Value::map([
            ("name", Value::text("z")),
            ("keys", Value::List(vec![new()])),
        ])
    };
    let none = || "nothing".to_owned();
    match what {
        0 => (Change::Set(way("base_url"), new()), none(), 1),
        1 => (Change::Set(way("added"), Value::Number(7)), none(), 2),
        2 => (Change::Remove(way("base_url")), format!("url{i}."), 1),
        3 => (Change::Remove(way("name")), format!("item{i}. item{i}."), 2),
        4 => (
            Change::Remove(way!["providers", i]),
            format!(" item{i}."),
            16,
        ),
        5 => (Change::Push(way!["providers"], whole()), none(), 2),
        6 => (Change::Push(way("api_keys"), new()), none(), 2),
        7 => (
            Change::Remove(way!["providers", i, "api_keys", 1]),
            "kb.".to_owned(),
            1,
        ),
        _ => (
            Change::Set(
                way!["model_routes"],
                Value::Map(vec![("*".to_owned(), Value::List(vec![whole()]))]),
            ),
            none(),
            1,
        ),
    }
}

fn comments(text: &str) -> Vec<&str> {
    let marks = text.match_indices("#c").map(|it| it.0);
    marks
        .filter_map(|at| text.get(at..)?.split(['\r', '\n']).next())
        .map(str::trim_end)
        .collect()
}

/// Lines of the old text between those at the beginning and at the end that are still there.
fn touched(old: &str, new: &str) -> usize {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tail.take_while(|(a, b)| a == b).count();
    old.len() - head - tail
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn only_what_is_meant_changes(whims in proptest::collection::vec(any::<u8>(), 0..300), pick in any::<u8>(), what in 0u8..9) {
        let (text, count) = written(whims);
        let i = usize::from(pick) % count;
        let before = read(&text).expect("what is generated is good");
        let Some(Node::List(items)) = before.get("providers") else { panic!("{text}") };
        prop_assert_eq!(items.len(), count);
        let (change, goes, most) = change(what, i);
        let new = match apply(&text, &change) {
            Ok(new) => new,
            Err(error) => return Err(TestCaseError::fail(format!("{error}: {text}"))),
        };
        let kept = comments(&new);
        for comment in comments(&text) {
            prop_assert!(kept.contains(&comment) || comment.contains(&goes), "{comment} is gone\n{text}\n=>\n{new}");
        }
        let lines = touched(&text, &new);
        prop_assert!(lines <= most, "{lines} lines\n{text}\n=>\n{new}");
        let eol = if text.contains("\r\n") { new.matches('\n').count() == new.matches("\r\n").count() } else { true };
        prop_assert!(eol, "{new:?}");
    }

    #[test]
    fn nothing_is_broken_by_any_text(text in "[ab:\\-#\\[\\]{},&*<'\"| \n]{0,40}") {
        for change in [
            Change::Set(way!["a"], Value::text("x")),
            Change::Remove(way!["a"]),
            Change::Push(way!["a"], Value::text("x")),
            Change::Set(way!["a", "b"], Value::text("x")),
            Change::Remove(way!["a", 0]),
        ] {
            if let Ok(new) = apply(&text, &change) {
                prop_assert!(read(&new).is_ok(), "{text:?} became {new:?}");
            }
        }
    }
}
