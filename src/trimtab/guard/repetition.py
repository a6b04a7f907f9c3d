"""Degenerate repetition inside one streamed answer, noticed while it streams.

Two kinds are told apart, after Holtzman et al., "The curious case of neural text degeneration" (ICLR 2020): a loop says
the same characters again and again, at most a counter differs; a collapse goes on without a period, but hardly any of
its n-grams are new (distinct-n: Li et al., "A diversity-promoting objective function", NAACL 2016). Tables, logs, code
and lists repeat their form as well; what tells them apart is how long it goes on, how many things differ from one
repetition to the next, and whether it is made of words.
"""

from __future__ import annotations

import re
from itertools import pairwise
from operator import gt, lt
from typing import Final, Literal

Verdict = Literal["", "loop", "collapse"]

STEP: Final = 128  # characters between two looks for an exact loop
STEPS_A_LOOK: Final = 4  # steps between two looks for the rest, which cost more
WINDOW: Final = 4096  # characters remembered; no loop with a longer period than a fifth of it is seen
PROBES: Final = (64, 192, 448)  # characters at the end of a window that must have stood there before

TURNS: Final = 8
TURNS_OF_LONG: Final = 5
LONG_PERIOD: Final = 400
LEAST_OF_WORDS: Final = 512
LEAST_OF_FEW_CHARACTERS: Final = 640
LEAST_OF_SYMBOLS: Final = 1600
FEW_CHARACTERS: Final = 8

COUNTED_TURNS: Final = 12
COUNTED_LEAST: Final = 1024
COUNTED_WORDS: Final = 4
COUNTED_NUMBERS: Final = 4
COUNTED_DIGITS: Final = 0.25  # share of characters, at most; more is data
TIMES: Final = ("0:0", "0-0-0")  # a line that bears a time or a date is a log's

SHORT_TAIL: Final = 1536
LONG_TAIL: Final = 3072
CHARACTERS_TAIL: Final = 1024
SPACED: Final = 16  # characters a word at most, on average, where words are set apart by spaces
PROSE: Final = 0.9  # share of words that are nothing but letters, marks taken off
MARKS: Final = 0.2  # share of characters that are marks, at most: more are lists of quoted labels, or code
FEW_WORDS: Final = 0.08
FEW_PAIRS: Final = 0.25
FEW_TRIGRAMS: Final = 0.15
FEW_TRIGRAMS_ASCII: Final = 0.06
LETTERS: Final = 0.6
LONG_LINES: Final = 160
NUCLEOTIDES: Final = frozenset("ACGTUNacgtun\n")

_NUMBER = re.compile(r"\d+")
_HEXADECIMAL = re.compile(r"0[xX][\da-fA-F]+")
_MARKS = str.maketrans("", "", ",.!?;:'\"#*-،؛؟।。，、！？«»“”‘’「」")  # noqa: RUF001 - marks of several scripts are meant


class Repetition:
    """Watches one answer. `verdict` is what was found, for good; `at` counts the characters looked at until then.

    The answer is looked at whenever 128 more characters of it are there, so the verdict does not depend on how it was
    cut into chunks. At most 4,224 characters are kept, and nothing once there is a verdict.
    """

    __slots__ = ("_pending", "_window", "at", "verdict")

    def __init__(self) -> None:
        self.verdict: Verdict = ""
        self.at = 0
        self._pending = ""
        self._window = ""

    def feed(self, text: str) -> Verdict:
        """The verdict after a further piece of the answer, however long or short."""
        if self.verdict:
            return self.verdict
        pending = self._pending + text
        if len(pending) >= STEP:
            pending = self._examine(pending)
        self._pending = pending
        return self.verdict

    def _examine(self, pending: str) -> str:
        """Look at whole steps of what is pending; gives the rest."""
        start = 0
        while len(pending) - start >= STEP:
            end = start + STEP
            window = (self._window + pending[start:end])[-WINDOW:]
            self.at += STEP
            start = end
            if loops(window):
                self.verdict = "loop"
            elif self.at % (STEP * STEPS_A_LOOK) == 0:
                self.verdict = dear_look(window)
            if self.verdict:
                self._window = ""
                return ""
            self._window = window
        return pending[start:]

    def __repr__(self) -> str:
        return f"Repetition({self.verdict or 'none'} at {self.at})"


