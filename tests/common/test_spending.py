"""What requests cost, and the caps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stages.common.spending import Caps, Ledger, Price, Use, likely, most

PRICE = Price(2.5, 10.0)


def body(text: str, **more: object) -> dict:
    return {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": 100, **more}


def test_a_request_costs_its_tokens_at_the_price_of_a_million() -> None:
    assert PRICE.use(1_000_000, 200_000) == Use(1, 1_000_000, 200_000, 4.5)


@given(st.text())
def test_the_most_is_no_less_than_a_token_for_each_byte_of_a_message_and_the_longest_answer(text: str) -> None:
    upper = most(body(text), PRICE)
    assert upper.prompt_tokens >= len(text.encode("utf-8", "surrogatepass")) + 256
    assert upper.completion_tokens == 100
    assert upper.usd == PRICE.use(upper.prompt_tokens, 100).usd


def test_the_most_counts_the_schema_of_the_answer_and_either_name_of_its_length() -> None:
    schema = {"response_format": {"type": "json_schema", "json_schema": {"description": "x" * 5000}}}
    assert most(body("a", **schema)).prompt_tokens > most(body("a")).prompt_tokens + 5000
    assert most({"messages": [], "max_completion_tokens": 70}).completion_tokens == 70


def test_a_request_probably_takes_a_token_for_four_bytes() -> None:
    assert 250 <= likely(body("word " * 200)).prompt_tokens <= 290
    assert likely(body("word"), PRICE).usd < most(body("word"), PRICE).usd


def test_a_ledger_refuses_what_could_pass_a_cap_beside_what_is_in_flight() -> None:
    ledger, upper = Ledger(Caps(tokens=1000)), Use(1, 200, 200)
    assert ledger.refuses(upper) is None
    ledger.begin(upper)
    ledger.begin(upper)
    assert ledger.refuses(upper) == "max_tokens 1000"
    ledger.end(upper, Use(1, 100, 50))
    assert ledger.refuses(upper) is None
    assert (ledger.spent, ledger.in_flight) == (Use(1, 100, 50), upper)


def test_a_ledger_names_the_cap_that_is_reached() -> None:
    assert Ledger(Caps(usd=1.5)).refuses(Use(1, usd=1.6)) == "max_usd 1.5"
    assert Ledger(Caps(requests=0)).refuses(Use(1)) == "max_requests 0"
    assert Ledger().refuses(Use(10**9, 10**9, 10**9, 1e9)) is None


def test_a_cap_holds_as_many_requests_as_it_is_the_price_of() -> None:
    """0.1 + 0.1 + 0.1 is more than 0.3 in binary."""
    ledger, dime = Ledger(Caps(usd=0.3)), Use(1, usd=0.1)
    for _ in range(3):
        assert ledger.refuses(dime) is None
        ledger.begin(dime)
        ledger.end(dime, dime)
    assert ledger.refuses(dime) == "max_usd 0.3"


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 500), st.booleans()), max_size=60), st.integers(0, 5000))
def test_no_order_of_beginnings_and_ends_spends_more_than_the_cap(steps: list[tuple[int, int, bool]], cap: int) -> None:
    ledger, open_ones = Ledger(Caps(tokens=cap)), []
    for most_tokens, used, ends in steps:
        upper = Use(1, most_tokens)
        if ends and open_ones:
            first = open_ones.pop(0)
            ledger.end(first, Use(1, min(used, first.prompt_tokens)))
        elif ledger.refuses(upper) is None:
            ledger.begin(upper)
            open_ones.append(upper)
        assert ledger.spent.tokens + ledger.in_flight.tokens <= cap
