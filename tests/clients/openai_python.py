"""The OpenAI Python SDK against the proxy: Chat Completions and Responses, with every type of provider behind.

Same environment and same report as sdk_python.py.
"""

import asyncio
import json
import os

import openai
from pydantic import BaseModel

from reporting import calls
from reporting import planned
from reporting import raises
from reporting import report

MODEL = "claude-sonnet-4-6"
KEY = os.environ["KEY"]
KINDS = {"A": "anthropic", "B": "openai", "R": "openai-responses", "G": "gemini"}
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgAAAAAgAB4iG8MwAAAABJRU5ErkJggg=="
)
PARAMETERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
CHAT_TOOL = {
    "type": "function",
    "function": {"name": "add", "description": "adds", "parameters": PARAMETERS, "strict": True},
}
TOOL = {"type": "function", **CHAT_TOOL["function"]}
TWO_SUMS = [
    {"name": "add", "input": {"a": 2, "b": 40}},
    {"name": "add", "input": {"a": 1, "b": 10}},
]
# One after the other, and at once.
LOOP = {"tools": [TWO_SUMS[0], TWO_SUMS], "think": "I should add them"}
LOOP_ENDS = "finished. The tools said: 42 | 42 | 11"

# Anthropic refuses without a word, Gemini names the filter.
REFUSALS = {"A": "", "B": "I would rather not.", "R": "I would rather not.", "G": "SAFETY"}


class City(BaseModel):
    name: str
    people: int


def client(base, key=KEY, **more):
    return openai.OpenAI(api_key=key, base_url=f"{base}/v1", max_retries=0, timeout=30, **more)


def chat(plan=None, **more):
    messages = [{"role": "user", "content": planned(plan)}]
    return {"model": MODEL, "messages": messages, **more}


def ask(plan=None, **more):
    return {"model": MODEL, "input": planned(plan), "store": False, **more}


def named(side, same):
    """The model an answer names: the client's own, and the provider's where nothing is translated."""
    return {"B": "other/model-1", "R": "gpt-5.2"}[same] if side == same else MODEL


def result_of(arguments):
    return str(sum(json.loads(arguments).values()))


# Chat Completions -----------------------------------------------------------------------


def chat_answer(base, side):
    answer = client(base).chat.completions.create(**chat({"say": "plain and simple"}))
    assert answer.object == "chat.completion" and answer.model == named(side, "B"), answer
    choice = answer.choices[0]
    assert choice.message.content == "plain and simple" and choice.finish_reason == "stop", answer
    usage = answer.usage
    counted = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    assert counted == (25, 15, 40), usage


def chat_stream(base, side, include_usage):
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    plan = {"say": "piece by piece by piece"}
    chunks = list(client(base).chat.completions.create(**chat(plan), stream=True, **options))
    parts = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert "".join(parts) == "piece by piece by piece" and len(parts) > 1, parts
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert finishes[-1] == "stop" and not any(finishes[:-1]), finishes
    assert {c.model for c in chunks} == {named(side, "B")} and len({c.id for c in chunks}) == 1, chunks
    usages = [c.usage for c in chunks if c.usage]
    if include_usage:
        assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 40, chunks[-1]
        assert len(usages) == 1, usages
    else:
        assert usages == [], usages


def chat_stream_helper(base, side):
    with client(base).chat.completions.stream(**chat({"say": "a helper puts it together"})) as stream:
        seen = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in seen and "content.done" in seen, seen
    assert final.choices[0].message.content == "a helper puts it together", final


