//! `pointsman upgrade`: another worker serves, and no client notices.

use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::answers::{ask, finish, says, streams_until};
use crate::support::client::{Client, Request};
use crate::support::eventually;
use crate::support::proxy::{Launch, Proxy};
use crate::support::script::Gate;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

fn setup(upstream: &Upstream) -> Setup {
    Setup::of([Provider::anthropic("a", &upstream.url())])
}

/// Short calls on fresh connections, one after another, until told to stop; how many.
async fn short_calls(proxy: &Proxy, enough: &AtomicBool) -> usize {
    let mut count = 0;
    while !enough.load(Ordering::Relaxed) {
        let reply = proxy.ask(Request::messages(ask("short"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        count += 1;
    }
    count
}

#[tokio::test]
async fn streams_and_short_calls_do_not_notice() {
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let streams = gates.iter().map(streams_until);
    let upstream = Upstream::first(streams, says("short")).await;
    let mut proxy = Proxy::supervised(setup(&upstream)).await;
    let mut clients = Vec::new();
    for _ in &gates {
        clients.push(proxy.begin_stream().await);
    }
    let first = proxy.worker();
    let enough = AtomicBool::new(false);
    let upgrades = async {
        for _ in 0..3 {
            let (code, said) = proxy.upgrade().await;
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains("serves"), "{said}");
        }
        enough.store(true, Ordering::Relaxed);
    };
    let (calls, ()) = tokio::join!(short_calls(&proxy, &enough), upgrades);
    assert!(10 < calls, "{calls}");
    assert_ne!(proxy.worker(), first);

    // The first worker lives exactly as long as its last stream.
    for (gate, client) in gates.iter().zip(&mut clients) {
        assert!(std::path::Path::new(&format!("/proc/{first}")).exists());
        gate.open();
        assert_eq!(client.rest().await, finish());
    }
    proxy.line("worker 1 (process").await;
    let gone = format!(
        "worker 1 (process {first}, version {}) has ended: exit code 0",
        env!("CARGO_PKG_VERSION")
    );
    proxy.line(&gone).await;
    proxy.signal("TERM");
    assert_eq!(proxy.ended().await, Some(0));
}

#[tokio::test]
async fn a_worker_that_fails_changes_nothing() {
    let gate = Gate::new();
    let upstream = Upstream::first([streams_until(&gate)], says("short")).await;
    let setup = setup(&upstream).setting("upgrade_timeout: 2s");
    let good = setup.yaml();
    let proxy = Proxy::supervised(setup).await;
    let mut client = proxy.begin_stream().await;
    let first = proxy.worker();
    let enough = AtomicBool::new(false);
    let upgrades = async {
        for (program, reason) in [
            ("#!/bin/sh\nexit 3\n", "exit code 3"),
            ("no program", "cannot be started"),
            ("#!/bin/sh\nexec sleep 1000\n", "upgrade_timeout"),
            ("#!/bin/sh\nkill -SEGV $$\n", "signal 11"),
        ] {
            proxy.install(program);
            let (code, said) = proxy.upgrade().await;
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(reason), "{said}");
            assert!(said.contains("nothing has changed"), "{said}");
        }
        proxy.install_right();
        std::fs::write(proxy.config_path(), good.replace("settings:", "sittings:")).unwrap();
        let (code, said) = proxy.upgrade().await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("sittings"), "{said}");
        enough.store(true, Ordering::Relaxed);
    };
    tokio::join!(short_calls(&proxy, &enough), upgrades);
    assert_eq!(proxy.worker(), first);

    std::fs::write(proxy.config_path(), &good).unwrap();
    let (code, said) = proxy.upgrade().await;
    assert_eq!(code, Some(0), "{said}");
    gate.open();
    assert_eq!(client.rest().await, finish());
}

