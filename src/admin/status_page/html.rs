//! A page, piece by piece. Names of elements and attributes are ours and fixed when this is compiled; every text and
//! every value goes through one function that leaves nothing of markup in it. There is no way around it.

use std::fmt::Write;
use std::time::SystemTime;

use crate::types::calendar::rfc3339;

/// Markup so far.
#[derive(Debug, Default)]
pub struct Html(String);

/// Names and values.
type Attributes<'a> = &'a [(&'static str, &'a str)];

impl Html {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What every page begins with.
    pub fn document() -> Self {
        Html("<!doctype html>\n".to_owned())
    }

    /// An element and what is inside.
    pub fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Html),
    ) {
        self.open(name, attributes);
        inside(self);
        let _ = write!(self.0, "</{name}>");
    }

    /// An element with nothing but text.
    pub fn line(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.element(name, attributes, |it| it.text(text));
    }

    /// An element that has no inside: `link`.
    pub fn open(&mut self, name: &'static str, attributes: Attributes<'_>) {
        let _ = write!(self.0, "<{name}");
        for (name, value) in attributes {
            let _ = write!(self.0, " {name}=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push('>');
    }

    /// Text, whoever wrote it.
    pub fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(character),
                it if is_invisible(it) => self.0.push(char::REPLACEMENT_CHARACTER),
                it => self.0.push(it),
            }
        }
    }

    /// A name that a stranger may have chosen: its letters turn nothing around that follows.
    pub fn name(&mut self, text: &str) {
        self.line("bdi", &[], text);
    }

    /// A moment: in UTC, unless the browser can do better.
    pub fn moment(&mut self, at: SystemTime) {
        let full = rfc3339(at);
        let time = full.get(11..19).unwrap_or_default();
        let shown = format!("{time} UTC");
        self.line("time", &[("datetime", &full)], &shown);
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// More of it that was written apart.
    pub fn append(&mut self, more: &Html) {
        self.0.push_str(&more.0);
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.0
    }
}

/// Controls, and marks that change the direction of what follows.
fn is_invisible(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nothing_that_is_written_into_it_is_markup() {
        let hostile = "<script>\"'&\u{202e}\u{0}</title>";
        let mut html = Html::new();
        html.element("p", &[("title", hostile)], |it| it.name(hostile));
        let escaped = "&lt;script&gt;&quot;&#39;&amp;\u{fffd}\u{fffd}&lt;/title&gt;";
        let wanted = format!("<p title=\"{escaped}\"><bdi>{escaped}</bdi></p>");
        assert_eq!(html.finish(), wanted);
    }

    #[test]
    fn moments_are_utc() {
        let mut html = Html::new();
        html.moment(SystemTime::UNIX_EPOCH + Duration::from_secs(3_661));
        let wanted = "<time datetime=\"1970-01-01T01:01:01Z\">01:01:01 UTC</time>";
        assert_eq!(html.finish(), wanted);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_there_is_one_element(text in ".{0,60}") {
            let mut html = Html::new();
            html.element("p", &[("title", &text)], |it| it.text(&text));
            let html = html.finish();
            proptest::prop_assert_eq!(html.matches('<').count(), 2);
            proptest::prop_assert_eq!(html.matches('"').count(), 2);
        }
    }
}
