"""What every telemetry store must do: in memory, in chDB, and over ClickHouse's HTTP interface."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from tests.store.samples import MINUTE_NS, NOON_NS, SECOND_NS, attempt, call, change, filled
from trimtab.record.events import Admitted, Attempt, Change, Settled, Usage
from trimtab.store.telemetry import (
    DAY_NS,
    RELATIVE_ERROR,
    Batch,
    CallFilter,
    CostSum,
    Counts,
    Distribution,
    ReportQuery,
    SampleQuery,
    Telemetry,
)

HOUR = ReportQuery(NOON_NS - 30 * MINUTE_NS, NOON_NS + 30 * MINUTE_NS)


def put(telemetry: Telemetry, *events: Settled | Attempt | Change | Admitted, token: str = "t") -> None:
    telemetry.insert(Batch.of(events), token)


def names(calls: tuple[Settled, ...]) -> list[str]:
    return [found.admitted.call for found in calls]


def test_every_field_of_every_event_comes_back(telemetry: Telemetry) -> None:
    """What was inserted is what is read, field for field, with nothing joined and nothing dropped."""
    settled, tried, changed = filled(Settled), filled(Attempt), filled(Change)
    tried = msgspec.structs.replace(tried, call=settled.admitted.call)
    put(telemetry, settled, tried, changed)
    found = telemetry.call(settled.admitted.call)
    assert found is not None
    assert found.call == settled
    assert found.attempts == (tried,)
    assert telemetry.changes(0, 2**62, 10) == (changed,)


def test_what_was_left_out_comes_back_as_left_out(telemetry: Telemetry) -> None:
    """Unknown usage, cost and times stay None: they never turn into zeros."""
    bare = call("a", usage=None, cost=("unknown", None))
    put(telemetry, bare, attempt("a"))
    found = telemetry.call("a")
    assert found is not None
    assert (found.call, found.attempts) == (bare, (attempt("a"),))
    assert telemetry.tail(CallFilter()) == (bare,)


def test_a_call_nobody_made_is_none(telemetry: Telemetry) -> None:
    """An id that is not in the store gives None."""
    put(telemetry, call("a"))
    assert telemetry.call("b") is None


def test_the_same_token_counts_once(telemetry: Telemetry) -> None:
    """A batch sent three times under one token is stored once, in the base tables and in the roll-up."""
    events = [call(f"c{n}") for n in range(5)] + [attempt("c0"), change("x")]
    for _ in range(3):
        put(telemetry, *events)
    assert telemetry.count() == Counts(calls=5, attempts=1, changes=1, rolled_up=5)


def test_another_token_counts_again(telemetry: Telemetry) -> None:
    """The token alone tells batches apart: equal rows under another token are other rows."""
    put(telemetry, call("a"), token="one")
    put(telemetry, call("a"), token="two")
    assert telemetry.count() == Counts(calls=2, rolled_up=2)


def test_a_batch_over_midnight_counts_once(telemetry: Telemetry) -> None:
    """A batch whose calls ended on two days, sent twice, is stored once on both."""
    midnight = NOON_NS + DAY_NS // 2
    for _ in range(2):
        put(telemetry, call("before", midnight - 1), call("after", midnight))
    assert telemetry.count() == Counts(calls=2, rolled_up=2)


def test_an_empty_batch_is_nothing(telemetry: Telemetry) -> None:
    """Admitted alone makes no row."""
    put(telemetry, call("a").admitted)
    assert telemetry.count() == Counts()


def test_opened_again_it_holds_what_it_held(open_again: Callable[[], Telemetry]) -> None:
    """Migrating a store that is up to date keeps its rows, and tokens are remembered."""
    first = open_again()
    first.migrate()
    put(first, call("a"))
    second = open_again()
    second.migrate()
    put(second, call("a"))
    assert second.count() == Counts(calls=1, rolled_up=1)
    second.close()


def test_tail_is_newest_first(telemetry: Telemetry) -> None:
    """Calls come by the time they ended, newest first, as many as asked for."""
    put(telemetry, *(call(f"c{n}", NOON_NS + n * SECOND_NS) for n in (2, 0, 3, 1)))
    assert names(telemetry.tail(CallFilter(limit=3))) == ["c3", "c2", "c1"]


def test_tail_finds_what_lies_far_back(telemetry: Telemetry) -> None:
    """A filter that only old calls pass still finds them: the search widens until it has seen everything."""
    put(telemetry, call("old", NOON_NS - 20 * DAY_NS, task="rare"), call("new"))
    assert names(telemetry.tail(CallFilter(tasks=("rare",)))) == ["old"]
    assert names(telemetry.tail(CallFilter())) == ["new", "old"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (CallFilter(tasks=("route",)), ["c4", "c1"]),
        (CallFilter(tasks=("route", "extract")), ["c4", "c3", "c2", "c1"]),
        (CallFilter(model="large"), ["c3"]),
        (CallFilter(outcome="deadline_gap"), ["c2"]),
        (CallFilter(since_ns=NOON_NS + 3 * SECOND_NS), ["c4", "c3"]),
        (CallFilter(tasks=("it's; DROP TABLE calls",)), []),
        (CallFilter(tasks=("route",), outcome="deadline_gap"), []),
    ],
)
def test_tail_filters(telemetry: Telemetry, wanted: CallFilter, found: list[str]) -> None:
    """Each filter holds, and all of them hold together; a value is never part of a statement."""
    put(
        telemetry,
        call("c1", NOON_NS + 1 * SECOND_NS),
        call("c2", NOON_NS + 2 * SECOND_NS, task="extract", outcome="deadline_gap"),
        call("c3", NOON_NS + 3 * SECOND_NS, task="extract", model="large"),
        call("c4", NOON_NS + 4 * SECOND_NS),
    )
    assert names(telemetry.tail(wanted)) == found


@pytest.mark.parametrize(
    ("locks", "found"),
    [
        (("ab12" * 16,), ["c1"]),
        (("ab12",), ["c2", "c1"]),
        (("ab12" * 3, "cd"), ["c3", "c2", "c1"]),
        (("zz",), []),
        (("%", "_", "ab12' OR '1'='1"), []),
    ],
)
def test_tail_by_lock(telemetry: Telemetry, locks: tuple[str, ...], found: list[str]) -> None:
    """Calls are found by the locks that they were made under, by whole ids or their beginnings."""
    under = {"c0": "", "c1": "ab12" * 16, "c2": "ab12" * 15 + "ffff", "c3": "cd" * 32}
    calls = [call(name, NOON_NS + second * SECOND_NS) for second, name in enumerate(under)]
    admitted = [msgspec.structs.replace(one.admitted, lock=under[one.admitted.call]) for one in calls]
    put(telemetry, *(msgspec.structs.replace(one, admitted=let) for one, let in zip(calls, admitted, strict=True)))
    assert names(telemetry.tail(CallFilter(locks=locks))) == found


def test_a_sample_is_of_its_window(telemetry: Telemetry) -> None:
    """Calls of the window and the task alone are drawn, and it is told how many these are; the end is left out."""
    put(telemetry, *(call(f"c{n}", NOON_NS + n) for n in range(6)), call("x", NOON_NS + 2, task="extract"))
    sample = telemetry.sample(SampleQuery(NOON_NS + 1, NOON_NS + 5, ("route",)))
    assert sorted(names(sample.calls)) == ["c1", "c2", "c3", "c4"]
    assert sample.of == 4
    assert telemetry.sample(SampleQuery(NOON_NS + 9, NOON_NS + 99)).of == 0


def test_a_sample_is_drawn_by_its_seed(telemetry: Telemetry) -> None:
    """The same seed draws the same calls, another one others; a smaller sample is the beginning of a larger one."""
    put(telemetry, *(call(f"c{n}", NOON_NS + n) for n in range(200)))
    window = SampleQuery(NOON_NS, NOON_NS + 200, limit=50, seed=7)
    drawn = names(telemetry.sample(window).calls)
    assert len(set(drawn)) == 50
    assert telemetry.sample(window).of == 200
    assert names(telemetry.sample(replace(window, limit=10)).calls) == drawn[:10]
    assert names(telemetry.sample(replace(window, seed=8)).calls) != drawn


def test_attempts_come_in_their_order(telemetry: Telemetry) -> None:
    """The attempts of a call are its own only, by number."""
    put(telemetry, call("a"), attempt("a", 2), attempt("a", 1, cause="upstream_error"), attempt("b"))
    found = telemetry.call("a")
    assert found is not None
    assert [(tried.number, tried.cause) for tried in found.attempts] == [(1, "upstream_error"), (2, "ok")]


def test_changes_lie_in_their_window(telemetry: Telemetry) -> None:
    """The window takes in its beginning and leaves out its end; the newest change comes first."""
    put(telemetry, *(change(f"s{n}", NOON_NS + n) for n in range(4)))
    found = telemetry.changes(NOON_NS + 1, NOON_NS + 3, 10)
    assert [changed.subject for changed in found] == ["s2", "s1"]
    assert len(telemetry.changes(0, 2**62, 1)) == 1


def test_report_sums_exactly(telemetry: Telemetry) -> None:
    """Counts, tokens and money are sums to the last digit, apart by outcome and by cost label."""
    put(
        telemetry,
        call("a", usage=Usage(input=10, cache_read=1, cache_write=2, output=5, reasoning=3), cost=("exact", 2**62)),
        call("b", usage=Usage(input=20, output=7), cost=("exact", 2**62 + 1)),
        call("c", outcome="client_gone", cost=("estimated", 7), usage=Usage(input=1, output=1)),
        call("d", outcome="upstream_error", cost=("unknown", None), usage=None),
    )
    (figures,) = telemetry.report(HOUR)
    assert (figures.task, figures.model) == ("route", "")
    assert figures.outcomes == {"ok": 2, "client_gone": 1, "upstream_error": 1}
    assert figures.tokens == {"input": 31, "cache_read": 1, "cache_write": 2, "output": 13, "reasoning": 3}
    assert figures.cost == {
        "exact": CostSum(2, 2**63 + 1),
        "estimated": CostSum(1, 7),
        "unknown": CostSum(1, 0),
    }


def test_report_measures_each_over_the_calls_that_have_it(telemetry: Telemetry) -> None:
    """Total counts answered calls only; a call without a first token has no ttft, and nothing is taken for zero."""
    put(
        telemetry,
        call("a", total_s=2.0, ttft_s=0.5, tpot_s=0.05, longest_gap_s=0.2, answer_tokens=5),
        call("b", total_s=4.0),
        call("c", total_s=60.0, ttft_s=0.5, outcome="deadline_gap"),
    )
    (figures,) = telemetry.report(HOUR)
    assert {measure: spread.n for measure, spread in figures.distributions.items()} == {
        "ttft": 2,
        "tpot": 1,
        "gap": 1,
        "total": 2,
        "output": 1,
    }
    assert figures.distributions["tpot"].values == pytest.approx((0.05,) * 3, rel=RELATIVE_ERROR)
    assert figures.distributions["output"].values == (5, 5, 5)


def test_report_gives_no_quantile_of_nothing(telemetry: Telemetry) -> None:
    """A measure no call has is n = 0 without values."""
    put(telemetry, call("a"))
    (figures,) = telemetry.report(HOUR)
    assert figures.distributions["ttft"] == Distribution(0, ())


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_stored_and_not_measured(telemetry: Telemetry, odd: float) -> None:
    """One odd time neither keeps its row and its neighbours out of the store nor spoils a figure."""
    timed = {"ttft_s": odd, "tpot_s": odd, "longest_gap_s": odd, "total_s": odd}
    put(telemetry, call("a", **timed, answer_tokens=5), call("b", ttft_s=0.5))
    assert telemetry.count() == Counts(calls=2, rolled_up=2)
    (figures,) = telemetry.report(HOUR)
    assert [figures.distributions[measure].n for measure in ("ttft", "tpot", "gap", "total")] == [1, 0, 0, 0]
    assert figures.prefill.seconds == 0.5
    assert figures.decode.tokens == 0


def test_report_throughput(telemetry: Telemetry) -> None:
    """Prefill is uncached input over time to first token; decode the tokens after the first over their time."""
    put(
        telemetry,
        call("a", ttft_s=0.5, tpot_s=0.1, usage=Usage(input=100, cache_read=50, output=11), answer_tokens=11),
        call("b", ttft_s=1.5, usage=Usage(input=300, output=1), answer_tokens=1),
        call("c", ttft_s=1.5, tpot_s=0.1, usage=None, answer_tokens=None),
        call("d", usage=Usage(input=1000, output=1000), answer_tokens=1000),
    )
    (figures,) = telemetry.report(HOUR)
    assert (figures.prefill.tokens, figures.prefill.seconds) == (400, pytest.approx(2.0))
    assert (figures.decode.tokens, figures.decode.seconds) == (10, pytest.approx(1.0))


def test_report_quantiles_are_within_the_stated_error(telemetry: Telemetry) -> None:
    """Times from 0.2 ms to minutes: every quantile lies within 1 % of the exact one, over several minutes merged."""
    numbers = random.Random(7)
    times = [numbers.lognormvariate(-2, 1.5) for _ in range(3000)]
    for batch in range(3):
        part = times[batch::3]
        calls = [call(f"{batch}-{n}", NOON_NS + batch * MINUTE_NS, total_s=time) for n, time in enumerate(part)]
        put(telemetry, *calls, token=str(batch))
    levels = (0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
    (figures,) = telemetry.report(ReportQuery(HOUR.since_ns, HOUR.until_ns, levels=levels))
    exact = [sorted(times)[int(level * 2999)] for level in levels]
    assert figures.distributions["total"].values == pytest.approx(exact, rel=RELATIVE_ERROR * 1.001)


def test_report_by_task_and_model(telemetry: Telemetry) -> None:
    """Figures stand apart by task, by model on request, and may be narrowed to some."""
    put(
        telemetry,
        call("a", task="route"),
        call("b", task="extract"),
        call("c", task="extract", model="large"),
    )

    def seen(**narrowed: object) -> list[tuple[str, str, int]]:
        query = msgspec.convert({**vars(HOUR), **narrowed}, ReportQuery)
        return [(found.task, found.model, sum(found.outcomes.values())) for found in telemetry.report(query)]

    assert seen() == [("extract", "", 2), ("route", "", 1)]
    assert seen(by_model=True) == [("extract", "large", 1), ("extract", "small", 1), ("route", "small", 1)]
    assert seen(tasks=("extract",)) == [("extract", "", 2)]
    assert seen(model="small") == [("extract", "", 1), ("route", "", 1)]


def test_report_window_is_whole_minutes(telemetry: Telemetry) -> None:
    """The window takes in the minute it begins in and leaves out the minute it ends at."""
    put(telemetry, *(call(f"c{n}", NOON_NS + n * MINUTE_NS) for n in range(4)))
    (figures,) = telemetry.report(ReportQuery(NOON_NS + MINUTE_NS + 5, NOON_NS + 3 * MINUTE_NS))
    assert figures.outcomes == {"ok": 2}


def test_the_model_asked_for_stands_in_where_none_served(telemetry: Telemetry) -> None:
    """A call refused before dispatch is found and reported under the model it asked for."""
    refused = msgspec.structs.replace(call("a", model="large", outcome="circuit_open"), model="")
    put(telemetry, refused)
    assert telemetry.tail(CallFilter(model="large")) == (refused,)
    assert [found.model for found in telemetry.report(ReportQuery(HOUR.since_ns, HOUR.until_ns, by_model=True))] == [
        "large"
    ]


def test_retention_drops_whole_days_everywhere(telemetry: Telemetry) -> None:
    """Days that ended before the limit go from base and roll-up alike; the day of the limit stays whole."""
    for days in (3, 2, 1, 0):
        at_ns = NOON_NS - days * DAY_NS
        put(telemetry, call(f"c{days}", at_ns), attempt(f"c{days}", 1, at_ns), change("x", at_ns), token=str(days))
    telemetry.retain(NOON_NS - DAY_NS + MINUTE_NS)
    assert telemetry.count() == Counts(calls=2, attempts=2, changes=2, rolled_up=2)
    assert names(telemetry.tail(CallFilter())) == ["c0", "c1"]


def test_an_absurd_count_does_not_stop_the_store(telemetry: Telemetry) -> None:
    """An engine that claims 2^64 - 1 tokens gets a row like any other, and its neighbours are stored."""
    put(telemetry, call("a", usage=Usage(input=2**64 - 1, modalities={"x": 2**63})), call("b"))
    assert telemetry.count() == Counts(calls=2, rolled_up=2)
    found = telemetry.call("a")
    assert found is not None
    assert found.call.usage is not None
    assert found.call.usage.input >= 2**63 - 1


def test_a_call_is_found_by_the_id_of_its_answer(telemetry: Telemetry) -> None:
    """The id that a model's server gave an answer names its call, the last one, as far back as is asked."""
    later = call("b", NOON_NS + MINUTE_NS, upstream_id="chatcmpl-1")
    put(telemetry, call("a", NOON_NS, upstream_id="chatcmpl-1"), later)
    put(telemetry, call("c", NOON_NS, upstream_id="chatcmpl-2"), token="u")
    assert telemetry.answered_as("chatcmpl-1", NOON_NS) == "b"
    assert telemetry.answered_as("chatcmpl-2", NOON_NS) == "c"
    assert telemetry.answered_as("chatcmpl-2", NOON_NS + MINUTE_NS) == ""
    assert telemetry.answered_as("chatcmpl-3", 0) == ""
