"""Patterns and functions of the project's own, in a process that is theirs alone."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from tests.evals.scorers.marking import Nobody, made, value
from trimtab.clock import SystemClock
from trimtab.declare.evaluating import Evals, Scorer
from trimtab.errors import EvaluationRefused
from trimtab.evals.case import Case
from trimtab.evals.sample import Answer, Mark
from trimtab.evals.scorers.child import MOST_TIMEOUTS, Limits
from trimtab.evals.scorers.programs import Function
from trimtab.evals.scorers.ready import ready

CASE = Case("one", {"q": "2+2"}, expected="4")
ANSWER = Answer("c", "ok", "4")
OWN = Scorer("own", "python", file="score.py", function="score")
SHORT, LONG = Limits(seconds=0.5), Limits(seconds=20.0)


def said(source: str, answer: Answer = ANSWER) -> Mark:
    """What a function called score makes of an answer."""
    function = Function(OWN, source, SystemClock(), LONG)
    try:
        return function.mark(CASE, answer)
    finally:
        function.close()


def test_regex() -> None:
    """The pattern is found anywhere in the answer or a field of it, or it is not."""
    assert value("regex", "order ABC-1!", pattern=r"[A-Z]{3}-\d") == 1.0
    assert value("regex", "order abc", pattern=r"[A-Z]{3}-\d") == 0.0
    assert value("regex", '{"id": "ABC-1"}', pattern=r"\A[A-Z]{3}-\d\Z", field="id") == 1.0


def test_a_pattern_that_would_never_end_is_given_up() -> None:
    """An answer that makes a pattern run for ever could not be marked, and the next one can."""
    found = made(Scorer("r", "regex", pattern="(a+)+$"))
    try:
        first = found.scorings[0].mark(CASE, Answer("c", "ok", "a" * 60 + "!"))
        assert (first.value, first.why) == (None, "it took longer than 2 s")
        assert found.scorings[0].mark(CASE, Answer("c", "ok", "aaa")).value == 1.0
    finally:
        found.close()


def test_a_function_marks() -> None:
    """It is given the case and the answer, and says a number, or one with a reason, or that it cannot tell."""
    assert said("def score(case, answer): return answer['text'] == case['expected']") == Mark("own", 1.0)
    assert said("def score(case, answer): return 0.25, case['inputs']['q']") == Mark("own", 0.25, "2+2")
    assert said("def score(case, answer): return None, 'no idea'") == Mark("own", None, "no idea")
    assert said("def score(case, answer): return len(answer['tool_calls'])") == Mark("own", 0.0)
    assert said("def score(case, answer): return None, sorted(answer)[1]") == Mark("own", None, "cost_usd")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def score(case, answer): return 7", "the function returned 7.0, which is not from 0 to 1"),
        ("def score(case, answer): return float('nan')", "the function returned nan, which is not from 0 to 1"),
        ("def score(case, answer): raise ValueError('no\\nidea')", "ValueError: no idea"),
        ("def score(case, answer): return 'yes'", "ValueError: could not convert string to float: 'yes'"),
        ("def score(case, answer): raise SystemExit(0)", "SystemExit: 0"),
        ("import os\ndef score(case, answer): os._exit(0)", "its process ended"),
        ("def other(): ...", "it cannot be run: AttributeError: module 'scorer' has no attribute 'score'"),
        ("def score(:", "it cannot be run: SyntaxError: invalid syntax (score.py, line 1)"),
        ("def score(case, answer): return bytearray(3 << 30) and 1", "MemoryError"),
    ],
)
def test_what_a_function_does_wrong_is_told(source: str, why: str) -> None:
    """It is no mark, with a reason on one line; memory is limited."""
    assert said(source) == Mark("own", None, why)


def test_a_function_that_hangs_is_ended_and_given_up() -> None:
    """Each answer has its time; after five in a row the function is asked no more."""
    source = "import time\ndef score(case, answer):\n    time.sleep(60)"
    function = Function(Scorer("own", "python", file="s.py", function="score"), source, SystemClock(), SHORT)
    try:
        told = [function.mark(CASE, ANSWER).why for _ in range(MOST_TIMEOUTS + 1)]
    finally:
        function.close()
    assert told[:-1] == ["it took longer than 0.5 s"] * MOST_TIMEOUTS
    assert told[-1] == "it took longer than 0.5 s 5 times in a row"


def test_a_function_lives_for_the_evaluation() -> None:
    """What it holds in memory is there for the next answer."""
    source = "seen = []\ndef score(case, answer):\n    seen.append(1)\n    return len(seen) / 4"
    function = Function(Scorer("own", "python", file="s.py", function="score"), source, SystemClock())
    try:
        assert [function.mark(CASE, ANSWER).value for _ in range(3)] == [0.25, 0.5, 0.75]
    finally:
        function.close()


def test_a_process_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its answer has no mark, with the reason; nothing is raised, and the next one is tried again."""
    function = Function(OWN, "def score(case, answer):\n    return 1", SystemClock(), LONG)
    try:
        with monkeypatch.context() as without:
            without.setattr(sys, "executable", str(tmp_path / "python"))
            told = function.mark(CASE, ANSWER)
        assert (told.value, told.why) == (None, "it could not be started: No such file or directory")
        assert function.mark(CASE, ANSWER).value == 1.0
    finally:
        function.close()


