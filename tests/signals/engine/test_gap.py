"""What an engine says beside what calls saw of it: over one window, and in words what a difference means."""

from __future__ import annotations

import pytest

from trimtab.signals.engine.gap import Gap, Side, calls_side, engine_side, gap
from trimtab.store.engine_samples import EngineSample, EngineSeries
from trimtab.store.histograms import of_values
from trimtab.store.slices import Slice

URL = "http://a:8000"


def line(series: EngineSeries, *values: float, model: str = "small") -> list[EngineSample]:
    """Samples of one series, a minute apart."""
    return [EngineSample(number * 60, model, URL, series, value) for number, value in enumerate(values)]


def test_the_engine_side_is_how_much_counters_grew() -> None:
    """From the first sample to the last; a gauge and a series with one sample tell nothing."""
    samples = [
        *line("requests", 10, 15, 40),
        *line("prompt_tokens", 1000, 1600),
        *line("ttft_seconds_sum", 5, 8),
        *line("ttft_seconds_count", 10, 20),
        *line("generation_tokens", 7),
        *line("queue_depth", 3, 9),
    ]
    assert engine_side(reversed(samples)) == Side(requests=30.0, prompt_tokens=600.0, ttft_s=pytest.approx(0.3))


def test_a_restart_amid_the_window_loses_nothing_that_was_counted() -> None:
    """50 to 60, then from 0 to 5 and on to 12: 22 in all."""
    assert engine_side(line("requests", 50, 60, 5, 12)).requests == 22.0


def test_models_behind_one_address_are_added_up() -> None:
    """As the calls of one address are, whichever model they asked for."""
    samples = [*line("requests", 0, 5), *line("requests", 100, 107, model="mid")]
    assert engine_side(samples).requests == 12.0


def test_the_calls_side_adds_up_all_tasks() -> None:
    """Cached input is part of the prompt, and means are those of all calls together."""
    slices = [
        Slice(
            "a", 0, URL, 2, tokens={"input": 10, "cache_read": 5, "output": 7}, spreads={"ttft": of_values([1e5, 3e5])}
        ),
        Slice("b", 0, URL, 1, tokens={"input": 1, "cache_write": 2, "output": 3}, spreads={"ttft": of_values([8e5])}),
    ]
    assert calls_side(slices) == Side(3.0, 18.0, 10.0, ttft_s=pytest.approx(0.4, rel=0.01))


def test_nothing_is_known_where_nothing_was_told() -> None:
    """No samples, no calls: unset, but that no call was made is known to be 0."""
    assert engine_side([]) == Side()
    assert calls_side([]) == Side(0.0, 0.0, 0.0)
    found = gap(URL, 3600.0, Side(), calls_side([]))
    assert (found.ttft_s, found.other_requests, found.words) == (None, None, ())


def words(engine: Side, calls: Side) -> str:
    return " | ".join(gap(URL, 3600.0, engine, calls).words)


SAME = Side(1000.0, 50_000.0, 20_000.0, ttft_s=0.2, tpot_s=0.02, queue_s=0.01)


def test_two_sides_that_agree_need_no_words() -> None:
    """Within 5 % of counts and a fifth of times."""
    assert words(SAME, Side(960.0, 48_000.0, 19_000.0, ttft_s=0.23, tpot_s=0.022)) == ""


def test_other_clients_show() -> None:
    """The engine counted more than went through the gateway."""
    found = gap(URL, 3600.0, SAME, Side(600.0, ttft_s=0.2))
    assert found.other_requests == 400.0
    assert "400 requests more" in found.words[0]
    assert "other clients" in found.words[0]


def test_calls_that_never_reached_the_engine_show() -> None:
    """The gateway counted more than the engine."""
    assert "500 calls more ended here" in words(SAME, Side(1500.0))


def test_time_that_is_lost_between_shows() -> None:
    """First tokens that come later than the engine sends them, and tokens that are held back."""
    found: Gap = gap(URL, 3600.0, SAME, Side(1000.0, ttft_s=0.5, tpot_s=0.06))
    assert found.ttft_s == pytest.approx(0.3)
    assert found.tpot_s == pytest.approx(0.04)
    assert any("first tokens come later" in one for one in found.words)
    assert any("holds them back" in one for one in found.words)


def test_the_engines_queue_shows() -> None:
    """Where most of the time to the first token is waiting."""
    assert "engine's queue" in words(Side(1000.0, ttft_s=2.0, queue_s=1.8), Side(1000.0, ttft_s=2.0))


def test_few_requests_say_nothing() -> None:
    """Ten calls that differ by half are no finding."""
    assert words(Side(15.0, ttft_s=0.1), Side(5.0, ttft_s=9.0)) == ""
