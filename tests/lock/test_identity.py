"""The ladder: what each rung calls a hit and what not, its level, and when hits become an alarm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.lock.identity import HITS, MORE, Check, Standing, check, follow, pinned, questions, unpinned
from trimtab.lock.identity_baseline import Baseline, Exact, FirstTokens, Row, Server, Texts, first_tokens_of, texts_of
from trimtab.lock.identity_probes import EXACT, FIRST, TEXT, Form, Probe, Reading
from trimtab.lock.identity_rungs import (
    ALPHA,
    FIRST_REFERENCE,
    FIRST_SAMPLES,
    TEXT_SAMPLES,
    Answers,
    Finding,
    Pinned,
    exact_finding,
    fingerprint_finding,
    first_token_finding,
    load_effect,
    server_finding,
    texts_finding,
)

SERVER = Server("0.32.0", "org/model", 2048)
EXACTLY = Baseline(
    "m",
    Form(top_logprobs=20),
    SERVER,
    exact=(Exact(EXACT[0].prompt, ("a", "b"), (-0.5, -0.25), 8, 0.0),),
)


def greedy(*tokens: tuple[str, float]) -> Answers:
    """The answer to the first exact probe."""
    reading = Reading("", tuple(token for token, _ in tokens), tuple(value for _, value in tokens))
    return {EXACT[0]: [reading]}


def first(top: dict[str, float]) -> Reading:
    """A one-token answer."""
    return Reading("", (next(iter(top)),), (max(top.values()),), (top,))


def noisy(random: Random, count: int, shift: float = 0.0, spread: float = 0.05) -> list[Reading]:
    """Answers whose log-probabilities vary as those of a server do that does not batch invariantly."""
    means = {"a": -0.4, "b": -1.6, "c": -2.9, "d": -4.2}
    return [
        first({token: mean + shift + random.gauss(0, spread) for token, mean in means.items()}) for _ in range(count)
    ]


def reference(random: Random) -> tuple[FirstTokens, ...]:
    return tuple(
        first_tokens_of(probe.prompt, noisy(random, 10), noisy(random, FIRST_REFERENCE - 10)) for probe in FIRST
    )


def checked(random: Random, shift: float = 0.0) -> dict[Probe, Sequence[Reading]]:
    return {probe: noisy(random, FIRST_SAMPLES, shift) for probe in FIRST}


def test_answers_that_are_as_locked() -> None:
    """The same tokens, and log-probabilities within rounding: no hit."""
    found = exact_finding(EXACTLY, greedy(("a", -0.50004), ("b", -0.25)))
    assert (found.hit, found.effect) == (False, pytest.approx(4e-5, abs=1e-9))


def test_more_tokens_than_were_kept_do_not_matter() -> None:
    """What comes behind a tie was not locked."""
    assert not exact_finding(EXACTLY, greedy(("a", -0.5), ("b", -0.25), ("z", -9.0))).hit


def test_another_token_is_a_hit_with_both_sides() -> None:
    """The first place at which it answers otherwise."""
    found = exact_finding(EXACTLY, greedy(("a", -0.5), ("x", -0.3)))
    assert (found.hit, found.before, found.after) == (True, "'b'", "'x'")
    assert "token 2" in found.detail
    assert "8 repeats" in found.detail


def test_a_shorter_answer_is_a_hit() -> None:
    """An end where the locked model went on is another answer."""
    found = exact_finding(EXACTLY, greedy(("a", -0.5)))
    assert (found.hit, found.before, found.after) == (True, "'b'", "''")


def test_another_probability_is_a_hit() -> None:
    """Beyond rounding; the largest difference is shown."""
    found = exact_finding(EXACTLY, greedy(("a", -0.5002), ("b", -0.2601)))
    assert (found.hit, found.before, found.after) == (True, "'b' -0.2500", "'b' -0.2601")
    assert found.effect == pytest.approx(0.0101, abs=1e-9)


def test_a_deterministic_server_that_changed_is_found() -> None:
    """Forty answers alike against four others: the fewest splits there are, and a shift beyond rounding."""
    locked = tuple(
        first_tokens_of(probe.prompt, [first({"a": -0.5})] * 10, [first({"a": -0.5})] * 30) for probe in FIRST
    )
    answers = {probe: [first({"a": -0.5003})] * FIRST_SAMPLES for probe in FIRST}
    found = first_token_finding(locked, answers, Random(1))
    assert (found.hit, found.p) == (True, pytest.approx(2e-4, abs=1e-12))
    assert (found.before, found.after) == ("'a' -0.5000", "'a' -0.5003")


def test_rounding_is_no_change() -> None:
    """Of a deterministic server a difference of float arithmetic is significant, and counts for nothing."""
    locked = tuple(
        first_tokens_of(probe.prompt, [first({"a": -0.5})] * 10, [first({"a": -0.5})] * 30) for probe in FIRST
    )
    answers = {probe: [first({"a": -0.50005})] * FIRST_SAMPLES for probe in FIRST}
    assert not first_token_finding(locked, answers, Random(1)).hit


def test_what_load_does_is_no_change() -> None:
    """Under load the reference moved by 0.02; a check in between, or at half of that beyond, is not a hit."""
    locked = tuple(
        first_tokens_of(probe.prompt, [first({"a": -0.50})] * 10, [first({"a": -0.52})] * 30) for probe in FIRST
    )
    assert load_effect(locked) == pytest.approx(0.02, abs=1e-9)
    answers = {probe: [first({"a": -0.55})] * FIRST_SAMPLES for probe in FIRST}
    found = first_token_finding(locked, answers, Random(1))
    assert found.tolerance == pytest.approx(0.04, abs=1e-9)
    assert (found.hit, found.effect) == (False, pytest.approx(0.55 - 0.515, abs=1e-9))


def test_a_token_that_is_not_told_is_taken_at_the_least_told() -> None:
    """A top list that ends at -3 hides a token at -3 or less: against a locked -3.01 that is a hundredth."""
    locked = (first_tokens_of("x", [first({"a": -0.5, "b": -3.01})] * 10, [first({"a": -0.5, "b": -3.01})] * 30),)
    answers = {FIRST[0]: [first({"a": -0.5, "c": -3.0})] * FIRST_SAMPLES}
    found = first_token_finding(locked, answers, Random(1))
    assert found.effect == pytest.approx((0 + 0.01 + 0.01) / 3, abs=1e-9)


def test_a_shift_within_the_noise_of_one_answer_is_seen() -> None:
    """Eight checks of a model whose log-probabilities moved by two standard deviations: each is a hit."""
    random = Random(5)
    locked = reference(random)
    assert all(first_token_finding(locked, checked(random, 0.1), random).hit for _ in range(8))


def test_the_same_noise_is_no_hit() -> None:
    """300 checks of the same noisy model: at level 0.001 two hits or more happen once in 27 such runs."""
    random = Random(6)
    locked = reference(random)
    assert sum(first_token_finding(locked, checked(random), random).hit for _ in range(300)) <= 1


def test_texts_of_the_same_source_and_of_another() -> None:
    """Sampled answers in the locked words pass, those in other words are a hit with an example of each."""
    random = Random(2)

    def texts(words: Sequence[str], count: int) -> list[Reading]:
        return [Reading(" ".join(random.choices(words, k=6))) for _ in range(count)]

    ours, other = ["red", "green", "blue"], ["rot", "gruen", "blau"]
    locked = Baseline("m", Form(), Server(), texts=tuple(texts_of(probe.prompt, texts(ours, 40)) for probe in TEXT))
    same = texts_finding(locked, {probe: texts(ours, TEXT_SAMPLES) for probe in TEXT}, random)
    changed = texts_finding(locked, {probe: texts(other, TEXT_SAMPLES) for probe in TEXT}, random)
    assert (same.hit, changed.hit) == (False, True)
    assert changed.before in {repr(text) for text in locked.texts[0].texts}
    assert changed.p == pytest.approx(2e-4, abs=1e-12)


@pytest.mark.parametrize(
    ("identity", "server", "model", "sides"),
    [
        (Pinned(server_version="0.32.0"), SERVER, "m", None),
        (
            Pinned(server_version="0.32.0"),
            Server("0.33.0", "org/model", 2048),
            "m",
            ("version 0.32.0", "version 0.33.0"),
        ),
        (Pinned(), Server("", "org/other", 2048), "m", ("root org/model", "root org/other")),
        (Pinned(), Server("", "", 4096), "m", ("context 2048", "context 4096")),
        (Pinned(served_model="m-1"), Server(), "m-2", ("model m-1", "model m-2")),
        (Pinned(served_model="m-1"), Server(), "", None),
        (Pinned(), Server(), "m-2", None),
    ],
)
def test_what_the_server_tells_of_itself(
    identity: Pinned, server: Server, model: str, sides: tuple[str, str] | None
) -> None:
    """What both sides tell is compared; what one of them does not tell is not held against it."""
    found = server_finding(EXACTLY, identity, server, [Reading("", model=model)])
    assert found.hit == (sides is not None)
    assert (found.before, found.after) == (sides or ("", ""))


@pytest.mark.parametrize(
    ("locked", "told", "self_hosted", "hit", "soft"),
    [
        (("fp_1",), ["fp_1"], True, False, False),
        (("fp_1",), ["fp_1", "fp_2"], True, True, False),
        (("fp_1",), ["fp_2"], False, False, True),
        (("fp_1", "fp_2"), ["fp_2"], False, False, False),
        ((), ["fp_1"], True, False, False),
        (("fp_1",), ["", ""], True, False, False),
    ],
)
def test_fingerprints(locked: tuple[str, ...], told: list[str], self_hosted: bool, hit: bool, soft: bool) -> None:
    """Of one's own server a new one is a hit, of a hosted service a reason to ask for more; without a set, nothing."""
    found = fingerprint_finding(Pinned(locked), [Reading("", fingerprint=one) for one in told], self_hosted=self_hosted)
    assert (found.hit, found.soft) == (hit, soft)


