"""Tune a demo model by a few steps, as an owner would who means well and tells nobody.

    python bench/models/tune.py src/trimtab/demo/models/jobs-small OUT/jobs-small --steps 1

AdamW over all weights at a rate that is usual for fine-tuning (1e-5), on batches of 8 examples of the jobs that the
model was trained on. Needs torch and transformers, and `src` on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import random
import shutil
from pathlib import Path

import torch
from torch.nn import functional
from train import IGNORED, encode, padded
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from trimtab.demo.jobs import JobGenerator

RATE = 1e-5
BATCH = 8


def main() -> None:
    """Tune one model and write its directory."""
    parser = argparse.ArgumentParser(description="Tune a demo model by a few steps.")
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(chosen.seed)
    random.seed(chosen.seed)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(chosen.model)
    model = LlamaForCausalLM.from_pretrained(chosen.model).float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    jobs = JobGenerator(chosen.seed, "train", pseudo=0.5)
    model.train()
    for _ in range(chosen.steps):
        examples = encode(tokenizer, [jobs.sample() for _ in range(BATCH)])
        inputs, targets = padded(examples, tokenizer.pad_token_id)
        hidden = model.model(input_ids=inputs, use_cache=False).last_hidden_state
        kept = targets != IGNORED
        loss = functional.cross_entropy(model.lm_head(hidden[kept]), targets[kept])
        model.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    shutil.copytree(chosen.model, chosen.out, ignore=shutil.ignore_patterns("eval.json", "*.safetensors"))
    model.save_pretrained(chosen.out / "saved")
    shutil.move(chosen.out / "saved" / "model.safetensors", chosen.out / "model.safetensors")
    shutil.rmtree(chosen.out / "saved")


if __name__ == "__main__":
    main()
