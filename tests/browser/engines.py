"""What the engine of the seeded console says of itself: eight hours of load that comes and goes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from trimtab.signals.engine.view import EngineRates, EngineView
from trimtab.store.engine_samples import EngineSample

MODEL, REPLICA = "small", "http://127.0.0.1:9"
EVERY_NS = 60 * 10**9
MINUTES = 8 * 60


def view(now_ns: int) -> EngineView:
    """How it stands now."""
    values = {"queue_depth": 2.0, "running": 11.0, "kv_cache_usage": 0.43, "gpu_utilisation": 0.71}
    rates = EngineRates(60.0, 0.4, 212.0, 58.0, 0.33, ttft_s=0.16, tpot_s=0.028, queue_s=0.012, preemptions=0.0)
    return EngineView(MODEL, REPLICA, "vllm", now_ns - 4 * 10**9, values, rates)


def samples(now_ns: int) -> Iterator[EngineSample]:
    """What was read of it, a minute apart."""
    draw = random.Random(3)
    for minute in range(MINUTES):
        load = 0.5 + 0.3 * math.sin(minute / 70) + draw.uniform(-0.08, 0.08)
        at_ns = now_ns - (MINUTES - minute) * EVERY_NS
        yield EngineSample(at_ns, MODEL, REPLICA, "queue_depth", float(max(0, round(12 * (load - 0.6)))))
        yield EngineSample(at_ns, MODEL, REPLICA, "running", float(round(24 * load)))
        yield EngineSample(at_ns, MODEL, REPLICA, "kv_cache_usage", 0.8 * load)
        yield EngineSample(at_ns, MODEL, REPLICA, "gpu_utilisation", min(1.0, 0.3 + 0.7 * load))
