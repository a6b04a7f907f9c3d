"""Probes at a server: what is asked, how often, what is given up on, and the baseline that comes of it."""

from __future__ import annotations

import asyncio
import json
from random import Random

import pytest
from msgspec.structs import replace

from tests.processes.identities import MODEL, REPLICA, Server
from trimtab.errors import IdentityUntested, SecretMissing
from trimtab.lock.identity import MORE, questions
from trimtab.lock.identity_baseline import Server as Told
from trimtab.lock.identity_probes import EXACT, FIRST, LOAD, TEXT, Form
from trimtab.lock.identity_rungs import FIRST_REFERENCE, TEXT_REFERENCE, Pinned
from trimtab.processes.identity_ask import TRIES, Answered, Interview, examine
from trimtab.processes.identity_learn import Learned, take_baseline
from trimtab.testing import JumpingClock
from trimtab.testing.clock import JumpingLoop

LOAD_PROMPTS = {probe.prompt for probe in LOAD}


def run(work: object) -> object:
    """In a loop whose time jumps, so that pauses take none."""
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(JumpingClock())) as runner:
        return runner.run(work)  # type: ignore[arg-type]


def interview(server: Server, answered: list[Answered] | None = None) -> Interview:
    return Interview(server, JumpingClock(), (answered if answered is not None else []).append)


def learned(server: Server, model: object = MODEL) -> Learned:
    found = run(take_baseline(interview(server), model))  # type: ignore[arg-type]
    assert isinstance(found, Learned)
    return found


def test_a_server_that_answers_alike_gets_an_exact_baseline() -> None:
    """All greedy probes are kept with eight repeats; the first tokens of forty answers are two rows."""
    found = learned(Server())
    assert [one.prompt for one in found.baseline.exact] == [probe.prompt for probe in EXACT]
    assert {one.repeats for one in found.baseline.exact} == {8}
    assert [[row.count for row in one.rows] for one in found.baseline.first] == [[10, 30]] * len(FIRST)
    assert found.baseline.texts == ()
    assert found.baseline.server == Told("0.32.0", "org/small", 2048)
    assert (found.fingerprints, found.served_model, found.replica) == (("vllm-1",), "org/small", REPLICA)


def test_a_server_that_varies_gets_none() -> None:
    """Where repeats differ by more than rounding the test of first tokens is left."""
    found = learned(Server(noise=0.01))
    assert found.baseline.exact == ()
    assert [sum(row.count for row in one.rows) for one in found.baseline.first] == [FIRST_REFERENCE] * len(FIRST)


def test_one_odd_answer_in_two_hundred_is_enough() -> None:
    """Greedy answers may be alike by luck; where one first token is not, the test of first tokens is left."""

    class Odd(Server):
        firsts = 0

        def _chat(self, asked):  # type: ignore[no-untyped-def]
            self.firsts += asked["max_tokens"] == 1
            self.shift = 0.001 if asked["max_tokens"] == 1 and self.firsts == 150 else 0.0
            return super()._chat(asked)

    assert learned(Odd()).baseline.exact == ()


def test_a_server_without_probabilities_gets_texts() -> None:
    """Forty sampled texts for each prompt, and the greedy text, which was alike."""
    found = learned(Server(top=0))
    assert found.baseline.form == Form()
    assert [one.tokens for one in found.baseline.exact] == [("alpha beta",)] * len(EXACT)
    assert [len(one.texts) for one in found.baseline.texts] == [TEXT_REFERENCE] * len(TEXT)


def test_the_same_server_gives_the_same_baseline() -> None:
    """Nothing in it depends on when it was taken."""
    assert learned(Server()) == learned(Server())


def test_other_forms_are_tried_until_one_is_taken() -> None:
    """A server that knows only five alternatives and the newer name of the limit is asked in that form."""
    server = Server(takes=lambda asked: asked.get("top_logprobs", 0) <= 5 and "max_tokens" not in asked)
    assert learned(server).baseline.form == Form(limit="max_completion_tokens", top_logprobs=5)


def test_without_a_temperature_nothing_is_exact() -> None:
    """Where greedy answers cannot be asked for, none is kept as such."""
    server = Server(top=0, takes=lambda asked: "temperature" not in asked and "logprobs" not in asked)
    found = learned(server)
    assert not found.baseline.form.temperature
    assert found.baseline.exact == ()


def test_messages_are_asked_on_their_own_route() -> None:
    """The Anthropic wire has no probabilities, and its servers no routes that tell of themselves."""
    server = Server(named="claude-x")
    model = replace(MODEL, wire="anthropic", engine="anthropic")
    found = learned(server, model)
    assert {one["path"] for one in server.asked} == {"/v1/messages"}
    assert found.baseline.server == Told()
    assert (found.served_model, bool(found.baseline.texts)) == ("claude-x", True)


def test_part_of_it_is_taken_under_load() -> None:
    """Beside the probes others are under way, of other lengths, while greedy and first tokens are asked for again."""
    server = Server()
    learned(server)
    prompts = [one["messages"][0]["content"] for one in server.asked]
    loaded = [place for place, prompt in enumerate(prompts) if prompt in LOAD_PROMPTS]
    assert loaded
    assert any(prompts[place] == FIRST[0].prompt for place in range(loaded[0], len(prompts)))


