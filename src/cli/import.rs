//! `pointsman import`: the worker proxy's `config.json` as a `config.yaml` of ours. The old file stays as it is.

use std::path::{Path, PathBuf};

use clap::Args;

use super::change::{May, NotChanged, change};
use super::check::{faults_text, note_line};
use super::output::{Outcome, Style, print_error};
use super::words::{Lang, not_changed};
use crate::config::{ConfigFault, LoadOptions, to_yaml};

/// What to convert.
#[derive(Debug, Args)]
pub struct Import {
    /// The file to convert
    #[arg(default_value = "config.json")]
    file: PathBuf,
    /// Where the result goes; `-` prints it, keys in it. Without it: config.yaml beside the file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there; it becomes FILE.bak
    #[arg(long)]
    force: bool,
}

/// Why there is no result.
enum Failure {
    Told(u8, String),
    Faults(Vec<ConfigFault>),
}

/// Converts; code 0 when the result is written.
pub fn run(args: &Import, options: &LoadOptions, lang: Lang, style: Style) -> Outcome {
    match converted(args, options, lang, style) {
        Ok(text) => Outcome { text, code: 0 },
        Err(failure) => {
            let (code, text) = match failure {
                Failure::Told(code, why) => {
                    let error = style.red(lang.choose("error:", "错误:"));
                    (code, format!("{error} {why}\n"))
                }
                Failure::Faults(faults) => (4, faults_text(&faults, style)),
            };
            print_error(&text);
            Outcome {
                text: String::new(),
                code,
            }
        }
    }
}

fn converted(
    args: &Import,
    options: &LoadOptions,
    lang: Lang,
    style: Style,
) -> Result<String, Failure> {
    let told = |file: &Path, why: &NotChanged, code: u8| {
        Failure::Told(
            code,
            format!("{}: {}", file.display(), not_changed(why, lang)),
        )
    };
    let source = options.dir.join(&args.file);
    let text =
        std::fs::read(&source).map_err(|error| told(&args.file, &NotChanged::System(error), 6))?;
    let text = String::from_utf8(text).map_err(|_| told(&args.file, &NotChanged::NotText, 4))?;
    let imported = to_yaml(&text).map_err(Failure::Faults)?;
    let notes: String = imported
        .notes
        .iter()
        .map(|it| note_line(it, style) + "\n")
        .collect();
    if args.output.as_deref() == Some(Path::new("-")) {
        print_error(&notes);
        return Ok(imported.yaml.to_string());
    }
    let default = || args.file.with_file_name("config.yaml");
    let target = args.output.clone().unwrap_or_else(default);
    if target.exists() && !args.force {
        let why = lang.choose(
            "is there already; --force replaces it and keeps the old one as FILE.bak",
            "已存在；使用 --force 覆盖（原文件保留为 FILE.bak）",
        );
        return Err(Failure::Told(3, format!("{}: {why}", target.display())));
    }
    let may = May {
        create: Some(""),
        empty: true,
    };
    let changed = change(&target, options, may, |_| Ok(imported.yaml.to_string())).map_err(
        |why| match why {
            NotChanged::Faults(faults) => Failure::Faults(faults),
            why => told(&target, &why, 6),
        },
    )?;
    let done = lang.choose("converted into", "已转换为");
    let read = lang.choose(
        "it goes before a config.json beside it, which stays as it is; try it with pointsman check",
        "它优先于同目录下的 config.json（原文件不变）；可用 pointsman check 检查",
    );
    let mut text = format!(
        "{} {done} {}\n{notes}  {read}\n",
        style.green("✓"),
        target.display()
    );
    let unfinished = changed.unfinished.iter();
    text.extend(unfinished.map(|it| format!("{} {it}\n", style.yellow("!"))));
    Ok(text)
}