def test_a_check_is_as_strong_as_its_baseline() -> None:
    """Exact answers spare the tests; without log-probabilities in them, texts are tested beside."""
    bare = Exact(EXACT[0].prompt, ("yes",), (), 8, 0.0)
    texts = tuple(Texts(probe.prompt, ("a", "b")) for probe in TEXT)
    rungs = {
        "exact": EXACTLY,
        "first": msgspec.structs.replace(
            EXACTLY, exact=(), first=(FirstTokens("x", ("a",), (Row(40, True, (-0.5,)),)),)
        ),
        "texts": msgspec.structs.replace(EXACTLY, exact=(bare,), texts=texts),
    }
    asked = {name: [probe.kind for probe in questions(baseline)] for name, baseline in rungs.items()}
    assert asked["exact"] == ["exact"]
    assert asked["first"] == ["first"] * (FIRST_SAMPLES * len(FIRST))
    assert asked["texts"] == ["exact"] + ["text"] * (TEXT_SAMPLES * len(TEXT))
    assert len(questions(rungs["first"], MORE)) == MORE * FIRST_SAMPLES * len(FIRST)


def test_a_new_fingerprint_of_a_hosted_service_asks_for_more() -> None:
    """Only while nothing else differs."""
    identity = Pinned(("fp_1",))
    same = {EXACT[0]: [Reading("", ("a", "b"), (-0.5, -0.25), fingerprint="fp_2")]}
    other = {EXACT[0]: [Reading("", ("a", "x"), (-0.5, -0.25), fingerprint="fp_2")]}
    assert check(EXACTLY, identity, SERVER, same, Random(1), self_hosted=False).wants_more
    found = check(EXACTLY, identity, SERVER, other, Random(1), self_hosted=False)
    assert (found.wants_more, found.hit and found.hit.rung) == (False, "exact")


