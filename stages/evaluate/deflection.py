"""Whether an answer deflects: says that he does not know, asks what is meant, refuses the premise, or will not say.

Phrases in the words of the characters' times and in plain ones, none of them for one character. They are looked for in the words of the answer with its
stops set apart ("i never heard of it . what is a train ?"), as claims.tokens has them. No list finds every deflection: a witty one has no phrase of its own ("Who'd
they have for cook?" says Silver of men on the moon), so that the rate is a lower bound. That an answer ends in some question is no sign, though such a rule would find
more: the characters end every third reply so, whatever they are asked, and a model that took on the habit and nothing else would seem to know its limits.
tests/evaluate/test_world.py measures what is found and what is found wrongly, on answers labelled before there was a phrase and on the gold.
"""

from __future__ import annotations

import re

from stages.evaluate.claims import NUMBERS, tokens

_NOT = r"(?:do not|dont|did not|didnt|cannot|cant|can not|could not|couldnt|shall not|am not able to|am unable to)"
_KNOW = r"(?:know|tell|guess|imagine|place|make (?:head|out|sense|anything)|understand|follow|comprehend|conceive|recognise|recognize|recollect (?:any|such|that)|see (?:so|that) far)"
_KIN = r"(?:brothers?|sisters?|twins?|wife|wives|husbands?|sons?|daughters?|child|children|cousins?|nephews?|nieces?|aunts?|uncles?|kin)"
_MAKE_BELIEVE = r"(?:jest|jesting|joke|joking|in sport|making sport|making game|testing me|having (?:me|you) on|pulling my leg|laughing at me|teasing|dreaming|drinking|drunk|at the (?:rum|gin|bottle|brandy|port|wine))"

