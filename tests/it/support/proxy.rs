//! The program under test: the real binary with a configuration file, a port and a directory of its own.

use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::watch;

use super::answers::ask_stream;
use super::client::Client;
use super::client::Reply;
use super::client::Request;
use super::setup::Setup;
use super::soon;

/// Time between two looks whether output is to be read again.
const PAUSE: Duration = Duration::from_millis(5);

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_pointsman");
const READY: &str = "listening on http";

/// A running Pointsman; it is ended with this value, and must not have panicked or printed a secret by then.
pub struct Proxy {
    child: Child,
    address: SocketAddr,
    console: Arc<Console>,
    readers: Vec<JoinHandle<()>>,
    directory: TempDir,
    /// The configuration file in it.
    name: String,
    secrets: Vec<String>,
    /// Whether it was told to end.
    may_end: bool,
}

/// What the program has printed.
struct Console {
    /// Nobody reads what is printed.
    paused: AtomicBool,
    lines: Mutex<Vec<String>>,
    changed: watch::Sender<()>,
}

/// How the program is started.
#[derive(Clone, Copy, Default)]
pub struct Launch<'l> {
    /// Its first arguments.
    pub arguments: &'l [&'l str],
    /// What it runs under: `unshare --pid`.
    pub under: &'l [&'l str],
    /// Further environment.
    pub env: &'l [(&'l str, &'l str)],
}

impl Proxy {
    /// Starts it and waits until it listens.
    pub async fn start(setup: Setup) -> Proxy {
        Proxy::launch(setup, Launch::default()).await
    }

    /// The same for another build of it.
    pub async fn start_program(program: &Path, setup: Setup) -> Proxy {
        Proxy::launch_program(program, setup, Launch::default()).await
    }

    /// Starts it with so many files and connections at most.
    pub async fn start_with_files(setup: Setup, files: usize) -> Proxy {
        let limited = format!("ulimit -n {files}; exec \"$@\"");
        let launch = Launch {
            under: &["/bin/sh", "-c", &limited, "sh"],
            ..Launch::default()
        };
        Proxy::launch(setup, launch).await
    }

    /// Starts it under a supervisor.
    pub async fn supervised(setup: Setup) -> Proxy {
        let launch = Launch {
            arguments: &["run", "--supervise"],
            ..Launch::default()
        };
        Proxy::launch(setup, launch).await
    }

    /// Starts it in that way.
    pub async fn launch(setup: Setup, launch: Launch<'_>) -> Proxy {
        let program = Path::new(PROGRAM);
        Proxy::launch_program(program, setup, launch).await
    }

    /// The program is a link in the journey's directory, so that it can be replaced.
    async fn launch_program(built: &Path, setup: Setup, launch: Launch<'_>) -> Proxy {
        let directory = TempDir::new().unwrap();
        let config = directory.path().join(setup.name());
        fs::write(&config, setup.yaml()).unwrap();
        for (name, text) in setup.others() {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let program = program_in(directory.path());
        fs::create_dir(program.parent().unwrap()).unwrap();
        symlink(built, &program).unwrap();
        let words = launch
            .under
            .iter()
            .map(Path::new)
            .chain([program.as_path()]);
        let words: Vec<&Path> = words.collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(launch.arguments);
        let (child, console, readers) = spawn(&config, command, launch.env);
        let mut proxy = Proxy {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            console,
            readers,
            directory,
            name: setup.name().to_owned(),
            secrets: setup.secrets(),
            may_end: false,
        };
        proxy.listens().await;
        if launch.arguments.contains(&"--supervise") {
            // The worker announces itself a moment before its supervisor knows.
            proxy.line(") serves").await;
        }
        proxy
    }

    /// Waits until it listens, and remembers where.
    async fn listens(&mut self) {
        let line = self.line(READY).await;
        self.address = address_in(&line).unwrap();
    }

    /// Kills it as nothing but a kill does (`kill -9`).
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.may_end = true;
    }

    /// Starts it again after [`Proxy::kill`], with the same files.
    pub async fn start_again(&mut self) {
        let (child, console, readers) = spawn(&self.config_path(), Command::new(PROGRAM), &[]);
        (self.child, self.console, self.may_end) = (child, console, false);
        self.readers.extend(readers);
        self.listens().await;
    }

