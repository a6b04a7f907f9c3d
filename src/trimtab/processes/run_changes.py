"""What a fork is to be taken with otherwise, held against the declaration before anything is begun.

Nothing that is asked for is passed over: what is not declared, does not fit, or could be of no call that the run made
is refused here; the rest is told by each step that is taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from trimtab.declare.changed import KINDS, NOTED, Change, decode, split_name
from trimtab.declare.mistakes import Mistakes, nearest, one_of
from trimtab.declare.project import Model, Project, Prompt, Sampling
from trimtab.declare.rendering import render
from trimtab.declare.source import Source
from trimtab.declare.table import Table
from trimtab.declare.tasks import read_sampling
from trimtab.errors import GitFailed, InvalidRequest, TrimtabError
from trimtab.gateway.pipeline import SURFACES
from trimtab.gateway.surfaces.surface import Surface
from trimtab.journal.client import BlockingAsking
from trimtab.journal.reading import body_read
from trimtab.journal.steps import Log, Step
from trimtab.lock.git import find
from trimtab.policy.snapshot import PRODUCTION
from trimtab.processes.run_prompts import PromptThere, prompt_there

OF_THIS_FORK: Final = ("answer", "redrive")
"""What is told of one fork alone: those off it do not have it."""
MOST_VALUE: Final = 500
SURFACE: Final[dict[str, Surface]] = {surface.name: surface for surface in SURFACES}

Load = Callable[[], Project]


class NoFork(TrimtabError):
    """Run {run} cannot be forked so: {detail}; `trimtab runs show {run}` lists its steps."""


class Otherwise(Struct, frozen=True):
    """What a fork is asked to do otherwise, by name, and those of it that its calls are made with."""

    overrides: dict[str, str]
    changes: tuple[Change, ...] = ()


class Behind(Struct, frozen=True):
    """A step of a model that lies behind the fork: its task, if that is known, and its request, if it is kept."""

    step: Step
    task: str
    request: dict[str, Any] | None

    @property
    def inputs(self) -> dict[str, Any] | None:
        """What it brought for its task's prompt; None where its messages came whole."""
        ours = (self.request or {}).get("trimtab")
        found = ours.get("inputs") if isinstance(ours, dict) else None
        return found if isinstance(found, dict) else None


def otherwise(journal: BlockingAsking, log: Log, seq: int, asked: Mapping[str, str], load: Load | None) -> Otherwise:
    """What a fork before the entry at `seq` is taken with: what its origin was, with what is asked put in place of it.

    An empty value takes one back. `load` reads the declaration, and is needed where there is anything to hold against
    it. Raises `NoFork`, `DeclarationError`.
    """
    overrides, changes = inherited(journal, log)
    fresh: list[Change] = []
    asking = _Asking(journal, log, seq, load)
    for name, value in asked.items():
        known = overrides.pop(name, None)
        changes = {kept: one for kept, one in changes.items() if kept != name}
        if not value:
            if known is None:
                raise NoFork(run=log.run, detail=f"there is no change {name[:80]!a} to take back")
            continue
        if name in OF_THIS_FORK:
            overrides[name] = value
            continue
        told, change = asking.change(name, value)
        overrides[name] = told
        fresh += [change] if change is not None else []
    if fresh:
        asking.allowed()
    return Otherwise(overrides, (*changes.values(), *fresh))


def inherited(journal: BlockingAsking, log: Log) -> tuple[dict[str, str], dict[str, Change]]:
    """What a run was asked to do otherwise that a fork of it does too."""
    started = log.started
    if started is None:
        return {}, {}
    kept = {name: value for name, value in started.overrides.items() if name not in OF_THIS_FORK}
    content = body_read(journal, log.run, started.changes)
    if started.changes is not None and content is None:
        raise NoFork(run=log.run, detail="what it was itself asked to do otherwise is not kept any more")
    return kept, {one.name: one for one in decode(content)} if content else {}


