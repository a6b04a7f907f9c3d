"""The pages of labels: two reviewers by themselves, what is told when, and what comes out."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console import evaluated
from tests.console.asking import data, get, post
from tests.console.conftest import Scene
from tests.console.seeding import HOSTILE, policy
from trimtab.database.migrate import open_state
from trimtab.errors import InvalidRequest
from trimtab.journal.labels import Labelling, LabelStore
from trimtab.processes.evaluation_pages import EvaluationPages
from trimtab.processes.label_book import LabelBook

PLACE = "/labels/helpful"


@pytest.fixture
def labelled(scene: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A scene with a set of three rows, and evaluations whose answers may be labelled."""
    scene.policy = policy()
    evaluated.evaluations(tmp_path / "data", scene.clock.wall_ns())
    evaluated.cases_file(tmp_path / "project")
    scene.evaluations = EvaluationPages(tmp_path / "data", tmp_path / "project")
    with contextlib.closing(open_state(tmp_path / "labels.db")) as state:
        book = LabelBook(LabelStore(state), tmp_path / "data", tmp_path / "project", scene.clock)
        book.make(Labelling("helpful", "extract", "Does it help?"), "ana")
        rows = [{"inputs": {"ticket": f"ticket {one}"}, "answer": f"answer {one}", "value": 1} for one in range(3)]
        book.add("helpful", rows, "test")
        scene.labels = book
        yield scene


async def give(scene: Scene, cookie: str, key: str, note: str = "") -> str:
    """Labels the row that waits for somebody; gives its id."""
    waits: str = (await data(scene, PLACE, cookie))["next"]["id"]
    answer = await post(scene, f"{PLACE}/given", cookie, {"item": waits, "key": key, "note": note})
    assert answer.status_code == 303
    return waits


async def test_the_page_shows_what_waits_and_its_keys(labelled: Scene) -> None:
    """The first row stands there with its question, and each answer has its key."""
    html = (await get(labelled, PLACE, labelled.session())).text
    assert "Does it help?" in html
    assert "answer 0" in html
    assert re.findall(r'<button name="key" value="(\w)" data-press="(\w)"', html) == [("y", "y"), ("n", "n")]


async def test_the_overview_counts_what_waits(labelled: Scene) -> None:
    """Three rows wait there and on their task's page until two have labelled them; not on another task's page."""

    async def told(place: str) -> list[str]:
        return [one["words"] for one in (await data(labelled, place))["needs"]]

    assert await told("/") == ["3 answers wait for labels"]
    assert await told("/tasks/extract") == ["3 answers wait for labels"]
    assert await told("/tasks/route") == []
    for cookie in (labelled.session("operator"), labelled.session("operator")):
        for _ in range(2):
            await give(labelled, cookie, "y")
    assert await told("/") == ["1 answer waits for labels"]


async def test_nobody_sees_what_another_said_before_both_have(labelled: Scene) -> None:
    """After the first label neither page nor JSON nor export tells of it; after the second the dispute is told."""
    ana, ben = labelled.session(), labelled.session()
    first = await give(labelled, ana, "y", "because-of-ana")
    seen = await get(labelled, f"{PLACE}?format=json", ben)
    assert seen.json()["next"]["id"] == first
    assert "because-of-ana" not in seen.text
    assert seen.json()["shown"]["labelled"] == 0
    assert seen.json()["agreement"]["rows"] == 0
    assert "because-of-ana" not in (await get(labelled, PLACE, ben)).text
    assert (await get(labelled, f"{PLACE}/export", ben)).text == ""
    await give(labelled, ben, "n")
    after = await data(labelled, PLACE, ben)
    assert [len(one["labels"]) for one in after["disputed"]] == [2]
    assert "because-of-ana" in (await get(labelled, PLACE, ben)).text


async def test_two_keys_of_one_name_are_two_reviewers(labelled: Scene) -> None:
    """Reviewers are told apart by their keys: the same key never counts twice."""
    ana = labelled.session()
    rows = [await give(labelled, ana, "y") for _ in range(3)]
    assert len(set(rows)) == 3
    assert (await data(labelled, PLACE, ana))["next"] is None
    assert "Nothing waits for you" in (await get(labelled, PLACE, ana)).text


async def test_what_both_said_stays(labelled: Scene) -> None:
    """Who has seen the other's label may not change their own any more; before that they may."""
    ana, ben = labelled.session(), labelled.session()
    row = await give(labelled, ana, "y")
    assert (await post(labelled, f"{PLACE}/given", ana, {"item": row, "key": "n"})).status_code == 303
    await give(labelled, ben, "y")
    assert (await post(labelled, f"{PLACE}/given", ana, {"item": row, "key": "y"})).status_code == 400


