//! `${NAME}`, `${NAME:-default}`, `${file:/path}` in values; `$${` is a literal `${`.

use std::path::Path;

use zeroize::Zeroizing;

use crate::config::env::Env;
use crate::config::fault::{Report, shown};
use crate::config::tree::Node;
use crate::config::units;

/// Largest file a reference may read, in bytes.
const MAX_SECRET_FILE_BYTES: u64 = 64 << 10;

/// The key of a provider whose value is the path of a file and stands for what is in it.
const FILE_KEY: &str = "credentials_file";

/// Where references lead.
pub(super) struct Sources<'a> {
    /// Variables.
    pub env: &'a Env,
    /// Relative files start here.
    pub dir: &'a Path,
}

impl Sources<'_> {
    /// Expands every value below `root`. A disabled provider may refer to what is not there.
    pub fn expand(&self, root: &mut Node, report: &mut Report) {
        let Node::Map(entries) = root else {
            return;
        };
        for (key, value) in entries {
            match value {
                Node::List(providers) if key == "providers" => {
                    for (i, provider) in providers.iter_mut().enumerate() {
                        self.expand_provider(provider, &format!("providers[{i}]"), report);
                    }
                }
                value => self.expand_node(value, key, report),
            }
        }
    }

    fn expand_provider(&self, provider: &mut Node, path: &str, report: &mut Report) {
        let mut switch = provider.get("enabled").cloned().unwrap_or(Node::Bool(true));
        let mut ignored = Report::new("");
        self.expand_node(&mut switch, path, &mut ignored);
        let report = match units::boolean(&switch) {
            Some(false) => &mut ignored,
            Some(true) | None => report,
        };
        self.expand_node(provider, path, report);
        if let Node::Map(entries) = provider {
            let files = entries.iter_mut().filter(|it| it.0 == FILE_KEY);
            files
                .for_each(|it| self.put_in_place(&mut it.1, &format!("{path}.{FILE_KEY}"), report));
        }
    }

    /// Puts what is in a file in place of its path.
    fn put_in_place(&self, node: &mut Node, path: &str, report: &mut Report) {
        let Node::Text { text, written } = node else {
            return;
        };
        if text.is_empty() {
            return;
        }
        match self.read_file(text, path, report) {
            Ok(inside) => {
                let file = std::mem::replace(text, inside.as_str().to_owned());
                written.get_or_insert(file);
            }
            Err(remedy) => {
                report.fault(path, remedy);
                *node = Node::Broken;
            }
        }
    }

    fn expand_node(&self, node: &mut Node, path: &str, report: &mut Report) {
        match node {
            Node::Text { text, written } => {
                if !text.contains("${") {
                    return;
                }
                match self.expand_text(text, path, report) {
                    Some(expanded) => *written = Some(std::mem::replace(text, expanded)),
                    None => *node = Node::Broken,
                }
            }
            Node::List(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    self.expand_node(item, &format!("{path}[{i}]"), report);
                }
                if items.contains(&Node::Broken) {
                    *node = Node::Broken;
                }
            }
            Node::Map(entries) => {
                for (key, value) in entries {
                    self.expand_node(value, &format!("{path}.{}", quoted(key)), report);
                }
            }
            Node::Null
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Float(_)
            | Node::Tagged
            | Node::Broken => {}
        }
    }

    /// Expands one text; `None` when a reference led nowhere, which is told as a fault. Pieces are put together in one
    /// go: a text that grows leaves copies of itself behind.
    fn expand_text(&self, text: &str, path: &str, report: &mut Report) -> Option<String> {
        let mut broken = false;
        let mut pieces: Vec<Zeroizing<String>> = Vec::new();
        let mut push = |piece: &str| pieces.push(Zeroizing::new(piece.to_owned()));
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, reference) = rest.split_at(at);
            if let Some(literal) = before.strip_suffix('$') {
                push(literal);
                push("${");
                rest = reference.get(2..).unwrap_or_default();
                continue;
            }
            push(before);
            let Some((inner, after)) = reference.get(2..).and_then(|it| it.split_once('}')) else {
                report.fault(
                    path,
                    "a `${` has no closing `}`; write `$${` for the two characters themselves",
                );
                return None;
            };
            match self.look_up(inner, path, report) {
                Ok(value) => push(&value),
                Err(remedy) => {
                    broken = true;
                    report.fault(path, remedy);
                }
            }
            rest = after;
        }
        push(rest);
        (!broken).then(|| joined(&pieces))
    }

    fn look_up(
        &self,
        inner: &str,
        path: &str,
        report: &mut Report,
    ) -> Result<Zeroizing<String>, String> {
        if let Some(file) = inner.strip_prefix("file:") {
            return self.read_file(file, path, report);
        }
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if !is_name(name) {
            return Err(
                "a reference must be ${NAME}, ${NAME:-default} or ${file:/path}; write `$${` for the two characters \
                 themselves"
                    .to_owned(),
            );
        }
        match (self.env.get(name), default) {
            (Some("") | None, Some(default)) => Ok(Zeroizing::new(default.to_owned())),
            (Some(value), _) => Ok(Zeroizing::new(value.to_owned())),
            (None, None) => Err(format!(
                "the environment variable {name} is not set; export it, or write it into .env beside the configuration"
            )),
        }
    }

    fn read_file(
        &self,
        file: &str,
        path: &str,
        report: &mut Report,
    ) -> Result<Zeroizing<String>, String> {
        let place = self.dir.join(file);
        report.files.insert(place.clone());
        let facts = std::fs::metadata(&place)
            .map_err(|error| format!("the file {file} cannot be read: {}", error.kind()))?;
        if !facts.is_file() || MAX_SECRET_FILE_BYTES < facts.len() {
            return Err(format!("{file} is not a file of at most 64 KiB"));
        }
        if others_may_read(&facts) {
            report.warn(
                path,
                format!(
                    "the file {file} can be read by everyone on this machine; run chmod 600 on it"
                ),
            );
        }
        std::fs::read_to_string(&place)
            .map(Zeroizing::new)
            .map(|it| Zeroizing::new(it.trim_end().to_owned()))
            .map_err(|error| format!("the file {file} cannot be read: {}", error.kind()))
    }
}

