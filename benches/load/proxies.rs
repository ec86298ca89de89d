//! The processes that are measured.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

const START_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// A process that listens on a loopback port, and is ended with this value.
pub struct Running {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Running {
    /// The mock upstream.
    pub fn upstream(directory: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["upstream", &port.to_string()]);
        Running::start(command, "upstream", port, directory)
    }

    /// The product on two threads, with these settings besides.
    pub fn product(directory: &Path, upstream: u16, settings: &str) -> anyhow::Result<Self> {
        let port = free_port()?;
        let config = directory.join("config.yaml");
        let text = format!(
            "providers:\n  - {{name: up, type: anthropic, base_url: 'http://127.0.0.1:{upstream}', auth_type: \
             api_key, auth_value: sk-upstream}}\nmodel_routes: {{\"*\": [{{provider: up, model: passthrough, \
             priority: 1}}]}}\nsettings: {{host: 127.0.0.1, port: {port}, log_level: WARNING, {settings}}}\n"
        );
        fs::write(&config, text)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.arg("--config").arg(config);
        Running::start(command, "pointsman", port, directory)
    }

    /// nginx on two workers, passing on as things come. `None`: it is not installed.
    pub fn nginx(directory: &Path, upstream: u16) -> anyhow::Result<Option<Self>> {
        let port = free_port()?;
        let (config, here) = (directory.join("nginx.conf"), directory.display());
        let text = format!(
            "daemon off; worker_processes 2; worker_rlimit_nofile 20000; pid {here}/nginx.pid; error_log \
             {here}/nginx.err;\nevents {{ worker_connections 9000; }}\nhttp {{ access_log off; keepalive_timeout \
             120; client_body_temp_path {here}/b; proxy_temp_path {here}/p; fastcgi_temp_path {here}/f; \
             uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;\nupstream up {{ server 127.0.0.1:{upstream}; \
             keepalive 9000; }}\nserver {{ listen 127.0.0.1:{port} backlog=8192; location / {{ proxy_pass http://up; \
             proxy_http_version 1.1; proxy_set_header connection ''; proxy_buffering off; }} }} }}\n"
        );
        fs::write(&config, text)?;
        let mut command = Command::new("nginx");
        command.arg("-e").arg(directory.join("nginx.err"));
        command.arg("-c").arg(&config);
        if Command::new("nginx").arg("-v").output().is_err() {
            return Ok(None);
        }
        Running::start(command, "nginx", port, directory).map(Some)
    }

    fn start(
        mut command: Command,
        name: &str,
        port: u16,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let child = command
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let mut running = Running { child, port };
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if running.child.try_wait()?.is_some() || START_LIMIT < started.elapsed() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                bail!("{name} does not listen; it wrote: {said}");
            }
            thread::sleep(POLL);
        }
        Ok(running)
    }

    /// Resident memory of it and its children, KiB.
    pub fn rss_kib(&self) -> anyhow::Result<u64> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let own = id.to_string();
        let all = children.split_whitespace().chain([own.as_str()]);
        all.map(|id| {
            let status = fs::read_to_string(format!("/proc/{id}/status"))?;
            let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
            let value = line.and_then(|it| it.split_whitespace().next());
            Ok(value.context("no VmRSS")?.parse::<u64>()?)
        })
        .sum()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx ends its workers when it is asked to, not when it is killed.
        let id = self.child.id().to_string();
        drop(Command::new("kill").args(["-s", "TERM", &id]).status());
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
