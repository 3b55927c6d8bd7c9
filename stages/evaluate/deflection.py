"""Whether an answer deflects: says that he does not know, asks what is meant, refuses the premise, or will not say.

Phrases in the words of the characters' times and in plain ones, none of them for one character. They are looked for in the words of the answer with its
stops set apart ("i never heard of it . what is a train ?"), as claims.tokens has them. A list of phrases finds neither every deflection nor deflections alone:
tests/evaluate/test_world.py measures how many of either, on answers that were labelled before there was a phrase.
"""

from __future__ import annotations

import re

from stages.evaluate.claims import STOPS, tokens

_NOT = r"(?:do not|dont|did not|didnt|cannot|cant|can not|could not|couldnt|should not|shouldnt|am not able to|know not how to)"
_SAY = r"(?:know|say|tell|guess|imagine|place|make|understand|follow|comprehend|conceive|think what|perceive|recognise|recognize|see so far|see that far|name (?:him|her|it|any|one))"
# "never heard of", and not "never heard a finer song".
_MORE = r"(?!.{0,12}\b(?:so|such|finer|better|more|half|worse|happier)\b)"

PHRASES = {
    "not_knowing": (
        rf"\bi (?:am afraid i |fear i |confess i |own i )?{_NOT} (?:\w+ )?{_SAY}\b(?! (?:me|you) (?:how (?:much|glad)|what a)\b)(?![^.?]{{0,60}}, but\b)",
        r"\bi know (?:nothing|not|no|none|neither|little|of no|of none|of nothing)\b(?! (?:better|finer|greater))",
        rf"\b(?:i|we) (?:have |had |ha |ve )?never (?:yet |once |even )?(?:heard|read|met|saw|seen|seed|knew|knowed|known|come across|set (?:foot|eyes)|laid (?:eyes|hands)|clapped eyes)\b{_MORE}",
        r"\b(?:i|we) (?:have|had|ave) (?:not|nt) (?:\w+ )?(?:heard|read|met|seen|come across|the (?:least|faintest|slightest|smallest))\b",
        r"\bhave (?:no|not the (?:least|faintest|slightest)) (?:idea|notion|knowledge|acquaintance|recollection|memory|means of|information|opinion)\b",
        r"\bhow (?:should|could|can|would|might|in the world|the devil|on earth) (?:i|a man|a woman|any|anyone|anybody|one)\b[^?]{0,30}\b(?:know|tell|say|guess|answer)\b",
        r"\b(?:unknown|strange|new|a stranger|a mystery|unfamiliar|foreign|greek|dutch|double dutch|hebrew|chinese|gibberish|no meaning) to (?:me|my)\b",
        r"\b(?:not|un|in no way|hardly|little) ?(?:acquainted|familiar|aware|informed)\b|\bignorant (?:of|upon|about)\b|\bin the dark\b|\bat a loss\b",
        r"\b(?:means?|conveys?|says?|signif(?:y|ies)) (?:nothing|little|not a thing|anything whatever)\b|\bno sense\b|\bnothing of (?:that|it|this|such)\b",
        r"\b(?:beyond|past|over) (?:me|my (?:head|reach|knowledge|understanding|comprehension|reckoning))\b|\blost me\b|\byou have the advantage\b|\bout of my (?:depth|reach)\b",
        r"\b(?:so far as|as far as|for all|that) i (?:know|knew|am aware|ever heard|ever knew)\b|\bwhatever (?:that|it|they|those) (?:may|might) be\b",
        r"\b(?:an )?unfamiliar (?:word|name|term)\b|\b(?:word|name|term) (?:is|was|that is) (?:quite |wholly |altogether )?(?:new|unknown|strange)\b",
    ),
    "asking_back": (
        r"\b(?:what|who) (?:is|are|was|be|might|may) (?:a|an|this|that|these|those|it|they|he|she|such)\b[^.?]{0,40}\?",
        r"\bwhat (?:the devil |in the world |on earth )?(?:do|dye|did|does|can|could|might) (?:you |ye |that |it |this )?(?:mean|speak|signify)\b|\b(?:do|dye) (?:you|ye) (?:mean|speak of|refer)\b",
        r"\bif (?:you|ye) (?:mean|speak of|refer)\b|\b(?:you|ye) (?:speak|talk) (?:of|in) (?:a \w+ (?:i|that|which|of which)|riddles|things)\b",
        r"\bexplain (?:yourself|it|the|this|that|what|your)\b|\bdescribe (?:the|it|this|him|her)\b|\bspeak (?:plain|the king|english|sense)\b|\bwhat sort of\b[^.?]{0,40}\?",
        r"\b(?:who|whoever|somebody|someone) (?:has |have |had |in the world )?(?:been )?(?:told|tell|telling|tells|sold|put that|put this|filled|says so|said so)\b",
        r"\bis (?:it|he|she|that) (?:a|an|some|meat|german|french|the)\b[^.?]{0,40}\?|\bpray what\b|\bare they \w+ ?\?",
        r"\bwhat (?:\w+ )?would that be\b",
    ),
    "refusing_the_premise": (
        r"\b(?:no|never a) such\b|\bnothing of the (?:sort|kind)\b|\bnever (?:did|was|had|happened)\b(?! (?:so|such|happier|more|better))",
        r"\bi (?:have|had|keep|own|possess|got|ve got|never had) (?:no|neither|but one|only one)\b(?! (?:doubt|objection|difficulty|complaint|cause|reason|regret|patience|hesitation|choice|better))",
        r"\bthere (?:is|was|are|were) no\b(?! (?:doubt|question|finer|better|need|denying))|\bhave i (?:any|no)\b",
        r"\bi am (?:not (?:a |an |yet )?(?:married|wed|engaged|any)|unmarried|no (?:prophet|author|novelist|queen|king|\w+er))\b|\bsingle woman\b|\bi am not \w+ed\b",
        r"\bis not (?:dead|true|so|the case|to be believed)\b|\bnot a word of (?:it|truth)\b|\b(?:in perfect|in excellent|in the best of|in good) health\b|\balive and\b|\b(?:untrue|false)\b",
        r"\byou are (?:quite |much |sadly |greatly )?(?:mistaken|misinformed|wrong|in error|deceived|confused|thinking of)\b|\b(?:misinformed|misled|mistaken|mistook|gammon\w*|humbug\w*|hoax\w*)\b",
        r"\b(?:nonsense|poppycock|moonshine|balderdash|rubbish|fiddlestick\w*|fairy ?tale|fable|fairy story|idle tale|absurd\w*|preposterous|ridiculous|fantastical?|premises?)\b",
        r"\b(?:jest|jesting|joke|joking|in sport|making sport|testing me|having (?:me|you) on|pulling my leg|pull my leg|laughing at me|teasing me|riddles?)\b",
        r"\b(?:heaven|god|lord) forbid\b|\b(?:extraordinary|curious|strange|odd|singular|impertinent) question\b",
        r"^(?:no|never|none|it is not|it was not|not i|not at all|certainly not|indeed not|by no means|not to my knowledge)\b",
        r"\byou have (?:been|me) (?:\w+ )?(?:deceived|misled|told|listening|reading|confounded|confused|mixed)\b|\b(?:been|are) (?:at the rum|drinking|drunk|dreaming)\b",
        r"\bsomebody (?:has )?(?:been )?(?:deceiv|mislead|spinning)\w*\b|\b(?:tall tales?|spinning (?:a )?yarns?|yarn)\b|\bi (?:did|do|was|have|had) (?:no|not) (?:any ?)?(?:such|thing)\b",
    ),
    "what_is_to_come": (
        r"\b(?:prophet|prophets|prophecy|prophesy|foresee|foretell|fortune ?tellers?|crystal ball|soothsayer|oracle|gipsy|gypsy)\b|\b(?:see|look) (?:so|that) far\b",
        r"\bnot (?:yet )?(?:been )?(?:printed|happened|written|come to pass|come about|born)\b|\bhas not (?:yet )?(?:been|happened|come)\b|\byet to (?:come|happen|be)\b",
        r"\bonly (?:the almighty|god|heaven|providence|time)\b|\b(?:god|heaven|providence) (?:alone|only) (?:knows|can)\b|\btime will (?:tell|show)\b|\bread the future\b|\bthe future (?:is|must|will)\b",
    ),
    "not_saying": (
        r"\bi (?:shall|will|must|should|would) (?:not|decline|refuse|rather not|prefer not)(?: to)? (?:say|tell|answer|discuss|speak|give|be drawn)\b|\b(?:wont|would rather not) (?:say|tell|answer|discuss)\b",
        r"\bnot (?:your|my|a|any) (?:\w+ )?(?:concern|business|affair|province|to say)\b|\b(?:none|no business) of (?:your|my|yours)\b|\bmind your own\b",
        r"\b(?:ask|apply to|carry|put|take|address|consult)\b[^.?]{0,40}\b(?:somebody else|someone else|another|somebody who|someone who|my father|a prophet|elsewhere)\b|\byou must (?:ask|apply|carry|inquire|enquire)\b",
    ),
}

_ALL = re.compile("|".join(f"(?:{phrase})" for family in PHRASES.values() for phrase in family))
# Where somebody throws back a word of the question ("Steam?", "A train?"), the words that are in every question do not count.
_COMMON = frozenset("a an the and or of to in on at for i me my you your he she it we they is are was were do does did have has had that this sir madam mr mrs miss".split())


def deflects(answer: str, prompt: str) -> bool:
    """Whether the answer has a phrase of deflection, or opens with a question of up to four words that throws back a word of the prompt."""
    said = tokens(answer)
    return _ALL.search(" ".join(said)) is not None or _thrown_back(said, prompt)


def _thrown_back(said: list[str], prompt: str) -> bool:
    ends = [place for place, token in enumerate(said) if token in ".?"]
    if not ends or said[ends[0]] != "?" or ends[0] > 4:
        return False
    opening = set(said[: ends[0]]) - STOPS - _COMMON
    return "what" in opening or not opening.isdisjoint(tokens(prompt))
