"""A small tokenizer and chat template where a base model's would lie, for stages that count tokens."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from stages.common.files import read_jsonl

ROOT = Path(__file__).resolve().parents[1]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = """{% for message in messages %}
    {%- if message['role'] == 'assistant' %}
        {{- '<|im_start|>assistant\n' }}{% generation %}{{ message['content'] | trim + eos_token }}{% endgeneration %}
    {%- else %}
        {{- bos_token + message['role'] + '\n' + message['content'] + eos_token }}
    {%- endif %}
{% endfor %}"""
GOLD = [chat["conversations"] for path in sorted((ROOT / "data/gold").glob("*.jsonl")) for chat in read_jsonl(path)]


@cache
def trained(kind: str) -> Tokenizer:
    """A small tokenizer of the gold's words: byte-level as Llama 3's, by white space as Llama 2's, or with tokens across spaces."""
    found = Tokenizer(models.BPE(byte_fallback=kind == "marked"))
    trainer = trainers.BpeTrainer(vocab_size=800, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    if kind == "marked":
        found.pre_tokenizer = pre_tokenizers.Metaspace()
        bytewise = [f"<0x{byte:02X}>" for byte in range(256)]
        trainer = trainers.BpeTrainer(vocab_size=1200, special_tokens=[*SPECIAL, *bytewise], show_progress=False)
        found.decoder = decoders.Metaspace()
    else:
        found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind != "across")
    if kind == "composed":
        found.normalizer = normalizers.NFC()
    found.train_from_iterator((json.dumps(said[:3], ensure_ascii=False) for said in GOLD[::4]), trainer)
    return found


def lay_out(folder: Path, kind: str = "bytes") -> Path:
    """The three files in which a base model's tokenizer and template lie."""
    folder.mkdir(parents=True, exist_ok=True)
    trained(kind).save(str(folder / "tokenizer.json"))
    config = {"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}, "add_bos_token": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder
