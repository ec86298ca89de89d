//! 15,000 connections that have been served once and say nothing more.
#![expect(clippy::print_stdout, reason = "its output is a table")]

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;

use crate::client::Client;
use crate::proxies::Running;

const CONNECTIONS: usize = 15_000;
/// Before memory counts.
const SETTLE: Duration = Duration::from_secs(3);

/// Measures and prints.
pub async fn run(directory: &Path, upstream: u16) -> anyhow::Result<()> {
    let product = Running::product(
        directory,
        upstream,
        "max_connections: 20000, max_connections_per_address: 20000, keepalive_timeout: 10m, threads: 2",
    )?;
    let mut clients = Vec::new();
    clients.push(connect(product.port).await?);
    let before = product.rss_kib()?;
    for _ in 1..CONNECTIONS {
        clients.push(connect(product.port).await?);
    }
    tokio::time::sleep(SETTLE).await;
    let after = product.rss_kib()?;
    // None was given up.
    for client in clients.iter_mut().step_by(100) {
        ensure!(client.get("/livez").await? == 200, "not served again");
    }
    println!(
        "\n| {CONNECTIONS} idle connections | before (MiB) | with them (MiB) | KiB each | Goal |"
    );
    println!("|---|---|---|---|---|");
    println!(
        "| ours | {} | {} | **{:.1}** | ≤ 10 |",
        before / 1024,
        after / 1024,
        (after - before) as f64 / (CONNECTIONS - 1) as f64
    );
    Ok(())
}

async fn connect(port: u16) -> anyhow::Result<Client> {
    let mut client = Client::connect(port).await?;
    ensure!(client.get("/livez").await? == 200, "not served");
    Ok(client)
}
