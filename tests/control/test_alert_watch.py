"""Alerts from traffic to the outbox, on a clock that jumps: which open, what they name, and what a restart changes."""

from __future__ import annotations

import io
import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console, RenderableType

from tests.control.alerting import MODEL, ONCALL, Alerts, alerting, declared
from tests.signals.alerts.streams import PROMPT_A, PROMPT_B, Stream, Traffic, run
from trimtab.cli.alerts_text import rules_text
from trimtab.console.pages.alert_rules import state_of
from trimtab.errors import StoreError
from trimtab.processes.alert_api import watched_now
from trimtab.record.events import Admitted, Change, Settled, Verdict
from trimtab.signals.alerts.alert import Silence
from trimtab.signals.alerts.shown import AlertShown, Sent
from trimtab.store.memory import MemoryTelemetry
from trimtab.store.slices import Slice, SliceQuery
from trimtab.store.telemetry import MINUTE_NS, Batch
from trimtab.testing.clock import START_NS, JumpingClock

NOW = START_NS // MINUTE_NS
DAY = 1440
TASK = 'owner = "support"\nmodel = "small"\n'
USUAL = Traffic()
LOCK_A, LOCK_B = "1" * 64, "2" * 64


def history(stream: Stream, days: int = 14, seed: int = 5, task: str = "extract", usual: Traffic = USUAL) -> None:
    """Days of the usual before now."""
    run(stream, random.Random(seed), task, range(NOW - days * DAY, NOW), lambda minute: usual, lock=LOCK_A)


def then(
    stream: Stream,
    how: Traffic,
    *,
    hours: float = 12,
    since: int = 0,
    seed: int = 6,
    prompt: str = PROMPT_B,
    **facts: Any,
) -> None:
    """What comes from `since` minutes after now on; by another prompt and lock unless told."""
    begins = NOW + since
    facts = {"lock": LOCK_B, **facts}
    minutes = range(begins, begins + round(hours * 60))
    run(stream, random.Random(seed), "extract", minutes, lambda minute: how, lambda minute: prompt, **facts)


def written(text: RenderableType) -> str:
    """What a terminal shows of it."""
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as captured:
        console.print(text)
    return captured.get()


def told(alerts: Alerts) -> list[Sent]:
    """What waits to be delivered, the oldest first."""
    return [msgspec.json.decode(letter.body, type=Sent) for letter in alerts.outbox()]


PLANTED = {
    "parse rate 99 to 90": ({"valid": 0.90}, "parse_rate_falls", 2),
    "tool errors 1 to 5": ({"tool_errors": 0.05}, "tool_errors_rise", 8),
    "completion 90 to 80": ({"completed": 0.80}, "completion_falls", 8),
    "length and a fifth": ({"length": 150.0}, "output_length_drifts", 8),
    "first token half as late again": ({"ttft_ms": 450.0}, "ttft_rises", 4),
    "a label's share 20 to 35": ({"label": 0.35}, "predictions_drift", 12),
}


