"""Which packs may be deleted, and none other."""

import os

from tests.record.wiring import EPOCH, Worker
from trimtab.record import retention


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
    assert retention.delete_packs(tmp_path / "bodies", 2 * hour_ns) == 0
    assert retention.delete_packs(tmp_path / "bodies", 2 * hour_ns + 1) == 2
    assert sorted(path.name for path in (tmp_path / "bodies" / EPOCH).iterdir()) == ["00000002.idx", "00000002.pack"]
    worker.recorder.close()
    os.utime(paths[2], ns=(hour_ns, hour_ns))
    assert retention.delete_packs(tmp_path / "bodies", 3 * hour_ns) == 1
    assert not (tmp_path / "bodies" / EPOCH).exists()
