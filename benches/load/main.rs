//! Many clients at once: 5,000 slow streams beside nginx, 15,000 idle connections, and three times what it can do.
//!
//! `cargo bench --bench load` starts a mock upstream, nginx (where it is installed) and the product as processes of
//! their own on loopback, and prints tables. An argument limits the run: `streams`, `idle` or `overload`. It takes
//! about six minutes and up to 20,000 open files a process. Linux only: it reads `/proc`.

mod client;
mod idle;
mod overload;
mod proxies;
mod streams;
mod upstream;

use std::env;
use std::process::Command;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["upstream", listen] => upstream::serve(listen.parse()?),
        ["run", filter] => run(filter),
        // Test runners that build every target start this too, without `--bench`; there is nothing to test.
        args if args.contains(&"--bench") => {
            let filter = args.iter().find(|it| !it.starts_with('-'));
            let status = Command::new("sh")
                .args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""])
                .arg(env::current_exe()?)
                .args(["run", filter.unwrap_or(&"")])
                .status()
                .context("start the bench with a raised limit of open files")?;
            anyhow::ensure!(status.success(), "the run failed: {status}");
            Ok(())
        }
        _ => Ok(()),
    }
}

fn run(filter: &str) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let upstream = proxies::Running::upstream(directory.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if "streams".contains(filter) {
        runtime.block_on(streams::run(directory.path(), upstream.port))?;
    }
    if "idle".contains(filter) {
        runtime.block_on(idle::run(directory.path(), upstream.port))?;
    }
    if "overload".contains(filter) {
        runtime.block_on(overload::run(directory.path(), upstream.port))?;
    }
    Ok(())
}
