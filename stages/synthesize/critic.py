"""A second opinion on each chat: another request scores it on the five aspects of the guide's rubric, with reasons."""

from __future__ import annotations

import json

from stages.common import schemas
from stages.common.answer_store import Answer
from stages.common.characters import fill, spoken_name
from stages.synthesize.parsing import NotAChat, from_json
from stages.synthesize.prompts import written

# The guide's rubric ("Human Evaluation"), in its words.
MAX_TOKENS = 600  # five reasons of a sentence each have about 200

ASPECTS = {
    "voice": "Character voice: does it sound like {name}?",
    "in_character": "Stay in character: does {name} break character?",
    "coherence": "Coherence: does each reply make sense?",
    "engagement": "Engagement: is it interesting to read?",
    "length": "Appropriate length: is a reply too short or too long?",
}


def messages(chat: dict, card: dict) -> list[dict]:
    """The request to judge a chat, in JSON."""
    name = card["name"]
    about = f"{fill(card['description'], spoken_name(card), 'a visitor')} {fill(card['personality'], spoken_name(card), 'a visitor')}".strip()
    asked = "\n".join(f"- {aspect}: {question.format(name=name)}" for aspect, question in ASPECTS.items())
    return [
        {
            "role": "system",
            "content": f"You judge dialogues that were written for {name}. {about}\nGive each aspect a reason in one sentence and a score from 1 (bad) to 5 "
            f"(as good as a careful author):\n{asked}\nYou answer with one JSON object: an object with reason and score for each aspect, by its name.",
        },
        {"role": "user", "content": written(chat, name, structured=False)},
    ]


def scores(answer: Answer) -> dict[str, dict]:
    """{aspect: {"reason", "score"}} of an answer. Raises NotAChat where it is no such thing."""
    value = from_json(answer.text)
    if problem := schemas.fault("critique", value):
        raise NotAChat("critique", problem, "an object as schemas/critique.schema.json has it")
    return value


def response_format() -> dict:
    """The API's field that holds an endpoint to schemas/critique.schema.json."""
    schema = json.loads(json.dumps(schemas.validator("critique").schema))
    schema.pop("$schema"), schema.pop("description")
    return {"type": "json_schema", "json_schema": {"name": "critique", "strict": True, "schema": schema}}
