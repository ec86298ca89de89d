//! Keys that are made, written down, shown and revoked.

use std::fs;

use clap::Parser;
use tempfile::TempDir;

use super::*;
use crate::config::Env;

const FILE: &str =
    "# ours\nproviders: [{name: a, base_url: 'https://a.b', auth_value: sk-0123456789}]\n";

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

struct Desk {
    dir: TempDir,
    options: LoadOptions,
}

impl Desk {
    fn new(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("config.yaml"), text).unwrap();
        let mut options = LoadOptions::new(Env::default());
        options.dir = dir.path().to_owned();
        Desk { dir, options }
    }

    fn run(&self, line: &str) -> Outcome {
        let words = std::iter::once("keys").chain(line.split(' '));
        let line = Line::try_parse_from(words).unwrap();
        run(line.command, &self.options, Style::PLAIN)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }
}

fn key_in(text: &str) -> String {
    let key = text.split_whitespace().find(|it| it.starts_with("pmk-"));
    key.unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn a_key_is_made_written_listed_and_revoked() {
    let desk = Desk::new(FILE);
    let made = desk.run(
        "create alice --team platform --models *sonnet*,claude-haiku-4-5 --rpm 60 --tpm 200k --daily-usd 2.5 \
         --expires 2099-01-31 --write",
    );
    assert_eq!(made.code, 0, "{}", made.text);
    let key = key_in(&made.text);
    let file = desk.text("config.yaml");
    assert!(file.starts_with(FILE) && !file.contains(&key), "{file}");
    assert_eq!(desk.text("config.yaml.bak"), FILE);
    let config = load(&desk.options).unwrap();
    let [entry] = config.auth.named() else {
        panic!("one key: {config:?}");
    };
    assert_eq!((entry.rpm, entry.tpm), (Some(60), Some(200_000)));
    assert_eq!(entry.daily, Some(MicroUsd(2_500_000)));
    assert_eq!(entry.models, ["*sonnet*", "claude-haiku-4-5"]);
    assert!(config.ledger.is_some(), "a budget must outlive a restart");

    assert_eq!(desk.run("create alice --write").code, 1);
    assert_eq!(desk.run("create bob --write").code, 0);
    let listed = desk.run("list").text;
    assert!(listed.contains("alice  platform  good"), "{listed}");
    assert!(listed.contains("$0.00 of $2.50"), "{listed}");

    assert_eq!(desk.run("revoke alice --write").code, 0);
    let config = load(&desk.options).unwrap();
    assert!(config.auth.named()[0].revoked && !config.auth.named()[1].revoked);
    assert_eq!(desk.run("revoke alice --remove --write").code, 0);
    assert_eq!(desk.run("revoke bob --remove --write").code, 0);
    let config = load(&desk.options).unwrap();
    assert!(
        config.auth.named().is_empty() && !config.auth.is_open(),
        "closed"
    );
    assert_eq!(desk.run("revoke bob --write").code, 1);
}

#[test]
fn without_write_the_file_stays_and_the_entry_is_shown() {
    let desk = Desk::new(FILE);
    let made = desk.run("create 12 --monthly-usd 300");
    assert!(
        made.text.contains("  - name: \"12\"\n    sha256: \""),
        "{}",
        made.text
    );
    assert!(
        made.text.contains("    monthly_usd: 300\n"),
        "{}",
        made.text
    );
    assert_eq!(desk.text("config.yaml"), FILE);
    assert_eq!(desk.run("revoke 12").code, 0);
    assert_eq!(desk.text("config.yaml"), FILE);
}

#[test]
fn what_would_not_load_is_not_written() {
    let desk = Desk::new(FILE);
    for line in [
        "create a,b --write",
        "create a --providers nobody --write",
        "create a --expires soon --write",
        "create a --daily-usd 0 --write",
        "create a --tpm many --write",
    ] {
        let refused = desk.run(line);
        assert_eq!(refused.code, 1, "{line}: {}", refused.text);
        assert_eq!(desk.text("config.yaml"), FILE, "{line}");
    }
}

/// Somebody who makes keys need not have those of the providers.
#[test]
fn a_provider_key_that_is_not_there_is_no_obstacle() {
    let text = FILE.replace("sk-0123456789", "'${NOT_HERE}'");
    let desk = Desk::new(&text);
    assert_eq!(desk.run("create alice --write").code, 0);
    assert!(desk.text("config.yaml").contains("- name: alice"));
}