/// SIGUSR2 is the same for those without a shell, and what fails then is in the log.
#[tokio::test]
async fn a_signal_asks_for_it_too() {
    let upstream = Upstream::always(says("short")).await;
    let mut proxy = Proxy::supervised(setup(&upstream)).await;
    let first = proxy.worker();
    proxy.signal("USR2");
    proxy.line("worker 2 (process").await;
    assert_ne!(proxy.worker(), first);
    proxy.install("#!/bin/sh\nexit 3\n");
    proxy.signal("USR2");
    proxy
        .line("no upgrade: it ended before it served: exit code 3")
        .await;
    let reply = proxy.ask(Request::messages(ask("hi"))).await;
    assert_eq!(reply.status, 200);
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn addresses_follow_the_configuration() {
    let upstream = Upstream::always(says("short")).await;
    let setup = setup(&upstream);
    let yaml = setup.yaml();
    let proxy = Proxy::supervised(setup).await;
    let port = free_port();
    let moved = yaml.replace("port: 0", &format!("port: {port}"));
    std::fs::write(proxy.config_path(), &moved).unwrap();
    let (code, said) = proxy.upgrade().await;
    assert_eq!(code, Some(0), "{said}");
    let mut client = Client::connect(([127, 0, 0, 1], port).into()).await;
    assert_eq!(client.ask(Request::get("/readyz")).await.status, 200);
    eventually("the old address to be closed", || async {
        let there = tokio::net::TcpStream::connect(proxy.address()).await;
        there.is_err().then_some(())
    })
    .await;

    // One that is taken is told, and the old one stays.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = taken.local_addr().unwrap().port();
    let moved = yaml.replace("port: 0", &format!("port: {other}"));
    std::fs::write(proxy.config_path(), &moved).unwrap();
    let (code, said) = proxy.upgrade().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another process listens there"), "{said}");
    let mut client = Client::connect(([127, 0, 0, 1], port).into()).await;
    assert_eq!(client.ask(Request::get("/readyz")).await.status, 200);
}

#[tokio::test]
async fn the_service_manager_hears_of_it() {
    let manager = std::env::temp_dir().join(format!("pointsman-notify-{}", std::process::id()));
    let _ = std::fs::remove_file(&manager);
    let socket = UnixDatagram::bind(&manager).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let socket = Arc::new(socket);
    let hear = |wanted: &'static str| {
        let socket = Arc::clone(&socket);
        let heard = tokio::task::spawn_blocking(move || {
            let mut text = [0; 1024];
            loop {
                let count = socket.recv(&mut text).expect(wanted);
                let text = String::from_utf8_lossy(&text[..count]).into_owned();
                if text.contains(wanted) {
                    return text;
                }
            }
        });
        async { heard.await.unwrap() }
    };
    let upstream = Upstream::always(says("short")).await;
    let launch = Launch {
        arguments: &["run", "--supervise"],
        env: &[
            ("NOTIFY_SOCKET", manager.to_str().unwrap()),
            ("WATCHDOG_USEC", "400000"),
        ],
        ..Launch::default()
    };
    let proxy = Proxy::launch(setup(&upstream), launch).await;
    let ready = hear("READY=1").await;
    assert!(ready.contains("STATUS=worker 1"), "{ready}");
    // Not before it serves: it does now.
    assert_eq!(proxy.ask(Request::get("/readyz")).await.status, 200);
    hear("WATCHDOG=1").await;
    proxy.signal("USR2");
    assert!(hear("RELOADING=1").await.contains("MONOTONIC_USEC="));
    assert!(hear("READY=1").await.contains("STATUS=worker 2"));
    proxy.signal("TERM");
    hear("STOPPING=1").await;
    assert_eq!(proxy.ended().await, Some(0));
    std::fs::remove_file(&manager).unwrap();
}

/// Who reaches the control socket could have another program served.
#[tokio::test]
async fn nobody_else_reaches_the_control_socket() {
    use std::os::unix::fs::PermissionsExt;
    let upstream = Upstream::always(says("short")).await;
    let proxy = Proxy::supervised(setup(&upstream)).await;
    let mode = |path: &std::path::Path| {
        let found = std::fs::metadata(path).unwrap();
        found.permissions().mode() & 0o777
    };
    let directory = proxy.runtime_dir();
    assert_eq!(mode(&directory), 0o700);
    let inside: Vec<_> = std::fs::read_dir(&directory).unwrap().collect();
    assert_eq!(inside.len(), 4);
    for entry in inside {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}
