"""The place at which something turned."""

from __future__ import annotations

import random
from math import comb

import pytest

from trimtab.statistics.turning import Next, Tally, following, leaning, turning


def searched(shares: list[float], seed: int, samples: int = 10, *, every: bool = False) -> tuple[int, dict[int, Tally]]:
    """A search in which trials at each place end well with these shares."""
    draw, tallies = random.Random(seed), dict[int, Tally]()
    while True:
        found = following(tallies, len(shares), samples, every=every)
        if found.place is None:
            return found.at, tallies
        tally = tallies.get(found.place, Tally())
        assert tally.trials < samples
        tallies[found.place] = Tally(tally.good + (draw.random() < shares[found.place]), tally.trials + 1)


@pytest.mark.parametrize("places", [1, 2, 3, 7, 20, 100])
def test_a_sure_place_is_found_wherever_it_is(places: int) -> None:
    """Where trials end well up to a place and never behind it, that is the place, with few others tried."""
    for at in range(places):
        shares = [1.0] * (at + 1) + [0.0] * (places - at - 1)
        found, tallies = searched(shares, 1)
        assert found == at
        assert len(tallies) <= places.bit_length() + 2


def test_noise_leads_astray_as_seldom_as_is_said() -> None:
    """Of 400 searches over 16 places, at 0.8 before and 0.05 behind, at most 5 % name another place."""
    wrong = 0
    for seed in range(400):
        at = seed % 16
        found, _ = searched([0.8] * (at + 1) + [0.05] * (15 - at), seed, samples=15)
        wrong += found != at
    assert wrong <= 20


def test_nothing_to_find() -> None:
    """Where not even trials from the first place on end well, no other place is tried."""
    found, tallies = searched([0.0] * 9, 1)
    assert (found, list(tallies)) == (-1, [0])


def test_every_place_from_the_last_on() -> None:
    """Of two places that turned it, the last is found; the share had risen again between them."""
    shares = [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    found, tallies = searched(shares, 1, every=True)
    assert found == 4
    assert not turning(tallies | {2: Tally(0, 10)}, 4, 8).falling


def test_how_sure_it_is() -> None:
    """Fisher's exact test by hand, for each place that could have been named; the last place needs none."""
    tallies = {0: Tally(10, 10), 3: Tally(9, 10), 4: Tally(0, 10)}
    sure = turning(tallies, 3, 12)
    assert sure.p_value == pytest.approx(12 * 10 / comb(20, 9))
    assert (round(sure.here.low, 3), round(sure.behind.high, 3), sure.falling) == (0.555, 0.308, True)
    assert turning({0: Tally(5, 5)}, 0, 1).p_value == 0.0
    assert turning({0: Tally(1, 5), 1: Tally(1, 5)}, 0, 2).p_value == 1.0


def test_wald_decides_by_hand() -> None:
    """At 0.5 against 0.1 a good trial weighs ln 5, a bad one ln(0.5/0.9); the limit at 1 % is ln 99."""
    assert leaning(Tally(3, 3), 0.5, 0.01) == "back"
    assert leaning(Tally(2, 2), 0.5, 0.01) == ""
    assert leaning(Tally(0, 8), 0.5, 0.01) == "gone"
    assert leaning(Tally(0, 7), 0.5, 0.01) == ""


@pytest.mark.parametrize(("places", "samples"), [(0, 5), (5, 0)])
def test_no_search(places: int, samples: int) -> None:
    """Without places or samples there is none."""
    with pytest.raises(ValueError, match="no search"):
        following({}, places, samples)


def test_the_first_place_is_known_first() -> None:
    """It has all its trials before another one has any."""
    assert following({0: Tally(4, 4)}, 6, 5) == Next(0)
    assert following({0: Tally(5, 5)}, 6, 5) == Next(3)
