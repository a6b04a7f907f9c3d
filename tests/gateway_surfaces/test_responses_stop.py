"""Streams that we end ourselves, well or badly, as the official client reads them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tests.gateway_surfaces.test_responses_golden import STREAMS, TEXTS, events_of, recorded
from tests.gateway_surfaces.test_responses_streams import CREATED, ended, event, fed, reasoned, text_item
from trimtab.contracts.reply import Finish
from trimtab.errors import UpstreamTruncated
from trimtab.gateway.surfaces.responses import Responses
from trimtab.gateway.surfaces.surface import Keep

KEEP = Keep(added=True)
stream_event: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


class Canned(BaseHTTPRequestHandler):
    """Answers every request with the bytes its server was given."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(self.server.said)  # type: ignore[attr-defined]

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    """A server that says what a test tells it to."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Canned) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def client(server: ThreadingHTTPServer) -> Iterator[OpenAI]:
    """The official client of that server."""
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    with OpenAI(base_url=url, api_key="none", max_retries=0, timeout=30) as made:
        yield made


def heard(server: ThreadingHTTPServer, client: OpenAI, said: bytes) -> list[Any]:
    """What the client's streaming helper makes of a stream."""
    server.said = said  # type: ignore[attr-defined]
    with client.responses.stream(model="m", input="x") as stream:
        return list(stream)


def split(stream: bytes) -> list[bytes]:
    return [one + b"\n\n" for one in stream.split(b"\n\n")[:-1]]


def stopped(events: list[bytes], finish: Finish = "repetition") -> tuple[bytes, bytes]:
    """A stream that is ended behind these events: all of it, and what was added."""
    reader = fed(*events, keep=KEEP)
    assert (reader.failure, reader.done) == ("", False)
    end = reader.stop(finish)
    return b"".join(events) + end, end


NAMED = {**{name: split(recorded(name))[:-1] for name in STREAMS}, "reasoned": reasoned()}
"""Streams without the event that ends them."""


@pytest.mark.parametrize("name", NAMED)
def test_a_stream_can_be_stopped_anywhere(name: str, server: ThreadingHTTPServer, client: OpenAI) -> None:
    """The client reads it to its end, each item is done once, numbers go on, and the response holds what was said."""
    for count in range(1, len(NAMED[name]) + 1):
        said, end = stopped(NAMED[name][:count])
        for one in events_of(end):
            stream_event.validate_python(one)
        events = events_of(said)
        if name != "reasoned":
            assert [one["sequence_number"] for one in events] == list(range(len(events)))
        added = [one["output_index"] for one in events if one["type"] == "response.output_item.added"]
        assert [one["output_index"] for one in events if one["type"] == "response.output_item.done"] == added
        last = events[-1]["response"]
        assert (events[-1]["type"], last["status"], last["trimtab"]) == (
            "response.incomplete",
            "incomplete",
            {"finish_reason": "repetition"},
        )
        assert last["incomplete_details"] == {"reason": "max_output_tokens"}
        assert last["id"] == events[0]["response"]["id"]
        assert len(last["output"]) == len(added)
    final = heard(server, client, said)[-1]
    assert final.type == "response.incomplete"
    expected = "Well, no" if name == "reasoned" else TEXTS.get(name, ("",))[0]
    assert final.response.output_text == expected


def test_a_message_is_closed_where_it_stands() -> None:
    """Text, part and item are done, in this order, the item incomplete, with the text so far."""
    events = split(recorded("stream"))
    upto = next(place for place, one in enumerate(events) if b'"delta":"lamp"' in one) + 1
    text = '{"name": "Ada", "item": "lamp'
    _, end = stopped(events[:upto], "length")
    done, part_done, item_done, last = events_of(end)
    identity = json.loads(events[2].split(b"data: ")[1])["item"]["id"]
    assert done == {
        "type": "response.output_text.done",
        "item_id": identity,
        "output_index": 0,
        "content_index": 0,
        "text": text,
        "logprobs": [],
        "sequence_number": upto,
    }
    part = {"type": "output_text", "annotations": [], "text": text, "logprobs": []}
    assert (part_done["type"], part_done["part"]) == ("response.content_part.done", part)
    assert item_done["item"] | {"phase": None} == {
        "id": identity,
        "type": "message",
        "role": "assistant",
        "status": "incomplete",
        "content": [part],
        "phase": None,
    }
    assert last["response"]["output"] == [item_done["item"]]
    assert last["response"]["usage"] is None
    assert last["response"]["model"] == "tiny"


