"""Interrupted streams, wherever they are cut and whatever the next replica does: one stream, or the typed error."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.gateway.harness import RunningGateway
from tests.gateway.jumping import Played, jump, play
from tests.gateway.test_resume import chunk, chunks, counted, playing, text_of, writing
from tests.gateway.wires import MESSAGES, code_of, data_of, objects
from trimtab.declare.project import Deadlines, Retry, Sampling
from trimtab.record.events import Usage
from trimtab.testing import (
    Close,
    Framing,
    Hang,
    JumpingClock,
    Reset,
    Script,
    ScriptedUpstream,
    Send,
    Wait,
    error_answer,
    event,
)
from trimtab.testing import chunk as http_chunk

ASK: dict[str, Any] = {"model": "write", "messages": [{"role": "user", "content": "Tell."}], "stream": True}
WITH_USAGE = ASK | {"stream_options": {"include_usage": True}}
PIECES = st.lists(st.text(st.sampled_from('aé😀\n "\\<漢'), min_size=1, max_size=3), min_size=1, max_size=5)


def one(*, sampling: Sampling | None = None, **more: Any) -> Any:
    """A policy of one replica under the task `write`."""
    task = more if sampling is None else {**more, "sampling": sampling}
    return lambda url: writing(url, **task)


def cut_at(events: list[bytes], at: int, split: list[int], fault: Any) -> Script:
    """The first `at` bytes of a stream, in HTTP chunks split anywhere, then a fault; the last chunk promises more."""
    data = b"".join(events)
    places = sorted({place for place in split if place < at})
    parts = [data[start:end] for start, end in zip([0, *places], [*places, at], strict=True) if end > start]
    sent: list[Any] = []
    for number, part in enumerate(parts, 1):
        framed = http_chunk(part) if number < len(parts) else b"%x\r\n%b" % (len(part) + 5, part)
        sent += [Send(framed), Wait(0.01)]
    return Script((Send(Framing().head()), *sent, fault))


@settings(deadline=None, max_examples=100)
@given(
    first=PIECES,
    second=PIECES,
    cut=st.integers(0, 10_000),
    split=st.lists(st.integers(0, 2000), max_size=3),
    fault=st.sampled_from([Close(), Reset(), Hang()]),
    options=st.sampled_from([{}, {"include_usage": True}, {"include_usage": True, "continuous_usage_stats": True}]),
    limit=st.sampled_from([{}, {"max_tokens": 50}, {"max_completion_tokens": 50}]),
)
def test_one_stream_wherever_it_is_cut(
    first: list[str],
    second: list[str],
    cut: int,
    split: list[int],
    fault: Any,
    options: dict[str, bool],
    limit: dict[str, int],
) -> None:
    """The text is what came in whole events and what followed, once; one id, one role, one end, one usage."""
    events = counted(*first)
    ends = [sum(map(len, events[: number + 1])) for number in range(len(events))]
    at = cut * ends[-1] // 10_000
    whole = sum(end <= at for end in ends)
    came, finished, done = first[: max(0, whole - 1)], whole >= len(first) + 2, whole == len(events)
    script = cut_at(events, at, split, fault)
    played = play(one(), [script, playing(counted(*second, prompt=11))], {**ASK, **limit, "stream_options": options})
    response, settled = played.response, played.settled
    asked_again = not finished
    expected = came if finished else [*came, *second]
    assert played.logged == []
    assert response.whole
    assert text_of(response) == "".join(expected)
    assert data_of(response).count("[DONE]") == 1
    told = chunks(response)
    assert len({chunk["id"] for chunk in told if chunk["id"] != "u"}) == 1
    deltas = [choice["delta"] for chunk in told for choice in chunk["choices"]]
    assert sum("role" in delta for delta in deltas) == 1
    finishes = [choice["finish_reason"] for chunk in told for choice in chunk["choices"] if choice["finish_reason"]]
    assert finishes == ["stop"]
    assert len(played.sent) == 1 + asked_again
    assert settled.outcome == "ok"
    resumed = bool(came) and asked_again
    assert settled.seams == ((len("".join(came).encode()),) if resumed else ())
    if resumed:
        again = json.loads(played.sent[1])
        assert again["messages"][-1] == {"role": "assistant", "content": "".join(came)}
        assert [again.get(name) for name in limit] == [50 - len(came)] * len(limit)
        assert settled.answer_tokens == len(came) + len(second)
        assert "".join(text for text in [*came, *second]) == text_of(response)
    usages = [chunk["usage"] for chunk in told if chunk.get("usage")]
    prompt = 9 if came or not asked_again else 11
    if not options:
        assert usages == []
    elif "continuous_usage_stats" not in options:
        assert len(usages) == 1
    if options:
        made = len(expected)
        assert usages[-1] == {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}
        counts = [usage["completion_tokens"] for usage in usages]
        assert counts == sorted(counts)
    assert done or not finished or [one.cause for one in played.events.attempts] != ["ok"]


@settings(deadline=None, max_examples=40)
@given(first=PIECES, second=PIECES, cut=st.integers(0, 10_000), split=st.lists(st.integers(0, 2000), max_size=3))
@example(first=["<"], second=["<"], cut=8190, split=[])
def test_one_message_wherever_its_chat_is_cut(first: list[str], second: list[str], cut: int, split: list[int]) -> None:
    """The same of a messages client whose model's servers speak chat: blocks open and close once."""
    events = counted(*first)
    ends = [sum(map(len, events[: number + 1])) for number in range(len(events))]
    at = cut * ends[-1] // 10_000
    whole = sum(end <= at for end in ends)
    came, finished = first[: max(0, whole - 1)], whole >= len(first) + 2
    played = play(
        one(),
        [cut_at(events, at, split, Close()), playing(counted(*second, prompt=11))],
        {"model": "write", "stream": True, **MESSAGES.request},
        MESSAGES.path,
    )
    response, expected = played.response, came if finished else [*came, *second]
    assert played.logged == []
    assert response.whole
    assert MESSAGES.text(response) == "".join(expected)
    kinds = [told["type"] for told in objects(response)]
    for kind in ("message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"):
        assert kinds.count(kind) == 1
    assert kinds[-1] == "message_stop"
    assert MESSAGES.finish(response) == "end_turn"
    usage = next(told["usage"] for told in objects(response) if told["type"] == "message_delta")
    assert usage["output_tokens"] == len(expected)


