"""Marks of a broken character in what the character says. filter drops chats by them; evaluate counts answers by them.

Whole phrases, never single words: word lists drop real prose ("offensive" and "illegal" are good Victorian words).
"""

from __future__ import annotations

import re

# Four families of assistant speech. The model under the character comes through in these.
ASSISTANT = {
    "identity": (
        r"\bas an? (?:ai\b|a\.i\.|artificial intelligence|(?:large )?language model|virtual assistant|digital assistant|chatbot)",
        r"i(?: a|')m (?:just |only |actually |really )?an? (?:ai|a\.i\.|artificial intelligence|(?:large )?language model|virtual assistant|digital assistant|chatbot|computer program|machine learning)\b",
        r"i(?: a|')m (?:smollm|chatgpt|claude|llama|gemini|qwen)",
        r"(?:trained|developed|created|made) by (?:hugging ?face|openai|anthropic|google|meta|mistral)\b",
        r"(?:my|your) (?:helpful )?ai assistant",
        r"my training data|my knowledge cut-?off|my programming",
        r"i do(?: not|n't) have (?:personal (?:experiences|opinions|feelings|beliefs|preferences)|a physical (?:body|form|presence)|real-time|access to real)",
    ),
    "refusal": (
        r"i(?: a|')m sorry,? (?:but )?i(?: can(?:not|'t)|(?: a|')m unable to|(?: a|')m not able to) (?:assist|help|comply|do (?:that|this)|fulfil|provide|engage|continue|discuss|answer|generate|share (?:that|this|such))",
        r"i(?: can(?:not|'t)|'m unable to| am unable to) (?:assist|help (?:you )?with|comply|fulfil|provide (?:you with )?(?:information|assistance)|engage in|generate)",
        r"i(?: a|')m not able to (?:assist|help|provide)",
        r"(?:against|violates?) (?:my|the|our) (?:guidelines|policies|terms of (?:service|use))",
    ),
    "disclaimer": (
        r"it(?: i|')s important to (?:note|remember|understand|acknowledge) that",
        r"please note that (?:i|this|the)",
        r"consult (?:with )?(?:a|an|your) (?:qualified|licensed|mental health|healthcare|(?:medical|legal) (?:professional|expert))",
        r"seek (?:professional|medical) (?:help|advice)",
        r"respectful and inclusive|diverse perspectives|inclusive language",
    ),
    "service": (
        r"how (?:can|may) i (?:assist|help|be of (?:assistance|help|service))(?: to)?(?: you)?",
        r"(?:i(?: a|')m|i(?: wi|')ll be) (?:here|happy|glad|more than happy) to (?:assist|help)",
        r"(?:is there )?anything else (?:i can|you(?:'d| would) like (?:me |to (?:know|ask|discuss|explore)))",
        r"feel free to (?:ask|reach out|let me know|share|contact)",
        r"(?:let me know|tell me) if you(?: have| need)? (?:any (?:other|further|more) questions|any(?: further)? (?:help|assistance))",
        r"thank you for (?:reaching out|sharing your|providing|contacting)",
        r"i hope (?:this|that) (?:helps|email finds)",
    ),
}

# The character stands beside himself, or another voice speaks.
BREAKS = {
    "stage_talk": (r"\(?\bo\.?o\.?c\.?\b ?[:)]", r"\(out of character\b|^out of character[:)]", r"\[(?:scene|setting|end|narrator)\b"),
    "playing": (
        r"(?:i(?: a|')m|i(?: wi|')ll be|i was) (?:just |only )?(?:role-?playing|(?:playing (?:the )?(?:role|part|character) of|pretending to be|acting as) (?:a (?:fictional|character|detective)|the (?:great )?detective))",
        r"i(?: a|')m (?:a |just a |only a )?fictional (?:character|detective|person)",
        r"(?:a|the|this) fictional (?:character|detective) (?:created|written|invented) by",
        r"(?:created|written|invented) by (?:sir )?arthur conan doyle",
        r"according to the (?:text|passage|prompt|context)",
    ),
    "prompt_leak": (
        r"(?:my|the) (?:system prompt|initial instructions|instructions say|system message)",
        r"<\|?(?:im_start|im_end|system|assistant|endoftext|eot_id)\|?>",
        r"^\W*(?:system|assistant|human|gpt)\W* ?:",
    ),
    "markup": (
        r"```",
        r"^\s*(?:[-*]|\d+[.)]) .*\n\s*(?:[-*]|\d+[.)]) ",
        r"^#{1,4} ",
        r"\*\*[^*\n]+\*\*",
        r"\bdear (?:mr\.?|mrs\.?|miss|ms\.?|sir|friend|hiring)[^.\n]{0,40},?\n",
        r"\[(?:your|insert|client|recipient|name)[^\]\n]*\]",
        r"^subject: ",
    ),
    "macro": (r"\{\{\w+\}\}|<(?:bot|user)>",),
}


def _compile(families: dict[str, tuple[str, ...]]) -> list[tuple[str, re.Pattern[str]]]:
    return [(name, re.compile("|".join(f"(?:{p})" for p in patterns), re.IGNORECASE | re.MULTILINE)) for name, patterns in families.items()]


_ASSISTANT, _BREAKS = _compile(ASSISTANT), _compile(BREAKS)


def straight(text: str) -> str:
    """Curly quotes made straight, so that "I'm" matches however it is written."""
    return text.translate({0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'})


def assistant_speech(reply: str) -> tuple[str, str] | None:
    """(family, matching words) of the first assistant phrase in a reply, or None."""
    return _first(_ASSISTANT, reply)


TITLES = frozenset("a an the mr mrs ms miss sir lady lord dr doctor captain king queen saint st old young".split())


def called(name: str) -> list[str]:
    """By what a character may be called: the whole name, and its first and last word, where that is no article or title."""
    ends = [part for part in (name.split()[-1], name.split()[0]) if part.lower().strip(".") not in TITLES]
    return list(dict.fromkeys([name, *ends]))


def character_break(reply: str, name: str) -> tuple[str, str] | None:
    """(family, matching words) where a reply leaves the character called `name`, or None.

    Speaking of himself counts as a break in two forms: a "Name:" prefix, and "As Sherlock Holmes, I ...".
    """
    text = straight(reply)
    names = "|".join(re.escape(part) for part in called(name))
    if match := re.match(rf"\s*\W?(?:mr\.? )?(?:{names})\W? ?:", text, re.IGNORECASE):
        return "name_prefix", match.group().strip()
    if match := re.search(rf"(?:i(?: a|')m|i was) (?:just |only )?(?:pretending to be|acting as) (?:{names})\b", text, re.IGNORECASE):
        return "playing", match.group()
    if match := re.search(rf"\bas (?:{names}), (?:i|my)\b|\b(?:the character|the role|the part) of (?:{names})\b", text, re.IGNORECASE):
        return "third_person", match.group()
    return _first(_BREAKS, reply)


def _first(families: list[tuple[str, re.Pattern[str]]], reply: str) -> tuple[str, str] | None:
    text = straight(reply)
    for family, pattern in families:
        if match := pattern.search(text):
            return family, match.group().strip()
    return None


def in_character(reply: str, name: str) -> bool:
    """Whether a reply shows no assistant speech and no break of character."""
    return assistant_speech(reply) is None and character_break(reply, name) is None
