//! Whether a worker serves: one request on a socket that nobody else knows.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Longest wait for an answer of a worker that serves.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Enough for the line that says how it went.
const STATUS_LINE: usize = 64;

/// Asks for `path` (`/readyz`) at `socket`; the error says what came instead of 200.
pub async fn ask(socket: &Path, path: &str) -> Result<(), String> {
    let answer = tokio::time::timeout(PATIENCE, exchange(socket, path));
    let line = match answer.await {
        Ok(Ok(line)) => line,
        Ok(Err(error)) => return Err(format!("{path} cannot be asked: {error}")),
        Err(_) => return Err(format!("{path} was not answered in time")),
    };
    match line.split_ascii_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(format!(
            "{path} was answered with {:?}",
            line.lines().next().unwrap_or_default()
        )),
    }
}

async fn exchange(socket: &Path, path: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut line = Vec::with_capacity(STATUS_LINE);
    let mut head = stream.take(STATUS_LINE as u64);
    head.read_to_end(&mut line).await?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    async fn asked(answer: &'static str) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = [0; 64];
            let count = stream.read(&mut seen).unwrap();
            assert!(seen[..count].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let result = ask(&path, "/readyz").await;
        server.join().unwrap();
        result
    }

    #[tokio::test]
    async fn only_200_is_good() {
        assert_eq!(asked("HTTP/1.1 200 OK\r\n\r\n{}").await, Ok(()));
        let draining = asked("HTTP/1.1 503 Service Unavailable\r\n\r\n").await;
        assert!(draining.unwrap_err().contains("503"));
        assert!(asked("").await.is_err());
    }

    #[tokio::test]
    async fn nobody_there_is_said() {
        let why = ask(Path::new("/nowhere/at/all"), "/readyz").await;
        assert!(why.unwrap_err().contains("cannot be asked"));
    }
}
