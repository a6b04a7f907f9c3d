"""Lets the tiny models write, well and badly, and keeps what they wrote: `python -m bench.repetition.sample_models`.

The models may not end their answer, as a served model does whose stop token is lost, at temperatures that make them
loop or babble; some have random weights. Whether such an answer is degenerate is told from its tokens, which
the detector never sees: by the share of 4-grams among its last tokens that are new in it. Answers in between are left
out. Many right answers one after another are legitimate.
"""

from __future__ import annotations

import json
import lzma
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.repetition.corpus import DATA
from trimtab.demo.app import MODELS
from trimtab.demo.jobs import JOBS, Example, JobGenerator
from trimtab.demo.llama import Llama
from trimtab.demo.sampling import Sampling
from trimtab.demo.scheduler import Order, Scheduler
from trimtab.demo.template import ChatTemplate
from trimtab.demo.text import Vocabulary
from trimtab.demo.weights import read_safetensors, read_shape

CONTEXT_TOKENS = 2_400
LAST_TOKENS = 300
NOTHING_NEW = 0.05
MUCH_NEW = 0.5
LEAST_CHARACTERS = 1_200
NEVER = -1e9


@dataclass
class Written:
    """What came of one order."""

    text: str = ""
    tokens: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Writer:
    """A model with everything that it takes to let it write."""

    name: str
    network: Llama
    vocabulary: Vocabulary
    template: ChatTemplate

    @classmethod
    def read(cls, name: str, weights_seed: int | None = None) -> Writer:
        """A demo model; with a seed its weights are random ones."""
        place = MODELS / name
        weights = read_safetensors(place / "model.safetensors")
        if weights_seed is not None:
            source = np.random.default_rng(weights_seed)
            weights = {
                key: value if value.ndim == 1 else source.normal(0, 0.08, value.shape).astype(value.dtype)
                for key, value in weights.items()
            }
            name = f"random-{weights_seed}"
        network = Llama(read_shape(place), weights, CONTEXT_TOKENS)
        return cls(name, network, Vocabulary.read(place), ChatTemplate.read(place))

    def prompt(self, example: Example) -> tuple[int, ...]:
        """The tokens of a question."""
        return tuple(self.vocabulary.encode(self.template.render(example.messages, example.tools)))

    def write(self, orders: Sequence[Order]) -> list[Written]:
        """The answers to all orders."""
        scheduler = Scheduler(self.network, self.vocabulary, 16)
        written = {scheduler.submit(order): Written() for order in orders}
        while not scheduler.idle:
            for piece in scheduler.step():
                written[piece.answer].text += piece.text
                written[piece.answer].tokens.append(piece.drawn.token)
        return list(written.values())


def share_new(tokens: Sequence[int]) -> float:
    """Share of the 4-grams that end in the last 300 tokens and stand nowhere before."""
    grams = list(zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False))
    seen, new = set(grams[:-LAST_TOKENS]), 0
    for gram in grams[-LAST_TOKENS:]:
        new += gram not in seen
        seen.add(gram)
    return new / LAST_TOKENS


def runaway(writer: Writer, temperatures: Sequence[float], each: int, seed: int) -> Iterator[tuple[str, bool, str]]:
    """Answers that go on and on: family, whether degenerate, text."""
    draw = random.Random(f"{writer.name}/{seed}")
    unending = dict.fromkeys(writer.vocabulary.special_ids, NEVER)
    orders = []
    for temperature in temperatures:
        for number in range(each):
            example = JobGenerator(seed * 1000 + number).sample(JOBS[number % 3])
            tokens = draw.randint(700, 1500)
            top_p, drawn = draw.choice([1.0, 0.95]), draw.randrange(1 << 30)
            sampling = Sampling(tokens, temperature, top_p=top_p, seed=drawn, logit_bias=unending)
            orders.append(Order(writer.prompt(example), sampling))
    for order, written in zip(orders, writer.write(orders), strict=True):
        share = share_new(written.tokens)
        if len(written.text) < LEAST_CHARACTERS or NOTHING_NEW < share < MUCH_NEW:
            continue
        kind = "random" if writer.name.startswith("random") else writer.name
        heat = "greedy" if order.sampling.temperature == 0 else "sampled" if share <= NOTHING_NEW else "babble"
        yield f"model.{kind}.{heat}", share <= NOTHING_NEW, written.text


def batches(writer: Writer, count: int, seed: int) -> Iterator[tuple[str, bool, str]]:
    """Many right answers, listed as an application would ask for them."""
    for number in range(count):
        job = JOBS[number % 3]
        source = JobGenerator(seed * 1000 + number, "test", heldout_words=False)
        examples = [source.sample(job) for _ in range(40)]
        ends = frozenset(writer.vocabulary.special_ids)
        orders = [Order(writer.prompt(example), Sampling(64, 0.0, end_ids=ends)) for example in examples]
        said = [written.text for written in writer.write(orders)]
        if job == "route":
            said = [
                f"{n + 1}. {e.messages[-1]['content']} -> {s}"
                for n, (e, s) in enumerate(zip(examples, said, strict=True))
            ]
        yield f"model.{writer.name}.{job}", False, "\n".join(said)


def sample() -> Iterator[tuple[str, bool, str]]:
    """Everything that is kept."""
    small, mid = Writer.read("jobs-small"), Writer.read("jobs-mid")
    yield from batches(small, 24, 1)
    yield from batches(mid, 12, 2)
    yield from runaway(small, [0.0], 30, 3)
    yield from runaway(small, [0.3, 0.4, 0.5, 0.6, 0.7], 18, 4)
    yield from runaway(mid, [0.0, 0.3, 0.5], 16, 5)
    yield from runaway(small, [1.2, 1.6], 14, 6)
    yield from runaway(mid, [0.8, 1.4], 14, 7)
    for seed in range(10):
        yield from runaway(Writer.read("jobs-small", seed), [0.0, 0.0, 0.4, 0.8], 4, 8 + seed)


def main() -> None:
    """Write the file anew and say what is in it."""
    lines, counts = [], Counter[tuple[str, bool]]()
    for family, is_degenerate, text in sample():
        kept = {"family": family, "degenerate": is_degenerate, "text": text}
        lines.append(json.dumps(kept, ensure_ascii=False, separators=(",", ":")))
        counts[family, is_degenerate] += 1
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_bytes(lzma.compress("".join(line + "\n" for line in lines).encode(), preset=9))
    for (family, is_degenerate), number in sorted(counts.items()):
        print(f"{family:28} {'degenerate' if is_degenerate else 'legitimate'} {number}")
    print(f"{DATA.stat().st_size} bytes")


if __name__ == "__main__":
    main()
