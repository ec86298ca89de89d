//! The mock upstream. Threads and blocking writes: a thread's sleep is exact to some microseconds, so that events
//! meant to arrive one by one do, and nothing else competes for its time.
//!
//! The first part of the path says how an answer is given; a path that ends in `/chat/completions` gets the stream
//! in that format.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::answers;
use crate::http::Connection;

/// Between two single events: long enough that a proxy has sent one on before the next arrives.
const GAP: Duration = Duration::from_millis(1);
/// Between two events of a slow stream.
const SLOW_GAP: Duration = Duration::from_millis(200);
const STACK_BYTES: usize = 128 * 1024;
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
    cache-control: no-cache\r\nrequest-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// All answers as wire bytes: a whole one, or a stream's chunks.
struct Answers {
    message: Vec<u8>,
    anthropic: Vec<Vec<u8>>,
    openai: Vec<Vec<u8>>,
    slow: Vec<Vec<u8>>,
}

/// Answers on a loopback port until the process is ended.
pub fn serve(listen: u16) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, listen))?;
    let body = answers::message();
    let mut message = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(&body);
    let answers = Arc::new(Answers {
        message,
        anthropic: chunks(&answers::anthropic_events(answers::EVENTS)),
        openai: chunks(&answers::openai_events(answers::EVENTS)),
        slow: chunks(&answers::anthropic_events(answers::SLOW_EVENTS)),
    });
    for stream in listener.incoming() {
        let (stream, answers) = (stream?, Arc::clone(&answers));
        thread::Builder::new()
            .stack_size(STACK_BYTES)
            // A connection that breaks is the other side's to report.
            .spawn(move || drop(answer_all(stream, &answers)))?;
    }
    Ok(())
}

fn answer_all(stream: TcpStream, answers: &Answers) -> anyhow::Result<()> {
    let mut connection = Connection::new(stream)?;
    let mut body = Vec::new();
    while let Some(head) = connection.read_head()? {
        body.clear();
        connection.read_body(&head, &mut body)?;
        let path = head.first.split(' ').nth(1).unwrap_or_default();
        let events = if path.ends_with("/chat/completions") {
            &answers.openai
        } else {
            &answers.anthropic
        };
        match path.split('/').nth(1) {
            Some("message") => connection.write(&answers.message)?,
            Some("singles") => paced(&mut connection, events, GAP)?,
            Some("slow") => paced(&mut connection, &answers.slow, SLOW_GAP)?,
            Some("burst") => {
                let all = [STREAM_HEAD, &events.concat(), LAST_CHUNK].concat();
                connection.write(&all)?;
            }
            _ => connection.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")?,
        }
    }
    Ok(())
}

fn paced(connection: &mut Connection, events: &[Vec<u8>], gap: Duration) -> std::io::Result<()> {
    connection.write(STREAM_HEAD)?;
    for event in events {
        thread::sleep(gap);
        connection.write(event)?;
    }
    connection.write(LAST_CHUNK)
}

/// Each event as one chunk.
fn chunks(events: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let chunk = |event: &Vec<u8>| {
        let mut chunk = format!("{:x}\r\n", event.len()).into_bytes();
        chunk.extend_from_slice(event);
        chunk.extend_from_slice(b"\r\n");
        chunk
    };
    events.iter().map(chunk).collect()
}
