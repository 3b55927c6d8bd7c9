"""From params.yaml to an Axolotl config: the same names, and what Dramatis fixes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.common.errors import UserError
from stages.train.refusals import refusal

# params.yaml's own names that go to Axolotl as they are.
PASSED = (
    "adapter", "lora_r", "lora_dropout", "lora_target_modules", "learning_rate", "lr_scheduler", "warmup_ratio", "weight_decay",
    "max_grad_norm", "optimizer", "num_epochs", "micro_batch_size", "gradient_accumulation_steps", "group_by_length", "sample_packing", "sequence_len",
    "gradient_checkpointing", "eval_steps", "save_steps", "seed",
)  # fmt: skip

# Axolotl's keys that the pipeline sets: by dvc.yaml's files and the run's own folder.
OURS = ("base_model", "datasets", "test_datasets", "output_dir", "dataset_prepared_path")

# How a chat becomes tokens and which of them count, in training and in scoring alike.
DATASET = {
    "type": "chat_template",
    "field_messages": "conversations",
    "message_property_mappings": {"role": "from", "content": "value"},
    "roles": {"system": ["system"], "user": ["human"], "assistant": ["gpt"]},
    "roles_to_train": ["assistant"],
    "train_on_eos": "turn",
}


def precision(wanted: bool | str, gpu: bool, cpu_flags: set[str]) -> bool:
    """Axolotl's `bf16` for this machine; `auto` means where GPU or CPU computes in bfloat16."""
    return bool({"avx512_bf16", "amx_bf16"} & cpu_flags) or gpu if wanted == "auto" else bool(wanted)


def render(params: Mapping[str, Any], base: str, scratch: str, bf16: bool, gpu: bool, flash: bool = False) -> dict:
    """The Axolotl config of a run that reads data/splits/ and works in `scratch`; `flash`: whether .venv-train has flash-attn.

    Keys of the `axolotl` parameter win over the rest; our plugin stands behind its plugins. Raises UserError where one has a
    parameter of its own, which the model card and `lora_alpha` follow, or would move what the pipeline reads and writes; and where
    the config cannot be trained or served (refusals.py).
    """
    config = {name: params[name] for name in PASSED}
    config["lora_alpha"] = params["lora_alpha"] or 2 * params["lora_r"]
    config |= {
        "bf16": bf16,
        "tf32": False,
        "attn_implementation": "flash_attention_2" if flash and gpu and bf16 else "sdpa",  # flash-attn has kernels for 16 bits on GPUs alone
        "eval_sample_packing": False,
        "train_on_inputs": False,
        "chat_template": "tokenizer_default",
        "val_set_size": 0.0,
        "logging_steps": 1,
        "save_total_limit": 10**6,  # the plugin decides which checkpoints stay (stages/weights/checkpoints.py), and the stage which is kept
        "load_best_model_at_end": False,
        "eval_batch_size": 1,  # each chat counts for itself: accelerate fills the last batches of several processes with chats that stood before
        "dataset_num_proc": 1,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": gpu,
        "save_safetensors": True,
        "strict": False,
    }
    if params["adapter"] == "qlora":
        config["load_in_4bit"] = True  # Axolotl wants it said beside the adapter's name
    if params["sample_packing"]:
        config |= {
            "group_by_length": False,  # what is packed has no length of its own
            "pad_to_sequence_len": gpu,  # one shape for all batches spares a GPU's memory from falling to pieces; a CPU would only compute more
            # Axolotl would leave out the rest of the chats of each epoch and each evaluation that fills no batch.
            "multipack_real_batches": False,
            "dataloader_drop_last": False,
        }
    if not gpu:
        # Axolotl turns its Triton kernels on by itself; they need a GPU.
        config |= {f"lora_{part}_kernel": False for part in ("mlp", "qkv", "o", "embedding")}
    if taken := sorted({*PASSED, "lora_alpha", "bf16"} & params["axolotl"].keys()):
        raise UserError(f"params.yaml: axolotl.{taken[0]} is {params['axolotl'][taken[0]]!r}; {taken[0]} is a parameter of its own: set that")
    if moved := sorted(set(OURS) & params["axolotl"].keys()):
        raise UserError(f"params.yaml: axolotl.{moved[0]} cannot be set: the pipeline says what is read and written; expected any other key of Axolotl's")
    if not isinstance(params["axolotl"].get("plugins", []), list):
        raise UserError(f"params.yaml: axolotl.plugins is {params['axolotl']['plugins']!r}; expected a list")
    config |= params["axolotl"]
    if refused := refusal(config, params["axolotl"], gpu):
        raise UserError(refused)
    config |= {
        "plugins": [*params["axolotl"].get("plugins", []), "stages.weights.plugin.DramatisPlugin"],
        "base_model": base,
        "datasets": [{"path": "data/splits/train.jsonl", "ds_type": "json", "split": "train", **DATASET}],
        "test_datasets": [{"path": "data/splits/validation.jsonl", "ds_type": "json", "split": "train", **DATASET}],
        "output_dir": scratch,
        # Axolotl keys its cache of tokenized chats by path, not by content: keep it with the run.
        "dataset_prepared_path": f"{scratch}/prepared",
    }
    return config
