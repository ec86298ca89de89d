//! What a crash leaves behind: nothing, unless the operator says so.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::answers::says;
use crate::support::proxy::{Launch, Proxy};
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

/// Soft and hard limit for core files, as the kernel tells them.
fn core_limits(process: u32) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = limits
        .lines()
        .find_map(|it| it.strip_prefix("Max core file size"));
    let mut words = line.unwrap().split_whitespace();
    let mut next = || words.next().unwrap().to_owned();
    (next(), next())
}

/// A proxy that was started by somebody who wants cores, alone or with its supervisor, and all its processes.
async fn started(setting: &str, supervised: bool) -> (Upstream, Proxy, Vec<u32>) {
    let upstream = Upstream::always(says("a")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]).setting(setting);
    let launch = Launch {
        arguments: if supervised {
            &["run", "--supervise"]
        } else {
            &[]
        },
        under: &[
            "/bin/sh",
            "-c",
            "ulimit -S -c $(ulimit -H -c); exec \"$@\"",
            "sh",
        ],
        ..Launch::default()
    };
    let proxy = Proxy::launch(setup, launch).await;
    let mut processes = vec![proxy.id()];
    if supervised {
        processes.push(proxy.worker());
    }
    (upstream, proxy, processes)
}

#[tokio::test]
async fn a_crash_leaves_no_memory_on_disk() {
    for supervised in [false, true] {
        let (_upstream, mut proxy, processes) = started("core_dumps: false", supervised).await;
        for process in processes {
            assert_eq!(core_limits(process).0, "0");
            // Root's: nobody else attaches to the process or reads its memory. Shows only where tests are not root.
            let memory = fs::metadata(format!("/proc/{process}/mem")).unwrap();
            assert_eq!(memory.uid(), 0);
        }
        // Not SEGV: the first one only ends the handler that tells of stacks which overflow.
        proxy.signal("ABRT");
        assert_eq!(proxy.ends().await, None);
        let left = fs::read_dir(proxy.config_path().parent().unwrap()).unwrap();
        let names = left.map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
        let cores: Vec<String> = names.filter(|it| it.starts_with("core")).collect();
        assert_eq!(cores, Vec::<String>::new());
    }
}

#[tokio::test]
async fn who_wants_core_dumps_gets_what_the_system_allows() {
    for supervised in [false, true] {
        let (_upstream, _proxy, processes) = started("core_dumps: true", supervised).await;
        for process in processes {
            let (soft, hard) = core_limits(process);
            assert_eq!(soft, hard);
            let memory = fs::metadata(format!("/proc/{process}/mem")).unwrap();
            let ours = fs::metadata("/proc/self").unwrap();
            assert_eq!(memory.uid(), ours.uid());
        }
    }
}
