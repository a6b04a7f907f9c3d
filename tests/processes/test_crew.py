"""The crew: order of starting and stopping, and the roster."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.processes.crewing import Bench, role
from trimtab.errors import CannotStart
from trimtab.processes import roster
from trimtab.processes.channel import UseSnapshot
from trimtab.processes.child import Child
from trimtab.processes.crew import Crew
from trimtab.processes.roster import Member


def me() -> Member:
    return Member("supervisor", 0, os.getpid(), "s-1", 0.0, 0, "ready")


def crew_of(bench: Bench, path: Path, **modes: str) -> Crew:
    """A crew with a post for each role and mode."""
    crew = Crew(path / "processes.json", me)
    for name, mode in modes.items():
        crew.add(bench.post(role(mode, name=name)))
    return crew


async def test_roster_lists_who_works_and_only_them(bench: Bench, tmp_path: Path) -> None:
    """The roster has the supervisor and each child with its state and epoch, and is empty when all have ended."""
    crew = crew_of(bench, tmp_path, gateway="works", control="works", demo="works")
    await crew.start()
    await bench.until(lambda: all(post.current and post.current.ready.is_set() for post in crew.posts))
    crew.changed()
    members = roster.read(tmp_path / "processes.json")
    assert [(member.role, member.state) for member in members] == [
        ("supervisor", "ready"),
        ("gateway", "ready"),
        ("control", "ready"),
        ("demo", "ready"),
    ]
    assert members[1].epoch.startswith("g0-")
    assert members[2].epoch == ""
    await crew.stop_gateways()
    await crew.stop_rest()
    assert roster.read(tmp_path / "processes.json") == ()
    assert repr(crew) == (
        "Crew(Post(gateway 0: empty, Backoff(0 deaths in a row)); Post(control 0: empty, Backoff(0 deaths in a row));"
        " Post(demo 0: empty, Backoff(0 deaths in a row)))"
    )


async def test_control_that_dies_does_not_keep_the_gateways_from_starting(bench: Bench, tmp_path: Path) -> None:
    """Calls do not depend on control: a start is complete when the gateways are ready."""
    crew = crew_of(bench, tmp_path, gateway="works", control="dies")
    await crew.start()
    assert crew.posts[0].current is not None
    assert crew.posts[0].current.state == "ready"
    await crew.stop_gateways()
    await crew.stop_rest()


async def test_keeper_goes_first_and_ends_last(bench: Bench, tmp_path: Path) -> None:
    """Keeper is begun before the gateways, works until control has ended, and one that dies holds nobody up."""
    crew = crew_of(bench, tmp_path, control="works", gateway="works", keeper="works")
    await crew.start()
    order: list[str] = []
    for post in crew.posts:
        assert post.current is not None
        bench.tasks.append(asyncio.ensure_future(told_when_gone(post.current, order)))
    pids = {post.role.name: post.current.pid for post in crew.posts if post.current}
    assert pids["keeper"] < pids["gateway"] < pids["control"]
    await crew.stop_gateways()
    await crew.stop_rest()
    await bench.end()
    assert order == ["gateway", "control", "keeper"]
    dying = crew_of(bench, tmp_path, gateway="works", keeper="dies")
    await dying.start()
    assert dying.posts[0].current is not None
    assert dying.posts[0].current.state == "ready"
    await dying.stop_gateways()
    await dying.stop_rest()


async def told_when_gone(child: Child, order: list[str]) -> None:
    await child.gone.wait()
    order.append(child.role.name)


async def test_gateway_that_dies_fails_the_start_and_control_is_not_begun(bench: Bench, tmp_path: Path) -> None:
    """A gateway that never gets ready is said by name, before control is started."""
    crew = crew_of(bench, tmp_path, gateway="dies", control="works")
    with pytest.raises(CannotStart, match="gateway 0"):
        await crew.start()
    assert crew.posts[1].current is None
    await crew.stop_gateways()
    await crew.stop_rest()


async def test_rolling_restart_replaces_every_gateway_and_nobody_else(bench: Bench, tmp_path: Path) -> None:
    """Both gateway slots get another child; control keeps its own."""
    crew = Crew(tmp_path / "processes.json", me)
    for slot in range(2):
        crew.add(bench.post(role(), slot))
    crew.add(bench.post(role(name="control")))
    await crew.start()
    before = [post.current.pid for post in crew.posts if post.current]
    assert await crew.restart_gateways()
    after = [post.current.pid for post in crew.posts if post.current]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, True]
    await crew.stop_gateways()
    await crew.stop_rest()


async def test_directive_reaches_everybody(bench: Bench, tmp_path: Path) -> None:
    """A snapshot is told to gateways and control alike."""
    crew = crew_of(bench, tmp_path, gateway="works", control="works")
    await crew.start()
    crew.tell(UseSnapshot("snapshot-2.mp"))
    await bench.until(lambda: all(post.current and post.current.snapshot == "snapshot-2.mp" for post in crew.posts))
    await crew.stop_gateways()
    await crew.stop_rest()


async def test_roster_that_cannot_be_written_stops_nobody(bench: Bench, tmp_path: Path) -> None:
    """A disk that takes no roster is said in the log; the crew goes on."""
    crew = Crew(tmp_path / "nowhere" / "processes.json", me)
    crew.add(bench.post(role()))
    await crew.start()
    crew.changed()
    assert crew.posts[0].current is not None
    await crew.stop_gateways()
