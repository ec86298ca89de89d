"""Gemini `generateContent`, as a scripted provider of the third generation speaks it: calls are signed,
and a call that comes back without its signature is refused."""

import json

import strict_gemini
from play import pieces
from play import seal

NAME = "gemini"
PATH = "/v1beta/models/"
REQUEST_ID = "x-goog-request-id"
HEADERS = []
TOO_LONG = (
    "The input token count (250000) exceeds the maximum number of tokens allowed (200000)."
)
HEAD, LATE, MIDDLE = 0, 1, 2

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def transcript(body):
    for content in body.get("contents") or []:
        parts = content.get("parts") or []
        for part in parts:
            if "functionResponse" in part:
                yield "result", [said(part["functionResponse"].get("response"))]
        texts = [p["text"] for p in parts if "text" in p and not p.get("thought")]
        yield {"model": "assistant"}.get(content.get("role"), "user"), texts


def said(response):
    """The text of a result: one of the documented keys, or the object itself."""
    for key in ("output", "result", "error"):
        if isinstance(response, dict) and isinstance(response.get(key), str):
            return response[key]
    return json.dumps(response)


def streams(path, body):
    return ":streamGenerateContent" in path


def complaint(body, call):
    if streams(call.path, body) and "alt=sse" not in call.path:
        return "this provider streams with alt=sse only"
    model = call.path.split("?")[0].removeprefix(PATH).partition(":")[0]
    return next(strict_gemini.complaints(body, model), None)


def parts(turn):
    """The last one carries the signature if nothing was called."""
    out = []
    if turn.think:
        out += [{"text": t, "thought": True} for t in pieces(turn.think)]
    for index, call in enumerate(turn.calls):
        part = {"functionCall": {"name": call["name"], "args": call["input"]}}
        if index == 0:
            part["thoughtSignature"] = seal("thought", call["name"], turn.proof())
        out.append(part)
    if turn.text and not turn.refuse:
        out += [{"text": t} for t in pieces(turn.text)]
        out.append({"text": "", "thoughtSignature": seal("thought", None, turn.proof())})
    return out


def usage(turn):
    value = {"promptTokenCount": 25, "totalTokenCount": 40}
    value |= {"candidatesTokenCount": 15 - turn.thoughts()}
    if turn.think:
        value["thoughtsTokenCount"] = turn.thoughts()
    return value


def answer(body, turn, parts, finish=None):
    candidate = {"index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": parts}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": usage(turn),
        "modelVersion": "gemini-3-pro-preview",
        "responseId": f"resp-{turn.name}-{turn.step}",
    }


def finish(turn):
    return "SAFETY" if turn.refuse else "MAX_TOKENS" if turn.length else "STOP"


def whole(body, turn):
    return answer(body, turn, parts(turn), finish(turn))


def frames(body, turn):
    every = parts(turn)
    # Calls of one turn come together, texts piece by piece.
    calls = [part for part in every if "functionCall" in part]
    groups = [[part] for part in every if "functionCall" not in part and part.get("text") != ""]
    groups += [calls] if calls else []
    out = [answer(body, turn, group) for group in groups]
    out.append(answer(body, turn, [p for p in every if p.get("text") == ""], finish(turn)))
    return [b"data: " + json.dumps(value).encode() + b"\r\n\r\n" for value in out]


def error(status, message, code=None):
    name = STATUSES.get(status, "UNAVAILABLE" if status >= 500 else "INVALID_ARGUMENT")
    value = {"code": status, "message": message, "status": name}
    if status == 429:
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        value["details"] = [{"@type": kind, "retryDelay": "7s"}]
    return {"error": value}


def broken(kind):
    data = error(503, "The model is overloaded. Please try again later.")
    return f"data: {json.dumps(data)}\r\n\r\n".encode()


def models(listed):
    return {"models": [{"name": f"models/{m['id']}"} for m in listed]}
