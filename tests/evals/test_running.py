"""Runs: each call is made once, failures are no wrong answers, budgets and early ends hold, crashes repeat nothing."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.evals.fakes import Exact, FakeAsker, Key, Longer, answer, cases_of, key_of, plan
from trimtab.clock import SystemClock
from trimtab.errors import DataInvalid, EvaluationStuck, GatewayGone
from trimtab.evals.asking import Request, Wait
from trimtab.evals.case import Case
from trimtab.evals.cases import body
from trimtab.evals.dispatch import Limits
from trimtab.evals.kept_samples import KeptSamples
from trimtab.evals.plan import Plan, cells, seed_of
from trimtab.evals.progress import Outcome, Progress
from trimtab.evals.running import run
from trimtab.evals.sample import Answer, Mark, Sample

QUICK = Limits(concurrency=4, tries=3, pause_s=0.001, longest_pause_s=0.002)


@pytest.fixture
def kept(tmp_path: Path) -> KeptSamples:
    return KeptSamples(tmp_path / "samples.jsonl")


def go(plan: Plan, asker: FakeAsker, kept: KeptSamples, limits: Limits = QUICK, **more: object) -> Outcome:
    return run(plan, cases_of(plan), asker, [Exact()], kept, SystemClock(), limits=limits, **more)  # type: ignore[arg-type]


def keys(plan: Plan) -> list[Key]:
    return [(cell.arm, cell.case, cell.number) for cell in cells(plan)]


def request(plan: Plan, key: Key) -> Request:
    arm, case, number = key
    asked = body(cases_of(plan)[case], plan.task, seed_of(plan.suite.seed, case, number))
    return Request(plan.id, arm, case, number, plan.task, asked)


def fails(
    wrong: Callable[[Request], bool], status: int = 502, cost_usd: float | None = 0.0
) -> Callable[[Request], Answer]:
    """Answers, but for some requests with a failure, under a new call each time."""
    counted = iter(range(1_000_000))

    def answers(request: Request) -> Answer:
        if wrong(request):
            return Answer(f"failed-{next(counted)}", "upstream_error", status=status, cost_usd=cost_usd)
        return answer(request)

    return answers


def test_every_call_is_made_once(kept: KeptSamples) -> None:
    """All samples of all cases by both arms are asked once, marked, kept and returned in the order of the plan."""
    work, asker = plan(6, samples=3), FakeAsker()
    outcome = go(work, asker, kept)
    assert asker.asked == dict.fromkeys(keys(work), 1)
    assert asker.most_open <= 4
    assert outcome.cases == work.order
    assert [(one.case, one.number) for one in outcome.samples[::2]] == [(c, n) for c in work.order for n in range(3)]
    assert {one.arm for one in outcome.samples[:2]} == {"base", "candidate"}
    for one in outcome.samples:
        assert one.seed == seed_of(1, one.case, one.number)
        assert one.marks == (Mark("exact", 1.0 if one.seed % 3 else 0.0),)
    assert sorted(kept.all(), key=str) == sorted(outcome.samples, key=str)
    assert (outcome.stopped, outcome.calls, outcome.failed, outcome.kept) == ("", 36, 0, 0)
    assert outcome.spent_usd == pytest.approx(0.36)


def test_arms_are_asked_side_by_side(kept: KeptSamples) -> None:
    """One call at a time, both arms of a sample follow each other: what changes in time meets both."""
    work, asker = plan(5, samples=2), FakeAsker()
    go(work, asker, kept, replace(QUICK, concurrency=1))
    assert asker.order == keys(work)


def test_what_is_kept_is_not_asked_again(kept: KeptSamples) -> None:
    """A run that goes on asks what is missing, marks what is unmarked, and comes to the same."""
    work = plan(4, samples=2)
    whole = go(work, FakeAsker(), kept)
    for there in (0, 1, 7, 15, 16):
        path = kept._path.with_name(f"{there}.jsonl")
        some = KeptSamples(path)
        for number, one in enumerate(whole.samples[:there]):
            some.add(replace(one, marks=one.marks if number % 2 else ()))
        asker = FakeAsker()
        outcome = go(work, asker, some)
        assert sum(asker.asked.values()) == 16 - there
        assert not set(asker.asked) & {(one.arm, one.case, one.number) for one in whole.samples[:there]}
        assert outcome.samples == whole.samples
        assert (outcome.kept, outcome.calls) == (there // 2, 16)
        assert outcome.spent_usd == pytest.approx(0.16)


def test_what_was_recorded_is_not_asked_again(kept: KeptSamples) -> None:
    """A call that was answered before a crash but not kept is taken from the records; a failed one only costs."""
    work = plan(3)
    recorded = [(request(work, key), answer(request(work, key))) for key in keys(work)[:4]]
    lost = request(work, keys(work)[4])
    strange = replace(lost, case="case-999")
    recorded += [
        (lost, Answer("lost", "client_gone", cost_usd=0.5)),
        (strange, answer(strange)),
        recorded[0],
    ]
    asker = FakeAsker(before=recorded)
    outcome = go(work, asker, kept)
    assert list(asker.asked) and set(asker.asked) == set(keys(work)[4:])
    assert len(outcome.samples) == 6
    assert all(one.marks for one in outcome.samples)
    assert outcome.spent_usd == pytest.approx(0.06 + 0.5)
    again = FakeAsker(before=recorded)
    assert go(work, again, kept).spent_usd == pytest.approx(0.56)
    assert not again.asked


def test_failures_around_a_task_are_tried_again(kept: KeptSamples) -> None:
    """A call that fails twice and is then answered is one sample; its failures are counted, and what they cost."""
    work = plan(3)
    tried: dict[Key, int] = {}

    def wrong(request: Request) -> bool:
        tried[key_of(request)] = tried.get(key_of(request), 0) + 1
        return request.case == "case-001" and tried[key_of(request)] <= 2

    outcome = go(work, FakeAsker(fails(wrong, cost_usd=0.1)), kept)
    assert (outcome.retried, outcome.failed, outcome.calls) == (4, 0, 10)
    assert all(one.answer.is_ours for one in outcome.samples)
    assert outcome.spent_usd == pytest.approx(0.06 + 0.4)
    assert len(kept.failures()) == 4


def test_failures_are_no_wrong_answers(kept: KeptSamples) -> None:
    """After all tries a sample counts as failed and has no mark; a refused request is not tried again at all."""
    work = plan(3)
    asker = FakeAsker(fails(lambda request: request.case == "case-001"))
    outcome = go(work, asker, kept)
    assert (outcome.failed, outcome.retried) == (2, 4)
    failed = [one for one in outcome.samples if not one.answer.is_ours]
    assert [(one.case, one.marks) for one in failed] == [("case-001", ())] * 2
    assert {asker.asked[key] for key in keys(work) if key[1] == "case-001"} == {3}
    refused = KeptSamples(kept._path.with_name("refused.jsonl"))
    asker = FakeAsker(fails(lambda request: request.case == "case-001", status=400))
    assert go(work, asker, refused).failed == 2
    assert set(asker.asked.values()) == {1}


def test_an_answer_that_breaks_its_contract_is_an_answer(kept: KeptSamples) -> None:
    """What the task itself gets wrong is marked, and never asked again."""
    work = plan(2)
    asker = FakeAsker(lambda request: replace(answer(request), outcome="output_invalid", text="{", status=422))
    outcome = go(work, asker, kept)
    assert set(asker.asked.values()) == {1}
    assert [one.marks for one in outcome.samples] == [(Mark("exact", 0.0),)] * 4


def test_what_failed_is_asked_again_by_the_next_run(kept: KeptSamples) -> None:
    """After an outage, the same evaluation goes on with what the outage took."""
    work = plan(3)
    go(work, FakeAsker(fails(lambda request: request.case == "case-001")), kept)
    asker = FakeAsker()
    outcome = go(work, asker, kept)
    assert {key[1] for key in asker.asked} == {"case-001"}
    assert (outcome.failed, outcome.kept) == (0, 4)
    assert all(one.marks for one in outcome.samples)


def test_a_rate_limit_is_waited_for(kept: KeptSamples) -> None:
    """A call that is not let in is made again, is no failure, and costs nothing."""
    work = plan(4)
    held: set[Key] = set()

    def answers(request: Request) -> Answer:
        if key_of(request) not in held:
            held.add(key_of(request))
            if len(held) % 3 == 0:
                raise Wait(0.0)
        return answer(request)

    outcome = go(work, FakeAsker(answers), kept)
    assert (len(outcome.samples), outcome.failed, outcome.retried) == (8, 0, 0)
    assert outcome.spent_usd == pytest.approx(0.08)


def test_a_gateway_that_comes_back(kept: KeptSamples) -> None:
    """Calls that met no gateway are made again."""
    work = plan(2)
    left = [3]

    def answers(request: Request) -> Answer:
        if left[0] > 0:
            left[0] -= 1
            raise GatewayGone(address="here", detail="refused")
        return answer(request)

    assert len(go(work, FakeAsker(answers), kept).samples) == 4


def test_a_gateway_that_stays_away(kept: KeptSamples) -> None:
    """The run gives up and says why; what was kept stays, and a later run goes on there."""
    work = plan(4)

    def answers(request: Request) -> Answer:
        if request.case == "case-003":
            raise GatewayGone(address="127.0.0.1:1", detail="connection refused")
        return answer(request)

    with pytest.raises(EvaluationStuck, match=r"127\.0\.0\.1:1 does not answer: connection refused.*resume 0199"):
        go(work, FakeAsker(answers), kept, replace(QUICK, patience_s=1.0))
    asker = FakeAsker()
    assert len(go(work, asker, kept).samples) == 8
    assert {key[1] for key in asker.asked} == {"case-003"}


def test_a_budget_ends_a_run(kept: KeptSamples) -> None:
    """No more is spent than was allowed, and the cases that count are the first of the plan."""
    work = plan(20)
    asker = FakeAsker()
    outcome = go(work, asker, kept, replace(QUICK, budget_usd=0.135), bound=lambda _: 0.01)
    assert outcome.stopped == "budget"
    assert outcome.spent_usd == pytest.approx(0.13)
    assert sum(asker.asked.values()) == 13
    assert outcome.cases == work.order[:6]
    assert len(outcome.samples) == 12
    more = go(work, FakeAsker(), kept, replace(QUICK, budget_usd=0.2), bound=lambda _: 0.01)
    assert (more.stopped, len(more.cases)) == ("budget", 10)
    assert go(work, FakeAsker(), kept).stopped == ""


def test_a_plan_has_its_own_limits(kept: KeptSamples) -> None:
    """Unless told otherwise, a run does as its suite says."""
    work = plan(20)
    work = replace(work, suite=replace(work.suite, budget_usd=0.1, concurrency=2))
    asker = FakeAsker()
    outcome = run(work, cases_of(work), asker, [Exact()], kept, SystemClock(), bound=lambda _: 0.01)
    assert (outcome.stopped, sum(asker.asked.values())) == ("budget", 10)
    assert asker.most_open <= 2


class Enough:
    """Stops at a case, and keeps what it was told."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.told: list[tuple[str, int]] = []

    def __call__(self, case: str, samples: tuple[Sample, ...]) -> bool:
        assert all(one.case == case and one.marks for one in samples)
        self.told.append((case, len(samples)))
        return case == self.at