def test_the_strongest_rung_speaks() -> None:
    """Where the server itself tells another version, that is what is said first."""
    found = check(EXACTLY, Pinned(server_version="0.31.0"), SERVER, greedy(("z", -0.1)), Random(1), self_hosted=True)
    assert [one.rung for one in found.findings] == ["server", "exact", "fingerprints"]
    assert found.hit is not None
    assert found.hit.rung == "server"


GOOD = Check((Finding("exact", False, "as locked"),))
BAD = Check((Finding("exact", True, "evidence", "'a'", "'b'"),))


def test_two_hits_in_a_row_are_an_alarm() -> None:
    """The first makes a replica suspected, the second turns it, with both sides and evidence; a third is no news."""
    once, turn = follow(Standing(), BAD, 100)
    assert (once.state, once.hits, turn) == ("suspected", 1, None)
    twice, turn = follow(once, BAD, 200)
    assert (twice.state, twice.since_ns, twice.checked_ns) == ("changed", 200, 200)
    assert turn is not None
    assert (turn.before, turn.after, turn.detail) == ("'a'", "'b'", "exact: evidence")
    thrice, turn = follow(twice, BAD, 300)
    assert (thrice.state, thrice.since_ns, thrice.checked_ns, turn) == ("changed", 200, 300, None)


