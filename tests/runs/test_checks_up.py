"""Checks through a whole gateway: extra calls are steps with their cost, and a program reads its project's checks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.declare.projects import MODEL, TASK, write
from tests.gateway.harness import KEY, RunningGateway, snapshot, task
from tests.gateway.run_journal import RunJournal
from trimtab import model, run
from trimtab.declare.checking import Check, Judged
from trimtab.errors import DeclarationError
from trimtab.journal.asks import Entries, Read
from trimtab.journal.entries import Checked, Intent, Result
from trimtab.runs.gateway import GatewayModels
from trimtab.runs.runtime import Runtime, connect
from trimtab.testing import Answer, Received, Script, ScriptedUpstream, chat_json
from trimtab.testing.runs import UnsteadyKeeper


def answering(request: Received) -> Script:
    """Wrong at first, right when it is told so; a judge says yes."""
    body = json.loads(request.body)
    said = " ".join(str(message["content"]) for message in body["messages"])
    if "You judge the work" in said:
        return chat_json(Answer(pieces=("yes",)))
    return chat_json(Answer(pieces=("right" if "did not pass" in said else "wrong",)))


CHECKS = {
    "support": (
        Check(name="form", task="support", after="support", rule="answer == 'right'", on_failure="repair"),
        Check(name="kind", task="support", after="support", judge=Judged("judge", "Is it kind?")),
    )
}


@run(task="support")
async def agent(ticket: str) -> str:
    """One step."""
    return (await model("support", ticket)).text


async def test_extra_calls_are_steps_of_the_run(tmp_path: Path) -> None:
    """The repair and the judge are calls through the gateway, journaled inside the check's steps, apart in the record;
    taken up again nothing of it is asked again.
    """
    async with ScriptedUpstream() as upstream:
        upstream.always(answering)
        policy = snapshot({"small": upstream.url, "judge": upstream.url}, task("support", "small", judges=("judge",)))
        gateway, journal = RunningGateway(tmp_path, policy), RunJournal(tmp_path)
        gateway.journal = journal
        async with gateway:
            keeper = UnsteadyKeeper(journal.keeper)
            models = GatewayModels(f"http://127.0.0.1:{gateway.port}", KEY.decode())
            made = Runtime(
                keeper=lambda hears: keeper, blocking=keeper.blocking, models=models, clock=journal.clock,
                checks=lambda: CHECKS,
            )  # fmt: skip
            with made:
                assert await agent.options(id="r")("lost") == "right"
                asked = sum(request.method == "POST" for request in upstream.requests)
                assert await agent.options(id="r")("lost") == "right"
                assert sum(request.method == "POST" for request in upstream.requests) == asked == 3
            told = journal.keeper.blocking.do(Read("r"))
            events = await gateway.events()
            made.close()
        journal.store.close()
    assert isinstance(told, Entries)
    log = [logged.entry for logged in told.entries]
    intents = {seq: entry for seq, entry in enumerate(log, 1) if isinstance(entry, Intent)}
    assert [(one.step, one.label) for one in intents.values()] == [
        ("model", "support"),
        ("check", "check form: repair"),
        ("model", "support"),
        ("check", "check kind"),
        ("model", "judge judge"),
    ]
    found = [(intents[one.of].label, one.check, one.passed, one.action) for one in log if isinstance(one, Checked)]
    assert found == [
        ("support", "form", False, "repair"),
        ("check form: repair", "form", True, ""),
        ("check form: repair", "kind", True, ""),
    ]
    of_models = [seq for seq, one in intents.items() if one.step == "model"]
    assert all(one.output is not None for one in log if isinstance(one, Result) and one.of in of_models)
    assert [one.admitted.task for one in events.settled] == ["support", "support", "(check) support"]


def test_a_program_reads_the_checks_of_its_project(tmp_path: Path) -> None:
    """They stand in the project beside the data directory; with a mistake in it no answer is taken unchecked."""
    root = write(tmp_path, MODEL, triage=f'{TASK}[[check]]\nname = "c"\nrule = "answer"\n')
    found = connect(root / ".trimtab").checks
    assert found == {"triage": (Check(name="c", task="triage", rule="answer"),)}
    (root / "tasks" / "triage" / "task.toml").write_text(f'{TASK}[[check]]\nname = "c"\n')
    with pytest.raises(DeclarationError, match="exactly one of schema, rule"):
        _ = connect(root / ".trimtab").checks
    assert connect(tmp_path / "elsewhere" / ".trimtab").checks == {}
