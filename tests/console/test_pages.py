"""Overview, tasks and a task: the figures, the words and the links on them."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from msgspec import structs

from tests.console.conftest import Scene
from tests.console.seeding import HOSTILE, NEW_LOCK, NEW_PROMPT, OLD_LOCK, OLD_PROMPT, day, hostile, labels, policy
from tests.control.asgi import Answer, ask
from tests.store.samples import MINUTE_NS, SECOND_NS, call
from trimtab.console.pages.overview import Overview, queues
from trimtab.console.pages.task import TaskPage
from trimtab.console.pages.tasks import Tasks
from trimtab.console.parts import Need
from trimtab.journal.dead_letters import Tally
from trimtab.record.events import Change
from trimtab.signals.alerts.alert import Evidence
from trimtab.signals.alerts.shown import AlertShown
from trimtab.signals.figure import Gauge


def alert(task: str = "extract", state: str = "open", name: str = "a1", began_ns: int = 0) -> AlertShown:
    """An alert on the parse rate of a task."""
    return AlertShown(
        id=name,
        words=f"{task}: parse rate fell",
        task=task,
        rule="parse_rate",
        signal="parse_rate",
        value="",
        field="",
        severity="page",
        state=state,  # type: ignore[arg-type]
        group=name,
        owner="support",
        models=(),
        began_ns=began_ns,
        found_ns=began_ns,
        opened_ns=began_ns,
        changed_ns=began_ns,
        ended_ns=0,
        evidence=Evidence("falls"),
        causes=(),
        worst=(),
        by="",
        why="",
        reopened=0,
        receivers=(),
        link="",
    )


@pytest.fixture
def seeded(scene: Scene) -> Scene:
    """A scene in which a day was worked."""
    scene.policy = policy()
    scene.telemetry.insert(day(scene.clock.wall_ns(), calls_per_minute=1, hours=2), "day")
    return scene


class Elements(HTMLParser):
    """The elements and attributes of a page, and where its links, forms and files lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.places: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.places |= {value or "" for name, value in attrs if name in ("href", "src", "action", "data-open")}


async def told(scene: Scene, target: str, kind: Any, tasks: tuple[str, ...] = ()) -> Any:
    """The data of a page, as a viewer gets it."""
    separator = "&" if "?" in target else "?"
    answer = await ask(scene.app(), f"{target}{separator}format=json", key=scene.secret("viewer", *tasks))
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=kind)


async def seen(scene: Scene, target: str, *tasks: str) -> Answer:
    """A page, as a viewer sees it."""
    return await ask(scene.app(), target, key=scene.secret("viewer", *tasks))


def text_of(answer: Answer) -> str:
    """What a page says, without its elements."""
    words = re.sub(r"<script.*?</script>|<svg.*?</svg>|<[^>]*>", " ", answer.body.decode(), flags=re.DOTALL)
    return " ".join(words.split())


async def test_the_overview_of_nothing(scene: Scene) -> None:
    """Without a call every declared task stands there all the same, and nothing needs anybody."""
    answer = await seen(scene, "/")
    text = text_of(answer)
    assert answer.status == 200
    assert "Nothing needs you." in text
    assert "no calls: route" in text
    assert "Nothing changed in this range" in text


async def test_an_overview_by_hand(scene: Scene) -> None:
    """Four calls of which one broke its schema and one failed: shares, rates and money are those of four calls."""
    ended_ns = scene.clock.wall_ns() - 60 * SECOND_NS
    scene.put(
        call("a", ended_ns, verdict="valid"),
        call("b", ended_ns, verdict="valid"),
        call("c", ended_ns, verdict="invalid"),
        call("d", ended_ns, outcome="upstream_error"),
    )
    data = await told(scene, "/?range=15m", Overview)
    (row,) = data.tasks
    figures = {one.signal: one for one in row.figures}
    assert (row.task, row.calls, row.alerts) == ("route", 4, 0)
    assert (figures["parse_rate"].count, figures["parse_rate"].n) == (2, 3)
    assert (figures["error_rate"].count, figures["error_rate"].n) == (1, 4)
    assert figures["request_rate"].value == pytest.approx(4 / 900)
    text = text_of(await seen(scene, "/?range=15m"))
    assert "66.7 % (20.7-93.9)" in text
    assert "0.00444" in text


