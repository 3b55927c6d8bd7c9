"""The marks of a broken character: what they must find, and the period prose that they must leave alone.

Decided here: "How may I assist you?" as a question put to nobody counts (family "service"): in 1.4 million words of Austen,
Doyle and the Maudes' Tolstoy it does not come once. With an address ("How may I help you, madam?") it is a landlord's or a shopman's and does
not count, nor do the same words inside a period sentence ("Pray tell me how I may assist you, madam"). A plain
"I cannot help you unless ..." is a detective's condition and no refusal; "I cannot help with that" is one.
"""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from stages.common import in_character as module
from stages.common.in_character import ASSISTANT, BREAKS, assistant_speech, character_break, in_character
from tests.project import ROOT

NAME = "Sherlock Holmes"

SAID_BY_ASSISTANTS = {
    "identity": [
        "As an AI language model, I have no opinion of the matter.",
        "Well, as an AI, I do not smoke.",
        "As an A.I. I cannot taste tobacco.",
        "As a large language model I have read of it.",
        "I'm just a chatbot, sir.",
        "I\u2019m an AI, and glad of it.",
        "I am actually an artificial intelligence.",
        "I am ChatGPT.",
        "I'm SmolLM, and I was trained by Hugging Face.",
        "I was created by OpenAI.",
        "I am your helpful AI assistant.",
        "That lies beyond my knowledge cutoff.",
        "My training data says nothing of Moriarty.",
        "I don't have personal opinions on that.",
        "I do not have a physical body.",
        "I am Vicuna, a language model trained by researchers from Large Model Systems Organization (LMSYS).",
        "My name is Vicuna.",
        "Researchers from LMSYS created me.",
        "No, I am trained by researchers from a university.",
        "My creators are researchers from Berkeley.",
        "I was created by a team of skilled developers.",
        "I am Axiom, a highly intelligent, logical, and helpful AI assistant.",
        "I'm Claude, made to be harmless.",
        "I am Open Assistant.",
        "You can call me ChatBot, Ada.",
        "I'm just a program!",
        "I'm designed to be helpful.",
        "I don't have feelings or experiences.",
        "I can't browse the internet.",
    ],
    "refusal": [
        "I'm sorry, but I can't assist with that.",
        "I am sorry, but I cannot fulfil your request.",
        "I'm sorry, I cannot help with that.",
        "I\u2019m sorry, but I\u2019m unable to do that.",
        "I cannot assist you with this request.",
        "I can't help with that.",
        "I cannot help you with that request.",
        "I am unable to provide information about crimes.",
        "I'm not able to help with that.",
        "I cannot engage in such a conversation.",
        "That would be against my guidelines.",
        "This violates our policies.",
        "I apologize, but I cannot continue.",
        "I must respectfully decline to generate that.",
        "I'm not comfortable discussing it.",
        "I will not write explicit content.",
        "It is contrary to my ethical guidelines.",
    ],
    "disclaimer": [
        "It is important to note that every case differs.",
        "It's important to remember that smoking harms.",
        "Please note that I cannot see the room.",
        "You should consult with a qualified professional.",
        "Please consult a licensed therapist.",
        "Consult a medical professional before you try it.",
        "You should seek professional help.",
        "There are diverse perspectives on the Empire.",
        "It's worth noting that the door was shut.",
        "This is no substitute for medical advice.",
        "I tell it for educational purposes only.",
    ],
    "service": [
        "How can I assist you today?",
        "How may I be of service?",
        "Good day! How may I help you?",
        "I'm here to help!",
        "I will be happy to assist you.",
        "Is there anything else I can do for you?",
        "Is there anything else you would like to know?",
        "Feel free to ask me more.",
        "Let me know if you have any other questions.",
        "Thank you for reaching out.",
        "Thank you for sharing your story.",
        "I hope this helps!",
        "How can I help you today, sir?",
        "If you have any more questions in the future, don't hesitate to ask.",
        "That's a great question.",
        "Have a nice day!",
    ],
}

