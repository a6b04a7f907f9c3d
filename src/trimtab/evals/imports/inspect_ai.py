"""A log of Inspect AI as a suite: its samples become cases, its scorers those that do the same."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from trimtab.declare.evaluating import Scorer
from trimtab.errors import ImportRefused
from trimtab.evals.imports.suite import MOST_BYTES, Imported, Left, checked, printable, read

MOST_SAMPLES: Final = 100_000
MOST_ENTRIES: Final = 200_000
"""Files in a zip."""
MOST_REPEATS: Final = 100
SCORERS: Final[Mapping[str, Scorer]] = {
    "match": Scorer(name="match", kind="normalised"),
    "exact": Scorer(name="exact", kind="normalised"),
    "includes": Scorer(name="includes", kind="contains"),
    "choice": Scorer(name="choice", kind="exact"),
    "answer": Scorer(name="answer", kind="contains"),
}
"""Scorers of Inspect AI that have one like them here."""
RUBRICS: Final = {
    "model_graded_qa": "Does the answer say what was expected?",
    "model_graded_fact": "Does the answer contain the expected fact?",
}
NEAR: Final = {
    "match": "match: it looks at the end of an answer; here the whole answer is compared, without case and punctuation",
    "answer": "answer: it looks at the line ANSWER: alone; here the target has to stand anywhere in the answer",
    "includes": "includes: it ignores case; here case matters",
}


class _Sample(Struct):
    """What is read of a sample; transcripts, which are most of a log, are passed over."""

    input: Any = None
    id: Any = None
    epoch: Any = None
    target: Any = None
    scores: Any = None
    metadata: Any = None
    choices: Any = None
    sandbox: Any = None
    files: Any = None
    setup: Any = None


class _Log(Struct):
    eval: Any = None
    plan: Any = None
    samples: list[_Sample] | None = None


def inspect_ai(path: Path, judge: str = "") -> Imported:
    """The suite of a log, `.json` or `.eval`; `judge` is the model for scorers by which a model graded.

    A sample is one case however many epochs it was run for; epochs become samples. What the log's scorers gave is kept
    in each row's `meta`, as a mean over epochs. Raises `ImportRefused` for a file that is no log, and without samples.
    """
    head, found = _log(path)
    left = Left()
    rows: dict[str, dict[str, Any]] = {}
    given: dict[str, dict[str, list[float]]] = {}
    epochs = 1
    for sample in found:
        if sample["input"] is None:
            left.add("a sample without an input")
            continue
        name = printable(str(len(rows) + 1 if sample["id"] in (None, "") else sample["id"]))[:200]
        epochs = max(epochs, _epoch(sample))
        _gather(sample, given.setdefault(name, {}))
        if name not in rows:
            rows[name] = _row(name, sample, left)
    if not rows:
        instead = "name a log that was written with its samples (`log_samples`)"
        raise ImportRefused(file=str(path), detail="it holds no samples", instead=instead)
    for name, marks in given.items():
        means = {scorer: sum(values) / len(values) for scorer, values in marks.items() if values}
        if means and name in rows:
            rows[name].setdefault("meta", {})["inspect_scores"] = means
    _leave(head, left)
    scorers = tuple(_scorers(head, given, judge, left))
    return Imported(tuple(rows.values()), scorers, samples=min(epochs, MOST_REPEATS), left=left.words())


def _log(path: Path) -> tuple[dict[str, Any], Iterator[Any]]:
    """The head of a log, and its samples."""
    content = read(path)
    if content[:2] == b"PK":
        return _zipped(path)
    log = _decoded(content, str(path), _Log)
    if not isinstance(log["eval"], dict):
        instead = "name a .json or .eval file of Inspect AI"
        raise ImportRefused(file=str(path), detail="it is no log of Inspect AI", instead=instead)
    return log, iter(log["samples"] or [])


def _zipped(path: Path) -> tuple[dict[str, Any], Iterator[Any]]:
    name = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [one for one in archive.infolist() if one.filename.endswith(".json")]
            samples = [one for one in entries if one.filename.startswith("samples/")]
            heads = [one for one in entries if one.filename in {"header.json", "_journal/start.json"}]
            if len(entries) > MOST_ENTRIES or sum(one.file_size for one in samples + heads) > 8 * MOST_BYTES:
                detail = f"it holds more than {MOST_ENTRIES:,} files or {MOST_BYTES >> 17} MiB"
                raise ImportRefused(file=name, detail=detail, instead="divide it")
            head = _member(archive, heads[0], name, _Log) if heads else {}
            return head, iter([_member(archive, one, name, _Sample) for one in samples])
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as wrong:
        instead = "turn it into JSON with `inspect log convert --to json`"
        raise ImportRefused(file=name, detail=f"it cannot be unpacked ({wrong})", instead=instead) from wrong


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, form: type[Struct]) -> dict[str, Any]:
    with archive.open(entry) as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        detail = f"{entry.filename} is larger than {MOST_BYTES >> 20} MiB"
        raise ImportRefused(file=name, detail=detail, instead="leave that sample out")
    return _decoded(content, name, form)


def _decoded(content: bytes, name: str, form: type[Struct]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = checked(msgspec.to_builtins(msgspec.json.decode(content, type=form)), name)
    except (msgspec.DecodeError, RecursionError) as wrong:
        detail = f"it is no JSON of a log ({wrong})"
        raise ImportRefused(file=name, detail=detail, instead="name a log of Inspect AI") from wrong
    return found


def _row(name: str, sample: Mapping[str, Any], left: Left) -> dict[str, Any]:
    for key in ("choices", "sandbox", "files", "setup"):
        if sample.get(key):
            left.add(f"{key} of a sample: a case has no such thing")
    row: dict[str, Any] = {"id": name, "messages": _messages(sample["input"], left)}
    target = sample.get("target")
    if isinstance(target, list) and len(target) == 1:
        target = target[0]
    elif isinstance(target, list) and target:
        left.add("further targets of a sample: the first is expected")
        target = target[0]
    if target not in (None, "", []):
        row["expected"] = target
    if sample.get("metadata"):
        row["meta"] = {"inspect_metadata": sample["metadata"]}
    return row


def _messages(given: Any, left: Left) -> list[dict[str, Any]]:
    """What went in, in OpenAI's form; parts of a message that are no text are left out."""
    if not isinstance(given, list):
        return [{"role": "user", "content": str(given)}]
    found = []
    for one in given:
        if not isinstance(one, dict) or one.get("role") not in {"system", "user", "assistant", "tool"}:
            left.add("a message of an unknown kind")
            continue
        if one.get("tool_calls") or one["role"] == "tool":
            left.add("a message with a tool call or a tool's answer")
            continue
        found.append({"role": one["role"], "content": _said(one.get("content"), left)})
    return found


