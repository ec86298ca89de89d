//! The mock upstream: streams whose events say when they were sent, and short answers that take their time.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// Events of text in a stream.
pub const EVENTS: usize = 20;
/// Between two of them.
const GAP: Duration = Duration::from_secs(1);
/// How long a short answer takes.
const THINKING: Duration = Duration::from_millis(10);

const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const BEGIN: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_load\",\"type\":\"message\",",
    "\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,",
    "\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,",
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
);
const END: &str = concat!(
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",",
    "\"stop_sequence\":null},\"usage\":{\"output_tokens\":20}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);
const MESSAGE: &str = concat!(
    "{\"id\":\"msg_load\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",",
    "\"content\":[{\"type\":\"text\",\"text\":\"hello\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,",
    "\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}",
);

/// Answers on a loopback port until the process is ended.
pub fn serve(listen: u16) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, listen)).await?;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => connections.spawn(answer_all(accepted?.0)),
                // A connection that breaks is the other side's to report.
                Some(_) = connections.join_next() => continue,
            };
        }
    })
}

async fn answer_all(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut seen = Vec::new();
    loop {
        let Some(wants_stream) = request(&mut stream, &mut seen).await? else {
            return Ok(());
        };
        if wants_stream {
            events(&mut stream).await?;
        } else {
            tokio::time::sleep(THINKING).await;
            let length = MESSAGE.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            );
            stream.write_all((head + MESSAGE).as_bytes()).await?;
        }
    }
}

/// Reads one request. Gives whether it asks for a stream.
async fn request(stream: &mut TcpStream, seen: &mut Vec<u8>) -> std::io::Result<Option<bool>> {
    loop {
        if let Some(end) = seen.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
            let mut lines = head.lines();
            let length = lines.find_map(|it| it.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |it| it.trim().parse().unwrap_or(0));
            if end + 4 + length <= seen.len() {
                let body = String::from_utf8_lossy(&seen[end + 4..end + 4 + length]);
                let wants_stream = body.contains("\"stream\":true");
                seen.drain(..end + 4 + length);
                return Ok(Some(wants_stream));
            }
        }
        if stream.read_buf(seen).await? == 0 {
            return Ok(None);
        }
    }
}

async fn events(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(STREAM_HEAD.as_bytes()).await?;
    stream.write_all(chunk(BEGIN).as_bytes()).await?;
    let mut ticks = interval(GAP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..EVENTS {
        ticks.tick().await;
        let event = format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":\
             {{\"type\":\"text_delta\",\"text\":\"sent at {} \"}}}}\n\n",
            now_nanos()
        );
        stream.write_all(chunk(&event).as_bytes()).await?;
    }
    stream.write_all(chunk(END).as_bytes()).await?;
    stream.write_all(b"0\r\n\r\n").await
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// The wall clock, which all processes of the machine share.
pub fn now_nanos() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_nanos()
}
