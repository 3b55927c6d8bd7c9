"""What llama.cpp's converter of this name does, for the tiny Llama of the tests and in float32 alone: llama.cpp is on no machine of ours by itself."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from gguf import MODEL_ARCH, GGUFWriter, get_tensor_name_map
from safetensors.torch import load_file
from transformers import AutoTokenizer

parser = argparse.ArgumentParser()
parser.add_argument("model", type=Path)
parser.add_argument("--outfile", type=Path)
parser.add_argument("--outtype", choices=["f32"])
parser.add_argument("--model-name")
asked = parser.parse_args()

config = json.loads((asked.model / "config.json").read_text())
file = json.loads((asked.model / "tokenizer.json").read_text())
tokenizer = AutoTokenizer.from_pretrained(asked.model)
heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
names = get_tensor_name_map(MODEL_ARCH.LLAMA, config["num_hidden_layers"])

writer = GGUFWriter(asked.outfile, "llama")
writer.add_name(asked.model_name)
writer.add_context_length(config["max_position_embeddings"])
writer.add_embedding_length(config["hidden_size"])
writer.add_block_count(config["num_hidden_layers"])
writer.add_feed_forward_length(config["intermediate_size"])
writer.add_head_count(heads["q_proj"])
writer.add_head_count_kv(heads["k_proj"])
writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
writer.add_rope_dimension_count(config["hidden_size"] // heads["q_proj"])
writer.add_vocab_size(config["vocab_size"])
writer.add_tokenizer_model("llama" if file["model"].get("byte_fallback") else "gpt2")  # LlamaHfVocab takes it so
writer.add_token_list(tokenizer.convert_ids_to_tokens(range(config["vocab_size"])))
writer.add_eos_token_id(tokenizer.eos_token_id)
for name, tensor in load_file(asked.model / "model.safetensors").items():
    values, count = tensor.float().numpy(), next((heads[part] for part in heads if part in name), None)
    if count:  # llama.cpp turns pairs of neighbours where transformers turns halves
        values = values.reshape(count, 2, values.shape[0] // count // 2, -1).swapaxes(1, 2).reshape(values.shape)
    writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), np.ascontiguousarray(values))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
