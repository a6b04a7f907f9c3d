"""The face that does not await is made from the one that does, and the public names are there."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import trimtab
from trimtab import blocking
from trimtab.runs import generate

SDK = Path(__file__).parents[2] / "docs" / "sdk.md"


def test_the_blocking_face_is_what_would_be_made() -> None:
    """Nobody changed it by hand, and nobody forgot to make it again."""
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("awaiting", "expected"),
    [
        ("async def f() -> int:\n    return await g()\n", "def f() -> int:\n    return g()\n"),
        ("async with a as b:\n    pass\n", "with a as b:\n    pass\n"),
        ("x = 'await it'  # async\n", "x = 'await it'  # async\n"),
        ("f(await g(await h()), [await k() for k in l])\n", "f(g(h()), [k() for k in l])\n"),
    ],
)
def test_what_awaits_becomes_what_does_not(awaiting: str, expected: str) -> None:
    """The words go where they are words of the language, and nowhere else."""
    made = generate.blocking("example", "from trimtab.errors import TrimtabError\n" + awaiting)
    assert made.splitlines(keepends=True)[2:] == expected.splitlines(keepends=True)


def test_a_changed_file_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check names it and fails; how it is laid out does not count."""
    path = tmp_path / "one.py"
    monkeypatch.setattr(generate, "made", lambda: {path: "x = (\n    1\n)\n"})
    path.write_text("x = 1\n", "utf-8")
    assert generate.main(["--check"]) == 0
    path.write_text("x = 2\n", "utf-8")
    assert generate.main(["--check"]) == 1
    assert "one.py is not as it would be made" in capsys.readouterr().out


def test_both_faces_have_the_same_names() -> None:
    """What is awaited in `trimtab` is in `trimtab.blocking` without it, with the same parameters."""
    awaited = {
        name
        for name in trimtab.__all__
        if inspect.iscoroutinefunction(getattr(trimtab, name))
        and getattr(trimtab, name).__module__ != "trimtab.runs.working"
    }
    assert awaited | {"state"} == set(blocking.__all__)
    for name in awaited - {"together"}:
        one, other = (inspect.signature(getattr(face, name)) for face in (trimtab, blocking))
        assert list(one.parameters.values()) == list(other.parameters.values()), name


def test_the_first_example_passes_the_test_that_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newcomer's first agent and its test are what they say."""
    blocks = re.findall(r"^```python\n(.*?)^```", SDK.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tested,) = [block for block in blocks if "LocalRuns" in block]
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    agent, last = blocks[0].rsplit("\n\n\n", 1)
    assert last.startswith('if __name__ == "__main__":\n    print(asyncio.run(answer(')
    exec(agent + "\n\n\n" + tested, module.__dict__)
    module.test_answer()


def test_every_public_name_is_on_the_page() -> None:
    """docs/sdk.md tells of each name that an agent is written with."""
    page = SDK.read_text(encoding="utf-8")
    others = {"Rendered", "__version__", "load", "render"}
    assert [name for name in trimtab.__all__ if name not in page and name not in others] == []
