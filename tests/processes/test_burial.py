"""Dead workers' epochs are settled, once, and again when the disk was full."""

from __future__ import annotations

import asyncio
import threading

from trimtab.errors import FormatError, StorageFull
from trimtab.processes.burial import Burial


class Graves:
    """A settler that is told how each epoch ends, and keeps what it was asked."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.at_once = 0
        self._lock = threading.Lock()

    def settle(self, epoch: str) -> int:
        assert self._lock.acquire(blocking=False), "two epochs were settled at once"
        self.asked.append(epoch)
        answer = self.answers.get(epoch, 0)
        self._lock.release()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, int)
        return answer


async def test_each_epoch_is_settled_once() -> None:
    """Epochs that were added are settled one after another, rows reaped first, and not again."""
    graves, reaped = Graves(b=2), []
    burial = Burial(graves.settle, lambda: reaped.append(list(graves.asked)))
    burial.add(["a", "b"])
    await asyncio.gather(burial.work(), burial.work())
    assert graves.asked == ["a", "b"]
    assert reaped[0] == []
    assert repr(burial) == "Burial(0 epochs wait)"


async def test_full_disk_makes_an_epoch_wait() -> None:
    """An epoch that found no room is tried again at the next turn, and the others are not held up."""
    graves = Graves(a=StorageFull(directory="data"))
    burial = Burial(graves.settle, lambda: None)
    burial.add(["a", "b"])
    await burial.work()
    assert repr(burial) == "Burial(1 epochs wait)"
    del graves.answers["a"]
    await burial.work()
    assert graves.asked == ["a", "b", "a"]
    assert repr(burial) == "Burial(0 epochs wait)"


async def test_damage_is_said_and_not_tried_again() -> None:
    """What could be read of a damaged segment has been settled: the epoch is done."""
    graves = Graves(a=FormatError(store="s", path="s", offset=3, detail="checksum"))
    burial = Burial(graves.settle, lambda: None)
    burial.add(["a"])
    await burial.work()
    await burial.work()
    assert graves.asked == ["a"]
