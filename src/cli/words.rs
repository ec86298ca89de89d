//! What the editing commands say, in English and in Chinese: one table, so that neither falls behind. The Chinese
//! sentences are those that users of the worker proxy know.

use std::io::ErrorKind;

use super::change::NotChanged;
use crate::config::{EditError, Env};

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// English.
    En,
    /// Chinese.
    Zh,
}

impl Lang {
    /// The one asked for, else that of the environment (`LC_ALL`, `LC_MESSAGES`, `LANG`), else English.
    pub fn of(asked: Option<Lang>, env: &Env) -> Lang {
        let told = ["LC_ALL", "LC_MESSAGES", "LANG"];
        let word = told.iter().find_map(|it| env.filled(it));
        let chinese = word.is_some_and(|it| it.to_ascii_lowercase().starts_with("zh"));
        asked.unwrap_or(if chinese { Lang::Zh } else { Lang::En })
    }

    /// The sentence of this language.
    pub fn choose<'t>(self, english: &'t str, chinese: &'t str) -> &'t str {
        match self {
            Lang::En => english,
            Lang::Zh => chinese,
        }
    }
}

/// Something to say.
#[derive(Clone, Debug)]
pub enum Said<'s> {
    /// An upstream was added.
    Added(&'s str, &'s str),
    /// It stays off until it has a key.
    NoKeyYet(&'s str),
    /// It was off and is on.
    SwitchedOn(&'s str),
    /// An upstream was removed.
    Removed(&'s str),
    /// Routes that went with it.
    RoutesGone(&'s str),
    /// An upstream was changed.
    Updated(&'s str),
    /// So many keys were added.
    KeysAdded(usize, &'s str),
    /// A key was there already.
    KeyThere(&'s str),
    /// So many keys were removed.
    KeysRemoved(usize, &'s str),
    /// There is no such key.
    NoSuchKey(&'s str),
    /// There are no keys at all.
    NoKeys(&'s str),
    /// Another upstream is current.
    Used(&'s str),
    /// Routes that stay as they are.
    OtherRoutes(&'s str),
    /// Keys are chosen in another way.
    Balanced(&'s str),
    /// Everything is gone.
    Cleared,
    /// Whether everything is to go.
    AskClear(&'s str),
    /// It was not meant.
    LeftAlone,
    /// Nothing was to be done.
    Unchanged,
    /// Where the old file is.
    Backup(&'s str),
    /// A running process.
    Reload,
    /// What is still missing.
    Unfinished,
    /// There is no file.
    NoFile,
    /// A type that nobody knows.
    UnknownType(&'s str, &'s str),
    /// No address among the arguments.
    NoAddress(&'s str),
    /// Arguments that are missing.
    Usage(&'s str),
    /// A name that is none.
    BadName,
    /// A strategy that nobody knows.
    UnknownStrategy(&'s str),
    /// Nothing to change was named.
    NothingNamed,
}

impl Said<'_> {
    /// The sentence, in a language.
    pub fn words(&self, lang: Lang) -> String {
        let [english, chinese] = self.table();
        match lang {
            Lang::En => english,
            Lang::Zh => chinese,
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "a table: a row for each thing there is to say"
    )]
    fn table(&self) -> [String; 2] {
        match self {
            Said::Added(name, url) => [
                format!("added upstream: {name} - {url}"),
                format!("已添加上游: {name} - {url}"),
            ],
            Said::NoKeyYet(name) => [
                format!("it is off until it has a key: pointsman config key {name} add <key>"),
                format!("添加密钥之前保持停用: pointsman config key {name} add <密钥>"),
            ],
            Said::SwitchedOn(name) => [
                format!("{name} was off and is on now"),
                format!("{name} 原为停用，现已启用"),
            ],
            Said::Removed(name) => [
                format!("removed upstream: {name}"),
                format!("已删除上游: {name}"),
            ],
            Said::RoutesGone(list) => [
                format!("these routes named nobody else and went with it: {list}"),
                format!("以下路由只包含它，已一并删除: {list}"),
            ],
            Said::Updated(name) => [
                format!("updated upstream: {name}"),
                format!("已更新上游: {name}"),
            ],
            Said::KeysAdded(1, name) => [
                format!("added API key to upstream {name}"),
                format!("已添加API密钥到上游 {name}"),
            ],
            Said::KeysAdded(count, name) => [
                format!("added {count} API keys to upstream {name}"),
                format!("已添加 {count} 个API密钥到上游 {name}"),
            ],
            Said::KeyThere(key) => [
                format!("the API key is there already: {key}"),
                format!("API密钥已存在: {key}"),
            ],
            Said::KeysRemoved(1, name) => [
                format!("removed API key from upstream {name}"),
                format!("已删除API密钥从上游 {name}"),
            ],
            Said::KeysRemoved(count, name) => [
                format!("removed {count} API keys from upstream {name}"),
                format!("已从上游 {name} 删除 {count} 个API密钥"),
            ],
            Said::NoSuchKey(name) => [
                format!("there is no such API key; see pointsman config key {name} list"),
                format!("API密钥不存在；请查看 pointsman config key {name} list"),
            ],
            Said::NoKeys(name) => [
                format!("upstream {name} has no API keys"),
                format!("上游 {name} 没有API密钥"),
            ],
            Said::Used(name) => [
                format!("now in use: {name}"),
                format!("已切换到上游: {name}"),
            ],
            Said::OtherRoutes(list) => [
                format!("these routes do not name it and stay as they are: {list}"),
                format!("以下路由未包含它，保持不变: {list}"),
            ],
            Said::Balanced(strategy) => [
                format!("load balancing strategy set: {strategy}"),
                format!("已设置负载均衡策略: {strategy}"),
            ],
            Said::Cleared => [
                "removed all upstreams".to_owned(),
                "已清除所有配置".to_owned(),
            ],
            Said::AskClear(file) => [
                format!("remove all upstreams and their keys from {file}? [y/N] "),
                format!("确定要清除 {file} 中的所有上游和密钥吗？[y/N] "),
            ],
            Said::LeftAlone => ["nothing was changed".to_owned(), "未作更改".to_owned()],
            Said::Unchanged => [
                "nothing to change: it says so already".to_owned(),
                "无需更改：配置已经如此".to_owned(),
            ],
            Said::Backup(file) => [
                format!("the file as it was: {file}"),
                format!("原文件已备份: {file}"),
            ],
            Said::Reload => [
                "a running pointsman takes it in by itself (or with SIGHUP where watch_config is 0)"
                    .to_owned(),
                "正在运行的 pointsman 会自动重载（watch_config 为 0 时请发送 SIGHUP）".to_owned(),
            ],
            Said::Unfinished => [
                "before it can serve anybody:".to_owned(),
                "还需完成以下设置才能提供服务:".to_owned(),
            ],
            Said::NoFile => [
                "there is no configuration file yet; make one with: pointsman config add <name> <url> <type>"
                    .to_owned(),
                "还没有配置文件；请先添加上游: pointsman config add <名称> <地址> <类型>".to_owned(),
            ],
            Said::UnknownType(word, known) => [
                format!("unsupported type: {word}; known are {known}"),
                format!("不支持的类型: {word}；支持的类型: {known}"),
            ],
            Said::NoAddress(word) => [
                format!("`{word}` is no address; write it whole, as https://api.example.com"),
                format!("`{word}` 不是有效的地址；请写完整地址，例如 https://api.example.com"),
            ],
            Said::Usage(line) => [
                format!("something is missing; the order is: pointsman config {line}"),
                format!("参数不足；用法: pointsman config {line}"),
            ],
            Said::BadName => [
                "a name must not be empty, nor begin or end with a space, nor be a bare number".to_owned(),
                "名称不能为空，首尾不能有空格，也不能是纯数字".to_owned(),
            ],
            Said::UnknownStrategy(word) => [
                format!("unsupported strategy: {word}; known are round-robin, random, failover"),
                format!("不支持的负载均衡策略: {word}；支持: round-robin, random, failover"),
            ],
            Said::NothingNamed => [
                "name what is to be changed: --name, --url, --type or --description".to_owned(),
                "请指定要修改的内容: --name, --url, --type 或 --description".to_owned(),
            ],
        }
    }
}

/// Why a file is as it was, in a language, with the way out.
pub fn not_changed(why: &NotChanged, lang: Lang) -> String {
    let [english, chinese] = match why {
        NotChanged::Edit(error) => return edit_error(error, lang),
        NotChanged::Faults(_) => [
            "the change would break the configuration; the file is as it was:".to_owned(),
            "此更改会使配置失效，文件未改动:".to_owned(),
        ],
        NotChanged::NotText => [
            "it is no UTF-8 text; save it as UTF-8".to_owned(),
            "不是 UTF-8 文本；请以 UTF-8 保存".to_owned(),
        ],
        NotChanged::Busy => [
            "another editing command is at it and does not finish; try again when it has ended"
                .to_owned(),
            "另一个编辑命令正在占用该文件；请待其结束后重试".to_owned(),
        ],
        NotChanged::Moved => [
            "somebody has changed it meanwhile; nothing was written, try again".to_owned(),
            "文件已被他人修改；未写入，请重试".to_owned(),
        ],
        NotChanged::System(error) => system(error),
    };
    lang.choose(&english, &chinese).to_owned()
}

fn system(error: &std::io::Error) -> [String; 2] {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => [
            "the disk is full; the file is as it was, make room and try again".to_owned(),
            "磁盘空间不足；文件未改动，请清理空间后重试".to_owned(),
        ],
        ErrorKind::PermissionDenied => [
            "it may not be changed by this user; the file is as it was".to_owned(),
            "当前用户没有修改权限；文件未改动".to_owned(),
        ],
        ErrorKind::ReadOnlyFilesystem => [
            "it is on a disk that cannot be written; the file is as it was".to_owned(),
            "文件系统只读；文件未改动".to_owned(),
        ],
        ErrorKind::NotFound => [
            "it does not exist; look at --config or POINTSMAN_CONFIG".to_owned(),
            "文件不存在；请检查 --config 或 POINTSMAN_CONFIG".to_owned(),
        ],
        _ => [error.to_string(), error.to_string()],
    }
}

/// Why an edit cannot be made, in a language.
pub fn edit_error(error: &EditError, lang: Lang) -> String {
    let chinese = match error {
        EditError::Unreadable(why) => format!("无法读取文件: {why}"),
        EditError::Exists(name) => format!("密钥名称已存在: {name}"),
        EditError::Missing(name) => format!("密钥名称不存在: {name}"),
        EditError::Shared(name) => {
            format!("此处位于锚点 `&{name}` 之下，其他地方也在使用；请手动修改")
        }
        EditError::Inherited(key) => format!("`{key}` 由 `<<` 引入，并未写在此处；请手动修改"),
        EditError::NoUpstream { asked, known } if known.is_empty() => {
            format!("无效的上游: {asked}；还没有上游，请先用 pointsman config add 添加")
        }
        EditError::NoUpstream { asked, known } => {
            let all: Vec<String> = (0..)
                .zip(known)
                .map(|(i, it)| format!("{i} ({it})"))
                .collect();
            format!("无效的上游: {asked}；现有: {}", all.join(", "))
        }
        EditError::Ambiguous(name) => {
            format!("有多个上游名为 {name}；请写 名称#账号，或使用 config show 中的索引")
        }
        EditError::NameTaken(name) => {
            format!("上游已存在: {name}；请换一个名称，或用 config update 修改")
        }
        EditError::OtherSignIn(way) => {
            format!("该上游使用 `{way}` 登录，不需要密钥；请手动修改 auth_type")
        }
        EditError::Unsure => "无法识别文件的写法；请手动修改".to_owned(),
    };
    match lang {
        Lang::En => error.to_string(),
        Lang::Zh => chinese,
    }
}
