"""Answers under a contract: valid or a typed error, streamed or whole, repaired, held or stopped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.harness import Response, RunningGateway, snapshot, task
from tests.gateway.jumping import jumped
from trimtab.declare.project import Deadlines, OnInvalid, Output, Retry, Schema
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import Usage
from trimtab.testing import (
    Answer,
    Framing,
    Hang,
    Script,
    ScriptedUpstream,
    Send,
    chat_json,
    chat_stream,
    error_answer,
    json_answer,
)

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"label": {"enum": ["bug", "praise"]}, "note": {"type": "string", "maxLength": 8}},
        "required": ["label"],
        "additionalProperties": False,
    },
    sort_keys=True,
    separators=(",", ":"),
)
DIGEST = hashlib.sha256(SCHEMA.encode()).hexdigest()
GOOD, BAD = '{"label":"bug"}', '{"label":"wish"}'
LATE = '{"label":"bug"'
"""A valid beginning, so that only its end shows that the answer is not valid."""
ASK: dict[str, Any] = {"model": "triage", "messages": [{"role": "user", "content": "It broke."}]}
STREAM = {**ASK, "stream": True}
TOKENS = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def under(url: str, on_invalid: OnInvalid, engine: str = "other", **more: Any) -> Snapshot:
    output = Output(Schema(SCHEMA, DIGEST), on_invalid, **more)
    policy = snapshot({"small": url}, task("triage", "small", output=output))
    return replace(policy, models={"small": replace(policy.models["small"], engine=engine)})


def said(text: str, pieces: int = 3, **more: Any) -> Answer:
    size = max(1, -(-len(text) // pieces))
    return Answer(tuple(text[at : at + size] for at in range(0, len(text), size)), usage=TOKENS, **more)


def text_of(response: Response) -> str:
    chunks = [json.loads(event) for event in response.events if event.startswith("{")]
    deltas = [choice["delta"] for chunk in chunks if "choices" in chunk for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize("on_invalid", ["repair", "reject", "pass"])
@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_a_valid_answer_is_delivered_whatever_the_policy(
    tmp_path: Path, on_invalid: OnInvalid, body: dict[str, Any]
) -> None:
    """The text arrives as it was said, once, and the record says that it was valid."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_stream(said(GOOD)) if "stream" in body else chat_json(said(GOOD)))
        async with RunningGateway(tmp_path, under(upstream.url, on_invalid)) as gateway:
            response = await gateway.post(body)
            [settled] = (await gateway.events()).settled
    told = text_of(response) if "stream" in body else response.json()["choices"][0]["message"]["content"]
    assert told == GOOD
    assert response.whole
    assert (settled.outcome, settled.verdict, settled.repairs, settled.failing) == ("ok", "valid", 0, ())
    assert settled.admitted.schema == DIGEST
    if "stream" in body:
        assert response.events[-1] == "[DONE]"


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_a_repair_shows_the_model_its_error(tmp_path: Path, body: dict[str, Any]) -> None:
    """The model is asked again with its answer and what is wrong with it; the client sees the second answer only."""
    answer = chat_stream if "stream" in body else chat_json
    async with ScriptedUpstream() as upstream:
        upstream.add(answer(said(BAD)), answer(said(GOOD)))
        async with RunningGateway(tmp_path, under(upstream.url, "repair")) as gateway:
            response = await gateway.post(body)
            events = await gateway.events()
    told = text_of(response) if "stream" in body else response.json()["choices"][0]["message"]["content"]
    assert told == GOOD
    first, second = (json.loads(request.body)["messages"] for request in upstream.requests)
    assert second[: len(first)] == first
    assert [turn["role"] for turn in second[len(first) :]] == ["assistant", "user"]
    assert "/label" in second[-1]["content"]
    assert "bug" in second[-1]["content"]
    [settled] = events.settled
    assert (settled.outcome, settled.verdict, settled.repairs) == ("ok", "valid", 1)
    assert [attempt.cause for attempt in events.attempts] == ["output_invalid", "ok"]
    assert settled.usage is not None
    assert events.attempts[1].usage == Usage(input=9, output=4)


