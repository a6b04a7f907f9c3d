"""Three small jobs that an LLM application really has, generated without end from a seed.

    extract  pull name, item, qty and city out of a sentence; the answer is one JSON object
    route    send a support ticket to one of six queues; the answer is the queue's name
    tool     answer with one `<tool_call>` in the Hermes format that the models' chat template uses

The demo models were trained on exactly these. Words held out of training tell copying from remembering: a model that
extracts well only the names it has seen has learnt the names, not the job. No files, no network.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any, Literal

Job = Literal["extract", "route", "tool"]
JOBS: tuple[Job, ...] = ("extract", "route", "tool")

NAMES = """Ada Ben Carla Dmitri Elena Farid Grace Hugo Ines Jonas Kira Liam Maya Nadia Omar Paula
Quinn Rosa Sami Tara Ugo Vera Wanda Xenia Yusuf Zoe Amir Bella Cleo Dario Emil Freya Gustav Hana
Ivan Julia Karim Lena Marco Nora Oscar Petra Rafael Sofia Theo Ursula Viktor Willa Yara Zane"""
CITIES = """Paris Lagos Oslo Lima Cairo Tokyo Delhi Quito Berlin Madrid Boston Denver Nairobi Prague
Vienna Dublin Athens Lisbon Warsaw Seoul Hanoi Perth Accra Tunis Bogota Havana Zurich Geneva Milan
Turin Porto Seville Krakow Gdansk Bergen Malmo Turku Riga Vilnius Tallinn"""
ITEMS = """lamp chair desk mug pen notebook cable monitor keyboard mouse headset router printer
scanner camera tripod backpack jacket scarf glove boot sandal kettle toaster blender fan heater
mirror carpet pillow blanket candle basket bottle wallet watch ring clock radio speaker"""
DAYS = ["today", "tomorrow", "monday", "friday"]
TRAINED_SHARE = 0.8  # of each word list; the rest is held out

# In all forms: {m} a name, {c} a city, {i} an item, {n} a number, {d} a day.
ROUTES: dict[str, list[str]] = {
    "billing": [
        "I was charged {n} dollars twice this month",
        "my invoice for {c} shows the wrong amount",
        "the payment of {n} failed but my card was debited",
        "please send me the receipt for my {i}",
    ],
    "shipping": [
        "my {i} has not arrived in {c} yet",
        "the courier left my {i} at the wrong address",
        "when will the {i} be delivered to {c}",
        "tracking says my parcel is stuck in {c}",
    ],
    "refund": [
        "I want my money back for the {i}",
        "please refund the {i} I returned {n} days ago",
        "the {i} was broken so give me a refund",
        "how do I get a refund to my card for the {i}",
    ],
    "account": [
        "I cannot log in with my password",
        "please change the email of my account to {m}",
        "I forgot my password again, says {m}",
        "delete my account and all data of {m}",
    ],
    "technical": [
        "the {i} does not turn on after the update",
        "error {n} shows when I open the app",
        "the app crashes every {n} minutes",
        "my {i} will not connect to the network",
    ],
    "sales": [
        "do you offer a discount for {n} pieces of the {i}",
        "I would like a quote for {n} {i}s",
        "is the {i} in stock in {c}",
        "which {i} do you recommend for an office in {c}",
    ],
}
# Tickets that speak of two queues: {b} is the request and decides, {a} is beside the point.
MIXED = ["{a} and {b}", "{a}, but that is solved: {b}", "{b}. earlier {a}, ignore that"]
MIXED_SHARE = 0.4

EXTRACT_FORMS = [
    "{m} from {c} ordered {n} {i}s.",
    "Please send {n} {i}s to {m} in {c}.",
    "Order: {i} x {n}, customer {m}, city {c}.",
    "In {c}, {m} bought {n} {i}s yesterday.",
    "{n} {i}s were shipped to {c} for {m}.",
    "Hello, this is {m}. I live in {c} and need {n} {i}s.",
]


def _tool(name: str, description: str, **arguments: str) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": {argument: {"type": kind} for argument, kind in arguments.items()},
        "required": list(arguments),
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = [
    _tool("get_weather", "weather for a city", city="string", day="string"),
    _tool("find_order", "orders of a customer", customer="string"),
    _tool("create_refund", "refund an item", item="string", amount="integer"),
]
TOOL_FORMS = [
    ("get_weather", "what is the weather in {c} {d}?", ("city", "day")),
    ("get_weather", "will it rain {d} in {c}?", ("city", "day")),
    ("find_order", "show me the orders of {m}", ("customer",)),
    ("find_order", "has {m} bought anything?", ("customer",)),
    ("create_refund", "refund {n} dollars for the {i}", ("item", "amount")),
    ("create_refund", "give back {n} for a broken {i}", ("item", "amount")),
]
LETTER_OF = {"city": "c", "day": "d", "customer": "m", "item": "i", "amount": "n"}

SYSTEM: dict[Job, str] = {
    "extract": "Extract name, item, qty and city as JSON.",
    "route": "Route the ticket: billing, shipping, refund, account, technical or sales.",
    "tool": "Call one tool.",
}


@dataclass(frozen=True)
class Example:
    """One question and the answer the assistant must write, word for word; `tools` is what the request brings."""

    job: Job
    messages: list[dict[str, str]]
    answer: str
    tools: list[dict[str, Any]] | None = None


class JobGenerator:
    """An endless, repeatable source of examples.

    The `test` split draws other combinations than `train`. `heldout_words` chooses names, cities and items that
    training never showed (by default it follows the split). `pseudo` is the share of words replaced by invented ones.
    """

    def __init__(
        self,
        seed: int,
        split: Literal["train", "test"] = "train",
        heldout_words: bool | None = None,
        pseudo: float = 0.0,
    ) -> None:
        heldout = split == "test" if heldout_words is None else heldout_words
        self._random = random.Random(f"{seed}/{split}")  # noqa: S311 - repeatable, not secret
        self._pseudo = pseudo
        self._names, self._cities, self._items = (_part(words, heldout) for words in (NAMES, CITIES, ITEMS))

    def sample(self, job: Job | None = None) -> Example:
        """The next example of a job, or of one drawn at random."""
        makers = {"extract": self._extract, "route": self._route, "tool": self._call_tool}
        return makers[job or self._random.choice(JOBS)]()

    def _extract(self) -> Example:
        words = self._words()
        answer = {"name": words["m"], "item": words["i"], "qty": words["n"], "city": words["c"]}
        return _example("extract", self._random.choice(EXTRACT_FORMS).format(**words), json.dumps(answer))

    def _route(self) -> Example:
        words = self._words()
        queue = self._random.choice(list(ROUTES))
        text = self._random.choice(ROUTES[queue]).format(**words)
        if self._random.random() < MIXED_SHARE:
            other = self._random.choice([name for name in ROUTES if name != queue])
            form = self._random.choice(MIXED)
            text = form.format(a=self._random.choice(ROUTES[other]).format(**self._words()), b=text)
        return _example("route", text, queue)

    def _call_tool(self) -> Example:
        words = self._words()
        name, form, arguments = self._random.choice(TOOL_FORMS)
        call = {"name": name, "arguments": {argument: words[LETTER_OF[argument]] for argument in arguments}}
        return _example("tool", form.format(**words), f"<tool_call>\n{json.dumps(call)}\n</tool_call>", TOOLS)

    def _words(self) -> dict[str, Any]:
        return {
            "m": self._word(self._names).capitalize(),
            "c": self._word(self._cities).capitalize(),
            "i": self._word(self._items),
            "n": self._random.randint(2, 99),
            "d": self._random.choice(DAYS),
        }

    def _word(self, words: list[str]) -> str:
        draw = self._random
        if draw.random() >= self._pseudo:
            return draw.choice(words)
        consonants, endings = "bcdfghjklmnprstvwz", ["a", "e", "i", "o", "u", "an", "er", "ol", "is"]
        return "".join(draw.choice(consonants) + draw.choice(endings) for _ in range(draw.randint(2, 3)))


def _part(text: str, heldout: bool) -> list[str]:
    words = text.split()
    cut = int(len(words) * TRAINED_SHARE)
    return words[cut:] if heldout else words[:cut]


def _example(job: Job, text: str, answer: str, tools: list[dict[str, Any]] | None = None) -> Example:
    messages = [{"role": "system", "content": SYSTEM[job]}, {"role": "user", "content": text}]
    return Example(job, messages, answer, tools)
