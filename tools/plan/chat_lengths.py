"""Of each chat the tokens that train sees, and which of them the character says."""

from __future__ import annotations

from collections.abc import Sequence

from stages.common.chats import spoken
from stages.filter.context import Context
from tools.plan.batches import ChatTokens


def chat_tokens(chats: Sequence[dict], context: Context) -> list[ChatTokens]:
    """The tokens of each chat. The token that ends a reply is trained too (`train_on_eos: turn`)."""
    found = []
    for chat in chats:
        text = context.text(chat["conversations"])
        places = context.tokenizer.encode(text, add_special_tokens=False).offsets
        said, behind, token = 0, 0, 0
        for reply in spoken(chat, "gpt"):
            begin = text.find(reply.strip(), behind)
            if begin < 0:  # a template that rewrites what is said; it has no such words
                continue
            behind = begin + len(reply.strip())
            while token < len(places) and places[token][1] <= begin:
                token += 1
            while token < len(places) and places[token][0] < behind:
                said |= 1 << token
                token += 1
            said |= 1 << token
        found.append(ChatTokens(len(places), said))
    return found
