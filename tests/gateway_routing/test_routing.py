import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.declare.project import Model
from trimtab.errors import CircuitOpen
from trimtab.gateway.board import Board
from trimtab.gateway.routing import Choice, Router, estimate_tokens
from trimtab.guard.outcome import Outcome

OK = Outcome("ok", 200, content_started=True)
REFUSED = Outcome("upstream_error")
MODELS = {
    "small": Model("small", "s", ("http://a", "http://b", "http://c")),
    "large": Model("large", "l", ("http://x",)),
}
BOTH = ("small", "large")


@pytest.fixture
def router(workers):
    """A router of the first worker."""
    return Router(workers[0], MODELS, random.Random(7).random)


def place(router, url):
    return next(choice for choice in router.replicas if choice.replica == url)


def break_(router, url, now=100.0):
    """Five refused calls in a row."""
    choice = place(router, url)
    for _ in range(5):
        router.started(choice, 1)
        router.ended(choice, 1, REFUSED, now)


def test_the_least_loaded_replica_is_asked(router):
    """Tokens decide, not calls: one long call weighs more than two short ones."""
    router.started(place(router, "http://a"), 1000)
    for _ in range(2):
        router.started(place(router, "http://b"), 300)
    router.started(place(router, "http://c"), 700)
    assert router.choose(BOTH, (), 100.0).replica == "http://b"


def test_the_load_of_other_workers_counts(workers, router):
    """A replica that another worker keeps busy is left alone."""
    other = Router(workers[1], MODELS, random.Random(1).random)
    for url in ("http://a", "http://c"):
        other.started(place(other, url), 10)
    assert {router.choose(BOTH, (), 100.0).replica for _ in range(20)} == {"http://b"}


def test_ties_are_broken_at_random(router):
    """Among idle replicas each is asked about equally often, so that workers do not march in step."""
    asked = Counter(router.choose(BOTH, (), 100.0).replica for _ in range(3000))
    assert asked.keys() == {"http://a", "http://b", "http://c"}
    assert all(850 < count < 1150 for count in asked.values())


def test_an_ended_call_weighs_nothing(router):
    """What `started` counted is taken back by `ended`, however the attempt ended."""
    choice = place(router, "http://a")
    for outcome in (OK, REFUSED, Outcome("client_gone", client_gone=True)):
        router.started(choice, 50)
        router.ended(choice, 50, outcome, 100.0)
    assert router.choose(("small",), (place(router, "http://b"), place(router, "http://c")), 100.0) == choice


def test_every_replica_is_tried_before_the_fallback(router):
    """A call that fails everywhere asks each replica of its model once, then the fallback, then begins again."""
    tried = []
    for _ in range(5):
        assert router.others(BOTH, tried, 100.0) is (len(tried) < 4)
        tried.append(router.choose(BOTH, tried, 100.0))
    assert {choice.replica for choice in tried[:3]} == {"http://a", "http://b", "http://c"}
    assert tried[3].model == "large"
    assert tried[4].model == "small"


def test_the_latest_is_asked_again_only_for_want_of_another(router):
    """With a single replica it is asked again; with two, the one before."""
    x = place(router, "http://x")
    assert router.choose(("large",), (x,), 100.0) == x
    a, b = place(router, "http://a"), place(router, "http://b")
    break_(router, "http://c")
    assert router.choose(("small",), (a, b), 101.0) == a


def test_an_open_replica_is_not_asked(router):
    """After five refusals in a row a replica gets no more calls for its open time."""
    break_(router, "http://a")
    assert {router.choose(BOTH, (), 104.9).replica for _ in range(50)} == {"http://b", "http://c"}


def test_a_fallback_stands_in_for_a_model_that_is_held_back(router):
    """With every replica of the first model open the call goes to the fallback at once."""
    for url in ("http://a", "http://b", "http://c"):
        break_(router, url)
    assert router.choose(BOTH, (), 101.0).model == "large"


def test_nothing_to_ask_is_an_error_with_a_time(router):
    """With all open the client is told when the first of them may be asked, and never less than a second."""
    for url, now in (("http://a", 100.0), ("http://b", 99.0), ("http://c", 101.0)):
        break_(router, url, now)
    with pytest.raises(CircuitOpen, match="Every replica of small") as raised:
        router.choose(("small",), (), 101.5)
    assert raised.value.retry_after_s == 2.5
    with pytest.raises(CircuitOpen) as raised:
        router.choose(("small",), (), 103.9)
    assert raised.value.retry_after_s == 1.0


def test_a_half_open_replica_gets_one_trial(workers, router):
    """The first new call takes the trial; while it is under way all others go elsewhere, in every worker."""
    other = Router(workers[1], MODELS, random.Random(1).random)
    break_(router, "http://a")
    trial = router.choose(BOTH, (), 105.0)
    assert (trial.replica, bool(trial.trial)) == ("http://a", True)
    router.started(trial, 10)
    for each in (router, other):
        assert {each.choose(BOTH, (), 105.0).replica for _ in range(30)} == {"http://b", "http://c"}


def test_a_good_trial_brings_the_replica_back(workers, router):
    """After the trial's success both workers ask the replica again."""
    other = Router(workers[1], MODELS, random.Random(1).random)
    break_(router, "http://a")
    trial = router.choose(BOTH, (), 105.0)
    router.started(trial, 10)
    router.ended(trial, 10, OK, 105.5)
    asked = {each.choose(BOTH, (), 105.6) for each in (router, other) for _ in range(30)}
    assert place(router, "http://a") in asked


