//! HTTP/2 by hand: frames as bytes, whole ones and broken ones, where a library would only write good ones.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::wire::Buffer;

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's head.
const HEAD: usize = 9;
/// What a receiver takes in one frame unless it says otherwise.
const MAX_PAYLOAD: usize = 16_384;

/// Types of frames.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// `END_STREAM`, and of settings and pings `ACK`.
pub const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// Why a stream or a connection is ended (RFC 9113 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// In good order.
    NoError = 0,
    /// The other side has broken a rule.
    Protocol = 1,
    /// Something went wrong here.
    Internal = 2,
    /// Not even looked at: may be sent again.
    Refused = 7,
    /// No longer wanted.
    Cancel = 8,
    /// Too much was asked of us.
    EnhanceYourCalm = 11,
}

/// Any frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = length[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// The head of an answer. Heads that do not fit go on in further frames.
pub fn head(stream: u32, status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let block = block(status, headers);
    let mut pieces = block.chunks(MAX_PAYLOAD);
    let first = pieces.next().unwrap();
    let flags = |last: bool| if last { END_HEADERS } else { 0 };
    let mut out = frame(HEADERS, flags(first.len() == block.len()), stream, first);
    let mut sent = first.len();
    for piece in pieces {
        sent += piece.len();
        out.extend(frame(
            CONTINUATION,
            flags(sent == block.len()),
            stream,
            piece,
        ));
    }
    out
}

/// A piece of a body.
pub fn data(stream: u32, data: &[u8]) -> Vec<u8> {
    let frames = data.chunks(MAX_PAYLOAD);
    frames.flat_map(|it| frame(DATA, 0, stream, it)).collect()
}

/// The end of a body.
pub fn end(stream: u32) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, &[])
}

/// The end of a stream before its time.
pub fn reset(stream: u32, reason: Reason) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &(reason as u32).to_be_bytes())
}

/// No stream behind `last` is served on this connection.
pub fn goaway(last: u32, reason: Reason) -> Vec<u8> {
    let payload = [last.to_be_bytes(), (reason as u32).to_be_bytes()].concat();
    frame(GOAWAY, 0, 0, &payload)
}

/// Our settings, all as they are by default.
pub fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[])
}

/// A question whether somebody is there.
pub fn ping() -> Vec<u8> {
    frame(PING, 0, 0, b"chaos---")
}

/// Header fields as literals without an index: long, and nothing to keep in step.
fn block(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let status = status.to_string();
    let all: Vec<_> = [(":status", status.as_str())]
        .iter()
        .chain(headers)
        .copied()
        .collect();
    fields(&all)
}

/// The same of any fields.
pub fn fields(all: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in all {
        out.push(0);
        for text in [name, value] {
            length(text.len(), &mut out);
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// A length with a prefix of seven bits.
fn length(mut length: usize, out: &mut Vec<u8>) {
    const PREFIX: usize = 127;
    if length < PREFIX {
        return out.push(u8::try_from(length).unwrap());
    }
    out.push(127);
    length -= PREFIX;
    while 128 <= length {
        out.push(u8::try_from(length % 128 + 128).unwrap());
        length /= 128;
    }
    out.push(u8::try_from(length).unwrap());
}

/// Reads up to the end of the next request and gives its stream; what is in the request stays unread. `None`: the
/// connection ended first.
pub(super) async fn next_request(
    stream: &mut TcpStream,
    buffer: &mut Buffer,
    fresh: bool,
) -> Option<u32> {
    if fresh {
        let preface = buffer.exactly(PREFACE.len(), stream).await.ok()?;
        if preface != PREFACE {
            return None;
        }
        stream.write_all(&settings()).await.ok()?;
    }
    loop {
        let head = buffer.exactly(HEAD, stream).await.ok()?;
        let head: [u8; HEAD] = head.try_into().ok()?;
        let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = head;
        let length = u32::from_be_bytes([0, l1, l2, l3]);
        let payload = buffer.exactly(usize::try_from(length).ok()?, stream).await;
        let payload = payload.ok()?;
        match kind {
            SETTINGS | PING if flags & ACK == 0 => {
                let echo: &[u8] = if kind == PING { &payload } else { &[] };
                let answer = frame(kind, ACK, 0, echo);
                stream.write_all(&answer).await.ok()?;
            }
            DATA | HEADERS if flags & END_STREAM != 0 => {
                return Some(u32::from_be_bytes([s1, s2, s3, s4]));
            }
            _ => {}
        }
    }
}
