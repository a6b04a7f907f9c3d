"""Differences of two locks: whatever they hold, each difference is told in one bounded line that names its entry."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lock.test_lockfile import ENTRIES
from trimtab.declare.project import Schema
from trimtab.lock.diff import LONGEST, MOST, differences
from trimtab.lock.lockfile import Lock, Section, entry, lock
from trimtab.lock.schema_form import pinned_schema
from trimtab.lock.words_text import changed_words, quote


def one(section: Section, **pinned: Any) -> Lock:
    """A lock of one entry."""
    return lock([entry(section, "x", pinned)])


def words(section: Section, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What is told of one entry, without its name."""
    found = differences(one(section, **before), one(section, **after))
    return [each.words.removeprefix(f"{section}/x: ") for each in found]


@given(ENTRIES, ENTRIES)
def test_any_two_locks(
    before: dict[tuple[Section, str], dict[str, Any]], after: dict[tuple[Section, str], dict[str, Any]]
) -> None:
    """Any two locks are compared; there is something to tell just where their ids differ."""
    old, new = (lock(entry(*key, pinned) for key, pinned in each.items()) for each in (before, after))
    found = differences(old, new)
    assert bool(found) == (old.lock_id != new.lock_id)
    assert differences(old, old) == ()
    digests = [{each.key: each.digest for each in side.entries} for side in (old, new)]
    assert {each.key for each in found} == {
        key for key in digests[0].keys() | digests[1].keys() if digests[0].get(key) != digests[1].get(key)
    }
    for each in found:
        assert each.words.startswith(each.key)
        assert each.words.isprintable()
        assert len(each.words) < 1_000
        assert len(json.dumps([each.before, each.after])) < 7 * LONGEST
    assert len(msgspec.json.decode(msgspec.json.encode(found))) == len(found)


