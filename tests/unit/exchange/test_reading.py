"""Files of any size and in any state: what is good in them is read, and the rest is told."""

import sqlite3
import tracemalloc
from collections.abc import Generator, Iterable
from io import BufferedReader, BytesIO, RawIOBase
from itertools import chain, repeat
from threading import Thread
from typing import Any, BinaryIO, cast

import pytest

from application.catalog.exchange import ProductRow, RefusedRow
from domain.shared.errors import RuleBroken
from interfaces.exchange.lines import LONGEST_ROW
from interfaces.exchange.products import product_rows
from interfaces.exchange.rows import Format
from tests.unit.exchange.files import (
    MUG,
    USD,
    a_mug,
    accepted,
    blamed,
    fate,
    lines_of,
    of_csv,
    products_of,
    refusal_of,
    table_of,
)

MARK = b"\xef\xbb\xbf"
TOO_LONG = "row is longer than 1048576 bytes"


class Pouring(RawIOBase):
    """A file that is made while it is read."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._parts, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def poured(*parts: Iterable[bytes]) -> BinaryIO:
    return cast(BinaryIO, BufferedReader(Pouring(chain(*parts))))


def line_of(sku: str, name: str = "Mug") -> bytes:
    return lines_of(a_mug(sku=sku, name=name))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", MARK])
def test_a_table_is_read_with_either_line_end_and_with_a_byte_order_mark(
    mark: bytes, end: str
) -> None:
    for header in ("sku,name,price", '"sku","name","price"'):
        file = mark + table_of("A,A,1", "B,B,2", header=header, end=end)
        assert fate(products_of(file, Format.CSV)) == [(2, "A"), (3, "B")]
        assert fate(products_of(file[: -len(end)], Format.CSV)) == [(2, "A"), (3, "B")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", MARK])
def test_so_are_lines_of_json(mark: bytes, end: bytes) -> None:
    file = mark + (line_of("A") + line_of("B")).replace(b"\n", end)
    assert fate(products_of(file, Format.NDJSON)) == [(1, "A"), (2, "B")]
    assert fate(products_of(file[: -len(end)], Format.NDJSON)) == [(1, "A"), (2, "B")]


def test_a_byte_order_mark_stands_only_at_the_very_start() -> None:
    assert fate(products_of(MARK + MARK + line_of("A"), Format.NDJSON))[0][1].startswith(
        "row is no JSON"
    )
    rows = products_of(table_of("A,A,1", "\ufeffB,B,1"), Format.CSV)
    assert [str(refusal_of(rows[1]))[:6], accepted(rows[0]).sku] == ["sku is", "A"]


def test_a_row_of_a_table_is_numbered_as_a_spreadsheet_does() -> None:
    rows = of_csv(
        'A,A,1,"one\r\ntwo\nthree"', "", "B,B,x,", "C,C,1,", header="sku,name,price,description"
    )
    assert [row.number for row in rows] == [2, 4, 5]
    assert accepted(rows[0]).values["description"] == "one\r\ntwo\nthree"


def test_a_row_of_json_is_numbered_by_its_line() -> None:
    file = b"\n" + line_of("A") + b"  \r\n\t\n" + b"{}\n" + line_of("B") + b"\n"
    assert fate(products_of(file, Format.NDJSON)) == [(2, "A"), (5, "sku is missing"), (6, "B")]


def test_a_file_without_rows_has_none() -> None:
    assert of_csv() == []
    assert products_of(b"", Format.NDJSON) == []
    assert products_of(b"\n\r\n \n", Format.NDJSON) == []


def test_quotes_are_those_of_rfc_4180() -> None:
    [row] = of_csv('A,"say ""hi"", 1","1"')
    assert accepted(row).values["name"] == 'say "hi", 1'


def test_a_quote_in_the_wrong_place_costs_its_row_alone() -> None:
    misplaced = "row has a quote or a line end where none can be"
    assert fate(of_csv("A,A,1", 'B,"B"b,1', "C,C,1", "D,D\rD,1", "E,E,1")) == [
        (2, "A"),
        (3, misplaced),
        (4, "C"),
        (5, misplaced),
        (6, "E"),
    ]


def test_a_row_has_a_cell_for_every_column() -> None:
    assert fate(of_csv("A,A", "B,B,1,", "C,C,1", "D")) == [
        (2, "row has 2 of 3 cells"),
        (3, "row has 4 of 3 cells"),
        (4, "C"),
        (5, "row has 1 of 3 cells"),
    ]


@pytest.mark.parametrize("end", ["", "\n", "\r\nC,C,1\r\n"])
def test_a_quote_that_is_left_open_lasts_to_the_end_of_the_file(end: str) -> None:
    file = table_of("A,A,1") + f'B,"B,1{end}'.encode()
    assert fate(products_of(file, Format.CSV)) == [
        (2, "A"),
        (3, "row ends with the file, inside a quoted cell"),
    ]


def test_a_table_that_is_cut_loses_its_last_row() -> None:
    assert fate(products_of(table_of("A,A,1") + b"B,B", Format.CSV)) == [
        (2, "A"),
        (3, "row has 2 of 3 cells"),
    ]


def test_every_end_that_a_table_may_come_to_is_told() -> None:
    header = b"sku,name,price,description\r\n"
    whole = b'A,A,7.99,"one,\r\n""two"""\r\nB,B,"5",\r\n'
    for size in range(len(whole)):
        rows = products_of(header + whole[:size], Format.CSV)
        assert len(rows) == (size > 0) + (size > whole.index(b"B"))
        assert all(isinstance(row, ProductRow) for row in rows[:-1])


