"""The demo: the binary without configuration, without keys, in an empty directory.

One of its two simulated providers fails every third call; nobody may notice.
"""

from harness import MODEL
from harness import Claude
from harness import Proxy
from harness import contains


def run(score):
    try:
        # Any free port: somebody may already try the demo on this machine.
        proxy = Proxy(env={"PORT": "0"}).__enter__()
    except Exception as fault:
        if score.only in "demo starts":
            score.fail("demo starts", str(fault))
        return
    try:
        for case in (answers_sdk, six_in_a_row, answers_claude_code, runs_a_tool):
            score.case(f"demo {case.__name__}", case, proxy.url)
    finally:
        proxy.__exit__(None, None, None)


def sdk(url):
    # Imported late: only this needs the SDK in the suite's own process.
    from anthropic import Anthropic

    return Anthropic(api_key="anything", base_url=url, max_retries=0, timeout=30)


def fields():
    messages = [{"role": "user", "content": "Hello, who are you?"}]
    return {"model": MODEL, "max_tokens": 200, "messages": messages}


def answers_sdk(url):
    client = sdk(url)
    message = client.messages.create(**fields())
    assert message.content[0].text, message
    with client.messages.stream(**fields()) as stream:
        parts = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(parts) > 1 and final.stop_reason == "end_turn", final
    counted = client.messages.count_tokens(
        model=fields()["model"], messages=fields()["messages"]
    )
    assert counted.input_tokens > 3, counted
    assert list(client.models.list()), "the demo lists no model"


def six_in_a_row(url):
    client = sdk(url)
    attempts = []
    for number in range(1, 7):
        raw = client.messages.with_raw_response.create(**fields())
        assert raw.parse().content[0].text, number
        attempts.append(raw.headers["x-pointsman-attempts"])
        with client.messages.stream(**fields()) as stream:
            assert stream.get_final_message().content[0].text, number
    assert "2" in attempts, f"no call failed over, so nothing was shown: {attempts}"


def answers_claude_code(url):
    with Claude(url, token="anything") as claude:
        for _ in range(3):
            reply = claude.ask("Hello, who are you?")
            assert reply.code == 0 and not reply.failed and reply.text, reply.raw[-1500:]
            assert not reply.retries(), reply.retries()
            contains(reply.raw, '"type":"result"')


def runs_a_tool(url):
    """What the demo's own text invites to: "use the tool" makes the client run a command."""
    with Claude(url, token="anything") as claude:
        reply = claude.ask("Please use the tool.")
        assert reply.code == 0 and not reply.failed and reply.text, reply.raw[-1500:]
        contains(reply.raw, '"type":"tool_use"', '"type":"tool_result"')
