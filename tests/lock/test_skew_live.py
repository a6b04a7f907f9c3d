"""Skew between a lock and calls that were made: what records and requests tell that is not as it is pinned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.lock.governed import LOOKUP, locked, write
from trimtab.lock.lockfile import Lock
from trimtab.lock.resolve import with_identity
from trimtab.lock.skew import Skew
from trimtab.lock.skew_live import Sampled, against
from trimtab.lock.skew_requests import OTHER, RequestSample
from trimtab.store.lock_figures import CallKind


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> Lock:
    return locked(write(tmp_path_factory.mktemp("governed")))


def pinned(lock: Lock, key: str, *path: str) -> Any:
    """What a lock pins in a place."""
    section, _, name = key.partition("/")
    value: Any = lock.of(section)[name].pinned  # type: ignore[arg-type]
    for step in path:
        value = value[step]
    return value


@pytest.fixture
def as_locked(lock: Lock) -> CallKind:
    """Calls of the task that are as they were locked."""
    return CallKind(
        task="triage",
        lock=lock.lock_id,
        prompt=pinned(lock, "prompts/triage", "sha256"),
        served_by="small",
        upstream_model="Qwen/Qwen3-8B",
        system_fingerprint="fp",
        schema=pinned(lock, "schemas/triage", "output", "sha256"),
        context_strategy="keep_system_and_recent",
        context_digest=lock.of("context")["triage"].digest,
        calls=90,
        looked_at=90,
        messages=400,
    )


def test_calls_as_they_were_locked(lock: Lock, as_locked: CallKind) -> None:
    """No skew, and nothing to note."""
    assert against(lock, [as_locked]) == against(lock, [])


OTHERS = {
    "lock": ({"lock": "f" * 64}, "lock", "made under lock ffffffffffff"),
    "no lock": ({"lock": ""}, "lock", "made while what served agreed with no lock"),
    "prompt": ({"prompt": "e" * 64}, "prompt", "rendered from the prompt eeeeeeeeeeee, not "),
    "own messages": ({"prompt": ""}, "prompt", "brought messages that the gateway did not render from the task's "),
    "context": ({"context_digest": "d" * 64}, "context", "under the context strategy dddddddddddd, not "),
    "schema": ({"schema": "c" * 64}, "schema", "held to the schema cccccccccccc, not "),
    "no schema": ({"schema": ""}, "schema", "held to no schema, not "),
    "model": ({"served_by": "huge"}, "model", "served by the model huge, not small or large or azure"),
    "server": ({"upstream_model": "x"}, "model", 'the server of small called itself "x", not "Qwen/Qwen3-8B"'),
}


@pytest.mark.parametrize(("changes", "aspect", "words"), OTHERS.values(), ids=OTHERS)
def test_calls_that_are_not(lock: Lock, as_locked: CallKind, changes: dict[str, str], aspect: str, words: str) -> None:
    """Each way in which calls differ is told once, with how many of the task's calls differ so."""
    found = against(lock, [as_locked, replace(as_locked, calls=10, **changes)])
    (skew,) = found.skews
    assert (skew.tasks, skew.aspect, skew.calls, skew.of) == (("triage",), aspect, 10, 100)
    assert skew.words.startswith(words)


def test_a_task_without_prompt_or_schema(lock: Lock, as_locked: CallKind) -> None:
    """What the lock has not, calls must not have either."""
    plain = replace(as_locked, task="plain", served_by="large", upstream_model="gpt-4o-2024-08-06", context_digest="")
    found = {skew.aspect: skew.words for skew in against(lock, [plain]).skews}
    assert set(found) == {"prompt", "schema"}
    assert found["prompt"].endswith(", where the lock has none")
    assert against(lock, [replace(plain, prompt="", schema="")]).skews == ()


def test_what_was_learned_of_a_model(lock: Lock, as_locked: CallKind) -> None:
    """With a name and fingerprints learned, others are skew; without, any fingerprint is."""
    learned = {"fingerprints": ["fp_a", "fp_b"], "served_model": "qwen3", "server_version": "", "baseline": ""}
    known = with_identity(lock, "small", learned)
    calls = replace(as_locked, lock=known.lock_id, upstream_model="qwen3", system_fingerprint="fp_b")
    assert against(known, [calls]).skews == ()
    assert against(known, [replace(calls, system_fingerprint="")]).skews == ()
    (skew,) = against(known, [replace(calls, system_fingerprint="fp_c")]).skews
    assert skew.words == 'small answered with the fingerprint "fp_c", which is not in the lock'
    (skew,) = against(known, [replace(calls, upstream_model="Qwen/Qwen3-8B")]).skews
    assert skew.words == 'the server of small called itself "Qwen/Qwen3-8B", not "qwen3"'


def test_calls_that_nobody_served(lock: Lock, as_locked: CallKind) -> None:
    """A refused call says nothing of models."""
    refused = replace(as_locked, served_by="", upstream_model="", system_fingerprint="")
    assert against(lock, [refused]).skews == ()


def test_notes(lock: Lock, as_locked: CallKind) -> None:
    """Fallbacks, dropped messages and tasks that the lock does not have are told, and are no skew; our own calls are
    neither.
    """
    found = against(
        lock,
        [
            as_locked,
            replace(as_locked, calls=10, served_by="azure", upstream_model="our-deployment"),
            replace(as_locked, calls=5, shortened=3, messages=100, dropped=40),
            replace(as_locked, task="(undeclared)", calls=1),
            replace(as_locked, task="(summary)", calls=7, prompt=""),
        ],
    )
    assert found.skews == ()
    assert found.notes == (
        "(undeclared): 1 call of a task that the lock does not have",
        "triage: 10 of 105 calls were served by the fallback azure",
        "triage: of 3 of 105 calls messages were dropped, 40 of 900 messages of all of them",
    )


