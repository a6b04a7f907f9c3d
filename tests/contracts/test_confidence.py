"""The probabilities of tokens are told by field of the answer, whatever way the answer was cut into tokens."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.contracts.alignment import Span, align
from trimtab.contracts.confidence import confidences
from trimtab.contracts.reply import TokenProb

SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"enum": ["billing", "delivery", "defect"]},
        "score": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "note": {"type": "string"},
    },
    "additionalProperties": {"type": "string"},
}


def token(text, probability=1.0, **top):
    """A token with its probability, and those of others by their text."""
    others = {text: probability, **top.get("top", {})}
    return TokenProb(text, math.log(probability), tuple((name, math.log(p)) for name, p in others.items()))


def bare(text, probability=1.0):
    return TokenProb(text, math.log(probability))


def said(*tokens):
    return "".join(each.token for each in tokens)


def test_mean_and_lowest_of_the_whole_and_of_fields():
    """By hand: the number is 0.8 and 0.4, its mean 0.6; the whole is (0.5 + 1 + 0.8 + 0.4 + 1) / 5."""
    tokens = [bare('{"', 0.5), bare('score":'), bare(" 0", 0.8), bare(".5", 0.4), bare("}")]
    found = confidences(said(*tokens), tokens, SCHEMA)
    assert list(found) == ["", "/score"]
    assert found[""] == pytest.approx((0.74, 0.4, None))
    assert found["/score"] == pytest.approx((0.6, 0.4, None))


def test_the_quotes_of_a_string_do_not_count_unless_they_share_a_token_with_it():
    tokens = [bare('{"note":'), bare(' "', 0.1), bare("fi", 0.9), bare("ne", 0.7), bare('"', 0.2), bare("}")]
    assert confidences(said(*tokens), tokens, SCHEMA)["/note"] == pytest.approx((0.8, 0.7, None))
    shared = [bare('{"note":'), bare(' "fi', 0.5), bare('ne"}', 0.7)]
    assert confidences(said(*shared), shared, SCHEMA)["/note"] == pytest.approx((0.6, 0.5, None))
    empty = [bare('{"note":'), bare(' "', 0.4), bare('"', 0.2), bare("}")]
    assert confidences(said(*empty), empty, SCHEMA)["/note"] == pytest.approx((0.3, 0.2, None))


def test_items_are_fields_by_index_and_unnamed_fields_are_none():
    tokens = [
        bare('{"tags":["'),
        bare("a", 0.9),
        bare('","'),
        bare("b", 0.3),
        bare('"],"Ann":"'),
        bare("x"),
        bare('"}'),
    ]
    found = confidences(said(*tokens), tokens, SCHEMA)
    assert list(found) == ["", "/tags/0", "/tags/1"]
    assert found["/tags/1"].mean == pytest.approx(0.3)


def test_fields_behind_references_and_unions_are_named():
    schema = {
        "anyOf": [{"$ref": "#/$defs/one"}, {"type": "null"}],
        "$defs": {"one": {"properties": {"a/b": {"allOf": [{"prefixItems": [True, {"const": 1}]}]}}}},
    }
    tokens = [bare('{"a/b":[1,'), bare("1", 0.5), bare("]}")]
    found = confidences(said(*tokens), tokens, schema)
    assert list(found) == ["", "/a~1b/0", "/a~1b/1"]
    assert found["/a~1b/1"].mean == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("tokens", "margin"),
    [
        # The first letter decides: 0.6 over "d", which begins two others; "x" begins none.
        ([token('{"label":"'), token("b", 0.6, top={"d": 0.3, "x": 0.1}), token('illing"}')], 0.3),
        # "de" rules out billing at once, so it is the token that counts, though "defect" is still possible after it.
        ([token('{"label":"'), token("de", 0.7, top={"bill": 0.2}), token("livery", 0.5), token('"}')], 0.5),
        # The opening quote rules out nothing; the token after it does.
        (
            [
                token('{"label":'),
                token(' "', 0.9, top={"null": 0.1}),
                token("defect", 0.8, top={"b": 0.1}),
                token('"}'),
            ],
            0.7,
        ),
        # Quote and letters in one token, and a rival without the space.
        ([token('{"label":'), token(' "b', 0.6, top={'"de': 0.4}), token('illing"}')], 0.2),
        # Other cuts of the same value are not another value.
        ([token('{"label":"'), token("billing", 0.5, top={"b": 0.4, "bill": 0.05}), token('"}')], 0.5),
        # What was sampled need not be the likeliest.
        ([token('{"label":"'), token("billing", 0.2, top={"defect": 0.7}), token('"}')], -0.5),
        # A rival that says the whole other value and more.
        ([token('{"label":"'), token("billing", 0.6, top={'defect"}': 0.3}), token('"}')], 0.3),
        # Nothing was told of rivals.
        ([bare('{"label":"'), bare("billing", 0.6), bare('"}')], None),
        ([token('{"label":"'), token("billing", 0.6), token('"}')], None),
        # A value that the schema does not have.
        ([token('{"label":"'), token("other", 0.6, top={"defect": 0.3}), token('"}')], None),
    ],
)
def test_margins_of_enum_fields(tokens, margin):
    found = confidences(said(*tokens), tokens, SCHEMA)["/label"].margin
    assert found == (None if margin is None else pytest.approx(margin))


def test_an_answer_that_is_one_value_has_its_margin_at_the_whole():
    tokens = [token("true", 0.9, top={"false": 0.1})]
    assert confidences("true", tokens, {"enum": [True, False]})[""] == pytest.approx((0.9, 0.9, 0.8))


def test_reasoning_before_and_markers_behind_count_for_nothing():
    tokens = [bare("think", 0.01), bare(' {"score"'), bare(":"), bare("1", 0.5), bare("}"), bare("<|end|>", 0.01)]
    found = confidences('{"score":1}', tokens, SCHEMA)
    assert found[""].lowest == pytest.approx(0.5)
    assert found["/score"].mean == pytest.approx(0.5)


def test_parts_of_characters_share_a_span():
    text = '{"note":"caf\u00e9 noir","score":7}'
    tokens = [
        bare('{"note":"caf'),
        bare("\ufffd", 0.5),
        bare("\ufffd", 0.7),
        bare(' noir"', 0.6),
        bare(',"score":'),
        bare("7", 0.3),
        bare("}"),
    ]
    found = confidences(text, tokens, SCHEMA)
    assert found["/note"] == pytest.approx(((1 + 0.5 + 0.7 + 0.6) / 4, 0.5, None))
    assert found["/score"].mean == pytest.approx(0.3)


def test_tokens_that_do_not_spell_the_text_leave_the_whole():
    tokens = [bare("quite", 0.5), bare(" another", 0.7)]
    assert confidences('{"score":1}', tokens, SCHEMA) == {"": pytest.approx((0.6, 0.5, None))}


def test_no_tokens_and_no_json():
    assert confidences('{"score":1}', [], SCHEMA) == {}
    assert list(confidences('{"score":1', [bare('{"score":1', 0.5)], SCHEMA)) == [""]


def test_the_first_64_fields_are_kept():
    text = '{"tags":[' + ",".join(['"a"'] * 200) + "]}"
    found = confidences(text, [bare(letter) for letter in text], SCHEMA)
    assert list(found)[-1] == "/tags/63"
    assert len(found) == 65


def test_alignment_where_tokens_fit():
    assert align("ab cd", ["ab", "", " c", "d"]) == [Span(0, 1, 0, 2), Span(2, 3, 2, 4), Span(3, 4, 4, 5)]
    assert align("", ["a"]) == []
    assert align("abc", []) == []


def test_alignment_at_the_end_of_a_text():
    assert align("a \u20ac", ["a ", "\ufffd", "\ufffd"]) == [Span(0, 1, 0, 2), Span(1, 3, 2, 3)]


def test_alignment_behind_a_part_that_never_fits():
    assert align("abc defghi", ["abc", "xyz", "uvw"]) == [Span(0, 1, 0, 3)]


@given(st.lists(st.text(max_size=4), max_size=30))
def test_spans_of_tokens_that_spell_the_text_are_the_tokens(tokens):
    text = "".join(tokens)
    assert [text[span.start : span.end] for span in align(text, tokens)] == [each for each in tokens if each]


@given(
    st.text(alphabet='{}[]",:ab1\\ \ufffd'), st.lists(st.text(alphabet='{}[]",:ab1\\ \ufffd', max_size=4), max_size=20)
)
def test_spans_follow_one_another(text, tokens):
    spans = align(text, tokens)
    assert all(one.last <= two.first and one.end <= two.start for one, two in pairwise(spans))
    assert all(0 <= span.start <= span.end <= len(text) for span in spans)


@given(
    st.text() | st.sampled_from(['{"label":"billing","tags":["a",1]}', '{"label": "defect"}', "[]", "1", '"a"']),
    st.lists(
        st.builds(
            TokenProb,
            st.text(max_size=5) | st.sampled_from(['{"', "label", '":"', "billing", '"}']),
            st.floats(),
            st.lists(st.tuples(st.text(max_size=4), st.floats()), max_size=3).map(tuple),
        ),
        max_size=12,
    ),
    st.sampled_from([SCHEMA, True, False, {"properties": {"label": False}, "items": [True]}, {"$ref": "#"}]),
)
def test_nothing_raises_and_probabilities_are_such(text, tokens, schema):
    for confidence in confidences(text, tokens, schema).values():
        assert 0 <= confidence.lowest <= 1
        assert confidence.lowest - 1e-9 <= confidence.mean <= 1 + 1e-9
        assert confidence.margin is None or -1 <= confidence.margin <= 1
