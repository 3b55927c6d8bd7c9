"""The records of a text: what every line, element and row gives, and what a broken one costs."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.curate.faults import Fault
from stages.curate.records import MAX_RECORD, Record, Row, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(st.dictionaries(st.text(), JSON, max_size=3), max_size=6)


def found(*blocks: bytes) -> list[tuple[int, object]]:
    """(line, value) of each record, a fault as "rule: found"."""
    return [(r.line, f"{r.value.rule}: {r.value.found}" if isinstance(r.value, Fault) else r.value) for r in read(iter(blocks))]


def cut(text: bytes, places: Iterable[int]) -> list[bytes]:
    """The text in blocks that end at the places."""
    places = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in zip(places, places[1:], strict=False)]


@given(objects=OBJECTS, places=st.lists(st.integers(0, 10_000), max_size=5), ascii=st.booleans(), ends=st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_json_lines_give_every_object_wherever_the_blocks_end(objects, places, ascii, ends):
    text = "".join(json.dumps(one, ensure_ascii=ascii) + ends for one in objects).encode(errors="replace")
    expected = [json.loads(line) for line in text.split(b"\n") if line.strip()]
    assert [value for _, value in found(*cut(text, places))] == expected


@given(objects=OBJECTS, places=st.lists(st.integers(0, 10_000), max_size=5), indent=st.sampled_from([None, 0, 2]))
def test_an_array_gives_every_object_wherever_the_blocks_end(objects, places, indent):
    text = json.dumps(objects, indent=indent).encode()
    assert [value for _, value in found(*cut(text, places))] == objects


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1), st.just("b")), min_size=1, max_size=5))
def test_a_table_gives_every_row(rows):
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("human", "gpt"), *rows])
    assert [value for _, value in found(out.getvalue().encode())] == [Row(row, ("human", "gpt")) for row in rows]


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_whatever_the_bytes_every_record_is_a_value_or_a_fault_with_a_line(blocks):
    lines = b"".join(blocks).count(b"\n") + 1
    records = list(read(iter(blocks)))
    assert all(isinstance(record, Record) and 1 <= record.line <= lines + 1 for record in records)
    assert bool(records) or not b"".join(blocks).strip() or b"".join(blocks).strip() in (b"[]",) or b"".join(blocks).strip().startswith(b"[")


@given(good=OBJECTS, bad=st.binary(min_size=1, max_size=40).filter(lambda b: b"\n" not in b and b.strip()), place=st.integers(0, 10))
def test_a_broken_line_between_good_ones_costs_no_other(good, bad, place):
    lines = [json.dumps(one).encode() for one in [{"first": 1}, *good, {"last": 1}]]
    place = 1 + place % (len(lines) - 1)
    text = b"\n".join([*lines[:place], bad, *lines[place:]])
    values = [value for _, value in found(text)]
    assert len(values) == len(lines) + 1
    del values[place]
    assert values == [json.loads(line) for line in lines]


def test_lines_are_counted_from_one_with_empty_ones():
    assert found(b'\n\n{"a":1}\r\n\n{"b":2}\n') == [(3, {"a": 1}), (5, {"b": 2})]


def test_elements_have_the_line_on_which_they_begin():
    assert found(b'\n[{"a": 1},\n {"b":\n "]\\"["}, 3,\n\n{"c": [1,{"d":2}]}\n]\n') == [(2, {"a": 1}), (3, {"b": ']"['}), (4, 3), (6, {"c": [1, {"d": 2}]})]


def test_one_object_over_many_lines_is_one_record():
    assert found(b'{\n "a": 1,\n "b": [2]\n}\n') == [(1, {"a": 1, "b": [2]})]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b'{"a": NaN}', "json: NaN or Infinity"),
        (b'{"a": -Infinity}', "json: NaN or Infinity"),
        (b'{"a": 1, "a": 2}', "json: a key twice in one object"),
        (b'{"a": {"b": 1, "b": 2}}', "json: a key twice in one object"),
        (b'{"a": ' + b"[" * 100_000, "json: nested too deep"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "json: a number of thousands of digits"),
        (b'{"a": "\xe9"}', "encoding: byte 0xe9 at column 8"),
        (b'{"a": "\0"}', "json: Invalid control character at at column 8"),
        (b'{"a": secret}', "json: Expecting value at column 7"),
        (b"\0\0\0", "format: neither JSON Lines nor a JSON array nor a table"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "format: neither JSON Lines nor a JSON array nor a table"),
        (b'[{"a": 1', "damaged: the file ends inside the array"),
        (b'"a,b', "csv: unexpected end of data"),
        (b"a\rb,c", "csv: new-line character seen in unquoted field - do you need to open the file in universal-newline mode?"),
    ],
)
def test_what_is_broken_is_told_with_its_line_and_never_quoted(text, fault):
    assert found(text) == [(1, fault)]
    good = b'{"good": 1}\n' * 2
    if text.startswith(b"{"):
        assert found(good + text + b"\n" + good) == [(1, {"good": 1}), (2, {"good": 1}), (3, fault), (4, {"good": 1}), (5, {"good": 1})]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'[{"a": 1}, {bad}, {"b": 2}]', [{"a": 1}, "json: Expecting property name enclosed in double quotes at column 2", {"b": 2}]),
        (b'[{"a": 1}, , {"b": 2},]', [{"a": 1}, "json: Expecting value at column 1", {"b": 2}]),
        (b'[{"a": 1}] tail', [{"a": 1}, "json: text after the end of the array"]),
        (b'[{"a": 1}, {"b', [{"a": 1}, "damaged: the file ends inside the array"]),
        (b"[]", []),
        (b"[ ]\n", []),
        (b"", []),
        (b" \n \n", []),
    ],
)
def test_a_broken_element_costs_no_other(text, expected):
    assert [value for _, value in found(text)] == expected
    assert [value for _, value in found(*(text[i : i + 1] for i in range(len(text))))] == expected


def test_a_quote_that_is_never_closed_costs_one_row():
    assert found(b'human,gpt\na,b\n"c,d\ne,f\ng,h\n') == [
        (2, Row(("a", "b"), ("human", "gpt"))),
        (3, "csv: unexpected end of data"),
        (4, Row(("e", "f"), ("human", "gpt"))),
        (5, Row(("g", "h"), ("human", "gpt"))),
    ]


def test_thousands_of_broken_rows_cost_themselves_alone():
    values = [value for _, value in found(b"q,a\n" + b'x,"y" z\n' * 5000 + b"r,s\n" + b'"t\n' * 5000 + b"u,v\n")]
    assert [value.cells for value in values if isinstance(value, Row)] == [("q", "a"), ("r", "s"), ("u", "v")]


@pytest.mark.parametrize(("text", "cells"), [(b"a\tb, c\n", ("a", "b, c")), (b"a;b\n", ("a", "b")), (b'"two\nlines",b\n', ("two\nlines", "b"))])
def test_tables_with_other_delimiters_and_cells_of_many_lines(text, cells):
    assert found(text) == [(1, Row(cells, None))]


def test_a_blocks_fault_comes_last_and_the_line_that_it_cut_is_not_told_twice():
    def blocks():
        yield b'{"a": 1}\n{"b": 2}\n{"c'
        raise Fault("damaged", "cut off", "whole")

    assert found(*[]) == []
    assert [(r.line, str(r.value)) for r in read(blocks())] == [(1, "{'a': 1}"), (2, "{'b': 2}"), (4, "damaged: cut off; expected whole")]


@pytest.mark.parametrize("kind", ["lines", "array", "rows"])
def test_a_line_of_50_mb_is_one_fault_and_does_not_fill_the_memory(kind):
    def blocks():
        start, end = {
            "lines": (b'{"a": 1}\n{"b": "', b'"}\n{"c": 3}\n'),
            "array": (b'[{"a": 1},\n{"b": "', b'"},\n{"c": 3}]'),
            "rows": (b"a,b\nc,", b"\nd,e\n"),
        }[kind]
        yield start
        for _ in range(50):
            yield b"x" * (1 << 20)
        yield end

    tracemalloc.start()
    try:
        values = [record.value for record in read(blocks())]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [value.rule if isinstance(value, Fault) else None for value in values] == [None, "too_long", None]
    assert peak < 4 * MAX_RECORD
