"""A search for calls as the parameters of an address: one way to write it, for pages, programs and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.datastructures import QueryParams

from trimtab.console.endpoint import Query
from trimtab.errors import InvalidRequest
from trimtab.reports.window import since_ns
from trimtab.store.search import MAX_LIMIT, MAX_TEXT, MEASURES, ORDERS, CallMeasure, CallSearch, Range

FOREVER_NS: Final = (1 << 63) - 1
PUSD_PER_USD: Final = 1e12
LISTS: Final[Mapping[str, tuple[str, str]]] = {
    "task": ("tasks", "a task"),
    "model": ("models", "a model by its name in the project"),
    "replica": ("replicas", "a replica's address"),
    "outcome": ("outcomes", "`ok`, an error's code, `client_gone` or `abandoned`"),
    "verdict": ("verdicts", "`valid`, `invalid`, `truncated` or `refused`"),
    "finish_reason": ("finish_reasons", "why the model stopped, `length` say"),
    "environment": ("environments", "an environment"),
    "key": ("keys", "the name of a client's key"),
    "prompt": ("prompts", "the digest of a prompt's version, or its beginning"),
    "lock": ("locks", "a lock's id or its beginning"),
}
"""Parameters that may be given again, the field of `CallSearch` each fills, and what it is."""
NAMES: Final[Mapping[str, str]] = {
    "run": "the id of a run",
    "conversation": "the id of a conversation",
    "end_user": "an end user, as clients tell them",
    "system_prompt": "the digest of a system prompt",
    "tools": "the digest of the tools that came with an undeclared call",
    "tool": "a tool that an answer called",
}
MARKS: Final[Mapping[str, str]] = {
    "failing": "true keeps calls with an outcome other than `ok`, and answers that were invalid, cut or refused",
    "bad_tool_call": "true keeps calls with a tool call that was not valid",
    "tool_error": "true keeps calls whose request brought a tool's error",
    "retried": "true keeps calls that took more than one attempt",
}
UNITS: Final[Mapping[CallMeasure, str]] = {
    "total": "seconds",
    "ttft": "seconds",
    "tpot": "seconds",
    "gap": "seconds",
    "output": "tokens",
    "input": "tokens",
    "cost": "USD",
    "attempts": "tries",
    "repairs": "times",
}
SEARCH: Final = (
    *(Query(name, f"{says}; may be given again", many=True) for name, (_, says) in LISTS.items()),
    *(Query(name, says) for name, says in NAMES.items()),
    *(Query(name, says, bool) for name, says in MARKS.items()),
    *(Query(f"min_{name}", f"the least {name}, in {UNITS[name]}", float) for name in MEASURES),
    *(Query(f"max_{name}", f"the most {name}, in {UNITS[name]}", float) for name in MEASURES),
    Query("text", f"words in the beginning of the last question or of the answer, {MAX_TEXT} characters at most"),
    Query("order", f"{', '.join(ORDERS)}; `newest` unless given"),
    Query("since", "an age (30m, 1h, 7d) or a time (2026-11-01T10:30)"),
    Query("until", "the same: calls that ended before it"),
    Query("after", "where the page before ended, as it told"),
    Query("limit", f"how many at most, 1 to {MAX_LIMIT}", int),
)
"""The parameters that `call_search` reads."""


def call_search(asked: QueryParams, tasks: tuple[str, ...], now_ns: int, limit: int = 50) -> CallSearch:
    """The search that these parameters ask for, among `tasks`, which stand in the place of its own `task`.

    Raises `InvalidRequest` for a value that cannot be. Other parameters are left alone.
    """
    try:
        return CallSearch(
            since_ns=since_ns(asked["since"], now_ns) if asked.get("since") else 0,
            until_ns=since_ns(asked["until"], now_ns) if asked.get("until") else FOREVER_NS,
            **_narrowed(asked) | {"tasks": tasks},
            ranges=tuple(found for name in MEASURES if (found := _range(asked, name)) is not None),
            text=asked.get("text", ""),
            order=asked.get("order") or "newest",  # type: ignore[arg-type]  # it is held against the orders there are
            after=asked.get("after", ""),
            limit=_limit(asked.get("limit", ""), limit),
        )
    except ValueError as wrong:
        raise InvalidRequest(detail=str(wrong)) from wrong


def _narrowed(asked: QueryParams) -> dict[str, Any]:
    found: dict[str, Any] = {field: tuple(filter(None, asked.getlist(name))) for name, (field, _) in LISTS.items()}
    found |= {name: asked.get(name, "") for name in NAMES}
    return found | {name: asked.get(name, "") == "true" for name in MARKS}


def _range(asked: QueryParams, measure: CallMeasure) -> Range | None:
    least, most = _number(asked, f"min_{measure}"), _number(asked, f"max_{measure}")
    scale = PUSD_PER_USD if measure == "cost" else 1.0
    if least is None and most is None:
        return None
    return Range(measure, None if least is None else least * scale, None if most is None else most * scale)


def _limit(text: str, limit: int) -> int:
    if text and not text.isdecimal():
        raise ValueError(f"?limit={text[:40]} is not a number from 1 to {MAX_LIMIT}")
    return int(text[:10]) if text else limit


def _number(asked: QueryParams, name: str) -> float | None:
    text = asked.get(name, "")
    try:
        return float(text) if text else None
    except ValueError:
        raise ValueError(f"?{name}={text[:40]} is no number; write 0.5 or 200") from None
