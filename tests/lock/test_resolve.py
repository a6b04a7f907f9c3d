"""What a declaration is resolved to: the same bytes everywhere, what was learned kept, no field forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.lock import governed
from tests.lock.governed import with_change
from trimtab.contracts import rules
from trimtab.declare.project import Project, Turn
from trimtab.lock.diff import differences
from trimtab.lock.lockfile import Lock, decode, encode, entry, lock
from trimtab.lock.resolve import resolve, with_identity, with_learned

RELOCKS = 50
"""Locks without a change between them, here; the benchmark makes a thousand."""
LOCK_IT = """
import sys
from pathlib import Path
from trimtab.declare.load import load
from trimtab.lock.lockfile import encode
from trimtab.lock.resolve import resolve
sys.stdout.buffer.write(encode(resolve(load(Path(sys.argv[1]), cpus=2), None).lock))
"""
OTHER = "f" * 64


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The governed project, read."""
    return governed.read(governed.write(tmp_path_factory.mktemp("governed")))


@pytest.fixture(scope="module")
def held(project: Project) -> Lock:
    """Its lock."""
    return resolve(project, None).lock


def test_sections(held: Lock) -> None:
    """Every kind of thing has its entries, by the names that people give them."""
    assert [one.key for one in held.entries] == [
        "context/plain",
        "context/triage",
        "data/raw",
        "data/tasks/triage/cases",
        "data/tickets",
        "models/azure",
        "models/large",
        "models/small",
        "packages/project",
        "policies/(defaults)",
        "policies/plain",
        "policies/triage",
        "prompts/triage",
        "retrieval/manuals",
        "sampling/plain",
        "sampling/triage",
        "schemas/triage",
        "tools/lookup",
        "tools/refund",
    ]


def test_relock(project: Project, held: Lock) -> None:
    """Locking again without a change gives the same bytes, with the earlier lock and without."""
    data = encode(held)
    for _ in range(RELOCKS):
        assert encode(resolve(project, None).lock) == data
        assert encode(resolve(project, decode(data)).lock) == data


def test_any_process(tmp_path: Path) -> None:
    """The bytes are those of any process, whatever its hash seed, the order of files on disk, and the folder."""
    found = set()
    for seed in range(3):
        files = list(governed.FILES.items())
        root = governed.write(tmp_path / f"copy{seed}", dict(files[seed:] + files[:seed] if seed < 2 else files[::-1]))
        made = subprocess.run(
            [sys.executable, "-c", LOCK_IT, str(root)],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        )
        found.add(made.stdout)
    assert len(found) == 1


def test_order_of_declaration(project: Project, held: Lock) -> None:
    """The order in which things are declared is not that of the lock."""
    turned = replace(
        project,
        tasks=dict(reversed(project.tasks.items())),
        models=dict(reversed(project.models.items())),
        data_sets=dict(reversed(project.data_sets.items())),
    )
    assert encode(resolve(turned, None).lock) == encode(held)


def test_author_is_kept(project: Project, held: Lock) -> None:
    """An unchanged entry keeps who changed it and where; of a changed one both are open again."""
    signed = lock(replace(one, author="Ada <ada@example.org>", commit="a" * 40) for one in held.entries)
    changed = with_change(project, ("tasks", "triage", "sampling", "seed"), 8)
    found = {one.key: (one.author, one.commit) for one in resolve(changed, signed).lock.entries}
    assert found.pop("sampling/triage") == ("", "")
    assert set(found.values()) == {("Ada <ada@example.org>", "a" * 40)}


IDENTITY = {"fingerprints": ["fp_1"], "server_version": "0.32.0", "served_model": "m", "baseline": "c" * 64}


def test_identity_is_kept(project: Project, held: Lock) -> None:
    """What was learned of a model stays until the model is another one."""
    learned = with_identity(held, "large", IDENTITY)
    assert [one.key for one in differences(held, learned)] == ["models/large"] * 4
    assert resolve(project, learned).lock == learned
    same = with_change(project, ("models", "large", "probe_s"), 60.0)
    assert resolve(same, learned).lock.of("models")["large"].pinned["identity"] == IDENTITY
    other = with_change(project, ("models", "large", "served_name"), "gpt-4o-2024-11-20")
    assert resolve(other, learned).lock.of("models")["large"].pinned["identity"]["fingerprints"] == []


def test_resolved_alias_is_kept(project: Project, held: Lock) -> None:
    """A name that an alias was resolved to stays what is sent, as long as the same alias is asked for."""
    aliased = with_change(project, ("models", "large", "served_name"), "gpt-4o")
    refused = resolve(aliased, held)
    assert [one.key for one in refused.refusals] == ["models/large"]
    live = with_identity(refused.lock, "large", IDENTITY, resolved="gpt-4o-2024-08-06")
    settled = resolve(aliased, live)
    assert settled.refusals == ()
    assert settled.lock.of("models")["large"].pinned["resolved"] == "gpt-4o-2024-08-06"
    again = with_change(project, ("models", "large", "served_name"), "gpt-4o-mini")
    assert resolve(again, live).lock.of("models")["large"].pinned["resolved"] == "gpt-4o-mini"


