"""The Anthropic Python SDK against the proxy; run with a current and with an old version.

Prints `ok - case` or `not ok - case | reason`. Addresses come from the environment: PROXY_A
(a dead provider, then an Anthropic-type one), PROXY_B (a dead one, then an OpenAI-type one), PROXY_R
and PROXY_G (likewise, OpenAI Responses and Gemini), PROXY_S (one provider per route, named after the
status it answers), KEY (the gateway key) and RECORD_A and so on (the JSON-lines files of what the
upstreams received).
"""

import asyncio
import base64
import hashlib
import json
import os

import anthropic

from reporting import calls
from reporting import planned
from reporting import raises
from reporting import report

MODEL = "claude-sonnet-4-6"
KEY = os.environ["KEY"]
CURRENT = not anthropic.__version__.startswith("0.")
PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
        "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
    )
).decode()

TOOL = {
    "name": "add",
    "description": "adds two numbers",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}


def client(base, key=KEY, **more):
    return anthropic.Anthropic(api_key=key, base_url=base, max_retries=0, timeout=30, **more)


def ask(plan=None, text="Say something."):
    """One user message, with or without a plan for the upstream."""
    return [{"role": "user", "content": planned(plan, text)}]


def usual(plan=None, **more):
    return {"model": MODEL, "max_tokens": 4000, "messages": ask(plan), **more}


# Against all sides alike ------------------------------------------------------------------


def json_answer(base, side):
    message = client(base).messages.create(**usual({"say": "plain and simple"}))
    assert message.type == "message" and message.role == "assistant", message
    assert [b.text for b in message.content] == ["plain and simple"], message.content
    assert message.stop_reason == "end_turn", message.stop_reason
    assert message.usage.input_tokens > 0 and message.usage.output_tokens == 15, message.usage
    assert message.model == MODEL, message.model


def stream_answer(base, side):
    with client(base).messages.stream(**usual({"say": "piece by piece by piece"})) as stream:
        parts = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(parts) == "piece by piece by piece" and len(parts) > 1, parts
    assert final.content[0].text == "piece by piece by piece", final
    assert final.stop_reason == "end_turn" and final.usage.output_tokens == 15, final
    assert final.model == MODEL, final.model


def stream_events_in_order(base, side):
    seen = [e.type for e in client(base).messages.create(**usual({"think": "hm, well"}), stream=True)]
    assert seen[0] == "message_start" and seen[-2:] == ["message_delta", "message_stop"], seen
    blocks = [k for k in seen if k.startswith("content_block") and k != "content_block_delta"]
    assert blocks == ["content_block_start", "content_block_stop"] * 2, seen


def tool_loop(base, side, streaming):
    plan = {"tools": [{"name": "add", "input": {"a": 2, "b": 40}}], "think": "I should add them"}
    messages = ask(plan)

    def turn():
        fields = {"model": MODEL, "max_tokens": 4000, "messages": messages, "tools": [TOOL]}
        if not streaming:
            return client(base).messages.create(**fields)
        with client(base).messages.stream(**fields) as stream:
            return stream.get_final_message()

    first = turn()
    assert first.stop_reason == "tool_use", first
    # The signature of a Gemini call travels in a block of its own.
    thinking, *_, use = first.content
    assert thinking.type == "thinking" and thinking.thinking == "I should add them", first
    assert thinking.signature, "a thinking block without a signature cannot be sent back"
    assert (use.type, use.name, use.input) == ("tool_use", "add", {"a": 2, "b": 40}), use
    result = {"type": "tool_result", "tool_use_id": use.id, "content": str(sum(use.input.values()))}
    messages.append({"role": "assistant", "content": [b.model_dump() for b in first.content]})
    messages.append({"role": "user", "content": [result]})
    second = turn()
    assert second.content[-1].text.endswith("The tools said: 42"), second
    came_back(side, calls(side)[-1]["body"])


def came_back(side, body):
    """What the provider signed or sealed is back where it was."""
    if side == "A":
        signature = body["messages"][1]["content"][0]["signature"]
        assert signature.startswith("sig+") and signature.endswith("/=="), signature
    elif side == "B":
        sent = body["messages"]
        assert sent[-2]["tool_calls"][0]["id"] == sent[-1]["tool_call_id"], sent
    elif side == "R":
        kinds = [item.get("type") for item in body["input"]][-3:]
        assert kinds == ["reasoning", "function_call", "function_call_output"], body["input"]
        assert body["input"][-3]["encrypted_content"], body["input"]
    else:
        signed = [p for p in body["contents"][1]["parts"] if "functionCall" in p]
        assert signed[0]["thoughtSignature"].startswith("WyJzY3JpcHRlZCI"), body["contents"]


def image(base, side):
    source = {"type": "base64", "media_type": "image/png", "data": PNG}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "what is it?"}]
    message = client(base).messages.create(
        model=MODEL, max_tokens=100, messages=[{"role": "user", "content": content}]
    )
    assert message.content[0].text, message
    assert PNG in json.dumps(calls(side)[-1]["body"]), "the image did not arrive"


