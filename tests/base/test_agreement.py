"""What the base stage refuses, and in which words."""

from __future__ import annotations

import pytest

from stages.base.agreement import disagreements, unsafe

TEXT = "<|im_end|>"


def facts(**changed: object) -> dict:
    agreed = {"end_of_turn": 2, "end_of_turn_text": TEXT, "tokenizer": [2], "config": [2], "generation_config": [2], "pad": 0}
    return {**agreed, "vocabulary": 49152, "parameters": 1, **changed}


@pytest.mark.parametrize(
    "files",
    [["config.json", "model.safetensors"], ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]],
)
def test_a_folder_of_safetensors_is_safe(files: list[str]) -> None:
    assert unsafe(files) is None


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth", "model.pt", "last.ckpt", "tokens.pkl", "tokens.pickle", "training_args.bin"])
def test_a_pickle_is_refused_by_name_even_beside_safetensors(name: str) -> None:
    said = unsafe(["config.json", "model.safetensors", name])
    assert said == f"pickle weights are refused, they run code when opened: {name}; safetensors are expected"


def test_all_pickles_are_named() -> None:
    assert "a.bin, b.pt;" in unsafe(["a.bin", "b.pt", "model.safetensors"])


def test_a_folder_without_safetensors_is_refused_with_what_it_holds() -> None:
    assert unsafe(["config.json", "model.gguf"]) == "no safetensors weights among config.json, model.gguf"
    assert unsafe([]) == "no safetensors weights among no files"
    assert unsafe(["model.safetensors.index.json"]) == "no safetensors weights among model.safetensors.index.json"


def test_files_that_all_name_the_templates_token_agree() -> None:
    assert disagreements(facts()) == []


def test_a_file_may_name_other_ends_of_text_besides_the_templates_token() -> None:
    assert disagreements(facts(end_of_turn=128009, tokenizer=[128009], config=[128001, 128008, 128009], generation_config=[128001, 128009], pad=128004)) == []


@pytest.mark.parametrize("place", ["tokenizer", "config", "generation_config"])
@pytest.mark.parametrize(("named", "words"), [([1], "[1]"), ([], "none"), ([0, 1], "[0, 1]")])
def test_a_file_that_does_not_name_the_templates_token_is_told_with_what_it_names(place: str, named: list[int], words: str) -> None:
    (said,) = disagreements(facts(**{place: named}))
    assert said == f"the chat template ends a turn with {TEXT} (id 2), but {place} names {words} as end of text"


def test_every_disagreement_is_told_at_once() -> None:
    said = disagreements(facts(tokenizer=[1], config=[1], generation_config=[]))
    assert [sentence.partition("but ")[2].split()[0] for sentence in said] == ["tokenizer", "config", "generation_config"]


def test_a_padding_token_that_is_the_end_of_turn_is_refused_because_it_would_never_be_trained() -> None:
    (said,) = disagreements(facts(pad=2))
    assert said == "the padding token is the end-of-turn token (id 2): the end of a turn would never be trained"


def test_no_padding_token_is_no_disagreement() -> None:
    assert disagreements(facts(pad=None)) == []
