"""What the verbs share that evaluate: where evaluations lie, what is said before and meanwhile, and Ctrl-C."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from trimtab.assemble.evaluation import ASKED, Around, Done, carry_out, taken_up
from trimtab.assemble.evaluation_money import Forecast, forecast, telling
from trimtab.assemble.evaluation_plan import Options, Prepared, prepare
from trimtab.assemble.evaluation_scorers import scorers_of
from trimtab.assemble.evaluation_side import Side, base_side, side
from trimtab.cli.eval_list import reports_of
from trimtab.cli.screen import error_console, here, safe
from trimtab.cli.verdicts import LATEST
from trimtab.clock import SystemClock
from trimtab.declare.load import load
from trimtab.declare.project import Project
from trimtab.errors import EvaluationRefused, EvaluationUnknown
from trimtab.evals.foreseeing import cases_to_block
from trimtab.evals.kept import Evaluations
from trimtab.evals.progress import Progress
from trimtab.evals.report import Report
from trimtab.evals.sample import Arm
from trimtab.evals.words import amount_text, count
from trimtab.ids import IdSource

HERE: Final = "the working tree"
EARLIER: Final = 50
"""Evaluations that are looked at for what the task's calls cost and how its scores vary."""
LINE_S: Final = 10.0
"""Between two lines of progress where nobody's terminal is."""


class Asked(Struct, frozen=True):
    """What an evaluation was begun with, kept beside its plan so that it can be taken up again by its id alone.

    `drop` is the loss of the first score, in points, that it is to have cases enough for; `budget` is in US dollars.
    `suite_arm` is the arm whose suite, cases and judges it has. `rev` is what was asked, the working tree if empty.
    """

    task: str
    against: str = ""
    samples: int | None = None
    cases: int | None = None
    early: bool = False
    drop: float | None = None
    budget: float | None = None
    suite_arm: Arm = "candidate"
    rev: str = ""


@dataclass(frozen=True)
class Evaluating:
    """A project whose suites are asked; what is said of it goes to `screen`, standard error."""

    project: Project
    around: Around
    screen: Console

    @classmethod
    def of(cls, root: Path) -> Evaluating:
        """The project in `root`; raises `DeclarationError`."""
        project = load(root)
        evaluations = Evaluations(Path(project.data.directory))
        around = Around(evaluations, scorers_of, SystemClock(), IdSource())
        return cls(project, around, error_console())

    def asked(self, resume: str, asked: Asked) -> Asked:
        """What is asked for; of an evaluation that is taken up, what was, within the budget that it had unless another
        is given. Raises `EvaluationUnknown`.
        """
        if not resume:
            return asked
        found = self._named(resume, asked.task)
        try:
            begun = msgspec.json.decode((self.around.evaluations.folder(found) / ASKED).read_bytes(), type=Asked)
        except (OSError, msgspec.DecodeError):
            raise EvaluationUnknown(id=found, detail="it does not say what it was begun with; begin anew") from None
        budget = begun.budget if asked.budget is None else asked.budget
        return replace(begun, drop=None, cases=len(self.around.evaluations.plan(found).order), budget=budget)

    def _named(self, resume: str, task: str) -> str:
        evaluations = self.around.evaluations
        found = evaluations.unfinished(task) if resume == LATEST else evaluations.named(resume)
        if found is None:
            raise EvaluationRefused(task=task or "any task", detail="none was cut short; leave --resume out")
        if evaluations.report(found) is not None:
            raise EvaluationUnknown(id=found, detail="it has ended; `trimtab eval show` has its report")
        return found

    @contextlib.contextmanager
    def sides(self, against: str, rev: str = "") -> Iterator[dict[Arm, Side]]:
        """The project as it lies there, or another revision of it, and what it is compared with."""
        root = Path(self.project.root)
        with contextlib.ExitStack() as held:
            candidate = held.enter_context(base_side(root, rev)) if rev else side(self.project, HERE)
            if not against:
                yield {"candidate": candidate}
            else:
                yield {"base": held.enter_context(base_side(root, against)), "candidate": candidate}

    def prepare(self, asked: Asked, sides: dict[Arm, Side], options: Options) -> Prepared:
        """The evaluation that is asked for. Raises `EvaluationRefused`."""
        suite_arm, drop = asked.suite_arm, asked.drop
        if drop is None:
            return prepare(asked.task, sides, options, self.around.clock, self.around.ids, suite_arm)
        needed = self._cases_for(drop, asked.task, sides[suite_arm], options)
        enough = replace(options, cases=needed)
        found = prepare(asked.task, sides, enough, self.around.clock, self.around.ids, suite_arm)
        has = len(found.plan.order)
        fewer = f"; the suite has {has:,}: add cases, or name a larger drop" if has < needed else ""
        self.screen.print(f"A drop of {drop:g} points takes {count(needed, 'case')} to be blocked{fewer}.")
        return found

    def _cases_for(self, drop: float, task: str, suite_side: Side, options: Options) -> int:
        """How many cases a drop needs, in points."""
        declared = suite_side.project.tasks.get(task)
        suite = declared.evals if declared is not None else None
        if suite is None or not suite.scorers:
            return 1
        needed = cases_to_block(
            replace(suite, samples=options.samples or suite.samples), drop / 100, telling(self.earlier(task))
        )
        if needed is None:
            detail = f"a drop of {drop:g} points lies within the margin of its first score; name a larger one"
            raise EvaluationRefused(task=task, detail=detail)
        return needed

    def taken_up(self, prepared: Prepared, resume: str = "", *, is_new: bool = False) -> Prepared:
        """The same as it was begun before, if it was. Raises `EvaluationRefused` where `resume` is of other work."""
        found = None if is_new else taken_up(prepared, self.around.evaluations)
        wanted = self._named(resume, prepared.plan.task) if resume else ""
        if wanted and (found is None or wanted != found.plan.id):
            detail = f"since {wanted} was begun its suite, cases or arms have changed; begin anew without --resume"
            raise EvaluationRefused(task=prepared.plan.task, detail=detail)
        if found is None:
            return prepared
        answered = sum(one.answer.is_ours for one in self.around.evaluations.samples(found.plan.id))
        self.screen.print(f"Goes on with {found.plan.id}, of which {count(answered, 'sample')} are answered.")
        return found

    def announce(self, prepared: Prepared) -> None:
        """Says what is asked, what it costs, and what it can see."""
        told = forecast(prepared, self.earlier(prepared.plan.task), self.around.clock)
        for line in announcement(prepared, told):
            self.screen.print(line)

    def earlier(self, task: str) -> Iterator[Report]:
        """Reports of a task, the latest first."""
        return (one for one in reports_of(self.around.evaluations, EARLIER) if one.task == task)

    def carry_out(self, prepared: Prepared, asked: Asked, again: str = "") -> Done:
        """Asks, with how far it is on the screen; says how to go on where it was interrupted: `again`, or by its id."""
        with progress(self.screen, prepared.plan.task) as tell:
            done = carry_out(prepared, self.around, tell, msgspec.json.encode(asked))
        if done.report is None:
            again = again or here(f"trimtab eval --resume {prepared.plan.id}")
            self.screen.print(f"Stopped; what was answered is kept. Next: {again}")
        return done


