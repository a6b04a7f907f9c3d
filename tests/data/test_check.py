"""A check of a data set: each kind of finding, told with rows, places and words; what is sound is not told."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.data.check import MOST_OF_A_KIND, Checked, Finding, check
from trimtab.data.examples import Reference
from trimtab.data.manifest import Held, Manifest, ParentRef, held, write_manifest
from trimtab.errors import DataInvalid

TODAY = date(2026, 11, 20)
SAID = (
    "the lamp that I bought last week flickers",
    "two mugs of my order were broken on arrival",
    "please send the invoice for May to my new address",
    "where can I change the language of the app",
)


def rows(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {"inputs": {"text": text}, **more}


def data_set(root: Path, data: bytes, name: str = "tried", **told: Any) -> Held:
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / f"{name}.jsonl").write_bytes(data)
    write_manifest(root, name, Manifest(digest="", file=f"data/{name}.jsonl"))
    write_manifest(root, name, Manifest(**{"digest": held(root, name).digest, "file": f"data/{name}.jsonl", **told}))
    return held(root, name)


def checked(root: Path, data: bytes, *references: Reference, **told: Any) -> Checked:
    return check(root, data_set(root, data, **told), references, TODAY)


def only(found: Checked) -> Finding:
    [finding] = found.findings
    return finding


def test_a_sound_data_set(tmp_path: Path) -> None:
    """Four different cases have neither faults nor warnings."""
    found = checked(tmp_path, rows(*(asked(text, expected=1) for text in SAID)))
    assert (found.rows, found.faults, found.warnings, found.findings) == (4, 0, 0, ())
    assert found.looked["permutations"] == 48


def test_rows_that_cannot_be_read(tmp_path: Path) -> None:
    """They are faults under their numbers, and the others are still looked at."""
    found = checked(tmp_path, b'{"a": NaN}\n' + rows(asked(SAID[0])) + b'{"a": "\xff"}\n{"a"\n')
    assert [(each.kind, each.rows) for each in found.findings] == [
        ("unreadable", (1,)),
        ("unreadable", (4,)),
        ("encoding", (3,)),
    ]
    assert (found.rows, found.faults) == (1, 3)


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_nothing_in_it(tmp_path: Path, data: bytes) -> None:
    """A file without rows is a fault."""
    assert checked(tmp_path, data).counts["no_rows"] == 1


def test_breaks_of_the_schema(tmp_path: Path) -> None:
    """Each break has its row, its place as a JSON Pointer, and words; a row tells five of its own at most."""
    (tmp_path / "s.json").write_text(
        json.dumps(
            {"properties": {"inputs": {"properties": {"a/b": {"maxLength": 3}}}, "n": {"items": {"type": "string"}}}}
        )
    )
    found = checked(
        tmp_path, rows({"inputs": {"a/b": "long text"}}, {"inputs": {"a/b": "ok"}}, {"n": [1] * 9}), schema="s.json"
    )
    breaks = [each for each in found.findings if each.kind == "schema"]
    assert (breaks[0].rows, breaks[0].path) == ((1,), "/inputs/a~1b")
    assert breaks[0].words == 'row 1 at /inputs/a~1b: "long text" is longer than 3 characters'
    assert [each.path for each in breaks[1:]] == [f"/n/{place}" for place in range(5)]


@pytest.mark.parametrize(
    "schema",
    [b"{", b'{"type": "nothing"}', b'{"$ref": "http://localhost:1/x.json"}', b'{"$ref": "file:///etc/passwd"}'],
)
def test_schemas_that_cannot_be_used(tmp_path: Path, schema: bytes) -> None:
    """A broken schema is told, and nothing is fetched for one."""
    (tmp_path / "s.json").write_bytes(schema)
    with pytest.raises(DataInvalid, match=r"its schema s\.json cannot be used"):
        checked(tmp_path, rows({}), schema="s.json")


def test_conflicts_and_duplicates(tmp_path: Path) -> None:
    """The same inputs with different answers are a fault; with the same, or where one expects nothing, a warning."""
    found = checked(
        tmp_path,
        rows(
            asked(SAID[0], expected="a"), asked(SAID[0], expected="b"),
            asked(SAID[1], expected="a", id=1), asked(SAID[1], expected="a", id=2), asked(SAID[1]),
        ),
    )  # fmt: skip
    assert [(each.kind, each.rows) for each in found.findings] == [("conflict", (1, 2)), ("duplicate", (3, 4, 5))]
    assert found.findings[0].words == "rows 1, 2 have the same inputs and expect 2 different answers"


def test_near_duplicates(tmp_path: Path) -> None:
    """They are told with how similar they are, and whether their answers differ."""
    found = checked(
        tmp_path,
        rows(
            *(asked(text, expected=1) for text in SAID),
            asked(f"  {SAID[2].upper()}!", expected=1),
            asked(f"So, {SAID[3]}"),
        ),
    )
    near = found.findings
    assert [(each.kind, each.rows) for each in near] == [("near_duplicate", (3, 5)), ("near_duplicate", (4, 6))]
    assert near[0].similarity == 1.0
    assert near[1].similarity is not None
    assert 0.6 <= near[1].similarity < 1.0
    other = checked(tmp_path, rows(*(asked(text, expected=1) for text in SAID), asked(SAID[2].upper(), expected=2)))
    assert only(other).words == "rows 3 and 5 say nearly the same and expect different answers"


@pytest.mark.parametrize("use", ["prompt", "trained_on"])
def test_contamination(tmp_path: Path, use: str) -> None:
    """A case that stands in a reference is a fault, with the place; a case that shares a few words with it is none."""
    seen = f"Here is what somebody wrote: {SAID[1].replace('of my', 'in my')}. Thank you for that."
    if use == "prompt":
        reference = Reference("prompt", "tasks/t/prompt.md", "turn 2 of the prompt of t", seen)
        where = "turn 2 of the prompt of t"
    else:
        data_set(tmp_path, rows({"text": "nothing of it"}, {"text": seen}), "train", purpose="training")
        reference = Reference("trained_on", "train", "train, which m was trained on")
        where = "row 2 of train, which m was trained on"
    found = checked(tmp_path, rows(*map(asked, SAID)), reference)
    assert (only(found).kind, only(found).rows, only(found).where) == ("contamination", (2,), where)
    assert found.faults == 1
    assert checked(tmp_path, rows(*map(asked, SAID)), reference, purpose="other").faults == 0


def test_references_that_are_not_here(tmp_path: Path) -> None:
    """What cannot be looked at is a warning that says so, not a pass."""
    write_manifest(tmp_path, "far", Manifest(digest="sha256:" + "0" * 64, source="elsewhere"))
    gone, far = (Reference("trained_on", name, f"{name}, which m was trained on") for name in ("gone", "far"))
    found = checked(tmp_path, rows(*map(asked, SAID)), gone, far)
    assert [each.kind for each in found.findings] == ["unchecked", "unchecked"]
    assert (found.faults, found.warnings) == (0, 2)


def test_origins(tmp_path: Path) -> None:
    """A file that is not the manifest's and a parent that is not there are faults, a parent that changed a warning."""
    data_set(tmp_path, rows(asked(SAID[0])), "parent")
    old = ParentRef("parent", "sha256:" + "1" * 64)
    found = checked(tmp_path, rows(asked(SAID[1])), digest=old.digest, parents=(old, ParentRef("gone", old.digest)))
    assert [(each.kind, each.where) for each in found.findings] == [
        ("changed", ""), ("missing", "gone"), ("stale_parent", "parent"),
    ]  # fmt: skip
    good = ParentRef("parent", held(tmp_path, "parent").digest)
    assert checked(tmp_path, rows(asked(SAID[1])), parents=(good,)).findings == ()


