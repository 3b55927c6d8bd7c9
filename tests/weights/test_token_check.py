"""What is trained is what will be served, or the check says where not: chats through Axolotl's own strategy, held to a serving template."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from axolotl.prompt_strategies.chat_template import load
from axolotl.utils.chat_templates import get_chat_template
from axolotl.utils.dict import DictDefault

from stages.common.errors import UserError
from stages.train.config import DATASET
from stages.weights.as_served import Serving
from stages.weights.token_check import chats, check, document
from stages.weights.token_text import pieces, shown
from tests.weights.tiny import TEMPLATE, tiny_tokenizer

DEFAULT_PROMPT = "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe helpful.<|im_end|>\n' }}{% endif %}" + TEMPLATE
OWN = "take what changes which tokens are trained (train_on_inputs, special_tokens, eot_tokens ...) out of axolotl in params.yaml"


def turns(*said: str, system: str | None = "You are H.") -> list[dict]:
    told = [{"from": who, "value": words} for who, words in zip(["human", "gpt"] * len(said), said, strict=False)]
    return [{"from": "system", "value": system}, *told] if system else told


CHATS = [turns("Who?", "I am H."), turns("Why?", "It is so.", "And?", "No more."), turns("Two and two?", "Four.", system=None)]


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps({"id": f"h-{number}", "conversations": one}) + "\n" for number, one in enumerate(CHATS)))
    return str(path)


def rows(said: list[list[dict]], template: str = TEMPLATE, tokenizer=None, dataset: dict | None = None, **config: object) -> list[tuple]:
    """Chats as Axolotl tokenizes them with the pipeline's own dataset settings, but for what is told."""
    tokenizer = tokenizer or tiny_tokenizer()
    tokenizer.chat_template = template
    cfg = DictDefault({"chat_template": "tokenizer_default", "sequence_len": 512, "train_on_inputs": False, **config})
    strategy = load(tokenizer, cfg, ds_cfg={**DATASET, **(dataset or {})})
    return [(row["input_ids"], row["labels"]) for one in said for row in [strategy.tokenize_prompt({"conversations": one})]]


def found(file: str, made: list[tuple], template: str = TEMPLATE, tokenizer=None) -> list[str]:
    """The faults of what is made of CHATS, without the place."""
    faults = check(made, chats(file), Serving(tokenizer or tiny_tokenizer(), template)).faults
    assert all(fault.startswith(f"{file}:") for fault in faults), faults
    return [fault.removeprefix(f"{file}:") for fault in faults]


def test_what_the_pipeline_trains_is_what_it_serves(file):
    serving = Serving(tiny_tokenizer(), TEMPLATE)
    told = check(reversed(rows(CHATS)), chats(file), serving)
    assert told.faults == []
    assert told.trained == len("I am H.It is so.No more.Four.") + 4
    assert sum(told.tokens) == sum(len(ids) for ids, _ in rows(CHATS))


def test_an_end_of_turn_that_is_not_trained_is_found(file):
    faults = found(file, rows(CHATS, dataset={"train_on_eos": "none"}))
    assert faults[0] == (
        "1 (h-0): token 51, '<|im_end|>' (id 2), which ends turn 3 (gpt), would not be trained: the character would never learn to stop; "
        f"expected the character's words and end-of-turn tokens to be trained, and nothing else: {OWN}"
    )
    assert len(faults) == 3


def test_ends_of_turn_but_the_last_that_are_not_trained_are_found(file):
    (fault,) = found(file, rows(CHATS, dataset={"train_on_eos": "last"}))
    assert fault.startswith("2 (h-1): ") and "which ends turn 3 (gpt), would not be trained" in fault


def test_a_system_prompt_that_is_trained_is_found(file):
    faults = found(file, rows(CHATS, train_on_inputs=True))
    assert faults[0].startswith("1 (h-0): token 9, 'Y' (id 59), of turn 1 (system), would be trained; expected")
    assert faults[2].startswith("3 (h-2): token 7, 'T' (id 54), of turn 1 (human), would be trained; expected")


def test_a_visitors_end_of_turn_that_is_trained_is_found(file):
    faults = found(file, rows(CHATS, dataset={"train_on_eos": "all"}))
    assert faults[0].startswith("1 (h-0): token 19, '<|im_end|>' (id 2), that the template writes around turn 1 (system), would be trained")


def test_words_of_the_visitor_that_are_trained_are_found_and_words_of_the_character_that_are_not(file):
    faults = found(file, rows(CHATS, dataset={"roles_to_train": ["user"]}))
    assert "'W' (id 57), of turn 2 (human), would be trained" in faults[0]
    made = rows(CHATS)
    for label, said in ((-100, "would not be trained; expected"), (77, "would be trained as 'k' (id 77); expected")):
        made[0][1][-4] = label
        assert found(file, made)[0].startswith(f"1 (h-0): token 49, 'H' (id 42), of turn 3 (gpt), {said}")


