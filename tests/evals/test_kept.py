"""What an evaluation keeps: nothing that was kept is lost, whatever a crash cut short; one process writes at a time."""

from __future__ import annotations

import errno
import os
import resource
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.evals.fakes import plan
from trimtab.errors import EvaluationRuns, EvaluationUnknown, FormatError, StoreError
from trimtab.evals.kept import Evaluations
from trimtab.evals.kept_samples import KeptSamples, read_samples
from trimtab.evals.plan import plan_digest
from trimtab.evals.report import ArmReport, Exactly, Report
from trimtab.evals.sample import Answer, Mark, Sample, ToolCall

FULL = Answer(
    "call-1",
    "ok",
    'Grüße "zwei"\nZeilen \u2028',
    (ToolCall("track", '{"order": 1'),),
    "stop",
    "valid",
    ("valid",),
    1,
    "small-1",
    200,
    "",
    10,
    5,
    0.001,
    0.2,
    0.5,
)


def sample(number: int, call: str = "", text: str = "yes") -> Sample:
    return Sample("candidate", "case-1", number, 7, Answer(call or f"call-{number}", "ok", text))


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    """Answers with all that is known of them, marks and calls that were made again outlive the process."""
    kept = KeptSamples(tmp_path / "samples.jsonl")
    kept.add(Sample("base", "case-1", 0, 7, FULL))
    kept.mark("base", "case-1", 0, Mark("exact", 1.0), Mark("helpful", None, "no answer", "judge-1", 0.002))
    kept.failed(Sample("base", "case-2", 0, 8, Answer("call-2", "upstream_error", status=502)))
    kept.mark("base", "case-1", 0, Mark("helpful", 0.5, "", "judge-2", 0.002))
    expected = Sample("base", "case-1", 0, 7, FULL, (Mark("exact", 1.0), Mark("helpful", 0.5, "", "judge-2", 0.002)))
    failed = Sample("base", "case-2", 0, 8, Answer("call-2", "upstream_error", status=502))
    assert (kept.all(), kept.failures()) == ((expected,), (failed,))
    kept.close()
    again = KeptSamples(tmp_path / "samples.jsonl")
    assert (again.all(), again.failures()) == ((expected,), (failed,))
    assert repr(again) == f"KeptSamples({tmp_path}/samples.jsonl: 1 samples, 1 failures)"
    assert read_samples(tmp_path / "samples.jsonl") == (expected,), "without holding it"


def test_an_answer_takes_the_place_of_one_that_failed(tmp_path: Path) -> None:
    """There is one answer to a question; what it replaces still counts as a call that was paid for."""
    kept = KeptSamples(tmp_path / "samples.jsonl")
    failed = replace(sample(0), answer=Answer("call-x", "upstream_error", cost_usd=0.1))
    kept.add(failed)
    kept.add(sample(0))
    assert (kept.all(), kept.failures()) == ((sample(0),), (failed,))


def test_a_crash_at_any_byte_loses_only_what_was_being_written(tmp_path: Path) -> None:
    """Wherever the file ends, the whole lines before it are there, and keeping goes on after them."""
    path = tmp_path / "samples.jsonl"
    whole = KeptSamples(path)
    ends = []
    for number in range(3):
        whole.add(sample(number, text="ü\u2028"))
        whole.mark("candidate", "case-1", number, Mark("exact", 1.0))
        ends.append(path.stat().st_size)
    whole.close()
    data = path.read_bytes()
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        kept = KeptSamples(path)
        marked = [one.answer.call for one in kept.all() if one.marks]
        assert marked == [f"call-{number}" for number, end in enumerate(ends) if end <= cut]
        kept.add(sample(9))
        kept.close()
        assert read_samples(path)[-1] == sample(9)


@given(tail=st.binary(max_size=60).filter(lambda tail: b"\n" not in tail))
def test_whatever_a_crash_left_at_the_end_is_taken_out(tmp_path_factory: pytest.TempPathFactory, tail: bytes) -> None:
    """A last line without an end is never taken for a sample, nor does it spoil the next."""
    path = tmp_path_factory.mktemp("kept") / "samples.jsonl"
    kept = KeptSamples(path)
    kept.add(sample(0))
    kept.close()
    with path.open("ab") as file:
        file.write(tail)
    again = KeptSamples(path)
    again.add(sample(1))
    again.close()
    assert read_samples(path) == (sample(0), sample(1))


def test_a_damaged_line_is_told(tmp_path: Path) -> None:
    """What was changed afterwards is not passed over: a sample would be paid for again."""
    path = tmp_path / "samples.jsonl"
    kept = KeptSamples(path)
    kept.add(sample(0))
    kept.add(sample(1))
    kept.close()
    size = path.stat().st_size
    path.write_bytes(path.read_bytes().replace(b"call-0", b'call"0'))
    with pytest.raises(FormatError, match="at byte 0 is not valid"):
        KeptSamples(path)
    assert path.stat().st_size == size, "nothing is cut off"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """What is written to is held; once it is let go of another may have it."""
    kept = KeptSamples(tmp_path / "samples.jsonl")
    with pytest.raises(EvaluationRuns, match=tmp_path.name):
        KeptSamples(tmp_path / "samples.jsonl")
    kept.close()
    KeptSamples(tmp_path / "samples.jsonl").close()


