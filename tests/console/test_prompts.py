"""The pages of prompts and locks: what is in force, what drifts, what changed, and how calls did with each version."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import structs

from tests.console.conftest import Scene
from tests.console.past import (
    NEW_LOCK,
    NEW_PROMPT,
    NEW_SYSTEM,
    OLD_LOCK,
    OLD_PROMPT,
    project,
    prompt_file,
    prompt_of,
)
from tests.console.seeding import policy
from tests.lock.repositories import place
from tests.store.samples import MINUTE_NS, call
from trimtab.console.parts import Standings
from trimtab.processes.inforce import Drift, Standing
from trimtab.processes.project_history import ProjectHistory
from trimtab.record.events import Change
from trimtab.signals.engine.standing import ReplicaStanding

STRANGE = "ee" * 32


@dataclass(frozen=True)
class Drifts:
    """A tool that drifts."""

    tool: str
    words: str
    since_ns: int


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "project")


@pytest.fixture
def past(scene: Scene, root: Path, tmp_path: Path) -> Scene:
    """A scene in which a prompt and its lock changed: of 10 calls before 9 were valid, of 10 after it 4."""
    scene.policy = structs.replace(policy(), lock_id=NEW_LOCK)
    scene.history = ProjectHistory(root, tmp_path / "run", scene.clock)
    now_ns = scene.clock.wall_ns()
    for prompt, lock, valid, minutes in ((OLD_PROMPT, OLD_LOCK, 9, 30), (NEW_PROMPT, NEW_LOCK, 4, 10)):
        for number in range(10):
            made = call(
                f"{prompt[:4]}-{number}",
                now_ns - minutes * MINUTE_NS,
                task="extract",
                verdict="valid" if number < valid else "invalid",
                cost=("exact", 2 * 10**9),
            )
            scene.put(structs.replace(made, admitted=structs.replace(made.admitted, prompt=prompt, lock=lock)))
    return scene


async def page(scene: Scene, place: str, cookie: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(app=scene.app() if cookie else scene.open)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(place, headers={"cookie": cookie} if cookie else {})


async def data(scene: Scene, place: str, cookie: str = "") -> Any:
    answer = await page(scene, f"{place}{'&' if '?' in place else '?'}format=json", cookie)
    assert answer.status_code == 200, answer.text
    return answer.json()


def stand(scene: Scene, tmp_path: Path, drift: Drift | None = None, lock: str = NEW_LOCK) -> None:
    """Writes down what is in force."""
    (tmp_path / "run").mkdir(exist_ok=True)
    standing = Standing("d" * 64, scene.clock.wall_ns() - MINUTE_NS, lock=lock, drift=drift)
    (tmp_path / "run" / "declaration.json").write_bytes(msgspec.json.encode(standing))


async def test_the_lock_in_force(past: Scene, tmp_path: Path) -> None:
    """Its id, its commit and its author stand there, and that the declaration says the same."""
    stand(past, tmp_path)
    found = await data(past, "/prompts")
    assert found["lock"]["lock"] == NEW_LOCK
    assert found["commit"]["author"] == "Grace Hopper <grace@example.org>"
    html = (await page(past, "/prompts")).text
    assert "the declaration says the same" in html
    assert f"/prompts/locks/{NEW_LOCK}" in html


async def test_what_differs_and_drifts(past: Scene, tmp_path: Path) -> None:
    """Differences from the lock, a model that is another one and a tool that drifts are told, with what to do."""
    stand(past, tmp_path, Drift(1, ("sampling/extract: temperature is 0.9, was 0.2",), 3, held_back=True))

    async def replicas() -> Standings:
        return Standings((ReplicaStanding("small", "http://10.0.0.1", identity="changed", identity_detail="logprobs"),))

    told = replace(past, replicas=replicas, drifting=(Drifts("search", "a field is gone", 1),))
    html = (await page(told, "/prompts")).text
    assert "differ in 3 places" in html
    assert "temperature is 0.9, was 0.2" in html
    assert "held back" in html and "trimtab lock --check" in html
    found = await data(told, "/prompts")
    assert [(one["kind"], one["name"]) for one in found["drifting"]] == [
        ("model", "small at http://10.0.0.1"),
        ("tool", "search"),
    ]


async def test_versions_with_their_figures(past: Scene) -> None:
    """The newest version comes first, each with the share that kept its schema; the locks likewise."""
    rows = (await page(past, "/prompts?format=json&table=prompts")).json()
    assert [(row["prompt"], row["calls"], row["parse_rate"]["value"]) for row in rows] == [
        (NEW_PROMPT, 10, 0.4),
        (OLD_PROMPT, 10, 0.9),
    ]
    locks = (await page(past, "/prompts?format=json&table=locks")).json()
    assert [(row["lock"], row["calls"], row["author"][:5]) for row in locks] == [
        (NEW_LOCK, 10, "Grace"),
        (OLD_LOCK, 10, "Ada L"),
    ]
    by_lock = (await page(past, "/prompts?format=json&table=by_lock")).json()
    assert {row["lock"]: row["parse_rate"]["value"] for row in by_lock} == {NEW_LOCK: 0.4, OLD_LOCK: 0.9}
    assert {row["cost_per_call"] for row in by_lock} == {0.002}


async def test_a_prompt_word_by_word(past: Scene) -> None:
    """What changed from the version before is marked by sign; the turn that stayed is not repeated as a change."""
    found = await data(past, "/prompts/extract")
    assert [(one["value"], one["commit"]["subject"]) for one in found["versions"]] == [
        (NEW_PROMPT, "Amounts keep their currency"),
        (OLD_PROMPT, "Invoices are read"),
    ]
    assert (found["a"], found["b"]) == (OLD_PROMPT, NEW_PROMPT)
    system, user = found["turns"]
    assert (system[0], system[1], user[0], user[1]) == ("system", "changed", "user", "same")
    html = (await page(past, "/prompts/extract")).text
    assert '<del><span class="sign">\u2212</span>numbers</del>' in html
    assert '<ins><span class="sign">+</span>text with the currency</ins>' in html
    assert found["versions"][0]["lock"] == NEW_LOCK


async def test_two_versions_side_by_side(past: Scene) -> None:
    """The later one is held against the earlier one: 4 of 10 after 9 of 10 is worse beyond chance."""
    place_of = f"/prompts/extract?a={OLD_PROMPT[:12]}&b={NEW_PROMPT[:12]}"
    rows = {row["signal"]: row for row in (await page(past, f"{place_of}&format=json&table=beside")).json()}
    parse = rows["parse_rate"]
    assert (parse["a"]["value"], parse["b"]["value"]) == (0.9, 0.4)
    assert parse["change"]["value"] == pytest.approx(-0.5)
    assert parse["change"]["verdict"] == "worse"
    turned = await data(past, f"/prompts/extract?a={NEW_PROMPT}&b={OLD_PROMPT}")
    figures = {one["signal"]: one["b"] for one in turned["figures"]}
    assert figures["parse_rate"]["change"]["verdict"] == "better"


async def test_the_first_version_has_nothing_before_it(past: Scene) -> None:
    """Its text is shown whole."""
    html = (await page(past, f"/prompts/extract?b={OLD_PROMPT}")).text
    assert "The first version" in html
    assert "Write amounts as numbers." in html
    assert "<ins>" not in html


async def test_a_version_that_only_calls_name(past: Scene) -> None:
    """It has figures, and the page says that its text is not known here."""
    made = call("strange", past.clock.wall_ns() - MINUTE_NS, task="extract", verdict="valid")
    past.put(structs.replace(made, admitted=structs.replace(made.admitted, prompt=STRANGE)))
    found = await data(past, f"/prompts/extract?b={STRANGE}")
    assert [(one["value"], one["known"]) for one in found["versions"]][-1] == (STRANGE, False)
    assert "not in this project" in (await page(past, f"/prompts/extract?b={STRANGE}")).text


async def test_an_edit_is_seen(past: Scene, root: Path) -> None:
    """A prompt that was edited on the disk is a version of its own, not committed yet, a few seconds later."""
    assert len((await data(past, "/prompts/extract"))["versions"]) == 2
    place(root, "tasks/extract/prompt.md", prompt_file(NEW_SYSTEM + "Say nothing else.\n"))
    past.clock.advance(11)
    versions = (await data(past, "/prompts/extract"))["versions"]
    assert [one["commit"] is None for one in versions] == [True, False, False]


async def test_secrets_do_not_render(past: Scene, root: Path) -> None:
    """What looks like a secret in a prompt is masked on its page."""
    secret = "sk-proj-" + "Zx9" * 16
    place(root, "tasks/extract/prompt.md", prompt_file(f"Use {secret} now.\n"))
    html = (await page(past, f"/prompts/extract?b={prompt_of(f'Use {secret} now.' + chr(10)).digest}")).text
    assert "Use " in html
    assert secret not in html


async def test_what_a_lock_changed(past: Scene) -> None:
    """By entry in sentences, by words for a prompt, with who changed it, held against the lock before."""
    found = await data(past, f"/prompts/locks/{NEW_LOCK}")
    assert found["before"] == OLD_LOCK
    assert [one["key"] for one in found["entries"]] == ["prompts/extract", "sampling/extract"]
    html = (await page(past, f"/prompts/locks/{NEW_LOCK}")).text
    assert "Grace Hopper" in html
    assert '<ins><span class="sign">+</span>text with the currency</ins>' in html
    assert "0.2" in html
    assert "/prompts/extract" in html
    back = await data(past, f"/prompts/locks/{OLD_LOCK}?against={NEW_LOCK[:16]}")
    assert (back["before"], len(back["entries"])) == (NEW_LOCK, 2)


async def test_the_first_lock(past: Scene) -> None:
    """All of it is new."""
    html = (await page(past, f"/prompts/locks/{OLD_LOCK}")).text
    assert "all of it is new" in html
    assert "models/small" in html


@pytest.mark.parametrize("place_of", ["/prompts/nothing", f"/prompts/locks/{'0' * 64}"])
async def test_what_is_not_there(past: Scene, place_of: str) -> None:
    """A prompt or lock that nobody knows is not found."""
    assert (await page(past, place_of)).status_code == 404


@pytest.mark.parametrize("query", ["?b=mood", "?a=12", f"?b={'g' * 64}"])
async def test_what_is_no_version(past: Scene, query: str) -> None:
    """A parameter that is no digest is refused with what one is."""
    answer = await page(past, f"/prompts/extract{query}")
    assert answer.status_code == 400
    assert "hexadecimal" in answer.text


async def test_a_key_for_some_tasks(past: Scene, tmp_path: Path) -> None:
    """It sees the prompts of its own tasks, and of a lock only their entries; how the host drifts is not told."""
    stand(past, tmp_path, Drift(1, ("models/small is new",), 1))
    cookie = past.session("viewer", "route")
    found = await data(past, "/prompts", cookie)
    assert (found["prompts"], found["locks"], found["lock"]["differences"]) == ([], [], [])
    assert (await page(past, "/prompts/extract", cookie)).status_code == 404
    lock = await data(past, f"/prompts/locks/{NEW_LOCK}", cookie)
    assert (lock["entries"], lock["hidden"], lock["count"]) == ([], 2, 0)
    mine = await data(past, f"/prompts/locks/{NEW_LOCK}", past.session("viewer", "extract"))
    assert [one["key"] for one in mine["entries"]] == ["prompts/extract", "sampling/extract"]


async def test_a_change_of_the_lock_leads_to_what_it_changed(past: Scene) -> None:
    """The mark on the time axis of a task, and of all of them, is a link to the lock's page."""
    past.put(Change(past.clock.wall_ns() - 20 * MINUTE_NS, "lock", "test", OLD_LOCK, NEW_LOCK, "ana", "a prompt"))
    for place_of in ("/", "/tasks/extract"):
        html = (await page(past, place_of)).text
        assert f'href="/prompts/locks/{NEW_LOCK}?against={OLD_LOCK}"' in html


async def test_without_git_and_lock(scene: Scene, tmp_path: Path) -> None:
    """The page says what to do."""
    (tmp_path / "bare").mkdir()
    scene.history = ProjectHistory(tmp_path / "bare", tmp_path / "run", scene.clock)
    html = (await page(scene, "/prompts")).text
    assert "<code>trimtab lock</code> writes one" in html
    assert "no git" in html


async def test_a_standing_that_cannot_be_read(past: Scene, tmp_path: Path) -> None:
    """It is said that it cannot be told at the moment."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "declaration.json").write_text(json.dumps({"digest": 3}))
    assert (await page(past, "/prompts")).status_code == 503
