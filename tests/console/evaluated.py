"""Evaluations that lie in a data directory, for pages to show: written as an evaluation writes them, never asked."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from tests.console.past import NEW_LOCK, OLD_LOCK
from tests.console.seeding import HOSTILE
from tests.evals.samples import SUITE, sample
from trimtab.clock import Clock
from trimtab.evals.case import Case
from trimtab.evals.comparing import Setting, compare
from trimtab.evals.kept import Evaluations
from trimtab.evals.plan import ArmPlan, Plan
from trimtab.evals.report import ArmReport, Exactly
from trimtab.evals.sample import Mark, Sample, ToolCall
from trimtab.journal.labels import Labelling, LabelStore
from trimtab.processes.label_book import LabelBook

BLOCKED, SHIPPED, ALONE, RUNS, HARMFUL = "0199-blocked", "0198-shipped", "0197-alone", "0200-runs", "0196-hostile"
"""The ids of the evaluations."""
TURNED: Final = "case-0"
"""The case of the blocked one that turned."""
DAY_NS: Final = 86_400 * 10**9
CASES: Final = tuple(Case(f"case-{number}", {"ticket": f"My parcel {number} is late."}) for number in range(30))
EVALS: Final = replace(SUITE, cases="tasks/extract/cases", margin=0.15)
DIGESTS: Final = ("sha256:" + "5a" * 32, "sha256:" + "ca" * 32)
SCRIPT: Final = HOSTILE[0]
NAMES: Final = tuple(text.replace("\ud800", "") for text in HOSTILE)


def plan(name: str, task: str, at_ns: int, *arms: str, cases: Sequence[Case] = CASES) -> Plan:
    """A plan for the demo's suite: the base under the old lock, the candidate under the new one."""
    locks = {"base": OLD_LOCK, "candidate": NEW_LOCK}
    those = tuple(ArmPlan(arm, f"the {arm}", locks[arm]) for arm in arms)  # type: ignore[arg-type]
    return Plan(name, task, at_ns, EVALS, EVALS.cases, DIGESTS[1], tuple(one.id for one in cases), those)


def keep(kept: Evaluations, made: Plan, samples: Sequence[Sample], *, ends: bool = True) -> None:
    """Writes an evaluation into its folder, with the report that follows from its samples."""
    kept.begin(made)
    with kept.running(made.id) as file:
        for one in samples:
            file.add(one)
    if not ends:
        return
    about = {one.arm: ArmReport(one.arm, one.source, one.lock, "") for one in made.arms}
    exactly = Exactly(DIGESTS[0], DIGESTS[1], 7, 2, packages={"msgspec": "0.20"}, trimtab="0.1")
    setting = Setting(made.id, made.task, made.at_ns, about["candidate"], exactly, base=about.get("base"))
    cases = [next((one for one in CASES if one.id == name), Case(name, {})) for name in made.order]
    kept.end(compare(setting, made.suite, cases, samples))


def answers(arm: str, wrong: Sequence[str], cases: Sequence[Case] = CASES) -> list[Sample]:
    """Two answers of an arm to each case, all right but those that are wrong."""
    found = []
    for case in cases:
        for number in range(2):
            right = case.id not in wrong
            text = f"The parcel of {case.id} is {'late' if right else 'lost'}."
            mark = {"exact": float(right)}
            found.append(sample(arm, case.id, number, mark, text=text, length_tokens=9, cost_usd=0.001, total_s=0.5))  # type: ignore[arg-type]
    return found


def hostile_answers() -> list[Sample]:
    """Answers whose every text is meant to harm, to cases that are named so."""
    found = []
    for number, text in enumerate(NAMES):
        for arm, right in (("base", 1.0), ("candidate", 0.0)):
            made = sample(arm, text, 0, {}, text=f"{text} {arm}", verdict="invalid", model=text)  # type: ignore[arg-type]
            answer = replace(made.answer, call=f"{arm}-{number}", tool_calls=(ToolCall(text, text),))
            found.append(replace(made, answer=answer, marks=(Mark("exact", right, text),)))
    return found


def evaluations(data_directory: Path, now_ns: int, *, is_hostile: bool = True) -> Evaluations:
    """A data directory with an evaluation that blocks, one that ships, one of one arm, one that runs, and a hostile."""
    kept = Evaluations(data_directory)
    lost = [TURNED, *(f"case-{number}" for number in range(1, 12))]
    both = ("base", "candidate")
    keep(kept, plan(ALONE, "route", now_ns - 9 * DAY_NS, "candidate"), answers("candidate", ["case-3"]))
    keep(
        kept,
        plan(SHIPPED, "extract", now_ns - 3 * DAY_NS, *both),
        [*answers("base", ["case-9"]), *answers("candidate", ["case-9"])],
    )
    keep(
        kept,
        plan(BLOCKED, "extract", now_ns - DAY_NS, *both),
        [*answers("base", ["case-29"]), *answers("candidate", [*lost, "case-29"])],
    )
    keep(kept, plan(RUNS, "extract", now_ns - 60 * 10**9, "candidate"), answers("candidate", [], CASES[:2]), ends=False)
    if is_hostile:
        texts = [Case(text, {}) for text in NAMES]
        made = plan(HARMFUL, "extract", now_ns - 5 * DAY_NS, *both, cases=texts)
        made = replace(made, arms=tuple(replace(one, source=NAMES[0]) for one in made.arms))
        keep(kept, made, hostile_answers())
    return kept


def cases_file(root: Path) -> None:
    """The cases of the suite in the project."""
    folder = root / "tasks" / "extract"
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = [{"id": one.id, "inputs": one.inputs, "expected": "late"} for one in CASES]
    (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def labels(state: sqlite3.Connection, data_directory: Path, clock: Clock) -> LabelBook:
    """Sets to label: answers of the evaluation that blocks, pairs of them, hostile ones, and one that is settled."""
    book = LabelBook(LabelStore(state), data_directory, data_directory / "suites", clock)
    for made in (
        Labelling("helpful", "extract", "Does the answer say what became of the parcel?"),
        Labelling("better", "extract", "Which answer is better?", "pairwise", 3),
        Labelling("harm", "extract", NAMES[0], scale=5),
        Labelling("settled", "route", "Is it polite?"),
    ):
        book.make(made, "ana")
    for name in ("helpful", "better"):
        book.add(name, book.answers(book.get(name), BLOCKED, 30), f"evaluation {BLOCKED}")
    book.add("harm", [{"inputs": {text: text}, "answer": text} for text in NAMES], NAMES[1])
    book.add("settled", [{"inputs": {"ticket": str(one)}, "answer": "Please wait."} for one in range(4)], "")
    said = {"helpful": ("yyyn", "yyny"), "harm": ("111555", "111551"), "settled": ("yyyn", "yyyn")}
    for name, keys in said.items():
        for who, mine in zip(("ana", "ben"), keys, strict=True):
            for key in mine:
                waits = book.detail(name, who).next
                if waits is not None:
                    book.put(name, waits.id, key, NAMES[1] if name == "harm" else "", who, who)
    return book
