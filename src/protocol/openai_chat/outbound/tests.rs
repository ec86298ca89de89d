//! Settings, rule by rule.

use serde_json::{Value, json};

use super::*;
use crate::protocol::openai_chat::profile::Reasoning;
use crate::protocol::openai_chat::sample::{send, try_send, with};
use crate::protocol::profile::Overrides;
use crate::types::quirks::EffortScale;

fn generic() -> Profile {
    Profile::generic()
}

#[test]
fn threads_are_refused_with_a_code_the_client_knows() {
    let error = try_send(&with(json!({"thread": {"type": "create"}})), &generic())
        .err()
        .unwrap();
    assert!(matches!(error, TranslateError::ThreadUnsupported));
    assert_eq!(error.error_code(), Some("thread_unsupported_request"));
    assert!(try_send(&with(json!({"thread": null})), &generic()).is_ok());
}

#[test]
fn the_limit_is_named_as_the_model_wants_it_and_clamped() {
    let sent = send(&with(json!({})), &generic());
    assert_eq!(sent.body["max_tokens"], 100);
    assert!(!sent.outbound.prewarm);
    let sent = send(
        &with(json!({})),
        &Profile {
            max_completion_tokens: true,
            ..generic()
        },
    );
    assert_eq!(sent.body["max_completion_tokens"], 100);
    assert_eq!(sent.body.get("max_tokens"), None);
    let small = generic().with(&Overrides {
        max_output: Some(64),
        ..Overrides::default()
    });
    let sent = send(&with(json!({})), &small);
    assert_eq!(sent.body["max_tokens"], 64);
    assert_eq!(sent.lost, ["max_tokens lowered"]);
    let sent = send(&with(json!({"max_tokens": 0})), &small);
    assert_eq!(sent.body["max_tokens"], 1);
    assert!(sent.outbound.prewarm);
}

#[test]
fn the_long_context_suffix_is_not_part_of_the_name() {
    let request = crate::protocol::anthropic::messages(
        with(json!({})).to_string().as_bytes(),
        &mut Losses::default(),
    )
    .unwrap();
    let sent = outbound(
        &request,
        "some-model[1m]",
        &generic(),
        &mut Losses::default(),
    )
    .unwrap();
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["model"], "some-model");
}

#[test]
fn sampling_is_sent_only_where_it_is_accepted() {
    let body = with(
        json!({"temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["a", "b", "c", "d", "e"]}),
    );
    let sent = send(&body, &generic());
    assert_eq!(sent.body["temperature"], 0.5);
    assert_eq!(sent.body["top_k"], 5);
    assert_eq!(sent.body["stop"], json!(["a", "b", "c", "d"]));
    assert_eq!(sent.lost, ["stop_sequences cut short"]);
    let sent = send(&body, &Profile::guess("api.openai.com", "gpt-5"));
    for key in ["temperature", "top_p", "top_k", "stop"] {
        assert_eq!(sent.body.get(key), None);
    }
    assert_eq!(sent.lost.len(), 4);
    let sent = send(&body, &Profile::guess("api.openai.com", "gpt-4o"));
    assert_eq!(sent.body["top_p"], 0.9);
    assert_eq!(sent.body.get("top_k"), None);
}

#[test]
fn usage_is_asked_for_in_streams_only() {
    let streamed = with(json!({"stream": true}));
    assert_eq!(
        send(&streamed, &generic()).body["stream_options"],
        json!({"include_usage": true})
    );
    assert_eq!(
        send(&with(json!({})), &generic())
            .body
            .get("stream_options"),
        None
    );
    let mistral = Profile::guess("api.mistral.ai", "codestral");
    assert_eq!(send(&streamed, &mistral).body.get("stream_options"), None);
}

#[test]
fn effort_follows_thinking() {
    let effort = |scale, fields: Value| {
        let profile = Profile {
            reasoning: Reasoning::Effort(scale),
            ..generic()
        };
        let sent = send(&with(fields), &profile);
        (
            sent.body["reasoning_effort"].as_str().map(str::to_owned),
            sent.lost.len(),
        )
    };
    let few = EffortScale::default();
    let all = EffortScale {
        none: true,
        minimal: true,
        xhigh: true,
        max: true,
    };
    let budget = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    for (scale, fields, word, lost) in [
        (few, json!({}), None, 0),
        (few, budget(1024), Some("low"), 0),
        (few, budget(4000), Some("medium"), 0),
        (few, budget(10_000), Some("high"), 0),
        (few, budget(31_999), Some("high"), 1),
        (all, budget(31_999), Some("xhigh"), 0),
        (all, budget(100), Some("minimal"), 0),
        (few, budget(100), Some("low"), 0),
        (
            few,
            json!({"thinking": {"type": "adaptive"}}),
            Some("medium"),
            0,
        ),
        (
            few,
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
            Some("low"),
            0,
        ),
        (
            few,
            json!({"output_config": {"effort": "max"}}),
            Some("high"),
            1,
        ),
        (
            all,
            json!({"output_config": {"effort": "max"}}),
            Some("max"),
            0,
        ),
        (
            EffortScale { max: false, ..all },
            json!({"output_config": {"effort": "max"}}),
            Some("xhigh"),
            1,
        ),
        (
            all,
            json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}),
            Some("none"),
            0,
        ),
        (few, json!({"thinking": {"type": "disabled"}}), None, 1),
    ] {
        let what = fields.to_string();
        assert_eq!(
            effort(scale, fields),
            (word.map(str::to_owned), lost),
            "{what}"
        );
    }
}

