"""Codex itself, headless, doing agentic loops through the proxy.

It speaks Responses only. Its home, its key and its provider are its own, and it is told to send nothing anywhere else.
"""

import json
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from harness import AT_ONCE
from harness import CLIENT_LIMIT
from harness import GATEWAY_KEY
from harness import UPSTREAM_MODELS
from harness import Proxy
from harness import config
from harness import contains
from harness import equal
from harness import no_leak
from harness import provider
from upstream import Upstream

MODEL = "gpt-5.2-codex"

SETTINGS = """
model = "{model}"
model_provider = "pointsman"
check_for_update_on_startup = false

[model_providers.pointsman]
name = "Pointsman"
base_url = "{url}/v1"
env_key = "POINTSMAN_KEY"
wire_api = "responses"
request_max_retries = 2
stream_max_retries = 2

[analytics]
enabled = false

[otel]
exporter = "none"
"""


def run(score):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for kind in UPSTREAM_MODELS:
            for case in (answers, loop, two_turns, cut_once, behind_overloaded):
                pool.submit(score.case, f"codex {kind}: {case.__name__}", case, kind)
        pool.submit(score.case, "codex with a wrong gateway key", wrong_key)


class Codex:
    """With a home and a working directory of its own."""

    def __init__(self, url, key=GATEWAY_KEY):
        self.url = url
        self.key = key

    def __enter__(self):
        # It refuses a home below the system's directory for temporary files.
        self._root = tempfile.TemporaryDirectory(prefix="codex-", dir=os.environ["CLIENTS_SCRATCH"])
        self.home = Path(self._root.name, "home")
        self.work = Path(self._root.name, "work")
        (self.home / ".codex").mkdir(parents=True)
        self.work.mkdir()
        settings = SETTINGS.format(model=MODEL, url=self.url)
        (self.home / ".codex/config.toml").write_text(settings, encoding="utf-8")
        return self

    def __exit__(self, *_):
        self._root.cleanup()

    def ask(self, plan, *resume):
        """One headless turn; the events it printed, and its last message."""
        out = self.home / "last.txt"
        flags = ["--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        command = [os.environ["CODEX_BIN"], "exec", *flags, "-o", str(out), *resume]
        done = subprocess.run(
            [*command, "Go on. play:" + json.dumps(plan)],
            cwd=self.work,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "CODEX_HOME": str(self.home / ".codex"),
                "POINTSMAN_KEY": self.key,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CLIENT_LIMIT,
        )
        self.printed = done.stdout + done.stderr
        self.code = done.returncode
        return out.read_text(encoding="utf-8") if out.exists() else ""


def pair(stack, kind, *firsts, **second):
    ups = [stack.enter_context(up) for up in firsts]
    ups.append(stack.enter_context(Upstream("well", **second)))
    for up in ups:
        up.translated = kind != "openai-responses"
    entries = [provider(up, kind) for up in ups]
    proxy = stack.enter_context(Proxy(config(*entries, model=UPSTREAM_MODELS[kind])))
    return stack.enter_context(Codex(proxy.url)), ups[-1]


def answers(kind):
    with ExitStack() as stack:
        codex, well = pair(stack, kind, Upstream("dead", dead=True))
        equal(codex.ask({"say": "All is well here."}), "All is well here.", codex.printed)
        equal(codex.code, 0, "exit code")
        equal(len(well.inference()), 1, "calls")
        no_leak(well.calls)


def loop(kind):
    """Two commands at the shell, the second one after the result of the first, then the end."""
    with ExitStack() as stack:
        codex, well = pair(stack, kind)
        first, second = (shell(f"echo mark-$(({n} + 2))") for n in (40, 50))
        said = codex.ask({"think": "first this, then that", "tools": [first, second]})
        contains(said, "well finished", "mark-42", "mark-52")
        equal(codex.code, 0, codex.printed)
        equal(len(well.inference()), 3, "calls")
        contains(codex.printed, '"type":"command_execution"')
        reasoning_came_back(kind, well.inference()[-1]["body"])


def shell(command):
    return {"name": "exec_command", "input": {"cmd": command}}


def reasoning_came_back(kind, body):
    if kind == "anthropic":
        turns = [m["content"] for m in body["messages"] if m["role"] == "assistant"]
        signed = [b for blocks in turns for b in blocks if b["type"] == "thinking"]
        assert len(signed) == 2 and all(b["signature"].startswith("sig+") for b in signed), turns
    if kind == "openai-responses":
        sealed = [i for i in body["input"] if i.get("encrypted_content")]
        equal(len(sealed), 2, "sealed reasoning")
    if kind == "gemini":
        parts = [p for c in body["contents"] for p in c["parts"] if "functionCall" in p]
        for part in parts:
            # Base64 of what scripted providers seal.
            assert re.match("WyJzY3JpcHRlZCI", part.get("thoughtSignature", "")), parts


def two_turns(kind):
    with ExitStack() as stack:
        codex, well = pair(stack, kind)
        codex.ask({"say": "The first answer.", "think": "a first, deep thought"})
        said = codex.ask({"say": "The second answer."}, "resume", "--last")
        equal(said, "The second answer.", codex.printed)
        contains(json.dumps(well.inference()[-1]["body"]), "The first answer.")


def cut_once(kind):
    """The stream breaks; Codex repeats."""
    with ExitStack() as stack:
        codex, well = pair(stack, kind, faults=["cut"])
        equal(codex.ask({"say": "All is well here, after all."}), "All is well here, after all.")
        equal(len(well.inference()), 2, "calls")


def behind_overloaded(kind):
    with ExitStack() as stack:
        codex, well = pair(stack, kind, Upstream("bad", fault="overloaded"))
        equal(codex.ask({"say": "All is well here."}), "All is well here.", codex.printed)
        assert "Reconnecting" not in codex.printed, codex.printed
        equal(len(well.inference()), 1, "calls")


def wrong_key():
    with ExitStack() as stack:
        well = stack.enter_context(Upstream("well"))
        proxy = stack.enter_context(Proxy(config(provider(well))))
        codex = stack.enter_context(Codex(proxy.url, key="nope"))
        codex.ask({})
        assert codex.code != 0, "a wrong key was accepted"
        contains(codex.printed, "401")
        equal(well.inference(), [], "calls")