def test_a_call_is_closed_where_it_stands() -> None:
    """Its arguments are what was written of them, and its item says that it is incomplete."""
    events = split(recorded("tool_stream"))
    upto = next(place for place, one in enumerate(events) if b'"delta":"day"' in one) + 1
    _, end = stopped(events[:upto])
    arguments_done, item_done, _ = events_of(end)
    assert (arguments_done["type"], arguments_done["arguments"]) == (
        "response.function_call_arguments.done",
        '{"city": "Paris", "day',
    )
    item = item_done["item"]
    assert (item["type"], item["name"], item["arguments"]) == ("function_call", "get_weather", '{"city": "Paris", "day')
    assert (item["status"], item["call_id"][:14]) == ("incomplete", "chatcmpl-tool-")


def test_everything_open_is_closed_in_order() -> None:
    """Reasoning, the parts of a message that are open, and a call; what is done already is not done again."""
    _, end = stopped(reasoned())
    assert [one["type"].removeprefix("response.") for one in events_of(end)] == [
        "reasoning_text.done",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "content_part.done",
        "output_text.done",
        "content_part.done",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "incomplete",
    ]
    reasoning, message, call = events_of(end)[-1]["response"]["output"]
    assert reasoning["summary"] == [{"type": "summary_text", "text": "in short"}]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert [part.get("text", part.get("refusal")) for part in message["content"]] == ["Well", ", no", "I cannot"]
    assert call["arguments"] == '{"a":1}'


@pytest.mark.parametrize(
    ("finish", "kind", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("repetition", "incomplete", {"reason": "max_output_tokens"}),
        ("other", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_how_it_ended_is_told(finish: Finish, kind: str, details: Any) -> None:
    """In the API's words as far as it has any, and in our own field."""
    _, end = stopped(split(recorded("stream"))[:10], finish)
    last = events_of(end)[-1]
    assert (last["type"], last["response"]["status"]) == (f"response.{kind}", kind)
    assert last["response"]["incomplete_details"] == details
    assert last["response"]["trimtab"] == {"finish_reason": finish}


def test_a_good_stop_completes_for_the_client(server: ThreadingHTTPServer, client: OpenAI) -> None:
    """Its helper takes the response for a completed one."""
    said, _ = stopped(split(recorded("stream"))[:10], "stop")
    server.said = said  # type: ignore[attr-defined]
    with client.responses.stream(model="m", input="x") as stream:
        final = stream.get_final_response()
    assert final.output_text == '{"name": "Ada'
    assert final.status == "completed"


def test_a_stop_hides_what_is_hidden() -> None:
    """Log probabilities that only we asked for are not in the events that end the answer."""
    reader = fed(*split(recorded("logprobs_stream"))[:-1], keep=Keep(hide_logprobs=True))
    end = reader.stop("length")
    assert b'"logprobs":[{' not in end
    assert events_of(end)[-1]["response"]["top_logprobs"] is None


def test_a_stop_before_anything_came_is_an_answer_too() -> None:
    """It says that nothing was said."""
    [last] = events_of(fed(keep=KEEP).stop("other"))
    assert (last["sequence_number"], last["response"]["output"]) == (0, [])


def test_numbers_go_on_where_the_server_gives_none() -> None:
    """Events are counted then."""
    item = {"type": "web_search_call", "id": "ws_1", "status": "in_progress"}
    _, end = stopped([CREATED, event("response.output_item.added", output_index=0, item=item)])
    done, last = events_of(end)
    assert (done["sequence_number"], last["sequence_number"]) == (2, 3)
    assert done["item"] == {**item, "status": "incomplete"}


def test_an_error_is_raised_by_the_client(server: ThreadingHTTPServer, client: OpenAI) -> None:
    """A stream that we end badly fails in the client with our message and code, and is no silent end."""
    failure = UpstreamTruncated(replica="model small")
    said = b"".join(split(recorded("stream"))[:10]) + Responses().error_event(failure)
    with pytest.raises(openai.APIError) as raised:
        heard(server, client, said)
    assert raised.value.message == str(failure)
    assert raised.value.code == "upstream_truncated"


def test_the_client_reads_what_we_built_the_tests_on(server: ThreadingHTTPServer, client: OpenAI) -> None:
    """The recordings and the made-up events are streams that it takes."""
    for name in STREAMS:
        assert heard(server, client, recorded(name))[-1].type == "response.completed"
    assert heard(server, client, CREATED + ended(text_item("a")))[-1].response.output_text == "a"
