"""A whole evaluation: real gateways, a scripted model, and what it leaves behind."""

from __future__ import annotations

import itertools
import json
import resource
import signal
import socket
import threading
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.assemble.evaluating import model, says, write_project, write_suite
from tests.threaded_upstream import PATIENCE_S
from trimtab.assemble import evaluation_room
from trimtab.assemble.evaluation import Around, carry_out, taken_up
from trimtab.assemble.evaluation_money import bound_of, forecast, telling
from trimtab.assemble.evaluation_plan import Options, Prepared, changes_of, prepare, unreachable
from trimtab.assemble.evaluation_records import ends_of
from trimtab.assemble.evaluation_side import Side, side
from trimtab.clock import SystemClock
from trimtab.declare.evaluating import Evals
from trimtab.declare.load import load
from trimtab.errors import EvaluationRefused, StoreError
from trimtab.evals.asking import Judge
from trimtab.evals.case import Case
from trimtab.evals.kept import Evaluations
from trimtab.evals.plan import Cell
from trimtab.evals.progress import Progress
from trimtab.evals.sample import Answer, Mark
from trimtab.evals.scorers.ready import Ready
from trimtab.ids import IdSource
from trimtab.testing.ports import refused_port

NOWHERE = "http://127.0.0.1:9"
CLOCK, IDS = SystemClock(), IdSource()


class Same:
    """Marks 1 what is, to the letter, what is expected."""

    name = "exact"

    def mark(self, case: Case, answer: Answer) -> Mark:
        return Mark(self.name, float(answer.text == case.expected))


def same(suite: Evals, side: Side, task: str, judge: Judge) -> Ready:
    return Ready(suite, (Same(),), (), {})


def around(root: Path) -> Around:
    return Around(Evaluations(root / ".trimtab"), same, CLOCK, IDS)


def sides(root: Path, url: str, **suite: int) -> Prepared:
    """The task at temperature 0 against itself at 0.9."""
    write_project(root, url)
    write_suite(root, **suite)
    base = side(load(root), "cold")
    write_suite(root, **suite, temperature=0.9)
    return prepare("sort", {"base": base, "candidate": side(load(root), "warm")}, Options(), CLOCK, IDS)


def hot_is_wrong(body: dict[str, object]) -> object:
    """A model whose answers are wrong at any temperature above 0."""
    return says('{"label": "b"}' if body["temperature"] else '{"label": "a"}')


def test_an_evaluation(tmp_path: Path) -> None:
    """Both arms are asked every case with the same seeds, the worse one is blocked, and all of it is kept."""
    told: list[Progress] = []
    with model(hot_is_wrong) as found:  # type: ignore[arg-type]
        prepared = sides(tmp_path, found.url, samples=2)
        done = carry_out(prepared, around(tmp_path), told.append, b"{}")
    report = done.report
    assert report is not None
    assert (report.verdict, report.base is not None, len(report.cases)) == ("block", True, 40)
    assert [(one.calls, one.failed, one.source) for one in (report.base, report.candidate) if one] == [
        (80, 0, "cold"),
        (80, 0, "warm"),
    ]
    assert report.cost_usd == pytest.approx(160 * (20 * 1.0 + 9 * 2.0) / 1e6)
    assert any("temperature" in words for words in report.changes)
    seeds = {name: {} for name in (0.0, 0.9)}  # type: ignore[var-annotated]
    for body in found.asked:
        seeds[body["temperature"]].setdefault(body["messages"][-1]["content"], set()).add(body["seed"])
    assert seeds[0.0] == seeds[0.9]
    assert all(len(each) == 2 for each in seeds[0.0].values())
    kept = Evaluations(tmp_path / ".trimtab")
    assert kept.report(report.id) == report
    assert len(kept.samples(report.id)) == 160
    assert (told[-1].done, told[-1].planned) == (160, 160)
    assert {path.name for path in (tmp_path / ".trimtab").iterdir()} == {"evaluations"}


