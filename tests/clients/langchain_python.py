"""LangChain against the proxy, with both vendors' classes: streamed text, and a loop with a tool.

Same environment and same report as sdk_python.py.
"""

import os

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from reporting import planned
from reporting import report

MODEL = "claude-sonnet-4-6"
KEY = os.environ["KEY"]
LOOP = {"tools": [{"name": "add", "input": {"a": 2, "b": 40}}], "think": "I should add them"}


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


def models(base):
    common = {"model": MODEL, "api_key": KEY, "max_retries": 0}
    chat = ChatOpenAI(base_url=f"{base}/v1", stream_usage=True, **common)
    responses = ChatOpenAI(
        base_url=f"{base}/v1",
        use_responses_api=True,
        store=False,
        include=["reasoning.encrypted_content"],
        **common,
    )
    messages = ChatAnthropic(base_url=base, max_tokens=1000, **common)
    return {"chat": chat, "responses": responses, "messages": messages}


def streamed_text(model):
    chunks = list(model.stream(planned({"say": "piece by piece by piece"})))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.text == "piece by piece by piece" and len(chunks) > 2, chunks
    assert whole.usage_metadata["output_tokens"] == 15, whole.usage_metadata


def tool_loop(model, streaming):
    model = model.bind_tools([add])
    messages = [HumanMessage(planned(LOOP))]
    for _ in range(2):
        if streaming:
            answer = None
            for chunk in model.stream(messages):
                answer = chunk if answer is None else answer + chunk
        else:
            answer = model.invoke(messages)
        messages.append(answer)
        for call in answer.tool_calls:
            messages.append(ToolMessage(str(add.invoke(call["args"])), tool_call_id=call["id"]))
    assert answer.text.endswith("finished. The tools said: 42"), answer


def main():
    failed = 0
    for side in "ABRG":
        for name, model in models(os.environ[f"PROXY_{side}"]).items():
            failed += report(f"{side} {name} streamed_text", streamed_text, model)
            for streaming in (False, True):
                failed += report(f"{side} {name} tool_loop {streaming}", tool_loop, model, streaming)
    raise SystemExit(1 if failed else 0)


main()
