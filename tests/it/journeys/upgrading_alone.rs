//! The supervisor and what can happen to it and its worker: lost, killed, the first process of a container.

use std::process::Command;

use crate::support::answers::{ask, finish, says, streams_until};
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::{Launch, Proxy};
use crate::support::script::Gate;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

fn setup(upstream: &Upstream) -> Setup {
    Setup::of([Provider::anthropic("a", &upstream.url())])
}

fn kill(name: &str, process: u32) {
    let id = process.to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status();
    assert!(sent.unwrap().success());
}

/// A connection that comes while nobody serves waits in the socket's queue.
#[tokio::test]
async fn a_lost_worker_is_replaced_and_nobody_is_refused() {
    let upstream = Upstream::always(says("short")).await;
    let mut proxy = Proxy::supervised(setup(&upstream)).await;
    for number in 1..=2 {
        kill("KILL", proxy.worker());
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        proxy.line(&format!("worker {} (process", number + 1)).await;
    }
    // The supervisor's own end is in order.
    proxy.signal("TERM");
    assert_eq!(proxy.ended().await, Some(0));
}

/// Somebody ends the worker instead of the supervisor: another one serves while it drains.
#[tokio::test]
async fn a_worker_that_is_told_to_end_is_replaced_at_once() {
    let gate = Gate::new();
    let upstream = Upstream::first([streams_until(&gate)], says("short")).await;
    let mut proxy = Proxy::supervised(setup(&upstream)).await;
    let mut client = proxy.begin_stream().await;
    kill("TERM", proxy.worker());
    proxy.line("worker 2 (process").await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 200);
    gate.open();
    assert_eq!(client.rest().await, finish());
}

/// A supervisor that is killed leaves no orphan that holds the address for ever, and cuts no stream.
#[tokio::test]
async fn without_its_supervisor_a_worker_drains() {
    let gate = Gate::new();
    let upstream = Upstream::first([streams_until(&gate)], says("short")).await;
    let proxy = Proxy::supervised(setup(&upstream)).await;
    let mut client = proxy.begin_stream().await;
    let worker = proxy.worker();
    kill("KILL", proxy.id());
    proxy.printed("the supervisor is gone").await;
    eventually("the address to be free", || async {
        let there = tokio::net::TcpStream::connect(proxy.address()).await;
        there.is_err().then_some(())
    })
    .await;
    gate.open();
    assert_eq!(client.rest().await, finish());
    eventually("the worker to end", || async {
        let there = std::path::Path::new(&format!("/proc/{worker}")).exists();
        (!there).then_some(())
    })
    .await;
    assert_eq!(proxy.ended().await, None);
}

/// One signal asks and leaves everybody time, the second one reaches all workers, those of earlier upgrades too.
#[tokio::test]
async fn a_second_signal_reaches_every_worker() {
    let gates = [Gate::new(), Gate::new()];
    let upstream = Upstream::script(gates.iter().map(streams_until)).await;
    let proxy = Proxy::supervised(setup(&upstream)).await;
    let mut early = proxy.begin_stream().await;
    assert_eq!(proxy.upgrade().await.0, Some(0));
    let mut late = proxy.begin_stream().await;
    proxy.signal("TERM");
    eventually("both workers to drain", || async {
        (2 <= proxy.count("requests are under way")).then_some(())
    })
    .await;
    proxy.signal("TERM");
    for client in [&mut early, &mut late] {
        let rest = client.rest().await;
        assert!(rest.contains("event: error"), "{rest}");
    }
    assert_eq!(proxy.ended().await, Some(0));
}

#[tokio::test]
async fn what_cannot_be_served_ends_it_at_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let directory = tempfile::TempDir::new().unwrap();
    let config = directory.path().join("config.yaml");
    let provider = Provider::anthropic("a", "http://127.0.0.1:9");
    let yaml = Setup::of([provider]).yaml();
    let run = |yaml: String| {
        std::fs::write(&config, yaml).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_pointsman"))
            .args(["run", "--supervise", "--config"])
            .arg(&config)
            .current_dir(directory.path())
            .env_clear()
            .env("XDG_RUNTIME_DIR", directory.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = run(yaml.replace("port: 0", &format!("port: {port}")));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another process listens there"), "{said}");
    let (code, said) = run(yaml.replace("settings:", "sittings:"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("sittings"), "{said}");
}

/// Process ids of the direct children of a process.
fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let all = text.split_ascii_whitespace();
    all.map(|it| it.parse().unwrap()).collect()
}

/// As the first process of a container it takes care of orphans, is reached by signals, upgrades, and ends in order.
#[tokio::test]
async fn as_the_first_process_of_a_container() {
    let under = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let possible = Command::new(under[0])
        .args(&under[1..])
        .arg("true")
        .output();
    if !possible.is_ok_and(|it| it.status.success()) {
        eprintln!("no PID namespaces for this user: nothing is checked");
        return;
    }
    let gate = Gate::new();
    let upstream = Upstream::first([streams_until(&gate)], says("short")).await;
    // The shell is the first process and leaves an orphan behind when the supervisor takes its place.
    let orphan = "(sleep 0.3 & ); exec \"$0\" \"$@\"";
    let under = [&under[..], &["sh", "-c", orphan]].concat();
    let launch = Launch {
        arguments: &["run", "--supervise"],
        under: &under,
        ..Launch::default()
    };
    let mut proxy = Proxy::launch(setup(&upstream), launch).await;
    let supervisor = children(proxy.id())[0];
    let mut client = proxy.begin_stream().await;
    let status = std::fs::read_to_string(format!("/proc/{supervisor}/status")).unwrap();
    let numbers = status.lines().find(|it| it.starts_with("NSpid:"));
    assert!(numbers.unwrap().ends_with("\t1"), "{status}");

    let (code, said) = proxy.upgrade().await;
    assert_eq!(code, Some(0), "{said}");
    kill("HUP", supervisor);
    proxy.line("configuration reloaded").await;
    eventually("the orphan to be reaped", || async {
        // Two workers, and no trace of the third child.
        (children(supervisor).len() == 2).then_some(())
    })
    .await;
    kill("USR2", supervisor);
    proxy.line("worker 3 (process").await;
    kill("TERM", supervisor);
    gate.open();
    assert_eq!(client.rest().await, finish());
    assert_eq!(proxy.ended().await, Some(0));
}
