"""A real Prometheus scrapes a running control with its key, and evaluates the rules."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.control.running import control, free_port, until, write_calls
from tests.signals.watching import watched
from trimtab.signals.export.rule_file import text_of
from trimtab.signals.export.rules import rules_of

pytestmark = pytest.mark.prometheus
GUARD_S = 60
MOST_SERIES = 5000


class Prometheus:
    """One that runs."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str, **query: str) -> Any:
        """What its API answers; None while it does not yet."""
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=GUARD_S) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def values(self, expr: str) -> dict[str, float]:
        """An expression's values by task, to two digits: rates are extrapolated to the ends of their window."""
        found = self.get("query", query=expr) or {"result": []}
        return {one["metric"].get("task", ""): round(float(one["value"][1]), 2) for one in found["result"]}

    def health(self) -> list[str]:
        """How its targets fare."""
        found = self.get("targets") or {"activeTargets": []}
        return [one["health"] for one in found["activeTargets"]]


@contextmanager
def prometheus(folder: Path, target: int, key: str) -> Iterator[Prometheus]:
    """Starts Prometheus on a control's port, with the key in a file and the rules looked at every second."""
    folder.mkdir()
    (folder / "key").write_text(key)
    rules = (
        text_of(rules_of(watched()).groups)
        .replace("interval: 1m", "interval: 1s")
        .replace("interval: 5m", "interval: 1s")
    )
    (folder / "trimtab.rules.yml").write_text(rules)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["trimtab.rules.yml"],
        "scrape_configs": [
            {
                "job_name": "trimtab",
                "authorization": {"credentials_file": str(folder / "key")},
                "static_configs": [{"targets": [f"127.0.0.1:{target}"]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield Prometheus(port)
        finally:
            process.kill()


def test_it_scrapes_and_evaluates(tmp_path: Path) -> None:
    """Of 40 calls in the meantime 10 failed and 6 of 30 answers were invalid: 75 % and 80 % come out of the rules, all
    of which are healthy; the watchdog fires, and one host makes far fewer than 5,000 series.
    """
    write_calls(tmp_path, 20, "g0-0123456789ab", verdict="valid")
    write_calls(tmp_path, 1, "g1-0123456789ab", outcome="upstream_error")
    with control(tmp_path) as running:
        made = running.ask("/api/keys", "POST", b'{"name": "prometheus", "role": "viewer"}')[1]
        with prometheus(tmp_path / "prometheus", running.port, made["secret"]) as scraper:
            assert until(scraper.health, ["up"]) == ["up"]
            assert until(lambda: scraper.values("sum by (task) (trimtab_calls_total)"), {"route": 21}) == {"route": 21}
            write_calls(tmp_path, 24, "g2-0123456789ab", verdict="valid")
            write_calls(tmp_path, 6, "g3-0123456789ab", verdict="invalid")
            write_calls(tmp_path, 10, "g4-0123456789ab", outcome="upstream_error")
            assert until(lambda: scraper.values("sum by (task) (trimtab_calls_total)"), {"route": 61}) == {"route": 61}
            for signal, share in (("availability", 0.75), ("error_rate", 0.25), ("parse_rate", 0.8)):
                name = f"task:trimtab_{signal}:ratio_rate1h"
                assert until(lambda name=name: scraper.values(name), {"route": share}) == {"route": share}
            groups = scraper.get("rules")["groups"]
            unhealthy = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] != "ok"]
            assert unhealthy == []
            firing = {one["labels"]["alertname"] for one in scraper.get("alerts")["alerts"] if one["state"] == "firing"}
            assert "TrimtabWatchdog" in firing
            assert "TrimtabRecordsSilent" not in firing
            assert scraper.values('scrape_samples_scraped{job="trimtab"}')[""] < MOST_SERIES


def test_a_wrong_key_is_seen(tmp_path: Path) -> None:
    """With a key that there is not the target is down, and that records are silent is an alert."""
    with control(tmp_path) as running, prometheus(tmp_path / "prometheus", running.port, "tt_wrong") as scraper:
        assert until(scraper.health, ["down"]) == ["down"]
        silent = 'count(ALERTS{alertname="TrimtabRecordsSilent"})'
        assert until(lambda: scraper.values(silent), {"": 1.0}) == {"": 1.0}
