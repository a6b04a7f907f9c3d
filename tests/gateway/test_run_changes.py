"""Calls of forks that are made with another model, sampling or prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tests.gateway.harness import RunningGateway, snapshot, task
from tests.gateway.run_journal import RunJournal
from trimtab.declare.changed import Change, encode
from trimtab.declare.project import Prompt, Sampling, Turn
from trimtab.journal.asks import Open
from trimtab.journal.entries import Started, body_of
from trimtab.journal.steps import Log
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import ScriptedUpstream, chat_json

NOW = Prompt((Turn("system", "Be {{ tone }}."),), ("tone",), "a" * 64)
THEN = Prompt((Turn("system", "Sound {{ tone }}!"),), ("tone",), "b" * 64)
LARGE = Change("model", "large", model="large")
COLD = Change("sampling.temperature", "0.25", sampling=Sampling(temperature=0.25))
PROMPT = Change("prompt", "HEAD~1", prompts={"triage": THEN})


def policy(url: str, **more: Any) -> Snapshot:
    declared = task("triage", "small", "spare", prompt=NOW, sampling=Sampling(temperature=1.0, seed=7))
    return snapshot({"small": url, "large": url, "spare": url}, declared, lock_id="c" * 64, **more)


def opened(directory: Path, url: str, **more: Any) -> RunningGateway:
    gateway = RunningGateway(directory, policy(url, **more))
    gateway.journal = RunJournal(directory)
    return gateway


async def forked(gateway: RunningGateway, at: int, *changes: Change, origin: str = "r", run: str = "f") -> None:
    """A fork of a run before the entry at `at`."""
    content = encode(changes)
    body = body_of(content)
    overrides = {one.name: one.value for one in changes}
    started = Started(1, "triage", through="gateway", fork_of=origin, fork_seq=at, overrides=overrides, changes=body)
    await gateway.journal.do(Open(run, started, changed=content if body.inline is None else b""))


def asked(word: str, **more: Any) -> dict[str, Any]:
    return {"model": "triage", "messages": [{"role": "user", "content": word}], **more}


def sent(upstream: ScriptedUpstream) -> list[dict[str, Any]]:
    """The bodies that reached a model."""
    return [msgspec.json.decode(one.body) for one in upstream.requests]


async def recorded(gateway: RunningGateway, *words: str, run: str = "r", body: Any = None) -> Log:
    """Calls of a run, one after the other, and its log."""
    for word in words:
        await gateway.post(asked(word, **(body or {})), x_trimtab_run=run)
    log: Log = gateway.journal.log(run)
    return log


async def test_changes_take_effect_behind_the_fork_alone(tmp_path: Path) -> None:
    """What is recorded is given again; the next call goes to the other model, as it was asked to, and tells so."""
    inputs = {"trimtab": {"inputs": {"tone": "kind"}}}
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            origin = await recorded(gateway, "one", "two", body=inputs)
            await forked(gateway, origin.steps[1].seq, LARGE, COLD, PROMPT)
            fork = await recorded(gateway, "one", "two", run="f", body=inputs)
            answer = await gateway.post(asked("three", **inputs), x_trimtab_run="f")
            settled = (await gateway.events()).settled
    bodies = sent(upstream)
    assert len(bodies) == 4
    assert [one["model"] for one in bodies] == ["served-small", "served-small", "served-large", "served-large"]
    assert [one["temperature"] for one in bodies] == [1.0, 1.0, 0.25, 0.25]
    assert [one["seed"] for one in bodies] == [7, 7, 7, 7]
    assert bodies[2]["messages"][0] == {"role": "system", "content": "Sound kind!"}
    first, second = fork.steps
    assert second.result is not None
    assert first.result is not None
    assert first.result.overrides == {}
    assert second.result.overrides == {"model": "large", "sampling.temperature": "0.25", "prompt": "HEAD~1"}
    assert [one.intent.request for one in fork.steps] == [one.intent.request for one in origin.steps]
    assert answer.headers["x-trimtab-lock"] == ""
    told = [(one.admitted.task, one.admitted.lock, one.admitted.prompt) for one in settled]
    assert told[0] == ("triage", "c" * 64, "a" * 64)
    assert told[2][0] == "(replay) triage"
    assert told[3] == told[4] == ("(fork) triage", "", "b" * 64)
    assert settled[3].cost_pusd == settled[0].cost_pusd


async def test_a_change_is_for_the_steps_it_names(tmp_path: Path) -> None:
    """A label limits it; one that names its steps takes the place of one for all."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            await recorded(gateway, "one")
            spare = Change("model", "spare", "draft", model="spare")
            await forked(gateway, 2, LARGE, spare)
            for label in ("draft", "draft/second", "final"):
                await gateway.post(asked("x"), x_trimtab_run="f", x_trimtab_step=label)
            log = gateway.journal.log("f")
    assert [one["model"] for one in sent(upstream)[1:]] == ["served-spare", "served-spare", "served-large"]
    told = [step.result.overrides for step in log.steps if step.result is not None]
    assert told == [{"draft.model": "spare"}, {"draft.model": "spare"}, {"model": "large"}]