NEXT = [
    (error_answer(400, "too long"), "upstream_truncated", 2),
    (error_answer(404, "no such model"), "upstream_truncated", 2),
    (error_answer(422, "no"), "upstream_truncated", 2),
    (error_answer(401, "no"), "upstream_error", 2),
]


@pytest.mark.parametrize(("refusal", "code", "asked"), NEXT)
def test_a_replica_that_refuses_to_go_on(refusal: Script, code: str, asked: int) -> None:
    """What it says of a request that we wrote is no fault of the client: the interruption is told."""
    played = play(one(), [playing(counted("a", "b", ends=False), Reset()), refusal], ASK)
    assert not played.response.whole
    assert code_of(played.response) == code
    assert text_of(played.response) == "ab"
    assert len(played.sent) == asked
    assert played.settled.outcome == code


@pytest.mark.parametrize(
    "fault",
    [
        error_answer(500, "no"),
        error_answer(503, "busy", [("retry-after", "2")]),
        error_answer(429, "slow down", [("retry-after", "3")]),
        Script((Hang(),)),
        Script((Reset(),)),
        playing([chunk("", 0, 11, delta={"role": "assistant", "content": ""})], Hang()),
    ],
)
def test_a_replica_that_fails_to_go_on_is_followed_by_another(fault: Script) -> None:
    """Whatever would be tried again before content is tried again here, after the wait that was asked for."""
    scripts = [playing(counted("a", "b", ends=False), Reset()), fault, playing(counted("c", prompt=11))]
    played = play(one(), scripts, WITH_USAGE)
    assert text_of(played.response) == "abc"
    assert played.response.whole
    assert chunks(played.response)[-1]["usage"]["completion_tokens"] == 3
    assert played.settled.seams == (2,)
    assert played.settled.answer_tokens == 3
    assert json.loads(played.sent[-1])["messages"][-1]["content"] == "ab"
    again = [attempt.ttft_s for attempt in played.events.attempts[1:]]
    assert all(ttft_s is None or ttft_s >= 0 for ttft_s in again)


def test_a_wait_that_is_too_long_ends_the_stream() -> None:
    """A replica that asks for minutes is not waited for amid a stream."""
    refusal = error_answer(429, "slow down", [("retry-after", "120")])
    played = play(one(), [playing(counted("a", ends=False), Reset()), refusal], ASK)
    assert code_of(played.response) == "rate_limited"
    assert len(played.sent) == 2


