"""What is read of the bodies of calls as they come in: what their redaction keeps, once, and not at any price."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.contents.place import ANSWER, Place, asked, chat, policy, snapshot
from tests.contents.test_glance import ANSWERS, REQUESTS
from trimtab.declare.project import Defaults
from trimtab.errors import StoreError
from trimtab.policy.snapshot import UNDECLARED
from trimtab.processes.contents import ContentReader
from trimtab.record.events import Confidence, Settled
from trimtab.signals.readings.language import language
from trimtab.signals.readings.sampling import PER_TASK_S, sampled, searched
from trimtab.signals.readings.sketch import BUCKETS, sketch
from trimtab.store.readings import Reading, ReadingQuery
from trimtab.store.telemetry import Batch

ENGLISH = "Where is my order? It has not come yet."


def read(place: Place, call: Settled) -> dict[str, str | float]:
    """The readings of one call, by field."""
    place.index.update()
    found = place.works.enrich(Batch(calls=(call,))).readings
    return {one.field: one.value if one.kind == "category" else one.number for one in found}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("answer", ANSWERS)
def test_predictions_on_every_surface(place: Place, answer: str) -> None:
    """The fields of the answer that the schema names are read, streamed or not, in every format."""
    found = read(place, place.call(asked(), ANSWERS[answer]))
    assert {name: value for name, value in found.items() if name.startswith("answer/")} == {
        "answer/label": "billing",
        "answer/urgent": "true",
        "answer/amount": 12.5,
    }


@pytest.mark.parametrize("request_name", REQUESTS)
def test_what_was_asked_on_every_surface(place: Place, request_name: str) -> None:
    """The same question has the same sketch in every format."""
    body = json.dumps(REQUESTS[request_name]).encode()
    assert read(place, place.call(body, chat(ANSWER)))["input.sketch"] == sketch("Where is it?")


def test_inputs(place: Place) -> None:
    """Truths and numbers among the prompt's inputs are read; texts are not, nor inputs that the prompt has not."""
    found = read(place, place.call(asked(ENGLISH, vip=True, age=41, ticket="secret", other=7), chat(ANSWER)))
    assert {name: value for name, value in found.items() if name.startswith("input/")} == {
        "input/age": 41.0,
        "input/vip": "true",
    }
    assert "secret" not in found.values()
    assert found["input.language"] == "en"


def test_confidence(place: Place) -> None:
    """The confidence of the answer and of the fields that the schema names is read, of other fields it is not."""
    told = {"": Confidence(0.9, 0.5), "/label": Confidence(0.75, 0.5), "/reason": Confidence(0.1, 0.1)}
    found = read(place, place.call(asked(), chat(ANSWER), confidence=told))
    assert {name: value for name, value in found.items() if name.startswith("confidence/")} == {
        "confidence/": 0.9,
        "confidence/label": 0.75,
    }


@pytest.mark.parametrize(
    ("redaction", "answers", "asks"),
    [("full", True, True), ("preview", True, True), ("digest", False, False), ("none", False, False)],
)
def test_redaction(tmp_path: Path, redaction: Any, answers: bool, asks: bool) -> None:
    """Where bodies are not kept nothing is read of them, and no text of the call is kept for searching."""
    place = Place(tmp_path, snapshot=snapshot(policy("route", redaction)))
    call = place.call(asked(), chat(ANSWER))
    found = read(place, call)
    assert ("answer/label" in found, "input.sketch" in found) == (answers, asks)
    texts = place.works.enrich(Batch(calls=(call,))).texts
    assert [one.answered for one in texts] == ([json.dumps(ANSWER)] if answers else [])


def test_a_long_answer_in_preview_gives_no_prediction(tmp_path: Path) -> None:
    """Of an answer that is not known whole nothing is guessed."""
    place = Place(tmp_path, snapshot=snapshot(policy("route", "preview")))
    found = read(place, place.call(asked(), chat(ANSWER | {"reason": "x" * 300})))
    assert not any(name.startswith("answer/") for name in found)


@pytest.mark.parametrize("changed", [{"verdict": "invalid"}, {"outcome": "upstream_error"}])
def test_only_good_answers_are_predictions(place: Place, changed: dict[str, str]) -> None:
    """An answer that broke its schema or did not end well says nothing in its fields."""
    found = read(place, place.call(asked(), chat(ANSWER), **changed))
    assert not any(name.startswith("answer/") for name in found)


