"""What is written can be read again, by us and by a spreadsheet, and nothing is lost."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.catalog.exchange import ExportedProduct, ProductRow
from domain.catalog.product import DEAREST, LARGEST_STOCK
from domain.shared.money import CURRENCIES, Money
from interfaces.exchange.rows import Format
from interfaces.exchange.writing import header, written
from tests.builders import usd
from tests.unit.exchange.files import accepted, products_of

MUG: Final = ExportedProduct(
    sku="MUG-1",
    name="White mug",
    price=usd("7.90"),
    stock=40,
    slug="white-mug",
    description="",
    category=("Kitchen", "Mugs"),
    tags=("new", "sale"),
    is_active=True,
    metadata={"colour": "blanc cassé"},
)
BARE: Final = ExportedProduct(
    sku="-1",
    name='=1+1, "hi"',
    price=usd("0"),
    stock=0,
    slug="-1",
    description="one\ntwo\r\n",
    category=(),
    tags=(),
    is_active=False,
    metadata={},
)

plain = st.characters(codec="utf-8", exclude_categories=["Cc"])
spiteful = st.sampled_from("'=+-@\\>\", ;{}é🫖\u2028\ufeff")
in_line = plain | spiteful
in_text = in_line | st.sampled_from("\t\n\r")


def lines(longest: int) -> st.SearchStrategy[str]:
    return st.text(in_line, min_size=1, max_size=longest).filter(str.strip)


slugs = st.text(st.sampled_from("abz09-"), min_size=1, max_size=200)
products = st.builds(
    ExportedProduct,
    sku=st.text(st.sampled_from("ABZ09-"), min_size=1, max_size=50),
    name=lines(200),
    price=st.builds(Money, st.integers(0, DEAREST), st.sampled_from([*CURRENCIES.values()])),
    stock=st.integers(0, LARGEST_STOCK),
    slug=slugs,
    description=st.text(in_text, max_size=10_000),
    category=st.lists(lines(200), max_size=16).map(tuple),
    tags=st.sets(slugs, max_size=5).map(lambda tags: tuple(sorted(tags))),
    is_active=st.booleans(),
    metadata=st.dictionaries(lines(40), st.text(in_text, max_size=500), max_size=5),
)


def file_of(products: Sequence[ExportedProduct], format: Format) -> bytes:
    return header(format) + b"".join(written(product, format) for product in products)


def exported(row: ProductRow) -> ExportedProduct:
    return ExportedProduct(sku=row.sku, **row.values)


@pytest.mark.parametrize("format", Format)
@given(products=st.lists(products, min_size=1, max_size=3, unique_by=lambda one: one.sku))
def test_any_products_survive_being_written_and_read(
    format: Format, products: list[ExportedProduct]
) -> None:
    file = file_of(products, format)
    again = [exported(accepted(row)) for row in products_of(file, format)]
    assert again == products
    assert file_of(again, format) == file


@pytest.mark.parametrize(
    "text", ["=1", "'=1", "''@", "\t", "\r", "\r\n", '"', '""', "'", ",", "\n"]
)
@pytest.mark.parametrize("format", Format)
def test_any_text_survives_being_written_and_read(format: Format, text: str) -> None:
    mug = replace(MUG, description=text)
    [row] = products_of(header(format) + written(mug, format), format)
    assert exported(accepted(row)) == mug


def test_a_table_is_written_as_rfc_4180_has_it() -> None:
    assert file_of([MUG, BARE], Format.CSV).decode() == (
        "sku,name,price,currency,stock,slug,description,category,tags,is_active,metadata\r\n"
        "MUG-1,White mug,7.90,USD,40,white-mug,,Kitchen > Mugs,new sale,true,"
        '"{""colour"":""blanc cassé""}"\r\n'
        '\'-1,"\'=1+1, ""hi""",0.00,USD,0,\'-1,"one\ntwo\r\n",,,false,{}\r\n'
    )


def test_an_object_is_written_on_one_line() -> None:
    assert file_of([MUG, BARE], Format.NDJSON).decode() == (
        '{"sku":"MUG-1","name":"White mug","price":{"amount":"7.90","currency":"USD"},"stock":40,'
        '"slug":"white-mug","description":"","category":["Kitchen","Mugs"],"tags":["new","sale"],'
        '"is_active":true,"metadata":{"colour":"blanc cassé"}}\n'
        '{"sku":"-1","name":"=1+1, \\"hi\\"","price":{"amount":"0.00","currency":"USD"},"stock":0,'
        '"slug":"-1","description":"one\\ntwo\\r\\n","category":null,"tags":[],'
        '"is_active":false,"metadata":{}}\n'
    )


@given(products)
def test_no_cell_is_run_by_a_spreadsheet(product: ExportedProduct) -> None:
    [cells] = csv.reader(StringIO(written(product, Format.CSV).decode(), newline=""), strict=True)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@given(products)
def test_a_product_is_one_line_of_json(product: ExportedProduct) -> None:
    line = written(product, Format.NDJSON)
    assert line.count(b"\n") == 1
    assert json.loads(line)["description"] == product.description
