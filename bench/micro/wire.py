"""What the wire alone costs: the bare proxy of `bench.bare` beside nginx, in turns.

    python -m bench.micro.wire [--rounds N] [--loop uvloop|asyncio] [--only bare|nginx] [--profile FILE]

CPU microseconds for a 1 KB request at 64 connections, and for a chunk of 200 streams at 50 chunks/s.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics

from bench import native
from bench.bare import bare
from bench.options import Options
from bench.peers.nginx import nginx
from bench.suites.cpu import WORKLOADS, measure_once, requests_a_run


def measure(arguments: argparse.Namespace) -> None:
    native.build()
    options = Options(quick=False, seed=1, arms=None, tell=lambda text: None)
    with contextlib.ExitStack() as opened:
        port = opened.enter_context(native.stub())
        arms = [opened.enter_context(bare(port, arguments.loop, arguments.profile)), opened.enter_context(nginx(port))]
        arms = [arm for arm in arms if arguments.only in ("", arm.name)]
        for workload in (WORKLOADS[0], WORKLOADS[3]):
            requests = {arm.name: requests_a_run(workload, arm, options) for arm in arms}
            found: dict[str, list[dict[str, float]]] = {arm.name: [] for arm in arms}
            for _ in range(arguments.rounds):
                for arm in arms:
                    with contextlib.suppress(RuntimeError):
                        found[arm.name].append(measure_once(workload, arm, requests[arm.name]))
            for name, measures in found.items():
                us = [each["us"] for each in measures]
                user = [each["user_us"] for each in measures]
                print(
                    f"{name:6} us a {workload.unit}: {statistics.median(us):6.1f} ({min(us):.1f}-{max(us):.1f};"
                    f" user {statistics.median(user):.1f}), {workload.name}, n={len(us)}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--only", choices=("", "bare", "nginx"), default="")
    parser.add_argument("--profile", default="", help="write the bare proxy's cProfile there")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
