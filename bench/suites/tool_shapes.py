"""Shapes of tools' answers: alarms where nothing changed, planted changes found and classed, and what it costs.

The tools are made up at random, answers and all, by rules that the detector was not written against
(`bench/planted/tools.py`); what tests plant besides is in `tests/lock/planted.py`.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from bench.options import Options
from bench.planted import tools
from bench.report import Result
from tests.lock.planted import PLANTED, base
from trimtab.contracts.shapes import parse, places, shape_of
from trimtab.gateway.surfaces.chat import ChatCompletions
from trimtab.gateway.tool_results import tool_results
from trimtab.lock.shape_learning import Open, ToolShape, observe

TOOLS, ANSWERS = 40, 500
LEARNED = 200
ALARMS = 0
AFTER = 10


def run(options: Options, result: Result) -> None:
    """Each part by itself."""
    for arm, measure in {"natural": natural, "planted": planted, "made_up": made_up, "cost": cost}.items():
        if options.wants(arm):
            options.tell(f"tool_shapes: {arm}")
            measure(options, result)


def natural(options: Options, result: Result) -> None:
    """Answers of made-up tools that never change."""
    count = 20 if options.quick else TOOLS
    alarms, answers = 0, 0
    for number in range(count):
        draws, draw = tools.tool(random.Random(f"{options.seed} {number}")), random.Random(number)
        known = ToolShape()
        for at in range(ANSWERS):
            alarms += len(take(known, draws(draw), at))
            answers += 1
    result.tell_value(f"answers of {count} tools that did not change: alarms", alarms, n=answers)
    result.worst("alarms in 10,000 natural answers", 10_000 * alarms / answers, ALARMS, n=answers)


def planted(options: Options, result: Result) -> None:
    """Every planted change after 200 answers: found and classed within 10."""
    rounds = 2 if options.quick else 10
    right, soonest = 0, []
    for each in PLANTED:
        for number in range(rounds):
            draw, known = random.Random(f"{each.name} {number}"), ToolShape()
            for at in range(LEARNED):
                take(known, base(draw), at)
            began: list[Open] = []
            for at in range(AFTER):
                began += take(known, each.change(json.loads(json.dumps(base(draw)))), LEARNED + at)
                if len(began) == len(each.found):
                    soonest.append(at + 1)
                    break
            classes = {one.change.class_ for one in began}
            is_right = {(one.path, one.what) for one in began} == each.found
            right += is_right and ("major" if "major" in classes else "minor") == each.class_
    total = len(PLANTED) * rounds
    result.equal(
        f"{len(PLANTED)} kinds of planted change, {rounds} times each: named and classed right", right, total, n=total
    )
    result.tell_value("answers until a planted change is certain: median", median(soonest), n=len(soonest))
    result.tell_value("answers until a planted change is certain: most", max(soonest), n=len(soonest))


def made_up(options: Options, result: Result) -> None:
    """Changes of fields that made-up tools always have: lost, renamed, null, of another type; and new ones."""
    count = 20 if options.quick else TOOLS
    wanted: dict[str, Callable[[dict[str, Any], str], None]] = {
        "lost": lambda answer, name: answer.pop(name),
        "null": lambda answer, name: answer.__setitem__(name, None),
        "retyped": lambda answer, name: answer.__setitem__(name, "x" if isinstance(answer[name], list) else [["x"]]),
        "new": lambda answer, name: answer.__setitem__(f"{name}_more", answer[name]),
    }
    made = {what: [0, 0] for what in wanted}
    others = 0
    for number in range(count):
        draws, plan = tools.tool(random.Random(f"made up {options.seed} {number}")), random.Random(number)
        names = tools.always(draws, number)
        for what, change in wanted.items() if names else ():
            name, known = plan.choice(names), ToolShape()
            for at in range(LEARNED):
                take(known, draws(plan), at)
            found: list[Open] = []
            for at in range(AFTER):
                answer = draws(plan)
                change(answer, name)
                found += take(known, answer, LEARNED + at)
            path = f"$.{name}_more" if what == "new" else f"$.{name}"
            made[what][0] += any((one.path, one.what) == (path, what) for one in found)
            made[what][1] += 1
            others += sum(one.path != path for one in found)
    for what, (right, total) in made.items():
        result.equal(f"made-up tools, a field {what}: found within {AFTER} answers", right, total, n=total)
    result.equal(
        "made-up tools, found where nothing was planted", others, 0, n=sum(total for _, total in made.values())
    )


def cost(options: Options, result: Result) -> None:
    """CPU in the gateway for each call, off its path, and in control for each answer."""
    rounds = 200 if options.quick else 2000
    surface = ChatCompletions()
    plain = surface.read(json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 4000}]}).encode())
    result.tell_value(
        "a call without tools' answers, 4 KB",
        cpu_us(lambda: tool_results("chat_completions", plain, shapes=True), rounds),
        "us",
        n=rounds,
    )
    draw = random.Random(options.seed)
    for size in (1_000, 10_000, 100_000):
        answer: dict[str, Any] = {"rows": []}
        while len(json.dumps(answer)) < size:
            answer["rows"].append(base(draw))
        asked = surface.read(with_answer(json.dumps(answer)))
        times = max(20, rounds // (size // 1000))
        took = cpu_us(lambda asked=asked: tool_results("chat_completions", asked, shapes=True), times)
        result.tell_value(f"a call with a tool's answer of {size // 1000} KB", took, "us", n=times)
    known = ToolShape()
    seen = [{place.path: place for place in places(parse(shape_of(json.dumps(base(draw)))))} for _ in range(500)]
    at = iter(range(10**9))
    took = cpu_us(lambda: [observe(known, one, next(at) * 10**9, f"r{next(at)}") for one in seen], 5)
    result.tell_value("learning from one answer of 19 paths", took / len(seen), "us", n=5 * len(seen))


def take(known: ToolShape, answer: Any, at: int) -> tuple[Open, ...]:
    """The drift that an answer makes certain."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    shape = shape_of(text)
    if not shape:
        return ()  # it is over 256 KB
    seen = {place.path: place for place in places(parse(shape))}
    return observe(known, seen, at * 10**9, f"r{at}").began


def with_answer(text: str) -> bytes:
    """A chat that brings a tool's answer."""
    call = {"id": "a", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": text},
    ]
    return json.dumps({"model": "m", "messages": messages}).encode()


def cpu_us(work: Callable[[], object], times: int) -> float:
    """Microseconds of CPU of one round, the median of five."""
    found = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(max(1, times // 5)):
            work()
        found.append((time.process_time() - began) / max(1, times // 5))
    return 1e6 * median(found)
