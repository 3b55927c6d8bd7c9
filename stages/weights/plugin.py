"""Dramatis's Axolotl plugin: lets Axolotl train on a CPU in bfloat16, writes progress as it comes, and marks a run that finished.

Axolotl loads it by the config's `plugins: [stages.weights.plugin.DramatisPlugin]`. It writes into the config's output_dir:
`progress.jsonl` (one line a log of the trainer) and, last of all, `finished.json`.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from axolotl.integrations.base import BasePlugin
from transformers import TrainerCallback

from stages.common import guard
from stages.common.errors import UserError
from stages.common.files import write_json
from stages.weights.cpu_attention import use_two_products
from stages.weights.cpu_training import drop_mask_of_padding_behind, keep_labelled_logits, quicken_dropout


class Progress(TrainerCallback):
    """Appends what the trainer logs, with the step, the tokens seen and the seconds since the first step began."""

    def __init__(self, path: Path):
        self.path = path
        self.started = time.monotonic()

    def _write(self, state, **values) -> None:
        line = {
            "step": state.global_step,
            "steps": state.max_steps,
            "seconds": round(time.monotonic() - self.started, 3),
            "tokens": state.num_input_tokens_seen,
            **values,
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def on_train_begin(self, args, state, control, **kwargs):
        self.started = time.monotonic()
        self._write(state)

    def on_log(self, args, state, control, logs=None, **kwargs):
        kept = {name: float(logs[name]) for name in ("loss", "eval_loss", "learning_rate", "grad_norm", "eval_runtime") if name in (logs or {})}
        if kept:
            self._write(state, **kept)


class DramatisPlugin(BasePlugin):
    """See the module's docstring."""

    def pre_model_load(self, cfg):
        guard.end_with_parent()  # accelerate stands between the guard and us

    def get_training_args(self, cfg):
        counted = {"include_num_input_tokens_seen": "non_padding"}
        if torch.cuda.is_available():
            return counted
        # Without use_cpu the trainer refuses bfloat16 on a machine with no accelerator.
        return {**counted, "use_cpu": True}

    def post_lora_load(self, cfg, model):
        if not torch.cuda.is_available():
            use_two_products(model.get_base_model())
            drop_mask_of_padding_behind(model)
            keep_labelled_logits(model)
            quicken_dropout(model)

    def add_callbacks_post_trainer(self, cfg, trainer):
        return [Progress(Path(cfg.output_dir) / "progress.jsonl")]

    def post_trainer_create(self, cfg, trainer):
        # Axolotl drops chats over sequence_len in silence; the stage wrote down how many it handed over.
        handed = json.loads((Path(cfg.output_dir) / "handed.json").read_text(encoding="utf-8"))
        for name, dataset in (("train", trainer.train_dataset), ("validation", trainer.eval_dataset)):
            if len(dataset) != handed[name]:
                raise UserError(
                    f"{handed[name] - len(dataset)} of {handed[name]} {name} chats are longer than sequence_len {cfg.sequence_len} tokens: raise it"
                )

    def post_train(self, cfg, model):
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        write_json(Path(cfg.output_dir) / "finished.json", {"trainable_parameters": trainable})