def test_the_templates_header_of_a_reply_must_not_be_trained(file):
    made = rows(CHATS)
    place = made[0][0].index(1, 30)
    made[0][1][place] = 1
    assert found(file, made)[0].startswith(f"1 (h-0): token {place + 1}, '<|im_start|>' (id 1), that the template writes around turn 3 (gpt), would be trained")


@pytest.mark.parametrize(
    ("trained", "served", "faulty"),
    [
        (DEFAULT_PROMPT, TEMPLATE, [3]),  # a default prompt where a chat has no system turn
        (TEMPLATE, DEFAULT_PROMPT, [3]),
        (TEMPLATE.replace("message['content']", "message['content'] | lower"), TEMPLATE, [1, 2, 3]),
        ("{{ bos_token }}" + TEMPLATE, TEMPLATE, [1, 2, 3]),  # one beginning of text more
        (TEMPLATE.replace("'<|im_end|>' + '\n'", "'<|im_end|>'"), TEMPLATE, [1, 2, 3]),
        (TEMPLATE.replace("message['role']", "message['role'] | upper"), TEMPLATE, [1, 2, 3]),
    ],
)
def test_another_template_in_training_than_in_serving_is_found(file, trained, served, faulty):
    faults = found(file, rows(CHATS, trained), served)
    assert [int(fault[0]) for fault in faults] == faulty
    assert all(
        "by the chat template that serving uses; take what changes the template" in fault or "none of what would be trained" in fault for fault in faults
    )


def test_the_first_token_that_is_another_is_named(file):
    faults = found(file, rows(CHATS, "{{ bos_token }}" + TEMPLATE))
    assert "token 2 would be trained as '<|im_start|>' (id 1), and is 's' (id 85) by the chat template that serving uses" in faults[0]
    cut = [(ids[:-1], labels[:-1]) for ids, labels in rows(CHATS)]
    assert "token 52 would be trained as none, the chat has ended, and is '\\n' (id 201)" in found(file, cut)[0]


def test_a_chat_that_is_not_trained_and_one_that_is_trained_twice_are_found(file):
    made = rows(CHATS)
    (fault,) = found(file, [made[0], made[0], made[2]])
    assert fault.startswith("2 (h-1): none of what would be trained has its words")


def test_of_two_chats_that_are_alike_each_must_be_trained(file):
    with open(file, "a", encoding="utf-8") as more:
        more.write(json.dumps({"id": "h-3", "conversations": CHATS[0]}) + "\n")
    assert found(file, rows([*CHATS, CHATS[0]])) == []
    (fault,) = found(file, rows(CHATS))
    assert fault.startswith("4 (h-3): none of what would be trained has its words")


def test_words_that_stand_otherwise_in_the_prompt_than_in_the_whole_chat_are_found(file):
    """Mistral's way: the system prompt stands before the last question, and in a whole chat nothing is the last but the reply."""
    template = (
        "{% for m in messages %}{% if m['role'] == 'user' %}{{ '[' + (messages[0]['content'] + ' ' if loop.last and messages[0]['role'] == 'system' else '') "
        "+ m['content'] + ']' }}{% elif m['role'] == 'assistant' %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}"
    )
    faults = found(file, rows(CHATS, template), template)
    assert faults[0].startswith(
        "1 (h-0): where serving asks for turn 3 (gpt), the chat template writes 'You are H. Who?]', and in the whole chat 'Who?]I am H."
    )
    assert len(faults) == 2


def test_a_system_prompt_that_the_template_leaves_out_is_found(file):
    template = TEMPLATE.replace("{% for message in messages %}", "{% for message in messages if message['role'] != 'system' %}")
    faults = found(file, rows(CHATS, template), template)
    assert [fault.split("; ")[0] for fault in faults] == [
        f"{line} (h-{line - 1}): the chat template leaves out turn 1 (system), or changes its words 'You are H.'" for line in (1, 2)
    ]


def test_thoughts_that_serving_leaves_to_the_model_are_found(file):
    template = TEMPLATE.replace("message['content']", "('<think></think>' if loop.last and message['role'] == 'assistant' else '') + message['content']")
    assert "turn 3 (gpt): the chat template writes '<think></think>I am H." in found(file, rows(CHATS, template), template)[0]


def test_a_turn_without_its_end_is_found(file):
    template = TEMPLATE.replace(
        "message['content'] + '<|im_end|>'", "message['content'] + ('<|im_end|>' if message['role'] != 'assistant' or loop.last else '')"
    )
    (fault,) = found(file, rows(CHATS, template), template)
    assert "turn 3 (gpt): the chat template writes '\\n<|im_start|>user" in fault and "not the end-of-turn token '<|im_end|>' (id 2)" in fault


def test_a_template_that_refuses_a_chat_is_told_with_its_own_words(file):
    template = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + TEMPLATE
    faults = found(file, rows(CHATS[2:]), template)
    assert [fault.partition("; ")[0] for fault in faults] == [
        f"{line} (h-{line - 1}): the chat template refuses it: System role not supported" for line in (1, 2)
    ]