def test_fingerprints_are_those_of_all_replicas() -> None:
    """The baseline is of the first that answers; of the others one answer is asked for."""

    class Two(Server):
        async def ask(self, model, url, path, body):  # type: ignore[no-untyped-def]
            self.fingerprint = "vllm-b" if url.endswith("2") else "vllm-a"
            return await super().ask(model, url, path, body)

    server = Two()
    found = learned(server, replace(MODEL, replicas=("http://a:1", "http://a:2")))
    assert found.fingerprints == ("vllm-a", "vllm-b")
    assert sum(one["url"] == "http://a:2" for one in server.asked) == 1


def test_a_busy_server_is_asked_again() -> None:
    """Answers of 503 are waited out; what comes then counts."""
    server = Server(busy=TRIES - 1)
    reading = run(interview(server).ask(MODEL, REPLICA, Form(top_logprobs=4), FIRST[0]))
    assert len(server.asked) == TRIES
    assert reading.tokens == ("t00",)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (Server(down=True), "connection refused"),
        (Server(busy=99), "HTTP 503"),
        (Server(takes=lambda asked: False), "HTTP 400"),
    ],
)
def test_a_server_that_does_not_answer_is_said_to(server: Server, words: str) -> None:
    """A typed error with the reason; a refused request is not sent again."""
    with pytest.raises(IdentityUntested, match=words):
        run(interview(server).ask(MODEL, REPLICA, Form(), FIRST[0]))
    assert len(server.asked) <= TRIES


def test_a_missing_key_is_no_crash() -> None:
    """Control may run where the key is not; that is said of the replica."""

    class Keyless(Server):
        async def ask(self, model, url, path, body):  # type: ignore[no-untyped-def]
            raise SecretMissing(place="env:KEY", detail="the variable is not set")

    with pytest.raises(IdentityUntested, match="env:KEY"):
        run(interview(Keyless()).ask_all(MODEL, REPLICA, Form(), FIRST))


def test_silence_ends() -> None:
    """A server that takes a request and never answers costs a minute."""

    class Silent(Server):
        async def ask(self, model, url, path, body):  # type: ignore[no-untyped-def]
            await asyncio.sleep(1e6)

    with pytest.raises(IdentityUntested, match="no answer within 60 s"):
        run(interview(Silent()).ask(MODEL, REPLICA, Form(), FIRST[0]))


def test_an_answer_that_is_none_is_said_to_be() -> None:
    """HTTP 200 with something else in it."""

    class Page(Server):
        async def ask(self, model, url, path, body):  # type: ignore[no-untyped-def]
            return 200, b"<html>sign in</html>"

    with pytest.raises(IdentityUntested, match="no chat completion"):
        run(interview(Page()).ask(MODEL, REPLICA, Form(), FIRST[0]))


@pytest.mark.parametrize("root", ["/srv/models/small", "./small", "C:\\models\\small", "~/small"])
def test_a_path_on_the_server_is_not_kept(root: str) -> None:
    """A lock holds no paths of machines, and the same model lies elsewhere on another."""
    told = run(interview(Server(root=root)).server(MODEL, REPLICA))
    assert told == Told("0.32.0", "", 2048)


def test_each_answer_is_told_of() -> None:
    """So that it can be recorded and paid for: who was asked what, and the server's own usage."""
    answered: list[Answered] = []
    run(interview(Server(), answered).ask(MODEL, REPLICA, Form(), EXACT[0]))
    [one] = answered
    assert (one.model.name, one.replica, one.probe) == ("small", REPLICA, EXACT[0])
    assert json.loads(bytes(one.reading.usage))["completion_tokens"] == 3


@pytest.mark.parametrize(
    ("change", "rung"),
    [
        ({}, None),
        ({"shift": 0.01}, "exact"),
        ({"version": "0.33.0"}, "server"),
        ({"root": "org/other"}, "server"),
        ({"named": "org/other"}, "server"),
        ({"fingerprint": "vllm-2"}, "fingerprints"),
    ],
)
def test_a_check_finds_what_changed(change: dict[str, object], rung: str | None) -> None:
    """Each difference by the rung that shows it; without one there is no hit."""
    before = learned(Server())
    identity = Pinned(before.fingerprints, "0.32.0", before.served_model, "")
    now = interview(Server(**change))  # type: ignore[arg-type]
    found = run(examine(now, MODEL, REPLICA, before.baseline, identity, Random(1)))
    hit = found.hit  # type: ignore[attr-defined]
    assert (hit and hit.rung) == rung


def test_a_new_fingerprint_of_a_hosted_service_has_more_asked() -> None:
    """Three times as many answers are tested, and they are those of the locked model."""
    before = learned(Server(noise=0.01))
    server = Server(noise=0.01, fingerprint="fp_2", random=Random(9))
    hosted = replace(MODEL, engine="openai")
    work = examine(interview(server), hosted, REPLICA, before.baseline, Pinned(("fp_1",)), Random(1))
    found = run(work)
    assert found.hit is None  # type: ignore[attr-defined]
    assert len(server.asked) == MORE * len(questions(before.baseline))


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_probabilities_that_are_told_no_more_are_missed(noise: float) -> None:
    """Without them nothing could be compared, and nothing must look well."""
    before = learned(Server(noise=noise))
    with pytest.raises(IdentityUntested, match="no log-probabilities any more"):
        run(examine(interview(Server(top=0)), MODEL, REPLICA, before.baseline, Pinned(), Random(1)))
