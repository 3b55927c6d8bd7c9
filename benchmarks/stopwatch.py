"""A trainer's callback that does nothing but measure: tokens of the chats and seconds from the end of the first step to the end of the last."""

from __future__ import annotations

import json
import time
from pathlib import Path

from transformers import TrainerCallback


class Stopwatch(TrainerCallback):
    """Writes a JSON file when training ends. The first step, which warms up, is left out of both figures; `began` and `ended` are Unix times in seconds."""

    def __init__(self, path: Path):
        self.path = path
        self.marks: list[tuple[float, int]] = []

    def on_step_end(self, args, state, control, **kwargs):
        self.marks.append((time.time(), int(state.num_input_tokens_seen)))

    def on_train_end(self, args, state, control, **kwargs):
        (began, before), (ended, after) = self.marks[0], self.marks[-1]
        figures = {"steps": len(self.marks), "began": began, "ended": ended, "tokens": after - before, "tokens_per_second": (after - before) / (ended - began)}
        self.path.write_text(json.dumps(figures))
