"""Marks of a broken character in what the character says. filter drops chats by them; evaluate counts answers by them.

Whole phrases, never single words: word lists drop real prose ("offensive" and "illegal" are good Victorian words).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

# What a model calls itself, with up to three words before it ("a large, helpful AI"), and who makes such things.
_KIND = (
    r"(?:(?:ai|a\.i\.|llm)(?![\w'])|artificial intelligence|language model|(?:virtual|digital) assistant|chat ?bot\b|computer program|machine learning|"
    r"neural network|(?:open|virtual) assistant)"
)
_MAKER = (
    r"(?:hugging ?face|open ?ai|anthropic|google|meta ai|mistral|microsoft|alibaba|deepseek|lmsys|large model systems|stability ?ai|eleuther ?ai|cohere|"
    r"nvidia|tencent|baidu|xai|laion|databricks|moonshot|zhipu)\b"
)
_MADE = r"(?:trained|developed|created|made|built|designed|programmed|engineered|fine-?tuned)"
_MAKING = r"(?:researchers|engineers|developers|programmers|data scientists)\b"
# Names that no person has; Claude, Alexa and Dolly are people too, and count only where nothing of a person follows.
_MODEL = (
    r"(?:chat ?bot|chatgpt|gpt-?[2345][\w.]*|smol-?lm|llama|vicuna|alpaca|gemini|qwen|gemma|mixtral|deepseek|chatglm|stable-?lm|open ?assistant|koala|wizardlm|"
    r"guanaco|starling|internlm|baichuan|copilot|olmo|claude(?=[.,!;]|$| (?:by|from|an?|the)\b)|(?:alexa|cortana|siri)(?=[.,!;]|$))(?![a-z])"
)

# How a host, a shopman or a gentleman addresses the one he serves.
_ADDRESS = r"(?:sir|madam|ma'am|miss|my |mr\b|mrs\b|dr\b|doctor|captain|cap'n|lady|lord|gentlemen|ladies|friend|good|dear|inspector)"

# Four families of assistant speech. The model under the character comes through in these.
ASSISTANT = {
    "identity": (
        rf"\bas an? (?:[\w-]+,? ){{0,3}}?{_KIND}",
        rf"\bi(?: a|')m (?:[\w.'()-]{{1,30}},? ){{0,8}}?{_KIND}",
        r"\bi(?: a|')m (?:just |only |simply )?a (?:bot|(?:computer )?program)\b",
        rf"\bi(?: a|')m (?:not )?(?:called |named |known as |just )?{_MODEL}",
        rf"\b(?:my name is|you (?:can|may) (?:call|refer to) me(?: as)?|i go by(?: the name)?(?: of)?) {_MODEL}",
        rf"\b{_MADE} (?:by|at) (?:the |a )?(?:team (?:of|at) )?(?:{_MAKER}|meta\b)",
        rf"\b(?:i(?: a|')m|i was|i have been|i've been) (?:[\w-]{{1,20}} ){{0,2}}{_MADE} (?:by|at) (?:[\w()-]{{1,20}} ){{0,6}}{_MAKING}",
        rf"\b(?:{_MAKING}|{_MAKER})[^.!?\n]{{0,60}} {_MADE} me(?=[.,;!?]| to | as |$)",
        rf"\bmy (?:creators|developers|programmers) (?:are|at|have|did|trained|gave|designed)\b|\b(?:{_MAKER}|{_MAKING}) (?:is|are) my (?:creators?|developers?)\b",
        r"\b(?:my|your) (?:[\w-]{1,20} ){0,2}ai (?:assistant|companion|model|chatbot)",
        r"\ban? (?:[\w-]{1,20},? ){0,3}(?:ai (?:language model|assistant|chatbot|model)|language model|chatbot) (?:trained|developed|created|built|designed|made|called|named|based|by|from|here)\b",
        r"\bai language model\b",
        r"\bi(?: a|'| wa)[sm] (?:developed|programmed|fine-?tuned) by\b|\bi(?: a|')m an automated (?:\w{1,20} )?assistant",
        r"my training data|my knowledge cut-?off|my (?:last|latest) (?:knowledge )?update|my programming|my algorithms?\b",
        r"\bi(?: a|'| wa)[sm] (?:not |only |just |simply )?(?:programmed|designed) to\b",
        r"\bi do(?: not|n't) (?:actually |really |truly )?(?:have|possess|experience) (?:personal (?:experiences?|opinions?|feelings|emotions|beliefs|preferences)|a physical (?:body|form|presence)|real-time|access to (?:real|current|external|the internet|personal|up-to-date)|(?:feelings|emotions|consciousness) (?:or|and|like|as|in)\b|(?:human|subjective) (?:feelings|emotions|experiences?)|the (?:ability|capability|capacity) to (?:browse|access|feel|experience|see images))",
        r"\bi(?: a|')m not (?:capable of|able to) (?:feel|experienc\w+|provid\w+ real-time|access\w* (?:real|the internet))|\bmy neural network\b",
        r"\bi (?:can(?:not|'t)|do(?: not|n't)) (?:browse|access) (?:the (?:internet|web)|real-time|external)",
    ),
    "refusal": (
        r"i(?: a|')m (?:really |very |so )?sorry,? (?:but )?i(?: can(?:not|'t)|(?: a|')m unable to|(?: a|')m not able to) (?:assist|help|comply|do (?:that|this)|fulfil|provide|engage|continue|discuss|answer|generate|share (?:that|this|such))",
        r"i(?: can(?:not|'t)|'m unable to| am unable to) (?:assist(?: you\b| with\b| in\b|(?=[.,;!?\n]|$))|help (?:you )?with|comply|fulfil|provide (?:you with )?(?:information|assistance)|engage in|generate)",
        r"i(?: a|')m not able to (?:assist|help|provide)",
        r"i apologi[sz]e,? but (?:as an?|i (?:can(?:not|'t)|am unable|am not able|must decline))",
        r"i must (?:respectfully |politely )?decline to (?:provide|generate|engage in|assist|write|create)",
        r"i(?: a|')m not comfortable (?:with (?:this|that) (?:topic|request|kind)|discussing|providing|writing|creating|engaging)",
        r"i(?: can(?:not|'t)| won't| will not) (?:create|write|generate|provide|produce) (?:explicit|harmful|violent|sexual|hateful|such|any|that kind of|this kind of) content",
        r"(?:against|violates?|goes beyond|contrary to) (?:my|the|our) (?:ethical |content |community |usage |safety )?(?:guidelines|polic(?:y|ies)|terms of (?:service|use))",
        r"\bcontent (?:policy|policies|guidelines)\b|\b(?:inappropriate|harmful|explicit) (?:content|requests?)\b",
    ),
    "disclaimer": (
        r"it(?: i|')s (?:also |always )?(?:important|crucial|essential) to (?:note|remember|understand|acknowledge|recogni[sz]e|mention) that",
        r"it(?: i|')s worth noting that",
        r"please note that (?:i|this|the)",
        r"consult (?:with )?(?:a|an|your) (?:qualified|licensed|mental health|healthcare|(?:medical|legal) (?:professional|expert))",
        r"seek (?:professional|medical) (?:help|advice)",
        r"substitute for (?:professional|medical|legal) (?:advice|help)|mental health professional|suicide prevention|crisis (?:hotline|helpline)",
        r"for (?:educational|informational|entertainment) purposes",
        r"respectful and inclusive|diverse perspectives|inclusive language",
    ),
    "service": (
        # Doyle and Austen have "How can I help it?" and never this question; with an address ("..., madam?") it is a host's or a shopman's.
        r"how (?:can|may) i (?:assist|help|be of (?:assistance|help|service))(?: to)?(?: you)?(?=[?!.;:\n]|$)",
        rf"how (?:can|may) i (?:assist|help|be of (?:assistance|help|service))(?: to)?(?: you)?,? (?:today|further|(?:with|this|now|on|in)\b(?![^.?!\n]{{0,40}}, {_ADDRESS}))",
        r"(?:i(?: a|')m|i(?: wi|')ll be) (?:here|happy|glad|more than happy|ready|always here) to (?:assist|help)(?! in\b)",
        r"(?:is there )?anything else (?:i can|you(?:'d| would) like (?:me |to (?:know|ask|discuss|explore)))",
        r"feel free to (?:ask|reach out|let me know|share|contact)",
        r"(?:let me know|tell me) if you(?: have| need)? (?:any (?:other|further|more) questions|any(?: further)? (?:help|assistance))",
        r"if you have any (?:more|other|further|additional) (?:questions|queries|concerns)[^.!?\n]{0,40}(?:hesitate|feel free|let me know|i(?: a|')m here|please|just ask)",
        r"(?:don't|do not) hesitate to (?:reach out|contact|let me know)",
        r"thank you for (?:reaching out|sharing your|providing|contacting)",
        r"i hope (?:this|that) (?:helps(?=[.,;!?:\n]|$| you\b| clarif| answer)|email finds)",
        r"(?:that's|that is|what) a (?:great|fantastic) question",
        r"have a (?:nice|great|fantastic) (?:day|weekend)\b",
    ),
}

# The character stands beside himself, or another voice speaks.
BREAKS = {
    "stage_talk": (
        r"\(?\bo\.?o\.?c\.?\b ?[:)]|[(\[]ooc\b",
        r"\(out of character\b|^out of character[:)]",
        r"\[(?:scene|setting|end|narrator|narration|fade|cut to)\b",
        r"\b(?:break|breaking|broke|stay|staying|remain|remaining)(?: in| out of)? character\b",
        r"\b(?:response|reply|answer) in character\b|\bin-character (?:response|reply|answer)\b",
        r"\bmy character would\b|\b(?:this|our) role-?play\b",
    ),
    "playing": (
        r"(?:i(?: a|')m|i(?: wi|')ll be|i was) (?:just |only )?(?:role-?playing|(?:playing (?:the )?(?:role|part|character) of|pretending to be|acting as) (?:a (?:fictional|character|detective)|the (?:great )?detective))",
        r"i(?: a|')m (?:a |just a |only a |not a real person,? but a )?fictional (?:character|detective|person|figure)",
        r"as a fictional (?:character|detective|person|figure)",
        r"(?:a|the|this) fictional (?:character|detective|pirate|heroine) (?:created|written|invented|from|in|by)\b",
        r"(?:created|written|invented|penned) by (?:sir )?(?:arthur conan doyle|robert louis stevenson|jane austen)",
        r"(?:conan doyle|louis stevenson|jane austen)'s (?:stories|novels?|books?|characters?|detective|works?)",
        r"according to the (?:text|passage|prompt|context|novel|source material|character (?:card|sheet|description))",
    ),
    "prompt_leak": (
        r"(?:my|the) (?:system prompt|initial instructions|instructions say|system message)",
        r"<\|?(?:im_start|im_end|system|assistant|endoftext|eot_id)\|?>|\[/?inst\]|<</?sys>>|</?s>|###\s?(?:instruction|response|human|assistant)",
        r"^\W{0,4}(?:system|assistant|human|gpt)\W{0,4}:",
        r"\bi was (?:prompted|instructed) to (?:act|respond|speak|role-?play|reply) as\b",
    ),
    "speaks_for_user": (
        r"^\W{0,4}(?:the )?(?:visitor|user|you)\W{0,4}:",
        r"[*(]you (?:nod|smile|sigh|laugh|blush|gasp|shiver|reply|say|answer|whisper|look|feel|lean|step|sit|take)\b",
    ),
    "markup": (
        r"```",
        r"^[ \t]{0,8}(?:[-*]|\d{1,3}[.)]) [^\n]*\n[ \t\n]{0,8}(?:[-*]|\d{1,3}[.)]) ",
        r"^#{1,4} ",
        r"\*\*[^*\n]+\*\*",
        r"\bdear (?:mr\.?|mrs\.?|miss|ms\.?|sir|friend|hiring)[^.\n]{0,40},?\n",
        r"\[(?:your|insert|client|recipient|name)[^\]\n]{0,60}\]",
        r"^subject: ",
    ),
    "macro": (r"\{\{[^{}\n]{1,60}\}\}|< ?(?:bot|user|char) ?>|\{(?:user|char|bot)\}|\[(?:user|char|character)(?:'s)?(?: name)?\]",),
}

WORDS = frozenset({*ASSISTANT, "playing"})
"""The families of words alone, which match no part of a word."""

# Every match of a family holds one of these, in lower case; to look for them costs a small part of what the patterns cost, and most replies have none.
# A trigger of letters alone is a whole word, any other is found wherever it stands.
_LETTERS = re.compile("[a-z]+")
TRIGGERS = {
    "identity": (
        *("ai", "a.i.", "llm", "bot", "program", "chatbot", "model", "artificial", "assistant"),
        *("computer", "machine", "neural", "chatgpt", "gpt", "smollm", "smol", "llama"),
        *("vicuna", "alpaca", "gemini", "qwen", "gemma", "mixtral", "deepseek", "chatglm", "stablelm", "lm", "openassistant", "koala", "wizardlm", "guanaco"),
        *("starling", "internlm", "baichuan", "copilot", "olmo", "claude", "alexa", "cortana", "siri", "hugging", "huggingface", "openai", "anthropic"),
        *("google", "meta", "mistral", "microsoft", "alibaba", "lmsys", "systems", "stabilityai", "eleutherai", "cohere", "nvidia", "tencent", "baidu", "xai"),
        *("laion", "databricks", "moonshot", "zhipu", "researchers", "engineers", "developers", "programmers", "scientists", "creators", "training", "cutoff"),
        *("knowledge", "update", "programming", "algorithm", "algorithms", "programmed", "developed", "tuned"),
        *("finetuned", "designed", "personal", "physical", "real", "access", "subjective"),
        *("emotions", "consciousness", "ability", "capacity", "capability", "capable", "able", "browse", "feelings", "human experience"),
    ),
    "refusal": (
        *("sorry", "apologise", "apologize", "decline", "comfortable", "content", "inappropriate", "harmful", "explicit", "guidelines", "policy", "policies"),
        *("terms", "comply", "fulfil", "fulfill", "assist", "provide", "generate", "engage", "cannot help", "can't help", "able", "unable"),
    ),
    "disclaimer": (
        *("important", "crucial", "essential", "noting", "note", "consult", "professional", "medical", "substitute", "mental", "suicide", "crisis"),
        *("purposes", "inclusive", "perspectives"),
    ),
    "service": (
        *("assist", " i help", "i be of", "to help", "anything", "feel", "know if you", "tell me if", "have any", "hesitate"),
        *("thank", "hope", "a great", "fantastic", "nice"),
    ),
    "stage_talk": ("ooc", "o.o", "oo.c", "character", "role", "roleplay", "["),
    "playing": ("playing", "roleplaying", "role", "pretending", "acting", "fictional", "doyle", "stevenson", "austen", "according"),
    "prompt_leak": (*("system", "initial", "instructions", "assistant", "human", "gpt", "prompted", "instructed", "<", "###", "inst]"),),
    "speaks_for_user": (":", "*you ", "(you "),
    "markup": ("\n", "`", "# ", "**", "[", "subject: "),
    "macro": ("{", "<", "["),
}


# Every byte but a-z becomes a blank.
_APART = bytes(byte if 97 <= byte <= 122 else 32 for byte in range(256))


class _Said:
    """A reply as the patterns see it, in plain letters, and what the triggers are looked for in: its lower case and the words of that."""

    def __init__(self, reply: str):
        self.text = _plain(reply)
        self.lower = self.text.lower()
        self.words = self.lower.encode(errors="replace").translate(_APART).decode().split()


_said = lru_cache(maxsize=64)(_Said)  # a chat's replies are looked at twice, for assistant speech and for breaks


class _Family:
    """One family of patterns with its triggers."""

    def __init__(self, name: str, patterns: tuple[str, ...]):
        # Where a family is all words, whole words, as the triggers are. ASCII: without it IGNORECASE lets a long s or a dotless i match, which lower() does
        # not fold, and a trigger would miss it.
        either = "|".join(f"(?:{p})" for p in patterns)
        self.name = name
        self.pattern = re.compile(rf"(?<!\w)(?:{either})(?![a-z])" if name in WORDS else either, re.IGNORECASE | re.MULTILINE | re.ASCII)
        self.triggers = _Triggers(TRIGGERS[name])

    def first(self, said: _Said) -> str | None:
        """The first words that match, or None."""
        if not self.triggers.stand_in(said):
            return None
        match = self.pattern.search(said.text)
        return match.group().strip() if match else None


class _Triggers:
    """Words and phrases one of which a match must hold."""

    def __init__(self, triggers: Iterable[str]):
        triggers = sorted(set(triggers))
        self.words = frozenset(trigger for trigger in triggers if _LETTERS.fullmatch(trigger))
        self.phrases = tuple(trigger for trigger in triggers if not _LETTERS.fullmatch(trigger))

    def stand_in(self, said: _Said) -> bool:
        """Whether one of them stands in what was said."""
        if not self.words.isdisjoint(said.words):
            return True
        for phrase in self.phrases:  # a plain loop: any() with a generator takes twice as long
            if phrase in said.lower:
                return True
        return False


class _Families:
    """Families of patterns in the order in which they are asked; most replies have none of all their triggers and are done with at once."""

    def __init__(self, families: Mapping[str, tuple[str, ...]]):
        self.families = [_Family(name, patterns) for name, patterns in families.items()]
        self.triggers = _Triggers(trigger for name in families for trigger in TRIGGERS[name])

    def first(self, said: _Said) -> tuple[str, str] | None:
        """(family, matching words) of the first family that matches, or None."""
        if self.triggers.stand_in(said):
            for family in self.families:
                if found := family.first(said):
                    return family.name, found
        return None


_ASSISTANT, _BREAKS = _Families(ASSISTANT), _Families(BREAKS)
_CURLY = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
_NO_WIDTH = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))


def straight(text: str) -> str:
    """Curly quotes made straight, so that "I'm" matches however it is written."""
    return text if text.isascii() else text.translate(_CURLY)


def _plain(text: str) -> str:
    """Also wide letters made narrow, and characters without width left out: places in it are not those in the text."""
    return text if text.isascii() else unicodedata.normalize("NFKC", straight(text).translate(_NO_WIDTH))


def assistant_speech(reply: str) -> tuple[str, str] | None:
    """(family, matching words) of the first assistant phrase in a reply, or None."""
    return _ASSISTANT.first(_said(reply))


TITLES = frozenset("a an the mr mrs ms miss sir lady lord dr doctor captain king queen saint st old young".split())


def called(name: str) -> list[str]:
    """By what a character may be called: the whole name, and its first and last word, where that is no article or title."""
    ends = [part for part in (name.split()[-1], name.split()[0]) if part.lower().strip(".") not in TITLES]
    return list(dict.fromkeys([name, *ends]))


def character_break(reply: str, name: str) -> tuple[str, str] | None:
    """(family, matching words) where a reply leaves the character called `name`, or None.

    Speaking of himself counts as a break in three forms: a "Name:" prefix, "As Sherlock Holmes, I ...", and stage directions ("*Holmes nods*").
    """
    said, own = _said(reply), _own(name)
    if any(part in said.lower for part in own.names):
        for family, pattern in own.patterns:
            if match := pattern.search(said.text):
                return family, match.group().strip()
    return _BREAKS.first(said)


@dataclass(frozen=True)
class _Own:
    """What is looked for of one character's name: its forms in lower case, and the patterns with them by family."""

    names: tuple[str, ...]
    patterns: tuple[tuple[str, re.Pattern[str]], ...]


