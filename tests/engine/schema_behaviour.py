"""How an engine behaves towards a schema, against what `classify` says of it.

Two ways of asking: the grammars in process (`grammar_probe`), and a vLLM that runs. Both judge answers by the project's
own validator. Three faults of the text, which no grammar excludes and `classify` leaves out, are counted apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from tests.contracts.schemas.corpus import Case
from tests.contracts.schemas.mutants import texts
from tests.engine.vllm_server import ROOT, VERSION, vllm_environment
from trimtab.contracts.classify import Classified, Grammar, classify
from trimtab.contracts.jsontext import NotJson, parse
from trimtab.contracts.validate import Validator

MODEL = ROOT / "src" / "trimtab" / "demo" / "models" / "jobs-small"
RESETS = 4
LIKINGS = {" ": -6.0, "\n": -6.0, "\t": -6.0, "\r": -6.0, '"': 2.5, "]": 2.5, "}": 2.5}
"""Logit biases of characters: white space would go on for ever, and answers must come to an end."""
LEFT_OUT = ("twice", "beyond the range of a double", "surrogate")
GRAMMARS: tuple[Grammar, ...] = ("auto", "xgrammar", "guidance")
Outcome = Literal["agrees", "unconfirmed", "disagrees"]


@dataclass
class Behaviour:
    """What was seen of one schema at one engine: an error, or answers and those of them that are not valid."""

    refused: str = ""
    finished: int = 0
    left_out: int = 0
    broken: list[str] = field(default_factory=list)
    cannot_give: list[str] = field(default_factory=list)

    def judge(self, validator: Validator, text: str) -> None:
        """Takes a finished answer into account."""
        self.finished += 1
        try:
            value = parse(text)
        except NotJson as fault:
            if any(word in str(fault) for word in LEFT_OUT):
                self.left_out += 1
            else:
                self.broken.append(text)
            return
        if validator.faults(value):
            self.broken.append(text)

    @property
    def seen(self) -> str:
        """In one word."""
        return "refuses" if self.refused else "weakens" if self.broken else "keeps"


def compare(predicted: Classified, seen: Behaviour) -> Outcome:
    """Whether the two agree; a weakness that did not show is unconfirmed."""
    expected = {"native": "keeps", "weakened": "weakens", "validated": "refuses"}[predicted.kind]
    if expected == seen.seen:
        return "agrees"
    return "unconfirmed" if (expected, seen.seen) == ("weakens", "keeps") else "disagrees"


def probe(
    cases: Iterable[Case], walks: int, mutants: int, seed: int
) -> Iterator[tuple[Case, dict[Grammar, Behaviour]]]:
    """Asks the grammars in process; one case after another, as they are done."""
    cases = list(cases)
    texts_of = {case.id: _texts(case, mutants, seed) for case in cases}
    with tempfile.TemporaryDirectory(prefix="trimtab-grammars-") as folder, (Path(folder) / "in").open("w+") as asked:
        for case in cases:
            question = {"id": case.id, "schema": case.schema, "texts": texts_of[case.id], "walks": walks, "seed": seed}
            asked.write(json.dumps(question) + "\n")
        asked.seek(0)
        command = [str(vllm_environment() / "bin" / "python"), str(ROOT / "tests" / "engine" / "grammar_probe.py")]
        with (
            (Path(folder) / "log").open("wb") as log,
            subprocess.Popen(
                [*command, str(MODEL)], stdin=asked, stdout=subprocess.PIPE, stderr=log, env=_environment(Path(folder))
            ) as child,
        ):
            assert child.stdout is not None
            for case in cases:
                line = child.stdout.readline()
                if not line:
                    raise RuntimeError((Path(folder) / "log").read_text(errors="replace")[-2000:])
                yield case, _behaviours(case, texts_of[case.id], json.loads(line))


def _environment(folder: Path) -> dict[str, str]:
    metadata = folder / f"vllm-{VERSION}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}\n")
    return {
        **os.environ,
        "PYTHONPATH": str(folder),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "OMP_NUM_THREADS": "1",
    }


def _texts(case: Case, mutants: int, seed: int) -> list[str]:
    return list(dict.fromkeys([*map(_dumped, (*case.valid, *case.invalid)), *texts(case.valid, seed, mutants)]))


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _behaviours(case: Case, asked: list[str], said: dict[str, Any]) -> dict[Grammar, Behaviour]:
    """`auto` is a server whose first schema went to xgrammar, as most do: it compiles all with xgrammar."""
    validator = Validator(json.dumps(case.schema))
    seen = {name: _seen(case, validator, asked, said[name]) for name in ("xgrammar", "guidance")}
    found: dict[Grammar, Behaviour] = {}
    for grammar in GRAMMARS:
        compiled = seen["guidance" if grammar == "guidance" else "xgrammar"]
        refused = said["refused"][grammar] or compiled.refused
        found[grammar] = Behaviour(refused=refused) if refused else compiled
    return found


def _seen(case: Case, validator: Validator, asked: list[str], said: dict[str, Any]) -> Behaviour:
    if "broken" in said:
        return Behaviour(refused=said["broken"] or "it does not compile")
    found = Behaviour()
    for text in (*(asked[at] for at in said["accepted"]), *said["walks"]):
        found.judge(validator, text)
    accepted = {asked[at] for at in said["accepted"]}
    found.cannot_give = [text for value in case.valid if (text := _dumped(value)) not in accepted]
    return found


class Server:
    """A vLLM that runs, asked for random answers: at a high temperature, with a liking for an end."""

    def __init__(self, url: str, model: str, tokens: int = 160) -> None:
        self._url = url
        self._model = model
        self._tokens = tokens
        self._client = httpx.AsyncClient(timeout=300, limits=httpx.Limits(max_connections=32))
        self._bias: dict[str, float] = {}

    async def __aenter__(self) -> Server:
        for text, liking in LIKINGS.items():
            answer = await self._client.post(self._url + "/tokenize", json={"model": self._model, "prompt": text})
            self._bias[str(answer.json()["tokens"][-1])] = liking
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def behaviour(self, case: Case, seeds: range) -> Behaviour:
        """Answers to one schema, one for each seed; only those that ended by themselves count."""
        validator = Validator(json.dumps(case.schema))
        found = Behaviour()
        for status, said in await asyncio.gather(*(self._ask(case, seed) for seed in seeds)):
            if status != 200:
                found.refused = f"{status}: {said[:200]}"
                continue
            choice = json.loads(said)["choices"][0]
            if choice["finish_reason"] == "stop":
                found.judge(validator, choice["message"]["content"] or "")
        return found

    async def _ask(self, case: Case, seed: int) -> tuple[int, str]:
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": case.id}],
            "temperature": 1.8,
            "seed": seed,
            "max_tokens": self._tokens,
            "logit_bias": self._bias,
            "structured_outputs": {"json": case.schema},
        }
        for _ in range(RESETS):
            with contextlib.suppress(httpx.TransportError):  # uvicorn closes idle connections as they are used again
                answer = await self._client.post(self._url + "/v1/chat/completions", json=body)
                return answer.status_code, answer.text
        raise RuntimeError(f"vLLM resets every connection under {case.id}: did it die of this schema?")


def predicted(case: Case, grammar: Grammar) -> Classified:
    """What `classify` says of a case at a vLLM."""
    return classify(case.schema, "vllm", grammar)
