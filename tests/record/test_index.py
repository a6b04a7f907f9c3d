"""Finding bodies: while packs are written, after they are finished, made smaller, deleted or damaged."""

import contextlib
import os
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.record.wiring import EPOCH, Worker
from trimtab.errors import FormatError
from trimtab.record import index as module
from trimtab.record import packs, retention
from trimtab.record.index import BodyIndex
from trimtab.record.packs import Kind

BODIES = [b'{"model":"m","messages":["%d %s"]}' % (n, b"text " * 100) for n in range(40)]


def message_of(body):
    return [body[body.index(b"[") + 1 : -2]]


def filled(directory, **limits):
    """A worker that kept 40 requests; gives it and their digests."""
    worker = Worker(directory, **limits)
    return worker, [worker.request(body, message_of(body)).body for body in BODIES]


def test_bodies_are_found_while_the_pack_is_written(tmp_path):
    """What was written is found after the next update, what was not is not."""
    worker = Worker(tmp_path)
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    for body in BODIES:
        digest = worker.request(body, message_of(body)).body
        assert index.read(digest) is None
        index.update()
        assert index.read(digest) == body


def test_bodies_are_found_over_many_packs(tmp_path, monkeypatch):
    """Finished packs have index files, of which a bounded number is open; a fresh index finds the same."""
    monkeypatch.setattr(module, "MAX_OPEN_INDEXES", 3)
    worker, digests = filled(tmp_path, pack_bytes=1500)
    worker.recorder.close()
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    finished = len(list((tmp_path / "bodies" / EPOCH).glob("*.pack")))
    assert finished > 10
    assert len(list((tmp_path / "bodies" / EPOCH).glob("*.idx"))) == finished
    assert [index.read(digest) for digest in digests] == BODIES
    assert len(index._open) <= 3
    again = BodyIndex(tmp_path / "bodies")
    again.update()
    assert [again.read(digest) for digest in reversed(digests)] == BODIES[::-1]
    assert repr(again) == f"BodyIndex({tmp_path / 'bodies'}, {finished} finished packs, 0 live)"


def test_index_files_can_be_thrown_away(tmp_path):
    """A missing, cut or foreign index file is made again from its pack."""
    worker, digests = filled(tmp_path, pack_bytes=1500)
    worker.recorder.close()
    BodyIndex(tmp_path / "bodies").update()
    first, second, third, *_ = sorted((tmp_path / "bodies" / EPOCH).glob("*.idx"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-7])
    third.write_bytes(b"what is this")
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    assert [index.read(digest) for digest in digests] == BODIES


def test_packs_made_smaller_read_the_same(tmp_path):
    """Compressing a finished pack saves space, keeps its time, and is done once."""
    worker, digests = filled(tmp_path)
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    pack = tmp_path / "bodies" / EPOCH / "00000000.pack"
    assert retention.compact(pack) == 0
    worker.recorder.close()
    os.utime(pack, ns=(10**18, 10**18))
    index.update()
    before = pack.stat().st_size
    saved = retention.compact(pack)
    assert saved > before / 2
    assert (pack.stat().st_size, pack.stat().st_mtime_ns) == (before - saved, 10**18)
    assert packs.is_sealed(pack)
    assert retention.compact(pack) == 0
    index.update()
    assert [index.read(digest) for digest in digests] == BODIES
    assert list(pack.parent.glob("*.compacting")) == []


def test_deleted_packs_are_forgotten(tmp_path):
    """Bodies of packs that are gone are not kept, those of other packs are."""
    worker, digests = filled(tmp_path, pack_bytes=1500)
    worker.recorder.close()
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    for path in (tmp_path / "bodies" / EPOCH).glob("0000000[0-4].pack"):
        path.unlink()
    index.update()
    found = [index.read(digest) for digest in digests]
    kept = found.index(next(body for body in found if body is not None))
    assert 0 < kept < 40
    assert found == [None] * kept + BODIES[kept:]


def test_what_is_no_digest_is_not_kept(tmp_path):
    """An empty reference, nonsense and a digest nobody wrote give None."""
    worker, _ = filled(tmp_path)
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    for digest in ("", "xyz", "ab", "0" * 64, "0" * 66):
        assert index.read(digest) is None
        assert index.messages(digest) is None
    node = worker.request(BODIES[0], message_of(BODIES[0])).messages
    assert index.read(node) is None
    assert index.messages(node) == message_of(BODIES[0])


def test_a_request_with_a_missing_part_is_not_kept(tmp_path):
    """If a message or a piece of a body is gone the body is not made up."""
    log = Worker(tmp_path).packs
    around = module.chains.Around(10, b"\1" * 32, 1, [])
    content = module.chains.encode(around)
    for kind, content_of_kind in ((Kind.REQUEST, content), (Kind.PIECES, b"\2" * 32)):
        digest = sha256(content_of_kind).digest()
        log.append([packs.head(kind, digest, len(content_of_kind)), content_of_kind], lambda _: 0)
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    assert index.read(sha256(content).hexdigest()) is None
    assert index.read(sha256(b"\2" * 32).hexdigest()) is None