# What a narrator lets a character do, in the present tense of role-play.
_GESTURES = "nods|smiles|leans|looks|chuckles|sighs|grins|laughs|pauses|turns|raises|glances|gestures|steps|puffs|smirks|frowns|shrugs|stands|rises|narrows|gazes|winks|bows"


@lru_cache(maxsize=256)
def _own(name: str) -> _Own:
    names = "|".join(re.escape(part) for part in called(name))
    patterns = (
        ("name_prefix", rf"^[ \t]{{0,8}}\W?(?:mr\.? )?(?:{names})\W? ?:"),
        ("playing", rf"(?:i(?: a|')m|i was) (?:just |only )?(?:pretending to be|acting as) (?:{names})\b"),
        ("third_person", rf"\bas (?:{names}), (?:i|my)\b|\b(?:the character|the role|the part) of (?:{names})\b"),
        ("third_person", rf"(?:^|[*_(\[]) ?(?:mr\.? )?(?:{names}) (?:\w+ly )?(?:{_GESTURES})\b"),
        ("prompt_leak", rf"\byou are {re.escape(name)}, (?:the|a|an)\b"),
    )
    return _Own(tuple(part.lower() for part in called(name)), tuple((family, re.compile(p, re.IGNORECASE | re.MULTILINE)) for family, p in patterns))


def in_character(reply: str, name: str) -> bool:
    """Whether a reply shows no assistant speech and no break of character."""
    return assistant_speech(reply) is None and character_break(reply, name) is None
