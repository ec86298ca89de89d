//! What a provider's faults do to later requests: counting, opening, the one trial, closing; and what never counts.

use crate::support::answers::ask;
use crate::support::answers::error_body;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::client::Client;
use crate::support::client::Reply;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::script::Gate;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

fn boom() -> Act {
    refuses(500, "api_error", "boom")
}

fn pair(first: &Upstream, second: &Upstream) -> Setup {
    Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ])
}

async fn served(proxy: &Proxy, text: &str) -> Reply {
    let reply = proxy.ask(Request::messages(ask(text))).await;
    assert_eq!(reply.status, 200, "{text}: {}", reply.text());
    reply
}

/// Sends requests until the first provider is asked again, which is the trial of a circuit whose time is over.
async fn until_tried(proxy: &Proxy, first: &Upstream, calls: usize) -> Reply {
    eventually("a trial request", || async {
        let reply = served(proxy, "trial").await;
        (calls <= first.calls()).then_some(reply)
    })
    .await
}

#[tokio::test]
async fn it_opens_at_the_threshold_and_a_good_trial_closes_it() {
    let first = Upstream::script([boom(), boom()]).await;
    let second = Upstream::always(says("b")).await;
    let setup = pair(&first, &second).setting("failure_cooldown: 1");
    let mut proxy = Proxy::start(setup).await;

    served(&proxy, "1").await;
    proxy.line("count=1/2").await;
    let provider = proxy.provider("a").await;
    assert_eq!(provider["failure_count"], 1, "{provider}");
    assert_eq!(provider["healthy"], true, "{provider}");
    assert!(!proxy.console().contains("count=2/2"));

    served(&proxy, "2").await;
    proxy.line("count=2/2").await;
    let provider = proxy.provider("a").await;
    assert_eq!(provider["failure_count"], 2, "{provider}");
    assert_eq!(provider["healthy"], false, "{provider}");
    assert_eq!(provider["status"], "unhealthy", "{provider}");
    assert_eq!(proxy.providers().await["healthy_providers"], 1);

    let reply = served(&proxy, "3").await;
    assert_eq!(reply.header("x-pointsman-attempts"), Some("1"));
    assert_eq!((first.calls(), second.calls()), (2, 3));

    first.then(says("a again"));
    let trial = until_tried(&proxy, &first, 3).await;
    assert_eq!(trial.text(), message("a again"));
    let provider = proxy.provider("a").await;
    assert_eq!(provider["failure_count"], 0, "{provider}");
    assert_eq!(provider["healthy"], true, "{provider}");

    first.then(says("a for good"));
    assert_eq!(served(&proxy, "5").await.text(), message("a for good"));
}

#[tokio::test]
async fn a_trial_is_one_request_and_a_failed_one_opens_it_again() {
    let gate = Gate::new();
    let first = Upstream::script([boom(), boom(), Act::new().wait(&gate).and(&boom())]).await;
    let second = Upstream::always(says("b")).await;
    let setup = pair(&first, &second).setting("failure_cooldown: 1");
    let proxy = Proxy::start(setup).await;
    served(&proxy, "1").await;
    served(&proxy, "2").await;

    let meanwhile = async {
        first.called(3).await;
        // The trial is on its way and undecided: everyone else goes past.
        for text in ["4", "5"] {
            assert_eq!(served(&proxy, text).await.text(), message("b"));
        }
        assert_eq!(first.calls(), 3);
        gate.open();
    };
    let (trial, ()) = tokio::join!(until_tried(&proxy, &first, 3), meanwhile);

    assert_eq!(trial.text(), message("b"));
    let provider = proxy.provider("a").await;
    assert_eq!(provider["healthy"], false, "{provider}");
    served(&proxy, "6").await;
    assert_eq!(first.calls(), 3);
}

#[tokio::test]
async fn a_success_zeroes_the_count() {
    let first = Upstream::script([boom(), says("a"), boom(), says("a")]).await;
    let second = Upstream::always(says("b")).await;
    let proxy = Proxy::start(pair(&first, &second)).await;
    for (text, answer) in [("1", "b"), ("2", "a"), ("3", "b"), ("4", "a")] {
        assert_eq!(served(&proxy, text).await.text(), message(answer), "{text}");
    }
    assert_eq!((first.calls(), second.calls()), (4, 2));
    assert!(
        !proxy.console().contains("count=2/2"),
        "{}",
        proxy.console()
    );
}

