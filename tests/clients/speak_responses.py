"""OpenAI Responses, as a scripted provider speaks it: reasoning is sealed, and wanted back."""

import json

import strict_responses
from play import pieces
from play import seal
from speak_chat import error
from speak_chat import models

__all__ = ["error", "models"]

NAME = "openai-responses"
PATH = "/v1/responses"
REQUEST_ID = "x-request-id"
HEADERS = []
TOO_LONG = (
    "Your input exceeds the context window of this model. Please adjust your input and try again."
)
HEAD, LATE, MIDDLE = 2, 1, 5


def transcript(body):
    given = body.get("input")
    if isinstance(given, str):
        yield "user", [given]
        return
    for item in given or []:
        kind = item.get("type", "message")
        if kind == "message":
            yield item.get("role"), texts_of(item.get("content"))
        elif kind.endswith("_call_output"):
            yield "result", texts_of(item.get("output"))


def texts_of(content):
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or [] if "text" in part]


def streams(path, body):
    return bool(body.get("stream"))


def complaint(body, call):
    return next(strict_responses.complaints(body, call.translated), None)


def output(body, turn):
    """The items of an answer. The id of a call says which reasoning it needs beside it."""
    items, after = [], ""
    if turn.think:
        ident = f"rs_{turn.name}_{turn.step}"
        after = f"_after_{ident}"
        item = {"id": ident, "type": "reasoning", "summary": []}
        item["summary"] = [{"type": "summary_text", "text": turn.think}]
        if "reasoning.encrypted_content" in (body.get("include") or []):
            item["encrypted_content"] = seal("reasoning", ident, turn.proof())
        items.append(item)
    for index, call in enumerate(turn.calls):
        item = {
            "id": f"fc_{turn.name}_{turn.step + index}{after}",
            "type": "function_call",
            "status": "completed",
            "call_id": turn.call_id(index, "call_"),
            "name": call["name"],
            "arguments": json.dumps(call["input"]),
        }
        if "custom" in call:
            del item["arguments"]
            item |= {"type": "custom_tool_call", "input": call["input"]}
        items.append(item)
    if turn.text:
        part = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
        if turn.refuse:
            part = {"type": "refusal", "refusal": turn.text}
        items.append(
            {
                "id": f"msg_{turn.name}_{turn.step}",
                "type": "message",
                "status": "incomplete" if turn.length else "completed",
                "role": "assistant",
                "content": [part],
            }
        )
    return items


def whole(body, turn):
    return {
        "id": f"resp_{turn.name}_{turn.step}",
        "object": "response",
        "created_at": 1767225600,
        "status": "incomplete" if turn.length else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if turn.length else None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "model": body.get("model"),
        "output": output(body, turn),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "store": False,
        "usage": {
            "input_tokens": 25,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 15,
            "output_tokens_details": {"reasoning_tokens": turn.thoughts()},
            "total_tokens": 40,
        },
    }


def frames(body, turn):
    out = []

    def frame(kind, **fields):
        data = {"type": kind, "sequence_number": len(out), **fields}
        out.append(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())

    done = whole(body, turn)
    begun = dict(done, status="in_progress", output=[], usage=None, incomplete_details=None)
    frame("response.created", response=begun)
    frame("response.in_progress", response=begun)
    for index, item in enumerate(done["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        frame("response.output_item.added", output_index=index, item=opened(item))
        filled(frame, item, at)
        frame("response.output_item.done", output_index=index, item=item)
    frame(f"response.{done['status']}", response=done)
    return out


def opened(item):
    """An item before anything of it was said."""
    empty = {"reasoning": {"summary": []}, "function_call": {"arguments": ""}}
    empty |= {"message": {"content": []}, "custom_tool_call": {"input": ""}}
    fields = item | empty[item["type"]]
    return fields if item["type"] == "reasoning" else fields | {"status": "in_progress"}


def filled(frame, item, at):
    if item["type"] == "reasoning":
        at = at | {"summary_index": 0}
        text = item["summary"][0]["text"]
        frame("response.reasoning_summary_part.added", part={"type": "summary_text", "text": ""}, **at)
        for piece in pieces(text):
            frame("response.reasoning_summary_text.delta", delta=piece, **at)
        frame("response.reasoning_summary_text.done", text=text, **at)
        frame("response.reasoning_summary_part.done", part=item["summary"][0], **at)
    elif item["type"] == "message":
        part = item["content"][0]
        at = at | {"content_index": 0}
        field = "refusal" if part["type"] == "refusal" else "text"
        kind = "response.refusal" if field == "refusal" else "response.output_text"
        frame("response.content_part.added", part=part | {field: ""}, **at)
        more = {} if field == "refusal" else {"logprobs": []}
        for piece in pieces(part[field]):
            frame(f"{kind}.delta", delta=piece, **at, **more)
        frame(f"{kind}.done", **{field: part[field]}, **at, **more)
        frame("response.content_part.done", part=part, **at)
    elif item["type"] == "custom_tool_call":
        for piece in pieces(item["input"]):
            frame("response.custom_tool_call_input.delta", delta=piece, **at)
        frame("response.custom_tool_call_input.done", input=item["input"], **at)
    else:
        for piece in pieces(item["arguments"]):
            frame("response.function_call_arguments.delta", delta=piece, **at)
        whole_call = {"name": item["name"], "arguments": item["arguments"]}
        frame("response.function_call_arguments.done", **whole_call, **at)


def broken(kind):
    fault = {"code": "server_is_overloaded", "message": "scripted break"}
    failed = {"id": "resp_broken", "object": "response", "status": "failed", "error": fault, "output": []}
    data = {"type": "response.failed", "sequence_number": 99, "response": failed}
    return f"event: response.failed\ndata: {json.dumps(data)}\n\n".encode()