async def test_a_third_one_decides_a_dispute(labelled: Scene) -> None:
    """A disputed row waits for somebody who has not labelled it, and is settled with the mean of three."""
    ana, ben, cleo = (labelled.session() for _ in range(3))
    row = await give(labelled, ana, "y")
    await give(labelled, ben, "n")
    for key in "yy":
        await give(labelled, ana, key)
        await give(labelled, ben, key)
    assert await give(labelled, cleo, "y") == row
    lines = [json.loads(line) for line in (await get(labelled, f"{PLACE}/export", cleo)).text.splitlines()]
    assert [one["values"] for one in lines] == [[1.0, 0.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    assert lines[0]["answer"] == "answer 0"
    assert "value" not in lines[0]
    assert (await data(labelled, PLACE, cleo))["agreement"]["rows"] == 3


async def test_who_may_not_see_the_task_may_not_label(labelled: Scene) -> None:
    """A key for another task finds no set, labels nothing and takes nothing along."""
    cookie = labelled.session("viewer", "route")
    assert (await data(labelled, "/labels", cookie))["sets"] == []
    for place in (PLACE, f"{PLACE}/export"):
        assert (await get(labelled, place, cookie)).status_code == 404
    assert (await post(labelled, f"{PLACE}/given", cookie, {"item": "x", "key": "y"})).status_code == 404


@pytest.mark.parametrize(("item", "key"), [("nothing", "y"), ("", "y"), ("ROW", "7"), ("ROW", "")])
async def test_what_is_no_label_is_refused(labelled: Scene, item: str, key: str) -> None:
    """A row of another set and a key that there is not are told, and nothing is kept."""
    cookie = labelled.session()
    waits = (await data(labelled, PLACE, cookie))["next"]["id"]
    answer = await post(labelled, f"{PLACE}/given", cookie, {"item": item.replace("ROW", waits), "key": key})
    assert answer.status_code == 400
    assert (await data(labelled, PLACE, cookie))["shown"]["mine"] == 0


async def test_answers_of_an_evaluation_are_queued(labelled: Scene) -> None:
    """An operator makes a set of an evaluation's answers on its page, and a viewer may not."""
    form = {"set": "found", "question": "Is it found?", "kind": "rubric", "count": "25"}
    place = f"/evaluations/{evaluated.BLOCKED}/label"
    assert (await post(labelled, place, labelled.session("viewer"), form)).status_code == 403
    answer = await post(labelled, place, labelled.session("operator"), form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/labels/found")
    found = await data(labelled, "/labels/found")
    assert found["shown"]["rows"] == 25
    row = json.loads(found["next"]["line"])
    assert set(row) == {"inputs", "expected", "answer"}


async def test_two_answers_are_shown_without_their_arms(labelled: Scene) -> None:
    """Of 30 cases the answers to the 12 that turned differ; each pair is there once, without a word on its arms."""
    form = {"set": "better", "question": "Which is better?", "kind": "pairwise", "count": "500"}
    await post(labelled, f"/evaluations/{evaluated.BLOCKED}/label", labelled.session("operator"), form)
    found = await data(labelled, "/labels/better")
    row = json.loads(found["next"]["line"])
    assert {"first", "second"} < set(row)
    assert found["shown"]["rows"] == 12
    html = (await get(labelled, "/labels/better")).text
    assert html.count('name="key"') == 3
    assert "candidate" not in html


async def test_an_evaluation_of_another_task_is_not_for_this_set(labelled: Scene) -> None:
    """A set has answers of one task."""
    form = {"set": "helpful", "count": "5"}
    answer = await post(labelled, f"/evaluations/{evaluated.ALONE}/label", labelled.session("operator"), form)
    assert answer.status_code == 400


async def test_hostile_rows_are_text(labelled: Scene) -> None:
    """An answer that means harm is escaped where it is labelled and where it is disputed."""
    assert isinstance(labelled.labels, LabelBook)
    labelled.labels.make(Labelling("harm", "extract", HOSTILE[0]), "ana")
    rows = [{"inputs": {"x": text}, "answer": text} for text in HOSTILE[:5]]
    labelled.labels.add("harm", rows, HOSTILE[1])
    ana, ben = labelled.session(), labelled.session()
    for cookie, key in ((ana, "y"), (ben, "n")):
        waits = (await data(labelled, "/labels/harm", cookie))["next"]["id"]
        await post(labelled, "/labels/harm/given", cookie, {"item": waits, "key": key, "note": HOSTILE[1]})
    for place in ("/labels", "/labels/harm"):
        html = (await get(labelled, place, ana)).text
        assert "<script>window" not in html
        assert "<img" not in html
        assert "\x1b" not in html


def test_rows_need_a_question_and_an_answer(labelled: Scene) -> None:
    """A row without what was asked or without an answer is told with its number; `observed` is an answer."""
    assert isinstance(labelled.labels, LabelBook)
    with pytest.raises(InvalidRequest, match="row 2 has no answer"):
        labelled.labels.add("helpful", [{"inputs": {"a": 1}, "observed": {"b": 2}}, {"inputs": {"a": 1}}], "")
    with pytest.raises(InvalidRequest, match="row 1 has neither"):
        labelled.labels.add("helpful", [{"answer": "x"}], "")
    assert labelled.labels.add("helpful", [{"inputs": {"a": 1}, "observed": {"b": 2}}], "").added == 1
