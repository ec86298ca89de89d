//! How shared calls end: who leaves, who does not read, what breaks.

use std::time::Duration;
use std::time::Instant;

use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::begins;
use crate::support::answers::delta;
use crate::support::answers::finish;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::client::Client;
use crate::support::client::Ending;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

fn setup(upstream: &Upstream) -> Setup {
    Setup::of([Provider::anthropic("a", &upstream.url())]).setting("deduplication: all")
}

async fn sent(proxy: &Proxy, request: &Request) -> Client {
    let mut client = proxy.connect().await;
    client.send(request.bytes()).await;
    client
}

/// A leader and `followers` of it.
async fn aboard(
    proxy: &Proxy,
    upstream: &Upstream,
    request: &Request,
    followers: u64,
) -> Vec<Client> {
    let mut all = vec![sent(proxy, request).await];
    upstream.called(1).await;
    for _ in 0..followers {
        all.push(sent(proxy, request).await);
    }
    proxy.followed(followers).await;
    all
}

fn two_parts(gate: &Gate) -> Act {
    begins(&[start(), open_text(), delta("one ")])
        .wait(gate)
        .data([delta("two"), finish()].concat())
        .end()
}

fn whole() -> String {
    [start(), open_text(), delta("one "), delta("two"), finish()].concat()
}

#[tokio::test]
async fn the_leader_leaves_and_the_others_get_all_of_it() {
    for with_reset in [false, true] {
        let gate = Gate::new();
        let upstream = Upstream::script([two_parts(&gate)]).await;
        let proxy = Proxy::start(setup(&upstream)).await;
        let request = Request::messages(ask_stream("hi"));
        let mut all = aboard(&proxy, &upstream, &request, 3).await;
        let mut leader = all.remove(0);
        leader.head().await;
        while leader.event().await.unwrap().name != "content_block_delta" {}
        if with_reset {
            leader.abort();
        } else {
            drop(leader);
        }
        // Who comes now still gets everything.
        all.push(sent(&proxy, &request).await);
        proxy.followed(4).await;
        gate.open();
        for client in &mut all {
            let reply = client.reply().await;
            assert_eq!((reply.text(), reply.ending), (whole(), Ending::Complete));
        }
        assert_eq!(upstream.calls(), 1);
        let provider = proxy.provider("a").await;
        assert_eq!(provider["failure_count"], 0, "{provider}");
        assert_eq!(provider["served"], 1, "{provider}");
    }
}

#[tokio::test]
async fn the_leader_leaves_before_anything_came() {
    let gate = Gate::new();
    let upstream = Upstream::script([Act::new().wait(&gate).and(&says("hello"))]).await;
    let proxy = Proxy::start(setup(&upstream)).await;
    let mut all = aboard(&proxy, &upstream, &Request::messages(ask("hi")), 2).await;
    drop(all.remove(0));
    // Its going must have been noticed before the answer comes.
    gate.after(Duration::from_millis(200));
    for client in &mut all {
        assert_eq!(client.reply().await.text(), message("hello"));
    }
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn the_last_one_to_leave_ends_the_call_at_once() {
    let mut quickest = Duration::MAX;
    for leader_last in [false, true, false] {
        let upstream =
            Upstream::script([begins(&[start(), open_text(), delta("one ")]).hang()]).await;
        let proxy = Proxy::start(setup(&upstream)).await;
        let request = Request::messages(ask_stream("hi"));
        let mut all = aboard(&proxy, &upstream, &request, 2).await;
        for client in &mut all {
            client.head().await;
        }
        if leader_last {
            all.reverse();
        }
        while 1 < all.len() {
            drop(all.remove(0));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!upstream.seen(0).gone, "somebody still listens");
        let begun = Instant::now();
        all.clear();
        upstream.abandoned(0).await;
        quickest = quickest.min(begun.elapsed());
        let view = proxy.providers().await;
        assert_eq!(view["sharing"]["under_way"], 0, "{view}");
        // Nobody boards what was called off.
        upstream.then(says("fresh"));
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(reply.status, 200);
        assert_eq!(upstream.calls(), 2);
    }
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}

#[tokio::test]
async fn an_error_reaches_everyone_as_the_provider_said_it() {
    for stream in [false, true] {
        let gate = Gate::new();
        let refusal = refuses(400, "invalid_request_error", "messages: no");
        let upstream = Upstream::script([Act::new().wait(&gate).and(&refusal)]).await;
        let proxy = Proxy::start(setup(&upstream)).await;
        let body = if stream { ask_stream("hi") } else { ask("hi") };
        let mut all = aboard(&proxy, &upstream, &Request::messages(body), 3).await;
        gate.open();
        for client in &mut all {
            let reply = client.reply().await;
            assert_eq!(reply.status, 400, "{}", reply.text());
            assert_eq!(reply.json()["error"]["message"], "messages: no");
        }
        assert_eq!(upstream.calls(), 1);
    }
}

#[tokio::test]
async fn an_error_of_ours_reaches_everyone_with_an_id_of_its_own() {
    let gate = Gate::new();
    let upstream = Upstream::script([Act::new().wait(&gate).reset()]).await;
    let proxy = Proxy::start(setup(&upstream)).await;
    let request = Request::messages(ask_stream("hi"));
    let mut all = aboard(&proxy, &upstream, &request, 2).await;
    gate.open();
    for client in &mut all {
        let reply = client.reply().await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        let own = reply.header("x-pointsman-request-id").unwrap().to_owned();
        assert_eq!(reply.json()["request_id"], own);
    }
}

#[tokio::test]
async fn failover_happens_once_for_all() {
    let gate = Gate::new();
    let first = Upstream::script([Act::new().wait(&gate).reset()]).await;
    let second = Upstream::script([says("rescued")]).await;
    let proxy = Proxy::start(
        Setup::of([
            Provider::anthropic("a", &first.url()),
            Provider::anthropic("b", &second.url()),
        ])
        .setting("deduplication: all"),
    )
    .await;
    let mut all = aboard(&proxy, &first, &Request::messages(ask("hi")), 2).await;
    gate.open();
    for client in &mut all {
        let reply = client.reply().await;
        assert_eq!(reply.text(), message("rescued"));
        assert_eq!(reply.header("x-pointsman-provider"), Some("b"));
    }
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn a_cut_reaches_everyone_as_an_error_event() {
    let gate = Gate::new();
    let act = begins(&[start(), open_text(), delta("one ")])
        .wait(&gate)
        .reset();
    let upstream = Upstream::script([act]).await;
    let proxy = Proxy::start(setup(&upstream)).await;
    let request = Request::messages(ask_stream("hi"));
    let mut all = aboard(&proxy, &upstream, &request, 3).await;
    gate.open();
    for client in &mut all {
        let reply = client.reply().await;
        let names = reply.event_names();
        assert_eq!(names.last().map(String::as_str), Some("error"), "{names:?}");
        assert!(reply.text().contains("one "));
        assert!(!names.contains(&"message_stop".to_owned()));
        let own = reply.header("x-pointsman-request-id").unwrap();
        assert!(reply.text().contains(own), "{}", reply.text());
    }
    let provider = proxy.provider("a").await;
    assert_eq!(provider["failure_count"], 1, "{provider}");
}

#[tokio::test]
async fn a_leader_whose_own_time_is_up_takes_nobody_along() {
    let gate = Gate::new();
    let second = Act::new().wait(&gate).and(&says("in time"));
    let upstream = Upstream::script([Act::new().hang(), second]).await;
    let proxy = Proxy::start(setup(&upstream)).await;
    let body = ask("hi");
    let hurried = Request::messages(&body).header("x-stainless-timeout", "6");
    let mut leader = sent(&proxy, &hurried).await;
    upstream.called(1).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(sent(&proxy, &Request::messages(&body)).await);
    }
    proxy.followed(3).await;
    assert_eq!(leader.reply().await.status, 503);
    // One of them calls, and the two others follow it.
    proxy.followed(5).await;
    gate.open();
    for client in &mut others {
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.text()), (200, message("in time")));
    }
    assert_eq!(upstream.calls(), 2);
}