fn joined(pieces: &[Zeroizing<String>]) -> String {
    let mut whole = String::with_capacity(pieces.iter().map(|it| it.len()).sum());
    for piece in pieces {
        whole.push_str(piece);
    }
    whole
}

/// A key inside a path: quoted when it would be mistaken.
pub(super) fn quoted(key: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
    if !key.is_empty() && key.chars().all(plain) {
        key.to_owned()
    } else {
        format!("\"{}\"", shown(key))
    }
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|it| it.is_ascii_alphabetic() || it == '_')
        && chars.all(|it| it.is_ascii_alphanumeric() || it == '_')
}

#[cfg(unix)]
pub(super) fn others_may_read(facts: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    facts.mode() & 0o004 != 0
}

#[cfg(not(unix))]
pub(super) fn others_may_read(_facts: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    fn expanded(text: &str) -> (Option<String>, Vec<String>) {
        let env = Env::from([("A", "one"), ("EMPTY", "")]);
        let sources = Sources {
            env: &env,
            dir: Path::new("."),
        };
        let mut report = Report::new("c.yaml");
        let out = sources.expand_text(text, "key", &mut report);
        let faults = report.faults.iter().map(ToString::to_string).collect();
        (out, faults)
    }

    #[test]
    fn references_expand_anywhere() {
        let table = [
            ("${A}", "one"),
            ("x${A}y${A}", "xoneyone"),
            ("${B:-two}", "two"),
            ("${EMPTY:-two}", "two"),
            ("${EMPTY}", ""),
            ("${B:-}", ""),
            ("$${A}", "${A}"),
            ("$A and $ {A}", "$A and $ {A}"),
        ];
        for (text, expected) in table {
            assert_eq!(
                expanded(text),
                (Some(expected.to_owned()), vec![]),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        let table = [
            ("${B}", "the environment variable B is not set"),
            ("${A", "has no closing"),
            ("${A:x}", "must be ${NAME}"),
            ("${}", "must be ${NAME}"),
            (
                "${file:/does/not/exist}",
                "the file /does/not/exist cannot be read",
            ),
        ];
        for (text, expected) in table {
            let (_, faults) = expanded(text);
            assert!(
                faults.len() == 1 && faults[0].contains(expected),
                "{text}: {faults:?}"
            );
        }
    }

    #[test]
    fn files_are_read_trimmed_and_judged_by_their_mode() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "sk-secret\n").unwrap();
        let env = Env::default();
        let sources = Sources {
            env: &env,
            dir: dir.path(),
        };
        let mut report = Report::new("c.yaml");
        assert_eq!(
            sources.expand_text("${file:key}", "k", &mut report),
            Some("sk-secret".to_owned())
        );
        assert_eq!(report.notes.len(), 1);
        assert!(report.notes[0].warning && !report.notes[0].text.contains("sk-secret"));
    }

    #[test]
    fn a_disabled_provider_may_refer_to_nothing() {
        let text = "providers: [{enabled: false, auth_value: '${NO}'}, {auth_value: '${NOPE}'}]";
        let mut root = tree::parse("c.yaml", text).unwrap();
        let env = Env::default();
        let sources = Sources {
            env: &env,
            dir: Path::new("."),
        };
        let mut report = Report::new("c.yaml");
        sources.expand(&mut root, &mut report);
        assert_eq!(report.faults.len(), 1);
        assert_eq!(report.faults[0].path, "providers[1].auth_value");
    }
}
