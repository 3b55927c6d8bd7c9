"""Chats as tokens and labels, by Axolotl's own strategy and the config kept beside the adapter: the mask of training, never a second one."""

from __future__ import annotations

from pathlib import Path

import yaml
from axolotl.prompt_strategies.chat_template import load
from axolotl.utils.dict import DictDefault
from transformers import PreTrainedTokenizerBase

from stages.common.files import read_jsonl


def strategy(config: Path, tokenizer: PreTrainedTokenizerBase):
    """The tokenizing strategy of an Axolotl config file."""
    cfg = DictDefault(yaml.safe_load(config.read_text(encoding="utf-8")))
    return load(tokenizer, cfg, ds_cfg=cfg.datasets[0])


def tokenize(chats: Path, config: Path, tokenizer: PreTrainedTokenizerBase) -> dict[str, tuple[list[int], list[int]]]:
    """(token ids, labels) of each chat of a file by its id; a label is -100 where the token is not the character's."""
    prompts = strategy(config, tokenizer)
    return {chat["id"]: (row["input_ids"], row["labels"]) for chat in read_jsonl(chats) for row in [prompts.tokenize_prompt(chat)]}
