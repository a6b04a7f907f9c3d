"""SIGKILL at random moments: nothing a worker was promised is lost. A power cut is not simulated."""

import subprocess
import sys
from collections import defaultdict
from hashlib import sha256
from pathlib import Path

from tests.record.wiring import HandClock
from trimtab.record import tail
from trimtab.record.events import ABANDONED, Admitted, Settled
from trimtab.record.index import BodyIndex
from trimtab.record.orphans import epochs, settle_orphans

ROUNDS = 20
SEED = 20261123


def test_killed_workers_lose_nothing_they_were_promised(tmp_path):
    """Over 20 kills every admitted call is found with its body, every settled one once, the rest as abandoned once."""
    command = [sys.executable, "-m", "tests.record.crashing", str(tmp_path), str(ROUNDS), str(SEED)]
    root = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=True)
    promised = defaultdict(set)
    for line in run.stdout.splitlines():
        epoch, promise, call = line.split(" ")
        promised[epoch, promise].add(call)
    assert len(epochs(tmp_path)) == ROUNDS
    torn = 0
    for epoch in epochs(tmp_path):
        settle_orphans(tmp_path, epoch, HandClock())
        segments = [segment for segment in tail.segments(tmp_path / "spool") if segment.epoch == epoch]
        assert all(tail.finished(segment) for segment in segments)
        events = [event for segment in segments for _, event in tail.read(segment.path, 0)]
        let_in = [event.call for event in events if isinstance(event, Admitted)]
        ends = [event for event in events if isinstance(event, Settled)]
        ended = [event.admitted.call for event in ends if event.outcome != ABANDONED]
        assert promised[epoch, "A"] <= set(let_in)
        assert promised[epoch, "S"] <= set(ended)
        assert sorted(event.admitted.call for event in ends) == sorted(set(let_in)) == let_in
        torn += len(let_in) - len(promised[epoch, "A"])
    assert 0 <= torn <= ROUNDS
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    for (_, promise), calls in promised.items():
        if promise == "A":
            bodies = [b'{"messages":["%s"]}' % call.encode() for call in sorted(calls)]
            assert [index.read(sha256(body).hexdigest()) for body in bodies] == bodies
