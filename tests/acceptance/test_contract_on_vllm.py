"""Tasks with a schema on a real vLLM, over both of its wires: every client gets answers that keep it."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from tests.acceptance.asking import Place, chat, message, response
from tests.acceptance.conftest import Target

pytestmark = pytest.mark.engine

QUESTION = "my lamp has not arrived in Paris yet"


class Parcel(BaseModel):
    """The schema of the tasks `parcel-WIRE`, as a client describes it for itself."""

    kind: Literal["red", "blue"]
    size: Literal["big", "small"]


@pytest.fixture
def place(vllm_gateway: Target) -> Place:
    """The gateway before vLLM."""
    return Place(vllm_gateway.base_url.removesuffix("/v1"), vllm_gateway.api_key)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("ask", "wire"),
    [(chat, "openai"), (chat, "anthropic"), (response, "openai"), (message, "openai"), (message, "anthropic")],
)
def test_every_answer_keeps_the_tasks_schema(place: Place, ask: Any, wire: str, stream: bool) -> None:
    """Nothing in the request asks for one."""
    assert Parcel.model_validate_json(ask(place, f"parcel-{wire}", QUESTION, stream=stream))


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_the_parse_helpers_agree_with_the_task(place: Place, wire: str) -> None:
    """A client that brings the same schema gets its own class from every helper."""
    asked: Any = {"model": f"parcel-{wire}", "messages": [{"role": "user", "content": QUESTION}]}
    with place.openai() as client:
        chatted = client.chat.completions.parse(**asked, response_format=Parcel).choices[0].message
        assert isinstance(chatted.parsed, Parcel)
        if wire == "openai":
            responded = client.responses.parse(model=asked["model"], input=QUESTION, text_format=Parcel)
            assert isinstance(responded.output_parsed, Parcel)
    with place.anthropic() as messages:
        messaged = messages.messages.parse(**asked, max_tokens=64, output_format=Parcel)
        assert isinstance(messaged.parsed_output, Parcel)


def test_logprobs_of_a_task_with_a_schema(place: Place) -> None:
    """They may be asked for beside it, and are of the tokens that were delivered."""
    with place.openai() as client:
        choice = client.chat.completions.create(
            model="parcel-openai", messages=[{"role": "user", "content": QUESTION}], logprobs=True
        ).choices[0]
    assert choice.logprobs is not None
    spelled = "".join(token.token for token in choice.logprobs.content or [])
    assert spelled.startswith(choice.message.content or "-")
    assert json.loads(choice.message.content or "")["kind"] in ("red", "blue")