def test_many_threads_keep_at_once(tmp_path: Path) -> None:
    """No line of one is mixed with that of another, and none is lost."""
    kept = KeptSamples(tmp_path / "samples.jsonl")

    def keep(arm: int) -> None:
        for number in range(20):
            kept.add(sample(100 * arm + number, text="x" * (number * 400)))
            kept.mark("candidate", "case-1", 100 * arm + number, Mark("exact", 1.0))

    threads = [threading.Thread(target=keep, args=(arm,)) for arm in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.close()
    found = read_samples(tmp_path / "samples.jsonl")
    assert {one.number for one in found} == {100 * arm + number for arm in range(8) for number in range(20)}
    assert all(one.marks == (Mark("exact", 1.0),) for one in found)


def test_a_full_disk_is_told_and_spoils_nothing(tmp_path: Path) -> None:
    """An answer that finds no room is an error, and what was kept before and after it can be read."""
    path = tmp_path / "samples.jsonl"
    kept = KeptSamples(path)
    kept.add(sample(0))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, limits[1]))
    try:
        with pytest.raises(StoreError, match="File too large"):
            kept.add(sample(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert kept.all() == (sample(0),)
    kept.add(sample(2))
    kept.close()
    assert read_samples(path) == (sample(0), sample(2))


def test_a_disk_that_fails_is_told_to_all_who_wait_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel tells a failure to write once, and then that all is well: whoever waited for the same bytes is told
    of it too.
    """
    kept = KeptSamples(tmp_path / "samples.jsonl")
    begun, written = threading.Event(), threading.Event()
    synced: list[str] = []
    failed: list[str] = []

    def fdatasync(handle: int) -> None:
        if not synced:
            begun.set()
            assert written.wait(10)
        synced.append("all is well" if len(synced) != 1 else "it fails")
        if synced[-1] == "it fails":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def keep(number: int) -> None:
        try:
            kept.add(sample(number))
        except StoreError as failure:
            failed.append(str(failure.facts["detail"]))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    threads = [threading.Thread(target=keep, args=(number,)) for number in range(4)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(kept.all()) < len(threads):
        threading.Event().wait(0.001)
    written.set()
    for thread in threads:
        thread.join()
    assert failed == ["Input/output error"] * 3
    kept.close()


def test_what_is_closed_takes_nothing(tmp_path: Path) -> None:
    """A thread that comes too late is told."""
    kept = KeptSamples(tmp_path / "samples.jsonl")
    kept.close()
    kept.close()
    with pytest.raises(StoreError, match="it is closed"):
        kept.add(sample(0))


def report(evaluation: str) -> Report:
    return Report(evaluation, "triage", 1, ArmReport("candidate", "here", "l", "s"), Exactly("s", "c", 1, 1))


def test_evaluations_of_a_directory(tmp_path: Path) -> None:
    """What was begun is found by its id and by its plan until it has a report, the latest first."""
    evaluations = Evaluations(tmp_path)
    assert evaluations.ids() == ()
    assert evaluations.unfinished("triage") is None
    first, second = plan(2), replace(plan(3), id="0200")
    assert evaluations.begin(first) == tmp_path / "evaluations" / "0199"
    evaluations.begin(second)
    assert evaluations.ids() == ("0200", "0199")
    assert evaluations.plan("0199") == first
    assert evaluations.unfinished("triage") == "0200"
    assert evaluations.unfinished("triage", plan_digest(first)) == "0199"
    assert evaluations.unfinished("other") is None
    evaluations.end(report("0200"))
    assert evaluations.report("0200") == report("0200")
    assert evaluations.report("0199") is None
    assert evaluations.unfinished("") == "0199"
    with evaluations.running("0199") as kept:
        kept.add(sample(0))
        assert evaluations.samples("0199") == (sample(0),)
    with evaluations.running("0199") as kept:
        assert kept.all() == (sample(0),)
    assert (tmp_path / "evaluations" / "0199").stat().st_mode & 0o077 == 0
    assert (tmp_path / "evaluations" / "0199" / "samples.jsonl").stat().st_mode & 0o077 == 0


def test_what_is_no_evaluation(tmp_path: Path) -> None:
    """Ids lead nowhere else, and what cannot be read is told."""
    evaluations = Evaluations(tmp_path)
    for wrong in ("../x", "", "A", "a/b", "a" * 65):
        with pytest.raises(EvaluationUnknown, match="no id"):
            evaluations.folder(wrong)
    with pytest.raises(EvaluationUnknown, match="it has no plan"):
        evaluations.plan("0199")
    evaluations.begin(plan(1))
    with pytest.raises(StoreError):
        evaluations.begin(plan(1))
    (tmp_path / "evaluations" / "0199" / "plan.json").write_text("{}")
    with pytest.raises(EvaluationUnknown, match=r"its plan\.json cannot be read"):
        evaluations.plan("0199")
    assert evaluations.unfinished("") is None
    evaluations.begin(replace(plan(1), id="0201", version=99))
    with pytest.raises(EvaluationUnknown, match="newer release"):
        evaluations.plan("0201")
