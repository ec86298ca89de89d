use super::*;
use crate::cli::questions::Stopped;
use crate::config::Env;
use crate::types::Secret;

/// Answers every question about a change like this.
struct Says(bool, String);

impl Ask for Says {
    fn say(&mut self, text: &str) {
        self.1.push_str(text);
    }
    fn line(&mut self, question: &str, _: &str) -> Result<String, Stopped> {
        assert!(question.starts_with("Write this?"), "{question}");
        Ok(if self.0 { "y" } else { "n" }.to_owned())
    }
    fn secret(&mut self, _: &str) -> Result<Option<Secret>, Stopped> {
        Err(Stopped)
    }
}

struct Home {
    dir: tempfile::TempDir,
    options: LoadOptions,
}

impl Home {
    fn new(sections: &str, env: &[(&str, &str)]) -> Home {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "providers: [{{name: a, base_url: 'https://a.b', auth_value: sk-0123456789}}]\n{sections}\n"
        );
        std::fs::create_dir(dir.path().join("work")).unwrap();
        std::fs::write(dir.path().join("work/config.yaml"), text).unwrap();
        let home = dir.path().display().to_string();
        let pairs = [("HOME", home.as_str())]
            .into_iter()
            .chain(env.iter().copied());
        let env: Env = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut options = LoadOptions::new(env);
        options.dir = dir.path().join("work");
        Home { dir, options }
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.dir.path().join(file)).ok()
    }

    fn run(&self, how: How, agrees: bool) -> (Settled, String, Vec<Note>) {
        let client = Client::ClaudeCode(ClaudeCode::with(how));
        let Client::ClaudeCode(it) = &client else {
            unreachable!()
        };
        let mut says = Says(agrees, String::new());
        let done = attend(&client, &it.how, &self.options, &mut says, Style::PLAIN);
        let (change, settled) = done.unwrap();
        (settled, says.1, change.notes)
    }
}

const SETTINGS: &str = ".claude/settings.json";
const MINE: &str = "{\n    \"model\": \"opus\",\n    \"env\": {\n        \"OTHER_API_KEY\": \"sk-canary-0123456789abcdef\"\n    }\n}\n";

fn undone() -> How {
    How {
        undo: true,
        yes: true,
        ..How::default()
    }
}

#[test]
fn settings_are_written_after_a_yes_and_taken_back_to_the_byte() {
    let home = Home::new("auth: {api_key: gw-canary-0123456789}", &[]);
    home.write(SETTINGS, MINE);
    let (settled, said, _) = home.run(How::default(), false);
    assert_eq!(settled, Settled::Declined, "{said}");
    assert_eq!(home.text(SETTINGS).as_deref(), Some(MINE));

    let (settled, said, _) = home.run(How::default(), true);
    assert_eq!(settled, Settled::Changed);
    let new = home.text(SETTINGS).unwrap();
    assert!(
        new.contains("\"ANTHROPIC_BASE_URL\": \"http://127.0.0.1:8080\""),
        "{new}"
    );
    assert!(
        new.contains("\"ANTHROPIC_AUTH_TOKEN\": \"gw-canary-0123456789\""),
        "{new}"
    );
    assert!(
        said.contains("+        \"ANTHROPIC_AUTH_TOKEN\": \"gw-c…6789\""),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
    assert!(
        home.text(".claude/settings.json.before-pointsman")
            .is_some()
    );

    let (settled, ..) = home.run(How::default(), true);
    assert_eq!(settled, Settled::Same, "a second time changes nothing");
    let (settled, said, _) = home.run(undone(), true);
    assert_eq!(settled, Settled::Changed, "{said}");
    assert_eq!(home.text(SETTINGS).as_deref(), Some(MINE));
    assert!(
        home.text(".claude/settings.json.before-pointsman")
            .is_none()
    );
}

#[test]
fn what_was_changed_since_stays_when_it_is_taken_back() {
    let home = Home::new("", &[]);
    let before = MINE.replace("OTHER_API_KEY", "ANTHROPIC_BASE_URL");
    home.write(SETTINGS, &before);
    home.run(How::default(), true);
    let now = home.text(SETTINGS).unwrap().replace("opus", "sonnet");
    home.write(SETTINGS, &now);
    home.run(undone(), true);
    assert_eq!(
        home.text(SETTINGS).as_deref(),
        Some(before.replace("opus", "sonnet").as_str())
    );
}

#[test]
fn a_file_that_was_made_for_it_goes_again() {
    let home = Home::new("", &[]);
    home.run(How::default(), true);
    assert!(home.text(SETTINGS).unwrap().contains("\"pointsman\""));
    let (_, said, _) = home.run(undone(), true);
    assert_eq!(home.text(SETTINGS), None, "{said}");
    let mut says = Says(true, String::new());
    let client = Client::ClaudeCode(ClaudeCode::with(undone()));
    let again = attend(&client, &undone(), &home.options, &mut says, Style::PLAIN);
    assert!(again.is_err(), "there is nothing to take back");
}

#[test]
fn broken_settings_are_left_alone() {
    let home = Home::new("", &[]);
    for broken in ["{\"env\": {},}", "// mine\n{}", "[]"] {
        home.write(SETTINGS, broken);
        let mut says = Says(true, String::new());
        let client = Client::ClaudeCode(ClaudeCode::default());
        let done = attend(
            &client,
            &How::default(),
            &home.options,
            &mut says,
            Style::PLAIN,
        );
        let why = done.err().unwrap();
        assert!(
            why.contains("settings.json") && why.contains("first"),
            "{why}"
        );
        assert_eq!(home.text(SETTINGS).as_deref(), Some(broken));
    }
}

#[test]
fn whatever_else_the_client_listens_to_is_told() {
    let home = Home::new(
        "",
        &[
            ("CLAUDE_CODE_USE_BEDROCK", "1"),
            ("ANTHROPIC_API_KEY", "sk-x"),
        ],
    );
    home.write(SETTINGS, "{\"apiKeyHelper\": \"echo k\"}");
    home.write(".claude/.credentials.json", "{}");
    home.write(
        "work/.claude/settings.local.json",
        "{\"env\": {\"ANTHROPIC_BASE_URL\": \"http://elsewhere\"}}",
    );
    let (_, _, notes) = home.run(How::default(), true);
    let wins: Vec<bool> = notes.iter().map(|it| it.wins).collect();
    assert_eq!(wins, [true, true, false, false, false], "{notes:?}");
    let seen = Settings::in_force(&home.options.env, &home.options.dir).unwrap();
    assert_eq!(seen.url.as_deref(), Some("http://elsewhere"));
    assert_eq!(seen.token.unwrap().expose(), "pointsman");
}
