"""What git tells of a project's files: who changed them last, and what they were. It is read, never written.

Git runs as a program, without a shell, and of what a repository's configuration may have it run (hooks, pagers,
signature checks, file system monitors, fetching of missing objects) it runs nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from trimtab.errors import GitFailed, GitTookTooLong, RevisionUnknown

TIME_LIMIT_S: Final = 30.0
MAX_CONTENT: Final = 64 << 20
"""Bytes of a file that is read from a commit; a larger one is not."""
MAX_COMMITS: Final = 10_000
MAX_OF_A_FILE: Final = 200
"""How far back changes of files are looked for: commits of all of them, and of each."""
MAX_AUTHOR: Final = 200
_ARGUMENT_BYTES: Final = 64 << 10
_PROGRAM: Final = (
    "git",
    "--no-pager",
    "--literal-pathspecs",
    "--no-optional-locks",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "log.showSignature=false"),
    *("-c", "log.showRoot=true"),
    *("-c", "log.follow=false"),
    *("-c", "i18n.logOutputEncoding=UTF-8"),
    *("-c", "diff.relative=false"),
    *("-c", "protocol.allow=never"),
)
_KEPT: Final = re.compile(r"GIT_(CONFIG|AUTHOR_(NAME|EMAIL)|CEILING_DIRECTORIES|DISCOVERY)")
"""What a caller may tell git by its environment; the rest speaks of another repository, or is for hooks."""
_FORMAT: Final = "%x01%H%x00%P%x00%aN%x00%aE%x00%at%x00%s"
_FIELDS: Final = 6
_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FILE: Final = re.compile(r"100(?:644|755) blob [0-9a-f]+ +(\d+)\t(.+)", re.DOTALL)
"""A line of `git ls-tree`: mode, kind, hash, size and path."""
_COMMIT: Final = re.compile(rb"\n?\x01([0-9a-f]{40,64})")


class Commit(Struct, frozen=True):
    """A commit: its hash, its author as "Name <address>", when it was written (s since 1970), its message's first line.

    Author and subject are in one line and without control codes, names and subject at most 200 characters long.
    """

    hash: str
    author: str
    at_s: int
    subject: str = ""
    parents: tuple[str, ...] = ()


class File(Struct, frozen=True):
    """A file in a commit: its path in the project, and how many bytes it has."""

    path: str
    size: int


class Histories(Struct, frozen=True):
    """The commits that touched each path, newest first, 200 at most; `is_whole` unless older ones were not looked at.

    Of a merge only files count that are as in none of its parents.
    """

    of: dict[str, tuple[Commit, ...]]
    is_whole: bool


class Repository:
    """The repository around a project. Paths are those in the project, with `/`; every question may raise `GitFailed`.

    `head` is the commit that is checked out, empty in a repository without any. `is_shallow` says that older commits
    are missing here, so that what is said to be older than `boundary` is not known.
    """

    def __init__(self, project: Path, prefix: str, head: str, boundary: frozenset[str]) -> None:
        self._project = project
        self._prefix = prefix
        self.head = head
        self.boundary = boundary

    @property
    def is_shallow(self) -> bool:
        """Whether older commits are missing here."""
        return bool(self.boundary)

    def author(self) -> str:
        """Who would commit here, as "Name <address>"; empty where nobody said."""
        told = dict(_settings(self._ask("config", "--null", "--get-regexp", r"^(author|user)\.(name|email)$", ok=(1,))))
        name = os.environ.get("GIT_AUTHOR_NAME") or told.get("author.name") or told.get("user.name", "")
        address = os.environ.get("GIT_AUTHOR_EMAIL") or told.get("author.email") or told.get("user.email", "")
        return identity(name, address)

    def uncommitted(self, paths: Iterable[str]) -> frozenset[str]:
        """Those of the paths that are not in `head` as they are in the folder, unknown ones included."""
        wanted = sorted(set(paths))
        if not self.head:
            return frozenset(wanted)
        tracked: set[str] = set()
        changed: set[str] = set()
        for some in _portions(wanted):
            tracked.update(self._inner(self._ask("ls-files", "-z", "--full-name", "--", *some)))
            status = self._ask(
                "status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames", "--ignore-submodules=all",
                "--", *some,
            )  # fmt: skip
            changed.update(self._inner(b"\0".join(line[3:] for line in status.split(b"\0"))))
        return frozenset(path for path in wanted if path not in tracked or path in changed)

    def histories(self, paths: Iterable[str]) -> Histories:
        """The commits of each path, found in one pass over the last 10,000 that touched any, within 30 s."""
        found: dict[str, list[Commit]] = {}
        is_whole = True
        for some in _portions(sorted(set(paths))) if self.head else ():
            log = (
                "log", f"--format=tformat:{_FORMAT}", "--name-only", "-z", "--no-renames", "-c", f"-n{MAX_COMMITS}",
                self.head, "--", *some,
            )  # fmt: skip
            try:
                told = self._ask(*log)
            except GitTookTooLong as cut:
                told, is_whole = cut.told, False
            count = 0
            for commit, touched in _logged(told):
                count += 1
                for path in self._inner(touched):
                    known = found.setdefault(path, [])
                    if len(known) < MAX_OF_A_FILE:
                        known.append(commit)
            is_whole = is_whole and count < MAX_COMMITS
        return Histories({path: tuple(commits) for path, commits in found.items()}, is_whole)

    def history(self, path: str, most: int, *others: str) -> tuple[Commit, ...]:
        """The commits that touched a path or one of some others, newest first; of a shallow clone also the one at which
        its history ends.
        """
        if not self.head:
            return ()
        log = self._ask("log", f"--format=tformat:{_FORMAT}", "-z", f"-n{most}", self.head, "--", path, *others)
        return tuple(commit for commit, _ in _logged(log))

    def renamed(self, path: str) -> tuple[str, str] | None:
        """What a file was called before its last renaming, and the commit that renamed it; None where none did."""
        if not self.head:
            return None
        told = self._ask(
            "log", "--follow", "--diff-filter=R", "--name-status", "-z", "-n1", "--format=tformat:%H",
            self.head, "--", path,
        )  # fmt: skip
        parts = told.split(b"\0")
        if len(parts) < 4 or not parts[1].lstrip(b"\n").startswith(b"R"):
            return None
        return next(self._inner(parts[2]), ""), parts[0].decode()

    def commit(self, hash_: str) -> Commit | None:
        """A commit by its whole hash; None for what is none, or is not here."""
        if not _HASH.fullmatch(hash_):
            return None
        log = self._ask("log", f"--format=tformat:{_FORMAT}", "-z", "-n1", hash_, "--", ok=(128,))
        return next((commit for commit, _ in _logged(log)), None)

    def revision(self, name: str) -> str:
        """The hash of the commit that a name stands for ("HEAD~1", a branch, a tag); raises `RevisionUnknown`."""
        if not name or name.startswith("-") or not name.isprintable():
            raise RevisionUnknown(revision=name, detail="")
        hash_ = self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", ok=(1, 128))
        if not hash_.strip():
            raise RevisionUnknown(revision=name, detail=" in this shallow clone" if self.is_shallow else "")
        return hash_.decode().strip()

    def files(self, commit: str) -> tuple[File, ...]:
        """The files of the project as they were in a commit; links and submodules are left out."""
        told = self._ask("ls-tree", "-r", "-z", "--long", commit, "--", ".")
        found = (_FILE.fullmatch(line) for line in told.decode("utf-8", "surrogateescape").split("\0"))
        return tuple(File(one[2], int(one[1])) for one in found if one is not None)

    def contents(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """The bytes of files by commit and path; a file that was not there, or is over 64 MiB, is left out."""
        asked = [(place, f"{place[0]}:./{place[1]}") for place in dict.fromkeys(places)]
        asked = [(place, name) for place, name in asked if "\n" not in name]
        told = self._ask("cat-file", "--batch-check", given="".join(f"{name}\n" for _, name in asked))
        blobs: dict[tuple[str, str], tuple[str, int]] = {}
        for (place, _), line in zip(asked, told.decode("utf-8", "surrogateescape").split("\n"), strict=False):
            words = line.rsplit(" ", 2)
            if len(words) == 3 and words[1] == "blob" and words[2].isdecimal() and int(words[2]) <= MAX_CONTENT:
                blobs[place] = (words[0], int(words[2]))
        hashes = list(dict.fromkeys(blobs.values()))
        data = self._ask("cat-file", "--batch", given="".join(f"{hash_}\n" for hash_, _ in hashes)) if hashes else b""
        read = dict(_batched(data, hashes))
        return {place: read[hash_] for place, (hash_, _) in blobs.items()}

    def content(self, commit: str, path: str) -> bytes | None:
        """The bytes of a file as it was in a commit; None where it was not there."""
        return self.contents([(commit, path)]).get((commit, path))

    def _ask(self, *arguments: str, ok: tuple[int, ...] = (), given: str = "") -> bytes:
        return _ask(self._project, *arguments, ok=ok, given=given)

    def _inner(self, paths: bytes) -> Iterator[str]:
        """The paths of a list that git separates by NUL, as they are in the project."""
        for path in paths.decode("utf-8", "surrogateescape").split("\0"):
            if path and path.startswith(self._prefix):
                yield path.removeprefix(self._prefix)

    def __repr__(self) -> str:
        return f"Repository({self._project}, head={self.head[:12] or 'none'}, shallow={self.is_shallow})"


def find(project: Path) -> Repository | None:
    """The repository around a project; None where there is none, or no git; raises `GitFailed`."""
    project = project.absolute()
    try:
        told = _ask(project, "rev-parse", "--is-inside-work-tree", "--git-path", "shallow", "--show-prefix")
    except GitFailed as failure:
        if failure.facts.get("absent"):
            return None
        raise
    inside, shallow, prefix = told.decode("utf-8", "surrogateescape").split("\n", 2)
    if inside != "true":
        return None
    head = _ask(project, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", ok=(1, 128)).decode().strip()
    try:
        boundary = frozenset((project / shallow).read_text("ascii").split())
    except FileNotFoundError:
        boundary = frozenset()
    return Repository(project, prefix.removesuffix("\n"), head, boundary)


def identity(name: str, address: str) -> str:
    """ "Name <address>" in one line without control characters, at most 200 characters; empty for nobody."""
    name, address = _one_line(name), _one_line(address)
    return f"{name} <{address}>".strip() if name or address else ""


def _one_line(words: str) -> str:
    plain = "".join(letter if letter.isprintable() and letter not in "<>" else " " for letter in words)
    return " ".join(plain.split())[:MAX_AUTHOR]


def _environment() -> Mapping[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or _KEPT.match(key)}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}


def _ask(project: Path, *arguments: str, ok: tuple[int, ...] = (), given: str = "") -> bytes:
    """What git prints; raises `GitFailed` for a status but 0 and `ok`, `absent` where there is nothing to ask."""
    try:
        done = subprocess.run(
            (*_PROGRAM, "-C", str(project), *arguments),
            input=given.encode("utf-8", "surrogateescape"),
            capture_output=True,
            env=_environment(),
            timeout=TIME_LIMIT_S,
            check=False,
        )
    except FileNotFoundError:
        raise GitFailed(detail="git is not installed here", absent=True) from None
    except subprocess.TimeoutExpired as cut:
        detail = f"`git {arguments[0]}` took more than {TIME_LIMIT_S:g} s"
        raise GitTookTooLong(cut.stdout or b"", detail=detail) from None
    except OSError as failure:
        raise GitFailed(detail=f"git cannot be started ({failure.strerror})") from None
    if done.returncode and done.returncode not in ok:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        told = "".join(letter if letter.isprintable() else "?" for letter in said)[:300]
        raise GitFailed(detail=f"`git {arguments[0]}`: {told}", absent="not a git repository" in told)
    return done.stdout


def _settings(listed: bytes) -> Iterator[tuple[str, str]]:
    for pair in listed.decode("utf-8", "replace").split("\0"):
        key, _, value = pair.partition("\n")
        yield key, value


def _portions(paths: list[str]) -> Iterator[list[str]]:
    """The paths in lists short enough for one command."""
    portion: list[str] = []
    size = 0
    for path in paths:
        if size > _ARGUMENT_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(path)
        size += len(path.encode("utf-8", "surrogateescape")) + 1
    if portion:
        yield portion


def _logged(log: bytes) -> Iterator[tuple[Commit, bytes]]:
    """The commits of a log with the paths that each touched, separated by NUL."""
    parts = log.split(b"\0")
    at = 0
    while at < len(parts):
        begin = _COMMIT.fullmatch(parts[at])
        if begin is None or at + _FIELDS > len(parts):
            at += 1
            continue
        before, name, address, when, subject = (
            part.decode("utf-8", "replace") for part in parts[at + 1 : at + _FIELDS]
        )
        end = at + _FIELDS
        while end < len(parts) and not _COMMIT.fullmatch(parts[end]):
            end += 1
        at_s = int(when) if when.strip().isdecimal() else 0
        author = identity(name, address)
        commit = Commit(begin[1].decode(), author, at_s, _one_line(subject), tuple(before.split()))
        yield commit, b"\0".join(part.removeprefix(b"\n") for part in parts[at + _FIELDS : end])
        at = end


def _batched(data: bytes, blobs: Iterable[tuple[str, int]]) -> Iterator[tuple[str, bytes]]:
    """The objects that `git cat-file --batch` printed: a head line, the bytes, a line end each."""
    at = 0
    for hash_, size in blobs:
        begin = data.index(b"\n", at) + 1
        yield hash_, data[begin : begin + size]
        at = begin + size + 1
