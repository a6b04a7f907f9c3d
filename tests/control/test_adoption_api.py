"""The routes of undeclared calls, and `trimtab adopt`, asked of a control that runs and where nothing does."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from tests.control.running import Running, control, data_of, until
from tests.store.samples import SECOND_NS, call
from tests.store.spools import SegmentWriter
from trimtab.advice.seen import ProposedFile, UndeclaredShown, cluster_id
from trimtab.cli import run
from trimtab.cli.adopt import Adopted, NotAdopted, plan, write
from trimtab.declare.load import read
from trimtab.processes.directory import DataDirectory

PROMPT = "sha256:" + "cd" * 32
SORTING = cluster_id(PROMPT, "")
FEW = cluster_id("", "")


def write_strays(directory: Path) -> None:
    """A spool with 120 calls of one system prompt and 3 of none, ended within the last minutes."""
    writer = SegmentWriter(data_of(directory) / "spool")
    now_ns = time.time_ns() - 10 * SECOND_NS
    for number in range(123):
        made = call(f"s{number}", now_ns, task="(undeclared)", total_s=1.0, answer_tokens=40, finish_reason="stop")
        admitted = structs.replace(made.admitted, system_prompt=PROMPT if number < 120 else "", key="night-job")
        writer.write(admitted, structs.replace(made, admitted=admitted))


def counted(running: Running) -> int:
    status, answer = running.ask("/api/undeclared")
    return int(answer["calls"]) if status == 200 else -1


@contextmanager
def stray_control(directory: Path) -> Iterator[Running]:
    """A control that runs and holds the directory, with everything stored."""
    write_strays(directory)
    with DataDirectory(data_of(directory)).hold(), control(directory) as running:
        assert until(lambda: counted(running), 123) == 123
        yield running


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Path]]:
    directory = tmp_path_factory.mktemp("adopt")
    with stray_control(directory) as found:
        yield found, directory / "project"


def say(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Carries out `trimtab adopt`: its status, and what it printed."""
    status = run(["adopt", *arguments])
    return status, *capfd.readouterr()


def test_the_routes(running: tuple[Running, Path]) -> None:
    """Clusters with most calls first; a proposal of one, by the beginning of its name."""
    control_, _ = running
    status, found = control_.ask("/api/undeclared?since=1h")
    assert status == 200
    assert [(one["id"], one["calls"]) for one in found["clusters"]] == [(SORTING, 120), (FEW, 3)]
    assert found["redaction"] == "digest"
    status, proposed = control_.ask(f"/api/undeclared/{SORTING[:6]}/proposal?name=sorting")
    assert (status, proposed["task"], proposed["calls"]) == (200, "sorting", 120)
    assert tomllib.loads(proposed["files"][0]["text"])["match"] == {"system_prompt": PROMPT}


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        (f"/api/undeclared/{FEW}/proposal", 409, "there are 3 such calls in this window, and limits need 100"),
        (f"/api/undeclared/{SORTING}/proposal?name=route", 409, "route is the name of a task or model already"),
        ("/api/undeclared/ffffffffffff/proposal", 404, "there are no undeclared calls ffffffffffff in this window"),
        (f"/api/undeclared/{SORTING[:3]}/proposal", 404, "there are no undeclared calls"),
        (f"/api/undeclared/{SORTING}/proposal?name=../../x", 400, "?name=../../x names no task"),
        ("/api/undeclared?since=yesterday", 400, "yesterday"),
        ("/api/undeclared?until=1h", 400, "?until= is not known here"),
    ],
)
def test_what_cannot_be_answered(running: tuple[Running, Path], target: str, status: int, words: str) -> None:
    """It is said, with what to do."""
    found, answer = running[0].ask(target)
    assert found == status
    assert words in answer["error"]["message"]


def test_the_list(running: tuple[Running, Path], capfd: pytest.CaptureFixture[str]) -> None:
    """For people and for machines; it ends with the verb for the largest cluster."""
    project = str(running[1])
    status, out, _ = say(capfd, "--project", project)
    assert status == 0
    assert "123 calls belong to no task" in out
    assert "night-job" in out
    assert "cdcdcdcdcdcd" in out
    assert out.rstrip().endswith(f"Next: trimtab adopt {SORTING} --dry-run --project {project}")
    found = msgspec.json.decode(say(capfd, "--project", project, "--json")[1], type=UndeclaredShown)
    assert [one.calls for one in found.clusters] == [120, 3]


