"""From a declaration to the snapshot that gateways serve under."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.declare.projects import MODEL, TASK, write
from trimtab.cost.prices import Rate
from trimtab.declare.load import load
from trimtab.declare.project import (
    Context,
    Control,
    Data,
    Deadlines,
    Defaults,
    Gateway,
    Gpu,
    Listen,
    Model,
    Objective,
    Price,
    Project,
    Retry,
    Sampling,
    Task,
    ToolCalls,
)
from trimtab.errors import DeclarationError
from trimtab.lock import lockfile
from trimtab.lock.lockfile import Lock, entry_digest
from trimtab.policy.compile import compile as compile_policy
from trimtab.policy.compile import digest, schema_mistakes
from trimtab.policy.snapshot import TaskPolicy, decode, encode

LARGE = '[models.large]\nmodel = "l"\nreplicas = ["http://b"]\n'
TRIAGE = f"""\
model = "small"
owner = "support"
fallback = ["large"]
match = {{ keys = ["app", "web"], system_prompt = "sha256:{"a" * 64}" }}
sampling = {{ temperature = 0.5 }}
retry = {{ attempts = 2 }}
"""
FULL = {
    "strategy": "full",
    "version": 1,
    "max_input_tokens": None,
    "recent": None,
    "model": "",
    "summary_tokens": 512,
}
"""What a lock pins of a task that says nothing of its context."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return load(write(tmp_path, MODEL + LARGE, triage=TRIAGE, plain=TASK), cpus=2)


def with_model(project: Project, **changes: object) -> Project:
    model = msgspec.structs.replace(project.models["small"], **changes)
    return msgspec.structs.replace(project, models={**project.models, "small": model})


def test_tasks(project: Project) -> None:
    """A task's policy has its model before its fallbacks and the defaults filled in."""
    snapshot = compile_policy(project)
    assert snapshot.tasks["triage"] == TaskPolicy(
        name="triage",
        owner="support",
        task_class="interactive",
        models=("small", "large"),
        sampling=Sampling(temperature=0.5),
        deadline=Deadlines(5.0, 120.0, 60.0, None),
        objective=Objective(),
        retry=Retry(2),
        redaction="full",
        prompt=None,
        output=None,
        tools=(),
        tool_calls=ToolCalls("pass", 1, hold=False),
        repetition="flag",
        context=Context(),
        context_digest=entry_digest("context", FULL),
    )
    assert snapshot.tasks["plain"].models == ("small",)


def test_contract(tmp_path: Path) -> None:
    """A task's contract is in its policy as it was declared."""
    task = f'{TASK}output = {{ schema = "s.json" }}\ntools = ["refund"]\ntool_calls.hold = true\nrepetition = "stop"\n'
    project = load(with_schemas(tmp_path, task, '{"type": "object"}', '{"type": "object"}'))
    policy = compile_policy(project).tasks["triage"]
    declared = project.tasks["triage"]
    assert declared.output is not None
    assert (policy.output, policy.tools) == (declared.output, declared.tools)
    assert (policy.tool_calls, policy.repetition) == (ToolCalls("pass", 1, hold=True), "stop")


def with_schemas(root: Path, task: str, output: str, arguments: str) -> Path:
    write(root, MODEL, triage=task)
    (root / "tasks" / "triage" / "s.json").write_text(output)
    (root / "tools").mkdir()
    (root / "tools" / "refund.json").write_text(f'{{"description": "d",\n"input_schema":\n{arguments}}}')
    return root


BOTH = f'{TASK}output = {{ schema = "s.json" }}\ntools = ["refund"]\n'
UNFIT = {
    "keyword": ('{\n"properties": {"a":\n{"minLength": -1}}}', 3, "at /properties/a/minLength"),
    "type": ('{"properties": {\n"a": {},\n"b": {"type": "text"}}}', 3, "at /properties/b/type"),
    "pattern": ('{"properties": {\n"a/b": {"pattern": "("}}}', 2, "at /properties/a~1b/pattern"),
    "reference": ('{\n"items":\n{"$ref": "#/$defs/x"}}', 2, "at /items leads nowhere"),
    "draft": ('{\n"$schema": "http://example.com/draft"}', 1, "not a draft that is known"),
}


