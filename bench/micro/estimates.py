"""How far the estimate of tokens is off for a tokenizer: `python bench/micro/estimates.py TOKENIZER.json FILE...`

Prints for each file, in pieces of 1,500 characters, the estimate as a multiple of what the tokenizer counts: of all
pieces together, and the 5th and 95th percentile of single ones.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
from pathlib import Path

from trimtab.declare.project import FileDigest
from trimtab.gateway.context.estimate import estimate
from trimtab.gateway.context.tokens import load

PIECE = 1500


def main() -> None:
    """Prints one file a line."""
    path = Path(sys.argv[1])
    tokenizer = load(path.parent, FileDigest(path.name, hashlib.sha256(path.read_bytes()).hexdigest()))
    for name in sys.argv[2:]:
        text = Path(name).read_text("utf-8", "replace")
        pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
        counted = [tokenizer.count([piece]).tokens for piece in pieces]
        guessed = [estimate(piece) for piece in pieces]
        ratios = sorted(guess / max(1, count) for guess, count in zip(guessed, counted, strict=True))
        low, high = ratios[len(ratios) // 20], ratios[-1 - len(ratios) // 20]
        middle = statistics.median(ratios)
        print(f"{name}: {sum(guessed) / sum(counted):.2f} ({low:.2f} to {high:.2f}, median {middle:.2f})")


if __name__ == "__main__":
    main()
