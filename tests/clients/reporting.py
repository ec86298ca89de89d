"""What the SDK programs share: one line per case for `harness.Score.merge`, and what upstreams recorded."""

import json
import os
import traceback


def report(name, run, *args):
    """Prints `ok - name` or `not ok - name | reason`; one more failure is 1."""
    try:
        run(*args)
    except Exception as fault:
        reason = f"{type(fault).__name__}: {fault}"[:1500]
        if not isinstance(fault, AssertionError) or not fault.args:
            reason += "\n" + "".join(traceback.format_exception(fault)[-3:])
        print(f"not ok - {name} | " + reason.replace("\n", "\\n"), flush=True)
        return 1
    print(f"ok - {name}", flush=True)
    return 0


def raises(kind, run):
    try:
        answer = run()
    except kind as fault:
        return fault
    except Exception as fault:
        body = getattr(fault, "body", "")
        raise AssertionError(f"{type(fault).__name__} instead of {kind.__name__}: {fault} {body}")
    raise AssertionError(f"an answer instead of {kind.__name__}: {answer}")


def calls(side):
    with open(os.environ[f"RECORD_{side}"], encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def planned(plan=None, text="Say something."):
    """A user text, with or without a plan for the upstream."""
    return text + (" play:" + json.dumps(plan) if plan is not None else "")
