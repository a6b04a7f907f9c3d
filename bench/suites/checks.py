"""What it costs to hold an answer to its contract: the whole of it, its tool calls, and the text while it comes."""

from __future__ import annotations

import json
import random
import statistics

from bench.micro import incremental
from bench.micro.contracts import SCHEMA, answer, called, medians, valid
from bench.options import Options
from bench.report import Result
from trimtab.contracts.toolcalls import ToolSpec
from trimtab.contracts.validate import Validator

SIZES = (1_000, 10_000)
CEILING_US = 100.0
"""For an answer and a tool call of 1 KB each, at p50."""
TOOLS = 100


def run(options: Options, result: Result) -> None:
    """Every figure in microseconds of CPU of one process."""
    answers, rounds = (50, 20) if options.quick else (500, 300)
    source = random.Random(options.seed)
    schema = json.dumps(SCHEMA)
    validator = Validator(schema)
    tools = [ToolSpec(f"tool{number}", schema) for number in range(TOOLS)]
    for size in SIZES:
        options.tell(f"checks: {answers} answers of {size} bytes")
        texts = [answer(source, size) for _ in range(answers)]
        name = f"{size // 1000} KB"
        middle, high = medians([lambda said=said: valid(validator, said) for said in texts])
        result.tell_value(f"answer of {name}, valid: p50", middle, "us", n=answers)
        result.tell_value(f"answer of {name}, valid: p99", high, "us", n=answers)
        middle, _ = medians([lambda said=said: called(tools, said) for said in texts])
        result.tell_value(f"tool call of {name} among {TOOLS} tools: p50", middle, "us", n=answers)
        middle, _ = medians([lambda said=said: (valid(validator, said), called(tools, said)) for said in texts])
        both = f"answer and tool call of {name} each: p50"
        if size == SIZES[0]:
            result.worst(both, middle, CEILING_US, "us", n=answers)
        else:
            result.tell_value(both, middle, "us", n=answers)
        broken = [said.replace('"kind": "', '"kind": "x', 1) for said in texts]
        middle, _ = medians([lambda said=said: validator.check(said) for said in broken])
        result.tell_value(f"answer of {name}, invalid and explained: p50", middle, "us", n=answers)
    options.tell(f"checks: {rounds} answers chunk by chunk")
    for what, found in incremental.measure(rounds, 4).items():
        result.tell_value(f"watched while it comes, {what}: median", 1e6 * statistics.median(found), "us", n=rounds)
