"""What several rooms' tests share: a real vLLM, started once for all of them, that no drawn example is timed, and that
SIGINT interrupts what they start: a shell that runs the tests in the background has it ignored.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.engine.vllm_server import ROOT, running_vllm

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def vllm_url() -> Iterator[str]:
    """A vLLM that serves jobs-small, without `/v1`. Without vLLM this is an error, not a skip: see install_vllm.sh."""
    with running_vllm(ROOT / "src" / "trimtab" / "demo" / "models" / "jobs-small", "jobs-small") as vllm:
        yield vllm.url