@pytest.mark.parametrize(("schema", "line", "what"), UNFIT.values(), ids=UNFIT.keys())
def test_a_schema_that_does_not_compile(tmp_path: Path, schema: str, line: int, what: str) -> None:
    """It is a mistake in the schema's file, at its line, and no snapshot comes of it."""
    project = load(with_schemas(tmp_path, BOTH, schema, '{"type": "object"}'))
    [mistake] = schema_mistakes(project.schemas)
    assert (mistake.path, mistake.line) == ("tasks/triage/s.json", line), mistake
    assert mistake.what.startswith("this JSON Schema cannot be used: ")
    assert what in mistake.what
    with pytest.raises(DeclarationError) as told:
        compile_policy(project)
    assert told.value.mistakes == (str(mistake),)


def test_a_tool_whose_schema_does_not_compile(tmp_path: Path) -> None:
    """Its line is that in the tool's file."""
    arguments = '{"type": "object",\n"required": "order"}'
    [mistake] = schema_mistakes(load(with_schemas(tmp_path, BOTH, "{}", arguments)).schemas)
    assert (mistake.path, mistake.line) == ("tools/refund.json", 4)


def test_mapping(project: Project) -> None:
    """Keys and system prompts lead to their task."""
    snapshot = compile_policy(project)
    assert snapshot.task_of_key == {"app": "triage", "web": "triage"}
    assert snapshot.task_of_system_prompt == {"sha256:" + "a" * 64: "triage"}


def test_keys_required(project: Project) -> None:
    """Calls need a key unless the gateway is declared open."""
    assert compile_policy(project).keys_required
    gateway = msgspec.structs.replace(project.gateway, keys="open")
    assert not compile_policy(msgspec.structs.replace(project, gateway=gateway)).keys_required


def test_rates(project: Project) -> None:
    """Prices become whole picodollars for a token: 0.15 USD a million tokens is 150,000."""
    prices = (
        Price(Decimal("0.15"), Decimal("0.60"), Decimal("0.075"), None, Decimal("1.2")),
        Price(Decimal("0.000000000001"), Decimal(1000), per_tokens=1, from_day=date(2026, 9, 1)),
        Price(Decimal("0.123456789012345678"), Decimal("999999999.999999"), per_tokens=1_000_000),
    )
    snapshot = compile_policy(with_model(project, prices=prices))
    assert snapshot.rates == {
        "small": (
            Rate(150_000, 600_000, 75_000, None, 1_200_000),
            Rate(1, 10**15, from_day=date(2026, 9, 1)),
            Rate(123_456, 999_999_999_999_999),
        )
    }


def test_gpu(project: Project) -> None:
    """Two GPUs at 2.50 USD an hour cost 5e12 / 3600 = 1388888888.9 picodollars a second, rounded to the nearest."""
    snapshot = compile_policy(with_model(project, gpu=Gpu("H100", 2, Decimal("2.50"))))
    assert snapshot.gpu_pusd_per_s == {"small": 1_388_888_889}
    assert snapshot.rates == {}


def test_digest_is_the_same_in_any_order(project: Project) -> None:
    """The order in which models and tasks were declared does not change the digest."""
    turned = msgspec.structs.replace(
        project, models=dict(reversed(project.models.items())), tasks=dict(reversed(project.tasks.items()))
    )
    assert compile_policy(turned) == compile_policy(project)


def test_digest_tells_any_change(project: Project) -> None:
    """Whatever changes in what gateways serve under changes the digest; what they do not see does not."""
    first = compile_policy(project).digest
    other = with_model(project, served_name="other")
    assert compile_policy(other).digest != first
    assert compile_policy(msgspec.structs.replace(project, environment="other")).digest != first
    data = msgspec.structs.replace(project.data, retention_s=1.0)
    assert compile_policy(msgspec.structs.replace(project, data=data)).digest == first


