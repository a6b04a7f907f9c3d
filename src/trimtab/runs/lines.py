"""Lines of control flow: which branch of a run a step lies in, told from the task or thread that takes it.

Within a line steps follow each other. Each asyncio task, each thread, and the inside of each step is a line of its own.
Its name says where it left its parent, so that it is the same in each execution, in whatever order tasks run:

    main            the run's function
    main.3          the inside of its third step
    main.3.0        the first of the branches that began together in the place of its third step
    main.3~9f86d081#0
                    a task that was made after its third step, and whose first step has a label and request of that
                    digest; the number tells those apart that began alike
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from hashlib import sha256
from typing import Final
from weakref import WeakKeyDictionary

ROOT: Final = "main"
LONGEST: Final = 200
"""Characters of a branch's name; a longer one is cut down to its digest."""


class Line:
    """One line: `taken` counts its steps so far, `last` is the seq of the latest; `unheard` is the request of a call
    through the gateway whose seq is not known yet, empty for none.

    One inside a write `lasts`: a task on it is not cancelled, but waited for.
    """

    __slots__ = ("last", "lasts", "name", "taken", "thread", "unheard")

    def __init__(self, name: str, thread: int = 0, *, lasts: bool = False) -> None:
        self.name = name
        self.taken = 0
        self.last = 0
        self.unheard = ""
        self.thread = thread
        self.lasts = lasts

    def __repr__(self) -> str:
        return f"Line({self.name}, {self.taken} steps)"

    def inside(self, *, lasts: bool = False) -> Line:
        """The line inside the step that is being taken."""
        return Line(_short(f"{self.name}.{self.taken}"), self.thread, lasts=lasts or self.lasts)

    def branch(self, number: int) -> Line:
        """One of several lines that begin together, in the place of a step."""
        return Line(_short(f"{self.name}.{self.taken}.{number}"), lasts=self.lasts)


class Lines:
    """The lines of one run in this process; used from many threads. It has `parted` once there are several."""

    def __init__(self) -> None:
        self.parted = False
        self._of_tasks: WeakKeyDictionary[asyncio.Task[object], Line] = WeakKeyDictionary()
        self._alike: Counter[str] = Counter()
        self._lock = threading.Lock()

    def root(self) -> Line:
        """The run's own line, which belongs to whoever calls this."""
        line = Line(ROOT, threading.get_ident())
        self.put(line)
        return line

    def tasks(self, *, lasting: bool) -> list[asyncio.Task[object]]:
        """The tasks that are on lines that last, or on those that do not."""
        with self._lock:
            return [task for task, line in self._of_tasks.items() if line.lasts == lasting]

    def put(self, line: Line) -> None:
        """From here on the running task is on that line."""
        task = running_task()
        if task is not None:
            with self._lock:
                self._of_tasks[task] = line

    def here(self, parent: Line, taken: int, label: str, request: str) -> Line:
        """The line of whoever calls this, as they begin a step.

        `parent` is the line that the calling context knows of, `taken` how many steps that had when the context was
        copied; they name the line of a task or thread that has none yet.
        """
        task = running_task()
        if task is not None:
            with self._lock:
                found = self._of_tasks.get(task)
            if found is not None:
                return found
        elif parent.thread == threading.get_ident():
            return parent
        first = sha256(f"{label}\0{request}".encode()).hexdigest()[:16]
        stem = _short(f"{parent.name}.{taken}~{first}")
        with self._lock:
            self.parted = True
            number = self._alike[stem]
            self._alike[stem] += 1
        line = Line(f"{stem}#{number}", 0 if task is not None else threading.get_ident(), lasts=parent.lasts)
        self.put(line)
        return line


def running_task() -> asyncio.Task[object] | None:
    """The task that runs in this thread; None where no loop runs."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"~{sha256(name.encode()).hexdigest()[:32]}"
