"""Baselines: what is kept of answers, always in the same few bytes, and read back only as they were written."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import LockInvalid
from trimtab.lock.identity_baseline import (
    FOLDER,
    MAX_BYTES,
    MAX_COLUMNS,
    MAX_TEXT,
    Baseline,
    Exact,
    FirstTokens,
    Row,
    Server,
    Texts,
    answers_alike,
    decode,
    digest,
    encode,
    exact_of,
    first_tokens_of,
    load,
    place,
    texts_of,
)
from trimtab.lock.identity_probes import Form, Reading

BASELINE = Baseline(
    "m",
    Form(top_logprobs=20),
    Server("0.32.0", "org/model", 2048),
    exact=(Exact("p", ("a", "b"), (-0.5, -0.25), 8, 0.0),),
    first=(FirstTokens("x", ("a", "ü"), (Row(10, False, (-0.5, None)), Row(30, True, (-0.5, -1.25)))),),
    texts=(Texts("t", ("one", "two")),),
)


def told(*tokens: tuple[str, float, float]) -> Reading:
    """An answer of these tokens, each with its log-probability and that of the next likely one."""
    return Reading(
        text="".join(token for token, _, _ in tokens),
        tokens=tuple(token for token, _, _ in tokens),
        logprobs=tuple(value for _, value, _ in tokens),
        top=tuple({token: value, "other": second} for token, value, second in tokens),
    )


def test_a_baseline_comes_back_as_it_was() -> None:
    """What is written is read again, whole."""
    assert decode(encode(BASELINE)) == BASELINE


def test_its_bytes_are_canonical() -> None:
    """Keys in order, no spaces, one line: the same baseline has one digest."""
    data = encode(BASELINE)
    assert data.startswith(b'{"exact":[{"logprobs":[-0.5,-0.25],"prompt":"p","repeats":8,')
    assert data.endswith(b'"version":1}\n')
    assert digest(data) == digest(encode(decode(data)))


def test_a_file_is_found_by_its_digest(tmp_path: Path) -> None:
    """It lies in the project's folder under its own sha256; a missing one is None."""
    data = encode(BASELINE)
    path = place(tmp_path, digest(data))
    assert path == tmp_path / FOLDER / f"{digest(data)}.json"
    assert load(tmp_path, digest(data)) is None
    path.parent.mkdir()
    path.write_bytes(data)
    assert load(tmp_path, digest(data)) == BASELINE