@pytest.mark.parametrize(("change", "rule", "hours"), PLANTED.values(), ids=PLANTED)
async def test_a_planted_regression_opens_the_right_alert(
    tmp_path: Path, change: dict[str, float], rule: str, hours: int
) -> None:
    """At 200 calls an hour: the alert on it alone, with the prompt and lock that changed, figures and calls."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, **change), hours=hours)  # type: ignore[arg-type]  # numbers only
    words = "prompts/extract: the prompt is another\nprompts/route: the prompt is another"
    stream.noted.append(Change(NOW * MINUTE_NS, "lock", "test", LOCK_A, LOCK_B, "edit", words))
    stream.noted.append(Change(NOW * MINUTE_NS, "started", "gateway 0"))
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(hours * 60, at_once=4)
        [found] = await alerts.list()
        assert (found.rule, found.task, found.state, found.owner) == (rule, "extract", "open", "support")
        assert abs(found.began_ns - NOW * MINUTE_NS) < 2 * 60 * MINUTE_NS
        kinds = {cause.kind: cause for cause in found.causes}
        assert (kinds["prompt"].before, kinds["prompt"].after) == (PROMPT_A, PROMPT_B)
        [lock] = [cause for cause in found.causes if cause.kind == "lock"]
        assert (lock.before, lock.after, lock.at_ns) == (LOCK_A, LOCK_B, NOW * MINUTE_NS)
        assert lock.words == "prompts/extract: the prompt is another"
        assert lock.share is not None
        assert "started" not in kinds
        assert found.worst == ("call-1", "call-2")
        assert found.evidence.before.value is not None
        assert found.evidence.after.value is not None
        assert "bbbbbbbb" in found.words
        if rule == "predictions_drift":
            of_two = r"\((refund\) rose|other\) fell) from \d+\.\d % to \d+\.\d % \("
            assert re.search(of_two, found.words), "of two labels the rise of one is the fall of the other"
        sent, *later = told(alerts)
        assert (sent.kind, [one.id for one in sent.alerts], sent.words) == ("opened", [found.id], found.words)
        assert {one.kind for one in later} <= {"reminder"}
        assert found.reopened == 0


async def test_a_restart_of_what_serves_the_task_is_named(tmp_path: Path) -> None:
    """First tokens come later since a replica of its model began anew: each such replica is named once, no other's."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, ttft_ms=450.0), hours=4, prompt=PROMPT_A, lock=LOCK_A)
    mine, other = "small http://10.0.0.1:8000", "large http://10.0.0.2:8000"
    for at, subject in ((-9, mine), (-3, mine), (0, other), (5, other)):
        facts = subject, f"{1000 + at}", f"{2000 + at}", "control", "its own metrics began anew"
        stream.noted.append(Change((NOW + at) * MINUTE_NS, "replica_restarted", *facts))
    stream.noted.append(Change(NOW * MINUTE_NS, "model_identity", other, "a", "b", "control", "exact: other tokens"))
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(4 * 60, at_once=4)
        [found] = await alerts.list(task="extract")
        assert found.rule == "ttft_rises"
        [cause] = found.causes
        assert (cause.kind, cause.subject, cause.text) == ("replica_restarted", mine, f"replica_restarted {mine}")
        assert cause.words == "its own metrics began anew"


async def test_nothing_opens_while_nothing_changes(tmp_path: Path) -> None:
    """Two weeks of the usual, with its days and nights, raise no alert of any default rule."""
    stream, clock = Stream(), JumpingClock()
    history(stream, days=21, seed=11)
    run(stream, random.Random(12), "extract", range(NOW, NOW + 14 * DAY), lambda minute: USUAL, lock=LOCK_A)
    toml = f'{TASK}objective = {{ success = 0.99, ttft_p95 = "2s" }}\n'
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=toml), clock) as alerts:
        await alerts.minutes(14 * DAY, at_once=60)
        assert await alerts.list() == ()
        rules = await alerts.at_work.ask(lambda book, watch, now_ns: book.evaluation.watchers)
        assert {one.monitor.place.rule for one in rules} >= {"parse_rate_falls", "ttft_rises", "predictions_drift"}


async def life_of(tmp_path: Path, *, restart_every: int) -> tuple[list[AlertShown], list[Sent]]:
    """What comes of one stream where a process is killed so often (0: never)."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.93, length=150.0), hours=6)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        for _ in range(90):
            await alerts.minutes(4, at_once=4)
            if restart_every and _ % restart_every == 0:
                alerts.restart()
        found = [msgspec.structs.replace(one, id="", group="") for one in await alerts.list()]
        return found, [msgspec.structs.replace(one, alerts=(), group="") for one in told(alerts)]


async def test_a_restart_changes_no_decision(tmp_path: Path) -> None:
    """Killed again and again, the same alerts open at the same minute with the same evidence, and each is told once."""
    whole = await life_of(tmp_path / "a", restart_every=0)
    assert len(whole[0]) >= 1
    assert await life_of(tmp_path / "b", restart_every=3) == whole


async def test_a_long_stop_is_caught_up_with(tmp_path: Path) -> None:
    """After half a day without a process the alert opens from what came meanwhile, and once."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.90), hours=12)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(2)
        alerts.restart()
        clock.advance(12 * 3600.0)
        await alerts.minutes(2)
        assert [one.rule for one in await alerts.list()] == ["parse_rate_falls"]
        assert len(told(alerts)) == 1


async def test_no_data_is_no_alert(tmp_path: Path) -> None:
    """A task that gets no calls any more, and one that never had any, raise none; nor does the first hour of a task."""
    stream, clock = Stream(), JumpingClock()
    history(stream, days=3)
    watch = declared(tmp_path / "p", extract=TASK, idle=TASK)
    async with alerting(tmp_path, stream, watch, clock) as alerts:
        await alerts.minutes(24 * 60, at_once=60)
        assert await alerts.list() == ()
    fresh = Stream()
    then(fresh, replace(USUAL, valid=0.5), hours=1)
    async with alerting(tmp_path / "fresh", fresh, watch, JumpingClock()) as alerts:
        await alerts.minutes(60)
        assert await alerts.list() == ()