#[tokio::test]
async fn a_threshold_of_one_opens_at_the_first_error() {
    let first = Upstream::script([boom()]).await;
    let second = Upstream::always(says("b")).await;
    let setup = pair(&first, &second).setting("unhealthy_threshold: 1");
    let mut proxy = Proxy::start(setup).await;
    served(&proxy, "1").await;
    proxy.line("count=1/1").await;
    served(&proxy, "2").await;
    assert_eq!((first.calls(), second.calls()), (1, 2));
}

#[tokio::test]
async fn faults_of_clients_never_count() {
    let first = Upstream::script([400, 413, 422, 400, 409, 400].map(|status| {
        refuses(
            status,
            "invalid_request_error",
            "max_tokens: Field required",
        )
    }))
    .await;
    let second = Upstream::silent().await;
    // Not even when somebody lists them.
    let setup = pair(&first, &second).setting("unhealthy_http_codes: [400, 413, 422, 500]");
    let proxy = Proxy::start(setup).await;
    for status in [400, 413, 422, 400, 409, 400] {
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(reply.status, status);
    }
    assert_eq!((first.calls(), second.calls()), (6, 0));
    let provider = proxy.provider("a").await;
    assert_eq!(provider["failure_count"], 0, "{provider}");
    assert!(!proxy.console().contains("count="), "{}", proxy.console());
}

#[tokio::test]
async fn repeats_of_one_request_count_once() {
    let upstream = Upstream::always(boom()).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let mut proxy = Proxy::start(setup).await;
    let in_session =
        |text: &str| Request::messages(ask(text)).header("x-claude-code-session-id", "poisonous");

    for _ in 0..3 {
        assert_eq!(proxy.ask(in_session("poison")).await.status, 500);
    }
    proxy.line("count=1/2").await;
    let provider = proxy.provider("a").await;
    assert_eq!(provider["failure_count"], 1, "{provider}");

    assert_eq!(proxy.ask(in_session("something else")).await.status, 500);
    proxy.line("count=2/2").await;
    assert_eq!(upstream.calls(), 4);
}

#[tokio::test]
async fn without_a_session_every_request_counts() {
    let upstream = Upstream::always(boom()).await;
    let mut proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    for _ in 0..2 {
        proxy.ask(Request::messages(ask("the same"))).await;
    }
    proxy.line("count=2/2").await;
}

#[tokio::test]
async fn when_all_are_open_one_is_tried_anyway() {
    let upstream = Upstream::script([boom(), boom(), says("back")]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    for text in ["1", "2"] {
        assert_eq!(proxy.ask(Request::messages(ask(text))).await.status, 500);
    }
    assert_eq!(proxy.provider("a").await["healthy"], false);
    assert_eq!(served(&proxy, "3").await.text(), message("back"));
    assert_eq!(proxy.provider("a").await["healthy"], true);
}

/// What broke a while ago may be well again when everything else breaks; only trying it can tell.
#[tokio::test]
async fn an_open_one_is_tried_when_the_others_have_failed() {
    let first = Upstream::script([boom(), boom(), says("back")]).await;
    let second = Upstream::script([says("1"), says("2"), boom()]).await;
    let proxy = Proxy::start(Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]))
    .await;
    for text in ["1", "2"] {
        assert_eq!(served(&proxy, text).await.text(), message(text));
    }
    assert_eq!(proxy.provider("a").await["circuit"], "open");

    let reply = served(&proxy, "3").await;

    assert_eq!(reply.text(), message("back"));
    assert_eq!(reply.header("x-pointsman-provider"), Some("a"));
    assert_eq!((first.calls(), second.calls()), (3, 3));
    assert_eq!(proxy.provider("a").await["circuit"], "closed");
}

/// A request that has an error to show is not made to wait for a time-out.
#[tokio::test]
async fn but_not_one_that_hangs() {
    let first = Upstream::script([Act::new().hang(), Act::new().hang()]).await;
    let second = Upstream::script([says("1"), says("2"), boom()]).await;
    let proxy = Proxy::start(Setup::of([
        Provider::anthropic("a", &first.url()).with("timeouts: {first_byte_whole: 200ms}"),
        Provider::anthropic("b", &second.url()),
    ]))
    .await;
    for text in ["1", "2"] {
        assert_eq!(served(&proxy, text).await.text(), message(text));
    }
    let reply = proxy.ask(Request::messages(ask("3"))).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!((first.calls(), second.calls()), (2, 3));
}

