"""Feedback: what may be sent, by whom, what it becomes, and that what was acknowledged is never lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.routing import Route

from tests.contents.place import ANSWER, Place, asked, chat, policy, snapshot
from tests.control.asgi import Answer, ask
from trimtab.access.keys import KeyDirectory, KeyStore, Role
from trimtab.access.sessions import SessionStore
from trimtab.console.gate import KeyGate
from trimtab.console.serving import serving
from trimtab.database.migrate import open_state
from trimtab.declare.alerting import Completion
from trimtab.errors import StoreError
from trimtab.ids import IdSource
from trimtab.processes.desk import Desk, Stores
from trimtab.processes.feedback_api import FeedbackParts, feedback_endpoints, is_young
from trimtab.record import tail
from trimtab.record.events import Confidence, Score
from trimtab.record.purposes import SHADOW, apart
from trimtab.store.scores import ACCURACY

JSON = {"content-type": "application/json"}


@dataclass
class Door:
    """Control's door for feedback, on a place; `refuses` is why the disk takes nothing, `pauses` how long it waited."""

    place: Place
    keys: KeyStore
    desk: Desk
    network: Any = None
    refuses: str = ""
    pauses: list[float] = field(default_factory=list)

    def record(self, *events: Any) -> None:
        if self.refuses:
            raise StoreError(store="spool", detail=self.refuses)
        self.place.noted.record(*events)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def secret(self, *tasks: str, role: Role = "client", name: str = "shop") -> str:
        return self.keys.new(name, tasks, role)[1]

    async def send(self, key: str, headers: dict[str, str] | None = None, **judgement: Any) -> Answer:
        return await self.post(key, json.dumps(judgement).encode(), headers)

    async def post(self, key: str, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        headers = JSON if headers is None else headers
        return await ask(self.network, "/api/feedback", method="POST", key=key, body=body, headers=headers)

    async def stored(self, name: str = "") -> list[Score]:
        """The scores that are stored once all that waits is taken in and joined."""

        def taken(stores: Stores) -> None:
            self.place.take_in()
            self.place.chores()

        await self.desk.ask(taken)
        return self.place.scores(name)

    async def put(self, *calls: Any) -> None:
        self.place.write(*calls)
        await self.desk.ask(lambda stores: self.place.take_in())


async def opened(place: Place, *, up: bool = True) -> AsyncIterator[Door]:
    def stores() -> Stores:
        if not up:
            raise StoreError(store="telemetry", detail="down")
        place.again()
        return place.stores()

    desk = Desk(stores, place.clock)
    stop, tried = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(desk.run(stop, tried.set))
    await asyncio.wait_for(tried.wait(), 60)
    with (
        contextlib.closing(open_state(place.directory.state)) as state,
        contextlib.closing(KeyDirectory(place.directory.state)) as finder,
    ):
        door = Door(place, KeyStore(state, place.clock, IdSource(seed=1)), desk)
        gate = KeyGate(finder, SessionStore(state, place.clock), place.clock, "trimtab_session")
        rows = feedback_endpoints(desk, place.clock, FeedbackParts(door, place.kept, IdSource(seed=2), door.pause))
        door.network = serving(rows, gate)
        yield door
    stop.set()
    await asyncio.wait_for(working, 60)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async for one in opened(Place(tmp_path, completion=Completion(feedback="thumbs"))):
        yield one


@pytest.fixture
async def shut(tmp_path: Path) -> AsyncIterator[Door]:
    """The same while telemetry does not open."""
    async for one in opened(Place(tmp_path), up=False):
        yield one


async def test_feedback_joins_its_call(door: Door) -> None:
    """A judgement by a call's id becomes a score with all that is known of the call, and how late it came."""
    call = door.place.call(asked(), chat(ANSWER), replica="http://a")
    await door.put(call)
    door.place.clock.advance(60)
    sent = await door.send(
        door.secret(), call=call.admitted.call, score=0.5, label="fine", comment="my api_key=abc123 ok"
    )
    assert sent.status == 202
    assert sent.json() == {"id": sent.json()["id"], "call": call.admitted.call, "joined": True, "correction": None}
    [score] = await door.stored()
    assert score == Score(
        id=sent.json()["id"],
        at_ns=door.place.clock.wall_ns(),
        name="feedback",
        source="feedback",
        call=call.admitted.call,
        value=0.5,
        label="fine",
        explanation="my api_key=[redacted] ok",
        by="shop",
        environment="test",
        task="route",
        model="small",
        replica="http://a",
        prompt="ab" * 32,
        lock="",
        key="k",
        settled_ns=call.at_ns,
    )


async def test_the_id_of_the_answer_names_the_call(door: Door) -> None:
    """A client that knows only the answer's own id may use that."""
    call = door.place.call(asked(), chat(ANSWER), upstream_id="chatcmpl-77")
    await door.put(call)
    sent = await door.send(door.secret(), call="chatcmpl-77", score=1)
    assert (sent.status, sent.json()["call"]) == (202, call.admitted.call)


@pytest.mark.parametrize("shape", ["flat", "event", "otlp"])
async def test_the_shape_of_opentelemetry(door: Door, shape: str) -> None:
    """An evaluation event joins its call too, whichever way its attributes are written."""
    call = door.place.call(asked(), chat(ANSWER), upstream_id="chatcmpl-77")
    await door.put(call)
    attributes: dict[str, Any] = {
        "gen_ai.evaluation.name": "Relevance",
        "gen_ai.evaluation.score.value": 0.75,
        "gen_ai.evaluation.score.label": "relevant",
        "gen_ai.evaluation.explanation": "It answers.",
        "gen_ai.response.id": "chatcmpl-77",
        "gen_ai.operation.name": "chat",
    }
    if shape == "event":
        attributes = {"name": "gen_ai.evaluation.result", "attributes": attributes}
    if shape == "otlp":
        kinds = {str: "stringValue", float: "doubleValue"}
        listed = [{"key": key, "value": {kinds[type(value)]: value}} for key, value in attributes.items()]
        attributes = {"eventName": "gen_ai.evaluation.result", "attributes": listed}
    sent = await door.post(door.secret(), json.dumps(attributes).encode())
    assert sent.status == 202
    [score] = await door.stored()
    told = (score.name, score.source, score.value, score.label, score.explanation, score.call)
    assert told == ("Relevance", "evaluation", 0.75, "relevant", "It answers.", call.admitted.call)


async def test_runs_and_conversations(door: Door) -> None:
    """A judgement of a run takes what it bears from the latest call of it."""
    now_ns = door.place.clock.wall_ns()
    calls = [
        door.place.call(asked(), chat(ANSWER), run="r1", at_ns=now_ns + number, model=f"m{number}") for number in (1, 2)
    ]
    await door.put(*calls)
    sent = await door.send(door.secret(), run="r1", score=1)
    assert sent.status == 202
    [score] = await door.stored()
    assert (score.run, score.model, score.call) == ("r1", "m2", calls[1].admitted.call)


async def test_the_same_id_takes_the_place_of_the_first(door: Door) -> None:
    """A judgement that is sent again under its id is the same one; another key's is another."""
    call = door.place.call(asked(), chat(ANSWER))
    await door.put(call)
    first, second = door.secret(), door.secret(name="other")
    answers = [
        await door.send(key, call=call.admitted.call, score=score, id="n1")
        for key, score in ((first, 0), (first, 1), (second, 0))
    ]
    ids = [answer.json()["id"] for answer in answers]
    assert ids[0] == ids[1] != ids[2]
    assert {(one.by, one.value) for one in await door.stored("feedback")} == {("shop", 1.0), ("other", 0.0)}


async def test_completion_by_feedback(door: Door) -> None:
    """The score that the task names tells whether the work is done, by its value or by a plain label."""
    calls = [door.place.call(asked(), chat(ANSWER)) for _ in range(4)]
    await door.put(*calls)
    key = door.secret()
    said: list[dict[str, Any]] = [{"score": True}, {"score": 0.2}, {"label": "Yes"}, {"label": "so-so"}]
    for call, one in zip(calls, said, strict=True):
        assert (await door.send(key, call=call.admitted.call, name="thumbs", **one)).status == 202
    found = {one.call: one.value for one in await door.stored("completion")}
    assert found == {calls[0].admitted.call: 1.0, calls[1].admitted.call: 0.0, calls[2].admitted.call: 1.0}


async def test_a_label_is_held_against_the_answer(door: Door) -> None:
    """A label of the answer's one category gives its accuracy, and what it says of the confidence in it."""
    sure = {"": Confidence(0.9, 0.9), "/label": Confidence(0.72, 0.7)}
    right, wrong = (door.place.call(asked(), chat(ANSWER), confidence=sure) for _ in range(2))
    await door.put(right, wrong)
    key = door.secret()
    await door.send(key, call=right.admitted.call, name="label", label="billing")
    await door.send(key, call=wrong.admitted.call, label="access")
    found = {(one.call, one.name): (one.value, one.label) for one in await door.stored() if one.source == "feedback"}
    assert found[right.admitted.call, f"{ACCURACY}/label"] == (1.0, "")
    assert found[wrong.admitted.call, f"{ACCURACY}/label"] == (0.0, "")
    assert found[right.admitted.call, "confidence.right/label"] == (0.72, "0.70")
    assert found[wrong.admitted.call, "confidence.wrong/label"] == (0.72, "0.70")


async def test_a_corrected_answer(door: Door) -> None:
    """The answer that would have been right is kept, and tells which fields were right."""
    call = door.place.call(asked(), chat(ANSWER), confidence={"": Confidence(0.5, 0.1)})
    await door.put(call)
    corrected = ANSWER | {"label": "access", "amount": 12.5}
    sent = await door.send(door.secret(), call=call.admitted.call, correct=corrected)
    assert (sent.status, sent.json()["correction"]) == (202, "full")
    found = {one.name: one for one in await door.stored()}
    assert {name: one.value for name, one in found.items() if name != "feedback"} == {
        ACCURACY: 0.0,
        f"{ACCURACY}/label": 0.0,
        f"{ACCURACY}/urgent": 1.0,
        f"{ACCURACY}/amount": 1.0,
        "confidence.wrong": 0.5,
    }
    door.place.index.update()
    assert json.loads(door.place.index.read(found["feedback"].correction) or b"") == corrected


@pytest.mark.parametrize(
    ("redaction", "status", "kept"),
    [("full", 202, b"Right."), ("preview", 202, b'"body":"Right."'), ("digest", 202, None), ("none", 400, None)],
)
async def test_corrections_keep_to_redaction(tmp_path: Path, redaction: Any, status: int, kept: bytes | None) -> None:
    """Of a corrected answer as much is kept as of answers; where nothing may be, it is refused and that is said."""
    async for door in opened(Place(tmp_path, snapshot=snapshot(policy("route", redaction)))):
        call = door.place.call(asked(), chat("Wrong."))
        await door.put(call)
        sent = await door.send(door.secret(), call=call.admitted.call, correct="Right.")
        assert sent.status == status
        if status == 202:
            assert sent.json()["correction"] == redaction
            [score] = await door.stored("feedback")
            door.place.index.update()
            body = door.place.index.read(score.correction)
            assert (body is None) if kept is None else (kept in (body or b""))
        else:
            assert "keeps no bodies" in sent.json()["error"]["message"]


async def test_who_may_judge(door: Door) -> None:
    """Any live key judges; one for some tasks only their calls and its own; nobody else does."""
    call = door.place.call(asked(), chat(ANSWER), key="shop")
    other = door.place.call(asked(), chat(ANSWER), key="elsewhere")
    await door.put(call, other)
    about = {"call": call.admitted.call, "score": 1}
    for role in ("client", "viewer", "operator", "admin"):
        assert (await door.send(door.secret(role=role), **about)).status == 202
    assert (await door.send(door.secret("route"), **about)).status == 202
    assert (await door.send(door.secret("billing"), **about)).status == 202
    for sent in ("", "tt_wrong"):
        assert (await door.send(sent, **about)).status == 401


@pytest.mark.parametrize("kind", ["call", "answer", "run", "conversation"])
async def test_what_others_have_cannot_be_told_from_what_is_not_there(door: Door, kind: str) -> None:
    """A key for some tasks gets the same answer, after the same wait, for a call of another task and for none."""
    names = {"run": "r-1", "conversation": "c-1"}
    call = _within("c-1", door.place.call(asked(), chat(ANSWER), key="elsewhere", upstream_id="chatcmpl-9", run="r-1"))
    await door.put(call)
    subject = {"call": call.admitted.call, "answer": "chatcmpl-9", **names}[kind]
    field = "call" if kind == "answer" else kind
    secret = door.secret("billing")
    other = await door.send(secret, score=1, **{field: subject})
    waited, door.pauses[:] = list(door.pauses), []
    none = await door.send(secret, score=1, **{field: "x" * len(subject)})
    assert (other.status, other.error, waited) == (404, "not_found", door.pauses)
    assert other.body.replace(subject.encode(), b"") == none.body.replace(b"x" * len(subject), b"")
    assert other.headers == none.headers


async def test_one_of_its_own_calls_lends_what_a_conversation_bears(door: Door) -> None:
    """Where a conversation has calls of several tasks, a judgement joins the latest that its key may judge."""
    mine = _within("c-1", door.place.call(asked(), chat(ANSWER), key="shop"))
    door.place.clock.advance(5)
    other = _within("c-1", door.place.call(asked(), chat(ANSWER), key="elsewhere"))
    await door.put(mine, other)
    assert (await door.send(door.secret("billing", name="shop"), conversation="c-1", score=1)).json()["call"] == (
        mine.admitted.call
    )
    assert (await door.send(door.secret(), conversation="c-1", score=1)).json()["call"] == other.admitted.call


@pytest.mark.parametrize("subject", [{"conversation": "c-1"}, {"run": "r-1"}])
async def test_a_copy_of_a_call_is_no_users_answer(door: Door, subject: dict[str, str]) -> None:
    """A shadow's call comes after the one it is of, and is not what the user judges."""
    users = _within("c-1", door.place.call(asked(), chat(ANSWER), key="shop", run="r-1"))
    door.place.clock.advance(5)
    copy = _within("c-1", door.place.call(asked(), chat(ANSWER), key="shop", run="r-1"))
    await door.put(users, replace(copy, admitted=replace(copy.admitted, task=apart(SHADOW, copy.admitted.task))))
    for secret in (door.secret(), door.secret("billing", name="shop")):
        assert (await door.send(secret, score=1, **subject)).json()["call"] == users.admitted.call


async def test_an_unknown_call(door: Door) -> None:
    """What there is nothing of is 404 after it was looked for a while, and the message says what to name."""
    sent = await door.send(door.secret(), call="chatcmpl-none", score=1)
    assert (sent.status, sent.error) == (404, "not_found")
    assert "x-trimtab-call" in sent.json()["error"]["message"]
    assert sum(door.pauses) > 2
    assert (await door.send(door.secret(), run="none", score=1)).status == 404


async def test_a_call_that_is_still_on_its_way(door: Door) -> None:
    """Feedback may be quicker than the record of its call: it is taken at once, and joined when the call is there."""
    call = door.place.call(asked(), chat(ANSWER))
    young = IdSource(seed=3).new(door.place.clock.wall_ns())
    call = _named(call, young)
    sent = await door.send(door.secret(), call=young, name="thumbs", score=1)
    assert (sent.status, sent.json()["joined"], door.pauses) == (202, False, [])
    [waiting] = await door.stored()
    assert (waiting.call, waiting.task) == (young, "")
    await door.put(call)
    found = {one.name: one for one in await door.stored()}
    assert found["thumbs"].id == sent.json()["id"]
    assert (found["thumbs"].task, found["completion"].value) == ("route", 1.0)
    assert door.place.works.judgements.waiting(10) == ()


async def test_a_judgement_that_waits_does_not_take_the_place_of_a_later_one(door: Door) -> None:
    """Sent again under its id once the call is there, it is the later one that stays."""
    call = door.place.call(asked(), chat(ANSWER))
    young = IdSource(seed=3).new(door.place.clock.wall_ns())
    key = door.secret()
    await door.send(key, call=young, name="thumbs", score=0, id="n1")
    await door.stored()
    door.place.clock.advance(61)
    await door.stored()
    await door.put(_named(call, young))
    again = await door.send(key, call=young, name="thumbs", score=1, id="n1")
    assert again.json()["joined"]
    assert [one.value for one in await door.stored("thumbs")] == [1.0]
    door.place.clock.advance(3600)
    await door.stored()
    assert [one.value for one in await door.stored("thumbs")] == [1.0]


async def test_a_call_that_never_comes(door: Door) -> None:
    """After a day a judgement waits no longer; until then it is looked for its call from time to time."""
    young = IdSource(seed=3).new(door.place.clock.wall_ns())
    await door.send(door.secret(), call=young, score=1)
    await door.stored()
    door.place.clock.advance(86_390)
    for waits in (1, 0):
        for _ in range(240):
            await door.desk.ask(lambda stores: door.place.works.chores[1].do())
        assert len(door.place.works.judgements.waiting(10)) == waits
        door.place.clock.advance(11)
    [score] = await door.stored()
    assert (score.task, score.call) == ("", young)


async def test_feedback_counts_when_its_call_was_found(door: Door) -> None:
    """Looking for it may take seconds, in which alerts look at the minute in which it came."""
    call = door.place.call(asked(), chat(ANSWER), upstream_id="chatcmpl-9")

    async def pause(seconds: float) -> None:
        door.place.clock.advance(12)
        await door.put(call)

    rows = feedback_endpoints(door.desk, door.place.clock, FeedbackParts(door, door.place.kept, IdSource(4), pause))
    body = b'{"call": "chatcmpl-9", "name": "thumbs", "score": 1}'
    await ask(_bare(rows), "/api/feedback", method="POST", body=body, headers=JSON)
    assert {one.at_ns for one in await door.stored()} == {door.place.clock.wall_ns()}


async def test_an_answer_id_of_a_call_on_its_way(door: Door) -> None:
    """By the answer's id a call is looked for again until its record is in."""
    call = door.place.call(asked(), chat(ANSWER), upstream_id="chatcmpl-9")
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await door.put(call)

    door.pause = pause  # type: ignore[method-assign]
    rows = feedback_endpoints(door.desk, door.place.clock, FeedbackParts(door, door.place.kept, IdSource(4), pause))
    body = b'{"call": "chatcmpl-9", "score": 1}'
    taken = await ask(_bare(rows), "/api/feedback", method="POST", body=body, headers=JSON)
    assert (taken.status, taken.json()["call"], len(pauses)) == (202, call.admitted.call, 1)


async def test_while_telemetry_is_down(shut: Door) -> None:
    """Feedback is taken and on the disk while telemetry is down; a corrected answer must wait, and that is said."""
    sent = await shut.send(shut.secret(), call="chatcmpl-1", score=1)
    assert (sent.status, sent.json()["joined"]) == (202, False)
    [score] = on_disk(shut.place)
    assert (score.call, score.value, score.by) == ("chatcmpl-1", 1.0, "shop")
    later = await shut.send(shut.secret(), call="chatcmpl-1", correct="x")
    assert (later.status, later.error, later.headers["retry-after"]) == (503, "telemetry_unavailable", "5")
    assert (await shut.send(shut.secret("route"), call="chatcmpl-1", score=1)).status == 503


def on_disk(place: Place) -> list[Score]:
    found = []
    for segment in tail.segments(place.root / "spool"):
        found += [event for _, event in tail.read(segment.path, 0) if isinstance(event, Score)]
    return found


async def test_it_is_on_the_disk_before_it_is_acknowledged(door: Door) -> None:
    """Where the disk takes nothing there is no 202."""
    call = door.place.call(asked(), chat(ANSWER))
    await door.put(call)
    door.refuses = "no room"
    sent = await door.send(door.secret(), call=call.admitted.call, score=1)
    assert (sent.status, on_disk(door.place)) == (503, [])
    door.refuses = ""
    sent = await door.send(door.secret(), call=call.admitted.call, score=1)
    assert [one.id for one in on_disk(door.place)] == [sent.json()["id"]]


async def test_one_key_cannot_flood(door: Door) -> None:
    """Past 100 at once a key must wait, and another key need not."""
    key = door.secret()
    statuses = [(await door.post(key, b"{}")).status for _ in range(102)]
    assert (statuses[:100], statuses[101]) == ([400] * 100, 429)
    assert (await door.post(key, b"{}")).headers["retry-after"] == "1"
    assert (await door.post(door.secret(name="other"), b"{}")).status == 400
    door.place.clock.advance(1)
    assert (await door.post(key, b"{}")).status == 400


async def test_only_json(door: Door) -> None:
    """A form of a page elsewhere cannot judge: it cannot send this content type."""
    sent = await door.send(door.secret(), {"content-type": "text/plain"}, call="a", score=1)
    assert (sent.status, sent.error) == (400, "invalid_request")


def test_which_ids_are_young(tmp_path: Path) -> None:
    """An id of ours tells when it was made; other texts tell nothing."""
    clock = Place(tmp_path).clock
    now_ns = clock.wall_ns()
    ids = IdSource(seed=5)
    assert is_young(ids.new(now_ns), now_ns)
    assert is_young(ids.new(now_ns - 3_599_000_000_000), now_ns)
    assert not is_young(ids.new(now_ns - 3_601_000_000_000), now_ns)
    assert not is_young(ids.new(now_ns + 120_000_000_000), now_ns)
    assert not is_young("chatcmpl-1", now_ns)
    assert not is_young("z" * 12 + "7" + "0" * 19, now_ns)


def _named(call: Any, name: str) -> Any:
    return replace(call, admitted=replace(call.admitted, call=name, run=name))


def _within(conversation: str, call: Any) -> Any:
    return replace(call, admitted=replace(call.admitted, conversation=conversation))


def _bare(rows: Any) -> Any:
    return Starlette(routes=[Route(row.path, row.handle, methods=[row.method]) for row in rows])
