//! Where every value of a YAML text stands: what splices are made of. The parser here knows places and nothing of
//! meaning; what a text means is told by `config/tree.rs`, with which every edit is compared afterwards.
//!
//! Of the parser's places only the beginnings are taken where its tokens may reach too far: behind brackets, quotes and
//! aliases they cover blanks and comments, too.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

/// A text and the places in it.
pub(super) struct Layout<'t> {
    pub text: &'t str,
    /// `None` for a text without any value.
    pub root: Option<Spot>,
    /// Anchors that an alias refers to, with their names.
    pub shared: BTreeMap<usize, String>,
}

/// A value and where it stands.
pub(super) struct Spot {
    /// Where its anchor or tag begins, if it has one; the value otherwise.
    pub start: usize,
    /// The value itself. Of a block: from its first child to the end of its last one.
    pub range: Range<usize>,
    /// The number of its anchor; 0 is none.
    pub anchor: usize,
    pub what: What,
}

/// What stands there.
pub(super) enum What {
    /// Nothing is written.
    Nothing,
    /// Text on one or more lines, or a number.
    Scalar,
    /// Text below `|` or `>`.
    BlockScalar,
    /// `*name`: a value that stands elsewhere.
    Alias,
    List {
        form: Form,
        items: Vec<Spot>,
    },
    Map {
        form: Form,
        entries: Vec<Entry>,
    },
}

/// How a list or map is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Line by line.
    Block,
    /// In brackets or braces.
    Flow,
    /// A pair inside brackets without braces of its own.
    Pair,
}

/// A key and its value.
pub(super) struct Entry {
    /// The key's text; `None` for a key that is no text.
    pub name: Option<String>,
    pub key: Spot,
    pub value: Spot,
}

/// A list or map that is being read.
struct Open {
    start: usize,
    inner: usize,
    anchor: usize,
    form: Form,
    is_map: bool,
    items: Vec<Spot>,
    entries: Vec<Entry>,
    key: Option<(Option<String>, Spot)>,
}

/// Reads the places; `None` where this parser takes the text for broken.
pub(super) fn layout(text: &str) -> Option<Layout<'_>> {
    let mut places = Places::of(text);
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    let mut anchors: BTreeMap<usize, String> = BTreeMap::new();
    let mut used: BTreeSet<usize> = BTreeSet::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let outer = places.range(span)?;
        let (spot, name) = match event {
            Event::Scalar(value, style, anchor, tag) => {
                let properties = anchor != 0 || tag.is_some();
                let spot = scalar(text, outer, style, anchor, properties)?;
                (spot, Some(value.into_owned()))
            }
            Event::Alias(anchor) => {
                used.insert(anchor);
                let end = outer.start + 1 + anchor_name(text, outer.start, '*').len();
                (Spot::new(outer.start..end, 0, What::Alias), None)
            }
            Event::SequenceStart(anchor, _) => {
                let (inner, form) = form_of(text, &outer, '[', open.last())?;
                open.push(Open::new(outer.start, inner, anchor, form, false));
                continue;
            }
            Event::MappingStart(anchor, _) => {
                let (inner, form) = form_of(text, &outer, '{', open.last())?;
                open.push(Open::new(outer.start, inner, anchor, form, true));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                (open.pop()?.closed(text, outer.start)?, None)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => continue,
        };
        if spot.anchor != 0 {
            anchors.insert(spot.anchor, anchor_name(text, spot.start, '&'));
        }
        match open.last_mut() {
            Some(open) => open.take(text, spot, name),
            None => root = Some(spot),
        }
    }
    anchors.retain(|it, _| used.contains(it));
    Some(Layout {
        text,
        root,
        shared: anchors,
    })
}

fn scalar(
    text: &str,
    outer: Range<usize>,
    style: ScalarStyle,
    anchor: usize,
    properties: bool,
) -> Option<Spot> {
    let start = outer.start;
    match style {
        ScalarStyle::Literal | ScalarStyle::Folded => {
            let written = text.get(outer.clone())?;
            let end = outer.start + written.trim_end_matches([' ', '\n', '\r']).len();
            Some(Spot::new(start..end, anchor, What::BlockScalar))
        }
        ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            let inner = if properties {
                behind_properties(text, outer.clone())?
            } else {
                start
            };
            let end = match style {
                ScalarStyle::Plain => outer.end,
                _ => quoted_end(text, inner)?,
            };
            let what = if inner == end {
                What::Nothing
            } else {
                What::Scalar
            };
            Some(Spot {
                start,
                ..Spot::new(inner..end, anchor, what)
            })
        }
    }
}

/// Where a quoted text that begins at `start` ends. The parser counts blanks and a comment behind it in.
fn quoted_end(text: &str, start: usize) -> Option<usize> {
    let written = text.get(start..)?;
    let quote = written.chars().next()?;
    let mut chars = written.char_indices().skip(1).peekable();
    while let Some((i, it)) = chars.next() {
        if it == '\\' && quote == '"' {
            chars.next();
        } else if it == quote {
            if quote == '\'' && chars.peek().is_some_and(|it| it.1 == '\'') {
                chars.next();
            } else {
                return Some(start + i + 1);
            }
        }
    }
    None
}

/// Where the value behind an anchor or a tag begins; neither can be the beginning of a plain text.
fn behind_properties(text: &str, range: Range<usize>) -> Option<usize> {
    let mut rest = text.get(range.clone())?;
    while rest.starts_with(['&', '!']) {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        rest = rest.get(end..)?.trim_start();
    }
    Some(range.end - rest.len())
}

