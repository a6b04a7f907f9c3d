import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import DeadlineFirstToken, InvalidRequest
from trimtab.guard.deadlines import NEVER, Clocks, Expiry, asked_total_s, total_limit_s


def clocks(*, streamed=True, connect=1.0, first=2.0, gap=0.5, total=None, began=100.0):
    return Clocks(began, streamed=streamed, connect_s=connect, first_token_s=first, gap_s=gap, total_s=total)


def test_before_the_first_attempt_only_total_runs():
    """A call that waits for its first attempt is bounded by its total limit alone."""
    assert clocks().next_at() == NEVER
    assert clocks(total=60).next_at() == 160.0


def test_the_connect_clock_fires_at_its_limit():
    """One second after an attempt began without a connection, and not before."""
    call = clocks()
    call.attempt(110.0)
    assert call.next_at() == 111.0
    assert call.look(110.999) is None
    assert call.look(111.0) == Expiry("deadline_connect", 1.0)


def test_the_first_token_clock_counts_from_the_attempt():
    """Time spent connecting is part of the first token's limit."""
    call = clocks()
    call.attempt(110.0)
    call.connected()
    assert call.next_at() == 112.0
    assert call.look(112.0) == Expiry("deadline_first_token", 2.0)


def test_the_gap_clock_runs_from_the_latest_content():
    """Each content-bearing event winds the gap clock up again; silence lets it fire."""
    call = clocks()
    call.attempt(110.0)
    call.connected()
    call.progress(111.9)
    assert call.next_at() == 112.4
    call.progress(112.3)
    assert call.look(112.5) is None
    assert call.look(112.8) == Expiry("deadline_gap", 0.5)


def test_every_attempt_has_fresh_clocks():
    """A second attempt gets the whole of every limit, whatever the first had used."""
    call = clocks()
    call.attempt(110.0)
    call.connected()
    call.progress(111.0)
    call.attempt(111.4)
    assert call.next_at() == 112.4
    call.connected()
    assert call.next_at() == pytest.approx(113.4)


def test_at_rest_only_total_runs():
    """Between two attempts no clock of an attempt can fire."""
    call = clocks(total=60)
    call.attempt(110.0)
    call.rest(110.5)
    assert call.next_at() == 160.0
    assert call.look(159.9) is None
    assert call.look(160.0) == Expiry("deadline_total", 60)


def test_the_gap_clock_stands_still_while_we_pause():
    """0.3 s before a pause and 0.2 s after it make up a gap of 0.5 s, however long the pause."""
    call = clocks()
    call.attempt(110.0)
    call.progress(110.0)
    call.pause(110.3)
    assert call.look(1000.0) is None
    call.resume(1000.3)
    assert call.next_at() == pytest.approx(1000.5)
    assert call.paused_s == pytest.approx(890.0)


def test_total_runs_while_we_pause():
    """A slow client does not lengthen the call's total limit."""
    call = clocks(total=20)
    call.attempt(110.0)
    call.progress(110.0)
    call.pause(110.1)
    assert call.look(120.0) == Expiry("deadline_total", 20)


def test_content_during_a_pause_starts_the_gap_at_its_end():
    """Bytes that were on their way when we paused wind the clock up; it starts when the pause ends."""
    call = clocks()
    call.attempt(110.0)
    call.progress(110.0)
    call.pause(110.2)
    call.progress(110.4)
    call.resume(115.0)
    assert call.next_at() == pytest.approx(115.5)
    assert call.paused_s == pytest.approx(4.8)


def test_the_longest_gap_leaves_pauses_out():
    """The longest gap is the engine's silence: our own pauses are no part of it."""
    call = clocks(gap=10)
    call.attempt(110.0)
    for at in (110.0, 110.4, 110.5):
        call.progress(at)
    call.pause(110.6)
    call.resume(119.6)
    call.progress(119.7)
    assert call.longest_gap_s == pytest.approx(0.4)


def test_a_fatal_gap_is_the_longest():
    """The gap that ended a call counts as a gap."""
    call = clocks()
    call.attempt(110.0)
    call.progress(110.1)
    call.look(110.7)
    assert call.longest_gap_s == 0.5


def test_a_whole_answer_has_connect_and_total_only():
    """A call that is not streamed is never cut by the first-token or the gap clock."""
    call = clocks(streamed=False, total=600)
    call.attempt(110.0)
    assert call.next_at() == 111.0
    call.connected()
    call.progress(111.0)
    assert call.next_at() == 700.0


def test_the_earliest_of_several_is_told():
    """When the look comes late, the clock that ran out first is named."""
    call = clocks(total=12)
    call.attempt(110.0)
    assert call.look(500.0) == Expiry("deadline_connect", 1.0)