def test_a_schema_that_is_not_known(place: Place) -> None:
    """A call under a schema that no task has had gives no prediction; one from before an edit still does."""
    call = place.call(asked(), chat(ANSWER))
    read(place, call)
    place.snapshot = structs.replace(snapshot(), digest="e" * 64, defaults=Defaults(undeclared_redaction="full"))
    assert read(place, call)["answer/label"] == "billing"
    place.again()
    assert "answer/label" not in read(place, call)


def test_undeclared_calls(tmp_path: Path) -> None:
    """Of calls outside any task, whose bodies are kept by digest, nothing is read; nor of calls that are our own."""
    place = Place(tmp_path)
    assert read(place, place.call(asked(), chat(ANSWER), task=UNDECLARED)) == {}
    place.snapshot = structs.replace(place.snapshot, defaults=Defaults(undeclared_redaction="full"))
    assert "input.sketch" in read(place, place.call(asked(), chat(ANSWER), task=UNDECLARED))
    for name in ("(judge)", "(evaluation) route", "(shadow) route"):
        own = place.call(asked(), chat(ANSWER), task=name, confidence={"": Confidence(0.9, 0.9)})
        assert read(place, own) == {}
        assert place.works.enrich(Batch(calls=(own,))).texts == ()


@pytest.mark.parametrize("name", ["(evaluation) route", "(shadow) route"])
def test_what_may_be_kept_of_calls_for_a_purpose_of_ours(place: Place, name: str) -> None:
    """As much as of its task's: neither more, as of a task nobody knows, nor less."""
    reader = ContentReader(place.index, lambda: place.snapshot)
    assert reader.redaction("route") != reader.redaction("(undeclared)")
    assert reader.redaction(name) == reader.redaction("route")


def test_texts_hold_no_secret(place: Place) -> None:
    """What calls are searched by is masked, also where a secret lies across the end of it."""
    token = "sk-" + "a1B2c3D4" * 6
    for before in ("", "x " * 240):
        call = place.call(asked(f"{before}my key is {token} and more"), chat(f"you said api_key={token}"))
        place.index.update()
        [text] = place.works.enrich(Batch(calls=(call,))).texts
        assert "a1B2c3D4" not in text.asked + text.answered
    call = place.call(asked("x " * 240 + "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF0123456789"), chat("fine"))
    place.index.update()
    [text] = place.works.enrich(Batch(calls=(call,))).texts
    assert "eyJ" not in text.asked


def test_readings_are_stored_with_their_calls(place: Place) -> None:
    """A batch is stored with its readings, and with what its calls are searched by."""
    calls = [place.call(asked(), chat(ANSWER | {"label": label})) for label in ("billing", "billing", "access")]
    place.write(*calls)
    place.take_in()
    at_ns = place.clock.wall_ns()
    [counts] = place.telemetry.readings(ReadingQuery(0, at_ns + 10**12, fields=("answer/label",)))
    assert counts.categories == {"billing": 2, "access": 1}
    text = place.telemetry.text(calls[2].admitted.call)
    assert text is not None
    assert (text.asked, text.categories["answer/label"]) == (ENGLISH, "access")


def test_a_store_that_fails_gets_the_same_batch(place: Place) -> None:
    """While telemetry is down a batch is read once, and sent again as it was."""

    class Failing:
        def __init__(self) -> None:
            self.sent: list[tuple[Reading, ...]] = []

        def insert(self, batch: Batch, token: str) -> None:
            self.sent.append(batch.readings)
            raise StoreError(store="telemetry", detail="down")

    place.write(place.call(asked(), chat(ANSWER)))
    failing = Failing()
    ingest = place.ingesting(failing)
    for _ in range(2):
        with pytest.raises(StoreError):
            ingest.step()
    assert failing.sent[0]
    assert failing.sent[1] is failing.sent[0]


def test_a_restart_reads_the_same(place: Place) -> None:
    """The readings of a batch depend on nothing but the batch and its bodies."""
    calls = tuple(place.call(asked(f"{ENGLISH} {number}"), chat(ANSWER)) for number in range(40))
    place.index.update()
    first = place.works.enrich(Batch(calls=calls))
    place.again()
    place.index.update()
    assert place.works.enrich(Batch(calls=calls)) == first


