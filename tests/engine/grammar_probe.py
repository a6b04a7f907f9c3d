"""What vLLM's grammars do with schemas, asked in process: run by the interpreter of the vLLM environment.

Reads JSON lines `{"id", "schema", "texts", "walks", "seed"}` and writes one for each: whether vLLM lets each of its
backends have the schema, which of the texts each grammar accepts as a whole answer, and answers that each allows, found
by walking it at random. Tokens are single bytes, so that nothing depends on a model.
"""

from __future__ import annotations

import json
import random
import sys
from types import SimpleNamespace
from typing import Any

import llguidance
import llguidance.torch
import numpy
import xgrammar
from transformers import AutoTokenizer
from vllm.config import StructuredOutputsConfig
from vllm.sampling_params import SamplingParams, StructuredOutputsParams

END = 256
VOCABULARY = [bytes([byte]) for byte in range(256)] + [b"</s>"]
LONGEST = 300
BACKENDS = ("auto", "xgrammar", "guidance")
CLOSING = b'"}],:'


class ByteTokenizer:
    """What llguidance wants of a tokenizer whose tokens are bytes."""

    eos_token_id = END
    bos_token_id = None
    tokens = VOCABULARY
    special_token_ids = (END,)

    def __call__(self, text: str | bytes) -> list[int]:
        """The bytes of a text."""
        return list(text if isinstance(text, bytes) else text.encode())


COMPILER = xgrammar.GrammarCompiler(
    xgrammar.TokenizerInfo(VOCABULARY, vocab_type=xgrammar.VocabType.RAW, vocab_size=257, stop_token_ids=[END]),
    max_threads=1,
)
TOKENIZER = llguidance.LLTokenizer(llguidance.TokenizerWrapper(ByteTokenizer()), n_vocab=257)


class Xgrammar:
    """A schema compiled as vLLM's xgrammar backend compiles it."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.compiled = COMPILER.compile_json_schema(json.dumps(schema), any_whitespace=True)
        self.mask = xgrammar.allocate_token_bitmask(1, 257)
        self.begin()

    def begin(self) -> None:
        """Back to the beginning of an answer."""
        self.matcher = xgrammar.GrammarMatcher(self.compiled)

    def accepts(self, text: str) -> bool:
        """Whether the text is a whole answer."""
        self.begin()
        return self.matcher.accept_string(text) and self.matcher.accept_token(END)

    def allowed(self) -> numpy.ndarray:
        """The tokens that may come next."""
        self.matcher.fill_next_token_bitmask(self.mask, 0)
        return tokens_of(self.mask)

    def feed(self, token: int) -> bool:
        """Takes a token; False if that is refused after all."""
        return self.matcher.accept_token(token)


class Guidance:
    """A schema compiled as vLLM's guidance backend compiles it."""

    def __init__(self, schema: dict[str, Any]) -> None:
        defaults = {"whitespace_flexible": True}
        self.grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults=defaults)
        self.mask = llguidance.torch.allocate_token_bitmask(1, 257)
        self.begin()
        if self.matcher.get_error():
            raise ValueError(self.matcher.get_error())

    def begin(self) -> None:
        """Back to the beginning of an answer."""
        self.matcher = llguidance.LLMatcher(TOKENIZER, self.grammar, log_level=0)

    def accepts(self, text: str) -> bool:
        """Whether the text is a whole answer."""
        self.begin()
        tokens = list(text.encode())
        return self.matcher.validate_tokens(tokens) == len(tokens) and self._ends_after(tokens)

    def _ends_after(self, tokens: list[int]) -> bool:
        return self.matcher.consume_tokens(tokens) and (self.matcher.is_accepting() or self.matcher.is_stopped())

    def allowed(self) -> numpy.ndarray:
        """The tokens that may come next."""
        llguidance.torch.fill_next_token_bitmask(self.matcher, self.mask, 0)
        return tokens_of(self.mask)

    def feed(self, token: int) -> bool:
        """Takes a token; False if that is refused after all."""
        return self.matcher.consume_token(token)


def tokens_of(mask: Any) -> numpy.ndarray:
    """The token numbers that a mask allows."""
    return numpy.flatnonzero(numpy.unpackbits(mask[0].numpy().view(numpy.uint8), bitorder="little")[:257])


def walk(grammar: Xgrammar | Guidance, chance: random.Random) -> str | None:
    """A whole answer that the grammar allows; None if it did not end within `LONGEST` bytes."""
    style = chance.choice(("ascii", "bytes", "closing", "digits"))
    grammar.begin()
    written = bytearray()
    while len(written) < LONGEST:
        allowed = grammar.allowed()
        if not len(allowed):
            return None
        token = int(chance.choices(allowed, [weight(int(token), style) for token in allowed])[0])
        if token == END:
            return written.decode(errors="replace")
        if not grammar.feed(token):
            return None
        written.append(token)
        if isinstance(grammar, Guidance) and grammar.matcher.is_stopped():
            return written.decode(errors="replace")
    return None


def weight(token: int, style: str) -> float:
    """How much a token is liked: ends and closing brackets more, white space and odd bytes less."""
    if token == END:
        return 8
    if token in CLOSING:
        return 12 if style == "closing" else 5
    if token in b" \t\r\n":
        return 0.05
    if token >= 128 or token < 32:
        return 0.15 if style == "bytes" else 0.02
    if chr(token) == "\\":
        return 0.5 if style == "bytes" else 0.1
    return 4 if style == "digits" and chr(token).isdigit() else 1


def refusal(schema: dict[str, Any], backend: str, tokenizer: Any) -> str:
    """Why vLLM's API server refuses the schema; empty if it takes it."""
    asked = SamplingParams(structured_outputs=StructuredOutputsParams(json=schema))
    config = StructuredOutputsConfig(backend=backend)
    try:
        asked._validate_structured_outputs(SimpleNamespace(is_diffusion=False), config, tokenizer)
    except Exception as error:  # noqa: BLE001 - whatever it raises becomes an error for the client
        return str(error)[-300:] or type(error).__name__
    return ""


def answer(question: dict[str, Any], tokenizer: Any) -> dict[str, Any]:
    """All that is asked of one schema."""
    schema = question["schema"]
    found: dict[str, Any] = {"id": question["id"]}
    found["refused"] = {backend: refusal(schema, backend, tokenizer) for backend in BACKENDS}
    for name, kind in (("xgrammar", Xgrammar), ("guidance", Guidance)):
        try:
            grammar = kind(schema)
        except Exception as error:  # noqa: BLE001 - both raise what they like
            found[name] = {"broken": str(error)[-300:]}
            continue
        chance = random.Random(question["seed"])
        accepted = [at for at, text in enumerate(question["texts"]) if grammar.accepts(text)]
        walks = [walked for _ in range(question["walks"]) if (walked := walk(grammar, chance)) is not None]
        found[name] = {"accepted": accepted, "walks": walks}
    return found


def main() -> None:
    """Answers line for line; the tokenizer of the model directory named is what vLLM's checks see."""
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), tokenizer)), flush=True)


if __name__ == "__main__":
    main()
