"""Claude Code itself, headless, doing agentic loops through the proxy.

What it does against the upstream directly is taken first (`Baseline`): through the proxy it has
to say the same and the upstream has to see the same.
"""

import json
import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from harness import AT_ONCE
from harness import GATEWAY_KEY
from harness import MODEL
from harness import PROVIDER_KEY
from harness import STALE_KEY
from harness import UPSTREAM_MODELS
from harness import Claude
from harness import Proxy
from harness import config
from harness import contains
from harness import equal
from harness import header
from harness import no_leak
from harness import provider
from upstream import Upstream

# Faults the first provider may have without the client noticing anything at all.
INVISIBLE = ["529", "500", "503", "429", "401", "cut_head", "stall", "stall_head"]

# Limits that make a stalled provider show within the time of a test.
IMPATIENT = {"first_byte": 1, "first_content": 1}


def run(score):
    direct = Baseline()
    score.case("claude code direct", direct.take)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, case, *args in cases(direct):
            pool.submit(score.case, f"claude code {name}", case, *args)


def cases(direct):
    """Name, function, arguments. What the dialect of a provider has no part in is tried with two."""
    for kind in UPSTREAM_MODELS:
        yield f"{kind}: loop behind a dead provider", loop_behind_dead, kind, direct
        yield f"{kind}: an image read from disk", image_read, kind
        yield f"{kind}: two turns with thinking", two_turns, kind
        yield f"{kind}: a sub-agent", sub_agent, kind
        yield f"{kind}: cut stream, finished elsewhere", cut_stream, kind, None
        yield f"{kind}: compacts when told the prompt is too long", compaction, kind
        yield f"{kind}: a web search of the vendor", web_search, kind
        yield f"{kind}: invisible overloaded", invisible, kind, "overloaded"
        yield f"{kind}: invisible lie", invisible, kind, "lie"
    for kind in ("anthropic", "openai"):
        for fault in INVISIBLE:
            yield f"{kind}: invisible {fault}", invisible, kind, fault
        yield f"{kind}: cut after thinking", cut_stream, kind, "a thought that is whole"
        yield f"{kind}: cut stream, one provider", cut_once, kind
        yield f"{kind}: failover behind pings", behind_pings, kind
        yield f"{kind}: a failure told in the stream", told_in_stream, kind
        yield f"{kind}: /context counts tokens", context, kind
    yield "runs a tool call that was whole before the cut", cut_after_tool_call
    for other in ("openai", "openai-responses", "gemini"):
        yield f"crosses from {other} in one conversation", crosses_dialects, other
    yield "with two credentials", two_credentials
    yield "with its own credential passed on", own_credential
    yield "with a wrong gateway key", wrong_key
    yield "one turn, prompt too long", too_long


class Baseline:
    """A loop without the proxy, and what the upstream saw of it."""

    def __init__(self):
        self._calls = None

    def take(self):
        if self._calls is None:
            with Upstream("direct") as up, Claude(up.url) as claude:
                reply = play_loop(claude, "direct")
                equal(reply.retries(), [], "repeats by the client")
                self._calls = up.inference()
        return self._calls


def play_loop(claude, name):
    """Bash, then Read, then the end; whatever is in between, the answer must be this."""
    note = claude.work / "note.txt"
    note.write_text("a line from the file\n", encoding="utf-8")
    reply = claude.ask(
        {
            "think": "first the shell, then the file",
            "tools": [
                {
                    "name": "Bash",
                    "input": {"command": "echo mark-$((40 + 2))", "description": "Say a mark"},
                },
                {"name": "Read", "input": {"file_path": str(note)}},
            ],
        }
    )
    fine(reply)
    contains(reply.text, f"{name} finished", "mark-42", "a line from the file")
    return reply


def fine(reply):
    assert reply.code == 0 and not reply.failed, reply.raw[-2000:]


def pair(stack, kind, *firsts, claude=None, second=None, timeouts=None, **more):
    """Providers in front, one that is well behind them, a proxy and a client. The one that is well has all
    the time of a busy machine."""
    ups = [stack.enter_context(up) for up in firsts]
    ups.append(stack.enter_context(Upstream("well", **(second or {}))))
    for up in ups:
        up.translated = kind != "anthropic"
    entries = [provider(up, kind, timeouts=timeouts or IMPATIENT) for up in ups]
    if timeouts is None:
        entries[-1] = provider(ups[-1], kind)
    proxy = stack.enter_context(Proxy(config(*entries, model=UPSTREAM_MODELS[kind], **more)))
    return proxy, stack.enter_context(Claude(proxy.url, **(claude or {}))), ups


