"""A tiny random Llama, its tokenizer and its chats, made on the spot in .venv-train."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, three special ones, ChatML."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(SPECIAL + alphabet)}, []))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", bos_token="<|im_start|>")
    fast.chat_template = TEMPLATE
    return fast


def tiny_model(seed: int = 0) -> LlamaForCausalLM:
    """Four layers of width 32. Weights ten times as wide as usual: a layer of a freshly drawn model must matter."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(SPECIAL) + 256, hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=512, initializer_range=0.2, tie_word_embeddings=True, eos_token_id=2, pad_token_id=0, bos_token_id=1,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def chat(number: int) -> dict:
    says = lambda who, text: {"from": who, "value": text}  # noqa: E731
    turns = [says("system", "You are H."), says("human", f"Q{number}?"), says("gpt", f"An answer, {number}."), says("human", "And?"), says("gpt", "No more.")]
    return {"id": f"h-gold-{number:012x}", "character": "w" if number == 5 else "h", "conversations": turns, "source": {"kind": "gold", "license": "CC-BY-4.0"}}