def test_no_replica_is_left() -> None:
    """When none may be asked any more the client is told of the interruption, not of the breaker."""

    async def main(clock: JumpingClock) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as upstream:
                upstream.always(error_answer(500, "no"))
                slow = Deadlines(connect_s=0.5, first_token_s=5.0, gap_s=5.0)
                policy = writing(upstream.url, retry=Retry(attempts=3), deadline=slow)
                async with RunningGateway(Path(directory), policy, clock=clock) as gateway:
                    upstream.add(playing(counted("a", ends=False), Wait(1), Reset()))
                    reading = asyncio.create_task(gateway.post(ASK))
                    await upstream.received(1)
                    once = replace(policy.tasks["write"], retry=Retry(attempts=1), name="once")
                    gateway.pipeline.switch(replace(policy, tasks={"once": once}))
                    for _ in range(9):
                        await gateway.post({**ASK, "model": "once"})
                    return await reading

    response = jump(main)
    assert text_of(response) == "a"
    assert code_of(response) == "upstream_truncated"


@pytest.mark.parametrize("stay_s", [0.05, 1.5])
def test_a_client_that_leaves_between_the_parts(stay_s: float) -> None:
    """Nobody is asked to go on for a client that is not there, and one that was asked is stopped."""

    async def main(clock: JumpingClock) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as upstream:
                upstream.add(
                    playing(counted("a", ends=False), Reset()), error_answer(503, "busy", [("retry-after", "1")])
                )
                upstream.always(Script((Hang(),)))
                async with RunningGateway(Path(directory), writing(upstream.url), clock=clock) as gateway:
                    reader, writer = await gateway.send(ASK)
                    await reader.readuntil(b'"a"')
                    await upstream.received(2)
                    await asyncio.sleep(stay_s)
                    writer.close()
                    events = await gateway.events()
                    if len(upstream.requests) == 3:
                        await upstream.requests[2].over()
                    return events, len(upstream.requests)

    events, asked = jump(main)
    [settled] = events.settled
    assert settled.outcome == "client_gone"
    assert asked == (2 if stay_s < 1 else 3)
    assert settled.seams == (1,)


def test_the_total_deadline_between_the_parts() -> None:
    """A wait that would outlast the call's time is not begun; time that runs out amid the second part ends it."""
    limits = Deadlines(connect_s=0.5, first_token_s=5.0, gap_s=5.0, total_s=2.0)
    scripts = [playing(counted("a", ends=False), Reset()), playing(counted("b", ends=False), Hang())]
    played = play(one(deadline=limits), scripts, ASK)
    assert code_of(played.response) == "deadline_total"
    assert text_of(played.response) == "ab"
    assert not played.response.whole
    assert played.settled.total_s == pytest.approx(2.0, abs=0.1)


def uncounted(*pieces: str, ends: bool = True) -> list[bytes]:
    """What a server sends that does not count in events."""
    events = [event({**json.loads(one[6:]), "usage": None}) for one in counted(*pieces, ends=False)]
    return [*events, *(counted(*pieces)[len(pieces) + 1 :] if ends else [])]


@pytest.mark.parametrize(
    "request_", [ASK | {"max_tokens": 9}, ASK | {"max_completion_tokens": 9}, WITH_USAGE], ids=["max", "newer", "usage"]
)
@pytest.mark.parametrize(
    "events",
    [
        uncounted("a", "b", ends=False),
        [*counted("a", ends=False), *uncounted("b", ends=False)[1:]],
        [*counted(ends=False), event({"id": "x", "choices": [{"index": 0, "delta": {"content": "a"}}], "usage": {}})],
        [event({"id": "x", "choices": [{"index": 0, "delta": {"content": "a"}}], "usage": {"completion_tokens": -1}})],
        [event({"id": "x", "choices": [{"index": 0, "delta": {"content": "a"}}], "usage": {"completion_tokens": "1"}})],
    ],
    ids=["never", "then not", "empty", "negative", "text"],
)
def test_without_counts_no_limit_is_asked_for_twice(request_: dict[str, Any], events: list[bytes]) -> None:
    """Nobody knows how much of the limit is left, or what all of it used: the typed error, and no second request."""
    played = play(one(), [playing(events, Reset()), playing(counted("c", prompt=11))], request_)
    assert code_of(played.response) == "upstream_truncated"
    assert len(played.sent) == 1


