"""Checks of steps: what passes, what follows from what does not, and that a recorded verdict holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from trimtab import CheckBranched, CheckFailed, Rejected, blocking, check, checks, model, replay, run, state, step, tool
from trimtab.declare.checking import Check, Judged, Sampled
from trimtab.errors import JournalUnavailable, TrimtabError
from trimtab.journal.asks import Find, Runs
from trimtab.journal.entries import Checked, Intent, Result
from trimtab.runs.faults import ModelFailed, NotDeclared
from trimtab.runs.models import Asked
from trimtab.testing import LocalRuns

FORM = '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}'
seen = state("seen", list[str], [])


@run(task="t")
async def one(text: str) -> str:
    """A run of one model's step."""
    return (await model("ask", text=text)).text


@tool(effect="read")
async def look(where: str) -> dict[str, Any]:
    """A tool."""
    return {"at": where, "n": 1}


@run(task="t")
async def looking(where: str) -> dict[str, Any]:
    """A run of one tool's step."""
    return await look(where)


def of(**said: Any) -> dict[str, tuple[Check, ...]]:
    """One check of the step `ask`, declared by the run's task."""
    return {"t": (Check(**{"name": "c", "task": "t", "after": "ask", **said}),)}


def verdicts(runs: LocalRuns, name: str = "") -> list[tuple[bool, str]]:
    """What was found, and what followed."""
    return [(each.passed, each.action) for each in runs.log(name) if isinstance(each, Checked)]


async def with_person(runs: LocalRuns, doing: Awaitable[Any], *verdict: Any, **said: Any) -> Any:
    """What a run gives while a person decides one review."""
    task = asyncio.ensure_future(doing)
    while not (task.done() or runs.waiting()):
        await asyncio.sleep(0.002)
    runs.decide(*verdict, **said)
    return await task


def test_an_answer_that_passes_goes_on() -> None:
    """One verdict, no step besides."""
    with LocalRuns({"ask": {"n": 1}}, checks=of(schema=FORM)) as runs:
        assert asyncio.run(one("x")) == '{"n":1}'
        assert verdicts(runs) == [(True, "")]
        assert runs.steps() == ["ask"]


def test_a_check_that_fails_the_step() -> None:
    """The program is told which check, and what was wrong where."""
    with LocalRuns({"ask": {"n": "many"}}, checks=of(schema=FORM)) as runs:
        with pytest.raises(CheckFailed, match=r"Check 'c' failed in run .*/n must be an integer"):
            asyncio.run(one("x"))
        assert verdicts(runs) == [(False, "fail")]
        assert runs.state() == "failed"


def test_a_flag_is_only_kept() -> None:
    """The answer goes on as it is."""
    with LocalRuns({"ask": "no JSON"}, checks=of(schema=FORM, on_failure="flag")) as runs:
        assert asyncio.run(one("x")) == "no JSON"
        assert verdicts(runs) == [(False, "flag")]


def test_a_repair_says_what_is_wrong() -> None:
    """The model is shown its answer and what the check says, with the prompt and its inputs before; the tries stand in
    the ledger of the step that mended it.
    """
    asked: list[Asked] = []

    def answer(question: Asked) -> Any:
        asked.append(question)
        return {"n": len(asked)} if len(asked) == 3 else {"n": "many"}

    with LocalRuns({"ask": answer}, checks=of(schema=FORM, on_failure="repair", repairs=2)) as runs:
        assert asyncio.run(one("x")) == '{"n":3}'
        assert verdicts(runs) == [(False, "repair"), (False, "repair"), (True, "")]
        ledgers = [entry.tried for entry in runs.log() if isinstance(entry, Result) and entry.tried]
        told = runs.do(Find(run=runs.runs()[0]))
        assert isinstance(told, Runs)
        assert (told.runs[0].requests, told.runs[0].tried > told.runs[0].asked) == (3, True)
    assert [[(one.layer, one.cause, one.step) for one in tried] for tried in ledgers] == [
        [("transport", "check c", 3), ("repair", "ok", 0)],
        [("transport", "check c", 3), ("repair", "check c", 6), ("repair", "ok", 0)],
    ]
    assert [dict(each.inputs) for each in asked] == [{"text": "x"}] * 3
    assert [message["role"] for message in asked[2].messages] == ["assistant", "user"] * 2
    assert 'did not pass the check "c": /n must be an integer' in asked[2].messages[1]["content"]


@pytest.mark.parametrize(("then", "raised"), [("fail", CheckFailed), ("branch", CheckBranched)])
def test_repairs_end(then: Any, raised: type[Exception]) -> None:
    """After so many answers, what `then` says holds."""
    with LocalRuns({"ask": "no"}, checks=of(rule="answer == 'yes'", on_failure="repair", repairs=2, then=then)) as runs:
        with pytest.raises(raised):
            asyncio.run(one("x"))
        assert verdicts(runs) == [(False, "repair"), (False, "repair"), (False, then)]


