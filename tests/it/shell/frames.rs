//! HTTP/2 as raw frames: what breaks the rules ends its connection or its stream, floods are bounded, others are served.

use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PUSH_PROMISE,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame,
};
use crate::support::proxy::Proxy;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// Memory that one case may leave behind, KiB.
const MAX_GROWTH: usize = 48 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The connection is over.
    Ends,
    /// Stream 1 is reset or refused with a 4xx, or the connection is over.
    Refuses,
    /// Whatever it comes to for who did it.
    Bounded,
}

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    then: Then,
}

const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "a"),
    (":path", "/livez"),
];

fn head_of(stream: u32, all: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields(all))
}

fn get(stream: u32) -> Vec<u8> {
    head_of(stream, &GET)
}

/// An open request for a model, its body still to come.
fn post(stream: u32) -> Vec<u8> {
    let mut all = GET;
    all[0].1 = "POST";
    all[3].1 = "/v1/messages";
    frame(HEADERS, END_HEADERS, stream, &fields(&all))
}

/// `GET` with one thing replaced, or with one more.
fn odd(name: &'static str, value: &'static str) -> Vec<u8> {
    let mut all: Vec<(&str, &str)> = GET.iter().filter(|it| it.0 != name).copied().collect();
    let at = if name.starts_with(':') { 0 } else { all.len() };
    all.insert(at, (name, value));
    head_of(1, &all)
}

fn without(name: &str) -> Vec<u8> {
    let all: Vec<(&str, &str)> = GET.iter().filter(|it| it.0 != name).copied().collect();
    head_of(1, &all)
}

fn broken() -> Vec<Case> {
    let case = |name, bytes| Case {
        name,
        bytes,
        then: Then::Ends,
    };
    let twice = |first: Vec<u8>, second: Vec<u8>| [first, second].concat();
    vec![
        case(
            "a frame of 16 MiB",
            [&[0xff; 3][..], &[0, 0, 0, 0, 0, 1], &[0; 40_000]].concat(),
        ),
        case("an even stream", get(2)),
        case("stream 0", get(0)),
        case("streams in the wrong order", twice(get(5), get(3))),
        case("a body on an idle stream", frame(DATA, 0, 1, b"x")),
        case("a body on stream 0", frame(DATA, 0, 0, b"x")),
        case(
            "a continuation of nothing",
            frame(CONTINUATION, END_HEADERS, 1, &fields(&GET)),
        ),
        case(
            "a head within a head",
            twice(frame(HEADERS, 0, 1, &fields(&GET)), get(3)),
        ),
        case(
            "a ping within a head",
            twice(
                frame(HEADERS, 0, 1, &fields(&GET)),
                frame(PING, 0, 0, &[0; 8]),
            ),
        ),
        case("a ping of 7 bytes", frame(PING, 0, 0, &[0; 7])),
        case("a ping on a stream", frame(PING, 0, 1, &[0; 8])),
        case("settings of 5 bytes", frame(SETTINGS, 0, 0, &[0; 5])),
        case("settings on a stream", frame(SETTINGS, 0, 1, &[])),
        case(
            "an acknowledgement that says something",
            frame(SETTINGS, 1, 0, &[0; 6]),
        ),
        case(
            "a window of 2^31",
            frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]),
        ),
        case(
            "frames of 1 byte",
            frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]),
        ),
        case(
            "push that is neither on nor off",
            frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2]),
        ),
        case(
            "a window that grows by nothing",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
        ),
        case(
            "a window that overflows",
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        ),
        case(
            "a window update of 3 bytes",
            frame(WINDOW_UPDATE, 0, 0, &[0; 3]),
        ),
        case(
            "a reset of an idle stream",
            frame(RST_STREAM, 0, 1, &[0; 4]),
        ),
        case(
            "a reset of 3 bytes",
            twice(get(1), frame(RST_STREAM, 0, 1, &[0; 3])),
        ),
        case(
            "a promise from a client",
            frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]),
        ),
        case("a goodbye on a stream", frame(GOAWAY, 0, 1, &[0; 8])),
        case(
            "a head that cannot be unpacked",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 40]),
        ),
        case(
            "an index that there is none of",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xfe]),
        ),
        case(
            "padding longer than its frame",
            frame(HEADERS, END_HEADERS | 8, 1, &[200, 0, 0]),
        ),
    ]
}

