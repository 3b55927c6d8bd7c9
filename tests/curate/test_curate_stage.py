"""The stage on real files: every line is kept or rejected, twice gives the same bytes, and a mistake is one sentence."""

from __future__ import annotations

import gzip
import json

import pytest
from ruamel.yaml import YAML

from stages.common.schemas import fault
from tests.chats import gold_line
from tests.project import ROOT, Project

GOLD = "data/gold/sherlock-holmes.jsonl"
GOOD = [gold_line(f"Question {n}?", f"Answer {n}, {{{{user}}}}.", topic="cases") for n in range(4)]


def counts(project: Project) -> dict[str, float]:
    """How many chats came in and what became of them."""
    figures = project.metrics("curate")
    parts = {part: sum(count for name, count in figures.items() if name.startswith(f"{part}_")) for part in ("kept", "rejected")}
    assert parts["rejected"] == figures["rejected"] and parts["kept"] == 2 * figures["kept"]  # by character, and by kind again
    assert figures["lines"] == figures["kept"] + figures["rejected"]
    return {name: figures[name] for name in ("lines", "kept", "rejected", "characters")}


def test_of_good_and_bad_lines_every_one_is_kept_or_rejected(project: Project) -> None:
    bad = {
        2: ("json", "{oops"),
        3: ("schema", '{"conversations": []}'),
        5: ("turns", gold_line("A?", "B.", "C?")),
        6: ("schema", gold_line("A?", " ")),
        8: ("repeated", GOOD[0]),
        9: ("json", '{"conversations": "\x00"}'),
        10: ("schema", json.dumps({"conversations": "x" * 1_000_000})),
    }
    good = iter(GOOD)
    lines = [bad[n][1] if n in bad else "" if n == 7 else next(good) for n in range(1, 12)]
    project.write(GOLD, "\r\n".join(lines))
    done = project.run("curate")
    assert (done.returncode, done.stderr) == (0, "")
    kept, rejects = project.records("data/curated/chats.jsonl"), project.records("data/curated/rejects.jsonl")
    assert [chat["source"]["line"] for chat in kept] == [1, 4, 11]
    assert [(reject["line"], reject["rule"]) for reject in rejects] == [(n, rule) for n, (rule, _) in bad.items()]
    assert {reject["file"] for reject in rejects} == {GOLD}
    assert rejects[4]["found"] == f"the chat of {GOLD}:1"
    assert counts(project) == {"lines": 10, "kept": 3, "rejected": 7, "characters": 1}
    assert [problem for chat in kept if (problem := fault("chat", chat))] == []
    assert [problem for reject in rejects if (problem := fault("reject", reject))] == []
    assert f"curate: 7 of 10 rejected, first {GOLD}:2: json: " in done.stdout


def test_the_projects_own_gold_is_kept_whole(project: Project) -> None:
    text = (ROOT / GOLD).read_text(encoding="utf-8")
    project.write(GOLD, text)
    assert project.run("curate").returncode == 0
    kept = project.records("data/curated/chats.jsonl")
    assert len(kept) == len(text.splitlines()) == len({chat["id"] for chat in kept})
    assert project.metrics("curate")["rejected"] == 0
    for chat, line in zip(kept, text.splitlines(), strict=True):
        assert chat["conversations"][1:] == json.loads(line)["conversations"]
        assert chat["conversations"][0]["value"].startswith("You are Sherlock Holmes, ")


@pytest.mark.parametrize(
    "line",
    [
        '{"conversations": [{"from": "human", "value": "Who? \\ud800"}, {"from": "gpt", "value": "I."}]}',
        "[" * 200_000,
        '{"conversations": ' + "9" * 5000 + "}",
        '{"conversations": [{"from": "human", "value": NaN}, {"from": "gpt", "value": "I."}]}',
    ],
    ids=["half a character", "deep", "huge number", "NaN"],
)
def test_a_line_made_to_break_a_parser_is_a_reject(project: Project, line: str) -> None:
    project.write(GOLD, "\n".join([GOOD[0], line, GOOD[1]]))
    done = project.run("curate")
    assert "Traceback" not in done.stderr, done.stderr[-800:]
    assert done.returncode == 0
    assert [reject["line"] for reject in project.records("data/curated/rejects.jsonl")] == [2]
    assert counts(project) == {"lines": 3, "kept": 2, "rejected": 1, "characters": 1}


def test_a_byte_order_mark_costs_nothing(project: Project) -> None:
    project.write(GOLD, "\ufeff" + "\n".join(GOOD))
    assert project.run("curate").returncode == 0
    assert counts(project) == {"lines": 4, "kept": 4, "rejected": 0, "characters": 1}


