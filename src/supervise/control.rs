//! The control socket: where `pointsman upgrade` asks, and hears how it went. One line of JSON each way.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::runtime_dir::CONTROL;

/// Longest question, bytes.
const MAX_QUESTION: u64 = 1024;
/// Longest answer, bytes.
const MAX_ANSWER: u64 = 256 * 1024;
/// Longest wait for a question.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// Put a new worker in the place of the one that serves.
    Upgrade,
    /// Something that a later version asks.
    #[serde(other)]
    Unknown,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// For people, perhaps of several lines.
    pub text: String,
}

/// Listens where only this user reaches.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    // The directory is ours alone; this is for those who copy it.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Reads what a caller wants.
pub async fn question(caller: &mut tokio::net::UnixStream) -> Option<Question> {
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(caller.take(MAX_QUESTION));
    let read = tokio::time::timeout(PATIENCE, reader.read_line(&mut line));
    read.await.ok()?.ok()?;
    serde_json::from_str(&line).ok()
}

/// Tells a caller how it went. One that has left does not matter.
pub async fn answer(caller: &mut tokio::net::UnixStream, answer: &Answer) {
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    let _ = caller.write_all(&line).await;
}

/// Asks the supervisor that uses the first of these directories in which one listens, and waits for the outcome.
/// `None`: there is none.
pub fn ask_for_upgrade(directories: &[PathBuf]) -> Option<io::Result<Answer>> {
    let ours = |directory: &&PathBuf| {
        let user = rustix::process::geteuid();
        let found = fs::symlink_metadata(directory);
        found.is_ok_and(|it| user.is_root() || it.uid() == user.as_raw())
    };
    let mut reachable = directories.iter().filter(ours);
    let caller = reachable.find_map(|it| UnixStream::connect(it.join(CONTROL)).ok())?;
    Some(ask(caller, Question::Upgrade))
}

fn ask(mut caller: UnixStream, question: Question) -> io::Result<Answer> {
    let mut line = serde_json::to_vec(&question)?;
    line.push(b'\n');
    caller.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(caller.take(MAX_ANSWER)).read_line(&mut answer)?;
    if answer.is_empty() {
        let text = "the supervisor ended before it answered";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
    }
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_caller_asks_and_hears() {
        let dir = tempfile::tempdir().unwrap();
        let listener = listen(&dir.path().join(CONTROL)).unwrap();
        let mode = fs::metadata(dir.path().join(CONTROL)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        let places = [dir.path().join("nothing"), dir.path().to_owned()];
        let asking = tokio::task::spawn_blocking(move || ask_for_upgrade(&places));
        let (mut caller, _) = listener.accept().await.unwrap();
        assert_eq!(question(&mut caller).await, Some(Question::Upgrade));
        let told = Answer {
            ok: false,
            text: "two\nlines".to_owned(),
        };
        answer(&mut caller, &told).await;
        assert_eq!(asking.await.unwrap().unwrap().unwrap(), told);
    }

    #[tokio::test]
    async fn strange_questions_are_known_as_such() {
        for (text, understood) in [
            (
                "{\"ask\":\"upgrade\",\"more\":1}\n",
                Some(Question::Upgrade),
            ),
            ("{\"ask\":\"dance\"}\n", Some(Question::Unknown)),
            ("GET / HTTP/1.1\r\n", None),
            ("", None),
        ] {
            let (mut ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
            theirs.write_all(text.as_bytes()).await.unwrap();
            drop(theirs);
            assert_eq!(question(&mut ours).await, understood, "{text}");
        }
    }

    #[test]
    fn where_nobody_listens_nobody_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ask_for_upgrade(&[dir.path().to_owned()]).is_none());
    }
}
