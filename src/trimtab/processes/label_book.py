"""What is done with answers that people label: for control's routes, its pages, and the command line by itself."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from trimtab.clock import Clock
from trimtab.console.label_desk import Added, Disputed, SetDetail, SetShown
from trimtab.data.manifest import held
from trimtab.data.rows import RowFault, read_rows
from trimtab.errors import DataInvalid, EvaluationUnknown, InvalidRequest
from trimtab.evals.agreeing import SetAgreement, agreement_of
from trimtab.evals.case import Case
from trimtab.evals.cases import as_case
from trimtab.evals.kept import Evaluations
from trimtab.evals.plan import Plan
from trimtab.evals.sample import Answer, Sample
from trimtab.journal.labels import MOST_NOTE, Kind, Label, Labelling, LabelStore, Row, next_for, told
from trimtab.statistics.agreement import Measure

OURS: Final = ("inputs", "messages", "expected")
SIDES: Final[dict[Kind, tuple[str, ...]]] = {"rubric": ("answer",), "pairwise": ("first", "second")}
MOST_DISPUTED: Final = 50


class LabelBook:
    """Sets of answers to label. Every operation raises `StoreError`, and `InvalidRequest` for what cannot be."""

    def __init__(self, store: LabelStore, data_directory: Path, root: Path, clock: Clock) -> None:
        """`data_directory` holds the evaluations, `root` the project with the cases of these."""
        self._store = store
        self._evaluations = Evaluations(data_directory)
        self._root = root
        self._clock = clock

    def __repr__(self) -> str:
        return f"LabelBook({self._store!r})"

    def get(self, name: str) -> Labelling:
        """A set by its name."""
        found = self._store.get(name)
        if found is None:
            raise InvalidRequest(
                detail=f"there is no set {name[:80]} of labels; `trimtab label list` has those there are"
            )
        return found

    def find(self, name: str) -> Labelling | None:
        """A set by its name; None where there is none."""
        return self._store.get(name)

    def sets(self, reviewer: str) -> tuple[SetShown, ...]:
        """All sets, by name."""
        return tuple(_shown(one, self._store.rows(one.name), reviewer) for one in self._store.all())

    def waiting(self) -> dict[str, int]:
        """How many rows wait for labels, by task."""
        return self._store.waiting()

    def make(self, wanted: Labelling, by: str) -> Labelling:
        """A new set."""
        made = replace(wanted, by=by, at_ns=self._clock.wall_ns())
        self._store.make(made)
        return made

    def drop(self, name: str) -> bool:
        """Lets go of a set and all that was said in it."""
        return self._store.drop(name)

    def add(self, name: str, rows: Sequence[dict[str, Any]], source: str) -> Added:
        """Puts rows into a set: cases with an `answer` or what was `observed`, or with `first` and `second`."""
        kind = self.get(name).kind
        lines = [_line(number, row, kind) for number, row in enumerate(rows, 1)]
        added = self._store.add(name, lines, source)
        return Added(added, len(lines) - added)

    def evaluation(self, beginning: str) -> str:
        """The id of an evaluation by the beginning of it. It reads files alone, like `answers`."""
        try:
            return self._evaluations.named(beginning)
        except EvaluationUnknown as unknown:
            raise InvalidRequest(detail=_not_there(unknown)) from None

    def answers(self, labelling: Labelling, evaluation: str, count: int, seed: int = 0) -> list[dict[str, Any]]:
        """Answers of an evaluation as rows of a set, drawn at random, those alike once; pairs for a pairwise one.

        It reads files alone, and may be asked from another thread.
        """
        try:
            plan, samples = self._evaluations.plan(evaluation), self._evaluations.samples(evaluation)
        except EvaluationUnknown as unknown:
            raise InvalidRequest(detail=_not_there(unknown)) from None
        if plan.task != labelling.task:
            raise InvalidRequest(detail=f"that evaluation is of {plan.task}, and the set of {labelling.task}")
        cases = self._cases(plan)
        found = _pairs(samples, cases) if labelling.kind == "pairwise" else _answers(samples, cases)
        rows = list({json.dumps(row, sort_keys=True): row for row in found}.values())
        random.Random(f"labels {seed}").shuffle(rows)  # noqa: S311 - a sample, not a secret
        return rows[:count]

    def detail(self, name: str, reviewer: str) -> SetDetail:
        """A set as one reviewer sees it."""
        labelling, rows = self.get(name), self._store.rows(name)
        waits = next_for(labelling, rows, reviewer)
        disputed = [one for one in rows if one.is_disputed(labelling.reviewers)]
        return SetDetail(
            _shown(labelling, rows, reviewer),
            self._store.item(waits.id) if waits is not None else None,
            _agreement(labelling, rows),
            tuple(
                Disputed(item, one.labels)
                for one in disputed[:MOST_DISPUTED]
                if (item := self._store.item(one.id)) is not None
            ),
        )

    def put(self, name: str, item: str, key: str, note: str, reviewer: str, who: str) -> Row:
        """Keeps what somebody says of a row by the key of the answer; returns the row as they may see it now."""
        labelling, found = self.get(name), self._store.item(item)
        if found is None or found.labelling != name:
            raise InvalidRequest(detail=f"there is no row {item[:80]} in {name}; take the next one")
        if key not in labelling.keys:
            raise InvalidRequest(detail=f"{key[:20]!r} is none of {', '.join(labelling.keys)}")
        before = next(one for one in self._store.rows(name) if one.id == item)
        if not before.is_open(labelling.reviewers) and before.by(reviewer) is not None:
            raise InvalidRequest(
                detail="what others said of that row is known now, so that it stays; take the next one"
            )
        value, at_ns = labelling.keys[key][1], self._clock.wall_ns()
        self._store.put(Label(item, reviewer, who, value, note.strip()[:MOST_NOTE], at_ns))
        after = next(one for one in self._store.rows(name) if one.id == item)
        return told(labelling, after, reviewer)

    def labelled(self, name: str) -> tuple[dict[str, Any], ...]:
        """The rows that have all their labels, as a data set of labels has them (docs/scorers.md)."""
        labelling = self.get(name)
        done = {one.id: one.labels for one in self._store.rows(name) if not one.is_open(labelling.reviewers)}
        return tuple(
            json.loads(item.line) | {"values": [one.value for one in done[item.id]]}
            for item in self._store.items(name)
            if item.id in done
        )

    def _cases(self, plan: Plan) -> dict[str, Case]:
        try:
            of = held(self._root, plan.data_set)
            with (self._root / of.path).open("rb") as file:
                rows = [row.value for row in read_rows(file) if not isinstance(row, RowFault)]
        except (DataInvalid, OSError) as missing:
            raise InvalidRequest(detail=f"the cases of that evaluation cannot be read: {missing}") from None
        found = {}
        for row in rows:
            try:
                case = as_case(row, plan.suite)
            except ValueError:
                continue
            found[case.id] = case
        return found


def _not_there(unknown: EvaluationUnknown) -> str:
    """What is wrong with an evaluation that was named, within a sentence of another error."""
    return f"no answers of evaluation {unknown.facts['id']} can be had: {unknown.facts['detail']}"


def _shown(labelling: Labelling, rows: Sequence[Row], reviewer: str) -> SetShown:
    return SetShown(
        labelling,
        len(rows),
        sum(not one.is_open(labelling.reviewers) for one in rows),
        sum(one.by(reviewer) is not None for one in rows),
        sum(one.is_disputed(labelling.reviewers) for one in rows),
    )


def _agreement(labelling: Labelling, rows: Sequence[Row]) -> SetAgreement:
    """Of rows that have all their labels, by those who labelled by themselves: a third one looks at disputes alone."""
    done = [one.labels[: max(2, labelling.reviewers)] for one in rows if not one.is_open(labelling.reviewers)]
    is_ranked = labelling.kind == "rubric" and labelling.scale > 2
    measure: Measure = "ordinal" if is_ranked else "nominal"
    names = {one.reviewer: one.who for labels in done for one in labels}
    twice = [who for who, count in Counter(names.values()).items() if count > 1]
    names = {one: f"{who} ({one[-4:]})" if who in twice else who for one, who in names.items()}
    return agreement_of([{names[one.reviewer]: one.value for one in labels} for labels in done], measure)


def _line(number: int, row: dict[str, Any], kind: Kind) -> str:
    """A row as a judge sees it, without what somebody said of it before."""
    sides = SIDES[kind]
    found = {key: row[key] for key in OURS if row.get(key) is not None}
    if not found.keys() & {"inputs", "messages"}:
        raise InvalidRequest(detail=f"row {number} has neither inputs nor messages; write what was asked")
    for side in sides:
        value = row.get(side, row.get("observed") if side == "answer" else None)
        if value is None:
            raise InvalidRequest(detail=f"row {number} has no {side}; write what is to be judged")
        is_answer = isinstance(value, str) or (isinstance(value, dict) and set(value) <= {"text", "tool_calls"})
        found[side] = value if is_answer else json.dumps(value, ensure_ascii=False)
    return json.dumps(found, ensure_ascii=False, sort_keys=True)


def _answers(samples: Sequence[Sample], cases: dict[str, Case]) -> list[dict[str, Any]]:
    return [
        {**_asked(cases[one.case]), "answer": _answer(one.answer)}
        for one in samples
        if one.case in cases and one.answer.is_ours
    ]


def _pairs(samples: Sequence[Sample], cases: dict[str, Case]) -> list[dict[str, Any]]:
    """Both arms' answers that were asked with one seed; which comes first follows from the seed, not from the arm."""
    by_cell: dict[tuple[str, int], dict[str, Sample]] = {}
    for one in samples:
        if one.case in cases and one.answer.is_ours:
            by_cell.setdefault((one.case, one.number), {})[one.arm] = one
    found = []
    for (case, _), arms in by_cell.items():
        if len(arms) == 2 and _answer(arms["base"].answer) != _answer(arms["candidate"].answer):
            order = ("base", "candidate") if arms["base"].seed % 2 else ("candidate", "base")
            first, second = (_answer(arms[arm].answer) for arm in order)
            found.append({**_asked(cases[case]), "first": first, "second": second})
    return found


def _answer(answer: Answer) -> Any:
    if not answer.tool_calls:
        return answer.text
    calls = [{"name": one.name, "arguments": one.arguments} for one in answer.tool_calls]
    return {"text": answer.text, "tool_calls": calls}


def _asked(case: Case) -> dict[str, Any]:
    found: dict[str, Any] = {"inputs": case.inputs, "messages": list(case.messages), "expected": case.expected}
    return {key: value for key, value in found.items() if value}
