import json

import pytest

from stages.common.errors import UserError
from stages.weights.tokenized import tokenize
from stages.weights.tokenizers import end_of_turn, facts
from tests.weights.tiny import tiny_tokenizer


def test_the_end_of_turn_is_the_token_that_the_template_writes_after_the_answer():
    assert end_of_turn(tiny_tokenizer()) == 2


def test_a_tokenizer_without_a_template_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    with pytest.raises(UserError, match="no chat template"):
        end_of_turn(tokenizer)


def test_a_template_that_ends_turns_with_plain_words_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    with pytest.raises(UserError, match="no special token"):
        end_of_turn(tokenizer)


def test_facts_report_what_each_file_names_as_end_of_text(base, tmp_path):
    for file in base.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"eos_token_id": [1, 2]}))
    (tmp_path / "generation_config.json").unlink()
    found = facts(tmp_path)
    assert (found["end_of_turn"], found["tokenizer"], found["config"], found["generation_config"]) == (2, [2], [1, 2], [])


def test_only_the_characters_words_and_his_end_of_turn_are_trained(chats, adapter):
    ids, labels = tokenize(chats, adapter / "axolotl.yaml", tiny_tokenizer())["h-gold-000000000003"]
    trained = tiny_tokenizer().decode([token for token, label in zip(ids, labels, strict=True) if label != -100])
    assert trained == "An answer, 3.<|im_end|>No more.<|im_end|>"


def test_every_trained_label_is_its_own_token(chats, adapter):
    for ids, labels in tokenize(chats, adapter / "axolotl.yaml", tiny_tokenizer()).values():
        assert all(label in (-100, token) for token, label in zip(ids, labels, strict=True))
