"""A candidate beside the snapshot in force: whom it answers, whom it never reaches, and copies that nobody gets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.harness import KEY
from tests.gateway.rolling import BASE, BODY, CANDIDATE, Opened, rollout, said, trials
from trimtab.declare.project import Prompt, Schema, Tool, Turn
from trimtab.errors import StoreError
from trimtab.gateway.exposure import Exposed
from trimtab.gateway.shadows import MOST_AT_ONCE
from trimtab.record.events import UNFIT, Change
from trimtab.testing import Answer, Hang, Script, chat_stream

OPERATOR = b"tt_operator_of-this-life"
TRIALS = 200
"""The suite `rollout` of the benchmarks makes 10,000."""


async def test_a_conversation_stays_with_whom_it_began(tmp_path: Path) -> None:
    """Half of the conversations go to the candidate, each with all its calls, and bear its lock and snapshot."""
    async with Opened(tmp_path, rollout()) as both:
        first = [said(await both.ask(x_trimtab_conversation=f"c{number}")) for number in range(40)]
        second = [said(await both.ask(x_trimtab_conversation=f"c{number}")) for number in range(40)]
        events = await both.gateway.events()
    assert first == second
    assert 10 <= first.count("candidate") <= 30
    assert both.exposed.reached == first.count("candidate")
    locks = {one.conversation: (one.lock, one.snapshot) for one in events.admitted}
    for number, text in enumerate(first):
        assert locks[f"c{number}"] == (("2" * 64, CANDIDATE) if text == "candidate" else ("1" * 64, BASE))


async def test_no_more_users_than_declared(tmp_path: Path) -> None:
    """At the bound new users are answered by what is in force; those who were reached stay."""
    async with Opened(tmp_path, rollout(exposed=3)) as both:
        texts = [said(await both.ask(x_trimtab_user=f"u{number}")) for number in range(40)]
        again = [said(await both.ask(x_trimtab_user=f"u{number}")) for number in range(40)]
    assert texts == again
    assert texts.count("candidate") == both.exposed.reached == 3


@pytest.mark.parametrize("header", ["x_trimtab_lock", "other task", "over"])
async def test_calls_that_are_not_the_candidates(tmp_path: Path, header: str) -> None:
    """A call that demands the lock in force, one of another task, and any after the end stay where they were."""
    async with Opened(tmp_path, rollout(share=1.0)) as both:
        if header == "over":
            both.gateway.pipeline.roll_out(None)
        more = {header: "1" * 64} if header == "x_trimtab_lock" else {}
        assert said(await both.ask(name="other" if header == "other task" else "triage", **more)) == "base"
        if header != "over":
            assert said(await both.ask()) == "candidate"


async def test_another_declaration_ends_it(tmp_path: Path) -> None:
    """A candidate was compared with the snapshot it began beside, and is none beside another."""
    async with Opened(tmp_path, rollout(share=1.0)) as both:
        both.gateway.pipeline.switch(replace(both.gateway.policy, digest="e" * 64))
        assert said(await both.ask()) == "base"


async def test_a_call_that_the_candidate_cannot_take_is_answered_by_what_is_in_force(tmp_path: Path) -> None:
    """The user notices nothing, the candidate gets no more calls, and a change tells why."""
    wants = Prompt((Turn("system", "In {{ place }}."),), ("place",), "a" * 64)
    async with Opened(tmp_path, rollout(share=1.0), prompt=wants) as both:
        body = {**BODY, "trimtab": {"inputs": {}}}
        assert [said(await both.ask(body)), said(await both.ask(body))] == ["base", "base"]
        await both.gateway.events()
        [change] = both.gateway.recorded(Change)
    assert (change.kind, change.subject) == (UNFIT, "r1")
    assert "place" in change.detail
    assert both.candidate.requests == []


async def test_a_table_that_fails_is_the_candidates_end(tmp_path: Path) -> None:
    """Where it cannot be told whom the candidate reached, users are answered by what is in force."""
    (tmp_path / "exposed").write_bytes(b"\0" * 64 + b"\xff" * (16 << 10))
    async with Opened(tmp_path, rollout(share=1.0)) as both:
        assert [said(await both.ask()), said(await both.ask())] == ["base", "base"]
        await both.gateway.events()
        [change] = both.gateway.recorded(Change)
    assert (change.kind, change.subject) == (UNFIT, "r1")


async def test_a_declaration_that_cannot_serve_ends_nothing(tmp_path: Path) -> None:
    """What is not put in force leaves the candidate where it is, so that all workers agree on it."""
    async with Opened(tmp_path, rollout(share=1.0)) as both:
        policy = both.gateway.policy
        many = tuple(f"http://127.0.0.1:9/{number}" for number in range(100_000))
        models = {"small": replace(policy.models["small"], replicas=many)}
        with pytest.raises(StoreError):
            both.gateway.pipeline.switch(replace(policy, models=models, digest="e" * 64))
        assert said(await both.ask()) == "candidate"


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_copy_is_recorded_and_nobody_gets_it(tmp_path: Path, streamed: bool) -> None:
    """The user gets the answer in force; the copy is asked afterwards, as the call's child, apart from users' calls."""
    async with Opened(tmp_path, rollout(kind="shadow", share=1.0, exposed=0)) as both:
        if streamed:
            both.base.always(chat_stream(Answer(pieces=("base",))))
            both.candidate.always(chat_stream(Answer(pieces=("candidate",))))
        answer = await both.ask({**BODY, "stream": streamed}, x_trimtab_conversation="c1")
        events = await both.gateway.events()
    assert b"base" in answer.body
    assert b"candidate" not in answer.body
    own, copy = (one.admitted for one in events.settled)
    assert (own.task, own.lock, copy.task, copy.lock) == ("triage", "1" * 64, "(shadow) triage", "2" * 64)
    assert (copy.parent, copy.conversation, copy.run) == (own.call, "c1", own.run)
    assert events.settled[1].at_ns >= events.settled[0].at_ns
    assert [one.outcome for one in events.settled] == ["ok", "ok"]
    assert both.candidate.requests[0].header("authorization") != f"Bearer {KEY.decode()}".encode()
    assert both.exposed == Exposed(0, 1, 0)


@pytest.mark.parametrize("kind", ["canary", "shadow"])
@pytest.mark.parametrize(
    "ours",
    [
        {"x_trimtab_evaluation": "e1", "x_trimtab_task": "triage"},
        {"x_trimtab_redrive": "l1", "x_trimtab_redrive_key": "shop", "x_trimtab_task": "triage"},
        {"x_trimtab_task": "(judge)"},
    ],
)
async def test_calls_that_are_no_users_reach_no_candidate(tmp_path: Path, kind: str, ours: dict[str, str]) -> None:
    """Cases, dead letters and judges are neither answered by it nor copied, and nobody counts as reached by them."""
    async with Opened(tmp_path, rollout(kind=kind, share=1.0), operator=OPERATOR) as both:
        sent = {"authorization": f"Bearer {OPERATOR.decode()}", **ours}
        answer = await both.gateway.post({**BODY, "model": "small"}, **sent)
        await both.gateway.events()
    assert said(answer) == "base"
    assert both.exposed == Exposed(0, 0, 0)
    assert both.candidate.requests == []


@pytest.mark.parametrize("effect", ["read", "write"])
@pytest.mark.parametrize("asked", ["result", "server tool", "store", "declared"])
async def test_what_has_an_effect_is_not_copied(tmp_path: Path, asked: str, effect: Any) -> None:
    """Only answers of tools that read are told to the candidate, and nothing that its server would do besides."""
    weather = Tool("weather", "", Schema("{}", "f" * 64), effect=effect)
    call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    said_by_tool = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t1", "content": "rain"},
    ]
    more: dict[str, dict[str, Any]] = {
        "result": {"messages": [*BODY["messages"], *said_by_tool]},
        "server tool": {"tools": [{"type": "web_search"}]},
        "store": {"store": True},
        "declared": {},
    }
    one = rollout(kind="shadow", share=1.0, exposed=0)
    async with Opened(tmp_path, one, base={"tools": (weather,)}, tools=(weather,)) as both:
        assert (await both.ask({**BODY, **more[asked]})).status == 200
        await both.gateway.events()
    is_copied = asked == "declared" or (asked == "result" and effect == "read")
    assert len(both.candidate.requests) == is_copied


@pytest.mark.parametrize(
    ("more", "is_copied"),
    [({}, False), ({"store": False}, True), ({"store": False, "prompt": {"id": "p1"}}, False)],
)
async def test_what_the_responses_api_keeps_is_not_copied(
    tmp_path: Path, more: dict[str, Any], is_copied: bool
) -> None:
    """Its server keeps answers unless it is told not to, and a prompt that it keeps may bring tools of its own."""
    async with Opened(tmp_path, rollout(kind="shadow", share=1.0, exposed=0)) as both:
        body = {"model": "any", "input": "hi", **more}
        await both.gateway.post(body, "/v1/responses", x_trimtab_task="triage")
        await both.gateway.events()
    assert bool(both.candidate.requests) == is_copied


async def test_copies_beyond_the_bound_are_dropped_and_counted(tmp_path: Path) -> None:
    """A candidate that does not answer holds back so many copies and no user."""
    async with Opened(tmp_path, rollout(kind="shadow", share=1.0, exposed=0)) as both:
        both.candidate.always(Script((Hang(),)))
        texts = await asyncio.gather(*(both.ask() for _ in range(MOST_AT_ONCE + 5)))
        assert [said(one) for one in texts] == ["base"] * (MOST_AT_ONCE + 5)
        assert both.exposed == Exposed(0, MOST_AT_ONCE, 5)


async def test_no_copy_reaches_a_client_in_many_trials(tmp_path: Path) -> None:
    """Whatever the candidate answers, tool calls and broken streams too, each client gets what is in force says."""
    found = await trials(tmp_path, TRIALS, seed=20)
    assert found.leaked == 0
    assert TRIALS * 0.3 < found.copied + found.dropped < TRIALS * 0.7
    assert (found.settled, found.asked_in_force) == (TRIALS + found.copied, TRIALS)