def _said(content: Any, left: Left) -> str:
    if not isinstance(content, list):
        return "" if content is None else str(content)
    texts = [one.get("text") for one in content if isinstance(one, dict) and isinstance(one.get("text"), str)]
    if len(texts) < len(content):
        left.add("parts of a message that are no text")
    return "\n".join(text for text in texts if text)


def _epoch(sample: Mapping[str, Any]) -> int:
    epoch = sample.get("epoch")
    return epoch if isinstance(epoch, int) and not isinstance(epoch, bool) else 1


def _gather(sample: Mapping[str, Any], given: dict[str, list[float]]) -> None:
    scores = sample.get("scores")
    for name, score in (scores if isinstance(scores, dict) else {}).items():
        value = score.get("value") if isinstance(score, dict) else None
        number = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}.get(value) if isinstance(value, str) else value
        if isinstance(number, int | float):
            given.setdefault(name, []).append(float(number))


def _leave(head: Mapping[str, Any], left: Left) -> None:
    told = head.get("eval")
    if isinstance(told, dict) and told.get("model"):
        left.add(f"the model {told['model']}: the task's model is what is evaluated")
    plan = head.get("plan")
    steps = plan.get("steps") if isinstance(plan, dict) else None
    names = [str(one.get("solver")) for one in _dicts(steps)]
    if names and names != ["generate"]:
        left.add(f"solvers ({', '.join(names[:10])}): the task itself is what is evaluated")


def _scorers(
    head: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]], judge: str, left: Left
) -> Iterator[Scorer]:
    told = head.get("eval")
    listed = told.get("scorers") if isinstance(told, dict) else None
    names = [str(one["name"]) for one in _dicts(listed) if one.get("name")]
    names += [name for marks in given.values() for name in marks]
    for name in dict.fromkeys(one.rpartition("/")[2] for one in names):
        if name in SCORERS:
            if name in NEAR:
                left.add(NEAR[name])
            yield SCORERS[name]
        elif name in RUBRICS and judge:
            yield Scorer(name=name, kind="rubric", model=judge, question=RUBRICS[name])
        elif name in RUBRICS:
            left.add(f"{name}: name the model that judges with --judge MODEL")
        else:
            left.add(f"the scorer {name}: write it as a Python scorer (docs/scorers.md)")


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
