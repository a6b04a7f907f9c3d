# Made from runs/handles.py by `python -m trimtab.runs.generate`; change that one, and make this again.
"""Runs from outside: to begin one for workers, to wait for its end, to tell it something, to end it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, overload

import msgspec

from trimtab.journal.asks import Direct, Lease, Open, Tell
from trimtab.journal.entries import Arrived, Started, body_of
from trimtab.journal.refusals import RunEnded
from trimtab.runs import values
from trimtab.runs.blocking import flow
from trimtab.runs.blocking.driving import bytes_of, ended, output_of, replay_run, run_of, start_of
from trimtab.runs.declared import Declared, Facts, Request
from trimtab.runs.faults import NotDeclared
from trimtab.runs.runtime import current
from trimtab.runs.session import content_of

FIRST_LOOK_S: Final = 0.02
LONGEST_LOOK_S: Final = 1.0
BY: Final = "the program"

P = ParamSpec("P")
T = TypeVar("T")


def submit(run: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> str:
    """Begins a run for whoever works on its task, and gives its id; `run` may come from `options`.

    Raises `RunExists` where a run with its key was begun with other arguments.
    """
    declared = getattr(run, "__trimtab__", None)
    if not isinstance(declared, Declared) or declared.kind != "child":
        raise NotDeclared(name=getattr(run, "__name__", repr(run)), detail="it is no run; give one that has `@run`")
    facts: Facts = getattr(run, "__trimtab_facts__", Facts())
    runtime = current()
    content = declared.request(declared.given(args, kwargs), declared.name).content
    started = start_of(runtime, declared, facts, content)
    run_id = run_of(runtime, declared, facts)
    told = flow.ask(runtime, Open(run_id, started, content=content_of(started.input, content)))
    assert isinstance(told, Lease)  # noqa: S101 - what an `Open` is told
    return told.run


@overload
def result(run: str) -> Any: ...


@overload
def result(run: str, kind: type[T]) -> T: ...


def result(run: str, kind: Any = Any) -> Any:
    """What a run returned, made into that type, as soon as it has ended.

    Raises what it raised, `RunFailed` for one that was stopped or cancelled, and `RunUnknown`.
    """
    runtime = current()
    look_s = FIRST_LOOK_S
    while not ended(runtime, run):
        flow.pause(look_s)
        look_s = min(look_s * 1.5, LONGEST_LOOK_S)
    return values.decoder(kind)(output_of(runtime, run))


def replay(run: str, function: Callable[..., Any], /, **left_out: Any) -> Any:
    """What a run's function gives over what is recorded of that run; nothing is done and nobody is asked.

    `left_out` are arguments that are not part of its request. It is a run of its own, a fork of the other. Raises
    `Divergence`, or `ReplayDivergence` from the gateway, at the first step that is not recorded as it is asked for.
    """
    declared = getattr(function, "__trimtab__", None)
    if not isinstance(declared, Declared) or declared.kind != "child":
        raise NotDeclared(name=getattr(function, "__name__", repr(function)), detail="it is no run; it needs `@run`")
    runtime = current()

    def calling(started: Started) -> Any:
        def call() -> Any:
            given = msgspec.json.decode(bytes_of(runtime, run, started.input))
            bound = declared.call_from(given, left_out)
            return flow.called(declared.function, bound.args, bound.kwargs)

        return call

    return declared.read_output(replay_run(runtime, run, declared, calling))


def tell(run: str, name: str, value: object = None, *, id: str = "") -> bool:
    """Sends a run an event. One with an `id` that it had before changes nothing; gives whether it was new.

    Raises `RunUnknown`, and `RunEnded` for a new event.
    """
    runtime = current()
    content = Request.of("event", name, name, value).content
    body = body_of(content)
    event = Arrived(runtime.clock.wall_ns(), name, id or runtime.new_id(), body)
    told = flow.ask(runtime, Tell(run, event, content_of(body, content)))
    return bool(getattr(told, "changed", False))


def cancel(run: str, reason: str = "") -> bool:
    """Ends a run and its sub-runs; gives whether there was anything to end."""
    try:
        told = flow.ask(current(), Direct("cancel", BY, run, reason=reason))
    except RunEnded:
        return False
    return bool(getattr(told, "runs", ()))
