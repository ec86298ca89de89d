"""Whether a JSON value is what a vendor's own SDK types say, and nothing more.

The packages `openai`, `anthropic` and `google-genai` describe every field of a request. Their types are
read here as a schema of the vendor's parser: unknown fields, wrong types and missing fields are faults,
which pydantic would let pass in a TypedDict. A type this file does not know is an error of this file.
"""

import base64
import binascii
import collections.abc
import datetime
import enum
import functools
import types
import typing

import typing_extensions
from pydantic import BaseModel

LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)


def faults(value, kind, path="", allow=frozenset()):
    """Texts of what is wrong with `value`; `allow` names fields a vendor takes beyond its types."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind in (typing.Any, object):
        return
    if origin in (typing.Union, types.UnionType):
        yield from union(value, args, path, allow)
    elif origin in (typing.Literal, typing_extensions.Literal):
        if value not in args:
            yield f"Invalid value: {value!r} at '{path}'. Supported values are: {args}"
    elif origin in (typing.Annotated, typing_extensions.Required, typing_extensions.NotRequired):
        yield from faults(value, args[0], path, allow)
    elif origin in LISTS or is_sequence(origin):
        yield from items(value, args[0], path, allow)
    elif origin in (dict, collections.abc.Mapping):
        yield from members(value, args[1], path, allow)
    elif isinstance(kind, type) and is_object(kind):
        yield from fields(value, kind, path, allow)
    else:
        yield from plain(value, kind, path)


def is_sequence(origin):
    """The SDKs' own "a list, but no text" (a protocol)."""
    return getattr(origin, "__name__", "") == "SequenceNotStr"


def is_object(kind):
    return typing_extensions.is_typeddict(kind) or issubclass(kind, BaseModel)


def plain(value, kind, path):
    wanted = {
        str: (str,),
        bool: (bool,),
        int: (int,),
        float: (int, float),
        dict: (dict,),
        list: (list,),
        type(None): (type(None),),
        None: (type(None),),
        datetime.datetime: (str,),
    }
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        # Google's names, in whatever case.
        if str(value).upper() not in {str(member.value).upper() for member in kind}:
            yield f"Invalid value at '{path}': {value!r}"
    elif kind is bytes:
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            yield f"Invalid value at '{path}': Base64 decoding failed"
    elif kind in wanted:
        lying = isinstance(value, bool) and kind not in (bool,)
        if lying or not isinstance(value, wanted[kind]):
            yield f"Invalid type for '{path}': expected {kind.__name__}, got {value!r:.80}"
    else:
        raise TypeError(f"{path}: a type that schema.py does not know: {kind!r}")


def union(value, kinds, path, allow):
    """The member that has the same `type` or `role` tells what is wrong."""
    found = []
    for kind in kinds:
        wrong = list(faults(value, kind, path, allow))
        if not wrong:
            return
        found.append((nearness(value, kind), wrong))
    best = max(near for near, _ in found)
    yield from next(wrong for near, wrong in found if near == best)


def nearness(value, kind):
    if not isinstance(value, dict):
        return int(isinstance(value, list) and typing.get_origin(kind) in LISTS)
    if not (isinstance(kind, type) and is_object(kind)):
        return 0
    known = described(kind)
    score = 1
    for tag in ("type", "role"):
        if tag in value and tag in known:
            score += -1 if list(faults(value[tag], known[tag][0])) else 2
    return score


def items(value, kind, path, allow):
    if not isinstance(value, list):
        yield f"Invalid type for '{path}': expected an array, got {value!r:.80}"
        return
    for index, item in enumerate(value):
        yield from faults(item, kind, f"{path}[{index}]", allow)


def members(value, kind, path, allow):
    if not isinstance(value, dict):
        yield f"Invalid type for '{path}': expected an object, got {value!r:.80}"
        return
    for key, item in value.items():
        yield from faults(item, kind, f"{path}.{key}", allow)


def fields(value, kind, path, allow):
    if not isinstance(value, dict):
        yield f"Invalid type for '{path}': expected an object, got {value!r:.80}"
        return
    known = described(kind)
    for name, item in value.items():
        where = f"{path}.{name}" if path else name
        if name in known:
            yield from faults(item, known[name][0], where, allow)
        elif name not in allow:
            yield f"Unknown parameter: '{where}'."
    for name, (_, required) in known.items():
        if required and name not in value:
            yield f"Missing required parameter: '{path + '.' if path else ''}{name}'."


@functools.cache
def described(kind):
    """Wire name → (type, required)."""
    if issubclass(kind, BaseModel):
        return {
            field.alias or name: (field.annotation, False)
            for name, field in kind.model_fields.items()
        }
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    return {name: (hint, name in kind.__required_keys__) for name, hint in hints.items()}
