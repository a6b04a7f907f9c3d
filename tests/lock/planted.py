"""Changes of the shape of a tool's answers, planted one at a time: the class each must get, and where."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from trimtab.lock.shape_classes import Class, What

Value = Any


def base(draw: random.Random) -> Value:
    """An answer of the tool before the change: nested, with optional and nullable fields, lists and a map."""
    found: dict[str, Value] = {
        "order_id": draw.randint(1, 10**6),
        "state": draw.choice(["open", "shut"]),
        "total": draw.choice([draw.randint(1, 99), draw.uniform(1, 99)]),
        "paid": draw.random() < 0.5,
        "note": draw.choice([None, "x", "y"]),
        "customer": {"name": "A", "address": {"city": "Z", "zip": "8000"}, "tags": ["vip"][: draw.randint(0, 1)]},
        "lines": [{"sku": f"s{n}", "qty": n + 1, "price": draw.choice([3, 3.5])} for n in range(draw.randint(1, 5))],
        "by_day": {f"2026-11-{day:02}": draw.randint(1, 9) for day in range(1, draw.randint(2, 9))},
        "history": [["open", 1], ["shut", 2]],
    }
    if draw.random() < 0.4:
        found["coupon"] = {"code": "c", "percent": 5}
    return found


class Planted(NamedTuple):
    """One change: what it does to an answer, and the findings it must give, as (path, what)."""

    name: str
    change: Callable[[Value], Value]
    found: frozenset[tuple[str, What]]

    @property
    def class_(self) -> Class:
        return "minor" if all(what == "new" for _, what in self.found) else "major"


def _put(at: str, value: Value) -> Callable[[Value], Value]:
    """Sets what lies at a path such as `customer.address.city`; `lines[].price` sets that of each item."""

    def change(answer: Value) -> Value:
        *way, last = at.split(".")
        for holder in _holders([answer], way):
            holder[last] = value(holder.get(last)) if callable(value) else copy.deepcopy(value)
        return answer

    return change


def _drop(at: str) -> Callable[[Value], Value]:
    def change(answer: Value) -> Value:
        *way, last = at.split(".")
        for holder in _holders([answer], way):
            holder.pop(last, None)
        return answer

    return change


def _holders(found: list[Value], way: list[str]) -> list[Value]:
    for name in way:
        found = [holder[name.removesuffix("[]")] for holder in found]
        if name.endswith("[]"):
            found = [item for items in found for item in items]
    return found


def _rename(at: str, name: str) -> Callable[[Value], Value]:
    def change(answer: Value) -> Value:
        *way, last = at.split(".")
        for holder in _holders([answer], way):
            holder[name] = holder.pop(last)
        return answer

    return change


def _found(*places: tuple[str, What]) -> frozenset[tuple[str, What]]:
    return frozenset(places)


PLANTED: tuple[Planted, ...] = (
    Planted("a field more", _put("currency", "CHF"), _found(("$.currency", "new"))),
    Planted("an object more", _put("seller", {"id": 1, "name": "S"}), _found(("$.seller", "new"))),
    Planted("an empty list more", _put("warnings", []), _found(("$.warnings", "new"))),
    Planted("a field more, null", _put("parent", None), _found(("$.parent", "new"))),
    Planted("a nested field more", _put("customer.address.street", "S"), _found(("$.customer.address.street", "new"))),
    Planted("a field more in each item", _put("lines[].discount", 0.1), _found(("$.lines[].discount", "new"))),
    Planted("a field of an odd name more", _put("sales tax", 8), _found(('$["sales tax"]', "new"))),
    Planted("a list of objects more", _put("refunds", [{"id": 1}]), _found(("$.refunds", "new"))),
    Planted("a map more", _put("by_id", {"9f86d081": 1}), _found(("$.by_id", "new"))),
    Planted("a field lost", _drop("state"), _found(("$.state", "lost"))),
    Planted("an object lost", _drop("customer"), _found(("$.customer", "lost"))),
    Planted("a list lost", _drop("lines"), _found(("$.lines", "lost"))),
    Planted("a nested field lost", _drop("customer.address.zip"), _found(("$.customer.address.zip", "lost"))),
    Planted("a field of each item lost", _drop("lines[].sku"), _found(("$.lines[].sku", "lost"))),
    Planted("a nullable field lost", _drop("note"), _found(("$.note", "lost"))),
    Planted("a field renamed", _rename("order_id", "id"), _found(("$.order_id", "lost"), ("$.id", "new"))),
    Planted(
        "a nested field renamed",
        _rename("customer.name", "full_name"),
        _found(("$.customer.name", "lost"), ("$.customer.full_name", "new")),
    ),
    Planted("a number as text", _put("order_id", str), _found(("$.order_id", "retyped"))),
    Planted("a text as a number", _put("customer.address.zip", int), _found(("$.customer.address.zip", "retyped"))),
    Planted("a boolean as text", _put("paid", str), _found(("$.paid", "retyped"))),
    Planted("a boolean as 0 or 1", _put("paid", int), _found(("$.paid", "retyped"))),
    Planted("a text as an object", _put("state", {"code": "open"}), _found(("$.state", "retyped"))),
    Planted("an object as text", _put("customer", "A, Z"), _found(("$.customer", "retyped"))),
    Planted("an object as a list of it", _put("customer", lambda value: [value]), _found(("$.customer", "retyped"))),
    Planted("a list as its only item", _put("lines", lambda value: value[0]), _found(("$.lines", "retyped"))),
    Planted("items as texts", _put("lines", ["s0", "s1"]), _found(("$.lines[]", "retyped"))),
    Planted("a price as text in each item", _put("lines[].price", str), _found(("$.lines[].price", "retyped"))),
    Planted("values of a map as texts", _put("by_day", {"2026-11-01": "1"}), _found(("$.by_day.*", "retyped"))),
    Planted("a field null", _put("state", None), _found(("$.state", "null"))),
    Planted("a field of each item null", _put("lines[].sku", None), _found(("$.lines[].sku", "null"))),
    Planted("a list null", _put("lines", None), _found(("$.lines", "null"))),
    Planted("all in a list", lambda answer: [answer], _found(("$", "retyped"))),
    Planted("all in an envelope", lambda answer: {"data": answer}, _found(*((f"$.{name}", "lost") for name in (
        "order_id", "state", "total", "paid", "note", "customer", "lines", "by_day", "history")), ("$.data", "new"))),
    Planted("text in place of JSON", lambda answer: "The order is open.", _found(("$", "retyped"))),
    Planted("nothing", lambda answer: "", _found(("$", "retyped"))),
    Planted("an empty object", lambda answer: {}, _found(*((f"$.{name}", "lost") for name in (
        "order_id", "state", "total", "paid", "note", "customer", "lines", "by_day", "history")))),
)  # fmt: skip