async def test_a_fall_after_a_quiet_start_is_found(tmp_path: Path) -> None:
    """A new task is learned as it goes: what falls on its second day raises an alert."""
    stream, clock = Stream(), JumpingClock()
    run(stream, random.Random(3), "extract", range(NOW, NOW + DAY), lambda minute: USUAL, lock=LOCK_A)
    then(stream, replace(USUAL, valid=0.80), hours=4, since=DAY)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(DAY, at_once=30)
        assert await alerts.list() == ()
        await alerts.minutes(4 * 60, at_once=4)
        assert [one.rule for one in await alerts.list()] == ["parse_rate_falls"]


async def test_in_its_first_hour_a_host_says_until_when_it_learns(tmp_path: Path) -> None:
    """Nothing lies before the first calls, so that changes are told from an hour after them on; limits at once."""
    stream, clock = Stream(), JumpingClock()
    run(stream, random.Random(3), "extract", range(NOW, NOW + 120), lambda minute: USUAL)
    toml = f'{TASK}[alerts.floor]\nsignal = "parse_rate"\nbelow = 0.5\n'
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=toml), clock) as alerts:
        seen = []
        for _ in range(2):
            await alerts.minutes(40)
            found = await alerts.at_work.ask(watched_now)
            rules = {one.rule: one for one in found.rules}
            seen.append((rules["parse_rate_falls"], rules["floor"], written(rules_text(found))))
        (young, floor, text), (learned, _, later) = seen
        assert young.n == 0
        assert NOW + 60 <= young.learns_until_ns // MINUTE_NS <= NOW + 62
        until = f"{datetime.fromtimestamp(young.learns_until_ns / 1e9, UTC):%H:%M}"
        assert state_of(young, UTC) == ("idle", f"learning until {until}")
        assert f"learning until {until} UTC" in text
        assert (floor.learns_until_ns, floor.odds is not None) == (0, True)
        assert (learned.n > 0, learned.learns_until_ns, state_of(learned, UTC)) == (True, 0, ("good", "quiet"))
        assert "parse_rate_falls" in later


async def test_a_clock_that_was_ahead_is_no_end_of_alerts(tmp_path: Path) -> None:
    """After it is set right minutes are looked at from there on, and monitors that had come further learn anew."""
    stream, ahead = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.85), hours=4)
    run(stream, random.Random(9), "extract", range(NOW + 30 * DAY, NOW + 30 * DAY + 60), lambda minute: USUAL)
    ahead.advance(30 * 86_400)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), ahead) as alerts:
        await alerts.minutes(60, at_once=30)
        alerts.clock = JumpingClock()
        alerts.restart()
        await alerts.minutes(4 * 60, at_once=4)
        assert [one.rule for one in await alerts.list()] == ["parse_rate_falls"]


async def test_what_breaks_a_pass_is_told_and_the_next_one_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake of ours in one monitor does not end what watches all of them."""

    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    stream = Stream()
    history(stream, days=1)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), JumpingClock()) as alerts:
        with monkeypatch.context() as patched:
            patched.setattr("trimtab.signals.alerts.evaluation.Evaluation.step", breaks)
            assert not await alerts.at_work.round(alerts.desk)
        assert "alerts_broke" in [record.message for record in caplog.records]
        await alerts.minutes(1)
        assert await alerts.list() == ()


@pytest.mark.parametrize("broken", ["evaluation.Evaluation.step", "evaluation.Evaluation.alarms"])
async def test_while_every_pass_breaks_it_is_told_how_far_behind_alerts_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """From the beginning of the process on, before or after minutes were counted; a whole pass ends it."""

    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    stream = Stream()
    history(stream, days=1)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), JumpingClock()) as alerts:
        with monkeypatch.context() as patched:
            patched.setattr(f"trimtab.signals.alerts.{broken}", breaks)
            await alerts.minutes(20)
            assert alerts.at_work.behind_s == 20 * 60
        await alerts.minutes(1)
        assert alerts.at_work.behind_s == 0


async def test_it_ends_when_it_is_over(tmp_path: Path) -> None:
    """Taken back, the alert is resolved within three hours by what was seen, and that is told."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.85), hours=3)
    then(stream, USUAL, hours=9, since=180, prompt=PROMPT_A, seed=8)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(12 * 60, at_once=4)
        [found] = await alerts.list()
        assert found.state == "resolved"
        assert 0 < found.ended_ns // MINUTE_NS - NOW - 180 < 3 * 60
        opened, *reminders, resolved = [one.kind for one in told(alerts)]
        assert (opened, resolved) == ("opened", "resolved")
        assert reminders in ([], ["reminder"]), "one at most: the next is due hours after the end"
        detail = await alerts.at_work.ask(lambda book, watch, now_ns: book.detail(found.id, watch, now_ns))
        assert [step.after for step in detail.history] == ["pending", "open", "resolved"]