def test_twice_gives_the_same_bytes_whatever_the_order_of_files_and_hashes(tmp_path) -> None:
    gold = {name: "\n".join([gold_line(f"{name}?", f"{name} {n}.") for n in range(3)] + ["{oops"]) for name in ("adler", "moriarty", "watson")}
    results = []
    for seed, names in (("0", list(gold)), ("77", list(gold)[::-1])):
        project = Project(tmp_path / seed)
        project.set("characters", None)
        for name in names:
            project.add_card(name, name=name.title())
            project.write(f"data/gold/{name}.jsonl", gold[name])
        assert project.run("curate", PYTHONHASHSEED=seed).returncode == 0
        results.append(project.written("curate"))
    assert results[0] == results[1]
    assert len(results[0]) == 4 and all(results[0].values())
    assert [chat["character"] for chat in project.records("data/curated/chats.jsonl")] == ["adler"] * 3 + ["moriarty"] * 3 + ["watson"] * 3
    assert "You are Watson," in project.records("data/curated/chats.jsonl")[-1]["conversations"][0]["value"]
    assert counts(project) == {"lines": 12, "kept": 9, "rejected": 3, "characters": 3}


def test_a_gold_file_without_a_card_is_one_sentence(project: Project) -> None:
    project.write(GOLD, GOOD[0])
    project.write("data/gold/watson.jsonl", GOOD[1])
    assert project.refused("curate") == (
        "data/gold/watson.jsonl: no character card for watson; cards: sherlock-holmes; or name the character in params.yaml: curate.sources[0]"
    )


@pytest.mark.parametrize(
    "path, content, said",
    [
        ("data/characters/sherlock-holmes.json", '{"spec": "chara_card_v2",\n oops}', "data/characters/sherlock-holmes.json:2: not JSON: "),
        ("data/characters/sherlock-holmes.json", '{"spec": "chara_card_v2", "spec_version": "2.0"}', "not a Character Card V2: 'data' is a required property"),
        (GOLD, "", f"no chat is left of 0; the first reason: nothing in {GOLD}"),
        (GOLD, "{oops\n", f"no chat is left of 1; the first reason: {GOLD}:1: json: Expecting property name"),
        ("params.yaml", "curate: [", "params.yaml:"),
    ],
    ids=["card not JSON", "card without data", "empty", "only bad lines", "params"],
)
def test_a_mistake_in_a_whole_file_is_one_sentence_and_leaves_earlier_outputs(project: Project, path: str, content: str | bytes, said: str) -> None:
    project.write(GOLD, GOOD[0])
    project.write(path, content)
    assert said in project.refused("curate")


@pytest.mark.parametrize(
    ("path", "said"),
    [(GOLD, "params.yaml: curate.sources[0]: data/gold: no file of chats in this folder"), ("data/characters/sherlock-holmes.json", "sherlock-holmes.json: ")],
)
def test_a_folder_in_place_of_a_file_is_one_sentence(project: Project, path: str, said: str) -> None:
    (project.folder / path).unlink(missing_ok=True)
    (project.folder / path).mkdir(parents=True)
    assert said in project.refused("curate")


def test_no_gold_at_all_is_one_sentence(project: Project) -> None:
    assert project.refused("curate") == "params.yaml: curate.sources[0]: data/gold: no such file or folder"


LOG = {"path": "data/raw/log.jsonl", "kind": "log", "license": "CC0-1.0", "character": "sherlock-holmes"}
MARKER = "Quuxington"


def log_line(number: int, **about: object) -> str:
    said = [f"I am {MARKER} number {number}, write to q{number}@example.org.", f"A letter, {MARKER}? I prefer a telegram, number {number}."]
    turns = [{"role": who, "content": text} for who, text in zip(["user", "assistant"], said, strict=True)]
    return json.dumps({"chat_id": f"c{number}", "user_name": MARKER, "messages": turns, **about})


def everything_written(project: Project, done) -> str:
    files = [path for path in project.folder.rglob("*") if path.is_file() and "raw" not in path.parts and "__pycache__" not in path.parts]
    return done.stdout + done.stderr + "".join(path.read_text(encoding="utf-8", errors="replace") + str(path) for path in files)


