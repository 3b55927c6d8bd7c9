"""The situations of the simulated conversations: enough of each, fit for everybody, and not in the training data or the other prompts."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

from stages.answer.situations import FILE, read
from stages.answer.visitor import fit
from stages.common.characters import read_all
from stages.common.chats import normal
from stages.common.params import read_yaml
from tests.data.test_prompts import EVALUATION, GOLD_TURNS, PROMPTS, REDTEAM, SCENARIOS, WORLDS, lines, runs, trigrams
from tests.data.test_prompts import turns as said_in
from tests.project import ROOT

SITUATIONS = read(ROOT / FILE, read_all(ROOT / "data/characters"))
SAID = [line for one in SITUATIONS for line in one["prompts"]]
OTHERS = [text for prompt in [*EVALUATION, *REDTEAM, *lines(PROMPTS / "world.jsonl"), *lines(PROMPTS / "plain.jsonl")] for text in said_in(prompt)]


def test_there_are_four_of_each_of_five_situations_and_each_has_six_turns() -> None:
    assert Counter(one["situation"] for one in SITUATIONS) == dict.fromkeys(("curious", "hostile", "as-an-ai", "drifting", "grieving"), 4)
    assert {len(one["prompts"]) for one in SITUATIONS} == {6}


def test_as_shipped_one_of_each_situation_is_held() -> None:
    assert read_yaml(ROOT / "params.yaml")["answer"]["talks"] in (0, 5)


def test_every_visitor_is_told_who_he_is_and_of_whom_he_speaks() -> None:
    assert [one["id"] for one in SITUATIONS if not one["visitor"].startswith(("You ", "Your ")) or "{{char}}" not in one["visitor"]] == []
    assert [line for line in SAID if "{{" in line or line != line.strip()] == []


def test_ids_are_used_once_over_all_prompt_files() -> None:
    files = [line for path in sorted(PROMPTS.glob("*.jsonl")) for line in lines(path)]
    assert [name for name, count in Counter(entry["id"] for entry in [*files, *SCENARIOS]).items() if count > 1] == []


def test_every_line_of_the_file_is_one_that_a_visitor_may_say() -> None:
    """What a model says is replaced by these where it is not fit; they must be fit themselves."""
    assert [line for line in SAID if fit(line + ("" if line[-1] in ".?!" else "."), []) is None] == []


def test_what_is_for_everybody_names_nobodys_world_and_calls_nobody_sir_or_madam() -> None:
    told = [text for one in SITUATIONS for text in (one["visitor"], *one["prompts"])]
    assert [text for text in told if re.search(rf"\b(?:{'|'.join(WORLDS.values())})\b", text)] == []
    assert [text for text in told if re.search(r"\b(?:sir|mr|miss|ma'am|madam)\b", text, re.IGNORECASE)] == []


def test_no_line_is_said_twice_or_nearly_so_here_or_in_another_prompt() -> None:
    counts = Counter(map(normal, [*SAID, *OTHERS]))
    assert [line for line in SAID if counts[normal(line)] > 1] == []
    own, others = ([(text, trigrams(text)) for text in texts] for texts in (SAID, OTHERS))
    pairs = [*combinations(own, 2), *((one, other) for one in own for other in others)]
    assert [(one, other) for (one, a), (other, b) in pairs if len(a | b) > 8 and 10 * len(a & b) > 2 * len(a | b)] == []


def test_no_line_is_nearly_what_a_gold_visitor_says_or_shares_eight_words_in_a_row_with_the_gold() -> None:
    gold = [(text, trigrams(text)) for text in GOLD_TURNS]
    assert [(line, text) for line in SAID for text, b in gold if (a := trigrams(line)) and 10 * len(a & b) > 3 * len(a | b)] == []
    known = set().union(*(runs(text, 8) for text in GOLD_TURNS))
    assert [line for line in SAID if runs(line, 8) & known] == []
