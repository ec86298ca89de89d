"""Anthropic Messages, as a scripted provider speaks it."""

import json

import strict
from play import pieces

NAME = "anthropic"
PATH = "/v1/messages"
REQUEST_ID = "request-id"
HEADERS = [("anthropic-ratelimit-requests-remaining", "41")]
TOO_LONG = "prompt is too long: 250000 tokens > 200000 maximum"

# Frames before any content; and how many are missing after a break at the end, and in the text.
HEAD, LATE, MIDDLE = 1, 2, 4

ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def transcript(body):
    for message in body.get("messages") or []:
        content = message.get("content")
        for block in content if isinstance(content, list) else []:
            if block.get("type") == "tool_result":
                yield "result", texts_of(block.get("content"))
        yield message.get("role"), texts_of(content)


def texts_of(content):
    if isinstance(content, str):
        return [content]
    return [b.get("text", "") for b in content or [] if b.get("type") == "text"]


def streams(path, body):
    return bool(body.get("stream"))


def complaint(body, call):
    if "thread" in body:
        return "thread is not supported here"
    return next(strict.anthropic(body, call.header("anthropic-version") or "", call.translated), None)


def signature(turn):
    return f"sig+{turn.proof()}/=="


def content(turn):
    blocks = []
    if turn.think:
        blocks.append({"type": "thinking", "thinking": turn.think, "signature": signature(turn)})
    for index, call in enumerate(turn.calls):
        blocks.append({"type": "tool_use", "id": turn.call_id(index, "toolu_"), **call})
    if turn.text and not turn.refuse:
        blocks.append({"type": "text", "text": turn.text})
    return blocks


def whole(body, turn):
    stop = "tool_use" if turn.calls else "end_turn"
    stop = "refusal" if turn.refuse else "max_tokens" if turn.length else stop
    return {
        "id": f"msg_{turn.name}_{turn.step}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": content(turn),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 15},
    }


def frames(body, turn):
    def frame(kind, **fields):
        data = json.dumps({"type": kind, **fields})
        return f"event: {kind}\ndata: {data}\n\n".encode()

    message = whole(body, turn)
    blocks, stop = message["content"], message["stop_reason"]
    usage = {"input_tokens": 25, "output_tokens": 1}
    start = dict(message, content=[], stop_reason=None, usage=usage)
    out = [frame("message_start", message=start), frame("ping")]
    for index, block in enumerate(blocks):
        empty, deltas = opened(block)
        out.append(frame("content_block_start", index=index, content_block=empty))
        out += [frame("content_block_delta", index=index, delta=delta) for delta in deltas]
        out.append(frame("content_block_stop", index=index))
    delta = {"stop_reason": stop, "stop_sequence": None}
    out.append(frame("message_delta", delta=delta, usage={"output_tokens": 15}))
    out.append(frame("message_stop"))
    return out


def opened(block):
    """A block as its empty start and the deltas that fill it."""
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": t} for t in pieces(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if block["type"] == "tool_use":
        parts = pieces(json.dumps(block["input"]))
        deltas = [{"type": "input_json_delta", "partial_json": t} for t in ["", *parts]]
        return dict(block, input={}), deltas
    return {"type": "text", "text": ""}, [
        {"type": "text_delta", "text": t} for t in pieces(block["text"])
    ]


def error(status, message, code=None):
    kind = ERRORS.get(status, "api_error")
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"}
    if message == "thread is not supported here":
        # What a vendor without server-side threads says; clients look at the details.
        details = {"error_code": "thread_unsupported_request", "unsupported": []}
        body["error"]["details"] = details
    return body


def broken(kind):
    data = {"type": "error", "error": {"type": kind, "message": "scripted break"}}
    return f"event: error\ndata: {json.dumps(data)}\n\n".encode()


def models(listed):
    data = [{"type": "model", "created_at": "2026-02-05T00:00:00Z", **m} for m in listed]
    return {
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"],
        "last_id": data[-1]["id"],
    }
