"""Rows of JSON Lines: every line of any bytes is read as one object or refused under its number."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trimtab.data.rows import DEEPEST, MAX_ROW_BYTES, Row, RowFault, has_mark, read_row, read_rows

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def read(data: bytes) -> list[Row | RowFault]:
    return list(read_rows(io.BytesIO(data)))


@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:1eE+-.\\ud0\r\n \t\x00NaInfity', max_size=80).map(str.encode))
@example(b"\xef\xbb\xbf{}\r\n{}")
@example(b"\xff\xfe{\x00}\x00")
@example(b'{"a": 1e999}')
@example(b'{"a": "\\ud800"}')
def test_any_bytes(data: bytes) -> None:
    """Nothing is raised; numbers rise and lie within the file; whatever is read can be written as JSON in UTF-8."""
    found = read(data)
    numbers = [one.number for one in found]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= data.count(b"\n") + 1 for number in numbers)
    for one in found:
        if isinstance(one, Row):
            json.dumps(one.value, ensure_ascii=False, allow_nan=False).encode()
        else:
            assert one.words
            assert one.words.isprintable()


@given(
    st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=5), st.sampled_from(["\n", "\r\n", "\n\n", " \n"])
)
def test_rows_come_back(values: list[dict[str, object]], end: str) -> None:
    """What was written row by row is read row by row, whatever ends the lines."""
    data = "".join(json.dumps(value) + end for value in values).encode("utf-8", "surrogatepass")
    whole = [value for value in values if _has_no_halves(value)]
    assert [one.value for one in read(data) if isinstance(one, Row)] == whole


def _has_no_halves(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        (b"[1]", "not_an_object", "is an array, not an object"),
        (b"null", "not_an_object", "is null, not an object"),
        (b"true", "not_an_object", "is true, not an object"),
        (b"3", "not_an_object", "is a number, not an object"),
        (b'{"a": 1, "b": 2, "a": 3}', "doubled_key", 'has the key "a" twice; readers differ on which counts'),
        (b'{"a": {"b": 1, "b": 1}}', "doubled_key", 'has the key "b" twice; readers differ on which counts'),
        (b'{"a": NaN}', "number", "holds NaN, which is not JSON"),
        (b'{"a": -Infinity}', "number", "holds -Infinity, which is not JSON"),
        (b'{"a": 1e400}', "number", "holds 1e400, which no double holds"),
        (b'{"a": %b}' % (b"1" * 5000), "number", "holds a number of 5000 digits"),
        (b'{"a": "\\udc00"}', "encoding", "holds half of a \\u pair"),
        (b'{"a": "\xff"}', "encoding", "is not UTF-8 at its byte 8"),
        (b'{"a": "\x1b[31m"}', "not_json", "is not JSON at its character 8: Invalid control character at"),
        (b'{"a": 1', "not_json", "is not JSON at its character 8: Expecting ',' delimiter"),
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "too_deep", f"is nested deeper than {DEEPEST} levels"),
        (b'{"a":' + b"[" * 100_000, "too_deep", f"is nested deeper than {DEEPEST} levels"),
    ],
)
def test_refused(line: bytes, kind: str, words: str) -> None:
    """Each fault is told by its kind, in words that go on from the row's number."""
    assert read_row(line, 7) == RowFault(7, kind, words)  # type: ignore[arg-type]


def test_as_deep_as_allowed() -> None:
    """64 levels are read, one more is refused."""
    inner = DEEPEST - 1
    assert isinstance(read_row(b'{"a":' + b"[" * inner + b"]" * inner + b"}", 1), Row)
    assert isinstance(read_row(b'{"a":' + b"[" * DEEPEST + b"]" * DEEPEST + b"}", 1), RowFault)


def test_long_lines() -> None:
    """A line at the limit is read, a longer one is passed over under its number, and the next one is read."""
    text = b'{"a": "' + b"x" * (MAX_ROW_BYTES - 9) + b'"}'
    assert len(text) == MAX_ROW_BYTES
    found = read(text + b"\n" + text + b" \n" + b"x" * (3 << 20) * 3 + b"\n{}\n")
    assert [(one.number, getattr(one, "kind", "row")) for one in found] == [
        (1, "row"), (2, "too_long"), (3, "too_long"), (4, "row"),
    ]  # fmt: skip
    assert [one.number for one in read(text + b"\r\n{}")] == [1, 2]


def test_marks_and_other_encodings() -> None:
    """A byte order mark is passed over; a file in UTF-16 is refused once, not row by row."""
    assert read(b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}")[0] == Row(1, {})
    assert isinstance(read(b"\xef\xbb\xbf{}\n\xef\xbb\xbf{}")[1], RowFault)
    assert has_mark(b"\xef\xbb\xbf{}")
    assert [one.number for one in read("{}\n{}\n".encode("utf-16"))] == [1]


def test_line_separators_end_no_row() -> None:
    """U+2028 and a carriage return within a line are part of its text, as JSON has them."""
    [row] = read('{"a": "x\u2028y\u0085z"}\n'.encode())
    assert isinstance(row, Row)
    assert row.value == {"a": "x\u2028y\u0085z"}
