"""The rules do in a real Prometheus what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.prometheus.promtool import expectation, promtool, unit_test, written
from tests.signals.test_rules import EVERY
from tests.signals.watching import watched
from trimtab.signals.export.dashboards import dashboards
from trimtab.signals.export.rule_file import Group, Recording, text_of
from trimtab.signals.export.rules import rules_of

pytestmark = pytest.mark.prometheus
CALM = 26 * 12
"""Steps of five minutes before anything happens: a little more than a day."""
STEP = "5m"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return written(rules_of(watched()), tmp_path)


def counter(before: int, after: int, calm: int = CALM, steps: int = 12) -> str:
    """A counter that grows by so many a step while it is calm, then by others."""
    return f"0+{before}x{calm} {before * calm + after}+{after}x{steps - 1}"


def of_extract(value: float) -> dict[str, float]:
    return {'{task="extract"}': value}


def answers(task: str, result: str) -> str:
    return f'trimtab_contract_answers_total{{task="{task}",result="{result}"}}'


def calls(task: str, outcome: str) -> str:
    return f'trimtab_calls_total{{task="{task}",outcome="{outcome}"}}'


def firing(alert: str, *, severity: str = "page") -> str:
    return f'count by (task) (ALERTS{{alertname="{alert}",severity="{severity}",alertstate="firing"}})'


def test_promtool_accepts_them(rules: Path) -> None:
    """Names, expressions, labels and templates are as Prometheus wants them."""
    assert "SUCCESS" in promtool("check", "rules", rules)


def test_promtool_accepts_every_comparison(tmp_path: Path) -> None:
    """Rules of every comparison, quantile and window are as Prometheus wants them."""
    assert "SUCCESS" in promtool("check", "rules", written(rules_of(EVERY), tmp_path))


def test_a_fall_of_the_parse_rate(rules: Path) -> None:
    """From 99 to 90 % at 100 answers in five minutes pages within the hour; 99 to 98.9 % does not, of however many."""
    unit_test(
        rules,
        {
            answers("extract", "valid_first"): counter(99, 90),
            answers("extract", "rejected"): counter(1, 10),
            answers("sum", "valid_first"): counter(990_000, 989_000),
            answers("sum", "rejected"): counter(10_000, 11_000),
        },
        [
            expectation(firing("TrimtabParseRateFalls"), "26h", {}),
            expectation('round(task:trimtab_parse_rate:ratio_rate1h{task="extract"}, 0.001)', "26h", of_extract(0.99)),
            expectation(firing("TrimtabParseRateFalls"), "27h", {'{task="extract"}': 1}),
            expectation('round(task:trimtab_parse_rate:ratio_rate1h{task="extract"}, 0.001)', "27h", of_extract(0.9)),
        ],
        STEP,
    )


def test_few_answers_open_nothing(rules: Path) -> None:
    """Four bad answers of 24 in an hour, after none in a day, are 4.6 standard errors: but of fewer than 50 answers."""
    unit_test(
        rules,
        {
            answers("extract", "valid_first"): f"0+2x{CALM} {2 * CALM + 1}+1x3 {2 * CALM + 6}+2x7",
            answers("extract", "rejected"): f"0x{CALM} 1+1x3 4x8",
        },
        [
            expectation("task:trimtab_parse_rate:z1h < bool -4", "27h", {'{task="extract"}': 1}),
            expectation(firing("TrimtabParseRateFalls"), "27h", {}),
        ],
        STEP,
    )


def test_the_numerator_may_be_missing(rules: Path) -> None:
    """A counter that has counted nothing is not there: of answers none of which was valid the rate is 0."""
    unit_test(
        rules,
        {answers("extract", "rejected"): "0+10x90"},
        [
            expectation(
                "task:trimtab_parse_rate:ratio_rate1h",
                "90m",
                {'task:trimtab_parse_rate:ratio_rate1h{task="extract"}': 0},
            )
        ],
    )


def test_callers_do_not_count(rules: Path) -> None:
    """90 ok, 10 cancelled by their clients and 5 unauthorized a minute: availability is 1."""
    unit_test(
        rules,
        {
            calls("route", "ok"): "0+90x90",
            calls("route", "client_gone"): "0+10x90",
            calls("route", "unauthorized"): "0+5x90",
        },
        [
            expectation(
                "task:trimtab_availability:ratio_rate1h",
                "90m",
                {'task:trimtab_availability:ratio_rate1h{task="route"}': 1},
            ),
            expectation(
                "task:trimtab_error_rate:ratio_rate1h", "90m", {'task:trimtab_error_rate:ratio_rate1h{task="route"}': 0}
            ),
            expectation("round(task:trimtab_availability:n1h)", "90m", {'{task="route"}': 5400}),
        ],
    )


@pytest.mark.parametrize(("bad", "pages"), [(20, True), (10, False)])
def test_a_budget_burns(rules: Path, bad: int, pages: bool) -> None:
    """Of 100 calls a minute one may fail: at 20 over an hour the budget burns 20 times too fast, more than 14.4; at 10
    it does not page within the hour, after six good ones.
    """
    unit_test(
        rules,
        {
            calls("route", "ok"): counter(100, 100 - bad, 360, 60),
            calls("route", "deadline_gap"): counter(0, bad, 360, 60),
        },
        [
            expectation(firing("TrimtabAvailabilityBurns"), "6h", {}),
            expectation(firing("TrimtabAvailabilityBurns"), "7h", {'{task="route"}': 1} if pages else {}),
        ],
    )


def test_a_burn_is_over_when_it_is_over(rules: Path) -> None:
    """The short windows end the page half an hour after failures did, while six hours still show them."""
    unit_test(
        rules,
        {
            calls("route", "ok"): f"0+50x60 {50 * 60 + 100}+100x39",
            calls("route", "deadline_gap"): f"0+50x60 {50 * 60}x39",
        },
        [
            expectation(firing("TrimtabAvailabilityBurns"), "60m", {'{task="route"}': 1}),
            expectation(firing("TrimtabAvailabilityBurns"), "95m", {}),
        ],
    )


def test_a_goal_on_time_burns(rules: Path) -> None:
    """9 in 10 of the first tokens too late, where 1 in 20 may be: 18 times too fast."""
    unit_test(
        rules,
        {
            'trimtab_objective_missed_total{task="route",goal="ttft_p95"}': "0+90x90",
            'trimtab_ttft_seconds_count{task="route"}': "0+100x90",
        },
        [expectation(firing("TrimtabTtftBurns"), "90m", {'{task="route"}': 1})],
    )


@pytest.mark.parametrize(("valid", "opens"), [(90, True), (94, False)])
def test_a_floor(rules: Path, valid: int, opens: bool) -> None:
    """A floor of 95 %: 900 of 1,000 lie surely below it, 940 (upper bound 96.0 %) do not."""
    unit_test(
        rules,
        {
            answers("route", "valid_first"): f"0 0+{valid / 6:.6f}x90",
            answers("route", "rejected"): f"0 0+{(100 - valid) / 6:.6f}x90",
        },
        [expectation(firing("TrimtabFloor"), "80m", {'{task="route"}': 1} if opens else {})],
    )


def test_the_dead_mans_switch(rules: Path) -> None:
    """Where nothing is scraped, that is an alert; the watchdog fires always."""
    unit_test(
        rules,
        {},
        [
            expectation('count(ALERTS{alertname="TrimtabRecordsSilent",alertstate="firing"})', "10m", {"{}": 1}),
            expectation('count(ALERTS{alertname="TrimtabWatchdog",alertstate="firing"})', "10m", {"{}": 1}),
        ],
    )


def test_records_that_lag(rules: Path) -> None:
    """Telemetry that is up and takes its records is no alert; records older than 15 minutes are."""
    unit_test(
        rules,
        {"trimtab_telemetry_up": "1x60", "trimtab_spool_lag_seconds": "0x30 1000x30"},
        [
            expectation('count(ALERTS{alertname="TrimtabRecordsSilent",alertstate="firing"})', "20m", {}),
            expectation('count(ALERTS{alertname="TrimtabRecordsSilent",alertstate="firing"})', "40m", {"{}": 1}),
        ],
    )


def test_alerts_that_are_not_looked_at(rules: Path) -> None:
    """Telemetry that is up says nothing of what looks at alerts: if that last did 15 minutes ago, it is an alert."""
    unit_test(
        rules,
        {"trimtab_telemetry_up": "1x60", "trimtab_alerts_behind_seconds": "0x20 0+60x40"},
        [
            expectation('count(ALERTS{alertname="TrimtabRecordsSilent",alertstate="firing"})', "34m", {}),
            expectation('count(ALERTS{alertname="TrimtabRecordsSilent",alertstate="firing"})', "40m", {"{}": 1}),
        ],
    )


def test_a_replica_that_fails_each_trial(rules: Path) -> None:
    """Its breaker is open and half-open in turn: that is one alert; one that a health check finds well is none."""
    of = 'model="small",replica="http://a"'
    well = 'model="small",replica="http://b"'
    down = 'count by (replica) (ALERTS{alertname="TrimtabReplicaDown",alertstate="firing"})'
    unit_test(
        rules,
        {
            "trimtab_telemetry_up": "1x60",
            f'trimtab_breaker_state{{{of},state="open"}}': "_x5 " + "1 stale " * 20,
            f'trimtab_breaker_state{{{of},state="half_open"}}': "_x5 " + "stale 1 " * 20,
            f'trimtab_breaker_state{{{well},state="half_open"}}': "1x60",
            f"trimtab_replica_healthy{{{well}}}": "1x60",
            'trimtab_replica_healthy{model="small",replica="http://c"}': "1x20 0x40",
        },
        [
            expectation(down, "18m", {}),
            expectation(down, "24m", {'{replica="http://a"}': 1}),
            expectation(down, "40m", {'{replica="http://a"}': 1, '{replica="http://c"}': 1}),
        ],
    )


def test_percentiles_are_of_all(rules: Path) -> None:
    """The p95 of a task is read from its merged buckets: 950 calls up to 0.1 s and 50 up to 2.5 s give 0.1 s."""
    buckets = {"0.1": 950, "0.25": 950, "0.5": 950, "1.0": 950, "2.5": 1000, "+Inf": 1000}
    unit_test(
        rules,
        {f'trimtab_ttft_seconds_bucket{{task="route",le="{edge}"}}': f"0+{n}x90" for edge, n in buckets.items()},
        [expectation("round(task:trimtab_ttft:p95_rate1h, 0.001)", "90m", {'{task="route"}': 0.1})],
    )


def test_every_expression_of_a_dashboard_parses(tmp_path: Path) -> None:
    """Each panel's expression, its variables filled in, is one that Prometheus understands."""
    exprs = [
        target["expr"]
        for board in dashboards().values()
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]
    filled = [re.sub(r"\$window", "1h", expr).replace("$task", "route") for expr in exprs]
    group = Group("g", "1m", tuple(Recording(f"panel:{place}", expr) for place, expr in enumerate(filled)))
    file = tmp_path / "panels.yml"
    file.write_text(text_of((group,)), "utf-8")
    assert f"SUCCESS: {len(exprs)} rules found" in promtool("check", "rules", file)
