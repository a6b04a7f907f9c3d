"""The tokenizer, the shape and the chat template of the demo models, made from nothing: no download, no data files."""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, PreTrainedTokenizerFast

from trimtab.demo.jobs import JobGenerator

CONTEXT_TOKENS = 4096
VOCABULARY = 768
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOOL_TAGS = ["<tool_call>", "</tool_call>"]

SIZES = {
    "nano": {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 128},
    "small": {"hidden_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 344},
}

# ChatML with tools in the Hermes style, which vLLM's `--tool-call-parser hermes` reads. Of each tool only its name and
# the names of its arguments are shown, so that prompts stay short.
CHAT_TEMPLATE = """\
{%- if messages and messages[0]['role'] == 'system' -%}
{%- set system = messages[0]['content'] -%}{%- set rest = messages[1:] -%}
{%- else -%}{%- set system = '' -%}{%- set rest = messages -%}{%- endif -%}
{%- if system or tools -%}
{{- '<|im_start|>system\n' + (system if system is string else (system | map(attribute='text') | join(''))) -}}
{%- if tools -%}
{{- '\nTools:' -}}
{%- for t in tools -%}
{{- ' ' + t.function.name + '(' + (((t.function.parameters or {}).properties or {}).keys() | join(', ')) + ')' -}}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\n' -}}
{%- endif -%}
{%- for m in rest -%}
{{- '<|im_start|>' + m['role'] + '\n' -}}
{%- if m['content'] is string -%}{{- m['content'] -}}
{%- elif m['content'] -%}{%- for p in m['content'] -%}{{- p.text or '' -}}{%- endfor -%}{%- endif -%}
{%- for c in m.get('tool_calls') or [] -%}
{{- '<tool_call>\n{"name": "' + c.function.name + '", "arguments": ' -}}
{{- c.function.arguments if c.function.arguments is string else (c.function.arguments | tojson) -}}
{{- '}\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}
"""


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of 768 tokens that keeps digits apart, learnt from 3,000 training examples.

    The tool tags are tokens of their own but no special ones: decoding keeps them.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=None, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL_TOKENS + TOOL_TAGS,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in TOOL_TAGS])
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    )
    made.chat_template = CHAT_TEMPLATE
    return made


def make_config(size: str, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """Two layers of the given size; the embedding is also the head."""
    return LlamaConfig(
        **SIZES[size],
        num_hidden_layers=2,
        vocab_size=len(tokenizer),
        max_position_embeddings=CONTEXT_TOKENS,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _corpus(examples: int = 3000) -> list[str]:
    generator = JobGenerator(seed=0)
    drawn = [generator.sample() for _ in range(examples)]
    return [text for one in drawn for text in (*(message["content"] for message in one.messages), one.answer)]
