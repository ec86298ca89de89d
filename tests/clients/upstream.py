"""A scripted provider for the client tests: Anthropic Messages and OpenAI Chat Completions.

Standard library only. Used inside a test (`with Upstream(...) as up`) or by itself
(`python3 upstream.py --name a --record calls.jsonl`, prints its address, ends with its
standard input).

What it answers is decided by the request, so that any client in any language can ask for
anything: the newest user text may carry `play:{...}`, one JSON object with

  say     text of the final answer (default: names the upstream and quotes what it was told)
  think   a thinking block before the answer
  tools   [{name, input}, ...]: asked for one per turn; the final answer quotes the results
  status  an HTTP error instead of an answer, in the dialect's shape; with `message`, `code`
  cut     the stream breaks in the middle of the text

What is wrong with the upstream is decided by the test: `fault` for every inference call,
`faults` for the first ones (then it is well). Faults: `529`, `500`, any other status,
`stall` (no answer at all), `stall_head` (a head and nothing else), `cut` (reset in the middle
of the text), `cut_late` (after the last block, before the end), `end` (a clean end there), `break:TYPE` (an error event of that type there),
`too_long` (the dialect's 400 for it), `cut_head` (closed before any content), `overloaded` (an error event instead of content), `lie`
(a 200 whose JSON is an error). `dead=True` refuses connections.

A request the vendor would refuse is refused with its 400 (`strict.py`). Every request is kept in
`calls` and, if asked, appended to a JSON-lines file.
"""

import argparse
import hashlib
import json
import select
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import strict

# A stalled call is given up after this many seconds even if the client keeps waiting.
STALL_LIMIT = 60

# Larger bodies, in bytes, are left out of the record file; length and digest stay.
MAX_RECORDED = 1 << 20

ANTHROPIC_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

TOO_LONG = {
    "anthropic": "prompt is too long: 250000 tokens > 200000 maximum",
    "openai": "This model's maximum context length is 200000 tokens. "
    "However, you requested 250000 tokens.",
}

MODELS = [
    {"id": "claude-opus-4-6", "display_name": "Claude Opus 4.6"},
    {"id": "claude-sonnet-4-6", "display_name": "Claude Sonnet 4.6"},
    {"id": "claude-haiku-4-5", "display_name": "Claude Haiku 4.5"},
]


