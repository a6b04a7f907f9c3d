"""Steps of a run: written once, met again, told apart, and never given an answer that was another's."""

from __future__ import annotations

import pytest

from tests.journal_runs.world import World, beginning, finishing
from trimtab.errors import StoreError
from trimtab.journal.asks import Begin, Begun, Load, Loaded, Read
from trimtab.journal.entries import Intent, Result, body_of
from trimtab.journal.runs.bodies import MemoryBodies


def test_an_intent_stands_before_the_result(world: World) -> None:
    """A step is written before it is taken and when it has been, in one log."""
    world.open()
    begun = world.begin("look", "aa", effect="write", key="k1")
    assert begun == Begun(3, 0, "go", key="k1")
    assert world.finish(3, b"seen").seq == 4
    assert world.kinds() == ["Started", "Leased", "Intent", "Result"]
    intent, result = world.entries()[2:]
    assert isinstance(intent, Intent) and isinstance(result, Result)
    assert (intent.label, intent.request, intent.occurrence, intent.branch, intent.effect) == (
        "look", "aa", 0, "main", "write",
    )  # fmt: skip
    assert (result.of, result.output) == (3, body_of(b"seen"))
    world.whole()


def test_an_ask_that_comes_again_changes_nothing(world: World) -> None:
    """The connection broke before the answer came: the same intent, the same result, and no entry more."""
    world.open()
    assert world.begin().seq == world.begin().seq == 3
    assert world.finish(3).changed
    again = world.finish(3)
    assert (again.seq, again.changed) == (4, False)
    assert len(world.entries()) == 4


def test_the_same_step_twice_is_two_occurrences(world: World) -> None:
    """A loop asks for the same again: its place in the branch tells the second from the first."""
    world.open()
    first = world.step(output=b"one")
    second = world.begin(after=first)
    assert (second.found, second.occurrence) == ("go", 1)
    world.finish(second.seq, b"two")
    assert [one.output.inline for one in world.entries() if isinstance(one, Result) and one.output] == ["one", "two"]


def test_another_result_is_refused(world: World) -> None:
    """The first result of a step stands."""
    world.open()
    world.step(output=b"one")
    assert world.refused(finishing(3, b"two", "r", 1, world.now)) == "ResultConflict"
    assert world.refused(finishing(3, b"one", "r", 1, world.now, outcome="error")) == "ResultConflict"
    assert world.refused(finishing(4, b"one", "r", 1, world.now)) == "StepUnknown"
    assert len(world.entries()) == 4


def test_a_run_taken_up_again_gets_what_is_recorded(world: World) -> None:
    """Each step of a branch is held against the one recorded there, and after the last one the run goes on."""
    world.open()
    first = world.step("look", "aa", b"one")
    second = world.step("pay", "bb", b"two", after=first)
    world.release()
    assert world.claim("d2", "r").epoch == 2
    met = world.begin("look", "aa", epoch=2)
    assert met.found == "recorded" and met.result is not None and met.result.output == body_of(b"one")
    met = world.begin("pay", "bb", epoch=2, after=first)
    assert met.found == "recorded" and met.result is not None and met.result.output == body_of(b"two")
    assert world.begin("more", "cc", epoch=2, after=second).found == "go"
    world.whole()


def test_a_changed_request_is_a_divergence(world: World) -> None:
    """The answer of another request is never given; the refusal names the step and both digests."""
    world.open()
    first = world.step("look", "aa")
    world.step("pay", "bb", after=first)
    world.release()
    world.claim("d2", "r")
    assert world.begin("look", "aa", epoch=2).found == "recorded"
    refused = world.ask(beginning("pay", "b0", epoch=2, after=first))
    assert refused.error == "Divergence"  # type: ignore[union-attr]
    facts = refused.facts  # type: ignore[union-attr]
    assert (facts["seq"], facts["label"], facts["recorded"], facts["request"]) == ("5", "pay", "bb", "b0")
    assert world.refused(beginning("pays", "bb", epoch=2, after=first)) == "Divergence"


def test_branches_are_met_in_any_order(world: World) -> None:
    """Two branches were recorded side by side; the second may come first when the run is taken up again."""
    world.open()
    for branch, output in (("main.1#a", b"left"), ("main.2#b", b"right")):
        world.step("look", "aa" if branch == "main.1#a" else "bb", output, branch=branch)
    world.release()
    world.claim("d2", "r")
    right = world.begin("look", "bb", epoch=2, branch="main.2#b")
    left = world.begin("look", "aa", epoch=2, branch="main.1#a")
    assert right.result is not None and right.result.output == body_of(b"right")
    assert left.result is not None and left.result.output == body_of(b"left")


@pytest.mark.parametrize("outputs", [(b"x", b"x"), (b"x", b"y")])
def test_siblings_that_began_alike(world: World, outputs: tuple[bytes, bytes]) -> None:
    """Branches that began alike are the same where their answers are; where these differ nothing is guessed."""
    world.open()
    for number, output in enumerate(outputs):
        world.step("look", "aa", output, branch=f"main.1~f0#{number}")
    world.release()
    world.claim("d2", "r")
    ask = beginning("look", "aa", epoch=2, branch="main.1~f0#1")
    if len(set(outputs)) == 1:
        assert world.told(ask, Begun).found == "recorded"
    else:
        assert world.refused(ask) == "Ambiguous"


