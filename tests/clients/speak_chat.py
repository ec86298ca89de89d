"""OpenAI Chat Completions, as a scripted provider speaks it: a compatible one that shows its reasoning."""

import json

import strict
from play import pieces

NAME = "openai"
PATH = "/v1/chat/completions"
REQUEST_ID = "x-request-id"
HEADERS = []
TOO_LONG = (
    "This model's maximum context length is 200000 tokens. However, you requested 250000 tokens."
)
HEAD, LATE, MIDDLE = 1, 2, 4

CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def transcript(body):
    for message in body.get("messages") or []:
        role = message.get("role")
        yield {"tool": "result"}.get(role, role), texts_of(message.get("content"))


def texts_of(content):
    if isinstance(content, str):
        return [content]
    return [b.get("text", "") for b in content or [] if b.get("type") == "text"]


def streams(path, body):
    return bool(body.get("stream"))


def complaint(body, call):
    return next(strict.chat(body, call.translated), None)


def calls(turn):
    return [
        {
            "id": turn.call_id(index, "call_"),
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["input"])},
        }
        for index, call in enumerate(turn.calls)
    ]


def finish(turn):
    stop = "tool_calls" if turn.calls else "stop"
    return "content_filter" if turn.refuse else "length" if turn.length else stop


def usage(turn):
    return {
        "prompt_tokens": 25,
        "completion_tokens": 15,
        "total_tokens": 40,
        "completion_tokens_details": {"reasoning_tokens": turn.thoughts()},
    }


def whole(body, turn):
    message = {"role": "assistant", "content": turn.text, "refusal": None}
    if turn.refuse:
        message |= {"content": None, "refusal": turn.text}
    if turn.think:
        message["reasoning_content"] = turn.think
    if turn.calls:
        message["tool_calls"] = calls(turn)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish(turn)}
    return {
        "id": f"chatcmpl-{turn.name}-{turn.step}",
        "object": "chat.completion",
        "created": 1767225600,
        "model": body.get("model"),
        "choices": [choice],
        "usage": usage(turn),
    }


def frames(body, turn):
    message = whole(body, turn)
    head = {k: message[k] for k in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def frame(delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps(head | {"choices": [choice]}).encode() + b"\n\n"

    out = [frame({"role": "assistant", "content": ""})]
    out += [frame({"reasoning_content": t}) for t in pieces(turn.think or "")]
    for index, call in enumerate(calls(turn)):
        function = call["function"]
        first = dict(call, index=index, function={"name": function["name"], "arguments": ""})
        out.append(frame({"tool_calls": [first]}))
        for piece in pieces(function["arguments"]):
            out.append(frame({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    if turn.text:
        field = "refusal" if turn.refuse else "content"
        out += [frame({field: t}) for t in pieces(turn.text)]
    out.append(frame({}, finish(turn)))
    if (body.get("stream_options") or {}).get("include_usage"):
        last = head | {"choices": [], "usage": usage(turn)}
        out.append(b"data: " + json.dumps(last).encode() + b"\n\n")
    out.append(b"data: [DONE]\n\n")
    return out


def error(status, message, code=None):
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = code or CODES.get(status)
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def broken(kind):
    data = {"error": {"message": "overloaded", "type": "server_error", "code": "server_is_overloaded"}}
    return f"data: {json.dumps(data)}\n\n".encode()


def models(listed):
    data = [
        {"id": m["id"], "object": "model", "created": 1767225600, "owned_by": "scripted"}
        for m in listed
    ]
    return {"object": "list", "data": data}