@pytest.mark.parametrize(
    ("seen", "fresh_for", "stale"),
    [
        ("2026-11-10", "10d", False),
        ("2026-11-09", "10d", True),
        ("2026-11-19", "24h", False),
        ("", "10d", True),
        ("2026-11-10", "soon", True),
        ("9999-12-31", "3650d", True),
        ("2026-11-10", "", False),
    ],
)
def test_freshness(tmp_path: Path, seen: str, fresh_for: str, stale: bool) -> None:
    """On 20 November a source seen ten days ago is good for ten days; what cannot be read as a time is told too."""
    found = checked(tmp_path, rows(asked(SAID[0])), source_seen=seen, fresh_for=fresh_for)
    assert found.counts.get("stale_source", 0) == stale


def test_smaller_warnings(tmp_path: Path) -> None:
    """A byte order mark, control characters and rows without words are warnings."""
    found = checked(tmp_path, b"\xef\xbb\xbf" + rows(asked("a\x1b[31mred thing here"), asked("..."), {"expected": 1}))
    assert found.counts == {"mark": 1, "control_characters": 1, "empty": 2}
    assert found.faults == 0


def test_many_findings_are_counted(tmp_path: Path) -> None:
    """Of each kind the first hundred are kept, and all are counted."""
    found = checked(tmp_path, b"x\n" * 250 + rows(*map(asked, SAID)))
    assert (found.counts["unreadable"], len(found.findings)) == (250, MOST_OF_A_KIND)


ODD_ROWS = [
    b'{"inputs": "a b c d e"}',
    b'{"inputs": "a b c d f"}',
    b'{"inputs": 1}',
    b'{"messages": [1, {"role": "user"}]}',
    b'{"messages": {}}',
    b"{}",
    b"[]",
    b'{"inputs": {"a": [[[]]]}, "expected": null}',
    b'{"n": 123456789012345678901234567890}',
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=200) | st.lists(st.sampled_from(ODD_ROWS), max_size=8).map(b"\n".join))
def test_any_file(tmp_path: Path, data: bytes) -> None:
    """Any bytes are checked without an exception, with a schema too, and counts are those of what was found."""
    (tmp_path / "s.json").write_text('{"properties": {"inputs": {"type": "string"}, "n": {"multipleOf": 7}}}')
    found = checked(tmp_path, data, schema="s.json")
    assert found.faults + found.warnings == sum(found.counts.values())
    assert found.rows <= data.count(b"\n") + 1