def test_an_arm_against_itself_is_not_blocked(tmp_path: Path) -> None:
    """A/A: the same declaration twice, whose answers are right."""
    with model(hot_is_wrong) as found:  # type: ignore[arg-type]
        write_project(tmp_path, found.url)
        write_suite(tmp_path)
        both = side(load(tmp_path), "here")
        prepared = prepare("sort", {"base": both, "candidate": both}, Options(), CLOCK, IDS)
        report = carry_out(prepared, around(tmp_path)).report
    assert report is not None
    assert report.verdict == "ship"
    assert report.changes == ()
    assert any("alike" in note for note in report.notes)


def test_it_goes_on_after_an_interruption(tmp_path: Path) -> None:
    """What was answered before Ctrl-C is not asked again, and the whole is as if nothing had happened."""
    begun, pressed = itertools.count(1), threading.Event()

    def halting(body: dict[str, object]) -> object:
        """Answers 40 calls, and the others once it was pressed."""
        assert next(begun) <= 40 or pressed.wait(PATIENCE_S)
        return hot_is_wrong(body)

    with model(halting) as found:  # type: ignore[arg-type]
        prepared = sides(tmp_path, found.url)

        def interrupt(now: Progress) -> None:
            if now.done >= 20 and not pressed.is_set():
                pressed.set()
                signal.raise_signal(signal.SIGINT)

        first = carry_out(prepared, around(tmp_path), interrupt)
        assert first.report is None
        before = len(found.asked)
        assert 20 <= before < 80
        write_suite(tmp_path, temperature=0.9)
        again = prepare("sort", prepared.sides, Options(), CLOCK, IDS)
        resumed = taken_up(again, around(tmp_path).evaluations)
        assert resumed is not None
        assert resumed.plan.id == prepared.plan.id != again.plan.id
        report = carry_out(resumed, around(tmp_path)).report
    assert report is not None
    assert (report.verdict, len(found.asked)) == ("block", 80)
    folder = tmp_path / ".trimtab" / "evaluations" / prepared.plan.id
    ends = [end for arm in ("base", "candidate") for end in ends_of(folder / arm, prepared.plan.id)]
    assert len({(end.admitted.snapshot, end.admitted.step) for end in ends}) == len(ends) == 80