    /// Runs another command on the same configuration: its output and exit code.
    pub fn command(&self, arguments: &[&str]) -> (String, Option<i32>) {
        self.command_in(arguments, &[])
    }

    /// The same with a further environment.
    pub fn command_in(&self, arguments: &[&str], env: &[(&str, &str)]) -> (String, Option<i32>) {
        let mut command = Command::new(PROGRAM);
        let output = settled(&mut command, &self.config_path())
            .args(arguments)
            .envs(env.iter().copied())
            .output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (text, output.status.code())
    }

    /// Another program takes its place on disk, as an installation does it.
    pub fn install(&self, program: impl AsRef<[u8]>) {
        let new = self.directory.path().join("new");
        fs::write(&new, program).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, program_in(self.directory.path())).unwrap();
    }

    /// The right program is on disk again.
    pub fn install_right(&self) {
        let new = self.directory.path().join("new");
        symlink(env!("CARGO_BIN_EXE_pointsman"), &new).unwrap();
        fs::rename(&new, program_in(self.directory.path())).unwrap();
    }

    /// `pointsman upgrade`: its exit code, and what it said.
    pub async fn upgrade(&self) -> (Option<i32>, String) {
        self.elsewhere(&["upgrade"]).await
    }

    /// Another process of the program, with the same configuration, while this one goes on: its exit code, and what it said.
    pub async fn elsewhere(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config_path())
            .current_dir(self.directory.path())
            .env_clear()
            .env("XDG_RUNTIME_DIR", self.directory.path());
        let asked = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = soon("the command", asked).await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    }

    /// The directory of the control socket.
    pub fn runtime_dir(&self) -> PathBuf {
        self.directory.path().join("pointsman")
    }

    /// The process that serves under a supervisor, as it says.
    pub fn worker(&self) -> u32 {
        let lines = self.console.lines.lock();
        let serves = lines.iter().rev().find(|it| it.contains(") serves"));
        let number = serves.and_then(|it| it.split("(process ").nth(1));
        let digits = number.and_then(|it| it.split(',').next());
        digits.unwrap().parse().unwrap()
    }

    /// How often it has printed a line with that.
    pub fn count(&self, text: &str) -> usize {
        let lines = self.console.lines.lock();
        lines.iter().filter(|it| it.contains(text)).count()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its listeners for models are that have an address, in their order.
    pub async fn addresses(&mut self) -> Vec<SocketAddr> {
        self.line("Claude Code:").await;
        let lines = self.console.lines.lock();
        let ready = lines.iter().filter(|it| it.contains(READY));
        ready.filter_map(|it| address_in(it)).collect()
    }

    /// `pointsman health`: its exit code, and what it said.
    pub async fn health(&self) -> (Option<i32>, String) {
        self.elsewhere(&["health"]).await
    }

    /// A new connection to it.
    pub async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, request: Request) -> Reply {
        self.connect().await.ask(request).await
    }

    /// A stream that has begun, up to its first word.
    pub async fn begin_stream(&self) -> Client {
        let mut client = self.connect().await;
        let request = Request::messages(ask_stream("hi"));
        client.send(request.bytes()).await;
        assert!(client.head().await.line.contains("200"));
        while client.event().await.unwrap().name != "content_block_delta" {}
        client
    }

    /// Waits until that has been printed, by whomever: the program itself may have ended.
    pub async fn printed(&self, text: &str) {
        super::eventually(text, || async { self.console.find(text).map(|_| ()) }).await;
    }

    /// The JSON of `GET /providers`.
    pub async fn providers(&self) -> serde_json::Value {
        let reply = self.ask(Request::get("/providers")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// One provider of `GET /providers`.
    pub async fn provider(&self, name: &str) -> serde_json::Value {
        let all = self.providers().await;
        let found = all["providers"]
            .as_array()
            .unwrap()
            .iter()
            .find(|provider| provider["name"] == name)
            .cloned();
        found.unwrap_or_else(|| panic!("no provider {name} in {all}"))
    }

    /// Waits for a line on standard output or error that contains `text`.
    pub async fn line(&mut self, text: &str) -> String {
        let mut changes = self.console.changed.subscribe();
        let console = Arc::clone(&self.console);
        let search = async {
            loop {
                if let Some(line) = console.find(text) {
                    return line;
                }
                let ended = self.child.try_wait().unwrap().is_some();
                assert!(!ended, "the program ended:\n{}", console.text());
                if tokio::time::timeout(super::PATIENCE / 100, changes.changed())
                    .await
                    .is_ok_and(|open| open.is_err())
                {
                    panic!("output closed without {text:?}:\n{}", console.text());
                }
            }
        };
        soon(&format!("a line with {text:?}"), search).await
    }

    /// Waits until it ends by itself, and gives its exit code.
    pub async fn ended(mut self) -> Option<i32> {
        self.ends().await
    }

    /// The same for who wants to look at what it left.
    pub async fn ends(&mut self) -> Option<i32> {
        let status = super::eventually("the program to end", || {
            let status = self.child.try_wait().unwrap();
            std::future::ready(status)
        })
        .await;
        self.may_end = true;
        status.code()
    }

    /// Waits until that many requests have followed another's call.
    pub async fn followed(&self, times: u64) {
        super::eventually("requests to share a call", || async {
            let all = self.providers().await;
            let followed = all["sharing"]["followed"].as_u64().unwrap();
            (times <= followed).then_some(())
        })
        .await;
    }

    /// Its process id: under a supervisor, the supervisor's.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, KiB.
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    /// Reads nothing more of what it prints, as a pager does that waits for its user, or goes on reading.
    pub fn reads_output(&self, reads: bool) {
        self.console.paused.store(!reads, Ordering::Relaxed);
    }

    /// Everything printed so far.
    pub fn console(&self) -> String {
        self.console.text()
    }

    /// Every whole line in the log file so far: a line that is just being written shows up in part.
    pub fn log_file(&self) -> String {
        let path = self.directory.path().join("journey.jsonl");
        let mut log = fs::read_to_string(path).unwrap_or_default();
        log.truncate(log.rfind('\n').map_or(0, |end| end + 1));
        log
    }

    /// The configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    /// Sends a signal: `HUP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }
}

/// With the configuration of a journey and nothing else.
fn settled<'c>(command: &'c mut Command, config: &Path) -> &'c mut Command {
    let directory = config.parent().unwrap();
    command
        .arg("--config")
        .arg(config)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("XDG_RUNTIME_DIR", directory)
}

