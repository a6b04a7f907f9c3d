"""Asks a judge about answers that people scored; what it says is kept, so that it is paid for once."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from msgspec import Struct

from trimtab.contracts.judging import PAIRWISE, RUBRIC
from trimtab.declare.evaluating import Evals, Scorer
from trimtab.errors import EvaluationRefused, StoreError
from trimtab.evals.asking import Judge, Wait
from trimtab.evals.sample import Answer, Mark
from trimtab.evals.scorers import judging
from trimtab.evals.scorers.judges import Pairwise, Rubric
from trimtab.evals.scorers.labels import Label, Labels
from trimtab.evals.scorers.marking import OK
from trimtab.statistics.judge_errors import JudgeErrors, Labelled, judge_errors

FOLDER: Final = "judges"
"""Under the evaluations of a data directory."""
MOST_BYTES: Final = 16 << 20
MOST_WAITS: Final = 100
LONGEST_WAIT_S: Final = 60.0


class Said(Struct, frozen=True):
    """What the judge said of the label at a place; None where it could not tell."""

    place: int
    value: float | None
    calls: tuple[str, ...] = ()
    cost_usd: float = 0.0


class Calibration(Struct, frozen=True):
    """A judge held against people: how it errs, on which labels, and what asking it cost now and before."""

    scorer: str
    data_set: str
    digest: str
    errors: JudgeErrors
    unmarked: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    labelled: tuple[Labelled, ...] = ()

    def of(self, share: float) -> JudgeErrors:
        """How the judge errs on answers of which people would say `share` on average. Comparisons in both orders are
        as good as bad on average, whatever they are.
        """
        if not self.labelled or self.errors.centre or not self.errors.tells:
            return self.errors
        return judge_errors(self.labelled, share=share)


def calibrate(
    suite: Evals,
    scorer: Scorer,
    labels: Labels,
    judge: Judge,
    pin: str,
    folder: Path,
    wait: Callable[[float], object] | None = None,
) -> Calibration:
    """How the judge of a scorer errs on its labels; blocks. `pin` is what the model is pinned to.

    What it said is kept under `folder` by the model's pin, the question, the seed and the labels, answer by answer.
    Raises like `Judge.judge`, `StoreError`, and `EvaluationRefused` where the judge could tell of too few labels.
    """
    path = folder / f"{_digest(suite, scorer, labels, pin)}.jsonl"
    said = {one.place: one for one in _kept(path)}
    lacking = [place for place in range(len(labels.labels)) if place not in said]
    if lacking:
        said |= {one.place: one for one in _asked(suite, scorer, labels, judge, lacking, path, wait)}
    found = [(one, said[place]) for place, one in enumerate(labels.labels)]
    pairs = [
        Labelled(one.human, told.value, judging.length_of(*one.answers), one.case.group or one.case.id)
        for one, told in found
        if told.value is not None
    ]
    try:
        errors = judge_errors(pairs, antisymmetric=scorer.kind == "pairwise")
    except ValueError as wrong:
        told_of = f"the judge {scorer.model} could tell of {len(pairs)} of {len(found)} labels"
        raise EvaluationRefused(task=scorer.name, detail=f"{told_of}, and {wrong}") from None
    everything = [one for _, one in found]
    return Calibration(
        scorer.name,
        labels.data_set,
        labels.digest,
        errors,
        unmarked=len(found) - len(pairs),
        calls=sum(len(one.calls) for one in everything),
        cost_usd=sum(one.cost_usd for one in everything),
        labelled=tuple(pairs),
    )


def _asked(
    suite: Evals,
    scorer: Scorer,
    labels: Labels,
    judge: Judge,
    places: Sequence[int],
    path: Path,
    wait: Callable[[float], object] | None,
) -> list[Said]:
    """Asks of labels, several at a time, and keeps each answer at once. Where the judge did not answer nothing is kept:
    it is asked again the next time.
    """
    pause = wait or threading.Event().wait
    lock = threading.Lock()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("a+b") as file, ThreadPoolExecutor(suite.concurrency) as pool:
            _end_line(file)

            def one(place: int) -> Said:
                heard = _Heard(judge)
                told = _said(suite, scorer, labels.labels[place], place, heard, pause)
                if heard.answered:
                    with lock:
                        _append(file, told)
                return told

            return list(pool.map(one, places))
    except OSError as failure:
        raise StoreError(store=str(path), detail=failure.strerror) from None


def _said(
    suite: Evals, scorer: Scorer, label: Label, place: int, judge: Judge, pause: Callable[[float], object]
) -> Said:
    rubric, pairwise = Rubric(scorer, judge, suite.seed), Pairwise(scorer, judge, suite.seed)

    def marks() -> tuple[Mark, ...]:
        if len(label.answers) == 1:
            return (rubric.mark(label.case, label.answers[0]),)
        return pairwise.compare(label.case, *label.answers)

    for _ in range(MOST_WAITS):
        try:
            found = marks()
        except Wait as later:
            pause(min(later.seconds, LONGEST_WAIT_S))
            continue
        calls = tuple(one.call for one in found if one.call)
        return Said(place, found[-1].value, calls, sum(one.cost_usd for one in found))
    raise EvaluationRefused(task=scorer.name, detail=f"the judge {scorer.model} lets nothing in; ask again later")


class _Heard:
    """A judge, and whether it answered whatever it was asked."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.answered = True

    def judge(self, model: str, body: dict[str, Any], seed: int) -> Answer:
        """The judge's answer; blocks."""
        told = self._judge.judge(model, body, seed)
        self.answered = self.answered and told.outcome == OK
        return told


def _end_line(file: BinaryIO) -> None:
    """Ends a line that a crash cut off, so that the next one stands by itself."""
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _append(file: BinaryIO, told: Said) -> None:
    file.write(msgspec.json.encode(told) + b"\n")
    file.flush()


def _kept(path: Path) -> list[Said]:
    """What was kept; the line that a crash cut off is asked again."""
    try:
        with path.open("rb") as file:
            lines = file.read(MOST_BYTES).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as failure:
        raise StoreError(store=str(path), detail=failure.strerror) from None
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Said))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found


def _digest(suite: Evals, scorer: Scorer, labels: Labels, pin: str) -> str:
    form = PAIRWISE if scorer.kind == "pairwise" else RUBRIC
    parts = [scorer.name, scorer.model, pin, scorer.question, form.instruction, form.end, suite.seed, labels.digest]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
