//! What runs out on our own side: readers of the log, the disk, file descriptors. Requests go on, and no provider is
//! blamed.

use crate::support::answers::{ask, message, says};
use crate::support::client::{Client, Request};
use crate::support::proxy::Proxy;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;
use crate::support::{eventually, soon};

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

/// More connections than it may have files.
const FILES: usize = 80;

#[tokio::test]
async fn providers_are_not_blamed_for_our_own_lack_of_files() {
    // Each call needs a connection of its own.
    let upstream = Upstream::always(says("a").close()).await;
    let backup = Upstream::silent().await;
    let setup = Setup::of([
        Provider::anthropic("a", &upstream.url()),
        Provider::anthropic("b", &backup.url()),
    ]);
    let proxy = Proxy::start_with_files(setup, FILES).await;
    let mut client = proxy.connect().await;
    let first = client.ask(Request::messages(ask("hi"))).await;
    assert_eq!((first.status, first.text()), (200, message("a")));

    let mut crowd = Vec::new();
    for _ in 0..2 * FILES {
        crowd.push(Client::connect(proxy.address()).await);
    }
    let refused = soon("the last file to be taken", async {
        loop {
            let reply = client.ask(Request::messages(ask("hi"))).await;
            if reply.status != 200 {
                break reply;
            }
        }
    })
    .await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(
        backup.calls(),
        0,
        "the next provider has no more files than the first"
    );
    drop(crowd);

    let reply = eventually("files to be free again", || async {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        (reply.status == 200).then_some(reply)
    })
    .await;
    assert_eq!(reply.text(), message("a"));
    for name in ["a", "b"] {
        let provider = proxy.provider(name).await;
        assert_eq!(provider["failure_count"], 0, "{provider}");
    }
}