PHRASES = {
    "not_knowing": (
        rf"\bi (?:am afraid i |fear i |confess i |own i )?{_NOT} (?:\w+ )?{_KNOW}\b(?! (?:me|you) (?:how (?:much|glad)|what a)\b)(?![^.!?]{{0,60}}, but\b)",
        r"\bi (?:cannot|cant|can not|could not|couldnt) say\b(?! (?:no|enough|fairer|it)\b)|\bi know (?:not(?:hing)? (?:of|about|what|who|where|why|how)|no|none|neither|of no|of none)\b(?! (?:better|finer|greater|more|worse)\b)",
        r"\bnever (?:yet |once |even |so much as )?(?:hear[d]?|read|met|saw|seen|seed|knew|knowed|known|come across) (?:of|with|him|her|it|one|any|such|them|no|neither|either)\b(?! (?:so|more|better)\b)",
        r"\bnever (?:yet |once )?(?:set (?:foot|eyes)|laid eyes|clapped eyes)\b|\bever (?:laid|set|clapped) eyes\b|\b(?:not|nt) (?:yet )?(?:met with|heard of|come across)\b",
        r"\b(?:no|not an|not the (?:least|faintest|slightest|smallest)|nt the (?:least|faintest|slightest)) (?:idea|notion|knowledge|acquaintance|recollection|means of (?:knowing|telling))\b",
        r"\bhow (?:should|could|can|would|might|in the world|the devil|on earth) (?:i|a man|a woman|any|anyone|anybody|one)\b[^.!?]{0,30}\b(?:know|tell|say|guess|answer)\b",
        r"\b(?:unknown|strange|new|a stranger|a mystery|unfamiliar|foreign|greek|dutch|hebrew|chinese|gibberish) to (?:me|my)\b|\bignorant (?:of|upon|about)\b",
        r"\b(?:not|un|in no way|hardly|little|quite un) ?(?:acquainted|familiar|aware of|informed)\b|\bat a loss (?:to|for|what)\b",
        r"\b(?:means?|conveys?|signif(?:y|ies)) (?:nothing|little|not a thing|anything whatever)\b|\bno (?:sense|meaning) (?:that|which|in|to)\b|\bmake nothing of\b",
        r"\b(?:beyond|past) (?:me|my (?:knowledge|understanding|comprehension|reckoning))\b|\bover my head\b|\blost me\b|\bthe advantage of me\b|\byou have the advantage\b|\bout of my (?:depth|reckoning)\b",
        r"\b(?:so far as|as far as|for all) i (?:know|knew|am aware)\b|\bwhatever (?:that|it|they|those) (?:may|might) be\b|\b(?:by|from) (?:its name|the (?:name|sound) of it)\b",
        r"\b(?:word|name|term) (?:is|was|that is) (?:quite |wholly |altogether )?(?:new|unknown|strange)\b|\binto my head\b|\bable to imagine\b",
    ),
    "asking_back": (
        r"\b(?:what|who) (?:is|are|was|were|be|might|may) (?:a|an|this|that|these|those|it|they|such)\b[^.!?]{0,40}\?|\bwho (?:is|was) (?:he|she)\b|\bwhat \w+ would that be\b",
        r"\bwhat (?:the devil |in the world |on earth )?(?:do|dye|did|does|can|could|might) (?:you |ye |that |it |this )?(?:mean|signify)\b|\bif (?:you|ye) (?:mean|speak of|refer)\b",
        r"\byou (?:speak|talk) (?:of|in) (?:a \w+ (?:i|that|which|of which)|riddles)\b|\bexplain yourself\b|\bspeak (?:plain|the king|sense)\b|\b(?:a|an|the) what (?:, \w+ )*\?",
        r"\bdescribe (?:the (?:article|thing|object|machine|engine|device|contrivance)|it)\b|\bis (?:it|he|she|that) (?:a|an|meat|german|french)\b[^.!?]{0,40}\?|\bare they \w+ \?",
        r"\b(?:who|whoever|somebody|someone) (?:has |have |had |in the world )?(?:been )?(?:told|tell|telling|tells|sold|filling|filled) (?:you|ye|thee)\b",
    ),
    "refusing_the_premise": (
        r"\bno such (?!thing\b)\w+|\bthere (?:is|was) no such\b|\bnothing of the (?:sort|kind)\b|\bi never (?:did|was|have)\b(?! (?:so|such|happier|more|better|like|see|find)\b)",
        rf"\b(?:have|had|ve|got|am) (?:no|neither|but one|only one|not a|never had an?) (?:\w+ )?{_KIN}\b|\bif i had an? {_KIN}\b|\bi(?: ha)?ve (?:one|two) (?:wife|husband|arms|legs|eyes)\b",
        r"\b(?:am|was|were) (?:not|never) (?:yet )?(?:married|wed|engaged|a widow|an author)\b|\b(?:unmarried|single) (?:woman|lady|man|gentleman)\b|\bi am unmarried\b|\bi did (?:no such|not any)\b",
        r"\bis not (?:dead|true|the case|to be believed)\b|\bnot a word of (?:it|truth)\b|\b(?:in perfect|in excellent|in the best of|in good) health\b|\balive and (?:well|hearty)\b|\b(?:untrue|is false)\b",
        r"\byou (?:are|be|must be|have been|were) (?:quite |much |sadly |greatly |very )?(?:mistaken|misinformed|misled|wrong|in error|deceived|confused|confounding|imposed upon|thinking of|misremembering)\b",
        r"\b(?:misinformed|gammon\w*|humbug\w*|hoax\w*|nonsense|poppycock|moonshine|balderdash|fiddlestick\w*|fairy ?tale|fairy story|idle tale|absurd\w*|preposterous|premise|your premises|false bill)\b",
        rf"\b(?:you|ye|youre)\b(?: \w+){{0,3}} {_MAKE_BELIEVE}\b|\byou (?:must|will) have (?:been )?(?:dropped|dreamt|dreamed|mistaken|confused|taken)\b|\briddles\b",
        r"\b(?:heaven|god|lord) forbid\b|\b(?:extraordinary|curious|strange|odd|singular|impertinent) question\b|\bnobody asked me\b",
        r"^(?:no|never|none|it is not|it was not|not i|not at all|certainly not|indeed not|not to my knowledge) [,.!]|[.!?] no , no ,|^it is not\b|\bcount again\b",
        r"\b(?:tall tales?|spinning (?:me )?(?:a )?yarns?)\b|\byou have me (?:\w+ )?(?:confused|confounded|mixed)\b|\bsomebody has (?:been )?(?:\w+ )?(?:deceiv|mislead|misled|sold|imposed)\w*\b",
    ),
    "what_is_to_come": (
        r"\b(?:no|not a|never a|nor a) (?:prophet|prophetess|fortune teller|soothsayer|oracle|gipsy|gypsy|witch)\b|\b(?:cannot|cant|do not|dont|not) (?:foresee|foretell|prophesy|read the future|see the future)\b|\bcrystal ball\b",
        r"\bnot (?:yet )?(?:been )?(?:printed|happened|come to pass|come about|born|yet run|yet written)\b|\byet to (?:come to pass|happen)\b|\bsee (?:so|that) far\b",
        r"\bonly (?:the almighty|god|heaven|providence|time) (?:\w+ )?(?:know|knows|has|can|will)\b|\b(?:god|heaven|providence) (?:alone|only) (?:knows|can)\b|\btime (?:alone )?will (?:tell|show)\b",
    ),
    "not_saying": (
        r"\bi (?:shall|will|must|should|would) (?:not|decline to|refuse to|rather not|prefer not to) (?:say|answer|discuss|be drawn|tell you (?:that|what|who|where|how))\b|\bi (?:wont|would rather not) (?:say|answer|discuss)\b",
        r"\b(?:not|no|none of) (?:your|my) (?:\w+ )?(?:concern|business|affair|province)\b|\bnone of (?:yours|your)\b|\bmind your own\b|\bi decline\b",
        r"\b(?:ask|apply to|carry (?:it|that|the|your)|put (?:it|that) to)\b[^.!?]{0,40}\b(?:somebody (?:else|who)|someone (?:else|who)|another man|my father|elsewhere)\b|\byou must (?:ask|apply to|carry|inquire|enquire)\b",
    ),
}

_ALL = re.compile("|".join(f"(?:{phrase})" for family in PHRASES.values() for phrase in family))
# Of what is thrown back, numbers ("Nine thousand!") and the words that are in every question do not count.
_COMMON = frozenset(
    "a an the and or of to in on at for i me my you your he she it we they him her is are was were am be do does did have has had that this there so sir madam mr mrs miss no not now".split()
)
_SHORT = 4  # words


def deflects(answer: str, prompt: str) -> bool:
    """Whether the answer has a phrase of deflection, or throws a word of the prompt back in a question or cry of up to four words ("A train?", "Accept him!")."""
    said = tokens(answer)
    return _ALL.search(" ".join(said)) is not None or _thrown_back(said, prompt)


def _thrown_back(said: list[str], prompt: str) -> bool:
    asked = {token for token in tokens(prompt) if token.isalpha()} - _COMMON - NUMBERS
    start = 0
    for place, token in enumerate(said):
        if token in ("?", "!") and place - start <= _SHORT and not asked.isdisjoint(said[start:place]):
            return True
        if token in (".", "?", "!"):
            start = place + 1
    return False
