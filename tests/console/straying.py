"""Calls that belong to no task, with their bodies, and a project whose models they ask for."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator

from msgspec import structs

from tests.console.saying import Bodies
from tests.console.seeding import MINUTE_NS, policy
from tests.store.samples import call
from trimtab.advice.seen import cluster_id
from trimtab.declare.project import Model
from trimtab.policy.snapshot import Snapshot
from trimtab.record.events import Settled, Usage

PROMPT = "You are a helpful assistant that sorts support tickets for Parcel & Co. Answer in JSON."
PROMPT_DIGEST = "sha256:" + hashlib.sha256(PROMPT.encode()).hexdigest()
TOOLS_DIGEST = "sha256:" + "70" * 32
SORTING = cluster_id(PROMPT_DIGEST, TOOLS_DIGEST)
FEW = cluster_id("sha256:" + "f0" * 32, "")
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up_order",
        "description": "Looks an order up by its number.",
        "parameters": {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]},
    },
}
QUEUES = ("bills", "parcels", "returns")


def stray(now_ns: int, bodies: Bodies, count: int = 160) -> Iterator[Settled]:
    """Calls that sort tickets, 40 minutes of them; their answers are JSON, two are cut, one failed."""
    draw = random.Random(11)
    for number in range(count):
        messages = [
            {"role": "system", "content": PROMPT},
            {"role": "user", "content": f"Where is my parcel {number}?"},
        ]
        asked = {"model": "small", "messages": messages, "tools": [TOOL], "stream": True}
        said = json.dumps({"queue": QUEUES[number % 3], "urgent": number % 5 == 0, "order": f"A-{number}"})
        message = {"role": "assistant", "content": said}
        answer = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        failed, cut = number == 7, number in (20, 90)
        tokens = 256 if cut else round(draw.lognormvariate(3.6, 0.3))
        ttft = draw.lognormvariate(-1.6, 0.3)
        made = call(
            f"stray-{number}",
            now_ns - number * MINUTE_NS // 4 - MINUTE_NS,
            task="(undeclared)",
            outcome="upstream_error" if failed else "ok",
            cost=("exact", 3_000_000 * tokens),
            usage=Usage(input=310, output=tokens),
            ttft_s=None if failed else ttft,
            tpot_s=None if failed else 0.02,
            longest_gap_s=None if failed else 0.08,
            total_s=ttft + 0.02 * tokens,
            finish_reason="" if failed else "length" if cut else "stop",
            answer_tokens=None if failed else tokens,
            response_body="" if failed else bodies.keep(json.dumps(answer).encode()),
        )
        admitted = structs.replace(
            made.admitted,
            key="support-app" if number % 4 else "night-job",
            system_prompt=PROMPT_DIGEST,
            tools=TOOLS_DIGEST,
            request_body=bodies.keep(json.dumps(asked).encode()),
            max_output_tokens=256,
        )
        yield structs.replace(made, admitted=admitted)
    for number in range(12):
        made = call(
            f"few-{number}",
            now_ns - number * MINUTE_NS - MINUTE_NS,
            task="(undeclared)",
            cost=("exact", 10**9),
            total_s=0.4,
        )
        yield structs.replace(made, admitted=structs.replace(made.admitted, system_prompt="sha256:" + "f0" * 32))


def straying() -> Snapshot:
    """The policy in force, with a model, and with bodies of undeclared calls kept whole."""
    made = policy()
    defaults = structs.replace(made.defaults, undeclared_redaction="full")
    return structs.replace(
        made, defaults=defaults, models={"small": Model("small", "small-1", ("http://127.0.0.1:9",))}
    )
