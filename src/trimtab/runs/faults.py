"""What the SDK raises, and how the exception of a step becomes a result and that exception again.

TrimtabError
|- StepFailed, CheckFailed (CheckBranched), Rejected, ModelFailed
|- NotData, NoRun, NotDeclared
|- OutcomeUnknown           raised by a tool that does not know what it did
|- Parked, Suspended        the driver leaves the run, which goes on later
`- RunFailed                how a run ended that is asked for its result
"""

from __future__ import annotations

import sys
from typing import Any, Final

import msgspec

from trimtab.errors import TrimtabError

DETAIL_CHARACTERS: Final = 2000
"""What is kept of an exception's text."""


class StepFailed(TrimtabError):
    """Step {label} failed with {error}: {detail}; see what it was given with `trimtab runs show {run}`."""


class CheckFailed(TrimtabError):
    """Check {check!a} failed in run {run}: {detail}; mend what made it, or let it flag instead of fail."""


class CheckBranched(CheckFailed):
    """Check {check!a} in run {run} says to take another way: {detail}; catch this, and take it."""


class Rejected(TrimtabError):
    """{by} said no to {label} in run {run}: {reason}; do something else, or end the run."""


class ModelFailed(TrimtabError):
    """Task {task} gave no answer: {code} ({status}), {detail}; docs/errors.md says what each code asks for."""

    seq = 0
    """The place of its step in the run's log, where a gateway told it."""


class NotData(TrimtabError):
    """{what} of {label} is no data: {detail}; give what JSON can carry, or leave an argument out with `without=`."""


class NoRun(TrimtabError):
    """{what} needs a run; call it from a function that has `@run`, or below one."""


class NotDeclared(TrimtabError):
    """{name} is not declared well: {detail}."""


class OutcomeUnknown(TrimtabError):
    """It is not known whether the effect happened ({detail}); look, and reconcile the run."""

    def __init__(self, detail: str = "no answer came") -> None:
        super().__init__(detail=detail)


class Parked(TrimtabError):
    """Run {run} is parked: nobody knows whether {label} (step {seq}) happened; look, and say what you found with
    `trimtab runs reconcile {run} {seq}`.
    """


class Suspended(TrimtabError):
    """Run {run} waits for {waits_for} and was given back; a worker takes it up when that has come."""


class RunFailed(TrimtabError):
    """Run {run} {state}: {error} {detail}; see `trimtab runs show {run}`."""


class Leaving(BaseException):
    """The driver leaves the run here, for `why`; no `except Exception` on the way shall hold it up."""

    def __init__(self, why: TrimtabError) -> None:
        super().__init__(str(why))
        self.why = why


def told(failure: BaseException) -> tuple[str, str]:
    """An exception as a result has it: `module:Class`, and its arguments as JSON, or its text for want of them."""
    kind = type(failure)
    error = f"{kind.__module__}:{kind.__qualname__}"
    if isinstance(failure, TrimtabError):
        return error, _json({"facts": {key: str(value) for key, value in failure.facts.items()}}, failure)
    return error, _json({"arguments": list(failure.args)}, failure)


def again(error: str, detail: str, *, run: str, label: str) -> Exception:
    """The exception that a result tells of.

    Made from a class of that name in a module that is loaded, if it is an exception that takes these arguments; else a
    `StepFailed`.
    """
    given = _read(detail)
    kind = _class(error)
    if kind is not None and given is not None:
        try:
            return kind(**given["facts"]) if "facts" in given else kind(*given["arguments"])
        except Exception:  # noqa: BLE001, S110 - a class of the program's own may refuse in any way
            pass
    return StepFailed(label=label, error=error.rpartition(":")[2], detail=_text(given, detail), run=run)


def _json(given: dict[str, Any], failure: BaseException) -> str:
    try:
        shown = msgspec.json.encode(given).decode()
    except (TypeError, ValueError, RecursionError):
        shown = ""
    if not shown or len(shown) > DETAIL_CHARACTERS:
        return msgspec.json.encode({"text": _words(failure)[: DETAIL_CHARACTERS - 100]}).decode()
    return shown


def _words(failure: BaseException) -> str:
    try:
        return str(failure)
    except Exception:  # noqa: BLE001 - the program's own `__str__` may fail in any way
        return type(failure).__qualname__


def _read(detail: str) -> dict[str, Any] | None:
    try:
        given = msgspec.json.decode(detail)
    except msgspec.DecodeError:
        return None
    return given if isinstance(given, dict) and ("arguments" in given or "facts" in given) else None


def _text(given: dict[str, Any] | None, detail: str) -> str:
    if given is None:
        try:
            return str(msgspec.json.decode(detail)["text"])
        except (msgspec.DecodeError, KeyError, TypeError):
            return detail
    return ", ".join(str(each) for each in (given.get("arguments") or given.get("facts", {}).values()))


def _class(error: str) -> type[Exception] | None:
    module, _, name = error.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None
