"""Streams of a real vLLM whose connections are reset amid, seen through the gateway: a short lane of `bench resume`."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from bench import cutting, interrupted
from bench.arm import Target
from bench.suites import resume

pytestmark = pytest.mark.engine

SEED = 3
STREAMS = 60
NEAR_TIE = 0.02
"""A gap in nats within which the order of additions decides which token is likelier."""


def test_streams_cut_at_random_bytes_go_on_as_one(vllm_url: str) -> None:
    """Each ends whole, nearly all of them as the uncut answer; where one differs, the text was read as other tokens."""
    port = urlsplit(vllm_url).port or 80
    server = Target(port, resume.NAME)
    with resume.cutter(port) as ports, resume.project("engine-test", ports) as opened:
        whole = asyncio.run(interrupted.uncut(server, interrupted.bodies(20, SEED, (30, 90))))
        seen = asyncio.run(resume.cut_streams(opened.target("write"), whole, range(STREAMS), SEED))
        opened.settle()
        for one in seen:
            interrupted.check_record(one, opened)
        cut = cutting.cuts(ports[0])
    assert len(cut) >= STREAMS * 0.6
    assert [(one.said, one.causes) for one in seen if one.outcome in ("silent", "error")] == []
    assert [words for one in seen for words in one.wrong] == []
    assert sum(bool(one.seams) for one in seen) >= STREAMS * 0.4
    differing = [one for one in seen if one.outcome == "different"]
    assert len(differing) <= STREAMS * 0.05
    found = [asyncio.run(interrupted.difference(server, one)) for one in differing]
    assert [one for one in found if not one.other_tokens and (one.gap or 0.0) > NEAR_TIE] == []
