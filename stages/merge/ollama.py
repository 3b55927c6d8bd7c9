"""A Modelfile: by `ollama create NAME -f Modelfile` Ollama has the model with its character's prompt and the template that it was trained with.

Ollama's templates are Go's, and it guesses them for the best-known models alone; an unknown one would get the last message and no prompt
(template/template.go, Named and DefaultTemplate).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ROLES = ("system", "user", "assistant")


def prompts(trained: Iterable[Mapping]) -> dict[str, str]:
    """Each character's system prompt by name, in order: the shortest that its training chats have, since a lorebook adds lines to what its card says."""
    found: dict[str, str] = {}
    for chat in trained:
        first = chat["conversations"][0]
        if chat["source"]["kind"] != "replay" and first["from"] == "system":
            found[chat["character"]] = min(found.get(chat["character"], first["value"]), first["value"], key=len)
    return dict(sorted(found.items()))


def modelfile(file: str, prompt: str, pieces: Mapping[str, str], end: str, context: int) -> str:
    """The Modelfile for a GGUF beside it. `pieces` and `end` as stages/weights/gguf.py gives them; `context` is in tokens."""
    lines = [
        f"FROM ./{file}",
        f"SYSTEM {fenced(prompt)}",
        f"TEMPLATE {fenced(template(pieces))}",
        f"PARAMETER stop {fenced(end)}",
        f"PARAMETER num_ctx {context}",
    ]
    return "\n".join(lines) + "\n"


def sampling(drawn: Mapping[str, float]) -> str:
    """Lines that have Ollama draw words as the figures of the model's card were drawn; `drawn` is the parameter `answer`."""
    values = {name: drawn[name] for name in ("temperature", "min_p", "top_p")} | {"top_k": 0, "repeat_penalty": 1.0}
    return "".join(f"PARAMETER {name} {value}\n" for name, value in values.items())


def template(pieces: Mapping[str, str]) -> str:
    """A Go template (text/template) that writes a chat as the pieces do."""
    lines = ['{{- $last := "" }}', "{{- range .Messages }}"]
    for role in ROLES:
        before = [last for last in ("", *ROLES) if f"{last} {role}".strip() in pieces]
        lines.append(f'{{{{- {"if" if role == ROLES[0] else "else if"} eq .Role "{role}" }}}}')
        for number, last in enumerate(before):
            lines.append(f'{{{{- {"if" if number == 0 else "else if"} eq $last "{last}" }}}}{{{{ {constant(pieces[f"{last} {role}".strip()])} }}}}')
        lines.append("{{- end }}")
    lines += ["{{- end }}{{ .Content }}{{ $last = .Role }}", "{{- end }}", f"{{{{- {constant(pieces['ask'])} }}}}"]
    return "\n".join(lines)


def constant(text: str) -> str:
    """A Go string: what cannot be printed as its number."""
    return '"' + "".join("\\n" if one == "\n" else one if one.isprintable() and one not in '"\\' else f"\\U{ord(one):08x}" for one in text) + '"'


def fenced(text: str) -> str:
    """A text as a Modelfile's value. Three quotation marks would end it, and nothing there takes them for what they are: they become apostrophes."""
    return f'"""{text.replace(chr(34) * 3, chr(39) * 3)}"""'
