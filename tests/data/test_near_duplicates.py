"""Near duplicates: planted ones are found, forms filled in anew are not taken for them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.planted.corpus import Part, corpus, score
from bench.planted.seen import seen
from trimtab.data.bags import Bags
from trimtab.data.cases import case
from trimtab.data.contamination import Contamination
from trimtab.data.near_duplicates import MOST_IN_BUCKET, Nearness, among, near_duplicates
from trimtab.data.text import row_words, words
from trimtab.data.vocabulary import Vocabulary, Weighing, similarity


@pytest.mark.parametrize("part", ["held_out", "fresh", "later"])
@pytest.mark.parametrize("size", [300, 2000])
def test_planted_near_duplicates(part: Part, size: int) -> None:
    """Recall and precision of 0.95 on parts that no parameter was chosen by; the bench has the full size."""
    made = corpus(part, size, 5)
    bags = Bags()
    for row in made.rows:
        taken = case(row)
        bags.take(taken.words, taken.texts)
    found = among(bags)
    scored = score(made, [(pair.one, pair.other) for pair in found.pairs], found.clusters)
    assert scored.planted >= size // 20
    assert scored.found >= 0.95 * scored.planted, scored.missed
    assert scored.right >= 0.95 * scored.reported, scored.wrong


def test_planted_contamination() -> None:
    """The same of cases that stand in a training set of another form, over all these parts together."""
    parts: tuple[Part, ...] = ("held_out", "fresh", "later")
    total, missed, reported, right = 0, [], 0, 0
    for part in parts:
        planted = seen(part, 600, 2000, 5)
        search = Contamination(Bags.of(case(row).words for row in planted.cases))
        for number, row in enumerate(planted.training):
            search.take(number, row_words(row))
        found = search.seen()
        total += len(planted.made_by)
        missed += [by for place, by in planted.made_by.items() if place not in {each.case for each in found}]
        reported += len(found)
        right += sum(planted.of[each.reference] == each.case for each in found)
    assert total >= 150
    assert len(missed) <= 0.05 * total, missed
    assert right >= 0.95 * reported


def test_a_form_and_a_rewritten_case() -> None:
    """Of one form filled in forty times, two rows that differ in a word of the form are near duplicates, others not."""
    form = "dear team my order {} of the {} for {} has not arrived and I would like to know where it is now"
    fills = [form.format(1000 + 17 * number, f"thing{number}", f"name{number}") for number in range(40)]
    rewritten = fills[7].replace("arrived", "come")
    found = near_duplicates(list(map(words, [*fills, rewritten])))
    assert [(pair.one, pair.other) for pair in found.pairs] == [(7, 40)]
    assert found.clusters == [[7, 40]]


def test_order_counts() -> None:
    """Rows of the same words in another order are no near duplicates, unless the order is that of their texts."""
    one, other = ("a b c d e f g h i j k l", "g b j d a h k c l e i f")
    filler = [f"x{n} y{n} z{n} v{n} w{n}".split() for n in range(20)]
    bags = Bags()
    for said in (one, other):
        bags.take([*said.split(), f"q{said[0]}"])
    for said in filler:
        bags.take(said)
    assert among(bags).pairs == []
    bags = Bags()
    for said in (one, other):
        bags.take([*said.split(), f"q{said[0]}"], 13)
    for said in filler:
        bags.take(said, 5)
    assert [(pair.one, pair.other) for pair in among(bags).pairs] == [(0, 1)]


def test_equal_rows_and_empty_ones() -> None:
    """Rows with the same words are one cluster however short; rows without words are in none."""
    found = near_duplicates([["yes"], [], ["yes"], [], ["no"]])
    assert found.clusters == [[0, 2]]
    assert [pair.similarity for pair in found.pairs] == [1.0]


def test_crowded_buckets_are_looked_at_in_part() -> None:
    """A thousand rows that meet in one bucket are told as such, and time stays in bounds."""
    rows = [[*"abcdefgh", f"{number}", f"z{number}"] for number in range(1000)]
    weighing = Weighing(power=1e-9, digits=1.0, alone=1e-9)
    found = near_duplicates(rows, Nearness(threshold=1.0, weighing=weighing))
    assert found.partly > 0
    assert MOST_IN_BUCKET < 1000


@given(st.lists(st.lists(st.sampled_from("abcdefghijklmnop"), max_size=12), max_size=12))
def test_pairs_are_verified(rows: list[list[str]]) -> None:
    """Every reported pair has the similarity that is told, at least the threshold, and clusters are made of pairs."""
    nearness = Nearness(words=1)
    found = near_duplicates(rows, nearness)
    vocabulary = Vocabulary()
    sets = [vocabulary.take(row) for row in rows]
    weights = vocabulary.weights(nearness.weighing)
    for pair in found.pairs:
        assert pair.similarity == pytest.approx(similarity(sets[pair.one], sets[pair.other], weights))
        assert pair.similarity >= nearness.threshold - 1e-9
    joined = {place for pair in found.pairs for place in (pair.one, pair.other)}
    assert joined == {place for cluster in found.clusters for place in cluster}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't  STOP, now!", ["dont", "stop", "now"]),
        ("1,200.50 EUR for ORD-4711_b", ["120050", "eur", "for", "ord", "4711", "b"]),
        ("\uff28\uff45\uff4c\uff4c\uff4f\u00a0world", ["hello", "world"]),
        ("我们今天学习", ["我们", "们今", "今天", "天学", "学习"]),
        ("stra\u00dfe", ["strasse"]),
        ("\x1b[31m\u200b", ["31m"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Case, spacing, punctuation and forms of letters do not count; scripts without spaces go by two characters."""
    assert words(text) == expected


def test_cases() -> None:
    """Inputs are told from outputs and asides; the answer that ends a conversation is its output."""
    one = case({"id": 1, "inputs": {"a": "x", "n": 2}, "expected": "y", "tags": ["t"]})
    other = case({"id": 2, "inputs": {"n": 2, "a": "x"}, "expected": "z"})
    assert (one.inputs == other.inputs, one.expected == other.expected) == (True, False)
    assert (one.words, one.texts) == (["x", "2"], 2)
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
    asked, answered = case({"messages": chat[:2]}), case({"messages": chat})
    assert (asked.inputs == answered.inputs, asked.expected == answered.expected) == (True, False)
    assert asked.words == ["u"]
    assert case({"text": "t", "label": "l"}).words == ["t"]
    assert case(json.loads('{"messages": "odd", "a": [null, true]}')).words == ["odd", "true"]
