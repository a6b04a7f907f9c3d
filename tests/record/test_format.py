"""What was written by earlier programs is read by this one."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from msgspec import NODEFAULT
from msgspec.structs import fields, replace

from tests.record import sample
from tests.record.wiring import HandClock, all_events
from trimtab.record import tail
from trimtab.record.events import Settled
from trimtab.record.index import BodyIndex
from trimtab.record.orphans import settle_orphans
from trimtab.record.redact import preview_of

SAVED = Path(__file__).parent / "data"
CONTRACTS = frozenset(
    {"schema", "redrive_of", "verdict", "failing", "repairs", "tool_outcomes", "repetition", "repetition_stopped"}
    | {"confidence", "seams", "wire"}
)
LOCKS = frozenset({"context", "tool_results"})
SIGNALS = frozenset({"tools", "first_model"})
ADDED_SINCE = {
    "v1": CONTRACTS | LOCKS | SIGNALS,
    "v1-contracts": LOCKS | SIGNALS,
    "v1-locks": SIGNALS,
    "v1-signals": frozenset(),
}
"""Saved directories, and the fields of events that are younger than each."""


@pytest.fixture(params=ADDED_SINCE)
def release(request):
    return request.param


@pytest.fixture
def saved(release, tmp_path):
    """A copy of a saved data directory."""
    return Path(shutil.copytree(SAVED / release, tmp_path / "data"))


def as_of(release, event):
    """The event as a release knew it: what is younger has its default."""
    younger = {
        field.name: field.default_factory() if field.default is NODEFAULT else field.default
        for field in fields(event)
        if field.name in ADDED_SINCE[release]
    }
    if isinstance(event, Settled):
        younger["admitted"] = as_of(release, event.admitted)
    return replace(event, **younger)


def test_saved_events_are_read(saved, release):
    """Every field of every event is what it was, over two segments of which the second has no end."""
    segments = tail.segments(saved / "spool")
    assert [(segment.epoch, segment.number) for segment in segments] == [(sample.EPOCH, 0), (sample.EPOCH, 1)]
    assert [tail.finished(segment) for segment in segments] == [True, False]
    written = [sample.ADMITTED, sample.ATTEMPT, sample.SETTLED, sample.CHANGE, sample.OPEN]
    assert all_events(saved) == [as_of(release, event) for event in written]


def test_saved_bodies_are_read(saved):
    """Requests, messages, previews and answers come back as they were."""
    index = BodyIndex(saved / "bodies")
    index.update()
    for body in (sample.REQUEST, b"no JSON at all", b"".join(sample.ANSWER), b"".join(sample.LONG_ANSWER)):
        assert index.read(sha256(body).hexdigest()) == body
    preview = preview_of(sample.REQUEST)
    assert json.loads(index.read(sha256(preview).hexdigest()))["bytes"] == len(sample.REQUEST)
    first = sha256(bytes(32) + sha256(sample.MESSAGES[0]).digest()).digest()
    last = sha256(first + sha256(sample.MESSAGES[1]).digest()).hexdigest()
    assert index.messages(last) == sample.MESSAGES


def test_a_saved_directory_is_put_in_order(saved):
    """The call that was open when the directory was saved is settled."""
    assert settle_orphans(saved, sample.EPOCH, HandClock()) == 1
    last = all_events(saved)[-1]
    assert isinstance(last, Settled)
    assert (last.admitted, last.outcome) == (sample.OPEN, "abandoned")


def test_every_field_of_every_event_is_saved():
    """A sample that leaves a field at its default would not show that the field is read."""
    for event in (sample.ADMITTED, sample.CONTEXT, sample.ATTEMPT, sample.SETTLED, sample.CHANGE):
        known = zip(event.__struct_fields__[::-1], event.__struct_defaults__[::-1], strict=False)
        assert {name for name, default in known if getattr(event, name) == default} == set()
