"""The end-of-turn token: which one the chat template writes, and which ones tokenizer, config and generation config name."""

from __future__ import annotations

import json
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from stages.common.errors import UserError


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of the first token that the chat template writes after an assistant's words.

    Raises UserError where there is no template, or where it writes no special token there.
    """
    if not tokenizer.chat_template:
        raise UserError("the tokenizer has no chat template; Dramatis trains instruct models only")
    words = "These are the last words"
    turns = [{"role": "user", "content": "A question"}, {"role": "assistant", "content": words}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    ids = tokenizer(text.rpartition(words)[2], add_special_tokens=False)["input_ids"]
    if not ids or ids[0] not in tokenizer.added_tokens_decoder:
        raise UserError(f"the chat template writes no special token after the assistant's words, but {text.rpartition(words)[2]!r}")
    return ids[0]


def facts(folder: Path) -> dict:
    """What a model folder says of its end of turn: the template's token and the ids that each file names, as lists."""

    def named(file: str) -> list[int]:
        path = folder / file
        value = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.exists() else None
        return value if isinstance(value, list) else [] if value is None else [value]

    tokenizer = AutoTokenizer.from_pretrained(folder)
    token = end_of_turn(tokenizer)
    return {
        "end_of_turn": token,
        "end_of_turn_text": tokenizer.convert_ids_to_tokens(token),
        "tokenizer": [tokenizer.eos_token_id],
        "config": named("config.json"),
        "generation_config": named("generation_config.json"),
        "pad": tokenizer.pad_token_id,
        "vocabulary": len(tokenizer),
    }
