"""The journal of runs in PostgreSQL: what is its alone."""

from __future__ import annotations

import traceback

import pytest

from trimtab.errors import StoreError

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
