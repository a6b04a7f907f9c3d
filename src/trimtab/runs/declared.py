"""What a decorated function is declared to be, and its calls as data."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from string import Formatter
from types import SimpleNamespace
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from trimtab.journal.entries import Effect, StepKind, body_of
from trimtab.journal.proposals import Background
from trimtab.journal.requests import canonical
from trimtab.runs import values
from trimtab.runs.faults import NotData, NotDeclared

MOST_ATTEMPTS: Final = 20
ITSELF: Final = ("self", "cls")
VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
"""Parameters that are never part of a request."""

T = TypeVar("T")
Given = Mapping[str, Any]
"""The arguments of a call by name, defaults filled in."""
NOTHING: Final[Given] = {}


@dataclass(frozen=True)
class Happened(Generic[T]):
    """What a `reconcile` function found: the effect happened, and this is what the tool would have given."""

    output: T


@dataclass(frozen=True)
class NeverHappened:
    """What a `reconcile` function found: the effect did not happen, so that it may be taken."""


@dataclass(frozen=True)
class Reviewed:
    """How a tool's calls are put before a person.

    `when` takes the call's arguments and says whether; None is always. `otherwise` is decided when nobody did within
    `expires_s`.
    """

    when: Callable[..., bool] | None = None
    reason: str | Callable[..., str] = ""
    roles: tuple[str, ...] = ()
    expires_s: float | None = None
    otherwise: Literal["approved", "rejected"] = "rejected"
    escalate_s: float | None = None
    escalate_to: str = ""


@dataclass(frozen=True)
class Request:
    """A call as the journal has it: its arguments as JSON, and the digest of their canonical form."""

    name: str
    content: bytes
    digest: str

    @classmethod
    def of(cls, kind: StepKind, name: str, label: str, asked: object) -> Request:
        """Raises `NotData` for what JSON cannot carry."""
        try:
            content = values.encode(asked)
            digest = canonical(kind, name, values.to_plain(asked)).digest
        except (TypeError, ValueError, RecursionError) as unfit:
            raise NotData(what="what is asked", label=label, detail=str(unfit)) from unfit
        return cls(name, content, digest)


@dataclass(frozen=True)
class Declared:
    """A function that is a step, a tool or a run."""

    function: Callable[..., Any]
    kind: StepKind
    name: str
    effect: Effect = "read"
    key: str | Callable[..., str] | None = None
    without: tuple[str, ...] = ()
    attempts: int = 1
    retry: tuple[type[Exception], ...] = (Exception,)
    reconcile: Callable[..., Any] | None = None
    review: Reviewed | None = None
    facts: dict[str, str] = field(default_factory=dict)

    @cached_property
    def signature(self) -> inspect.Signature:
        """The function's own."""
        return inspect.signature(self.function)

    @cached_property
    def awaits(self) -> bool:
        """Whether it is `async def`."""
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def read_output(self) -> Callable[[bytes], Any]:
        """Makes what it gives from JSON; raises `NotDeclared` for a return type not found or that no data has."""
        inner = inspect.unwrap(self.function)
        said = SimpleNamespace(__annotations__={"return": getattr(inner, "__annotations__", {}).get("return", Any)})
        try:
            return values.decoder(typing.get_type_hints(said, getattr(inner, "__globals__", {}))["return"])
        except NameError as missing:
            detail = f"its return type is not found ({missing}); define it in the module, outside of functions"
            raise NotDeclared(name=self.name, detail=detail) from missing
        except TypeError as unfit:
            raise NotDeclared(name=self.name, detail=f"what it returns cannot be made from data ({unfit})") from unfit

    def given(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Given:
        """The arguments by name, without those that are left out; raises `TypeError` as the call itself would."""
        bound = self.signature.bind(*arguments, **named)
        bound.apply_defaults()
        given = {}
        for name, parameter in self.signature.parameters.items():
            if name in self.without or (name in ITSELF and name == next(iter(self.signature.parameters))):
                continue
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                given.update(bound.arguments[name])
            else:
                given[name] = bound.arguments[name]
        return given

    def request(self, given: Given, label: str) -> Request:
        """The call as the journal has it; raises `NotData`, which names the argument."""
        try:
            return Request.of(self.kind, self.name, label, given)
        except NotData:
            for name, value in given.items():
                try:
                    values.encode(value)
                except (TypeError, ValueError, RecursionError) as unfit:
                    raise NotData(what=f"argument {name!r}", label=label, detail=str(unfit)) from unfit
            raise

    def key_of(self, given: Given) -> str:
        """The idempotency key of a call; empty where none is declared. Raises `NotDeclared` where it cannot be made."""
        if self.key is None:
            return ""
        try:
            return self.key.format_map(given) if isinstance(self.key, str) else str(self.key(**given))
        except (KeyError, IndexError, AttributeError, TypeError) as failure:
            raise NotDeclared(
                name=self.name, detail=f"its key cannot be made from {sorted(given)}: {failure}"
            ) from failure

    def edited(self, bound: inspect.BoundArguments, given: Given) -> inspect.BoundArguments:
        """The call with other arguments in their place, from data; raises `TypeError` for what it does not take."""
        made = self.signature.bind(*bound.args, **bound.kwargs)
        for name, value in given.items():
            if name not in self.signature.parameters or name in self.without:
                raise TypeError(f"it takes no argument {name!r}")
            made.arguments[name] = self._typed(name, value)
        return made

    def call_from(self, given: Given, left_out: Given = NOTHING) -> inspect.BoundArguments:
        """The call that was made with these arguments, from data, and with those that were left out of the request.

        Raises `TypeError` where it takes others by now, or where some were left out that it cannot do without.
        """
        arguments: list[Any] = []
        named: dict[str, Any] = {}
        rest = dict(given)
        for name, parameter in self.signature.parameters.items():
            if name not in rest and name not in left_out:
                continue
            value = self._typed(name, rest.pop(name)) if name in rest else left_out[name]
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                arguments.extend(value)
            elif parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                named[name] = value
            else:
                arguments.append(value)
        return self.signature.bind(*arguments, **named, **rest)

    def _typed(self, name: str, value: Any) -> Any:
        """Data as the type of a parameter, as far as that is found."""
        kind = self._types.get(name, Any)
        if self.signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            kind = list[kind]  # type: ignore[valid-type]
        return values.decoder(kind)(values.encode(value))

    @cached_property
    def _types(self) -> dict[str, Any]:
        inner = inspect.unwrap(self.function)
        found: dict[str, Any] = {}
        for name, said in getattr(inner, "__annotations__", {}).items():
            one = SimpleNamespace(__annotations__={name: said})
            try:
                found |= typing.get_type_hints(one, getattr(inner, "__globals__", {}))
            except NameError:
                continue
        return found

    def background(self) -> Background:
        """What a person is shown of the tool beside its arguments."""
        words = (inspect.getdoc(self.function) or "").partition("\n\n")[0]
        return Background(" ".join(words.split())[:600], effect=self.effect, schema=self._schema)

    @cached_property
    def _schema(self) -> str:
        """The JSON Schema of the arguments as far as their types have one; empty where they have none."""
        try:
            hints = typing.get_type_hints(inspect.unwrap(self.function))
            fields = [
                (name, hints.get(name, Any), None) if one.default is not one.empty else (name, hints.get(name, Any))
                for name, one in self.signature.parameters.items()
                if name not in self.without and name not in ITSELF and one.kind not in VARIADIC
            ]
            made = msgspec.defstruct(self.name if self.name.isidentifier() else "arguments", fields, kw_only=True)
            return json.dumps(msgspec.json.schema(made))
        except (TypeError, NameError, ValueError):
            return ""

    def definition(self) -> str:
        """What an approval is bound to beside name and arguments: the names of its parameters, and its words."""
        return body_of(f"{', '.join(self.signature.parameters)}\n{inspect.getdoc(self.function) or ''}".encode()).digest


@dataclass(frozen=True)
class Facts:
    """What is said of a run when it begins. A run with a `key` has an id that follows from it."""

    run: str = ""
    key: str = ""
    conversation: str = ""
    end_user: str = ""
    retention: str = ""
    parent: str = ""
    parent_seq: int = 0


def checked(declared: Declared) -> Declared:
    """The declaration, if it holds together; raises `NotDeclared`, which says what does not."""
    name, parameters = declared.name, declared.signature.parameters
    unknown = sorted(set(declared.without) - set(parameters))
    if unknown:
        raise NotDeclared(name=name, detail=f"it has no argument {unknown[0]!r} to leave out")
    if not 1 <= declared.attempts <= MOST_ATTEMPTS:
        raise NotDeclared(name=name, detail=f"attempts are 1 to {MOST_ATTEMPTS}, not {declared.attempts}")
    if declared.effect == "write" and declared.attempts > 1:
        raise NotDeclared(name=name, detail="a write is not repeated; give it one attempt, or a key and `idempotent`")
    if declared.key is not None and declared.effect != "idempotent":
        raise NotDeclared(name=name, detail=f"only an idempotent tool has a key, and this one is {declared.effect}")
    if isinstance(declared.key, str):
        _check_key(declared, declared.key, parameters)
    if inspect.isasyncgenfunction(declared.function) or inspect.isgeneratorfunction(declared.function):
        raise NotDeclared(name=name, detail="what it yields cannot be one result; return a list")
    return declared


def _check_key(declared: Declared, key: str, parameters: Mapping[str, inspect.Parameter]) -> None:
    names = {name.split(".")[0].split("[")[0] for _, name, _, _ in Formatter().parse(key) if name is not None}
    for name in sorted(names - set(parameters)):
        raise NotDeclared(name=declared.name, detail=f"its key names {name!r}, which is none of its arguments")
    if not names:
        raise NotDeclared(name=declared.name, detail=f"its key {key!r} would be the same for every call")


def names(without: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several, as a tuple."""
    return (without,) if isinstance(without, str) else tuple(without)
