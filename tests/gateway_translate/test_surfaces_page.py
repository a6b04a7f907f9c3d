"""The page on surfaces names what is refused across wires, and what it names is refused."""

import re
from pathlib import Path

from tests.gateway_translate import test_chat_to_messages, test_messages_to_chat

PAGE = (Path(__file__).parents[2] / "docs" / "surfaces.md").read_text(encoding="utf-8")
MADE_UP = {"made_up"}
NOT_OF_THE_API = {"min_p", "chat_template_kwargs"}
"""Fields of some servers only; like every unknown one they are refused."""


def listed(beginning: str) -> set[str]:
    """The fields in the first table after a sentence."""
    table = PAGE.split(beginning, 1)[1].split("\n\n")[1]
    return set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))


def test_the_page_lists_what_of_a_chat_is_refused() -> None:
    """Each row is a refusal that is tested, and each of those has its row."""
    refused = set(test_chat_to_messages.REFUSED) - MADE_UP - NOT_OF_THE_API
    assert listed("Fields of a chat that are refused") == refused


def test_the_page_lists_what_of_a_message_is_refused() -> None:
    """The same; `thinking` is tested by its place."""
    refused = set(test_messages_to_chat.REFUSED) - MADE_UP - NOT_OF_THE_API
    assert listed("Fields of a message that are refused") == refused | {"thinking"}
