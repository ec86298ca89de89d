//! Heads: request lines and headers that are none, or too much.

use super::case::{Case, play, refused};

fn get(line: &str) -> String {
    format!("{line}\r\nhost: a\r\n\r\n")
}

fn with(lines: &str) -> String {
    super::case::post(&format!("content-length: 0\r\n{lines}"))
}

fn cases() -> Vec<Case> {
    let many: Vec<String> = (0..200).map(|index| format!("x-{index}: 1\r\n")).collect();
    let many = many.concat();
    vec![
        refused("A11 a word", "hello\r\n\r\n", 400),
        refused("A11 HTTP/0.9", "GET /\r\n\r\n", 400),
        refused("A11 HTTP/9.9", get("GET /livez HTTP/9.9"), 400),
        refused("A11 HTTP/2.0 on HTTP/1", get("GET /livez HTTP/2.0"), 400),
        refused("A11 HTTP/1.2", get("GET /livez HTTP/1.2"), 400),
        refused("A11 http in lower case", get("GET /livez http/1.1"), 400),
        refused("A11 no version", get("GET /livez"), 400),
        refused("A11 a fourth word", get("GET /livez HTTP/1.1 x"), 400),
        refused("A11 two spaces", get("GET  /livez HTTP/1.1"), 400),
        refused("A11 a tab between words", get("GET\t/livez\tHTTP/1.1"), 400),
        refused(
            "A11 a space before the method",
            get(" GET /livez HTTP/1.1"),
            400,
        ),
        refused("A11 noise", b"\x00\x01\x02\x03\xff\xfe".to_vec(), 400),
        refused(
            "A11 a TLS hello",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            400,
        ),
        refused("A11 an SSH greeting", "SSH-2.0-OpenSSH_9.6\r\n\r\n", 400),
        refused(
            "A11 a broken preface",
            "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
            400,
        ),
        refused(
            "A8 CONNECT",
            "CONNECT a.b:443 HTTP/1.1\r\nhost: a.b:443\r\n\r\n",
            405,
        ),
        refused("A8 a method in lower case", get("get /livez HTTP/1.1"), 400),
        refused(
            "A8 a long method",
            get(&format!("{} /livez HTTP/1.1", "M".repeat(10_000))),
            431,
        ),
        refused("A8 a method with a colon", get("GE:T /livez HTTP/1.1"), 400),
        refused("A1 a space before a colon", with("x-a : 1"), 400),
        refused("A1 a tab before a colon", with("x-a\t: 1"), 400),
        refused("A1 a space in a name", with("x a: 1"), 400),
        refused("A1 a folded line", with("x-a: 1\r\n folded"), 400),
        refused("A1 a line folded by a tab", with("x-a: 1\r\n\tfolded"), 400),
        refused("A1 no colon", with("nonsense"), 400),
        refused("A1 no name", with(": 1"), 400),
        refused("A1 a name in brackets", with("x(a): 1"), 400),
        refused("A1 a name beyond ASCII", with("x\u{e9}: 1"), 400),
        refused("A1 a NUL in a value", with("x-a: a\0b"), 400),
        refused("A1 a NUL in a name", with("x\0a: 1"), 400),
        refused("A1 a bell in a value", with("x-a: a\x07b"), 400),
        refused("A1 a DEL in a value", with("x-a: a\x7fb"), 400),
        refused("A1 a CR in a value", with("x-a: a\rx-b: 2"), 400),
        refused(
            "A1 line feeds alone",
            "GET /livez HTTP/1.1\nhost: a\n\n",
            400,
        ),
        refused("A1 one line feed alone", with("x-a: 1\nx-b: 2"), 400),
        refused(
            "A1 the end by line feeds",
            "GET /livez HTTP/1.1\r\nhost: a\n\n",
            400,
        ),
        refused("A1 CR CR LF", with("x-a: 1\r\r\nx-b: 2"), 400),
        refused("A12 201 headers and more", with(many.trim_end()), 431),
        refused(
            "A12 a header of 65 KiB",
            with(&format!("x-a: {}", "a".repeat(65 * 1024))),
            431,
        ),
        refused(
            "A12 a head without an end",
            format!("GET / HTTP/1.1\r\nx: {}", "a".repeat(80_000)),
            431,
        ),
        refused(
            "A12 a target of 9 KiB",
            get(&format!("GET /{} HTTP/1.1", "a".repeat(9000))),
            431,
        ),
    ]
}

#[tokio::test]
async fn heads_that_are_none_are_refused() {
    play(&cases()).await;
}

/// Noise is judged by its first byte; all else a client may send on a connection that it has used properly before.
#[tokio::test]
async fn and_so_they_are_on_a_connection_in_use() {
    let later: Vec<Case> = cases().iter().map(Case::later).collect();
    play(&later).await;
}