fn refused() -> Vec<Case> {
    let case = |name, bytes| Case {
        name,
        bytes,
        then: Then::Refuses,
    };
    let sent = |mut head: Vec<u8>, rest: Vec<u8>| {
        head.extend(rest);
        head
    };
    let long = "x".repeat(100_000);
    let mut wide = fields(&[("x-wide", &long)]);
    let mut wide_head = frame(HEADERS, END_STREAM, 1, &fields(&GET));
    while !wide.is_empty() {
        let rest = wide.split_off(wide.len().min(16_000));
        let flags = if rest.is_empty() { END_HEADERS } else { 0 };
        wide_head.extend(frame(CONTINUATION, flags, 1, &wide));
        wide = rest;
    }
    let mut two = GET.to_vec();
    two.insert(0, (":path", "/other"));
    let late: Vec<(&str, &str)> = [("x", "1")].into_iter().chain(GET).collect();
    let counted: Vec<(&str, &str)> = GET.into_iter().chain([("content-length", "3")]).collect();
    vec![
        case("a header in capitals", odd("X-Capital", "1")),
        case("a header of one hop", odd("connection", "close")),
        case("a transfer coding", odd("transfer-encoding", "chunked")),
        case("an upgrade", odd("upgrade", "websocket")),
        case("te: gzip", odd("te", "gzip")),
        case("an unknown pseudo-header", odd(":unknown", "1")),
        case("a pseudo-header of answers", odd(":status", "200")),
        case("no path", without(":path")),
        case("no method", without(":method")),
        case("no scheme", without(":scheme")),
        case("an empty path", odd(":path", "")),
        case("a path without a slash", odd(":path", "livez")),
        case("a path with a space", odd(":path", "/liv ez")),
        case("a path with a line feed", odd(":path", "/livez\n")),
        case(
            "a path that is another host's",
            odd(":path", "http://b/livez"),
        ),
        case("two paths", head_of(1, &two)),
        case("a pseudo-header behind a header", head_of(1, &late)),
        case("a user in the authority", odd(":authority", "u@a")),
        case("another host", odd("host", "b")),
        case("a value with a line feed", odd("x-a", "a\nb: c")),
        case("a value with a NUL", odd("x-a", "a\0b")),
        case(
            "a body of another length",
            sent(
                frame(HEADERS, END_HEADERS, 1, &fields(&counted)),
                frame(DATA, END_STREAM, 1, b"hello"),
            ),
        ),
        case("CONNECT", odd(":method", "CONNECT")),
        case("a head of 100 KB", wide_head),
    ]
}

fn floods() -> Vec<Case> {
    let case = |name, bytes| Case {
        name,
        bytes,
        then: Then::Bounded,
    };
    let mut endless = frame(HEADERS, END_STREAM, 1, &fields(&GET));
    let filler = fields(&[("x-a", &"x".repeat(16_000))]);
    for _ in 0..2000 {
        endless.extend(frame(CONTINUATION, 0, 1, &filler));
    }
    let mut empty = frame(HEADERS, END_STREAM, 1, &fields(&GET));
    empty.extend(frame(CONTINUATION, 0, 1, &[]).repeat(50_000));
    let streams = || (0..5000).map(|index| 2 * index + 1);
    let cancel = [0, 0, 0, 8];
    let reset: Vec<u8> = streams()
        .flat_map(|it| [post(it), frame(RST_STREAM, 0, it, &cancel)].concat())
        .collect();
    let mut drip = post(1);
    drip.extend(frame(DATA, 0, 1, &[]).repeat(50_000));
    vec![
        Case {
            then: Then::Ends,
            ..case("a head without an end", endless)
        },
        case("a head of empty pieces", empty),
        Case {
            then: Then::Ends,
            ..case("5,000 streams opened and reset", reset)
        },
        case("5,000 streams at once", streams().flat_map(post).collect()),
        case("50,000 settings", frame(SETTINGS, 0, 0, &[]).repeat(50_000)),
        case("50,000 pings", frame(PING, 0, 0, &[0; 8]).repeat(50_000)),
        case("50,000 empty pieces of a body", drip),
        case(
            "50,000 priorities",
            frame(2, 0, 1, &[0, 0, 0, 3, 7]).repeat(50_000),
        ),
        case(
            "50,000 frames of an unknown kind",
            frame(0xbe, 0, 0, b"what").repeat(50_000),
        ),
        case(
            "50,000 tiny windows",
            [
                get(1),
                frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(50_000),
            ]
            .concat(),
        ),
    ]
}

