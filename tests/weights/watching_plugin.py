"""An Axolotl plugin for the tests: writes down what each training step is given, and of how many positions the model makes logits."""

from __future__ import annotations

import json
from pathlib import Path

from axolotl.integrations.base import BasePlugin

from stages.weights import cpu_attention


class WatchingPlugin(BasePlugin):
    def post_trainer_create(self, cfg, trainer):
        folder, step = Path(cfg.output_dir), trainer.training_step

        def note(name: str, value: object) -> None:
            with open(folder / f"{name}.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(value) + "\n")

        def watched(model, inputs, *rest, **named):
            note("seen", inputs["input_ids"].tolist())
            note("labelled", int((inputs["labels"][:, 1:] != -100).any(0).sum()))
            return step(model, inputs, *rest, **named)

        trainer.training_step = watched
        base = trainer.model.get_base_model()
        base.lm_head.register_forward_hook(lambda module, args, logits: note("logits", logits.shape[1]) if module.training else None)
        note("attention", base.config._attn_implementation)
        kernel = cpu_attention.sdpa_attention_forward
        cpu_attention.sdpa_attention_forward = lambda *args, **options: note("kernel", 1) or kernel(*args, **options)
