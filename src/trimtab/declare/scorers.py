"""Scorers of a suite: as tables, and in their short form, which is a word and what it needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from trimtab.declare import values
from trimtab.declare.evaluating import Scorer, ScorerKind
from trimtab.declare.files import in_project, place
from trimtab.declare.mistakes import nearest, one_of
from trimtab.declare.names import data_set_name
from trimtab.declare.paths import steps
from trimtab.declare.table import Table

USES: Final[dict[ScorerKind, tuple[str, ...]]] = {
    "exact": ("field", "expected"),
    "normalised": ("field", "expected"),
    "numeric": ("field", "expected", "tolerance", "relative"),
    "regex": ("pattern", "field"),
    "json": ("field", "expected"),
    "schema": (),
    "tool_call": ("tool", "arguments", "expected"),
    "contains": ("pattern", "field", "expected"),
    "cites": ("field", "expected"),
    "python": ("file", "function"),
    "rubric": ("model", "question", "labels"),
    "pairwise": ("model", "question", "labels"),
    "latency": (),
    "cost": (),
}
"""What each kind is told beside `name`, `critical` and `margin`."""
NEEDS: Final[dict[ScorerKind, tuple[str, ...]]] = {
    "regex": ("pattern",),
    "python": ("file", "function"),
    "rubric": ("model", "question"),
    "pairwise": ("model", "question"),
}
"""What it must be told."""
SHORT: Final = {
    "exact": "exact",
    "normalised": "normalised",
    "numeric": "numeric:FIELD",
    "regex": "regex:PATTERN",
    "json": "json:FIELD",
    "schema": "schema",
    "tool_call": "tool_call",
    "contains": "contains:TEXT or contains:TEXT|FIELD",
    "cites": "cites",
    "python": "python:FILE:FUNCTION",
    "latency": "latency",
    "cost": "cost",
}
"""Kinds that have a short form, and that form."""
KIND: Final[values.Read[ScorerKind]] = values.choice(*USES)
FUNCTION: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
TOOL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST: Final = 32
MOST_ARGUMENTS: Final = 64
MOST_QUESTION: Final = 10_000
EXAMPLE: Final = 'write scorers = ["exact"], say'


def read_scorers(task: str, table: Table, root: Path) -> tuple[Scorer, ...]:
    """The `scorers` of a suite, of which there is at least one; each has a name of its own."""
    found: list[Scorer] = []
    if "scorers" not in table or table.get("scorers", _as_it_is, None) == []:
        table.wrong("scorers" if "scorers" in table else "", f"{table.name('scorers')} has none", EXAMPLE)
    read = table.tables_or("scorers", short_form)
    if len(read) > MOST:
        table.wrong("scorers", f"{table.name('scorers')} has {len(read)} elements", f"write at most {MOST}")
    for index, each in read[:MOST]:
        at = ("scorers",) if index is None else ("scorers", index)
        scorer = _read(task, each, root) if isinstance(each, Table) else each
        if scorer is not None and not isinstance(each, Table) and scorer.kind == "python":
            scorer = _with_digest(task, table, at, scorer, root)
        if scorer is None:
            continue
        if scorer.name in {one.name for one in found}:
            what = f"two scorers are called {values.show(scorer.name)}"
            table.wrong_at(at, what, 'give one of them a name of its own: { kind = "...", name = "..." }')
            continue
        found.append(scorer)
    return tuple(found)


def short_form(value: object) -> Scorer:
    """A scorer in its short form: `exact`, `json:label`, `numeric:total`, `regex:^[A-Z]{3}$`, `contains:sorry|reply`.

    It is called what is written. Raises `Wrong` for anything else. A Python scorer has no digest yet.
    """
    text = values.text(value)
    word, colon, rest = text.partition(":")
    kind = next((known for known in USES if known == word), None)
    if kind is not None and kind not in SHORT:
        hint = f'write {{ kind = "{kind}", model = "...", question = "..." }}'
        raise values.Wrong(f"{values.show(text)}, which has no short form", hint)
    if kind is None:
        close = nearest(word, SHORT)
        hint = f"did you mean {SHORT[close]}?" if close else f"write one of {one_of(SHORT.values())}, or a table"
        raise values.Wrong(f"{values.show(text)}, not a scorer in its short form", hint)
    if not rest and (colon or kind in {"regex", "python"}):
        raise values.Wrong(f"{values.show(text)}, which is cut short", f"write {SHORT[kind]}")
    if rest and ":" not in SHORT[kind]:
        raise values.Wrong(f"{values.show(text)}, and {kind} is told nothing", f"write {SHORT[kind]}")
    return FILL[kind](Scorer(name=text[:100], kind=kind), rest) if rest else Scorer(name=kind, kind=kind)


def _fill_field(scorer: Scorer, rest: str) -> Scorer:
    return replace(scorer, field=path(rest))


def _fill_pattern(scorer: Scorer, rest: str) -> Scorer:
    return replace(scorer, pattern=pattern(rest))


def _fill_contains(scorer: Scorer, rest: str) -> Scorer:
    text, bar, field = rest.rpartition("|")
    if bar and (not text or not field):
        raise values.Wrong(f"{values.show(rest)}, which is cut short", f"write {SHORT['contains']}")
    return replace(scorer, pattern=text if bar else rest, field=path(field) if bar else "")


def _fill_python(scorer: Scorer, rest: str) -> Scorer:
    file, _, name = rest.rpartition(":")
    if not file:
        raise values.Wrong(f"{values.show(rest)}, not a file and a function", f"write {SHORT['python']}")
    return replace(scorer, file=place(file), function=function(name))


FILL: Final[dict[str, Callable[[Scorer, str], Scorer]]] = {
    "numeric": _fill_field,
    "json": _fill_field,
    "regex": _fill_pattern,
    "contains": _fill_contains,
    "python": _fill_python,
}


def path(value: object) -> str:
    """A path into a JSON value, such as `order.items[0].price`."""
    text = values.text(value)
    try:
        steps(text)
    except ValueError:
        raise values.Wrong(
            f"{values.show(text)}, not a path", "write keys and indexes, such as order.items[0].price"
        ) from None
    return text


def pattern(value: object) -> str:
    """A regular expression of Python."""
    text = values.text(value)
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as wrong:
        raise values.Wrong(f"{values.show(text)}, no regular expression ({wrong})", "correct it") from None
    return text


def function(value: object) -> str:
    """The name of a function of a Python file."""
    if not isinstance(value, str) or not FUNCTION.fullmatch(value):
        raise values.Wrong(f"{values.show(value)}, not the name of a function", 'write one such as "score"')
    return value


def _tool(value: object) -> str:
    if not isinstance(value, str) or not TOOL.fullmatch(value):
        raise values.Wrong(f"{values.show(value)}, not the name of a tool", "use 1 to 64 of A-Z a-z 0-9 _ -")
    return value


def _question(value: object) -> str:
    """A text of several lines."""
    if not isinstance(value, str) or not value.strip() or len(value) > MOST_QUESTION:
        raise values.Wrong("not a text", f"write a string of 1 to {MOST_QUESTION} characters")
    return value


def _read(task: str, table: Table, root: Path) -> Scorer | None:
    kind = table.required("kind", KIND, '"exact"')
    uses = USES[kind] if kind else sorted({key for keys in USES.values() for key in keys})
    scorer = Scorer(
        name=table.get("name", values.text, "") or _called(kind, table),
        kind=kind or "exact",
        field=table.get("field", path, ""),
        expected=table.get("expected", path, ""),
        pattern=table.get("pattern", values.text if kind == "contains" else pattern, ""),
        tolerance=table.get("tolerance", values.number(0, 10**12), 0.0),
        relative=table.get("relative", values.truth, default=False),
        tool=table.get("tool", _tool, ""),
        arguments=tuple(name for _, name in table.elements("arguments", path, most=MOST_ARGUMENTS)),
        function=table.get("function", function, ""),
        model=table.get("model", values.name, ""),
        question=table.get("question", _question, ""),
        labels=table.get("labels", data_set_name, ""),
        critical=table.get("critical", values.truth, default=False),
        margin=table.get("margin", margin(kind), None),
    )
    if "file" in table:
        scorer = replace(scorer, file=table.get("file", place, ""))
        scorer = _with_digest(task, table, ("file",), scorer, root) if scorer.file else scorer
    if kind is None:
        return None
    for key in table:
        if key not in uses and key not in {"name", "kind", "critical", "margin"}:
            table.wrong(
                key, f"{table.name(key)} is nothing that {kind} is told", f"take it out; it takes {_told(kind)}"
            )
    for key in NEEDS.get(kind, ()):
        if key not in table:
            table.wrong("", f"the scorer {kind} has no {key}", f"write {key} = ... beside it")
    if scorer.critical and kind in {"latency", "cost"}:
        table.wrong("critical", f"{table.name('critical')}: {kind} is never simply wrong", "take it out")
    return scorer


def margin(kind: ScorerKind | None) -> values.Read[float]:
    """How much worse is still good enough: points of a score, seconds of latency, US dollars of cost."""
    return values.number(0, 10**6 if kind in {"latency", "cost"} else 1)


def _told(kind: ScorerKind) -> str:
    return one_of({*USES[kind], "name", "critical", "margin"})


def _called(kind: ScorerKind | None, table: Table) -> str:
    """What a scorer is called that is given no name: its kind and what it looks at."""
    about = next(
        (table.get(key, _as_it_is, "") for key in ("field", "tool", "function", "pattern") if key in table), ""
    )
    return f"{kind}:{about}"[:100] if isinstance(about, str) and about and about.isprintable() else kind or ""


def _with_digest(task: str, table: Table, at: tuple[str | int, ...], scorer: Scorer, root: Path) -> Scorer:
    """A Python scorer with the sha256 of its file: a bare name lies in the task's folder, a path in the project."""
    file = scorer.file if "/" in scorer.file else f"tasks/{task}/{scorer.file}"
    try:
        return replace(scorer, file=file, digest=in_project(root)(file).digest)
    except values.Wrong as wrong:
        table.wrong_at(at, f"the scorer's file is {wrong.what}", wrong.instead)
        return scorer


def _as_it_is(value: object) -> object:
    return value
