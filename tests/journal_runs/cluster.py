"""A PostgreSQL of its own for tests: made, started and thrown away; it listens on a socket in its folder alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = Path("/usr/lib/postgresql")
OPTIONS = "-h '' -c fsync=off -c full_page_writes=off -c shared_buffers=32MB"
"""No network, and no waiting for the disk: what these tests look at is not whether PostgreSQL keeps what it says."""


@contextmanager
def cluster() -> Iterator[str]:
    """A running server; gives what to connect to."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    programs = max(PROGRAMS.glob("*/bin"))
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def run(program: str, *arguments: str) -> None:
        environment = {**os.environ, "LC_ALL": "C", "HOME": str(folder)}
        with (folder / "said").open("ab") as said:
            subprocess.run(
                [programs / program, "-D", folder / "data", *arguments],
                stdout=said,
                stderr=said,
                cwd=folder,
                env=environment,
                check=True,
                **as_user,
            )

    try:
        run("initdb", "-U", "test", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        run("pg_ctl", "-w", "-t", "60", "-l", str(folder / "log"), "-o", f"-k {folder} {OPTIONS}", "start")
        try:
            yield f"host={folder} user=test dbname=postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