def test_a_limit_of_the_task_counts_as_well() -> None:
    """`sampling.max_output_tokens` is a limit like the client's own."""
    policy = one(sampling=Sampling(max_output_tokens=7))
    never = play(policy, [playing(uncounted("a", ends=False), Reset()), playing(counted("c"))], ASK)
    counts = play(policy, [playing(counted("a", ends=False), Reset()), playing(counted("c"))], ASK)
    assert code_of(never.response) == "upstream_truncated"
    assert json.loads(counts.sent[1])["max_tokens"] == 6


def test_without_a_limit_counts_are_not_needed() -> None:
    """Text alone can be gone on with; what it used is an estimate then, and the tokens of the answer are not known."""
    scripts = [playing(uncounted("a", "b", ends=False), Reset()), playing(counted("c", prompt=11))]
    played = play(one(), scripts, ASK)
    assert text_of(played.response) == "abc"
    assert played.settled.answer_tokens is None
    assert played.settled.cost_label == "estimated"
    assert played.events.attempts[1].usage == Usage(input=11, output=1)


@pytest.mark.parametrize(
    ("more", "asks"),
    [
        ({"max_tokens": 2.5}, False),
        ({"max_tokens": "7"}, False),
        ({"max_completion_tokens": [1]}, False),
        ({"max_tokens": 0}, True),
        ({"max_tokens": -1}, True),
        ({"max_completion_tokens": 6, "max_tokens": 9}, True),
        ({"min_tokens": "x"}, True),
    ],
)
def test_odd_limits(more: dict[str, Any], *, asks: bool) -> None:
    """A limit of no known kind is refused at once; any other never makes the second request ask for less than one."""
    played = play(one(), [playing(counted("a", ends=False), Reset()), playing(counted("b", prompt=11))], ASK | more)
    assert played.logged == []
    assert (played.response.status == 200) is asks
    if asks:
        again = json.loads(played.sent[1])
        assert all(again[name] >= 1 for name in ("max_tokens", "max_completion_tokens") if name in again)


