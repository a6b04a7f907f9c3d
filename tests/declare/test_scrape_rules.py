"""Where the metrics of a model's servers are read: what may be written, what it comes to, and what is a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.declare.projects import MODEL, marked, write
from trimtab.declare.alerting import Scrape
from trimtab.declare.load import load, read

VLLM = f'{MODEL}engine = "vllm"\n'
TWO = '[models.small]\nmodel = "m"\nreplicas = ["http://a:1", "http://b:1"]\n'

READ = {
    "an engine that has none": (MODEL, None),
    "a vLLM": (VLLM, Scrape("/metrics", 15.0)),
    "a vLLM that is not to be asked": (f"{VLLM}metrics = false", None),
    "another engine that has them": (f"{MODEL}metrics = true", Scrape("/metrics", 15.0)),
    "a path": (f'{MODEL}metrics = "/v1/prom"\nmetrics_every = "5s"', Scrape("/v1/prom", 5.0)),
    "a URL": (f'{MODEL}metrics = "http://h:9/metrics"', Scrape("", 15.0, (), ("http://h:9/metrics",))),
    "a URL for each": (
        f'{TWO}metrics = ["http://a:9/m", "http://b:9/m"]',
        Scrape("", 15.0, (), ("http://a:9/m", "http://b:9/m")),
    ),
    "one exporter for all": (
        f'{TWO}metrics = true\nexporters = ["http://n:9400/metrics"]',
        Scrape("/metrics", 15.0, ("http://n:9400/metrics",)),
    ),
    "GPUs alone": (
        f'{MODEL}exporters = ["http://n:9400/metrics"]',
        Scrape("", 15.0, ("http://n:9400/metrics",)),
    ),
}
RULES = {
    "a number": (f"{MODEL}metrics = 1 #!", "models.small.metrics is 1, not where metrics are", '"/metrics"'),
    "a relative path": (f'{MODEL}metrics = "metrics" #!', "models.small.metrics is not a URL that begins", "http://"),
    "a path with a query": (f'{MODEL}metrics = "/metrics?a=b" #!', "whose path is not plain", "without query"),
    "a path that climbs": (f'{MODEL}metrics = "/a/../b" #!', "whose path is not plain", "dots"),
    "a file": (f'{MODEL}metrics = "file:///etc/passwd" #!', "not a URL that begins with", "http://"),
    "credentials": (f'{MODEL}metrics = "http://u:p@h/metrics" #!', "a URL with credentials", "take them out"),
    "too few URLs": (f'{TWO}metrics = "http://h/m" #!', "has 1 URLs, while the model has 2 replicas", "write 2"),
    "a wrong URL in a list": (
        f'{TWO}metrics = [\n"http://h/m",\n"h/m", #!\n]'.replace(", #!", ",#!"),
        "models.small.metrics[1] is not a URL",
        "http://",
    ),
    "exporters of nobody": (
        f'{TWO}exporters = ["http://h/m", "http://i/m", "http://j/m"] #!',
        "has 3 URLs, while the model has 2 replicas",
        "write 1 or 2",
    ),
    "a cadence for nothing": (f'{MODEL}metrics_every = "30s" #!', "has no use", "metrics = true"),
    "too often": (f'{VLLM}metrics_every = "10ms" #!', "out of bounds", "from 1s"),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read_of_whom(tmp_path: Path, name: str) -> None:
    """Each way to write it, and what is read then."""
    toml, expected = READ[name]
    assert load(write(tmp_path, toml)).models["small"].scrape == expected


@pytest.mark.parametrize("name", RULES)
def test_a_mistake_is_found_on_its_line(tmp_path: Path, name: str) -> None:
    """What is wrong, where, and what to write instead."""
    toml, what, instead = RULES[name]
    mistakes = read(write(tmp_path, toml)).mistakes
    first = mistakes[0]
    assert what in first.what, first
    assert instead in first.instead, first
    assert first.line == marked(toml)
