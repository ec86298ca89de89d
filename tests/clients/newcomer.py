"""A newcomer's first minutes: an empty directory, `pointsman init` at a real terminal, and Claude Code, which is
started as ever, is answered. Once with keys in the environment and once with a config.json of the worker proxy.

Nothing tells Claude Code where to go but the settings that init has changed.
"""

import json
import os
import pty
import re
import select
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from harness import CLIENT_LIMIT
from harness import MODEL
from harness import PROVIDER_KEY
from harness import START_LIMIT
from harness import binary
from harness import contains
from harness import equal
from harness import header
from upstream import Upstream

# What the documents promise, in seconds, from the first question to the answer.
TWO_MINUTES = 120


def run(score):
    score.case("newcomer with keys in the environment", with_keys)
    score.case("newcomer with a config.json", with_config_json)


class Newcomer:
    """A home, in which Claude Code has been started before, and an empty directory."""

    def __enter__(self):
        self._root = tempfile.TemporaryDirectory(prefix="newcomer-")
        self.home = Path(self._root.name, "home")
        self.work = Path(self._root.name, "work")
        (self.home / ".claude").mkdir(parents=True)
        self.work.mkdir()
        self._server = None
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "TERM": "xterm"}
        self.began = time.monotonic()
        return self

    def __exit__(self, *_):
        if self._server:
            self._server.kill()
            self._server.wait()
        self._root.cleanup()

    def init(self, answers):
        """Answers each question when it comes, in this order; what was shown."""
        here, there = pty.openpty()
        process = subprocess.Popen(
            [binary(), "init"],
            cwd=self.work,
            env=self.env,
            stdin=there,
            stdout=there,
            stderr=there,
        )
        os.close(there)
        shown, read = "", 0
        limit = time.monotonic() + CLIENT_LIMIT
        while time.monotonic() < limit:
            ready, _, _ = select.select([here], [], [], 0.2)
            if ready:
                try:
                    piece = os.read(here, 65536)
                except OSError:
                    break
                shown += piece.decode("utf-8", "replace")
            if answers and answers[0][0] in shown[read:]:
                read = len(shown)
                os.write(here, answers.pop(0)[1].encode() + b"\n")
        if process.poll() is None:
            process.kill()
        code = process.wait()
        os.close(here)
        assert code == 0 and not answers, f"code {code}, never asked: {answers}\n{shown}"
        return shown

    def serve(self):
        """`pointsman`, as the last lines of init say."""
        self._server = subprocess.Popen(
            [binary()],
            cwd=self.work,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        guard = threading.Timer(START_LIMIT, self._server.kill)
        guard.start()
        printed = ""
        for line in self._server.stdout:
            printed += line
            if "listening on" in line:
                break
        guard.cancel()
        assert "listening on" in printed, printed
        threading.Thread(target=self._server.stdout.read, daemon=True).start()

    def claude(self):
        """`claude`, with nothing said about where to go."""
        done = subprocess.run(
            [
                os.environ["CLAUDE_BIN"],
                "-p",
                "--dangerously-skip-permissions",
                "--model",
                MODEL,
                "Hello. play:" + json.dumps({"say": "Welcome, newcomer."}),
            ],
            cwd=self.work,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.home),
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "IS_SANDBOX": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CLIENT_LIMIT,
        )
        contains(done.stdout + done.stderr, "Welcome, newcomer.")
        took = time.monotonic() - self.began
        assert took < TWO_MINUTES, f"it took {took:.0f} s"

    def doctor(self):
        done = subprocess.run(
            [binary(), "doctor"], cwd=self.work, env=self.env, capture_output=True, text=True, timeout=CLIENT_LIMIT
        )
        equal(done.returncode, 0, f"the doctor's code\n{done.stdout}")
        contains(done.stdout, "Pointsman answers", "Claude Code comes here")
        assert PROVIDER_KEY not in done.stdout, done.stdout

    def only_shown_masked(self, shown, *files):
        assert PROVIDER_KEY not in shown, shown
        for name in files:
            assert PROVIDER_KEY not in (self.work / name).read_text(encoding="utf-8"), name


def with_keys():
    with ExitStack() as stack:
        well = stack.enter_context(Upstream("well"))
        me = stack.enter_context(Newcomer())
        me.env["WELL_API_KEY"] = PROVIDER_KEY
        shown = me.init(
            [
                ("Who answers, best first", f"well={well.url}"),
                ("What well speaks", ""),
                ("Where it listens", ""),
                ("Shall clients show a key", ""),
                ("Copy the keys", ""),
                ("Try each key now", ""),
                ("Connect Claude Code", ""),
                ("Write this?", ""),
            ]
        )
        contains(shown, "answers as", "is written, and passes")
        me.only_shown_masked(shown, "config.yaml")
        me.serve()
        me.claude()
        equal(header(well.inference()[-1], "x-api-key"), PROVIDER_KEY, "x-api-key")
        me.doctor()


def with_config_json():
    with ExitStack() as stack:
        well = stack.enter_context(Upstream("well", translated=True))
        me = stack.enter_context(Newcomer())
        old = {
            "upstream": [
                {
                    "name": "main",
                    "baseUrl": well.url + "/v1",
                    "apiKeys": [PROVIDER_KEY],
                    "serviceType": "openai",
                    "modelMapping": {"sonnet": "other/model-1", "haiku": "other/model-1"},
                }
            ],
            "currentUpstream": 0,
            "loadBalance": "failover",
        }
        (me.work / "config.json").write_text(json.dumps(old), encoding="utf-8")
        # Its documents' port is 3000; any free one here.
        (me.work / ".env").write_text(f"PORT={free_port()}\nPROXY_ACCESS_KEY=your-proxy-access-key\n", encoding="utf-8")
        shown = me.init(
            [
                ("Take config.json over", ""),
                ("Make a new one?", ""),
                ("Try each key now", ""),
                ("Connect Claude Code", ""),
                ("Write this?", ""),
            ]
        )
        me.only_shown_masked(shown, "config.yaml")
        key = re.search(r"PROXY_ACCESS_KEY=(\S+)", (me.work / ".env").read_text(encoding="utf-8"))[1]
        assert key.startswith("pmk-") and key not in shown, shown
        me.serve()
        me.claude()
        equal(header(well.inference()[-1], "authorization"), f"Bearer {PROVIDER_KEY}", "authorization")
        me.doctor()


def free_port():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]