def test_an_answer_that_reached_its_limit_tells_its_usage() -> None:
    """Only the end was lost: it is told with the counts that came, and nobody is asked."""
    played = play(one(), [playing(counted("a", "b", ends=False), Reset())], WITH_USAGE | {"max_tokens": 2})
    told = chunks(played.response)
    assert told[-2]["choices"][0]["finish_reason"] == "length"
    assert told[-1]["usage"] == {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    assert played.response.events[-1] == "[DONE]"
    assert (played.settled.outcome, played.settled.finish_reason) == ("ok", "length")
    assert played.settled.answer_tokens == 2


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_an_answer_that_had_told_its_end_is_complete(lost: int) -> None:
    """Once the finish reason came, with or without usage behind it, there is nothing to go on with."""
    events = counted("a", "b")[:-lost]
    played = play(one(), [playing(events, Reset()), playing(counted("c", prompt=11))], WITH_USAGE)
    expected = "abc" if lost == 3 else "ab"
    assert text_of(played.response) == expected
    assert len(played.sent) == (2 if lost == 3 else 1)
    assert played.response.whole
    assert chunks(played.response)[-1]["usage"]["completion_tokens"] == len(expected)


def test_an_error_amid_the_stream_takes_nothing_from_what_came_before_it() -> None:
    """Text in the same read as the error event is the client's, once."""
    bad = event({"error": {"message": "engine died", "code": 500}})
    joined = [b"".join([*counted("a", "b", ends=False), bad])]
    played = play(one(), [playing(joined), playing(counted("c", prompt=11))], WITH_USAGE)
    assert text_of(played.response) == ("abc" if played.settled.seams else "c")
    late = [*counted("a", ends=False), b"".join([*counted("a", "b", ends=False)[2:], bad])]
    script = Script((Send(Framing().head()), *Framing(gap_s=0.05).steps(late), Hang()))
    played = play(one(), [script, playing(counted("c", prompt=11))], WITH_USAGE)
    assert text_of(played.response) == "abc"
    assert json.loads(played.sent[1])["messages"][-1]["content"] == "ab"
    assert chunks(played.response)[-1]["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize(
    "said",
    [
        {"delta": {"content": "x", "reasoning_content": "hm"}},
        {"delta": {"content": "x", "reasoning": "hm"}},
        {"delta": {"content": "x", "tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}},
        {"delta": {"refusal": "no"}},
        {"index": 1},
    ],
)
def test_more_than_text_is_never_gone_on_with(said: dict[str, Any]) -> None:
    """Not even where it came in one event, or one read, with text."""
    events = [*counted("a", ends=False), chunk("b", 2, 9, **said), chunk("c", 3, 9)]
    for script in (playing(events, Reset()), playing([b"".join(events)], Reset())):
        played = play(one(), [script, playing(counted("c", prompt=11))], ASK)
        assert code_of(played.response) == "upstream_truncated"
        assert len(played.sent) == 1


@pytest.mark.parametrize(
    ("stop", "text", "goes_on"),
    [
        ("\n\n", "a\n", False),
        ("\n\n", "a", True),
        (["###", "END"], "aE", False),
        (["###", "END"], "aND", True),
        ("x", "ay", True),
    ],
)
def test_a_stop_sequence_is_not_split_by_the_seam(stop: Any, text: str, *, goes_on: bool) -> None:
    """Where the text ends in the beginning of one, the next replica would not know it by its rest."""
    events = counted(*text, ends=False)
    scripts = [playing(events, Reset()), playing(counted("c", prompt=11))]
    by_client = play(one(), scripts, ASK | {"stop": stop})
    by_task = play(one(sampling=Sampling(stop=(stop,) if isinstance(stop, str) else tuple(stop))), scripts, ASK)
    for played in (by_client, by_task):
        assert played.response.whole is goes_on
        assert text_of(played.response) == text + ("c" if goes_on else "")
        assert code_of(played.response) == ("" if goes_on else "upstream_truncated")


def test_the_copy_of_a_resumed_answer_is_what_its_client_saw() -> None:
    """The record holds one answer, not the raw streams of two replicas."""

    async def main(clock: JumpingClock) -> Any:
        with tempfile.TemporaryDirectory() as directory:
            async with ScriptedUpstream() as upstream:
                upstream.add(cut_at(counted("a", "b"), 700, [], Close()), playing(counted("c", "d", prompt=11)))
                async with RunningGateway(Path(directory), writing(upstream.url), clock=clock) as gateway:
                    response = await gateway.post(WITH_USAGE)
                    [settled] = (await gateway.events()).settled
                    return response, settled

    response, settled = jump(main)
    assert settled.response_bytes == len(response.body)


def test_a_role_that_comes_with_text_is_told_once() -> None:
    """A server may put the role beside the first text; behind a seam it is taken out."""
    second = [chunk("c", 1, 11, delta={"role": "assistant", "content": "c"}), *counted("c", prompt=11)[2:]]
    played = play(one(), [playing(counted("a", ends=False), Reset()), playing(second)], ASK)
    deltas = [choice["delta"] for one in chunks(played.response) for choice in one["choices"]]
    assert text_of(played.response) == "ac"
    assert ["role" in delta for delta in deltas].count(True) == 1


def test_what_the_client_asks_of_counts_it_gets() -> None:
    """`continuous_usage_stats: false`, or without `include_usage`, is no wish for counts in events."""
    for options in ({"include_usage": True, "continuous_usage_stats": False}, {"continuous_usage_stats": True}):
        played: Played = play(one(), [playing(counted("a", "b"))], ASK | {"stream_options": options})
        usages = [one["usage"] for one in chunks(played.response) if one.get("usage")]
        assert len(usages) == bool(options.get("include_usage"))
        assert json.loads(played.sent[0])["stream_options"]["continuous_usage_stats"] is True


def test_counts_that_only_the_first_replica_gives() -> None:
    """A client that asked for counts gets those that there are; the second part's events pass without."""
    options = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    bare = [
        event({name: value for name, value in json.loads(one[6:]).items() if name != "usage"})
        for one in counted("c", prompt=11)[:3]
    ]
    scripts = [playing(counted("a", ends=False), Reset()), playing([*bare, event(b"[DONE]")])]
    played = play(one(), scripts, ASK | options)
    assert played.response.whole
    assert text_of(played.response) == "ac"
    assert ["usage" in one for one in chunks(played.response)] == [True, True, False, False]
