"""The body store: what each redaction keeps, exact bytes back, and linear space for growing histories."""

import json
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.record.wiring import EPOCH, BrokenDisk, HandClock, Worker
from trimtab.errors import StoreError
from trimtab.record import packs
from trimtab.record.index import BodyIndex
from trimtab.record.packs import Kind


class Chat(msgspec.Struct):
    """As much of a request as tells its messages apart."""

    messages: list[msgspec.Raw]


def messages_of(body):
    return msgspec.json.decode(body, type=Chat).messages


def index_of(worker):
    index = BodyIndex(worker.directory / "bodies")
    index.update()
    return index


def chat(*texts, **more):
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text} for text in texts]} | more).encode()


def test_a_request_comes_back_byte_for_byte(tmp_path):
    """What is read under a request's digest is the request, and its digest is the sha256 of it."""
    worker = Worker(tmp_path)
    body = chat("be brief", "why?" * 1000, tools=[{"name": "x" * 500}])
    refs = worker.request(body, messages_of(body))
    assert refs.body == sha256(body).hexdigest()
    index = index_of(worker)
    assert index.read(refs.body) == body
    assert index.messages(refs.messages) == [bytes(message) for message in messages_of(body)]


spacing = st.text(alphabet=" \n\t\r", max_size=3)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 99), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def spaced(draw, value):
    """JSON of a value with whitespace wherever JSON allows it."""
    pad = [draw(spacing) for _ in range(4)]
    if isinstance(value, list):
        inner = ",".join(pad[0] + draw(spaced(one)) + pad[1] for one in value)
        return f"{pad[2]}[{inner}]{pad[3]}"
    if isinstance(value, dict):
        inner = ",".join(f"{pad[0]}{json.dumps(name)}{pad[1]}:{draw(spaced(one))}" for name, one in value.items())
        return f"{pad[2]}{{{inner}}}{pad[3]}"
    return pad[2] + json.dumps(value, ensure_ascii=draw(st.booleans())) + pad[3]


@st.composite
def requests(draw):
    """Requests with any messages, other fields around them and any spacing."""
    fields = draw(st.dictionaries(st.text(max_size=5), values, max_size=3))
    fields["messages"] = draw(st.lists(values, max_size=5))
    return draw(spaced(dict(draw(st.permutations(list(fields.items()))))))


