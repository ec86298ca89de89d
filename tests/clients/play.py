"""What a scripted provider is told to answer, whatever the dialect of the request.

A dialect reads a request into a transcript, a list of (who, texts): `user`, `assistant`, or `result` for
what a tool said. From it follows the next move.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from dataclasses import field


@dataclass
class Turn:
    """The next move of a provider: tool calls, or a text."""

    name: str
    step: int
    think: str | None = None
    calls: list = field(default_factory=list)
    text: str | None = None
    refuse: bool = False
    length: bool = False

    def call_id(self, index, prefix):
        return f"{prefix}{self.name}_{self.step + index:02}"

    def proof(self):
        """What only the provider could have made, and wants to see again."""
        seed = f"{self.name}/{self.step}/{self.think}"
        return hashlib.sha256(seed.encode()).hexdigest()

    def thoughts(self):
        """How many of the fifteen tokens of every answer were thought."""
        return 5 if self.think else 0


def plan_of(transcript):
    """The `play:{...}` of the newest user text that has one, or an empty plan."""
    for who, texts in reversed(transcript):
        if who == "user":
            for text in reversed(texts):
                if (start := text.find("play:{")) >= 0:
                    play, _ = json.JSONDecoder().raw_decode(text[start + len("play:") :])
                    return play
    return {}


def turn_of(play, transcript, has_tools, name):
    results = results_since_plan(transcript)
    turn = Turn(name, len(results), play.get("think"))
    turn.refuse, turn.length = bool(play.get("refuse")), bool(play.get("length"))
    turn.calls = next_calls(play.get("tools", []) if has_tools else [], len(results))
    if not turn.calls:
        if results:
            turn.text = f"{name} finished. The tools said: " + " | ".join(results)
        else:
            heard = next((t for who, t in reversed(transcript) if who == "user" and t), [""])
            turn.text = play.get("say") or f"{name} heard: " + heard[-1][-80:]
    return turn


def next_calls(steps, answered):
    """The first step whose calls have no results yet. A step is one call or a list of calls at once."""
    for step in steps:
        calls = step if isinstance(step, list) else [step]
        if answered < len(calls):
            return calls
        answered -= len(calls)
    return []


def results_since_plan(transcript):
    """Texts of the tool results that came after the newest user text with a plan."""
    results = []
    for who, texts in reversed(transcript):
        if who == "result":
            results.append(" ".join(texts))
        elif who == "user" and any("play:{" in text for text in texts):
            break
    return results[::-1]


def pieces(text, size=12):
    """At least three pieces, so that a cut leaves a beginning."""
    size = max(1, min(size, len(text) // 3))
    return [text[i : i + size] for i in range(0, len(text), size)]


def seal(kind, *facts):
    """Base64, as the vendors' blobs are, of something that `unseal` knows again."""
    return base64.b64encode(json.dumps(["scripted", kind, *facts]).encode()).decode()


def unseal(kind, blob):
    """The facts, or None for what no scripted provider has sealed."""
    try:
        value = json.loads(base64.b64decode(blob, validate=True))
    except ValueError:
        return None
    ours = isinstance(value, list) and value[:2] == ["scripted", kind]
    return value[2:] if ours else None