#[test]
fn each_provider_is_asked_for_thought_in_its_own_words() {
    let on = json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "stream": true});
    let adaptive = json!({"thinking": {"type": "adaptive"}});
    let off = json!({"thinking": {"type": "disabled"}});
    let openrouter = Profile::guess("openrouter.ai", "z-ai/glm-5");
    let asked = |profile: &Profile, fields: &Value, key: &str| {
        send(&with(fields.clone()), profile).body[key].clone()
    };
    assert_eq!(
        asked(&openrouter, &on, "reasoning"),
        json!({"max_tokens": 2000})
    );
    assert_eq!(
        asked(&openrouter, &adaptive, "reasoning"),
        json!({"enabled": true})
    );
    assert_eq!(
        asked(&openrouter, &off, "reasoning"),
        json!({"enabled": false})
    );
    assert_eq!(asked(&openrouter, &json!({}), "reasoning"), Value::Null);
    let deepseek = Profile::guess("api.deepseek.com", "deepseek-chat");
    assert_eq!(
        asked(&deepseek, &on, "thinking"),
        json!({"type": "enabled"})
    );
    assert_eq!(
        asked(&deepseek, &off, "thinking"),
        json!({"type": "disabled"})
    );
    assert_eq!(asked(&deepseek, &json!({}), "thinking"), Value::Null);
    let qwen = Profile::guess("dashscope-intl.aliyuncs.com", "qwen3-max");
    assert_eq!(asked(&qwen, &on, "enable_thinking"), json!(true));
    assert_eq!(asked(&qwen, &on, "thinking_budget"), json!(2000));
    assert_eq!(asked(&qwen, &off, "enable_thinking"), json!(false));
    assert_eq!(asked(&qwen, &adaptive, "enable_thinking"), Value::Null);
    let sent = send(&with(adaptive), &generic());
    assert_eq!(sent.lost, ["thinking dropped"]);
}

#[test]
fn a_forced_tool_switches_thinking_off_where_both_cannot_be() {
    let body = with(
        json!({"thinking": {"type": "adaptive"}, "tool_choice": {"type": "any"},
        "tools": [{"name": "t", "input_schema": {}}]}),
    );
    let sent = send(&body, &Profile::guess("api.moonshot.ai", "kimi-k2.5"));
    assert_eq!(sent.body["thinking"], json!({"type": "disabled"}));
    assert_eq!(sent.lost, ["thinking disabled: a tool is forced"]);
}

#[test]
fn tool_choices_have_other_names() {
    let sent = |choice: Value, profile: &Profile| {
        let body =
            with(json!({"tool_choice": choice, "tools": [{"name": "a.b", "input_schema": {}}]}));
        send(&body, profile)
    };
    let chosen = |choice| sent(choice, &generic()).body["tool_choice"].clone();
    assert_eq!(chosen(json!({"type": "auto"})), "auto");
    assert_eq!(chosen(json!({"type": "any"})), "required");
    assert_eq!(chosen(json!({"type": "none"})), "none");
    let one = sent(
        json!({"type": "tool", "name": "a.b", "disable_parallel_tool_use": true}),
        &generic(),
    );
    let name = &one.body["tools"][0]["function"]["name"];
    assert_eq!(
        one.body["tool_choice"],
        json!({"type": "function", "function": {"name": name}})
    );
    assert_eq!(one.outbound.names.restore(name.as_str().unwrap()), "a.b");
    assert_eq!(one.body["parallel_tool_calls"], false);
    let missing = sent(json!({"type": "tool", "name": "other"}), &generic());
    assert_eq!(missing.body.get("tool_choice"), None);
    assert_eq!(missing.lost, ["tool_choice dropped: no such tool"]);
    let glm = sent(json!({"type": "any"}), &Profile::guess("api.z.ai", "glm-5"));
    assert_eq!(glm.body["tool_choice"], "auto");
    let o3 = sent(
        json!({"type": "auto", "disable_parallel_tool_use": true}),
        &Profile::guess("api.openai.com", "o3"),
    );
    assert_eq!(o3.body.get("parallel_tool_calls"), None);
    assert_eq!(o3.lost, ["tool_choice.disable_parallel_tool_use dropped"]);
}

