"""Forks of an agent in Python, in process, with another model, sampling or prompt."""

from __future__ import annotations

import asyncio
from typing import Any

from trimtab import blocking, check, label, model, run, work
from trimtab.declare.changed import Change, encode
from trimtab.declare.project import Prompt, Sampling, Turn
from trimtab.journal.asks import Open
from trimtab.journal.entries import Intent, Result, Started, body_of
from trimtab.runs.models import Asked
from trimtab.testing import LocalRuns

LARGE = Change("model", "large", model="large")
COLD = Change("sampling.temperature", "0", "reply", sampling=Sampling(temperature=0.0))
PROMPT = Change("prompt", "HEAD~1", prompts={"triage": Prompt((Turn("system", "Hm."),), (), "a" * 64)})


def says(asked: Asked) -> str:
    """Another answer where something is changed."""
    return f"{asked.task} {sorted(asked.changes.items())}"


@run(task="support")
async def agent(ticket: str) -> str:
    """Asks two models, one of them with messages of its own."""
    await check("asked", bool(ticket))
    kind = await model("triage", ticket=ticket)
    with label("first"):
        return f"{kind.text}; {(await model('reply', 'hi')).text}"


@run(task="plain")
def plain(ticket: str) -> str:
    """The same without `await`."""
    return blocking.model("triage", ticket=ticket).text


def forked(runs: LocalRuns, at: int, *changes: Change) -> str:
    """A fork of the first run."""
    origin = runs.runs()[0]
    started = runs.log(origin)[0]
    assert isinstance(started, Started)
    body = body_of(encode(changes))
    content = b"" if body.inline is not None else encode(changes)
    facts: dict[str, Any] = {"fork_of": origin, "fork_seq": at, "changes": body}
    runs.do(Open("f", Started(2, started.task, started.name, input=started.input, **facts), changed=content))
    return "f"


def results(runs: LocalRuns, of: str) -> list[tuple[dict[str, str], dict[str, str]]]:
    """What the steps of models of a run were taken with."""
    log = runs.log(of)
    models = [seq for seq, one in enumerate(log, 1) if isinstance(one, Intent) and one.step == "model"]
    return [(one.overrides, one.passed_over) for one in log if isinstance(one, Result) and one.of in models]


def test_changes_reach_models_behind_the_fork() -> None:
    """What is recorded stays, and the next step is asked as the fork says; labels within a name are that name's."""
    with LocalRuns({"triage": says, "reply": says}) as runs:
        asyncio.run(agent("x"))
        second = [seq for seq, one in enumerate(runs.log(), 1) if isinstance(one, Intent)][-1]
        fork = forked(runs, second, LARGE, COLD, PROMPT)
        asyncio.run(work(agent, until_idle=True))
        assert runs.state(fork) == "completed"
        assert [dict(one.changes) for one in runs.models.asked] == [
            {},
            {},
            {"model": "large", "reply.sampling.temperature": "0"},
        ]
        assert results(runs, fork) == [
            ({}, {}),
            ({"model": "large", "reply.sampling.temperature": "0"}, {"prompt": "its messages came whole"}),
        ]


def test_without_await() -> None:
    """Plain functions are asked as their fork says too."""
    with LocalRuns({"triage": says}) as runs:
        plain("x")
        fork = forked(runs, 2, LARGE, PROMPT)
        asyncio.run(work(plain, until_idle=True))
        assert results(runs, fork) == [({"model": "large", "prompt": "HEAD~1"}, {})]


def test_judges_stay_as_they_are_pinned() -> None:
    """What is changed for all steps is not for the model that judges them; it is changed by its own name."""
    assert not LARGE.is_for("judge grader", "triage")
    assert Change("model", "large", "judge grader", model="large").is_for("judge grader", "triage")
    assert LARGE.is_for("judge", "judge")
