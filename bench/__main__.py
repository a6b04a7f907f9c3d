"""`python -m bench`: list the benchmarks, run some of them, or write RESULTS.md from what was measured."""

from __future__ import annotations

import argparse
import importlib
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bench import machine, native, report
from bench.options import Options

SUITES = {
    "cpu": "CPU per request and per streamed chunk, beside nginx, sglang-router and LiteLLM",
    "streams": "5,000 concurrent streams through one worker: errors and memory",
    "added_ttft": "time to first token that the gateway adds",
    "engine": "tokens per second of a real vLLM, through the gateway and direct",
    "deadlines": "how punctually each clock fires, and that patience is kept",
    "truncation": "answers cut by the upstream: none may look whole to a client",
    "resume": "streams cut by resets and by a killed vLLM: they go on elsewhere, as one whole answer",
    "contracts": "answers under a schema, of engines that enforce it and of others: no invalid one delivered",
    "crash": "killed workers, killed control, rolling restarts: no record lost, no connection reset",
    "outage": "telemetry down and a disk full under load: nothing lost, calls refused loudly and taken again",
    "checks": "CPU of holding answers and tool calls against their schemas, whole and chunk by chunk",
    "repetition": "degenerate repetition in an answer: found, missed, wrongly seen; its cost for each chunk",
    "identity": "whether a served model is the locked one: power and false alarms of each rung",
    "schema_classes": "what classification says of 395 schemas, against what vLLM does with them",
    "lock": "time of a check of the lock, locks without a change, every kind of single change found and named",
    "tool_shapes": "alarms on tools' answers that did not change, planted changes found and classed, and what it costs",
    "data": "near duplicates and cases seen before: found, missed, wrongly seen; a check of 100,000 rows",
    "console": "what the console asks of 10 million calls in a day: twelve questions, cold and warm; pages, memory",
    "detect": "planted regressions of behaviour: false alarms and delay, beside a threshold, a z-score and ADWIN",
    "eval_statistics": "evaluations whose truth is known: coverage, errors, power, early stopping, judges, going on",
    "evals": "evaluations of the demo on its tiny models: time, verdicts, calls saved, kills",
    "rollout": "a bad lock as a canary on the demo: users it reaches before it is rolled back; copies for nobody",
    "kills": "drivers and keeper of runs killed at every boundary: results lost, effects repeated, time to go on",
    "journal": "appends to the journal of runs, beside DBOS; room that runs take; what a crash of the machine leaves",
    "replay": "recorded runs given again with no model there: every byte and chunk, its time; one character changed",
    "reviews": "persons, deploys, crashes and expiry in 10,000 random orders: what was not approved of never happens",
    "in_force": "how soon an edited task, a new key and a revoked key hold",
    "startup": "the start of the command line and of the demo engine, and `make up` to a first answered call",
}


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(SUITES)}; all; or results")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: shows that it works, no figures")
    parser.add_argument("--arms", help="only these arms, separated by commas")
    parser.add_argument("--rounds", type=int, help="this many rounds; else 20 and more until the interval is narrow")
    parser.add_argument("--seed", type=int, default=1, help="of the order of arms and of injected faults (1)")
    return parser.parse_args(arguments)


def tell(text: str) -> None:
    """Progress goes to standard error; tables go to standard output."""
    print(text, file=sys.stderr, flush=True)


def run_suite(name: str, options: Options, command: str) -> report.Result:
    """Run one benchmark, save what it found and print its section."""
    suite: Callable[[Options, report.Result], None] = importlib.import_module(f"bench.suites.{name}").run
    result = report.Result(name, SUITES[name][0].upper() + SUITES[name][1:] + ".", command, options.quick)
    result.machine = machine.facts()
    before = machine.ticks()
    tell(f"{name}: {SUITES[name]}")
    suite(options, result)
    result.machine["stolen"] = f"{machine.ticks().stolen_since(before):.1%}"
    report.save(result)
    print(report.section(result), flush=True)
    return result


def main(arguments: list[str]) -> int:
    """Run what was asked for; the exit code is 1 if a promise was broken."""
    asked = parse(arguments)
    if asked.names == ["results"]:
        print(report.write_page(report.load_saved()).relative_to(Path.cwd()))
        return 0
    names = list(SUITES) if asked.names == ["all"] else asked.names
    unknown = [name for name in names if name not in SUITES]
    if not names or unknown:
        for name, what in SUITES.items():
            print(f"{name:12} {what}")
        print(f"{'all':12} every one of them\n{'results':12} write RESULTS.md from what was measured")
        return 2 if unknown else 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # blocks end, and with them their children
    native.build()
    machine.raise_file_limit()
    options = Options(
        quick=asked.quick,
        seed=asked.seed,
        arms=frozenset(asked.arms.split(",")) if asked.arms else None,
        tell=tell,
        rounds=asked.rounds,
    )
    extra = [word for word in arguments if word not in asked.names]
    results = [run_suite(name, options, shlex.join(["python", "-m", "bench", name, *extra])) for name in names]
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
