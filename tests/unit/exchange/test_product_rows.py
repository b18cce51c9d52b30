"""What a row says about its product, and for what it is refused."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest

from domain.catalog.product import DEAREST, LARGEST_STOCK
from domain.shared.errors import InvalidValue
from interfaces.exchange.rows import Format, UnusableFile, format_of
from tests.builders import money, usd
from tests.unit.exchange.files import (
    a_mug,
    accepted,
    blamed,
    fate,
    lines_of,
    of_cells,
    of_csv,
    of_json,
    of_members,
    products_of,
    refusal_of,
)

MANY_TAGS: Final = [f"tag-{number}" for number in range(51)]
UNFIT_CELLS: Final[Mapping[str, Sequence[str]]] = {
    "sku": ["a b", "é", "A" * 51, "A_B", "A\n", " A", "=A"],
    "name": [" ", "a\nb", "a\tb", "a\0b", "a\x1bb", "a\x85b", "a" * 201],
    "slug": ["A", "a b", "é", " ", "a" * 201],
    "description": ["\0", "a\x07", "\x7f", "a" * 10_001],
    "category": [
        *(" ", "a >  > b", "a>b", "a\nb", "a\0b", "a > " + "b" * 201),
        " > ".join("a" * 17),
    ],
    "tags": [" ", "a  b", "a,b", "New", " a", "a ", "a\nb", " ".join(MANY_TAGS)],
    "is_active": ["yes", "1", " true", "=TRUE()"],
    "metadata": [
        *("[]", "5", "null", '"a"', "{", "{'a': 'b'}", "a", " ", "\0", "[" * 1_000),
        *('{"a": "b", "a": "c"}', '{"a": NaN}', '{"a": "\\u0000"}', '{"a": "\\ud800"}'),
    ],
}
UNFIT_MEMBERS: Final[Mapping[str, Sequence[Any]]] = {
    "sku": [5, None, "", "a b", ["A"], "A" * 51],
    "name": [5, None, True, "", " ", "a\nb", "a\0b", {"en": "Mug"}, "a" * 201],
    "slug": [5, None, "", "A", "\ud800", "a" * 201],
    "description": [5, None, False, ["a"], "\0", "\x9f", "a" * 10_001],
    "category": [
        *("Mugs", [], [5], [None], [""], ["a\nb"], {"a": "b"}, ["a"] * 17, ["a" * 201]),
    ],
    "tags": ["new", None, [5], [""], ["a b"], ["New"], [["a"]], MANY_TAGS],
    "is_active": ["true", 1, 0, None, []],
    "metadata": ["{}", None, [], 5],
}
UNFIT_PAIRS: Final = {
    "too many pairs": {str(number): "" for number in range(51)},
    "a long key": {"k" * 41: "v"},
    "a blank key": {" ": "v"},
    "a key of two lines": {"a\nb": "v"},
    "a long value": {"k": "v" * 501},
    "a number": {"k": 5},
    "an object": {"k": {"l": "m"}},
    "null": {"k": None},
}


@pytest.mark.parametrize(
    ("filename", "format"),
    [
        ("mugs.csv", Format.CSV),
        ("MUGS.CSV", Format.CSV),
        ("mugs.2026.ndjson", Format.NDJSON),
        ("/tmp/mugs.jsonl", Format.NDJSON),  # noqa: S108
        ("mugs.json", None),
        ("mugs.csv.gz", None),
        ("csv", None),
        ("", None),
    ],
)
def test_a_file_is_in_the_format_that_its_name_ends_in(
    filename: str, format: Format | None
) -> None:
    assert format_of(filename) is format


def test_a_row_says_all_there_is_about_a_product() -> None:
    values = {
        "name": "White mug",
        "price": usd("7.99"),
        "stock": 40,
        "slug": "white-mug",
        "description": "A mug,\n“white”.",
        "category": ("Kitchen", "Mugs > cups"),
        "tags": ("new", "sale"),
        "is_active": False,
        "metadata": {"colour": "white"},
    }
    of_table = of_cells(
        sku="mug-1",
        name="White mug",
        price="7.99",
        currency="USD",
        stock="40",
        slug="white-mug",
        description="A mug,\n“white”.",
        category=r"Kitchen > Mugs \> cups",
        tags="sale new",
        is_active="false",
        metadata='{"colour": "white"}',
    )
    of_object = of_members(
        sku="mug-1",
        name="White mug",
        stock=40,
        slug="white-mug",
        description="A mug,\n“white”.",
        category=["Kitchen", "Mugs > cups"],
        tags=["sale", "new", "sale"],
        is_active=False,
        metadata={"colour": "white"},
    )
    for row, number in ((of_table, 2), (of_object, 1)):
        assert accepted(row).sku == "MUG-1"
        assert row.number == number
        assert accepted(row).values == values


def test_what_a_row_does_not_say_stays_as_it_is() -> None:
    for row in (of_cells(), of_members()):
        assert accepted(row).values == {"name": "Mug", "price": usd("7.99")}


def test_an_empty_cell_is_an_empty_value_where_there_is_such_a_one() -> None:
    row = of_cells(
        currency="",
        stock="",
        slug="",
        description="",
        category="",
        tags="",
        is_active="",
        metadata="",
    )
    assert accepted(row).values == {
        "name": "Mug",
        "price": usd("7.99"),
        "description": "",
        "category": (),
        "tags": (),
        "metadata": {},
    }


@pytest.mark.parametrize("required", ["sku", "name", "price"])
def test_a_product_has_a_sku_a_name_and_a_price(required: str) -> None:
    assert blamed(of_cells(**{required: ""})) == required
    mug = a_mug()
    del mug[required]
    assert str(refusal_of(of_json(lines_of(mug)))) == f"{required} is missing"


def test_columns_stand_in_any_order() -> None:
    [row] = of_csv("7.99,Mug,3,MUG", header="price,name,stock,sku")
    assert accepted(row).values == {"name": "Mug", "price": usd("7.99"), "stock": 3}


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("", "the header lacks 'sku', 'name', 'price'"),
        ("sku,name", "the header lacks 'price'"),
        ("sku,name,price,colour", "the header has the unknown 'colour'"),
        ("sku,name,price,", "the header has the unknown ''"),
        ("sku,name,price, stock", "the header has the unknown ' stock'"),
        ("SKU,name,price", "the header lacks 'sku' and has the unknown 'SKU'"),
        ("sku,name,price,sku,stock,stock", "the header repeats 'sku', 'stock'"),
        ("sku;name;price", "lacks 'sku', 'name', 'price' and has the unknown 'sku;name;price'"),
        ("sku,name,price," + "x" * 51, "has the unknown '" + "x" * 50 + "'"),
        ("sku,name,price,\x1b[2J", "has the unknown '\\x1b[2J'"),
        ('sku,name,"price', "the header ends with the file, inside a quoted cell"),
        ('sku,name,"price"x', "the header has a quote or a line end where none can be"),
        ("sku,name,price\rMUG,Mug,1\r", "the header has a quote or a line end where none can be"),
        ("x" * (1 << 20), "the header is longer than 1048576 bytes"),
    ],
)
def test_a_table_has_the_columns_of_a_product(header: str, complaint: str) -> None:
    with pytest.raises(UnusableFile) as unusable:
        of_csv("MUG,Mug,1", header=header)
    assert str(unusable.value).endswith(complaint)
    assert unusable.value.code == "unusable-file"


def test_a_refused_header_is_not_repeated_without_end() -> None:
    with pytest.raises(UnusableFile, match="…") as unusable:
        of_csv(header=",".join(f"column{number}" for number in range(10_000)))
    assert len(str(unusable.value)) < 1_000


@pytest.mark.parametrize("file", [b"", b"\xef\xbb\xbf"])
def test_a_table_without_a_header_is_unusable(file: bytes) -> None:
    with pytest.raises(UnusableFile, match="the header lacks"):
        products_of(file, Format.CSV)


def test_a_header_in_another_encoding_is_named_in_ascii() -> None:
    with pytest.raises(UnusableFile) as unusable:
        products_of("sku,name,price".encode("utf-16"), Format.CSV)
    assert str(unusable.value).isascii()


@pytest.mark.parametrize(
    ("amount", "currency", "price"),
    [
        ("0", "USD", usd("0")),
        ("7.9", "USD", usd("7.90")),
        ("9999999999.99", "USD", usd("9999999999.99")),
        ("800", "JPY", money("800", "JPY")),
        ("1.234", "KWD", money("1.234", "KWD")),
    ],
)
def test_a_price_is_a_plain_decimal(amount: str, currency: str, price: Any) -> None:
    assert accepted(of_cells(price=amount, currency=currency)).values["price"] == price
    for number in (json.dumps(amount), amount):
        line = f'{{"sku":"A","name":"A","price":{{"amount":{number},"currency":"{currency}"}}}}'
        assert accepted(of_json(line.encode())).values["price"] == price


@pytest.mark.parametrize(
    "amount",
    [
        *("1e400", "1e2", "NaN", "Infinity", "7.999", "-0.01", "-5", "+5", " 5", "5 ", "5.", ".5"),
        *("7,99", "$7.99", "1 000", "07", "7.99 USD", "=7", "'7", "'-7", "٧", "1" * 400, "abc"),
        str(DEAREST // 100 + 1),
    ],
)
def test_nothing_else_is_a_price(amount: str) -> None:
    assert blamed(of_cells(price=amount)) == "price"
    row = of_members(price={"amount": amount, "currency": "USD"})
    assert blamed(row) == "price"
    assert isinstance(refusal_of(row), InvalidValue)


@pytest.mark.parametrize(
    "number", ["1e400", "1e-400", "7.999", "-0.01", "-5", "true", "null", "[5]", str(DEAREST)]
)
def test_nor_is_every_json_number(number: str) -> None:
    line = f'{{"sku":"A","name":"A","price":{{"amount":{number},"currency":"USD"}}}}'
    assert blamed(of_json(line.encode())) == "price"


@pytest.mark.parametrize(
    "price",
    [
        *(5, "5", "5 USD", None, [], {}, {"amount": "5"}, {"currency": "USD"}),
        {"amount": "5", "currency": "usd"},
        {"amount": "5", "currency": "XXX"},
        {"amount": "5", "currency": 5},
        {"amount": "5", "currency": ["USD"]},
        {"amount": "5", "currency": "USD", "tax": 0},
    ],
)
def test_a_price_in_json_is_an_amount_with_its_currency(price: Any) -> None:
    assert blamed(of_members(price=price)) == "price"


def test_a_price_without_a_currency_is_in_the_one_given() -> None:
    rows = of_csv("A,A,5,", "B,B,5,GBP", "C,C,5,", header="sku,name,price,currency")
    assert [accepted(row).values["price"] for row in rows] == [
        usd("5"),
        money("5", "GBP"),
        usd("5"),
    ]


@pytest.mark.parametrize("currency", ["usd", "XXX", "US", "$", " USD"])
def test_a_currency_is_a_code_of_iso_4217(currency: str) -> None:
    assert blamed(of_cells(currency=currency)) == "currency"


@pytest.mark.parametrize(("cell", "stock"), [("0", 0), ("007", 7), (str(LARGEST_STOCK),) * 2])
def test_a_stock_is_a_whole_number(cell: str, stock: int | str) -> None:
    assert accepted(of_cells(stock=cell)).values["stock"] == int(stock)
    assert accepted(of_members(stock=int(stock))).values["stock"] == int(stock)


@pytest.mark.parametrize(
    "cell",
    [
        *("1.5", "1.0", "1e3", "+5", " 5", "5 ", "-5", "5\n", "1_000", "1,000", "٥", "0x5", "many"),
        *("2147483648", "9999999999", "1" * 5_000, "'5", "'+5"),
    ],
)
def test_nothing_else_is_a_stock(cell: str) -> None:
    assert blamed(of_cells(stock=cell)) == "stock"


@pytest.mark.parametrize(
    "number",
    ["1.5", "1.0", "1e3", "-5", "2147483648", "1" * 5_000, '"5"', "true", "null", "[]", "1e400"],
)
def test_nor_is_every_number_a_stock(number: str) -> None:
    line = f'{{"sku":"A","name":"A","price":{{"amount":"5","currency":"USD"}},"stock":{number}}}'
    assert blamed(of_json(line.encode())) == "stock"


@pytest.mark.parametrize(
    ("column", "cell"), [(column, cell) for column, cells in UNFIT_CELLS.items() for cell in cells]
)
def test_a_cell_that_does_not_fit_its_column_is_refused(column: str, cell: str) -> None:
    row = of_cells(**{column: cell})
    assert blamed(row) == column
    assert isinstance(refusal_of(row), InvalidValue)


@pytest.mark.parametrize(
    ("member", "value"),
    [(member, value) for member, values in UNFIT_MEMBERS.items() for value in values],
)
def test_a_member_that_does_not_fit_is_refused(member: str, value: Any) -> None:
    row = of_members(**{member: value})
    assert blamed(row) == member
    assert isinstance(refusal_of(row), InvalidValue)


@pytest.mark.parametrize("pairs", UNFIT_PAIRS.values(), ids=UNFIT_PAIRS)
def test_metadata_are_few_short_pairs_of_text(pairs: dict[str, Any]) -> None:
    for row in (of_members(metadata=pairs), of_cells(metadata=json.dumps(pairs))):
        assert blamed(row) == "metadata"


def test_metadata_may_be_spelled_as_long_as_json_can() -> None:
    pairs = {f"{number:040}": "🫖" * 500 for number in range(50)}
    cell = json.dumps(pairs)
    assert len(cell) > 250_000
    assert accepted(of_cells(metadata=cell)).values["metadata"] == pairs
    assert accepted(of_members(metadata=pairs)).values["metadata"] == pairs


def test_a_category_of_null_is_no_category() -> None:
    assert accepted(of_members(category=None)).values["category"] == ()


def test_the_deepest_category_is_not_too_deep() -> None:
    path = tuple("abcdefghijklmnop")
    assert accepted(of_members(category=path)).values["category"] == path
    assert accepted(of_cells(category=" > ".join(path))).values["category"] == path


@pytest.mark.parametrize("name", ["currency", "id", "SKU", "Sku", "", "x" * 50])
def test_an_unknown_member_is_refused_by_name(name: str) -> None:
    row = of_members(**{name: "USD"})
    assert str(refusal_of(row)) == f"{name} is not known here"
    assert blamed(row) == name


def test_a_long_unknown_name_is_cut() -> None:
    assert blamed(of_members(**{"x" * 100_000: 1})) == "x" * 50


def test_the_first_of_several_faults_is_named() -> None:
    assert blamed(of_cells(stock="many", name=" ", slug="A", is_active="yes")) == "name"
    assert blamed(of_members(stock="many", slug="A", is_active="yes")) == "stock"


def test_a_refusal_never_repeats_the_value() -> None:
    spite = "<script>"
    columns = ("sku", "price", "currency", "stock", "slug", "tags", "is_active", "metadata")
    rows = [of_cells(**{column: spite}) for column in columns]
    rows += [of_members(**{column: spite}) for column in columns if column != "currency"]
    rows += [of_members(category=spite), of_cells(category="<script>>")]
    for row in rows:
        assert "script" not in str(refusal_of(row)) + repr(refusal_of(row).details)


def test_a_cell_that_was_guarded_is_what_it_was() -> None:
    rows = of_csv("'-A,'=1+1,1", "B,''@b,1", "C,'t Hooft,1")
    assert fate(rows) == [(2, "-A"), (3, "B"), (4, "C")]
    assert [accepted(row).values["name"] for row in rows] == ["=1+1", "'@b", "'t Hooft"]