class Upstream:
    """One scripted provider on a loopback port of its own."""

    def __init__(self, name, fault=None, faults=(), dead=False, record=None):
        self.name = name
        self.fault = fault
        self.faults = list(faults)
        self.dead = dead
        self.record = record
        self.calls = []
        self._lock = threading.Lock()
        self._holder = None
        self._server = None

    def __enter__(self):
        if self.dead:
            # Bound but not listening: connections are refused and nobody else gets the port.
            self._holder = socket.socket()
            self._holder.bind(("127.0.0.1", 0))
            self.port = self._holder.getsockname()[1]
            return self
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.upstream = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        if self._holder:
            self._holder.close()
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def inference(self):
        """The calls that would have been paid for, in order of arrival."""
        with self._lock:
            return [c for c in self.calls if c["inference"]]

    def clear(self):
        with self._lock:
            self.calls.clear()

    def note(self, call):
        with self._lock:
            call["n"] = len(self.calls)
            self.calls.append(call)
            if self.record:
                kept = call if call["length"] < MAX_RECORDED else dict(call, body=None)
                with open(self.record, "a", encoding="utf-8") as file:
                    file.write(json.dumps(kept) + "\n")

    def next_fault(self):
        with self._lock:
            return self.faults.pop(0) if self.faults else self.fault


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # Dozens of clients connect at once; the library's five would refuse some.
    request_queue_size = 256

    def handle_error(self, request, client_address):
        # Clients that leave are part of the tests; everything else is a fault of this file.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Gone(Exception):
    """The connection is to be dropped without another byte."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def up(self):
        return self.server.upstream

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._note(b"", None, False)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self):
        self._note(b"", None, False)
        path = self.path.split("?")[0]
        anthropic = self.headers.get("anthropic-version") is not None
        if path == "/v1/models":
            self._json(200, model_list(anthropic))
        elif path.startswith("/v1/models/"):
            wanted = path.removeprefix("/v1/models/")
            for model in model_list(anthropic)["data"]:
                if model["id"] == wanted:
                    return self._json(200, model, anthropic)
            self._error(404, f"model: {wanted}", anthropic)
        else:
            self._error(404, "no such path", anthropic)

    def do_POST(self):
        raw = self._body()
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        path = self.path.split("?")[0]
        inference = path in ("/v1/messages", "/v1/chat/completions")
        self._note(raw, body, inference)
        anthropic = not path.endswith("/chat/completions")
        if body is None:
            return self._error(400, "the body is not JSON", anthropic)
        if path == "/v1/messages/count_tokens":
            return self._json(200, {"input_tokens": 7 + len(raw) // 4})
        if not inference:
            return self._error(404, "no such path", anthropic)
        try:
            self._answer(body, anthropic)
        except Gone:
            self._reset()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # The answer ------------------------------------------------------------------------

    def _answer(self, body, anthropic):
        fault = self.up.next_fault()
        play = plan_of(body, anthropic)
        if fault == "stall":
            return self._hold()
        if fault == "lie":
            return self._json(200, error_body(529, "scripted lie", anthropic), anthropic)
        if fault == "too_long":
            text = TOO_LONG["anthropic" if anthropic else "openai"]
            return self._error(400, text, anthropic, "context_length_exceeded")
        if fault and fault.isdigit():
            return self._error(int(fault), f"scripted {fault}", anthropic)
        if "status" in play:
            status = play["status"]
            message = play.get("message", f"scripted status {status}")
            return self._error(status, message, anthropic, play.get("code"))
        if anthropic and "thread" in body:
            return self._json(400, threads_refused())
        version = self.headers.get("anthropic-version", "") if anthropic else None
        if refusal := strict.complaint(body, version):
            return self._error(400, refusal, anthropic)
        if play.get("cut"):
            fault = "cut"
        turn = turn_of(play, body, anthropic, self.up.name)
        if not body.get("stream"):
            if fault and fault.startswith("cut"):
                raise Gone
            whole = anthropic_message if anthropic else openai_message
            return self._json(200, whole(body, turn), anthropic)
        self._stream(body, turn, anthropic, fault)

    def _stream(self, body, turn, anthropic, fault):
        self.send_response(200)
        self._common_headers(anthropic)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("cache-control", "no-cache")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        frames = anthropic_frames(body, turn) if anthropic else openai_frames(body, turn)
        if fault == "stall_head":
            return self._hold()
        if fault == "cut_head":
            self._chunk(frames[0])
            raise Gone
        if fault == "overloaded":
            self._chunk(frames[0])
            self._chunk(in_stream_error(anthropic, "overloaded_error"))
            self._chunk(b"")
            return
        for frame in frames[: shown(frames, fault)]:
            self._chunk(frame)
        if fault in ("cut", "cut_late"):
            raise Gone
        if fault and fault.startswith("break:"):
            self._chunk(in_stream_error(anthropic, fault.removeprefix("break:")))
        self._chunk(b"")

    def _chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _hold(self):
        """Says nothing until the other side leaves."""
        deadline = time.monotonic() + STALL_LIMIT
        while time.monotonic() < deadline:
            readable, _, _ = select.select([self.connection], [], [], 1)
            if readable and not self.connection.recv(1024):
                break
        raise Gone

    def _reset(self):
        """Ends the connection with a reset, as a dying machine does."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        except OSError:
            pass

    # Plumbing --------------------------------------------------------------------------

    def _body(self):
        if "chunked" not in (self.headers.get("transfer-encoding") or ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _note(self, raw, body, inference):
        self.up.note(
            {
                "upstream": self.up.name,
                "method": self.command,
                "path": self.path,
                "headers": [[k.lower(), v] for k, v in self.headers.items()],
                "inference": inference,
                "length": len(raw),
                "sha256": hashlib.sha256(raw).hexdigest(),
                "body": body,
            }
        )

    def _common_headers(self, anthropic):
        name = "request-id" if anthropic else "x-request-id"
        self.send_header(name, f"req_{self.up.name}_{len(self.up.calls)}")
        if anthropic:
            self.send_header("anthropic-ratelimit-requests-remaining", "41")

    def _json(self, status, value, anthropic=True, extra=()):
        data = json.dumps(value).encode()
        self.send_response(status)
        self._common_headers(anthropic)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for key, text in extra:
            self.send_header(key, text)
        self.end_headers()
        self.wfile.write(data)

    def _error(self, status, message, anthropic, code=None):
        extra = [("retry-after", "7")] if status == 429 else []
        self._json(status, error_body(status, message, anthropic, code), anthropic, extra)


# What is played ------------------------------------------------------------------------


def plan_of(body, anthropic):
    """The `play:{...}` of the newest user text that has one, or an empty plan."""
    for message in reversed(body.get("messages") or []):
        if message.get("role") != "user":
            continue
        for text in reversed(texts_of(message.get("content"))):
            if (start := text.find("play:{")) >= 0:
                play, _ = json.JSONDecoder().raw_decode(text[start + len("play:") :])
                return play
    return {}


def turn_of(play, body, anthropic, name):
    """The next move: {think?, tool? | text}."""
    messages = body.get("messages") or []
    results = results_since_plan(messages)
    tools = play.get("tools", []) if body.get("tools") else []
    turn = {"name": name, "step": len(results), "think": play.get("think")}
    if len(results) < len(tools):
        turn["tool"] = tools[len(results)]
    elif results:
        turn["text"] = f"{name} finished. The tools said: " + " | ".join(results)
    else:
        turn["text"] = play.get("say") or f"{name} heard: " + last_text(messages)[-80:]
    return turn


def results_since_plan(messages):
    """Texts of the tool results that came after the newest user text with a plan."""
    results = []
    for message in reversed(messages):
        content = message.get("content")
        if message.get("role") == "tool":
            results.append(" ".join(texts_of(content)))
        elif message.get("role") == "user":
            if isinstance(content, list):
                for block in reversed(content):
                    if block.get("type") == "tool_result":
                        results.append(" ".join(texts_of(block.get("content"))))
            if any("play:{" in text for text in texts_of(content)):
                break
    return results[::-1]


def texts_of(content):
    if isinstance(content, str):
        return [content]
    return [b.get("text", "") for b in content or [] if b.get("type") == "text"]


def last_text(messages):
    for message in reversed(messages):
        if message.get("role") == "user" and (texts := texts_of(message.get("content"))):
            return texts[-1]
    return ""


def shown(frames, fault):
    """How many frames of a stream go out under a fault of its middle or its end."""
    if fault == "cut_late":
        return len(frames) - 2
    if fault in ("cut", "end") or (fault or "").startswith("break:"):
        return len(frames) - 4
    return len(frames)


def pieces(text, size=12):
    """At least three pieces, so that a cut leaves a beginning."""
    size = max(1, min(size, len(text) // 3))
    return [text[i : i + size] for i in range(0, len(text), size)]


def signature(turn):
    """What the vendor would sign: only this upstream knows it, and it must come back whole."""
    return "sig+" + hashlib.sha256((turn["name"] + turn["think"]).encode()).hexdigest() + "/=="


# Anthropic Messages --------------------------------------------------------------------


def anthropic_blocks(turn):
    blocks = []
    if turn["think"]:
        blocks.append(
            {"type": "thinking", "thinking": turn["think"], "signature": signature(turn)}
        )
    if tool := turn.get("tool"):
        ident = f"toolu_{turn['name']}_{turn['step']:02}"
        blocks.append({"type": "tool_use", "id": ident, **tool})
    else:
        blocks.append({"type": "text", "text": turn["text"]})
    return blocks


def anthropic_message(body, turn):
    return {
        "id": f"msg_{turn['name']}_{turn['step']}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": anthropic_blocks(turn),
        "stop_reason": "tool_use" if turn.get("tool") else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 15},
    }


def anthropic_frames(body, turn):
    def frame(kind, **fields):
        data = json.dumps({"type": kind, **fields})
        return f"event: {kind}\ndata: {data}\n\n".encode()

    message = anthropic_message(body, turn)
    blocks, stop = message["content"], message["stop_reason"]
    start = dict(message, content=[], stop_reason=None, usage={"input_tokens": 25, "output_tokens": 1})
    frames = [frame("message_start", message=start), frame("ping")]
    for index, block in enumerate(blocks):
        empty, deltas = opened(block)
        frames.append(frame("content_block_start", index=index, content_block=empty))
        frames += [frame("content_block_delta", index=index, delta=delta) for delta in deltas]
        frames.append(frame("content_block_stop", index=index))
    frames.append(
        frame(
            "message_delta",
            delta={"stop_reason": stop, "stop_sequence": None},
            usage={"output_tokens": 15},
        )
    )
    frames.append(frame("message_stop"))
    return frames


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


# OpenAI Chat Completions ---------------------------------------------------------------


def openai_message(body, turn):
    message = {"role": "assistant", "content": turn.get("text")}
    if turn["think"]:
        message["reasoning_content"] = turn["think"]
    if tool := turn.get("tool"):
        message["tool_calls"] = [openai_call(turn, tool)]
    return {
        "id": f"chatcmpl-{turn['name']}-{turn['step']}",
        "object": "chat.completion",
        "created": 1767225600,
        "model": body.get("model"),
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if turn.get("tool") else "stop",
            }
        ],
        "usage": OPENAI_USAGE,
    }


