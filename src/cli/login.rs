//! `pointsman login`: signs an account in from the terminal, into the store that the configuration names. A process that
//! serves the same configuration sees the account within a second.
//!
//! The code comes back in one of three ways, whichever is first: to the address of the redirect, where this program
//! listens if that is on this machine; through a running Pointsman that listens there already; or pasted by hand.

mod listen;

use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;

use super::check::faults_text;
use super::output::{Outcome, Style, print};
use crate::config::{Config, LoadOptions, load};
use crate::net::{Client, Resolver};
use crate::oauth::{Accounts, Login, LoginError, Returned, SignedIn, Wanted, choose, read_pasted};
use crate::types::Clock;

/// How often is looked whether another process has finished the login.
const LOOK: Duration = Duration::from_millis(300);
/// Looks after which a login that another process has taken, and that brought no account, has failed: longer than an
/// authorization server is waited for.
const GIVE_UP: u32 = 150;

/// Who signs in where.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The provider of `auth_type: oauth`; may be left out where there is one profile only
    provider: Option<String>,
    /// The profile instead of a provider
    #[arg(long, conflicts_with = "provider")]
    profile: Option<String>,
    /// Who will sign in; nothing is kept when it is somebody else
    #[arg(long, value_name = "EMAIL")]
    account: Option<String>,
}

/// What brings a login to its end.
enum News {
    /// A redirect.
    Redirect(Returned),
    /// A line that somebody typed.
    Line(String),
}

/// Signs in; code 0 when an account has.
pub fn run(args: &LoginArgs, options: &LoadOptions, style: Style) -> Outcome {
    let config = match load(options) {
        Ok(config) => config,
        Err(faults) => {
            let text = faults_text(&faults, style);
            return Outcome { text, code: 1 };
        }
    };
    match sign_in(args, &config, style) {
        Ok(email) => Outcome {
            text: format!("{} {email} has signed in\n", style.green("✓")),
            code: 0,
        },
        Err(why) => Outcome {
            text: format!("{} {why}\n", style.red("✗")),
            code: 1,
        },
    }
}

fn sign_in(args: &LoginArgs, config: &Config, style: Style) -> Result<String, String> {
    let wanted = Wanted {
        provider: args.provider.as_deref(),
        profile: args.profile.as_deref(),
        email: args.account.as_deref(),
    };
    let (profile, email) = choose(config, wanted)?;
    if config.oauth.store.path.is_none() {
        let text = "tokens are kept in memory only (`enable_persistence: false`), which another process cannot reach; \
                    use GET /oauth/generate-url of the running one";
        return Err(text.to_owned());
    }
    let client = Arc::new(Client::new(Arc::new(Resolver::new())));
    let accounts = Accounts::new(client, Clock::system());
    accounts.settle(&config.oauth);
    let begun = accounts.begin(profile, email.as_deref());
    let login = begun.map_err(|error| error.to_string())?;
    if let Some(trouble) = accounts.trouble() {
        return Err(trouble.to_string());
    }
    let (sender, news) = mpsc::unbounded_channel();
    let listens = listen::listen(&profile.redirect_uri, &sender);
    read_lines(sender);
    let _ = print(&invitation(&login, listens, style));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let waiting = Waiting {
        accounts: &accounts,
        config,
        login: &login,
        before: tokens(&accounts),
        style,
    };
    let end = runtime.block_on(async {
        let limit = Duration::from_secs(login.seconds);
        tokio::time::timeout(limit, waiting.end(news)).await
    });
    // A refresh or an exchange is whole by now; the thread that reads lines never is.
    runtime.shutdown_background();
    end.unwrap_or_else(|_| Err("nobody has signed in within ten minutes".to_owned()))
}

fn invitation(login: &Login, listens: bool, style: Style) -> String {
    let then = if listens {
        "then come back here: the rest happens by itself. If it does not, paste the address you were sent to:"
    } else {
        "then paste the code that is shown, or the address you were sent to:"
    };
    format!(
        "Open this address in a browser and sign in,\n{then}\n\n{}\n\n",
        style.bold(&login.url)
    )
}

/// Reads what is typed, as long as anything is.
fn read_lines(to: mpsc::UnboundedSender<News>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if !line.trim().is_empty() && to.send(News::Line(line)).is_err() {
                return;
            }
        }
    });
}

/// Profile, account and masked token of each.
fn tokens(accounts: &Accounts) -> Vec<(String, String, String)> {
    let all = accounts.seen().into_iter();
    all.map(|it| (it.profile, it.email, it.access)).collect()
}

struct Waiting<'a> {
    accounts: &'a Accounts,
    config: &'a Config,
    login: &'a Login,
    before: Vec<(String, String, String)>,
    style: Style,
}

impl Waiting<'_> {
    async fn end(&self, mut news: mpsc::UnboundedReceiver<News>) -> Result<String, String> {
        let mut looks = 0;
        loop {
            let returned = tokio::select! {
                Some(news) = news.recv() => match news {
                    News::Redirect(returned) => returned,
                    News::Line(line) => self.with_state(read_pasted(&line)),
                },
                () = tokio::time::sleep(LOOK) => {
                    if let Some(end) = self.ended_elsewhere(&mut looks) {
                        return end;
                    }
                    continue;
                }
            };
            let settings = &self.config.oauth;
            match self.accounts.finish(settings, returned, None).await {
                Ok(SignedIn { email, .. }) => return Ok(email),
                // Not this login's: it still waits.
                Err(
                    error @ (LoginError::UnknownState | LoginError::NoCode | LoginError::NoState),
                ) => {
                    let _ = print(&format!("{} {error}\n", self.style.yellow("!")));
                }
                Err(LoginError::Exchange(why)) => {
                    return Err(format!("the code was not taken: {why}"));
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// A bare code that is typed here belongs to the login that began here.
    fn with_state(&self, returned: Returned) -> Returned {
        if returned.state.is_some() || returned.is_redirect {
            return returned;
        }
        Returned {
            state: Some(self.login.state.clone()),
            ..returned
        }
    }

    /// Whether a running Pointsman has finished the login, and what came of it.
    fn ended_elsewhere(&self, looks: &mut u32) -> Option<Result<String, String>> {
        self.accounts.look();
        if self.accounts.is_pending(self.login) {
            return None;
        }
        let new = tokens(self.accounts);
        let new = new.into_iter().find(|it| !self.before.contains(it));
        match new {
            Some((_, email, _)) => Some(Ok(email)),
            // The state is gone a moment before the tokens are there.
            None if *looks < GIVE_UP => {
                *looks += 1;
                None
            }
            None => Some(Err("the running Pointsman took the answer, but nobody has signed in; its page and its log \
                              say why"
                .to_owned())),
        }
    }
}
