//! A collector for traces: a scripted upstream whose requests are read as the schema has them, by field numbers of its own.

use std::collections::BTreeMap;

use super::script::Act;
use super::upstream::Seen;
use super::upstream::Upstream;
use super::{eventually, soon};

/// A collector that takes everything.
pub async fn collector() -> Upstream {
    Upstream::always(Act::answer(200, &[], "")).await
}

/// A span as it arrived. Attributes are texts; lists are joined with `, `.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub state: String,
    pub name: String,
    pub kind: u64,
    pub start: u64,
    pub end: u64,
    pub attributes: BTreeMap<String, String>,
    /// Code and message.
    pub status: (u64, String),
    pub flags: u64,
    /// Attributes of who sent it.
    pub resource: BTreeMap<String, String>,
}

impl Span {
    /// An attribute; empty when there is none.
    pub fn says(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// Waits until so many spans have come.
pub async fn spans(collector: &Upstream, count: usize) -> Vec<Span> {
    let come = eventually("the spans", || async {
        let all: Vec<Span> = (0..collector.calls())
            .map(|index| collector.seen(index))
            .filter(|seen| seen.answered)
            .flat_map(|seen| read(&seen))
            .collect();
        (count <= all.len()).then_some(all)
    });
    let all = soon("the collector", come).await;
    assert_eq!(all.len(), count, "{all:#?}");
    all
}

/// The spans of one export.
pub fn read(seen: &Seen) -> Vec<Span> {
    assert_eq!(seen.header("content-type"), Some("application/x-protobuf"));
    let mut spans = Vec::new();
    for of_resource in messages(&seen.body, 1) {
        let resource: BTreeMap<_, _> = messages(&of_resource, 1)
            .iter()
            .flat_map(|it| attributes(it, 1))
            .collect();
        for scope in messages(&of_resource, 2) {
            for it in messages(&scope, 2) {
                spans.push(span(&it, &resource));
            }
        }
    }
    assert!(!spans.is_empty());
    spans
}

fn span(message: &[u8], resource: &BTreeMap<String, String>) -> Span {
    let hex = |number| {
        let bytes = messages(message, number).concat();
        let digits: Vec<String> = bytes.iter().map(|it| format!("{it:02x}")).collect();
        digits.concat()
    };
    let status = messages(message, 15).concat();
    Span {
        trace: hex(1),
        id: hex(2),
        parent: hex(4),
        state: text(message, 3),
        name: text(message, 5),
        kind: number(message, 6),
        start: number(message, 7),
        end: number(message, 8),
        attributes: attributes(message, 9).into_iter().collect(),
        status: (number(&status, 3), text(&status, 2)),
        flags: number(message, 16),
        resource: resource.clone(),
    }
}

fn attributes(message: &[u8], field: u64) -> Vec<(String, String)> {
    let pairs = messages(message, field);
    let pair = |it: &Vec<u8>| (text(it, 1), value(&messages(it, 2).concat()));
    pairs.iter().map(pair).collect()
}

/// Of a choice that was written, never empty.
fn value(message: &[u8]) -> String {
    let (field, it) = fields(message).into_iter().next().unwrap();
    match (field, it) {
        (1, Field::Bytes(text)) => String::from_utf8(text).unwrap(),
        (2, Field::Number(is)) => (is == 1).to_string(),
        (3, Field::Number(number)) => i64::from_ne_bytes(number.to_ne_bytes()).to_string(),
        (5, Field::Bytes(list)) => {
            let texts = messages(&list, 1);
            let texts: Vec<String> = texts.iter().map(|it| value(it)).collect();
            texts.join(", ")
        }
        other => panic!("an attribute of another kind: {other:?}"),
    }
}

#[derive(Clone, Debug)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

fn messages(message: &[u8], wanted: u64) -> Vec<Vec<u8>> {
    let all = fields(message).into_iter().filter(|it| it.0 == wanted);
    all.map(|(_, field)| match field {
        Field::Bytes(bytes) => bytes,
        Field::Number(number) => panic!("field {wanted} is a number: {number}"),
    })
    .collect()
}

fn text(message: &[u8], wanted: u64) -> String {
    String::from_utf8(messages(message, wanted).concat()).unwrap()
}

fn number(message: &[u8], wanted: u64) -> u64 {
    match fields(message).into_iter().find(|it| it.0 == wanted) {
        Some((_, Field::Number(number))) => number,
        None => 0,
        Some((_, Field::Bytes(_))) => panic!("field {wanted} is no number"),
    }
}

/// All fields of a message; anything that is no message fails the test.
fn fields(mut message: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut message)),
            1 => Field::Number(fixed(&mut message, 8)),
            2 => {
                let length = usize::try_from(varint(&mut message)).unwrap();
                let (bytes, rest) = message.split_at(length);
                message = rest;
                Field::Bytes(bytes.to_vec())
            }
            5 => Field::Number(fixed(&mut message, 4)),
            kind => panic!("a field of kind {kind}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

fn fixed(message: &mut &[u8], length: usize) -> u64 {
    let (bytes, rest) = message.split_at(length);
    *message = rest;
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn varint(message: &mut &[u8]) -> u64 {
    let (mut number, mut place) = (0, 0);
    loop {
        let (byte, rest) = message.split_first().unwrap();
        *message = rest;
        number |= u64::from(byte & 0x7f) << place;
        place += 7;
        if *byte < 0x80 {
            return number;
        }
    }
}