#[tokio::test]
async fn unless_the_operator_would_rather_refuse() {
    let upstream = Upstream::script([boom(), boom()]).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .setting("fail_open: false")
        .setting("failure_cooldown: 15");
    let proxy = Proxy::start(setup).await;
    for text in ["1", "2"] {
        proxy.ask(Request::messages(ask(text))).await;
    }
    let reply = proxy.ask(Request::messages(ask("3"))).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    let json = reply.json();
    assert_eq!(json["error"]["type"], "api_error");
    let message = json["error"]["message"].as_str().unwrap();
    assert!(message.contains('a'), "{message}");
    let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=15).contains(&after), "{after}");
    assert_eq!(upstream.calls(), 2);
    assert_eq!(proxy.ask(Request::get("/health")).await.status, 503);
}

#[tokio::test]
async fn a_long_recovery_is_not_promised() {
    let upstream = Upstream::script([boom(), boom()]).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).setting("fail_open: false");
    let proxy = Proxy::start(setup).await;
    for text in ["1", "2"] {
        proxy.ask(Request::messages(ask(text))).await;
    }
    let reply = proxy.ask(Request::messages(ask("3"))).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, None));
}

#[tokio::test]
async fn priority_decides_and_not_the_order_in_the_file() {
    let low = Upstream::always(says("low")).await;
    let high = Upstream::script([says("high"), boom()]).await;
    let setup = Setup::of([
        Provider::anthropic("low", &low.url()),
        Provider::anthropic("high", &high.url()),
    ])
    .route(
        "*sonnet*",
        &[
            "provider: low, model: passthrough, priority: 2",
            "provider: high, model: passthrough, priority: 1",
        ],
    );
    let proxy = Proxy::start(setup).await;
    assert_eq!(served(&proxy, "1").await.text(), message("high"));
    assert_eq!(served(&proxy, "2").await.text(), message("low"));
}

#[tokio::test]
async fn a_model_unknown_to_a_provider_is_looked_for_elsewhere_and_not_again() {
    let first =
        Upstream::script([refuses(404, "not_found_error", "model: claude-sonnet-4-5")]).await;
    let second = Upstream::always(says("b")).await;
    let proxy = Proxy::start(pair(&first, &second)).await;
    assert_eq!(served(&proxy, "1").await.text(), message("b"));
    assert_eq!(served(&proxy, "2").await.text(), message("b"));
    assert_eq!((first.calls(), second.calls()), (1, 2));
    let provider = proxy.provider("a").await;
    assert_eq!(provider["failure_count"], 0, "{provider}");
}

#[tokio::test]
async fn a_model_that_nobody_knows_is_a_404_and_stays_one() {
    let unknown = || refuses(404, "not_found_error", "model: claude-sonnet-4-5");
    let first = Upstream::script([unknown()]).await;
    let second = Upstream::script([unknown()]).await;
    let proxy = Proxy::start(pair(&first, &second)).await;
    for _ in 0..2 {
        let reply = proxy.ask(Request::messages(ask("1"))).await;
        assert_eq!(reply.status, 404, "{}", reply.text());
        assert_eq!(reply.json()["error"]["type"], "not_found_error");
    }
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn overloaded_means_another_provider_and_not_another_key() {
    let first = Upstream::script([refuses(529, "overloaded_error", "Overloaded")]).await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url())
            .keyed(&["sk-canary-a1-0123456789", "sk-canary-a2-0123456789"]),
        Provider::anthropic("b", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    assert_eq!(served(&proxy, "1").await.text(), message("b"));
    assert_eq!((first.calls(), second.calls()), (1, 1));
}

#[tokio::test]
async fn an_overloaded_provider_is_left_alone_with_all_its_accounts() {
    let busy = error_body("overloaded_error", "Overloaded");
    let first = Upstream::script([Act::answer(529, &[("retry-after", "30")], busy)]).await;
    let account = Upstream::silent().await;
    let second = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()).with("account_email: one@example.com"),
        Provider::anthropic("a", &account.url()).with("account_email: two@example.com"),
        Provider::anthropic("b", &second.url()),
    ])
    .route(
        "*",
        &[
            "provider: a, account_email: one@example.com, priority: 1",
            "provider: a, account_email: two@example.com, priority: 2",
            "provider: b, priority: 3",
        ],
    );
    let proxy = Proxy::start(setup).await;
    for attempts in ["2", "1"] {
        let reply = served(&proxy, "hi").await;
        assert_eq!(reply.text(), message("b"));
        assert_eq!(reply.header("x-pointsman-attempts"), Some(attempts));
    }
    assert_eq!((first.calls(), account.calls()), (1, 0));
    assert_eq!(proxy.provider("a").await["reason"], "overloaded");
}

