use super::*;

fn of(model: &str) -> Profile {
    Profile::guess("api.anthropic.com", model)
}

#[test]
fn how_each_generation_thinks() {
    use Quiet::*;
    for (model, thinking, quiet) in [
        ("claude-3-5-haiku-20241022", Thinks::Never, ByDefault),
        ("claude-3-7-sonnet-20250219", Thinks::Budget, ByDefault),
        ("claude-opus-4-1", Thinks::Budget, ByDefault),
        ("claude-sonnet-4-5", Thinks::Budget, ByDefault),
        ("claude-opus-4-6", Thinks::Either, ByDefault),
        ("claude-sonnet-4-6", Thinks::Either, ByDefault),
        ("claude-opus-4-7", Thinks::Adaptive, ByDefault),
        ("claude-opus-4-8", Thinks::Adaptive, ByDefault),
        ("claude-sonnet-5", Thinks::Adaptive, Disabled),
        ("claude-sonnet-5-5", Thinks::Adaptive, BetweenTools),
        ("claude-opus-5", Thinks::Adaptive, Disabled),
        ("claude-opus-5-5", Thinks::Adaptive, Impossible),
        ("claude-haiku-5-5", Thinks::Adaptive, Disabled),
        ("claude-fable-5", Thinks::Adaptive, Impossible),
        ("claude-mythos-5", Thinks::Adaptive, Impossible),
        ("claude-mythos-preview", Thinks::Either, Impossible),
        ("claude-saga-9", Thinks::Adaptive, Impossible),
    ] {
        let profile = of(model);
        assert_eq!(
            (profile.thinking, profile.quiet),
            (thinking, quiet),
            "{model}"
        );
    }
}

#[test]
fn what_each_generation_takes() {
    type Takes = fn(&Profile) -> bool;
    let cases: [(&str, Takes, &[&str], &[&str]); 6] = [
        (
            "forced tools",
            |it| it.forced_tools,
            &[
                "claude-3-opus",
                "claude-opus-5",
                "claude-fable-5",
                "claude-haiku-5-5",
            ],
            &[
                "claude-opus-5-5",
                "claude-fable-5-1",
                "claude-sonnet-5-5",
                "claude-mythos-5-2",
            ],
        ),
        (
            "prefill",
            |it| it.prefill,
            &["claude-3-opus", "claude-sonnet-4-5", "claude-haiku-4-5"],
            &["claude-sonnet-4-6", "claude-opus-4-6", "claude-opus-5"],
        ),
        (
            "system messages in the middle",
            |it| it.mid_system,
            &[
                "claude-opus-4-8",
                "claude-opus-5",
                "claude-fable-5",
                "claude-sonnet-5-5",
            ],
            &[
                "claude-opus-4-7",
                "claude-sonnet-5",
                "claude-haiku-4-5",
                "claude-mythos-preview",
            ],
        ),
        (
            "answers by schema",
            |it| it.structured,
            &[
                "claude-sonnet-4-5",
                "claude-haiku-4-5",
                "claude-opus-4-5",
                "claude-opus-5",
            ],
            &["claude-opus-4-1", "claude-sonnet-4-0", "claude-3-7-sonnet"],
        ),
        (
            "any sampling",
            |it| it.sampling != Sampling::Nothing,
            &["claude-3-opus", "claude-sonnet-4-6", "claude-opus-4-6"],
            &["claude-opus-4-7", "claude-sonnet-5", "claude-haiku-5-5"],
        ),
        (
            "temperature with top_p",
            |it| it.sampling == Sampling::All,
            &["claude-3-7-sonnet", "claude-opus-4-20250514"],
            &["claude-opus-4-1", "claude-sonnet-4-5"],
        ),
    ];
    for (what, takes, with, without) in cases {
        for model in with {
            assert!(takes(&of(model)), "{model}: {what}");
        }
        for model in without {
            assert!(!takes(&of(model)), "{model}: {what}");
        }
    }
}

#[test]
fn efforts_and_limits() {
    use TopEffort::*;
    for (model, effort, most, default) in [
        ("claude-3-haiku-20240307", None, 4096, 4096),
        ("claude-3-5-sonnet-20240620", None, 8192, 8192),
        ("claude-sonnet-4-0", None, 64_000, 8192),
        ("claude-sonnet-4-5", None, 64_000, 64_000),
        ("claude-opus-4-5", Some(High), 64_000, 64_000),
        ("claude-opus-4-6", Some(MaxWithoutXHigh), 128_000, 64_000),
        ("claude-opus-4-7", Some(Max), 128_000, 64_000),
    ] {
        let profile = of(model);
        assert_eq!(
            (profile.effort, profile.max_output, profile.default_output),
            (effort, Some(most), default),
            "{model}"
        );
    }
}

#[test]
fn an_imitation_is_asked_for_the_plainest() {
    let profile = Profile::guess("api.example", "glm-4.6");
    assert_eq!(profile, IMITATION);
    assert!(!profile.cache && !profile.mid_system && profile.effort.is_none());
    // A name nobody knows, at the vendor's own.
    assert_eq!(of("saga"), NEWEST);
}

#[test]
fn the_operator_knows_better() {
    let overrides = Overrides {
        thinking: Some(false),
        sampling: Some(true),
        images: Some(false),
        files: Some(false),
        max_output: Some(1000),
        ..Overrides::default()
    };
    let profile = of("claude-opus-5").with(&overrides);
    assert_eq!(profile.thinking, Thinks::Never);
    assert_eq!(profile.effort, None);
    assert_eq!(profile.sampling, Sampling::All);
    assert!(!profile.images && !profile.files);
    assert_eq!(
        (profile.max_output, profile.default_output),
        (Some(1000), 1000)
    );
    let other_way = Overrides {
        thinking: Some(true),
        sampling: Some(false),
        reasoning_effort: Some(true),
        ..Overrides::default()
    };
    let profile = of("claude-3-haiku").with(&other_way);
    assert_eq!(profile.thinking, Thinks::Budget);
    assert_eq!(profile.effort, Some(TopEffort::High));
    assert_eq!(profile.sampling, Sampling::Nothing);
    assert_eq!(
        of("claude-opus-5").with(&Overrides::default()),
        of("claude-opus-5")
    );
}

#[test]
fn how_a_model_thinks_and_what_it_keeps_to_can_be_declared() {
    let with = |overrides: Overrides| Profile::guess("api.example", "my-own").with(&overrides);
    let style = |style| {
        with(Overrides {
            thinking_style: Some(style),
            ..Overrides::default()
        })
    };
    assert_eq!(style(ThinkingStyle::Adaptive).thinking, Thinks::Adaptive);
    assert_eq!(style(ThinkingStyle::Budget).thinking, Thinks::Budget);
    let effort = style(ThinkingStyle::Effort);
    assert_eq!(
        (effort.thinking, effort.effort),
        (Thinks::Adaptive, Some(TopEffort::High))
    );
    let silent = with(Overrides {
        thinking: Some(false),
        thinking_style: Some(ThinkingStyle::Budget),
        ..Overrides::default()
    });
    assert_eq!(silent.thinking, Thinks::Never);
    let other = with(Overrides {
        structured_output: Some(true),
        prefill: Some(false),
        ..Overrides::default()
    });
    assert!(other.structured && !other.prefill);
}
