"""The guide's rubric, by which a critic scores what was written for training, and a judge and people what the arms answer."""

from __future__ import annotations

from stages.common.characters import fill, spoken_name

# The guide's five aspects ("Human Evaluation"), in its words.
ASPECTS = {
    "voice": "Character voice: does it sound like {name}?",
    "in_character": "Stay in character: does {name} break character?",
    "coherence": "Coherence: does each reply make sense?",
    "engagement": "Engagement: is it interesting to read?",
    "length": "Appropriate length: is a reply too short or too long?",
}


def about(card: dict) -> str:
    """Who the character is, as a judge is told."""
    return f"{fill(card['description'], spoken_name(card), 'a visitor')} {fill(card['personality'], spoken_name(card), 'a visitor')}".strip()


def asked(card: dict) -> str:
    """The five questions, one a line."""
    return "\n".join(f"- {aspect}: {question.format(name=card['name'])}" for aspect, question in ASPECTS.items())


def task(card: dict) -> str:
    """What somebody is told who scores a dialogue by schemas/critique.schema.json."""
    return (
        f"You judge dialogues that were written for {card['name']}. {about(card)}\nGive each aspect a reason in one sentence and a score from 1 (bad) to 5 "
        f"(as good as a careful author):\n{asked(card)}\nYou answer with one JSON object: an object with reason and score for each aspect, by its name."
    )
