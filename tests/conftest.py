"""What several rooms' tests share: a real vLLM, started once for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.vllm_server import ROOT, running_vllm


@pytest.fixture(scope="session")
def vllm_url() -> Iterator[str]:
    """A vLLM that serves jobs-small, without `/v1`. Without vLLM this is an error, not a skip: see install_vllm.sh."""
    with running_vllm(ROOT / "src" / "trimtab" / "demo" / "models" / "jobs-small", "jobs-small") as vllm:
        yield vllm.url
