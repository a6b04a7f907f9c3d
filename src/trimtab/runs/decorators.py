"""`run`, `step` and `tool`: they declare a function, and give one with the same signature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from trimtab.journal.entries import Effect
from trimtab.runs import driving, performing
from trimtab.runs.blocking import driving as blocking_driving
from trimtab.runs.blocking import performing as blocking_performing
from trimtab.runs.declared import Declared, Facts, Reviewed, checked, names
from trimtab.runs.faults import NotDeclared

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
F = TypeVar("F", bound=Callable[..., Any])
DECLARED = "__trimtab__"


class RunFunction(Protocol[P, R_co]):
    """A function that is a run."""

    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Runs it, or within another run a sub-run."""
        ...

    def options(
        self, *, id: str = "", key: str = "", conversation: str = "", end_user: str = "", retention: str = ""
    ) -> Callable[P, R_co]:
        """The same function, for a run of which this is said. A second start with the same key gives its result."""
        ...


@overload
def run(function: Callable[P, R], /) -> RunFunction[P, R]: ...


@overload
def run(
    *, task: str = "", name: str = "", without: str | Sequence[str] = ()
) -> Callable[[Callable[P, R]], RunFunction[P, R]]: ...


def run(
    function: Callable[..., Any] | None = None, /, *, task: str = "", name: str = "", without: str | Sequence[str] = ()
) -> Any:
    """A function whose calls are runs: durable, replayable, to be taken up where they were left.

    `task` is the task that it belongs to, else its own name. Raises `NotDeclared`.
    """

    def declare(function: Callable[..., Any]) -> Any:
        called = name or function.__name__
        return _run(
            checked(Declared(function, "child", called, without=names(without), facts={"task": task or called}))
        )

    return declare if function is None else declare(function)


@overload
def step(function: F, /) -> F: ...


@overload
def step(
    *,
    name: str = "",
    without: str | Sequence[str] = (),
    attempts: int = 1,
    retry: Sequence[type[Exception]] = (Exception,),
) -> Callable[[F], F]: ...


def step(
    function: Any = None,
    /,
    *,
    name: str = "",
    without: str | Sequence[str] = (),
    attempts: int = 1,
    retry: Sequence[type[Exception]] = (Exception,),
) -> Any:
    """A function whose calls in a run are steps of it, which are taken again where a crash cut them off.

    `without` names arguments that are not part of the request. Raises `NotDeclared`.
    """

    def declare(function: Callable[..., Any]) -> Any:
        declared = Declared(
            function, "step", name or function.__name__, without=names(without), attempts=attempts, retry=tuple(retry)
        )
        return _step(checked(declared))

    return declare if function is None else declare(function)


def tool(
    *,
    effect: Effect,
    key: str | Callable[..., str] | None = None,
    name: str = "",
    without: str | Sequence[str] = (),
    attempts: int = 1,
    retry: Sequence[type[Exception]] = (Exception,),
    reconcile: Callable[..., Any] | None = None,
    review: bool | Callable[..., bool] | Reviewed = False,
) -> Callable[[F], F]:
    """A function that acts outside the run, and says how it may be repeated.

    `key` makes an idempotent call's key: a text with arguments in braces, or a function of the same arguments.
    `reconcile` takes the same arguments and tells what became of a call whose outcome is unknown. `review` puts calls
    before a person: all of them, or those for which a function of the arguments says so. Raises `NotDeclared`.
    """

    def declare(function: F) -> F:
        declared = Declared(
            function,
            "tool",
            name or function.__name__,
            effect,
            key,
            names(without),
            attempts,
            tuple(retry),
            reconcile,
            _reviewed(review),
        )
        return cast(F, _step(checked(declared)))

    return declare


def declaration(function: Callable[..., Any]) -> Declared:
    """What a decorated function is; raises `NotDeclared` for one that is not decorated."""
    found = getattr(function, DECLARED, None)
    if not isinstance(found, Declared):
        name = getattr(function, "__name__", repr(function))
        raise NotDeclared(name=name, detail="it has none of `@run`, `@step` and `@tool`; add one")
    return found


def _reviewed(review: bool | Callable[..., bool] | Reviewed) -> Reviewed | None:
    if isinstance(review, Reviewed):
        return review
    if callable(review):
        return Reviewed(when=review)
    return Reviewed() if review else None


def _step(declared: Declared) -> Callable[..., Any]:
    function = declared.function
    if declared.awaits:

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return await performing.perform(declared, args, kwargs)

        setattr(awaited, DECLARED, declared)
        return awaited

    @wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        return blocking_performing.perform(declared, args, kwargs)

    setattr(plain, DECLARED, declared)
    return plain


def _run(declared: Declared, facts: Facts = Facts()) -> Any:  # noqa: B008 - it is frozen
    function = declared.function
    if declared.awaits:

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return await driving.call_run(declared, facts, args, kwargs)

        return _with_options(awaited, declared, facts)

    @wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        return blocking_driving.call_run(declared, facts, args, kwargs)

    return _with_options(plain, declared, facts)


def _with_options(function: Any, declared: Declared, facts: Facts) -> Any:
    def options(
        *,
        id: str = "",
        key: str = "",
        conversation: str = "",
        end_user: str = "",
        retention: str = "",
    ) -> Any:
        return _run(declared, Facts(id, key, conversation, end_user, retention))

    setattr(function, DECLARED, declared)
    function.__trimtab_facts__ = facts
    function.options = options
    return function
