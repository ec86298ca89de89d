use super::wire::Thinking as Sent;
use super::*;

fn profile(model: &str) -> Profile {
    Profile::guess("api.anthropic.com", model)
}

fn asked(
    model: &str,
    thinking: Option<Thinking>,
    effort: Option<Effort>,
    at: Circumstances,
) -> (Asked, String) {
    let request = Request {
        thinking,
        effort,
        ..Request::default()
    };
    let mut losses = Losses::default();
    let asked = ask(&request, &profile(model), at, &mut losses);
    (asked, losses.to_string())
}

fn room(max_tokens: u64) -> Circumstances {
    Circumstances {
        max_tokens,
        forced: false,
        loop_without_thought: false,
    }
}

const SHOWN: Sent = Sent::Adaptive {
    display: Some("summarized"),
};
const ADAPTIVE: Sent = Sent::Adaptive { display: None };

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn newer_models_think_as_they_see_fit_with_an_effort() {
    type Case = (
        &'static str,
        Option<Thinking>,
        Option<Effort>,
        Option<Sent>,
        Option<&'static str>,
        &'static str,
    );
    let lowered = "output_config.effort lowered";
    let cases: [Case; 12] = [
        ("claude-opus-5", None, None, None, None, ""),
        (
            "claude-opus-5",
            None,
            Some(Effort::Minimal),
            Some(SHOWN),
            Some("low"),
            "",
        ),
        (
            "claude-opus-5",
            Some(Thinking::Adaptive),
            None,
            Some(SHOWN),
            None,
            "",
        ),
        (
            "claude-opus-5",
            Some(Thinking::Budget(9000)),
            None,
            Some(SHOWN),
            Some("high"),
            "",
        ),
        (
            "claude-opus-5",
            Some(Thinking::Budget(1024)),
            Some(Effort::Max),
            Some(SHOWN),
            Some("max"),
            "",
        ),
        (
            "claude-opus-5",
            None,
            Some(Effort::XHigh),
            Some(SHOWN),
            Some("xhigh"),
            "",
        ),
        (
            "claude-opus-4-6",
            None,
            Some(Effort::High),
            Some(ADAPTIVE),
            Some("high"),
            "",
        ),
        (
            "claude-opus-4-6",
            None,
            Some(Effort::XHigh),
            Some(ADAPTIVE),
            Some("high"),
            lowered,
        ),
        (
            "claude-opus-4-6",
            None,
            Some(Effort::Max),
            Some(ADAPTIVE),
            Some("max"),
            "",
        ),
        (
            "claude-opus-4-6",
            Some(Thinking::Budget(2000)),
            None,
            Some(Sent::Enabled {
                budget_tokens: 2000,
            }),
            None,
            "",
        ),
        (
            "claude-3-5-haiku",
            None,
            Some(Effort::Low),
            None,
            None,
            "output_config.effort dropped",
        ),
        (
            "claude-3-5-haiku",
            Some(Thinking::Adaptive),
            None,
            None,
            None,
            "thinking dropped",
        ),
    ];
    for (model, thinking, effort, sent, word, lost) in cases {
        let (asked, losses) = asked(model, thinking, effort, room(64_000));
        assert_eq!(
            (asked.thinking, asked.effort),
            (sent, word),
            "{model} {thinking:?} {effort:?}"
        );
        assert_eq!(
            (losses.as_str(), asked.max_tokens),
            (lost, 64_000),
            "{model} {effort:?}"
        );
    }
}

#[test]
fn no_thinking_is_said_as_each_model_wants_it() {
    for (model, effort, sent, word, lost) in [
        ("claude-3-5-haiku", None, None, None, ""),
        ("claude-sonnet-4-5", None, None, None, ""),
        ("claude-opus-4-8", Some(Effort::Max), None, Some("max"), ""),
        (
            "claude-sonnet-5",
            Some(Effort::Max),
            Some(Sent::Disabled),
            Some("max"),
            "",
        ),
        (
            "claude-opus-5",
            Some(Effort::Max),
            Some(Sent::Disabled),
            Some("high"),
            "output_config.effort lowered",
        ),
        (
            "claude-sonnet-5-5",
            None,
            Some(Sent::BetweenTools),
            None,
            "",
        ),
        (
            "claude-fable-5",
            None,
            None,
            None,
            "thinking not disabled: the model cannot",
        ),
    ] {
        let (asked, losses) = asked(model, Some(Thinking::Disabled), effort, room(100));
        assert_eq!((asked.thinking, asked.effort), (sent, word), "{model}");
        assert_eq!(losses, lost, "{model}");
    }
}

