"""What the acts of `runs/flow.py` are where nothing is awaited."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from typing import Any, Final, TypeVar

from trimtab.errors import JournalUnavailable
from trimtab.journal.asks import Ask, Told
from trimtab.journal.refusals import JournalRefusal
from trimtab.runs.faults import Leaving, NotDeclared
from trimtab.runs.lines import Line
from trimtab.runs.models import Asked
from trimtab.runs.runtime import Runtime
from trimtab.runs.session import Session, at, branches, here

MOST_THREADS: Final = 32

T = TypeVar("T")
R = TypeVar("R")


def ask(runtime: Runtime, question: Ask) -> Told:
    """What the journal tells; raises `JournalRefusal` and `JournalUnavailable`."""
    return runtime.blocking.do(question)


def ask_for(session: Session, question: Ask) -> Told:
    """The same for a run that is driven here, which is left when it is refused; raises `Leaving`."""
    try:
        return ask(session.runtime, question)
    except (JournalRefusal, JournalUnavailable) as refusal:
        raise session.leave(refusal) from refusal


def settled(doing: T) -> T:
    """What came of it."""
    return doing


def called(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """What a function gives; raises `NotDeclared` for one that would have to be awaited."""
    given = function(*arguments, **named)
    if inspect.iscoroutine(given):
        given.close()
        raise NotDeclared(name=function.__name__, detail="it is to be awaited, so call it from a run that awaits")
    return given


def asked_model(runtime: Runtime, asked: Asked, headers: dict[str, str]) -> tuple[bytes, int]:
    """A model's answer, and the seq of its step."""
    return runtime.models.ask_blocking(asked, headers)


def rest(session: Session, seconds: float) -> None:
    """Lets time pass; raises `Leaving` as soon as the run is left."""
    if session.gone.wait(seconds) and session.left is not None:
        raise Leaving(session.left)


def pause(seconds: float) -> None:
    """Lets time pass; raises `Leaving` as soon as a run is left that is driven where this is called."""
    place = here()
    if place is None:
        threading.Event().wait(seconds)
    else:
        rest(place.session, seconds)


def never() -> None:
    """Nothing is cancelled where nothing is awaited."""


def hold(session: Session) -> None:
    """Keeps its lease."""
    session.runtime.leases.hold(session)


def let_go(session: Session) -> None:
    """Its lease is kept no longer."""
    session.runtime.leases.let_go(session)


def stopped(failure: BaseException) -> bool:
    """Whether what was raised is a cancellation, which there is none of here."""
    return False


def together(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What a function gives for each item, in threads. Within a run each is a branch of its own, by its number."""
    place = here()

    def one(item: T, line: Line | None) -> R:
        if place is None or line is None:
            return function(item)
        line.thread = threading.get_ident()
        with at(replace(place, line=line, taken=0)):
            return function(item)

    todo = list(items)
    lines = branches(place, len(todo))
    with ThreadPoolExecutor(max(1, min(len(todo), MOST_THREADS))) as pool:
        doing = [pool.submit(copy_context().run, one, item, line) for item, line in zip(todo, lines, strict=True)]
        return [done.result() for done in doing]
