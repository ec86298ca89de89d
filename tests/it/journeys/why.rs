//! What an operator is told of a request afterwards: each step, and why.

use serde_json::Value;

use crate::support::answers::ask;
use crate::support::answers::completion;
use crate::support::answers::refuses;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::setup::key_of;
use crate::support::upstream::Upstream;

/// The requests told under a query, when there are as many as that.
async fn told(proxy: &Proxy, query: &str, count: usize) -> Vec<Value> {
    eventually("the requests", || async {
        let reply = proxy
            .ask(Request::get(&format!("/admin/requests{query}")))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let requests = reply.json()["requests"].as_array().unwrap().clone();
        (requests.len() == count).then_some(requests)
    })
    .await
}

/// A provider that fails, and one of another dialect that answers once and fails from then on.
async fn pair() -> (Upstream, Upstream, Proxy) {
    let boom = || refuses(500, "api_error", "the words of a provider");
    let first = Upstream::always(boom()).await;
    let second = Upstream::first([Act::answer(200, &[], completion("hello"))], boom()).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::openai("b", &second.url()),
    ])
    .setting("log_level: DEBUG");
    let proxy = Proxy::start(setup).await;
    (first, second, proxy)
}

#[tokio::test]
async fn the_last_requests_are_told_step_by_step() {
    let (_first, _second, mut proxy) = pair().await;
    let request = |session: &str| {
        Request::messages(ask("a word of the prompt"))
            .header("x-claude-code-session-id", session)
            .header("x-pointsman-debug", "1")
    };
    let reply = proxy.ask(request("one")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let trace = reply.header("x-pointsman-trace").unwrap();
    assert!(
        trace.starts_with("a=500 upstream_status (key 1:sk-c..cdef, "),
        "{trace}"
    );
    assert!(
        trace.contains("; b=served (key 1:sk-c..cdef, ") && trace.ends_with(" ms)"),
        "{trace}"
    );
    assert_eq!(proxy.ask(request("two")).await.status, 503);

    let all = told(&proxy, "", 2).await;
    let (failed, served) = (&all[0], &all[1]);
    assert_eq!(served["end"], "ok", "{served}");
    assert_eq!(
        (&served["status"], &served["provider"]),
        (&200.into(), &"b".into())
    );
    assert_eq!(
        (&served["session"], &served["route"]),
        (&"one".into(), &"*".into())
    );
    assert_eq!(served["dialect"], "anthropic", "{served}");
    assert_eq!(
        served["model_asked"],
        crate::support::answers::MODEL,
        "{served}"
    );
    assert_eq!(served["tokens"]["output"], 3, "{served}");
    assert_eq!(
        served["request_id"],
        reply.header("x-pointsman-request-id").unwrap()
    );
    let steps = served["steps"].as_array().unwrap();
    let step = |i: usize| (steps[i]["provider"].clone(), steps[i]["what"].clone());
    assert_eq!(step(0), ("a".into(), "500 upstream_status".into()));
    assert_eq!(step(1), ("b".into(), "served".into()));
    assert_eq!(steps.len(), 2, "{served}");
    for step in steps {
        assert_eq!(step["key"], "1:sk-c..cdef", "{step}");
        assert!(step["ms"].is_u64(), "{step}");
    }
    assert_eq!(
        (&failed["end"], &failed["fault"]),
        (&"rejected".into(), &"no_endpoint".into())
    );
    assert_eq!(failed["provider"], Value::Null, "{failed}");

    let id = |it: &Value| it["request_id"].clone();
    for (query, wanted) in [
        ("?limit=1", failed),
        ("?outcome=rejected", failed),
        ("?outcome=no_endpoint&session=two", failed),
        ("?session=one&limit=nonsense", served),
    ] {
        assert_eq!(id(&told(&proxy, query, 1).await[0]), id(wanted), "{query}");
    }
    told(&proxy, "?outcome=ok&session=two", 0).await;
    let text = Value::from(all.clone()).to_string();
    for kept_out in [
        "a word of the prompt",
        "the words of a provider",
        "hello",
        &key_of("a"),
    ] {
        assert!(!text.contains(kept_out), "{text}");
    }
    proxy
        .line("took route *: a=500 upstream_status (key 1:sk-c..cdef, ")
        .await;
}

#[tokio::test]
async fn nobody_else_is_told_and_only_as_much_as_wanted() {
    let upstream = Upstream::always(refuses(500, "api_error", "boom")).await;
    let admin = "sk-canary-admin-0123456789";
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())])
        .gateway_key("sk-canary-gateway-0123456789")
        .section(&format!("admin: {{key: {admin}, requests: 1}}"))
        .secret(admin);
    let proxy = Proxy::start(setup).await;
    let with =
        |request: Request, key: &str| request.header("authorization", &format!("Bearer {key}"));
    for _ in 0..2 {
        let request = with(Request::messages(ask("hi")), "sk-canary-gateway-0123456789");
        proxy.ask(request).await;
    }
    let list = || Request::get("/admin/requests");
    for request in [list(), with(list(), "sk-canary-gateway-0123456789")] {
        assert!([401, 403].contains(&proxy.ask(request).await.status));
    }
    let reply = proxy.ask(with(list(), admin)).await.json();
    assert_eq!(reply["kept"], 1, "{reply}");
}
