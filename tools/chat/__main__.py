"""Talk with the trained character.

    python -m tools.chat                    # in this terminal
    python -m tools.chat --web              # on a page that only this machine and whoever has its address can open
    python -m tools.chat --compare          # the base model answers too, with the same system prompt
    DRAMATIS_API_KEY="$(cat .dramatis/api-key)" python -m tools.chat --url http://127.0.0.1:8000/v1    # with `make serve`, or another server

Without --url it starts vLLM with models/merged, if the gate (metrics/gate.json) lets the model pass, and ends it with the chat.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

from stages.common import characters, children
from stages.common.errors import UserError, run
from stages.common.params import load
from tools.chat import streaming, web
from tools.chat.speakers import speaking
from tools.chat.talk import begin
from tools.chat.terminal import Terminal


def main() -> None:
    told = arguments()
    children.end_with_caller()
    answer, curate, cards = load("answer"), load("curate"), characters.read_all()
    talk = begin(told.character or default(cards, curate["characters"]), cards, curate["curate.user"])
    key = key_in(told.api_key_env) if told.url is not None else None
    with speaking(told.compare, told.url, key, told.model, told.force) as speakers:
        if told.web:
            web.serve(web.Chat(speakers, cards, talk.character, curate["curate.user"], streaming.sampling(answer), curate), told.port)
        else:
            Terminal(speakers, cards, curate["curate.user"], streaming.sampling(answer), curate, talk).run()


def key_in(variable: str) -> str | None:
    """The key in a variable of the environment, None where it is empty. Raises UserError, in which the key does not stand, where no header could hold it."""
    key = os.environ.get(variable, "").strip()
    if not all("!" <= letter <= "~" for letter in key):
        raise UserError(f"{variable}: expected a key of visible ASCII characters")
    return key or None


def default(cards: Mapping[str, Mapping], chosen: list[str] | None) -> str:
    """The first of the characters that the model was trained to be."""
    return next((name for name in chosen or () if name in cards), next(iter(cards)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.chat", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--character", metavar="NAME", help="a file's name in data/characters; default: the first of params.yaml's")
    parser.add_argument("--compare", action="store_true", help="the base model answers too")
    parser.add_argument("--web", action="store_true", help="serve a page on 127.0.0.1 instead of the terminal")
    parser.add_argument("--port", type=int, default=0, help="the page's port; default: a free one")
    parser.add_argument("--force", action="append", default=[], metavar="METRIC", help="talk though the gate stops the model at this metric; once for each")
    parser.add_argument("--url", help="a running server's OpenAI base URL, http://127.0.0.1:PORT/v1")
    parser.add_argument("--model", help="with --url: the character's name there; default: the one model that is not called base")
    parser.add_argument("--api-key-env", default="DRAMATIS_API_KEY", metavar="VARIABLE", help="with --url: the environment variable with its key (%(default)s)")
    told = parser.parse_args()
    if not 0 <= told.port <= 65535:
        raise UserError(f"--port {told.port}: expected 1 to 65535, or 0 for a free one")
    if told.url is None and told.model:
        raise UserError("--model names a model of the server at --url, which is missing")
    if told.url is not None and told.force:
        raise UserError("--force is for the model that the chat starts itself; whoever started the server at --url has answered for it")
    if told.port and not told.web:
        raise UserError("--port is the page's: it needs --web")
    return told


if __name__ == "__main__":
    run(main)
