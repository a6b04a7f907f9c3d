"""Streams of calls made from the real traces, minute by minute, with or without a planted regression.

Arrivals follow ServeGen's rates of ten minutes: each simulated day is a random one of its fourteen, a working day for a
working day, and minutes are overdispersed as those of Azure's traces are. Lengths are runs of successive answers of
Azure's conversations, and of ShareGPT's, which are longer, more of them in the afternoon. Time to first token is the
measured prefill time of Azure's contexts, in the same runs, under a load that follows the rates, with noise that lasts
for minutes and days. Shares differ by hour and day, and what fails fails in clumps within a run.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]
GROWTH: Final = math.log(1.01 / 0.99)
DAY: Final = 24 * 60
WEEK: Final = 7 * DAY
MONDAY: Final = 4 * DAY + 2_500 * WEEK
RUN: Final = 10
"""Calls of a run, on average: calls that are alike."""
LABELS: Final = {"billing": 0.45, "refund": 0.20, "delivery": 0.15, "account": 0.12, "other": 0.08}
SLOW: Final = 0.2
"""The share of calls that a slow replica takes."""


@dataclass(frozen=True)
class Regression:
    """A planted change: of which monitor, and how large."""

    name: str
    monitor: str
    size: float


@dataclass(frozen=True)
class Monitor:
    """What is watched: a share (`base`, and how far it varies between runs), labels, lengths or times."""

    name: str
    kind: str
    base: float = 0.0
    clumps: float = 0.0


MONITORS: Final = {
    one.name: one
    for one in (
        Monitor("parse", "rate", 0.01, 2.0),
        Monitor("tool_errors", "rate", 0.01, 8.0),
        Monitor("completion", "rate", 0.10, 0.2),
        Monitor("label", "shares"),
        Monitor("length", "spread"),
        Monitor("ttft", "spread"),
    )
}
REGRESSIONS: Final = (
    Regression("parse rate 99 -> 97 %", "parse", 0.03),
    Regression("parse rate 99 -> 90 %", "parse", 0.10),
    Regression("tool errors 1 -> 5 %", "tool_errors", 0.05),
    Regression("length +20 %", "length", 1.2),
    Regression("TTFT p95 x1.5", "ttft", 1.5),
    Regression("completion 90 -> 80 %", "completion", 0.20),
    Regression("a label's share 20 -> 30 %", "label", 0.30),
)
RATES: Final = (20, 200, 2_000)


@dataclass
class Stream:
    """Calls: `minute` of each since `begins`, and `value`: 0 or 1, a label's place, or a number above 0."""

    begins: int
    minutes: int
    minute: Array
    value: Array
    counted: Array | None = None

    @property
    def n(self) -> Array:
        """Calls of each minute."""
        if self.counted is None:
            self.counted = np.bincount(self.minute, minlength=self.minutes)
        return self.counted

    def sums(self, values: Array) -> Array:
        """The sum over the calls of each minute."""
        return np.bincount(self.minute, weights=values, minlength=self.minutes)


class Traces:
    """What is read of the traces, once."""

    def __init__(self, folder: Path) -> None:
        conversations = _columns(folder / "azure_conv_2023.csv")
        self.context = np.array(conversations["ContextTokens"], float)
        self.answers = np.maximum(1.0, np.array(conversations["GeneratedTokens"], float))
        self.longer = np.maximum(1.0, np.array(_columns(folder / "sharegpt_lengths.csv")["num_decode_tokens"], float))
        rates = np.array(_columns(folder / "servegen" / "language_m-large_agg_rate.csv")["total_rate_rps"], float)
        self.days = (rates[: 14 * 144] / rates[: 14 * 144].mean()).reshape(14, 144)
        profile = np.load(folder / "engine_profiles" / "h200_sxm_Llama-3.1-8B-Instruct-FP8_prefill.npz")
        self.prefill = np.interp(self.context, profile["prefill_isl"].ravel(), profile["prefill_ttft"].ravel())


@cache
def traces(folder: str) -> Traces:
    """The traces of a folder."""
    return Traces(Path(folder))


def _columns(path: Path) -> dict[str, list[str]]:
    with path.open() as file:
        rows = csv.reader(file)
        return dict(zip(next(rows), zip(*rows, strict=True), strict=True))  # type: ignore[arg-type]


