"""Cases drawn from calls: spread over strata, within bounds, and always rows that can be read again."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.store.samples import call
from trimtab.data import drawn as module
from trimtab.data.drawn import case_of, corrected, draw, script_of, stratum_of
from trimtab.data.filters import conditions
from trimtab.data.rows import Row, read_row
from trimtab.record.events import Settled

SCRIPTS = ("please call me back", "перезвоните мне пожалуйста", "请给我回电话", "اتصل بي من فضلك")


class Kept:
    """Bodies by their digests."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.reads = 0

    def read(self, digest: str) -> bytes | None:
        self.reads += 1
        return self.bodies.get(digest)

    def call(self, name: str, body: bytes, **fields: Any) -> Settled:
        digest = sha256(body).hexdigest()
        self.bodies[digest] = body
        made = call(name, **fields)
        return replace(made, admitted=replace(made.admitted, request_body=digest, request_bytes=len(body)))


def said(text: str) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": text}]}).encode()


def calls_of(cases: tuple[str, ...]) -> list[str]:
    return [json.loads(line)["call"] for line in cases]


def test_strata_take_turns() -> None:
    """Ten cases of a hundred calls, of which four failed: the four that failed, and six others, in the pool's order."""
    kept = Kept()
    pool = [kept.call(f"c{n}", said(f"text {n}"), outcome="deadline_gap" if n % 25 == 3 else "ok") for n in range(100)]
    found = draw(pool, 500, (), "outcome", 10, kept.read)
    assert found.strata == {"deadline_gap": 4, "ok": 6}
    assert set(calls_of(found.cases)) == {"c3", "c28", "c53", "c78", "c0", "c1", "c2", "c4", "c5", "c6"}
    assert (found.in_window, found.looked_at, found.matching, found.full) == (500, 100, 100, True)
    assert calls_of(draw(pool, 500, conditions("outcome != ok"), "", 10, kept.read).cases) == [
        "c3",
        "c28",
        "c53",
        "c78",
    ]


def test_scripts() -> None:
    """A call of each script is drawn where four in sixty are not Latin; each request is read once."""
    kept = Kept()
    pool = [kept.call(f"c{n}", said(SCRIPTS[n // 10 % 4] if n % 10 == 0 else f"{SCRIPTS[0]} {n}")) for n in range(60)]
    found = draw(pool, 60, (), "script", 8, kept.read)
    assert found.strata == {"arabic": 1, "cjk": 1, "cyrillic": 2, "latin": 4}
    assert kept.reads == 60
    assert [script_of(json.dumps({"inputs": text})) for text in (*SCRIPTS, "12 34", "")] == [
        "latin", "cyrillic", "cjk", "arabic", "(none)", "(none)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("size", "stratum"), [(0, "1 to 3 bytes"), (3, "1 to 3 bytes"), (4, "4 to 15 bytes"), (1000, "256 to 1023 bytes")]
)
def test_lengths(size: int, stratum: str) -> None:
    """Sizes go by powers of four."""
    made = call("a")
    assert stratum_of(replace(made, admitted=replace(made.admitted, request_bytes=size)), "length") == stratum


def test_a_case() -> None:
    """A case bears what was asked and answered, without secrets; an answer that was valid JSON is a value."""
    kept = Kept()
    asked = {"messages": [{"role": "user", "content": "key sk-abcdefgh12345"}], "trimtab": {"inputs": {"a": 1}}}
    answer = json.dumps({"choices": [{"message": {"content": '{"team": "a"}'}}]}).encode()
    kept.bodies["answer"] = answer
    made = kept.call("c", json.dumps(asked).encode(), verdict="valid", response_body="answer")
    found = draw([made], 1, (), "", 5, kept.read)
    assert json.loads(found.cases[0]) == {
        "call": "c",
        "inputs": {"a": 1},
        "messages": [{"role": "user", "content": "key [redacted]"}],
        "observed": {"team": "a"},
        "meta": {
            "task": "route",
            "at": "2025-10-09T12:00:00+00:00",
            "model": "small",
            "outcome": "ok",
            "verdict": "valid",
        },
    }
    assert case_of(replace(made, verdict="invalid"), kept.read)["observed"] == '{"team": "a"}'  # type: ignore[index]


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cases end where their room does, and it is told."""
    kept = Kept()
    pool = [kept.call(f"c{n}", said("x" * 1000)) for n in range(10)]
    monkeypatch.setattr(module, "MOST_BYTES", 3500)
    found = draw(pool, 10, (), "", 10, kept.read)
    assert (len(found.cases), found.full) == (3, False)
    monkeypatch.setattr(module, "MOST_CASE_BYTES", 999)
    assert draw(pool, 10, (), "", 10, kept.read).passed_over == {"too_large": 10}


@given(st.binary(max_size=300) | st.sampled_from([
    b'{"messages": [{"content": NaN}]}', b'{"messages": [{"content": "\\ud800"}]}', b'{"prompt": "a", "prompt": "b"}',
    b'{"messages": [%b]}' % (b"[" * 70 + b"]" * 70), b'{"messages": [1, null, {}]}', b'{"input": 1e999}',
]))  # fmt: skip
def test_any_request(body: bytes) -> None:
    """Each call gives a row that can be read, or a reason."""
    kept = Kept()
    found = draw([kept.call("c", body)], 1, (), "", 1, kept.read)
    assert len(found.cases) + sum(found.passed_over.values()) == 1
    for line in found.cases:
        assert isinstance(read_row(line.encode(), 1), Row)


def test_what_people_corrected_is_expected() -> None:
    """A case gets the corrected answer, as JSON where it is JSON; one whose correction is not kept is passed over."""
    kept = Kept()
    pool = [kept.call(name, said(name)) for name in ("a", "b", "c")]
    kept.bodies |= {"right-a": b'{"total": 5}', "right-b": b"It is late."}
    found = draw(pool, 3, (), "", 10, kept.read)
    done = corrected(found, {"a": "right-a", "b": "right-b", "c": "gone"}, kept.read)
    assert {row["call"]: row["expected"] for row in map(json.loads, done.cases)} == {
        "a": {"total": 5},
        "b": "It is late.",
    }
    assert done.passed_over == {"not_kept": 1}
    assert all(isinstance(read_row(line.encode(), 1), Row) for line in done.cases)


def test_secrets_in_corrections_are_taken_out() -> None:
    """What looks like a key does not get into a case by way of a correction either."""
    kept = Kept()
    pool = [kept.call("a", said("a"))]
    kept.bodies["right"] = b"use the key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"
    (line,) = corrected(draw(pool, 1, (), "", 1, kept.read), {"a": "right"}, kept.read).cases
    assert "abcdefghijklmnop" not in line
