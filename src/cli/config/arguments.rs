//! What may be typed: the order of the documents (`add NAME URL TYPE`) and the one that was (`add NAME TYPE URL`); an
//! address is known by its looks.

use clap::Args;

use crate::cli::words::Said;
use crate::config::{DocumentKind, NewUpstream, Update, is_kind};
use crate::types::Vendor;

/// Types that are told to people.
const KINDS: &str =
    "openai, openaiold, gemini, claude, custom, anthropic, openai-responses, or a vendor's name";
const STRATEGIES: &[&str] = &["round-robin", "random", "failover"];
const ADD: &str = "add <name> <url> <type>";
const KEY: &str = "key <upstream> add|list|remove [<key>…]";

/// An upstream to be added.
#[derive(Debug, Args)]
pub struct Add {
    /// Its name, and then its address and its type in any order. The type may be left out for a host that is known,
    /// the address for a vendor that is known
    #[arg(num_args = 1.., value_names = ["NAME", "URL", "TYPE"])]
    words: Vec<String>,
    /// What there is to say about it
    #[arg(long)]
    description: Option<String>,
    /// A key of it; may be given several times
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// It wants no key
    #[arg(long, conflicts_with = "keys")]
    no_key: bool,
}

/// What is to be changed of an upstream.
#[derive(Debug, Args)]
pub struct Change {
    /// Its name, NAME#ACCOUNT, or its index
    pub upstream: String,
    /// Call it so
    #[arg(long)]
    name: Option<String>,
    /// Its address
    #[arg(long, visible_alias = "base-url")]
    url: Option<String>,
    /// What it speaks
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// What there is to say about it
    #[arg(long)]
    description: Option<String>,
}

/// What is to be done with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAction {
    /// More of them.
    Add,
    /// Show them.
    List,
    /// Fewer of them.
    Remove,
}

/// Arguments that make no sense.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    Usage(&'static str),
    Type(String),
    Address(String),
    Name,
    Nothing,
}

impl Wrong {
    pub fn said(&self) -> Said<'_> {
        match self {
            Wrong::Usage(line) => Said::Usage(line),
            Wrong::Type(word) => Said::UnknownType(word, KINDS),
            Wrong::Address(word) => Said::NoAddress(word),
            Wrong::Name => Said::BadName,
            Wrong::Nothing => Said::NothingNamed,
        }
    }
}

impl Add {
    /// The upstream, if the arguments make one.
    pub fn upstream(&self, file: DocumentKind) -> Result<NewUpstream, Wrong> {
        let (name, base_url, kind) = match self.words.as_slice() {
            [name, a, b] if is_address(a) => (name, a.as_str(), b.as_str()),
            [name, a, b] if is_address(b) => (name, b.as_str(), a.as_str()),
            [_, a, b] => {
                let address = if is_kind(a) { b } else { a };
                return Err(Wrong::Address(address.clone()));
            }
            [name, url] if is_address(url) => {
                let kind = kind_of_host(url).ok_or(Wrong::Usage(ADD))?;
                (name, url.as_str(), kind)
            }
            [name, vendor] if file == DocumentKind::Ours && has_address(vendor) => {
                (name, "", vendor.as_str())
            }
            _ => return Err(Wrong::Usage(ADD)),
        };
        Ok(NewUpstream {
            name: good_name(name)?,
            base_url: base_url.to_owned(),
            kind: good_kind(kind, file)?,
            about: self.description.clone(),
            keys: self.keys.clone(),
            without_key: self.no_key,
        })
    }
}

impl Change {
    /// The changes, if any are named.
    pub fn update(&self, file: DocumentKind) -> Result<Update, Wrong> {
        let update = Update {
            name: self.name.as_deref().map(good_name).transpose()?,
            base_url: self.url.clone(),
            kind: self
                .kind
                .as_deref()
                .map(|it| good_kind(it, file))
                .transpose()?,
            about: self.description.clone(),
        };
        if let Some(url) = update.base_url.as_ref().filter(|it| !is_address(it)) {
            return Err(Wrong::Address(url.clone()));
        }
        let named = [&update.name, &update.base_url, &update.kind, &update.about];
        if named.iter().all(|it| it.is_none()) {
            return Err(Wrong::Nothing);
        }
        Ok(update)
    }
}

fn is_address(word: &str) -> bool {
    word.contains("://")
}

fn good_name(name: &str) -> Result<String, Wrong> {
    let number = name.chars().all(|it| it.is_ascii_digit());
    if number || name.trim() != name || name.chars().any(char::is_control) {
        return Err(Wrong::Name);
    }
    Ok(name.to_owned())
}

fn good_kind(word: &str, file: DocumentKind) -> Result<String, Wrong> {
    let vendor = file == DocumentKind::Ours && Vendor::named(word).is_some();
    if is_kind(word) || vendor {
        Ok(word.to_owned())
    } else {
        Err(Wrong::Type(word.to_owned()))
    }
}

/// What a host that is known speaks.
fn kind_of_host(url: &str) -> Option<&'static str> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?']).next()?;
    Some(Vendor::of_host(host)?.dialect.name())
}

fn has_address(word: &str) -> bool {
    Vendor::named(word).is_some_and(|it| !it.base_url.is_empty())
}

/// The strategy of a word, as people write it.
pub fn strategy(word: &str) -> Option<&'static str> {
    let word = word.replace('_', "-").to_ascii_lowercase();
    STRATEGIES.iter().find(|it| **it == word).copied()
}

/// Upstream, action and keys of `key NAME add KEY…`; `key add NAME KEY…` is understood as well.
pub fn key(words: &[String]) -> Result<(&str, KeyAction, &[String]), Wrong> {
    let action = |word: &String| match word.as_str() {
        "add" => Some(KeyAction::Add),
        "list" | "ls" => Some(KeyAction::List),
        "remove" | "rm" => Some(KeyAction::Remove),
        _ => None,
    };
    let [first, second, keys @ ..] = words else {
        return Err(Wrong::Usage(KEY));
    };
    match (action(first), action(second)) {
        (_, Some(action)) => Ok((first, action, keys)),
        (Some(action), None) => Ok((second, action, keys)),
        (None, None) => Err(Wrong::Usage(KEY)),
    }
}

/// The help in Chinese.
pub fn in_chinese(command: clap::Command) -> clap::Command {
    let rows = [
        ("add", "添加上游：名称，以及地址和类型（顺序任意）"),
        ("update", "修改上游；路由会跟随新名称"),
        ("remove", "删除上游（名称或索引）"),
        ("show", "查看当前配置（密钥已脱敏）"),
        (
            "key",
            "管理上游的API密钥：key <名称> add <密钥>… | list | remove <密钥>…",
        ),
        ("use", "切换当前使用的上游（名称或索引）"),
        (
            "balance",
            "设置负载均衡策略：round-robin、random 或 failover",
        ),
        ("clear", "清除所有上游"),
    ];
    let about = |command: clap::Command| {
        let command = command.about("管理上游配置（config.yaml 或 config.json）");
        rows.iter().fold(command, |command, (name, about)| {
            command.mut_subcommand(name, |it| it.about(*about))
        })
    };
    command.mut_subcommand("config", about)
}
