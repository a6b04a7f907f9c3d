"""Calls by which checks between steps have an answer judged: whom they may ask, and as what they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.harness import ClientKey, RunningGateway, snapshot, task
from trimtab.testing import ScriptedUpstream, chat_json

MESSAGES = [{"role": "user", "content": "Is it kind?"}]


@pytest.mark.parametrize(
    ("model", "tasks", "status", "told"),
    [
        ("judge", (), 200, ""),
        ("judge", ("support",), 200, ""),
        ("judge", ("other",), 403, "support"),
        ("large", (), 400, "its judges are judge: declare it as judge under [[check]] in tasks/support/task.toml"),
        ("small", ("support",), 400, "no check of task support asks the model small"),
    ],
)
async def test_a_judge_is_asked_for_a_task(
    tmp_path: Path, model: str, tasks: tuple[str, ...], status: int, told: str
) -> None:
    """A key for the task may have its declared judges asked and no other model; the call is kept apart, as the task's
    redaction says.
    """
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        policy = snapshot(
            {"small": upstream.url, "large": upstream.url, "judge": upstream.url},
            task("support", "small", owner="desk", redaction="full", judges=("judge",)),
            task("other", "small"),
        )
        async with RunningGateway(tmp_path, policy) as gateway:
            gateway.keys[b"tt_test"] = ClientKey("one", tasks)
            asked = {"model": model, "messages": MESSAGES}
            response = await gateway.post(asked, x_trimtab_task="support", x_trimtab_check="judge")
            events = await gateway.events()
    assert response.status == status
    if status == 200:
        [settled] = events.settled
        assert (settled.admitted.task, settled.admitted.owner) == ("(check) support", "desk")
        assert settled.admitted.request_body
    else:
        assert told in response.json()["error"]["message"]