fn spawn(
    config: &Path,
    mut command: Command,
    env: &[(&str, &str)],
) -> (Child, Arc<Console>, Vec<JoinHandle<()>>) {
    let mut child = settled(&mut command, config)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let console = Arc::new(Console {
        paused: AtomicBool::new(false),
        lines: Mutex::new(Vec::new()),
        changed: watch::Sender::new(()),
    });
    let readers = vec![
        collect(child.stdout.take().unwrap(), Arc::clone(&console)),
        collect(child.stderr.take().unwrap(), Arc::clone(&console)),
    ];
    (child, console, readers)
}

impl Console {
    fn find(&self, text: &str) -> Option<String> {
        let lines = self.lines.lock();
        lines.iter().find(|line| line.contains(text)).cloned()
    }

    fn text(&self) -> String {
        self.lines.lock().join("\n")
    }
}

/// The address in a line of the banner.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, address) = line.split_once(READY)?.1.split_once("://")?;
    let end = address.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    address[..end.unwrap_or(address.len())].parse().ok()
}

/// Where the program is found.
fn program_in(directory: &Path) -> PathBuf {
    directory.join("bin/pointsman")
}

fn collect(pipe: impl Read + Send + 'static, console: Arc<Console>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| 0 < count)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            console.lines.lock().push(text);
            console.changed.send_replace(());
            line.clear();
            while console.paused.load(Ordering::Relaxed) {
                thread::sleep(PAUSE);
            }
        }
    })
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let early = self.child.try_wait().unwrap();
        // Fails only when there is nothing left to end.
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.reads_output(true);
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let printed = format!("{}\n{}", self.console.text(), self.log_file());
        if thread::panicking() {
            let mut out = std::io::stderr().lock();
            let _ = std::io::Write::write_all(&mut out, printed.as_bytes());
            return;
        }
        assert!(
            early.is_none() || self.may_end,
            "the program ended by itself:\n{printed}"
        );
        assert!(!printed.contains("panicked"), "{printed}");
        for secret in &self.secrets {
            assert!(
                !printed.contains(secret.as_str()),
                "{secret} in:\n{printed}"
            );
        }
    }
}
