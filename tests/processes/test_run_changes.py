"""What a fork may be taken with otherwise, held against a project and the run it is forked off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.journal.logs import BEGAN
from tests.lock.repositories import commit, place, repository
from trimtab.clock import SystemClock
from trimtab.console.run_desk import Wanted
from trimtab.declare.changed import Change, decode
from trimtab.declare.load import load
from trimtab.declare.project import Sampling
from trimtab.journal.asks import Begin, Begun, Finish, Open
from trimtab.journal.client import BlockingLocalKeeper
from trimtab.journal.entries import Result, Started, body_of
from trimtab.journal.reading import body_read, log_read
from trimtab.journal.runs.bodies import MemoryBodies
from trimtab.journal.runs.database import open_runs
from trimtab.journal.runs.store import RunStore
from trimtab.processes.run_acts import forked
from trimtab.processes.run_changes import NoFork

TOML = """
[models.small]
wire = "openai"
model = "org/small-8b"
replicas = ["http://127.0.0.1:9"]
[models.large]
wire = "openai"
model = "org/large-70b"
replicas = ["http://127.0.0.1:9"]
[models.claude]
wire = "anthropic"
model = "claude-x"
replicas = ["http://127.0.0.1:9"]
"""
Fork = Callable[..., tuple[dict[str, str], tuple[Change, ...]]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose prompt of triage changed in its second commit; reply has none."""
    root = repository(tmp_path / "project")
    place(root, "trimtab.toml", TOML)
    place(root, "tasks/triage/task.toml", 'model = "small"\n')
    place(root, "tasks/triage/prompt.md", "system:\nSort {{ ticket }}.\n")
    place(root, "tasks/reply/task.toml", 'model = "small"\n')
    commit(root, "the first prompt")
    place(root, "tasks/triage/prompt.md", "system:\nSort it well: {{ ticket }}.\n")
    commit(root, "a better prompt")
    place(root, "try.md", "system:\nTry {{ ticket }}!\n")
    place(root, "other.md", "system:\nTry {{ letter }}!\n")
    return root


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[BlockingLocalKeeper]:
    """A journal with a run of two calls: triage with inputs at 2, reply with messages of its own at 4."""
    with closing(RunStore(open_runs(tmp_path / "journal.db"), MemoryBodies(), SystemClock())) as store:
        keeper = BlockingLocalKeeper(store)
        keeper.do(Open("r", Started(BEGAN, "triage", through="gateway")))
        step(keeper, "triage", {"model": "triage", "messages": [], "trimtab": {"inputs": {"ticket": "x"}}})
        step(keeper, "reply", {"model": "reply", "messages": [{"role": "user", "content": "hi"}]})
        yield keeper


def step(keeper: BlockingLocalKeeper, label: str, request: Any, surface: str = "chat_completions") -> None:
    content = json.dumps(request).encode()
    digest = sha256(content).hexdigest()
    begun = keeper.do(Begin("r", 0, "model", label, digest, body_of(content), tool=surface))
    assert isinstance(begun, Begun)
    keeper.do(Finish("r", 0, Result(BEGAN, begun.seq, "ok", body_of(b"{}"))))


@pytest.fixture
def fork(journal: BlockingLocalKeeper, project: Path) -> Fork:
    """Forks a run with changes; what stands in the fork of them."""

    def do(
        overrides: dict[str, str], at: int = 2, of: str = "r", run: str = "f"
    ) -> tuple[dict[str, str], tuple[Change, ...]]:
        forked(journal, Wanted(of, run, at, None, overrides), BEGAN, partial(load, project))
        started = log_read(journal, run).started
        assert started is not None
        content = body_read(journal, run, started.changes)
        return started.overrides, decode(content) if content else ()

    return do


@pytest.mark.parametrize("named", ["large", "org/large-70b"])
def test_a_model_is_named_as_it_is_declared_or_served(fork: Fork, named: str) -> None:
    """Both stand for the model of the declaration."""
    assert fork({"model": named}) == ({"model": "large"}, (Change("model", "large", model="large"),))


def test_sampling_is_read_as_a_task_declares_it(fork: Fork) -> None:
    """Numbers, and texts to stop at; a label limits a change to its steps."""
    _, changes = fork({"sampling.temperature": "0.25", "reply.sampling.stop": '["END"]', "sampling.seed": "-7"})
    assert [(one.name, one.sampling) for one in changes] == [
        ("sampling.temperature", Sampling(temperature=0.25)),
        ("reply.sampling.stop", Sampling(stop=("END",))),
        ("sampling.seed", Sampling(seed=-7)),
    ]


def test_a_prompt_of_another_revision(fork: Fork, project: Path) -> None:
    """It is the prompt as it was there, of the task whose calls bring inputs; the commit is named, not the word."""
    overrides, [change] = fork({"prompt": "HEAD~1"})
    [(task, prompt)] = change.prompts.items()
    assert (task, prompt.turns[0].template, prompt.inputs) == ("triage", "Sort {{ ticket }}.", ("ticket",))
    assert prompt.digest == sha256(b"system:\nSort {{ ticket }}.\n").hexdigest()
    assert overrides["prompt"].endswith(f"(triage {prompt.digest[:12]})")
    assert "HEAD" not in overrides["prompt"]
    by_digest, [again] = fork({"prompt": prompt.digest[:12]}, run="g")
    assert (by_digest["prompt"], again.prompts) == (overrides["prompt"], change.prompts)