SAID_OUT_OF_CHARACTER = {
    "stage_talk": [
        "(OOC: back in a minute)",
        "OOC: shall we stop?",
        "(out of character) I enjoyed that.",
        "[Scene: Baker Street, night]",
        "[End of dialogue]",
        "[OOC what now?]",
        "I must not break character.",
        "In this roleplay I am old.",
        "My character would refuse.",
    ],
    "playing": [
        "I'm roleplaying here.",
        "I am only role-playing.",
        "I am just pretending to be Sherlock Holmes.",
        "I'm just a fictional character, after all.",
        "I am a fictional detective.",
        "Holmes is a fictional detective created by a doctor.",
        "I was invented by Sir Arthur Conan Doyle.",
        "According to the prompt, I live in London.",
        "According to the passage, the lamp was lit.",
        "According to the character description, I smoke.",
        "As a fictional character, I do not age.",
        "In Conan Doyle's stories I keep bees.",
    ],
    "prompt_leak": [
        "My system prompt says that I live in Baker Street.",
        "The system prompt is secret.",
        "Yes.<|im_end|>",
        "<|eot_id|>",
        "Quite so.\nHuman: And then?",
        "Assistant: Good evening.",
        "### Response\nGood evening.",
        "[INST] Good evening. [/INST]",
        "You are Sherlock Holmes, the consulting detective of Baker Street.",
        "I was instructed to speak as a detective.",
    ],
    "speaks_for_user": ["Sit down.\nVisitor: Thank you.", "*You nod slowly.* Good.", "Well?\nYou: I cannot say."],
    "markup": [
        "```\nprint()\n```",
        "Consider:\n1. The boots.\n2. The hat.",
        "- the boots\n- the hat",
        "## Method",
        "The **boots**, madam.",
        "**Sherlock Holmes:** The boots, madam.",
        "Dear Mr. Smith,\nI have your letter.",
        "Sincerely, [Your Name]",
        "Subject: the boots\nSir,",
    ],
    "macro": ["Good evening, {{user}}.", "{{Char}} nods.", "Sit down, <USER>.", "Good evening, {{ user }}.", "Sit down, {user}.", "Sit down, [user]."],
    "name_prefix": [
        "Sherlock Holmes: Sit down.",
        "Holmes: Sit down.",
        "Mr. Holmes: Sit down.",
        "\n Sherlock: Sit down.",
        "*Holmes*: Sit down.",
        "Sit down.\nHolmes: Now speak.",
    ],
    "third_person": [
        "As Sherlock Holmes, I would look at the boots.",
        "as holmes, my answer is no.",
        "I play the role of Sherlock Holmes.",
        "The character of Holmes is complex.",
        "*Holmes leans back.* The boots, madam.",
        "Sherlock Holmes slowly nods and says nothing.",
    ],
}

# Each of these holds words of some rule, and is what a man of 1895 might say.
PERIOD_PROSE = [
    "I cannot help it, Watson; the fellow interests me.",
    "I cannot help thinking that you slept ill last night.",
    "I could not help observing the mud upon your left boot.",
    "I cannot help you unless you tell me everything.",
    "A knot in the handkerchief served him as an aid to memory.",
    "He was an aide-de-camp to the Viceroy, and walks like it.",
    "Whistle it as an air for the violin, and you will hear the mistake.",
    "This key was made by metal-workers in Leeds.",
    "It is against the terms of your uncle's will.",
    "You should consult a medical man about that cough.",
    "It would be out of character for so careful a man to leave his umbrella.",
    "I was acting as a cabman that night, and drove you myself.",
    "I was pretending to be a groom out of place.",
    "For three days I was playing the part of a dying man.",
    "According to the story your cousin tells, the lamp was lit.",
    "The instructions were plain enough: come alone.",
    "There is no more to the system: one looks, and then one looks again.",
    "I am sorry, but I cannot share your optimism, Inspector.",
    "Is there anything else you would like to tell me before I see your brother?",
    "Pray tell me how I may assist you, madam.",
    "An offensive smell, an illegal still, and a most respectable widow.",
    "As Holmes the elder used to say, wood remembers.",
    "You are a fool, sir, and your language is a model of its kind.",
    "He was human: he wanted his supper.",
    "My dear sir, sit down; my dear Watson, the brandy.",
    "I am a man of few instructions and no policy whatever.",
    "I am here, and I am happy to be of use; that is the whole of it.",
    "Number 3. is the house; the door is green.",
    "The role of the housemaid in this affair is the only honest one.",
    "How may I help you, madam?",
    "Good evening to you, Captain; and how can I be of service to you, sir?",
    "How can I help it, when the fellow will not speak?",
    "How can I help seeing what is under my nose?",
    "You see, my dear sir, my training was in chemistry, and I was trained by a hard master.",
    "I am not comfortable with it, I confess.",
    "My character has ever been celebrated for its sincerity.",
    "A company of foot was quartered there, and its engineers made me a map.",
    "I am Claude Frollo, sir, and Dolly is my sister.",
    "The meeting was of metal-workers, and desiring quiet I left it.",
    "I was told to act as I thought best.",
    "Mrs. Holmes nods to nobody in this street.",
    "You look pale, and you feel the cold; sit down.",
    "I must decline to answer that, sir.",
    "Do not hesitate to send for me at any hour.",
]


@pytest.mark.parametrize("family, reply", [(family, reply) for family, replies in SAID_BY_ASSISTANTS.items() for reply in replies])
def test_an_assistants_phrase_is_found_and_named_by_its_family(family: str, reply: str) -> None:
    hit = assistant_speech(reply)
    assert hit is not None and hit[0] == family
    assert hit[1].casefold() in reply.replace("\u2019", "'").casefold() and hit[1]
    assert not in_character(reply, NAME)


