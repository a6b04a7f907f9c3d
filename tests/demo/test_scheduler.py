"""Continuous batching."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

import pytest

from trimtab.demo.engine import ServedModel
from trimtab.demo.jobs import JobGenerator
from trimtab.demo.sampling import Drawn, Sampling
from trimtab.demo.scheduler import Answer, Order, Piece, Scheduler

END = frozenset({2})


def order(model: ServedModel, text: str, *stops: str, **sampling: object) -> Order:
    fields = {"max_tokens": 24, "temperature": 0.0, "end_ids": END, **sampling}
    return Order(tuple(model.vocabulary.encode(text)), Sampling(**fields), stops)  # type: ignore[arg-type]


def chat_orders(model: ServedModel, count: int, **sampling: object) -> list[Order]:
    jobs = JobGenerator(5, "test", heldout_words=False)
    examples = [jobs.sample() for _ in range(count)]
    prompts = [model.template.render(example.messages, example.tools) for example in examples]
    return [order(model, prompt, seed=index, **sampling) for index, prompt in enumerate(prompts)]


def tokens_of(pieces: Sequence[Piece]) -> list[int]:
    return [piece.drawn.token for piece in pieces]


def text_of(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def finish(scheduler: Scheduler) -> dict[Answer, list[Piece]]:
    pieces = defaultdict(list)
    while not scheduler.idle:
        for piece in scheduler.step():
            pieces[piece.answer].append(piece)
    return pieces


def alone(model: ServedModel, wanted: Order) -> list[Piece]:
    scheduler = Scheduler(model.network, model.vocabulary, slots=1)
    answer = scheduler.submit(wanted)
    return finish(scheduler)[answer]


@pytest.mark.parametrize("temperature", [0.0, 1.3])
def test_company_does_not_change_an_answer(small: ServedModel, temperature: float) -> None:
    """Each of 20 answers that join and leave at different steps is what it is alone, sampled or greedy."""
    orders = chat_orders(small, 20, temperature=temperature, max_tokens=40)
    scheduler = Scheduler(small.network, small.vocabulary, slots=6)
    arrivals = random.Random(1)
    answers, pieces = [], defaultdict(list)
    waiting = list(orders)
    while waiting or not scheduler.idle:
        if waiting and arrivals.random() < 0.3:
            answers.append(scheduler.submit(waiting.pop(0)))
        for piece in scheduler.step():
            pieces[piece.answer].append(piece)
    for wanted, answer in zip(orders, answers, strict=True):
        assert tokens_of(pieces[answer]) == tokens_of(alone(small, wanted))


def test_a_prompt_found_in_the_cache_changes_nothing(small: ServedModel) -> None:
    """A prompt whose beginning was seen before is computed from there, in whole pieces, and answered the same."""
    orders = chat_orders(small, 2, temperature=1.0)
    wanted = order(small, small.template.render([{"role": "user", "content": "my lamp is late " * 12}], None))
    scheduler = Scheduler(small.network, small.vocabulary, slots=2)
    first = scheduler.submit(wanted)
    once = finish(scheduler)[first]
    for other in orders:
        scheduler.submit(other)
        finish(scheduler)
    again = scheduler.submit(wanted)
    assert tokens_of(finish(scheduler)[again]) == tokens_of(once)
    assert first.cached_tokens == 0
    # 2 slots, 3 other prompts since: only the beginning that all chats share may be left
    third = scheduler.submit(wanted)
    assert tokens_of(finish(scheduler)[third]) == tokens_of(once)
    whole_pieces = (len(wanted.prompt) - 1) // 24 * 24
    assert third.cached_tokens == whole_pieces > 0


def test_the_cache_serves_a_neighbour_that_still_runs(small: ServedModel) -> None:
    """A beginning that a running answer has computed is copied, and the copy is answered as the original."""
    wanted = order(small, "please send me the receipt for my lamp " * 8, max_tokens=60, end_ids=frozenset())
    scheduler = Scheduler(small.network, small.vocabulary, slots=3)
    first = scheduler.submit(wanted)
    while first.tokens < 5:
        scheduler.step()
    second = scheduler.submit(wanted)
    pieces = finish(scheduler)
    assert second.cached_tokens >= 24
    assert len(tokens_of(pieces[second])) == 60
    assert tokens_of(pieces[second]) == tokens_of(alone(small, wanted))


def test_an_answer_ends_at_its_end_token(small: ServedModel) -> None:
    """The end token is drawn and counted, but writes nothing."""
    pieces = alone(small, chat_orders(small, 1, max_tokens=64)[0])
    assert pieces[-1].finish == "stop"
    assert tokens_of(pieces)[-1] == 2
    assert "<|im_end|>" not in text_of(pieces)
    assert [piece.finish for piece in pieces[:-1]] == [None] * (len(pieces) - 1)


def test_max_tokens_ends_an_answer(small: ServedModel) -> None:
    """Without end tokens an answer has exactly `max_tokens`, and ends for its length."""
    pieces = alone(small, order(small, "hello", max_tokens=17, end_ids=frozenset()))
    assert len(pieces) == 17
    assert pieces[-1].finish == "length"


def test_min_tokens_come_before_the_end(small: ServedModel) -> None:
    """A route answer of one word is kept going until it has `min_tokens`."""
    wanted = next(one for one in chat_orders(small, 40, min_tokens=9) if len(alone(small, one)) >= 10)
    pieces = alone(small, wanted)
    assert 2 not in tokens_of(pieces)[:9]


def test_a_stop_string_ends_an_answer(small: ServedModel) -> None:
    """The text before the stop string is all there is, and the answer ends as stopped."""
    prompt = small.template.render(
        [
            {"role": "system", "content": "Extract name, item, qty and city as JSON."},
            {"role": "user", "content": "Please send 12 lamps to Ada in Paris."},
        ],
        None,
    )
    whole = text_of(alone(small, order(small, prompt, max_tokens=64)))
    assert whole == '{"name": "Ada", "item": "lamp", "qty": 12, "city": "Paris"}'
    pieces = alone(small, order(small, prompt, ', "qty', max_tokens=64))
    assert text_of(pieces) == '{"name": "Ada", "item": "lamp"'
    assert pieces[-1].finish == "stop"


def test_an_aborted_answer_frees_its_slot_at_once(small: ServedModel) -> None:
    """After an abort the next step gives nothing for it, and its slot goes to whoever waits."""
    scheduler = Scheduler(small.network, small.vocabulary, slots=1)
    first = scheduler.submit(order(small, "hello", max_tokens=1000, end_ids=frozenset()))
    second = scheduler.submit(order(small, "hello", max_tokens=3, end_ids=frozenset()))
    for _ in range(5):
        assert {piece.answer for piece in scheduler.step()} == {first}
    assert repr(scheduler) == "Scheduler(1 running, 1 waiting, SlotPool(1 of 1 slots in use))"
    scheduler.abort(first)
    scheduler.abort(first)
    assert len(finish(scheduler)[second]) == 3
    assert repr(scheduler) == "Scheduler(0 running, 0 waiting, SlotPool(0 of 1 slots in use))"


def test_an_answer_can_be_aborted_while_it_waits(small: ServedModel) -> None:
    """An aborted answer that never ran leaves no trace."""
    scheduler = Scheduler(small.network, small.vocabulary, slots=1)
    running = scheduler.submit(order(small, "hello", max_tokens=2, end_ids=frozenset()))
    waiting = scheduler.submit(order(small, "hello", max_tokens=2, end_ids=frozenset()))
    scheduler.abort(waiting)
    assert set(finish(scheduler)) == {running}
    assert waiting.tokens == 0


def test_a_long_prompt_does_not_hold_up_the_others(small: ServedModel) -> None:
    """While a prompt of 1,900 tokens is read in, an answer under way gets a token with every step."""
    scheduler = Scheduler(small.network, small.vocabulary, slots=2)
    talking = scheduler.submit(order(small, "hello", max_tokens=200, end_ids=frozenset()))
    scheduler.step()
    reading = scheduler.submit(Order((300,) * 1900, Sampling(max_tokens=1, temperature=0)))
    steps = 0
    while not reading.prefilled:
        steps += 1
        assert talking in {piece.answer for piece in scheduler.step()}
    assert steps == 8  # 240 prompt tokens a step


def test_logprobs_belong_to_the_token_drawn(small: ServedModel) -> None:
    """Greedy, the token drawn is the first alternative, and its log-probability is theirs."""
    for piece in alone(small, chat_orders(small, 1, logprobs=3)[0]):
        drawn: Drawn = piece.drawn
        assert drawn.top[0] == (drawn.token, drawn.logprob)
        assert len(drawn.top) == 3
        assert list(drawn.top) == sorted(drawn.top, key=lambda pair: -pair[1])