def test_a_process_is_started_again_where_its_folder_is_gone() -> None:
    """Folders for temporary files are tidied while a host runs for weeks."""
    source = """
import os
def score(case, answer):
    if answer["text"] == "tidied":
        os.rmdir(os.getcwd())
        os._exit(1)
    return 1
"""
    function = Function(OWN, source, SystemClock(), LONG)
    try:
        assert function.mark(CASE, Answer("c", "ok", "tidied")).why == "its process ended"
        assert function.mark(CASE, ANSWER).value == 1.0
    finally:
        function.close()


def test_a_function_sees_no_secrets_and_prints_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is made for it, and what it prints is no answer."""
    monkeypatch.setenv("PROVIDER_KEY", "secret")
    assert os.environ["PROVIDER_KEY"] == "secret"
    source = (
        "import os\nprint('{}')\ndef score(case, answer):\n    print('[]')\n"
        "    return 0.5, ','.join(sorted(os.environ))"
    )
    assert said(source).why.replace(",LC_CTYPE", "") == "LANG,PATH,PYTHONHASHSEED"


def test_a_function_may_declare_classes() -> None:
    """Dataclasses and pickles look their module up."""
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n"
        "def score(case, answer): return A(1).x"
    )
    assert said(source).value == 1.0


def test_what_was_not_delivered_is_not_shown() -> None:
    """It is wrong without the function."""
    answer = Answer("c", "output_invalid", "4")
    assert said("def score(case, answer): return 1", answer=answer).value == 0.0


def test_a_file_is_held_to_its_digest(tmp_path: Path) -> None:
    """The file that was declared is run, and no other."""
    source = b"def score(case, answer): return 1\n"
    (tmp_path / "score.py").write_bytes(source)
    digest = hashlib.sha256(source).hexdigest()
    scorer = Scorer("own", "python", file="score.py", function="score", digest=digest)
    found = ready(Evals(scorers=(scorer,)), tmp_path, Nobody(), SystemClock(), task="t")
    assert found.scorings[0].mark(CASE, ANSWER).value == 1.0
    found.close()
    (tmp_path / "score.py").write_bytes(b"def score(case, answer): return 0\n")
    with pytest.raises(EvaluationRefused, match=r"score\.py of the scorer own changed since the suite was read"):
        ready(Evals(scorers=(scorer,)), tmp_path, Nobody(), SystemClock(), task="t")
    (tmp_path / "score.py").unlink()
    with pytest.raises(EvaluationRefused, match="cannot be read"):
        ready(Evals(scorers=(scorer,)), tmp_path, Nobody(), SystemClock(), task="t")


def test_large_answers_go_through() -> None:
    """What does not fit into a pipe at once is sent in parts."""
    assert value("regex", "x" * 900_000 + "end", pattern="end$") == 1.0