def announcement(prepared: Prepared, told: Forecast) -> Iterator[str]:
    """What is said before the first call."""
    plan = prepared.plan
    against = f" against {safe(prepared.base.source)}" if prepared.base is not None else ""
    judged = f", and {count(told.judge_calls, 'call')} of judges" if told.judge_calls else ""
    yield (
        f"{safe(plan.task)}: {safe(prepared.candidate.source)}{against}. {count(len(plan.order), 'case')}, "
        f"{count(plan.suite.samples, 'sample')} of each, {count(told.calls, 'call')}{judged}; {_money(told)}."
    )
    if told.sees is not None:
        yield told.sees.words
    if plan.suite.budget_usd is not None:
        yield f"It stops before it has cost {amount_text(plan.suite.budget_usd, 'USD')}."


def _money(told: Forecast) -> str:
    if told.expected_usd is None:
        return "what it costs is not known, since a model has no price or its answers no limit"
    most = f", {amount_text(told.most_usd, 'USD')} at most" if told.most_usd is not None else ""
    return f"about {amount_text(told.expected_usd, 'USD')}{most}"


@contextlib.contextmanager
def progress(screen: Console, task: str) -> Iterator[Callable[[Progress], None]]:
    """Shows how far an evaluation is: a bar on a terminal, else a line now and then."""
    if not screen.is_terminal:
        last = [0.0]

        def line(now: Progress) -> None:
            if now.elapsed_s - last[0] >= LINE_S:
                last[0] = now.elapsed_s
                screen.print(f"{task}: {now.done:,} of {now.planned:,} samples, {told(now)}")

        yield line
        return
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415 - terminals only
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}")
    with Bars(*columns, console=screen, transient=True) as bars:
        row = bars.add_task(safe(task), told="")

        def tell(now: Progress) -> None:
            bars.update(row, total=now.planned, completed=now.done, told=told(now))

        yield tell


def told(now: Progress) -> str:
    """The rate, the money so far, and the time left."""
    parts = [f"{now.rate:.1f} a second", amount_text(now.spent_usd, "USD")]
    if now.left_s is not None:
        parts.append(f"{duration(now.left_s)} left")
    if now.failed:
        parts.append(f"{now.failed:,} failed")
    if now.waiting_s > 0:
        parts.append(f"held {now.waiting_s:.0f} s by a rate limit")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `3 min`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
