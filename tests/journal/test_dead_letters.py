"""Dead letters: what failed for good is kept once, bounded, until it arrives or somebody drops it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from trimtab.database.migrate import open_state
from trimtab.journal.dead_letters import Damaged, DeadLetters, Letters, Tally
from trimtab.record.ends import FATAL
from trimtab.record.events import Admitted, Settled

DAY_NS = 86_400_000_000_000
WHOLE = ("triage",)
ALL = Letters()


def failed(call: str, outcome: str = "upstream_error", at_ns: int = DAY_NS, **more: object) -> Settled:
    admitted = Admitted(
        call=call,
        at_ns=at_ns,
        worker="g0",
        environment="test",
        snapshot="s",
        task="triage",
        key="app",
        surface="chat_completions",
        model="small",
        run="run-1",
        request_bytes=20,
        request_body="b" * 64,
    )
    return Settled(replace(admitted, **more), at_ns, outcome, 502, attempts=3, model="small", detail="it fell over")


@pytest.fixture
def letters(tmp_path: Path) -> Iterator[DeadLetters]:
    with closing(open_state(tmp_path / "state.db")) as connection:
        yield DeadLetters(connection, most=3)


def ids(letters: DeadLetters, wanted: Letters = ALL) -> list[str]:
    return [letter.id for letter in letters.list(wanted)]


@pytest.mark.parametrize("outcome", sorted(FATAL))
def test_what_failed_for_good_is_kept(letters: DeadLetters, outcome: str) -> None:
    """With its cause, its attempts, who called, and whether the request can be sent again."""
    letters.take("t", [failed("c1", outcome)], WHOLE)
    letter = letters.get("c1")
    assert letter is not None
    assert (letter.cause, letter.attempts, letter.redrives, letter.kept) == (outcome, 3, 0, True)
    assert letter.admitted is not None
    assert letter.admitted.run == "run-1"


@pytest.mark.parametrize("outcome", ["ok", "client_gone", "invalid_request", "unauthorized", "payload_too_large"])
def test_what_the_client_is_to_blame_for_is_not(letters: DeadLetters, outcome: str) -> None:
    """Sending such a request again would end the same way, or nobody waits for it."""
    letters.take("t", [failed("c1", outcome)], WHOLE)
    assert letters.get("c1") is None


@pytest.mark.parametrize(
    ("call", "whole"), [(failed("c1"), ()), (failed("c1", request_body=""), WHOLE), (failed("c1", task="x"), WHOLE)]
)
def test_a_request_that_is_not_kept_whole_is_told(letters: DeadLetters, call: Settled, whole: tuple[str, ...]) -> None:
    """A preview or a digest is no request."""
    letters.take("t", [call], whole)
    letter = letters.get("c1")
    assert letter is not None
    assert not letter.kept


@pytest.mark.parametrize("task", ["(evaluation) triage", "(shadow) triage", "(judge)", "(summary)"])
def test_calls_of_our_own_are_no_letters(letters: DeadLetters, task: str) -> None:
    """Nobody waits for the answer of a call that we made ourselves; who makes it sees to it."""
    letters.take("t", [failed("c1", task=task), failed("c2", task="(undeclared)")], WHOLE)
    assert ids(letters) == ["c2"]


def test_the_same_batch_may_come_twice(letters: DeadLetters) -> None:
    """After a crash a batch comes again under its token; what happened since stays as it is."""
    again = [failed("c2", "deadline_total", redrive_of="c1"), failed("c3", "internal", redrive_of="c1")]
    for _ in range(2):
        letters.take("first", [failed("c1"), failed("other")], WHOLE)
        letters.drop(["other"])
    for _ in range(2):
        letters.take("second", again, WHOLE)
    letter = letters.get("c1")
    assert letter is not None
    assert (letter.cause, letter.redrives, letter.attempts, letter.last_call) == ("internal", 2, 9, "c3")
    assert ids(letters) == ["c1"]


def test_the_token_outlives_the_process(tmp_path: Path) -> None:
    """A fresh process knows which batch was taken in last."""
    for _ in range(2):
        with closing(open_state(tmp_path / "state.db")) as connection:
            letters = DeadLetters(connection, most=3)
            letters.take("only", [failed("c1")], WHOLE)
            letters.drop(["c1"])
            assert ids(letters) == []


def test_a_call_that_arrives_takes_its_letter_away(letters: DeadLetters) -> None:
    """The record of the re-driven call says so, whoever sent it."""
    letters.take("t", [failed("c1"), failed("c2", "ok", redrive_of="c1")], WHOLE)
    assert ids(letters) == []


@pytest.mark.parametrize("outcome", ["invalid_request", "client_gone", "deadline_gap"])
def test_a_redrive_in_vain_is_counted_however_it_ended(letters: DeadLetters, outcome: str) -> None:
    """Also where the same end would not have made a letter: whoever looks must see what came of it."""
    letters.take("t", [failed("c1"), failed("c2", outcome, at_ns=2 * DAY_NS, redrive_of="c1")], WHOLE)
    letter = letters.get("c1")
    assert letter is not None
    assert (letter.cause, letter.redrives, letter.first_ns, letter.last_ns) == (outcome, 1, DAY_NS, 2 * DAY_NS)


def test_a_redrive_of_a_letter_that_was_dropped_makes_none(letters: DeadLetters) -> None:
    """Somebody decided that this call is not wanted any more."""
    letters.take("t", [failed("c2", redrive_of="c1")], WHOLE)
    assert ids(letters) == []


def test_what_passes_through_makes_no_letter(letters: DeadLetters) -> None:
    """What such a call does nobody knows, so nobody may send it again."""
    letters.take("t", [failed("c1", surface="passthrough")], WHOLE)
    assert ids(letters) == []


def test_a_summary_makes_no_letter(letters: DeadLetters) -> None:
    """It was made for a call that went on without it, so that sending it again would serve nobody."""
    letters.take("t", [failed("c1", task="(summary)")], WHOLE)
    assert ids(letters) == []


def test_the_oldest_go_when_there_are_too_many(letters: DeadLetters) -> None:
    """The bound holds with every batch, tells which letters it cost, and costs no records their letter."""
    letters.take("0", [], WHOLE, [Damaged("g0-1/00000003", "torn", 1, at_ns=0)])
    gone = letters.take("1", [failed(f"c{at}", at_ns=at) for at in range(1, 6)], WHOLE)
    assert set(gone) == {"c1", "c2"}
    assert ids(letters) == ["c5", "c4", "c3", "g0-1/00000003"]


def test_none_are_kept_where_none_are_wanted(tmp_path: Path) -> None:
    """`dead_letters = 0` turns them off."""
    with closing(open_state(tmp_path / "state.db")) as connection:
        letters = DeadLetters(connection, most=0)
        letters.take("t", [failed("c1")], WHOLE)
        assert letters.get("c1") is None


def test_filters_tally_drop_and_retention(letters: DeadLetters) -> None:
    """Letters are found by cause, counted, taken out by name, and go with the bodies of their age."""
    letters.take(
        "t",
        [failed("c1", at_ns=1), failed("c2", "output_invalid", at_ns=2), failed("c3", at_ns=3, task="route")],
        WHOLE,
    )
    assert ids(letters, Letters(cause="output_invalid")) == ["c2"]
    assert ids(letters, Letters(task="triage", limit=1)) == ["c2"]
    assert ids(letters, Letters(since_ns=2)) == ["c3", "c2"]
    assert list(letters.waiting) == [
        Tally("call", "route", "upstream_error", 1),
        Tally("call", "triage", "output_invalid", 1),
        Tally("call", "triage", "upstream_error", 1),
    ]
    assert letters.drop(["c2", "nothing"]) == ("c2",)
    letters.take("u", [], WHOLE, [Damaged("g0-1/00000003", "torn", 1, at_ns=1)])
    assert letters.retain(2) == ("g0-1/00000003",)
    assert ids(letters) == ["c3"]
    assert list(letters.waiting) == [Tally("call", "route", "upstream_error", 1)]


def test_records_that_cannot_be_read_are_letters_too(letters: DeadLetters) -> None:
    """They have a segment for an id and nobody who called."""
    letters.take("t", [], WHOLE, [Damaged("g0-1/00000003", "a record's checksum is wrong", 4096, 7)])
    [letter] = letters.list(Letters())
    assert (letter.id, letter.kind, letter.size_bytes, letter.admitted) == ("g0-1/00000003", "records", 4096, None)
