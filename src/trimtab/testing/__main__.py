"""`python -m trimtab.testing --port N --script NAME`: a scripted upstream to be asked by hand or by a benchmark."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence

from trimtab.testing.answers import chat_json, chat_stream
from trimtab.testing.faults import SCRIPTS
from trimtab.testing.scripts import Script
from trimtab.testing.upstream import Received, ScriptedUpstream


def answer_as_asked(request: Received) -> Script:
    """A good answer, streamed if the request asks for that."""
    return chat_stream() if b'"stream":true' in request.body.replace(b" ", b"") else chat_json()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until SIGINT or SIGTERM; a request below `/NAME/` plays the script of that name instead."""
    parser = argparse.ArgumentParser(prog="python -m trimtab.testing", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--script", choices=sorted(SCRIPTS), help="default: a good answer, streamed or not as asked")
    chosen = parser.parse_args(arguments)
    asyncio.run(serve(chosen.port, chosen.script))


async def serve(port: int, name: str | None) -> None:
    """Plays the script of that name, or good answers, until a signal comes."""

    def play(request: Received) -> Script:
        prefix = request.target.split("/", 2)[1]
        script = SCRIPTS.get(prefix) or SCRIPTS.get(name or "")
        return answer_as_asked(request) if script is None else script()

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with ScriptedUpstream(port=port) as upstream:
        upstream.always(play)
        print(f"playing {name or 'good answers'} on {upstream.url}; others: {upstream.url}/NAME/...", flush=True)
        await stop.wait()


if __name__ == "__main__":
    main()
