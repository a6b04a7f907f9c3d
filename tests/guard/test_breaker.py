import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.guard.breaker import (
    Check,
    Position,
    Rules,
    Votes,
    after_check,
    after_failure,
    after_success,
    open_s,
    state,
    trial_at,
    vote,
)
from trimtab.guard.outcome import Outcome

RULES = Rules()
CLOSED = Position(0, 0.0)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("deadline_connect"),
        Outcome("deadline_first_token", 200),
        Outcome("deadline_gap", 200, content_started=True),
        Outcome("upstream_truncated", 200, content_started=True),
        Outcome("upstream_error"),
        Outcome("upstream_error", 200),
        Outcome("upstream_error", 500),
        Outcome("upstream_error", 503),
        Outcome("deadline_total"),
    ],
)
def test_what_counts_against_a_replica(outcome):
    """Refused connections, silence, cut answers, 5xx and error events, and a total limit without any content."""
    assert vote(outcome) == "fails"


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("rate_limited", 429),
        Outcome("upstream_error", 401),
        Outcome("upstream_error", 408),
        Outcome("invalid_request", 400),
        Outcome("client_gone", 200, content_started=True, client_gone=True),
        Outcome("upstream_truncated", 200, client_gone=True),
        Outcome("deadline_total", 200, content_started=True),
        Outcome("deadline_total", shortened=True),
        Outcome("internal"),
    ],
)
def test_what_says_nothing_of_a_replica(outcome):
    """Refusals of the request or the account, clients that left, and limits that the client had set."""
    assert vote(outcome) == "silent"


def test_an_answer_counts_for_a_replica():
    """A whole answer is a vote for it, unless nobody was there to see its end."""
    assert vote(Outcome("ok", 200, content_started=True)) == "works"


def test_five_failures_in_a_row_open():
    """The fifth failure without a success between opens the breaker, the fourth does not."""
    assert after_failure(CLOSED, Votes(4, 4, 4), 50.0, RULES, trial=False) == CLOSED
    assert after_failure(CLOSED, Votes(5, 5, 5), 50.0, RULES, trial=False) == Position(1, 50.0)


def test_half_of_ten_votes_open():
    """Half of at least ten votes within the window opens it; less than half or fewer votes do not."""
    assert after_failure(CLOSED, Votes(1, 5, 10), 50.0, RULES, trial=False) == Position(1, 50.0)
    assert after_failure(CLOSED, Votes(1, 4, 9), 50.0, RULES, trial=False) == CLOSED
    assert after_failure(CLOSED, Votes(1, 49, 100), 50.0, RULES, trial=False) == CLOSED


@pytest.mark.parametrize(("opens", "seconds"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (255, 60)])
def test_the_open_time_doubles_to_its_cap(opens, seconds):
    """5 s at first, twice as long each time a trial fails, 60 s at most."""
    assert open_s(opens, RULES) == seconds


def test_an_open_breaker_becomes_half_open():
    """Open for 5 s after the first opening, half-open from then on."""
    position = Position(1, 100.0)
    assert state(position, None, 104.99, RULES) == "open"
    assert state(position, None, 105.0, RULES) == "half_open"
    assert state(Position(0, 100.0), None, 104.0, RULES) == "closed"


def test_only_the_trial_moves_an_open_breaker():
    """Calls that were under way when it opened neither close it nor lengthen it; the trial does."""
    position = Position(1, 100.0)
    assert after_failure(position, Votes(9, 9, 9), 103.0, RULES, trial=False) == position
    assert after_success(position, 103.0, trial=False) == position
    assert after_failure(position, Votes(1, 1, 1), 106.0, RULES, trial=True) == Position(2, 106.0)
    assert after_success(position, 106.0, trial=True) == Position(0, 106.0)


def test_a_failing_check_spares_a_replica():
    """While its health checks fail no call is spent on a trial, for 60 s at most."""
    position = Position(1, 100.0)
    failing = Check(at=108.0, failed=2, known=True, recovered=False)
    assert trial_at(position, failing, 109.0, RULES) == 160.0
    assert trial_at(position, failing._replace(known=False), 109.0, RULES) == 105.0
    assert trial_at(position, failing, 123.1, RULES) == 105.0, "a check of more than 15 s ago says nothing"


def test_a_recovery_is_tried_at_once():
    """A check that passes after one that failed lets a trial through at once; one that always passed does not."""
    position = Position(5, 100.0)
    back = Check(at=112.0, failed=0, known=True, recovered=True)
    assert trial_at(position, back, 112.5, RULES) == 112.0
    assert trial_at(position, back._replace(recovered=False), 112.5, RULES) == 160.0
    assert trial_at(position, back._replace(at=99.0), 100.5, RULES) == 160.0, "it came before the opening"


def test_failed_checks_open_a_closed_breaker():
    """Two failed checks in a row of a replica that passed before open it, one or an unknown route does not."""
    check = Check(at=50.0, failed=2, known=True, recovered=False)
    assert after_check(CLOSED, check, RULES) == Position(1, 50.0)
    assert after_check(CLOSED, check._replace(failed=1), RULES) == CLOSED
    assert after_check(CLOSED, check._replace(known=False), RULES) == CLOSED
    assert after_check(Position(3, 9.0), check, RULES) == Position(3, 9.0)


EVENTS = st.lists(st.tuples(st.sampled_from(["fail", "work", "wait"]), st.booleans()), max_size=60)


@given(EVENTS)
def test_any_history_keeps_the_order_of_states(events):
    """Closed opens, open becomes half-open by time alone, half-open ends by its trial: nothing else ever happens."""
    position, now, in_a_row = CLOSED, 0.0, 0
    for kind, trial in events:
        now += 7.0 if kind == "wait" else 0.25
        before = state(position, None, now, RULES)
        trial_allowed = trial and before == "half_open"
        if kind == "fail":
            in_a_row += 1
            after = after_failure(position, Votes(in_a_row, in_a_row, in_a_row), now, RULES, trial=trial_allowed)
        elif kind == "work":
            in_a_row = 0
            after = after_success(position, now, trial=trial_allowed)
        else:
            after = position
        seen = state(after, None, now, RULES)
        allowed = {
            "closed": {"closed", "open"} if kind == "fail" else {"closed"},
            "open": {"open"},
            "half_open": {"fail": {"open"}, "work": {"closed"}, "wait": {"half_open"}}[kind]
            if trial_allowed
            else {"half_open"},
        }
        assert seen in allowed[before]
        if after.opens > position.opens:
            assert after.since == now
        position = after