def test_bodies_made_of_themselves_are_damage(tmp_path):
    """A body that refers to itself is told as damage, not followed for ever."""
    log = Worker(tmp_path).packs
    log.append([packs.head(Kind.PIECES, b"\3" * 32, 32), b"\3" * 32], lambda _: 0)
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    with pytest.raises(FormatError, match="too deep"):
        index.read("03" * 32)


def test_a_body_with_other_bytes_is_damage(tmp_path):
    """What does not have the digest it is stored under is never given out."""
    worker = Worker(tmp_path)
    digest = worker.response([b"the answer"])
    worker.recorder.close()
    pack = tmp_path / "bodies" / EPOCH / "00000000.pack"
    pack.write_bytes(pack.read_bytes().replace(b"the answer", b"another one"[:10]))
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    with pytest.raises(FormatError, match="other bytes"):
        index.read(digest)


def test_packs_made_smaller_behind_its_back_are_found(tmp_path):
    """An index that was open when another process compressed a pack, or deleted it, gives the right bytes or none."""
    worker, digests = filled(tmp_path, pack_bytes=8000)
    worker.recorder.close()
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    assert index.read(digests[0]) == BODIES[0]
    first, second, *_ = sorted((tmp_path / "bodies" / EPOCH).glob("*.pack"))
    assert retention.compact(first) > 0
    second.unlink()
    second.with_suffix(".idx").unlink()
    found = [index.read(digest) for digest in digests]
    assert found[:5] == BODIES[:5] and found[-1] == BODIES[-1]
    assert all(body in (None, expected) for body, expected in zip(found, BODIES, strict=True))
    assert None in found


def test_what_is_no_pack_is_left_alone(tmp_path):
    """Other files among the bodies are neither indexed nor deleted."""
    worker, digests = filled(tmp_path)
    worker.recorder.close()
    (tmp_path / "bodies" / "README").write_text("hello")
    (tmp_path / "bodies" / EPOCH / "notes.pack").write_text("hello")
    index = BodyIndex(tmp_path / "bodies")
    index.update()
    assert index.read(digests[0]) == BODIES[0]
    assert retention.retain(tmp_path / "bodies", 2**62).deleted == 1
    assert (tmp_path / "bodies" / EPOCH / "notes.pack").exists()


def test_a_damaged_pack_does_not_hide_the_others(tmp_path):
    """Damage is told, what precedes it and all other packs are found."""
    worker, digests = filled(tmp_path, pack_bytes=1500)
    worker.recorder.close()
    victim = sorted((tmp_path / "bodies" / EPOCH).glob("*.pack"))[3]
    data = bytearray(victim.read_bytes())
    entries = list(packs.scan(victim, 0))
    data[entries[2].offset + 5] ^= 0xFF
    victim.write_bytes(data)
    index = BodyIndex(tmp_path / "bodies")
    with pytest.raises(FormatError, match="00000003"):
        index.update()
    index.update()
    found = [index.read(digest) for digest in digests]
    assert 1 <= sum(body is None for body in found) <= 3
    assert found[found.index(None) - 1] in BODIES
    assert all(body in (None, expected) for body, expected in zip(found, BODIES, strict=True))


@given(st.data())
def test_flipped_bits_and_cuts_never_give_wrong_bytes(tmp_path_factory, data):
    """Wherever a pack is damaged or cut, a body is right, not kept, or a typed error."""
    directory = tmp_path_factory.mktemp("data")
    worker = Worker(directory, reserve_bytes=1)
    bodies = [b'{"messages":["a","b"],"n":1}', b'{"messages":["a","' + b"c" * 1500 + b'"]}']
    kept = [
        worker.request(bodies[0], [b'"a"', b'"b"']).body,
        worker.request(bodies[1], [b'"a"', b'"' + b"c" * 1500 + b'"']).body,
        worker.response([b"x" * 20_000, b"y"]),
    ]
    bodies.append(b"x" * 20_000 + b"y")
    worker.recorder.close()
    pack = directory / "bodies" / EPOCH / "00000000.pack"
    if data.draw(st.booleans()):
        retention.compact(pack)
    raw = bytearray(pack.read_bytes())
    for position in data.draw(st.lists(st.integers(0, min(len(raw) - 1, 4000)), max_size=4)):
        raw[position] ^= 1 << data.draw(st.integers(0, 7))
    del raw[data.draw(st.integers(0, len(raw))) :]
    pack.write_bytes(raw)
    index = BodyIndex(directory / "bodies")
    with contextlib.suppress(FormatError):
        index.update()
    for digest, body in zip(kept, bodies, strict=True):
        with contextlib.suppress(FormatError):
            assert index.read(digest) in (None, body)


@given(st.binary(max_size=500))
def test_arbitrary_bytes_as_a_pack_give_a_typed_error(tmp_path_factory, raw):
    """No bytes make the index crash or hang, with or without a valid header before them."""
    directory = tmp_path_factory.mktemp("bodies") / EPOCH
    directory.mkdir()
    header = packs.fileheader.encode(packs.PACK, packs.FileHeader(EPOCH, 0, 0))
    (directory / "00000000.pack").write_bytes(raw)
    (directory / "00000001.pack").write_bytes(header + raw)
    index = BodyIndex(directory.parent)
    with contextlib.suppress(FormatError):
        index.update()
    assert index.read("0" * 64) is None
