"""Labelling by keys: the answer that waits, what others made of those that are done, and what is disputed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from starlette.exceptions import HTTPException

from trimtab.console import format as written
from trimtab.console.endpoint import Query
from trimtab.console.label_desk import Disputed, LabelDesk, SetDetail
from trimtab.console.page import Action, Asked, Attachment, Built, Download, Page
from trimtab.console.pages.labels import label_place
from trimtab.console.parts import Parts
from trimtab.console.tables import Column, Table
from trimtab.console.text import short
from trimtab.errors import InvalidRequest
from trimtab.evals.agreeing import PairAgreement, SetAgreement
from trimtab.journal.labels import LabelItem, Labelling

MOST_QUEUED: Final = 500
NO_PAIRS: Final = "Nobody has labelled two rows that another one labelled too."
NO_DISPUTE: Final = "Nothing is disputed: where reviewers disagree, a third one decides here."


async def build(asked: Asked, parts: Parts) -> Built[SetDetail]:
    """The page. Raises 404 for a set that is not there, or of a task that may not be seen."""
    desk, labelling = found(asked, parts)
    data = desk.detail(labelling.name, asked.visitor.reviewer)
    extra = {
        "labelling": labelling,
        "sides": sides_of(data.next),
        "keys": [(key, word) for key, (word, _) in labelling.keys.items()],
        "task_href": asked.task(labelling.task),
        "agreement": agreement_text(data.agreement),
        "given": asked.query.get("given") == "true",
    }
    tables = (pairs_table(data.agreement), disputed_table(data.disputed))
    return Built(data, cast("tuple[Table[object], ...]", tables), title=f"Labels: {labelling.name}", extra=extra)


def found(asked: Asked, parts: Parts) -> tuple[LabelDesk, Labelling]:
    """The desk, and a set that the visitor may see."""
    name = asked.path["name"]
    known = parts.labels.find(name) if parts.labels is not None else None
    if parts.labels is None or known is None or not asked.visitor.sees(known.task):
        raise HTTPException(404, f"there is no set {name[:80]} of labels here; /labels lists those you may see")
    return parts.labels, known


def sides_of(item: LabelItem | None) -> list[tuple[str, str]]:
    """The parts of a row, each with its head: what went in, what is expected, and what is judged last."""
    if item is None:
        return []
    row: dict[str, Any] = json.loads(item.line)
    heads = {
        "inputs": "what goes in",
        "messages": "messages",
        "expected": "expected",
        "answer": "the answer",
        "first": "the first answer",
        "second": "the second answer",
    }
    return [(head, _written(row[key])) for key, head in heads.items() if key in row]


def agreement_text(one: SetAgreement) -> str:
    """How well all agree, in words."""
    if not one.rows:
        return "No row has all its labels yet, so that nothing can be said of how well reviewers agree."
    same = f"Of {written.exact(one.rows)} rows that are done reviewers agree on {written.share(one.same)}"
    if one.alpha is None:
        return f"{same}; all say the same one thing, so that chance alone would agree too."
    ends = f"({one.low:.2f} to {one.high:.2f})"
    return f"{same}; Krippendorff's alpha ({one.measure}) is {one.alpha:.2f} {ends}: 1 is perfect, 0 is chance."


def pairs_table(agreement: SetAgreement) -> Table[PairAgreement]:
    """How well each two reviewers agree."""
    columns: tuple[Column[PairAgreement], ...] = (
        Column("first", "reviewer", lambda one: one.first),
        Column("second", "and", lambda one: one.second),
        Column("rows", "rows", lambda one: one.rows, lambda one: written.exact(one.rows), numeric=True),
        Column("same", "the same", lambda one: one.same, lambda one: written.share(one.same), numeric=True),
        Column(
            "kappa",
            "kappa",
            lambda one: {"value": one.kappa, "low": one.low, "high": one.high},
            _kappa,
            says="Cohen's kappa with its 95 % interval: 1 is perfect, 0 is chance.",
            numeric=True,
        ),
    )
    return Table("pairs", "Who agrees with whom", columns, agreement.pairs, NO_PAIRS)


def disputed_table(rows: Sequence[Disputed]) -> Table[Disputed]:
    """Rows on which reviewers disagree; they come to a third one last."""
    columns: tuple[Column[Disputed], ...] = (
        Column("place", "row", lambda one: one.item.place + 1, numeric=True),
        Column("answer", "answer", lambda one: _judged(one.item), lambda one: short(_judged(one.item), 120)),
        Column("labels", "labels", _said, _said),
        Column("notes", "notes", _notes, lambda one: short(_notes(one), 120) or written.NOTHING),
    )
    return Table("disputed", "Disputed", columns, rows, NO_DISPUTE)


async def give(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Keeps what the visitor says of a row, and leads to the next."""
    desk, labelling = found(asked, parts)
    desk.put(
        labelling.name,
        form.get("item", ""),
        form.get("key", ""),
        form.get("note", ""),
        asked.visitor.reviewer,
        asked.visitor.name,
    )
    return f"{label_place(asked, labelling.name, given='true')}#next"