def test_of_a_log_only_what_somebody_consented_to_is_kept_and_of_the_rest_not_a_word(project: Project) -> None:
    project.write(GOLD, GOOD[0])
    lines = [log_line(1), log_line(2, consent=False), log_line(3, consent=True), log_line(4), '{"messages": "' + MARKER, f'{{"text": "{MARKER}"}}', MARKER]
    project.write("data/raw/log.jsonl", "\n".join(lines))
    project.write("data/raw/consent.txt", "# who agreed\nc4\nc2\n")
    project.set("curate.sources", [{"path": "data/gold", "kind": "gold", "license": "CC-BY-4.0"}, LOG])
    project.set("curate.consent", "data/raw/consent.txt")
    done = project.run("curate")
    assert done.returncode == 0, done.stderr
    kept = [chat for chat in project.records("data/curated/chats.jsonl") if chat["source"]["kind"] == "log"]
    assert [chat["source"]["line"] for chat in kept] == [3, 4]
    assert [chat["conversations"][1]["value"] for chat in kept] == [f"I am [NAME] number {n}, write to [EMAIL]." for n in (3, 4)]
    assert all(chat["source"]["consent"] is True for chat in kept)
    assert [(r["line"], r["rule"]) for r in project.records("data/curated/rejects.jsonl")] == [
        (1, "consent"), (2, "consent"), (5, "json"), (6, "format"), (7, "json"),
    ]  # fmt: skip
    assert MARKER.lower() not in everything_written(project, done).lower()
    figures = project.metrics("curate")
    assert (figures["redacted_email"], figures["redacted_name"], figures["rejected_consent"]) == (2, 4, 2)


def test_a_sweep_over_the_kinds_of_sources_keeps_the_gold_as_it_is_and_reads_no_more_than_it_names(project: Project) -> None:
    project.write(GOLD, GOOD[0])
    project.write("data/raw/log.jsonl", log_line(1, consent=True))
    project.set("curate.sources", [{"path": "data/gold", "kind": "gold", "license": "CC-BY-4.0"}, LOG])
    written = {}
    for use in (None, ["log", "gold"], ["gold"]):
        project.set("curate.use", use)
        assert project.run("curate").returncode == 0
        written[str(use)] = project.records("data/curated/chats.jsonl")
    assert [chat["source"]["kind"] for chat in written["None"]] == ["gold", "log"] and written["None"] == written["['log', 'gold']"]
    assert written["['gold']"] == written["None"][:1]


def test_who_asked_to_be_forgotten_is_left_out_whatever_the_consent(project: Project) -> None:
    from stages.common import forgetting

    project.write(GOLD, GOOD[0])
    project.write("data/raw/log.jsonl", "\n".join(log_line(n, consent=True) for n in range(4)))
    forgetting.add(project.folder / "data/raw/forget.txt", ["c2"])
    project.set("curate.sources", [{"path": "data/gold", "kind": "gold", "license": "CC-BY-4.0"}, LOG])
    assert project.run("curate").returncode == 0
    assert [(r["line"], r["rule"]) for r in project.records("data/curated/rejects.jsonl")] == [(3, "forgotten")]
    assert counts(project) == {"lines": 5, "kept": 4, "rejected": 1, "characters": 1}


def test_a_name_is_no_consent_but_is_enough_to_be_forgotten(project: Project) -> None:
    from stages.common import forgetting

    project.write(GOLD, GOOD[0])
    project.write("data/raw/log.jsonl", "\n".join(log_line(n) for n in range(2)))
    project.write("data/raw/consent.txt", f"{MARKER}\n")
    project.set("curate.sources", [{"path": "data/gold", "kind": "gold", "license": "CC-BY-4.0"}, LOG])
    project.set("curate.consent", "data/raw/consent.txt")
    assert project.run("curate").returncode == 0
    assert project.metrics("curate")["rejected_consent"] == 2
    project.write("data/raw/consent.txt", "log.jsonl\n")
    assert project.run("curate").returncode == 0
    assert counts(project)["kept"] == 3
    forgetting.add(project.folder / "data/raw/forget.txt", [MARKER])
    assert project.run("curate").returncode == 0
    assert project.metrics("curate")["rejected_forgotten"] == 2


@pytest.mark.parametrize("license", ["x: [y\n---\n# |", "", ["MIT"], 7])
def test_a_licence_that_is_none_is_a_reject(project: Project, license: object) -> None:
    project.write(GOLD, GOOD[0])
    project.write("data/raw/set.json", json.dumps([{"license": license, "items": [{"from": "user", "value": "Q"}, {"from": "bard", "value": "A."}]}]))
    project.set("curate.sources", [{"path": "data/gold", "kind": "gold", "license": "CC-BY-4.0"}, {**LOG, "path": "data/raw/set.json", "kind": "import"}])
    assert project.run("curate").returncode == 0
    ((reject),) = project.records("data/curated/rejects.jsonl")
    assert (reject["rule"], reject["found"]) == ("license", "something that is no licence's id")


