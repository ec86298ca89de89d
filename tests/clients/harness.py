"""What the client tests share: the proxy as a process, Claude Code as a process, and the score.

Every process is ended by its own handle. Nothing here sleeps to wait for something: the proxy
says when it listens, and a client that hangs is ended after a generous limit.
"""

import json
import os
import re
import subprocess
import tempfile
import threading
import traceback
from pathlib import Path

MODEL = "claude-sonnet-4-6"
GATEWAY_KEY = "gw-test-3b1f7c0d9a"
PROVIDER_KEY = "sk-provider-only-77aa"
STALE_KEY = "client-own-key-5e5e"

# The types of provider, and the model each is asked for.
UPSTREAM_MODELS = {
    "anthropic": "passthrough",
    "openai": "other/model-1",
    "openai-responses": "gpt-5.2",
    "gemini": "gemini-3-pro-preview",
}

# Clients usually need about a second; this only ends those that hang.
CLIENT_LIMIT = 60
START_LIMIT = 20

# Clients mostly wait, for their own start and for time-outs.
AT_ONCE = 3


class Score:
    """Counts and prints one line per case."""

    def __init__(self, only=""):
        self.only = only
        self.passed = 0
        self.failed = 0
        # Cases run side by side.
        self._lock = threading.Lock()

    def ok(self, name):
        with self._lock:
            self.passed += 1
            print(f"ok      {name}", flush=True)

    def fail(self, name, reason):
        with self._lock:
            self.failed += 1
            print(f"FAILED  {name}\n        " + reason.strip().replace("\n", "\n        "), flush=True)

    def case(self, name, run, *args):
        """Runs one case; an exception is its failure."""
        if self.only not in name:
            return
        try:
            run(*args)
        except Exception as fault:
            where = "" if isinstance(fault, AssertionError) and fault.args else traceback.format_exc()
            log = getattr(fault, "proxy_log", "")
            self.fail(name, f"{type(fault).__name__}: {fault}\n{where}{log}")
        else:
            self.ok(name)

    def merge(self, name, output, code):
        """Takes over the `ok - …` and `not ok - …` lines of another program."""
        lines = 0
        for line in output.splitlines():
            verdict, _, rest = line.partition(" - ")
            if verdict == "ok":
                self.ok(f"{name}: {rest}")
            elif verdict == "not ok":
                self.fail(f"{name}: {rest.split(' | ')[0]}", rest.replace("\\n", "\n"))
            else:
                continue
            lines += 1
        if lines == 0 or code not in (0, 1):
            self.fail(name, f"ended with {code} after {lines} cases: {output[-1500:]}")


