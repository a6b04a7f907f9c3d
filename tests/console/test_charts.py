"""Charts as SVG, and what the script is handed of them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some
from markupsafe import Markup

from tests.console.seeding import HOSTILE
from tests.store.samples import MINUTE_NS, NOON_NS
from trimtab.console.charts import Chart, Line, Mark, bars, data, embedded, meter, regrouped, span, spark, svg, told

TIMES = [NOON_NS + step * MINUTE_NS for step in range(5)]
VALUES = some.lists(some.none() | some.floats(allow_nan=True, allow_infinity=True), min_size=5, max_size=5)


def chart(*lines: Line, unit: str = "share", marks: tuple[Mark, ...] = ()) -> Chart:
    return Chart("parse", "Parse rate", unit, TIMES, lines, TIMES[0], TIMES[-1] + MINUTE_NS, marks)  # type: ignore[arg-type]


def drawn(markup: Markup) -> ET.Element:
    """The element, which must be well-formed."""
    return ET.fromstring(str(markup))


def paths(markup: Markup, name: str) -> list[str]:
    return [one.get("d", "") for one in drawn(markup).iter() if name in one.get("class", "").split()]


def test_a_line() -> None:
    """A line goes from the first step to the last over the width between the axes; at 100 % it lies at the top."""
    [path] = paths(svg(chart(Line("route", [0.9, 0.95, 1.0, 1.0, 1.0]))), "line")
    points = [tuple(map(float, point.split())) for point in re.split("[ML]", path)[1:]]
    assert [round(x) for x, _ in points] == [52, 184, 316, 448, 580]
    assert points[2][1] == points[4][1] == 8
    assert points[0][1] > points[1][1] > 8


def test_a_line_with_holes() -> None:
    """Where nothing was measured there is no line; a lone value is a dot."""
    [path] = paths(svg(chart(Line("route", [0.9, None, 0.9, 0.8, None]))), "line")
    assert re.fullmatch(r"M[\d.]+ [\d.]+h1M[\d.]+ [\d.]+L[\d.]+ [\d.]+", path)


def test_a_step_that_is_not_whole_is_dashed() -> None:
    """The line to the first and the last step, which are cut, is drawn on its own and dashed; its values stay known."""
    made = replace(chart(Line("route", [0.2, 0.8, 0.9, 0.8, 0.1])), cut=frozenset({TIMES[0], TIMES[4]}))
    whole, dashed = paths(svg(made), "line")
    assert [round(float(x)) for x in re.findall(r"[ML]([\d.]+)", whole)] == [184, 316, 448]
    assert [round(float(x)) for x in re.findall(r"[ML]([\d.]+)", dashed)] == [52, 184, 448, 580]
    assert paths(svg(made), "cut") == [dashed]
    [line] = json.loads(str(data(made)))["lines"]
    assert line["values"] == [0.2, 0.8, 0.9, 0.8, 0.1]
    assert line["whole"] == [None, 0.8, 0.9, 0.8, None]
    assert line["dashed"] == [0.2, 0.8, None, 0.8, 0.1]


def test_a_band() -> None:
    """The interval is an area that closes."""
    line = Line("route", [0.9] * 5, [0.8] * 5, [0.95] * 5)
    [band] = paths(svg(chart(line)), "band")
    assert band.startswith("M") and band.endswith("Z") and band.count("L") == 9


def test_marks() -> None:
    """A change stands where it happened, with its words; one of an alert looks otherwise."""
    marks = (Mark(NOON_NS + 5 * MINUTE_NS // 2, "lock 3f2a in force"), Mark(NOON_NS, "parse rate", "alert"))
    made = svg(chart(Line("route", [1.0] * 5), marks=marks))
    assert [path.split()[0] for path in paths(made, "mark")] == ["M382", "M52"]
    assert [one.text for one in drawn(made).iter() if one.tag == "title"] == ["lock 3f2a in force", "parse rate"]


def test_somebody_who_does_not_see_it_hears_it() -> None:
    """The picture's label tells each line's least, most and last."""
    made = drawn(svg(chart(Line("route", [0.9, 1.0, None, 0.95, None]))))
    assert made.get("aria-label") == "Parse rate: route 90 % to 100 %, last 95 %"
    assert drawn(svg(chart())).get("aria-label") == "Parse rate: no calls in this range"


@given(VALUES, VALUES, VALUES, some.sampled_from(["share", "s", "usd", "tokens", "bytes"]))
def test_whatever_is_drawn_is_well_formed(
    values: list[float | None], low: list[float | None], high: list[float | None], unit: str
) -> None:
    """No value breaks the picture or gets a number that is none into it, nor into the script's JSON."""
    made = chart(Line("x", values, low, high), unit=unit)
    text = str(svg(made))
    ET.fromstring(text)
    assert not re.search(r"\b(nan|inf)\b", re.sub(r'aria-label="[^"]*"', "", text))
    json.loads(str(data(made)), parse_constant=pytest.fail)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_stay_words(text: str) -> None:
    """Neither the picture nor the JSON beside it can be ended by what stands in it."""
    made = chart(Line(text, [1.0] * 5), marks=(Mark(NOON_NS, text),))
    drawn(svg(made))
    handed = str(data(made))
    assert not set(handed) & set("<>&")
    assert json.loads(handed)["lines"][0]["values"] == [1.0] * 5


