"""An Axolotl plugin for the tests: writes down what each training step is given."""

from __future__ import annotations

import json
from pathlib import Path

from axolotl.integrations.base import BasePlugin


class OrderPlugin(BasePlugin):
    def post_trainer_create(self, cfg, trainer):
        step, seen = trainer.training_step, Path(cfg.output_dir) / "seen.jsonl"

        def watched(model, inputs, *rest, **named):
            with open(seen, "a", encoding="utf-8") as file:
                file.write(json.dumps(inputs["input_ids"].tolist()) + "\n")
            return step(model, inputs, *rest, **named)

        trainer.training_step = watched
