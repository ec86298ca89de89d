"""What OpenAI refuses in a request to `/responses`: fields it does not know, calls without outputs,
reasoning out of its place, and sealed reasoning that is not its own."""

from openai.types.responses.response_create_params import ResponseCreateParamsBase

import schema
from play import unseal

REASONERS = ("gpt-5", "o3", "o4")
OUTPUTS = {
    "function_call_output": "function_call",
    "custom_tool_call_output": "custom_tool_call",
    "local_shell_call_output": "local_shell_call",
}
CALLS = set(OUTPUTS.values())


def complaints(body, translated):
    if translated:
        yield from fields(body)
    if "model" not in body:
        yield "Missing required parameter: 'model'."
    if body.get("previous_response_id"):
        yield f"Previous response with id '{body['previous_response_id']}' not found."
    if str(body.get("model")).startswith(REASONERS):
        for field in ("temperature", "top_p"):
            if body.get(field) is not None:
                yield f"Unsupported parameter: '{field}' is not supported with this model."
    limit = body.get("max_output_tokens")
    if limit is not None and limit < 16:
        yield (
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, "
            f"but got {limit} instead."
        )
    yield from tools(body)
    given = body.get("input")
    if not given:
        yield "Missing required parameter: 'input'."
    if isinstance(given, list):
        yield from pairs(given)
        yield from reasoning(given, body)


def fields(body):
    rest = {k: v for k, v in body.items() if k != "stream"}
    yield from schema.faults(rest, ResponseCreateParamsBase)


def tools(body):
    names = set()
    for index, tool in enumerate(body.get("tools") or []):
        if tool.get("type") != "function":
            continue
        names.add(tool.get("name"))
        if tool.get("strict") is True:
            yield from strict_schema(tool.get("parameters") or {}, index)
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "function":
        if choice.get("name") not in names:
            yield f"Tool choice 'function' not found in 'tools' parameter: {choice}"
    if choice == "required" and not body.get("tools"):
        yield "Tool choice 'required' must be specified with 'tools' parameter."


def strict_schema(schema, index):
    """`strict` wants every object closed and every property required."""
    if schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        if not closed or set(schema.get("required") or []) != set(schema.get("properties") or {}):
            yield f"Invalid schema for function at 'tools[{index}]': 'additionalProperties' is required"


def pairs(items):
    open_calls, answered = {}, set()
    for item in items:
        kind, call = item.get("type", "message"), item.get("call_id")
        if kind in CALLS:
            open_calls[call] = kind
        elif kind in OUTPUTS:
            if open_calls.get(call) != OUTPUTS[kind]:
                yield f"No tool call found for function call output with call_id {call}."
            answered.add(call)
    for call in open_calls:
        if call not in answered:
            yield f"No tool output found for function call {call}."


def reasoning(items, body):
    seen = set()
    for index, item in enumerate(items):
        ident = item.get("id") or ""
        if item.get("type") == "reasoning":
            seen.add(ident)
            yield from sealed(item, index, body)
            after = items[index + 1] if index + 1 < len(items) else {}
            kind = after.get("type", "message") if after else None
            if kind not in CALLS | {"reasoning"} and after.get("role") != "assistant":
                yield (
                    f"Item '{ident}' of type 'reasoning' was provided without its required "
                    "following item."
                )
        needed = ident.partition("_after_")[2]
        if needed and needed not in seen:
            yield (
                f"Item '{ident}' of type '{item.get('type')}' was provided without its required "
                f"'reasoning' item: '{needed}'."
            )


def sealed(item, index, body):
    blob, ident = item.get("encrypted_content"), item.get("id")
    if blob is None:
        if body.get("store") is False:
            yield (
                f"Item with id '{ident}' not found. Items are not persisted when `store` is set to "
                "false. Try again with `store` set to true, or remove this item from your input."
            )
        return
    facts = unseal("reasoning", blob)
    if facts is None:
        yield (
            f"The encrypted content for item {ident} could not be verified. "
            "Reason: Encrypted content could not be decrypted or parsed."
        )
    elif ident and facts[0] != ident:
        yield (
            f"The encrypted content for item {ident} could not be verified. "
            "Reason: Encrypted content item_id did not match the target item id."
        )
