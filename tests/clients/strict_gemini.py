"""What Gemini refuses: fields it does not know, turns out of order, results that do not pair with the calls,
schemas beyond its subset, and calls of the current turn without their thought signature."""

import re

from google.genai import types

import schema
from play import unseal

TOP = {
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "cachedContent",
    "labels",
    "serviceTier",
}
DATA = {
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
}
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
BYPASSES = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
ORDER = (
    "Please ensure that function call turn comes immediately after a user turn or after a "
    "function response turn."
)
COUNT = (
    "Please ensure that the number of function response parts is equal to the number of function "
    "call parts of the function call turn."
)


def complaints(body, model):
    yield from fields(body)
    yield from settings(body)
    yield from declarations(body)
    contents = body.get("contents") or []
    if not contents:
        yield "* GenerateContentRequest.contents: contents is not specified"
    for index, content in enumerate(contents):
        yield from one_content(index, content)
    yield from order(contents)
    if model.startswith("gemini-3"):
        yield from signatures(contents)


def fields(body):
    """The vendor's own types; a signature that is no base64 is looked at with the signatures."""
    for name in set(body) - TOP:
        yield f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
    for index, content in enumerate(body.get("contents") or []):
        plain = dict(content, parts=[unsigned(part) for part in content.get("parts") or []])
        yield from schema.faults(plain, types.Content, f"contents[{index}]")
    if "systemInstruction" in body:
        yield from schema.faults(body["systemInstruction"], types.Content, "system_instruction")
    yield from schema.faults(body.get("tools") or [], list[types.Tool], "tools")
    yield from schema.faults(body.get("toolConfig") or {}, types.ToolConfig, "tool_config")
    yield from schema.faults(
        body.get("generationConfig") or {}, types.GenerationConfig, "generation_config"
    )
    yield from schema.faults(
        body.get("safetySettings") or [], list[types.SafetySetting], "safety_settings"
    )


def unsigned(part):
    return {k: v for k, v in part.items() if k != "thoughtSignature"}


def settings(body):
    config = body.get("generationConfig") or {}
    if len(config.get("stopSequences") or []) > 5:
        yield "The number of stop sequences must be at most 5."
    thinking = config.get("thinkingConfig") or {}
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        yield "You can only set only one of thinking budget and thinking level."
    if "responseSchema" in config and "responseJsonSchema" in config:
        yield "Only one of response_schema and response_json_schema may be set."
    shaped = "responseSchema" in config or "responseJsonSchema" in config
    if shaped and config.get("responseMimeType") != "application/json":
        yield "Response schema is only supported with a response mime type of application/json."
    if "maxOutputTokens" in config and config["maxOutputTokens"] < 1:
        yield "max_output_tokens must be positive."


def declarations(body):
    names = set()
    for tool in body.get("tools") or []:
        if not tool:
            yield "tools[0].tool_type: required one_of 'tool_type' must have one initialized field"
        for function in tool.get("functionDeclarations") or []:
            name = function.get("name") or ""
            if not NAME.fullmatch(name):
                yield f"Invalid function name {name!r}. Must start with a letter or an underscore."
            if name in names:
                yield f"Duplicate function declaration found: {name}"
            names.add(name)
            if "parameters" in function and "parametersJsonSchema" in function:
                yield f"Function {name}: parameters and parameters_json_schema are exclusive."
            root = function.get("parametersJsonSchema")
            if root is not None and root.get("type") != "object":
                yield f"Function {name}: parameters schema should be of type OBJECT."
    config = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    if config and not names:
        yield "Function calling config is set without function_declarations."
    allowed = config.get("allowedFunctionNames") or []
    if allowed and config.get("mode") not in ("ANY", "VALIDATED"):
        yield "Allowed function names should be set only when mode is ANY or VALIDATED."
    for name in set(allowed) - names:
        yield f"Allowed function {name} is not declared."


def one_content(index, content):
    where = f"contents[{index}]"
    if content.get("role") not in ("user", "model"):
        yield "Please use a valid role: user, model."
    parts = content.get("parts") or []
    if not parts:
        yield f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty."
    for place, part in enumerate(parts):
        data = DATA & set(part)
        if len(data) != 1:
            yield (
                f"* GenerateContentRequest.{where}.parts[{place}].data: required oneof field 'data' "
                "must have one initialized field"
            )
        if part.get("text") == "" and "thoughtSignature" not in part:
            yield f"{where}: Unable to submit request because it must have a text parameter."
        if "functionCall" in part and content.get("role") != "model":
            yield f"{where}: a function call belongs to the model."
        if "functionResponse" in part:
            response = part["functionResponse"]
            if not isinstance(response.get("response"), dict) or not response.get("name"):
                yield f"{where}: function_response.name: Name cannot be empty, response is an object."
    kinds = {"functionResponse" in part for part in parts}
    if kinds == {True, False} and "functionResponse" not in parts[0]:
        yield f"{where}: function responses come first."


def order(contents):
    if contents and contents[0].get("role") != "user":
        yield "Please ensure that multiturn requests alternate between user and model."
    before = None
    for content in contents:
        calls = named(content, "functionCall")
        results = named(content, "functionResponse")
        previous = named(before, "functionCall") if before else []
        if calls and before and before.get("role") == "model":
            yield ORDER
        if len(results) != len(previous):
            yield COUNT
        elif sorted(results) != sorted(previous):
            yield f"Function responses {results} do not match the calls {previous}."
        before = content
    if before and named(before, "functionCall"):
        yield COUNT


def named(content, kind):
    return [str(p[kind].get("name")) for p in content.get("parts") or [] if kind in p]


def signatures(contents):
    """Every step of the current turn: its first call is signed, and what is signed was signed here."""
    current = 0
    for index, content in enumerate(contents):
        said = any("text" in part for part in content.get("parts") or [])
        results = named(content, "functionResponse")
        if content.get("role") == "user" and said and not results:
            current = index
    for index, content in enumerate(contents):
        parts = content.get("parts") or []
        for place, part in enumerate(parts):
            blob = part.get("thoughtSignature")
            facts = None if blob in (None, *BYPASSES) else unseal("thought", blob)
            if blob not in (None, *BYPASSES) and facts is None:
                yield f"contents[{index}].parts[{place}]: Thought signature is not valid."
            name = (part.get("functionCall") or {}).get("name")
            if facts and facts[0] != name:
                yield f"Corrupted thought signature: it was made for {facts[0]}, not for {name}."
        calls = [part for part in parts if "functionCall" in part]
        if index > current and calls and "thoughtSignature" not in calls[0]:
            name = calls[0]["functionCall"].get("name")
            yield (
                f"Function call `{name}` in the {index + 1}. content block is missing a "
                "`thought_signature`."
            )