def test_learned_is_kept(project: Project, held: Lock) -> None:
    """The shape of a tool's answers outlives a new implementation; what another server said of itself does not."""
    told = {"shape": {"type": "object"}, "server": {"name": "refunds"}, "definition": "d" * 64}
    learned = with_learned(held, "refund", told)
    assert resolve(project, learned).lock == learned
    moved = with_change(project, ("tasks", "triage", "tools", 1, "implementation", "mcp", "tool"), "pay_back")
    assert resolve(moved, learned).lock.of("tools")["refund"].pinned["learned"] == {
        "shape": {"type": "object"},
        "server": None,
        "definition": "",
    }


def test_learned_is_bounded(held: Lock) -> None:
    """What was learned must be JSON that the file can hold."""
    deep: Any = "x"
    for _ in range(101):
        deep = [deep]
    with pytest.raises(ValueError, match="deeper than 100"):
        with_learned(held, "refund", {"shape": deep})
    with pytest.raises(ValueError, match="not representable"):
        with_learned(held, "refund", {"shape": float("inf")})


def test_names(project: Project) -> None:
    """Whatever a project may name a thing, its lock is read back."""
    names = ("-x", ".y", "a.b-c_d")
    named = replace(project, tasks={name: replace(project.tasks["plain"], name=name) for name in names})
    whole = resolve(named, None).lock
    assert decode(encode(whole)) == whole


def test_half_a_character(project: Project) -> None:
    """What no JSON can carry is refused, with its entry."""
    broken = with_change(project, ("tasks", "triage", "owner"), "\ud800")
    [refusal] = resolve(broken, None).refusals
    assert refusal.key == "policies/triage"
    assert "cannot be written as JSON" in refusal.words


def test_nothing_to_put_it_on(held: Lock) -> None:
    """What is not locked cannot have been learned of."""
    with pytest.raises(KeyError, match="models/none"):
        with_identity(held, "none", IDENTITY)
    with pytest.raises(KeyError, match="tools/none"):
        with_learned(held, "none", {})


def test_classes_are_not_worked_out_again(project: Project, held: Lock) -> None:
    """The class of a schema is taken from the lock, unless the schema, the engine or the rules are others."""
    before = held.of("schemas")["triage"].pinned
    assert before["support"]["small"] == {
        "engine": "vllm",
        "grammar": "xgrammar",
        "class": "weakened",
        "findings": ["weakened /properties/reason maxLength"],
    }

    def found(**changes: Any) -> str:
        support = {**before["support"], "small": {**before["support"]["small"], "class": "native"}}
        marked = entry("schemas", "triage", {**before, "support": support, **changes})
        return str(resolve(project, lock([marked])).lock.of("schemas")["triage"].pinned["support"]["small"]["class"])

    assert found() == "native"
    assert found(rules=rules.VERSION - 1) == "weakened"
    assert found(output={**before["output"], "sha256": OTHER}) == "weakened"
    assert found(support={"small": {"engine": "openai", "grammar": "auto", "class": "native"}}) == "weakened"


def test_foreign_data_is_refused(project: Project) -> None:
    """A file that is not the one its manifest tells of is refused, with both digests."""
    changed = with_change(project, ("data_sets", "tickets", "file", "digest"), OTHER)
    [refusal] = resolve(changed, None).refusals
    assert refusal.key == "data/tickets"
    assert "data/tickets.jsonl is not the file" in refusal.words
    assert "ffffffffffff" in refusal.words
    assert "trimtab data add tickets" in refusal.words


def test_unknown_names_are_refused(project: Project) -> None:
    """Models and data sets that are not declared are refused by name."""
    changed = with_change(
        with_change(project, ("tasks", "plain", "model"), ""), ("models", "small", "served", "trained_on"), ("gone",)
    )
    words = [one.words for one in resolve(changed, None).refusals]
    assert any(one.startswith('models/small: models.small.served names the data set "gone"') for one in words)
    assert any(one.startswith("policies/plain: the task names no model") for one in words)


def test_days_are_handed_in(project: Project) -> None:
    """Nothing is said of retirement unless it is said what day it is."""
    assert resolve(project, None).warnings == ()
    [warned] = resolve(project, None, today=date(2027, 1, 10)).warnings
    assert (warned.key, warned.days, warned.severity) == ("models/large", 4, "warning")


def test_secret_in_a_prompt(project: Project) -> None:
    """What looks like a secret in a prompt is masked in the lock and warned of."""
    planted = "sk-proj-0123456789abcdefghij"
    changed = with_change(project, ("tasks", "triage", "prompt", "turns"), (Turn("system", f"Use {planted}."),))
    resolved = resolve(changed, None)
    assert planted.encode() not in encode(resolved.lock)
    assert [one.key for one in resolved.warnings] == ["prompts/triage"]
