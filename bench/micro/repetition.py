"""What the repetition detector costs: CPU of a streamed chunk of 4 to 5 characters, by kind of text.

`python -m bench.micro.repetition` prints microseconds of CPU a chunk, the lowest of several rounds, the dearest kinds
last, and the longest that one chunk alone took, which is one that brings a look at the text with it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from bench.repetition import corpus, measure
from trimtab.guard.repetition import Repetition

ROUNDS = 5
ANSWERS = 6


def chunked(family: str) -> list[list[str]]:
    """Some answers of a family as chunks of the size of tokens."""
    texts = [corpus.legitimate(family, number).text for number in range(ANSWERS)]
    return [list(measure.chunks(text, random.Random(number))) for number, text in enumerate(texts)]


def us_a_chunk(answers: Sequence[Sequence[str]]) -> float:
    """CPU microseconds for each chunk, detectors and their making included, loop overhead taken off."""
    count = sum(map(len, answers))
    best = best_idle = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        for chunks in answers:
            feed = Repetition().feed
            for chunk in chunks:
                feed(chunk)
        middle = time.process_time_ns()
        for chunks in answers:
            for _ in chunks:
                pass
        best = min(best, middle - began)
        best_idle = min(best_idle, time.process_time_ns() - middle)
    return (best - best_idle) / count / 1000


def longest_us(answers: Sequence[Sequence[str]]) -> float:
    """CPU of the chunk that took longest, as the least of the rounds."""
    rounds = []
    for _ in range(ROUNDS):
        worst = 0
        for chunks in answers:
            feed = Repetition().feed
            for chunk in chunks:
                began = time.thread_time_ns()
                feed(chunk)
                worst = max(worst, time.thread_time_ns() - began)
        rounds.append(worst)
    return min(rounds) / 1000


def by_family() -> dict[str, tuple[float, float]]:
    """Microseconds a chunk and the longest chunk of every family of legitimate text, cheapest first."""
    measured = {}
    for family in corpus.LEGITIMATE:
        answers = chunked(family)
        measured[family] = us_a_chunk(answers), longest_us(answers)
    return dict(sorted(measured.items(), key=lambda item: item[1]))


def main() -> None:
    """Print one line for each family."""
    for family, (cost, longest) in by_family().items():
        print(f"{family:20} {cost:.2f} us a chunk, longest {longest:.0f} us")


if __name__ == "__main__":
    main()
