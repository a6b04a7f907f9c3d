"""Single bodies leave packs before their time, and nothing else does."""

from hashlib import sha256

from tests.record.test_retention import aged, chat, index_of
from tests.record.wiring import Worker
from trimtab.record.shredding import shred


def roots(*refs):
    """The digests that records name, as bytes."""
    return {bytes.fromhex(digest) for one in refs for digest in one if digest}


def test_a_conversation_goes_and_the_one_that_began_alike_stays(tmp_path):
    """What both are made of stays for the other; the words of the first alone are in no pack."""
    worker = Worker(tmp_path, pack_bytes=1 << 20)
    going, going_messages = chat(b"shared" * 400, b"secret" * 400)
    staying, messages = chat(b"shared" * 400, b"other" * 400)
    first, second = worker.request(going, going_messages), worker.request(staying, messages)
    answer = worker.response([b"answer%06d " % number * 50 for number in range(200)])
    worker.recorder.close()
    wanted = roots(first) | {bytes.fromhex(answer)}
    done = shred(tmp_path / "bodies", wanted, lambda digests: set())
    assert done.gone == wanted and done.freed > 0
    index = index_of(tmp_path)
    assert (index.read(second.body), index.messages(second.messages)) == (staying, messages)
    assert [index.read(digest) for digest in (first.body, answer)] == [None, None]
    assert index.read(sha256(going_messages[1]).hexdigest()) is None
    assert shred(tmp_path / "bodies", wanted, lambda digests: set()) == (wanted, 0)


def test_what_somebody_else_refers_to_stays(tmp_path):
    """The same request of another user is the same body: it stays, whole, and counts as dealt with."""
    worker = Worker(tmp_path, pack_bytes=1 << 20)
    body, messages = chat(b"alike" * 400)
    refs = worker.request(body, messages)
    worker.recorder.close()
    done = shred(tmp_path / "bodies", roots(refs), lambda digests: roots(refs))
    assert done.gone == roots(refs)
    assert index_of(tmp_path).read(refs.body) == body


def test_a_pack_that_is_still_written_is_left_for_later(tmp_path):
    """Its bodies are not gone yet, and go when it is finished."""
    worker = Worker(tmp_path, pack_bytes=1 << 20)
    refs = worker.request(b"secret" * 100, None)
    worker.bodies.flush()
    assert shred(tmp_path / "bodies", roots(refs), lambda digests: set()).gone == set()
    worker.recorder.close()
    aged(tmp_path)
    assert shred(tmp_path / "bodies", roots(refs), lambda digests: set()).gone == roots(refs)
    assert index_of(tmp_path).read(refs.body) is None
