"""The harmful change of the demo's prompt and its way back, and the traffic that shows it."""

from __future__ import annotations

import http.server
import json
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from trimtab.clock import SystemClock
from trimtab.declare.load import load
from trimtab.demo.jobs import TOOLS
from trimtab.demo.regression import WORDS, NotTheDemo, Regression
from trimtab.demo.traffic import SHARES, Requests, Traffic
from trimtab.demo.welcome import write_project
from trimtab.lock.diff import differences
from trimtab.lock.resolve import resolve


@pytest.fixture
def planted(tmp_path: Path) -> Regression:
    """The change, not made yet, of a demo's project."""
    write_project(tmp_path / "demo")
    return Regression(tmp_path / "demo", tmp_path / "kept" / "prompt.md")


def test_only_the_prompt_differs_in_the_lock(planted: Regression) -> None:
    """The project stays free of mistakes, and the entry of the prompt is all that changes."""
    before = resolve(load(planted.folder), None).lock
    planted.plant()
    after = resolve(load(planted.folder), None).lock
    assert {one.key for one in differences(before, after)} == {"prompts/extract"}


def test_the_prompt_comes_back_byte_by_byte(planted: Regression) -> None:
    """Also one that its owner had edited, and only once."""
    planted.prompt.write_text("user:\n{{ order }} please\n")
    assert planted.plant() == ("user:\n{{ order }} please\n", WORDS)
    assert planted.prompt.read_text() == WORDS
    assert planted.restore()
    assert planted.prompt.read_text() == "user:\n{{ order }} please\n"
    assert not planted.restore()


def test_another_project_is_left_alone(tmp_path: Path) -> None:
    """Without the task `extract` nothing is written."""
    with pytest.raises(NotTheDemo, match="no task `extract`"):
        Regression(tmp_path, tmp_path / "kept").plant()
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_sends_the_same_calls() -> None:
    """All three tasks by their shares, each with its input; tools only where the task needs them."""
    first, again, other = (list(islice(Requests(seed), 400)) for seed in (3, 3, 4))
    assert first == again != other
    counts = Counter(task for task, _ in first)
    assert all(abs(counts[task] / 400 - share) < 0.1 for task, share in SHARES.items())
    for task, body in first:
        asked = json.loads(body)
        assert (asked["model"], asked["stream"]) == (task, True)
        assert (asked.get("tools") == TOOLS) is (task == "assist")


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """A stream that ends for `route`, one that breaks off for `assist`, and a refusal for `extract`."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["model"]
        refusal = b'{"error": {"code": "output_invalid"}}'
        status, body = {
            "route": (200, b"data: {}\n\ndata: [DONE]\n\n"),
            "assist": (200, b"data: {}\n\n"),
            "extract": (422, refusal),
        }[asked]
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def gateway() -> Iterator[str]:
    """Something that answers as a gateway does."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


def test_traffic_tells_how_calls_ended(gateway: str) -> None:
    """Each end is counted under its name, and each call once."""
    with Traffic(gateway, 2000, 5, SystemClock()) as traffic:
        enough = threading.Event()
        while traffic.sent.calls < 100:
            enough.wait(0.01)
    ends, tasks = traffic.sent.ends, traffic.sent.tasks
    assert ends == {"ok": tasks["route"], "broken off": tasks["assist"], "output_invalid": tasks["extract"]}


def test_traffic_to_nobody_is_counted_too() -> None:
    """A gateway that is gone raises nothing."""
    with Traffic("http://127.0.0.1:9", 200, 5, SystemClock()) as traffic:
        enough = threading.Event()
        while traffic.sent.calls < 3:
            enough.wait(0.01)
    assert set(traffic.sent.ends) == {"unreachable"}
