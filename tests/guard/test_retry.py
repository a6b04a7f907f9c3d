import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.guard.outcome import Outcome
from trimtab.guard.retry import Verdict, decide, may_repeat, retry_after_s

NO = Verdict(again=False, wait_s=0.0)

CAUSES = st.sampled_from(
    [
        "ok",
        "client_gone",
        "invalid_request",
        "not_found",
        "rate_limited",
        "circuit_open",
        "deadline_connect",
        "deadline_first_token",
        "deadline_gap",
        "deadline_total",
        "upstream_error",
        "upstream_truncated",
        "internal",
    ]
)
OUTCOMES = st.builds(
    Outcome,
    cause=CAUSES,
    status=st.sampled_from([0, 200, 302, 400, 401, 404, 408, 413, 422, 429, 500, 501, 502, 503, 504]),
    retry_after_s=st.none() | st.floats(0, 1e6),
    content_started=st.booleans(),
    client_gone=st.booleans(),
)
RANDOM = st.floats(0, 1, exclude_max=True)
LEFT = st.none() | st.floats(0, 1000)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("deadline_connect"),
        Outcome("deadline_first_token", status=200),
        Outcome("upstream_error"),
        Outcome("upstream_error", status=200),
        Outcome("upstream_truncated", status=200),
        Outcome("rate_limited", status=429),
        *(Outcome("upstream_error", status=status) for status in (408, 500, 502, 503, 504)),
    ],
)
def test_what_may_pass_is_tried_again(outcome):
    """Refused or slow connections, silence, early breaks and the passing statuses, as long as no content came."""
    assert may_repeat(outcome)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("ok", status=200),
        *(Outcome("upstream_error", status=status) for status in (400, 401, 403, 404, 413, 422, 302)),
        Outcome("invalid_request", status=400),
        Outcome("deadline_gap", status=200),
        Outcome("deadline_total"),
        Outcome("internal"),
        Outcome("upstream_truncated", status=200, content_started=True),
        Outcome("upstream_error", client_gone=True),
    ],
)
def test_what_stays_is_not_tried_again(outcome):
    """Refusals of the request itself, anything after content, and calls nobody waits for any more."""
    assert not may_repeat(outcome)


def test_another_replica_is_asked_at_once():
    """With one at hand that was not asked, neither back-off nor the other's `Retry-After` holds the call up."""
    outcome = Outcome("rate_limited", status=429, retry_after_s=20)
    assert decide(outcome, 1, 3, 10.0, 0.9, more_replicas=True) == Verdict(again=True, wait_s=0.0)


@pytest.mark.parametrize(("attempt", "longest"), [(1, 0.1), (2, 0.2), (3, 0.4), (6, 3.2), (7, 5.0), (1000, 5.0)])
def test_the_back_off_doubles_to_its_cap(attempt, longest):
    """Full jitter between nothing and 100 ms * 2**(attempt - 1), at most 5 s (Brooker 2015)."""
    outcome = Outcome("upstream_error", status=500)
    assert decide(outcome, attempt, 2000, None, 0.0, more_replicas=False).wait_s == 0.0
    half = decide(outcome, attempt, 2000, None, 0.5, more_replicas=False)
    assert half == Verdict(again=True, wait_s=pytest.approx(longest / 2))


def test_retry_after_is_waited_for_if_there_is_time():
    """`Retry-After: 2` is kept with 3 s left, and ends the call with 2 s left."""
    outcome = Outcome("upstream_error", status=503, retry_after_s=2.0)
    assert decide(outcome, 1, 3, 3.0, 0.5, more_replicas=False) == Verdict(again=True, wait_s=pytest.approx(2.05))
    assert decide(outcome, 1, 3, 2.0, 0.0, more_replicas=False) == NO


def test_a_long_retry_after_is_left_to_the_client():
    """Without a total limit a call still does not wait longer than 30 s for a refusing replica."""
    assert decide(Outcome("rate_limited", 429, 30.0), 1, 3, None, 0.0, more_replicas=False).again
    assert decide(Outcome("rate_limited", 429, 30.1), 1, 3, None, 0.0, more_replicas=False) == NO


def test_attempts_are_counted():
    """The last attempt allowed is the last."""
    outcome = Outcome("upstream_error")
    assert decide(outcome, 2, 3, None, 0.0, more_replicas=True).again
    assert decide(outcome, 3, 3, None, 0.0, more_replicas=True) == NO
    assert decide(outcome, 1, 1, None, 0.0, more_replicas=True) == NO


def test_no_time_left_is_no_attempt():
    """With the total limit used up nothing is tried, another replica or not."""
    assert decide(Outcome("upstream_error"), 1, 3, 0.0, 0.0, more_replicas=True) == NO


@given(OUTCOMES, st.integers(1, 10), st.integers(1, 10), LEFT, RANDOM, st.booleans())
def test_a_verdict_never_breaks_the_rules(outcome, attempt, allowed, left, random, more):
    """Never after content, for a client that left, beyond the attempts allowed or beyond what is left of total."""
    verdict = decide(outcome, attempt, allowed, left, random, more_replicas=more)
    if not verdict.again:
        assert verdict == NO
        return
    assert attempt < allowed
    assert not outcome.content_started
    assert not outcome.client_gone
    assert outcome.status not in (400, 404, 413, 422)
    assert 0 <= verdict.wait_s <= 35
    assert left is None or verdict.wait_s < left
    if more:
        assert verdict.wait_s == 0
    else:
        assert verdict.wait_s >= (outcome.retry_after_s or 0)


NOV_6 = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110, section 5.6.7


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"120", 120.0),
        (b" 0 ", 0.0),
        (b"0.5", 0.5),
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 7.0),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 7.0),
        (b"Sun Nov  6 08:49:37 1994", 7.0),
        (b"Sat, 05 Nov 1994 08:49:37 GMT", 0.0),
    ],
)
def test_retry_after_is_read(value, seconds):
    """Seconds, and the three date formats of RFC 9110, counted from now; a date in the past asks for nothing."""
    assert retry_after_s(value, NOV_6 - 7) == seconds


@pytest.mark.parametrize("value", [b"", b"-1", b"soon", b"1e9", b"9999999999", b"\xff", b"inf", b"nan", b"1 2 3 4 5"])
def test_what_is_no_retry_after_is_none(value):
    """Anything else is as if it had not been sent."""
    assert retry_after_s(value, NOV_6) is None


@given(
    st.binary(max_size=60)
    | st.from_regex(rb"[A-Z][a-z]{2}, ?[0-9]{1,2} [A-Z][a-z]{2} [0-9]{1,5} [0-9:]{1,9} ?[A-Z+-]*[0-9]*")
)
def test_any_bytes_are_seconds_or_none(value):
    """Foreign bytes never raise and never ask for negative time."""
    seconds = retry_after_s(value, NOV_6)
    assert seconds is None or 0 <= seconds < float("inf")
