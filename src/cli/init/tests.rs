use std::collections::VecDeque;

use super::*;
use crate::config::{Env, KeyStrategy};

/// Answers each question by a part of it; what is asked for and not answered is the default.
struct Script {
    answers: VecDeque<(&'static str, &'static str)>,
    said: String,
}

impl Script {
    fn answer(&mut self, question: &str) -> Option<&'static str> {
        let i = self.answers.iter().position(|it| question.contains(it.0))?;
        self.answers.remove(i).map(|it| it.1)
    }
}

impl Ask for Script {
    fn say(&mut self, text: &str) {
        self.said.push_str(text);
    }
    fn line(&mut self, question: &str, default: &str) -> Result<String, Stopped> {
        self.said += &[question, " [", default, "]\n"].concat();
        let answer = self.answer(question).map(str::to_owned);
        Ok(answer.unwrap_or_else(|| default.to_owned()))
    }
    fn secret(&mut self, question: &str) -> Result<Option<Secret>, Stopped> {
        self.said += &[question, "\n"].concat();
        let answer = self.answer(question);
        Ok(answer.map(|it| Secret::new(it.to_owned())))
    }
}

struct Place {
    dir: tempfile::TempDir,
    options: LoadOptions,
}

impl Place {
    fn new(env: &[(&str, &str)]) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let env: Env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut options = LoadOptions::new(env);
        options.dir = dir.path().to_owned();
        // Nothing else on this machine decides what is proposed.
        options.port = Some(18_080);
        Place { dir, options }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// One conversation, without calling anybody.
    fn init(
        &self,
        args: Init,
        answers: &[(&'static str, &'static str)],
    ) -> (Result<Done, String>, String) {
        let mut script = Script {
            answers: answers.iter().copied().collect(),
            said: String::new(),
        };
        let mut session = Session {
            args: &Init {
                offline: true,
                ..args
            },
            options: &self.options,
            style: Style::PLAIN,
            ask: &mut script,
        };
        let done = session.run().map_err(|end| match end {
            End::Stopped => "stopped".to_owned(),
            End::Failed(why) => why,
        });
        assert!(
            script.answers.is_empty(),
            "never asked: {:?}\n{}",
            script.answers,
            script.said
        );
        assert!(!script.said.contains("canary-0"), "{}", script.said);
        (done, script.said)
    }
}

fn yes() -> Init {
    Init {
        yes: true,
        r#type: "anthropic".to_owned(),
        ..Init::default()
    }
}

fn asked() -> Init {
    Init {
        yes: false,
        ..yes()
    }
}

const KEY: (&str, &str) = ("ANTHROPIC_API_KEY", "sk-ant-canary-0123456789");