fn anchor_name(text: &str, start: usize, sign: char) -> String {
    let properties = text.get(start..).unwrap_or_default();
    let name = properties.split_once(sign).map_or("", |it| it.1);
    let is_end = |it: char| it.is_whitespace() || matches!(it, ',' | '[' | ']' | '{' | '}');
    name.split(is_end).next().unwrap_or_default().to_owned()
}

/// Where a list or map begins whose first event covers `outer`, and how it is written. Only a bracket of its own is
/// covered: a block may begin with the brackets of its first child.
fn form_of(
    text: &str,
    outer: &Range<usize>,
    bracket: char,
    within: Option<&Open>,
) -> Option<(usize, Form)> {
    let inner = behind_properties(text, outer.clone())?;
    let form = if text.get(inner..outer.end)?.starts_with(bracket) {
        Form::Flow
    } else if within.is_some_and(|it| it.form != Form::Block) {
        Form::Pair
    } else {
        Form::Block
    };
    Some((inner, form))
}

impl Spot {
    fn new(range: Range<usize>, anchor: usize, what: What) -> Self {
        Spot {
            start: range.start,
            range,
            anchor,
            what,
        }
    }

    /// Where its last character is written.
    pub fn end(&self) -> usize {
        self.range.end
    }
}

impl Open {
    fn new(start: usize, inner: usize, anchor: usize, form: Form, is_map: bool) -> Self {
        Open {
            start,
            inner,
            anchor,
            form,
            is_map,
            items: Vec::new(),
            entries: Vec::new(),
            key: None,
        }
    }

    /// Takes a child.
    fn take(&mut self, text: &str, mut spot: Spot, name: Option<String>) {
        if !self.is_map {
            self.items.push(spot);
            return;
        }
        match self.key.take() {
            None => self.key = Some((name, spot)),
            Some((name, key)) => {
                if matches!(spot.what, What::Nothing) && spot.start == spot.range.end {
                    let place = behind_colon(text, key.end());
                    spot = Spot::new(place..place, spot.anchor, What::Nothing);
                }
                self.entries.push(Entry {
                    name,
                    key,
                    value: spot,
                });
            }
        }
    }

    fn closed(mut self, text: &str, closing: usize) -> Option<Spot> {
        let range = if self.form == Form::Flow {
            let bracket = if self.is_map { '}' } else { ']' };
            self.inner..closing_bracket(text, closing, bracket)? + 1
        } else {
            let ends = self.entries.iter().map(|it| it.value.end());
            let end = ends.chain(self.items.iter().map(Spot::end)).next_back();
            let firsts = self.entries.iter().map(|it| it.key.start);
            let first = firsts.chain(self.items.iter().map(|it| it.start)).next();
            let first = first.unwrap_or(self.inner);
            self.start = self.start.min(first);
            first..end.unwrap_or(self.inner)
        };
        let what = if self.is_map {
            What::Map {
                form: self.form,
                entries: self.entries,
            }
        } else {
            What::List {
                form: self.form,
                items: self.items,
            }
        };
        Some(Spot {
            start: self.start,
            ..Spot::new(range, self.anchor, what)
        })
    }
}

/// Where the bracket is that ends a list or map. The parser may tell the comma before it instead.
fn closing_bracket(text: &str, from: usize, bracket: char) -> Option<usize> {
    let mut rest = text.get(from..)?;
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix(',') {
            rest = behind;
        } else if rest.starts_with('#') {
            rest = rest.split_once('\n')?.1;
        } else {
            return rest.starts_with(bracket).then(|| text.len() - rest.len());
        }
    }
}

/// The place behind the colon of a key that ends at `end` and has no value.
pub(super) fn behind_colon(text: &str, end: usize) -> usize {
    let rest = text.get(end..).unwrap_or_default();
    let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    if rest.get(gap..).is_some_and(|it| it.starts_with(':')) {
        end + gap + 1
    } else {
        end
    }
}

/// Lines and columns, as the parser tells places, turned into bytes. Its running index is not used: it has been wrong
/// behind block scalars before.
struct Places<'t> {
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    /// The last place found, as line, column and byte: the next one is near.
    last: (usize, usize, usize),
}

impl<'t> Places<'t> {
    fn of(text: &'t str) -> Self {
        let mut lines = vec![0];
        let bytes = text.as_bytes();
        for (i, byte) in bytes.iter().enumerate() {
            let is_break = match byte {
                b'\n' => true,
                b'\r' => bytes.get(i + 1) != Some(&b'\n'),
                _ => false,
            };
            if is_break {
                lines.push(i + 1);
            }
        }
        Places {
            text,
            lines,
            last: (0, 0, 0),
        }
    }

    fn range(&mut self, span: Span) -> Option<Range<usize>> {
        let start = self.byte(span.start)?;
        let end = self.byte(span.end)?;
        (start <= end).then_some(start..end)
    }

    fn byte(&mut self, at: Marker) -> Option<usize> {
        let (line, column) = (at.line().checked_sub(1)?, at.col());
        let (from_column, from) = match self.last {
            (last, from_column, from) if last == line && from_column <= column => {
                (from_column, from)
            }
            // The end of a text without a line break at its end is on a line that is not there.
            _ => (0, self.lines.get(line).copied().unwrap_or(self.text.len())),
        };
        let rest = self.text.get(from..)?;
        let mut chars = rest.char_indices();
        let byte = match chars.nth(column - from_column) {
            Some((offset, _)) => from + offset,
            None => self.text.len(),
        };
        self.last = (line, column, byte);
        Some(byte)
    }
}