class Proxy:
    """The binary under test, with a configuration of its own in a directory of its own."""

    def __init__(self, config=None, env=None):
        self.config = config
        self.env = env or {}

    def __enter__(self):
        self._home = tempfile.TemporaryDirectory(prefix="pointsman-clients-")
        command = [binary()]
        if self.config is not None:
            # JSON is YAML.
            path = Path(self._home.name, "config.yaml")
            path.write_text(json.dumps(self.config), encoding="utf-8")
            command += ["--config", str(path)]
        self._log = open(Path(self._home.name, "log"), "w+", encoding="utf-8")
        self._process = subprocess.Popen(
            command,
            cwd=self._home.name,
            env={"HOME": self._home.name, "PATH": "/usr/bin:/bin", **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        guard = threading.Timer(START_LIMIT, self._process.kill)
        guard.start()
        self.printed = ""
        self.url = None
        for line in self._process.stdout:
            self.printed += line
            if found := re.search(r"(?:listening on|demo at) (https?://127\.0\.0\.1:\d+)", line):
                self.url = found[1]
                break
        guard.cancel()
        if self.url is None:
            log = self.log()
            self._stop()
            raise RuntimeError(f"the proxy did not start: {self.printed}\n{log}")
        # A full pipe would stop the proxy.
        threading.Thread(target=self._process.stdout.read, daemon=True).start()
        return self

    def __exit__(self, kind, fault, trace):
        if fault is not None:
            fault.proxy_log = "\nlog of the proxy:\n" + self.log()
        self._stop()

    def _stop(self):
        # Killed rather than drained: a failed case may have left streams open.
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._home.cleanup()

    def log(self):
        """The end of what it wrote to its standard error."""
        self._log.flush()
        self._log.seek(0)
        return self._log.read()[-3000:]


def binary():
    return os.environ.get("POINTSMAN_BIN") or str(
        Path(__file__).resolve().parents[2] / "target/debug/pointsman"
    )


def provider(upstream, kind="anthropic", **more):
    """A provider entry for a scripted upstream."""
    entry = {
        "name": upstream.name,
        "type": kind,
        "base_url": upstream.url,
        "auth_type": "api_key",
        "auth_value": PROVIDER_KEY,
    }
    return entry | more


def config(*providers, model="passthrough", settings=None, auth=True, routes=None):
    """All names go to these providers, the first one first."""
    chain = [
        {"provider": p["name"], "model": model, "priority": n}
        for n, p in enumerate(providers, 1)
    ]
    value = {
        "providers": list(providers),
        "model_routes": routes or {"*": chain},
        "settings": {"host": "127.0.0.1", "port": 0, **(settings or {})},
    }
    if auth:
        value["auth"] = {"enabled": True, "api_key": GATEWAY_KEY}
    return value


class Claude:
    """Claude Code with a home and a working directory of its own."""

    def __init__(self, url, token=GATEWAY_KEY, env=None):
        self.url = url
        self.token = token
        self.extra = env or {}

    def __enter__(self):
        self._root = tempfile.TemporaryDirectory(prefix="claude-clients-")
        self.home = Path(self._root.name, "home")
        self.work = Path(self._root.name, "work")
        self.home.mkdir()
        self.work.mkdir()
        return self

    def __exit__(self, *_):
        self._root.cleanup()

    def ask(self, prompt, *options, limit=CLIENT_LIMIT):
        """One headless turn. `prompt` is a plan for the upstream or a text."""
        if isinstance(prompt, dict):
            prompt = "Go on. play:" + json.dumps(prompt)
        done = subprocess.run(
            [
                os.environ["CLAUDE_BIN"],
                "-p",
                "--dangerously-skip-permissions",
                "--model",
                MODEL,
                "--output-format",
                "stream-json",
                "--verbose",
                *options,
                prompt,
            ],
            cwd=self.work,
            env=self._env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
        )
        return Reply(done)

    def _env(self):
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_AUTH_TOKEN": self.token,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            # The client refuses to skip permissions as root outside a sandbox.
            "IS_SANDBOX": "1",
            **self.extra,
        }


class Reply:
    """What one headless run of Claude Code printed."""

    def __init__(self, done):
        self.code = done.returncode
        self.raw = done.stdout + done.stderr
        self.events = [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]
        results = [e for e in self.events if e.get("type") == "result"]
        self.text = results[-1].get("result", "") if results else ""
        self.failed = not results or results[-1].get("is_error", False)

    def retries(self):
        """What the client itself had to repeat."""
        return [e for e in self.events if e.get("subtype") == "api_retry"]

    def resumed(self):
        """Whether the client asked the model to go on after a cut answer."""
        return any("cut off mid-stream" in json.dumps(e) for e in self.events)


def header(call, name):
    """The value of a recorded header, or None."""
    return next((v for k, v in call["headers"] if k == name), None)


def no_leak(calls, *secrets):
    """No header and no body of these calls holds a credential of the client."""
    assert calls, "the upstream saw no call"
    for call in calls:
        text = json.dumps([call["path"], call["headers"], call["body"]])
        for secret in (GATEWAY_KEY, *secrets):
            assert secret not in text, f"{secret} reached {call['upstream']}: {call['headers']}"


def equal(found, wanted, what=""):
    assert found == wanted, f"{what}: found {found!r}, wanted {wanted!r}"


def contains(text, *parts):
    for part in parts:
        assert part in text, f"{part!r} is missing in {text!r}"