#[test]
fn older_models_think_up_to_a_budget_below_the_limit() {
    let budget = |it| Some(Sent::Enabled { budget_tokens: it });
    let told = |it| Some(Thinking::Budget(it));
    for (thinking, effort, limit, sent, raised_to, lost) in [
        (None, Some(Effort::Low), 64_000, budget(1024), 64_000, ""),
        (
            Some(Thinking::Adaptive),
            None,
            64_000,
            budget(8192),
            64_000,
            "",
        ),
        (None, Some(Effort::High), 64_000, budget(24_576), 64_000, ""),
        (None, Some(Effort::Max), 64_000, budget(32_768), 64_000, ""),
        // What stands for an effort leaves room for the answer; what was told is kept.
        (None, Some(Effort::High), 4096, budget(3072), 4096, ""),
        (told(4000), None, 4096, budget(4000), 4096, ""),
        (
            told(9000),
            None,
            4096,
            budget(4095),
            4096,
            "thinking.budget_tokens lowered",
        ),
        (
            told(10),
            None,
            4096,
            budget(1024),
            4096,
            "thinking.budget_tokens raised",
        ),
        (
            None,
            Some(Effort::Low),
            1000,
            budget(1024),
            2024,
            "max_tokens raised",
        ),
        (
            None,
            Some(Effort::Low),
            1024,
            budget(1024),
            2048,
            "max_tokens raised",
        ),
        (None, Some(Effort::Low), 0, None, 0, ""),
    ] {
        let (asked, losses) = asked("claude-sonnet-4-5", thinking, effort, room(limit));
        assert_eq!(
            (asked.thinking, asked.max_tokens),
            (sent, raised_to),
            "{thinking:?} {effort:?}"
        );
        assert_eq!(losses, lost, "{thinking:?} {effort:?} {limit}");
        assert_eq!(asked.effort, None);
    }
    let (asked, _) = asked("claude-opus-4-5", None, Some(Effort::Max), room(64_000));
    assert_eq!(
        (asked.thinking, asked.effort),
        (budget(32_768), Some("high"))
    );
}

#[test]
fn a_forced_tool_or_a_loop_without_thought_leaves_no_budget() {
    let forced = Circumstances {
        forced: true,
        ..room(64_000)
    };
    let looping = Circumstances {
        loop_without_thought: true,
        ..room(64_000)
    };
    let budget = Some(Thinking::Budget(2000));
    for (at, lost) in [
        (forced, "thinking disabled: a tool is forced"),
        (looping, "thinking dropped: not accepted by the model"),
    ] {
        let (given, losses) = asked("claude-sonnet-4-5", budget, None, at);
        assert_eq!((given.thinking, losses.as_str()), (None, lost));
        let (given, losses) = asked("claude-opus-4-6", budget, None, at);
        assert_eq!(
            (given.thinking, given.effort),
            (Some(ADAPTIVE), Some("medium"))
        );
        assert_eq!(losses, "");
    }
}

#[test]
fn only_what_anthropic_signed_goes_back() {
    let thought = |signature: &str| Block::Thinking {
        text: "hm".to_owned(),
        signature: signature.to_owned(),
    };
    let sealed = |data: &str| Block::RedactedThinking {
        data: data.to_owned(),
    };
    let sent = |block: &Block| {
        recall(block, &profile("claude-opus-5")).map(|body| serde_json::to_value(body).unwrap())
    };
    let json = |text: &str, signature: &str| {
        Some(serde_json::json!({"type": "thinking", "thinking": text, "signature": signature}))
    };
    let redacted =
        |data: &str| Some(serde_json::json!({"type": "redacted_thinking", "data": data}));
    assert_eq!(sent(&thought("EqQB")), json("hm", "EqQB"));
    assert_eq!(sent(&thought("pm1.a.EqQB")), json("hm", "EqQB"));
    assert_eq!(sent(&thought("pm1.x.Emo")), redacted("Emo"));
    assert_eq!(sent(&sealed("Emo")), redacted("Emo"));
    assert_eq!(sent(&sealed("pm1.x.Emo")), redacted("Emo"));
    assert_eq!(sent(&sealed("pm1.a.EqQB")), json("", "EqQB"));
    for foreign in [
        "",
        "pm1.c.",
        "pm1.d.[]",
        "pm1.r.{}",
        "pm1.g.AA",
        "pm1.z.later",
        "pm1.a.",
        "pm1.x.",
    ] {
        assert_eq!(sent(&thought(foreign)), None, "{foreign}");
        assert_eq!(sent(&sealed(foreign)), None, "{foreign}");
    }
    assert!(recall(&thought("EqQB"), &profile("claude-3-5-haiku")).is_none());
}
