//! A request's place in a trace, by W3C Trace Context (Recommendation of 23 November 2021): `traceparent` and `tracestate`.

use std::fmt;

use super::span::WallClock;
use crate::config::Tracing;

/// Longest `tracestate` that is carried on, bytes; the standard asks for 512 at least.
const MAX_STATE: usize = 512;
/// Members that it may have.
const MAX_MEMBERS: usize = 32;
/// Length of a `traceparent` of version 00.
const PARENT_LENGTH: usize = 55;
/// The flag that says that somebody records the trace.
const SAMPLED: u8 = 1;
/// Bits of a trace id that are random in every version of the standard, and decide whether it is sampled.
const RANDOM_BITS: u32 = 56;

/// A trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

/// One span of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpanId(u64);

impl TraceId {
    /// As it is sent.
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl SpanId {
    /// A new one.
    pub fn random() -> Self {
        SpanId(fastrand::u64(1..))
    }

    /// As it is sent.
    pub fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// A request's place in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Which trace.
    pub id: TraceId,
    /// The request's own span.
    pub span: SpanId,
    /// The client's span, if it told one.
    pub parent: Option<SpanId>,
    /// Whether spans are made.
    pub sampled: bool,
    /// What others have said of it, to be carried on as it is.
    pub state: String,
    /// When the request arrived.
    pub clock: WallClock,
}

impl Trace {
    /// The place of a request that came with these headers: the client's trace, where there is one and it is followed;
    /// otherwise one of its own. A client that has decided whether it is recorded decides here as well.
    pub fn begin(settings: &Tracing, parent: Option<&str>, state: &[&str]) -> Self {
        let told = parent.filter(|_| settings.accept).and_then(read_parent);
        let span = SpanId::random();
        if let Some((id, parent, sampled)) = told {
            return Trace {
                id,
                span,
                parent: Some(parent),
                sampled,
                state: read_state(state),
                clock: WallClock::now(),
            };
        }
        let id = TraceId(fastrand::u128(1..));
        Trace {
            id,
            span,
            parent: None,
            sampled: is_sampled(id, settings.sample),
            state: String::new(),
            clock: WallClock::now(),
        }
    }

    /// The `traceparent` for whom `span` calls.
    pub fn parent_for(&self, span: SpanId) -> String {
        let flags = if self.sampled { SAMPLED } else { 0 };
        format!("00-{}-{span}-{flags:02x}", self.id)
    }
}

/// One trace id is sampled wherever the share is the same, and where it is larger.
fn is_sampled(id: TraceId, share: f64) -> bool {
    let random = id.0 & ((1 << RANDOM_BITS) - 1);
    let place = random as f64 / 2_f64.powi(RANDOM_BITS.cast_signed());
    place < share
}

fn read_parent(text: &str) -> Option<(TraceId, SpanId, bool)> {
    let text = text.trim();
    let mut parts = text.split('-');
    let version = hex(parts.next()?, 2)?;
    let id = hex(parts.next()?, 32)?;
    let span = hex(parts.next()?, 16)?;
    let flags = hex(parts.next()?, 2)?;
    // Later versions may add parts behind these.
    let complete = if version == 0 {
        text.len() == PARENT_LENGTH
    } else {
        version != 0xff
    };
    let span = u64::try_from(span).ok()?;
    let sampled = flags & u128::from(SAMPLED) != 0;
    (complete && id != 0 && span != 0).then_some((TraceId(id), SpanId(span), sampled))
}

/// A number of so many digits, in lower case as the standard has it.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let good = text.len() == digits && text.bytes().all(is_digit);
    good.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// All `tracestate` headers as one; nothing of one that passes the bounds or holds what no header may.
fn read_state(headers: &[&str]) -> String {
    let members = headers.iter().flat_map(|it| it.split(','));
    let members: Vec<&str> = members.map(str::trim).filter(|it| !it.is_empty()).collect();
    let state = members.join(",");
    let good = members.len() <= MAX_MEMBERS
        && state.len() <= MAX_STATE
        && members.iter().all(|it| it.contains('='))
        && state.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if good { state } else { String::new() }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn parents_are_read_as_the_standard_has_them() {
        let good = |text: &str| read_parent(text).map(|(id, span, on)| format!("{id} {span} {on}"));
        let on = Some(format!("{ID} {SPAN} true"));
        assert_eq!(good(&format!("00-{ID}-{SPAN}-01")), on);
        assert_eq!(
            good(&format!("00-{ID}-{SPAN}-00")),
            Some(format!("{ID} {SPAN} false"))
        );
        // Other flags, later versions.
        assert_eq!(good(&format!("00-{ID}-{SPAN}-03")), on);
        assert_eq!(good(&format!("cc-{ID}-{SPAN}-01-more")), on);
        for bad in [
            "",
            "00",
            &format!("00-{ID}-{SPAN}"),
            &format!("00-{ID}-{SPAN}-01-more"),
            &format!("ff-{ID}-{SPAN}-01"),
            &format!("00-{ID}-{SPAN}-1"),
            &format!("00-{}-{SPAN}-01", ID.to_uppercase()),
            &format!("00-{}-{SPAN}-01", "0".repeat(32)),
            &format!("00-{ID}-{}-01", "0".repeat(16)),
            &format!("00-{ID}-+0f067aa0ba902b7-01"),
            &format!("00-{ID}-éé67aa0ba902b7-01"),
        ] {
            assert_eq!(good(bad), None, "{bad}");
        }
    }

    #[test]
    fn states_are_joined_and_bounded() {
        assert_eq!(read_state(&["a=1, b=2", "", "c@d=x y"]), "a=1,b=2,c@d=x y");
        assert_eq!(read_state(&["novalue"]), "");
        assert_eq!(read_state(&["a=é"]), "");
        assert_eq!(read_state(&[&format!("a={}", "x".repeat(MAX_STATE))]), "");
        assert_eq!(read_state(&[&"a=1,".repeat(MAX_MEMBERS + 1)]), "");
    }

    #[test]
    fn a_share_of_all_traces_is_sampled_and_always_the_same_ones() {
        let ids: Vec<TraceId> = (0..10_000).map(|_| TraceId(fastrand::u128(1..))).collect();
        assert!(ids.iter().all(|id| is_sampled(*id, 1.0)));
        assert!(!ids.iter().any(|id| is_sampled(*id, 0.0)));
        let tenth: Vec<_> = ids.iter().filter(|id| is_sampled(**id, 0.1)).collect();
        assert!((800..1200).contains(&tenth.len()), "{}", tenth.len());
        assert!(tenth.iter().all(|id| is_sampled(**id, 0.2)));
    }
}