def system_and_parameters(base, side):
    # Current versions have no sampling parameters, and their API version refuses them.
    more = {} if CURRENT else {"temperature": 0.25}
    client(base).messages.create(**usual(system="Be brief.", stop_sequences=["END"], **more))
    body = calls(side)[-1]["body"]
    assert "Be brief." in json.dumps(body), body
    config = body.get("generationConfig") or body
    # The scripted models of OpenAI's own take neither.
    wanted = None if side == "R" else more.get("temperature")
    assert config.get("temperature") == wanted, body
    if side != "R":
        stop = body.get("stop_sequences") or body.get("stop") or config.get("stopSequences")
        assert stop == ["END"], body


def large_body(base, side):
    text = "0123456789abcde\n" * (5 * 65536)
    message = client(base).messages.create(
        model=MODEL, max_tokens=100, messages=ask({"say": "got it"}, text)
    )
    assert message.content[0].text == "got it", message
    assert calls(side)[-1]["length"] > len(text), calls(side)[-1]["length"]


def count_tokens(base, side):
    counted = client(base).messages.count_tokens(model=MODEL, messages=ask(), tools=[TOOL])
    assert counted.input_tokens > 5, counted


def models(base, side):
    listed = list(client(base).models.list(limit=1000))
    assert MODEL in [m.id for m in listed], listed
    one = client(base).models.retrieve(MODEL)
    assert one.id == MODEL and one.type == "model", one


def many_at_once(base, side):
    async def run():
        async with anthropic.AsyncAnthropic(
            api_key=KEY, base_url=base, max_retries=0, timeout=30
        ) as many:

            async def one(n):
                async with many.messages.stream(**usual({"say": f"answer number {n}"})) as stream:
                    return (await stream.get_final_message()).content[0].text

            return await asyncio.gather(*(one(n) for n in range(24)))

    texts = asyncio.run(run())
    assert texts == [f"answer number {n}" for n in range(24)], texts


def leaves_early(base, side):
    with client(base).messages.stream(**usual({"say": "never read to its end " * 200})) as stream:
        next(iter(stream.text_stream))
    json_answer(base, side)


def headers(base, side):
    raw = client(base).messages.with_raw_response.create(**usual({"say": "hello"}))
    assert raw.headers.get("request-id"), dict(raw.headers)
    assert raw.headers.get("x-pointsman-request-id"), dict(raw.headers)
    assert raw.headers.get("x-pointsman-provider") == side.lower(), dict(raw.headers)
    assert raw.parse()._request_id == raw.headers["request-id"], raw.headers


def wrong_gateway_key(base, side):
    fault = raises(anthropic.AuthenticationError, lambda: client(base, "nope").messages.create(**usual()))
    assert fault.body["error"]["type"] == "authentication_error", fault.body
    assert fault.response.headers.get("x-should-retry") == "false", fault.response.headers


def key_in_either_header(base, side):
    for place in ({"x-api-key": KEY}, {"authorization": f"Bearer {KEY}"}):
        other = client(base, "another-tools-key", default_headers=place)
        assert other.messages.create(**usual({"say": "welcome"})).content[0].text == "welcome"


def bad_request_of_ours(base, side):
    fault = raises(
        anthropic.BadRequestError,
        lambda: client(base).post("/v1/messages", body={"max_tokens": 1}, cast_to=object),
    )
    assert fault.body["error"]["type"] == "invalid_request_error", fault.body
    raises(anthropic.NotFoundError, lambda: client(base).post("/v1/nothing", body={}, cast_to=object))


def cut_stream_is_not_an_answer(base, side):
    def run():
        with client(base).messages.stream(**usual({"say": "half of an answer", "cut": True})) as stream:
            return stream.get_final_message()

    try:
        answer = run()
    except Exception:
        return
    raise AssertionError(f"a cut stream became an answer: {answer}")


def threads_are_refused(base, side):
    """The tool runner begins a server-side thread and falls back to full history only on the
    vendor's own refusal, details included."""

    @anthropic.beta_tool
    def add(a: int, b: int) -> str:
        """adds two numbers"""
        return str(a + b)

    runner = client(base).beta.messages.tool_runner(
        model=MODEL,
        max_tokens=500,
        tools=[add],
        messages=ask({"tools": [{"name": "add", "input": {"a": 30, "b": 12}}]}),
    )
    assert "The tools said: 42" in runner.until_done().content[-1].text


# Against A only: pass-through ------------------------------------------------------------


