"""Dramatis's Axolotl plugin: lets Axolotl train on a CPU in bfloat16, writes progress as it comes, and marks a run that finished.

Axolotl loads it by the config's `plugins: [stages.weights.plugin.DramatisPlugin]`. It reads `terms.json` in the config's output_dir, and writes there:
`tokens.json` (one chat as it is trained), `progress.jsonl` (one line a log of the trainer), `stopped.json` (why it gave up) or, last of all, `finished.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from axolotl.integrations.base import BasePlugin
from transformers import set_seed

from stages.common import guard
from stages.common.errors import UserError
from stages.common.files import write_json
from stages.weights import ranks
from stages.weights.as_served import Serving
from stages.weights.checkpoints import Checkpoints, give_up, newest_of_all
from stages.weights.cpu_attention import use_two_products
from stages.weights.cpu_training import drop_mask_of_padding_behind, keep_labelled_logits, quicken_dropout
from stages.weights.epoch_order import order_by_epoch
from stages.weights.finite import broken_weight
from stages.weights.progress import Progress
from stages.weights.settings import known, unknown, why
from stages.weights.token_check import document


class DramatisPlugin(BasePlugin):
    """See the module's docstring."""

    checkpoints: Checkpoints
    writes: bool  # one process on each host

    def load_datasets(self, cfg, preprocess=False):
        if cfg.world_size > 1 and not torch.cuda.is_available():
            cfg.device_map = {"": "cpu"}  # among several processes Axolotl asks for the GPU of the process's number

    def register(self, cfg):
        if said := unknown(cfg, known()):
            give_up(Path(cfg["output_dir"]), said)

    def on_config_validation_error(self, cfg):
        give_up(Path(cfg["output_dir"]), why(sys.exception()))

    def pre_model_load(self, cfg):
        if not cfg.use_ray:
            guard.end_with_parent()  # the launcher stands between the guard and us

    def get_training_args(self, cfg):
        # A loss that is no number is to be seen, not replaced by the mean of those before it.
        ours = {"include_num_input_tokens_seen": "non_padding", "logging_nan_inf_filter": False}
        # Each host has a disk of its own; Ray's have one in common, on which all would write the same file.
        ours["save_on_each_node"] = not cfg.use_ray
        # Without use_cpu the trainer refuses bfloat16 on a machine with no accelerator.
        return ours if torch.cuda.is_available() else {**ours, "use_cpu": True}

    def pre_lora_load(self, cfg, model):
        if said := broken_weight(model):
            give_up(
                Path(cfg.output_dir), f"the base model is broken: {said}, in {cfg.base_model}; bring it anew with `dvc repro --force base`, or choose another"
            )
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
        self.writes = trainer.args.should_save
        return [Progress(folder / "progress.jsonl"), self.checkpoints]

    def post_trainer_create(self, cfg, trainer):
        folder = Path(cfg.output_dir)
        handed, asked = terms(folder)["chats"], terms(folder)["processes"]
        if trainer.args.world_size != asked:  # accelerate quietly starts one where it cannot start more
            give_up(folder, f"{asked} processes were asked for, and {trainer.args.world_size} train: see train.launcher, train.processes and train.hosts")
        if ranks.several():
            newest = newest_of_all(folder)
            cfg.resume_from_checkpoint = newest and str(newest)
        for name, dataset in splits(trainer).items():
            if len(dataset) != handed[name]:  # Axolotl drops chats over sequence_len in silence; packing only comes after, in the sampler
                missing = handed[name] - len(dataset)
                why = f"it does so with those longer than sequence_len {cfg.sequence_len} tokens, and with those of which no token is trained"
                give_up(folder, f"Axolotl dropped {missing} of {handed[name]} {name} chats: {why}")
        self.hold_to_serving(cfg, trainer, folder)
        order_by_epoch(trainer, cfg.seed)

    def hold_to_serving(self, cfg, trainer, folder):
        """Give up where what is about to be trained is not what will be served; else write down one chat's tokens."""
        rows = {split: zip(data["input_ids"], data["labels"], strict=True) for split, data in splits(trainer).items()}
        files = {"train": cfg.datasets[0]["path"], "validation": cfg.test_datasets[0]["path"]}
        try:
            found = document(rows, files, Serving.of(Path(terms(folder)["served"])))
        except UserError as error:
            give_up(folder, str(error))
        if trainer.is_world_process_zero():
            write_json(folder / "tokens.json", found)

    def post_train(self, cfg, model):
        folder = Path(cfg.output_dir)
        if self.checkpoints.told_to_stop and not self.checkpoints.at_end:
            give_up(folder, "training was told to stop (SIGTERM); it goes on from where it was saved at the next run")
        trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
        if self.writes:
            write_json(folder / "finished.json", {"trainable_parameters": trainable})


def splits(trainer) -> dict:
    """The tokenized chats that are trained on and evaluated on, by split."""
    return {"train": trainer.train_dataset, "validation": trainer.eval_dataset}


def terms(folder: Path) -> dict:
    """What the stage wrote down for us.

    `chats` (how many it handed over, by split), `patience`, `processes` (how many train in all) and `served` (the folder whose tokenizer and template serve).
    """
    return json.loads((folder / "terms.json").read_text(encoding="utf-8"))