def loop_behind_dead(kind, direct):
    with ExitStack() as stack:
        proxy, claude, (_, well) = pair(stack, kind, Upstream("dead", dead=True))
        reply = play_loop(claude, "well")
        equal(reply.retries(), [], "repeats by the client")
        calls = well.inference()
        equal(len(calls), 3, "calls")
        no_leak(well.calls, STALE_KEY)
        for call in calls:
            check_credentials(call, kind)
        if kind == "anthropic":
            for mine, plain in zip(calls, direct.take(), strict=True):
                same_request(mine, plain)
        elif kind == "openai":
            check_translated(calls)


def check_credentials(call, kind):
    name = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(kind, "authorization")
    value = f"Bearer {PROVIDER_KEY}" if name == "authorization" else PROVIDER_KEY
    equal(header(call, name), value, name)


def same_request(mine, plain):
    """The upstream sees what it would have seen without the proxy."""
    equal(mine["path"], plain["path"], "path")
    equal(list(mine["body"]), list(plain["body"]), "fields of the body, in order")
    contains(mine["body"]["system"][0]["text"], "x-anthropic-billing-header")
    for key in ("system", "tools"):
        equal(shape(mine["body"][key]), shape(plain["body"][key]), key)
    for key in ("model", "max_tokens", "thinking", "context_management", "output_config", "stream"):
        equal(mine["body"].get(key), plain["body"].get(key), key)
    equal(
        [[b["type"] for b in blocks(m)] for m in mine["body"]["messages"]],
        [[b["type"] for b in blocks(m)] for m in plain["body"]["messages"]],
        "blocks of the messages",
    )
    ours = {"accept-encoding", "authorization", "connection", "content-length", "host", "x-api-key"}
    varying = {"x-claude-code-session-id"}
    found = {k: v for k, v in mine["headers"] if k not in ours}
    wanted = {k: v for k, v in plain["headers"] if k not in ours}
    equal(set(found), set(wanted), "names of the headers")
    for name in set(wanted) - varying:
        equal(found[name], wanted[name], name)


