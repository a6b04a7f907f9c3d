"""Train a demo model on the three jobs of `trimtab.demo.jobs`, on one CPU core, and measure it.

    python bench/models/train.py OUT/jobs-small --size small --steps 600      about 5 CPU minutes
    python bench/models/train.py OUT/jobs-mid --size nano --steps 850         under 2 CPU minutes

Writes a model directory in the Hugging Face layout, and `eval.json`: exact matches for each job, on words seen in
training and on held-out ones. Needs torch and transformers, and `src` on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from tiny_model import SIZES, make_config, make_tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trimtab.demo.jobs import JOBS, Example, JobGenerator

BATCH = 48
LEARNING_RATE = 3e-3
WARM_UP_STEPS = 40
INVENTED_WORDS = 0.5  # the share of names, cities and items made up anew, which teaches copying
EVALUATED = 150
IGNORED = -100  # the target of tokens that bear no loss


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal by five Newton-Schulz steps, in float32; matrices of one shape are stacked.

    Source: Jordan et al. 2024, Muon. torch.optim.Muon works in bfloat16, which most CPUs only emulate.
    """

    def __init__(self, parameters: list[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """Move every matrix along its orthogonal direction."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[Tensor]] = {}
            for parameter in group["params"]:
                shapes.setdefault(tuple(parameter.shape), []).append(parameter)
            for shape, parameters in shapes.items():
                directions = _orthogonal(torch.stack([self._momentum(one, group["momentum"]) for one in parameters]))
                scale = 0.2 * max(shape) ** 0.5
                for parameter, direction in zip(parameters, directions, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor, decay: float) -> Tensor:
        kept = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        kept.mul_(decay).add_(parameter.grad)
        return parameter.grad + decay * kept


def _orthogonal(stack: Tensor) -> Tensor:
    tall = stack.shape[1] > stack.shape[2]
    x = stack.mT if tall else stack
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.mT if tall else x


def batches(tokenizer: PreTrainedTokenizerFast, steps: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Fresh inputs and targets for each step, grouped by length so that little is lost to padding."""
    generator = JobGenerator(seed, "train", pseudo=INVENTED_WORDS)
    shuffle = random.Random(seed).shuffle
    made = 0
    while made < steps:
        encoded = sorted(
            encode(tokenizer, [generator.sample() for _ in range(BATCH * 50)]), key=lambda one: len(one[0])
        )
        groups = [encoded[start : start + BATCH] for start in range(0, len(encoded), BATCH)]
        shuffle(groups)
        for group in groups[: steps - made]:
            yield padded(group, tokenizer.pad_token_id)
            made += 1


def encode(tokenizer: PreTrainedTokenizerFast, examples: list[Example]) -> list[tuple[list[int], int]]:
    """Token ids of prompt, answer and end, with the prompt's length."""
    prompts = tokenizer(prompts_of(tokenizer, examples), add_special_tokens=False)["input_ids"]
    answers = tokenizer([example.answer for example in examples], add_special_tokens=False)["input_ids"]
    end = [tokenizer.eos_token_id]
    return [(prompt + answer + end, len(prompt)) for prompt, answer in zip(prompts, answers, strict=True)]


def prompts_of(tokenizer: PreTrainedTokenizerFast, examples: list[Example]) -> list[str]:
    """The text that each answer continues."""
    return [
        tokenizer.apply_chat_template(one.messages, tools=one.tools, tokenize=False, add_generation_prompt=True)
        for one in examples
    ]


def padded(group: list[tuple[list[int], int]], pad: int) -> tuple[Tensor, Tensor]:
    """One batch; only the answer and its end bear a loss."""
    width = max(len(ids) for ids, _ in group)
    inputs = torch.full((len(group), width), pad)
    targets = torch.full((len(group), width), IGNORED)
    for row, (ids, prompt) in enumerate(group):
        inputs[row, : len(ids)] = torch.tensor(ids)
        targets[row, prompt - 1 : len(ids) - 1] = torch.tensor(ids[prompt:])
    return inputs, targets


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int, seed: int) -> float:
    """Train in place: Muon for the matrices inside the blocks, AdamW for embedding and norms; gives the last loss."""
    named = list(model.named_parameters())
    inner = [one for name, one in named if one.ndim == 2 and "layers." in name]
    outer = [one for name, one in named if not (one.ndim == 2 and "layers." in name)]
    adam = torch.optim.AdamW(outer, lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    optimizers = [adam, Muon(inner, lr=LEARNING_RATE)]
    loss = torch.zeros(())
    model.train()
    for step, (inputs, targets) in enumerate(batches(tokenizer, steps, seed)):
        warm = min(1.0, (step + 1) / WARM_UP_STEPS)
        rate = LEARNING_RATE * (warm * (0.5 + 0.5 * math.cos(math.pi * step / steps)) + 0.01)
        hidden = model.model(input_ids=inputs, use_cache=False).last_hidden_state  # padding follows: causal is enough
        kept = targets != IGNORED
        loss = functional.cross_entropy(model.lm_head(hidden[kept]), targets[kept])
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        if step % 50 == 0:
            print(json.dumps({"step": step, "loss": round(loss.item(), 4)}), flush=True)
    return loss.item()


@torch.no_grad()
def evaluate(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> dict[str, object]:
    """Exact matches of greedy answers for each job, and the first miss of each."""
    model.eval()
    accuracy: dict[str, object] = {}
    for words, heldout in (("seen_words", False), ("heldout_words", True)):
        generator = JobGenerator(999, "test", heldout_words=heldout)
        for job in JOBS:
            examples = [generator.sample(job) for _ in range(EVALUATED)]
            answers = _answers(model, tokenizer, examples)
            hits = [got.strip() == one.answer for got, one in zip(answers, examples, strict=True)]
            accuracy[f"{job}/{words}"] = round(sum(hits) / EVALUATED, 3)
            if not all(hits):
                miss = hits.index(False)
                accuracy[f"{job}/{words}/example_miss"] = {"want": examples[miss].answer, "got": answers[miss]}
    return accuracy


def _answers(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, examples: list[Example]) -> list[str]:
    encoded = tokenizer(
        prompts_of(tokenizer, examples),
        add_special_tokens=False,
        padding=True,
        padding_side="left",
        return_tensors="pt",
        return_token_type_ids=False,
    )
    written = model.generate(**encoded, max_new_tokens=64, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    return tokenizer.batch_decode(written[:, encoded["input_ids"].shape[1] :], skip_special_tokens=True)


def main() -> None:
    """Train one model and write its directory."""
    parser = argparse.ArgumentParser(description="Train a demo model.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", choices=SIZES, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(chosen.seed)
    tokenizer = make_tokenizer()
    model = LlamaForCausalLM(make_config(chosen.size, tokenizer)).float()
    began = time.process_time()
    loss = train(model, tokenizer, chosen.steps, chosen.seed)
    train_cpu_s = round(time.process_time() - began, 1)
    model.save_pretrained(chosen.out)
    tokenizer.save_pretrained(chosen.out)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    GenerationConfig(**ends).save_pretrained(chosen.out)
    report = {
        "size": chosen.size,
        "params": sum(one.numel() for one in model.parameters()),
        "vocab": len(tokenizer),
        "steps": chosen.steps,
        "batch": BATCH,
        "train_cpu_s": train_cpu_s,
        "final_loss": round(loss, 4),
        "accuracy": evaluate(model, tokenizer),
    }
    (chosen.out / "eval.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