async def test_a_chart_of_one_task_names_it(scene: Scene) -> None:
    """A line that stands alone has no legend, so that its task stands beside the chart's title."""
    now_ns = scene.clock.wall_ns()
    scene.put(call("a", now_ns - MINUTE_NS, verdict="valid"), call("b", now_ns - MINUTE_NS, task="extract"))
    text = (await seen(scene, "/?range=15m")).body.decode()
    assert re.search(r'<figcaption>Parse rate <span class="hint">route</span>', text)


async def test_what_needs_somebody_comes_first(seeded: Scene) -> None:
    """Open alerts, what else waits, and dead letters stand on top; the task with the alert is the first row."""
    seeded.alerts = (alert("refund", began_ns=seeded.clock.wall_ns() - 60 * SECOND_NS), alert("route", "acknowledged"))
    seeded.needs = (Need("?", "3 reviews wait", ""),)
    seeded.tallies = (Tally("call", "extract", "upstream_error", 2),)
    data = await told(seeded, "/", Overview)
    assert [one.words for one in data.needs] == ["refund: parse rate fell", "3 reviews wait", "2 dead letters wait"]
    assert [one.task for one in data.tasks[:2]] in (["refund", "route"], ["route", "refund"])
    assert ("alert", "refund: parse rate fell") in [(one.kind, one.words) for one in data.changes]
    assert "3 need you:" in text_of(await seen(seeded, "/"))


async def test_somebody_bound_to_a_task_sees_that_alone(seeded: Scene) -> None:
    """Neither rows, alerts, letters nor words of changes tell of another task."""
    seeded.alerts = (alert("extract"), alert("route", name="a2"), alert("", name="a3"))
    seeded.tallies = (Tally("call", "extract", "upstream_error", 2), Tally("call", "route", "upstream_error", 1))
    data = await told(seeded, "/", Overview, ("route",))
    assert [one.task for one in data.tasks] == ["route"]
    assert [one.words for one in data.needs] == ["route: parse rate fell", "1 dead letter waits"]
    answer = await seen(seeded, "/", "route")
    assert b"extract" not in answer.body
    assert b"refund" not in answer.body
    assert (await seen(seeded, "/tasks/extract", "route")).status == 404
    assert [one.task for one in (await told(seeded, "/tasks", Tasks, ("route",))).tasks] == ["route"]


async def test_changes_are_told_once(scene: Scene) -> None:
    """A switch of the policy that came with a lock is told as the lock, with what changed and who did it."""
    now_ns = scene.clock.wall_ns()
    scene.put(
        Change(now_ns - MINUTE_NS, "lock", "test", "a" * 64, "3f2a" * 16, "ana", "prompt extract changed"),
        Change(now_ns - MINUTE_NS + SECOND_NS, "snapshot", "test", "b" * 64, "c" * 64, "ana"),
        Change(now_ns - 5 * MINUTE_NS, "snapshot", "test", "d" * 64, "b" * 64, "watch"),
        Change(now_ns - 9 * MINUTE_NS, "worker_died", "gateway 1", by="supervisor", detail="signal 9"),
    )
    data = await told(scene, "/?range=15m", Overview)
    assert [one.words for one in data.changes] == [
        "worker gateway 1 died: signal 9",
        "policy bbbbbbbb in force (watch)",
        "lock 3f2a3f2a in force: prompt extract changed (ana)",
    ]


async def test_many_changes_fold(scene: Scene) -> None:
    """The latest eight changes stand there; those before them are one click away, without a script."""
    now_ns = scene.clock.wall_ns()
    scene.put(*(Change(now_ns - back * SECOND_NS, "worker_died", f"gateway {back}") for back in range(1, 12)))
    text = (await seen(scene, "/?range=15m")).body.decode()
    assert "3 before these" in text_of(await seen(scene, "/?range=15m"))
    before = re.search(r'<details class="rest" id="changes-before">.*?</details>', text, re.DOTALL)
    assert before is not None
    assert re.findall(r"gateway \d+", before[0]) == ["gateway 11", "gateway 10", "gateway 9"]