def test_enough_is_known_early(kept: KeptSamples) -> None:
    """Finished cases are told in the order of the plan, whole; what came beyond the end does not count."""
    work, asker, stop = plan(40, samples=2), FakeAsker(), Enough("case-007")
    outcome = go(work, asker, kept, stop=stop)
    assert stop.told == [(case, 4) for case in work.order[:8]]
    assert (outcome.stopped, outcome.cases) == ("early", work.order[:8])
    assert len(outcome.samples) == 32
    assert sum(asker.asked.values()) <= 32 + 4 * 2, "those that were open, and what they began"
    again, stop = FakeAsker(), Enough("case-007")
    assert go(work, again, kept, stop=stop).samples == outcome.samples
    assert stop.told == [(case, 4) for case in work.order[:8]]
    assert not again.asked


def test_enough_at_the_last_case_is_no_early_end(kept: KeptSamples) -> None:
    """A run that has asked all was not stopped."""
    work = plan(5)
    assert go(work, FakeAsker(), kept, stop=Enough("case-004")).stopped == ""


def test_early_ends_do_not_depend_on_which_call_is_quick(kept: KeptSamples) -> None:
    """A case that is finished before an earlier one waits for its turn."""
    work = plan(8)
    held: list[Request] = []

    def answers(request: Request) -> Answer:
        if request.case == "case-000" and not any(one.case == "case-000" for one in held):
            held.append(request)
            raise Wait(0.1)
        return answer(request)

    stop = Enough("case-001")
    outcome = go(work, FakeAsker(answers), kept, stop=stop)
    assert [case for case, _ in stop.told] == ["case-000", "case-001"]
    assert outcome.cases == ("case-000", "case-001")