def test_a_reply_whose_first_token_is_half_the_templates_is_found(tmp_path):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from tests.weights.tiny import SPECIAL

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate([*SPECIAL, *alphabet, "ĊĊ"])}, [("Ċ", "Ċ")]))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False), decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    said = [turns("Who?", "\nI am H.")]
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"id": "h-0", "conversations": said[0]}))
    (fault,) = check(rows(said, tokenizer=fast), chats(str(path)), Serving(fast, TEMPLATE)).faults
    assert "turn 3 (gpt) begins inside a token" in fault and "is '\\n' (id" in fault and "it is '\\n\\n' (id 259)" in fault


def test_a_template_that_writes_todays_date_is_refused(file):
    template = "{{ strftime_now('%d %b %Y') }}\n" + TEMPLATE
    with pytest.raises(UserError, match="writes the date of the day"):
        document({"train": rows(CHATS, template)}, {"train": file}, Serving(tiny_tokenizer(), template))
    fixed = "{% if not date_string is defined %}{% set date_string = '26 Jul 2024' %}{% endif %}{{ date_string }}\n" + TEMPLATE
    assert document({"train": rows(CHATS, fixed)}, {"train": file}, Serving(tiny_tokenizer(), fixed))["chat"] == "h-0"


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("chatml", "<|im_end|>"),
        ("llama3", "<|eot_id|>"),
        ("qwen_25", "<|im_end|>"),
        ("mistral_v1", "</s>"),
        ("phi_4", "<|im_end|>"),
        ("gemma3", "<end_of_turn>"),
    ],
)
def test_the_templates_of_the_families_that_are_trained_pass(file, name, end):
    def family():
        tokenizer = tiny_tokenizer()
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_sep|>", "<|start_header_id|>", "<|end_header_id|>", "<start_of_turn>", "<s>", end]})
        tokenizer.eos_token, tokenizer.bos_token = end, "<s>"
        return tokenizer

    template = get_chat_template(name)
    assert found(file, rows(CHATS, template, family()), template, family()) == []


def test_an_end_of_text_that_is_not_the_templates_end_of_turn_is_found(file):
    """Axolotl trains the tokenizer's end of text, which `special_tokens` can make another."""
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = "<|endoftext|>"
    assert "'<|im_end|>' (id 2), which ends turn 3 (gpt), would not be trained" in found(file, rows(CHATS, tokenizer=tokenizer))[0]


def test_the_chat_to_look_at_is_the_one_of_median_length_with_counts_of_all(file):
    told = document({"train": rows(CHATS), "validation": rows(CHATS)}, {"train": file, "validation": file}, Serving(tiny_tokenizer(), TEMPLATE))
    assert (told["chat"], told["file"], told["line"], told["turns"]) == ("h-0", file, 1, ["system", "human", "gpt"])
    assert told["splits"]["train"] == told["splits"]["validation"]
    assert told["splits"]["train"]["chats"] == 3 and told["splits"]["train"]["trained"] == 33
    assert "".join(token["text"] for token in told["tokens"]) == "".join(
        f"<|im_start|>{role}\n{words}<|im_end|>\n" for role, words in (("system", "You are H."), ("user", "Who?"), ("assistant", "I am H."))
    )


def test_each_token_of_a_chat_is_known_by_its_turn(file):
    serving = Serving(tiny_tokenizer(), TEMPLATE)
    said = CHATS[1]
    told = shown(said, serving.served(said), serving)
    for turn, one in enumerate(said):
        mine = [token for token in told if token["turn"] == turn]
        assert "".join(token["text"] for token in mine if token["part"] == "words") == one["value"]
        role = {"system": "system", "human": "user", "gpt": "assistant"}[one["from"]]
        assert "".join(token["text"] for token in mine) == f"<|im_start|>{role}\n{one['value']}<|im_end|>\n"
        assert [token["text"] for token in mine if token["part"] == "end"] == (["<|im_end|>"] if one["from"] == "gpt" else [])
        assert {token["trained"] for token in mine if token["part"] != "template"} == {one["from"] == "gpt"}


def test_words_that_the_template_itself_writes_are_still_the_visitors():
    serving = Serving(tiny_tokenizer(), TEMPLATE)
    said = turns("user", "assistant", "assistant", "user")
    told = shown(said, serving.served(said), serving)
    assert [[t["part"] for t in told if t["turn"] == turn and t["text"] not in ("<|im_start|>", "<|im_end|>", "\n")] for turn in (1, 2)] == [
        ["template"] * 4 + ["words"] * 4,
        ["template"] * 9 + ["words"] * 9,
    ]


def test_a_character_of_several_tokens_is_shown_whole_in_each():
    serving = Serving(tiny_tokenizer(), TEMPLATE)
    found = pieces(serving.tokenizer("né 🕵", add_special_tokens=False)["input_ids"], serving)
    assert [(piece.text, piece.number, piece.of) for piece in found] == [
        ("n", 1, 1), ("é", 1, 2), ("é", 2, 2), (" ", 1, 1), ("🕵", 1, 4), ("🕵", 2, 4), ("🕵", 3, 4), ("🕵", 4, 4),
    ]  # fmt: skip
