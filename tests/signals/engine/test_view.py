"""What a replica's readings come to: rates within one life of a server, restarts, several servers behind one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.signals.engine.view import MAX_KEPT, EngineRates, Restart, Track, rates_of
from trimtab.store.engine_samples import COUNTERS, EngineSeries

FIRST: dict[EngineSeries, float] = {
    "started": 1000.0,
    "prompt_tokens": 100.0,
    "generation_tokens": 50.0,
    "prefix_cache_queries": 100.0,
    "prefix_cache_hits": 20.0,
    "requests": 10.0,
    "requests_cut": 1.0,
    "preemptions": 0.0,
    "ttft_seconds_sum": 5.0,
    "ttft_seconds_count": 10.0,
    "tpot_seconds_sum": 1.0,
    "tpot_seconds_count": 10.0,
    "queue_seconds_sum": 2.0,
    "queue_seconds_count": 10.0,
}
LAST: dict[EngineSeries, float] = {
    "started": 1000.0,
    "prompt_tokens": 700.0,
    "generation_tokens": 350.0,
    "prefix_cache_queries": 700.0,
    "prefix_cache_hits": 170.0,
    "requests": 20.0,
    "requests_cut": 3.0,
    "preemptions": 4.0,
    "ttft_seconds_sum": 8.0,
    "ttft_seconds_count": 20.0,
    "tpot_seconds_sum": 1.2,
    "tpot_seconds_count": 20.0,
    "queue_seconds_sum": 2.5,
    "queue_seconds_count": 20.0,
}


def test_rates_of_a_window() -> None:
    """600 prompt tokens in 30 s of which 150 were cached, 300 generated, and the means of ten requests."""
    rates = rates_of(FIRST, LAST, 30.0)
    assert rates.window_s == 30.0
    assert rates.requests_s == pytest.approx(10 / 30)
    assert rates.prefill_tokens_s == 15.0
    assert rates.decode_tokens_s == 10.0
    assert rates.prefix_hit_share == 0.25
    assert rates.ttft_s == pytest.approx(0.3)
    assert rates.tpot_s == pytest.approx(0.02)
    assert rates.queue_s == pytest.approx(0.05)
    assert rates.preemptions == 4.0
    assert rates.cut_share == pytest.approx(0.2)


def test_what_is_not_told_or_did_not_happen_is_unset() -> None:
    """An engine without a prefix cache has no share of hits; one that did nothing has rates of 0 and no times."""
    rates = rates_of({"prompt_tokens": 1.0}, {"prompt_tokens": 7.0}, 3.0)
    assert rates == EngineRates(3.0, prefill_tokens_s=2.0)
    idle = rates_of(FIRST, FIRST, 3.0)
    assert (idle.decode_tokens_s, idle.requests_s, idle.preemptions) == (0.0, 0.0, 0.0)
    assert (idle.ttft_s, idle.prefix_hit_share, idle.cut_share) == (None, None, None)
    assert rates_of(FIRST, LAST, 0.0) == EngineRates()


def test_a_minute_is_looked_at() -> None:
    """Readings every 15 s: the rate is over the last 60 s, not over all that is kept."""
    track = Track()
    for number in range(20):
        assert track.add(15.0 * number, {"generation_tokens": float(number**2)}) is None
    rates = track.rates
    assert rates.window_s == 60.0
    assert rates.decode_tokens_s == pytest.approx((19**2 - 15**2) / 60)


def test_two_readings_that_lie_far_apart_are_enough() -> None:
    """A cadence of ten minutes has rates too, over the last ten."""
    track = Track()
    assert track.rates == EngineRates()
    track.add(0.0, {"generation_tokens": 0.0})
    track.add(600.0, {"generation_tokens": 1200.0})
    assert (track.rates.window_s, track.rates.decode_tokens_s) == (600.0, 2.0)


def test_a_later_start_is_a_restart() -> None:
    """Even where no counter went back, because the new server has done more already; rates begin anew."""
    track = Track()
    track.add(0.0, {"started": 1000.0, "requests": 5.0})
    restart = track.add(15.0, {"started": 2000.4, "requests": 50.0})
    assert restart == Restart("1000", "2000")
    assert track.rates == EngineRates()
    assert track.add(30.0, {"started": 2000.0, "requests": 65.0}) is None
    assert track.rates.requests_s == 1.0


def test_a_counter_that_goes_back_is_a_restart() -> None:
    """Of a server that does not tell when it was started."""
    track = Track()
    track.add(0.0, {"requests": 50.0, "queue_depth": 9.0})
    assert track.add(15.0, {"requests": 50.0, "queue_depth": 0.0}) is None
    assert track.add(30.0, {"requests": 3.0}) == Restart("requests 50", "requests 3")


def test_a_series_that_comes_or_goes_is_no_restart() -> None:
    """What is unset is neither more nor less than before; when it comes back it is held against what it was."""
    track = Track()
    track.add(0.0, {"requests": 50.0, "started": 1000.0})
    assert track.add(15.0, {"prompt_tokens": 1.0}) is None
    assert track.add(30.0, {"requests": 51.0, "started": 1000.0}) is None
    assert track.add(45.0, {}) is None
    assert track.add(60.0, {"requests": 50.0}) == Restart("requests 51", "requests 50")


def test_several_servers_behind_one_address_are_told_apart_from_restarts() -> None:
    """Two that answer in turn: the first change looks like a restart, the way back shows what it is."""
    track = Track()
    one, other = {"started": 1000.0, "requests": 5.0}, {"started": 2000.0, "requests": 90.0}
    told = [track.add(15.0 * number, (one, other)[number % 2]) for number in range(6)]  # type: ignore[arg-type]
    assert told == [None, Restart("1000", "2000"), None, None, None, None]
    assert track.is_mixed
    assert track.rates == EngineRates()


@given(st.lists(st.dictionaries(st.sampled_from(sorted(COUNTERS)), st.floats(0, 1e300)), max_size=100))
def test_rates_are_never_negative(readings: list[dict[EngineSeries, float]]) -> None:
    """Whatever counters do, and no more readings are kept than are to be."""
    track = Track()
    for number, values in enumerate(readings):
        track.add(float(number), values)
        rates = track.rates
        found = (rates.requests_s, rates.prefill_tokens_s, rates.decode_tokens_s, rates.prefix_hit_share)
        assert all(rate is None or rate >= 0 for rate in found)
    assert f"Track({min(len(readings), MAX_KEPT)} readings" in repr(track) or len(readings) > 1
