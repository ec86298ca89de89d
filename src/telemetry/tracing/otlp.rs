//! OTLP 1.x in protocol buffers, as far as traces need it: `ExportTraceServiceRequest` and what is in it
//! (opentelemetry-proto, `trace/v1/trace.proto` and `collector/trace/v1`, stable; looked at in March 2026).
//!
//! Binary, not JSON: every receiver takes it, some take nothing else, and it is half as long. A message is its fields, each
//! with a tag in front: the field's number and how its value is written.

use super::span::{Kind, Span, Value};

/// A number of variable length.
const VARINT: u32 = 0;
/// Eight bytes.
const FIXED64: u32 = 1;
/// A length and as many bytes.
const BYTES: u32 = 2;
/// Four bytes.
const FIXED32: u32 = 5;

/// `SPAN_KIND_SERVER`.
const KIND_SERVER: u64 = 2;
/// `SPAN_KIND_CLIENT`.
const KIND_CLIENT: u64 = 3;
/// `STATUS_CODE_ERROR`.
const STATUS_ERROR: u64 = 2;
/// The W3C flag `sampled`; only such spans are made.
const FLAG_SAMPLED: u32 = 1;
/// It is known whether the parent is somebody else's.
const FLAG_KNOWS_REMOTE: u32 = 0x100;
/// And it is.
const FLAG_IS_REMOTE: u32 = 0x200;

/// Of whom the spans tell.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'r> {
    /// `service.name`.
    pub name: &'r str,
    /// `service.instance.id`: one process.
    pub instance: &'r str,
    /// What else is said of it.
    pub more: &'r [(String, String)],
}

/// The body of `POST /v1/traces`.
pub fn export_request(resource: &Resource<'_>, spans: &[Span]) -> Vec<u8> {
    let mut out = Message::default();
    out.message(1, |spans_of_resource| {
        spans_of_resource.message(1, |it| write_resource(it, resource));
        spans_of_resource.message(2, |scope| {
            scope.message(1, |it| {
                it.text(1, env!("CARGO_PKG_NAME"));
                it.text(2, env!("CARGO_PKG_VERSION"));
            });
            for span in spans {
                scope.message(2, |it| write_span(it, span));
            }
        });
    });
    out.0
}

/// How many spans a collector says in its answer (`ExportTraceServiceResponse`) that it has not taken.
pub fn rejected(answer: &[u8]) -> u64 {
    let partial = field(answer, 1, BYTES);
    let count = partial.and_then(|it| field(it.1, 1, VARINT));
    count.map_or(0, |it| it.0)
}

fn write_resource(out: &mut Message, resource: &Resource<'_>) {
    let said = |name: &str| resource.more.iter().any(|it| it.0 == name);
    let own = [
        ("service.name", resource.name),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", resource.instance),
    ];
    let own = own
        .iter()
        .filter(|it| it.0 == "service.name" || !said(it.0));
    for (name, value) in own {
        out.message(1, |it| pair(it, name, &Value::Text((*value).to_owned())));
    }
    for (name, value) in resource.more.iter().filter(|it| it.0 != "service.name") {
        out.message(1, |it| pair(it, name, &Value::Text(value.clone())));
    }
}

fn write_span(out: &mut Message, span: &Span) {
    out.bytes(1, &span.trace.bytes());
    out.bytes(2, &span.id.bytes());
    out.text(3, &span.state);
    if let Some(parent) = span.parent {
        out.bytes(4, &parent.bytes());
    }
    out.text(5, &span.name);
    out.number(
        6,
        match span.kind {
            Kind::Server => KIND_SERVER,
            Kind::Client => KIND_CLIENT,
        },
    );
    out.fixed64(7, span.start);
    out.fixed64(8, span.end);
    for (name, value) in &span.attributes {
        out.message(9, |it| pair(it, name, value));
    }
    if let Some(error) = span.error {
        out.message(15, |status| {
            status.text(2, error);
            status.number(3, STATUS_ERROR);
        });
    }
    let remote = if span.parent_is_remote {
        FLAG_IS_REMOTE
    } else {
        0
    };
    out.fixed32(16, FLAG_SAMPLED | FLAG_KNOWS_REMOTE | remote);
}

fn pair(out: &mut Message, name: &str, value: &Value) {
    out.text(1, name);
    out.message(2, |it| write_value(it, value));
}

/// `AnyValue` is a choice: its field is written even where its value is the default.
fn write_value(out: &mut Message, value: &Value) {
    match value {
        Value::Text(text) => out.bytes(1, text.as_bytes()),
        Value::Bool(is) => {
            out.tag(2, VARINT);
            out.varint(u64::from(*is));
        }
        Value::Number(number) => {
            out.tag(3, VARINT);
            out.varint(number.cast_unsigned());
        }
        Value::Texts(texts) => out.message(5, |list| {
            for text in texts {
                list.message(1, |it| it.bytes(1, text.as_bytes()));
            }
        }),
    }
}

