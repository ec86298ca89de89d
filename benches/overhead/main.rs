//! End-to-end overhead: what the proxy costs beside a bare Pingora proxy built in the same bench, and beside no proxy.
//!
//! `cargo bench --bench overhead` starts a mock upstream, the bare proxy and the product, each a process of its own
//! on loopback with one worker thread, sends the same requests through both in turns, and prints CPU time per
//! request, memory and latency as a table of ratios. An argument limits the run to the cases whose name contains
//! it. It takes about five minutes. Linux only: it reads `/proc`.

mod answers;
mod bare;
mod cases;
mod http;
mod load;
mod process;
mod report;
mod requests;
mod run;
mod upstream;

use std::env;

use anyhow::Context;

/// What the product's binary uses; the bare proxy, which is this binary, must not differ in it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["bare", listen, upstream] => bare::serve(listen.parse()?, upstream.parse()?),
        ["upstream", listen] => upstream::serve(listen.parse()?),
        ["run", filter] => run::run(filter),
        // Test runners that build every target start this too, without `--bench`; there is nothing to test.
        args if args.contains(&"--bench") => {
            let filter = args.iter().find(|it| !it.starts_with('-'));
            let status = process::with_many_files(&["run", filter.unwrap_or(&"")])
                .status()
                .context("start the bench with a raised limit of open files")?;
            anyhow::ensure!(status.success(), "the run failed: {status}");
            Ok(())
        }
        _ => Ok(()),
    }
}
