"""Arms of an evaluation are real gateways, which answer with what they record, and end with whoever started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assemble.evaluating import Model, Play, model, says, write_project
from trimtab.assemble.evaluation_arm import ArmGateway, Served, arms
from trimtab.assemble.evaluation_asker import ArmAsker, label
from trimtab.assemble.evaluation_records import ends_of
from trimtab.assemble.evaluation_side import side
from trimtab.clock import SystemClock
from trimtab.declare.load import load
from trimtab.errors import CannotStart, GatewayGone
from trimtab.evals.asking import Request, Wait
from trimtab.evals.sample import Arm
from trimtab.ids import IdSource
from trimtab.processes.directory import DataDirectory
from trimtab.testing import Script, error_answer

LABELS = {label(f"case {case}", number): (f"case {case}", number) for case in range(40) for number in range(2)}
LIMIT_S = 30.0


def good(body: dict[str, object]) -> Script:
    return says('{"label": "a"}')


def asked(case: int, number: int = 0, arm: Arm = "candidate") -> Request:
    body = {"model": "sort", "messages": [], "seed": 7, "trimtab": {"inputs": {"ticket": f"ticket {case}"}}}
    return Request("e1", arm, f"case {case}", number, "sort", body)


@contextlib.contextmanager
def evaluating(tmp_path: Path, found: Model) -> Iterator[tuple[ArmAsker, dict[Arm, ArmGateway]]]:
    """A base at temperature 0 and a candidate at 0.9, both asking the model."""
    served: dict[Arm, Served] = {}
    temperatures: dict[Arm, float] = {"base": 0.0, "candidate": 0.9}
    for arm, temperature in temperatures.items():
        root = tmp_path / f"project-{arm}"
        write_project(root, found.url, temperature=temperature)
        served[arm] = Served(side(load(root), arm).snapshot, str(root))
    clock = SystemClock()
    with arms(tmp_path / "e1", served, clock, IdSource()) as gateways:
        asker = ArmAsker(gateways, LABELS, clock)
        try:
            yield asker, gateways
        finally:
            asker.close()


@contextlib.contextmanager
def running(tmp_path: Path, play: Play) -> Iterator[tuple[ArmAsker, Model]]:
    with model(play) as found, evaluating(tmp_path, found) as (asker, _):
        yield asker, found


def test_each_arm_serves_its_own_declaration(tmp_path: Path) -> None:
    """The prompt, the sampling and the contract are those of the arm; the seed is the sample's."""
    with running(tmp_path, good) as (asker, found):
        base, candidate = asker.ask(asked(1, arm="base")), asker.ask(asked(1))
    sent = [(body["temperature"], body["seed"], body["messages"][0]["content"]) for body in found.asked]
    assert sent == [(0.0, 7, "Sort it."), (0.9, 7, "Sort it.")]
    assert base.call != candidate.call
    for answer in (base, candidate):
        assert (answer.outcome, answer.verdict, answer.text) == ("ok", "valid", '{"label": "a"}')
        assert (answer.input_tokens, answer.length_tokens, answer.model, answer.status) == (20, 9, "small", 200)
        assert answer.cost_usd == pytest.approx((20 * 1.0 + 9 * 2.0) / 1e6)
        assert answer.total_s is not None


def test_calls_are_recorded_apart(tmp_path: Path) -> None:
    """Each call stands in its arm's own spool, under the evaluation's name for its task, its run and its step."""
    with running(tmp_path, good) as (asker, _):
        for case in (1, 2):
            asker.ask(asked(case))
        asker.ask(asked(1, arm="base"))
    candidate = [end.admitted for end in ends_of(tmp_path / "e1" / "candidate", "e1")]
    [base] = [end.admitted for end in ends_of(tmp_path / "e1" / "base", "e1")]
    assert [(one.task, one.step) for one in candidate] == [
        ("(evaluation) sort", "case 1/0"),
        ("(evaluation) sort", "case 2/0"),
    ]
    assert (base.task, base.run, base.key) == ("(evaluation) sort", "e1", "(evaluation)")


def test_what_breaks_the_contract_is_an_answer(tmp_path: Path) -> None:
    """The gateway withholds it from clients; an evaluation gets its words, which a person wants to see."""
    with running(tmp_path, lambda _: says("no label")) as (asker, _):
        answer = asker.ask(asked(1))
    assert (answer.outcome, answer.verdict, answer.status, answer.text) == (
        "output_invalid",
        "invalid",
        422,
        "no label",
    )
    assert answer.is_ours
    assert answer.cost_usd == pytest.approx(38e-6)


def test_what_fails_elsewhere_says_so(tmp_path: Path) -> None:
    """A server that is broken, and a request that the gateway does not take, are told by their codes."""
    with running(tmp_path, lambda _: error_answer(500, "broken")) as (asker, _):
        broken = asker.ask(asked(1))
        request = asked(1)
        wrong = asker.ask(Request("e1", "candidate", "x", 0, "no-such-task", request.body))
    assert (broken.outcome, broken.status, broken.is_ours) == ("upstream_error", 502, False)
    assert (wrong.outcome, wrong.status, wrong.is_ours) == ("unknown_task", 404, False)
    assert "no-such-task" in wrong.detail