#[test]
fn without_tools_nothing_is_said_of_tools() {
    let body = with(
        json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "tool", "name": "web_search", "disable_parallel_tool_use": true}}),
    );
    let sent = send(&body, &generic());
    for key in ["tools", "tool_choice", "parallel_tool_calls"] {
        assert_eq!(sent.body.get(key), None);
    }
    assert_eq!(
        sent.lost,
        [
            "tools.web_search dropped: runs at its own vendor only",
            "tool_choice dropped: no tools are left"
        ]
    );
}

#[test]
fn a_second_tool_of_a_name_is_dropped() {
    let tool = json!({"name": "t", "input_schema": {}});
    let sent = send(&with(json!({"tools": [tool, tool]})), &generic());
    assert_eq!(sent.body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(sent.lost, ["tools.t dropped: a second of its name"]);
}

#[test]
fn names_are_the_same_in_tools_and_history() {
    let long = "n".repeat(100);
    let body = with(
        json!({"tools": [{"name": long, "input_schema": {}}], "messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": long, "input": {}}]}]}),
    );
    let sent = send(&body, &generic());
    let declared = &sent.body["tools"][0]["function"]["name"];
    assert_eq!(
        declared,
        &sent.body["messages"][1]["tool_calls"][0]["function"]["name"]
    );
    assert_eq!(
        sent.outbound.names.restore(declared.as_str().unwrap()),
        long
    );
}

#[test]
fn answers_in_json_are_asked_for_as_far_as_possible() {
    let format = |schema: Value| {
        with(json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}))
    };
    let open =
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
    let sent = send(&format(open.clone()), &generic());
    let json_schema = &sent.body["response_format"]["json_schema"];
    assert_eq!(sent.body["response_format"]["type"], "json_schema");
    assert_eq!(json_schema["strict"], true);
    assert_eq!(json_schema["schema"]["additionalProperties"], false);
    assert_eq!(json_schema["name"], "answer");
    let optional = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let sent = send(&format(optional.clone()), &generic());
    assert_eq!(sent.body["response_format"]["json_schema"]["strict"], false);
    assert_eq!(
        sent.body["response_format"]["json_schema"]["schema"],
        optional
    );
    assert_eq!(sent.lost, ["output_config.format sent without strict"]);
    let sent = send(
        &format(open),
        &Profile::guess("api.deepseek.com", "deepseek-chat"),
    );
    assert_eq!(sent.body["response_format"], json!({"type": "json_object"}));
    assert!(sent.turns()[0].starts_with("system: Answer with a single JSON object"));
    assert_eq!(answer_name(Some("my name!")), "my_name_");
}

