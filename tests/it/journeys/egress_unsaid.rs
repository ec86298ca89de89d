//! Where a provider says nothing of its way out, the environment does.

use crate::support::answers::{ask, message, says};
use crate::support::client::Request;
use crate::support::egress::{Egress, Speaks};
use crate::support::proxy::{Launch, Proxy};
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

/// Under a name that only a proxy knows.
fn named(upstream: &Upstream) -> String {
    upstream.url().replace("127.0.0.1", "provider.test")
}

async fn launched(setup: Setup, env: &[(&str, &str)]) -> Proxy {
    let launch = Launch {
        env,
        ..Launch::default()
    };
    Proxy::launch(setup.secret("hunter2"), launch).await
}

#[tokio::test]
async fn the_environment_names_the_way_of_who_says_nothing() {
    let (egress, other) = (
        Egress::start(Speaks::Http).await,
        Egress::start(Speaks::Socks).await,
    );
    let address = egress.address.to_string();
    let with_name = format!("me:hunter2@{address}");
    let socks = format!("socks5h://{}", other.address);
    for (variables, asked) in [
        (&[("HTTP_PROXY", with_name.as_str())][..], [1, 0]),
        (
            &[
                ("http_proxy", &address),
                ("HTTP_PROXY", "http://127.0.0.1:1"),
            ],
            [1, 0],
        ),
        (&[("ALL_PROXY", &socks), ("HTTPS_PROXY", &address)], [0, 1]),
        (
            &[
                ("all_proxy", &socks),
                ("NO_PROXY", "example.com, 10.0.0.0/8"),
            ],
            [0, 1],
        ),
    ] {
        let upstream = Upstream::always(says("a")).await;
        let before = [egress.asked().len(), other.asked().len()];
        let setup = Setup::of([Provider::anthropic("a", &named(&upstream))]);
        let mut proxy = launched(setup, variables).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(
            (reply.status, reply.text()),
            (200, message("a")),
            "{variables:?}"
        );
        let after = [egress.asked().len(), other.asked().len()];
        assert_eq!(
            [after[0] - before[0], after[1] - before[1]],
            asked,
            "{variables:?}"
        );
        let shown = proxy.provider("a").await;
        assert_eq!(shown["proxy_from"], variables[0].0, "{shown}");
        proxy.line("provider.test is called through").await;
    }
}

#[tokio::test]
async fn who_is_spared_says_otherwise_or_is_of_this_machine_goes_directly() {
    let (egress, own) = (
        Egress::start(Speaks::Http).await,
        Egress::start(Speaks::Http).await,
    );
    let (url, own_url) = (
        format!("http://{}", egress.address),
        format!("http://{}", own.address),
    );
    let upstream = Upstream::always(says("a")).await;
    let said = format!("proxy: \"{own_url}\"");
    let table: &[(&str, &str, &str, u16)] = &[
        // Of this machine.
        (&upstream.url(), "", "", 200),
        // Spared: nobody here knows the name, so that it cannot be reached.
        (&named(&upstream), "", "other.test,.test", 503),
        (&named(&upstream), "", "*", 503),
        (&named(&upstream), "proxy: none", "", 503),
        // Said otherwise.
        (&named(&upstream), &said, "*", 200),
    ];
    for (address, line, no_proxy, status) in table {
        let setup = Setup::of([Provider::anthropic("a", address).with(line)]);
        let env = [("HTTP_PROXY", url.as_str()), ("NO_PROXY", no_proxy)];
        let proxy = launched(setup, &env).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(
            reply.status,
            *status,
            "{address} {line} {no_proxy}: {}",
            reply.text()
        );
    }
    assert_eq!((egress.asked().len(), own.asked().len()), (0, 1));
}

#[tokio::test]
async fn a_broken_variable_is_told_where_it_would_be_used() {
    let upstream = Upstream::silent().await;
    for (address, line, refused) in [
        (named(&upstream), "", true),
        (named(&upstream), "proxy: none", false),
        (upstream.url(), "", false),
    ] {
        let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
        let proxy = Proxy::start(setup).await;
        let setup = Setup::of([Provider::anthropic("a", &address).with(line)]);
        std::fs::write(proxy.config_path(), setup.yaml()).unwrap();
        let env = [("HTTP_PROXY", "socks4://me:hunter2@p:1")];
        let (told, code) = proxy.command_in(&["check"], &env);
        assert_eq!(code == Some(0), !refused, "{told}");
        assert_eq!(
            told.contains("HTTP_PROXY: must start with http://"),
            refused,
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
}
