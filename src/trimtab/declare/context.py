"""The `context` table of a task: which messages of a long conversation the model gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trimtab.declare import values
from trimtab.declare.mistakes import one_of
from trimtab.declare.project import Context, Strategy
from trimtab.declare.references import check_model
from trimtab.declare.table import Table

STRATEGY: Final[values.Read[Strategy]] = values.choice("full", "keep_system_and_recent", "token_window", "summarise")
MAX_TOKENS: Final = 10_000_000
MAX_RECENT: Final = 10_000
MAX_SUMMARY: Final = 100_000
TAKES: Final[dict[Strategy, tuple[str, ...]]] = {
    "full": ("max_input_tokens",),
    "keep_system_and_recent": ("max_input_tokens", "recent"),
    "token_window": ("max_input_tokens", "recent"),
    "summarise": ("max_input_tokens", "recent", "model", "summary_tokens"),
}
"""The keys that each strategy has beside `strategy`."""


def read_context(table: Table) -> Context:
    """The `context` table; without one, all messages go to the model."""
    strategy: Strategy = table.get("strategy", STRATEGY, "full")
    _check_use(table, strategy)
    tokens = values.whole(1, MAX_TOKENS)
    if strategy in {"token_window", "summarise"}:
        table.required("max_input_tokens", tokens, "8000")
    if strategy == "summarise":
        table.required("model", values.name, '"small"')
    if strategy == "keep_system_and_recent" and "recent" not in table and "max_input_tokens" not in table:
        table.wrong("", "context keeps everything: it has neither `recent` nor `max_input_tokens`", "write recent = 20")
    usual = Context()
    read = Context(
        strategy=strategy,
        max_input_tokens=table.get("max_input_tokens", tokens, None),
        recent=table.get("recent", values.whole(1, MAX_RECENT), None),
        model=table.get("model", values.name, ""),
        summary_tokens=table.get("summary_tokens", values.whole(1, MAX_SUMMARY), usual.summary_tokens),
    )
    _check_room(table, read)
    return read


def check_context_models(tasks: Mapping[str, Table], models: Mapping[str, Table]) -> None:
    """The model that writes summaries is declared."""
    for task in tasks.values():
        table = task.table("context")
        name = table.get("model", values.name, None)
        if name is not None:
            check_model(table, ("model",), name, models)


def _check_use(table: Table, strategy: Strategy) -> None:
    """No key of another strategy."""
    for key in ("max_input_tokens", "recent", "model", "summary_tokens"):
        if key in table and key not in TAKES[strategy]:
            owners = one_of(values.show(each) for each, keys in TAKES.items() if key in keys)
            what = f"{table.name(key)} has no use with the strategy {values.show(strategy)}"
            table.wrong(key, what, f"take it out, or write strategy = {owners}")


def _check_room(table: Table, read: Context) -> None:
    """A summary leaves room for messages."""
    most = read.max_input_tokens
    if read.strategy == "summarise" and most is not None and read.summary_tokens >= most:
        key = "summary_tokens" if "summary_tokens" in table else "max_input_tokens"
        what = f"a summary of {read.summary_tokens} tokens leaves no room in {most}"
        table.wrong(key, what, "write fewer summary_tokens, or more max_input_tokens")
