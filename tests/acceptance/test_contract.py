"""A task with a contract, from its folder to the report: checked, enforced for every client, and told of afterwards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import anthropic
import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.acceptance.asking import Place, chat, message, response
from tests.acceptance.running import RunningTrimtab, free_port, running_trimtab, trimtab
from tests.acceptance.scripted import ScriptedModel, Turn, running_scripted

PROJECT = """\
environment = "test"
[gateway]
listen = "127.0.0.1:{gateway}"
workers = 1
[control]
listen = "127.0.0.1:{control}"
[data]
directory = ".trimtab"
[models.told]
engine = "openai"
probe = "off"
model = "scripted"
replicas = ["{replica}"]
[models.untold]
model = "scripted"
replicas = ["{replica}"]
"""
TASK = """\
model = "{model}"
[output]
schema = "output.schema.json"
on_invalid = "repair"
repairs = 1
"""
SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["billing", "shipping"]}, "urgent": {"type": "boolean"}},
    "required": ["label", "urgent"],
    "additionalProperties": False,
}
TICKET = "I was charged twice!"
VALID = '{"label": "billing", "urgent": true}'
UNKNOWN_LABEL = '{"label": "refund", "urgent": true}'
NO_JSON = "It is about billing."
LOOKS = 40
"""Times that `report` is asked until it has all calls; each takes a start of the command line."""


class Triage(BaseModel):
    """The answer as a client describes it for itself."""

    label: Literal["billing", "shipping"]
    urgent: bool


@dataclass(frozen=True)
class Desk:
    """A project that is up, its scripted model, and where to ask it with a key."""

    running: RunningTrimtab
    model: ScriptedModel
    place: Place


def write_project(folder: Path, replica: str) -> None:
    """The project: tasks with an engine that takes schemas, and one with an engine that may not."""
    (folder / "trimtab.toml").write_text(PROJECT.format(gateway=free_port(), control=free_port(), replica=replica))
    for task, model in (("triage", "told"), ("triage-untold", "untold"), ("triage-counted", "told")):
        place = folder / "tasks" / task
        place.mkdir(parents=True)
        (place / "task.toml").write_text(TASK.format(model=model))
        (place / "output.schema.json").write_text(json.dumps(SCHEMA, indent=2))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The project, checked and started as a person would."""
    folder = tmp_path_factory.mktemp("contract")
    with running_scripted() as model:
        write_project(folder, model.url)
        made = trimtab("key", "new", "helpdesk", "--json", project=folder)
        with running_trimtab(folder) as running:
            yield Desk(running, model, Place(running.url, json.loads(made.stdout)["secret"]))


def test_check_reads_the_contract(tmp_path: Path) -> None:
    """A good project is summed up; a schema that is none is a mistake of its file."""
    write_project(tmp_path, "http://127.0.0.1:9")
    good = trimtab("check", project=tmp_path)
    assert good.returncode == 0, good.stdout
    assert "triage" in good.stdout
    schema = tmp_path / "tasks" / "triage" / "output.schema.json"
    schema.write_text('{\n  "type": "object",\n  "required": "label"\n}')
    bad = trimtab("check", project=tmp_path)
    assert bad.returncode == 1
    assert "tasks/triage/output.schema.json:3:" in bad.stdout