def openai_call(turn, tool):
    function = {"name": tool["name"], "arguments": json.dumps(tool["input"])}
    return {"id": f"call_{turn['name']}_{turn['step']:02}", "type": "function", "function": function}


def openai_frames(body, turn):
    message = openai_message(body, turn)
    head = {k: message[k] for k in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def frame(delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps(head | {"choices": [choice]}).encode() + b"\n\n"

    frames = [frame({"role": "assistant", "content": ""})]
    frames += [frame({"reasoning_content": t}) for t in pieces(turn["think"] or "")]
    if tool := turn.get("tool"):
        call = openai_call(turn, tool)
        parts, function = pieces(call["function"]["arguments"]), call["function"]
        first = dict(call, index=0, function={"name": function["name"], "arguments": ""})
        frames.append(frame({"tool_calls": [first]}))
        frames += [
            frame({"tool_calls": [{"index": 0, "function": {"arguments": t}}]}) for t in parts
        ]
    else:
        frames += [frame({"content": t}) for t in pieces(turn["text"])]
    frames.append(frame({}, "tool_calls" if turn.get("tool") else "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        usage = head | {"choices": [], "usage": OPENAI_USAGE}
        frames.append(b"data: " + json.dumps(usage).encode() + b"\n\n")
    frames.append(b"data: [DONE]\n\n")
    return frames


OPENAI_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
OPENAI_USAGE = {"prompt_tokens": 25, "completion_tokens": 15, "total_tokens": 40}


# Errors and models ---------------------------------------------------------------------


def error_body(status, message, anthropic, code=None):
    if anthropic:
        kind = ANTHROPIC_ERRORS.get(status, "api_error")
        return {
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": "req_scripted",
        }
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = code or OPENAI_CODES.get(status)
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def threads_refused():
    """What a vendor without server-side threads says; clients look at the details."""
    body = error_body(400, "thread is not supported here", True)
    body["error"]["details"] = {"error_code": "thread_unsupported_request", "unsupported": []}
    return body


def in_stream_error(anthropic, kind):
    if anthropic:
        data = {"type": "error", "error": {"type": kind, "message": "scripted break"}}
        return f"event: error\ndata: {json.dumps(data)}\n\n".encode()
    data = {"error": {"message": "overloaded", "type": "server_error", "code": "server_is_overloaded"}}
    return f"data: {json.dumps(data)}\n\n".encode()


def model_list(anthropic):
    if anthropic:
        data = [{"type": "model", "created_at": "2026-02-05T00:00:00Z", **m} for m in MODELS]
        return {
            "data": data,
            "has_more": False,
            "first_id": data[0]["id"],
            "last_id": data[-1]["id"],
        }
    data = [
        {"id": m["id"], "object": "model", "created": 1767225600, "owned_by": "scripted"}
        for m in MODELS
    ]
    return {"object": "list", "data": data}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="solo")
    parser.add_argument("--record")
    parser.add_argument("--fault")
    parser.add_argument("--faults", default="")
    args = parser.parse_args()
    faults = [f for f in args.faults.split(",") if f]
    with Upstream(args.name, args.fault, faults, record=args.record) as up:
        print(f"listening on {up.url}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
