"""A report as JUnit XML, which build servers show."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import quoteattr

from trimtab.evals.renderings import lines
from trimtab.evals.report import Metric, Report, Verdict
from trimtab.evals.words import difference_text, margin_text, name_of

_NO_XML: Final = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""


def junit(report: Report) -> str:
    """The report: a test for the verdict, one for each metric that decides, and one for each case.

    What blocks is a failure, what is inconclusive an error. Cases are never failures: one that turned is no verdict.
    """
    verdicts = [_verdict(report)] if report.verdict else []
    suites = [("verdict", verdicts), ("metrics", [_metric(one) for one in report.metrics if one.decision])]
    suites.append(("cases", [_case(*row) for row in lines.case_rows(report, report.cases)]))
    filled = [_suite(report, name, tests) for name, tests in suites if tests]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites name={_text(report.task)}>", *filled,
                      "</testsuites>", ""])  # fmt: skip


def whole(name: str, verdict: Verdict, told: str) -> str:
    """A verdict over several reports, as a suite of one test to stand before theirs."""
    return _suite_of(name, [_test("verdict", name, verdict, told)])


def _suite(report: Report, name: str, tests: list[str]) -> str:
    return _suite_of(f"{report.task} {name}", tests)


def _suite_of(name: str, tests: list[str]) -> str:
    failures, errors = (sum(f"<{what} " in test for test in tests) for what in ("failure", "error"))
    counts = f'tests="{len(tests)}" failures="{failures}" errors="{errors}" skipped="0"'
    inner = "\n".join(tests)
    return f"  <testsuite name={_text(name)} {counts}>\n{inner}\n  </testsuite>"


def _verdict(report: Report) -> str:
    return _test("verdict", lines.headline(report), report.verdict or "", " ".join(report.reasons))


def _metric(one: Metric) -> str:
    told = f"{difference_text(one)}, margin {margin_text(one)}"
    return _test("metric", name_of(one), one.decision or "", told)


def _case(case: str, base: str, candidate: str, state: str) -> str:
    told = f"base {base}, candidate {candidate}" + (f", {state}" if state else "")
    return _test("case", case, "", told)


def _test(of: str, name: str, decision: str, told: str) -> str:
    head = f"    <testcase classname={_text(of)} name={_text(name)}"
    tag = {"block": "failure", "inconclusive": "error"}.get(decision)
    inner = f"<{tag} message={_text(told)}/>" if tag else f"<system-out>{_text(told)[1:-1]}</system-out>"
    return f"{head}>{inner}</testcase>"


def _text(words: str) -> str:
    """Words as an attribute, without what XML cannot hold."""
    return quoteattr(_NO_XML.sub("?", words), {'"': "&quot;"})
