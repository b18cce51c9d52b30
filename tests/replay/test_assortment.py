"""What a real shop sells, taken over by the real command."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from tests.replay.__main__ import data_folder
from tests.replay.answers import CURRENCY
from tests.replay.assortment import ONLY_BROUGHT_BACK, Assortment, product_lines, row_of
from tests.replay.invoices import Reading, read
from tests.replay.plan import Article
from tests.replay.small_month import SMALL_MONTH, Row, write
from tests.servers import PostgresCluster, run_tradepost

MONTHS: Final = [
    data_folder() / "online-retail" / f"{one}.csv.gz" for one in ("2010-12", "2011-01")
]
needs_the_real_months = pytest.mark.skipif(
    not all(month.is_file() for month in MONTHS), reason=f"the real data is missing: {MONTHS}"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The settings of a shop whose database is migrated."""
    url = f"sqlite+aiosqlite:///{tmp_path}/shop.db"
    if request.param == "postgresql":
        postgres: PostgresCluster = request.getfixturevalue("postgres")
        postgres.create("replay_assortment")
        url = postgres.url("replay_assortment")
    found = {
        "TRADEPOST_DATABASE_URL": url,
        "TRADEPOST_SECRET_KEY": "s" * 32,
        "TRADEPOST_CURRENCY": CURRENCY,
    }
    run_tradepost("db", "upgrade", environment=found, folder=tmp_path)
    return found


def reading_of(tmp_path: Path, *rows: Row) -> Reading:
    return read(write(tmp_path / "month.csv.gz", rows))


def codes(readings: list[Reading]) -> set[str]:
    return {line.sku for reading in readings for line in reading.lines}


def test_a_code_that_was_sold_is_a_product_and_any_other_is_reported(tmp_path: Path) -> None:
    month = reading_of(tmp_path, *SMALL_MONTH, ("C9", "84879", "-1", "02", "1.69", "17850.0"))
    found = Assortment.of([month])
    assert {article.sku for article in found.articles} == {"85123A", "71053", "22423"}
    assert found.refused == {
        "POST": "no goods: postage",
        "B": "adjustment of a debt",
        "GIFT_0001_20": "no goods: gift voucher",
        "NO CODE": "a code that no product can have",
        "84879": ONLY_BROUGHT_BACK,
    }
    assert found.kinds.total() == len(found.refused)


def test_what_was_sold_in_several_months_is_one_product(tmp_path: Path) -> None:
    one = reading_of(
        tmp_path, ("1", "71053", "2", "01", "3.39", ""), ("2", "X", "1", "01", "0", "")
    )
    other = reading_of(
        tmp_path, ("3", "71053", "3", "01", "3.75", ""), ("4", "x", "1", "01", "1", "")
    )
    found = Assortment.of([one, other, other])
    price = Decimal("3.75")
    assert found.articles[0] == Article("71053", "ITEM 71053", price, stock=8)
    assert found.articles[1].sku == "X"
    assert found.refused == {}


@needs_the_real_months
def test_two_months_of_a_real_shop_are_taken_over(
    environment: dict[str, str], tmp_path: Path
) -> None:
    december, both = read(MONTHS[0]), [read(month) for month in MONTHS]
    first, found = Assortment.of([december]), Assortment.of(both)
    assert not [number for reading in both for number in reading.unreadable]
    assert len(found.articles) + len(found.refused) == len(codes(both)) == 2_982
    assert found.kinds == {
        "quantity below zero, no return": 38,
        "price of zero": 19,
        "only brought back": 15,
        "no goods: gift voucher": 4,
        "no goods: postage": 2,
        "no goods: manual entry": 1,
        "no goods: carriage": 1,
        "no goods: bank charges": 1,
        "no goods: discount": 1,
        "no goods: marketplace fee": 1,
        "no goods: samples": 1,
    }

    def told(assortment: Assortment) -> str:
        file = tmp_path / "products.ndjson"
        file.write_text("".join(product_lines(assortment.articles)), encoding="utf-8")
        command = ("catalog", "import", file.name)
        return run_tradepost(*command, environment=environment, folder=tmp_path).splitlines()[-1]

    before = {article.sku: article for article in first.articles}
    changed = [article for article in found.articles if before.get(article.sku) != article]
    created = len(found.articles) - len(before)
    updated = len(changed) - created
    same = len(before) - updated
    assert (len(before), created, updated) == (2_722, 176, 2_351)
    assert told(first) == "products: 2722 created, 0 changed, 0 as they were, 0 refused"
    assert told(found) == (
        f"products: {created} created, {updated} changed, {same} as they were, 0 refused"
    )
    assert told(found) == "products: 0 created, 0 changed, 2898 as they were, 0 refused"

    exported = ("catalog", "export", "out.ndjson")
    run_tradepost(*exported, environment=environment, folder=tmp_path)
    kept = map(json.loads, (tmp_path / "out.ndjson").read_text(encoding="utf-8").splitlines())
    names = ("sku", "name", "price", "stock")
    by_sku = sorted(found.articles, key=lambda article: article.sku)
    assert [{name: one[name] for name in names} for one in kept] == [*map(row_of, by_sku)]
