"""Room for an evaluation in the data directory: made for the owner only, and kept from growing without end."""

from __future__ import annotations

import contextlib
import shutil
from typing import Final

from trimtab.errors import EvaluationUnknown, StoreError
from trimtab.evals.kept import REPORT, Evaluations

KEPT: Final = 50
"""Evaluations that have ended whose arms' records and bodies are kept, the latest; plan, samples and report stay of
all."""
ARMS: Final = ("base", "candidate")
OWNER_ONLY: Final = 0o700


def make_room(evaluations: Evaluations) -> None:
    """Makes the folder of evaluations, and lets go of what the arms of old ones recorded. Raises `StoreError`."""
    try:
        for folder in (evaluations.root.parent, evaluations.root):
            folder.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    except OSError as failure:
        raise StoreError(store=str(evaluations.root), detail=failure.strerror) from failure
    ended = 0
    for name in evaluations.ids():
        with contextlib.suppress(EvaluationUnknown):
            if not (evaluations.folder(name) / REPORT).exists():
                continue
            ended += 1
            if ended > KEPT:
                for arm in ARMS:
                    shutil.rmtree(evaluations.folder(name) / arm, ignore_errors=True)
