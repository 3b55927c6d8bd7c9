"""Cards by hand: what `check` says, and that `convert` loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.common import card_files, cards, characters
from stages.common.errors import UserError
from tests.cards import V1_CARDS, V2_CARDS, V3_CARDS, book, charx, chunk, encoded, in_charx, png, text, v1, v2, v3, write
from tests.project import ROOT
from tools.card import convert

HOLMES = ROOT / "data/characters/sherlock-holmes.json"
OTHER = [text("Comment", b"chara"), chunk(b"iTXt", b"Title\0\0\0\0\0Ir\xc3\xa8ne"), text("chara-ext-asset_:a", b"AAAA")]


def card(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.card", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": "utf-8"}, capture_output=True, text=True, timeout=60)


def whole(path: Path) -> dict:
    return cards.checked(card_files.read(path).card, str(path))


def texts(path: Path) -> list[str]:
    with open(path, "rb") as file:
        return [found.keyword for found in card_files.chunks(file) if found.keyword]


def refused(*arguments: object) -> str:
    folder = Path(str(arguments[1])).parent
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    done = card("convert", *arguments)
    assert done.returncode == 1 and done.stdout == "", done
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    return done.stderr.removeprefix("error: ").strip()


def test_check_says_one_line_a_card_and_looks_at_all_of_them(tmp_path: Path) -> None:
    lore = book({}, {"constant": True})
    write(tmp_path / "a.json", v1(name="Irene\nAdler\x1b[2J"))
    write(tmp_path / "b.png", png(text("ccv3", encoded(v3(nickname="The Woman", character_book=lore)))))
    write(tmp_path / "c.png", png())
    write(tmp_path / "d.charx", in_charx(v3(personality=" ")))
    write(tmp_path / "e.json", v2(system_prompt="", description="", personality="", scenario=""))
    write(tmp_path / "f.json", v2(character_book=book({"keys": ["a+"], "use_regex": True})))
    done = card("check", *sorted(tmp_path.iterdir()), HOLMES)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{tmp_path}/a.json: V1 in JSON, Irene Adler?[2J, lore entries: 0, used: name, description, personality, scenario",
        f"{tmp_path}/b.png: V3 in PNG, Irene Adler, lore entries: 2, used: name, nickname, system_prompt, description, personality, character_book",
        f"{tmp_path}/d.charx: V3 in CHARX, Irene Adler, lore entries: 0, used: name, system_prompt, description",
        f"{HOLMES}: V2 in JSON, Sherlock Holmes, lore entries: 0, used: name, system_prompt, description, personality",
    ]
    bad = done.stderr.splitlines()
    assert [line.split(":")[0:2] for line in bad] == [["error", f" {tmp_path}/{name}"] for name in ("c.png", "e.json", "f.json")]


def test_check_of_good_cards_is_status_0() -> None:
    done = card("check", HOLMES, HOLMES)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 2)


@pytest.mark.parametrize("spec", [None, "V2", "V3"])
@pytest.mark.parametrize("suffix", ["json", "png"])
@pytest.mark.parametrize("content", [v1(), v2(x=1), v3(x=1, nickname="The Woman"), {"data": v2()["data"]}], ids=["V1", "V2", "V3", "no spec"])
def test_a_card_of_any_spec_becomes_any_other_in_any_file(tmp_path: Path, content: dict, suffix: str, spec: str | None) -> None:
    source = write(tmp_path / "in.json", content)
    target = tmp_path / "new" / f"out.{suffix}"
    convert(source, target, spec, None)
    expected = spec or ("V3" if cards.version(content) == "V3" else "V2")
    assert whole(target) == cards.converted(whole(source), expected)
    assert whole(target)["spec"] == f"chara_card_{expected.lower()}"
    assert characters.read(target) == characters.read(source)
    if suffix == "png":
        assert texts(target) == (["chara", "ccv3"] if expected == "V3" else ["chara"])
    assert [file.name for file in target.parent.iterdir()] == [f"out.{suffix}"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=V1_CARDS | V2_CARDS | V3_CARDS, spec=st.sampled_from(["V2", "V3"]), first=st.sampled_from(["json", "png"]), second=st.sampled_from(["json", "png"])
)
def test_what_is_written_reads_back_unchanged_and_so_does_the_way_back(tmp_path: Path, content: dict, spec: str, first: str, second: str) -> None:
    source = write(tmp_path / "in.json", content)
    there, back = tmp_path / f"there.{first}", tmp_path / f"back.{second}"
    convert(source, there, spec, None)
    assert whole(there) == cards.converted(whole(source), spec)
    convert(there, back, "V3" if cards.version(content) == "V3" else "V2", None)
    assert whole(back) == whole(source)


def test_a_v3_card_in_a_png_is_there_for_those_who_know_only_v2(tmp_path: Path) -> None:
    source = write(tmp_path / "in.json", v3(nickname="The Woman"))
    convert(source, tmp_path / "out.png", None, None)
    content = (tmp_path / "out.png").read_bytes()
    without = write(tmp_path / "old.png", content.replace(b"tEXtccv3", b"tEXtccv4"))
    with pytest.raises(UserError, match="CRC"):
        card_files.read(without)
    with open(tmp_path / "out.png", "rb") as file:
        newer = next(found for found in card_files.chunks(file) if found.keyword == "ccv3")
    write(without, content[: newer.start] + content[newer.end :])
    assert whole(without) == cards.converted(whole(source), "V2")
    assert characters.read(without.rename(tmp_path / "older.png")) == characters.read(source)


def test_the_cards_chunks_are_replaced_and_all_else_in_a_picture_stays_byte_for_byte(tmp_path: Path) -> None:
    after = b"after the end"
    old = [text("chara", encoded(v2(name="Old"))), text("ccv3", encoded(v3(name="Old"))), chunk(b"zTXt", b"Chara\0\0old")]
    picture = write(tmp_path / "picture.png", png(OTHER[0], old[0], OTHER[1], *old[1:], OTHER[2]) + after)
    source = write(tmp_path / "in.json", v2(name="New"))
    convert(source, tmp_path / "out.png", "V2", picture)
    written = (tmp_path / "out.png").read_bytes()
    assert whole(tmp_path / "out.png")["data"]["name"] == "New"
    assert texts(tmp_path / "out.png") == ["comment", "title", "chara-ext-asset_:a", "chara"]
    with open(tmp_path / "out.png", "rb") as file:
        new = next(found for found in card_files.chunks(file) if found.keyword == "chara")
    assert written[: new.start] + written[new.end :] == png(*OTHER) + after


def test_a_png_keeps_its_own_picture_and_a_charx_its_main_icon(tmp_path: Path) -> None:
    own, icon, given = (png(text("Comment", name)) for name in (b"own", b"icon", b"given"))
    assets = [{"type": "icon", "uri": f"embeded://assets/{name}.png", "name": name, "ext": "png"} for name in ("side", "main")]
    sources = {
        "comes in a PNG": write(tmp_path / "a.png", png(text("Comment", b"own"), text("chara", encoded(v2())))),
        "comes in a CHARX": write(
            tmp_path / "b.charx", charx(("card.json", json.dumps(v3(assets=assets)).encode()), ("assets/side.png", own), ("assets/main.png", icon))
        ),
        "has no picture": write(tmp_path / "c.charx", charx(("card.json", json.dumps(v3(assets=assets)).encode()), ("assets/main.png", b"RIFF....WEBP"))),
    }
    picture = write(tmp_path / "given.png", given)
    for name, word in (("comes in a PNG", b"own"), ("comes in a CHARX", b"icon"), ("has no picture", b"")):
        convert(sources[name], tmp_path / "out.png", None, None)
        assert (b"Comment\0" + word in (tmp_path / "out.png").read_bytes()) == bool(word), name
        convert(sources[name], tmp_path / "out.png", None, picture)
        assert b"Comment\0given" in (tmp_path / "out.png").read_bytes()
        assert characters.read(tmp_path / "out.png") == characters.read(sources[name])


def test_convert_says_what_it_wrote_and_what_it_left(tmp_path: Path) -> None:
    assets = [{"type": "icon", "uri": uri, "name": "main", "ext": "png"} for uri in ("embeded://a.png", "ccdefault:")]
    source = write(tmp_path / "in.charx", in_charx(v3(assets=assets)))
    done = card("convert", source, tmp_path / "out.png", "--spec", "v2")
    assert (done.returncode, done.stderr) == (0, "")
    said = [f"{tmp_path}/out.png: V2 in PNG, Irene Adler, on a plain picture", f"1 of its assets lie in {source} and were left there"]
    assert done.stdout.splitlines() == said


def test_a_plain_picture_is_a_png_that_others_open(tmp_path: Path) -> None:
    convert(HOLMES, tmp_path / "holmes.png", None, None)
    content = (tmp_path / "holmes.png").read_bytes()
    assert content[16:33] == bytes.fromhex("00000040 00000040 08 00 00 00 00") + content[29:33]
    assert characters.read(tmp_path / "holmes.png") == characters.read(HOLMES)


@pytest.mark.parametrize("link", ["same name", "symlink", "hard link"])
def test_a_card_is_never_written_over_itself_or_its_picture(tmp_path: Path, link: str) -> None:
    source = write(tmp_path / "in.json", v2())
    picture = write(tmp_path / "picture.png", png())
    targets = {"json": source, "png": picture}
    if link != "same name":
        for suffix, old in list(targets.items()):
            targets[suffix] = tmp_path / f"other.{suffix}"
            (targets[suffix].symlink_to if link == "symlink" else targets[suffix].hardlink_to)(old)
    assert refused(source, targets["json"]) == f"{targets['json']}: is {source} itself; write to another file"
    assert refused(source, targets["png"], "--picture", picture) == f"{targets['png']}: is {picture} itself; write to another file"


def test_what_cannot_be_converted_is_one_sentence_and_nothing_is_written(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.json", v2()), write(tmp_path / "bad.json", v2(source="a book"))
    broken, foreign = write(tmp_path / "broken.png", png()[:-3]), write(tmp_path / "foreign.png", b"GIF89a" + bytes(50))
    deep: object = 1
    for _ in range(96):
        deep = [deep]
    at_the_edge = write(tmp_path / "deep.json", v3(assets=[{"type": "", "uri": "", "name": "", "ext": "", "x": deep}]))
    assert refused(good, tmp_path / "out.webp") == f"{tmp_path}/out.webp: expected a name that ends in .json or .png"
    assert refused(good, tmp_path / "out.json", "--picture", broken).endswith("leave out --picture, or write a .png")
    assert refused(bad, tmp_path / "out.json", "--spec", "v3") == f"{bad} as V3: not a Character Card V3: data.source: 'a book' is not of type 'array'"
    assert refused(good, tmp_path / "out.png", "--picture", broken).startswith(f"{broken}: a broken PNG: ")
    assert refused(good, tmp_path / "out.png", "--picture", foreign) == f"{foreign}: not a PNG"
    assert refused(good, tmp_path / "out.png", "--picture", tmp_path / "none.png") == f"{tmp_path}/none.png: cannot be read: No such file or directory"
    assert refused(tmp_path / "none.json", tmp_path / "out.png") == f"{tmp_path}/none.json: no such file"
    assert refused(at_the_edge, tmp_path / "out.png").startswith(f"{tmp_path}/out.png: would not be read again: not JSON: objects and lists in one another")
    (tmp_path / "folder.json").mkdir()
    assert refused(good, tmp_path / "folder.json") == f"{tmp_path}/folder.json: cannot be written: Is a directory"
    assert refused(good, good / "out.json") == f"{good}/out.json: cannot be written: File exists"
