"""What TRL's SFTTrainer makes of the job: `python -m benchmarks.trl_peer JOB.json`, run by benchmarks.train_speed in .venv-train.

As its documentation has it: an SFTConfig, a LoraConfig, `assistant_only_loss`, and everything else as it comes, bfloat16 included. The template is the base's
own ChatML with the marks of the assistant's words that TRL asks for.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer
from trl import SFTConfig, SFTTrainer

from benchmarks.stopwatch import Stopwatch

ROLES = {"system": "system", "human": "user", "gpt": "assistant"}
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}{{ '<|im_start|>assistant\n' }}{% generation %}{{ message['content'] + '<|im_end|>' }}"
    "{% endgeneration %}{{ '\n' }}{% else %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
)


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    chats = [json.loads(line)["conversations"] for line in Path(job["train"]).read_text().splitlines()]
    messages = [{"messages": [{"role": ROLES[turn["from"]], "content": turn["value"]} for turn in turns]} for turns in chats]
    tokenizer = AutoTokenizer.from_pretrained(job["base"])
    tokenizer.chat_template = TEMPLATE
    settings = SFTConfig(
        output_dir=job["out"], max_steps=job["steps"], per_device_train_batch_size=job["micro_batch_size"], gradient_accumulation_steps=job["accumulation"],
        learning_rate=job["learning_rate"], lr_scheduler_type="cosine", warmup_steps=job["warmup_steps"], seed=job["seed"], max_length=job["sequence_len"],
        assistant_only_loss=True, use_cpu=True, include_num_input_tokens_seen="non_padding", logging_steps=1, report_to=[], save_strategy="no",
    )  # fmt: skip
    lora = LoraConfig(r=job["rank"], lora_alpha=job["alpha"], lora_dropout=job["dropout"], target_modules=job["modules"], task_type="CAUSAL_LM")
    trainer = SFTTrainer(
        job["base"], settings, train_dataset=Dataset.from_list(messages), processing_class=tokenizer, peft_config=lora,
        callbacks=[Stopwatch(Path(job["out"]) / "stopwatch.json")],
    )  # fmt: skip
    trainer.train()
    trainer.save_model(job["out"])


if __name__ == "__main__":
    main()
