"""What a context strategy did to a call comes back from every telemetry store as it was recorded."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.store.samples import NOON_NS, call
from trimtab.record.events import ContextUse
from trimtab.store.telemetry import Batch, Telemetry

USES = (
    ContextUse("full", "d" * 64, messages=3, tokens=100, counted="tokenizer"),
    ContextUse("token_window", "d" * 64, 9, dropped=4, tokens=300, dropped_tokens=120, kept=(0, 1, 5, 9)),
    ContextUse("summarise", "d" * 64, 9, 4, 300, 120, summary="c-1", kept=(5, 9)),
    ContextUse("summarise", "d" * 64, 9, 4, 300, 120, summary="c-1", kept=(5, 9), summary_failed=True),
    None,
)


@pytest.mark.parametrize("use", USES, ids=["whole", "shortened", "summarised", "failed", "none"])
def test_it_comes_back(telemetry: Telemetry, use: ContextUse | None) -> None:
    """Every field of it, and nothing where no strategy looked at the call."""
    ended = call("a", NOON_NS)
    ended = replace(ended, admitted=replace(ended.admitted, context=use))
    telemetry.insert(Batch.of([ended]), "t")
    found = telemetry.call("a")
    assert found is not None
    assert found.call.admitted.context == use