CLIENTS = pytest.mark.parametrize("ask", [chat, response, message])
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@STREAMS
@CLIENTS
@pytest.mark.parametrize(("task", "broken"), [("triage", UNKNOWN_LABEL), ("triage-untold", NO_JSON)])
def test_a_broken_answer_is_repaired(desk: Desk, ask: Any, task: str, broken: str, stream: bool) -> None:
    """The client sees the second answer alone; the model sees what it had said, and the schema if its engine can."""
    desk.model.plays(Turn(broken), Turn(VALID))
    assert ask(desk.place, task, TICKET, stream=stream) == VALID
    first, second = (json.dumps(body) for body in desk.model.asked)
    assert ("additionalProperties" in first) == (task == "triage")
    shown = json.dumps(broken[: len(broken) // 2])[1:-1]  # a stream is left where nothing valid can follow any more
    assert shown not in first
    assert shown in second


@STREAMS
@CLIENTS
def test_an_answer_that_stays_broken_is_a_typed_error(desk: Desk, ask: Any, stream: bool) -> None:
    """After one repair it ends with our code and where it breaks the schema, in the client's own class of error."""
    desk.model.plays(Turn(NO_JSON), Turn(UNKNOWN_LABEL))
    with pytest.raises((openai.APIError, anthropic.APIStatusError), match="/label: enum") as caught:
        ask(desk.place, "triage", TICKET, stream=stream)
    assert "output_invalid" in json.dumps(caught.value.body)
    assert len(desk.model.asked) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_may_bring_the_same_schema(desk: Desk, stream: bool) -> None:
    """The parse helpers work with a task that has a schema of its own, which goes out once."""
    desk.model.plays(Turn(UNKNOWN_LABEL), Turn(VALID))
    asked: Any = {"model": "triage", "messages": [{"role": "user", "content": TICKET}], "response_format": Triage}
    with desk.place.openai() as client:
        if stream:
            with client.chat.completions.stream(**asked) as events:
                parsed = events.get_final_completion().choices[0].message.parsed
        else:
            parsed = client.chat.completions.parse(**asked).choices[0].message.parsed
    assert parsed == Triage(label="billing", urgent=True)
    assert [body["response_format"]["json_schema"]["schema"] for body in desk.model.asked] == [SCHEMA, SCHEMA]


def test_a_key_is_wanted_and_read_from_either_header(desk: Desk) -> None:
    """A wrong one is each client's own error of authentication, and nothing reaches the model."""
    desk.model.plays(Turn(VALID))
    wrong = replace(desk.place, key="wrong")
    with pytest.raises(openai.AuthenticationError) as by_bearer:
        chat(wrong, "triage", TICKET, stream=False)
    with pytest.raises(anthropic.AuthenticationError) as by_header:
        message(wrong, "triage", TICKET, stream=False)
    assert by_bearer.value.code == "unauthorized"
    assert "unauthorized" in json.dumps(by_header.value.body)
    assert desk.model.asked == []


def test_the_record_tells_what_became_of_it(desk: Desk) -> None:
    """`calls show` has the verdict of a repaired and of a rejected call; `report` has their shares."""
    desk.model.plays(Turn(NO_JSON), Turn(VALID), Turn(UNKNOWN_LABEL), Turn(UNKNOWN_LABEL), Turn(VALID))
    with desk.place.openai() as client:
        repaired, rejected, first_time = (ended(client, "triage-counted") for _ in range(3))
    for _ in range(LOOKS):
        counts = answers_told(desk, "triage-counted")
        if sum(counts.values()) == 3:
            break
    assert counts == {"valid_first": 1, "repaired": 1, "rejected": 1, "passed_invalid": 0, "truncated": 0, "refused": 0}
    shown = shown_call(desk, repaired)
    assert (shown["outcome"], shown["verdict"], shown["repairs"]) == ("ok", "valid", 1)
    assert shown["admitted"]["schema"]
    shown = shown_call(desk, rejected)
    assert (shown["outcome"], shown["verdict"], shown["repairs"]) == ("output_invalid", "invalid", 1)
    assert shown["failing"] == ["/label: enum"]
    assert "repairs" not in shown_call(desk, first_time)
    text = " ".join(desk.running.trimtab("calls", "show", rejected).stdout.split())
    assert "verdict invalid asked again 1" in text
    assert "/label: enum" in text


def ended(client: OpenAI, task: str) -> str:
    """Makes a call, and gives its id whether it succeeds or is rejected."""
    raw = client.chat.completions.with_raw_response
    try:
        answer: Any = raw.create(model=task, messages=[{"role": "user", "content": TICKET}])
    except openai.UnprocessableEntityError as error:
        answer = error.response
    return str(answer.headers["x-trimtab-call"])


def answers_told(desk: Desk, task: str) -> Counter[str]:
    """How many answers of a task became what, as `report` tells it now; none while telemetry is not open yet."""
    told = desk.running.trimtab("report", "--task", task, "--json")
    if told.returncode != 0:
        print(told.stderr)
        return Counter()
    report = json.loads(told.stdout)
    return Counter({name: share["count"] for group in found(report, "answers") for name, share in group.items()})


def found(document: Any, key: str) -> Iterator[Any]:
    """Every value of a key, wherever it stands."""
    if isinstance(document, dict):
        yield from ([document[key]] if key in document else [])
        document = list(document.values())
    if isinstance(document, list):
        for each in document:
            yield from found(each, key)


def shown_call(desk: Desk, call: str) -> dict[str, Any]:
    """A call as `calls show --json` gives it."""
    shown: dict[str, Any] = json.loads(desk.running.trimtab("calls", "show", call, "--json").stdout)["call"]
    return shown