def test_digest_is_the_same_in_another_process(project: Project) -> None:
    """Another interpreter with another hash seed comes to the same digest."""
    code = (
        "import sys, pathlib\n"
        "from trimtab.declare.load import load\n"
        "from trimtab.policy.compile import compile\n"
        "print(compile(load(pathlib.Path(sys.argv[1]), cpus=2)).digest)\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    told = subprocess.run([sys.executable, "-c", code, project.root], env=environment, capture_output=True, check=True)
    assert told.stdout.decode().strip() == compile_policy(project).digest


def test_a_snapshot_survives_its_encoding(project: Project) -> None:
    """What a worker decodes is what was compiled, digest and all."""
    prices = (Price(Decimal("0.15"), Decimal("0.60"), from_day=date(2026, 9, 1)),)
    snapshot = compile_policy(with_model(project, prices=prices))
    decoded = decode(encode(snapshot))
    assert decoded == snapshot
    assert digest(decoded) == snapshot.digest


def test_no_secret_is_in_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot names where a secret lies and does not hold it."""
    monkeypatch.setenv("SMALL_KEY", "geheim")
    snapshot = compile_policy(load(write(tmp_path, f'{MODEL}api_key = "env:SMALL_KEY"\n')))
    assert isinstance(snapshot.models["small"], Model)
    assert b"SMALL_KEY" in encode(snapshot)
    assert b"geheim" not in encode(snapshot)


def lock_of(project: Project, **pins: object) -> Lock:
    """A lock in which the model `small` has these pins."""
    pinned = {"requested": project.models["small"].served_name, **pins}
    return lockfile.lock([lockfile.entry("models", "small", pinned), lockfile.entry("models", "gone", pinned)])


def test_lock_id(project: Project) -> None:
    """A snapshot bears the id of a lock that agrees with it, and only of such a one; its digest tells them apart."""
    lock = lock_of(project)
    agreeing, differing = compile_policy(project, lock), compile_policy(project, lock, agrees=False)
    assert (agreeing.lock_id, differing.lock_id, compile_policy(project).lock_id) == (lock.lock_id, "", "")
    assert agreeing.digest != differing.digest == compile_policy(project).digest


@pytest.mark.parametrize("agrees", [True, False])
def test_model_is_called_what_the_lock_resolved_it_to(project: Project, *, agrees: bool) -> None:
    """Also while other things differ from the lock, so that an edit of a prompt moves no alias."""
    alias = project.models["small"].served_name
    snapshot = compile_policy(project, lock_of(project, resolved="m-2026-09-01"), agrees=agrees)
    assert snapshot.models["small"].served_name == "m-2026-09-01"
    assert snapshot.requested == {"small": alias}
    assert decode(encode(snapshot)) == snapshot


def test_what_the_lock_resolved_of_another_name_is_not_used(project: Project) -> None:
    """A model that was declared anew is called as it is declared, until it is locked."""
    lock = lock_of(project, resolved="m-2026-09-01")
    snapshot = compile_policy(with_model(project, served_name="other"), lock, agrees=False)
    assert (snapshot.models["small"].served_name, snapshot.requested) == ("other", {})


def test_resolved_as_requested_is_no_alias(project: Project) -> None:
    """Where the lock resolved a name to itself, there is nothing to remember."""
    snapshot = compile_policy(project, lock_of(project, resolved=project.models["small"].served_name))
    assert (snapshot.models, snapshot.requested) == (compile_policy(project).models, {})


NAMES = st.lists(st.text("abc-1", min_size=1, max_size=6), min_size=1, max_size=4, unique=True)


@given(models=NAMES, tasks=NAMES, resolved=st.text("xyz", max_size=3), seed=st.randoms(use_true_random=False))
def test_equal_projects_and_locks_give_equal_snapshots(
    models: list[str], tasks: list[str], resolved: str, seed: random.Random
) -> None:
    """Made apart and in any order of declaration, they compile to the same, digest and all."""

    def made(order: Callable[[list[str]], list[str]]) -> tuple[Project, Lock]:
        declared = {name: Model(name, f"served-{name}", ("http://a",)) for name in order(models)}
        of_tasks = {name: Task(name, models[0], fallback=tuple(models[1:])) for name in order(tasks)}
        listen = Listen("127.0.0.1", 0)
        project = Project(
            root="/p",
            environment="test",
            gateway=Gateway(listen, 1),
            control=Control(listen),
            data=Data("d", 1.0, 1.0, 1, 1),
            defaults=Defaults(),
            models=declared,
            tasks=of_tasks,
        )
        pins = {"requested": f"served-{models[0]}", "resolved": resolved or f"served-{models[0]}"}
        return project, lockfile.lock([lockfile.entry("models", models[0], pins)])

    def shuffled(names: list[str]) -> list[str]:
        return seed.sample(names, len(names))

    first, second = compile_policy(*made(list)), compile_policy(*made(shuffled))
    assert first == second
    assert first.digest == digest(second)