def blocks(message):
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def shape(value):
    """A value with its texts cut to what does not depend on the directory or the day."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(v) for v in value]
    return value[:40] if isinstance(value, str) else value


def check_translated(calls):
    for call in calls:
        body = call["body"]
        equal(body["model"], UPSTREAM_MODELS["openai"], "model")
        equal(body["messages"][0]["role"], "system", "first role")
        assert {"Bash", "Read"} <= {t["function"]["name"] for t in body["tools"]}, body["tools"]
        assert "cache_control" not in json.dumps(body["messages"]), "cache_control"
    tail = calls[-1]["body"]["messages"]
    answered = [m["tool_call_id"] for m in tail if m["role"] == "tool"]
    asked = [c["id"] for m in tail for c in m.get("tool_calls") or []]
    equal(answered, asked, "ids of the tool calls")
    equal(len(asked), 2, "tool calls")


def invisible(kind, fault):
    """The first provider has this fault in every call; the client never learns of it."""
    with ExitStack() as stack:
        proxy, claude, (bad, well) = pair(stack, kind, Upstream("bad", fault=fault))
        reply = play_loop(claude, "well")
        equal(reply.retries(), [], "repeats by the client")
        assert not reply.resumed(), "the client saw a cut answer"
        equal(len(well.inference()), 3, "calls of the well one")
        assert bad.inference(), "the first provider was never asked"
        no_leak(bad.calls + well.calls)


def cut_stream(kind, think):
    """A cut is shown, the client repeats by itself, and the next provider answers."""
    with ExitStack() as stack:
        proxy, claude, (bad, well) = pair(stack, kind, Upstream("bad", fault="cut"))
        plan = {"say": "All is well here, said the scripted provider."}
        if think:
            plan["think"] = think
        reply = claude.ask(plan)
        fine(reply)
        contains(reply.text, "All is well here, said the scripted provider.")
        # Its circuit opens at the second error, so the client's repeat may still go there; the
        # repeat is not a stream, so nothing of it is shown and the next provider answers.
        assert len(bad.inference()) <= 2, f"{len(bad.inference())} calls of the cutting one"
        equal(len(well.inference()), 1, "calls of the well one")


def cut_after_tool_call():
    """The call is whole when the stream breaks. Told so in an orderly way the client runs it;
    a reset would make it throw the call away and pay for it again."""
    with ExitStack() as stack:
        proxy, claude, (only,) = pair(stack, "anthropic", second={"faults": ["cut_late"]})
        reply = play_loop(claude, "well")
        equal(reply.retries(), [], "repeats by the client")
        equal(len(only.inference()), 3, "calls")


def cut_once(kind):
    with ExitStack() as stack:
        proxy, claude, (only,) = pair(stack, kind, second={"faults": ["cut"]})
        reply = claude.ask({"say": "All is well here, said the scripted provider."})
        fine(reply)
        contains(reply.text, "All is well here, said the scripted provider.")
        equal(len(only.inference()), 2, "calls")


def behind_pings(kind):
    """The head and pings are out before the first provider turns out to be stalled."""
    with ExitStack() as stack:
        proxy, claude, (bad, well) = pair(
            stack,
            kind,
            Upstream("bad", fault="stall"),
            timeouts={"first_byte": 3, "first_content": 3},
            settings={"ping_after": 1, "ping_interval": 1},
        )
        reply = claude.ask({"say": "All is well here, said the scripted provider."})
        fine(reply)
        contains(reply.text, "All is well here, said the scripted provider.")
        equal(reply.retries(), [], "repeats by the client")
        equal((len(bad.inference()), len(well.inference())), (1, 1), "calls")


def told_in_stream(kind):
    """Nobody answered and pings are out: the error in the stream makes the client repeat."""
    with ExitStack() as stack:
        proxy, claude, (only,) = pair(
            stack,
            kind,
            second={"faults": ["stall"]},
            timeouts={"first_byte": 2, "first_content": 2},
            settings={"ping_after": 1, "ping_interval": 1, "max_attempts": 1},
        )
        reply = claude.ask({"say": "All is well here, said the scripted provider."})
        fine(reply)
        contains(reply.text, "All is well here, said the scripted provider.")
        equal(len(only.inference()), 2, "calls")


def context(kind):
    """`/context` counts every part of the prompt, dozens of calls at once."""
    with ExitStack() as stack:
        proxy, claude, (well,) = pair(stack, kind)
        reply = claude.ask("/context")
        fine(reply)
        contains(reply.text, "Context Usage")
        tokens = re.search(r"\*\*Tokens:\*\* ([\d.]+)k", reply.text)
        assert tokens and float(tokens[1]) > 5, reply.text[:300]
        equal(well.inference(), [], "paid calls")


def web_search(kind):
    """A request whose only tool runs at the vendor; other dialects have no such tool."""
    with ExitStack() as stack:
        proxy, claude, (well,) = pair(stack, kind)
        search = {"name": "WebSearch", "input": {"query": "what does a pointsman do"}}
        reply = claude.ask({"tools": [search]})
        fine(reply)
        contains(reply.text, "well finished", "what does a pointsman do")
        if kind == "anthropic":
            contains(json.dumps(well.inference()[1]["body"]["tools"]), "web_search_20")


def two_turns(kind):
    """The second turn brings the thinking of the first one back as it was."""
    with ExitStack() as stack:
        proxy, claude, (_, well) = pair(stack, kind, Upstream("dead", dead=True))
        fine(claude.ask({"think": "a first, deep thought", "say": "The first answer."}))
        second = claude.ask({"think": "another thought", "say": "The second answer."}, "--continue")
        fine(second)
        contains(second.text, "The second answer.")
        first, after = (c["body"] for c in well.inference())
        contains(json.dumps(turns_of(after)), "The first answer.")
        if kind == "anthropic":
            said = [m for m in after["messages"] if m["role"] == "assistant"]
            thinking = [b for m in said for b in blocks(m) if b["type"] == "thinking"]
            equal(len(thinking), 1, "thinking blocks")
            assert thinking[0]["signature"].startswith("sig+"), thinking
            assert thinking[0]["signature"].endswith("/=="), thinking
        assert len(turns_of(after)) > len(turns_of(first)), "no history"


def turns_of(body):
    """The conversation, whatever the dialect calls it."""
    return next(body[name] for name in ("messages", "input", "contents") if name in body)


def sub_agent(kind):
    """A sub-agent runs a loop of its own inside the loop."""
    inner = {"tools": [{"name": "Bash", "input": {"command": "echo inner-$((6 * 7))"}}]}
    task = {
        "description": "Look around",
        "prompt": "Go on. play:" + json.dumps(inner),
        "run_in_background": False,
    }
    with ExitStack() as stack:
        proxy, claude, (_, well) = pair(stack, kind, Upstream("dead", dead=True))
        reply = claude.ask({"tools": [{"name": "Agent", "input": task}]})
        fine(reply)
        contains(reply.text, "well finished", "inner-42")
        agents = {header(c, "x-claude-code-agent-id") for c in well.inference()}
        if kind == "anthropic":
            equal(len(agents), 2, "agents, the main one without an id")


def image_read(kind):
    with ExitStack() as stack:
        proxy, claude, (_, well) = pair(stack, kind, Upstream("dead", dead=True))
        picture = claude.work / "dot.png"
        picture.write_bytes(png(8, 8))
        reply = claude.ask({"tools": [{"name": "Read", "input": {"file_path": str(picture)}}]})
        fine(reply)
        contains(reply.text, "well finished")
        sent = json.dumps(turns_of(well.inference()[-1]["body"]))
        shapes = {"anthropic": '"type": "image"', "gemini": '"inlineData"'}
        contains(sent, shapes.get(kind, "data:image/png;base64,"))


def png(width, height):
    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    rows = (b"\0" + b"\x40\x80\xc0" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def crosses_dialects(kind):
    """The first turn goes to a provider of another dialect, and the second one back: thinking
    that the other provider left behind must not reach the Anthropic-type one."""
    with ExitStack() as stack:
        vendor = stack.enter_context(Upstream("vendor", faults=["529"]))
        other = stack.enter_context(Upstream("other"))
        chain = [
            {"provider": "vendor", "model": "passthrough", "priority": 1},
            {"provider": "other", "model": UPSTREAM_MODELS[kind], "priority": 2},
        ]
        setup = config(
            provider(vendor),
            provider(other, kind),
            routes={"*": chain},
            settings={"unhealthy_threshold": 100, "sticky_provider_duration": 0},
        )
        proxy = stack.enter_context(Proxy(setup))
        claude = stack.enter_context(Claude(proxy.url))
        fine(claude.ask({"think": "a thought of the other one", "say": "First answer."}))
        equal(len(other.inference()), 1, "calls of the other one")
        # A provider that refused one call is asked again, at the latest when the other one fails.
        other.fault = "500"
        second = claude.ask({"say": "Second answer."}, "--continue")
        fine(second)
        contains(second.text, "Second answer.")
        history = vendor.inference()[-1]["body"]["messages"]
        contains(json.dumps(history), "First answer.")
        left = [b for m in history for b in blocks(m) if b["type"] == "thinking"]
        equal(left, [], "thinking the vendor never signed")


def two_credentials():
    """The gateway key as a custom header beside a credential of the client's own."""
    env = {"ANTHROPIC_CUSTOM_HEADERS": f"x-api-key: {GATEWAY_KEY}"}
    with ExitStack() as stack:
        proxy, claude, (well,) = pair(stack, "anthropic", claude={"token": STALE_KEY, "env": env})
        fine(claude.ask({"say": "Welcome."}))
        no_leak(well.calls, STALE_KEY)