/// A message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    fn varint(&mut self, mut number: u64) {
        while 0x7f < number {
            self.0
                .push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).unwrap_or_default());
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, BYTES);
        self.varint(u64::try_from(bytes.len()).unwrap_or_default());
        self.0.extend_from_slice(bytes);
    }

    /// An empty text is the default, which is not written.
    fn text(&mut self, field: u32, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    fn number(&mut self, field: u32, number: u64) {
        self.tag(field, VARINT);
        self.varint(number);
    }

    fn fixed64(&mut self, field: u32, number: u64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn fixed32(&mut self, field: u32, number: u32) {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn message(&mut self, field: u32, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }
}

/// The first field of that number and kind: a number, or bytes. `None` as well where the message makes no sense.
fn field(mut message: &[u8], wanted: u64, kind: u32) -> Option<(u64, &[u8])> {
    while !message.is_empty() {
        let tag = take_varint(&mut message)?;
        let (number, bytes): (u64, &[u8]) = match u32::try_from(tag & 7).ok()? {
            VARINT => (take_varint(&mut message)?, &[]),
            BYTES => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                (0, message.split_off(..length)?)
            }
            FIXED64 => (0, message.split_off(..8)?),
            FIXED32 => (0, message.split_off(..4)?),
            _ => return None,
        };
        if tag == wanted << 3 | u64::from(kind) {
            return Some((number, bytes));
        }
    }
    None
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for place in 0..10 {
        let byte = *message.split_off_first()?;
        number |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tracing::sample::settings;
    use crate::telemetry::tracing::{SpanId, Trace};

    #[test]
    fn numbers_are_written_as_the_format_has_them() {
        for (number, bytes) in [
            (0, vec![0]),
            (127, vec![0x7f]),
            (150, vec![0x96, 0x01]),
            (u64::MAX, [[0xff; 9].as_slice(), &[0x01]].concat()),
        ] {
            let mut out = Message::default();
            out.varint(number);
            assert_eq!(out.0, bytes, "{number}");
            assert_eq!(take_varint(&mut out.0.as_slice()), Some(number));
        }
        assert_eq!(take_varint(&mut [0x80; 11].as_slice()), None);
        assert_eq!(take_varint(&mut [0x80].as_slice()), None);
    }

    #[test]
    fn what_a_collector_did_not_take_is_read() {
        let mut answer = Message::default();
        answer.message(1, |it| {
            it.text(2, "too old");
            it.number(1, 300);
        });
        assert_eq!(rejected(&answer.0), 300);
        for nothing in [&[][..], &[0x0a, 0x00], &[0xff; 30], &[0x0a, 0x7f, 1]] {
            assert_eq!(rejected(nothing), 0, "{nothing:?}");
        }
    }

    #[test]
    fn spans_stand_where_the_schema_has_them() {
        let trace = Trace::begin(&settings(), None, &[]);
        let span = Span {
            trace: trace.id,
            id: SpanId::random(),
            parent: Some(trace.span),
            parent_is_remote: false,
            state: String::new(),
            name: "chat m".to_owned(),
            kind: Kind::Client,
            start: 1,
            end: 2,
            attributes: vec![("a", Value::Bool(false)), ("b", Value::Number(-1))],
            error: Some("timeout"),
        };
        let resource = Resource {
            name: "gate",
            instance: "i",
            more: &[("service.name".to_owned(), "no".to_owned())],
        };
        let body = export_request(&resource, std::slice::from_ref(&span));
        let inside = |message: &[u8], path: &[u64]| -> Option<Vec<u8>> {
            let mut at = message.to_vec();
            for number in path {
                at = field(&at, *number, BYTES)?.1.to_vec();
            }
            Some(at)
        };
        // resource_spans → resource → attributes → value → string_value
        assert_eq!(inside(&body, &[1, 1, 1, 2, 1]).unwrap(), b"gate");
        assert!(!body.windows(2).any(|it| it == b"no"));
        // resource_spans → scope_spans → spans
        let written = inside(&body, &[1, 2, 2]).unwrap();
        assert_eq!(inside(&written, &[1]).unwrap(), trace.id.bytes());
        assert_eq!(inside(&written, &[4]).unwrap(), trace.span.bytes());
        assert_eq!(inside(&written, &[5]).unwrap(), b"chat m");
        assert_eq!(field(&written, 6, VARINT).unwrap().0, KIND_CLIENT);
        assert_eq!(field(&written, 8, FIXED64).unwrap().1, 2_u64.to_le_bytes());
        // The default value of a choice is written all the same.
        assert_eq!(inside(&written, &[9, 2]).unwrap(), [0x10, 0]);
        assert_eq!(inside(&written, &[15, 2]).unwrap(), b"timeout");
    }
}
