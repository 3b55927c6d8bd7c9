"""One chat before the rules, under the limits of params.yaml or others."""

from __future__ import annotations

from stages.common.params import read_yaml
from stages.filter.rules import judge
from stages.filter.talk import Drop, Limits, Role, Talk
from tests.chats import make_chat
from tests.project import ROOT

DEFAULTS = {name: value for name, value in read_yaml(ROOT / "params.yaml")["filter"].items() if name in Limits.__dataclass_fields__}


def limits(**changed: object) -> Limits:
    """The default limits, some of them changed."""
    return Limits(**{**DEFAULTS, **changed})


def talk(chat: dict, name: str = "Sherlock Holmes", **known: object) -> Talk:
    """A chat with the one who speaks in it; `known` as in Role."""
    return Talk(chat, Role(name, **known))


def drop(*said: str, name: str = "Sherlock Holmes", **changed: object) -> Drop | None:
    """What the rules make of a chat in which visitor and character say this in turn."""
    return judge(talk(make_chat(*said), name), limits(**changed))