async def test_accepted_is_the_new_normal(tmp_path: Path) -> None:
    """What was accepted raises no alert again; a further fall does, held against the new normal."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.90), hours=36)
    then(stream, replace(USUAL, valid=0.60), hours=6, since=36 * 60, seed=9, prompt="c" * 64)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(6 * 60, at_once=6)
        [found] = await alerts.list()
        await alerts.at_work.change(
            lambda book, watch, now_ns: book.act(found.id, "accept", watch, now_ns, "ana", "shorter answers")
        )
        await alerts.minutes(30 * 60, at_once=30)
        assert [(one.state, one.by, one.why) for one in await alerts.list()] == [("resolved", "ana", "shorter answers")]
        await alerts.minutes(6 * 60, at_once=6)
        [again] = await alerts.list(state="active")
        before = again.evidence.before.value
        assert (again.rule, before is not None and before < 0.95) == ("parse_rate_falls", True)


async def test_resolved_by_a_person_it_opens_again_if_it_is_not_over(tmp_path: Path) -> None:
    """A word alone ends nothing: what still is so raises the same alert anew."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.80), hours=12)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(3 * 60, at_once=4)
        [found] = await alerts.list(rule="parse_rate_falls")
        await alerts.at_work.change(lambda book, watch, now_ns: book.act(found.id, "resolve", watch, now_ns, "ana", ""))
        [over] = await alerts.list(rule="parse_rate_falls")
        assert over.state == "resolved"
        await alerts.minutes(4 * 60, at_once=4)
        [again] = await alerts.list(rule="parse_rate_falls")
        assert (again.id, again.state, again.reopened) == (found.id, "open", 1)


async def test_a_task_that_is_gone_takes_its_alerts_along(tmp_path: Path) -> None:
    """Its monitors are forgotten, its alert is over, and nobody can act on it any more."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.80), hours=12)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(3 * 60, at_once=4)
        assert [one.state for one in await alerts.list(rule="parse_rate_falls")] == ["open"]
        alerts.watch = declared(tmp_path / "q", route=TASK)
        await alerts.minutes(4)
        assert {one.state for one in await alerts.list()} == {"resolved"}
        assert await alerts.at_work.ask(lambda book, watch, now_ns: book.evaluation.watchers) == ()


async def test_silenced_it_opens_and_is_told_afterwards(tmp_path: Path) -> None:
    """A silence of the task holds the message back until it ends."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.80), hours=12)
    silence = Silence("", "extract", "", "", 0, (NOW + 240) * MINUTE_NS, "ana", "load test")
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.at_work.change(lambda book, watch, now_ns: book.silence(silence, now_ns))
        await alerts.minutes(3 * 60, at_once=4)
        assert {(one.state, one.muted) for one in await alerts.list()} == {("open", True)}
        assert told(alerts) == []
        alerts.restart()
        await alerts.minutes(2 * 60, at_once=4)
        assert [one.kind for one in told(alerts)] == ["opened"]