async def test_what_is_wrong_at_the_end_is_repaired_with_the_whole_answer(tmp_path: Path) -> None:
    """An answer that shows its fault with its last character goes back to the model whole."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_json(said(LATE)), chat_json(said(GOOD)))
        async with RunningGateway(tmp_path, under(upstream.url, "repair")) as gateway:
            response = await gateway.post(ASK)
            [settled] = (await gateway.events()).settled
    assert response.json()["choices"][0]["message"]["content"] == GOOD
    assert json.loads(upstream.requests[1].body)["messages"][-2] == {"role": "assistant", "content": LATE}
    assert settled.usage == Usage(input=18, output=8)
    assert (settled.cost_pusd, settled.cost_label) == (18 * 150_000 + 8 * 600_000, "exact")


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_repairs_are_bounded(tmp_path: Path, body: dict[str, Any]) -> None:
    """After the last repair the call ends in a typed error that names the failing place, as a real HTTP error."""
    answer = chat_stream if "stream" in body else chat_json
    async with ScriptedUpstream() as upstream:
        upstream.always(answer(said(BAD)))
        async with RunningGateway(tmp_path, under(upstream.url, "repair", repairs=2)) as gateway:
            response = await gateway.post(body)
            [settled] = (await gateway.events()).settled
    assert len(upstream.requests) == 3
    assert (response.status, response.json()["error"]["code"]) == (422, "output_invalid")
    assert "/label" in response.json()["error"]["message"]
    assert (settled.outcome, settled.verdict, settled.failing) == ("output_invalid", "invalid", ("/label: enum",))
    assert (settled.repairs, settled.attempts) == (2, 3)


async def test_a_whole_answer_that_is_rejected_is_an_error(tmp_path: Path) -> None:
    """Nothing of it reaches the client, and the model is not asked again."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(said(BAD)))
        async with RunningGateway(tmp_path, under(upstream.url, "reject")) as gateway:
            response = await gateway.post(ASK)
    assert (response.status, response.json()["error"]["code"]) == (422, "output_invalid")
    assert response.headers["x-should-retry"] == "false"
    assert b"wish" not in response.body
    assert len(upstream.requests) == 1


async def test_a_rejected_stream_stops_as_soon_as_nothing_valid_can_come(tmp_path: Path) -> None:
    """The upstream that would go on for ever is cancelled, the client gets the error event and no clean end."""
    events = said(BAD, pieces=len(BAD)).events()[:-3]
    paced = Framing(gap_s=0.01)
    script = Script((Send(paced.head()), *paced.steps(events), Hang()))
    async with ScriptedUpstream() as upstream:
        upstream.always(script)
        async with RunningGateway(tmp_path, under(upstream.url, "reject")) as gateway:
            response = await gateway.post(STREAM)
            [settled] = (await gateway.events()).settled
            await upstream.requests[0].over()
    assert not response.whole
    assert '"code":"output_invalid"' in response.events[-1]
    assert "[DONE]" not in response.events
    assert text_of(response) == '{"label":"'
    assert upstream.requests[0].gone_at is not None
    assert (settled.outcome, settled.status, settled.verdict) == ("output_invalid", 200, "invalid")


async def test_a_rejected_stream_has_no_clean_end(tmp_path: Path) -> None:
    """What only its end shows to be invalid has neither a finish reason nor [DONE]."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_stream(said(LATE)))
        async with RunningGateway(tmp_path, under(upstream.url, "reject")) as gateway:
            response = await gateway.post(STREAM)
    assert not response.whole
    assert b'"finish_reason": "stop"' not in response.body
    assert "[DONE]" not in response.events
    assert '"code":"output_invalid"' in response.events[-1]


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_pass_flags_and_delivers(tmp_path: Path, body: dict[str, Any]) -> None:
    """The answer goes through unchanged; the record says where it fails."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_stream(said(BAD)) if "stream" in body else chat_json(said(BAD)))
        async with RunningGateway(tmp_path, under(upstream.url, "pass")) as gateway:
            response = await gateway.post(body)
            [settled] = (await gateway.events()).settled
    assert response.whole
    assert (settled.outcome, settled.verdict, settled.failing) == ("ok", "invalid", ("/label: enum",))


