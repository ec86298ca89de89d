//! How far something has come that takes its time: one line on standard error, where somebody looks at it.

use std::io::{IsTerminal, Write};

use parking_lot::Mutex;

/// Characters of the bar.
const WIDTH: usize = 20;

/// A line that changes until it is over.
pub struct Progress {
    shown: bool,
    what: String,
    total: usize,
    done: Mutex<usize>,
}

impl Progress {
    /// So many steps; nothing is shown where standard error is no terminal, or it is not wanted.
    pub fn new(what: &str, total: usize, wanted: bool) -> Progress {
        let progress = Progress {
            shown: wanted && 0 < total && std::io::stderr().is_terminal(),
            what: what.to_owned(),
            total,
            done: Mutex::new(0),
        };
        progress.show(&line(what, 0, total));
        progress
    }

    /// One more is done.
    pub fn step(&self) {
        let mut done = self.done.lock();
        *done += 1;
        self.show(&line(&self.what, *done, self.total));
    }

    fn show(&self, line: &str) {
        if self.shown {
            let mut out = std::io::stderr().lock();
            // Nobody is worse off without it.
            let _ = write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.show("");
    }
}

fn line(what: &str, done: usize, total: usize) -> String {
    let full = (WIDTH * done.min(total)) / total.max(1);
    format!(
        "{what} [{}{}] {}/{total}",
        "#".repeat(full),
        " ".repeat(WIDTH - full),
        done.min(total)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        assert_eq!(
            line("asking", 0, 4),
            format!("asking [{}] 0/4", " ".repeat(20))
        );
        assert_eq!(
            line("asking", 5, 4),
            format!("asking [{}] 4/4", "#".repeat(20))
        );
        assert_eq!(line("asking", 1, 0).matches('#').count(), 0);
    }
}
