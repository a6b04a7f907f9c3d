"""Two runs beside each other."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.journal.logs import Writing
from trimtab.journal.alignment import Alignment, Pair, Reading, align
from trimtab.journal.entries import Asked, Checked, Decided, State
from trimtab.journal.steps import log_of


def aligned(left: Writing, right: Writing) -> Alignment:
    bodies = left.bodies | right.bodies

    def request(step: Any) -> bytes | None:
        return bodies.get(step.intent.input.digest)

    def answer(step: Any) -> bytes | None:
        return bodies.get(step.result.output.digest) if step.result is not None else None

    reading = Reading(request, answer, lambda body: bodies.get(body.digest))
    return align(log_of("l", left.log), log_of("r", right.log), reading)


def hows(found: Alignment) -> list[tuple[str, int, int]]:
    return [(pair.how, pair.left, pair.right) for pair in found.pairs]


def agent(*answers: str, given: Any = "hello") -> Writing:
    """An agent that says back what it was told each time."""
    writing, said = Writing(input=given), [given]
    for answer in answers:
        writing.step("chat", {"messages": list(said)}, answer, kind="model")
        said.append(answer)
    writing.end(said[-1])
    return writing


def test_equal_runs() -> None:
    """Two runs that did the same differ in nothing that matters, though they did it at other times."""
    found = aligned(agent("a", "b", "c"), agent("a", "b", "c"))
    assert hows(found) == [("same", 2, 2), ("same", 4, 4), ("same", 6, 6)]
    assert (found.first, found.same) == (None, 3)


def test_the_answer_that_began_it() -> None:
    """The first difference is the answer at which the runs part, not the requests that follow from it."""
    found = aligned(agent("a", "30 EUR", "c"), agent("a", "40 EUR", "d"))
    assert hows(found) == [("same", 2, 2), ("answer", 4, 4), ("request", 6, 6)]
    assert found.first is not None
    assert found.first.pair == Pair("answer", 4, 4, "chat")
    assert found.first.told == (
        'step 4 (model chat) was answered otherwise: the document differs at character 0: left "30 EUR", right "40 EUR"'
    )


def test_a_changed_prompt() -> None:
    """A request that differs, though all before it is the same, is named by its path."""
    left, right = agent("a", "b"), Writing(input="hello")
    right.step("chat", {"messages": ["hello"]}, "a", kind="model")
    right.step("chat", {"messages": ["hello", "a, and be brief"]}, "b", kind="model")
    right.end("b")
    found = aligned(left, right).first
    assert found is not None
    assert found.told == (
        "step 4 (model chat) asks for something else: "
        'messages[1] differs at character 1: left "a", right "a, and be brief"'
    )


def test_other_inputs_come_first() -> None:
    """Runs with other inputs differ in these, whatever came of it."""
    found = aligned(agent("a", given={"order": 1}), agent("a", given={"order": 2})).first
    assert found is not None
    assert (found.told, found.pair) == ("the inputs differ: order differs: left 1, right 2", None)


def test_steps_put_in_and_left_out() -> None:
    """A step that only one run has stands where it came, alone; the others keep their partners."""
    left, right = Writing(), Writing()
    for name in ("a", "b", "c"):
        left.step(name)
    for name in ("a", "x", "c"):
        right.step(name)
    found = aligned(left, right)
    assert hows(found) == [("same", 2, 2), ("left", 4, 0), ("right", 0, 4), ("same", 6, 6)]
    assert found.first is not None
    assert found.first.told == "step 4 (step b) was not taken again"


def test_parallel_branches_in_any_order() -> None:
    """Steps of two branches that came in another order are the same; within a driver's branch the order counts."""
    left, right = Writing(), Writing()
    for branch, name in (("1", "a"), ("2", "b"), ("1", "c"), ("2", "d")):
        left.step(name, branch=branch)
    for branch, name in (("2", "b"), ("2", "d"), ("1", "a"), ("1", "c")):
        right.step(name, branch=branch)
    assert aligned(left, right).first is None
    turned = Writing()
    for branch, name in (("1", "c"), ("2", "b"), ("1", "a"), ("2", "d")):
        turned.step(name, branch=branch)
    found = aligned(left, turned)
    assert found.first is not None
    assert [how for how, _, _ in hows(found)].count("moved") == 1