def chat_tool_loop(base, side, streaming):
    messages = chat(LOOP)["messages"]
    for step in range(3):
        fields = {"model": MODEL, "messages": messages, "tools": [CHAT_TOOL]}
        if streaming:
            with client(base).chat.completions.stream(**fields) as stream:
                list(stream)
                choice = stream.get_final_completion().choices[0]
        else:
            choice = client(base).chat.completions.create(**fields).choices[0]
        if step == 2:
            break
        used = choice.message.tool_calls
        assert choice.finish_reason == "tool_calls" and len(used) == step + 1, choice
        assert len({call.id for call in used}) == len(used), used
        assert choice.message.model_extra.get("reasoning_content") == "I should add them", choice
        messages.append(choice.message.to_dict())
        for call in used:
            text = result_of(call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": text})
    assert choice.message.content.endswith(LOOP_ENDS), choice
    assert choice.finish_reason == "stop", choice
    proofs_came_back(side, calls(side)[-1]["body"])


def chat_without_reasoning(base, side):
    """Most clients send back nothing but text and calls."""
    messages = chat(LOOP)["messages"]
    for _ in range(2):
        fields = {"model": MODEL, "messages": messages, "tools": [CHAT_TOOL]}
        message = client(base).chat.completions.create(**fields).choices[0].message
        used = [call.to_dict() for call in message.tool_calls]
        messages.append({"role": "assistant", "content": message.content, "tool_calls": used})
        for call in message.tool_calls:
            text = result_of(call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": text})
    last = client(base).chat.completions.create(model=MODEL, messages=messages, tools=[CHAT_TOOL])
    assert last.choices[0].message.content.endswith(LOOP_ENDS), last


def proofs_came_back(side, body):
    """What the provider signed or sealed is back where it was."""
    if side == "A":
        turns = [m["content"] for m in body["messages"] if m["role"] == "assistant"]
        thoughts = [blocks[0] for blocks in turns]
        assert all(t["signature"].startswith("sig+") for t in thoughts), turns
    elif side == "R":
        sealed = [i for i in body["input"] if i.get("type") == "reasoning"]
        assert len(sealed) == 2 and all(i["encrypted_content"] for i in sealed), body["input"]
    elif side == "G":
        turns = [c["parts"] for c in body["contents"] if c["role"] == "model"]
        signed = [[p for p in parts if "functionCall" in p][0] for parts in turns]
        # Base64 of what scripted providers seal.
        assert all(p["thoughtSignature"].startswith("WyJzY3JpcHRlZCI") for p in signed), turns


def chat_parse(base, side):
    answer = client(base).chat.completions.parse(
        **chat({"say": '{"name": "Paris", "people": 2100000}'}), response_format=City
    )
    assert answer.choices[0].message.parsed == City(name="Paris", people=2100000), answer
    schema_arrived(side)


def schema_arrived(side):
    body = calls(side)[-1]["body"]
    place = {
        "A": lambda: body["output_config"]["format"]["schema"],
        "B": lambda: body.get("response_format", {})["json_schema"]["schema"],
        "R": lambda: body["text"]["format"]["schema"],
        "G": lambda: body["generationConfig"].get("responseJsonSchema")
        or body["generationConfig"]["responseSchema"],
    }
    assert set(place[side]()["properties"]) == {"name", "people"}, body


def chat_refusal(base, side):
    plan = {"refuse": True, "say": "I would rather not."}
    choice = client(base).chat.completions.create(**chat(plan)).choices[0]
    assert choice.finish_reason == "content_filter", choice
    words = (choice.message.content or "") + (choice.message.refusal or "")
    assert words == REFUSALS[side], choice
    with client(base).chat.completions.stream(**chat(plan)) as stream:
        raises(openai.ContentFilterFinishReasonError, stream.get_final_completion)


def chat_length(base, side):
    choice = client(base).chat.completions.create(**chat({"length": True, "say": "and so"})).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("length", "and so"), choice


def chat_image(base, side):
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "text", "text": "what is it?"},
    ]
    answer = client(base).chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": content}]
    )
    assert answer.choices[0].message.content, answer
    assert PNG in json.dumps(calls(side)[-1]["body"]), "the image did not arrive"


