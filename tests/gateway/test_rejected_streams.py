"""Streams under `reject`: whatever the split of their bytes, their end leaves only behind a good verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.gateway.harness import snapshot, task
from tests.gateway.jumping import Played, play
from tests.gateway.wires import CHAT, COMPLETIONS, MESSAGES, RESPONSES, Wire, code_of, data_of
from trimtab.declare.project import Output, Schema
from trimtab.policy.snapshot import Snapshot
from trimtab.testing import Framing, Script, Send, Wait, chunk

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"label": {"enum": ["bug", "praise"]}, "note": {"type": "string", "maxLength": 4}},
        "required": ["label"],
        "additionalProperties": False,
    }
)
VALID = ('{"label":"bug"}', ' {"note":"é\\n","label":"praise"} ', '{"label":"bug","note":"\\ud83d\\ude00😀"}')
INVALID = (
    '{"label":"wish"}',
    '{"label":"bug"',
    '{"label":"bug"}}',
    '{"label":"bug","label":"bug"}',
    '{"note":"abcde","label":"bug"}',
    '{"other":1}',
    '```json\n{"label":"bug"}\n```',
    "",
    "no",
    "{}",
)
ROUTES = {
    "chat": (CHAT, CHAT),
    "completions": (COMPLETIONS, COMPLETIONS),
    "messages": (MESSAGES, MESSAGES),
    "responses": (RESPONSES, RESPONSES),
    "chat over messages": (CHAT, MESSAGES),
    "messages over chat": (MESSAGES, CHAT),
}


def rejecting(url: str, server: Wire, *, hold: bool) -> Snapshot:
    output = Output(Schema(SCHEMA, "d"), "reject", hold=hold)
    policy = snapshot({"small": url}, task("triage", "small", output=output))
    return replace(policy, models={"small": replace(policy.models["small"], wire=server.model_wire)})


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, bool, str, tuple[str, ...], list[int]]:
    """A text, whether it is valid, how it ended, its pieces, and where its bytes are split, in thousandths."""
    valid = draw(st.booleans())
    text = draw(st.sampled_from(VALID if valid else INVALID))
    finish = draw(st.sampled_from(["stop", "length"]))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = tuple(text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True))
    return text, valid, finish, pieces, sorted(draw(st.lists(st.integers(0, 1000), max_size=4)))


def split(events: list[bytes], at: list[int]) -> Script:
    """A stream whose bytes come in chunks that know nothing of its events."""
    data = b"".join(events)
    places = [len(data) * thousandth // 1000 for thousandth in at]
    parts = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    sent = [step for part in parts if part for step in (Send(chunk(part)), Wait(0.01))]
    return Script((Send(Framing().head()), *sent, Send(b"0\r\n\r\n")))


def asked(client: Wire, server: Wire, script: Script, *, hold: bool) -> Played:
    request: dict[str, Any] = {"model": "triage", "stream": True, **client.request}
    if client in (CHAT, COMPLETIONS):
        request["stream_options"] = {"include_usage": True}
    return play(lambda url: rejecting(url, server, hold=hold), [script], request, client.path)


@pytest.mark.parametrize("route", ROUTES)
@settings(deadline=None, max_examples=30)
@given(streams(), st.booleans())
def test_an_end_leaves_only_behind_a_good_verdict(
    route: str, drawn: tuple[str, bool, str, tuple[str, ...], list[int]], hold: bool
) -> None:
    """Valid: the whole answer and a clean end. Invalid: a beginning of it at most, an error event, and a cut.

    Of a held answer that is invalid nothing leaves at all.
    """
    text, valid, finish, pieces, at = drawn
    client, server = ROUTES[route]
    events = server.events(pieces, finish)
    played = asked(client, server, split(events, at), hold=hold)
    response, settled = played.response, played.settled
    assert played.logged == []
    if valid:
        assert response.whole
        assert code_of(response) == ""
        assert client.text(response) == text
        assert client.finish(response) != ""
        assert (settled.outcome, settled.verdict) == ("ok", "valid")
        if client is server:
            assert response.body == b"".join(events)
    else:
        assert response.status == 422 if hold else not response.whole or response.status == 422
        assert code_of(response) == "output_invalid"
        assert settled.outcome == "output_invalid"
        assert settled.verdict in {"invalid", "truncated"}
        if response.status == 200:
            assert text.startswith(client.text(response))
            assert client.finish(response) == ""
            assert not client.ended(response)
            assert json.loads(data_of(response)[-1])["error"]["code"] == "output_invalid"