/// Streams that no socket buffer holds.
fn large(gate: &Gate) -> (Act, String) {
    let text = "y".repeat(64 * 1024);
    let mut act = begins(&[start(), open_text(), delta("one ")]).wait(gate);
    let mut said = [start(), open_text(), delta("one ")].concat();
    for _ in 0..96 {
        act = act.data(delta(&text));
        said.push_str(&delta(&text));
    }
    said.push_str(&finish());
    (act.wait(gate).data(finish()).end(), said)
}

#[tokio::test]
async fn a_leader_that_does_not_read_holds_nobody_up() {
    let gate = Gate::new();
    let (act, said) = large(&gate);
    let upstream = Upstream::script([act]).await;
    let proxy = Proxy::start(setup(&upstream)).await;
    let request = Request::messages(ask_stream("hi"));
    let mut leader = Client::connect_narrow(proxy.address()).await;
    leader.send(request.bytes()).await;
    upstream.called(1).await;
    let mut follower = sent(&proxy, &request).await;
    proxy.followed(1).await;
    let begun = Instant::now();
    gate.step();
    follower.head().await;
    let mut seen = 0;
    while seen + finish().len() < said.len() {
        seen += follower.piece().await.unwrap().len();
    }
    // What comes now waits for the leader's client, but not for long.
    gate.step();
    assert!(follower.rest().await == finish());
    assert!(begun.elapsed() < Duration::from_secs(8));
    // The leader was let go: what it finds when it reads on is no whole answer.
    let reply = leader.reply().await;
    assert_eq!(reply.ending, Ending::Cut);
    assert!(!reply.text().contains("message_stop"));
}

#[tokio::test]
async fn a_follower_that_does_not_read_holds_nobody_up() {
    let gate = Gate::new();
    let (act, said) = large(&gate);
    let upstream = Upstream::script([act]).await;
    let proxy = Proxy::start(setup(&upstream).setting("client_write_timeout: 1s")).await;
    let request = Request::messages(ask_stream("hi"));
    let mut leader = sent(&proxy, &request).await;
    upstream.called(1).await;
    let mut follower = Client::connect_narrow(proxy.address()).await;
    follower.send(request.bytes()).await;
    proxy.followed(1).await;
    gate.open();
    assert!(leader.reply().await.text() == said);
    crate::support::eventually("the log to be let go of", || async {
        let view = proxy.providers().await;
        (view["sharing"]["bytes"] == 0).then_some(())
    })
    .await;
}
