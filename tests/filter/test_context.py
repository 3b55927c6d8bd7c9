"""A chat that is said to fit has no more tokens than the context, and one that does not is cut behind a reply."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.common.chats import chat_id
from stages.common.environments import checkout
from stages.common.errors import UserError
from stages.common.schemas import fault
from stages.filter import context
from stages.filter.context import Context, fitted, too_long
from stages.filter.talk import Drop
from tests.chats import make_chat, plain_chat
from tests.tokenizer import GOLD, TEMPLATE, lay_out, trained

KINDS = ("bytes", "marked", "across", "composed")
BASE = checkout() / "models/base"  # there where the pipeline has run


@pytest.fixture(scope="module", params=[*KINDS, *(["base"] if (BASE / "tokenizer.json").exists() else [])])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "base":
        return BASE
    return lay_out(tmp_path_factory.mktemp(request.param), request.param)


pieces = st.sampled_from(
    [" ", "  ", "\n", "\n\n ", "\t", "\xa0", "don't", "1895", "é", "e\u0301", "字", "👍🏽", "<|im_end|>", "…", "-", "the mud", "\u3000", "Ġ", "▁", "ﷺ"]
)
texts = st.lists(pieces | st.text(max_size=8), min_size=1, max_size=40).map(lambda parts: "x" + "".join(parts))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=3), st.integers(0, 400))
def test_what_is_said_to_fit_has_no_more_tokens_than_the_limit(folder: Path, pairs: list[tuple[str, str]], limit: int) -> None:
    said = make_chat(*(text for pair in pairs for text in pair))["conversations"]
    one = opened(folder)
    count = one.tokens(said)
    for one.limit in (limit, count - 1, count, count + 1, count + context.MARGIN):
        assert one.fits(said) == (count <= one.limit)


def test_a_text_that_the_tokenizer_makes_longer_than_its_bytes_is_not_said_to_fit(folder: Path) -> None:
    """U+1D160 is 4 bytes of UTF-8 and 12 in NFC; a letter without a token is as many tokens as bytes."""
    said = make_chat("\U0001d160" * 100, "\U0001d160" * 100)["conversations"]
    one = opened(folder)
    one.limit = one.tokens(said) - 1
    assert not one.fits(said)


_opened: dict[Path, Context] = {}


def opened(folder: Path, limit: int = 1024) -> Context:
    """Each tokenizer is read once."""
    if folder not in _opened:
        _opened[folder] = Context(folder, limit)
    _opened[folder].limit = limit
    return _opened[folder]


def test_words_are_summed_only_where_no_token_crosses_a_space_and_are_then_no_fewer_than_the_tokens(folder: Path) -> None:
    one = opened(folder)
    assert one._by_words == (not folder.name.startswith("across"))
    assert [said for said in GOLD[::7] if one._by_words and one.bounds([one.text(said).encode()])[0] < one.tokens(said)] == []


def test_a_chat_that_fits_stays_as_it_is(folder: Path) -> None:
    chat = plain_chat(1)
    assert fitted(chat, opened(folder, 100_000)) is chat


def test_a_long_chat_is_cut_behind_the_last_reply_that_fits_and_names_the_whole(folder: Path) -> None:
    chat = make_chat(*(text for n in range(9) for text in (f"Question {n}, sir?", f"The mud of street {n} is on your sleeve.")), scenario="mud")
    one = opened(folder)
    for exchanges in range(1, 9):
        one.limit = one.tokens(chat["conversations"][: 1 + 2 * exchanges])
        cut = fitted(chat, one)
        assert cut["conversations"] == chat["conversations"][: 1 + 2 * exchanges]
        assert cut["id"] == chat_id("sherlock-holmes", "gold", cut["conversations"]) != chat["id"]
        assert cut["source"] == {**chat["source"], "cut_from": chat["id"]}
        assert fault("chat", cut) is None
        assert fitted(cut, one) is cut
        one.limit -= 1
        shorter = fitted(cut, one)
        assert shorter is None if exchanges == 1 else shorter["source"]["cut_from"] == chat["id"]


def test_a_chat_of_which_nothing_fits_is_dropped_with_the_tokens_of_its_first_exchange(folder: Path) -> None:
    chat, one = make_chat("Who?", "The verger, sir.", "Why?", "For gold, sir."), opened(folder, 5)
    assert fitted(chat, one) is None
    assert too_long(chat, one) == Drop("length.tokens", one.tokens(chat["conversations"][:3]), 5)


@pytest.mark.parametrize("name, content", [("tokenizer.json", "{"), ("chat_template.jinja", "{% for %}"), ("tokenizer_config.json", "{")])
def test_a_broken_file_of_the_base_is_one_sentence_that_names_it(tmp_path: Path, name: str, content: str) -> None:
    trained("bytes").save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE)
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=name):
        Context(tmp_path, 10)


def test_a_template_that_refuses_a_chat_is_one_sentence_with_its_words(tmp_path: Path) -> None:
    trained("bytes").save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text("{{ raise_exception('System role not supported') }}")
    with pytest.raises(UserError, match="refuses a chat: System role not supported"):
        Context(tmp_path, 10).fits(plain_chat(1)["conversations"])
