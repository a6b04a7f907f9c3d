"""The pages of evaluations: the list, one of them with its cases side by side, and the history of a task."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.console import evaluated
from tests.console.asking import data, get
from tests.console.conftest import Scene
from tests.console.past import NEW_LOCK, OLD_LOCK
from tests.console.seeding import day, policy
from trimtab.console.evaluation_drawn import interval_drawn, scatter, spreads
from trimtab.console.pages.evaluation_history import scored
from trimtab.evals.kept import REPORT, SAMPLES
from trimtab.evals.report import CaseResult, Figure, Metric
from trimtab.processes.evaluation_pages import EvaluationPages


@pytest.fixture
def evaluated_scene(scene: Scene, tmp_path: Path) -> Scene:
    """A scene with evaluations, and the cases of their suite in the project."""
    scene.policy = policy()
    evaluated.evaluations(tmp_path / "data", scene.clock.wall_ns())
    evaluated.cases_file(tmp_path / "project")
    scene.evaluations = EvaluationPages(tmp_path / "data", tmp_path / "project")
    return scene


async def test_the_list_tells_what_came_of_each(evaluated_scene: Scene) -> None:
    """Each evaluation has a line, the latest first, with its verdict or how it stands."""
    found = await data(evaluated_scene, "/evaluations")
    ended = [(one["id"], one["verdict"], one["state"]) for one in found["evaluations"]]
    assert ended == [
        (evaluated.RUNS, None, "not ended"),
        (evaluated.BLOCKED, "block", ""),
        (evaluated.SHIPPED, "ship", ""),
        (evaluated.ALONE, None, "done"),
        (evaluated.HARMFUL, "block", ""),
    ]


async def test_the_list_has_the_difference_with_its_interval(evaluated_scene: Scene) -> None:
    """12 of 30 cases turned: the difference is -40 points, and its interval in CSV lies around it."""
    answer = await get(evaluated_scene, "/evaluations?format=csv&ended=block")
    row = next(csv.DictReader(io.StringIO(answer.text)))
    assert float(row["difference"]) == pytest.approx(-0.4)
    assert float(row["difference_low"]) < -0.4 < float(row["difference_high"]) < 0
    assert float(row["cost_usd"]) == pytest.approx(0.12)


async def test_filters_leave_what_they_say(evaluated_scene: Scene) -> None:
    """A task and a verdict narrow the list; what is no end is told."""
    found = await data(evaluated_scene, "/evaluations?task=extract&ended=ship")
    assert [one["id"] for one in found["evaluations"]] == [evaluated.SHIPPED]
    assert (await get(evaluated_scene, "/evaluations?ended=nothing")).status_code == 400


async def test_a_key_for_some_tasks_sees_theirs_alone(evaluated_scene: Scene) -> None:
    """Neither list, page nor history shows what is of another task."""
    cookie = evaluated_scene.session("viewer", "route")
    found = await data(evaluated_scene, "/evaluations", cookie)
    assert [one["id"] for one in found["evaluations"]] == [evaluated.ALONE]
    assert (await get(evaluated_scene, f"/evaluations/{evaluated.ALONE}", cookie)).status_code == 200
    assert (await get(evaluated_scene, f"/evaluations/{evaluated.BLOCKED}", cookie)).status_code == 404
    assert (await get(evaluated_scene, "/tasks/extract/evaluations", cookie)).status_code == 404
    assert (await get(evaluated_scene, "/evaluations?task=extract", cookie)).status_code == 403


async def test_one_says_its_verdict_and_why(evaluated_scene: Scene) -> None:
    """The page has the verdict, its reasons, both locks, and the command that tells the same."""
    html = (await get(evaluated_scene, f"/evaluations/{evaluated.BLOCKED}")).text
    found = await data(evaluated_scene, f"/evaluations/{evaluated.BLOCKED}")
    assert found["report"]["verdict"] == "block"
    assert "-40.0 points" in html
    assert f'title="{OLD_LOCK}"' in html
    assert f'title="{NEW_LOCK}"' in html
    assert f"trimtab eval show {evaluated.BLOCKED}" in html


async def test_cases_that_turned_stand_side_by_side(evaluated_scene: Scene) -> None:
    """Ten of the twelve that turned are shown, each with what goes in and the words that differ marked on each side."""
    found = await data(evaluated_scene, f"/evaluations/{evaluated.BLOCKED}")
    assert len(found["shown"]) == 10
    first = found["shown"][0]
    assert first["result"]["case"] == evaluated.TURNED
    assert "My parcel 0 is late." in first["inputs"]
    assert first["expected"] == "late"
    assert first["pairs"][0]["base"]["text"] == "The parcel of case-0 is late."
    html = (await get(evaluated_scene, f"/evaluations/{evaluated.BLOCKED}")).text
    assert "</span>late</del>" in html
    assert "</span>lost</ins>" in html


async def test_one_case_alone_has_all_its_answers(evaluated_scene: Scene) -> None:
    """`?case=` shows one case with both of its pairs; one that is not there is told."""
    found = await data(evaluated_scene, f"/evaluations/{evaluated.BLOCKED}?case=case-20")
    assert [one["result"]["case"] for one in found["shown"]] == ["case-20"]
    assert [pair["number"] for pair in found["shown"][0]["pairs"]] == [0, 1]
    assert (await get(evaluated_scene, f"/evaluations/{evaluated.BLOCKED}?case=nothing")).status_code == 404


async def test_states_of_cases_are_told(evaluated_scene: Scene) -> None:
    """What is always wrong in both and what is always right is named in the table of cases."""
    answer = await get(evaluated_scene, f"/evaluations/{evaluated.BLOCKED}?format=csv&table=cases")
    states = {row["case"]: row["state"] for row in csv.DictReader(io.StringIO(answer.text))}
    assert states["case-29"] == "failing"
    assert states["case-15"] == "saturated"
    assert states[evaluated.TURNED] == ""


async def test_what_runs_says_how_to_go_on(evaluated_scene: Scene) -> None:
    """An evaluation without a report has a page that names the command."""
    html = (await get(evaluated_scene, f"/evaluations/{evaluated.RUNS}")).text
    assert f"trimtab eval --resume {evaluated.RUNS}" in html


async def test_hostile_answers_are_text(evaluated_scene: Scene) -> None:
    """Names of cases, answers, tools and reasons that mean harm are escaped wherever they stand."""
    for place in ("/evaluations", f"/evaluations/{evaluated.HARMFUL}", "/tasks/extract/evaluations"):
        html = (await get(evaluated_scene, place)).text
        assert "<script>window" not in html
        assert "<img" not in html
        assert "\x1b" not in html
        assert "\u202e" not in html
    assert "&lt;script&gt;window" in (await get(evaluated_scene, f"/evaluations/{evaluated.HARMFUL}")).text


@pytest.mark.parametrize("name", ["nothing", "..%2F..%2Fetc", "UPPER", "a" * 80])
async def test_what_is_none_is_not_there(evaluated_scene: Scene, name: str) -> None:
    """An id that is none is answered with 404, whatever it looks like."""
    assert (await get(evaluated_scene, f"/evaluations/{name}")).status_code == 404


async def test_damaged_and_missing_files_are_told(evaluated_scene: Scene, tmp_path: Path) -> None:
    """A report that cannot be read takes its evaluation out of the list; missing answers are told on the page."""
    folder = tmp_path / "data" / "evaluations"
    (folder / evaluated.SHIPPED / REPORT).write_text("{")
    (folder / evaluated.BLOCKED / SAMPLES).unlink()
    found = await data(evaluated_scene, "/evaluations")
    assert evaluated.SHIPPED not in [one["id"] for one in found["evaluations"]]
    assert (await get(evaluated_scene, f"/evaluations/{evaluated.SHIPPED}")).status_code == 404
    assert "not kept any more" in (await get(evaluated_scene, f"/evaluations/{evaluated.BLOCKED}")).text


async def test_the_history_has_a_score_for_each_lock(evaluated_scene: Scene) -> None:
    """Both arms of each evaluation are there, the latest first, and a chart of the candidates."""
    found = await data(evaluated_scene, "/tasks/extract/evaluations")
    latest = [(one["arm"], one["lock"], round(one["score"]["value"], 6)) for one in found["scores"][:2]]
    assert latest == [("candidate", NEW_LOCK, round(17 / 30, 6)), ("base", OLD_LOCK, round(29 / 30, 6))]
    html = (await get(evaluated_scene, "/tasks/extract/evaluations")).text
    assert 'class="series"' in html
    assert "/tasks/extract/evaluations" in (await get(evaluated_scene, "/tasks/extract")).text


async def test_what_a_lock_scored_stands_beside_its_calls(evaluated_scene: Scene) -> None:
    """Both locks have their latest score, and the figures of users' calls under them, which are a click away."""
    evaluated_scene.telemetry.insert(day(evaluated_scene.clock.wall_ns(), calls_per_minute=1, hours=6), "day")
    found = await data(evaluated_scene, "/tasks/extract/evaluations?range=24h")
    told = await data(evaluated_scene, "/tasks/extract?range=24h&by=lock")
    live = {cell["value"]: cell["calls"] for cell in told["cells"]}
    assert live.keys() == {OLD_LOCK, NEW_LOCK}
    assert {one["lock"]: one["calls"] for one in found["locks"]} == live
    assert {one["lock"]: one["score"]["id"] for one in found["locks"]} == dict.fromkeys(live, evaluated.BLOCKED)
    csv_rows = await get(evaluated_scene, "/tasks/extract/evaluations?range=24h&format=csv&table=beside")
    rows = {row["lock"]: row for row in csv.DictReader(io.StringIO(csv_rows.text))}
    assert float(rows[NEW_LOCK]["score"]) == pytest.approx(17 / 30)
    assert 0 < float(rows[NEW_LOCK]["parse_rate"]) < float(rows[OLD_LOCK]["parse_rate"])
    html = (await get(evaluated_scene, "/tasks/extract/evaluations?range=24h")).text
    assert f"/calls?range=24h&amp;task=extract&amp;lock={NEW_LOCK}" in html