@given(st.lists(requests(), min_size=1, max_size=3))
def test_any_spacing_and_any_messages_come_back(tmp_path_factory, bodies):
    """However a client writes its JSON, the exact bytes can be made again."""
    worker = Worker(tmp_path_factory.mktemp("data"), reserve_bytes=1)
    bodies = [body.encode("utf-8", "surrogatepass") for body in bodies]
    kept = []
    for body in bodies:
        try:
            messages = messages_of(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            messages = None
        kept.append(worker.request(body, messages))
    worker.recorder.close()
    index = index_of(worker)
    assert [index.read(refs.body) for refs in kept] == bodies


def test_messages_that_are_no_slices_of_the_body_keep_it_whole(tmp_path):
    """If the list does not come from this body nothing is lost: the body is kept as one."""
    worker = Worker(tmp_path)
    refs = worker.request(b'{"messages":[1,2]}', [b"2", b"1"])
    assert refs.messages == ""
    assert index_of(worker).read(refs.body) == b'{"messages":[1,2]}'


@pytest.mark.parametrize("size", [300, 3000])
def test_a_growing_history_takes_linear_space(tmp_path, size):
    """An agent's 100 calls with growing histories take about twice the space of 50, not four times."""
    worker = Worker(tmp_path, pack_bytes=1 << 30)
    used, bodies, kept = [], [], []
    history = []
    for number in range(100):
        history += [f"{number} asks " + "a" * size, f"{number} answers " + "b" * size]
        bodies.append(chat(*history, tools=[{"name": "t" * 5000}]))
        kept.append(worker.request(bodies[-1], messages_of(bodies[-1])).body)
        used.append(worker.pack_bytes())
    sent = sum(map(len, bodies))
    assert used[99] < 2.05 * used[49]
    assert used[99] < sent / 20
    index = index_of(worker)
    assert [index.read(digest) for digest in kept] == bodies


def test_what_the_pack_has_is_not_written_again(tmp_path):
    """The same request and the same answer twice take space once."""
    worker = Worker(tmp_path)
    body = chat("hello")
    first = (worker.request(body, messages_of(body)), worker.response([b"answer"]))
    size = worker.pack_bytes()
    assert (worker.request(body, messages_of(body)), worker.response([b"answer"])) == first
    assert worker.pack_bytes() == size


def test_each_pack_is_complete_in_itself(tmp_path):
    """When an old pack is gone, requests made since a newer one began can still be read."""
    clock = HandClock()
    worker = Worker(tmp_path, clock=clock, age_s=60.0)
    first = chat("one")
    worker.request(first, messages_of(first))
    clock.now_s = 61.0
    second = chat("one", "two")
    refs = worker.request(second, messages_of(second))
    worker.recorder.close()
    (tmp_path / "bodies" / EPOCH / "00000000.pack").unlink()
    assert index_of(worker).read(refs.body) == second


def test_digest_keeps_digests_only(tmp_path):
    """Under `digest` the records name what was sent and nothing of it is on disk."""
    worker = Worker(tmp_path)
    body = chat("private")
    assert worker.request(body, messages_of(body), "digest") == (sha256(body).hexdigest(), "")
    assert worker.response([b"pri", b"vate"], "digest") == sha256(b"private").hexdigest()
    assert worker.pack_bytes() == 0


def test_none_keeps_nothing(tmp_path):
    """Under `none` there is not even a digest."""
    worker = Worker(tmp_path)
    body = chat("private")
    assert worker.request(body, messages_of(body), "none") == ("", "")
    assert worker.response([b"private"], "none") == ""
    assert worker.pack_bytes() == 0


def test_preview_keeps_the_first_200_characters_of_each_text(tmp_path):
    """Under `preview` every text is cut to 200 characters, and the body's own digest and size are told."""
    worker = Worker(tmp_path)
    body = chat("é" * 500, "short")
    refs = worker.request(body, messages_of(body), "preview")
    answer = json.dumps({"choices": [{"message": {"content": "z" * 500}}]}).encode()
    kept = worker.response([answer[:90], answer[90:]], "preview")
    index = index_of(worker)
    assert json.loads(index.read(refs.body)) == {
        "redaction": "preview",
        "sha256": sha256(body).hexdigest(),
        "bytes": len(body),
        "body": {
            "model": "m",
            "messages": [{"role": "user", "content": "é" * 200}, {"role": "user", "content": "short"}],
        },
    }
    shown = json.loads(index.read(kept))
    assert shown["body"] == {"choices": [{"message": {"content": "z" * 200}}]}
    assert shown["sha256"] == sha256(answer).hexdigest()
    assert b"z" * 201 not in b"".join(path.read_bytes() for path in (tmp_path / "bodies").glob("*/*.pack"))


def test_no_answer_has_no_digest(tmp_path):
    """A call that never got a byte refers to no body."""
    worker = Worker(tmp_path)
    assert worker.response([]) == ""
    assert worker.response([], "digest") == ""


@given(st.lists(st.binary(max_size=30_000), min_size=1, max_size=6))
def test_long_answers_come_back_from_their_pieces(tmp_path_factory, chunks):
    """However an answer is cut into chunks, its bytes are the same when read."""
    worker = Worker(tmp_path_factory.mktemp("data"), reserve_bytes=1)
    kept = worker.response(chunks)
    worker.recorder.close()
    answer = b"".join(chunks)
    if answer:
        assert kept == sha256(answer).hexdigest()
        assert index_of(worker).read(kept) == answer


def test_a_long_answer_is_not_held_in_memory(tmp_path):
    """While a long stream is captured, what it holds stays about a piece."""
    worker = Worker(tmp_path, pack_bytes=1 << 30)
    capture = worker.bodies.capture("full")
    most = 0
    for number in range(20_000):
        capture.add(b"%06d" % number + b"x" * 214, number * 0.01)
        most = max(most, len(capture.held()))
    assert most <= (16 << 10) + 220
    assert worker.pack_bytes() > 3_500_000
    kept = worker.bodies.response(capture)
    worker.bodies.flush()
    assert len(index_of(worker).read(kept)) == 20_000 * 220


def test_a_message_that_was_a_request_before_is_found(tmp_path):
    """The same bytes may be a whole request once and a message of another later."""
    worker = Worker(tmp_path)
    inner = chat("x" * 3000)
    worker.request(inner, messages_of(inner))
    outer = b'{"messages":[' + inner + b"]}"
    refs = worker.request(outer, [inner])
    assert index_of(worker).read(refs.body) == outer


def test_forgetting_what_is_known_costs_space_only(tmp_path, monkeypatch):
    """With more bodies than are remembered, some are written twice and all are found."""
    monkeypatch.setattr("trimtab.record.bodies.KNOWN_BODIES", 8)
    worker = Worker(tmp_path)
    bodies = [chat(*[f"m{n}" for n in range(number)]) for number in range(1, 30)]
    kept = [worker.request(body, messages_of(body)).body for body in bodies]
    assert len(worker.bodies._known) <= 8
    index = index_of(worker)
    assert [index.read(digest) for digest in kept] == bodies


def test_many_small_bodies_wait_no_longer_than_they_may(tmp_path):
    """Bodies nobody flushes are written when 256 KiB of them wait."""
    worker = Worker(tmp_path, pack_bytes=1 << 30)
    for number in range(300):
        worker.bodies.request(b"%04d" % number + b"x" * 1000, None, "full")
    assert 250_000 < worker.pack_bytes() < 300_000


def test_frames_say_what_they_are(tmp_path):
    """A pack's frames are in the order they were kept, and the last one seals it."""
    worker = Worker(tmp_path)
    body = chat("a", "b" * 2000)
    worker.request(body, messages_of(body))
    worker.recorder.close()
    kinds = [entry.kind for entry in packs.scan(tmp_path / "bodies" / EPOCH / "00000000.pack", 0)]
    assert kinds == [Kind.NODE, Kind.BLOB, Kind.LINK, Kind.REQUEST, Kind.END]


def test_what_a_broken_disk_did_not_take_is_kept_when_it_comes_again(tmp_path):
    """Bodies that were lost with a failing disk are counted, and not taken for stored afterwards."""
    disk = BrokenDisk()
    worker = Worker(tmp_path, disk=disk)
    first, second = chat("first"), chat("second")
    worker.request(first, messages_of(first))
    disk.broken = True
    with pytest.raises(StoreError):
        worker.request(second, messages_of(second))
    assert worker.bodies.lost == 2
    disk.broken = False
    refs = worker.request(second, messages_of(second))
    assert index_of(worker).read(refs.body) == second