class Broken:
    """A scorer that fails."""

    name = "broken"

    def mark(self, case: Case, answer: Answer) -> Mark:
        raise RuntimeError("no room left")


def test_what_a_judge_was_paid_for_is_kept_at_once(kept: KeptSamples) -> None:
    """A crash after a judge was asked does not ask it again, and its money is counted once."""
    work, judge = plan(1, arms=("candidate",)), Exact("judge", cost_usd=0.5)
    cases, clock = cases_of(work), SystemClock()
    with pytest.raises(RuntimeError, match="no room left"):
        run(work, cases, FakeAsker(), [judge, Broken()], kept, clock)
    assert [one.marks for one in kept.all()] == [
        (Mark("judge", 1.0 if seed_of(1, "case-000", 0) % 3 else 0.0, cost_usd=0.5),)
    ]
    asker = FakeAsker()
    outcome = run(work, cases, asker, [judge, Exact()], kept, clock)
    assert len(judge.marked) == 1
    assert not asker.asked
    assert [mark.scorer for mark in outcome.samples[0].marks] == ["judge", "exact"]
    assert outcome.spent_usd == pytest.approx(0.51)


def test_a_judge_that_must_wait(kept: KeptSamples) -> None:
    """The answer is there already, and is not asked for again when the judge is."""

    class Busy(Exact):
        def mark(self, case: Case, answer: Answer) -> Mark:
            if answer.call not in self.marked:
                self.marked.append(answer.call)
                raise Wait(0.0)
            return super().mark(case, answer)

    work, asker = plan(2), FakeAsker()
    outcome = run(work, cases_of(work), asker, [Busy()], kept, SystemClock(), limits=QUICK)
    assert set(asker.asked.values()) == {1}
    assert all(one.marks for one in outcome.samples)
    assert outcome.spent_usd == pytest.approx(0.04)


