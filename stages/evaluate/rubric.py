"""The guide's rubric: five aspects of an answer, each from 1 to 5, for people and for a judge alike."""

from __future__ import annotations

from collections.abc import Mapping

ASPECTS: Mapping[str, tuple[str, str]] = {
    "voice": ("Character voice", "Does it sound like the character: words, tone, turns of phrase?"),
    "in_character": ("Stays in character", "Does it stay the character, in his world and time, from beginning to end?"),
    "coherence": ("Coherence", "Does it make sense, and answer what was said?"),
    "engagement": ("Engagement", "Would you like to go on talking?"),
    "length": ("Appropriate length", "Is it as long as it should be, neither too short nor too long?"),
}
"""The names of critique.schema.json, with what a rater is shown and asked."""
LOWEST, HIGHEST = 1, 5