def test_calls_of_a_gateway_have_no_order() -> None:
    """A client that makes its calls in parallel may make them in any order."""
    left, right = Writing(through="gateway"), Writing(through="gateway")
    for name in ("a", "b", "c"):
        left.step("", name, f"answer {name}", kind="model")
    for name in ("c", "a", "b"):
        right.step("", name, f"answer {name}", kind="model")
    found = aligned(left, right)
    assert hows(found) == [("same", 2, 4), ("same", 4, 6), ("same", 6, 2)]
    assert found.first is None


def test_more_of_the_same() -> None:
    """Identical steps are told apart by their count: the third of one run is new where the other made two."""
    left, right = Writing(), Writing()
    for writing, times in ((left, 2), (right, 3)):
        for _ in range(times):
            writing.step("poll", "order 1", "pending", kind="tool")
    found = aligned(left, right)
    assert hows(found) == [("same", 2, 2), ("same", 4, 4), ("right", 0, 6)]
    assert found.first is not None
    assert found.first.told == "step 6 (tool poll) is new"


def test_outcomes_checks_reviews_and_states() -> None:
    """How a step ended, and what checks and people said of it, matters; so does a state that only differs itself."""

    def one(*, error: str = "", passed: bool = True, verdict: Any = "approved", state: str = "open") -> Writing:
        writing = Writing()
        seq = writing.begin("refund", "order 1", kind="tool")
        writing.finish(seq, "done", outcome="error" if error else "ok", error=error)
        writing.add(Checked(writing.now, seq, "limit", passed))
        writing.add(Asked(writing.now, "v1", seq, "bound"))
        writing.add(Decided(writing.now, "v1", verdict, "ana"))
        writing.add(State(writing.now, "order", writing.body(state)))
        return writing

    def told(other: Writing) -> str:
        found = aligned(one(), other).first
        return found.told if found is not None else ""

    assert told(one()) == ""
    assert told(one(error="upstream_error")) == "step 2 (tool refund) ended ok, then error (upstream_error)"
    assert told(one(passed=False)) == "checks on step 2 (tool refund) say limit passed, then limit failed"
    assert told(one(verdict="rejected")) == "reviews of step 2 (tool refund) say 1 approved, then 1 rejected"
    assert told(one(state="closed")) == "the state order differs"


def test_what_is_not_kept_is_said() -> None:
    """Where the bodies are gone, digests still tell that answers differ."""
    left, right = agent("a" * 2000, "b"), agent("c" * 2000, "b")
    left.bodies.clear()
    right.bodies.clear()
    found = aligned(left, right).first
    assert found is not None
    assert found.told == "step 2 (model chat) was answered otherwise; what it was is not kept"


@pytest.mark.parametrize("seed", range(5))
def test_one_change_is_found_where_it_is(seed: int) -> None:
    """Of 200 steps in four branches, of which one was answered otherwise, that one is named."""
    random_ = random.Random(seed)
    changed = random_.randrange(200)
    left, right = Writing(), Writing()
    order = list(range(200))
    for number in order:
        left.step(f"s{number % 7}", number, "ok", branch=str(number % 4))
    random_.shuffle(order)
    order.sort(key=lambda number: (random_.random() < 0.5, number))
    place = {}
    by_branch = [sorted(number for number in order if number % 4 == branch) for branch in range(4)]
    for number in order:
        number = by_branch[number % 4].pop(0)  # noqa: PLW2901 - branches keep their own order
        answer = "ok" if number != changed else "no"
        place[number] = right.step(f"s{number % 7}", number, answer, branch=str(number % 4))
    found = aligned(left, right)
    assert found.first is not None
    assert found.first.pair == Pair("answer", 2 + 2 * changed, place[changed], f"s{changed % 7}", str(changed % 4))
    assert found.same == 199
