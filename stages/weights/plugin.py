"""Dramatis's Axolotl plugin: lets Axolotl train on a CPU in bfloat16, writes progress as it comes, and marks a run that finished.

Axolotl loads it by the config's `plugins: [stages.weights.plugin.DramatisPlugin]`. It reads `terms.json` in the config's output_dir, and writes there:
`progress.jsonl` (one line a log of the trainer), `stopped.json` (why it gave up) or, last of all, `finished.json`.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from axolotl.integrations.base import BasePlugin
from transformers import set_seed

from stages.common import guard
from stages.common.files import write_json
from stages.weights.checkpoints import Checkpoints, give_up
from stages.weights.cpu_attention import use_two_products
from stages.weights.cpu_training import drop_mask_of_padding_behind, keep_labelled_logits, quicken_dropout
from stages.weights.epoch_order import order_by_epoch
from stages.weights.heap import GiveBack
from stages.weights.progress import Progress


class DramatisPlugin(BasePlugin):
    """See the module's docstring."""

    checkpoints: Checkpoints

    def pre_model_load(self, cfg):
        guard.end_with_parent()  # accelerate stands between the guard and us

    def get_training_args(self, cfg):
        # A loss that is no number is to be seen, not replaced by the mean of those before it.
        ours = {"include_num_input_tokens_seen": "non_padding", "logging_nan_inf_filter": False}
        # Without use_cpu the trainer refuses bfloat16 on a machine with no accelerator.
        return ours if torch.cuda.is_available() else {**ours, "use_cpu": True}

    def pre_lora_load(self, cfg, model):
        set_seed(cfg.seed)  # the trainer does so too, but after the adapter's first weights are drawn

    def post_lora_load(self, cfg, model):
        if not torch.cuda.is_available():
            use_two_products(model.get_base_model())
            drop_mask_of_padding_behind(model)
            keep_labelled_logits(model)
            quicken_dropout(model)

    def add_callbacks_post_trainer(self, cfg, trainer):
        folder = Path(cfg.output_dir)
        self.checkpoints = Checkpoints(folder, terms(folder)["patience"])
        ours = [Progress(folder / "progress.jsonl"), self.checkpoints]
        return ours if torch.cuda.is_available() else [*ours, GiveBack()]

    def post_trainer_create(self, cfg, trainer):
        folder = Path(cfg.output_dir)
        handed = terms(folder)["chats"]
        for name, dataset in (("train", trainer.train_dataset), ("validation", trainer.eval_dataset)):
            if len(dataset) != handed[name]:  # Axolotl drops chats over sequence_len in silence
                missing = handed[name] - len(dataset)
                give_up(folder, f"{missing} of {handed[name]} {name} chats are longer than sequence_len {cfg.sequence_len} tokens: raise it")
        order_by_epoch(trainer, cfg.seed)

    def post_train(self, cfg, model):
        folder = Path(cfg.output_dir)
        if self.checkpoints.told_to_stop and not self.checkpoints.at_end:
            give_up(folder, "training was told to stop (SIGTERM); it goes on from where it was saved at the next run")
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        write_json(folder / "finished.json", {"trainable_parameters": trainable})


def terms(folder: Path) -> dict:
    """What the stage wrote down for us: `chats` (how many it handed over, by split) and `patience`."""
    return json.loads((folder / "terms.json").read_text(encoding="utf-8"))
