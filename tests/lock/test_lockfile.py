"""The lock file: canonical JSON by the vectors of RFC 8785, one way of writing, and nothing else is read."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import LockInvalid, LockNewer
from trimtab.lock.lockfile import FILE, SECTIONS, Section, canonical, decode, encode, entry, lock, read

NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}
"""RFC 8785, appendix B: the bits of a double, and how it is written."""
SAMPLE = r"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"""
SAMPLE_BYTES = """
7b 22 6c 69 74 65 72 61 6c 73 22 3a 5b 6e 75 6c 6c 2c 74 72 75 65 2c 66 61 6c 73 65 5d 2c 22 6e 75 6d 62 65 72 73 22 3a
5b 33 33 33 33 33 33 33 33 33 2e 33 33 33 33 33 33 33 2c 31 65 2b 33 30 2c 34 2e 35 2c 30 2e 30 30 32 2c 31 65 2d 32 37
5d 2c 22 73 74 72 69 6e 67 22 3a 22 e2 82 ac 24 5c 75 30 30 30 66 5c 6e 41 27 42 5c 22 5c 5c 5c 5c 5c 22 2f 22 7d
"""
"""RFC 8785, sections 3.2.2 and 3.2.4: a document, and its canonical form as bytes."""
SORTED = r"""{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
}"""
"""RFC 8785, section 3.2.3."""

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)
PINNED = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=10), JSON, max_size=5)
NAMES = st.from_regex(r"[A-Za-z0-9_(][A-Za-z0-9._/()-]{0,20}", fullmatch=True)
ENTRIES = st.dictionaries(st.tuples(st.sampled_from(SECTIONS), NAMES), PINNED, max_size=6)


@pytest.mark.parametrize("bits", NUMBERS)
def test_numbers(bits: str) -> None:
    """Numbers are written as RFC 8785 has them."""
    [number] = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number) == NUMBERS[bits].encode()


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_no_numbers(bits: str) -> None:
    """What is no number in JSON is refused."""
    [number] = struct.unpack(">d", bytes.fromhex(bits))
    with pytest.raises(ValueError, match="not representable"):
        canonical(number)


def test_sample() -> None:
    """The sample of RFC 8785 becomes its bytes."""
    assert canonical(json.loads(SAMPLE)) == bytes.fromhex(SAMPLE_BYTES)


def test_sorting() -> None:
    """Keys are sorted by their UTF-16 code units."""
    assert list(json.loads(canonical(json.loads(SORTED))).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_digests() -> None:
    """A digest is the sha256 of a domain and the canonical JSON, apart for each section; the id is that of them all."""
    one = entry("sampling", "a", {"b": 1.0, "a": None})
    assert one.digest == hashlib.sha256(b'trimtab lock entry 1\nsampling\n{"a":null,"b":1}').hexdigest()
    assert entry("context", "a", one.pinned).digest != one.digest
    names = f'[["sampling","a","{one.digest}"]]'
    assert lock([one]).lock_id == hashlib.sha256(b"trimtab lock 1\n" + names.encode()).hexdigest()


def test_author_is_not_digested() -> None:
    """Who changed an entry is neither in its digest nor in the id, and is read back."""
    plain, signed = entry("sampling", "a", {}), entry("sampling", "a", {}, "Ada <ada@example.org>", "a" * 40)
    assert lock([plain]).lock_id == lock([signed]).lock_id
    assert decode(encode(lock([signed]))).entries == (signed,)


@given(ENTRIES, st.randoms())
def test_round_trip(pinned: dict[tuple[Section, str], dict[str, Any]], random: Any) -> None:
    """What is written is read back as it was, in whatever order it was made, and written the same again."""
    entries = [entry(section, name, value) for (section, name), value in pinned.items()]
    whole = lock(entries)
    data = encode(whole)
    random.shuffle(entries)
    assert encode(lock(entries)) == data
    back = decode(data)
    assert back.lock_id == whole.lock_id
    assert encode(back) == data
    assert [one.digest for one in back.entries] == [one.digest for one in whole.entries]


def test_written_one_way() -> None:
    """Keys are sorted, lists stand a value a line, text is UTF-8, and a line feed ends the file."""
    assert encode(lock([entry("sampling", "t", {"stop": ["é"], "seed": None})])).decode() == (
        "{\n"
        '  "entries": {\n'
        '    "sampling": {\n'
        '      "t": {\n'
        '        "digest": "sha256:' + entry("sampling", "t", {"stop": ["é"], "seed": None}).digest + '",\n'
        '        "pinned": {\n'
        '          "seed": null,\n'
        '          "stop": [\n'
        '            "é"\n'
        "          ]\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "  },\n"
        '  "lock_id": "sha256:' + lock([entry("sampling", "t", {"stop": ["é"], "seed": None})]).lock_id + '",\n'
        '  "version": 1\n'
        "}\n"
    )


