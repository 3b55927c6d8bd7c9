"""Settings that Axolotl, PEFT, vLLM or the pipeline itself cannot do: refused in one sentence before anything is loaded.

What Axolotl's own schema refuses is not repeated here: the plugin passes its sentence on (stages/weights/settings.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

# Kinds of attention that keep packed chats apart (Axolotl 0.19, attn_supports_packing and attn_decontaminates_packing in utils/schemas/config.py).
APART = ("flash_attention", "kernels-community/", "flex_attention", "xformers", "sage", "sdpa", "eager")
# Adapters' first weights that leave the base as it is (vLLM 0.32, lora/peft_helper.py, _init_is_supported).
PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica", "lora_ga")


class Rule(NamedTuple):
    """`broken` says of (config, gpu) whether the key's value cannot be done; `why` ends the sentence that began with key and value."""

    key: str
    broken: Callable[[Mapping, bool], Any]
    why: str


def _attention(config: Mapping) -> str:
    return config.get("attn_implementation") or ""


def _start(config: Mapping) -> object:
    return config.get("peft_init_lora_weights")


RULES = (
    # bitsandbytes 0.50 has kernels for CPUs, and Axolotl starts (measured): a model whose rows are no multiple of 64 raises in
    # _convert_weight_packed_for_cpu, and SmolLM2 hardly learns: in two steps its eval loss falls by 0.07, in bfloat16 by 0.99. Eight bits learn as sixteen do.
    Rule("adapter", lambda c, gpu: c.get("adapter") == "qlora" and not gpu, "a base in 4 bits needs a GPU, and nvidia-smi finds none here; set lora"),
    Rule(
        "load_in_4bit",
        lambda c, gpu: c.get("load_in_4bit") and c.get("adapter") == "lora" and not gpu,
        "a base in 4 bits needs a GPU, and nvidia-smi finds none here; leave it out",
    ),
    # The kernels are CUDA's; Axolotl lets it pass on a machine without a GPU (check_flash_attn_available).
    Rule(
        "attn_implementation",
        lambda c, gpu: not gpu and "flash" in _attention(c),
        "flash attention needs a GPU, and nvidia-smi finds none here; leave it out, for torch's own attention (sdpa)",
    ),
    # torch 2.13, nn/attention/flex_attention.py: "FlexAttention does not support backward on CPU".
    Rule(
        "attn_implementation",
        lambda c, gpu: not gpu and _attention(c) == "flex_attention",
        "torch's flex_attention cannot train without a GPU, and nvidia-smi finds none here; leave it out, for torch's other attention (sdpa)",
    ),
    # Axolotl drops fp16 in silence (core/builders/base.py, _configure_precision_settings).
    Rule("fp16", lambda c, gpu: c.get("fp16") and c.get("bf16"), "bf16 is on too and would win; set bf16: false, or leave fp16 out"),
    # Axolotl 0.19 only warns (check_sample_packing_w_sdpa_bf16): "unsupported may results in 0.0 loss".
    Rule(
        "sample_packing",
        lambda c, gpu: c.get("sample_packing") and _attention(c) == "sdpa" and c.get("bf16"),
        "Axolotl does not support packing with torch's own attention (sdpa) in bfloat16, where losses of 0.0 were seen; install flash-attn in .venv-train "
        "on a GPU, or set bf16: false, or sample_packing: false and group_by_length: true",
    ),
    # Axolotl 0.19 only warns (check_sample_packing_without_attention).
    Rule(
        "sample_packing",
        lambda c, gpu: c.get("sample_packing") and not _attention(c).startswith(APART),
        "the attention in axolotl.attn_implementation cannot keep packed chats apart; expected flash_attention_2, or sample_packing: false",
    ),
    # vLLM 0.32, lora/peft_helper.py, _validate_features: stage answer and whoever serves the adapter would be refused, after the training.
    Rule("lora_modules_to_save", lambda c, gpu: c.get("lora_modules_to_save"), "vLLM serves no adapter with whole modules; name them in lora_target_modules"),
    Rule("peft_use_dora", lambda c, gpu: c.get("peft_use_dora"), "vLLM serves no DoRA adapter; leave it out"),
    Rule("peft_layer_replication", lambda c, gpu: c.get("peft_layer_replication"), "vLLM serves no adapter that replicates layers; leave it out"),
    Rule(
        "peft_init_lora_weights",
        lambda c, gpu: isinstance(_start(c), str) and _start(c).lower() not in PLAIN_STARTS,
        f"it changes the base under the adapter, which vLLM does not; expected true, false or one of {', '.join(PLAIN_STARTS)}",
    ),
    Rule("peft", lambda c, gpu: (c.get("peft") or {}).get("loftq_config"), "LoftQ changes the base under the adapter, which vLLM does not; leave it out"),
    # vLLM 0.32, lora/utils.py, parse_fine_tuned_lora_name: "is unsupported LoRA weight".
    Rule("peft_trainable_token_indices", lambda c, gpu: c.get("peft_trainable_token_indices"), "vLLM serves no adapter with trained tokens; leave it out"),
)

# Keys of Axolotl's that the pipeline keeps to itself, and why. A null or false one is let pass: it asks for nothing.
HELD = {
    "checkpoints are the pipeline's own, for a run that is killed to go on; set train.keep, train.patience, save_steps": (
        "save_only_model", "save_total_limit", "load_best_model_at_end", "early_stopping_patience", "auto_resume_from_checkpoints", "resume_from_checkpoint",
        "dynamic_checkpoint",
    ),
    "training begins with a new adapter, since DVC would not see another one change; leave it out": ("lora_model_dir",),
    "the stage trains an adapter on the character's words in data/splits, which hold no other kind of training's data; leave it out": (
        "rl", "reward_model", "process_reward_model", "pretraining_dataset", "relora", "qat",
    ),
    "training sends nothing to anybody; the curves are in plots/train, the adapter in models/adapter; leave it out": (
        "hub_model_id", "push_dataset_to_hub", "use_wandb", "wandb_project", "use_mlflow", "mlflow_experiment_name", "mlflow_tracking_uri", "use_comet",
        "comet_project_name", "use_trackio", "trackio_project_name", "use_otel_metrics",
    ),
    "the adapter is kept, scored and served with the base's own tokenizer and template; leave it out": (
        "chat_template", "chat_template_jinja", "tokenizer_config", "tokens", "added_tokens_overrides",
    ),
    "a model's own code is never run; leave it out": ("trust_remote_code",),
    # Axolotl 0.19, utils/schemas/enums.py, LEGACY_ATTN_FLAG_TO_IMPL: with several of them one wins in silence.
    "an old name of Axolotl's; set axolotl.attn_implementation: flash_attention_2, sdpa, eager ...": (
        "flash_attention", "sdp_attention", "flex_attention", "eager_attention", "xformers_attention", "sage_attention",
    ),
}  # fmt: skip


def refusal(config: Mapping[str, Any], given: Collection[str], gpu: bool) -> str | None:
    """One sentence with the key, its value and what to set instead, where a rendered config cannot be trained or served; else None.

    `given`: the keys that stand under the parameter `axolotl`.
    """

    def sentence(key: str, why: str) -> str:
        value = config[key]
        return f"params.yaml: {'axolotl.' if key in given else ''}{key} is {str(value).lower() if isinstance(value, bool) else value}: {why}"

    for why, keys in HELD.items():
        if key := next((key for key in keys if key in given and config[key]), None):
            return sentence(key, why)
    return next((sentence(rule.key, rule.why) for rule in RULES if rule.broken(config, gpu)), None)
