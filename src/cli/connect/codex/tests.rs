use super::*;

const OPEN: Said<'_> = Said {
    url: "http://127.0.0.1:8080",
    keyed: false,
    model: None,
};
const MINE: &str = "# mine\nmodel = \"gpt-5.2\" # the good one\napproval_policy = \"never\"\n\n[model_providers.azure] \
                    # work\nname = \"Azure\"\nbase_url = \"https://a.example\"\n\n[tui]\nnotifications = true\n";

#[test]
fn the_block_of_the_readme_is_what_an_empty_file_gets() {
    let said = Said {
        keyed: true,
        model: Some("gpt-5.2-codex"),
        ..OPEN
    };
    assert_eq!(
        with("", &said).unwrap(),
        "model = \"gpt-5.2-codex\"\nmodel_provider = \"pointsman\"\n\n[model_providers.pointsman]\nname = \"Pointsman\"\n\
         base_url = \"http://127.0.0.1:8080/v1\"\nenv_key = \"POINTSMAN_KEY\"\nwire_api = \"responses\"\n"
    );
}

#[test]
fn comments_and_order_stay_and_a_second_time_changes_nothing() {
    let new = with(MINE, &OPEN).unwrap();
    for line in MINE.lines() {
        assert!(new.lines().any(|it| it == line), "{line} is gone:\n{new}");
    }
    assert_eq!(chosen(&new).as_deref(), Some(NAME));
    assert!(!new.contains("env_key"), "nobody asks for a key:\n{new}");
    assert_eq!(with(&new, &OPEN).unwrap(), new);
    let moved = with(
        &new,
        &Said {
            url: "http://h:1",
            ..OPEN
        },
    )
    .unwrap();
    assert_eq!(moved, new.replace("127.0.0.1:8080", "h:1"));
}

#[test]
fn a_value_that_is_replaced_keeps_its_comment() {
    let text = "model_provider = \"azure\"   # for now\n";
    let new = with(text, &OPEN).unwrap();
    assert!(
        new.starts_with("model_provider = \"pointsman\"   # for now\n"),
        "{new}"
    );
    let inline = "model_providers = { a = { name = \"A\" } }\n";
    let new = with(inline, &OPEN).unwrap();
    let url = parsed(&new).unwrap()["model_providers"]["pointsman"]["base_url"].clone();
    assert_eq!(url.as_str(), Some("http://127.0.0.1:8080/v1"), "{new}");
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    let why = with("a = 1\nb = \n", &OPEN).unwrap_err();
    assert!(why.contains("line 2"), "{why}");
    assert!(with("model_providers = 3\n", &OPEN).is_err());
}

#[test]
fn it_can_be_taken_back_whatever_has_happened_since() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let new = with(MINE, &OPEN).unwrap();
    std::fs::write(&file, &new).unwrap();
    // Without the copy of before.
    let out = undo(file.clone()).unwrap().new.unwrap();
    assert_eq!(out.trim(), MINE.trim());
    // With it, to the byte.
    std::fs::write(super::super::before(&file), MINE).unwrap();
    assert_eq!(undo(file.clone()).unwrap().new.as_deref(), Some(MINE));
    // What was changed since stays.
    std::fs::write(&file, new.replace("never", "always")).unwrap();
    let out = undo(file.clone()).unwrap().new.unwrap();
    assert_eq!(out.trim(), MINE.replace("never", "always").trim());
    // A file of ours alone goes.
    std::fs::remove_file(super::super::before(&file)).unwrap();
    std::fs::write(&file, with("", &OPEN).unwrap()).unwrap();
    assert_eq!(undo(file.clone()).unwrap().new, None);
    std::fs::write(&file, MINE).unwrap();
    assert!(undo(file).is_err(), "it is not connected");
}
