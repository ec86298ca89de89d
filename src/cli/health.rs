//! `pointsman health`: whether the process that serves this configuration takes new work. What a container's health
//! check runs, where there is no shell and no curl.

use super::ask::{Question, ask, listeners};
use super::output::Outcome;
use crate::config::{Listener, LoadOptions};

/// Longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 4096;

/// Asks `/readyz`: code 0 for yes, 1 for no.
pub fn run(options: &LoadOptions) -> Outcome {
    let mut why = String::new();
    for listener in listeners(options) {
        match is_ready(&listener) {
            Ok(()) => {
                return Outcome {
                    text: "ready\n".to_owned(),
                    code: 0,
                };
            }
            // A listener that was just written into the file is not there yet: perhaps another one is.
            Err(this) if why.is_empty() => why = this,
            Err(_) => {}
        }
    }
    Outcome {
        text: format!("not ready: {why}\n"),
        code: 1,
    }
}

/// Whether Pointsman takes new work there.
pub fn is_ready(listener: &Listener) -> Result<(), String> {
    let question = Question {
        path: "/readyz",
        key: None,
        limit: MAX_ANSWER_BYTES,
    };
    match ask(listener, &question)?.status {
        200 => Ok(()),
        503 => Err("it is about to end and takes no new work".to_owned()),
        _ => Err(format!(
            "{} does not answer like pointsman",
            listener.address
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::config::Env;

    /// Asks a server that answers with `answer`, through a configuration that listens everywhere.
    fn asked(answer: &'static str) -> Outcome {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut head = [0; 512];
            let length = stream.read(&mut head).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        let mut options = LoadOptions::new(Env::default());
        options.dir = "/".into();
        options.port = Some(port);
        let outcome = run(&options);
        let head = serving.join().unwrap();
        assert!(head.starts_with("GET /readyz HTTP/1.1\r\n"), "{head}");
        outcome
    }

    #[test]
    fn the_code_says_whether_it_takes_new_work() {
        assert_eq!(asked("HTTP/1.1 200 OK\r\n\r\n{}").code, 0);
        let draining = asked("HTTP/1.1 503 Service Unavailable\r\n\r\n{}");
        assert_eq!(draining.code, 1);
        assert!(draining.text.contains("no new work"), "{}", draining.text);
        assert_eq!(asked("SSH-2.0-OpenSSH\r\n").code, 1);
        assert_eq!(asked("").code, 1);
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut options = LoadOptions::new(Env::default());
        options.dir = "/".into();
        options.port = Some(port);
        let outcome = run(&options);
        assert_eq!(outcome.code, 1);
        assert!(outcome.text.starts_with("not ready: "), "{}", outcome.text);
    }
}
