"""A bad lock as a canary on the demo, by the command line alone; the benchmark `rollout` plants more of them."""

from __future__ import annotations

import json
from pathlib import Path

from bench.suites.rollout import EXPOSED, PLANTED, branched, canary
from tests.demo.running import running_demo
from trimtab.lock import lockfile

CUT = "extract, answers cut at 16 tokens"


def test_a_bad_lock_is_rolled_back_by_itself(tmp_path: Path) -> None:
    """It reaches fewer users than declared, the console's changes tell it, and nothing may be promoted of it."""
    with running_demo() as engine:
        project = branched(tmp_path / "demo", engine, PLANTED[CUT])
        ended = canary(project, seed=1)
    rollout = ended["rollout"]
    assert rollout["state"] == "rolled_back"
    assert rollout["tasks"] == ["extract"]
    assert 0 < ended["exposed"]["reached"] < EXPOSED
    assert rollout["lock"] != rollout["base_lock"] == lockfile.decode((project / lockfile.FILE).read_bytes()).lock_id
    assert "points worse" in rollout["why"]
    kept = json.loads((project / ".trimtab" / "run" / "rollout.json").read_text())
    assert kept["rollout"] == rollout["id"]
