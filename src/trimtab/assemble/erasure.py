"""What takes an end user out of all stores, joined from its parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trimtab.assemble.runs import named_by_runs
from trimtab.processes.changes import Changes
from trimtab.processes.control import ControlParts
from trimtab.processes.directory import DataDirectory
from trimtab.processes.erasure import Erasure, Shredder
from trimtab.processes.erasure_api import erasure_endpoints
from trimtab.processes.orders import ControlOrders
from trimtab.processes.run_room import RunRoom
from trimtab.record.kept import KeptBodies


def with_erasure(
    parts: ControlParts,
    orders: ControlOrders,
    directory: DataDirectory,
    runs: RunRoom,
    noted: Changes,
    kept: KeptBodies,
) -> ControlParts:
    """The parts with the route that takes an end user out, and the work that has their bodies go."""
    root = Path(orders.root)
    places = (root / "data", root / "tasks", directory.root / "evaluations")
    shredder = Shredder(runs, named_by_runs(directory, orders.data.journal), directory.bodies, kept)
    return replace(
        parts,
        desk_works=(*parts.desk_works, shredder.run),
        desk_rows=(
            *parts.desk_rows,
            lambda desk: erasure_endpoints(Erasure(desk, runs, noted, directory.erasure_key, places)),
        ),
    )
