"""The pieces of a chat template, and a GGUF's vocabulary against the tokenizer's. tests/merge/test_gguf.py has the stage itself."""

import pytest
from axolotl.utils.chat_templates import get_chat_template

from stages.common.errors import UserError
from stages.weights.as_served import Serving
from stages.weights.gguf import composed, pieces, vocabulary_fault
from tests.weights.tiny import TEMPLATE, tiny_tokenizer

CHAT = [{"from": who, "value": f"words {number}"} for number, who in enumerate(["system", "human", "gpt", "human", "gpt", "human"])]


@pytest.mark.parametrize(
    ("name", "end"), [("chatml", "<|im_end|>"), ("llama3", "<|eot_id|>"), ("qwen_25", "<|im_end|>"), ("mistral_v1", "</s>"), ("gemma3", "<end_of_turn>")]
)
def test_a_chat_of_any_length_is_made_of_its_pieces(name: str, end: str) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<s>", end]})
    tokenizer.bos_token = "<s>"
    serving = Serving(tokenizer, get_chat_template(name))
    told = pieces(serving)
    for chat in (CHAT, CHAT[:2], CHAT[1:], CHAT[1:2]):
        assert composed(told, chat) == serving.text(chat, ask=True)
    begins = pieces(serving, "<s>")
    assert not any(piece.startswith("<s>") for piece in begins.values())
    assert {name for name in told if told[name] != begins[name]} == ({"system", "user"} if told["system"].startswith("<s>") else set())


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (TEMPLATE.replace("message['content']", "(message['content'] if message['role'] != 'system' else '')"), "leaves out the words of system"),
        (TEMPLATE.replace("message['content']", "message['content'] + ('!' if loop.index == 6 else '')"), "writes a turn in other ways later in a chat"),
    ],
)
def test_a_template_that_is_not_made_of_pieces_is_refused(template: str, said: str) -> None:
    with pytest.raises(UserError, match=f"^the chat template {said}.*: it cannot be told to Ollama; set merge.gguf: null$"):
        pieces(Serving(tiny_tokenizer(), template))


def test_a_vocabulary_of_another_kind_order_or_end_is_found() -> None:
    tokenizer = tiny_tokenizer()
    file, tokens = {"pre_tokenizer": {"type": "ByteLevel"}}, tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    good = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": [*tokens, "[PAD259]"], "tokenizer.ggml.eos_token_id": 2}
    assert vocabulary_fault(good, tokenizer, file, 2) is None
    assert vocabulary_fault(good | {"tokenizer.ggml.model": "llama"}, tokenizer, file, 2) == "its kind is llama, expected gpt2"
    assert vocabulary_fault(good, tokenizer, {"pre_tokenizer": None}, 2) == "its kind is gpt2, expected llama"
    assert vocabulary_fault(good | {"tokenizer.ggml.tokens": tokens[::-1]}, tokenizer, file, 2) == f"token 0 is {tokens[-1]!r}, expected '<|endoftext|>'"
    assert vocabulary_fault(good | {"tokenizer.ggml.tokens": tokens[:-1]}, tokenizer, file, 2) == f"token 258 is 'none', expected {tokens[-1]!r}"
    assert vocabulary_fault(good | {"tokenizer.ggml.eos_token_id": 0}, tokenizer, file, 2) == "it ends with token 0, expected the end of turn, 2"
