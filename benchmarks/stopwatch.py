"""An Axolotl plugin that does nothing but measure: tokens of the chats and seconds from the first step to the last, for any config."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback


class Stopwatch(TrainerCallback):
    """Writes stopwatch.json when training ends. The first step, which warms up, is left out of both figures."""

    def __init__(self, path: Path):
        self.path = path
        self.first: tuple[float, int] | None = None

    def on_step_end(self, args, state, control, **kwargs):
        self.last = time.monotonic(), int(state.num_input_tokens_seen)
        self.first = self.first or self.last

    def on_train_end(self, args, state, control, **kwargs):
        seconds, tokens = (end - start for start, end in zip(self.first, self.last, strict=True))
        self.path.write_text(json.dumps({"tokens": tokens, "seconds": seconds, "tokens_per_second": tokens / seconds}))


class StopwatchPlugin(BasePlugin):
    """See the module's docstring."""

    def get_training_args(self, cfg):
        return {"include_num_input_tokens_seen": "non_padding", "use_cpu": not torch.cuda.is_available()}

    def add_callbacks_post_trainer(self, cfg, trainer):
        return [Stopwatch(Path(cfg.output_dir) / "stopwatch.json")]
