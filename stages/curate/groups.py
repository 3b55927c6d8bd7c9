"""Which chats belong together: those of a user, of a scene or of a conversation. The hold-out gives them one split, or a test would be of what was trained on.

Only a hash goes into the record. It names nobody, but whoever guesses an id can tell whether it is the one: it is a pseudonym. It has no salt, which would be
another with every new list of the forgotten, and old chats would move to other splits.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SCENE = ("scene_id", "sceneId", "scene")
# A scene's number says little without its book and chapter.
AROUND = ("book_id", "bookId", "book", "work", "title", "play", "act", "chapter")
USER = ("user_id", "userId")
# OpenAssistant's trees, ChatGPT's and others' conversations, of which an export may hold several branches or parts.
CONVERSATION = ("message_tree_id", "tree_id", "treeId", "conversation_id", "conversationId", "chat_id", "chatId")
HANDLE = ("user", "username", "user_handle", "handle")
NAME = ("user_name", "userName", "user_full_name", "full_name", "display_name", "displayName")
# What programs call a user who has not said his name.
NOBODY = {"{{user}}", "<user>", "user", "you", "anonymous", "anon", "guest", "human", "unknown", "none", "null"}


def groups(places: Sequence[Mapping], user: Any = None) -> dict[str, str]:
    """What the record, or one of the objects in it, names of "scene", "user" and "conversation": 16 hex digits for each.

    Of a user his id says most, then his handle, then his name, which several may have: that makes one group of two at worst.
    """
    inner = [user] if isinstance(user, Mapping) else []
    known = _first(places, USER) or _first(inner, ("id",)) or _first(places, HANDLE) or _first(places, NAME) or _first(inner, ("name",))
    found = {"user": user_group([known] if known else []), "scene": _of_scene(places), "conversation": _of_conversation(places)}
    return {what: name for what, name in found.items() if name}


def group(found: Mapping[str, str], kind: str) -> str | None:
    """The group of a chat of a source kind, of what `groups` found: a book's scene, anybody else's user, and what there is where that is not named."""
    order = ("scene", "user", "conversation") if kind == "book" else ("user", "scene", "conversation")
    return next((found[what] for what in order if what in found), None)


def user_group(names: Iterable[str]) -> str | None:
    """The group of the user whom the first of the names calls; None where it could be anybody's."""
    name = next(iter(names), None)
    return _hash("user", name) if name is not None and name.strip().lower() not in NOBODY else None


def _of_scene(places: Sequence[Mapping]) -> str | None:
    found = _first(places, SCENE)
    return None if found is None else _hash("scene", *[_first(places, (name,)) or "" for name in AROUND], found)


def _of_conversation(places: Sequence[Mapping]) -> str | None:
    found = _first(places, CONVERSATION)
    return None if found is None else _hash("conversation", found)


def _first(places: Sequence[Mapping], fields: Sequence[str]) -> str | None:
    """The first of the fields that names something, as a text; 7.0 is 7."""
    for field in fields:
        for place in places:
            value = place.get(field)
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
                return unicodedata.normalize("NFC", str(value)).strip()
    return None


def _hash(*named: str) -> str:
    """Case says nothing: one export writes "Ann", another "ann"."""
    return hashlib.sha256("\n".join(named).casefold().encode(errors="surrogatepass")).hexdigest()[:16]
