"""A report for a build server: what fails, what is in error, and that it is XML whatever names hold."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.evals.renderings.reports import ALONE, BLOCKED, HOSTILE
from trimtab.evals.renderings.junit import junit
from trimtab.evals.report import CaseResult

GOLDEN = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="extract">
  <testsuite name="extract verdict" tests="1" failures="1" errors="0" skipped="0">
    <testcase classname="verdict" name="extract: working tree (lock b2b2b2b2b2b2) against origin/main \
(lock a1a1a1a1a1a1)"><failure message="exact: -6.2 points (-8.4 to -4.0); at least 4.4 points worse with 95 % \
confidence."/></testcase>
  </testsuite>
  <testsuite name="extract metrics" tests="2" failures="1" errors="1" skipped="0">
    <testcase classname="metric" name="exact"><failure message="-6.2 points (-8.4 to -4.0), margin 2 points"/>\
</testcase>
    <testcase classname="metric" name="exact in long"><error message="0.0 points (-5.0 to 5.0), margin 2 points"/>\
</testcase>
  </testsuite>
  <testsuite name="extract cases" tests="3" failures="0" errors="0" skipped="0">
    <testcase classname="case" name="c1"><system-out>base 100 %, candidate 0 %</system-out></testcase>
    <testcase classname="case" name="c2"><system-out>base 40.0 %, candidate 80.0 %, flaky</system-out></testcase>
    <testcase classname="case" name="c3"><system-out>base 100 %, candidate 100 %, saturated</system-out></testcase>
  </testsuite>
</testsuites>
"""
"""Written by hand."""


def test_a_blocked_change() -> None:
    """The verdict and what blocks are failures, what is open an error, and cases neither."""
    assert junit(BLOCKED) == GOLDEN


def test_one_arm() -> None:
    """Without a verdict there are only the cases."""
    root = ElementTree.fromstring(junit(ALONE))
    assert [suite.get("name") for suite in root] == ["extract cases"]


def test_hostile_names() -> None:
    """Tags and quotes in names are text."""
    root = ElementTree.fromstring(junit(HOSTILE))
    assert [case.tag for case in root.iter() if case.tag not in {"testsuites", "testsuite", "testcase"}] == [
        *("error", "error", "failure"),
        "system-out",
    ]


@given(st.text(alphabet=st.characters()))
def test_any_name_is_xml(name: str) -> None:
    """Whatever characters a case's name holds, XML's parser takes it."""
    ElementTree.fromstring(junit(replace(ALONE, task=name, cases=(CaseResult(name, "", (), 0.0, 1.0),))))