def test_many_ways_are_told_in_part(lock: Lock, as_locked: CallKind) -> None:
    """The five with most calls, and how many calls the others have."""
    kinds = [replace(as_locked, prompt=str(step) * 64, calls=step) for step in range(1, 9)]
    skews = against(lock, kinds).skews
    assert [skew.calls for skew in skews] == [8, 7, 6, 5, 4, 6]
    assert skews[-1] == Skew(("triage",), "prompt", "and 3 other ways", 6, 36)


def sampled(*requests: dict[str, Any], preview: bool = False) -> Sampled:
    """What a sample of these requests says."""
    sample = RequestSample("triage")
    for request in requests:
        body = {"redaction": "preview", "sha256": "", "bytes": 1, "body": request} if preview else request
        assert sample.add(msgspec.json.encode(body))
    return sample.sampled()


def words(lock: Lock, kind: CallKind, *requests: dict[str, Any]) -> list[tuple[str, str, int | None, int | None]]:
    skews = against(lock, [kind], [sampled(*requests)]).skews
    return [(skew.aspect, skew.words, skew.calls, skew.of) for skew in skews]


def test_pinned_sampling_is_what_is_sent(lock: Lock, as_locked: CallKind) -> None:
    """What a client asks for in place of a pinned value changes nothing; a smaller limit on length does."""
    asked = {"temperature": 1.5, "top_p": 1, "seed": 3, "stop": ["x"], "stop_sequences": None}
    assert words(lock, as_locked, asked) == []
    assert words(lock, as_locked, {"max_tokens": 4096}, {"max_completion_tokens": 256}) == []
    assert words(lock, as_locked, {"max_tokens": 16}, {"max_tokens": 16}, {}) == [
        ("sampling", "clients ask for less than the max_output_tokens 256 that is pinned: 16 in 2", 2, 3)
    ]


def test_sampling_that_is_left_open(lock: Lock, as_locked: CallKind) -> None:
    """Values that clients set and the lock does not pin are told, those of most requests first."""
    assert words(lock, as_locked, {"presence_penalty": 1.5}, {"presence_penalty": 0.5}, {"presence_penalty": 0.5}) == [
        ("sampling", "clients set presence_penalty themselves, which the lock leaves open: 0.5 in 2, 1.5 in 1", 3, 3)
    ]
    many = [{"top_k": step} for step in range(30)]
    ((_, told, calls, _),) = words(lock, as_locked, *many)
    assert (calls, told.endswith("and 16 more values")) == (30, True)
    assert set(sampled(*many).sampling["top_k"]) == {*map(str, range(20)), OTHER}


FORMS = {
    "chat": lambda tool: {"type": "function", "function": tool},
    "responses": lambda tool: {"type": "function", **tool},
    "messages": lambda tool: {
        "name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"],
    },
}  # fmt: skip
OWN = {"name": "lookup", "description": LOOKUP["description"], "parameters": LOOKUP["input_schema"]}


@pytest.mark.parametrize("form", FORMS)
def test_tools_of_clients(lock: Lock, as_locked: CallKind, form: str) -> None:
    """The task's own tool as it is pinned is none; one of another name or another definition is, in every surface."""
    made = FORMS[form]
    assert words(lock, as_locked, {"tools": [made(OWN)]}) == []
    other = made({**OWN, "description": "Looks up anything."})
    strange = made({**OWN, "name": "delete_all"})
    assert words(lock, as_locked, {"tools": [other]}, {"tools": [made(OWN), strange]}, {}) == [
        ("tools", 'clients offer a tool that is not the task\'s: "delete_all"', 1, 3),
        ("tools", 'clients offer the tool "lookup" with another definition than the lock has', 1, 3),
    ]


def test_previews_tell_names_and_numbers(lock: Lock, as_locked: CallKind) -> None:
    """Where only previews are kept, sampling and names of tools are known, definitions are not."""
    cut = {**OWN, "description": "Looks up an ..."}
    found = sampled({"top_k": 4, "tools": [FORMS["chat"](cut)]}, preview=True)
    assert (found.sampling, found.tools) == ({"top_k": {"4": 1}}, {"lookup": {"": 1}})
    assert [skew.aspect for skew in against(lock, [as_locked], [found]).skews] == ["sampling"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b"x" * (5 << 20), b'{"redaction":"preview"}']
)
def test_what_is_no_request_is_not_counted(body: bytes) -> None:
    """Bodies of others are read with care."""
    sample = RequestSample("triage")
    assert not sample.add(body)
    assert sample.sampled() == Sampled("triage", 0)


@pytest.mark.parametrize("tools", [None, 3, "x", [1], [{}], [{"name": 3}], [{"function": []}], {"a": {}}])
def test_odd_tools_are_left_out(tools: object) -> None:
    """What is no tool of any surface has no name."""
    assert sampled({"tools": tools}).tools == {}


def test_tools_without_end_are_bounded() -> None:
    """A client that invents names fills one place, not the memory."""
    found = sampled(*({"tools": [{"name": f"tool-{step}"}]} for step in range(500)))
    assert len(found.tools) == 201
    assert sum(found.tools[OTHER].values()) == 300
