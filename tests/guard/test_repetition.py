"""The detector of degenerate repetition: what it finds, what it leaves alone, and that chunks do not matter."""

import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.repetition import corpus, measure
from trimtab.guard.repetition import Repetition

START = "The river carries what the mountains forgot; at its mouth a town of 312 people mends nets and waits. "
PARAGRAPH = (
    "I am not able to open the file that you sent, so I will describe what a file of this kind usually holds. "
    "There is a header of twelve bytes, then a table of names, and at last the data, which is compressed. "
    "If you tell me which program wrote it, I can say more about the order of its fields and what they mean. "
)


def verdict(text):
    return Repetition().feed(text)


def watched(text, cuts):
    detector, last = Repetition(), 0
    for cut in [*sorted(cuts), len(text)]:
        detector.feed(text[last:cut])
        last = cut
    return detector.verdict, detector.at


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "!",
        "\n",
        "哈",
        "ha",
        "the ",
        '"}',
        "I am sorry. ",
        "我不知道。",
        "- Check the cable and the plug\n",
        '{"name": "Ada", "city": "Oslo", "qty": 3},\n',
        "| Ada | Oslo | 3 |\n",
        "    total = total + 1\n",
        PARAGRAPH[:205],
        PARAGRAPH,
    ],
)
def test_a_loop_is_found_after_a_start(unit):
    """The same 1 to 310 characters again and again, for 3,000 characters and ten turns, are a loop."""
    assert verdict(START + unit * max(10, 3000 // len(unit))) == "loop"


@pytest.mark.parametrize("period", range(1, 401, 7))
def test_every_period_is_found(period):
    """Random letters that repeat with any period up to 400 are a loop once they have come nine times."""
    draw = random.Random(period)
    unit = "".join(draw.choice("abcdefghijklmnop qrstuvwxyz") for _ in range(period))
    assert verdict(START + unit * max(9, 1000 // period + 1)) == "loop"


@pytest.mark.parametrize(
    "form",
    [
        "{n}. Check the power supply of the device\n",
        "Step {n}: I will read the file again and count its lines. ",
        '{{"id": {n}, "answer": "I cannot help with that request."}},\n',
    ],
)
def test_a_counter_hides_no_loop(form):
    """The same words with nothing but a number that counts are a loop."""
    assert verdict(START + "".join(form.format(n=n) for n in range(1, 60))) == "loop"


def test_a_number_that_does_not_count_is_no_counter():
    """A traceback of a recursion through three lines, where the number of the line comes and goes, is no loop."""
    draw = random.Random(8)
    frames = (
        f'  File "walk.py", line {draw.choice([12, 14, 31])}, in walk\n    return walk(tree)\n' for _ in range(60)
    )
    assert verdict(START + "".join(frames)) == ""


def test_more_than_a_counter_is_no_loop():
    """A log whose lines differ in two numbers, and a song that counts three times a verse, are none."""
    assert verdict("".join(f"2026-03-01 12:{n // 60:02}:{n % 60:02} the worker is ready\n" for n in range(600))) == ""
    assert verdict("".join(f"[12:{n // 60:02}:{n % 60:02}] the worker is ready\n" for n in range(600))) == ""
    verse = "{n} green lamps on the wall, {n} green lamps, one falls, {m} green lamps on the wall.\n"
    assert verdict("".join(verse.format(n=n, m=n - 1) for n in range(99, 1, -1))) == ""


@pytest.mark.parametrize(
    ("pool", "glue"),
    [
        (["good", "very", "really", "nice", "so", "great"], " "),
        (["the", "cat", "sees", "a", "dog", "and", "it"], " "),
        (["I do not know.", "I am not sure.", "Let me think.", "That is right."], " "),
        (["आज", "मौसम", "बहुत", "अच्छा", "है", "लेकिन"], " "),
        (["今天", "天气", "很好", "我们", "非常"], ""),
        (["ha", "haha", "h"], ""),
        (["😀", "😂", "🎉"], ""),
        (["sales", "refund", "billing"], ""),
    ],
)
def test_the_same_few_words_in_any_order_are_a_collapse(pool, glue):
    """Random permutations of a few words, sentences, characters or emoji have no period and say nothing new."""
    draw = random.Random(5)
    assert verdict(START + glue.join(draw.choice(pool) for _ in range(1500))) == "collapse"


DRAW = random.Random(1)
LEGITIMATE = {
    "separators": "\n".join(f"{'=' * 120}\nSection {n}\n{'-' * 120}\nText {n * 37}" for n in range(40)),
    "indentation": "\n".join(" " * 200 + f"item {n * 7919 % 1000}" for n in range(30)),
    "a long zero": "10^300 is 1" + "0" * 300 + ", which has 301 digits.",
    "a matrix of zeros": "[" + ",\n ".join(["[" + ", ".join(["0"] * 20) + "]"] * 20) + "]",
    "an empty frame": "\n".join(["+" + "-" * 60 + "+", *["|" + " " * 60 + "|"] * 15, "+" + "-" * 60 + "+"]),
    "placeholders": '<div class="card">\n  <h3>Card title</h3>\n  <p>Some example text.</p>\n</div>\n' * 6,
    "the same paragraph three times": PARAGRAPH * 3,
    "syllables of a song": "la " * 60,
    "labels": "[" + ", ".join(DRAW.choices(['"spam"', '"ham"'], k=600)) + "]",
    "labels by line": "\n".join(DRAW.choices(["spam", "ham"], k=600)),
    "a truth table": "\n".join("| " + " | ".join(f"{n:07b}") + " | T |" for n in range(128)),
    "DNA": "".join(DRAW.choices("ACGT", k=4000)),
    "bits": "".join(DRAW.choices("01", k=4000)),
    "bytes": "\n".join(", ".join(["0x00"] * 12) + "," for _ in range(20)),
}


@pytest.mark.parametrize("kind", LEGITIMATE)
def test_what_repeats_for_a_reason_is_left_alone(kind):
    """Ruled pages, small matrices, frames, refrains, tables and alphabets of few letters are no degenerate text."""
    assert verdict(START + LEGITIMATE[kind] + START) == ""


def test_it_stays_with_its_verdict():
    """What follows a loop, however fresh, changes neither the verdict nor the place."""
    detector = Repetition()
    assert detector.feed(START) == ""
    assert detector.feed("no " * 400) == "loop"
    found_at = detector.at
    assert len(START) + 512 <= found_at <= len(START) + 768
    for number in range(3000):
        assert detector.feed(f"fresh {number * number} ") == "loop"
    assert detector.at == found_at
    assert repr(detector) == f"Repetition(loop at {found_at})"


def test_little_is_kept():
    """However much passes, in one piece or in many, at most 4,224 characters stay."""
    draw = random.Random(6)
    text = "".join(chr(draw.randrange(33, 0x2FF)) for _ in range(100_000))
    whole, pieces = Repetition(), Repetition()
    whole.feed(text)
    for at in range(0, len(text), 7):
        pieces.feed(text[at : at + 7])
    for detector in (whole, pieces):
        held = [getattr(detector, slot) for slot in Repetition.__slots__]
        assert sum(len(value) for value in held if isinstance(value, str)) <= 4_224
        assert detector.at == 99_968


ANSWERS = [
    *(corpus.legitimate(family, 900) for family in ("essay", "csv_orders", "emoji_posts")),
    *(corpus.degenerated(family, 900) for family in ("one_sentence", "numbered", "emoji", "praise", "shuffled_script")),
]


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 12_000), max_size=200))
def test_chunks_do_not_matter(answer, cuts):
    """However a text is cut, the verdict is the same and comes at the same character."""
    cuts = [cut for cut in cuts if cut <= len(answer.text)]
    assert watched(answer.text, cuts) == watched(answer.text, range(0, len(answer.text), 5))


@given(st.text(max_size=400), st.integers(1, 40), st.lists(st.integers(0, 16_000), max_size=50))
def test_chunks_do_not_matter_for_any_text(unit, turns, cuts):
    """The same for text of any characters, repeated or not."""
    text = unit * turns
    cuts = [cut for cut in cuts if cut <= len(text)]
    assert watched(text, cuts) == watched(text, [])


@given(st.text(max_size=3000))
def test_any_text_may_come(text):
    """Nothing that can be in a str makes it fail."""
    assert verdict(text) in {"", "loop", "collapse"}


@cache
def whole_corpus():
    return corpus.answers()


def test_answers_it_was_not_tuned_on():
    """Of 100 degenerate and 100 legitimate answers kept from tuning, at least 98 % and 95 % are judged rightly."""
    kept = [answer for answer in whole_corpus() if answer.part == "held_out_half"]
    draw = random.Random(11)
    some = [
        answer
        for degenerate in (True, False)
        for answer in draw.sample([answer for answer in kept if answer.degenerate is degenerate], 100)
    ]
    judged = measure.judge_all(some)
    assert measure.precision(judged).value >= 0.98
    assert measure.recall(judged).value >= 0.95


def test_the_split_leaves_nothing_in_two_parts():
    """Each family is halved or goes one way whole; every part has answers of both kinds, in all at least 500 each."""
    parts = {}
    counts = {}
    for answer in whole_corpus():
        parts.setdefault(answer.family, set()).add(answer.part)
        counts[answer.part, answer.degenerate] = counts.get((answer.part, answer.degenerate), 0) + 1
    assert all(len(found) == 1 or found == {"tuning", "held_out_half"} for found in parts.values())
    assert len(counts) == 8
    assert min(counts.values()) >= 100
    assert sum(count for (_, degenerate), count in counts.items() if degenerate) >= 500
    assert sum(count for (_, degenerate), count in counts.items() if not degenerate) >= 500