def test_a_prompt_in_a_file(fork: Fork) -> None:
    """A file of the project is read as a prompt is."""
    _, [change] = fork({"triage.prompt": "try.md"})
    assert change.prompts["triage"].turns[0].template == "Try {{ ticket }}!"
    assert change.label == "triage"


def test_code_is_written_down_as_its_commit(fork: Fork, project: Path) -> None:
    """No call is made with it, so nothing is kept for calls; a revision of another repository stays as it is said."""
    overrides, changes = fork({"code": "HEAD"})
    assert (len(overrides["code"]), changes) == (40, ())
    assert fork({"code": "agent-v7"}, run="g") == ({"code": "agent-v7"}, ())


def test_a_fork_of_a_fork_goes_on_with_its_changes(fork: Fork) -> None:
    """What is asked anew takes the place of the same, and an empty value takes one back."""
    fork({"model": "large", "sampling.seed": "1", "code": "v1"})
    overrides, changes = fork({"model": "small", "sampling.seed": "", "sampling.top_p": "0.5"}, of="f", run="g", at=0)
    assert overrides == {"code": "v1", "model": "small", "sampling.top_p": "0.5"}
    assert [one.name for one in changes] == ["model", "sampling.top_p"]


REFUSED = {
    "no such change": ({"temperature": "0"}, "did you mean sampling.temperature"),
    "another word": ({"sampling.max_tokens": "5"}, "did you mean sampling.max_output_tokens"),
    "no change at all": ({"why": "try"}, "it changes code, model, prompt"),
    "an answer by name": ({"triage.answer": "x"}, "is nothing that a fork changes"),
    "no such model": ({"model": "larg"}, "there is no model 'larg'; did you mean large"),
    "no such step": ({"triaje.model": "large"}, "did you mean triage"),
    "too warm": ({"sampling.temperature": "3"}, "not a number from 0 to 2"),
    "no number": ({"sampling.seed": "abc"}, "not a whole number"),
    "no such revision": ({"prompt": "HEAD~9"}, "There is no revision 'HEAD~9'"),
    "not an option": ({"prompt": "--help"}, "There is no revision"),
    "outside": ({"triage.prompt": "../journal.db"}, "lies outside of the project"),
    "other inputs": ({"triage.prompt": "other.md"}, "do not fit that prompt: at step 2"),
    "messages of its own": ({"reply.prompt": "try.md"}, "came whole from the client"),
    "nothing to take back": ({"model": ""}, "there is no change 'model' to take back"),
    "code of a step": ({"triage.code": "v1"}, "code is that of the whole run"),
    "too long": ({"code": "x" * 501}, "over 500 characters"),
}


@pytest.mark.parametrize(("overrides", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused(fork: Fork, overrides: dict[str, str], told: str) -> None:
    """Nothing is begun, and the words say what to do."""
    with pytest.raises(NoFork) as refused:
        fork(overrides)
    assert told in str(refused.value)


def test_a_surface_that_does_not_go_to_the_model(fork: Fork, journal: BlockingLocalKeeper) -> None:
    """A step of the Responses API cannot be carried to another wire, nor be given a seed."""
    step(journal, "responds", {"model": "reply", "input": "hi"}, "responses")
    with pytest.raises(NoFork, match="step 6 is of responses, which cannot be carried to model claude"):
        fork({"model": "claude"})
    with pytest.raises(NoFork, match="step 6 is of the Responses API, which has no seed"):
        fork({"sampling.seed": "5"})
    assert fork({"triage.model": "claude"})[0] == {"triage.model": "claude"}


def test_production_refuses_what_is_in_no_lock(fork: Fork, project: Path) -> None:
    """A model is refused there and code is not, unless the project says that experiments are meant."""
    place(project, "trimtab.toml", f'environment = "production"\n{TOML}')
    with pytest.raises(NoFork, match="experiments = true"):
        fork({"model": "large"})
    assert fork({"code": "v1"})[0] == {"code": "v1"}
    place(project, "trimtab.toml", f'environment = "production"\n[runs]\nexperiments = true\n{TOML}')
    assert fork({"model": "large"}, run="g")[0] == {"model": "large"}


def test_sub_runs_of_a_fork_have_its_changes(fork: Fork, journal: BlockingLocalKeeper) -> None:
    """What the fork begins is taken with the same; a run that another one begins is not."""
    fork({"model": "large"})
    for parent, run in (("f", "child"), ("r", "other"), ("child", "grandchild")):
        journal.do(Open(run, Started(BEGAN, "triage", through="gateway", parent=parent, parent_seq=2)))
    told = {}
    for run in ("child", "other", "grandchild"):
        begun = journal.do(Begin(run, 0, "model", "triage", "ab" * 32))
        assert isinstance(begun, Begun)
        told[run] = begun.changes is not None
    assert told == {"child": True, "other": False, "grandchild": True}
    started = log_read(journal, "child").started
    assert started is not None
    assert started.overrides == {"model": "large"}