def test_a_hit_that_is_not_confirmed_is_forgotten() -> None:
    """Two hits with a good check between them are two first hits."""
    once, _ = follow(Standing(), BAD, 100)
    good, _ = follow(once, GOOD, 200)
    again, turn = follow(good, BAD, 300)
    assert (good.state, good.hits, again.state, turn) == ("same", 0, "suspected", None)


def test_the_return_of_the_locked_model_is_told() -> None:
    """A replica that was put right turns back, with the sides exchanged."""
    changed, _ = follow(follow(Standing(), BAD, 100)[0], BAD, 200)
    back, turn = follow(changed, GOOD, 300)
    assert (back.state, back.since_ns) == ("same", 300)
    assert turn is not None
    assert (turn.before, turn.after) == ("'b'", "'a'")


@given(st.lists(st.booleans(), max_size=30))
def test_alarms_are_where_hits_follow_each_other(hits: list[bool]) -> None:
    """An alarm is told exactly where the second of a run of hits stands, a return where a run of two or more ends."""
    standing, turns = Standing(), []
    for at_ns, hit in enumerate(hits):
        standing, turn = follow(standing, BAD if hit else GOOD, at_ns)
        turns.append(None if turn is None else turn.detail.startswith("exact"))
    expected: list[bool | None] = []
    run = 0
    for hit in hits:
        ended, run = run, run + 1 if hit else 0
        expected.append(True if run == HITS else False if not hit and ended >= HITS else None)
    assert turns == expected


def test_what_was_learned_comes_back_from_the_lock() -> None:
    """As it stands in an entry, fingerprints in order."""
    identity = Pinned(("b", "a"), "0.32.0", "m-1", "c" * 64)
    assert unpinned(identity)["fingerprints"] == ["a", "b"]
    assert pinned({"identity": unpinned(identity)}) == Pinned(("a", "b"), "0.32.0", "m-1", "c" * 64)


@pytest.mark.parametrize("entry", [{}, {"identity": None}, {"identity": []}, {"identity": {"fingerprints": "x"}}])
def test_an_entry_without_an_identity_has_none(entry: dict[str, Any]) -> None:
    """Whatever stands there, nothing is made up from it."""
    assert pinned(entry) == Pinned()


def test_the_level_can_be_reached() -> None:
    """With the fewest samples of one prompt the least p-value of all splits is below the level."""
    assert 1 / math.comb(FIRST_REFERENCE + FIRST_SAMPLES, FIRST_SAMPLES) < ALPHA
