//! Framing: where a request ends must be beyond doubt, or it is refused.

use super::case::{Case, answered, good, play, post, refused};
use crate::support::answers::ask;

/// With a body that would be a request of its own.
fn smuggled(lines: &str) -> String {
    let inner = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    format!("{}0\r\n\r\n{inner}", post(lines))
}

fn chunked(body: &str) -> String {
    format!("{}{body}", post("transfer-encoding: chunked"))
}

fn heads() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        (
            "A1 both framings",
            "content-length: 5\r\ntransfer-encoding: chunked",
        ),
        (
            "A1 both framings, turned round",
            "transfer-encoding: chunked\r\ncontent-length: 5",
        ),
        (
            "A1 chunked twice",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        ),
        (
            "A1 chunked in a list",
            "transfer-encoding: identity, chunked",
        ),
        (
            "A1 chunked not last",
            "transfer-encoding: chunked, identity",
        ),
        ("A1 gzip, chunked", "transfer-encoding: gzip, chunked"),
        ("A1 xchunked", "transfer-encoding: xchunked"),
        ("A1 chunkedx", "transfer-encoding: chunkedx"),
        ("A1 quoted", "transfer-encoding: \"chunked\""),
        ("A1 a vertical tab", "transfer-encoding: \x0bchunked"),
        ("A1 a name with a space", "transfer-encoding : chunked"),
        ("A1 a folded coding", "transfer-encoding:\r\n chunked"),
        (
            "A1 a coding behind a line feed",
            "x: y\ntransfer-encoding: chunked",
        ),
        ("A1 identity", "transfer-encoding: identity"),
        ("A1 an empty coding", "transfer-encoding: "),
        ("A2 -1", "content-length: -1"),
        ("A2 +5", "content-length: +5"),
        ("A2 0x5", "content-length: 0x5"),
        ("A2 5 5", "content-length: 5 5"),
        ("A2 5e0", "content-length: 5e0"),
        ("A2 5.0", "content-length: 5.0"),
        ("A2 nothing", "content-length: "),
        ("A2 2^64 + 5", "content-length: 18446744073709551621"),
        (
            "A2 many digits",
            "content-length: 00000000000000000000000000000005",
        ),
        (
            "A2 two that differ",
            "content-length: 5\r\ncontent-length: 6",
        ),
        ("A3 two alike", "content-length: 5\r\ncontent-length: 5"),
        ("A3 a list", "content-length: 5, 5"),
    ]
    .iter()
    .map(|(name, lines)| refused(name, smuggled(lines), 400))
    .collect();
    cases.push(refused(
        "A1 chunked in HTTP/1.0",
        "POST /v1/messages HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ));
    cases
}

fn bodies() -> Vec<Case> {
    [
        ("A4 a size that overflows", "fffffffffffffffff\r\n"),
        ("A4 a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
        ("A4 a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("A4 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("A4 no size", "\r\nhello\r\n0\r\n\r\n"),
        ("A4 a word for a size", "five\r\nhello\r\n0\r\n\r\n"),
        ("A4 a space before a size", " 5\r\nhello\r\n0\r\n\r\n"),
        ("A4 a space behind a size", "5 \r\nhello\r\n0\r\n\r\n"),
        ("A4 data past its size", "5\r\nhello!\r\n0\r\n\r\n"),
        ("A4 less data than its size", "6\r\nhello\r\n0\r\n\r\n"),
        ("A4 lines that end with a line feed", "5\nhello\n0\n\n"),
        (
            "A4 a size that ends with a line feed",
            "5\nhello\r\n0\r\n\r\n",
        ),
        (
            "A4 data that ends with a line feed",
            "5\r\nhello\n0\r\n\r\n",
        ),
        ("A4 a size that ends with a CR", "5\rhello\r\n0\r\n\r\n"),
        ("A4 TERM.EXT", "5;x\ny\r\nhello\r\n0\r\n\r\n"),
        ("A4 a NUL in an extension", "5;x\0\r\nhello\r\n0\r\n\r\n"),
        ("A4 trailers that end with a line feed", "0\r\nx: 1\n\r\n"),
    ]
    .iter()
    .map(|(name, body)| refused(name, chunked(body), 400))
    .chain([
        refused(
            "A4 an extension without an end",
            chunked(&format!("5;{}", "x".repeat(40_000))),
            400,
        ),
        refused(
            "A4 trailers without an end",
            chunked(&format!("0\r\nx: {}", "x".repeat(40_000))),
            400,
        ),
    ])
    .collect()
}

#[tokio::test]
async fn doubtful_heads_are_refused() {
    play(&heads()).await;
}

#[tokio::test]
async fn and_so_they_are_on_a_connection_in_use() {
    let later: Vec<Case> = heads().iter().map(Case::later).collect();
    play(&later).await;
}

#[tokio::test]
async fn doubtful_chunks_are_refused() {
    play(&bodies()).await;
}

#[tokio::test]
async fn what_is_beyond_doubt_is_served_and_the_rest_waits_its_turn() {
    let body = ask("hi");
    let (half, rest) = body.split_at(10);
    let sized = |it: &str| format!("{:x}\r\n{it}\r\n", it.len());
    let chunks = [sized(half), sized(rest)].concat();
    let good = good();
    let livez = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";
    let played = [
        answered(
            "A4 plain chunks",
            chunked(&format!("{chunks}0\r\n\r\n")),
            &[200],
        )
        .calls(1),
        answered(
            "A4 extensions and trailers",
            chunked(&format!(
                "{:x};a=\"b\"\r\n{body}\r\n0\r\nx-hop: 1\r\n\r\n",
                body.len()
            )),
            &[200],
        )
        .calls(1),
        answered(
            "A4 leading zeros",
            chunked(&format!("000{chunks}0\r\n\r\n")),
            &[200],
        )
        .calls(1),
        answered(
            "A1 Chunked in capitals",
            format!("{}{chunks}0\r\n\r\n", post("Transfer-Encoding: Chunked")),
            &[200],
        )
        .calls(1),
        answered(
            "A23 three requests at once",
            good.repeat(3),
            &[200, 200, 200],
        )
        .calls(3),
        answered(
            "A23 a chunked one and one behind it",
            format!("{}{livez}", chunked(&format!("{chunks}0\r\n\r\n"))),
            &[200, 200],
        )
        .calls(1),
        answered("A23 fifty at once", livez.repeat(50), &[200; 50]),
        answered(
            "A23 a body that nobody wants, and one behind it",
            format!(
                "POST /api/event_logging/batch HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello{livez}"
            ),
            &[200, 200],
        ),
        answered(
            "A23 an empty line before a request",
            format!("\r\n{livez}"),
            &[200],
        ),
        answered(
            "A23 a body on a GET",
            format!(
                "GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{livez}",
                livez.len()
            ),
            &[200],
        ),
        refused(
            "A23 nonsense behind a good request",
            format!("{good}nonsense\r\n\r\n"),
            400,
        )
        .after(&[200])
        .calls(1),
        refused(
            "A2 more than was announced",
            format!("{}hello there\r\n\r\n", post("content-length: 5")),
            400,
        )
        .after(&[400]),
    ];
    play(&played).await;
}