def test_a_call_without_inputs_is_repaired_with_its_prompt() -> None:
    """The prompt of a task that asks for no inputs is there again when its answer is to be mended."""
    first = Asked("ask")
    assert first.is_prompted
    again = Asked("ask", ({"role": "user", "content": "again"},), prompted=True)
    assert b'"trimtab":{"inputs":{}}' in again.body()
    assert b"trimtab" not in Asked("ask", ({"role": "user", "content": "again"},)).body()


def test_another_task_is_asked_instead() -> None:
    """It is asked the same, and held to the same."""
    answers = {"ask": "no", "other": lambda asked: f"yes to {asked.inputs['text']}"}
    with LocalRuns(answers, checks=of(rule="answer != 'no'", on_failure="branch", branch="other")) as runs:
        assert asyncio.run(one("x")) == "yes to x"
        assert verdicts(runs) == [(False, "branch"), (True, "")]
        assert runs.steps() == ["ask", "check c: branch", "ask"]


def test_a_branch_is_taken_once() -> None:
    """An alternative that does not pass either fails the step."""
    with LocalRuns(
        {"ask": "no", "other": "no"}, checks=of(rule="answer != 'no'", on_failure="branch", branch="other")
    ) as runs:
        with pytest.raises(CheckFailed) as failed:
            asyncio.run(one("x"))
        assert not isinstance(failed.value, CheckBranched)
        assert verdicts(runs) == [(False, "branch"), (False, "fail")]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [(("approved",), "no"), (("edited", "yes"), "yes"), (("edited", {"n": 1}), '{"n":1}')],
)
def test_a_person_decides(verdict: tuple[Any, ...], expected: str) -> None:
    """What they approve of goes on, and what they write takes its place."""
    with LocalRuns({"ask": "no"}, checks=of(rule="answer != 'no'", on_failure="ask")) as runs:
        assert asyncio.run(with_person(runs, one("x"), *verdict)) == expected
        assert verdicts(runs) == [(False, "ask")]


def test_a_person_may_let_a_wrong_form_pass() -> None:
    """What is approved goes on to the letter, also where the check is of its form."""
    with LocalRuns({"ask": "no JSON"}, checks=of(schema=FORM, on_failure="ask")) as runs:
        assert asyncio.run(with_person(runs, one("x"), "approved")) == "no JSON"


def test_what_a_person_rejects_does_not_go_on() -> None:
    """The program is told who said no and why."""
    found = of(rule="answer != 'no'", on_failure="ask")
    told = r"Eve said no to answer of ask in run .*: it is rude"
    with LocalRuns({"ask": "no"}, checks=found) as runs, pytest.raises(Rejected, match=told):
        asyncio.run(with_person(runs, one("x"), "rejected", by="Eve", reason="it is rude"))


def test_what_a_person_writes_keeps_the_schema() -> None:
    """A person may overrule a rule, but not the form that the program counts on."""
    both = (
        Check(name="range", after="ask", rule="answer.n < 5", on_failure="ask"),
        Check(name="form", after="ask", schema=FORM),
    )
    with LocalRuns({"ask": {"n": 9}}, checks={"t": both}) as runs:
        assert asyncio.run(with_person(runs, one("x"), "edited", {"n": 7})) == '{"n":7}'
    told = "the edited answer does not pass check form: /n must be an integer"
    with LocalRuns({"ask": {"n": 9}}, checks={"t": both}) as runs, pytest.raises(Rejected, match=told):
        asyncio.run(with_person(runs, one("x"), "edited", {"n": "seven"}))


def test_an_edited_answer_of_a_tool_has_its_type() -> None:
    """What the tool cannot give is not taken."""

    @tool(effect="read", checks=[checks.rule("small", "answer < 5", on_failure="ask")])
    async def count() -> int:
        return 9

    @run
    async def counts() -> int:
        return await count()

    with LocalRuns() as runs:
        assert asyncio.run(with_person(runs, counts(), "edited", 4)) == 4
    with LocalRuns() as runs, pytest.raises(Rejected, match="the edited answer does not fit"):
        asyncio.run(with_person(runs, counts(), "edited", "four"))


def test_a_tool_is_not_asked_to_mend_its_answer() -> None:
    """A repair that cannot be is what `then` says."""
    found = of(after="look", rule="answer.n == 2", on_failure="repair", then="flag")
    with LocalRuns(checks=found) as runs:
        assert asyncio.run(looking("here")) == {"at": "here", "n": 1}
        assert verdicts(runs) == [(False, "flag")]