def test_json_that_is_cut_is_refused_and_the_file_ends() -> None:
    whole = line_of("B").rstrip()
    for size in range(1, len(whole)):
        first, last = fate(products_of(line_of("A") + whole[:size], Format.NDJSON))
        assert first == (1, "A")
        assert last[0] == 2
        assert last[1].startswith("row is no JSON")
        assert last[1].endswith(", and the file ends")


@pytest.mark.parametrize(
    "line",
    [
        *(b"{", b"[}", b"{'sku': 1}", b'{"sku": "A",}', b'{"sku": "A"} {}', b'{"stock": NaN}'),
        *(b'{"sku": "A", "sku": "B"}', b"[" * 1_000, b'{"a": ' * 40 + b"1" + b"}" * 40, b"sku"),
        *(b'{"sku": "a\tb"}', b'{"sku": "\\x"}', b"\0"),
    ],
)
def test_a_line_that_is_no_json_costs_itself_alone(line: bytes) -> None:
    rows = products_of(line_of("A") + line + b"\n" + line_of("B"), Format.NDJSON)
    assert [(row.number, isinstance(row, RefusedRow)) for row in rows] == [
        (1, False),
        (2, True),
        (3, False),
    ]
    assert str(refusal_of(rows[1])).startswith("row is no JSON: ")


@pytest.mark.parametrize("line", [b"5", b'"text"', b"null", b"[]", b"true", b"[{}]"])
def test_a_row_of_json_is_an_object(line: bytes) -> None:
    assert fate(products_of(line, Format.NDJSON)) == [(1, "row is no object")]


@pytest.mark.parametrize("column", ["sku", "name", "price"])
@pytest.mark.parametrize("broken", [b"\xff", b"K\xe4se", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x82"])
def test_what_is_not_utf_8_costs_its_row_alone(column: str, broken: bytes) -> None:
    cells = {"sku": b"B", "name": b'"B\n, b"', "price": b"1"} | {column: broken}
    table = table_of("A,A,1") + b",".join(cells.values()) + b"\r\nC,C,1\r\n"
    assert fate(products_of(table, Format.CSV)) == [
        (2, "A"),
        (3, f"{column} is not UTF-8"),
        (4, "C"),
    ]
    value = {"sku": b"B", "name": b"Mug", "price": b"7.99"}[column]
    line = line_of("B").replace(b'"%s"' % value, b'"%s"' % broken)
    assert fate(products_of(line_of("A") + line + line_of("C"), Format.NDJSON)) == [
        (1, "A"),
        (2, f"{column} is not UTF-8"),
        (3, "C"),
    ]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b'{"sku": "A", "name": "\xff"}', "name"),
        (b'{"sku": "A", "metadata": {"a": ["\xc3\xa9", "\xff"]}}', "metadata"),
        (b'{"sku": "\xef\xbf\xbd", "name": "\xff"}', "name"),
        (b'{"\xff": 1}', "row"),
        (b'{"sku": \xff}', "row"),
        (b'{"sku": "\xff', "row"),
        (b'{"sku": "\\\xff"}', "row"),
    ],
)
def test_json_that_is_not_utf_8_names_the_member_where_it_can(line: bytes, field: str) -> None:
    [row] = products_of(line, Format.NDJSON)
    assert refusal_of(row).details == {"field": field, "reason": "is not UTF-8"}


def test_a_row_that_is_too_long_costs_itself_alone() -> None:
    long = "x" * LONGEST_ROW
    assert fate(of_csv("A,A,1", f"B,{long},1", "C,C,1")) == [(2, "A"), (3, TOO_LONG), (4, "C")]
    file = line_of("A") + line_of("B", long) + b"[" * 3 * LONGEST_ROW + b"\n" + line_of("C")
    assert fate(products_of(file, Format.NDJSON)) == [
        (1, "A"),
        (2, TOO_LONG),
        (3, TOO_LONG),
        (4, "C"),
    ]
    assert fate(products_of(line_of("A") + long.encode() * 2, Format.NDJSON)) == [
        (1, "A"),
        (2, TOO_LONG),
    ]


