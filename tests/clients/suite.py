"""Starts upstreams and proxies, runs the official clients against them, keeps the score.

`tests/clients/run [TEXT]` prepares everything and calls this; with TEXT only cases whose name
contains it are run.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import claude_code
import demo
from harness import GATEWAY_KEY
from harness import MODEL
from harness import PROVIDER_KEY
from harness import Proxy
from harness import Score
from harness import config
from harness import provider
from upstream import Upstream

HERE = Path(__file__).parent
SDK_LIMIT = 90
STATUSES = (400, 401, 403, 404, 413, 429, 500, 503, 529)


def main():
    score = Score(sys.argv[1] if len(sys.argv) > 1 else "")
    sdks(score)
    claude_code.run(score)
    demo.run(score)
    print(f"{score.passed} passed, {score.failed} failed")
    raise SystemExit(1 if score.failed or not score.passed else 0)


def sdks(score):
    """The SDKs, each in a process of its own, against three proxies they share."""
    programs = {
        "python sdk": [os.environ["PYTHON_NEW"], str(HERE / "sdk_python.py")],
        "old python sdk": [os.environ["PYTHON_OLD"], str(HERE / "sdk_python.py")],
        "typescript sdk": ["node", str(Path(os.environ["NODE_DIR"], "sdk.mjs"))],
    }
    for name, command in programs.items():
        if score.only not in name and name not in score.only:
            continue
        with ExitStack() as stack:
            env, proxies = three_proxies(stack)
            try:
                done = subprocess.run(
                    command,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=SDK_LIMIT,
                )
                score.merge(name, done.stdout + done.stderr, done.returncode)
                if done.returncode:
                    for proxy in proxies:
                        print(f"log of a proxy of {name}:\n{proxy.log()}", file=sys.stderr)
            except subprocess.TimeoutExpired as fault:
                score.fail(name, f"{fault}: {(fault.stdout or b'')[-1500:]}")


def three_proxies(stack):
    """Environment that tells an SDK program where they are (see sdk_python.py), and them."""
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="clients-records-"))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": directory,
        "KEY": GATEWAY_KEY,
        "PROVIDER_KEY": PROVIDER_KEY,
    }

    def upstream(name, **more):
        record = Path(directory, f"{name}.jsonl")
        record.touch()
        return stack.enter_context(Upstream(name, record=record, **more))

    def start(setup):
        proxies.append(stack.enter_context(Proxy(setup)))
        return proxies[-1].url

    proxies = []
    dead = upstream("dead", dead=True)
    exact = {MODEL: None, "*": None}
    for side, kind, model in (("A", "anthropic", "passthrough"), ("B", "openai", "other/model-1")):
        alive = upstream(side.lower())
        chain = [
            {"provider": "dead", "model": "passthrough", "priority": 1},
            {"provider": alive.name, "model": model, "priority": 2},
        ]
        setup = config(provider(dead), provider(alive, kind), routes={k: chain for k in exact})
        env[f"PROXY_{side}"] = start(setup)
        env[f"RECORD_{side}"] = str(alive.record)
    single = upstream("s")
    env["PROXY_S"] = start(one_route_per_status(single))
    env["RECORD_S"] = str(single.record)
    return env, proxies


def one_route_per_status(upstream):
    """A provider per dialect, status and kind of call, so that one case does not open the
    circuit or cool the key of another."""
    providers, routes = [], {}
    for kind in ("anthropic", "openai"):
        for status in STATUSES:
            for call in ("false", "true", "long"):
                name = f"{kind}-{status}-{call}"
                providers.append(provider(upstream, kind, name=name))
                routes[name] = [{"provider": name, "model": "passthrough", "priority": 1}]
    return config(*providers, routes=routes)


if __name__ == "__main__":
    main()