def test_answers_of_both_arms_are_held_against_each_other(kept: KeptSamples) -> None:
    """Each pair once, both marked; a pair of which one failed has nothing to compare."""
    work, longer = plan(6, samples=2), Longer()
    cases, clock = cases_of(work), SystemClock()
    asker = FakeAsker(fails(lambda request: request.case == "case-002" and request.arm == "base", status=400))
    outcome = run(work, cases, asker, [Exact()], kept, clock, limits=QUICK, pairings=[longer])
    assert len(longer.compared) == len(set(longer.compared)) == 10
    assert all(base.replace("base/", "candidate/") == other for base, other in longer.compared)
    for one in outcome.samples:
        named = {mark.scorer: mark.value for mark in one.marks}
        if one.case == "case-002":
            assert "longer" not in named
        else:
            assert named["longer"] == 0.5, "both arms say the same under one seed"
    again = Longer()
    outcome = run(work, cases, FakeAsker(), [Exact()], kept, clock, limits=QUICK, pairings=[again])
    assert sorted(base for base, _ in again.compared) == ["base/case-002/0", "base/case-002/1"]


def test_one_arm_has_nothing_to_be_held_against(kept: KeptSamples) -> None:
    """Without a base there are no pairs."""
    work, longer = plan(2, arms=("candidate",)), Longer()
    outcome = run(work, cases_of(work), FakeAsker(), [Exact()], kept, SystemClock(), pairings=[longer])
    assert len(outcome.samples) == 2
    assert not longer.compared


