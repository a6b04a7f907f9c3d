"""What the benchmarks of contracts and of resumed streams take for an end, on answers written by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bench import chat, client
from bench.contracted import valid
from bench.cutting import Ledger
from bench.interrupted import judged
from bench.shapes import SHAPES

CALL = b"HTTP/1.1 200 OK\r\nx-trimtab-call: c1\r\n\r\n"
PIECE = b'data: {"choices": [{"index": 0, "delta": {"content": "ab"}, "finish_reason": null}]}\n\n'
FINISH = (
    b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"completion_tokens": 2}}\n\n'
)
DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error": {"code": "output_invalid"}}\n\n'


def answer(body: bytes, *, status: int = 200, whole: bool = True) -> client.Answer:
    return client.Answer(0.0, status=status, head=CALL, body=body, whole=whole)


@pytest.mark.parametrize(
    ("body", "whole", "end"),
    [
        (PIECE + FINISH + DONE, True, "whole"),
        (PIECE + FINISH + DONE, False, "neither"),
        (PIECE + FINISH, True, "neither"),
        (PIECE + DONE, True, "neither"),
        (PIECE, False, "neither"),
        (PIECE + ERROR, False, "error"),
        (PIECE + ERROR, True, "error"),
        (PIECE + ERROR + DONE, True, "neither"),
        (PIECE + FINISH + ERROR, False, "neither"),
    ],
)
def test_the_end_of_a_stream(body: bytes, end: str, *, whole: bool) -> None:
    """It is whole if everything says so, an error if nothing in it could pass for a good end."""
    said = chat.read(answer(body, whole=whole), stream=True)
    assert (said.end, said.text, said.call) == (end, "ab", "c1")


@pytest.mark.parametrize(
    ("body", "status", "whole", "end"),
    [
        (b'{"choices": [{"message": {"content": "ab"}, "finish_reason": "stop"}]}', 200, True, "whole"),
        (b'{"choices": [{"message": {"content": "ab"}, "finish_reason": "stop"}]}', 200, False, "neither"),
        (b'{"error": {"code": "output_invalid"}}', 422, True, "error"),
        (b'{"detail": "no"}', 500, True, "neither"),
    ],
)
def test_the_end_of_a_whole_answer(body: bytes, status: int, end: str, *, whole: bool) -> None:
    """An error counts as one only with a code of ours."""
    assert chat.read(answer(body, status=status, whole=whole), stream=False).end == end


WHOLE = chat.Said(text="one two", finish="stop", done=True, end="whole")


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        ({}, "equal"),
        ({"text": "one"}, "silent"),
        ({"text": ""}, "silent"),
        ({"text": "one ten"}, "different"),
        ({"finish": "length"}, "different"),
        ({"end": "neither"}, "silent"),
        ({"end": "error", "text": "one"}, "error"),
    ],
)
def test_an_interrupted_stream_beside_the_uncut_one(more: dict[str, Any], outcome: str) -> None:
    """A part of the answer that looks like all of it is the worst that can come."""
    assert judged(replace(WHOLE, **more), WHOLE) == outcome


@pytest.mark.parametrize(
    "text",
    ['{"name": "a\nb"}', '{"name": "a", "name": "b"}', '{"name": NaN}', '{"name": "\\ud800"}', '{"name": "123456789"}',
     '{"name": "a"} ok', "", "[" * 9_999],
)  # fmt: skip
def test_what_no_client_may_get(text: str) -> None:
    """Raw control characters, names twice, NaN, half pairs, too long, more than JSON, nothing, too deep."""
    assert not valid(text, SHAPES["max-length"].schema)


def test_the_right_answers_are_right() -> None:
    """What the scripted upstream starts from keeps the schemas."""
    shapes = SHAPES.values()
    assert [[valid(json.dumps(one), shape.schema) for one in shape.right] for shape in shapes] == [
        [True] * len(shape.right) for shape in shapes
    ]


def test_where_a_request_is_cut() -> None:
    """Each coming of the same user takes the next place, and then it passes."""
    ledger, request = Ledger(), b'{"user":"cut-7-100-20"}'
    assert [ledger.cut_of(request) for _ in range(3)] == [
        ("cut-7-100-20", 100),
        ("cut-7-100-20", 20),
        ("cut-7-100-20", None),
    ]
    assert ledger.cut_of(b'{"user":"nobody"}') == ("", None)
