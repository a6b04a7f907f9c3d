"""Coverage: calls of a form that has a case are covered whatever fills it in; others are told in clusters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.data.coverage import LIKENESS, coverage
from trimtab.data.text import words

FORMS = (
    "where is my parcel with the number {} it has not come to the house yet",
    "please send the invoice {} again to the address that I gave you last time",
    "my password does not work any more since the update {} of the app on my phone",
)


def calls(form: int, count: int) -> list[list[str]]:
    return [words(FORMS[form].format(1000 + 37 * number)) for number in range(count)]


def test_shares_and_clusters() -> None:
    """Of 20 calls of three forms, one with a case, 12 are not covered, in two clusters, the larger first."""
    found = coverage(calls(0, 1), [*calls(0, 8), *calls(1, 5), *calls(2, 7)], propose=3)
    assert (found.calls, found.uncovered, found.share) == (20, 12, 0.6)
    assert (found.low, found.high) == pytest.approx((0.3866, 0.7812), abs=5e-5)  # Wilson for 12 of 20
    assert [cluster.calls for cluster in found.clusters] == [7, 5]
    assert 13 <= found.clusters[0].example < 20
    assert [place >= 13 for place in found.proposed] == [True, False, True]
    assert min(found.nearest[:8]) > LIKENESS.threshold > max(found.nearest[8:])


def test_nothing_to_compare() -> None:
    """Without cases nothing is covered; without calls nothing is known."""
    assert coverage([], calls(0, 3)).share == 1.0
    none = coverage(calls(0, 3), [])
    assert (none.calls, none.share, none.low, none.high) == (0, 0.0, 0.0, 1.0)


WORDS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=10)


@given(WORDS, WORDS, st.integers(0, 12))
def test_figures_agree(cases: list[list[str]], live: list[list[str]], propose: int) -> None:
    """Clusters hold every uncovered call once, proposals are uncovered and different; a case covers its own words."""
    found = coverage(cases, live, propose)
    uncovered = [place for place, near in enumerate(found.nearest) if near < LIKENESS.threshold]
    assert len(uncovered) == found.uncovered == sum(cluster.calls for cluster in found.clusters)
    assert len(set(found.proposed)) == len(found.proposed) == min(propose, found.uncovered)
    assert set(found.proposed) <= set(uncovered)
    assert coverage(live, [said for said in live if said]).uncovered == 0