async def test_the_overview_asks_the_stores_once(seeded: Scene) -> None:
    """A page is one question to the thread that has the stores; asked again a moment later it is none."""
    await seen(seeded, "/?range=1h")
    assert seeded.desk.asked == 1
    app, key = seeded.app(), seeded.secret()
    await ask(app, "/?range=1h", key=key)
    before = seeded.desk.asked
    await ask(app, "/?range=1h&sort=tasks.-parse_rate", key=key)
    assert seeded.desk.asked == before
    seeded.clock.advance(15)
    await ask(app, "/?range=1h", key=key)
    assert seeded.desk.asked == before + 1


async def test_how_many_calls_wait(scene: Scene) -> None:
    """The queue of a task is that of its first model's replicas together; a model that says nothing has none."""
    scene.policy = policy()
    tasks = {
        **scene.policy.tasks,
        "other": structs.replace(scene.policy.tasks["route"], name="other", models=("large",)),
    }
    scene.policy = structs.replace(scene.policy, tasks=tasks)
    said = tuple(Gauge("queue_depth", "", f"small http://10.0.0.{last}:8000", 2.0) for last in (11, 12))
    assert queues(replace(scene.parts, gauges=lambda: said)) == dict.fromkeys(("route", "extract", "refund", "idle"), 4)


async def test_what_runs_of_a_task_came_to(seeded: Scene) -> None:
    """A task's page tells how much its runs multiply what they ask, beside attempts a call; no other task's."""
    seeded.gauges = (Gauge("run_amplification", "route", "", 1.75), Gauge("run_amplification", "refund", "", 9.5))
    data = await told(seeded, "/tasks/route", TaskPage)
    assert [(one.signal, one.value) for one in data.runs] == [("run_amplification", 1.75)]
    text = text_of(await seen(seeded, "/tasks/route"))
    assert "run amplification" in text
    assert "1.75" in text
    assert data.cells[0].figure("amplification") is not None
    assert "run amplification" not in text_of(await seen(seeded, "/tasks/extract"))


async def test_tasks_and_their_objectives(seeded: Scene) -> None:
    """Each task has its owner, its models, its figures, and how its goals stand; one that is not declared says so."""
    data = await told(seeded, "/tasks?range=6h", Tasks)
    by_name = {one.task: one for one in data.tasks}
    assert set(by_name) == {"extract", "idle", "refund", "route", "(undeclared)"}
    assert (by_name["refund"].owner, by_name["extract"].models) == ("money", ("small", "large"))
    assert [goal.name for goal in by_name["route"].objectives] == ["ttft_p95", "tpot_p95", "success"]
    assert (by_name["idle"].calls, by_name["idle"].objectives) == (0, ())
    assert by_name["(undeclared)"].declared is False


async def test_a_task_by_version(seeded: Scene) -> None:
    """By prompt, each version has a row of its own; what is in force is marked."""
    data = await told(seeded, "/tasks/extract?by=prompt", TaskPage)
    assert {cell.value for cell in data.cells} == {NEW_PROMPT, OLD_PROMPT}
    seeded.put(*labels(seeded.clock.wall_ns()))
    rows = (await seen(seeded, "/tasks/extract?by=prompt&format=json&table=versions")).json()
    assert {row["prompt"] for row in rows} == {NEW_PROMPT, OLD_PROMPT}
    seeded.policy = structs.replace(seeded.policy, lock_id=NEW_LOCK)
    text = text_of(await seen(seeded, "/tasks/extract?by=lock"))
    assert re.search(rf"{NEW_LOCK[:8]} now", text)
    assert f"{OLD_LOCK[:8]} now" not in text
    assert NEW_PROMPT[:8] in text_of(await seen(seeded, "/tasks/extract?by=prompt"))


@pytest.mark.parametrize("by", ["model", "replica", "key"])
async def test_a_task_by_everything_else(seeded: Scene, by: str) -> None:
    """Models, replicas and keys tell calls apart too."""
    data = await told(seeded, f"/tasks/extract?by={by}", TaskPage)
    assert sum(cell.calls for cell in data.cells) == 120
    wanted = {
        "model": {"small", "large"},
        "replica": {f"http://10.0.0.{n}:8000" for n in (11, 12)},
        "key": {"support-app"},
    }
    assert {cell.value for cell in data.cells} <= wanted[by]