def chat_settings(base, side):
    """Everything a program may have set in its client years ago."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": planned(), "name": "ada"},
    ]
    answer = client(base).chat.completions.create(
        model=MODEL,
        messages=messages,
        max_completion_tokens=500,
        temperature=0.25,
        top_p=0.9,
        stop=["END"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        user="somebody",
        n=1,
        logit_bias={},
        metadata={"a": "b"},
        reasoning_effort="low",
        tools=[CHAT_TOOL],
        tool_choice="auto",
        parallel_tool_calls=False,
    )
    assert answer.choices[0].message.content, answer
    assert "Be brief." in json.dumps(calls(side)[-1]["body"])


def chat_forced_tool(base, side):
    choice = {"type": "function", "function": {"name": "add"}}
    for wanted in (choice, "required"):
        answer = client(base).chat.completions.create(
            **chat({"tools": [TWO_SUMS[0]]}), tools=[CHAT_TOOL], tool_choice=wanted
        )
        assert answer.choices[0].message.tool_calls[0].function.name == "add", answer


def chat_cut(base, side):
    def run():
        plan = {"say": "half of an answer, and no more", "cut": True}
        return list(client(base).chat.completions.create(**chat(plan), stream=True))

    raises(openai.APIError, run)


def many_at_once(base, side):
    async def run():
        options = {"api_key": KEY, "base_url": f"{base}/v1", "max_retries": 0, "timeout": 30}
        async with openai.AsyncOpenAI(**options) as many:

            async def one(n):
                plan = {"say": f"answer number {n}"}
                if n % 2:
                    return (await many.responses.create(**ask(plan))).output_text
                async with many.chat.completions.stream(**chat(plan)) as stream:
                    return (await stream.get_final_completion()).choices[0].message.content

            return await asyncio.gather(*(one(n) for n in range(24)))

    texts = asyncio.run(run())
    assert texts == [f"answer number {n}" for n in range(24)], texts


# Responses ------------------------------------------------------------------------------


def answer(base, side):
    found = client(base).responses.create(**ask({"say": "plain and simple"}))
    assert found.output_text == "plain and simple" and found.status == "completed", found
    assert found.object == "response" and found.model == named(side, "R"), found
    usage = found.usage
    counted = (usage.input_tokens, usage.output_tokens, usage.total_tokens)
    assert counted == (25, 15, 40), usage


def stream_events(base, side):
    plan = {"say": "piece by piece by piece", "think": "hm, well, perhaps"}
    events = list(client(base).responses.create(**ask(plan), stream=True))
    kinds = [e.type for e in events]
    assert kinds[:2] == ["response.created", "response.in_progress"], kinds
    assert kinds[-1] == "response.completed", kinds
    assert [e.sequence_number for e in events] == list(range(len(events))), kinds
    added = [e.item.id for e in events if e.type == "response.output_item.added"]
    done = [e.item.id for e in events if e.type == "response.output_item.done"]
    assert added == done and len(done) >= 2, kinds
    final = events[-1].response
    assert [item.id for item in final.output] == done, final
    assert final.output_text == "piece by piece by piece", final
    parts = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert "".join(parts) == final.output_text and len(parts) > 1, parts
    assert final.usage.output_tokens == 15, final


def stream_helper(base, side):
    with client(base).responses.stream(**ask({"say": "a helper puts it together"})) as stream:
        texts = [e.snapshot for e in stream if e.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert texts[-1] == final.output_text == "a helper puts it together", final


def tool_loop(base, side, streaming):
    given = [{"role": "user", "content": planned(LOOP)}]
    for step in range(3):
        fields = {"model": MODEL, "input": given, "tools": [TOOL], "store": False}
        fields["include"] = ["reasoning.encrypted_content"]
        if streaming:
            with client(base).responses.stream(**fields) as stream:
                final = stream.get_final_response()
        else:
            final = client(base).responses.create(**fields)
        if step == 2:
            break
        used = [item for item in final.output if item.type == "function_call"]
        assert len(used) == step + 1 and final.output[0].type == "reasoning", final.output
        for item in final.output:
            # What the helper adds for its own use the vendor refuses.
            given.append({k: v for k, v in item.to_dict().items() if k != "parsed_arguments"})
        for call in used:
            call = {"call_id": call.call_id, "output": result_of(call.arguments)}
            given.append({"type": "function_call_output", **call})
    assert final.output_text.endswith(LOOP_ENDS), final
    proofs_came_back(side, calls(side)[-1]["body"])


def parse(base, side):
    found = client(base).responses.parse(
        **ask({"say": '{"name": "Paris", "people": 2100000}'}), text_format=City
    )
    assert found.output_parsed == City(name="Paris", people=2100000), found
    schema_arrived(side)


def refusal(base, side):
    plan = {"refuse": True, "say": "I would rather not."}
    with client(base).responses.stream(**ask(plan)) as stream:
        final = [e for e in stream][-1].response
    found = client(base).responses.create(**ask(plan))
    assert final.status == found.status, (final, found)
    if not REFUSALS[side]:
        assert found.incomplete_details.reason == "content_filter", found
        assert found.output == [], found
    else:
        parts = [p for i in found.output if i.type == "message" for p in i.content]
        texts = [getattr(p, "refusal", None) or p.text for p in parts]
        assert texts == [REFUSALS[side]] and found.status == "completed", found


def length(base, side):
    found = client(base).responses.create(**ask({"length": True, "say": "and so"}))
    assert found.status == "incomplete", found
    assert found.incomplete_details.reason == "max_output_tokens", found
    assert found.output_text == "and so", found


def settings(base, side):
    content = [
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"},
        {"type": "input_text", "text": planned()},
    ]
    found = client(base).responses.create(
        model=MODEL,
        instructions="Be brief.",
        input=[{"role": "developer", "content": "Be kind."}, {"role": "user", "content": content}],
        max_output_tokens=500,
        reasoning={"effort": "low", "summary": "auto"},
        tools=[TOOL],
        tool_choice="auto",
        parallel_tool_calls=True,
        prompt_cache_key="a-session",
        store=False,
        truncation="disabled",
        text={"verbosity": "low"},
        metadata={"a": "b"},
        safety_identifier="somebody",
    )
    assert found.output_text, found
    sent = json.dumps(calls(side)[-1]["body"])
    for part in ("Be brief.", "Be kind.", PNG):
        assert part in sent, part


def cut(base, side):
    def run():
        plan = {"say": "half of an answer, and no more", "cut": True}
        with client(base).responses.stream(**ask(plan)) as stream:
            return stream.get_final_response()

    raises((openai.APIError, RuntimeError), run)


def what_is_not_kept(base, side):
    """The proxy keeps no answers: a conversation that leans on one is refused, not cut short."""
    if side != "R":
        run = lambda: client(base).responses.create(**ask(), previous_response_id="resp_1")
        raises(openai.BadRequestError, run)


# All ------------------------------------------------------------------------------------


def models(base, side):
    assert MODEL in [m.id for m in client(base).models.list()]
    one = client(base).models.retrieve(MODEL)
    assert one.id == MODEL and one.object == "model", one


def headers(base, side):
    raw = client(base).chat.completions.with_raw_response.create(**chat({"say": "hello"}))
    assert raw.headers.get("x-request-id"), dict(raw.headers)
    assert raw.headers.get("x-pointsman-provider") == side.lower(), dict(raw.headers)
    name = {"A": "x-api-key", "G": "x-goog-api-key"}.get(side, "authorization")
    sent = dict(calls(side)[-1]["headers"])
    assert sent[name].endswith(os.environ["PROVIDER_KEY"]), sent
    assert KEY not in json.dumps(sent), sent


def wrong_gateway_key(base, side):
    for run in (
        lambda: client(base, "nope").chat.completions.create(**chat()),
        lambda: client(base, "nope").responses.create(**ask()),
        lambda: client(base, "nope").models.list(),
    ):
        fault = raises(openai.AuthenticationError, run)
        assert fault.code == "invalid_api_key", fault.body


def bad_requests_of_ours(base, side):
    post = client(base).post
    for path in ("/chat/completions", "/responses"):
        fault = raises(openai.BadRequestError, lambda: post(path, body={"model": MODEL}, cast_to=object))
        assert fault.body["message"] and fault.type == "invalid_request_error", fault.body
    raises(openai.NotFoundError, lambda: post("/nothing", body={}, cast_to=object))


# What the upstream answers, the class that must be raised, the statuses it may carry.
# A provider that refuses *our* credential is our fault, not the caller's.
ERRORS = [
    (400, openai.BadRequestError, {400}),
    (401, openai.InternalServerError, {502}),
    (403, openai.InternalServerError, {502}),
    (404, openai.NotFoundError, {404}),
    (413, openai.APIStatusError, {413}),
    (429, openai.RateLimitError, {429}),
    (500, openai.InternalServerError, {500}),
    (503, openai.InternalServerError, {503}),
    (529, openai.InternalServerError, {503, 529}),
]


def provider_error(base, kind, status, wanted, statuses):
    for streaming in (False, True):
        for create, fields, call in (
            (client(base).chat.completions.create, chat({"status": status}), ""),
            (client(base).responses.create, ask({"status": status}), "r-"),
        ):
            model = f"{kind}-{status}-{call}{streaming}".lower()
            fields |= {"model": model, "stream": streaming}
            fault = raises(wanted, lambda: create(**fields))
            assert fault.status_code in statuses, (fault.status_code, fault.body)
            assert fault.body["message"] and "type" in fault.body, fault.body
            assert fault.request_id, fault.response.headers
            if status == 429:
                assert fault.response.headers.get("retry-after") == "7", fault.response.headers


def too_long(base, kind):
    messages = {
        "anthropic": "prompt is too long: 250000 tokens > 200000 maximum",
        "gemini": "The input token count (250000) exceeds the maximum number of tokens allowed (200000).",
    }
    usual = "This model's maximum context length is 200000 tokens. However, you requested 250000 tokens."
    plan = {"status": 400, "message": messages.get(kind, usual), "code": "context_length_exceeded"}
    chat_fields = chat(plan) | {"model": f"{kind}-400-long"}
    fields = ask(plan) | {"model": f"{kind}-400-r-long"}
    for run in (
        lambda: client(base).chat.completions.create(**chat_fields),
        lambda: client(base).responses.create(**fields),
    ):
        fault = raises(openai.BadRequestError, run)
        assert fault.code == "context_length_exceeded", fault.body


EVERYWHERE = [
    chat_answer,
    chat_stream_helper,
    chat_without_reasoning,
    chat_parse,
    chat_refusal,
    chat_length,
    chat_image,
    chat_settings,
    chat_forced_tool,
    chat_cut,
    answer,
    stream_events,
    stream_helper,
    parse,
    refusal,
    length,
    settings,
    cut,
    what_is_not_kept,
    many_at_once,
    models,
    headers,
    wrong_gateway_key,
    bad_requests_of_ours,
]


def main():
    failed = 0
    for side in KINDS:
        base = os.environ[f"PROXY_{side}"]
        for run in EVERYWHERE:
            failed += report(f"{side} {run.__name__}", run, base, side)
        for yes in (False, True):
            failed += report(f"{side} chat_stream usage={yes}", chat_stream, base, side, yes)
            failed += report(f"{side} chat_tool_loop streaming={yes}", chat_tool_loop, base, side, yes)
            failed += report(f"{side} tool_loop streaming={yes}", tool_loop, base, side, yes)
    base = os.environ["PROXY_S"]
    for kind in KINDS.values():
        for row in ERRORS:
            failed += report(f"S {kind} {row[0]} is {row[1].__name__}", provider_error, base, kind, *row)
        failed += report(f"S {kind} too_long", too_long, base, kind)
    raise SystemExit(1 if failed else 0)


main()