def test_a_rule_reads_answer_arguments_state_and_step() -> None:
    """All that it may read is there; what was not set yet makes it stumble, and so not pass."""

    @run(task="t")
    async def two() -> None:
        await look("here")
        await seen.set(["here"])
        await look("here")

    rule = "answer.at in state.seen and arguments.where == answer.at and step == 'look'"
    with LocalRuns(checks=of(after="look", rule=rule, on_failure="flag")) as runs:
        asyncio.run(two())
        assert verdicts(runs) == [(False, "flag"), (True, "")]
        details = [each.detail for each in runs.log() if isinstance(each, Checked)]
    assert details[0].endswith("cannot be told, as what it reads is not as it says")


@pytest.mark.parametrize("word", ["yes", "no", "perhaps", ModelFailed(task="j", code="x", status=500, detail="down")])
def test_a_judge_says_yes_or_no(word: Any) -> None:
    """What is neither, or no answer, does not pass, and no model is asked to mend what nobody found fault with."""
    found = of(judge=Judged("j", "Is it right?"), on_failure="repair", then="flag")
    with LocalRuns({"ask": "an answer", "j": word}, checks=found) as runs:
        assert asyncio.run(one("x")) == "an answer"
        followed = {"yes": [(True, "")], "no": [(False, "repair"), (False, "flag")]}
        assert verdicts(runs) == followed.get(str(word), [(False, "flag")])
        [shown, *_] = [each for each in runs.models.asked if each.task == "j"]
    assert shown.settings == {"temperature": 0, "max_tokens": 400}
    assert shown.headers == {"x-trimtab-task": "t", "x-trimtab-check": "judge"}
    assert '"answered": "an answer"' in shown.messages[1]["content"]
    assert '"inputs": {"text": "x"}' in shown.messages[1]["content"]


@pytest.mark.parametrize(("agree", "passed"), [(0.75, True), (0.8, False)])
def test_samples_agree(agree: float, passed: bool) -> None:
    """The step's own answer is one of them; the order of keys and white space do not count."""
    said = iter(['{"n": 1, "m": 2}', '{"m":2,"n":1}', '{"n":2}', '{"n":1.0,"m":2}'])
    found = of(samples=Sampled(4, agree), on_failure="flag")
    with LocalRuns({"ask": lambda _: next(said)}, checks=found) as runs:
        asyncio.run(one("x"))
        assert verdicts(runs) == [(passed, "" if passed else "flag")]
        assert runs.steps().count("sample of ask") == 3


def test_an_answer_that_calls_tools_is_none_yet() -> None:
    """It is not held against anything."""
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    with LocalRuns({"ask": {"choices": [{"message": message}]}}, checks=of(schema=FORM)) as runs:
        assert asyncio.run(one("x")) == ""
        assert verdicts(runs) == []


def test_checks_of_the_task_that_is_asked() -> None:
    """Without `after` a check is about its own task's answers, whatever run asks it."""
    found = {"ask": (Check(name="c", task="ask", rule="answer == 'yes'"),)}
    with LocalRuns({"ask": "no"}, checks=found), pytest.raises(CheckFailed):
        asyncio.run(one("x"))


def test_two_checks_of_one_name_are_refused() -> None:
    """Their verdicts could not be told apart."""
    found = of(after="look", rule="answer")

    @tool(effect="read", name="look", checks=[checks.rule("c", "answer")])
    async def look_again() -> int:
        return 1

    @run(task="t")
    async def again() -> int:
        return await look_again()

    with LocalRuns(checks=found), pytest.raises(NotDeclared, match="two checks of step look are called so"):
        asyncio.run(again())