async def test_without_evaluations_it_is_said_how_to_make_some(scene: Scene) -> None:
    """Empty pages name the command; a task that is not there is not there."""
    scene.policy = policy()
    assert "trimtab eval TASK --against REV" in (await get(scene, "/evaluations")).text
    assert "trimtab eval TASK" in (await get(scene, "/tasks/extract/evaluations")).text
    assert (await get(scene, "/tasks/nothing/evaluations")).status_code == 404


def test_an_interval_is_drawn_with_better_on_the_right() -> None:
    """Less length is better: an interval below 1 is drawn right of the line; a worse score is drawn left of it."""
    shorter = Metric("length", "guard", "tokens", False, difference=Figure(0.7, 0.6, 0.8, 9, 9), is_ratio=True)
    worse = Metric("exact", "score", "share", True, difference=Figure(-0.2, -0.3, -0.1, 9, 9), margin=0.02)
    assert 'class="at better"' in interval_drawn(shorter)
    assert 'class="at worse"' in interval_drawn(worse)
    assert 'class="margin"' in interval_drawn(worse)
    assert interval_drawn(Metric("exact", "score", "share", True)) == ""


def test_points_that_lie_together_are_one_circle() -> None:
    """Three cases at two places make two circles; a case without one arm makes none."""
    cases = [
        CaseResult("a", "", (), 1.0, 0.0),
        CaseResult("b", "", (), 1.0, 0.0),
        CaseResult("c", "", (), 0.5, 0.5),
        CaseResult("d", "", (), None, 1.0),
    ]
    drawn = scatter(cases, "share")
    assert drawn.count("<circle") == 2
    assert "2 cases: base 100 %, candidate 0 %" in drawn
    assert "3 cases, base across, candidate up: 2 worse, 0 better" in drawn


def test_spreads_have_every_case_once() -> None:
    """The bins of both arms span the same axis, and count each case that has a mean."""
    found = spreads([CaseResult("a", "", (), 1.0, 0.0), CaseResult("b", "", (), None, 0.49)])
    assert [(one.arm, sum(one.counts)) for one in found] == [("base", 1), ("candidate", 2)]
    assert found[0].counts[-1] == 1
    assert found[1].counts[0] == 1
    assert found[1].counts[9] == 1


async def test_what_has_no_score_is_in_no_history(evaluated_scene: Scene) -> None:
    """One that has not ended gives no score to any lock."""
    assert evaluated_scene.evaluations is not None
    rows = {one.id: one for one in await evaluated_scene.evaluations.listed()}
    assert scored(rows[evaluated.RUNS]) == []
    assert [one.arm for one in scored(rows[evaluated.BLOCKED])] == ["candidate", "base"]
