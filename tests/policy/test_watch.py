"""What control watches for: published beside the snapshot, and no part of it."""

from pathlib import Path

from msgspec.structs import replace

from tests.declare.projects import MODEL, TASK, write
from trimtab.declare.alerting import Alerting, AlertRule, Completion, Scrape
from trimtab.declare.load import load
from trimtab.declare.project import Project
from trimtab.policy.compile import compile as compile_policy
from trimtab.policy.publish import publish_watch
from trimtab.policy.watch import Watch, decode, encode, watch_of
from trimtab.processes.watched import WatchInForce

RULE = AlertRule("parse", "parse_rate", "below", limit=0.97)


def watched(project: Project) -> Project:
    """The same project with alerts, a completion rule and scraping."""
    tasks = {
        name: replace(task, alerts=(RULE,), completion=Completion(feedback="solved"))
        for name, task in project.tasks.items()
    }
    models = {name: replace(model, scrape=Scrape(every_s=5.0)) for name, model in project.models.items()}
    return replace(project, tasks=tasks, models=models, alerting=Alerting(silent_after_s=60.0))


def test_alerts_change_no_snapshot(tmp_path: Path) -> None:
    """An edit of what is watched for leaves the snapshot that calls are served under as it was."""
    project = load(write(tmp_path))
    assert compile_policy(watched(project)) == compile_policy(project)
    assert watch_of(watched(project)).digest != watch_of(project).digest


def test_all_of_it_is_published(tmp_path: Path) -> None:
    """Control reads what the supervisor wrote: rules, objectives and scraping, and anew after each edit."""
    project = watched(load(write(tmp_path)))
    in_force = WatchInForce(tmp_path)
    assert in_force.read() == Watch()
    publish_watch(tmp_path, watch_of(project))
    read = in_force.read()
    assert (tmp_path / "watch.mp").stat().st_mode & 0o777 == 0o600
    assert read.alerting == project.alerting
    for name, task in project.tasks.items():
        held = read.tasks[name]
        assert (held.owner, held.objective) == (task.owner, task.objective)
        assert (held.alerts[-1], held.completion) == (RULE, Completion(feedback="solved"))
    assert read.scrapes == dict.fromkeys(project.models, Scrape(every_s=5.0))
    publish_watch(tmp_path, Watch(environment="other"))
    assert in_force.read().environment == "other"


def test_another_release_s_file_is_passed_over(tmp_path: Path) -> None:
    """What this release cannot read says nothing, and stops nothing."""
    (tmp_path / "watch.mp").write_bytes(b"\xc1")
    assert WatchInForce(tmp_path).read() == Watch()
    (tmp_path / "watch.mp").write_bytes(encode(Watch(environment="e", version=99)))
    assert WatchInForce(tmp_path).read() == Watch()


def test_what_is_written_is_read() -> None:
    """A watch survives its encoding."""
    watch = Watch(environment="e", scrapes={"small": Scrape()})
    assert decode(encode(watch)) == watch


def test_rules_of_a_task_are_resolved(tmp_path: Path) -> None:
    """Its own rules take the place of the project's, those of the defaults; what is off is gone; events stand apart."""
    toml = MODEL + "[alerts.rules]\ncost_rises.off = true\nreplica_down.off = true\n"
    toml += '[alerts.rules.slow]\nsignal = "ttft"\nabove = "1s"\n'
    own = f'{TASK}[alerts.slow]\nsignal = "ttft"\nabove = "2s"\n[alerts.ttft_rises]\noff = true\n'
    watch = watch_of(load(write(tmp_path, toml, a=TASK, b=own)))
    of_a, of_b = ({rule.name: rule for rule in watch.tasks[name].alerts} for name in ("a", "b"))
    assert (of_a["slow"].limit, of_b["slow"].limit) == (1.0, 2.0)
    assert "ttft_rises" in of_a
    assert "cost_rises" not in of_a
    assert of_a.keys() - of_b.keys() == {"ttft_rises"}
    assert of_a.keys() & {"replica_down", "records_silent"} == set()
    assert {rule.name for rule in watch.events} == {
        "records_silent", "replica_restarted", "model_changed", "tool_changed", "evaluation_falls"
    }  # fmt: skip


def test_without_defaults_only_what_is_written(tmp_path: Path) -> None:
    """`defaults = false` leaves what somebody wrote."""
    toml = f"{MODEL}[alerts]\ndefaults = false\n"
    watch = watch_of(load(write(tmp_path, toml, a=f'{TASK}[alerts.slow]\nsignal = "ttft"\nabove = "2s"\n')))
    assert [rule.name for rule in watch.tasks["a"].alerts] == ["slow"]
    assert watch.events == ()
