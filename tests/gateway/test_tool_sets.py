"""Calls outside any task bear a digest of the tools that came with them."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.harness import RunningGateway, snapshot, task
from trimtab.errors import InvalidRequest
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.surfaces.messages import Messages
from trimtab.gateway.surfaces.responses import Responses
from trimtab.gateway.surfaces.surface import Surface
from trimtab.gateway.tool_sets import REMEMBERED, ToolSets
from trimtab.testing import ScriptedUpstream, chat_json

FIND = {"type": "object", "properties": {"q": {"type": "string"}}}
FIND_AND_STOP = (
    "sha256:"
    + hashlib.sha256(b'["find"] {"properties":{"q":{"type":"string"}},"type":"object"}\n["stop"] ').hexdigest()
)


def function(name: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    known = {"name": name} | ({} if parameters is None else {"parameters": parameters})
    return {"type": "function", "function": known | more}


def digest(tools: Any, surface: Surface | None = None, known: ToolSets | None = None) -> str:
    surface = surface or ChatCompletions()
    body = json.dumps({"model": "m", "max_tokens": 1, "messages": [], "input": "x", "tools": tools}).encode()
    return (known or ToolSets()).digest(surface, surface.read(body))


def test_names_and_schemas_make_the_digest() -> None:
    """Order of tools and keys, and descriptions, make no difference; a name or a schema does."""
    shuffled = {"properties": {"q": {"type": "string"}}, "type": "object"}
    assert digest([function("find", FIND), function("stop")]) == FIND_AND_STOP
    assert digest([function("stop", description="Stops."), function("find", shuffled)]) == FIND_AND_STOP
    assert digest([function("find", FIND), function("stop", {})]) != FIND_AND_STOP
    assert digest([function("search", FIND), function("stop")]) != FIND_AND_STOP
    assert digest([function("find", FIND)]) != FIND_AND_STOP


def test_no_tools_have_no_digest() -> None:
    """A request without tools, or with an empty list of them, has an empty one."""
    assert digest([]) == ""
    assert digest(None) == ""


def test_every_surface_tells_the_same_tools_alike() -> None:
    """The same functions in the three formats are the same set."""
    in_responses = [{"type": "function", "name": "find", "parameters": FIND}, {"type": "function", "name": "stop"}]
    in_messages = [{"name": "find", "input_schema": FIND}, {"name": "stop"}]
    assert digest(in_responses, Responses()) == FIND_AND_STOP
    assert digest(in_messages, Messages()) == FIND_AND_STOP


def test_tools_are_known_by_the_surface_that_read_them() -> None:
    """The same bytes mean something else on another surface, also where they were seen before."""
    known = ToolSets()
    sent = [{"type": "function", "name": "find", "parameters": FIND}]
    assert digest(sent, Responses(), known) != digest(sent, ChatCompletions(), known)
    assert digest(sent, Responses(), known) == digest(sent, Responses())


def test_what_is_remembered_is_bounded() -> None:
    """New sets push out the oldest, whose digest stays what it was."""
    known = ToolSets()
    first = digest([function("t0")], known=known)
    for number in range(1, 2 * REMEMBERED):
        digest([function(f"t{number}")], known=known)
    assert repr(known) == f"ToolSets({REMEMBERED} known)"
    assert digest([function("t0")], known=known) == first


@pytest.mark.parametrize("surface", [ChatCompletions(), Messages(), Responses()], ids=lambda one: str(one.name))
@given(
    tools=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["type", "name", "function", "parameters", "input_schema", "x"]), inner, max_size=4
                )
            ),
            max_leaves=10,
        ),
        max_size=4,
    )
)
def test_any_tools_have_a_digest(surface: Surface, tools: list[Any]) -> None:
    """Whatever tools a surface takes, a digest is made of them; refusing them is for the model's server."""
    with contextlib.suppress(InvalidRequest):
        assert digest(tools, surface) == digest(tools, surface)


async def test_only_calls_outside_any_task_bear_it(tmp_path: Path) -> None:
    """The record of an undeclared call tells its tools' digest; that of a task's call does not."""
    async with ScriptedUpstream() as upstream:
        upstream.always(chat_json())
        async with RunningGateway(tmp_path, snapshot({"small": upstream.url}, task("route", "small"))) as gateway:
            for model in ("small", "route"):
                tools = [function("find", FIND), function("stop")]
                response = await gateway.post({"model": model, "messages": [], "tools": tools})
                assert response.status == 200
            await gateway.post({"model": "small", "messages": []})
            events = await gateway.events()
    told = {(end.admitted.task, end.admitted.tools) for end in events.settled}
    assert told == {("(undeclared)", FIND_AND_STOP), ("route", ""), ("(undeclared)", "")}