@given(st.binary(max_size=400))
def test_hostile_bytes(data: bytes) -> None:
    """Any bytes are read or refused with one error."""
    with pytest.raises(LockInvalid):
        decode(data)


GOOD = encode(lock([entry("sampling", "a", {"seed": 7, "stop": ["END"]}), entry("tools", "b", {"effect": "read"})]))


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=0, max_size=3))
def test_one_edit(at: int, instead: bytes) -> None:
    """A file in which a few bytes were replaced is refused, or says the same."""
    data = GOOD[:at] + instead + GOOD[at + 1 :]
    try:
        assert decode(data) == decode(GOOD)
    except LockInvalid as wrong:
        assert str(wrong).startswith(f"{FILE} cannot be used")


def edited(old: str, new: str) -> bytes:
    """The good file with one text replaced."""
    assert GOOD.decode().count(old) == 1
    return GOOD.decode().replace(old, new).encode()


REFUSED = {
    "an edited entry": (edited('"seed": 7', '"seed": 8'), "does not have the digest it bears"),
    "a key twice": (edited('"seed": 7', '"seed": 7, "seed": 7'), "twice"),
    "an unknown key": (edited('"version": 1', '"version": 1, "more": 2'), "more"),
    "another id": (edited('"lock_id": "sha256:', '"lock_id": "sha256:0'), "lock_id"),
    "an older version": (edited('"version": 1', '"version": 0'), "never was a version 0"),
    "a section that is none": (edited('"sampling"', '"samplings"'), "samplings"),
    "a name that is none": (edited('"a": {', '"a\\u001b[31m": {'), "no name of an entry"),
    "no digest": (edited('"digest": "sha256:' + entry("tools", "b", {"effect": "read"}).digest, '"digest": "'), "none"),
    "an author with control characters": (edited('"a": {', '"a": {"author": "\\u001b[31m",'), "author or commit"),
    "a commit that is none": (edited('"a": {', '"a": {"commit": "main",'), "author or commit"),
    "a merge conflict": (b"<<<<<<< HEAD\n" + GOOD, "merge conflict"),
    "a merge conflict amid": (edited('  "version"', '=======\n  "version"'), "merge conflict"),
    "half a pair": (edited('"seed": 7', '"seed": "\\ud800"'), ""),
    "deep nesting": (edited('"seed": 7', '"seed": ' + "[" * 101 + "]" * 101), "deeper than 100"),
    "very deep nesting": (b"[" * 200_000, ""),
    "a number that no double is": (edited('"seed": 7', '"seed": 1e999'), ""),
    "a whole number beyond 2^53": (edited('"seed": 7', '"seed": 9007199254740993'), "exceeds"),
    "a list": (b"[]", ""),
    "nothing": (b"", ""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str) -> None:
    """What was not written by `encode` is refused, with the reason and what to do."""
    data, reason = REFUSED[what]
    with pytest.raises(LockInvalid, match=r"write it anew with `trimtab lock`") as caught:
        decode(data)
    assert reason in str(caught.value)


def test_newer() -> None:
    """A lock of a newer release is told apart."""
    with pytest.raises(LockNewer):
        decode(edited('"version": 1', '"version": 2'))


def test_read(tmp_path: Path) -> None:
    """A project without a lock has none; what stands in its place and is no file is refused."""
    assert read(tmp_path) is None
    (tmp_path / FILE).write_bytes(GOOD)
    assert read(tmp_path) == decode(GOOD)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(LockInvalid, match="cannot be read"):
        read(tmp_path)


def test_too_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file beyond the bound is not read in."""
    monkeypatch.setattr("trimtab.lock.lockfile.MAX_BYTES", len(GOOD) - 1)
    (tmp_path / FILE).write_bytes(GOOD)
    with pytest.raises(LockInvalid, match="MiB"):
        read(tmp_path)
    monkeypatch.setattr("trimtab.lock.lockfile.MAX_BYTES", len(GOOD))
    assert read(tmp_path) is not None