@pytest.mark.parametrize("spare", [0, 1])
def test_a_row_may_be_as_long_as_rows_may_be(spare: int) -> None:
    line = line_of("A")
    padded = line[:-1] + b" " * (LONGEST_ROW - len(line) + spare) + b"\n"
    assert fate(products_of(padded, Format.NDJSON)) == [(1, TOO_LONG if spare else "A")]
    cell = "x" * (LONGEST_ROW - len("A,,1\r\n") + spare)
    too_long = "name is longer than 200 characters"
    assert fate(of_csv(f"A,{cell},1")) == [(2, TOO_LONG if spare else too_long)]


def test_after_an_endless_cell_reading_goes_on_with_the_next_line() -> None:
    line = "x" * 1_023
    lines = LONGEST_ROW // 1_024
    rows = of_csv('A,"' + "x" * 1_000, *[line] * lines, "B,B,1", "C,C,1")
    assert rows[0].number == 2
    assert str(refusal_of(rows[0])) == TOO_LONG
    assert fate(rows)[-2:] == [(len(rows), "B"), (len(rows) + 1, "C")]
    assert len(rows) < 10


@pytest.mark.parametrize("format", Format)
def test_no_more_than_the_longest_row_is_ever_held(format: Format) -> None:
    header = [b"sku,name,price\n"] if format is Format.CSV else []
    line = b"x" * 1_023
    file = poured(header, repeat(line, 8_192), [b'\nA,"'], repeat(line + b"\n", 8_192))
    rows = product_rows(file, format, currency=USD)
    tracemalloc.start()
    try:
        assert all(isinstance(row, RefusedRow) for row in rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * LONGEST_ROW


@pytest.mark.parametrize(
    "column", ["name", "price", "currency", "stock", "slug", "description", "category", "is_active"]
)
def test_to_refuse_a_long_cell_costs_little_more_than_to_hold_it(column: str) -> None:
    cells = MUG | {column: "x" * (LONGEST_ROW - 100)}
    file = BytesIO(table_of(",".join(cells.values()), header=",".join(cells)))
    tracemalloc.start()
    try:
        [row] = product_rows(file, Format.CSV, currency=USD)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert blamed(row) == column
    assert peak < 12 * LONGEST_ROW


def test_of_two_rows_with_one_sku_the_second_is_refused() -> None:
    rows = of_csv("mug,Mug,1", "CUP,Cup,1", "MUG,Mug again,2", "Mug,And again,3")
    assert fate(rows) == [
        (2, "MUG"),
        (3, "CUP"),
        (4, "row 2 has the same sku"),
        (5, "row 2 has the same sku"),
    ]
    refusal = refusal_of(rows[2])
    assert isinstance(refusal, RuleBroken)
    assert refusal.code == "duplicate-row"
    assert refusal.details == {"field": "sku", "row": 2}
    file = line_of("mug") + line_of("MUG")
    assert fate(products_of(file, Format.NDJSON)) == [(1, "MUG"), (2, "row 1 has the same sku")]


def test_a_row_that_was_refused_takes_no_sku_from_those_after_it() -> None:
    assert fate(of_csv("MUG,Mug,x", "MUG,Mug,1")) == [
        (2, "price is no plain decimal amount of at most 15 digits"),
        (3, "MUG"),
    ]


def test_two_files_know_nothing_of_each_other() -> None:
    one, other = (
        product_rows(BytesIO(line_of("A") + line_of("B")), Format.NDJSON, currency=USD)
        for _ in range(2)
    )
    assert fate(chain(*zip(one, other, strict=True))) == [(1, "A"), (1, "A"), (2, "B"), (2, "B")]


def test_rows_may_be_read_in_one_thread_after_another() -> None:
    rows = product_rows(BytesIO(line_of("A") + line_of("A")), Format.NDJSON, currency=USD)
    read = [next(rows)]
    thread = Thread(target=lambda: read.append(next(rows)))
    thread.start()
    thread.join()
    assert fate(read) == [(1, "A"), (2, "row 1 has the same sku")]
    assert [*rows] == []


def test_what_was_seen_is_forgotten_when_the_reading_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def remembered(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", remembered)
    file = line_of("A") + line_of("B")
    whole, broken_off = (product_rows(BytesIO(file), Format.NDJSON, currency=USD) for _ in range(2))
    assert len([*whole]) == 2
    next(broken_off)
    assert isinstance(broken_off, Generator)
    broken_off.close()
    assert len(opened) == 2
    for database in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            database.execute("SELECT 1")


def test_a_refusal_does_not_keep_what_it_was_refused_for() -> None:
    for row in (*of_csv("A,A,x", '"'), *products_of(b"{\n{}\n\xff\n", Format.NDJSON)):
        refusal = refusal_of(row)
        assert [refusal.__traceback__, refusal.__context__, refusal.__cause__] == [None] * 3
