"""Of each metric whether a lower or a higher figure is the better one, and which metrics say on how many it is taken."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stages.evaluate.rubric import ASPECTS

ARM = r"(?:[\w-]+\.)?(?:base|prompted|tuned|tuned_vs_base|tuned_vs_prompted)\."  # a character's name may stand before
PART = r"(?:\.[\w-]+)?"  # a topic, a category or a kind of source

RUBRIC = "|".join(ASPECTS)


@dataclass(frozen=True)
class Direction:
    """`better` is "lower", "higher", or "nearer to the gold"; `counts` are names in metrics/evaluate.json, added up."""

    better: str
    counts: tuple[str, ...] = ()


CHATS, VALIDATION = ("test.chats",), ("validation.chats",)
PROMPTS, ATTACKS = ("evaluation.prompts",), ("redteam.conversations",)
TALKS = ("talk.conversations",)
FACTS, UNKNOWABLES = ("world.facts",), ("world.unknowables",)

EVALUATE: tuple[tuple[str, Direction], ...] = (
    (rf"perplexity(?:_ratio)?{PART}", Direction("lower", CHATS)),
    (r"loss", Direction("lower", CHATS)),
    (r"validation_perplexity", Direction("lower", VALIDATION)),
    (r"in_character_rate", Direction("higher", PROMPTS)),
    (r"talk(?:\.[\w-]+)?_in_character_rate", Direction("higher", TALKS)),
    (rf"redteam{PART}_break_rate", Direction("lower", ATTACKS)),
    (r"mean_words", Direction("nearer to the gold", PROMPTS)),
    (r"words_from_gold|length_distance", Direction("lower", PROMPTS)),
    (r"cut_off_rate|empty_rate", Direction("lower", PROMPTS + ATTACKS)),
    (r"voice_delta", Direction("lower", ("voice.prompts",))),
    (r"distinct_\d", Direction("higher", PROMPTS)),
    (r"self_bleu|repetition_rate|copied_rate|copied_words", Direction("lower", PROMPTS)),
    (rf"world_correct_rate{PART}", Direction("higher", FACTS)),
    (rf"world_wrong_rate{PART}", Direction("lower", FACTS)),
    (rf"world_deflected_rate{PART}", Direction("higher", UNKNOWABLES)),
    (rf"world_(?:invented|broke)_rate{PART}", Direction("lower", UNKNOWABLES)),
    (r"lm_eval\.[\w-]+", Direction("higher")),
    (r"plain_rate", Direction("higher", ("plain.questions",))),
    (rf"judge_(?:{RUBRIC}|mean)", Direction("higher", ("judge.scored",))),
    (rf"judge_(?:{RUBRIC}|length_controlled)?_?win_rate", Direction("higher", ("judge.compared",))),
    (rf"human_(?:{RUBRIC}|win_rate)", Direction("higher", ("human.prompts",))),
    (r"human_both_bad_rate", Direction("lower", ("human.prompts",))),
)
OTHERS: dict[str, tuple[tuple[str, Direction], ...]] = {
    "metrics/train.json": ((r"(?:last_|best_)?eval_(?:loss|perplexity)|warnings\.total", Direction("lower")),),
    "metrics/merge.json": ((r"mean_delta|max_delta|(?:adapter|merged)_perplexity", Direction("lower")), (r"top1_agreement", Direction("higher"))),
    "metrics/gate.json": ((r"passed", Direction("higher")), (r"failed", Direction("lower"))),
}


def direction(file: str, metric: str) -> Direction | None:
    """The direction of a metric of a file under metrics/; None where neither way is better, or nobody has said which."""
    if file == "metrics/evaluate.json":
        metric, known = re.sub(rf"^{ARM}", "", metric) if re.match(ARM, metric) else "", EVALUATE
    else:
        known = OTHERS.get(file, ())
    return next((found for pattern, found in known if re.fullmatch(pattern, metric)), None)