def test_an_edited_file_is_refused(tmp_path: Path) -> None:
    """Whoever changes a number in it, changes its digest."""
    data = encode(BASELINE)
    path = place(tmp_path, digest(data))
    path.parent.mkdir()
    path.write_bytes(data.replace(b"-0.25", b"-0.26"))
    with pytest.raises(LockInvalid, match="does not have the digest"):
        load(tmp_path, digest(data))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A file is bounded before it is opened."""
    path = place(tmp_path, "a" * 64)
    path.parent.mkdir()
    path.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(LockInvalid, match="over 200000 bytes"):
        load(tmp_path, "a" * 64)


@pytest.mark.parametrize("name", ["", "../../secret", "a" * 63, "A" * 64, "a" * 64 + ".json"])
def test_only_a_digest_names_a_file(tmp_path: Path, name: str) -> None:
    """A lock that was edited by hand leads to no other file."""
    with pytest.raises(LockInvalid, match="names no baseline"):
        place(tmp_path, name)


def test_one_of_other_probes_is_taken_anew() -> None:
    """Questions that changed cannot be compared; the message says what to do."""
    other = encode(msgspec.structs.replace(BASELINE, probes=99))
    with pytest.raises(LockInvalid, match="trimtab lock --live"):
        decode(other)


def test_a_row_must_fit_its_columns() -> None:
    """Values without a token would be compared with those of another."""
    wrong = FirstTokens("x", ("a", "b"), (Row(1, False, (-0.5,)),))
    with pytest.raises(LockInvalid, match="one value for each column"):
        decode(encode(msgspec.structs.replace(BASELINE, first=(wrong,))))


@given(st.binary(max_size=300))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    """Whatever a file holds is a baseline or a typed refusal."""
    with pytest.raises(LockInvalid):
        decode(data)


def test_too_large_a_baseline_is_not_written() -> None:
    """The bound holds for what is written too."""
    many = tuple(Texts(f"{number}", ("x" * MAX_TEXT,) * 40) for number in range(40))
    with pytest.raises(ValueError, match="is over 200000"):
        encode(msgspec.structs.replace(BASELINE, texts=many))


def test_the_largest_that_is_taken_fits() -> None:
    """Five prompts of forty different answers, each column told to six digits, and five of forty long texts."""
    rows = tuple(Row(1, True, tuple(-12.345678 - row / 7 for _ in range(MAX_COLUMNS))) for row in range(40))
    columns = tuple(f"token{number:03}" for number in range(MAX_COLUMNS))
    rows = tuple(Row(1, True, tuple(round(value or 0.0, 6) for value in row.values)) for row in rows)
    first = tuple(FirstTokens(f"{number}", columns, rows) for number in range(5))
    assert len(encode(msgspec.structs.replace(BASELINE, first=first, texts=()))) < MAX_BYTES
    texts = tuple(Texts(f"{number}", ("ü" * MAX_TEXT,) * 40) for number in range(5))
    assert len(encode(msgspec.structs.replace(BASELINE, first=(), texts=texts))) < MAX_BYTES


def test_repeats_that_are_alike_make_an_exact_probe() -> None:
    """Tokens and log-probabilities to six digits, how many repeats there were, and how far they were apart."""
    one, other = told(("a", -0.5, -3.0), ("b", -0.25, -3.0)), told(("a", -0.50002, -3.0), ("b", -0.25, -3.0))
    assert exact_of("p", [one, other, one]) == Exact("p", ("a", "b"), (-0.5, -0.25), 3, pytest.approx(2e-5, abs=1e-9))


def test_an_answer_counts_up_to_its_first_tie() -> None:
    """Where two tokens are closer than 0.001 nats the choice may be rounding, and all that follows with it."""
    one = told(("a", -0.5, -3.0), ("b", -0.7, -0.7005), ("c", -0.1, -3.0))
    other = told(("a", -0.5, -3.0), ("B", -0.7, -0.7005), ("d", -0.1, -3.0))
    assert exact_of("p", [one, other]) == Exact("p", ("a",), (-0.5,), 2, 0.0)


@pytest.mark.parametrize(
    "other",
    [
        told(("a", -0.5, -3.0), ("c", -0.25, -3.0)),
        told(("a", -0.5, -3.0)),
        told(("a", -0.5002, -3.0), ("b", -0.25, -3.0)),
    ],
    ids=["another token", "a shorter answer", "another probability"],
)
def test_repeats_that_differ_make_none(other: Reading) -> None:
    """A server that does not answer alike cannot be compared exactly."""
    assert exact_of("p", [told(("a", -0.5, -3.0), ("b", -0.25, -3.0)), other]) is None


def test_without_probabilities_the_text_is_compared() -> None:
    """The whole text is one token then."""
    assert exact_of("p", [Reading("yes"), Reading("yes")]) == Exact("p", ("yes",), (), 2, 0.0)
    assert exact_of("p", [Reading("yes"), Reading("no")]) is None
    assert exact_of("p", [Reading(""), Reading("")]) is None


def test_alike_answers_share_a_row() -> None:
    """Ten alone and thirty under load, all alike, are two rows; what an answer did not tell is None."""
    one, rare = Reading("a", ("a",), (-0.5,), ({"a": -0.5},)), Reading("a", ("a",), (-0.5,), ({"a": -0.5, "b": -2.0},))
    found = first_tokens_of("x", [one] * 10, [*[one] * 29, rare])
    assert found == FirstTokens(
        "x",
        ("a", "b"),
        (Row(10, False, (-0.5, None)), Row(29, True, (-0.5, None)), Row(1, True, (-0.5, -2.0))),
    )


@pytest.mark.parametrize(
    ("rows", "alike"),
    [
        ([(-0.5, -2.0), (-0.5, -2.0)], True),
        ([(-0.5, -2.0), (-0.50005, -2.0)], True),
        ([(-0.5, -2.0), (-0.5002, -2.0)], False),
        ([(-0.5, -2.0), (-0.5, None)], False),
        ([(-2.0, -2.00004), (-2.0, None)], True),
    ],
)
def test_answers_are_alike_to_rounding(rows: list[tuple[float | None, ...]], alike: bool) -> None:
    """A token that one answer left out counts as the least that it told."""
    told = FirstTokens("x", ("a", "b"), tuple(Row(1, bool(number), values) for number, values in enumerate(rows)))
    assert answers_alike(told) is alike


def test_rare_tokens_beyond_the_bound_are_left_out() -> None:
    """Of more than forty tokens those stay that most answers told."""
    often = {f"often{number:02}": -1.0 for number in range(MAX_COLUMNS)}
    readings = [Reading("", ("o",), (-1.0,), (often,))] * 2
    readings.append(Reading("", ("o",), (-1.0,), ({**often, "aaa rare": -2.0},)))
    assert first_tokens_of("x", readings, ()).columns == tuple(sorted(often))


def test_texts_are_cut_and_ordered() -> None:
    """As far as they are compared, in an order that does not depend on when they came."""
    assert texts_of("t", [Reading("b" * 999), Reading("a")]) == Texts("t", ("a", "b" * MAX_TEXT))
