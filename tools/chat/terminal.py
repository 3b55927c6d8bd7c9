"""The chat in a terminal. Whatever a model, a card or a server says is printed as the words it is made of, never as markup or control sequences."""

from __future__ import annotations

import asyncio
import readline  # noqa: F401  `input` then has editing and, while the chat lasts, a history; nothing of it is written to disk
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from stages.common.errors import UserError
from tools.chat import saving, streaming
from tools.chat.plain import one_line, plain
from tools.chat.records import consent
from tools.chat.speakers import TUNED
from tools.chat.streaming import Speaker, Unanswered
from tools.chat.talk import Answer, Talk, begin

WIDEST = 88  # columns; longer lines are hard to read
HELP = {
    "/retry": "another answer to what you said last",
    "/undo": "takes back your last words and the answer to them",
    "/edit TEXT": "puts TEXT in place of the last answer",
    "/system TEXT": "another system prompt; alone it shows the present one, /system default goes back to the card's",
    "/character NAME": "a new talk with another character; alone it lists them",
    "/new": "the same character, from the beginning",
    "/save": "asks for your consent, and puts the talk into data/gold: the next `dvc repro` trains on it",
    "/quit": "ends the chat, as Ctrl-D does; Ctrl-C stops an answer",
}


class Column:
    """Words that come in pieces, set in lines that end between words; two spaces stand before each line."""

    def __init__(self, console: Console):
        self._console, self._width = console, min(console.width, WIDEST) - 2
        self._at, self._word, self._blank = 0, "", ""

    def add(self, text: str) -> None:
        """Print what is whole of the text; its last word waits for its end."""
        for letter in plain(text):
            if letter.isspace():
                self._flush()
                if letter == "\n":
                    self._console.out("")
                    self._at, self._blank = 0, ""
                else:
                    self._blank += " "
            else:
                self._word += letter
                if cell_len(self._word) >= self._width:  # no line holds it
                    self._flush()

    def end(self) -> None:
        """Print the rest and end the line."""
        self._flush()
        if self._at:
            self._console.out("")

    def _flush(self) -> None:
        if not self._word:
            return
        blank = self._blank if self._at else ""
        if self._at and self._at + len(blank) + cell_len(self._word) > self._width:
            self._console.out("")
            self._at, blank = 0, ""
        # Not `print`: that would look for markup, emoji and numbers, and cut lines by itself.
        self._console.out(f"{blank if self._at else '  '}{self._word}", end="", highlight=False)
        self._console.file.flush()
        self._at += len(blank) + cell_len(self._word)
        self._word, self._blank = "", ""


