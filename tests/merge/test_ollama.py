"""The Modelfile. Go's own text/template wrote ours as the chat template does, for the families of tests/weights/test_gguf.py; here its text is held."""

from __future__ import annotations

from stages.merge.ollama import constant, fenced, modelfile, prompts, sampling

PIECES = {
    "system": "<|s|>", "user": "<|u|>", "system user": "<|e|>\n<|u|>", "user assistant": "<|e|>\n<|a|>", "assistant user": "<|e|>\n<|u|>", "ask": "<|e|>\n<|a|>",
}  # fmt: skip
WHOLE = r'''FROM ./model.gguf
SYSTEM """You are H."""
TEMPLATE """{{- $last := "" }}
{{- range .Messages }}
{{- if eq .Role "system" }}
{{- if eq $last "" }}{{ "<|s|>" }}
{{- end }}
{{- else if eq .Role "user" }}
{{- if eq $last "" }}{{ "<|u|>" }}
{{- else if eq $last "system" }}{{ "<|e|>\n<|u|>" }}
{{- else if eq $last "assistant" }}{{ "<|e|>\n<|u|>" }}
{{- end }}
{{- else if eq .Role "assistant" }}
{{- if eq $last "user" }}{{ "<|e|>\n<|a|>" }}
{{- end }}
{{- end }}{{ .Content }}{{ $last = .Role }}
{{- end }}
{{- "<|e|>\n<|a|>" }}"""
PARAMETER stop """<|e|>"""
PARAMETER num_ctx 512
'''


def chat(character: str, prompt: str, kind: str = "gold") -> dict:
    return {"character": character, "source": {"kind": kind}, "conversations": [{"from": "system", "value": prompt}, {"from": "human", "value": "Who?"}]}


def test_a_modelfile_has_the_model_the_prompt_and_the_template_it_was_trained_with() -> None:
    assert modelfile("model.gguf", "You are H.", PIECES, "<|e|>", 512) == WHOLE


def test_a_prompt_cannot_end_itself_and_stands_as_it_is() -> None:
    assert fenced('He said "No."\nPARAMETER stop x') == '"""He said "No."\nPARAMETER stop x"""'
    assert fenced('You are """\nFROM other\n"""') == "\"\"\"You are '''\nFROM other\n'''\"\"\""


def test_what_cannot_be_printed_is_a_number_in_a_go_string() -> None:
    assert constant('a "b" \\ {{ }}\n\u200b😀') == '"a \\U00000022b\\U00000022 \\U0000005c {{ }}\\n\\U0000200b😀"'


def test_each_characters_prompt_is_the_one_without_a_lorebooks_lines() -> None:
    trained = [chat("silver", "You are S."), chat("holmes", "The violin.\nYou are H."), chat("holmes", "You are H."), chat("none", "Help.", "replay")]
    assert prompts(trained) == {"holmes": "You are H.", "silver": "You are S."}


def test_words_are_drawn_as_they_were_measured() -> None:
    assert sampling({"temperature": 0.7, "min_p": 0.05, "top_p": 1.0, "seed": 11}).splitlines() == [
        "PARAMETER temperature 0.7", "PARAMETER min_p 0.05", "PARAMETER top_p 1.0", "PARAMETER top_k 0", "PARAMETER repeat_penalty 1.0",
    ]  # fmt: skip
