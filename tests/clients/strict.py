"""What the vendors refuse, as far as a translated or edited request could get it wrong.

`anthropic(body, version, translated)` and `chat(body, translated)` give the texts of the vendor's 400,
the first one first; `version` is the `anthropic-version` header. The upstream is as strict as the real
ones so that a wrong translation fails a test instead of a customer. What a translation wrote may hold
nothing but what the vendor's own types say; what a client wrote itself may be newer than those.
"""

import re

from anthropic.types.beta.message_create_params import MessageCreateParamsBase
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

import schema

OLD_VERSION = "2023-06-01"

# Fields of the other dialect that a translation might leave behind.
FOREIGN_TO_OPENAI = {
    "cache_control",
    "container",
    "context_management",
    "mcp_servers",
    "output_config",
    "stop_sequences",
    "system",
    "thinking",
    "thread",
}
FOREIGN_TO_ANTHROPIC = {"frequency_penalty", "max_completion_tokens", "stop", "stream_options"}

OPENAI_PARTS = {"text", "image_url", "file", "input_audio", "refusal"}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# Of any scripted upstream: providers that resell one vendor accept each other's.
SIGNATURE = re.compile(r"sig\+[0-9a-f]{64}/==")


# What providers beside OpenAI take, and OpenAI does not know.
COMPATIBLE = {"reasoning_content", "reasoning", "reasoning_details"}
# What OpenAI's own SDK leaves in a message of an answer, and OpenAI takes back.
ECHOED = {"annotations", "index", "parsed", "parsed_arguments"}


def chat(body, translated):
    if translated:
        fields = {k: v for k, v in body.items() if k != "stream"}
        yield from schema.faults(fields, CompletionCreateParamsBase, allow=COMPATIBLE | ECHOED)
    for field in FOREIGN_TO_OPENAI & set(body):
        yield f"Unrecognized request argument supplied: {field}"
    if "model" not in body or not body.get("messages"):
        yield "you must provide a model parameter and messages"
    if "tools" in body and not body["tools"]:
        yield "[] is too short - 'tools'"
    for field in ("tool_choice", "parallel_tool_calls"):
        if field in body and not body.get("tools"):
            yield f"'{field}' is only allowed when 'tools' are specified."
    names = set()
    for tool in body.get("tools") or []:
        function = tool.get("function") or {}
        names.add(function.get("name"))
        if not NAME.fullmatch(function.get("name") or ""):
            yield f"Invalid tool: {tool}"
        if function.get("parameters", {}).get("type", "object") != "object":
            yield f"Invalid schema for function '{function['name']}'"
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("function", {}).get("name") not in names:
        yield f"tool_choice names an unknown function: {choice}"
    if "stream_options" in body and not body.get("stream"):
        yield "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    yield from openai_messages(body.get("messages") or [])


def openai_messages(messages):
    waiting = []
    for number, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                yield f"messages.[{number}]: role 'tool' must be a response to a preceding 'tool_calls'"
            else:
                waiting.remove(message["tool_call_id"])
        elif waiting:
            yield f"messages.[{number}]: 'tool_call_ids' without response messages: {waiting}"
        if role not in ("system", "developer", "user", "assistant", "tool"):
            yield f"messages.[{number}]: invalid role {role}"
        if content is None and not message.get("tool_calls"):
            yield f"messages.[{number}]: content may not be null"
        for part in content if isinstance(content, list) else []:
            if part.get("type") not in OPENAI_PARTS:
                yield f"messages.[{number}]: invalid part {part.get('type')}"
            if role == "tool" and part.get("type") != "text":
                yield f"messages.[{number}]: a tool message takes text only"
        for call in message.get("tool_calls") or []:
            if not call.get("id") or len(call["id"]) > 40:
                yield f"messages.[{number}]: string too long or empty: tool_calls id {call.get('id')!r}"
            waiting.append(call.get("id"))
    if waiting:
        yield f"'tool_call_ids' without response messages: {waiting}"


def anthropic(body, version, translated):
    if translated:
        fields = {k: v for k, v in body.items() if k != "stream"}
        yield from schema.faults(fields, MessageCreateParamsBase)
        yield from thought_before_calls(body)
    if version != OLD_VERSION:
        for field in ("temperature", "top_p", "top_k"):
            if field in body:
                yield f"{field}: Extra inputs are not permitted"
    for field in FOREIGN_TO_ANTHROPIC & set(body):
        yield f"{field}: Extra inputs are not permitted"
    for field in ("model", "max_tokens", "messages"):
        if field not in body:
            yield f"{field}: Field required"
    messages = body.get("messages") or []
    if messages and messages[-1].get("role") == "assistant":
        yield "This model does not support assistant message prefill."
    waiting = set()
    for number, message in enumerate(messages):
        content = message.get("content")
        for place, block in enumerate(content if isinstance(content, list) else []):
            where = f"messages.{number}.content.{place}"
            kind = block.get("type")
            if kind == "thinking" and not SIGNATURE.fullmatch(block.get("signature") or ""):
                yield f"{where}: Invalid `signature` in `thinking` block"
            if kind == "tool_use":
                waiting.add(block.get("id"))
            if kind == "tool_result":
                if block.get("tool_use_id") not in waiting:
                    yield f"{where}: unexpected `tool_use_id` found in `tool_result` blocks"
                waiting.discard(block.get("tool_use_id"))
            if kind == "text" and not block.get("text"):
                yield f"{where}: text content blocks must be non-empty"
        if waiting and message.get("role") == "user":
            yield f"messages.{number}: `tool_use` ids were found without `tool_result` blocks"


def thought_before_calls(body):
    """With a budget for thinking, a turn that is being continued begins with its thoughts."""
    if (body.get("thinking") or {}).get("type") != "enabled":
        return
    for number, message in enumerate(body.get("messages") or []):
        content = message.get("content")
        kinds = [b.get("type") for b in content] if isinstance(content, list) else []
        if message.get("role") == "assistant" and "tool_use" in kinds:
            if kinds[0] not in ("thinking", "redacted_thinking"):
                yield (
                    f"messages.{number}.content.0.type: Expected `thinking` or "
                    f"`redacted_thinking`, but found `{kinds[0]}`."
                )