def test_what_is_left_of_total_never_goes_below_zero():
    """A limit overrun leaves nothing, and no limit leaves None."""
    assert clocks(total=5).left_s(102.0) == 3.0
    assert clocks(total=5).left_s(200.0) == 0.0
    assert clocks().left_s(200.0) is None


def test_it_tells_its_state():
    """The representation names the clocks that run and when they fire."""
    call = clocks(total=60)
    call.attempt(110.0)
    call.connected()
    assert repr(call) == "Clocks(first token at 112.000 s, total at 160.000 s)"
    call.progress(110.5)
    call.pause(110.6)
    assert repr(call) == "Clocks(total at 160.000 s, paused)"


def test_an_expiry_becomes_its_error():
    """The error of an expiry names replica, limit and task."""
    error = Expiry("deadline_first_token", 2.0).error("http://a", "triage")
    assert isinstance(error, DeadlineFirstToken)
    assert str(error).startswith("http://a sent no token within 2.0 s; raise deadline.first_token of task triage")


@pytest.mark.parametrize(
    ("declared", "asked", "streamed", "limit"),
    [
        (None, None, True, None),
        (None, None, False, 600.0),
        (30.0, None, True, 30.0),
        (3000.0, None, False, 3000.0),
        (30.0, 5.0, True, 5.0),
        (30.0, 50.0, True, 30.0),
        (None, 5.0, True, 5.0),
        (None, 5000.0, False, 600.0),
    ],
)
def test_a_client_may_only_shorten(declared, asked, streamed, limit):
    """The total limit is the declared one (600 s for whole answers), or what the client asks if that is less."""
    assert total_limit_s(declared, asked, streamed=streamed) == limit


@pytest.mark.parametrize(("value", "seconds"), [(b"1500", 1.5), (b" 0 ", 0.0), (b"99999999999999999999", 604_800.0)])
def test_the_header_is_milliseconds(value, seconds):
    """A whole number of milliseconds becomes seconds, more than a week a week."""
    assert asked_total_s(value) == seconds


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"1e3", b"\xb2", b"1 000", b"9" * 21, b"soon"])
def test_a_header_that_is_no_number_is_refused(value):
    """Anything else is the client's mistake."""
    with pytest.raises(InvalidRequest):
        asked_total_s(value)


@given(st.binary(max_size=64))
def test_any_header_is_read_or_refused(value):
    """Foreign bytes give seconds within a week, or `InvalidRequest`."""
    try:
        seconds = asked_total_s(value)
    except InvalidRequest:
        return
    assert 0 <= seconds <= 604_800


VERBS = st.sampled_from(["attempt", "connected", "progress", "pause", "resume", "rest"])
STEPS = st.lists(st.tuples(st.integers(0, 3000), VERBS), max_size=40)


class Budgets:
    """The same rules in another form: each clock is a budget of milliseconds that is used up while it runs."""

    def __init__(self, streamed, total):
        self.streamed = streamed
        self.left = {} if total is None else {"total": total}
        self.paused = False

    def stopped(self, name):
        return name == "gap" and self.paused

    def drop(self, *names):
        for name in names:
            self.left.pop(name, None)

    def pass_time(self, ms):
        for name in self.left:
            if not self.stopped(name):
                self.left[name] -= ms

    def next_in(self):
        return min((left for name, left in self.left.items() if not self.stopped(name)), default=math.inf)

    def do(self, verb):
        if verb in ("attempt", "rest"):
            self.drop("connect", "first", "gap")
            self.paused = False
        if verb == "attempt":
            self.left["connect"] = 1000
            if self.streamed:
                self.left["first"] = 2000
        if verb == "connected":
            self.drop("connect")
        if verb == "progress" and self.streamed:
            if "gap" not in self.left:
                self.drop("connect", "first")
            self.left["gap"] = 500
        if verb in ("pause", "resume"):
            self.paused = verb == "pause"


@given(STEPS, st.booleans(), st.none() | st.integers(0, 20_000))
def test_clocks_agree_with_budgets(steps, streamed, total):
    """Over any sequence of verbs, what fires and when is what budgets used up in real time would give."""
    call = clocks(streamed=streamed, total=None if total is None else total / 1000, began=0.0)
    budgets = Budgets(streamed, total)
    now = 0
    for ms, verb in steps:
        now += ms
        budgets.pass_time(ms)
        at = now / 1000
        if verb == "connected":
            call.connected()
        else:
            getattr(call, verb)(at)
        budgets.do(verb)
        due = budgets.next_in()
        if due == math.inf:
            assert call.next_at() == NEVER
        else:
            assert call.next_at() == pytest.approx(at + due / 1000, abs=1e-6)
        assert (call.look(at + 1e-6) is not None) == (due <= 0)
