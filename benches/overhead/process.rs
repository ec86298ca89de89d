//! The processes of a run: started on a free port, read through `/proc`, ended by their own pid.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::answers;
use crate::http::Connection;
use crate::requests;

/// The unit of `/proc/PID/stat`: the same in every Linux that users see.
const TICK: Duration = Duration::from_millis(10);
const START_LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(1);

/// A process that is ended when this is dropped.
pub struct Process {
    child: Child,
    /// Where it listens, on loopback.
    pub port: u16,
    /// From the start to its first answer to a request.
    pub first_answer: Duration,
}

impl Process {
    /// The mock upstream.
    pub fn upstream(dir: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let command = own(&["upstream", &port.to_string()])?;
        Process::start(command, "upstream", port, "/message/v1/messages", dir)
    }

    /// The bare proxy in front of it.
    pub fn bare(dir: &Path, upstream: u16) -> anyhow::Result<Self> {
        let port = free_port()?;
        let command = own(&["bare", &port.to_string(), &upstream.to_string()])?;
        Process::start(command, "bare", port, "/message/v1/messages", dir)
    }

    /// The product in front of it.
    pub fn product(dir: &Path, upstream: u16) -> anyhow::Result<Self> {
        let port = free_port()?;
        let config = dir.join("config.yaml");
        fs::write(&config, product_config(port, upstream))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.arg("--config").arg(config);
        Process::start(command, "pointsman", port, "/v1/messages", dir)
    }

    fn start(
        mut command: Command,
        name: &str,
        port: u16,
        path: &str,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let started = Instant::now();
        let child = command
            .env_clear()
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let mut process = Process {
            child,
            port,
            first_answer: Duration::ZERO,
        };
        while let Err(error) = process.answers(path) {
            let ended = process.child.try_wait()?;
            if ended.is_some() || START_LIMIT < started.elapsed() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                bail!("{name} does not answer: {error:#}; {ended:?}; it wrote: {said}");
            }
            thread::sleep(POLL);
        }
        process.first_answer = started.elapsed();
        Ok(process)
    }

    fn answers(&self, path: &str) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.port)?;
        let request = requests::body("bench-message", false, 1024);
        connection.write(&requests::on_the_wire(path, 0, &request))?;
        let head = connection.read_head()?.context("closed at once")?;
        let mut body = Vec::new();
        connection.read_body(&head, &mut body)?;
        let good = head.first.contains(" 200 ") && body == answers::message();
        anyhow::ensure!(good, "{}: {}", head.first, String::from_utf8_lossy(&body));
        Ok(())
    }

    /// CPU time used so far, user and system, of all threads, those that ended included.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field is the program's name in parentheses and may hold anything.
        let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u32>);
        let (user, system) = (ticks.next(), ticks.next());
        Ok(TICK * (user.context("utime")?? + system.context("stime")??))
    }

    /// Resident memory, KiB.
    pub fn rss_kib(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        let value = line.and_then(|it| it.split_whitespace().next());
        Ok(value.context("no VmRSS")?.parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// This binary again, under the highest limit of open files that is allowed: a thousand streams need two thousand.
pub fn with_many_files(args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]);
    command.args(std::env::current_exe().ok()).args(args);
    command
}

fn own(args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(args);
    Ok(command)
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// One provider for each way of answering, so that the model's name picks it.
fn product_config(port: u16, upstream: u16) -> String {
    let ways = [
        ("message", "anthropic", "message"),
        ("singles", "anthropic", "singles"),
        ("burst", "anthropic", "burst"),
        ("slow", "anthropic", "slow"),
        ("openai-singles", "openai", "singles/v1"),
        ("openai-burst", "openai", "burst/v1"),
    ];
    let providers = ways.map(|(name, kind, path)| {
        format!(
            "  - {{name: {name}, type: {kind}, base_url: 'http://127.0.0.1:{upstream}/{path}', \
             auth_type: api_key, auth_value: sk-upstream}}\n"
        )
    });
    let routes = ways.map(|(name, ..)| {
        format!("  bench-{name}: [{{provider: {name}, model: passthrough, priority: 1}}]\n")
    });
    format!(
        "providers:\n{}model_routes:\n{}settings: {{host: 127.0.0.1, port: {port}, threads: 1, log_level: WARNING}}\n",
        providers.concat(),
        routes.concat(),
    )
}