async def test_in_maintenance_nobody_is_told(tmp_path: Path) -> None:
    """A declared window does the same; 2026-01-01 is a Thursday."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.80), hours=12)
    toml = MODEL + ONCALL + '[[maintenance]]\nreason = "r"\nbegins = "wed 23:00"\nends = "thu 04:00"\n'
    async with alerting(tmp_path, stream, declared(tmp_path / "p", toml, extract=TASK), clock) as alerts:
        await alerts.minutes(3 * 60, at_once=4)
        assert {(one.state, one.muted) for one in await alerts.list()} == {("open", True)}
        assert told(alerts) == []
        await alerts.minutes(2 * 60, at_once=4)
        assert [one.kind for one in told(alerts)] == ["opened"]


class Failing(Stream):
    """Telemetry that fails while it is told to."""

    is_down = False

    def slices(self, query: SliceQuery) -> tuple[Slice, ...]:
        """Slices, or a failure."""
        if self.is_down:
            raise StoreError(store="telemetry", detail="it is down")
        return super().slices(query)


async def test_while_telemetry_is_down_alerts_stay(tmp_path: Path) -> None:
    """Nothing is resolved or raised of what cannot be seen; the standstill itself is an alert, and all goes on then."""
    stream, clock = Failing(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.80), hours=12)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(3 * 60, at_once=4)
        before = await alerts.list()
        stream.is_down = True
        await alerts.minutes(20)
        assert alerts.at_work.behind_s == 20 * 60
        found = {one.rule: one.state for one in await alerts.list()}
        assert found == {**{one.rule: one.state for one in before}, "records_silent": "open"}
        stream.is_down = False
        await alerts.minutes(4)
        assert {one.rule: one.state for one in await alerts.list()}["records_silent"] == "resolved"


async def test_several_rules_that_break_with_one_change_are_one_message(tmp_path: Path) -> None:
    """Parse rate and tools fall with one prompt: one group, one message, the others join it."""
    stream, clock = Stream(), JumpingClock()
    history(stream)
    then(stream, replace(USUAL, valid=0.80, tool_errors=0.15), hours=6)
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(3 * 60, at_once=1)
        found = await alerts.list()
        assert {one.rule for one in found} >= {"parse_rate_falls", "tool_errors_rise"}
        assert len({one.group for one in found}) == 1
        assert [one.kind for one in told(alerts)] == ["opened"]


async def test_a_limit_and_a_budget(tmp_path: Path) -> None:
    """A declared floor opens when the share lies below it; a budget when it burns too fast, and ends with that."""
    stream, clock = Stream(), JumpingClock()
    usual = replace(USUAL, valid=0.995)
    history(stream, usual=usual)
    then(stream, replace(usual, valid=0.80, failing=0.3), hours=2)
    then(stream, usual, hours=4, since=120, seed=9)
    toml = f"{TASK}objective.success = 0.99\n[alerts]\nparse_rate_falls.off = true\nerrors_rise.off = true\n"
    toml += '[alerts.floor]\nsignal = "parse_rate"\nbelow = 0.97\nseverity = "page"\n'
    async with alerting(tmp_path, stream, declared(tmp_path / "p", extract=toml), clock) as alerts:
        await alerts.minutes(110, at_once=1)
        found = {one.rule: one for one in await alerts.list()}
        assert found["floor"].state == found["availability_burns"].state == "open"
        assert found["floor"].evidence.before.value == 0.97
        after = found["floor"].evidence.after.value
        assert after is not None
        assert after < 0.97
        assert "times as fast as allowed" in found["availability_burns"].words
        await alerts.minutes(240, at_once=2)
        assert {one.rule: one.state for one in await alerts.list()}["availability_burns"] == "resolved"


def of_call(number: int, at_ns: int, *, is_valid: bool, prompt: str) -> Settled:
    """One call of the task, answered well or not."""
    admitted = Admitted(
        call=f"{'good' if is_valid else 'bad'}-{number}",
        at_ns=at_ns,
        worker="g0",
        environment="test",
        snapshot="s",
        task="extract",
        key="app",
        surface="chat_completions",
        model="small",
        prompt=prompt,
        schema="5" * 64,
    )
    verdict: Verdict = "valid" if is_valid else "invalid"
    return Settled(
        admitted, at_ns, "ok", 200, 1, "small", "http://a", total_s=1.0, finish_reason="stop", verdict=verdict
    )


async def test_from_calls_to_the_calls_that_show_it(tmp_path: Path) -> None:
    """On stored calls the alert names calls that fail, of the prompt that came with the fall."""
    telemetry, clock, draw = MemoryTelemetry(), JumpingClock(), random.Random(4)
    before = [(NOW * 60 - 480 * number, 0.99, PROMPT_A) for number in range(1, 1500)]
    after = [(NOW * 60 + 30 * number, 0.60, PROMPT_B) for number in range(240)]
    calls = [
        of_call(number, second * 1_000_000_000, is_valid=draw.random() < valid, prompt=prompt)
        for number, (second, valid, prompt) in enumerate([*before, *after])
    ]
    telemetry.insert(Batch(calls=tuple(calls)), "all")
    async with alerting(tmp_path, telemetry, declared(tmp_path / "p", extract=TASK), clock) as alerts:
        await alerts.minutes(120, at_once=5)
        [found] = await alerts.list(rule="parse_rate_falls")
        assert [cause.after for cause in found.causes if cause.kind == "prompt"] == [PROMPT_B]
        assert len(found.worst) == 5
        assert all(call.startswith("bad-") for call in found.worst)