WRONG: dict[str, Any] = {
    "rule": lambda: checks.rule("c", "answr.x"),
    "schema": lambda: checks.schema("c", '{"type": 7}'),
    "name": lambda: checks.rule("c/d", "answer"),
    "fields": lambda: checks.agrees("c", "look"),
    "path": lambda: checks.agrees("c", "look", "a..b"),
    "tools": lambda: checks.cited("c"),
    "samples": lambda: checks.samples("c", 1),
    "what follows": lambda: checks.rule("c", "answer", on_failure="explode"),  # type: ignore[typeddict-item]
    "repairs": lambda: checks.rule("c", "answer", repairs=0),
    "no step": lambda: run(checks=[checks.rule("c", "answer")])(one),
    "a step": lambda: tool(effect="read", checks=[checks.rule("c", "answer", after="x")])(look),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_check_in_python(case: str) -> None:
    """It is refused where it is written."""
    with pytest.raises(NotDeclared):
        WRONG[case]()


def test_a_schema_of_a_type() -> None:
    """A type says its own form."""
    found = checks.schema("c", dict[str, int], after="ask")
    with LocalRuns({"ask": {"n": "x"}}, checks={"t": (found,)}), pytest.raises(CheckFailed):
        asyncio.run(one("x"))


def test_a_replay_gives_the_recorded_verdicts() -> None:
    """Nobody is asked, and what was found then holds, though the check says something else by now."""
    answers = {"ask": lambda asked: "no" if not asked.messages else "yes", "j": "yes"}
    found = {
        "t": (
            Check(name="right", after="ask", rule="answer == 'yes'", on_failure="repair"),
            Check(name="judged", after="ask", judge=Judged("j", "Is it right?")),
        )
    }
    with LocalRuns(answers, checks=found) as runs:
        assert asyncio.run(one.options(id="r")("x")) == "yes"
        asked = len(runs.models.asked)
        assert asyncio.run(replay("r", one)) == "yes"
        assert len(runs.models.asked) == asked
        again = next(name for name in runs.runs() if name != "r")
        assert verdicts(runs, again) == verdicts(runs, "r")


def test_a_changed_question_does_not_change_a_verdict() -> None:
    """A run that is taken up again has the verdicts that it had; the new question is for new steps."""

    @run(task="t")
    async def asks_twice() -> list[str]:
        return [(await model("ask", text="1")).text, (await model("ask", text="2")).text]

    questions: list[str] = []

    def judged(asked: Asked) -> str:
        questions.append(asked.messages[1]["content"].split("\n")[2])
        return "yes"

    answers = {"ask": "fine", "j": judged}
    with LocalRuns(answers, checks=of(judge=Judged("j", "Old?"))) as runs:
        runs.lose(10, answered=True)
        with pytest.raises(JournalUnavailable):
            asyncio.run(asks_twice.options(id="r")())
        assert verdicts(runs, "r") == [(True, "")]
        runs._checks = of(judge=Judged("j", "New?"))
        runs.again()
        assert asyncio.run(asks_twice.options(id="r")()) == ["fine", "fine"]
        assert verdicts(runs, "r") == [(True, ""), (True, "")]
    assert questions == ["Old?", "New?"]


def test_a_new_check_leaves_what_was_done() -> None:
    """A check that came while a run waited is made of steps after which nothing had been done."""

    @run(task="t")
    async def thrice() -> int:
        for where in ("a", "b", "c"):
            await look(where)
        return 3

    with LocalRuns() as runs:
        runs.lose(5, answered=True)
        with pytest.raises(JournalUnavailable):
            asyncio.run(thrice.options(id="r")())
        assert runs.steps("r") == ["look", "look"]
        runs._checks = of(after="look", judge=Judged("j", "?"), on_failure="flag")
        runs.again()
        runs.models._answers["j"] = "no"
        assert asyncio.run(thrice.options(id="r")()) == 3
        of_steps = [each.of for each in runs.log("r") if isinstance(each, Checked)]
        looks = [seq for seq, each in enumerate(runs.log("r"), 1) if isinstance(each, Intent) and each.label == "look"]
    assert of_steps == looks[1:]


def test_the_recorded_verdict_of_a_program_holds() -> None:
    """`check` too is said once: a program that finds otherwise later does not change what was found."""
    found = iter([True, False])

    @run
    async def says() -> str:
        await look("here")
        await checks_it(next(found))
        return await fragile()

    async def checks_it(passed: bool) -> None:
        await check("right", passed)

    @step
    async def fragile() -> str:
        return "done"

    with LocalRuns() as runs:
        runs.lose(4, answered=True)
        with pytest.raises(JournalUnavailable):
            asyncio.run(says.options(id="r")())
        runs.again()
        assert asyncio.run(says.options(id="r")()) == "done"
        assert verdicts(runs, "r") == [(True, "")]


def test_blocking_code_is_checked_too() -> None:
    """The face that does not await raises, repairs and records the same."""

    @run(task="t")
    def plain(text: str) -> str:
        return blocking.model("ask", text=text).text

    answers = {"ask": lambda asked: "yes" if asked.messages else "no"}
    with LocalRuns(answers, checks=of(rule="answer == 'yes'", on_failure="repair")) as runs:
        assert plain("x") == "yes"
        assert verdicts(runs) == [(False, "repair"), (True, "")]


def test_outside_of_runs_nothing_is_checked() -> None:
    """Checks are of steps, and without a run there are none."""
    with LocalRuns({"ask": "no"}, checks=of(rule="answer == 'yes'")):

        async def bare() -> str:
            return (await model("ask", text="x")).text

        assert asyncio.run(bare()) == "no"


def test_a_failed_check_is_an_error_of_ours() -> None:
    """`except CheckFailed` catches what branches too."""
    assert issubclass(CheckBranched, CheckFailed)
    assert issubclass(CheckFailed, TrimtabError)