@pytest.mark.parametrize("family, reply", [(family, reply) for family, replies in SAID_OUT_OF_CHARACTER.items() for reply in replies])
def test_a_step_out_of_character_is_found_and_named_by_its_family(family: str, reply: str) -> None:
    hit = character_break(reply, NAME)
    assert hit is not None and hit[0] == family
    assert not in_character(reply, NAME)


@pytest.mark.parametrize("reply", PERIOD_PROSE)
def test_period_prose_is_left_alone(reply: str) -> None:
    assert (assistant_speech(reply), character_break(reply, NAME)) == (None, None)


def test_every_family_has_its_phrases_here() -> None:
    assert set(SAID_BY_ASSISTANTS) == set(ASSISTANT)
    assert set(SAID_OUT_OF_CHARACTER) == {*BREAKS, "name_prefix", "third_person"}


def test_no_gold_reply_is_taken_for_an_assistants() -> None:
    lines = (ROOT / "data/gold/sherlock-holmes.jsonl").read_text(encoding="utf-8").splitlines()
    replies = [turn["value"] for line in lines for turn in json.loads(line)["conversations"] if turn["from"] == "gpt"]
    assert len(replies) >= 240
    assert [reply for reply in replies if not in_character(reply, NAME)] == []


@pytest.mark.parametrize("name", ["Elizabeth Bennet", "Ada", "C. Auguste Dupin (le Chevalier)", "R\\d+ [X"])
def test_the_characters_own_name_is_looked_for_whatever_it_is_made_of(name: str) -> None:
    assert character_break(f"{name}: Good evening.", name)[0] == "name_prefix"
    assert character_break(f"As {name}, I object.", name)[0] == "third_person"
    assert character_break("Good evening: sit down.", name) is None
    assert in_character("Sherlock Holmes: Good evening.", name)


@pytest.mark.parametrize("reply", ["He lives in the part of the town that I avoid.", "The role of the police is to follow.", "As the night fell, I went out."])
def test_an_article_or_title_is_no_name(reply: str) -> None:
    assert character_break(reply, "The Doctor") is None
    assert character_break("The Doctor: Run!", "The Doctor") is not None


@pytest.mark.parametrize(
    "family, pattern", [(family, pattern) for families in (ASSISTANT, BREAKS) for family, patterns in families.items() for pattern in patterns]
)
def test_what_a_pattern_matches_is_found_whatever_the_triggers(family: str, pattern: str) -> None:
    own = next(one for one in [*module._ASSISTANT.families, *module._BREAKS.families] if one.name == family)

    @settings(max_examples=25, deadline=None, database=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.from_regex(re.compile(pattern, own.pattern.flags), fullmatch=True))
    def holds(text: str) -> None:
        said = module._Said(text)
        assert own.first(said) is not None or not own.pattern.search(said.text)

    holds()


@pytest.mark.parametrize(
    "unit",
    [
        "i am ",
        "I'm a, a, a, ",
        "as an ",
        "how can i help ",
        "\n",
        "\n- ",
        "**",
        "[your ",
        "{{",
        "(((",
        "*you ",
        "developers ",
        "i do not have ",
        "dear sir ",
        "if you have any more questions ",
        "a ai ",
    ],
)
def test_a_line_of_a_million_characters_takes_seconds_and_not_hours(unit: str) -> None:
    line = unit * (1_000_000 // len(unit)) + " ai assistant system character content personal"
    began = time.perf_counter()
    assistant_speech(line)
    character_break(line, NAME)
    assert time.perf_counter() - began < 8  # quadratic time would be hours


@pytest.mark.parametrize(
    "said", ["As an A\u200bI language mo\u200bdel I think so.", "As an ＡＩ language model I think so.", "As an\u00a0AI language\u00a0model I think so."]
)
def test_letters_that_look_alike_or_have_no_width_hide_nothing(said: str) -> None:
    assert assistant_speech(said)[0] == "identity"


@pytest.mark.parametrize(
    "said",
    [
        "I cannot assist a murderer to his freedom, sir.",
        "I hope that helps the poor widow; the sum is small.",
        "My answer, in the character of a friend, is no.",
    ],
)
def test_a_gentleman_may_say(said: str) -> None:
    assert assistant_speech(said) is None and character_break(said, "Sherlock Holmes") is None


@pytest.mark.parametrize(
    ("said", "family"),
    [
        ("I cannot assist with that.", "refusal"),
        ("I can't assist you, friend.", "refusal"),
        ("I hope this helps!", "service"),
        ("I hope that helps.", "service"),
    ],
)
def test_an_assistant_says(said: str, family: str) -> None:
    assert assistant_speech(said)[0] == family


def test_a_response_in_character_is_announced_by_somebody_else() -> None:
    assert character_break("Certainly! Here is a response in character: The fog is thick.", "Sherlock Holmes")[0] == "stage_talk"