@pytest.mark.parametrize(
    ("answer", "verdict", "delivered"),
    [(said(LATE, finish_reason="length"), "truncated", False), (said(GOOD, finish_reason="length"), "valid", True)],
)
async def test_truncation_is_told_apart_and_not_repaired(
    tmp_path: Path, answer: Answer, verdict: str, *, delivered: bool
) -> None:
    """An answer cut at its token limit would only be cut again; one that happens to be whole is valid."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(answer))
        async with RunningGateway(tmp_path, under(upstream.url, "repair")) as gateway:
            response = await gateway.post(ASK)
            [settled] = (await gateway.events()).settled
    assert len(upstream.requests) == 1
    assert settled.verdict == verdict
    assert (response.status == 200) is delivered
    if not delivered:
        assert "max_output_tokens" in response.json()["error"]["message"]


async def test_a_refusal_is_delivered_as_one(tmp_path: Path) -> None:
    """A model that refuses says so in a field of its own, which clients know to read."""
    body = said("").body()
    body["choices"][0]["message"] = {"role": "assistant", "content": None, "refusal": "I cannot."}
    async with ScriptedUpstream() as upstream:
        upstream.always(json_answer(body))
        async with RunningGateway(tmp_path, under(upstream.url, "repair")) as gateway:
            response = await gateway.post(ASK)
            [settled] = (await gateway.events()).settled
    assert response.json()["choices"][0]["message"]["refusal"] == "I cannot."
    assert (settled.outcome, settled.verdict) == ("ok", "refused")


@jumped
async def test_a_held_stream_releases_nothing_before_it_is_valid(tmp_path: Path) -> None:
    """A replica that fails amid a held answer leaves a real HTTP error: the client has seen nothing."""
    events = said(GOOD, pieces=len(GOOD)).events()[:6]
    cut = Script((Send(Framing().head()), *Framing().steps(events), Hang()))
    quick = Deadlines(connect_s=1.0, first_token_s=1.0, gap_s=0.1)
    async with ScriptedUpstream() as upstream:
        upstream.always(cut)
        policy = under(upstream.url, "reject", hold=True)
        held = replace(policy.tasks["triage"], deadline=quick, retry=Retry(attempts=1))
        async with RunningGateway(tmp_path, replace(policy, tasks={"triage": held})) as gateway:
            response = await gateway.post(STREAM)
    assert (response.status, response.json()["error"]["code"]) == (504, "deadline_gap")


async def test_a_held_stream_is_tried_again_after_content(tmp_path: Path) -> None:
    """Since nothing was released, a fault amid the answer is tried again like one before it."""
    async with ScriptedUpstream() as upstream:
        events = said(GOOD).events()[:3]
        upstream.add(
            Script((Send(Framing().head()), *Framing().steps(events), Send(b"0\r\n\r\n"))), chat_stream(said(GOOD))
        )
        async with RunningGateway(tmp_path, under(upstream.url, "reject", hold=True)) as gateway:
            response = await gateway.post(STREAM)
            events_seen = await gateway.events()
    assert text_of(response) == GOOD
    assert [attempt.cause for attempt in events_seen.attempts] == ["upstream_truncated", "ok"]


@jumped
async def test_a_repair_shares_the_total_deadline(tmp_path: Path) -> None:
    """The second answer has only what the first left of the call's time."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_json(said(BAD)), Script((Hang(),)))
        async with RunningGateway(tmp_path, under(upstream.url, "repair")) as gateway:
            response = await gateway.post(ASK, x_trimtab_deadline_ms="300")
            [settled] = (await gateway.events()).settled
    assert response.json()["error"]["code"] == "deadline_total"
    left_ms = int(upstream.requests[1].header("x-trimtab-deadline-ms") or b"0")
    assert 0 < left_ms <= 300
    assert (settled.repairs, settled.attempts) == (1, 2)


async def test_a_failed_repair_attempt_may_be_retried(tmp_path: Path) -> None:
    """Repairs do not use up the tries of a call."""
    async with ScriptedUpstream() as upstream:
        upstream.add(chat_json(said(BAD)), error_answer(503, "busy"), chat_json(said(GOOD)))
        policy = under(upstream.url, "repair")
        twice = replace(policy.tasks["triage"], retry=Retry(attempts=2))
        async with RunningGateway(tmp_path, replace(policy, tasks={"triage": twice})) as gateway:
            response = await gateway.post(ASK)
            events = await gateway.events()
    assert response.status == 200
    assert [attempt.cause for attempt in events.attempts] == ["output_invalid", "upstream_error", "ok"]


