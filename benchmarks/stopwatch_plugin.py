"""An Axolotl plugin that puts the stopwatch into any config, and trains on a CPU where there is no GPU."""

from __future__ import annotations

from pathlib import Path

import torch
from axolotl.integrations.base import BasePlugin

from benchmarks.stopwatch import Stopwatch


class StopwatchPlugin(BasePlugin):
    """See the module's docstring."""

    def get_training_args(self, cfg):
        return {"include_num_input_tokens_seen": "non_padding", "use_cpu": not torch.cuda.is_available()}

    def add_callbacks_post_trainer(self, cfg, trainer):
        return [Stopwatch(Path(cfg.output_dir) / "stopwatch.json")]