#[test]
fn the_user_is_told_as_each_provider_wants_it() {
    let user = |id: &str, host| {
        let sent = send(
            &with(json!({"metadata": {"user_id": id}})),
            &Profile::guess(host, "gpt-4o"),
        );
        ["user", "safety_identifier", "prompt_cache_key"]
            .map(|key| sent.body[key].as_str().map(str::to_owned))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(user("ada", "gateway.example"), [some("ada"), None, None]);
    assert_eq!(
        user("ada", "api.openai.com"),
        [None, some("ada"), some("ada")]
    );
    assert_eq!(user("ada", "api.mistral.ai"), [None, None, None]);
    let [.., key] = user("user_1_account_2_session_3-4", "api.openai.com");
    assert_eq!(key, some("3-4"));
    let json_id = json!({"device_id": "d".repeat(64), "session_id": "5-6"}).to_string();
    let [_, safety, key] = user(&json_id, "api.openai.com");
    assert_eq!(safety.unwrap().len(), 64);
    assert_eq!(key, some("5-6"));
    assert_eq!(user("", "api.openai.com"), [None, None, None]);
}

#[test]
fn tiers_are_translated_where_they_exist() {
    let tier = |fields: Value, host| {
        let sent = send(&with(fields), &Profile::guess(host, "gpt-4o"));
        (
            sent.body["service_tier"].as_str().map(str::to_owned),
            sent.lost.len(),
        )
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        tier(json!({"service_tier": "auto"}), "api.openai.com"),
        (some("auto"), 0)
    );
    assert_eq!(
        tier(json!({"service_tier": "standard_only"}), "api.openai.com"),
        (some("default"), 0)
    );
    assert_eq!(
        tier(json!({"speed": "fast"}), "api.openai.com"),
        (some("priority"), 0)
    );
    assert_eq!(
        tier(json!({"speed": "standard"}), "api.openai.com"),
        (None, 0)
    );
    assert_eq!(
        tier(json!({"service_tier": "auto"}), "gateway.example"),
        (None, 0)
    );
    assert_eq!(
        tier(json!({"service_tier": "standard_only"}), "gateway.example"),
        (None, 1)
    );
    assert_eq!(tier(json!({"speed": "fast"}), "gateway.example"), (None, 1));
}

#[test]
fn hints_are_left_out_in_silence_and_all_else_is_a_loss() {
    let sent = send(
        &with(
            json!({"cache_control": {"type": "ephemeral"}, "diagnostics": {}, "context_management": null}),
        ),
        &generic(),
    );
    assert_eq!(sent.lost, Vec::<String>::new());
    let sent = send(
        &with(json!({"mcp_servers": [], "new_field": 1})),
        &generic(),
    );
    assert_eq!(sent.lost, ["mcp_servers dropped", "new_field dropped"]);
    let sent = send(
        &with(json!({"a\nb: c": 1, "tools": [{"type": "x", "name": "d\r\ne"}]})),
        &generic(),
    );
    let printable = |text: &String| text.bytes().all(|b| (b' '..=b'~').contains(&b));
    assert!(
        sent.lost.len() == 2 && sent.lost.iter().all(printable),
        "{:?}",
        sent.lost
    );
}

/// A request of a client of Responses, as `model` at `host` gets it, and what was lost.
fn of_responses(fields: Value, host: &str, model: &str) -> (Value, Vec<String>) {
    let mut body = json!({"model": "m", "input": "hi"});
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    let mut losses = Losses::default();
    let body = body.to_string();
    let request = crate::protocol::openai_responses::inbound(body.as_bytes(), &mut losses).unwrap();
    let profile = Profile::guess(host, model);
    let sent = outbound(&request, model, &profile, &mut losses).unwrap();
    let lost = losses.kept().iter().map(ToString::to_string).collect();
    (serde_json::from_slice(&sent.body).unwrap(), lost)
}

#[test]
fn what_both_of_openais_dialects_have_is_not_lost_between_them() {
    let wishes = json!({
        "text": {"verbosity": "low"},
        "prompt_cache_key": "thread-1",
        "user": "u1",
        "service_tier": "flex",
    });
    let (sent, lost) = of_responses(wishes.clone(), "api.openai.com", "gpt-5.1");
    assert_eq!(sent["verbosity"], "low");
    assert_eq!(sent["prompt_cache_key"], "thread-1");
    assert_eq!(sent["safety_identifier"], "u1");
    assert_eq!(sent["service_tier"], "flex");
    assert!(lost.is_empty(), "{lost:?}");
    let (sent, lost) = of_responses(wishes, "gateway.example", "some-model");
    assert_eq!(
        (sent.get("verbosity"), sent.get("service_tier")),
        (None, None)
    );
    assert_eq!(
        lost,
        [
            "verbosity dropped: not accepted by the model",
            "service_tier dropped"
        ]
    );
    // What is the default anyway is no loss.
    let (_, lost) = of_responses(
        json!({"service_tier": "default", "text": {"verbosity": "medium"}}),
        "gateway.example",
        "some-model",
    );
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn log_probabilities_are_asked_for_where_they_are_told() {
    let wish = json!({"top_logprobs": 30});
    let (sent, lost) = of_responses(wish.clone(), "api.openai.com", "gpt-4o");
    assert_eq!(
        (&sent["logprobs"], &sent["top_logprobs"]),
        (&json!(true), &json!(20))
    );
    assert!(lost.is_empty(), "{lost:?}");
    let alone = json!({"include": ["message.output_text.logprobs"]});
    let (sent, _) = of_responses(alone, "gateway.example", "some-model");
    assert_eq!(
        (&sent["logprobs"], &sent["top_logprobs"]),
        (&json!(true), &json!(0))
    );
    for (host, model) in [
        ("api.openai.com", "gpt-5.1"),
        ("api.groq.com", "llama-3.3-70b"),
    ] {
        let (sent, lost) = of_responses(wish.clone(), host, model);
        assert_eq!(sent.get("logprobs"), None, "{host}");
        assert_eq!(lost, ["logprobs dropped: not accepted by the model"]);
    }
}

#[test]
fn a_schema_that_need_not_be_kept_to_is_sent_as_it_stands() {
    let format = |strict: bool| {
        let schema =
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
        json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": strict}}})
    };
    let of = |strict| of_responses(format(strict), "api.openai.com", "gpt-4o");
    let (sent, lost) = of(false);
    let sent = &sent["response_format"]["json_schema"];
    assert_eq!(sent["strict"], false);
    assert_eq!(sent["schema"].get("additionalProperties"), None);
    assert!(lost.is_empty(), "{lost:?}");
    let (sent, _) = of(true);
    let sent = &sent["response_format"]["json_schema"];
    assert_eq!(sent["schema"]["additionalProperties"], false);
}