def own_credential():
    """`auth_type: passthrough`: the developer's login goes through, and only there."""
    with ExitStack() as stack:
        well = stack.enter_context(Upstream("well"))
        entry = {"name": "well", "type": "anthropic", "base_url": well.url, "auth_type": "passthrough"}
        proxy = stack.enter_context(Proxy(config(entry, auth=False)))
        claude = stack.enter_context(Claude(proxy.url, token=STALE_KEY))
        fine(claude.ask({"say": "Welcome."}))
        for call in well.inference():
            equal(header(call, "authorization"), f"Bearer {STALE_KEY}", "authorization")


def wrong_key():
    with ExitStack() as stack:
        proxy, claude, (well,) = pair(stack, "anthropic", claude={"token": "nope"})
        reply = claude.ask("Hello.")
        assert reply.failed, "a wrong key was accepted"
        equal(reply.retries(), [], "repeats of a refused key")
        contains(reply.text, "401")
        equal(well.inference(), [], "calls")


def too_long():
    """A conversation of one turn cannot be compacted: the client must say the same as directly."""

    def outcome(url):
        with Claude(url) as claude:
            reply = claude.ask("Hello.")
            return reply.failed, reply.text

    with ExitStack() as stack:
        well = stack.enter_context(Upstream("well", fault="too_long"))
        wanted, direct = outcome(well.url), len(well.inference())
        well.clear()
        proxy = stack.enter_context(Proxy(config(provider(well))))
        equal(outcome(proxy.url), wanted, "what the client says")
        equal(len(well.inference()), direct, "calls")


def compaction(kind):
    """The client recognises a conversation that grew too long, compacts it, and goes on."""
    with ExitStack() as stack:
        proxy, claude, (well,) = pair(stack, kind)
        fine(claude.ask({"say": "First answer. " * 20}))
        fine(claude.ask({"say": "Second answer. " * 20}, "--continue"))
        well.clear()
        well.faults = ["too_long"]
        third = claude.ask({"say": "Third answer."}, "--continue")
        fine(third)
        contains(third.text, "Third answer.")
        contains(third.raw, '"subtype":"compact_boundary"')
        refused, *_, again = [len(turns_of(c["body"])) for c in well.inference()]
        assert again < refused, "the conversation was not compacted"
