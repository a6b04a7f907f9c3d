"""The roll-up of slices in ClickHouse: the same as the calls say, of whichever rows a question is answered."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.store.samples import MINUTE_NS, NOON_NS, call
from trimtab.record.events import Settled, ToolOutcome, Usage
from trimtab.store import statements
from trimtab.store.clickhouse import ClickHouseTelemetry
from trimtab.store.filling import MOST_CALLS, Quarter, pieces
from trimtab.store.histograms import GAMMA, bucket_of
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.slice_pieces import Piece
from trimtab.store.slice_pieces import pieces as pieces_of
from trimtab.store.slices import DIMENSIONS, SliceQuery
from trimtab.store.telemetry import Batch, ReportQuery

NOON = NOON_NS // MINUTE_NS
FUNCTIONS = statements.load("slices_schema.sql")["slice_functions"]
BUCKETS = f"WITH {FUNCTIONS} SELECT arrayMap(x -> bucket(x), {{values:Array(Float64)}})"


def in_sql(telemetry: ClickHouseTelemetry, values: list[float]) -> list[int]:
    """The buckets that the roll-up would count values in."""
    return list(telemetry._client.query(BUCKETS, {"values": values}).result_rows[0][0])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(min_value=5e-324, max_value=1.7e308), min_size=1, max_size=50))
def test_any_value_lies_in_one_bucket(embedded: ClickHouseTelemetry, values: list[float]) -> None:
    """SQL and Python put a number into the same bucket, from the smallest to the largest there are."""
    assert in_sql(embedded, values) == [bucket_of(value) for value in values]


def test_edges_lie_in_one_bucket(embedded: ClickHouseTelemetry) -> None:
    """So they do with powers of GAMMA, where a bucket ends, their neighbours, and whole numbers."""
    powers = [GAMMA**power for power in range(-2000, 2500)]
    near = [math.nextafter(value, side) for value in powers for side in (0.0, math.inf)]
    whole = [float(number) for number in (*range(1, 20_000), *(2**power for power in range(64)))]
    for values in (powers, near, whole):
        for begin in range(0, len(values), 1000):
            some = values[begin : begin + 1000]
            assert in_sql(embedded, some) == [bucket_of(value) for value in some]
    assert [bucket_of(value) for value in powers] == list(range(-2000, 2500))


def test_what_is_not_above_0_lies_lowest(embedded: ClickHouseTelemetry) -> None:
    """Zero and what is below it are counted apart from every bucket."""
    assert in_sql(embedded, [0.0, -3.0]) == [-(2**31)] * 2


def some_calls(seed: int, count: int) -> list[Settled]:
    """Calls over three hours around noon, of a few values in each dimension."""
    drawn = random.Random(seed)
    calls = []
    for number in range(count):
        made = call(
            f"c{seed}-{number}",
            NOON_NS + drawn.randrange(-90 * MINUTE_NS, 90 * MINUTE_NS),
            task=drawn.choice(["route", "extract"]),
            model=drawn.choice(["small", "large"]),
            outcome=drawn.choice(["ok", "ok", "upstream_timeout"]),
            cost=drawn.choice([("exact", 70), ("estimated", 9), ("unknown", None)]),
            usage=drawn.choice([None, Usage(drawn.randrange(4000), 3, 2, 1)]),
            ttft_s=drawn.choice([None, 0.0, drawn.lognormvariate(-1, 1)]),
            total_s=drawn.lognormvariate(0, 1),
            answer_tokens=drawn.randrange(300),
            verdict=drawn.choice(["", "valid", "invalid", "truncated"]),
            repairs=drawn.randrange(2),
            finish_reason=drawn.choice(["stop", "length", ""]),
            replica=drawn.choice(["r1", "r2", "r3"]),
            tool_outcomes=tuple(
                ToolOutcome(drawn.choice(["find", "send it"]), drawn.choice(["valid", "unknown_tool", "bad_json"]), 1)
                for _ in range(drawn.randrange(3))
            ),
        )
        facts = {
            "lock": drawn.choice(["l1", "l2"]),
            "snapshot": drawn.choice(["s1", "s2", "s3"]),
            "prompt": drawn.choice(["p1", "p2", ""]),
            "key": drawn.choice(["k1", "k2"]),
            "environment": drawn.choice(["live", "test"]),
        }
        calls.append(replace(made, admitted=replace(made.admitted, **facts)))
    return calls


@pytest.fixture
def both(embedded: ClickHouseTelemetry) -> tuple[ClickHouseTelemetry, MemoryTelemetry]:
    """The same calls in a store of each kind, in batches of different sizes."""
    memory = MemoryTelemetry()
    for seed, count in enumerate((400, 1, 100)):
        batch = Batch(tuple(some_calls(seed, count)))
        embedded.insert(batch, f"t{seed}")
        memory.insert(batch, f"t{seed}")
    return embedded, memory


WINDOWS = {
    "whole hours": (-60, 60, 0),
    "a quarter with ends": (-17, 22, 0),
    "no whole quarter": (-3, 4, 0),
    "steps of a quarter": (-50, 51, 900),
    "steps of an hour": (-80, 77, 3600),
    "steps of five minutes": (-33, 30, 300),
    "nothing": (1000, 2000, 0),
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_it_is_what_the_calls_say(
    both: tuple[ClickHouseTelemetry, MemoryTelemetry], window: tuple[int, int, int]
) -> None:
    """By every dimension, in windows that fit the rows of the roll-up and in others, all figures are those of lists."""
    since, until, step_s = window
    for by in DIMENSIONS:
        query = SliceQuery(NOON_NS + since * MINUTE_NS, NOON_NS + until * MINUTE_NS, by=by, step_s=step_s)
        found, meant = both[0].slices(query), both[1].slices(query)
        assert found == meant
        narrowed = replace_query(query, tasks=("route",), only=meant[-1].value if meant else "")
        assert both[0].slices(narrowed) == both[1].slices(narrowed)
        for tasks in ((), ("route",)):
            across = replace_query(query, tasks=tasks, across=True)
            assert both[0].slices(across) == both[1].slices(across)


def replace_query(query: SliceQuery, **fields: Any) -> SliceQuery:
    return SliceQuery(**vars(query) | fields)


@pytest.mark.parametrize("model", ["", "small"])
def test_locks_are_what_the_calls_say(both: tuple[ClickHouseTelemetry, MemoryTelemetry], model: str) -> None:
    """Calls, snapshots and times of each lock, and times of each prompt, in windows with and without ends, and of one
    model.
    """
    for since, until in ((-60, 60), (-17, 22), (-3, 4), (10, 10)):
        query = ReportQuery(NOON_NS + since * MINUTE_NS, NOON_NS + until * MINUTE_NS, ("route",), model=model)
        assert both[0].locks(query) == both[1].locks(query)
        assert both[0].prompt_uses(query) == both[1].prompt_uses(query)


def test_pieces_of_a_window() -> None:
    """Whole quarters are read of coarse rows, their ends of minutes by task, and of calls by anything else."""
    noon = NOON_NS
    assert NOON % 15 == 0

    def found(**fields: Any) -> list[Piece]:
        pieces = pieces_of(SliceQuery(noon - 17 * MINUTE_NS, noon + 22 * MINUTE_NS, **fields))
        return [Piece(one.first_minute - NOON, one.end_minute - NOON, one.of) for one in pieces]

    assert found() == [(-17, -15, "minute"), (-15, 15, "task"), (15, 22, "minute")]
    assert found(by="environment") == found()
    assert found(by="lock", step_s=1800) == [(-17, -15, "calls"), (-15, 15, "lock"), (15, 22, "calls")]
    assert found(by="lock", step_s=300) == [(-17, 22, "calls")]
    assert found(by="replica", across=True)[1] == (-15, 15, "replicas")
    assert found(by="model", across=True)[1] == (-15, 15, "models")
    assert found(by="model", across=True, tasks=("route",))[1] == (-15, 15, "model")
    assert found(by="prompt", across=True)[1] == (-15, 15, "prompt")
    assert found(step_s=60) == [(-17, 22, "minute")]


def test_a_roll_up_is_filled_in_pieces() -> None:
    """Quarters are put together up to the bound, within a day; one that holds more alone is one piece."""
    day = 96
    quarters = [
        Quarter(0, MOST_CALLS // 2),
        Quarter(1, MOST_CALLS // 2),
        Quarter(2, 1),
        Quarter(9, 5 * MOST_CALLS),
        Quarter(day - 1, 1),
        Quarter(day, 1),
        Quarter(day + 4, 1),
    ]
    assert list(pieces(quarters)) == [(0, 30), (30, 45), (135, 150), (1425, 1440), (1440, 1515)]
    assert list(pieces([])) == []
