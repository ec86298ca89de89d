//! The load generator: connections that are kept alive, a fixed number of requests on each, every answer checked.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::http::Connection;
use crate::process::Process;
use crate::requests;

/// Requests on each connection before the measurement begins.
const WARM_UP: usize = 2;
const RSS_SAMPLE: Duration = Duration::from_millis(50);

/// What to send and what must come back.
pub struct Job<'a> {
    /// Port of the process to ask.
    pub port: u16,
    /// Path to ask for.
    pub path: &'a str,
    /// Body to send.
    pub body: &'a [u8],
    /// Connections at once.
    pub connections: usize,
    /// Requests on each.
    pub requests: usize,
    /// What the answer must be.
    pub expect: Expect<'a>,
}

/// What an answer must be.
#[derive(Clone, Copy)]
pub enum Expect<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A whole Messages stream with that many text deltas.
    Deltas(usize),
}

/// What was seen.
pub struct Outcome {
    /// CPU time of the observed process for one request, microseconds.
    pub cpu_micros: f64,
    /// Median time from sending a request to the end of its answer, microseconds.
    pub p50_micros: f64,
    /// Reads of the client's socket for one answer: how far events arrived one by one.
    pub reads: f64,
    /// Most resident memory of the observed process while the requests ran, KiB.
    pub rss_kib: u64,
}

/// Sends everything, and observes a process meanwhile.
pub fn run(job: &Job, observed: &Process) -> anyhow::Result<Outcome> {
    let (warm, go) = (
        Barrier::new(job.connections + 1),
        Barrier::new(job.connections + 1),
    );
    thread::scope(|scope| {
        let client = |session| {
            let (warm, go) = (&warm, &go);
            let run = move || client(job, session, warm, go);
            thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn_scoped(scope, run)
        };
        let clients: Vec<_> = (0..job.connections).map(client).collect::<Result<_, _>>()?;
        warm.wait();
        let before = observed.cpu_time()?;
        go.wait();
        let mut rss_kib = 0;
        while !clients.iter().all(thread::ScopedJoinHandle::is_finished) {
            rss_kib = rss_kib.max(observed.rss_kib()?);
            thread::sleep(RSS_SAMPLE);
        }
        let cpu = observed.cpu_time()?.saturating_sub(before);
        let (mut latencies, mut reads) = (Vec::new(), 0);
        for client in clients {
            let seen = client.join().ok().context("a client panicked")??;
            latencies.extend(seen.latencies);
            reads += seen.reads;
        }
        latencies.sort_unstable();
        let count = latencies.len() as f64;
        Ok(Outcome {
            cpu_micros: cpu.as_secs_f64() * 1e6 / count,
            p50_micros: latencies[latencies.len() / 2].as_secs_f64() * 1e6,
            reads: reads as f64 / count,
            rss_kib,
        })
    })
}

struct Seen {
    latencies: Vec<Duration>,
    reads: u64,
}

/// Waits for both barriers whatever happens, or a fault would leave the others waiting.
fn client(job: &Job, session: usize, warm: &Barrier, go: &Barrier) -> anyhow::Result<Seen> {
    let request = requests::on_the_wire(job.path, session, job.body);
    let warmed = Connection::open(job.port).and_then(|mut connection| {
        let count = WARM_UP.min(job.requests - 1);
        (0..count).try_for_each(|_| exchange(&mut connection, &request, job.expect))?;
        Ok(connection)
    });
    warm.wait();
    go.wait();
    let mut connection = warmed?;
    let reads = connection.reads();
    let mut latencies = Vec::with_capacity(job.requests);
    for _ in 0..job.requests {
        let sent = Instant::now();
        exchange(&mut connection, &request, job.expect)?;
        latencies.push(sent.elapsed());
    }
    Ok(Seen {
        latencies,
        reads: connection.reads() - reads,
    })
}

fn exchange(connection: &mut Connection, request: &[u8], expect: Expect) -> anyhow::Result<()> {
    connection.write(request)?;
    let head = connection
        .read_head()?
        .context("closed before the answer")?;
    let mut body = Vec::with_capacity(32 * 1024);
    connection.read_body(&head, &mut body)?;
    let text = || String::from_utf8_lossy(&body);
    ensure!(head.first.contains(" 200 "), "{}: {}", head.first, text());
    match expect {
        Expect::Bytes(bytes) => ensure!(body == bytes, "another answer: {}", text()),
        Expect::Deltas(count) => {
            let text = text();
            let found = text.matches("event: content_block_delta\n").count();
            let ends = text.matches("event: message_stop\n").count();
            ensure!((found, ends) == (count, 1), "not the whole stream: {text}");
        }
    }
    Ok(())
}