#[tokio::test]
async fn a_tls_handshake_that_fails_or_never_ends_gives_way() {
    for (act, reason) in [
        (
            Act::unread().send("HTTP/1.1 400 Bad\r\n\r\n").close(),
            "upstream_unreachable",
        ),
        (Act::unread().close(), "upstream_unreachable"),
        (Act::unread().hang(), "connect_timeout"),
    ] {
        let first = Upstream::always(act).await;
        let second = Upstream::always(says("b")).await;
        let setup = Setup::of([
            Provider::anthropic("a", &first.url().replace("http:", "https:"))
                .with("timeouts: {connect_total: 400ms}"),
            Provider::anthropic("b", &second.url()),
        ]);
        let mut proxy = Proxy::start(setup).await;
        assert_eq!(served(&proxy, "hi").await.text(), message("b"));
        proxy
            .line(&format!(
                "recorded error for provider a: count=1/2, reason={reason}"
            ))
            .await;
    }
}

#[tokio::test]
async fn every_server_error_and_a_408_move_on() {
    for status in [500, 502, 503, 504, 520, 521, 522, 523, 524, 408] {
        let first = Upstream::script([Act::answer(
            status,
            &[("content-type", "text/html")],
            "<h1>gone</h1>",
        )])
        .await;
        let second = Upstream::script([says("b")]).await;
        let mut proxy = Proxy::start(pair(&first, &second)).await;
        assert_eq!(served(&proxy, "1").await.text(), message("b"), "{status}");
        assert_eq!((first.calls(), second.calls()), (1, 1), "{status}");
        proxy.line("count=1/2").await;
    }
}

/// `fail_open` is for open circuits: who asked for a moment of quiet gets it.
#[tokio::test]
async fn an_overloaded_provider_is_waited_for_and_not_pressed() {
    let busy = Act::answer(
        529,
        &[("retry-after", "1")],
        error_body("overloaded_error", "busy"),
    );
    let upstream = Upstream::first([busy], says("a")).await;
    let mut proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let address = proxy.address();
    let first = tokio::spawn(async move {
        let mut client = Client::connect(address).await;
        client.ask(Request::messages(ask("1"))).await
    });
    proxy.line("recorded error for provider a").await;
    assert_eq!(served(&proxy, "2").await.text(), message("a"));
    assert_eq!(first.await.unwrap().text(), message("a"));
    assert!(!proxy.console().contains("anyway"), "{}", proxy.console());
}

/// Now is soon enough, too.
#[tokio::test]
async fn an_overloaded_provider_that_says_zero_is_asked_once_more() {
    let busy = Act::answer(
        529,
        &[("retry-after", "0")],
        error_body("overloaded_error", "busy"),
    );
    let upstream = Upstream::script([busy, says("a")]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    assert_eq!(served(&proxy, "1").await.text(), message("a"));
}

/// What the operator calls unhealthy is, unless it is plainly the client's fault.
#[tokio::test]
async fn a_short_body_that_an_operator_calls_unhealthy_moves_on() {
    for (status, text) in [(409, "we are in MAINTENANCE"), (404, "maintenance")] {
        let first = Upstream::always(refuses(status, "strange_error", text)).await;
        let second = Upstream::always(says("b")).await;
        let setup = pair(&first, &second).setting(
            "unhealthy_response_body_patterns: [\"in maintenance\", \"^.*\\\"maintenance\"]",
        );
        let proxy = Proxy::start(setup).await;
        assert_eq!(served(&proxy, "1").await.text(), message("b"), "{status}");
    }
    let first = Upstream::always(refuses(422, "invalid_request_error", "in maintenance")).await;
    let second = Upstream::silent().await;
    let setup =
        pair(&first, &second).setting("unhealthy_response_body_patterns: [\"in maintenance\"]");
    let proxy = Proxy::start(setup).await;
    let reply = proxy.ask(Request::messages(ask("1"))).await;
    assert_eq!((reply.status, second.calls()), (422, 0));
}
