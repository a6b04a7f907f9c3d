"""The journal of runs in PostgreSQL: what is its alone."""

from __future__ import annotations

import traceback
from contextlib import closing

import pytest

from tests.journal_runs.conftest import fresh
from tests.journal_runs.world import World
from trimtab.errors import StoreError
from trimtab.journal.asks import Decide, Direct, Find, Lease, Refused, Renew, Runs, Written
from trimtab.journal.entries import Decided

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    "address",
    [
        "postgress://trim:s3cret@127.0.0.1/runs",
        "postgresql//trim:s3cret@127.0.0.1/runs",
        "postgresql://trim:s3cret%et@127.0.0.1/runs",
        "postgresql://trim:s3 s3cret@127.0.0.1/runs",
        "postgresql://trim:s3@s3cret@127.0.0.1/runs",
    ],
)
def test_an_address_that_cannot_be_read_is_not_repeated(address: str) -> None:
    """What is told says how to write it, and nothing of the password that stands in it."""
    from trimtab.journal.runs.postgres import PostgresDatabase  # noqa: PLC0415 - comes with an extra

    with pytest.raises(StoreError, match="write postgresql://") as told:
        PostgresDatabase(address)
    assert "s3cret" not in "".join(traceback.format_exception(told.value))


def test_a_text_that_no_column_takes_is_refused_alone(server: str) -> None:
    """A reason with NUL in it is refused to whoever gives it; what is asked beside it is done."""
    world = World(fresh(server))
    with closing(world.store):
        world.open()
        review = world.review(world.begin("ask", "q1", step="step").seq)
        rejected = Decide(Decided(world.now, review.review, "rejected", "ann", "too\0much"), "B1")
        told = world.store.do(
            [rejected, Direct("pause", "ann", "r", reason="wrong\0price"), Renew("r", 1), Find(run="r")]
        )
        assert [type(one) for one in told] == [Refused, Refused, Lease, Runs]
        assert {one.error for one in told[:2] if isinstance(one, Refused)} == {"AskInvalid"}
        assert world.row().state == "waiting"
        assert isinstance(world.decide(review.review), Written)
        world.whole()
