"""The reader of Prometheus's text format: right on what is well formed, harmless on anything else."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from trimtab.signals.engine.exposition import MAX_LINE, MAX_SAMPLES, Wanted

WANTED = Wanted(("vllm:", "up"))


def read(text: str) -> list[tuple[str, dict[str, str], float]]:
    """The samples of a text of which nothing is malformed."""
    found = WANTED.read(text.encode())
    assert (found.malformed, found.is_cut) == (0, False)
    return [(one.name, dict(one.labels), one.value) for one in found.samples]


def test_samples_of_wanted_metrics_are_read() -> None:
    """Comments, blank lines, other metrics, timestamps, exemplars and line ends of Windows stand in nobody's way."""
    text = (
        "# HELP vllm:a What.\n# TYPE vllm:a gauge\n"
        'vllm:a{engine="0",model_name="m"} 2.5\n'
        "\n"
        "other_metric 7\n"
        "vllm:b_total 3 1700000000000\r\n"
        'vllm:c{ x = "1" , } 1e3 # {trace_id="abc"} 0.5 1700000000.1\n'
        "up 1\n"
        "# EOF\n"
    )
    assert read(text) == [
        ("vllm:a", {"engine": "0", "model_name": "m"}, 2.5),
        ("vllm:b_total", {}, 3.0),
        ("vllm:c", {"x": "1"}, 1000.0),
        ("up", {}, 1.0),
    ]


def test_labels_are_unescaped() -> None:
    """Quotes, backslashes, line ends and braces in a label's value are what they were."""
    assert read('vllm:a{x="a\\"b\\\\c\\nd}{,= é"} 1\n') == [("vllm:a", {"x": 'a"b\\c\nd}{,= é'}, 1.0)]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "1e999", "-1"])
def test_what_is_no_figure_is_unset(value: str) -> None:
    """What is not finite, or below 0, is left out; it does not become 0."""
    assert read(f"vllm:a {value}\nvllm:b 0\n") == [("vllm:b", {}, 0.0)]


@pytest.mark.parametrize(
    "line",
    [
        "vllm:a",
        "vllm:a ",
        "vllm:a x",
        "vllm:a 1 2 3",
        "vllm:a 0x10",
        "vllm:a 1_000",
        'vllm:a{x="1" 1',
        'vllm:a{x="1} 1',
        "vllm:a{x=1} 1",
        'vllm:a{x="1" y="2"} 1',
        'vllm:a{x="1",x="2"} 1',
        'vllm:a{="1"} 1',
        'vllm:a{x="1"}',
    ],
)
def test_a_malformed_line_is_counted_and_left_out(line: str) -> None:
    """Such lines bring no sample; but for one that has no value at all they are counted."""
    found = WANTED.read(f"vllm:b 1\n{line}\nvllm:b 2\n".encode())
    assert [one.value for one in found.samples] == [1.0, 2.0]
    assert found.malformed == (line != "vllm:a")


def test_buckets_and_times_of_creation_are_passed_over() -> None:
    """Of a histogram only sum and count are wanted."""
    text = 'vllm:a_bucket{le="+Inf"} 3\nvllm:a_sum 1.5\nvllm:a_count 3\nvllm:a_created 1.7e9\n'
    assert [name for name, _, _ in read(text)] == ["vllm:a_sum", "vllm:a_count"]


def test_there_is_a_bound_on_samples() -> None:
    """Past it nothing more is read, and that is told."""
    found = WANTED.read(b"vllm:a 1\n" * (MAX_SAMPLES + 1))
    assert (len(found.samples), found.is_cut) == (MAX_SAMPLES, True)
    assert not WANTED.read(b"vllm:a 1\n" * MAX_SAMPLES).is_cut


def test_a_line_that_is_too_long_is_not_read() -> None:
    """However it would go on."""
    long = b'vllm:a{x="' + b"y" * MAX_LINE + b'"} 1\n'
    assert WANTED.read(long + b"vllm:b 1\n").samples == WANTED.read(b"vllm:b 1\n").samples


@settings(max_examples=300)
@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    """Nothing is raised, and whatever comes of it is a finite number of 0 or more."""
    for text in (data, b"vllm:a" + data, b"vllm:a{" + data + b"} 1", b'vllm:a{x="' + data + b'"} 1\n'):
        found = WANTED.read(text)
        assert all(math.isfinite(one.value) and one.value >= 0 for one in found.samples)


LABELS = st.dictionaries(
    st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(lambda name: not name.startswith("__")),
    st.text(
        st.characters(exclude_categories=("Cs",), exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"),
        max_size=12,
    ),
    max_size=4,
)
LINES = st.lists(st.tuples(LABELS, st.floats(min_value=0, allow_nan=False, allow_infinity=False)), max_size=8)


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


@settings(max_examples=200)
@given(LINES)
def test_it_reads_what_the_reference_parser_reads(lines: list[tuple[dict[str, str], float]]) -> None:
    """On well-formed text it finds the samples that prometheus_client's own parser finds."""
    text = "# TYPE vllm:a gauge\n"
    for labels, value in lines:
        inner = ",".join(f'{name}="{escaped(said)}"' for name, said in labels.items())
        text += f"vllm:a{{{inner}}} {value!r}\n"
    families = text_string_to_metric_families(text)
    expected = [(one.name, one.labels, float(one.value)) for family in families for one in family.samples]
    assert read(text) == expected
