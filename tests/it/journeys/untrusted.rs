//! A provider whose certificate nobody vouches for is no provider: the next one answers.

use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use tempfile::TempDir;

use crate::support::answers::ask_sized;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// A TLS server with a certificate it made itself.
struct SelfSigned {
    child: Child,
    port: String,
    _directory: TempDir,
}

impl Drop for SelfSigned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl SelfSigned {
    fn start() -> SelfSigned {
        let directory = TempDir::new().unwrap();
        let made = openssl(directory.path())
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-keyout", "key.pem", "-out", "cert.pem", "-days", "2"])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
            ])
            .status()
            .unwrap();
        assert!(made.success());
        let mut child = openssl(directory.path())
            .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "8"])
            .args(["-cert", "cert.pem", "-key", "key.pem", "-www"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .find_map(|line| line.ok().filter(|line| line.starts_with("ACCEPT ")))
            .unwrap();
        SelfSigned {
            child,
            port: line.rsplit(':').next().unwrap().to_owned(),
            _directory: directory,
        }
    }
}

fn openssl(directory: &Path) -> Command {
    let mut command = Command::new("openssl");
    command
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let server = SelfSigned::start();
    let backup = Upstream::always(says("b")).await;
    let setup = Setup::of([
        Provider::anthropic("a", &format!("https://localhost:{}", server.port)),
        Provider::anthropic("b", &backup.url()),
    ]);
    let mut proxy = Proxy::start(setup).await;
    let body = ask_sized(300_000, false);
    let reply = proxy.ask(Request::messages(&body)).await;
    assert_eq!((reply.status, reply.text()), (200, message("b")));
    assert!(backup.only().body == body.as_bytes());
    let line = proxy.line("recorded error for provider a: count=1/2").await;
    assert!(line.contains("upstream_unreachable"), "{line}");
}
