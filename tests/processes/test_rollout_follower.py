"""How a worker follows what is published of a rollout: it takes it in, and is not harmed by what it cannot read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.gateway.rolling import Both, Opened, rollout, said
from trimtab.policy import rollout as rollouts
from trimtab.policy.compile import digest
from trimtab.policy.rollout import Rollout
from trimtab.processes.rollout_follower import RolloutFollower


def published(run: Path, both: Both, **more: object) -> Rollout:
    """A canary for everybody beside what is in force, with its candidate."""
    models = {"small": replace(both.gateway.policy.models["small"], replicas=(both.candidate.url,))}
    bare = replace(both.gateway.policy, models=models, lock_id="2" * 64)
    candidate = replace(bare, digest=digest(bare))
    rollouts.publish_candidate(run, candidate)
    one = rollout(snapshot=candidate.digest, share=1.0, **more)
    rollouts.publish(run, one)
    return one


async def test_what_is_published_is_followed(tmp_path: Path) -> None:
    """It begins, and ends when it is published as over or is taken away."""
    run = tmp_path / "published"
    run.mkdir()
    async with Opened(tmp_path, rollout(share=1e-9)) as both:
        follower, pipeline, in_force = RolloutFollower(run), both.gateway.pipeline, both.gateway.policy.digest
        heard = []
        one = published(run, both)
        for step in ("", "stopped", "running", "away"):
            if step == "away":
                rollouts.withdraw(run)
            elif step:
                rollouts.publish(run, replace(one, state=step))
            follower.look(pipeline, in_force)
            heard.append(said(await both.ask()))
    assert heard == ["candidate", "base", "candidate", "base"]


@pytest.mark.parametrize(
    "wrong", ["cut", "no text", "version", "no candidate", "broken candidate", "a folder", "share"]
)
async def test_what_cannot_be_read_is_no_rollout(tmp_path: Path, wrong: str) -> None:
    """A worker serves what is in force, whatever lies there."""
    run = tmp_path / "published"
    run.mkdir()
    async with Opened(tmp_path, rollout(share=1e-9)) as both:
        one = published(run, both)
        file, candidate = run / rollouts.FILE, run / rollouts.candidate_name(one.snapshot)
        data = file.read_bytes()
        match wrong:
            case "cut":
                file.write_bytes(data[:-9])
            case "no text":
                file.write_bytes(data.replace(b"triage", b"tria\xff\xff"))
            case "version":
                rollouts.publish(run, replace(one, version=2))
            case "no candidate":
                candidate.unlink()
            case "broken candidate":
                candidate.write_bytes(candidate.read_bytes().replace(b"triage", b"tria\xff\xff"))
            case "a folder":
                (run / rollouts.exposure_name(one.id)).mkdir()
            case "share":
                file.write_bytes(msgspec.msgpack.encode(replace(one, share=float("inf"))))
        RolloutFollower(run).look(both.gateway.pipeline, both.gateway.policy.digest)
        assert said(await both.ask()) == "base"


async def test_what_could_not_be_read_is_read_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A failure that passes takes a worker out of the rollout for as long as it lasts, and is said once."""
    run, away = tmp_path / "published", tmp_path / "away"
    run.mkdir()
    async with Opened(tmp_path, rollout(share=1e-9)) as both:
        follower, pipeline, in_force = RolloutFollower(run), both.gateway.pipeline, both.gateway.policy.digest
        one = published(run, both)
        candidate = run / rollouts.candidate_name(one.snapshot)
        candidate.rename(away)
        follower.look(pipeline, in_force)
        follower.look(pipeline, in_force)
        said_once = [record.message for record in caplog.records if "rollout_refused" in record.message]
        heard = [said(await both.ask())]
        away.rename(candidate)
        follower.look(pipeline, in_force)
        heard.append(said(await both.ask()))
    assert (heard, len(said_once)) == (["base", "candidate"], 1)
