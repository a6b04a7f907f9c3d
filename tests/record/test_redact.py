"""Secrets in free text, and previews."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.record.redact import REMOVED, preview_of, scrub


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Authorization: Bearer tt_abcdefghijklmnop", "Authorization: Bearer [redacted]"),
        ("bearer abc.def-ghi_jkl", "bearer [redacted]"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic [redacted]"),
        ("Incorrect API key provided: sk-proj-abcd1234efgh.", "Incorrect API key provided: [redacted]"),
        ("Incorrect API key provided: sk-abc***********xyz", "Incorrect API key provided: [redacted]"),
        ('{"api_key": "topsecretvalue", "a": 1}', '{"api_key": "[redacted]", "a": 1}'),
        ("api-key=abc123&x=1", "api-key=[redacted]&x=1"),
        ("password: hunter2!", "password: [redacted]"),
        ("proxy http://user:pa55@10.0.0.1:3128 refused", "proxy http://[redacted]@10.0.0.1:3128 refused"),
        ("key tt_0123456789abcdef0123 is unknown", "key [redacted] is unknown"),
        ("token hf_AbCdEfGhIjKl", "token [redacted]"),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "jwt [redacted]"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[redacted]"),
    ],
)
def test_secrets_are_removed(text, expected):
    """Keys, tokens and passwords in their usual shapes do not survive."""
    assert scrub(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "connection refused by 10.0.0.11:8000 after 5.0 s",
        "the model `small` asked for 4096 tokens, 2048 are allowed",
        "basic usage of the task-list",
        "HTTP 500 from http://10.0.0.11:8000/v1/chat/completions",
        "token 17 of 20 was cut",
        "",
    ],
)
def test_other_text_stays(text):
    """What is no secret is not touched."""
    assert scrub(text) == text


@given(st.text(max_size=200), st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=40))
def test_a_key_survives_nowhere(around, secret):
    """Whatever stands before it, a client key is removed, and scrubbing twice changes nothing more."""
    clean = scrub(f"{around} tt_{secret} end")
    assert f"tt_{secret}" not in clean
    assert REMOVED in clean
    assert scrub(clean) == clean


def body_of(raw):
    return json.loads(preview_of(raw))["body"]


def test_a_streamed_text_counts_as_one_text():
    """The pieces of a streamed answer are joined by their place and cut at 200 characters together."""
    events = [
        {"id": "c1", "choices": [{"index": index, "delta": {"content": text}}]}
        for text, index in [("a" * 150, 0), ("x", 1), ("b" * 150, 0), ("y", 1), ("c" * 50, 0)]
    ]
    raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    assert body_of(raw) == {
        "id": "c1",
        "choices.0.delta.content": "a" * 150 + "b" * 50,
        "choices.1.delta.content": "xy",
    }


def test_what_is_no_json_shows_its_beginning():
    """Anything else shows its first 200 characters."""
    assert body_of(b"<html>" + b"x" * 500) == "<html>" + "x" * 194
    assert body_of(b"\xff\xfe") == "\ufffd\ufffd"
    assert body_of(b"") == ""


@given(st.binary(max_size=300))
def test_a_preview_of_anything_is_json(raw):
    """Any bytes have a preview that is valid JSON and tells their size."""
    assert json.loads(preview_of(raw))["bytes"] == len(raw)


def test_deep_json_is_no_trouble():
    """Nesting beyond what can be walked falls back to the beginning of the text."""
    raw = b"[" * 100_000 + b"]" * 100_000
    assert body_of(raw) == "[" * 200