async def test_what_a_task_says(seeded: Scene) -> None:
    """Distributions of fields of answers, of confidence and of inputs stand there with n."""
    data = await told(seeded, "/tasks/extract?by=answers", TaskPage)
    fields = {figure.field: figure for figure in data.cells[0].figures}
    assert set(fields) == {"answer//kind", "answer//amount", "confidence/", "input.language"}
    assert {part.name for part in fields["answer//kind"].parts} <= {"invoice", "receipt", "letter", "other"}
    assert fields["answer//kind"].n == 120
    text = text_of(await seen(seeded, "/tasks/extract?by=answers"))
    assert "/kind predictions, 120 read" in text


async def test_the_whole_of_a_task(seeded: Scene) -> None:
    """Latency stands apart, with the objectives and their budgets; its alerts are its own."""
    seeded.alerts = (alert("extract"), alert("route", name="a2"))
    data = await told(seeded, "/tasks/extract?range=1h", TaskPage)
    assert [one.words for one in data.needs] == ["extract: parse rate fell"]
    assert [one.name for one in data.objectives] == ["ttft_p95", "tpot_p95", "success"]
    signals = {figure.signal for figure in data.cells[0].figures}
    assert {"ttft", "tpot", "longest_gap", "total", "parse_rate", "completion", "outcomes", "cost"} <= signals
    text = text_of(await seen(seeded, "/tasks/extract?range=1h"))
    for word in ("Objectives", "Latency", "time to first token", "longest gap", "Rates", "Outcomes", "Cost and tokens"):
        assert word in text


async def test_a_task_that_only_telemetry_knows(scene: Scene) -> None:
    """A task that was declared once and had calls in the range still has its page."""
    scene.put(call("a", scene.clock.wall_ns() - SECOND_NS, task="gone"))
    assert "not declared in this project" in text_of(await seen(scene, "/tasks/gone"))
    assert (await seen(scene, "/tasks/never")).status == 404
    assert (await seen(scene, "/tasks/route?by=mood")).status == 400


TASK_VIEWS = [f"/tasks/extract?by={by}" for by in ("prompt", "lock", "model", "replica", "key", "answers")]


@pytest.mark.parametrize("target", ["/", "/tasks", "/tasks/extract", *TASK_VIEWS])
async def test_hostile_texts_are_texts(seeded: Scene, target: str) -> None:
    """Nothing that a model, a client or a lock's author wrote becomes an element, an attribute or a control."""
    seeded.put(*hostile(seeded.clock.wall_ns()))
    for role in ("viewer", "admin"):
        answer = await ask(seeded.app(), target, key=seeded.secret(role))  # type: ignore[arg-type]
        html = answer.body.decode()
        found = Elements(html)
        assert not found.tags & {"img", "iframe", "object", "embed", "style", "base"}
        assert not {name for name in found.attributes if name.startswith("on") or name == "style"}
        assert not {place for place in found.places if not place.startswith(("/", "#")) or place.startswith("//")}
        assert not set(html) & set("\x00\x1b\u202e\u2066\u200b")
    assert HOSTILE[0] not in html


@pytest.mark.parametrize("target", ["/", "/tasks", "/tasks/route"])
async def test_telemetry_that_is_down_is_told_on_a_page(scene: Scene, target: str) -> None:
    """A page whose figures cannot be had says so, with the status and what to do; as JSON in the API's own shape."""
    scene.desk.down = True
    answer = await ask(scene.app(), target, headers={"cookie": scene.session()})
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "Not at the moment" in text_of(answer)
    as_json = await seen(scene, f"{target}?format=json")
    assert (as_json.status, as_json.error) == (503, "telemetry_unavailable")


async def test_tables_as_files(seeded: Scene) -> None:
    """A table comes as CSV under a name of its own, and as JSON; a table that there is not is a mistake."""
    answer = await seen(seeded, "/tasks?format=csv&table=tasks&sort=tasks.-calls")
    assert answer.headers["content-disposition"] == 'attachment; filename="tasks-tasks.csv"'
    lines = answer.body.decode().splitlines()
    assert lines[0].startswith("task,state,owner,model,calls,availability,availability_low,availability_high")
    assert lines[1].startswith("route,")
    records = (await seen(seeded, "/tasks?format=json&table=tasks")).json()
    assert {one["task"] for one in records} == {"extract", "idle", "refund", "route", "(undeclared)"}
    assert (await seen(seeded, "/tasks?format=json&table=none")).error == "invalid_request"
    assert (await seen(seeded, "/tasks?format=xml")).status == 400