/// What the proxy's frames tell: whether stream 1 was refused.
fn is_refused(mut bytes: &[u8]) -> bool {
    while let [l1, l2, l3, kind, _, s1, s2, s3, s4, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *l1, *l2, *l3]) as usize;
        let stream = u32::from_be_bytes([*s1, *s2, *s3, *s4]);
        let Some((payload, behind)) = rest.split_at_checked(length) else {
            return false;
        };
        match *kind {
            RST_STREAM | GOAWAY => return true,
            // `:status 400` and `404` stand in HPACK's static table; others come as literals.
            HEADERS if stream == 1 => {
                return matches!(payload, [0x8c | 0x8d, ..]) || payload.first() == Some(&0x48);
            }
            _ => {}
        }
        bytes = behind;
    }
    false
}

async fn play(cases: Vec<Case>) {
    let upstream = Upstream::always(says("good")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("client_read_timeout: 1s")
        .setting("client_write_timeout: 1s");
    let proxy = Proxy::start(setup).await;
    let good = || async {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        (reply.status, reply.text()) == (200, message("good"))
    };
    assert!(good().await);
    let mut complaints = Vec::new();
    let count = cases.len();
    for case in cases {
        let before = proxy.memory();
        if let Err(complaint) = play_one(&proxy, &case).await {
            complaints.push(format!("{}: {complaint}", case.name));
        }
        if !good().await {
            complaints.push(format!("{}: the next was not served", case.name));
        }
        let growth = proxy.memory().saturating_sub(before);
        if MAX_GROWTH < growth {
            complaints.push(format!("{}: {growth} KiB more", case.name));
        }
    }
    let all = complaints.join("\n");
    assert!(
        complaints.is_empty(),
        "{} of {count} cases went wrong:\n{all}",
        complaints.len()
    );
    // The good ones; whatever was refused has asked nobody.
    assert_eq!(upstream.calls(), count + 1);
    println!("{count} cases");
}

async fn play_one(proxy: &Proxy, case: &Case) -> Result<(), String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut input, mut output) = proxy.connect().await.into_parts();
    let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let sending = async {
        let _ = output.write_all(&begin).await;
        let _ = output.write_all(&case.bytes).await;
        if case.then == Then::Bounded {
            return;
        }
        std::future::pending::<()>().await;
    };
    let mut got = Vec::new();
    let reading = async {
        let mut piece = vec![0; 65_536];
        loop {
            match input.read(&mut piece).await {
                Ok(0) | Err(_) => return true,
                Ok(count) => got.extend_from_slice(&piece[..count]),
            }
            if case.then == Then::Refuses && is_refused(&got) {
                return false;
            }
            // Whatever is read is not kept: floods are answered by floods.
            if case.then == Then::Bounded {
                got.clear();
            }
        }
    };
    let limit = std::time::Duration::from_secs(15);
    let played = tokio::time::timeout(limit, async {
        tokio::select! { ended = reading => Some(ended), () = sending => None }
    });
    match played.await {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("it went on: {:?}", &got[..got.len().min(200)])),
    }
}

#[tokio::test]
async fn who_breaks_the_rules_is_let_go() {
    play(broken()).await;
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    play(refused()).await;
}

#[tokio::test]
async fn floods_are_bounded() {
    play(floods()).await;
}