class World:
    """One monitor at one rate: streams of the same kind of traffic from one source of chance."""

    def __init__(self, data: Traces, monitor: Monitor, per_hour: float, seed: tuple[int, ...]) -> None:
        self.data, self.monitor, self.per_hour = data, monitor, per_hour
        self.random = np.random.default_rng(seed)

    def stream(self, begins: int, minutes: int, regression: Regression | None = None, at: int = 0) -> Stream:
        """A stream from a minute since 1970 on; the regression holds from minute `at` of it."""
        clock = np.arange(begins, begins + minutes)
        day = (clock // DAY) - begins // DAY
        rates = self._rates(clock, day)
        n = self.random.poisson(rates * self.per_hour / 60 * self.random.gamma(4, 0.25, minutes))
        minute = np.repeat(np.arange(minutes), n)
        since = minute >= at if regression else np.zeros(len(minute), bool)
        make = {"rate": self._failures, "shares": self._labels, "spread": self._numbers}[self.monitor.kind]
        return Stream(begins, minutes, minute, make(clock, day, minute, since, rates, regression))

    def _rates(self, clock: Array, day: Array) -> Array:
        days = day[-1] + 1
        weekend = ((clock[0] // DAY + np.arange(days) - 4) % 7) >= 5
        work = [place for place in range(14) if place % 7 < 5]
        rest = [place for place in range(14) if place % 7 >= 5]
        chosen = np.where(weekend, self.random.choice(rest, days), self.random.choice(work, days))
        return self.data.days[chosen[day], (clock % DAY) // 10]

    def _runs(self, calls: int) -> tuple[Array, Array]:
        """The run of each call, and its place in it."""
        starts = self.random.random(calls) < 1 / RUN
        if calls:
            starts[0] = True
        run = np.cumsum(starts) - 1
        return run, np.arange(calls) - np.flatnonzero(starts)[run]

    def _failures(
        self, clock: Array, day: Array, minute: Array, since: Array, rates: Array, regression: Regression | None
    ) -> Array:
        base = math.log(self.monitor.base / (1 - self.monitor.base))
        logit = base + 0.2 * np.sin(2 * math.pi * (clock % DAY) / DAY) - 0.1 * (((clock // DAY - 4) % 7) >= 5)
        logit += self.random.normal(0, 0.1, day[-1] + 1)[day]
        grown = math.log(regression.size / (1 - regression.size)) - base if regression else 0.0
        run, _ = self._runs(len(minute))
        shape = 1 / self.monitor.clumps
        fate = self.random.gamma(shape, 1 / shape, run[-1] + 1 if len(run) else 0)
        chance = 1 / (1 + np.exp(-(logit[minute] + grown * since)))
        return (self.random.random(len(minute)) < np.minimum(0.95, chance * fate[run])).astype(float)

    def _labels(
        self, clock: Array, day: Array, minute: Array, since: Array, rates: Array, regression: Regression | None
    ) -> Array:
        weights = np.array(list(LABELS.values()))
        tilt = 0.1 * np.sin(2 * math.pi * (clock % DAY) / DAY)[:, None] * np.array([0, 1, -1, 0, 0])
        wave = self.random.normal(0, 0.05, (day[-1] + 1, len(weights)))[day]
        shares = np.exp(np.log(weights) + tilt + wave)
        shares /= shares.sum(1, keepdims=True)
        edges = np.cumsum(shares, 1)[minute]
        if regression:
            more = (regression.size - 0.2) / 0.8
            moved = shares * (1 - more) + more * np.eye(len(weights))[1]
            edges = np.where(since[:, None], np.cumsum(moved, 1)[minute], edges)
        run, _ = self._runs(len(minute))
        draws = self.random.random(len(minute))
        same = self.random.random(len(minute)) < 0.2
        draws = np.where(same, self.random.random(run[-1] + 1 if len(run) else 0)[run], draws)
        return np.minimum((draws[:, None] > edges).sum(1), len(weights) - 1).astype(float)

    def _numbers(
        self, clock: Array, day: Array, minute: Array, since: Array, rates: Array, regression: Regression | None
    ) -> Array:
        run, place = self._runs(len(minute))
        runs = run[-1] + 1 if len(run) else 0
        where = (self.random.integers(0, 1 << 30, runs)[run] + place) % len(self.data.answers)
        if self.monitor.name == "length":
            longer = 0.2 + 0.1 * np.sin(2 * math.pi * (clock % DAY - 8 * 60) / DAY)
            longer += self.random.normal(0, 0.03, day[-1] + 1)[day]
            other = self.random.random(runs)[run] < longer[minute]
            far = (self.random.integers(0, 1 << 30, runs)[run] + place) % len(self.data.longer)
            value = np.where(other, self.data.longer[far], self.data.answers[where])
            return np.round(np.where(since, value * regression.size, value)) if regression else value
        value = self.data.prefill[where] * self._load(clock, day, rates)[minute]
        value = value * np.exp(self.random.normal(0, 0.15, len(value)))
        if regression:
            slow = since & (self.random.random(len(value)) < SLOW)
            value = np.where(slow, value * slow_factor(tuple(self.data.prefill), regression.size), value)
        return value

    def _load(self, clock: Array, day: Array, rates: Array) -> Array:
        steps = self.random.normal(0, 0.15 * math.sqrt(1 - 0.9**2), len(clock))
        noise = _remembered(steps, 0.9)
        days = self.random.normal(0, 0.03, day[-1] + 1)[day]
        return np.exp(noise + days) / (1 - 0.3 * np.minimum(rates / 2.2, 1))


def _remembered(steps: Array, share: float) -> Array:
    """Each value is `share` of the one before and a step."""
    value, values = 0.0, []
    for step in steps.tolist():
        value = share * value + step
        values.append(value)
    return np.array(values)


@cache
def slow_factor(values: tuple[float, ...], size: float) -> float:
    """By how much a fifth of the values must grow so that the 95th percentile grows by `size`."""
    random = np.random.default_rng(7)
    sample = random.choice(np.array(values), 200_000) * np.exp(random.normal(0, 0.25, 200_000))
    slow = random.random(200_000) < SLOW
    goal = np.quantile(sample, 0.95) * size
    low, high = 1.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        grown = np.quantile(np.where(slow, sample * middle, sample), 0.95)
        low, high = (middle, high) if grown < goal else (low, middle)
    return high