@pytest.mark.parametrize(
    ("engine", "field", "value"),
    [
        ("vllm", "structured_outputs", {"json": json.loads(SCHEMA)}),
        (
            "openai",
            "response_format",
            {
                "type": "json_schema",
                "json_schema": {"name": "triage", "schema": json.loads(SCHEMA), "strict": True},
            },
        ),
        ("other", None, None),
    ],
)
async def test_the_schema_goes_out_in_the_engines_own_form(
    tmp_path: Path, engine: str, field: str | None, value: object
) -> None:
    """Whatever form the client asked for, the task's schema takes its place; an unknown engine is told nothing."""
    strict = json.loads(SCHEMA) | {
        "properties": {"label": {"type": "string", "enum": ["bug"]}, "note": {"type": "string"}},
        "required": ["label", "note"],
    }
    text = json.dumps(strict if engine == "openai" else json.loads(SCHEMA), sort_keys=True, separators=(",", ":"))
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(said('{"label":"bug","note":"x"}')))
        policy = under(upstream.url, "reject", engine)
        output = Output(Schema(text, "d"), "reject")
        policy = replace(policy, tasks={"triage": replace(policy.tasks["triage"], output=output)})
        async with RunningGateway(tmp_path, policy) as gateway:
            await gateway.post({**ASK, "response_format": {"type": "json_object"}} if field else ASK)
    sent = json.loads(upstream.requests[0].body)
    present = {name for name in ("structured_outputs", "response_format") if name in sent}
    assert present == ({field} if field else set())
    if field == "structured_outputs":
        assert sent[field] == value
    elif field:
        assert sent[field]["json_schema"]["schema"] == strict


def logprob(token: str, *top: tuple[str, float]) -> dict[str, Any]:
    likely = [{"token": text, "logprob": value} for text, value in top]
    return {"token": token, "logprob": top[0][1] if top else -0.1, "top_logprobs": likely}


@pytest.mark.parametrize("asked", [False, True])
async def test_confidence_is_asked_for_and_kept_from_a_client_that_did_not(tmp_path: Path, *, asked: bool) -> None:
    """The record has probabilities by field; the client sees log probabilities only if it asked for them."""
    body = said(GOOD).body()
    body["choices"][0]["logprobs"] = {
        "content": [
            logprob('{"', ('{"', -0.01)),
            logprob("label", ("label", -0.01)),
            logprob('":"', ('":"', -0.01)),
            logprob("bug", ("bug", -0.5), ("praise", -1.0)),
            logprob('"}', ('"}', -0.01)),
        ]
    }
    async with ScriptedUpstream() as upstream:
        upstream.always(json_answer(body))
        async with RunningGateway(tmp_path, under(upstream.url, "reject", confidence=True)) as gateway:
            response = await gateway.post({**ASK, "logprobs": True, "top_logprobs": 2} if asked else ASK)
            [settled] = (await gateway.events()).settled
    sent = json.loads(upstream.requests[0].body)
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 2 if asked else 5)
    assert ("logprobs" in response.json()["choices"][0]) is asked
    assert set(settled.confidence) == {"", "/label"}
    margin = settled.confidence["/label"].margin
    assert margin is not None
    assert margin == pytest.approx(0.6065306597 - 0.3678794412)


async def test_several_choices_are_all_judged(tmp_path: Path) -> None:
    """One bad choice among good ones makes the answer invalid."""
    body = said(GOOD, choices=2).body()
    body["choices"][1]["message"] = {"role": "assistant", "content": BAD}
    async with ScriptedUpstream() as upstream:
        upstream.always(json_answer(body))
        async with RunningGateway(tmp_path, under(upstream.url, "reject")) as gateway:
            response = await gateway.post({**ASK, "n": 2})
    assert response.json()["error"]["code"] == "output_invalid"


@pytest.mark.parametrize(("required", "sent"), [(["label", "note"], True), (["label"], False)])
async def test_a_schema_that_the_engine_would_refuse_is_not_sent(
    tmp_path: Path, required: list[str], *, sent: bool
) -> None:
    """OpenAI's strict mode takes only schemas that require all properties; the answer is validated all the same."""
    schema = json.dumps(
        {
            "type": "object",
            "properties": {"label": {"type": "string", "enum": ["bug"]}, "note": {"type": "string"}},
            "required": required,
            "additionalProperties": False,
        }
    )
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(said(BAD)))
        policy = under(upstream.url, "reject", "openai")
        task_now = replace(policy.tasks["triage"], output=Output(Schema(schema, "d"), "reject"))
        async with RunningGateway(tmp_path, replace(policy, tasks={"triage": task_now})) as gateway:
            response = await gateway.post(ASK)
    assert ("response_format" in json.loads(upstream.requests[0].body)) is sent
    assert response.json()["error"]["code"] == "output_invalid"


@pytest.mark.parametrize(("text", "words"), [("bug", "it is no JSON"), ('"bug"', "the whole: type")])
async def test_a_fault_of_the_whole_is_told_in_words(tmp_path: Path, text: str, words: str) -> None:
    """An empty path names nothing to a person."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json(said(text)))
        async with RunningGateway(tmp_path, under(upstream.url, "reject")) as gateway:
            response = await gateway.post(ASK)
    assert f"task triage: {words};" in response.json()["error"]["message"]
