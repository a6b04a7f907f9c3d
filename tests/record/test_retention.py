"""Which packs may be deleted, and none other."""

import os
from hashlib import sha256

import pytest

from tests.record.wiring import EPOCH, Worker
from trimtab.errors import FormatError
from trimtab.record import packs, retention
from trimtab.record.index import BodyIndex

HOUR_NS = 3600 * 10**9


def test_packs_go_when_no_call_within_the_retention_can_refer_to_them(tmp_path):
    """A pack goes an hour after its last body left the retention, with its index; a live pack never goes."""
    worker = Worker(tmp_path, pack_bytes=1)
    for number in range(3):
        worker.request(b"%d" % number * 100, None)
    paths = sorted((tmp_path / "bodies" / EPOCH).glob("*.pack"))
    hour_ns = 3600 * 10**9
    for path in paths:
        os.utime(path, ns=(hour_ns, hour_ns))
        path.with_suffix(".idx").write_bytes(b"")
    assert retention.retain(tmp_path / "bodies", 2 * hour_ns).deleted == 0
    assert retention.retain(tmp_path / "bodies", 2 * hour_ns + 1).deleted == 2
    assert sorted(path.name for path in (tmp_path / "bodies" / EPOCH).iterdir()) == ["00000002.idx", "00000002.pack"]
    worker.recorder.close()
    os.utime(paths[2], ns=(hour_ns, hour_ns))
    assert retention.retain(tmp_path / "bodies", 3 * hour_ns).deleted == 1
    assert not (tmp_path / "bodies" / EPOCH).exists()


def aged(tmp_path):
    """Gives all packs the same great age."""
    for path in (tmp_path / "bodies" / EPOCH).glob("*.pack"):
        os.utime(path, ns=(HOUR_NS, HOUR_NS))


def index_of(tmp_path):
    """An index of all that is there."""
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    return index


def chat(*texts):
    """A request of some messages, and those messages."""
    messages = [b'{"role":"user","content":"' + text + b'"}' for text in texts]
    return b'{"model":"m","messages":[' + b",".join(messages) + b'],"tools":"' + b"t" * 400 + b'"}', messages


def test_what_is_named_stays_with_all_that_it_is_made_of(tmp_path):
    """Of two conversations that begin alike one can be read to its last byte, and the rest of the other goes."""
    worker = Worker(tmp_path)
    kept, messages = chat(b"a" * 2000, b"b" * 30, b"c" * 5000)
    other, others = chat(b"a" * 2000, b"d" * 9000)
    kept_refs, other_refs = worker.request(kept, messages), worker.request(other, others)
    answer = worker.response([b"%06d " % number * 100 for number in range(2000)])
    gone = worker.response([b"%06d:" % number * 100 for number in range(2000)])
    worker.recorder.close()
    aged(tmp_path)
    named = {bytes.fromhex(kept_refs.body), bytes.fromhex(answer)}
    done = retention.retain(tmp_path / "bodies", 9 * HOUR_NS, lambda digests, before_ns: named & set(digests))
    assert done.freed > 10_000
    index = index_of(tmp_path)
    assert index.read(kept_refs.body) == kept
    assert index.messages(kept_refs.messages) == messages
    assert index.read(answer) == b"".join(b"%06d " % number * 100 for number in range(2000))
    assert [index.read(digest) for digest in (other_refs.body, gone)] == [None, None]
    assert index.read(sha256(others[1]).hexdigest()) is None


def test_a_pack_that_nothing_names_is_deleted(tmp_path):
    """What holds nothing named goes as a whole, and what is named in none keeps none."""
    worker = Worker(tmp_path, pack_bytes=1)
    for number in range(3):
        worker.request(b"%d" % number * 100, None)
    worker.recorder.close()
    aged(tmp_path)
    named = {sha256(b"1" * 100).digest()}
    done = retention.retain(tmp_path / "bodies", 9 * HOUR_NS, lambda digests, before_ns: named & set(digests))
    assert (done.deleted, done.smaller) == (2, 0)
    assert index_of(tmp_path).read(sha256(b"1" * 100).hexdigest()) == b"1" * 100


def test_a_pack_that_may_hold_what_is_named_and_is_damaged_stays(tmp_path):
    """It is told, and the others are looked after all the same."""
    worker = Worker(tmp_path, pack_bytes=1)
    for number in range(3):
        worker.request(b"%d" % number * 100, None)
    worker.recorder.close()
    aged(tmp_path)
    paths = sorted((tmp_path / "bodies" / EPOCH).glob("*.pack"))
    data = bytearray(paths[1].read_bytes())
    data[next(packs.scan(paths[1], 0)).offset + 5] ^= 0xFF
    paths[1].write_bytes(data)
    aged(tmp_path)
    with pytest.raises(FormatError):
        retention.retain(tmp_path / "bodies", 9 * HOUR_NS, lambda digests, before_ns: set())
    assert [path.exists() for path in paths] == [False, True, False]


def test_whoever_reads_a_pack_that_is_made_smaller_finds_what_is_left(tmp_path):
    """An index that was made before reads what is named after, and nothing else, without an error."""
    worker = Worker(tmp_path)
    bodies = [b"%d" % number * 700 for number in range(9)]
    refs = [worker.request(body, None) for body in bodies]
    worker.recorder.close()
    aged(tmp_path)
    index = index_of(tmp_path)
    assert [index.read(one.body) for one in refs] == bodies
    named = {bytes.fromhex(refs[7].body)}
    retention.retain(tmp_path / "bodies", 9 * HOUR_NS, lambda digests, before_ns: named & set(digests))
    assert [index.read(one.body) for one in refs] == [None] * 7 + [bodies[7], None]
    index.update()
    assert index.read(refs[7].body) == bodies[7]
