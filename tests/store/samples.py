"""Events to put into stores."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from trimtab.record.events import Admitted, Attempt, Change, CostLabel, Settled, Usage

NOON_NS = 1_760_011_200_000_000_000
"""2025-10-09 12:00:00 UTC."""
MINUTE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000
SOME_USAGE = Usage(input=10, output=5)


def filled(kind: Any, numbers: Any = None) -> Any:
    """A value of a type in which every field differs from its default and from its neighbours."""
    numbers = itertools.count(1) if numbers is None else numbers
    described = msgspec.inspect.type_info(kind)
    match described:
        case msgspec.inspect.StructType(cls=cls):
            return cls(**{field.encode_name: _of(field.type, numbers) for field in described.fields})
        case _:
            return _of(described, numbers)


def _of(described: Any, numbers: Any) -> Any:
    inspect = msgspec.inspect
    number = next(numbers)
    match described:
        case inspect.StructType(cls=cls):
            return filled(cls, numbers)
        case inspect.UnionType(types=types):
            return _of(next(kind for kind in types if not isinstance(kind, inspect.NoneType)), numbers)
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.VarTupleType(item_type=item):
            return (_of(item, numbers), _of(item, numbers))
        case inspect.DictType(key_type=key, value_type=value):
            return {_of(key, numbers): _of(value, numbers)}
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return number
        case inspect.FloatType():
            return number + 0.5
        case inspect.BytesType():
            return bytes([0, 255, number])
        case inspect.StrType():
            return f"text é\t'\\{number}"
    raise NotImplementedError(described)


def call(
    name: str,
    at_ns: int = NOON_NS,
    *,
    task: str = "route",
    model: str = "small",
    outcome: str = "ok",
    cost: tuple[CostLabel, int | None] = ("exact", 1000),
    usage: Usage | None = SOME_USAGE,
    **fields: Any,
) -> Settled:
    """A call that ended at `at_ns`, a second after it was admitted."""
    admitted = Admitted(
        call=name,
        at_ns=at_ns - SECOND_NS,
        worker="g0-0123456789ab",
        environment="test",
        snapshot="s1",
        task=task,
        key="k",
        surface="chat_completions",
        model=model,
        stream=True,
    )
    label, pusd = cost
    return Settled(
        admitted=admitted,
        at_ns=at_ns,
        outcome=outcome,
        status=200 if outcome == "ok" else 502,
        attempts=1,
        model=model,
        usage=usage,
        cost_pusd=pusd,
        cost_label=label,
        **fields,
    )


def attempt(name: str, number: int = 1, at_ns: int = NOON_NS, **fields: Any) -> Attempt:
    """A try of a call."""
    known = {"cause": "ok", "duration_s": 0.5, "model": "small", "replica": "http://127.0.0.1:9"}
    return Attempt(call=name, number=number, at_ns=at_ns, **known | fields)


def change(subject: str, at_ns: int = NOON_NS) -> Change:
    """Something that took effect."""
    return Change(at_ns=at_ns, kind="snapshot", subject=subject, before="a", after="b", by="me", detail="why")