SCHEMA_LIKE = st.fixed_dictionaries(
    {
        "sha256": st.sampled_from(["a", "b"]),
        "schema": st.recursive(
            st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "string"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["properties", "items", "anyOf", "enum", "required", "$defs", "x", "0"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ),
        "order": st.dictionaries(
            st.sampled_from(["", "/properties/x", "/anyOf/0", "/items"]),
            st.lists(st.sampled_from(["x", "0", "items"]), max_size=3),
            max_size=2,
        ),
    }
)


@given(SCHEMA_LIKE, SCHEMA_LIKE)
def test_any_two_schemas(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Whatever stands in the place of a schema is compared, and something is told of every difference."""
    found = differences(one("schemas", output=before), one("schemas", output=after))
    assert bool(found) == (one("schemas", output=before).lock_id != one("schemas", output=after).lock_id)


TURNS = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user"]),
            "text": st.lists(st.sampled_from(["a b", "a", ""]), max_size=2),
        }
    ),
    max_size=4,
)


@given(TURNS, TURNS)
def test_any_two_prompts(before: list[Any], after: list[Any]) -> None:
    """Turns that come, go, move or change are told of."""
    found = words("prompts", {"sha256": "1", "turns": before}, {"sha256": "2", "turns": after})
    assert found
    if before == after:
        assert "white space at their ends" in found[0]


def test_first_lock() -> None:
    """Without an earlier lock everything is new, in the order of names."""
    found = differences(None, lock([entry("tools", "b", {"description": "Pays."}), entry("data", "a", {"rows": 1})]))
    assert [each.words for each in found] == ["data/a is new: 1 row", 'tools/b is new: "Pays."']
    assert [(each.kind, each.path, each.before) for each in found] == [("added", "", None)] * 2


def test_gone() -> None:
    """An entry that is not there any more is told of."""
    [found] = differences(one("models", requested="m"), lock([]))
    assert (found.kind, found.words, found.after) == ("removed", "models/x is gone", None)


def test_turns() -> None:
    """Of several turns of a role the number is told; moved ones are said to be moved."""
    user, other, system = (
        {"role": role, "text": [text]} for role, text in [("user", "a"), ("user", "b"), ("system", "s")]
    )
    assert words("prompts", {"turns": [user, other]}, {"turns": [user, {**other, "text": ["c"]}]}) == [
        'the user turn 2 changed: "b" -> "c"'
    ]
    assert words("prompts", {"turns": [system, user]}, {"turns": [user, system]}) == [
        "the turns are in another order: system, user -> user, system"
    ]
    assert words("prompts", {"turns": [system, user, other]}, {"turns": [system, other]}) == [
        'the user turn 2 is gone, was "a"'
    ]


def test_learned() -> None:
    """What was learned by asking is told as such."""
    identity = {"fingerprints": ["a"], "server_version": "1", "served_model": "", "baseline": ""}
    changed = {**identity, "fingerprints": ["a", "b"], "baseline": "c" * 64}
    assert words("models", {"identity": identity}, {"identity": changed}) == [
        'the baseline of its identity (identity.baseline) is cccccccccccc..., was ""',
        'the fingerprint (identity) is new: "b" (learned from its servers)',
    ]


def test_flags() -> None:
    """A flag that stands twice, words without a flag and joined values are told by the flag's name."""

    def flags(*listed: str) -> dict[str, Any]:
        return {"served": {"flags": list(listed)}}

    assert words("models", flags("--lora", "a", "--lora", "b"), flags("--lora", "a", "--lora", "c")) == [
        'the server\'s flag --lora (served.flags) is "a c", was "a b"'
    ]
    assert words("models", flags("--x=1"), flags("--x", "1")) == [
        'the server\'s flags are reordered (served.flags): ["--x=1"] -> ["--x", "1"]'
    ]
    assert words("models", flags(), flags("serve")) == ['the server\'s flag (first) (served.flags) is new: "serve"']


def schema(document: dict[str, Any]) -> dict[str, Any]:
    """A document as it is pinned."""
    text = json.dumps(document)
    return pinned_schema(Schema(text, text))


@pytest.mark.parametrize(
    ("before", "after", "told", "reach"),
    [
        (
            {"properties": {"description": {"type": "string"}}},
            {"properties": {"description": {"type": "integer"}}},
            'type at /properties/description is "integer", was "string" (validating)',
            "validating",
        ),
        (
            {"$defs": {"a": {"enum": [1, 2]}}},
            {"$defs": {"a": {"enum": [2, 1]}}},
            "enum at /$defs/a is reordered: [1, 2] -> [2, 1] (visible to the model, which sees the order)",
            "visible",
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
            "maxLength at /anyOf/0 is new: 3 (validating)",
            "validating",
        ),
        (
            {"items": {"examples": ["a"]}},
            {"items": {"examples": ["b"]}},
            'examples at /items is "b", was "a" (visible to the model)',
            "visible",
        ),
        (
            {"default": {"type": "x"}},
            {"default": {"type": "y"}},
            'default is "y", was "x" (visible to the model)',
            "visible",
        ),
        ({"$id": "a"}, {"$id": "b"}, '$id is "b", was "a" (cosmetic)', "cosmetic"),
        (
            {"prefixItems": [{"a": 1}, {"b": 1}]},
            {"prefixItems": [{"b": 1}, {"a": 1}]},
            "prefixItems is reordered",
            "validating",
        ),
        (
            {"properties": {"b": {}, "a": {}}},
            {"properties": {"a": {}, "b": {}}},
            'the properties are reordered: ["b", "a"] -> ["a", "b"]',
            "visible",
        ),
        (
            {"properties": {"b": {}, "a": {}}},
            {"properties": {"b": {}, "c": {}, "a": {}}},
            'the property "c" is new: {} (validating)',
            "validating",
        ),
        ({"maximum": 10**20}, {"maximum": 10**20 + 1}, "maximum is", "validating"),
        ({"type": "object", "title": "x"}, {"title": "x", "type": "object"}, "written in another way", "cosmetic"),
    ],
)
def test_schemas(before: dict[str, Any], after: dict[str, Any], told: str, reach: str) -> None:
    """A difference of schemas is told at its keyword, with what it reaches."""
    [found] = differences(one("tools", input_schema=schema(before)), one("tools", input_schema=schema(after)))
    assert found.words.startswith(f"tools/x: input_schema: {told}")
    assert found.reach == reach


def test_digests_that_begin_alike_are_told_whole() -> None:
    """What a reader could not tell apart by its beginning is not cut."""
    one, other = "40c069824f42" + "0" * 28, "40c069824f42" + "1" * 28
    before = lock([entry("models", "small", {"revision": one})])
    [found] = differences(before, lock([entry("models", "small", {"revision": other})]))
    assert found.words == f"models/small: revision is {other}, was {one}"


def test_bounds() -> None:
    """Of very many differences of one entry the rest is counted, and long values are cut."""
    found = differences(
        one("packages", dependencies={f"{n:04}": "a" for n in range(500)}),
        one("packages", dependencies={f"{n:04}": "b" * 100_000 for n in range(500)}),
    )
    assert len(found) == MOST + 1
    assert found[-1].words == "packages/x: and 400 more differences"
    assert len(found[0].after) < LONGEST + 40
    assert found[0].after.endswith("... (100000 characters)")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("You sort.", "You order.", '"sort." -> "order."'),
        ("a b c", "a c", '"b" is gone'),
        ("a c", "a b c", '"b" is new'),
        ("a  b", "a b", "white space alone"),
        ("a\nb", "a b", "white space alone"),
        ("{{x}} y", "{{x}} z", '"y" -> "z"'),
        ("1 a 2 a 3 a 4 a 5", "b a c a d a e a f", '"1" -> "b"; "2" -> "c"; "3" -> "d"; and 2 more places'),
        ("1 a 2 a 3 a 4", "b a c a d a e", '"1" -> "b"; "2" -> "c"; "3" -> "d"; and 1 more place'),
        ("", "new", '"new" is new'),
        ("old", "", '"old" is gone'),
    ],
)
def test_words(before: str, after: str, told: str) -> None:
    """The words that changed are quoted, the first three places of them."""
    assert changed_words(before, after) == told


def test_many_words() -> None:
    """Texts that have too much between their first and last change are told by their lengths."""
    told = changed_words("same " + "a b " * 2_000 + "end", "same " + "c b " * 2_000 + "end")
    assert told == '3,999 words, from "a b a b a" on, became 3,999'


def test_quotation() -> None:
    """A quotation is one printable line, its middle cut out where it is long."""
    assert quote("a\n\x1b[31mb") == '"a  [31mb"'
    assert quote("x" * 300) == f'"{"x" * 66} ... {"x" * 25}"'


def test_repetition_is_quick() -> None:
    """Texts and lists that repeat one thing over and over are compared within the bounds."""
    assert changed_words("x " + "a " * 50_000, "y " + "a b " * 50_000).startswith("50,001 words, from")
    found = words("policies", {"tools": ["a"] * 5_000}, {"tools": ["b"] + ["a"] * 5_000})
    assert found == ['tools[0] is "b", was "a"', 'tools[5000] is new: "a"']
