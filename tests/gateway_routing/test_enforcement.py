"""Enforcement probes: what an engine makes of a schema is proved, shown and recorded when it changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.gateway.harness import snapshot, task
from trimtab.declare.project import Engine, Model, Output, Schema
from trimtab.gateway.board import Board
from trimtab.gateway.board_view import Enforces
from trimtab.gateway.enforcement import FAILED_AGAIN_S, Ask, Enforcement
from trimtab.gateway.routing import Router
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import Change
from trimtab.testing import JumpingClock

URL = "http://127.0.0.1:9"
OUTPUT = Output(Schema('{"type":"object"}', "d"))


class Engines:
    """Answers probes as an engine of a kind would, and notes what it was asked."""

    def __init__(self, *, constant: bool = True, bounded: bool = True, status: int = 200, finish: str = "stop") -> None:
        self.constant, self.bounded, self.status, self.finish = constant, bounded, status, finish
        self.bodies: list[dict[str, Any]] = []

    async def __call__(self, model: Model, url: str, path: str, body: bytes) -> tuple[int, bytes]:
        assert (model.name, url, path) == ("small", URL, "/v1/chat/completions")
        self.bodies.append(json.loads(body))
        properties = self.bodies[-1]["structured_outputs"]["json"]["properties"]
        if "code" in properties:
            text = '{"code": "AMBER-77"}' if self.constant else '{"code": "BLUE-12"}'
        else:
            text = '{"word": "incomp"}' if self.bounded else '{"word": "incomprehensibility"}'
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        return self.status, json.dumps({"id": "x", "model": "m", "choices": [choice]}).encode()


def policy(engine: Engine = "vllm", *, output: Output | None = OUTPUT, probe_s: float | None = 900.0) -> Snapshot:
    made = snapshot({"small": URL}, task("triage", "small", output=output))
    return replace(made, models={"small": replace(made.models["small"], engine=engine, probe_s=probe_s)})


class Probed:
    """One worker's board and probes."""

    def __init__(self, folder: Path, made: Snapshot, engines: Ask) -> None:
        Board.create(folder / "board", slots=1, replicas=1)
        self.board = Board.open(folder / "board", 0, "g0-000000000001")
        self.router = Router(self.board, made.models, lambda: 0.5)
        self.clock = JumpingClock()
        self.changes: list[Change] = []
        self.probes = Enforcement(
            self.board, lambda: self.router, lambda: made, engines, self.clock, self.changes.append
        )

    @property
    def mark(self) -> Enforces:
        [replica] = self.board.view(self.clock.monotonic()).replicas
        return replica.enforces


@pytest.mark.parametrize(
    ("engines", "mark"),
    [
        (Engines(), "fully"),
        (Engines(bounded=False), "weakly"),
        (Engines(constant=False, bounded=False), "not"),
        (Engines(status=400), ""),
    ],
)
async def test_what_is_proved_is_shown(tmp_path: Path, engines: Engines, mark: Enforces) -> None:
    """A constant that the prompt contradicts and a bounded string tell full, partial and no enforcement apart."""
    probed = Probed(tmp_path, policy(), engines)
    await probed.probes.round()
    assert probed.mark == mark
    assert [(change.kind, change.before, change.after) for change in probed.changes] == (
        [("enforcement", "", mark)] if mark else []
    )


async def test_the_prompt_contradicts_the_schema(tmp_path: Path) -> None:
    """Otherwise an engine that constrains nothing would pass by obeying the prompt."""
    engines = Engines()
    await Probed(tmp_path, policy(), engines).probes.round()
    constant, bounded = engines.bodies
    assert "BLUE-12" in constant["messages"][0]["content"]
    assert constant["structured_outputs"]["json"]["properties"]["code"]["const"] == "AMBER-77"
    assert len("incomprehensibility") > bounded["structured_outputs"]["json"]["properties"]["word"]["maxLength"]
    assert bounded["temperature"] == 0


async def test_a_proof_is_renewed_on_schedule_and_a_change_is_told_once(tmp_path: Path) -> None:
    """Within the interval nothing is asked; after it an engine that went bad is marked."""
    engines = Engines()
    probed = Probed(tmp_path, policy(), engines)
    await probed.probes.round()
    await probed.probes.round()
    assert len(engines.bodies) == 2
    engines.constant = False
    probed.clock.advance(901.0)
    await probed.probes.round()
    assert probed.mark == "not"
    assert [change.after for change in probed.changes] == ["fully", "not"]


async def test_no_answer_keeps_the_mark_and_is_tried_again_soon(tmp_path: Path) -> None:
    """A replica that is busy or down proves nothing."""
    engines = Engines()
    probed = Probed(tmp_path, policy(), engines)
    await probed.probes.round()
    engines.status = 503
    probed.clock.advance(901.0)
    await probed.probes.round()
    assert probed.mark == "fully"
    engines.status = 200
    probed.clock.advance(FAILED_AGAIN_S + 1)
    await probed.probes.round()
    assert len(engines.bodies) == 5


async def test_a_cut_answer_proves_nothing(tmp_path: Path) -> None:
    """An answer that ran into its limit before it was JSON is no proof of anything."""
    engines = Engines(finish="length")

    async def ask(model: Model, url: str, path: str, body: bytes) -> tuple[int, bytes]:
        status, answer = await engines(model, url, path, body)
        return status, answer.replace(b'77\\"}', b"7")

    probed = Probed(tmp_path, policy(), ask)
    await probed.probes.round()
    assert probed.mark == ""


@pytest.mark.parametrize("made", [policy("other"), policy(output=None), policy(probe_s=None)])
async def test_who_is_not_asked(tmp_path: Path, made: Snapshot) -> None:
    """Engines that are told no schema, models no task with a schema uses, and models with probes off."""
    engines = Engines()
    await Probed(tmp_path, made, engines).probes.round()
    assert engines.bodies == []
