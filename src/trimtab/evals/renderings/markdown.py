"""A report in Markdown, for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from trimtab.evals.renderings import lines
from trimtab.evals.report import Metric, Report
from trimtab.evals.words import NONE, count, plain

MOST_CHARACTERS: Final = 60_000
"""GitHub takes 65,536 in a comment."""
MOST_CHANGES: Final = 20
HEADS: Final = {"ship": "Ship", "block": "Block", "inconclusive": "Inconclusive"}
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~&@$:-])")


def markdown(report: Report) -> str:
    """The report: verdict and reasons, figures, then slices, cases and the rest folded away.

    Words of others are escaped, so that no link, mention, picture or tag comes of them. Beyond 60,000 characters the
    folded parts are left out, last first, and it is said.
    """
    parts = [_head(report), *(part for part in _folded(report) if part)]
    left = 0
    while len(parts) > 1 and sum(map(len, parts)) > MOST_CHARACTERS:
        parts.pop()
        left += 1
    if left:
        parts.append(f"{count(left, 'part')} left out for length; `report.json` has all.\n")
    return "\n".join(parts)


def escaped(words: str) -> str:
    """Words of others as text that Markdown does not obey, on one line and without control codes."""
    return _SPECIAL.sub(r"\\\1", plain(" ".join(words.split()), MOST_CHARACTERS))


def _head(report: Report) -> str:
    verdict = f"{HEADS[report.verdict]}: " if report.verdict else ""
    found = [f"### {verdict}{escaped(lines.headline(report))}", ""]
    found += [f"- {escaped(reason)}" for reason in report.reasons]
    found += [""] if report.reasons else []
    if report.metrics:
        found += [*_metrics(report, lines.whole(report)), ""]
    if report.price:
        found += [escaped(report.price), ""]
    return "\n".join(found)


def _metrics(report: Report, metrics: Iterable[Metric]) -> Iterator[str]:
    heads = lines.heads(report)
    sides = "".join("l" if head in lines.IN_WORDS else "r" for head in heads)
    return _table(heads, sides, [one.cells for one in lines.rows(report, metrics)])


def _table(heads: Sequence[str], sides: str, rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---:' if side == 'r' else '---' for side in sides)} |"
    yield from (f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows)


def _folded(report: Report) -> Iterator[str]:
    slices = lines.sliced(report)
    if slices:
        yield _details(f"{count(len(slices), 'slice')}", _metrics(report, slices))
    changed = lines.flipped(report)
    if changed:
        shown = lines.case_rows(report, changed[: lines.MOST_CASES])
        yield _details(lines.flipped_summary(report), _table(("case", "base", "candidate", ""), "lrrl", shown))
    if report.changes:
        entries = (f"- {escaped(one)}" for one in lines.changes(report, MOST_CHANGES))
        yield _details(f"{count(len(report.changes), 'change')} of the lock", entries)
    facts = (f"- {escaped(one)}" for one in (*lines.facts(report), f"To run it again: {lines.again(report)}"))
    yield _details("How it was measured", facts)


def _details(summary: str, body: Iterable[str]) -> str:
    return "\n".join(["<details>", f"<summary>{summary or NONE}</summary>", "", *body, "", "</details>", ""])
