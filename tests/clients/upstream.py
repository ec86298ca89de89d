"""A scripted provider for the client tests, in every dialect a provider may speak: Anthropic Messages,
OpenAI Chat Completions, OpenAI Responses and Gemini (`speak_*.py`), told apart by the path.

Used inside a test (`with Upstream(...) as up`) or by itself
(`python3 upstream.py --name a --record calls.jsonl`, prints its address, ends with its
standard input).

What it answers is decided by the request, so that any client in any language can ask for
anything: the newest user text may carry `play:{...}`, one JSON object with

  say     text of the final answer (default: names the upstream and quotes what it was told)
  think   a thinking block before the answer
  tools   [{name, input}, ...]: asked for one per turn, a list of calls at once; the final answer
          quotes the results
  refuse  the model refuses (with `say` where the dialect has words for it)
  length  the answer ends for want of tokens
  status  an HTTP error instead of an answer, in the dialect's shape; with `message`, `code`
  cut     the stream breaks in the middle of the text

What is wrong with the upstream is decided by the test: `fault` for every inference call,
`faults` for the first ones (then it is well). Faults: `529`, `500`, any other status,
`stall` (no answer at all), `stall_head` (a head and nothing else), `cut` (reset in the middle
of the text), `cut_late` (after the last block, before the end), `end` (a clean end there), `break:TYPE` (an error event of that type there),
`too_long` (the dialect's 400 for it), `cut_head` (closed before any content), `overloaded` (an error event instead of content), `lie`
(a 200 whose JSON is an error). `dead=True` refuses connections.

A request the vendor would refuse is refused with its 400 (`strict*.py`), with `translated=True` also
one with anything in it that the vendor's own types do not know. Every request is kept in `calls` and,
if asked, appended to a JSON-lines file.
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

import speak_anthropic
import speak_chat
import speak_gemini
import speak_responses
from play import plan_of
from play import turn_of

DIALECTS = (speak_anthropic, speak_chat, speak_responses, speak_gemini)

# A stalled call is given up after this many seconds even if the client keeps waiting.
STALL_LIMIT = 60

# Larger bodies, in bytes, are left out of the record file; length and digest stay.
MAX_RECORDED = 1 << 20

MODELS = [
    {"id": "claude-opus-4-6", "display_name": "Claude Opus 4.6"},
    {"id": "claude-sonnet-4-6", "display_name": "Claude Sonnet 4.6"},
    {"id": "claude-haiku-4-5", "display_name": "Claude Haiku 4.5"},
]


class Upstream:
    """One scripted provider on a loopback port of its own."""

    def __init__(self, name, fault=None, faults=(), dead=False, record=None, translated=False):
        self.name = name
        self.fault = fault
        self.faults = list(faults)
        self.dead = dead
        self.record = record
        self.translated = translated
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

    def header(self, name):
        return self.headers.get(name)

    @property
    def translated(self):
        return self.up.translated

    def do_HEAD(self):
        self._note(b"", None, False)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self):
        self._note(b"", None, False)
        path = self.path.split("?")[0]
        self.speak = speak_chat
        if self.header("anthropic-version") is not None:
            self.speak = speak_anthropic
        elif path.startswith("/v1beta/"):
            self.speak = speak_gemini
        if path in ("/v1/models", "/v1beta/models"):
            self._json(200, self.speak.models(MODELS))
        elif path.startswith("/v1/models/"):
            wanted = path.removeprefix("/v1/models/")
            for model in self.speak.models(MODELS)["data"]:
                if model["id"] == wanted:
                    return self._json(200, model)
            self._error(404, f"model: {wanted}")
        else:
            self._error(404, "no such path")

    def do_POST(self):
        raw = self._body()
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        self.path_only = self.path.split("?")[0]
        self.speak = dialect_of(self.path_only)
        inference = self.speak is not None
        self._note(raw, body, inference)
        self.speak = self.speak or speak_anthropic
        if body is None:
            return self._error(400, "the body is not JSON")
        if self.path_only == "/v1/messages/count_tokens":
            return self._json(200, {"input_tokens": 7 + len(raw) // 4})
        if self.path_only.endswith(":countTokens"):
            return self._json(200, {"totalTokens": 7 + len(raw) // 4})
        if not inference:
            return self._error(404, "no such path")
        try:
            self._answer(body)
        except Gone:
            self._reset()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # The answer ------------------------------------------------------------------------

    def _answer(self, body):
        fault, speak = self.up.next_fault(), self.speak
        transcript = list(speak.transcript(body))
        play = plan_of(transcript)
        if fault == "stall":
            return self._hold()
        if fault == "lie":
            return self._json(200, speak.error(529, "scripted lie"))
        if fault == "too_long":
            return self._error(400, speak.TOO_LONG, "context_length_exceeded")
        if fault and fault.isdigit():
            return self._error(int(fault), f"scripted {fault}")
        if "status" in play:
            status = play["status"]
            message = play.get("message", f"scripted status {status}")
            return self._error(status, message, play.get("code"))
        if refusal := speak.complaint(body, self):
            return self._error(400, refusal)
        if play.get("cut"):
            fault = "cut"
        turn = turn_of(play, transcript, bool(body.get("tools")), self.up.name)
        if not speak.streams(self.path, body):
            if fault and fault.startswith("cut"):
                raise Gone
            return self._json(200, speak.whole(body, turn))
        self._stream(body, turn, fault)

    def _stream(self, body, turn, fault):
        self.send_response(200)
        self._common_headers()
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("cache-control", "no-cache")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        frames = self.speak.frames(body, turn)
        if fault == "stall_head":
            return self._hold()
        if fault in ("cut_head", "overloaded"):
            for frame in frames[: self.speak.HEAD]:
                self._chunk(frame)
            if fault == "cut_head":
                raise Gone
            self._chunk(self.speak.broken("overloaded_error"))
            self._chunk(b"")
            return
        for frame in frames[: shown(frames, fault, self.speak)]:
            self._chunk(frame)
        if fault in ("cut", "cut_late"):
            raise Gone
        if fault and fault.startswith("break:"):
            self._chunk(self.speak.broken(fault.removeprefix("break:")))
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

    def _common_headers(self):
        self.send_header(self.speak.REQUEST_ID, f"req_{self.up.name}_{len(self.up.calls)}")
        for name, value in self.speak.HEADERS:
            self.send_header(name, value)

    def _json(self, status, value, extra=()):
        data = json.dumps(value).encode()
        self.send_response(status)
        self._common_headers()
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for key, text in extra:
            self.send_header(key, text)
        self.end_headers()
        self.wfile.write(data)

    def _error(self, status, message, code=None):
        extra = [("retry-after", "7")] if status == 429 else []
        self._json(status, self.speak.error(status, message, code), extra)


def dialect_of(path):
    """Who speaks at this path; None for what is no inference."""
    for speak in DIALECTS:
        if path == speak.PATH:
            return speak
    if path.startswith(speak_gemini.PATH) and path.endswith("enerateContent"):
        return speak_gemini
    return None


# Faults in a stream ------------------------------------------------------------------


def shown(frames, fault, speak):
    """How many frames of a stream go out under a fault of its middle or its end."""
    if fault == "cut_late":
        return len(frames) - speak.LATE
    if fault in ("cut", "end") or (fault or "").startswith("break:"):
        return len(frames) - speak.MIDDLE
    return len(frames)


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
