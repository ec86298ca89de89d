"""Starts upstreams and proxies, runs the official clients against them, keeps the score.

`tests/clients/run [TEXT]` prepares everything and calls this; with TEXT only cases whose name
contains it are run.
"""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import authority
import claude_code
import codex
import demo
import newcomer
from harness import AT_ONCE
from harness import GATEWAY_KEY
from harness import MODEL
from harness import PROVIDER_KEY
from harness import UPSTREAM_MODELS
from harness import Proxy
from harness import Score
from harness import config
from harness import provider
from upstream import Upstream

HERE = Path(__file__).parent
SDK_LIMIT = 150
SIDES = {letter: pair for letter, pair in zip("ABRG", UPSTREAM_MODELS.items(), strict=True)}
STATUSES = (400, 401, 403, 404, 413, 429, 500, 503, 529)


def main():
    score = Score(sys.argv[1] if len(sys.argv) > 1 else "")
    sdks(score)
    over_tls(score)
    claude_code.run(score)
    codex.run(score)
    demo.run(score)
    newcomer.run(score)
    print(f"{score.passed} passed, {score.failed} failed")
    raise SystemExit(1 if score.failed or not score.passed else 0)


def sdks(score):
    """The SDKs, each in a process of its own, against proxies of its own."""
    new, node = os.environ["PYTHON_NEW"], Path(os.environ["NODE_DIR"])
    programs = {
        "python sdk": ([new, str(HERE / "sdk_python.py")], False),
        "old python sdk": ([os.environ["PYTHON_OLD"], str(HERE / "sdk_python.py")], False),
        "typescript sdk": (["node", str(node / "sdk.mjs")], False),
        "openai python sdk": ([new, str(HERE / "openai_python.py")], True),
        "openai typescript sdk": (["node", str(node / "openai.mjs")], True),
        "langchain": ([new, str(HERE / "langchain_python.py")], True),
        "ai sdk": (["node", str(node / "ai_sdk.mjs")], True),
    }
    wanted = [n for n in programs if score.only in n or n in score.only]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda name: sdk(score, name, *programs[name]), wanted):
            pass


def sdk(score, name, command, openai):
    with ExitStack() as stack:
        env, proxies = proxies_for(stack, openai)
        run_sdk(score, name, command, env, proxies)


def run_sdk(score, name, command, env, proxies):
    """One program, and its lines for the score."""
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


def over_tls(score):
    """The Python SDKs against a listener with a certificate of a private authority."""
    name = "sdks over tls"
    if score.only not in name and name not in score.only:
        return
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clients-tls-")))
        authority.make(directory)
        alive = stack.enter_context(Upstream("a", record=directory / "a.jsonl"))
        setup = config(provider(alive))
        # No other listener.
        del setup["settings"]["host"], setup["settings"]["port"]
        pair = {"cert": str(directory / "cert.pem"), "key": str(directory / "key.pem")}
        setup["listeners"] = [{"address": "127.0.0.1:0", "tls": {"certificates": [pair]}}]
        proxy = stack.enter_context(Proxy(setup))
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PYTHONDONTWRITEBYTECODE": "1",
            "KEY": GATEWAY_KEY,
            "PROXY": proxy.url,
            "SSL_CERT_FILE": str(directory / "ca.pem"),
        }
        run_sdk(score, name, [os.environ["PYTHON_NEW"], str(HERE / "tls_python.py")], env, [proxy])


def proxies_for(stack, openai):
    """Environment that tells an SDK program where they are (see sdk_python.py), and them. Clients of an
    OpenAI dialect keep to their own SDK's types, so the upstreams hold all of their requests to them."""
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="clients-records-"))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": directory,
        "KEY": GATEWAY_KEY,
        "PROVIDER_KEY": PROVIDER_KEY,
        "PYTHONDONTWRITEBYTECODE": "1",
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
    for side, (kind, model) in SIDES.items():
        alive = upstream(side.lower(), translated=openai or side != "A")
        chain = [
            {"provider": "dead", "model": model, "priority": 1},
            {"provider": alive.name, "model": model, "priority": 2},
        ]
        setup = config(provider(dead, kind), provider(alive, kind), routes={k: chain for k in exact})
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
    for kind in UPSTREAM_MODELS:
        for status in STATUSES:
            for call in ("false", "true", "long", "r-false", "r-true", "r-long"):
                name = f"{kind}-{status}-{call}"
                providers.append(provider(upstream, kind, name=name))
                routes[name] = [{"provider": name, "model": "passthrough", "priority": 1}]
    return config(*providers, routes=routes)


if __name__ == "__main__":
    main()