def body_and_headers_pass(base, side):
    sent = {}

    def keep(request):
        sent.update(sha=hashlib.sha256(request.content).hexdigest(), headers=dict(request.headers))

    http = anthropic.DefaultHttpxClient(event_hooks={"request": [keep]})
    client(base, http_client=http).messages.create(
        **usual({"say": "as it is — \u00fc \u2028"}),
        extra_body={"a_field_of_2027": {"deep": [1, None]}},
        extra_headers={
            "anthropic-beta": "some-beta-2027-01-01,another-2027",
            "anthropic-new-thing": "1",
            "x-claude-code-session-id": "s-1",
        },
    )
    call = calls(side)[-1]
    got = dict(call["headers"])
    assert call["sha256"] == sent["sha"], "the body was changed"
    assert got["anthropic-beta"] == "some-beta-2027-01-01,another-2027", got
    assert got["anthropic-new-thing"] == "1", got
    assert got["anthropic-version"] == sent["headers"]["anthropic-version"], got
    assert got["x-claude-code-session-id"] == "s-1", got
    assert got["x-api-key"] == os.environ["PROVIDER_KEY"], got
    assert "authorization" not in got, got
    assert call["path"] == "/v1/messages", call["path"]


def rate_limit_headers_pass(base, side):
    raw = client(base).messages.with_raw_response.create(**usual())
    assert raw.headers["anthropic-ratelimit-requests-remaining"] == "41", dict(raw.headers)
    assert raw.headers["request-id"].startswith("req_a_"), dict(raw.headers)


# Against S: the errors of a provider ------------------------------------------------------

# What the upstream answers, the class that must be raised, the status and type it must carry.
# A provider that refuses *our* credential is our fault, not the caller's.
ERRORS = [
    (400, "BadRequestError", 400, "invalid_request_error"),
    (401, "InternalServerError", 502, "api_error"),
    (403, "InternalServerError", 502, "api_error"),
    (404, "NotFoundError", 404, "not_found_error"),
    (413, "ContentTooLargeError", 413, "request_too_large"),
    (429, "RateLimitError", 429, "rate_limit_error"),
    (500, "InternalServerError", 500, "api_error"),
    (503, "ServiceUnavailableError", 503, "api_error"),
    (529, "OverloadedError", 529, "overloaded_error"),
]


def provider_error(base, dialect, status, name, wanted, kind):
    # Old versions have fewer classes.
    if (dialect, status) == ("gemini", 503):
        # "The model is overloaded" in Google's words.
        name, wanted, kind = "OverloadedError", 529, "overloaded_error"
    plan = {"status": status}
    for streaming in (False, True):
        fields = usual(plan, stream=streaming) | {"model": f"{dialect}-{status}-{streaming}".lower()}
        fault = raises(getattr(anthropic, name, anthropic.APIStatusError), lambda: client(base).messages.create(**fields))
        assert fault.status_code == wanted, (fault.status_code, fault.body)
        assert fault.body["type"] == "error" and fault.body["error"]["type"] == kind, fault.body
        if wanted == status and dialect == "anthropic" and CURRENT:
            assert fault.body["error"]["message"] == f"scripted status {status}", fault.body
        if status == 429:
            assert fault.response.headers.get("retry-after") == "7", fault.response.headers
        assert fault.response.headers.get("request-id"), fault.response.headers


def too_long(base, dialect):
    """Claude Code compacts the conversation when it reads these words."""
    message = (
        "prompt is too long: 250000 tokens > 200000 maximum"
        if dialect == "anthropic"
        else "This model's maximum context length is 200000 tokens. However, you requested 250000 tokens."
    )
    plan = {"status": 400, "message": message, "code": "context_length_exceeded"}
    fault = raises(
        anthropic.BadRequestError,
        lambda: client(base).messages.create(**usual(plan) | {"model": f"{dialect}-400-long"}),
    )
    text = fault.body["error"]["message"]
    assert "prompt is too long" in text or "prompt_too_long" in text, fault.body


EVERYWHERE = [
    json_answer,
    stream_answer,
    stream_events_in_order,
    image,
    system_and_parameters,
    large_body,
    count_tokens,
    models,
    many_at_once,
    leaves_early,
    headers,
    wrong_gateway_key,
    key_in_either_header,
    bad_request_of_ours,
    cut_stream_is_not_an_answer,
]


def main():
    failed = 0
    for side in "ABRG":
        base = os.environ[f"PROXY_{side}"]
        for run in EVERYWHERE:
            failed += report(f"{side} {run.__name__}", run, base, side)
        for streaming in (False, True):
            failed += report(f"{side} tool_loop streaming={streaming}", tool_loop, base, side, streaming)
        if CURRENT:
            failed += report(f"{side} threads_are_refused", threads_are_refused, base, side)
    for run in (body_and_headers_pass, rate_limit_headers_pass):
        failed += report(f"A {run.__name__}", run, os.environ["PROXY_A"], "A")
    base = os.environ["PROXY_S"]
    for dialect in ("anthropic", "openai", "openai-responses", "gemini"):
        for row in ERRORS:
            failed += report(f"S {dialect} {row[0]} is {row[1]}", provider_error, base, dialect, *row)
        failed += report(f"S {dialect} too_long", too_long, base, dialect)
    raise SystemExit(1 if failed else 0)


main()