def dear_look(text: str) -> Verdict:
    """What a look for the rest finds; a collapse that has a period is a loop found early."""
    if loops_but_for_a_counter(text):
        return "loop"
    if not collapses(text):
        return ""
    turns = (ends_with_period(text, period, max(3 * period, SHORT_TAIL // 2)) for period in periods(text))
    return "loop" if any(turns) else "collapse"


def periods(text: str) -> list[int]:
    """Periods with which `text` may end, at most three: how far back its last 64 to 448 characters last stood."""
    found: list[int] = []
    last = len(text) - 1
    for size in PROBES:
        at = text.rfind(text[-size:], 0, last)
        if at < 0 or size > last:
            break
        period = len(text) - size - at
        if period not in found:
            found.append(period)
    return found


def ends_with_period(text: str, period: int, length: int) -> bool:
    """Whether the last `length` characters of `text` have this period."""
    return length <= len(text) and text[-length:-period] == text[period - length :]


def loops(text: str) -> bool:
    """Whether `text` ends in an exact loop that has gone on for long enough to be no refrain, frame or matrix."""
    for period in periods(text):
        least = period * (TURNS if period <= LONG_PERIOD else TURNS_OF_LONG)
        if ends_with_period(text, period, max(least, LEAST_OF_WORDS)):
            unit = _HEXADECIMAL.sub("0", text[-period:])
            worded = 2 * sum(map(str.isalpha, unit)) >= len(unit) > 1
            symbols = LEAST_OF_FEW_CHARACTERS if period <= FEW_CHARACTERS else LEAST_OF_SYMBOLS
            return worded or ends_with_period(text, period, max(least, symbols))
    return False


def loops_but_for_a_counter(text: str) -> bool:
    """Whether `text` ends in a loop of words in which nothing changes but one number, which counts up or down."""
    text = text.rstrip("0123456789")  # the last number may not be whole
    digits = sum(map(text.count, "0123456789"))
    if not COUNTED_TURNS <= digits <= COUNTED_DIGITS * len(text):
        return False
    numbers = _NUMBER.findall(text)
    plain = _NUMBER.sub("0", text)
    for period in periods(plain):
        length = max(period * COUNTED_TURNS, COUNTED_LEAST)
        unit = plain[-period:]
        a_turn = unit.count("0")
        if 0 < a_turn <= COUNTED_NUMBERS and _is_worded(unit) and ends_with_period(plain, period, length):
            latest = numbers[-(length // period) * a_turn :]
            changing = [column for place in range(a_turn) if len(set(column := latest[place::a_turn])) > 1]
            return not changing or (len(changing) == 1 and _counts(changing[0]))
    return False


def _counts(column: list[str]) -> bool:
    """Whether numbers grow or shrink at every step; a longer one is larger."""
    keys = [(len(number), number) for number in column]
    return all(map(lt, keys, keys[1:])) or all(map(gt, keys, keys[1:]))


def _is_worded(unit: str) -> bool:
    if any(time in unit * 2 for time in TIMES):
        return False
    return len(unit.split()) >= COUNTED_WORDS and 2 * sum(map(str.isalpha, unit)) >= len(unit)


def collapses(text: str) -> bool:
    """Whether the end of `text` hardly says anything new: the same few words or characters in ever other orders."""
    tail = text[-SHORT_TAIL:]
    if len(tail) < SHORT_TAIL:
        return False
    bare = tail.translate(_MARKS)
    words = bare.split()
    if len(words) * SPACED < len(tail):
        return _characters_collapse(tail[-CHARACTERS_TAIL:])
    if len(bare) < (1 - MARKS) * len(tail) or tail.count("\n") * 2 > len(words):
        return False
    if _letters_only(words, tail.isascii()) < PROSE * len(words):
        return False
    if len(set(words)) <= FEW_WORDS * len(words) or _share_of_pairs(words) <= FEW_PAIRS:
        return True
    return _share_of_pairs(text[-LONG_TAIL:].translate(_MARKS).split()) <= FEW_PAIRS


def _letters_only(words: list[str], ascii_only: bool) -> int:
    """How many words are; with other scripts, whose vowels may be marks, how many begin with a letter."""
    if ascii_only:
        return sum(map(str.isalpha, words))
    return sum(word[0].isalpha() for word in words)


def _share_of_pairs(words: list[str]) -> float:
    return len(set(pairwise(words))) / len(words)


def _characters_collapse(tail: str) -> bool:
    """The same for text without spaces: scripts that have none, emoji, words run together."""
    if tail.count("\n") * LONG_LINES > len(tail) or NUCLEOTIDES.issuperset(tail):
        return False
    few = FEW_TRIGRAMS
    if 2 * len(tail.encode("ascii", "ignore")) > len(tail):
        few = FEW_TRIGRAMS_ASCII
        if sum(map(str.isalpha, tail)) < LETTERS * len(tail):
            return False
    return len(set(zip(tail, tail[1:], tail[2:], strict=False))) <= few * len(tail)
