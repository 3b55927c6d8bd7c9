import json
import subprocess
import sys

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from stages.merge.parity import beyond
from stages.weights.cpu_attention import NAME
from stages.weights.merge import agreement, merge
from stages.weights.models import log_probabilities, open_model
from stages.weights.tokenized import tokenize
from tests.weights.tiny import tiny_tokenizer

BOUNDS = (0.05, 1.5, 0.97)  # the defaults of params.yaml


def run_score(base, adapter, chats, out, without_prompt=("test",)):
    job = out.with_suffix(".json")
    job.write_text(json.dumps({"base": str(base), "adapter": str(adapter), "files": {"test": str(chats)}, "without_prompt": list(without_prompt)}))
    subprocess.run([sys.executable, "-m", "stages.weights.score", str(job), str(out)], check=True)
    return {(row["arm"], row["id"]): row for row in map(json.loads, out.read_text().splitlines())}


@pytest.fixture(scope="module")
def rows(chats, adapter):
    return list(tokenize(chats, adapter / "axolotl.yaml", tiny_tokenizer()).values())


@pytest.fixture(scope="module")
def merged(base, adapter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("merged")
    merge(str(base), str(adapter), str(folder))
    return folder


def test_a_model_opened_on_a_cpu_attends_by_two_products_with_and_without_an_adapter(base, adapter):
    assert open_model(str(base)).config._attn_implementation == NAME
    assert open_model(str(base), str(adapter)).get_base_model().config._attn_implementation == NAME


def test_log_probabilities_are_those_of_a_plain_softmax_over_all_logits(base, rows):
    model = open_model(str(base), dtype=torch.float32)
    ids, labels = rows[0]
    plain = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = [plain[i - 1, ids[i]].item() for i in range(1, len(ids)) if labels[i] != -100]
    found, top = log_probabilities(model, ids, labels)
    assert torch.allclose(found, torch.tensor(expected), atol=1e-5)
    assert top.tolist() == [plain[i - 1].argmax().item() for i in range(1, len(ids)) if labels[i] != -100]


def test_scores_tell_base_and_adapter_apart_on_the_same_tokens(base, adapter, chats, tmp_path):
    found = run_score(base, adapter, chats, tmp_path / "losses.jsonl")
    assert len(found) == 18
    assert {row["character"] for row in found.values()} == {"h", "w"}
    apart = []
    for number in range(6):
        prompted, tuned = (found[arm, f"h-gold-{number:012x}"] for arm in ("prompted", "tuned"))
        assert prompted["character"] == tuned["character"] == ("w" if number == 5 else "h")
        assert prompted["tokens"] == tuned["tokens"] == len(f"An answer, {number}.No more.") + 2
        apart.append(abs(prompted["nll"] - tuned["nll"]))
    assert max(apart) > 0.05


def test_base_is_the_untrained_model_on_the_same_tokens_of_the_same_chats_without_their_system_turn(base, adapter, chats, tmp_path):
    found = run_score(base, adapter, chats, tmp_path / "losses.jsonl")
    bare = [json.loads(line) for line in chats.read_text().splitlines()]
    for chat in bare:
        assert chat["conversations"].pop(0)["from"] == "system"
    (tmp_path / "bare.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in bare))
    alone = run_score(base, adapter, tmp_path / "bare.jsonl", tmp_path / "alone.jsonl", without_prompt=())
    assert {arm for arm, _ in alone} == {"prompted", "tuned"}
    for name in {name for _, name in found}:
        assert found["base", name]["nll"] == alone["prompted", name]["nll"] != found["prompted", name]["nll"]
        assert found["base", name]["tokens"] == found["prompted", name]["tokens"]


def test_a_fresh_adapter_scores_as_the_base(base, adapter, chats, tmp_path):
    fresh = tmp_path / "fresh"
    get_peft_model(LlamaForCausalLM.from_pretrained(base), LoraConfig(r=4, target_modules=["q_proj"])).save_pretrained(fresh)
    tiny_tokenizer().save_pretrained(fresh)
    (fresh / "axolotl.yaml").write_text((adapter / "axolotl.yaml").read_text())
    found = run_score(base, fresh, chats, tmp_path / "losses.jsonl")
    assert all(found["prompted", row["id"]]["nll"] == row["nll"] for row in found.values() if row["arm"] == "tuned")


def answers(model, rows):
    return [log_probabilities(model, ids, labels) for ids, labels in rows]


def test_a_good_merge_keeps_the_bounds(base, adapter, merged, rows):
    together = answers(open_model(str(base), str(adapter), dtype=torch.float32), rows)
    found = agreement(together, answers(open_model(str(merged), dtype=torch.float32), rows))
    assert found["tokens"] == sum(label != -100 for _, labels in rows for label in labels)
    assert 0 < found["mean_delta"] < 0.05
    assert beyond(found, *BOUNDS) is None


def test_a_merge_with_one_zeroed_layer_breaks_the_bounds(base, adapter, merged, rows):
    together = answers(open_model(str(base), str(adapter), dtype=torch.float32), rows)
    for layer in range(4):
        model = open_model(str(merged), dtype=torch.float32)
        with torch.no_grad():
            for weight in model.model.layers[layer].parameters():
                weight.zero_()
        assert beyond(agreement(together, answers(model, rows)), *BOUNDS) is not None


def test_the_base_in_the_place_of_the_merged_model_breaks_the_bounds(base, adapter, rows):
    together = answers(open_model(str(base), str(adapter), dtype=torch.float32), rows)
    assert beyond(agreement(together, answers(open_model(str(base), dtype=torch.float32), rows)), *BOUNDS) is not None


def test_the_merged_model_is_in_the_bases_own_precision(merged):
    assert json.loads((merged / "config.json").read_text())["dtype"] == "bfloat16"