def test_a_damaged_pack_stops_nothing(place: Place, tmp_path: Path) -> None:
    """A body whose bytes were changed on the disk gives nothing, and the call is stored all the same."""
    call = place.call(asked(), chat(ANSWER))
    place.bodies.close()
    [pack] = (tmp_path / "bodies" / "g0-a").glob("*.pack")
    pack.write_bytes(pack.read_bytes().replace(b"billing", b"bi11ing"))
    place.write(call)
    place.take_in()
    assert place.telemetry.count().calls == 1
    assert place.telemetry.readings(ReadingQuery(0, place.clock.wall_ns() + 10**12, fields=("answer/label",))) == ()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.binary(max_size=80), st.binary(max_size=80)), min_size=1, max_size=3))
def test_hostile_bodies_stop_nothing(place: Place, bodies: list[tuple[bytes, bytes]]) -> None:
    """Whatever clients and models send, the batch is stored."""
    before = place.telemetry.count().calls
    place.write(*(place.call(request, answer) for request, answer in bodies))
    place.take_in()
    assert place.telemetry.count().calls == before + len(bodies)


DEEP = [b'{"messages":' + b"[" * 3000, b'{"choices":[{"message":{"content":"' + b"[" * 3000 + b'"}}]}', b"\xff" * 3000]


@pytest.mark.parametrize("body", DEEP)
def test_deep_and_broken_bodies(place: Place, body: bytes) -> None:
    """Nesting without end is nothing that can be read."""
    assert "answer/label" not in read(place, place.call(body, body))


def test_calls_are_sampled_where_they_are_many(place: Place) -> None:
    """Of 1,000 calls within a second ten are read, always the same ones, and of slow traffic all."""
    busy = [place.ended(at_ns=place.clock.wall_ns() + number) for number in range(1000)]
    chosen = sampled(busy)
    assert len(chosen) == PER_TASK_S == 10
    assert sampled(reversed(busy)) == chosen
    slow = [place.ended(at_ns=place.clock.wall_ns() + number * 10**9) for number in range(50)]
    assert len(sampled(slow)) == 50
    tasks = [place.ended(at_ns=place.clock.wall_ns() + number, task=f"t{number % 20}") for number in range(1000)]
    assert len(sampled(tasks)) == 50


def test_calls_that_are_found_by_their_words(place: Place) -> None:
    """Of 1,000 calls within a second 300 can be searched, of large ones as many as 4 MiB hold; of fewer all."""
    now_ns = place.clock.wall_ns()
    assert len(searched([place.ended(at_ns=now_ns + number) for number in range(1000)])) == 300
    assert len(searched([place.ended(at_ns=now_ns + number, size=1 << 20) for number in range(20)])) == 4
    assert len(searched([place.ended(at_ns=now_ns + number) for number in range(300)])) == 300
    assert searched([]) == frozenset()


SENTENCES = {
    "en": "My printer does not work any more, and the manual says nothing about it.",
    "de": "Mein Drucker funktioniert nicht mehr, und im Handbuch steht nichts davon.",
    "fr": "Mon imprimante ne marche plus et le manuel n'en dit rien du tout.",
    "es": "Mi impresora ya no funciona y el manual no dice nada al respecto.",
    "it": "La mia stampante non funziona più e il manuale non ne parla affatto.",
    "pt": "A minha impressora já não funciona e o manual não diz nada sobre isso.",
    "nl": "Mijn printer werkt niet meer en de handleiding zegt er niets over.",
    "pl": "Moja drukarka już nie działa, a instrukcja nic o tym nie mówi.",
    "ru": "Мой принтер больше не работает, а в инструкции об этом ничего нет.",  # noqa: RUF001 - Russian
    "zh": "我的打印机坏了,说明书上什么也没有写,请帮帮我。我应该怎么办才好呢?",
    "ja": "プリンターが動かなくなりました。説明書には何も書いてありません。",
    "ar": "طابعتي لم تعد تعمل، والدليل لا يقول شيئا عن ذلك على الإطلاق.",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_languages(code: str) -> None:
    """A sentence is known by its language."""
    assert language(SENTENCES[code]) == code


def test_too_short_for_a_language() -> None:
    """A few letters are of no language."""
    assert language("order 123456789012345678901234567890") == "(short)"


def test_sketches() -> None:
    """A sketch takes no account of case, spacing and numbers; unlike texts spread over the buckets."""
    assert sketch("My  order 12 is LATE\n") == sketch("my order 345 is late")
    assert sketch("hi") == ""
    texts = [f"{word} {other}" for word in SENTENCES.values() for other in ("a broken lamp", "taxes", "a lost cat")]
    found = {sketch(text) for text in texts}
    assert len(found) >= 15
    assert all(int(one, 16) < BUCKETS for one in found)