def test_a_rate_limit_is_to_be_waited_for(tmp_path: Path) -> None:
    """What the model's server asks to wait reaches whoever paces the evaluation."""
    limited = error_answer(429, "slowly", [("retry-after", "7")])
    with running(tmp_path, lambda _: limited) as (asker, _), pytest.raises(Wait) as wait:
        asker.ask(asked(1))
    assert wait.value.seconds == 7


def test_many_threads_ask_at_once(tmp_path: Path) -> None:
    """Each gets the answer to its own question, with the facts of its own call."""
    found = {}
    with running(tmp_path, lambda body: says(f'{{"label": "{body["messages"][-1]["content"]}"}}')) as (asker, _):

        def work(case: int) -> None:
            found[case] = asker.ask(asked(case))

        threads = [threading.Thread(target=work, args=(case,)) for case in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LIMIT_S)
    assert {case: answer.text for case, answer in found.items()} == {
        case: f'{{"label": "ticket {case}"}}' for case in range(40)
    }
    assert len({answer.call for answer in found.values()}) == 40


def test_what_was_answered_is_found_again(tmp_path: Path) -> None:
    """Another life finds the answers of the first, each once, and no failure; also where users' bodies are not kept."""
    plays = iter([error_answer(500, "broken"), says("no label"), says('{"label": "b"}'), says('{"label": "c"}')])
    with model(lambda _: next(plays)) as found:
        with evaluating(tmp_path, found) as (asker, _):
            asker.ask(asked(0, arm="base"))
            first = [asker.ask(asked(1)), asker.ask(asked(2, 1)), asker.ask(asked(2, 1))]
        with evaluating(tmp_path, found) as (asker, _):
            again = {(one.arm, one.case, one.number, one.task): answer for one, answer in asker.answered("e1")}
            assert not list(asker.answered("e2"))
    assert again == {("candidate", "case 1", 0, "sort"): first[0], ("candidate", "case 2", 1, "sort"): first[1]}
    assert len(found.asked) == 4


def test_a_gateway_that_is_gone(tmp_path: Path) -> None:
    """Whoever asks is told at once, and where the log lies."""
    with model(good) as found, evaluating(tmp_path, found) as (asker, gateways):
        asker.ask(asked(1))
        gateways["candidate"].end()
        with pytest.raises(GatewayGone, match="candidate"):
            asker.ask(asked(1))


def test_two_evaluations_do_not_share_an_arm(tmp_path: Path) -> None:
    """The folder of an arm is held by one process at a time, and free once the block has ended, however it ended."""
    write_project(tmp_path, "http://127.0.0.1:9")
    served = Served(side(load(tmp_path), "here").snapshot, str(tmp_path))

    def fail() -> None:
        with arms(tmp_path / "e1", {"candidate": served}, SystemClock(), IdSource()) as gateways:
            door = gateways["candidate"].door
            with pytest.raises(Exception, match="held by process"):
                ArmGateway(tmp_path / "e1" / "candidate", served, SystemClock(), IdSource()).start()
            assert door.directory.stat().st_mode & 0o77 == 0
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fail()


def test_an_arm_that_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of its log is told, and nothing is left behind."""
    write_project(tmp_path, "http://127.0.0.1:9")
    served = Served(side(load(tmp_path), "here").snapshot, str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        pytest.raises(CannotStart, match=r"gateway\.log"),
        arms(tmp_path / "e1", {"candidate": served}, SystemClock(), IdSource()),
    ):
        pass
    with DataDirectory(tmp_path / "e1" / "candidate").hold():
        pass


STARTED = """
import sys, time
from pathlib import Path
from trimtab.assemble.evaluation_arm import Served, arms
from trimtab.assemble.evaluation_side import side
from trimtab.clock import SystemClock
from trimtab.declare.load import load
from trimtab.ids import IdSource
root = Path(sys.argv[1])
served = Served(side(load(root), "here").snapshot, str(root))
with arms(root / "e1", {"candidate": served}, SystemClock(), IdSource()) as found:
    print(found["candidate"]._process.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_arm_ends_with_whoever_started_it(tmp_path: Path, number: signal.Signals) -> None:
    """Killed or interrupted: no gateway stays behind."""
    write_project(tmp_path, "http://127.0.0.1:9")
    with subprocess.Popen(
        [sys.executable, "-c", STARTED, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        arm = int(process.stdout.readline())
        process.send_signal(number)
        process.wait(LIMIT_S)
    until = time.monotonic() + LIMIT_S
    while Path(f"/proc/{arm}").exists() and "Z" not in Path(f"/proc/{arm}/stat").read_text().rsplit(")", 1)[1][:3]:
        assert time.monotonic() < until, "the gateway is still there"
        os.sched_yield()
        threading.Event().wait(0.05)


@pytest.mark.parametrize("case", ["plain", "a/b", "ü\n\x00", "x" * 500, "", " lead"])
def test_labels(case: str) -> None:
    """Whatever a case is called, its step is printable, short, and its own."""
    found = [label(case, number) for number in (0, 1, 12)]
    assert all(one.isascii() and one.isprintable() and len(one) <= 200 for one in found)
    assert len({*found, label("other", 0)}) == 4
    assert found[1].endswith("/1")
