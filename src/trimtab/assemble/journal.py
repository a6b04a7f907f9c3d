"""The database that the journal of runs lies in: SQLite in the data directory, or PostgreSQL at a declared address."""

from __future__ import annotations

from importlib.util import find_spec

from trimtab.declare.project import Secret
from trimtab.errors import StoreError
from trimtab.journal.runs.database import Database, open_runs, open_runs_to_read
from trimtab.policy.secrets import Secrets
from trimtab.processes.directory import DataDirectory


def open_journal(directory: DataDirectory, url: Secret | None) -> Database:
    """Opens it for its one writer, made and brought to the newest schema; raises `StoreError` and `SecretMissing`."""
    return open_runs(directory.journal) if url is None else _postgres(directory, url, reads=False)


def open_journal_to_read(directory: DataDirectory, url: Secret | None) -> Database:
    """Opens it beside its writer; raises `StoreError`, also where there is none yet, and `SecretMissing`."""
    return open_runs_to_read(directory.journal) if url is None else _postgres(directory, url, reads=True)


def has_journal(directory: DataDirectory, url: Secret | None) -> bool:
    """Whether there is anything to be opened for reading."""
    return url is not None or directory.journal.exists()


def _postgres(directory: DataDirectory, url: Secret, *, reads: bool) -> Database:
    if find_spec("psycopg") is None:
        raise StoreError(store="postgresql", detail="it needs a driver: install trimtab[postgres]")
    if directory.journal.exists():
        detail = "data.journal names PostgreSQL, and runs in this file would be seen no more: move it away"
        raise StoreError(store=str(directory.journal), detail=detail)
    from trimtab.journal.runs.postgres import PostgresDatabase  # noqa: PLC0415 - comes with an extra

    return PostgresDatabase(Secrets().read(url), reads=reads)
