"""The merged model as one file for llama.cpp and Ollama, by llama.cpp's own converter, which is this machine's: it is looked for, and never fetched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from stages.common import children, environments
from stages.common.errors import UserError
from stages.common.files import read_json, write_json

FILE = "model.gguf"
SCRIPT, VARIABLE = "convert_hf_to_gguf.py", "DRAMATIS_LLAMA_CPP"


def converter() -> Path:
    """llama.cpp's convert_hf_to_gguf.py: in the folder that DRAMATIS_LLAMA_CPP names, else on the PATH. Raises UserError where there is none."""
    named = os.environ.get(VARIABLE)
    found = Path(named, SCRIPT) if named else Path(shutil.which(SCRIPT) or SCRIPT)
    if not found.is_file():
        where = f"in {named}" if named else "on the PATH"
        raise UserError(f"merge.gguf: no {SCRIPT} {where}: clone llama.cpp and name its folder in {VARIABLE}, or set merge.gguf: null")
    return found.resolve()


def convert(script: Path, model: Path, kind: str, name: str, scratch: Path) -> None:
    """Write `model`/model.gguf, whose numbers are `kind` and which calls itself `name`. Raises UserError with the converter's last line where it fails."""
    told = scratch / "told"
    told.mkdir()
    for path in model.iterdir():
        (told / path.name).symlink_to(path.resolve())
    (told / "tokenizer.json").unlink()
    write_json(told / "tokenizer.json", plain(read_json(model / "tokenizer.json")))
    command = [environments.python("train"), str(script), str(told), "--outfile", str(model / FILE), "--outtype", kind, "--model-name", name]
    try:
        children.run(command, environments.silent(), environments.state("logs") / "gguf.log")
    except UserError as error:
        raise UserError(f"merge.gguf: {script} cannot convert the model: {str(error).splitlines()[-1]}") from None


def plain(tokenizer: dict) -> dict:
    """tokenizer.json of a byte-level BPE without what it never needs: where transformers made it from a GGUF, it says that it falls back to bytes.

    By that the converter takes it for SentencePiece's, and every word would fall into pieces (gguf-py, LlamaHfVocab). Its tokens stay as they are.
    """
    if "ByteLevel" not in str(tokenizer["pre_tokenizer"]):
        return tokenizer
    decoder = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return tokenizer | {"model": tokenizer["model"] | {"byte_fallback": False}, "decoder": decoder}
