"""Dead letters as text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.cli.dead_client import Listed
from trimtab.journal.dead_letters import DeadLetter, Tally
from trimtab.processes.dead import Redriven, Shown
from trimtab.reports.foreign import plain_text
from trimtab.reports.numbers import NONE, whole
from trimtab.reports.window import clock_text

GOOD, BAD, QUIET = "green", "red", "dim"
SHOWN_LINES = 40
SHOWN_CAUSES = 8
TOLD = 400
NAMED = ("key", "run", "step", "parent", "conversation", "end_user")


class Column(NamedTuple):
    """A column of the list of letters, and how wide the terminal must be for it to be shown."""

    name: str
    from_width: int
    width: int
    is_number: bool
    cell: Callable[[DeadLetter, int], str]


COLUMNS = (
    Column("letter", 0, 32, False, lambda letter, now: letter.id),
    Column("age", 0, 6, True, lambda letter, now: age_text(now - letter.first_ns)),
    Column("task", 0, 12, False, lambda letter, now: letter.task or NONE),
    Column("model", 120, 12, False, lambda letter, now: letter.model or NONE),
    Column("cause", 0, 20, False, lambda letter, now: letter.cause),
    Column("tries", 0, 5, True, lambda letter, now: whole(letter.attempts)),
    Column("redriven", 92, 8, True, lambda letter, now: whole(letter.redrives)),
    Column("bytes", 108, 9, True, lambda letter, now: whole(letter.size_bytes)),
    Column("request", 132, 8, False, lambda letter, now: _kept(letter)),
)


def _kept(letter: DeadLetter) -> str:
    if letter.kind != "call":
        return NONE
    return "kept" if letter.kept else "not kept"


def listed_text(found: Listed, now_ns: int, width: int) -> RenderableType:
    """Letters, one a line, in as many columns as `width` has room for; below them how many there are of each cause."""
    if not found.tally:
        return Text("No dead letters.")
    parts: list[RenderableType] = []
    if found.letters:
        parts += [_table(found.letters, now_ns, width), Text()]
    else:
        parts.append(Text("No such letter."))
    if any(not letter.kept for letter in found.letters):
        parts.append(Text("dim: not kept whole (redaction of the task), so it cannot be sent again", QUIET))
    total, shown = sum(one.letters for one in found.tally), len(found.letters)
    few = f"{whole(shown)} of {whole(total)}: " if shown < total else ""
    parts.append(Text(few + causes_text(found.tally)))
    return Group(*parts)


def _table(letters: Sequence[DeadLetter], now_ns: int, width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in (shown := [column for column in COLUMNS if width >= column.from_width]):
        justify: JustifyMethod = "right" if column.is_number else "left"
        table.add_column(column.name, justify=justify, min_width=column.width, no_wrap=True)
    for letter in letters:
        cells = (plain_text(column.cell(letter, now_ns)) for column in shown)
        table.add_row(*cells, style="" if letter.kept else QUIET)
    return table


def causes_text(tally: Sequence[Tally]) -> str:
    """How many letters wait of each cause and task, the most first: `12 upstream_error of triage, 1 unreadable`."""
    most = sorted(tally, key=lambda one: -one.letters)
    causes = [f"{whole(one.letters)} {one.cause}{f' of {one.task}' if one.task else ''}" for one in most[:SHOWN_CAUSES]]
    rest = sum(one.letters for one in most[SHOWN_CAUSES:])
    return ", ".join([*causes, f"{whole(rest)} others"] if rest else causes)


def letter_text(found: Shown, now_ns: int, *, to_the_end: bool) -> RenderableType:
    """One letter: how it ended, who called, and the request that a redrive would send."""
    letter = found.letter
    lines = [Text.assemble((letter.id, "bold"), "   ", (letter.cause, BAD))]
    lines += [plain_text(letter.detail, TOLD)] if letter.detail else []
    when = f"{clock_text(letter.first_ns)}, {age_text(now_ns - letter.first_ns)} ago   "
    if letter.kind == "records":
        lines.append(Text(f"{when}a damaged segment of {whole(letter.size_bytes)} bytes"))
        return Text("\n").join(lines)
    if letter.kind == "alert":
        lines.append(Text(f"{when}{whole(letter.attempts)} tries to tell ").append_text(plain_text(letter.last_call)))
        return Text("\n").join(lines)
    lines.append(Text(f"{when}{whole(letter.attempts)} tries at replicas"))
    if letter.redrives:
        latest = f"the latest as {letter.last_call} on {clock_text(letter.last_ns)}"
        lines.append(Text(f"re-driven {whole(letter.redrives)} times in vain, {latest}"))
    lines.append(_facts({"task": letter.task, "model": letter.model, "surface": _surface(letter)}))
    admitted = letter.admitted
    if admitted is not None:
        lines.append(_facts({name.replace("_", " "): getattr(admitted, name) for name in NAMED}))
    return Group(Text("\n").join(lines), _request(found, to_the_end=to_the_end))


def _surface(letter: DeadLetter) -> str:
    return "" if letter.admitted is None else letter.admitted.surface


def _facts(named: dict[str, str]) -> Text:
    """Name and value of what is known."""
    pairs = [Text.assemble((f"{name} ", QUIET), plain_text(value)) for name, value in named.items() if value]
    return Text("   ").join(pairs)


def _request(found: Shown, *, to_the_end: bool) -> Text:
    if found.request is None:
        return Text(f"\nrequest: cannot be sent again, {found.missing}", style=QUIET)
    lines = _indented(found.request).splitlines()
    hidden = 0 if to_the_end else max(0, len(lines) - SHOWN_LINES)
    more = [f"... {hidden} lines more, with --whole"] if hidden else []
    shown = [*lines[: len(lines) - hidden], *more]
    told = Text("\n").join(plain_text(line, len(line)) for line in shown)
    return Text.assemble((f"\nrequest, {whole(found.letter.size_bytes)} bytes\n", "bold"), told)


def _indented(text: str) -> str:
    """JSON laid out for reading; anything else as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def redriven_text(done: Redriven, place: int, of: int) -> Text:
    """What became of one letter."""
    text = Text(f"{place}/{of} {done.id} ")
    text.append("done" if done.ok else "! failed", GOOD if done.ok else BAD)
    if done.events or (done.ok and not done.call and not done.detail):
        text.append(f", {whole(done.events)} records read behind the damage")
    if done.call:
        text.append(f" as {done.call}")
    if done.detail:
        text.append("\n    ").append_text(plain_text(done.detail, TOLD))
    return text


def age_text(age_ns: int) -> str:
    """An age in its largest unit."""
    seconds = max(0, age_ns) // 1_000_000_000
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
