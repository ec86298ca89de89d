//! Three times as many clients as there is room for: what is served must not fall by what is refused.
#![expect(clippy::print_stdout, reason = "its output is a table")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::proxies::Running;

/// Requests it may have under way.
const ROOM: usize = 64;
const MEASURED: Duration = Duration::from_secs(8);
const ROUNDS: usize = 3;
/// When a client that was refused comes again: far sooner than it is told to.
const AGAIN: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Counts {
    served: AtomicU64,
    refused: AtomicU64,
}

/// Measures and prints.
pub async fn run(directory: &Path, upstream: u16) -> anyhow::Result<()> {
    let settings = format!("max_in_flight: {ROOM}, threads: 1, deduplication: {{enabled: false}}");
    let product = Running::product(directory, upstream, &settings)?;
    println!(
        "\n| overload, room for {ROOM} | served a second | refused a second | to the peak | Bar |"
    );
    println!("|---|---|---|---|---|");
    for round in 1..=ROUNDS {
        let (peak, _) = measure(product.port, ROOM).await?;
        println!("| round {round}, {ROOM} clients | {peak:.0} | | | |");
        let (served, refused) = measure(product.port, 3 * ROOM).await?;
        println!(
            "| round {round}, {} clients | {served:.0} | {refused:.0} | **{:.2}** | ≥ 0.80 |",
            3 * ROOM,
            served / peak
        );
    }
    Ok(())
}

/// Served and refused a second.
async fn measure(port: u16, clients: usize) -> anyhow::Result<(f64, f64)> {
    let counts = Arc::new(Counts::default());
    let until = Instant::now() + MEASURED;
    let mut all = JoinSet::new();
    for name in 0..clients {
        let counts = Arc::clone(&counts);
        all.spawn(async move {
            let mut client = Client::connect(port).await?;
            while Instant::now() < until {
                match client.ask(name).await? {
                    200 => counts.served.fetch_add(1, Ordering::Relaxed),
                    503 => {
                        sleep(AGAIN).await;
                        counts.refused.fetch_add(1, Ordering::Relaxed)
                    }
                    other => anyhow::bail!("status {other}"),
                };
            }
            Ok(())
        });
    }
    while let Some(client) = all.join_next().await {
        client??;
    }
    ensure!(
        0 < counts.served.load(Ordering::Relaxed),
        "nobody was served"
    );
    let seconds = MEASURED.as_secs_f64();
    let rate = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / seconds;
    Ok((rate(&counts.served), rate(&counts.refused)))
}
