"""`python -m stages.weights.gguf JOB.json OUT.json`: whether a GGUF says what the model says that it was converted from, and what Ollama must be told of it.

JOB.json: {"merged": folder, "gguf": file, "chats": chats.jsonl, "config": axolotl.yaml}.
OUT.json: {"figures": the agreement of the two, as stages/weights/merge.py has it, "pieces": as `pieces` gives them, "end": the end-of-turn token}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from gguf import GGUFReader
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from stages.common.errors import UserError, run
from stages.common.files import read_json, write_json
from stages.weights.as_served import Serving
from stages.weights.merge import agreement
from stages.weights.models import DEVICE, log_probabilities, open_model
from stages.weights.tokenized import tokenize

MARKS = ("First8mark", "Second8mark", "Third8mark", "Fourth8mark")  # words that no template changes, and that it does not write itself


def main() -> None:
    job = read_json(sys.argv[1])
    merged, gguf = Path(job["merged"]), Path(job["gguf"])
    serving = Serving.of(merged)
    fields = {name: field.contents() for name, field in GGUFReader(gguf).fields.items() if name.startswith("tokenizer.")}
    if problem := vocabulary_fault(fields, serving.tokenizer, read_json(merged / "tokenizer.json"), serving.end):
        raise UserError(f"the GGUF has another tokenizer than the model: {problem}")
    chats = tokenize(Path(job["chats"]), Path(job["config"]), AutoTokenizer.from_pretrained(merged))

    def answers(model) -> list:
        return [log_probabilities(model, ids, labels) for ids, labels in tqdm(chats.values(), desc="agree")]

    said = answers(open_model(str(merged), dtype=torch.float32))
    starts = fields.get("tokenizer.ggml.add_bos_token", fields["tokenizer.ggml.model"] == "llama")  # llama.cpp then writes that token by itself
    written = pieces(serving, serving.tokenizer.bos_token if starts else None)
    write_json(
        sys.argv[2], {"figures": agreement(said, answers(of_gguf(gguf))), "pieces": written, "end": serving.tokenizer.convert_ids_to_tokens(serving.end)}
    )


def of_gguf(path: Path) -> torch.nn.Module:
    """The model in a GGUF, in float32. Raises UserError where transformers does not know its architecture."""
    try:
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    except (ValueError, NotImplementedError) as error:
        raise UserError(f"the GGUF cannot be held to the model: {' '.join(str(error).split())[:300]}; set merge.gguf: null") from None
    return model.to(DEVICE).eval()


def vocabulary_fault(fields: dict, tokenizer: PreTrainedTokenizerBase, file: dict, end: int) -> str | None:
    """What is not the tokenizer's in a GGUF's fields; None where all is. `file` is tokenizer.json, `end` the end-of-turn token's id."""
    kind, expected = fields["tokenizer.ggml.model"], "gpt2" if '"ByteLevel"' in json.dumps(file["pre_tokenizer"]) else "llama"
    if kind != expected:
        return f"its kind is {kind}, expected {expected}"
    tokens = fields["tokenizer.ggml.tokens"]
    other = next(
        ((token, place) for token, place in sorted(tokenizer.get_vocab().items(), key=lambda one: one[1]) if tokens[place : place + 1] != [token]), None
    )
    if other:
        return f"token {other[1]} is {tokens[other[1]] if other[1] < len(tokens) else 'none'!r}, expected {other[0]!r}"
    if fields["tokenizer.ggml.eos_token_id"] != end:
        return f"it ends with token {fields['tokenizer.ggml.eos_token_id']}, expected the end of turn, {end}"
    return None


def pieces(serving: Serving, begins: str | None = None) -> dict[str, str]:
    """What the chat template writes before a turn's words, by the role before and its own ("system user"), and behind the last ones to ask for a reply ("ask").

    Before the first turn the role is "". `begins` is a token that is not written there, since another hand writes it. Raises UserError where a chat is not made of
    these pieces, as Ollama's templates are.
    """
    chat = [{"from": role, "value": mark} for role, mark in zip(("system", "human", "gpt", "human"), MARKS, strict=True)]
    names = ("system", "user", "assistant", "user")
    found = dict(zip(zip(("", *names), names, strict=False), cut(serving.text(chat, ask=True), chat), strict=False))
    found |= {("", "user"): cut(serving.text(chat[1:2], ask=True), chat[1:2])[0]}
    told = {" ".join(pair).strip(): piece for pair, piece in found.items()} | {"ask": cut(serving.text(chat, ask=True), chat)[-1]}
    longer = [*chat, *chat[2:], *chat[2:]]
    if composed(told, longer) != serving.text(longer, ask=True):
        raise UserError("the chat template writes a turn in other ways later in a chat: it cannot be told to Ollama; set merge.gguf: null")
    if begins:
        told |= {role: told[role].removeprefix(begins) for role in ("system", "user")}
    return told


def cut(text: str, chat: list[dict]) -> list[str]:
    """A chat's text around its turns' words: one piece before each, and one behind the last."""
    found = []
    for turn in chat:
        before, mark, text = text.partition(turn["value"])
        if not mark:
            raise UserError(f"the chat template leaves out the words of {turn['from']}: it cannot be told to Ollama; set merge.gguf: null")
        found.append(before)
    return [*found, text]


def composed(told: dict[str, str], chat: list[dict]) -> str:
    """A chat as its pieces make it, as Ollama does."""
    roles = {"system": "system", "human": "user", "gpt": "assistant"}
    text, last = "", ""
    for turn in chat:
        text += told[f"{last} {roles[turn['from']]}".strip()] + turn["value"]
        last = roles[turn["from"]]
    return text + told["ask"]


if __name__ == "__main__":
    run(main)