async def test_what_cannot_be_changed_is_told(tmp_path: Path) -> None:
    """A prompt that the client rendered, a limit that it keeps below: the step says so, and is as its task declares."""
    limit = Change("sampling.max_output_tokens", "500", sampling=Sampling(max_output_tokens=500))
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            await recorded(gateway, "one")
            await forked(gateway, 2, PROMPT, limit)
            answer = await gateway.post(asked("one", max_tokens=20), x_trimtab_run="f")
            [step] = gateway.journal.log("f").steps
    assert step.result is not None
    assert step.result.overrides == {}
    assert step.result.passed_over == {
        "prompt": "its messages came whole from the client",
        "sampling.max_output_tokens": "the client asks for 20 tokens at most",
    }
    assert answer.headers["x-trimtab-lock"] == "c" * 12
    assert sent(upstream)[1]["max_tokens"] == 20


async def test_production_serves_only_what_is_locked(tmp_path: Path) -> None:
    """There a fork's changed call ends in an error that says what to do, and no model is asked."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url, environment="production") as gateway:
            await recorded(gateway, "one")
            await forked(gateway, 2, LARGE)
            answer = await gateway.post(asked("one"), x_trimtab_run="f")
            [step] = gateway.journal.log("f").steps
            count = len(upstream.requests)
    error = answer.json()["error"]
    assert (answer.status, error["code"], count) == (409, "run_stopped", 1)
    assert "runs.experiments = true" in error["message"]
    assert step.result is not None
    assert (step.result.outcome, step.result.overrides) == ("error", {})


async def test_production_may_allow_it(tmp_path: Path) -> None:
    """Where the project says so, the fork is served, under no lock."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url, environment="production", experiments=True) as gateway:
            await recorded(gateway, "one")
            await forked(gateway, 2, LARGE)
            answer = await gateway.post(asked("one"), x_trimtab_run="f")
    assert (answer.status, answer.headers["x-trimtab-lock"]) == (200, "")


async def test_a_model_that_is_not_declared_any_more(tmp_path: Path) -> None:
    """The call ends in an error that names it, and its step has a result."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            await recorded(gateway, "one")
            await forked(gateway, 2, Change("model", "gone", model="gone"))
            answer = await gateway.post(asked("one"), x_trimtab_run="f")
            [step] = gateway.journal.log("f").steps
    assert (answer.status, "model gone" in answer.json()["error"]["message"]) == (400, True)
    assert step.state == "error"


async def test_changes_that_are_long_lie_in_the_body_store(tmp_path: Path) -> None:
    """A prompt of many pages is kept like any body, and found by a gateway that never met the run."""
    long = Prompt((Turn("system", "Sound {{ tone }}!" + " Please." * 500),), ("tone",), "b" * 64)
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            await recorded(gateway, "one")
            await forked(gateway, 2, Change("prompt", "x", prompts={"triage": long}))
            answer = await gateway.post(
                asked("one", trimtab={"inputs": {"tone": "kind"}}), x_trimtab_run="f", x_trimtab_step="draft"
            )
    assert answer.status == 200
    assert sent(upstream)[1]["messages"][0]["content"].endswith("Please. Please.")


async def test_a_changed_fork_is_replayed_and_forked_like_any_run(tmp_path: Path) -> None:
    """Its answers are given again byte for byte with no model asked; a fork of it has them as its own."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            await recorded(gateway, "one", "two")
            await forked(gateway, 2, LARGE)
            made = [(await gateway.post(asked(word), x_trimtab_run="f")).body for word in ("one", "two")]
            count = len(upstream.requests)
            again = [(await gateway.post(asked(word), x_trimtab_replay="f")).body for word in ("one", "two")]
            log = gateway.journal.log("f")
            await forked(gateway, log.steps[1].seq, COLD, origin="f", run="g")
            first = await gateway.post(asked("one"), x_trimtab_run="g")
            before = len(upstream.requests)
            await gateway.post(asked("two"), x_trimtab_run="g")
            second = gateway.journal.log("g").steps[1]
    assert again == made
    assert (count, before, first.body) == (4, 4, made[0])
    assert sent(upstream)[4]["temperature"] == 0.25
    assert second.result is not None
    assert second.result.overrides == {"sampling.temperature": "0.25"}


async def test_embeddings_are_not_meant(tmp_path: Path) -> None:
    """A model for all steps is one that answers; the step says that it was passed over."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with opened(tmp_path, upstream.url) as gateway:
            await recorded(gateway, "one")
            await forked(gateway, 2, LARGE)
            await gateway.post({"model": "small", "input": "x"}, "/v1/embeddings", x_trimtab_run="f")
            [step] = gateway.journal.log("f").steps
    assert sent(upstream)[1]["model"] == "served-small"
    assert step.result is not None
    assert step.result.passed_over == {
        "model": "the call is of embeddings; LABEL.model changes the model of such a step"
    }
