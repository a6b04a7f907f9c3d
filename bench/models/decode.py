"""How fast the demo engine decodes on one core, without HTTP.

    OPENBLAS_NUM_THREADS=1 python bench/models/decode.py [MODEL]      default jobs-small

One line of JSON for each number of answers at once: tokens a second in all, and milliseconds a step.
"""

from __future__ import annotations

import json
import sys
import time

from trimtab.demo.app import read_model
from trimtab.demo.engine import ServedModel
from trimtab.demo.sampling import Sampling
from trimtab.demo.scheduler import Order, Scheduler

TOKENS = 400
PROMPT = "Please send 12 lamps to Ada in Paris."


def measure(model: ServedModel, answers: int) -> dict[str, float]:
    """Decode so many answers together, after one unmeasured round; the prompts are read in before the clock starts."""
    scheduler = Scheduler(model.network, model.vocabulary, slots=answers)
    prompt = tuple(model.vocabulary.encode(PROMPT))
    steps, elapsed_s = 0, 0.0
    for _ in range(2):
        for seed in range(answers):
            scheduler.submit(Order(prompt, Sampling(max_tokens=TOKENS, temperature=1.0, seed=seed)))
        scheduler.step()
        steps, began = 0, time.process_time()
        while not scheduler.idle:
            scheduler.step()
            steps += 1
        elapsed_s = time.process_time() - began
    return {
        "answers": answers,
        "tokens_per_cpu_s": round(answers * (TOKENS - 1) / elapsed_s),
        "cpu_ms_per_step": round(elapsed_s / steps * 1e3, 3),
    }


def main() -> None:
    """Measure 1, 4, 16 and 32 answers at once."""
    model = read_model(sys.argv[1] if len(sys.argv) > 1 else "jobs-small")
    for answers in (1, 4, 16, 32):
        print(json.dumps({"model": model.name, **measure(model, answers)}), flush=True)


if __name__ == "__main__":
    main()
