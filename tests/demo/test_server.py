"""The demo engine as a process."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.demo.running import STOP_LIMIT_S

BODY = {"model": "jobs-small", "messages": [{"role": "user", "content": "hello"}], "ignore_eos": True}


@contextlib.contextmanager
def asked(url: str, body: dict[str, object] | None = None, **headers: str) -> Iterator[http.client.HTTPResponse]:
    """The answer to a chat request, or without a body to /health; leaving the block hangs up."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        if body is None:
            connection.request("GET", "/health")
        else:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        with connection.getresponse() as answer:
            yield answer
    finally:
        connection.close()


def test_it_ends_its_answers_before_it_stops() -> None:
    """On SIGTERM a stream under way is finished, the process ends with 0, and it wrote nothing but JSON lines."""
    command = [sys.executable, "-m", "trimtab.demo.server", "--port", "0", "--model", "jobs-small"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        with asked(json.loads(first)["url"], {**BODY, "stream": True, "max_tokens": 900}) as answer:
            answer.readline()
            process.send_signal(signal.SIGTERM)
            assert answer.read().endswith(b"data: [DONE]\n\n")
        rest, complaints = process.communicate(timeout=STOP_LIMIT_S)
    lines = [json.loads(line) for line in [first, *rest.splitlines()]]
    assert [line["event"] for line in lines] == ["listening", "stopped"]
    assert (process.returncode, complaints) == (0, "")


def test_it_serves_a_socket_it_inherits() -> None:
    """With --fd the listening socket is the parent's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        command = [sys.executable, "-m", "trimtab.demo.server", "--fd", str(number), "--model", "jobs-small"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=[number]) as process:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            assert json.loads(process.stdout.readline())["url"] == url
            with asked(url, {**BODY, "max_tokens": 2}) as answer:
                assert json.load(answer)["usage"]["completion_tokens"] == 2
            process.terminate()
            process.stdout.read()


def test_a_request_id_becomes_the_answers_id(demo_url: str) -> None:
    """What a client sends as X-Request-Id is found again in the answer."""
    with asked(demo_url, {**BODY, "max_tokens": 1}, **{"X-Request-Id": "abc123"}) as answer:
        assert json.load(answer)["id"] == "chatcmpl-abc123"


def test_clients_that_hang_up_leave_nothing_running(demo_url: str) -> None:
    """Eight streams of 1,900 tokens whose clients hang up are gone long before their ends."""
    before = generated(demo_url)
    with contextlib.ExitStack() as open_streams:
        for _ in range(8):
            stream = asked(demo_url, {**BODY, "stream": True, "max_tokens": 1900})
            open_streams.enter_context(stream).readline()
    while open_answers(demo_url):
        assert generated(demo_url) - before < 8 * 1900 / 2


def generated(url: str) -> float:
    """How many tokens the engine has made."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        found = re.search(rb"^vllm:generation_tokens_total\S* (\S+)$", answer.read(), re.MULTILINE)
    assert found is not None
    return float(found[1])


def open_answers(url: str) -> int:
    with asked(url) as health:
        return json.load(health)["open_answers"]["jobs-small"]