def test_first_content_ends_a_trial(router):
    """A trial closes the breaker when content comes, not when its long answer is over."""
    break_(router, "http://a")
    trial = router.choose(BOTH, (), 105.0)
    router.started(trial, 10)
    router.answered(trial, 105.2)
    assert place(router, "http://a") in {router.choose(BOTH, (), 105.3) for _ in range(60)} | {
        router.choose(("small",), (place(router, "http://b"), place(router, "http://c")), 105.3)
    }
    break_(router, "http://a", 106.0)
    again = router.choose(BOTH, (), 111.0)
    assert again.trial not in (0, trial.trial)
    router.ended(trial, 10, REFUSED, 111.5)
    assert (
        router.choose(("small",), (place(router, "http://b"), place(router, "http://c")), 112.0).replica != "http://a"
    )


def test_a_failed_trial_keeps_the_replica_out(router):
    """After the trial's failure the replica is spared twice as long."""
    break_(router, "http://a")
    trial = router.choose(BOTH, (), 105.0)
    router.started(trial, 10)
    router.ended(trial, 10, REFUSED, 106.0)
    assert {router.choose(BOTH, (), 115.9).replica for _ in range(30)} == {"http://b", "http://c"}
    assert router.choose(BOTH, (), 116.0).replica == "http://a"


def test_a_trial_that_says_nothing_is_given_on(router):
    """When the trial's client leaves, the next call gets the trial."""
    break_(router, "http://a")
    trial = router.choose(BOTH, (), 105.0)
    router.started(trial, 10)
    router.ended(trial, 10, Outcome("client_gone", client_gone=True), 105.1)
    assert router.choose(BOTH, (), 105.2).replica == "http://a"


def test_a_second_attempt_prefers_what_works(router):
    """A call that has failed once takes a closed replica before any trial, and a trial before giving up."""
    break_(router, "http://a")
    b, c = place(router, "http://b"), place(router, "http://c")
    assert router.choose(("small",), (b,), 105.0) == c
    assert router.others(("small",), (b, c), 105.0)
    assert router.choose(("small",), (b, c), 105.0).replica == "http://a"


def test_routers_of_two_snapshots_share_one_trial(workers):
    """Calls under the old snapshot and the new one in one process do not both get the trial."""
    old, new = (Router(workers[0], MODELS, random.Random(seed).random) for seed in (1, 2))
    break_(old, "http://x")
    assert old.choose(("large",), (), 105.0).trial
    with pytest.raises(CircuitOpen):
        new.choose(("large",), (), 105.0)


def test_refusals_of_the_request_hold_nothing_back(router):
    """Bad requests and rate limits, however many, leave a replica in."""
    x = place(router, "http://x")
    for status, cause in ((400, "upstream_error"), (429, "rate_limited")) * 20:
        router.started(x, 1)
        router.ended(x, 1, Outcome(cause, status), 100.0)
    assert router.choose(("large",), (), 100.0) == x


def test_tokens_are_estimated_from_bytes():
    """A quarter of the bytes, and the answer's bound or 512."""
    assert estimate_tokens(4000, 256) == 1256
    assert estimate_tokens(0, None) == 512


def test_it_tells_its_state(router):
    """The representation names each replica and whether it may be asked."""
    break_(router, "http://x")
    assert repr(router) == (
        "Router(small http://a closed; small http://b closed; small http://c closed; large http://x held back)"
    )


@settings(max_examples=40)
@given(st.data())
def test_any_course_of_calls_leaves_the_board_even(tmp_path_factory, data):
    """Whatever calls do, choices are among the models asked, no trial is given twice, and all load is taken back."""
    path = tmp_path_factory.mktemp("board") / "board"
    Board.create(path, slots=2, replicas=4)
    boards = [Board.open(path, slot, f"g{slot}-x") for slot in (0, 1)]
    routers = [Router(board, MODELS, random.Random(slot).random) for slot, board in enumerate(boards)]
    now, open_calls = 100.0, []
    for _ in range(data.draw(st.integers(0, 60))):
        now += data.draw(st.sampled_from([0.0, 0.1, 3.0]))
        if open_calls and data.draw(st.booleans()):
            router, choice = open_calls.pop(data.draw(st.integers(0, len(open_calls) - 1)))
            if data.draw(st.booleans()):
                router.answered(choice, now)
            router.ended(choice, 10, data.draw(st.sampled_from([OK, REFUSED, REFUSED])), now)
            continue
        router = data.draw(st.sampled_from(routers))
        try:
            choice = router.choose(BOTH, (), now)
        except CircuitOpen as refusal:
            assert refusal.retry_after_s >= 1
            continue
        assert choice.model in BOTH
        assert choice.column in {known.column for known in router.replicas}
        router.started(choice, 10)
        open_calls.append((router, choice))
        assert boards[0].closed(choice.column) is (choice.trial == 0)
    for router, choice in open_calls:
        router.ended(choice, 10, OK, now)
    assert all(
        boards[0].in_flight(c.column) == boards[1].outstanding_tokens(c.column) == 0 for c in routers[0].replicas
    )
    for board in boards:
        board.close()


def test_a_choice_is_a_plain_tuple():
    """Model, replica, column and the trial's number, which is 0 unless it is one."""
    assert Choice("m", "http://a", 3) == ("m", "http://a", 3, 0)