def test_a_dry_run_writes_nothing(running: tuple[Running, Path], capfd: pytest.CaptureFixture[str]) -> None:
    """It shows the files whole, and the verb that writes them."""
    project = running[1]
    status, out, _ = say(capfd, SORTING, "--project", str(project), "--dry-run", "--name", "sorting")
    assert status == 0
    assert "--- tasks/sorting/task.toml" in out
    assert f'match = {{ system_prompt = "{PROMPT}" }}' in out
    assert "not proposed: the schema of answers" in out
    assert out.rstrip().endswith(f"Next: trimtab adopt {SORTING} --name sorting --project {project}")
    assert sorted(path.name for path in (project / "tasks").iterdir()) == ["route"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((FEW,), 1, "wait for 97 more"),
        (("ffffffffffff",), 1, "`trimtab adopt` lists them"),
        ((SORTING, "--name", "Sorting Things"), 2, "a-z 0-9 . _ -"),
        ((SORTING, "--since", "yesterday"), 2, "yesterday"),
    ],
)
def test_mistakes(
    running: tuple[Running, Path],
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    status: int,
    words: str,
) -> None:
    """What cannot be done is said, and nothing is written."""
    found, _, err = say(capfd, *arguments, "--project", str(running[1]))
    assert found == status
    assert words in err
    assert sorted(path.name for path in (running[1] / "tasks").iterdir()) == ["route"]


def test_where_nothing_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The verb stores what the spool holds and writes the task; the same again is refused, nothing overwritten."""
    with stray_control(tmp_path) as found:
        found.end()
    project = tmp_path / "project"
    status, out, _ = say(capfd, SORTING, "--project", str(project), "--json", "--name", "sorting")
    assert status == 0
    assert msgspec.json.decode(out, type=Adopted).written == ("tasks/sorting/task.toml",)
    assert read(project).mistakes == ()
    written = (project / "tasks/sorting/task.toml").read_text()
    assert tomllib.loads(written)["completion"] == {"rule": "outcome == 'ok' and finish_reason == 'stop'"}
    status, _, err = say(capfd, SORTING, "--project", str(project))
    assert (status, "belong to task sorting by now" in err) == (1, True)
    assert (project / "tasks/sorting/task.toml").read_text() == written
    status, out, _ = say(capfd, "--project", str(project))
    assert "is sorting by now" in " ".join(out.split())


def project(root: Path, **files: str) -> Path:
    """A project with a model, and these files."""
    declared = '[models.small]\nmodel = "small"\nreplicas = ["http://127.0.0.1:9"]\n'
    for path, text in {"trimtab.toml": declared, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_what_would_be_a_mistake_is_taken_back(tmp_path: Path) -> None:
    """The project is as it was before, without empty folders."""
    root = project(tmp_path)
    files = (
        ProposedFile("tasks/sorting/task.toml", 'model = "small"\nnonsense = 1\n'),
        ProposedFile("tools/find.json", '{"description": "Finds.", "input_schema": {"type": "object"}}'),
    )
    with pytest.raises(NotAdopted, match=r"the project would have a mistake: tasks/sorting/task\.toml:2"):
        write(root, files)
    assert sorted(path.name for path in root.rglob("*")) == ["tasks", "trimtab.toml"]


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    """Nor is what was written before it was found left behind."""
    root = project(tmp_path, **{"tasks/sorting/task.toml": "mine"})
    with pytest.raises(NotAdopted, match="cannot be written"):
        write(root, (ProposedFile("tools/find.json", "{}"), ProposedFile("tasks/sorting/task.toml", "theirs")))
    assert (root / "tasks/sorting/task.toml").read_text() == "mine"
    assert not (root / "tools").exists()


def test_mistakes_of_others_do_not_hold_it_up(tmp_path: Path) -> None:
    """A task that was wrong before is for `trimtab check` to tell."""
    root = project(tmp_path, **{"tasks/old/task.toml": "nonsense = 1\n"})
    write(root, (ProposedFile("tasks/sorting/task.toml", 'model = "small"\n'),))
    assert (root / "tasks/sorting/task.toml").exists()


def test_a_control_that_names_other_places(tmp_path: Path) -> None:
    """Only files of a task and of tools are written, whatever is answered."""
    for path in ("../evil", "tasks/a/../../x/task.toml", "tasks/a/prompt.md", "trimtab.toml", "tools/../x.json"):
        with pytest.raises(NotAdopted, match="is no file of a task"):
            plan(tmp_path, (ProposedFile(path, ""),))