class _Asking:
    """The declaration and the run that one fork is held against."""

    def __init__(self, journal: BlockingAsking, log: Log, seq: int, load: Load | None) -> None:
        self._journal, self._log, self._seq, self._load = journal, log, seq, load
        self._project: Project | None = None

    @property
    def project(self) -> Project:
        if self._project is None:
            if self._load is None:
                raise self.no("the project's declaration is not known here; fork it with `trimtab runs fork`")
            self._project = self._load()
        return self._project

    def no(self, detail: str) -> NoFork:
        return NoFork(run=self._log.run, detail=detail)

    def allowed(self) -> None:
        """Raises `NoFork` where only what is locked is served."""
        if self.project.environment == PRODUCTION and not self.project.experiments:
            raise self.no(
                "production serves only what is locked, and what a fork changes is in no lock; another answer and code "
                "are allowed, the rest where trimtab.toml says [runs] experiments = true"
            )

    def change(self, name: str, value: str) -> tuple[str, Change | None]:
        """How a change is told, and the change, if calls are made with it."""
        label, kind = split_name(name)
        if not kind:
            raise self.no(f"{name[:80]!a} is nothing that a fork changes; {self._instead(name)}")
        if len(value) > MOST_VALUE or not value.isprintable():
            raise self.no(f"what {name[:80]} is to be has over {MOST_VALUE} characters, or some that cannot be printed")
        if kind in NOTED:
            return self._code(label, value), None
        if label:
            self._check_label(label)
        if kind == "model":
            change = self._model(label, value)
        elif kind == "prompt":
            change = self._prompt(label, value)
        else:
            change = self._sampling(label, kind, value)
        return change.value, change

    def _instead(self, name: str) -> str:
        close = nearest(name, (*KINDS, *NOTED)) or nearest(name.partition(".")[2], (*KINDS, *NOTED))
        if close:
            return f"did you mean {close}"
        return f"it changes {one_of((*KINDS, *NOTED))}, and LABEL.model that of some steps"

    def _check_label(self, label: str) -> None:
        labels = {step.intent.label for step in self._log.steps if step.intent.step == "model"}
        known = {*labels, *(one.partition("/")[0] for one in labels), *self.project.tasks}
        if label not in known:
            close = nearest(label, known)
            instead = f"did you mean {close}" if close else "name one of the run"
            raise self.no(f"there is no step or task {label[:80]!a}; {instead}")

    def _code(self, label: str, value: str) -> str:
        """The revision of the code, as the commit it stands for where the project's repository knows it."""
        if label:
            raise self.no(f"code is that of the whole run; say code={value[:80]}")
        if self._load is None:
            return value
        try:
            repository = find(Path(self.project.root))
            return value if repository is None else repository.revision(value)
        except GitFailed:
            return value

    # A model

    def _model(self, label: str, value: str) -> Change:
        models = self.project.models
        served = [name for name, model in models.items() if model.served_name == value]
        name = value if value in models else served[0] if len(served) == 1 else ""
        if not name:
            close = nearest(value, models)
            detail = f"did you mean {close}" if close else f"declared are {one_of(models)}"
            raise self.no(f"there is no model {value[:80]!a}; {detail}")
        change = Change("model", name, label, model=name)
        for one in self.behind(change):
            self._check_model(one, models[name])
        return change

    def _check_model(self, one: Behind, model: Model) -> None:
        surface, task = SURFACE.get(one.step.intent.tool), self.project.tasks.get(one.task)
        if surface is not None and surface.wires and model.wire not in surface.wires:
            raise self.no(f"step {one.step.seq} is of {surface.name}, which cannot be carried to model {model.name}")
        if task is not None and task.output is not None and task.output.confidence and model.wire == "anthropic":
            raise self.no(f"task {task.name} needs token probabilities, which model {model.name} does not give")

    # Sampling

    def _sampling(self, label: str, kind: str, value: str) -> Change:
        field, mistakes = kind.partition(".")[2], Mistakes()
        source = Source("--with", {"sampling": {field: _given(value)}}, dict)
        sampling = read_sampling(Table.whole(source, mistakes).table("sampling"))
        wrong = next(iter(mistakes), None)
        if wrong is not None:
            raise self.no(f"{wrong.what}; {wrong.instead}")
        change = Change(kind, value, label, sampling=sampling)
        if sampling != Sampling() and field in ("seed", "stop"):
            other = next((one for one in self.behind(change) if one.step.intent.tool == "responses"), None)
            if other is not None:
                raise self.no(f"step {other.step.seq} is of the Responses API, which has no {field}")
        return change

    # A prompt

    def _prompt(self, label: str, value: str) -> Change:
        """The prompts of the tasks that are meant, each as it is there."""
        behind = list(self.behind(Change("prompt", value, label)))
        tasks = self._prompt_tasks(label, behind)
        if not any(one.request is None or one.inputs is not None for one in behind) and behind:
            detail = f"the messages of all {len(behind)} calls behind it came whole from the client"
            raise self.no(f"{detail}, so that the gateway renders no prompt; change the code, and name it with code=")
        found: dict[str, PromptThere] = {}
        for task in tasks:
            there = self._there(task, value, alone=len(tasks) == 1)
            if there is not None:
                self._check_inputs(there.prompt, task, behind)
                found[task] = there
        if not found:
            raise self.no(f"there is no prompt of {', '.join(tasks)} at {value[:80]!a}")
        told = ", ".join(f"{one.where} ({task} {one.prompt.digest[:12]})" for task, one in found.items())
        return Change("prompt", told, label, prompts={task: one.prompt for task, one in found.items()})

    def _prompt_tasks(self, label: str, behind: list[Behind]) -> list[str]:
        tasks = self.project.tasks
        if label in tasks:
            return [label]
        found = list(dict.fromkeys(one.task for one in behind if one.task and tasks[one.task].prompt is not None))
        if not found and self._log.started is not None and self._log.started.task in tasks:
            found = [self._log.started.task]
        if not found:
            raise self.no("it is not known whose prompt is meant; name the task: TASK.prompt=REVISION or a file")
        return found

    def _there(self, task: str, value: str, *, alone: bool) -> PromptThere | None:
        try:
            return prompt_there(Path(self.project.root), self.project.tasks[task], value, alone=alone)
        except (GitFailed, InvalidRequest) as unknown:
            raise self.no(str(unknown.facts.get("detail") or unknown).rstrip(".")) from unknown

    def _check_inputs(self, prompt: Prompt, task: str, behind: list[Behind]) -> None:
        """Raises `NoFork` where what calls brought fits none of them."""
        unfit, fits = "", False
        for one in behind:
            if one.task != task or one.inputs is None:
                continue
            try:
                render(prompt, one.inputs)
                fits = True
            except InvalidRequest as wrong:
                unfit = unfit or f"at step {one.step.seq} {wrong.facts['detail']}"
        if unfit and not fits:
            raise self.no(f"the calls of task {task} do not fit that prompt: {unfit}")

    # The run

    def behind(self, change: Change) -> Iterator[Behind]:
        """The steps of models behind the fork that a change is meant for."""
        for step in self._log.steps:
            if step.intent.step != "model" or step.seq < self._seq:
                continue
            request = self._request(step)
            task = self._task(step, request)
            if change.is_for(step.intent.label, task):
                yield Behind(step, task, request)

    def _request(self, step: Step) -> dict[str, Any] | None:
        body = body_read(self._journal, self._log.run, step.intent.input)
        said = _json(body.decode("utf-8", "replace")) if body is not None else None
        return said if isinstance(said, dict) else None

    def _task(self, step: Step, request: dict[str, Any] | None) -> str:
        """The task of a step: as its label says, or its request, or the run."""
        run = self._log.started.task if self._log.started is not None else ""
        named = (step.intent.label.partition("/")[0], str((request or {}).get("model", "")), run)
        return next((name for name in named if name in self.project.tasks), "")


def _given(text: str) -> Any:
    """A value as it stands in a declaration: a number, a list, or the text itself."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