def test_an_interrupted_run_goes_on_later(kept: KeptSamples) -> None:
    """Ctrl-C lets open calls end and keeps them; the next run asks the rest."""
    work = plan(300)

    def interrupt(progress: Progress) -> None:
        if progress.done < progress.planned:
            raise KeyboardInterrupt

    def slowly(request: Request) -> Answer:
        if sum(asker.asked.values()) == 50:
            raise Wait(0.5)
        return answer(request)

    asker = FakeAsker(slowly)
    outcome = go(work, asker, kept, progress=_once(interrupt))
    assert outcome.stopped == "interrupted"
    assert len(kept.all()) == sum(asker.asked.values()) - 1, "all that was asked, but what was told to wait"
    assert outcome.cases == work.order[: len(outcome.cases)]
    before = {(one.arm, one.case, one.number) for one in kept.all()}
    again = FakeAsker()
    assert len(go(work, again, kept).samples) == 600
    assert set(again.asked) == set(keys(work)) - before


def _once(tell: Callable[[Progress], None]) -> Callable[[Progress], None]:
    told: list[Progress] = []

    def progress(found: Progress) -> None:
        if not told:
            told.append(found)
            tell(found)

    return progress


def test_progress_is_told(kept: KeptSamples) -> None:
    """The last that is told is the end: all samples, what they cost, and nothing left."""
    work = plan(5)
    told: list[Progress] = []
    go(work, FakeAsker(fails(lambda request: request.case == "case-001", status=400)), kept, progress=told.append)
    last = told[-1]
    assert (last.planned, last.done, last.kept, last.open, last.failed) == (10, 10, 0, 0, 2)
    assert last.spent_usd == pytest.approx(0.08)
    assert last.rate > 0
    assert last.left_s == 0


def test_a_progress_that_fails_is_raised_at_the_end(kept: KeptSamples) -> None:
    """A terminal that is gone ends the run, with all that was open kept."""

    def gone(_: Progress) -> None:
        raise BrokenPipeError("terminal")

    with pytest.raises(BrokenPipeError, match="terminal"):
        go(plan(5), FakeAsker(), kept, progress=gone)
    assert len(kept.all()) == 10


def test_cases_that_are_gone(kept: KeptSamples) -> None:
    """A plan whose data set has changed is not run with what is left of it."""
    work, asker = plan(3), FakeAsker()
    cases = cases_of(work)
    del cases["case-001"]
    with pytest.raises(DataInvalid, match="it has no case case-001"):
        run(work, cases, asker, [Exact()], kept, SystemClock())
    assert not asker.asked


@pytest.mark.parametrize("seed", range(12))
def test_whatever_goes_wrong_each_sample_is_paid_for_once(tmp_path: Path, seed: int) -> None:
    """Failures, limits, gateways that are gone, scorers and disks that break: taken up until it is whole, each answer
    was given once, and all that was paid for is counted.
    """
    work, paid, lock = plan(5, samples=2), Counter[Key](), threading.Lock()
    chance, limits = random.Random(seed), replace(QUICK, concurrency=1 + seed % 6, tries=50)
    money = [0.0]

    def answers(request: Request) -> Answer:
        with lock:
            drawn, number = chance.random(), chance.getrandbits(60)
            if drawn < 0.02:
                raise Wait(0.0)
            if drawn < 0.1:
                raise GatewayGone(address="here", detail="refused")
            money[0] += 0.01
            if drawn < 0.4:
                return Answer(f"failed-{number}", "upstream_error", status=502, cost_usd=0.01)
            paid[key_of(request)] += 1
            return answer(request)

    class Fragile(Exact):
        def mark(self, case: Case, answer: Answer) -> Mark:
            with lock:
                if chance.random() < 0.1:
                    raise OSError("broken")
            return super().mark(case, answer)

    path = tmp_path / "samples.jsonl"
    for _ in range(200):
        kept = KeptSamples(path)
        try:
            outcome = run(work, cases_of(work), FakeAsker(answers), [Fragile()], kept, SystemClock(), limits=limits)
            break
        except OSError:
            continue
        finally:
            kept.close()
    assert paid == dict.fromkeys(keys(work), 1)
    assert {(one.arm, one.case, one.number) for one in outcome.samples} == set(keys(work))
    assert all(one.answer.is_ours and one.marks for one in outcome.samples)
    assert outcome.spent_usd == pytest.approx(money[0])
