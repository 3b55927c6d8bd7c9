"""The stage with a stub judge: what is asked and said before it is paid for, what comes of it, and what it does when the judge fails it."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from stages.common.files import read_json, read_jsonl
from stages.common.schemas import fault
from tests.common.stub_endpoint import Endpoint, Reply, completion
from tests.evaluate.judges import ANSWERS, FAIR, JUDGMENTS, KEY, METRICS, PAGE, choice, dialogues, judge, judged_by, liking, one_sentence, said_by, scores
from tests.evaluate.sample import answer, lay_out, records
from tests.pages import loads_nothing, words_of

ASPECTS = ("voice", "in_character", "coherence", "engagement", "length")
PRICE = {"stub-judge": {"input": 10.0, "output": 100.0}}
# 12 prompts, 5 questions each; to four of them base and prompted say the same words, which are scored once.
QUESTIONS, REQUESTS = 60, 56
WRITTEN = (ANSWERS, JUDGMENTS, METRICS, PAGE)


@pytest.fixture(scope="module")
def fair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Endpoint, str]:
    """A run with a judge who likes mud, wherever it stands."""
    with Endpoint(FAIR) as stub:
        folder = judged_by(lay_out(tmp_path_factory.mktemp("fair"), records()), stub.url, prices=PRICE)
        said = said_by(folder)
    return folder, stub, said


def test_the_figures_are_what_a_hand_counts(fair: tuple) -> None:
    metrics = read_json(fair[0] / METRICS)
    assert fault("metrics", metrics) is None
    for aspect in (*ASPECTS, "mean"):
        assert metrics[f"tuned.judge_{aspect}"] == 5
        assert metrics[f"prompted.judge_{aspect}"] == pytest.approx((8 * 3 + 4 * 1) / 12, abs=1e-6)
        assert metrics[f"base.judge_{aspect}"] == 1
        assert metrics[f"tuned_vs_prompted.judge_{aspect}"] == pytest.approx(5 - 28 / 12, abs=1e-6)
        assert metrics[f"tuned_vs_prompted.judge_{aspect}_lower"] <= 5 - 28 / 12 <= metrics[f"tuned_vs_prompted.judge_{aspect}_upper"]
    for aspect in ASPECTS:  # 12 of 12, either test; Holm over five that are equal is five times each
        assert metrics[f"tuned_vs_prompted.judge_{aspect}_p"] == metrics[f"tuned_vs_prompted.judge_{aspect}_win_p"] == pytest.approx(5 * 2 / 2**12, abs=1e-6)
        assert metrics[f"tuned_vs_prompted.judge_{aspect}_win_rate"] == 1
    assert [metrics[f"tuned_vs_prompted.judge_{name}"] for name in ("wins", "ties", "losses", "win_rate")] == [12, 0, 0, 1]
    assert metrics["tuned_vs_prompted.judge_win_rate_lower"] == pytest.approx(0.757506, abs=1e-6)  # Wilson, 12 of 12
    assert metrics["tuned_vs_prompted.judge_p"] == pytest.approx(2 / 2**12, abs=1e-6)
    assert (metrics["judge.consistency_rate"], metrics["judge.first_rate"]) == (1, 0.5)
    assert [metrics[f"judge.{name}"] for name in ("questions", "scored", "compared", "unread", "not_asked")] == [QUESTIONS, 12, 12, 0, 0]
    assert metrics["sherlock-holmes.tuned.judge_voice"] == 5


def test_what_it_cost_is_in_the_metrics_and_what_it_may_cost_is_said_before(fair: tuple) -> None:
    folder, stub, said = fair
    metrics = read_json(folder / METRICS)
    assert [metrics[f"judge.{name}"] for name in ("answers", "prompt_tokens", "completion_tokens")] == [REQUESTS, REQUESTS * 100, REQUESTS * 50]
    assert metrics["judge.usd"] == pytest.approx(REQUESTS * (100 * 10 + 50 * 100) / 1e6)
    assert len(stub.requests) == REQUESTS
    assert f"judge: 0 of {REQUESTS} questions are answered in the store; {REQUESTS} to ask of stub-judge at {stub.url}: about" in said and ", at most $" in said


def test_each_request_is_for_json_by_schema_and_tells_the_judge_no_arm(fair: tuple) -> None:
    _, stub, _ = fair
    forms = [sent.body["response_format"]["json_schema"]["name"] for sent in stub.requests]
    assert (forms.count("critique"), forms.count("preference")) == (32, 24)
    for sent in stub.requests:
        assert (sent.body["model"], sent.body["temperature"], sent.headers["authorization"]) == ("stub-judge", 0.0, f"Bearer {KEY}")
        told = json.dumps(sent.body["messages"])
        assert "Sherlock Holmes" in told and not any(arm in told for arm in ("tuned", "prompted", '"base'))
    pairs = [tuple(shown) for sent in stub.requests if len(shown := dialogues(sent.body)) == 2]
    assert {shown[::-1] for shown in pairs} == set(pairs), "each pair in both orders"


def test_every_judgment_is_on_record_and_the_raw_answers_fit_their_schema(fair: tuple) -> None:
    folder, _, _ = fair
    judgments = read_jsonl(folder / JUDGMENTS)
    assert len(judgments) == QUESTIONS
    assert judgments[0] == {
        "set": "evaluation",
        "id": "evaluation-000",
        "character": "sherlock-holmes",
        "arms": ["base"],
        "value": json.loads(scores(1)),
    }
    assert [one["arms"] for one in judgments[:5]] == [["base"], ["prompted"], ["tuned"], ["tuned", "prompted"], ["prompted", "tuned"]]
    assert [one["value"]["overall"]["better"] for one in judgments[3:5]] == ["first", "second"]
    rows = read_jsonl(folder / ANSWERS)
    assert len(rows) == len({row["key"] for row in rows}) == REQUESTS
    assert [problem for row in rows if (problem := fault("answer", row))] == []


def test_the_key_is_written_nowhere(fair: tuple) -> None:
    folder, _, said = fair
    assert KEY not in said
    assert [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []


def test_a_second_run_and_another_machine_ask_nothing_and_write_the_same(fair: tuple, tmp_path: Path) -> None:
    before = [(fair[0] / path).read_bytes() for path in WRITTEN]
    folder = shutil.copytree(fair[0], tmp_path / "again")
    said = said_by(folder, key=None)  # the server is gone, and there is no key
    assert f"{REQUESTS} of {REQUESTS} questions are answered in the store" in said
    assert [(folder / path).read_bytes() for path in WRITTEN] == before
    shutil.rmtree(folder / "state")  # as on a machine that has only what `dvc pull` brought
    assert f"{REQUESTS} answers of {ANSWERS} are in this machine's store now" in said_by(folder, key=None)
    assert [(folder / path).read_bytes() for path in WRITTEN] == before


def test_answers_that_dvc_lock_names_are_fetched_before_anybody_pays_again(fair: tuple, tmp_path: Path) -> None:
    folder = shutil.copytree(fair[0], tmp_path / "clone", ignore=shutil.ignore_patterns("judged", "state", "metrics", "reports"))
    (folder / "metrics").mkdir()
    shutil.copy(fair[0] / "metrics/train.json", folder / "metrics")
    (folder / "dvc.lock").write_text(json.dumps({"stages": {"evaluate": {"outs": [{"path": ANSWERS, "size": 9000}]}}}))
    said = one_sentence(folder)
    assert f"dvc.lock names answers that were paid for on another machine: `dvc pull {ANSWERS}` brings them" in said


def test_the_page_says_what_the_judge_says(fair: tuple) -> None:
    html = (fair[0] / PAGE).read_text(encoding="utf-8")
    loads_nothing(html)
    assert "The judge stub-judge prefers tuned (n = 12)." in words_of(html.split("<header>")[1].split("</header>")[0])
    section = words_of(html.split("What a judge says")[1].split("</section>")[0])
    assert (
        "Tuned is preferred in 100 % of the comparisons with prompted, a tie counted half (95 % interval: 76 % to 100 %): 12 won, 0 tied, 0 lost, n = 12"
        in section
    )
    assert "It says the same in both orders in 100 % of the pairs" in section
    assert "tuned is better: character voice, stays in character, coherence, engagement and appropriate length" in section
    assert "Tuned won: 3 of 12 pairs" in section and "tuned read first, tuned is better: “So it seems.”" in section


def test_without_a_judge_nobody_is_asked_and_its_files_are_empty(tmp_path: Path) -> None:
    folder = judged_by(lay_out(tmp_path, records()), None, model=None)
    said = said_by(folder, key=None)
    assert "judge" not in said and not (folder / "state").exists()
    assert (folder / ANSWERS).read_bytes() == (folder / JUDGMENTS).read_bytes() == b""
    assert [name for name in read_json(folder / METRICS) if "judge" in name] == []
    assert "What a judge says" not in (folder / PAGE).read_text(encoding="utf-8")


def test_a_judge_who_always_prefers_the_first_makes_nothing_but_ties(tmp_path: Path) -> None:
    with Endpoint(judge(lambda shown: 3, lambda first, second: "first")) as stub:
        folder = judged_by(lay_out(tmp_path, records()), stub.url)
        said_by(folder)
    metrics = read_json(folder / METRICS)
    assert [metrics[f"tuned_vs_prompted.judge_{name}"] for name in ("wins", "ties", "losses", "win_rate", "p")] == [0, 12, 0, 0.5, 1]
    assert metrics["tuned_vs_prompted.judge_win_rate_lower"] < 0.3 and metrics["tuned_vs_prompted.judge_win_rate_upper"] > 0.7
    assert (metrics["judge.consistency_rate"], metrics["judge.first_rate"]) == (0, 1)
    assert metrics["tuned_vs_prompted.judge_length_controlled_win_rate"] == 0.5
    section = words_of((folder / PAGE).read_text(encoding="utf-8").split("What a judge says")[1].split("</section>")[0])
    assert "Not shown Tuned is preferred in 50 %" in section and "the one that it read first 100 % of the time" in section
    assert "The verdict turned with the order: 3 of 12 pairs" in section


def test_a_judge_who_likes_length_shows_no_difference_at_equal_length(tmp_path: Path) -> None:
    files, draw = records(), random.Random(3)
    answers = [record for record in files["data/answers/answers.jsonl"] if record["set"] != "evaluation"]
    for n in range(80):
        prompted = draw.randint(20, 80)
        tuned = max(5, prompted + round(draw.gauss(15, 25)))  # longer in about three of four
        for arm, words in (("base", 30), ("prompted", prompted), ("tuned", tuned)):
            answers.append(answer(arm, "evaluation", n, f"{arm} " + "word " * (words - 1)))
    files["data/answers/answers.jsonl"] = answers

    def longer(first: str, second: str) -> str:
        return "tie" if len(first.split()) == len(second.split()) else "first" if len(first.split()) > len(second.split()) else "second"

    with Endpoint(judge(lambda shown: 3, longer)) as stub:
        folder = judged_by(lay_out(tmp_path, files), stub.url)
        said_by(folder)
    metrics = read_json(folder / METRICS)
    assert metrics["tuned_vs_prompted.judge_win_rate"] > 0.65
    assert metrics["judge.consistency_rate"] == 1
    rate = "tuned_vs_prompted.judge_length_controlled_win_rate"
    assert metrics[rate] == pytest.approx(0.5, abs=0.1)
    assert metrics[f"{rate}_lower"] < 0.5 < metrics[f"{rate}_upper"]


def test_a_reply_that_cannot_be_read_is_asked_for_again_with_the_reason_then_counted_and_left_out(tmp_path: Path) -> None:
    def answer(body: dict, count: int) -> Reply:
        shown = dialogues(body)
        if "Prompt 3." in shown[0] and len(shown) == 1:
            return Reply(completion('{"voice": {"reason": "Fine.", "score": 7}}', "stop", 100, 50))
        if "Prompt 5." in shown[0] and len(body["messages"]) == 2:
            return Reply(completion(f"I would say, {KEY}: good.", "stop", 100, 50))
        if "Prompt 7." in shown[0] and len(shown) == 2 and "mud" in shown[0]:
            return Reply(completion("", "length", 100, 50))
        return FAIR(body)

    with Endpoint(answer) as stub:
        folder = judged_by(lay_out(tmp_path, records()), stub.url, retries=2)
        said = said_by(folder)
        seen = len(stub.requests)
        said_by(folder)
        assert len(stub.requests) == seen, "what cannot be read is paid for too"
    metrics = read_json(folder / METRICS)
    # Prompt 3 has no scores (base's and prompted's are one request), prompt 7 was read in one order alone, prompt 5 was read at the second try.
    assert [metrics[f"judge.{name}"] for name in ("questions", "scored", "compared", "unread", "not_asked")] == [QUESTIONS, 11, 11, 4, 0]
    assert metrics["judge.answers"] == REQUESTS + 2 * 2 + 5 + 2
    assert "4 of 60 questions have no judgment; they are left out, and counted as judge.unread:" in said
    assert "evaluation-007, tuned and prompted: no JSON (it ended with 'length')" in said
    (fault_3, *_) = [one["fault"] for one in read_jsonl(folder / JUDGMENTS) if "fault" in one]
    assert "score: 7 is not one of [1, 2, 3, 4, 5]" in fault_3 or "is a required property" in fault_3
    again = [sent.body["messages"] for sent in stub.requests if len(sent.body["messages"]) > 2]
    assert all(len(messages) == 4 and messages[-1]["content"].startswith("That cannot be used: ") for messages in again)
    assert any(messages[2]["content"] == "I would say, ***: good." for messages in again)
    section = words_of((folder / PAGE).read_text(encoding="utf-8").split("What a judge says")[1].split("</section>")[0])
    assert "Of 60 questions 4 have no answer that can be read." in section
    assert [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []


def test_a_cap_leaves_whole_prompts_and_a_higher_one_asks_for_the_rest_alone(tmp_path: Path) -> None:
    with Endpoint(FAIR) as stub:
        folder = judged_by(lay_out(tmp_path, records()), stub.url, max_requests=9, concurrency=1)
        said = said_by(folder)
        assert len(stub.requests) == 9
        assert "48 of 60 questions were not put to the judge: asking them could pass a cap (max_requests 9). A higher cap asks for these alone." in said
        metrics = read_json(folder / METRICS)
        # The first two prompts need four requests each, for base and prompted say the same; of the third one request was sent, which answers for both.
        assert [metrics[f"judge.{name}"] for name in ("scored", "compared", "not_asked")] == [2, 2, 48]
        section = words_of((folder / PAGE).read_text(encoding="utf-8").split("What a judge says")[1].split("</section>")[0])
        assert "48 were not put to it, because of a cap on what it may cost" in section and "Fewer than 10 pairs show nothing." in section
        judged_by(folder, stub.url, max_requests=None)
        said_by(folder)
        assert len(stub.requests) == REQUESTS
    assert read_json(folder / METRICS)["judge.compared"] == 12


def test_a_judge_that_fails_now_and_then_is_asked_until_it_answers(tmp_path: Path) -> None:
    def answer(body: dict, count: int) -> Reply:
        if count == 1 and "Prompt 2." in dialogues(body)[0]:
            return Reply({"error": {"message": "overloaded"}}, status=503)
        if count == 1 and "Prompt 4." in dialogues(body)[0]:
            return Reply({}, hang_up=True)
        if count == 1 and "Prompt 6." in dialogues(body)[0] and "boots" in dialogues(body)[0]:  # one: each makes the client wait for real
            return Reply({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "0"})
        return FAIR(body)

    with Endpoint(answer) as stub:
        folder = judged_by(lay_out(tmp_path, records()), stub.url)
        said_by(folder)
    metrics = read_json(folder / METRICS)
    assert (metrics["judge.compared"], metrics["judge.unread"], metrics["judge.answers"]) == (12, 0, REQUESTS)


def test_a_judge_that_refuses_the_key_is_one_sentence_without_it_and_nothing_is_written(tmp_path: Path) -> None:
    with Endpoint(lambda body, count: Reply({"error": {"message": f"no such key: {KEY}"}}, status=401)) as stub:
        said = one_sentence(judged_by(lay_out(tmp_path, records()), stub.url))
    assert "answered 401 to model stub-judge: no such key: ***" in said


@pytest.mark.parametrize(
    ("changed", "key", "told"),
    [
        ({"base_url": None}, KEY, "evaluate.judge.model is stub-judge, but evaluate.judge.base_url names no endpoint"),
        ({"base_url": "https://me:secret@example.org/v1"}, KEY, "evaluate.judge.base_url is no address"),
        ({"max_usd": 1}, KEY, "evaluate.judge.max_usd is 1, but synthesize.prices has no price for stub-judge"),
        ({}, None, "the environment variable DRAMATIS_TEST_JUDGE_KEY that should hold its key is empty"),
        ({"request": {"max_tokens": None}}, KEY, "evaluate.judge.request takes max_tokens away and bounds the answer by nothing else"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_one_sentence(tmp_path: Path, changed: dict, key: str | None, told: str) -> None:
    said = one_sentence(
        judged_by(lay_out(tmp_path, records()), **{"url": "http://127.0.0.1:9/v1", **{k.replace("base_url", "url"): v for k, v in changed.items()}}), key
    )
    assert told in said and "secret" not in said


def test_a_judges_reasons_are_text_on_the_page(tmp_path: Path) -> None:
    harm = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u202e \x00 " + "a" * 50_000

    def answer(body: dict, count: int) -> Reply:
        shown = dialogues(body)
        return Reply(completion(scores(2, harm) if len(shown) == 1 else choice(liking("mud")(*shown), harm)))

    with Endpoint(answer) as stub:
        folder = judged_by(lay_out(tmp_path, records()), stub.url, model="<b>judge</b>")
        said_by(folder)
    html = (folder / PAGE).read_text(encoding="utf-8")
    loads_nothing(html)
    assert "&lt;script&gt;alert(1)" in html and "<script>alert(1)" not in html
    assert "&lt;b&gt;judge&lt;/b&gt; scored each arm" in html
