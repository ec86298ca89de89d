//! 5,000 slow streams at once, through nginx and the product in turns.
#![expect(clippy::print_stdout, reason = "its output is a table")]

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::Client;
use crate::proxies::Running;
use crate::upstream::EVENTS;

const STREAMS: usize = 5_000;
/// Times that each is measured.
const ROUNDS: usize = 3;
/// Streams begin over this time.
const RAMP: Duration = Duration::from_secs(5);
const SAMPLE: Duration = Duration::from_millis(200);

/// What a round gave.
struct Round {
    whole: usize,
    p50_micros: u64,
    p99_micros: u64,
    peak_kib: u64,
}

/// Measures and prints.
pub async fn run(directory: &Path, upstream: u16) -> anyhow::Result<()> {
    let nginx = Running::nginx(directory, upstream)?;
    let product = Running::product(directory, upstream, "max_in_flight: 10000, threads: 2")?;
    println!(
        "\n| {STREAMS} slow streams | whole | event on its way, p50 (ms) | p99 (ms) | p99 to nginx | memory (MiB) | KiB a stream |"
    );
    println!("|---|---|---|---|---|---|---|");
    for round in 1..=ROUNDS {
        let mut yardstick = None;
        if let Some(nginx) = &nginx {
            let result = measure(nginx).await?;
            tell(&format!("nginx, round {round}"), nginx, &result, None)?;
            yardstick = Some(result.p99_micros);
        }
        let result = measure(&product).await?;
        tell(
            &format!("ours, round {round}"),
            &product,
            &result,
            yardstick,
        )?;
    }
    Ok(())
}

fn tell(name: &str, proxy: &Running, round: &Round, yardstick: Option<u64>) -> anyhow::Result<()> {
    let millis = |micros: u64| micros as f64 / 1e3;
    let ratio = yardstick.map_or_else(String::new, |it| {
        format!("{:.2}", round.p99_micros as f64 / it as f64)
    });
    println!(
        "| {name} | {} | {:.1} | {:.1} | {ratio} | {} → {} | {:.0} |",
        round.whole,
        millis(round.p50_micros),
        millis(round.p99_micros),
        round.peak_kib / 1024,
        proxy.rss_kib()? / 1024,
        round.peak_kib as f64 / STREAMS as f64,
    );
    Ok(())
}

async fn measure(proxy: &Running) -> anyhow::Result<Round> {
    let mut streams = JoinSet::new();
    let port = proxy.port;
    for name in 0..STREAMS {
        let begins = RAMP.mul_f64(name as f64 / STREAMS as f64);
        streams.spawn(async move {
            sleep(begins).await;
            Client::connect(port).await?.stream(name).await
        });
    }
    let (mut delays, mut whole, mut peak_kib) = (Vec::new(), 0, 0);
    let mut ticks = tokio::time::interval(SAMPLE);
    loop {
        tokio::select! {
            stream = streams.join_next() => match stream {
                None => break,
                Some(stream) => {
                    let of_one = stream??;
                    ensure!(of_one.len() == EVENTS, "{} events", of_one.len());
                    whole += 1;
                    delays.extend(of_one);
                }
            },
            _ = ticks.tick() => peak_kib = peak_kib.max(proxy.rss_kib()?),
        }
    }
    delays.sort_unstable();
    let at = |percent: usize| delays[(delays.len() - 1) * percent / 100] / 1000;
    Ok(Round {
        whole,
        p50_micros: at(50),
        p99_micros: at(99),
        peak_kib,
    })
}
