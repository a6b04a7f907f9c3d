"""Calls of one end user leave telemetry whole, and those of others stay."""

from __future__ import annotations

from msgspec.structs import replace

from tests.store.samples import NOON_NS, attempt, call
from trimtab.record.events import Score, Settled
from trimtab.store.conversations import ConversationQuery
from trimtab.store.erasing import UserCall
from trimtab.store.telemetry import Batch, Telemetry
from trimtab.store.texts import CallText

DIGESTS = {name: name * 64 for name in "abcdef"}


def of(name: str, end_user: str, run: str = "", body: str = "a") -> Settled:
    """A call of somebody, in a conversation of theirs."""
    made = call(name, response_body=DIGESTS["b"])
    return replace(
        made,
        admitted=replace(
            made.admitted, end_user=end_user, run=run, conversation=f"of {end_user}", request_body=DIGESTS[body]
        ),
    )


def fill(telemetry: Telemetry) -> None:
    """Two of Zoe's calls, one in a run of hers that does not name her, and one of Bob's."""
    calls = [of("c1", "zoe"), of("c2", "", run="r1", body="c"), of("c3", "bob", body="a")]
    scores = [Score(f"s{name}", NOON_NS, "quality", "human", call=name, value=1.0) for name in ("c1", "c3")]
    texts = [CallText(name, NOON_NS, "route", "where?", "there") for name in ("c1", "c2", "c3")]
    attempts = [attempt(name) for name in ("c1", "c2", "c3")]
    telemetry.insert(Batch(calls=calls, attempts=attempts, scores=scores, texts=texts), "t")


def test_calls_of_an_end_user_and_of_their_runs_are_found(telemetry: Telemetry) -> None:
    """With the bodies that their records name; nobody's name finds nobody's calls."""
    fill(telemetry)
    found = {one.call: one for one in telemetry.calls_of_user("zoe", ["r1"], 10)}
    assert found == {
        "c1": UserCall("c1", DIGESTS["a"], "", DIGESTS["b"]),
        "c2": UserCall("c2", DIGESTS["c"], "", DIGESTS["b"]),
    }
    assert found["c1"].bodies == (DIGESTS["a"], DIGESTS["b"])
    assert telemetry.calls_of_user("", [], 10) == ()
    assert len(telemetry.calls_of_user("zoe", ["r1"], 1)) == 1


def test_nothing_is_left_of_what_is_erased(telemetry: Telemetry) -> None:
    """Calls, attempts, scores, texts and the line of their conversation go; doing it again changes nothing."""
    fill(telemetry)
    assert telemetry.erase_calls("zoe", ["c1", "c2"]) == 1
    assert [telemetry.call(name) is None for name in ("c1", "c2", "c3")] == [True, True, False]
    assert [telemetry.text(name) is None for name in ("c1", "c2", "c3")] == [True, True, False]
    counts = telemetry.count()
    assert (counts.calls, counts.attempts) == (1, 1)
    page = telemetry.conversations(ConversationQuery(NOON_NS - 10**13, NOON_NS + 10**13))
    assert [line.conversation for line in page.conversations if line.conversation] == ["of bob"]
    assert telemetry.erase_calls("zoe", ["c1", "c2"]) == 0
    assert telemetry.calls_of_user("zoe", ["r1"], 10) == ()


def test_bodies_that_others_name_are_told(telemetry: Telemetry) -> None:
    """A body of Zoe's that Bob's call names too stays."""
    fill(telemetry)
    telemetry.erase_calls("zoe", ["c1", "c2"])
    assert telemetry.bodies_named(set(DIGESTS.values())) == {DIGESTS["a"], DIGESTS["b"]}
