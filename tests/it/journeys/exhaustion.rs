//! What runs out on our own side: readers of the log, the disk, file descriptors. Requests go on, and no provider is
//! blamed.

use crate::support::answers::{ask, message, says};
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

/// Lines that no pipe holds.
const REQUESTS: usize = 1500;

#[tokio::test]
async fn nobody_waits_for_who_reads_the_log() {
    let upstream = Upstream::always(says("a")).await;
    let mut proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    proxy.reads_output(false);
    let mut client = proxy.connect().await;
    for _ in 0..REQUESTS {
        let reply = client.ask(Request::messages(ask("hi"))).await;
        assert_eq!((reply.status, reply.text()), (200, message("a")));
    }
    proxy.reads_output(true);
    let last = proxy.ask(Request::messages(ask("hi"))).await;
    proxy
        .line(last.header("x-pointsman-request-id").unwrap())
        .await;
}