async def export(asked: Asked, parts: Parts) -> Attachment:
    """The rows that have all their labels, a line of JSON each."""
    desk, labelling = found(asked, parts)
    lines = [msgspec.json.encode(row) + b"\n" for row in desk.labelled(labelling.name)]
    return Attachment(f"{labelling.name}.jsonl", b"".join(lines))


async def queue(asked: Asked, parts: Parts, form: Mapping[str, str]) -> str:
    """Puts answers of an evaluation into a set, which is made where there is none of that name."""
    evaluation, name = asked.path["evaluation"], form.get("set", "").strip()
    kept = await parts.evaluations.one(evaluation) if parts.evaluations is not None else None
    if parts.labels is None or kept is None or not asked.visitor.sees(kept.plan.task):
        raise HTTPException(404, f"there is no evaluation {evaluation[:80]} here; /evaluations lists those you may see")
    count = form.get("count", "100")
    if not count.isdecimal() or len(count) > 5 or not 0 < int(count) <= MOST_QUEUED:
        raise InvalidRequest(detail=f"count={count[:20]} is no number from 1 to {MOST_QUEUED}")
    labelling = parts.labels.find(name)
    if labelling is None:
        is_pair = form.get("kind") == "pairwise"
        wanted = Labelling(
            name,
            kept.plan.task,
            form.get("question", ""),
            "pairwise" if is_pair else "rubric",
            3 if is_pair else 2,
        )
        labelling = parts.labels.make(wanted, asked.visitor.name)
    if not asked.visitor.sees(labelling.task):
        raise InvalidRequest(detail=f"{name[:64]} is the name of another set; choose another")
    rows = await asyncio.to_thread(parts.labels.answers, labelling, evaluation, int(count))
    parts.labels.add(name, rows, f"evaluation {evaluation}")
    return label_place(asked, name)


def _written(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, indent=2)


def _judged(item: LabelItem) -> str:
    row = json.loads(item.line)
    return " | ".join(_written(row[key]) for key in ("answer", "first", "second") if key in row)


def _said(one: Disputed) -> str:
    return ", ".join(f"{label.who} {written.number(label.value)}" for label in one.labels)


def _notes(one: Disputed) -> str:
    return "; ".join(f"{label.who}: {label.note}" for label in one.labels if label.note)


def _kappa(one: PairAgreement) -> str:
    return written.NOTHING if one.kappa is None else f"{one.kappa:.2f} ({one.low:.2f} to {one.high:.2f})"


PAGE: Final = Page(
    "labelling",
    "/labels/{name}",
    "Labelling",
    "a set of answers: the one that waits for you, how well reviewers agree, and what is disputed",
    SetDetail,
    build,
    query=(Query("given", "true says that a label was taken in", bool),),
)
ACTIONS: Final = (
    Action("/labels/{name}/given", "labels an answer", give, least="viewer"),
    Action("/evaluations/{evaluation}/label", "puts answers of an evaluation into a set to be labelled", queue),
)
EXPORT: Final = Download("/labels/{name}/export", "the rows of a set that have all their labels, a line each", export)