def test_calls_that_nobody_orders(world: World) -> None:
    """Calls of a run without driver are told apart by what they ask for, and each is written however often it comes."""
    world.calls()
    for number in range(3):
        begun = world.begin("chat", "aa", run="g", epoch=0, branch="", call=f"c{number}")
        assert (begun.found, begun.occurrence) == ("go", number)
        world.finish(begun.seq, b"%d" % number, "g", 0)
    assert world.begin("chat", "aa", run="g", epoch=0, branch="", call="c2").found == "recorded"
    assert world.row("g").steps == 3
    world.whole("g")


def test_recorded_calls_are_given_once_in_a_session(world: World) -> None:
    """Recorded answers come in their order until one is not there; then the call goes out, and another session begins
    at the first one again.
    """
    world.calls()
    for number, request in enumerate(("aa", "bb", "aa")):
        begun = world.begin("chat", request, run="g", epoch=0, branch="", call=f"c{number}")
        world.finish(begun.seq, b"%d" % number, "g", 0)

    def served(request: str, session: str, call: str) -> str:
        begun = world.begin("chat", request, run="g", epoch=0, branch="", call=call, served=True, session=session)
        if begun.result is None or begun.result.output is None:
            return begun.found
        return str(begun.result.output.inline)

    assert served("bb", "s1", "d0") == "1"
    assert served("aa", "s1", "d1") == "0"
    assert served("aa", "s1", "d1") == "0"
    assert served("aa", "s1", "d2") == "2"
    world.again()
    assert served("aa", "s1", "d3") == "go"
    assert served("cc", "s1", "d4") == "go"
    assert served("aa", "s2", "e1") == "0"


def test_calls_side_by_side_with_other_answers_are_ambiguous(world: World) -> None:
    """Identical requests that were under way at the same time and had different answers are reported, not guessed."""
    world.calls()
    seqs = [world.begin("chat", "aa", run="g", epoch=0, branch="", call=f"c{n}").seq for n in range(2)]
    world.finish(seqs[0], b"left", "g", 0)
    world.finish(seqs[1], b"right", "g", 0)
    assert world.refused(beginning("chat", "aa", run="g", epoch=0, branch="", served=True)) == "Ambiguous"


@pytest.mark.parametrize(
    ("effect", "key", "found"),
    [("read", "", "go"), ("idempotent", "k", "go"), ("idempotent", "", "unknown"), ("write", "k", "unknown")],
)
def test_an_intent_without_result(world: World, effect: str, key: str, found: str) -> None:
    """A driver died between intent and result: only what may be repeated is sent again, under the same key."""
    world.open()
    world.begin("pay", "bb", effect=effect, key=key)
    world.release()
    world.claim("d2", "r")
    begun = world.begin("pay", "bb", epoch=2, effect=effect, key="another")
    assert begun == Begun(3, 0, found, key=key if found == "go" else "", again=found == "go")  # type: ignore[arg-type]
    assert world.row().state == ("parked" if found == "unknown" else "running")
    if found == "go":
        assert world.begin("pay", "bb", epoch=2, effect=effect) == Begun(3, 0, "go", key=key)


def test_long_bodies_are_on_disk_first(world: World) -> None:
    """The bytes of a long body are kept before the entry that names them is committed, and given on demand."""
    world.open()
    text = b"x" * 5000
    world.told(Begin("r", 1, "tool", "look", "aa", body_of(text), text, "main"), Begun)
    world.finish(3, text)
    loaded = world.told(Load("r", body_of(text).digest), Loaded)
    assert loaded.content == text
    assert world.refused(Load("r", "00" * 32)) == "BodyUnknown"
    wrong = Begin("r", 1, "tool", "look", "bb", body_of(b"y" * 5000), text, "main", after=3)
    assert world.refused(wrong) == "AskInvalid"


class Full(MemoryBodies):
    """A disk without room."""

    def sync(self) -> None:
        """Says so."""
        raise StoreError(store="packs", detail="no room")


def test_nothing_is_written_when_bodies_do_not_fit(world: World) -> None:
    """A commit whose bodies cannot be kept did not happen, for anybody in it."""
    world.open()
    world.open("s")
    world.store._bodies = Full()
    text = b"x" * 5000
    asks = [beginning("look", "aa", run="s"), beginning("look", "aa", input=body_of(text), content=text)]
    with pytest.raises(StoreError):
        world.store.do(asks)  # type: ignore[arg-type]
    world.store._bodies = MemoryBodies()
    assert world.kinds() == world.kinds("s") == ["Started", "Leased"]
    assert world.begin().seq == 3
    world.whole("r", "s")


def test_a_refused_ask_leaves_the_others(world: World) -> None:
    """Each ask of a commit is done or refused by itself."""
    world.open()
    told = world.store.do(
        [beginning("look", "aa"), beginning("look", "aa", epoch=7), beginning("see", "bb", branch="b")]
    )
    assert [type(one).__name__ for one in told] == ["Begun", "Refused", "Begun"]
    assert world.kinds() == ["Started", "Leased", "Intent", "Intent"]
    world.whole()


def test_texts_have_bounds(world: World) -> None:
    """Labels that no database could hold, and steps without request, are refused."""
    world.open()
    for facts in ({"label": "a\0b"}, {"label": "x" * 1001}, {"request": ""}):
        assert world.refused(beginning(**facts)) == "AskInvalid"
    assert world.refused(Read("nobody")) == "RunUnknown"
