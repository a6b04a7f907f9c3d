"""The demo engine as a child of `trimtab up`: ready when it answers, ended by a drain or the supervisor's death."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading

import msgspec

from trimtab.demo import server
from trimtab.processes.channel import say_ready, wait_for_drain
from trimtab.processes.orders import DemoOrders


def run(orders: bytes) -> None:
    """Serves the demo models until it is told to end."""
    ordered = msgspec.json.decode(orders, type=DemoOrders)
    with socket.socket(fileno=os.dup(ordered.listener)) as listener:
        host, port = listener.getsockname()[:2]
    threading.Thread(target=_attend, args=(ordered.channel, host, port), daemon=True).start()
    server.main(["--fd", str(ordered.listener), "--model", *ordered.models])


def _attend(channel: int, host: str, port: int) -> None:
    """Waits for the first answer (the request waits in the socket's queue until then), then for the end."""
    with socket.socket(fileno=channel) as end:
        answer = http.client.HTTPConnection(host, port)
        answer.request("GET", "/health")
        answer.getresponse().read()
        answer.close()
        say_ready(end)
        wait_for_drain(end)
    os.kill(os.getpid(), signal.SIGTERM)
