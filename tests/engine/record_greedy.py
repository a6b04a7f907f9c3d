"""Record what vLLM writes at temperature 0 for the 200 prompts of `tests/demo/greedy.py`, with each demo model.

    python -m tests.engine.record_greedy        writes tests/demo/vllm_greedy.jsonl

Needs vLLM (`install_vllm.sh`). Run it again only when the prompts or the models change.
"""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.demo.greedy import MAX_TOKENS, MODELS, Prompt, Recorded, digest, prompts, write_recording
from tests.engine.vllm_server import ROOT, running_vllm

MODELS_FOLDER = ROOT / "src" / "trimtab" / "demo" / "models"


def ask(url: str, model: str, prompt: Prompt) -> Recorded:
    """One greedy answer with its token ids and the two best log-probabilities of each step."""
    body = {
        "model": model,
        "messages": prompt.messages,
        "temperature": 0,
        "max_tokens": MAX_TOKENS,
        "logprobs": True,
        "top_logprobs": 2,
        "return_token_ids": True,
        # "none" leaves the tools in the prompt and decoding free; otherwise vLLM holds calls to their schema
        **({"tools": prompt.tools, "tool_choice": "none"} if prompt.tools else {}),
    }
    answer = _post(f"{url}/v1/chat/completions", body)
    choice = answer["choices"][0]
    steps = choice["logprobs"]["content"]
    top2 = [[round(entry["logprob"], 4) for entry in step["top_logprobs"][:2]] for step in steps]
    if len(top2) != len(choice["token_ids"]):
        raise ValueError(f"{len(top2)} log-probabilities for {len(choice['token_ids'])} tokens")
    return Recorded(model, digest(answer["prompt_token_ids"]), choice["token_ids"], top2)


def record(url: str, model: str, concurrency: int = 8) -> list[Recorded]:
    """The greedy answers of one served model to all prompts, in their order."""
    with ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(lambda prompt: ask(url, model, prompt), prompts()))


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def main() -> None:
    """Serve each model in turn and write the recording."""
    lines: list[Recorded] = []
    for model in MODELS:
        with running_vllm(MODELS_FOLDER / model, model) as vllm:
            lines += record(vllm.url, model)
    write_recording(lines)


if __name__ == "__main__":
    main()