#[test]
fn a_key_in_the_environment_is_all_it_takes() {
    let place = Place::new(&[KEY]);
    let (done, said) = place.init(yes(), &[]);
    let done = done.unwrap_or_else(|why| panic!("{why}\n{said}"));
    let text = place.text("config.yaml");
    assert!(text.contains("auth_value: ${ANTHROPIC_API_KEY}"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(place.text(".env"), "", "the key stays where it is");
    assert_eq!(done.config.providers[0].keys[0].expose(), KEY.1);
    assert!(done.config.auth.is_open());
    assert_eq!(done.json()["keys"][0]["key"], "sk-a…6789");
    assert!(
        said.contains("1. pointsman") && said.contains("3. pointsman doctor"),
        "{said}"
    );

    let (again, _) = place.init(yes(), &[]);
    assert!(
        again.err().unwrap().contains("--force"),
        "a file is not replaced"
    );
    let force = Init {
        force: true,
        save_keys: true,
        ..yes()
    };
    place.init(force, &[]).0.unwrap();
    assert_eq!(place.text("config.yaml.bak"), text);
    assert_eq!(place.text(".env"), format!("ANTHROPIC_API_KEY={}\n", KEY.1));
}

#[test]
fn the_second_company_is_asked_only_if_somebody_says_so() {
    let keys = [KEY, ("OPENROUTER_API_KEY", "sk-or-canary-0123456789")];
    let candidates = |args: Init, answers: &[(&'static str, &'static str)]| {
        let place = Place::new(&keys);
        let done = place.init(args, answers).0.unwrap();
        let route = done
            .config
            .routes
            .into_iter()
            .find(|it| it.pattern == "claude*");
        let models = route.unwrap().candidates.into_iter().map(|it| it.model);
        models.collect::<Vec<_>>()
    };
    assert_eq!(candidates(yes(), &[]), [None]);
    assert_eq!(candidates(asked(), &[]), [None]);
    let model = Some("anthropic/claude-sonnet-4.5".to_owned());
    let answer = [("May openrouter", "y")];
    assert_eq!(candidates(asked(), &answer), [None, model.clone()]);
    let fallback = vec!["openrouter=anthropic/claude-sonnet-4.5".to_owned()];
    assert_eq!(candidates(Init { fallback, ..yes() }, &[]), [None, model]);
}

#[test]
fn whoever_speaks_another_dialect_stands_in_with_a_model() {
    let place = Place::new(&[("DEEPSEEK_API_KEY", "sk-canary-0123456789")]);
    let done = place.init(yes(), &[]).0.unwrap();
    let route = &done.config.routes[0];
    assert_eq!(
        (route.pattern.as_str(), route.candidates[0].model.as_deref()),
        ("claude*", Some("deepseek-chat"))
    );
}

#[test]
fn keys_that_are_typed_go_into_the_file_of_keys() {
    let place = Place::new(&[]);
    place.write(".env", "# mine\nOTHER=1\n");
    let answers = [
        ("Who answers", "mine=http://127.0.0.1:1 anthropic"),
        ("What mine speaks", "openai"),
        ("Key of mine", "mine-canary-0123456789"),
        ("Key of anthropic", "sk-ant-canary-0123456789"),
        ("May mine answer", "big-1"),
        ("Shall clients", "y"),
    ];
    let (done, said) = place.init(asked(), &answers);
    let done = done.unwrap_or_else(|why| panic!("{why}\n{said}"));
    let env = place.text(".env");
    assert!(
        env.starts_with("# mine\nOTHER=1\nPOINTSMAN_KEY=pmk-"),
        "{env}"
    );
    assert!(
        env.contains("MINE_API_KEY=mine-canary-0123456789\n"),
        "{env}"
    );
    assert!(!place.text("config.yaml").contains("canary"));
    assert_eq!(done.config.auth.keys.len(), 1);
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(place.dir.path().join(".env"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn whoever_has_no_key_is_left_out_and_nobody_is_an_error() {
    let place = Place::new(&[KEY]);
    let (done, said) = place.init(asked(), &[("Who answers", "anthropic deepseek")]);
    assert_eq!(done.unwrap().config.providers.len(), 1);
    assert!(
        said.contains("deepseek has no key (DEEPSEEK_API_KEY) and is left out"),
        "{said}"
    );
    let place = Place::new(&[]);
    for args in [yes(), asked()] {
        let why = place.init(args, &[]).0.err().unwrap();
        assert!(why.contains("ANTHROPIC_API_KEY"), "{why}");
    }
    for bad in ["nobody", "a b=http://x", "azure", "x=ftp://y"] {
        let args = Init {
            provider: vec![bad.to_owned()],
            ..yes()
        };
        assert!(place.init(args, &[]).0.is_err(), "{bad}");
    }
    assert_eq!(place.text("config.yaml"), "", "nothing was written");
}

#[test]
fn an_open_address_gets_a_key() {
    let mut place = Place::new(&[KEY]);
    place.options.host = Some("0.0.0.0".to_owned());
    let done = place.init(yes(), &[]).0.unwrap();
    assert!(!done.config.auth.is_open());
    assert!(place.text(".env").starts_with("POINTSMAN_KEY=pmk-"));
}

#[test]
fn the_worker_proxys_file_is_taken_over_with_its_keys_in_env() {
    let place = Place::new(&[]);
    place.write(
        "config.json",
        r#"{"upstream": [{"name": "main", "baseUrl": "https://a.example/v1", "serviceType": "openai",
            "apiKeys": ["sk-canary-0123456789abcdef", "sk-canary-0fedcba9876543210"]}],
            "currentUpstream": 0, "loadBalance": "round-robin"}"#,
    );
    place.write(
        ".env",
        "PORT=3456\nPROXY_ACCESS_KEY=your-proxy-access-key\n",
    );
    let (done, said) = place.init(yes(), &[]);
    let done = done.unwrap_or_else(|why| panic!("{why}\n{said}"));
    let (yaml, env) = (place.text("config.yaml"), place.text(".env"));
    assert!(
        !yaml.contains("canary") && yaml.contains("${MAIN_API_KEY_2}"),
        "{yaml}"
    );
    assert!(
        env.contains("PROXY_ACCESS_KEY=pmk-") && env.contains("PORT=3456"),
        "{env}"
    );
    assert!(
        env.contains("MAIN_API_KEY=sk-canary-0123456789abcdef"),
        "{env}"
    );
    let main = &done.config.providers[0];
    assert_eq!(
        (main.keys.len(), main.key_strategy),
        (2, KeyStrategy::RoundRobin)
    );
    assert!(
        done.json()["taken_over"]
            .as_str()
            .unwrap()
            .ends_with("config.json")
    );
    assert!(place.text("config.json").contains("upstream"), "it stays");
}

#[test]
fn the_balancers_file_is_taken_over_as_it_is() {
    let place = Place::new(&[]);
    place.write(
        "providers.yaml",
        "providers:\n  - {name: a, type: anthropic, base_url: 'https://a.example', auth_value: sk-canary-0123456789}\n\
         # my routes\nmodel_routes: {'*': [{provider: a}]}\nsettings: {failure_cooldown: 90}\n",
    );
    let done = place.init(yes(), &[]).0.unwrap();
    let yaml = place.text("config.yaml");
    assert!(yaml.contains("# my routes"), "{yaml}");
    assert_eq!(
        done.config.providers[0].keys[0].expose(),
        "sk-canary-0123456789"
    );
    let fresh = Init {
        fresh: true,
        force: true,
        ..yes()
    };
    assert!(place.init(fresh, &[]).0.is_err(), "it is left alone");
}

#[test]
fn a_no_leaves_everything_as_it_is() {
    let place = Place::new(&[KEY]);
    place.write("config.yaml", "mine\n");
    let (done, _) = place.init(asked(), &[("Replace it?", "n")]);
    assert_eq!(done.err().as_deref(), Some("stopped"));
    assert_eq!(place.text("config.yaml"), "mine\n");
    let (done, _) = place.init(asked(), &[("Replace it?", "y"), ("Shall clients", "maybe")]);
    assert!(done.is_ok(), "asked again after what makes no sense");
}
