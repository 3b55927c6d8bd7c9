"""What LLaMA-Factory makes of the job: `python -m benchmarks.llamafactory_peer JOB.json`, run by benchmarks.train_speed in an environment with llamafactory.txt.

As its own examples/train_lora/*.yaml have it (`bf16: true`, `stage: sft`, `finetuning_type: lora`), with its template for this model, on the CPU.
"""

from __future__ import annotations

import json
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path

# It imports torchaudio to load sound, of which there is none here; PyPI has no build of it for torch's CPU build.
sys.modules["torchaudio"] = types.ModuleType("torchaudio")
sys.modules["torchaudio"].__spec__ = ModuleSpec("torchaudio", None)

from llamafactory.train.tuner import run_exp  # noqa: E402

from benchmarks.stopwatch import Stopwatch  # noqa: E402


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    out = Path(job["out"])
    chats = [json.loads(line)["conversations"] for line in Path(job["train"]).read_text().splitlines()]
    (out / "chats.json").write_text(json.dumps([{"conversations": turns} for turns in chats]))
    tags = {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt", "system_tag": "system"}
    info = {"chats": {"file_name": "chats.json", "formatting": "sharegpt", "columns": {"messages": "conversations"}, "tags": tags}}
    (out / "dataset_info.json").write_text(json.dumps(info))
    settings = {
        "stage": "sft", "do_train": True, "finetuning_type": "lora", "template": "smollm2", "model_name_or_path": job["base"], "trust_remote_code": False,
        "dataset": "chats", "dataset_dir": str(out), "cutoff_len": job["sequence_len"], "preprocessing_num_workers": 1, "dataloader_num_workers": 0,
        "lora_rank": job["rank"], "lora_alpha": job["alpha"], "lora_dropout": job["dropout"], "lora_target": ",".join(job["modules"]),
        "per_device_train_batch_size": job["micro_batch_size"], "gradient_accumulation_steps": job["accumulation"], "learning_rate": job["learning_rate"],
        "max_steps": job["steps"], "lr_scheduler_type": "cosine", "warmup_steps": job["warmup_steps"], "seed": job["seed"], "bf16": True, "use_cpu": True,
        "logging_steps": 1, "save_strategy": "no", "report_to": "none", "include_num_input_tokens_seen": "non_padding", "output_dir": str(out / "adapter"),
        "overwrite_output_dir": True,
    }  # fmt: skip
    run_exp(settings, callbacks=[Stopwatch(out / "stopwatch.json")])


if __name__ == "__main__":
    main()