def test_a_licence_that_is_not_allowed_is_a_reject_and_the_data_card_names_the_others(project: Project) -> None:
    project.write(GOLD, GOOD[0])
    imports = [
        json.dumps({"license": license, "items": [{"from": "user", "value": f"Q {license}"}, {"from": "bard", "value": "A."}]})
        for license in ("MIT", "GPL-3.0")
    ]
    project.write("data/raw/set.json", f"[{', '.join(imports)}]")
    project.set(
        "curate.sources",
        [{"path": "data/gold", "kind": "gold", "license": "CC-BY-4.0"}, {**LOG, "path": "data/raw/set.json", "kind": "import", "language": "de"}],
    )
    project.set("curate.licenses_allowed", ["CC-BY-4.0", "MIT"])
    assert project.run("curate").returncode == 0
    assert [(r["rule"], r["found"], r["expected"]) for r in project.records("data/curated/rejects.jsonl")] == [("license", "GPL-3.0", "CC-BY-4.0, MIT")]
    card = (project.folder / "data/curated/README.md").read_text(encoding="utf-8")
    head = YAML(typ="safe").load(card.split("---")[1])
    assert (head["license"], head["language"], head["size_categories"]) == (["cc-by-4.0", "mit"], ["de", "en"], ["n<1K"])
    assert f"| {GOLD} | sherlock-holmes | gold | CC-BY-4.0 | en | 1 |" in card
    assert "| data/raw/set.json | sherlock-holmes | import | MIT | de | 1 |" in card
    assert "Left out: 1, by rule: license 1." in card


def test_only_the_characters_that_take_part_are_read(project: Project) -> None:
    project.write(GOLD, GOOD[0])
    project.add_card("john-silver")
    project.write("data/gold/john-silver.jsonl", "{oops")
    project.set("characters", ["sherlock-holmes"])
    assert project.run("curate").returncode == 0
    assert counts(project) == {"lines": 1, "kept": 1, "rejected": 0, "characters": 1}
    project.set("characters", ["watson"])
    assert "characters names watson, without a card in data/characters" in project.refused("curate")


def test_a_nickname_fills_the_macro_and_the_full_name_is_a_label_too(project: Project) -> None:
    project.add_card("sherlock-holmes", nickname="Sherry")
    project.write(GOLD, gold_line("Are you {{char}}?", "Sherlock Holmes: I am {{char}}."))
    assert project.run("curate").returncode == 0
    ((system, asked, said),) = [chat["conversations"] for chat in project.records("data/curated/chats.jsonl")]
    assert system["value"].startswith("You are Sherry, ")
    assert (asked["value"], said["value"]) == ("Are you Sherry?", "I am Sherry.")


def test_lore_is_told_where_its_keys_are_said(project: Project) -> None:
    book = {"entries": [{"keys": ["hound"], "content": "{{char}} hunts a hound.", "enabled": True, "insertion_order": 1, "extensions": {}}], "extensions": {}}
    project.add_card("sherlock-holmes", character_book=book)
    project.write(GOLD, "\n".join([gold_line("What of the Hound?", "A dog."), gold_line("What of the fog?", "Weather.")]))
    assert project.run("curate").returncode == 0
    prompts = [chat["conversations"][0]["value"] for chat in project.records("data/curated/chats.jsonl")]
    assert [prompt.endswith("Sherlock Holmes hunts a hound.") for prompt in prompts] == [True, False]


def test_what_the_visitor_is_made_to_say_is_marked_and_filter_drops_it(project: Project) -> None:
    project.write(GOLD, "\n".join([GOOD[0], gold_line("Who was it?", "The verger was, as I said.\nUser: I see it all now!", topic="cases")]))
    assert project.run("curate").returncode == 0
    assert [chat.get("marks") for chat in project.records("data/curated/chats.jsonl")] == [None, ["speaks-for-user"]]
    assert project.metrics("curate")["marked"] == 1


def test_a_gigabyte_of_nothing_in_a_small_file_takes_no_memory_and_no_time(project: Project) -> None:
    project.write(GOLD, GOOD[0])
    project.write("data/raw/bomb.jsonl.gz", gzip.compress(b" " * (200 << 20) + b"\n" + GOOD[1].encode()))
    project.set("curate.sources", [{"path": "data/gold", "kind": "gold", "license": "CC-BY-4.0"}, {**LOG, "path": "data/raw/bomb.jsonl.gz", "kind": "import"}])
    done = project.run(
        "curate",
        code="import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); runpy.run_module(sys.argv[1], run_name='__main__', alter_sys=True)",
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert counts(project)["kept"] == 2
