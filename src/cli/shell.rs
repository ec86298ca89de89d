//! What shells and `man` want to know about the command line, printed for whoever packages or installs it.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::output::{Outcome, print_error};

/// Which page.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The page of this command: `man config`, `man config add`; without it that of the program
    command: Vec<String>,
    /// Write all pages into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// The completions of a shell.
pub fn completions(shell: Shell, mut command: Command) -> Outcome {
    let mut text = Vec::new();
    generate(shell, &mut command, "pointsman", &mut text);
    Outcome {
        text: String::from_utf8_lossy(&text).into_owned(),
        code: 0,
    }
}

/// A page of the manual, or all of them.
pub fn man(args: &ManArgs, mut command: Command) -> Outcome {
    command.build();
    if let Some(dir) = &args.dir {
        return all_pages(dir, command);
    }
    for word in &args.command {
        let Some(inner) = command.find_subcommand(word) else {
            print_error(&format!(
                "✗ there is no command {word}; see pointsman --help\n"
            ));
            return Outcome {
                text: String::new(),
                code: 2,
            };
        };
        command = inner.clone();
    }
    let mut page = Vec::new();
    match Man::new(command).render(&mut page) {
        Ok(()) => Outcome {
            text: String::from_utf8_lossy(&page).into_owned(),
            code: 0,
        },
        Err(error) => failed(&error),
    }
}

fn all_pages(dir: &Path, command: Command) -> Outcome {
    let written =
        std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command, dir));
    match written {
        Ok(()) => Outcome {
            text: format!("{}\n", dir.display()),
            code: 0,
        },
        Err(error) => failed(&error),
    }
}

fn failed(error: &std::io::Error) -> Outcome {
    print_error(&format!("✗ {error}\n"));
    Outcome {
        text: String::new(),
        code: 1,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn command() -> Command {
        crate::cli::Args::command()
    }

    #[test]
    fn every_shell_and_every_command_is_served() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = completions(shell, command()).text;
            for word in ["config", "providers", "balance", "no-env-file"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
        let page = |words: &[&str]| {
            let args = ManArgs {
                command: words.iter().map(|it| (*it).to_owned()).collect(),
                dir: None,
            };
            man(&args, command())
        };
        assert!(page(&[]).text.contains("pointsman"));
        assert!(
            page(&["config", "add"])
                .text
                .contains("its address and its type")
        );
        assert_eq!(page(&["nothing"]).code, 2);
    }

    #[test]
    fn the_arguments_contradict_each_other_nowhere() {
        command().debug_assert();
    }
}