def test_samples_that_only_the_gateway_knows_are_not_paid_twice(tmp_path: Path) -> None:
    """After a crash between an answer and its line in samples.jsonl, the answer is taken from the arm's records."""
    with model(hot_is_wrong) as found:  # type: ignore[arg-type]
        prepared = sides(tmp_path, found.url)
        whole = carry_out(prepared, around(tmp_path)).report
        folder = tmp_path / ".trimtab" / "evaluations" / prepared.plan.id
        (folder / "report.json").unlink()
        lines = (folder / "samples.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "samples.jsonl").write_bytes(b"".join(lines[: len(lines) // 3]))
        report = carry_out(prepared, around(tmp_path)).report
    assert len(found.asked) == 80
    assert whole is not None
    assert report is not None
    assert report.metrics[0] == whole.metrics[0]


def test_a_disk_without_room_for_what_was_asked(tmp_path: Path) -> None:
    """It is told as a failure of the store, which people are shown without a traceback."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with model(hot_is_wrong) as found:  # type: ignore[arg-type]
        prepared = sides(tmp_path, found.url)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        try:
            with pytest.raises(StoreError, match=r"asked\.json"):
                carry_out(prepared, around(tmp_path), asked=b"x" * (2 << 20))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_has_changed_is_not_taken_up(tmp_path: Path) -> None:
    """Another suite is other work, and so is the same suite of the other side, whose judges may be others."""
    prepared = sides(tmp_path, NOWHERE)
    evaluations = around(tmp_path).evaluations
    evaluations.begin(prepared.plan)
    assert taken_up(prepared, evaluations) is not None
    more = replace(prepared.plan, id="", suite=replace(prepared.plan.suite, samples=3))
    assert taken_up(Prepared(more, prepared.cases, prepared.sides), evaluations) is None
    gate = prepare("sort", prepared.sides, Options(), CLOCK, IDS, "base")
    assert taken_up(gate, evaluations) is None
    evaluations.begin(gate.plan)
    found = taken_up(gate, evaluations)
    assert found is not None
    assert (found.plan.id, found.suite_side) == (gate.plan.id, prepared.sides["base"])
    quick = replace(prepared.plan, id="", suite=replace(prepared.plan.suite, concurrency=9, budget_usd=3.0))
    again = taken_up(Prepared(quick, prepared.cases, prepared.sides), evaluations)
    assert again is not None
    assert (again.plan.suite.concurrency, again.plan.suite.budget_usd) == (9, 3.0)


def test_nothing_is_begun_where_no_server_is(tmp_path: Path) -> None:
    """It is said which model's servers are away, before a folder is made or a call."""
    prepared = sides(tmp_path, NOWHERE)
    with pytest.raises(EvaluationRefused, match=r"small .*start its servers"):
        carry_out(prepared, around(tmp_path))
    assert not (tmp_path / ".trimtab").exists()


def test_any_replica_is_enough(tmp_path: Path) -> None:
    """Six servers are away and the seventh is there: it is begun."""
    with refused_port() as away, socket.create_server(("127.0.0.1", 0)) as there:
        ports = [away] * 6 + [there.getsockname()[1]]
        replicas = '", "'.join(f"http://127.0.0.1:{port}/{number}" for number, port in enumerate(ports))
        assert unreachable(sides(tmp_path, replicas)) == ""


def test_the_demo_is_named_where_it_is_away(tmp_path: Path) -> None:
    """Who evaluates the demo is told to start it."""
    write_project(tmp_path, NOWHERE)
    write_suite(tmp_path)
    (tmp_path / "trimtab.toml").write_text(
        (tmp_path / "trimtab.toml").read_text().replace('"scripted"', '"jobs-small"')
    )
    prepared = prepare("sort", {"candidate": side(load(tmp_path), "here")}, Options(), CLOCK, IDS)
    with pytest.raises(EvaluationRefused, match="trimtab up --demo"):
        carry_out(prepared, around(tmp_path))


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    """A task that is not there, one without a suite, and cases with mistakes, each with what to do."""
    write_project(tmp_path, NOWHERE)
    bare = {"candidate": side(load(tmp_path), "here")}
    with pytest.raises(EvaluationRefused, match="has no such task; it has sort"):
        prepare("other", bare, Options(), CLOCK, IDS)  # type: ignore[arg-type]
    with pytest.raises(EvaluationRefused, match="has no suite"):
        prepare("sort", bare, Options(), CLOCK, IDS)  # type: ignore[arg-type]
    write_suite(tmp_path, 2)
    rows = (tmp_path / "tasks" / "sort" / "cases.jsonl").read_text()
    (tmp_path / "tasks" / "sort" / "cases.jsonl").write_text(rows + '{"id": "case 1", "inputs": {"ticket": "x"}}\n')
    with pytest.raises(EvaluationRefused, match=r"cases\.jsonl:3"):
        prepare("sort", {"candidate": side(load(tmp_path), "here")}, Options(), CLOCK, IDS)


def test_options_change_the_suite(tmp_path: Path) -> None:
    """Samples, cases, budget and speed of one evaluation; the order is a random one and the same each time."""
    write_project(tmp_path, NOWHERE)
    write_suite(tmp_path)
    here = {"candidate": side(load(tmp_path), "here")}
    plan = prepare("sort", here, Options(3, 10, 2.5, 7), CLOCK, IDS).plan  # type: ignore[arg-type]
    again = prepare("sort", here, Options(cases=20), CLOCK, IDS).plan  # type: ignore[arg-type]
    assert (plan.suite.samples, plan.suite.budget_usd, plan.suite.concurrency) == (3, 2.5, 7)
    assert (len(plan.order), len(again.order), plan.calls) == (10, 20, 30)
    assert again.order[:10] == plan.order != tuple(sorted(plan.order))


def test_what_bears_on_a_task(tmp_path: Path) -> None:
    """Prompt, sampling, schema and model do; its cases, its suite and another task do not."""
    write_project(tmp_path, NOWHERE)
    write_suite(tmp_path)
    base = side(load(tmp_path), "base")

    def sections(found: Side) -> set[str]:
        return {one.key.partition("/")[0] for one in changes_of("sort", base, found)}

    write_suite(tmp_path, 7, samples=9)
    other = tmp_path / "tasks" / "other"
    other.mkdir()
    (other / "task.toml").write_text('owner = "team"\nmodel = "small"\n')
    assert sections(side(load(tmp_path), "data")) == set()
    write_suite(tmp_path, temperature=0.5)
    assert sections(side(load(tmp_path), "warm")) == {"sampling"}
    write_project(tmp_path, NOWHERE, words="Sort this.")
    assert sections(side(load(tmp_path), "words")) == {"prompts"}
    write_project(tmp_path, NOWHERE)
    (tmp_path / "tasks" / "sort" / "output.schema.json").write_text(json.dumps({"type": "object"}))
    assert sections(side(load(tmp_path), "schema")) == {"schemas"}
    (tmp_path / "trimtab.toml").write_text((tmp_path / "trimtab.toml").read_text().replace('"scripted"', '"larger"'))
    assert sections(side(load(tmp_path), "model")) == {"schemas", "models"}


def test_what_it_costs_is_bounded(tmp_path: Path) -> None:
    """By every byte as a token of input and the whole limit on output, each attempt and each repair."""
    prepared = sides(tmp_path, NOWHERE)
    cell = Cell("base", "case 1", 0, 0)
    assert bound_of(prepared, CLOCK)(cell) is None
    assert forecast(prepared, (), CLOCK).most_usd is None
    limited = (
        (tmp_path / "tasks" / "sort" / "task.toml").read_text().replace("temperature = 0.9", "max_output_tokens = 50")
    )
    (tmp_path / "tasks" / "sort" / "task.toml").write_text(limited.replace("attempts = 1", "attempts = 3"))
    found = prepare("sort", {"candidate": side(load(tmp_path), "here")}, Options(), CLOCK, IDS)
    bound = bound_of(found, CLOCK)(Cell("candidate", "case 1", 0, 0))
    sent = {"model": "sort", "messages": [], "seed": 0, "trimtab": {"inputs": {"ticket": "ticket 1"}}}
    rendered = [{"role": "system", "content": "Sort it."}, {"role": "user", "content": "ticket 1"}]
    most_bytes = len(msgspec.json.encode(sent)) + len(msgspec.json.encode(rendered)) + 2 * 64
    assert bound == pytest.approx(3 * (most_bytes * 1.0 + 50 * 2.0) / 1e6)
    told = forecast(found, (), CLOCK)
    assert told.sees is None
    assert told.expected_usd is not None
    assert told.most_usd is not None
    assert 0 < told.expected_usd < told.most_usd


def test_earlier_evaluations_tell_what_calls_cost(tmp_path: Path) -> None:
    """The next forecast is the mean call of the last report, times the calls."""
    with model(hot_is_wrong) as found:  # type: ignore[arg-type]
        prepared = sides(tmp_path, found.url, samples=2)
        report = carry_out(prepared, around(tmp_path)).report
    assert report is not None
    told = forecast(prepared, [report], CLOCK)
    assert told.expected_usd == pytest.approx(160 * 38e-6)
    assert told.sees is not None
    assert told.sees.is_known
    assert telling([report]) is report


def test_records_of_old_evaluations_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all but the latest the arms' records go; plans, samples and reports stay, and so does what has not ended."""
    monkeypatch.setattr(evaluation_room, "KEPT", 2)
    evaluations = Evaluations(tmp_path / "data")
    for name in ("1", "2", "3", "4"):
        (evaluations.root / name / "base" / "spool").mkdir(parents=True)
        for file in ("plan.json", "samples.jsonl", *(() if name == "2" else ("report.json",))):
            (evaluations.root / name / file).write_text("{}")
    evaluation_room.make_room(evaluations)
    assert [name for name in "1234" if (evaluations.root / name / "base").exists()] == ["2", "3", "4"]
    assert (evaluations.root / "1" / "report.json").exists()


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    """Answers are as private as what users wrote."""
    evaluations = Evaluations(tmp_path / "data")
    evaluation_room.make_room(evaluations)
    for folder in (tmp_path / "data", evaluations.root):
        assert folder.stat().st_mode & 0o77 == 0