def test_json_that_no_html_ends() -> None:
    """Angle brackets and ampersands are escaped, and mean the same."""
    assert str(embedded({"a": "</script>&"})) == '{"a":"\\u003c/script\\u003e\\u0026"}'


@pytest.mark.parametrize(
    ("unit", "values", "ends"),
    [
        ("share", [0.99, 1.0], (0.97, 1.0)),
        ("share", [0.01], (0.0, 0.03)),
        ("s", [0.3], (0.0, 0.5)),
        ("s", [1.0], (0.0, 1.0)),
        ("tokens", [0.0], (0.0, 1.0)),
        ("usd", [], (0.0, 1.0)),
    ],
)
def test_axes_begin_at_nothing_but_for_rates(unit: str, values: list[float], ends: tuple[float, float]) -> None:
    """Rates are shown from near where they are; everything else from 0 up to a round number."""
    assert span(chart(Line("x", values), unit=unit)) == pytest.approx(ends)


def test_small_pictures() -> None:
    """A spark, bars and a meter are pictures with words; of nothing there is a dash."""
    assert drawn(spark([1.0, 2.0, 3.0], "rising")).get("aria-label") == "rising"
    assert len([one for one in drawn(bars([1, 0, 3])).iter() if one.tag == "rect"]) == 2
    assert [one.get("width") for one in drawn(meter(0.5)).iter() if one.tag == "rect"] == ["48", "24"]
    assert [one.get("width") for one in drawn(meter(7.0)).iter() if one.tag == "rect"] == ["48", "48"]
    for nothing in (spark([]), spark([1.0]), bars([]), bars([0, 0]), meter(None), meter(float("nan"))):
        assert "none" in nothing


def test_bars_of_a_distribution() -> None:
    """Bins that grow by a constant factor are put together in groups of one width; no value is lost."""
    bins = [(1.02**step, 1.02 ** (step + 1), 1) for step in range(200)]
    groups = regrouped(bins, 20)
    assert (len(groups), sum(groups)) == (20, 200)
    assert max(groups) - min(groups) <= 1
    assert regrouped([]) == ()
    assert sum(regrouped([(0.0, 5.0, 3)])) == 3


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.5, "share", "50 %"),
        (0.21, "s", "210 ms"),
        (0.002, "usd", "$0.002"),
        (1234, "bytes", "1.23 kB"),
        (7, "count", "7"),
    ],
)
def test_values_in_their_unit(value: float, unit: str, text: str) -> None:
    """An axis is labelled in the chart's unit."""
    assert told(value, unit) == text  # type: ignore[arg-type]