@dataclass
class Terminal:
    """A chat of one reader; `params` are those of curate, `sampling` the fields of every request."""

    speakers: Mapping[str, Speaker]
    cards: Mapping[str, Mapping]
    user: str
    sampling: Mapping
    params: Mapping
    talk: Talk
    console: Console = field(default_factory=lambda: Console(highlight=False, markup=False, emoji=False))

    def run(self) -> None:
        """Until the reader leaves."""
        self.console.print(Text("/help lists what can be done; Ctrl-D ends the chat.", "dim"))
        self._begin(self.talk)
        while True:
            self.console.print()
            try:
                words = plain(input(self._asking)).strip()
            except KeyboardInterrupt:
                self.console.print()
                self._note("Ctrl-D or /quit ends the chat.")
                continue
            except EOFError:
                self.console.print()
                return
            if words == "/quit":
                return
            try:
                self._do(words)
            except (UserError, Unanswered) as error:
                self._complain(str(error))

    @property
    def _asking(self) -> str:
        """The prompt. Readline must know which characters take no room, or it loses its place in long lines."""
        return "\001\033[1m\002You \u203a\001\033[0m\002 " if self.console.is_terminal and not self.console.no_color else "You \u203a "

    def _do(self, words: str) -> None:
        """Carry out a command, or ask the model. Raises UserError or Unanswered where it cannot be done."""
        commands: dict[str, Callable[[str], None]] = {
            "/help": self._help, "/retry": self._retry, "/undo": self._undo, "/edit": self._edit, "/system": self._system,
            "/character": self._character, "/new": lambda _: self._begin(begin(self.talk.character, self.cards, self.user)), "/save": self._save,
        }  # fmt: skip
        if not words:
            return
        command, _, rest = words.partition(" ")
        if not words.startswith("/"):
            self.talk = self.talk.ask(words)
            self._answer()
        elif command in commands:
            commands[command](rest.strip())
        else:
            raise UserError(f"no command {command}; /help lists them")

    def _answer(self) -> None:
        """Let every speaker answer what was asked last; the talk goes on with the tuned one's."""
        for name in sorted(self.speakers, key=lambda name: name == TUNED):  # it comes last, and what comes last is taken
            self._name(f"{self.talk.name} ({name})" if len(self.speakers) > 1 else self.talk.name)
            said: list[str] = []
            try:
                finish = self._stream(self.speakers[name], said)
            except Unanswered as error:
                self._complain(f"{error}. /retry asks again")
                continue
            if finish == "length":
                self._note(f"(cut off after {self.sampling['max_tokens']} tokens, answer.max_tokens)")
            elif finish == "stopped":
                self._note("(stopped)")
            if words := "".join(said).strip():
                self.talk = self.talk.answer(Answer(name, words, finish))

    def _stream(self, speaker: Speaker, said: list[str]) -> str:
        """Print an answer as it comes and put its pieces into `said`; returns how it ended, "stopped" by Ctrl-C. Raises Unanswered."""
        column, finish = Column(self.console), "stopped"
        messages = self.talk.prompt(len(self.talk.exchanges) - 1)

        async def listen() -> None:
            nonlocal finish
            async for piece in streaming.answer(speaker, messages, self.sampling):
                said.append(piece.text)
                column.add(piece.text if len(said) > 1 else piece.text.lstrip())
                finish = piece.finish or finish

        try:
            asyncio.run(listen())  # Ctrl-C cancels it, which ends the request
        except KeyboardInterrupt:
            pass
        finally:
            column.end()
        return finish

    def _begin(self, talk: Talk) -> None:
        self.talk = talk
        self._name(talk.name)
        if talk.greeting:
            self._say(talk.greeting)

    def _help(self, _rest: str) -> None:
        widest = max(map(len, HELP))
        for command, meaning in HELP.items():
            lines = textwrap.wrap(meaning, max(20, min(self.console.width, WIDEST) - widest - 5))
            for number, line in enumerate(lines):
                self.console.print(Text.assemble((f"  {'' if number else command:<{widest}}  ", "bold"), line))

    def _retry(self, _rest: str) -> None:
        if not self.talk.exchanges:
            raise UserError("nothing was said yet: there is nothing to answer again")
        self._answer()

    def _undo(self, _rest: str) -> None:
        if not self.talk.exchanges:
            raise UserError("nothing was said yet: there is nothing to take back")
        gone, self.talk = self.talk.exchanges[-1].asked, self.talk.undo()
        self._note(f"Taken back: {_short(gone)}")

    def _edit(self, words: str) -> None:
        if not self.talk.answered.exchanges:
            raise UserError("there is no answer yet that could be edited")
        if not words:
            raise UserError("/edit TEXT: the words in place of the last answer's are missing")
        self.talk = self.talk.answered.edit(words)
        self._name(self.talk.name)
        self._say(words)

    def _system(self, words: str) -> None:
        if words:
            self.talk = self.talk.tell(None if words == "default" else words)
            self._note("The model is told from now on:")
        self._say(plain(self.talk.told([turn["value"] for turn in self.talk.turns])))

    def _character(self, name: str) -> None:
        if name:
            self._begin(begin(name, self.cards, self.user))
            return
        for stem in self.cards:
            self.console.print(Text(f"  {stem}{'  (this talk)' if stem == self.talk.character else ''}"))

    def _save(self, _rest: str) -> None:
        saving.check(self.talk.answered)
        exchanges = len(self.talk.answered.exchanges)
        self._note(
            f"This keeps the talk ({exchanges} exchange{'s' if exchanges > 1 else ''}, as the answers stand now) under {saving.FOLDER}, from where others of the "
            "project read it and models learn from it. Leave out what names a living person.",
            style="",
        )
        try:
            may = input("May this talk be used to train a model? [y/N] ").strip().casefold() in ("y", "yes")
            if not may:
                self._note("Not saved.")
                return
            user = input("Who wrote the visitor's part? (name or initials) ")
            default = saving.license_of(self.params)
            license = input(f"Under which licence? [{default}] ").strip() or default
        except (EOFError, KeyboardInterrupt):
            self.console.print()
            self._note("Not saved.")
            return
        done = saving.save(self.talk, consent(may, user, license), self.params)
        self._note(
            f"Saved: {done.path}:{done.line}. "
            + (f"{done.why_not}: put it in, or the run passes the talk over." if done.why_not else "`dvc repro` trains on it.")
        )

    def _name(self, name: str) -> None:
        self.console.print()
        self.console.print(Text(name, "bold cyan"))

    def _say(self, words: str) -> None:
        column = Column(self.console)
        column.add(words)
        column.end()

    def _note(self, words: str, style: str = "dim") -> None:
        for line in textwrap.wrap(one_line(words), min(self.console.width, WIDEST)):
            self.console.print(Text(line, style))

    def _complain(self, words: str) -> None:
        for line in textwrap.wrap(f"error: {one_line(words)}", min(self.console.width, WIDEST)):
            self.console.print(Text(line, "red"))


def _short(words: str) -> str:
    return textwrap.shorten(one_line(words), 60, placeholder=" ...")
