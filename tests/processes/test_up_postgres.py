"""The journal of runs of a real `trimtab up` in a real PostgreSQL."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.journal_runs.cluster import cluster
from tests.processes.upping import PROJECT, Up, write_project
from trimtab.assemble.journal import has_journal, open_journal, open_journal_to_read
from trimtab.declare.project import Secret
from trimtab.errors import StoreError
from trimtab.journal.asks import Entries, Lease, Open, Read
from trimtab.journal.client import KeeperClient
from trimtab.journal.entries import Started
from trimtab.processes.directory import DataDirectory
from trimtab.testing import ScriptedUpstream, chat_json

URL = Secret("env", "TRIMTAB_TEST_JOURNAL")


@pytest.mark.postgres
async def test_runs_are_kept_in_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeper writes there, and nothing into the data directory; it is killed, and its successor goes on; a run is read
    beside it; the address is in no file and no log.
    """
    with cluster() as url:
        monkeypatch.setenv(URL.place, url)
        async with ScriptedUpstream() as upstream:
            upstream.always(chat_json())
            write_project(tmp_path, upstream.url)
            declared = PROJECT.format(url=upstream.url, workers=1)
            declared = declared.replace('reserve = "1MiB"\n', f'reserve = "1MiB"\njournal = "env:{URL.place}"\n')
            (tmp_path / "trimtab.toml").write_text(declared)
            async with Up(tmp_path) as up:
                client = KeeperClient(up.run / "keeper.sock", patience_s=60)
                assert isinstance(await client.do(Open("r-1", Started(0, task="chat"), owner="ada")), Lease)
                keeper = await up.member("keeper")
                os.kill(keeper.pid, signal.SIGKILL)
                told = await client.do(Read("r-1"))
                assert isinstance(told, Entries)
                assert told.last == 2
                await client.close()
        assert url not in str(up.log)
        places = DataDirectory(tmp_path / ".trimtab")
        assert not places.journal.exists()
        assert has_journal(places, URL)
        database = open_journal_to_read(places, URL)
        assert [row[1] for row in database.rows("run", {"run": "r-1"})] == ["r-1"]
        database.close()


def test_two_journals_are_one_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that lie in the data directory are not lost from sight by naming PostgreSQL."""
    monkeypatch.setenv(URL.place, "host=/nowhere")
    places = DataDirectory(tmp_path)
    assert not has_journal(places, None)
    open_journal(places, None).close()
    assert has_journal(places, None)
    with pytest.raises(StoreError, match="move it away"):
        open_journal(places, URL)
